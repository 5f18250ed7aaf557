//! What listeners of an output that is passed through get, in simulated time.

#![allow(clippy::unwrap_used)]

mod random;
mod rig;

use std::path::Path;

use airchain_codecs::copy::{CopyError, PacketReader};
use airchain_codecs::{Bitrate, Codec, Format};
use airchain_core::Stereo;
use airchain_core::chain::NodeSpec;
use airchain_core::item::Item;
use airchain_core::ladder::Return;
use airchain_core::playout::Request;
use testkit::{measure, signal};

use self::rig::{Rig, item, mp3_frames};
use crate::spec::StationSpec;

const RATE: u32 = 44_100;
const SECOND: usize = RATE as usize;

fn mp3(kbps: u32) -> Format {
    Format { codec: Codec::Mp3, bitrate: Bitrate::Cbr(kbps), sample_rate_hz: RATE, channels: 2 }
}

fn aac() -> Format {
    Format { codec: Codec::AacLc, ..mp3(128) }
}

/// A few tones, their level swelling.
fn music(seed: u64, frames: usize) -> Vec<Stereo> {
    let mut all = signal::silence(frames);
    for voice in 0..5 {
        let hz = 110.0 * f64::from(2 + (seed as u32 * 7 + voice * 3) % 17);
        for (sum, tone) in all.iter_mut().zip(signal::vector(RATE, hz, -20.0, seed * 1000, frames)) {
            sum[0] += tone[0];
            sum[1] += tone[1];
        }
    }
    for (n, frame) in all.iter_mut().enumerate() {
        // Rises and falls: a cut would click on the bus too.
        let edge = (n.min(frames - n) as f64 / 2_000.0).min(1.0);
        let swell = ((0.6 + 0.4 * (n as f64 / 9_000.0).sin()) * edge) as f32;
        *frame = frame.map(|sample| sample * swell);
    }
    all
}

/// How far what is heard where an encoder and a file meet may be from the bus: what the encoder's own noise comes to. The
/// programme has peaks of 0.5.
const APART: f64 = 0.02;

/// What a listener hears is what was on the bus: exactly where packets are copied, to the coder's noise where those meet
/// encoded ones, and nowhere does it click where the bus does not.
fn assert_heard(rig: &Rig, copied: &[Option<(usize, usize)>], folder: &Path) {
    rig.assert_whole();
    let (heard, expected) = (rig.heard(folder), rig.expected());
    assert!(heard.len() >= expected.len(), "{} of {} frames", heard.len(), expected.len());
    for (n, packet) in rig.packets.iter().enumerate() {
        let from = packet.pts.max(0) as usize;
        let to = (packet.end().max(0) as usize).min(expected.len());
        if from >= to {
            continue;
        }
        let apart = measure::max_difference(&heard[from..to], &expected[from..to]);
        let near = &copied[n.saturating_sub(2)..(n + 2).min(copied.len())];
        if near[..near.len() - 1].iter().all(Option::is_some) {
            assert!(apart < 1e-4, "packet {n}, {:?}, is {apart} from the bus", copied[n]);
        } else if near.iter().any(Option::is_some) {
            assert!(apart < APART, "packet {n}, {:?}, is {apart} from the bus", copied[n]);
        }
    }
    let clicks = |audio: &[Stereo]| measure::click_db(&measure::channel(&audio[..expected.len()], 0), RATE);
    let (ours, theirs) = (clicks(&heard), clicks(&expected));
    assert!(ours < theirs.max(-70.0) + 6.0, "it clicks: {ours:.1} dB, the bus {theirs:.1} dB");
}

/// How many of the packets of a file were copied, and that they are in one row.
fn row(copied: &[Option<(usize, usize)>], file: usize) -> usize {
    let of_file: Vec<_> =
        copied.iter().enumerate().filter_map(|(n, c)| Some((n, c.filter(|c| c.0 == file)?.1))).collect();
    for pair in of_file.windows(2) {
        assert_eq!((pair[0].0 + 1, pair[0].1 + 1), pair[1], "file {file}");
    }
    of_file.len()
}

