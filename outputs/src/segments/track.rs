//! One track of an output: a worker, an encoder and a folder of its own, but the cuts and numbers of all of them.
//!
//! Its sink never waits long for the store: what is complete goes to the [`Publisher`]'s outbox. While a folder fails the
//! other tracks go on, and when something is lost for good, that stretch is a gap in its playlist.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use airchain_codecs::container::segment::SegmentError;
use airchain_codecs::packet::Packet;
use airchain_core::item::Metadata;
use async_trait::async_trait;
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout};
use tracing::Instrument;

use super::builder::{Part, Segment};
use super::cutter::{Cutter, OnGap, Piece, What};
use super::outbox::{Outbox, Waiting};
use super::presentation::{Numbers, Presentation};
use super::publisher::Publisher;
use super::timeline::{Begin, Run, nanos};
use crate::sink::{Health, Opening, Output, Retry, Sink, SinkError};

/// By how much longer than the audio lasts a sink waits, in all, for what it has handed over to be published. Where all is well,
/// that is out when the packet that completed it is taken. Where the store is too slow, segments wait in the outbox, which holds a
/// whole window and says so, and not audio in the queue.
const SETTLING: Duration = Duration::from_secs(5);
/// How long closing waits for what is left; less than a worker allows for it.
const CLOSING: Duration = Duration::from_secs(8);

/// One track of an output.
pub(crate) struct Track {
    presentation: Arc<Presentation>,
    index: usize,
    shared: Arc<Shared>,
    publishing: Option<Task>,
}

/// What outlives a sink.
struct Shared {
    cutter: Mutex<Option<Cutter>>,
    outbox: Arc<Outbox>,
    /// The last segment handed over of a track that is alone: which one of this run, and where it began.
    last: Mutex<Option<(u64, i128)>>,
}

/// The publisher's task. It ends with the output.
struct Task(JoinHandle<()>);

impl Drop for Task {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Track {
    /// The `index`-th of a presentation.
    pub(crate) fn new(presentation: Arc<Presentation>, index: usize) -> Self {
        let outbox = Arc::new(Outbox::new(presentation.layout.window));
        let shared = Arc::new(Shared { cutter: Mutex::default(), outbox, last: Mutex::default() });
        Self { presentation, index, shared, publishing: None }
    }

    /// Makes the cutter, or tells it what is true now: what was lost may have begun with another title.
    fn prepare(&self, opening: &Opening) -> Result<(), SegmentError> {
        let mut cutter = self.shared.cutter();
        match (&mut *cutter, &opening.metadata) {
            (None, _) => {
                let timeline = Arc::clone(&self.presentation.timeline);
                let on_gap = if self.presentation.is_alone() { OnGap::Keep } else { OnGap::GiveUp };
                let container = self.presentation.layout.container;
                let parts = self.presentation.layout.part_frames(&opening.info);
                *cutter = Some(Cutter::new(timeline, self.index, opening, container, on_gap, parts)?);
            }
            (Some(cutter), Some(metadata)) => cutter.title(i64::MIN, metadata),
            (Some(_), None) => {}
        }
        Ok(())
    }
}

impl Shared {
    fn cutter(&self) -> MutexGuard<'_, Option<Cutter>> {
        self.cutter.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl Output for Track {
    fn describe(&self) -> String {
        format!("hls {}", self.presentation.folder(self.index).describe())
    }

    async fn open(&mut self, opening: &Opening) -> Result<Box<dyn Sink>, SinkError> {
        self.prepare(opening).map_err(unfit)?;
        let numbers = self.presentation.numbers(opening).await?;
        if self.shared.outbox.is_over() {
            // One that has failed by a fault is gone first.
            self.publishing = None;
            let init = self.shared.cutter().as_ref().and_then(Cutter::init);
            let (presentation, info) = (&self.presentation, &opening.info);
            let publisher = Publisher::take_up(presentation, self.index, numbers.clone(), info, init).await?;
            let publishing = Outbox::begin(&self.shared.outbox);
            self.publishing = Some(Task(tokio::spawn(publisher.run(publishing).in_current_span())));
        }
        Ok(Box::new(TrackSink {
            is_alone: self.presentation.is_alone(),
            rate: opening.info.format.sample_rate_hz,
            shared: Arc::clone(&self.shared),
            numbers,
            patience: SETTLING,
        }))
    }
}

struct TrackSink {
    is_alone: bool,
    rate: u32,
    shared: Arc<Shared>,
    numbers: Numbers,
    /// How long it may wait for the store.
    patience: Duration,
}

impl TrackSink {
    /// The number of what is of a stretch, in a segment that begins at a frame, and where it is taken to begin. A track that is
    /// alone numbers its segments one by one.
    fn place(&self, stretch: u64, start: i64, is_whole: bool, run: Option<&Run>) -> (u64, Begin) {
        if let Some(run) = run {
            return (self.numbers.of(stretch), Begin::of(run, stretch));
        }
        let mut last = self.shared.last.lock().unwrap_or_else(PoisonError::into_inner);
        let at = nanos(start, self.rate);
        let (before, index) = (last.map(|(_, began)| began), last.map_or(0, |(index, _)| index + 1));
        if is_whole {
            *last = Some((index, at));
        }
        (self.numbers.of(index), Begin { at, before })
    }

