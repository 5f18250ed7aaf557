//! Ogg streams: pages to packets, and one logical stream after the other ("chaining").

use airchain_core::item::Metadata;
use symphonia::core::codecs::audio::well_known as id;

use super::input::Input;
use super::link::{Header, Link};
use super::page::{Look, Page};
use super::voice::Voice;
use super::{Damage, Flow};

/// Bytes of a packet that are kept. Only comments with pictures are longer, and of those the pictures come last.
const MOST_PACKET_BYTES: usize = 512 << 10;
/// Bytes of pages without audio that count as one byte of nothing: headers can be large.
const LENIENCE: usize = 16;
/// No stream's first page reaches further, in frames at 48 kHz: 255 packets of 20 ms.
const FIRST_PAGE_FRAMES: u64 = 255 * 960;

/// The logical streams.
#[derive(Default)]
pub(super) struct Ogg {
    playing: Option<Playing>,
    /// The page at the front of the input, and what of it is still to be read.
    page: Option<Rest>,
    /// A packet of which more is to come.
    partial: Vec<u8>,
    /// The page before was the first of its stream: streams side by side all begin together.
    beginning: bool,
    /// What was last said about the programme.
    known: Metadata,
}

/// What of a page is still to be read.
#[derive(Clone, Copy)]
struct Rest {
    page: Page,
    segment: usize,
    at: usize,
    /// Its first packet has lost its beginning.
    orphan: bool,
}

/// The logical stream that is heard.
struct Playing {
    link: Link,
    serial: u32,
    sequence: u32,
    /// Its headers are complete.
    open: bool,
    /// Its first packet of audio has come.
    heard: bool,
    /// It does not begin at its beginning.
    joined: bool,
    /// Frames to leave out before the first that is heard.
    skip: u64,
    /// Position after the last page, where that is certain.
    granule: Option<u64>,
    /// Frames up to the end, once it is known.
    left: Option<u64>,
}

impl Ogg {
    /// Goes on by a packet, or to the next page. A title is what the frames from there on belong to.
    pub(super) fn next(
        &mut self,
        input: &mut Input,
        voice: &mut Voice,
        damage: &mut Damage,
        title: &mut Option<Metadata>,
    ) -> Flow {
        let Some(rest) = self.page else {
            return match Page::look(input.bytes()) {
                Look::Page(page) => {
                    self.begin(page, input, voice, damage);
                    Flow::More
                }
                Look::Later(count) if !input.ended() => {
                    input.need(count);
                    Flow::Hungry
                }
                Look::Later(_) => {
                    // The stream was cut off in the middle of its last page.
                    input.skip(input.bytes().len());
                    Flow::More
                }
                Look::No(_) => Flow::Lost,
            };
        };
        if rest.segment >= rest.page.segments {
            self.end(rest.page, input);
            return Flow::More;
        }
        let (length, segment, whole) = rest.page.packet(input.bytes(), rest.segment);
        let data = input.bytes().get(rest.at..rest.at + length).unwrap_or_default();
        self.page = Some(Rest { segment, at: rest.at + length, orphan: rest.orphan && !whole, ..rest });
        if rest.orphan {
            return Flow::More;
        }
        if !whole || !self.partial.is_empty() {
            let room = MOST_PACKET_BYTES.saturating_sub(self.partial.len());
            self.partial.extend_from_slice(&data[..length.min(room)]);
        }
        if whole {
            let mut partial = std::mem::take(&mut self.partial);
            let packet = if partial.is_empty() { data } else { &partial };
            let (outcome, length) = (self.packet(packet, voice, damage, title), packet.len());
            partial.clear();
            self.partial = partial;
            match outcome {
                Outcome::Header => {}
                Outcome::Audio => input.bears_fruit(),
                Outcome::Lost => {
                    input.in_vain(length);
                    input.trouble = Some(voice.trouble());
                }
            }
        }
        Flow::More
    }

