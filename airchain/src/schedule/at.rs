//! When something comes: once, every day or every hour, by the clocks of a time zone.

use std::str::FromStr;

use jiff::civil::{DateTime, Time, Weekday};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp, ToSpan};

/// A time as it stands in a station file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct At(Kind);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// Once, the same everywhere.
    Utc(Timestamp),
    /// Once, by the station's clocks.
    Local(DateTime),
    /// Every day.
    Daily(Time, Leap),
    /// Every hour, so many seconds after it began.
    Hourly(i64, Leap),
}

/// What is added to a time: a second where it was written as the second 60, which is the start of the next minute.
type Leap = SignedDuration;

/// What [`At`] is read from.
pub const ACCEPTED: &str = "12:00:00 (every day), :59:50 (every hour) or 2026-11-28T12:00:00 (once, by the station's clocks; with Z \
                        or an offset, by those)";

impl FromStr for At {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || "not a time".to_owned();
        let text = text.trim();
        let (text, leap) = without_leap(text);
        if let Some(mark) = text.strip_prefix(':') {
            let fields: Option<Vec<i64>> = mark.split(':').map(two_digits).collect();
            let seconds = match fields.as_deref() {
                Some([minute @ 0..60]) => Some(minute * 60),
                Some([minute @ 0..60, second @ 0..60]) => Some(minute * 60 + second),
                _ => None,
            };
            return seconds.map(|seconds| Self(Kind::Hourly(seconds, leap))).ok_or_else(wrong);
        }
        let is_date = text.get(4..5) == Some("-");
        // A zone's name would be passed over.
        if text.contains(['[', ']']) {
            return Err(wrong());
        }
        if !is_date {
            let clock = text.split(':').take(2).filter(|field| field.len() == 2).count() == 2;
            let time = text.parse::<Time>().ok().filter(|_| clock);
            return time.map(|time| Self(Kind::Daily(time, leap))).ok_or_else(wrong);
        }
        let has_clock = text.get(10..11).is_some_and(|between| ["T", "t", " "].contains(&between));
        let has_offset = text.get(11..).is_some_and(|clock| clock.contains(['Z', 'z', '+', '-']));
        match (has_clock, has_offset) {
            (false, _) => Err(wrong()),
            (_, true) => text.parse().map(|at: Timestamp| Self(Kind::Utc(at + leap))).map_err(|_| wrong()),
            (_, false) => text
                .parse()
                .map(|at: DateTime| Self(Kind::Local(at.saturating_add(leap))))
                .map_err(|_| wrong()),
        }
    }
}

/// The text with the second 60 as 59, and what that leaves out.
fn without_leap(text: &str) -> (String, Leap) {
    let seconds =
        text.match_indices(":60").find(|(at, _)| text[..*at].ends_with(|c: char| c.is_ascii_digit()));
    match seconds {
        // The minutes of an hourly mark, or a field that no clock has, are no leap second.
        Some((at, _)) if text[..at].contains(':') => {
            (format!("{}:59{}", &text[..at], &text[at + 3..]), SignedDuration::from_secs(1))
        }
        _ => (text.to_owned(), SignedDuration::ZERO),
    }
}

fn two_digits(field: &str) -> Option<i64> {
    field.parse().ok().filter(|_| field.len() == 2 && field.bytes().all(|c| c.is_ascii_digit()))
}

impl At {
    /// Whether it comes every hour.
    pub fn is_hourly(&self) -> bool {
        matches!(self.0, Kind::Hourly(..))
    }

    /// Whether it comes once.
    pub fn is_once(&self) -> bool {
        matches!(self.0, Kind::Utc(_) | Kind::Local(_))
    }

    /// Why it never comes by the clocks of `zone`, if that is so.
    pub fn never(&self, zone: &TimeZone) -> Option<String> {
        let Kind::Local(at) = self.0 else { return None };
        let ambiguous = zone.to_ambiguous_zoned(at);
        if !matches!(ambiguous.offset(), jiff::tz::AmbiguousOffset::Gap { .. }) {
            return None;
        }
        let instead = ambiguous.later().ok()?;
        Some(format!("never comes: the clocks are put forward over it, to {}", instead.strftime("%H:%M:%S")))
    }

