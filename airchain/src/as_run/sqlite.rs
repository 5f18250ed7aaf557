//! Records as rows of an SQLite database.

use std::path::Path;
use std::time::Duration;

use jiff::Timestamp;
use rusqlite::{Connection, params};

use super::Record;

/// How long somebody else may hold the database.
const BUSY: Duration = Duration::from_secs(5);

/// `item` is the whole item, as in reports; times are text of fixed width, so that they sort.
const TABLE: &str = "
CREATE TABLE IF NOT EXISTS as_run (
    station TEXT NOT NULL, tier TEXT NOT NULL, id TEXT NOT NULL, path TEXT NOT NULL,
    title TEXT, artist TEXT, album TEXT, item TEXT NOT NULL, part INTEGER NOT NULL,
    start_frame INTEGER NOT NULL, end_frame INTEGER NOT NULL, start_utc TEXT, end_utc TEXT,
    duration_s REAL NOT NULL, ending TEXT NOT NULL, integrated_lufs REAL, true_peak_dbtp REAL
) STRICT;
CREATE INDEX IF NOT EXISTS as_run_by_start ON as_run (start_utc);
";

/// Appends a row, durably. Those who read the database need not wait for it, nor it for them.
///
/// The database is opened anew for each record, like a file of lines: when it is closed again it is one file.
pub(super) fn append(path: &Path, record: &Record) -> Result<(), rusqlite::Error> {
    let db = Connection::open(path)?;
    db.busy_timeout(BUSY)?;
    db.query_row("PRAGMA journal_mode = WAL", [], |_| Ok(()))?;
    db.execute_batch("PRAGMA synchronous = FULL")?;
    db.execute_batch(TABLE)?;
    let item = &record.item;
    let ending = serde_json::to_value(record.ending).unwrap_or_default();
    let utc = |time: Option<Timestamp>| time.map(|time| format!("{time:.9}"));
    db.execute(
        "INSERT INTO as_run VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17)",
        params![
            record.station,
            record.tier.name(),
            item.id,
            item.path,
            item.metadata.title,
            item.metadata.artist,
            item.metadata.album,
            serde_json::to_string(item).unwrap_or_default(),
            record.part,
            record.start_frame as i64,
            record.end_frame as i64,
            utc(record.start_utc),
            utc(record.end_utc),
            record.duration_s,
            ending.as_str().unwrap_or_default(),
            record.integrated_lufs,
            record.true_peak_dbtp,
        ],
    )?;
    Ok(())
}
