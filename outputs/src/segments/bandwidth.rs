//! The bit rates that are declared of a track (RFC 8216, 4.3.4.2), kept true while segments come.

use airchain_codecs::{Bitrate, Codec, Format};

use super::window::{Entry, Window};

/// Audio after which what was measured is trusted of formats whose bit rate varies, in microseconds.
const TRUSTED_US: u64 = 30_000_000;

/// What is declared.
///
/// `BANDWIDTH` is the highest rate of any run of segments between 0.5 and 1.5 target durations long with a tenth on top,
/// since more are to come; it never falls below what the format says, nor below what was declared before a restart, as
/// players read it once. Where the bit rate varies it is the most that the format can be until enough has been
/// measured. `AVERAGE-BANDWIDTH` is that of the window, declared anew when it has moved by more than a tenth.
#[derive(Debug)]
pub(crate) struct Bandwidth {
    /// In bit/s, as all here.
    floor: u64,
    /// The most that it can be, while too little has been measured.
    ceiling: Option<u64>,
    measured_us: u64,
    peak: u64,
    average: u64,
}

impl Bandwidth {
    /// Of a track in a format, of which `declared` was declared before.
    pub(crate) fn new(format: &Format, declared: u64) -> Self {
        let nominal = format.bitrate.kbps().map(|kbps| u64::from(kbps) * 1000);
        let ceiling = if nominal.is_none() && declared == 0 { Some(most(format)) } else { None };
        Self { floor: nominal.unwrap_or(0).max(declared), ceiling, measured_us: 0, peak: 0, average: 0 }
    }

    /// Takes the newest segment of a window into account. Tells whether what is declared has changed.
    pub(crate) fn measure(&mut self, window: &Window) -> bool {
        let before = self.declared();
        let target_us = window.target_s * 1_000_000;
        let (mut bytes, mut time, mut peak) = (0, 0, 0);
        for entry in window.entries.iter().rev().take_while(|entry| !entry.gap) {
            (bytes, time) = (bytes + entry.bytes, time + entry.duration_us);
            if time * 2 > target_us * 3 {
                break;
            }
            if time * 2 >= target_us {
                peak = peak.max(bits_per_second(bytes, time));
            }
        }
        let there = || window.entries.iter().filter(|entry| !entry.gap);
        let total = |of: fn(&Entry) -> u64| there().map(of).sum();
        let average = bits_per_second(total(|entry| entry.bytes), total(|entry| entry.duration_us));
        // A lone stub says too little of a peak, but something must be declared.
        let peak = if self.peak == 0 { peak.max(average) } else { peak };
        if peak > self.peak {
            self.peak = peak + peak / 10;
        }
        if average.abs_diff(self.average) * 10 > self.average {
            self.average = average;
        }
        self.measured_us += window.entries.back().map_or(0, |entry| entry.duration_us);
        if self.measured_us >= TRUSTED_US {
            self.ceiling = None;
        }
        self.declared() != before
    }

    /// What is declared: `BANDWIDTH` and `AVERAGE-BANDWIDTH`; nothing before anything was measured.
    pub(crate) fn declared(&self) -> Option<(u64, u64)> {
        let peak = self.peak.max(self.floor).max(self.ceiling.unwrap_or(0)).max(self.average);
        (self.average > 0).then_some((peak, self.average))
    }
}

/// The most bits in a second of a format whose bit rate varies.
fn most(format: &Format) -> u64 {
    let samples = u64::from(format.sample_rate_hz) * u64::from(format.channels);
    match (format.codec, format.bitrate) {
        (Codec::Flac24, _) => samples * 24,
        (_, Bitrate::Lossless) => samples * 16,
        // What MP3 ends at, and more than AAC of two channels comes to.
        _ => 320_000,
    }
}

fn bits_per_second(bytes: u64, time_us: u64) -> u64 {
    (u128::from(bytes) * 8_000_000 / u128::from(time_us.max(1))) as u64
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;

    fn segment(window: &mut Window, duration_us: u64, bytes: u64) {
        let date = Timestamp::UNIX_EPOCH;
        let entry = Entry {
            number: window.next,
            run: 0,
            date,
            duration_us,
            discontinuity: false,
            bytes,
            gap: false,
            parts: Vec::new(),
        };
        window.append(entry, 100);
    }

    #[test]
    fn stubs_are_measured_with_their_neighbours() {
        let format = Format::of(Codec::AacLc).with_kbps(64);
        let (mut bandwidth, mut window) = (Bandwidth::new(&format, 0), Window::new(4, "ts", 0));
        segment(&mut window, 4_000_000, 50_000);
        assert!(bandwidth.measure(&window));
        assert_eq!(bandwidth.declared(), Some((110_000, 100_000)));
        // Ten times the rate, but for a tenth of a second: (50 000 + 12 500) bytes in 4.1 s.
        segment(&mut window, 100_000, 12_500);
        assert!(bandwidth.measure(&window));
        assert_eq!(bandwidth.declared(), Some((121_951 + 12_195, 121_951)));
        // The same again changes nothing.
        segment(&mut window, 4_000_000, 50_000);
        assert!(!bandwidth.measure(&window));
    }

    #[test]
    fn what_has_been_promised_or_can_come_is_declared() {
        let mut window = Window::new(4, "ts", 0);
        segment(&mut window, 4_000_000, 50_000);
        let declared = |format: &Format, before| {
            let mut bandwidth = Bandwidth::new(format, before);
            bandwidth.measure(&window);
            bandwidth.declared().map(|(peak, _)| peak)
        };
        let aac = Format::of(Codec::AacLc).with_kbps(128);
        assert_eq!(declared(&aac, 0), Some(128_000), "a quiet moment of a format that says more");
        assert_eq!(declared(&aac, 140_000), Some(140_000), "as before the restart");
        let flac = Format { sample_rate_hz: 48_000, ..Format::of(Codec::Flac) };
        assert_eq!(declared(&flac, 0), Some(1_536_000), "nobody knows what comes");
        let mut bandwidth = Bandwidth::new(&flac, 0);
        for _ in 0..8 {
            segment(&mut window, 4_000_000, 50_000);
            bandwidth.measure(&window);
        }
        assert_eq!(bandwidth.declared(), Some((110_000, 100_000)));
    }
}