#[test]
fn an_item_is_copied_packet_for_packet() {
    let folder = tempfile::tempdir().unwrap();
    for kbps in [64, 128, 192, 320] {
        let format = mp3(kbps);
        let length = 5 * SECOND;
        let item = item(folder.path(), &format!("{kbps}.mp3"), &format, &music(1, length));
        let file = mp3_frames(&item);
        let mut rig = Rig::new(StationSpec::default(), &format, &[item]);
        rig.run_to(length + 22_050);
        rig.finish();
        let copied = rig.copied(std::slice::from_ref(&file));
        assert_heard(&rig, &copied, folder.path());
        let copied = row(&copied, 0);
        assert!(copied + 10 >= file.len(), "{kbps}: {copied} of {}", file.len());
    }
}

fn items(folder: &Path, format: &Format, lengths: &[usize]) -> Vec<Item> {
    let extension = format.codec.extension();
    let write = |(n, length): (usize, &usize)| {
        item(folder, &format!("{n}.{extension}"), format, &music(n as u64, *length))
    };
    lengths.iter().enumerate().map(write).collect()
}

#[test]
fn items_join_without_a_click_gapless_or_crossfaded() {
    let folder = tempfile::tempdir().unwrap();
    let format = mp3(128);
    let lengths = [3 * SECOND, 2 * SECOND + 517, 4 * SECOND + 77];
    let items = items(folder.path(), &format, &lengths);
    let files: Vec<_> = items.iter().map(mp3_frames).collect();
    for crossfade_s in [0.0, 0.5] {
        let spec = StationSpec { crossfade_s, ..StationSpec::default() };
        let mut rig = Rig::new(spec, &format, &items);
        rig.run_to(lengths.iter().sum::<usize>() + SECOND / 2);
        rig.finish();
        let copied = rig.copied(&files);
        assert_heard(&rig, &copied, folder.path());
        let fade = (crossfade_s * 2.0 * f64::from(RATE) / 1152.0) as usize;
        for (n, file) in files.iter().enumerate() {
            let row = row(&copied, n);
            assert!(row + 12 + fade >= file.len(), "{n}: {row} of {}", file.len());
        }
    }
}

#[test]
fn of_a_file_that_is_replaced_before_it_is_heard_nothing_is_copied() {
    let folder = tempfile::tempdir().unwrap();
    let format = mp3(128);
    let lengths = [3 * SECOND, 3 * SECOND];
    let items = items(folder.path(), &format, &lengths);
    let files: Vec<_> = items.iter().map(mp3_frames).collect();
    let other = item(folder.path(), "other.mp3", &format, &music(7, 3 * SECOND));
    let mut rig = Rig::new(StationSpec::default(), &format, &items);
    rig.run_to(2 * SECOND);
    // The decoder of the second item has it open by now, and goes on with what it was.
    let new = mp3_frames(&other);
    std::fs::rename(&other.path, &items[1].path).unwrap();
    rig.run_to(lengths.iter().sum::<usize>() + SECOND / 2);
    rig.finish();
    let copied = rig.copied(&[files[0].clone(), files[1].clone(), new]);
    assert_heard(&rig, &copied, folder.path());
    assert!(row(&copied, 0) + 12 >= files[0].len());
    assert_eq!((row(&copied, 1), row(&copied, 2)), (0, 0));
    let (heard, meant) = (rig.heard(folder.path()), music(1, lengths[1]));
    let second = &heard[lengths[0] + 5_000..][..SECOND];
    let lag = (0..1_152).map(|lag| measure::max_difference(second, &meant[5_000 - lag..][..SECOND]));
    assert!(lag.fold(f64::INFINITY, f64::min) < 0.1, "what was opened is not what is heard");
}

