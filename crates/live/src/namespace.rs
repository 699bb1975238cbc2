//! A network namespace of one's own, for experiments on the real kernel.
//!
//! The calling thread alone moves there; it needs `CAP_SYS_ADMIN`. Nothing outside changes, and
//! the namespace ends with its last thread and descriptor.

use std::fs;
use std::io;
use std::path::Path;

use nix::sched::{CloneFlags, unshare};

/// Moves the calling thread, and only it, into a new and empty network namespace.
///
/// # Errors
///
/// `EPERM` without the privilege.
pub fn enter_new() -> io::Result<()> {
    Ok(unshare(CloneFlags::CLONE_NEWNET)?)
}

/// Writes a sysctl of the calling thread's namespace; `name` as under `/proc/sys/net`, with
/// slashes.
///
/// # Errors
///
/// What the file system says.
pub fn set_sysctl(name: &str, value: &str) -> io::Result<()> {
    fs::write(Path::new("/proc/sys/net").join(name), value)
}
