//! HLS while it is on air, followed as a player follows it, through all that becomes of its station: a cold start, a clean
//! restart, a kill, and a loss in the middle. Every rule of RFC 8216 and of low latency (8216bis) that a live playlist can break
//! is held to, and all that was published is decoded: nothing is missing and nothing is too much.
//!
//! What is of low latency is followed twice: at the listener, which holds requests, and in its folder, as another server has it.
//!
//! The station runs in a process of its own, which is this test again.

#![allow(clippy::unwrap_used)]
#![allow(clippy::print_stdout, reason = "what the process on air says")]

mod player;

use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use airchain::codecs::container::segment::Container;
use airchain::codecs::{Codec, Format, fault};
use airchain::core::item::Item;
use airchain::core::playout::Playlist;
use airchain::core::playout::playlist::Order;
use airchain::output::{HttpOptions, OutputSpec, Target};
use airchain::outputs::hls::{HlsConfig, RenditionConfig};
use airchain::outputs::http::MountMeta;
use airchain::{Host, HostConfig, StationSpec};
use player::{Player, follow};
use testkit::icecast::Port;
use testkit::{file, signal};

const RATE: u32 = 48_000;
const HZ: f64 = 997.0;
/// What players are told of the station's first frame.
const EPOCH_US: i64 = 10_000_000;
/// The folder, the listener's address and the item, for the process on air.
const ON_AIR: [&str; 3] = ["AIRCHAIN_TEST_FOLDER", "AIRCHAIN_TEST_LISTEN", "AIRCHAIN_TEST_ITEM"];

