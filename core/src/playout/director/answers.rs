//! Answers to requests, and the requests that are the host's to carry out.

use super::Director;
use crate::Frames;
use crate::control::When;
use crate::playout::report::StationEvent;
use crate::playout::request::{Request, RequestId};

/// What an answer is to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    pub(super) request: RequestId,
    pub(super) command: &'static str,
    /// The id of the item that it brings.
    pub(super) item: Option<String>,
}

impl Answer {
    pub(super) fn to(id: RequestId, request: &Request) -> Self {
        Self { request: id, command: request.name(), item: None }
    }

    pub(super) fn with(self, item: &str) -> Self {
        Self { item: Some(item.to_owned()), ..self }
    }
}

/// A request that only the host can carry out: adding and removing outputs.
#[derive(Clone, Debug)]
pub struct HostOrder {
    /// When.
    pub when: When,
    /// What.
    pub request: Request,
    /// For [`Director::answer`].
    pub answer: Answer,
}

impl Director {
    /// Says how a request went, in the host's case too.
    pub fn answer(&mut self, answer: Answer, result: Result<(), String>) {
        self.answer_at(self.position, answer, result);
    }

    pub(super) fn answer_at(&mut self, frame: Frames, answer: Answer, result: Result<(), String>) {
        let Answer { request, command, item: id } = answer;
        let event = match result {
            Ok(()) => StationEvent::CommandDone { command, request, id, queue: None, length: None },
            Err(error) => StationEvent::CommandFailed { command, request, error },
        };
        self.report(frame, event);
    }
}
