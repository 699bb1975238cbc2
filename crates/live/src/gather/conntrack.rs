//! The table of connections, in the words of `conntrack -L` (1.4.7), and its counters, in those of
//! `conntrack -S`: from ctnetlink, or else from `/proc`.
//!
//! Everything an entry carries is printed that `conntrack -L` prints; a test holds the two texts
//! against each other. What is shown of a timer is what remains of it, in whole seconds.

use std::fmt::Write as _;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::Path;

use super::{Lines, Missing, Piece, Wanted, now, of_thread};
use crate::clock;
use crate::netlink::message::{Attrs, DUMP, Message, REQUEST, be16, be32, be64};
use crate::netlink::{Family, Socket};

const SUBSYSTEM: u8 = 1;
const GET: u8 = 1;
const GET_COUNTERS: u8 = 4;
const WHAT: &str = "the table of connections";
const WHAT_COUNTERS: &str = "counters of the table of connections";
const NEEDS: &str = "reading it needs CAP_NET_ADMIN in this network namespace (root has it)";
const NOT_HERE: &str = "this kernel tracks no connections: nf_conntrack is not loaded";

/// The whole table.
///
/// # Errors
///
/// Without `CAP_NET_ADMIN`, without conntrack in the kernel, and when the table is empty.
pub fn conntrack() -> Result<Piece, Missing> {
    conntrack_of(&Wanted::default())
}

/// The part of the table that is wanted.
///
/// # Errors
///
/// As [`conntrack`].
pub fn conntrack_of(wanted: &Wanted) -> Result<Piece, Missing> {
    let piece = conntrack_even_empty(wanted)?;
    if piece.bytes.is_empty() {
        let why = match wanted.peer {
            None => "it is empty".to_owned(),
            Some(peer) => format!("it has no entry with {peer} at either end"),
        };
        return Err(Missing::because(WHAT, why));
    }
    Ok(piece)
}

/// The same, where a table with nothing in it is an answer, too.
///
/// # Errors
///
/// Without `CAP_NET_ADMIN`, and without conntrack in the kernel.
pub fn conntrack_even_empty(wanted: &Wanted) -> Result<Piece, Missing> {
    if !is_loaded() {
        return Err(Missing::because(WHAT, NOT_HERE));
    }
    let at = now();
    let mut lines = Lines::new(wanted.bytes_max);
    let command = match dump(wanted, &mut lines) {
        Ok(()) => "conntrack -L",
        Err(error) => {
            lines = Lines::new(wanted.bytes_max);
            from_proc(wanted, &mut lines)
                .map_err(|second| Missing::refused(WHAT, worse(&error, &second), NEEDS))?;
            "cat /proc/net/nf_conntrack"
        }
    };
    Ok(lines.piece("conntrack.txt", command, at, "entries"))
}

/// Whether the kernel has conntrack at all. Asked first, so that asking for the table does not make
/// the kernel load it.
fn is_loaded() -> bool {
    Path::new("/proc/sys/net/netfilter/nf_conntrack_max").exists()
        || Path::new("/proc/thread-self/net/nf_conntrack").exists()
}

/// Of two refusals the one that a privilege would lift.
fn worse<'a>(first: &'a io::Error, second: &'a io::Error) -> &'a io::Error {
    let lifted = |e: &io::Error| e.kind() == io::ErrorKind::PermissionDenied;
    if !lifted(first) && lifted(second) { second } else { first }
}

fn dump(wanted: &Wanted, lines: &mut Lines) -> io::Result<()> {
    let mut socket = Socket::open(Family::Netfilter)?;
    let request = Message::netfilter(SUBSYSTEM, GET, REQUEST | DUMP, 0, 0);
    let now_ns = clock::now().ns().max(0).cast_unsigned();
    let mut line = String::new();
    socket.dump(request, |reply| {
        let entry = Entry::of(reply.attrs(4));
        if !wanted.peer.is_none_or(|peer| entry.has(peer)) {
            return;
        }
        line.clear();
        if entry.print(now_ns, &mut line).is_some() {
            lines.push(line.trim_end());
        }
    })
}

