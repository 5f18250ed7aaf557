//! The gain of one band: what a compressor makes of the levels of part of the programme.
//!
//! Curve and ballistics are the [compressor](super::compressor)'s. The gain is decided at every fourth frame (12 000
//! times a second at 48 kHz) and goes there along a straight line.
//!
//! Of a low band only every second or fourth frame is heard: a tone is as high by those, the
//! [envelope](super::envelope) holds down to a frequency as much lower, and it costs less.

use super::compressor::Curve;
use super::crossover::Frame;
use super::decibel::db_to_gain;
use super::envelope::{CHUNK, Envelope};
use super::one_pole;
use super::smooth::Smoothed;

/// Frames heard from one decision to the next.
const HEARD: usize = 4;
/// The most decisions in one call.
const DECISIONS: usize = CHUNK / HEARD;

/// A reduction below this many dB is none.
const NEGLIGIBLE_DB: f32 = 1e-6;

/// Decides the gain of a band.
pub(super) struct Reducer {
    pub(super) threshold_db: Smoothed,
    /// `1 - 1 / ratio`.
    pub(super) slope: Smoothed,
    pub(super) knee_db: Smoothed,
    /// The most that it reduces by.
    pub(super) range_db: Smoothed,
    /// Gain beside the reduction.
    pub(super) gain_db: Smoothed,
    attack_ms: f32,
    release_ms: f32,
    rate: u32,
    envelope: Envelope,
    /// It hears one frame out of so many: 1, 2 or 4.
    stride: usize,
    /// See [`shares`](Self::shares).
    attack: Smoothed,
    release: Smoothed,
    curve: Curve,
    /// Frames since the last decision; [`HEARD`] strides are a period.
    phase: usize,
    reduction_db: f32,
    /// The gain at the last decision, and where it goes until the next.
    from: f32,
    to: f32,
}

impl Reducer {
    pub(super) fn new(threshold_db: f32, ratio: f32, attack_ms: f32, release_ms: f32) -> Self {
        Self {
            threshold_db: Smoothed::new(f64::from(threshold_db)),
            slope: Smoothed::new(slope(ratio)),
            knee_db: Smoothed::new(0.0),
            range_db: Smoothed::new(1_000.0),
            gain_db: Smoothed::new(0.0),
            attack_ms,
            release_ms,
            rate: 48_000,
            envelope: Envelope::default(),
            stride: 1,
            attack: Smoothed::new(1.0),
            release: Smoothed::new(1.0),
            curve: Curve::default(),
            phase: 0,
            reduction_db: 0.0,
            from: 1.0,
            to: 1.0,
        }
    }

    pub(super) fn prepare(&mut self, sample_rate_hz: u32) {
        self.rate = sample_rate_hz;
        self.settings().into_iter().for_each(|setting| setting.prepare(sample_rate_hz / HEARD as u32));
        self.set_times(self.attack_ms, self.release_ms);
        self.reset();
    }

    /// Times in which 63 % of a rise and of a fall in reduction is done.
    fn set_times(&mut self, attack_ms: f32, release_ms: f32) {
        (self.attack_ms, self.release_ms) = (attack_ms, release_ms);
        let share = |time_ms: f32| one_pole(f64::from(time_ms), self.rate / (HEARD * self.stride) as u32);
        let shares = [share(attack_ms), share(release_ms)];
        self.attack.set(shares[0]);
        self.release.set(shares[1]);
    }

    pub(super) fn set_attack(&mut self, attack_ms: f32) {
        self.set_times(attack_ms, self.release_ms);
    }

    pub(super) fn set_release(&mut self, release_ms: f32) {
        self.set_times(self.attack_ms, release_ms);
    }

    /// Tells it that the band has hardly anything above twice `hz`.
    pub(super) fn set_top(&mut self, hz: f32) {
        let fits = |stride: &usize| self.rate as f32 >= 4.0 * hz * *stride as f32;
        let stride = [4, 2].into_iter().find(fits).unwrap_or(1);
        if stride != self.stride {
            // On from where the gain is.
            self.from += (self.to - self.from) * self.phase as f32 / (HEARD * self.stride) as f32;
            (self.phase, self.stride) = (0, stride);
            self.envelope.reset();
            self.set_times(self.attack_ms, self.release_ms);
        }
    }

    pub(super) fn reset(&mut self) {
        self.settings().into_iter().for_each(Smoothed::snap);
        self.curve = self.new_curve();
        self.envelope.reset();
        (self.phase, self.reduction_db) = (0, 0.0);
        self.to = db_to_gain(self.gain_db.value() as f32);
        self.from = self.to;
    }

