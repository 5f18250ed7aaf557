//! A station in simulated time with one output passed through: what its listeners get, beside what was on its bus.

use std::path::Path;
use std::process::Command as Process;
use std::sync::{Arc, Mutex};

use airchain_codecs::copy::PacketReader;
use airchain_codecs::decode::{self, Progress};
use airchain_codecs::encode::Encoder;
use airchain_codecs::{Bitrate, Codec, Format, Packet};
use airchain_core::bus::{Tap, TapId};
use airchain_core::control::{Command, When};
use airchain_core::curve::Curve;
use airchain_core::engine::Engine;
use airchain_core::item::{Item, Metadata};
use airchain_core::playout::playlist::Order;
use airchain_core::playout::{Director, Moment, Playlist, Request};
use airchain_core::tap::{Stretch, TapReader, tap};
use airchain_core::{Frames, Stereo};
use crossbeam_channel::Sender;

use super::super::{Client, Passthrough, Stocker};
use crate::decode_pool::Feed;
use crate::file::FileWriter;
use crate::loader::InlineLoader;
use crate::spec::StationSpec;

pub(super) struct Rig {
    director: Director,
    engine: Engine,
    tap: TapReader,
    told: Sender<Stretch>,
    output: Passthrough,
    stockers: Arc<Mutex<Vec<Stocker>>>,
    pub(super) bus: Vec<Stereo>,
    pub(super) packets: Vec<Packet>,
    /// Decode workers do nothing for as long.
    pub(super) workers_asleep: bool,
}

impl Rig {
    pub(super) fn new(mut spec: StationSpec, format: &Format, items: &[Item]) -> Self {
        spec.sample_rate_hz = format.sample_rate_hz;
        let (control, engine, config) = spec.engine().unwrap();
        let loader = Box::new(InlineLoader::new(spec.load_config()));
        let programme = Box::new(Playlist::new(items.to_vec(), Order::Sequential, false, 0));
        let mut director = Director::new(config, control, loader, programme);
        let (writer, reader) = tap(spec.sample_rate_hz as usize);
        director.send(When::Now, Command::AddTap(Tap { id: TapId(1), writer }));
        director.tick(0);
        let (told_in, told) = crossbeam_channel::unbounded();
        let stockers = Arc::<Mutex<Vec<Stocker>>>::default();
        let kept = Arc::clone(&stockers);
        let keep = Box::new(move |stocker| kept.lock().unwrap().push(stocker));
        let output = Passthrough::open(format, keep, told, Client::alone()).unwrap();
        Self {
            director,
            engine,
            tap: reader,
            told: told_in,
            output,
            stockers,
            bus: Vec::new(),
            packets: Vec::new(),
            workers_asleep: false,
        }
    }

    pub(super) fn ask(&mut self, at: Frames, request: Request) {
        self.director.request(Moment::Frame(at), request).unwrap();
    }

    /// Goes on to frame `end`, in blocks of 10 ms.
    pub(super) fn run_to(&mut self, end: usize) {
        let end = end.next_multiple_of(441);
        let mut block = vec![[0.0; 2]; 441];
        while self.bus.len() < end {
            self.engine.render(&mut block);
            self.director.tick(self.engine.position());
            while self.director.poll().is_some() {}
            let mut frames = vec![[0.0; 2]; 441];
            let mut read = 0;
            while read < frames.len() {
                // A read stops short of a change of title.
                while self.tap.next_mark().is_some() {}
                read += self.tap.read(&mut frames[read..]).1;
            }
            while let Some(stretch) = self.tap.next_stretch() {
                self.told.send(stretch).unwrap();
            }
            if !self.workers_asleep {
                self.stockers.lock().unwrap().retain_mut(|stocker| !stocker.is_low() || stocker.turn());
            }
            self.bus.extend(&frames);
            self.output.encode(&frames, &mut self.packets).unwrap();
        }
    }

    /// Ends the output.
    pub(super) fn finish(&mut self) {
        self.output.finish(&mut self.packets).unwrap();
    }

    /// The packets follow one another on the grid, from the beginning to the end of the bus.
    pub(super) fn assert_whole(&self) {
        let frames = i64::from(self.output.info.packet_frames.unwrap());
        let delay = i64::from(self.output.info.delay);
        for (n, packet) in (0..).zip(&self.packets) {
            assert_eq!(packet.pts, n * frames - delay, "packet {n}");
            let is_last = n as usize + 1 == self.packets.len();
            assert!(packet.duration == frames as u32 || is_last, "packet {n}: {}", packet.duration);
        }
        let end = self.packets.last().unwrap().end();
        let late = end - self.bus.len() as i64;
        assert!((0..frames).contains(&late), "it ends {late} frames after the bus");
    }

