//! Analysis with a memory: what the cache answers, when it must not, and what happens when it is broken.

#![allow(clippy::unwrap_used)]
#![cfg(feature = "sqlite")]

use std::fs;
use std::num::NonZeroUsize;
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};

use airchain::analysis::{Analyser, Analysis, Cache, CacheError, Options, Zoom};
use airchain::codecs::{Format, decode};
use airchain::file::FileWriter;
use airchain::meter::Meter;
use airchain_core::Stereo;
use airchain_core::item::Metadata;
use rusqlite::Connection;
use testkit::signal;

const RATE: u32 = 48_000;

struct Bench {
    folder: tempfile::TempDir,
}

impl Bench {
    fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// A second of a tone.
    fn tone(&self, name: &str, level_db: f64) -> PathBuf {
        let path = self.path(name);
        let mut file =
            FileWriter::create(&path, &Format::parse("wav").unwrap(), RATE, &Metadata::default()).unwrap();
        file.write(&signal::sine(RATE, 1_000.0, level_db, RATE as usize)).unwrap();
        file.finish().unwrap();
        path
    }

    fn cache(&self) -> Cache {
        Cache::open(&self.path("cache/analysis.sqlite")).unwrap()
    }

    fn analyser(&self) -> Analyser {
        Analyser::new(Options::default()).with_cache(self.cache())
    }

    /// Puts a mark into every result that is kept: what comes from the cache is told by it.
    fn mark(&self) -> usize {
        let database = Connection::open(self.path("cache/analysis.sqlite")).unwrap();
        let mark =
            "UPDATE results SET answer = json_set(answer, '$.title', 'kept') WHERE question LIKE 'analysis%'";
        database.execute(mark, []).unwrap()
    }
}

fn is_kept(analysis: &Analysis) -> bool {
    analysis.title.as_deref() == Some("kept")
}

#[test]
fn what_was_measured_is_known_by_path_and_by_content() {
    let bench = Bench::new();
    let path = bench.tone("a.wav", -20.0);
    let fresh = bench.analyser().analyse(&path);
    assert_eq!(fresh, Analyser::new(Options::default()).analyse(&path));
    assert_eq!(bench.mark(), 1);
    // A new analyser is a new process, as far as the cache knows.
    let analyser = bench.analyser();
    let known = analyser.lookup(&path).unwrap();
    assert_eq!(Analysis { title: None, ..known.clone() }, fresh);
    assert!(is_kept(&known) && is_kept(&analyser.analyse(&path)));
    // Under another name it is known as soon as it has been read.
    let copy = bench.path("b.wav");
    fs::copy(&path, &copy).unwrap();
    assert_eq!(analyser.lookup(&copy), None);
    let known = analyser.analyse(&copy);
    assert!(is_kept(&known) && known.path == copy.to_str().unwrap(), "{known:?}");
    assert!(analyser.lookup(&copy).is_some());
}

#[test]
fn what_may_have_changed_is_measured_again() {
    let bench = Bench::new();
    let path = bench.tone("a.wav", -20.0);
    bench.analyser().analyse(&path);
    bench.mark();
    let analyser = bench.analyser();
    // Other audio of the same length, with the old modification time.
    let modified = fs::metadata(&path).unwrap().modified().unwrap();
    bench.tone("a.wav", -30.0);
    fs::File::options().write(true).open(&path).unwrap().set_modified(modified).unwrap();
    assert_eq!(analyser.lookup(&path), None);
    let analysis = analyser.analyse(&path);
    assert!((analysis.integrated_lufs.unwrap() + 30.0).abs() < 0.1, "{analysis:?}");
    // The same file, asked with other options: series are never kept, and other levels give another answer.
    for options in
        [Options { series: true, ..Options::default() }, Options { cue_lu: -20.0, ..Options::default() }]
    {
        let other = Analyser::new(options).with_cache(bench.cache());
        assert_eq!(other.lookup(&path), None);
        assert!(!is_kept(&other.analyse(&path)));
    }
    fs::remove_file(&path).unwrap();
    assert_eq!(analyser.lookup(&path), None);
    assert!(analyser.analyse(&path).error.is_some());
}

