//! What a node listens to beside the programme.

use super::envelope::CHUNK;
use super::{ParamInfo, ParamKind, clean_frame};
use crate::Stereo;
use crate::tier::Tier;

/// A node's side chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SideChain {
    /// The tier that is listened to.
    pub tier: Tier,
    /// Whether that tier plays over the tiers below it instead of in their place: the chain adds it to the programme
    /// behind this node.
    pub over: bool,
}

const TIERS: [&str; Tier::COUNT + 1] =
    ["none", "emergency", "live_override", "live_scheduled", "automation", "fallback"];

/// The parameter of a node that listens to a tier if it is told to.
pub(super) const SIDECHAIN: ParamInfo = ParamInfo {
    name: "sidechain",
    aliases: &["side_chain", "key"],
    kind: ParamKind::Choice(&TIERS),
    default: 0.0,
    help: "Tier that it listens to instead of the programme.",
};

/// What a side chain plays during chunk `n` of a block, of `count` frames (at most [`CHUNK`]) and cleaned; `None` where
/// there is no side chain.
pub(super) fn heard(sidechain: Option<&[Stereo]>, n: usize, count: usize) -> Option<[Stereo; CHUNK]> {
    let key = sidechain?.get(n * CHUNK..n * CHUNK + count)?;
    let mut heard = [[0.0; 2]; CHUNK];
    heard.iter_mut().zip(key).for_each(|(to, from)| *to = clean_frame(*from));
    Some(heard)
}

/// The side chain that a value of [`SIDECHAIN`] stands for.
pub(super) fn of_value(value: f32) -> Option<SideChain> {
    let tier = Tier::from_name(TIERS.get(value as usize)?)?;
    Some(SideChain { tier, over: false })
}
