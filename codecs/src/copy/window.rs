//! Whether two packets that no one encoder made can follow each other.
//!
//! A packet overlaps the next; what the one folds into itself there the other unfolds, if both have windows of the same
//! shape on that side. An encoder changes them where the sound changes. Between two encoders the overlap fits where both
//! have the long window, that of sound that goes on, and of AAC's two shapes of it the same.

use super::bits::Bits;
use super::mp3;
use crate::format::Codec;

/// The shape of the long window on each side of a packet; `None` on a side that has another window in any channel. MP3 knows
/// but one shape, 0.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sides {
    /// The side towards the packet before. Its shape is that of the packet before in the same stream, which goes on with its own
    /// as long as its windows are long.
    pub before: Option<u32>,
    /// The side towards the packet after.
    pub after: Option<u32>,
}

/// The sides of a packet; neither is long where that cannot be read.
pub fn sides(codec: Codec, packet: &[u8]) -> Sides {
    let sides = if codec == Codec::Mp3 { mp3_sides(packet) } else { aac_sides(packet) };
    sides.unwrap_or_default()
}

/// Whether `after` can follow `before`.
pub fn meet(codec: Codec, before: &[u8], after: &[u8]) -> bool {
    let shape = sides(codec, before).after;
    shape.is_some() && shape == sides(codec, after).before
}

// Of both codecs: 0 is long, 1 long with a short end, 2 short, 3 long with a short beginning.

fn begins_long(kind: u32) -> bool {
    matches!(kind, 0 | 1)
}

fn ends_long(kind: u32) -> bool {
    matches!(kind, 0 | 3)
}

fn mp3_sides(frame: &[u8]) -> Option<Sides> {
    let (first, last) = mp3::windows(frame)?;
    let all = |kinds: &[u32], are: fn(u32) -> bool| kinds.iter().all(|kind| are(*kind)).then_some(0);
    Some(Sides { before: all(&first, begins_long), after: all(&last, ends_long) })
}

/// By an AAC access unit's first element (ISO/IEC 14496-3, 4.4.2.1 and 4.4.2.7). Of two channels that do not share their
/// windows the second's are too deep in it to be read.
fn aac_sides(unit: &[u8]) -> Option<Sides> {
    let mut bits = Bits { bytes: unit, at: 0 };
    let element = bits.take(3)?;
    bits.take(4)?;
    match element {
        // The gain of a single channel; a pair's comes behind its windows.
        0 => drop(bits.take(8)?),
        1 if bits.take(1)? == 1 => {}
        _ => return None,
    }
    bits.take(1)?;
    let (kind, shape) = (bits.take(2)?, bits.take(1)?);
    Some(Sides { before: begins_long(kind).then_some(shape), after: ends_long(kind).then_some(shape) })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The beginning of an access unit, of bits.
    fn unit(bits: &str) -> Vec<u8> {
        let bits: Vec<u8> = bits.bytes().filter(|bit| *bit != b' ').map(|bit| bit - b'0').collect();
        bits.chunks(8)
            .map(|byte| byte.iter().enumerate().fold(0, |sum, (n, bit)| sum | bit << (7 - n)))
            .collect()
    }

    #[test]
    fn packets_of_aac_meet_where_both_have_the_long_window_of_one_shape() {
        let pair = |kind: &str, shape: &str| unit(&format!("001 0000 1 0 {kind} {shape} 0000"));
        let single = |kind: &str, shape: &str| unit(&format!("000 0000 11111111 0 {kind} {shape} 0000"));
        let meet = |before: &[u8], after: &[u8]| meet(Codec::AacLc, before, after);
        for unit in [&pair as &dyn Fn(&str, &str) -> Vec<u8>, &single] {
            assert!(meet(&unit("00", "1"), &unit("00", "1")) && meet(&unit("11", "0"), &unit("01", "0")));
            assert!(!meet(&unit("00", "1"), &unit("00", "0")), "shapes differ");
            for short in ["01", "10"] {
                assert!(!meet(&unit(short, "1"), &unit("00", "1")), "it ends short");
            }
            for short in ["10", "11"] {
                assert!(!meet(&unit("00", "1"), &unit(short, "1")), "it begins short");
            }
        }
        let apart = unit("001 0000 0 11111111 0 00 1 0000");
        assert!(!meet(&apart, &apart), "of the second channel nothing is known");
    }

    #[test]
    fn frames_of_mp3_meet_where_all_channels_have_the_long_window() {
        // 128 kbit/s at 44.1 kHz, stereo; what is switched is in granules of 59 bits, behind 20.
        let frame = |windows: [u32; 4]| {
            let mut frame = vec![0_u8; 417];
            frame[..4].copy_from_slice(&[0xFF, 0xFB, 0x90, 0x00]);
            for (n, kind) in windows.into_iter().enumerate().filter(|(_, kind)| *kind != 0) {
                let at = 4 * 8 + 20 + n * 59 + 33;
                for (at, bit) in (at..).zip([1, kind >> 1 & 1, kind & 1]) {
                    frame[at / 8] |= (bit as u8) << (7 - at % 8);
                }
            }
            frame
        };
        let sides = |windows| {
            let Sides { before, after } = sides(Codec::Mp3, &frame(windows));
            (before.is_some(), after.is_some())
        };
        assert_eq!(sides([0, 0, 0, 0]), (true, true));
        assert_eq!(sides([0, 0, 1, 1]), (true, false));
        assert_eq!(sides([3, 3, 0, 0]), (false, true));
        // The second channel alone.
        assert_eq!(sides([0, 0, 0, 1]), (true, false));
        assert_eq!(sides([0, 3, 0, 0]), (false, true));
    }
}
