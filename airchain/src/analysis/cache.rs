//! Results in an SQLite database, by the content of the files they are of.
//!
//! Two tables: which content a path had when its file had a certain size and certain times, and what was found in a
//! content by which options. Nothing that is wrong with the database stops an analysis.

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use rusqlite::{Connection, OpenFlags, OptionalExtension, params};

use super::CacheError;
use super::content::{BrokenOff, Content, Stamp};
use super::hash::hash;
use crate::station::lock;

/// Marks the database as an analysis cache ("airc"), and its layout.
const APPLICATION: i32 = 0x6169_7263;
const LAYOUT: i32 = 1;
/// How long somebody else may hold the database.
const BUSY: Duration = Duration::from_secs(2);
/// After something went wrong the cache is left alone so long, lest every file waits for it.
const REST: Duration = Duration::from_secs(60);
/// Characters of an answer at most.
const MAX_ANSWER: i64 = 64 << 20;

const TABLES: &str = "
CREATE TABLE IF NOT EXISTS files (
    path BLOB PRIMARY KEY, size INTEGER NOT NULL, modified_ns INTEGER NOT NULL, changed_ns INTEGER NOT NULL,
    content BLOB NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS results (
    content BLOB NOT NULL, question TEXT NOT NULL, answer TEXT NOT NULL, PRIMARY KEY (content, question)
) STRICT, WITHOUT ROWID;
";

/// What was measured before, in a file of its own. Processes and threads may share it.
pub struct Cache {
    path: PathBuf,
    state: Mutex<State>,
}

struct State {
    database: Connection,
    resting_until: Option<Instant>,
}

impl Cache {
    /// Opens the cache at `path`, or makes one, with the folders above it.
    pub fn open(path: &Path) -> Result<Self, CacheError> {
        let unusable = |message: String| CacheError::Unusable { path: path.to_owned(), message };
        if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
            std::fs::create_dir_all(folder).map_err(|error| unusable(error.to_string()))?;
        }
        // Without URIs: a path is a path, whatever it looks like.
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE
            | OpenFlags::SQLITE_OPEN_CREATE
            | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let opened = Connection::open_with_flags(path, flags).and_then(|database| {
            let is_cache = prepare(&database)?;
            Ok((database, is_cache))
        });
        match opened.map_err(|error| unusable(error.to_string()))? {
            (database, Kind::Cache) => {
                let state = Mutex::new(State { database, resting_until: None });
                Ok(Self { path: path.to_owned(), state })
            }
            (_, Kind::Newer) => Err(CacheError::Newer { path: path.to_owned() }),
            (_, Kind::Other) => Err(CacheError::NotACache { path: path.to_owned() }),
        }
    }

    /// Where the cache of a user is: `airchain/analysis.sqlite` in `$XDG_CACHE_HOME`, or else in `~/.cache`; `None` where
    /// there is no home.
    pub fn default_path() -> Option<PathBuf> {
        let absolute = |name| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
        let folder = absolute("XDG_CACHE_HOME").or_else(|| Some(absolute("HOME")?.join(".cache")))?;
        Some(folder.join("airchain").join("analysis.sqlite"))
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The content that the file at `path` had when it had this stamp.
    pub(super) fn content_of(&self, path: &Path, stamp: &Stamp) -> Option<Content> {
        let key = key(path)?;
        self.ask(|database| {
            let select =
                "SELECT content FROM files WHERE path = ?1 AND size = ?2 AND modified_ns = ?3 AND changed_ns = ?4";
            let known = params![key, stamp.size, stamp.modified_ns, stamp.changed_ns];
            database.query_row(select, known, |row| row.get::<_, Vec<u8>>(0)).optional()
        })?
        .and_then(|content| content.try_into().ok())
    }

    /// The content of the file at `path`, by reading all of it; `None` when that is not possible.
    pub(super) fn hash(
        &self,
        path: &Path,
        watch: &mut dyn FnMut() -> ControlFlow<()>,
    ) -> Result<Option<Content>, BrokenOff> {
        hash(path, watch)
    }

    /// Notes the content of the file at `path`.
    pub(super) fn remember(&self, path: &Path, stamp: &Stamp, content: &Content) {
        let Some(key) = key(path) else { return };
        self.ask(|database| {
            let insert = "INSERT OR REPLACE INTO files VALUES (?1, ?2, ?3, ?4, ?5)";
            database.execute(insert, params![key, stamp.size, stamp.modified_ns, stamp.changed_ns, content])
        });
    }

    /// The answer that is kept to a question about a content.
    pub(super) fn get(&self, content: &Content, question: &str) -> Option<String> {
        let select =
            "SELECT answer FROM results WHERE content = ?1 AND question = ?2 AND length(answer) <= ?3";
        self.ask(|database| {
            let asked = params![content, question, MAX_ANSWER];
            database.query_row(select, asked, |row| row.get::<_, String>(0)).optional()
        })?
    }

    /// Keeps the answer to a question about a content.
    pub(super) fn put(&self, content: &Content, question: &str, answer: &str) {
        if answer.chars().count() as i64 > MAX_ANSWER {
            return;
        }
        self.ask(|database| {
            let insert = "INSERT OR REPLACE INTO results VALUES (?1, ?2, ?3)";
            database.execute(insert, params![content, question, answer])
        });
    }

    /// Asks the database, unless it is resting; `None` when it fails.
    fn ask<T>(&self, question: impl FnOnce(&Connection) -> rusqlite::Result<T>) -> Option<T> {
        let mut state = lock(&self.state);
        if state.resting_until.is_some_and(|until| Instant::now() < until) {
            return None;
        }
        let answer = question(&state.database);
        if let Err(error) = &answer {
            let path = self.path.display();
            tracing::warn!("analysis cache {path}: {error}; on without it for {} s", REST.as_secs());
            state.resting_until = Some(Instant::now() + REST);
        }
        answer.ok()
    }
}

enum Kind {
    Cache,
    Newer,
    Other,
}

/// Sees what kind of database it is, and makes an empty one a cache.
fn prepare(database: &Connection) -> rusqlite::Result<Kind> {
    database.busy_timeout(BUSY)?;
    // Whoever made the file, it runs nothing of its own. What a power cut takes is measured again.
    database.execute_batch("PRAGMA trusted_schema = OFF; PRAGMA synchronous = NORMAL")?;
    let number = |pragma: &str| database.query_row(pragma, [], |row| row.get::<_, i32>(0));
    let tables = number("SELECT count(*) FROM sqlite_schema")?;
    let (application, layout) = (number("PRAGMA application_id")?, number("PRAGMA user_version")?);
    if tables > 0 || application != 0 {
        return Ok(match (application, layout) {
            (APPLICATION, LAYOUT) => Kind::Cache,
            (APPLICATION, _) => Kind::Newer,
            _ => Kind::Other,
        });
    }
    // Those who read need not wait for the one who writes.
    database.query_row("PRAGMA journal_mode = WAL", [], |_| Ok(()))?;
    database.execute_batch(&format!(
        "BEGIN IMMEDIATE; {TABLES}
         PRAGMA application_id = {APPLICATION}; PRAGMA user_version = {LAYOUT}; COMMIT"
    ))?;
    Ok(Kind::Cache)
}

/// A path as the database knows it.
fn key(path: &Path) -> Option<Vec<u8>> {
    Some(std::path::absolute(path).ok()?.into_os_string().into_encoded_bytes())
}
