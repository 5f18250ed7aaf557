//! Recordings as an archive: nothing lost or doubled over rotations, kills and full disks, and only what is old goes.

#![allow(clippy::unwrap_used)] // A test that fails panics.

mod hls_support;

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use airchain_codecs::packet::{Packet, SharedInfo};
use airchain_codecs::{Bitrate, Codec};
use airchain_core::item::Metadata;
use airchain_outputs::recording::{Labels, RecordingConfig, RecordingOutput};
use airchain_outputs::sink::{Output, Retry};
use hls_support::{
    RATE, aac, deliver, encoded, feed, ffmpeg, ffprobe, format, on_runtime, opening, programme,
    with_small_disk,
};
use jiff::tz::TimeZone;

/// 2.5 s before a point of every grid here.
const EPOCH: &str = "2026-03-01T05:59:57.5Z";

fn files(dir: &Path) -> Vec<PathBuf> {
    let mut files: Vec<_> = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
}

fn names(dir: &Path) -> Vec<String> {
    files(dir).iter().map(|path| path.file_name().unwrap().to_str().unwrap().to_owned()).collect()
}

fn record(config: &RecordingConfig, epoch: &str, (info, packets): &(SharedInfo, Vec<Packet>), close: bool) {
    let mut output = RecordingOutput::new(config.clone()).unwrap();
    on_runtime(deliver(&mut output, &opening(info, epoch), packets, close));
}

fn every_4_s(dir: &Path) -> RecordingConfig {
    RecordingConfig { rotate_every_s: 4, station: "WGMR".into(), ..RecordingConfig::new(dir) }
}

/// The whole programme in one file, decoded.
fn whole(encoded: &(SharedInfo, Vec<Packet>)) -> Vec<[i16; 2]> {
    let dir = tempfile::tempdir().unwrap();
    let config = RecordingConfig { rotate_every_s: 0, ..RecordingConfig::new(dir.path()) };
    record(&config, EPOCH, encoded, true);
    assert_eq!(names(dir.path()).len(), 1);
    ffmpeg(&files(dir.path())[0])
}

/// Rotates a programme of ten seconds on a grid of four and decodes each file by itself.
fn rotated(codec: Codec, bitrate: Bitrate) -> (Vec<[i16; 2]>, Vec<Vec<[i16; 2]>>) {
    let encoded = encoded(format(codec, bitrate), &programme(10 * RATE as usize));
    let dir = tempfile::tempdir().unwrap();
    record(&every_4_s(dir.path()), EPOCH, &encoded, true);
    let extension = files(dir.path())[0].extension().unwrap().to_str().unwrap().to_owned();
    let expected = ["05-59-57", "06-00-00", "06-00-04"].map(|time| format!("2026-03-01_{time}.{extension}"));
    assert_eq!(names(dir.path()), expected);
    (whole(&encoded), files(dir.path()).iter().map(|file| ffmpeg(file)).collect())
}

#[test]
fn wav_files_join_to_the_very_programme() {
    let (whole, parts) = rotated(Codec::PcmS16, Bitrate::Lossless);
    assert_eq!(whole.len(), 10 * RATE as usize);
    assert!(parts.concat() == whole, "joined files differ from the programme");
    // Cut at the first packet at or after the full hour.
    assert!((120_000..120_000 + 4_800).contains(&parts[0].len()), "{}", parts[0].len());
}

#[test]
fn flac_files_join_to_the_very_programme() {
    let (whole, parts) = rotated(Codec::Flac, Bitrate::Lossless);
    assert_eq!(whole.len(), 10 * RATE as usize);
    assert!(parts.concat() == whole, "joined files differ from the programme");
}

