//! Schedules rendered offline from station files and real audio: every time to the frame, in the reports and in the
//! samples.

#![allow(clippy::unwrap_used)]

use std::path::Path;

use airchain::codecs::{Codec, Format};
use airchain::config;
use airchain::core::control::Ending;
use airchain::core::item::Metadata;
use airchain::core::playout::{Report, StationEvent};
use airchain::core::{Frames, Stereo};
use airchain::file::FileWriter;
use airchain::from_config;
use airchain::offline::Render;
use testkit::measure::{channel, click_db};
use testkit::signal;

const RATE: u32 = 48_000;
const S: Frames = RATE as Frames;
/// 2026-11-28T12:00:00Z, when everything here begins.
const NOON_NS: i64 = 1_795_867_200_000_000_000;

/// A folder of tones and a station file.
struct Station(tempfile::TempDir);

impl Station {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    /// A tone of its own in a file of its own, `seconds` long; what is in it.
    fn tone(&self, name: &str, rate: u32, hz: f64, seconds: f64) -> Vec<Stereo> {
        let frames = signal::sine(rate, hz, -12.0, (seconds * f64::from(rate)).round() as usize);
        write(&self.0.path().join(name), rate, &frames);
        frames
    }

    fn prepare(&self, text: &str, quick: bool, duration: Frames) -> Render {
        self.prepare_at(NOON_NS, text, quick, duration)
    }

    fn prepare_at(&self, start_ns: i64, text: &str, quick: bool, duration: Frames) -> Render {
        let file = self.0.path().join("station.yaml");
        let text = format!("station: {{ id: s }}\nfailover: {{ fallback_audio_loop: true }}\n{text}");
        std::fs::write(&file, text).unwrap();
        let config = config::load(&file).unwrap_or_else(|errors| panic!("{errors}"));
        let spec = from_config::programme_at(&config, Some(start_ns)).unwrap();
        let prepare = if quick { Render::quick } else { Render::new };
        prepare(spec, [], Some(duration)).unwrap()
    }

    fn render(&self, text: &str, duration: Frames) -> (Vec<Stereo>, Vec<Report>) {
        self.render_at(NOON_NS, text, duration)
    }

    fn render_at(&self, start_ns: i64, text: &str, duration: Frames) -> (Vec<Stereo>, Vec<Report>) {
        let mut render = self.prepare_at(start_ns, text, false, duration);
        let mut audio = Vec::new();
        while let Some(block) = render.next_block().unwrap() {
            audio.extend_from_slice(block);
        }
        (audio, std::iter::from_fn(|| render.poll()).collect())
    }

    fn plan(&self, text: &str, duration: Frames) -> Vec<Report> {
        let mut render = self.prepare(text, true, duration);
        while render.next_block().unwrap().is_some() {}
        std::iter::from_fn(|| render.poll()).collect()
    }
}

fn write(path: &Path, rate: u32, frames: &[Stereo]) {
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    let format = Format { sample_rate_hz: rate, ..Format::of(Codec::PcmF32) };
    let mut writer = FileWriter::create(path, &format, rate, &Metadata::default()).unwrap();
    writer.write(frames).unwrap();
    writer.finish().unwrap();
}

fn name(path: &str) -> String {
    Path::new(path).file_stem().unwrap().to_string_lossy().into_owned()
}

/// What became audible, and at which frame.
fn starts(reports: &[Report]) -> Vec<(String, Frames)> {
    let start = |report: &Report| match &report.event {
        StationEvent::NowPlaying { item, .. } => Some((name(&item.path), report.frame)),
        _ => None,
    };
    reports.iter().filter_map(start).collect()
}

/// What ended, at which frame and how.
fn ends(reports: &[Report]) -> Vec<(String, Frames, Ending)> {
    let end = |report: &Report| match &report.event {
        StationEvent::ItemEnded { item, ending, .. } => Some((name(&item.path), report.frame, *ending)),
        _ => None,
    };
    reports.iter().filter_map(end).collect()
}

/// What was passed over, and why.
fn dropped(reports: &[Report]) -> Vec<(String, &'static str)> {
    let dropped = |report: &Report| match &report.event {
        StationEvent::ScheduleDropped { item, reason, .. } => Some((name(&item.path), *reason)),
        StationEvent::ItemUnused { item, .. } => Some((name(&item.path), "unused")),
        _ => None,
    };
    reports.iter().filter_map(dropped).collect()
}

