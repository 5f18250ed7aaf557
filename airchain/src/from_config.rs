//! From a station file to a station: [`StationConfig`] to [`StationSpec`] and [`OutputSpec`]s.

use std::net::{SocketAddr, ToSocketAddrs};
use std::path::Path;

use airchain_codecs::decode::{self, is_audio_extension};
use airchain_core::chain::NodeSpec;
use airchain_core::item::Item;
use airchain_core::playout::playlist::Order;
use airchain_core::playout::schedule::Timetable;
use airchain_core::playout::{LiveConfig, Playlist};
use airchain_inputs::playlist;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde_json::{Map, Value, json};

use crate::analysis::Cache;
use crate::config::{self, NodeConfig, OutputConfig, Place, StationConfig};
use crate::error::Error;
use crate::input::InputSpec;
use crate::output::{OutputSpec, Target};
use crate::schedule::{self, Joined, Now};
use crate::spec::{Fallback, StationSpec};

/// The station that `config` declares, with its outputs.
///
/// Outputs and nodes that this build does not have are left out with a warning. A playlist that cannot be read is
/// an error only when it leaves nothing to play and no fallback file is named.
pub fn station(config: &StationConfig) -> Result<(StationSpec, Vec<OutputSpec>), Error> {
    let (mut outputs, mut declared) = (Vec::new(), Vec::new());
    let programme = programme(config)?;
    for mount in &config.mounts {
        for (index, output) in mount.outputs.iter().enumerate() {
            let id = format!("{}/{index}", mount.id);
            if output.is_built() {
                let spec = spec(output, &place(&programme.home(), (&mount.id, &mount.name), &id))?;
                declared.extend(declaration(output, &spec, mount));
                outputs.push(spec);
            } else {
                tracing::warn!(output = %id, kind = output.kind(), "left out: not in this build");
            }
        }
    }
    Ok((StationSpec { declared, ..programme }, outputs))
}

/// What the declaration of an output takes from its station.
#[derive(Clone, Copy, Debug)]
pub struct Home<'a> {
    /// The station's id.
    pub id: &'a str,
    /// Its name for people.
    pub name: &'a str,
    /// Its time zone.
    pub zone: &'a TimeZone,
    /// The rate of its engine, in Hz.
    pub rate_hz: u32,
}

/// The programme and processing that `config` declares, for a station that goes on air.
pub fn programme(config: &StationConfig) -> Result<StationSpec, Error> {
    programme_at(config, None)
}

/// The same, for one that begins at a UTC time, in nanoseconds since 1970; with `None`, whenever it goes on air.
pub fn programme_at(config: &StationConfig, start_ns: Option<i64>) -> Result<StationSpec, Error> {
    let automation = &config.automation;
    let mut items = Vec::new();
    let mut found_any = false;
    for path in &automation.playlist {
        match expand(path) {
            Ok(found) => {
                found_any = true;
                items.extend(found);
            }
            // It may be there when its turn comes.
            Err(_) if is_missing_audio(path) => items.push(Item::file(path.as_str())),
            Err(error) => tracing::warn!("playlist: {error}"),
        }
    }
    let fallback = config.failover.fallback_audio_path.clone().filter(|path| can_be_fallback(path));
    let without = if config.failover.fallback_tone { Fallback::Tone } else { Fallback::None };
    let has_other = fallback.is_some() || !config.inputs.is_empty();
    let fallback = fallback.map_or(without, Fallback::File);
    if !found_any && !automation.playlist.is_empty() && !has_other {
        let listed = automation.playlist.join(", ");
        return Err(Error::Output(format!("automation.playlist: nothing to play in {listed}")));
    }
    let order = match automation.order {
        config::Order::Sequential => Order::Sequential,
        config::Order::Shuffle => Order::Shuffle,
    };
    let as_run = config.as_run.as_ref().map(|as_run| as_run.resolve(&config.station.timezone));
    let seed = automation.seed.unwrap_or_else(|| fastrand::u64(..));
    let rows = schedule::rows(config)?;
    let mut spec = StationSpec {
        id: config.station.id.clone(),
        name: config.station.name.clone(),
        zone: schedule::zone(config)?,
        sample_rate_hz: config.station.sample_rate,
        block_ms: config.station.block_ms,
        crossfade_s: automation.crossfade_sec,
        curve: automation.curve,
        after_interruption: automation.after_interruption,
        chain: chain(&config.dsp_graph.chain()),
        item_loudness: automation.item_loudness,
        analysis_cache: automation.analysis_cache.clone().or_else(Cache::default_path),
        fallback,
        fallback_loop: config.failover.fallback_audio_loop,
        journal: config.station.journal.clone(),
        schedule: (!rows.is_empty()).then(|| Box::new(rows) as Box<dyn Timetable>),
        start_ns: start_ns.unwrap_or(0),
        as_run: as_run.transpose().map_err(|invalid| Error::Output(invalid.to_string()))?,
        live: LiveConfig { live_timeout_s: config.failover.live_timeout_sec, ..LiveConfig::default() },
        inputs: config.inputs.iter().map(InputSpec::from).collect(),
        ..StationSpec::default()
    };
    spec.programme = match &automation.start {
        Some(began) => {
            let began: Timestamp =
                began.parse().map_err(|error| Error::Output(format!("automation.start: {error}")))?;
            let now: Now = match start_ns {
                Some(start_ns) => Box::new(move || start_ns),
                None => Box::new(|| nanoseconds(Timestamp::now())),
            };
            let (rate, joining) = (spec.sample_rate_hz, spec.joining());
            Box::new(Joined::new(items, automation.repeat, nanoseconds(began), rate, joining, now))
        }
        None => Box::new(Playlist::new(items, order, automation.repeat, seed)),
    };
    Ok(spec)
}

