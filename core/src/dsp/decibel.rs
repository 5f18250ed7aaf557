//! Logarithms and exponentials for every frame: by polynomials, so that they are cheap and the same bits on every
//! machine.

/// Decibels per factor of two of a power.
const DB_PER_OCTAVE_OF_POWER: f32 = 3.010_3;
/// Factors of two of an amplitude per decibel.
const OCTAVES_PER_DB: f32 = 0.166_096_4;

/// Level in dB of a power (the square of an amplitude), to 0.0001 dB; 0 and less are -380 dB.
#[inline]
pub(super) fn power_to_db(power: f32) -> f32 {
    let bits = power.max(f32::MIN_POSITIVE).to_bits();
    // The mantissa goes to sqrt(1/2)..sqrt(2), where the series converges fastest.
    let exponent = (bits.wrapping_add(0x004A_FB0D) >> 23) as i32 - 127;
    let mantissa = f32::from_bits(bits.wrapping_sub((exponent << 23) as u32));
    // log(m) = 2 artanh((m - 1) / (m + 1)), Abramowitz and Stegun 4.1.27.
    let s = (mantissa - 1.0) / (mantissa + 1.0);
    let square = s * s;
    let log = 2.0 * s * (1.0 + square * (1.0 / 3.0 + square * (1.0 / 5.0 + square * (1.0 / 7.0))));
    (exponent as f32 + log * std::f32::consts::LOG2_E) * DB_PER_OCTAVE_OF_POWER
}

/// Linear gain of a level in dB, to one part in a million; exactly 1 at 0 dB. For -600..=600 dB.
#[inline]
pub(super) fn db_to_gain(db: f32) -> f32 {
    let octaves = (db * OCTAVES_PER_DB).clamp(-100.0, 100.0);
    // The sum with 1.5 * 2^23 has no room for a fraction, so it rounds; and its last bits are the whole number.
    const ROUND: f32 = 12_582_912.0;
    let rounded = octaves + ROUND;
    let whole = rounded - ROUND;
    let exponent = rounded.to_bits().wrapping_sub(ROUND.to_bits()).wrapping_add(127) << 23;
    let x = (octaves - whole) * std::f32::consts::LN_2;
    let series = 1.0
        + x * (1.0 + x * (1.0 / 2.0 + x * (1.0 / 6.0 + x * (1.0 / 24.0 + x * (1.0 / 120.0 + x / 720.0)))));
    series * f32::from_bits(exponent)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn they_agree_with_the_library() {
        for i in -3000..=600 {
            let db = i as f32 / 10.0;
            let exact = 10.0_f64.powf(f64::from(db) / 20.0);
            assert!(
                (f64::from(db_to_gain(db)) / exact - 1.0).abs() < 2e-6 * (1.0 + f64::from(db.abs()) / 20.0),
                "{db} dB"
            );
            assert!((f64::from(power_to_db((exact * exact) as f32)) - f64::from(db)).abs() < 1e-4, "{db} dB");
        }
        assert_eq!(db_to_gain(0.0), 1.0);
        assert!(power_to_db(0.0) < -370.0);
    }
}
