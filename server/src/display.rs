//! What `airchain play` shows in a terminal, redrawn in place.

use airchain::Station;
use airchain::core::playout::report::Health;

use crate::log;

/// Width of the level meters in characters.
const METER: usize = 36;
/// Level at the left end of the meters.
const FLOOR_DBFS: f32 = -48.0;

/// Draws the station as it is now.
pub(crate) fn draw(station: &Station) {
    log::show(describe(station));
}

fn describe(station: &Station) -> Vec<String> {
    let mut lines = Vec::new();
    match station.on_air() {
        Some(on_air) => {
            let title = on_air.item.metadata.one_line();
            let title = if title.is_empty() { on_air.item.path.clone() } else { title };
            let elapsed = clock(station.elapsed_s().unwrap_or(0.0));
            let length = on_air.duration_s.map(|length| format!(" / {}", clock(length))).unwrap_or_default();
            lines.push(format!("{}  {}", on_air.tier, printable(&title)));
            lines.push(format!("{elapsed}{length}"));
        }
        None => lines.extend(["nothing on air yet".to_owned(), String::new()]),
    }
    let levels = station.levels();
    for (name, peak) in ["L", "R"].iter().zip(levels.peak_dbfs) {
        lines.push(format!("{name} {} {}", meter(peak), level(peak, "dBFS")));
    }
    lines.push(format!("  {}", level(levels.short_term_lufs, "LUFS")));
    for output in station.outputs() {
        let (health, error) = match &output.stats {
            Some(stats) => (stats.health, stats.last_error.clone().filter(|_| stats.health != Health::Up)),
            None => (Health::Down, None),
        };
        let mark = match health {
            Health::Up => "up      ",
            Health::Degraded => "degraded",
            Health::Down => "down    ",
        };
        // Most reasons begin by naming the target.
        let text = match error {
            Some(error) if error.starts_with(&output.target) => error,
            Some(error) => format!("{}: {error}", output.target),
            None => output.target.clone(),
        };
        lines.push(format!("{mark}  {:9} {text}", output.kind));
    }
    lines
}

fn meter(peak_dbfs: Option<f32>) -> String {
    let share = peak_dbfs.map_or(0.0, |peak| 1.0 - peak.clamp(FLOOR_DBFS, 0.0) / FLOOR_DBFS);
    let full = (share * METER as f32).round() as usize;
    format!("{}{}", "█".repeat(full), "·".repeat(METER.saturating_sub(full)))
}

fn level(value: Option<f32>, unit: &str) -> String {
    value.map_or_else(|| format!("  -inf {unit}"), |value| format!("{value:6.1} {unit}"))
}

fn clock(seconds: f64) -> String {
    let seconds = seconds.max(0.0) as u64;
    match seconds / 3600 {
        0 => format!("{}:{:02}", seconds / 60, seconds % 60),
        hours => format!("{hours}:{:02}:{:02}", seconds / 60 % 60, seconds % 60),
    }
}

/// Control characters in a title must not reach the terminal.
fn printable(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}
