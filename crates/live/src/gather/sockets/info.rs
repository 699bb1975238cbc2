//! What comes with a socket in attributes: `struct tcp_info` (linux/tcp.h, 6.18), memory, marks; in
//! the words and the order of `ss -i`.
//!
//! An older kernel's structure is shorter, a newer one's longer: a field that is not there is not
//! printed, and what follows the known ones is left alone.

use std::fmt::Write as _;

use crate::netlink::message::Attrs;

/// `INET_DIAG_*` (linux/inet_diag.h).
pub(super) const MEMORY: u16 = 1;
pub(super) const INFO: u16 = 2;
pub(super) const CONGESTION: u16 = 4;
const SHUTDOWN: u16 = 8;
const ONLY_V6: u16 = 11;
const MARK: u16 = 15;
const GROUP: u16 = 21;

/// The attributes that are printed.
#[derive(Debug, Default)]
pub(super) struct Attributes {
    info: Vec<u8>,
    congestion: Option<String>,
    shutdown: Option<u8>,
    only_v6: Option<u8>,
    mark: Option<u32>,
    group: Option<u64>,
}

/// How a field is printed.
#[derive(Clone, Copy)]
enum As {
    /// As it is, when it is not zero.
    Number,
    /// Microseconds, as milliseconds.
    Micros,
    /// Bytes a second, as bits a second.
    Rate,
    /// Microseconds, as whole milliseconds with their unit.
    Busy,
}

/// Fields in the order of `ss`: word, offset, width in bytes. Those that need more than one field
/// stand in [`Attributes::print`].
const BEFORE_RTT: [(&str, usize); 2] = [("rto", 8), ("backoff", 4)];
const FIELDS: [(&str, usize, usize, As); 31] = [
    ("ato:", 12, 4, As::Micros),
    ("mss:", 16, 4, As::Number),
    ("pmtu:", 60, 4, As::Number),
    ("rcvmss:", 20, 4, As::Number),
    ("advmss:", 84, 4, As::Number),
    ("cwnd:", 80, 4, As::Number),
    ("ssthresh:", 76, 4, As::Number),
    ("bytes_sent:", 200, 8, As::Number),
    ("bytes_retrans:", 208, 8, As::Number),
    ("bytes_acked:", 120, 8, As::Number),
    ("bytes_received:", 128, 8, As::Number),
    ("segs_out:", 136, 4, As::Number),
    ("segs_in:", 140, 4, As::Number),
    ("data_segs_out:", 156, 4, As::Number),
    ("data_segs_in:", 152, 4, As::Number),
    ("lastsnd:", 44, 4, As::Number),
    ("lastrcv:", 52, 4, As::Number),
    ("lastack:", 56, 4, As::Number),
    ("pacing_rate ", 104, 8, As::Rate),
    ("delivery_rate ", 160, 8, As::Rate),
    ("delivered:", 192, 4, As::Number),
    ("delivered_ce:", 196, 4, As::Number),
    ("busy:", 168, 8, As::Busy),
    ("unacked:", 24, 4, As::Number),
    ("retrans:", 36, 4, As::Number),
    ("lost:", 32, 4, As::Number),
    ("sacked:", 28, 4, As::Number),
    ("dsack_dups:", 216, 4, As::Number),
    ("reordering:", 88, 4, As::Number),
    ("reord_seen:", 220, 4, As::Number),
    ("rcv_rtt:", 92, 4, As::Micros),
];
const LAST: [(&str, usize, usize, As); 6] = [
    ("rcv_space:", 96, 4, As::Number),
    ("rcv_ssthresh:", 64, 4, As::Number),
    ("notsent:", 144, 4, As::Number),
    ("minrtt:", 148, 4, As::Micros),
    ("rcv_ooopack:", 224, 4, As::Number),
    ("snd_wnd:", 228, 4, As::Number),
];
const OPTIONS: [(u8, &str); 5] =
    [(1, "ts"), (2, "sack"), (8, "ecn"), (16, "ecnseen"), (32, "fastopen")];
const OPTION_WINDOW_SCALE: u8 = 4;
/// A threshold not reached yet (`TCP_INFINITE_SSTHRESH`).
const NO_THRESHOLD: u64 = 0x7fff_ffff;
/// What reordering is assumed at first (`net.ipv4.tcp_reordering`); `ss` prints another only.
const REORDERING: u64 = 3;

impl Attributes {
    pub(super) fn of(attrs: Attrs<'_>) -> Self {
        let mut told = Self::default();
        for (kind, value) in attrs {
            match kind {
                INFO => value.clone_into(&mut told.info),
                CONGESTION => {
                    let name = value.strip_suffix(&[0]).unwrap_or(value);
                    told.congestion = Some(String::from_utf8_lossy(name).into_owned());
                }
                SHUTDOWN => told.shutdown = value.first().copied(),
                ONLY_V6 => told.only_v6 = value.first().copied(),
                MARK => told.mark = value.try_into().ok().map(u32::from_ne_bytes),
                GROUP => told.group = value.try_into().ok().map(u64::from_ne_bytes),
                _ => {}
            }
        }
        told
    }

