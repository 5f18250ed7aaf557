//! What a ladder promises, checked on what was heard and said.

use airchain_core::Frames;
use airchain_core::control::{Ending, EventKind};
use airchain_core::deck::ItemId;
use airchain_core::tier::Tier;
use testkit::rig::DECLICK;

use crate::script::{Act, LONGEST, Script, Spot, Supply};
use crate::stage::{END, Played, STOPPED, play};

/// No gain moves faster: three fades of 5 ms at once.
const SLOPE: f32 = 0.026;
/// Less than this is not heard. Two operator's fades of a quarter each are.
const AUDIBLE: f32 = 0.002;
/// The longest that a hand-over may be this quiet: one tier has run dry and the next rises.
const QUIET: usize = 480;

/// One item, from its loading on.
struct Life {
    tier: Tier,
    /// Its supply cannot run short.
    whole: bool,
    length: Frames,
    /// The next item may start over it, and be over first.
    overlaps: bool,
    loaded: Option<Frames>,
    /// When listeners were told that it starts.
    started: Option<Frames>,
    over: Option<(Frames, Option<Ending>, Frames)>,
    ends: usize,
    /// Its gain at every frame.
    gain: Vec<f32>,
}

impl Life {
    /// Whether its tier has it at a frame.
    fn is_there(&self, frame: Frames) -> bool {
        self.loaded.is_some_and(|loaded| loaded <= frame) && self.over.is_none_or(|(over, ..)| over > frame)
    }

    /// Whether its tier has it at a frame and it is not on its way out.
    fn is_playable(&self, frame: Frames) -> bool {
        let fade = match self.over {
            Some((_, Some(Ending::Skipped | Ending::Stopped), _)) => LONGEST,
            Some((_, Some(Ending::Finished), _)) if self.overlaps => LONGEST,
            _ => 0,
        };
        self.is_there(frame) && self.is_there(frame + fade)
    }
}

/// A script, what was heard of each item, and what was said.
pub(crate) struct Heard<'a> {
    script: &'a Script,
    played: Played,
    lives: Vec<Life>,
    /// The tier on air at every frame.
    on_air: Vec<Option<Tier>>,
}

impl<'a> Heard<'a> {
    pub(crate) fn of(script: &'a Script) -> Self {
        let count = script.songs().count();
        let mut gains = Vec::new();
        let mut last = None;
        for pair in 0..count.div_ceil(2).max(1) {
            let solo = |item| match item {
                _ if item == 2 * pair => [1.0, 0.0],
                _ if item == 2 * pair + 1 => [0.0, 1.0],
                _ => [0.0, 0.0],
            };
            let played = play(script, &[480], solo);
            gains.extend([0, 1].map(|ch| played.out.iter().map(|frame| frame[ch]).collect::<Vec<_>>()));
            last = Some(played);
        }
        let mut lives: Vec<Life> = script
            .songs()
            .zip(gains)
            .map(|((_, song), gain)| Life {
                tier: song.tier,
                whole: matches!(song.supply, Supply::Whole),
                length: song.length as Frames,
                overlaps: song.start_next.is_some() || script.crossfade.length > 0,
                loaded: None,
                started: None,
                over: None,
                ends: 0,
                gain,
            })
            .collect();
        let played = last.unwrap_or_else(|| play(script, &[480], |_| [0.0; 2]));
        let mut on_air = vec![None; END as usize];
        for event in &played.events {
            let at = event.frame;
            match &event.kind {
                EventKind::PriorityChanged { to, .. } => on_air[at as usize..].fill(*to),
                EventKind::NowPlaying { item, started: true, .. } => {
                    lives[item.0 as usize].started = Some(at);
                }
                EventKind::ItemEnded { item, ending, played, .. } => {
                    let life = &mut lives[item.0 as usize];
                    (life.over, life.ends) = (Some((at, Some(*ending), *played)), life.ends + 1);
                }
                EventKind::ItemUnused { item, .. } => {
                    let life = &mut lives[item.0 as usize];
                    (life.over, life.ends) = (Some((at, None, 0)), life.ends + 1);
                }
                EventKind::CommandDone(id) => {
                    if let Some(item) = played.loads.iter().position(|load| load == id) {
                        lives[item].loaded = Some(at);
                    }
                }
                _ => {}
            }
        }
        Self { script, played, lives, on_air }
    }

