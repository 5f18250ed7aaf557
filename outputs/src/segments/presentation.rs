//! What the tracks of an output have in common: where they lie, their numbers, and the multivariant playlist that names them.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use airchain_codecs::container::segment::{Container, is_independent};
use airchain_codecs::packet::StreamInfo;
use airchain_codecs::{Codec, Format};
use jiff::Timestamp;
use tokio::sync::watch;

use super::name::{INDEX, PLAYLIST, parse_segment};
use super::store::{Folder, StoreConfig};
use super::timeline::{Begin, Run, Timeline, nanos};
use super::window::{Entry, Window};
use crate::dash::{Lines, MANIFEST, Told, mpd};
use crate::hls::multivariant::{self, Variant};
use crate::hls::playlist::{self, Style};
use crate::leaps::Leaps;
use crate::sink::{Opening, SinkError};

/// How an output is laid out.
#[derive(Clone, Debug)]
pub(crate) struct Layout {
    /// Kind of segments.
    pub(crate) container: Container,
    /// Length of a segment, in seconds.
    pub(crate) segment_s: f64,
    /// No segment is longer, rounded to whole seconds.
    pub(crate) target_s: u64,
    /// Segments in the window.
    pub(crate) window: usize,
    /// Segments kept behind it, at least.
    pub(crate) retain: usize,
    /// Whether a clean end is told to players.
    pub(crate) end_on_close: bool,
    /// Whether there is a manifest of DASH, too.
    pub(crate) dash: bool,
    /// Whether segments come in parts (low latency).
    pub(crate) parts: bool,
}

/// Parts last at most so long, in milliseconds: a third of a second.
const PART_MS: i64 = 334;
/// `PART-HOLD-BACK`, in part targets.
const HOLD_BACK_PARTS: u64 = 3;

impl Layout {
    /// Frames of the parts of an encoding, but for the last of a segment: as many whole packets as fit.
    pub(crate) fn part_frames(&self, info: &StreamInfo) -> Option<i64> {
        let packet = i64::from(info.packet_frames.unwrap_or(1).max(1));
        let most = i64::from(info.format.sample_rate_hz) * PART_MS / 1000;
        self.parts.then(|| (most / packet).max(1) * packet)
    }
}

/// The tracks of an output, together.
pub(crate) struct Presentation {
    pub(crate) layout: Layout,
    pub(crate) timeline: Arc<Mutex<Timeline>>,
    tracks: Vec<Track>,
    numbers: tokio::sync::Mutex<Option<Numbers>>,
    index: tokio::sync::Mutex<Index>,
    manifest: tokio::sync::Mutex<Manifest>,
}

struct Track {
    /// Its media playlist, relative to the multivariant one.
    uri: String,
    folder: Arc<dyn Folder>,
    /// What is published, for those who wait for more.
    shown: watch::Sender<Option<Arc<Shown>>>,
}

/// What is published of a track.
#[derive(Debug)]
pub(crate) struct Shown {
    pub(crate) window: Window,
    pub(crate) style: Style,
    /// The run of what comes next.
    pub(crate) run: i64,
}

/// Which numbers a run of the output has.
#[derive(Clone, Debug)]
pub(crate) struct Numbers {
    /// Unix time in milliseconds at which it began: part of all names.
    pub(crate) run: i64,
    /// UTC of the position 0, in nanoseconds since 1970, and where dates leap since.
    zero: i128,
    leaps: Leaps,
    /// Number of its first stretch.
    first: u64,
    /// Discontinuities before it.
    discontinuities: u64,
    /// Whether anything was published before, so that the first stretch is a discontinuity.
    joins: bool,
    /// What was published before, by any of the tracks.
    before: BTreeMap<u64, Entry>,
}

#[derive(Default)]
struct Index {
    /// What is known of each track that has published something.
    known: Vec<Option<Known>>,
    /// What the multivariant playlist names.
    written: Vec<Variant>,
    /// What it said when the output began.
    found: String,
}

#[derive(Default)]
struct Manifest {
    /// What it said when the output began.
    found: String,
    /// What is to be told of each track.
    told: BTreeMap<usize, Told>,
}

