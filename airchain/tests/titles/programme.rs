//! What is played, and how it is recognised.

use std::f64::consts::TAU;
use std::ops::Range;
use std::path::Path;

use airchain::StationSpec;
use airchain::codecs::{Codec, Format};
use airchain::core::chain::NodeSpec;
use airchain::core::item::{Item, Metadata};
use airchain::core::playout::Playlist;
use airchain::core::playout::playlist::Order;
use airchain::file::FileWriter;
use testkit::{measure, signal};

pub const RATE: u32 = 48_000;
/// Frames by which the chain is late: 7.3 ms, which is no whole number of blocks or packets.
const LATENCY: u64 = 350;

/// Title, length in seconds, and the sweep that an item begins with: from and to a frequency within half a second, after
/// which it stays there.
const ITEMS: [(&str, f64, f64, f64); 4] = [
    ("One", 3.0, 500.0, 8_500.0),
    ("Two", 4.0, 8_500.0, 500.0),
    ("Three", 5.0, 1_000.0, 6_000.0),
    ("Four", 2.0, 7_000.0, 1_500.0),
];
const SWEEP_S: f64 = 0.5;
/// The part of it that is looked for, in seconds: behind the longest fade.
const PATTERN_S: Range<f64> = 0.32..0.47;

/// A line of the event log.
#[derive(Debug)]
pub struct Title {
    pub line: String,
    pub frame: u64,
    /// Id of the item, and the frame at which it began.
    pub item: String,
    pub begins: u64,
}

pub fn metadata(title: &str) -> Metadata {
    Metadata { title: Some(title.into()), artist: Some("Tester".into()), ..Metadata::default() }
}

/// An item's audio from `range` of its seconds on, at any rate.
fn audio(number: usize, rate: u32, range: Range<f64>) -> Vec<f64> {
    let (_, _, from, to) = ITEMS[number];
    let frames = |seconds: f64| (seconds * f64::from(rate)).round() as usize;
    let phase = |t: f64| {
        let swept = t.min(SWEEP_S);
        TAU * (from * swept + (to - from) * swept * swept / (2.0 * SWEEP_S) + to * (t - swept))
    };
    (frames(range.start)..frames(range.end)).map(|n| 0.25 * phase(n as f64 / f64::from(rate)).sin()).collect()
}

/// The station: its items as files in `folder`, crossfaded over 0.3 s, through a limiter that looks ahead.
pub fn spec(folder: &Path) -> StationSpec {
    let item = |number: usize| {
        let (title, seconds, ..) = ITEMS[number];
        let path = folder.join(format!("{number}.wav"));
        let frames = audio(number, RATE, 0.0..seconds);
        let mut writer =
            FileWriter::create(&path, &Format::of(Codec::PcmS24), RATE, &Metadata::default()).unwrap();
        writer.write(&signal::mono(frames.len(), |n| frames[n])).unwrap();
        writer.finish().unwrap();
        Item { id: number.to_string(), metadata: metadata(title), ..Item::file(path.display().to_string()) }
    };
    let items = (0..ITEMS.len()).map(item).collect();
    StationSpec {
        crossfade_s: 0.3,
        chain: vec![NodeSpec { node: "limiter".into(), ..NodeSpec::default() }],
        latency_ms: LATENCY as f64 * 1000.0 / f64::from(RATE),
        programme: Box::new(Playlist::new(items, Order::Sequential, false, 0)),
        ..StationSpec::default()
    }
}

/// Where an item begins in `samples`, if within `range`, and how like the item what was found is.
pub fn begin(samples: &[f64], rate: u32, number: usize, range: Range<usize>) -> (f64, f64) {
    let pattern = audio(number, rate, PATTERN_S);
    let behind = (PATTERN_S.start * f64::from(rate)).round() as usize;
    let bound = |at: usize| at.min(samples.len());
    let window = &samples[bound(range.start + behind)..bound(range.end + behind + pattern.len())];
    let (at, likeness) = measure::find(window, &pattern);
    ((range.start + at) as f64, likeness)
}
