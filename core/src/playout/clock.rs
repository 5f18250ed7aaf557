//! The station's clock: which frame is heard at which UTC time.
//!
//! Nothing here reads a clock. Whoever drives the engine says at which time frame 0 was, and says it anew when the map
//! has moved: the system's clock was set, or blocks were missed. UTC counts as computers count it, 86 400 seconds to
//! every day; a leap second moves the map like any other setting of the clock.

use crate::Frames;

const NS_PER_S: i128 = 1_000_000_000;

/// The map between UTC and a station's frames.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StationClock {
    /// The station's sample rate in Hz; above 0.
    pub rate_hz: u32,
    /// UTC of frame 0, in nanoseconds since 1970.
    pub epoch_ns: i64,
}

impl StationClock {
    /// The map on which `frame` is at `utc_ns`: how it is moved without touching the frames.
    pub fn anchored(rate_hz: u32, frame: Frames, utc_ns: i64) -> Self {
        let elapsed = Self { rate_hz, epoch_ns: 0 }.utc_of(frame);
        Self { rate_hz, epoch_ns: utc_ns.saturating_sub(elapsed) }
    }

    /// The frame nearest to `utc_ns`; `None` before frame 0.
    pub fn frame_of(&self, utc_ns: i64) -> Option<Frames> {
        Frames::try_from(self.offset_of(utc_ns)).ok()
    }

    /// The same, counted from frame 0 in either direction.
    pub fn offset_of(&self, utc_ns: i64) -> i64 {
        let elapsed = i128::from(utc_ns) - i128::from(self.epoch_ns);
        // To the nearest frame, halves up: the integers of 64 bits bound both factors, so nothing overflows.
        let doubled = 2 * elapsed * i128::from(self.rate_hz) + NS_PER_S;
        saturated(doubled.div_euclid(2 * NS_PER_S))
    }

    /// UTC of `frame` in nanoseconds since 1970, to the nearest; at the ends of time it stands still.
    pub fn utc_of(&self, frame: Frames) -> i64 {
        self.utc_after(frame.into())
    }

    /// The same for a frame counted from frame 0 in either direction.
    pub fn utc_at(&self, offset: i64) -> i64 {
        self.utc_after(offset.into())
    }

    fn utc_after(&self, frames: i128) -> i64 {
        let rate = i128::from(self.rate_hz.max(1));
        let elapsed = (2 * frames * NS_PER_S + rate).div_euclid(2 * rate);
        saturated(i128::from(self.epoch_ns) + elapsed)
    }
}

fn saturated(value: i128) -> i64 {
    value.clamp(i128::from(i64::MIN), i128::from(i64::MAX)) as i64
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 2026-11-28T12:00:00Z.
    const NOON_NS: i64 = 1_795_867_200_000_000_000;
    const YEARS_10_S: u64 = 10 * 365 * 86_400;

    #[test]
    fn whole_seconds_lie_on_whole_frames_for_ten_years() {
        for rate_hz in [8_000, 22_050, 44_100, 48_000, 96_000, 192_000] {
            let clock = StationClock { rate_hz, epoch_ns: NOON_NS };
            for second in [0, 1, 59, 3600, 86_399, YEARS_10_S - 1, YEARS_10_S] {
                let utc_ns = NOON_NS + second as i64 * 1_000_000_000;
                let frame = second * u64::from(rate_hz);
                assert_eq!(clock.frame_of(utc_ns), Some(frame), "{rate_hz} Hz, {second} s");
                assert_eq!(clock.utc_of(frame), utc_ns, "{rate_hz} Hz, {second} s");
            }
        }
    }

    #[test]
    fn every_frame_comes_back_from_its_time() {
        let clock = StationClock { rate_hz: 44_100, epoch_ns: NOON_NS + 123_456_789 };
        let far = YEARS_10_S * 44_100;
        for frame in (0..100_000).chain(far..far + 100_000) {
            assert_eq!(clock.frame_of(clock.utc_of(frame)), Some(frame));
        }
    }

    #[test]
    fn before_frame_0_there_is_none() {
        let clock = StationClock { rate_hz: 48_000, epoch_ns: NOON_NS };
        // Half a frame is 10 416.7 ns.
        assert_eq!(clock.frame_of(NOON_NS - 10_000), Some(0));
        assert_eq!(clock.frame_of(NOON_NS - 11_000), None);
        assert_eq!(clock.offset_of(NOON_NS - 1_000_000_000), -48_000);
        assert_eq!(clock.frame_of(i64::MIN), None);
        assert!(clock.frame_of(i64::MAX).is_some());
        assert_eq!(clock.utc_of(Frames::MAX), i64::MAX);
    }

    #[test]
    fn a_moved_map_agrees_where_it_was_anchored() {
        let before = StationClock { rate_hz: 44_100, epoch_ns: NOON_NS };
        let (frame, late) = (1_234_567, 250_000_000);
        let after = StationClock::anchored(44_100, frame, before.utc_of(frame) + late);
        assert_eq!(after.frame_of(before.utc_of(frame) + late), Some(frame));
        assert_eq!(after.epoch_ns, before.epoch_ns + late);
    }

    #[test]
    fn a_leap_second_moves_the_map_by_one_second() {
        // 2016-12-31T23:59:60 was real. The system's clock repeated a second, so that what it calls midnight came a
        // second of audio later.
        let midnight_ns = 1_483_228_800_000_000_000;
        let before = StationClock { rate_hz: 48_000, epoch_ns: midnight_ns - 10_000_000_000 };
        let after = StationClock { epoch_ns: before.epoch_ns - 1_000_000_000, ..before };
        assert_eq!(before.frame_of(midnight_ns), Some(480_000));
        assert_eq!(after.frame_of(midnight_ns), Some(528_000));
    }
}
