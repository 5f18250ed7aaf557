//! Each rule of low latency that the checker knows, broken in one way: it is found, by its section.

use super::made::{adts, packed};
use super::made_parts::{DELTA, Parted, part, run, ticks};

const LIVE: &str = "live.m3u8";
const OTHER: &str = "other/live.m3u8";

#[test]
fn nothing_is_found_where_nothing_is_wrong() {
    assert_eq!(run(|_| {}), []);
}

/// A replacement, wherever it is there.
fn always(path: &'static str, from: &'static str, to: &'static str) -> Box<dyn FnMut(&mut Parted)> {
    since(0, path, from, to)
}

/// A replacement, when so many parts of number 112 are there.
fn since(
    parts: u64,
    path: &'static str,
    from: &'static str,
    to: &'static str,
) -> Box<dyn FnMut(&mut Parted)> {
    Box::new(move |made| {
        if made.step >= 36 + parts {
            made.edit(path, from, to);
        }
    })
}

/// Other bytes of a file, once it is there.
fn bytes(path: &'static str, data: Vec<u8>) -> Box<dyn FnMut(&mut Parted)> {
    Box::new(move |made| {
        if let Some(file) = made.files.get_mut(path) {
            file.clone_from(&data);
        }
    })
}

type Break = (&'static str, &'static str, Box<dyn FnMut(&mut Parted)>);

fn assert_found(breaks: Vec<Break>) {
    let mut missed = Vec::new();
    for (rule, what, how) in breaks {
        let findings = run(how);
        if !findings.iter().any(|f| f.rule == rule && f.to_string().contains(what)) {
            let found: Vec<_> = findings.iter().map(|finding| format!("\n    {finding}")).collect();
            missed.push(format!("\n{rule}, {what:?} was not found, but{}", found.concat()));
        }
    }
    assert!(missed.is_empty(), "{}", missed.concat());
}

#[test]
fn the_text_of_a_media_playlist() {
    let part_1 = "#EXT-X-PART:DURATION=0.320000,URI=\"112.1.aac\"";
    let joined = "#EXT-X-DISCONTINUITY\n#EXT-X-PART:DURATION=0.320000,URI=\"112.1.aac\"";
    let old = "#EXT-X-PART:DURATION=0.960000,URI=\"a.aac\"\n#EXTINF:0.960000,\n107.aac";
    let late = since(3, LIVE, "#EXTINF:0.960000,\n107.aac", old);
    let hint = "#EXT-X-PRELOAD-HINT:TYPE=PART,URI=\"a.aac\"\n";
    let hinted = |made: &mut Parted| made.files.get_mut(LIVE).expect("a text").extend(hint.bytes());
    assert_found(vec![
        ("4.1", "no relative URI", always(LIVE, "\"112.1.aac", "\"../112.1.aac")),
        (
            "4.3.2.6",
            "the segment under way",
            always(LIVE, "#EXT-X-PROGRAM-DATE-TIME:2026-03-01T12:00:11.520", "#"),
        ),
        (
            "4.3.3",
            "comes twice",
            always(LIVE, "#EXT-X-PART-INF", "#EXT-X-PART-INF:PART-TARGET=0.32\n#EXT-X-PART-INF"),
        ),
        ("bis 4.4.3.7", "no PART-TARGET", always(LIVE, "PART-TARGET=", "PART-GOAL=")),
        ("bis 4.4.3.7", "parts without", always(LIVE, "#EXT-X-PART-INF", "#")),
        ("bis 4.4.3.8", "without PART-HOLD-BACK", always(LIVE, ",PART-HOLD-BACK=0.960000", "")),
        (
            "bis 4.4.3.8",
            "PART-HOLD-BACK of 950000",
            always(LIVE, "0.960000\n#EXT-X-PART-INF", "0.95\n#EXT-X-PART-INF"),
        ),
        ("bis 4.4.3.8", "HOLD-BACK of 2900000", always(LIVE, ",PART-H", ",HOLD-BACK=2.9,PART-H")),
        ("bis 4.4.3.8", "CAN-SKIP-UNTIL of 5900000", always(LIVE, "UNTIL=6.0", "UNTIL=5.9")),
        ("bis 4.4.3.8", "no number of seconds", always(LIVE, "UNTIL=6.0", "UNTIL=six")),
        ("bis 4.4.3.8", "YES alone", always(LIVE, "RELOAD=YES", "RELOAD=NO")),
        ("bis 4.4.3.8", "DATERANGES without", always(LIVE, "UNTIL=6.0", "DATERANGES=YES")),
        ("bis 4.4.4.9", "without URI", always(LIVE, ",URI=\"112.1.aac\"", "")),
        (
            "bis 4.4.4.9",
            "YES alone",
            always(LIVE, "112.1.aac\",INDEPENDENT=YES", "112.1.aac\",INDEPENDENT=NO"),
        ),
        ("bis 4.4.4.9", "longer than the part", always(LIVE, "TARGET=0.32", "TARGET=0.31")),
        ("bis 4.4.4.9", "shorter than 85 %", always(LIVE, "TARGET=0.32", "TARGET=0.38")),
        ("bis 4.4.4.9", "parts of 959990 us", always(LIVE, "0.320000,URI=\"112.1", "0.319990,URI=\"112.1")),
        ("bis 4.4.4.9", "after a part of its", always(LIVE, part_1, joined)),
        (
            "bis 4.4.5.2",
            "comes after a segment",
            always(LIVE, "#EXT-X-PRELOAD", "#EXT-X-SKIP:SKIPPED-SEGMENTS=0\n#EXT-X-PRELOAD"),
        ),
        ("bis 4.4.5.2", "without SKIPPED", always(DELTA, "SKIPPED-SEGMENTS", "SKIPPED")),
        ("bis 4.4.5.3", "without TYPE", always(LIVE, "TYPE=PART,", "")),
        ("bis 4.4.5.3", "EXT-X-ENDLIST, and", Box::new(hinted)),
        ("bis 4.4.5.4", "without URI", always(LIVE, "LAST-MSN", "MSN")),
        ("bis 6.2.2", "which ended 4", late),
        ("bis 6.2.5.1", "without CAN-SKIP", always(DELTA, "CAN-SKIP-UNTIL=6.0,", "")),
        ("bis 6.2.6", "a second", Box::new(hinted)),
        ("bis 8", "needs EXT-X-VERSION 9", always(DELTA, "VERSION:9", "VERSION:8")),
        (
            "bis 8",
            "needs EXT-X-VERSION 10",
            always(DELTA, "SKIPPED", "RECENTLY-REMOVED-DATERANGES=\"\",SKIPPED"),
        ),
    ]);
}

