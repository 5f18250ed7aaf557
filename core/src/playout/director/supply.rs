//! The programme, behind a border: whoever gives the items may panic, and it costs him his turn.

use crate::border::guarded;
use crate::item::Item;
use crate::playout::playlist::{Bookmark, NextItem, NextTrack};

/// A programme whose panics are kept from the director.
pub(super) struct Supply {
    programme: Box<dyn NextTrack>,
    panicked: Option<String>,
}

impl Supply {
    pub(super) fn new(programme: Box<dyn NextTrack>) -> Self {
        Self { programme, panicked: None }
    }

    /// What its last panic since last asked said.
    pub(super) fn take_panic(&mut self) -> Option<String> {
        self.panicked.take()
    }

    /// Calls it; `None` when it panics.
    fn call<T>(&mut self, call: impl FnOnce(&mut dyn NextTrack) -> T) -> Option<T> {
        let answer = guarded(|| call(&mut *self.programme));
        answer.map_err(|panic| self.panicked = Some(panic.words().to_owned())).ok()
    }

    /// Asks it something that changes nothing.
    fn ask<T>(&self, ask: impl FnOnce(&dyn NextTrack) -> T) -> Option<T> {
        guarded(|| ask(&*self.programme)).ok()
    }

    pub(super) fn next_track(&mut self) -> NextItem {
        self.call(|programme| programme.next_track()).unwrap_or(NextItem::Later)
    }

    pub(super) fn lead_s(&self) -> Option<f64> {
        self.ask(|programme| programme.lead_s()).flatten()
    }

    pub(super) fn unused(&mut self, item: &Item) {
        self.call(|programme| programme.unused(item));
    }

    pub(super) fn failed(&mut self, item: &Item, error: &str) {
        self.call(|programme| programme.failed(item, error));
    }

    pub(super) fn bookmark(&self) -> Option<Bookmark> {
        self.ask(|programme| programme.bookmark()).flatten()
    }

    pub(super) fn resume(&mut self, bookmark: &Bookmark) {
        self.call(|programme| programme.resume(bookmark));
    }

    pub(super) fn is_by_clock(&self) -> bool {
        self.ask(|programme| programme.is_by_clock()).unwrap_or(false)
    }

    pub(super) fn close(&mut self) {
        self.call(|programme| programme.close());
    }

    pub(super) fn is_told(&self) -> bool {
        self.ask(|programme| programme.is_told()).unwrap_or(true)
    }

    pub(super) fn poll_failure(&mut self) -> Option<(Item, String)> {
        self.call(|programme| programme.poll_failure()).flatten()
    }
}
