//! Durations as people type them.

use std::time::Duration;

/// Reads `90`, `90s`, `1.5h`, `1h30m`, `500ms` or `1:30:00`.
pub(crate) fn parse(text: &str) -> Result<Duration, String> {
    let wrong = || format!("{text} is not a duration, give one like 90, 10s, 1h30m or 1:30:00");
    let seconds = if text.contains(':') { clock(text) } else { units(text) };
    let seconds = seconds.filter(|seconds| (0.0..=1e9).contains(seconds)).ok_or_else(wrong)?;
    Ok(Duration::from_secs_f64(seconds))
}

fn clock(text: &str) -> Option<f64> {
    let parts: Vec<&str> = text.split(':').collect();
    if parts.len() > 3 {
        return None;
    }
    parts.iter().try_fold(0.0, |sum, part| Some(sum * 60.0 + plain(part)?))
}

fn units(text: &str) -> Option<f64> {
    let mut rest = text.trim();
    let mut sum = 0.0;
    if rest.is_empty() {
        return None;
    }
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !(c.is_ascii_digit() || c == '.')).unwrap_or(rest.len());
        let (number, tail) = rest.split_at(digits);
        let letters = tail.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(tail.len());
        let (unit, tail) = tail.split_at(letters);
        let scale = match unit {
            "" | "s" => 1.0,
            "ms" => 0.001,
            "m" | "min" => 60.0,
            "h" => 3600.0,
            "d" => 86_400.0,
            _ => return None,
        };
        sum += plain(number)? * scale;
        rest = tail;
    }
    Some(sum)
}

fn plain(text: &str) -> Option<f64> {
    let digits = !text.is_empty() && text.chars().all(|c| c.is_ascii_digit() || c == '.');
    if digits { text.parse().ok() } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_people_type() {
        for (text, seconds) in [
            ("90", 90.0),
            ("10s", 10.0),
            ("1.5h", 5400.0),
            ("1h30m", 5400.0),
            ("500ms", 0.5),
            ("1:30:00", 5400.0),
        ] {
            assert_eq!(parse(text).unwrap().as_secs_f64(), seconds, "{text}");
        }
        for text in ["", "-1", "1x", "1:2:3:4", "nan", "h", "1e9"] {
            assert!(parse(text).is_err(), "{text}");
        }
    }
}
