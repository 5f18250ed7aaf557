//! Figures as text: what lies in the middle of them, how far they go, and where they are written.

use std::io::{Error, Result};
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

/// The value below which a share of `values` lies; NaN when there is none.
pub fn quantile(values: &[f64], share: f64) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let last = sorted.len().saturating_sub(1);
    sorted.get((last as f64 * share).round() as usize).copied().unwrap_or(f64::NAN)
}

/// The one in the middle.
pub fn median(values: &[f64]) -> f64 {
    quantile(values, 0.5)
}

/// The head of a table of [`spread`] rows.
pub const SPREAD: &str =
    "| figure | runs | least | median | p95 | p99 | worst |\n|---|---|---|---|---|---|---|";

/// A row of a table: how `values` are spread, with one decimal.
pub fn spread(name: &str, values: &[f64]) -> String {
    let shares = [0.0, 0.5, 0.95, 0.99, 1.0].map(|share| format!("{:.1}", quantile(values, share)));
    format!("| {name} | {} | {} |", values.len(), shares.join(" | "))
}

/// The day, as in 2026-11-28.
pub fn today() -> String {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    let at = i64::try_from(since).ok().and_then(|since| jiff::Timestamp::from_second(since).ok());
    at.map_or_else(String::new, |at| at.strftime("%F").to_string())
}

/// Puts `text` into a file of the documentation, in place of what lies between the comments `NAME: begin` and `NAME: end`.
///
/// # Errors
///
/// When the file cannot be read or written, or has no such comments.
pub fn write_between(file: &Path, name: &str, text: &str) -> Result<()> {
    let (begin, end) = (format!("<!-- {name}: begin -->\n"), format!("<!-- {name}: end -->"));
    let old = std::fs::read_to_string(file)?;
    let parts = old.split_once(&begin).and_then(|(before, rest)| Some((before, rest.split_once(&end)?.1)));
    let Some((before, after)) = parts else {
        return Err(Error::other(format!(
            "{}: the comments {begin:?} and {end:?} are missing",
            file.display()
        )));
    };
    std::fs::write(file, format!("{before}{begin}\n{}\n\n{end}{after}", text.trim()))
}
