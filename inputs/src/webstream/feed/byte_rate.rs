//! How many bytes a second of audio takes, as measured over its last seconds: what waits as bytes is time.

/// Audio decoded before the rate is believed.
const ENOUGH_S: f64 = 0.5;
/// Audio over which it is averaged, so that variable bit rates count as what they are about now.
const AVERAGE_S: f64 = 20.0;

/// The rate of a compressed programme.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct ByteRate {
    bytes: f64,
    seconds: f64,
    /// Something has come out: what goes in before that is lost on finding the first frame.
    begun: bool,
}

impl ByteRate {
    /// Bytes went into the decoder.
    pub(super) fn took(&mut self, bytes: usize) {
        self.bytes += bytes as f64;
    }

    /// That much audio came out.
    pub(super) fn gave(&mut self, seconds: f64) {
        if !self.begun {
            (self.begun, self.bytes) = (true, 0.0);
            return;
        }
        self.seconds += seconds;
        if self.seconds > AVERAGE_S {
            self.bytes /= 2.0;
            self.seconds /= 2.0;
        }
    }

    /// Bytes per second; `None` while too little has been seen.
    pub(super) fn get(&self) -> Option<f64> {
        (self.seconds >= ENOUGH_S && self.bytes > 0.0).then(|| self.bytes / self.seconds)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_leads_to_the_first_frame_does_not_count() {
        let mut rate = ByteRate::default();
        rate.took(10_000);
        rate.gave(0.1);
        for _ in 0..10 {
            rate.took(1_600);
            rate.gave(0.1);
        }
        assert!((rate.get().unwrap() - 16_000.0).abs() < 1.0, "{rate:?}");
    }

    #[test]
    fn it_follows_a_programme_that_changes() {
        let mut rate = ByteRate::default();
        let play = |rate: &mut ByteRate, kbps: usize, seconds: usize| {
            for _ in 0..seconds * 10 {
                rate.took(kbps * 1000 / 80);
                rate.gave(0.1);
            }
        };
        assert_eq!(rate.get(), None);
        play(&mut rate, 128, 5);
        assert!((rate.get().unwrap() - 16_000.0).abs() < 1.0);
        play(&mut rate, 64, 60);
        assert!((rate.get().unwrap() - 8_000.0).abs() < 200.0, "{rate:?}");
    }
}
