//! Listener sessions of HLS and the access log, as clients and those who read the log see them.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod http_common;

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use airchain_outputs::http::{AccessLog, Listener, Options};
use http_common::*;

const INDEX: &str = "#EXTM3U\n#EXT-X-VERSION:3\n#EXT-X-STREAM-INF:BANDWIDTH=140000\nhigh/live.m3u8\n\
                     #EXT-X-STREAM-INF:BANDWIDTH=70000\nlive.m3u8\n";
const MEDIA: &str = "#EXTM3U\n#EXT-X-TARGETDURATION:6\n#EXTINF:6.0,\n1000-1.ts\n";

/// A presentation of two renditions, below `/hls/wgmr`.
fn presentation() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    std::fs::create_dir(dir.path().join("high")).unwrap();
    std::fs::write(dir.path().join("index.m3u8"), INDEX).unwrap();
    for folder in ["", "high/"] {
        std::fs::write(dir.path().join(format!("{folder}live.m3u8")), MEDIA).unwrap();
        std::fs::write(dir.path().join(format!("{folder}1000-1.ts")), vec![0x47; 1880]).unwrap();
    }
    dir
}

fn log_of(path: &Path, log: &AccessLog) -> Vec<String> {
    assert!(log.flush(Duration::from_secs(60)));
    std::fs::read_to_string(path).unwrap_or_default().lines().map(str::to_owned).collect()
}

/// Waits for as many lines: they are written when a connection has let go of an answer, which its client does not see.
async fn lines(path: &Path, log: &AccessLog, count: usize) -> Vec<String> {
    until(|| log_of(path, log).len() >= count).await;
    log_of(path, log)
}