#[test]
fn waveforms_are_kept_beside_what_was_measured() {
    let bench = Bench::new();
    let path = bench.tone("a.wav", -20.0);
    let asking =
        |zoom| Analyser::new(Options { waveform: zoom, ..Options::default() }).with_cache(bench.cache());
    let (coarse, fine) = (Some(Zoom::Overview), Some(Zoom::SamplesPerPixel(32)));
    assert_eq!(asking(None).analyse(&path).waveform, None);
    bench.mark();
    // What is known lacks the waveform, so the file is measured again; once for each that is asked for.
    for zoom in [coarse, fine] {
        assert_eq!(asking(zoom).lookup(&path), None);
        let fresh = asking(zoom).analyse(&path);
        assert!(!is_kept(&fresh) && fresh.waveform.is_some());
        bench.mark();
        let known = asking(zoom).lookup(&path).unwrap();
        assert!(is_kept(&known) && known.waveform == fresh.waveform);
    }
    assert!(
        is_kept(&asking(coarse).lookup(&path).unwrap())
            && asking(None).lookup(&path).unwrap().waveform.is_none()
    );
    // One that does not hold what it says is none.
    let database = Connection::open(bench.path("cache/analysis.sqlite")).unwrap();
    database
        .execute(
            "UPDATE results SET answer = json_set(answer, '$.length', 7) WHERE question LIKE 'waveform%'",
            [],
        )
        .unwrap();
    assert_eq!(asking(coarse).lookup(&path), None);
}

#[test]
fn a_file_reads_as_the_live_meter_reads_it() {
    let bench = Bench::new();
    let path = bench.path("speech.wav");
    for rate in [44_100, 48_000] {
        let frames = 40 * rate as usize;
        let (speech, noise) = (signal::speech(rate, -3.0, 1, frames), signal::noise(2, -30.0, frames));
        let programme: Vec<Stereo> =
            speech.iter().zip(&noise).map(|(s, n)| [s[0] + n[0], 0.8 * s[1] + n[1]]).collect();
        let format = Format { sample_rate_hz: rate, ..Format::parse("wav").unwrap() };
        let mut file = FileWriter::create(&path, &format, rate, &Metadata::default()).unwrap();
        file.write(&programme).unwrap();
        file.finish().unwrap();
        // As the file has it, of so many bits.
        let (mut decoder, mut heard) = (decode::open(&path).unwrap(), Vec::new());
        while decoder.decode(&mut heard).unwrap() != decode::Progress::End {}
        assert_eq!(decoder.info().sample_rate_hz, rate);
        let mut meter = Meter::new(rate).unwrap();
        heard.chunks(1_000).for_each(|chunk| meter.feed(chunk));
        let (live, file) = (meter.read(), Analyser::new(Options::default()).analyse(&path));
        // To the thousandth that an analysis is rounded to.
        let same = |live: Option<f32>, file: Option<f64>| {
            assert!((f64::from(live.unwrap()) - file.unwrap()).abs() <= 0.0006, "{live:?} {file:?}");
        };
        same(live.integrated_lufs, file.integrated_lufs);
        same(live.loudness_range_lu, file.loudness_range_lu);
        same(live.max_momentary_lufs, file.max_momentary_lufs);
        same(live.max_short_term_lufs, file.max_short_term_lufs);
        let [left, right] = live.max_true_peak_dbtp.map(Option::unwrap);
        same(Some(left.max(right)), file.true_peak_dbtp);
    }
}

#[test]
fn failures_are_not_kept() {
    let bench = Bench::new();
    let path = bench.path("text.mp3");
    fs::write(&path, "no music").unwrap();
    let analyser = bench.analyser();
    assert!(analyser.analyse(&path).error.is_some());
    assert_eq!((analyser.lookup(&path), bench.mark()), (None, 0));
}

#[test]
fn an_analysis_that_is_broken_off_goes_on_with_what_is_left() {
    let bench = Bench::new();
    let files: Vec<PathBuf> = (0..6).map(|n| bench.tone(&format!("{n}.wav"), -20.0 - f64::from(n))).collect();
    let one = NonZeroUsize::new(1).unwrap();
    let run = |analyser: &Analyser, stop_after: usize| {
        let stop = AtomicBool::new(false);
        let (mut shown, mut ended) = (Vec::new(), 0);
        analyser.analyse_all(&files, one, &stop, &mut |_| ended += 1, &mut |outcome| {
            shown.push((outcome.index, is_kept(&outcome.analysis)));
            stop.store(shown.len() == stop_after, Ordering::Relaxed);
        });
        (shown, ended)
    };
    let (shown, _) = run(&bench.analyser(), 3);
    // One more may have been under way.
    assert!((3..=5).contains(&shown.len()), "{shown:?}");
    assert_eq!(bench.mark(), shown.len());
    let (all, ended) = run(&bench.analyser(), 0);
    let expected: Vec<(usize, bool)> = (0..6).map(|n| (n, n < shown.len())).collect();
    assert_eq!((all, ended), (expected, 6));
    // Within a file, too.
    let path = bench.tone("long.wav", -12.0);
    let mut calls = 0;
    let broken = bench.analyser().analyse_with(&path, &mut |_, _| {
        calls += 1;
        if calls == 3 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    });
    assert_eq!((broken, calls), (None, 3));
    assert_eq!(bench.analyser().lookup(&path), None);
}

