//! What the tests of HLS and recordings share: encoded programmes, ffmpeg as a peer, and a full disk.
#![allow(dead_code, unreachable_pub, clippy::unwrap_used)] // Each test file uses a part; failing is panicking.

use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use airchain_codecs::packet::{Packet, SharedInfo};
use airchain_codecs::{Bitrate, Codec, Format, encode};
use airchain_core::Stereo;
use airchain_outputs::hls::{self, HlsConfig};
use airchain_outputs::sink::{Opening, Output, Sink};
use jiff::Timestamp;

/// The stations' rate.
pub const RATE: u32 = 48_000;

/// A format at 48 kHz, stereo.
pub fn format(codec: Codec, bitrate: Bitrate) -> Format {
    Format { codec, bitrate, sample_rate_hz: RATE, channels: 2 }
}

/// A programme in which no two moments are alike: a sweep on one side, a tone on the other.
pub fn programme(frames: usize) -> Vec<Stereo> {
    let left = testkit::signal::sweep(RATE, 100.0, 8_000.0, -12.0, frames);
    let right = testkit::signal::sine(RATE, 997.0, -12.0, frames);
    left.iter().zip(right).map(|(l, r)| [l[0], r[1]]).collect()
}

/// All packets of a programme.
pub fn encoded(format: Format, frames: &[Stereo]) -> (SharedInfo, Vec<Packet>) {
    let mut encoder = encode::open(&format, RATE).unwrap();
    let mut packets = Vec::new();
    for block in frames.chunks(480) {
        encoder.encode(block, &mut packets).unwrap();
    }
    encoder.finish(&mut packets).unwrap();
    (encoder.info().clone(), packets)
}

/// An opening at a time of day.
pub fn opening(info: &SharedInfo, epoch: &str) -> Opening {
    let epoch = epoch.parse::<Timestamp>().unwrap();
    Opening { info: info.clone(), epoch, position: 0, leaps: Default::default(), metadata: None }
}

/// An output of one encoding.
pub fn alone(config: &HlsConfig) -> Box<dyn Output> {
    let mut outputs = hls::outputs(config).unwrap().tracks;
    assert_eq!(outputs.len(), 1);
    outputs.remove(0)
}

/// Waits until a sink that publishes in its own time says that all is well.
pub async fn well(sink: &dyn Sink) {
    while sink.health().is_some() {
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
}

/// Delivers packets, and closes where `close` says so. Otherwise the sink is dropped as a killed process would.
pub async fn deliver(output: &mut dyn Output, opening: &Opening, packets: &[Packet], close: bool) {
    let mut sink = output.open(opening).await.unwrap();
    feed(sink.as_mut(), packets).await;
    if close {
        sink.close().await.unwrap();
    }
}

/// Delivers packets.
pub async fn feed(sink: &mut dyn Sink, packets: &[Packet]) {
    for packet in packets {
        sink.packet(packet).await.unwrap();
    }
}

/// 16-bit samples that ffmpeg decodes from a file, at most with the complaints of `-v error`, which fail the test.
pub fn ffmpeg(input: &Path) -> Vec<[i16; 2]> {
    let out = Command::new("ffmpeg")
        .args(["-v", "error", "-xerror", "-nostdin", "-i"])
        .arg(input)
        .args(["-f", "s16le", "-ac", "2", "-"])
        .output()
        .expect("ffmpeg is installed");
    let complaints = String::from_utf8_lossy(&out.stderr);
    assert!(out.status.success() && complaints.is_empty(), "{}: {complaints}", input.display());
    let sample = |bytes: &[u8]| i16::from_le_bytes([bytes[0], bytes[1]]);
    out.stdout.chunks_exact(4).map(|frame| [sample(frame), sample(&frame[2..])]).collect()
}

/// What ffmpeg plays as 32-bit floats, between such bounds of its own (`-t`), without a word of complaint. Samples are counted:
/// of packed audio it takes the time stamps of tags that it has read ahead.
pub fn heard(path: &Path, bounds: &[&str]) -> Vec<u8> {
    let run = Command::new("ffmpeg")
        .args(["-v", "error", "-xerror", "-nostdin", "-i"])
        .arg(path)
        .args(bounds)
        .args(["-af", "asetpts=N", "-f", "f32le", "-c:a", "pcm_f32le", "-ac", "2", "-"])
        .output()
        .expect("ffmpeg is installed");
    let words = String::from_utf8_lossy(&run.stderr);
    assert!(run.status.success() && words.is_empty(), "{}: {words}", path.display());
    run.stdout
}

/// One value that ffprobe shows of a file, by its `-show_entries` name.
pub fn ffprobe(input: &Path, entry: &str) -> String {
    let out = Command::new("ffprobe")
        .args(["-v", "error", "-of", "default=nw=1:nk=1", "-show_entries", entry])
        .arg(input)
        .output()
        .expect("ffprobe is installed");
    assert!(out.status.success() && out.stderr.is_empty(), "{}", String::from_utf8_lossy(&out.stderr));
    // Transport streams list their stream twice, once under the programme.
    String::from_utf8(out.stdout).unwrap().lines().next().unwrap_or_default().to_owned()
}

/// Frames as the measurements of the testkit want them.
pub fn to_float(frames: &[[i16; 2]]) -> Vec<Stereo> {
    frames.iter().map(|frame| frame.map(|sample| f32::from(sample) / 32_768.0)).collect()
}

/// Runs `test`, the body of the test called `name`, with a disk of `kib` KiB. It is a tmpfs in a mount namespace of
/// its own: nothing is left behind, and whoever is not root gets a user namespace.
pub fn with_small_disk(name: &str, kib: usize, test: impl FnOnce(&Path)) {
    const INSIDE: &str = "AIRCHAIN_TEST_SMALL_DISK";
    if let Some(disk) = std::env::var_os(INSIDE) {
        return test(Path::new(&disk));
    }
    let dir = tempfile::tempdir().unwrap();
    let script = format!(
        "mount -t tmpfs -o size={kib}k tmpfs \"$1\" && exec env {INSIDE}=\"$1\" \"$2\" --exact {name} --nocapture"
    );
    // Root may be denied user namespaces, as in some containers, but then needs none.
    let namespaces: [&[&str]; 2] = [&["--user", "--map-root-user", "--mount"], &["--mount"]];
    let may = |flags: &&&[&str]| {
        Command::new("unshare").args(**flags).arg("true").output().is_ok_and(|o| o.status.success())
    };
    let flags = namespaces.iter().find(may).expect("unshare (util-linux) may make a mount namespace");
    let status = Command::new("unshare")
        .args(*flags)
        .args(["sh", "-c", &script, "sh"])
        .arg(dir.path())
        .arg(std::env::current_exe().unwrap())
        .status()
        .expect("unshare (util-linux) runs");
    assert!(status.success(), "the test on a small disk failed, see above");
}

/// A shared programme of AAC-LC, as many tests need nothing else.
pub fn aac(seconds: usize) -> (SharedInfo, Vec<Packet>) {
    encoded(format(Codec::AacLc, Bitrate::Cbr(96)), &programme(seconds * RATE as usize))
}

/// Runs a future to its end on a runtime like that of the outputs.
pub fn on_runtime<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .unwrap()
        .block_on(future)
}

/// The title as sinks are told it.
pub fn title(text: &str) -> Arc<airchain_core::item::Metadata> {
    Arc::new(airchain_core::item::Metadata { title: Some(text.into()), ..Default::default() })
}
