//! The system's clock is set while a station is on air: no output loses anything, and dates follow. S3 refuses those whose clock is
//! wrong; it gets what it has missed once the clock is right again.
//!
//! The clock of the machine is left alone: the process is told another time, by as many seconds as a number says.

use std::path::Path;
use std::time::Instant;

use airchain::codecs::Codec;
use airchain::output::Target;
use airchain::outputs::recording::RecordingConfig;
use airchain::outputs::segments::StoreConfig;
use jiff::{SignedDuration, Timestamp};
use testkit::hls::{Checker, Fetched, Folder, Origin, Segment};
use testkit::icecast::Icecast;
use testkit::object_store::{Fault, Request};

use super::air::{self, Air, PATIENCE, Places};
use super::preload::{Number, with_library};
use super::stores::{Kind, Peer};

const CLOCK: &str = r#"
int clock_gettime(clockid_t clock, struct timespec *time) {
    int result = syscall(SYS_clock_gettime, clock, time);
    if (result == 0 && clock == CLOCK_REALTIME) time->tv_sec += *number;
    return result;
}
"#;

#[test]
fn a_clock_that_is_set_forward_and_back() {
    with_library("clock::a_clock_that_is_set_forward_and_back", CLOCK, on_air);
}

/// What S3 accepts a request's time to be off by, in seconds.
const SKEW_S: i64 = 15 * 60;

/// Refuses what is signed at a wrong time, as S3 does.
fn skewed() -> impl FnMut(&Request) -> Option<Fault> + Send {
    let began = (Timestamp::now(), Instant::now());
    move |request| {
        let signed: Timestamp = request.header("x-amz-date").parse().unwrap();
        let now = began.0 + SignedDuration::try_from(began.1.elapsed()).unwrap();
        let off_s = signed.as_second() - now.as_second();
        (off_s.abs() > SKEW_S).then_some(Fault::Status(403, "RequestTimeTooSkewed"))
    }
}

/// By how much the clock is set, one after the other, in seconds from its true time.
const SETTINGS_S: [i64; 3] = [3_600, -3_600, 0];

fn on_air(clock: &Number) {
    let (icecast, places) = (Icecast::start(10), tempfile::tempdir().unwrap());
    let (hls, recording) = (places.path().join("hls"), places.path().join("rec"));
    let peers = [Peer::new(Kind::S3, "s3", None), Peer::new(Kind::Put, "put", None)];
    peers[0].script(skewed());
    let mut further: Vec<_> = peers.iter().map(Peer::output).collect();
    further.push(air::icecast(icecast.url("/a.mp3")));
    #[cfg(feature = "srt")]
    let receiver = testkit::srt::Receiver::start("");
    #[cfg(feature = "srt")]
    further.push(super::srt::output("srt", receiver.address()));
    let mut air = Air::new(|_| Places { hls: hls.clone(), recording: recording.clone(), further });
    let mut origin = Steady { folder: Folder(hls.clone()), begin: Timestamp::now(), since: Instant::now() };
    let mut checker = Checker::new("index.m3u8", PATIENCE);
    let (before, mut was_s) = (now_s(), 0);
    air.play(3);
    for set_by_s in SETTINGS_S {
        checker.poll(&mut origin);
        clock.set(set_by_s);
        let off_s = now_s() - before - set_by_s;
        assert!((0..600).contains(&off_s), "the clock was not set by {set_by_s} s");
        checker.clock_set(SignedDuration::from_secs(set_by_s - was_s));
        checker.poll(&mut origin);
        was_s = set_by_s;
        air.set += 1;
        match set_by_s {
            0 => air.back("s3"),
            _ => air.tells("s3", "this machine's clock and the server's are too far apart"),
        }
        air.play(3);
        // One that is added goes by the new clock from the first, also on an encoder that has run for long.
        let [segments, files] =
            ["segments", "files"].map(|name| places.path().join(format!("{name}{set_by_s}")));
        air.add(air::hls(&format!("segments-{}", air.set), StoreConfig::Local(segments)));
        let files = Target::Recording(RecordingConfig::new(files));
        air.add(air::output(&format!("files-{}", air.set), air::format(Codec::Mp3, 64), files));
    }
    air.play(3);
    checker.poll(&mut origin);
    let end = origin.now();
    let delivered = air.verify(&["s3"]);
    checker.poll(&mut origin);
    checker.assert_clean();
    peers.into_iter().for_each(|peer| peer.check(&delivered));

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
