//! The station, and what its outputs have made of its programme.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use airchain::codecs::{Bitrate, Codec, Format};
use airchain::output::{HttpOptions, OutputSpec, Target};
use airchain::outputs::health::Stats;
use airchain::outputs::hls::HlsConfig;
use airchain::outputs::http::MountMeta;
use airchain::outputs::icecast::IcecastConfig;
use airchain::outputs::recording::RecordingConfig;
use airchain::outputs::segments::StoreConfig;
use airchain::outputs::sink::Health;
use airchain::{Host, HostConfig, Station, StationSpec};
use testkit::icecast::{Port, read_head};

use super::rig::{RATE, Sent, file, playlist};

/// The longest pause of an output between two attempts, and far more time than anything else here takes.
pub(crate) const PATIENCE: Duration = Duration::from_secs(75 + 60);

/// Where outputs go.
pub(crate) struct Places {
    pub(crate) hls: PathBuf,
    pub(crate) recording: PathBuf,
    /// What else there is.
    pub(crate) further: Vec<OutputSpec>,
}

impl Places {
    pub(crate) fn below(folder: &Path) -> Self {
        Self { hls: folder.join("hls"), recording: folder.join("rec"), further: Vec::new() }
    }
}

pub(crate) struct Air {
    host: Host,
    station: Station,
    /// Where HLS and recordings lie.
    folders: [PathBuf; 2],
    kept: Sent,
    /// How often the clock was set.
    pub(crate) set: usize,
    /// Everything that somebody at the listener hears, and from which frame on.
    heard: Option<(u64, JoinHandle<Vec<u8>>)>,
    address: SocketAddr,
    _port: Port,
    _folder: tempfile::TempDir,
}

/// Files by their names.
pub(crate) type Files = BTreeMap<String, Vec<u8>>;

/// What outputs without trouble have delivered.
pub(crate) struct Delivered {
    /// In the folder of HLS.
    pub(crate) hls: Files,
    /// Samples, of the encoder that recordings have, too.
    pub(crate) samples: Vec<u8>,
    /// At the listener.
    #[cfg_attr(not(feature = "srt"), expect(dead_code, reason = "what comes by SRT is compared with it"))]
    pub(crate) heard: Vec<u8>,
}

pub(crate) fn format(codec: Codec, kbps: u32) -> Format {
    Format { codec, bitrate: Bitrate::Cbr(kbps), sample_rate_hz: RATE, channels: 2 }
}

pub(crate) fn output(id: &str, format: Format, target: Target) -> OutputSpec {
    OutputSpec { id: id.into(), format, target, passthrough: false }
}

/// All that there are have one encoder, so that what lies in one place lies in all.
pub(crate) fn hls(id: &str, store: StoreConfig) -> OutputSpec {
    let config = HlsConfig { segment_duration_s: 1.0, playlist_size: 1000, ..HlsConfig::new("") };
    output(id, format(Codec::AacLc, 64), Target::Hls(HlsConfig { store, ..config }))
}

pub(crate) fn recording(id: &str, path: &Path) -> OutputSpec {
    let config = RecordingConfig { rotate_max_bytes: 500_000, ..RecordingConfig::new(path) };
    output(id, Format::of(Codec::PcmS16), Target::Recording(config))
}

pub(crate) fn icecast(url: String) -> OutputSpec {
    let config = IcecastConfig { url, ..IcecastConfig::default() };
    output("icecast", format(Codec::Mp3, 128), Target::Icecast(config))
}

/// What listeners and SRT receivers get.
pub(crate) fn for_ears() -> Format {
    format(Codec::AacLc, 96)
}

