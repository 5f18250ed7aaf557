//! The Icecast output before a real Icecast server on a bad way: what listeners are spared, what is said, and that it comes
//! back by itself with the first try after the cause has ended.

#![allow(clippy::unwrap_used)]

mod icecast_rig;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use airchain_net::{Connection, DialError, Dialler, Network, Place};
use airchain_outputs::icecast::{IcecastConfig, IcecastOutput};
use airchain_outputs::sink::Health;
use airchain_outputs::worker::WorkerOptions;
use async_trait::async_trait;
use icecast_rig::{MP3, Rig, config};
use testkit::icecast::Icecast;
use testkit::proxy::{Proxy, Way};

/// Bytes of [`MP3`] in a second.
const BYTES_PER_S: usize = 16_000;

/// As for listeners, but for a peer that has failed sooner, so that nobody has to wait for it.
fn options() -> WorkerOptions {
    let soon = Duration::from_secs(1);
    WorkerOptions { write_timeout: soon, open_timeout: soon, stable: soon, ..WorkerOptions::live() }
}

fn through(proxy: &Proxy) -> IcecastConfig {
    config(&format!("icecast://source:s3cret@{}/live.mp3", proxy.address()))
}

/// An output that feeds the server by the proxy, and is up.
fn feeding(proxy: &Proxy, options: WorkerOptions) -> Rig {
    let mut rig = Rig::start_with(through(proxy), &MP3, options);
    rig.programme.rises = true;
    rig.feed_until_up();
    rig
}

fn until_said(rig: &mut Rig, words: &str) {
    rig.feed_until(words, |rig| rig.reasons().iter().any(|reason| reason.contains(words)));
}

/// Whoever listens to the mount now hears from its beginning audio that was fed after `fed` bytes, but for the two seconds
/// that are kept while it is down.
fn nothing_stale(icecast: &Icecast, rig: &mut Rig, fed: usize) {
    let heard = std::thread::scope(|scope| {
        rig.feed_until("the mount", |_| icecast.is_on_air("/live.mp3"));
        let heard = scope.spawn(|| icecast.listen("/live.mp3", false).take(4000));
        rig.feed_until("audio at a listener", |_| heard.is_finished());
        heard.join().unwrap()
    });
    let begin = rig.sent.windows(heard.len()).position(|sent| sent == heard);
    let begin = begin.expect("what is heard is what was sent");
    let oldest = fed.saturating_sub(2 * BYTES_PER_S + 1000);
    assert!(begin >= oldest, "{} s of old audio", (fed - begin) as f64 / BYTES_PER_S as f64);
}

/// The way breaks off in mid-air and heals.
fn broken_off(how: Way, first: &str, then: &str) {
    let mut icecast = Icecast::start(4);
    if how == Way::BlackHole {
        // For as long the server holds on to the dead source.
        icecast.rewrite("<source-timeout>10<", "<source-timeout>2<");
        assert!(icecast.restart());
    }
    let proxy = Proxy::start(icecast.address());
    let mut rig = feeding(&proxy, options());
    proxy.set(how);
    rig.feed_until("health down", |rig| rig.handle.health() == Health::Down);
    until_said(&mut rig, first);
    until_said(&mut rig, then);
    let (fed, tried) = (rig.sent.len(), proxy.connections());
    proxy.set(Way::Pass);
    rig.feed_until_up();
    let in_use = rig.reasons().iter().any(|reason| reason.contains("in use"));
    // One more may have been under way when it healed.
    assert!(in_use || proxy.connections() - tried <= 2, "{} tries", proxy.connections() - tried);
    nothing_stale(&icecast, &mut rig, fed);
    let stats = rig.handle.stats();
    assert!(stats.reconnects == 1 && stats.dropped_frames > 0, "{stats:?}");
    rig.end();
}

#[test]
fn a_network_that_is_cut() {
    broken_off(
        Way::BlackHole,
        "sending took longer than 1s",
        "opening took longer than 1s; check the other side and the way",
    );
}

#[test]
fn a_server_that_stops_reading() {
    broken_off(Way::Stall, "sending took longer than 1s", "opening took longer than 1s");
}

