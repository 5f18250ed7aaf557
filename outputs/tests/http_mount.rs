//! Mounts of the HTTP listener, heard by real clients.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod http_common;

use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

use airchain_codecs::{Bitrate, Codec};
use airchain_outputs::http::{MountOptions, Options};
use airchain_outputs::sink::Parcel;
use airchain_outputs::worker::{self, WorkerOptions};
use http_common::*;
use tokio::net::{TcpSocket, TcpStream};
use tokio::runtime::Handle;

/// The bytes of a packet, which has one more where padding is due.
const METAINT: usize = 417;

/// Takes a body with ICY blocks apart: the audio, and each title with the byte of audio that it stands before.
fn parse_icy(mut body: &[u8]) -> (Vec<u8>, Vec<(usize, String)>) {
    let (mut audio, mut titles) = (Vec::new(), Vec::new());
    while body.len() > METAINT {
        let (run, rest) = body.split_at(METAINT);
        audio.extend_from_slice(run);
        let (block, rest) = rest[1..].split_at(usize::from(rest[0]) * 16);
        body = rest;
        if !block.is_empty() {
            let block = std::str::from_utf8(block).expect("whole characters").trim_end_matches('\0');
            let title = block.strip_prefix("StreamTitle='").expect(block);
            // Players end a title at the first of these.
            assert_eq!(title.find("';"), Some(title.len() - 2), "{block}");
            titles.push((audio.len(), title[..title.len() - 2].to_owned()));
        }
    }
    audio.extend_from_slice(body);
    (audio, titles)
}

#[tokio::test(flavor = "multi_thread")]
async fn every_listener_gets_every_byte() {
    let listener = listen(Options::default());
    let mut mount = listener.mount("/live.mp3", meta()).unwrap();
    let handle = mount.handle();
    let mut sink = open(&mut mount).await;
    let packets = mp3(10);
    let mut clients = Vec::new();
    for _ in 0..200 {
        let reply = get(&listener, "/live.mp3", "").await;
        assert_eq!(reply.status, 200);
        clients.push(tokio::spawn(reply.body()));
    }
    assert_eq!(handle.listeners(), 200);
    feed(&mut sink, &packets).await;
    sink.close().await.unwrap();
    let expected = join(&packets);
    for client in clients {
        assert!(client.await.unwrap() == expected);
    }
    until(|| handle.listeners() == 0).await;
}

