//! The client of servers that take files, against simulated ones, in simulated time.

use std::time::Duration;

use testkit::nginx::{self, Nginx};
use testkit::object_store::{Face, Fault, ObjectStore};
use tokio::time::Instant;

use super::*;

const SEGMENT: &str = "1700000000123-42.ts";
const INDEX: &str = "index.m3u8";
const LIVE: &str = "live.m3u8";

fn config(url: &str) -> PutConfig {
    PutConfig {
        url: url.into(),
        user: Some("dj".into()),
        password: Some("s3cret".into()),
        ..PutConfig::default()
    }
}

fn folder(store: &ObjectStore, url: &str, below: Option<&str>) -> PutFolder {
    PutFolder::over(Arc::new(store.clone()), &config(url), below)
}

fn found(name: &str, bytes: u64) -> Found {
    Found { name: name.into(), bytes }
}

#[tokio::test(start_paused = true)]
async fn files_go_up_whole_with_their_type_over_one_connection() {
    let store = ObjectStore::new(Face::Plain).with_key("Basic ZGo6czNjcmV0");
    let folder = folder(&store, "http://cdn.example/in/radio", None);
    folder.claim().await.unwrap();
    assert_eq!(folder.text(LIVE).await.unwrap(), None);
    folder.put(SEGMENT, Bytes::from(vec![7; 188 * 1000])).await.unwrap();
    folder.put(LIVE, format!("#EXTM3U\n{SEGMENT}\n1700000000123-43.ts\n").into()).await.unwrap();
    assert_eq!(store.get(&format!("/in/radio/{SEGMENT}")), Some(vec![7; 188 * 1000]));
    let header = |name, header| store.header(&format!("/in/radio/{name}"), header);
    assert_eq!(header(SEGMENT, "content-type"), "video/mp2t");
    assert_eq!(header(SEGMENT, "cache-control"), "public, max-age=31536000, immutable");
    assert_eq!(header(LIVE, "content-type"), "application/vnd.apple.mpegurl");
    assert_eq!(header(LIVE, "cache-control"), "public, max-age=1");
    assert_eq!(header(LIVE, "host"), "cdn.example");
    assert_eq!(header(LIVE, "content-length"), "48");
    // This server has no lists: what the playlist names is asked for.
    assert_eq!(folder.list().await.unwrap(), [found(SEGMENT, 188_000)]);
    assert!(folder.text(LIVE).await.unwrap().is_some_and(|text| text.contains(SEGMENT)));
    folder.remove(SEGMENT).await.unwrap();
    folder.remove(SEGMENT).await.unwrap();
    assert_eq!(store.paths(), [format!("/in/radio/{LIVE}")]);
    // Two files were asked for at a time, once.
    assert!(store.connections() <= 2, "{}", store.connections());
}

#[tokio::test(start_paused = true)]
async fn folders_of_webdav_are_made_and_listed() {
    let store = ObjectStore::new(Face::WebDav);
    let folder = folder(&store, "https://dav.example/radio/live/", Some("low"));
    assert_eq!(folder.list().await.unwrap(), []);
    folder.put(SEGMENT, Bytes::from_static(b"sound")).await.unwrap();
    folder.put(LIVE, Bytes::from_static(b"#EXTM3U\n")).await.unwrap();
    store.put("/radio/live/low/photo.jpg", "of others");
    store.put("/radio/live/low/deep/1-1.ts", "of others");
    assert_eq!(folder.list().await.unwrap(), [found(SEGMENT, 5), found(LIVE, 8)]);
    let made =
        store.events().into_iter().filter(|event| event.request.method == "MKCOL" && event.status == 201);
    let made: Vec<String> = made.map(|event| event.request.path).collect();
    assert_eq!(made, ["/radio/", "/radio/live/", "/radio/live/low/"]);
    assert_eq!(folder.describe(), "https://dav.example/radio/live/low/");
}

#[tokio::test(start_paused = true)]
async fn a_server_that_only_takes_files_is_asked_for_little_else() {
    let store = ObjectStore::new(Face::PutOnly);
    let folder = folder(&store, "http://cdn.example/in", None);
    assert_eq!(folder.text(LIVE).await.unwrap(), None);
    assert_eq!(folder.list().await.unwrap(), []);
    folder.put(SEGMENT, Bytes::from_static(b"sound")).await.unwrap();
    folder.remove(SEGMENT).await.unwrap();
    folder.remove(SEGMENT).await.unwrap();
    let removals = store.events().into_iter().filter(|event| event.request.method == "DELETE");
    assert_eq!(removals.count(), 1);
}

