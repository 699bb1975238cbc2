//! TCP sockets of the namespace, as `ss -tinoep` prints them: from `NETLINK_SOCK_DIAG`
//! (linux/inet_diag.h), for which no privilege is needed.
//!
//! Listening sockets, and those in TIME_WAIT, SYN_RECV or closed, are left out, as `ss` leaves them
//! out; [`listening`] tells of listening ones apart. Names of processes are there as far as this
//! user may see them. What moves from one moment to the next (rates computed from other fields, the
//! congestion control's own state) is not printed.

mod info;
mod owner;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use super::{Lines, Missing, Piece, Wanted, now};
use crate::netlink::message::{DUMP, Message, REQUEST, Reply};
use crate::netlink::{Family, Socket};
use owner::{Groups, Owners};

/// `SOCK_DIAG_BY_FAMILY`.
const BY_FAMILY: u16 = 20;
const INET: u8 = 2;
const INET6: u8 = 10;
const TCP: u8 = 6;
/// `struct inet_diag_msg`.
const FIXED: usize = 72;

/// States by the kernel's numbers (net/tcp_states.h), in the words of `ss`.
const STATES: [&str; 12] = [
    "UNKNOWN",
    "ESTAB",
    "SYN-SENT",
    "SYN-RECV",
    "FIN-WAIT-1",
    "FIN-WAIT-2",
    "TIME-WAIT",
    "UNCONN",
    "CLOSE-WAIT",
    "LAST-ACK",
    "LISTEN",
    "CLOSING",
];
const ESTABLISHED: u8 = 1;
const LISTEN: u8 = 10;
/// Neither SYN_RECV, TIME_WAIT, CLOSE nor LISTEN, nor the state of half-open requests (12).
const CONNECTED: u32 = 0xfff & !(1 << 3) & !(1 << 6) & !(1 << 7) & !(1 << 10) & !1;

/// Extensions to ask for: number less one is the bit (`INET_DIAG_*`).
const EXTENSIONS: u8 =
    1 << (info::INFO - 1) | 1 << (info::CONGESTION - 1) | 1 << (info::MEMORY - 1);

/// Every connection.
///
/// # Errors
///
/// Where the kernel does not answer, and where there is none.
pub fn sockets() -> Result<Piece, Missing> {
    sockets_of(&Wanted::default())
}

/// The connections that are wanted.
///
/// # Errors
///
/// As [`sockets`].
pub fn sockets_of(wanted: &Wanted) -> Result<Piece, Missing> {
    const WHAT: &str = "TCP sockets";
    let at = now();
    let mut found = Vec::new();
    // Formatting waits until all are read, so that the dump sees one moment.
    for family in [INET, INET6] {
        each(family, CONNECTED, |told| {
            if wanted.peer.is_none_or(|peer| told.has(peer)) {
                found.push(told);
            }
        })
        .map_err(|error| Missing::refused(WHAT, &error, "this user may not ask for sockets"))?;
    }
    if found.is_empty() {
        let why = match wanted.peer {
            None => "no TCP connection begins or ends here".to_owned(),
            Some(peer) => format!("no TCP connection of this host is with {peer}"),
        };
        return Err(Missing::because(WHAT, why));
    }
    let inodes = found.iter().map(|told| told.inode).filter(|inode| *inode != 0);
    let owners = Owners::find(inodes);
    let groups = Groups::find(found.iter().filter_map(|told| told.attrs.group()));
    let mut lines = Lines::new(wanted.bytes_max);
    lines.push(&format!(
        "{:<10} {:>6} {:>6} {:>28} {:>28} Process",
        "State", "Recv-Q", "Send-Q", "Local Address:Port", "Peer Address:Port"
    ));
    for told in &found {
        lines.push(&told.print(&owners, &groups));
    }
    Ok(lines.piece("ss.txt", "ss -tinoep", at, "sockets"))
}

/// Local ends of listening sockets: what this host serves.
///
/// # Errors
///
/// What the kernel says.
pub fn listening() -> io::Result<Vec<SocketAddr>> {
    let mut found = Vec::new();
    for family in [INET, INET6] {
        each(family, 1 << LISTEN, |told| found.push(told.local))?;
    }
    Ok(found)
}

