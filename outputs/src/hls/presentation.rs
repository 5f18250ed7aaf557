//! What the renditions of an output have in common: their numbers and the multivariant playlist that names them.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;

use super::multivariant::{self, Variant};
use super::playlist::{Entry, Playlist};
use super::store::Directory;
use super::timeline::{Run, Timeline};
use super::{HlsConfig, INDEX, PLAYLIST, target_s};
use crate::leaps::Leaps;
use crate::sink::{Opening, SinkError};

/// The renditions of an output, together.
pub(crate) struct Presentation {
    pub(crate) config: HlsConfig,
    pub(crate) timeline: Arc<Mutex<Timeline>>,
    /// Only locked where file work is done.
    numbers: Mutex<Option<Numbers>>,
    /// Only locked where file work is done.
    index: Mutex<Index>,
}

/// Which numbers a run of the output has.
#[derive(Clone, Debug)]
pub(crate) struct Numbers {
    /// UTC of the position 0, in nanoseconds since 1970, and what the programme leaves out since.
    zero: i128,
    leaps: Leaps,
    /// Number of its first stretch.
    first: u64,
    /// Discontinuities before it.
    discontinuities: u64,
    /// Whether anything was published before, so that the first stretch is a discontinuity.
    joins: bool,
    /// What was published before, by any of the renditions.
    before: BTreeMap<u64, Entry>,
}

#[derive(Default)]
struct Index {
    /// What is known of each rendition that has published something.
    known: Vec<Option<Known>>,
    /// What the multivariant playlist names.
    written: Vec<Variant>,
}

struct Known {
    variant: Variant,
    /// Its next number.
    next: u64,
}

/// Stretches by which a rendition may be behind the others before the multivariant playlist no longer names it: players
/// would begin with what does not go on.
const BEHIND: u64 = 3;

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Presentation {
    /// Of an output that has renditions; nothing is read or written yet.
    pub(crate) fn new(config: HlsConfig) -> Self {
        let renditions = config.renditions.len() + 1;
        let segment_s = config.segment_duration_s;
        let timeline = Timeline::new(renditions, segment_s, target_s(segment_s));
        Self {
            config,
            timeline: Arc::new(Mutex::new(timeline)),
            numbers: Mutex::default(),
            index: Mutex::new(Index { known: (0..renditions).map(|_| None).collect(), written: Vec::new() }),
        }
    }

    /// `EXT-X-TARGETDURATION`.
    pub(crate) fn target_s(&self) -> u64 {
        target_s(self.config.segment_duration_s)
    }

    /// The folder of a rendition, relative to the output's; nothing for the output's own encoding, which lies there.
    fn name(&self, rendition: usize) -> Option<&str> {
        Some(self.config.renditions.get(rendition.checked_sub(1)?)?.name.as_str())
    }

    /// The folder of a rendition.
    pub(crate) fn folder(&self, rendition: usize) -> PathBuf {
        self.name(rendition).map_or(self.config.path.clone(), |name| self.config.path.join(name))
    }

    /// The numbers of this run: with the first opening, they are made to go on from what any rendition has published. Who
    /// still publishes there must be done first.
    pub(crate) fn numbers(&self, opening: &Opening) -> Result<Numbers, SinkError> {
        let mut numbers = lock(&self.numbers);
        if let Some(numbers) = &*numbers {
            return Ok(numbers.clone());
        }
        let root = Directory::unlocked(&self.config.path);
        if self.config.path.exists() {
            root.clear_index()?;
        }
        let folders = (0..=self.config.renditions.len()).map(|rendition| self.folder(rendition));
        folders.clone().try_for_each(|folder| Directory::check_free(&folder))?;
        let found = Numbers::after(folders, opening);
        *numbers = Some(found.clone());
        Ok(found)
    }

    /// Takes note of what is to be declared of a rendition whose next number is `next`.
    pub(crate) fn note(&self, rendition: usize, codec: &'static str, bandwidth: (u64, u64), next: u64) {
        let uri = self.name(rendition).map_or(PLAYLIST.to_owned(), |name| format!("{name}/{PLAYLIST}"));
        if let Some(known) = lock(&self.index).known.get_mut(rendition) {
            *known = Some(Known { variant: Variant { uri, codec, bandwidth }, next });
        }
    }

    /// Writes the multivariant playlist, where it is gone or there is anything new to say, and all renditions have something
    /// published. Without those that have not when it `cannot_wait`, and without those that are far behind.
    pub(crate) fn write_index(&self, cannot_wait: bool) -> Result<(), SinkError> {
        let mut index = lock(&self.index);
        if !(cannot_wait || index.known.iter().all(Option::is_some)) {
            return Ok(());
        }
        let newest = index.known.iter().flatten().map(|known| known.next).max().unwrap_or(0);
        let goes_on = index.known.iter().flatten().filter(|known| known.next + BEHIND >= newest);
        let named: Vec<Variant> = goes_on.map(|known| known.variant.clone()).collect();
        let directory = Directory::unlocked(&self.config.path);
        if named != index.written || !directory.has(INDEX) {
            directory.put(INDEX, multivariant::render(named.clone()).as_bytes())?;
            index.written = named;
        }
        Ok(())
    }
}

