//! One rendition among several of an HLS output: a worker, an encoder and a folder of its own, but the cuts and numbers
//! of all of them.
//!
//! What its folder does not take is kept and published when it does again. While it fails the others go on, and when
//! it has lost something for good, that stretch is a gap in its playlist.

use std::collections::VecDeque;
use std::sync::Arc;

use airchain_codecs::container::segment::{Container, SegmentError};
use airchain_codecs::packet::Packet;
use airchain_core::item::Metadata;
use async_trait::async_trait;
use tokio::sync::Mutex;

use super::aligned::{Aligned, Stretch};
use super::presentation::{Numbers, Presentation};
use super::publisher::Publisher;
use super::store::Directory;
use super::timeline::{Run, nanos};
use super::{multivariant, unfit};
use crate::disk;
use crate::sink::{Opening, Output, Retry, Sink, SinkError};

/// Stretches by which a rendition may be ahead of the others before the multivariant playlist is written without them.
const AHEAD: u64 = 1;

/// One rendition of an HLS output.
pub(crate) struct Rendition {
    presentation: Arc<Presentation>,
    index: usize,
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    segmenter: Option<Aligned>,
    /// Not yet published.
    complete: VecDeque<Stretch>,
    publishing: Option<Publishing>,
}

/// What is there while the folder is open.
struct Publishing {
    presentation: Arc<Presentation>,
    index: usize,
    codec: &'static str,
    rate: u32,
    numbers: Numbers,
    publisher: Publisher,
}

impl Rendition {
    /// The `index`-th of a presentation: 0 is the output's own encoding.
    pub(crate) fn new(presentation: Arc<Presentation>, index: usize) -> Self {
        Self { presentation, index, state: Arc::default() }
    }
}

#[async_trait]
impl Output for Rendition {
    fn describe(&self) -> String {
        format!("hls {}", self.presentation.folder(self.index).display())
    }

    async fn open(&mut self, opening: &Opening) -> Result<Box<dyn Sink>, SinkError> {
        let format = opening.info.format;
        let codec = multivariant::codec_name(format.codec)
            .ok_or_else(|| unfit(SegmentError::Codec { container: Container::Ts, codec: format.codec }))?;
        let (presentation, index, opening) = (Arc::clone(&self.presentation), self.index, opening.clone());
        disk::blocking(&self.state, move |state| {
            // The old one holds the directory.
            state.publishing = None;
            match (&mut state.segmenter, &opening.metadata) {
                (None, _) => {
                    let timeline = Arc::clone(&presentation.timeline);
                    state.segmenter = Some(Aligned::new(timeline, index, &opening).map_err(unfit)?);
                }
                // What was lost may have begun with another title.
                (Some(segmenter), Some(metadata)) => segmenter.title(i64::MIN, metadata),
                (Some(_), None) => {}
            }
            let numbers = presentation.numbers(&opening)?;
            let config = &presentation.config;
            let directory = Directory::open(&presentation.folder(index))?;
            let keep = (config.playlist_size, config.retain_segments);
            let publisher = Publisher::open(directory, keep, presentation.target_s(), numbers.of(0))?;
            let rate = format.sample_rate_hz;
            let mut publishing = Publishing { presentation, index, codec, rate, numbers, publisher };
            publishing.note();
            state.publishing = Some(publishing);
            state.publish(false)
        })
        .await?;
        Ok(Box::new(RenditionSink { state: Arc::clone(&self.state) }))
    }
}

impl State {
    /// Publishes what is complete.
    fn publish(&mut self, last: bool) -> Result<(), SinkError> {
        let closed = || SinkError { message: "the HLS output is closed".into(), retry: Retry::Soon };
        let publishing = self.publishing.as_mut().ok_or_else(closed)?;
        let Some(run) = self.segmenter.as_ref().and_then(Aligned::run) else { return Ok(()) };
        while let Some(stretch) = self.complete.front() {
            publishing.publish(&run, stretch)?;
            self.complete.pop_front();
            publishing.index(last)?;
        }
        Ok(())
    }

    /// Publishes the rest, tells players that nothing more will come if that is so, and lets go of the folder.
    fn close(&mut self) -> Result<(), SinkError> {
        if let Some(segmenter) = &mut self.segmenter {
            let mut rest = Vec::new();
            segmenter.finish(&mut rest).map_err(unfit)?;
            self.complete.extend(rest);
        }
        self.publish(true)?;
        let ends = self.publishing.as_mut().filter(|open| open.presentation.config.end_on_close);
        ends.map_or(Ok(()), |open| open.publisher.end())?;
        self.publishing = None;
        Ok(())
    }
}

impl Publishing {
    fn publish(&mut self, run: &Run, stretch: &Stretch) -> Result<(), SinkError> {
        let (numbers, segment) = (&self.numbers, &stretch.segment);
        let number = numbers.of(stretch.number);
        if self.publisher.next() > number {
            return Ok(()); // It is published, or something of that number was before this run.
        }
        let before = numbers.discontinuities_before(number);
        self.publisher.catch_up(number, before, |number| numbers.missing(run, number));
        let ends = (nanos(segment.start, self.rate), nanos(segment.end, self.rate));
        let entry = numbers.entry(number, ends, segment.data.len() as u64);
        self.publisher.publish(entry, &segment.data)?;
        Ok(())
    }

    /// Has the multivariant playlist say what is true of this rendition.
    fn index(&mut self, last: bool) -> Result<(), SinkError> {
        self.note();
        let is_ahead = self.publisher.next() > self.numbers.of(AHEAD);
        self.presentation.write_index(last || is_ahead)
    }

    fn note(&mut self) {
        if let Some(bandwidth) = self.publisher.bandwidth() {
            self.presentation.note(self.index, self.codec, bandwidth, self.publisher.next());
        }
    }
}

struct RenditionSink {
    state: Arc<Mutex<State>>,
}

#[async_trait]
impl Sink for RenditionSink {
    async fn packet(&mut self, packet: &Packet) -> Result<(), SinkError> {
        let mut complete = Vec::new();
        let mut state = self.state.lock().await;
        if let Some(segmenter) = &mut state.segmenter {
            segmenter.packet(packet, &mut complete).map_err(unfit)?;
        }
        if complete.is_empty() {
            return Ok(());
        }
        state.complete.extend(complete);
        drop(state);
        disk::blocking(&self.state, |state| state.publish(false)).await
    }

    async fn title(&mut self, at: i64, metadata: &Arc<Metadata>) -> Result<(), SinkError> {
        if let Some(segmenter) = &mut self.state.lock().await.segmenter {
            segmenter.title(at, metadata);
        }
        Ok(())
    }

    async fn close(&mut self) -> Result<(), SinkError> {
        disk::blocking(&self.state, State::close).await
    }
}
