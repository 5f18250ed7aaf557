//! A rendition: one encoder at the end of one tap, and all the outputs that want its format.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use airchain_codecs::Format;
use airchain_codecs::encode::{self, EncodeError, Encoder};
use airchain_codecs::packet::{Packet, SharedInfo};
use airchain_core::item::Metadata;
use airchain_core::playout::report::Part;
use airchain_core::tap::{Stretch, TapReader};
use airchain_core::units::convert_frames;
use airchain_core::{Frames, Stereo};
use airchain_outputs::leaps::Leaps;
use airchain_outputs::sink::{Opening, Output, Parcel};
use airchain_outputs::worker::{self, OutputHandle, ParcelSender, WorkerOptions};
use crossbeam_channel::Sender;
use jiff::Timestamp;
use tokio::runtime::Handle;

use crate::decode_pool::Workers;
use crate::encode_pool::{Job, Step};
use crate::passthrough::{Client, Passthrough};
use crate::station::Shared;

/// Frames encoded at a time.
const CHUNK: usize = 4800;
/// Encoders that may fail in a row, each at its first audio, before the rendition is given up.
const RESTARTS: u32 = 5;

/// An output waiting to be started with its rendition.
pub(crate) struct Waiting {
    pub(crate) id: String,
    /// Tells it from all others of its station.
    pub(crate) serial: u64,
    /// The frame of the bus from which on it is given audio; with `None` what there is from now on.
    pub(crate) from: Option<Frames>,
    pub(crate) output: Box<dyn Output>,
    pub(crate) options: WorkerOptions,
    /// Where its handle goes once it runs.
    pub(crate) started: Box<dyn FnOnce(OutputHandle) + Send>,
}

/// How the audio of an output is encoded: outputs that want the same share an encoder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Encoding {
    pub(crate) format: Format,
    /// Whether it copies packets.
    pub(crate) passthrough: bool,
    /// Whether packets begin at whole multiples of their length since the station began ([`StreamInfo::lead`]), for outputs
    /// that are to be cut alike. Others have the encoder begin with the very frame that they do.
    ///
    /// [`StreamInfo::lead`]: airchain_codecs::packet::StreamInfo::lead
    pub(crate) on_grid: bool,
}

/// The encoder of a rendition, and where one that copies packets is told of the stretches.
type Opened = (Box<dyn Encoder>, Option<Sender<Stretch>>);

/// Opens an encoder; one that copies packets where it has `workers` to fetch them.
fn open(
    format: &Format,
    rate: u32,
    workers: Option<&Workers>,
    station: &Shared,
) -> Result<Opened, EncodeError> {
    let Some(workers) = workers else { return Ok((encode::open(format, rate)?, None)) };
    let (sender, told) = crossbeam_channel::unbounded();
    let workers = workers.clone();
    let keep = Box::new(move |stocker| workers.keep(Box::new(stocker)));
    Ok((Box::new(Passthrough::open(format, keep, told, Client::of(station))?), Some(sender)))
}

/// What the host and the encode worker share of a rendition.
pub(crate) struct Door {
    /// `None` once the rendition is over.
    waiting: Mutex<Option<Vec<Waiting>>>,
    /// Outputs that are to go, by their serials, and the frame of the bus up to which they are given audio.
    leaving: Mutex<Vec<(u64, Frames)>>,
}

impl Door {
    fn lock(&self) -> MutexGuard<'_, Option<Vec<Waiting>>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds an output; it starts with the rendition's next turn. `false` when the rendition is over.
    pub(crate) fn add(&self, waiting: Waiting) -> bool {
        self.lock().as_mut().map(|all| all.push(waiting)).is_some()
    }

    /// Has an output end with the packet before the one that begins at or after a frame of the bus.
    pub(crate) fn leave(&self, serial: u64, at: Frames) {
        self.leaving.lock().unwrap_or_else(PoisonError::into_inner).push((serial, at));
    }

    /// Whether the rendition is over.
    pub(crate) fn is_closed(&self) -> bool {
        self.lock().is_none()
    }
}

/// An output of a rendition, and which packets are its.
struct Seat {
    serial: u64,
    sender: ParcelSender,
    /// The first that is its begins here or later,
    from: i64,
    /// and the last before here.
    until: i64,
}

impl Seat {
    /// Hands over what is its of `parcels`.
    fn send(&mut self, parcels: &[Parcel]) {
        if (self.from, self.until) == (i64::MIN, i64::MAX) {
            return self.sender.send_all(parcels);
        }
        let pts = |parcel: &Parcel| if let Parcel::Packet(packet) = parcel { Some(packet.pts) } else { None };
        let of_it = |parcel: &&Parcel| pts(parcel).is_none_or(|pts| pts >= self.from);
        let mut given: Vec<Parcel> = parcels.iter().filter(of_it).cloned().collect();
        if given.iter().any(|parcel| pts(parcel).is_some()) {
            self.from = i64::MIN;
        }
        if let Some(over) = given.iter().position(|parcel| pts(parcel).is_some_and(|pts| pts >= self.until)) {
            given.truncate(over);
            given.push(Parcel::End);
        }
        self.sender.send_all(&given);
    }
}