/// An established connection, and whether its keepalive timer runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Established {
    /// This end.
    pub local: SocketAddr,
    /// The other.
    pub peer: SocketAddr,
    /// Whether it is keepalive's timer that runs for it.
    pub keepalive: bool,
}

/// Every established connection, without who holds it.
///
/// # Errors
///
/// What the kernel says.
pub fn established() -> io::Result<Vec<Established>> {
    let mut found = Vec::new();
    for family in [INET, INET6] {
        each(family, 1 << ESTABLISHED, |told| {
            let keepalive = told.timer() == Some("keepalive");
            found.push(Established { local: told.local, peer: told.peer, keepalive });
        })?;
    }
    Ok(found)
}

/// Asks for all sockets of a family in these states.
fn each(family: u8, states: u32, mut take: impl FnMut(Told)) -> io::Result<()> {
    let mut socket = Socket::open(Family::SocketDiag)?;
    // struct inet_diag_req_v2: family, protocol, extensions, padding, states, and no id.
    let mut fixed = vec![family, TCP, EXTENSIONS, 0];
    fixed.extend(states.to_ne_bytes());
    fixed.extend([0; 48]);
    socket.dump(Message::new(BY_FAMILY, REQUEST | DUMP).put(&fixed), |reply| {
        // The kernel lists sockets of IPv6 that speak IPv4 among those of IPv6 only.
        if let Some(told) = Told::of(reply) {
            take(told);
        }
    })
}

/// What the kernel tells of a socket.
#[derive(Debug)]
struct Told {
    state: u8,
    timer: u8,
    timer_tries: u8,
    timer_ms: u32,
    local: SocketAddr,
    peer: SocketAddr,
    interface: u32,
    cookie: u64,
    receive_queue: u32,
    send_queue: u32,
    uid: u32,
    inode: u32,
    attrs: info::Attributes,
}

impl Told {
    fn of(reply: &Reply<'_>) -> Option<Self> {
        let fixed = reply.body.get(..FIXED)?;
        let byte = |at: usize| fixed.get(at).copied();
        let port = |at: usize| Some(u16::from_be_bytes([byte(at)?, byte(at + 1)?]));
        let number = |at: usize| Some(u32::from_ne_bytes(fixed.get(at..at + 4)?.try_into().ok()?));
        let address = |at: usize| -> Option<IpAddr> {
            let all: [u8; 16] = fixed.get(at..at + 16)?.try_into().ok()?;
            let [a, b, c, d, ..] = all;
            Some(if fixed.first() == Some(&INET) {
                IpAddr::V4(Ipv4Addr::new(a, b, c, d))
            } else {
                IpAddr::V6(Ipv6Addr::from(all))
            })
        };
        Some(Self {
            state: byte(1)?,
            timer: byte(2)?,
            timer_tries: byte(3)?,
            local: SocketAddr::new(address(8)?, port(4)?),
            peer: SocketAddr::new(address(24)?, port(6)?),
            interface: number(40)?,
            cookie: u64::from(number(44)?) | u64::from(number(48)?) << 32,
            timer_ms: number(52)?,
            receive_queue: number(56)?,
            send_queue: number(60)?,
            uid: number(64)?,
            inode: number(68)?,
            attrs: info::Attributes::of(reply.attrs(FIXED)),
        })
    }

    fn has(&self, address: IpAddr) -> bool {
        [self.local, self.peer].iter().any(|end| end.ip().to_canonical() == address)
    }

