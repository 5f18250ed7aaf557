//! Web streams against scripted servers, in simulated time.

#![allow(clippy::unwrap_used)]

use std::sync::{Arc, Mutex};
use std::time::Duration;

use airchain_inputs::webstream::{Arrival, Arrivals, Link, LinkState, WebstreamConfig, open_over};
use testkit::network::{Call, SimNet, WINDOW};
use tokio::io::AsyncWriteExt;
use tokio::runtime::Handle;
use tokio::time::{Instant, sleep};

const SECOND: Duration = Duration::from_secs(1);
/// How often the tests look; how exact their times are.
const TICK: Duration = Duration::from_millis(10);

fn config(urls: &[&str]) -> WebstreamConfig {
    WebstreamConfig {
        id: "relay".into(),
        url: urls[0].into(),
        fallback_urls: urls[1..].iter().map(|url| url.to_string()).collect(),
        ..WebstreamConfig::default()
    }
}

/// A web stream being listened to, and what has come of it.
struct Rig {
    start: Instant,
    link: Option<Link>,
    arrivals: Arrivals,
    /// What came that is no audio, and when.
    events: Vec<(Duration, Arrival)>,
    audio: Vec<u8>,
}

impl Rig {
    fn start(net: &SimNet, config: WebstreamConfig) -> Self {
        let (link, arrivals) = open_over(config, &Handle::current(), Arc::new(net.clone())).unwrap();
        Self { start: Instant::now(), link: Some(link), arrivals, events: Vec::new(), audio: Vec::new() }
    }

    fn link(&self) -> &Link {
        self.link.as_ref().unwrap()
    }

    fn take(&mut self) {
        while let Some(arrival) = self.arrivals.next() {
            match arrival {
                Arrival::Bytes(bytes) => self.audio.extend_from_slice(&bytes),
                other => self.events.push((self.start.elapsed(), other)),
            }
        }
    }

    /// Takes all that comes for a while.
    async fn run(&mut self, time: Duration) {
        let end = Instant::now() + time;
        while Instant::now() < end {
            sleep(TICK).await;
            self.take();
        }
    }

    /// Takes all that comes until something is so; returns how long that took.
    async fn until(&mut self, so: impl Fn(&Self) -> bool) -> Duration {
        let start = Instant::now();
        while !so(self) {
            assert!(start.elapsed() < 3600 * SECOND, "{:?} {:?}", self.events, self.link().status());
            self.run(TICK).await;
        }
        start.elapsed()
    }

    /// The URLs that began to play, by their indices, with the second they began at.
    fn began(&self) -> Vec<(u64, usize)> {
        let begins = |event: &(Duration, Arrival)| match event {
            (at, Arrival::Begins { url_index, .. }) => Some((at.as_secs(), *url_index)),
            _ => None,
        };
        self.events.iter().filter_map(begins).collect()
    }

    fn titles(&self) -> Vec<String> {
        let title = |event: &(Duration, Arrival)| match event {
            (_, Arrival::Title(metadata)) => Some(metadata.one_line()),
            _ => None,
        };
        self.events.iter().filter_map(title).collect()
    }

    fn breaks(&self) -> Vec<String> {
        let why = |event: &(Duration, Arrival)| match event {
            (_, Arrival::Breaks { why }) => Some(why.clone()),
            _ => None,
        };
        self.events.iter().filter_map(why).collect()
    }
}

/// The `n`th tenth of a second of a stream of 128 kbit/s.
fn tenth(n: usize) -> Vec<u8> {
    (0..1600).map(|at| 0x80 | ((n * 1600 + at) % 127) as u8).collect()
}

const AUDIO: &[u8] = b"ICY 200 OK\r\ncontent-type:audio/mpeg\r\nicy-name:Sim FM\r\nicy-br:128\r\n\r\n";

/// Sends a stream for so many tenths of a second.
async fn play(mut call: Call, head: &[u8], tenths: usize) {
    let _ = call.peer.write_all(head).await;
    for n in 0..tenths {
        if call.peer.write_all(&tenth(n)).await.is_err() {
            return;
        }
        sleep(SECOND / 10).await;
    }
}

async fn say(mut call: Call, answer: &[u8]) {
    let _ = call.peer.write_all(answer).await;
}

/// A server that answers every request so, and closes.
fn answers(net: &SimNet, place: &str, answer: impl Into<Vec<u8>>) {
    let answer = answer.into();
    net.serve(place, move |call| {
        let answer = answer.clone();
        async move { say(call, &answer).await }
    });
}

fn streams(net: &SimNet, place: &str) {
    net.serve(place, |call| play(call, AUDIO, usize::MAX));
}

