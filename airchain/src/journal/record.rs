//! The journal file: its first line is what the station airs and will air; each further line, what has been heard of
//! that by then.

use std::fs::File;
use std::io::{self, ErrorKind, Read, Write};
use std::path::{Path, PathBuf};

use airchain_core::item::Item;
use airchain_core::playout::LineUp;
use airchain_core::tier::Tier;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// The version of the format that is written and understood.
const VERSION: u32 = 1;
/// A larger file is no journal: 100 000 items, which is as many as a line-up holds, take less.
const LARGEST: u64 = 256 << 20;
/// Fade by which an item starts that is taken up in its middle: short, and without a click.
const FADE_S: f64 = 0.01;

/// What the first line holds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Record {
    /// The version of the format.
    airchain_journal: u32,
    /// The station's id.
    station: String,
    /// Items on air, at most one of each tier.
    pub(crate) on_air: Vec<Airing>,
    /// What the automation airs after them.
    pub(crate) line_up: LineUp,
    /// How its outputs differ from those declared.
    pub(crate) outputs: Outputs,
}

/// Outputs that requests added and removed.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Outputs {
    /// Declarations, each with its id.
    pub(crate) added: Vec<Map<String, Value>>,
    /// Ids of declared outputs.
    pub(crate) removed: Vec<String>,
}

impl Outputs {
    pub(crate) fn add(&mut self, output: &Map<String, Value>) {
        self.added.push(output.clone());
    }

    pub(crate) fn remove(&mut self, id: &str) {
        let before = self.added.len();
        self.added.retain(|output| output.get("id").and_then(Value::as_str) != Some(id));
        if self.added.len() == before {
            self.removed.push(id.to_owned());
        }
    }
}

/// An item on air.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Airing {
    /// Its tier.
    pub(crate) tier: Tier,
    /// The item.
    pub(crate) item: Item,
    /// How far it has been heard, in the item's own time.
    pub(crate) position_s: f64,
}

/// What each further line holds: the positions of the items on air, in their order.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Positions {
    positions_s: Vec<f64>,
}

/// What every version has in its first line.
#[derive(Deserialize)]
struct Header {
    airchain_journal: u32,
    station: String,
}

impl Record {
    pub(crate) fn new(station: &str, on_air: Vec<Airing>, line_up: LineUp, outputs: Outputs) -> Self {
        Self { airchain_journal: VERSION, station: station.to_owned(), on_air, line_up, outputs }
    }

    /// Whether there is nothing to go on with: everything had been played.
    pub(crate) fn is_over(&self) -> bool {
        let ended = self.line_up.bookmark.as_ref().is_some_and(|bookmark| bookmark.is_ended());
        ended && self.on_air.is_empty() && self.line_up.entries.is_empty()
    }

    /// The items that were on air, from where they stood. One of which nothing is left is not among them.
    pub(crate) fn resumed(&self) -> Vec<(Tier, Item)> {
        let resumed = |airing: &Airing| {
            let (cue_in_s, fade_in_s) = (Some(airing.position_s), Some(FADE_S));
            let item = Item { cue_in_s, fade_in_s, ..airing.item.clone() };
            item.validate().is_ok().then_some((airing.tier, item))
        };
        self.on_air.iter().filter_map(resumed).collect()
    }
}

/// Reads what another run of `station` left behind. `None` where there is no file; an error says why one is not used.
pub(crate) fn read(path: &Path, station: &str) -> Result<Option<Record>, String> {
    let unreadable = |error: io::Error| format!("cannot be read: {error}");
    match std::fs::metadata(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(unreadable(error)),
        // A pipe would be waited for.
        Ok(metadata) if !metadata.is_file() => return Err("is not a file".into()),
        Ok(_) => {}
    }
    let mut bytes = Vec::new();
    File::open(path).and_then(|file| file.take(LARGEST).read_to_end(&mut bytes)).map_err(unreadable)?;
    let mut record = parse(&bytes, station)?;
    let lines = bytes.split(|byte| *byte == b'\n').rev();
    let mut positions = lines.filter_map(|line| serde_json::from_slice::<Positions>(line).ok());
    // A kill can cut the last line short; the one before it says nearly the same.
    if let Some(latest) = positions.next().filter(|latest| latest.positions_s.len() == record.on_air.len()) {
        for (airing, position_s) in record.on_air.iter_mut().zip(latest.positions_s) {
            airing.position_s = position_s;
        }
    }
    Ok(Some(record))
}

fn parse(bytes: &[u8], station: &str) -> Result<Record, String> {
    let first = bytes.split(|byte| *byte == b'\n').next().unwrap_or_default();
    let Ok(header) = serde_json::from_slice::<Header>(first) else {
        return Err("is not a journal of airchain, or damaged".into());
    };
    if header.airchain_journal != VERSION {
        return Err(format!("is of version {}, this airchain knows {VERSION}", header.airchain_journal));
    }
    if header.station != station {
        return Err(format!("is that of the station {}", header.station));
    }
    serde_json::from_slice(first).map_err(|error| format!("is damaged: {error}"))
}

