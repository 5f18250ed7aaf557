//! Any bytes as packets and titles: what muxers make of them, readers get back.

use std::io::Cursor;
use std::sync::{Arc, OnceLock};

use airchain::codecs::container::segment::SegmentError;
use airchain::codecs::container::ts::TsMuxer;
use airchain::codecs::container::{self, Muxer, mp3};
use airchain::codecs::decode::{Decoder, Progress};
use airchain::codecs::encode::ENCODERS;
use airchain::codecs::packet::{Packet, SharedInfo, StreamInfo};
use airchain::codecs::{Codec, Format, decode};
use airchain::core::Stereo;
use airchain::core::item::Metadata;
use airchain_inputs::webstream::fuzzing;
use arbitrary::{Result, Unstructured};
use testkit::ts;

use crate::decode::InMemory;
use crate::{Seed, material};

/// Packets of a run at most.
const MOST: usize = 64;
/// Longest value of a tag in bytes.
const MOST_TEXT: usize = 1000;

pub(crate) fn body(data: &[u8]) {
    let _ = all(&mut Unstructured::new(data));
}

/// The file or transport stream that comes of an input: its extension and its bytes; none where its packets are not a codec's.
pub fn made(data: &[u8]) -> Option<(&'static str, Vec<u8>)> {
    all(&mut Unstructured::new(data)).ok()?
}

fn all(u: &mut Unstructured<'_>) -> Result<Option<(&'static str, Vec<u8>)>> {
    if u.arbitrary()? {
        let (info, packets) = programme(u)?;
        return Ok(Some(if TsMuxer::new(info).is_ok() && u.ratio(1, 3)? {
            ("ts", transport(u, info, packets)?)
        } else {
            file(u, info, packets)?
        }));
    }
    let info = info(u)?;
    let packets = packets(u, &info)?;
    match info.format.codec {
        Codec::AacLc | Codec::HeAacV1 | Codec::HeAacV2 => {
            adts(&info, &packets);
            transport(u, &info, &packets)?;
        }
        Codec::Mp3 => {
            mp3_file(&info, &packets, &metadata(u)?);
            transport(u, &info, &packets)?;
        }
        Codec::Opus | Codec::Vorbis => ogg(u, &info, &packets)?,
        _ => {}
    }
    Ok(None)
}

/// A format of any codec that can travel with packets that are not its own.
fn info(u: &mut Unstructured<'_>) -> Result<SharedInfo> {
    let codec = u.choose(ENCODERS)?.codec;
    let sample_rate_hz = *u.choose(&[48_000, 44_100, 32_000])?;
    let format = Format { sample_rate_hz, channels: u.int_in_range(1..=2)?, ..Format::of(codec) };
    let packet_frames = match codec {
        Codec::Mp3 => Some(1152),
        Codec::AacLc => Some(1024),
        Codec::HeAacV1 | Codec::HeAacV2 => Some(2048),
        Codec::Opus => Some(960),
        _ => None,
    };
    let headers = match codec {
        Codec::Opus => vec![b"OpusHead\x01\x02\x38\x01\x80\xbb\0\0\0\0\0".as_slice().into()],
        Codec::Vorbis => vec![b"\x01vorbis".as_slice().into(), b"\x05vorbis".as_slice().into()],
        _ => Vec::new(),
    };
    Ok(Arc::new(StreamInfo { format, delay: 312, packet_frames, headers }))
}

/// Packets one after the other, of any sizes; each begins with its number, so that it is known again.
fn packets(u: &mut Unstructured<'_>, info: &StreamInfo) -> Result<Vec<Packet>> {
    // No sooner than encoders are ahead.
    let mut pts = i64::from(u.arbitrary::<i16>()? % 4_096);
    let mut packets = Vec::new();
    for number in 0..u.int_in_range(1..=MOST)? {
        let size = match u.arbitrary::<u8>()? {
            size @ 0..250 => 4 + usize::from(size),
            // Lengths at which Ogg's lacing and TS packets end.
            250 => 255,
            251 => 510,
            252 => 65_025,
            253 => 184 * 3 - 14,
            254 => 4 + usize::from(u.arbitrary::<u16>()?) % 8_180,
            255 => 8_184,
        };
        let fill: u8 = u.arbitrary()?;
        let mut data = vec![fill; size.max(4)];
        data[..4].copy_from_slice(&(number as u32).to_be_bytes());
        let duration = match info.packet_frames {
            Some(frames) => frames,
            None => 64 << u.int_in_range(0..=5)?,
        };
        packets.push(Packet { data: data.into(), pts, duration });
        pts += i64::from(duration);
    }
    Ok(packets)
}