#[tokio::test(start_paused = true)]
async fn a_station_plays_and_says_who_it_is() {
    let net = SimNet::new();
    streams(&net, "radio.example:8000");
    let mut rig = Rig::start(&net, config(&["http://dj:s3cret@radio.example:8000/live?token=s3cret"]));
    rig.run(10 * SECOND).await;
    let expected: Vec<u8> = (0..100).flat_map(tenth).collect();
    assert!(rig.audio.len() >= 158_400 && expected.starts_with(&rig.audio[..158_400]));
    let [(_, Arrival::Begins { content_type, station, url_index: 0 })] = &rig.events[..] else {
        panic!("{:?}", rig.events)
    };
    assert_eq!((content_type.as_deref(), station.name.as_deref()), (Some("audio/mpeg"), Some("Sim FM")));
    let status = rig.link().status();
    assert_eq!((status.state, status.connects, status.failures), (LinkState::Streaming, 1, 0));
    assert_eq!((status.bytes, status.station.bitrate_kbps), (rig.audio.len() as u64, Some(128)));
    assert_eq!(status.url, "http://dj:***@radio.example:8000/live?token=***");
    let json = serde_json::to_value(&status).unwrap();
    assert_eq!((&json["state"], &json["station"]["name"]), (&"streaming".into(), &"Sim FM".into()));
    let head = &net.heads("radio.example:8000")[0];
    assert!(head.starts_with("GET /live?token=s3cret HTTP/1.1\r\n"), "{head}");
    assert!(head.contains("\r\nAuthorization: Basic ZGo6czNjcmV0\r\n"), "{head}");
    assert!(head.contains("\r\nUser-Agent: airchain/") && head.contains("\r\nIcy-MetaData: 1\r\n"), "{head}");
}

#[tokio::test(start_paused = true)]
async fn titles_come_at_their_bytes() {
    let net = SimNet::new();
    net.serve("h:80", |mut call: Call| async move {
        let head = b"HTTP/1.0 200 OK\r\nContent-Type: audio/mpeg\r\nicy-metaint: 1600\r\n\r\n";
        call.peer.write_all(head).await.unwrap();
        let titles = ["", "One - It's; 'first'", "One - It's; 'first'", "", "{\"title\":\"a - b\"}"];
        for n in 0.. {
            let text = titles.get(n).map(|title| format!("StreamTitle='{title}';")).unwrap_or_default();
            let mut block = vec![text.len().div_ceil(16) as u8];
            block.extend_from_slice(text.as_bytes());
            block.resize(1 + text.len().div_ceil(16) * 16, 0);
            let sent = [tenth(n), block].concat();
            if call.peer.write_all(&sent).await.is_err() {
                return;
            }
            sleep(SECOND / 10).await;
        }
    });
    let (link, mut arrivals) = open_over(config(&["http://h/"]), &Handle::current(), Arc::new(net)).unwrap();
    sleep(SECOND).await;
    let (mut bytes, mut titles) = (0, Vec::new());
    while let Some(arrival) = arrivals.next() {
        match arrival {
            Arrival::Bytes(audio) => bytes += audio.len(),
            Arrival::Title(metadata) => titles.push((bytes / 1600, bytes % 1600, metadata.one_line())),
            _ => {}
        }
    }
    let expected = [(1, ""), (2, "One - It's; 'first'"), (4, ""), (5, "{\"title\":\"a - b\"}")];
    let expected: Vec<_> = expected.iter().map(|(at, title)| (*at, 0, title.to_string())).collect();
    assert_eq!(titles, expected);
    assert_eq!(link.status().title.as_deref(), Some("{\"title\":\"a - b\"}"));
}

#[tokio::test(start_paused = true)]
async fn a_stream_out_of_step_is_made_anew() {
    let net = SimNet::new();
    net.serve("h:80", |call| async move {
        // The blocks it announces are not there.
        let head = b"ICY 200 OK\r\nContent-Type: audio/mpeg\r\nicy-metaint: 5000\r\n\r\n";
        play(call, head, 100).await;
    });
    let mut rig = Rig::start(&net, config(&["http://h/"]));
    rig.until(|rig| !rig.breaks().is_empty()).await;
    let expected = "http://h/: titles that are no text came: the stream is out of step with its icy-metaint of 5000; \
                    check the server or the relay";
    assert_eq!(rig.breaks()[0], expected);
    rig.until(|rig| rig.began().len() == 2).await;
}

