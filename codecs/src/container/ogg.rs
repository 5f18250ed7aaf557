//! Ogg: Opus (RFC 7845), Vorbis and FLAC (RFC 9639, 10.1), as one logical stream after the other.
//!
//! A new title is a new logical stream ("chaining") of packets from the same encoder. So that a decoder, which begins
//! afresh, loses nothing, the new stream repeats what it needs to warm up: Opus the last 320 ms, which the pre-skip
//! takes off again; Vorbis the last packet, which yields no audio by itself; FLAC nothing.

use std::collections::VecDeque;
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;

use airchain_core::item::Metadata;

use super::ogg_page::{Pages, Place};
use super::{Muxer, Patch, comments, flac};
use crate::format::Codec;
use crate::packet::{Packet, SharedInfo};

/// Opus decoders have converged within this many frames. RFC 7845, 4.2, asks for 80 ms, after which a tone can still be
/// off by 10 dB below its level; after 320 ms it is below -50 dB.
const OPUS_WARM_UP: u32 = 15360;

/// Ogg, in a file or streamed.
pub(super) struct Ogg {
    info: SharedInfo,
    extension: &'static str,
    /// Frames on a page.
    page_frames: u64,
    /// Frames that a logical stream lasts at least: titles that change faster wait, for decoders stumble over streams of
    /// a few milliseconds, and a flood of titles must not become a flood of headers.
    shortest_link: i64,
    serial: u32,
    begin: Option<i64>,
    pages: Pages,
    on_page: u64,
    first_page: bool,
    /// The current logical stream; none until its first packet.
    link: Option<Link>,
    /// The last packets, to warm up the decoder of the next logical stream.
    recent: VecDeque<Packet>,
    /// FLAC's frame number.
    number: u64,
    current: Metadata,
    /// What the next packet begins.
    next: Option<Metadata>,
}

/// One of the logical streams that make up the chain.
#[derive(Clone, Copy)]
struct Link {
    /// Position of granule 0.
    origin: i64,
    /// Where its audio begins.
    begin: i64,
}

impl Ogg {
    /// A live stream: a page every 80 ms, so that listeners are not kept waiting.
    pub(super) fn stream(info: &SharedInfo) -> Self {
        // No two streams that a listener may hear one after the other share a serial number.
        let serial = RandomState::new().hash_one(info.delay) as u32;
        Self::new(info, info.format.codec.extension(), serial, 80)
    }

    /// A file: a page every half second. The same audio gives the same bytes.
    pub(super) fn file(info: &SharedInfo, extension: &'static str) -> Self {
        Self::new(info, extension, 1, 500)
    }

    fn new(info: &SharedInfo, extension: &'static str, serial: u32, page_ms: u64) -> Self {
        Self {
            info: Arc::clone(info),
            extension,
            page_frames: u64::from(info.format.sample_rate_hz) * page_ms / 1000,
            shortest_link: i64::from(info.format.sample_rate_hz / 10),
            serial,
            begin: None,
            pages: Pages::new(serial),
            on_page: 0,
            first_page: true,
            link: None,
            recent: VecDeque::new(),
            number: 0,
            current: Metadata::default(),
            next: None,
        }
    }

    /// The packets that open a logical stream, each on a page of its own or all but the first together.
    fn headers(&mut self, pre_skip: u32, out: &mut Vec<u8>) {
        let header =
            |index: usize| self.info.headers.get(index).map(|bytes| bytes.to_vec()).unwrap_or_default();
        let packets = match self.info.format.codec {
            Codec::Opus => {
                let mut head = header(0);
                if let Some(place) = head.get_mut(10..12) {
                    place.copy_from_slice(&u16::try_from(pre_skip).unwrap_or(u16::MAX).to_le_bytes());
                }
                vec![head, [b"OpusTags".as_slice(), &comments::write(&self.current)].concat()]
            }
            Codec::Vorbis => {
                let tags = [b"\x03vorbis".as_slice(), &comments::write(&self.current), &[1]].concat();
                vec![header(0), tags, header(1)]
            }
            _ => flac::ogg_headers(&header(0), &self.current).to_vec(),
        };
        for (index, packet) in packets.iter().enumerate() {
            self.pages.packet(packet, 0, out);
            if index == 0 || index + 1 == packets.len() {
                self.pages.flush(Place::Middle, out);
            }
        }
    }

