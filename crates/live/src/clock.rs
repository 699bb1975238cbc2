//! The only place in hopclock that asks the machine what time it is.

use hopclock_core::time::Moment;
use std::sync::OnceLock;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

/// The machine's real-time clock. Subject to steps and drift: for stamping documents and for
/// choosing the year of a stamp that has none, never for measuring.
#[expect(clippy::disallowed_methods, reason = "this is the place the ban points to")]
pub fn now() -> Moment {
    moment_of(SystemTime::now())
}

/// A file time or other system time as a moment; times before 1970 are negative.
pub fn moment_of(time: SystemTime) -> Moment {
    let ns = match time.duration_since(UNIX_EPOCH) {
        Ok(after) => i64::try_from(after.as_nanos()).unwrap_or(i64::MAX),
        Err(before) => i64::try_from(before.duration().as_nanos()).map_or(i64::MIN, |ns| -ns),
    };
    Moment::from_ns(ns)
}

/// The machine's monotonic clock, as a moment counted from an arbitrary beginning: for measuring,
/// never for stamping.
#[expect(clippy::disallowed_methods, reason = "this is the place the ban points to")]
pub fn monotonic() -> Moment {
    static BEGINNING: OnceLock<Instant> = OnceLock::new();
    let since = BEGINNING.get_or_init(Instant::now).elapsed();
    Moment::from_ns(i64::try_from(since.as_nanos()).unwrap_or(i64::MAX))
}
