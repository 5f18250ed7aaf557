//! Where a log is written: one file, or one a day.

use std::path::{Path, PathBuf};

use jiff::Timestamp;
use jiff::fmt::strtime;
use jiff::tz::TimeZone;

use super::LogFormat;

/// Where and how a station's log is written.
#[derive(Clone, Debug, PartialEq)]
pub struct AsRunLog {
    folder: PathBuf,
    /// A template of `strftime` fields.
    name: String,
    format: LogFormat,
    timezone: TimeZone,
}

/// Why there can be no such log; the caller corrects the field.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("as_run.{field}: {value} {problem}, give {accepted}")]
pub struct InvalidLog {
    /// The field, `path` or `format`.
    pub field: &'static str,
    /// What it held.
    pub value: String,
    /// What is wrong with it.
    pub problem: &'static str,
    /// What would be accepted.
    pub accepted: &'static str,
}

impl AsRunLog {
    /// A log at `path`. Where the file's name (not its folder's) holds `strftime` fields, such as `%Y-%m-%d`, a record
    /// goes into the file of the time at which its item began, in `timezone`; `%%` is a percent sign.
    pub fn new(path: &Path, format: LogFormat, timezone: TimeZone) -> Result<Self, InvalidLog> {
        if format == LogFormat::Sqlite && !cfg!(feature = "sqlite") {
            let (value, problem) = ("sqlite".into(), "is not in this build");
            return Err(InvalidLog { field: "format", value, problem, accepted: "jsonl" });
        }
        let invalid = |problem| {
            let accepted = "a file name with fields such as %Y, %m and %d, or none; %% is a percent sign";
            InvalidLog { field: "path", value: path.display().to_string(), problem, accepted }
        };
        let name = path.file_name().and_then(|name| name.to_str()).ok_or(invalid("names no file"))?;
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let log = Self { folder: folder.to_owned(), name: name.to_owned(), format, timezone };
        // Two times that differ in every field.
        for probe in [1_111_111_111, 1_924_991_998] {
            let time = Timestamp::from_second(probe).unwrap_or_default();
            let name = log.name_at(time).ok_or(invalid("holds a field that is none of date and time"))?;
            if name.contains(['/', '\\']) || name.chars().any(char::is_control) || name.len() > 200 {
                return Err(invalid("makes a name that files cannot have"));
            }
        }
        Ok(log)
    }

    /// How it is written.
    pub fn format(&self) -> LogFormat {
        self.format
    }

    /// The file of an item that began at `time`.
    pub fn file_at(&self, time: Timestamp) -> PathBuf {
        self.folder.join(self.name_at(time).unwrap_or_else(|| self.name.clone()))
    }

    fn name_at(&self, time: Timestamp) -> Option<String> {
        strtime::format(&self.name, &time.to_zoned(self.timezone.clone())).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn log(path: &str) -> Result<AsRunLog, InvalidLog> {
        AsRunLog::new(Path::new(path), LogFormat::Jsonl, TimeZone::get("America/New_York").unwrap())
    }

    #[test]
    fn days_are_those_of_the_zone() {
        let log = log("/var/log/100%/wgmr-%Y-%m-%d.jsonl").unwrap();
        for (utc, day) in [
            ("2026-03-08T04:59:59Z", "2026-03-07"),
            ("2026-03-08T05:00:00Z", "2026-03-08"),
            // From here on there are four hours between them.
            ("2026-03-09T03:59:59Z", "2026-03-08"),
            ("2026-03-09T04:00:00Z", "2026-03-09"),
        ] {
            let file = log.file_at(utc.parse().unwrap());
            assert_eq!(file, Path::new(&format!("/var/log/100%/wgmr-{day}.jsonl")), "{utc}");
        }
    }

    #[test]
    fn names_that_files_cannot_have_are_refused() {
        for good in ["as-run.jsonl", "a 100%%.jsonl", "%A.jsonl"] {
            assert!(log(good).is_ok(), "{good}");
        }
        for bad in ["", "/", "..", "%D.jsonl", "%Q.jsonl", "100%.jsonl", "%", "%n.jsonl"] {
            assert_eq!(log(bad).map_err(|invalid| invalid.field), Err("path"), "{bad}");
        }
    }
}
