//! The worker against simulated sinks, in simulated time.

use std::collections::VecDeque;
use std::sync::Mutex;

use airchain_codecs::packet::{Packet, StreamInfo};
use airchain_codecs::{Bitrate, Codec, Format};
use airchain_core::item::Metadata;
use async_trait::async_trait;
use bytes::Bytes;
use jiff::Timestamp;

use super::*;
use crate::health::HealthEvent;

const RATE: u32 = 48_000;
/// Frames of a packet: 20 ms.
const STEP: u32 = 960;

/// What the next opened sink does.
#[derive(Clone, Copy)]
enum Play {
    Refuse(Retry),
    /// Takes this many packets, then fails.
    Fail(usize),
    Panic(usize),
    Stall(usize),
    /// Takes this long over every packet.
    Slow(Duration),
    /// Holds packets; the first flush fails.
    Unsent,
    Good,
}

/// What the sinks saw, with the time since the start.
#[derive(Default)]
struct Log {
    start: Option<Instant>,
    lines: Vec<(Duration, String)>,
    plays: VecDeque<Play>,
}

type Shared = Arc<Mutex<Log>>;

fn note(log: &Shared, line: impl Into<String>) {
    let mut log = log.lock().unwrap();
    let at = log.start.expect("started").elapsed();
    log.lines.push((at, line.into()));
}

struct Simulated(Shared);

#[async_trait]
impl Output for Simulated {
    fn describe(&self) -> String {
        "simulated".into()
    }

    async fn open(&mut self, opening: &Opening) -> Result<Box<dyn Sink>, SinkError> {
        let title = opening.metadata.as_ref().map(|m| m.one_line()).unwrap_or_default();
        note(&self.0, format!("open {title}").trim());
        let play = self.0.lock().unwrap().plays.pop_front().unwrap_or(Play::Good);
        match play {
            Play::Refuse(retry) => Err(SinkError { message: "refused".into(), retry }),
            play => Ok(Box::new(Actor { log: self.0.clone(), play, taken: 0 })),
        }
    }
}

struct Actor {
    log: Shared,
    play: Play,
    taken: usize,
}

#[async_trait]
impl Sink for Actor {
    async fn packet(&mut self, packet: &Packet) -> Result<(), SinkError> {
        match self.play {
            Play::Fail(n) if self.taken == n => {
                return Err(SinkError { message: "broken pipe".into(), retry: Retry::Soon });
            }
            Play::Panic(n) if self.taken == n => panic!("a sink panics"),
            Play::Stall(n) if self.taken == n => std::future::pending().await,
            Play::Slow(time) => sleep(time).await,
            _ => {}
        }
        self.taken += 1;
        note(&self.log, format!("{}", packet.pts / i64::from(STEP)));
        Ok(())
    }

    fn holds(&self) -> bool {
        matches!(self.play, Play::Unsent)
    }

    async fn flush(&mut self) -> Result<(), SinkError> {
        let unsent = SinkError { message: "it took nothing".into(), retry: Retry::Soon };
        if self.holds() { Err(unsent) } else { Ok(()) }
    }

    async fn title(&mut self, at: i64, metadata: &Arc<Metadata>) -> Result<(), SinkError> {
        note(&self.log, format!("title {} {}", at / i64::from(STEP), metadata.one_line()));
        Ok(())
    }

    async fn close(&mut self) -> Result<(), SinkError> {
        note(&self.log, "close");
        Ok(())
    }
}

struct Rig {
    log: Shared,
    sender: ParcelSender,
    handle: OutputHandle,
    events: Arc<Mutex<Vec<HealthEvent>>>,
    next: u32,
}

fn rig(plays: &[Play]) -> Rig {
    rig_with(plays, WorkerOptions::live())
}

fn rig_with(plays: &[Play], options: WorkerOptions) -> Rig {
    fastrand::seed(7);
    let log: Shared = Arc::new(Mutex::new(Log {
        start: Some(Instant::now()),
        plays: plays.iter().copied().collect(),
        ..Log::default()
    }));
    let format = Format { codec: Codec::Mp3, bitrate: Bitrate::Cbr(128), sample_rate_hz: RATE, channels: 2 };
    let info = Arc::new(StreamInfo { format, delay: 0, packet_frames: Some(STEP), headers: Vec::new() });
    let events = Arc::new(Mutex::new(Vec::new()));
    let seen = events.clone();
    let options = options.telling(Arc::new(move |event| seen.lock().unwrap().push(event)));
    let output = Box::new(Simulated(log.clone()));
    let opening = Opening {
        info,
        epoch: Timestamp::UNIX_EPOCH,
        position: 0,
        leaps: crate::leaps::Leaps::default(),
        metadata: None,
    };
    let (sender, handle) = spawn(&Handle::current(), "out", output, opening, options);
    Rig { log, sender, handle, events, next: 0 }
}

