//! The multivariant playlist (RFC 8216, 4.3.4): which codecs and how many bits, as measured.

use std::cmp::Reverse;
use std::fmt::Write as _;

use airchain_codecs::Codec;

use super::PLAYLIST;
use super::playlist::{Entry, Playlist};

/// RFC 6381 name of a codec, where HLS can carry it in a transport stream.
pub(crate) fn codec_name(codec: Codec) -> Option<&'static str> {
    match codec {
        Codec::AacLc => Some("mp4a.40.2"),
        Codec::HeAacV1 => Some("mp4a.40.5"),
        Codec::HeAacV2 => Some("mp4a.40.29"),
        Codec::Mp3 => Some("mp4a.40.34"),
        _ => None,
    }
}

/// What is declared, kept true while segments come.
///
/// `BANDWIDTH` is the highest rate of any run of segments between 0.5 and 1.5 target durations long (section 4.1)
/// with a tenth on top, since more are to come; it only ever rises. `AVERAGE-BANDWIDTH` is that of the window,
/// declared anew when it has moved by more than a tenth.
#[derive(Debug, Default)]
pub(crate) struct Bandwidth {
    peak: u64,
    average: u64,
}

impl Bandwidth {
    /// Takes the newest segment of a window into account. Tells whether what is declared has changed.
    pub(crate) fn measure(&mut self, playlist: &Playlist) -> bool {
        let target_us = playlist.target_s * 1_000_000;
        let (mut bytes, mut time, mut peak) = (0, 0, 0);
        for entry in playlist.entries.iter().rev().take_while(|entry| !entry.gap) {
            (bytes, time) = (bytes + entry.bytes, time + entry.duration_us);
            if time * 2 > target_us * 3 {
                break;
            }
            if time * 2 >= target_us {
                peak = peak.max(bits_per_second(bytes, time));
            }
        }
        let there = || playlist.entries.iter().filter(|entry| !entry.gap);
        let total = |of: fn(&Entry) -> u64| there().map(of).sum();
        let average = bits_per_second(total(|entry| entry.bytes), total(|entry| entry.duration_us));
        // A lone stub says too little of a peak, but something must be declared.
        let peak = if self.peak == 0 { peak.max(average) } else { peak };
        let (rises, moves) = (peak > self.peak, average.abs_diff(self.average) * 10 > self.average);
        if rises {
            self.peak = peak + peak / 10;
        }
        if moves {
            self.average = average;
        }
        rises || moves
    }

    /// What is declared: `BANDWIDTH` and `AVERAGE-BANDWIDTH`; nothing before anything was measured.
    pub(crate) fn declared(&self) -> Option<(u64, u64)> {
        (self.average > 0).then_some((self.peak.max(self.average), self.average))
    }
}

/// An encoding in a multivariant playlist.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Variant {
    /// Its media playlist, relative to the multivariant one.
    pub(crate) uri: String,
    pub(crate) codec: &'static str,
    /// `BANDWIDTH` and `AVERAGE-BANDWIDTH`.
    pub(crate) bandwidth: (u64, u64),
}

/// The text. The highest bandwidth comes first: players begin with the first.
pub(crate) fn render(mut variants: Vec<Variant>) -> String {
    variants.sort_by_key(|variant| Reverse(variant.bandwidth));
    let mut out = String::from("#EXTM3U\n#EXT-X-VERSION:3\n#EXT-X-INDEPENDENT-SEGMENTS\n");
    for Variant { uri, codec, bandwidth: (peak, average) } in variants {
        let _ = writeln!(
            out,
            "#EXT-X-STREAM-INF:BANDWIDTH={peak},AVERAGE-BANDWIDTH={average},CODECS=\"{codec}\"\n{uri}"
        );
    }
    out
}

/// Whether a multivariant playlist is one that airchain wrote.
pub(crate) fn is_own(text: &str) -> bool {
    let plain = |name: &str| {
        let known = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.');
        !name.is_empty() && !name.starts_with('.') && name.bytes().all(known)
    };
    let own = |uri: &str| match uri.rsplit_once('/') {
        Some((folder, name)) => name == PLAYLIST && plain(folder),
        None => uri == PLAYLIST,
    };
    let mut uris = text.lines().filter(|line| !line.is_empty() && !line.starts_with('#')).peekable();
    text.starts_with("#EXTM3U\n") && uris.peek().is_some() && uris.all(own)
}

fn bits_per_second(bytes: u64, time_us: u64) -> u64 {
    (u128::from(bytes) * 8_000_000 / u128::from(time_us.max(1))) as u64
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;

    fn segment(playlist: &mut Playlist, duration_us: u64, bytes: u64) {
        let date = Timestamp::UNIX_EPOCH;
        playlist.entries.push_back(Entry {
            sequence: 0,
            date,
            duration_us,
            discontinuity: false,
            bytes,
            gap: false,
        });
    }

    #[test]
    fn stubs_are_measured_with_their_neighbours() {
        let (mut bandwidth, mut playlist) = (Bandwidth::default(), Playlist::new(4, 0));
        segment(&mut playlist, 4_000_000, 50_000);
        assert!(bandwidth.measure(&playlist));
        assert_eq!((bandwidth.peak, bandwidth.average), (110_000, 100_000));
        // Ten times the rate, but for a tenth of a second: (50 000 + 12 500) bytes in 4.1 s.
        segment(&mut playlist, 100_000, 12_500);
        assert!(bandwidth.measure(&playlist));
        assert_eq!((bandwidth.peak, bandwidth.average), (121_951 + 12_195, 121_951));
        // The same again changes nothing.
        segment(&mut playlist, 4_000_000, 50_000);
        assert!(!bandwidth.measure(&playlist));
    }

    #[test]
    fn the_highest_bandwidth_comes_first_and_own_texts_are_known() {
        let variant = |uri: &str, bandwidth| Variant { uri: uri.into(), codec: "mp4a.40.2", bandwidth };
        let text = render(vec![variant("live.m3u8", (64, 60)), variant("high/live.m3u8", (128, 120))]);
        assert_eq!(
            text,
            "#EXTM3U\n#EXT-X-VERSION:3\n#EXT-X-INDEPENDENT-SEGMENTS\n\
             #EXT-X-STREAM-INF:BANDWIDTH=128,AVERAGE-BANDWIDTH=120,CODECS=\"mp4a.40.2\"\nhigh/live.m3u8\n\
             #EXT-X-STREAM-INF:BANDWIDTH=64,AVERAGE-BANDWIDTH=60,CODECS=\"mp4a.40.2\"\nlive.m3u8\n"
        );
        assert!(is_own(&text));
        let foreign = ["../live.m3u8", "a/b/live.m3u8", "/live.m3u8", "high/index.m3u8", "other.m3u8", ""];
        assert!(foreign.iter().all(|uri| !is_own(&text.replace("high/live.m3u8", uri)) || uri.is_empty()));
        assert!(!is_own("#EXTM3U\n"));
    }
}
