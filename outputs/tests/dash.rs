//! MPEG-DASH over the segments of an HLS output: ffmpeg plays it to the very samples, every segment is where and when the manifest
//! says, and what was told once stays.

#![allow(clippy::unwrap_used)] // A test that fails panics.

mod hls_support;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use airchain_codecs::container::segment::Container;
use airchain_codecs::packet::Packet;
use airchain_codecs::{Format, container};
use airchain_core::item::Metadata;
use airchain_outputs::hls::{self, HlsConfig, RenditionConfig};
use airchain_outputs::sink::{Opening, Output};
use hls_support::{RATE, alone, deliver, encoded, heard, on_runtime, opening, programme};
use testkit::cmaf;
use testkit::hls::{Segment, Snapshot};

fn config(dir: &Path) -> HlsConfig {
    HlsConfig {
        container: Container::Fmp4,
        dash: true,
        segment_duration_s: 1.0,
        playlist_size: 8,
        ..HlsConfig::new(dir)
    }
}

/// A segment as a player of DASH finds it.
#[derive(Clone, Debug, PartialEq)]
struct Told {
    /// Id and beginning of its period, in milliseconds since 1970.
    period: (String, i64),
    /// When it begins there, in milliseconds since 1970.
    date_ms: f64,
    /// Media time and length, in units of the track.
    time: u64,
    duration: u64,
    file: PathBuf,
    init: PathBuf,
}

/// What a manifest says of each representation, by its id, and what its root element says.
fn manifest(dir: &Path) -> (BTreeMap<String, Vec<Told>>, String) {
    let text = std::fs::read_to_string(dir.join("manifest.mpd")).unwrap();
    let value = |line: &str, name: &str| {
        let (_, rest) =
            line.split_once(&format!(" {name}=\"")).unwrap_or_else(|| panic!("no {name} in {line}"));
        rest.split('"').next().unwrap().to_owned()
    };
    let number = |line: &str, name: &str| value(line, name).parse::<u64>().unwrap();
    let (mut found, mut root) = (BTreeMap::<String, Vec<Told>>::new(), String::new());
    let (mut period, mut id, mut template, mut next) = (Default::default(), String::new(), String::new(), 0);
    for line in text.lines() {
        match line.trim_start().split(' ').next().unwrap() {
            "<MPD" => root = line.to_owned(),
            "<Period" => {
                let start = value(line, "start");
                let seconds: f64 =
                    start.strip_prefix("PT").unwrap().strip_suffix('S').unwrap().parse().unwrap();
                period = (value(line, "id"), (seconds * 1000.0).round() as i64);
            }
            "<Representation" => id = value(line, "id"),
            "<SegmentTemplate" => {
                next = number(line, "startNumber");
                template = line.to_owned();
            }
            "<S" => {
                let (mut time, duration) = (number(line, "t"), number(line, "d"));
                let (scale, offset) =
                    (number(&template, "timescale"), number(&template, "presentationTimeOffset"));
                for _ in 0..=number(line, "r") {
                    let within = (time as f64 - offset as f64) * 1000.0 / scale as f64;
                    found.entry(id.clone()).or_default().push(Told {
                        period: period.clone(),
                        date_ms: period.1 as f64 + within,
                        time,
                        duration,
                        file: dir.join(value(&template, "media").replace("$Number$", &next.to_string())),
                        init: dir.join(value(&template, "initialization")),
                    });
                    (time, next) = (time + duration, next + 1);
                }
            }
            _ => {}
        }
    }
    (found, root)
}

/// Holds every segment to what is told of it, and to the playlist that names it too. Only what the playlist has of longer ago
/// than 8 s before the end is not told.
fn check(told: &[Told], playlist: &Snapshot) {
    let mut there: Vec<_> = playlist.segments.iter().filter(|segment| !segment.gap).collect();
    let ends_ms =
        |segment: &Segment| segment.date.unwrap().as_millisecond() + (segment.duration_us / 1000) as i64;
    let since = there.last().map_or(0, |last| ends_ms(last) - 8000);
    there.retain(|segment| ends_ms(segment) > since + 1);
    assert_eq!(told.len(), there.len());
    for (told, segment) in told.iter().zip(there) {
        assert_eq!(told.file, playlist.path(segment));
        assert!(told.init.ends_with(segment.map.as_ref().unwrap()), "{}", told.init.display());
        let mut checker = cmaf::Checker::new(&std::fs::read(&told.init).unwrap());
        let found = checker.segment(&std::fs::read(&told.file).unwrap());
        let duration: u64 = found.samples.iter().map(|sample| u64::from(sample.duration)).sum();
        assert_eq!((found.samples[0].time, duration), (told.time, told.duration));
        let off = told.date_ms - segment.date.unwrap().as_millisecond() as f64;
        assert!(off.abs() <= 1.0, "{off} ms from the date of {}", told.file.display());
    }
}

