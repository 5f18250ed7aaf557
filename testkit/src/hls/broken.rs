//! Each rule that the checker knows, broken in one way: it is found, by its section.

use std::time::Duration;

use jiff::SignedDuration;

use super::Checker;
use super::made::{Made, adts, mp3, packed, run, ticks};

const LIVE: &str = "live.m3u8";
const INDEX: &str = "index.m3u8";

#[test]
fn nothing_is_found_where_nothing_is_wrong() {
    assert_eq!(run(|_| {}), []);
}

/// What is done to the eighth text, when the window has moved on for a while.
fn at_7(breaks: impl Fn(&mut Made)) -> impl Fn(&mut Made) {
    move |made| {
        if made.step == 7 {
            breaks(made);
        }
    }
}

/// A replacement in the eighth text.
fn edit(path: &'static str, from: &'static str, to: &'static str) -> Box<dyn Fn(&mut Made)> {
    Box::new(at_7(move |made| made.edit(path, from, to)))
}

/// A replacement from the beginning, wherever it is there.
fn always(path: &'static str, from: &'static str, to: &'static str) -> Box<dyn Fn(&mut Made)> {
    Box::new(move |made| {
        if String::from_utf8_lossy(&made.files[path]).contains(from) {
            made.edit(path, from, to);
        }
    })
}

fn append(text: &'static str) -> Box<dyn Fn(&mut Made)> {
    Box::new(at_7(move |made| made.append(text)))
}

/// The bytes of the segment that comes with the eighth text, but for its time stamp.
fn bytes(make: impl Fn(i64) -> Vec<u8> + 'static) -> Box<dyn Fn(&mut Made)> {
    Box::new(at_7(move |made| {
        made.files.insert("107.aac".into(), make(ticks(107)));
    }))
}

type Break = (&'static str, &'static str, Box<dyn Fn(&mut Made)>);

fn assert_found(breaks: Vec<Break>) {
    for (rule, what, how) in breaks {
        let findings = run(how);
        let is_it = |f: &&super::Finding| f.rule == rule && f.to_string().contains(what);
        let found = findings.iter().filter(is_it).count();
        assert!(found > 0, "{rule}, {what:?} was not found, but {findings:#?}");
    }
}

#[test]
fn the_text_of_a_media_playlist() {
    let last_line = |made: &mut Made| {
        made.files.get_mut(LIVE).and_then(Vec::pop);
    };
    let no_text = |made: &mut Made| made.files.get_mut(LIVE).expect("a text").push(0xFF);
    let type_of = |made: &mut Made| made.mime = "text/plain";
    assert_found(vec![
        ("4", "control character", append("# \u{7}\n")),
        ("4", "not UTF-8", Box::new(at_7(no_text))),
        ("4", "text/plain", Box::new(at_7(type_of))),
        ("4.1", "has no end", Box::new(at_7(last_line))),
        ("4.1", "no tag of a media playlist", append("#EXT-X-NEW\n")),
        ("4.1", "multivariant", append("#EXT-X-MEDIA:TYPE=AUDIO\n")),
        ("4.1", "no relative URI", edit(LIVE, "107.aac", "http://example.org/107.aac")),
        ("4.1", "no relative URI", edit(LIVE, "107.aac", "10 7.aac")),
        ("4.2", "no end", append("#EXT-X-MAP:URI=\"init.mp4\n")),
        ("4.3.1.1", "first line", edit(LIVE, "#EXTM3U\n", "#EXTM3\n")),
        ("4.3.1.2", "no number", edit(LIVE, "VERSION:8", "VERSION:eight")),
        ("4.3.2", "does not come", append("#EXT-X-DISCONTINUITY\n")),
        ("4.3.2.1", "no comma", edit(LIVE, "0.960000,\n107", "0.960000\n107")),
        ("4.3.2.1", "no duration", edit(LIVE, "0.960000,\n107", "0.9600000,\n107")),
        ("4.3.2.1", "no EXTINF", edit(LIVE, "#EXTINF:0.960000,\n107", "107")),
        ("4.3.2.5", "no URI", append("#EXT-X-MAP:BYTERANGE=\"1@0\"\n")),
        ("4.3.2.6", "no date with its zone", edit(LIVE, "720Z", "720")),
        ("4.3.2.6", "has no EXT-X-PROGRAM", edit(LIVE, "#EXT-X-PROGRAM-DATE-TIME:", "#")),
        ("4.3.3", "comes twice", append("#EXT-X-TARGETDURATION:1\n")),
        ("4.3.3.1", "there is no", edit(LIVE, "#EXT-X-TARGETDURATION:1\n", "")),
        ("4.3.3.1", "longer than", edit(LIVE, "0.960000,\n107", "1.500000,\n107")),
        ("4.3.3.2", "after a segment", append("#EXT-X-MEDIA-SEQUENCE:104\n")),
        ("4.3.3.3", "after a segment", append("#EXT-X-DISCONTINUITY-SEQUENCE:6\n")),
        ("7", "needs EXT-X-VERSION 3", edit(LIVE, "VERSION:8", "VERSION:2")),
        ("7", "needs EXT-X-VERSION 6", always(LIVE, "VERSION:8\n", "VERSION:5\n#EXT-X-MAP:URI=\"i.mp4\"\n")),
        ("bis 8", "needs EXT-X-VERSION 8", edit(LIVE, "VERSION:8", "VERSION:7")),
        ("bis 6.2.1", "more than what it uses needs", edit(LIVE, "VERSION:8", "VERSION:9")),
    ]);
}

