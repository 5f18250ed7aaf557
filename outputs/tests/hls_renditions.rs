//! Several renditions in one HLS output: one number is one stretch of the programme in all of them, whatever happens.

#![allow(clippy::unwrap_used)] // A test that fails panics.

mod hls_support;

use std::collections::BTreeSet;
use std::fs;
use std::ops::Range;
use std::path::Path;
use std::process::Command;

use airchain_codecs::packet::Packet;
use airchain_codecs::{Bitrate, Codec, Format, encode};
use airchain_core::Stereo;
use airchain_outputs::hls::{self, HlsConfig, RenditionConfig};
use airchain_outputs::sink::{Health, Opening, Output, Sink};
use hls_support::{RATE, ffmpeg, format, on_runtime, opening, programme};
use testkit::hls::{Snapshot, variants};
use testkit::ts;

const MORNING: &str = "2026-03-01T06:00:00.2505Z";
const NOON: &str = "2026-03-01T12:00:00Z";
const EVENING: &str = "2026-03-01T18:00:00Z";

fn low() -> Format {
    format(Codec::HeAacV1, Bitrate::Cbr(64))
}

fn high() -> Format {
    format(Codec::AacLc, Bitrate::Cbr(128))
}

/// HE-AAC as the output's own encoding and AAC beside it, in segments of 2 s.
fn config(dir: &Path) -> HlsConfig {
    HlsConfig {
        segment_duration_s: 2.0,
        playlist_size: 1000,
        renditions: vec![RenditionConfig { name: "high".into(), format: high() }],
        ..HlsConfig::new(dir)
    }
}

/// What an encoder is given and makes that was started when the station had sent `position` frames.
struct Encoded {
    opening: Opening,
    packets: Vec<Packet>,
}

fn encoded(format: Format, frames: &[Stereo], position: usize, epoch: &str) -> Encoded {
    let mut encoder = encode::open(&format, RATE).unwrap();
    let mut packets = Vec::new();
    let lead = encoder.info().lead(position as i64);
    encoder.encode(&vec![[0.0; 2]; lead as usize], &mut packets).unwrap();
    for block in frames[position..].chunks(480) {
        encoder.encode(block, &mut packets).unwrap();
    }
    encoder.finish(&mut packets).unwrap();
    packets.iter_mut().for_each(|packet| packet.pts -= i64::from(lead));
    let opening = opening(encoder.info(), epoch);
    let epoch = opening.time_of(position as i64);
    Encoded { opening: Opening { epoch, position: position as i64, ..opening }, packets }
}

/// Both renditions of the first seconds of a programme.
fn both(seconds: usize, epoch: &str) -> [Encoded; 2] {
    let frames = programme(seconds * RATE as usize);
    [low(), high()].map(|format| encoded(format, &frames, 0, epoch))
}

/// One run of a process: what lies in a span of seconds reaches each of both.
fn run(config: HlsConfig, encoded: &[Encoded; 2], spans: [Range<f64>; 2], close: bool) {
    let mut outputs = hls::outputs(&config).unwrap().tracks;
    on_runtime(async {
        let mut sinks = open(&mut outputs, encoded).await;
        deliver(&mut sinks, encoded, spans).await;
        if close {
            close_all(sinks).await;
        }
    });
}

async fn open(outputs: &mut [Box<dyn Output>], encoded: &[Encoded; 2]) -> Vec<Box<dyn Sink>> {
    let mut sinks = Vec::new();
    for (output, encoded) in outputs.iter_mut().zip(encoded) {
        sinks.push(output.open(&encoded.opening).await.unwrap());
    }
    sinks
}

async fn close_all(sinks: Vec<Box<dyn Sink>>) {
    for mut sink in sinks {
        sink.close().await.unwrap();
    }
}

/// Packets of a span of seconds of the programme.
fn within(encoded: &Encoded, span: Range<f64>) -> impl Iterator<Item = &Packet> {
    let position = encoded.opening.position;
    let inside = move |packet: &&Packet| span.contains(&((packet.pts + position) as f64 / f64::from(RATE)));
    encoded.packets.iter().filter(inside)
}

