//! What goes on air: items and their metadata.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::curve::Curve;
use crate::level::Loudness;

/// What listeners are told about the audio they hear.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Metadata {
    /// Title of the item.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// Performing artist.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub artist: Option<String>,
    /// Album or programme.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub album: Option<String>,
    /// Everything else, by its own name.
    #[serde(flatten)]
    pub extra: BTreeMap<String, String>,
}

impl Metadata {
    /// The one-line form that ICY and playlists carry: `Artist - Title`, or whichever of the two there is.
    pub fn one_line(&self) -> String {
        match (&self.artist, &self.title) {
            (Some(artist), Some(title)) => format!("{artist} - {title}"),
            (Some(one), None) | (None, Some(one)) => one.clone(),
            (None, None) => String::new(),
        }
    }

    /// What a [one-line form](Self::one_line) says: `Artist - Title`, or a title alone.
    pub fn from_line(line: &str) -> Self {
        let (artist, title) = match line.split_once(" - ") {
            Some((artist, title)) if !artist.trim().is_empty() && !title.trim().is_empty() => {
                (Some(artist.trim().to_owned()), title.trim())
            }
            _ => (None, line.trim()),
        };
        let title = (!title.is_empty()).then(|| title.to_owned());
        Self { title, artist, ..Self::default() }
    }

    /// `self` where it says something, `other` where it is silent.
    pub fn or(mut self, other: &Self) -> Self {
        self.title = self.title.or_else(|| other.title.clone());
        self.artist = self.artist.or_else(|| other.artist.clone());
        self.album = self.album.or_else(|| other.album.clone());
        for (key, value) in &other.extra {
            self.extra.entry(key.clone()).or_insert_with(|| value.clone());
        }
        self
    }
}

/// One thing to play: where it is and how it is to be played. Times are seconds of the item's own time.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Item {
    /// The manager's own name for it; made up when there is none.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub id: String,
    /// A file path or URL.
    #[serde(alias = "url")]
    pub path: String,
    /// Where playing begins; the start when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cue_in_s: Option<f64>,
    /// Where playing ends; the end when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cue_out_s: Option<f64>,
    /// Length of the fade at its start; the station's crossfade when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fade_in_s: Option<f64>,
    /// Length of the fade at its end; the station's crossfade when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fade_out_s: Option<f64>,
    /// Shape of both fades; the station's when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub curve: Option<Curve>,
    /// Gain in dB, beside the one that levels it; 0 when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gain_db: Option<f64>,
    /// Integrated loudness of its file in LUFS, as `analyze` gives it, for a chain that levels items; found out by the
    /// station when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub loudness_lufs: Option<f64>,
    /// Greatest true peak of its file in dBTP, beside `loudness_lufs`; taken for 0 when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub true_peak_dbtp: Option<f64>,
    /// Where the next item starts; worked out from the crossfade when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub start_next_s: Option<f64>,
    /// What to tell listeners; read from the file's tags where silent.
    #[serde(skip_serializing_if = "is_silent")]
    pub metadata: Metadata,
}

fn is_silent(metadata: &Metadata) -> bool {
    *metadata == Metadata::default()
}

impl Item {
    /// An item that plays the whole of a file.
    pub fn file(path: impl Into<String>) -> Self {
        Self { path: path.into(), ..Self::default() }
    }