    /// `run` is how other tracks are cut alike, where there are any.
    fn waiting(&self, Piece { stretch, what, discontinuity }: Piece, run: Option<Run>) -> Waiting {
        let (first, is_whole) = match &what {
            What::Segment(segment) => (segment.start, true),
            What::Part(part) => (part.segment, false),
        };
        let (number, begin) = self.place(stretch, first, is_whole, run.as_ref());
        let date = |at: i64| self.numbers.date(begin, nanos(at, self.rate));
        let (data, start, end, titles, part) = match what {
            What::Segment(Segment { data, start, end, titles }) => {
                let titles = titles.into_iter().map(|(at, title)| (date(at), title)).collect();
                (data, start, end, titles, None)
            }
            What::Part(Part { data, index, start, end, segment }) => {
                (data, start, end, Vec::new(), Some((index, date(segment))))
            }
        };
        let ends = (nanos(start, self.rate), nanos(end, self.rate));
        let mut entry = self.numbers.entry(number, begin, ends, data.len() as u64);
        entry.discontinuity |= discontinuity;
        let frames = (start, end);
        Waiting { entry, frames, data: Some(data), run, titles, part }
    }

    /// Has the cutter do something, and hands over what that completes. If it is anything, how long the segments among it last.
    fn cut(
        &self,
        work: impl FnOnce(&mut Cutter, &mut Vec<Piece>) -> Result<(), SegmentError>,
    ) -> Result<Option<Duration>, SinkError> {
        let mut pieces = Vec::new();
        let mut cutter = self.shared.cutter();
        let Some(cutter) = &mut *cutter else { return Ok(None) };
        work(cutter, &mut pieces).map_err(unfit)?;
        if pieces.is_empty() {
            return Ok(None);
        }
        let run = cutter.run().filter(|_| !self.is_alone);
        let waiting: Vec<_> = pieces.into_iter().map(|piece| self.waiting(piece, run)).collect();
        let segments = waiting.iter().filter(|waiting| waiting.part.is_none());
        let lasts_us = segments.map(|segment| segment.entry.duration_us).sum();
        self.shared.outbox.hand(waiting);
        Ok(Some(Duration::from_micros(lasts_us)))
    }
}

#[async_trait]
impl Sink for TrackSink {
    async fn packet(&mut self, packet: &Packet) -> Result<(), SinkError> {
        if self.shared.outbox.is_over() {
            let message = "publishing failed by a fault in airchain (a panic); please report it".into();
            return Err(SinkError { message, retry: Retry::Soon });
        }
        if let Some(lasts) = self.cut(|cutter, out| cutter.packet(packet, out))? {
            self.patience = SETTLING.min(self.patience + lasts);
            let since = Instant::now();
            let _ = timeout(self.patience, self.shared.outbox.settled()).await;
            self.patience = self.patience.saturating_sub(since.elapsed());
        }
        Ok(())
    }

    async fn title(&mut self, at: i64, metadata: &Arc<Metadata>) -> Result<(), SinkError> {
        if let Some(cutter) = &mut *self.shared.cutter() {
            cutter.title(at, metadata);
        }
        Ok(())
    }

    fn health(&self) -> Option<(Health, String)> {
        self.shared.outbox.health()
    }

    async fn close(&mut self) -> Result<(), SinkError> {
        self.finish(false).await
    }

    async fn hand_over(&mut self) -> Result<(), SinkError> {
        self.finish(true).await
    }
}

impl TrackSink {
    /// Publishes what is left, and the end, unless another output goes on.
    async fn finish(&self, goes_on: bool) -> Result<(), SinkError> {
        self.cut(Cutter::finish)?;
        self.shared.outbox.end(goes_on);
        if timeout(CLOSING, self.shared.outbox.over()).await.is_ok() {
            return Ok(());
        }
        let why = self.health().map_or("the store takes too long".into(), |(_, why)| why);
        Err(SinkError { message: format!("the end was not published: {why}"), retry: Retry::Seldom })
    }
}

/// The encoder and the segments do not fit together; only another configuration helps.
fn unfit(error: SegmentError) -> SinkError {
    SinkError { message: format!("hls: {error}"), retry: Retry::Seldom }
}