/// Delivers a span of seconds to each, in the order of time.
async fn deliver(sinks: &mut [Box<dyn Sink>], encoded: &[Encoded; 2], spans: [Range<f64>; 2]) {
    let mut all: Vec<(i64, usize, &Packet)> = Vec::new();
    for (index, span) in spans.into_iter().enumerate() {
        let position = encoded[index].opening.position;
        all.extend(within(&encoded[index], span).map(|packet| (packet.end() + position, index, packet)));
    }
    all.sort_by_key(|(end, index, _)| (*end, *index));
    for (_, index, packet) in all {
        sinks[index].packet(packet).await.unwrap();
    }
}

fn read(dir: &Path) -> [Snapshot; 2] {
    [Snapshot::read(dir), Snapshot::read(&dir.join("high"))]
}

/// Reads both and holds them to each other and to what they said before.
fn check(dir: &Path, before: Option<&[Snapshot; 2]>) -> [Snapshot; 2] {
    let now = read(dir);
    assert!(now[0].assert_aligned(&now[1]) > 0);
    for (now, before) in now.iter().zip(before.into_iter().flatten()) {
        now.assert_continues(before);
    }
    now
}

const ALL: Range<f64> = -1.0..1e9;

fn sequences(playlist: &Snapshot) -> Vec<u64> {
    playlist.segments.iter().map(|segment| segment.number).collect()
}

fn gaps(playlist: &Snapshot) -> Vec<u64> {
    playlist.segments.iter().filter(|segment| segment.gap).map(|segment| segment.number).collect()
}

/// Names of the files that end so.
fn names(dir: &Path, end: &str) -> BTreeSet<String> {
    let names = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    names.filter(|name| name.ends_with(end)).collect()
}

#[test]
fn playlists_that_are_not_ended_wait_for_the_next_run() {
    let dir = tempfile::tempdir().unwrap();
    let open = HlsConfig { end_on_close: false, ..config(dir.path()) };
    run(open.clone(), &both(5, MORNING), [ALL, ALL], true);
    let before = check(dir.path(), None);
    assert!(before.iter().all(|playlist| !playlist.ended && playlist.segments.len() == 3));
    run(open, &both(5, NOON), [ALL, ALL], true);
    let after = check(dir.path(), Some(&before));
    assert!(after.iter().all(|playlist| !playlist.ended && playlist.segments.len() == 6));
}

#[test]
fn renditions_are_cut_at_the_same_frames() {
    let encoded = both(11, MORNING);
    let dir = tempfile::tempdir().unwrap();
    run(config(dir.path()), &encoded, [ALL, ALL], true);
    let playlists = check(dir.path(), None);
    assert!(playlists.iter().all(|playlist| playlist.ended && playlist.segments.len() == 6));

    // By the time stamps of their first packets, which have the codecs' delays taken off already.
    let starts = playlists.each_ref().map(|playlist| {
        let mut checker = ts::Checker::default();
        let mut first = |segment| checker.segment(&playlist.data(segment))[0].pts;
        playlist.segments.iter().map(&mut first).collect::<Vec<_>>()
    });
    assert_eq!(starts[0], starts[1]);
    let frame = |ticks: i64| (ticks - 900_000) * i64::from(RATE) / 90_000;
    for (k, start) in starts[0].iter().enumerate().skip(1) {
        assert!((frame(*start) - k as i64 * 96_000).abs() <= 1024, "cut {k} at {}", frame(*start));
        assert_eq!(frame(*start).rem_euclid(2048), 0);
    }

    // And by what ffmpeg decodes of all segments joined: the programme around each cut is where the cuts say.
    let programme = testkit::measure::channel(&programme(11 * RATE as usize), 0);
    for playlist in &playlists {
        let joined = dir.path().join("joined.ts");
        fs::write(&joined, playlist.join()).unwrap();
        let decoded = testkit::measure::channel(&hls_support::to_float(&ffmpeg(&joined)), 0);
        for start in &starts[0][1..] {
            let at = frame(*start) as usize;
            let (found, likeness) = testkit::measure::find(
                &decoded[(at as i64 - 4096 - frame(starts[0][0])) as usize..][..8192],
                &programme[at - 2048..at + 2048],
            );
            // ffmpeg's HE-AAC is a sample ahead of others'.
            assert!(found.abs_diff(2048) <= 1, "{found} around frame {at}, likeness {likeness}");
            assert!(likeness > 0.99, "{likeness}");
        }
    }
}

