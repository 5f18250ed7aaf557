//! Where the renditions of an output are cut: at the same frames of the programme. Pure, no clock and no files.
//!
//! Positions are nanoseconds of what the station has sent since it began. A run of the output begins where all of its
//! renditions are there; from then on it is cut where whole multiples of the segment duration lie on the frames that all
//! renditions share: AAC-LC and HE-AAC of one rate both can be cut every 2048 samples. Where they share none that is
//! near, each is cut at its own nearest frame. What is between two cuts is a stretch; it has the same number in every
//! rendition.

use airchain_codecs::packet::StreamInfo;

/// Nanoseconds in a second.
const SECOND: i128 = 1_000_000_000;
/// Cuts may lie this far apart from where they are wanted, so that frames are shared, in nanoseconds.
const SHARED: i128 = SECOND / 4;
/// Audio that a rendition holds back at the beginning until the others are there.
const PATIENCE: i128 = 2 * SECOND;

/// A frame's position in nanoseconds.
pub(crate) fn nanos(frame: i64, rate: u32) -> i128 {
    (i128::from(frame) * SECOND).div_euclid(i128::from(rate.max(1)))
}

/// A boundary between packets, with the middles of the packets on both sides: those are nearer to it than to any other.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Boundary {
    at: i128,
    from: i128,
    to: i128,
}

impl Boundary {
    /// The one at a frame, between packets of `packet` frames.
    pub(crate) fn new(frame: i64, packet: u32, rate: u32) -> Self {
        let halves = |halves: i128| (halves * SECOND).div_euclid(2 * i128::from(rate.max(1)));
        let (frame, packet) = (2 * i128::from(frame), i128::from(packet));
        Self { at: halves(frame), from: halves(frame - packet), to: halves(frame + packet) }
    }

    /// Whether it is the one for what is wanted at a position.
    fn is_nearest(self, wanted: i128) -> bool {
        self.from < wanted && wanted <= self.to
    }
}

/// A time as a reduced fraction of seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Ratio {
    numerator: i128,
    denominator: i128,
}

impl Ratio {
    fn new(numerator: i128, denominator: i128) -> Self {
        let common = gcd(numerator, denominator).max(1);
        Self { numerator: numerator / common, denominator: denominator / common }
    }

    /// The least time that is a whole multiple of both.
    fn common_multiple(self, other: Self) -> Self {
        let numerator = self.numerator / gcd(self.numerator, other.numerator).max(1) * other.numerator;
        Self::new(numerator, gcd(self.denominator, other.denominator))
    }

    /// `count` times this, in nanoseconds.
    fn times(self, count: i128) -> i128 {
        (count * self.numerator * SECOND).div_euclid(self.denominator)
    }

    /// How often this fits into a time in nanoseconds, rounded down after half of it was added `halves` times.
    fn count(self, nanos: i128, halves: i128) -> i128 {
        let unit = self.numerator * SECOND;
        (2 * nanos * self.denominator + halves * unit).div_euclid(2 * unit)
    }
}

fn gcd(a: i128, b: i128) -> i128 {
    if b == 0 { a } else { gcd(b, a % b) }
}

/// How a run of an output is cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Run {
    duration: i128,
    /// The frames that all share.
    shared: Option<Ratio>,
    /// Where its first stretch begins.
    pub(crate) start: i128,
    /// The cut that ends its first stretch.
    first: i128,
}

impl Run {
    /// Position of a cut.
    fn cut(&self, cut: i128) -> i128 {
        let wanted = cut * self.duration;
        self.shared.map_or(wanted, |shared| shared.times(shared.count(wanted, 1)))
    }

    /// Beginning and end of a stretch, counted from 0.
    pub(crate) fn stretch(&self, stretch: u64) -> (i128, i128) {
        let end = self.first + i128::from(stretch);
        let start = if stretch == 0 { self.start } else { self.cut(end - 1) };
        (start, self.cut(end))
    }

    /// The first stretch that begins at a position or behind it.
    pub(crate) fn first_from(&self, position: i128) -> u64 {
        // Cuts may lie a little beside where they are wanted, but not by a stretch.
        let before = position.div_euclid(self.duration) - self.first;
        let mut stretch = u64::try_from(before).unwrap_or(0);
        while self.stretch(stretch).0 < position {
            stretch += 1;
        }
        stretch
    }

    /// Whether a stretch ends at a boundary, or has ended before it.
    pub(crate) fn ends(&self, stretch: u64, boundary: Boundary) -> bool {
        self.stretch(stretch).1 <= boundary.to
    }

