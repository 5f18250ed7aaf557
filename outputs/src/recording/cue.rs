//! Cue sheets: what was played when in a recording, in a text file beside it that players and editors read.
//!
//! The format is that of CDRWIN, as everybody reads it: `INDEX` in minutes, seconds and 75ths from the file's beginning. It
//! has room for 99 tracks; what comes after them stands in remarks.

use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use airchain_core::item::Metadata;

/// By which one of ours is known: its first line.
const MARK: &str = "REM GENERATOR airchain\n";
/// Tracks that the format has room for.
const TRACKS: usize = 99;
/// Titles that are kept of one file, those in remarks included.
const MOST: usize = 1000;
/// Characters of a title that are kept.
const LONGEST: usize = 200;

/// The cue sheet of a recording that grows.
pub(super) struct CueSheet {
    path: PathBuf,
    audio: String,
    /// What the file's tags say.
    tags: Metadata,
    rate_hz: u32,
    /// Frame at which the file begins.
    begin: i64,
    titles: Vec<Title>,
    /// What is there is not what is known.
    stale: bool,
}

struct Title {
    /// 75ths of a second from the beginning.
    at: u64,
    title: Option<String>,
    artist: Option<String>,
}

impl CueSheet {
    /// That of a recording which begins at a frame, with the title that is true there.
    pub(super) fn new(audio: &Path, tags: &Metadata, rate_hz: u32, begin: i64, first: &Metadata) -> Self {
        let name = audio.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let (path, tags, titles) = (beside(audio), tags.clone(), Vec::new());
        let mut this = Self { path, audio: name, tags, rate_hz, begin, titles, stale: true };
        this.note(begin, first);
        this
    }

    /// Notes what is true from a frame on. One that says nothing new is left out.
    pub(super) fn note(&mut self, at: i64, metadata: &Metadata) {
        let frames = at.saturating_sub(self.begin).max(0).unsigned_abs();
        let at = frames.saturating_mul(75) / u64::from(self.rate_hz.max(1));
        let (title, artist) = (said(&metadata.title), said(&metadata.artist));
        let new = Title { at, title, artist };
        let is_full = self.titles.len() == MOST;
        match self.titles.last_mut() {
            Some(last) if last.title == new.title && last.artist == new.artist => return,
            // Nobody could tell the two apart.
            Some(last) if last.at == at => *last = new,
            _ if is_full => return,
            _ => self.titles.push(new),
        }
        self.stale = true;
    }

    /// Writes what is new, in one step.
    pub(super) fn write(&mut self) -> io::Result<()> {
        if !self.stale {
            return Ok(());
        }
        let part = self.path.with_extension("cue.part");
        let written = fs::write(&part, self.text()).and_then(|()| fs::rename(&part, &self.path));
        match &written {
            Ok(()) => self.stale = false,
            Err(_) => drop(fs::remove_file(&part)),
        }
        written
    }

    fn text(&self) -> String {
        let mut text = MARK.to_owned();
        let quoted = |text: &mut String, indent: &str, word: &str, value: Option<&String>| {
            if let Some(value) = value {
                let _ = writeln!(text, "{indent}{word} \"{value}\"");
            }
        };
        quoted(&mut text, "", "PERFORMER", said(&self.tags.artist).as_ref());
        quoted(&mut text, "", "TITLE", said(&self.tags.title).as_ref());
        // The words for all but MP3 are of another age; `WAVE` is taken for "whatever decodes".
        let kind = if self.audio.ends_with(".mp3") { "MP3" } else { "WAVE" };
        let _ = writeln!(text, "FILE \"{}\" {kind}", self.audio);
        for (number, title) in (1..).zip(&self.titles) {
            let at = format!("{:02}:{:02}:{:02}", title.at / 4500, title.at / 75 % 60, title.at % 75);
            if number <= TRACKS {
                let _ = writeln!(text, "  TRACK {number:02} AUDIO");
                quoted(&mut text, "    ", "TITLE", title.title.as_ref());
                quoted(&mut text, "    ", "PERFORMER", title.artist.as_ref());
                let _ = writeln!(text, "    INDEX 01 {at}");
            } else {
                let _ = write!(text, "REM INDEX {at}");
                for (word, value) in [("TITLE", &title.title), ("PERFORMER", &title.artist)] {
                    if let Some(value) = value {
                        let _ = write!(text, " {word} \"{value}\"");
                    }
                }
                text.push('\n');
            }
        }
        text
    }
}