/// Of MP3 a packet is a quarter of what may go out together.
#[tokio::test(flavor = "multi_thread")]
async fn no_packet_waits_for_the_next() {
    let listener = listen(Options::default());
    let mount = listener.mount("/live.mp3", meta()).unwrap();
    let opening = opening(Codec::Mp3, Bitrate::Cbr(128), Vec::new());
    let (sender, output) =
        worker::spawn(&Handle::current(), "out", Box::new(mount), opening, WorkerOptions::live());
    let packets = mp3(1);
    sender.send(Parcel::Packet(packets[0].clone()));
    let mut reply = loop {
        let reply = get(&listener, "/live.mp3", "").await;
        if reply.status == 200 {
            break reply;
        }
    };
    let mut heard = 0;
    for (number, packet) in packets.iter().enumerate() {
        if number > 0 {
            sender.send(Parcel::Packet(packet.clone()));
        }
        while heard < join(&packets[..=number]).len() {
            heard += reply.some().await.unwrap().len();
        }
    }
    output.stop(false);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mount_says_what_it_is() {
    let listener = listen(Options::default());
    let mut name = meta();
    name.name = "Radio Gärten\r\nSet-Cookie: a=b".into();
    name.genre = Some("x".repeat(900));
    let mut mount = listener.mount("/live.mp3", name).unwrap();
    let early = get(&listener, "/live.mp3", "").await;
    assert_eq!((early.status, early.header("retry-after")), (503, Some("2")));
    let mut sink = open(&mut mount).await;
    let reply = get(&listener, "/live.mp3", "").await;
    assert_eq!(reply.header("content-type"), Some("audio/mpeg"));
    assert_eq!(reply.header("cache-control"), Some("no-cache, no-store"));
    assert_eq!(reply.header("access-control-allow-origin"), Some("*"));
    assert_eq!(reply.header("icy-name"), Some("Radio Gärten  Set-Cookie: a=b"));
    assert_eq!(reply.header("set-cookie"), None);
    assert_eq!(reply.header("icy-genre").unwrap().len(), 200);
    assert_eq!(reply.header("icy-br"), Some("128"));
    assert_eq!(reply.header("icy-metaint"), None, "nobody asked");
    let asked = get(&listener, "/live.mp3", "Icy-MetaData: 1\r\n").await;
    assert_eq!(asked.header("icy-metaint"), Some("417"));

    let head = request(&listener, "HEAD /live.mp3 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").await;
    assert_eq!((head.status, head.header("content-type")), (200, Some("audio/mpeg")));
    assert_eq!(head.header("content-length"), None, "{}", head.head);
    assert_eq!(head.body().await, b"");
    let options = "OPTIONS /live.mp3 HTTP/1.1\r\nHost: x\r\nOrigin: http://y\r\n\
        Access-Control-Request-Headers: icy-metadata\r\nConnection: close\r\n\r\n";
    let options = request(&listener, options).await;
    assert_eq!(options.status, 204);
    assert!(options.header("access-control-allow-headers").unwrap().contains("icy-metadata"));
    let post = "POST /live.mp3 HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
    assert_eq!(request(&listener, post).await.status, 405);

    sink.close().await.unwrap();
    assert_eq!(get(&listener, "/live.mp3", "").await.status, 503, "over");
    drop(mount);
    assert_eq!(get(&listener, "/live.mp3", "").await.status, 404, "gone");
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_is_sent_chunks() {
    let listener = listen(Options::default());
    let mut mount = listener.mount("/live.mp3", meta()).unwrap();
    let mut sink = open(&mut mount).await;
    let mut replies = Vec::new();
    for head in ["GET /live.mp3 HTTP/1.0\r\n\r\n", "GET /live.mp3 HTTP/1.1\r\nHost: x\r\n\r\n"] {
        let reply = request(&listener, head).await;
        assert_eq!((reply.header("transfer-encoding"), reply.header("content-length")), (None, None));
        replies.push(reply);
    }
    let packets = mp3(1);
    feed(&mut sink, &packets).await;
    sink.close().await.unwrap();
    for reply in replies {
        assert!(reply.body().await == join(&packets));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn new_listeners_get_a_burst_of_whole_packets() {
    let listener = listen(Options { burst: Duration::from_secs(2), ..Options::default() });
    let mut mount = listener.mount("/live.mp3", meta()).unwrap();
    let mut sink = open(&mut mount).await;
    let packets = mp3(6);
    feed(&mut sink, &packets[..150]).await;
    let reply = get(&listener, "/live.mp3", "").await;
    feed(&mut sink, &packets[150..]).await;
    sink.close().await.unwrap();
    let body = reply.body().await;
    let begin = (0..packets.len()).find(|n| join(&packets[*n..]) == body).expect("begins with a packet");
    let burst_s = (150 - begin) as f64 * FRAME as f64 / f64::from(RATE);
    // Chunks are 100 ms, and the last one may not have been full yet.
    assert!((1.9..2.3).contains(&burst_s), "{burst_s}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mount_has_a_burst_of_its_own() {
    let listener = listen(Options { burst: Duration::from_secs(2), ..Options::default() });
    let none = MountOptions { burst: Some(Duration::ZERO), ..MountOptions::default() };
    let mut mount = listener.mount_with("/live.mp3", meta(), none).unwrap();
    let mut sink = open(&mut mount).await;
    let packets = mp3(4);
    feed(&mut sink, &packets[..100]).await;
    let reply = get(&listener, "/live.mp3", "").await;
    feed(&mut sink, &packets[100..]).await;
    sink.close().await.unwrap();
    assert!(reply.body().await == join(&packets[100..]), "what comes from then on");
}

#[tokio::test(flavor = "multi_thread")]
async fn titles_change_at_their_byte() {
    let listener = listen(Options::default());
    let mut mount = listener.mount("/live.mp3", meta()).unwrap();
    let mut sink = open(&mut mount).await;
    let packets = mp3(12);
    let reply = get(&listener, "/live.mp3", "Icy-MetaData: 1\r\n").await;
    let long = "ü".repeat(3000);
    // Frame, title, what players show. The second is replaced within its packet.
    let titles = [
        (60 * FRAME, "Größe – 日本語 🎵", "Größe – 日本語 🎵"),
        (100 * FRAME, "never shown", ""),
        (100 * FRAME + 1151, "It's 'quoted';StreamUrl='evil", "It's 'quoted’;StreamUrl='evil"),
        (200 * FRAME, "two\r\nlines\0", "two  lines "),
        (300 * FRAME + 5, &long, &long[..4064]),
        (430 * FRAME, "", ""),
    ];
    let mut waiting = titles.iter().peekable();
    for packet in &packets {
        // Told two seconds ahead, as a title comes before its packet.
        while let Some((at, text, _)) = waiting.next_if(|(at, ..)| *at < packet.end() + 88_200) {
            sink.title(*at, &title(text)).await.unwrap();
        }
        sink.packet(packet).await.unwrap();
    }
    sink.close().await.unwrap();
    let (audio, heard) = parse_icy(&reply.body().await);
    assert!(audio == join(&packets));
    let mut expected = vec![(METAINT, "first".to_owned())];
    for (at, _, shown) in titles.iter().filter(|(_, text, _)| *text != "never shown") {
        let packet = packets.iter().position(|packet| packet.end() > *at).unwrap();
        let byte = join(&packets[..packet]).len();
        let block = byte.next_multiple_of(METAINT);
        assert!(block < byte + packets[packet].data.len(), "the block is not in the title's own packet");
        expected.push((block, (*shown).to_owned()));
    }
    assert_eq!(heard, expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_listener_is_dropped_alone() {
    let ring = Duration::from_secs(1);
    let listener = listen(Options { ring, burst: ring, send_buffer: 4096, ..Options::default() });
    let mut mount = listener.mount("/live.mp3", meta()).unwrap();
    let handle = mount.handle();
    let mut sink = open(&mut mount).await;
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(4096).unwrap();
    let stream = socket.connect(listener.local_addr()).await.unwrap();
    let mut slow = ask(stream, "GET /live.mp3 HTTP/1.0\r\n\r\n").await;
    let mut fast = get(&listener, "/live.mp3", "").await;
    let packets = mp3(20);
    let (mut fed, mut got) = (Vec::new(), Vec::new());
    for second in packets.chunks(20) {
        feed(&mut sink, second).await;
        fed.extend(join(second));
        // Half a second at a time, at the pace of the one who listens (the last chunk may still be filling).
        while got.len() + 2500 < fed.len() {
            got.extend(fast.some().await.unwrap());
        }
    }
    assert_eq!((handle.dropped(), handle.listeners()), (1, 1));
    sink.close().await.unwrap();
    got.extend(fast.body().await);
    assert!(got == fed && fed == join(&packets));
    let mut heard = 0;
    while let Ok(bytes) = slow.some().await
        && !bytes.is_empty()
    {
        heard += bytes.len();
    }
    assert!(heard < fed.len() / 2, "{heard} of {}", fed.len());
}

async fn finished(child: Child) -> Output {
    soon(tokio::task::spawn_blocking(|| child.wait_with_output())).await.unwrap().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn ffmpeg_plays_it() {
    let listener = listen(Options::default());
    let mut mount = listener.mount("/live.mp3", meta()).unwrap();
    let handle = mount.handle();
    let mut sink = open(&mut mount).await;
    let url = format!("http://{}/live.mp3", listener.local_addr());
    let run = |program: &str, args: &[&str]| {
        let mut command = Command::new(program);
        command.args(["-v", "error", "-i", &url]).args(args);
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect(program)
    };
    let player = run("ffmpeg", &["-t", "6", "-f", "s16le", "-ac", "1", "-"]);
    let probe = run("ffprobe", &["-show_entries", "format_tags", "-of", "json"]);
    until(|| handle.listeners() == 2).await;
    let packets = mp3(8);
    feed(&mut sink, &packets).await;
    sink.close().await.unwrap();

    let output = finished(player).await;
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
    let pcm: Vec<f64> =
        output.stdout.chunks_exact(2).map(|b| f64::from(i16::from_le_bytes([b[0], b[1]]))).collect();
    assert_eq!(pcm.len(), 6 * RATE as usize);
    // A 1 kHz tone crosses zero upwards once a millisecond, without a gap.
    let middle = &pcm[RATE as usize..];
    let crossings = middle.windows(2).filter(|w| w[0] < 0.0 && w[1] >= 0.0).count();
    assert!(crossings.abs_diff(5000) <= 1, "{crossings}");

    let output = finished(probe).await;
    let tags: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(tags["format"]["tags"]["icy-name"], "WGMR FM");
    assert_eq!(tags["format"]["tags"]["StreamTitle"], "first");
}

#[tokio::test(flavor = "multi_thread")]
async fn listeners_stay_when_the_output_is_opened_again() {
    let listener = listen(Options::default());
    let mut mount = listener.mount("/live.mp3", meta()).unwrap();
    let mut sink = open(&mut mount).await;
    let packets = mp3(2);
    let stays = get(&listener, "/live.mp3", "").await;
    feed(&mut sink, &packets[..10]).await;
    sink.close().await.unwrap();
    assert!(stays.body().await == join(&packets[..10]), "a closed programme ends");

    let mut sink = open(&mut mount).await;
    let stays = get(&listener, "/live.mp3", "").await;
    feed(&mut sink, &packets[..8]).await;
    drop(sink);
    assert_eq!(get(&listener, "/live.mp3", "").await.status, 503, "down for new listeners");
    let mut sink = open(&mut mount).await;
    feed(&mut sink, &packets[8..]).await;
    sink.close().await.unwrap();
    assert!(stays.body().await == join(&packets), "a failed one goes on");
}

#[tokio::test(flavor = "multi_thread")]
async fn shutdown_ends_listeners_after_what_they_are_owed() {
    let listener =
        airchain_outputs::http::Listener::bind("127.0.0.1:0".parse().unwrap(), Options::default()).unwrap();
    let serving = tokio::spawn(listener.clone().serve());
    let mut mount = listener.mount("/live.mp3", meta()).unwrap();
    let mut sink = open(&mut mount).await;
    let packets = mp3(1);
    let reply = get(&listener, "/live.mp3", "").await;
    feed(&mut sink, &packets[..5]).await;
    listener.shutdown();
    assert!(reply.body().await == join(&packets[..5]));
    soon(serving).await.unwrap().unwrap();
    assert!(TcpStream::connect(listener.local_addr()).await.is_err());
}