    fn print(&self, owners: &Owners, groups: &Groups) -> String {
        let state = STATES.get(usize::from(self.state)).unwrap_or(&STATES[0]);
        let mut line = format!(
            "{state:<10} {:>6} {:>6} {:>28} {:>28}",
            self.receive_queue,
            self.send_queue,
            self.end(self.local),
            self.end(self.peer)
        );
        if let Some(users) = owners.of(self.inode) {
            let _ = write!(line, " users:({users})");
        }
        if let Some(name) = self.timer() {
            let _ = write!(line, " timer:({name},{},{})", length(self.timer_ms), self.timer_tries);
        }
        if self.uid != 0 {
            let _ = write!(line, " uid:{}", self.uid);
        }
        let _ = write!(line, " ino:{} sk:{:x}", self.inode, self.cookie);
        if let Some(mark) = self.attrs.mark().filter(|mark| *mark != 0) {
            let _ = write!(line, " fwmark:0x{mark:x}");
        }
        if let Some(number) = self.attrs.group() {
            let _ = write!(line, " cgroup:{}", groups.of(number));
        }
        if let (SocketAddr::V6(_), Some(only @ 1..)) = (self.local, self.attrs.only_v6()) {
            let _ = write!(line, " v6only:{only}");
        }
        if let Some(closed) = self.attrs.shutdown() {
            let read = if closed & 1 == 0 { '<' } else { '-' };
            let write = if closed & 2 == 0 { '>' } else { '-' };
            let _ = write!(line, " {read}-{write}");
        }
        line.push_str("\n\t");
        self.attrs.print(&mut line);
        line
    }

    /// `address:port`, with the link a socket is bound to.
    fn end(&self, end: SocketAddr) -> String {
        let link = match nix::net::if_::if_indextoname(self.interface) {
            Ok(name) if self.interface != 0 => format!("%{}", name.to_string_lossy()),
            _ => String::new(),
        };
        match end.ip() {
            IpAddr::V4(v4) => format!("{v4}{link}:{}", end.port()),
            IpAddr::V6(v6) => format!("[{v6}]{link}:{}", end.port()),
        }
    }

    /// The running timer (net/ipv4/inet_diag.c).
    const fn timer(&self) -> Option<&'static str> {
        match self.timer {
            0 => None,
            1 => Some("on"),
            2 => Some("keepalive"),
            3 => Some("timewait"),
            4 => Some("persist"),
            _ => Some("unknown"),
        }
    }
}

/// A time the way `ss` rounds it: minutes, seconds below ten of them, milliseconds below ten
/// seconds.
fn length(ms: u32) -> String {
    let (minutes, seconds, rest) = (ms / 60_000, ms / 1000 % 60, ms % 1000);
    let mut text = String::new();
    if minutes > 0 {
        let _ = write!(text, "{minutes}min");
    }
    if seconds > 0 && minutes < 10 {
        let _ = write!(text, "{seconds}");
        text.push_str(if minutes == 0 && seconds < 10 && rest > 0 { "." } else { "sec" });
    }
    if rest > 0 && minutes == 0 && seconds < 10 {
        let _ = write!(text, "{rest:03}ms");
    }
    text
}

/// Which processes hold which sockets; a few of each.
type Holders = BTreeMap<u32, Vec<String>>;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_rounded_as_ss_rounds_them() {
        let cases = [
            (7_195_123, "119min"),
            (65_500, "1min5sec"),
            (59_900, "59sec"),
            (9_250, "9.250ms"),
            (9_000, "9sec"),
            (44, "044ms"),
            (0, ""),
        ];
        for (ms, expected) in cases {
            assert_eq!(length(ms), expected, "{ms}");
        }
    }

    #[test]
    fn a_cut_answer_is_no_socket() {
        let body = [INET; FIXED];
        for have in 0..FIXED {
            let reply = Reply { kind: BY_FAMILY, sequence: 1, body: &body[..have] };
            assert!(Told::of(&reply).is_none(), "{have}");
        }
    }

    #[test]
    fn a_connection_to_oneself_is_seen_from_both_ends() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let near = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (_far, _) = listener.accept().unwrap();
        nix::sys::socket::setsockopt(&near, nix::sys::socket::sockopt::KeepAlive, &true).unwrap();
        let text = String::from_utf8(sockets().unwrap().bytes).unwrap();
        for end in [near.local_addr().unwrap(), near.peer_addr().unwrap()] {
            assert!(text.matches(&end.to_string()).count() >= 2, "{end} is not twice in\n{text}");
        }
        assert!(text.contains(&format!("pid={}", std::process::id())), "{text}");
        assert!(text.contains("timer:(keepalive,"), "{text}");
        assert!(listening().unwrap().contains(&listener.local_addr().unwrap()));
    }
}
