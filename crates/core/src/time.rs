//! Moments and gaps: the only two kinds of time in hopclock, both whole nanoseconds.
//!
//! A [`Moment`] comes out of a piece of evidence (a packet's time stamp, a log line's) or is handed
//! in by the caller; the core never asks a clock. There is deliberately no `now`.

use serde::Serialize;

/// Nanoseconds in a second.
const NS: i64 = 1_000_000_000;

/// A point in time: nanoseconds since 1970-01-01T00:00:00Z, as some piece of evidence told it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize)]
#[serde(transparent)]
pub struct Moment(i64);

impl Moment {
    /// From nanoseconds since the epoch.
    pub const fn from_ns(ns: i64) -> Self {
        Self(ns)
    }

    /// From whole seconds since the epoch; saturates some 292 years away from it.
    pub const fn from_secs(secs: i64) -> Self {
        Self(secs.saturating_mul(NS))
    }

    /// Nanoseconds since the epoch.
    pub const fn ns(self) -> i64 {
        self.0
    }

    /// Seconds since the epoch. Rounds to about a quarter of a microsecond today: for statistics
    /// and printing only.
    pub fn secs_f64(self) -> f64 {
        self.0 as f64 / NS as f64
    }

    /// How long after `earlier` this is; negative when it is before.
    pub const fn since(self, earlier: Moment) -> Gap {
        Gap(self.0.saturating_sub(earlier.0))
    }

    /// This moment moved by `gap`.
    pub const fn plus(self, gap: Gap) -> Moment {
        Moment(self.0.saturating_add(gap.0))
    }
}

/// A length of time in nanoseconds; negative when it runs backwards.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default, Serialize)]
#[serde(transparent)]
pub struct Gap(i64);

impl Gap {
    /// No time at all.
    pub const ZERO: Gap = Gap(0);

    /// From nanoseconds.
    pub const fn from_ns(ns: i64) -> Self {
        Self(ns)
    }

    /// From whole milliseconds.
    pub const fn from_millis(ms: i64) -> Self {
        Self(ms.saturating_mul(1_000_000))
    }

    /// From whole seconds.
    pub const fn from_secs(secs: i64) -> Self {
        Self(secs.saturating_mul(NS))
    }

    /// From seconds with a fraction, rounded to the nanosecond; saturates, and NaN is zero.
    pub fn from_secs_f64(secs: f64) -> Self {
        Self((secs * NS as f64).round() as i64)
    }

    /// Nanoseconds.
    pub const fn ns(self) -> i64 {
        self.0
    }

    /// Seconds.
    pub fn secs_f64(self) -> f64 {
        self.0 as f64 / NS as f64
    }

    /// The same length without its sign.
    pub const fn abs(self) -> Gap {
        Gap(self.0.saturating_abs())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn since_and_plus_undo_each_other() {
        let open = Moment::from_secs(1_715_310_862);
        let end = open.plus(Gap::from_secs(43_200));
        assert_eq!(end.since(open), Gap::from_secs(43_200));
        assert_eq!(open.since(end), Gap::from_secs(-43_200));
    }

    #[test]
    fn the_far_ends_saturate_instead_of_wrapping() {
        let far = Moment::from_secs(i64::MAX);
        assert_eq!(far.plus(Gap::from_secs(1)), far);
        assert_eq!(Gap::from_secs_f64(f64::NAN), Gap::ZERO);
    }
}
