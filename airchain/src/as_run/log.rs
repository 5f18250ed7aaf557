//! From reports and audio to records. It knows no clock and no files.

use std::collections::VecDeque;
use std::mem;

use airchain_core::control::Ending;
use airchain_core::item::Item;
use airchain_core::playout::{Report, StationEvent};
use airchain_core::tier::Tier;
use airchain_core::{Frames, Stereo};
use jiff::Timestamp;

use super::Record;
use super::airing::{Airing, Point};
use crate::spec::StationSpec;

/// The records of a station. Reports come ahead of the audio they speak of, however little; the audio comes in order.
pub struct AsRun {
    station: String,
    rate_hz: u32,
    /// How long what is lower fades out under a tier that takes the air, by [`Tier::index`].
    takeover: [Frames; Tier::COUNT],
    /// Programme frames heard.
    position: Frames,
    /// What happens at frames that have not been heard, in their order.
    pending: VecDeque<(Point, StationEvent)>,
    airing: Vec<Airing>,
    done: VecDeque<Record>,
}

impl AsRun {
    /// The log of a station that begins.
    pub fn new(spec: &StationSpec) -> Self {
        Self {
            station: spec.id.clone(),
            rate_hz: spec.sample_rate_hz,
            takeover: spec.takeover().map(|ramp| declicked(ramp.length, spec.sample_rate_hz)),
            position: 0,
            pending: VecDeque::new(),
            airing: Vec::new(),
            done: VecDeque::new(),
        }
    }

    /// Takes note of a report; `utc` is the time at which its frame leaves the bus.
    pub fn told(&mut self, report: &Report, utc: Option<Timestamp>) {
        let matters = matches!(
            report.event,
            StationEvent::NowPlaying { .. }
                | StationEvent::ItemEnded { .. }
                | StationEvent::PriorityChanged { .. }
        );
        if matters {
            let index = self.pending.partition_point(|(at, _)| at.frame <= report.frame);
            self.pending.insert(index, (Point { frame: report.frame, utc }, report.event.clone()));
        }
    }

    /// Hears the finished programme from programme frame `at` on, its latency taken off. All reports of these frames
    /// must have been [told](Self::told).
    pub fn hear(&mut self, at: Frames, audio: &[Stereo]) {
        let is_finite = audio.as_flattened().iter().all(|sample| sample.is_finite());
        let cleaned = (!is_finite).then(|| cleaned(audio));
        let mut rest = cleaned.as_deref().unwrap_or(audio);
        self.position = at;
        while !rest.is_empty() {
            self.heed_due();
            let run = usize::try_from(self.until_change()).unwrap_or(usize::MAX).clamp(1, rest.len());
            let (now, later) = rest.split_at(run);
            self.airing.iter_mut().for_each(|airing| airing.hear(now));
            self.position += run as Frames;
            rest = later;
        }
    }

    /// The programme is over with what was heard: what is still on air was stopped there.
    pub fn finish(&mut self) {
        while let Some((at, event)) = self.pending.pop_front() {
            // What would have begun now was never heard.
            if let StationEvent::ItemEnded { tier, item, ending, .. } = event {
                self.end(tier, item, ending, at);
            }
        }
        for mut airing in mem::take(&mut self.airing) {
            let Some(start) = airing.on.as_ref().map(|on| on.start) else { continue };
            let end = start.at(self.position, self.rate_hz);
            self.done.extend(airing.close(Ending::Stopped, end, &self.station, self.rate_hz));
        }
    }

    /// The next record, in the order in which stretches end.
    pub fn poll(&mut self) -> Option<Record> {
        self.done.pop_front()
    }

    /// Frames until something happens.
    fn until_change(&self) -> Frames {
        let event = self.pending.front().map(|(at, _)| at.frame);
        let off = self.airing.iter().filter_map(Airing::off).map(|at| at.frame);
        off.chain(event).min().unwrap_or(Frames::MAX).saturating_sub(self.position)
    }

    /// Does what happens at this frame. An end that is reported goes before one that is worked out.
    fn heed_due(&mut self) {
        while self.pending.front().is_some_and(|(at, _)| at.frame <= self.position) {
            if let Some((at, event)) = self.pending.pop_front() {
                self.heed(at, event);
            }
        }
        for airing in &mut self.airing {
            if let Some(off) = airing.off().filter(|off| off.frame <= self.position) {
                self.done.extend(airing.close(Ending::Preempted, off, &self.station, self.rate_hz));
            }
        }
    }

    fn heed(&mut self, at: Point, event: StationEvent) {
        match event {
            StationEvent::NowPlaying { tier, item, started, .. } => {
                match self.airing.iter_mut().find(|airing| airing.is(tier, &item)).filter(|_| !started) {
                    Some(airing) => {
                        airing.item = item;
                        // One that speaks over the programme is back without having the air.
                        airing.resume(at, self.rate_hz);
                    }
                    None => self.airing.push(Airing::start(tier, item, at, self.rate_hz)),
                }
            }
            StationEvent::ItemEnded { tier, item, ending, .. } => self.end(tier, item, ending, at),
            StationEvent::PriorityChanged { from, to: Some(to), held } => {
                self.hand_over(from.zip(held), to, at)
            }
            _ => {}
        }
    }

    /// A tier gets the air. Items of the one that had it, if it holds them, fall silent within so many frames; all that is
    /// lower falls by the takeover. What is left of a tier that holds nothing fades out in its own time.
    fn hand_over(&mut self, from: Option<(Tier, Frames)>, to: Tier, at: Point) {
        for airing in &mut self.airing {
            let tier = airing.tier;
            if tier == to {
                airing.resume(at, self.rate_hz);
                continue;
            }
            let held = from.filter(|(from, _)| *from == tier).map(|(_, frames)| frames);
            let frames = held.or((tier > to).then_some(self.takeover[to.index()]));
            if let Some((on, frames)) = airing.on.as_mut().zip(frames) {
                let off = at.at(at.frame + frames, self.rate_hz);
                on.off = Some(on.off.filter(|before| before.frame < off.frame).unwrap_or(off));
            }
        }
    }

    fn end(&mut self, tier: Tier, item: Item, ending: Ending, at: Point) {
        // Of two with one name, the first to start is the first to end.
        if let Some(index) = self.airing.iter().position(|airing| airing.is(tier, &item)) {
            let mut airing = self.airing.remove(index);
            airing.item = item;
            self.done.extend(airing.close(ending, at, &self.station, self.rate_hz));
        }
    }
}

impl Airing {
    fn is(&self, tier: Tier, item: &Item) -> bool {
        self.tier == tier && self.item.id == item.id
    }
}

/// The engine takes no less than 5 ms over any fade.
fn declicked(length: Frames, rate_hz: u32) -> Frames {
    length.max(Frames::from(rate_hz) / 200)
}

fn cleaned(audio: &[Stereo]) -> Vec<Stereo> {
    let finite = |sample: f32| if sample.is_finite() { sample } else { 0.0 };
    audio.iter().map(|frame| frame.map(finite)).collect()
}
