//! Samples to integers: rounding, and dither where the word is short enough for its steps to be heard.

/// The nearest 16-bit value; beyond full scale, the last one.
#[cfg(feature = "aac")]
pub(super) fn s16(sample: f32) -> i16 {
    (sample * 32_768.0).round() as i16
}

/// The nearest 24-bit value; beyond full scale, the last one.
pub(super) fn s24(sample: f32) -> i32 {
    // In f64: the product of a 24-bit mantissa and the rounding must both be exact.
    ((f64::from(sample) * 8_388_608.0).round() as i32).clamp(-8_388_608, 8_388_607)
}

/// Dither with a triangular distribution, 2 steps wide: the quantisation error no longer depends on the signal
/// (Lipshitz, Wannamaker, Vanderkooy, "Quantization and Dither", JAES 40, 1992). Its seed is fixed, so the same
/// programme gives the same bytes.
pub(super) struct Dither {
    state: u64,
}

impl Dither {
    /// The start of the one sequence there is.
    pub(super) fn new() -> Self {
        Self { state: 0x9E37_79B9_7F4A_7C15 }
    }

    /// The sample as 16 bits, dithered.
    pub(super) fn s16(&mut self, sample: f32) -> i16 {
        // xorshift64*: two independent 32-bit halves a step.
        self.state ^= self.state >> 12;
        self.state ^= self.state << 25;
        self.state ^= self.state >> 27;
        let bits = self.state.wrapping_mul(0x2545_F491_4F6C_DD1D);
        const STEP: f64 = 1.0 / 4_294_967_296.0;
        let noise = (bits >> 32) as f64 * STEP - (bits & 0xFFFF_FFFF) as f64 * STEP;
        (f64::from(sample) * 32_768.0 + noise).round() as i16
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn full_scale_saturates() {
        assert_eq!(
            (s16(1.0), s16(-1.0), s16(2.0), s16(f32::NEG_INFINITY)),
            (32_767, -32_768, 32_767, -32_768)
        );
        assert_eq!((s24(1.0), s24(-1.0), s24(1.0 / 8_388_608.0)), (8_388_607, -8_388_608, 1));
    }

    #[test]
    fn dither_keeps_what_lies_below_the_last_bit() {
        let (mut dither, count) = (Dither::new(), 1_000_000);
        // A quarter of a step: rounding loses it, dithering keeps its mean and gives the error a constant power.
        let level = 0.25_f64;
        let values: Vec<f64> = (0..count).map(|_| f64::from(dither.s16((level / 32_768.0) as f32))).collect();
        let mean = values.iter().sum::<f64>() / f64::from(count);
        let power = values.iter().map(|v| (v - level).powi(2)).sum::<f64>() / f64::from(count);
        assert!((mean - level).abs() < 0.003, "mean {mean}");
        assert!((power - 0.25).abs() < 0.003, "power {power}: two steps of triangle and one of rounding");
    }
}