#[test]
fn from_one_text_to_the_next() {
    let fewer = |made: &mut Parted| {
        for index in [1, 2] {
            let line = format!("#EXT-X-PART:DURATION=0.320000,URI=\"112.{index}.aac\",INDEPENDENT=YES\n");
            if made.step >= 39 {
                made.edit(LIVE, &line, "");
            }
        }
    };
    // The thirteenth segment loses its parts when it is complete and the one behind it is, before the twelfth.
    let early = |made: &mut Parted| {
        if made.step >= 42 {
            for index in 0..3 {
                let line = format!("#EXT-X-PART:DURATION=0.320000,URI=\"112.{index}.aac\",INDEPENDENT=YES\n");
                made.edit(LIVE, &line, "");
            }
        }
    };
    let gone = Box::new(|made: &mut Parted| {
        if made.step == 38 {
            made.files.insert(LIVE.into(), made.files["whole"].clone());
        } else if made.step == 36 {
            made.files.insert("whole".into(), made.files[LIVE].clone());
        }
    });
    let began = |made: &mut Parted| {
        if made.step >= 39 {
            made.edit(LIVE, "12:00:11.520Z", "12:00:11.521Z");
        }
    };
    let mut old = Vec::new();
    let stands_still = move |made: &mut Parted| match made.step {
        36 => old = made.files[LIVE].clone(),
        37..=44 => drop(made.files.insert(LIVE.into(), old.clone())),
        _ => {}
    };
    let mut old = String::new();
    let changes = move |made: &mut Parted| match made.step {
        36 => old = String::from_utf8(made.files[LIVE].clone()).expect("a text"),
        37..=39 => drop(made.files.insert(LIVE.into(), old.replace("\"112.0.aac", "\"112.7.aac").into())),
        _ => {}
    };
    assert_found(vec![
        ("6.2.1", "part (112, 0) was", since(3, LIVE, "112.0.aac\",INDEPENDENT=YES", "112.0.aac\"")),
        ("6.2.1", "was the name of part (112, 0)", always(LIVE, "\"112.1.aac", "\"112.0.aac")),
        ("6.2.1", "112 had 2 parts, has 1", Box::new(fewer)),
        ("6.2.1", "parts of 112 were told, and it does not", gone),
        ("6.2.1", "112 began as", Box::new(began)),
        (
            "bis 4.4.5.3",
            "112.1.aac comes where 112.7.aac",
            always(LIVE, "PART,URI=\"112.1", "PART,URI=\"112.7"),
        ),
        (
            "bis 4.4.5.3",
            "113.0.aac comes where 113.7.aac",
            always(LIVE, "PART,URI=\"113.0", "PART,URI=\"113.7"),
        ),
        ("bis 4.4.5.3", "the hint was 112.0.aac, is 112.7.aac", Box::new(changes)),
        ("bis 6.2.1", "or PART-TARGET was", since(0, LIVE, "BACK=0.96", "BACK=0.97")),
        ("bis 6.2.1", "no new part", Box::new(stands_still)),
        ("bis 6.2.2", "parts of 112 are gone before those of", Box::new(early)),
    ]);
}

