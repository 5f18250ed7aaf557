//! A presentation in simulated time that breaks no rule, for tests to break it in one way at a time.
//!
//! Two renditions of the same packed AAC, a window of four segments of 0.96 s. The fourth segment begins with a discontinuity,
//! the seventh is a gap, and a song that ends with the third is told of; the last text ends the playlist.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::{Checker, Fetched, Finding, Origin};

pub(super) const FIRST: u64 = 100;
const JOIN: u64 = 103;
const GAP: u64 = 106;
const STEPS: u64 = 14;
const WINDOW: u64 = 4;
pub(super) const SEGMENT_US: i64 = 960_000;
const FRAMES: usize = 45;

#[derive(Clone)]
pub(super) struct Made {
    /// Which text this is, from 0 on.
    pub(super) step: u64,
    pub(super) now: Timestamp,
    pub(super) files: BTreeMap<String, Vec<u8>>,
    pub(super) mime: &'static str,
}

impl Origin for Made {
    fn now(&self) -> Timestamp {
        self.now
    }

    fn get(&mut self, path: &str) -> Option<Fetched> {
        let data = self.files.get(path)?.clone();
        Some(Fetched { data, mime: Some(self.mime.to_owned()) })
    }
}

/// Publishes all of it, each text polled after `breaks` has had it, and gives what is found.
pub(super) fn run(mut breaks: impl FnMut(&mut Made)) -> Vec<Finding> {
    let mut checker = Checker::new("index.m3u8", Duration::from_secs(1));
    let mut made = Made {
        step: 0,
        now: "2026-03-01T12:00:00Z".parse().expect("a date"),
        files: BTreeMap::new(),
        mime: "application/vnd.apple.mpegurl",
    };
    for step in 0..STEPS {
        made.publish(step);
        breaks(&mut made);
        checker.poll(&mut made);
    }
    checker.findings().to_vec()
}

/// ADTS frames of AAC-LC at 48 kHz, 257 bytes each.
pub(super) fn adts(frames: usize) -> Vec<u8> {
    let frame = [&[0xFF, 0xF1, 0x4C, 0x80, 0x20, 0x3F, 0xFC][..], &[0; 250]].concat();
    frame.repeat(frames)
}

/// MP3 frames at 48 kHz and 96 kbit/s that begin `main_data_begin` bytes before themselves.
pub(super) fn mp3(frames: usize, main_data_begin: u8) -> Vec<u8> {
    let mut frame = vec![0; 288];
    frame[..5].copy_from_slice(&[0xFF, 0xFB, 0x74, 0x00, main_data_begin]);
    frame.repeat(frames)
}

/// A segment of packed audio whose time stamp is `ticks`.
pub(super) fn packed(ticks: i64, audio: &[u8]) -> Vec<u8> {
    let owner = b"com.apple.streaming.transportStreamTimestamp\0";
    let size = owner.len() as u8 + 8;
    let head = [&b"ID3\x04\0\0\0\0\0"[..], &[size + 10], b"PRIV\0\0\0", &[size, 0, 0]].concat();
    [&head[..], owner, &ticks.to_be_bytes(), audio].concat()
}

/// The time stamp of a segment.
pub(super) fn ticks(number: u64) -> i64 {
    let since = if number < JOIN { FIRST } else { JOIN };
    900_000 + (number - since) as i64 * SEGMENT_US * 9 / 100
}

