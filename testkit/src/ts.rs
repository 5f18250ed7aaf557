//! A checker of transport streams that shares nothing with the muxer: continuity, tables, clock and PES packets.

use std::collections::BTreeMap;

/// Gives up with a sentence where something does not hold.
macro_rules! ensure {
    ($holds:expr, $($what:tt)+) => {
        if !$holds {
            return Err(format!($($what)+));
        }
    };
}

/// A PES packet that was found whole.
#[derive(Debug)]
pub struct Pes {
    /// Its time stamp, unwrapped from 33 bits.
    pub pts: i64,
    /// Elementary stream bytes.
    pub data: Vec<u8>,
}

/// Follows one stream over its segments.
#[derive(Default)]
pub struct Checker {
    counters: BTreeMap<u16, u8>,
    clock: Option<i64>,
    pts: i64,
    /// Stream type of the audio (ISO/IEC 13818-1, table 2-34): 0x0F for ADTS, 0x03 and 0x04 for MP3; 0 before the first
    /// segment.
    pub stream_type: u8,
    /// Titles found so far: time stamp, unwrapped, and ID3 tag.
    pub titles: Vec<(i64, Vec<u8>)>,
}

impl Checker {
    /// Checks the next segment by itself, and that it continues the one before. Gives its PES packets of audio. Every
    /// title is whole and stands right before the audio of the same time stamp; one opens the segment.
    ///
    /// # Panics
    /// Where [`check`](Self::check) finds anything.
    pub fn segment(&mut self, data: &[u8]) -> Vec<Pes> {
        self.check(data).unwrap_or_else(|what| panic!("{what}"))
    }

    /// What comes next does so after a pause: time stamps and the clock go on further along, continuity counters as if
    /// nothing were missing.
    pub fn pause(&mut self) {
        self.clock = None;
    }

    /// The same as [`segment`](Self::segment), but says in a sentence what does not hold.
    pub fn check(&mut self, data: &[u8]) -> Result<Vec<Pes>, String> {
        self.read(data, true)
    }

    /// The same for a part of a segment (low-latency HLS), which need not open with a title.
    pub fn check_part(&mut self, data: &[u8]) -> Result<Vec<Pes>, String> {
        self.read(data, false)
    }

