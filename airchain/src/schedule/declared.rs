//! The schedule that a station file declares.

use std::sync::Arc;

use airchain_core::control::Ramp;
use airchain_core::item::{Item, Metadata};
use airchain_core::playout::schedule::{Edge, Plan};
use airchain_core::units::seconds_to_frames;
use jiff::Timestamp;
use jiff::civil::{Time, Weekday, date};
use jiff::tz::TimeZone;

use super::{At, Row, Rows};
use crate::config::{Day, ScheduleMode, ScheduleRow, StationConfig};
use crate::error::Error;
use crate::from_config::expand;

/// The schedule that `config` declares. What a pool names and cannot be read is left out with a warning.
pub fn rows(config: &StationConfig) -> Result<Rows, Error> {
    let row = |(index, row)| {
        self::row(config, row).map_err(|problem| Error::Output(format!("schedule[{index}]: {problem}")))
    };
    let rows = config.schedule.iter().enumerate().map(row).collect::<Result<_, _>>()?;
    Ok(Rows::new(zone(config)?, rows))
}

/// The station's time zone.
pub fn zone(config: &StationConfig) -> Result<TimeZone, Error> {
    let name = &config.station.timezone;
    TimeZone::get(name).map_err(|error| Error::Output(format!("station.timezone: {name}: {error}")))
}

/// When an offline render begins that is not told: with the day of the first date in the schedule, at midnight by the
/// station's clocks; without one, with 1970.
pub fn first_day(config: &StationConfig) -> Result<Timestamp, Error> {
    let zone = zone(config)?;
    let texts = config.schedule.iter().filter_map(|row| row.at.as_ref().or(row.ends_at.as_ref()));
    let dates = texts
        .filter_map(|text| text.parse::<At>().ok().filter(At::is_once)?.first_after(Timestamp::MIN, &zone));
    let midnight = match dates.min() {
        Some(first) => first.to_zoned(zone.clone()).start_of_day().map(|day| day.timestamp()),
        None => zone.to_timestamp(date(1970, 1, 1).to_datetime(Time::midnight())),
    };
    midnight.map_err(|error| Error::Output(format!("schedule: {error}")))
}

fn row(config: &StationConfig, row: &ScheduleRow) -> Result<Row, String> {
    let time = |text: &String| text.parse::<At>().map_err(|problem| format!("{text}: {problem}"));
    let fade = row.fade_sec.map(|fade_s| Ramp {
        length: seconds_to_frames(fade_s, config.station.sample_rate),
        curve: config.automation.curve,
    });
    let at = row.at.as_ref().or(row.ends_at.as_ref()).ok_or("at: not given")?;
    let edge = if row.ends_at.is_some() { Edge::End } else { Edge::Start };
    let plan = match row.mode.unwrap_or(ScheduleMode::Hard) {
        ScheduleMode::Hard => Plan::CutIn { item: item(row)?, fade, edge },
        ScheduleMode::Soft => Plan::Soft { item: item(row)?, latest_ns: None },
        ScheduleMode::Fill => Plan::Fill { pool: pool(&row.pool), until_ns: 0 },
    };
    Ok(Row {
        at: time(at)?,
        until: row.until.as_ref().map(time).transpose()?,
        days: row.days.iter().map(|day| weekday(*day)).collect(),
        plan,
    })
}

fn item(row: &ScheduleRow) -> Result<Item, String> {
    let path = row.path.as_ref().ok_or("path: not given")?;
    let metadata = Metadata { title: row.title.clone(), artist: row.artist.clone(), ..Metadata::default() };
    Ok(Item {
        cue_in_s: row.cue_in_sec,
        cue_out_s: row.cue_out_sec,
        gain_db: row.gain_db,
        metadata,
        ..Item::file(path.display().to_string())
    })
}

fn pool(paths: &[String]) -> Arc<[Item]> {
    let found = |path: &String| {
        expand(path).unwrap_or_else(|error| {
            tracing::warn!("schedule: {error}");
            Vec::new()
        })
    };
    paths.iter().flat_map(found).collect()
}

fn weekday(day: Day) -> Weekday {
    match day {
        Day::Mon => Weekday::Monday,
        Day::Tue => Weekday::Tuesday,
        Day::Wed => Weekday::Wednesday,
        Day::Thu => Weekday::Thursday,
        Day::Fri => Weekday::Friday,
        Day::Sat => Weekday::Saturday,
        Day::Sun => Weekday::Sunday,
    }
}