/// Titles as nobody would write them.
fn metadata(u: &mut Unstructured<'_>) -> Result<Metadata> {
    let text = |u: &mut Unstructured<'_>| -> Result<Option<String>> {
        Ok(match u.arbitrary::<u8>()? % 8 {
            0 => None,
            1 => Some(String::new()),
            2 => Some("Größe — \u{2028}\u{202e}\u{feff}\0\r\n\t';\"".into()),
            3 => Some("é".repeat(usize::from(u.arbitrary::<u16>()?) % 3_000)),
            _ => Some(u.arbitrary::<&str>()?.to_owned()),
        })
    };
    Ok(Metadata { title: text(u)?, artist: text(u)?, album: text(u)?, ..Metadata::default() })
}

/// What a tag holds of a text.
fn kept(text: &str) -> String {
    let mut kept: String = text.chars().filter(|c| !c.is_control()).collect();
    kept.truncate(kept.floor_char_boundary(MOST_TEXT));
    kept
}

/// Segments of a transport stream: every byte of the payload, every title at its place.
fn transport(u: &mut Unstructured<'_>, info: &SharedInfo, packets: &[Packet]) -> Result<Vec<u8>> {
    let mut stream = Vec::new();
    let mut muxer = TsMuxer::new(info).unwrap_or_else(|error| panic!("{error}"));
    let (mut checker, mut sent, mut read, mut titles) =
        (ts::Checker::default(), Vec::new(), Vec::new(), Vec::new());
    let mut rest = packets;
    while !rest.is_empty() {
        let (segment, later) = rest.split_at(u.int_in_range(1..=rest.len())?);
        rest = later;
        let mut out = Vec::new();
        muxer.tables(&mut out);
        let mut title_due = true;
        for packet in segment {
            if title_due || u.ratio(1, 8)? {
                let metadata = metadata(u)?;
                muxer.title(&metadata, packet.pts, &mut out);
                titles.push(metadata);
            }
            title_due = match muxer.packet(packet, &mut out) {
                Ok(()) => {
                    sent.extend_from_slice(&packet.data);
                    false
                }
                Err(SegmentError::PacketSize(size)) => {
                    assert!(size > 8_184 || size == 0, "{size} bytes are refused");
                    // What follows is not where this one ended. A title that nothing follows belongs to nothing.
                    return Ok(stream);
                }
                Err(error) => panic!("{error}"),
            };
        }
        muxer.flush(&mut out);
        stream.extend_from_slice(&out);
        for pes in checker.segment(&out) {
            read.extend(if info.format.codec == Codec::Mp3 { pes.data } else { unframed(&pes.data) });
        }
    }
    for step in [188, 1_400, stream.len()] {
        let heard = fuzzing::transport(&stream, step);
        let heard = if info.format.codec == Codec::Mp3 { heard } else { unframed(&heard) };
        assert!(sent == heard, "what an input hears of a transport stream in pieces of {step}");
    }
    assert!(sent == read, "the payload of a transport stream is not what it was");
    assert_eq!(checker.titles.len(), titles.len());
    for ((_, tag), metadata) in checker.titles.iter().zip(&titles) {
        id3_says(&ts::id3(tag), metadata);
    }
    Ok(stream)
}

/// Frames of a tag, and what was to be said.
fn id3_says(frames: &[(String, String)], metadata: &Metadata) {
    for (id, wanted) in [("TIT2", &metadata.title), ("TPE1", &metadata.artist), ("TALB", &metadata.album)] {
        let found = frames.iter().find(|(known, _)| known == id).map(|(_, text)| text.as_str());
        match wanted {
            Some(text) => assert_eq!(found, Some(kept(text).as_str()), "{id}"),
            // A tag is never without a frame.
            None => assert!(found.is_none_or(str::is_empty), "{id}: {found:?}"),
        }
    }
}

/// Access units without their ADTS headers.
fn unframed(data: &[u8]) -> Vec<u8> {
    let (mut units, mut at) = (Vec::new(), 0);
    for (_, _, length) in ts::adts(data) {
        units.extend_from_slice(&data[at + 7..at + length]);
        at += length;
    }
    units
}

