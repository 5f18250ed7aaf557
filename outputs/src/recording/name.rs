//! Names of recordings: a template filled in, and, where the time alone fills it in, back to the time.

use airchain_core::item::Metadata;
use jiff::Timestamp;
use jiff::fmt::strtime;
use jiff::tz::TimeZone;

use super::Labels;

/// Bytes that what stands for a `{word}` may take.
const MOST_LABEL: usize = 64;
/// Bytes that a name may take without number and extension: file systems allow 255.
const MOST_STEM: usize = 230;
/// Characters of names beside letters and digits.
const SAFE: &str = " ._-+()@,";

/// How files are named.
#[derive(Clone, Debug)]
pub(super) struct Naming {
    pieces: Vec<Piece>,
    /// All that the time fills in.
    clock: String,
    zone: TimeZone,
    extension: String,
}

/// A part of a template.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Piece {
    /// `strftime` fields and what stands between them.
    Time(String),
    Title,
    Artist,
}

impl Naming {
    /// A template of `strftime` fields and the words `{station}`, `{id}`, `{mount}`, `{title}` and `{artist}`. Nothing
    /// unless every second (in `zone`) has a name of its own that is safe on every file system.
    pub(super) fn new(template: &str, labels: &Labels, zone: &TimeZone, extension: &str) -> Option<Self> {
        let pieces = pieces(template, labels)?;
        let times = pieces.iter().filter_map(|piece| match piece {
            Piece::Time(time) => Some(time.as_str()),
            Piece::Title | Piece::Artist => None,
        });
        let clock = times.collect::<Vec<_>>().join("_");
        let this = Self { pieces, clock, zone: zone.clone(), extension: extension.to_owned() };
        // Two times that differ in every field; what does not come back does not hold date and time.
        for probe in [1_111_111_111, 1_924_991_998] {
            let time = Timestamp::from_second(probe).ok()?;
            let clock = this.format(&this.clock, time)?;
            let stem = this.stem(time, &longest())?;
            let fits = stem.len() <= MOST_STEM && is_safe(&stem) && !stem.starts_with(['.', ' ', '-']);
            (fits && this.time_of(&clock)? == time).then_some(())?;
        }
        (this.list().len() <= MOST_STEM).then_some(this)
    }

    /// Whether names say when a recording began: what else is in them is the same in all.
    pub(super) fn tells_time(&self) -> bool {
        matches!(self.pieces.as_slice(), [Piece::Time(_)])
    }

    /// The `n`th name for a recording that begins at a time with a title; the first is 1.
    pub(super) fn name(&self, time: Timestamp, title: &Metadata, n: u32) -> String {
        let stem = self.stem(time, title).filter(|stem| is_safe(stem));
        let stem = stem.unwrap_or_else(|| time.as_second().to_string());
        match n {
            1 => format!("{stem}.{}", self.extension),
            n => format!("{stem}_{n}.{}", self.extension),
        }
    }

    /// When a recording of this name began, and the how manieth it is of that time; nothing for any other file, and
    /// where names do not [tell](Self::tells_time). Of an hour that the clocks have twice it is the first.
    pub(super) fn parse(&self, name: &str) -> Option<(Timestamp, u32)> {
        let stem = name.strip_suffix(&self.extension)?.strip_suffix('.').filter(|_| self.tells_time())?;
        if let Some(time) = self.time_of(stem) {
            return Some((time, 1));
        }
        let (stem, number) = stem.rsplit_once('_')?;
        let (time, n) = (self.time_of(stem)?, number.parse().ok()?);
        (n > 1 && number == format!("{n}")).then_some((time, n))
    }

    /// The name of the list of its recordings, for where names do not [tell](Self::tells_time).
    pub(super) fn list(&self) -> String {
        let words = self.pieces.iter().map(|piece| match piece {
            Piece::Time(time) => time,
            Piece::Title => "{title}",
            Piece::Artist => "{artist}",
        });
        format!(".{}.{}.recordings", words.collect::<String>(), self.extension)
    }