impl Rig {
    fn packet(&mut self) {
        let packet = Packet {
            data: Bytes::from_static(b"0123456789"),
            pts: i64::from(self.next * STEP),
            duration: STEP,
        };
        self.next += 1;
        self.sender.send(Parcel::Packet(packet));
    }

    fn title(&mut self, text: &str) {
        let metadata = Arc::new(Metadata { title: Some(text.into()), ..Metadata::default() });
        self.sender.send(Parcel::Title { at: i64::from(self.next * STEP), metadata });
    }

    /// Real-time audio for a while.
    async fn play(&mut self, seconds: u32) {
        for _ in 0..seconds * RATE / STEP {
            self.packet();
            sleep(Duration::from_millis(20)).await;
        }
    }

    fn lines(&self) -> Vec<String> {
        self.log.lock().unwrap().lines.iter().map(|(_, line)| line.clone()).collect()
    }

    fn times_of(&self, what: &str) -> Vec<f64> {
        let log = self.log.lock().unwrap();
        log.lines.iter().filter(|(_, line)| line.starts_with(what)).map(|(at, _)| at.as_secs_f64()).collect()
    }

    fn healths(&self) -> Vec<Health> {
        self.events.lock().unwrap().iter().map(|event| event.health).collect()
    }

    /// Packets delivered, in order.
    fn delivered(&self) -> Vec<u32> {
        self.lines().iter().filter_map(|line| line.parse().ok()).collect()
    }
}

#[tokio::test(start_paused = true)]
async fn delivers_all_in_order_and_closes_at_the_end() {
    let mut rig = rig(&[]);
    rig.title("one");
    rig.packet();
    rig.packet();
    rig.title("two");
    rig.packet();
    rig.sender.send(Parcel::End);
    rig.packet();
    rig.handle.ended().await;
    assert_eq!(rig.lines(), ["open one", "0", "1", "title 2 two", "2", "close"]);
    let stats = rig.handle.stats();
    assert_eq!((stats.bytes, stats.packets, stats.dropped_frames, stats.reconnects), (30, 3, 0, 0));
    assert_eq!(rig.healths(), [Health::Up]);
    assert_eq!(rig.handle.health(), Health::Down, "after the end nothing is delivered");
    assert_eq!(stats.last_error, None);
}

#[tokio::test(start_paused = true)]
async fn dropping_the_sender_ends_the_output() {
    let mut rig = rig(&[]);
    rig.packet();
    let Rig { log, sender, handle, .. } = rig;
    drop(sender);
    handle.ended().await;
    assert_eq!(log.lock().unwrap().lines.last().map(|(_, l)| l.as_str()), Some("close"));
}

#[tokio::test(start_paused = true)]
async fn reopens_with_the_title_that_is_true_and_loses_nothing_in_a_short_failure() {
    let mut rig = rig(&[Play::Fail(3)]);
    rig.title("first");
    for _ in 0..3 {
        rig.packet();
    }
    rig.title("second");
    rig.play(1).await;
    rig.sender.send(Parcel::End);
    rig.handle.ended().await;
    let lines = rig.lines();
    let head = ["open first", "0", "1", "2", "title 3 second", "open second", "3", "4"];
    assert_eq!(lines[..head.len()], head);
    assert_eq!(rig.delivered(), (0..53).collect::<Vec<_>>(), "each packet once");
    assert_eq!(rig.handle.stats().reconnects, 1);
    assert_eq!(rig.handle.stats().dropped_frames, 0);
    assert_eq!(rig.handle.stats().last_error.as_deref(), Some("broken pipe"));
    assert_eq!(rig.healths(), [Health::Up, Health::Down, Health::Up]);
}