    /// Opens a logical stream whose audio begins at `begin`, and puts in what warms its decoder up.
    fn open(&mut self, begin: i64, out: &mut Vec<u8>) {
        let warm_up = std::mem::take(&mut self.recent);
        let first = warm_up.front().map_or(begin, |packet| packet.pts);
        self.headers(u32::try_from(begin - first).unwrap_or(0), out);
        // Opus counts what is skipped; Vorbis knows of none.
        let origin = if self.info.format.codec == Codec::Opus { first } else { begin };
        self.link = Some(Link { origin, begin });
        for packet in &warm_up {
            self.put(packet, out);
        }
        self.recent = warm_up;
    }

    /// Puts a packet on a page; the page before goes out once it is long enough. The last packet thus always waits, for
    /// the page that it is on may turn out to be the stream's last.
    fn put(&mut self, packet: &Packet, out: &mut Vec<u8>) {
        let granule = u64::try_from(packet.end() - self.link.map_or(0, |link| link.origin)).unwrap_or(0);
        // A page cannot consist of what yields no audio.
        let duration = if granule == 0 { 0 } else { u64::from(packet.duration) };
        // The first page is short: players begin sooner, and libvorbisfile loses a first link that is one page long.
        let most = if self.first_page { 0 } else { self.page_frames };
        if self.on_page > 0 && self.on_page + duration > most {
            self.pages.flush(Place::Middle, out);
            (self.on_page, self.first_page) = (0, false);
        }
        self.on_page += duration;
        if matches!(self.info.format.codec, Codec::Flac | Codec::Flac24) {
            let mut frame = Vec::with_capacity(packet.data.len() + 8);
            flac::renumber(&packet.data, self.number, &mut frame);
            self.number += 1;
            self.pages.packet(&frame, granule, out);
        } else {
            self.pages.packet(&packet.data, granule, out);
        }
    }

    /// Closes the logical stream and makes ready for another.
    fn close(&mut self, out: &mut Vec<u8>) {
        self.pages.flush(Place::Last, out);
        // Any number that is not the last one.
        self.serial = self.serial.wrapping_add(0x9E37_79B9);
        self.pages = Pages::new(self.serial);
        (self.on_page, self.first_page, self.number, self.link) = (0, true, 0, None);
    }

    /// Keeps a packet as long as the next logical stream may need it.
    fn remember(&mut self, packet: &Packet) {
        let needed = |recent: &VecDeque<Packet>| match self.info.format.codec {
            Codec::Opus => recent.iter().skip(1).map(|packet| packet.duration).sum::<u32>() < OPUS_WARM_UP,
            Codec::Vorbis => recent.len() <= 1,
            _ => false,
        };
        self.recent.push_back(packet.clone());
        while !self.recent.is_empty() && !needed(&self.recent) {
            self.recent.pop_front();
        }
    }
}

impl Muxer for Ogg {
    fn mime(&self) -> &'static str {
        self.info.format.codec.mime()
    }

    fn extension(&self) -> &'static str {
        self.extension
    }

    fn begin_at(&mut self, frame: i64) {
        self.begin = Some(frame);
    }

    fn start(&mut self, metadata: &Metadata, out: &mut Vec<u8>) {
        self.current = metadata.clone();
        if self.begin.is_none() {
            self.headers(self.info.delay, out);
        }
    }

    fn packet(&mut self, packet: &Packet, out: &mut Vec<u8>) {
        match (self.link, self.begin) {
            (Some(link), _) => {
                if let Some(metadata) = self.next.take_if(|_| packet.pts - link.begin >= self.shortest_link) {
                    self.close(out);
                    self.current = metadata;
                    self.open(packet.pts, out);
                }
            }
            // Not there yet: it only warms the decoder up.
            (None, Some(begin)) if packet.end() <= begin => return self.remember(packet),
            (None, Some(begin)) => {
                self.current = self.next.take().unwrap_or_else(|| std::mem::take(&mut self.current));
                self.open(begin, out);
            }
            // The headers are out.
            (None, None) => {
                let (origin, begin) = match self.info.format.codec {
                    Codec::Opus => (packet.pts, packet.pts + i64::from(self.info.delay)),
                    // The first packet yields nothing.
                    Codec::Vorbis => (packet.end(), packet.end()),
                    _ => (packet.pts, packet.pts),
                };
                self.link = Some(Link { origin, begin });
            }
        }
        self.put(packet, out);
        self.remember(packet);
    }

    fn retitle(&mut self, metadata: &Metadata, _: &mut Vec<u8>) -> bool {
        self.next = (*metadata != self.current).then(|| metadata.clone());
        true
    }

    fn finish(&mut self, out: &mut Vec<u8>) -> Vec<Patch> {
        self.pages.flush(Place::Last, out);
        Vec::new()
    }
}
