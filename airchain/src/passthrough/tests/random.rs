//! Random programmes and commands: whatever happens, listeners hear the bus, and their decoders find nothing wrong.

use std::path::Path;

use airchain_codecs::{Bitrate, Codec, Format};
use airchain_core::chain::NodeSpec;
use airchain_core::item::Item;
use airchain_core::playout::Request;
use airchain_core::tier::Tier;

use super::rig::{Rig, item, mp3_frames};
use super::{SECOND, assert_heard, mp3, music};
use crate::spec::StationSpec;

/// Repeatable numbers.
struct Random(fastrand::Rng);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        self.0.u64(..bound)
    }
}

fn programme(random: &mut Random, folder: &Path, format: &Format) -> Vec<Item> {
    let others = [
        *format,
        *format,
        *format,
        Format { bitrate: Bitrate::Cbr(192), ..*format },
        Format { bitrate: Bitrate::Vbr(4), ..*format },
        Format { channels: 1, ..*format },
        Format { sample_rate_hz: 48_000, ..*format },
        Format { codec: Codec::PcmS16, bitrate: Bitrate::Lossless, ..*format },
    ];
    let one = |n: u64, random: &mut Random| {
        let format = others[random.below(others.len() as u64) as usize];
        let frames = SECOND / 10 + random.below(3 * SECOND as u64) as usize;
        let name = format!("{n}.{}", format.codec.extension());
        let mut item = item(folder, &name, &format, &music(n, frames));
        if random.below(5) == 0 {
            item.gain_db = Some(-3.0);
        }
        if random.below(5) == 0 {
            item.cue_in_s = Some(0.07);
        }
        item
    };
    (0..12).map(|n| one(n, random)).collect()
}

fn request(random: &mut Random, spoken: &Item) -> Request {
    let curve = Default::default();
    match random.below(6) {
        0 => Request::Skip { tier: None, fade_s: Some(random.below(3) as f64 * 0.1), curve, wait: None },
        1 => Request::InsertEmergency { item: spoken.clone() },
        2 => Request::Play { tier: Tier::LiveOverride, item: spoken.clone() },
        3 => Request::Fade { tier: None, gain_db: -6.0 * random.below(2) as f64, duration_s: 0.05, curve },
        4 => Request::SetChain { nodes: vec![NodeSpec { node: "compressor".into(), ..NodeSpec::default() }] },
        _ => Request::SetChain { nodes: Vec::new() },
    }
}

#[test]
fn whatever_happens_it_stays_one_stream() {
    let mut all_copied = 0;
    for seed in 0..8 {
        let mut random = Random(fastrand::Rng::with_seed(seed));
        let folder = tempfile::tempdir().unwrap();
        let format = mp3([128, 128, 160][seed as usize % 3]);
        let items = programme(&mut random, folder.path(), &format);
        let spoken = item(folder.path(), "spoken.mp3", &format, &music(20, SECOND));
        let crossfade_s = [0.0, 0.3][seed as usize % 2];
        let mut rig = Rig::new(StationSpec { crossfade_s, ..StationSpec::default() }, &format, &items);
        for _ in 0..12 {
            let at = random.below(18 * SECOND as u64);
            let request = request(&mut random, &spoken);
            rig.ask(at, request);
        }
        for second in 0..20 {
            rig.workers_asleep = random.below(8) == 0;
            rig.run_to(second * SECOND);
        }
        rig.finish();
        let all = items.iter().chain([&spoken]);
        let files: Vec<_> =
            all.map(|item| if item.path.ends_with("mp3") { mp3_frames(item) } else { Vec::new() }).collect();
        let copied = rig.copied(&files);
        assert_heard(&rig, &copied, folder.path());
        all_copied += copied.iter().flatten().count();
    }
    assert!(all_copied > 300, "only {all_copied} packets were copied");
}