    /// What a listener hears, by symphonia, from the bus's frame 0 on. FFmpeg must have nothing to say of it.
    pub(super) fn heard(&self, folder: &Path) -> Vec<Stereo> {
        let extension = self.output.format.codec.extension();
        let path = folder.join(format!("heard.{extension}"));
        let mut muxer = airchain_codecs::container::for_stream(&self.output.info);
        let mut bytes = Vec::new();
        muxer.start(&Metadata::default(), &mut bytes);
        self.packets.iter().for_each(|packet| muxer.packet(packet, &mut bytes));
        std::fs::write(&path, bytes).unwrap();
        let strict = Process::new("ffmpeg")
            .args([
                "-v",
                "warning",
                "-err_detect",
                "crccheck+bitstream+buffer+explode",
                "-f",
                extension,
                "-i",
            ])
            .arg(&path)
            .args(["-f", "null", "-"])
            .output()
            .unwrap();
        let said: String = String::from_utf8_lossy(&strict.stderr)
            .lines()
            .filter(|line| !line.contains("Estimating duration from bitrate"))
            .collect();
        assert!(strict.status.success() && said.is_empty(), "ffmpeg: {said}");
        let mut decoder = decode::open(&path).unwrap();
        let mut audio = Vec::new();
        while decoder.decode(&mut audio).unwrap() == Progress::More {}
        assert_eq!(decoder.take_damage(), None);
        audio.split_off(self.output.info.delay as usize)
    }

    /// What should be heard: the bus with the lag of each time.
    pub(super) fn expected(&self) -> Vec<Stereo> {
        let end = self.packets.last().unwrap().end();
        let at = |n: i64| usize::try_from(n).ok().and_then(|n| self.bus.get(n).copied()).unwrap_or_default();
        let (mut changes, mut from, mut to, mut since) =
            (self.output.lag.changes.iter().peekable(), 0, 0, i64::MIN / 2);
        let length = i64::from(self.output.format.sample_rate_hz) / 50;
        let frame = |n: i64| {
            while let Some((at, lag)) = changes.next_if(|(at, _)| *at <= n) {
                assert!((0..i64::from(self.output.info.packet_frames.unwrap())).contains(lag));
                (from, to, since) = (to, *lag, *at);
            }
            let gain = Curve::SCurve.rise((n - since) as f64 / length as f64) as f32;
            let (old, new) = (at(n - from), at(n - to));
            [0, 1].map(|ch| old[ch] * (1.0 - gain) + new[ch] * gain)
        };
        (0..end).map(frame).collect()
    }

    /// Which packet of which of `files` each packet sent is; `None` of those that were encoded.
    pub(super) fn copied(&self, files: &[Vec<CopiedFrame>]) -> Vec<Option<(usize, usize)>> {
        let is = |packet: &Packet| {
            files
                .iter()
                .enumerate()
                .find_map(|(f, file)| Some((f, file.iter().position(|data| data[..] == packet.data[..])?)))
        };
        self.packets.iter().map(is).collect()
    }
}

type CopiedFrame = Vec<u8>;

/// Writes an item in `format`.
pub(super) fn item(folder: &Path, name: &str, format: &Format, frames: &[Stereo]) -> Item {
    let path = folder.join(name);
    let mut writer = FileWriter::create(&path, format, format.sample_rate_hz, &Metadata::default()).unwrap();
    writer.write(frames).unwrap();
    writer.finish().unwrap();
    Item::file(path.display().to_string())
}

/// The MP3 frames of a file, by their headers alone, the tag's left out.
pub(super) fn mp3_frames(item: &Item) -> Vec<CopiedFrame> {
    let bytes = std::fs::read(&item.path).unwrap();
    let size = |b: &[u8]| b.iter().fold(0, |size, byte| size << 7 | usize::from(*byte));
    let mut at = if bytes.starts_with(b"ID3") { 10 + size(&bytes[6..10]) } else { 0 };
    let mut frames = Vec::new();
    while let Some(length) = bytes.get(at..).and_then(airchain_codecs::container::mp3::frame_bytes) {
        frames.push(bytes[at..at + length].to_vec());
        at += length;
    }
    frames.split_off(1)
}

/// Writes an item of AAC, in whichever container, by FFmpeg.
pub(super) fn aac_item(folder: &Path, name: &str, format: &Format, frames: &[Stereo]) -> Item {
    let wav = Format { codec: Codec::PcmS16, bitrate: Bitrate::Lossless, ..*format };
    let plain = item(folder, "plain.wav", &wav, frames);
    let path = folder.join(name);
    let status = Process::new("ffmpeg")
        .args(["-v", "error", "-y", "-i", &plain.path, "-c:a", "aac", "-b:a", "128k"])
        .arg(&path)
        .status();
    assert!(status.unwrap().success());
    Item::file(path.display().to_string())
}

/// The packets of a file.
pub(super) fn file_packets(item: &Item, format: &Format) -> Vec<CopiedFrame> {
    let mut reader = PacketReader::open(Path::new(&item.path), format).unwrap();
    std::iter::from_fn(|| reader.next_packet()).map(|packet| packet.data.to_vec()).collect()
}
