//! Whether two packets that no one encoder made can follow each other.
//!
//! A packet overlaps the next; what the one folds into itself there the other unfolds, if both have windows of the same
//! shape on that side. An encoder changes them where the sound changes. Between two encoders the overlap fits where both
//! have the long window, that of sound that goes on.

use super::bits::Bits;
use super::mp3;
use crate::format::Codec;

/// Which sides of a packet have the long window.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sides {
    /// The side towards the packet before.
    pub before: bool,
    /// The side towards the packet after.
    pub after: bool,
}

/// The sides of a packet; neither is long where that cannot be read.
pub fn sides(codec: Codec, packet: &[u8]) -> Sides {
    let kinds =
        if codec == Codec::Mp3 { mp3::windows(packet) } else { aac_window(packet).map(|kind| (kind, kind)) };
    // Of both codecs: 0 is long, 1 long with a short end, 2 short, 3 long with a short beginning.
    kinds.map_or(Sides::default(), |(first, last)| Sides {
        before: matches!(first, 0 | 1),
        after: matches!(last, 0 | 3),
    })
}

/// Whether `after` can follow `before`.
pub fn meet(codec: Codec, before: &[u8], after: &[u8]) -> bool {
    sides(codec, before).after && sides(codec, after).before
}

/// The window sequence of an AAC access unit (ISO/IEC 14496-3, 4.4.2.1 and 4.4.2.7): of its first channel, which the
/// second mostly shares.
fn aac_window(unit: &[u8]) -> Option<u32> {
    let mut bits = Bits { bytes: unit, at: 0 };
    let element = bits.take(3)?;
    bits.take(4)?;
    let is_shared = element == 1 && bits.take(1)? == 1;
    match element {
        0 | 1 if !is_shared => drop(bits.take(8)?),
        1 => {}
        _ => return None,
    }
    bits.take(1)?;
    bits.take(2)
}
