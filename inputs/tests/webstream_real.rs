//! Web streams from a real Icecast server, fed by ffmpeg.

#![allow(clippy::unwrap_used)]

use std::time::{Duration, Instant};

use airchain_inputs::webstream::{Arrival, Arrivals, Link, LinkState, WebstreamConfig, open};
use testkit::encoder::Encoder;
use testkit::icecast::{Icecast, Signed};
use tokio::runtime::Runtime;

/// Longest time that anything may take; reached only when it fails.
const PATIENCE: Duration = Duration::from_secs(30);

struct Rig {
    link: Link,
    arrivals: Arrivals,
    events: Vec<Arrival>,
    audio: Vec<u8>,
    _runtime: Runtime,
}

impl Rig {
    fn start(config: WebstreamConfig) -> Self {
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let (link, arrivals) = open(config, runtime.handle()).unwrap();
        Self { link, arrivals, events: Vec::new(), audio: Vec::new(), _runtime: runtime }
    }

    fn until(&mut self, what: &str, so: impl Fn(&Self) -> bool) {
        let since = Instant::now();
        while !so(self) {
            assert!(since.elapsed() < PATIENCE, "{what}: {:?} {:?}", self.events, self.link.status());
            match self.arrivals.next() {
                Some(Arrival::Bytes(bytes)) => self.audio.extend_from_slice(&bytes),
                Some(event) => self.events.push(event),
                None => std::thread::sleep(Duration::from_millis(5)),
            }
        }
    }

    /// Titles so far, in one line each.
    fn titles(&self) -> Vec<String> {
        let title = |event: &Arrival| match event {
            Arrival::Title(metadata) => Some(metadata.one_line()),
            _ => None,
        };
        self.events.iter().filter_map(title).collect()
    }

    fn breaks(&self) -> usize {
        self.events.iter().filter(|event| matches!(event, Arrival::Breaks { .. })).count()
    }
}

fn config(url: String) -> WebstreamConfig {
    WebstreamConfig { id: "relay".into(), url, ..WebstreamConfig::default() }
}

#[test]
fn an_mp3_mount_with_its_titles() {
    let icecast = Icecast::start(2);
    let _encoder = Encoder::start(&icecast, "/utf8.mp3", 1000, "Käse FM");
    let mut rig = Rig::start(config(icecast.listen_url("/utf8.mp3")));
    rig.until("the burst", |rig| rig.audio.len() > 16_000);
    icecast.set_title("/utf8.mp3", "Mot%C3%B6rhead%20-%20Ace%20of%20%22Spades%22%3B%20it%27s");
    rig.until("the first title", |rig| {
        rig.titles().iter().any(|t| t == "Motörhead - Ace of \"Spades\"; it's")
    });
    let json = "%7B%22song%22%3A%7B%22title%22%3A%22Don%27t%20-%20stop%22%7D%7D";
    icecast.set_title("/utf8.mp3", json);
    let shown = "{\"song\":{\"title\":\"Don't - stop\"}}";
    rig.until("a document as title", |rig| rig.titles().last().is_some_and(|title| title == shown));
    icecast.set_title("/utf8.mp3", "");
    rig.until("the title taken away", |rig| rig.titles().last().is_some_and(String::is_empty));
    let heard = rig.audio.len();
    rig.until("audio behind it", |rig| rig.audio.len() > heard + 16_000);
    let [Arrival::Begins { content_type, station, .. }, ..] = &rig.events[..] else {
        panic!("{:?}", rig.events)
    };
    assert_eq!((content_type.as_deref(), station.name.as_deref()), (Some("audio/mpeg"), Some("Käse FM")));
    assert_eq!(rig.breaks(), 0);
    // With a title cut out wrongly, frames would not follow each other.
    assert_whole_frames(&rig.audio);
}

/// Every MP3 frame begins where the one before it ends.
fn assert_whole_frames(audio: &[u8]) {
    let start = audio.windows(2).position(|pair| pair[0] == 0xFF && pair[1] == 0xFB).unwrap();
    let (mut at, mut frames) = (start, 0);
    while at + 4 <= audio.len() {
        assert_eq!(
            (audio[at], audio[at + 1], audio[at + 2] & 0xFC),
            (0xFF, 0xFB, 0x90),
            "frame {frames} at {at}"
        );
        at += 417 + usize::from(audio[at + 2] >> 1 & 1);
        frames += 1;
    }
    assert!(frames > 50, "{frames} frames");
}

/// Why it plays nothing.
fn failure(mut rig: Rig) -> String {
    rig.until("a failure", |rig| rig.link.status().last_error.is_some());
    assert!(rig.events.is_empty(), "{:?}", rig.events);
    rig.link.status().last_error.unwrap()
}

#[test]
fn a_wrong_path_is_named() {
    let icecast = Icecast::start(2);
    let words = failure(Rig::start(config(icecast.listen_url("/nowhere.mp3"))));
    assert!(words.contains("no such mount; check the path of the url") && words.contains("404"), "{words}");
}

#[test]
fn a_server_killed_and_back() {
    let mut icecast = Icecast::start(2);
    let encoder = Encoder::start(&icecast, "/live.mp3", 1000, "Käse FM");
    let mut rig = Rig::start(config(icecast.listen_url("/live.mp3")));
    rig.until("audio", |rig| rig.audio.len() > 16_000);
    icecast.kill();
    drop(encoder);
    rig.until("the break", |rig| rig.breaks() == 1);
    rig.until("the refusal", |rig| rig.link.status().last_error.is_some_and(|e| e.contains("refuses")));
    assert!(icecast.restart());
    let _encoder = Encoder::start(&icecast, "/live.mp3", 1000, "Käse FM");
    let heard = rig.audio.len();
    rig.until("audio again", |rig| rig.audio.len() > heard + 16_000);
    assert_eq!((rig.breaks(), rig.link.status().connects), (1, 2));
    assert_eq!(rig.link.status().state, LinkState::Streaming);
}

#[test]
fn by_tls_if_it_is_trusted() {
    let icecast = Icecast::start_tls(Signed::ByAuthority);
    let _encoder = Encoder::start(&icecast, "/live.mp3", 1000, "Käse FM");
    let url = icecast.listen_tls_url("localhost", "/live.mp3");
    let distrusting = Rig::start(config(url.clone()));
    let words = failure(distrusting);
    assert!(words.contains("certificate is not trusted") && words.contains("ca_file"), "{words}");
    let mut rig = Rig::start(WebstreamConfig { ca_file: Some(icecast.trust()), ..config(url) });
    rig.until("audio", |rig| rig.audio.len() > 30_000);
    assert_whole_frames(&rig.audio);
    // Speaking TLS to a port that does not.
    let words = failure(Rig::start(config(icecast.listen_url("/live.mp3").replace("http:", "https:"))));
    assert!(words.contains("check that the port speaks TLS"), "{words}");
}

#[test]
fn through_the_playlists_that_icecast_makes() {
    let icecast = Icecast::start(2);
    let _encoder = Encoder::start(&icecast, "/live.mp3", 1000, "Käse FM");
    for list in ["/live.mp3.m3u", "/live.mp3.xspf"] {
        let mut rig = Rig::start(config(icecast.listen_url(list)));
        rig.until("audio", |rig| rig.audio.len() > 16_000);
        assert!(rig.link.status().url.ends_with("/live.mp3"), "{:?}", rig.link.status());
    }
}