    /// Refuses what cannot be meant: no path, or times and gains out of range.
    pub fn validate(&self) -> Result<(), Invalid> {
        let invalid = |field, value: f64, accepted| Err(Invalid::new(field, value, accepted));
        if self.path.is_empty() {
            return Err(Invalid::new("item.path", "nothing", "a file path or URL"));
        }
        let times = [
            ("cue_in_s", self.cue_in_s),
            ("cue_out_s", self.cue_out_s),
            ("fade_in_s", self.fade_in_s),
            ("fade_out_s", self.fade_out_s),
            ("start_next_s", self.start_next_s),
        ];
        for (field, value) in times {
            if let Some(value) = value.filter(|v| !(v.is_finite() && *v >= 0.0 && *v <= MAX_TIME_S)) {
                return invalid(field, value, "seconds from 0 to 604800");
            }
        }
        let cue_in = self.cue_in_s.unwrap_or(0.0);
        if let Some(value) = self.cue_out_s.filter(|v| *v <= cue_in) {
            return invalid("cue_out_s", value, "a time after cue_in_s");
        }
        if let Some(value) = self.start_next_s.filter(|v| *v < cue_in) {
            return invalid("start_next_s", value, "a time not before cue_in_s");
        }
        if let Some(value) = self.gain_db.filter(|v| !(-120.0..=40.0).contains(v)) {
            return invalid("gain_db", value, "dB from -120 to 40");
        }
        if let Some(value) = self.loudness_lufs.filter(|v| !(-70.0..=10.0).contains(v)) {
            return invalid("loudness_lufs", value, "LUFS from -70 to 10");
        }
        if let Some(value) = self.true_peak_dbtp.filter(|v| !(-120.0..=40.0).contains(v)) {
            return invalid("true_peak_dbtp", value, "dBTP from -120 to 40");
        }
        Ok(())
    }

    /// What it says of its loudness, its file being `mono` or not.
    pub fn loudness(&self, mono: bool) -> Option<Loudness> {
        let true_peak_dbtp = self.true_peak_dbtp;
        self.loudness_lufs.map(|integrated_lufs| Loudness { integrated_lufs, true_peak_dbtp, mono })
    }

    /// Takes down how loud it was found to be.
    pub fn set_loudness(&mut self, loudness: Loudness) {
        (self.loudness_lufs, self.true_peak_dbtp) = (Some(loudness.integrated_lufs), loudness.true_peak_dbtp);
    }
}

/// A week: longer than any item, short enough that frame counts stay far from overflow.
const MAX_TIME_S: f64 = 604_800.0;

/// A field of an [`Item`], or of a request, that cannot be meant. The caller corrects it and sends it again.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error("{field}: {value} is not accepted, give {accepted}")]
pub struct Invalid {
    /// The field's name.
    pub field: &'static str,
    /// What it held.
    pub value: String,
    /// What would be accepted.
    pub accepted: &'static str,
}

impl Invalid {
    /// `field` holds `value`, where `accepted` would do.
    pub fn new(field: &'static str, value: impl std::fmt::Display, accepted: &'static str) -> Self {
        Self { field, value: value.to_string(), accepted }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_says_artist_and_title_or_a_title_alone() {
        let read = |line| {
            let Metadata { artist, title, .. } = Metadata::from_line(line);
            (artist.unwrap_or_default(), title.unwrap_or_default())
        };
        let pair = |artist: &str, title: &str| (artist.to_owned(), title.to_owned());
        assert_eq!(read("AC/DC -  Hells Bells - Live "), pair("AC/DC", "Hells Bells - Live"));
        assert_eq!(read("News-at-nine"), pair("", "News-at-nine"));
        assert_eq!(read(" - Title"), pair("", "- Title"));
        assert_eq!(read("  "), pair("", ""));
    }

    #[test]
    fn nonsense_is_refused_by_name() {
        let item = Item { cue_in_s: Some(5.0), cue_out_s: Some(4.0), ..Item::file("a.mp3") };
        assert_eq!(item.validate().map_err(|e| e.field), Err("cue_out_s"));
        let item = Item { gain_db: Some(f64::NAN), ..Item::file("a.mp3") };
        assert_eq!(item.validate().map_err(|e| e.field), Err("gain_db"));
        let item = Item { fade_in_s: Some(-1.0), ..Item::file("a.mp3") };
        assert_eq!(item.validate().map_err(|e| e.field), Err("fade_in_s"));
        let item = Item { loudness_lufs: Some(-90.0), ..Item::file("a.mp3") };
        assert_eq!(item.validate().map_err(|e| e.field), Err("loudness_lufs"));
        let item = Item { true_peak_dbtp: Some(f64::INFINITY), ..Item::file("a.mp3") };
        assert_eq!(item.validate().map_err(|e| e.field), Err("true_peak_dbtp"));
    }
}
