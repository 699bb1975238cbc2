//! The sysctls a table reads, with their defaults, set by the names the kernel gives them.
//!
//! Refused: keys the model does not know and values the kernel would not take. Settings are read
//! when a packet arrives; changing one never moves an expiry that is already set.

use std::fmt;

/// Timeouts of TCP entries in seconds, by state, and the two that shorten them.
///
/// Defaults: nf_conntrack_proto_tcp.c, unchanged from 4.19 to 7.1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timeouts {
    /// `nf_conntrack_tcp_timeout_syn_sent`
    pub syn_sent: u32,
    /// SYN_SENT2, simultaneous open: no sysctl, 120 s.
    pub syn_sent2: u32,
    /// `nf_conntrack_tcp_timeout_syn_recv`
    pub syn_recv: u32,
    /// `nf_conntrack_tcp_timeout_established`
    pub established: u32,
    /// `nf_conntrack_tcp_timeout_fin_wait`
    pub fin_wait: u32,
    /// `nf_conntrack_tcp_timeout_close_wait`
    pub close_wait: u32,
    /// `nf_conntrack_tcp_timeout_last_ack`
    pub last_ack: u32,
    /// `nf_conntrack_tcp_timeout_time_wait`
    pub time_wait: u32,
    /// `nf_conntrack_tcp_timeout_close`
    pub close: u32,
    /// `nf_conntrack_tcp_timeout_max_retrans`: the most an entry gets after identical segments or
    /// a zero window.
    pub max_retrans: u32,
    /// `nf_conntrack_tcp_timeout_unacknowledged`: the most an entry gets while data is
    /// unacknowledged.
    pub unacknowledged: u32,
}

/// What a box is set to. Seconds, counts and switches as the sysctls of the same names print them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// TCP timeouts.
    pub tcp: Timeouts,
    /// `nf_conntrack_tcp_max_retrans`: identical segments before `max_retrans` seconds apply.
    pub tcp_max_retrans: u8,
    /// `nf_conntrack_tcp_loose`: whether an ACK without an entry may create one.
    pub tcp_loose: bool,
    /// `nf_conntrack_tcp_be_liberal`: whether window verdicts are waived.
    pub tcp_be_liberal: bool,
    /// `nf_conntrack_tcp_ignore_invalid_rst`: whether old resets pass.
    pub tcp_ignore_invalid_rst: bool,
    /// `nf_conntrack_tcp_no_window_check`: an OpenWrt patch, absent from mainline.
    pub tcp_no_window_check: bool,
    /// `nf_conntrack_checksum`: whether arriving packets' checksums are verified.
    pub checksum: bool,
    /// `nf_conntrack_udp_timeout`, seconds.
    pub udp: u32,
    /// `nf_conntrack_udp_timeout_stream`, seconds.
    pub udp_stream: u32,
    /// `nf_conntrack_icmp_timeout`, seconds.
    pub icmp: u32,
    /// `nf_conntrack_icmpv6_timeout`, seconds.
    pub icmpv6: u32,
    /// `nf_conntrack_generic_timeout`, seconds: protocols without a tracker of their own.
    pub generic: u32,
    /// `nf_conntrack_max`: the most entries; `None` when not told, 0 is no limit up to 6.18.
    pub max: Option<u32>,
    /// `nf_conntrack_log_invalid`: 0, a protocol number, or 255.
    pub log_invalid: u8,
    /// `nf_conntrack_acct`: whether new entries count packets and bytes.
    pub acct: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            tcp: Timeouts::default(),
            tcp_max_retrans: 3,
            tcp_loose: true,
            tcp_be_liberal: false,
            tcp_ignore_invalid_rst: false,
            tcp_no_window_check: false,
            checksum: true,
            udp: 30,
            udp_stream: 120,
            icmp: 30,
            icmpv6: 30,
            generic: 600,
            max: None,
            log_invalid: 0,
            acct: false,
        }
    }
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            syn_sent: 120,
            syn_sent2: 120,
            syn_recv: 60,
            established: 432_000,
            fin_wait: 120,
            close_wait: 60,
            last_ack: 30,
            time_wait: 120,
            close: 10,
            max_retrans: 300,
            unacknowledged: 300,
        }
    }
}

