//! Ctrl-C, a request to end, a closed terminal: the first asks for an orderly end, the second ends
//! the process at once. A signal whose sender was told to ignore it (nohup) stays ignored.

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::flag;
use std::fs;
use std::io;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

/// Set by the first of these signals.
pub fn enough() -> io::Result<Arc<AtomicBool>> {
    let enough = Arc::new(AtomicBool::new(false));
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    for signal in [SIGINT, SIGTERM, SIGHUP] {
        if ignored(&status, signal) {
            continue;
        }
        // In this order: it is the second signal that finds the flag set.
        flag::register_conditional_shutdown(signal, 128 + signal, Arc::clone(&enough))?;
        flag::register(signal, Arc::clone(&enough))?;
    }
    Ok(enough)
}

/// Whether the mask `SigIgn` of proc_pid_status(5) holds this signal.
fn ignored(status: &str, signal: i32) -> bool {
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let mask = mask.and_then(|hex| u64::from_str_radix(hex.trim(), 16).ok()).unwrap_or(0);
    u32::try_from(signal - 1).ok().and_then(|bit| mask.checked_shr(bit)).is_some_and(|m| m & 1 == 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mask_counts_signals_from_one() {
        let status = "Name:\tx\nSigIgn:\t0000000000000001\n";
        assert!(ignored(status, SIGHUP));
        assert!(!ignored(status, SIGINT) && !ignored("", SIGHUP));
    }
}
