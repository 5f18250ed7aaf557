//! A rendition: one encoder at the end of one tap, and all the outputs that want its format.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use airchain_codecs::Format;
use airchain_codecs::encode::{self, EncodeError, Encoder};
use airchain_codecs::packet::{Packet, SharedInfo};
use airchain_core::item::Metadata;
use airchain_core::tap::TapReader;
use airchain_core::units::convert_frames;
use airchain_core::{Frames, Stereo};
use airchain_outputs::sink::{Output, Parcel};
use airchain_outputs::worker::{self, OutputHandle, ParcelSender, WorkerOptions};
use jiff::Timestamp;
use tokio::runtime::Handle;

use crate::encode_pool::Job;
use crate::station::Shared;

/// How often the tap is emptied. Longer costs less and adds that much latency.
const PAUSE: Duration = Duration::from_millis(20);
/// Frames encoded at a time.
const CHUNK: usize = 4800;
/// Encoders that may fail in a row before the rendition is given up.
const RESTARTS: u32 = 5;

/// An output waiting to be started with its rendition.
pub(crate) struct Waiting {
    pub(crate) id: String,
    pub(crate) output: Box<dyn Output>,
    pub(crate) options: WorkerOptions,
    /// Where its handle goes once it runs.
    pub(crate) started: Box<dyn FnOnce(OutputHandle) + Send>,
}

/// What the host and the encode worker share of a rendition.
#[derive(Default)]
pub(crate) struct Door {
    waiting: Mutex<Vec<Waiting>>,
}

impl Door {
    /// Adds an output; it starts within [`PAUSE`].
    pub(crate) fn add(&self, waiting: Waiting) {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner).push(waiting);
    }
}

/// One encoder and its outputs, run by the encode workers.
pub(crate) struct Rendition {
    format: Format,
    station_rate: u32,
    tap: TapReader,
    encoder: Box<dyn Encoder>,
    station: Arc<Shared>,
    /// Wall-clock time of the tap's frame 0, once it is on the bus.
    epoch: Option<Timestamp>,
    runtime: Handle,
    door: Arc<Door>,
    senders: Vec<ParcelSender>,
    metadata: Option<Arc<Metadata>>,
    failures: u32,
    block: Vec<Stereo>,
    packets: Vec<Packet>,
}

impl Rendition {
    pub(crate) fn new(
        format: Format,
        station_rate: u32,
        tap: TapReader,
        station: Arc<Shared>,
        metadata: Option<Arc<Metadata>>,
        runtime: Handle,
    ) -> Result<(Self, Arc<Door>), EncodeError> {
        let encoder = encode::open(&format, station_rate)?;
        let door = Arc::<Door>::default();
        let rendition = Self {
            format,
            station_rate,
            tap,
            encoder,
            station,
            epoch: None,
            runtime,
            door: Arc::clone(&door),
            senders: Vec::new(),
            metadata,
            failures: 0,
            block: vec![[0.0; 2]; CHUNK],
            packets: Vec::new(),
        };
        Ok((rendition, door))
    }

    /// Starts the outputs that came since last time.
    fn let_in(&mut self) {
        let Some(start) = self.tap.start() else { return };
        let station = &self.station;
        let epoch = *self.epoch.get_or_insert_with(|| station.bus_utc_of(start));
        let waiting = std::mem::take(&mut *self.door.waiting.lock().unwrap_or_else(PoisonError::into_inner));
        for Waiting { id, output, options, started } in waiting {
            let info: SharedInfo = Arc::clone(self.encoder.info());
            let (sender, handle) = worker::spawn(&self.runtime, id, output, info, epoch, options);
            if let Some(metadata) = &self.metadata {
                sender.send(Parcel::Title { at: i64::MIN, metadata: Arc::clone(metadata) });
            }
            self.senders.push(sender);
            started(handle);
        }
    }

    /// Encodes everything that the tap holds.
    fn drain(&mut self) {
        loop {
            while let Some(mark) = self.tap.next_mark() {
                let at = self.encoder_position(mark.at);
                self.metadata = Some(Arc::clone(&mark.metadata));
                self.deliver(&Parcel::Title { at, metadata: mark.metadata });
            }
            let (_, frames) = self.tap.read(&mut self.block);
            if frames == 0 {
                break;
            }
            self.encode(frames);
        }
        // The air went on while this worker did not: silence keeps the timeline whole.
        let mut lost = self.tap.take_lost();
        while lost > 0 {
            let frames = lost.min(CHUNK as Frames) as usize;
            self.block.iter_mut().take(frames).for_each(|frame| *frame = [0.0; 2]);
            self.encode(frames);
            lost -= frames as Frames;
        }
    }

    fn encode(&mut self, frames: usize) {
        let block = self.block.get(..frames).unwrap_or_default();
        let result = self.encoder.encode(block, &mut self.packets);
        self.deliver_packets();
        match result {
            Ok(()) => self.failures = 0,
            Err(error) => {
                tracing::error!(format = %self.format, %error, "the encoder failed and is left out for this block");
                self.failures += 1;
            }
        }
    }

    fn deliver_packets(&mut self) {
        let mut packets = std::mem::take(&mut self.packets);
        for packet in packets.drain(..) {
            self.deliver(&Parcel::Packet(packet));
        }
        self.packets = packets;
    }

    fn deliver(&self, parcel: &Parcel) {
        for sender in &self.senders {
            sender.send(parcel.clone());
        }
    }

    /// A position in the tap, on the encoder's grid.
    fn encoder_position(&self, at: Frames) -> i64 {
        let frames = convert_frames(at, self.station_rate, self.format.sample_rate_hz);
        i64::try_from(frames).unwrap_or(i64::MAX)
    }
}

impl Job for Rendition {
    fn step(&mut self) -> Option<Duration> {
        self.let_in();
        if self.epoch.is_none() && !self.tap.is_finished() {
            return Some(PAUSE);
        }
        let finished = self.tap.is_finished();
        self.drain();
        if finished || self.failures > RESTARTS {
            if self.encoder.finish(&mut self.packets).is_ok() {
                self.deliver_packets();
            }
            self.deliver(&Parcel::End);
            return None;
        }
        self.senders.retain(|sender| !sender.is_closed());
        Some(PAUSE)
    }

    fn panicked(&mut self) {
        tracing::error!(format = %self.format, "the encoder panicked; its outputs are closed");
        self.deliver(&Parcel::End);
    }
}