#[test]
fn date_ranges() {
    let late = Box::new(|made: &mut Made| {
        if made.step == 3 {
            made.edit(LIVE, "X-TITLE=\"a, b\"", "X-TITLE=\"c\"");
        }
    });
    let gone = Box::new(|made: &mut Made| {
        if made.step == 4 {
            made.edit(LIVE, "#EXT-X-DATERANGE", "#");
        }
    });
    let range = "#EXT-X-DATERANGE:ID=\"two\",START-DATE=\"2026-03-01T12:00:01Z\"";
    let twice = Box::new(move |made: &mut Made| {
        if made.step == 3 {
            made.append(&format!("{range},END-DATE=\"2026-03-01T12:00:02Z\"\n").repeat(2));
        }
    });
    assert_found(vec![
        ("4.3.2.7", "without ID", always(LIVE, "ID=\"song\",", "")),
        ("4.3.2.7", "before it begins", always(LIVE, "END-DATE=\"2026-03-01T12", "END-DATE=\"2026-03-01T11")),
        ("4.3.2.7", "DURATION", always(LIVE, "DURATION=2.88", "DURATION=2.9")),
        ("4.3.2.7", "no attribute", always(LIVE, "X-TITLE", "TITLE")),
        ("4.3.2.7", "comes twice", twice),
        ("4.3.2.7", "is not over", always(LIVE, "END-DATE=\"2026-03-01T12:00:02.880Z\",", "")),
        ("4.3.2.7", "was ID", late),
        ("6.2.1", "gone before", gone),
    ]);
}

#[test]
fn the_multivariant_playlist() {
    let gone = |made: &mut Made| drop(made.files.remove(INDEX));
    let mute = always(LIVE, "#EXT-X-INDEPENDENT-SEGMENTS\n", "");
    assert_found(vec![
        ("4.1", "no tag of a multivariant", edit(INDEX, "#EXT-X-STREAM-INF", "#EXT-X-STREAM")),
        ("4.3.4.2", "no BANDWIDTH", edit(INDEX, "BANDWIDTH=100000", "BANDWIDTH=\"100000\"")),
        ("4.3.4.2", "no AVERAGE-BANDWIDTH", edit(INDEX, "AVERAGE-BANDWIDTH=97000,", "")),
        ("4.3.4.2", "above BANDWIDTH", edit(INDEX, "=97000", "=100001")),
        ("4.3.4.2", "no CODECS", edit(INDEX, ",CODECS=\"mp4a.40.2\"", "")),
        ("4.3.4.2", "no URI behind", edit(INDEX, "other/live.m3u8\n", "")),
        ("4.3.4.2", "has no EXT-X-STREAM-INF", edit(INDEX, "\nlive.m3u8", "\nlive.m3u8\nmore.m3u8")),
        ("4.3.4.2", "named twice", edit(INDEX, "other/", "")),
        ("4.3.4.2", "names no variant", edit(INDEX, "\n", "\n#")),
        ("4.3.4.2", "segments have 96", edit(INDEX, "BANDWIDTH=100000", "BANDWIDTH=90000")),
        ("4.3.4.2", "its segments have 96", edit(INDEX, "=97000", "=80000")),
        ("4.3.4.2", "its audio is of", edit(INDEX, "mp4a.40.2", "mp4a.40.34")),
        ("4.3.5.1", "does not say so", mute),
        ("6.2.1", "no longer there", Box::new(at_7(gone))),
    ]);
}