struct Known {
    variant: Variant,
    /// Its next number.
    next: u64,
}

/// Stretches by which a track may be behind the others before the multivariant playlist and the manifest of DASH no longer
/// name it: players would begin with what does not go on.
pub(crate) const BEHIND: u64 = 3;

impl Presentation {
    /// Of tracks in folders of a store: the first lies where the multivariant playlist does, `further` ones in folders below,
    /// by their names. Nothing is read or written yet.
    pub(crate) fn new(layout: Layout, store: &StoreConfig, further: &[&str]) -> Self {
        let track = |name: Option<&str>| Track {
            uri: name.map_or(PLAYLIST.to_owned(), |name| format!("{name}/{PLAYLIST}")),
            folder: store.folder(name),
            shown: watch::Sender::new(None),
        };
        let tracks: Vec<_> =
            std::iter::once(None).chain(further.iter().copied().map(Some)).map(track).collect();
        let count = tracks.len();
        let timeline = Timeline::new(count, layout.segment_s, layout.target_s);
        Self {
            layout,
            timeline: Arc::new(Mutex::new(timeline)),
            tracks,
            numbers: Default::default(),
            index: tokio::sync::Mutex::new(Index {
                known: (0..count).map(|_| None).collect(),
                ..Index::default()
            }),
            manifest: Default::default(),
        }
    }

    /// Whether there is but one.
    pub(crate) fn is_alone(&self) -> bool {
        self.count() == 1
    }

    /// `PART-HOLD-BACK` of a track with parts of at most `part_us`, in microseconds: three of the longest that there are, as the
    /// standard recommends (8216bis, 4.4.3.8). It must be the same in all tracks (6.2.4), whatever their packets come to.
    pub(crate) fn hold_back_us(&self, part_us: u64) -> u64 {
        let longest_us = if self.is_alone() { part_us } else { part_us.max(PART_MS as u64 * 1000) };
        HOLD_BACK_PARTS * longest_us
    }

    /// The folder of a track.
    #[allow(clippy::indexing_slicing, reason = "tracks are counted when the output is made")]
    pub(crate) fn folder(&self, track: usize) -> &Arc<dyn Folder> {
        &self.tracks[track].folder
    }

    /// The numbers of this run: with the first opening, they are made to go on from what any track has published. Who
    /// still publishes there must be done first.
    pub(crate) async fn numbers(&self, opening: &Opening) -> Result<Numbers, SinkError> {
        let mut numbers = self.numbers.lock().await;
        if let Some(numbers) = &*numbers {
            return Ok(numbers.clone());
        }
        let root = self.folder(0);
        match root.text(INDEX).await? {
            Some(text) if multivariant::is_own(&text) => self.index.lock().await.found = text,
            Some(_) => root.set_aside(INDEX).await?,
            None => {}
        }
        let manifest = if self.layout.dash { root.text(MANIFEST).await? } else { None };
        match manifest {
            Some(text) if mpd::is_own(&text) => self.manifest.lock().await.found = text,
            Some(_) => root.set_aside(MANIFEST).await?,
            None => {}
        }
        for track in &self.tracks {
            track.folder.check_free().await?;
        }
        let mut found = Numbers::new(opening);
        for track in &self.tracks {
            let (known, next, run) = published(track.folder.as_ref()).await;
            found.take_note(known, next, run);
        }
        found.begin(opening);
        *numbers = Some(found.clone());
        Ok(found)
    }

    /// The `BANDWIDTH` that was declared of a track when the output began; 0 where none was.
    pub(crate) async fn declared(&self, track: usize) -> u64 {
        let uri = self.tracks.get(track).map_or("", |track| track.uri.as_str());
        multivariant::declared(&self.index.lock().await.found, uri).unwrap_or(0)
    }

    /// Takes note of what is to be declared of a track whose next number is `next`.
    pub(crate) async fn note(&self, track: usize, codec: Codec, bandwidth: (u64, u64), next: u64) {
        let (Some(Track { uri, .. }), Some(name)) = (self.tracks.get(track), codec.hls_codecs_string())
        else {
            return;
        };
        if let Some(known) = self.index.lock().await.known.get_mut(track) {
            let independent = is_independent(codec);
            let variant = Variant { uri: uri.clone(), codec: name, bandwidth, independent };
            *known = Some(Known { variant, next });
        }
    }

