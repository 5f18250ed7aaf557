//! The system's clock is set while outputs are on air: the dates of what begins from then on follow, and nothing else is different.

#![allow(clippy::unwrap_used)] // A test that fails panics.

mod hls_support;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use airchain_codecs::container::segment::Container;
use airchain_codecs::packet::{Packet, SharedInfo};
use airchain_codecs::{Bitrate, Codec, Format};
use airchain_outputs::hls::{self, HlsConfig, RenditionConfig};
use airchain_outputs::recording::{RecordingConfig, RecordingOutput};
use airchain_outputs::sink::{Opening, Output, Sink};
use hls_support::{RATE, aac, encoded, ffmpeg, format, on_runtime, opening, programme, title};
use testkit::cmaf;
use testkit::hls::{Segment, Snapshot};

const NOON: &str = "2026-03-01T12:00:00.5Z";
const HOUR_MS: i64 = 3_600_000;

/// When the clock has been set, by seconds of the programme, and by how much since the beginning, in milliseconds.
type Settings<'a> = &'a [(f64, i64)];

/// A frame at a second.
fn frame(second: f64) -> u64 {
    (second * f64::from(RATE)).round() as u64
}

/// Openings of encoders that began together with their station, whose clock is the same.
fn openings(infos: &[SharedInfo]) -> Vec<Opening> {
    let first = opening(&infos[0], NOON);
    infos.iter().map(|info| Opening { info: info.clone(), ..first.clone() }).collect()
}

/// Delivers packets side by side as they come, while the clock is set; `look` after each.
async fn deliver(
    sinks: &mut [Box<dyn Sink>],
    openings: &[Opening],
    tracks: &[Vec<Packet>],
    settings: Settings<'_>,
    mut look: impl FnMut(),
) {
    let packets =
        tracks.iter().enumerate().flat_map(|(track, all)| all.iter().map(move |p| (p.end(), track, p)));
    let mut packets: Vec<_> = packets.collect();
    packets.sort_by_key(|(end, track, _)| (*end, *track));
    let mut settings = settings.iter().peekable();
    for (end, track, packet) in packets {
        while let Some((second, by_ms)) = settings.next_if(|(second, _)| (frame(*second) as i64) < end) {
            openings[track].leaps.follow(by_ms * 1_000_000, RATE, || frame(*second));
        }
        sinks[track].packet(packet).await.unwrap();
        look();
    }
}

/// What each segment's date is beside where the one before ends, in milliseconds.
fn leaps(segments: &[Segment]) -> Vec<i64> {
    let off_us = |pair: &[Segment]| {
        let [before, date] = [0, 1].map(|n| pair[n].date.unwrap().as_microsecond());
        date - before - pair[0].duration_us as i64
    };
    segments.windows(2).map(|pair| (off_us(pair) + 500).div_euclid(1_000)).collect()
}

/// `EXT-X-DATERANGE` tags, as written.
fn songs(playlist: &Snapshot) -> Vec<String> {
    playlist.date_ranges.iter().map(|range| range.text.clone()).collect()
}

fn periods(dir: &Path) -> Vec<String> {
    let text = fs::read_to_string(dir.join("manifest.mpd")).unwrap();
    let starts = text.lines().filter_map(|line| line.split_once("<Period ")?.1.split_once("start=\"PT"));
    starts.map(|(_, rest)| rest.split_once('S').unwrap().0.replace('.', "")).collect()
}

fn millis(segment: &Segment) -> String {
    segment.date.unwrap().as_millisecond().to_string()
}

