//! Next-track pull: a manager (a backend over HTTP, a callable in Python or Ruby) is asked for each item of the
//! automation, a while before it is needed.
//!
//! A manager may be slow, err, panic or answer nonsense for as long as it likes: the director never waits for it, what
//! is on air meanwhile is the tier below, and it is taken back as soon as it answers. A question costs it something (a
//! backend takes down that the track was played), so it is asked exactly once for each track that airs, at most one
//! question and one track ahead, and never twice at once; of a track that then does not air it is told so.

mod backoff;
mod thread;

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use airchain_core::item::Item;
use airchain_core::playout::{NextItem, NextTrack};
use airchain_inputs::file;

use crate::error::Error;
use backoff::Backoff;

/// Who decides what the automation plays next.
///
/// Its methods are called on a thread of its own, `pull-ID`, one at a time. They may block and panic. A closure that
/// answers questions is a manager too.
pub trait Manager: Send {
    /// The next track: [`NextItem::Later`] to be asked again in a second, [`NextItem::End`] never again. An error, in
    /// words for the log, is asked again after a pause, which grows from half a second to half a minute while errors
    /// go on; so is an item that cannot be meant or opened.
    fn next_track(&mut self, asked: &Asked) -> Result<NextItem, String>;

    /// A track that was given will not air: it was skipped, or the station stops.
    fn unused(&mut self, _item: &Item) {}

    /// A track that was given cannot be played, and why.
    fn failed(&mut self, _item: &Item, _error: &str) {}
}

impl<F: FnMut(&Asked) -> Result<NextItem, String> + Send> Manager for F {
    fn next_track(&mut self, asked: &Asked) -> Result<NextItem, String> {
        self(asked)
    }
}

/// A question to a manager.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Asked {
    /// Which one it is since the station started, from 1. One that was answered by an error is asked again under the
    /// same number, so that this can be a key by which a backend knows a repeated request.
    pub number: u64,
    /// How many errors and unusable tracks there were in a row before it.
    pub failures: u32,
}

/// The lead of a [`Pull`] that is given none: enough for a backend that takes its time, or is started anew.
const LEAD_S: f64 = 20.0;
/// The pause after [`NextItem::Later`].
const LATER: Duration = Duration::from_secs(1);

/// What is said to a manager.
enum Word {
    Next(Asked),
    Unused(Item),
    Failed(Item, String),
}

/// How words get to a manager, and its answers back: over its thread, or by a script in tests.
trait Line: Send {
    /// Passes a word on; waits for nothing.
    fn say(&mut self, word: Word);

    /// The answer to the last question, once there is one.
    fn answer(&mut self) -> Option<Result<NextItem, String>>;

    /// Nothing more will be asked. An answer that was not taken is given back; one that is still to come is told to be
    /// unused.
    fn close(&mut self) -> Option<Result<NextItem, String>>;

    /// Whether everything that was said has been heard to its end.
    fn is_idle(&self) -> bool;
}

/// A [`Manager`] as the programme of a station.
pub struct Pull {
    line: Box<dyn Line>,
    /// Time since any fixed moment.
    clock: Box<dyn Fn() -> Duration + Send>,
    backoff: Backoff,
    lead_s: f64,
    number: u64,
    asked: bool,
    ended: bool,
    /// It is not asked before this.
    ask_at: Duration,
    failures: VecDeque<(Item, String)>,
}

impl Pull {
    /// Starts the manager's thread, `pull-ID`. It is none of the host's: a manager that blocks for good holds up
    /// nothing but itself.
    pub fn new(station: &str, manager: Box<dyn Manager>) -> Result<Self, Error> {
        let began = Instant::now();
        let line = thread::start(station, manager)?;
        Ok(Self::over(Box::new(line), Box::new(move || began.elapsed()), fastrand::Rng::new()))
    }

    fn over(line: Box<dyn Line>, clock: Box<dyn Fn() -> Duration + Send>, random: fastrand::Rng) -> Self {
        Self {
            line,
            clock,
            backoff: Backoff::new(random),
            lead_s: LEAD_S,
            number: 1,
            asked: false,
            ended: false,
            ask_at: Duration::ZERO,
            failures: VecDeque::new(),
        }
    }

    /// The same, asked `lead_s` seconds before a track is needed: 0 to 3600, 20 unless told otherwise. Opening it takes
    /// up some of that.
    pub fn with_lead_s(mut self, lead_s: f64) -> Self {
        // Not a number is no lead.
        self.lead_s = if lead_s > 0.0 { lead_s.min(3600.0) } else { 0.0 };
        self
    }

    fn on_answer(&mut self, answer: Result<NextItem, String>) -> NextItem {
        self.asked = false;
        if answer.is_ok() {
            self.number += 1;
        }
        match answer {
            Ok(NextItem::Item(item)) => match check(&item) {
                Ok(()) => {
                    self.backoff.succeeded();
                    return NextItem::Item(item);
                }
                Err(error) => {
                    self.line.say(Word::Failed((*item).clone(), error.clone()));
                    self.retry(*item, format!("manager: {error}"));
                }
            },
            Ok(NextItem::Later) => {
                self.backoff.succeeded();
                self.ask_at = (self.clock)() + LATER;
            }
            Ok(NextItem::End) => self.ended = true,
            Err(error) => self.retry(Item::default(), format!("manager: {error}")),
        }
        NextItem::Later
    }

    /// Asks again after a pause.
    fn retry(&mut self, item: Item, error: String) {
        self.failures.push_back((item, error));
        self.ask_at = (self.clock)() + self.backoff.failed();
    }
}

impl NextTrack for Pull {
    fn next_track(&mut self) -> NextItem {
        if let Some(answer) = self.line.answer()
            && let NextItem::Item(item) = self.on_answer(answer)
        {
            return NextItem::Item(item);
        }
        if self.ended {
            return NextItem::End;
        }
        if !self.asked && (self.clock)() >= self.ask_at {
            self.asked = true;
            self.line.say(Word::Next(Asked { number: self.number, failures: self.backoff.failures() }));
        }
        NextItem::Later
    }

    fn lead_s(&self) -> Option<f64> {
        Some(self.lead_s)
    }

    fn unused(&mut self, item: &Item) {
        self.line.say(Word::Unused(item.clone()));
    }

    fn failed(&mut self, item: &Item, error: &str) {
        self.line.say(Word::Failed(item.clone(), error.to_owned()));
        // The director has reported it.
        self.ask_at = (self.clock)() + self.backoff.failed_after_all();
    }

    fn close(&mut self) {
        self.ended = true;
        if let Some(Ok(NextItem::Item(item))) = self.line.close() {
            self.line.say(Word::Unused(*item));
        }
    }

    fn is_told(&self) -> bool {
        self.line.is_idle()
    }

    fn poll_failure(&mut self) -> Option<(Item, String)> {
        self.failures.pop_front()
    }
}

impl Drop for Pull {
    fn drop(&mut self) {
        self.close();
    }
}

/// Refuses an item that cannot be meant, naming the field and what would do.
fn check(item: &Item) -> Result<(), String> {
    if item.path.is_empty() {
        return Err("path: is empty, give the path of a file".into());
    }
    item.validate().map_err(|error| error.to_string())?;
    file::local_path(&item.path).map_err(|error| format!("path: {error}")).map(drop)
}

#[cfg(test)]
mod tests;