#[tokio::test(start_paused = true)]
async fn redirects_are_followed_with_credentials_for_their_own_server_only() {
    let net = SimNet::new();
    answers(&net, "a:80", "HTTP/1.1 302 Found\r\nLocation: /x/live\r\n\r\n");
    net.serve("a:443", |call| say(call, b"HTTP/1.1 308 P\r\nLocation: http://b:8000/y\r\n\r\n"));
    net.serve("a:80", |call| async move {
        match call.number {
            0 => say(call, b"HTTP/1.1 301 Moved\r\nLocation: /x/live\r\nContent-Length: 0\r\n\r\n").await,
            _ => say(call, b"HTTP/1.1 307 T\r\nLocation: https://a/z\r\n\r\n").await,
        }
    });
    streams(&net, "b:8000");
    let mut rig = Rig::start(&net, config(&["http://dj:pw@a/live"]));
    rig.until(|rig| !rig.audio.is_empty()).await;
    let first =
        |place| net.heads(place).iter().map(|h| h.lines().next().unwrap().to_owned()).collect::<Vec<_>>();
    assert_eq!(first("a:80"), ["GET /live HTTP/1.1", "GET /x/live HTTP/1.1"]);
    assert_eq!(first("a:443"), ["GET /z HTTP/1.1"]);
    assert!(net.heads("a:443")[0].contains("Authorization"));
    assert!(!net.heads("b:8000")[0].contains("Authorization"));
    assert_eq!(rig.link().status().url, "http://dj:***@a/live", "as configured, it is asked for again");
}

/// What a server that answers so is said to be.
async fn refusal(answer: impl Into<Vec<u8>>) -> String {
    let net = SimNet::new();
    answers(&net, "h:80", answer);
    let mut rig = Rig::start(&net, config(&["http://u:s3cret@h/live?key=s3cret"]));
    rig.until(|rig| rig.link().status().failures == 1).await;
    assert!(rig.events.is_empty(), "{:?}", rig.events);
    let words = rig.link().status().last_error.unwrap();
    assert!(!words.contains("s3cret"), "{words}");
    words.strip_prefix("http://u:***@h/live?key=***: ").unwrap().to_owned()
}

#[tokio::test(start_paused = true)]
async fn what_is_wrong_is_told_in_words() {
    for (answer, words) in [
        (
            "HTTP/1.0 401 Authentication Required\r\n\r\n",
            "wrong user or password; correct them in the url (401",
        ),
        ("HTTP/1.1 403 Forbidden\r\n\r\n", "it admits no listener from here"),
        ("HTTP/1.0 404 File Not Found\r\n\r\n", "no such mount; check the path of the url"),
        ("HTTP/1.1 503 Busy\r\n\r\n", "it is busy or the station is off air"),
        ("HTTP/1.1 302 Found\r\n\r\n", "redirected without saying where to"),
        (
            "HTTP/1.1 302 Found\r\nLocation: live?key=s3cret\r\n\r\n",
            "redirected in a loop: http://u:***@h/live?key=***",
        ),
        ("HTTP/1.1 302 Found\r\nLocation: mms://u:s3cret@x/\r\n\r\n", "redirected to mms://u:***@x/, which"),
        ("HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n<p>Hello", "a web page (text/html), not audio"),
        ("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n{}", "not audio but \"application/json\""),
        ("HTTP/1.1 200 OK\r\nContent-Type: audio/mpeg\r\n\r\n", "the server ended the stream"),
        (
            "HTTP/1.1 200 OK\r\nContent-Type: audio/x-scpls\r\n\r\n[playlist]\r\n",
            "a playlist with nothing in it",
        ),
        (
            "HTTP/1.1 200 OK\r\nContent-Type: audio/x-mpegurl\r\n\r\nlive?key=s3cret\n",
            "playlists that name playlists",
        ),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n", "damaged chunks"),
        ("SSH-2.0-OpenSSH\r\n", "not a streaming server: it said \"SSH-2.0-OpenSSH\""),
        ("", "the server closed the connection without an answer"),
        ("HTTP/1.1 200", "the server's answer is damaged (it is cut off)"),
    ] {
        let told = refusal(answer).await;
        assert!(told.starts_with(words), "{answer:?}: {told}");
    }
    let list = format!("HTTP/1.1 200 OK\r\nContent-Type: audio/x-mpegurl\r\n\r\n{}", "#x\n".repeat(30_000));
    assert!(refusal(list).await.starts_with("a playlist longer than 64 KiB"));
    let line = format!("HTTP/1.1 200 OK\r\nX: {}\r\n\r\n", "x".repeat(1 << 20));
    assert!(refusal(line).await.contains("longer than 32 KiB"));
    let lines = format!("HTTP/1.1 200 OK\r\n{}", "X: y\r\n".repeat(100_000));
    assert!(refusal(lines).await.contains("longer than 32 KiB"));
}

