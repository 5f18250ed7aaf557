//! dash.js in a real browser, on a page of another origin, plays a minute of what `airchain run` puts on air without a stall or
//! an error, changes between renditions, goes on over a restart of the station, and ends when that does. Plays in real time: `make test-player`
//! runs it.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a test that fails panics; figures are printed")]

mod player;
mod support;

use std::os::unix::fs::symlink;

use jiff::Timestamp;
use player::{HZ, PLAYED_S, Player, RATE, Station, hear_the_tone, play, play_on};
use serde_json::json;
use testkit::browser::Browser;
use testkit::nginx::Nginx;
use testkit::signal;

/// `titles` is what it reads in the event messages of segments, `clocks` by how many ms the time of day that it is told differs
/// from the browser's, `warnings` what it writes to the console.
const DASH_JS: Player = Player {
    script: "dash.js/dash.mediaplayer.min.js",
    manifest: "manifest.mpd",
    begin: r#"const titles = [], clocks = [], warnings = [];
function begin(url) {
  console.warn = console.error = (...words) => warnings.push(words.join(" "));
  const dash = dashjs.MediaPlayer().create(), {events} = dashjs.MediaPlayer;
  dash.on(events.ERROR, ({error}) => complaints.push(`${error.code} ${error.message}`));
  dash.on(events.PLAYBACK_ERROR, ({error}) => complaints.push(String(error)));
  dash.on(events.PLAYBACK_NOT_ALLOWED, () => complaints.push("playing is not allowed"));
  dash.on("updateTimeSyncOffset", ({offset}) => clocks.push(offset));
  dash.on("https://aomedia.org/emsg/ID3", ({event}) => titles.push(event.parsedMessageData), null,
    { mode: events.EVENT_MODE_ON_RECEIVE });
  dash.initialize(audio, url, true);
  return dash;
}"#,
};

/// Says what the player thinks of its distance to the programme, and sees that the clock by which it does is the server's, which
/// is this machine's, too.
fn latency(browser: &Browser, what: &str) {
    let latency = browser.run("return player.getCurrentLiveLatency()");
    let delay = browser.run("return player.getTargetLiveDelay()");
    let clocks = browser.run("return clocks");
    println!(
        "{what}: dash.js says {latency} s behind, where {delay} s are wanted; clocks off by {clocks} ms"
    );
    let clocks: Vec<f64> = clocks.as_array().unwrap().iter().map(|clock| clock.as_f64().unwrap()).collect();
    assert!(!clocks.is_empty() && clocks.iter().all(|off| off.abs() < 5000.0), "{clocks:?}");
}

/// Has the tone of a station with such an output played.
fn plays(output: &str) {
    let programme = signal::sine(RATE, HZ, -12.0, 120 * RATE as usize);
    let station = Station::start(output, &programme);
    let browser = play(&DASH_JS, &station.url());
    play_on(&browser, PLAYED_S);
    hear_the_tone(&browser);
    latency(&browser, output);
    assert_eq!(browser.run("return warnings"), json!([]));
    // Every segment begins with the title.
    let titles = browser.run("return titles");
    let titles = titles.as_array().unwrap();
    assert!(titles.len() > 20 && titles.iter().all(|title| title[0]["key"] == "TIT2"), "{titles:?}");
}

#[test]
#[ignore = "plays for a minute: make test-player"]
fn aac() {
    plays("type: dash, format: aac");
}

#[test]
#[ignore = "plays for a minute: make test-player"]
fn opus() {
    plays("type: dash, format: opus");
}

#[test]
#[ignore = "plays for a minute: make test-player"]
fn flac() {
    plays("type: dash, format: flac");
}

