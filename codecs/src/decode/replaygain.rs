//! ReplayGain and R128 tags, of whatever container.

use serde::{Deserialize, Serialize};

/// R128 gains refer to -23 LUFS, ReplayGain 2 to -18 LUFS (RFC 7845, 5.2.1).
const R128_TO_REPLAYGAIN_DB: f64 = 5.0;
/// Gains beyond this are nonsense.
const MAX_GAIN_DB: f64 = 100.0;
/// So are peaks beyond this.
const MAX_PEAK: f64 = 1_000.0;

/// What a file's own tags say of its loudness.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ReplayGain {
    /// Gain of the track in dB relative to -18 LUFS, by `REPLAYGAIN_TRACK_GAIN` or `R128_TRACK_GAIN`.
    pub track_db: Option<f64>,
    /// The same of its album.
    pub album_db: Option<f64>,
    /// Greatest sample of the track, 1 for full scale.
    pub track_peak: Option<f64>,
    /// The same of its album.
    pub album_peak: Option<f64>,
}

impl ReplayGain {
    /// Takes in a tag, if it is one of these; what an earlier one says stands. Says whether it is.
    pub(super) fn add(&mut self, name: &str, value: &str) -> bool {
        let (slot, found) = match name.to_ascii_lowercase().as_str() {
            "replaygain_track_gain" => (&mut self.track_db, decibels(value)),
            "replaygain_album_gain" => (&mut self.album_db, decibels(value)),
            "replaygain_track_peak" => (&mut self.track_peak, peak(value)),
            "replaygain_album_peak" => (&mut self.album_peak, peak(value)),
            "r128_track_gain" => (&mut self.track_db, r128(value)),
            "r128_album_gain" => (&mut self.album_db, r128(value)),
            _ => return false,
        };
        *slot = slot.or(found);
        true
    }
}

/// The number in "-7.03 dB".
fn decibels(value: &str) -> Option<f64> {
    let number = value.trim().trim_end_matches(|c: char| c.is_ascii_alphabetic() || c.is_whitespace());
    number.parse::<f64>().ok().filter(|db| db.abs() <= MAX_GAIN_DB)
}

/// A gain in 1/256 dB relative to -23 LUFS.
fn r128(value: &str) -> Option<f64> {
    value.trim().parse::<i16>().ok().map(|q| f64::from(q) / 256.0 + R128_TO_REPLAYGAIN_DB)
}

fn peak(value: &str) -> Option<f64> {
    value.trim().parse::<f64>().ok().filter(|peak| (0.0..=MAX_PEAK).contains(peak))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gains_of_every_kind_are_read() {
        assert_eq!(decibels("-7.03 dB"), Some(-7.03));
        assert_eq!(decibels("+1.5dB"), Some(1.5));
        for nonsense in ["NaN dB", "inf", "1e9 dB", "", "dB"] {
            assert_eq!(decibels(nonsense), None, "{nonsense}");
        }
        let mut gain = ReplayGain::default();
        for (name, value) in [
            ("REPLAYGAIN_TRACK_GAIN", "-3.5 dB"),
            ("replaygain_track_peak", " 0.988831"),
            ("R128_ALBUM_GAIN", "-1280"),
            ("REPLAYGAIN_ALBUM_PEAK", "-1"),
            ("replaygain_track_gain", "9 dB"),
        ] {
            assert!(gain.add(name, value), "{name}");
        }
        assert!(!gain.add("TITLE", "-3.5 dB"));
        let expected = ReplayGain {
            track_db: Some(-3.5),
            album_db: Some(0.0),
            track_peak: Some(0.988831),
            album_peak: None,
        };
        assert_eq!(gain, expected);
    }
}