#[test]
fn segments_begin_by_the_new_clock_behind_a_discontinuity_in_all_renditions() {
    let config = |dir: &Path| HlsConfig {
        container: Container::Fmp4,
        dash: true,
        segment_duration_s: 1.0,
        playlist_size: 100,
        renditions: vec![RenditionConfig { name: "high".into(), format: Format::parse("aac:128k").unwrap() }],
        ..HlsConfig::new(dir)
    };
    // Of rates without a frame in common: each is cut at its own, and the clock may be set between them.
    let low = Format { sample_rate_hz: 44_100, ..format(Codec::HeAacV1, Bitrate::Cbr(64)) };
    for (low, second) in
        [(low, 3.0), (low, 3.01), (low, 2.99), (format(Codec::HeAacV1, Bitrate::Cbr(64)), 3.4)]
    {
        let dir = tempfile::tempdir().unwrap();
        let frames = programme(12 * RATE as usize);
        let (infos, tracks): (Vec<_>, Vec<_>) = [low, format(Codec::AacLc, Bitrate::Cbr(128))]
            .map(|format| encoded(format, &frames))
            .into_iter()
            .unzip();
        let openings = openings(&infos);
        // Forward by an hour, back by three, and by less than half a second.
        let settings = [(second, HOUR_MS), (6.7, -2 * HOUR_MS), (9.2, -2 * HOUR_MS + 400)];
        let read = || [Snapshot::read(dir.path()), Snapshot::read(&dir.path().join("high"))];
        let mut before: Option<[Snapshot; 2]> = None;
        let mut periods_before = Vec::new();
        let mut outputs = hls::outputs(&config(dir.path())).unwrap().tracks;
        on_runtime(async {
            let mut sinks = Vec::new();
            for (output, opening) in outputs.iter_mut().zip(&openings) {
                sinks.push(output.open(opening).await.unwrap());
            }
            deliver(&mut sinks, &openings, &tracks, &settings, || {
                if dir.path().join("high/live.m3u8").exists() && dir.path().join("live.m3u8").exists() {
                    let now = read();
                    now[0].assert_aligned_within(&now[1], 50);
                    for (now, before) in now.iter().zip(before.iter().flatten()) {
                        now.assert_continues(before);
                    }
                    if now[0].segments.len() == 6 {
                        periods_before = periods(dir.path());
                    }
                    before = Some(now);
                }
            })
            .await;
            for mut sink in sinks {
                sink.close().await.unwrap();
            }
        });
        for (playlist, folder) in read().into_iter().zip(["", "high"]) {
            let segments = &playlist.segments;
            let marked: Vec<usize> = (0..segments.len()).filter(|n| segments[*n].discontinuity).collect();
            // What straddles a setting keeps the date of its begin, and with it the old clock.
            let first = if second > 3.0 { 4 } else { 3 };
            assert_eq!(marked, [first, 7], "{second}");
            let mut expected = vec![0; segments.len() - 1];
            (expected[first - 1], expected[6]) = (HOUR_MS, -3 * HOUR_MS);
            let off: Vec<_> = leaps(segments).into_iter().zip(&expected).map(|(is, due)| is - due).collect();
            assert!(off.iter().all(|off_ms| off_ms.abs() <= 1), "{off:?}");
            // The media goes on as if nothing were: by its time stamps, and by its samples.
            let mut checker = cmaf::Checker::new(&playlist.init(&segments[0]).unwrap());
            for segment in segments {
                assert_eq!(segment.map, segments[0].map);
                checker.segment(&playlist.data(segment));
            }
            let joined = dir.path().join("joined.mp4");
            fs::write(&joined, playlist.join()).unwrap();
            let rate = if folder.is_empty() { low.sample_rate_hz } else { RATE };
            assert!(ffmpeg(&joined).len() >= 12 * rate as usize, "{folder}");
            // Periods never go back: what was before would come three hours later.
            if folder.is_empty() {
                assert_eq!(periods_before, [&segments[0], &segments[first]].map(millis));
                assert_eq!(periods(dir.path()), [millis(&segments[7])]);
            }
        }
    }
}

