//! WAV: linear PCM in RIFF, in RF64 beyond 4 GiB (EBU Tech 3306).

use airchain_core::item::Metadata;

use super::{Muxer, Patch, text};
use crate::format::{Codec, Format};
use crate::packet::{Packet, StreamInfo};

/// A WAV file or stream.
pub(super) struct Wav {
    format: Format,
    /// Whether sizes can be filled in at the end.
    file: bool,
    begin: i64,
    /// Everything before the samples, sizes aside.
    metadata: Vec<u8>,
    bytes: u64,
}

impl Wav {
    /// A WAV of a PCM format, in a file or streamed without an end.
    pub(super) fn new(info: &StreamInfo, file: bool) -> Self {
        Self { format: info.format, file, begin: i64::MIN, metadata: Vec::new(), bytes: 0 }
    }

    fn sample_bytes(&self) -> u16 {
        match self.format.codec {
            Codec::PcmF32 => 4,
            Codec::PcmS24 => 3,
            _ => 2,
        }
    }

    fn frame_bytes(&self) -> u16 {
        self.sample_bytes() * u16::from(self.format.channels)
    }

    /// The header for so many bytes of samples; unknown until the end, and forever in a stream.
    fn header(&self, data: Option<u64>) -> Vec<u8> {
        let mut chunks = Vec::new();
        let float = self.format.codec == Codec::PcmF32;
        let (rate, frame) = (self.format.sample_rate_hz, self.frame_bytes());
        let mut fmt = Vec::new();
        fmt.extend(if float { 3_u16 } else { 1 }.to_le_bytes());
        fmt.extend(u16::from(self.format.channels).to_le_bytes());
        fmt.extend(rate.to_le_bytes());
        fmt.extend((rate * u32::from(frame)).to_le_bytes());
        fmt.extend(frame.to_le_bytes());
        fmt.extend((self.sample_bytes() * 8).to_le_bytes());
        if float {
            fmt.extend(0_u16.to_le_bytes());
        }
        chunk(b"fmt ", &fmt, &mut chunks);
        let frames = data.map(|bytes| bytes / u64::from(frame));
        if float {
            chunk(b"fact", &short(frames).to_le_bytes(), &mut chunks);
        }
        chunks.extend_from_slice(&self.metadata);

        // RIFF's own size: `WAVE`, the chunk for RF64, the others, the head of `data`, the samples and their padding.
        const DS64: usize = 28;
        let size = data.map(|data| (4 + 8 + DS64 + chunks.len() + 8) as u64 + data + data % 2);
        let long = size.is_some_and(|size| size >= u64::from(u32::MAX));
        let mut header = Vec::new();
        header.extend(if long { b"RF64" } else { b"RIFF" });
        header.extend(short(size).to_le_bytes());
        header.extend(b"WAVE");
        let mut ds64 = [0; DS64];
        if let (true, Some(size), Some(data), Some(frames)) = (long, size, data, frames) {
            for (at, value) in ds64.chunks_mut(8).zip([size, data, frames]) {
                at.copy_from_slice(&value.to_le_bytes());
            }
        }
        chunk(if long { b"ds64" } else { b"JUNK" }, &ds64, &mut header);
        header.extend(chunks);
        header.extend(b"data");
        header.extend(short(data).to_le_bytes());
        header
    }
}

impl Muxer for Wav {
    fn mime(&self) -> &'static str {
        "audio/wav"
    }

    fn extension(&self) -> &'static str {
        "wav"
    }

    fn begin_at(&mut self, frame: i64) {
        self.begin = frame;
    }

    fn start(&mut self, metadata: &Metadata, out: &mut Vec<u8>) {
        self.metadata = info_list(metadata);
        out.extend(self.header(None));
    }

    fn packet(&mut self, packet: &Packet, out: &mut Vec<u8>) {
        let early = usize::try_from(self.begin.saturating_sub(packet.pts)).unwrap_or(0);
        let data = packet.data.get(early.saturating_mul(self.frame_bytes().into())..).unwrap_or_default();
        out.extend_from_slice(data);
        self.bytes += data.len() as u64;
    }

    fn retitle(&mut self, _: &Metadata, _: &mut Vec<u8>) -> bool {
        false
    }

    fn checkpoint(&self) -> Vec<Patch> {
        if self.file { vec![Patch { offset: 0, data: self.header(Some(self.bytes)) }] } else { Vec::new() }
    }

    fn finish(&mut self, out: &mut Vec<u8>) -> Vec<Patch> {
        if self.file {
            out.resize(out.len() + (self.bytes % 2) as usize, 0);
        }
        self.checkpoint()
    }
}

