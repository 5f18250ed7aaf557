//! The flags that say what is played: the same for `play` and `render`.

use std::path::{Path, PathBuf};

use airchain::StationSpec;
use airchain::analysis::Cache;
use airchain::codecs::decode;
use airchain::config;
use airchain::core::chain::NodeSpec;
use airchain::core::curve::Curve;
use airchain::core::item::{Item, Metadata};
use airchain::core::playout::Playlist;
use airchain::core::playout::playlist::Order;
use airchain::core::presets;
use airchain::from_config;
use clap::Args;
use serde_json::{Map, json};

use crate::Failed;

/// What is played, and how.
#[derive(Args, Clone, Debug)]
pub(crate) struct Programme {
    /// Files, folders and playlists (m3u, pls); with `play` also the URL of a stream, which is heard over them while it
    /// lasts, and further URLs to have it from
    pub(crate) paths: Vec<PathBuf>,
    /// Overlap of consecutive items; 0 is gapless
    #[arg(long, value_name = "SECONDS", value_parser = seconds)]
    pub(crate) crossfade: Option<f64>,
    /// Shape of the fades
    #[arg(long, value_name = "CURVE", value_parser = curve)]
    pub(crate) curve: Option<Curve>,
    /// Play in random order
    #[arg(long)]
    pub(crate) shuffle: bool,
    /// Begin again at the end
    #[arg(long = "loop")]
    pub(crate) repeat: bool,
    /// Seed of the random order; the same seed gives the same order
    #[arg(long, value_name = "N")]
    pub(crate) seed: Option<u64>,
    /// DSP chain: none, a preset (safe, broadcast, gentle, speech, loud), or a YAML file with a list of nodes. Without it,
    /// safe: a true-peak limiter and nothing else
    #[arg(long, value_name = "none|PRESET|FILE")]
    pub(crate) chain: Option<String>,
    /// Sample rate of the station
    #[arg(long, value_name = "HZ", value_parser = clap::value_parser!(u32).range(8_000..=192_000))]
    pub(crate) sample_rate: Option<u32>,
}

impl Programme {
    /// Applies the flags to `spec`: a fresh station, or one from a station file.
    pub(crate) fn apply(&self, spec: &mut StationSpec, fresh: bool) -> Result<(), Failed> {
        if let Some(crossfade) = self.crossfade {
            spec.crossfade_s = crossfade;
        }
        if let Some(curve) = self.curve {
            spec.curve = curve;
        }
        if let Some(rate) = self.sample_rate {
            spec.sample_rate_hz = rate;
        }
        match &self.chain {
            Some(chain) => spec.chain = read_chain(chain)?,
            None if fresh => spec.chain = read_chain(DEFAULT_CHAIN)?,
            None => {}
        }
        if fresh {
            spec.analysis_cache = Cache::default_path();
        }
        if let Some((url, fallback_urls)) = self.urls().split_first() {
            let declared =
                json!({ "type": "webstream", "id": "stream", "url": url, "fallback_urls": fallback_urls });
            spec.inputs.push(from_config::input(declared.as_object().unwrap_or(&Map::new()))?);
        }
        if self.files().next().is_some() {
            let order = if self.shuffle { Order::Shuffle } else { Order::Sequential };
            let seed = self.seed.unwrap_or_else(clock_seed);
            spec.programme = Box::new(Playlist::new(self.items()?, order, self.repeat, seed));
        }
        Ok(())
    }

    /// The tags of the one item there is; none for a programme of several.
    pub(crate) fn tags(&self) -> Metadata {
        let [path] = self.paths.as_slice() else { return Metadata::default() };
        let items = from_config::expand(&path.display().to_string()).unwrap_or_default();
        let [item] = items.as_slice() else { return Metadata::default() };
        let of_file = decode::open(Path::new(&item.path)).map(|decoder| decoder.info().metadata.clone());
        item.metadata.clone().or(&of_file.unwrap_or_default())
    }

    /// The paths that are URLs of streams.
    pub(crate) fn urls(&self) -> Vec<&str> {
        self.paths.iter().filter_map(|path| path.to_str()).filter(|path| is_stream(path)).collect()
    }

    /// The paths that are not.
    fn files(&self) -> impl Iterator<Item = &PathBuf> {
        self.paths.iter().filter(|path| !path.to_str().is_some_and(is_stream))
    }

    /// Everything the files hold, in order. A path that cannot be read is named and left out; only when nothing is
    /// left is that an error.
    fn items(&self) -> Result<Vec<Item>, Failed> {
        let mut items = Vec::new();
        let mut problems = Vec::new();
        for path in self.files() {
            match from_config::expand(&path.display().to_string()) {
                Ok(found) => items.extend(found),
                Err(error) => problems.push(error),
            }
        }
        for problem in &problems {
            tracing::warn!("left out: {problem}");
        }
        if items.is_empty() {
            let paths: Vec<String> = self.files().map(|path| path.display().to_string()).collect();
            let why = if problems.is_empty() { String::new() } else { format!(" ({})", problems.join("; ")) };
            return Err(Failed::new(format!("nothing to play in {}{why}", paths.join(", "))));
        }
        Ok(items)
    }
}

fn is_stream(path: &str) -> bool {
    ["http://", "https://", "icy://"]
        .iter()
        .any(|scheme| path.get(..scheme.len()).is_some_and(|start| start.eq_ignore_ascii_case(scheme)))
}

/// A seed that differs from run to run.
fn clock_seed() -> u64 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    now.map_or(0, |elapsed| elapsed.as_nanos() as u64)
}

/// What is used unless told otherwise: it changes nothing but what would clip.
const DEFAULT_CHAIN: &str = "safe";

fn read_chain(chain: &str) -> Result<Vec<NodeSpec>, Failed> {
    if chain == "none" {
        return Ok(Vec::new());
    }
    if let Some(preset) = presets::find(chain) {
        return Ok(preset.nodes());
    }
    let file = Path::new(chain);
    if !file.exists() {
        let presets = presets::NAMES.join(", ");
        return Err(Failed::new(format!(
            "--chain {chain}: no such file; give none, a preset ({presets}) or a YAML file"
        )));
    }
    let nodes = config::load_chain(file).map_err(|errors| Failed::new(errors.to_string()))?;
    Ok(from_config::chain(&nodes))
}

fn curve(text: &str) -> Result<Curve, String> {
    let names: Vec<&str> = Curve::ALL.iter().map(|(name, _)| *name).collect();
    Curve::from_name(text).ok_or_else(|| format!("give one of {}", names.join(", ")))
}

fn seconds(text: &str) -> Result<f64, String> {
    let seconds = crate::duration::parse(text)?.as_secs_f64();
    if seconds > 60.0 { Err("give at most 60 seconds".into()) } else { Ok(seconds) }
}
