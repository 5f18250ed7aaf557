//! Web streams by HLS, of segments that ffmpeg makes, in simulated time.

#![allow(clippy::unwrap_used)]

mod webstream_rig;

use std::sync::Arc;

use airchain_inputs::webstream::{Arrival, WebstreamConfig};
use testkit::network::SimNet;
use tokio::time::{Instant, sleep};
use webstream_rig::{Rig, SECOND, config, refusal, say};

/// ADTS of a sine, and the segments of two seconds that ffmpeg makes of it in MPEG-TS.
fn segments() -> (Vec<u8>, Vec<Vec<u8>>) {
    let dir = tempfile::tempdir().unwrap();
    let ffmpeg = |arguments: &str| {
        let mut command = std::process::Command::new("ffmpeg");
        let made = command.current_dir(&dir).args(["-v", "error"]).args(arguments.split(' ')).status();
        assert!(made.expect("ffmpeg (Debian package ffmpeg) runs").success(), "ffmpeg {arguments}");
    };
    ffmpeg("-f lavfi -i sine=1000 -t 20 -c:a aac -b:a 96k all.aac");
    ffmpeg("-i all.aac -c copy -f hls -hls_time 2 -hls_list_size 0 -hls_segment_filename %d.ts all.m3u8");
    let read = |name: &str| std::fs::read(dir.path().join(name)).ok();
    (read("all.aac").unwrap(), (0..).map_while(|n| read(&format!("{n}.ts"))).collect())
}

/// The frames of a stream of ADTS.
fn frames(mut adts: &[u8]) -> Vec<&[u8]> {
    let mut frames = Vec::new();
    while let [_, _, _, high, middle, low, ..] = *adts {
        let length = usize::from(high & 3) << 11 | usize::from(middle) << 3 | usize::from(low) >> 5;
        let (frame, rest) = adts.split_at(length);
        frames.push(frame);
        adts = rest;
    }
    frames
}

/// A live playlist: every two seconds a segment more, of which the last five are listed, numbered from 100.
fn live(net: &SimNet, place: &str, segments: Vec<Vec<u8>>, missing: &'static [usize]) {
    let (start, segments) = (Instant::now(), Arc::new(segments));
    net.serve(place, move |call| {
        let segments = segments.clone();
        async move {
            let path = call.head.split(' ').nth(1).unwrap().to_owned();
            let ready = (5 + start.elapsed().as_secs() / 2) as usize;
            let last = ready.min(segments.len());
            let body = match path.trim_matches('/').split('.').next().unwrap().parse::<usize>() {
                Ok(number) if missing.contains(&number) => Vec::new(),
                Ok(number) => segments[number].clone(),
                Err(_) if path == "/main.m3u8" => {
                    b"#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=96000,CODECS=\"mp4a.40.2\"\nlist.m3u8\n".to_vec()
                }
                Err(_) => {
                    let first = last - 5;
                    let mut list =
                        format!("#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXT-X-MEDIA-SEQUENCE:{}\n", 100 + first);
                    (first..last).for_each(|n| list += &format!("#EXTINF:2,\n{n}.ts\n"));
                    list += if ready > segments.len() + 2 { "#EXT-X-ENDLIST\n" } else { "" };
                    list.into_bytes()
                }
            };
            let code = if body.is_empty() { "404 Not Found" } else { "200 OK" };
            let head = format!("HTTP/1.1 {code}\r\nContent-Length: {}\r\n\r\n", body.len());
            say(call, &[head.into_bytes(), body].concat()).await;
        }
    });
}

async fn heard(net: &SimNet) -> Rig {
    let finite = WebstreamConfig { finite: true, ..config(&["http://h/main.m3u8"]) };
    let mut rig = Rig::start(net, finite);
    rig.until(|rig| rig.events.iter().any(|(_, event)| *event == Arrival::End)).await;
    rig
}

#[tokio::test(start_paused = true)]
async fn an_hls_station_is_followed() {
    let (all, segments) = segments();
    let count = segments.len();
    assert!(count >= 9, "{count} segments");
    let net = SimNet::new();
    live(&net, "h:80", segments.clone(), &[]);
    let rig = heard(&net).await;
    // From the third segment before the end of the first list on, every byte of the codec's stream, once.
    assert!(
        rig.audio.len() > all.len() / 2 && all.ends_with(&rig.audio),
        "{} of {}",
        rig.audio.len(),
        all.len()
    );
    let [(_, Arrival::Begins { content_type, .. }), ..] = &rig.events[..] else { panic!("{:?}", rig.events) };
    assert_eq!(content_type.as_deref(), Some("audio/aac"));
    assert_eq!((rig.breaks(), rig.link().status().failures), (vec![], 0));
    let fetched: Vec<String> =
        net.heads("h:80").iter().filter(|head| head.contains(".ts")).cloned().collect();
    assert_eq!(fetched.len(), count - 2, "each once");

    // Packed audio, each segment with its tag, is the same.
    let tag = |size: u8| [&b"ID3\x04\0\0\0\0\0"[..], &[size], &vec![7; usize::from(size)]].concat();
    let packed = frames(&all).chunks(20).map(|part| [tag(73), part.concat()].concat()).collect();
    live(&net, "h:80", packed, &[]);
    let rig = heard(&net).await;
    assert!(
        rig.audio.len() > all.len() / 2 && all.ends_with(&rig.audio),
        "{} of {}",
        rig.audio.len(),
        all.len()
    );

    // A segment that is missing leaves a gap and nothing else.
    let whole = rig.audio.len();
    live(&net, "h:80", segments, &[4]);
    let rig = heard(&net).await;
    assert!(rig.audio.len() < whole && rig.audio.len() > whole / 2);
    assert_eq!((rig.breaks().len(), rig.began().len()), (0, 1));
}

