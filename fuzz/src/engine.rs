//! Any bytes as commands to an engine: whatever is asked of it, what comes out is finite, in order, the same in blocks of any
//! size, and made without the allocator.

use std::collections::BTreeMap;
use std::sync::Arc;

use airchain::core::bus::{Tap, TapId};
use airchain::core::chain::{Chain, NodeSpec, ParamValue};
use airchain::core::control::{Command, CommandId, Event, EventKind, Place, Ramp, When};
use airchain::core::curve::Curve;
use airchain::core::deck::{ItemId, Prepared};
use airchain::core::dsp::{Format, NODES, ParamKind};
use airchain::core::engine::{EngineConfig, engine};
use airchain::core::feed::{FeedWriter, feed};
use airchain::core::item::Metadata;
use airchain::core::ladder::{LadderConfig, Return};
use airchain::core::program::Joins;
use airchain::core::tap::{TapReader, tap};
use airchain::core::tier::Tier;
use airchain::core::{Frames, Stereo};
use arbitrary::{Result, Unstructured};
use testkit::alloc::assert_no_alloc;

use crate::{Seed, material};

/// Low, so that a second of it costs little.
const RATE: u32 = 8_000;
/// Frames between two looks at what the outside has done.
const BLOCK: usize = 80;
/// Frames of a run.
const END: Frames = 4_000;
/// Frames reserved for what chains look ahead.
const LATENCY: usize = 400;
/// Commands of a run at most.
const MOST: usize = 16;

pub(crate) fn body(data: &[u8]) {
    let Ok(script) = Script::read(&mut Unstructured::new(data)) else { return };
    let reference = script.play(&[BLOCK]);
    reference.judge(&script);
    // A chain that overflows is reset by the block.
    if reference.events.iter().any(|event| matches!(event.kind, EventKind::ChainReset)) {
        return;
    }
    // Never in step with what it is compared to.
    let blocks = &[7, 33, BLOCK - 1];
    let other = script.play(blocks);
    let differs = reference.out.iter().zip(&other.out).position(|(one, other)| one != other);
    assert_eq!(differs, None, "audio in blocks of {blocks:?}");
    let said = |played: &Played| played.events.iter().map(|event| format!("{event:?}")).collect::<Vec<_>>();
    assert_eq!(said(&reference), said(&other), "events in blocks of {blocks:?}");
}

/// What is asked of an engine.
struct Script {
    ladder: LadderConfig,
    chain: Vec<NodeSpec>,
    acts: Vec<(Frames, Act)>,
}

/// A [`Command`] that can be given more than once.
enum Act {
    Load(Tier, Song, Place),
    Unload(Tier, ItemId),
    Level(Tier, ItemId, f32),
    Move(Tier, ItemId, Place),
    Skip(Option<Tier>, Option<Ramp>, bool),
    Stop(Tier, Ramp),
    Fade(Option<Tier>, f32, Ramp),
    SetChain(Vec<NodeSpec>),
    SetParam(usize, usize, f32),
    AddTap(u64),
    RemoveTap(u64),
    SetMetadata,
    Retitle(Tier, ItemId),
}

/// An item, and how it comes to its deck.
struct Song {
    id: ItemId,
    level: Stereo,
    length: usize,
    /// Frames that are there when it is loaded; all of them where it is no less than `length`.
    head: usize,
    /// Frames that come with every block from then on; none is a decoder that hangs.
    piece: usize,
    fades: [Option<Frames>; 2],
    start_next: Option<Frames>,
}

/// Levels that decoders may come with.
const LEVELS: [f32; 8] = [0.3, -1.0, 0.0, 1e-40, 4.0, 1e6, 1e30, f32::MAX];

impl Script {
    fn read(u: &mut Unstructured<'_>) -> Result<Self> {
        let crossfade = ramp(u)?;
        let mut takeover = [crossfade; Tier::COUNT];
        let mut returns = [Return::Next; Tier::COUNT];
        for tier in 0..Tier::COUNT {
            takeover[tier] = ramp(u)?;
            returns[tier] = *u.choose(&[Return::Next, Return::Resume, Return::Restart])?;
        }
        let ladder = LadderConfig { joins: Joins { crossfade, rate: RATE }, takeover, returns };
        let chain = nodes(u)?;
        let mut acts = Vec::new();
        while !u.is_empty() && acts.len() < MOST {
            let at = Frames::from(u.arbitrary::<u16>()?) % END;
            acts.push((at, act(u, acts.len() as u64)?));
        }
        acts.sort_by_key(|(at, _)| *at);
        Ok(Self { ladder, chain, acts })
    }

