//! MPEG-DASH (ISO/IEC 23009-1): a manifest over the very segments that an HLS output has in CMAF.
//!
//! Media times are those of the segments, told exactly (`SegmentTimeline`), with the numbers in their names. Time on air is
//! counted from 1970 on: a period begins where a run of the output does, and again where segments are missing or the clock
//! leaps, so that in a period numbers, media times and the clock go on together. What was told once stays, while it is in the
//! window: a manifest that is found is read back.

pub(crate) mod mpd;

use std::collections::VecDeque;

use airchain_codecs::Format;
use airchain_codecs::container::segment::EPOCH_S;
use jiff::Timestamp;

use crate::segments::window::{Entry, Window};
use crate::segments::{Layout, nanos};

/// Name of the manifest, which players open.
pub const MANIFEST: &str = "manifest.mpd";

/// What the clock may seem to be off by, for dates are whole milliseconds.
const STEADY_NS: i128 = 2_000_000;

/// Where a period begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Period {
    /// The run that it is of.
    pub(crate) run: i64,
    /// Its first segment.
    pub(crate) number: u64,
    /// Where it begins on the line of the run, in nanoseconds.
    position: i128,
    /// When that is on air.
    pub(crate) date: Timestamp,
}

impl Period {
    /// The media time at which it begins, in frames at a rate.
    pub(crate) fn time(&self, rate: u32) -> i64 {
        let frames = (self.position * i128::from(rate) * 2 + 1_000_000_000).div_euclid(2_000_000_000);
        EPOCH_S * i64::from(rate) + frames as i64
    }
}

/// How segments are encoded, as a manifest tells it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Encoding {
    /// By RFC 6381.
    pub(crate) codecs: &'static str,
    /// Sample rate in Hz, in which media times are, too.
    pub(crate) rate: u32,
    pub(crate) channels: u8,
}

impl Encoding {
    fn of(format: &Format) -> Self {
        let codecs = format.codec.hls_codecs_string().unwrap_or_default();
        Self { codecs, rate: format.sample_rate_hz, channels: format.channels }
    }
}

/// A segment as a manifest tells it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Line {
    pub(crate) number: u64,
    /// Media time in frames, and how many frames it has.
    pub(crate) time: i64,
    pub(crate) frames: i64,
    pub(crate) period: Period,
    pub(crate) encoding: Encoding,
}

impl Line {
    /// When a media time of its period is on air, in nanoseconds since 1970.
    fn on_air(&self, time: i64) -> i128 {
        let Self { period, encoding: Encoding { rate, .. }, .. } = self;
        period.date.as_nanosecond() + nanos(time - period.time(*rate), *rate)
    }

    /// When it begins, in nanoseconds since 1970.
    fn begins(&self) -> i128 {
        self.on_air(self.time)
    }

    /// When it ends, in nanoseconds since 1970.
    pub(crate) fn ends(&self) -> i128 {
        self.on_air(self.time + self.frames)
    }
}

/// The segments of a track, as many as its window has.
#[derive(Clone, Debug)]
pub(crate) struct Lines {
    /// Of those that come.
    encoding: Encoding,
    pub(crate) all: VecDeque<Line>,
}

impl Lines {
    /// None, for segments of a format.
    fn new(format: &Format) -> Self {
        Self { encoding: Encoding::of(format), all: VecDeque::new() }
    }

    /// Those that a manifest told of the track in a folder, of which a window still knows.
    pub(crate) fn found(manifest: &str, folder: &str, format: &Format, window: &Window) -> Self {
        let is_there = |line: &Line| {
            let same = |entry: &Entry| entry.number == line.number && entry.run == line.period.run;
            window.entries.iter().any(|entry| same(entry) && !entry.gap)
        };
        let all = mpd::parse(manifest, folder).unwrap_or_default();
        Self { all: all.into_iter().filter(is_there).collect(), ..Self::new(format) }
    }

    /// Number of the next segment.
    pub(crate) fn next(&self) -> u64 {
        self.all.back().map_or(0, |line| line.number + 1)
    }

    /// Adds a segment that is between two positions, in frames, and forgets what has left the window, and what is of a run that
    /// was longer ago than players may go back.
    pub(crate) fn note(&mut self, entry: &Entry, (start, end): (i64, i64), window: &Window, layout: &Layout) {
        let encoding = self.encoding;
        let (position, time) = (nanos(start, encoding.rate), EPOCH_S * i64::from(encoding.rate) + start);
        let goes_on = |last: &&Line| {
            let period = &last.period;
            let passed = entry.date.as_nanosecond() - period.date.as_nanosecond();
            (last.number + 1, last.time + last.frames, period.run) == (entry.number, time, entry.run)
                && (passed - (position - period.position)).abs() < STEADY_NS
        };
        let begins = Period { run: entry.run, number: entry.number, position, date: entry.date };
        let period = self.all.back().filter(goes_on).map_or(begins, |last| last.period);
        let line = Line { number: entry.number, time, frames: end - start, period, encoding };
        let (first, since) = (window.first(), line.ends() - mpd::depth_ms(layout) * 1_000_000);
        self.all.push_back(line);
        self.all.retain(|line| line.number >= first && (line.period.run == entry.run || line.ends() > since));
    }
}

/// What is told of a track.
#[derive(Clone, Debug)]
pub(crate) struct Told {
    pub(crate) lines: Lines,
    /// In bit/s.
    pub(crate) bandwidth: u64,
    /// Nothing more will come.
    pub(crate) ended: bool,
}
