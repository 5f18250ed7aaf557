//! The recent past of a mount: a bounded ring of chunks that every listener reads at its own pace.
//!
//! Chunks share their bytes, so a listener costs a position and not a copy. One who falls behind the oldest chunk has
//! lost audio: it is disconnected, alone. The writer never waits for anybody.

use std::collections::{HashMap, VecDeque};
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use tokio::sync::{Notify, watch};

use super::MountOptions;
use super::icy::{Interleaver, Title};
use super::listener::Refusal;

/// Ceiling for a ring whatever its duration, so that no format can take the memory of a host.
const MAX_BYTES: usize = 16 << 20;

/// Chunks handed to a listener at a time: enough for a burst, few enough to keep the lock short.
const BATCH: usize = 16;

/// A run of whole packets.
#[derive(Clone, Debug)]
pub(crate) struct Chunk {
    pub(crate) data: Bytes,
    /// What a decoder must have seen before `data`; empty when `data` begins with it or none is needed.
    pub(crate) preamble: Bytes,
    /// Whether a listener may begin here.
    pub(crate) joinable: bool,
    /// What all of `data` belongs to.
    pub(crate) title: Arc<Title>,
    /// Duration at the format's rate.
    pub(crate) frames: u64,
}

/// Chunks of the last few seconds, and who reads them.
#[derive(Debug)]
pub(crate) struct Ring {
    max_frames: u64,
    state: Mutex<State>,
    wake: watch::Sender<()>,
}

#[derive(Debug, Default)]
struct State {
    chunks: VecDeque<Chunk>,
    /// Number of the oldest chunk, counted from the beginning.
    first: u64,
    frames: u64,
    bytes: usize,
    ended: bool,
    readers: HashMap<u64, Position>,
    joined_ever: u64,
    most: usize,
    dropped: u64,
}

#[derive(Debug)]
struct Position {
    next: u64,
    guest: Guest,
}

/// Who listens.
#[derive(Clone, Debug)]
pub(crate) struct Guest {
    /// The network that counts as one address.
    pub(crate) network: IpAddr,
    /// Notified when it falls behind.
    pub(crate) disconnect: Arc<Notify>,
}

impl State {
    fn end(&self) -> u64 {
        self.first + self.chunks.len() as u64
    }

    /// The youngest place to begin that still gives `frames` of audio at once.
    fn burst(&self, frames: u64) -> u64 {
        let (mut back, mut number) = (0, self.end());
        let mut best = number;
        for chunk in self.chunks.iter().rev() {
            if back >= frames {
                break;
            }
            back += chunk.frames;
            number -= 1;
            if chunk.joinable {
                best = number;
            }
        }
        best
    }
}

/// What a listener finds.
enum Read {
    Chunks(Vec<Chunk>),
    Wait,
    Lost,
    Ended,
}

impl Ring {
    /// A ring of at most `max_frames` of audio.
    pub(crate) fn new(max_frames: u64) -> Arc<Self> {
        Arc::new(Self { max_frames, state: Mutex::default(), wake: watch::Sender::new(()) })
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Appends a chunk, forgets the oldest ones and disconnects who still needed those.
    pub(crate) fn push(&self, chunk: Chunk) {
        let mut state = self.lock();
        if state.ended {
            return;
        }
        state.frames += chunk.frames;
        state.bytes += chunk.data.len();
        state.chunks.push_back(chunk);
        let mut forgot = false;
        while state.chunks.len() > 1 && (state.frames > self.max_frames || state.bytes > MAX_BYTES) {
            if let Some(old) = state.chunks.pop_front() {
                state.first += 1;
                state.frames -= old.frames;
                state.bytes -= old.data.len();
                forgot = true;
            }
        }
        if forgot {
            let first = state.first;
            let late = state.readers.extract_if(|_, reader| reader.next < first);
            // A listener that takes nothing is not even polled: its connection has to be closed from here.
            let late = late.inspect(|(_, reader)| reader.guest.disconnect.notify_one()).count();
            state.dropped += late as u64;
        }
        drop(state);
        self.wake.send_replace(());
    }

    /// No more chunks: listeners finish what there is and end.
    pub(crate) fn end(&self) {
        self.lock().ended = true;
        self.wake.send_replace(());
    }

    /// Listeners now, the most there were at once, and those dropped for being slow.
    pub(crate) fn counts(&self) -> Counts {
        let state = self.lock();
        Counts { listeners: state.readers.len(), most: state.most, dropped: state.dropped }
    }

    /// A new listener, who gets the last `burst` frames at once, and ICY titles every `metaint` bytes; unless there are as
    /// many as `options` admit.
    pub(crate) fn join(
        self: &Arc<Self>,
        guest: Guest,
        burst: u64,
        metaint: Option<usize>,
        options: &MountOptions,
    ) -> Result<Reader, Refusal> {
        let mut state = self.lock();
        if options.max_listeners.is_some_and(|most| state.readers.len() >= most) {
            return Err(Refusal::Full);
        }
        if let Some(most) = options.max_per_address {
            let from_there = state.readers.values().filter(|reader| reader.guest.network == guest.network);
            if from_there.count() >= most {
                return Err(Refusal::TooManyFromThere);
            }
        }
        let (id, next) = (state.joined_ever, state.burst(burst));
        state.joined_ever += 1;
        state.readers.insert(id, Position { next, guest });
        state.most = state.most.max(state.readers.len());
        Ok(Reader {
            ring: Arc::clone(self),
            id,
            wake: self.wake.subscribe(),
            began: false,
            icy: metaint.map(Interleaver::new),
            queue: VecDeque::new(),
        })
    }

    fn read(&self, id: u64) -> Read {
        let mut guard = self.lock();
        let state = &mut *guard;
        let end = state.end();
        let Some(position) = state.readers.get_mut(&id) else {
            return Read::Lost;
        };
        if position.next == end {
            return if state.ended { Read::Ended } else { Read::Wait };
        }
        // Never behind `first`: such a reader was removed when it happened.
        let skip = usize::try_from(position.next - state.first).unwrap_or(usize::MAX);
        let chunks: Vec<_> = state.chunks.iter().skip(skip).take(BATCH).cloned().collect();
        position.next += chunks.len() as u64;
        Read::Chunks(chunks)
    }
}

/// Numbers about a mount.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Counts {
    pub(crate) listeners: usize,
    pub(crate) most: usize,
    pub(crate) dropped: u64,
}