#[test]
fn what_is_not_the_item_alone_is_encoded() {
    let folder = tempfile::tempdir().unwrap();
    let format = mp3(128);
    let items = items(folder.path(), &format, &[20 * SECOND]);
    let wav = Format { codec: Codec::PcmS16, bitrate: Bitrate::Lossless, ..format };
    let spoken = item(folder.path(), "spoken.wav", &wav, &music(9, SECOND));
    let file = mp3_frames(&items[0]);
    let spec = StationSpec { after_interruption: Return::Resume, ..StationSpec::default() };
    let mut rig = Rig::new(spec, &format, &items);
    let at = |seconds: f64| (seconds * f64::from(RATE)) as u64;
    let node = NodeSpec { node: "compressor".into(), ..NodeSpec::default() };
    let fade = |gain_db| Request::Fade { tier: None, gain_db, duration_s: 0.2, curve: Default::default() };
    rig.ask(at(3.0), Request::InsertEmergency { item: spoken });
    rig.ask(at(7.0), fade(-6.0));
    rig.ask(at(9.0), fade(0.0));
    rig.ask(at(12.0), Request::SetChain { nodes: vec![node] });
    rig.ask(at(14.0), Request::SetChain { nodes: Vec::new() });
    rig.run_to(17 * SECOND);
    // A disk that hangs costs an encoder.
    rig.workers_asleep = true;
    rig.run_to(23 * SECOND);
    rig.finish();
    let copied = rig.copied(std::slice::from_ref(&file));
    assert_heard(&rig, &copied, folder.path());
    let copies = |from: f64, to: f64| {
        let within = |n: &usize| (at(from)..at(to)).contains(&(rig.packets[*n].pts.max(0) as u64));
        (0..copied.len()).filter(within).all(|n| copied[n].is_some())
    };
    let none = |from: f64, to: f64| {
        let within = |n: &usize| (at(from)..at(to)).contains(&(rig.packets[*n].pts.max(0) as u64));
        (0..copied.len()).filter(within).all(|n| copied[n].is_none())
    };
    assert!(copies(0.3, 2.9));
    assert!(none(3.0, 3.9));
    assert!(
        copies(4.4, 6.9) && none(7.0, 9.2) && copies(9.5, 11.9) && none(12.1, 13.9) && copies(14.5, 17.0)
    );
}

#[test]
fn aac_is_copied_too() {
    let folder = tempfile::tempdir().unwrap();
    let format = aac();
    let lengths = [3 * SECOND, 2 * SECOND + 517];
    for extension in ["aac", "m4a"] {
        let name = |n: usize| format!("{n}.{extension}");
        let items: Vec<_> = lengths
            .iter()
            .enumerate()
            .map(|(n, length)| rig::aac_item(folder.path(), &name(n), &format, &music(n as u64, *length)))
            .collect();
        let files: Vec<_> = items.iter().map(|item| rig::file_packets(item, &format)).collect();
        let mut rig = Rig::new(StationSpec::default(), &format, &items);
        rig.run_to(lengths.iter().sum::<usize>() + 8_000);
        rig.finish();
        let copied = rig.copied(&files);
        assert_heard(&rig, &copied, folder.path());
        for (n, file) in files.iter().enumerate() {
            let row = row(&copied, n);
            assert!(row + 12 >= file.len(), "{extension} {n}: {row} of {}", file.len());
        }
    }
}

#[test]
fn what_is_in_another_format_is_not_copied() {
    let folder = tempfile::tempdir().unwrap();
    let audio = music(3, SECOND);
    let wanted = mp3(128);
    let packets = |format: &Format, wanted: &Format| {
        let name = format!("{format}.{}", format.codec.extension()).replace(['/', ':'], "-");
        let item = item(folder.path(), &name, format, &audio);
        let mut reader = PacketReader::open(Path::new(&item.path), wanted)?;
        Ok::<_, CopyError>(std::iter::from_fn(|| reader.next_packet()).count())
    };
    let vbr = Format { bitrate: Bitrate::Vbr(4), ..wanted };
    assert!(packets(&wanted, &wanted).unwrap() >= 38);
    assert_eq!(packets(&mp3(192), &wanted).unwrap(), 0);
    assert!(packets(&vbr, &wanted).unwrap() < 38 && packets(&vbr, &vbr).unwrap() >= 38);
    for other in [
        Format { channels: 1, ..wanted },
        Format { sample_rate_hz: 48_000, ..wanted },
        Format { codec: Codec::Flac, bitrate: Bitrate::Lossless, ..wanted },
        aac(),
        Format { codec: Codec::HeAacV1, bitrate: Bitrate::Cbr(64), ..wanted },
    ] {
        assert!(matches!(packets(&other, &wanted), Err(CopyError::Unfit { .. })), "{other}");
    }
    assert!(packets(&aac(), &aac()).is_ok());
    let less = Format { bitrate: Bitrate::Cbr(64), ..aac() };
    assert!(matches!(packets(&less, &aac()), Err(CopyError::Unfit { what: "bit rate", .. })));
}
