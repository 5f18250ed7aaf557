//! `multiband_compressor`: three to five bands of the programme, each compressed for itself, so that a bass drum
//! does not turn down the voice.
//!
//! The bands are made by crossovers of Linkwitz and Riley (J. Audio Eng. Soc. 24, 1976), of fourth order, one after
//! the other, each splitting what is above the one before. What a band misses of the crossovers above it, it gets
//! as the all-pass filters that their sides add up to (Lipshitz and Vanderkooy, J. Audio Eng. Soc. 34, 1986), so the
//! sum of all bands at rest is flat in magnitude. The dynamics of a band are those of the
//! [compressor](super::compressor), after Giannoulis, Massberg and Reiss 2012, with one knee for all.
//!
//! A chain refuses crossovers that are less than 1.25 times the one below; where one is set so all the same, it counts
//! as that. One above 0.45 of the sample rate is not there, nor is a band above it. Bands come and go by a crossfade.

use std::slice::from_mut;

use super::crossover::{Coefficients, Frame, Split};
use super::envelope::CHUNK;
use super::reducer::{Reducer, slope};
use super::smooth::Smoothed;
use super::{Format, Node, NodeEntry, NodeInfo, NodeStatus, ParamId, ParamInfo, clean_frame};
use crate::Stereo;

/// The most bands.
const BANDS: usize = 5;
/// The fewest bands.
const LEAST: f32 = 3.0;
/// A crossover is at least this many times the one below it.
const SPACING: f32 = 1.25;
/// The lowest and highest of crossovers.
const LOWEST_HZ: f32 = 20.0;
const HIGHEST_HZ: f32 = 20_000.0;
/// Where, in parts of the sample rate, the spectrum ends for a crossover; one that is higher is not there.
const HIGHEST: f32 = 0.45;

/// Parameters before those of the bands, and of each band.
const COMMON: usize = 2 + BANDS - 1;
const PER_BAND: usize = 5;

/// Common parameters, crossovers by number and frequency, and bands by number, threshold, ratio, attack and release.
macro_rules! params {
    ($($crossover:literal $hz:literal),*; $($band:literal $threshold:literal $ratio:literal $attack:literal $release:literal),*) => {
        &[
            ParamInfo::number(
                "bands",
                &[],
                "",
                (LEAST, BANDS as f32),
                4.0,
                "How many bands there are; the nearest whole number.",
            ),
            ParamInfo::number(
                "knee_db",
                &["knee"],
                "dB",
                (0.0, 24.0),
                6.0,
                "Width of the bend around each threshold.",
            ),
            $(ParamInfo::number(
                concat!("crossover", $crossover, "_hz"),
                &[concat!("crossover", $crossover)],
                "Hz",
                (LOWEST_HZ, HIGHEST_HZ),
                $hz,
                concat!("Where band ", $crossover, " ends: at least 1.25 times the crossover below."),
            ),)*
            $(ParamInfo::number(
                concat!("band", $band, "_threshold_db"),
                &[concat!("band", $band, "_threshold")],
                "dB",
                (-60.0, 0.0),
                $threshold,
                "Level in the band above which it reduces.",
            ),
            ParamInfo::number(
                concat!("band", $band, "_ratio"),
                &[],
                ":1",
                (1.0, 100.0),
                $ratio,
                "Change of level going in for 1 dB coming out.",
            ),
            ParamInfo::number(
                concat!("band", $band, "_attack_ms"),
                &[concat!("band", $band, "_attack")],
                "ms",
                (1.0, 500.0),
                $attack,
                "Time for 63 % of a rise in reduction.",
            ),
            ParamInfo::number(
                concat!("band", $band, "_release_ms"),
                &[concat!("band", $band, "_release")],
                "ms",
                (1.0, 5_000.0),
                $release,
                "Time for 63 % of a fall in reduction.",
            ),
            ParamInfo::number(
                concat!("band", $band, "_gain_db"),
                &[concat!("band", $band, "_gain"), concat!("band", $band, "_makeup_gain_db")],
                "dB",
                (-24.0, 24.0),
                0.0,
                "Gain of the band after the reduction.",
            ),)*
        ]
    };
}

const INFO: NodeInfo = NodeInfo {
    name: "multiband_compressor",
    aliases: &["multiband", "multiband_comp"],
    summary: "Compresses three to five bands each for itself; at rest their sum is flat.",
    params: params!(
        "1" 120.0, "2" 700.0, "3" 4_000.0, "4" 10_000.0;
        "1" -22.0 3.0 20.0 200.0,
        "2" -24.0 2.5 10.0 150.0,
        "3" -26.0 2.5 6.0 120.0,
        "4" -28.0 2.5 3.0 80.0,
        "5" -30.0 2.5 2.0 60.0
    ),
};

