//! Items in the decode pool: opened for a station's director, then fed until they are decoded to their end.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use airchain_core::item::Item;
use airchain_core::level::Loudness;
use airchain_core::playout::{Loaded, Loader, Ticket};
use airchain_inputs::file::{FileFeed, Pump};
use crossbeam_channel::{Receiver, Sender};

use super::{Account, Errand, Feed, Workers, turn};
use crate::desk::Waker;
use crate::levels::{Analyst, Asked, Question};
use crate::loader::{Ends, LoadConfig, open};

/// Pieces of work done on one feed before another has its turn.
const PUMPS: usize = 16;
/// The share of a second that a ring may run down before it is filled up again: half of the slack it has beyond
/// its longest fade, so that the end of an item is in sight before its fade begins.
const SLACK: (usize, usize) = (3, 4);

/// Frames decoded of an item before it counts as open: what lets it start while the worker is elsewhere. A feed that
/// has less comes before items that are only to be opened.
fn head_start(rate_hz: u32) -> usize {
    rate_hz as usize / 2
}

/// What an item waits for a worker at most: no director has waited for so long.
const WAITS: Duration = Duration::from_secs(12);

/// A ring of `capacity` frames is filled up again once it holds fewer than this.
fn low_mark(capacity: usize, rate_hz: u32) -> usize {
    let (of, parts) = SLACK;
    // Rings without that slack are those of tests and tools.
    capacity.saturating_sub(rate_hz as usize * of / parts).max(capacity / 2)
}

/// An item to be opened.
pub(super) struct Opening {
    ticket: Ticket,
    item: Item,
    after: Option<Ticket>,
    config: LoadConfig,
    reply: Replies,
    errand: Arc<Errand>,
    asked: Instant,
}

/// An item that was opened, and what is not known of it.
type Opened = Result<(Loaded, Option<Question>), String>;

/// Where a loader's answers go, and what its items left for those that follow.
#[derive(Clone)]
struct Replies {
    opened: Sender<(Ticket, Opened)>,
    damage: Sender<(Ticket, String)>,
    loudness: Sender<(Ticket, Loudness)>,
    ends: Arc<Mutex<Ends>>,
    waker: Waker,
}

impl Replies {
    fn opened(&self, ticket: Ticket, result: Opened) {
        let _ = self.opened.send((ticket, result));
        self.waker.wake();
    }

    fn ends(&self) -> MutexGuard<'_, Ends> {
        self.ends.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// An item being decoded.
pub(super) struct Feeding {
    ticket: Ticket,
    feed: FileFeed,
    reply: Replies,
    errand: Arc<Errand>,
    /// It is filled up again once it holds fewer frames than this.
    low: usize,
    /// It cannot wait once it holds fewer than this.
    urgent: usize,
}

impl Opening {
    pub(super) fn errand(&self) -> &Arc<Errand> {
        &self.errand
    }

    /// Whether it has waited in vain for so long that nobody wants it any more, which its station is told.
    pub(super) fn gives_up(&self, now: Instant) -> bool {
        let over = now.saturating_duration_since(self.asked) > WAITS;
        if over {
            let words =
                format!("{}: no decoder was free for it within {} s", self.item.path, WAITS.as_secs());
            self.reply.opened(self.ticket, Err(words));
        }
        over
    }

    /// Opens it, and tells its station; what is left is to feed it.
    pub(super) fn open(self) -> Option<Box<Feeding>> {
        let Self { ticket, item, after, config, reply, errand, .. } = self;
        let grid = reply.ends().of(after);
        let opened = catch_unwind(AssertUnwindSafe(|| open(&item, &config, grid))).unwrap_or_else(|_| {
            errand.panicked();
            Err(format!("{}: the decoder failed on it", item.path))
        });
        match opened {
            Ok((feed, loaded, question)) => {
                reply.ends().note(ticket, &feed);
                let low = low_mark(feed.buffered() + feed.vacant(), config.rate_hz);
                let urgent = low.min(head_start(config.rate_hz));
                let reply_to = reply.clone();
                let mut feeding =
                    Box::new(Feeding { ticket, feed, reply: reply_to, errand, low: urgent, urgent });
                let mut goes_on = true;
                while goes_on && feeding.is_low() {
                    goes_on = turn(&mut *feeding);
                }
                reply.opened(ticket, Ok((loaded, question)));
                feeding.low = low;
                goes_on.then_some(feeding)
            }
            Err(error) => {
                reply.opened(ticket, Err(error));
                None
            }
        }
    }
}

impl Feed for Feeding {
    fn errand(&self) -> &Arc<Errand> {
        &self.errand
    }