fn adts(info: &SharedInfo, packets: &[Packet]) {
    let fits = |packet: &&Packet| packet.data.len() <= 0x1FFF - 7;
    let packets: Vec<Packet> = packets.iter().filter(fits).cloned().collect();
    let stream = material::muxed(container::for_stream(info), &Metadata::default(), &packets);
    let sent: Vec<u8> = packets.iter().flat_map(|packet| packet.data.to_vec()).collect();
    assert!(unframed(&stream) == sent, "the payload of ADTS is not what it was");
}

/// A tag, a frame that holds the length, and then the payload.
fn mp3_file(info: &SharedInfo, packets: &[Packet], metadata: &Metadata) {
    let muxer = container::for_file(info, "mp3").unwrap_or_else(|error| panic!("{error}"));
    let file = material::muxed(muxer, metadata, packets);
    let mut rest = file.as_slice();
    if rest.starts_with(b"ID3") {
        let size = rest[6..10].iter().fold(0, |size, byte| size << 7 | usize::from(byte & 0x7F));
        let (tag, behind) = rest.split_at(10 + size);
        id3_says(&ts::id3(tag), metadata);
        rest = behind;
    } else {
        let said = [&metadata.title, &metadata.artist, &metadata.album];
        assert!(said.iter().all(|text| text.is_none()), "{metadata:?} is not written");
    }
    let length = mp3::frame_bytes(rest).unwrap_or_else(|| panic!("there is no frame behind the tag"));
    let sent: Vec<u8> = packets.iter().flat_map(|packet| packet.data.to_vec()).collect();
    assert!(rest[length..] == sent, "the payload of an MP3 file is not what it was");
}

/// A chain of logical streams: every packet in turn, those that warm a decoder up once more, every title in its place.
fn ogg(u: &mut Unstructured<'_>, info: &SharedInfo, packets: &[Packet]) -> Result<()> {
    let mut muxer = if u.arbitrary()? {
        container::for_stream(info)
    } else {
        container::for_file(info, "ogg").unwrap_or_else(|error| panic!("{error}"))
    };
    let (mut out, mut titles) = (Vec::new(), vec![metadata(u)?]);
    muxer.start(&titles[0], &mut out);
    for packet in packets {
        if u.ratio(1, 8)? {
            titles.push(metadata(u)?);
            muxer.retitle(titles.last().unwrap_or(&Metadata::default()), &mut out);
        }
        muxer.packet(packet, &mut out);
    }
    assert!(muxer.finish(&mut out).is_empty());

    let headers = if info.format.codec == Codec::Opus { 2 } else { 3 };
    let mut reader = ogg::PacketReader::new(Cursor::new(out));
    let (mut in_link, mut next, mut last_title) = (0, 0, 0);
    loop {
        let packet = reader.read_packet().unwrap_or_else(|error| panic!("Ogg that cannot be read: {error}"));
        let Some(packet) = packet else { break };
        in_link = if packet.first_in_stream() { 0 } else { in_link + 1 };
        if in_link == 1 {
            let said = comments(packet.data.get(if headers == 2 { 8 } else { 7 }..).unwrap_or_default());
            let is_said = |metadata: &Metadata| said_in_comments(metadata) == said;
            let place = titles[last_title..].iter().position(is_said);
            last_title += place.unwrap_or_else(|| panic!("{said:?} was never a title, or not now"));
        }
        if in_link < headers {
            continue;
        }
        let number =
            u32::from_be_bytes([packet.data[0], packet.data[1], packet.data[2], packet.data[3]]) as usize;
        assert!(packets[number].data == packet.data, "packet {number} is not what it was");
        assert!(number <= next, "packet {next} is missing");
        next = next.max(number + 1);
    }
    assert_eq!(next, packets.len(), "packets are missing at the end");
    Ok(())
}

fn comments(mut bytes: &[u8]) -> Vec<String> {
    let take = |bytes: &mut &[u8]| {
        let (length, rest) = bytes.split_at(4);
        let length = u32::from_le_bytes([length[0], length[1], length[2], length[3]]) as usize;
        let (text, behind) = (length, rest);
        *bytes = behind;
        text
    };
    let vendor = take(&mut bytes);
    bytes = &bytes[vendor..];
    let count = take(&mut bytes);
    (0..count)
        .map(|_| {
            let length = take(&mut bytes);
            let (text, rest) = bytes.split_at(length);
            bytes = rest;
            String::from_utf8(text.to_vec()).unwrap_or_else(|error| panic!("a comment is not text: {error}"))
        })
        .collect()
}

