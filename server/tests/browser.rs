//! The built-in listener of `airchain play` as its listeners meet it: the page in a real browser, HLS over HTTP, and
//! Ogg mounts heard by ffmpeg.

#![allow(clippy::unwrap_used)]

use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use testkit::browser::Browser;
use testkit::http;
use testkit::icecast::Port;
use testkit::measure::tone;

const STATION: &str = "Radio <i>Blåbär</i> & Co";

struct Track {
    hz: f64,
    /// Peak levels of left and right; a sine of amplitude 1 has 0 dBFS.
    dbfs: [f64; 2],
    artist: &'static str,
    title: &'static str,
}

/// Names that only text can carry, and channels that a mix-up would betray.
const PROGRAMME: [Track; 2] = [
    Track {
        hz: 440.0,
        dbfs: [-12.0, -32.0],
        artist: "東京 <script>",
        title: "<b>Grüße</b> & \"quotes\" '\\",
    },
    Track { hz: 1000.0, dbfs: [-26.0, -6.0], artist: "Ида", title: "Второй &amp; <img src=x>" },
];

/// The command on air, killed when the test is over.
struct Airchain {
    child: Child,
    address: SocketAddr,
}

impl Airchain {
    /// Puts the programme on air, over and over, untouched by any processing.
    fn play(folder: &Path, port: &Port, item_s: u32, more: &[&str]) -> Self {
        let address = SocketAddr::from(([127, 0, 0, 1], port.number));
        let log = std::fs::File::create(folder.join("airchain.log")).unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_airchain"));
        command.args([
            "play",
            "--loop",
            "--chain",
            "none",
            "--name",
            STATION,
            "--listen",
            &address.to_string(),
        ]);
        command.args(more).args(music(folder, item_s));
        let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log).spawn().unwrap();
        let airchain = Self { child, address };
        let up =
            |status: &Value| status["mounts"].as_array().is_some_and(|m| m.iter().all(|m| m["up"] == true));
        airchain.wait_for("mounts", |status| up(status) && !status["on_air"].is_null());
        airchain
    }

    /// Waits until `/status.json` says so.
    fn wait_for(&self, what: &str, ready: impl Fn(&Value) -> bool) {
        wait_for(what, || {
            let answer = http::get(self.address, "/status.json");
            answer.is_ok_and(|answer| ready(&serde_json::from_slice(&answer.body).unwrap()))
        });
    }

    /// SIGTERM: it ends cleanly, by itself.
    fn stop(mut self) {
        let kill = Command::new("kill").args(["-TERM", &self.child.id().to_string()]).status().unwrap();
        assert!(kill.success() && self.child.wait().unwrap().success());
    }
}