#[test]
fn who_comes_when_the_clock_has_been_set_counts_the_same_discontinuities() {
    let dir = tempfile::tempdir().unwrap();
    let config = HlsConfig {
        segment_duration_s: 1.0,
        playlist_size: 100,
        renditions: vec![RenditionConfig { name: "high".into(), format: Format::parse("aac:128k").unwrap() }],
        ..HlsConfig::new(dir.path())
    };
    let frames = programme(12 * RATE as usize);
    let formats = [format(Codec::HeAacV1, Bitrate::Cbr(64)), format(Codec::AacLc, Bitrate::Cbr(128))];
    let (infos, mut tracks): (Vec<_>, Vec<_>) =
        formats.map(|format| encoded(format, &frames)).into_iter().unzip();
    tracks[1].retain(|packet| packet.pts > frame(6.5) as i64);
    // Twice within a segment, and once behind.
    let settings = [(3.2, HOUR_MS), (3.7, -HOUR_MS), (5.1, 0), (9.4, 7 * HOUR_MS)];
    let openings = openings(&infos);
    let mut outputs = hls::outputs(&config).unwrap().tracks;
    on_runtime(async {
        let mut sinks = Vec::new();
        for (output, opening) in outputs.iter_mut().zip(&openings) {
            sinks.push(output.open(opening).await.unwrap());
        }
        deliver(&mut sinks, &openings, &tracks, &settings, || {}).await;
        for mut sink in sinks {
            sink.close().await.unwrap();
        }
    });
    let [early, late] = [Snapshot::read(dir.path()), Snapshot::read(&dir.path().join("high"))];
    assert_eq!(early.assert_aligned_within(&late, 50), late.segments.len());
    let marked = |playlist: &Snapshot| playlist.segments.iter().filter(|s| s.discontinuity).count();
    assert_eq!([marked(&early), marked(&late)], [3, 1]);
    assert_eq!([early.discontinuity_sequence, late.discontinuity_sequence], [0, 2]);
}

#[test]
fn what_is_told_of_a_segment_under_way_stays_when_the_clock_is_set() {
    let (info, packets) = aac(9);
    let dir = tempfile::tempdir().unwrap();
    let config = HlsConfig {
        segment_duration_s: 2.0,
        playlist_size: 100,
        low_latency: true,
        ..HlsConfig::new(dir.path())
    };
    let openings = openings(&[info]);
    let mut told = BTreeMap::new();
    let mut look = || {
        let Ok(text) = fs::read_to_string(dir.path().join("live.m3u8")) else { return };
        let (mut number, mut discontinuity, mut date) = (0, false, String::new());
        for line in text.lines() {
            if let Some(first) = line.strip_prefix("#EXT-X-MEDIA-SEQUENCE:") {
                number = first.parse::<u64>().unwrap();
            } else if line == "#EXT-X-DISCONTINUITY" {
                discontinuity = true;
            } else if let Some(value) = line.strip_prefix("#EXT-X-PROGRAM-DATE-TIME:") {
                date = value.to_owned();
                let is = (std::mem::take(&mut discontinuity), date.clone());
                assert_eq!(told.entry(number).or_insert_with(|| is.clone()), &is, "{number}");
            } else if !line.starts_with('#') {
                number += 1;
            }
        }
        assert!(!date.is_empty());
    };
    let mut output = hls_support::alone(&config);
    on_runtime(async {
        let mut sinks = vec![output.open(&openings[0]).await.unwrap()];
        deliver(&mut sinks, &openings, &[packets], &[(3.0, -HOUR_MS), (6.9, 0)], &mut look).await;
        sinks[0].close().await.unwrap();
    });
    look();
    let marked: Vec<bool> = told.values().map(|(discontinuity, _)| *discontinuity).collect();
    assert_eq!(marked, [false, false, true, false, true]);
    let hours: Vec<&str> = told.values().map(|(_, date)| &date[11..13]).collect();
    assert_eq!(hours, ["12", "12", "11", "11", "12"]);
}

