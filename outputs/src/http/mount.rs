//! A mount: encoded audio to everybody who listens to one path.
//!
//! Packets are muxed once per mount. What differs per listener is where it joins, the header it is given there and
//! whether it asked for ICY titles.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use airchain_codecs::container::Muxer;
use airchain_codecs::packet::{Packet, StreamInfo};
use airchain_codecs::{Bitrate, Codec};
use airchain_core::item::Metadata;
use async_trait::async_trait;
use bytes::Bytes;
use jiff::Timestamp;

use super::icy::{self, Title};
use super::listener::{Refusal, Shared};
use super::ring::{Chunk, Counts, Guest, Reader, Ring};
use super::{MountOptions, Options, ogg};
use crate::sink::{Opening, Output, Sink, SinkError};
use crate::upcoming::Upcoming;

/// Audio per chunk at most. Packets that come together go out together, so that hundreds of listeners are woken once for
/// all of them; none is kept for those that are still to come.
const CHUNK: Duration = Duration::from_millis(100);

/// What listeners are told about a mount in its HTTP headers. Control characters are removed.
#[derive(Clone, Debug, Default)]
pub struct MountMeta {
    /// `icy-name`: the station.
    pub name: String,
    /// `icy-description`.
    pub description: Option<String>,
    /// `icy-genre`.
    pub genre: Option<String>,
    /// `icy-url`: the station's home page.
    pub url: Option<String>,
}

/// One path of a listener.
#[derive(Debug)]
pub(crate) struct Mount {
    pub(crate) path: String,
    meta: Mutex<MountMeta>,
    /// Outputs that have it: the one that feeds it, and one that is to follow.
    holders: AtomicUsize,
    options: Mutex<MountOptions>,
    burst: Duration,
    ring: Duration,
    on_air: Mutex<Option<OnAir>>,
    up: AtomicBool,
}

/// What a mount carries while a programme runs.
#[derive(Clone, Debug)]
pub(crate) struct OnAir {
    ring: Arc<Ring>,
    pub(crate) info: Arc<StreamInfo>,
    pub(crate) mime: &'static str,
    pub(crate) title: Arc<Title>,
    pub(crate) since: Timestamp,
}

impl OnAir {
    fn is_ogg(&self) -> bool {
        ogg::is_ogg(self.mime)
    }

    /// Whether a listener in the middle of it can be given the beginning of a new one.
    fn continues_with(&self, mime: &str) -> bool {
        self.mime == mime && (self.is_ogg() || matches!(mime, "audio/mpeg" | "audio/aac" | "audio/aacp"))
    }

    /// Bytes of audio between ICY blocks for a listener who asks; Ogg has its titles in band.
    pub(crate) fn metaint(&self) -> Option<usize> {
        (!self.is_ogg()).then(|| icy::metaint(&self.info))
    }

    pub(crate) fn counts(&self) -> Counts {
        self.ring.counts()
    }
}

fn frames(duration: Duration, info: &StreamInfo) -> u64 {
    let frames = duration.as_millis() * u128::from(info.format.sample_rate_hz) / 1000;
    u64::try_from(frames).unwrap_or(u64::MAX)
}

impl Mount {
    pub(crate) fn new(path: String, meta: MountMeta, options: MountOptions, all: &Options) -> Arc<Self> {
        let burst = options.burst.unwrap_or(all.burst);
        let ring = all.ring.max(burst).max(CHUNK);
        let up = AtomicBool::new(false);
        let (meta, options, holders) = (Mutex::new(meta), Mutex::new(options), AtomicUsize::new(1));
        // Those that follow may say nothing of a burst.
        let burst = all.burst;
        Arc::new(Self { path, meta, options, holders, burst, ring, on_air: Mutex::default(), up })
    }

    /// What listeners are told about it.
    pub(crate) fn meta(&self) -> MountMeta {
        self.lock_meta().clone()
    }

