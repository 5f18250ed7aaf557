//! Names of recordings: the time of the first sample by a template, and back.

use jiff::Timestamp;
use jiff::fmt::strtime;
use jiff::tz::TimeZone;

/// How files are named, and so which files are ours.
#[derive(Clone, Debug)]
pub(super) struct Naming {
    template: String,
    extension: String,
}

impl Naming {
    /// A template of `strftime` fields. Nothing unless every second has a name of its own that can be read back and
    /// is safe on every file system.
    pub(super) fn new(template: &str, extension: &str) -> Option<Self> {
        let this = Self { template: template.to_owned(), extension: extension.to_owned() };
        // Two times that differ in every field; what does not come back does not hold date and time.
        for probe in [1_111_111_111, 1_924_991_998] {
            let time = Timestamp::from_second(probe).ok()?;
            let stem = this.stem(time)?;
            let safe = |c: char| c.is_alphanumeric() || " ._-+()@,".contains(c);
            let fits = stem.len() <= 200 && stem.chars().all(safe) && !stem.starts_with(['.', ' ', '-']);
            (fits && this.time_of_stem(&stem)? == time).then_some(())?;
        }
        Some(this)
    }

    /// The `n`th name for a recording that begins at a time; the first is 1.
    pub(super) fn name(&self, time: Timestamp, n: u32) -> String {
        let stem = self.stem(time).unwrap_or_else(|| time.as_second().to_string());
        match n {
            1 => format!("{stem}.{}", self.extension),
            n => format!("{stem}_{n}.{}", self.extension),
        }
    }

    /// When a recording of this name began, and the how manieth it is of that time; nothing for any other file.
    pub(super) fn parse(&self, name: &str) -> Option<(Timestamp, u32)> {
        let stem = name.strip_suffix(&self.extension)?.strip_suffix('.')?;
        if let Some(time) = self.time_of_stem(stem) {
            return Some((time, 1));
        }
        let (stem, n) = stem.rsplit_once('_')?;
        let (time, n) = (self.time_of_stem(stem)?, n.parse().ok()?);
        (self.name(time, n) == name).then_some((time, n))
    }

    fn stem(&self, time: Timestamp) -> Option<String> {
        strtime::format(&self.template, &time.to_zoned(TimeZone::UTC)).ok()
    }

    fn time_of_stem(&self, stem: &str) -> Option<Timestamp> {
        let time = strtime::parse(&self.template, stem).ok()?.to_datetime().ok()?;
        let time = time.to_zoned(TimeZone::UTC).ok()?.timestamp();
        (self.stem(time)? == stem).then_some(time)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_come_back_and_others_do_not() {
        let naming = Naming::new("%Y-%m-%d_%H-%M-%S", "mp3").unwrap();
        let time: Timestamp = "2026-03-01T06:00:00.75Z".parse().unwrap();
        assert_eq!(naming.name(time, 1), "2026-03-01_06-00-00.mp3");
        let whole = "2026-03-01T06:00:00Z".parse().unwrap();
        for n in [1, 2, 17] {
            assert_eq!(naming.parse(&naming.name(time, n)), Some((whole, n)));
        }
        for other in [
            "2026-03-01_06-00-00.wav",
            "2026-03-01_06-00-00_1.mp3",
            "2026-03-01_06-00-00_02.mp3",
            "2026-03-01_06-00-00 copy.mp3",
            "2026-3-1_06-00-00.mp3",
            "x2026-03-01_06-00-00.mp3",
            "mp3",
            ".mp3",
        ] {
            assert_eq!(naming.parse(other), None, "{other}");
        }
    }

    #[test]
    fn templates_that_would_lose_or_spread_files_are_refused() {
        for good in ["%Y%m%dT%H%M%S", "WGMR FM %Y-%m-%d (%H.%M.%S)"] {
            assert!(Naming::new(good, "mp3").is_some(), "{good}");
        }
        let bad = [
            "",
            "take",
            "%Y-%m-%d",
            "%Y-%m-%d_%H-%M",
            "%Y/%m/%d_%H%M%S",
            "../%s",
            ".%s",
            "%Y-%m-%d %H:%M:%S",
            "%q",
        ];
        for bad in bad {
            assert!(Naming::new(bad, "mp3").is_none(), "{bad}");
        }
    }
}
