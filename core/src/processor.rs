//! The chain on air: crossfaded to another in place, and taken off when it fails.

use crate::border::{Panic, guarded};
use crate::bypass::{Bypass, Joint};
use crate::chain::Chain;
use crate::control::{EventKind, Failure, Outbox, Retired};
use crate::curve::{Curve, Fade};
use crate::dsp::SilenceAction;
use crate::level::Programme;
use crate::stems::{Stems, Wanted};
use crate::{Frames, Stereo};

/// How long a new chain takes over from the old, in milliseconds.
const SWAP_MS: Frames = 50;

/// The chain on air, and the one that is taking over.
pub(crate) struct Processor {
    /// `None` once it has failed: the bypass is heard.
    on_air: Option<Box<Chain>>,
    incoming: Option<(Box<Chain>, Fade)>,
    /// The chain that follows the incoming one.
    next: Option<Box<Chain>>,
    bypass: Bypass,
    /// Of what is heard.
    joint: Joint,
    /// What is on the bus, for a chain that begins.
    programme: Option<Programme>,
    scratch: Box<[Stereo]>,
    rate: u32,
}

impl Processor {
    pub(crate) fn new(chain: Chain, rate: u32, max_block: usize) -> Self {
        let scratch = vec![[0.0; 2]; max_block].into_boxed_slice();
        let bypass = Bypass::new(chain.latency(), rate, max_block);
        let on_air = Some(Box::new(chain));
        let joint = Joint::new(rate);
        Self { on_air, incoming: None, next: None, bypass, joint, programme: None, scratch, rate }
    }

    /// Begins to take over to `chain`, or does so once the take-over under way is done. Gives back the chain that is
    /// superseded before it was heard, or, as an error, one whose latency is not the station's.
    pub(crate) fn swap(&mut self, chain: Box<Chain>, at: Frames) -> Result<Option<Box<Chain>>, Box<Chain>> {
        if chain.latency() != self.bypass.latency() {
            return Err(chain);
        }
        if self.incoming.is_some() {
            return Ok(self.next.replace(chain));
        }
        self.begin(chain, at);
        Ok(None)
    }

    fn begin(&mut self, mut chain: Box<Chain>, at: Frames) {
        if let Some(programme) = self.programme {
            chain.programme(programme);
        }
        // The new chain runs unheard until its look-ahead is full of real audio.
        let start = at + chain.latency() as Frames;
        let length = SWAP_MS * Frames::from(self.rate) / 1000;
        self.incoming = Some((chain, Fade::new(start, length, 0.0, 1.0, Curve::SCurve, self.rate)));
    }

    /// Says what the next frames are of.
    pub(crate) fn programme(&mut self, programme: Programme) {
        self.programme = Some(Programme { rise: 0, ..programme });
        if let Some(on_air) = &mut self.on_air {
            on_air.programme(programme);
        }
        if let Some((incoming, _)) = &mut self.incoming {
            incoming.programme(programme);
        }
    }

    pub(crate) fn set(&mut self, node: usize, param: usize, value: f32) -> Result<(), Failure> {
        let incoming = self.incoming.as_mut().map(|(chain, _)| chain);
        let newest = self.next.as_mut().or(incoming).or(self.on_air.as_mut());
        newest.ok_or(Failure::NoSuchParam)?.set(node, param, value)
    }

    /// Whether the programme goes through it as it is.
    pub(crate) fn is_clear(&self) -> bool {
        self.incoming.is_none() && self.on_air.as_ref().is_some_and(|chain| chain.is_clear())
    }

    /// What is asked of the tiers: all that is listened to, while only those play over others that the newest chain adds.
    pub(crate) fn wanted(&self) -> Wanted {
        let mut wanted = Wanted::default();
        if let Some(on_air) = &self.on_air {
            on_air.want(&mut wanted);
        }
        if let Some((incoming, _)) = &self.incoming {
            wanted.in_place_of_others();
            incoming.want(&mut wanted);
        }
        wanted
    }