    fn lock_meta(&self) -> MutexGuard<'_, MountMeta> {
        self.meta.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How its listeners are treated.
    pub(crate) fn options(&self) -> MountOptions {
        *self.options.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn lock(&self) -> MutexGuard<'_, Option<OnAir>> {
        self.on_air.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What it carries; `None` while nothing feeds it.
    pub(crate) fn on_air(&self) -> Option<OnAir> {
        self.lock().clone().filter(|_| self.up.load(Relaxed))
    }

    /// A new listener of `on_air`, if there is room.
    pub(crate) fn join(&self, on_air: &OnAir, icy: bool, guest: Guest) -> Result<Reader, Refusal> {
        let metaint = on_air.metaint().filter(|_| icy);
        let options = self.options();
        let burst = options.burst.unwrap_or(self.burst);
        on_air.ring.join(guest, frames(burst, &on_air.info), metaint, &options)
    }

    /// Takes it off the air: listeners get what there is, and no more.
    pub(crate) fn end(&self) {
        self.up.store(false, Relaxed);
        if let Some(on_air) = self.lock().take() {
            on_air.ring.end();
        }
    }

    /// Puts a format on air. Listeners of the one before stay connected if their decoders can go on.
    fn begin(&self, info: Arc<StreamInfo>, mime: &'static str, title: Arc<Title>) -> Arc<Ring> {
        let mut slot = self.lock();
        let kept = slot.take().and_then(|old| {
            let keep = old.continues_with(mime);
            if !keep {
                old.ring.end();
            }
            keep.then_some(old.ring)
        });
        let ring = kept.unwrap_or_else(|| Ring::new(frames(self.ring, &info)));
        let since = Timestamp::now();
        *slot = Some(OnAir { ring: Arc::clone(&ring), info, mime, title, since });
        self.up.store(true, Relaxed);
        ring
    }

    fn note_title(&self, title: &Arc<Title>) {
        if let Some(on_air) = self.lock().as_mut() {
            on_air.title = Arc::clone(title);
        }
    }
}

/// A mount as an output. The mount exists for as long as this does, or one that follows it there.
#[derive(Debug)]
pub struct MountOutput {
    mount: Arc<Mount>,
    shared: Arc<Shared>,
    /// What listeners are told from the opening on and how they are treated, where it follows another.
    follows: Option<(MountMeta, MountOptions)>,
}

/// Looks at a mount from elsewhere.
#[derive(Clone, Debug)]
pub struct MountHandle {
    mount: Arc<Mount>,
}

impl MountOutput {
    /// The output of a new mount.
    pub(super) fn new(mount: Arc<Mount>, shared: Arc<Shared>) -> Self {
        Self { mount, shared, follows: None }
    }

    /// One that follows at a mount which another still has.
    pub(super) fn follow(
        held: &MountHandle,
        shared: Arc<Shared>,
        meta: MountMeta,
        options: MountOptions,
    ) -> Self {
        held.mount.holders.fetch_add(1, Relaxed);
        Self { mount: Arc::clone(&held.mount), shared, follows: Some((meta, options)) }
    }

    /// Listeners connected now.
    pub fn listeners(&self) -> usize {
        self.handle().listeners()
    }

    /// A handle that outlives handing the output to its worker.
    pub fn handle(&self) -> MountHandle {
        MountHandle { mount: Arc::clone(&self.mount) }
    }
}

impl MountHandle {
    pub(crate) fn new(mount: Arc<Mount>) -> Self {
        Self { mount }
    }

    /// Whether it is the very same mount.
    pub fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.mount, &other.mount)
    }

    /// Has those who come from now on be told another name.
    pub fn set_name(&self, name: &str) {
        name.clone_into(&mut self.mount.lock_meta().name);
    }

    /// The path, with its leading slash.
    pub fn path(&self) -> &str {
        &self.mount.path
    }

    /// Listeners connected now.
    pub fn listeners(&self) -> usize {
        self.counts().listeners
    }

    /// Listeners disconnected because they fell too far behind, since the programme began.
    pub fn dropped(&self) -> u64 {
        self.counts().dropped
    }

    fn counts(&self) -> Counts {
        self.mount.lock().as_ref().map(OnAir::counts).unwrap_or_default()
    }
}

impl Drop for MountOutput {
    fn drop(&mut self) {
        if self.mount.holders.fetch_sub(1, Relaxed) == 1 {
            self.shared.unmount(&self.mount);
            self.mount.end();
        }
    }
}

#[async_trait]
impl Output for MountOutput {
    fn describe(&self) -> String {
        format!("http {}", self.mount.path)
    }

    async fn open(&mut self, opening: &Opening) -> Result<Box<dyn Sink>, SinkError> {
        if let Some((meta, options)) = self.follows.take() {
            *self.mount.lock_meta() = meta;
            *self.mount.options.lock().unwrap_or_else(PoisonError::into_inner) = options;
        }
        let muxer = airchain_codecs::container::for_stream(&opening.info);
        Ok(Box::new(MountSink::new(Arc::clone(&self.mount), muxer, opening)))
    }
}

/// Feeds a mount.
struct MountSink {
    mount: Arc<Mount>,
    ring: Arc<Ring>,
    muxer: Box<dyn Muxer>,
    ogg: bool,
    chunk_frames: u64,
    pending: Vec<u8>,
    pending_frames: u64,
    preamble: Bytes,
    title: Arc<Title>,
    upcoming: Upcoming,
}

