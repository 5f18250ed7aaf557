//! A manager that misbehaves in every way, in simulated time.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use airchain_codecs::{Codec, Format};
use airchain_core::item::Metadata;
use airchain_core::playout::{Moment, Request, StationEvent};
use airchain_core::tier::Tier;
use testkit::signal;

use super::*;
use crate::file::FileWriter;
use crate::offline::Render;
use crate::spec::{Fallback, StationSpec};
use crate::station::lock;

type Answer = Result<NextItem, String>;

/// A clock that tests set, in milliseconds.
#[derive(Clone, Default)]
struct Clock(Arc<AtomicU64>);

impl Clock {
    fn now_ms(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// A manager by rule, and all that it was asked and told.
#[derive(Clone)]
struct Script {
    clock: Clock,
    /// When the answer to a question of a moment comes, in milliseconds after it, and what it is.
    rule: Arc<dyn Fn(u64) -> (u64, Answer) + Send + Sync>,
    due: Arc<Mutex<Option<(u64, Answer)>>>,
    /// Tracks with a path that were given.
    given: Arc<AtomicU64>,
    said: Arc<Mutex<Vec<(u64, Word)>>>,
}

impl Script {
    fn new(rule: impl Fn(u64) -> (u64, Answer) + Send + Sync + 'static) -> Self {
        Self {
            clock: Clock::default(),
            rule: Arc::new(rule),
            due: Arc::default(),
            given: Arc::default(),
            said: Arc::default(),
        }
    }

    fn pull(&self) -> Pull {
        let clock = self.clock.clone();
        let now = Box::new(move || Duration::from_millis(clock.now_ms()));
        Pull::over(Box::new(self.clone()), now, fastrand::Rng::with_seed(7))
    }

    fn count(&self, wanted: impl Fn(&Word) -> bool) -> usize {
        lock(&self.said).iter().filter(|(_, word)| wanted(word)).count()
    }

    fn questions(&self) -> Vec<(u64, Asked)> {
        let question = |(at, word): &(u64, Word)| match word {
            Word::Next(asked) => Some((*at, *asked)),
            _ => None,
        };
        lock(&self.said).iter().filter_map(question).collect()
    }

    /// Asks every 10 ms, as a director does that is in need, until an item comes or it is `end_ms`.
    fn wait(&self, pull: &mut Pull, end_ms: u64) -> Option<Item> {
        while self.clock.now_ms() < end_ms {
            if let NextItem::Item(item) = pull.next_track() {
                return Some(*item);
            }
            self.clock.0.fetch_add(10, Ordering::Relaxed);
        }
        None
    }
}

impl Line for Script {
    fn say(&mut self, word: Word) {
        let now = self.clock.now_ms();
        if let Word::Next(_) = word {
            let (after, answer) = (self.rule)(now);
            let before = lock(&self.due).replace((now + after, answer));
            assert!(before.is_none(), "asked twice at once");
        }
        lock(&self.said).push((now, word));
    }

    fn answer(&mut self) -> Option<Answer> {
        let now = self.clock.now_ms();
        let answer = lock(&self.due).take_if(|(at, _)| *at <= now).map(|(_, answer)| answer);
        if let Some(Ok(NextItem::Item(item))) = &answer {
            self.given.fetch_add(u64::from(!item.path.is_empty()), Ordering::Relaxed);
        }
        answer
    }

    fn close(&mut self) -> Option<Answer> {
        self.answer()
    }

    fn is_idle(&self) -> bool {
        true
    }
}

fn item(path: &str) -> Answer {
    Ok(NextItem::Item(Box::new(Item::file(path))))
}

const MINUTE: u64 = 60_000;

#[test]
fn an_outage_of_minutes_is_asked_through_gently_and_over_at_the_first_answer() {
    let outage = 3 * MINUTE..13 * MINUTE;
    let down = outage.clone();
    let script = Script::new(move |now| {
        (200, if down.contains(&now) { Err("503 Service Unavailable".into()) } else { item("a.mp3") })
    });
    let mut pull = script.pull();
    assert!(script.wait(&mut pull, MINUTE).is_some());
    script.clock.0.store(outage.start, Ordering::Relaxed);
    assert!(script.wait(&mut pull, outage.end).is_none());
    let asked = script.questions().len() - 1;
    assert!((20..=50).contains(&asked), "asked {asked} times in ten minutes");
    let (item, error) = pull.poll_failure().unwrap();
    assert_eq!((item, error.as_str()), (Item::default(), "manager: 503 Service Unavailable"));
    // All of them were one question.
    let last = script.questions().pop().unwrap().1;
    assert_eq!(last, Asked { number: 2, failures: asked as u32 - 1 });
    assert!(script.wait(&mut pull, outage.end + MINUTE / 2 + 210).is_some());
    // All is forgiven: the next is asked for at once.
    let now = script.clock.now_ms();
    assert!(script.wait(&mut pull, now + MINUTE).is_some());
    assert_eq!(script.questions().pop().unwrap(), (now, Asked { number: 3, failures: 0 }));
    assert_eq!(script.clock.now_ms(), now + 200);
}

#[test]
fn a_manager_that_takes_minutes_is_asked_once_and_its_answer_is_used() {
    let script = Script::new(|_| (7 * MINUTE, item("late.mp3")));
    let mut pull = script.pull();
    assert_eq!(script.wait(&mut pull, 8 * MINUTE).unwrap().path, "late.mp3");
    assert_eq!(script.questions().len(), 1);
    assert!(pull.poll_failure().is_none());
}

#[test]
fn nonsense_is_an_error_that_names_the_field() {
    let good = || Item::file("a.mp3");
    let cases = [
        (Item::default(), "path: is empty"),
        (Item::file("gopher://radio/a"), "path: gopher://"),
        (Item { cue_in_s: Some(9.0), cue_out_s: Some(4.0), ..good() }, "cue_out_s: 4"),
        (Item { gain_db: Some(f64::NAN), ..good() }, "gain_db: NaN"),
        (Item { fade_in_s: Some(f64::INFINITY), ..good() }, "fade_in_s: inf"),
        (Item { start_next_s: Some(-1.0), ..good() }, "start_next_s: -1"),
    ];
    for (nonsense, words) in cases {
        let answer = nonsense.clone();
        let script = Script::new(move |now| {
            (0, if now < MINUTE { Ok(NextItem::Item(Box::new(answer.clone()))) } else { item("a.mp3") })
        });
        let mut pull = script.pull();
        assert!(script.wait(&mut pull, MINUTE).is_none());
        let (given, error) = pull.poll_failure().unwrap();
        assert_eq!(given.path, nonsense.path);
        assert!(error.starts_with("manager: ") && error.contains(words), "{error}");
        // Its manager is told of each, and asked something new each time.
        let asked = script.questions();
        assert_eq!(asked.last().unwrap().1.number, asked.len() as u64);
        assert_eq!(
            script.count(|word| matches!(word, Word::Failed(_, error) if error.contains(words))),
            asked.len()
        );
        assert!((4..=12).contains(&asked.len()), "asked {} times in a minute", asked.len());
        assert!(script.wait(&mut pull, 2 * MINUTE).is_some());
    }
}

#[test]
fn tracks_that_cannot_be_opened_are_asked_for_ever_more_slowly() {
    let script = Script::new(|_| (0, item("gone.mp3")));
    let mut pull = script.pull();
    while let Some(item) = script.wait(&mut pull, 10 * MINUTE) {
        pull.failed(&item, "gone.mp3: no such file");
    }
    let asked = script.questions().len();
    assert!((20..=50).contains(&asked), "asked {asked} times in ten minutes");
    assert_eq!(script.count(|word| matches!(word, Word::Failed(..))), asked);
}

#[test]
fn nothing_now_is_no_error_and_the_end_is_final() {
    let script = Script::new(|now| (0, if now < MINUTE { Ok(NextItem::Later) } else { Ok(NextItem::End) }));
    let mut pull = script.pull();
    assert!(script.wait(&mut pull, 2 * MINUTE).is_none());
    assert!(pull.poll_failure().is_none());
    // Once a second, and a last time.
    let asked = script.questions();
    assert!((58..=61).contains(&asked.len()), "{}", asked.len());
    assert_eq!(pull.next_track(), NextItem::End);
    assert_eq!(script.questions().len(), asked.len());
}

#[test]
fn an_answer_that_nobody_wants_any_more_is_unused() {
    let script = Script::new(|_| (100, item("a.mp3")));
    let mut pull = script.pull();
    assert_eq!(pull.next_track(), NextItem::Later);
    script.clock.0.store(MINUTE, Ordering::Relaxed);
    drop(pull);
    assert_eq!(script.count(|word| matches!(word, Word::Unused(item) if item.path == "a.mp3")), 1);
}

#[test]
fn the_lead_is_what_it_was_set_to() {
    let pull = || Script::new(|_| (0, item("a.mp3"))).pull();
    assert_eq!(pull().lead_s(), Some(LEAD_S));
    assert_eq!(pull().with_lead_s(3.0).lead_s(), Some(3.0));
    assert_eq!(pull().with_lead_s(-3.0).lead_s(), Some(0.0));
}

/// Reports of a render by what became of the automation's items: aired, unused, could not be opened.
#[derive(Default)]
struct Fates {
    aired: Vec<u64>,
    unused: usize,
    failed: usize,
}

impl Fates {
    fn note(&mut self, render: &mut Render) {
        while let Some(report) = render.poll() {
            match report.event {
                StationEvent::NowPlaying { tier: Tier::Automation, .. } => self.aired.push(report.frame),
                StationEvent::ItemUnused { tier: Tier::Automation, .. } => self.unused += 1,
                StationEvent::SourceFailed { item, skipped: true, .. } if item.path.ends_with("gone.wav") => {
                    self.failed += 1;
                }
                _ => {}
            }
        }
    }
}

#[test]
fn a_manager_that_is_never_well_for_long_costs_no_dead_air_and_no_question_too_many() {
    const RATE: u32 = 8000;
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).display().to_string();
    let format = Format::of(Codec::PcmS16);
    let mut tone = FileWriter::create(path("a.wav").as_ref(), &format, RATE, &Metadata::default()).unwrap();
    tone.write(&signal::sine(RATE, 440.0, -12.0, 10 * RATE as usize)).unwrap();
    tone.finish().unwrap();
    let (good, gone) = (path("a.wav"), path("gone.wav"));
    // A minute each: well, erring, slow, nonsense, missing files, well again.
    let script = Script::new(move |now| match now / MINUTE {
        1 => (100, Err("500 Internal Server Error".into())),
        2 => (45_000, item(&good)),
        3 => (100, item("")),
        4 => (100, item(&gone)),
        _ => (100, item(&good)),
    });
    let programme = Box::new(script.pull().with_lead_s(3.0));
    let spec = StationSpec {
        sample_rate_hz: RATE,
        programme,
        fallback: Fallback::Tone,
        latency_ms: 0.0,
        ..StationSpec::default()
    };
    let skip = || Request::Skip {
        tier: Some(Tier::Automation),
        fade_s: None,
        curve: Default::default(),
        wait: None,
    };
    let at = |seconds: u32| Moment::Frame(u64::from(seconds * RATE));
    let stop = Request::Stop { tier: Tier::Automation, fade_s: 0.0, curve: Default::default() };
    let skips = [12, 25, 330, 345].map(|seconds| (at(seconds), skip()));
    let requests = skips.into_iter().chain([(at(354), stop)]);
    let mut render = Render::new(spec, requests, Some(u64::from(6 * 60 * RATE))).unwrap();
    let (mut fates, mut audio) = (Fates::default(), Vec::new());
    while let Some(block) = render.next_block().unwrap() {
        audio.extend_from_slice(block);
        script.clock.0.store(render.position() * 1000 / u64::from(RATE), Ordering::Relaxed);
        fates.note(&mut render);
        // What was given has aired, is told not to, or is the one that comes.
        let given = script.given.load(Ordering::Relaxed) as usize;
        let told = script.count(|word| matches!(word, Word::Failed(item, _) if !item.path.is_empty()));
        let unused = script.count(|word| matches!(word, Word::Unused(_)));
        assert_eq!((unused, told), (fates.unused, fates.failed));
        let ahead = given.checked_sub(fates.aired.len() + unused + told);
        assert!(ahead.is_some_and(|ahead| ahead <= 1), "{given} given, {ahead:?} ahead");
    }
    // It was stopped with the next item in line, where that stays; both skips without one were heard as soon as there was
    // one.
    assert_eq!(fates.unused, 0);
    for skipped in [12, 25] {
        let skipped = u64::from(skipped * RATE);
        assert!(fates.aired.iter().any(|frame| (skipped..skipped + u64::from(RATE) / 4).contains(frame)));
    }
    // No tenth of a second of it is silent.
    for (n, tenth) in audio.chunks(RATE as usize / 10).enumerate() {
        let peak = tenth.iter().fold(0.0_f32, |peak, frame| peak.max(frame[0].abs()));
        assert!(peak > 0.01, "silence at {n} tenths of a second");
    }
    // While it is well it is asked 3 s before the end of each item, which airs gapless.
    let seconds = |frame: &u64| *frame as f64 / f64::from(RATE);
    let questions: Vec<f64> = script.questions().iter().map(|(at, _)| *at as f64 / 1000.0).collect();
    let last = fates.aired.iter().filter(|frame| seconds(frame) < 60.0).map(seconds).collect::<Vec<_>>();
    for pair in last.windows(2) {
        let asked = questions.iter().rfind(|asked| **asked < pair[1]).unwrap();
        assert!(pair[1] - asked < 3.1, "asked {asked}, aired {}", pair[1]);
    }
    // It is taken back within half a minute and a bit, each time it answers well; and no more is asked than that takes.
    let back = fates.aired.iter().map(seconds).find(|at| *at > 300.0).unwrap();
    assert!(back < 331.0, "back at {back} s");
    assert!(
        fates.aired.iter().map(seconds).any(|at| (120.0..240.0).contains(&at)),
        "a late answer was not used"
    );
    assert!(questions.len() < 80, "{} questions in six minutes", questions.len());
}

/// A manager on a real thread that is led step by step.
struct Led {
    steps: crossbeam_channel::Receiver<Answer>,
    told: crossbeam_channel::Sender<(String, String)>,
}

impl Manager for Led {
    fn next_track(&mut self, _asked: &Asked) -> Answer {
        let name = std::thread::current().name().unwrap_or_default().to_owned();
        self.told.send(("asked".into(), name)).unwrap();
        let answer = self.steps.recv().unwrap();
        if let Err(words) = &answer {
            panic!("{words}");
        }
        answer
    }