impl Air {
    /// Goes on air with outputs `hls`, `recording`, `http`, one that keeps all that it is given, of the same encoder as the
    /// recording, and what else there is; all are up.
    pub(crate) fn new(places: impl FnOnce(&Path) -> Places) -> Self {
        let (folder, port, kept) = (tempfile::tempdir().unwrap(), Port::free(), Sent::default());
        let places = places(folder.path());
        let address = SocketAddr::from(([127, 0, 0, 1], port.number));
        let http = Target::Http {
            listen: address,
            path: "/live.aac".into(),
            meta: MountMeta::default(),
            options: HttpOptions::default(),
        };
        let mut outputs = vec![
            kept.output("kept", |_| false),
            hls("hls", StoreConfig::Local(places.hls.clone())),
            recording("recording", &places.recording),
            output("http", for_ears(), http),
        ];
        outputs.extend(places.further);
        let music = testkit::signal::music(RATE, -18.0, 1, 20 * RATE as usize);
        let programme = playlist(vec![file(folder.path(), "music.wav", &music)]);
        let host = Host::new(HostConfig::default()).unwrap();
        let station = host.add_station(StationSpec { programme, ..StationSpec::default() }, outputs).unwrap();
        let folders = [places.hls, places.recording];
        let mut this =
            Self { host, station, folders, kept, set: 0, heard: None, address, _port: port, _folder: folder };
        until("all outputs are up", || this.station.outputs().iter().all(|o| this.is_up(&o.id)));
        let (since, mut listener) = (this.station.position(), this.listen());
        let listens = move || {
            let mut heard = Vec::new();
            listener.read_to_end(&mut heard).unwrap();
            heard
        };
        this.heard = Some((since, std::thread::spawn(listens)));
        this
    }

    /// Adds an output.
    pub(crate) fn add(&self, spec: OutputSpec) {
        let id = spec.id.clone();
        self.station.add_output(spec).unwrap();
        until(&format!("{id} is up"), || self.is_up(&id));
    }

    /// Somebody at the listener, behind the head of the answer.
    pub(crate) fn listen(&self) -> TcpStream {
        let mut stream = TcpStream::connect(self.address).unwrap();
        write!(stream, "GET /live.aac HTTP/1.0\r\n\r\n").unwrap();
        let head = read_head(&mut stream);
        assert!(head.contains(" 200 "), "{head}");
        stream
    }

    pub(crate) fn stats(&self, id: &str) -> Stats {
        self.station.outputs().into_iter().find(|output| output.id == id).unwrap().stats.unwrap()
    }

    pub(crate) fn is_up(&self, id: &str) -> bool {
        let stats = self.station.outputs().into_iter().find(|output| output.id == id).and_then(|o| o.stats);
        stats.is_some_and(|stats| stats.health == Health::Up && stats.packets > 0)
    }

    /// Plays on for so many seconds of programme.
    pub(crate) fn play(&self, seconds: u64) {
        let until_frame = self.station.position() + seconds * u64::from(RATE);
        until("the station goes on", || self.station.position() >= until_frame);
    }

    /// Waits until an output has noticed its trouble.
    pub(crate) fn troubled(&self, id: &str) {
        until(&format!("{id} notices its trouble"), || self.stats(id).health != Health::Up);
    }

    /// The same, and says so in words that hold these.
    pub(crate) fn tells(&self, id: &str, words: &str) {
        let tells = |stats: Stats| {
            stats.health != Health::Up && stats.last_error.is_some_and(|error| error.contains(words))
        };
        until(&format!("{id} tells of {words:?}"), || tells(self.stats(id)));
    }

    /// Now that the trouble is over, waits until an output delivers again.
    #[allow(clippy::print_stdout, reason = "for whoever reads the test's output")]
    pub(crate) fn back(&self, id: &str) {
        let (since, before) = (Instant::now(), self.stats(id).packets);
        until(&format!("{id} is back"), || self.is_up(id) && self.stats(id).packets > before);
        println!("{id} was back after {:.2} s", since.elapsed().as_secs_f64());
        self.play(2);
        assert!(self.is_up(id), "{id}: {:?}", self.stats(id));
    }

