//! Whose panics count. Panics in the decoders of others are caught where they are called and cost one file; one in airchain's
//! own code is a mistake, caught or not.

use std::cell::RefCell;
use std::panic::{self, PanicHookInfo};
use std::path::Path;
use std::sync::Once;

thread_local! {
    /// What airchain's own code said when it panicked.
    static OURS: RefCell<Option<String>> = const { RefCell::new(None) };
}

/// Runs `work` and panics if airchain's own code did, whether that was caught or not.
pub(crate) fn none_of_ours(work: impl FnOnce()) {
    static HOOK: Once = Once::new();
    // libFuzzer's own hook would end the process at every panic, and lose those that are fenced in.
    HOOK.call_once(|| panic::set_hook(Box::new(note)));
    OURS.take();
    work();
    if let Some(said) = OURS.take() {
        panic!("airchain panicked, and it was caught: {said}");
    }
}

/// Cargo gives the compiler paths within the workspace as relative ones, and those of dependencies as absolute ones.
fn note(info: &PanicHookInfo<'_>) {
    if info.location().is_some_and(|place| Path::new(place.file()).is_relative()) {
        let said = info.to_string();
        let backtrace = std::backtrace::Backtrace::capture();
        let _ =
            std::io::Write::write_all(&mut std::io::stderr(), format!("{said}\n{backtrace}\n").as_bytes());
        OURS.set(Some(said));
    }
}