#[test]
fn results_keep_their_order_whatever_the_number_of_jobs() {
    let bench = Bench::new();
    let files: Vec<PathBuf> =
        (0..20).map(|n| bench.tone(&format!("{n}.wav"), -40.0 + f64::from(n))).collect();
    for jobs in [1, 3, 64] {
        let (mut order, mut ended) = (Vec::new(), Vec::new());
        Analyser::new(Options::default()).analyse_all(
            &files,
            NonZeroUsize::new(jobs).unwrap(),
            &AtomicBool::new(false),
            &mut |count| ended.push(count),
            &mut |outcome| {
                assert_eq!(outcome.analysis.path, outcome.path.to_str().unwrap());
                order.push(outcome.index);
            },
        );
        assert_eq!(order, (0..20).collect::<Vec<_>>());
        assert_eq!(ended, (1..=20).collect::<Vec<_>>());
    }
}

#[test]
fn a_cache_of_something_else_or_of_tomorrow_is_left_alone() {
    let bench = Bench::new();
    let refused = |path: &PathBuf| Cache::open(path).err();
    // A song, given by mistake.
    let song = bench.tone("song.wav", -20.0);
    let before = fs::read(&song).unwrap();
    assert!(matches!(refused(&song), Some(CacheError::Unusable { .. })));
    assert_eq!(fs::read(&song).unwrap(), before);
    let other = bench.path("as-run.sqlite");
    Connection::open(&other).unwrap().execute_batch("CREATE TABLE as_run (id TEXT)").unwrap();
    assert!(matches!(refused(&other), Some(CacheError::NotACache { .. })));
    let newer = bench.path("cache/analysis.sqlite");
    drop(bench.cache());
    Connection::open(&newer).unwrap().execute_batch("PRAGMA user_version = 99").unwrap();
    assert!(matches!(refused(&newer), Some(CacheError::Newer { .. })));
    // Places where no file can be.
    assert!(matches!(refused(&song.join("cache.sqlite")), Some(CacheError::Unusable { .. })));
    assert!(matches!(refused(&bench.folder.path().to_owned()), Some(CacheError::Unusable { .. })));
}

#[test]
fn a_cache_that_breaks_stops_no_analysis() {
    let bench = Bench::new();
    let path = bench.tone("a.wav", -20.0);
    let right = Analyser::new(Options::default()).analyse(&path);
    let database = bench.path("cache/analysis.sqlite");
    // What somebody wrote into it is taken for nothing that it cannot be.
    bench.analyser().analyse(&path);
    for answer in [
        "'nonsense'",
        "'{}'",
        "'[]'",
        "'null'",
        "'{\"integrated_lufs\":1e300}'",
        "'{\"cue_in_s\":-5}'",
        "'{\"duration_s\":1,\"cue_out_s\":2}'",
        "'{\"integrated_lufs\":\"loud\"}'",
        "json_object('title', hex(zeroblob(40000000)))",
    ] {
        let connection = Connection::open(&database).unwrap();
        connection.execute(&format!("UPDATE results SET answer = {answer}"), []).unwrap();
        drop(connection);
        assert_eq!(bench.analyser().lookup(&path), None, "{answer}");
        assert_eq!(bench.analyser().analyse(&path), right, "{answer}");
    }
    // A content that is no hash.
    Connection::open(&database).unwrap().execute("UPDATE files SET content = x'00'", []).unwrap();
    assert_eq!(bench.analyser().analyse(&path), right);
    // The tables go away under it.
    let analyser = bench.analyser();
    Connection::open(&database).unwrap().execute_batch("DROP TABLE results; DROP TABLE files").unwrap();
    assert_eq!((analyser.lookup(&path), analyser.analyse(&path)), (None, right.clone()));
    // Damaged within.
    let mut bytes = fs::read(&database).unwrap();
    bytes[1024..].fill(0xa5);
    fs::write(&database, bytes).unwrap();
    if let Ok(cache) = Cache::open(&database) {
        assert_eq!(Analyser::new(Options::default()).with_cache(cache).analyse(&path), right);
    }
}

#[test]
fn a_locked_cache_costs_one_wait() {
    let bench = Bench::new();
    let path = bench.tone("a.wav", -20.0);
    let analyser = bench.analyser();
    let database = bench.path("cache/analysis.sqlite");
    let other = Connection::open(&database).unwrap();
    other.execute_batch("BEGIN EXCLUSIVE").unwrap();
    assert_eq!(analyser.analyse(&path).error, None);
    other.execute_batch("COMMIT").unwrap();
    // It rests, so nothing was kept, and nobody waits for it again.
    assert_eq!(analyser.lookup(&path), None);
    assert_eq!(bench.mark(), 0);
}

#[test]
fn many_may_open_one_cache_at_once() {
    let bench = Bench::new();
    let path = bench.tone("a.wav", -20.0);
    std::thread::scope(|scope| {
        for _ in 0..16 {
            scope.spawn(|| assert_eq!(bench.analyser().analyse(&path).error, None));
        }
    });
    assert!(bench.analyser().lookup(&path).is_some());
}
