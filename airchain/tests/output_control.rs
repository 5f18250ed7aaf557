//! Outputs that are added, changed, renamed and removed while on air: the others are given the very bytes that they would
//! have got, and what changes loses no audio.

#![allow(clippy::unwrap_used)]

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use airchain::codecs::packet::Packet;
use airchain::codecs::{Bitrate, Codec, Format};
use airchain::core::item::Metadata;
use airchain::core::playout::{Moment, Request, StationEvent};
use airchain::outputs::sink::{Health, Opening, Output, Sink, SinkError};
use airchain::outputs::worker::WorkerOptions;
use airchain::spec::Fallback;
use airchain::{Host, HostConfig, OutputSpec, Station, StationSpec, Target, config, from_config};
use serde_json::{Map, Value, json};
use testkit::icecast::Port;
use testkit::{file, signal};

const RATE: u32 = 48_000;
/// Far longer than anything here takes: what has not happened by then never will.
const PATIENCE: Duration = Duration::from_secs(60);

/// What an output was given: where its encoder began, and the packets in their order.
#[derive(Default)]
struct Given {
    position: i64,
    packets: Vec<Packet>,
}

type Taken = Arc<Mutex<Given>>;

struct Keep(Taken);

#[async_trait::async_trait]
impl Output for Keep {
    fn describe(&self) -> String {
        "memory".into()
    }

    async fn open(&mut self, opening: &Opening) -> Result<Box<dyn Sink>, SinkError> {
        self.0.lock().unwrap().position = opening.position;
        Ok(Box::new(Keep(Arc::clone(&self.0))))
    }
}

#[async_trait::async_trait]
impl Sink for Keep {
    async fn packet(&mut self, packet: &Packet) -> Result<(), SinkError> {
        self.0.lock().unwrap().packets.push(packet.clone());
        Ok(())
    }

    async fn title(&mut self, _: i64, _: &Arc<Metadata>) -> Result<(), SinkError> {
        Ok(())
    }

    async fn close(&mut self) -> Result<(), SinkError> {
        Ok(())
    }
}

fn format(codec: Codec, bitrate: Bitrate) -> Format {
    Format { codec, bitrate, sample_rate_hz: RATE, channels: 2 }
}

fn keep(id: &str, format: Format, taken: &Taken) -> OutputSpec {
    let output = Box::new(Keep(Arc::clone(taken)));
    let target = Target::Custom { kind: "memory", output, options: WorkerOptions::archive() };
    OutputSpec { id: id.into(), format, target, passthrough: false }
}