    pub(super) const fn mark(&self) -> Option<u32> {
        self.mark
    }

    /// Number of the control group.
    pub(super) const fn group(&self) -> Option<u64> {
        self.group
    }

    pub(super) const fn only_v6(&self) -> Option<u8> {
        self.only_v6
    }

    /// Bit 0: reading is shut down; bit 1: writing.
    pub(super) const fn shutdown(&self) -> Option<u8> {
        self.shutdown
    }

    /// A field of `tcp_info`; `None` where the kernel's structure ends before it.
    fn field(&self, at: usize, width: usize) -> Option<u64> {
        let bytes = self.info.get(at..at + width)?;
        match width {
            1 => bytes.first().map(|byte| u64::from(*byte)),
            4 => bytes.try_into().ok().map(|b| u64::from(u32::from_ne_bytes(b))),
            _ => bytes.try_into().ok().map(u64::from_ne_bytes),
        }
    }

    pub(super) fn print(&self, out: &mut String) {
        let byte = |at| self.info.get(at).copied().unwrap_or(0);
        let options = byte(5);
        for (bit, name) in OPTIONS {
            if options & bit != 0 {
                let _ = write!(out, " {name}");
            }
        }
        if let Some(name) = &self.congestion {
            let _ = write!(out, " {name}");
        }
        if options & OPTION_WINDOW_SCALE != 0 {
            let _ = write!(out, " wscale:{},{}", byte(6) & 0xf, byte(6) >> 4);
        }
        for (name, at) in BEFORE_RTT {
            let (value, is_time) = (self.field(at, if at == 8 { 4 } else { 1 }), at == 8);
            match value.unwrap_or(0) {
                // Three seconds is what a socket begins with: it says nothing.
                0 | 3_000_000 => {}
                us if is_time => drop(write!(out, " {name}:{}", millis(us))),
                number => drop(write!(out, " {name}:{number}")),
            }
        }
        if let (Some(rtt @ 1..), Some(spread)) = (self.field(68, 4), self.field(72, 4)) {
            let _ = write!(out, " rtt:{}/{}", millis(rtt), millis(spread));
        }
        for (name, at, width, how) in FIELDS {
            self.one(out, (name, at, width, how));
            if name == "delivered_ce:" && byte(7) & 1 != 0 {
                out.push_str(" app_limited");
            }
        }
        for (name, at, width, how) in LAST {
            self.one(out, (name, at, width, how));
        }
    }

    fn one(&self, out: &mut String, (name, at, width, how): (&str, usize, usize, As)) {
        let Some(value) = self.field(at, width) else { return };
        let total = self.field(100, 4).unwrap_or(0);
        let _ = match (name, value) {
            ("retrans:", now) if now > 0 || total > 0 => write!(out, " retrans:{now}/{total}"),
            ("reordering:", REORDERING) | ("ssthresh:", NO_THRESHOLD..) | (_, 0) => return,
            ("pacing_rate ", u64::MAX) => return,
            _ => match how {
                As::Number => write!(out, " {name}{value}"),
                As::Micros => write!(out, " {name}{}", millis(value)),
                As::Rate => write!(out, " {name}{}bps", value.saturating_mul(8)),
                As::Busy => write!(out, " {name}{}ms", value / 1000),
            },
        };
    }
}

/// Microseconds as milliseconds with six significant digits, no zeros at the end.
fn millis(us: u64) -> String {
    let whole = us / 1000;
    let digits = whole.checked_ilog10().map_or(0, |log| log as usize + 1);
    let places = 6_usize.saturating_sub(digits).min(3);
    let text = format!("{:.places$}", us as f64 / 1000.0);
    match text.contains('.') {
        true => text.trim_end_matches('0').trim_end_matches('.').to_owned(),
        false => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn milliseconds_are_printed_as_a_person_would() {
        let cases = [(204_000, "204"), (15, "0.015"), (21_500, "21.5"), (1_234_567, "1234.57")];
        for (us, expected) in cases {
            assert_eq!(millis(us), expected);
        }
    }

    #[test]
    fn a_shorter_structure_prints_what_it_holds() {
        let mut info = vec![0; 104];
        info[36] = 2; // retrans
        info[100] = 5; // total_retrans
        let told = Attributes { info, ..Attributes::default() };
        let mut text = String::new();
        told.print(&mut text);
        assert_eq!(text, " retrans:2/5");
    }
}
