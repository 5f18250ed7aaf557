//! Disk space: asked for, and claimed ahead of writing, so that a full disk is met before a packet is in the file and not halfway.
#![allow(unsafe_code)]

#[cfg(target_os = "linux")]
use std::ffi::CString;
use std::fs::File;
use std::io;
use std::path::Path;

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

/// Bytes that may be written to the disk that holds a folder; `None` where it cannot say.
#[cfg(target_os = "linux")]
pub(super) fn room(dir: &Path) -> Option<u64> {
    use std::os::unix::ffi::OsStrExt;
    let path = CString::new(dir.as_os_str().as_bytes()).ok()?;
    let mut found = std::mem::MaybeUninit::<libc::statvfs>::uninit();
    // SAFETY: `path` ends with a zero, and both pointers are good for the time of the call.
    let done = unsafe { libc::statvfs(path.as_ptr(), found.as_mut_ptr()) };
    // SAFETY: a call that succeeded has filled it in.
    let found = (done == 0).then(|| unsafe { found.assume_init() })?;
    Some(found.f_bavail.saturating_mul(found.f_frsize))
}

/// Elsewhere it is not asked.
#[cfg(not(target_os = "linux"))]
pub(super) fn room(_: &Path) -> Option<u64> {
    None
}

/// Elsewhere it is hoped for.
#[cfg(not(target_os = "linux"))]
pub(super) fn reserve(_: &File, _: u64) -> io::Result<()> {
    Ok(())
}