fn until<T>(what: &str, mut found: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(found) = found() {
            return found;
        }
        assert!(Instant::now() < deadline, "{what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn fields(value: Value) -> Map<String, Value> {
    value.as_object().unwrap().clone()
}

/// Bytes before an MP3 frame at which its data begins: what the bit reservoir held (ISO/IEC 11172-3, 2.4.1.7).
fn main_data_begin(packet: &Packet) -> u16 {
    u16::from(packet.data[4]) << 1 | u16::from(packet.data[5]) >> 7
}

/// A programme that is in memory, so that however slow the machine is it is the same: a sweep and a tone.
fn programme(folder: &Path) -> Fallback {
    let seconds = |s: f64| (f64::from(RATE) * s) as usize;
    let sweep = signal::sweep(RATE, 100.0, 8_000.0, -12.0, seconds(10.0));
    let tone = signal::sine(RATE, 997.0, -12.0, seconds(10.0));
    let audio: Vec<_> = sweep.iter().zip(tone).map(|(l, r)| [l[0], r[1]]).collect();
    Fallback::File(file::wav(&folder.join("programme.wav"), RATE, &audio).path.into())
}

const KEPT: [(Codec, Bitrate); 6] = [
    (Codec::Mp3, Bitrate::Cbr(320)),
    (Codec::Mp3, Bitrate::Cbr(128)),
    (Codec::AacLc, Bitrate::Cbr(96)),
    (Codec::Opus, Bitrate::Abr(96)),
    (Codec::Vorbis, Bitrate::Vbr(4)),
    (Codec::Flac, Bitrate::Lossless),
];

/// Eight seconds on air; what the outputs were given that nobody touched.
fn on_air(folder: &Path, commands: &[(u64, Request)]) -> Vec<Vec<Packet>> {
    let taken: Vec<Taken> = KEPT.iter().map(|_| Taken::default()).collect();
    let kept = KEPT.iter().zip(&taken).enumerate();
    let kept = kept
        .map(|(n, ((codec, bitrate), taken))| keep(&format!("kept {n}"), format(*codec, *bitrate), taken));
    let host = Host::new(HostConfig::default()).unwrap();
    let spec = StationSpec { fallback: programme(folder), ..StationSpec::default() };
    let station = host.add_station(spec, kept.collect()).unwrap();
    let reports = station.reports();
    for (frame, request) in commands {
        station.request(Moment::Frame(*frame), request.clone()).unwrap();
    }
    let mut done = 0;
    while done < commands.len() {
        match reports.recv_timeout(PATIENCE).unwrap().report.event {
            StationEvent::CommandDone { .. } => done += 1,
            StationEvent::CommandFailed { command, error, .. } => panic!("{command}: {error}"),
            _ => {}
        }
    }
    until("the end", || (station.position() > 8 * u64::from(RATE)).then_some(()));
    assert_eq!(station.telemetry().unencoded_frames, 0, "this machine stood still for seconds");
    host.shutdown(Duration::from_secs(5));
    taken.iter().map(|taken| std::mem::take(&mut *taken.lock().unwrap()).packets).collect()
}

#[test]
fn other_outputs_are_given_the_very_bytes_of_an_undisturbed_run() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).display().to_string();
    let add = |output: Value| Request::AddOutput { output: fields(output) };
    let change = |id: &str, output: Value| Request::ChangeOutput { id: id.into(), output: fields(output) };
    let rename =
        |id: &str, new_id: &str| Request::RenameOutput { id: id.into(), new_id: new_id.into(), name: None };
    let remove = |id: &str| Request::RemoveOutput { id: id.into() };
    // In formats of the kept ones, so on their encoders, and in others.
    let commands = [
        (
            200_003,
            add(
                json!({"id": "a", "type": "recording", "path": path("a"), "format": "mp3", "bitrate_kbps": 128}),
            ),
        ),
        (
            212_345,
            add(
                json!({"id": "b", "type": "recording", "path": path("b"), "format": "opus", "bitrate_kbps": 64}),
            ),
        ),
        (224_691, change("a", json!({"format": "aac", "bitrate_kbps": 96}))),
        (236_017, rename("a", "c")),
        (248_009, change("b", json!({"bitrate_kbps": 48}))),
        (260_231, change("c", json!({"format": "mp3", "path": path("c")}))),
        (272_777, change("c", json!({"cue": true}))),
        (284_001, remove("b")),
        (296_113, remove("c")),
    ];
    let undisturbed = on_air(folder.path(), &[]);
    let disturbed = on_air(folder.path(), &commands);
    for ((kept, one), other) in KEPT.iter().zip(&undisturbed).zip(&disturbed) {
        let of = |packets: &[Packet], from_s: i64| -> Vec<Packet> {
            let rate = i64::from(RATE);
            let is_in = |packet: &&Packet| packet.pts >= from_s * rate && packet.end() < 7 * rate;
            packets.iter().filter(is_in).cloned().collect()
        };
        if *kept == (Codec::Mp3, Bitrate::Cbr(128)) {
            // An encoder that is hurried empties its reservoir, and one that begins is hurried at moments of chance. From
            // then on nothing may empty it.
            for packets in [of(one, 4), of(other, 4)] {
                let emptied = packets.iter().filter(|packet| main_data_begin(packet) == 0).count();
                assert!(packets.len() > 120 && emptied < 10, "{emptied} of {}", packets.len());
            }
            continue;
        }
        let (one, other) = (of(one, -1), of(other, -1));
        assert!(one.len() > 60, "{kept:?}: {}", one.len());
        let differs = one.iter().zip(&other).position(|(one, other)| one != other);
        assert_eq!((one.len(), differs), (other.len(), None), "{kept:?}");
    }
    for name in ["a", "b", "c"] {
        let files = std::fs::read_dir(path(name)).unwrap();
        assert!(files.flatten().any(|file| file.metadata().unwrap().len() > 2_000), "{name} was recorded");
    }
}

