//! The multivariant playlist (RFC 8216, 4.3.4): which codec and how many bits, as measured.

use airchain_codecs::Codec;

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
        for entry in playlist.entries.iter().rev() {
            (bytes, time) = (bytes + entry.bytes, time + entry.duration_us);
            if time * 2 > target_us * 3 {
                break;
            }
            if time * 2 >= target_us {
                peak = peak.max(bits_per_second(bytes, time));
            }
        }
        let total = |of: fn(&Entry) -> u64| playlist.entries.iter().map(of).sum();
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

    /// The text, for a media playlist called `uri`.
    pub(crate) fn render(&self, codec: &str, uri: &str) -> String {
        format!(
            "#EXTM3U\n#EXT-X-VERSION:3\n#EXT-X-INDEPENDENT-SEGMENTS\n\
             #EXT-X-STREAM-INF:BANDWIDTH={},AVERAGE-BANDWIDTH={},CODECS=\"{codec}\"\n{uri}\n",
            self.peak.max(self.average),
            self.average,
        )
    }
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
        playlist.entries.push_back(Entry { sequence: 0, date, duration_us, discontinuity: false, bytes });
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
}
