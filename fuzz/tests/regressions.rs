//! Everything that fuzzing has found, and what it begins with, once more.

use std::path::Path;

use airchain_fuzz::{TARGETS, run};

/// Replays the seeds of a target and its folder in `regressions/`.
fn replay(name: &str) {
    let target = TARGETS.iter().find(|target| target.name == name).expect("there is such a target");
    let seeds = (target.seeds)();
    assert!(!seeds.is_empty(), "{name} has no seeds");
    for seed in seeds {
        assert!(seed.bytes.len() <= target.longest, "{name}: {} has {} bytes", seed.name, seed.bytes.len());
        run(name, &seed.bytes);
    }
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("regressions").join(name);
    // A target that nothing was found with has no folder.
    for entry in std::fs::read_dir(folder).into_iter().flatten() {
        let path = entry.expect("the folder can be read").path();
        run(name, &std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display())));
    }
}

macro_rules! replay {
    ($($name:ident)*) => {
        $(#[test]
        fn $name() {
            replay(stringify!($name));
        })*

        #[test]
        fn every_target_is_replayed_and_has_its_program() {
            let names: Vec<_> = TARGETS.iter().map(|target| target.name).collect();
            assert_eq!(names, [$(stringify!($name)),*]);
            let programs: Vec<_> = include_str!("../Cargo.toml").split("[[bin]]").skip(1)
                .map(|bin| bin.lines().find_map(|line| line.strip_prefix("name = ")).unwrap_or_default().trim_matches('"'))
                .collect();
            assert_eq!(names, programs);
        }
    };
}

replay!(decode containers stream webstream playlist config script engine http muxers);
