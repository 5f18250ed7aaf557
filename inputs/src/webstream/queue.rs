//! What a web stream brings, on its way to whoever decodes it: a bounded queue that neither side waits in. When it is
//! full, the socket is not read, and the server is held up by its own window.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use airchain_core::item::Metadata;
use bytes::Bytes;
use tokio::sync::Notify;

use super::status::IcyHeaders;

/// What an arrival is reckoned to take beside its audio, so that titles and crumbs fill the queue as well.
const OVERHEAD: usize = 64;

/// What comes from the server, in the order of the stream.
#[derive(Clone, Debug, PartialEq)]
pub enum Arrival {
    /// A connection: what follows has nothing to do with the bytes before.
    Begins {
        /// Its number: one more than that of the connection before.
        connection: u64,
        /// What the server says it is. A hint: what the bytes say wins.
        content_type: Option<String>,
        /// What the server says of the station.
        station: IcyHeaders,
        /// Which URL it is of: 0 is `url`, 1 the first of `fallback_urls`.
        url_index: usize,
    },
    /// Compressed audio.
    Bytes(Bytes),
    /// The audio that follows has this title. All is absent when the server took the title away.
    Title(Metadata),
    /// The connection is gone and is being made anew.
    Breaks {
        /// The reason, for people; secrets masked.
        why: String,
    },
    /// Nothing follows any more: the programme was finite and is over, or the link was dropped.
    End,
}

impl Arrival {
    pub(crate) fn bytes(&self) -> usize {
        match self {
            Self::Bytes(bytes) => bytes.len(),
            _ => 0,
        }
    }

    fn weight(&self) -> usize {
        let text = match self {
            Self::Title(metadata) => metadata.one_line().len(),
            Self::Breaks { why } => why.len(),
            _ => 0,
        };
        self.bytes() + text + OVERHEAD
    }
}

/// The end that is taken from.
pub struct Arrivals {
    shared: Arc<Shared>,
}

/// The end that is put into. Dropping it puts [`Arrival::End`].
pub(crate) struct Intake {
    shared: Arc<Shared>,
}

struct Shared {
    state: Mutex<State>,
    /// Told when room is made, and when nobody takes any more.
    changed: Notify,
}

struct State {
    arrivals: VecDeque<Arrival>,
    bytes: usize,
    weight: usize,
    capacity: usize,
    /// The end was put in.
    ended: bool,
    /// Nobody takes any more.
    left: bool,
}

/// A queue that is full when it holds `capacity` bytes.
pub(crate) fn queue(capacity: usize) -> (Intake, Arrivals) {
    let state = State { arrivals: VecDeque::new(), bytes: 0, weight: 0, capacity, ended: false, left: false };
    let shared = Arc::new(Shared { state: Mutex::new(state), changed: Notify::new() });
    (Intake { shared: shared.clone() }, Arrivals { shared })
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Arrivals {
    /// The next arrival, if there is one. Never waits.
    #[expect(clippy::should_implement_trait, reason = "no iterator: that there is none is not the end")]
    pub fn next(&mut self) -> Option<Arrival> {
        let (arrival, room) = {
            let mut state = self.shared.lock();
            let was_full = state.weight >= state.capacity;
            let arrival = state.arrivals.pop_front()?;
            state.bytes -= arrival.bytes();
            state.weight -= arrival.weight();
            (arrival, was_full && state.weight < state.capacity)
        };
        if room {
            self.shared.changed.notify_waiters();
        }
        Some(arrival)
    }

    /// Bytes of audio that wait to be taken.
    pub fn bytes(&self) -> usize {
        self.shared.lock().bytes
    }

    /// Whether nothing waits to be taken.
    pub fn is_empty(&self) -> bool {
        self.shared.lock().arrivals.is_empty()
    }

    /// Whether the server is held up, or nothing follows any more: more will not wait than does now.
    pub fn is_full(&self) -> bool {
        let state = self.shared.lock();
        state.ended || state.weight >= state.capacity
    }

    /// How many bytes may wait before the server is held up.
    pub fn set_capacity(&self, bytes: usize) {
        self.shared.lock().capacity = bytes;
        self.shared.changed.notify_waiters();
    }
}

impl Drop for Arrivals {
    fn drop(&mut self) {
        {
            let mut state = self.shared.lock();
            state.left = true;
            state.arrivals = VecDeque::new();
        }
        self.shared.changed.notify_waiters();
    }
}

impl Intake {
    /// Puts one in; never waits. What comes after the end, or when nobody takes any more, is dropped.
    pub(crate) fn push(&self, arrival: Arrival) {
        let mut state = self.shared.lock();
        if state.ended || state.left {
            return;
        }
        state.ended = arrival == Arrival::End;
        state.bytes += arrival.bytes();
        state.weight += arrival.weight();
        state.arrivals.push_back(arrival);
    }

    /// Waits until there is room. Cancel safe.
    pub(crate) async fn room(&self) {
        self.until(|state| state.weight < state.capacity).await;
    }

    /// Waits until nobody takes any more. Cancel safe.
    pub(crate) async fn abandoned(&self) {
        self.until(|state| state.left).await;
    }

    async fn until(&self, so: impl Fn(&State) -> bool) {
        loop {
            // Made before the look, it hears of whatever changes after it.
            let changed = self.shared.changed.notified();
            if so(&self.shared.lock()) {
                return;
            }
            changed.await;
        }
    }
}

impl Drop for Intake {
    fn drop(&mut self) {
        self.push(Arrival::End);
    }
}

#[cfg(test)]
mod tests {
    use std::pin::pin;
    use std::task::{Context, Poll, Waker};

    use super::*;

    fn ready(future: impl Future<Output = ()>) -> bool {
        matches!(pin!(future).poll(&mut Context::from_waker(Waker::noop())), Poll::Ready(()))
    }

    fn audio(length: usize) -> Arrival {
        Arrival::Bytes(Bytes::from(vec![0; length]))
    }

    #[test]
    fn it_is_full_at_its_capacity_and_has_room_below() {
        let (intake, mut arrivals) = queue(10_000);
        intake.push(audio(5000));
        assert!(ready(intake.room()));
        intake.push(audio(5000));
        assert!(!ready(intake.room()));
        assert_eq!(arrivals.bytes(), 10_000);
        let mut room = pin!(intake.room());
        assert!(!ready(room.as_mut()));
        assert_eq!(arrivals.next(), Some(audio(5000)));
        assert!(ready(room), "who waits is told");
        arrivals.set_capacity(1000);
        assert!(!ready(intake.room()));
        arrivals.set_capacity(100_000);
        assert!(ready(intake.room()));
    }

    #[test]
    fn titles_alone_fill_it_too() {
        let (intake, mut arrivals) = queue(100_000);
        let mut count = 0;
        while ready(intake.room()) {
            let title = Some("x".repeat(4000));
            intake.push(Arrival::Title(Metadata { title, ..Metadata::default() }));
            count += 1;
        }
        assert!(count < 26, "{count}");
        while arrivals.next().is_some() {}
        assert!(ready(intake.room()));
    }

    #[test]
    fn both_ends_know_when_the_other_is_gone() {
        let (intake, mut arrivals) = queue(1000);
        intake.push(audio(1));
        assert!(!ready(intake.abandoned()));
        drop(intake);
        assert_eq!(arrivals.next(), Some(audio(1)));
        assert_eq!(arrivals.next(), Some(Arrival::End));
        assert_eq!(arrivals.next(), None);
        let (intake, arrivals) = queue(1000);
        drop(arrivals);
        intake.push(audio(1));
        assert!(ready(intake.abandoned()));
    }
}