/// Where a key's value goes, and with it which values are sensible.
#[derive(Clone, Copy)]
enum Slot {
    Seconds(fn(&mut Settings) -> &mut u32),
    Switch(fn(&mut Settings) -> &mut bool),
    Byte(fn(&mut Settings) -> &mut u8),
    Limit(fn(&mut Settings) -> &mut Option<u32>),
}

/// The names after `net.netfilter.`, in the order `sysctl -a` prints them.
const KEYS: &[(&str, Slot)] = &[
    ("nf_conntrack_acct", Slot::Switch(|s| &mut s.acct)),
    ("nf_conntrack_checksum", Slot::Switch(|s| &mut s.checksum)),
    ("nf_conntrack_generic_timeout", Slot::Seconds(|s| &mut s.generic)),
    ("nf_conntrack_icmp_timeout", Slot::Seconds(|s| &mut s.icmp)),
    ("nf_conntrack_icmpv6_timeout", Slot::Seconds(|s| &mut s.icmpv6)),
    ("nf_conntrack_log_invalid", Slot::Byte(|s| &mut s.log_invalid)),
    ("nf_conntrack_max", Slot::Limit(|s| &mut s.max)),
    ("nf_conntrack_tcp_be_liberal", Slot::Switch(|s| &mut s.tcp_be_liberal)),
    ("nf_conntrack_tcp_ignore_invalid_rst", Slot::Switch(|s| &mut s.tcp_ignore_invalid_rst)),
    ("nf_conntrack_tcp_loose", Slot::Switch(|s| &mut s.tcp_loose)),
    ("nf_conntrack_tcp_max_retrans", Slot::Byte(|s| &mut s.tcp_max_retrans)),
    ("nf_conntrack_tcp_no_window_check", Slot::Switch(|s| &mut s.tcp_no_window_check)),
    ("nf_conntrack_tcp_timeout_close", Slot::Seconds(|s| &mut s.tcp.close)),
    ("nf_conntrack_tcp_timeout_close_wait", Slot::Seconds(|s| &mut s.tcp.close_wait)),
    ("nf_conntrack_tcp_timeout_established", Slot::Seconds(|s| &mut s.tcp.established)),
    ("nf_conntrack_tcp_timeout_fin_wait", Slot::Seconds(|s| &mut s.tcp.fin_wait)),
    ("nf_conntrack_tcp_timeout_last_ack", Slot::Seconds(|s| &mut s.tcp.last_ack)),
    ("nf_conntrack_tcp_timeout_max_retrans", Slot::Seconds(|s| &mut s.tcp.max_retrans)),
    ("nf_conntrack_tcp_timeout_syn_recv", Slot::Seconds(|s| &mut s.tcp.syn_recv)),
    ("nf_conntrack_tcp_timeout_syn_sent", Slot::Seconds(|s| &mut s.tcp.syn_sent)),
    ("nf_conntrack_tcp_timeout_time_wait", Slot::Seconds(|s| &mut s.tcp.time_wait)),
    ("nf_conntrack_tcp_timeout_unacknowledged", Slot::Seconds(|s| &mut s.tcp.unacknowledged)),
    ("nf_conntrack_udp_timeout", Slot::Seconds(|s| &mut s.udp)),
    ("nf_conntrack_udp_timeout_stream", Slot::Seconds(|s| &mut s.udp_stream)),
];

/// Why a setting was not taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NotSet {
    /// No sysctl of this name changes what the model does.
    Unknown {
        /// The key as given.
        key: String,
    },
    /// The kernel would not take this value either.
    OutOfRange {
        /// The key as given.
        key: String,
        /// The value as given.
        value: i64,
        /// The largest value that is taken.
        most: i64,
    },
}

impl fmt::Display for NotSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            NotSet::Unknown { key } => {
                write!(f, "{key} is no setting that the conntrack model knows")
            }
            NotSet::OutOfRange { key, value, most } => {
                write!(f, "{key} = {value} is outside 0 to {most}")
            }
        }
    }
}

impl std::error::Error for NotSet {}

/// The largest timeout in seconds: the kernel multiplies by HZ (at most 1000) in a signed 32-bit
/// integer, so what a box with HZ 100 takes is the outer limit.
const MOST_SECONDS: i64 = i32::MAX as i64 / 100;

