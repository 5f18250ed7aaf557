//! Gapless joins at another rate: a tone cut into items comes back as the unbroken tone.

#![allow(clippy::unwrap_used)]

use std::path::Path;
use std::process::Command;

use airchain::StationSpec;
use airchain::codecs::{Codec, Format, decode};
use airchain::core::Stereo;
use airchain::core::item::{Item, Metadata};
use airchain::core::playout::playlist::Order;
use airchain::core::playout::{Moment, Playlist, QueueRequest, Request};
use airchain::core::units::convert_frames;
use airchain::file::FileWriter;
use airchain::offline::Render;
use testkit::{measure, signal};

fn wav(folder: &Path, name: &str, rate: u32, frames: &[Stereo]) -> Item {
    let path = folder.join(name);
    let format = Format { sample_rate_hz: rate, ..Format::of(Codec::PcmF32) };
    let mut writer = FileWriter::create(&path, &format, rate, &Metadata::default()).unwrap();
    writer.write(frames).unwrap();
    writer.finish().unwrap();
    assert_eq!(decode::open(&path).unwrap().info().sample_rate_hz, rate);
    Item::file(path.display().to_string())
}

/// The pieces of `whole` between the cuts, each in a file.
fn pieces(folder: &Path, rate: u32, whole: &[Stereo], cuts: &[usize]) -> Vec<Item> {
    let starts = [0].into_iter().chain(cuts.iter().copied());
    let ends = cuts.iter().copied().chain([whole.len()]);
    starts
        .zip(ends)
        .map(|(start, end)| wav(folder, &format!("{start}.wav"), rate, &whole[start..end]))
        .collect()
}

fn render(items: &[Item], station: u32) -> Vec<Stereo> {
    render_with(items, station, [])
}

fn render_with(
    items: &[Item],
    station: u32,
    requests: impl IntoIterator<Item = (Moment, Request)>,
) -> Vec<Stereo> {
    let programme = Box::new(Playlist::new(items.to_vec(), Order::Sequential, false, 0));
    let spec = StationSpec { sample_rate_hz: station, programme, ..StationSpec::default() };
    let mut render = Render::new(spec, requests, None).unwrap();
    let mut audio = Vec::new();
    while let Some(block) = render.next_block().unwrap() {
        audio.extend_from_slice(block);
    }
    audio
}

/// How far `audio` is from one unbroken tone, and how loud its clicks are, both in dB against the tone, around the
/// cuts, which are frames at `rate`.
fn broken_db(audio: &[Stereo], station: u32, hz: f64, cuts: &[usize], rate: u32) -> (f64, f64) {
    let mono = measure::channel(audio, 0);
    let (mut residual, mut click) = (f64::NEG_INFINITY, f64::NEG_INFINITY);
    for &cut in cuts {
        let join = convert_frames(cut as u64, rate, station) as usize;
        let start = join - 1_500;
        // Fitted before the join and compared after it: a shift cannot hide in the fit.
        let tone = measure::tone(&mono[start..join - 500], station, hz);
        let step = std::f64::consts::TAU * hz / f64::from(station);
        for (n, sample) in mono[start..join + 1_500].iter().enumerate() {
            let wanted = tone.amplitude * (step * n as f64 + tone.phase).sin();
            residual = f64::max(residual, measure::db((sample - wanted).abs() / tone.amplitude));
        }
        click = f64::max(click, measure::click_db(&mono[start..join + 1_500], station));
    }
    (residual, click)
}

#[test]
fn a_tone_cut_at_any_frame_is_heard_unbroken() {
    let folder = tempfile::tempdir().unwrap();
    for (rate, station) in [(44_100, 48_000), (32_000, 48_000), (48_000, 44_100), (44_100, 44_100)] {
        for (hz, cuts) in [
            (1_000.0, &[20_001][..]),
            (997.0, &[13_337, 20_000]),
            (5_011.0, &[8_191, 12_345, 20_020, 25_003]),
            (60.0, &[20_073]),
        ] {
            let whole = signal::sine(rate, hz, -6.0, 30_001);
            let audio = render(&pieces(folder.path(), rate, &whole, cuts), station);
            assert_eq!(audio.len() as u64, convert_frames(30_001, rate, station));
            let (residual, click) = broken_db(&audio, station, hz, cuts, rate);
            assert!(residual <= -110.0, "{rate} -> {station}, {hz} Hz cut at {cuts:?}: {residual:.1} dB");
            assert!(click <= -90.0, "{rate} -> {station}, {hz} Hz cut at {cuts:?}: clicks of {click:.1} dB");
        }
    }
}

#[test]
fn every_place_on_the_grid_joins() {
    let folder = tempfile::tempdir().unwrap();
    let whole = signal::sine(44_100, 1_000.0, -6.0, 8_000);
    let worst = (0..147).step_by(7).map(|place| {
        let cuts = [4_000 + place];
        let audio = render(&pieces(folder.path(), 44_100, &whole, &cuts), 48_000);
        broken_db(&audio, 48_000, 1_000.0, &cuts, 44_100).0
    });
    let worst = worst.fold(f64::NEG_INFINITY, f64::max);
    assert!(worst <= -110.0, "{worst:.1} dB");
}

