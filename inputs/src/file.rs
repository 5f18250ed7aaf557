//! The file feed: one item decoded, cued, resampled to the station's rate, and fed into a deck's ring.
//!
//! A decode worker calls [`FileFeed::pump`] whenever the ring has room. The ring is closed in the same call that
//! writes the last frame, so a deck sees the true end of an item a ring's length ahead.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::os::unix::fs::MetadataExt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use airchain_codecs::decode::{self, DecodeError, Decoder, Progress, TrackInfo};
use airchain_codecs::grid::Grid;
use airchain_codecs::resample::Resampler;
use airchain_core::feed::{FeedReader, FeedWriter, feed};
use airchain_core::item::{Invalid, Item};
use airchain_core::source::Origin;
use airchain_core::units::seconds_to_frames;
use airchain_core::{Frames, Stereo};

/// Packets decoded by one [`FileFeed::pump`] at most: a bound for files that decode to little or nothing.
const MAX_PACKETS: usize = 64;
/// Frames in a packet of most codecs at most.
const PACKET: usize = 2048;

/// How items are fed to a station.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FeedConfig {
    /// The station's rate in Hz.
    pub rate_hz: u32,
    /// Frames decoded ahead: the capacity of the ring.
    pub lookahead: Frames,
    /// Frames decoded before anybody reads the first of them, where that is less: items that only wait take little memory.
    /// Of one that fits in the ring, or whose file does not say for certain that it does not, the end is to be in sight: the
    /// ring is filled all the same.
    pub head: Option<Frames>,
    /// What [`FileFeed::grid_after`] says of the item that this one follows without a gap, if it does: cut from one
    /// recording, the two are then resampled as one. Counts for nothing when they differ in rate.
    pub after: Option<Grid>,
}

/// An item that is open.
pub struct Opened {
    /// For the decode worker.
    pub feed: FileFeed,
    /// For the deck.
    pub reader: FeedReader,
    /// What the file says of itself.
    pub info: TrackInfo,
    /// Frames at the station's rate that the file declares, between the cue points. A hint: it can be wrong.
    pub length: Option<Frames>,
}

/// What one [`FileFeed::pump`] achieved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pump {
    /// It got on; there is more to do.
    Worked,
    /// The ring has no room now.
    Full,
    /// Everything is in the ring, and the ring is closed.
    Done,
    /// Nobody reads any more.
    Abandoned,
}

/// Why an item cannot be played.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum InputError {
    /// A time or gain of the item cannot be meant; the caller corrects it.
    #[error("{path}: {source}")]
    Item {
        /// The item's path.
        path: String,
        /// What is wrong.
        source: Invalid,
    },
    /// The file cannot be decoded; the caller goes on to the next item.
    #[error(transparent)]
    Decode(#[from] DecodeError),
    /// It is a URL that is no file; the caller plays it as a live input.
    #[error("{scheme}:// items cannot be played as files, give the path of a file")]
    Url {
        /// The URL's scheme. (The URL itself may hold a password.)
        scheme: String,
    },
}

/// One item on its way into a ring.
pub struct FileFeed {
    /// None once everything has been decoded.
    decoder: Option<Box<dyn Decoder>>,
    resampler: Resampler,
    writer: FeedWriter,
    /// Frames at the file's rate up to the cue-out point.
    left: Frames,
    /// Where the item ends on its resampler's grid, as far as that is known.
    grid_after: Option<Grid>,
    /// Frames at the file's rate that one pump decodes.
    batch: usize,
    /// Frames at the station's rate that wait for room, from `carried` on.
    carry: Vec<Stereo>,
    carried: usize,
    /// It waits for its first reader when it holds so many frames.
    head: usize,
    closed: bool,
    damage: Option<String>,
    panicked: bool,
}