/// One encoder and its outputs, run by the encode workers.
pub(crate) struct Rendition {
    format: Format,
    on_grid: bool,
    station_rate: u32,
    tap: TapReader,
    encoder: Box<dyn Encoder>,
    /// Who fetches packets for it to copy, if it is to copy any, and where it is told of the stretches.
    workers: Option<Workers>,
    teller: Option<Sender<Stretch>>,
    /// Where on what it is given the tap's frame 0 is, or would be.
    zero: i64,
    /// Frames of the tap that have been encoded or had to be left out.
    encoded: Frames,
    /// Where on the outputs' timeline the present encoder began.
    origin: i64,
    /// Frames of silence that it is given first.
    lead: usize,
    station: Arc<Shared>,
    /// Wall-clock time of the tap's frame 0, once it is on the bus.
    epoch: Option<Timestamp>,
    /// The station's, from there on.
    leaps: Option<Leaps>,
    runtime: Handle,
    door: Arc<Door>,
    seats: Vec<Seat>,
    metadata: Option<Arc<Metadata>>,
    failures: u32,
    /// What is encoded in this turn is waited for.
    hurried: bool,
    block: Vec<Stereo>,
    packets: Vec<Packet>,
    /// What goes to the outputs at the end of this turn: they are woken up once for all of it.
    parcels: Vec<Parcel>,
    /// Frames of the tap that were lost, as far as that has been told.
    lost: Frames,
}

impl Rendition {
    /// `workers` fetch packets for one that copies them.
    pub(crate) fn new(
        Encoding { format, on_grid, .. }: Encoding,
        tap: TapReader,
        station: Arc<Shared>,
        metadata: Option<Arc<Metadata>>,
        runtime: Handle,
        workers: Option<Workers>,
    ) -> Result<(Self, Arc<Door>), EncodeError> {
        let station_rate = station.rate;
        let (encoder, teller) = open(&format, station_rate, workers.as_ref(), &station)?;
        let door = Arc::new(Door { waiting: Mutex::new(Some(Vec::new())), leaving: Mutex::default() });
        let rendition = Self {
            format,
            on_grid,
            station_rate,
            tap,
            encoder,
            workers,
            teller,
            zero: 0,
            encoded: 0,
            origin: 0,
            lead: 0,
            station,
            epoch: None,
            leaps: None,
            runtime,
            door: Arc::clone(&door),
            seats: Vec::new(),
            metadata,
            failures: 0,
            hurried: false,
            block: vec![[0.0; 2]; CHUNK],
            packets: Vec::new(),
            parcels: Vec::new(),
            lost: 0,
        };
        rendition.station.cost.encoders.fetch_add(1, Ordering::Relaxed);
        Ok((rendition, door))
    }

    /// Starts the outputs that came since last time.
    fn let_in(&mut self) {
        let Some(start) = self.tap.start() else { return };
        let epoch = self.epoch.unwrap_or_else(|| {
            self.begin(start);
            self.station.date_of(start)
        });
        let leaps =
            self.leaps.get_or_insert_with(|| self.station.leaps.from(start, self.station_rate)).clone();
        self.epoch = Some(epoch);
        let waiting = self.door.lock().as_mut().map(std::mem::take);
        for Waiting { id, serial, from, output, options, started } in waiting.into_iter().flatten() {
            let info: SharedInfo = Arc::clone(self.encoder.info());
            let position = self.encoder_position(start);
            let opening = Opening { info, epoch, position, leaps: leaps.clone(), metadata: None };
            let (sender, handle) = worker::spawn(&self.runtime, id, output, opening, options);
            if let Some(metadata) = &self.metadata {
                sender.send(Parcel::Title { at: i64::MIN, metadata: Arc::clone(metadata) });
            }
            let from = from.map_or(i64::MIN, |at| self.encoder_position(at.saturating_sub(start)));
            self.seats.push(Seat { serial, sender, from, until: i64::MAX });
            started(handle);
        }
        let leaving = std::mem::take(&mut *self.door.leaving.lock().unwrap_or_else(PoisonError::into_inner));
        for (serial, at) in leaving {
            let until = self.encoder_position(at.saturating_sub(start));
            self.seats.iter_mut().filter(|seat| seat.serial == serial).for_each(|seat| seat.until = until);
        }
    }

    /// Has a fresh encoder begin with what comes next of a tap that began at frame `start` of the bus.
    fn begin(&mut self, start: Frames) {
        self.origin = self.encoder_position(self.encoded);
        let position = self.encoder_position(start) + self.origin;
        let lead = if self.on_grid { self.encoder.info().lead(position) } else { 0 };
        self.origin -= i64::from(lead);
        let lead = convert_frames(lead.into(), self.format.sample_rate_hz, self.station_rate);
        self.lead = usize::try_from(lead).unwrap_or(0);
        self.zero = lead as i64 - self.encoded as i64;
    }

