//! The hand that writes a station's records, on the I/O workers' threads for work that may block.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use tokio::runtime::Handle;
use tokio::sync::mpsc::{self, Receiver, Sender};
use tokio::task::JoinHandle;
use tracing::Instrument;

use super::{AsRunLog, LogFormat, Record, jsonl};

/// Records that may wait for a disk: days of ordinary items.
const QUEUE: usize = 1000;
/// The pause before a disk that refused a record is tried again.
const RETRY: Duration = Duration::from_secs(1);
/// A disk that takes longer over a record is said to hang.
const SLOW: Duration = Duration::from_secs(10);

/// Starts to write; ends when the sender is gone and everything is written, or has been refused once more.
pub(super) fn spawn(runtime: &Handle, log: AsRunLog) -> (Sender<Record>, JoinHandle<()>) {
    let (sender, records) = mpsc::channel(QUEUE);
    (sender, runtime.spawn(write(Arc::new(log), records).in_current_span()))
}

async fn write(log: Arc<AsRunLog>, mut records: Receiver<Record>) {
    let mut is_failing = false;
    let mut lost = 0;
    while let Some(record) = records.recv().await {
        let record = Arc::new(record);
        loop {
            let (log, record) = (Arc::clone(&log), Arc::clone(&record));
            let mut writing = tokio::task::spawn_blocking(move || append(&log, &record));
            let written = match tokio::time::timeout(SLOW, &mut writing).await {
                Ok(written) => written,
                Err(_) => {
                    is_failing = true;
                    tracing::error!("as-run log: its disk hangs; its records wait");
                    writing.await
                }
            };
            match written.unwrap_or_else(|error| Err(error.to_string())) {
                Ok(()) if is_failing => {
                    is_failing = false;
                    tracing::info!("the as-run log is written again");
                }
                Ok(()) => {}
                Err(error) => {
                    if !is_failing {
                        is_failing = true;
                        tracing::error!("as-run log: {error}; its records wait, and are tried again");
                    }
                    if !records.is_closed() {
                        tokio::time::sleep(RETRY).await;
                        continue;
                    }
                    lost += 1;
                }
            }
            break;
        }
    }
    if lost > 0 {
        tracing::error!(lost, "records of the as-run log could not be written");
    }
}

fn append(log: &AsRunLog, record: &Record) -> Result<(), String> {
    let path = log.file_at(record.start_utc.unwrap_or_else(Timestamp::now));
    let cannot = |error: String| format!("cannot write {}: {error}", path.display());
    let folder = path.parent().unwrap_or(Path::new("."));
    std::fs::create_dir_all(folder).map_err(|error| cannot(error.to_string()))?;
    match log.format() {
        LogFormat::Jsonl => jsonl::append(&path, record).map_err(|error| cannot(error.to_string())),
        #[cfg(feature = "sqlite")]
        LogFormat::Sqlite => super::sqlite::append(&path, record).map_err(|error| cannot(error.to_string())),
        #[cfg(not(feature = "sqlite"))]
        LogFormat::Sqlite => Err(cannot("SQLite is not in this build".into())),
    }
}