#[test]
fn from_one_text_to_the_next() {
    let mut old = Vec::new();
    let stands_still = run(move |made| match made.step {
        7 => old = made.files[LIVE].clone(),
        8 | 9 => drop(made.files.insert(LIVE.into(), old.clone())),
        _ => {}
    });
    let is_it = |f: &&super::Finding| f.rule == "6.2.2" && f.what.contains("nothing new");
    // 1.92 s after it came it is still there. 2.5 s it may: 1.5 target durations, and what may be late.
    assert_eq!(stands_still.iter().filter(is_it).count(), 0, "{stands_still:#?}");
    let mut old = Vec::new();
    let stands_still = run(move |made| match made.step {
        7 => old = made.files[LIVE].clone(),
        8..=10 => drop(made.files.insert(LIVE.into(), old.clone())),
        _ => {}
    });
    assert_eq!(stands_still.iter().filter(is_it).count(), 1, "{stands_still:#?}");

    let passes = Box::new(at_7(|made| made.edit(LIVE, "SEQUENCE:104", "SEQUENCE:112")));
    let short = Box::new(at_7(|made| {
        let text = String::from_utf8(made.files[LIVE].clone()).expect("a text");
        let from = text.find("#EXT-X-PROGRAM-DATE-TIME").expect("a segment");
        let to = text.find("105.aac\n").expect("a segment") + 8;
        let text = text[..from].to_owned() + &text[to..];
        made.files.insert(LIVE.into(), text.replace("MEDIA-SEQUENCE:104", "MEDIA-SEQUENCE:106").into_bytes());
    }));
    assert_found(vec![
        ("6.2.1", "has changed after", append("#EXT-X-ENDLIST\n")),
        ("6.2.1", "EXT-X-TARGETDURATION was", edit(LIVE, "DURATION:1", "DURATION:2")),
        ("6.2.1", "comes or goes", edit(LIVE, "#EXT-X-INDEPENDENT-SEGMENTS\n", "")),
        ("6.2.1", "its last segment was", edit(LIVE, "SEQUENCE:104", "SEQUENCE:102")),
        ("6.2.2", "EXT-X-MEDIA-SEQUENCE was", edit(LIVE, "SEQUENCE:104", "SEQUENCE:102")),
        ("6.2.2", "passes over 5 numbers", passes),
        (
            "6.2.2",
            "EXT-X-DISCONTINUITY-SEQUENCE is 5 instead of 6",
            edit(LIVE, "Y-SEQUENCE:6", "Y-SEQUENCE:5"),
        ),
        ("6.2.2", "less than 3 target", short),
        ("6.2.1", "105 was", edit(LIVE, "0.960000,\n105", "0.959000,\n105")),
        ("6.2.1", "105 was", edit(LIVE, "0.960000,\n105", "0.960000,title\n105")),
        ("6.2.1", "105 was", edit(LIVE, "04.800Z", "04.801Z")),
        ("6.2.1", "105 was", edit(LIVE, "105.aac", "105b.aac")),
        ("6.2.1", "106 was", edit(LIVE, "#EXT-X-GAP\n", "")),
        (
            "6.2.1",
            "105 was",
            edit(LIVE, "#EXTINF:0.960000,\n105", "#EXT-X-DISCONTINUITY\n#EXTINF:0.960000,\n105"),
        ),
        ("6.2.1", "was the name of 101", edit(LIVE, "107.aac", "101.aac")),
        ("4.3.2.6", "is off by 5000 us", edit(LIVE, "06.720Z", "06.725Z")),
        ("4.3.2.6", "from now", edit(LIVE, "06.720Z", "07.720Z")),
        ("4.3.2.6", "before it came", edit(LIVE, "06.720Z", "03.720Z")),
    ]);
}

/// A presentation whose clock is set at the eighth text by so many seconds as everybody is told, and whose dates leap by so many from a
/// segment on, as if it had been set.
fn set(told_s: i64, leaps_s: i64, from: u64, with_discontinuity: bool) -> Vec<super::Finding> {
    let mut checker = Checker::new(INDEX, Duration::ZERO);
    run(|made| {
        let mut made = made.clone();
        for path in [LIVE, "other/live.m3u8"] {
            made.leap(path, from, leaps_s, with_discontinuity);
        }
        if made.step == 7 {
            checker.clock_set(SignedDuration::from_secs(told_s));
        }
        checker.poll(&mut made);
    });
    checker.findings().to_vec()
}

#[test]
fn dates_leap_where_the_clock_was_set_behind_a_discontinuity_and_nowhere_else() {
    // 107 ends a tenth of a second before the clock is set, 108 has begun by then.
    for by_s in [3_600, -3_600, 1, -1] {
        assert_eq!(set(by_s, by_s, 109, true), [], "{by_s} s");
        let found = |told_s, leaps_s, from, with_discontinuity, what: &str| {
            let findings = set(told_s, leaps_s, from, with_discontinuity);
            let is_it = |f: &super::Finding| f.rule == "4.3.2.6" && f.what.contains(what);
            assert!(findings.iter().any(is_it), "{by_s} s, {what:?}: {findings:#?}");
        };
        found(by_s, by_s, 109, false, "off by");
        // Nobody has set it.
        let beside = if by_s > 0 { "from now" } else { "before it came" };
        found(0, by_s, 109, true, beside);
        // Not where it was set, and not by as much.
        found(by_s, by_s, 112, true, "after the clock was set");
        found(by_s, 0, 109, false, "after the clock was set");
        found(by_s, by_s + 2, 109, true, "from now");
    }
}

