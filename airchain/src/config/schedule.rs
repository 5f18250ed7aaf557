//! What the rows of a schedule must mean, once each of their fields is right by itself.

use jiff::tz::TimeZone;

use super::problem::Severity;
use super::rules::Finding;
use super::station::{Every, Order, ScheduleMode, ScheduleRow, StationConfig};
use crate::schedule::At;

/// Everything that is wrong with the schedule and with the start of the playlist.
pub(super) fn findings(config: &StationConfig) -> Vec<Finding> {
    // Where the system has no time zones, there are no clocks to be asked.
    let zone = TimeZone::get(&config.station.timezone).unwrap_or(TimeZone::UTC);
    let mut findings = Vec::new();
    for (index, row) in config.schedule.iter().enumerate() {
        Row { place: format!("schedule[{index}]"), row, zone: &zone, findings: &mut findings }.check();
    }
    let automation = &config.automation;
    if let Some(start) = &automation.start
        && automation.order == Order::Shuffle
    {
        findings.push(Finding {
            severity: Severity::Error,
            field: "automation.start".into(),
            value: Some(start.clone()),
            problem: "a shuffled playlist has no place that the clock could tell".into(),
            accepted: Some("it with order sequential, or leave it out".into()),
        });
    }
    findings
}

struct Row<'a> {
    place: String,
    row: &'a ScheduleRow,
    zone: &'a TimeZone,
    findings: &'a mut Vec<Finding>,
}

impl Row<'_> {
    fn error(&mut self, field: &str, value: Option<&str>, problem: impl Into<String>, accepted: &str) {
        self.findings.push(Finding {
            severity: Severity::Error,
            field: format!("{}.{field}", self.place),
            value: value.map(str::to_owned),
            problem: problem.into(),
            accepted: Some(accepted.to_owned()),
        });
    }

    fn check(&mut self) {
        let row = self.row;
        let (field, text) = match (&row.at, &row.ends_at) {
            (Some(at), None) => ("at", at),
            (None, Some(ends_at)) => ("ends_at", ends_at),
            (Some(at), Some(_)) => {
                let problem = "when it starts and when it ends are both given, and its length says the other";
                return self.error("at", Some(at), problem, "at or ends_at");
            }
            (None, None) => return self.error("at", None, "missing (when it starts)", "at or ends_at"),
        };
        // Times that cannot be read were reported where they stand.
        let Ok(at) = text.parse::<At>() else { return };
        self.time(field, text, &at);
        let mode = row.mode.unwrap_or(ScheduleMode::Hard);
        if row.ends_at.is_some() && row.mode.is_some() {
            let problem = "an item that ends at a time starts when its length says";
            self.error("mode", None, problem, "ends_at without mode, or at with it");
            return;
        }
        if mode == ScheduleMode::Fill {
            self.fill()
        } else {
            self.item(mode)
        }
        if let Some(until) = &row.until {
            self.until(at, until);
        }
    }

    fn time(&mut self, field: &str, text: &str, at: &At) {
        if let Some(problem) = at.never(self.zone) {
            self.error(field, Some(text), problem, "a time that comes, or the same with its offset from UTC");
        }
        match self.row.every {
            Some(Every::Hour) if !at.is_hourly() => {
                self.error(
                    field,
                    Some(text),
                    "not a time of every hour",
                    "minute and second, such as :59:50",
                );
            }
            Some(Every::Day) if at.is_hourly() || at.is_once() => {
                self.error(field, Some(text), "not a time of every day", "a time of day, such as 12:00:00");
            }
            _ => {}
        }
        if at.is_once() && !self.row.days.is_empty() {
            self.error(
                "days",
                None,
                "it comes once, on its own day",
                "a time of day or of the hour with them",
            );
        }
    }

    fn fill(&mut self) {
        if self.row.pool.is_empty() {
            self.error("pool", None, "missing (what to fill with)", "a list of files, folders and playlists");
        }
        if self.row.until.is_none() {
            self.error("until", None, "missing (the time to fill to)", "a time after at");
        }
        if let Some(path) = &self.row.path {
            let path = path.to_string_lossy();
            self.error("path", Some(&path), "a fill plays what is in its pool", "it in pool");
        }
    }

    fn item(&mut self, mode: ScheduleMode) {
        let row = self.row;
        if row.path.is_none() {
            self.error("path", None, "missing (the audio file)", "a path");
        }
        if !row.pool.is_empty() {
            self.error("pool", None, "only a fill has a pool", "it with mode: fill, or a path");
        }
        if let (Some(until), ScheduleMode::Hard) = (&row.until, mode) {
            self.error(
                "until",
                Some(until),
                "what is hard comes at its time or not at all",
                "it with mode: soft",
            );
        }
        if let (Some(fade), ScheduleMode::Soft) = (row.fade_sec, mode) {
            let problem = "what is soft waits until what runs is over";
            self.error("fade_sec", Some(&fade.to_string()), problem, "it with mode: hard");
        }
        if let Some(cue_out) = row.cue_out_sec.filter(|cue_out| *cue_out <= row.cue_in_sec.unwrap_or(0.0)) {
            self.error("cue_out_sec", Some(&cue_out.to_string()), "not after cue_in_sec", "a time after it");
        }
    }

    fn until(&mut self, at: At, text: &str) {
        let Ok(until) = text.parse::<At>() else { return };
        if let Some(problem) = until.never(self.zone) {
            return self.error("until", Some(text), problem, "a time that comes");
        }
        if until == at {
            return self.error("until", Some(text), "the very time of at", "a later one");
        }
        let any = (jiff::Timestamp::MIN, jiff::Timestamp::MAX);
        let once = |at: &At| {
            at.is_once().then(|| at.between(any.0, any.1, &[], self.zone).first().copied()).flatten()
        };
        let problem = match (once(&at), once(&until)) {
            (Some(from), Some(to)) if to <= from => "before at",
            (None, Some(_)) if !at.is_once() => "comes once, at does not",
            _ => return,
        };
        self.error("until", Some(text), problem, "a time after at");
    }
}