#[test]
fn what_changes_loses_no_packet() {
    let taken: Vec<Taken> = (0..5).map(|_| Taken::default()).collect();
    let count = |n: usize| taken[n].lock().unwrap().packets.len();
    let more = |n: usize| until("more audio", || (count(n) > 30).then_some(()));
    let mp3 = format(Codec::Mp3, Bitrate::Cbr(128));
    let flac = format(Codec::Flac, Bitrate::Lossless);
    let folder = tempfile::tempdir().unwrap();
    let host = Host::new(HostConfig::default()).unwrap();
    let spec = StationSpec { fallback: programme(folder.path()), ..StationSpec::default() };
    let station = host.add_station(spec, vec![keep("k", mp3, &taken[0]), keep("x", mp3, &taken[1])]).unwrap();
    more(1);
    // To another place, on the same encoder.
    station.change_output(keep("x", mp3, &taken[2])).unwrap();
    more(2);
    // To an encoder of its own, and from that to another.
    station.change_output(keep("x", flac, &taken[3])).unwrap();
    more(3);
    station.change_output(keep("x", format(Codec::AacLc, Bitrate::Cbr(96)), &taken[4])).unwrap();
    more(4);
    assert_eq!(station.outputs().iter().map(|output| output.id.clone()).collect::<Vec<_>>(), ["k", "x"]);
    host.shutdown(Duration::from_secs(5));

    let given: Vec<Given> = taken.iter().map(|taken| std::mem::take(&mut *taken.lock().unwrap())).collect();
    let joined = [&given[1].packets[..], &given[2].packets[..]].concat();
    assert!(given[0].packets[..joined.len()] == joined, "packets of one encoder were lost or doubled");
    let begin = given[3].position - given[2].position;
    let last = given[2].packets.last().unwrap();
    assert!(last.pts < begin && begin <= last.end(), "{} {begin} {}", last.pts, last.end());
    let recorded = given[3].packets.last().unwrap().end();
    // An AAC encoder is given silence first, up to a packet of it.
    let begin = given[4].position + given[4].packets[0].pts.min(0) - given[3].position;
    assert!((recorded - 4096..=recorded).contains(&begin), "{recorded} {begin}");
    assert!(given[3].packets.windows(2).all(|pair| pair[0].end() == pair[1].pts));
}

fn start(host: &Host, text: &str) -> Station {
    let (spec, outputs) = from_config::station(&config::parse(text, "station.yaml").unwrap()).unwrap();
    host.add_station(spec, outputs).unwrap()
}

/// A listener of a path, its request answered.
struct Client(TcpStream, Vec<u8>);

