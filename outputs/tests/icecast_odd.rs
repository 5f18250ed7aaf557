//! The Icecast output against servers that answer as no good server would.

#![allow(clippy::unwrap_used)]

mod icecast_rig;

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use airchain_outputs::icecast::{IcecastConfig, Protocol};
use airchain_outputs::sink::{Health, Retry};
use airchain_outputs::worker::WorkerOptions;
use icecast_rig::{MP3, Rig, config, refused};
use testkit::icecast::{FakeServer, Port};

fn url(server: &FakeServer) -> String {
    format!("icecast://source:s3cret@{}/live", server.address())
}

fn is_title(head: &str) -> bool {
    head.starts_with("GET /admin/metadata?")
}

/// Reads to the end, whatever comes.
fn swallow(mut stream: TcpStream) {
    let mut chunk = [0; 4096];
    while stream.read(&mut chunk).is_ok_and(|count| count > 0) {}
}

/// Lets a source in and swallows its audio; answers titles as Icecast does.
fn accept(head: &str, mut stream: TcpStream) {
    if is_title(head) {
        let _ = stream.write_all(b"HTTP/1.0 200 OK\r\n\r\n<message>Metadata update successful</message>");
    } else {
        let _ = stream.write_all(b"HTTP/1.1 100 Continue\r\n\r\n");
        swallow(stream);
    }
}

#[test]
fn audio_follows_as_it_is_after_every_kind_of_yes() {
    for (yes, protocol) in [
        ("HTTP/1.1 100 Continue\r\nContent-Length: 0\r\n\r\n", Protocol::Put),
        ("HTTP/1.1 200 OK\r\n\r\n", Protocol::Put),
        ("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n\r\n", Protocol::Put),
        ("HTTP/1.0 200 OK\r\n\r\n", Protocol::Source),
        ("ICE/1.0 200 OK\r\n\r\n", Protocol::Source),
        ("ICY 200 OK\r\n\r\n", Protocol::Source),
    ] {
        let (body, bodies) = mpsc::channel();
        let server = FakeServer::start(move |_, _, mut stream| {
            stream.write_all(yes.as_bytes()).unwrap();
            let mut data = Vec::new();
            stream.read_to_end(&mut data).unwrap();
            body.send(data).unwrap();
        });
        let mut rig = Rig::start(IcecastConfig { protocol, ..config(&url(&server)) }, &MP3);
        for _ in 0..100 {
            rig.feed();
        }
        rig.end();
        assert!(
            bodies.recv().unwrap() == rig.sent,
            "after {yes:?}: audio without chunk sizes or anything else"
        );
        let first = &server.heads()[0];
        let request =
            if protocol == Protocol::Put { "PUT /live HTTP/1.1\r\n" } else { "SOURCE /live HTTP/1.0\r\n" };
        assert!(first.starts_with(request), "{first}");
        assert_eq!(first.contains("Expect: 100-continue"), protocol == Protocol::Put);
        assert_eq!(rig.events().len(), 1, "{:?}", rig.events());
    }
}

#[test]
fn what_is_no_icecast_server_is_told() {
    for (answer, says, retry) in [
        (&b"SSH-2.0-OpenSSH_9.2p1\r\n"[..], "SSH-2.0-OpenSSH_9.2p1", Retry::Seldom),
        (b"\x15\x03\x01\x00\x02\x02\x28", "not an Icecast server", Retry::Seldom),
        (b"HTTP/1.1 nonsense\r\n\r\n", "not an Icecast server", Retry::Seldom),
        (b"", "without an answer", Retry::Soon),
        (b"HTTP/1.1 405 Method Not Allowed\r\nAllow: GET\r\n\r\n", "protocol: source", Retry::Seldom),
        (
            b"HTTP/1.1 403 Forbidden\r\n\r\n\x1b]0;evil\x07<i>no</i>\n\n you",
            "403: Forbidden ]0;evil no you",
            Retry::Seldom,
        ),
    ] {
        let server = FakeServer::start(move |_, _, mut stream| {
            stream.write_all(answer).unwrap();
        });
        let error = refused(config(&url(&server)));
        assert!(error.message.contains(says), "{error}");
        assert!(error.message.starts_with(&format!("icecast at {}/live: ", server.address())), "{error}");
        assert!(!error.message.contains(char::is_control), "{error:?}");
        assert_eq!(error.retry, retry, "{error}");
    }
}

#[test]
fn an_endless_answer_is_not_read_to_its_end() {
    let server = FakeServer::start(|_, _, mut stream| {
        let _ = stream.write_all(b"HTTP/1.1 403 ");
        while stream.write_all(&[b'x'; 4096]).is_ok() {}
    });
    let error = refused(config(&url(&server)));
    assert!(error.message.len() < 400, "{error}");
}

