//! Everything that listens to a file as it is decoded.

use airchain_core::dsp::loudness::power_to_lufs;
use airchain_core::item::Metadata;
use airchain_core::measure::{Loudness, MOMENTARY, SHORT_TERM, TruePeak, block_start};
use airchain_core::{Frames, Stereo};

use super::blocks::Blocks;
use super::waveform::Scan;
use super::{Analysis, Options, Zoom, intro, points};

/// The meters of one file.
pub(super) struct Meters {
    rate_hz: u32,
    frames: Frames,
    /// The live meter's own, so that both say the same.
    loudness: Loudness,
    true_peak: TruePeak,
    /// The greatest so far, true and of samples.
    true_peaks: Stereo,
    sample_peak: f32,
    /// Of every 10 ms.
    powers: Vec<f64>,
    series: Option<Series>,
    waveform: Option<Scan>,
}

/// Powers of the windows that end with every 10 ms.
#[derive(Default)]
struct Series {
    momentary: Vec<f64>,
    short_term: Vec<f64>,
}

impl Meters {
    pub(super) fn new(rate_hz: u32, mono: bool, options: &Options) -> Option<Self> {
        let scan = |zoom| match zoom {
            Zoom::Overview => Scan::new(rate_hz, mono, None),
            Zoom::SamplesPerPixel(count) => Scan::new(rate_hz, mono, Some(count)),
        };
        // Below that a block of 10 ms has no frame.
        (rate_hz >= 100).then(|| Self {
            rate_hz,
            frames: 0,
            // A mono file comes alike in both channels and counts once.
            loudness: Loudness::weighted(rate_hz, [1.0, if mono { 0.0 } else { 1.0 }]),
            true_peak: TruePeak::new(rate_hz),
            true_peaks: [0.0; 2],
            sample_peak: 0.0,
            powers: Vec::new(),
            series: options.series.then(Series::default),
            waveform: options.waveform.map(scan),
        })
    }

    /// Frames so far.
    pub(super) fn frames(&self) -> Frames {
        self.frames
    }

    pub(super) fn add(&mut self, frames: &mut [Stereo]) {
        // One sample that is not a number would be the end of every measurement after it.
        for sample in frames.as_flattened_mut() {
            *sample = if sample.is_finite() { *sample } else { 0.0 };
        }
        self.frames += frames.len() as Frames;
        self.loudness.feed_watched(frames, |step| {
            self.powers.push(step.power);
            if let Some(series) = &mut self.series {
                series.momentary.push(step.momentary);
                series.short_term.push(step.short_term);
            }
        });
        if let Some(waveform) = &mut self.waveform {
            waveform.add(frames);
        }
        self.true_peak.feed(frames, &mut self.true_peaks);
        let highest = |high: f32, sample: &f32| high.max(sample.abs());
        self.sample_peak = frames.as_flattened().iter().fold(self.sample_peak, highest);
    }

    /// Writes down what was measured of a file with these tags.
    pub(super) fn report(mut self, options: &Options, tags: &Metadata, analysis: &mut Analysis) {
        let duration_s = self.frames as f64 / f64::from(self.rate_hz);
        analysis.frames = Some(self.frames);
        analysis.duration_s = Some(duration_s);
        let peak = |highest: f32| level(20.0 * f64::from(highest).log10());
        analysis.true_peak_dbtp = peak(self.true_peaks[0].max(self.true_peaks[1]));
        analysis.sample_peak_dbfs = peak(self.sample_peak);
        let rounded = |lufs: Option<f64>| lufs.and_then(level);
        analysis.integrated_lufs = rounded(self.loudness.integrated_lufs());
        analysis.loudness_range_lu = rounded(self.loudness.range_lu());
        analysis.max_momentary_lufs = rounded(self.loudness.max_momentary_lufs());
        analysis.max_short_term_lufs = rounded(self.loudness.max_short_term_lufs());
        if let Some(series) = self.series.take() {
            analysis.momentary = Some(self.timed(&series.momentary, MOMENTARY));
            analysis.short_term = Some(self.timed(&series.short_term, SHORT_TERM));
        }
        analysis.waveform = self.waveform.take().map(Scan::finish);
        // What is left of the last 10 ms.
        self.powers.extend(self.loudness.rest());
        let blocks = Blocks::new(self.rate_hz, self.frames, self.powers);
        analysis.intro_end_s = intro::tagged_s(tags, duration_s);
        let integrated_lufs = analysis.integrated_lufs;
        if let Some(points) = points::find(&blocks, options, analysis.max_momentary_lufs, integrated_lufs) {
            analysis.cue_in_s = Some(blocks.start_s(points.cue_in));
            analysis.cue_out_s = Some(blocks.start_s(points.cue_out));
            analysis.start_next_s = Some(blocks.start_s(points.start_next));
            let heard = || intro::heard(&blocks, &points, integrated_lufs).map(|block| blocks.start_s(block));
            analysis.intro_end_s = analysis.intro_end_s.or_else(heard);
        }
    }

    /// The whole windows of a series: end of the window in seconds, LUFS.
    fn timed(&self, powers: &[f64], window: usize) -> Vec<(f64, Option<f64>)> {
        let end_s =
            |block: usize| block_start(self.rate_hz, block as u64 + 1) as f64 / f64::from(self.rate_hz);
        let whole = powers.iter().enumerate().skip(window - 1);
        whole
            .map(|(block, power)| {
                (end_s(block), (*power > 0.0).then(|| power_to_lufs(*power)).and_then(level))
            })
            .collect()
    }
}

/// A level to thousandths, where there is one.
fn level(value: f64) -> Option<f64> {
    value.is_finite().then(|| (value * 1000.0).round() / 1000.0)
}
