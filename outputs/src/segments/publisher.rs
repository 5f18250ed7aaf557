//! Publishes the segments of one track: it alone changes what lies in the track's folder.
//!
//! Things are put in an order by which nothing is ever announced that is not there: what decoders need first, the segment,
//! the playlist that names it, the multivariant playlist. What fails is tried again with growing pauses and loses nothing:
//! what waits meanwhile is published in its order, as far back as a window reaches, and what is older is a gap.

use std::collections::BTreeSet;
use std::sync::Arc;

use airchain_codecs::Codec;
use airchain_codecs::container::segment::is_independent;
use airchain_codecs::packet::StreamInfo;
use bytes::Bytes;
use tokio::time::sleep;

use super::bandwidth::Bandwidth;
use super::name::{self, PLAYLIST, parse_segment};
use super::outbox::{Outbox, Publishing, Waiting};
use super::presentation::{Numbers, Presentation, Shown};
use super::store::{Folder, Found};
use super::timeline::{Run, nanos};
use super::window::{Entry, Retired, Window};
use crate::dash::{Lines, Told};
use crate::hls::playlist::{self, Style};
use crate::sink::SinkError;
use crate::worker::Pauses;

/// The publisher of a track.
pub(crate) struct Publisher {
    presentation: Arc<Presentation>,
    track: usize,
    folder: Arc<dyn Folder>,
    numbers: Numbers,
    window: Window,
    retired: Retired,
    bandwidth: Bandwidth,
    /// What DASH is told, where it is.
    dash: Option<Lines>,
    /// It has not been told of what is in the window.
    untold: bool,
    /// What decoders need before the segments of this run.
    init: Option<Bytes>,
    /// Runs of which that lies in the folder.
    inits: BTreeSet<i64>,
    codec: Codec,
    rate: u32,
    style: Style,
    /// Files of parts.
    parts: Retired,
    /// The window has changed since its playlist was put.
    unannounced: bool,
    /// There may be something new to say in the multivariant playlist, or a file that may go: at first, and with each segment.
    unnamed: bool,
    /// Where the last segment of this run ended, in nanoseconds of what the station has sent.
    end: Option<i128>,
}

impl Publisher {
    /// Takes up what is published in the folder of a track, or starts afresh in an empty one. Nothing visible changes yet.
    pub(crate) async fn take_up(
        presentation: &Arc<Presentation>,
        track: usize,
        numbers: Numbers,
        info: &StreamInfo,
        init: Option<Bytes>,
    ) -> Result<Self, SinkError> {
        let format = &info.format;
        let layout = &presentation.layout;
        let folder = Arc::clone(presentation.folder(track));
        folder.claim().await?;
        let text = folder.text(PLAYLIST).await?;
        let found = folder.list().await?;
        let known = text.as_deref().and_then(playlist::parse);
        if text.is_some() && known.is_none() {
            folder.set_aside(PLAYLIST).await?;
        }
        let extension = layout.container.extension(format.codec);
        let mut segments = segments(&found);
        let mut window = known.unwrap_or_else(|| Window::new(layout.target_s, extension, numbers.of(0)));
        // Files beyond the playlist were never announced: their number is free, their name is not used again.
        for (_, unannounced) in segments.extract_if(.., |(number, _)| *number >= window.next) {
            remove(folder.as_ref(), &unannounced.name).await;
        }
        // Parts of before are told no more once something new is, and stay for three target durations then (8216bis, 6.2.2).
        let mut parts = Retired::new(0, 0, Vec::new(), 0, 0);
        for part in found.iter().filter(|found| name::parse_part(&found.name).is_some()) {
            parts.push(part.name.clone(), layout.target_s * 4_000_000);
        }
        keep_what_fits(&mut window, &segments, extension);
        if layout.target_s > window.target_s {
            tracing::warn!(
                "longer segments than before: the target duration of {} changes",
                folder.describe()
            );
        }
        window.target_s = window.target_s.max(layout.target_s);
        window.ended = false;
        let dash = match layout.dash {
            true => Some(presentation.told(track, format, &window).await),
            false => None,
        };
        let left = segments.into_iter().filter(|(number, _)| *number < window.first());
        let left: Vec<String> = left.map(|(_, found)| found.name).collect();
        let each_us = window.lasts_us() / window.entries.len().max(1) as u64;
        let part_us = layout.part_frames(info).map(|frames| micros_up(frames, format.sample_rate_hz));
        let hold_back_us = presentation.hold_back_us(part_us.unwrap_or(0));
        Ok(Self {
            retired: Retired::new(
                layout.retain,
                window.lasts_us(),
                left,
                each_us,
                layout.target_s * 1_000_000,
            ),
            bandwidth: Bandwidth::new(format, layout, presentation.declared(track).await),
            inits: found.iter().filter_map(|found| name::parse_init(&found.name)).collect(),
            codec: format.codec,
            rate: format.sample_rate_hz,
            dash,
            untold: false,
            style: Style { independent: is_independent(format.codec), part_us, hold_back_us },
            parts,
            presentation: Arc::clone(presentation),
            unannounced: false,
            // What is there may be worth naming before anything comes.
            unnamed: true,
            end: None,
            track,
            folder,
            numbers,
            window,
            init,
        })
    }

