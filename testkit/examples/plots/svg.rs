//! A line plot as SVG: axes, a grid, and a curve for each series.

use std::fmt::Write;

const WIDTH: f64 = 720.0;
const HEIGHT: f64 = 400.0;
/// The area of the curves: left, top, right, bottom.
const AREA: [f64; 4] = [64.0, 40.0, 540.0, 344.0];
/// Of Okabe and Ito, which the colour-blind can tell apart.
const COLOURS: [&str; 7] = ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000"];

/// One axis.
pub(crate) struct Axis {
    pub(crate) label: &'static str,
    /// Where its grid lines are; the first and last are its ends.
    pub(crate) ticks: Vec<f64>,
    pub(crate) logarithmic: bool,
}

impl Axis {
    /// From `from` to `to` in steps of `step`.
    pub(crate) fn linear(label: &'static str, from: f64, to: f64, step: f64) -> Self {
        let count = ((to - from) / step).round() as usize;
        let ticks = (0..=count).map(|n| from + step * n as f64).collect();
        Self { label, ticks, logarithmic: false }
    }

    /// What is heard, in Hz.
    pub(crate) fn frequency() -> Self {
        let ticks = vec![20.0, 50.0, 100.0, 200.0, 500.0, 1e3, 2e3, 5e3, 1e4, 2e4];
        Self { label: "frequency (Hz)", ticks, logarithmic: true }
    }

    fn ends(&self) -> (f64, f64) {
        (self.ticks[0], self.ticks[self.ticks.len() - 1])
    }

    /// `count` values from one end to the other, evenly spread over it.
    pub(crate) fn spread(&self, count: usize) -> Vec<f64> {
        let (from, to) = self.ends();
        let share = |n: usize| n as f64 / (count - 1) as f64;
        let at = |n| {
            if self.logarithmic { from * (to / from).powf(share(n)) } else { from + share(n) * (to - from) }
        };
        (0..count).map(at).collect()
    }

    /// Where `value` is, from 0 to 1.
    fn share(&self, value: f64) -> f64 {
        let (from, to) = self.ends();
        if self.logarithmic { (value / from).ln() / (to / from).ln() } else { (value - from) / (to - from) }
    }
}

/// A series.
pub(crate) struct Curve {
    pub(crate) label: String,
    pub(crate) points: Vec<(f64, f64)>,
    pub(crate) dashed: bool,
}

impl Curve {
    pub(crate) fn new(label: impl Into<String>, points: Vec<(f64, f64)>) -> Self {
        Self { label: label.into(), points, dashed: false }
    }

    pub(crate) fn dashed(self) -> Self {
        Self { dashed: true, ..self }
    }
}

/// A plot.
pub(crate) struct Plot {
    pub(crate) title: &'static str,
    pub(crate) x: Axis,
    pub(crate) y: Axis,
    pub(crate) curves: Vec<Curve>,
}

impl Plot {
    /// As the text of an SVG file; the same curves give the same text.
    pub(crate) fn svg(&self) -> String {
        let [left, top, right, bottom] = AREA;
        let at_x = |value: f64| left + self.x.share(value) * (right - left);
        let at_y = |value: f64| bottom - self.y.share(value) * (bottom - top);
        let mut out = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" font-family=\"sans-serif\" font-size=\"12\">\n\
             <title>{title}</title>\n<rect width=\"{WIDTH}\" height=\"{HEIGHT}\" fill=\"#fff\"/>\n\
             <clipPath id=\"area\"><rect x=\"{left}\" y=\"{top}\" width=\"{}\" height=\"{}\"/></clipPath>\n\
             <text x=\"{left}\" y=\"24\" font-size=\"15\">{title}</text>\n",
            right - left,
            bottom - top,
            title = self.title,
        );
        let mut line = |x1: f64, y1: f64, x2: f64, y2: f64| {
            let _ = writeln!(out, "<path d=\"M{x1:.1} {y1:.1}L{x2:.1} {y2:.1}\" stroke=\"#ccc\"/>");
        };
        self.x.ticks.iter().for_each(|tick| line(at_x(*tick), top, at_x(*tick), bottom));
        self.y.ticks.iter().for_each(|tick| line(left, at_y(*tick), right, at_y(*tick)));
        let mut text = |x: f64, y: f64, anchor: &str, text: &str| {
            let _ = writeln!(out, "<text x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\">{text}</text>");
        };
        self.x.ticks.iter().for_each(|tick| text(at_x(*tick), bottom + 16.0, "middle", &number(*tick)));
        self.y.ticks.iter().for_each(|tick| text(left - 6.0, at_y(*tick) + 4.0, "end", &number(*tick)));
        text((left + right) / 2.0, bottom + 38.0, "middle", self.x.label);
        let (x, y) = (16.0, (top + bottom) / 2.0);
        let _ = writeln!(
            out,
            "<text x=\"{x}\" y=\"{y}\" text-anchor=\"middle\" transform=\"rotate(-90 {x} {y})\">{}</text>",
            self.y.label
        );
        for (n, curve) in self.curves.iter().enumerate() {
            let style = format!(
                "fill=\"none\" stroke=\"{}\" stroke-width=\"1.8\"{}",
                COLOURS[n % COLOURS.len()],
                if curve.dashed { " stroke-dasharray=\"6 4\"" } else { "" }
            );
            let points: Vec<String> =
                curve.points.iter().map(|(x, y)| format!("{:.1} {:.1}", at_x(*x), at_y(*y))).collect();
            let _ = writeln!(out, "<path clip-path=\"url(#area)\" {style} d=\"M{}\"/>", points.join("L"));
            let y = top + 10.0 + 20.0 * n as f64;
            let _ = writeln!(out, "<path {style} d=\"M{} {y}h24\"/>", right + 12.0);
            let _ = writeln!(out, "<text x=\"{}\" y=\"{}\">{}</text>", right + 42.0, y + 4.0, curve.label);
        }
        out.push_str("</svg>\n");
        out
    }
}

/// A tick's value: thousands as k.
fn number(value: f64) -> String {
    if value.abs() >= 1e3 {
        format!("{}k", value / 1e3)
    } else {
        format!("{}", (value * 100.0).round() / 100.0)
    }
}
