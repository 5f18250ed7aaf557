//! Encoders that panic, sinks that do, and a server that takes a byte a second.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::time::Duration;

use airchain::StationSpec;
use airchain::codecs::{Codec, Format, fault};
use airchain::core::playout::StationEvent;
use airchain::core::playout::report::{Health, Part};
use airchain::output::{OutputSpec, Target};
use airchain::outputs::icecast::IcecastConfig;

use super::rig::{Sent, Stage, playlist, tone};

fn spec(items: Vec<airchain::core::item::Item>) -> StationSpec {
    StationSpec { id: "faulty".into(), programme: playlist(items), ..StationSpec::default() }
}

#[test]
fn an_encoder_that_panics_is_started_anew_and_its_output_goes_on() {
    let stage = Stage::new();
    let item = tone(stage.folder.path(), "tone.wav", 30, &[(2.0, fault::ENCODER_PANICS)]);
    let sent = Sent::default();
    let mut faulty = stage.add(spec(vec![item]), vec![sent.output("out", |_| false)]);
    faulty.wait_for_fault(Part::Encoder);
    let before = sent.packets().len();
    stage.play(2);
    let packets = sent.packets();
    let gaps = packets.windows(2).filter(|pair| pair[0].end() != pair[1].pts).count();
    assert!(packets.len() > before + 5, "{} packets, {before} before", packets.len());
    assert_eq!(gaps, 1, "what it was given when it panicked is lost, and nothing else");
    assert_eq!(faulty.station.faults().of(Part::Encoder), 1);
    stage.verify();
}

#[test]
fn a_sink_that_panics_is_opened_anew_and_the_other_outputs_notice_nothing() {
    let stage = Stage::new();
    let item = tone(stage.folder.path(), "tone.wav", 30, &[]);
    let (bad, good) = (Sent::default(), Sent::default());
    let outputs = vec![bad.output("bad", |count| count == 20), good.output("good", |_| false)];
    let mut faulty = stage.add(spec(vec![item]), outputs);
    let health = |wanted: Health| move |event: &StationEvent| matches!(event, StationEvent::OutputHealth { output, health, .. } if output == "bad" && *health == wanted);
    faulty.wait_for("that it is up", health(Health::Up));
    faulty.wait_for("that it is down", health(Health::Down));
    faulty.wait_for("that it delivers again", |event| {
        matches!(event, StationEvent::OutputHealth { output, health, .. } if output == "bad" && *health != Health::Down)
    });
    stage.play(1);
    assert!(bad.packets().len() > 25);
    let packets = good.packets();
    assert!(packets.len() > 25 && packets.windows(2).all(|pair| pair[0].end() == pair[1].pts));
    stage.verify();
}

#[test]
fn a_server_that_takes_a_byte_a_second_is_the_trouble_of_its_output() {
    let stage = Stage::new();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for peer in listener.incoming() {
            std::thread::spawn(move || {
                let mut peer = BufReader::new(peer?);
                let mut line = String::new();
                while peer.read_line(&mut line)? > 2 {
                    line.clear();
                }
                peer.get_mut().write_all(b"HTTP/1.1 200 OK\r\n\r\n")?;
                while peer.get_mut().read(&mut [0])? > 0 {
                    std::thread::sleep(Duration::from_secs(1));
                }
                std::io::Result::Ok(())
            });
        }
    });
    let item = tone(stage.folder.path(), "tone.wav", 30, &[]);
    let config =
        IcecastConfig { url: format!("icecast://source:x@127.0.0.1:{port}/a.ogg"), ..Default::default() };
    let format = Format { sample_rate_hz: 96_000, ..Format::of(Codec::Flac24) };
    let slow = OutputSpec { id: "slow".into(), format, target: Target::Icecast(config), passthrough: false };
    let good = Sent::default();
    let faulty = stage.add(spec(vec![item]), vec![slow, good.output("good", |_| false)]);
    stage.play(8);
    let packets = good.packets();
    assert!(packets.len() > 100 && packets.windows(2).all(|pair| pair[0].end() == pair[1].pts));
    let slow = faulty.station.outputs().into_iter().find(|output| output.id == "slow").unwrap();
    assert!(slow.stats.is_some_and(|stats| stats.bytes > 0), "it was connected");
    stage.verify();
}
