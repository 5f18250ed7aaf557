//! Lists of items: M3U and PLS playlists, and folders.

use std::cmp::Ordering;
use std::collections::HashSet;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use airchain_codecs::decode::is_audio_extension;
use airchain_core::item::{Item, Metadata};

use crate::lists::{Entry, m3u, pls};
use crate::text;

/// Items in a list at most; a year of three-minute tracks.
const MAX_ITEMS: usize = 200_000;
/// Bytes of a playlist file at most.
const MAX_BYTES: u64 = 64 << 20;
/// Folders within folders at most.
const MAX_FOLDERS: usize = 32;
/// Playlists within playlists at most; few, for each may name many.
const MAX_PLAYLISTS: usize = 8;

/// Why a list cannot be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PlaylistError {
    /// It cannot be opened; the caller checks path and permissions.
    #[error("{path}: {source}")]
    Io {
        /// The file or folder.
        path: String,
        /// The system's words.
        source: std::io::Error,
    },
    /// It is no playlist, whatever its name says; the caller gives another.
    #[error("{path}: not a playlist ({message})")]
    Nonsense {
        /// The file.
        path: String,
        /// What was found.
        message: &'static str,
    },
    /// It lists more than can be meant; the caller splits it.
    #[error("{path}: more than {MAX_ITEMS} items")]
    TooMany {
        /// The file or folder.
        path: String,
    },
    /// There is nothing to play in it.
    #[error("{path}: nothing to play in it")]
    Empty {
        /// The file or folder.
        path: String,
    },
}

/// The items that a path stands for: those of a playlist (`.m3u`, `.m3u8`, `.pls`), the audio files of a folder
/// and its sub-folders in natural order, or the file itself.
///
/// What a playlist names is listed whether it exists or not; playing will tell. Playlists within playlists are
/// followed. Files of a folder whose names are not UTF-8 are left out.
pub fn expand(path: &Path) -> Result<Vec<Item>, PlaylistError> {
    let meta = std::fs::metadata(path).map_err(|source| io(path, source))?;
    let mut list = List { items: Vec::new(), open: Vec::new(), folders: HashSet::new() };
    if meta.is_dir() {
        list.folder(path, 0)?;
    } else if is_playlist(path) {
        list.playlist(path)?;
    } else {
        list.push(path, Item::file(path.to_string_lossy()))?;
    }
    if list.items.is_empty() {
        return Err(PlaylistError::Empty { path: path.display().to_string() });
    }
    Ok(list.items)
}

fn io(path: &Path, source: std::io::Error) -> PlaylistError {
    PlaylistError::Io { path: path.display().to_string(), source }
}

fn extension(path: &Path) -> String {
    path.extension().and_then(|extension| extension.to_str()).unwrap_or_default().to_ascii_lowercase()
}

/// Whether a path is a playlist by its extension: `.m3u`, `.m3u8` or `.pls`.
pub fn is_playlist(path: &Path) -> bool {
    matches!(extension(path).as_str(), "m3u" | "m3u8" | "pls")
}

struct List {
    items: Vec<Item>,
    /// The playlists being read, outermost first.
    open: Vec<PathBuf>,
    /// Folders already listed, by their true paths.
    folders: HashSet<PathBuf>,
}

impl List {
    fn push(&mut self, list: &Path, item: Item) -> Result<(), PlaylistError> {
        if self.items.len() >= MAX_ITEMS {
            return Err(PlaylistError::TooMany { path: list.display().to_string() });
        }
        self.items.push(item);
        Ok(())
    }

