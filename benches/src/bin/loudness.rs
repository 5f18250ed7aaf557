//! `make figures-loudness`: how loud a real playlist of music and speech leaves a station, per item and as a whole.
//!
//! The music is that of the Debian package `wesnoth-1.16-music`, the speech is spoken by `espeak-ng` at unlike levels.
//! Everything is rendered by the offline engine and measured by `ebur128`, which no node uses. The arguments are the
//! folder of the music and, if not all, the names of the chains to render.

#![allow(clippy::print_stdout)]

use std::io::{Error, Result};
use std::path::{Path, PathBuf};
use std::process::Command;

use airchain::core::chain::{NodeSpec, ParamValue};
use airchain::core::item::Item;
use airchain::core::level::Levelling;
use airchain::core::playout::playlist::Order;
use airchain::core::playout::{Playlist, StationEvent};
use airchain::core::presets::PRESETS;
use airchain::core::{Frames, Stereo};
use airchain::offline::Render;
use airchain::{ItemLoudness, StationSpec};
use ebur128::{EbuR128, Mode};

const RATE_HZ: u32 = 48_000;
/// What items are compared with where no chain has a target.
const TARGET_LUFS: f64 = -16.0;

/// What is played, in this order: quiet after loud and loud after quiet, long quiet beginnings, short pieces.
const PLAYLIST: &[&str] = &[
    "speech-1",
    "vengeful",
    "underground",
    "speech-2",
    "northerners",
    "elvish-theme",
    "victory2",
    "speech-3",
    "the_deep_path",
    "traveling_minstrels",
    "speech-4",
    "casualties_of_war",
    "frantic-old",
    "sad",
    "knolls",
];

/// Speech: a voice, its loudness as `espeak-ng` counts it, and what it says.
const SPEECH: &[(&str, &str, &str)] = &[
    (
        "en-gb",
        "100",
        "Good morning. This is the news at nine. The council has decided to close the old bridge for \
        repairs until the end of the year, and asks drivers to use the ring road. The harbour festival drew record \
        crowds this weekend. And now the weather: rain in the west, clearing in the afternoon.",
    ),
    (
        "en-us",
        "30",
        "You are listening to the evening programme. Coming up, an hour of music from games. But first, a \
        word about tomorrow. We will talk with the people who keep the lighthouse running, and find out why nobody \
        has ever wanted to turn it off.",
    ),
    (
        "en-gb-x-rp",
        "200",
        "And that was the overture. What follows is a little quieter, and begins very softly. Do not \
        touch that dial; it will be worth the wait.",
    ),
    (
        "de",
        "60",
        "Guten Abend. Sie hören Musik aus Spielen. Zwischen den Stücken erzählen wir, woher sie kommen, wer sie \
        geschrieben hat, und warum man sie auch ohne Bilder gerne hört.",
    ),
];

fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let music =
        PathBuf::from(arguments.next().ok_or_else(|| Error::other("usage: loudness MUSIC [CHAIN...]"))?);
    let wanted: Vec<String> = arguments.collect();
    let folder = std::env::temp_dir().join(format!("airchain-loudness-{}", std::process::id()));
    std::fs::create_dir_all(&folder)?;
    let result = playlist(&music, &folder).and_then(|items| tables(&items, &folder, &wanted));
    std::fs::remove_dir_all(&folder)?;
    result
}

fn playlist(music: &Path, folder: &Path) -> Result<Vec<Item>> {
    for (number, (voice, amplitude, words)) in SPEECH.iter().enumerate() {
        let file = folder.join(format!("speech-{}.wav", number + 1));
        let spoken = Command::new("espeak-ng")
            .args(["-v", voice, "-a", amplitude, "-w"])
            .arg(file)
            .arg(words)
            .status()?;
        if !spoken.success() {
            return Err(Error::other("espeak-ng failed"));
        }
    }
    let item = |name: &&str| {
        let speech = name.starts_with("speech");
        let path =
            if speech { folder.join(format!("{name}.wav")) } else { music.join(format!("{name}.ogg")) };
        Item { id: (*name).to_owned(), ..Item::file(path.display().to_string()) }
    };
    Ok(PLAYLIST.iter().map(item).collect())
}

fn node(name: &str, config: &[(&str, f64)]) -> NodeSpec {
    let config = config.iter().map(|(name, value)| ((*name).to_owned(), ParamValue::Number(*value)));
    NodeSpec { node: name.into(), config: config.collect() }
}