#[test]
fn nobody_there() {
    let port = Port::free();
    let error = refused(config(&format!("icecast://source:s3cret@127.0.0.1:{}/live", port.number)));
    assert!(error.message.contains("refuses the connection; check that the server runs"), "{error}");
    assert_eq!(error.retry, Retry::Soon);
    let error = refused(config("icecast://source:s3cret@no-such-host.invalid/live"));
    assert!(error.message.contains("no-such-host.invalid:8000/live: the host name is not known"), "{error}");
}

#[test]
fn a_server_that_closes_is_noticed_and_quoted() {
    let server = FakeServer::start(|number, head, mut stream| {
        if number > 0 {
            return accept(head, stream);
        }
        stream.write_all(b"HTTP/1.1 100 Continue\r\n\r\n").unwrap();
        stream.read_exact(&mut [0; 5000]).unwrap();
        stream.write_all(b"HTTP/1.1 410 Kicked by admin\r\n\r\n").unwrap();
        stream.shutdown(std::net::Shutdown::Write).unwrap();
        swallow(stream);
    });
    let mut rig = Rig::start(config(&url(&server)), &MP3);
    rig.feed_until("a reconnect", |rig| rig.handle.stats().reconnects == 1);
    let down = rig.events().into_iter().find(|event| event.health == Health::Down).unwrap();
    let reason = down.reason.unwrap();
    assert!(reason.contains("closed the connection") && reason.contains("410 Kicked by admin"), "{reason}");
    rig.end();
}

#[test]
fn a_peer_that_hardly_reads_has_failed() {
    let server = FakeServer::start(|_, head, mut stream| {
        if is_title(head) {
            return;
        }
        let _ = stream.write_all(b"HTTP/1.1 100 Continue\r\n\r\n");
        while stream.read_exact(&mut [0]).is_ok() {
            thread::sleep(Duration::from_millis(50));
        }
    });
    let options = WorkerOptions { write_timeout: Duration::from_millis(300), ..WorkerOptions::live() };
    let mut rig = Rig::start_with(config(&url(&server)), &MP3, options);
    rig.feed_until_up();
    while rig.handle.health() != Health::Down {
        rig.feed();
    }
    let stats = rig.handle.stats();
    assert!(
        stats.last_error.as_ref().is_some_and(|e| e.contains("sending took longer than 300ms")),
        "{stats:?}"
    );
    assert!(stats.bytes < 3_000_000, "the kernel holds but little: {stats:?}");
    rig.handle.stop(false);
}

#[test]
fn titles_are_tried_again_and_the_newest_wins() {
    let server = FakeServer::start(|number, head, mut stream| match number {
        // The mount is not there yet; then the connection breaks.
        1 => stream.write_all(b"HTTP/1.0 400 Source does not exist\r\n\r\n").unwrap(),
        2 => {}
        _ => accept(head, stream),
    });
    let mut rig = Rig::start(config(&url(&server)), &MP3);
    rig.title("a", "b");
    rig.feed_until("three attempts", |_| server.heads().len() >= 4);
    let songs: Vec<String> = server.heads().iter().filter(|head| is_title(head)).cloned().collect();
    assert_eq!(songs.len(), 3);
    for song in &songs {
        assert!(song.contains("&mount=%2Flive&") && song.contains("song=a%20-%20b "), "{song}");
        assert!(song.contains("charset=UTF-8") && song.contains("Authorization: Basic "), "{song}");
    }
    rig.end();
}

#[test]
fn a_server_that_never_answers_to_titles_does_not_delay_audio() {
    let server = FakeServer::start(|_, head, stream| match is_title(head) {
        true => swallow(stream),
        false => accept(head, stream),
    });
    let mut rig = Rig::start(config(&url(&server)), &MP3);
    for n in 0..1000 {
        if n % 50 == 0 {
            rig.title("artist", &n.to_string());
        }
        rig.feed();
    }
    rig.end();
    let stats = rig.handle.stats();
    assert_eq!((stats.packets, stats.dropped_frames), (rig.packets, 0), "{stats:?}");
    assert_eq!(server.heads().iter().filter(|head| is_title(head)).count(), 1, "one request at a time");
}

#[test]
fn a_title_waits_for_its_audio() {
    let server = FakeServer::start(|_, head, stream| accept(head, stream));
    let mut rig = Rig::start(config(&url(&server)), &MP3);
    rig.title("a", "first");
    rig.feed_until("the first title", |_| server.heads().iter().any(|head| head.contains("first")));
    let at = rig.programme.position + 100 * 1152;
    rig.title_at(at, "a", "second");
    let told = |server: &FakeServer| server.heads().iter().any(|head| head.contains("second"));
    while rig.next_end() <= at {
        rig.feed();
    }
    rig.delivered();
    assert!(!told(&server), "told before its audio");
    rig.feed();
    rig.delivered();
    rig.wait_until("the second title", |_| told(&server));
    rig.end();
}
