//! HLS over time: the live window, restarts, kills, foreign files, and a disk that fails.

#![allow(clippy::unwrap_used)] // A test that fails panics.

mod hls_support;

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use airchain_codecs::container::segment::Container;
use airchain_codecs::packet::{Packet, SharedInfo};
use airchain_outputs::hls::HlsConfig;
use airchain_outputs::sink::{Health, Opening};
use airchain_outputs::tenure::lodge;
use hls_support::{aac, deliver, feed, ffmpeg, on_runtime, opening, with_small_disk};
use testkit::hls::Snapshot;
use testkit::ts;

const MORNING: &str = "2026-03-01T06:00:00Z";
const NOON: &str = "2026-03-01T12:00:00Z";
/// What Unix time says of the two.
const MORNING_S: u64 = 1_772_344_800;

fn config(dir: &Path) -> HlsConfig {
    HlsConfig { segment_duration_s: 1.0, playlist_size: 4, retain_segments: 2, ..HlsConfig::new(dir) }
}

/// One run of a process.
fn run(dir: &Path, opening: &Opening, packets: &[Packet], close: bool) {
    let mut output = hls_support::alone(&config(dir));
    on_runtime(deliver(output.as_mut(), opening, packets, close));
}

fn names(dir: &Path) -> BTreeSet<String> {
    fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

fn segments_in(dir: &Path) -> usize {
    names(dir).iter().filter(|name| name.ends_with(".ts")).count()
}

#[test]
fn the_window_slides_and_old_segments_go() {
    let (info, packets) = aac(12);
    let dir = tempfile::tempdir().unwrap();
    let mut output = hls_support::alone(&config(dir.path()));
    on_runtime(async {
        let mut sink = output.open(&opening(&info, MORNING)).await.unwrap();
        let mut last: Option<Snapshot> = None;
        for packet in &packets {
            feed(sink.as_mut(), std::slice::from_ref(packet)).await;
            if !dir.path().join("live.m3u8").exists() {
                continue;
            }
            // Reading it checks that whatever it announces is there.
            let now = Snapshot::read(dir.path());
            if let Some(last) = last {
                now.assert_continues(&last);
            }
            // Who has seen a segment announced can fetch it for as long as it and the playlist last.
            assert!(now.segments.len() <= 4 && segments_in(dir.path()) <= now.segments.len() + 6);
            last = Some(now);
        }
        let last = last.unwrap();
        assert_eq!(last.segments.len(), 4);
        assert!((9..=10).contains(&segments_in(dir.path())));
        assert_eq!(last.sequence, MORNING_S + 7);
        assert!(!last.ended && last.segments.iter().all(|segment| !segment.discontinuity));
        sink.close().await.unwrap();
    });
    assert!(Snapshot::read(dir.path()).ended);
    assert!(names(dir.path()).iter().all(|name| !name.ends_with(".tmp")));
}

#[test]
fn a_reader_never_sees_half_of_anything() {
    let (info, packets) = aac(20);
    let dir = tempfile::tempdir().unwrap();
    let done = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        let reader = scope.spawn(|| {
            let (mut reads, mut last) = (0, None);
            while !done.load(std::sync::atomic::Ordering::Relaxed) {
                if !dir.path().join("live.m3u8").exists() {
                    continue;
                }
                let now = Snapshot::read(dir.path());
                let newest = now.data(now.segments.last().unwrap());
                ts::Checker::default().segment(&newest);
                if let Some(last) = &last {
                    now.assert_continues(last);
                }
                (reads, last) = (reads + 1, Some(now));
            }
            reads
        });
        // The reader is slow against a programme of 20 s in a moment, so everything stays.
        let config = HlsConfig { playlist_size: 1000, ..config(dir.path()) };
        let mut output = hls_support::alone(&config);
        on_runtime(deliver(output.as_mut(), &opening(&info, MORNING), &packets, true));
        done.store(true, std::sync::atomic::Ordering::Relaxed);
        reader.join().unwrap();
    });
    let last = Snapshot::read(dir.path());
    ts::Checker::default().segment(&last.data(&last.segments[0]));
}

