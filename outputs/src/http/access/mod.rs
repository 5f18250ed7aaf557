//! The access log of listeners: a line per request once it is answered, in nginx's format ([`line`]).
//!
//! Lines go over a bounded queue to a thread of the log's own, so that no disk holds up a listener: what finds no room is
//! left out, and said to be. The file is cut at 20 MB, with one old file kept; when somebody has moved or removed it, it
//! is begun anew.

mod line;
mod writer;

use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::Body;
use axum::http::{Response, StatusCode};
use bytes::Bytes;
use hyper::body::{Frame, SizeHint};
use jiff::{Timestamp, tz::TimeZone};

pub(crate) use self::line::Asked;
use self::writer::Writer;

/// Lines that may wait to be written.
const QUEUE: usize = 1024;
/// Size at which the file is cut, in bytes.
const LARGEST: u64 = 20_000_000;

/// An access log. Clones write to the same file.
#[derive(Clone, Debug)]
pub struct AccessLog {
    path: Arc<Path>,
    queue: SyncSender<Task>,
    left_out: Arc<AtomicU64>,
    zone: TimeZone,
}

/// What the thread of a log is told.
enum Task {
    Line(String),
    /// Everything before it is to be in the file; then drop this.
    Flush(SyncSender<()>),
}

impl AccessLog {
    /// Starts a log in a file, of which no other log may write. Its folder is made if need be; whether the file can be
    /// written is seen, and said, with the first line. Fails when there can be no thread.
    pub fn open(path: &Path) -> std::io::Result<Self> {
        Self::cut_at(path, LARGEST)
    }

    fn cut_at(path: &Path, largest: u64) -> std::io::Result<Self> {
        let (queue, tasks) = sync_channel(QUEUE);
        let left_out = Arc::<AtomicU64>::default();
        let mut writer = Writer::new(path, largest, Arc::clone(&left_out));
        std::thread::Builder::new().name("access-log".into()).spawn(move || writer.run(&tasks))?;
        Ok(Self { path: path.into(), queue, left_out, zone: TimeZone::system() })
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Waits until what has been logged so far is written, at most so long. Tells whether it is.
    pub fn flush(&self, bound: Duration) -> bool {
        let (done, written) = sync_channel(1);
        let began = std::time::Instant::now();
        let mut task = Task::Flush(done);
        while let Err(std::sync::mpsc::TrySendError::Full(back)) = self.queue.try_send(task) {
            if began.elapsed() >= bound {
                return false;
            }
            task = back;
            std::thread::sleep(Duration::from_millis(1));
        }
        written.recv_timeout(bound.saturating_sub(began.elapsed())).is_ok()
    }

    fn write(&self, asked: &Asked, status: StatusCode, bytes: u64) {
        let line = asked.answered(status, bytes, Timestamp::now(), &self.zone);
        if self.queue.try_send(Task::Line(line)).is_err() {
            self.left_out.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// Has an answer logged once its body has gone out, or the connection is over.
pub(crate) fn logged(response: Response<Body>, asked: Asked, logs: Vec<AccessLog>) -> Response<Body> {
    let status = response.status();
    response.map(|body| Body::new(Counted { body, bytes: 0, asked, status, logs }))
}

/// A body that counts what is taken from it, and is logged when it is dropped.
struct Counted {
    body: Body,
    bytes: u64,
    asked: Asked,
    status: StatusCode,
    logs: Vec<AccessLog>,
}

impl hyper::body::Body for Counted {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let polled = Pin::new(&mut self.body).poll_frame(context);
        if let Poll::Ready(Some(Ok(frame))) = &polled {
            self.bytes += frame.data_ref().map_or(0, |data| data.len() as u64);
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        for log in &self.logs {
            log.write(&self.asked, self.status, self.bytes);
        }
    }
}