/// Lines of `/proc` carry the same facts behind the name of the network protocol.
fn from_proc(wanted: &Wanted, lines: &mut Lines) -> io::Result<()> {
    let text = of_thread("nf_conntrack", wanted.bytes_max.saturating_mul(2))?;
    for line in text.lines() {
        let has = |peer| {
            let values = line.split_whitespace().filter_map(|w| Some(w.split_once('=')?.1));
            values.filter_map(|v| v.parse::<IpAddr>().ok()).any(|address| address == peer)
        };
        if wanted.peer.is_none_or(has) {
            lines.push(line);
        }
    }
    Ok(())
}

/// Attributes of an entry, by number (`enum ctattr_type`, linux/netfilter/nfnetlink_conntrack.h).
#[derive(Clone, Copy, Debug, Default)]
struct Entry<'a>([Option<&'a [u8]>; 25]);

/// Numbers of attributes.
mod attr {
    pub(super) const ORIGINAL: usize = 1;
    pub(super) const REPLY: usize = 2;
    pub(super) const STATUS: usize = 3;
    pub(super) const PROTOCOL_INFO: usize = 4;
    pub(super) const HELPER: usize = 5;
    pub(super) const TIMEOUT: usize = 7;
    pub(super) const MARK: usize = 8;
    pub(super) const COUNTED_ORIGINAL: usize = 9;
    pub(super) const COUNTED_REPLY: usize = 10;
    pub(super) const USE: usize = 11;
    pub(super) const ZONE: usize = 18;
    pub(super) const SECURITY: usize = 19;
    pub(super) const STAMP: usize = 20;
}

/// Status bits (linux/netfilter/nf_conntrack_common.h).
mod status {
    pub(super) const SEEN_REPLY: u32 = 1 << 1;
    pub(super) const ASSURED: u32 = 1 << 2;
    pub(super) const OFFLOAD: u32 = 1 << 14;
    pub(super) const HARDWARE_OFFLOAD: u32 = 1 << 15;
}

impl<'a> Entry<'a> {
    fn of(attrs: Attrs<'a>) -> Self {
        let mut entry = Self::default();
        for (kind, value) in attrs {
            if let Some(place) = entry.0.get_mut(usize::from(kind)) {
                *place = Some(value);
            }
        }
        entry
    }