    /// The stretch that what begins at a boundary belongs to, wherever in it that lies.
    pub(crate) fn at(&self, boundary: Boundary) -> u64 {
        let before = boundary.at.div_euclid(self.duration) - self.first;
        let mut stretch = u64::try_from(before).unwrap_or(0);
        while self.ends(stretch, boundary) {
            stretch += 1;
        }
        stretch
    }

    /// The stretch that begins at a boundary.
    pub(crate) fn beginning(&self, boundary: Boundary) -> Option<u64> {
        if boundary.is_nearest(self.start) {
            return Some(0);
        }
        let cut = (2 * boundary.at + self.duration).div_euclid(2 * self.duration);
        let stretch = u64::try_from(cut - self.first + 1).ok().filter(|stretch| *stretch > 0)?;
        boundary.is_nearest(self.cut(cut)).then_some(stretch)
    }
}

/// Where a segment begins, as far as its dates go: all in it is dated by the clock as it was there.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Begin {
    pub(crate) at: i128,
    /// Where the one before has begun, if there was one in this run.
    pub(crate) before: Option<i128>,
}

impl Begin {
    /// That of a stretch: the same for all renditions, wherever their packets lie.
    pub(crate) fn of(run: &Run, stretch: u64) -> Self {
        let before = stretch.checked_sub(1).map(|before| run.stretch(before).0);
        Self { at: run.stretch(stretch).0, before }
    }
}

/// What the renditions agree on.
#[derive(Debug)]
pub(crate) struct Timeline {
    duration: i128,
    target: i128,
    /// First position and length of packets of the renditions that are there.
    arrived: Vec<Option<(i128, Option<Ratio>)>>,
    run: Option<Run>,
}

impl Timeline {
    /// One for so many renditions, segments of a duration in seconds and a target duration in whole seconds.
    pub(crate) fn new(renditions: usize, segment_duration_s: f64, target_s: u64) -> Self {
        let duration = ((segment_duration_s * 1e6).round() as i128).max(1) * 1000;
        let target = i128::from(target_s) * SECOND;
        Self { duration, target, arrived: vec![None; renditions], run: None }
    }

    /// Tells that a rendition's packets begin at `first` and have come as far as `end`. The run begins when all are
    /// there, or when this one has waited long enough or can wait no longer.
    pub(crate) fn arrive(
        &mut self,
        rendition: usize,
        info: &StreamInfo,
        first: i128,
        end: i128,
        last: bool,
    ) -> Option<Run> {
        if self.run.is_none() {
            let packet = info
                .packet_frames
                .map(|frames| Ratio::new(frames.max(1).into(), info.format.sample_rate_hz.max(1).into()));
            if let Some(arrived) = self.arrived.get_mut(rendition) {
                *arrived = Some((first, packet));
            }
            if last || end - first >= PATIENCE || self.arrived.iter().all(Option::is_some) {
                self.run = Some(self.begin());
            }
        }
        self.run
    }

