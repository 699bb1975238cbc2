//! Named vectors: conversations with the kernel's answer to each packet.
//!
//! A line is `DIR FLAGS [SEQ[:END]] [ackN] [winN] [wsN] [sackok] => EXPECTED…`, numbers relative to
//! each side's initial sequence number. `wait S` moves the clock. Expected are any of: a verdict
//! (`accept`, `ignored`, `INVALID`), what rules see (`new`, `established`), a TCP state, the
//! remaining seconds, `ASSURED`, `UNREPLIED`, `REPLIED`, `gone`, `none`, `created`,
//! `fl(O,R)` in hex, `o(end,maxend,maxwin,maxack)` and `r(…)`, and `log TEXT` to the end of the
//! line.

mod expected;
mod vectors;

use super::packet::{Body, Checksum, Hook, flag, proto};
use super::*;
use crate::time::{Gap, Moment};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// A conversation under way.
pub(super) struct Play {
    table: Table,
    at: Moment,
    isn: (u32, u32),
    tuple: Tuple,
}

/// One line, taken apart.
struct Line<'a> {
    dir: Dir,
    tcp: packet::Tcp,
    expected: &'a str,
}

impl Play {
    pub(super) fn new(v6: bool, isn: (u32, u32), settings: Settings, rules: Rules) -> Self {
        let (src, dst) = if v6 {
            let net = |last| Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, last);
            (IpAddr::V6(net(1)), IpAddr::V6(net(2)))
        } else {
            (IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1)), IpAddr::V4(Ipv4Addr::new(198, 51, 100, 2)))
        };
        let tuple = Tuple { src, dst, sport: 49314, dport: 443, proto: proto::TCP };
        let at = Moment::from_secs(1_715_310_862);
        Self { table: Table::new(settings, rules), at, isn, tuple }
    }

    /// Plays a script and checks every line's expectations.
    pub(super) fn run(&mut self, script: &str) {
        for line in script.lines().map(str::trim).filter(|l| !l.is_empty() && !l.starts_with('#')) {
            if let Some(wait) = line.strip_prefix("wait ") {
                self.at = self.at.plus(Gap::from_secs_f64(wait.parse().unwrap()));
                continue;
            }
            if let Some(set) = line.strip_prefix("set ") {
                let (key, value) = set.split_once('=').unwrap();
                self.table.settings.set(key, value.parse().unwrap()).unwrap();
                continue;
            }
            let parsed = self.parse(line);
            let judged = self.send(parsed.dir, parsed.tcp);
            expected::check(self, line, &judged, parsed.expected);
        }
    }

    fn send(&mut self, dir: Dir, tcp: packet::Tcp) -> Judged {
        let tuple = match dir {
            Dir::Original => self.tuple,
            Dir::Reply => self.tuple.inverse().unwrap(),
        };
        let packet = Packet {
            tuple,
            l3_len: 40 + tcp.len,
            checksum: Checksum::Good,
            hook: Hook::Prerouting,
            body: Body::Tcp(tcp),
        };
        self.table.packet(self.at, &packet)
    }

    fn parse<'a>(&self, line: &'a str) -> Line<'a> {
        let (packet, expected) = line.split_once("=>").unwrap_or((line, ""));
        let mut words = packet.split_whitespace();
        let dir = if words.next() == Some("o") { Dir::Original } else { Dir::Reply };
        let (own, peer) = match dir {
            Dir::Original => (self.isn.0, self.isn.1),
            Dir::Reply => (self.isn.1, self.isn.0),
        };
        let mut tcp = packet::Tcp { win: 1000, ..packet::Tcp::default() };
        tcp.flags = words.next().unwrap().chars().map(flag_of).sum();
        tcp.seq = own;
        for word in words {
            if let Some(n) = word.strip_prefix("ack") {
                tcp.ack = number(n).wrapping_add(peer);
            } else if let Some(n) = word.strip_prefix("win") {
                tcp.win = n.parse().unwrap();
            } else if let Some(n) = word.strip_prefix("ws") {
                tcp.options.present = true;
                tcp.options.scale = Some(n.parse().unwrap());
            } else if word == "sackok" {
                tcp.options.present = true;
                tcp.options.sack_permitted = true;
            } else if let Some((from, to)) = word.split_once(':') {
                tcp.seq = number(from).wrapping_add(own);
                tcp.len = number(to) - number(from);
            } else {
                tcp.seq = number(word).wrapping_add(own);
            }
        }
        Line { dir, tcp, expected }
    }
}

fn number(text: &str) -> u32 {
    text.parse().unwrap_or_else(|_| panic!("not a number: {text}"))
}

fn flag_of(letter: char) -> u8 {
    match letter {
        'S' => flag::SYN,
        'A' => flag::ACK,
        'F' => flag::FIN,
        'R' => flag::RST,
        'P' => flag::PSH,
        'U' => flag::URG,
        'N' => 0,
        other => panic!("no flag {other}"),
    }
}

/// Plays a script from every corner of sequence space, over IPv4 and IPv6, by the default rules.
pub(super) fn everywhere(script: &str) {
    let corners = [(1000, 5000), (u32::MAX - 50, 0x7fff_ffd0), (0x7fff_fff0, u32::MAX - 700)];
    for isn in corners {
        for v6 in [false, true] {
            Play::new(v6, isn, Settings::default(), Rules::default()).run(script);
        }
    }
}

/// Plays a script whose numbers are absolute.
pub(super) fn absolute(script: &str, rules: Rules) {
    for v6 in [false, true] {
        Play::new(v6, (0, 0), Settings::default(), rules).run(script);
    }
}