fn start_of(reports: &[Report], item: &str) -> Option<Frames> {
    starts(reports).iter().find(|(name, _)| name == item).map(|(_, frame)| *frame)
}

fn close(a: &[Stereo], b: &[Stereo]) -> bool {
    a.len() == b.len()
        && a.iter().zip(b).all(|(a, b)| (a[0] - b[0]).abs() < 1e-6 && (a[1] - b[1]).abs() < 1e-6)
}

const TWO_SONGS: &str = "automation: { playlist: [a.wav, b.wav], crossfade_sec: 0 }\n";

#[test]
fn a_hard_item_is_cut_in_at_its_very_frame() {
    let station = Station::new();
    let a = station.tone("a.wav", RATE, 440.0, 20.0);
    let b = station.tone("b.wav", RATE, 550.0, 20.0);
    let news = station.tone("news.wav", RATE, 1000.0, 5.0);
    let text = format!("{TWO_SONGS}schedule:\n  - {{ at: \"12:00:12.34\", path: news.wav, fade_sec: 1 }}\n");
    let (audio, reports) = station.render(&text, 30 * S);
    let at = 12 * S + 16_320;
    let end = at + 5 * S;
    assert_eq!(starts(&reports)[..3], [("a".into(), 0), ("news".into(), at), ("b".into(), end)]);
    assert_eq!(
        ends(&reports)[..2],
        [("a".into(), at + S, Ending::Skipped), ("news".into(), end, Ending::Finished)]
    );
    let (at, end) = (at as usize, end as usize);
    assert!(close(&audio[..at], &a[..at]), "what runs is whole up to the frame");
    // In the middle of the second in which it falls it is still there, under the news at its full level.
    let under: Vec<Stereo> =
        audio[at..end].iter().zip(&news).map(|(mix, news)| [mix[0] - news[0]; 2]).collect();
    assert!(testkit::measure::rms(&under[12_000..24_000]) > 0.05);
    assert!(close(&under[48_000..], &vec![[0.0; 2]; 4 * 48_000]), "the news is alone once that has fallen");
    assert!(close(&audio[end..end + 48_000], &b[..48_000]), "and the programme goes on with its next item");
}

#[test]
fn no_seam_of_the_schedule_clicks() {
    // A hard item rises at once at full level, as it was recorded, so what is cut in here begins in silence like any mastered
    // item; what the station does to what runs is all that could click.
    for fade in ["", ", fade_sec: 0", ", fade_sec: 0.3"] {
        let station = Station::new();
        for (name, hz, seconds) in
            [("a", 440.0, 20.0), ("b", 550.0, 20.0), ("news", 1000.0, 5.0), ("ad", 700.0, 5.0)]
        {
            let frames = signal::sine(RATE, hz, -12.0, (seconds * f64::from(RATE)) as usize);
            write(&station.0.path().join(format!("{name}.wav")), RATE, &risen(frames));
        }
        let text = format!(
            "automation: {{ playlist: [a.wav, b.wav], crossfade_sec: 1 }}\nschedule:\n  \
             - {{ at: \"12:00:12.34\", path: news.wav{fade} }}\n  - {{ at: \"12:00:18\", mode: soft, path: ad.wav }}\n"
        );
        let (audio, reports) = station.render(&text, 50 * S);
        let seams = starts(&reports);
        assert!(seams.len() >= 4, "{seams:?}");
        for (name, at) in &seams[1..] {
            let at = *at as usize;
            let samples = channel(&audio[at - 24_000..at + 72_000], 0);
            let click = click_db(&samples, RATE);
            assert!(click < -60.0, "{name} at {at} with{fade}: {click} dB");
        }
    }
}

/// The same, rising and falling over 50 ms.
fn risen(mut frames: Vec<Stereo>) -> Vec<Stereo> {
    let length = frames.len();
    for (index, frame) in frames.iter_mut().enumerate() {
        let near = index.min(length - 1 - index).min(2400) as f32 / 2400.0;
        let gain = 0.5 - 0.5 * (std::f32::consts::PI * near).cos();
        *frame = frame.map(|sample| sample * gain);
    }
    frames
}

