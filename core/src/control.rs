//! The two ends of an engine: commands in, events and retired boxes out, over bounded lock-free rings.

use std::collections::VecDeque;
use std::sync::Arc;

use ringbuf::traits::{Consumer, Observer, Producer, Split};
use ringbuf::{HeapCons, HeapProd, HeapRb};

use crate::Frames;
use crate::border::Panic;
use crate::bus::{Tap, TapId};
use crate::chain::Chain;
use crate::curve::Curve;
use crate::deck::{ItemId, Prepared};
use crate::engine::{Renewal, Renewer};
use crate::item::Metadata;
use crate::ladder::Ladder;
use crate::source::Origin;
use crate::tap::{Mark, Stretch};
use crate::tier::Tier;
use crate::waiting::WAITING;

/// When a command takes effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum When {
    /// At the next block.
    Now,
    /// At this frame of the station's grid; at once if it has passed.
    At(Frames),
}

/// How quickly something falls or rises.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Ramp {
    /// Frames it takes. Anything under 5 ms is taken as 5 ms: shorter ones click.
    pub length: Frames,
    /// Its shape.
    pub curve: Curve,
}

/// Where an item goes among those waiting on its tier.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Place {
    /// Behind them all.
    Back,
    /// Before them all.
    Front,
    /// Before this one; before them all if it has started meanwhile.
    Before(ItemId),
    /// Before them all, and it starts at once, crossfaded over the item on air; by the station's crossfade when `None`.
    Now(Option<Ramp>),
}

/// What the air thread is asked to do.
pub enum Command {
    /// Puts a prepared item among those waiting on a tier; a dry tier starts it at once.
    Load {
        /// The tier.
        tier: Tier,
        /// The item.
        item: Box<Prepared>,
        /// Where among those waiting.
        place: Place,
    },
    /// Takes a waiting item back, if it has not started.
    Unload {
        /// The tier.
        tier: Tier,
        /// The item.
        item: ItemId,
    },
    /// Gives a waiting item another gain.
    Level {
        /// The tier.
        tier: Tier,
        /// The item.
        item: ItemId,
        /// Linear gain.
        gain: f32,
        /// The loudness in LUFS to which that brings it as a whole, where it does.
        levelled_lufs: Option<f32>,
    },
    /// Gives a waiting item another place.
    Move {
        /// The tier.
        tier: Tier,
        /// The item.
        item: ItemId,
        /// Where it goes.
        place: Place,
    },
    /// Starts the tier's next waiting item now, crossfaded; `ramp` is the station's crossfade when `None`.
    Skip {
        /// The tier; the one on air when `None`.
        tier: Option<Tier>,
        /// The crossfade.
        ramp: Option<Ramp>,
        /// Whether the automation has something coming that is worth waiting for. Otherwise, and on the other
        /// tiers, an item with nothing behind it just fades out.
        wait: bool,
    },
    /// Fades a tier out and takes everything off it.
    Stop {
        /// The tier.
        tier: Tier,
        /// The fade.
        ramp: Ramp,
    },
    /// Fades the programme, or one tier of it, to a gain, and leaves it there.
    Fade {
        /// The tier; the whole programme when `None`.
        tier: Option<Tier>,
        /// Linear gain.
        gain: f32,
        /// The fade.
        ramp: Ramp,
    },
    /// Crossfades to another chain.
    SetChain(Box<Chain>),
    /// Ramps a parameter of a node of the chain on air.
    SetParam {
        /// Index of the node in the chain.
        node: usize,
        /// Index of the parameter in the node's list.
        param: usize,
        /// Value, in the parameter's unit.
        value: f32,
    },
    /// Starts to hand the bus to a tap.
    AddTap(Tap),
    /// Stops.
    RemoveTap(TapId),
    /// Has an engine that failed begin anew, with nothing on its decks; in one that did not, all that is on them is
    /// dropped.
    Renew(Renewal),
    /// Tells listeners something else about the item on air.
    SetMetadata(Arc<Metadata>),
    /// Gives the item on a tier's deck other metadata, which listeners are told if they hear it.
    Retitle {
        /// The tier.
        tier: Tier,
        /// The item.
        item: ItemId,
        /// What to tell.
        metadata: Arc<Metadata>,
    },
}

/// Names a command in its answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CommandId(pub u64);

/// A command on its way.
pub(crate) struct Order {
    pub(crate) id: CommandId,
    pub(crate) when: When,
    pub(crate) command: Command,
}

