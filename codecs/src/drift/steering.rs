//! The ratio that keeps a buffer filled whose source has a clock of its own.

/// Seconds over which levels are averaged, so that bursts do not count.
const AVERAGE_S: f64 = 30.0;
/// Seconds in which a deviation would be made good, were it not for the bound.
const RECOVERY_S: f64 = 240.0;
/// The strongest correction: 5 cents.
const MOST: f64 = 0.003;
/// Corrections below this are none.
const LEAST: f64 = 1.0e-6;
/// The part of the target within which a level is as good as it, to either side.
const DEAD_BAND: f64 = 0.1;

/// Says how fast to fill a buffer so that its level stays at a target, slowly enough not to be heard.
///
/// Levels are averaged over 30 s. Within 10 % of the target the ratio is exactly 1, so a source with a good clock is
/// passed on untouched. What is beyond that is made good with a time constant of 240 s, and by 0.3 % of the speed at most. A source
/// that is 100 ppm off is held 24 ms outside of the dead band. One that comes in bursts of a second moves the ratio by 0.0002
/// around what its clock needs, bursts of 2.5 s by 0.0007, which is a little more than a cent and takes half a minute.
#[derive(Clone, Debug, Default)]
pub struct Steering {
    /// The level as it is on average, in seconds; none before the first.
    average_s: Option<f64>,
}

impl Steering {
    /// Steering that has seen nothing yet; begin anew with every connection.
    pub fn new() -> Self {
        Self::default()
    }

    /// The ratio for [`Drift::set_ratio`](super::Drift::set_ratio), 0.997 to 1.003, where the buffer holds `level_s`
    /// seconds and should hold `target_s`, and `passed_s` seconds have been given out since the last call. Ask a few times a
    /// second, or as it suits. What is not a number counts for nothing.
    pub fn ratio(&mut self, level_s: f64, target_s: f64, passed_s: f64) -> f64 {
        if !(level_s.is_finite() && target_s.is_finite() && passed_s.is_finite()) {
            return 1.0;
        }
        let average = self.average_s.unwrap_or(level_s);
        let share = 1.0 - (-passed_s.max(0.0) / AVERAGE_S).exp();
        let average = average + share * (level_s - average);
        self.average_s = Some(average);
        let (deviation, band) = (average - target_s, DEAD_BAND * target_s.abs());
        let beyond = deviation - deviation.clamp(-band, band);
        let correction = (-beyond / RECOVERY_S).clamp(-MOST, MOST);
        if correction.abs() < LEAST { 1.0 } else { 1.0 + correction }
    }
}
