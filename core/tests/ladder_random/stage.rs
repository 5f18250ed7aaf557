//! A script on the test bench.

use std::sync::Arc;

use airchain_core::chain::Chain;
use airchain_core::control::{Command, CommandId, Event, Place, Ramp};
use airchain_core::curve::Curve;
use airchain_core::deck::{ItemId, Prepared};
use airchain_core::dsp::Format;
use airchain_core::feed::{FeedReader, FeedWriter, feed};
use airchain_core::ladder::LadderConfig;
use airchain_core::program::Joins;
use airchain_core::source::{Fill, Source};
use airchain_core::tier::Tier;
use airchain_core::{Frames, Stereo};
use testkit::rig::{self, BLOCK, DECLICK, RATE, Rig};

use crate::script::{Act, BUSY, Script, Song, Spot, Supply};

/// From here on every tier is stopped, so that every item ends.
pub(crate) const STOPPED: Frames = BUSY.next_multiple_of(BLOCK as Frames) + 20_160;
/// Stopped items are over, and what they left is freed.
pub(crate) const END: Frames = STOPPED + 4_800;

/// What came of a script.
pub(crate) struct Played {
    pub(crate) out: Vec<Stereo>,
    pub(crate) events: Vec<Event>,
    /// The command by which each item was loaded.
    pub(crate) loads: Vec<CommandId>,
    /// The commands of the script, each with its act.
    pub(crate) commands: Vec<(CommandId, usize)>,
    /// Whether every item was given back.
    pub(crate) freed: bool,
}

/// A feed that shows when it has been given back.
struct Lent(FeedReader, #[expect(dead_code, reason = "counted")] Arc<()>);

impl Source for Lent {
    fn fill(&mut self, out: &mut [Stereo]) -> Fill {
        self.0.fill(out)
    }

    fn remaining(&self) -> Option<Frames> {
        self.0.remaining()
    }

    fn available(&self) -> Frames {
        self.0.available()
    }
}

/// The decoder of an item.
struct Decoder {
    writer: Option<FeedWriter>,
    level: Stereo,
    left: usize,
    loaded: Frames,
    supply: Supply,
}

impl Decoder {
    /// Delivers what is due in the block that begins at `now`.
    fn deliver(&mut self, now: Frames) {
        let (Supply::Pieces { every, piece, .. }, Some(writer)) = (&self.supply, &mut self.writer) else {
            return;
        };
        let block = now.saturating_sub(self.loaded) / BLOCK as Frames;
        if now > self.loaded && block.is_multiple_of(*every) {
            let frames = self.left.min(*piece);
            self.left -= writer.push(&vec![self.level; frames]);
            if self.left == 0 {
                self.writer = None;
            }
        }
    }
}

/// Plays a script in blocks as long as `blocks` says; `level` of an item is that of each of its frames.
pub(crate) fn play(script: &Script, blocks: &[usize], level: impl Fn(usize) -> Stereo) -> Played {
    let joins = Joins { crossfade: script.crossfade, rate: RATE };
    let takeover = script.takeover;
    let mut rig = Rig::new(LadderConfig { joins, takeover, returns: script.returns });
    let lent = Arc::new(());
    let (mut decoders, mut loads, mut commands) = (Vec::new(), Vec::new(), Vec::new());
    for (number, (at, act)) in script.acts.iter().enumerate() {
        let known = loads.len();
        let Some(command) = command(act, *at, known, script, &level, &mut decoders, &lent) else {
            continue;
        };
        let id = rig.send(*at, command);
        commands.push((id, number));
        if matches!(act, Act::Load(..)) {
            loads.push(id);
        }
    }
    for tier in Tier::ALL {
        rig.send(STOPPED, Command::Stop { tier, ramp: Ramp { length: DECLICK, curve: Curve::SCurve } });
    }
    for now in (0..END).step_by(BLOCK) {
        for decoder in &mut decoders {
            decoder.deliver(now);
        }
        rig.run(now + BLOCK as Frames, blocks);
    }
    let freed = Arc::strong_count(&lent) == 1;
    Played { out: rig.out, events: rig.events, loads, commands, freed }
}

/// The command for an act; `None` where there is nothing yet that it could be about.
fn command(
    act: &Act,
    at: Frames,
    known: usize,
    script: &Script,
    level: &impl Fn(usize) -> Stereo,
    decoders: &mut Vec<Decoder>,
    lent: &Arc<()>,
) -> Option<Command> {
    let place = |spot: Spot| match spot {
        Spot::Before(nth) if known > 0 => Place::Before(ItemId((nth % known) as u64)),
        Spot::Back | Spot::Before(_) => Place::Back,
        Spot::Front => Place::Front,
        Spot::Now(ramp) => Place::Now(Some(ramp)),
    };
    let one = |nth: usize| {
        let nth = nth.checked_rem(known)?;
        script.songs().nth(nth).map(|(_, song)| (song.tier, ItemId(nth as u64)))
    };
    Some(match act {
        Act::Load(song, spot) => {
            let item = load(song, at, known, level(known), decoders, lent);
            Command::Load { tier: song.tier, item, place: place(*spot) }
        }
        Act::Unload(nth) => one(*nth).map(|(tier, item)| Command::Unload { tier, item })?,
        Act::Move(nth, spot) => {
            one(*nth).map(|(tier, item)| Command::Move { tier, item, place: place(*spot) })?
        }
        Act::Skip { tier, ramp, wait } => Command::Skip { tier: *tier, ramp: *ramp, wait: *wait },
        Act::Stop(tier, ramp) => Command::Stop { tier: *tier, ramp: *ramp },
        Act::Fade { tier, gain, ramp } => Command::Fade { tier: *tier, gain: *gain, ramp: *ramp },
        Act::SetChain => {
            let format = Format { sample_rate_hz: RATE, max_block: BLOCK };
            Command::SetChain(Box::new(Chain::build(&[], format, 0).ok()?))
        }
        Act::SetMetadata => Command::SetMetadata(Arc::default()),
    })
}

fn load(
    song: &Song,
    at: Frames,
    id: usize,
    level: Stereo,
    decoders: &mut Vec<Decoder>,
    lent: &Arc<()>,
) -> Box<Prepared> {
    let (mut writer, reader) = feed(song.length);
    let head = match song.supply {
        Supply::Whole => song.length,
        Supply::Pieces { head, .. } | Supply::Hangs { head } => head.min(song.length),
    };
    writer.push(&vec![level; head]);
    let writer = (!matches!(song.supply, Supply::Whole)).then_some(writer);
    let left = song.length - head;
    decoders.push(Decoder { writer, level, left, loaded: at, supply: song.supply.clone() });
    let mut item = rig::item(id as u64, Box::new(Lent(reader, Arc::clone(lent))));
    [item.fade_in, item.fade_out] = song.fades;
    item.start_next = song.start_next;
    item
}
