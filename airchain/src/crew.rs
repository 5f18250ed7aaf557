//! A thread that works through questions for all stations of a host. Where it hangs in one, in a file on a dead disk, another
//! goes on with the rest.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
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
    /// Without a sign for so long the thread is taken to hang.
    patience: Duration,
    asked: Sender<Q>,
    questions: Receiver<Q>,
    answer: Arc<Answer<Q>>,
    duty: Arc<Mutex<Duty>>,
}

/// Who is at work, and when he last gave a sign.
#[derive(Default)]
struct Duty {
    /// The number of the thread: that of those it has replaced, too.
    number: usize,
    /// `None` while nothing is to be done.
    last: Option<Instant>,
    hanging: usize,
}

fn lock(duty: &Mutex<Duty>) -> MutexGuard<'_, Duty> {
    duty.lock().unwrap_or_else(PoisonError::into_inner)
}

/// By which the thread of a number gives signs. Those of one that has been replaced count for nothing.
pub(crate) struct Signs {
    duty: Arc<Mutex<Duty>>,
    number: usize,
}

impl Signs {
    /// The thread that answers is well.
    pub(crate) fn sign(&self) {
        self.set(Some(Instant::now()));
    }

    /// Notes a sign, or that nothing is to be done; `false` when another has its place.
    fn set(&self, last: Option<Instant>) -> bool {
        let mut duty = lock(&self.duty);
        let is_on_duty = duty.number == self.number;
        if is_on_duty {
            duty.last = last;
        }
        is_on_duty
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
        let crew = Self { name, patience, asked, questions, answer: Arc::new(answer), duty: Arc::default() };
        crew.hire(0)?;
        Ok(crew)
    }

    /// Has a question answered. Also a moment at which somebody who hangs is replaced.
    pub(crate) fn ask(&self, question: Q) {
        // The receiver is right here.
        let _ = self.asked.send(question);
        self.look();
    }

    /// Replaces a thread that hangs while questions wait. Cheap while none do.
    pub(crate) fn look(&self) {
        if self.questions.is_empty() {
            return;
        }
        let mut duty = lock(&self.duty);
        if duty.hanging >= MOST || duty.last.is_none_or(|last| last.elapsed() <= self.patience) {
            return;
        }
        // Still locked, so that the one who hangs is replaced when he comes back, or is not.
        match self.hire(duty.number + 1) {
            Ok(()) => {
                duty.number += 1;
                duty.hanging += 1;
                duty.last = None;
                tracing::warn!("{} hangs in a file; another thread goes on with the rest", self.name);
            }
            Err(error) => {
                // Tried again when as much time has passed.
                duty.last = Some(Instant::now());
                tracing::error!("{}: no thread: {error}", self.name);
            }
        }
    }

    fn hire(&self, number: usize) -> std::io::Result<()> {
        let (questions, answer) = (self.questions.clone(), Arc::clone(&self.answer));
        let signs = Signs { duty: Arc::clone(&self.duty), number };
        let work = move || {
            os::give_way(nice::ANALYSE);
            for question in questions {
                signs.sign();
                answer(question, &signs);
                if !signs.set(None) {
                    lock(&signs.duty).hanging -= 1;
                    return;
                }
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
        while lock(&crew.duty).hanging > 0 {
            std::thread::yield_now();
        }
        crew.ask(2);
        assert_eq!(answered.recv(), Ok(2));
    }

    #[test]
    fn a_thread_that_was_replaced_gives_no_signs_for_the_other() {
        let duty = Arc::new(Mutex::new(Duty { number: 1, last: None, hanging: 1 }));
        let signs = |number| Signs { duty: Arc::clone(&duty), number };
        signs(0).sign();
        assert!(lock(&duty).last.is_none() && !signs(0).set(None));
        signs(1).sign();
        assert!(lock(&duty).last.is_some() && !signs(0).set(None));
        assert!(lock(&duty).last.is_some());
    }
}
