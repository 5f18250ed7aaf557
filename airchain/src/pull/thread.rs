//! The thread of a manager. It belongs to the manager and not to the engine: it may block for as long as that does,
//! and a host that ends leaves it behind.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex};

use airchain_core::playout::NextItem;
use crossbeam_channel::{Receiver, Sender};

use super::{Line, Manager, Word};
use crate::station::lock;

type Answer = Result<NextItem, String>;

/// What both ends share.
#[derive(Default)]
struct Slot {
    answer: Option<Answer>,
    /// Words that were said and have not been heard to their end.
    unheard: usize,
    /// Nobody will take it.
    closed: bool,
}

/// The near end of the line.
pub(super) struct Thread {
    words: Sender<Word>,
    slot: Arc<Mutex<Slot>>,
}

/// Starts the thread `pull-ID`. It ends when the line is let go of and everything said has been passed on.
pub(super) fn start(station: &str, mut manager: Box<dyn Manager>) -> std::io::Result<Thread> {
    let (words, heard) = crossbeam_channel::unbounded();
    let slot = Arc::<Mutex<Slot>>::default();
    let answers = Arc::clone(&slot);
    let thread = std::thread::Builder::new().name(format!("pull-{station}"));
    thread.spawn(move || run(&mut *manager, &heard, &answers))?;
    Ok(Thread { words, slot })
}

impl Line for Thread {
    fn say(&mut self, word: Word) {
        lock(&self.slot).unheard += 1;
        // The thread hears as long as this end is here.
        let _ = self.words.send(word);
    }

    fn answer(&mut self) -> Option<Answer> {
        lock(&self.slot).answer.take()
    }

    fn close(&mut self) -> Option<Answer> {
        let mut slot = lock(&self.slot);
        slot.closed = true;
        slot.answer.take()
    }

    fn is_idle(&self) -> bool {
        lock(&self.slot).unheard == 0
    }
}

fn run(manager: &mut dyn Manager, words: &Receiver<Word>, slot: &Mutex<Slot>) {
    for word in words {
        match word {
            Word::Next(_) if lock(slot).closed => {}
            Word::Next(asked) => {
                let answer = guard(|| manager.next_track(&asked)).unwrap_or_else(Err);
                let mut slot = lock(slot);
                if !slot.closed {
                    slot.answer = Some(answer);
                } else if let Ok(NextItem::Item(item)) = answer {
                    drop(slot);
                    tell(|| manager.unused(&item));
                }
            }
            Word::Unused(item) => tell(|| manager.unused(&item)),
            Word::Failed(item, error) => tell(|| manager.failed(&item, &error)),
        }
        lock(slot).unheard -= 1;
    }
}

/// Tells the manager something that needs no answer.
fn tell(call: impl FnOnce()) {
    if let Err(error) = guard(call) {
        tracing::warn!("manager: {error}");
    }
}

/// Calls the manager; a panic is an error like others, in its own words.
fn guard<T>(call: impl FnOnce() -> T) -> Result<T, String> {
    catch_unwind(AssertUnwindSafe(call)).map_err(|panic| {
        let words = panic.downcast_ref::<&str>().copied();
        let words = words.or_else(|| panic.downcast_ref::<String>().map(String::as_str));
        format!("it panicked: {}", words.unwrap_or("without a word"))
    })
}
