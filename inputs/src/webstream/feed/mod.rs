//! The feed: what a link brings, decoded and at the station's rate, into a live source.
//!
//! A decode worker gives it its turns. Compressed audio waits in [`Arrivals`], `buffer_s` of it, so that an upstream may
//! be away for about that long unheard; decoded audio only as far ahead as the live source asks for.
//!
//! * **Filling**: nothing is handed on until `buffer_s` has arrived. So it begins, and so it goes on after it ran dry.
//! * **Flowing**: what the air uses up is replaced; while it has no ear (not routed, or beneath an emergency) audio is
//!   handed on in real time, and the newest is there when it gets one.
//!
//! The upstream's clock is not the station's: [`Steering`](airchain_codecs::drift::Steering) watches how much waits, and
//! [`Drift`](airchain_codecs::drift::Drift) plays a little faster or slower, so that neither runs away from the other.
//! Where one connection's audio ends and another's begins, 10 ms of both are crossfaded.

mod board;
mod byte_rate;
mod join;
mod pace;
mod supply;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::{Duration, Instant};

use airchain_core::Frames;
use airchain_core::item::Invalid;
use airchain_core::playout::LiveWriter;
use airchain_core::units::{frames_to_seconds, seconds_to_frames};

use self::pace::Pace;
use self::supply::Supply;
use super::{Arrivals, Link};
use crate::file::Pump;

pub use self::board::{FeedBoard, FeedStatus};

/// Audio that one turn makes at most.
const TURN_S: f64 = 0.2;

/// How often it is told how things stand, at least.
const TELL: Duration = Duration::from_secs(1);

/// How a webstream is fed.
#[derive(Clone, Debug, PartialEq)]
pub struct FeedConfig {
    /// What the log calls it: the input's name.
    pub id: String,
    /// The station's rate in Hz.
    pub rate_hz: u32,
    /// Audio that waits between upstream and air, in seconds from 0.5 to 60: how long the upstream may be away.
    pub buffer_s: f64,
    /// How long it may be silent before another of its URLs is tried, in seconds; never when `None`. What counts as
    /// silence is for the live source to say.
    pub silence_s: Option<f64>,
    /// Whether the upstream's titles are passed on.
    pub titles: bool,
}

impl FeedConfig {
    /// Refuses what cannot be meant.
    pub fn validate(&self) -> Result<(), Invalid> {
        if !(0.5..=60.0).contains(&self.buffer_s) {
            return Err(Invalid::new("buffer_s", self.buffer_s, "seconds from 0.5 to 60"));
        }
        Ok(())
    }
}

/// A webstream on its way into a live source.
pub struct WebstreamFeed {
    config: FeedConfig,
    supply: Supply,
    writer: LiveWriter,
    board: FeedBoard,
    pace: Pace,
    filling: bool,
    /// Nothing was left to hand on at the last turn.
    dry: bool,
    /// Silent for so long, in seconds, another URL is asked for.
    silence_s: f64,
    /// When it was last told how things stand.
    told: Option<Instant>,
}

impl WebstreamFeed {
    /// Feeds what `link` brings to `writer`. What is known of it stands on the `board`.
    pub fn new(
        config: FeedConfig,
        link: Arc<Link>,
        arrivals: Arrivals,
        writer: LiveWriter,
        board: FeedBoard,
    ) -> Self {
        let supply = Supply::new(&config, link, arrivals, board.clone());
        let pace = Pace::new(config.rate_hz);
        let silence_s = config.silence_s.unwrap_or(f64::INFINITY);
        Self { config, supply, writer, board, pace, filling: true, dry: false, silence_s, told: None }
    }

    /// Frames that the air has ahead; none when nobody wants it any more.
    pub fn level(&self) -> usize {
        if self.is_unwanted() { 0 } else { self.writer.buffered() }
    }

    /// Whether the air is about to run out of it.
    pub fn is_urgent(&self) -> bool {
        self.writer.is_heard() && self.short() * 2 > self.writer.target()
    }

    /// Whether a turn would achieve something at `now`.
    pub fn is_low(&self, now: Instant) -> bool {
        if self.is_unwanted() {
            return true;
        }
        if self.told.is_none_or(|told| now.saturating_duration_since(told) >= TELL) {
            return true;
        }
        let over = self.supply.is_over();
        match self.filling {
            true => {
                over || self.supply.has_more()
                    && (self.supply.waiting_s().is_none() || self.supply.is_enough())
            }
            false => {
                let supplied = over || self.supply.has_more() || self.supply.ready() > 0;
                supplied && self.pace.is_due(now, self.short())
            }
        }
    }

    /// One turn at `now`: makes and hands on what is due.
    pub fn pump(&mut self, now: Instant) -> Pump {
        if self.is_unwanted() {
            return Pump::Abandoned;
        }
        if self.dry && self.supply.has_more() && !self.writer.is_heard() {
            self.supply.begin_anew();
            self.filling = true;
        }
        self.dry = false;
        self.told = Some(now);
        if self.filling {
            self.pace.rest();
            while self.supply.waiting_s().is_none() && self.supply.make() {}
            if !self.supply.is_enough() && !self.supply.is_over() {
                self.supply.tell(true);
                return Pump::Full;
            }
            self.filling = false;
        }
        let most = seconds_to_frames(TURN_S, self.config.rate_hz) as usize;
        let due = self.pace.due(now, self.short()).min(most);
        while self.supply.ready() < due && self.supply.make() {}
        let handed = self.supply.hand_on(due, &mut self.writer);
        self.pace.handed(handed);
        self.dry = handed < due;
        // Beneath a higher tier it is not used up: then what is ahead says nothing.
        let ahead = self.writer.buffered().min(self.writer.target());
        self.supply.steer(self.seconds(ahead), self.seconds(handed));
        self.heed_silence();
        self.supply.tell(self.dry && !self.writer.is_heard());
        if self.dry && self.supply.is_over() { Pump::Done } else { Pump::Worked }
    }

    /// Whether nobody wants it any more.
    fn is_unwanted(&self) -> bool {
        self.board.is_closing() || self.writer.is_abandoned()
    }

    /// Frames that the air lacks of those it should have ahead.
    fn short(&self) -> usize {
        self.writer.target().saturating_sub(self.writer.buffered())
    }

    fn seconds(&self, frames: usize) -> f64 {
        frames_to_seconds(frames as Frames, self.config.rate_hz)
    }

    /// Looks for something to hear elsewhere when it has been silent for long, and again when that is silent too.
    fn heed_silence(&mut self) {
        let Some(silence_s) = self.config.silence_s else { return };
        let quiet_s = self.seconds(self.writer.quiet() as usize);
        if quiet_s < silence_s {
            self.silence_s = silence_s;
        } else if quiet_s >= self.silence_s && self.supply.link.has_others() {
            self.silence_s = quiet_s + silence_s + self.config.buffer_s;
            self.supply.link.move_on(self.supply.connection);
        }
    }

    /// A decoder failed in a way that it never should: goes on with another connection.
    pub fn recover(&mut self) {
        self.supply.give_up("the decoder failed; the stream is begun anew");
        self.supply.begin_anew();
        self.filling = true;
    }
}

impl Drop for WebstreamFeed {
    fn drop(&mut self) {
        self.board.end();
    }
}
