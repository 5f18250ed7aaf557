//! `airchain run` killed in the middle of an item and started again: the programme, the recordings and HLS go on.

// The figures are for whoever reads the test's output.
#![allow(clippy::unwrap_used, clippy::print_stdout)]

mod support;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use support::{Stereo, decode, events, wait_for, write_wav};
use testkit::{measure, signal};

const RATE: u32 = 48_000;
/// Length of the item that tells its position by its pitch.
const SWEEP_S: f64 = 8.0;
/// Its pitch rises from here, by so much each second.
const SWEEP_HZ: (f64, f64) = (400.0, 400.0);
/// What follows it: file name and pitch, for a second and a half each.
const TONES: [(&str, f64); 2] = [("b.wav", 5_000.0), ("c.wav", 6_500.0)];
const TONE_S: f64 = 1.5;

/// The pitch at `frame`, by the upward zero crossings of the fifth of a second from there on.
fn pitch_hz(audio: &[Stereo], frame: usize) -> f64 {
    let window = &audio[frame..frame + RATE as usize / 5];
    let upward: Vec<usize> =
        (1..window.len()).filter(|n| window[n - 1][0] <= 0.0 && window[*n][0] > 0.0).collect();
    let (first, last) = (upward[0], upward[upward.len() - 1]);
    (upward.len() - 1) as f64 * f64::from(RATE) / (last - first) as f64
}

/// The position in the sweep at `frame`; the pitch is that of the window's middle.
fn position_s(audio: &[Stereo], frame: usize) -> f64 {
    (pitch_hz(audio, frame) - SWEEP_HZ.0) / SWEEP_HZ.1 - 0.1
}

/// The first and last frames of what is heard.
fn heard(audio: &[Stereo]) -> (usize, usize) {
    let loud = |frame: &Stereo| frame[0].abs() > 0.05;
    (audio.iter().position(loud).unwrap(), audio.iter().rposition(loud).unwrap())
}

/// A folder with a station file and all that it names.
struct Bench {
    folder: tempfile::TempDir,
    file: String,
}

impl Bench {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        let sweep = |n: usize| {
            let t = n as f64 / f64::from(RATE);
            let turns = SWEEP_HZ.0 * t + SWEEP_HZ.1 * t * t / 2.0;
            [(0.25 * (std::f64::consts::TAU * turns).sin()) as f32; 2]
        };
        let sweep: Vec<Stereo> = (0..(SWEEP_S * f64::from(RATE)) as usize).map(sweep).collect();
        write_wav(&path("a.wav"), RATE, &sweep);
        for (name, hz) in TONES {
            write_wav(&path(name), RATE, &signal::sine(RATE, hz, -12.0, (TONE_S * f64::from(RATE)) as usize));
        }
        let text = "station: { id: wgmr, journal: state/journal }\n\
            mounts:\n  - id: m\n    outputs:\n      \
            - { type: hls, path: hls, segment_duration_sec: 1, playlist_size: 1000 }\n      \
            - { type: recording, path: rec, format: flac }\n\
            automation: { playlist: [a.wav, b.wav, c.wav] }\n";
        fs::write(path("wgmr.yaml"), text).unwrap();
        let file = path("wgmr.yaml").display().to_string();
        Self { folder, file }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn run(&self, number: u32) -> Running {
        let events = self.path(&format!("events-{number}.jsonl"));
        let log = fs::File::create(self.path("airchain.log")).unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_airchain"));
        command.args(["run", &self.file, "--events"]).arg(&events);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
        Running { child: command.spawn().unwrap(), events }
    }

    /// Recordings, the oldest first.
    fn recordings(&self) -> Vec<PathBuf> {
        let found = fs::read_dir(self.path("rec")).into_iter().flatten().flatten();
        let mut files: Vec<PathBuf> = found.map(|entry| entry.path()).collect();
        files.sort();
        files
    }
}

/// The command on air, killed when the test is over.
struct Running {
    child: Child,
    events: PathBuf,
}