#[test]
fn the_multivariant_playlist_names_all_with_what_is_true_of_them() {
    let encoded = both(11, MORNING);
    let dir = tempfile::tempdir().unwrap();
    run(config(dir.path()), &encoded, [ALL, ALL], true);
    let variants = variants(dir.path());
    let named: Vec<_> = variants.iter().map(|v| (v.uri.as_str(), v.codecs.as_str())).collect();
    assert_eq!(named, [("high/live.m3u8", "mp4a.40.2"), ("live.m3u8", "mp4a.40.5")], "the highest first");
    for (variant, playlist) in variants.iter().zip(read(dir.path()).iter().rev()) {
        let average = playlist.join().len() as f64 * 8e6 / playlist.duration_us() as f64;
        assert!((variant.average as f64 / average - 1.0).abs() < 0.1, "{variant:?}, in fact {average}");
        assert!((average..average * 1.35).contains(&(variant.bandwidth as f64)), "{variant:?}, {average}");
    }
    // Players see two programmes, and play the first.
    let index = dir.path().join("index.m3u8");
    let probe =
        ["-v", "error", "-of", "csv=p=0", "-show_entries", "program=nb_streams:program_tags=variant_bitrate"];
    let out = Command::new("ffprobe").args(probe).arg(&index).output().unwrap();
    let expected: String = variants.iter().map(|variant| format!("2,{},", variant.bandwidth)).collect();
    let said = String::from_utf8(out.stdout).unwrap();
    let programmes: String = said.lines().filter(|line| line.starts_with("2,")).collect();
    assert_eq!(programmes, expected, "{said}");
    assert!(ffmpeg(&index).len() > 10 * RATE as usize);
}

#[test]
fn restarts_go_on_with_the_same_numbers_in_all() {
    let dir = tempfile::tempdir().unwrap();
    let config = || HlsConfig { playlist_size: 5, retain_segments: 4, ..config(dir.path()) };
    let folders = [dir.path().to_owned(), dir.path().join("high")];
    let (mut before, mut seen): (Option<[Snapshot; 2]>, Vec<_>) = (None, vec![BTreeSet::new(); 2]);
    // Closed; killed; killed when only one had published its last segment; and the other way round.
    let to = |end: f64| -1.0..end;
    let runs = [
        (MORNING, [ALL, ALL], true),
        (NOON, [to(5.0), to(5.0)], false),
        (EVENING, [to(6.3), to(5.9)], false),
        ("2026-03-02T06:00:00Z", [to(3.9), to(4.3)], false),
        ("2026-03-02T12:00:00Z", [ALL, ALL], true),
    ];
    for (n, (epoch, spans, close)) in runs.into_iter().enumerate() {
        let files =
            folders.each_ref().map(|folder| if n == 0 { BTreeSet::new() } else { names(folder, ".ts") });
        run(config(), &both(9, epoch), spans, close);
        let now = read(dir.path());
        if n != 2 && n != 3 {
            assert_eq!(sequences(&now[0]), sequences(&now[1]), "run {n}");
        }
        assert!(now[0].assert_aligned(&now[1]) > 0);
        for (r, folder) in folders.iter().enumerate() {
            if let Some(before) = &before {
                now[r].assert_continues(&before[r]);
                let joins = now[r].segments.iter().filter(|segment| segment.discontinuity);
                assert!(joins.count() >= 1, "run {n} is told to be another");
            }
            let written: BTreeSet<_> = names(folder, ".ts").difference(&files[r]).cloned().collect();
            assert!(seen[r].is_disjoint(&written), "a name is used twice");
            seen[r].extend(written);
        }
        before = Some(now);
    }
    // The run before the last was killed when one of them had published a stretch more: the other lacks it for good.
    let last = before.unwrap();
    assert_eq!(last.each_ref().map(|playlist| gaps(playlist).len()), [0, 0], "they have left the window");
    assert!(last.iter().all(|playlist| playlist.ended && playlist.discontinuity_sequence > 0));
}