/// Lossy codecs: as many frames, and what decoders that began elsewhere make of them hardly differs.
fn joins_within(codec: Codec, bitrate: Bitrate, steps: u16) {
    let (whole, parts) = rotated(codec, bitrate);
    let joined = parts.concat();
    assert_eq!((whole.len(), joined.len()), (10 * RATE as usize, 10 * RATE as usize));
    let worst = joined.iter().zip(&whole).map(|(a, b)| a[0].abs_diff(b[0]).max(a[1].abs_diff(b[1]))).max();
    assert!(worst <= Some(steps), "off by {worst:?}");
}

#[test]
fn opus_files_join_to_the_programme() {
    joins_within(Codec::Opus, Bitrate::Abr(128), 33);
}

#[test]
fn vorbis_files_join_to_the_programme() {
    joins_within(Codec::Vorbis, Bitrate::Vbr(5), 1);
}

#[test]
fn mp3_files_join_to_the_very_programme() {
    joins_within(Codec::Mp3, Bitrate::Cbr(192), 1);
}

#[test]
fn adts_files_join_byte_for_byte() {
    let encoded = aac(10);
    let (one, many) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    record(&every_4_s(many.path()), EPOCH, &encoded, true);
    record(&RecordingConfig { rotate_every_s: 0, ..every_4_s(one.path()) }, EPOCH, &encoded, true);
    assert_eq!(names(many.path()).len(), 3);
    let bytes = |dir: &Path| files(dir).iter().flat_map(|file| fs::read(file).unwrap()).collect::<Vec<u8>>();
    assert!(bytes(one.path()) == bytes(many.path()));
    files(many.path()).iter().for_each(|file| assert!(ffmpeg(file).len().is_multiple_of(1024)));
}

#[test]
fn files_say_whose_and_when() {
    let encoded = encoded(format(Codec::Mp3, Bitrate::Cbr(64)), &programme(4 * RATE as usize));
    let dir = tempfile::tempdir().unwrap();
    record(&every_4_s(dir.path()), EPOCH, &encoded, true);
    let second = &files(dir.path())[1];
    assert_eq!(ffprobe(second, "format_tags=title"), "WGMR 2026-03-01 06:00:00 UTC");
    assert_eq!(ffprobe(second, "format_tags=artist"), "WGMR");
}

#[test]
fn files_are_cut_by_size_too() {
    let encoded = encoded(format(Codec::PcmS16, Bitrate::Lossless), &programme(6 * RATE as usize));
    let dir = tempfile::tempdir().unwrap();
    let config =
        RecordingConfig { rotate_every_s: 0, rotate_max_bytes: 400_000, ..RecordingConfig::new(dir.path()) };
    record(&config, EPOCH, &encoded, true);
    let parts: Vec<_> = files(dir.path()).iter().map(|file| ffmpeg(file)).collect();
    assert_eq!(parts.len(), 3, "{:?}", names(dir.path()));
    assert!(parts.concat() == whole(&encoded));
}

#[test]
fn a_killed_recording_plays_up_to_its_last_second() {
    for (codec, bitrate) in [
        (Codec::PcmS16, Bitrate::Lossless),
        (Codec::Flac, Bitrate::Lossless),
        (Codec::Mp3, Bitrate::Cbr(128)),
        (Codec::AacLc, Bitrate::Cbr(96)),
        (Codec::Opus, Bitrate::Abr(96)),
        (Codec::Vorbis, Bitrate::Vbr(4)),
    ] {
        let encoded = encoded(format(codec, bitrate), &programme(10 * RATE as usize));
        let dir = tempfile::tempdir().unwrap();
        let config = RecordingConfig { rotate_every_s: 0, ..every_4_s(dir.path()) };
        record(&config, EPOCH, &encoded, false);
        let (killed, whole) = (ffmpeg(&files(dir.path())[0]), whole(&encoded));
        let seconds = killed.len() as f64 / f64::from(RATE);
        assert!(seconds >= 9.0, "{codec:?}: {seconds} s are left");
        assert!(killed[..] == whole[..killed.len().min(whole.len())], "{codec:?}");
        // Started again within the same second: a name of its own, and the first file is as it was.
        let before = fs::read(&files(dir.path())[0]).unwrap();
        record(&config, EPOCH, &encoded, true);
        assert_eq!(names(dir.path()).len(), 2);
        assert!(names(dir.path())[1].contains("05-59-57_2."), "{:?}", names(dir.path()));
        assert!(fs::read(&files(dir.path())[0]).unwrap() == before);
    }
}