    fn folder(&mut self, path: &Path, depth: usize) -> Result<(), PlaylistError> {
        let canonical = path.canonicalize().map_err(|source| io(path, source))?;
        // Links may lead in circles, or twice to the same place.
        if depth > MAX_FOLDERS || !self.folders.insert(canonical) {
            return Ok(());
        }
        let mut names: Vec<String> = std::fs::read_dir(path)
            .map_err(|source| io(path, source))?
            .filter_map(|entry| {
                // Items, logs and playlists are UTF-8 throughout.
                let left_out = |name: OsString| {
                    tracing::warn!("{}: left out, its name is no UTF-8; rename it", path.join(name).display())
                };
                entry.ok()?.file_name().into_string().map_err(left_out).ok()
            })
            .filter(|name| !name.starts_with('.'))
            .take(MAX_ITEMS)
            .collect();
        names.sort_by(|a, b| natural(a, b));
        for name in names {
            let path = path.join(name);
            match std::fs::metadata(&path) {
                // A sub-folder that cannot be read does not spoil the rest.
                Ok(meta) if meta.is_dir() => match self.folder(&path, depth + 1) {
                    Err(PlaylistError::Io { path, source }) => tracing::warn!("{path}: {source}"),
                    other => other?,
                },
                Ok(meta) if meta.is_file() && is_audio_extension(&extension(&path)) => {
                    self.push(&path, Item::file(path.to_string_lossy()))?;
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn playlist(&mut self, path: &Path) -> Result<(), PlaylistError> {
        let text = read_text(path)?;
        let base = path.parent().unwrap_or(Path::new("")).to_owned();
        let entries = if extension(path) == "pls" { pls(&text) } else { m3u(&text) };
        self.open.push(path.canonicalize().unwrap_or_else(|_| path.to_owned()));
        for Entry { target, title } in entries {
            let target = resolve(&base, &target);
            let nested = Path::new(&target);
            if is_playlist(nested) && self.may_open(nested) {
                match self.playlist(nested) {
                    Ok(()) => continue,
                    Err(error @ PlaylistError::TooMany { .. }) => return Err(error),
                    // Listed as it stands, it is reported when its turn comes.
                    Err(_) => {}
                }
            }
            let metadata = title.map(|title| Metadata::from_line(&title)).unwrap_or_default();
            self.push(path, Item { metadata, ..Item::file(target) })?;
        }
        self.open.pop();
        Ok(())
    }

    /// Whether a playlist may be followed: not too deep, and not into itself.
    fn may_open(&self, path: &Path) -> bool {
        self.open.len() < MAX_PLAYLISTS && path.canonicalize().is_ok_and(|path| !self.open.contains(&path))
    }
}

/// Reads a playlist as text: UTF-8, with or without a byte order mark, or else windows-1252.
fn read_text(path: &Path) -> Result<String, PlaylistError> {
    let nonsense = |message| PlaylistError::Nonsense { path: path.display().to_string(), message };
    let length = std::fs::metadata(path).map_err(|source| io(path, source))?.len();
    if length > MAX_BYTES {
        return Err(nonsense("it is larger than 64 MB"));
    }
    let bytes = std::fs::read(path).map_err(|source| io(path, source))?;
    if bytes.contains(&0) {
        return Err(nonsense("it is not text"));
    }
    Ok(text::decode(&bytes))
}

/// A playlist's path as seen from here. URLs stay as they are.
fn resolve(base: &Path, target: &str) -> String {
    if target.contains("://") {
        return target.to_owned();
    }
    let path = base.join(target);
    if target.contains('\\') && !path.exists() {
        return base.join(target.replace('\\', "/")).to_string_lossy().into_owned();
    }
    path.to_string_lossy().into_owned()
}

/// Order of names as people sort them: numbers by value, letters whatever their case.
fn natural(a: &str, b: &str) -> Ordering {
    let (mut left, mut right) = (a, b);
    loop {
        let (digits_left, digits_right) = (digits(left), digits(right));
        let order = if digits_left > 0 && digits_right > 0 {
            let (x, y) = (&left[..digits_left], &right[..digits_right]);
            let (x, y) = (x.trim_start_matches('0'), y.trim_start_matches('0'));
            (left, right) = (&left[digits_left..], &right[digits_right..]);
            x.len().cmp(&y.len()).then_with(|| x.cmp(y))
        } else {
            let (mut x, mut y) = (left.chars(), right.chars());
            let order = match (x.next(), y.next()) {
                // Equal but for case and leading zeros: any fixed order will do.
                (None, None) => return a.cmp(b),
                (x, y) => x.map(lower).cmp(&y.map(lower)),
            };
            (left, right) = (x.as_str(), y.as_str());
            order
        };
        if order != Ordering::Equal {
            return order;
        }
    }
}

fn lower(c: char) -> char {
    c.to_lowercase().next().unwrap_or(c)
}

fn digits(text: &str) -> usize {
    text.bytes().take_while(u8::is_ascii_digit).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_sort_by_value() {
        let mut names = ["b2", "Track 10", "track 2", "b10", "b02", "Zebra", "änderung", "track 1"];
        names.sort_by(|a, b| natural(a, b));
        assert_eq!(names, ["b02", "b2", "b10", "track 1", "track 2", "Track 10", "Zebra", "änderung"]);
    }
}