#[test]
fn files() {
    let gone = |path: &'static str, step: u64| -> Box<dyn FnMut(&mut Parted)> {
        Box::new(move |made| {
            if made.step >= step {
                made.files.remove(path);
            }
        })
    };
    let later = |made: &mut Parted| {
        if made.step >= 39 + 12 {
            made.files.insert("112.0.aac".into(), part(112, 1));
        }
    };
    let unknown = |made: &mut Parted| {
        made.edit(LIVE, "\"112.1.aac", "\"112.1.ogg");
        made.files.insert("112.1.ogg".into(), vec![0]);
    };
    let mut other = [part(112, 0), part(112, 1), part(112, 2)].concat();
    *other.last_mut().expect("bytes") = 1;
    assert_found(vec![
        ("3", "112.1.aac cannot be begun with", bytes("112.1.aac", adts(15))),
        ("3", "112.1.ogg is of a kind", Box::new(unknown)),
        ("3", "112.aac: time stamp", bytes("112.aac", [part(112, 0), part(112, 2)].concat())),
        ("6.2.1", "112.1.aac is named, but not there", gone("112.1.aac", 0)),
        ("6.2.1", "112.0.aac has other bytes than before", Box::new(later)),
        ("6.2.1", "has other bytes than when it was hinted", Box::new(|made| made.swaps = true)),
        (
            "bis 4.4.4.9",
            "112.1.aac begins 1000 us from",
            bytes("112.1.aac", packed(ticks(112, 1) + 90, &adts(15))),
        ),
        ("bis 4.4.4.9", "audio lasts 298667 us", bytes("112.1.aac", packed(ticks(112, 1), &adts(14)))),
        ("bis 4.4.4.9", "audio lasts 341333 us", bytes("112.1.aac", packed(ticks(112, 1), &adts(16)))),
        (
            "bis 4.4.4.9",
            "INDEPENDENT of 112.1.aac is false",
            always(LIVE, "112.1.aac\",INDEPENDENT=YES", "112.1.aac\""),
        ),
        ("bis 4.4.4.9", "112.aac has other bytes than its parts", bytes("112.aac", other)),
        ("bis 6.2.2", "111.0.aac is told no more, and gone", gone("111.0.aac", 36 + 4 * 3)),
    ]);
}

#[test]
fn what_a_server_promises() {
    let whole = |made: &mut Parted| drop(made.files.insert(DELTA.into(), made.files[LIVE].clone()));
    let unknown = |made: &mut Parted| {
        if made.step == 39 {
            made.edit(DELTA, "SEQUENCE:103", "SEQUENCE:102");
            made.edit(DELTA, "SEGMENTS=3", "SEGMENTS=4");
        }
    };
    assert_found(vec![
        ("bis 6.2.5.2", "is answered with 200, not 400", Box::new(|made| made.refuses = false)),
        ("bis 6.2.5.2", "is answered without it", Box::new(|made| made.holds = false)),
        ("bis 6.2.6", "is hinted, and not there", Box::new(|made| made.holds = false)),
        ("bis 6.2.5.1", "which there is not", always(DELTA, "SKIPPED-SEGMENTS=", "SKIPPED-SEGMENTS=1")),
        ("bis 6.2.5.1", "skips 102, which nobody knows", Box::new(unknown)),
        ("bis 6.2.5.1", "a delta update makes", always(DELTA, "0.960000,\n112", "0.959999,\n112")),
        ("bis 6.2.5.1", "makes another playlist", always(DELTA, "#EXT-X-INDEPENDENT-SEGMENTS", "#")),
        ("bis 6.2.5.1", "a delta update skips 0", Box::new(whole)),
    ]);
}

#[test]
fn renditions() {
    let longer = Box::new(|made: &mut Parted| {
        made.edit(LIVE, "TARGET=0.320000", "TARGET=0.330000");
        made.edit(LIVE, "BACK=0.960000", "BACK=0.990000");
    });
    assert_found(vec![
        ("bis 4.4.3.8", "less than three part targets of live.m3u8", longer),
        ("bis 4.4.5.4", "more/live.m3u8 is not the way", always(LIVE, "other/live.m3u8", "more/live.m3u8")),
        ("bis 4.4.5.4", "is not the way", always(OTHER, "../live.m3u8", "../other/live.m3u8")),
        ("bis 4.4.5.4", "no report of other/live.m3u8", always(LIVE, "#EXT-X-RENDITION-REPORT", "#")),
        ("bis 4.4.5.4", "which is at", always(LIVE, "LAST-MSN=112", "LAST-MSN=119")),
        ("bis 4.4.5.4", "which was at", always(LIVE, "LAST-MSN=112", "LAST-MSN=105")),
        ("bis 4.4.5.4", "no LAST-PART", always(LIVE, ",LAST-PART=1", "")),
        ("bis 6.2.4", "another EXT-X-SERVER-CONTROL", always(OTHER, "BACK=0.96", "BACK=0.97")),
    ]);
}
