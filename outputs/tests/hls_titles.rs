//! Titles in HLS: timed ID3 metadata at the packet of audio that first belongs to them, as ffprobe and an independent
//! reader see it.

#![allow(clippy::unwrap_used)] // A test that fails panics.

mod hls_support;

use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use airchain_codecs::{Bitrate, Codec};
use airchain_core::item::Metadata;
use airchain_outputs::hls::HlsConfig;
use airchain_outputs::sink::Opening;
use hls_support::{RATE, encoded, format, on_runtime, opening, programme, title};
use testkit::hls::Snapshot;
use testkit::ts;

fn config(dir: &tempfile::TempDir) -> HlsConfig {
    HlsConfig { segment_duration_s: 2.0, playlist_size: 1000, ..HlsConfig::new(dir.path()) }
}

/// What ffprobe, which must find nothing to warn of, says of a segment: its streams, and the time stamps of the titles.
fn ffprobe(segment: &Path) -> (Vec<String>, Vec<i64>) {
    let run = |args: &[&str]| {
        let out = Command::new("ffprobe")
            .args(["-v", "warning", "-of", "csv=p=0", "-show_entries"])
            .args(args)
            .arg(segment)
            .output()
            .expect("ffprobe is installed");
        let complaints: String = String::from_utf8_lossy(&out.stderr)
            .lines()
            // It has no decoder for timed ID3, whoever made it (98313 is its AV_CODEC_ID_TIMED_ID3).
            .filter(|line| !line.is_empty() && *line != "Unsupported codec with id 98313 for input stream 1")
            .collect();
        assert!(out.status.success() && complaints.is_empty(), "{}: {complaints}", segment.display());
        String::from_utf8(out.stdout).unwrap()
    };
    let streams = run(&["stream=codec_name,codec_type"]);
    let streams =
        streams.lines().filter(|line| !line.is_empty()).map(|line| line.trim_end_matches(',').into());
    let times = run(&["packet=pts", "-select_streams", "d"]);
    let times = times.lines().filter(|line| !line.is_empty()).map(|line| line.trim_end_matches(',').parse());
    (streams.collect(), times.map(Result::unwrap).collect())
}

fn titles_of(codec: Codec, name: &str) {
    let (info, packets) = encoded(format(codec, Bitrate::Cbr(128)), &programme(9 * RATE as usize));
    let rate = i64::from(RATE);
    let frames = i64::from(packets[0].duration);
    let long = Metadata {
        title: Some("日本語".repeat(5_000)),
        artist: Some("a\r\nb\0c\u{85}d".into()),
        album: Some(String::new()),
        extra: (0..1000).map(|n| (n.to_string(), "x".repeat(9_000))).collect(),
    };
    let at = |index: usize, within: i64| packets[index].pts + within;
    let changes: [(i64, Arc<Metadata>); 6] = [
        // The first and the last frame of a packet; two in one packet, of which the second counts.
        (at(60, 0), title("two")),
        (at(101, frames - 1), title("three")),
        (at(150, 0), title("never seen")),
        (at(150, 1), Arc::new(long)),
        (at(250, frames / 2), title("")),
        // The same again changes nothing.
        (at(300, 0), title("")),
    ];
    let dir = tempfile::tempdir().unwrap();
    let mut output = hls_support::alone(&config(&dir));
    let opening = Opening { metadata: Some(title("one")), ..opening(&info, "2026-03-01T12:00:00Z") };
    on_runtime(async {
        let mut sink = output.open(&opening).await.unwrap();
        let mut waiting = changes.iter().peekable();
        for packet in &packets {
            // Told up to a tenth of a second ahead, as encoders do.
            while let Some((at, metadata)) = waiting.next_if(|(at, _)| *at < packet.end() + rate / 10) {
                sink.title(*at, metadata).await.unwrap();
            }
            sink.packet(packet).await.unwrap();
        }
        sink.close().await.unwrap();
    });

    let ticks = |pts: i64| (pts * 90_000).div_euclid(rate) + 900_000;
    let mut checker = ts::Checker::default();
    let mut expected: Vec<i64> = [60, 101, 150, 250].map(|index| ticks(packets[index].pts)).into();
    let mut seen = Vec::new();
    let playlist = Snapshot::read(dir.path());
    for segment in &playlist.segments {
        let before = checker.titles.len();
        let audio = checker.segment(&playlist.data(segment));
        let times: Vec<i64> = checker.titles[before..].iter().map(|(pts, _)| *pts).collect();
        assert_eq!(times[0], audio[0].pts, "the title that is true at its beginning opens a segment");
        expected.push(times[0]);
        let streams = [format!("{name},audio"), "timed_id3,data".into()];
        // Listed by themselves and as those of the programme.
        assert_eq!(ffprobe(&playlist.path(segment)), ([&streams[..], &streams[..]].concat(), times.clone()));
        seen.extend(times);
    }
    expected.sort_unstable();
    expected.dedup();
    assert_eq!(seen, expected, "titles where they change and where a segment begins, and nowhere else");

    let mut told: Vec<_> = checker.titles.iter().map(|(_, tag)| ts::id3(tag)).collect();
    assert!(checker.titles.iter().all(|(_, tag)| tag.len() < 3_200));
    told.dedup();
    let frame = |id: &str, text: &str| (id.to_owned(), text.to_owned());
    let long = vec![frame("TIT2", &"日本語".repeat(111)), frame("TPE1", "abcd"), frame("TALB", "")];
    let short = |text| vec![frame("TIT2", text)];
    assert_eq!(told, [short("one"), short("two"), short("three"), long, short("")]);

    // Those that have ended are told beside, from the packet on that each begins with.
    let songs: Vec<_> = playlist.date_ranges.iter().map(|range| &range.text).collect();
    let starts = [0, 60, 101, 150].map(|index| opening.time_of(packets[index].pts).as_millisecond());
    let titles = ["one", "two", "three", &"日本語".repeat(66)];
    assert_eq!(songs.len(), 4, "{songs:?}");
    for ((song, start), title) in songs.iter().zip(starts).zip(titles) {
        assert!(song.starts_with("ID=\"") && song.contains(&format!("-{start}\",")), "{song}, {start}");
        assert!(song.contains(&format!("X-TITLE=\"{title}")), "{song}");
    }
}

#[test]
fn titles_in_aac() {
    titles_of(Codec::AacLc, "aac");
}

#[test]
fn titles_in_mp3() {
    titles_of(Codec::Mp3, "mp3");
}

#[test]
fn nothing_known_is_an_empty_title_and_a_new_sink_goes_on_with_what_is_true() {
    let (info, packets) = hls_support::aac(6);
    let dir = tempfile::tempdir().unwrap();
    let mut output = hls_support::alone(&config(&dir));
    on_runtime(hls_support::deliver(
        output.as_mut(),
        &opening(&info, "2026-03-01T12:00:00Z"),
        &packets[..150],
        false,
    ));
    let again = Opening { metadata: Some(title("true")), ..opening(&info, "2026-03-01T12:00:10Z") };
    on_runtime(hls_support::deliver(output.as_mut(), &again, &packets[150..], true));
    let mut checker = ts::Checker::default();
    let playlist = Snapshot::read(dir.path());
    checker.segment(&playlist.data(&playlist.segments[0]));
    assert_eq!(ts::id3(&checker.titles[0].1), [("TIT2".to_owned(), String::new())]);
    let mut checker = ts::Checker::default();
    checker.segment(&playlist.data(playlist.segments.last().unwrap()));
    assert_eq!(ts::id3(&checker.titles[0].1), [("TIT2".to_owned(), "true".to_owned())]);
}