    /// By how many dB it reduces at present.
    pub(super) fn reduction_db(&self) -> f32 {
        self.reduction_db
    }

    /// The gains of the next frames (at most [`CHUNK`]) of the band.
    pub(super) fn gains(&mut self, band: &[Frame]) -> [f32; CHUNK] {
        let (mut heard, mut powers, mut count) = ([[0.0; 2]; CHUNK], [0.0; CHUNK], 0);
        let first = self.stride - 1 - self.phase % self.stride;
        for (heard, frame) in heard.iter_mut().zip(band.iter().skip(first).step_by(self.stride)) {
            *heard = frame.map(|sample| sample as f32);
            count += 1;
        }
        self.envelope.measure(&heard[..count], &mut powers);

        let (mut levels, mut decisions) = ([0.0; DECISIONS], 0);
        let first = HEARD - 1 - self.phase / self.stride;
        for (level, power) in levels.iter_mut().zip(powers[..count].iter().skip(first).step_by(HEARD)) {
            *level = *power;
            decisions += 1;
        }
        let targets = self.decide(&levels, decisions);
        let mut targets = targets.iter();

        let (mut gains, period) = ([0.0; CHUNK], HEARD * self.stride);
        let mut rest = &mut gains[..band.len()];
        while let Some((line, after)) = rest.split_at_mut_checked((period - self.phase).min(rest.len()))
            && !line.is_empty()
        {
            let (from, step) = (self.from, (self.to - self.from) / period as f32);
            let first = self.phase as i32 + 1;
            for (n, gain) in line.iter_mut().enumerate() {
                *gain = from + step * (first + n as i32) as f32;
            }
            self.phase += line.len();
            if self.phase == period {
                (self.phase, self.from) = (0, self.to);
                self.to = *targets.next().unwrap_or(&self.to);
            }
            rest = after;
        }
        gains
    }

    /// The gains to go to after each of the first `count` of `levels`.
    fn decide(&mut self, levels: &[f32; DECISIONS], count: usize) -> [f32; DECISIONS] {
        let mut wanted = [0.0; DECISIONS];
        let mut gains = [self.gain_db.value() as f32; DECISIONS];
        let mut shares = [self.shares(); DECISIONS];
        if self.settings().iter().all(|setting| setting.is_settled()) {
            if levels[..count].iter().any(|&level| level > self.curve.onset) {
                let range_db = self.range_db.value() as f32;
                for (wanted, level) in wanted.iter_mut().zip(&levels[..count]) {
                    *wanted = self.curve.reduction_db(*level).min(range_db);
                }
            }
        } else {
            let stride = self.stride;
            for n in 0..count {
                for setting in self.settings() {
                    (0..stride).for_each(|_| _ = setting.next());
                }
                self.curve = self.new_curve();
                wanted[n] = self.curve.reduction_db(levels[n]).min(self.range_db.value() as f32);
                (gains[n], shares[n]) = (self.gain_db.value() as f32, self.shares());
            }
        }
        let mut reduction = self.reduction_db;
        for ((gain, wanted), [attack, release]) in gains[..count].iter_mut().zip(&wanted).zip(&shares) {
            let way = wanted - reduction;
            let gone = reduction + (attack * way.max(0.0) + release * way.min(0.0));
            reduction = if gone > NEGLIGIBLE_DB { gone } else { 0.0 };
            *gain -= reduction;
        }
        self.reduction_db = reduction;
        gains[..count].iter_mut().for_each(|gain| *gain = db_to_gain(*gain));
        gains
    }

    /// Shares of the way to the wanted reduction that a decision goes: in attack, in release.
    fn shares(&self) -> [f32; 2] {
        [self.attack.value() as f32, self.release.value() as f32]
    }

    fn new_curve(&self) -> Curve {
        Curve::new(self.threshold_db.value(), self.slope.value(), self.knee_db.value())
    }

    fn settings(&mut self) -> [&mut Smoothed; 7] {
        let Self { threshold_db, slope, knee_db, range_db, gain_db, attack, release, .. } = self;
        [threshold_db, slope, knee_db, range_db, gain_db, attack, release]
    }
}

/// dB of reduction per dB above the threshold.
pub(super) fn slope(ratio: f32) -> f64 {
    1.0 - 1.0 / f64::from(ratio)
}