    fn stem(&self, time: Timestamp, title: &Metadata) -> Option<String> {
        let mut stem = String::new();
        for piece in &self.pieces {
            match piece {
                Piece::Time(format) => stem += &self.format(format, time)?,
                Piece::Title => stem += &label(title.title.as_deref().unwrap_or("untitled")),
                Piece::Artist => stem += &label(title.artist.as_deref().unwrap_or("unknown")),
            }
        }
        Some(stem)
    }

    fn format(&self, format: &str, time: Timestamp) -> Option<String> {
        strtime::format(format, &time.to_zoned(self.zone.clone())).ok()
    }

    fn time_of(&self, clock: &str) -> Option<Timestamp> {
        let fields = strtime::parse(&self.clock, clock).ok()?;
        // Without an offset the zone says which time that was.
        let time = fields
            .to_timestamp()
            .ok()
            .or_else(|| Some(fields.to_datetime().ok()?.to_zoned(self.zone.clone()).ok()?.timestamp()))?;
        (self.format(&self.clock, time)? == clock).then_some(time)
    }
}

/// The parts of a template, neighbours of one kind joined.
fn pieces(template: &str, labels: &Labels) -> Option<Vec<Piece>> {
    let mut pieces = Vec::new();
    let mut time = String::new();
    let mut rest = template;
    while let Some((before, after)) = rest.split_once('{') {
        let (word, behind) = after.split_once('}')?;
        time += before;
        rest = behind;
        let piece = match word {
            "title" => Piece::Title,
            "artist" => Piece::Artist,
            "station" | "id" | "mount" => {
                let known = match word {
                    "station" => &labels.station,
                    "id" => &labels.id,
                    _ => &labels.mount,
                };
                time += &label(known);
                continue;
            }
            _ => return None,
        };
        if !time.is_empty() {
            pieces.push(Piece::Time(std::mem::take(&mut time)));
        }
        pieces.push(piece);
    }
    time += rest;
    if !time.is_empty() {
        pieces.push(Piece::Time(time));
    }
    Some(pieces)
}

/// What of a text may stand in a name: it is no path, hides no file and is no option, whatever it says.
fn label(text: &str) -> String {
    let mut safe = String::new();
    for c in text.trim().chars().map(|c| if is_safe_char(c) { c } else { '_' }) {
        if safe.len() + c.len_utf8() > MOST_LABEL {
            break;
        }
        safe.push(c);
    }
    match safe.trim_start_matches(['.', ' ', '-']).trim_end_matches(['.', ' ']) {
        "" => "_".into(),
        safe => safe.to_owned(),
    }
}

/// A title that takes as much room as any.
fn longest() -> Metadata {
    let text = Some("x".repeat(MOST_LABEL));
    Metadata { title: text.clone(), artist: text, ..Metadata::default() }
}

fn is_safe(stem: &str) -> bool {
    stem.chars().all(is_safe_char)
}