#[test]
fn missing_audio_begins_a_new_file_at_its_own_time() {
    let (info, packets) = encoded(format(Codec::PcmS16, Bitrate::Lossless), &programme(3 * RATE as usize));
    let dir = tempfile::tempdir().unwrap();
    let hole = packets.iter().position(|packet| packet.pts >= 48_000).unwrap();
    let behind = packets.iter().position(|packet| packet.pts >= 96_000).unwrap();
    let parcels = [&packets[..hole], &packets[behind..]].concat();
    record(&every_4_s(dir.path()), "2026-03-01T06:00:00Z", &(info, parcels), true);
    assert_eq!(names(dir.path()), ["2026-03-01_06-00-00.wav", "2026-03-01_06-00-02.wav"]);
    let parts: Vec<_> = files(dir.path()).iter().map(|file| ffmpeg(file).len() as i64).collect();
    assert_eq!(parts, [packets[hole].pts, packets[packets.len() - 1].end() - packets[behind].pts]);
}

#[test]
fn only_old_recordings_of_this_output_go() {
    let encoded = aac(5);
    let dir = tempfile::tempdir().unwrap();
    let old = [
        "2026-02-20_00-00-00.aac",
        "2026-02-20_01-00-00.aac",
        "2026-02-21_05-00-00.aac",
        "2026-02-27_00-00-00.aac",
    ];
    let others = [
        "2026-02-20_00-00-00.mp3",
        "2026-02-20_00-00-00.aac.bak",
        "1999-01-01_00-00-00 copy.aac",
        "notes.aac",
    ];
    for name in old.iter().chain(&others) {
        fs::write(dir.path().join(name), vec![0; 100_000]).unwrap();
    }
    fs::create_dir(dir.path().join("1999-01-01_00-00-00.aac")).unwrap();
    // A week: what had ended by the 22nd goes, the third one, which may have run on to the 27th, stays.
    let config = RecordingConfig { retention_days: 7, ..every_4_s(dir.path()) };
    record(&config, EPOCH, &encoded, true);
    let left = names(dir.path());
    assert!(!left.iter().any(|name| old[..2].contains(&name.as_str())), "{left:?}");
    assert!(old[2..].iter().chain(&others).all(|name| left.iter().any(|l| l == name)), "{left:?}");
    assert!(left.iter().any(|name| name == "1999-01-01_00-00-00.aac"));

    // 250 kB: the two old files of 100 kB and what is new exceed it until the older one is gone.
    let config = RecordingConfig { max_total_bytes: 250_000, ..every_4_s(dir.path()) };
    record(&config, "2026-03-01T06:59:57.5Z", &encoded, true);
    let left = names(dir.path());
    assert!(!left.iter().any(|name| name == old[2]) && left.iter().any(|name| name == old[3]), "{left:?}");
    assert!(others.iter().all(|name| left.iter().any(|l| l == name)), "{left:?}");
}

/// The template of a name with a title in it, in a station's own zone, and what goes with it.
fn by_title(dir: &Path) -> RecordingConfig {
    RecordingConfig {
        name: "{station} {artist} - {title} %Y-%m-%d_%H-%M-%S".into(),
        labels: Labels { station: "wgmr".into(), ..Labels::default() },
        zone: TimeZone::get("America/New_York").unwrap(),
        cue: true,
        ..every_4_s(dir)
    }
}

fn song(artist: &str, title: &str) -> Arc<Metadata> {
    Arc::new(Metadata { title: Some(title.into()), artist: Some(artist.into()), ..Metadata::default() })
}