fn said_in_comments(metadata: &Metadata) -> Vec<String> {
    let said = [("TITLE", &metadata.title), ("ARTIST", &metadata.artist), ("ALBUM", &metadata.album)];
    said.iter().filter_map(|(key, text)| Some(format!("{key}={}", kept(text.as_ref()?)))).collect()
}

/// One of the programmes that were encoded for the seeds.
fn programme(u: &mut Unstructured<'_>) -> Result<(&'static SharedInfo, &'static [Packet])> {
    static PROGRAMMES: OnceLock<Vec<(SharedInfo, Vec<Packet>)>> = OnceLock::new();
    let (info, packets) = u.choose(PROGRAMMES.get_or_init(material::programmes))?;
    Ok((info, packets))
}

/// A real programme in a file or stream, from anywhere on and with any titles: all of it plays, under its title.
fn file(u: &mut Unstructured<'_>, info: &SharedInfo, packets: &[Packet]) -> Result<(&'static str, Vec<u8>)> {
    let codec = info.format.codec;
    let is_stream = u.arbitrary()?;
    let mut muxer: Box<dyn Muxer> = if is_stream {
        container::for_stream(info)
    } else {
        let extension = u.choose(container::extensions(codec))?;
        container::for_file(info, extension).unwrap_or_else(|error| panic!("{error}"))
    };
    let end = packets.last().map_or(0, Packet::end);
    // As recordings do it, with a packet; one of the first, as nobody can tell what a single one is of.
    let begin = if is_stream { 0 } else { u.choose(&packets[..packets.len().div_ceil(2)])?.pts.max(0) };
    if begin > 0 {
        muxer.begin_at(begin);
    }
    let metadata = metadata(u)?;
    let mut bytes = Vec::new();
    muxer.start(&metadata, &mut bytes);
    for packet in packets {
        if is_stream && u.ratio(1, 8)? {
            muxer.retitle(&self::metadata(u)?, &mut bytes);
        }
        muxer.packet(packet, &mut bytes);
    }
    for patch in muxer.finish(&mut bytes) {
        let at = patch.offset as usize;
        bytes[at..at + patch.data.len()].copy_from_slice(&patch.data);
    }

    let file = InMemory::new(&bytes).unwrap_or_else(|error| panic!("no memory for a file: {error}"));
    let mut decoder = decode::open(&file.path()).unwrap_or_else(|error| panic!("{codec}: {error}"));
    let found = decoder.info().metadata.title.clone();
    // Frames alone say neither how long they are in all nor what they are called.
    let is_bare =
        matches!(codec, Codec::AacLc | Codec::HeAacV1 | Codec::HeAacV2) || codec == Codec::Mp3 && is_stream;
    let wanted = metadata.title.as_deref().map(kept).unwrap_or_default();
    let wanted = wanted.trim_matches(|c: char| c.is_whitespace() || c == '\0');
    // Latin-1 that happens to be UTF-8 is read as such.
    let is_plain = wanted.is_ascii() || wanted.chars().any(|c| c as u32 > 0xFF);
    if is_plain && !is_bare {
        assert_eq!(found.unwrap_or_default(), wanted, "{codec}");
    }
    let heard = play(&mut *decoder);
    if !is_bare {
        assert_eq!(
            heard,
            (end - begin) as usize,
            "{codec} from {begin} of {end}, {:?}",
            decoder.take_damage()
        );
    }
    Ok((muxer.extension(), bytes))
}

fn play(decoder: &mut dyn Decoder) -> usize {
    let mut frames: Vec<Stereo> = Vec::new();
    loop {
        match decoder.decode(&mut frames) {
            Ok(Progress::More) => {}
            Ok(Progress::End) => return frames.len(),
            Err(error) => panic!("{error}"),
        }
    }
}

pub(crate) fn seeds() -> Vec<Seed> {
    let mut seeds = material::random(96, 400);
    // Half of them are real programmes, of every codec in turn.
    for (number, seed) in seeds.iter_mut().enumerate().step_by(2) {
        seed.bytes[0] = 1;
        seed.bytes[1] = (number / 2 % ENCODERS.len()) as u8;
    }
    seeds
}