impl Running {
    /// Waits until so many items have begun.
    fn wait_for_items(&mut self, count: usize) {
        wait_for("an item", || {
            assert!(self.child.try_wait().unwrap().is_none(), "it ended");
            self.items().len() >= count
        });
    }

    /// Names of the items that have begun.
    fn items(&self) -> Vec<String> {
        // The last line may not be whole.
        let text = fs::read_to_string(&self.events).unwrap_or_default();
        let whole = text.rfind('\n').map_or("", |end| &text[..=end]);
        let beside = self.events.with_extension("whole");
        fs::write(&beside, whole).unwrap();
        support::starts(&events(&beside)).into_iter().map(|(_, name)| name).collect()
    }

    fn signal(mut self, name: &str) {
        let killed = Command::new("kill").args([name, &self.child.id().to_string()]).status();
        assert!(killed.unwrap().success());
        wait_for("the end", || self.child.try_wait().unwrap().is_some());
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A media playlist as players read it.
struct Hls {
    first: u64,
    /// Names, with their dates and whether a discontinuity comes before.
    segments: Vec<(String, String, bool)>,
}

impl Hls {
    fn read(folder: &Path) -> Self {
        let text = fs::read_to_string(folder.join("live.m3u8")).unwrap_or_default();
        let (mut first, mut segments, mut date, mut joins) = (0, Vec::new(), String::new(), false);
        for line in text.lines() {
            if let Some(number) = line.strip_prefix("#EXT-X-MEDIA-SEQUENCE:") {
                first = number.parse().unwrap();
            } else if let Some(said) = line.strip_prefix("#EXT-X-PROGRAM-DATE-TIME:") {
                date = said.to_owned();
            } else if line == "#EXT-X-DISCONTINUITY" {
                joins = true;
            } else if !line.starts_with('#') && !line.is_empty() {
                segments.push((line.to_owned(), std::mem::take(&mut date), std::mem::take(&mut joins)));
            }
        }
        Self { first, segments }
    }

    /// What was published before is as it was; what is new follows a discontinuity.
    fn assert_goes_on_from(&self, before: &Self) {
        assert_eq!(self.first, before.first, "the window holds everything");
        let known = before.segments.len();
        assert!(self.segments.len() > known, "nothing new was published");
        assert_eq!(self.segments[..known], before.segments[..]);
        assert!(self.segments.iter().all(|(_, date, _)| !date.is_empty()));
        let joins: Vec<usize> = (known..self.segments.len()).filter(|n| self.segments[*n].2).collect();
        assert_eq!(joins, [known]);
        let dates: BTreeMap<&String, &String> =
            self.segments.iter().map(|(name, date, _)| (name, date)).collect();
        assert_eq!(dates.len(), self.segments.len(), "a name was used twice");
    }
}

#[test]
fn a_killed_station_is_back_on_the_same_item_at_its_position() {
    let bench = Bench::new();
    let hls = bench.path("hls");

    // Killed in the sweep, with something of it published.
    let mut air = bench.run(1);
    air.wait_for_items(1);
    wait_for("segments", || Hls::read(&hls).segments.len() >= 3);
    let begun = events(&air.events.with_extension("whole"));
    let begun = begun.iter().find(|event| event["event"] == "now_playing").unwrap()["utc"].clone();
    let begun: jiff::Timestamp = begun.as_str().unwrap().parse().unwrap();
    let elapsed_s = || jiff::Timestamp::now().duration_since(begun).as_secs_f64();
    // Positions are written down every half second; the worst moment is just before.
    wait_for("a bad moment", || (0.40..0.48).contains(&(elapsed_s() % 0.5)));
    let killed_at_s = elapsed_s();
    air.signal("-KILL");
    let first_hls = Hls::read(&hls);
    let [first] = bench.recordings().try_into().unwrap();
    let recorded = fs::read(&first).unwrap();

    // Back, to the second sweep, and stopped.
    let mut air = bench.run(2);
    air.wait_for_items(4);
    assert_eq!(air.items()[..4], ["a.wav", "b.wav", "c.wav", "a.wav"]);
    wait_for("segments of it", || Hls::read(&hls).segments.len() >= first_hls.segments.len() + 9);
    let second_hls = Hls::read(&hls);
    air.signal("-TERM");
    second_hls.assert_goes_on_from(&first_hls);
    let second_hls = Hls::read(&hls);

    // The old recording was not touched, and is readable to its last second.
    assert_eq!(fs::read(&first).unwrap(), recorded);
    let old = decode(&first);
    let (start, end) = heard(&old);
    assert!(position_s(&old, start).abs() < 0.05);
    let old_end_s = (end - start) as f64 / f64::from(RATE);
    assert!((position_s(&old, end - 9_600) - (old_end_s - 0.2)).abs() < 0.05);
    assert!(killed_at_s - old_end_s < 1.5, "recorded to {old_end_s} s, killed at {killed_at_s} s");

    // The new one goes on from there, in order and whole.
    let [_, second] = bench.recordings().try_into().unwrap();
    let new = decode(&second);
    let (start, _) = heard(&new);
    let resumed_s = position_s(&new, start);
    println!("killed at {killed_at_s:.3} s (recorded to {old_end_s:.3} s), back at {resumed_s:.3} s");
    assert!((resumed_s - killed_at_s).abs() < 1.0, "killed at {killed_at_s} s, back at {resumed_s} s");
    let mut at = start + ((SWEEP_S - resumed_s) * f64::from(RATE)) as usize;
    for (name, hz) in TONES {
        // The position was read to a few hundredths of a second.
        let audio = &new[at + 4_800..at + (TONE_S * f64::from(RATE)) as usize - 4_800];
        let residual = measure::tone(&measure::channel(audio, 0), RATE, hz).residual_db();
        assert!(residual < -40.0, "{name} is not there: {residual} dB");
        at += (TONE_S * f64::from(RATE)) as usize;
    }
    assert!(position_s(&new, at + 4_800) < 0.25, "the list does not begin again");

    // Also after a clean stop it goes on where it was.
    let (_, end) = heard(&new);
    let stopped_s = (end - at) as f64 / f64::from(RATE);
    let mut air = bench.run(3);
    air.wait_for_items(1);
    wait_for("segments", || Hls::read(&hls).segments.len() >= second_hls.segments.len() + 2);
    air.signal("-TERM");
    Hls::read(&hls).assert_goes_on_from(&second_hls);
    let [_, _, third] = bench.recordings().try_into().unwrap();
    let third = decode(&third);
    let resumed_s = position_s(&third, heard(&third).0);
    println!("stopped at {stopped_s:.3} s, back at {resumed_s:.3} s");
    assert!((resumed_s - stopped_s).abs() < 0.5, "stopped at {stopped_s} s, back at {resumed_s} s");
}

#[test]
fn two_stations_do_not_share_a_journal() {
    let bench = Bench::new();
    let other = bench.path("other.yaml").display().to_string();
    fs::write(&other, fs::read_to_string(&bench.file).unwrap().replace("id: wgmr", "id: other")).unwrap();
    let said = support::fail(&["run", &bench.file, &other]);
    assert!(said.contains("other.yaml: station.journal: is that of") && said.contains("wgmr.yaml"), "{said}");
}

#[test]
fn a_file_that_is_no_journal_is_kept_and_the_station_begins_afresh() {
    let bench = Bench::new();
    fs::create_dir(bench.path("state")).unwrap();
    fs::write(bench.path("state/journal"), "my notes\n").unwrap();
    let mut air = bench.run(1);
    air.wait_for_items(1);
    assert_eq!(air.items(), ["a.wav"]);
    wait_for("a journal", || {
        fs::read_to_string(bench.path("state/journal")).is_ok_and(|text| text.contains("wgmr"))
    });
    air.signal("-TERM");
    assert_eq!(fs::read_to_string(bench.path("state/journal.old")).unwrap(), "my notes\n");
    let log = fs::read_to_string(bench.path("airchain.log")).unwrap();
    assert!(log.contains("state/journal is not a journal of airchain"), "{log}");
}
