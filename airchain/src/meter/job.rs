//! The meter of a station's bus, on an encode worker.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use airchain_core::tap::TapReader;

use super::{Levels, Meter};
use crate::cost::Cost;
use crate::encode_pool::{Job, Step};

/// The latest [`Levels`], for whoever asks.
#[derive(Clone, Debug, Default)]
pub(crate) struct LevelBoard(Arc<Board>);

#[derive(Debug, Default)]
struct Board {
    levels: Mutex<Levels>,
    reset: AtomicBool,
}

impl LevelBoard {
    pub(crate) fn read(&self) -> Levels {
        *self.0.levels.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self, levels: Levels) {
        *self.0.levels.lock().unwrap_or_else(PoisonError::into_inner) = levels;
    }

    /// Asks the meter for a reset.
    pub(crate) fn reset(&self) {
        self.0.reset.store(true, Ordering::Release);
    }
}

/// Measures the bus.
pub(crate) struct BusMeter {
    tap: TapReader,
    meter: Meter,
    board: LevelBoard,
    cost: Arc<Cost>,
    /// Of the station.
    span: tracing::Span,
}

impl BusMeter {
    pub(crate) fn new(tap: TapReader, meter: Meter, board: LevelBoard, cost: Arc<Cost>) -> Self {
        Self { tap, meter, board, cost, span: tracing::Span::current() }
    }
}

impl Job for BusMeter {
    fn step(&mut self) -> Step {
        let lost = self.tap.lost();
        let heard = self.meter.follow(&mut self.tap);
        self.cost.unmeasured.fetch_add(self.tap.lost() - lost, Ordering::Relaxed);
        // What was on the bus before the reset has been heard by now.
        let reset = self.board.0.reset.swap(false, Ordering::AcqRel);
        if reset {
            self.meter.reset();
        }
        if heard > 0 || reset {
            self.board.write(self.meter.read());
        }
        if self.tap.is_finished() { Step::Over } else { Step::Idle }
    }

    fn panicked(&mut self) {
        let _in = self.span.enter();
        tracing::error!(
            "the meter ends by a fault in airchain (a panic); please report it. There are no levels from now on"
        );
        self.board.write(Levels::default());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use airchain_core::tap::tap;

    #[test]
    fn a_reset_forgets_what_was_on_the_bus_before_it() {
        const RATE: u32 = 48_000;
        let (mut writer, reader) = tap(10 * RATE as usize);
        let board = LevelBoard::default();
        let mut job = BusMeter::new(reader, Meter::new(RATE).unwrap(), board.clone(), Arc::default());
        assert_eq!((job.step(), board.read()), (Step::Idle, Levels::default()));
        writer.begin(0);
        let mut play = |job: &mut BusMeter, level_db: f64, seconds: u32| {
            writer.push(&testkit::signal::sine(RATE, 1_000.0, level_db, (seconds * RATE) as usize));
            job.step();
            board.read()
        };
        let near = |level: Option<f32>, expected: f32| (level.unwrap() - expected).abs() < 0.1;
        let loud = play(&mut job, -10.0, 5);
        assert!(near(loud.integrated_lufs, -10.0) && near(loud.max_true_peak_dbtp[1], -10.0), "{loud:?}");
        // Asked for between two steps, with loud audio still in the tap.
        job.board.reset();
        let reset = play(&mut job, -10.0, 1);
        assert!(near(reset.momentary_lufs, -10.0) && near(reset.short_term_lufs, -10.0), "{reset:?}");
        assert_eq!((reset.integrated_lufs, reset.loudness_range_lu), (None, None));
        assert_eq!((reset.max_momentary_lufs, reset.max_true_peak_dbtp), (None, [None; 2]));
        let quiet = play(&mut job, -30.0, 8);
        assert!(near(quiet.integrated_lufs, -30.0) && near(quiet.max_true_peak_dbtp[0], -30.0), "{quiet:?}");
        assert!(near(quiet.max_momentary_lufs, -30.0) && near(quiet.loudness_range_lu, 0.0), "{quiet:?}");
        assert!(near(quiet.max_short_term_lufs, -30.0), "{quiet:?}");
        drop(writer);
        assert_eq!(job.step(), Step::Over);
    }

    #[test]
    fn what_comes_too_late_is_counted_and_is_no_silence() {
        const RATE: u32 = 48_000;
        let (mut writer, reader) = tap(RATE as usize);
        let cost = Arc::<Cost>::default();
        let board = LevelBoard::default();
        let mut job = BusMeter::new(reader, Meter::new(RATE).unwrap(), board.clone(), Arc::clone(&cost));
        writer.begin(0);
        let tone = testkit::signal::sine(RATE, 1_000.0, -10.0, 10 * RATE as usize);
        let mut seconds = tone.chunks(RATE as usize);
        for _ in 0..4 {
            seconds.by_ref().take(2).for_each(|second| writer.push(second));
            job.step();
        }
        // Each time the second of the two found no room; that of the last is told with what comes after it.
        assert_eq!(cost.unmeasured.load(Ordering::Relaxed), 3 * u64::from(RATE));
        let levels = board.read();
        let near = |level: Option<f32>| (level.unwrap() + 10.0).abs() < 0.1;
        assert!(near(levels.integrated_lufs) && near(levels.short_term_lufs), "{levels:?}");
    }
}