    /// Takes up a page, if it belongs to what is heard.
    fn begin(&mut self, page: Page, input: &mut Input, voice: &mut Voice, damage: &mut Damage) {
        input.in_vain(page.bytes / LENIENCE);
        let beside = std::mem::replace(&mut self.beginning, page.first) && self.playing.is_some();
        if page.first && !beside {
            let (length, _, _) = page.packet(input.bytes(), 0);
            let first = input.bytes().get(page.body_at()..page.body_at() + length).unwrap_or_default();
            self.playing = Link::open(first).map(|link| Playing::new(link, &page));
            if self.playing.is_none() {
                input.trouble = Some("Ogg with a codec that is not known".into());
            }
            self.partial.clear();
            return input.skip(page.bytes);
        }
        let Some(playing) = self.playing.as_mut().filter(|playing| playing.serial == page.serial) else {
            if self.playing.is_none() {
                input.trouble.get_or_insert_with(|| "Ogg without the headers of its stream".into());
            }
            return input.skip(page.bytes);
        };
        let missing = page.sequence.wrapping_sub(playing.sequence);
        playing.sequence = page.sequence.wrapping_add(1);
        if missing != 0 {
            self.partial.clear();
            playing.granule = None;
            if playing.heard {
                // A number that is lower than the last says nothing about how many are missing.
                damage.lost_pages += if missing > u32::MAX / 2 { 1 } else { u64::from(missing) };
                voice.breaks();
            } else if playing.open || playing.link.codec == id::CODEC_ID_FLAC {
                playing.joined = true;
            } else {
                // Its headers are not all there.
                self.playing = None;
                return input.skip(page.bytes);
            }
        }
        if !page.continued && !self.partial.is_empty() {
            self.partial.clear();
            damage.lost_packets += 1;
            voice.breaks();
        }
        let late = page.granule.is_some_and(|granule| granule > FIRST_PAGE_FRAMES);
        playing.joined |= !playing.heard && late && playing.link.codec == id::CODEC_ID_OPUS;
        if page.last {
            playing.left = page.granule.zip(playing.granule).map(|(end, before)| end.saturating_sub(before));
        }
        let orphan = page.continued && self.partial.is_empty();
        self.page = Some(Rest { page, segment: 0, at: page.body_at(), orphan });
    }

    /// Is done with a page.
    fn end(&mut self, page: Page, input: &mut Input) {
        self.page = None;
        input.skip(page.bytes);
        if page.last {
            self.playing = None;
        } else if let (Some(playing), Some(granule)) = (&mut self.playing, page.granule) {
            playing.granule = Some(granule);
        }
    }

    fn packet(
        &mut self,
        packet: &[u8],
        voice: &mut Voice,
        damage: &mut Damage,
        title: &mut Option<Metadata>,
    ) -> Outcome {
        let Some(playing) = &mut self.playing else { return Outcome::Header };
        // An empty one is there for its granule (ffmpeg ends FLAC so).
        if packet.is_empty() {
            return Outcome::Header;
        }
        if playing.open {
            return playing.audio(packet, voice, damage);
        }
        let header = playing.link.header(packet);
        match header {
            Header::More => return Outcome::Header,
            Header::Wrong => {
                self.playing = None;
                return Outcome::Header;
            }
            Header::Last | Header::Audio => {}
        }
        playing.open = true;
        voice.open(&playing.link.params(), "ogg");
        let metadata = std::mem::take(&mut playing.link.metadata);
        if metadata != Metadata::default() || self.known != metadata {
            self.known.clone_from(&metadata);
            *title = Some(metadata);
        }
        match header {
            Header::Audio => playing.audio(packet, voice, damage),
            _ => Outcome::Header,
        }
    }
}

/// What a packet came to.
enum Outcome {
    /// It is not there for its audio.
    Header,
    Audio,
    Lost,
}

impl Playing {
    fn new(link: Link, page: &Page) -> Self {
        Self {
            link,
            serial: page.serial,
            sequence: page.sequence.wrapping_add(1),
            open: false,
            heard: false,
            joined: false,
            skip: 0,
            granule: Some(0),
            left: None,
        }
    }

    fn audio(&mut self, packet: &[u8], voice: &mut Voice, damage: &mut Damage) -> Outcome {
        let first = !std::mem::replace(&mut self.heard, true);
        if first {
            let (pre_skip, preroll) = voice.pre_skip();
            self.skip = if self.joined && self.link.codec == id::CODEC_ID_OPUS { preroll } else { pre_skip };
            if self.joined {
                voice.breaks();
            }
        }
        // One block of Vorbis makes no audio, it takes two that overlap.
        let alone = self.link.codec == id::CODEC_ID_VORBIS && (first || voice.is_broken());
        let Some(frames) = voice.decode(packet) else {
            damage.lost_packets += 1;
            return Outcome::Lost;
        };
        let frames = if alone { 0 } else { frames };
        let end = self.left.map_or(frames, |left| frames.min(usize::try_from(left).unwrap_or(usize::MAX)));
        self.left = self.left.map(|left| left - end as u64);
        let from = end.min(usize::try_from(self.skip).unwrap_or(usize::MAX));
        self.skip -= from as u64;
        voice.keep(from..end);
        Outcome::Audio
    }
}