#[tokio::test(start_paused = true)]
async fn refusals_are_told_apart_and_tell_no_secret() {
    use Retry::{Seldom, Soon};
    let store = ObjectStore::new(Face::Plain);
    let config = PutConfig {
        headers: vec!["X-Key: t0ken".into()],
        ..config("http://dj:s3cret@cdn.example/in?sig=sign%2Fed&sv=1")
    };
    let folder = PutFolder::over(Arc::new(store.clone()), &config, None);
    for (status, said, retry) in [
        (301, "elsewhere", Seldom),
        (400, "unexpected", Seldom),
        (401, "password", Seldom),
        (403, "right to write", Seldom),
        (404, "no such folder", Seldom),
        (405, "allow PUT", Seldom),
        (409, "missing", Seldom),
        (413, "5 bytes are more", Seldom),
        (423, "wait", Soon),
        (429, "wait", Soon),
        (500, "trouble", Soon),
        (502, "trouble", Soon),
        (503, "trouble", Soon),
        (507, "full", Seldom),
    ] {
        store.script(move |_| Some(Fault::Status(status, "No")));
        let error = folder.put(SEGMENT, Bytes::from_static(b"sound")).await.unwrap_err();
        let message = error.message.as_str();
        assert!(message.contains(said) && message.contains(&status.to_string()), "{status}: {message}");
        assert!(message.starts_with(&format!("PUT http://cdn.example/in/{SEGMENT}: ")), "{message}");
        assert_eq!(error.retry, retry, "{status}");
        let all = format!("{message} {} {config:?}", folder.describe());
        for secret in ["s3cret", "ZGo6czNjcmV0", "t0ken", "sign%2Fed", "sign/ed"] {
            assert!(!all.contains(secret), "{secret} in {all}");
        }
    }
    let last = store.events().pop().unwrap().request;
    assert_eq!((last.query.as_str(), last.header("x-key")), ("sig=sign%2Fed&sv=1", "t0ken"));
    assert_eq!(last.header("authorization"), "Basic ZGo6czNjcmV0");
}

