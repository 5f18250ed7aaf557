//! Random scripts: what an operator, the automation and the decoders may do to a ladder.

use airchain_core::Frames;
use airchain_core::control::Ramp;
use airchain_core::curve::Curve;
use airchain_core::ladder::Return;
use airchain_core::tier::Tier;
use proptest::prelude::*;

/// Scripts do things until this frame.
pub(crate) const BUSY: Frames = 40_000;
/// The longest fade in a script.
pub(crate) const LONGEST: Frames = 2_400;

/// How an item's frames reach its deck.
#[derive(Clone, Debug)]
pub(crate) enum Supply {
    /// All at once.
    Whole,
    /// Some at once; the rest in pieces, one every so many blocks from its loading on.
    Pieces { head: usize, every: u64, piece: usize },
    /// Some at once and then nothing for ever.
    Hangs { head: usize },
}

#[derive(Clone, Debug)]
pub(crate) struct Song {
    pub(crate) tier: Tier,
    pub(crate) length: usize,
    pub(crate) supply: Supply,
    pub(crate) fades: [Option<Frames>; 2],
    pub(crate) start_next: Option<Frames>,
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum Spot {
    Back,
    Front,
    Now(Ramp),
    /// Before one of the items loaded so far.
    Before(usize),
}

#[derive(Clone, Debug)]
pub(crate) enum Act {
    Load(Song, Spot),
    /// Of one of the items loaded so far.
    Unload(usize),
    Move(usize, Spot),
    Skip {
        tier: Option<Tier>,
        ramp: Option<Ramp>,
        wait: bool,
    },
    Stop(Tier, Ramp),
    Fade {
        tier: Option<Tier>,
        gain: f32,
        ramp: Ramp,
    },
    SetChain,
    SetMetadata,
}

#[derive(Clone, Debug)]
pub(crate) struct Script {
    pub(crate) returns: [Return; Tier::COUNT],
    pub(crate) takeover: [Ramp; Tier::COUNT],
    pub(crate) crossfade: Ramp,
    /// In the order of their frames.
    pub(crate) acts: Vec<(Frames, Act)>,
}

impl Script {
    /// Every item it loads, in the order of their loading.
    pub(crate) fn songs(&self) -> impl Iterator<Item = (Frames, &Song)> {
        self.acts.iter().filter_map(|(at, act)| match act {
            Act::Load(song, _) => Some((*at, song)),
            _ => None,
        })
    }

    /// Whether an operator turns something down so far that silence is to be expected.
    pub(crate) fn turns_down(&self) -> bool {
        self.acts.iter().any(|(_, act)| matches!(act, Act::Fade { gain, .. } if *gain < 0.25))
    }
}

fn tier() -> impl Strategy<Value = Tier> {
    (0..Tier::COUNT).prop_map(|index| Tier::ALL[index])
}

fn ramp() -> impl Strategy<Value = Ramp> {
    let length = prop_oneof![Just(0), 0..LONGEST];
    (length, 0..Curve::ALL.len()).prop_map(|(length, curve)| Ramp { length, curve: Curve::ALL[curve].1 })
}

fn song() -> impl Strategy<Value = Song> {
    let length =
        prop_oneof![1 => Just(0_usize), 1 => Just(1_usize), 2 => 2..700_usize, 8 => 700..20_000_usize];
    let head = || prop_oneof![0..1_000_usize, 0..9_000_usize];
    let supply = prop_oneof![
        6 => Just(Supply::Whole),
        2 => (head(), 1..12_u64, 1..3_000_usize).prop_map(|(head, every, piece)| Supply::Pieces { head, every, piece }),
        1 => head().prop_map(|head| Supply::Hangs { head }),
    ];
    let fade = || prop_oneof![3 => Just(None), 1 => (240..480_u64).prop_map(Some)];
    let start_next = prop_oneof![9 => Just(None), 1 => (0..15_000_u64).prop_map(Some)];
    (tier(), length, supply, fade(), fade(), start_next).prop_map(
        |(tier, length, supply, fade_in, fade_out, start_next)| Song {
            tier,
            length,
            supply,
            fades: [fade_in, fade_out],
            start_next,
        },
    )
}

fn spot() -> impl Strategy<Value = Spot> {
    prop_oneof![
        6 => Just(Spot::Back),
        1 => Just(Spot::Front),
        1 => ramp().prop_map(Spot::Now),
        1 => any::<usize>().prop_map(Spot::Before),
    ]
}

fn act() -> impl Strategy<Value = Act> {
    let gain = prop_oneof![4 => 0.25..1.0_f32, 1 => Just(0.0_f32)];
    prop_oneof![
        8 => (song(), spot()).prop_map(|(song, spot)| Act::Load(song, spot)),
        1 => any::<usize>().prop_map(Act::Unload),
        1 => (any::<usize>(), spot()).prop_map(|(item, spot)| Act::Move(item, spot)),
        3 => (proptest::option::of(tier()), proptest::option::of(ramp()), any::<bool>())
            .prop_map(|(tier, ramp, wait)| Act::Skip { tier, ramp, wait }),
        2 => (tier(), ramp()).prop_map(|(tier, ramp)| Act::Stop(tier, ramp)),
        1 => (proptest::option::of(tier()), gain, ramp())
            .prop_map(|(tier, gain, ramp)| Act::Fade { tier, gain, ramp }),
        1 => Just(Act::SetChain),
        1 => Just(Act::SetMetadata),
    ]
}

/// A fallback that outlasts the script.
fn fallback() -> impl Strategy<Value = Option<(Frames, Act)>> {
    let song = Song {
        tier: Tier::Fallback,
        length: 150_000,
        supply: Supply::Whole,
        fades: [None; 2],
        start_next: None,
    };
    proptest::option::of(Just((0, Act::Load(song, Spot::Back))))
}

prop_compose! {
    pub(crate) fn script()(
        returns in proptest::array::uniform5(0..3_usize),
        takeover in proptest::array::uniform5(ramp()),
        crossfade in ramp(),
        fallback in fallback(),
        acts in proptest::collection::vec((0..BUSY, act()), 1..24),
    ) -> Script {
        let returns = returns.map(|index| [Return::Next, Return::Resume, Return::Restart][index]);
        let mut acts: Vec<_> = fallback.into_iter().chain(acts).collect();
        acts.sort_by_key(|(at, _)| *at);
        Script { returns, takeover, crossfade, acts }
    }
}
