//! SIGINT and SIGTERM: a wish to stop, heard between two looks at the clock.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::Failed;

/// Whether the process was asked to stop. Clones are the same.
#[derive(Clone)]
pub(crate) struct Signals {
    set: Arc<AtomicBool>,
}

impl Signals {
    /// Catches SIGINT and SIGTERM from now on; a second one ends the process at once.
    pub(crate) fn install() -> Result<Self, Failed> {
        let set = Arc::new(AtomicBool::new(false));
        let failed = |error: std::io::Error| Failed::new(format!("cannot catch signals: {error}"));
        for signal in [signal_hook::consts::SIGINT, signal_hook::consts::SIGTERM] {
            // The order matters: the second signal finds the flag set and exits.
            signal_hook::flag::register_conditional_shutdown(signal, 1, Arc::clone(&set)).map_err(failed)?;
            signal_hook::flag::register(signal, Arc::clone(&set)).map_err(failed)?;
        }
        Ok(Self { set })
    }

    /// The flag itself, for those who look at it from other threads.
    pub(crate) fn flag(&self) -> &AtomicBool {
        &self.set
    }

    /// As if one had come, but the next is then the second.
    pub(crate) fn set(&self) {
        self.set.store(true, Ordering::Relaxed);
    }

    pub(crate) fn is_set(&self) -> bool {
        self.set.load(Ordering::Relaxed)
    }
}
