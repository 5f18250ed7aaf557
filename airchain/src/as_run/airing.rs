//! An item on air, and its meter.

use airchain_core::control::Ending;
use airchain_core::item::Item;
use airchain_core::tier::Tier;
use airchain_core::{Frames, Stereo};
use ebur128::{EbuR128, Mode};
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

/// Frames that only fill the filters' memory, more than the true-peak filter's at any rate: begun with silence, it
/// takes the cut out of a programme that sounds already for a waveform that rises higher.
const WARM_UP: usize = 32;

/// The loudness and true peak of one stretch. Memory does not grow with what it hears: 0.4 s of audio and a histogram.
struct Meter {
    /// `None` at a rate that cannot be measured; the engine has none such.
    meter: Option<EbuR128>,
    /// What is left of the warm-up.
    cold: usize,
}

impl Meter {
    fn new(rate_hz: u32) -> Self {
        let meter = EbuR128::new(2, rate_hz, Mode::I | Mode::TRUE_PEAK | Mode::HISTOGRAM).ok();
        Self { meter, cold: WARM_UP }
    }

    /// Hears the next frames, which must be finite: one that is not would spoil all that follow.
    fn hear(&mut self, audio: &[Stereo]) {
        let (first, rest) = audio.split_at(self.cold.min(audio.len()));
        self.cold -= first.len();
        if let Some(meter) = &mut self.meter {
            // It only refuses what is no whole number of frames.
            let _ = meter.seed_frames_f32(first.as_flattened());
            let _ = meter.add_frames_f32(rest.as_flattened());
        }
    }

    fn integrated_lufs(&self) -> Option<f64> {
        rounded(self.meter.as_ref()?.loudness_global().ok()?)
    }

    fn true_peak_dbtp(&self) -> Option<f64> {
        let meter = self.meter.as_ref()?;
        let peak = meter.true_peak(0).ok()?.max(meter.true_peak(1).ok()?);
        rounded(20.0 * peak.log10())
    }
}

/// To a thousandth, as `analyze` gives levels.
fn rounded(db: f64) -> Option<f64> {
    db.is_finite().then(|| (db * 1000.0).round() / 1000.0)
}