    fn begin(&self) -> Run {
        let there = || self.arrived.iter().flatten();
        let packets = there().map(|(_, packet)| *packet).collect::<Option<Vec<_>>>().unwrap_or_default();
        let shared = packets.into_iter().reduce(Ratio::common_multiple);
        let shared = shared.filter(|shared| shared.times(1) <= SHARED);
        let last = there().map(|(first, _)| *first).max().unwrap_or(0);
        let start = shared.map_or(last, |shared| shared.times(-shared.count(-last, 0)));
        let mut run = Run { duration: self.duration, shared, start, first: start.div_euclid(self.duration) };
        while run.cut(run.first) <= start {
            run.first += 1;
        }
        // A mere stub goes with the stretch behind it, where that still fits the target duration.
        let longest = run.cut(run.first + 1) - start + SHARED / 2;
        if longest * 2 < self.target * 2 + SECOND {
            run.first += 1;
        }
        run
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use airchain_codecs::{Bitrate, Codec, Format};

    use super::*;

    fn info(rate: u32, packet_frames: u32) -> Arc<StreamInfo> {
        let format =
            Format { codec: Codec::AacLc, bitrate: Bitrate::Cbr(64), sample_rate_hz: rate, channels: 2 };
        Arc::new(StreamInfo { format, delay: 0, packet_frames: Some(packet_frames), headers: Vec::new() })
    }

    /// A run of renditions that begin at a frame each, with packets of so many frames at a rate.
    fn run(segment_s: f64, target_s: u64, renditions: &[(u32, u32, i64)]) -> Run {
        let mut timeline = Timeline::new(renditions.len(), segment_s, target_s);
        let mut run = None;
        for (index, (rate, packet, first)) in renditions.iter().enumerate() {
            assert_eq!(run, None);
            let first = nanos(*first, *rate);
            run = timeline.arrive(index, &info(*rate, *packet), first, first, false);
        }
        run.unwrap()
    }

    /// Where a rendition is cut, as the first and last packets of stretches tell.
    fn boundaries(run: &Run, rate: u32, packet: i64, packets: i64) -> Vec<i64> {
        let begins = |frame: &i64| run.beginning(Boundary::new(*frame, packet as u32, rate)).is_some();
        (0..packets).map(|n| n * packet).filter(begins).collect()
    }

    #[test]
    fn aac_and_he_aac_are_cut_at_the_same_frames_for_days() {
        let run = run(6.0, 6, &[(48_000, 1024, -2048), (48_000, 2048, -6144)]);
        assert_eq!(run.start, nanos(-2048, 48_000));
        let day = 2 * 86_400 * 48_000;
        let low = boundaries(&run, 48_000, 2048, day / 2048);
        assert_eq!(boundaries(&run, 48_000, 1024, day / 1024), low);
        // The first stretch takes the stub before frame 0 with it.
        assert_eq!(low.len(), 2 * 14_400 - 1);
        for (n, frame) in low.iter().enumerate() {
            assert!((frame - (n as i64 + 1) * 288_000).abs() <= 1024, "cut {n} at {frame}");
        }
    }

    #[test]
    fn without_frames_in_common_each_is_cut_at_its_nearest() {
        let run = run(4.0, 4, &[(48_000, 1024, 0), (44_100, 1024, 0)]);
        assert_eq!(run.shared, None);
        for rate in [48_000, 44_100] {
            let frames = boundaries(&run, rate, 1024, 100_000);
            assert!(frames.len() > 500);
            for frame in frames {
                let off = i64::from(rate) * 4;
                let off = (frame + off / 2).rem_euclid(off) - off / 2;
                assert!(off.abs() <= 512, "{off} frames off at {rate} Hz");
            }
        }
        // 24 kHz and 48 kHz share every frame of the longer one.
        let halves = self::run(4.0, 4, &[(48_000, 1024, 0), (24_000, 1024, 0)]);
        assert_eq!(halves.shared, Some(Ratio::new(1024, 24_000)));
        assert_eq!(
            Ratio::new(1152, 48_000).common_multiple(Ratio::new(1024, 48_000)),
            Ratio::new(9216, 48_000)
        );
    }

    #[test]
    fn no_stretch_is_longer_than_the_target_duration() {
        for segment_s in [0.5, 0.74, 0.76, 1.0, 1.24, 1.26, 2.002, 6.0] {
            let target_s = ((segment_s * 1e6 + 750_000.0) / 1e6) as u64;
            for first in (0..480_000).step_by(7919) {
                let run = run(segment_s, target_s.max(1), &[(48_000, 2048, first), (48_000, 1024, first)]);
                let mut last = run.start;
                for stretch in 0..50 {
                    let (start, end) = run.stretch(stretch);
                    assert_eq!(start, last, "stretches are gapless");
                    assert!(end > start);
                    assert!(
                        (end - start + SECOND / 2) / SECOND <= i128::from(target_s.max(1)),
                        "{segment_s}"
                    );
                    last = end;
                }
            }
        }
    }

    #[test]
    fn the_stretch_behind_a_position_is_found() {
        for renditions in [&[(48_000, 2048, -4096), (48_000, 1024, -2048)][..], &[(44_100, 1024, 7919)]] {
            let run = run(2.002, 2, renditions);
            for stretch in 0..200 {
                let (start, end) = run.stretch(stretch);
                assert_eq!([run.first_from(start), run.first_from(start + 1)], [stretch, stretch + 1]);
                assert_eq!([run.first_from(end - 1), run.first_from(end)], [stretch + 1; 2]);
            }
            assert_eq!(run.first_from(run.start - 10 * SECOND), 0);
        }
    }

    #[test]
    fn who_does_not_come_is_not_waited_for() {
        let mut timeline = Timeline::new(2, 6.0, 6);
        let info = info(48_000, 1024);
        assert_eq!(timeline.arrive(0, &info, 0, PATIENCE - 1, false), None);
        let run = timeline.arrive(0, &info, 0, PATIENCE, false);
        assert!(run.is_some());
        // Who is late goes by what the others have begun.
        assert_eq!(timeline.arrive(1, &info, SECOND, SECOND, false), run);
    }
}
