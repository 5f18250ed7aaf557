//! What web streams do when servers stop, stall, break or come back, in simulated time.

#![allow(clippy::unwrap_used)]

mod webstream_rig;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use airchain_inputs::webstream::{LinkState, WebstreamConfig};
use testkit::network::{Call, SimNet};
use tokio::io::AsyncWriteExt;
use tokio::time::sleep;
use webstream_rig::{AUDIO, Rig, SECOND, TICK, answers, config, play, streams, tenth};

#[tokio::test(start_paused = true)]
async fn a_stream_out_of_step_is_made_anew() {
    let net = SimNet::new();
    net.serve("h:80", |call| async move {
        // The blocks it announces are not there.
        let head = b"ICY 200 OK\r\nContent-Type: audio/mpeg\r\nicy-metaint: 5000\r\n\r\n";
        play(call, head, 100).await;
    });
    let mut rig = Rig::start(&net, config(&["http://h/"]));
    rig.until(|rig| !rig.breaks().is_empty()).await;
    let expected = "http://h/: titles that are no text came: the stream is out of step with its icy-metaint of 5000; \
                    check the server or the relay";
    assert_eq!(rig.breaks()[0], expected);
    rig.until(|rig| rig.began().len() == 2).await;
}

#[tokio::test(start_paused = true)]
async fn servers_that_say_nothing_are_left_in_time() {
    let net = SimNet::new();
    let mut rig = Rig::start(&net, config(&["http://nowhere/"]));
    rig.until(|rig| rig.link().status().failures == 1).await;
    assert!(rig.link().status().last_error.unwrap().contains("host name is not known"));

    net.silence("hole:80");
    let mut rig = Rig::start(&net, config(&["http://hole/"]));
    let took = rig.until(|rig| rig.link().status().failures == 1).await;
    assert!((10.0..10.1).contains(&took.as_secs_f64()), "{took:?}");
    assert!(rig.link().status().last_error.unwrap().contains("not connected within 10s"));

    for drips in [false, true] {
        net.serve("mute:80", move |mut call: Call| async move {
            for byte in AUDIO.iter().filter(|_| drips) {
                let _ = call.peer.write_all(&[*byte]).await;
                sleep(SECOND).await;
            }
            std::future::pending::<()>().await;
        });
        let mut rig = Rig::start(&net, config(&["http://mute/"]));
        let took = rig.until(|rig| rig.link().status().failures == 1).await;
        assert!((10.0..10.1).contains(&took.as_secs_f64()), "{took:?}");
        assert!(rig.link().status().last_error.unwrap().contains("no answer to the request within 10s"));
    }
}

#[tokio::test(start_paused = true)]
async fn a_body_that_ends_is_asked_for_again() {
    let net = SimNet::new();
    let head = b"HTTP/1.1 200 OK\r\nContent-Type: audio/mpeg\r\nContent-Length: 240000\r\n\r\n";
    net.serve("h:80", move |call| play(call, head, 200));
    let mut rig = Rig::start(&net, config(&["http://h/"]));
    rig.until(|rig| rig.began().len() == 2).await;
    assert_eq!(rig.breaks(), ["http://h/: the server ended the stream; check that the station is on air"]);
    assert_eq!(rig.began(), [(0, 0), (14, 0)], "at once");
    // Cut off before its length, it is a failure even where an end is one.
    net.serve("h:80", move |call| play(call, head, 20));
    let mut rig = Rig::start(&net, WebstreamConfig { finite: true, ..config(&["http://h/"]) });
    rig.until(|rig| rig.began().len() == 2).await;
    assert!(rig.breaks()[0].contains("ended before the answer was whole"), "{:?}", rig.breaks());
}