/// Why a command was not carried out. Nothing has changed.
#[derive(Clone, Copy, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Failure {
    /// Nothing plays on the tier; there is nothing to skip or stop.
    #[error("nothing is playing there")]
    Idle,
    /// The tier holds as many waiting items as it can ([`WAITING`]); send it later.
    #[error("the tier has no room for another item: {WAITING} wait there already")]
    TierFull,
    /// The item has started, ended, or was never loaded.
    #[error("no such item is waiting")]
    NotWaiting,
    /// The item has ended, or has not started.
    #[error("no such item is playing")]
    NotPlaying,
    /// Too many commands are waiting for their frame; send it later.
    #[error("too many commands wait for their frame")]
    TooManyScheduled,
    /// The chain looks further ahead than the station reserved; raise the station's latency.
    #[error("the chain looks further ahead than the station's latency allows")]
    ChainTooLate,
    /// The chain adds a tier to the programme at that node, and only another chain adds another.
    #[error("a node that adds a tier keeps it; set a chain that listens to the other")]
    SideChainFixed,
    /// The chain has no such node or parameter, or the value is out of its range.
    #[error("no such node or parameter, or its value is out of range")]
    NoSuchParam,
    /// The node's other settings do not leave the parameter this value; set them first.
    #[error("value: not beside the node's other settings, give {least} to {most}")]
    Unfit {
        /// The least that would do, in the parameter's unit.
        least: f32,
        /// The most.
        most: f32,
    },
    /// The bus has as many taps as it can.
    #[error("the bus has no room for another tap")]
    TooManyTaps,
    /// There is no such tap.
    #[error("no such tap")]
    NoSuchTap,
    /// The engine has failed and is silent until it is renewed; send it again then.
    #[error("the engine has failed and is about to begin anew")]
    Resting,
}

/// How an item ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Ending {
    /// It was played to its end.
    Finished,
    /// It was skipped.
    Skipped,
    /// Its tier was stopped.
    Stopped,
    /// Its decoder delivered nothing for a second, and it was given up.
    Stalled,
    /// A higher tier took the air, and the tier does not resume.
    Preempted,
}

/// What happened, and at which frame of the programme.
#[derive(Clone, Debug)]
pub struct Event {
    /// The first frame it is true of.
    pub frame: Frames,
    /// What it is.
    pub kind: EventKind,
}

/// Kinds of [`Event`].
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum EventKind {
    /// An item became audible, or audible again, or its metadata changed. One that never has a frame to play is not
    /// told.
    NowPlaying {
        /// Its tier.
        tier: Tier,
        /// The item.
        item: ItemId,
        /// What listeners are told.
        metadata: Arc<Metadata>,
        /// `true` at its own start, `false` when it is announced again.
        started: bool,
        /// It is heard over the programme, whose titles stay.
        over: bool,
    },
    /// An item is over.
    ItemEnded {
        /// Its tier.
        tier: Tier,
        /// The item.
        item: ItemId,
        /// How.
        ending: Ending,
        /// Frames of it that were played.
        played: Frames,
    },
    /// An item is over without having been heard: it was taken off while it waited or at the very frame at which it
    /// would have started, had no frame, or ran its time on a tier that was silent.
    ItemUnused {
        /// Its tier.
        tier: Tier,
        /// The item.
        item: ItemId,
    },
    /// Another tier is on air; `None` is dead air.
    PriorityChanged {
        /// The tier that was.
        from: Option<Tier>,
        /// The tier that is.
        to: Option<Tier>,
        /// Where the one that was keeps an item that is not over: the frames over which that falls silent.
        held: Option<Frames>,
    },
    /// An item's decoder did not keep up; the tier below, or silence, stood in for it. Told when it is over, with the
    /// frame at which it began.
    Underrun {
        /// Its tier.
        tier: Tier,
        /// The item.
        item: ItemId,
        /// Frames missing.
        frames: Frames,
    },
    /// The silence detector has heard nothing for its set time.
    SilenceDetected,
    /// It hears something again.
    SilenceEnded,
    /// A node produced a value that is not a number; the chain was reset.
    ChainReset,
    /// A chain panicked. It was taken off, and its bypass, as late as it was, is heard until another is set; the chain that
    /// was about to take over has failed where the one on air is still heard.
    ChainFailed {
        /// The node that was at work.
        node: &'static str,
        /// No chain is on air from here on; else it was one that was about to take over.
        bypassed: bool,
    },
    /// An item's source panicked: the item is over.
    SourceFailed {
        /// Its tier.
        tier: Tier,
        /// The item.
        item: ItemId,
    },
    /// Something else in the engine panicked. It is silent until it is renewed: [`Command::Renew`].
    EngineFailed,
    /// A command was carried out.
    CommandDone(CommandId),
    /// A command was not carried out.
    CommandFailed(CommandId, Failure),
}

/// What the air thread is done with and must not free.
#[expect(dead_code, reason = "held only to be dropped on the control side")]
pub(crate) enum Retired {
    Item(Box<Prepared>),
    Chain(Box<Chain>),
    Tap(Tap),
    Metadata(Arc<Metadata>),
    Origin(Arc<Origin>),
    Ladder(Box<Ladder>),
    Panic(Panic),
}

/// Orders, events and retired boxes that can be under way at once.
const RING: usize = 2048;
/// Room that must be left in the outgoing rings for an order to be taken: more than any one order needs.
const HEADROOM: usize = 64;