    /// The first promise that is broken.
    pub(crate) fn judge(&self) -> Result<(), String> {
        self.every_item_ends_once()?;
        self.items_are_heard_when_it_is_said()?;
        self.nothing_clicks()?;
        self.the_highest_tier_has_the_air()?;
        self.only_the_tier_on_air_is_heard()?;
        self.there_is_no_dead_air()?;
        self.first_come_first_heard()
    }

    fn every_item_ends_once(&self) -> Result<(), String> {
        for (item, life) in self.lives.iter().enumerate() {
            let ends = usize::from(life.loaded.is_some());
            if life.ends != ends {
                return Err(format!(
                    "item {item} was loaded at {:?} and ended {} times",
                    life.loaded, life.ends
                ));
            }
            let Some((over, ending, played)) = life.over else { continue };
            if life.loaded > Some(over) || life.started.is_some_and(|started| started > over) {
                return Err(format!("item {item} was over at {over}, before it began"));
            }
            // What is crossfaded at its end may be cut short in that.
            let short = ending == Some(Ending::Finished) && played + LONGEST < life.length;
            if played > life.length || short {
                return Err(format!("item {item}: {ending:?} after {played} of {} frames", life.length));
            }
        }
        if self.played.freed { Ok(()) } else { Err("not every item was given back".into()) }
    }

    fn items_are_heard_when_it_is_said(&self) -> Result<(), String> {
        for (item, life) in self.lives.iter().enumerate() {
            let heard = life.gain.iter().position(|gain| *gain != 0.0).map(|frame| frame as Frames);
            let last = life.gain.iter().rposition(|gain| *gain != 0.0).map(|frame| frame as Frames);
            if !life.gain.iter().all(|gain| (0.0..=1.0).contains(gain)) {
                return Err(format!("item {item}: a gain that is none"));
            }
            if life.over.is_none_or(|(over, ..)| last.is_some_and(|last| last >= over)) && last.is_some() {
                return Err(format!("item {item} is heard at {last:?} and was over at {:?}", life.over));
            }
            // It is told at its first frame, unless that fell into the fade of a tier that lost the air just then.
            let fell = heard.is_some_and(|heard| self.on_air[heard as usize] != Some(life.tier));
            let told = match (heard, life.started) {
                (None, Some(_)) => self.script.turns_down(),
                (Some(heard), Some(started)) if heard > started => self.script.turns_down(),
                (heard, started) => heard == started || fell,
            };
            if !told {
                return Err(format!(
                    "item {item} is heard from {heard:?} and announced at {:?}",
                    life.started
                ));
            }
        }
        Ok(())
    }

    fn nothing_clicks(&self) -> Result<(), String> {
        for (item, life) in self.lives.iter().enumerate() {
            // Shorter than its fades, it cannot but be steep.
            if life.length < 4 * DECLICK {
                continue;
            }
            // An item begins and ends as it was made.
            let begins = life.gain.iter().position(|gain| *gain != 0.0);
            let ends =
                life.over.filter(|(_, _, played)| *played == life.length).map(|(over, ..)| over as usize);
            for (frame, pair) in (1..).zip(life.gain.windows(2)) {
                let step = (pair[1] - pair[0]).abs();
                if step > SLOPE
                    && Some(frame) != begins
                    && !ends.is_some_and(|ends| frame <= ends && frame + DECLICK as usize > ends)
                {
                    return Err(format!("item {item}: a step of {step} at {frame}, in {:?}", life.over));
                }
            }
        }
        Ok(())
    }

    /// A tier all of whose items are there in full cannot be passed over.
    fn sure_tier(&self, frame: Frames) -> Option<Tier> {
        Tier::ALL.into_iter().find(|tier| {
            let mut items =
                self.lives.iter().filter(|life| life.tier == *tier && life.is_there(frame)).peekable();
            items.peek().is_some() && items.all(|life| life.whole && life.is_playable(frame))
        })
    }

    fn the_highest_tier_has_the_air(&self) -> Result<(), String> {
        for frame in 0..END {
            let (sure, on_air) = (self.sure_tier(frame), self.on_air[frame as usize]);
            if sure.is_some_and(|sure| on_air.is_none_or(|on_air| on_air > sure)) {
                return Err(format!("{on_air:?} is on air at {frame}, and {sure:?} has audio"));
            }
            let has_items = |tier| self.lives.iter().any(|life| life.tier == tier && life.is_there(frame));
            if let Some(tier) = on_air.filter(|tier| !has_items(*tier)) {
                return Err(format!("{tier:?} is on air at {frame} without an item"));
            }
        }
        Ok(())
    }

