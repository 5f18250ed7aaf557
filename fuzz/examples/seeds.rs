//! Writes the seeds of every target, or of those that are named, to `fuzz/corpus/`, and prints a line of each target's name
//! and the bytes that its inputs have at most. Run by `scripts/fuzz`.

use std::io::Write;
use std::path::Path;

use airchain_fuzz::TARGETS;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let asked: Vec<String> = std::env::args().skip(1).collect();
    let names: Vec<&str> = TARGETS.iter().map(|target| target.name).collect();
    if let Some(other) = asked.iter().find(|asked| !names.contains(&asked.as_str())) {
        return Err(format!("target: {other:?} is not known, give one of {}", names.join(", ")).into());
    }
    for target in
        TARGETS.iter().filter(|target| asked.is_empty() || asked.iter().any(|name| name == target.name))
    {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus").join(target.name);
        std::fs::create_dir_all(&folder)?;
        for seed in (target.seeds)() {
            std::fs::write(folder.join(seed.name), seed.bytes)?;
        }
        writeln!(std::io::stdout(), "{} {}", target.name, target.longest)?;
    }
    Ok(())
}