#[tokio::test(start_paused = true)]
async fn an_hls_station_that_stands_still_is_left() {
    let (_, segments) = segments();
    let net = SimNet::new();
    let list = b"HTTP/1.1 200 OK\r\n\r\n#EXTM3U\n#EXT-X-TARGETDURATION:2\n1.ts\n2.ts\n";
    net.serve("h:80", move |call| {
        let segment = [b"HTTP/1.1 200 OK\r\n\r\n", &segments[0][..]].concat();
        let is_list = call.head.starts_with("GET /live.m3u8");
        async move { say(call, if is_list { list } else { &segment }).await }
    });
    let mut rig = Rig::start(&net, config(&["http://h/live.m3u8"]));
    let took = rig.until(|rig| rig.breaks().len() == 1).await;
    assert!((11.0..13.0).contains(&took.as_secs_f64()), "three segments and the time of a stall: {took:?}");
    assert!(rig.breaks()[0].contains("silent"), "{:?}", rig.breaks());
    assert!(
        refusal("HTTP/1.1 200 OK\r\n\r\n#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXT-X-MAP:URI=\"i\"\nx.m4s\n")
            .await
            .starts_with("an HLS playlist with segments of MP4, which is not listened to")
    );
}

/// A live playlist that always names three segments more, each of which is answered so; what is said of it, and when.
async fn left_for(segment: impl Into<Option<Vec<u8>>>) -> (f64, String) {
    let (net, segment) = (SimNet::new(), segment.into());
    net.serve("h:80", move |call| {
        let segment = segment.clone();
        async move {
            if call.head.starts_with("GET /live.m3u8") {
                let first = 3 * call.number;
                let head = "HTTP/1.1 200 OK\r\n\r\n#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXT-X-MEDIA-SEQUENCE:";
                let names: String = (first..first + 3).map(|n| format!("{n}.ts\n")).collect();
                return say(call, format!("{head}{first}\n{names}").as_bytes()).await;
            }
            match segment {
                Some(segment) => say(call, &[b"HTTP/1.1 200 OK\r\n\r\n", &segment[..]].concat()).await,
                None => std::future::pending::<()>().await,
            }
        }
    });
    let mut rig = Rig::start(&net, config(&["http://h/live.m3u8"]));
    let took = rig.until(|rig| rig.link().status().failures == 1).await;
    assert!(rig.events.is_empty(), "{:?}", rig.events);
    (took.as_secs_f64(), rig.link().status().last_error.unwrap())
}

#[tokio::test(start_paused = true)]
async fn an_hls_station_that_gives_no_audio_is_left() {
    // Packets of a transport stream with nothing in them that is known, such as other codecs or a picture.
    let other = [&[0x47, 0x1F, 0xFF, 0x10][..], &[0xFF; 184]].concat().repeat(50);
    for segment in [Vec::new(), other, b"ID3\x04\0\0\0\0\0\0".to_vec()] {
        let (took, words) = left_for(segment).await;
        assert!(words.contains("an HLS playlist with segments without AAC or MP3 audio"), "{words}");
        assert!(took < 3.0, "{took}");
    }
    // One that takes requests for segments and answers none.
    let (took, words) = left_for(None).await;
    assert!(words.contains("nothing to listen to came within 11s"), "{words}");
    assert!((11.0..11.1).contains(&took), "{took}");
}

#[tokio::test(start_paused = true)]
async fn no_segment_is_lost_to_who_takes_nothing_or_interrupts() {
    let (all, segments) = segments();
    let net = SimNet::new();
    let names: String = (0..segments.len()).map(|n| format!("{n}.ts\n")).collect();
    let list = format!("HTTP/1.1 200 OK\r\n\r\n#EXT-X-TARGETDURATION:2\n{names}#EXT-X-ENDLIST\n");
    net.serve("h:80", move |call| {
        let number = call.head.trim_start_matches("GET /").split('.').next().unwrap().parse::<usize>();
        let answer = match number {
            Ok(number) => [b"HTTP/1.1 200 OK\r\n\r\n", &segments[number][..]].concat(),
            Err(_) => list.clone().into_bytes(),
        };
        async move {
            sleep(SECOND).await;
            say(call, &answer).await;
        }
    });
    for pause in [60 * SECOND, SECOND * 3 / 2] {
        let finite =
            WebstreamConfig { finite: true, capacity_bytes: 4096, ..config(&["http://h/live.m3u8"]) };
        let mut rig = Rig::start(&net, finite);
        for other in 100..1100 {
            sleep(pause).await;
            rig.take();
            // Of no connection that there is, but it wakes the task.
            rig.link().move_on(other);
            if rig.events.iter().any(|(_, event)| *event == Arrival::End) {
                break;
            }
        }
        assert_eq!((rig.audio == all, rig.breaks()), (true, vec![]), "{} of {}", rig.audio.len(), all.len());
    }
}