impl Made {
    fn publish(&mut self, step: u64) {
        self.step = step;
        let newest = FIRST + step;
        // A tenth of a second after its end.
        self.now = date(newest + 1) + SignedDuration::from_millis(100);
        let first = newest.saturating_sub(WINDOW - 1).max(FIRST);
        let mut text = format!(
            "#EXTM3U\n#EXT-X-VERSION:{}\n#EXT-X-TARGETDURATION:1\n#EXT-X-MEDIA-SEQUENCE:{first}\n\
             #EXT-X-DISCONTINUITY-SEQUENCE:{}\n#EXT-X-INDEPENDENT-SEGMENTS\n",
            if (first..=newest).contains(&GAP) { 8 } else { 3 },
            5 + u64::from(first > JOIN),
        );
        let song_end = date(FIRST + 3);
        if newest >= JOIN && song_end > date(first) {
            let start = date(FIRST);
            text += &format!(
                "#EXT-X-DATERANGE:ID=\"song\",START-DATE=\"{start:.3}\",END-DATE=\"{song_end:.3}\",DURATION=2.88,X-TITLE=\"a, b\"\n"
            );
        }
        for number in first..=newest {
            let tags = match number {
                JOIN => "#EXT-X-DISCONTINUITY\n",
                GAP => "#EXT-X-GAP\n",
                _ => "",
            };
            text += &format!(
                "{tags}#EXT-X-PROGRAM-DATE-TIME:{:.3}\n#EXTINF:0.960000,\n{number}.aac\n",
                date(number)
            );
        }
        if step == STEPS - 1 {
            text += "#EXT-X-ENDLIST\n";
        }
        let mut index = "#EXTM3U\n#EXT-X-VERSION:3\n#EXT-X-INDEPENDENT-SEGMENTS\n".to_owned();
        for uri in ["live.m3u8", "other/live.m3u8"] {
            self.files.insert(uri.to_owned(), text.clone().into_bytes());
            index += "#EXT-X-STREAM-INF:BANDWIDTH=100000,AVERAGE-BANDWIDTH=97000,CODECS=\"mp4a.40.2\"\n";
            index += &format!("{uri}\n");
        }
        self.files.insert("index.m3u8".to_owned(), index.into_bytes());
        for folder in ["", "other/"] {
            if newest != GAP {
                self.files.insert(format!("{folder}{newest}.aac"), packed(ticks(newest), &adts(FRAMES)));
            }
            // A window and a segment after it was there last.
            self.files.remove(&format!("{folder}{}.aac", newest - (2 * WINDOW + 2).min(newest)));
        }
    }

    /// Replaces something in a text, everywhere.
    pub(super) fn edit(&mut self, path: &str, from: &str, to: &str) {
        let text = String::from_utf8(self.files[path].clone()).expect("a text");
        assert!(text.contains(from), "{from:?} is not in\n{text}");
        self.files.insert(path.to_owned(), text.replace(from, to).into_bytes());
    }

    /// Has the dates of a playlist leap by so many seconds from a segment on.
    pub(super) fn leap(&mut self, path: &str, from: u64, by_s: i64, with_discontinuity: bool) {
        let text = String::from_utf8(self.files[path].clone()).expect("a text");
        let mut leapt = String::new();
        for line in text.lines() {
            let old = line.strip_prefix("#EXT-X-PROGRAM-DATE-TIME:");
            let is_it = |number: &u64| old == Some(&*format!("{:.3}", date(*number)));
            let line = match (from..FIRST + STEPS).find(is_it) {
                Some(number) => {
                    let tag = if with_discontinuity && number == from {
                        "#EXT-X-DISCONTINUITY
"
                    } else {
                        ""
                    };
                    let date = date(number) + SignedDuration::from_secs(by_s);
                    format!("{tag}#EXT-X-PROGRAM-DATE-TIME:{date:.3}")
                }
                None => line.to_owned(),
            };
            leapt += &format!(
                "{line}
"
            );
        }
        self.files.insert(path.to_owned(), leapt.into_bytes());
        let has_left = FIRST + self.step >= from + WINDOW;
        if with_discontinuity && has_left {
            self.edit(path, "DISCONTINUITY-SEQUENCE:6", "DISCONTINUITY-SEQUENCE:7");
        }
    }

    /// Puts something at the end of the media playlist.
    pub(super) fn append(&mut self, text: &str) {
        self.files.get_mut("live.m3u8").expect("a playlist").extend_from_slice(text.as_bytes());
    }
}

/// When a segment begins.
pub(super) fn date(number: u64) -> Timestamp {
    let since = "2026-03-01T12:00:00Z".parse::<Timestamp>().expect("a date");
    since + SignedDuration::from_micros((number - FIRST) as i64 * SEGMENT_US)
}
