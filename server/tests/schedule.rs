//! `render --config` with a schedule: a day planned, and what plays at a time.

#![allow(clippy::unwrap_used)]

mod support;

use std::path::Path;

use serde_json::Value;
use support::{airchain, fail, ffmpeg, succeed};

/// A station with four songs of ten minutes and news on the hour.
fn station(folder: &Path) -> String {
    for (number, seconds) in [(1, 601), (2, 590), (3, 613), (4, 577)] {
        let song = format!("anullsrc=r=8000:cl=mono:d={seconds}");
        let path = folder.join(format!("song{number}.wav"));
        ffmpeg(&["-f", "lavfi", "-i", &song, path.to_str().unwrap()]);
    }
    let news = folder.join("news.flac");
    ffmpeg(&["-f", "lavfi", "-i", "sine=500:r=8000:d=180", news.to_str().unwrap()]);
    let file = folder.join("day.yaml");
    let text = "station: { id: day, timezone: America/New_York, sample_rate: 8000 }\n\
                automation: { playlist: [song1.wav, song2.wav, song3.wav, song4.wav], crossfade_sec: 3 }\n\
                schedule:\n  - { at: \":00:00\", path: news.flac, title: News }\n";
    std::fs::write(&file, text).unwrap();
    file.display().to_string()
}

fn lines(path: &Path) -> Vec<Value> {
    std::fs::read_to_string(path).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn a_day_is_planned_with_its_news_on_the_hour() {
    let folder = tempfile::tempdir().unwrap();
    let (config, events) = (station(folder.path()), folder.path().join("day.jsonl"));
    let day =
        ["render", "--config", &config, "--quick", "--duration", "24h", "--events", events.to_str().unwrap()];
    // The day on which the clocks are put forward: 23 hours, so 24 news by 24:00 and one after.
    succeed(&[&day[..], &["--start", "2026-03-08T05:00:00Z"]].concat());
    let lines = lines(&events);
    let news = lines
        .iter()
        .filter(|line| line["event"] == "now_playing" && line["item"]["metadata"]["title"] == "News");
    let frames: Vec<u64> = news.map(|line| line["frame"].as_u64().unwrap()).collect();
    assert_eq!(frames, (0..24).map(|hour| hour * 3600 * 8000).collect::<Vec<_>>());
    let ended =
        lines.iter().filter(|line| line["event"] == "item_ended" && line["ending"] == "skipped").count();
    assert!(ended >= 23, "each but the first cuts a song short");
}

#[test]
fn what_plays_at_a_time_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let config = station(folder.path());
    let ask = |more: &[&str]| {
        let output = airchain(&[&["render", "--config", &config, "--quick", "--at"], more].concat());
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        serde_json::from_slice::<Value>(&output.stdout).unwrap()
    };
    // The first midnight of New York, in 1970, unless told otherwise; one minute into the news.
    let answer = ask(&["02:01:00"]);
    assert_eq!(answer["utc"], "1970-01-01T07:01:00Z");
    assert_eq!(
        (&answer["item"]["metadata"]["title"], answer["position_s"].as_f64()),
        (&"News".into(), Some(60.0))
    );
    assert_eq!((answer["tier"].as_str(), answer["duration_s"].as_f64()), (Some("automation"), Some(180.0)));
    // After the news of midnight the first song, from 180 s less the crossfade.
    let answer = ask(&["2026-07-01T00:05:00", "--start", "2026-07-01T04:00:00Z"]);
    assert_eq!(answer["utc"], "2026-07-01T04:05:00Z");
    assert!(answer["item"]["path"].as_str().unwrap().ends_with("song1.wav"), "{answer}");
    assert_eq!(answer["position_s"].as_f64(), Some(123.0));
    assert!(
        fail(&[
            "render",
            "--config",
            &config,
            "--quick",
            "--at",
            "2025-01-01T00:00:00",
            "--start",
            "2026-07-01T04:00:00Z"
        ])
        .contains("never that time")
    );
    let refused = airchain(&["render", "--config", &config, "--quick", "--at", "noon"]);
    assert_eq!(refused.status.code(), Some(2));
}