impl Client {
    fn connect(address: SocketAddr, path: &str) -> Self {
        until("audio", || {
            let mut stream = TcpStream::connect(address).ok()?;
            stream.set_read_timeout(Some(PATIENCE)).unwrap();
            write!(stream, "GET {path} HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
            let mut client = Self(stream, Vec::new());
            client.read_on();
            let head = String::from_utf8_lossy(&client.1).into_owned();
            head.lines().next()?.contains(" 200 ").then_some(client)
        })
    }

    /// Whether there was more.
    fn read_on(&mut self) -> bool {
        let mut more = [0; 4096];
        let count = self.0.read(&mut more).unwrap();
        self.1.extend_from_slice(&more[..count]);
        count > 0
    }

    fn head(&self) -> String {
        String::from_utf8_lossy(&self.1[..self.1.len().min(1000)]).to_ascii_lowercase()
    }

    /// Reads until there are so many MP3 frames of a bit rate: 9 is 128 kbit/s, 5 is 64.
    fn read_to_frames(&mut self, index: u8, count: usize) {
        let is_head =
            |head: &&[u8]| head[0] == 0xFF && head[1] == 0xFB && head[2] & 0xFC == index << 4 | 0x04;
        while self.1.windows(3).filter(is_head).count() < count {
            assert!(self.read_on(), "disconnected");
        }
    }
}

#[test]
fn listeners_stay_through_a_rename_and_a_change_of_bit_rate() {
    let port = Port::free();
    let address = SocketAddr::from(([127, 0, 0, 1], port.number));
    let http = |path: &str| format!("{{ type: http, listen: \"{address}\", path: {path}, format: mp3 }}");
    let host = Host::new(HostConfig::default()).unwrap();
    let outputs = [http("/live"), http("/other")].join(", ");
    let station = start(
        &host,
        &format!("station: {{ id: st }}\nmounts: [{{ id: main, name: Old, outputs: [{outputs}] }}]"),
    );
    let mut client = Client::connect(address, "/live");
    assert!(client.head().contains("icy-name: old"), "{}", client.head());
    client.read_to_frames(9, 20);
    let ids = || station.outputs().into_iter().map(|output| output.id).collect::<Vec<_>>();

    station.rename_output("main/0", "live", Some("New")).unwrap();
    assert_eq!(ids(), ["live", "main/1"]);
    assert!(station.remove_output("main/0").is_err());
    assert!(Client::connect(address, "/live").head().contains("icy-name: new"));
    let taken = station.rename_output("live", "main/1", None).unwrap_err().to_string();
    assert!(taken.contains("already an output called main/1"), "{taken}");

    // What cannot be is refused, and nothing has happened.
    for (change, named) in [
        (json!({"bitrate_kbps": 7777}), "output.bitrate_kbps"),
        (json!({"path": "/other"}), "/other is taken"),
        (json!({"formt": "aac"}), "output.formt"),
        (json!({"id": "x"}), "rename_output"),
    ] {
        let refused = station.change_declared_output("live", fields(change)).unwrap_err().to_string();
        assert!(refused.contains(named), "{refused}");
    }
    client.read_to_frames(9, 100);
    station.change_declared_output("live", fields(json!({"bitrate_kbps": 64}))).unwrap();
    client.read_to_frames(5, 100);
    assert!(Client::connect(address, "/live").head().contains("icy-name: new"));
    // Fields that were changed before stay as they are, until they are taken back.
    station.change_declared_output("live", fields(json!({"metrics": false}))).unwrap();
    client.read_to_frames(5, 300);
    station.change_declared_output("live", fields(json!({"bitrate_kbps": null}))).unwrap();
    client.read_to_frames(9, 500);
    // A name of its own goes before its mount's, and is what a rename gives.
    station.change_declared_output("live", fields(json!({"name": "Own", "bitrate_kbps": 64}))).unwrap();
    client.read_to_frames(5, 500);
    assert!(Client::connect(address, "/live").head().contains("icy-name: own"));
    station.rename_output("live", "live", Some("Third")).unwrap();
    station.change_declared_output("live", fields(json!({"bitrate_kbps": 128, "burst_sec": 1}))).unwrap();
    client.read_to_frames(9, 700);
    assert!(Client::connect(address, "/live").head().contains("icy-name: third"));
    // No decoder goes on from MP3 with Ogg.
    station.change_declared_output("live", fields(json!({"format": "opus"}))).unwrap();
    while client.read_on() {}
    let head = Client::connect(address, "/live").head();
    assert!(head.contains("audio/ogg") && head.contains("icy-name: third"), "{head}");
    assert_eq!(ids(), ["live", "main/1"]);
    host.shutdown(Duration::from_secs(5));
}

#[test]
fn a_folder_goes_from_one_to_the_next_and_a_restart_knows_of_it() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).display().to_string();
    let text = format!(
        "station: {{ id: st, journal: \"{}\" }}\nmounts: [{{ id: main, outputs: [{{ type: hls, path: \"{}\", \
         segment_duration_sec: 0.5 }}, {{ type: recording, path: \"{}\" }}] }}]",
        path("journal"),
        path("hls"),
        path("rec")
    );
    let host = Host::new(HostConfig::default()).unwrap();
    let station = start(&host, &text);
    let reports = station.reports();
    let is_up = |id: &str| {
        let found = station.outputs().into_iter().find(|output| output.id == id);
        found
            .and_then(|output| output.stats)
            .is_some_and(|stats| stats.health == Health::Up && stats.packets > 20)
    };
    until("audio", || (is_up("main/0") && is_up("main/1")).then_some(()));
    let change = |id: &str, output: Value| Request::ChangeOutput { id: id.into(), output: fields(output) };
    let requests = [
        change("main/0", json!({"format": "he-aac"})),
        change("main/1", json!({"path": path("other"), "format": "flac"})),
        Request::RenameOutput { id: "main/1".into(), new_id: "archive".into(), name: None },
    ];
    for request in &requests {
        station.request(Moment::Now, request.clone()).unwrap();
    }
    let mut done = 0;
    while done < requests.len() {
        match reports.recv_timeout(PATIENCE).unwrap().report.event {
            StationEvent::CommandDone { .. } => done += 1,
            StationEvent::CommandFailed { command, error, .. } => panic!("{command}: {error}"),
            _ => {}
        }
    }
    until("audio of the new ones", || (is_up("main/0") && is_up("archive")).then_some(()));
    let list = || std::fs::read_to_string(folder.path().join("hls/live.m3u8")).unwrap_or_default();
    until("both in one playlist", || list().contains("#EXT-X-DISCONTINUITY\n").then_some(()));
    host.shutdown(Duration::from_secs(5));

    let host = Host::new(HostConfig::default()).unwrap();
    let station = start(&host, &text);
    let mut outputs: Vec<_> =
        station.outputs().into_iter().map(|output| (output.id, output.target)).collect();
    outputs.sort();
    assert_eq!(outputs[0].0, "archive");
    assert!(outputs[0].1.contains(&path("other")), "{outputs:?}");
    assert_eq!((outputs.len(), outputs[1].0.as_str()), (2, "main/0"));
    host.shutdown(Duration::from_secs(5));
}
