//! What airchain logs, for Python's `logging`.
//!
//! Records wait in a bounded queue, from which a thread of Python's own takes them: a handler that blocks holds up
//! nothing here.

use std::fmt::{Debug, Write};
use std::time::Duration;

use crossbeam_channel::{Receiver, Sender, bounded};
use pyo3::prelude::*;
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id};
use tracing::{Event, Level, Metadata, Subscriber};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt};
use tracing_subscriber::registry;
use tracing_subscriber::registry::LookupSpan;

use crate::error::raise;

/// Records that may wait to be taken; what comes on top of them is dropped.
const WAITING: usize = 4096;

/// A record: Python's level number, the logger's name, the message.
type Record = (u8, String, String);

/// The end of the queue from which records are taken.
#[pyclass(frozen, module = "airchain._airchain")]
pub(crate) struct Log {
    records: Receiver<Record>,
}

#[pymethods]
impl Log {
    /// Waits up to timeout_s for the next record.
    fn get(&self, py: Python<'_>, timeout_s: f64) -> Option<Record> {
        let timeout = Duration::try_from_secs_f64(timeout_s).unwrap_or_default();
        py.detach(|| self.records.recv_timeout(timeout).ok())
    }
}

/// Sends what airchain logs to the queue that is returned. Once per process.
#[pyfunction]
pub(crate) fn capture_log() -> PyResult<Log> {
    let (sender, records) = bounded(WAITING);
    let subscriber = registry().with(ToQueue(sender));
    tracing::subscriber::set_global_default(subscriber).map_err(|error| raise("Error", error))?;
    Ok(Log { records })
}

struct ToQueue(Sender<Record>);

/// What is said behind each record of a station.
struct Said(String);

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for ToQueue {
    fn enabled(&self, metadata: &Metadata<'_>, _: Context<'_, S>) -> bool {
        *metadata.level() <= Level::INFO && metadata.target().starts_with("airchain")
    }

    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        let mut text = Text::default();
        attributes.record(&mut text);
        if let Some(span) = context.span(id).filter(|span| span.name() == "station") {
            span.extensions_mut().insert(Said(text.fields.replacen(" id=", " station=", 1)));
        }
    }

    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        let metadata = event.metadata();
        let level = match *metadata.level() {
            Level::ERROR => 40,
            Level::WARN => 30,
            Level::INFO => 20,
            _ => 10,
        };
        let mut text = Text::default();
        event.record(&mut text);
        for span in context.event_scope(event).into_iter().flatten() {
            if let Some(Said(said)) = span.extensions().get() {
                text.fields.push_str(said);
            }
        }
        // `airchain_outputs::hls` is below the logger `airchain`.
        let name = metadata.target().replacen("airchain_", "airchain.", 1).replace("::", ".");
        let _ = self.0.try_send((level, name, text.message + &text.fields));
    }
}

/// The message, and behind it the other fields.
#[derive(Default)]
struct Text {
    message: String,
    fields: String,
}

impl Visit for Text {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        // Writing to a string never fails.
        let _ = match field.name() {
            "message" => write!(self.message, "{value:?}"),
            name => write!(self.fields, " {name}={value:?}"),
        };
    }
}