    /// Publishes what comes to the outbox, until the end.
    pub(crate) async fn run(mut self, publishing: Publishing) {
        let outbox = &*publishing.outbox;
        // What was published before goes on: players that wait for more are held from now on.
        if !self.window.entries.is_empty() {
            self.show();
        }
        let (mut pauses, mut failed) = (Pauses::default(), false);
        loop {
            let result = self.try_to_publish(outbox, failed).await;
            outbox.tell(result.as_ref().err());
            failed = result.is_err();
            match result {
                Ok(true) => break,
                Ok(false) => {
                    pauses = Pauses::default();
                    outbox.work().await;
                }
                Err(error) => tokio::select! {
                    () = sleep(pauses.next(error.retry)) => {}
                    // What is left gets one more chance at once.
                    () = outbox.ending(), if !outbox.is_ending() => {}
                },
            }
        }
        self.folder.release().await;
    }

    async fn try_to_publish(&mut self, outbox: &Outbox, failed: bool) -> Result<bool, SinkError> {
        if failed {
            self.recover().await?;
        }
        self.publish(outbox).await
    }

    /// Takes the folder anew after a fault. Where somebody has taken away what was in it, that is not announced any more.
    async fn recover(&mut self) -> Result<(), SinkError> {
        self.folder.claim().await?;
        if !self.window.entries.is_empty() && !self.folder.has(PLAYLIST).await {
            let found = self.folder.list().await?;
            let extension = self.window.extension.clone();
            keep_what_fits(&mut self.window, &segments(&found), &extension);
            self.inits.retain(|run| found.iter().any(|found| found.name == name::init(*run)));
            (self.unannounced, self.unnamed) = (true, true);
        }
        Ok(())
    }

    /// Publishes what waits, and ends the playlist where nothing more will come. Whether that is so.
    async fn publish(&mut self, outbox: &Outbox) -> Result<bool, SinkError> {
        // What was handed over before the end was told is there by now.
        let ending = outbox.is_ending();
        loop {
            let next = outbox.first();
            // The last part of a segment is told of together with it: what comes next is another's.
            let open = self.window.open.as_ref().map(|open| open.number);
            if !next.as_ref().is_some_and(|next| next.part.is_none() && Some(next.entry.number) == open) {
                self.announce().await?;
            }
            let Some(waiting) = next else { break };
            // Where the next segment has begun nobody waits for parts any more.
            let is_late = waiting.part.is_some() && outbox.has_behind(waiting.entry.number);
            if !is_late {
                self.put(waiting).await?;
            }
            outbox.done();
        }
        if ending {
            self.window.ended = self.presentation.layout.end_on_close && !outbox.goes_on();
            self.unannounced |= self.window.ended;
            self.untold |= self.window.ended;
            self.announce().await?;
            self.presentation.write_index(true).await?;
        }
        Ok(ending)
    }