#[test]
fn a_song_over_which_the_clock_is_set_is_told_by_both() {
    let (info, packets) = aac(14);
    let dir = tempfile::tempdir().unwrap();
    let config = HlsConfig { segment_duration_s: 1.0, playlist_size: 3, ..HlsConfig::new(dir.path()) };
    let openings = openings(&[info]);
    let at = |second: f64| packets.iter().position(|packet| packet.pts >= frame(second) as i64).unwrap();
    let mut output = hls_support::alone(&config);
    let settings = [(2.5, -HOUR_MS)];
    on_runtime(async {
        let opening = Opening { metadata: Some(title("one")), ..openings[0].clone() };
        let mut sinks = vec![output.open(&opening).await.unwrap()];
        let (second, third) = (at(4.2), at(12.2));
        deliver(&mut sinks, &openings, &[packets[..second].to_vec()], &settings, || {}).await;
        sinks[0].title(packets[second].pts, &title("two")).await.unwrap();
        let next = at(5.5);
        deliver(&mut sinks, &openings, &[packets[second..next].to_vec()], &[], || {}).await;
        let playlist = Snapshot::read(dir.path());
        let (songs, segments) = (songs(&playlist), &playlist.segments);
        let marked = segments.iter().position(|segment| segment.discontinuity).unwrap();
        let before = &segments[marked - 1];
        let old_end = before.date.unwrap().as_microsecond() + before.duration_us as i64;
        assert_eq!(songs.len(), 2, "{songs:?}");
        let value = |song: &str, name: &str| {
            let (_, rest) = song.split_once(&format!("{name}=\"")).unwrap();
            rest.split_once('"').unwrap().0.parse::<jiff::Timestamp>().unwrap().as_millisecond()
        };
        assert!(songs.iter().all(|song| song.contains("X-TITLE=\"one\"")), "{songs:?}");
        assert_eq!(value(&songs[0], "END-DATE"), old_end / 1_000);
        assert_eq!(value(&songs[1], "START-DATE"), segments[marked].date.unwrap().as_millisecond());
        let ends = opening.time_of(packets[second].pts).as_millisecond();
        assert_eq!(value(&songs[1], "END-DATE"), ends);
        assert!(songs[0] != songs[1]);
        // Each goes with the segments that it is told by.
        deliver(&mut sinks, &openings, &[packets[next..at(7.2)].to_vec()], &[], || {}).await;
        assert_eq!(self::songs(&Snapshot::read(dir.path())), songs[1..]);
        deliver(&mut sinks, &openings, &[packets[at(7.2)..third].to_vec()], &[], || {}).await;
        assert_eq!(Snapshot::read(dir.path()).date_ranges.len(), 0);
        sinks[0].title(packets[third].pts, &title("three")).await.unwrap();
        deliver(&mut sinks, &openings, &[packets[third..].to_vec()], &[], || {}).await;
        sinks[0].close().await.unwrap();
        let songs = self::songs(&Snapshot::read(dir.path()));
        assert!(songs.len() == 1 && songs[0].contains("X-TITLE=\"two\""), "{songs:?}");
    });
}

/// Records ten seconds that begin at a time, while the clock is set. Gives the names of the files in the order in which they were made,
/// with the seconds of audio in each, and sees that nothing is lost or doubled between them.
fn recorded(epoch: &str, settings: Settings<'_>, expected: &[(&str, f64)]) {
    let dir = tempfile::tempdir().unwrap();
    let (info, packets) = encoded(format(Codec::PcmS16, Bitrate::Lossless), &programme(10 * RATE as usize));
    record(&RecordingConfig::new(dir.path()), &opening(&info, epoch), packets.clone(), settings);
    let there = fs::read_dir(dir.path()).unwrap().count();
    let mut samples = Vec::new();
    for (name, seconds) in expected {
        let file = dir.path().join(format!("2026-03-01_{name}.wav"));
        assert!(file.is_file(), "{settings:?}: no {name}, but {:?}", fs::read_dir(dir.path()).unwrap());
        let heard = ffmpeg(&file);
        let off = heard.len() as f64 / f64::from(RATE) - seconds;
        assert!(off.abs() < 0.03, "{settings:?}: {off} s too many in {name}");
        samples.extend(heard);
    }
    assert_eq!(there, expected.len(), "{settings:?}");
    let sent: Vec<u8> = packets.iter().flat_map(|packet| packet.data.to_vec()).collect();
    let heard: Vec<u8> = samples.iter().flatten().flat_map(|sample| sample.to_le_bytes()).collect();
    assert!(heard == sent, "{settings:?}: other samples");
}

fn record(config: &RecordingConfig, opening: &Opening, packets: Vec<Packet>, settings: Settings<'_>) {
    let mut output = RecordingOutput::new(config.clone()).unwrap();
    on_runtime(async {
        let mut sinks = vec![output.open(opening).await.unwrap()];
        deliver(&mut sinks, std::slice::from_ref(opening), &[packets], settings, || {}).await;
        sinks[0].close().await.unwrap();
    });
}

