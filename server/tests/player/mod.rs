//! A player in a real browser, on a page of another origin, plays what `airchain run` puts on air: what the tests of hls.js and
//! of dash.js share.

#![allow(clippy::unwrap_used, dead_code, reason = "a test that fails panics; each test file uses a part")]

use std::io::{BufReader, Write};
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use airchain::core::Stereo;
use serde_json::json;
use tempfile::TempDir;
use testkit::browser::Browser;
use testkit::http;
use testkit::icecast::{Port, read_head};

use crate::support::{wait_for, write_wav};

/// Rate of programmes, in Hz.
pub(crate) const RATE: u32 = 48_000;
/// The tone of a programme, in Hz, or the lower of two; the higher is an octave above.
pub(crate) const HZ: f64 = 440.0;
/// How much of a programme is played, in seconds.
pub(crate) const PLAYED_S: f64 = 60.0;

/// A player in JavaScript.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Player {
    /// Its script, below `target/`; `make test-player` fetches it.
    pub(crate) script: &'static str,
    /// What it opens.
    pub(crate) manifest: &'static str,
    /// A function `begin(url)` that has the element `audio` play it, puts whatever the player complains of into `complaints`, and
    /// gives the player.
    pub(crate) begin: &'static str,
}

/// Notes everything that the player and the audio element complain of; `hz()` is the strongest frequency that is heard.
const PAGE: &str = r#"<!doctype html><title>player</title><button id="play">play</button><p id="audio-is-here"></p>
<audio id="audio"></audio><script src="player.js"></script><script>
const audio = document.getElementById("audio"), complaints = [];
let hz = () => 0, stalls = 0, player = null;
// When the tone heard was another than before: the time, and whether it is the higher one.
const flips = [];
BEGIN
document.getElementById("play").onclick = () => {
  player = begin("URL");
  audio.addEventListener("error", () => complaints.push(`audio: ${audio.error.message}`));
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

impl Airchain {
    /// Runs the station in a folder.
    fn run(folder: &Path) -> Self {
        let log =
            std::fs::File::options().create(true).append(true).open(folder.join("airchain.log")).unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_airchain"));
        command.arg("run").arg(folder.join("station.yaml")).arg("--events").arg(folder.join("events.jsonl"));
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
        Self(command.spawn().unwrap())
    }
}

impl Drop for Airchain {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A station on air, with an output of segments in its folder `hls` and a listener that serves them.
pub(crate) struct Station {
    pub(crate) folder: TempDir,
    address: SocketAddr,
    airchain: Airchain,
    _port: Port,
}

impl Station {
    /// One that plays `programme`, with these words in the declaration of its output. Comes back when players find enough to
    /// begin three target durations from the end.
    pub(crate) fn start(output: &str, programme: &[Stereo]) -> Self {
        let (folder, port) = (tempfile::tempdir().unwrap(), Port::free());
        let address = SocketAddr::from(([127, 0, 0, 1], port.number));
        write_wav(&folder.path().join("tone.wav"), RATE, programme);
        let station = format!(
            "station: {{ id: one, sample_rate: {RATE} }}
mounts:
  - id: m
    outputs:
      - {{ path: hls, segment_duration_sec: 2, {output} }}
      - {{ type: http, listen: \"{address}\" }}
automation: {{ playlist: [tone.wav], item_loudness: off }}
"
        );
        std::fs::write(folder.path().join("station.yaml"), station).unwrap();
        let airchain = Airchain::run(folder.path());
        wait_for("segments", || {
            let playlist = http::get(address, "/hls/one/live.m3u8");
            playlist.is_ok_and(|playlist| playlist.text().matches("#EXTINF").count() >= 4)
        });
        Self { folder, address, airchain, _port: port }
    }

    /// Where its listener has the segments.
    pub(crate) fn url(&self) -> String {
        format!("http://{}/hls/one", self.address)
    }

    /// Has it end in its own way.
    pub(crate) fn stop(&mut self) {
        let id = self.airchain.0.id().to_string();
        assert!(Command::new("kill").arg(id).status().unwrap().success());
        assert!(self.airchain.0.wait().unwrap().success());
    }

    /// Kills it, and starts it anew.
    pub(crate) fn restart(&mut self) {
        let _ = self.airchain.0.kill();
        let _ = self.airchain.0.wait();
        self.airchain = Airchain::run(self.folder.path());
    }
}

/// Has a browser play what lies below an URL, on a page of another origin. Comes back when a tone is heard.
pub(crate) fn play(player: &Player, url: &str) -> Browser {
    let script = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../target").join(player.script);
    let script = std::fs::read(&script)
        .unwrap_or_else(|error| panic!("{}: {error}; `make test-player` fetches it", script.display()));
    let page = PAGE.replace("BEGIN", player.begin).replace("MIDDLE", &(1.5 * HZ).to_string());
    let page = page.replace("URL", &format!("{url}/{}", player.manifest));
    let browser = Browser::start();
    browser.open(&format!("http://{}/", serve(page, script)));
    browser.click("#play");
    browser.wait("complaints.length || audio.currentTime > 0 && !audio.paused && hz() > 0");
    assert_eq!(browser.run("return complaints"), json!([]));
    browser
}

/// Serves the page and the player's script, and nothing else.
fn serve(page: String, script: Vec<u8>) -> SocketAddr {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let head = read_head(&mut BufReader::new(&stream));
            let (mime, body) = match head.split(' ').nth(1) {
                Some("/") => ("text/html", page.as_bytes()),
                Some("/player.js") => ("text/javascript", &script[..]),
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

/// Has it play on for a while without a stall or an error.
pub(crate) fn play_on(browser: &Browser, lasts_s: f64) {
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

/// Holds what is heard to the tone of the programme.
pub(crate) fn hear_the_tone(browser: &Browser) {
    browser.wait(&format!("Math.abs(hz() - {HZ}) < 3"));
}
