//! The rows of a schedule, looked up for a stretch of time.

use airchain_core::playout::schedule::{Entry, Plan, Timetable};
use jiff::civil::Weekday;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

use super::at::At;

/// One row: when, and what.
#[derive(Clone, Debug)]
pub struct Row {
    /// When it comes.
    pub at: At,
    /// Until when it is wanted, or what it fills to: the first such time after `at`.
    pub until: Option<At>,
    /// On which days, by the station's clocks; every day where there are none.
    pub days: Vec<Weekday>,
    /// What happens; its own end, where it has one, is put in for each time.
    pub plan: Plan,
}

/// The rows of a station's schedule, in the order of its file.
#[derive(Clone, Debug)]
pub struct Rows {
    zone: TimeZone,
    rows: Vec<Row>,
}

impl Rows {
    /// Rows whose local times are those of `zone`.
    pub fn new(zone: TimeZone, rows: Vec<Row>) -> Self {
        Self { zone, rows }
    }

    /// Whether nothing is scheduled.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    fn entry(&self, number: usize, row: &Row, at: Timestamp) -> Option<Entry> {
        let until = row.until.map(|until| until.first_after(at, &self.zone));
        let mut plan = row.plan.clone();
        match (&mut plan, until) {
            (Plan::Fill { until_ns, .. }, Some(until)) => *until_ns = nanoseconds(until?)?,
            (Plan::Soft { latest_ns, .. }, Some(until)) => *latest_ns = Some(nanoseconds(until?)?),
            _ => {}
        }
        Some(Entry { at_ns: nanoseconds(at)?, row: number, plan })
    }
}

impl Timetable for Rows {
    fn between(&self, from_ns: i64, to_ns: i64) -> Vec<Entry> {
        let (Ok(from), Ok(to)) = (timestamp(from_ns), timestamp(to_ns)) else { return Vec::new() };
        let numbered = self.rows.iter().enumerate();
        let times = numbered.flat_map(|(number, row)| {
            row.at.between(from, to, &row.days, &self.zone).into_iter().map(move |at| (number, row, at))
        });
        times.filter_map(|(number, row, at)| self.entry(number, row, at)).collect()
    }
}

fn timestamp(ns: i64) -> Result<Timestamp, jiff::Error> {
    Timestamp::UNIX_EPOCH.checked_add(SignedDuration::from_nanos(ns))
}

/// Nanoseconds since 1970, which end in 2262.
fn nanoseconds(at: Timestamp) -> Option<i64> {
    i64::try_from(at.as_nanosecond()).ok()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use airchain_core::item::Item;

    use super::*;

    fn ns(text: &str) -> i64 {
        nanoseconds(text.parse().unwrap()).unwrap()
    }

    #[test]
    fn rows_become_entries_with_their_own_ends() {
        let fill = Plan::Fill { pool: Arc::from([Item::file("a")]), until_ns: 0 };
        let soft = Plan::Soft { item: Item::file("b"), latest_ns: None };
        let row = |at: &str, until: Option<&str>, plan| Row {
            at: at.parse().unwrap(),
            until: until.map(|until| until.parse().unwrap()),
            days: Vec::new(),
            plan,
        };
        let rows = vec![
            row("23:50", Some("00:00"), fill),
            row(":30", Some(":40"), soft.clone()),
            row("2026-11-28T20:00:00", None, soft),
        ];
        let rows = Rows::new(TimeZone::get("America/New_York").unwrap(), rows);
        let entries = rows.between(ns("2026-11-29T01:00:00Z"), ns("2026-11-29T05:00:00Z"));
        let told: Vec<(usize, i64)> = entries.iter().map(|entry| (entry.row, entry.at_ns)).collect();
        let halves = (1..5).map(|hour| (1, ns("2026-11-29T00:30:00Z") + hour * 3_600_000_000_000));
        let wanted: Vec<_> = [(0, ns("2026-11-29T04:50:00Z"))]
            .into_iter()
            .chain(halves)
            .chain([(2, ns("2026-11-29T01:00:00Z"))])
            .collect();
        assert_eq!(told, wanted);
        assert!(
            matches!(entries[0].plan, Plan::Fill { until_ns, .. } if until_ns == ns("2026-11-29T05:00:00Z"))
        );
        let latest = ns("2026-11-29T01:40:00Z");
        assert!(matches!(entries[1].plan, Plan::Soft { latest_ns: Some(ns), .. } if ns == latest));
        assert!(matches!(entries[5].plan, Plan::Soft { latest_ns: None, .. }));
    }
}