impl FileFeed {
    /// Opens an item's file and goes to its cue-in point.
    ///
    /// Cue points are rounded to the nearest frame of the file. What is resampled is the cued part alone: its first
    /// frame out coincides with its first frame in, unless it goes on with the grid of the item before.
    pub fn open(item: &Item, config: &FeedConfig) -> Result<Opened, InputError> {
        item.validate().map_err(|source| InputError::Item { path: item.path.clone(), source })?;
        let path = local_path(&item.path)?;
        // Before it is opened: of a file that is replaced in between, this is then of none that there is.
        let identity = identity(&path);
        let mut decoder = decode::open(&path)?;
        let info = decoder.info().clone();
        let rate = info.sample_rate_hz;
        let (cue_in, cue_out) = cues(item, rate);
        if cue_in > 0 {
            decoder.seek(cue_in)?;
        }
        let grid = Grid::new(rate, config.rate_hz);
        let same = |after: &Grid| (after.from_hz(), after.to_hz()) == (grid.from_hz(), grid.to_hz());
        let grid = config.after.filter(same).unwrap_or(grid);
        let frames = cued(item, &info);
        let length = frames.map(|frames| grid.length(frames));
        // A length that is a guess may be too long, and the end is to be in sight for its join.
        let declared = length.filter(|_| !info.estimated);
        let is_long = |head: Frames| declared.is_some_and(|length| length > config.lookahead + head);
        let (writer, mut reader) = feed(usize::try_from(config.lookahead).unwrap_or(usize::MAX));
        if let Some(identity) = identity.filter(|_| rate == config.rate_hz) {
            reader.set_origin(Arc::new(Origin { path, identity, first: cue_in }));
        }
        let feed = Self {
            decoder: Some(decoder),
            resampler: Resampler::on(grid),
            writer,
            left: cue_out.map_or(Frames::MAX, |cue_out| cue_out.saturating_sub(cue_in)),
            grid_after: frames.map(|frames| grid.after(frames)),
            batch: (rate / 10) as usize,
            carry: Vec::new(),
            carried: 0,
            head: config.head.filter(|head| is_long(*head)).map_or(usize::MAX, |head| head as usize),
            closed: false,
            damage: None,
            panicked: false,
        };
        Ok(Opened { feed, reader, info, length })
    }

    /// Where an item that follows this one without a gap begins: by the length that the file declares, and exactly
    /// once everything has been decoded. `None` while unknown.
    pub fn grid_after(&self) -> Option<Grid> {
        self.grid_after
    }

    /// Does one piece of work: moves up to about 100 ms of audio towards the ring.
    pub fn pump(&mut self) -> Pump {
        if self.closed {
            return Pump::Done;
        }
        if self.writer.is_abandoned() {
            self.decoder = None;
            return Pump::Abandoned;
        }
        if self.waits() {
            return Pump::Full;
        }
        let moved = self.push();
        // Also with a full ring one batch is decoded ahead: it may turn out to be the end.
        let hungry = self.carry.is_empty() && self.decoder.is_some();
        if hungry {
            self.decode();
            self.push();
        }
        if self.carry.is_empty() && self.decoder.is_none() {
            self.writer.close();
            self.closed = true;
            return Pump::Done;
        }
        if hungry || moved { Pump::Worked } else { Pump::Full }
    }

    /// Frames in the ring.
    pub fn buffered(&self) -> usize {
        self.writer.buffered()
    }

    /// Whether it goes on only once somebody reads what it has.
    pub fn waits(&self) -> bool {
        let held = self.writer.buffered();
        !self.writer.is_abandoned() && held >= self.head && self.writer.written() == held as Frames
    }

    /// Frames for which the ring has room.
    pub fn vacant(&self) -> usize {
        self.writer.vacant()
    }

    /// Whether nobody reads any more, so that [`pump`](Self::pump) has nothing left to do.
    pub fn is_abandoned(&self) -> bool {
        self.writer.is_abandoned()
    }

    /// What was wrong with the file, once all of it has been decoded; taken once.
    pub fn take_damage(&mut self) -> Option<String> {
        self.damage.take()
    }

    /// Whether that was a panic of the decoder.
    pub fn has_panicked(&self) -> bool {
        self.panicked
    }

    fn push(&mut self) -> bool {
        let pushed = self.writer.push(&self.carry[self.carried..]);
        self.carried += pushed;
        if self.carried == self.carry.len() {
            // And its memory: most of the time it would only be kept.
            self.carry = Vec::new();
            self.carried = 0;
        }
        pushed > 0
    }