/// Writes a journal file. All of its work may block.
pub(super) struct Writer {
    path: PathBuf,
    /// The file behind its first line.
    file: Option<File>,
}

impl Writer {
    pub(super) fn new(path: &Path) -> Self {
        Self { path: path.to_owned(), file: None }
    }

    /// Replaces the file in one step: whenever a kill comes, there is the old one or the new.
    pub(super) fn record(&mut self, record: &Record) -> io::Result<()> {
        self.file = None;
        if let Some(folder) = self.path.parent() {
            std::fs::create_dir_all(folder)?;
        }
        let mut beside = self.path.clone().into_os_string();
        beside.push(".tmp");
        let mut file = private(&PathBuf::from(&beside))?;
        file.write_all(&line(record)?)?;
        std::fs::rename(&beside, &self.path)?;
        self.file = Some(file);
        Ok(())
    }

    /// Adds the positions of the items on air.
    pub(super) fn positions(&mut self, positions_s: Vec<f64>) -> io::Result<()> {
        let text = line(&Positions { positions_s })?;
        let file = self.file.as_mut().ok_or(ErrorKind::NotFound)?;
        file.write_all(&text)
    }
}

fn line(value: &impl Serialize) -> io::Result<Vec<u8>> {
    let mut text = serde_json::to_vec(value)?;
    text.push(b'\n');
    Ok(text)
}

/// A new file that only its owner can read: outputs have passwords.
fn private(path: &Path) -> io::Result<File> {
    let mut options = File::options();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

#[cfg(test)]
mod tests {
    use airchain_core::playout::Lined;

    use super::*;

    fn record() -> Record {
        let item = Item { id: "a".into(), cue_out_s: Some(60.0), ..Item::file("a.mp3") };
        let lined = |path: &str, queued| Lined { item: Item::file(path), queued };
        let line_up = LineUp { entries: vec![lined("q.mp3", true), lined("p.mp3", false)], bookmark: None };
        let outputs = Outputs::default();
        Record::new("wgmr", vec![Airing { tier: Tier::Automation, item, position_s: 0.0 }], line_up, outputs)
    }

    #[test]
    fn what_was_written_is_read_to_the_last_whole_line() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("new/journal");
        assert_eq!(read(&path, "wgmr"), Ok(None));
        let mut writer = Writer::new(&path);
        writer.record(&record()).unwrap();
        assert_eq!(read(&path, "wgmr").unwrap().unwrap(), record());
        for position_s in [1.5, 2.5, 13.25] {
            writer.positions(vec![position_s]).unwrap();
        }
        let whole = std::fs::read(&path).unwrap();
        // Cut anywhere, it says something that was true; with less than its first line, nothing.
        let first = whole.iter().position(|byte| *byte == b'\n').unwrap();
        for cut in 0..=whole.len() {
            std::fs::write(&path, &whole[..cut]).unwrap();
            match read(&path, "wgmr") {
                Ok(read) => {
                    let position_s = read.unwrap().on_air[0].position_s;
                    assert!(cut >= first && [0.0, 1.5, 2.5, 13.25].contains(&position_s), "{cut}");
                }
                Err(_) => assert!(cut < first, "{cut}"),
            }
        }
        assert_eq!(read(&path, "wgmr").unwrap().unwrap().on_air[0].position_s, 13.25);
        // The next record starts from there, in one step.
        writer.record(&record()).unwrap();
        assert_eq!(read(&path, "wgmr").unwrap().unwrap(), record());
        assert_eq!(std::fs::read_dir(path.parent().unwrap()).unwrap().count(), 1);
    }

    #[test]
    fn what_is_no_journal_of_this_station_is_named_and_not_used() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("journal");
        let good = String::from_utf8(line(&record()).unwrap()).unwrap();
        let cases = [
            (String::new(), "is not a journal"),
            ("\u{0}\u{1}\u{7f}".into(), "is not a journal"),
            ("[".repeat(100_000), "is not a journal"),
            ("#EXTM3U\na.mp3\n".into(), "is not a journal"),
            (good.replace("journal\":1", "journal\":2"), "version 2"),
            (good.replace("wgmr", "other"), "the station other"),
            (good.replace("automation", "lunch"), "damaged"),
            (good.replace("0.0", "\"x\""), "damaged"),
            (good.replace("on_air", "on_hair"), "damaged"),
        ];
        for (text, words) in cases {
            std::fs::write(&path, &text).unwrap();
            let error = read(&path, "wgmr").unwrap_err();
            assert!(error.contains(words), "{error}");
        }
        assert!(read(folder.path(), "wgmr").unwrap_err().contains("is not a file"));
    }

    #[test]
    fn an_item_is_taken_up_where_it_stood_unless_it_was_over() {
        let mut record = record();
        for (position_s, left) in [(0.0, true), (59.9, true), (60.0, false), (-1.0, false), (1e300, false)] {
            record.on_air[0].position_s = position_s;
            let resumed = record.resumed();
            assert_eq!(resumed.len(), usize::from(left), "{position_s}");
            assert!(resumed.iter().all(|(_, item)| item.cue_in_s == Some(position_s) && item.id == "a"));
        }
    }
}