#[test]
fn a_leap_second_is_the_start_of_the_next_minute() {
    // 2016-12-31T23:59:50Z. Computers count no 23:59:60: what is due then is due at midnight, and comes in the list's order.
    let start_ns = 1_483_228_790_000_000_000;
    let station = Station::new();
    station.tone("a.wav", RATE, 440.0, 40.0);
    station.tone("leap.wav", RATE, 900.0, 1.0);
    station.tone("midnight.wav", RATE, 1000.0, 3.0);
    let text = "automation: { playlist: [a.wav], crossfade_sec: 0 }\nschedule:\n  \
                - { at: \"2016-12-31T23:59:60Z\", path: leap.wav }\n  - { at: \"00:00:00\", path: midnight.wav }\n";
    let (_, reports) = station.render_at(start_ns, text, 20 * S);
    let wanted = [("a", 0), ("leap", 10), ("midnight", 11), ("a", 14)];
    assert_eq!(starts(&reports), wanted.map(|(name, at)| (name.to_owned(), at * S)));
}

#[test]
fn an_item_ends_when_it_is_to_end() {
    for rate in [RATE, 44_100] {
        let station = Station::new();
        station.tone("a.wav", RATE, 440.0, 40.0);
        station.tone("b.wav", RATE, 550.0, 40.0);
        station.tone("countdown.wav", rate, 1000.0, 17.12345);
        let text = "automation: { playlist: [a.wav, b.wav], crossfade_sec: 2 }\nschedule:\n  \
                    - { ends_at: \"12:01:00\", path: countdown.wav }\n  \
                    - { ends_at: \"12:01:40\", path: countdown.wav, cue_in_sec: 3.21, cue_out_sec: 9.87 }\n";
        let (_, reports) = station.render(text, 120 * S);
        let ended: Vec<_> = ends(&reports).into_iter().filter(|(name, ..)| name == "countdown").collect();
        let wanted = [60, 100].map(|at| ("countdown".to_owned(), at * S, Ending::Finished));
        assert_eq!(ended, wanted, "at {rate} Hz");
        let followers = starts(&reports).iter().filter(|(_, at)| [60 * S, 100 * S].contains(at)).count();
        assert_eq!(followers, 2, "what follows starts at its very end: {:?}", starts(&reports));
    }
}

#[test]
fn a_soft_item_waits_for_the_end_of_what_runs() {
    let station = Station::new();
    station.tone("a.wav", RATE, 440.0, 20.0);
    station.tone("b.wav", RATE, 550.0, 20.0);
    station.tone("ad.wav", RATE, 1000.0, 5.0);
    station.tone("late.wav", RATE, 1200.0, 5.0);
    let text = format!(
        "{TWO_SONGS}schedule:\n  - {{ at: \"12:00:12\", mode: soft, path: ad.wav }}\n  \
         - {{ at: \"12:00:30\", mode: soft, path: late.wav, until: \"12:00:44\" }}\n  \
         - {{ at: \"12:00:45\", mode: soft, path: ad.wav, until: \"12:00:45.001\" }}\n"
    );
    let (_, reports) = station.render(&text, 60 * S);
    // The second ad may start at the very frame of its time, where the next boundary happens to be.
    let wanted = [("a", 0), ("ad", 20), ("b", 25), ("ad", 45), ("a", 50)];
    assert_eq!(starts(&reports), wanted.map(|(name, at)| (name.to_owned(), at * S)));
    assert_eq!(dropped(&reports), [("late".to_owned(), "unused")]);
}

#[test]
fn items_of_the_same_time_follow_each_other() {
    let station = Station::new();
    station.tone("a.wav", RATE, 440.0, 20.0);
    station.tone("b.wav", RATE, 550.0, 20.0);
    station.tone("jingle.wav", RATE, 900.0, 0.5);
    station.tone("news.wav", RATE, 1000.0, 3.0);
    station.tone("ad.wav", RATE, 1100.0, 2.0);
    let text = format!(
        "{TWO_SONGS}schedule:\n  - {{ at: \"12:00:10\", mode: soft, path: ad.wav }}\n  \
         - {{ at: \"12:00:10\", path: jingle.wav }}\n  - {{ at: \"12:00:10\", path: news.wav }}\n"
    );
    let (_, reports) = station.render(&text, 30 * S);
    let wanted = [("a", 0.0), ("jingle", 10.0), ("news", 10.5), ("ad", 13.5), ("b", 15.5)];
    assert_eq!(starts(&reports), wanted.map(|(name, at)| (name.to_owned(), (at * 48_000.0) as Frames)));
}

