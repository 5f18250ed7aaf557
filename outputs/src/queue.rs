//! The bounded queue between an encoder and one output. Putting in never waits; when there is too much, the
//! oldest audio goes, in one piece rather than packet by packet, so that a slow peer hears one gap and no stutter.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use airchain_codecs::packet::Packet;
use tokio::sync::{Notify, watch};

use crate::sink::Parcel;

/// More parcels than this are never held, whatever durations the packets declare.
const MOST_PARCELS: usize = 65_536;

/// Titles kept of audio that is dropped: more than an encoder looks ahead.
const MOST_TITLES: usize = 64;

pub(crate) struct Queue {
    state: Mutex<State>,
    filled: Notify,
    ended: watch::Sender<bool>,
}

struct State {
    parcels: VecDeque<Parcel>,
    /// Frames held.
    frames: u64,
    /// Frames that may be held.
    limit: u64,
    /// Frames kept when there were more than that.
    keep: u64,
    dropped: u64,
    ended: bool,
}

impl Queue {
    pub(crate) fn new(limit: u64, keep: u64) -> Self {
        let state = State { parcels: VecDeque::new(), frames: 0, limit, keep, dropped: 0, ended: false };
        Self { state: Mutex::new(state), filled: Notify::new(), ended: watch::Sender::new(false) }
    }

    /// Takes a parcel; never waits. What comes after [`Parcel::End`] is ignored.
    pub(crate) fn push(&self, parcel: Parcel) {
        self.push_all([parcel]);
    }

    /// Takes parcels in their order.
    pub(crate) fn push_all(&self, parcels: impl IntoIterator<Item = Parcel>) {
        let mut state = self.lock();
        let ended = state.ended;
        for parcel in parcels {
            state.push(parcel);
        }
        if state.ended && !ended {
            self.ended.send_replace(true);
        }
        drop(state);
        self.filled.notify_one();
    }

    /// The next parcel, and whether it is the last for now. Cancel safe. One caller at a time.
    pub(crate) async fn pop(&self) -> (Parcel, bool) {
        loop {
            let filled = self.filled.notified();
            {
                let mut state = self.lock();
                if let Some(parcel) = state.pop() {
                    return (parcel, state.parcels.is_empty());
                }
            }
            filled.await;
        }
    }

    /// Returns a packet that could not be delivered to the front; or drops it, if it may itself be the cause.
    pub(crate) fn give_back(&self, packet: Packet, again: bool) {
        let mut state = self.lock();
        if again {
            state.frames += u64::from(packet.duration);
            state.parcels.push_front(Parcel::Packet(packet));
        } else {
            state.dropped += u64::from(packet.duration);
        }
    }

    /// Counts audio that was taken and is lost.
    pub(crate) fn lose(&self, frames: u64) {
        self.lock().dropped += frames;
    }

    /// Waits until there is audio, or the end. Cancel safe.
    pub(crate) async fn ready(&self) {
        loop {
            let filled = self.filled.notified();
            {
                let state = self.lock();
                if state.ended || state.first_packet().is_some() {
                    return;
                }
            }
            filled.await;
        }
    }

    /// Waits until the end has been put in. Cancel safe.
    pub(crate) async fn ended(&self) {
        // Fails only when the sender is gone, and that is ours.
        let _ = self.ended.subscribe().wait_for(|ended| *ended).await;
    }

    /// Whether the end has been put in.
    pub(crate) fn has_ended(&self) -> bool {
        self.lock().ended
    }

    /// Where the first packet in the queue ends.
    pub(crate) fn first_end(&self) -> Option<i64> {
        self.lock().first_packet().map(Packet::end)
    }

    /// Takes a title from the front, if one is there.
    pub(crate) fn pop_title(&self) -> Option<Parcel> {
        let mut state = self.lock();
        matches!(state.parcels.front(), Some(Parcel::Title { .. })).then(|| state.pop()).flatten()
    }

    /// From now on holds at most `limit` frames, and falls back to `keep` when it would be more.
    pub(crate) fn resize(&self, limit: u64, keep: u64) {
        let mut state = self.lock();
        (state.limit, state.keep) = (limit, keep);
        if state.frames > limit {
            state.trim();
        }
    }

    /// Drops all audio that is held.
    pub(crate) fn clear(&self) {
        let mut state = self.lock();
        state.keep = 0;
        state.trim();
    }

    /// Frames dropped since the beginning.
    pub(crate) fn dropped(&self) -> u64 {
        self.lock().dropped
    }

