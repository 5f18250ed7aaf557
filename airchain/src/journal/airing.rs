//! How far the items on air have been heard.

use airchain_core::playout::{Report, StationEvent};
use airchain_core::tier::Tier;
use airchain_core::{Frames, units};

use super::record::Airing;

/// An item on air.
struct Heard {
    /// The item, and how far it had been heard at `since`.
    airing: Airing,
    /// The frame from which it has been heard without a break; `None` while a higher tier covers it.
    since: Option<Frames>,
}

/// The items on air, by what was reported of them.
pub(super) struct OnAir {
    rate_hz: u32,
    items: Vec<Heard>,
}

impl OnAir {
    pub(super) fn new(rate_hz: u32) -> Self {
        Self { rate_hz, items: Vec::new() }
    }

    /// Takes a report down. `true` when other items are on air now, or something else is said about them.
    pub(super) fn note(&mut self, report: &Report) -> bool {
        match &report.event {
            StationEvent::NowPlaying { tier, item, .. } if *tier != Tier::Fallback => {
                let known = self.items.iter_mut().find(|heard| heard.airing.item.id == item.id);
                if let Some(known) = known {
                    // It is heard again, or has another title.
                    known.airing.item = item.clone();
                    known.since = known.since.or(Some(report.frame));
                    return true;
                }
                // Of two that are crossfaded, the one that comes is on air.
                self.items.retain(|heard| heard.airing.tier != *tier);
                let position_s = item.cue_in_s.unwrap_or(0.0);
                let airing = Airing { tier: *tier, item: item.clone(), position_s };
                self.items.push(Heard { airing, since: Some(report.frame) });
                self.items.sort_by_key(|heard| heard.airing.tier);
                true
            }
            StationEvent::ItemEnded { item, .. } => {
                let before = self.items.len();
                self.items.retain(|heard| heard.airing.item.id != item.id);
                self.items.len() != before
            }
            StationEvent::PriorityChanged { from, to, held } => {
                // Silent are those below, and the one that gives way; a speaker goes on over the new one.
                let from = from.filter(|_| held.is_some());
                let silent = |tier| Some(tier) == from || to.is_some_and(|to| tier > to);
                for heard in self.items.iter_mut().filter(|heard| silent(heard.airing.tier)) {
                    heard.airing.position_s += heard_s(heard.since.take(), report.frame, self.rate_hz);
                }
                false
            }
            _ => false,
        }
    }

    /// The items, with their positions at frame `audible`; a covered one stands where it was covered.
    pub(super) fn at(&self, audible: Frames) -> impl Iterator<Item = Airing> {
        self.items.iter().map(move |heard| {
            let position_s = heard.airing.position_s + heard_s(heard.since, audible, self.rate_hz);
            Airing { position_s, ..heard.airing.clone() }
        })
    }
}

fn heard_s(since: Option<Frames>, until: Frames, rate_hz: u32) -> f64 {
    since.map_or(0.0, |since| units::frames_to_seconds(until.saturating_sub(since), rate_hz))
}

#[cfg(test)]
mod tests {
    use airchain_core::control::Ending;
    use airchain_core::item::{Item, Metadata};

    use super::*;

    fn report(at: f64, event: StationEvent) -> Report {
        Report { frame: (at * 1000.0) as Frames, at, event }
    }

    fn playing(at: f64, tier: Tier, id: &str) -> Report {
        let item = Item { id: id.into(), cue_in_s: (id == "cued").then_some(30.0), ..Item::file("x.mp3") };
        report(at, StationEvent::NowPlaying { tier, item, started: true, over: false, duration_s: None })
    }

    fn changed(at: f64, from: Option<Tier>, to: Tier) -> Report {
        report(at, StationEvent::PriorityChanged { from, to: Some(to), held: None })
    }

    fn ended(at: f64, tier: Tier, id: &str) -> Report {
        let item = Item { id: id.into(), ..Item::file("x.mp3") };
        report(at, StationEvent::ItemEnded { tier, item, ending: Ending::Finished, played_s: 0.0 })
    }

    fn positions(on_air: &OnAir, at: f64) -> Vec<(String, f64)> {
        let at = on_air.at((at * 1000.0) as Frames);
        at.map(|airing| (airing.item.id, airing.position_s)).collect()
    }

    /// A speaker is silent while an emergency is on air, and heard on when music begins under it.
    #[test]
    fn a_speaker_stands_still_under_an_emergency_alone() {
        use Tier::{Automation, Emergency, LiveOverride};
        let mut on_air = OnAir::new(1000);
        on_air.note(&changed(0.0, None, LiveOverride));
        on_air.note(&playing(0.0, LiveOverride, "voice"));
        on_air.note(&changed(2.0, Some(LiveOverride), Automation));
        on_air.note(&playing(2.0, Automation, "music"));
        assert_eq!(positions(&on_air, 3.0), [("voice".into(), 3.0), ("music".into(), 1.0)]);
        on_air.note(&changed(4.0, Some(Automation), Emergency));
        assert_eq!(positions(&on_air, 60.0), [("voice".into(), 4.0), ("music".into(), 2.0)]);
        on_air.note(&changed(60.0, Some(Emergency), Automation));
        on_air.note(&playing(60.0, Automation, "music"));
        on_air.note(&playing(60.0, LiveOverride, "voice"));
        assert_eq!(positions(&on_air, 61.0), [("voice".into(), 5.0), ("music".into(), 3.0)]);
    }

    #[test]
    fn positions_run_with_what_is_heard_and_only_then() {
        use Tier::{Automation, Emergency, Fallback};
        let mut on_air = OnAir::new(1000);
        on_air.note(&changed(0.0, None, Automation));
        assert!(on_air.note(&playing(0.0, Automation, "a")));
        assert_eq!(positions(&on_air, 10.0), [("a".into(), 10.0)]);
        // Another title is no new start.
        let mut titled = playing(5.0, Automation, "a");
        if let StationEvent::NowPlaying { item, .. } = &mut titled.event {
            item.metadata = Metadata { title: Some("new".into()), ..Metadata::default() };
        }
        assert!(on_air.note(&titled));
        assert_eq!(positions(&on_air, 10.0), [("a".into(), 10.0)]);
        assert_eq!(on_air.at(0).next().unwrap().item.metadata.title.as_deref(), Some("new"));
        // Covered for an hour, it stands still; uncovered, it goes on.
        assert!(!on_air.note(&changed(20.0, Some(Automation), Emergency)));
        assert!(on_air.note(&playing(20.0, Emergency, "e")));
        assert_eq!(positions(&on_air, 3600.0), [("e".into(), 3580.0), ("a".into(), 20.0)]);
        on_air.note(&ended(3620.0, Emergency, "e"));
        on_air.note(&changed(3620.0, Some(Emergency), Automation));
        on_air.note(&playing(3620.0, Automation, "a"));
        assert_eq!(positions(&on_air, 3621.0), [("a".into(), 21.0)]);
        // The next begins over its end, from its cue point.
        on_air.note(&playing(3630.0, Automation, "cued"));
        assert!(!on_air.note(&ended(3633.0, Automation, "a")));
        assert_eq!(positions(&on_air, 3634.0), [("cued".into(), 34.0)]);
        assert!(on_air.note(&ended(3640.0, Automation, "cued")));
        on_air.note(&changed(3640.0, Some(Automation), Fallback));
        assert!(!on_air.note(&playing(3640.0, Fallback, "f")));
        assert_eq!(positions(&on_air, 3650.0), []);
    }
}