    /// When it comes from `from` until before `to`, on these days (any day where there are none), in order.
    pub fn between(
        &self,
        from: Timestamp,
        to: Timestamp,
        days: &[Weekday],
        zone: &TimeZone,
    ) -> Vec<Timestamp> {
        let on_day = |at: &Timestamp| days.is_empty() || days.contains(&at.to_zoned(zone.clone()).weekday());
        let within = |at: &Timestamp| (from..to).contains(at);
        match &self.0 {
            Kind::Utc(at) => Some(*at).into_iter().filter(within).collect(),
            Kind::Local(at) => zone
                .to_timestamp(*at)
                .into_iter()
                .filter(|at| within(at) && self.never(zone).is_none())
                .collect(),
            Kind::Daily(time, leap) => {
                let first = from.to_zoned(zone.clone()).date().saturating_sub(1.day());
                let last = to.to_zoned(zone.clone()).date();
                let dates = first.series(1.day()).take_while(|date| *date <= last);
                let dates = dates.filter(|date| days.is_empty() || days.contains(&date.weekday()));
                let times = dates.filter_map(|date| zone.to_timestamp(date.to_datetime(*time)).ok());
                times.map(|at| at + *leap).filter(within).collect()
            }
            Kind::Hourly(seconds, leap) => {
                let earlier = from.saturating_sub(*leap).unwrap_or(from);
                let marks = marks(*seconds, earlier, to, zone).filter(on_day);
                marks.map(|at| at + *leap).filter(within).collect()
            }
        }
    }

    /// The first time it comes after `at`.
    pub fn first_after(&self, at: Timestamp, zone: &TimeZone) -> Option<Timestamp> {
        let from = at.checked_add(SignedDuration::from_nanos(1)).ok()?;
        let to = match self.0 {
            Kind::Utc(_) | Kind::Local(_) => Timestamp::MAX,
            // Two days hold every time of day, also where a day is longer.
            Kind::Daily(..) | Kind::Hourly(..) => at.checked_add(SignedDuration::from_hours(49)).ok()?,
        };
        self.between(from, to, &[], zone).first().copied()
    }
}

/// When the clocks of `zone` show `seconds` after the hour, from `from` until before `to`.
fn marks(seconds: i64, from: Timestamp, to: Timestamp, zone: &TimeZone) -> impl Iterator<Item = Timestamp> {
    let mut now = from;
    std::iter::from_fn(move || {
        while now < to {
            let local = now.to_zoned(zone.clone());
            let elapsed =
                SignedDuration::from_secs(i64::from(local.minute()) * 60 + i64::from(local.second()))
                    + SignedDuration::from_nanos(local.subsec_nanosecond().into());
            let ahead = SignedDuration::from_secs(seconds) - elapsed;
            let ahead = if ahead.is_negative() { ahead + SignedDuration::from_hours(1) } else { ahead };
            let mark = now.checked_add(ahead).ok()?;
            // Where the clocks are changed on the way, they show something else by then.
            let change = zone.following(now).next().map(|change| change.timestamp());
            if let Some(change) = change.filter(|change| *change <= mark) {
                now = change;
                continue;
            }
            now = mark.checked_add(SignedDuration::from_nanos(1)).ok()?;
            return (mark < to).then_some(mark);
        }
        None
    })
}

#[cfg(test)]
mod tests {
    use jiff::civil::Weekday::*;

    use super::*;

    fn zone(name: &str) -> TimeZone {
        TimeZone::get(name).unwrap()
    }

    fn at(text: &str) -> At {
        text.parse().unwrap_or_else(|error| panic!("{text}: {error}"))
    }

    /// The times of `text` between two UTC times.
    fn times(text: &str, zone_name: &str, from: &str, to: &str) -> Vec<String> {
        let (from, to) = (from.parse().unwrap(), to.parse().unwrap());
        at(text).between(from, to, &[], &zone(zone_name)).iter().map(Timestamp::to_string).collect()
    }