/// Name, container, codec, and further renditions by their names. All are outputs of one station, those called `ll-` with low
/// latency.
type Row = (&'static str, Container, Codec, &'static [(&'static str, Codec)]);

fn is_low_latency(row: &Row) -> bool {
    row.0.starts_with("ll-")
}

const TABLE: &[Row] = &[
    ("ts-aac", Container::Ts, Codec::AacLc, &[]),
    ("ts-he-aac", Container::Ts, Codec::HeAacV1, &[]),
    ("ts-he-aac-v2", Container::Ts, Codec::HeAacV2, &[]),
    ("ts-mp3", Container::Ts, Codec::Mp3, &[]),
    ("ts-several", Container::Ts, Codec::HeAacV1, &[("high", Codec::AacLc), ("least", Codec::HeAacV2)]),
    ("fmp4-aac", Container::Fmp4, Codec::AacLc, &[]),
    ("fmp4-he-aac", Container::Fmp4, Codec::HeAacV1, &[]),
    ("fmp4-he-aac-v2", Container::Fmp4, Codec::HeAacV2, &[]),
    ("fmp4-opus", Container::Fmp4, Codec::Opus, &[]),
    ("fmp4-flac", Container::Fmp4, Codec::Flac, &[]),
    ("fmp4-several", Container::Fmp4, Codec::AacLc, &[("opus", Codec::Opus), ("flac", Codec::Flac)]),
    ("packed-aac", Container::Packed, Codec::AacLc, &[]),
    ("packed-he-aac", Container::Packed, Codec::HeAacV1, &[]),
    ("packed-mp3", Container::Packed, Codec::Mp3, &[]),
    ("ll-ts-aac", Container::Ts, Codec::AacLc, &[]),
    ("ll-fmp4-aac", Container::Fmp4, Codec::AacLc, &[]),
    ("ll-fmp4-opus", Container::Fmp4, Codec::Opus, &[]),
    ("ll-several", Container::Fmp4, Codec::HeAacV1, &[("aac", Codec::AacLc), ("flac", Codec::Flac)]),
];

#[test]
fn whatever_becomes_of_the_station() {
    match std::env::var(ON_AIR[0]) {
        Ok(folder) => on_air(Path::new(&folder)),
        Err(_) => live(),
    }
}

/// The process on air: until its input ends. Says where its programme has ended.
fn on_air(folder: &Path) {
    let hls = |row: &Row| {
        let (name, container, codec, renditions) = row;
        let rendition = |(name, codec): &(&str, Codec)| RenditionConfig {
            name: (*name).into(),
            format: Format::of(*codec),
        };
        let config = HlsConfig {
            container: *container,
            segment_duration_s: 0.5,
            // Delta updates leave out what is older than six target durations.
            playlist_size: if is_low_latency(row) { 16 } else { 7 },
            low_latency: is_low_latency(row),
            renditions: renditions.iter().map(rendition).collect(),
            ..HlsConfig::new(folder.join(name))
        };
        output(name, *codec, Target::Hls(config))
    };
    let options = HttpOptions { serves_hls: true, ..HttpOptions::default() };
    let listen = std::env::var(ON_AIR[1]).unwrap().parse().unwrap();
    let http = Target::Http { listen, path: "/live".into(), meta: MountMeta::default(), options };
    let outputs = TABLE.iter().map(hls).chain([output("http", Codec::AacLc, http)]).collect();
    let item = Item::file(std::env::var(ON_AIR[2]).unwrap());
    let programme = Box::new(Playlist::new(vec![item], Order::Sequential, true, 0));
    let host = Host::new(HostConfig::default()).unwrap();
    let spec = StationSpec { id: "one".into(), programme, ..StationSpec::default() };
    let station = host.add_station(spec, outputs).unwrap();
    std::io::stdin().read_to_end(&mut Vec::new()).unwrap();
    station.stop(Duration::from_secs(10));
    println!("\nended at {}", station.position());
    host.shutdown(Duration::from_secs(1));
}

fn output(id: &str, codec: Codec, target: Target) -> OutputSpec {
    OutputSpec { id: id.into(), format: Format::of(codec), target, passthrough: false }
}

/// A process on air, killed when the test is over.
struct Air(Child);

impl Air {
    fn start(folder: &Path, address: SocketAddr, item: &str) -> Self {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["--exact", "whatever_becomes_of_the_station", "--nocapture"]);
        command.env(ON_AIR[0], folder).env(ON_AIR[1], address.to_string()).env(ON_AIR[2], folder.join(item));
        Self(command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap())
    }

    /// A clean end; the frame at which its programme ended.
    fn stop(mut self) -> i64 {
        drop(self.0.stdin.take());
        let said = BufReader::new(self.0.stdout.take().unwrap()).lines().map(Result::unwrap);
        let ended = said.filter_map(|line| line.strip_prefix("ended at ")?.parse().ok()).last();
        assert!(self.0.wait().unwrap().success());
        ended.unwrap()
    }
}

impl Drop for Air {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn stop(players: &mut [Player], air: Air) {
    let ended_us = EPOCH_US + air.stop() * 1_000_000 / i64::from(RATE);
    players.iter_mut().for_each(|player| player.ended(ended_us));
}

fn live() {
    let (folder, port) = (tempfile::tempdir().unwrap(), Port::free());
    let (folder, address) = (folder.path(), SocketAddr::from(([127, 0, 0, 1], port.number)));
    let tone = signal::sine(RATE, HZ, -12.0, 120 * RATE as usize);
    file::float_wav(&folder.join("tone.wav"), RATE, &tone);
    let mut fails = tone;
    fails[3 * RATE as usize] = fault::ENCODER_PANICS;
    file::float_wav(&folder.join("fails.wav"), RATE, &fails);
    let rows = TABLE.iter().enumerate();
    let mut players: Vec<_> =
        rows.flat_map(|(index, row)| Player::of(index, *row, folder, address)).collect();

    // From nothing, until segments have left the window for longer than they are to be kept.
    let air = Air::start(folder, address, "tone.wav");
    players.iter_mut().for_each(Player::wait);
    follow(&mut players, 20);
    stop(&mut players, air);
    for (player, stretch) in
        players.iter().flat_map(|player| player.checker.stretches().into_iter().map(move |s| (player, s)))
    {
        let late_us = stretch.start_us - EPOCH_US;
        assert!(late_us <= 0, "{}, {} begins {late_us} us late", player.row.0, stretch.playlist);
    }

    // A new start after a clean end, and then a kill.
    let air = Air::start(folder, address, "tone.wav");
    players.iter_mut().for_each(Player::wait);
    players.iter_mut().for_each(|player| player.checker.restarted());
    follow(&mut players, 8);
    drop(air);

    // A new start after the kill, in which all encoders lose a moment.
    let air = Air::start(folder, address, "fails.wav");
    players.iter_mut().for_each(Player::wait);
    players.iter_mut().for_each(|player| player.checker.restarted());
    follow(&mut players, 14);
    stop(&mut players, air);

    std::thread::scope(|scope| players.iter_mut().for_each(|player| drop(scope.spawn(|| player.heard()))));
    let all = players.iter().flat_map(|player| player.checker.findings().iter().map(|f| (player.row.0, f)));
    let new: Vec<_> = all.map(|(name, finding)| format!("\n  {name}: {finding}")).collect();
    assert!(new.is_empty(), "{}", new.concat());
}