    fn level(&self) -> usize {
        if self.feed.is_abandoned() { 0 } else { self.feed.buffered() }
    }

    fn is_low(&self) -> bool {
        !self.feed.waits() && self.level() < self.low
    }

    fn is_urgent(&self) -> bool {
        self.level() < self.urgent
    }

    /// Fills the ring; over when the item is decoded to its end or no longer wanted.
    fn turn(&mut self) -> bool {
        let pumped = (0..PUMPS).map(|_| self.feed.pump()).find(|pump| *pump != Pump::Worked);
        self.tell_damage();
        let goes_on = matches!(pumped, None | Some(Pump::Full));
        if !goes_on {
            self.reply.ends().note(self.ticket, &self.feed);
        }
        goes_on
    }

    /// Dropping the feed closes its ring: what was decoded plays, then the next item starts.
    fn panicked(&mut self) -> bool {
        self.tell_damage();
        self.errand.panicked();
        let words = "the decoder failed; the rest of the item is left out".to_owned();
        let _ = self.reply.damage.send((self.ticket, words));
        false
    }
}

impl Feeding {
    fn tell_damage(&mut self) {
        if let Some(words) = self.feed.take_damage() {
            if self.feed.has_panicked() {
                self.errand.panicked();
            }
            let _ = self.reply.damage.send((self.ticket, words));
        }
    }
}

/// The loader of a station on air.
pub(crate) struct PooledLoader {
    workers: Workers,
    config: LoadConfig,
    reply: Replies,
    analyst: Option<Analyst>,
    account: Account,
    opened: Receiver<(Ticket, Opened)>,
    damage: Receiver<(Ticket, String)>,
    loudness: Receiver<(Ticket, Loudness)>,
}

impl PooledLoader {
    pub(super) fn new(
        workers: Workers,
        config: LoadConfig,
        waker: Waker,
        analyst: Option<Analyst>,
        account: Account,
    ) -> Self {
        let (opened_in, opened) = crossbeam_channel::unbounded();
        let (damage_in, damage) = crossbeam_channel::unbounded();
        let (loudness_in, loudness) = crossbeam_channel::unbounded();
        let ends = Arc::default();
        let reply = Replies { opened: opened_in, damage: damage_in, loudness: loudness_in, ends, waker };
        Self { workers, config, reply, analyst, account, opened, damage, loudness }
    }
}

impl Loader for PooledLoader {
    fn open(&mut self, ticket: Ticket, item: &Item, after: Option<Ticket>, urgent: bool) {
        let (config, reply) = (self.config.clone(), self.reply.clone());
        let errand = Arc::new(Errand::of_item(&self.account, &item.path, ticket, &reply.damage));
        let asked = Instant::now();
        let opening = Box::new(Opening { ticket, item: item.clone(), after, config, reply, errand, asked });
        self.workers.open(opening, urgent);
    }

    fn poll(&mut self) -> Option<(Ticket, Result<Loaded, String>)> {
        let (ticket, opened) = self.opened.try_recv().ok()?;
        let loaded = opened.map(|(loaded, question)| {
            // Only now, so that no answer comes before the item that it is of.
            if let Some((analyst, question)) = self.analyst.as_ref().zip(question) {
                let Replies { loudness: reply, waker, .. } = self.reply.clone();
                analyst.ask(Asked { ticket, question, reply, waker });
            }
            loaded
        });
        Some((ticket, loaded))
    }

    fn poll_loudness(&mut self) -> Option<(Ticket, Loudness)> {
        if let Some(analyst) = &self.analyst {
            analyst.look();
        }
        self.loudness.try_recv().ok()
    }