    /// Decodes a batch and appends it, resampled, to `carry`.
    fn decode(&mut self) {
        let Some(decoder) = &mut self.decoder else { return };
        let mut decoded = Vec::with_capacity(self.batch + PACKET);
        let mut failure = None;
        let mut ended = self.left == 0;
        for _ in 0..MAX_PACKETS {
            if ended || decoded.len() >= self.batch {
                break;
            }
            // A panic in a codec ends this item and nothing else.
            match catch_unwind(AssertUnwindSafe(|| decoder.decode(&mut decoded))) {
                Ok(Ok(progress)) => ended = progress == Progress::End,
                Ok(Err(error)) => failure = Some(error.to_string()),
                Err(_) => {
                    self.panicked = true;
                    failure = Some("the decoder failed in the middle of it".into());
                }
            }
            ended |= failure.is_some() || decoded.len() as Frames >= self.left;
        }
        decoded.truncate(usize::try_from(self.left).unwrap_or(usize::MAX));
        self.left -= decoded.len() as Frames;
        self.resampler.process(&decoded, &mut self.carry);
        if ended {
            self.grid_after = Some(self.resampler.grid_after());
            self.resampler.finish(&mut self.carry);
            let noted = catch_unwind(AssertUnwindSafe(|| decoder.take_damage())).ok().flatten();
            let words: Vec<String> = noted.into_iter().chain(failure).collect();
            self.damage = (!words.is_empty()).then(|| words.join("; "));
            self.decoder = None;
        }
    }
}

/// What a file says of itself, with its exact length: where it declares none, it is decoded for it.
pub fn measure(path: &str) -> Result<TrackInfo, InputError> {
    let mut decoder = decode::open(&local_path(path)?)?;
    let mut info = decoder.info().clone();
    if info.estimated || info.frames.is_none() {
        let (mut frames, mut block) = (0, Vec::new());
        loop {
            block.clear();
            // What is damaged is played as far as it goes.
            let progress = decoder.decode(&mut block);
            frames += block.len() as Frames;
            if !matches!(progress, Ok(Progress::More)) {
                break;
            }
        }
        (info.frames, info.estimated) = (Some(frames), false);
    }
    Ok(info)
}

/// What tells the file at `path` from any other that has been or will be there: made of its device, inode, size and time of
/// modification. `None` where there is none.
pub fn identity(path: &Path) -> Option<u64> {
    let file = std::fs::metadata(path).ok()?;
    let mut hasher = DefaultHasher::new();
    (file.dev(), file.ino(), file.size(), file.mtime(), file.mtime_nsec()).hash(&mut hasher);
    Some(hasher.finish())
}

/// Frames between an item's cue points, at the rate of its file; `None` where neither says.
pub fn cued(item: &Item, info: &TrackInfo) -> Option<Frames> {
    let (cue_in, cue_out) = cues(item, info.sample_rate_hz);
    let end = info.frames.into_iter().chain(cue_out).min()?;
    Some(end.saturating_sub(cue_in))
}

/// An item's cue points to the nearest frame of its file.
fn cues(item: &Item, rate_hz: u32) -> (Frames, Option<Frames>) {
    let frame = |seconds| seconds_to_frames(seconds, rate_hz);
    (frame(item.cue_in_s.unwrap_or(0.0)), item.cue_out_s.map(frame))
}

/// The path that an item names: as it is, or as a `file:` URL (RFC 8089). [`InputError::Url`] for other URLs.
pub fn local_path(path: &str) -> Result<PathBuf, InputError> {
    let scheme = path.split_once("://").map(|(scheme, rest)| (scheme.to_ascii_lowercase(), rest));
    match scheme {
        Some((scheme, rest)) if scheme == "file" => {
            let rest = rest.strip_prefix("localhost").unwrap_or(rest);
            Ok(PathBuf::from(percent_decoded(rest)))
        }
        // A scheme is a short word; anything else before "://" is an odd file name.
        Some((scheme, _)) if !scheme.is_empty() && scheme.chars().all(|c| c.is_ascii_alphanumeric()) => {
            Err(InputError::Url { scheme })
        }
        _ => Ok(Path::new(path).to_owned()),
    }
}

fn percent_decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, after @ ..] = rest {
        let hex = after.get(..2).and_then(|hex| std::str::from_utf8(hex).ok());
        match hex.filter(|_| *first == b'%').and_then(|hex| u8::from_str_radix(hex, 16).ok()) {
            Some(byte) => {
                bytes.push(byte);
                rest = &after[2..];
            }
            None => {
                bytes.push(*first);
                rest = after;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}