/// Records with titles, each from a frame on.
fn record_songs(
    config: &RecordingConfig,
    epoch: &str,
    (info, packets): &(SharedInfo, Vec<Packet>),
    songs: &[(i64, Arc<Metadata>)],
) {
    let mut output = RecordingOutput::new(config.clone()).unwrap();
    on_runtime(async {
        let mut sink = output.open(&opening(info, epoch)).await.unwrap();
        let mut songs = songs.iter().peekable();
        for packet in packets {
            while let Some((at, song)) = songs.next_if(|(at, _)| *at < packet.end()) {
                sink.title(*at, song).await.unwrap();
            }
            sink.packet(packet).await.unwrap();
        }
        sink.close().await.unwrap();
    });
}

#[test]
fn names_and_cue_sheets_say_what_was_played() {
    let encoded = encoded(format(Codec::PcmS16, Bitrate::Lossless), &programme(10 * RATE as usize));
    let dir = tempfile::tempdir().unwrap();
    let songs = [
        (i64::MIN, song("A", "One")),
        (48_000, song("B/C", "Two \"2\"")),
        (120_000, song("../..", "/etc/passwd")),
        (9 * 48_000 + 24_000, song("D", "Last")),
    ];
    record_songs(&by_title(dir.path()), EPOCH, &encoded, &songs);
    let first = "wgmr A - One 2026-03-01_00-59-57";
    // The song that begins with the hour is the one that is true where the file does, whatever it is called.
    let second = "wgmr _ - _etc_passwd 2026-03-01_01-00-00".to_owned();
    let third = second.replace("01-00-00", "01-00-04");
    let list = names(dir.path()).into_iter().find(|name| name.starts_with('.')).unwrap();
    let mut expected = vec![list.clone()];
    for stem in [&second, &third, &first.to_owned()] {
        expected.extend([format!("{stem}.cue"), format!("{stem}.wav")]);
    }
    expected.sort();
    assert_eq!(names(dir.path()), expected);
    assert!(!dir.path().parent().unwrap().join("passwd").exists());
    let cue = |stem: &str| fs::read_to_string(dir.path().join(format!("{stem}.cue"))).unwrap();
    let tracks = |stem: &str| {
        let words = ["TITLE", "PERFORMER", "INDEX"];
        let lines: Vec<_> =
            cue(stem).lines().filter(|l| l.starts_with("    ")).map(|l| l.trim().to_owned()).collect();
        assert!(lines.iter().all(|line| words.iter().any(|word| line.starts_with(word))));
        lines
    };
    assert!(cue(first).contains(&format!("FILE \"{first}.wav\" WAVE\n")), "{}", cue(first));
    let one = ["TITLE \"One\"", "PERFORMER \"A\"", "INDEX 01 00:00:00"];
    let two = ["TITLE \"Two '2'\"", "PERFORMER \"B/C\"", "INDEX 01 00:01:00"];
    assert_eq!(tracks(first), [one, two].concat());
    assert_eq!(tracks(&second), ["TITLE \"/etc/passwd\"", "PERFORMER \"../..\"", "INDEX 01 00:00:00"]);
    // At 9.5 s of the programme, in the file that begins with the first packet behind 6.5 s.
    let last = tracks(&third);
    assert_eq!(last[3..5], ["TITLE \"Last\"", "PERFORMER \"D\""]);
    assert!(last[5] == "INDEX 01 00:03:00" || last[5].starts_with("INDEX 01 00:02:7"), "{}", last[5]);
}

