//! Telling what happened: to subscribers, to the pages, to the log.

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use airchain_core::Frames;
use airchain_core::playout::Report;
use airchain_core::playout::report::{BufferHealth, StationEvent};
use airchain_core::tier::Tier;
use airchain_outputs::http::StateHandle;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::DeskStation;
use crate::station::{OnAir, OutputStatus, Shared, TimedReport, cuts_in, lock};

/// Why frames were missed: the air thread came too late for them.
pub(super) const TOO_LATE: &str = "the processor was not there in time, or the process was stopped";
/// Why frames were missed: nothing ran at all.
pub(super) const ASLEEP: &str = "the machine slept";
/// How often levels are sent to pages.
const LEVELS: Duration = Duration::from_millis(100);
/// How often a page's snapshot is made anew.
const SNAPSHOT: Duration = Duration::from_millis(500);

impl DeskStation {
    pub(super) fn tell(&mut self, report: Report) {
        if let Some(journal) = &mut self.journal {
            journal.note(&report);
        }
        let utc = self.shared.utc_of(report.frame);
        if let StationEvent::NowPlaying { tier, item, duration_s, over: false, .. } = &report.event {
            let (tier, item, duration_s, frame) = (*tier, item.clone(), *duration_s, report.frame);
            self.shared.set_on_air(OnAir { tier, item, duration_s, started: utc, frame });
            self.snapshot_due = Instant::now();
        }
        match &report.event {
            StationEvent::NowPlaying { tier, item, started: true, .. } => {
                self.airing.push((*tier, item.clone(), report.frame));
            }
            StationEvent::ItemEnded { item, .. } => {
                // Of two of one id it is the one that began first.
                if let Some(index) = self.airing.iter().position(|(_, airing, _)| airing.id == item.id) {
                    self.airing.remove(index);
                }
            }
            StationEvent::Fault { part, .. } => self.shared.faults.count(*part),
            _ => {}
        }
        if cuts_in(&report.event) {
            self.hurry();
        }
        self.shared.gauges.count(&report.event);
        let over = self.director.is_finished();
        log(&report.event, over);
        let report = TimedReport { report, utc };
        self.show(&report);
        self.shared.tell(&report);
        if let Some(as_run) = &self.as_run {
            as_run.tell(&report);
        }
    }

    /// Tells those who asked for it, and who look at the pages, how loud the programme is.
    pub(super) fn tell_loudness(&self) {
        let levels = self.shared.levels.read();
        let event = StationEvent::Loudness {
            momentary_lufs: levels.momentary_lufs,
            short_term_lufs: levels.short_term_lufs,
            integrated_lufs: levels.integrated_lufs,
            loudness_range_lu: levels.loudness_range_lu,
            true_peak_dbtp: levels.true_peak_dbtp,
        };
        // The bus lags behind the programme, and its meter hears it.
        let frame = self.shared.position().saturating_sub(self.shared.latency);
        let at = crate::spec::seconds(frame, self.shared.rate);
        let report = TimedReport { report: Report { frame, at, event }, utc: self.shared.utc_of(frame) };
        self.show(&report);
        self.shared.tell_loudness(|| report);
    }

    /// Sends a report to the pages. Those that speak of files on this machine stay here.
    fn show(&self, report: &TimedReport) {
        let pages = lock(&self.shared.pages);
        let private = matches!(
            report.report.event,
            StationEvent::SourceFailed { .. }
                | StationEvent::Fault { .. }
                | StationEvent::CommandFailed { .. }
                | StationEvent::CommandDone { .. }
        );
        if private || !pages.values().any(StateHandle::has_clients) {
            return;
        }
        let mut value = serde_json::to_value(report).unwrap_or_default();
        if let Some(item) = value.get_mut("item").and_then(Value::as_object_mut) {
            item.remove("path");
        }
        if let StationEvent::OutputHealth { output, .. } = &report.report.event
            && lock(&self.shared.outputs).iter().any(|entry| entry.id == *output && is_on_disk(entry.kind))
            && let Some(event) = value.as_object_mut()
        {
            event.remove("reason");
        }
        let name = value.get("event").and_then(Value::as_str).unwrap_or_default().to_owned();
        for page in pages.values() {
            page.publish(&name, value.clone());
        }
    }

    /// Tells what the air thread has given up since last time.
    pub(super) fn tell_late(&mut self) {
        let missed = self.shared.air.missed.load(Ordering::Acquire);
        if missed > self.missed {
            self.tell_missed(missed - self.missed, TOO_LATE);
        }
    }

