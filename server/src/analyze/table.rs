//! What was found, as lines for people.

use airchain::analysis::Analysis;

/// The line above the others.
pub(super) const HEADING: &str =
    " length    LUFS    LRA   dBTP   cue in    intro     next  cue out  format                 title\n";

/// The line of one file.
pub(super) fn row(analysis: &Analysis) -> String {
    let path = printable(&analysis.path);
    if let (Some(error), None) = (&analysis.error, analysis.frames) {
        return format!("{}\n", printable(error));
    }
    let number = |value: Option<f64>, decimals: usize| match value {
        Some(value) => format!("{value:.decimals$}"),
        None => "-".to_owned(),
    };
    let seconds = analysis.duration_s.unwrap_or(0.0);
    let length = format!("{}:{:04.1}", (seconds / 60.0) as u64, seconds % 60.0);
    let rate = analysis.sample_rate_hz.unwrap_or(0);
    let channels = match analysis.channels {
        Some(1) => "mono".to_owned(),
        Some(2) | None => "stereo".to_owned(),
        Some(more) => format!("{more} ch"),
    };
    let format = format!("{} {rate} {channels}", analysis.codec.as_deref().unwrap_or("-"));
    let title = match (&analysis.artist, &analysis.title) {
        (Some(artist), Some(title)) => printable(&format!("{artist} - {title}")),
        (_, Some(title)) => printable(title),
        _ => path.clone(),
    };
    let row = format!(
        "{length:>7} {:>7} {:>6} {:>6} {:>8} {:>8} {:>8} {:>8}  {format:<21}  {title}\n",
        number(analysis.integrated_lufs, 1),
        number(analysis.loudness_range_lu, 1),
        number(analysis.true_peak_dbtp, 1),
        number(analysis.cue_in_s, 2),
        number(analysis.intro_end_s, 2),
        number(analysis.start_next_s, 2),
        number(analysis.cue_out_s, 2),
    );
    match &analysis.error {
        Some(error) => format!("{row}        {}\n", printable(error)),
        None => row,
    }
}

/// Text without what could move a terminal's cursor.
fn printable(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}