    /// What the silence detector on air hears.
    pub(crate) fn silence(&self) -> Option<(bool, Frames, SilenceAction)> {
        self.on_air.as_ref()?.silence()
    }

    /// Frames until a crossfade ends; a segment must not run over that.
    pub(crate) fn until_change(&self, at: Frames) -> Frames {
        self.incoming.as_ref().map_or(Frames::MAX, |(_, fade)| fade.end().saturating_sub(at))
    }

    /// Processes a block in place, and says whether all was finite. The old chain leaves once it is no longer heard, and
    /// one that panics at once.
    pub(crate) fn process(
        &mut self,
        at: Frames,
        block: &mut [Stereo],
        stems: &Stems,
        outbox: &mut Outbox,
    ) -> bool {
        if let Some((chain, _)) = self.incoming.take_if(|(_, fade)| fade.is_settled(at)) {
            if let Some(old) = self.on_air.replace(chain) {
                outbox.retire(Retired::Chain(old));
            }
            if let Some(next) = self.next.take() {
                self.begin(next, at);
            }
        }
        self.bypass.feed(at, block, stems);
        let mut finite = true;
        let mut fade_in = None;
        let mut failed = None;
        if let Some((incoming, fade)) = &mut self.incoming
            && let Some(scratch) = self.scratch.get_mut(..block.len())
        {
            scratch.copy_from_slice(block);
            match guarded(|| process(incoming, &self.bypass, scratch, stems)) {
                Ok(all) => (finite, fade_in) = (all, Some(*fade)),
                Err(panic) => failed = Some((panic, fade.gain_at(at))),
            }
        }
        if let Some((panic, gain)) = failed {
            if gain > 0.0 {
                self.joint.breaks();
            }
            let chain = self.incoming.take().map(|(chain, _)| chain);
            take_off(chain, panic, self.on_air.is_none(), at, outbox);
            if let Some(next) = self.next.take() {
                self.begin(next, at);
            }
        }
        let bypass = &self.bypass;
        match self.on_air.as_mut().map(|chain| guarded(|| process(chain, bypass, block, stems))) {
            Some(Ok(all)) => finite &= all,
            Some(Err(panic)) => {
                self.joint.breaks();
                take_off(self.on_air.take(), panic, true, at, outbox);
                finite &= self.bypass.put(block);
            }
            None => finite &= self.bypass.put(block),
        }
        if let Some(fade) = fade_in {
            for (i, (old, new)) in block.iter_mut().zip(self.scratch.iter()).enumerate() {
                let gain = fade.gain_at(at + i as Frames);
                // Both are the same programme, so amplitudes are crossfaded, not powers.
                *old = [old[0] * (1.0 - gain) + new[0] * gain, old[1] * (1.0 - gain) + new[1] * gain];
            }
        }
        self.joint.smooth(at, block);
        finite
    }

    /// What goes in has broken off. Takes all chains off: the bypass is heard.
    pub(crate) fn clear(&mut self, outbox: &mut Outbox) {
        self.bypass.breaks();
        self.joint.breaks();
        let incoming = self.incoming.take().map(|(chain, _)| chain);
        for chain in [self.on_air.take(), incoming, self.next.take()].into_iter().flatten() {
            outbox.retire(Retired::Chain(chain));
        }
    }
}

/// One without nodes is the bypass, which is fed anyway.
fn process(chain: &mut Chain, bypass: &Bypass, block: &mut [Stereo], stems: &Stems) -> bool {
    if chain.is_empty() { bypass.put(block) } else { chain.process(block, stems) }
}

/// A chain has panicked; whether there is none on air now.
fn take_off(chain: Option<Box<Chain>>, panic: Panic, bypassed: bool, at: Frames, outbox: &mut Outbox) {
    outbox.retire(Retired::Panic(panic));
    if let Some(chain) = chain {
        outbox.event(at, EventKind::ChainFailed { node: chain.at_work(), bypassed });
        outbox.retire(Retired::Chain(chain));
    }
}
