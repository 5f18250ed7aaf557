//! The Icecast output against a real Icecast server.

#![allow(clippy::unwrap_used)]

mod icecast_rig;

use std::io::Write;
use std::process::{Command, Stdio};
use std::thread;

use airchain_codecs::{Bitrate, Codec, Format};
use airchain_outputs::icecast::{IcecastConfig, Protocol};
use airchain_outputs::sink::{Health, Retry};
use icecast_rig::{AAC, MP3, RATE, Rig, config, open_once, refused};
use testkit::icecast::{Icecast, Signed};

/// Decodes with ffmpeg, which must find no fault; returns frames.
fn decode(data: Vec<u8>, container: &str) -> Vec<[f32; 2]> {
    let mut ffmpeg = Command::new("ffmpeg")
        .args(["-v", "warning", "-f", container, "-i", "-", "-f", "f32le", "-ac", "2", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("ffmpeg runs");
    let mut input = ffmpeg.stdin.take().unwrap();
    let writer = thread::spawn(move || input.write_all(&data).unwrap());
    let output = ffmpeg.wait_with_output().unwrap();
    writer.join().unwrap();
    let complaints: String = String::from_utf8_lossy(&output.stderr)
        .lines()
        // A bare stream has no header that says how long it is.
        .filter(|line| !line.contains("Estimating duration from bitrate"))
        // About positions, not audio: where chained Vorbis begins anew, and Icecast 2.4 writes its pages anew.
        .filter(|line| !(container == "ogg" && line.contains("non monotonically increasing dts")))
        .collect();
    assert_eq!(complaints, "", "ffmpeg finds no fault");
    let samples: Vec<f32> =
        output.stdout.chunks_exact(4).map(|b| f32::from_le_bytes(b.try_into().unwrap())).collect();
    samples.chunks_exact(2).map(|pair| [pair[0], pair[1]]).collect()
}

/// A 20 s programme: listeners get every byte of it, ffmpeg decodes it, and titles come where they belong.
fn a_programme(mount: &str, format: Format, container: &str) {
    let icecast = Icecast::start(2);
    let mut rig = Rig::start(config(&icecast.url(mount)), &format);
    rig.title("Motörhead", "Ace “of” \"Spades\" & y's <b> 東京");
    rig.feed_until_up();
    let first = "Motörhead - Ace “of” \\\"Spades\\\" & y's <b> 東京";
    rig.feed_until("the first title", |_| icecast.status().contains(first));
    let mut listener = thread::scope(|scope| {
        let plain = scope.spawn(|| icecast.listen(mount, false));
        let icy = scope.spawn(|| {
            let mut icy = icecast.listen(mount, true);
            (icy.next_title(), icy)
        });
        rig.feed_until("both listeners", |_| plain.is_finished() && icy.is_finished());
        let (title, mut icy) = icy.join().unwrap();
        assert_eq!(title, "StreamTitle='Motörhead - Ace “of” \"Spades\" & y's <b> 東京';");
        rig.title("Second", "It's; 'quoted'; and\r\nbroken");
        let next = scope.spawn(move || icy.next_title());
        rig.feed_until("the second title", |_| next.is_finished());
        assert_eq!(next.join().unwrap(), "StreamTitle='Second - It's; 'quoted' ; and  broken';");
        plain.join().unwrap()
    });
    rig.feed_until("the name", |_| icecast.status().contains("\"server_name\":\"WGMR FM\""));
    while rig.programme.position < i64::from(20 * RATE) {
        rig.feed();
    }
    // The listener came while all of it fitted into what Icecast sends first, so it gets everything from the first
    // byte on. Icecast passes audio on in blocks, so the last of it comes with what follows.
    let (length, packets) = (rig.sent.len(), rig.packets);
    let heard = thread::scope(|scope| {
        let heard = scope.spawn(move || listener.take(length));
        rig.feed_until("all at the listener", |_| heard.is_finished());
        heard.join().unwrap()
    });
    assert!(heard == rig.sent[..length], "what a listener gets is what was encoded");
    rig.end();
    assert_eq!(rig.handle.stats().dropped_frames, 0);
    assert_eq!(rig.handle.stats().last_error, None);
    let frames = decode(heard, container);
    let packet_frames = rig.programme.opening().info.packet_frames.unwrap();
    assert_eq!(frames.len() as u64, packets * u64::from(packet_frames));
    let steady: Vec<f64> = frames[10_000..10_000 + RATE as usize].iter().map(|f| f64::from(f[0])).collect();
    let tone = testkit::measure::tone(&steady, RATE, 1000.0);
    assert!((tone.level_db() + 6.02).abs() < 0.2 && tone.residual_db() < -40.0, "{tone:?}");
}

#[test]
fn an_mp3_programme() {
    a_programme("/utf8.mp3", MP3, "mp3");
}

#[test]
fn an_aac_programme() {
    a_programme("/utf8.aac", AAC, "aac");
}

/// Ogg carries its titles itself: each begins a new stream in the chain, and no audio is lost at the joint. Icecast 2.4
/// reads them for its status from Vorbis only; listeners get them from all.
fn an_ogg_programme(codec: Codec, bitrate: Bitrate, sample_rate_hz: u32) {
    let icecast = Icecast::start(2);
    let format = Format { codec, bitrate, sample_rate_hz, channels: 2 };
    let mut rig = Rig::start(config(&icecast.url("/live.ogg")), &format);
    rig.title("Motörhead", "Ace “of” \"Spades\" 東京");
    rig.feed_until_up();
    if codec == Codec::Vorbis {
        rig.feed_until("the first title", |_| icecast.status().contains("Ace “of” \\\"Spades\\\" 東京"));
    }
    let heard = thread::scope(|scope| {
        let listener = scope.spawn(|| icecast.listen("/live.ogg", false).rest());
        rig.feed_until("a listener", |_| icecast.status().contains("\"listeners\":1"));
        let at = i64::from(sample_rate_hz) * rig.programme.position / i64::from(RATE);
        rig.title_at(at, "Second", "Another one");
        for _ in 0..100 {
            rig.feed();
        }
        if codec == Codec::Vorbis {
            rig.feed_until("the second title", |_| icecast.status().contains("\"title\":\"Another one\""));
        }
        rig.end();
        listener.join().unwrap()
    });
    for title in ["TITLE=Ace “of” \"Spades\" 東京", "TITLE=Another one"] {
        assert!(heard.windows(title.len()).any(|w| w == title.as_bytes()), "{title} at the listener");
    }
    let frames = decode(heard, "ogg");
    let second: Vec<f64> = frames.iter().skip(frames.len() / 2).take(4096).map(|f| f64::from(f[0])).collect();
    let tone = testkit::measure::tone(&second, sample_rate_hz, 1000.0);
    assert!((tone.level_db() + 6.02).abs() < 0.5 && tone.residual_db() < -30.0, "{tone:?}");
}

#[test]
fn an_opus_programme() {
    an_ogg_programme(Codec::Opus, Bitrate::Abr(96), 48_000);
}

#[test]
fn a_vorbis_programme() {
    an_ogg_programme(Codec::Vorbis, Bitrate::Vbr(4), RATE);
}

#[test]
fn a_flac_programme() {
    an_ogg_programme(Codec::Flac, Bitrate::Lossless, RATE);
}

#[test]
fn a_wrong_password_is_named_and_never_shown() {
    let icecast = Icecast::start(1);
    let url = icecast.url("/live").replace("s3cret", "wr0ng");
    let error = refused(config(&url));
    assert_eq!(
        error.message,
        format!(
            "icecast at {}/live: wrong user or password (401); correct them in the url",
            icecast.address()
        )
    );
    assert_eq!(error.retry, Retry::Seldom);

    let mut rig = Rig::start(config(&url), &MP3);
    rig.feed_until("an event", |rig| !rig.events().is_empty());
    let event = rig.events().remove(0);
    assert_eq!((event.health, event.reason), (Health::Down, Some(error.message)));
    rig.end();
}

#[test]
fn a_mount_in_use_is_taken_once_it_is_free() {
    let icecast = Icecast::start(4);
    let mut first = Rig::start(config(&icecast.url("/live")), &MP3);
    first.feed_until_up();
    let error = refused(config(&icecast.url("/live")));
    assert!(error.message.contains("/live: the mount is in use by another source"), "{error}");
    assert_eq!(error.retry, Retry::Soon);

    let mut second = Rig::start(config(&icecast.url("/live")), &MP3);
    second.feed_until("a refusal", |rig| !rig.events().is_empty());
    assert_eq!(second.handle.health(), Health::Down);
    first.end();
    second.feed_until_up();
    second.end();
}

#[test]
fn a_server_that_is_full_says_so() {
    let icecast = Icecast::start(1);
    let mut first = Rig::start(config(&icecast.url("/a")), &MP3);
    first.feed_until_up();
    let error = refused(config(&icecast.url("/b")));
    assert!(error.message.contains("<sources>"), "{error}");
    first.end();
}

#[test]
fn a_killed_and_restarted_server_gets_audio_and_title_again() {
    let mut icecast = Icecast::start(2);
    let mut rig = Rig::start(config(&icecast.url("/utf8.mp3")), &MP3);
    rig.title("Sigur Rós", "Ágætis byrjun");
    rig.feed_until_up();
    rig.feed_until("the title", |_| icecast.status().contains("Sigur Rós - Ágætis byrjun"));
    icecast.kill();
    rig.feed_until("health down", |rig| rig.handle.health() == Health::Down);
    assert!((0..10).any(|_| icecast.restart()), "icecast starts again on its port");
    rig.feed_until_up();
    rig.feed_until("the title again", |_| icecast.status().contains("Sigur Rós - Ágætis byrjun"));
    let stats = rig.handle.stats();
    assert_eq!(stats.reconnects, 1, "{stats:?}");
    let healths: Vec<_> = rig.events().iter().map(|event| event.health).collect();
    assert_eq!((healths.first(), healths.last()), (Some(&Health::Up), Some(&Health::Up)));
    assert!(healths.contains(&Health::Down));
    rig.end();
}

#[test]
fn the_legacy_protocol() {
    let icecast = Icecast::start(2);
    let legacy = IcecastConfig { protocol: Protocol::Source, ..config(&icecast.url("/utf8.mp3")) };
    let mut rig = Rig::start(legacy, &MP3);
    rig.title("a", "b");
    rig.feed_until("the title", |_| icecast.status().contains("\"title\":\"a - b\""));
    rig.end();
    let wrong = icecast.url("/live").replace("s3cret", "wr0ng");
    let error = refused(IcecastConfig { protocol: Protocol::Source, ..config(&wrong) });
    assert!(error.message.contains("wrong user or password"), "{error}");
}

#[test]
fn a_mount_that_needs_encoding() {
    let icecast = Icecast::start(2);
    let mut rig = Rig::start(config(&icecast.url("/my%20radio+1.mp3")), &MP3);
    rig.title("a", "b");
    rig.feed_until("the title", |_| icecast.status().contains("\"title\":\"a - b\""));
    assert!(icecast.log().contains("/my radio+1.mp3"), "{}", icecast.log());
    rig.end();
}

#[test]
fn names_cannot_inject_headers() {
    let icecast = Icecast::start(2);
    let evil = "x\r\nIce-Genre: injected\r\n\r\n";
    let named = IcecastConfig { name: Some(evil.into()), ..config(&icecast.url("/live")) };
    let mut rig = Rig::start(named, &MP3);
    rig.feed_until("the name", |_| icecast.status().contains("\"server_name\":\"x  Ice-Genre: injected\""));
    rig.feed_until("the genre", |_| icecast.status().contains("\"genre\":\"various\""));
    rig.end();
}

#[test]
fn tls_with_an_authority_of_ones_own() {
    let icecast = Icecast::start_tls(Signed::ByAuthority);
    let trusting = IcecastConfig {
        ca_file: Some(icecast.trust()),
        ..config(&icecast.tls_url("localhost", "/utf8.mp3"))
    };
    let mut rig = Rig::start(trusting.clone(), &MP3);
    rig.title("a", "b");
    rig.feed_until("the title", |_| icecast.status().contains("\"title\":\"a - b\""));
    let heard = thread::scope(|scope| {
        let listener = scope.spawn(|| icecast.listen("/utf8.mp3", false).take(10_000));
        rig.feed_until("audio at a listener", |_| listener.is_finished());
        listener.join().unwrap()
    });
    assert!(heard == rig.sent[..10_000]);
    rig.end();

    let error = refused(IcecastConfig { ca_file: None, ..trusting.clone() });
    assert!(error.message.contains("not trusted") && error.message.contains("ca_file"), "{error}");
    assert_eq!(error.retry, Retry::Seldom);
    // The name is checked as well.
    let error = refused(IcecastConfig { url: icecast.tls_url("127.0.0.1", "/live"), ..trusting });
    assert!(error.message.contains("not trusted"), "{error}");
}

#[test]
fn tls_with_a_certificate_that_signs_itself() {
    let icecast = Icecast::start_tls(Signed::BySelf);
    let url = icecast.tls_url("127.0.0.1", "/live");
    assert!(open_once(IcecastConfig { ca_file: Some(icecast.trust()), ..config(&url) }).is_ok());
    let other = Icecast::start_tls(Signed::BySelf);
    let error = refused(IcecastConfig { ca_file: Some(other.trust()), ..config(&url) });
    assert!(error.message.contains("not trusted"), "{error}");
    let error = refused(IcecastConfig { ca_file: Some("/nonexistent/ca.pem".into()), ..config(&url) });
    assert!(error.message.contains("ca_file /nonexistent/ca.pem"), "{error}");
}

#[test]
fn the_wrong_kind_of_port_is_guessed() {
    let icecast = Icecast::start_tls(Signed::BySelf);
    let plain = icecast.tls_url("127.0.0.1", "/live").replace("icecast+tls", "icecast");
    let error = refused(config(&plain));
    assert!(error.message.contains("TLS"), "{error}");
    let error = refused(config(&icecast.url("/live").replace("icecast:", "icecasts:")));
    assert!(error.message.contains("TLS"), "{error}");
}
