//! hls.js in a real browser, on a page of another origin, plays a minute of what `airchain run` puts on air without a stall or
//! an error. Plays in real time: `make test-player` runs it.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a test that fails panics; figures are printed")]

mod player;
mod support;

use player::{HZ, PLAYED_S, Player, RATE, Station, hear_the_tone, play, play_on};
use testkit::signal;

const HLS_JS: Player = Player {
    script: "hls.js/hls.min.js",
    manifest: "index.m3u8",
    begin: r#"function begin(url) {
  const hls = new Hls();
  hls.on(Hls.Events.ERROR, (_, data) => complaints.push(`${data.type} ${data.details} ${data.reason || ""}`));
  hls.loadSource(url);
  hls.attachMedia(audio);
  audio.play().catch(error => complaints.push(String(error)));
  return hls;
}"#,
};

fn plays(container: &str, format: &str) {
    let programme = signal::sine(RATE, HZ, -12.0, 120 * RATE as usize);
    let station = Station::start(&format!("type: hls, container: {container}, format: {format}"), &programme);
    let browser = play(&HLS_JS, &station.url());
    play_on(&browser, PLAYED_S);
    hear_the_tone(&browser);
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
    let output = format!("type: hls, container: {container}, format: aac, low_latency: true");
    let station = Station::start(&output, &both.repeat(30));
    let browser = play(&HLS_JS, &station.url());
    play_on(&browser, PLAYED_S);
    let events = std::fs::read_to_string(station.folder.path().join("events.jsonl")).unwrap();
    let begun = events.lines().find(|line| line.contains("\"now_playing\"")).expect("an item began");
    let begun: serde_json::Value = serde_json::from_str(begun).unwrap();
    let begun: jiff::Timestamp = begun["utc"].as_str().unwrap().parse().unwrap();
    let flips = browser.run("return flips");
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
    println!("{container}: hls.js says {} s", browser.run("return player.latency"));
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
