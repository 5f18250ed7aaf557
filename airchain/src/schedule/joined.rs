//! A playlist that began at some time, and is joined where it would be by now.

use airchain_core::item::Item;
use airchain_core::playout::playlist::Order;
use airchain_core::playout::schedule::{Joining, Length, Part, join};
use airchain_core::playout::{NextItem, NextTrack, Playlist, StationClock};
use airchain_core::units::{frames_to_seconds, seconds_to_frames};

use crate::lengths::Catalogue;

/// The rise of the item that is joined in the middle, in seconds.
const DECLICK_S: f64 = 0.005;

/// A playlist in its order that began at a UTC time. Its first item is the one that it has come to by then, from where it
/// has come to in it; before that time it is its first. From then on it goes on item by item.
pub struct Joined {
    playlist: Playlist,
    looped: bool,
    parts: Vec<Part>,
    joining: Joining,
    began: StationClock,
    /// Tells the time of the first item; taken then.
    now: Option<Now>,
}

/// Tells a UTC time in nanoseconds since 1970.
pub type Now = Box<dyn Fn() -> i64 + Send>;

impl Joined {
    /// A playlist that began at `began_ns` (UTC in nanoseconds since 1970), whose first item airs at the time that `now`
    /// tells. Reads how long every item is, which takes its time. `joining` is in frames at `rate_hz`.
    pub fn new(
        items: Vec<Item>,
        looped: bool,
        began_ns: i64,
        rate_hz: u32,
        joining: Joining,
        now: Now,
    ) -> Self {
        let mut catalogue = Catalogue::default();
        let frames = |seconds: f64| seconds_to_frames(seconds, rate_hz);
        let part = |item: &Item| Part {
            // What cannot be played takes no time.
            length: match catalogue.length(item, rate_hz) {
                Length::Known(length) => length,
                Length::Later | Length::Never => 0,
            },
            start_next: item.start_next_s.map(|at| frames(at - item.cue_in_s.unwrap_or(0.0))),
            fade_in: item.fade_in_s.map(frames),
        };
        let parts = items.iter().map(part).collect();
        let began = StationClock { rate_hz, epoch_ns: began_ns };
        let playlist = Playlist::new(items, Order::Sequential, looped, 0);
        Self { playlist, looped, parts, joining, began, now: Some(now) }
    }

    /// The item that the playlist has come to at `now_ns`.
    fn first(&mut self, now_ns: i64) -> NextItem {
        let Some(elapsed) = self.began.frame_of(now_ns) else { return self.playlist.next_track() };
        let joined = join(&self.parts, elapsed, self.looped, &self.joining);
        // What is over is passed over; all of it, when it has come to its end.
        let passed = joined.map_or(self.parts.len(), |joined| joined.index);
        for _ in 0..passed {
            self.playlist.next_track();
        }
        let Some(joined) = joined else { return NextItem::End };
        match self.playlist.next_track() {
            NextItem::Item(mut item) if joined.offset > 0 => {
                let offset_s = frames_to_seconds(joined.offset, self.began.rate_hz);
                item.cue_in_s = Some(item.cue_in_s.unwrap_or(0.0) + offset_s);
                item.fade_in_s = Some(item.fade_in_s.unwrap_or(0.0).max(DECLICK_S));
                NextItem::Item(item)
            }
            item => item,
        }
    }
}

impl NextTrack for Joined {
    fn next_track(&mut self) -> NextItem {
        match self.now.take() {
            Some(now) => self.first(now()),
            None => self.playlist.next_track(),
        }
    }

    fn is_by_clock(&self) -> bool {
        true
    }
}