    /// Frames held.
    pub(crate) fn frames(&self) -> u64 {
        self.lock().frames
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Drops the last title if one from `at` on is never heard.
    fn supersede(&mut self, at: i64) {
        if matches!(self.parcels.back(), Some(Parcel::Title { at: last, .. }) if *last >= at) {
            self.parcels.pop_back();
        }
    }

    fn push(&mut self, parcel: Parcel) {
        if self.ended {
            return;
        }
        match &parcel {
            Parcel::Packet(packet) => self.frames += u64::from(packet.duration),
            Parcel::Title { at, .. } => self.supersede(*at),
            Parcel::End => self.ended = true,
        }
        self.parcels.push_back(parcel);
        if self.frames > self.limit || self.parcels.len() > MOST_PARCELS {
            self.trim();
        }
    }

    fn pop(&mut self) -> Option<Parcel> {
        let parcel = self.parcels.pop_front()?;
        if let Parcel::Packet(packet) = &parcel {
            self.frames = self.frames.saturating_sub(u64::from(packet.duration));
        }
        Some(parcel)
    }

    fn first_packet(&self) -> Option<&Packet> {
        self.parcels.iter().find_map(|p| if let Parcel::Packet(packet) = p { Some(packet) } else { None })
    }

    /// Drops the oldest audio until `keep` is left. The titles of what comes next stay, and the end stays the end.
    fn trim(&mut self) {
        let mut titles = VecDeque::new();
        while self.frames > self.keep || self.parcels.len() > MOST_PARCELS / 2 {
            match self.pop() {
                Some(Parcel::Packet(packet)) => self.dropped += u64::from(packet.duration),
                Some(Parcel::Title { at, metadata }) => {
                    if titles.len() == MOST_TITLES {
                        titles.pop_front();
                    }
                    titles.push_back((at, metadata));
                }
                Some(Parcel::End) => {
                    self.parcels.push_front(Parcel::End);
                    break;
                }
                None => break,
            }
        }
        let next = self.first_packet().map_or(i64::MAX, Packet::end);
        while titles.get(1).is_some_and(|(at, _)| *at < next) {
            titles.pop_front();
        }
        while let Some((at, metadata)) = titles.pop_back() {
            self.parcels.push_front(Parcel::Title { at, metadata });
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use airchain_core::item::Metadata;
    use bytes::Bytes;

    use super::*;

    fn packet(pts: i64) -> Parcel {
        Parcel::Packet(Packet { data: Bytes::from_static(b"x"), pts, duration: 10 })
    }

    fn title(at: i64, text: &str) -> Parcel {
        Parcel::Title { at, metadata: Arc::new(Metadata { title: Some(text.into()), ..Metadata::default() }) }
    }

    fn contents(queue: &Queue) -> Vec<String> {
        let name = |p: &Parcel| match p {
            Parcel::Packet(p) => p.pts.to_string(),
            Parcel::Title { metadata, .. } => metadata.one_line(),
            Parcel::End => "end".into(),
        };
        queue.lock().parcels.iter().map(name).collect()
    }

    #[test]
    fn the_oldest_goes_in_one_piece_and_the_title_stays() {
        let queue = Queue::new(50, 20);
        queue.push(title(0, "a"));
        queue.push(packet(0));
        queue.push(title(10, "b"));
        for pts in [10, 20, 30, 40] {
            queue.push(packet(pts));
        }
        assert_eq!(queue.dropped(), 0);
        queue.push(packet(50));
        assert_eq!(contents(&queue), ["b", "40", "50"]);
        assert_eq!(queue.dropped(), 40);
        queue.push(packet(60));
        assert_eq!(queue.dropped(), 40, "no further gap while there is room");
    }

    #[test]
    fn a_title_ahead_of_dropped_audio_does_not_replace_the_one_that_is_true() {
        let queue = Queue::new(50, 20);
        queue.push(title(0, "a"));
        for pts in [0, 10] {
            queue.push(packet(pts));
        }
        // Told while the encoder had not yet given out what comes before it.
        queue.push(title(25, "b"));
        queue.push(title(55, "c"));
        for pts in [20, 30, 40, 50] {
            queue.push(packet(pts));
        }
        assert_eq!(contents(&queue), ["b", "c", "40", "50"]);
        let Some(Parcel::Title { at: 25, .. }) = queue.pop_title() else {
            panic!("b is true of 40's beginning")
        };
    }

    #[test]
    fn the_end_survives_and_nothing_follows_it() {
        let queue = Queue::new(50, 20);
        queue.push(packet(0));
        queue.push(title(10, "a"));
        queue.push(Parcel::End);
        queue.push(packet(10));
        queue.clear();
        assert_eq!(contents(&queue), ["a", "end"]);
    }

    #[test]
    fn of_titles_for_one_frame_the_newest_is_left() {
        let queue = Queue::new(50, 20);
        for n in 0..1000 {
            queue.push(title(7, &n.to_string()));
        }
        // An encoder looks ahead: this one is still to come when the packet of the one before does.
        queue.push(title(17, "next"));
        queue.push(packet(0));
        assert_eq!(contents(&queue), ["999", "next", "0"]);
    }

    #[test]
    fn a_flood_of_titles_without_audio_is_bounded() {
        let queue = Queue::new(50, 20);
        for n in 0..200_000 {
            queue.push(title(n, &n.to_string()));
        }
        let held = contents(&queue);
        assert!(held.len() <= MOST_PARCELS, "{}", held.len());
        assert_eq!(held.last().map(String::as_str), Some("199999"));
    }
}
