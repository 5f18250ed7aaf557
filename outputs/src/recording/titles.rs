//! The titles of the programme by their frames, for the names of files and their cue sheets.

use std::collections::VecDeque;
use std::sync::Arc;

use airchain_core::item::Metadata;

/// Titles that may wait for their audio. Of more, the oldest are forgotten.
const MOST: usize = 1000;

/// Titles with the frame from which each is true, in order.
#[derive(Debug, Default)]
pub(super) struct Titles(VecDeque<(i64, Arc<Metadata>)>);

impl Titles {
    /// Notes what is true from a frame on; what was to be from there on no longer is.
    pub(super) fn note(&mut self, at: i64, metadata: &Arc<Metadata>) {
        while self.0.back().is_some_and(|(last, _)| *last >= at) {
            self.0.pop_back();
        }
        if self.0.len() == MOST {
            self.0.pop_front();
        }
        self.0.push_back((at, Arc::clone(metadata)));
    }

    /// What is true at a frame.
    pub(super) fn at(&self, frame: i64) -> Option<&Arc<Metadata>> {
        self.0.iter().rev().find(|(at, _)| *at <= frame).map(|(_, metadata)| metadata)
    }

    /// Those that come into force from `begin` on and before `end`.
    pub(super) fn between(&self, begin: i64, end: i64) -> impl Iterator<Item = &(i64, Arc<Metadata>)> {
        self.0.iter().filter(move |(at, _)| *at >= begin && *at < end)
    }

    /// Forgets what is no longer true at a frame.
    pub(super) fn forget_before(&mut self, frame: i64) {
        while self.0.get(1).is_some_and(|(at, _)| *at <= frame) {
            self.0.pop_front();
        }
    }
}