impl Settings {
    /// Sets what `key` names: `nf_conntrack_…` alone or behind `net.netfilter.`,
    /// `net/netfilter/`, `/proc/sys/net/netfilter/` or (for the maximum) `net.`.
    ///
    /// # Errors
    ///
    /// [`NotSet::Unknown`] for a key that changes nothing in the model, [`NotSet::OutOfRange`] for
    /// a value no kernel takes; the settings are then as before.
    pub fn set(&mut self, key: &str, value: i64) -> Result<(), NotSet> {
        let Some(slot) = slot(key) else {
            return Err(NotSet::Unknown { key: key.to_owned() });
        };
        let most = match slot {
            Slot::Seconds(_) => MOST_SECONDS,
            Slot::Switch(_) => 1,
            Slot::Byte(_) => i64::from(u8::MAX),
            Slot::Limit(_) => i64::from(i32::MAX),
        };
        if !(0..=most).contains(&value) {
            return Err(NotSet::OutOfRange { key: key.to_owned(), value, most });
        }
        match slot {
            Slot::Seconds(at) => *at(self) = u32::try_from(value).unwrap_or(u32::MAX),
            Slot::Switch(at) => *at(self) = value != 0,
            Slot::Byte(at) => *at(self) = u8::try_from(value).unwrap_or(u8::MAX),
            Slot::Limit(at) => *at(self) = u32::try_from(value).ok(),
        }
        Ok(())
    }

    /// The value of what `key` names, spelt as for [`Settings::set`]; `None` for unknown keys and
    /// for a limit that was not told.
    pub fn get(&self, key: &str) -> Option<i64> {
        let mut copy = *self;
        Some(match slot(key)? {
            Slot::Seconds(at) => i64::from(*at(&mut copy)),
            Slot::Switch(at) => i64::from(*at(&mut copy)),
            Slot::Byte(at) => i64::from(*at(&mut copy)),
            Slot::Limit(at) => i64::from((*at(&mut copy))?),
        })
    }

    /// Every key the model knows, with its value where it has one, in the order of `sysctl -a`.
    pub fn all(&self) -> impl Iterator<Item = (&'static str, Option<i64>)> + '_ {
        KEYS.iter().map(|(name, _)| (*name, self.get(name)))
    }
}

/// The slot of a key, whatever stands before its name.
fn slot(key: &str) -> Option<Slot> {
    let name = key.trim().rsplit(['.', '/']).next()?;
    KEYS.iter().find(|(known, _)| *known == name).map(|(_, slot)| *slot)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_known_by_each_of_its_spellings() {
        for key in [
            "nf_conntrack_tcp_timeout_established",
            "net.netfilter.nf_conntrack_tcp_timeout_established",
            "net/netfilter/nf_conntrack_tcp_timeout_established",
            "/proc/sys/net/netfilter/nf_conntrack_tcp_timeout_established",
        ] {
            let mut s = Settings::default();
            assert_eq!(s.get(key), Some(432_000));
            s.set(key, 43_200).unwrap();
            assert_eq!(s.tcp.established, 43_200);
        }
        let mut s = Settings::default();
        s.set("net.nf_conntrack_max", 1000).unwrap();
        assert_eq!(s.max, Some(1000));
    }

    #[test]
    fn what_no_kernel_takes_is_refused_and_changes_nothing() {
        let mut s = Settings::default();
        assert!(matches!(
            s.set("nf_conntrack_tcp_timeout_close", -1),
            Err(NotSet::OutOfRange { .. })
        ));
        assert!(s.set("nf_conntrack_tcp_loose", 2).is_err());
        assert!(s.set("nf_conntrack_tcp_max_retrans", 256).is_err());
        assert!(matches!(s.set("net.ipv4.tcp_keepalive_time", 7200), Err(NotSet::Unknown { .. })));
        assert_eq!(s, Settings::default());
    }

    #[test]
    fn every_key_reaches_a_place_of_its_own() {
        let mut s = Settings::default();
        for (n, (name, slot)) in KEYS.iter().enumerate() {
            let value = if matches!(slot, Slot::Switch(_)) {
                1 - s.get(name).unwrap()
            } else {
                n as i64 + 1
            };
            s.set(name, value).unwrap();
        }
        for (n, (name, slot)) in KEYS.iter().enumerate() {
            if !matches!(slot, Slot::Switch(_)) {
                assert_eq!(s.get(name), Some(n as i64 + 1), "{name}");
            } else {
                assert_ne!(s.get(name), Settings::default().get(name), "{name}");
            }
        }
    }
}
