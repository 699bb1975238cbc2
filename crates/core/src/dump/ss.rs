//! `ss -t` with any of its options: the TCP sockets of a host, each with the timer that runs for
//! it.
//!
//! Only `-o` prints timers, so that a socket without one says nothing by itself: whether the
//! listing shows timers at all is part of the reading. Refused: sockets that only listen.

use std::net::{IpAddr, SocketAddr};

/// A listing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Listing {
    /// Its connected sockets.
    pub sockets: Vec<Socket>,
    /// Some socket shows a timer, so timers were asked for.
    pub shows_timers: bool,
    /// Lines that were neither sockets, their details, headings nor blank.
    pub skipped: u64,
}

/// A connected socket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Socket {
    /// Line number, from 1.
    pub line: u64,
    /// Its state as printed: `ESTAB`, `CLOSE-WAIT`.
    pub state: String,
    /// This host's end.
    pub local: SocketAddr,
    /// The other.
    pub peer: SocketAddr,
    /// The timer that runs for it (`-o`).
    pub timer: Option<Timer>,
    /// Milliseconds since it sent data (`-i`, `lastsnd`).
    pub sent_ms: Option<u64>,
    /// Milliseconds since it received data (`-i`, `lastrcv`).
    pub received_ms: Option<u64>,
}

/// A socket's timer (iproute2 `ss.c`, `print_tcp_timer`; net/ipv4/tcp_diag.c, `idiag_timer`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Timer {
    /// Which.
    pub kind: TimerKind,
    /// Times it went off without an answer.
    pub times: u32,
}

/// Which timer of a socket runs. There is one at a time: while data is sent again, keepalive's does
/// not show.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TimerKind {
    /// `on`: data is waiting for its acknowledgement.
    Retransmission,
    /// `keepalive`.
    Keepalive,
    /// `persist`: the other's window is closed.
    Persist,
    /// `timewait`, or one this version has no name for.
    Other,
}

/// States of a connection, as `ss` prints them.
const STATES: [&str; 10] = [
    "ESTAB",
    "SYN-SENT",
    "SYN-RECV",
    "FIN-WAIT-1",
    "FIN-WAIT-2",
    "TIME-WAIT",
    "CLOSE-WAIT",
    "LAST-ACK",
    "CLOSING",
    "UNCONN",
];

/// Reads a listing.
pub fn read(text: &str) -> Listing {
    let mut listing = Listing::default();
    for (number, raw) in (1..).zip(text.lines()) {
        listing.shows_timers |= raw.contains(" timer:(");
        let words: Vec<&str> = raw.split_whitespace().collect();
        let details = raw.starts_with([' ', '\t']);
        if let Some(socket) = listing.sockets.last_mut().filter(|_| details) {
            socket.details(&words);
        }
        match socket(number, &words) {
            Some(mut socket) => {
                socket.details(&words);
                listing.sockets.push(socket);
            }
            None if details || words.is_empty() || is_heading(&words) => {}
            None => listing.skipped += 1,
        }
    }
    listing
}

fn is_heading(words: &[&str]) -> bool {
    let first = words.first().copied().unwrap_or_default();
    first.starts_with('#') || first == "State" || first == "Netid" || words.contains(&"LISTEN")
}

/// A socket's own line: perhaps the protocol, then state, two queues and two ends.
fn socket(line: u64, words: &[&str]) -> Option<Socket> {
    let words = match words.first()? {
        &"tcp" => words.get(1..)?,
        _ => words,
    };
    let [state, received, sent, local, peer, ..] = words else { return None };
    let queues = [received, sent].into_iter().all(|q| q.parse::<u64>().is_ok());
    (queues && STATES.contains(state)).then_some(())?;
    Some(Socket {
        line,
        state: (*state).to_owned(),
        local: end(local)?,
        peer: end(peer)?,
        timer: None,
        sent_ms: None,
        received_ms: None,
    })
}

/// An end: `192.0.2.1:80`, `192.0.2.1%eth0:80`, `[2001:db8::1]:80`, `[::ffff:192.0.2.1]:80`.
fn end(text: &str) -> Option<SocketAddr> {
    let (address, port) = text.rsplit_once(':')?;
    let address = address.split('%').next()?.trim_start_matches('[').trim_end_matches(']');
    let address: IpAddr = address.parse().ok()?;
    Some(SocketAddr::new(address.to_canonical(), port.parse().ok()?))
}

impl Socket {
    /// What its own line or the one below it adds.
    fn details(&mut self, words: &[&str]) {
        for word in words {
            if let Some(timer) = word.strip_prefix("timer:(") {
                self.timer = Some(timer_of(timer.trim_end_matches(')')));
            }
            let number = |name: &str| word.strip_prefix(name)?.parse::<u64>().ok();
            self.sent_ms = number("lastsnd:").or(self.sent_ms);
            self.received_ms = number("lastrcv:").or(self.received_ms);
        }
    }
}

/// `keepalive,119min,0`: the name, when it goes off next, how often it did in vain.
fn timer_of(text: &str) -> Timer {
    let mut parts = text.split(',');
    let kind = match parts.next() {
        Some("on") => TimerKind::Retransmission,
        Some("keepalive") => TimerKind::Keepalive,
        Some("persist") => TimerKind::Persist,
        _ => TimerKind::Other,
    };
    let times = parts.nth(1).and_then(|n| n.parse().ok()).unwrap_or(0);
    Timer { kind, times }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LISTED: &str = "\
State    Recv-Q Send-Q         Local Address:Port      Peer Address:Port Process
LISTEN   0      128                  0.0.0.0:22             0.0.0.0:*
ESTAB    0      0                  192.0.2.7:50022     198.51.100.9:8443 users:((\"app\",pid=7,fd=3)) timer:(keepalive,95min,0)
\t ts sack cubic rto:204 rtt:0.04/0.02 lastsnd:1500 lastrcv:1600 lastack:1500
ESTAB    0      64      [2001:db8::7]:50023  [2001:db8::9]:443 timer:(on,1.2sec,4)
FIN-WAIT-2 0 0 [::ffff:192.0.2.7]:80 [::ffff:192.0.2.8]:40000
tcp ESTAB 0 0 192.0.2.7%eth0:1 192.0.2.9:2
";

    #[test]
    fn sockets_have_their_timers() {
        let listing = read(LISTED);
        assert!(listing.shows_timers);
        assert_eq!(listing.skipped, 0);
        let told: Vec<_> = listing
            .sockets
            .iter()
            .map(|s| (s.line, s.local.to_string(), s.timer.as_ref().map(|t| (t.kind, t.times))))
            .collect();
        let expected = [
            (3, "192.0.2.7:50022", Some((TimerKind::Keepalive, 0))),
            (5, "[2001:db8::7]:50023", Some((TimerKind::Retransmission, 4))),
            (6, "192.0.2.7:80", None),
            (7, "192.0.2.7:1", None),
        ];
        assert_eq!(told, expected.map(|(line, end, timer)| (line, end.to_owned(), timer)));
        let first = listing.sockets.first().map(|s| (s.sent_ms, s.received_ms));
        assert_eq!(first, Some((Some(1500), Some(1600))));
    }

    #[test]
    fn what_is_no_socket_is_counted() {
        let listing = read("ESTAB 0 0 nonsense 192.0.2.1:1\nESTAB x 0 192.0.2.1:1 192.0.2.2:2\n");
        assert_eq!((listing.sockets.len(), listing.skipped), (0, 2));
    }
}