#[test]
fn a_fill_ends_as_close_before_its_time_as_its_pool_allows() {
    let station = Station::new();
    station.tone("a.wav", RATE, 440.0, 16.0);
    station.tone("news.wav", RATE, 1000.0, 3.0);
    let lengths = [19.1, 13.7, 11.3, 8.9, 5.3, 3.1];
    for (number, length) in lengths.iter().enumerate() {
        station.tone(&format!("pool/f{number}.wav"), RATE, 1200.0 + 50.0 * number as f64, *length);
    }
    let text = "automation: { playlist: [a.wav], crossfade_sec: 0 }\nschedule:\n  \
                - { at: \"12:00:10\", until: \"12:01:00\", mode: fill, pool: [pool] }\n  \
                - { at: \"12:01:00\", path: news.wav }\n";
    let (_, reports) = station.render(text, 70 * S);
    // From the end of the first song at 16 s there are 44 s: the best of all subsets, tried one by one.
    let sums = (0..1u32 << lengths.len()).map(|set| {
        lengths.iter().enumerate().filter(|(i, _)| set >> i & 1 == 1).map(|(_, length)| length).sum::<f64>()
    });
    let best = 16.0 + sums.filter(|sum| *sum <= 44.02).fold(0.0, f64::max);
    let filled = ends(&reports).into_iter().filter(|(name, ..)| name.starts_with('f'));
    let last = filled.map(|(_, at, _)| at).max().unwrap();
    assert_eq!(last, (best * 48_000.0).round() as Frames, "{:?}", starts(&reports));
    assert_eq!(start_of(&reports, "news"), Some(60 * S));
    let fills: Vec<_> = starts(&reports).into_iter().filter(|(name, _)| name.starts_with('f')).collect();
    assert_eq!(fills[0].1, 16 * S, "it begins at the first boundary");
}

#[test]
fn with_crossfades_a_fill_leads_straight_into_the_hard_item() {
    let station = Station::new();
    station.tone("a.wav", RATE, 440.0, 16.0);
    station.tone("news.wav", RATE, 1000.0, 3.0);
    for number in 0..14 {
        let length = 9.0 + 1.37 * f64::from(number);
        station.tone(&format!("pool/f{number}.wav"), RATE, 1200.0 + 50.0 * f64::from(number), length);
    }
    let text = "automation: { playlist: [a.wav], crossfade_sec: 2 }\nschedule:\n  \
                - { at: \"12:00:10\", until: \"12:01:30\", mode: fill, pool: [pool] }\n  \
                - { at: \"12:01:30\", path: news.wav }\n";
    let (_, reports) = station.render(text, 100 * S);
    let starts = starts(&reports);
    let news = starts.iter().position(|(name, at)| name == "news" && *at == 90 * S).unwrap();
    assert!(starts[news - 1].0.starts_with('f'), "nothing is begun for a blink before the news: {starts:?}");
    let last = ends(&reports).into_iter().find(|(name, ..)| *name == starts[news - 1].0).unwrap();
    assert!(last.1 > 90 * S && last.1 <= 92 * S, "it falls under the news: {last:?}");
}

#[test]
fn what_the_clock_says_is_on_air_from_the_start() {
    let station = Station::new();
    station.tone("a.wav", RATE, 440.0, 20.0);
    let b = station.tone("b.wav", RATE, 550.0, 20.0);
    let show = station.tone("show.wav", RATE, 700.0, 60.0);
    // A playlist that began 30 s before stands 10 s into its second item.
    let text = "automation: { playlist: [a.wav, b.wav], start: \"2026-11-28T11:59:30Z\" }\n";
    let (audio, reports) = station.render(text, 15 * S);
    assert_eq!(starts(&reports), [("b".to_owned(), 0), ("a".to_owned(), 10 * S)]);
    assert!(close(&audio[480..480_000], &b[480_480..]));
    // A show that began 45 s before, and has 15 s to go.
    let text = format!(
        "{TWO_SONGS}schedule:\n  - {{ at: \"11:59:15\", path: show.wav }}\n  - {{ at: \"11:00:00\", mode: soft, path: b.wav }}\n"
    );
    let (audio, reports) = station.render(&text, 20 * S);
    assert_eq!(starts(&reports), [("show".to_owned(), 0), ("a".to_owned(), 15 * S)]);
    assert!(close(&audio[480..15 * 48_000], &show[45 * 48_000 + 480..]));
    assert_eq!(dropped(&reports), [("b".to_owned(), "its time has passed")]);
}