#[tokio::test(start_paused = true)]
async fn servers_that_say_nothing_are_left_in_time() {
    let net = SimNet::new();
    let mut rig = Rig::start(&net, config(&["http://nowhere/"]));
    rig.until(|rig| rig.link().status().failures == 1).await;
    assert!(rig.link().status().last_error.unwrap().contains("host name is not known"));

    net.silence("hole:80");
    let mut rig = Rig::start(&net, config(&["http://hole/"]));
    let took = rig.until(|rig| rig.link().status().failures == 1).await;
    assert!((10.0..10.1).contains(&took.as_secs_f64()), "{took:?}");
    assert!(rig.link().status().last_error.unwrap().contains("not connected within 10s"));

    // Neither silence nor a head that drips keeps it from going on.
    net.serve("mute:80", |mut call: Call| async move {
        while call.number == 1 && call.peer.write_all(b"HTTP/"[..1].as_ref()).await.is_ok() {
            sleep(SECOND).await;
        }
        std::future::pending::<()>().await;
    });
    let mut rig = Rig::start(&net, config(&["http://mute/"]));
    let took = rig.until(|rig| rig.link().status().failures == 1).await;
    assert!((10.0..10.1).contains(&took.as_secs_f64()), "{took:?}");
    assert!(rig.link().status().last_error.unwrap().contains("no answer to the request within 10s"));
}

#[tokio::test(start_paused = true)]
async fn redirects_without_end_end() {
    let net = SimNet::new();
    net.serve("h:80", |call| async move {
        let answer = format!("HTTP/1.1 302 Found\r\nLocation: /{}\r\n\r\n", call.number);
        say(call, answer.as_bytes()).await;
    });
    let mut rig = Rig::start(&net, config(&["http://h/"]));
    rig.until(|rig| rig.link().status().failures == 1).await;
    assert!(rig.link().status().last_error.unwrap().contains("redirected more than 10 times"));
    assert_eq!(net.heads("h:80").len(), 11);
}

#[tokio::test(start_paused = true)]
async fn entries_of_playlists_are_tried_in_order() {
    let net = SimNet::new();
    let list = |kind: &str, text: &str| format!("HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\n\r\n{text}");
    answers(
        &net,
        "list:80",
        list("audio/x-mpegurl", "#EXTM3U\nhttp://gone/\nrtsp://no/\nicy://inner/a.pls\nhttp://good/\n"),
    );
    answers(&net, "inner:80", list("text/plain", "[playlist]\nFile1=/b.xspf\nFile2=http://list/\n"));
    net.serve("inner:80", move |call| {
        let first = call.head.starts_with("GET /a.pls");
        let answer = match first {
            true => list("text/plain", "[playlist]\nFile1=/b.xspf\nFile2=http://list/\n"),
            false => list(
                "application/xspf+xml",
                "<playlist><track><location>http://broken/</location></track></playlist>",
            ),
        };
        async move { say(call, answer.as_bytes()).await }
    });
    net.refuse("broken:80");
    streams(&net, "good:80");
    let mut rig = Rig::start(&net, config(&["http://list/"]));
    let took = rig.until(|rig| !rig.audio.is_empty()).await;
    assert!(took < SECOND, "no pause between them: {took:?}");
    let places: Vec<String> = net.dials().into_iter().map(|(_, place)| place).collect();
    assert_eq!(places, ["list:80", "gone:80", "inner:80", "inner:80", "broken:80", "good:80"]);
    assert_eq!(rig.began(), [(0, 0)]);
    assert_eq!(rig.link().status().url, "http://good/");
}