    fn only_the_tier_on_air_is_heard(&self) -> Result<(), String> {
        let mut lost = [0; Tier::COUNT];
        for frame in 1..END as usize {
            for tier in Tier::ALL {
                if self.on_air[frame] != Some(tier) && self.on_air[frame - 1] == Some(tier) {
                    lost[tier.index()] = frame;
                }
            }
            for (item, life) in self.lives.iter().enumerate().filter(|(_, life)| life.gain[frame] > 0.0) {
                let fades = frame - lost[life.tier.index()] <= LONGEST as usize;
                if self.on_air[frame] != Some(life.tier) && !fades {
                    return Err(format!("item {item} is heard at {frame}, long after its tier lost the air"));
                }
            }
        }
        Ok(())
    }

    fn there_is_no_dead_air(&self) -> Result<(), String> {
        if self.script.turns_down() {
            return Ok(());
        }
        let mut quiet = 0;
        for frame in 0..STOPPED as usize {
            let heard: f32 = self.lives.iter().map(|life| life.gain[frame]).sum();
            quiet = if heard > AUDIBLE || self.sure_tier(frame as Frames).is_none() { 0 } else { quiet + 1 };
            if quiet > QUIET {
                return Err(format!("dead air up to {frame}"));
            }
        }
        Ok(())
    }

    /// Within a tier, items start in the order in which they wait.
    fn first_come_first_heard(&self) -> Result<(), String> {
        let mut waiting: [Vec<usize>; Tier::COUNT] = Default::default();
        let mut put_first = [END; Tier::COUNT];
        let mut unsure = [false; Tier::COUNT];
        for event in &self.played.events {
            match &event.kind {
                EventKind::CommandDone(id) => {
                    let Some((_, act)) = self.played.commands.iter().find(|(command, _)| command == id)
                    else {
                        continue;
                    };
                    let (item, spot) = match &self.script.acts[*act].1 {
                        Act::Load(_, spot) => (self.played.loads.iter().position(|load| load == id), spot),
                        Act::Move(nth, spot) => (Some(nth % self.known(*act)), spot),
                        _ => continue,
                    };
                    let Some(item) = item else { continue };
                    let tier = self.lives[item].tier.index();
                    waiting[tier].retain(|other| *other != item);
                    let before = |nth: usize| {
                        let nth = nth.checked_rem(self.known(*act))?;
                        Some(waiting[tier].iter().position(|other| *other == nth).unwrap_or(0))
                    };
                    let index = match spot {
                        Spot::Back => waiting[tier].len(),
                        Spot::Front | Spot::Now(_) => 0,
                        Spot::Before(nth) => before(*nth).unwrap_or(waiting[tier].len()),
                    };
                    // One that is short of audio may be on a deck already, which is not told.
                    unsure[tier] |= matches!(spot, Spot::Before(_))
                        && !waiting[tier].iter().all(|item| self.lives[*item].whole);
                    if index < waiting[tier].len() {
                        put_first[tier] = event.frame;
                    }
                    waiting[tier].insert(index, item);
                }
                EventKind::NowPlaying { tier, item: ItemId(item), started: true, .. } => {
                    let (unsure, waiting) = (unsure[tier.index()], &mut waiting[tier.index()]);
                    let index = waiting.iter().position(|other| *other == *item as usize);
                    let Some(index) = index else {
                        return Err(format!("item {item} starts and did not wait"));
                    };
                    // One that was put before the others at this very frame may have come too late.
                    let passed = waiting[..index].iter().any(|other| self.lives[*other].whole);
                    if passed
                        && !unsure
                        && self.lives[*item as usize].whole
                        && put_first[tier.index()] != event.frame
                    {
                        return Err(format!("item {item} starts at {} before {waiting:?}", event.frame));
                    }
                    waiting.remove(index);
                }
                EventKind::ItemEnded { tier, item, .. } | EventKind::ItemUnused { tier, item } => {
                    waiting[tier.index()].retain(|other| *other != item.0 as usize);
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// Items loaded before an act.
    fn known(&self, act: usize) -> usize {
        self.script.acts[..act].iter().filter(|(_, act)| matches!(act, Act::Load(..))).count()
    }
}

const _: () = assert!(LONGEST >= DECLICK);
