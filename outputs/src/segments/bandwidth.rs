//! The bit rates that are declared of a track (RFC 8216, 4.3.4.2), kept true while segments come.

use airchain_codecs::container::segment::Container;
use airchain_codecs::{Bitrate, Codec, Format};

use super::presentation::Layout;
use super::window::{Entry, Window};

/// What is declared.
///
/// `BANDWIDTH` is the highest rate of any run of segments between 0.5 and 1.5 target durations long with a tenth on top,
/// since more are to come. Players read it once, so it never falls: it is at least what the format can come to in this
/// container, and what was declared before a restart. `AVERAGE-BANDWIDTH` is that of the window, declared anew when it has
/// moved by more than a tenth.
#[derive(Debug)]
pub(crate) struct Bandwidth {
    /// In bit/s, as all here.
    floor: u64,
    peak: u64,
    average: u64,
}

impl Bandwidth {
    /// Of a track in a format, of which `declared` was declared before.
    pub(crate) fn new(format: &Format, layout: &Layout, declared: u64) -> Self {
        Self { floor: promised(format, layout).max(declared), peak: 0, average: 0 }
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
        self.declared() != before
    }

    /// What is declared: `BANDWIDTH` and `AVERAGE-BANDWIDTH`; nothing before anything was measured.
    pub(crate) fn declared(&self) -> Option<(u64, u64)> {
        let peak = self.peak.max(self.floor).max(self.average);
        (self.average > 0).then_some((peak, self.average))
    }
}

/// What a format can come to, with the container around it.
fn promised(format: &Format, layout: &Layout) -> u64 {
    let samples = u64::from(format.sample_rate_hz) * u64::from(format.channels);
    let audio = match (format.codec, format.bitrate) {
        // A constant rate leans on what it has saved; an average one is a mean of more and less.
        (_, Bitrate::Cbr(kbps)) => u64::from(kbps) * 1000 + saved(format, layout).max(u64::from(kbps) * 100),
        (_, Bitrate::Abr(kbps)) => u64::from(kbps) * 1500,
        (Codec::Flac24, _) => samples * 24,
        (_, Bitrate::Lossless) => samples * 16,
        // What MP3 ends at, and more than AAC of two channels comes to.
        (_, Bitrate::Vbr(_)) => 320_000,
    };
    // Bits per second for headers and filling, and bytes per segment for tables, tags and headers.
    let (always, each) = match layout.container {
        // Each PES packet of a tenth of a second leaves most of a transport packet empty, at worst.
        Container::Ts => (22_000, 900),
        Container::Fmp4 | Container::Packed => (3_000, 400),
    };
    audio + always + (f64::from(8 * each) / layout.segment_s) as u64
}

/// Bits per second that AAC of a constant rate can have saved for a segment, by its buffer of 6144 bits for each channel of its core
/// (ISO/IEC 14496-3, 4.5.3).
fn saved(format: &Format, layout: &Layout) -> u64 {
    let channels = match format.codec {
        Codec::HeAacV2 => 1.0,
        Codec::AacLc | Codec::HeAacV1 => f64::from(format.channels),
        _ => 0.0,
    };
    (6144.0 * channels / layout.segment_s) as u64
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

    /// Bandwidth of a format in segments of an hour, of which headers take next to nothing.
    fn bandwidth(format: &Format, declared: u64) -> Bandwidth {
        let container = Container::Packed;
        let (segment_s, target_s, window, retain) = (3_600.0, 4, 6, 6);
        let (end_on_close, parts, dash) = (true, false, false);
        let layout = Layout { container, segment_s, target_s, window, retain, end_on_close, parts, dash };
        Bandwidth::new(format, &layout, declared)
    }

    #[test]
    fn stubs_are_measured_with_their_neighbours() {
        let format = Format::of(Codec::AacLc).with_kbps(64);
        let (mut bandwidth, mut window) = (bandwidth(&format, 0), Window::new(4, "ts", 0));
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
            let mut bandwidth = bandwidth(format, before);
            bandwidth.measure(&window);
            bandwidth.declared().map(|(peak, _)| peak)
        };
        let aac = Format::of(Codec::AacLc).with_kbps(128);
        assert_eq!(declared(&aac, 0), Some(143_800), "a quiet moment of a format that says more");
        assert_eq!(declared(&aac, 160_000), Some(160_000), "as before the restart");
        let flac = Format { sample_rate_hz: 48_000, ..Format::of(Codec::Flac) };
        assert_eq!(declared(&flac, 0), Some(1_539_000), "nobody knows what comes");
    }
}