impl Drop for Airchain {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn wait_for(what: &str, mut ready: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(60);
    while !ready() {
        assert!(Instant::now() < deadline, "{what} did not come about");
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// Runs ffmpeg, which must find nothing wrong.
fn ffmpeg(args: &[&str]) {
    let output = Command::new("ffmpeg").args(["-nostdin", "-v", "error", "-y"]).args(args).output();
    let output = output.expect("ffmpeg (Debian package ffmpeg) runs");
    let complaints = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && complaints.is_empty(), "{args:?}: {complaints}");
}

/// The programme as tagged files.
fn music(folder: &Path, item_s: u32) -> Vec<String> {
    let make = |track: &Track| {
        let path = folder.join(format!("{}.flac", track.hz)).display().to_string();
        let [left, right] =
            track.dbfs.map(|db| format!("{}*sin(2*PI*{}*t)", 10_f64.powf(db / 20.0), track.hz));
        let source = format!("aevalsrc={left}|{right}:s=48000:d={item_s}");
        let (artist, title) = (format!("artist={}", track.artist), format!("title={}", track.title));
        ffmpeg(&["-f", "lavfi", "-i", &source, "-metadata", &artist, "-metadata", &title, &path]);
        path
    };
    PROGRAMME.iter().map(make).collect()
}

/// An expression for the page: the text of this element is exactly this.
fn shows(id: &str, text: &str) -> String {
    format!("document.getElementById({}).textContent === {}", json!(id), json!(text))
}

/// Lets the page tell what it plays: `hz()` is the strongest frequency that comes out of its audio element. Notes
/// the element's errors.
const EAR: &str = "
    const audio = document.getElementById('audio'), context = new AudioContext();
    const analyser = new AnalyserNode(context, { fftSize: 8192 }), bins = new Float32Array(4096);
    context.createMediaElementSource(audio).connect(analyser).connect(context.destination);
    window.hz = () => {
        analyser.getFloatFrequencyData(bins);
        const bin = bins.reduce((best, level, bin) => level > bins[best] ? bin : best, 0);
        return bins[bin] > -60 ? bin * context.sampleRate / analyser.fftSize : 0;
    };
    window.errors = [];
    audio.addEventListener('error', () => window.errors.push(audio.src + ': ' + audio.error.message));";

/// The page shows, and lets hear, that `track` is on air, and meters it.
fn assert_on_air(browser: &Browser, track: &Track) {
    browser.wait(&shows("title", track.title));
    // At once, before a whole snapshot might correct it.
    let before = browser.run("return document.querySelector('#recent li')?.textContent ?? ''");
    assert!(!before.as_str().unwrap().contains(track.title), "played recently, and on air: {before}");
    assert_eq!(browser.text("#artist"), track.artist);
    browser.wait(&format!("document.title.includes({})", json!(track.title)));
    assert_eq!(browser.run("return document.querySelectorAll('#title *, #artist *, #recent img').length"), 0);
    let level = |channel: usize| {
        let wanted = track.dbfs[channel];
        let shown =
            format!("document.querySelectorAll('.meter output')[{channel}].textContent.replace('−', '-')");
        browser.wait(&format!("Math.abs(parseFloat({shown}) - {wanted}) < 0.5"));
        // The bar is as long as the scale says, by the marks beside it.
        let end = "1 - parseFloat(getComputedStyle(peak).clipPath.split(' ')[1]) / 100";
        format!("(() => {{ const peak = document.querySelectorAll('.peak')[{channel}]; return {end} }})()")
    };
    let (left, right) = (level(0), level(1));
    let order = if track.dbfs[0] > track.dbfs[1] { '>' } else { '<' };
    browser.wait(&format!("{left} {order} {right} && Math.min({left}, {right}) > 0"));
    browser.wait(&format!("Math.abs(hz() - {}) < 10", track.hz));
}

#[test]
fn the_page_plays_shows_and_says_when_it_is_over() {
    let folder = tempfile::tempdir().unwrap();
    let (browser, port) = (Browser::start(), Port::free());
    let hls = folder.path().join("hls").display().to_string();
    let play = || {
        Airchain::play(
            folder.path(),
            &port,
            8,
            &["--format", "mp3:128k", "--format", "opus:96k", "--hls", &hls],
        )
    };
    let airchain = play();
    browser.open(&format!("http://{}/", airchain.address));
    browser.wait(&shows("station", STATION));
    browser.wait("!document.getElementById('play').disabled");

    browser.click("#play");
    browser.run(EAR);
    browser.wait("document.getElementById('audio').currentTime >= 3");
    assert_eq!(browser.text("#playing"), "Playing");
    assert_on_air(&browser, &PROGRAMME[0]);
    assert_on_air(&browser, &PROGRAMME[1]);
    assert_eq!(browser.text("#tier"), "On air");
    let before = browser.text("#recent li");
    assert!(before.contains(PROGRAMME[0].title), "{before}");
    browser.wait("document.querySelectorAll('#outputs .up').length === 3");
    browser.wait(&shows("listeners", "1 listener"));

    // Chromium plays HLS by itself, so the page offers it; of a live playlist it wants three segments.
    wait_for("three segments", || {
        let playlist = http::get(airchain.address, "/hls/live.m3u8");
        playlist.is_ok_and(|playlist| playlist.text().matches("#EXTINF").count() >= 3)
    });
    browser.run(
        "const mount = document.getElementById('mount');
        mount.value = '/hls/index.m3u8';
        mount.dispatchEvent(new Event('change'));",
    );
    browser.wait("audio.src.includes('/hls/index.m3u8') && audio.currentTime >= 1");
    browser.wait("[440, 1000].some(wanted => Math.abs(hz() - wanted) < 10)");
    browser.run("mount.value = '/live.mp3'; mount.dispatchEvent(new Event('change'));");
    browser.wait("audio.src.includes('/live.mp3') && audio.currentTime >= 1");
    assert_eq!(browser.run("return window.errors"), json!([]));
    assert_eq!(browser.complaints(), [""; 0]);

    // Where files lie is nobody's business.
    let status = http::get(airchain.address, "/status.json").unwrap().text();
    assert!(!status.contains(folder.path().to_str().unwrap()), "{status}");

    airchain.stop();
    browser.wait(&shows("tier", "No connection"));
    browser.wait("document.title.startsWith('No connection')");
    browser.wait(&shows("playing", "Reconnecting …"));
    browser.wait("document.querySelectorAll('#outputs .up').length === 0");
    // It comes back by itself, and goes on playing.
    let _airchain = play();
    browser.wait(&shows("tier", "On air"));
    browser.wait(&shows("playing", "Playing"));
    browser.wait(&format!("Math.abs(hz() - {}) < 10", PROGRAMME[0].hz));
    browser.click("#play");
    browser.wait("document.getElementById('audio').paused");
    browser.wait(&shows("playing", ""));
}

#[test]
fn hls_is_served_while_on_air() {
    let (folder, port) = (tempfile::tempdir().unwrap(), Port::free());
    let hls = folder.path().join("hls").display().to_string();
    let airchain = Airchain::play(folder.path(), &port, 60, &["--hls", &hls]);
    let get = |path: &str| http::get(airchain.address, path).unwrap();
    // What a playlist names beside comments.
    let entries = |playlist: &str| -> Vec<String> {
        playlist
            .lines()
            .filter(|line| !line.starts_with('#') && !line.is_empty())
            .map(str::to_owned)
            .collect()
    };
    wait_for("/hls/index.m3u8", || get("/hls/index.m3u8").status == 200);
    let index = get("/hls/index.m3u8");
    assert_eq!(index.header("content-type"), "application/vnd.apple.mpegurl");
    let [variant] = &entries(&index.text())[..] else { panic!("{}", index.text()) };
    let variant = format!("/hls/{variant}");
    wait_for("two segments", || entries(&get(&variant).text()).len() >= 2);
    let playlist = get(&variant);
    assert_eq!(playlist.header("content-type"), "application/vnd.apple.mpegurl");
    assert_eq!(playlist.header("cache-control"), "no-cache");
    let mut audio = Vec::new();
    for name in entries(&playlist.text()).iter().take(2) {
        let segment = get(&format!("/hls/{name}"));
        assert_eq!((segment.status, segment.header("content-type")), (200, "video/mp2t"), "{name}");
        assert!(segment.header("cache-control").contains("immutable"), "{name}");
        audio.extend(segment.body);
    }
    let path = folder.path().join("heard.ts");
    std::fs::write(&path, audio).unwrap();
    assert_track(&path.display().to_string(), folder.path(), &PROGRAMME[0], &[]);
    assert_eq!(get("/hls/../airchain.log").status, 404);
    assert_eq!(get("/hls/none.ts").status, 404);
}

#[test]
fn ogg_listeners_who_join_midway_read_what_they_hear() {
    let (folder, port) = (tempfile::tempdir().unwrap(), Port::free());
    let airchain = Airchain::play(folder.path(), &port, 12, &["--format", "opus:96k", "--format", "flac"]);
    // In the midst of the second item, longer after its start than what a new listener is given of the past.
    airchain.wait_for("the second item", |status| {
        let time = |value: &Value| value.as_str().and_then(|time| time.parse::<jiff::Timestamp>().ok());
        let (start, now) = (time(&status["on_air"]["started_utc"]), time(&status["now_utc"]));
        let elapsed =
            start.zip(now).map_or(0.0, |(start, now)| (now - start).total(jiff::Unit::Second).unwrap());
        status["on_air"]["title"] == PROGRAMME[1].title && elapsed > 3.5
    });
    std::thread::scope(|scope| {
        for path in ["/live.opus", "/live.flac"] {
            let url = format!("http://{}{path}", airchain.address);
            let folder = folder.path().join(&path[1..]);
            scope.spawn(move || {
                std::fs::create_dir(&folder).unwrap();
                assert_track(&url, &folder, &PROGRAMME[1], &[PROGRAMME[1].title, PROGRAMME[1].artist]);
            });
        }
    });
}

/// Up to three seconds of `url` are `track` and nothing else, and its comments say `comments`.
fn assert_track(url: &str, folder: &Path, track: &Track, comments: &[&str]) {
    let [audio, about] = ["heard.f32", "about.txt"].map(|name| folder.join(name));
    let (audio_path, about_path) = (audio.display().to_string(), about.display().to_string());
    let to_audio = ["-f", "f32le", "-ac", "2", "-ar", "48000", &audio_path];
    // Ogg has its comments in the stream; what the HTTP headers say would not count.
    let to_about = ["-map_metadata", "0:s:0", "-f", "ffmetadata", &about_path];
    ffmpeg(&[&["-t", "3", "-i", url], &to_audio[..], &to_about].concat());
    let samples: Vec<f64> = std::fs::read(&audio)
        .unwrap()
        .chunks_exact(4)
        .map(|b| f64::from(f32::from_le_bytes([b[0], b[1], b[2], b[3]])))
        .collect();
    for channel in 0..2 {
        let samples: Vec<f64> = samples.iter().skip(channel).step_by(2).copied().collect();
        assert!(samples.len() > 48_000, "{url}: {} frames", samples.len());
        // Without the first and last moments, where a decoder that joins settles.
        let tone = tone(&samples[9_600..samples.len() - 4_800], 48_000, track.hz);
        assert!(tone.residual_db() < -30.0, "{url}: channel {channel} is not the tone: {tone:?}");
        assert!((tone.level_db() - track.dbfs[channel]).abs() < 1.0, "{url}: channel {channel}: {tone:?}");
    }
    // ffmetadata escapes some characters.
    let about = std::fs::read_to_string(about).unwrap().replace('\\', "");
    for comment in comments {
        assert!(about.contains(&comment.replace('\\', "")), "{url}: {comment:?} is not in {about}");
    }
}