#[tokio::test(start_paused = true)]
async fn a_stall_is_left_after_its_time() {
    for (drips, words) in [(false, "nothing to listen to came within 5s"), (true, "too little came")] {
        let net = SimNet::new();
        net.serve("h:80", move |mut call: Call| async move {
            call.peer.write_all(AUDIO).await.unwrap();
            call.peer.write_all(&tenth(0)).await.unwrap();
            while drips && call.peer.write_all(&[1]).await.is_ok() {
                sleep(SECOND).await;
            }
            std::future::pending::<()>().await;
        });
        let mut rig = Rig::start(&net, config(&["http://h/"]));
        rig.run(4 * SECOND).await;
        let expected = if drips { LinkState::Streaming } else { LinkState::Stalled };
        assert_eq!(rig.link().status().state, expected);
        let took = rig.until(|rig| !rig.breaks().is_empty()).await + 4 * SECOND;
        assert!((5.0..5.1).contains(&took.as_secs_f64()), "{took:?}");
        assert!(rig.breaks()[0].contains(words), "{:?}", rig.breaks());
    }
}

/// The station goes away for `gap`; returns how long after it is back it is heard again.
async fn flap(gap: Duration, refuses: bool) -> Duration {
    let net = SimNet::new();
    net.serve("h:80", |call| play(call, AUDIO, 300));
    let mut rig = Rig::start(&net, config(&["http://h/"]));
    rig.run(29 * SECOND).await;
    match refuses {
        true => net.refuse("h:80"),
        false => answers(&net, "h:80", "HTTP/1.0 404 Not Found\r\n\r\n"),
    }
    rig.until(|rig| !rig.breaks().is_empty()).await;
    rig.run(gap).await;
    let tries = net.dials().len() as u64 - 1;
    streams(&net, "h:80");
    let late = rig.until(|rig| rig.began().len() == 2).await;
    assert_eq!(rig.breaks().len(), 1, "one outage breaks once");
    assert_eq!(rig.link().status().failures, 1 + tries);
    assert!(tries <= 4 + gap.as_secs() / 10, "{tries} tries in {gap:?}");
    late
}