/// One listener's way through a ring; leaves when dropped.
#[derive(Debug)]
pub(crate) struct Reader {
    ring: Arc<Ring>,
    id: u64,
    wake: watch::Receiver<()>,
    began: bool,
    icy: Option<Interleaver>,
    queue: VecDeque<Bytes>,
}

/// The listener took too long and lost audio.
#[derive(Debug, thiserror::Error)]
#[error("the listener fell too far behind")]
pub(crate) struct TooSlow;

impl Reader {
    /// The next bytes; `None` once the programme is over.
    pub(crate) async fn next(&mut self) -> Option<Result<Bytes, TooSlow>> {
        loop {
            if let Some(bytes) = self.queue.pop_front() {
                return Some(Ok(bytes));
            }
            self.wake.mark_unchanged();
            match self.ring.read(self.id) {
                Read::Chunks(chunks) => chunks.into_iter().for_each(|chunk| self.take(chunk)),
                Read::Lost => return Some(Err(TooSlow)),
                Read::Ended => return None,
                // The sender lives in the ring that `self` holds, so this cannot fail.
                Read::Wait => self.wake.changed().await.ok()?,
            }
        }
    }

    fn take(&mut self, chunk: Chunk) {
        if !self.began {
            if !chunk.joinable {
                return;
            }
            self.began = true;
            self.emit(chunk.preamble, &chunk.title);
        }
        self.emit(chunk.data, &chunk.title);
    }

    fn emit(&mut self, data: Bytes, title: &Title) {
        match &mut self.icy {
            Some(icy) => icy.push(data, title, |bytes| self.queue.push_back(bytes)),
            None if data.is_empty() => {}
            None => self.queue.push_back(data),
        }
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        self.ring.lock().readers.remove(&self.id);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chunk(data: &'static str, joinable: bool) -> Chunk {
        let (data, preamble) = (Bytes::from(data), Bytes::from_static(b"H"));
        Chunk { data, preamble, joinable, title: Arc::default(), frames: 10 }
    }

    async fn all(mut reader: Reader) -> Result<String, TooSlow> {
        let mut out = String::new();
        while let Some(bytes) = reader.next().await {
            out.push_str(std::str::from_utf8(&bytes?).unwrap());
        }
        Ok(out)
    }

    fn guest(network: [u8; 4]) -> Guest {
        Guest { network: network.into(), disconnect: Arc::default() }
    }

    fn join(ring: &Arc<Ring>, burst: u64) -> Reader {
        ring.join(guest([192, 0, 2, 1]), burst, None, &MountOptions::default()).unwrap()
    }

    #[test]
    fn no_more_are_admitted_than_there_is_room_for() {
        let ring = Ring::new(100);
        let options =
            MountOptions { max_listeners: Some(3), max_per_address: Some(2), ..MountOptions::default() };
        let ask = |network| ring.join(guest(network), 0, None, &options);
        let (here, there) = ([192, 0, 2, 1], [192, 0, 2, 2]);
        let _one = ask(here).unwrap();
        let two = ask(here).unwrap();
        assert!(matches!(ask(here), Err(Refusal::TooManyFromThere)));
        let _three = ask(there).unwrap();
        assert!(matches!(ask(there), Err(Refusal::Full)));
        drop(two);
        assert!(ask(there).is_ok());
    }

    #[tokio::test]
    async fn listeners_begin_where_they_may() {
        let ring = Ring::new(100);
        let early = join(&ring, 0);
        ring.push(chunk("x", false));
        for data in ["a", "b", "c", "d"] {
            ring.push(chunk(data, data != "c"));
        }
        let (burst, none, whole) = (join(&ring, 15), join(&ring, 0), join(&ring, 999));
        ring.push(chunk("e", true));
        ring.end();
        assert_eq!(all(early).await.unwrap(), "Habcde", "before the first chunk");
        assert_eq!(all(burst).await.unwrap(), "Hde", "c cannot be joined");
        assert_eq!(all(none).await.unwrap(), "He", "without a burst");
        assert_eq!(all(whole).await.unwrap(), "Habcde", "no more than there is");
    }

    #[tokio::test]
    async fn who_falls_a_ring_behind_is_disconnected_alone() {
        let ring = Ring::new(20);
        let late = guest([192, 0, 2, 1]);
        let disconnect = Arc::clone(&late.disconnect);
        let slow = ring.join(late, 0, None, &MountOptions::default()).unwrap();
        ring.push(chunk("a", true));
        let fine = join(&ring, 0);
        ring.push(chunk("b", true));
        assert_eq!(ring.counts().dropped, 0);
        ring.push(chunk("c", true));
        disconnect.notified().await;
        ring.end();
        assert!(all(slow).await.is_err());
        assert_eq!(all(fine).await.unwrap(), "Hbc");
        assert_eq!((ring.counts().dropped, ring.counts().listeners, ring.counts().most), (1, 0, 2));
    }
}