#[test]
fn cue_points_join_as_files_do() {
    let folder = tempfile::tempdir().unwrap();
    let (rate, hz) = (44_100, 1_000.0);
    let item = wav(folder.path(), "whole.wav", rate, &signal::sine(rate, hz, -6.0, 60_000));
    let cut_s = 0.5123;
    let first = Item { cue_out_s: Some(cut_s), ..item.clone() };
    let second = Item { cue_in_s: Some(cut_s), ..item };
    let audio = render(&[first, second], 48_000);
    let cut = (cut_s * f64::from(rate)).round() as usize;
    let (residual, click) = broken_db(&audio, 48_000, hz, &[cut], rate);
    assert!(residual <= -110.0 && click <= -90.0, "{residual:.1} dB, clicks {click:.1} dB");
}

#[test]
fn a_queued_item_joins_the_one_it_follows_and_not_the_one_that_made_way() {
    let folder = tempfile::tempdir().unwrap();
    let (rate, hz, cut) = (44_100, 1_000.0, 60_001);
    let tone = pieces(folder.path(), rate, &signal::sine(rate, hz, -6.0, 90_000), &[cut]);
    let other = wav(folder.path(), "other.wav", rate, &signal::sine(rate, 3_000.0, -6.0, 30_010));
    let queue = Request::Queue(QueueRequest::add(tone[1].clone()));
    let audio = render_with(&[tone[0].clone(), other], 48_000, [(Moment::Frame(24_000), queue)]);
    let (residual, click) = broken_db(&audio, 48_000, hz, &[cut], rate);
    assert!(residual <= -110.0 && click <= -90.0, "{residual:.1} dB, clicks {click:.1} dB");
    let last = measure::channel(&audio[convert_frames(90_000, rate, 48_000) as usize + 1_000..], 0);
    assert!(measure::tone(&last[..last.len() - 1_000], 48_000, 3_000.0).residual_db() <= -110.0);
}

#[test]
fn an_item_of_another_rate_begins_a_grid_of_its_own() {
    let folder = tempfile::tempdir().unwrap();
    let item = |rate: u32, frames| {
        wav(folder.path(), &format!("{rate}.wav"), rate, &signal::sine(rate, 1_000.0, -6.0, frames))
    };
    let alone = render(&[item(44_100, 20_000)], 48_000);
    let audio = render(&[item(32_000, 10_001), item(44_100, 20_000)], 48_000);
    assert!(audio.ends_with(&alone));
    assert_eq!(audio.len() - alone.len(), 15_002);
}

/// An MP3 file of a WAV file, by LAME, which writes down its delay and padding.
fn lame(item: &Item) -> Item {
    let mp3 = Path::new(&item.path).with_extension("mp3");
    let lame = Command::new("lame").args(["--quiet", "-b", "320", &item.path]).arg(&mp3).status();
    assert!(lame.expect("lame is needed").success());
    Item::file(mp3.display().to_string())
}

#[test]
fn an_mp3_file_cut_by_cue_points_is_the_whole_file() {
    let folder = tempfile::tempdir().unwrap();
    let (rate, hz) = (44_100, 1_000.0);
    let item = lame(&wav(folder.path(), "whole.wav", rate, &signal::sine(rate, hz, -6.0, 90_000)));
    let unbroken = render(std::slice::from_ref(&item), 48_000);
    for cut_s in [0.5123, 1.2345] {
        let first = Item { cue_out_s: Some(cut_s), ..item.clone() };
        let second = Item { cue_in_s: Some(cut_s), ..item.clone() };
        let audio = render(&[first, second], 48_000);
        let difference = measure::db(measure::max_difference(&audio, &unbroken) / measure::peak(&unbroken));
        assert!(difference <= -85.0, "{cut_s} s: {difference:.1} dB");
    }
}

#[test]
fn mp3_pieces_join_no_worse_than_at_their_own_rate() {
    let folder = tempfile::tempdir().unwrap();
    let (rate, hz) = (44_100, 1_000.0);
    let cuts = [30_001, 61_234];
    let whole = signal::sine(rate, hz, -6.0, 90_000);
    let items: Vec<Item> = pieces(folder.path(), rate, &whole, &cuts).iter().map(lame).collect();
    let [own, other] = [rate, 48_000].map(|station| {
        let audio = render(&items, station);
        assert_eq!(audio.len() as u64, convert_frames(90_000, rate, station));
        broken_db(&audio, station, hz, &cuts, rate).0
    });
    // The codec itself does not know what follows a piece, and is heard at its edges.
    assert!(other <= own, "{own:.1} dB at their own rate, {other:.1} dB at 48 kHz");
}
