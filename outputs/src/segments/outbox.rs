//! What waits to be published of a track, between its sink and the task that publishes it.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use airchain_core::item::Metadata;
use bytes::Bytes;
use jiff::Timestamp;
use tokio::sync::{Notify, watch};

use super::timeline::Run;
use super::window::Entry;
use crate::sink::{Health, SinkError};

/// A segment that is to be published.
#[derive(Clone, Debug)]
pub(crate) struct Waiting {
    pub(crate) entry: Entry,
    /// The positions that it is between.
    pub(crate) frames: (i64, i64),
    /// Nothing where it was given up.
    pub(crate) data: Option<Bytes>,
    /// How its run is cut, where other tracks are cut alike.
    pub(crate) run: Option<Run>,
    /// What begins in it, and when.
    pub(crate) titles: Vec<(Timestamp, Arc<Metadata>)>,
    /// Where it is a part of a segment: which one, and when the segment begins.
    pub(crate) part: Option<(usize, Timestamp)>,
}

/// The outbox of a track. It lives as long as the output.
pub(crate) struct Outbox {
    waiting: Mutex<VecDeque<Waiting>>,
    /// Segments that may wait; of more, the oldest are given up.
    most: usize,
    wake: Notify,
    told: watch::Sender<Told>,
}

/// How publishing is getting on.
#[derive(Clone, Debug, Default)]
struct Told {
    /// Nothing waits, and all that was published is announced.
    idle: bool,
    /// Why it is not getting on.
    trouble: Option<String>,
    /// Nothing more will come.
    ending: bool,
    /// But from another output, at the same place.
    goes_on: bool,
    /// Nobody publishes: not yet, or not any more.
    over: bool,
}

/// Bytes that may wait, whatever they are.
const MOST_BYTES: usize = 64 << 20;

impl Outbox {
    /// An empty one, for `most` segments: as many as a window holds, for what has left it is not asked for any more.
    pub(crate) fn new(most: usize) -> Self {
        let told = Told { idle: true, over: true, ..Told::default() };
        Self { waiting: Mutex::default(), most, wake: Notify::new(), told: watch::Sender::new(told) }
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<Waiting>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes segments to be published in their order.
    pub(crate) fn hand(&self, segments: impl IntoIterator<Item = Waiting>) {
        let mut waiting = self.lock();
        waiting.extend(segments);
        let is_whole = |w: &&Waiting| w.data.is_some() && w.part.is_none();
        let mut there = waiting.iter().filter(is_whole).count();
        let mut bytes: u64 = waiting.iter().filter(|w| w.data.is_some()).map(|w| w.entry.bytes).sum();
        for old in waiting.iter_mut().filter(|segment| segment.data.is_some()) {
            if there <= self.most && bytes <= MOST_BYTES as u64 {
                break;
            }
            (there, bytes) = (there - usize::from(old.part.is_none()), bytes - old.entry.bytes);
            old.data = None;
        }
        drop(waiting);
        self.told.send_modify(|told| told.idle = false);
        self.wake.notify_one();
    }

    /// No more will come; or from another output alone, which goes on at the same place.
    pub(crate) fn end(&self, goes_on: bool) {
        self.told.send_modify(|told| (told.ending, told.goes_on) = (true, goes_on));
        self.wake.notify_one();
    }

    /// Waits until nothing is left to do, or it is not getting on, or the publisher is gone.
    pub(crate) async fn settled(&self) {
        let settled = |told: &Told| told.idle || told.trouble.is_some() || told.over;
        let _ = self.told.subscribe().wait_for(settled).await;
    }

    /// Waits until the publisher is gone.
    pub(crate) async fn over(&self) {
        let _ = self.told.subscribe().wait_for(|told| told.over).await;
    }

    /// Whether nobody publishes.
    pub(crate) fn is_over(&self) -> bool {
        self.told.borrow().over
    }

    /// What is wrong, and how wrong.
    pub(crate) fn health(&self) -> Option<(Health, String)> {
        if let Some(trouble) = &self.told.borrow().trouble {
            return Some((Health::Down, trouble.clone()));
        }
        let count = self.lock().iter().filter(|waiting| waiting.part.is_none()).count();
        (count > 1).then(|| (Health::Degraded, format!("{count} segments wait to be published")))
    }

    // What follows is for the publisher.

    /// A publisher begins. Until what this gives is dropped, somebody publishes.
    pub(crate) fn begin(this: &Arc<Self>) -> Publishing {
        this.told.send_modify(|told| (told.over, told.trouble) = (false, None));
        Publishing { outbox: Arc::clone(this) }
    }

    /// The oldest segment that waits.
    pub(crate) fn first(&self) -> Option<Waiting> {
        self.lock().front().cloned()
    }

    /// Whether anything of segments behind one waits.
    pub(crate) fn has_behind(&self, number: u64) -> bool {
        self.lock().iter().any(|waiting| waiting.entry.number > number)
    }

    /// The oldest is published, or given up.
    pub(crate) fn done(&self) {
        self.lock().pop_front();
    }

    /// Waits for something to do. Whether it is the end.
    pub(crate) async fn work(&self) -> bool {
        loop {
            let ending = self.told.borrow().ending;
            if ending || !self.lock().is_empty() {
                return ending;
            }
            self.wake.notified().await;
        }
    }

    /// Whether it is the end.
    pub(crate) fn is_ending(&self) -> bool {
        self.told.borrow().ending
    }

    /// Whether another output goes on at the same place.
    pub(crate) fn goes_on(&self) -> bool {
        self.told.borrow().goes_on
    }

    /// Waits for the end.
    pub(crate) async fn ending(&self) {
        let _ = self.told.subscribe().wait_for(|told| told.ending).await;
    }

    /// Tells what went wrong; nothing where all that was there is published.
    pub(crate) fn tell(&self, error: Option<&SinkError>) {
        let trouble = error.map(|error| error.message.clone());
        self.told.send_modify(|told| {
            told.idle = trouble.is_none() && self.lock().is_empty();
            told.trouble = trouble;
        });
    }
}

/// Somebody publishes what is in the outbox.
pub(crate) struct Publishing {
    pub(crate) outbox: Arc<Outbox>,
}

impl Drop for Publishing {
    fn drop(&mut self) {
        self.outbox.told.send_modify(|told| told.over = true);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_more_than_a_window_the_oldest_become_gaps() {
        let outbox = Outbox::new(3);
        for number in 0..5 {
            let (date, duration_us) = (Timestamp::UNIX_EPOCH, 1_000_000);
            let entry = Entry {
                number,
                run: 0,
                date,
                duration_us,
                discontinuity: false,
                bytes: 2,
                gap: false,
                parts: Vec::new(),
            };
            outbox.hand([Waiting {
                frames: (0, 0),
                entry,
                data: Some(Bytes::from_static(b"ab")),
                run: None,
                titles: Vec::new(),
                part: None,
            }]);
        }
        let there: Vec<bool> = outbox.lock().iter().map(|segment| segment.data.is_some()).collect();
        assert_eq!(there, [false, false, true, true, true]);
        assert_eq!(outbox.health().map(|(health, _)| health), Some(Health::Degraded));
        assert!(outbox.has_behind(3) && !outbox.has_behind(4));
        outbox.done();
        assert_eq!(outbox.first().map(|first| first.entry.number), Some(1));
    }
}