    fn get(&self, kind: usize) -> Option<&'a [u8]> {
        *self.0.get(kind)?
    }

    fn tuple(&self, kind: usize) -> Option<Tuple> {
        Tuple::of(self.get(kind)?)
    }

    /// Whether one of its ends, as seen from either side of a translation, is `address`.
    fn has(&self, address: IpAddr) -> bool {
        [attr::ORIGINAL, attr::REPLY]
            .into_iter()
            .filter_map(|kind| self.tuple(kind))
            .any(|tuple| tuple.src == address || tuple.dst == address)
    }

    /// One line; `None`, with a part of it written, when the entry lacks what every entry has.
    fn print(&self, now_ns: u64, out: &mut String) -> Option<()> {
        let original = self.tuple(attr::ORIGINAL)?;
        let reply = self.tuple(attr::REPLY)?;
        let status = self.get(attr::STATUS).and_then(be32).unwrap_or(0);
        let _ = write!(out, "{:<8} {} ", protocol(original.protocol), original.protocol);
        if let Some(left) = self.get(attr::TIMEOUT).and_then(be32) {
            let _ = write!(out, "{left} ");
        }
        if let Some(state) = self.get(attr::PROTOCOL_INFO).and_then(state) {
            let _ = write!(out, "{state} ");
        }
        original.print("zone-orig", out);
        self.counted(attr::COUNTED_ORIGINAL, out);
        if status & status::SEEN_REPLY == 0 {
            out.push_str("[UNREPLIED] ");
        }
        reply.print("zone-reply", out);
        self.counted(attr::COUNTED_REPLY, out);
        if status & status::HARDWARE_OFFLOAD != 0 {
            out.push_str("[HW_OFFLOAD] ");
        } else if status & status::OFFLOAD != 0 {
            out.push_str("[OFFLOAD] ");
        } else if status & status::ASSURED != 0 {
            out.push_str("[ASSURED] ");
        }
        self.rest(now_ns, out);
        Some(())
    }

    fn counted(&self, kind: usize, out: &mut String) {
        let Some(value) = self.get(kind) else { return };
        let part = |wanted| inside(value, wanted).and_then(be64);
        if let (Some(packets), Some(bytes)) = (part(1), part(2)) {
            let _ = write!(out, "packets={packets} bytes={bytes} ");
        }
    }

    fn rest(&self, now_ns: u64, out: &mut String) {
        let text = |kind, wanted| self.get(kind).and_then(|v| inside(v, wanted)).map(words);
        if let Some(mark) = self.get(attr::MARK).and_then(be32) {
            let _ = write!(out, "mark={mark} ");
        }
        if let Some(context) = text(attr::SECURITY, 1) {
            let _ = write!(out, "secctx={context} ");
        }
        if let Some(zone) = self.get(attr::ZONE).and_then(be16) {
            let _ = write!(out, "zone={zone} ");
        }
        let begun = self.get(attr::STAMP).and_then(|v| inside(v, 1)).and_then(be64);
        if let Some(begun) = begun {
            let _ = write!(out, "delta-time={} ", now_ns.saturating_sub(begun) / 1_000_000_000);
        }
        if let Some(helper) = text(attr::HELPER, 1) {
            let _ = write!(out, "helper={helper} ");
        }
        if let Some(users) = self.get(attr::USE).and_then(be32) {
            let _ = write!(out, "use={users} ");
        }
    }
}

/// The first attribute of this number within another.
fn inside(value: &[u8], wanted: u16) -> Option<&[u8]> {
    Attrs::of(value).find(|(kind, _)| *kind == wanted).map(|(_, inner)| inner)
}

fn words(value: &[u8]) -> String {
    String::from_utf8_lossy(value.strip_suffix(&[0]).unwrap_or(value)).into_owned()
}

/// One direction of an entry.
struct Tuple {
    src: IpAddr,
    dst: IpAddr,
    protocol: u8,
    /// The rest, as printed: ports, or what the protocol has instead.
    rest: String,
    zone: Option<u16>,
}

impl Tuple {
    fn of(value: &[u8]) -> Option<Self> {
        let (mut src, mut dst) = (None, None);
        let addresses = inside(value, 1)?;
        for (kind, address) in Attrs::of(addresses) {
            let address = match kind {
                1 | 2 => IpAddr::V4(Ipv4Addr::from_bits(be32(address)?)),
                3 | 4 => IpAddr::V6(Ipv6Addr::from(<[u8; 16]>::try_from(address).ok()?)),
                _ => continue,
            };
            *(if kind % 2 == 1 { &mut src } else { &mut dst }) = Some(address);
        }
        let ports = inside(value, 2)?;
        let protocol = *inside(ports, 1)?.first()?;
        let (src, dst) = (src?, dst?);
        let zone = inside(value, 3).and_then(be16);
        Some(Self { src, dst, protocol, rest: ports_of(protocol, ports), zone })
    }

    fn print(&self, zone: &str, out: &mut String) {
        let _ = write!(out, "src={} dst={} {}", self.src, self.dst, self.rest);
        if let Some(number) = self.zone {
            let _ = write!(out, "{zone}={number} ");
        }
    }
}

