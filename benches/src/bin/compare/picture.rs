//! Bars as SVG: a panel for each figure, a bar for each tool. Readable on light and dark pages, whose background shows.

use std::fmt::Write;

const WIDTH: f64 = 760.0;
/// Where bars begin, and how long the longest is.
const BARS: (f64, f64) = (130.0, 500.0);
const ROW: f64 = 24.0;
/// Above the bars of a panel: its title.
const HEAD: f64 = 34.0;

/// A figure of several tools.
pub(crate) struct Panel {
    pub(crate) title: String,
    /// Name and value; airchain's stand out.
    pub(crate) bars: Vec<(String, f64)>,
    pub(crate) unit: &'static str,
    /// A value that nobody can be better than.
    pub(crate) floor: Option<(String, f64)>,
}

/// All panels below each other, as the text of an SVG file.
pub(crate) fn svg(panels: &[Panel]) -> String {
    let height: f64 =
        16.0 + panels.iter().map(|panel| HEAD + 14.0 + ROW * panel.bars.len() as f64).sum::<f64>();
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" font-family=\"sans-serif\" font-size=\"13\">\n\
         <title>airchain beside other tools</title>\n<style>\n\
         text {{ fill: #24292f }} .ours {{ fill: #0072b2 }} .theirs {{ fill: #8c959f }} .floor {{ stroke: #d55e00; fill: none }}\n\
         .note {{ fill: #b04a00; font-size: 11px }} .title {{ font-weight: bold }}\n\
         @media (prefers-color-scheme: dark) {{ text {{ fill: #e6edf3 }} .ours {{ fill: #56b4e9 }} .theirs {{ fill: #6e7681 }} \
         .note {{ fill: #ffa657 }} }}\n</style>\n"
    );
    let mut top = 8.0;
    for panel in panels {
        let _ = writeln!(out, "<text class=\"title\" x=\"8\" y=\"{}\">{}</text>", top + 18.0, panel.title);
        top += HEAD;
        let most = panel.bars.iter().map(|(_, value)| *value).fold(f64::MIN_POSITIVE, f64::max);
        let (left, longest) = BARS;
        let length = |value: f64| value / most * longest;
        for (n, (name, value)) in panel.bars.iter().enumerate() {
            let y = top + ROW * n as f64;
            let class = if name.starts_with("airchain") { "ours" } else { "theirs" };
            let _ = writeln!(
                out,
                "<text x=\"{}\" y=\"{}\" text-anchor=\"end\">{name}</text>\n\
                 <rect class=\"{class}\" x=\"{left}\" y=\"{}\" width=\"{:.1}\" height=\"{}\" rx=\"2\"/>\n\
                 <text x=\"{:.1}\" y=\"{}\">{} {}</text>",
                left - 8.0,
                y + 15.0,
                y + 2.0,
                length(*value).max(1.0),
                ROW - 6.0,
                left + length(*value) + 6.0,
                y + 15.0,
                figure(*value),
                panel.unit,
            );
        }
        let rows = ROW * panel.bars.len() as f64;
        if let Some((name, value)) = &panel.floor {
            let x = left + length(*value);
            let _ = writeln!(
                out,
                "<path class=\"floor\" d=\"M{x:.1} {}V{:.1}\" stroke-dasharray=\"4 3\"/>\n\
                 <text class=\"note\" x=\"{x:.1}\" y=\"{}\" text-anchor=\"middle\">{name}</text>",
                top - 2.0,
                top + rows,
                top + rows + 12.0,
            );
        }
        top += rows + 14.0;
    }
    out.push_str("</svg>\n");
    out
}

/// Three digits, as far as they say something.
pub(crate) fn figure(value: f64) -> String {
    match value {
        100.0.. => format!("{value:.0}"),
        10.0.. => format!("{value:.1}"),
        _ => format!("{value:.2}"),
    }
}
