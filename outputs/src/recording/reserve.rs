//! Claims disk space ahead of writing, so that a full disk is met before a packet is in the file and not halfway.
#![allow(unsafe_code)]

use std::fs::File;
use std::io;

/// Makes sure that the file can grow to `end` bytes; its size stays. Where the file system cannot say, it is
/// hoped for.
#[cfg(target_os = "linux")]
pub(super) fn reserve(file: &File, end: u64) -> io::Result<()> {
    use std::os::fd::AsRawFd;
    let end = libc::off_t::try_from(end).map_err(|_| io::ErrorKind::FileTooLarge)?;
    // SAFETY: the descriptor is open for as long as `file` is borrowed; the call takes no pointers.
    let done = unsafe { libc::fallocate(file.as_raw_fd(), libc::FALLOC_FL_KEEP_SIZE, 0, end) };
    let error = io::Error::last_os_error();
    match error.raw_os_error() {
        _ if done == 0 => Ok(()),
        Some(libc::EOPNOTSUPP | libc::ENOSYS | libc::EINTR) => Ok(()),
        _ => Err(error),
    }
}

/// Elsewhere it is hoped for.
#[cfg(not(target_os = "linux"))]
pub(super) fn reserve(_: &File, _: u64) -> io::Result<()> {
    Ok(())
}