async fn text(listener: &Listener, path: &str) -> String {
    let reply = get(listener, path, "").await;
    assert_eq!(reply.status, 200, "{path}");
    String::from_utf8(reply.body().await).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_manifest_of_dash_is_fresh_and_tells_the_time() {
    let dir = presentation();
    std::fs::write(dir.path().join("manifest.mpd"), "<MPD/>").unwrap();
    for sessions in [false, true] {
        let listener = listen(Options::default());
        let _served =
            listener.serve_dir("/hls/wgmr", dir.path(), Some("index.m3u8"), sessions, None).unwrap();
        let head = "HEAD /hls/wgmr/manifest.mpd HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
        let sent = request(&listener, head).await;
        assert_eq!((sent.status, sent.header("content-type")), (200, Some("application/dash+xml")));
        assert_eq!(sent.header("cache-control"), Some("no-cache"));
        assert!(sent.header("date").is_some_and(|date| date.ends_with(" GMT")));
        assert!(sent.header("access-control-expose-headers").unwrap().contains("Date"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_player_keeps_its_session_down_to_the_segments() {
    let dir = presentation();
    let listener = listen(Options::default());
    let _served = listener.serve_dir("/hls/wgmr", dir.path(), Some("index.m3u8"), true, None).unwrap();

    let sent = get(&listener, "/hls/wgmr/index.m3u8", "").await;
    assert_eq!((sent.status, sent.header("cache-control")), (302, Some("no-store, must-revalidate")));
    let to = sent.header("location").unwrap().to_owned();
    let id = to.strip_prefix("index.m3u8?s=").unwrap();
    assert!(id.len() == 32 && id.bytes().all(|b| b.is_ascii_hexdigit()), "{to}");
    let other = get(&listener, "/hls/wgmr/index.m3u8", "").await;
    assert_ne!(other.header("location"), Some(to.as_str()), "each has its own");

    let index = get(&listener, &format!("/hls/wgmr/{to}"), "").await;
    assert_eq!((index.status, index.header("cache-control")), (200, Some("no-store, must-revalidate")));
    assert_eq!(index.header("content-type"), Some("application/vnd.apple.mpegurl"));
    for (name, value) in [
        ("access-control-allow-origin", "*"),
        ("access-control-allow-methods", "GET, HEAD, OPTIONS"),
        ("access-control-allow-headers", "Range, Content-Range, Content-Length"),
        ("access-control-expose-headers", "Content-Range, Content-Length"),
    ] {
        assert_eq!(index.header(name), Some(value));
    }
    let length: usize = index.header("content-length").unwrap().parse().unwrap();
    let body = String::from_utf8(index.body().await).unwrap();
    assert_eq!(body, INDEX.replace(".m3u8", &format!(".m3u8?s={id}")));
    assert_eq!(length, body.len());
    let head = format!("HEAD /hls/wgmr/{to} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    let head = request(&listener, &head).await;
    assert_eq!((head.status, head.header("content-length")), (200, Some(length.to_string().as_str())));
    assert_eq!(head.body().await, b"");

    // What it names is there without another redirection; segments are as they are.
    assert_eq!(text(&listener, &format!("/hls/wgmr/high/live.m3u8?s={id}")).await, MEDIA);
    let segment = get(&listener, "/hls/wgmr/high/1000-1.ts", "Range: bytes=0-187\r\n").await;
    assert_eq!((segment.status, segment.header("content-range")), (206, Some("bytes 0-187/1880")));
    let cache = "public, s-maxage=10800, max-age=10800, no-transform, immutable";
    assert_eq!(segment.header("cache-control"), Some(cache));
    let sent = get(&listener, "/hls/wgmr/high/live.m3u8?token=a%2fb&s=", "").await;
    let to = sent.header("location").unwrap();
    assert!(sent.status == 302 && to.starts_with("live.m3u8?token=a%2fb&s="), "{to}");

    // Ids that nobody gave are neither carried on nor believed; what is not there is not redirected to.
    for odd in ["s=a%22b", "s=..%2f", "s=a/b", &format!("s={}", "x".repeat(65))] {
        assert_eq!(get(&listener, &format!("/hls/wgmr/index.m3u8?{odd}"), "").await.status, 302, "{odd}");
    }
    for none in ["none.m3u8", "../index.m3u8", ".index.m3u8", "none.m3u8?s=1"] {
        assert_eq!(get(&listener, &format!("/hls/wgmr/{none}"), "").await.status, 404, "{none}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn without_sessions_nothing_is_redirected() {
    let dir = presentation();
    let listener = listen(Options::default());
    let served = listener.serve_dir("/hls", dir.path(), Some("index.m3u8"), false, None).unwrap();
    assert_eq!(text(&listener, "/hls/index.m3u8").await, INDEX);
    assert_eq!(text(&listener, "/hls/index.m3u8?s=1").await, INDEX);
    drop(served);
    assert_eq!(get(&listener, "/hls/index.m3u8", "").await.status, 404, "no longer served");
}

#[tokio::test(flavor = "multi_thread")]
async fn players_follow() {
    let dir = tempfile::tempdir().unwrap();
    let made = Command::new("ffmpeg")
        .args(["-v", "error", "-f", "lavfi", "-i", "sine=duration=4", "-c:a", "aac", "-f", "hls"])
        .args(["-hls_time", "2", "-master_pl_name", "index.m3u8"])
        .arg(dir.path().join("live.m3u8"))
        .status();
    assert!(made.unwrap().success());
    let (listener, path) = (listen(Options::default()), dir.path().join("access.log"));
    let log = AccessLog::open(&path).unwrap();
    listener.log_to(&log);
    let _served = listener.serve_dir("/hls/wgmr", dir.path(), Some("index.m3u8"), true, None).unwrap();
    let url = format!("http://{}/hls/wgmr/index.m3u8", listener.local_addr());
    let play = move || Command::new("ffmpeg").args(["-v", "error", "-i", &url, "-f", "null", "-"]).output();
    let played = tokio::task::spawn_blocking(play).await.unwrap().unwrap();
    assert!(
        played.status.success() && played.stderr.is_empty(),
        "{}",
        String::from_utf8_lossy(&played.stderr)
    );

    let lines = lines(&path, &log, 5).await;
    let session =
        |line: &str| line.split("session_id=\"").nth(1).unwrap().split('"').next().unwrap().to_owned();
    assert!(lines[0].contains("\"GET /hls/wgmr/index.m3u8 HTTP/1.1\" 302 0 "), "{}", lines[0]);
    assert_eq!(session(&lines[0]), "-");
    let playlists: Vec<_> = lines[1..].iter().filter(|line| line.contains(".m3u8")).collect();
    assert!(playlists.len() >= 2, "{lines:?}");
    assert!(playlists.iter().all(|line| session(line).len() == 32 && session(line) == session(playlists[0])));
    assert!(lines.iter().filter(|line| line.contains(".ts")).all(|line| session(line) == "-"));
}

#[tokio::test(flavor = "multi_thread")]
async fn every_answer_is_logged_once_with_what_went_out() {
    let dir = presentation();
    let (listener, path) = (listen(Options::default()), dir.path().join("access.log"));
    let log = AccessLog::open(&path).unwrap();
    listener.log_to(&log);
    listener.log_to(&AccessLog::open(&path).unwrap());
    let _served = listener.serve_dir("/hls", dir.path(), None, false, None).unwrap();
    let mut mount = listener.mount("/live.mp3", meta()).unwrap();
    let mut sink = open(&mut mount).await;

    let agent = "User-Agent: a\"b\\\r\nReferer: http://x/\r\nX-Forwarded-For: 203.0.113.9, 10.0.0.1\r\n";
    get(&listener, "/hls/1000-1.ts?s=abc", agent).await.body().await;
    lines(&path, &log, 1).await;
    get(&listener, "/none", "").await.body().await;
    lines(&path, &log, 2).await;
    // A mount's line comes when its listener leaves, with all that was sent.
    let listening = get(&listener, "/live.mp3", "").await;
    let packets = mp3(1);
    feed(&mut sink, &packets).await;
    sink.close().await.unwrap();
    assert!(listening.body().await == join(&packets));
    let lines = lines(&path, &log, 3).await;
    assert_eq!(lines.len(), 3, "{lines:?}");

    let line = |line: &str| {
        let (peer, rest) = line.split_once(" - - [").unwrap();
        let (time, rest) = rest.split_once("] ").unwrap();
        assert_eq!(peer, "127.0.0.1");
        assert!(jiff::fmt::strtime::parse("%d/%b/%Y:%H:%M:%S %z", time).is_ok(), "{time}");
        rest.to_owned()
    };
    assert_eq!(
        line(&lines[0]),
        "\"GET /hls/1000-1.ts?s=abc HTTP/1.1\" 200 1880 \"http://x/\" \"a\\x22b\\x5C\" session_id=\"abc\" \
         real_ip=\"203.0.113.9, 10.0.0.1\""
    );
    let missing = line(&lines[1]);
    assert!(missing.starts_with("\"GET /none HTTP/1.1\" 404 "), "{missing}");
    assert!(missing.ends_with(" \"-\" \"-\" session_id=\"-\" real_ip=\"-\""), "{missing}");
    let sent = format!("\"GET /live.mp3 HTTP/1.1\" 200 {} ", join(&packets).len());
    assert!(line(&lines[2]).starts_with(&sent), "{}", lines[2]);
}
