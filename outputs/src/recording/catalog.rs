//! Which files of a folder are recordings of an output.
//!
//! Where the time alone makes their names, the names say so. A title in them could be anything, so there a list beside the
//! recordings says it: a line for each, written when the file is made. Whatever else is in the folder is not ours.

use std::collections::{HashMap, VecDeque};
use std::fs::{self, File};
use std::io::{self, Read, Write as _};
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::cue;
use super::name::Naming;

/// A larger list is none of ours: a file an hour takes that in a hundred years.
const LARGEST: u64 = 256 << 20;

/// Recordings whose order is remembered.
const REMEMBERED: usize = 10_000;

/// A recording that was found.
pub(super) struct Recorded {
    /// When it began, and the how manieth of that time it is.
    pub(super) began: (Timestamp, u32),
    pub(super) path: PathBuf,
    /// With the cue sheet beside it.
    pub(super) bytes: u64,
}

/// The recordings of an output.
pub(super) struct Catalog {
    dir: PathBuf,
    naming: Naming,
    /// Where names do not tell, what the list says.
    listed: Option<Vec<Line>>,
    made: Made,
}

/// Recordings of this run in the order in which they were made. Behind a clock that was set back their times are in another.
pub(super) type Made = VecDeque<PathBuf>;

/// A line of the list.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Line {
    name: String,
    began: Timestamp,
}

impl Catalog {
    /// The recordings of such names in a folder, of which some were `made` in this run.
    pub(super) fn open(dir: &Path, naming: Naming, made: Made) -> Self {
        let mut this = Self { dir: dir.to_owned(), naming, listed: None, made };
        this.listed = (!this.naming.tells_time()).then(|| read(&this.list()));
        this
    }

    /// Those that were made in this run.
    pub(super) fn into_made(self) -> Made {
        self.made
    }

    pub(super) fn naming(&self) -> &Naming {
        &self.naming
    }

    /// Takes down a recording that has been created.
    pub(super) fn note(&mut self, path: &Path, began: Timestamp) -> io::Result<()> {
        self.made.push_back(path.to_owned());
        if self.made.len() > REMEMBERED {
            self.made.pop_front();
        }
        let list = self.list();
        let Some(listed) = &mut self.listed else { return Ok(()) };
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let line = Line { name, began };
        // In one piece; behind a line that a kill has cut short, too.
        let mut text = b"\n".to_vec();
        serde_json::to_writer(&mut text, &line)?;
        text.push(b'\n');
        File::options().append(true).create(true).open(&list)?.write_all(&text)?;
        listed.push(line);
        Ok(())
    }

    /// Those that are there, the oldest first.
    pub(super) fn recordings(&mut self) -> Vec<Recorded> {
        let mut found = match &self.listed {
            Some(_) => self.of_list(),
            None => self.of_names(),
        };
        let made: HashMap<&Path, usize> = self.made.iter().map(PathBuf::as_path).zip(0..).collect();
        found.sort_by_key(|file| (made.get(&*file.path).copied(), file.began));
        found
    }

    fn of_names(&self) -> Vec<Recorded> {
        let Ok(entries) = fs::read_dir(&self.dir) else { return Vec::new() };
        let names = entries.flatten().filter_map(|entry| entry.file_name().into_string().ok());
        names.filter_map(|name| recorded(&self.dir, &name, self.naming.parse(&name)?)).collect()
    }

    /// Forgets those that are gone, so that one who puts a file of that name there keeps it.
    fn of_list(&mut self) -> Vec<Recorded> {
        let list = self.list();
        let listed = self.listed.as_mut().map(std::mem::take).unwrap_or_default();
        let before = listed.len();
        let (mut found, mut left) = (Vec::new(), Vec::new());
        for (n, line) in (1..).zip(listed) {
            if let Some(recorded) = recorded(&self.dir, &line.name, (line.began, n)) {
                found.push(recorded);
                left.push(line);
            }
        }
        if left.len() < before
            && let Err(error) = write(&list, &left)
        {
            tracing::warn!(path = %list.display(), %error, "cannot write the list of recordings");
        }
        self.listed = Some(left);
        found
    }

    fn list(&self) -> PathBuf {
        self.dir.join(self.naming.list())
    }
}

/// A file, if it is one. Of the entry itself: a link of such a name is not ours.
fn recorded(dir: &Path, name: &str, began: (Timestamp, u32)) -> Option<Recorded> {
    let path = dir.join(name);
    // A list that others have changed leads nowhere else.
    let inside = path.parent() == Some(dir) && path.file_name().is_some();
    let data = fs::symlink_metadata(&path).ok().filter(|data| inside && data.is_file())?;
    let bytes = data.len() + cue::bytes_beside(&path);
    Some(Recorded { began, path, bytes })
}

/// What a list says; what it does not is kept.
fn read(list: &Path) -> Vec<Line> {
    let mut text = Vec::new();
    match File::open(list).and_then(|file| file.take(LARGEST).read_to_end(&mut text)) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            let path = list.display();
            tracing::warn!(%path, %error, "cannot read the list of recordings; those before now are kept");
        }
        _ => {}
    }
    text.split(|byte| *byte == b'\n').filter_map(|line| serde_json::from_slice(line).ok()).collect()
}

fn write(list: &Path, lines: &[Line]) -> io::Result<()> {
    let mut text = Vec::new();
    for line in lines {
        serde_json::to_writer(&mut text, line)?;
        text.push(b'\n');
    }
    let mut beside = list.as_os_str().to_owned();
    beside.push(".tmp");
    let beside = PathBuf::from(beside);
    let written = fs::write(&beside, &text).and_then(|()| fs::rename(&beside, list));
    if written.is_err() {
        let _ = fs::remove_file(&beside);
    }
    written
}
