//! `render --at`: what plays at a time.

use airchain::core::item::Item;
use airchain::core::playout::{Report, StationEvent};
use airchain::core::tier::Tier;
use airchain::core::units::frames_to_seconds;
use airchain::core::{Frames, playout::StationClock};
use airchain::schedule::At;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use serde_json::json;

use crate::Failed;

/// When a render begins, by whose clocks.
pub(crate) struct Clock {
    pub(crate) start: Timestamp,
    pub(crate) zone: TimeZone,
}

impl Clock {
    /// UTC of the first frame, in nanoseconds since 1970; at the ends of what they can tell they stand still.
    pub(crate) fn start_ns(&self) -> i64 {
        self.start.as_nanosecond().clamp(i64::MIN.into(), i64::MAX.into()) as i64
    }

    /// The question what plays at `at`: the first such time from the start on.
    pub(crate) fn question(&self, at: &At, rate_hz: u32) -> Result<Question, Failed> {
        let before = self.start.saturating_sub(SignedDuration::from_nanos(1))?;
        let time = at.first_after(before, &self.zone);
        let time =
            time.ok_or_else(|| Failed::new(format!("--at: it is never that time after {}", self.start)))?;
        let clock = StationClock { rate_hz, epoch_ns: self.start_ns() };
        let frame = i64::try_from(time.as_nanosecond()).ok().and_then(|time_ns| clock.frame_of(time_ns));
        let frame = frame.ok_or_else(|| Failed::new(format!("--at: {time} is too far from the start")))?;
        Ok(Question { time, frame, rate_hz, airing: Vec::new(), tier: None })
    }
}

/// An item on a tier, and the frame at which it began.
struct Airing {
    tier: Tier,
    item: Item,
    began: Frames,
    duration_s: Option<f64>,
}

/// What plays at a frame, found out from the reports up to it.
pub(crate) struct Question {
    time: Timestamp,
    frame: Frames,
    rate_hz: u32,
    airing: Vec<Airing>,
    tier: Option<Tier>,
}

impl Question {
    /// Frames that must be planned to know.
    pub(crate) fn end(&self) -> Frames {
        self.frame + 1
    }

    /// Takes a report into account, if it is of what came before.
    pub(crate) fn hear(&mut self, report: &Report) {
        if report.frame > self.frame {
            return;
        }
        match &report.event {
            StationEvent::PriorityChanged { to, .. } => self.tier = *to,
            StationEvent::NowPlaying { tier, item, duration_s, .. } => {
                // One that is announced again goes on.
                let known = self.airing.iter().find(|airing| airing.item.id == item.id);
                let began = known.map_or(report.frame, |airing| airing.began);
                self.airing.retain(|airing| airing.item.id != item.id);
                self.airing.push(Airing { tier: *tier, item: item.clone(), began, duration_s: *duration_s });
            }
            StationEvent::ItemEnded { item, .. } => self.airing.retain(|airing| airing.item.id != item.id),
            _ => {}
        }
    }

    /// Prints the answer: the item, and where in its own time it is. `item` is null when nothing plays.
    pub(crate) fn answer(&self) -> Result<(), Failed> {
        use std::io::Write;
        let airing = self.airing.iter().rev().find(|airing| Some(airing.tier) == self.tier);
        let position_s = airing.map(|airing| {
            airing.item.cue_in_s.unwrap_or(0.0) + frames_to_seconds(self.frame - airing.began, self.rate_hz)
        });
        let line = json!({
            "utc": self.time.to_string(),
            "frame": self.frame,
            "tier": self.tier,
            "item": airing.map(|airing| &airing.item),
            "began_frame": airing.map(|airing| airing.began),
            "position_s": position_s,
            "duration_s": airing.and_then(|airing| airing.duration_s),
        });
        writeln!(std::io::stdout(), "{line}")?;
        Ok(())
    }
}
