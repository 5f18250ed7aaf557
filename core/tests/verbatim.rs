//! Where a tap says that its audio is a file's, frame for frame, it is.

use std::sync::Arc;

use airchain_core::bus::{Tap, TapId};
use airchain_core::chain::{Chain, NodeSpec};
use airchain_core::control::{Command, Place, Ramp};
use airchain_core::curve::Curve;
use airchain_core::dsp::Format;
use airchain_core::ladder::{LadderConfig, Return};
use airchain_core::program::Joins;
use airchain_core::source::{Fill, Origin, Source};
use airchain_core::tap::{Part, tap};
use airchain_core::tier::Tier;
use airchain_core::{Frames, Stereo};
use testkit::rig::{self, BLOCK, RATE, Rig, item};

const LATENCY: usize = 700;

/// A repeatable stream of numbers (Marsaglia's xorshift).
struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % bound
    }
}

/// Frames that say which item and which frame of its file they are.
struct Numbered {
    id: u64,
    next: Frames,
    end: Frames,
    origin: Arc<Origin>,
}

fn frame(id: u64, n: Frames) -> Stereo {
    [id as f32, n as f32 / 65_536.0]
}

impl Source for Numbered {
    fn fill(&mut self, out: &mut [Stereo]) -> Fill {
        let frames = out.len().min((self.end - self.next) as usize);
        for frame_out in &mut out[..frames] {
            *frame_out = frame(self.id, self.next);
            self.next += 1;
        }
        if frames == out.len() { Fill::Full } else { Fill::End { frames } }
    }

    fn remaining(&self) -> Option<Frames> {
        Some(self.end - self.next)
    }

    fn available(&self) -> Frames {
        self.end - self.next
    }

    fn origin(&self) -> Option<&Arc<Origin>> {
        Some(&self.origin)
    }
}

fn chain(nodes: &[&str]) -> Command {
    let specs: Vec<_> =
        nodes.iter().map(|node| NodeSpec { node: (*node).into(), ..NodeSpec::default() }).collect();
    let format = Format { sample_rate_hz: RATE, max_block: BLOCK };
    Command::SetChain(Box::new(Chain::build(&specs, format, LATENCY).expect("the chain builds")))
}

fn command(random: &mut Random, id: u64) -> Command {
    let ramp = Ramp { length: random.below(3_000), curve: Curve::EqualPower };
    let tier = Tier::ALL[random.below(5) as usize];
    match random.below(14) {
        0..6 => {
            let first = random.below(1_000);
            let end = first + 1 + random.below(60_000);
            let origin = Arc::new(Origin { path: id.to_string().into(), identity: id, first });
            let mut item = item(id, Box::new(Numbered { id, next: first, end, origin }));
            if random.below(6) == 0 {
                item.gain = 0.5;
            }
            item.fade_in = (random.below(4) == 0).then_some(500);
            Command::Load { tier, item, place: Place::Back }
        }
        6 => Command::Skip { tier: None, ramp: Some(ramp), wait: false },
        7 => Command::Stop { tier, ramp },
        8 => Command::Fade { tier: Some(tier), gain: 0.5, ramp },
        9 | 10 => Command::Fade { tier: (random.below(2) == 0).then_some(tier), gain: 1.0, ramp },
        11 => Command::Fade { tier: None, gain: 0.25, ramp },
        12 => chain(&["compressor"]),
        _ => chain(if random.below(2) == 0 { &["silence_detector"] } else { &[] }),
    }
}

#[test]
fn what_is_said_to_be_a_file_is_that_file_whatever_happens() {
    let (mut said, mut is) = (0, 0);
    for seed in 0..40 {
        let mut random = Random(seed * 77 + 1);
        let crossfade = Ramp { length: [0, 2_000][seed as usize % 2], curve: Curve::EqualPower };
        let ladder = LadderConfig {
            joins: Joins { crossfade, rate: RATE },
            returns: [Return::Resume; Tier::COUNT],
            ..rig::ladder()
        };
        let mut rig = Rig::with_chain_late(ladder, &[], LATENCY);
        let begin = random.below(50_000);
        let (writer, mut reader) = tap(BLOCK * 4);
        rig.send(begin, Command::AddTap(Tap { id: TapId(1), writer }));
        let (mut stretches, mut heard) = (Vec::<(Frames, Option<Part>)>::new(), Vec::new());
        for id in 1..300_u64 {
            let at = rig.out.len() as Frames + random.below(3_000);
            let command = command(&mut random, id);
            rig.send(at, command);
            rig.run(rig.out.len() as Frames + 1_000, &[480, 17, 333]);
            let mut block = [[0.0; 2]; 2_000];
            loop {
                while reader.next_mark().is_some() {}
                let (_, frames) = reader.read(&mut block);
                while let Some(stretch) = reader.next_stretch() {
                    stretches.push((stretch.at, stretch.of));
                }
                heard.extend_from_slice(&block[..frames]);
                if frames == 0 {
                    break;
                }
            }
        }
        let ends = stretches.iter().skip(1).map(|(at, _)| *at).chain([heard.len() as Frames]);
        for ((at, part), end) in stretches.iter().zip(ends) {
            let Some(part) = part else { continue };
            let id: u64 = part.origin.path.display().to_string().parse().expect("a number");
            for n in *at..end.min(heard.len() as Frames) {
                assert_eq!(
                    heard[n as usize],
                    frame(id, part.frame + n - at),
                    "seed {seed}, frame {n} of the tap"
                );
                said += 1;
            }
        }
        // At any other gain the frames do not go up by as much.
        let whole = |pair: &&[Stereo]| {
            pair[0][0] >= 1.0 && pair[0][0] == pair[1][0] && pair[1][1] - pair[0][1] == 1.0 / 65_536.0
        };
        is += heard.windows(2).filter(whole).count();
    }
    // Nor is much of it kept quiet about, but for where one chain takes over from another.
    assert!(said > 500_000 && said * 2 > is, "{said} of {is} frames are said to be a file's");
}
