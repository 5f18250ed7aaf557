//! What our muxers make of the seeds and of what fuzzing found, read by ffmpeg: it has nothing to complain of.

use std::path::Path;
use std::process::Command;

use airchain_fuzz::{TARGETS, made};

#[test]
fn ffmpeg_reads_what_our_muxers_make_and_is_silent() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let target = TARGETS.iter().find(|target| target.name == "muxers").expect("there is such a target");
    let mut inputs: Vec<_> = (target.seeds)().into_iter().map(|seed| (seed.name, seed.bytes)).collect();
    let found = Path::new(env!("CARGO_MANIFEST_DIR")).join("regressions/muxers");
    for entry in std::fs::read_dir(found).into_iter().flatten() {
        let path = entry.expect("the folder can be read").path();
        inputs.push((path.display().to_string(), std::fs::read(&path).expect("it can be read")));
    }
    let mut extensions = Vec::new();
    for (name, input) in inputs {
        let Some((extension, bytes)) = made(&input) else { continue };
        let path = folder.path().join(format!("muxed.{extension}"));
        std::fs::write(&path, bytes).expect("the file can be written");
        let read = Command::new("ffmpeg")
            .args(["-nostdin", "-v", "error", "-i"])
            .arg(&path)
            .args(["-f", "null", "-"])
            .output()
            .expect("ffmpeg is needed by this test");
        let said = String::from_utf8_lossy(&read.stderr);
        assert!(read.status.success() && said.is_empty(), "{name}, {extension}: {said}");
        extensions.push(extension);
    }
    for kind in ["ts", "mp3", "aac", "opus", "ogg", "flac", "wav"] {
        assert!(extensions.contains(&kind), "no .{kind} among {extensions:?}");
    }
}
