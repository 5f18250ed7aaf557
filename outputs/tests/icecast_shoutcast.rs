//! The Icecast output by the protocol of Shoutcast, against a real Icecast server that takes it.

#![allow(clippy::unwrap_used)]

mod icecast_rig;

use airchain_codecs::{Bitrate, Codec, Format};
use airchain_outputs::icecast::{IcecastConfig, IcecastOutput, Protocol};
use airchain_outputs::sink::{Output, Retry};
use icecast_rig::{AAC, MP3, Programme, RATE, Rig, config, refused, runtime};
use testkit::icecast::Icecast;

/// The mount that its Shoutcast sources feed.
const MOUNT: &str = "/utf8.mp3";

fn shoutcast(url: &str) -> IcecastConfig {
    IcecastConfig { protocol: Protocol::Shoutcast, genre: Some("Folk".into()), ..config(url) }
}

/// Listeners get every byte, the title and what the source says of itself.
fn a_programme(format: Format, mime: &str) {
    let icecast = Icecast::start_shoutcast();
    let mut rig = Rig::start(shoutcast(&icecast.shoutcast_url()), &format);
    rig.title("Motörhead", "Ace of \"Spades\" & y's");
    rig.feed_until_up();
    rig.feed_until("the title", |_| icecast.status().contains("Motörhead - Ace of \\\"Spades\\\" & y's"));
    for said in ["\"server_name\":\"WGMR FM\"", "\"genre\":\"Folk\"", mime] {
        assert!(icecast.status().contains(said), "{said} in {}", icecast.status());
    }
    let heard = std::thread::scope(|scope| {
        let heard = scope.spawn(|| icecast.listen(MOUNT, false).take(20_000));
        rig.feed_until("audio at a listener", |_| heard.is_finished());
        heard.join().unwrap()
    });
    assert!(heard == rig.sent[..heard.len()], "audio alone, from its first byte on");
    rig.title("Second", "one");
    rig.feed_until("the second title", |_| icecast.status().contains("\"title\":\"Second - one\""));
    rig.end();
    assert_eq!(rig.handle.stats().last_error, None);
    assert_eq!(rig.events().len(), 1, "{:?}", rig.events());
}

#[test]
fn an_mp3_programme() {
    a_programme(MP3, "audio/mpeg");
}

#[test]
fn an_aac_programme() {
    a_programme(AAC, "audio/aacp");
}

#[test]
fn a_wrong_password_is_named_and_never_shown() {
    let icecast = Icecast::start_shoutcast();
    let error = refused(shoutcast(&icecast.shoutcast_url().replace("s3cret", "wr0ng")));
    assert!(error.message.starts_with(&format!("shoutcast at {}: port ", icecast.address())), "{error}");
    assert!(error.message.contains("closed the connection on the password; it is wrong"), "{error}");
    assert!(!error.message.contains("wr0ng"), "{error}");
}

#[test]
fn a_stream_in_use_is_taken_once_it_is_free() {
    let icecast = Icecast::start_shoutcast();
    let mut first = Rig::start(shoutcast(&icecast.shoutcast_url()), &MP3);
    first.feed_until_up();
    let error = refused(shoutcast(&icecast.shoutcast_url()));
    assert!(error.message.contains("in use by another source") && error.retry == Retry::Soon, "{error}");
    let mut second = Rig::start(shoutcast(&icecast.shoutcast_url()), &MP3);
    second.feed_until("a refusal", |rig| !rig.events().is_empty());
    first.end();
    second.feed_until_up();
    second.end();
}

#[test]
fn what_shoutcast_does_not_carry_is_refused() {
    for (codec, bitrate) in [(Codec::Vorbis, Bitrate::Vbr(4)), (Codec::Flac, Bitrate::Lossless)] {
        let opening = Programme::new(&Format { codec, bitrate, sample_rate_hz: RATE, channels: 2 }).opening();
        let mut output = IcecastOutput::new(shoutcast("icecast://:s3cret@127.0.0.1:9")).unwrap();
        let error = runtime().block_on(output.open(&opening)).err().unwrap();
        assert_eq!(
            (error.message.as_str(), error.retry),
            (
                "shoutcast at 127.0.0.1:9: Shoutcast carries MP3 and AAC only; choose mp3, aac, he-aac or he-aac-v2",
                Retry::Seldom
            )
        );
    }
}
