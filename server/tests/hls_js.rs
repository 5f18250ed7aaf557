//! hls.js in a real browser, on a page of another origin, plays a minute of what `airchain run` puts on air without a stall or
//! an error. Plays in real time: `make test-player` runs it.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a test that fails panics; figures are printed")]

mod support;

use std::io::{BufReader, Write};
use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use airchain::core::Stereo;
use serde_json::json;
use support::{wait_for, write_wav};
use tempfile::TempDir;
use testkit::browser::Browser;
use testkit::icecast::{Port, read_head};
use testkit::{http, signal};

const RATE: u32 = 48_000;
const HZ: f64 = 440.0;
/// How much of it is played, in seconds.
const PLAYED_S: f64 = 60.0;

/// Notes everything that hls.js and the audio element complain of; `hz()` is the strongest frequency that is heard.
const PAGE: &str = r#"<!doctype html><title>player</title><button id="play">play</button><p id="audio-is-here"></p>
<audio id="audio"></audio><script src="hls.min.js"></script><script>
const audio = document.getElementById("audio"), complaints = [];
let hz = () => 0, stalls = 0, hls = null;
// When the tone heard was another than before: the time, and whether it is the higher one.
const flips = [];
document.getElementById("play").onclick = () => {
  hls = new Hls();
  hls.on(Hls.Events.ERROR, (_, data) => complaints.push(`${data.type} ${data.details} ${data.reason || ""}`));
  hls.loadSource("INDEX");
  hls.attachMedia(audio);
  audio.play().catch(error => complaints.push(String(error)));
  audio.addEventListener("playing", () => {
    audio.addEventListener("waiting", () => stalls++);
    const context = new AudioContext(), ear = context.createAnalyser();
    ear.fftSize = 32768;
    context.createMediaElementSource(audio).connect(ear).connect(context.destination);
    const lines = new Float32Array(ear.frequencyBinCount), quick = context.createAnalyser();
    quick.fftSize = 1024;
    ear.connect(quick);
    const wave = new Float32Array(quick.fftSize);
    let was = null;
    setInterval(() => {
      quick.getFloatTimeDomainData(wave);
      let crossings = 0;
      for (let n = 1; n < wave.length; n++) crossings += (wave[n - 1] < 0) !== (wave[n] < 0);
      const isHigh = crossings * context.sampleRate / wave.length / 2 > MIDDLE;
      if (was !== null && isHigh !== was) flips.push([Date.now(), isHigh]);
      was = isHigh;
    }, 5);
    hz = () => {
      ear.getFloatFrequencyData(lines);
      return lines.indexOf(Math.max(...lines)) * context.sampleRate / ear.fftSize;
    };
  }, { once: true });
};
</script>"#;

/// The command on air, killed when the test is over.
struct Airchain(Child);

impl Drop for Airchain {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Serves the page and hls.js, and nothing else.
fn serve(page: String, hls_js: Vec<u8>) -> SocketAddr {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let head = read_head(&mut BufReader::new(&stream));
            let (mime, body) = match head.split(' ').nth(1) {
                Some("/") => ("text/html", page.as_bytes()),
                Some("/hls.min.js") => ("text/javascript", &hls_js[..]),
                _ => ("text/plain", &b""[..]),
            };
            let head = format!(
                "HTTP/1.1 200 OK\r\nContent-Type: {mime}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
                body.len()
            );
            let _ = stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(body));
        }
    });
    address
}

/// A station on air with an HLS output, and a browser at a page that is about to play it.
struct OnAir {
    browser: Browser,
    folder: TempDir,
    _airchain: Airchain,
    _port: Port,
}