#[test]
#[ignore = "plays for a minute: make test-player"]
fn changes_between_renditions() {
    let programme = signal::sine(RATE, HZ, -12.0, 120 * RATE as usize);
    let output = "type: hls, container: fmp4, dash: true, format: aac, bitrate_kbps: 128, \
                  renditions: [{ name: low, format: he-aac, bitrate_kbps: 48 }]";
    let station = Station::start(output, &programme);
    let browser = play(&DASH_JS, &station.url());
    // By hand from now on.
    browser.run("player.updateSettings({ streaming: { abr: { autoSwitchBitrate: { audio: false } } } })");
    let known = browser.run("return player.getRepresentationsByType('audio').map(one => one.codecs)");
    assert_eq!(known, json!(["mp4a.40.5", "mp4a.40.2"]), "by bandwidth");
    for (turn, chosen) in [0, 1, 0, 1].into_iter().enumerate() {
        let change = format!(
            "performance.clearResourceTimings(); player.setRepresentationForTypeByIndex('audio', {chosen})"
        );
        browser.run(&change);
        play_on(&browser, PLAYED_S / 4.0);
        hear_the_tone(&browser);
        let low = "performance.getEntriesByType('resource').filter(one => one.name.endsWith('.m4s')) \
                   .map(one => one.name.includes('/low/'))";
        let fetched = browser.run(&format!("return {low}"));
        assert_eq!(fetched.as_array().unwrap().last(), Some(&json!(chosen == 0)), "{turn}: {fetched}");
    }
    latency(&browser, "two renditions");
    assert_eq!(browser.run("return warnings"), json!([]));
}

/// nginx over the folder of a station's output.
fn nginx_over(station: &Station) -> Nginx {
    let nginx = Nginx::serving();
    symlink(station.folder.path().join("hls"), nginx.root().join("hls")).unwrap();
    nginx
}

/// Has a station killed and started anew twice, which `nginx` survives where it serves the segments.
fn goes_on(nginx: impl FnOnce(&Station) -> Option<Nginx>) {
    let programme = signal::sine(RATE, HZ, -12.0, 120 * RATE as usize);
    let output = "type: hls, container: fmp4, dash: true, format: aac, \
                  renditions: [{ name: low, format: he-aac, bitrate_kbps: 48 }]";
    let mut station = Station::start(output, &programme);
    let nginx = nginx(&station);
    let url = nginx.as_ref().map_or(station.url(), |nginx| format!("{}/hls", nginx.url()));
    let browser = play(&DASH_JS, &url);
    play_on(&browser, PLAYED_S / 4.0);
    for turn in 1..=2 {
        station.restart();
        let restarted = Timestamp::now();
        // Time on air is counted from 1970 on, so this is of the new run.
        let on_air = |s: i64| restarted.as_second() + s;
        browser.wait(&format!("audio.currentTime > {} || complaints.length", on_air(5)));
        let waits = browser.run("return stalls");
        browser.wait(&format!("audio.currentTime > {} || complaints.length", on_air(25)));
        hear_the_tone(&browser);
        assert_eq!(browser.run("return complaints"), json!([]), "after restart {turn}");
        assert_eq!(browser.run("return stalls"), waits, "once it is over restart {turn}");
        if nginx.is_some() {
            assert_eq!(browser.complaints(), [""; 0], "after restart {turn}");
        }
        latency(&browser, &format!("after restart {turn}"));
    }
    // What was not on air is passed over.
    let warnings = browser.run("return warnings");
    let warnings = warnings.as_array().unwrap();
    println!("{warnings:?}");
    assert!(warnings.iter().all(|warning| warning.as_str().unwrap().contains("Jumping gap")), "{warnings:?}");
}

#[test]
#[ignore = "plays for a minute: make test-player"]
fn goes_on_over_a_restart_of_a_station_that_serves_it() {
    goes_on(|_| None);
}

#[test]
#[ignore = "plays for a minute: make test-player"]
fn goes_on_over_a_restart_of_a_station_behind_nginx() {
    goes_on(|station| Some(nginx_over(station)));
}

#[test]
#[ignore = "plays in real time: make test-player"]
fn ends_with_the_station() {
    let programme = signal::sine(RATE, HZ, -12.0, 120 * RATE as usize);
    let mut station = Station::start("type: dash, format: aac", &programme);
    let nginx = nginx_over(&station);
    let browser = play(&DASH_JS, &format!("{}/hls", nginx.url()));
    play_on(&browser, PLAYED_S / 8.0);
    station.stop();
    browser.wait("audio.ended || complaints.length || warnings.length");
    assert_eq!(browser.run("return [complaints, warnings]"), json!([[], []]));
    assert_eq!(browser.complaints(), [""; 0]);
}
