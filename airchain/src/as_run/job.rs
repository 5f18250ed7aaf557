//! The log of a station on air: a job of the encode workers between the desk, a tap and the writer.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use airchain_core::bus::{Tap, TapId};
use airchain_core::tap::{TapReader, tap};
use airchain_core::{Frames, Stereo};
use crossbeam_channel::{Receiver, TryRecvError};
use tokio::runtime::Handle;
use tokio::sync::mpsc::Sender;
use tokio::task::JoinHandle;
use tracing::Span;

use super::{AsRun, AsRunLog, Record, writer};
use crate::encode_pool::{Job, Step};
use crate::spec::StationSpec;
use crate::station::TimedReport;

/// The log's tap; those of outputs count from one.
const TAP: TapId = TapId(u64::MAX);
/// Audio the tap can hold: what an encode worker, or the desk with its reports, may be late by.
const TAP_S: u32 = 4;
/// Frames heard at a time.
const CHUNK: usize = 4800;

/// The parts of a log that begins.
pub(crate) struct Started {
    /// The desk's end.
    pub(crate) teller: Teller,
    /// For the bus.
    pub(crate) tap: Tap,
    /// For the encode workers.
    pub(crate) job: Box<dyn Job>,
    /// Ends when the last record is written.
    pub(crate) written: JoinHandle<()>,
}

/// Starts the log of a station whose bus lags behind its programme by `latency` frames.
pub(crate) fn start(spec: &StationSpec, log: AsRunLog, latency: Frames, runtime: &Handle) -> Started {
    let (writer, reader) = tap((spec.sample_rate_hz * TAP_S) as usize);
    let (reports_in, reports) = crossbeam_channel::unbounded();
    let known = Arc::<AtomicU64>::default();
    let (records, written) = writer::spawn(runtime, log);
    let job = LogJob {
        span: Span::current(),
        log: AsRun::new(spec),
        tap: reader,
        latency,
        reports,
        known: Arc::clone(&known),
        records,
        lost: 0,
        block: vec![[0.0; 2]; CHUNK],
        heard: 0,
    };
    let teller = Teller { reports: reports_in, known };
    Started { teller, tap: Tap { id: TAP, writer }, job: Box::new(job), written }
}

/// The desk's end of a log. When it is dropped everything has been told.
pub(crate) struct Teller {
    reports: crossbeam_channel::Sender<TimedReport>,
    known: Arc<AtomicU64>,
}

impl Teller {
    pub(crate) fn tell(&self, report: &TimedReport) {
        // The job is gone only if it panicked, which has been said.
        let _ = self.reports.send(report.clone());
    }

    /// All reports of programme frames before `position` have been told.
    pub(crate) fn known(&self, position: Frames) {
        self.known.store(position, Ordering::Release);
    }
}

struct LogJob {
    span: Span,
    log: AsRun,
    tap: TapReader,
    latency: Frames,
    reports: Receiver<TimedReport>,
    /// Reports of programme frames before this one have been sent.
    known: Arc<AtomicU64>,
    records: Sender<Record>,
    /// Records that found no room since the last that did.
    lost: u64,
    block: Vec<Stereo>,
    /// Frames of the tap that have been heard.
    heard: Frames,
}

impl LogJob {
    /// Hears what the tap holds, as far as it is known what happened: up to frame `until` of the bus.
    fn hear(&mut self, start: Frames, until: Frames) {
        loop {
            // Titles come with the reports, but their ring must not fill.
            while self.tap.next_mark().is_some() {}
            let room = until.saturating_sub(start + self.heard).min(self.block.len() as Frames);
            let (at, frames) = self.tap.read(&mut self.block[..room as usize]);
            if frames == 0 {
                return;
            }
            self.heard = at + frames as Frames;
            // What comes out first is the chain's delay, not the programme.
            let before = self.latency.saturating_sub(start + at).min(frames as Frames);
            let programme = (start + at + before).saturating_sub(self.latency);
            self.log.hear(programme, &self.block[before as usize..frames]);
        }
    }

    fn hand_on(&mut self) {
        while let Some(record) = self.log.poll() {
            if self.records.try_send(record).is_err() {
                self.lost += 1;
                if self.lost == 1 {
                    tracing::error!("as-run log: too many records wait for the disk; the next are lost");
                }
            } else if self.lost > 0 {
                tracing::warn!(lost = self.lost, "records of the as-run log were lost");
                self.lost = 0;
            }
        }
    }
}

impl Job for LogJob {
    fn step(&mut self) -> Step {
        let _in = self.span.clone().entered();
        // Looked at before the audio, and what is known before the reports: all of both is there then.
        let is_finished = self.tap.is_finished();
        let known = self.known.load(Ordering::Acquire);
        let all_told = loop {
            match self.reports.try_recv() {
                Ok(report) => self.log.told(&report.report, Some(report.utc)),
                Err(error) => break error == TryRecvError::Disconnected,
            }
        };
        if let Some(start) = self.tap.start() {
            let until = if all_told { Frames::MAX } else { known.saturating_add(self.latency) };
            self.hear(start, until);
        }
        let is_over = is_finished && all_told;
        if is_over {
            self.log.finish();
        }
        self.hand_on();
        if is_over { Step::Over } else { Step::Idle }
    }

    fn panicked(&mut self) {
        let _in = self.span.clone().entered();
        tracing::error!("the as-run log ends: a panic");
    }
}