/// Every kind of entry, files of two rates, crossfades, and a playlist joined in the middle.
fn small_day() -> (Station, &'static str) {
    let station = Station::new();
    for (number, (rate, seconds)) in
        [(RATE, 13.2), (44_100, 17.77), (44_100, 9.01), (RATE, 2.5), (44_100, 1.1), (32_000, 23.4)]
            .into_iter()
            .enumerate()
    {
        station.tone(&format!("music/{number}.wav"), rate, 300.0 + 40.0 * number as f64, seconds);
    }
    for (number, seconds) in [3.3, 4.9, 6.1, 7.7, 9.9].into_iter().enumerate() {
        station.tone(&format!("pool/f{number}.wav"), 44_100, 900.0, seconds);
    }
    station.tone("news.wav", 44_100, 1000.0, 8.5);
    station.tone("pips.wav", RATE, 1000.0, 5.0);
    station.tone("ad.wav", 44_100, 1000.0, 3.0);
    let text = "automation: { playlist: [music], crossfade_sec: 1.5, start: \"2026-11-28T11:11:11Z\" }\nschedule:\n  \
                - { at: \":30\", path: news.wav }\n  \
                - { ends_at: \":01:00\", path: pips.wav }\n  - { at: \":01:00\", path: news.wav }\n  \
                - { at: \"12:01:20\", mode: soft, path: ad.wav }\n  \
                - { at: \"12:01:40\", until: \"12:02:30\", mode: fill, pool: [pool] }\n  \
                - { at: \"12:02:30\", path: news.wav, fade_sec: 0.3 }\n";
    (station, text)
}

#[test]
fn a_plan_is_the_day_to_the_frame() {
    let (station, text) = small_day();
    let told = |reports: &[Report]| -> Vec<_> {
        reports.iter().map(|report| serde_json::to_string(report).unwrap()).collect()
    };
    // Also where it is cut at the very frame at which something happens.
    for duration in [150 * S, 200 * S] {
        let (_, aired) = station.render(text, duration);
        assert!(starts(&aired).len() > 12, "{:?}", starts(&aired));
        assert_eq!(told(&station.plan(text, duration)), told(&aired));
        assert_eq!(start_of(&aired, "pips"), Some(55 * S));
        let pips = ends(&aired).into_iter().find(|(name, ..)| name == "pips");
        assert_eq!(
            pips,
            Some(("pips".to_owned(), 60 * S, Ending::Finished)),
            "the news comes at its very end"
        );
    }
}

#[test]
fn a_playlist_joined_in_the_middle_is_where_it_would_have_been() {
    let station = Station::new();
    let lengths = [13.2, 17.77, 2.9, 1.1, 0.4, 23.4, 5.0];
    for (number, seconds) in lengths.into_iter().enumerate() {
        station.tone(&format!("music/{number}.wav"), RATE, 300.0, seconds);
    }
    for crossfade in ["0", "1.5", "4"] {
        let text = |start: &str| {
            format!(
                "automation: {{ playlist: [music], crossfade_sec: {crossfade}, start: \"2026-11-28T{start}Z\" }}\n"
            )
        };
        let whole = starts(&station.plan(&text("12:00:00"), 300 * S));
        for (start, over) in
            [("11:59:55", 5), ("11:59:47", 13), ("11:59:25", 35), ("11:58:20", 100), ("11:57:01", 179)]
        {
            let later = whole.iter().filter(|(_, at)| *at > over * S);
            let later: Vec<_> = later.map(|(name, at)| (name.clone(), at - over * S)).collect();
            let joined = starts(&station.plan(&text(start), (300 - over) * S));
            assert_eq!(joined[0].1, 0);
            assert_eq!(joined[1..], later, "crossfade {crossfade}, joined after {over} s");
        }
    }
}
