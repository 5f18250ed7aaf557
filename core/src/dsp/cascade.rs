//! Filters in a row, whose settings glide: what the equaliser, the shelves and the pass filters are made of.
//!
//! Coefficients are computed anew only while a setting moves, at every sixteenth frame, and go there along a straight
//! line. A shelf or a bell at 0 dB does
//! nothing and is left out; it comes in from rest, with a gain that leaves 0 dB too smoothly to be heard.

use super::clean_frame;
use super::smooth::Smoothed;
use super::svf::{Coefficients, Frame, Shape, Svf};
use crate::Stereo;

/// Frames from one rest of the filters' memories to the next, and the most that are filtered in one go.
const CHUNK: usize = 64;
/// Frames from one computation of coefficients to the next while a setting moves; a divisor of [`CHUNK`].
const STEP: usize = 16;

/// `N` filters in a row.
pub(super) struct Cascade<const N: usize> {
    filters: [Filter; N],
    rate: u32,
    /// Frames into the chunk.
    at: usize,
}

/// One of them.
struct Filter {
    shape: Shape,
    /// Logarithms of frequency and quality: moved so, they sound even.
    log_hz: Smoothed,
    log_q: Smoothed,
    gain_db: Smoothed,
    /// At the last step, and where they go until the next; the same once the settings have arrived.
    from: Coefficients,
    coefficients: Coefficients,
    state: Svf,
}

impl<const N: usize> Cascade<N> {
    /// Filters of these shapes, each with its frequency in Hz, gain in dB and quality.
    pub(super) fn new(filters: [(Shape, [f32; 3]); N]) -> Self {
        Self { filters: filters.map(|(shape, settings)| Filter::new(shape, settings)), rate: 48_000, at: 0 }
    }

    pub(super) fn prepare(&mut self, sample_rate_hz: u32) {
        self.rate = sample_rate_hz;
        let settings = self.filters.iter_mut().flat_map(Filter::settings);
        settings.for_each(|setting| setting.prepare(sample_rate_hz / STEP as u32));
        self.reset();
    }

    pub(super) fn set_hz(&mut self, filter: usize, hz: f32) {
        self.filters[filter].log_hz.set(f64::from(hz).ln());
    }

    pub(super) fn set_gain_db(&mut self, filter: usize, gain_db: f32) {
        let filter = &mut self.filters[filter];
        if filter.is_flat() {
            filter.state = Svf::default();
        }
        filter.gain_db.set(f64::from(gain_db));
    }

    pub(super) fn set_q(&mut self, filter: usize, q: f32) {
        self.filters[filter].log_q.set(f64::from(q).ln());
    }

    pub(super) fn process(&mut self, mut block: &mut [Stereo]) {
        while !block.is_empty() {
            let (piece, rest) = block.split_at_mut(block.len().min(CHUNK - self.at));
            if self.filters.iter().all(|filter| filter.is_flat() && filter.is_settled()) {
                piece.iter_mut().for_each(|frame| *frame = clean_frame(*frame));
            } else {
                self.filter(piece);
            }
            self.at += piece.len();
            if self.at == CHUNK {
                self.at = 0;
                self.filters.iter_mut().for_each(|filter| filter.state.flush());
            }
            block = rest;
        }
    }

    /// Processes at most [`CHUNK`] frames.
    fn filter(&mut self, piece: &mut [Stereo]) {
        let mut frames = [[0.0; 2]; CHUNK];
        for (frame, sample) in frames.iter_mut().zip(piece.iter()) {
            *frame = clean_frame(*sample).map(f64::from);
        }
        let frames = &mut frames[..piece.len()];
        let (at, rate) = (self.at, self.rate);
        let mut filters = self.filters.iter_mut().filter(|filter| !filter.is_flat() || !filter.is_settled());
        while let Some(first) = filters.next() {
            match filters.next() {
                Some(then) if first.is_settled() && then.is_settled() => {
                    first.state.run_both(&first.coefficients, (&mut then.state, &then.coefficients), frames);
                }
                then => {
                    first.run(at, rate, frames);
                    if let Some(then) = then {
                        then.run(at, rate, frames);
                    }
                }
            }
        }
        for (sample, frame) in piece.iter_mut().zip(frames) {
            *sample = clean_frame(frame.map(|side| side as f32));
        }
    }

    pub(super) fn reset(&mut self) {
        self.at = 0;
        for filter in &mut self.filters {
            filter.settings().into_iter().for_each(Smoothed::snap);
            filter.state = Svf::default();
            filter.update(self.rate);
        }
    }
}

impl Filter {
    fn new(shape: Shape, [hz, gain_db, q]: [f32; 3]) -> Self {
        Self {
            shape,
            log_hz: Smoothed::new(f64::from(hz).ln()),
            log_q: Smoothed::new(f64::from(q).ln()),
            gain_db: Smoothed::new(f64::from(gain_db)),
            from: Coefficients::default(),
            coefficients: Coefficients::default(),
            state: Svf::default(),
        }
    }

    fn settings(&mut self) -> [&mut Smoothed; 3] {
        [&mut self.log_hz, &mut self.log_q, &mut self.gain_db]
    }

    fn is_settled(&self) -> bool {
        [&self.log_hz, &self.log_q, &self.gain_db].iter().all(|setting| setting.is_settled())
    }

    /// Whether it gives what it is given.
    fn is_flat(&self) -> bool {
        let has_gain = !matches!(self.shape, Shape::LowPass | Shape::HighPass);
        has_gain && self.gain_db.is_settled() && self.gain_db.value() == 0.0
    }

    fn update(&mut self, rate: u32) {
        let (hz, q) = (self.log_hz.value().exp(), self.log_q.value().exp());
        self.from = self.coefficients;
        self.coefficients = Coefficients::new(self.shape, hz, q, self.gain_db.value(), rate);
        if self.is_settled() {
            self.from = self.coefficients;
        }
    }

    /// Filters frames of which the first is the chunk's frame `at`, and moves the settings on.
    fn run(&mut self, at: usize, rate: u32, mut frames: &mut [Frame]) {
        let mut at = at % STEP;
        while !frames.is_empty() && !self.is_settled() {
            if at == 0 {
                self.settings().into_iter().for_each(|setting| _ = setting.next());
                self.update(rate);
            }
            let (step, rest) = frames.split_at_mut(frames.len().min(STEP - at));
            if !self.is_flat() {
                self.state.glide(&self.from, &self.coefficients, (at, STEP), step);
            }
            (at, frames) = (0, rest);
        }
        if !self.is_flat() {
            self.state.run(&self.coefficients, frames);
        }
    }
}