/// A size in 32 bits; all ones where it is unknown or in `ds64`, which readers take for "to the end".
fn short(size: Option<u64>) -> u32 {
    size.and_then(|size| u32::try_from(size).ok()).unwrap_or(u32::MAX)
}

fn chunk(id: &[u8; 4], data: &[u8], out: &mut Vec<u8>) {
    out.extend(id);
    out.extend(short(Some(data.len() as u64)).to_le_bytes());
    out.extend_from_slice(data);
    out.resize(out.len() + data.len() % 2, 0);
}

/// Title, artist and album as a `LIST` chunk of type `INFO`.
fn info_list(metadata: &Metadata) -> Vec<u8> {
    let mut list = b"INFO".to_vec();
    let known = [(b"INAM", &metadata.title), (b"IART", &metadata.artist), (b"IPRD", &metadata.album)];
    for (id, value) in known {
        if let Some(value) = value {
            chunk(id, format!("{}\0", text::one_line(value)).as_bytes(), &mut list);
        }
    }
    let mut out = Vec::new();
    if list.len() > 4 {
        chunk(b"LIST", &list, &mut out);
    }
    out
}

#[cfg(test)]
mod tests {
    use std::io::{Seek as _, SeekFrom, Write as _};
    use std::process::Command;

    use super::*;

    #[test]
    fn beyond_four_gibibytes_it_is_rf64() {
        let format = Format::of(Codec::PcmS24);
        let info = StreamInfo { format, delay: 0, packet_frames: None, headers: Vec::new() };
        let wav = Wav::new(&info, true);
        let (plain, long) = (wav.header(Some(600)), wav.header(Some(6_000_000_000)));
        assert_eq!(plain.len(), long.len(), "the patch fits over the placeholder");
        assert_eq!((&plain[..4], &plain[12..16]), (&b"RIFF"[..], &b"JUNK"[..]));
        assert_eq!((&long[..8], &long[12..16]), (&b"RF64\xFF\xFF\xFF\xFF"[..], &b"ds64"[..]));
        assert_eq!(long[20..28], (6_000_000_000 + long.len() as u64 - 8).to_le_bytes());
        assert_eq!(long[28..36], 6_000_000_000_u64.to_le_bytes());
        assert_eq!(long[36..44], 1_000_000_000_u64.to_le_bytes());
        assert_eq!(long[long.len() - 4..], [0xFF; 4]);
    }

    #[test]
    fn a_reader_finds_all_of_a_file_that_has_just_become_rf64() {
        let format = Format { sample_rate_hz: 48_000, ..Format::of(Codec::PcmS16) };
        let info = StreamInfo { format, delay: 0, packet_frames: None, headers: Vec::new() };
        let mut wav = Wav::new(&info, true);
        let mut head = Vec::new();
        wav.start(&Metadata { title: Some("Day".into()), ..Metadata::default() }, &mut head);
        // As if it had written samples for six hours: they are a hole in the file, which takes no room.
        let audio = u64::from(u32::MAX) - 10_000;
        wav.bytes = audio - audio % 4;
        assert_eq!(wav.checkpoint()[0].data[..4], *b"RIFF");
        let (mut out, samples) = (Vec::new(), vec![1; 48_000 * 4]);
        wav.packet(&Packet { data: samples.into(), pts: 0, duration: 48_000 }, &mut out);
        let patches = wav.checkpoint();
        assert_eq!(patches[0].data[..4], *b"RF64");
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("day.wav");
        let mut file = std::fs::File::create(&path).unwrap();
        file.write_all(&patches[0].data).unwrap();
        file.seek(SeekFrom::Start(head.len() as u64 + wav.bytes - out.len() as u64)).unwrap();
        file.write_all(&out).unwrap();
        assert_eq!(file.metadata().unwrap().len(), head.len() as u64 + wav.bytes);
        let entries = ["-show_entries", "format=duration:format_tags=title", "-of", "default=nw=1:nk=1"];
        let told = Command::new("ffprobe").args(["-v", "error"]).args(entries).arg(&path).output();
        let told = String::from_utf8(told.expect("ffprobe is installed").stdout).unwrap();
        let (duration_s, title) = told.trim().split_once('\n').unwrap();
        // ffprobe rounds to microseconds.
        let off_s = duration_s.parse::<f64>().unwrap() - (wav.bytes / 4) as f64 / 48_000.0;
        assert!(off_s.abs() < 1e-6, "{off_s}");
        assert_eq!(title, "Day");
        // Its last second is where the header says that it is.
        let last = ["-v", "error", "-sseof", "-0.5", "-i"];
        let last = Command::new("ffmpeg").args(last).arg(&path).args(["-f", "s16le", "-"]).output().unwrap();
        assert!(last.stdout.len() > 48_000 && last.stdout.iter().all(|byte| *byte == 1));
    }
}