#[test]
fn recordings_named_by_titles_are_found_again_and_nothing_else_is() {
    let encoded = aac(10);
    let dir = tempfile::tempdir().unwrap();
    let songs = [(i64::MIN, song("A", "One"))];
    record_songs(&by_title(dir.path()), EPOCH, &encoded, &songs);
    let ours = names(dir.path());
    assert_eq!(ours.len(), 7, "three files, their sheets and the list: {ours:?}");
    // What a person has put there looks just like it, or lies behind a name that leads away.
    let others =
        ["wgmr A - One 1999-01-01_00-00-00.aac", "wgmr A - One 1999-01-01_00-00-00.cue", "notes.aac"];
    others.iter().for_each(|name| fs::write(dir.path().join(name), vec![0; 100_000]).unwrap());
    let outside = tempfile::tempdir().unwrap();
    let victim = outside.path().join("victim.aac");
    fs::write(&victim, "precious").unwrap();
    let list = dir.path().join(ours.iter().find(|name| name.starts_with('.')).unwrap());
    let mut said = fs::read_to_string(&list).unwrap();
    for name in [
        victim.display().to_string(),
        format!("../{}/victim.aac", outside.path().file_name().unwrap().display()),
    ] {
        said += &format!("{{\"name\":{name:?},\"began\":\"1999-01-01T00:00:00Z\"}}\n");
    }
    // A kill has cut the last line short.
    fs::write(&list, said + "{\"name\":\"wg").unwrap();
    // Another run, a week later: what is older than five days goes, with its sheets.
    let config = RecordingConfig { retention_days: 5, ..by_title(dir.path()) };
    record_songs(&config, "2026-03-08T05:59:57.5Z", &encoded, &songs);
    let left = names(dir.path());
    assert!(others.iter().all(|name| left.iter().any(|l| l == name)), "{left:?}");
    // The last one may have run on to the first of this run, for all that anybody knows.
    let gone = |name: &&String| !name.starts_with('.') && !name.contains("01-00-04");
    assert!(ours.iter().filter(gone).all(|name| !left.contains(name)), "{left:?}");
    assert_eq!(left.len(), 7 + 2 + others.len(), "{left:?}");
    assert!(victim.exists());
    // By size, a run later still: sheets count. Two recordings by themselves would fit.
    let path = |time: &str, extension| dir.path().join(format!("wgmr A - One 2026-03-08_{time}.{extension}"));
    let bytes = |time: &str, extension| fs::metadata(path(time, extension)).unwrap().len();
    let two = bytes("01-00-00", "aac") + bytes("01-00-04", "aac");
    assert!(bytes("01-00-00", "cue") > 150);
    let config = RecordingConfig { max_total_bytes: two + 100, rotate_every_s: 0, ..by_title(dir.path()) };
    record_songs(&config, "2026-03-09T05:59:57.5Z", &encoded, &songs);
    let left = names(dir.path());
    let kept =
        |day: &str| left.iter().filter(|name| name.contains(day)).map(String::as_str).collect::<Vec<_>>();
    assert!(
        kept("2026-03-01").is_empty() && kept("1999").len() == 2 && kept("2026-03-09").len() == 2,
        "{left:?}"
    );
    let last = ["wgmr A - One 2026-03-08_01-00-04.aac", "wgmr A - One 2026-03-08_01-00-04.cue"];
    assert_eq!(kept("2026-03-08"), last);
}

#[test]
fn a_sheet_that_somebody_wrote_is_not_touched() {
    let encoded = aac(3);
    let dir = tempfile::tempdir().unwrap();
    let config = RecordingConfig { rotate_every_s: 0, cue: true, ..every_4_s(dir.path()) };
    fs::write(dir.path().join("2026-03-01_05-59-57.cue"), "by hand").unwrap();
    record_songs(&config, EPOCH, &encoded, &[(i64::MIN, song("A", "One"))]);
    let expected = ["2026-03-01_05-59-57.cue", "2026-03-01_05-59-57_2.aac", "2026-03-01_05-59-57_2.cue"];
    assert_eq!(names(dir.path()), expected);
    assert_eq!(fs::read_to_string(dir.path().join(expected[0])).unwrap(), "by hand");
}