impl MountSink {
    fn new(mount: Arc<Mount>, mut muxer: Box<dyn Muxer>, opening: &Opening) -> Self {
        let metadata = opening.metadata.as_deref().cloned().unwrap_or_default();
        let title = Arc::new(Title::new(&metadata));
        let mut head = Vec::new();
        muxer.start(&metadata, &mut head);
        let ring = mount.begin(Arc::clone(&opening.info), muxer.mime(), Arc::clone(&title));
        let mut sink = Self {
            mount,
            ring,
            ogg: ogg::is_ogg(muxer.mime()),
            chunk_frames: frames(CHUNK, &opening.info),
            muxer,
            pending: Vec::new(),
            pending_frames: 0,
            preamble: Bytes::new(),
            title,
            upcoming: Upcoming::default(),
        };
        sink.begin_chain(head.into());
        sink
    }

    /// Decoders that join from here on need `head` first; those who are here get it now.
    fn begin_chain(&mut self, head: Bytes) {
        if !head.is_empty() {
            let title = Arc::clone(&self.title);
            self.ring.push(Chunk {
                data: head.clone(),
                preamble: Bytes::new(),
                joinable: true,
                title,
                frames: 0,
            });
        }
        self.preamble = head;
    }

    /// Lets listeners have what is pending.
    fn hand_on(&mut self) {
        if self.pending.is_empty() {
            return;
        }
        let frames = std::mem::take(&mut self.pending_frames);
        let data = Bytes::from(std::mem::take(&mut self.pending));
        let joinable = !self.ogg || ogg::begins_packet(&data);
        let (preamble, title) = (self.preamble.clone(), Arc::clone(&self.title));
        self.ring.push(Chunk { data, preamble, joinable, title, frames });
    }

    /// Takes what the muxer wrote. Who joins after the beginning of a logical stream needs the headers of that one.
    fn take(&mut self, mut out: Vec<u8>) {
        let begin = if self.ogg { ogg::first_chain(&out) } else { out.len() };
        let mut head = out.split_off(begin);
        self.pending.append(&mut out);
        if !head.is_empty() {
            self.hand_on();
            self.pending = head.split_off(ogg::headers(&head));
            self.begin_chain(head.into());
        }
    }

    /// From here on the audio belongs to `metadata`. Ogg may write its new headers only with a later packet.
    fn retitle(&mut self, metadata: &Metadata) {
        let mut out = Vec::new();
        self.muxer.retitle(metadata, &mut out);
        self.take(out);
        self.hand_on();
        self.title = Arc::new(Title::new(metadata));
        self.mount.note_title(&self.title);
    }
}

#[async_trait]
impl Sink for MountSink {
    async fn packet(&mut self, packet: &Packet) -> Result<(), SinkError> {
        if let Some(metadata) = self.upcoming.due(packet.end()) {
            self.retitle(&metadata);
        }
        let mut out = Vec::new();
        self.muxer.packet(packet, &mut out);
        self.take(out);
        self.pending_frames += u64::from(packet.duration);
        if self.pending_frames >= self.chunk_frames {
            self.hand_on();
        }
        Ok(())
    }

    async fn flush(&mut self) -> Result<(), SinkError> {
        self.hand_on();
        Ok(())
    }

    async fn title(&mut self, at: i64, metadata: &Arc<Metadata>) -> Result<(), SinkError> {
        self.upcoming.push(at, metadata);
        Ok(())
    }

    async fn close(&mut self) -> Result<(), SinkError> {
        // Patches are for files: what has been broadcast cannot be taken back.
        let _patches = self.muxer.finish(&mut self.pending);
        self.hand_on();
        // Listeners wait for the one that follows.
        if self.mount.holders.load(Relaxed) == 1 {
            self.mount.end();
        }
        Ok(())
    }
}

impl Drop for MountSink {
    /// Unless it was closed it failed and will be opened again: listeners wait, new ones are told to come back.
    fn drop(&mut self) {
        self.hand_on();
        self.mount.up.store(false, Relaxed);
    }
}

