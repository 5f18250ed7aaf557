//! What the HTTP listener serves beside mounts: the page, its data, directories; and its limits.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod http_common;

use std::os::unix::fs::symlink;
use std::time::Duration;

use airchain_codecs::{Bitrate, Codec};
use airchain_outputs::http::{ListenError, Listener, MountError, MountOptions, MountOutput, Options};
use airchain_outputs::sink::{Output, Sink};
use http_common::*;
use serde_json::{Value, json};
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;

async fn json_of(listener: &Listener, path: &str) -> Value {
    let reply = get(listener, path, "").await;
    assert_eq!((reply.status, reply.header("cache-control")), (200, Some("no-cache, no-store")));
    serde_json::from_slice(&reply.body().await).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_page_asks_nobody_else() {
    let listener = listen(Options::default());
    let reply = get(&listener, "/", "").await;
    assert_eq!((reply.status, reply.header("content-type")), (200, Some("text/html; charset=utf-8")));
    assert!(reply.header("content-security-policy").unwrap().starts_with("default-src 'none';"));
    let page = String::from_utf8(reply.body().await).unwrap();
    let elsewhere = page.replace("http://www.w3.org/2000/svg", "");
    for word in ["http:", "https:", "src=\"", "@import", "url("] {
        assert!(!elsewhere.contains(word), "{word}");
    }
    for way_in in ["innerHTML", "outerHTML", "insertAdjacent", "document.write", "eval("] {
        assert!(!page.contains(way_in), "{way_in}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_state_reaches_clients() {
    let listener = listen(Options::default());
    let state = listener.state();
    let nasty = "</script>\n\ndata: x\r\n";
    state.set_snapshot(json!({ "station": { "name": nasty }, "mounts": "ours" }));
    let mut mount = listener.mount("/live.mp3", meta()).unwrap();
    let _sink = open(&mut mount).await;
    let _hls = listener.serve_dir("/hls/", "/nowhere".as_ref(), Some("index.m3u8"), false, None).unwrap();
    let _listening = get(&listener, "/live.mp3", "").await;

    let snapshot = json_of(&listener, "/status.json").await;
    assert_eq!(snapshot["station"]["name"], nasty);
    assert_eq!(snapshot["hls"], json!([{ "path": "/hls/index.m3u8" }]));
    let mount = &snapshot["mounts"][0];
    assert_eq!((&mount["path"], &mount["mime"]), (&json!("/live.mp3"), &json!("audio/mpeg")));
    assert_eq!((&mount["listeners"], &mount["up"]), (&json!(1), &json!(true)));
    assert_eq!(mount["format"], "MP3 128 kbit/s, 44.1 kHz stereo");

    let mut events = get(&listener, "/events", "").await;
    assert_eq!(events.header("content-type"), Some("text/event-stream"));
    let mut heard = String::new();
    while !heard.contains("event: snapshot") {
        heard.push_str(&String::from_utf8(events.some().await.unwrap()).unwrap());
    }
    state.publish("now_playing", json!({ "title": nasty }));
    let expected = format!("event: now_playing\ndata: {}\n\n", json!({ "title": nasty }));
    while !heard.contains(&expected) {
        let more = events.some().await.unwrap();
        assert!(!more.is_empty(), "{heard}");
        heard.push_str(&String::from_utf8(more).unwrap());
    }
    assert!(!heard.contains("\ndata: x"), "{heard}");
    listener.shutdown();
    while !events.some().await.unwrap().is_empty() {}
}

#[tokio::test(flavor = "multi_thread")]
async fn statistics_have_icecasts_shape() {
    let listener = listen(Options::default());
    assert_eq!(json_of(&listener, "/status-json.xsl").await["icestats"].get("source"), None);
    let mut one = listener.mount("/live.mp3", meta()).unwrap();
    let mut sink = open(&mut one).await;
    let _listening = get(&listener, "/live.mp3", "").await;
    sink.title(0, &title("A \"b\" <c>")).await.unwrap();
    feed(&mut sink, &mp3(1)).await;
    let stats = json_of(&listener, "/status-json.xsl?mount=/live.mp3").await;
    let source = &stats["icestats"]["source"];
    assert_eq!(source["listenurl"], "http://x/live.mp3");
    assert_eq!((&source["listeners"], &source["bitrate"]), (&json!(1), &json!(128)));
    assert_eq!((&source["title"], &source["server_type"]), (&json!("A \"b\" <c>"), &json!("audio/mpeg")));
    assert_eq!(source["server_name"], "WGMR FM");

    let mut two = listener.mount("/two.aac", meta()).unwrap();
    let config = bytes::Bytes::from_static(&[0x12, 0x10]);
    let _sink = two.open(&opening(Codec::AacLc, Bitrate::Cbr(96), vec![config])).await.unwrap();
    let stats = json_of(&listener, "/status-json.xsl").await;
    assert_eq!(stats["icestats"]["source"].as_array().unwrap().len(), 2);
    for (query, url) in
        [("mount=/two.aac", "http://x/two.aac"), ("mount=%2Flive%2Emp3&x", "http://x/live.mp3")]
    {
        let stats = json_of(&listener, &format!("/status-json.xsl?{query}")).await;
        assert_eq!(stats["icestats"]["source"]["listenurl"], url, "{query}");
    }
    let stats = json_of(&listener, "/status-json.xsl?mount=/three.mp3").await;
    assert_eq!(stats["icestats"].get("source"), None);
    let liar = "GET /status-json.xsl HTTP/1.0\r\nHost: x/'\"<>\r\n\r\n";
    let body = request(&listener, liar).await.body().await;
    assert!(String::from_utf8(body).unwrap().contains(&format!("http://{}/", listener.local_addr())));
}

#[tokio::test(flavor = "multi_thread")]
async fn directories_serve_playlists_and_segments_only() {
    let root = tempfile::tempdir().unwrap();
    let outside = tempfile::tempdir().unwrap();
    let dir = root.path().join("hls");
    std::fs::create_dir_all(dir.join("low")).unwrap();
    let segment: Vec<u8> = (0..200_000u32).map(|n| (n % 251) as u8).collect();
    std::fs::write(dir.join("low/seg-1.ts"), &segment).unwrap();
    std::fs::write(dir.join("live.m3u8"), "#EXTM3U\n").unwrap();
    for hidden in ["hls/.live.m3u8", "secret.ts", "hls/state.json", "hls/live.m3u8.tmp"] {
        std::fs::write(root.path().join(hidden), "secret").unwrap();
    }
    std::fs::write(outside.path().join("x.ts"), "secret").unwrap();
    symlink(outside.path().join("x.ts"), dir.join("link.ts")).unwrap();
    symlink(outside.path(), dir.join("out")).unwrap();
    symlink(dir.join("low/seg-1.ts"), dir.join("inside.ts")).unwrap();
    let listener = listen(Options::default());
    let _served = listener.serve_dir("/hls", &dir, None, false, None).unwrap();

    let playlist = get(&listener, "/hls/live.m3u8?token=1", "").await;
    assert_eq!((playlist.status, playlist.header("cache-control")), (200, Some("no-cache")));
    assert_eq!(playlist.header("content-type"), Some("application/vnd.apple.mpegurl"));
    assert_eq!(playlist.header("access-control-allow-origin"), Some("*"));
    assert_eq!(playlist.body().await, b"#EXTM3U\n");
    for path in ["/hls/low/seg-1.ts", "/hls/inside.ts"] {
        let reply = get(&listener, path, "").await;
        assert_eq!((reply.status, reply.header("content-type")), (200, Some("video/mp2t")));
        assert!(reply.header("cache-control").unwrap().contains("immutable"));
        assert!(reply.body().await == segment);
    }
    let part = get(&listener, "/hls/low/seg-1.ts", "Range: bytes=100000-100099\r\n").await;
    assert_eq!((part.status, part.header("content-range")), (206, Some("bytes 100000-100099/200000")));
    assert!(part.body().await == segment[100_000..100_100]);
    let beyond = get(&listener, "/hls/low/seg-1.ts", "Range: bytes=200000-\r\n").await;
    assert_eq!((beyond.status, beyond.header("content-range")), (416, Some("bytes */200000")));
    let head = "HEAD /hls/low/seg-1.ts HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    let head = request(&listener, head).await;
    assert_eq!((head.status, head.header("content-length")), (200, Some("200000")));
    assert_eq!(head.body().await, b"");

    for path in [
        "/hls/.live.m3u8",
        "/hls/../secret.ts",
        "/hls/%2e%2e/secret.ts",
        "/hls/..%2fsecret.ts",
        "/hls/low/../../secret.ts",
        "/hls//etc/passwd",
        "/hls/state.json",
        "/hls/live.m3u8.tmp",
        "/hls/link.ts",
        "/hls/out/x.ts",
        "/hls/low",
        "/hls/",
        "/hls",
        "/hls/gone.ts",
        "/hls/%00.ts",
    ] {
        let reply = get(&listener, path, "").await;
        assert_eq!(reply.status, 404, "{path}");
        assert!(!reply.body().await.windows(6).any(|w| w == b"secret"), "{path}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_there_is_said_with_what_is() {
    let listener = listen(Options::default());
    let _mount = listener.mount("/live.mp3", meta()).unwrap();
    let reply = get(&listener, "/nothing", "").await;
    assert_eq!((reply.status, reply.header("content-type")), (404, Some("text/plain; charset=utf-8")));
    assert_eq!(reply.body().await, b"nothing here; there is\n/\n/live.mp3\n");

    for path in ["", "live.mp3", "/", "/a//b", "/a b", "/../x", "/.x", "/ü.mp3", "/a\r\nb"] {
        assert!(matches!(listener.mount(path, meta()), Err(MountError::Path { .. })), "{path:?}");
    }
    for path in ["/live.mp3", "/events", "/status.json"] {
        assert!(matches!(listener.mount(path, meta()), Err(MountError::Taken { .. })), "{path}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_used_port_is_named() {
    let listener = listen(Options::default());
    let error = Listener::bind(listener.local_addr(), Options::default()).unwrap_err();
    assert!(matches!(error, ListenError::InUse { .. }));
    assert!(error.to_string().contains(&listener.local_addr().to_string()), "{error}");
    let elsewhere = Listener::bind("203.0.113.1:0".parse().unwrap(), Options::default()).unwrap_err();
    assert!(matches!(elsewhere, ListenError::NotLocal { .. }), "{elsewhere}");
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_are_limited() {
    for (options, status) in [
        (Options { max_connections: 2, ..Options::default() }, 503),
        (Options { max_connections_per_address: 2, ..Options::default() }, 429),
    ] {
        let listener = listen(options);
        let one = get(&listener, "/events", "").await;
        let _two = get(&listener, "/events", "").await;
        let refused = get(&listener, "/", "").await;
        assert_eq!((refused.status, refused.header("retry-after")), (status, Some("30")));
        drop(one);
        // The server notices in its own time.
        let admitted = async { while get(&listener, "/", "").await.status != 200 {} };
        soon(admitted).await;
    }
}

/// A mount that is on air, as its station wants its listeners treated.
async fn mount_with(listener: &Listener, path: &str, options: MountOptions) -> (MountOutput, Box<dyn Sink>) {
    let mut mount = listener.mount_with(path, meta(), options).unwrap();
    let sink = open(&mut mount).await;
    (mount, sink)
}

#[tokio::test(flavor = "multi_thread")]
async fn listeners_are_limited_by_mount_and_by_the_address_that_a_proxy_names() {
    let listener = listen(Options { max_connections_per_address: 1, ..Options::default() });
    let few = MountOptions { max_listeners: Some(3), max_per_address: Some(2), ..MountOptions::default() };
    let (few_mount, _sink) = mount_with(&listener, "/few.mp3", few).await;
    let (_many, _other) = mount_with(&listener, "/many.mp3", MountOptions::default()).await;
    let ask = |path, client: &str| {
        let forwarded = format!("X-Forwarded-For: {client}\r\n");
        let listener = &listener;
        async move { get(listener, path, &forwarded).await }
    };
    // Nobody is believed yet; the mount lifts what the listener admits of one address from one to two.
    let one = ask("/few.mp3", "203.0.113.1").await;
    let two = ask("/many.mp3", "203.0.113.2").await;
    assert_eq!((one.status, two.status), (200, 200));
    assert_eq!(ask("/many.mp3", "203.0.113.3").await.status, 429);
    drop((one, two));

    listener.trust(&["127.0.0.0/8".parse().unwrap()]);
    let admitted = async { while ask("/", "203.0.113.1").await.status != 200 {} };
    soon(admitted).await;
    until(|| few_mount.listeners() == 0).await;
    let mut kept = Vec::new();
    for (client, status) in [
        ("203.0.113.1", 200),
        ("203.0.113.1", 200),
        ("203.0.113.1", 429),
        ("203.0.113.2", 200),
        ("203.0.113.3", 503),
    ] {
        let reply = ask("/few.mp3", client).await;
        assert_eq!(reply.status, status, "{client} after {} listeners", kept.len());
        if status == 200 {
            kept.push(reply);
        } else {
            assert_eq!(reply.header("retry-after"), Some("30"));
        }
    }
    for _ in 0..5 {
        kept.push(ask("/many.mp3", "203.0.113.1").await);
    }
    assert!(kept.iter().all(|reply| reply.status == 200), "the other mount has no limits");
    let head = "HEAD /few.mp3 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    assert_eq!(request(&listener, head).await.status, 200, "who only looks is no listener");
}

#[tokio::test(flavor = "multi_thread")]
async fn addresses_of_mounts_are_as_the_clients_of_a_trusted_proxy_know_them() {
    let listener = listen(Options::default());
    let (_mount, _sink) = mount_with(&listener, "/live.mp3", MountOptions::default()).await;
    let url = async || {
        let reply = get(&listener, "/status-json.xsl", "X-Forwarded-Proto: https\r\n").await;
        let stats: Value = serde_json::from_slice(&reply.body().await).unwrap();
        stats["icestats"]["source"]["listenurl"].clone()
    };
    assert_eq!(url().await, "http://x/live.mp3");
    listener.trust(&["127.0.0.1".parse().unwrap()]);
    assert_eq!(url().await, "https://x/live.mp3");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_sends_no_request_is_hung_up_on() {
    let listener = listen(Options { header_timeout: Duration::from_millis(50), ..Options::default() });
    let mut silent = TcpStream::connect(listener.local_addr()).await.unwrap();
    let mut end = Vec::new();
    soon(silent.read_to_end(&mut end)).await.unwrap();
    let body = String::from_utf8(end).unwrap();
    assert!(body.is_empty() || body.starts_with("HTTP/1.1 408"), "{body}");
}