#[test]
fn recordings_are_named_and_cut_by_the_new_clock() {
    let early = "2026-03-01T05:59:57.5Z";
    recorded(early, &[], &[("05-59-57", 2.5), ("06-00-00", 7.5)]);
    // Forward: over the hour, and within it.
    recorded(early, &[(1.0, HOUR_MS)], &[("05-59-57", 1.0), ("06-59-58", 1.5), ("07-00-00", 7.5)]);
    recorded("2026-03-01T05:20:00Z", &[(4.0, 600_000)], &[("05-20-00", 4.0), ("05-30-04", 6.0)]);
    // Back: to before the file under way, to before the hour, to the very names that are there.
    recorded("2026-03-01T05:20:00Z", &[(4.0, -600_000)], &[("05-20-00", 4.0), ("05-10-04", 6.0)]);
    let back = [("05-59-57", 2.5), ("06-00-00", 1.0), ("05-59-58", 2.0), ("06-00-00_2", 4.5)];
    recorded(early, &[(3.5, -3_000)], &back);
    let same = [("05-59-57", 2.5), ("06-00-00", 1.0), ("05-59-57_2", 2.5), ("06-00-00_2", 4.0)];
    recorded(early, &[(3.5, -3_500)], &same);
    // There and back again.
    let twice = [("05-20-00", 2.0), ("06-20-02", 3.0), ("05-20-05", 5.0)];
    recorded("2026-03-01T05:20:00Z", &[(2.0, HOUR_MS), (5.0, 0)], &twice);
    // What is no more than a second cuts nothing by itself, and the hour is where the clock shows it: earlier, at once, once.
    recorded(early, &[(1.0, 800)], &[("05-59-57", 1.7), ("06-00-00", 8.3)]);
    recorded(early, &[(2.2, 800)], &[("05-59-57", 2.2), ("06-00-00", 7.8)]);
    recorded(early, &[(3.0, -800)], &[("05-59-57", 2.5), ("06-00-00", 7.5)]);
    recorded(early, &[(1.0, -800)], &[("05-59-57", 3.3), ("06-00-00", 6.7)]);
    // Nor is what is less than half a second followed.
    recorded(early, &[(1.0, 500)], &[("05-59-57", 2.5), ("06-00-00", 7.5)]);
}

#[test]
fn a_clock_that_is_set_has_nothing_removed_that_is_new() {
    let names = |dir: &Path| {
        let names = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
        let mut names: Vec<String> = names.collect();
        names.sort();
        names
    };
    let ten_years_ms = 10 * 365 * 24 * HOUR_MS;
    let (info, packets) = encoded(format(Codec::PcmS16, Bitrate::Lossless), &programme(10 * RATE as usize));
    let every_s = |dir: &Path| RecordingConfig { rotate_every_s: 1, ..RecordingConfig::new(dir) };
    // By age: what was two weeks old goes, and of the rest nothing by a clock that says that it was ten years old.
    let dir = tempfile::tempdir().unwrap();
    for old in ["2026-02-10_00-00-00.wav", "2026-02-11_00-00-00.wav", "2026-02-27_00-00-00.wav"] {
        fs::write(dir.path().join(old), [0; 100]).unwrap();
    }
    let config = RecordingConfig { retention_days: 14, ..every_s(dir.path()) };
    record(&config, &opening(&info, "2026-03-01T12:00:00Z"), packets.clone(), &[(3.0, ten_years_ms)]);
    let left = names(dir.path());
    assert_eq!(left[..2], ["2026-02-11_00-00-00.wav", "2026-02-27_00-00-00.wav"]);
    assert_eq!(left.len(), 2 + 10, "{left:?}");
    assert!(left.iter().filter(|name| name.starts_with("2036-")).count() >= 7, "{left:?}");
    // By size: what was recorded last stays, although it was ten years before the rest by its name.
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("2026-02-27_00-00-00.wav"), vec![0; 100_000]).unwrap();
    let config = RecordingConfig { max_total_bytes: 1_100_000, ..every_s(dir.path()) };
    record(&config, &opening(&info, "2026-03-01T12:00:00Z"), packets, &[(3.0, -ten_years_ms)]);
    let left = names(dir.path());
    let seconds: Vec<u32> = left.iter().map(|name| name[17..19].parse().unwrap()).collect();
    assert!(left.iter().all(|name| name.starts_with("2016-")), "{left:?}");
    assert!(seconds.len() >= 5 && seconds.last() == Some(&9), "{left:?}");
    assert!(seconds.windows(2).all(|pair| pair[1] == pair[0] + 1), "{left:?}");
}
