//! What the outputs that write to disk share: faults told in words that help, and waiting without holding up others.

use std::io::{Error, ErrorKind};
use std::path::Path;
use std::sync::Arc;

use tokio::sync::Mutex;
use tracing::Span;

use crate::sink::{Retry, SinkError};

/// A fault of the disk as listeners of the health channel read it.
pub(crate) fn fault(doing: &str, path: &Path, error: &Error, retry: Retry) -> SinkError {
    let advice = match error.kind() {
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => "make room there",
        ErrorKind::PermissionDenied => "allow the user that airchain runs as to write there",
        ErrorKind::ReadOnlyFilesystem => "mount it writable, or give another path",
        ErrorKind::NotADirectory | ErrorKind::AlreadyExists => "give a path that is a directory",
        ErrorKind::NotFound => "create it, or give another path",
        _ => "check that disk",
    };
    // The operating system's words, without the "(os error 28)" behind them.
    let reason = error.to_string();
    let reason = reason.split(" (os error").next().unwrap_or_default();
    SinkError {
        message: format!("cannot {doing} {}: {}; {advice}", path.display(), reason.to_lowercase()),
        retry,
    }
}

/// Does file work on a thread that may block.
///
/// The work holds the lock until it is done, also when nobody waits for it any more: work that a stalled disk has
/// kept can never run into that of a sink opened later.
pub(crate) async fn blocking<T, R>(
    shared: &Arc<Mutex<T>>,
    work: impl FnOnce(&mut T) -> Result<R, SinkError> + Send + 'static,
) -> Result<R, SinkError>
where
    T: Send + 'static,
    R: Send + 'static,
{
    let mut guard = shared.clone().lock_owned().await;
    let span = Span::current();
    match tokio::task::spawn_blocking(move || span.in_scope(|| work(&mut guard))).await {
        Ok(done) => done,
        Err(_) => Err(SinkError {
            message: "file work failed by a fault in airchain (a panic), or airchain is ending".into(),
            retry: Retry::Soon,
        }),
    }
}
