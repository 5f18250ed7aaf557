//! How a live source is treated.

use serde::{Deserialize, Serialize};

use crate::Frames;
use crate::dsp::Format;
use crate::item::Invalid;
use crate::units::seconds_to_frames;

/// What a source does that was lost or silent, once it is good again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LiveReturn {
    /// It comes back by itself.
    #[default]
    Auto,
    /// It stays off until it is routed again.
    Manual,
}

/// How a live source is treated.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LiveConfig {
    /// The most audio that is held between the source and the air, in seconds from 0.1 to 2.5. When a fast sender has
    /// filled it, the oldest is skipped until the pre-roll is left. A source that fails is off the air before this time
    /// is over.
    pub buffer_s: f64,
    /// Audio that is gathered before the source goes on air, in seconds from 0.05 to half of `buffer_s`. It is the
    /// source's delay, and the time by which what it sends may be late.
    pub preroll_s: f64,
    /// Whether a source that was lost or silent comes back by itself.
    pub return_policy: LiveReturn,
    /// How long a source must have been good before it comes back the first time, in seconds from 0 to 60. Each time it
    /// leaves the air again doubles it.
    pub hold_s: f64,
    /// The longest it grows to, in seconds from `hold_s` to 3600.
    pub hold_max_s: f64,
    /// Time on air that takes one doubling back, in seconds from 1 to 3600.
    pub forgive_s: f64,
    /// How long a lost source is waited for before its route ends, in seconds from 0 to 3600
    /// (`failover.live_timeout_sec` of a station file), or for ever where it is infinite.
    pub live_timeout_s: f64,
    /// Level below which the source is quiet, in dB from -100 to 0; a sine of amplitude 1 is 0 dB.
    pub silence_threshold_db: f64,
    /// How long it must be quiet to be taken off, in seconds from 0 (never) to 3600.
    pub silence_s: f64,
}

impl Default for LiveConfig {
    fn default() -> Self {
        Self {
            buffer_s: 1.0,
            preroll_s: 0.5,
            return_policy: LiveReturn::Auto,
            hold_s: 1.0,
            hold_max_s: 60.0,
            forgive_s: 60.0,
            live_timeout_s: 30.0,
            silence_threshold_db: -50.0,
            silence_s: 10.0,
        }
    }
}

impl LiveConfig {
    /// Refuses values that cannot be meant, naming the field, its value and what would do.
    pub fn validate(&self) -> Result<(), Invalid> {
        let within = |field, value: f64, min: f64, max: f64, accepted| match value {
            value if (min..=max).contains(&value) => Ok(()),
            value => Err(Invalid::new(field, value, accepted)),
        };
        within("buffer_s", self.buffer_s, 0.1, 2.5, "seconds from 0.1 to 2.5")?;
        let half = self.buffer_s / 2.0;
        within("preroll_s", self.preroll_s, 0.05, half, "seconds from 0.05 to half of buffer_s")?;
        within("hold_s", self.hold_s, 0.0, 60.0, "seconds from 0 to 60")?;
        within("hold_max_s", self.hold_max_s, self.hold_s, 3600.0, "seconds from hold_s to 3600")?;
        within("forgive_s", self.forgive_s, 1.0, 3600.0, "seconds from 1 to 3600")?;
        if self.live_timeout_s != f64::INFINITY {
            within(
                "live_timeout_s",
                self.live_timeout_s,
                0.0,
                3600.0,
                "seconds from 0 to 3600, or infinity",
            )?;
        }
        within("silence_threshold_db", self.silence_threshold_db, -100.0, 0.0, "dB from -100 to 0")?;
        within("silence_s", self.silence_s, 0.0, 3600.0, "seconds from 0 (never) to 3600")
    }

    /// Its depths in frames.
    pub(super) fn depths(&self, format: Format) -> Depths {
        let rate = format.sample_rate_hz;
        let seam = Frames::from(rate) / 100;
        let guard = format.max_block as Frames + seam;
        // Blocks so long that the pre-roll would be gone with the first ones make it longer.
        let preroll = seconds_to_frames(self.preroll_s, rate).max(2 * guard);
        let buffer = seconds_to_frames(self.buffer_s, rate).max(2 * preroll);
        Depths { buffer, preroll, guard, seam }
    }
}

/// Depths of a source's buffer, in frames.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Depths {
    /// The most that may wait to be heard.
    pub(super) buffer: Frames,
    /// What is gathered before the source goes on air.
    pub(super) preroll: Frames,
    /// A reader with less than this ahead of it declares its end: one block, which may be asked for before it looks
    /// again, and a seam, to fall over.
    pub(super) guard: Frames,
    /// Length of the reader's own rise and fall: 10 ms.
    pub(super) seam: Frames,
}