/// Where the cue sheet of a recording is, or would be.
pub(super) fn beside(audio: &Path) -> PathBuf {
    audio.with_extension("cue")
}

/// Bytes of the cue sheet of a recording, if it has one.
pub(super) fn bytes_beside(audio: &Path) -> u64 {
    let path = beside(audio);
    let bytes = fs::symlink_metadata(&path).ok().filter(fs::Metadata::is_file).map(|data| data.len());
    bytes.filter(|_| is_ours(&path)).unwrap_or(0)
}

/// Removes the cue sheet of a recording, if it has one.
pub(super) fn remove_beside(audio: &Path) -> io::Result<()> {
    let path = beside(audio);
    if is_ours(&path) { fs::remove_file(path) } else { Ok(()) }
}

fn is_ours(path: &Path) -> bool {
    let mut begin = [0; MARK.len()];
    let is_file = fs::symlink_metadata(path).is_ok_and(|data| data.is_file());
    is_file
        && File::open(path).and_then(|mut file| file.read_exact(&mut begin)).is_ok()
        && begin == *MARK.as_bytes()
}

/// What may stand between quotes on a line; there is no way to write a quote there.
fn said(text: &Option<String>) -> Option<String> {
    let text = text.as_deref().map(str::trim).filter(|text| !text.is_empty())?;
    let plain = |c: char| match c {
        '"' => '\'',
        // Line and paragraph separators are no control characters.
        c if c.is_control() || matches!(c, '\u{2028}' | '\u{2029}') => ' ',
        c => c,
    };
    Some(text.chars().take(LONGEST).map(plain).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn titled(artist: &str, title: &str) -> Metadata {
        Metadata { title: Some(title.into()), artist: Some(artist.into()), ..Metadata::default() }
    }

    fn sheet(audio: &Path) -> CueSheet {
        CueSheet::new(
            audio,
            &titled("WGMR", "WGMR 2026-03-01 06:00:00 UTC"),
            48_000,
            96_000,
            &titled("A", "One"),
        )
    }

    #[test]
    fn it_says_what_was_played_when() {
        let folder = tempfile::tempdir().unwrap();
        let audio = folder.path().join("2026.mp3");
        let mut sheet = sheet(&audio);
        sheet.note(96_000 + 48_000 * 61 + 640 * 30, &titled("B \"the\" C\r\nFILE \"x\" WAVE", "Two"));
        sheet.note(96_000 + 48_000 * 62, &titled("B \"the\" C\r\nFILE \"x\" WAVE", "Two"));
        sheet.note(96_000 + 48_000 * 60 * 100, &Metadata::default());
        sheet.write().unwrap();
        let expected = "REM GENERATOR airchain\nPERFORMER \"WGMR\"\nTITLE \"WGMR 2026-03-01 06:00:00 UTC\"\n\
            FILE \"2026.mp3\" MP3\n  \
            TRACK 01 AUDIO\n    TITLE \"One\"\n    PERFORMER \"A\"\n    INDEX 01 00:00:00\n  \
            TRACK 02 AUDIO\n    TITLE \"Two\"\n    PERFORMER \"B 'the' C  FILE 'x' WAVE\"\n    INDEX 01 01:01:30\n  \
            TRACK 03 AUDIO\n    INDEX 01 100:00:00\n";
        assert_eq!(fs::read_to_string(beside(&audio)).unwrap(), expected);
        assert_eq!(bytes_beside(&audio), expected.len() as u64);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "nothing else is left");
        remove_beside(&audio).unwrap();
        assert!(!beside(&audio).exists() && bytes_beside(&audio) == 0);
        // One that somebody else has written stays, and does not count.
        fs::write(beside(&audio), "REM by hand\n").unwrap();
        remove_beside(&audio).unwrap();
        assert!(beside(&audio).exists() && bytes_beside(&audio) == 0);
    }

    #[test]
    fn what_the_format_has_no_room_for_is_a_remark() {
        let mut sheet = sheet(Path::new("x.flac"));
        for n in 1..5000 {
            sheet.note(96_000 + n * 48_000, &titled("A", &n.to_string()));
        }
        let text = sheet.text();
        assert!(text.contains("  TRACK 99 AUDIO\n    TITLE \"98\"") && !text.contains("TRACK 100"));
        assert!(text.contains("\nREM INDEX 01:39:00 TITLE \"99\" PERFORMER \"A\"\n"));
        assert!(
            text.contains("FILE \"x.flac\" WAVE\n")
                && text.lines().filter(|l| l.contains("INDEX")).count() == MOST
        );
    }
}