impl Numbers {
    /// Numbers beyond all that are in use in some folders; where there are none, from the Unix time in seconds on. What
    /// cannot be read counts for nothing: a rendition never goes back, so it comes in when its number is reached.
    fn after(folders: impl Iterator<Item = PathBuf>, opening: &Opening) -> Self {
        let rate = opening.info.format.sample_rate_hz;
        let epoch = opening.epoch.as_nanosecond();
        let position = super::timeline::nanos(opening.position, rate);
        let leaps = opening.leaps.clone();
        let zero = epoch - position - leaps.before_ns(position);
        let mut this =
            Self { zero, leaps, first: 0, discontinuities: 0, joins: false, before: BTreeMap::new() };
        for folder in folders {
            let (known, next) = published(&folder);
            this.first = this.first.max(next);
            let Some(playlist) = known else { continue };
            this.joins = true;
            this.discontinuities = this.discontinuities.max(playlist.discontinuities_so_far());
            for entry in playlist.entries {
                let there = this.before.get(&entry.sequence).is_some_and(|there| !there.gap);
                if !there {
                    this.before.insert(entry.sequence, entry);
                }
            }
        }
        if !this.joins {
            this.first = this.first.max(u64::try_from(opening.epoch.as_second()).unwrap_or(0));
        }
        this
    }

    /// The number of a stretch.
    pub(crate) fn of(&self, stretch: u64) -> u64 {
        self.first + stretch
    }

    /// Discontinuities before a number of this run.
    pub(crate) fn discontinuities_before(&self, number: u64) -> u64 {
        self.discontinuities + u64::from(self.joins && number > self.first)
    }

    /// The entry of what is between two positions.
    pub(crate) fn entry(&self, number: u64, (start, end): (i128, i128), bytes: u64) -> Entry {
        let micros = |nanos: i128| (nanos + 500).div_euclid(1000);
        let millis = (self.zero + start + self.leaps.before_ns(start)).div_euclid(1_000_000);
        let date = i64::try_from(millis).ok().and_then(|millis| Timestamp::from_millisecond(millis).ok());
        Entry {
            sequence: number,
            date: date.unwrap_or_default(),
            duration_us: u64::try_from(micros(end) - micros(start)).unwrap_or(0),
            discontinuity: self.joins && number == self.first,
            bytes,
            gap: false,
        }
    }

    /// What the others have at a number, for a rendition that lacks it.
    pub(crate) fn missing(&self, run: &Run, number: u64) -> Option<Entry> {
        match number.checked_sub(self.first) {
            Some(stretch) => Some(self.entry(number, run.stretch(stretch), 0)),
            None => self.before.get(&number).cloned(),
        }
    }
}

/// What is published in a folder, and the first number that was never used there.
fn published(folder: &Path) -> (Option<Playlist>, u64) {
    let directory = Directory::unlocked(folder);
    let text = directory.text(PLAYLIST).ok().flatten();
    let known = text.as_deref().and_then(Playlist::parse);
    let files = directory.segments().unwrap_or_default();
    // Files that no playlist has announced will go, and their numbers are free.
    let next = match &known {
        Some(playlist) => playlist.next,
        None => files.last().map_or(0, |file| file.sequence.saturating_add(1)),
    };
    (known, next)
}