#[tokio::test(start_paused = true)]
async fn what_breaks_passes_and_nothing_half_done_is_seen() {
    let store = ObjectStore::new(Face::Plain);
    let folder = folder(&store, "http://cdn.example/in", None);
    let path = format!("/in/{SEGMENT}");
    let data = Bytes::from(vec![7; 300_000]);
    for fault in [Fault::Close, Fault::CutBody, Fault::Silence, Fault::Early(413)] {
        folder.put(LIVE, Bytes::from_static(b"#EXTM3U\n")).await.unwrap();
        store.script(move |request| (request.method == "PUT").then(|| fault.clone()));
        let start = Instant::now();
        let error = folder.put(SEGMENT, data.clone()).await.unwrap_err();
        assert!(start.elapsed() < Duration::from_secs(21), "{error}");
        assert!(store.get(&path).is_none(), "{error}");
        store.heal();
    }
    store.refuse();
    let error = folder.put(SEGMENT, data.clone()).await.unwrap_err();
    assert!(error.message.contains("refuses the connection") && error.retry == Retry::Soon, "{error}");
    store.heal();
    // Done, but nobody was told: once more is no harm.
    store.script(|_| Some(Fault::CutAnswer));
    assert_eq!(folder.put(SEGMENT, data.clone()).await.unwrap_err().retry, Retry::Soon);
    store.script(|_| Some(Fault::Slow(Duration::from_secs(5))));
    folder.put(SEGMENT, data.clone()).await.unwrap();
    assert_eq!(store.get(&path), Some(data.to_vec()));
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_the_server_closed_meanwhile_costs_nothing() {
    let store = ObjectStore::new(Face::Plain);
    let folder = folder(&store, "http://cdn.example/in", None);
    folder.put(LIVE, Bytes::from_static(b"#EXTM3U\n")).await.unwrap();
    let mut first = true;
    store.script(move |_| std::mem::take(&mut first).then_some(Fault::Close));
    folder.put(SEGMENT, Bytes::from_static(b"sound")).await.unwrap();
    assert_eq!(store.connections(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_playlist_of_others_is_set_aside() {
    let store = ObjectStore::new(Face::WebDav);
    let folder = folder(&store, "http://dav.example/", None);
    for (text, names) in [("one", 1), ("two", 2)] {
        store.put(&format!("/{INDEX}"), text);
        folder.set_aside(INDEX).await.unwrap();
        assert_eq!(store.paths().len(), names);
    }
    assert_eq!((store.text("/index.m3u8.old"), store.text("/index.m3u8.old2")), ("one".into(), "two".into()));
    store.put(&format!("/{INDEX}"), vec![b'x'; MAX_TEXT_BYTES + 1]);
    assert_eq!(folder.text(INDEX).await.unwrap(), Some(String::new()));
}

#[tokio::test]
async fn nginx_takes_files_through_restart_and_wrong_password() {
    let mut nginx = Nginx::start();
    let config = config(&format!("{}/radio/live", nginx.url()));
    let folder = PutFolder::new(&config, Some("low"));
    let file = |name: &str| nginx.root().join("radio/live/low").join(name);
    let (segment, live) = (file(SEGMENT), file(LIVE));
    assert_eq!(folder.text(LIVE).await.unwrap(), None);
    assert_eq!(folder.list().await.unwrap(), []);
    folder.put(SEGMENT, Bytes::from(vec![7; nginx::LONGEST])).await.unwrap();
    folder.put(LIVE, format!("#EXTM3U\n{SEGMENT}\n").into()).await.unwrap();
    assert_eq!(std::fs::read(&segment).unwrap(), vec![7; nginx::LONGEST]);
    assert_eq!(folder.list().await.unwrap(), [found(SEGMENT, nginx::LONGEST as u64)]);
    let error = folder.put("1-2.ts", Bytes::from(vec![7; nginx::LONGEST + 1])).await.unwrap_err();
    assert!(error.message.contains("413") && error.retry == Retry::Seldom, "{error}");
    let stranger = PutConfig { password: Some("wr0ng".into()), ..config };
    let error = PutFolder::new(&stranger, None).put("1-2.ts", Bytes::new()).await.unwrap_err();
    assert!(error.message.contains("wrong user or password") && !error.message.contains("wr0ng"), "{error}");
    // The connection that it kept is gone.
    nginx.restart();
    folder.put(LIVE, Bytes::from_static(b"#EXTM3U\n")).await.unwrap();
    assert_eq!(std::fs::read(&live).unwrap(), b"#EXTM3U\n");
    folder.remove(SEGMENT).await.unwrap();
    folder.remove(SEGMENT).await.unwrap();
    assert!(!segment.exists());
    std::fs::remove_dir_all(nginx.root().join("radio")).unwrap();
    folder.put(LIVE, Bytes::from_static(b"#EXTM3U\n")).await.unwrap();
    nginx.kill();
    let error = folder.put(LIVE, Bytes::from_static(b"#EXTM3U\n")).await.unwrap_err();
    assert!(error.message.contains("refuses the connection") && error.retry == Retry::Soon, "{error}");
}

#[test]
fn what_cannot_be_meant_is_refused_without_its_secrets() {
    let with = |headers: &[&str]| PutConfig {
        headers: headers.iter().map(|header| (*header).to_owned()).collect(),
        ..PutConfig::new("http://h/x")
    };
    for (config, field) in [
        (PutConfig::new("ftp://dj:s3cret@h/x"), "url"),
        (PutConfig::new("/srv/s3cret@"), "url"),
        (PutConfig::new("http://dj:s3cret@h/x#y"), "url"),
        (with(&["s3cret"]), "headers"),
        (with(&["Host: s3cret"]), "headers"),
        (with(&["Content-Length: 1"]), "headers"),
        (with(&["X-Y: s3cret\r\nHost: x"]), "headers"),
        (with(&["X Y: s3cret"]), "headers"),
        (PutConfig { user: Some("a:b".into()), ..config("http://h/x") }, "user"),
        (PutConfig { password: Some("s3cret\n".into()), ..config("http://h/x") }, "password"),
    ] {
        let invalid = config.validate().unwrap_err();
        assert_eq!(invalid.field, field, "{invalid}");
        let all = format!("{invalid} {config:?}");
        assert!(!all.contains("s3cret"), "{all}");
    }
    let same = ["http://h/x", "http://dj:pw@h:80/x/", "HTTP://H/x?sig=1"];
    for url in same {
        assert_eq!(PutConfig::new(url).place(), "http://h/x");
    }
}

#[test]
fn lists_of_any_server_are_read() {
    let apache = r#"<?xml version="1.0" encoding="utf-8"?>
<D:multistatus xmlns:D="DAV:" xmlns:ns0="DAV:">
<D:response xmlns:lp1="DAV:"><D:href>/a/</D:href><D:propstat><D:prop/></D:propstat></D:response>
<D:response xmlns:lp1="DAV:"><D:href>/a/1-2.ts</D:href><D:propstat><D:prop>
<lp1:getcontentlength>376</lp1:getcontentlength></D:prop></D:propstat></D:response></D:multistatus>"#;
    assert_eq!(listed(apache), [found("1-2.ts", 376)]);
    let plain = "<multistatus xmlns='DAV:'><response><propstat><prop><getcontentlength>9</getcontentlength></prop>\
        </propstat><href>http://h/live.m3u8</href></response><response><href>x.m4s\n</href></response></multistatus>";
    assert_eq!(listed(plain), [found("live.m3u8", 9), found("x.m4s", 0)]);
    for odd in ["", "<", "<<<>>>", "<href>1-2.ts", "</response>", "<response><href>a.txt</href></response>"] {
        assert_eq!(listed(odd), []);
    }
}
