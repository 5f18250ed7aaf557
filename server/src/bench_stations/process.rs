//! What the system says of the threads of this process: `/proc/self/task`, proc(5).

use std::fs;

/// Processor seconds of each kind of thread that there is now, by the part of its name before the number. What threads that
/// have ended took is in the total of the process alone.
pub(super) fn threads_cpu_s() -> std::io::Result<Vec<(String, f64)>> {
    let mut sums: Vec<(String, f64)> = Vec::new();
    for thread in fs::read_dir("/proc/self/task")? {
        // A thread may end at any time.
        let Ok(stat) = fs::read_to_string(thread?.path().join("stat")) else { continue };
        let Some((head, fields)) = stat.rsplit_once(')') else { continue };
        let name = head.split_once('(').map_or("", |(_, name)| name);
        let kind = name.trim_end_matches(|letter: char| letter.is_ascii_digit() || letter == '-').to_owned();
        let ticks = |index: usize| fields.split_whitespace().nth(index)?.parse::<f64>().ok();
        // Fields 14 and 15, of which the first after the name is the third; in hundredths of a second.
        let seconds = (ticks(11).unwrap_or(0.0) + ticks(12).unwrap_or(0.0)) / 100.0;
        match sums.iter_mut().find(|(known, _)| *known == kind) {
            Some((_, sum)) => *sum += seconds,
            None => sums.push((kind, seconds)),
        }
    }
    Ok(sums)
}