#[test]
fn a_server_that_is_not_there_for_a_while() {
    // Closed, or broken if it ended with audio in its hands that it had not read yet.
    broken_off(Way::Refuse, "; see the server's log", "refuses the connection; check that the server runs");
}

#[test]
fn a_server_slower_than_the_audio_loses_the_oldest_of_it() {
    let icecast = Icecast::start(4);
    let proxy = Proxy::start(icecast.address());
    // It takes all that is sent to it within the usual time.
    let write_timeout = WorkerOptions::live().write_timeout;
    let mut rig = feeding(&proxy, WorkerOptions { write_timeout, ..options() });
    proxy.set(Way::Slow(BYTES_PER_S as u32 * 4));
    let degraded = |rig: &Rig| {
        let stats = rig.handle.stats();
        rig.handle.health() == Health::Degraded && stats.dropped_frames > 0
    };
    let since = std::time::Instant::now();
    while !degraded(&rig) {
        assert!(since.elapsed() < Duration::from_secs(60), "{:?} {:?}", rig.handle.stats(), rig.events());
        rig.push();
        // Five times real time at most, and the server takes four.
        std::thread::sleep(Duration::from_millis(4));
    }
    let said = rig.reasons().pop().unwrap();
    assert!(said.contains("/live.mp3: takes data slower than the audio plays"), "{said}");
    proxy.set(Way::Pass);
    rig.feed_until_up();
    let stats = rig.handle.stats();
    assert_eq!(stats.reconnects, 0, "it was never lost: {stats:?}");
    rig.end();
}

#[test]
fn a_wrong_password_that_the_server_comes_to_take() {
    let mut icecast = Icecast::start(4);
    icecast.rewrite("<source-password>s3cret<", "<source-password>other<");
    assert!(icecast.restart());
    let mut rig = Rig::start_with(config(&icecast.url("/live.mp3")), &MP3, options());
    rig.programme.rises = true;
    until_said(&mut rig, "wrong user or password (401); correct them in the url");
    icecast.rewrite("<source-password>other<", "<source-password>s3cret<");
    assert!((0..10).any(|_| icecast.restart()), "icecast starts again on its port");
    let fed = rig.sent.len();
    rig.feed_until_up();
    nothing_stale(&icecast, &mut rig, fed);
    assert_eq!(rig.handle.stats().last_error.unwrap().matches("s3cret").count(), 0);
    rig.end();
}

/// A network whose name server may be out of order.
struct Names {
    answers: AtomicBool,
    asked: AtomicUsize,
    port: u16,
}

#[async_trait]
impl Dialler for Names {
    async fn connect(&self, _place: Place<'_>) -> Result<Box<dyn Connection>, DialError> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        if !self.answers.load(Ordering::SeqCst) {
            return Err(DialError::Unknown);
        }
        Network::default().connect(Place { host: "127.0.0.1", port: self.port, tls: false }).await
    }
}

#[test]
fn a_name_server_that_fails_for_a_while() {
    let icecast = Icecast::start(4);
    let (answers, asked) = (AtomicBool::new(false), AtomicUsize::new(0));
    let names = Arc::new(Names { answers, asked, port: icecast.address().port() });
    let url = "icecast://source:s3cret@radio.example:8000/live.mp3";
    let output = IcecastOutput::over(config(url), names.clone()).unwrap();
    let mut rig = Rig::start_output(output, &MP3, options());
    rig.programme.rises = true;
    until_said(
        &mut rig,
        "radio.example:8000/live.mp3: the host name is not known; check it and the name server",
    );
    rig.feed_until("three tries", |_| names.asked.load(Ordering::SeqCst) >= 3);
    let (fed, tried) = (rig.sent.len(), names.asked.load(Ordering::SeqCst));
    names.answers.store(true, Ordering::SeqCst);
    rig.feed_until_up();
    let tries = names.asked.load(Ordering::SeqCst) - tried;
    assert!(tries <= 2, "it comes back with the next try, not after {tries}");
    nothing_stale(&icecast, &mut rig, fed);
    rig.end();
}
