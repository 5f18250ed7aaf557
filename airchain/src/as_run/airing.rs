//! An item on air, and its meter.

use airchain_core::control::Ending;
use airchain_core::item::Item;
use airchain_core::measure::{Loudness, TruePeak};
use airchain_core::tier::Tier;
use airchain_core::{Frames, Stereo};
use jiff::Timestamp;

use super::Record;

/// A frame of the programme, and its wall-clock time where there is one.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Point {
    pub(super) frame: Frames,
    pub(super) utc: Option<Timestamp>,
}

impl Point {
    /// Another frame, on the same timeline.
    pub(super) fn at(self, frame: Frames, rate_hz: u32) -> Self {
        let frames = i128::from(frame) - i128::from(self.frame);
        let nanos = frames * 1_000_000_000 / i128::from(rate_hz.max(1));
        let moved = |utc: Timestamp| Timestamp::from_nanosecond(utc.as_nanosecond() + nanos).ok();
        Self { frame, utc: self.utc.and_then(moved) }
    }
}

/// An item that has been heard and has not ended.
pub(super) struct Airing {
    pub(super) tier: Tier,
    pub(super) item: Item,
    /// Stretches begun.
    part: u32,
    /// `None` while another tier has the air.
    pub(super) on: Option<Stretch>,
}

/// An item while it is heard.
pub(super) struct Stretch {
    pub(super) start: Point,
    /// Another tier has taken the air, and it is silent from here on.
    pub(super) off: Option<Point>,
    meter: Meter,
}

impl Airing {
    pub(super) fn start(tier: Tier, item: Item, at: Point, rate_hz: u32) -> Self {
        let mut airing = Self { tier, item, part: 0, on: None };
        airing.resume(at, rate_hz);
        airing
    }

    /// Its tier has the air again: it is heard on, or anew if it was silent by then.
    pub(super) fn resume(&mut self, at: Point, rate_hz: u32) {
        match &mut self.on {
            Some(on) => on.off = None,
            None => {
                self.part += 1;
                self.on = Some(Stretch { start: at, off: None, meter: Meter::new(rate_hz) });
            }
        }
    }

    pub(super) fn hear(&mut self, audio: &[Stereo]) {
        if let Some(on) = &mut self.on {
            on.meter.hear(audio);
        }
    }

    /// The frame at which it is silent because another tier has the air.
    pub(super) fn off(&self) -> Option<Point> {
        self.on.as_ref()?.off
    }

    /// Ends the stretch; nothing if it is not heard.
    pub(super) fn close(
        &mut self,
        ending: Ending,
        end: Point,
        station: &str,
        rate_hz: u32,
    ) -> Option<Record> {
        let Stretch { start, meter, .. } = self.on.take()?;
        let frames = end.frame.saturating_sub(start.frame);
        (frames > 0).then(|| Record {
            station: station.to_owned(),
            tier: self.tier,
            item: self.item.clone(),
            part: self.part,
            start_frame: start.frame,
            end_frame: end.frame,
            start_utc: start.utc,
            end_utc: end.utc,
            duration_s: crate::spec::seconds(frames, rate_hz),
            ending,
            integrated_lufs: meter.integrated_lufs(),
            true_peak_dbtp: meter.true_peak_dbtp(),
        })
    }
}

/// Frames that only fill the true-peak filter's memory, more than that is at any rate: begun with silence, it takes the
/// cut out of a programme that sounds already for a waveform that rises higher.
const WARM_UP: usize = 32;

/// The loudness and true peak of one stretch. Memory does not grow with what it hears.
struct Meter {
    loudness: Loudness,
    true_peak: TruePeak,
    peaks: Stereo,
    /// What is left of the warm-up.
    cold: usize,
}

impl Meter {
    fn new(rate_hz: u32) -> Self {
        let (loudness, true_peak) = (Loudness::new(rate_hz), TruePeak::new(rate_hz));
        Self { loudness, true_peak, peaks: [0.0; 2], cold: WARM_UP }
    }

    /// Hears the next frames, which must be finite: one that is not would spoil all that follow.
    fn hear(&mut self, audio: &[Stereo]) {
        let (first, rest) = audio.split_at(self.cold.min(audio.len()));
        self.cold -= first.len();
        self.loudness.feed(audio);
        self.true_peak.feed(first, &mut [0.0; 2]);
        self.true_peak.feed(rest, &mut self.peaks);
    }

    fn integrated_lufs(&self) -> Option<f64> {
        self.loudness.integrated_lufs().and_then(rounded)
    }

    fn true_peak_dbtp(&self) -> Option<f64> {
        rounded(20.0 * f64::from(self.peaks[0].max(self.peaks[1])).log10())
    }
}

/// To a thousandth, as `analyze` gives levels.
fn rounded(db: f64) -> Option<f64> {
    db.is_finite().then(|| (db * 1000.0).round() / 1000.0)
}