    /// Tables may come again between PES packets, where a part begins.
    fn read(&mut self, data: &[u8], titled: bool) -> Result<Vec<Pes>, String> {
        ensure!(
            !data.is_empty() && data.len().is_multiple_of(188),
            "{} bytes are not whole packets",
            data.len()
        );
        let (mut audio, mut found, mut pes) = (None, Vec::new(), Vec::new());
        let (mut title, mut title_pts, mut is_table) = (Vec::new(), None, false);
        for (index, packet) in data.chunks(188).enumerate() {
            ensure!(packet[0] == 0x47, "no sync byte at packet {index}");
            ensure!(packet[1] & 0xA0 == 0, "error or priority bit at packet {index}");
            let (start, pid) =
                (packet[1] & 0x40 != 0, u16::from(packet[1] & 0x1F) << 8 | u16::from(packet[2]));
            ensure!(packet[3] & 0xD0 == 0x10, "packet {index} is scrambled, or has no payload");
            let counter = packet[3] & 15;
            if let Some(last) = self.counters.insert(pid, counter) {
                let due = (last + 1) & 15;
                ensure!(
                    counter == due,
                    "continuity counter {counter} instead of {due} of PID {pid:#x} at packet {index}"
                );
            }
            let mut payload = &packet[4..];
            let mut clock = None;
            if packet[3] & 0x20 != 0 {
                let length = usize::from(payload[0]);
                ensure!(length <= 182, "an adaptation field that leaves no payload at packet {index}");
                let field = &payload[1..1 + length];
                let mut used = usize::from(length > 0);
                if length > 0 && field[0] & 0x10 != 0 {
                    ensure!(length >= 7, "an adaptation field too short for its clock reference");
                    clock = Some(pcr(&field[1..7])?);
                    used += 6;
                }
                ensure!(field[used..].iter().all(|byte| *byte == 0xFF), "stuffing of packet {index}");
                payload = &payload[1 + length..];
            }
            match pid {
                _ if index == 0 || pid == 0 => {
                    ensure!(pid == 0 && start, "a segment begins with PID {pid:#x} instead of the PAT");
                    ensure!(title.is_empty(), "tables between a title and its audio");
                    found.extend(self.finish(&mut pes)?);
                    let body = section(payload, 0x00)?;
                    ensure!(body.len() == 4 && body[2..] == [0xF0, 0], "the PAT names more than PMT 0x1000");
                    is_table = true;
                }
                _ if std::mem::take(&mut is_table) => {
                    ensure!(pid == 0x1000 && start, "PID {pid:#x} follows the PAT instead of the PMT");
                    let body = section(payload, 0x02)?;
                    ensure!(body.len() == 46, "a PMT of {} bytes", body.len());
                    let (programme, streams) = body[4..].split_at(17);
                    ensure!(body[2..4] == [0xF0, 17], "descriptors of the programme");
                    ensure!(programme == b"\x25\x0F\xFF\xFFID3 \xFFID3 \0\x1F\0\x01", "metadata pointer");
                    let stream = u16::from_be_bytes([streams[1], streams[2]]) & 0x1FFF;
                    ensure!(u16::from_be_bytes([body[0], body[1]]) & 0x1FFF == stream, "clock PID");
                    ensure!([0x0F, 0x03, 0x04].contains(&streams[0]), "stream type {:#x}", streams[0]);
                    ensure!(streams[3..5] == [0xF0, 0], "descriptors of the audio");
                    ensure!(streams[5..10] == [0x15, 0xE1, 0x01, 0xF0, 15], "metadata in PES packets");
                    ensure!(&streams[10..] == b"\x26\x0D\xFF\xFFID3 \xFFID3 \0\x0F", "metadata descriptor");
                    self.stream_type = streams[0];
                    audio = Some(stream);
                }
                0x101 => {
                    ensure!(clock.is_none(), "a clock reference with a title");
                    if start {
                        ensure!(title.is_empty(), "a title follows another");
                        found.extend(self.finish(&mut pes)?);
                    }
                    ensure!(start || !title.is_empty(), "a title without its beginning");
                    title.extend_from_slice(payload);
                }
                _ => {
                    ensure!(Some(pid) == audio, "PID {pid:#x} is not in the PMT");
                    ensure!(start == clock.is_some(), "a clock reference with each PES packet");
                    if start {
                        found.extend(self.finish(&mut pes)?);
                        let opens = titled && found.is_empty();
                        ensure!(!opens || !title.is_empty(), "a segment begins without its title");
                        if !title.is_empty() {
                            title_pts = Some(self.title(std::mem::take(&mut title))?);
                        }
                        let clock = clock.unwrap_or_default();
                        if let Some(last) = self.clock {
                            let gap = (clock - last).rem_euclid(1 << 33);
                            ensure!((1..=9_000).contains(&gap), "{gap} ticks between clock references");
                        }
                        self.clock = Some(clock);
                    }
                    ensure!(start || !pes.is_empty(), "a segment begins within a PES packet");
                    pes.extend_from_slice(payload);
                    if let Some(raw) = title_pts.take() {
                        ensure!(time_stamp(&pes)? == raw, "a title has not the time of the audio behind it");
                    }
                }
            }
        }
        ensure!(title.is_empty(), "a title without audio");
        found.extend(self.finish(&mut pes)?);
        Ok(found)
    }

    /// Checks the PES packet of a title, keeps it and gives its time stamp as it stands.
    fn title(&mut self, pes: Vec<u8>) -> Result<i64, String> {
        ensure!(pes.len() > 14 && pes[..4] == [0, 0, 1, 0xBD], "a title that is not private stream 1");
        ensure!(usize::from(pes[4]) << 8 | usize::from(pes[5]) == pes.len() - 6, "PES length of a title");
        ensure!(pes[6..9] == [0x84, 0x80, 5], "a title has more than a time stamp, or is not aligned");
        let raw = time_stamp(&pes)?;
        self.titles.push((self.unwrapped(raw), pes[14..].to_vec()));
        Ok(raw)
    }

    /// The time stamp nearest to the last one, as players unwrap.
    fn unwrapped(&self, raw: i64) -> i64 {
        self.pts + (raw - self.pts + (1 << 32)).rem_euclid(1 << 33) - (1 << 32)
    }

    fn finish(&mut self, pes: &mut Vec<u8>) -> Result<Option<Pes>, String> {
        if pes.is_empty() {
            return Ok(None);
        }
        let pes = std::mem::take(pes);
        ensure!(pes.len() > 14 && pes[..4] == [0, 0, 1, 0xC0], "start code of a PES packet");
        ensure!(usize::from(pes[4]) << 8 | usize::from(pes[5]) == pes.len() - 6, "PES length");
        ensure!(
            (pes[6] & 0xC0, pes[7], pes[8]) == (0x80, 0x80, 5),
            "a PES packet has more than a time stamp"
        );
        let raw = time_stamp(&pes)?;
        let lead = (raw - self.clock.unwrap_or_default()).rem_euclid(1 << 33);
        ensure!((1..=63_000).contains(&lead), "time stamp {lead} ticks after the clock");
        self.pts = self.unwrapped(raw);
        Ok(Some(Pes { pts: self.pts, data: pes[14..].to_vec() }))
    }
}