/// `MP3 128 kbit/s, 44.1 kHz stereo`.
pub(crate) fn label(info: &StreamInfo) -> String {
    let format = &info.format;
    let codec = match format.codec {
        Codec::Mp3 => "MP3",
        Codec::AacLc => "AAC",
        Codec::HeAacV1 => "HE-AAC",
        Codec::HeAacV2 => "HE-AAC v2",
        Codec::Opus => "Opus",
        Codec::Vorbis => "Vorbis",
        Codec::Flac | Codec::Flac24 => "FLAC",
        Codec::PcmS16 | Codec::PcmS24 | Codec::PcmF32 => "PCM",
    };
    let rate = match format.bitrate {
        Bitrate::Cbr(kbps) | Bitrate::Abr(kbps) => format!(" {kbps} kbit/s"),
        Bitrate::Vbr(_) => " VBR".to_owned(),
        Bitrate::Lossless => String::new(),
    };
    let channels = if format.channels == 1 { "mono" } else { "stereo" };
    format!("{codec}{rate}, {} kHz {channels}", f64::from(format.sample_rate_hz) / 1000.0)
}

#[cfg(test)]
mod tests {
    use airchain_codecs::Format;
    use airchain_codecs::container::Patch;

    use super::*;

    /// One letter per packet in a page of its own; `-` continues the packet before. As in real ones, a new title waits
    /// for the next packet.
    #[derive(Default)]
    struct Letters {
        next: Option<Metadata>,
    }

    impl Muxer for Letters {
        fn mime(&self) -> &'static str {
            "audio/ogg; codecs=opus"
        }
        fn extension(&self) -> &'static str {
            "opus"
        }
        fn start(&mut self, metadata: &Metadata, out: &mut Vec<u8>) {
            out.extend(ogg::page(2, b"<"));
            out.extend(ogg::page(0, metadata.one_line().as_bytes()));
        }
        fn packet(&mut self, packet: &Packet, out: &mut Vec<u8>) {
            if let Some(metadata) = self.next.take() {
                self.finish(out);
                self.start(&metadata, out);
            }
            let mut page = ogg::page(u8::from(packet.data.starts_with(b"-")), &packet.data);
            page[6] = 1; // The granule position: audio.
            out.extend(page);
        }
        fn retitle(&mut self, metadata: &Metadata, _: &mut Vec<u8>) -> bool {
            self.next = Some(metadata.clone());
            true
        }
        fn finish(&mut self, out: &mut Vec<u8>) -> Vec<Patch> {
            out.extend(ogg::page(4, b">"));
            Vec::new()
        }
    }

    async fn heard(mut reader: Reader) -> String {
        let mut bytes = Vec::new();
        while let Some(more) = reader.next().await {
            bytes.extend_from_slice(&more.unwrap());
        }
        ogg::contents(&bytes)
    }

    #[tokio::test]
    async fn ogg_listeners_get_the_header_of_their_chain() {
        let options = Options { burst: Duration::from_secs(2), ..Options::default() };
        let mount = Mount::new("/live.opus".into(), MountMeta::default(), MountOptions::default(), &options);
        let format = Format { sample_rate_hz: 48_000, ..Format::of(Codec::Opus) };
        let info = StreamInfo { format, delay: 0, packet_frames: None, headers: Vec::new() };
        let named = |title: &str| Arc::new(Metadata { title: Some(title.into()), ..Metadata::default() });
        let (info, epoch) = (Arc::new(info), Timestamp::UNIX_EPOCH);
        let opening = Opening {
            info,
            epoch,
            position: 0,
            leaps: crate::leaps::Leaps::default(),
            metadata: Some(named("one")),
        };
        let mut sink = MountSink::new(Arc::clone(&mount), Box::<Letters>::default(), &opening);
        let guest = || Guest { network: [192, 0, 2, 1].into(), disconnect: Arc::default() };
        let join = || mount.join(&mount.on_air().unwrap(), true, guest()).unwrap();
        let mut readers = vec![join()];
        // Each letter is a second.
        for (n, data) in ["a", "b", "-c", "d", "e", "f", "g"].into_iter().enumerate() {
            if data == "e" {
                sink.title(n as i64 * 48_000, &named("two")).await.unwrap();
            }
            let data = Bytes::from(data);
            sink.packet(&Packet { data, pts: n as i64 * 48_000, duration: 48_000 }).await.unwrap();
            readers.push(join());
        }
        sink.close().await.unwrap();
        let mut all = Vec::new();
        for reader in readers {
            all.push(heard(reader).await);
        }
        let whole = "<oneab-cd><twoefg>";
        assert_eq!(all[..3], [whole, whole, whole], "from the first second on");
        assert_eq!(all[3], "<oneb-cd><twoefg>");
        assert_eq!(all[4], "<oned><twoefg>", "nobody begins with c");
        assert_eq!(all[5], "<oned><twoefg>", "the burst reaches into the chain before");
        assert_eq!(all[7], "<twofg>", "the header of the chain it joins");
    }
}
