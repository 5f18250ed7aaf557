//! Titles that wait for their audio. An encoder tells of a title before it gives out the packet that holds its frame.

use std::collections::VecDeque;
use std::sync::Arc;

use airchain_core::item::Metadata;

/// Titles that may wait; more than a second of the wildest producer. Of more, the oldest are forgotten.
const MOST: usize = 64;

/// Titles with the frame from which each is true, in order.
#[derive(Debug, Default)]
pub(crate) struct Upcoming {
    titles: VecDeque<(i64, Arc<Metadata>)>,
}

impl Upcoming {
    /// Notes a title that is true from frame `at` on.
    pub(crate) fn push(&mut self, at: i64, metadata: &Arc<Metadata>) {
        if self.titles.len() == MOST {
            self.titles.pop_front();
        }
        self.titles.push_back((at, Arc::clone(metadata)));
    }

    /// The newest title that audio up to `end` brings into force, and forgets those before it.
    pub(crate) fn due(&mut self, end: i64) -> Option<Arc<Metadata>> {
        let due = self.titles.iter().take_while(|(at, _)| *at < end).count();
        self.titles.drain(..due).next_back().map(|(_, metadata)| metadata)
    }

    /// Those that still wait.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &(i64, Arc<Metadata>)> {
        self.titles.iter()
    }
}