    /// Encodes what the tap holds, a second of it at most. Whether there may be more.
    fn drain(&mut self) -> bool {
        let end = self.encoded + Frames::from(self.station_rate);
        while self.encoded < end && self.failures <= RESTARTS {
            while let Some(mark) = self.tap.next_mark() {
                let at = self.encoder_position(mark.at);
                self.metadata = Some(Arc::clone(&mark.metadata));
                self.parcels.push(Parcel::Title { at, metadata: mark.metadata });
            }
            let (_, frames) = self.tap.read(&mut self.block);
            while let Some(stretch) = self.tap.next_stretch() {
                let at = self.zero.saturating_add_unsigned(stretch.at).max(0) as Frames;
                // Whoever is told is the encoder here.
                self.teller.iter().for_each(|teller| drop(teller.send(Stretch { at, ..stretch.clone() })));
            }
            if frames == 0 {
                return false;
            }
            // Before what follows a leap is delivered.
            self.station.note_lost();
            self.encode(frames);
        }
        true
    }

    fn encode(&mut self, frames: usize) {
        let (encoder, packets) = (&mut self.encoder, &mut self.packets);
        let block = self.block.get(..frames).unwrap_or_default();
        let lead = vec![[0.0; 2]; std::mem::take(&mut self.lead)];
        let hurried = self.hurried;
        let result = catch_unwind(AssertUnwindSafe(|| {
            encoder.encode(&lead, packets)?;
            encoder.encode(block, packets)?;
            if hurried { encoder.hurry(packets) } else { Ok(()) }
        }));
        self.encoded += frames as Frames;
        self.deliver_packets();
        let error = match result {
            Ok(Ok(())) => {
                self.failures = 0;
                return;
            }
            Ok(Err(error)) => error.to_string(),
            Err(_) => "it panicked".to_owned(),
        };
        self.failures += 1;
        self.station.faults.note(Part::Encoder, format!("{}: the encoder failed: {error}", self.format));
        // After an error an encoder's state is anyone's guess.
        match open(&self.format, self.station_rate, self.workers.as_ref(), &self.station) {
            Ok((encoder, teller)) => {
                (self.encoder, self.teller) = (encoder, teller);
                self.begin(self.tap.start().unwrap_or(0));
            }
            Err(error) => {
                tracing::error!(format = %self.format, "no new encoder: {error}");
                self.failures = RESTARTS + 1;
            }
        }
    }

    /// Ends the encoder and its outputs.
    fn close(&mut self) {
        let (encoder, packets) = (&mut self.encoder, &mut self.packets);
        if self.failures == 0
            && matches!(catch_unwind(AssertUnwindSafe(|| encoder.finish(packets))), Ok(Ok(())))
        {
            self.deliver_packets();
        }
        *self.door.lock() = None;
        self.parcels.push(Parcel::End);
        self.deliver();
    }

    fn deliver_packets(&mut self) {
        let mut packets = std::mem::take(&mut self.packets);
        for mut packet in packets.drain(..) {
            packet.pts += self.origin;
            self.parcels.push(Parcel::Packet(packet));
        }
        self.packets = packets;
    }

    /// Hands over to the outputs what has come together.
    fn deliver(&mut self) {
        if self.parcels.is_empty() {
            return;
        }
        for seat in &mut self.seats {
            seat.send(&self.parcels);
        }
        self.parcels.clear();
    }

    /// Tells of audio that came too late for the encoder: outputs have silence in its place.
    fn tell_lost(&mut self) {
        let lost = self.tap.lost();
        let new = lost - std::mem::replace(&mut self.lost, lost);
        if new > 0 {
            self.station.cost.unencoded.fetch_add(new, Ordering::Relaxed);
            tracing::warn!(
                format = %self.format,
                "the processor does not suffice: {} ms were not encoded, outputs have silence there",
                new * 1000 / Frames::from(self.station_rate).max(1)
            );
        }
    }

    /// A position in the tap, on the encoder's grid.
    fn encoder_position(&self, at: Frames) -> i64 {
        let frames = convert_frames(at, self.station_rate, self.format.sample_rate_hz);
        i64::try_from(frames).unwrap_or(i64::MAX)
    }
}

impl Job for Rendition {
    fn step(&mut self) -> Step {
        let _in = self.station.span.clone().entered();
        self.let_in();
        if self.epoch.is_none() && !self.tap.is_finished() {
            return Step::Idle;
        }
        let finished = self.tap.is_finished();
        let more = self.drain();
        self.hurried = false;
        self.tell_lost();
        if self.failures > RESTARTS {
            tracing::error!(
                format = %self.format,
                "the encoder fails again and again; its outputs are closed"
            );
        }
        if finished || self.failures > RESTARTS {
            self.close();
            return Step::Over;
        }
        self.deliver();
        self.seats.retain(|seat| !seat.sender.is_closed());
        if more { Step::More } else { Step::Idle }
    }

    fn hurry(&mut self) {
        self.hurried = true;
    }

    fn panicked(&mut self) {
        self.station.faults.note(Part::Encoder, format!("{}: a panic; its outputs are closed", self.format));
        *self.door.lock() = None;
        self.parcels = vec![Parcel::End];
        self.deliver();
    }
}

impl Drop for Rendition {
    fn drop(&mut self) {
        self.station.cost.encoders.fetch_sub(1, Ordering::Relaxed);
    }
}
