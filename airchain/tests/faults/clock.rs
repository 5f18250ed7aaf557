//! The system's clock is set while a station is on air: no output loses anything, and dates follow.
//!
//! The clock of the machine is left alone. A library that is loaded before libc's tells the process another time, by as many
//! seconds as a file says.

use std::io::Write;
use std::path::Path;
use std::process::Command;
use std::time::Instant;

use airchain::codecs::Codec;
use airchain::output::Target;
use airchain::outputs::hls::HlsConfig;
use airchain::outputs::recording::RecordingConfig;
use jiff::{SignedDuration, Timestamp};
use testkit::hls::{Checker, Fetched, Folder, Origin, Segment};
use testkit::icecast::Icecast;

use super::air::{Air, PATIENCE, Places};

/// The file with the seconds, in the process with another clock.
const SET_BY: &str = "AIRCHAIN_TEST_CLOCK";

const CLOCK: &str = r#"
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static volatile long *set_by;

__attribute__((constructor)) static void begin(void) {
    int file = open(getenv("AIRCHAIN_TEST_CLOCK"), O_RDONLY);
    void *map = mmap(0, sizeof(long), PROT_READ, MAP_SHARED, file, 0);
    if (file >= 0 && map != MAP_FAILED) set_by = map;
}

int clock_gettime(clockid_t clock, struct timespec *time) {
    int result = syscall(SYS_clock_gettime, clock, time);
    if (result == 0 && clock == CLOCK_REALTIME && set_by) time->tv_sec += *set_by;
    return result;
}
"#;

#[test]
fn a_clock_that_is_set_forward_and_back() {
    if let Some(file) = std::env::var_os(SET_BY) {
        return on_air(Path::new(&file));
    }
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    std::fs::write(path("clock.c"), CLOCK).unwrap();
    std::fs::write(path("set-by"), 0_i64.to_ne_bytes()).unwrap();
    let mut compiler = Command::new("cc");
    compiler.args(["-shared", "-fPIC", "-O1", "-o"]).args([path("clock.so"), path("clock.c")]);
    assert!(compiler.status().expect("cc (Debian package gcc) runs").success());
    let status = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "clock::a_clock_that_is_set_forward_and_back", "--nocapture"])
        .env("LD_PRELOAD", path("clock.so"))
        .env(SET_BY, path("set-by"))
        .status()
        .unwrap();
    assert!(status.success(), "the test with another clock failed, see above");
}

/// By how much the clock is set, one after the other, in seconds from its true time.
const SETTINGS_S: [i64; 3] = [3_600, -3_600, 0];

fn on_air(file: &Path) {
    let (icecast, places) = (Icecast::start(10), tempfile::tempdir().unwrap());
    let (hls, recording) = (places.path().join("hls"), places.path().join("rec"));
    let mut air = Air::new(|_| Places {
        icecast: Some(icecast.url("/a.mp3")),
        hls: hls.clone(),
        recording: recording.clone(),
    });
    let mut origin = Steady { folder: Folder(hls.clone()), begin: Timestamp::now(), since: Instant::now() };
    let mut checker = Checker::new("index.m3u8", PATIENCE);
    let (before, mut was_s) = (now_s(), 0);
    air.play(3);
    for set_by_s in SETTINGS_S {
        checker.poll(&mut origin);
        // Never shorter, as it is mapped.
        let mut set_by = std::fs::OpenOptions::new().write(true).open(file).unwrap();
        set_by.write_all(&set_by_s.to_ne_bytes()).unwrap();
        let off_s = now_s() - before - set_by_s;
        assert!((0..600).contains(&off_s), "the clock was not set by {set_by_s} s");
        checker.clock_set(SignedDuration::from_secs(set_by_s - was_s));
        checker.poll(&mut origin);
        was_s = set_by_s;
        air.set += 1;
        air.play(3);
        // One that is added goes by the new clock from the first, also on an encoder that has run for long.
        for (codec, name) in [(Codec::AacLc, "segments"), (Codec::Mp3, "files")] {
            let (id, path) = (format!("{name}-{}", air.set), places.path().join(format!("{name}{set_by_s}")));
            let target = match codec {
                Codec::AacLc => Target::Hls(HlsConfig {
                    segment_duration_s: 1.0,
                    playlist_size: 1000,
                    ..HlsConfig::new(&path)
                }),
                _ => Target::Recording(RecordingConfig::new(&path)),
            };
            air.add(&id, codec, target);
        }
    }
    air.play(3);
    checker.poll(&mut origin);
    let end = origin.now();
    air.verify("nothing");
    checker.poll(&mut origin);
    checker.assert_clean();

    let segments = &checker.media("live.m3u8").unwrap().segments;
    let leaps: Vec<i64> = segments.windows(2).map(leap_s).filter(|leap| *leap != 0).collect();
    assert_eq!(leaps, [3_600, -7_200, 3_600], "the dates are those of the clock");
    let off_s = |date: Timestamp, set_by_s: i64| date.as_second() - before - set_by_s;
    let lasted_s = end.as_second() - before;
    let within = |off_s: i64| (-1..=lasted_s).contains(&off_s);
    let recordings = dates(&recording);
    for set_by_s in SETTINGS_S {
        let begun = recordings.iter().filter(|date| within(off_s(**date, set_by_s))).count();
        assert!(begun > 0, "no recording by a clock that is set by {set_by_s} s, but {recordings:?}");
        let text =
            std::fs::read_to_string(places.path().join(format!("segments{set_by_s}/live.m3u8"))).unwrap();
        let first = text.lines().find_map(|line| line.strip_prefix("#EXT-X-PROGRAM-DATE-TIME:")).unwrap();
        let off_s_of_first = off_s(first.parse().unwrap(), set_by_s);
        assert!(within(off_s_of_first), "{first} by a clock that is set by {set_by_s} s");
        let first = dates(&places.path().join(format!("files{set_by_s}")));
        assert!(first.iter().any(|date| within(off_s(*date, set_by_s))), "{first:?}, {set_by_s} s");
    }
    // None of them by anything else, and each setting begins but one.
    let known =
        |date: &&Timestamp| [0].iter().chain(&SETTINGS_S).any(|set_by_s| within(off_s(**date, *set_by_s)));
    assert!(recordings.iter().all(|date| known(&date)), "{recordings:?}");
}

/// A folder beside a clock that is not set.
struct Steady {
    folder: Folder,
    begin: Timestamp,
    since: Instant,
}

impl Origin for Steady {
    fn now(&self) -> Timestamp {
        self.begin + SignedDuration::try_from(self.since.elapsed()).unwrap()
    }

    fn get(&mut self, path: &str) -> Option<Fetched> {
        self.folder.get(path)
    }
}

/// By how many seconds the second date is beside where the first segment ends.
fn leap_s(pair: &[Segment]) -> i64 {
    let date_ms = |segment: &Segment| segment.date.unwrap().as_millisecond();
    let off_ms = date_ms(&pair[1]) - date_ms(&pair[0]) - pair[0].duration_us as i64 / 1_000;
    (off_ms + 500).div_euclid(1_000)
}

/// When the recordings in a folder begin, by their names.
fn dates(folder: &Path) -> Vec<Timestamp> {
    let names =
        std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let date = |name: String| format!("{}T{}Z", &name[..10], name[11..19].replace('-', ":")).parse().unwrap();
    names.map(date).collect()
}

fn now_s() -> i64 {
    std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs() as i64
}