    fn poll_damage(&mut self) -> Option<(Ticket, String)> {
        self.damage.try_recv().ok()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use airchain_codecs::{Codec, Format, fault};
    use airchain_core::Stereo;
    use airchain_core::item::Metadata;
    use airchain_core::source::{Fill, Source};
    use testkit::signal;

    use super::*;
    use crate::decode_pool::DecodePool;
    use crate::file::FileWriter;
    use crate::levels::Levels;
    use crate::loader::InlineLoader;

    #[test]
    fn a_ring_is_filled_up_before_it_hides_the_end_from_a_fade() {
        for crossfade_s in [0.0, 0.5, 4.5, 10.0, 30.0] {
            let spec = crate::StationSpec { crossfade_s, ..crate::StationSpec::default() };
            let low = low_mark(spec.lookahead(None) as usize, 48_000);
            let fade = (crossfade_s * 48_000.0) as usize;
            assert!(low >= fade + 24_000, "{crossfade_s} s: filled up at {low}");
            // One turn suffices to be above the mark again: pieces are of 100 ms.
            assert!(spec.lookahead(None) as usize - low <= PUMPS * 4_800);
        }
    }

    fn config() -> LoadConfig {
        LoadConfig { rate_hz: 48_000, lookahead: 4_800, head: None, levels: Levels::default() }
    }

    /// Opens `items`, each after the one before, all before any of them is read, and reads them.
    fn audio(loader: &mut impl Loader, items: &[Item]) -> Vec<Stereo> {
        let mut open = Vec::new();
        for (number, item) in (0..).zip(items) {
            loader.open(Ticket(number), item, number.checked_sub(1).map(Ticket), false);
            open.push(loop {
                match loader.poll() {
                    Some((ticket, loaded)) => {
                        assert_eq!(ticket, Ticket(number));
                        break loaded.unwrap().source;
                    }
                    None => std::thread::yield_now(),
                }
            });
        }
        open.into_iter().flat_map(|source| read(source, loader)).collect()
    }

    /// Reads an item to its end.
    fn read(mut source: Box<dyn Source>, loader: &mut impl Loader) -> Vec<Stereo> {
        let (mut audio, mut block) = (Vec::new(), [[0.0; 2]; 480]);
        loop {
            let fill = source.fill(&mut block);
            match fill {
                Fill::Full => audio.extend(block),
                Fill::Short { frames } | Fill::End { frames } => audio.extend(&block[..frames]),
            }
            if matches!(fill, Fill::End { .. }) {
                return audio;
            }
            if fill != Fill::Full {
                // Also what keeps the feeds of the inline loader full.
                assert!(loader.poll().is_none());
                std::thread::yield_now();
            }
        }
    }

    /// The answer to the item that was opened as `number`; answers to others are left out.
    fn opened(loader: &mut PooledLoader, number: u64) -> Box<dyn Source> {
        loop {
            match loader.poll() {
                Some((ticket, loaded)) if ticket == Ticket(number) => return loaded.unwrap().source,
                _ => std::thread::yield_now(),
            }
        }
    }

    #[test]
    fn items_that_follow_each_other_join_while_the_first_is_still_decoded() {
        let folder = tempfile::tempdir().unwrap();
        let whole = signal::sine(44_100, 1_000.0, -6.0, 90_001);
        let cuts = [0, 30_001, 60_074, 90_001];
        let format = Format { sample_rate_hz: 44_100, ..Format::of(Codec::PcmF32) };
        let piece = |range: &[usize]| {
            let path = folder.path().join(format!("{}.wav", range[0]));
            let mut writer = FileWriter::create(&path, &format, 44_100, &Metadata::default()).unwrap();
            writer.write(&whole[range[0]..range[1]]).unwrap();
            writer.finish().unwrap();
            Item::file(path.display().to_string())
        };
        let items: Vec<Item> = cuts.windows(2).map(piece).collect();
        let pool = DecodePool::new(2).unwrap();
        let mut loader = pool.loader(config(), Waker::default(), None, Account::alone());
        let pooled = audio(&mut loader, &items);
        assert!(pooled == audio(&mut InlineLoader::new(config()), &items));
        let mono = testkit::measure::channel(&pooled, 0);
        let tone = testkit::measure::tone(&mono[1_000..mono.len() - 1_000], 48_000, 1_000.0);
        assert!(tone.residual_db() <= -110.0, "{:.1} dB", tone.residual_db());
    }

    /// A file that begins with `frame`, then a second of a tone.
    fn file(folder: &std::path::Path, name: &str, frame: Stereo) -> Item {
        let format = Format { sample_rate_hz: 48_000, ..Format::of(Codec::PcmF32) };
        let path = folder.join(name);
        let mut writer = FileWriter::create(&path, &format, 48_000, &Metadata::default()).unwrap();
        writer.write(&[frame]).unwrap();
        writer.write(&signal::sine(48_000, 1_000.0, -6.0, 48_000)).unwrap();
        writer.finish().unwrap();
        Item::file(path.display().to_string())
    }

    #[test]
    fn for_workers_who_hang_stand_ins_take_over_and_leave_again() {
        let folder = tempfile::tempdir().unwrap();
        let pool = DecodePool::new(2).unwrap();
        let workers = pool.workers();
        let watcher = std::thread::spawn({
            let workers = workers.clone();
            move || {
                while !std::thread::panicking() && !workers.is_closing() {
                    workers.watch();
                    std::thread::sleep(std::time::Duration::from_millis(10));
                }
            }
        });
        let account = Account::alone();
        let mut hung = pool.loader(config(), Waker::default(), None, account.clone());
        let good = file(folder.path(), "good.wav", [0.0; 2]);
        hung.open(Ticket(8), &good, None, false);
        let on_air = opened(&mut hung, 8);
        for number in 0..6 {
            let item = file(folder.path(), &format!("hangs-{number}.wav"), fault::DECODER_HANGS);
            hung.open(Ticket(number), &item, None, false);
        }
        let mut healthy = pool.loader(config(), Waker::default(), None, Account::alone());
        assert_eq!(audio(&mut healthy, std::slice::from_ref(&good)).len(), 48_001);
        // Four of the six hang: one station does not get more workers than that, but for what is urgent.
        while account.faults.next().is_none() {
            std::thread::yield_now();
        }
        assert_eq!(workers.threads(), 6);
        hung.open(Ticket(6), &good, None, true);
        let urgent = opened(&mut hung, 6);
        // What is heard of it plays on, however many hang.
        hung.open(Ticket(7), &file(folder.path(), "hangs-7.wav", fault::DECODER_HANGS), None, true);
        while workers.threads() < 7 {
            std::thread::yield_now();
        }
        assert_eq!([on_air, urgent].map(|source| read(source, &mut hung).len()), [48_001; 2]);
        fault::release();
        while workers.threads() > 2 {
            std::thread::yield_now();
        }
        // Those who are left do what there is to do.
        let mut opened = 0;
        while opened < 7 {
            opened += usize::from(hung.poll().is_some());
        }
        assert_eq!(audio(&mut healthy, &[good]).len(), 48_001);
        drop(pool);
        watcher.join().unwrap();
    }
    #[test]
    fn an_item_that_is_dropped_unread_leaves_the_pool() {
        let folder = tempfile::tempdir().unwrap();
        let pool = DecodePool::new(1).unwrap();
        // Longer than its ring and its head, so that it waits for its first reader.
        let config = LoadConfig { head: Some(9_600), lookahead: 24_000, ..config() };
        let mut loader = pool.loader(config, Waker::default(), None, Account::alone());
        loader.open(Ticket(0), &file(folder.path(), "good.wav", [0.0; 2]), None, false);
        let source = opened(&mut loader, 0);
        while pool.workers().feeds() == 0 {
            std::thread::yield_now();
        }
        drop(source);
        while pool.workers().feeds() > 0 {
            std::thread::yield_now();
        }
    }

    #[test]
    fn what_waits_for_a_worker_in_vain_is_given_up() {
        let (opened, answers) = crossbeam_channel::unbounded();
        let reply = Replies {
            opened,
            damage: crossbeam_channel::unbounded().0,
            loudness: crossbeam_channel::unbounded().0,
            ends: Arc::default(),
            waker: Waker::default(),
        };
        let errand = Arc::new(Errand::new(&Account::alone(), "a file"));
        let (item, asked) = (Item::file("a.wav"), Instant::now());
        let opening =
            Opening { ticket: Ticket(3), item, after: None, config: config(), reply, errand, asked };
        assert!(!opening.gives_up(asked + WAITS) && answers.is_empty());
        assert!(opening.gives_up(asked + WAITS + Duration::from_millis(1)));
        let (ticket, answer) = answers.try_recv().unwrap();
        let error = answer.map(drop).unwrap_err();
        assert_eq!((ticket, error.as_str()), (Ticket(3), "a.wav: no decoder was free for it within 12 s"));
    }
}
