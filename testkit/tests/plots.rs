//! The figures in `docs/plots` are those that the nodes give today.
#![allow(clippy::unwrap_used)]

#[path = "../examples/plots/figures.rs"]
mod figures;
#[path = "../examples/plots/svg.rs"]
mod svg;

use std::path::Path;

/// The words of a figure, and the numbers between them.
fn parts(text: &str) -> (Vec<&str>, Vec<f64>) {
    let digit = |c: char| c.is_ascii_digit() || c == '.' || c == '-';
    let words = text.split(digit).filter(|word| !word.is_empty()).collect();
    let numbers = text.split(|c| !digit(c)).filter_map(|number| number.parse().ok()).collect();
    (words, numbers)
}

#[test]
fn the_figures_are_not_stale() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/plots");
    let figures = figures::all();
    for (name, plot) in &figures {
        let drawn = plot.svg();
        let path = folder.join(format!("{name}.svg"));
        let kept =
            std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let ((words, numbers), (kept_words, kept_numbers)) = (parts(&drawn), parts(&kept));
        // A pixel is no difference: other processors round otherwise.
        let near = numbers.len() == kept_numbers.len()
            && numbers.iter().zip(&kept_numbers).all(|(a, b)| (a - b).abs() <= 1.0);
        assert!(words == kept_words && near, "{name}.svg is stale; draw it again with make plots");
    }
    assert_eq!(std::fs::read_dir(folder).unwrap().count(), figures.len(), "a figure is no longer drawn");
}