/// `sport=… dport=… `, and what ICMP and GRE have instead (`enum ctattr_l4proto`).
fn ports_of(protocol: u8, value: &[u8]) -> String {
    let wide = |kind| inside(value, kind).and_then(be16);
    let byte = |kind| inside(value, kind).and_then(|v| v.first().copied());
    match protocol {
        1 | 58 => {
            let first = if protocol == 1 { 4 } else { 7 };
            match (byte(first + 1), byte(first + 2), wide(first)) {
                (Some(kind), Some(code), Some(id)) => format!("type={kind} code={code} id={id} "),
                _ => String::new(),
            }
        }
        47 => match (wide(2), wide(3)) {
            (Some(from), Some(to)) => format!("srckey=0x{from:x} dstkey=0x{to:x} "),
            _ => String::new(),
        },
        _ => match (wide(2), wide(3)) {
            (Some(from), Some(to)) => format!("sport={from} dport={to} "),
            _ => String::new(),
        },
    }
}

/// Protocols by the names the tool has for them; it calls every other one unknown.
const fn protocol(number: u8) -> &'static str {
    match number {
        1 => "icmp",
        6 => "tcp",
        17 => "udp",
        33 => "dccp",
        47 => "gre",
        58 => "icmpv6",
        132 => "sctp",
        136 => "udplite",
        _ => "unknown",
    }
}

/// States by number (nf_conntrack_tcp.h, nf_conntrack_sctp.h, nf_conntrack_dccp.h).
const TCP: [&str; 10] = [
    "NONE",
    "SYN_SENT",
    "SYN_RECV",
    "ESTABLISHED",
    "FIN_WAIT",
    "CLOSE_WAIT",
    "LAST_ACK",
    "TIME_WAIT",
    "CLOSE",
    "SYN_SENT2",
];
const DCCP: [&str; 10] = [
    "NONE", "REQUEST", "RESPOND", "PARTOPEN", "OPEN", "CLOSEREQ", "CLOSING", "TIMEWAIT", "IGNORE",
    "INVALID",
];
const SCTP: [&str; 10] = [
    "NONE",
    "CLOSED",
    "COOKIE_WAIT",
    "COOKIE_ECHOED",
    "ESTABLISHED",
    "SHUTDOWN_SENT",
    "SHUTDOWN_RECD",
    "SHUTDOWN_ACK_SENT",
    "HEARTBEAT_SENT",
    "HEARTBEAT_ACKED",
];

/// The state of a protocol that has one (`enum ctattr_protoinfo`).
fn state(value: &[u8]) -> Option<&'static str> {
    let (kind, about) = Attrs::of(value).next()?;
    let number = usize::from(*inside(about, 1)?.first()?);
    let names = match kind {
        1 => &TCP,
        2 => &DCCP,
        3 => &SCTP,
        _ => return None,
    };
    names.get(number).copied()
}

/// What `conntrack -S` prints of each processor's counter, in its order, and the attribute's number
/// (`enum ctattr_stats_cpu`).
const COUNTERS: [(&str, u16); 10] = [
    ("found", 2),
    ("invalid", 4),
    ("insert", 8),
    ("insert_failed", 9),
    ("drop", 10),
    ("early_drop", 11),
    ("error", 12),
    ("search_restart", 13),
    ("clash_resolve", 14),
    ("chaintoolong", 15),
];

/// What `conntrack -S` prints; without the privilege for it, the same counters as `/proc` has them.
///
/// # Errors
///
/// Where the kernel has neither.
pub fn conntrack_counters() -> Result<Piece, Missing> {
    if !is_loaded() {
        return Err(Missing::because(WHAT_COUNTERS, NOT_HERE));
    }
    let at = now();
    let mut lines = Lines::new(super::BYTES_MAX);
    if let Err(error) = ask_counters(&mut lines) {
        let text = of_thread("stat/nf_conntrack", super::BYTES_MAX)
            .map_err(|second| Missing::refused(WHAT_COUNTERS, worse(&error, &second), NEEDS))?;
        lines = Lines::new(super::BYTES_MAX);
        text.lines().for_each(|line| lines.push(line));
        let command = "cat /proc/net/stat/nf_conntrack";
        return Ok(lines.piece("conntrack-stat.txt", command, at, "lines"));
    }
    if lines.is_empty() {
        return Err(Missing::because(WHAT_COUNTERS, "the kernel gave none"));
    }
    Ok(lines.piece("conntrack-stat.txt", "conntrack -S", at, "lines"))
}