/// The chains: what each is called, and its nodes.
fn chains() -> Vec<(&'static str, Vec<NodeSpec>)> {
    let normalize = || node("loudness_normalize", &[]);
    let levelled = vec![normalize(), node("limiter", &[])];
    let example = vec![
        normalize(),
        node("agc", &[("attack_ms", 10.0), ("release_ms", 100.0)]),
        node("compressor", &[("makeup_gain_db", 2.0)]),
        node("limiter", &[("release_ms", 10.0)]),
    ];
    let presets = PRESETS.iter().map(|preset| (preset.name, preset.nodes()));
    let presets = presets.filter(|(_, chain)| Levelling::of(chain).is_some());
    [("levelled", levelled), ("example", example)].into_iter().chain(presets).collect()
}

fn tables(items: &[Item], folder: &Path, wanted: &[String]) -> Result<()> {
    let cache = folder.join("analysis.sqlite");
    let plain = Aired::render(items, Vec::new(), ItemLoudness::Off, &cache)?;
    let mut columns = vec![("as they are".to_owned(), plain)];
    for (name, chain) in chains() {
        if !wanted.is_empty() && !wanted.iter().any(|wanted| wanted == name) {
            continue;
        }
        for (known, how) in [("analysed", ItemLoudness::Analysis), ("unknown", ItemLoudness::Off)] {
            columns.push((format!("`{name}`, {known}"), Aired::render(items, chain.clone(), how, &cache)?));
        }
    }
    let heads: Vec<&str> = columns.iter().map(|(head, _)| head.as_str()).collect();
    println!("| LUFS | {} |\n|---{}|", heads.join(" | "), "|---:".repeat(heads.len()));
    for (index, item) in items.iter().enumerate() {
        let cells: Vec<String> = columns.iter().map(|(_, aired)| aired.items[index].cell()).collect();
        println!("| {} | {} |", item.id, cells.join(" | "));
    }
    println!(
        "\n| chain, items | target, LUFS | whole, LUFS | furthest item, LU off | mean item, LU off | true peak, dBTP |"
    );
    println!("|---|---:|---:|---:|---:|---:|");
    for (head, aired) in columns {
        let off: Vec<f64> = aired.items.iter().map(|item| (item.lufs - aired.target_lufs).abs()).collect();
        let (furthest, mean) =
            (off.iter().copied().fold(0.0, f64::max), off.iter().sum::<f64>() / off.len() as f64);
        let Measured { lufs, dbtp } = aired.whole;
        println!("| {head} | {:.0} | {lufs:.2} | {furthest:.2} | {mean:.2} | {dbtp:.2} |", aired.target_lufs);
    }
    Ok(())
}

/// What a meter says of a stretch of programme.
struct Measured {
    lufs: f64,
    dbtp: f64,
}

impl Measured {
    fn of(audio: &[Stereo]) -> Result<Self> {
        let mut meter = EbuR128::new(2, RATE_HZ, Mode::I | Mode::TRUE_PEAK).map_err(Error::other)?;
        meter.add_frames_f32(audio.as_flattened()).map_err(Error::other)?;
        let peaks = [0, 1].map(|channel| meter.true_peak(channel).unwrap_or_default());
        let dbtp = 20.0 * peaks[0].max(peaks[1]).log10();
        Ok(Self { lufs: meter.loudness_global().map_err(Error::other)?, dbtp })
    }

    fn cell(&self) -> String {
        format!("{:.1}", self.lufs)
    }
}

/// A playlist as it aired.
struct Aired {
    target_lufs: f64,
    items: Vec<Measured>,
    whole: Measured,
}

impl Aired {
    fn render(
        items: &[Item],
        chain: Vec<NodeSpec>,
        item_loudness: ItemLoudness,
        cache: &Path,
    ) -> Result<Self> {
        let target_lufs = Levelling::of(&chain).map_or(TARGET_LUFS, |levelling| levelling.target_lufs);
        let programme = Box::new(Playlist::new(items.to_vec(), Order::Sequential, false, 0));
        let analysis_cache = Some(cache.to_owned());
        let spec = StationSpec { programme, chain, item_loudness, analysis_cache, ..StationSpec::default() };
        let mut render = Render::new(spec, [], None).map_err(Error::other)?;
        let mut audio: Vec<Stereo> = Vec::new();
        while let Some(block) = render.next_block().map_err(Error::other)? {
            audio.extend_from_slice(block);
        }
        let mut starts: Vec<Frames> = Vec::new();
        while let Some(report) = render.poll() {
            if let StationEvent::NowPlaying { .. } = report.event {
                starts.push(report.frame);
            }
        }
        let ends = starts.iter().skip(1).copied().chain([audio.len() as Frames]);
        let stretch = |(start, end): (&Frames, Frames)| Measured::of(&audio[*start as usize..end as usize]);
        let items = starts.iter().zip(ends).map(stretch).collect::<Result<_>>()?;
        Ok(Self { target_lufs, items, whole: Measured::of(&audio)? })
    }
}
