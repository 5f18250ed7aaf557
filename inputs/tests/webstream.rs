//! What web streams make of what servers say, in simulated time.

#![allow(clippy::unwrap_used)]

mod webstream_rig;

use std::sync::Arc;

use airchain_inputs::webstream::{Arrival, LinkState, WebstreamConfig, open_over};
use testkit::network::{Call, SimNet, WINDOW};
use tokio::io::AsyncWriteExt;
use tokio::runtime::Handle;
use tokio::time::sleep;
use webstream_rig::{AUDIO, Rig, SECOND, TICK, answers, config, play, refusal, say, streams, tenth};

#[tokio::test(start_paused = true)]
async fn a_station_plays_and_says_who_it_is() {
    let net = SimNet::new();
    streams(&net, "radio.example:8000");
    let mut rig = Rig::start(&net, config(&["http://dj:s3cret@radio.example:8000/live?token=s3cret"]));
    rig.run(10 * SECOND).await;
    let expected: Vec<u8> = (0..100).flat_map(tenth).collect();
    assert!(rig.audio.len() >= 158_400 && expected.starts_with(&rig.audio[..158_400]));
    let [(_, Arrival::Begins { connection: 1, content_type, station, url_index: 0 })] = &rig.events[..]
    else {
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
async fn redirects_are_followed_with_credentials_for_their_own_server_only() {
    let net = SimNet::new();
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