/// One that plays `programme`, with these words in the declaration of its output.
fn on_air(output: &str, programme: &[Stereo]) -> OnAir {
    let hls_js = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../target/hls.js/hls.min.js");
    let hls_js = std::fs::read(&hls_js).expect("hls.js; `make test-player` fetches it");
    let (folder, port) = (tempfile::tempdir().unwrap(), Port::free());
    let address = SocketAddr::from(([127, 0, 0, 1], port.number));
    let path = |name: &str| folder.path().join(name);
    write_wav(&path("tone.wav"), RATE, programme);
    let station = format!(
        "station: {{ id: one, sample_rate: {RATE} }}
mounts:
  - id: m
    outputs:
      - {{ type: hls, path: hls, segment_duration_sec: 2, {output} }}
      - {{ type: http, listen: \"{address}\" }}
automation: {{ playlist: [tone.wav], item_loudness: off }}
"
    );
    std::fs::write(path("station.yaml"), station).unwrap();
    let log = std::fs::File::create(path("airchain.log")).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_airchain"));
    command.arg("run").arg(path("station.yaml")).arg("--events").arg(path("events.jsonl"));
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
    let airchain = Airchain(command.spawn().unwrap());
    // hls.js begins three target durations from the end.
    wait_for("segments", || {
        let playlist = http::get(address, "/hls/one/live.m3u8");
        playlist.is_ok_and(|playlist| playlist.text().matches("#EXTINF").count() >= 4)
    });
    let browser = Browser::start();
    let index = format!("http://{address}/hls/one/index.m3u8");
    let page = PAGE.replace("INDEX", &index).replace("MIDDLE", &(1.5 * HZ).to_string());
    browser.open(&format!("http://{}/", serve(page, hls_js)));
    browser.click("#play");
    browser.wait("audio.currentTime > 0 && !audio.paused && hz() > 0");
    OnAir { browser, folder, _airchain: airchain, _port: port }
}

/// Has it play on for a while without a stall or an error.
fn play_on(browser: &Browser, lasts_s: f64) {
    let begun = browser.run("return audio.currentTime").as_f64().unwrap();
    // The browser waits for less than that at a time.
    let mut played_s = 0.0;
    while played_s < lasts_s {
        played_s = (played_s + 20.0_f64).min(lasts_s);
        browser.wait(&format!("audio.currentTime - {begun} >= {played_s} || complaints.length || stalls"));
        assert_eq!(browser.run("return complaints"), json!([]), "after {played_s} s at most");
        assert_eq!(browser.run("return stalls"), json!(0), "after {played_s} s at most");
    }
    assert_eq!(browser.complaints(), [""; 0]);
}

fn plays(container: &str, format: &str) {
    let programme = signal::sine(RATE, HZ, -12.0, 120 * RATE as usize);
    let on_air = on_air(&format!("container: {container}, format: {format}"), &programme);
    play_on(&on_air.browser, PLAYED_S);
    on_air.browser.wait(&format!("Math.abs(hz() - {HZ}) < 3"));
}

/// Containers and codecs, each a test.
macro_rules! table {
    ($($name:ident: $container:literal, $format:literal;)*) => {
        $(#[test]
        #[ignore = "plays for a minute: make test-player"]
        fn $name() {
            plays($container, $format);
        })*
    };
}

table! {
    ts_aac: "ts", "aac";
    ts_he_aac: "ts", "he-aac";
    fmp4_aac: "fmp4", "aac";
    fmp4_opus: "fmp4", "opus";
    fmp4_flac: "fmp4", "flac";
}

/// How long it is from the bus to the ear: the tone changes every two seconds of the programme, and the page notes when it
/// hears that. Prints what docs/hls.md has; nothing is measured against a limit.
fn glass_to_glass(container: &str) {
    const EACH_S: usize = 2;
    let tone = |hz: f64| signal::sine(RATE, hz, -12.0, EACH_S * RATE as usize);
    let both = [tone(HZ), tone(2.0 * HZ)].concat();
    let on_air = on_air(&format!("container: {container}, format: aac, low_latency: true"), &both.repeat(30));
    play_on(&on_air.browser, PLAYED_S);
    let events = std::fs::read_to_string(on_air.folder.path().join("events.jsonl")).unwrap();
    let begun = events.lines().find(|line| line.contains("\"now_playing\"")).expect("an item began");
    let begun: serde_json::Value = serde_json::from_str(begun).unwrap();
    let begun: jiff::Timestamp = begun["utc"].as_str().unwrap().parse().unwrap();
    let flips = on_air.browser.run("return flips");
    let period_ms = 2 * EACH_S as i64 * 1000;
    let late = flips.as_array().unwrap().iter().filter(|flip| flip[1] == true).map(|flip| {
        let at = flip[0].as_i64().unwrap() - begun.as_millisecond() - period_ms / 2;
        at.rem_euclid(period_ms)
    });
    let mut late: Vec<i64> = late.collect();
    late.sort_unstable();
    assert!(late.len() > 10, "{flips}");
    let (least, median, most) = (late[0], late[late.len() / 2], late[late.len() - 1]);
    println!(
        "{container}: {} changes heard {least} ms at least, {median} in the median, {most} at most after the bus",
        late.len()
    );
    println!("{container}: hls.js says {} s", on_air.browser.run("return hls.latency"));
}

#[test]
#[ignore = "plays for a minute: make test-player"]
fn low_latency_from_the_bus_to_the_ear_in_ts() {
    glass_to_glass("ts");
}

#[test]
#[ignore = "plays for a minute: make test-player"]
fn low_latency_from_the_bus_to_the_ear_in_fmp4() {
    glass_to_glass("fmp4");
}