#[test]
fn a_full_disk_ends_a_file_well_and_room_begins_a_new_one() {
    with_small_disk("a_full_disk_ends_a_file_well_and_room_begins_a_new_one", 4_000, |disk| {
        let encoded = encoded(format(Codec::PcmS16, Bitrate::Lossless), &programme(40 * RATE as usize));
        let (info, packets) = &encoded;
        let (reference, opening) = (whole(&encoded), opening(info, EPOCH));
        let config = RecordingConfig { rotate_every_s: 0, ..RecordingConfig::new(disk.join("archive")) };
        let mut output = RecordingOutput::new(config.clone()).unwrap();
        on_runtime(async {
            // 40 s are 7.5 MB: the disk fills up on the way.
            let mut sink = output.open(&opening).await.unwrap();
            let mut refused = None;
            for (index, packet) in packets.iter().enumerate() {
                if let Err(error) = sink.packet(packet).await {
                    refused = Some((index, error));
                    break;
                }
            }
            drop(sink);
            let (at, error) = refused.expect("a disk of 4 MB does not hold 7.5 MB");
            assert_eq!(error.retry, Retry::Steadily);
            assert!(
                error.message.contains("archive") && error.message.contains("make room"),
                "{}",
                error.message
            );
            let first = files(&config.path)[0].clone();
            let recorded = ffmpeg(&first);
            assert!(recorded[..] == reference[..recorded.len()]);
            // Complete: the header's length is that of the file, not the "unknown" of one that grows.
            let seconds: f64 = ffprobe(&first, "format=duration").parse().unwrap();
            assert!((seconds - recorded.len() as f64 / f64::from(RATE)).abs() < 0.001);
            let bytes = fs::read(&first).unwrap();
            assert_eq!(u32::from_le_bytes(bytes[4..8].try_into().unwrap()) as usize, bytes.len() - 8);

            // Still full: it is not even tried; no new file appears, or stays behind empty.
            let again = at;
            let refused = output.open(&opening).await.err().unwrap();
            assert!(refused.retry == Retry::Steadily && refused.message.contains("make room"));
            assert_eq!(files(&config.path).len(), 1);

            // Room: a new file with everything that the first does not hold, as nothing was missed in between.
            fs::remove_file(&first).unwrap();
            let mut sink = output.open(&opening).await.unwrap();
            let until = packets.iter().position(|packet| packet.pts > packets[again].pts + 96_000).unwrap();
            feed(sink.as_mut(), &packets[again..until]).await;
            sink.close().await.unwrap();
            let second = ffmpeg(&files(&config.path)[0]);
            assert!(second[..] == reference[recorded.len()..recorded.len() + second.len()]);
            assert_eq!((recorded.len() + second.len()) as i64, packets[until].pts);
        });
    });
}

#[test]
fn what_cannot_be_is_refused_by_name() {
    let config = RecordingConfig::new("x");
    for (config, field) in [
        (RecordingConfig { name: "%Y-%m-%d".into(), ..config.clone() }, "name"),
        (RecordingConfig { name: "../%Y-%m-%d_%H-%M-%S".into(), ..config.clone() }, "name"),
        (RecordingConfig { name: "{song} %Y-%m-%d_%H-%M-%S".into(), ..config.clone() }, "name"),
        (RecordingConfig { extension: "mp3/..".into(), ..config.clone() }, "extension"),
        (RecordingConfig { path: PathBuf::new(), ..config.clone() }, "path"),
    ] {
        assert_eq!(config.validate().unwrap_err().field, field);
        assert!(RecordingOutput::new(config).is_err());
    }
    let (info, _) = aac(1);
    let dir = tempfile::tempdir().unwrap();
    let config = RecordingConfig { extension: "wav".into(), ..RecordingConfig::new(dir.path()) };
    let mut output = RecordingOutput::new(config).unwrap();
    let refused = on_runtime(output.open(&opening(&info, EPOCH))).err().unwrap();
    assert!(refused.message.contains(".wav") && refused.retry == Retry::Seldom, "{}", refused.message);
}
