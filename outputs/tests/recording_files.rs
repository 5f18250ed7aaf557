//! Recordings as an archive: nothing lost or doubled over rotations, kills and full disks, and only what is old goes.

#![allow(clippy::unwrap_used)] // A test that fails panics.

mod hls_support;

use std::fs;
use std::path::{Path, PathBuf};

use airchain_codecs::packet::{Packet, SharedInfo};
use airchain_codecs::{Bitrate, Codec};
use airchain_outputs::recording::{RecordingConfig, RecordingOutput};
use airchain_outputs::sink::{Output, Retry};
use hls_support::{
    RATE, aac, deliver, encoded, feed, ffmpeg, ffprobe, format, on_runtime, opening, programme,
    with_small_disk,
};

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
            assert_eq!(error.retry, Retry::Seldom);
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

            // Still full: no new file appears, or stays behind empty.
            let mut sink = output.open(&opening).await.unwrap();
            let mut again = at;
            while sink.packet(&packets[again]).await.is_ok() {
                again += 1;
            }
            drop(sink);
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
