//! How the command has the C library ask the system for memory.
#![allow(unsafe_code)]

/// Blocks of so many bytes and more are asked for each by itself: the pieces of the rings, which come and go with the items
/// on air.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
const LARGE_BYTES: i32 = 60 * 1024;

/// Has large blocks go back to the system as soon as they are free.
///
/// By itself glibc does that too, until the first of them is freed: from then on it keeps blocks of that size, in as many
/// heaps as there are threads, and a process that runs for weeks holds the most that it has ever needed in each.
pub(crate) fn return_large_blocks() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    // SAFETY: a setting of the allocator, which takes any value and reports by its answer whether it took it (mallopt(3)).
    // Where it does not, more is kept.
    unsafe {
        libc::mallopt(libc::M_MMAP_THRESHOLD, LARGE_BYTES);
    }
}