fn is_safe_char(c: char) -> bool {
    c.is_alphanumeric() || SAFE.contains(c)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn naming(template: &str, zone: &str) -> Option<Naming> {
        let labels = Labels { station: "wgmr".into(), id: "main/2".into(), mount: "main".into() };
        Naming::new(template, &labels, &TimeZone::get(zone).unwrap(), "mp3")
    }

    fn at(time: &str) -> Timestamp {
        time.parse().unwrap()
    }

    fn titled(artist: &str, title: &str) -> Metadata {
        Metadata { title: Some(title.into()), artist: Some(artist.into()), ..Metadata::default() }
    }

    #[test]
    fn names_come_back_and_others_do_not() {
        let naming = naming("%Y-%m-%d_%H-%M-%S", "UTC").unwrap();
        let none = Metadata::default();
        assert_eq!(naming.name(at("2026-03-01T06:00:00.75Z"), &none, 1), "2026-03-01_06-00-00.mp3");
        let whole = at("2026-03-01T06:00:00Z");
        for n in [1, 2, 17] {
            assert_eq!(naming.parse(&naming.name(whole, &none, n)), Some((whole, n)));
        }
        for other in [
            "2026-03-01_06-00-00.wav",
            "2026-03-01_06-00-00_1.mp3",
            "2026-03-01_06-00-00_02.mp3",
            "2026-03-01_06-00-00_+2.mp3",
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
    fn names_are_in_the_stations_zone() {
        let none = Metadata::default();
        let local = naming("%Y-%m-%d_%H-%M-%S", "America/New_York").unwrap();
        let (summer, winter) = (at("2026-11-01T05:30:00Z"), at("2026-11-01T06:30:00Z"));
        assert_eq!(local.name(at("2026-03-01T06:00:00Z"), &none, 1), "2026-03-01_01-00-00.mp3");
        // The hour that comes twice has its names twice; the second file of a name is known as such.
        assert_eq!(local.name(summer, &none, 1), local.name(winter, &none, 1));
        assert_eq!(local.parse(&local.name(winter, &none, 2)), Some((summer, 2)));
        assert_eq!(local.parse("2026-03-08_02-30-00.mp3"), None, "no clock there ever showed that");
        // With the offset all hours are told apart.
        let told = naming("%Y%m%dT%H%M%S%z", "America/New_York").unwrap();
        for time in [summer, winter] {
            assert_eq!(told.parse(&told.name(time, &none, 1)), Some((time, 1)));
        }
    }

    #[test]
    fn words_are_filled_in_and_hostile_ones_stay_names() {
        let time = at("2026-03-01T06:00:00Z");
        let naming = naming("{station}-{mount} {id} {artist} - {title} %Y%m%d-%H%M%S", "UTC").unwrap();
        let name = naming.name(time, &titled("AC/DC", "Back in Black"), 1);
        assert_eq!(name, "wgmr-main main_2 AC_DC - Back in Black 20260301-060000.mp3");
        assert!(naming.name(time, &Metadata::default(), 1).contains("unknown - untitled 2026"));
        let long = "é".repeat(1000);
        for hostile in [
            "../../etc/passwd",
            "/etc/passwd",
            "a\0b",
            "..",
            "",
            "-rf",
            "%s%n",
            "{title}",
            "\u{202e}x",
            &long,
        ] {
            let name = naming.name(time, &titled(hostile, hostile), 1);
            let path = std::path::Path::new("folder").join(&name);
            assert_eq!(path.parent(), Some(std::path::Path::new("folder")), "{name:?}");
            assert!(name.len() <= 255 && name.ends_with(" 20260301-060000.mp3"), "{name:?}");
            assert!(name.chars().all(is_safe_char), "{name:?}");
        }
    }

    #[test]
    fn templates_that_would_lose_or_spread_files_are_refused() {
        for good in ["%Y%m%dT%H%M%S", "WGMR FM %Y-%m-%d (%H.%M.%S)", "{title}%Y%m%d{artist}%H%M%S", "{id} %s"]
        {
            assert!(naming(good, "UTC").is_some(), "{good}");
        }
        let bad = [
            "",
            "take",
            "%Y-%m-%d",
            "%Y-%m-%d_%H-%M",
            "{title} - {artist}",
            "{titel} %Y%m%d%H%M%S",
            "{title %Y%m%d%H%M%S",
            "%Y/%m/%d_%H%M%S",
            "../%s",
            ".%s",
            "%Y-%m-%d %H:%M:%S",
            "%q",
            // Longer than a file's name may be.
            "{title}{title}{title}{artist} %Y%m%d%H%M%S",
        ];
        for bad in bad {
            assert!(naming(bad, "UTC").is_none(), "{bad}");
        }
        // The zone's name holds a slash.
        assert!(naming("%Y%m%d%H%M%S %Q", "America/New_York").is_none());
    }
}