    fn play(&self, blocks: &[usize]) -> Played {
        let chain =
            chain(&self.chain).or_else(|| chain(&[])).unwrap_or_else(|| panic!("no chain cannot be built"));
        let (mut control, mut engine) =
            engine(&EngineConfig { max_block: BLOCK, ladder: self.ladder }, chain);
        let (mut decoders, mut taps): (Vec<Decoder>, Vec<TapReader>) = (Vec::new(), Vec::new());
        let mut played = Played { out: vec![[0.0; 2]; END as usize], events: Vec::new(), sent: Vec::new() };
        let mut acts = self.acts.iter().peekable();
        let mut now = 0;
        while now < END as usize {
            decoders.iter_mut().for_each(Decoder::deliver);
            // Sent up to a block ahead, so that each falls due somewhere within one.
            while let Some((at, act)) = acts.next_if(|(at, _)| *at < (now + BLOCK) as Frames) {
                let Some(command) = act.command(&mut decoders, &mut taps) else { continue };
                let sent = control.send(When::At(*at), command);
                played.sent.push(sent.unwrap_or_else(|_| panic!("the ring is full")));
            }
            let upto = now + BLOCK;
            for block in blocks.iter().cycle() {
                let next = (now + block).min(upto);
                assert_no_alloc(|| engine.render(&mut played.out[now..next]));
                now = next;
                if now == upto {
                    break;
                }
            }
            played.events.extend(std::iter::from_fn(|| control.poll()));
        }
        played
    }
}

fn ramp(u: &mut Unstructured<'_>) -> Result<Ramp> {
    let length = Frames::from(u.arbitrary::<u16>()?) % 4_000;
    Ok(Ramp { length, curve: u.choose(&Curve::ALL)?.1 })
}

fn gain(u: &mut Unstructured<'_>) -> Result<f32> {
    u.choose(&[0.0, 0.25, 1.0, 100.0]).copied()
}

fn tier(u: &mut Unstructured<'_>) -> Result<Tier> {
    u.choose(&Tier::ALL).copied()
}

fn act(u: &mut Unstructured<'_>, number: u64) -> Result<Act> {
    let some_item = |u: &mut Unstructured<'_>| Ok(ItemId(u64::from(u.arbitrary::<u8>()?) % (number + 1)));
    let place = |u: &mut Unstructured<'_>| {
        Ok(match u.arbitrary::<u8>()? % 6 {
            0 => Place::Front,
            1 => Place::Now(None),
            2 => Place::Now(Some(ramp(u)?)),
            3 => Place::Before(some_item(u)?),
            _ => Place::Back,
        })
    };
    Ok(match u.arbitrary::<u8>()? % 20 {
        0..=7 => Act::Load(tier(u)?, song(u, number)?, place(u)?),
        8 => Act::Unload(tier(u)?, some_item(u)?),
        9 => Act::Level(tier(u)?, some_item(u)?, gain(u)?),
        10 => Act::Move(tier(u)?, some_item(u)?, place(u)?),
        11 => Act::Skip(
            if u.arbitrary()? { Some(tier(u)?) } else { None },
            if u.arbitrary()? { Some(ramp(u)?) } else { None },
            u.arbitrary()?,
        ),
        12 => Act::Stop(tier(u)?, ramp(u)?),
        13 => Act::Fade(if u.arbitrary()? { Some(tier(u)?) } else { None }, gain(u)?, ramp(u)?),
        14 | 15 => Act::SetChain(nodes(u)?),
        16 => Act::SetParam(
            usize::from(u.arbitrary::<u8>()? % 6),
            usize::from(u.arbitrary::<u8>()? % 24),
            u.arbitrary()?,
        ),
        17 => Act::AddTap(u64::from(u.arbitrary::<u8>()? % 4)),
        18 => Act::RemoveTap(u64::from(u.arbitrary::<u8>()? % 4)),
        19 if u.arbitrary()? => Act::Retitle(tier(u)?, some_item(u)?),
        _ => Act::SetMetadata,
    })
}

fn song(u: &mut Unstructured<'_>, number: u64) -> Result<Song> {
    let length = usize::from(u.arbitrary::<u16>()?) % 5_000;
    let fade = |u: &mut Unstructured<'_>| {
        Ok(if u.arbitrary()? { Some(Frames::from(u.arbitrary::<u16>()?) % 1_000) } else { None })
    };
    Ok(Song {
        id: ItemId(number),
        level: [*u.choose(&LEVELS)?, *u.choose(&LEVELS)?],
        length,
        head: if u.arbitrary()? { length } else { usize::from(u.arbitrary::<u16>()?) % 4_000 },
        piece: usize::from(u.arbitrary::<u8>()?),
        fades: [fade(u)?, fade(u)?],
        start_next: if u.arbitrary::<u8>()? < 32 { Some(Frames::from(u.arbitrary::<u16>()?)) } else { None },
    })
}

