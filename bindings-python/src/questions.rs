//! A Python callable as the manager of a station, asked on a thread of Python's own.

use std::time::Duration;

use airchain::core::item::Item;
use airchain::core::playout::NextItem;
use airchain::pull::{Asked, Manager};
use crossbeam_channel::{Receiver, Sender, bounded, unbounded};
use pyo3::prelude::*;
use serde_json::json;

use crate::error::raise;

/// What the station says to the callable's thread, as JSON.
type Word = String;
/// What comes back.
type Answer = Result<NextItem, String>;

/// Makes both ends.
pub(crate) fn questions() -> (Questions, AskPython) {
    let (words, said) = unbounded();
    let (reply, answers) = bounded(1);
    (Questions { said, reply }, AskPython { words, answers })
}

/// The callable's end.
#[pyclass(frozen, module = "airchain._airchain")]
pub(crate) struct Questions {
    said: Receiver<Word>,
    reply: Sender<Answer>,
}

#[pymethods]
impl Questions {
    /// Waits for the next word: {"next": number, "failures": n}, {"unused": item} or {"failed": item, "error": text}.
    /// None when the station is over.
    fn get(&self, py: Python<'_>) -> Option<String> {
        // In stretches, so that a signal gets through.
        py.detach(|| {
            loop {
                match self.said.recv_timeout(Duration::from_secs(1)) {
                    Ok(word) => return Some(word),
                    Err(error) if error.is_disconnected() => return None,
                    Err(_) => {}
                }
            }
        })
    }

    /// Answers a question: an item as JSON, "later" or "end".
    fn answer(&self, text: &str) -> PyResult<()> {
        let answer = match text {
            "later" => NextItem::Later,
            "end" => NextItem::End,
            item => {
                let item: Item = serde_json::from_str(item).map_err(|error| raise("ItemError", error))?;
                item.validate().map_err(|error| raise("ItemError", error))?;
                NextItem::Item(Box::new(item))
            }
        };
        let _ = self.reply.try_send(Ok(answer));
        Ok(())
    }

    /// Answers a question with an error; it is asked again after a pause.
    fn fail(&self, error: &str) {
        let _ = self.reply.try_send(Err(error.to_owned()));
    }
}

/// The station's end.
pub(crate) struct AskPython {
    words: Sender<Word>,
    answers: Receiver<Answer>,
}

impl Manager for AskPython {
    fn next_track(&mut self, asked: &Asked) -> Answer {
        // An answer that came too late for the question before.
        while self.answers.try_recv().is_ok() {}
        let question = json!({"next": asked.number, "failures": asked.failures});
        self.words.send(question.to_string()).map_err(|_| "the callable's thread has ended".to_owned())?;
        self.answers.recv().unwrap_or_else(|_| Err("the callable's thread has ended".into()))
    }

    fn unused(&mut self, item: &Item) {
        let _ = self.words.send(json!({"unused": item}).to_string());
    }

    fn failed(&mut self, item: &Item, error: &str) {
        let _ = self.words.send(json!({"failed": item, "error": error}).to_string());
    }
}