    /// Ends, and sees that all outputs but those in trouble have delivered everything: all packets, once.
    pub(crate) fn verify(self, troubled: &[&str]) -> Delivered {
        let is_troubled = |id: &str| troubled.contains(&id);
        for output in self.station.outputs().iter().filter(|output| !is_troubled(&output.id)) {
            let stats = output.stats.as_ref().unwrap();
            let fine = (stats.health, stats.dropped_frames, stats.reconnects) == (Health::Up, 0, 0);
            assert!(fine && stats.last_error.is_none(), "{}: {stats:?}", output.id);
        }
        let Self { host, station, folders: [ref hls, ref recordings], kept, set, heard, .. } = self;
        station.stop(Duration::from_secs(10));
        host.shutdown(Duration::from_secs(1));
        let packets = kept.packets();
        assert!(packets.windows(2).all(|pair| pair[0].end() == pair[1].pts), "a packet is missing");
        let samples: Vec<u8> = packets.iter().flat_map(|packet| packet.data.to_vec()).collect();
        if !is_troubled("recording") {
            // By their names they are in order unless the clock was set back.
            let files = recorded(recordings);
            let files = if set > 0 { in_order(files, &samples) } else { files };
            assert!(files.concat() == samples, "the recordings are not what was sent");
        }
        // Also what its own disk has not taken for a while is there now.
        let hls = files(hls);
        assert_eq!(joints(&hls), (set, 0), "discontinuities and gaps");
        let (since, heard) = heard.unwrap();
        let heard = heard.join().unwrap();
        let frames = testkit::ts::adts(&heard).len() * 1_024;
        let sent = samples.len() / 4 - since as usize;
        assert!(frames + RATE as usize > sent, "of {sent} frames {frames} were heard at the listener");
        Delivered { hls, samples, heard }
    }
}

/// What lies in a folder, but for what is hidden.
pub(crate) fn files(folder: &Path) -> Files {
    let paths = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let named = paths.map(|path| (path.file_name().unwrap().to_str().unwrap().to_owned(), path));
    let seen = named.filter(|(name, _)| !name.starts_with('.'));
    seen.map(|(name, path)| (name, std::fs::read(path).unwrap())).collect()
}

/// Discontinuities and gaps in a playlist.
fn joints(files: &Files) -> (usize, usize) {
    let text = str::from_utf8(&files["live.m3u8"]).unwrap();
    let count = |tag: &str| text.lines().filter(|line| *line == tag).count();
    (count("#EXT-X-DISCONTINUITY"), count("#EXT-X-GAP"))
}

/// What lies in one place is, file by file, what lies in another.
pub(crate) fn assert_alike(what: &str, files: &Files, others: &Files) {
    let names = |files: &Files| files.keys().cloned().collect::<Vec<_>>();
    assert_eq!(names(files), names(others), "{what}");
    assert!(files.len() > 8, "{what}: only {:?}", names(files));
    for (name, bytes) in files {
        let (is, due) = (String::from_utf8_lossy(bytes), String::from_utf8_lossy(&others[name]));
        assert!(is == due || name.ends_with(".ts"), "{what}: {name} is\n{is}instead of\n{due}");
        assert!(*bytes == others[name], "{what}: {name} is another");
    }
}

/// What of `files` makes `sent`, one after the other.
fn in_order(mut files: Vec<Vec<u8>>, sent: &[u8]) -> Vec<Vec<u8>> {
    let (mut found, mut rest) = (Vec::new(), sent);
    while let Some(next) = files.iter().position(|file| rest.starts_with(file)) {
        found.push(files.swap_remove(next));
        rest = &rest[found[found.len() - 1].len()..];
    }
    assert!(files.is_empty(), "{} recordings are not of what was sent", files.len());
    found
}

/// The samples of each recording, by their names.
pub(crate) fn recorded(folder: &Path) -> Vec<Vec<u8>> {
    let samples = |wav: Vec<u8>| {
        let at = wav.windows(4).position(|word| word == b"data").unwrap();
        let length = u32::from_le_bytes(*wav[at + 4..].first_chunk().unwrap()) as usize;
        wav[at + 8..][..length].to_vec()
    };
    let recordings = files(folder).into_iter().filter(|(name, _)| name.ends_with(".wav"));
    recordings.map(|(_, wav)| samples(wav)).collect()
}

pub(crate) fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !is_so() {
        assert!(Instant::now() < deadline, "{what}: not within {PATIENCE:?}");
        std::thread::sleep(Duration::from_millis(20));
    }
}
