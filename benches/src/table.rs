//! Figures as text: what lies in the middle of them, and how far they go.

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