    fn unused(&mut self, item: &Item) {
        self.told.send(("unused".into(), item.path.clone())).unwrap();
    }
}

#[test]
fn a_manager_that_panics_is_asked_again_and_one_that_is_left_hears_so() {
    let (step, steps) = crossbeam_channel::unbounded();
    let (told_in, told) = crossbeam_channel::unbounded();
    let patience = Duration::from_secs(30);
    let mut pull = Pull::new("wgmr", Box::new(Led { steps, told: told_in })).unwrap();
    let next = |pull: &mut Pull| {
        let deadline = Instant::now() + patience;
        while Instant::now() < deadline {
            if let NextItem::Item(item) = pull.next_track() {
                return item.path;
            }
            std::thread::yield_now();
        }
        panic!("no answer");
    };
    step.send(Err("a bug".into())).unwrap();
    step.send(item("a.mp3")).unwrap();
    assert_eq!(next(&mut pull), "a.mp3");
    assert_eq!(pull.poll_failure().unwrap().1, "manager: it panicked: a bug");
    for _ in 0..2 {
        assert_eq!(told.recv_timeout(patience).unwrap(), ("asked".into(), "pull-wgmr".into()));
    }
    // It is asked once more, and gone from while it thinks.
    assert_eq!(pull.next_track(), NextItem::Later);
    assert_eq!(told.recv_timeout(patience).unwrap().0, "asked");
    drop(pull);
    step.send(item("b.mp3")).unwrap();
    assert_eq!(told.recv_timeout(patience).unwrap(), ("unused".into(), "b.mp3".into()));
    // Its thread ends, and the manager with it.
    assert!(told.recv_timeout(patience).unwrap_err().is_disconnected());
}
