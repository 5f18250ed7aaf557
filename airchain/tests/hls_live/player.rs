//! Players: each follows a row of the table in its own way, and all that they were given is decoded in the end.

use std::f64::consts::TAU;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use testkit::hls::{Checker, Folder, Origin, Served, Stretch, decode};
use testkit::measure;

use super::{HZ, RATE, Row, is_low_latency};

/// Far longer than anything here takes: what has not happened by then never will.
const PATIENCE: Duration = Duration::from_secs(60);
/// By how much a busy machine may be late.
const LATE: Duration = Duration::from_secs(20);

/// A row of the table, as a player meets it.
pub(super) struct Player {
    pub(super) row: Row,
    folder: PathBuf,
    origin: Box<dyn Origin + Send>,
    /// The server is the station's own, which holds requests.
    is_held: bool,
    pub(super) checker: Checker,
}

impl Player {
    /// One for each way to a row.
    pub(super) fn of(index: usize, row: Row, folder: &Path, address: SocketAddr) -> Vec<Self> {
        let place = if index == 0 { "hls".into() } else { format!("hls-{}", index + 1) };
        let served = Served { address, base: format!("/{place}/one/") };
        let folder = folder.join(row.0);
        let mut origins: Vec<Box<dyn Origin + Send>> = vec![Box::new(served)];
        if is_low_latency(&row) {
            origins.push(Box::new(Folder(folder.clone())));
        }
        let player = |(way, origin)| {
            let is_held = is_low_latency(&row) && way == 0;
            let checker = Checker::new("index.m3u8", LATE);
            Self { row, folder: folder.clone(), origin, is_held, checker }
        };
        origins.into_iter().enumerate().map(player).collect()
    }

    /// Waits until it is served, for the first time or again.
    pub(super) fn wait(&mut self) {
        let mut names: Vec<_> = self.row.3.iter().map(|(name, _)| format!("{name}/live.m3u8")).collect();
        names.extend(["live.m3u8".into(), "index.m3u8".into()]);
        let deadline = Instant::now() + PATIENCE;
        while !names.iter().all(|name| self.origin.get(name).is_some()) {
            assert!(Instant::now() < deadline, "{}: {names:?} are not served", self.row.0);
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// The number that comes next, of the playlist that is furthest behind.
    fn next(&self) -> u64 {
        let playlists = self.checker.playlists();
        playlists.iter().filter_map(|path| Some(self.checker.media(path)?.next())).min().unwrap_or(0)
    }

    /// Looks, and waits a little where that was not waiting already.
    fn poll(&mut self) {
        self.checker.poll(self.origin.as_mut());
        if !self.is_held {
            std::thread::sleep(Duration::from_millis(200));
        }
    }

    /// Follows it for so many segments.
    fn follow(&mut self, segments: u64) {
        self.poll();
        let (until, deadline) = (self.next() + segments, Instant::now() + PATIENCE);
        while self.next() < until {
            let findings = self.checker.findings();
            assert!(Instant::now() < deadline, "{} does not go on: {findings:#?}", self.row.0);
            self.poll();
        }
    }

    /// A clean end: what is left is published and the playlists end where the programme does. A listener that is gone does not
    /// tell; its folder does, which is another's to follow where it has no more than files can hold to.
    pub(super) fn ended(&mut self, ended_us: i64) {
        if self.is_held {
            return;
        }
        self.checker.poll(&mut Folder(self.folder.clone()));
        for path in self.checker.playlists() {
            let what = format!("{}, {path}", self.row.0);
            assert!(self.checker.media(&path).unwrap().ended, "{what}");
            let off_us = self.checker.end_us(&path).unwrap() - ended_us;
            assert!(off_us.abs() < 25, "{what} ends {off_us} us from where the programme does");
        }
    }

    /// All that was published is decoded, and what its runs are made of is what became of them.
    pub(super) fn heard(&mut self) {
        let (checker, name, all) = (&self.checker, self.row.0, self.checker.stretches());
        for path in checker.playlists() {
            let stretches: Vec<_> = all.iter().filter(|s| s.playlist == path).cloned().collect();
            let runs = stretches.chunk_by(|a, b| a.start_us < b.start_us).collect::<Vec<_>>();
            let counts: Vec<_> = runs.iter().map(|run| run.len()).collect();
            // What is lost of FLAC can be less than a packet: silence in it, and no joint.
            let least = if stretches.iter().any(|stretch| stretch.codecs == "fLaC") { 1 } else { 2 };
            let lost = counts.last().is_some_and(|last| (least..=2).contains(last));
            let what = format!("{name}, {path}: {counts:?} stretches");
            assert!(counts.starts_with(&[1, 1]) && counts.len() == 3 && lost, "{what}");
            // Bytes that two follow are the same for both.
            if !self.is_held {
                runs.into_iter().for_each(assert_steady);
            }
        }
        let second_parts = checker.second_parts();
        let due = if is_low_latency(&self.row) { checker.playlists().len() } else { 0 };
        assert_eq!(second_parts.len(), due, "{name}");
        for stretch in second_parts.iter().filter(|_| self.is_held) {
            decode(stretch, RATE);
        }
    }
}

/// Follows all of them for so many segments, each at its own pace.
pub(super) fn follow(players: &mut [Player], segments: u64) {
    std::thread::scope(|scope| {
        for player in players {
            scope.spawn(|| player.follow(segments));
        }
    });
}

/// Where the tone is heard, its phase is that of its positions from the beginning of a run to its end: nothing is missing and
/// nothing is too much, not a frame.
fn assert_steady(run: &[Stretch]) {
    const WINDOW: usize = 2_048;
    let mut known = None::<f64>;
    for stretch in run {
        // Time stamps are rounded down.
        let position = (stretch.start_us as f64 * f64::from(RATE) / 1e6).ceil();
        let audio = decode(stretch, RATE);
        let left = measure::channel(&audio, 0);
        let (mut steady, mut all) = (0, 0);
        // Decoders come in over the first packets.
        for (index, window) in left.chunks_exact(WINDOW).enumerate().skip(5) {
            let tone = measure::tone(window, RATE, HZ);
            all += 1;
            if tone.residual_db() > -30.0 {
                continue;
            }
            steady += 1;
            let at = position + (index * WINDOW) as f64;
            let phase = tone.phase - TAU * HZ * at / f64::from(RATE);
            let off = phase - *known.get_or_insert(phase);
            let off = (off + TAU / 2.0).rem_euclid(TAU) - TAU / 2.0;
            // A frame is 0.13.
            let what = format!("{} from {} on, frame {}", stretch.playlist, stretch.first, index * WINDOW);
            assert!(off.abs() < 0.06, "{what}: off by {off} rad");
        }
        assert!(
            steady * 2 > all,
            "{} from {} on: {steady} of {all} windows",
            stretch.playlist,
            stretch.first
        );
    }
}