#[tokio::test(start_paused = true)]
async fn chunks_and_lengths_are_taken_off() {
    let net = SimNet::new();
    net.serve("h:80", |mut call: Call| async move {
        let head = b"HTTP/1.1 200 OK\r\nContent-Type: audio/aac\r\nTransfer-Encoding: chunked\r\n\r\n";
        call.peer.write_all(head).await.unwrap();
        for n in 0..20 {
            call.peer.write_all(b"640;x=y\r\n").await.unwrap();
            call.peer.write_all(&tenth(n)).await.unwrap();
            call.peer.write_all(b"\r\n").await.unwrap();
            sleep(SECOND / 10).await;
        }
        call.peer.write_all(b"0\r\n\r\n").await.unwrap();
    });
    let finite = WebstreamConfig { finite: true, ..config(&["http://h/"]) };
    let mut rig = Rig::start(&net, finite);
    rig.until(|rig| rig.events.iter().any(|(_, event)| *event == Arrival::End)).await;
    assert_eq!(rig.audio, (0..20).flat_map(tenth).collect::<Vec<u8>>());
    assert_eq!((rig.breaks(), rig.link().status().state), (vec![], LinkState::Ended));
    rig.run(100 * SECOND).await;
    assert_eq!(net.dials().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_body_that_ends_is_asked_for_again() {
    let net = SimNet::new();
    let head = b"HTTP/1.1 200 OK\r\nContent-Type: audio/mpeg\r\nContent-Length: 240000\r\n\r\n";
    net.serve("h:80", move |call| play(call, head, 200));
    let mut rig = Rig::start(&net, config(&["http://h/"]));
    rig.until(|rig| rig.began().len() == 2).await;
    assert_eq!(rig.breaks(), ["http://h/: the server ended the stream; check that the station is on air"]);
    assert_eq!(rig.began(), [(0, 0), (14, 0)], "at once");
    // Cut off before its length, it is a failure even where an end is one.
    net.serve("h:80", move |call| play(call, head, 20));
    let mut rig = Rig::start(&net, WebstreamConfig { finite: true, ..config(&["http://h/"]) });
    rig.until(|rig| rig.began().len() == 2).await;
    assert!(rig.breaks()[0].contains("ended before the answer was whole"), "{:?}", rig.breaks());
}

#[tokio::test(start_paused = true)]
async fn a_stall_is_left_after_its_time() {
    for (drips, words) in [(false, "nothing to listen to came within 5s"), (true, "too little came")] {
        let net = SimNet::new();
        net.serve("h:80", move |mut call: Call| async move {
            call.peer.write_all(AUDIO).await.unwrap();
            call.peer.write_all(&tenth(0)).await.unwrap();
            while drips && call.peer.write_all(&[1]).await.is_ok() {
                sleep(SECOND).await;
            }
            std::future::pending::<()>().await;
        });
        let mut rig = Rig::start(&net, config(&["http://h/"]));
        rig.run(4 * SECOND).await;
        let expected = if drips { LinkState::Streaming } else { LinkState::Stalled };
        assert_eq!(rig.link().status().state, expected);
        let took = rig.until(|rig| !rig.breaks().is_empty()).await + 4 * SECOND;
        assert!((5.0..5.1).contains(&took.as_secs_f64()), "{took:?}");
        assert!(rig.breaks()[0].contains(words), "{:?}", rig.breaks());
    }
}

/// The station goes away for `gap`; returns how long after it is back it is heard again.
async fn flap(gap: Duration, refuses: bool) -> Duration {
    let net = SimNet::new();
    net.serve("h:80", |call| play(call, AUDIO, 300));
    let mut rig = Rig::start(&net, config(&["http://h/"]));
    rig.run(29 * SECOND).await;
    match refuses {
        true => net.refuse("h:80"),
        false => answers(&net, "h:80", "HTTP/1.0 404 Not Found\r\n\r\n"),
    }
    rig.until(|rig| !rig.breaks().is_empty()).await;
    rig.run(gap).await;
    let tries = net.dials().len() as u64 - 1;
    streams(&net, "h:80");
    let late = rig.until(|rig| rig.began().len() == 2).await;
    assert_eq!(rig.breaks().len(), 1, "one outage breaks once");
    assert_eq!(rig.link().status().failures, 1 + tries);
    assert!(tries <= 4 + gap.as_secs() / 10, "{tries} tries in {gap:?}");
    late
}

#[tokio::test(start_paused = true)]
async fn it_comes_back_after_4_and_40_seconds() {
    for refuses in [true, false] {
        let late = flap(4 * SECOND, refuses).await;
        assert!(late <= 4 * SECOND, "{late:?} after a gap of 4 s");
        let late = flap(40 * SECOND, refuses).await;
        assert!(late <= 15 * SECOND, "{late:?} after a gap of 40 s");
    }
}

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl std::io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[tokio::test(start_paused = true)]
async fn an_outage_is_logged_once_by_the_name_of_the_input() {
    let log = Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt().with_ansi(false).with_writer(move || writer.clone()).finish();
    // The runtime of this test has this thread alone.
    let _guard = tracing::subscriber::set_default(subscriber);
    flap(40 * SECOND, true).await;
    let text = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    let lines: Vec<&str> = text.lines().filter(|line| line.contains("input=relay")).collect();
    let words =
        [(" INFO ", "http://h/ plays"), (" WARN ", "the server ended the stream"), (" INFO ", "s without")];
    assert_eq!(lines.len(), words.len(), "{text}");
    for (line, (level, words)) in lines.iter().zip(words) {
        assert!(line.contains(level) && line.contains(words), "{line}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_broken_connection_is_made_again_at_once() {
    let net = SimNet::new();
    net.serve("h:80", |call| play(call, AUDIO, 200));
    let mut rig = Rig::start(&net, config(&["http://h/"]));
    rig.until(|rig| rig.began().len() == 3).await;
    assert_eq!(rig.began(), [(0, 0), (20, 0), (40, 0)]);
    // One that never holds is tried less and less often.
    net.serve("h:80", |call| play(call, AUDIO, 10));
    rig.until(|rig| rig.began().len() == 4).await;
    let (before, tries) = (rig.start.elapsed(), net.dials().len());
    rig.run(600 * SECOND).await;
    let tries = net.dials().len() - tries;
    assert!((35..=60).contains(&tries), "{tries} tries since {before:?}");
}

#[tokio::test(start_paused = true)]
async fn a_fallback_plays_until_the_first_is_well() {
    let net = SimNet::new();
    net.serve("first:80", |call| play(call, AUDIO, 200));
    streams(&net, "second:80");
    let mut rig = Rig::start(&net, config(&["http://first/", "http://second/"]));
    rig.run(19 * SECOND).await;
    net.refuse("first:80");
    rig.until(|rig| rig.began().len() == 2).await;
    assert_eq!(rig.began(), [(0, 0), (20, 1)], "without a pause");
    // Connected without audio is not well; the fallback plays on.
    net.serve("first:80", |mut call: Call| async move {
        let _ = call.peer.write_all(AUDIO).await;
        std::future::pending::<()>().await;
    });
    rig.run(120 * SECOND).await;
    assert_eq!((rig.began().len(), rig.breaks().len()), (2, 1));
    let trials = net.dials().iter().filter(|(at, place)| at.as_secs() > 20 && place == "first:80").count();
    assert!((3..=4).contains(&trials), "about every 30 s: {trials}");
    let heard = rig.audio.len();
    streams(&net, "first:80");
    let late = rig.until(|rig| rig.began().len() == 3).await;
    assert!(late < 36 * SECOND, "{late:?}");
    // The fallback is heard up to the moment when the first is.
    let fallback = (rig.audio.len() - heard) as f64 / 16_000.0;
    assert!((fallback - late.as_secs_f64()).abs() < 1.0, "{fallback} s of audio in {late:?}");
    assert_eq!(rig.breaks()[1], "http://first/ is back");
    assert_eq!(rig.link().status().url_index, 0);
    rig.run(60 * SECOND).await;
    assert_eq!(rig.began().len(), 3);
}

#[tokio::test(start_paused = true)]
async fn who_moves_on_gets_the_next() {
    let net = SimNet::new();
    streams(&net, "first:80");
    streams(&net, "second:80");
    let mut rig = Rig::start(&net, config(&["http://first/", "http://second/"]));
    rig.run(SECOND).await;
    rig.link().move_on();
    let took = rig.until(|rig| rig.began().len() == 2).await;
    assert!(took < SECOND / 2, "{took:?}");
    assert_eq!(rig.began()[1].1, 1);
    assert_eq!(rig.breaks(), ["http://first/: given up: nothing usable came from it"]);
    // Each time it is given up, the first is tried again later.
    rig.run(35 * SECOND).await;
    assert_eq!(rig.began().last(), Some(&(31, 0)));
    rig.link().move_on();
    rig.run(55 * SECOND).await;
    assert_eq!(rig.began().len(), 4);
    rig.run(10 * SECOND).await;
    let [.., (_, 1), (again, 0)] = rig.began()[..] else { panic!("{:?}", rig.began()) };
    assert!((96..=98).contains(&again), "{again}");
    // It works while nothing comes as well.
    let mut rig = Rig::start(&net, config(&["http://hole/", "http://second/"]));
    net.silence("hole:80");
    rig.run(SECOND).await;
    rig.link().move_on();
    rig.until(|rig| rig.began() == [(1, 1)]).await;
}

#[tokio::test(start_paused = true)]
async fn who_takes_nothing_holds_up_the_server() {
    let net = SimNet::new();
    let sent = Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let count = sent.clone();
    net.serve("h:80", move |mut call: Call| {
        let count = count.clone();
        async move {
            call.peer.write_all(AUDIO).await.unwrap();
            while call.peer.write_all(&tenth(0)).await.is_ok() {
                count.fetch_add(1600, std::sync::atomic::Ordering::SeqCst);
            }
        }
    });
    let capacity = 64 * 1024;
    let config = WebstreamConfig { capacity_bytes: capacity, ..config(&["http://h/"]) };
    let (link, mut arrivals) = open_over(config, &Handle::current(), Arc::new(net.clone())).unwrap();
    sleep(600 * SECOND).await;
    let sent_bytes = sent.load(std::sync::atomic::Ordering::SeqCst);
    assert!(arrivals.bytes() <= capacity && arrivals.bytes() > capacity / 2, "{}", arrivals.bytes());
    assert!(sent_bytes <= capacity + WINDOW + 3 * 4096, "{sent_bytes} sent to a full queue");
    let status = link.status();
    assert_eq!((status.state, status.failures), (LinkState::Streaming, 0), "that is no stall");
    // With room it goes on where it was.
    let mut got = 0;
    while got < 1 << 20 {
        match arrivals.next() {
            Some(Arrival::Bytes(bytes)) => got += bytes.len(),
            Some(other) => assert!(matches!(other, Arrival::Begins { .. }), "{other:?}"),
            None => sleep(TICK).await,
        }
    }
    assert_eq!(link.status().connects, 1);
}

#[tokio::test(start_paused = true)]
async fn it_ends_when_either_side_is_dropped() {
    let net = SimNet::new();
    let (closed, mut closes) = tokio::sync::mpsc::unbounded_channel();
    net.serve("h:80", move |call| {
        let closed = closed.clone();
        async move {
            play(call, AUDIO, usize::MAX).await;
            closed.send(()).unwrap();
        }
    });
    let mut rig = Rig::start(&net, config(&["http://h/"]));
    rig.run(SECOND).await;
    rig.link = None;
    closes.recv().await.unwrap();
    rig.run(SECOND).await;
    assert_eq!(rig.events.last().map(|(_, event)| event.clone()), Some(Arrival::End));

    let mut rig = Rig::start(&net, config(&["http://h/"]));
    rig.run(SECOND).await;
    let link = rig.link.take().unwrap();
    drop(rig);
    closes.recv().await.unwrap();
    assert_eq!(link.status().state, LinkState::Ended);
}

#[tokio::test(start_paused = true)]
async fn titles_begin_anew_with_each_connection() {
    let net = SimNet::new();
    net.serve("h:80", |mut call: Call| async move {
        let _ =
            call.peer.write_all(b"ICY 200 OK\r\ncontent-type: audio/mpeg\r\nicy-metaint: 1600\r\n\r\n").await;
        for n in 0..120 {
            let block = if n == 0 { &b"\x02StreamTitle='Same - Title';     "[..] } else { b"\0" };
            let _ = call.peer.write_all(&[&tenth(n)[..], block].concat()).await;
            sleep(SECOND / 10).await;
        }
    });
    let mut rig = Rig::start(&net, config(&["http://h/"]));
    rig.until(|rig| rig.titles().len() == 2).await;
    assert_eq!(rig.titles(), ["Same - Title", "Same - Title"]);
    assert_eq!(rig.began().len(), 2);
}

/// ADTS of a sine, and the segments of two seconds that ffmpeg makes of it in MPEG-TS.
fn segments() -> (Vec<u8>, Vec<Vec<u8>>) {
    let dir = tempfile::tempdir().unwrap();
    let ffmpeg = |arguments: &str| {
        let mut command = std::process::Command::new("ffmpeg");
        let made = command.current_dir(&dir).args(["-v", "error"]).args(arguments.split(' ')).status();
        assert!(made.expect("ffmpeg (Debian package ffmpeg) runs").success(), "ffmpeg {arguments}");
    };
    ffmpeg("-f lavfi -i sine=1000 -t 20 -c:a aac -b:a 96k all.aac");
    ffmpeg("-i all.aac -c copy -f hls -hls_time 2 -hls_list_size 0 -hls_segment_filename %d.ts all.m3u8");
    let read = |name: &str| std::fs::read(dir.path().join(name)).ok();
    (read("all.aac").unwrap(), (0..).map_while(|n| read(&format!("{n}.ts"))).collect())
}

/// The frames of a stream of ADTS.
fn frames(mut adts: &[u8]) -> Vec<&[u8]> {
    let mut frames = Vec::new();
    while let [_, _, _, high, middle, low, ..] = *adts {
        let length = usize::from(high & 3) << 11 | usize::from(middle) << 3 | usize::from(low) >> 5;
        let (frame, rest) = adts.split_at(length);
        frames.push(frame);
        adts = rest;
    }
    frames
}

/// A live playlist: every two seconds a segment more, of which the last five are listed, numbered from 100.
fn live(net: &SimNet, place: &str, segments: Vec<Vec<u8>>, missing: &'static [usize]) {
    let (start, segments) = (Instant::now(), Arc::new(segments));
    net.serve(place, move |call| {
        let segments = segments.clone();
        async move {
            let path = call.head.split(' ').nth(1).unwrap().to_owned();
            let ready = (5 + start.elapsed().as_secs() / 2) as usize;
            let last = ready.min(segments.len());
            let body = match path.trim_matches('/').split('.').next().unwrap().parse::<usize>() {
                Ok(number) if missing.contains(&number) => Vec::new(),
                Ok(number) => segments[number].clone(),
                Err(_) if path == "/main.m3u8" => {
                    b"#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=96000,CODECS=\"mp4a.40.2\"\nlist.m3u8\n".to_vec()
                }
                Err(_) => {
                    let first = last - 5;
                    let mut list =
                        format!("#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXT-X-MEDIA-SEQUENCE:{}\n", 100 + first);
                    (first..last).for_each(|n| list += &format!("#EXTINF:2,\n{n}.ts\n"));
                    list += if ready > segments.len() + 2 { "#EXT-X-ENDLIST\n" } else { "" };
                    list.into_bytes()
                }
            };
            let code = if body.is_empty() { "404 Not Found" } else { "200 OK" };
            let head = format!("HTTP/1.1 {code}\r\nContent-Length: {}\r\n\r\n", body.len());
            say(call, &[head.into_bytes(), body].concat()).await;
        }
    });
}

async fn heard(net: &SimNet) -> Rig {
    let finite = WebstreamConfig { finite: true, ..config(&["http://h/main.m3u8"]) };
    let mut rig = Rig::start(net, finite);
    rig.until(|rig| rig.events.iter().any(|(_, event)| *event == Arrival::End)).await;
    rig
}

#[tokio::test(start_paused = true)]
async fn an_hls_station_is_followed() {
    let (all, segments) = segments();
    let count = segments.len();
    assert!(count >= 9, "{count} segments");
    let net = SimNet::new();
    live(&net, "h:80", segments.clone(), &[]);
    let rig = heard(&net).await;
    // From the third segment before the end of the first list on, every byte of the codec's stream, once.
    assert!(
        rig.audio.len() > all.len() / 2 && all.ends_with(&rig.audio),
        "{} of {}",
        rig.audio.len(),
        all.len()
    );
    let [(_, Arrival::Begins { content_type, .. }), ..] = &rig.events[..] else { panic!("{:?}", rig.events) };
    assert_eq!(content_type.as_deref(), Some("audio/aac"));
    assert_eq!((rig.breaks(), rig.link().status().failures), (vec![], 0));
    let fetched: Vec<String> =
        net.heads("h:80").iter().filter(|head| head.contains(".ts")).cloned().collect();
    assert_eq!(fetched.len(), count - 2, "each once");

    // Packed audio, each segment with its tag, is the same.
    let tag = |size: u8| [&b"ID3\x04\0\0\0\0\0"[..], &[size], &vec![7; usize::from(size)]].concat();
    let packed = frames(&all).chunks(20).map(|part| [tag(73), part.concat()].concat()).collect();
    live(&net, "h:80", packed, &[]);
    let rig = heard(&net).await;
    assert!(
        rig.audio.len() > all.len() / 2 && all.ends_with(&rig.audio),
        "{} of {}",
        rig.audio.len(),
        all.len()
    );

    // A segment that is missing leaves a gap and nothing else.
    let whole = rig.audio.len();
    live(&net, "h:80", segments, &[4]);
    let rig = heard(&net).await;
    assert!(rig.audio.len() < whole && rig.audio.len() > whole / 2);
    assert_eq!((rig.breaks().len(), rig.began().len()), (0, 1));
}

#[tokio::test(start_paused = true)]
async fn an_hls_station_that_stands_still_is_left() {
    let (_, segments) = segments();
    let net = SimNet::new();
    let list = b"HTTP/1.1 200 OK\r\n\r\n#EXTM3U\n#EXT-X-TARGETDURATION:2\n1.ts\n2.ts\n";
    net.serve("h:80", move |call| {
        let segment = [b"HTTP/1.1 200 OK\r\n\r\n", &segments[0][..]].concat();
        let is_list = call.head.starts_with("GET /live.m3u8");
        async move { say(call, if is_list { list } else { &segment }).await }
    });
    let mut rig = Rig::start(&net, config(&["http://h/live.m3u8"]));
    let took = rig.until(|rig| rig.breaks().len() == 1).await;
    assert!((11.0..13.0).contains(&took.as_secs_f64()), "three segments and the time of a stall: {took:?}");
    assert!(rig.breaks()[0].contains("silent"), "{:?}", rig.breaks());
    assert!(
        refusal("HTTP/1.1 200 OK\r\n\r\n#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXT-X-MAP:URI=\"i\"\nx.m4s\n")
            .await
            .starts_with("an HLS playlist with segments of MP4, which is not listened to")
    );
}