fn ask_counters(lines: &mut Lines) -> io::Result<()> {
    let mut socket = Socket::open(Family::Netfilter)?;
    let request = Message::netfilter(SUBSYSTEM, GET_COUNTERS, REQUEST | DUMP, 0, 0);
    socket.dump(request, |reply| {
        // The resource of the header is the processor's number.
        let cpu = reply.body.get(2..4).and_then(be16).unwrap_or(0);
        let mut line = format!("cpu={cpu:<4}\t");
        for (name, kind) in COUNTERS {
            if let Some((_, value)) = reply.attrs(4).find(|(number, _)| *number == kind) {
                let _ = write!(line, "{name}={} ", be32(value).unwrap_or(0));
            }
        }
        lines.push(&line);
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::netlink::message::replies;

    /// An entry with these status bits, as ctnetlink tells it.
    fn told(status: u32) -> Vec<u8> {
        let tuple = |m: Message, ends: [u8; 2], ports: [u16; 2]| {
            m.nest(1, |m| m.attr(1, &[192, 0, 2, ends[0]]).attr(2, &[192, 0, 2, ends[1]])).nest(
                2,
                |m| {
                    let m = m.attr(1, &[6]).attr(2, &ports[0].to_be_bytes());
                    m.attr(3, &ports[1].to_be_bytes())
                },
            )
        };
        let message = Message::netfilter(SUBSYSTEM, 0, 0, 2, 0)
            .nest(1, |m| tuple(m, [1, 7], [49_314, 443]))
            .nest(2, |m| tuple(m, [7, 1], [443, 49_314]))
            .be32(3, status);
        let of_tcp = |m: Message| m.nest(1, |m| m.attr(1, &[3]));
        // Of an offloaded entry neither state nor timer is told (nf_conntrack_netlink.c, 6.18).
        let has_state = status & status::OFFLOAD == 0;
        let message = if has_state { message.nest(4, of_tcp) } else { message };
        message.be32(8, 0).be32(11, 2).finish(1)
    }

    fn line(status: u32) -> String {
        let bytes = told(status);
        let reply = replies(&bytes).next().unwrap();
        let mut line = String::new();
        Entry::of(reply.attrs(4)).print(0, &mut line).unwrap();
        line.trim_end().to_owned()
    }

    #[test]
    fn an_offloaded_entry_says_so_instead_of_assured() {
        let text = |state: &str, word: &str| {
            format!(
                "tcp      6 {state}src=192.0.2.1 dst=192.0.2.7 sport=49314 dport=443 \
                 src=192.0.2.7 dst=192.0.2.1 sport=443 dport=49314 {word} mark=0 use=2"
            )
        };
        let seen = status::SEEN_REPLY | status::ASSURED;
        let hardware = seen | status::OFFLOAD | status::HARDWARE_OFFLOAD;
        assert_eq!(line(seen), text("ESTABLISHED ", "[ASSURED]"));
        assert_eq!(line(seen | status::OFFLOAD), text("", "[OFFLOAD]"));
        assert_eq!(line(hardware), text("", "[HW_OFFLOAD]"));
    }

    #[test]
    fn a_cut_answer_is_no_entry_and_no_panic() {
        let bytes = told(0);
        let reply = replies(&bytes).next().unwrap();
        for cut in 0..reply.body.len() {
            let mut line = String::new();
            let attrs = Attrs::of(reply.body.get(4..cut).unwrap_or_default());
            let printed = Entry::of(attrs).print(0, &mut line);
            assert!(printed.is_none() || cut >= 100, "{cut}: {line}");
        }
    }
}
