//! The line-up by request: added to, changed, listed.

use super::line::{Origin, State};
use super::{Answer, Director, Issued};
use crate::control::{Command, When};
use crate::deck::ItemId;
use crate::item::Item;
use crate::playout::queue::{QueueOp, QueueRequest};
use crate::playout::report::{LISTED, StationEvent};
use crate::playout::request::Request;
use crate::tier::Tier;

impl Director {
    /// Carries out a request about the line-up, which has been validated. Most of it is answered at once; what the engine
    /// holds is answered by the engine.
    pub(super) fn change_line(&mut self, answer: Answer, request: QueueRequest) {
        let QueueRequest { op, item, id, index } = request;
        let (id, index) = (id.unwrap_or_default(), index.unwrap_or(0));
        let result = match op {
            QueueOp::Add => self.add(answer.clone(), self.line.end_of_queue(), item),
            QueueOp::Insert if index > self.line.len() => {
                Err(format!("index: {index} is not accepted, give 0 to {}", self.line.len()))
            }
            QueueOp::Insert => self.add(answer.clone(), index, item),
            QueueOp::Move => self.shift(&id, index).map(|()| answer.clone()),
            QueueOp::List => return self.list(answer),
            QueueOp::Clear => {
                let queued = |origin| origin == Origin::Queue;
                let ids: Vec<ItemId> =
                    self.line.iter().filter(|entry| queued(entry.origin)).map(|entry| entry.id).collect();
                ids.into_iter().for_each(|id| self.take_out(id, None));
                Ok(answer.clone())
            }
            QueueOp::Remove => match self.line.index_of_name(&id).and_then(|index| self.line.at(index)) {
                Some(entry) => return self.take_out(entry.id, Some(answer)),
                None => Err(unknown(&id)),
            },
        };
        match result {
            Ok(answer) => self.answer(answer, Ok(())),
            Err(error) => self.answer(answer, Err(error)),
        }
    }

    fn add(&mut self, answer: Answer, index: usize, item: Option<Box<Item>>) -> Result<Answer, String> {
        let item = item.ok_or("item: nothing is not accepted, give an item")?;
        let entry = self.entry(*item, Origin::Queue);
        let answer = answer.with(&entry.item.id);
        self.line_up(index, entry)?;
        self.release();
        Ok(answer)
    }

    fn shift(&mut self, name: &str, index: usize) -> Result<(), String> {
        let from = self.line.index_of_name(name).ok_or_else(|| unknown(name))?;
        if index >= self.line.len() {
            return Err(format!("index: {index} is not accepted, give 0 to {}", self.line.len() - 1));
        }
        let Some(entry) = self.line.remove(from) else { return Ok(()) };
        let (id, state) = (entry.id, entry.state);
        self.line.insert(index, entry);
        if let State::Loaded(_) = state {
            let place = self.line.place_of(id);
            let (tier, item) = (Tier::Automation, id);
            let place_said = self.position_of(place);
            let logged = self
                .logging()
                .then(|| Box::new(Request::Move { tier, id: name.to_owned(), place: place_said }));
            self.issue(
                When::Now,
                Command::Move { tier, item, place },
                Issued { logged, ..Issued::default() },
            );
        }
        Ok(())
    }

    fn list(&mut self, answer: Answer) {
        let Answer { request, command, .. } = answer;
        let queue = Some(self.line.iter().take(LISTED).map(|entry| entry.item.clone()).collect());
        let length = Some(self.line.len());
        self.report(self.position, StationEvent::CommandDone { command, request, id: None, queue, length });
    }

    /// Takes an item out of the line-up, and off the engine if that holds it.
    fn take_out(&mut self, id: ItemId, answer: Option<Answer>) {
        let Some(entry) = self.line.take(id) else { return };
        let answer = answer.map(|answer| answer.with(&entry.item.id));
        if matches!(entry.state, State::Loaded(_) | State::Returning) {
            let name = entry.item.id.clone();
            let known = entry.into_known(Tier::Automation);
            self.known.insert(id, known);
            self.issue_unload(When::Now, Tier::Automation, id, name, answer);
            return;
        }
        // Should it be open already, what comes of that finds it no longer in line.
        if entry.origin == Origin::Programme {
            self.not_heard(self.position, entry.item, Tier::Automation, Some(entry.origin));
        }
        if let Some(answer) = answer {
            self.answer(answer, Ok(()));
        }
    }
}

fn unknown(id: &str) -> String {
    format!("id: no item called {id} is in the line-up")
}