#[test]
fn what_a_killed_run_had_not_published_is_a_gap() {
    let dir = tempfile::tempdir().unwrap();
    run(config(dir.path()), &both(9, MORNING), [-1.0..6.3, -1.0..5.9], false);
    let before = read(dir.path());
    assert_eq!(before.each_ref().map(|playlist| playlist.segments.len()), [3, 2]);
    run(config(dir.path()), &both(9, NOON), [-1.0..5.0, -1.0..5.0], false);
    let after = check(dir.path(), Some(&before));
    assert_eq!(after.each_ref().map(|playlist| playlist.segments.len()), [5, 5]);
    let [low, high] = after.each_ref().map(gaps);
    assert_eq!((low, high), (vec![], vec![before[0].sequence + 2]));
}

#[test]
fn a_folder_that_fails_holds_up_nobody_and_loses_nothing_soon_mended() {
    let encoded = both(15, MORNING);
    let dir = tempfile::tempdir().unwrap();
    let (folder, away) = (dir.path().join("high"), dir.path().join("away"));
    let mut outputs = hls::outputs(&config(dir.path())).unwrap().tracks;
    on_runtime(async {
        let mut sinks = open(&mut outputs, &encoded).await;
        deliver(&mut sinks, &encoded, [-1.0..5.0, -1.0..5.0]).await;
        fs::rename(&folder, &away).unwrap();
        fs::write(&folder, "in the way").unwrap();
        deliver(&mut sinks, &encoded, [5.0..9.0, 0.0..0.0]).await;
        assert_eq!(Snapshot::read(dir.path()).segments.len(), 4, "the other goes on");
        deliver(&mut sinks, &encoded, [0.0..0.0, 5.0..9.0]).await;
        let (health, why) = sinks[1].health().unwrap();
        assert!(health == Health::Down && why.contains("give a path that is a directory"), "{why}");
        assert!(why.contains("high") && sinks[0].health().is_none(), "{why}");
        fs::remove_file(&folder).unwrap();
        fs::rename(&away, &folder).unwrap();
        hls_support::well(sinks[1].as_ref()).await;
        deliver(&mut sinks, &encoded, [9.0..1e9, 9.0..1e9]).await;
        close_all(sinks).await;
    });
    let playlists = check(dir.path(), None);
    assert!(playlists.iter().all(|playlist| gaps(playlist).is_empty()));
    assert_eq!(sequences(&playlists[0]), sequences(&playlists[1]));
    let mut checker = ts::Checker::default();
    for segment in &playlists[1].segments {
        assert!(!segment.discontinuity);
        checker.segment(&playlists[1].data(segment));
    }
}

#[test]
fn what_is_lost_of_one_is_a_gap_in_it_alone() {
    let encoded = both(15, MORNING);
    let dir = tempfile::tempdir().unwrap();
    let mut outputs = hls::outputs(&config(dir.path())).unwrap().tracks;
    on_runtime(async {
        let mut sinks = open(&mut outputs, &encoded).await;
        deliver(&mut sinks, &encoded, [-1.0..3.0, -1.0..3.0]).await;
        // Lost are the end of the second stretch and half of the third.
        deliver(&mut sinks, &encoded, [3.0..5.0, 0.0..0.0]).await;
        deliver(&mut sinks, &encoded, [5.0..1e9, 5.0..1e9]).await;
        close_all(sinks).await;
    });
    let playlists = check(dir.path(), None);
    let first = playlists[0].sequence;
    assert_eq!(playlists.each_ref().map(gaps), [vec![], vec![first + 1, first + 2]]);
    assert_eq!(sequences(&playlists[0]), sequences(&playlists[1]));
    for playlist in &playlists {
        assert!(playlist.segments.iter().all(|segment| !segment.discontinuity));
        // Elsewhere each date is the one before and its duration, but for the rounding to milliseconds.
        for pair in playlist.segments.windows(2) {
            let off = pair[1].date.unwrap().as_microsecond() - pair[0].date.unwrap().as_microsecond();
            assert!((off - pair[0].duration_us as i64).abs() <= 1_000);
        }
    }
    // Restarted, the gaps are still there.
    run(config(dir.path()), &both(5, NOON), [ALL, ALL], true);
    let after = check(dir.path(), Some(&playlists));
    assert_eq!(gaps(&after[1]), [first + 1, first + 2]);
}

