//! A web stream over a network in memory, and the servers of it, as the tests of web streams use them.
#![allow(dead_code, unreachable_pub, clippy::unwrap_used, reason = "each test binary uses its own part")]

use std::sync::Arc;
use std::time::Duration;

use airchain_inputs::webstream::{Arrival, Arrivals, Link, WebstreamConfig, open_over};
use testkit::network::{Call, SimNet};
use tokio::io::AsyncWriteExt;
use tokio::runtime::Handle;
use tokio::time::{Instant, sleep};

pub const SECOND: Duration = Duration::from_secs(1);
/// How often the tests look; how exact their times are.
pub const TICK: Duration = Duration::from_millis(10);

pub fn config(urls: &[&str]) -> WebstreamConfig {
    WebstreamConfig {
        id: "relay".into(),
        url: urls[0].into(),
        fallback_urls: urls[1..].iter().map(|url| url.to_string()).collect(),
        ..WebstreamConfig::default()
    }
}

/// A web stream being listened to, and what has come of it.
pub struct Rig {
    pub start: Instant,
    pub link: Option<Link>,
    pub arrivals: Arrivals,
    /// What came that is no audio, and when.
    pub events: Vec<(Duration, Arrival)>,
    pub audio: Vec<u8>,
}

impl Rig {
    pub fn start(net: &SimNet, config: WebstreamConfig) -> Self {
        let (link, arrivals) = open_over(config, &Handle::current(), Arc::new(net.clone())).unwrap();
        Self { start: Instant::now(), link: Some(link), arrivals, events: Vec::new(), audio: Vec::new() }
    }

    pub fn link(&self) -> &Link {
        self.link.as_ref().unwrap()
    }

    pub fn take(&mut self) {
        while let Some(arrival) = self.arrivals.next() {
            match arrival {
                Arrival::Bytes(bytes) => self.audio.extend_from_slice(&bytes),
                other => self.events.push((self.start.elapsed(), other)),
            }
        }
    }

    /// Takes all that comes for a while.
    pub async fn run(&mut self, time: Duration) {
        let end = Instant::now() + time;
        while Instant::now() < end {
            sleep(TICK).await;
            self.take();
        }
    }

    /// Takes all that comes until something is so; returns how long that took.
    pub async fn until(&mut self, so: impl Fn(&Self) -> bool) -> Duration {
        let start = Instant::now();
        while !so(self) {
            assert!(start.elapsed() < 3600 * SECOND, "{:?} {:?}", self.events, self.link().status());
            self.run(TICK).await;
        }
        start.elapsed()
    }

    /// The URLs that began to play, by their indices, with the second they began at.
    pub fn began(&self) -> Vec<(u64, usize)> {
        let begins = |event: &(Duration, Arrival)| match event {
            (at, Arrival::Begins { url_index, .. }) => Some((at.as_secs(), *url_index)),
            _ => None,
        };
        self.events.iter().filter_map(begins).collect()
    }

    /// The number of the latest connection.
    pub fn connection(&self) -> u64 {
        let number = |event: &(Duration, Arrival)| match event {
            (_, Arrival::Begins { connection, .. }) => Some(*connection),
            _ => None,
        };
        self.events.iter().rev().find_map(number).unwrap()
    }

    pub fn titles(&self) -> Vec<String> {
        let title = |event: &(Duration, Arrival)| match event {
            (_, Arrival::Title(metadata)) => Some(metadata.one_line()),
            _ => None,
        };
        self.events.iter().filter_map(title).collect()
    }

    pub fn breaks(&self) -> Vec<String> {
        let why = |event: &(Duration, Arrival)| match event {
            (_, Arrival::Breaks { why }) => Some(why.clone()),
            _ => None,
        };
        self.events.iter().filter_map(why).collect()
    }
}

/// Length of a frame of MP3, 128 kbit/s at 48 kHz.
const FRAME: usize = 384;
const FRAME_HEAD: [u8; 4] = [0xFF, 0xFB, 0x94, 0];
/// What tells how to decode a frame: with zeros behind the head, that there is nothing in it.
const FRAME_START: usize = FRAME_HEAD.len() + 32;

/// The `n`th tenth of a second of a stream of 128 kbit/s: frames of silence, no two of which are alike.
pub fn tenth(n: usize) -> Vec<u8> {
    let byte = |at: usize| match at % FRAME {
        start @ 0..FRAME_START => FRAME_HEAD.get(start).copied().unwrap_or(0),
        _ => 0x80 | (at % 127) as u8,
    };
    (n * 1600..(n + 1) * 1600).map(byte).collect()
}

pub const AUDIO: &[u8] = b"ICY 200 OK\r\ncontent-type:audio/mpeg\r\nicy-name:Sim FM\r\nicy-br:128\r\n\r\n";

/// Sends a stream for so many tenths of a second.
pub async fn play(mut call: Call, head: &[u8], tenths: usize) {
    let _ = call.peer.write_all(head).await;
    for n in 0..tenths {
        if call.peer.write_all(&tenth(n)).await.is_err() {
            return;
        }
        sleep(SECOND / 10).await;
    }
}

pub async fn say(mut call: Call, answer: &[u8]) {
    let _ = call.peer.write_all(answer).await;
}

/// A server that answers every request so, and closes.
pub fn answers(net: &SimNet, place: &str, answer: impl Into<Vec<u8>>) {
    let answer = answer.into();
    net.serve(place, move |call| {
        let answer = answer.clone();
        async move { say(call, &answer).await }
    });
}

pub fn streams(net: &SimNet, place: &str) {
    net.serve(place, |call| play(call, AUDIO, usize::MAX));
}

/// What a server that answers so is said to be.
pub async fn refusal(answer: impl Into<Vec<u8>>) -> String {
    let net = SimNet::new();
    answers(&net, "h:80", answer);
    let mut rig = Rig::start(&net, config(&["http://u:s3cret@h/live?key=s3cret"]));
    rig.until(|rig| rig.link().status().failures == 1).await;
    assert!(rig.events.is_empty(), "{:?}", rig.events);
    let words = rig.link().status().last_error.unwrap();
    assert!(!words.contains("s3cret"), "{words}");
    words.strip_prefix("http://u:***@h/live?key=***: ").unwrap().to_owned()
}