#[test]
fn an_end_is_taken_back_by_a_new_start_and_by_nothing_else() {
    for restarts in [false, true] {
        let mut checker = Checker::new(INDEX, Duration::ZERO);
        run(|made| {
            let mut made = made.clone();
            match made.step {
                2 => made.append("#EXT-X-ENDLIST\n"),
                3 if restarts => checker.restarted(),
                _ => {}
            }
            checker.poll(&mut made);
        });
        let found = checker.findings();
        let taken_back = found.iter().filter(|finding| finding.what.contains("EXT-X-ENDLIST")).count();
        assert_eq!(taken_back, usize::from(!restarts), "{found:#?}");
        assert_eq!(found.len(), taken_back, "{found:#?}");
    }
}

#[test]
fn files() {
    let gone = |path: &'static str| {
        move |made: &mut Made| {
            made.files.remove(path);
        }
    };
    let other = |made: &mut Made| drop(made.files.insert("105.aac".into(), packed(ticks(105), &adts(44))));
    let shift = Box::new(at_7(|made| {
        made.edit("other/live.m3u8", "06.720Z", "06.721Z");
        made.files.insert("other/107.aac".into(), packed(ticks(107) + 900, &adts(45)));
    }));
    let short = Box::new(|made: &mut Made| {
        if made.step >= 7 && String::from_utf8_lossy(&made.files[LIVE]).contains("107.aac") {
            made.edit(LIVE, "0.960000,\n107", "0.950000,\n107");
        }
    });
    let unknown = |made: &mut Made| {
        made.edit(LIVE, "107.aac", "107.ogg");
        made.files.insert("107.ogg".into(), vec![0]);
    };
    let mapless = |made: &mut Made| {
        made.edit(LIVE, "107.aac", "107.m4s");
        made.files.insert("107.m4s".into(), vec![0]);
    };
    let other_join = Box::new(|made: &mut Made| {
        if made.step == 9 {
            made.edit(
                "other/live.m3u8",
                "#EXT-X-PROGRAM-DATE-TIME:2026-03-01T12:00:08.640Z",
                "#EXT-X-DISCONTINUITY\n#EXT-X-PROGRAM-DATE-TIME:2026-03-01T12:00:08.640Z",
            );
        }
    });
    let map = always(
        LIVE,
        "#EXT-X-INDEPENDENT-SEGMENTS\n",
        "#EXT-X-INDEPENDENT-SEGMENTS\n#EXT-X-MAP:URI=\"i.mp4\"\n",
    );
    assert_found(vec![
        ("6.2.1", "it is not there", Box::new(at_7(gone(LIVE)))),
        ("6.2.1", "107.aac is named, but not there", Box::new(at_7(gone("107.aac")))),
        ("6.2.1", "other bytes", Box::new(at_7(other))),
        ("6.2.2", "103.aac has left the playlist and is gone too early", Box::new(at_7(gone("103.aac")))),
        ("4.3.2.5", "is not there", map),
        ("3", "107.aac: the last frame is cut", bytes(|ticks| packed(ticks, &adts(45)[..11_000]))),
        ("3", "no frame", bytes(|ticks| packed(ticks, &[0; 100]))),
        ("3", "version 2.4.0", bytes(|_| adts(45))),
        ("3", "33 bits", bytes(|ticks| packed(ticks + (1 << 33), &adts(45)))),
        ("3", "of another kind", bytes(|ticks| packed(ticks, &[adts(1), mp3(1, 0)].concat()))),
        ("3", "does not read", Box::new(at_7(unknown))),
        ("3", "no EXT-X-MAP", Box::new(at_7(mapless))),
        ("4.3.2.3", "begins 1000 us from", bytes(|ticks| packed(ticks + 90, &adts(45)))),
        ("4.3.2.1", "its audio lasts 938667 us", bytes(|ticks| packed(ticks, &adts(44)))),
        ("4.3.2.1", "ends within a packet", short),
        ("4.3.5.1", "needs the one before", bytes(|ticks| packed(ticks, &mp3(40, 1)))),
        ("6.2.4", "target duration", always("other/live.m3u8", "DURATION:1\n", "DURATION:2\n")),
        ("6.2.4", "other discontinuities", other_join),
        ("6.2.4", "by time stamp", shift),
    ]);
}