#[test]
fn who_is_away_for_longer_than_the_window_has_nothing_but_gaps_before_it_comes_back() {
    let encoded = both(31, MORNING);
    let dir = tempfile::tempdir().unwrap();
    let config = HlsConfig { playlist_size: 4, ..config(dir.path()) };
    let mut outputs = hls::outputs(&config).unwrap().tracks;
    on_runtime(async {
        let mut sinks = open(&mut outputs, &encoded).await;
        deliver(&mut sinks, &encoded, [-1.0..5.0, -1.0..5.0]).await;
        let before = read(dir.path());
        deliver(&mut sinks, &encoded, [5.0..21.0, 0.0..0.0]).await;
        deliver(&mut sinks, &encoded, [21.0..24.5, 21.0..24.5]).await;
        let after = check(dir.path(), Some(&before));
        // What the others went on to is missing here, and no number is left out.
        assert_eq!(sequences(&after[0]), sequences(&after[1]));
        assert_eq!(gaps(&after[1]).len(), after[1].segments.len() - 1);
        // With time both windows are the same.
        deliver(&mut sinks, &encoded, [24.5..1e9, 24.5..1e9]).await;
        close_all(sinks).await;
        let last = check(dir.path(), Some(&after));
        assert_eq!(sequences(&last[0]), sequences(&last[1]));
    });
}

#[test]
fn who_does_not_come_is_named_when_it_does() {
    let encoded = both(15, MORNING);
    let dir = tempfile::tempdir().unwrap();
    let mut outputs = hls::outputs(&config(dir.path())).unwrap().tracks;
    on_runtime(async {
        let mut sinks = open(&mut outputs, &encoded).await;
        let index = dir.path().join("index.m3u8");
        deliver(&mut sinks, &encoded, [-1.0..2.5, 0.0..0.0]).await;
        assert!(dir.path().join("live.m3u8").exists() && !index.exists(), "it waits for the others");
        deliver(&mut sinks, &encoded, [2.5..4.5, 0.0..0.0]).await;
        assert_eq!(variants(dir.path()).len(), 1, "but not for long");
        deliver(&mut sinks, &encoded, [4.5..9.0, 4.5..9.0]).await;
        assert_eq!(variants(dir.path()).len(), 2);
        let playlists = check(dir.path(), None);
        assert_eq!(playlists[1].sequence, playlists[0].sequence + 3, "it begins with the next stretch");
        close_all(sinks).await;
    });
}

#[test]
fn encoders_that_were_started_at_different_times_are_cut_alike() {
    let frames = programme(16 * RATE as usize);
    // The other one began 3.21 s before, for another output: it is in the middle of its work.
    let encoded = [encoded(low(), &frames, 154_321, MORNING), encoded(high(), &frames, 0, MORNING)];
    let dir = tempfile::tempdir().unwrap();
    run(config(dir.path()), &encoded, [ALL, 3.3..1e9], true);
    let playlists = check(dir.path(), None);
    assert_eq!(sequences(&playlists[0]), sequences(&playlists[1]));
    let first = playlists[0].segments[0].date.unwrap();
    let begins = encoded[1].opening.time_of(3 * i64::from(RATE) + 14_400);
    assert!((first.as_millisecond() - begins.as_millisecond()).abs() < 50, "begins when both are there");
}

#[test]
fn who_comes_before_the_last_one_has_closed_goes_on_where_that_ends() {
    let (before, after) = (both(9, MORNING), both(9, NOON));
    let dir = tempfile::tempdir().unwrap();
    let (mut old, mut new) = (
        hls::outputs(&config(dir.path())).unwrap().tracks,
        hls::outputs(&config(dir.path())).unwrap().tracks,
    );
    on_runtime(async {
        let mut sinks = open(&mut old, &before).await;
        deliver(&mut sinks, &before, [-1.0..5.0, -1.0..5.0]).await;
        for (output, encoded) in new.iter_mut().zip(&after) {
            let refused = output.open(&encoded.opening).await.err().unwrap();
            assert!(refused.message.contains("another HLS output"), "{}", refused.message);
        }
        deliver(&mut sinks, &before, [5.0..1e9, 5.0..1e9]).await;
        sinks.remove(0).close().await.unwrap();
        assert!(new[0].open(&after[0].opening).await.is_err(), "the other folder is still held");
        close_all(sinks).await;
        let published = read(dir.path());
        let mut sinks = open(&mut new, &after).await;
        deliver(&mut sinks, &after, [ALL, ALL]).await;
        close_all(sinks).await;
        let now = check(dir.path(), Some(&published));
        assert_eq!(sequences(&now[0]), sequences(&now[1]));
        assert_eq!(now[1].segments.len(), published[1].segments.len() + 5);
    });
}