#[tokio::test(start_paused = true)]
async fn pauses_grow_and_stale_audio_is_not_sent() {
    let mut rig = rig(&[Play::Refuse(Retry::Soon); 8]);
    rig.title("old");
    rig.play(20).await;
    rig.title("new");
    rig.play(40).await;
    let opened = rig.times_of("open");
    let pauses: Vec<f64> = opened.windows(2).map(|pair| pair[1] - pair[0]).collect();
    for (pause, expected) in pauses.iter().zip([0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 15.0, 15.0]) {
        assert!((expected * 0.74..expected * 1.26).contains(pause), "{pauses:?}");
    }
    assert_eq!(opened.len(), 9);
    let first = rig.delivered()[0];
    let age_s = opened[8] - f64::from(first) * 0.02;
    assert!((1.8..=2.1).contains(&age_s), "audio was {age_s} s old");
    assert_eq!(rig.handle.stats().dropped_frames, u64::from(first * STEP), "all before it is counted");
    assert_eq!(rig.lines()[8], "open new");
    assert_eq!(rig.healths(), [Health::Down, Health::Up], "a refusal like the last is not told again");
}

#[tokio::test(start_paused = true)]
async fn what_a_person_must_change_is_tried_seldom() {
    let mut rig = rig(&[Play::Refuse(Retry::Seldom); 3]);
    rig.play(60).await;
    let opened = rig.times_of("open");
    let pauses: Vec<f64> = opened.windows(2).map(|pair| pair[1] - pair[0]).collect();
    for (pause, expected) in pauses.iter().zip([5.0, 10.0, 20.0]) {
        assert!((expected * 0.74..expected * 1.26).contains(pause), "{pauses:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_cheap_to_try_is_back_within_five_seconds() {
    // Whatever went before, and however long it lasts.
    let refused = [[Play::Refuse(Retry::Soon); 8], [Play::Refuse(Retry::Steadily); 8]].concat();
    let mut rig = rig_with(&refused, WorkerOptions::archive());
    rig.play(90).await;
    let opened = rig.times_of("open");
    let pauses: Vec<f64> = opened.windows(2).map(|pair| pair[1] - pair[0]).collect();
    assert!(pauses.len() == 16 && pauses[8..].iter().all(|pause| (2.0..=4.5).contains(pause)), "{pauses:?}");
}

#[tokio::test(start_paused = true)]
async fn pauses_start_small_again_after_a_stable_time() {
    let refused = [Play::Refuse(Retry::Soon); 5];
    let mut rig = rig(&[&refused[..], &[Play::Fail(600), Play::Good]].concat());
    rig.play(30).await;
    let opened = rig.times_of("open");
    let broke = rig.times_of("").into_iter().take_while(|t| *t < opened[6]).last().expect("a time");
    assert!(opened[6] - broke < 0.5, "{opened:?}, broke at {broke}");
}

#[tokio::test(start_paused = true)]
async fn a_panic_is_a_failure_and_a_packet_that_causes_it_is_not_tried_for_ever() {
    let mut rig = rig(&[Play::Panic(2), Play::Panic(0), Play::Good]);
    rig.play(2).await;
    rig.sender.send(Parcel::End);
    rig.handle.ended().await;
    assert_eq!(rig.delivered(), (0..100).filter(|n| *n != 2).collect::<Vec<_>>());
    assert_eq!(rig.handle.stats().dropped_frames, u64::from(STEP));
    assert!(rig.handle.stats().last_error.is_some_and(|e| e.contains("simulated") && e.contains("panic")));
}

#[tokio::test(start_paused = true)]
async fn a_stalled_peer_fails_after_the_write_timeout() {
    let mut rig = rig(&[Play::Stall(5)]);
    rig.play(15).await;
    let opened = rig.times_of("open");
    assert!((10.0..10.6).contains(&(opened[1] - 0.1)), "{opened:?}");
    assert!(rig.handle.stats().last_error.is_some_and(|e| e.contains("longer than 10s")));
    assert_eq!(rig.handle.health(), Health::Up);
}

#[tokio::test(start_paused = true)]
async fn a_slow_peer_is_degraded_and_hears_few_gaps() {
    // Three quarters of real time, then well again.
    let mut rig = rig(&[Play::Slow(Duration::from_micros(26_667))]);
    rig.play(100).await;
    assert_eq!(rig.handle.health(), Health::Degraded);
    let delivered = rig.delivered();
    let gaps = delivered.windows(2).filter(|pair| pair[1] != pair[0] + 1).count();
    assert!((3..=10).contains(&gaps), "{gaps} gaps");
    let stats = rig.handle.stats();
    assert!(stats.queued_s <= 10.0, "{stats:?}");
    assert!((15.0..30.0).contains(&(stats.dropped_frames as f64 / f64::from(RATE))), "{stats:?}");
    assert_eq!(rig.healths()[..2], [Health::Up, Health::Degraded]);
}

#[tokio::test(start_paused = true)]
async fn sending_never_waits_and_memory_stays_bounded() {
    let mut rig = rig(&[Play::Stall(0)]);
    // An hour at once, while nothing can run.
    for _ in 0..180_000 {
        rig.packet();
    }
    assert!(rig.handle.stats().queued_s <= 10.0);
    rig.sender.send(Parcel::End);
    rig.handle.ended().await;
}

#[tokio::test(start_paused = true)]
async fn a_stalled_peer_cannot_hold_up_the_end() {
    let mut rig = rig(&[Play::Stall(1), Play::Stall(1), Play::Stall(1)]);
    rig.packet();
    rig.packet();
    let start = Instant::now();
    rig.handle.stop(true);
    rig.handle.ended().await;
    assert!(start.elapsed() <= Duration::from_millis(10_100), "{:?}", start.elapsed());
    assert_eq!(rig.handle.health(), Health::Down);
}

#[tokio::test(start_paused = true)]
async fn abandoning_is_immediate() {
    let mut rig = rig(&[Play::Stall(1)]);
    rig.packet();
    rig.packet();
    sleep(Duration::from_millis(100)).await;
    let start = Instant::now();
    rig.handle.stop(false);
    rig.handle.ended().await;
    assert!(start.elapsed() < Duration::from_millis(10));
    assert!(!rig.lines().contains(&"close".to_owned()));
}

#[tokio::test(start_paused = true)]
async fn waiting_for_the_end_is_bounded() {
    let mut rig = rig(&[Play::Stall(1)]);
    rig.packet();
    rig.packet();
    let start = Instant::now();
    assert!(!rig.handle.ended_within(Duration::from_secs(1)).await);
    assert!(start.elapsed() < Duration::from_millis(1100));
}

#[tokio::test(start_paused = true)]
async fn what_is_left_when_the_end_comes_while_down_gets_one_more_chance() {
    let mut rig = rig(&[Play::Fail(1), Play::Good]);
    for _ in 0..10 {
        rig.packet();
    }
    sleep(Duration::from_millis(1)).await;
    rig.sender.send(Parcel::End);
    rig.handle.ended().await;
    assert_eq!(rig.delivered(), (0..10).collect::<Vec<_>>());
    assert_eq!(rig.lines().last().map(String::as_str), Some("close"));

    let mut rig = rig_with(&[Play::Refuse(Retry::Seldom), Play::Good], WorkerOptions::live());
    rig.packet();
    sleep(Duration::from_millis(1)).await;
    rig.sender.send(Parcel::End);
    rig.handle.ended().await;
    assert_eq!(rig.lines(), ["open"]);
}

#[tokio::test(start_paused = true)]
async fn an_archive_keeps_what_comes_while_it_is_down() {
    let mut rig = rig_with(&[Play::Refuse(Retry::Soon); 6], WorkerOptions::archive());
    rig.play(20).await;
    rig.sender.send(Parcel::End);
    rig.handle.ended().await;
    assert_eq!(rig.delivered(), (0..1000).collect::<Vec<_>>());
}

#[tokio::test(start_paused = true)]
async fn what_a_sink_held_and_never_sent_counts_as_lost() {
    let mut rig = rig(&[Play::Unsent, Play::Good]);
    // All there before the worker looks.
    for _ in 0..3 {
        rig.packet();
    }
    sleep(Duration::from_millis(1)).await;
    let stats = rig.handle.stats();
    assert_eq!((stats.packets, stats.bytes, stats.dropped_frames), (0, 0, 3 * u64::from(STEP)));
    assert_eq!(rig.healths(), [Health::Down], "nothing was ever out");
    rig.play(1).await;
    let stats = rig.handle.stats();
    assert!(stats.packets > 0 && stats.reconnects == 0, "{stats:?}");
    assert_eq!(rig.healths().last(), Some(&Health::Up));
}