    /// Shows what is published of a track to those who wait for it.
    pub(crate) fn show(&self, track: usize, shown: Shown) {
        if let Some(track) = self.tracks.get(track) {
            track.shown.send_replace(Some(Arc::new(shown)));
        }
    }

    /// What is published of each track, by the media playlist.
    pub(crate) fn shown(&self) -> impl Iterator<Item = (&str, watch::Receiver<Option<Arc<Shown>>>)> {
        self.tracks.iter().map(|track| (track.uri.as_str(), track.shown.subscribe()))
    }

    /// The folder of a track as seen from the multivariant playlist: empty, or with a `/`.
    fn below(&self, track: usize) -> &str {
        self.tracks.get(track).and_then(|track| track.uri.strip_suffix(PLAYLIST)).unwrap_or_default()
    }

    /// What the manifest of DASH told of a track when the output began, of what is in its window.
    pub(crate) async fn told(&self, track: usize, format: &Format, window: &Window) -> Lines {
        Lines::found(&self.manifest.lock().await.found, self.below(track), format, window)
    }

    /// Has the manifest of DASH tell something new of a track, once all have something published or it `cannot_wait`.
    pub(crate) async fn write_manifest(
        &self,
        track: usize,
        told: Told,
        cannot_wait: bool,
    ) -> Result<(), SinkError> {
        let mut manifest = self.manifest.lock().await;
        manifest.told.insert(track, told);
        if manifest.told.len() < self.count() && !cannot_wait {
            return Ok(());
        }
        let told: Vec<_> = manifest.told.iter().map(|(track, told)| (self.below(*track), told)).collect();
        let text = mpd::render(&self.layout, &told, Timestamp::now());
        self.folder(0).put(MANIFEST, text.into()).await
    }

    /// How many there are.
    pub(crate) fn count(&self) -> usize {
        self.tracks.len()
    }

    /// Writes the multivariant playlist, where it is gone or there is anything new to say, and all tracks have something
    /// published. Without those that have not when it `cannot_wait`, and without those that are far behind.
    pub(crate) async fn write_index(&self, cannot_wait: bool) -> Result<(), SinkError> {
        let mut index = self.index.lock().await;
        if index.known.iter().all(Option::is_none)
            || !(cannot_wait || index.known.iter().all(Option::is_some))
        {
            return Ok(());
        }
        let newest = index.known.iter().flatten().map(|known| known.next).max().unwrap_or(0);
        let goes_on = index.known.iter().flatten().filter(|known| known.next + BEHIND >= newest);
        let named: Vec<Variant> = goes_on.map(|known| known.variant.clone()).collect();
        let root = self.folder(0);
        if named != index.written || !root.has(INDEX).await {
            root.put(INDEX, multivariant::render(named.clone()).into()).await?;
            index.written = named;
        }
        Ok(())
    }
}

impl Numbers {
    fn new(opening: &Opening) -> Self {
        let rate = opening.info.format.sample_rate_hz;
        let position = nanos(opening.position, rate);
        let leaps = opening.leaps.clone();
        Self {
            run: opening.epoch.as_millisecond(),
            zero: opening.epoch.as_nanosecond() - position - leaps.before_ns(position),
            leaps,
            first: 0,
            discontinuities: 0,
            joins: false,
            before: BTreeMap::new(),
        }
    }

    /// Goes on from what a track has published: its playlist, the first number that was never used, and its newest run.
    fn take_note(&mut self, known: Option<Window>, next: u64, run: Option<i64>) {
        self.first = self.first.max(next);
        // Whatever became of the clock, names are new.
        self.run = run.map_or(self.run, |run| self.run.max(run.saturating_add(1)));
        let Some(window) = known else { return };
        self.joins = true;
        self.discontinuities = self.discontinuities.max(window.discontinuities_so_far());
        for entry in window.entries {
            let there = self.before.get(&entry.number).is_some_and(|there| !there.gap);
            if !there {
                self.before.insert(entry.number, entry);
            }
        }
    }