/// A chain of any nodes, with any settings.
fn nodes(u: &mut Unstructured<'_>) -> Result<Vec<NodeSpec>> {
    let mut specs = Vec::new();
    for _ in 0..u.arbitrary::<u8>()? % 4 {
        let info = u.choose(NODES)?.info;
        let mut config = BTreeMap::new();
        for _ in 0..u.arbitrary::<u8>()? % 4 {
            if info.params.is_empty() {
                break;
            }
            let param = u.choose(info.params)?;
            let value = match param.kind {
                ParamKind::Number { min, max, .. } => {
                    // Thirds, quarters and the ends of the range.
                    let part = f64::from(u.arbitrary::<u8>()? % 13) / 12.0;
                    ParamValue::Number(f64::from(min) + part * f64::from(max - min))
                }
                ParamKind::Switch => ParamValue::Switch(u.arbitrary()?),
                ParamKind::Choice(words) => ParamValue::Word((*u.choose(words)?).to_owned()),
            };
            config.insert(param.name.to_owned(), value);
        }
        specs.push(NodeSpec { node: info.name.to_owned(), config });
    }
    Ok(specs)
}

/// The chain, if there can be such a one.
fn chain(specs: &[NodeSpec]) -> Option<Chain> {
    Chain::build(specs, Format { sample_rate_hz: RATE, max_block: BLOCK }, LATENCY).ok()
}

/// What fills an item.
struct Decoder {
    writer: Option<FeedWriter>,
    level: Stereo,
    left: usize,
    piece: usize,
}

impl Decoder {
    fn deliver(&mut self) {
        let Some(writer) = &mut self.writer else { return };
        self.left -= writer.push(&vec![self.level; self.piece.min(self.left)]);
        if self.left == 0 {
            self.writer = None;
        }
    }
}

impl Act {
    /// The command; none where it brings a chain that cannot be.
    fn command(&self, decoders: &mut Vec<Decoder>, taps: &mut Vec<TapReader>) -> Option<Command> {
        Some(match self {
            Self::Load(tier, song, place) => {
                Command::Load { tier: *tier, item: song.open(decoders), place: *place }
            }
            Self::Unload(tier, item) => Command::Unload { tier: *tier, item: *item },
            Self::Level(tier, item, gain) => {
                Command::Level { tier: *tier, item: *item, gain: *gain, levelled_lufs: Some(-16.0) }
            }
            Self::Move(tier, item, place) => Command::Move { tier: *tier, item: *item, place: *place },
            Self::Skip(tier, ramp, wait) => Command::Skip { tier: *tier, ramp: *ramp, wait: *wait },
            Self::Stop(tier, ramp) => Command::Stop { tier: *tier, ramp: *ramp },
            Self::Fade(tier, gain, ramp) => Command::Fade { tier: *tier, gain: *gain, ramp: *ramp },
            Self::SetChain(nodes) => Command::SetChain(Box::new(chain(nodes)?)),
            Self::SetParam(node, param, value) => {
                Command::SetParam { node: *node, param: *param, value: *value }
            }
            Self::AddTap(id) => {
                let (writer, reader) = tap(3 * BLOCK);
                taps.push(reader);
                Command::AddTap(Tap { id: TapId(*id), writer })
            }
            Self::RemoveTap(id) => Command::RemoveTap(TapId(*id)),
            Self::SetMetadata => Command::SetMetadata(Arc::default()),
            Self::Retitle(tier, item) => {
                Command::Retitle { tier: *tier, item: *item, metadata: Arc::default() }
            }
        })
    }
}

impl Song {
    fn open(&self, decoders: &mut Vec<Decoder>) -> Box<Prepared> {
        let (mut writer, reader) = feed(self.length);
        let head = self.head.min(self.length);
        writer.push(&vec![self.level; head]);
        let writer = (head < self.length).then_some(writer);
        decoders.push(Decoder { writer, level: self.level, left: self.length - head, piece: self.piece });
        let [fade_in, fade_out] = self.fades;
        Box::new(Prepared {
            id: self.id,
            source: Box::new(reader),
            gain: 1.0,
            levelled_lufs: None,
            fade_in,
            fade_out,
            curve: None,
            start_next: self.start_next,
            metadata: Arc::new(Metadata {
                title: Some(format!("item {}", self.id.0)),
                ..Metadata::default()
            }),
        })
    }
}

/// What came of a script.
struct Played {
    out: Vec<Stereo>,
    events: Vec<Event>,
    sent: Vec<CommandId>,
}

impl Played {
    fn judge(&self, script: &Script) {
        let odd = self.out.iter().position(|frame| frame.iter().any(|sample| !sample.is_finite()));
        assert_eq!(odd, None, "not a number, with {:?}", script.chain);
        let of_their_time =
            self.events.iter().filter(|event| !matches!(event.kind, EventKind::Underrun { .. }));
        let frames: Vec<Frames> = of_their_time.map(|event| event.frame).collect();
        assert!(frames.is_sorted(), "events out of order: {:?}", self.events);
        let mut answered: Vec<CommandId> = self
            .events
            .iter()
            .filter_map(|event| match event.kind {
                EventKind::CommandDone(id) | EventKind::CommandFailed(id, _) => Some(id),
                _ => None,
            })
            .collect();
        answered.sort();
        assert_eq!(answered, self.sent, "every command is answered once");
    }
}

pub(crate) fn seeds() -> Vec<Seed> {
    material::random(16, 400)
}