/// What every restart must hold to.
fn assert_taken_up(dir: &Path, before: &Snapshot, kept: usize) -> Snapshot {
    let after = Snapshot::read(dir);
    after.assert_continues(before);
    assert!(!after.ended);
    let joins: Vec<_> = after.segments.iter().filter(|segment| segment.discontinuity).collect();
    assert_eq!(joins.len(), 1, "one join");
    let last = before.sequence + before.segments.len() as u64 - 1;
    assert_eq!(joins[0].number, last + 1, "numbers go on");
    assert_eq!(after.segments.iter().filter(|segment| segment.number <= last).count(), kept);
    after
}

#[test]
fn a_clean_restart_goes_on_where_the_last_one_ended() {
    let (info, packets) = aac(9);
    let dir = tempfile::tempdir().unwrap();
    run(dir.path(), &opening(&info, MORNING), &packets, true);
    let before = Snapshot::read(dir.path());
    assert!(before.ended);
    let two = packets.iter().take_while(|packet| packet.end() < 100_000).cloned().collect::<Vec<_>>();
    run(dir.path(), &opening(&info, NOON), &two, false);
    // Of the four segments before, the newest two stay beside two new ones.
    let after = assert_taken_up(dir.path(), &before, 2);
    // The new run's join leaves the window in its turn, and is counted.
    run(dir.path(), &opening(&info, "2026-03-01T18:00:00Z"), &packets, true);
    let later = Snapshot::read(dir.path());
    later.assert_continues(&after);
    assert_eq!(later.discontinuity_sequence, 2);
    // Played from the first to the last, it is what was sent.
    let joined = dir.path().join("joined");
    fs::write(&joined, later.join()).unwrap();
    assert!(ffmpeg(&joined).len() > 3 * 48_000);
}

#[test]
fn a_playlist_that_is_not_ended_is_whole_and_waits_for_the_next_run() {
    let (info, packets) = aac(9);
    let (open, ended) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    run(ended.path(), &opening(&info, MORNING), &packets, true);
    let mut output = hls_support::alone(&HlsConfig { end_on_close: false, ..config(open.path()) });
    on_runtime(deliver(output.as_mut(), &opening(&info, MORNING), &packets, true));
    let [waits, over] =
        [open.path(), ended.path()].map(|dir| fs::read_to_string(dir.join("live.m3u8")).unwrap());
    assert_eq!(waits + "#EXT-X-ENDLIST\n", over);
    let before = Snapshot::read(open.path());
    run(open.path(), &opening(&info, NOON), &packets[..60], false);
    assert_taken_up(open.path(), &before, 3);
}

#[test]
fn a_killed_run_is_taken_up_and_cleared_away() {
    let (info, packets) = aac(9);
    let dir = tempfile::tempdir().unwrap();
    run(dir.path(), &opening(&info, MORNING), &packets, false);
    let before = Snapshot::read(dir.path());
    // Killed while a segment and both playlists were being written, and between a segment and its playlist.
    let next = before.sequence + before.segments.len() as u64;
    let unpublished = format!("1772344809000-{next}.ts");
    let left =
        [format!(".{unpublished}.tmp"), ".live.m3u8.tmp".into(), ".index.m3u8.tmp".into(), unpublished];
    // And what others keep there, some of it nearly as airchain names things.
    let others =
        ["logo.png", ".hidden.tmp", "1-2.ts.bak", "01772344809000-7.ts", "live.m3u8.orig", "segment0.ts"];
    for name in left.iter().map(String::as_str).chain(others) {
        fs::write(dir.path().join(name), "half").unwrap();
    }
    fs::create_dir(dir.path().join("1000-1.ts")).unwrap();

    run(dir.path(), &opening(&info, NOON), &packets[..100], false);
    assert_taken_up(dir.path(), &before, 2);
    let after = names(dir.path());
    assert!(left.iter().all(|name| !after.contains(name)), "{after:?}");
    assert!(others.iter().all(|name| after.contains(*name)) && after.contains("1000-1.ts"), "{after:?}");
}

#[test]
fn entries_whose_files_are_gone_are_not_announced() {
    let (info, packets) = aac(9);
    let dir = tempfile::tempdir().unwrap();
    run(dir.path(), &opening(&info, MORNING), &packets, false);
    let before = Snapshot::read(dir.path());
    fs::remove_file(before.path(&before.segments[1])).unwrap();
    run(dir.path(), &opening(&info, NOON), &packets[..60], false);
    assert_taken_up(dir.path(), &before, 2);
    // All gone: numbers go on all the same.
    let before = Snapshot::read(dir.path());
    before.segments.iter().for_each(|segment| fs::remove_file(before.path(segment)).unwrap());
    run(dir.path(), &opening(&info, "2026-03-01T18:00:00Z"), &packets[..60], false);
    assert_taken_up(dir.path(), &before, 0);
}

