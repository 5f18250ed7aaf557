//! Samples, frame counts and the conversions between the units used at the borders.

/// One frame of audio: left and right, full scale 1.0.
///
/// The whole engine is stereo `f32`; mono and multichannel material is converted at the edges.
pub type Stereo = [f32; 2];

/// A count of frames, or a position on a station's frame grid (frame 0 is the first one rendered).
pub type Frames = u64;

/// A frame of digital silence.
pub const SILENCE: Stereo = [0.0, 0.0];

/// Linear gain of a level in dB (`0 dB` is `1.0`; `-inf` is `0.0`).
pub fn db_to_gain(db: f32) -> f32 {
    10.0_f32.powf(db / 20.0)
}

/// Level in dB of a linear gain (`0.0` is `-inf`).
pub fn gain_to_db(gain: f32) -> f32 {
    20.0 * gain.log10()
}

/// Frames in `seconds` at `rate` Hz, to the nearest frame; negative and non-finite durations are 0.
pub fn seconds_to_frames(seconds: f64, rate: u32) -> Frames {
    // A float-to-integer cast saturates, so an absurd duration becomes an absurd count and never wraps.
    (seconds * f64::from(rate)).round() as Frames
}

/// Seconds in `frames` at `rate` Hz.
pub fn frames_to_seconds(frames: Frames, rate: u32) -> f64 {
    frames as f64 / f64::from(rate)
}

/// `frames` at `from` Hz expressed at `to` Hz, to the nearest frame.
pub fn convert_frames(frames: Frames, from: u32, to: u32) -> Frames {
    let (frames, from, to) = (u128::from(frames), u128::from(from), u128::from(to));
    ((frames * to + from / 2) / from) as Frames
}

/// Adds `from` times `gain` to `out`, as far as both reach. One gain for all: the processor does many samples at once.
pub(crate) fn add_scaled(out: &mut [Stereo], from: &[Stereo], gain: f32) {
    for (sum, sample) in out.as_flattened_mut().iter_mut().zip(from.as_flattened()) {
        *sum += sample * gain;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decibels_round_trip() {
        assert!((db_to_gain(-6.0206) - 0.5).abs() < 1e-5);
        assert!((gain_to_db(db_to_gain(-37.5)) + 37.5).abs() < 1e-4);
        assert_eq!(db_to_gain(f32::NEG_INFINITY), 0.0);
    }

    #[test]
    fn durations_survive_nonsense() {
        assert_eq!(seconds_to_frames(12.5, 48_000), 600_000);
        assert_eq!(seconds_to_frames(-1.0, 48_000), 0);
        assert_eq!(seconds_to_frames(f64::NAN, 48_000), 0);
        assert_eq!(convert_frames(44_100, 44_100, 48_000), 48_000);
    }
}