/// The time stamp of a PES packet that has nothing but one.
fn time_stamp(pes: &[u8]) -> Result<i64, String> {
    ensure!(pes.len() >= 14, "a PES packet too short for its time stamp");
    ensure!(
        (pes[9] >> 4, pes[9] & 1, pes[11] & 1, pes[13] & 1) == (2, 1, 1, 1),
        "marker bits of a time stamp"
    );
    Ok(i64::from(pes[9] >> 1 & 7) << 30
        | i64::from(u16::from_be_bytes([pes[10], pes[11]]) >> 1) << 15
        | i64::from(u16::from_be_bytes([pes[12], pes[13]]) >> 1))
}

/// The text frames of an ID3v2.4 tag (id3.org), which must be whole and have nothing else: all in UTF-8.
pub fn id3(tag: &[u8]) -> Vec<(String, String)> {
    let (frames, rest) = frames(tag);
    assert!(rest.is_empty(), "nothing but a tag");
    frames.into_iter().map(|(id, body)| (id, text(body))).collect()
}

/// The text in a text frame.
pub(crate) fn text(body: &[u8]) -> String {
    assert_eq!(body[0], 3, "UTF-8");
    String::from_utf8(body[1..].to_vec()).expect("UTF-8")
}

/// The frames of the ID3v2.4 tag that bytes begin with, and what is behind it.
pub(crate) fn frames(bytes: &[u8]) -> (Vec<(String, &[u8])>, &[u8]) {
    let size = |bytes: &[u8]| bytes.iter().fold(0, |size, byte| size << 7 | usize::from(byte & 0x7F));
    assert_eq!(bytes[..6], *b"ID3\x04\0\0", "version 2.4.0, no flags");
    let (tag, behind) = bytes[10..].split_at(size(&bytes[6..10]));
    let (mut frames, mut rest) = (Vec::new(), tag);
    assert!(!rest.is_empty(), "a tag has a frame");
    while !rest.is_empty() {
        let (head, after) = rest.split_at(10);
        let (body, after) = after.split_at(size(&head[4..8]));
        assert_eq!(head[8..], [0, 0], "no flags");
        frames.push((String::from_utf8(head[..4].to_vec()).expect("UTF-8"), body));
        rest = after;
    }
    (frames, behind)
}

fn pcr(field: &[u8]) -> Result<i64, String> {
    let base = u32::from_be_bytes([field[0], field[1], field[2], field[3]]);
    ensure!(field[4] & 0x7E == 0x7E, "reserved bits of a clock reference");
    ensure!((field[4] & 1, field[5]) == (0, 0), "extension of a clock reference");
    Ok(i64::from(base) << 1 | i64::from(field[4] >> 7))
}

/// The body of the only section in a payload, after its CRC was checked bit by bit.
fn section(payload: &[u8], table: u8) -> Result<Vec<u8>, String> {
    ensure!(payload.len() > 4 && payload[..2] == [0, table], "no section of table {table}");
    let length = usize::from(payload[2] & 0x0F) << 8 | usize::from(payload[3]);
    ensure!(length >= 13 && payload.len() >= 4 + length, "a section of {length} bytes");
    let section = &payload[1..4 + length];
    ensure!(payload[4 + length..].iter().all(|byte| *byte == 0xFF), "something behind a section");
    let mut remainder = 0xFFFF_FFFF_u32;
    for bit in section.iter().flat_map(|byte| (0..8).rev().map(move |n| u32::from(byte >> n & 1))) {
        let carry = remainder >> 31 ^ bit;
        remainder = (remainder << 1) ^ (carry * 0x04C1_1DB7);
    }
    ensure!(remainder == 0, "CRC of table {table}");
    Ok(section[8..section.len() - 4].to_vec())
}

/// Splits ADTS into frames and gives each one's sample rate, channels and length in bytes, header included.
pub fn adts(data: &[u8]) -> Vec<(u32, u8, usize)> {
    const RATES: [u32; 12] =
        [96_000, 88_200, 64_000, 48_000, 44_100, 32_000, 24_000, 22_050, 16_000, 12_000, 11_025, 8_000];
    let (mut frames, mut at) = (Vec::new(), 0);
    while at < data.len() {
        let head = &data[at..at + 7];
        assert_eq!((head[0], head[1] & 0xF6), (0xFF, 0xF0), "ADTS sync");
        let length = usize::from(head[3] & 3) << 11 | usize::from(head[4]) << 3 | usize::from(head[5] >> 5);
        let channels = (head[2] & 1) << 2 | head[3] >> 6;
        frames.push((RATES[usize::from(head[2] >> 2 & 15)], channels, length));
        at += length;
    }
    assert_eq!(at, data.len(), "an access unit is cut");
    frames
}