#[test]
fn playlists_that_are_not_ours_are_set_aside() {
    let (info, packets) = aac(4);
    for foreign in [
        "",
        "#EXTM3U\n#EXT-X-TARGETDURATION:4\n#EXT-X-MEDIA-SEQUENCE:1\n#EXTINF:4.0,\nseg1.ts\n",
        "\0\u{1}\u{7f}garbage",
        &"#EXTM3U\n".repeat(200_000),
    ] {
        let dir = tempfile::tempdir().unwrap();
        for name in ["live.m3u8", "index.m3u8"] {
            fs::write(dir.path().join(name), foreign).unwrap();
        }
        fs::write(dir.path().join("1772000000000-5000000000.ts"), "older").unwrap();
        run(dir.path(), &opening(&info, MORNING), &packets, true);
        let playlist = Snapshot::read(dir.path());
        // Beyond every number that a file here has used.
        assert_eq!(playlist.sequence, 5_000_000_001);
        assert!(playlist.segments.iter().all(|segment| !segment.discontinuity));
        for name in ["live.m3u8.old", "index.m3u8.old"] {
            assert_eq!(fs::read_to_string(dir.path().join(name)).unwrap(), foreign);
        }
    }
}

#[test]
fn the_target_duration_stays_where_segments_become_shorter() {
    let (info, packets) = aac(9);
    let dir = tempfile::tempdir().unwrap();
    let long = HlsConfig { segment_duration_s: 3.0, ..config(dir.path()) };
    on_runtime(deliver(hls_support::alone(&long).as_mut(), &opening(&info, MORNING), &packets, true));
    let before = Snapshot::read(dir.path());
    run(dir.path(), &opening(&info, NOON), &packets[..140], false);
    // It must not change (RFC 8216, 6.2.1), and the window must be three times as long.
    let after = assert_taken_up(dir.path(), &before, before.segments.len());
    assert_eq!((before.target_s, after.target_s), (3, 3));
}

#[test]
fn two_outputs_do_not_share_a_directory() {
    let (info, packets) = aac(1);
    let dir = tempfile::tempdir().unwrap();
    let (mut one, mut two) =
        (hls_support::alone(&config(dir.path())), hls_support::alone(&config(dir.path())));
    on_runtime(async {
        let opening = opening(&info, MORNING);
        let mut sink = one.open(&opening).await.unwrap();
        let refused = two.open(&opening).await.err().unwrap();
        assert!(refused.message.contains("another HLS output"), "{}", refused.message);
        feed(sink.as_mut(), &packets).await;
        sink.close().await.unwrap();
        two.open(&opening).await.unwrap();
        // The same output may open again without closing: so it does after a fault.
        two.open(&opening).await.unwrap();
    });
}

#[test]
fn faults_of_the_disk_are_told_in_words_that_help() {
    let (info, _) = aac(1);
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("file");
    fs::write(&file, "").unwrap();
    let fault = |path: &Path| {
        let mut output = hls_support::alone(&config(path));
        on_runtime(output.open(&opening(&info, MORNING))).err().unwrap().message
    };
    for path in [file.clone(), file.join("below")] {
        let message = fault(&path);
        assert!(message.contains(file.to_str().unwrap()), "{message}");
        assert!(message.contains("give a path that is a directory"), "{message}");
    }
    let message = fault(Path::new("/proc/airchain"));
    assert!(message.contains("/proc/airchain") && message.contains(';'), "{message}");
}