/// The control side of an engine: any one thread but the air thread.
pub struct Control {
    orders: HeapProd<Order>,
    events: HeapCons<Event>,
    retired: HeapCons<Retired>,
    renewer: Renewer,
    next_id: u64,
}

impl Control {
    /// Sends a command; its answer comes as an event with the same id. The command comes back when the ring is
    /// full, which only happens when thousands are sent between two blocks.
    pub fn send(&mut self, when: When, command: Command) -> Result<CommandId, Box<Command>> {
        let id = CommandId(self.next_id);
        match self.orders.try_push(Order { id, when, command }) {
            Ok(()) => {
                self.next_id += 1;
                Ok(id)
            }
            Err(order) => Err(Box::new(order.command)),
        }
    }

    /// What an engine that failed begins anew with.
    pub fn renewal(&self) -> Renewal {
        self.renewer.renewal()
    }

    /// The next event, in the order of their frames; [`EventKind::Underrun`] comes after the fact. Also frees what the
    /// air thread is done with, so it must be called regularly.
    pub fn poll(&mut self) -> Option<Event> {
        while self.retired.try_pop().is_some() {}
        self.events.try_pop()
    }
}

/// The engine's end of the rings.
pub(crate) struct Inbox {
    orders: HeapCons<Order>,
}

impl Inbox {
    /// The next order, as long as `outbox` has room for what it may bring about, and for `reserved` events more.
    pub(crate) fn take(&mut self, outbox: &Outbox, reserved: usize) -> Option<Order> {
        let room = outbox.events.vacant_len().min(outbox.retired.vacant_len());
        if room > HEADROOM + reserved { self.orders.try_pop() } else { None }
    }
}

/// Where the engine's parts leave what happened and what is to be freed.
pub(crate) struct Outbox {
    events: HeapProd<Event>,
    retired: HeapProd<Retired>,
    /// Changes of metadata in the segment being rendered, for the bus, in order.
    marks: VecDeque<Mark>,
    /// Changes of whose audio it is in the segment being rendered, for the bus, in order.
    stretches: VecDeque<Stretch>,
}

/// Changes of metadata one rendered segment can hold; items shorter than a frame or two need no more.
const MARKS: usize = 32;

impl Outbox {
    /// Reports an event.
    pub(crate) fn event(&mut self, frame: Frames, kind: EventKind) {
        if let EventKind::NowPlaying { metadata, over: false, .. } = &kind {
            self.mark(Mark { at: frame, metadata: Arc::clone(metadata) });
        }
        if let Err(event) = self.events.try_push(Event { frame, kind }) {
            // Dropping could free the last handle to the metadata.
            std::mem::forget(event);
        }
    }

    /// Notes a change of metadata. Of several at one frame the last one counts, and so it does when there is no room.
    fn mark(&mut self, mark: Mark) {
        let full = self.marks.len() >= MARKS;
        match self.marks.back_mut().filter(|last| full || last.at == mark.at) {
            Some(last) => {
                let superseded = std::mem::replace(last, mark);
                self.retire(Retired::Metadata(superseded.metadata));
            }
            None => self.marks.push_back(mark),
        }
    }

    /// Hands over something to be freed elsewhere.
    pub(crate) fn retire(&mut self, retired: Retired) {
        if let Err(retired) = self.retired.try_push(retired) {
            // Nobody has polled for thousands of items. A leak is the lesser evil: freeing here may block.
            std::mem::forget(retired);
        }
    }

    /// Notes a stretch of the programme, and says whether as one of a file: without room for that it is one of none.
    pub(crate) fn stretch(&mut self, Stretch { at, mut of }: Stretch) -> bool {
        if self.stretches.len() >= MARKS
            && let Some(part) = of.take()
        {
            self.retire(Retired::Origin(part.origin));
        }
        let told = of.is_some();
        if told || self.stretches.back().is_none_or(|last| last.of.is_some()) {
            self.stretches.push_back(Stretch { at, of });
        }
        told
    }

    /// The next stretch of the programme.
    pub(crate) fn take_stretch(&mut self) -> Option<Stretch> {
        self.stretches.pop_front()
    }

    /// The next change of metadata.
    pub(crate) fn take_mark(&mut self) -> Option<Mark> {
        self.marks.pop_front()
    }
}

/// Makes the rings between a control side and an engine.
pub(crate) fn rings(renewer: Renewer) -> (Control, Inbox, Outbox) {
    let (orders_in, orders_out) = HeapRb::new(RING).split();
    let (events_in, events_out) = HeapRb::new(2 * RING).split();
    let (retired_in, retired_out) = HeapRb::new(2 * RING).split();
    let control =
        Control { orders: orders_in, events: events_out, retired: retired_out, renewer, next_id: 0 };
    let stretches = VecDeque::with_capacity(MARKS + 1);
    let outbox =
        Outbox { events: events_in, retired: retired_in, marks: VecDeque::with_capacity(MARKS), stretches };
    (control, Inbox { orders: orders_out }, outbox)
}
