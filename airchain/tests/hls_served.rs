//! A station's HLS on its built-in listener: where it is, with sessions, and in the access log.

#![allow(clippy::unwrap_used)]

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use airchain::{Host, HostConfig, Station, config, from_config};
use testkit::http::{Answer, get};
use testkit::icecast::Port;

/// Far longer than anything here takes: what has not happened by then never will.
const PATIENCE: Duration = Duration::from_secs(60);

fn until<T>(what: &str, mut found: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(found) = found() {
            return found;
        }
        assert!(Instant::now() < deadline, "{what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn start(host: &Host, id: &str, outputs: &str) -> Station {
    let text = format!("station: {{ id: {id} }}\nmounts: [{{ id: main, outputs: [{outputs}] }}]");
    let (spec, outputs) = from_config::station(&config::parse(&text, "station.yaml").unwrap()).unwrap();
    host.add_station(spec, outputs).unwrap()
}

#[test]
fn stations_share_a_listener_and_a_log() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).display().to_string();
    let port = Port::free();
    let address = SocketAddr::from(([127, 0, 0, 1], port.number));
    let log = path("access.log");
    let http = |name: &str, more: &str| {
        format!(
            "{{ type: http, listen: \"{address}\", path: /{name}.aac, format: he-aac, access_log: \"{log}\"{more} }}"
        )
    };
    let hls = |name: &str, more: &str| {
        let path = path(name);
        format!("{{ type: hls, path: \"{path}\", segment_duration_sec: 0.5, format: he-aac{more} }}")
    };
    let host = Host::new(HostConfig::default()).unwrap();
    let renditions = ", renditions: [{ name: high }]";
    let outputs = [hls("one", renditions), http("one", ", hls_sessions: true"), hls("other", "")].join(", ");
    let one = start(&host, "one", &outputs);
    let _two = start(&host, "two", &[http("two", ""), hls("two", "")].join(", "));
    let fetch = |path: &str| get(address, path).unwrap();
    let there = |path: &str| {
        until(path, || Some(fetch(path)).filter(|answer: &Answer| [200, 302].contains(&answer.status)))
    };

    let sent = there("/hls/one/index.m3u8");
    assert_eq!(sent.status, 302, "sessions are on");
    let to = format!("/hls/one/{}", sent.header("location"));
    let id = to.split_once("?s=").unwrap().1;
    let index = there(&to).text();
    let named: Vec<&str> = index.lines().filter(|line| !line.starts_with('#')).collect();
    assert_eq!(named, [format!("high/live.m3u8?s={id}"), format!("live.m3u8?s={id}")]);
    let media = there(&format!("/hls/one/{}", named[0])).text();
    let segment = media.lines().find(|line| line.ends_with(".ts")).unwrap();
    let segment = there(&format!("/hls/one/high/{segment}"));
    assert!(segment.body.len() > 188 && segment.body.len().is_multiple_of(188) && segment.body[0] == 0x47);
    assert_eq!(there("/hls/two/index.m3u8").status, 200, "sessions are off");
    assert_eq!(there("/hls-2/one/index.m3u8").status, 302);

    // What is taken off is no longer served, and the rest is.
    one.remove_output("main/0").unwrap();
    until("gone", || (fetch("/hls/one/index.m3u8").status == 404).then_some(()));
    there("/hls-2/one/index.m3u8");
    one.remove_output("main/1").unwrap();
    until("gone too", || (fetch("/hls-2/one/index.m3u8").status == 404).then_some(()));
    there("/hls/two/index.m3u8");
    host.shutdown(Duration::from_secs(5));

    let lines = std::fs::read_to_string(&log).unwrap();
    let count = |text: &str| lines.lines().filter(|line| line.contains(text)).count();
    assert_eq!(count(&format!("\"GET {to} HTTP/1.1\" 200 {} ", index.len())), 1, "{lines}");
    assert_eq!(count(&format!("session_id=\"{id}\"")), 2);
    assert!(count("\"GET /hls/two/index.m3u8 HTTP/1.1\" 200 ") >= 2);
}
