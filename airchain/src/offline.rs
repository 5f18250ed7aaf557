//! Offline rendering: the engine of the air, as fast as the processor goes.
//!
//! The output is latency compensated: its frame 0 is frame 0 of the programme. The same station, script and files
//! give the same bits, every time.

use std::collections::VecDeque;

use airchain_core::chain::ChainError;
use airchain_core::engine::Engine;
use airchain_core::item::Item;
use airchain_core::playout::{
    Director, Loader, Moment, Report, Request, Schedule, StationClock, StationEvent,
};
use airchain_core::source::Source;
use airchain_core::tier::Tier;
use airchain_core::{Frames, Stereo};

use jiff::Timestamp;

use crate::as_run::{AsRun, Record};
use crate::fallback::fallback;
use crate::lengths;
use crate::loader::InlineLoader;
use crate::spec::StationSpec;
use crate::unheard::{self, UnheardLoader};

/// Why a station cannot be rendered.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RenderError {
    /// The chain cannot be built; the caller corrects it.
    #[error("chain: {0}")]
    Chain(#[from] ChainError),
    /// Not one of many items could be opened.
    #[error("none of the last {0} items could be opened")]
    NothingPlays(u32),
}

/// Items that may fail in a row before a render without a given duration gives up.
const HOPELESS: u32 = 10_000;

/// A render under way.
pub struct Render {
    director: Director,
    engine: Engine,
    latency: Frames,
    /// Frames asked for; the length of the programme when `None`.
    duration: Option<Frames>,
    block: Vec<Stereo>,
    /// Frames given out.
    given: Frames,
    /// Reports that nobody has asked for yet.
    reports: VecDeque<Report>,
    as_run: Option<AsRun>,
    /// The time of its frames; `None` when nobody has said when it begins.
    clock: Option<StationClock>,
}

impl Render {
    /// Prepares to render `spec` with timed `script` requests, for `duration` frames or to the programme's end.
    pub fn new(
        spec: StationSpec,
        script: impl IntoIterator<Item = (Moment, Request)>,
        duration: Option<Frames>,
    ) -> Result<Self, RenderError> {
        let loader = Box::new(InlineLoader::new(spec.load_config()));
        let fallback = fallback(&spec.fallback, spec.sample_rate_hz, spec.fallback_loop);
        let fallback = fallback.map(|(item, source)| (item, Box::new(source) as Box<dyn Source>));
        Self::with(spec, script, duration, loader, fallback)
    }

    /// The same without the sound: every item is as long as its file says, and silent. What is reported is the same, to the
    /// frame, where files are as long as they say; no file is decoded that says how long it is, and there is no chain.
    pub fn quick(
        mut spec: StationSpec,
        script: impl IntoIterator<Item = (Moment, Request)>,
        duration: Option<Frames>,
    ) -> Result<Self, RenderError> {
        spec.chain = Vec::new();
        let loader = Box::new(UnheardLoader::new(spec.load_config()));
        let fallback = unheard::fallback(&spec.fallback, spec.sample_rate_hz, spec.fallback_loop);
        Self::with(spec, script, duration, loader, fallback)
    }

    fn with(
        spec: StationSpec,
        script: impl IntoIterator<Item = (Moment, Request)>,
        duration: Option<Frames>,
        loader: Box<dyn Loader>,
        fallback: Option<(Item, Box<dyn Source>)>,
    ) -> Result<Self, RenderError> {
        let (control, engine, config) = spec.engine()?;
        let latency = config.latency as Frames;
        let block = vec![[0.0; 2]; spec.block()];
        let joining = spec.joining();
        let clock = StationClock { rate_hz: spec.sample_rate_hz, epoch_ns: spec.start_ns };
        let mut director = Director::new(config, control, loader, spec.programme);
        director.set_clock(spec.start_ns);
        if let Some(timetable) = spec.schedule {
            let lengths = Box::new(lengths::Inline::new(spec.sample_rate_hz));
            director.set_schedule(Schedule::new(timetable, joining), lengths);
        }
        if let Some((item, source)) = fallback {
            director.load_source(Tier::Fallback, item, source);
        }
        for (moment, request) in script {
            // A request that cannot be meant is answered by a report.
            let _ = director.request(moment, request);
        }
        director.tick(0);
        Ok(Self {
            director,
            engine,
            latency,
            duration,
            block,
            given: 0,
            reports: VecDeque::new(),
            as_run: None,
            clock: Some(clock).filter(|clock| clock.epoch_ns != 0),
        })
    }

