//! A thread that works through questions for all stations of a host. Where it hangs in one, in a file on a dead disk, another
//! goes on with the rest.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, Sender};

use crate::os::{self, nice};

/// Threads that may hang before no other takes over.
const MOST: usize = 8;

/// How one question is answered. It gives a sign while it is at it, if that may take its time.
type Answer<Q> = dyn Fn(Q, &Signs) + Send + Sync;

/// The thread, and those that hang. It ends with the last clone.
pub(crate) struct Crew<Q> {
    name: &'static str,
    asked: Sender<Q>,
    questions: Receiver<Q>,
    answer: Arc<Answer<Q>>,
    signs: Arc<Signs>,
}

/// Who is at work, and when he last gave a sign.
pub(crate) struct Signs {
    began: Instant,
    /// Without a sign for so long it is taken to hang.
    patience: Duration,
    /// Milliseconds since it began, and one; 0 while nothing is to be done.
    last: AtomicU64,
    /// The number of the thread that is at work: of threads that have been replaced, too.
    number: AtomicUsize,
    hanging: AtomicUsize,
}

impl Signs {
    /// The thread that answers is well.
    pub(crate) fn sign(&self) {
        self.last.store(self.now(), Ordering::Relaxed);
    }

    fn now(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX).saturating_add(1)
    }

    fn hangs(&self) -> bool {
        let last = self.last.load(Ordering::Relaxed);
        last > 0 && u128::from(self.now().saturating_sub(last)) > self.patience.as_millis()
    }
}

impl<Q: Send + 'static> Crew<Q> {
    /// Starts the thread, which is taken to hang when it has given no sign for as long as `patience`.
    pub(crate) fn start(
        name: &'static str,
        patience: Duration,
        answer: impl Fn(Q, &Signs) + Send + Sync + 'static,
    ) -> std::io::Result<Self> {
        let (asked, questions) = crossbeam_channel::unbounded();
        let signs = Signs {
            began: Instant::now(),
            patience,
            last: AtomicU64::new(0),
            number: AtomicUsize::new(0),
            hanging: AtomicUsize::new(0),
        };
        let crew = Self { name, asked, questions, answer: Arc::new(answer), signs: Arc::new(signs) };
        crew.hire(0)?;
        Ok(crew)
    }

    /// Has a question answered. Also the moment at which somebody who hangs is replaced.
    pub(crate) fn ask(&self, question: Q) {
        // The receiver is right here.
        let _ = self.asked.send(question);
        self.look();
    }

    /// Replaces a thread that hangs.
    pub(crate) fn look(&self) {
        let signs = &self.signs;
        if !signs.hangs() || signs.hanging.load(Ordering::Relaxed) >= MOST {
            return;
        }
        let number = signs.number.load(Ordering::Relaxed);
        if signs.number.compare_exchange(number, number + 1, Ordering::AcqRel, Ordering::Relaxed).is_err() {
            // Another has just done so.
            return;
        }
        signs.last.store(0, Ordering::Relaxed);
        signs.hanging.fetch_add(1, Ordering::Relaxed);
        tracing::warn!("{} hangs in a file; another thread goes on with the rest", self.name);
        if let Err(error) = self.hire(number + 1) {
            tracing::error!("{}: no thread: {error}", self.name);
        }
    }

    fn hire(&self, number: usize) -> std::io::Result<()> {
        let (questions, answer, signs) =
            (self.questions.clone(), Arc::clone(&self.answer), Arc::clone(&self.signs));
        let work = move || {
            os::give_way(nice::ANALYSE);
            for question in questions {
                signs.sign();
                answer(question, &signs);
                if signs.number.load(Ordering::Acquire) != number {
                    signs.hanging.fetch_sub(1, Ordering::Relaxed);
                    return;
                }
                signs.last.store(0, Ordering::Relaxed);
            }
        };
        std::thread::Builder::new().name(self.name.into()).spawn(work).map(drop)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn what_waits_behind_a_question_that_hangs_is_answered_by_another() {
        let (release, held) = crossbeam_channel::bounded::<()>(0);
        let (answered_in, answered) = crossbeam_channel::unbounded();
        let crew = Crew::start("test", Duration::from_millis(100), move |question: u32, _: &Signs| {
            if question == 0 {
                let _ = held.recv();
            }
            let _ = answered_in.send(question);
        });
        let crew = crew.unwrap();
        crew.ask(0);
        crew.ask(1);
        while answered.is_empty() {
            crew.look();
            std::thread::yield_now();
        }
        assert_eq!(answered.recv(), Ok(1));
        drop(release);
        assert_eq!(answered.recv(), Ok(0));
        while crew.signs.hanging.load(Ordering::Relaxed) > 0 {
            std::thread::yield_now();
        }
        crew.ask(2);
        assert_eq!(answered.recv(), Ok(2));
    }
}
