//! Processor time of the threads of this process, by what they do.

use airchain::telemetry;

/// Processor seconds of each kind of thread that there is now, by the part of its name before the number.
pub(super) fn threads_cpu_s() -> std::io::Result<Vec<(String, f64)>> {
    let mut sums: Vec<(String, f64)> = Vec::new();
    for (name, seconds) in telemetry::threads_cpu_s(std::process::id())? {
        let kind = name.trim_end_matches(|letter: char| letter.is_ascii_digit() || letter == '-');
        match sums.iter_mut().find(|(known, _)| known == kind) {
            Some((_, sum)) => *sum += seconds,
            None => sums.push((kind.to_owned(), seconds)),
        }
    }
    Ok(sums)
}