    /// Puts a segment or a part of one, and makes it part of the window.
    async fn put(&mut self, waiting: Waiting) -> Result<(), SinkError> {
        let Waiting { entry, frames, data, run, titles, part } = waiting;
        let number = entry.number;
        if self.window.next > number {
            return Ok(()); // Something of that number was before this run.
        }
        let extension = &self.window.extension;
        let name = match part {
            Some((index, _)) => name::part(entry.run, number, index, extension),
            None => name::segment(entry.run, number, extension),
        };
        let is_there = data.is_some();
        if let Some(data) = data {
            if let Some(init) = self.init.clone().filter(|_| !self.inits.contains(&entry.run)) {
                self.folder.put(&name::init(entry.run), init).await?;
                self.inits.insert(entry.run);
            }
            self.folder.put(&name, data).await?;
        }
        if let Some(run) = run {
            self.catch_up(number, nanos(frames.0, self.rate), &run);
        }
        if let Some((index, date)) = part {
            if is_there {
                // It is told until three target durations behind its segment have come, and stays for three more (8216bis,
                // 6.2.2).
                self.parts.push(name, self.window.target_s * 8_000_000);
                self.unannounced |= self.window.add_part(&entry, index, date);
            }
            return Ok(());
        }
        let (entry, lasts_us) = (Entry { gap: !is_there, ..entry }, entry.duration_us);
        let left = self.window.append(entry.clone(), self.presentation.layout.window);
        for (at, metadata) in titles {
            self.window.songs.begin(self.numbers.run, at, &metadata);
        }
        if let Some(lines) = self.dash.as_mut().filter(|_| is_there) {
            lines.note(&entry, frames, &self.window, &self.presentation.layout);
        }
        self.untold = true;
        self.retired.note(&self.window, lasts_us, &left);
        self.parts.note(&self.window, lasts_us, &[]);
        self.end = Some(nanos(frames.1, self.rate));
        self.bandwidth.measure(&self.window);
        (self.unannounced, self.unnamed) = (true, true);
        Ok(())
    }

    /// Comes to a number that begins at a position, as the other tracks have: what this one lacks before it is gaps.
    fn catch_up(&mut self, number: u64, begins: i128, run: &Run) {
        let (first, end) = (self.window.next, self.end);
        let missing = |missing, last: &Entry| {
            let from = end.filter(|_| missing == first);
            self.numbers.missing(run, missing, (from, (missing + 1 == number).then_some(begins)), last)
        };
        let left = self.window.catch_up(number, self.presentation.layout.window, missing);
        let gaps = self.window.entries.iter().filter(|entry| entry.number >= first);
        let gaps_us = gaps.map(|entry| entry.duration_us).sum();
        self.retired.note(&self.window, gaps_us, &left);
        // The window knows of those that are long ago.
        let so_far = self.window.discontinuities_so_far();
        let discontinuities = self.numbers.discontinuities_before(run, number).max(so_far);
        if (self.window.next, so_far) != (number, discontinuities) {
            let left = self.window.begin_anew(number, discontinuities);
            self.retired.note(&self.window, 0, &left);
        }
    }

