//! Which kernel this is.

/// Its release, as `uname -r` prints it; empty where `/proc` is not there.
pub fn release() -> String {
    std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default().trim().to_owned()
}
