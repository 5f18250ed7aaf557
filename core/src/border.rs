//! Where a panic on the air thread ends: at the border of what panicked. What it has left is handed over to be freed.
//!
//! A panic itself is not free of what the air thread never does: it allocates its words, and the process's hook prints
//! them. Whoever panics each time is therefore taken off, and tried again only after a pause.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// What a panic left. Not to be freed on the air thread.
pub(crate) struct Panic(Box<dyn Any + Send>);

impl Panic {
    /// What it said.
    pub(crate) fn words(&self) -> &str {
        let words = self.0.downcast_ref::<&str>().copied();
        words.or_else(|| self.0.downcast_ref::<String>().map(String::as_str)).unwrap_or("without a word")
    }
}

/// Calls something that may panic. What it was working on is not to be trusted afterwards.
pub(crate) fn guarded<T>(call: impl FnOnce() -> T) -> Result<T, Panic> {
    catch_unwind(AssertUnwindSafe(call)).map_err(Panic)
}
