//! Names of the files that are written beside those that are analysed.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use crate::Failed;

/// What stands for a file's own name, without its extension.
const NAME: &str = "{name}";

/// Hands out a name for each file.
#[derive(Debug)]
pub(super) struct Names {
    /// A path with [`NAME`] in it, or of one file alone; without its extension.
    template: String,
    /// Paths that were given out, and the highest number behind each.
    taken: HashMap<String, u64>,
}

impl Names {
    /// Names by what `flag` was given: a file; with several files a folder, or a path with `{name}` in it. Gives them
    /// with the extension, one of `extensions`, that was given too.
    pub(super) fn new(
        flag: &str,
        path: &Path,
        several: bool,
        extensions: &[&'static str],
    ) -> Result<(Self, Option<&'static str>), Failed> {
        let refuse = |accepted: &str| Failed::new(format!("{flag} {}: give {accepted}", path.display()));
        let text = path.to_str().ok_or_else(|| refuse("a name in UTF-8"))?;
        let given = extensions.iter().find_map(|extension| {
            let (stem, end) = text.split_at_checked(text.len().checked_sub(extension.len() + 1)?)?;
            let is_it = end.starts_with('.') && end[1..].eq_ignore_ascii_case(extension);
            is_it.then_some((stem, *extension))
        });
        let is_folder = text.ends_with('/') || path.is_dir();
        let template = match given {
            _ if text.is_empty() => return Err(refuse("a file or a folder")),
            _ if is_folder => path.join(NAME).to_string_lossy().into_owned(),
            Some((stem, _)) if several && !stem.contains(NAME) => {
                return Err(refuse("a folder, or a name with {name} in it, where there are several files"));
            }
            Some((stem, _)) => stem.to_owned(),
            None if several && !text.contains(NAME) => path.join(NAME).to_string_lossy().into_owned(),
            None => text.to_owned(),
        };
        let given = given.filter(|_| !is_folder).map(|(_, extension)| extension);
        Ok((Self { template, taken: HashMap::new() }, given))
    }

    /// Whether it makes names of the files' own.
    pub(super) fn is_folder(&self) -> bool {
        self.template.contains(NAME)
    }

    /// A name for what belongs to `source`. Files of one name get numbers.
    pub(super) fn of(&mut self, source: &Path, extension: &str) -> PathBuf {
        let name = safe(&source.file_stem().unwrap_or_default().to_string_lossy());
        let path = |name: &str| format!("{}.{extension}", self.template.replace(NAME, name));
        let first = path(&name);
        // There are disks that know no capitals.
        let given = self.taken.get(&first.to_lowercase()).copied().unwrap_or(0);
        let (mut number, mut chosen) = (given, first.clone());
        while self.is_folder() && self.taken.contains_key(&chosen.to_lowercase()) {
            number += 1;
            chosen = path(&format!("{name}-{number}"));
        }
        self.taken.insert(chosen.to_lowercase(), 1);
        self.taken.insert(first.to_lowercase(), number.max(1));
        PathBuf::from(chosen)
    }
}

/// A name without anything that means something in a path or to a terminal.
fn safe(name: &str) -> String {
    let odd = |c: char| c.is_control() || "/\\:*?\"<>|".contains(c);
    let name: String = name.chars().map(|c| if odd(c) { '_' } else { c }).collect();
    let name = name.trim_start_matches('.').trim();
    if name.is_empty() { "audio".into() } else { name.into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(path: &str, several: bool) -> Result<(Names, Option<&'static str>), String> {
        Names::new("--waveform", Path::new(path), several, &["json", "svg"]).map_err(|Failed(words)| words)
    }

    #[test]
    fn every_file_has_a_name_of_its_own() {
        let (mut folder, given) = names("out", true).unwrap();
        assert_eq!(given, None);
        for (source, name) in [
            ("/music/a.mp3", "out/a.json"),
            ("/other/a.flac", "out/a-2.json"),
            ("/other/A.flac", "out/A-3.json"),
            ("a-2.flac", "out/a-2-2.json"),
            ("a.opus", "out/a-4.json"),
            ("Mr. Blue.ogg", "out/Mr. Blue.json"),
            ("...mp3", "out/audio.json"),
            ("a\u{1b}[2J.mp3", "out/a_[2J.json"),
        ] {
            assert_eq!(folder.of(Path::new(source), "json"), Path::new(name));
        }
        let (mut template, given) = names("out/{name}/wave.SVG", true).unwrap();
        assert_eq!(given, Some("svg"));
        assert_eq!(template.of(Path::new("b.mp3"), "svg"), Path::new("out/b/wave.svg"));
        let (mut file, given) = names("wave.json", false).unwrap();
        assert_eq!((file.of(Path::new("b.mp3"), "json"), given), (PathBuf::from("wave.json"), Some("json")));
        let (mut slash, _) = names("new/", false).unwrap();
        assert_eq!(slash.of(Path::new("b.mp3"), "json"), Path::new("new/b.json"));
    }

    #[test]
    fn one_name_for_several_files_is_refused() {
        let words = names("out.svg", true).unwrap_err();
        assert!(words.contains("--waveform out.svg: give a folder, or a name with {name}"), "{words}");
        assert!(names("", false).is_err());
    }
}