/// The node's line in the table.
pub const ENTRY: NodeEntry = NodeEntry { info: &INFO, make: || Box::new(MultibandCompressor::default()) };

/// The `multiband_compressor` node.
pub struct MultibandCompressor {
    rate: u32,
    /// How many bands there are, or will be once the crossovers have faded.
    count: usize,
    /// The crossovers as they were set.
    hz: [f32; BANDS - 1],
    crossovers: [Crossover; BANDS - 1],
    bands: [Reducer; BANDS],
    /// Frames since the filters were last rid of what is too faint.
    at: usize,
}

/// Where one band ends and the next begins.
struct Crossover {
    /// Logarithm of its frequency in Hz: moved so, it sounds even.
    log_hz: Smoothed,
    /// 1 while there is a band above it, 0 when there is none.
    share: Smoothed,
    coefficients: Coefficients,
    split: Split,
}

impl Default for MultibandCompressor {
    fn default() -> Self {
        let default = |param: usize| INFO.params[param].default;
        let hz = std::array::from_fn(|n| default(2 + n));
        Self {
            rate: 48_000,
            count: default(0) as usize,
            hz,
            crossovers: std::array::from_fn(|n| Crossover::new(hz[n], n + 2 <= default(0) as usize)),
            bands: std::array::from_fn(|n| {
                let [threshold, ratio, attack, release] =
                    std::array::from_fn(|param| default(COMMON + PER_BAND * n + param));
                let mut band = Reducer::new(threshold, ratio, attack, release);
                band.knee_db.set(f64::from(default(1)));
                band
            }),
            at: 0,
        }
    }
}

impl Crossover {
    fn new(hz: f32, there: bool) -> Self {
        Self {
            log_hz: Smoothed::new(f64::from(hz).ln()),
            share: Smoothed::new(f64::from(u8::from(there))),
            coefficients: Coefficients::default(),
            split: Split::default(),
        }
    }

    fn update(&mut self, rate: u32) {
        self.coefficients = Coefficients::new(self.log_hz.value().exp(), rate);
    }

    fn is_there(&self) -> bool {
        !self.share.is_settled() || self.share.value() > 0.5
    }

    /// Takes the band below it from `above` into `band`, and keeps `below`, the sum of the bands below that, in
    /// phase.
    fn run(&mut self, above: &mut [Frame], band: &mut [Frame], below: &mut [Frame]) {
        if self.share.is_settled() {
            return self.split.run_above(&self.coefficients, above, band, below);
        }
        for ((above, band), below) in above.iter_mut().zip(band).zip(below) {
            let (whole, sum) = (*above, *below);
            self.split.run_above(&self.coefficients, from_mut(above), from_mut(band), from_mut(below));
            let share = self.share.next();
            // Shares of 0 and 1 give either to the bit.
            let mix =
                |from: Frame, to: Frame| [0, 1].map(|side| (1.0 - share) * from[side] + share * to[side]);
            (*above, *band, *below) = (mix([0.0; 2], *above), mix(whole, *band), mix(sum, *below));
        }
    }
}