/// Nanoseconds since 1970; at the ends of what they can tell they stand still.
fn nanoseconds(at: Timestamp) -> i64 {
    at.as_nanosecond().clamp(i64::MIN.into(), i64::MAX.into()) as i64
}

fn is_missing_audio(path: &str) -> bool {
    let path = Path::new(path);
    let extension = path.extension().unwrap_or_default().to_string_lossy().to_ascii_lowercase();
    is_audio_extension(&extension) && path.try_exists().is_ok_and(|exists| !exists)
}

/// Whether a fallback can be opened. One that cannot is no reason to keep a station off the air.
fn can_be_fallback(path: &Path) -> bool {
    match decode::open(path) {
        Ok(_) => true,
        Err(error) => {
            tracing::error!("failover.fallback_audio_path: {error}; a gentle tone stands in");
            false
        }
    }
}

/// The chain that `nodes` declare; nodes that are off or not in this build are left out.
pub fn chain(nodes: &[NodeConfig]) -> Vec<NodeSpec> {
    let built = |node: &&NodeConfig| {
        if node.entry().is_none() {
            tracing::warn!(node = %node.kind, "left out of the chain: there is no such node");
        }
        node.is_in_chain()
    };
    nodes.iter().filter(built).map(NodeConfig::spec).collect()
}

/// The items of a file, folder or playlist file. A path that looks like neither is taken for a file: whether it can
/// be opened shows when its turn comes.
pub fn expand(path: &str) -> Result<Vec<Item>, String> {
    playlist::expand(Path::new(path)).map_err(|error| error.to_string())
}

/// The output that a command declares as a station file would, with an `id` beside, and where they matter the id and the
/// name of its mount, as `mount` and `mount_name`.
pub fn output(home: &Home<'_>, declared: &Map<String, Value>) -> Result<OutputSpec, Error> {
    let mut declared = declared.clone();
    let id = match declared.remove("id") {
        Some(Value::String(id)) if !id.is_empty() => id,
        _ => return Err(Error::Output("output.id: not given, give the output a name of its own".into())),
    };
    let [mount, mount_name] = ["mount", "mount_name"].map(|field| declared.remove(field));
    if asks_environment(&declared) {
        return Err(Error::Output("output: ${NAME} is for station files, give the value itself".into()));
    }
    let station = json!({
        "station": {
            "id": home.id, "name": home.name, "sample_rate": home.rate_hz,
            "timezone": home.zone.iana_name().unwrap_or("UTC"),
        },
        "mounts": [{ "id": mount.unwrap_or("output".into()), "name": mount_name, "outputs": [declared] }],
    });
    let config = config::from_value(&station, "output").map_err(|errors| {
        Error::Output(
            errors
                .to_string()
                .replace("mounts[0].outputs[0]", "output")
                .replace("mounts[0].id", "output.mount"),
        )
    })?;
    let mount = config.mounts.first();
    let declared = mount.and_then(|mount| Some((mount, mount.outputs.first()?)));
    let (mount, output) = declared.ok_or(Error::Stopped)?;
    if let OutputConfig::Http(http) = output
        && http.listen.parse::<SocketAddr>().is_err()
        && !http.listen.starts_with("localhost:")
    {
        // Looking a name up takes its time, and every station waits for the desk.
        let listen = &http.listen;
        return Err(Error::Output(format!(
            "output.listen: {listen} is a name, give an address such as 0.0.0.0:8000"
        )));
    }
    spec(output, &place(home, (&mount.id, &mount.name), &id))
}

