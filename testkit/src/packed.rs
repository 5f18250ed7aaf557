//! A reader of packed audio segments (RFC 8216, 3.4) that shares nothing with the muxer. Whatever is not as it must be panics.

use crate::ts::{self, text};

/// Whose the private frame with the time stamp is.
const OWNER: &[u8] = b"com.apple.streaming.transportStreamTimestamp\0";

/// The time stamp of a segment in 90 kHz ticks, the text frames of its tag, and its audio.
pub fn read(segment: &[u8]) -> (u64, Vec<(String, String)>, &[u8]) {
    let (frames, audio) = ts::frames(segment);
    let [(first, stamp), texts @ ..] = &frames[..] else { panic!("a tag without a frame") };
    assert!(first == "PRIV" && stamp.starts_with(OWNER), "it begins with its time stamp");
    let stamp = <[u8; 8]>::try_from(&stamp[OWNER.len()..]).expect("eight bytes");
    let ticks = u64::from_be_bytes(stamp);
    assert!(ticks < 1 << 33, "33 bits");
    assert!(!audio.starts_with(b"ID3"), "one tag");
    (ticks, texts.iter().map(|(id, body)| (id.clone(), text(body))).collect(), audio)
}
