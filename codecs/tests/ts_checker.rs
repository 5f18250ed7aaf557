//! What the testkit's checker of transport streams finds: segments of the muxer, broken in one way at a time.

#![allow(clippy::unwrap_used)]

use airchain_codecs::container::segment::{Container, SegmentMuxer, segment_muxer};
use airchain_codecs::packet::{Packet, StreamInfo};
use airchain_codecs::{Bitrate, Codec, Format};
use airchain_core::item::Metadata;
use bytes::Bytes;
use testkit::ts::Checker;

const PACKET: usize = 188;

fn muxer() -> Box<dyn SegmentMuxer> {
    let format =
        Format { codec: Codec::AacLc, bitrate: Bitrate::Cbr(96), sample_rate_hz: 48_000, channels: 2 };
    let info = StreamInfo { format, delay: 2048, packet_frames: Some(1024), headers: Vec::new() };
    segment_muxer(Container::Ts, &info).unwrap()
}

/// Segments of 40 access units each, and which of them are given up.
fn segments(count: i64, given_up: &[i64]) -> Vec<Vec<u8>> {
    let mut muxer = muxer();
    let mut all = Vec::new();
    for segment in 0..count {
        let mut out = Vec::new();
        muxer.begin(segment * 40 * 1024, &Metadata::default(), &mut out);
        for n in 0..40 {
            let pts = (segment * 40 + n) * 1024;
            muxer.packet(&Packet { data: Bytes::from(vec![7; 250]), pts, duration: 1024 }, &mut out).unwrap();
        }
        if given_up.contains(&segment) {
            muxer.abandon();
        } else {
            muxer.end(&mut out);
            all.push(out);
        }
    }
    all
}

/// Where the payload of a transport packet begins, and where those packets are that begin a PES packet of audio.
fn payload(segment: &[u8], packet: usize) -> usize {
    let at = packet * PACKET;
    let adaptation = if segment[at + 3] & 0x20 != 0 { 1 + usize::from(segment[at + 4]) } else { 0 };
    at + 4 + adaptation
}

fn pes(segment: &[u8], number: usize) -> usize {
    let begins = |n: &usize| segment[n * PACKET + 1] == 0x41 && segment[n * PACKET + 2] == 0;
    (0..segment.len() / PACKET).filter(begins).nth(number).unwrap()
}

#[test]
fn nothing_is_found_where_nothing_is_wrong() {
    let mut checker = Checker::default();
    for segment in segments(3, &[]) {
        assert_eq!(checker.check(&segment).map(|found| found.is_empty()), Ok(false));
    }
    let mut checker = Checker::default();
    let [first, third] = segments(3, &[1]).try_into().unwrap();
    assert!(checker.check(&first).is_ok());
    checker.pause();
    assert!(checker.check(&third).is_ok(), "a gap leaves the counters as they were");
}

#[test]
fn parts_are_begun_with_and_are_a_segment_together() {
    let (mut muxer, mut whole, mut from) = (muxer(), Vec::new(), 0);
    muxer.begin(0, &Metadata::default(), &mut whole);
    for n in 0..40 {
        if n == 20 {
            muxer.end(&mut whole);
            from = whole.len();
            muxer.begin_part(&mut whole);
        }
        let packet = Packet { data: Bytes::from(vec![7; 250]), pts: n * 1024, duration: 1024 };
        muxer.packet(&packet, &mut whole).unwrap();
    }
    muxer.end(&mut whole);
    assert!(Checker::default().check(&whole).is_ok());
    let part = &whole[from..];
    assert!(Checker::default().check_part(part).is_ok());
    let without =
        |found: Result<_, String>, what: &str| assert!(found.map(|_| ()).unwrap_err().contains(what));
    without(Checker::default().check(part), "without its title");
    without(Checker::default().check_part(&part[2 * PACKET..]), "instead of the PAT");
    let mut torn = whole.clone();
    torn.drain(from + PACKET..from + 2 * PACKET);
    without(Checker::default().check(&torn), "instead of the PMT");
}

#[test]
fn what_is_broken_is_found() {
    type Break = fn(&mut Vec<u8>);
    let breaks: &[(&str, Break)] = &[
        ("are not whole packets", |s| s.truncate(s.len() - 1)),
        ("no sync byte", |s| s[PACKET * 5] = 0x48),
        ("error or priority bit", |s| s[PACKET * 5 + 1] |= 0x80),
        ("scrambled", |s| s[PACKET * 5 + 3] |= 0x80),
        ("continuity counter", |s| s[PACKET * 5 + 3] ^= 1),
        ("continuity counter", |s| drop(s.drain(PACKET * 5..PACKET * 6))),
        ("instead of the PAT", |s| drop(s.drain(..PACKET))),
        ("instead of the PMT", |s| drop(s.drain(PACKET..PACKET * 2))),
        ("CRC of table 0", |s| s[8] ^= 1),
        ("CRC of table 2", |s| s[PACKET + 8] ^= 1),
        ("without its title", |s| drop(s.drain(PACKET * 2..PACKET * 3))),
        ("is not in the PMT", |s| s[PACKET * 5 + 2] = 7),
        ("stuffing", |s| {
            let last = s.len() / PACKET - 1;
            let begin = payload(s, last);
            s[begin - 1] = 0;
        }),
        ("between clock references", |s| {
            let at = pes(s, 2) * PACKET;
            s[at + 8] = s[at + 8].wrapping_add(4);
        }),
        ("after the clock", |s| {
            let at = payload(s, pes(s, 2));
            s[at + 11] = s[at + 11].wrapping_add(8);
        }),
        ("marker bits", |s| {
            let at = payload(s, pes(s, 2));
            s[at + 9] &= 0xFE;
        }),
        ("PES length", |s| {
            let at = payload(s, pes(s, 2));
            s[at + 5] ^= 1;
        }),
        ("PES length", |s| s.truncate(s.len() - PACKET)),
        ("start code", |s| {
            let at = payload(s, pes(s, 2));
            s[at + 3] = 0xE0;
        }),
    ];
    for (what, how) in breaks {
        let [mut first, second] = segments(2, &[]).try_into().unwrap();
        how(&mut first);
        let mut checker = Checker::default();
        let found = checker.check(&first).and_then(|_| checker.check(&second)).err();
        assert!(found.as_ref().is_some_and(|found| found.contains(what)), "{what}: {found:?}");
    }
    let mut checker = Checker::default();
    let [first, _, third] = segments(3, &[]).try_into().unwrap();
    checker.check(&first).unwrap();
    assert!(checker.check(&third).unwrap_err().contains("continuity"), "a segment is missing");
}