    /// Where nothing was published numbers begin with the Unix time in seconds: they go on growing even when somebody has
    /// emptied the folder.
    fn begin(&mut self, opening: &Opening) {
        if !self.joins {
            self.first = self.first.max(u64::try_from(opening.epoch.as_second()).unwrap_or(0));
        }
    }

    /// The number of a stretch.
    pub(crate) fn of(&self, stretch: u64) -> u64 {
        self.first + stretch
    }

    /// Discontinuities before a number of a run that is cut like this, as far as settings of the clock are remembered.
    pub(crate) fn discontinuities_before(&self, run: &Run, number: u64) -> u64 {
        let Some(last) = number.checked_sub(self.first + 1) else { return self.discontinuities };
        let settings = self.leaps.settings(run.stretch(0).0, run.stretch(last).0);
        let mut behind: Vec<u64> = settings.into_iter().map(|at| run.first_from(at)).collect();
        behind.dedup();
        self.discontinuities + u64::from(self.joins) + behind.len() as u64
    }

    /// When a position in a segment is on air, in nanoseconds of what the station has sent: to the millisecond.
    pub(crate) fn date(&self, begin: Begin, position: i128) -> Timestamp {
        let millis = (self.zero + position + self.leaps.before_ns(begin.at)).div_euclid(1_000_000);
        let date = i64::try_from(millis).ok().and_then(|millis| Timestamp::from_millisecond(millis).ok());
        date.unwrap_or_default()
    }

    /// Whether the clock was set since the segment before, so that players have to map dates anew.
    fn is_set(&self, begin: Begin) -> bool {
        begin.before.is_some_and(|before| !self.leaps.settings(before, begin.at).is_empty())
    }

    /// The entry of what is between two positions of a segment, in nanoseconds.
    pub(crate) fn entry(&self, number: u64, begin: Begin, (start, end): (i128, i128), bytes: u64) -> Entry {
        // Both ends are rounded on one scale, so that any number of durations adds up.
        let micros = |nanos: i128| (nanos + 500).div_euclid(1000);
        Entry {
            number,
            run: self.run,
            date: self.date(begin, start),
            duration_us: u64::try_from(micros(end) - micros(start)).unwrap_or(0),
            discontinuity: (self.joins && number == self.first) || self.is_set(begin),
            bytes,
            gap: false,
            parts: Vec::new(),
        }
    }

    /// What the others have at a number, for a track that lacks it behind `last`. It lasts from cut to cut, but where the track's own
    /// segments beside it end and begin, which may be by less than a packet apart from those.
    pub(crate) fn missing(
        &self,
        run: &Run,
        number: u64,
        (from, to): (Option<i128>, Option<i128>),
        last: &Entry,
    ) -> Option<Entry> {
        match number.checked_sub(self.first) {
            Some(stretch) => {
                let (start, end) = run.stretch(stretch);
                let ends = (from.unwrap_or(start), to.unwrap_or(end));
                Some(self.entry(number, Begin::of(run, stretch), ends, 0))
            }
            None => Some(self.before.get(&number)?.clone().behind(last)),
        }
    }
}

/// What is published in a folder, the first number that was never used there, and the newest run. What cannot be read
/// counts for nothing: a track never goes back, so it comes in when its number is reached.
async fn published(folder: &dyn Folder) -> (Option<Window>, u64, Option<i64>) {
    let text = folder.text(PLAYLIST).await.ok().flatten();
    let known = text.as_deref().and_then(playlist::parse);
    let files = folder.list().await.unwrap_or_default();
    let files = || files.iter().filter_map(|file| parse_segment(&file.name));
    // Files that no playlist has announced will go, and their numbers are free.
    let next = match &known {
        Some(window) => window.next,
        None => files().map(|(_, number, _)| number.saturating_add(1)).max().unwrap_or(0),
    };
    let announced = known.iter().flat_map(|window| window.entries.iter().map(|entry| entry.run));
    let run = files().map(|(run, ..)| run).chain(announced).max();
    (known, next, run)
}