    /// Has the playlists say what there is, and removes what no player can want any more.
    async fn announce(&mut self) -> Result<(), SinkError> {
        if self.unannounced {
            let text = playlist::render(&self.window, &self.style, None);
            self.folder.put(PLAYLIST, text.into()).await?;
            if self.untold {
                self.tell().await?;
                self.untold = false;
            }
            self.unannounced = false;
            self.show();
        }
        if !self.unnamed {
            return Ok(());
        }
        if self.bandwidth.declared().is_none() && !self.window.entries.is_empty() {
            self.bandwidth.measure(&self.window);
        }
        if let Some(bandwidth) = self.bandwidth.declared() {
            self.presentation.note(self.track, self.codec, bandwidth, self.window.next).await;
            self.presentation.write_index(self.window.next > self.numbers.of(1)).await?;
        }
        while let Some(name) = self.retired.due() {
            self.remove(name).await;
            self.retired.forget();
        }
        while let Some(name) = self.parts.due() {
            self.remove(name).await;
            self.parts.forget();
        }
        self.remove_inits().await;
        self.unnamed = false;
        Ok(())
    }

    /// Shows players that wait what is published, where it comes in parts.
    fn show(&self) {
        if self.style.part_us.is_some() {
            let (window, style, run) = (self.window.clone(), self.style.clone(), self.numbers.run);
            self.presentation.show(self.track, Shown { window, style, run });
        }
    }

    /// Has DASH told the same.
    async fn tell(&self) -> Result<(), SinkError> {
        let (Some(lines), Some((bandwidth, _))) = (&self.dash, self.bandwidth.declared()) else {
            return Ok(());
        };
        let told = Told { lines: lines.clone(), bandwidth, ended: self.window.ended };
        self.presentation.write_manifest(self.track, told, self.window.next > self.numbers.of(1)).await
    }

    /// Removes what decoders needed for runs of which nothing is left.
    async fn remove_inits(&mut self) {
        let run = self.numbers.run;
        let is_used = |of: i64| {
            of == run
                || self.window.entries.iter().any(|entry| entry.run == of)
                || self.retired.names().any(|name| parse_segment(name).is_some_and(|(run, ..)| run == of))
        };
        let unused: Vec<i64> = self.inits.iter().copied().filter(|of| !is_used(*of)).collect();
        for of in unused {
            self.remove(&name::init(of)).await;
            self.inits.remove(&of);
        }
    }

    async fn remove(&self, name: &str) {
        remove(self.folder.as_ref(), name).await;
    }
}

/// Removes a file. That it cannot be removed holds nothing up; the next start tries again.
async fn remove(folder: &dyn Folder, name: &str) {
    if let Err(error) = folder.remove(name).await {
        tracing::warn!("an old file stays: {error}");
    }
}

/// A length in microseconds, rounded up to a whole millisecond.
fn micros_up(frames: i64, rate: u32) -> u64 {
    let frames = u64::try_from(frames).unwrap_or(0);
    (frames * 1000).div_ceil(rate.max(1).into()) * 1000
}

/// The segments among files, with their numbers, the oldest first.
fn segments(found: &[Found]) -> Vec<(u64, Found)> {
    let number = |found: &Found| parse_segment(&found.name).map(|(_, number, _)| (number, found.clone()));
    let mut segments: Vec<_> = found.iter().filter_map(number).collect();
    segments.sort_by_key(|(number, _)| *number);
    segments
}

/// Keeps those newest entries whose files are there, whole, and of this container, with their sizes.
fn keep_what_fits(window: &mut Window, found: &[(u64, Found)], extension: &str) {
    let mut keep = 0;
    if window.extension == extension {
        for index in (0..window.entries.len()).rev() {
            let Some(entry) = window.entries.get(index) else { break };
            let name = window.name(entry);
            let file = found.iter().find(|(_, found)| found.name == name);
            // Where the power failed a file may be empty.
            let bytes = file.map_or(0, |(_, found)| found.bytes);
            if bytes == 0 && !entry.gap {
                break;
            }
            if let Some(entry) = window.entries.get_mut(index) {
                entry.bytes = bytes;
            }
            keep += 1;
        }
    }
    while window.entries.len() > keep {
        window.pop();
    }
    window.extension = extension.to_owned();
}