#[tokio::test(start_paused = true)]
async fn it_comes_back_after_4_and_40_seconds() {
    for refuses in [true, false] {
        let late = flap(4 * SECOND, refuses).await;
        assert!(late <= 4 * SECOND, "{late:?} after a gap of 4 s");
        let late = flap(40 * SECOND, refuses).await;
        assert!(late <= 15 * SECOND, "{late:?} after a gap of 40 s");
    }
}

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl std::io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[tokio::test(start_paused = true)]
async fn an_outage_is_logged_once_by_the_name_of_the_input() {
    let log = Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt().with_ansi(false).with_writer(move || writer.clone()).finish();
    // The runtime of this test has this thread alone.
    let _guard = tracing::subscriber::set_default(subscriber);
    flap(40 * SECOND, true).await;
    let text = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    let lines: Vec<&str> = text.lines().filter(|line| line.contains("input=relay")).collect();
    let words =
        [(" INFO ", "http://h/ plays"), (" WARN ", "the server ended the stream"), (" INFO ", "s without")];
    assert_eq!(lines.len(), words.len(), "{text}");
    for (line, (level, words)) in lines.iter().zip(words) {
        assert!(line.contains(level) && line.contains(words), "{line}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_broken_connection_is_made_again_at_once() {
    let net = SimNet::new();
    net.serve("h:80", |call| play(call, AUDIO, 200));
    let mut rig = Rig::start(&net, config(&["http://h/"]));
    rig.until(|rig| rig.began().len() == 3).await;
    assert_eq!(rig.began(), [(0, 0), (20, 0), (40, 0)]);
    // One that never holds is tried less and less often.
    net.serve("h:80", |call| play(call, AUDIO, 10));
    rig.until(|rig| rig.began().len() == 4).await;
    let (before, tries) = (rig.start.elapsed(), net.dials().len());
    rig.run(600 * SECOND).await;
    let tries = net.dials().len() - tries;
    assert!((35..=60).contains(&tries), "{tries} tries since {before:?}");
}

#[tokio::test(start_paused = true)]
async fn a_fallback_plays_until_the_first_is_well() {
    let net = SimNet::new();
    net.serve("first:80", |call| play(call, AUDIO, 200));
    streams(&net, "second:80");
    let mut rig = Rig::start(&net, config(&["http://first/", "http://second/"]));
    rig.run(19 * SECOND).await;
    net.refuse("first:80");
    rig.until(|rig| rig.began().len() == 2).await;
    assert_eq!(rig.began(), [(0, 0), (20, 1)], "without a pause");
    // Connected without audio is not well; the fallback plays on.
    net.serve("first:80", |mut call: Call| async move {
        let _ = call.peer.write_all(AUDIO).await;
        std::future::pending::<()>().await;
    });
    rig.run(120 * SECOND).await;
    assert_eq!((rig.began().len(), rig.breaks().len()), (2, 1));
    let trials = net.dials().iter().filter(|(at, place)| at.as_secs() > 20 && place == "first:80").count();
    assert!((3..=4).contains(&trials), "about every 30 s: {trials}");
    // Nor is one that sends what cannot be decoded, however much of it.
    net.serve("first:80", |mut call: Call| async move {
        let _ = call.peer.write_all(AUDIO).await;
        while call.peer.write_all(&[0x55; 1600]).await.is_ok() {
            sleep(SECOND / 10).await;
        }
    });
    rig.run(300 * SECOND).await;
    assert_eq!((rig.began().len(), rig.breaks().len()), (2, 1), "{:?}", rig.events);
    let heard = rig.audio.len();
    streams(&net, "first:80");
    let late = rig.until(|rig| rig.began().len() == 3).await;
    assert!(late < 36 * SECOND, "{late:?}");
    // The fallback is heard up to the moment when the first is.
    let fallback = (rig.audio.len() - heard) as f64 / 16_000.0;
    assert!((fallback - late.as_secs_f64()).abs() < 1.0, "{fallback} s of audio in {late:?}");
    assert_eq!(rig.breaks()[1], "http://first/ is back");
    assert_eq!(rig.link().status().url_index, 0);
    rig.run(60 * SECOND).await;
    assert_eq!(rig.began().len(), 3);
}

#[tokio::test(start_paused = true)]
async fn who_moves_on_gets_the_next() {
    let net = SimNet::new();
    streams(&net, "first:80");
    streams(&net, "second:80");
    let mut rig = Rig::start(&net, config(&["http://first/", "http://second/"]));
    rig.run(SECOND).await;
    rig.link().move_on(rig.connection());
    let took = rig.until(|rig| rig.began().len() == 2).await;
    assert!(took < SECOND / 2, "{took:?}");
    assert_eq!(rig.began()[1].1, 1);
    assert_eq!(rig.breaks(), ["http://first/: given up: nothing usable came from it"]);
    // Each time it is given up, the first is tried again later.
    rig.run(35 * SECOND).await;
    assert_eq!(rig.began().last(), Some(&(31, 0)));
    rig.link().move_on(rig.connection());
    rig.run(55 * SECOND).await;
    assert_eq!(rig.began().len(), 4);
    rig.run(10 * SECOND).await;
    let [.., (_, 1), (again, 0)] = rig.began()[..] else { panic!("{:?}", rig.began()) };
    assert!((96..=98).contains(&again), "{again}");
}

#[tokio::test(start_paused = true)]
async fn who_moves_on_late_does_not_disturb_what_came_since() {
    let net = SimNet::new();
    let junk = [b"HTTP/1.1 200 OK\r\nContent-Type: audio/mpeg\r\n\r\n", &[7; 500][..]].concat();
    answers(&net, "first:80", junk);
    streams(&net, "second:80");
    let mut rig = Rig::start(&net, config(&["http://first/", "http://second/"]));
    rig.run(TICK).await;
    let late = 1;
    rig.until(|rig| rig.began() == [(0, 0), (0, 1)]).await;
    for _ in 0..2 {
        rig.link().move_on(late);
        rig.run(SECOND).await;
    }
    assert_eq!((rig.began().len(), rig.breaks().len()), (2, 1), "{:?}", rig.events);
    // Nor does one that comes while another is tried; and the fallback itself can be given up after that.
    rig.link().move_on(rig.connection());
    rig.link().move_on(late);
    rig.until(|rig| rig.breaks().len() == 2).await;
    assert_eq!(rig.breaks()[1], "http://second/: given up: nothing usable came from it");
    net.serve("first:80", |call| async move {
        sleep(5 * SECOND).await;
        play(call, AUDIO, usize::MAX).await;
    });
    rig.until(|rig| rig.link().status().state == LinkState::Connecting).await;
    rig.link().move_on(rig.connection());
    rig.until(|rig| rig.link().status().state == LinkState::Streaming).await;
    assert_eq!(rig.began().last().unwrap().1, 0, "what is tried was not given up: {:?}", rig.events);
}

#[tokio::test(start_paused = true)]
async fn other_urls_are_tried_at_once_while_none_is_connected() {
    let net = SimNet::new();
    net.silence("hole:80");
    streams(&net, "good:80");
    let mut rig = Rig::start(&net, config(&["http://hole/"]));
    rig.run(SECOND).await;
    rig.link().set_urls(&["http://good/".into()]).unwrap();
    let took = rig.until(|rig| rig.began().len() == 1).await;
    assert!(took <= 2 * TICK, "{took:?}");
    assert_eq!(rig.link().status().failures, 0);
}

#[tokio::test(start_paused = true)]
async fn of_other_urls_the_first_that_brings_audio_is_taken() {
    let net = SimNet::new();
    streams(&net, "old:80");
    net.refuse("dead:80");
    net.silence("hole:80");
    answers(&net, "list:80", "HTTP/1.1 200 OK\r\n\r\n#EXTM3U\nhttp://dead/\nhttp://good/\n");
    streams(&net, "good:80");
    let mut rig = Rig::start(&net, config(&["http://old/"]));
    rig.run(SECOND).await;
    let urls = ["http://hole/", "http://dead/", "http://list/", "http://old/"];
    rig.link().set_urls(&urls.map(str::to_owned)).unwrap();
    let took = rig.until(|rig| rig.began().len() == 2).await;
    assert!((10.0..10.1).contains(&took.as_secs_f64()), "a black hole is tried for its time first: {took:?}");
    assert_eq!(rig.breaks(), ["http://good/ is taken instead, as asked"]);
    assert_eq!((rig.began()[1].1, rig.link().status().url.as_str()), (2, "http://good/"));
    let heard = rig.audio.len() as f64 / 16_000.0;
    assert!((heard - rig.start.elapsed().as_secs_f64()).abs() < 1.0, "what was there played on: {heard} s");
    // From there it goes on as ever: to the next when it breaks, and to the first when that is well.
    streams(&net, "hole:80");
    rig.until(|rig| rig.began().len() == 3).await;
    assert_eq!(rig.began()[2], (41, 0));
    assert_eq!(rig.breaks()[1], "http://hole/ is back");
}

#[tokio::test(start_paused = true)]
async fn other_urls_without_audio_leave_what_plays() {
    let net = SimNet::new();
    streams(&net, "old:80");
    net.refuse("dead:80");
    let mut rig = Rig::start(&net, config(&["http://old/"]));
    rig.run(SECOND).await;
    rig.link().set_urls(&["http://dead/".into(), "http://late/".into()]).unwrap();
    rig.run(100 * SECOND).await;
    assert_eq!((rig.began().len(), rig.breaks().len()), (1, 0), "{:?}", rig.events);
    streams(&net, "late:80");
    let took = rig.until(|rig| rig.began().len() == 2).await;
    assert!(took <= 30 * SECOND, "{took:?}");
    assert_eq!(rig.began()[1].1, 1);
}
