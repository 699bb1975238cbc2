//! Settings that decide single verdicts, and which of them a verdict hung on.
//!
//! A table that stands for several settings at once must know when they would part: each place
//! that reads such a setting says so. Refused: `tcp_no_window_check` and `nf_conntrack_max`. The
//! one changes what is remembered with every packet, the other lets connections decide over each
//! other.

use super::settings::{Settings, Timeouts};

/// What a verdict hung on, as a set.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) struct Switches(u8);

impl Switches {
    /// `tcp_loose`: an ACK without an entry.
    pub(super) const LOOSE: Self = Self(1);
    /// `tcp_be_liberal`: a packet out of its window.
    pub(super) const LIBERAL: Self = Self(2);
    /// `tcp_ignore_invalid_rst`: a reset behind what its receiver acknowledged.
    pub(super) const OLD_RESET: Self = Self(4);
    /// `nf_conntrack_checksum`: a packet whose checksum is wrong.
    pub(super) const CHECKSUM: Self = Self(8);
    /// No switch: what was left of the entry's timer.
    pub(super) const REMAINING: Self = Self(16);

    /// Those in which two settings differ; timers are none.
    pub(super) const fn between(a: &Settings, b: &Settings) -> Self {
        let mut all = 0;
        if a.tcp_loose != b.tcp_loose {
            all |= Self::LOOSE.0;
        }
        if a.tcp_be_liberal != b.tcp_be_liberal {
            all |= Self::LIBERAL.0;
        }
        if a.tcp_ignore_invalid_rst != b.tcp_ignore_invalid_rst {
            all |= Self::OLD_RESET.0;
        }
        if a.checksum != b.checksum {
            all |= Self::CHECKSUM.0;
        }
        Self(all)
    }

    pub(super) const fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    pub(super) const fn meets(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }

    pub(super) const fn is_none(self) -> bool {
        self.0 == 0
    }
}

/// Timers alone: two settings alike in this give every entry the same seconds.
pub(super) fn timers(of: &Settings) -> Settings {
    let plain = Settings::default();
    Settings {
        tcp_loose: plain.tcp_loose,
        tcp_be_liberal: plain.tcp_be_liberal,
        tcp_ignore_invalid_rst: plain.tcp_ignore_invalid_rst,
        checksum: plain.checksum,
        max: plain.max,
        log_invalid: plain.log_invalid,
        acct: plain.acct,
        ..*of
    }
}

/// What is left when no timeout and no switch is looked at.
pub(super) fn others(of: &Settings) -> Settings {
    let (max_retrans, plain) = (0, Settings::default());
    Settings {
        tcp: Timeouts::default(),
        tcp_max_retrans: max_retrans,
        udp: plain.udp,
        udp_stream: plain.udp_stream,
        icmp: plain.icmp,
        icmpv6: plain.icmpv6,
        generic: plain.generic,
        max: of.max,
        ..timers(of)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every setting is a timer, a switch that is told, or among what cannot be shared.
    #[test]
    fn no_setting_is_forgotten() {
        let was = Settings::default();
        for (name, value) in was.all() {
            let mut other = was;
            other.set(name, 1 - value.unwrap_or(0).min(1)).unwrap();
            let told = [
                timers(&was) != timers(&other),
                !Switches::between(&was, &other).is_none(),
                others(&was) != others(&other),
                matches!(name, "nf_conntrack_log_invalid" | "nf_conntrack_acct"),
            ];
            assert!(told.iter().any(|t| *t), "{name}");
        }
    }
}