/// The declaration of an output that is to be another from now on, whole: `changes` to the fields of the one `before`, a
/// null takes a field back to its default; or, where they have a `type`, a declaration of their own. With another
/// `format`, what of the encoding is not given along goes back to what is usual for it.
pub fn changed(
    id: &str,
    before: Option<&Map<String, Value>>,
    changes: &Map<String, Value>,
) -> Result<Map<String, Value>, Error> {
    if changes.contains_key("id") {
        return Err(Error::Output("output.id: stands beside the output, rename_output gives another".into()));
    }
    let mut declared = if changes.contains_key("type") {
        Map::new()
    } else {
        let unknown =
            || Error::Output(format!("output: {id} was not declared in words, give all of it with its type"));
        before.cloned().ok_or_else(unknown)?
    };
    if changes.get("format").is_some_and(|format| declared.get("format") != Some(format)) {
        ["bitrate_kbps", "mode", "quality"].iter().for_each(|field| drop(declared.remove(*field)));
    }
    declared.extend(changes.clone());
    declared.insert("id".into(), id.into());
    Ok(declared)
}

/// An output of a station file in the words of a command: as it is meant, with its defaults.
fn declaration(
    output: &OutputConfig,
    spec: &OutputSpec,
    mount: &config::Mount,
) -> Option<Map<String, Value>> {
    let Ok(Value::Object(mut declared)) = serde_json::to_value(output) else { return None };
    declared.insert("id".into(), spec.id.as_str().into());
    declared.insert("mount".into(), mount.id.as_str().into());
    declared.insert("mount_name".into(), mount.name.as_str().into());
    if let Target::Http { listen, .. } = &spec.target {
        // A command may not have names looked up.
        declared.insert("listen".into(), listen.to_string().into());
    }
    Some(declared)
}

fn place<'a>(home: &Home<'a>, (mount_id, mount): (&'a str, &'a str), id: &'a str) -> Place<'a> {
    let Home { id: station_id, name: station, zone, rate_hz } = *home;
    Place { station, mount, station_id, mount_id, id, zone, rate_hz }
}

fn spec(output: &OutputConfig, place: &Place<'_>) -> Result<OutputSpec, Error> {
    let (format, target) = output.target(place)?;
    let passthrough = output.encoding().is_some_and(|encoding| encoding.passthrough);
    Ok(OutputSpec { id: place.id.to_owned(), format, target, passthrough })
}

/// The input that a program declares as a station file would.
pub fn input(declared: &Map<String, Value>) -> Result<InputSpec, Error> {
    if asks_environment(declared) {
        return Err(Error::Input("input: ${NAME} is for station files, give the value itself".into()));
    }
    let station = json!({ "station": { "id": "station" }, "inputs": [declared] });
    let config = config::from_value(&station, "input")
        .map_err(|errors| Error::Input(errors.to_string().replace("inputs[0]", "input")))?;
    config.inputs.first().map(InputSpec::from).ok_or(Error::Stopped)
}

/// Whoever may send commands need not know what is in the environment.
fn asks_environment(declared: &Map<String, Value>) -> bool {
    declared.values().any(|value| value.to_string().contains("${"))
}

/// The address that `text` names.
pub fn resolve(text: &str) -> Result<SocketAddr, Error> {
    let bad =
        || Error::Output(format!("listen: {text} is not an address, give HOST:PORT such as 127.0.0.1:8000"));
    text.to_socket_addrs().ok().and_then(|mut found| found.next()).ok_or_else(bad)
}