#[test]
fn ffmpeg_plays_it_to_the_very_samples() {
    let all = ["aac:128k", "he-aac:64k", "opus:96k", "flac", "flac:24"];
    for (text, low_latency) in all.into_iter().map(|text| (text, false)).chain([("aac:96k", true)]) {
        let dir = tempfile::tempdir().unwrap();
        let (info, packets) = encoded(Format::parse(text).unwrap(), &programme(6 * RATE as usize));
        let opening = opening(&info, "2026-03-01T12:00:00.125Z");
        let config = HlsConfig { low_latency, ..config(dir.path()) };
        on_runtime(deliver(alone(&config).as_mut(), &opening, &packets, true));
        let (told, root) = manifest(dir.path());
        if !low_latency {
            check(&told["audio"], &Snapshot::read(dir.path()));
        }
        // It has an end, and that is when the last segment ends.
        assert!(root.contains(" type=\"static\" ") && !root.contains("minimumUpdatePeriod"), "{root}");
        let last = told["audio"].last().unwrap();
        let end = last.date_ms + last.duration as f64 * 1000.0 / f64::from(RATE);
        let (_, said) = root.split_once("mediaPresentationDuration=\"PT").unwrap();
        let said: f64 = said.split('S').next().unwrap().parse().unwrap();
        assert!((said * 1000.0 - end).abs() < 1.0, "{said} where it ends at {end}");

        // The same packets in the container that is theirs by custom.
        let mut muxer = container::for_stream(&info);
        let mut streamed = Vec::new();
        muxer.start(&Metadata::default(), &mut streamed);
        packets.iter().for_each(|packet| muxer.packet(packet, &mut streamed));
        muxer.finish(&mut streamed);
        let reference = dir.path().join(format!("reference.{}", muxer.extension()));
        std::fs::write(&reference, streamed).unwrap();
        let (heard, reference) =
            (heard(&dir.path().join("manifest.mpd"), &["-t", "5"]), heard(&reference, &["-t", "5"]));
        assert_eq!((heard.len(), reference.len()), (5 * 48_000 * 8, 5 * 48_000 * 8), "{text}");
        assert!(heard == reference, "{text}: other samples");
    }
}

/// Packets of the encodings of an output, delivered side by side.
async fn side_by_side(outputs: &mut [Box<dyn Output>], tracks: &[(Opening, Vec<Packet>)], close: bool) {
    let mut sinks = Vec::new();
    for (output, (opening, _)) in outputs.iter_mut().zip(tracks) {
        sinks.push(output.open(opening).await.unwrap());
    }
    let all = tracks
        .iter()
        .enumerate()
        .flat_map(|(track, (_, packets))| packets.iter().map(move |p| (p.end(), track, p)));
    let mut all: Vec<_> = all.collect();
    all.sort_by_key(|(end, track, _)| (*end, *track));
    for (_, track, packet) in all {
        sinks[track].packet(packet).await.unwrap();
    }
    if close {
        for mut sink in sinks {
            sink.close().await.unwrap();
        }
    }
}

#[test]
fn renditions_are_in_one_manifest_and_a_restart_changes_nothing_of_what_was_told() {
    let dir = tempfile::tempdir().unwrap();
    let rendition = |name: &str, format: &str| RenditionConfig {
        name: name.into(),
        format: Format::parse(format).unwrap(),
    };
    let config = HlsConfig {
        renditions: vec![rendition("high", "aac:128k"), rendition("best", "flac")],
        ..config(dir.path())
    };
    let formats = ["he-aac:64k", "aac:128k", "flac"].map(|format| Format::parse(format).unwrap());
    let frames = programme(5 * RATE as usize);
    let mut before = BTreeMap::<String, Vec<Told>>::new();
    for (run, epoch) in ["2026-03-01T12:00:00Z", "2026-03-01T12:00:06.5Z"].into_iter().enumerate() {
        let tracks = formats.map(|format| {
            let (info, packets) = encoded(format, &frames);
            (opening(&info, epoch), packets)
        });
        let mut outputs = hls::outputs(&config).unwrap().tracks;
        // Killed, the first time.
        on_runtime(side_by_side(&mut outputs, &tracks, run == 1));
        let (told, root) = manifest(dir.path());
        assert_eq!(root.contains("minimumUpdatePeriod=\"PT1.000S\""), run == 0, "{root}");
        for (id, folder) in [("audio", ""), ("high/audio", "high"), ("best/audio", "best")] {
            check(&told[id], &Snapshot::read(&dir.path().join(folder)));
            let periods: std::collections::BTreeSet<_> = told[id].iter().map(|told| &told.period).collect();
            assert_eq!(periods.len(), run + 1, "a run is a period: {periods:?}");
            for old in before.get(id).into_iter().flatten() {
                let now = told[id].iter().find(|told| told.file == old.file);
                assert!(now.is_none_or(|now| now == old), "{now:?}, where {old:?} was told");
            }
            let kept =
                before.get(id).map_or(1, |old| old.iter().filter(|old| told[id].contains(old)).count());
            assert!(kept > 0, "nothing of the first run is left");
        }
        before = told;
    }
    // AAC and HE-AAC of one rate are for switching between; FLAC is another choice.
    let text = std::fs::read_to_string(dir.path().join("manifest.mpd")).unwrap();
    assert_eq!(text.matches("<AdaptationSet ").count(), 4, "{text}");
    assert!(text.contains(" codecs=\"mp4a.40.5\" ") && text.contains(" codecs=\"fLaC\" "), "{text}");
}

#[test]
fn a_manifest_of_others_is_put_aside_and_other_containers_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("manifest.mpd"), "<MPD/>").unwrap();
    let (info, packets) = hls_support::aac(3);
    let opening = opening(&info, "2026-03-01T12:00:00Z");
    on_runtime(deliver(alone(&config(dir.path())).as_mut(), &opening, &packets, true));
    assert_eq!(manifest(dir.path()).0["audio"].len(), Snapshot::read(dir.path()).segments.len());
    let names = std::fs::read_dir(dir.path()).unwrap().map(|entry| entry.unwrap().path());
    let aside: Vec<_> =
        names.filter(|path| std::fs::read(path).is_ok_and(|bytes| bytes == b"<MPD/>")).collect();
    assert_eq!(aside.len(), 1);
    let error = HlsConfig { container: Container::Ts, ..config(dir.path()) }.validate().unwrap_err();
    assert_eq!(error.field, "dash");
}