#[test]
fn an_output_that_gets_renditions_goes_on_where_it_was() {
    let dir = tempfile::tempdir().unwrap();
    let alone = HlsConfig { renditions: Vec::new(), ..config(dir.path()) };
    let [low, _] = both(9, MORNING);
    let mut outputs = hls::outputs(&alone).unwrap().tracks;
    assert_eq!(outputs.len(), 1);
    on_runtime(hls_support::deliver(outputs[0].as_mut(), &low.opening, &low.packets, true));
    let before = Snapshot::read(dir.path());
    run(config(dir.path()), &both(9, NOON), [ALL, ALL], true);
    let after = check(dir.path(), None);
    after[0].assert_continues(&before);
    assert_eq!(after[0].sequence, before.sequence);
    assert_eq!(after[1].sequence, before.sequence + before.segments.len() as u64);
    assert!(after[1].segments[0].discontinuity);
}

#[test]
fn a_quarter_of_an_hour_is_retained_also_over_restarts() {
    // 65 segments in the window and 100 behind it, of 6 s each, from packets of silence.
    let dir = tempfile::tempdir().unwrap();
    let config = || HlsConfig {
        segment_duration_s: 6.0,
        playlist_size: 65,
        retain_segments: 100,
        ..config(dir.path())
    };
    let silent = |epoch: &str| {
        both(1, epoch).map(|Encoded { opening, packets }| {
            let (first, data, duration) = (packets[0].pts, packets[0].data.clone(), packets[0].duration);
            let count = 1020 * i64::from(RATE) / i64::from(duration);
            let packet = |n| Packet { data: data.clone(), pts: first + n * i64::from(duration), duration };
            Encoded { opening, packets: (0..count).map(packet).collect() }
        })
    };
    let folders = [dir.path().to_owned(), dir.path().join("high")];
    let files = || folders.each_ref().map(|folder| names(folder, ".ts"));
    run(config(), &silent(MORNING), [ALL, ALL], false);
    let mut before = files();
    assert_eq!(before.each_ref().map(BTreeSet::len), [165, 165]);
    for (epoch, minutes) in [(NOON, 1), (EVENING, 2), ("2026-03-02T06:00:00Z", 20)] {
        run(config(), &silent(epoch), [-1.0..f64::from(minutes * 60), -1.0..f64::from(minutes * 60)], true);
        let after = files();
        for (before, after) in before.iter().zip(&after) {
            let kept = before.intersection(after).count();
            assert_eq!(after.len(), 165);
            // What began in the last seconds is a stub, or part of the first segment.
            let made = (minutes as usize * 10).min(165);
            assert!((165 - made).abs_diff(kept) <= 1, "{kept} of before are left");
            assert!(before.iter().rev().take(kept).all(|name| after.contains(name)), "the newest are");
        }
        before = after;
    }
}

#[test]
fn names_that_cannot_be_are_refused() {
    let with = |names: &[&str]| {
        let rendition = |name: &&str| RenditionConfig { name: (*name).into(), format: high() };
        HlsConfig { renditions: names.iter().map(rendition).collect(), ..HlsConfig::new("x") }
    };
    assert!(with(&["high", "aac-64.2_b"]).validate().is_ok());
    let long = "x".repeat(65);
    for names in [
        &["high", "HIGH"][..],
        &[""],
        &["a/b"],
        &[".."],
        &[".x"],
        &["live.m3u8"],
        &["1-2.ts"],
        &["a b"],
        &[&long],
    ] {
        let error = with(names).validate().unwrap_err();
        assert_eq!(error.field, "renditions.name", "{names:?}");
        assert!(hls::outputs(&with(names)).is_err());
    }
}