    /// Tells of frames that were never rendered.
    pub(super) fn tell_missed(&mut self, frames: Frames, reason: &'static str) {
        self.missed += frames;
        let ms = frames * 1000 / Frames::from(self.shared.rate.max(1));
        self.tell_now(StationEvent::Missed { frames, ms, reason });
    }

    pub(super) fn tell_now(&mut self, event: StationEvent) {
        let frame = self.shared.air.position.load(Ordering::Acquire);
        let at = crate::spec::seconds(frame, self.shared.rate);
        self.tell(Report { frame, at, event });
    }

    pub(super) fn publish(&mut self) {
        let now = Instant::now();
        if now >= self.levels_due {
            self.levels_due = now + LEVELS;
            let pages = lock(&self.shared.pages);
            if pages.values().any(StateHandle::has_clients) {
                let levels = serde_json::to_value(self.shared.levels.read()).unwrap_or_default();
                pages.values().for_each(|page| page.publish("levels", levels.clone()));
            }
        }
        if now >= self.snapshot_due {
            let pages = lock(&self.shared.pages);
            if !pages.is_empty() {
                self.snapshot_due = now + SNAPSHOT;
                let snapshot = snapshot(&self.shared);
                pages.values().for_each(|page| page.set_snapshot(snapshot.clone()));
            }
        }
    }
}

/// Whether an output's target and errors speak of files on this machine.
fn is_on_disk(kind: &str) -> bool {
    matches!(kind, "hls" | "recording")
}

/// The state of a station as pages read it: it says nothing of files on this machine.
fn snapshot(shared: &Shared) -> Value {
    let describe = |on_air: &OnAir| {
        let metadata = &on_air.item.metadata;
        json!({
            "title": metadata.title, "artist": metadata.artist, "album": metadata.album, "tier": on_air.tier,
            "started_utc": on_air.started, "duration_s": on_air.duration_s,
        })
    };
    let output = |output: OutputStatus| {
        let mut value = serde_json::to_value(&output).unwrap_or_default();
        if is_on_disk(output.kind)
            && let Some(fields) = value.as_object_mut()
        {
            fields.remove("target");
            fields.remove("last_error");
        }
        value
    };
    json!({
        "station": { "id": shared.id, "name": shared.name },
        "on_air": shared.on_air().as_ref().map(describe),
        "recent": shared.recent().iter().map(describe).collect::<Vec<_>>(),
        "levels": shared.levels.read(),
        "outputs": shared.outputs().into_iter().map(output).collect::<Vec<_>>(),
    })
}

fn log(event: &StationEvent, over: bool) {
    match event {
        StationEvent::NowPlaying { tier, item, .. } => {
            tracing::info!(%tier, path = %item.path, title = %item.metadata.one_line(), "now playing");
        }
        StationEvent::SourceFailed { item, error, skipped: true, .. } => {
            tracing::warn!(path = %item.path, "left out: {error}");
        }
        StationEvent::SourceFailed { item, error, .. } => {
            tracing::warn!(path = %item.path, "damaged: {error}");
        }
        StationEvent::PriorityChanged { to: None, .. } if over => {
            tracing::info!("the programme is over");
        }
        StationEvent::PriorityChanged { to: None, .. } => {
            tracing::warn!("dead air: no tier has audio")
        }
        StationEvent::PriorityChanged { to: Some(Tier::Fallback), .. } => {
            tracing::warn!("the fallback is on air: no other tier has audio");
        }
        StationEvent::PriorityChanged { from: Some(from), to: Some(to), .. } => {
            tracing::info!(%from, %to, "another tier has the air");
        }
        StationEvent::Fault { part, error } => {
            tracing::error!(part = part.name(), "{error}");
        }
        StationEvent::Dropout { tier, frames } => {
            tracing::warn!(%tier, frames, "dropout: the decoder was late");
        }
        StationEvent::Missed { frames, ms, reason } => {
            tracing::warn!(frames, ms, "nothing was rendered for {ms} ms: {reason}; see docs/real-time.md");
        }
        StationEvent::BufferHealth { health: BufferHealth::Low, ms, .. } => {
            tracing::warn!(ms, "the buffer of what is on air is low: its decoder or source is late");
        }
        StationEvent::ScheduleDropped { item, due_s, reason } => {
            let due = Timestamp::UNIX_EPOCH.saturating_add(SignedDuration::from_secs_f64(*due_s));
            let due = due.map(|due| due.to_string()).unwrap_or_default();
            tracing::warn!(path = %item.path, due, "dropped from the schedule: {reason}");
        }
        StationEvent::CommandFailed { command, error, .. } => {
            tracing::warn!(command, "not done: {error}")
        }
        _ => {}
    }
}
