//! The SRT output against ffmpeg, which receives by libsrt, over a way that loses datagrams.

#![cfg(feature = "srt")]
#![allow(clippy::unwrap_used)]

mod icecast_rig;

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use airchain_outputs::sink::{Health, Output, Retry};
use airchain_outputs::srt::{SrtConfig, SrtOutput};
use airchain_outputs::worker::WorkerOptions;
use icecast_rig::{MP3, Programme, RATE, Rig, runtime};
use testkit::lossy::Lossy;
use testkit::srt::{Receiver, audio};

fn config(to: SocketAddr) -> SrtConfig {
    SrtConfig { latency: Duration::from_secs(1), ..SrtConfig::new(format!("srt://{to}")) }
}

fn rig(config: SrtConfig) -> Rig {
    let mut rig = Rig::start_output(SrtOutput::new(config).unwrap(), &MP3, WorkerOptions::live());
    rig.programme.rises = true;
    rig
}

/// Feeds in real time, as encoders do: a fifth of a second at a time.
fn feed_in_time(rig: &mut Rig, seconds: u64) {
    let (since, begin) = (Instant::now(), rig.programme.position);
    for fifth in 1..=5 * seconds {
        while rig.programme.position - begin < i64::from(RATE) / 5 * fifth as i64 {
            rig.push();
        }
        std::thread::sleep(
            (since + Duration::from_millis(200 * fifth)).saturating_duration_since(Instant::now()),
        );
    }
}

#[test]
fn what_the_way_loses_is_sent_again() {
    let receiver = Receiver::start("&passphrase=s3cret-s3cret");
    let way = Lossy::start(receiver.address(), 100);
    let secret = Some("s3cret-s3cret".to_owned());
    let mut rig =
        rig(SrtConfig { passphrase: secret, stream_id: Some("live".into()), ..config(way.address()) });
    rig.title("Motörhead", "Ace of Spades");
    feed_in_time(&mut rig, 8);
    rig.end();
    let stats = rig.handle.stats();
    assert_eq!((stats.dropped_frames, stats.reconnects), (0, 0), "{stats:?} {:?}", rig.events());
    let received = receiver.bytes();
    assert!(way.lost() > 20, "{} datagrams lost", way.lost());
    let title = "Ace of Spades".as_bytes();
    assert!(received.windows(title.len()).any(|bytes| bytes == title), "the title");
    let (audio, tables) = audio(&received);
    assert!(audio == rig.sent, "{} of {} bytes", audio.len(), rig.sent.len());
    assert!(tables >= 60, "tables ten times a second: {tables} times");
}

#[test]
fn a_receiver_that_comes_back_gets_the_stream_again() {
    let mut receiver = Receiver::start("");
    let mut rig = rig(config(receiver.address()));
    rig.feed_until_up();
    receiver.kill();
    rig.feed_until("health down", |rig| rig.handle.health() == Health::Down);
    rig.feed_until("nobody", |rig| rig.reasons().iter().any(|reason| reason.contains("nobody answers")));
    receiver.restart();
    rig.feed_until_up();
    feed_in_time(&mut rig, 1);
    rig.end();
    let (audio, _) = audio(&receiver.bytes());
    let begin = rig.sent.windows(audio.len()).position(|sent| sent == audio);
    assert!(
        begin.is_some_and(|begin| begin > 0),
        "what it gets is what was sent then, {} bytes",
        audio.len()
    );
}

#[test]
fn a_way_that_is_cut_and_heals() {
    let mut receiver = Receiver::start("");
    let way = Lossy::start(receiver.address(), 0);
    let mut rig = rig(config(way.address()));
    rig.feed_until_up();
    way.lose(1000);
    rig.feed_until("health down", |rig| rig.handle.health() == Health::Down);
    let said = rig.reasons().pop().unwrap();
    assert!(said.contains("the receiver is gone; check it and the way there"), "{said}");
    // ffmpeg ends with the connection.
    receiver.restart();
    let fed = rig.sent.len();
    way.lose(0);
    rig.feed_until_up();
    feed_in_time(&mut rig, 1);
    rig.end();
    let (audio, _) = audio(&receiver.bytes());
    let begin = rig.sent.windows(audio.len()).position(|sent| sent == audio).unwrap();
    assert!(begin + 2 * 16_000 + 1000 >= fed, "{} s of old audio", (fed - begin) as f64 / 16_000.0);
}

#[test]
fn a_wrong_passphrase_is_named_and_never_shown() {
    let receiver = Receiver::start("&passphrase=s3cret-s3cret");
    let wrong = SrtConfig { passphrase: Some("wr0ng-wr0ng".into()), ..config(receiver.address()) };
    let mut output = SrtOutput::new(wrong).unwrap();
    let opening = Programme::new(&MP3).opening();
    let error = runtime().block_on(output.open(&opening)).err().unwrap();
    assert!(
        error.message.starts_with(&format!("srt to {}: the receiver refuses", receiver.address())),
        "{error}"
    );
    assert!(error.message.contains("passphrase") && !error.message.contains("wr0ng"), "{error}");
    assert_eq!(error.retry, Retry::Seldom);
}
