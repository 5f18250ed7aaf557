//! hls.js in a real browser, on a page of another origin, plays a minute of what `airchain run` puts on air without a stall or
//! an error. Plays in real time: `make test-player` runs it.

#![allow(clippy::unwrap_used)]

mod support;

use std::io::{BufReader, Write};
use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use serde_json::json;
use support::{wait_for, write_wav};
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
let hz = () => 0, stalls = 0;
document.getElementById("play").onclick = () => {
  const hls = new Hls();
  hls.on(Hls.Events.ERROR, (_, data) => complaints.push(`${data.type} ${data.details} ${data.reason || ""}`));
  hls.loadSource("INDEX");
  hls.attachMedia(audio);
  audio.play().catch(error => complaints.push(String(error)));
  audio.addEventListener("playing", () => {
    audio.addEventListener("waiting", () => stalls++);
    const context = new AudioContext(), ear = context.createAnalyser();
    ear.fftSize = 32768;
    context.createMediaElementSource(audio).connect(ear).connect(context.destination);
    const lines = new Float32Array(ear.frequencyBinCount);
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

fn plays(container: &str, format: &str) {
    let hls_js = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../target/hls.js/hls.min.js");
    let hls_js = std::fs::read(&hls_js).expect("hls.js; `make test-player` fetches it");
    let (folder, port) = (tempfile::tempdir().unwrap(), Port::free());
    let address = SocketAddr::from(([127, 0, 0, 1], port.number));
    let path = |name: &str| folder.path().join(name);
    write_wav(&path("tone.wav"), RATE, &signal::sine(RATE, HZ, -12.0, 120 * RATE as usize));
    let station = format!(
        "station: {{ id: one, sample_rate: {RATE} }}
mounts:
  - id: m
    outputs:
      - {{ type: hls, path: hls, segment_duration_sec: 2, container: {container}, format: {format} }}
      - {{ type: http, listen: \"{address}\" }}
automation: {{ playlist: [tone.wav], item_loudness: off }}
"
    );
    std::fs::write(path("station.yaml"), station).unwrap();
    let log = std::fs::File::create(path("airchain.log")).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_airchain"));
    command.arg("run").arg(path("station.yaml")).stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
    let _airchain = Airchain(command.spawn().unwrap());
    let index = "/hls/one/index.m3u8";
    // hls.js begins three target durations from the end.
    wait_for("segments", || {
        let playlist = http::get(address, "/hls/one/live.m3u8");
        playlist.is_ok_and(|playlist| playlist.text().matches("#EXTINF").count() >= 4)
    });

    let browser = Browser::start();
    let pages = serve(PAGE.replace("INDEX", &format!("http://{address}{index}")), hls_js);
    browser.open(&format!("http://{pages}/"));
    browser.click("#play");
    browser.wait("audio.currentTime > 0 && !audio.paused && hz() > 0");
    let begun = browser.run("return audio.currentTime").as_f64().unwrap();
    // The browser waits for less than that at a time.
    let mut played_s = 0.0;
    while played_s < PLAYED_S {
        played_s = (played_s + 20.0_f64).min(PLAYED_S);
        browser.wait(&format!("audio.currentTime - {begun} >= {played_s} || complaints.length || stalls"));
        assert_eq!(browser.run("return complaints"), json!([]), "after {played_s} s at most");
        assert_eq!(browser.run("return stalls"), json!(0), "after {played_s} s at most");
        browser.wait(&format!("Math.abs(hz() - {HZ}) < 3"));
    }
    assert_eq!(browser.complaints(), [""; 0]);
}

#[test]
#[ignore = "plays for a minute: make test-player"]
fn hls_js_plays_ts_with_aac() {
    plays("ts", "aac");
}

#[test]
#[ignore = "plays for a minute: make test-player"]
fn hls_js_plays_ts_with_he_aac() {
    plays("ts", "he-aac");
}