#[test]
fn a_full_disk_damages_nothing_and_is_recovered_from() {
    with_small_disk("a_full_disk_damages_nothing_and_is_recovered_from", 400, |disk| {
        let (info, packets): (SharedInfo, Vec<Packet>) = aac(30);
        let mut output = hls_support::alone(&config(disk));
        let at = |second: i64| packets.iter().position(|packet| packet.pts > second * 48_000).unwrap();
        on_runtime(async {
            let mut sink = output.open(&opening(&info, MORNING)).await.unwrap();
            feed(sink.as_mut(), &packets[..at(6)]).await;
            assert!(sink.health().is_none());
            let before = Snapshot::read(disk);
            let ballast = disk.join("ballast");
            let mut size = 400 * 1024;
            while fs::write(&ballast, vec![1; size]).is_err() {
                size -= 4096;
            }
            feed(sink.as_mut(), &packets[at(6)..at(9)]).await;
            let (health, message) = sink.health().unwrap();
            assert!(message.contains(disk.to_str().unwrap()) && message.contains("make room"), "{message}");
            assert_eq!((health, Snapshot::read(disk)), (Health::Down, before.clone()), "as it was");
            before
                .segments
                .iter()
                .for_each(|segment| assert_eq!(ffmpeg(&before.path(segment)).len() % 1024, 0));

            fs::remove_file(&ballast).unwrap();
            hls_support::well(sink.as_ref()).await;
            let after = Snapshot::read(disk);
            after.assert_continues(&before);
            assert!(
                after.segments.iter().all(|segment| !segment.discontinuity && !segment.gap),
                "nothing is lost"
            );
            // Full for longer than the window: what has left it is given up.
            fs::write(&ballast, vec![1; size]).unwrap_or_default();
            while fs::write(&ballast, vec![1; size]).is_err() {
                size -= 4096;
            }
            feed(sink.as_mut(), &packets[at(9)..at(17)]).await;
            assert!(sink.health().is_some());
            fs::remove_file(&ballast).unwrap();
            hls_support::well(sink.as_ref()).await;
            feed(sink.as_mut(), &packets[at(17)..at(18)]).await;
            sink.close().await.unwrap();
            Snapshot::read(disk).assert_continues(&after);
            assert!(names(disk).iter().all(|name| !name.ends_with(".tmp")));
        });
    });
}

#[test]
fn who_is_followed_by_another_at_its_folder_does_not_end_the_playlist() {
    let (info, packets) = aac(9);
    let dir = tempfile::tempdir().unwrap();
    on_runtime(async {
        let config = HlsConfig { playlist_size: 20, ..config(dir.path()) };
        let (mut old, gone) = lodge(hls_support::alone(&config), Vec::new());
        let mut sink = old.open(&opening(&info, MORNING)).await.unwrap();
        feed(sink.as_mut(), &packets[..200]).await;
        let (mut new, _) = lodge(hls_support::alone(&config), vec![gone]);
        sink.close().await.unwrap();
        let before = Snapshot::read(dir.path());
        assert!(!before.ended, "players would stop for good");
        drop((sink, old));
        let mut sink = new.open(&opening(&info, NOON)).await.unwrap();
        feed(sink.as_mut(), &packets[..200]).await;
        sink.close().await.unwrap();
        let after = Snapshot::read(dir.path());
        after.assert_continues(&before);
        assert!(after.ended && after.segments.iter().any(|segment| segment.discontinuity));
    });
}

#[test]
fn a_folder_that_is_taken_away_is_made_anew() {
    let (info, packets) = aac(12);
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().join("hls");
    let mut output = hls_support::alone(&HlsConfig { container: Container::Fmp4, ..config(&dir) });
    let at = |second: i64| packets.iter().position(|packet| packet.pts > second * 48_000).unwrap();
    on_runtime(async {
        let mut sink = output.open(&opening(&info, MORNING)).await.unwrap();
        feed(sink.as_mut(), &packets[..at(5)]).await;
        let before = Snapshot::read(&dir);
        fs::remove_dir_all(&dir).unwrap();
        fs::write(&dir, "in the way").unwrap();
        feed(sink.as_mut(), &packets[at(5)..at(7)]).await;
        assert_eq!(sink.health().unwrap().0, Health::Down);
        fs::remove_file(&dir).unwrap();
        hls_support::well(sink.as_ref()).await;
        // Reading it checks that whatever it announces is there, also what decoders need first.
        let after = Snapshot::read(&dir);
        assert!(
            after.sequence >= before.sequence + before.segments.len() as u64 && !after.segments.is_empty()
        );
        sink.close().await.unwrap();
        assert!(ffmpeg(&dir.join("index.m3u8")).len() > 48_000);
    });
}