    /// Also keeps the as-run log, from the beginning; [`poll_record`](Self::poll_record) gives it.
    pub fn keep_as_run(&mut self, as_run: AsRun) {
        self.as_run = Some(as_run);
    }

    /// The next stretch of the programme; `None` when it is over.
    pub fn next_block(&mut self) -> Result<Option<&[Stereo]>, RenderError> {
        loop {
            let end = self.end();
            if end.is_some_and(|end| self.given >= end) {
                if let Some(as_run) = &mut self.as_run {
                    as_run.finish();
                }
                return Ok(None);
            }
            if self.duration.is_none() && self.director.failures_in_a_row() >= HOPELESS {
                return Err(RenderError::NothingPlays(HOPELESS));
            }
            let start = self.engine.position();
            self.engine.render(&mut self.block);
            // Only now is it known whether the programme ended within this block.
            self.director.tick(self.engine.position());
            while let Some(order) = self.director.poll_order() {
                let error = "an offline render has one output, its file: outputs are added on air";
                self.director.answer(order.answer, Err(error.into()));
            }
            self.take_reports();
            let end = self.end().unwrap_or(Frames::MAX);
            let skip = (self.latency.saturating_sub(start)).min(self.block.len() as Frames) as usize;
            let ready = self.block.get(skip..).unwrap_or_default();
            let wanted = (end - self.given).min(ready.len() as Frames) as usize;
            let audio = ready.get(..wanted).unwrap_or_default();
            if let Some(as_run) = &mut self.as_run {
                as_run.hear(self.given, audio);
            }
            self.given += wanted as Frames;
            if wanted > 0 {
                return Ok(self.block.get(skip..skip + wanted));
            }
        }
    }

    /// The next report. Of what would have been heard only after the end of the output, nothing is said.
    pub fn poll(&mut self) -> Option<Report> {
        self.take_reports();
        self.reports.pop_front()
    }

    /// The next record of the as-run log, if it is [kept](Self::keep_as_run).
    pub fn poll_record(&mut self) -> Option<Record> {
        self.as_run.as_mut()?.poll()
    }

    fn take_reports(&mut self) {
        while let Some(report) = self.director.poll() {
            if tells_of_output(&report, self.duration) {
                if let Some(as_run) = &mut self.as_run {
                    let utc_ns = self.clock.map(|clock| i128::from(clock.utc_of(report.frame)));
                    as_run.told(&report, utc_ns.and_then(|ns| Timestamp::from_nanosecond(ns).ok()));
                }
                self.reports.push_back(report);
            }
        }
    }

    /// Frames given out so far.
    pub fn position(&self) -> Frames {
        self.given
    }

    /// The frame at which the output ends, once known.
    fn end(&self) -> Option<Frames> {
        self.duration
            .or_else(|| self.director.is_finished().then(|| self.director.last_end().max(self.given)))
    }
}

/// Whether a report is of an output that is cut at `end`: the engine runs on to the end of its block, and of its chain's
/// latency.
fn tells_of_output(report: &Report, end: Option<Frames>) -> bool {
    match (&report.event, end) {
        (StationEvent::SourceFailed { .. }, _) | (_, None) => true,
        (StationEvent::NowPlaying { .. } | StationEvent::PriorityChanged { .. }, Some(end)) => {
            report.frame < end
        }
        (_, Some(end)) => report.frame <= end,
    }
}