    #[test]
    fn what_people_write() {
        let daily = |h, m, s| At(Kind::Daily(Time::constant(h, m, s, 0), Leap::ZERO));
        assert_eq!(at("12:00:00"), daily(12, 0, 0));
        assert_eq!(at("06:30"), daily(6, 30, 0));
        assert_eq!(at(":59:50"), At(Kind::Hourly(3590, Leap::ZERO)));
        assert_eq!(at(":30"), At(Kind::Hourly(1800, Leap::ZERO)));
        assert_eq!(at("2026-11-28T12:00:00Z"), at("2026-11-28 13:00:00+01:00"));
        assert!(matches!(at("2026-11-28T12:00").0, Kind::Local(_)));
        for text in [
            "",
            ":",
            "noon",
            "12",
            "1:00",
            "25:00",
            "12:61",
            "12:00:61",
            ":60",
            ":60:00",
            ":5",
            "24:00:00",
            "2026-02-30T12:00:00",
            "2026-11-28",
            "2026-11-28T12:00[Europe/Berlin]",
            "2026-11-28T25:00:00Z",
            "12:00Z",
            "120000",
        ] {
            assert!(text.parse::<At>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_day_has_its_time_once_in_spring() {
        // 2026-03-08: New York's clocks go from 02:00 to 03:00 at 07:00 UTC.
        let new_york = |text| times(text, "America/New_York", "2026-03-07T05:00:00Z", "2026-03-10T04:00:00Z");
        assert_eq!(
            new_york("02:30:00"),
            ["2026-03-07T07:30:00Z", "2026-03-08T07:30:00Z", "2026-03-09T06:30:00Z"]
        );
        assert_eq!(
            new_york("12:00:00"),
            ["2026-03-07T17:00:00Z", "2026-03-08T16:00:00Z", "2026-03-09T16:00:00Z"]
        );
        // 2026-03-29: Berlin's go from 02:00 to 03:00 at 01:00 UTC.
        let berlin = |text| times(text, "Europe/Berlin", "2026-03-27T23:00:00Z", "2026-03-30T22:00:00Z");
        assert_eq!(
            berlin("02:30:00"),
            ["2026-03-28T01:30:00Z", "2026-03-29T01:30:00Z", "2026-03-30T00:30:00Z"]
        );
        assert_eq!(
            berlin("00:00:00"),
            ["2026-03-27T23:00:00Z", "2026-03-28T23:00:00Z", "2026-03-29T22:00:00Z"]
        );
    }

    #[test]
    fn a_day_has_its_time_once_in_autumn() {
        // 2026-11-01: New York's clocks go from 02:00 back to 01:00 at 06:00 UTC.
        let new_york = |text| times(text, "America/New_York", "2026-10-31T04:00:00Z", "2026-11-03T05:00:00Z");
        assert_eq!(
            new_york("01:30:00"),
            ["2026-10-31T05:30:00Z", "2026-11-01T05:30:00Z", "2026-11-02T06:30:00Z"]
        );
        // 2026-10-25: Berlin's go from 03:00 back to 02:00 at 01:00 UTC.
        let berlin = |text| times(text, "Europe/Berlin", "2026-10-23T22:00:00Z", "2026-10-26T23:00:00Z");
        assert_eq!(
            berlin("02:30:00"),
            ["2026-10-24T00:30:00Z", "2026-10-25T00:30:00Z", "2026-10-26T01:30:00Z"]
        );
    }

    #[test]
    fn an_hour_has_its_mark_whenever_the_clocks_show_it() {
        // Spring: 01:59:50 EST is followed by 03:59:50 EDT, an hour later.
        let spring = times(":59:50", "America/New_York", "2026-03-08T06:00:00Z", "2026-03-08T09:00:00Z");
        assert_eq!(spring, ["2026-03-08T06:59:50Z", "2026-03-08T07:59:50Z", "2026-03-08T08:59:50Z"]);
        // Autumn: 01:00:00 comes twice.
        let autumn = times(":00:00", "Europe/Berlin", "2026-10-24T23:30:00Z", "2026-10-25T03:00:00Z");
        assert_eq!(autumn, ["2026-10-25T00:00:00Z", "2026-10-25T01:00:00Z", "2026-10-25T02:00:00Z"]);
        // Lord Howe's clocks go back by half an hour, from 02:00 to 01:30, at 15:00 UTC.
        let half = times(":45:00", "Australia/Lord_Howe", "2026-04-04T13:00:00Z", "2026-04-04T17:00:00Z");
        assert_eq!(
            half,
            ["2026-04-04T13:45:00Z", "2026-04-04T14:45:00Z", "2026-04-04T15:15:00Z", "2026-04-04T16:15:00Z"]
        );
        // A zone that is off by half an hour.
        assert_eq!(
            times(":00", "Asia/Kolkata", "2026-04-04T13:00:00Z", "2026-04-04T14:00:00Z"),
            ["2026-04-04T13:30:00Z"]
        );
    }

    #[test]
    fn a_date_in_a_gap_never_comes_and_one_in_a_fold_is_the_first() {
        let new_york = zone("America/New_York");
        let never = at("2026-03-08T02:30:00").never(&new_york).unwrap();
        assert!(never.contains("to 03:30:00"), "{never}");
        let (from, to) = ("2026-03-01T00:00:00Z", "2026-12-01T00:00:00Z");
        assert!(times("2026-03-08T02:30:00", "America/New_York", from, to).is_empty());
        assert_eq!(times("2026-11-01T01:30:00", "America/New_York", from, to), ["2026-11-01T05:30:00Z"]);
        assert_eq!(
            times("2026-11-01T01:30:00-05:00", "America/New_York", from, to),
            ["2026-11-01T06:30:00Z"]
        );
        assert_eq!(at("2026-11-01T01:30:00").never(&new_york), None);
    }

    #[test]
    fn a_leap_second_is_the_start_of_the_next_minute() {
        // The last one there was.
        let (from, to) = ("2016-12-31T00:00:00Z", "2017-01-02T00:00:00Z");
        assert_eq!(times("2016-12-31T23:59:60Z", "UTC", from, to), ["2017-01-01T00:00:00Z"]);
        assert_eq!(times("2016-12-31T18:59:60", "America/New_York", from, to), ["2017-01-01T00:00:00Z"]);
        assert_eq!(times("23:59:60", "UTC", from, to), ["2016-12-31T00:00:00Z", "2017-01-01T00:00:00Z"]);
        let (from, to) = ("2016-12-31T23:00:00Z", "2017-01-01T01:00:00Z");
        assert_eq!(times(":59:60", "UTC", from, to), ["2016-12-31T23:00:00Z", "2017-01-01T00:00:00Z"]);
    }

    #[test]
    fn days_are_those_of_the_zone() {
        let (from, to) = ("2026-11-23T05:00:00Z".parse().unwrap(), "2026-11-30T00:00:00Z".parse().unwrap());
        // 23:00 on a Friday in New York is Saturday in UTC.
        let found = at("23:00:00").between(from, to, &[Friday], &zone("America/New_York"));
        assert_eq!(found.iter().map(Timestamp::to_string).collect::<Vec<_>>(), ["2026-11-28T04:00:00Z"]);
        let found = at(":00").between(from, to, &[Saturday, Sunday], &zone("America/New_York"));
        assert_eq!((found.len(), found[0].to_string()), (19 + 24, "2026-11-28T05:00:00Z".to_owned()));
    }

    #[test]
    fn the_first_after_a_time_is_found() {
        let first =
            |text: &str, after: &str| at(text).first_after(after.parse().unwrap(), &zone("Europe/Berlin"));
        let first = |text, after| first(text, after).map(|at| at.to_string());
        assert_eq!(first("12:00:00", "2026-11-28T10:50:00Z").as_deref(), Some("2026-11-28T11:00:00Z"));
        assert_eq!(first("12:00:00", "2026-11-28T11:00:00Z").as_deref(), Some("2026-11-29T11:00:00Z"));
        assert_eq!(first(":00:00", "2026-11-28T11:50:00Z").as_deref(), Some("2026-11-28T12:00:00Z"));
        assert_eq!(first("2026-01-01T00:00:00Z", "2026-11-28T11:50:00Z"), None);
    }
}