impl Node for MultibandCompressor {
    fn info(&self) -> &'static NodeInfo {
        &INFO
    }

    fn prepare(&mut self, format: Format) {
        self.rate = format.sample_rate_hz;
        for crossover in &mut self.crossovers {
            crossover.log_hz.prepare(self.rate);
            crossover.share.prepare(self.rate);
        }
        self.bands.iter_mut().for_each(|band| band.prepare(format.sample_rate_hz));
        self.place();
        self.reset();
    }

    fn set(&mut self, param: ParamId, value: f32) {
        let Some(value) = INFO.accept(param, value) else { return };
        match param {
            0 => {
                self.count = value.round() as usize;
                self.place();
            }
            1 => self.bands.iter_mut().for_each(|band| band.knee_db.set(f64::from(value))),
            2..COMMON => {
                self.hz[param - 2] = value;
                self.place();
            }
            _ => {
                let band = &mut self.bands[(param - COMMON) / PER_BAND];
                match (param - COMMON) % PER_BAND {
                    0 => band.threshold_db.set(f64::from(value)),
                    1 => band.slope.set(slope(value)),
                    2 => band.set_attack(value),
                    3 => band.set_release(value),
                    _ => band.gain_db.set(f64::from(value)),
                }
            }
        }
    }

    fn refuses(&self, param: ParamId, value: f32) -> Option<(f32, f32)> {
        let fits = |n: usize| self.hz[n - 1] * SPACING <= self.hz[n];
        match param {
            // With more bands there are more crossovers to be in order.
            0 if value.round() as usize > self.count => {
                let ordered = (1..BANDS - 1).take_while(|n| fits(*n)).count() + 2;
                (value.round() as usize > ordered).then_some((LEAST, ordered as f32))
            }
            // Those of bands that there are; the others wait for their order.
            2..COMMON if param - 1 < self.count => {
                let n = param - 2;
                let below = n.checked_sub(1).map_or(0.0, |below| self.hz[below] * SPACING);
                let above = self.hz[n + 1..self.count - 1].first().map_or(f32::INFINITY, |above| *above);
                let (least, most) = (below.max(LOWEST_HZ), (above / SPACING).min(HIGHEST_HZ));
                (value < below || value * SPACING > above).then_some((least, most))
            }
            _ => None,
        }
    }

    fn process(&mut self, mut block: &mut [Stereo], _sidechain: Option<&[Stereo]>) {
        while !block.is_empty() {
            let mut most = CHUNK - self.at;
            for crossover in self.crossovers.iter_mut().filter(|crossover| !crossover.log_hz.is_settled()) {
                crossover.log_hz.next();
                crossover.update(self.rate);
                most = 1;
            }
            let (piece, rest) = block.split_at_mut(block.len().min(most));
            self.compress(piece);
            self.at += piece.len();
            if self.at == CHUNK {
                self.at = 0;
                self.crossovers.iter_mut().for_each(|crossover| crossover.split.flush());
            }
            block = rest;
        }
    }

    fn reset(&mut self) {
        for crossover in &mut self.crossovers {
            crossover.log_hz.snap();
            crossover.share.snap();
            crossover.update(self.rate);
            crossover.split = Split::default();
        }
        self.bands.iter_mut().for_each(Reducer::reset);
        self.at = 0;
    }

    /// The reduction of the band that is reduced most.
    fn status(&self) -> Option<NodeStatus> {
        let bands = &self.bands[..=self.splits()];
        Some(NodeStatus::Gain { db: -bands.iter().map(Reducer::reduction_db).fold(0.0, f32::max) })
    }
}

impl MultibandCompressor {
    /// How many crossovers there are.
    fn splits(&self) -> usize {
        self.crossovers.iter().take_while(|crossover| crossover.is_there()).count()
    }

    /// Puts the crossovers where they belong, in order, as many as there are bands to part below the top of the
    /// spectrum.
    fn place(&mut self) {
        let mut least = 0.0_f32;
        for (n, crossover) in self.crossovers.iter_mut().enumerate() {
            let hz = self.hz[n].max(least);
            least = hz * SPACING;
            let there = n + 1 < self.count && hz < HIGHEST * self.rate as f32;
            if there && !crossover.is_there() {
                crossover.split = Split::default();
                self.bands[n + 1].reset();
            }
            crossover.share.set(f64::from(u8::from(there)));
            crossover.log_hz.set(f64::from(hz).ln());
            self.bands[n].set_top(if there { hz } else { f32::INFINITY });
        }
    }

    /// Processes at most [`CHUNK`] frames.
    fn compress(&mut self, frames: &mut [Stereo]) {
        let (count, splits) = (frames.len(), self.splits());
        // What is above the crossovers so far, the band below that, and the sum of all bands so far.
        let [mut above, mut band, mut sum] = [[[0.0; 2]; CHUNK]; 3];
        for (above, frame) in above.iter_mut().zip(frames.iter()) {
            *above = clean_frame(*frame).map(f64::from);
        }
        let (above, band, sum) = (&mut above[..count], &mut band[..count], &mut sum[..count]);
        for (n, reducer) in self.bands[..=splits].iter_mut().enumerate() {
            match (n, self.crossovers[..splits].get_mut(n)) {
                (0, Some(lowest)) => lowest.split.run(&lowest.coefficients, above, band),
                (_, Some(crossover)) => crossover.run(above, band, sum),
                (_, None) => band.copy_from_slice(above),
            }
            let gains = reducer.gains(band);
            for ((sum, band), gain) in sum.iter_mut().zip(band.iter()).zip(&gains) {
                sum.iter_mut().zip(band).for_each(|(sum, sample)| *sum += f64::from(*gain) * sample);
            }
        }
        for (frame, sum) in frames.iter_mut().zip(sum) {
            *frame = clean_frame(sum.map(|sample| sample as f32));
        }
    }
}
