//! Random conversations, biased to the edges of what the table remembers.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use hopclock_core::conntrack::entry::{Entry, Proto, TcpFlow};
use hopclock_core::conntrack::packet::{Tuple, flag, proto};
use hopclock_core::conntrack::{Dir, State, Table};
use hopclock_core::time::Moment;

use super::frame::{self, Segment, Spoilt};
use super::options;
use super::rng::Rng;

/// One conversation under way.
#[derive(Clone, Debug)]
pub struct Talk {
    /// As its first speaker sends.
    pub tuple: Tuple,
    /// Packets it still has.
    pub left: u32,
    /// It is silent until then.
    pub silent_until: Option<Moment>,
    /// The last packet, to be sent again.
    last: Option<(Vec<u8>, Tuple)>,
    /// How often it still is, at a stretch.
    again: u32,
}

/// A packet to send, and whose entry to ask for afterwards.
#[derive(Clone, Debug)]
pub struct Next {
    /// From the IP header on.
    pub bytes: Vec<u8>,
    /// Whose entry to ask for.
    pub tuple: Tuple,
}

impl Talk {
    /// Conversation number `number`: its ends are its own, for as long as numbers are.
    pub fn new(rng: &mut Rng, number: u32) -> Self {
        let kind = match rng.below(100) {
            0..92 => proto::TCP,
            92..96 => proto::UDP,
            _ => proto::ICMP,
        };
        let v6 = rng.percent(35);
        let (high, low) = ((number >> 14) as u8, (number & 0x3fff) as u16);
        let (src, dst) = if v6 {
            let net = |n, last| Ipv6Addr::new(0x2001, 0xdb8, n, 0, 0, 0, u16::from(high), last);
            (IpAddr::V6(net(1, 1)), IpAddr::V6(net(2, 2)))
        } else {
            let client = Ipv4Addr::new(192, 0, 2, 1 + high % 250);
            (IpAddr::V4(client), IpAddr::V4(Ipv4Addr::new(198, 51, 100, 2)))
        };
        let tuple = match (kind, v6) {
            (proto::ICMP, false) => icmp_tuple(rng, src, dst, low, proto::ICMP),
            (proto::ICMP, true) => icmp_tuple(rng, src, dst, low, proto::ICMPV6),
            _ => Tuple { src, dst, sport: 20_000 + low, dport: 443, proto: kind },
        };
        let left = 3 + rng.below(60);
        Self { tuple, left, silent_until: None, last: None, again: 0 }
    }

    /// Its next packet.
    pub fn next(&mut self, rng: &mut Rng, table: &Table) -> Next {
        if self.again == 0 {
            self.left = self.left.saturating_sub(1);
            if rng.percent(8) {
                self.again = 1;
            } else if self.tuple.proto == proto::TCP && rng.once_in(4000) {
                // Enough for an 8-bit counter to wrap.
                self.again = 262;
                self.last = Some(self.acknowledgement(table));
            }
        }
        if let Some((bytes, tuple)) = &self.last
            && self.again > 0
        {
            self.again -= 1;
            return Next { bytes: bytes.clone(), tuple: *tuple };
        }
        if rng.once_in(60) {
            return self.icmp_error(rng);
        }
        let (bytes, tuple) = match self.tuple.proto {
            proto::TCP => self.segment(rng, table),
            proto::UDP => self.datagram(rng),
            _ => self.ping(rng),
        };
        self.last = Some((bytes.clone(), tuple));
        Next { bytes, tuple: self.tuple }
    }

    fn either_way(&self, rng: &mut Rng, back: u32) -> Tuple {
        if rng.percent(back) { self.tuple.inverse().unwrap_or(self.tuple) } else { self.tuple }
    }

    fn datagram(&self, rng: &mut Rng) -> (Vec<u8>, Tuple) {
        let tuple = self.either_way(rng, 40);
        let spoilt = match rng.below(40) {
            0 => Spoilt::Checksum,
            1 => Spoilt::CutTo(rng.below(9) as usize),
            2 => Spoilt::HeaderLength(rng.below(40) as u8),
            3 => Spoilt::Padded(6),
            _ => Spoilt::No,
        };
        let len = rng.below(200) as u16;
        (frame::udp(&tuple, len, spoilt), tuple)
    }

    fn ping(&self, rng: &mut Rng) -> (Vec<u8>, Tuple) {
        let tuple = self.either_way(rng, 45);
        let spoilt = match rng.below(40) {
            0 => Spoilt::Checksum,
            1 => Spoilt::CutTo(rng.below(9) as usize),
            _ => Spoilt::No,
        };
        (frame::icmp(&tuple, &[7; 24], spoilt), tuple)
    }

    /// An error about this conversation, as a router on its way would send it, or nearly so.
    fn icmp_error(&self, rng: &mut Rng) -> Next {
        let about = self.either_way(rng, 50);
        let quoted = match about.proto {
            proto::TCP => plain_segment(about).bytes(),
            proto::UDP => frame::udp(&about, 20, Spoilt::No),
            _ => frame::icmp(&about, &[0; 16], Spoilt::No),
        };
        let v4 = about.src.is_ipv4();
        let router: IpAddr = if v4 {
            Ipv4Addr::new(203, 0, 113, 9).into()
        } else {
            Ipv6Addr::new(0x2001, 0xdb8, 9, 0, 0, 0, 0, 9).into()
        };
        let kind = if v4 { rng.pick(&[3u8, 4, 5, 11, 12]) } else { rng.pick(&[1u8, 2, 3, 4]) };
        let tuple = Tuple {
            src: router,
            dst: if rng.percent(15) { about.dst } else { about.src },
            sport: 0,
            dport: u16::from(kind) << 8,
            proto: if v4 { proto::ICMP } else { proto::ICMPV6 },
        };
        let spoilt = if rng.percent(5) { Spoilt::Checksum } else { Spoilt::No };
        Next { bytes: frame::icmp(&tuple, &quoted, spoilt), tuple: self.tuple }
    }

    /// True in the middle of a long row of identical packets, which nothing should break.
    pub const fn is_insistent(&self) -> bool {
        self.again > 1
    }

    /// The plainest packet that fits.
    fn acknowledgement(&self, table: &Table) -> (Vec<u8>, Tuple) {
        let mut segment = plain_segment(self.tuple);
        if let Some((entry, dir)) = table.find(&self.tuple)
            && let Some(tcp) = tcp_of(entry)
        {
            segment.seq = tcp.half(dir).end;
            segment.ack = tcp.half(dir.other()).end;
        }
        (segment.bytes(), segment.tuple)
    }

    fn segment(&self, rng: &mut Rng, table: &Table) -> (Vec<u8>, Tuple) {
        let met = table.find(&self.tuple);
        let flow = met.and_then(|(entry, dir)| Some((tcp_of(entry)?, dir)));
        let state = flow.map_or(State::None, |(tcp, _)| tcp.state);
        let back = rng.percent(match state {
            State::None => 5,
            State::SynSent => 60,
            State::SynRecv => 30,
            _ => 50,
        });
        let mut segment = plain_segment(self.tuple);
        if back {
            segment.tuple = self.tuple.inverse().unwrap_or(self.tuple);
        }
        let dir = flow.map(|(_, dir)| if back { dir.other() } else { dir });
        segment.flags = flags(rng, state, dir);
        segment.win = rng.pick(&[0, 1, 10, 100, 1000, 1000, 5000, 29_200, 64_240, 64_240, 65_535]);
        if rng.percent(10) {
            segment.win = rng.word() as u16;
        }
        segment.len = length(rng, segment.flags);
        match flow.zip(dir) {
            Some(((tcp, _), dir)) => fill(rng, &mut segment, &tcp, dir),
            None => {
                segment.seq = rng.word();
                segment.ack = if rng.percent(70) { rng.word() } else { 0 };
                segment.options = options::of_syn(rng);
            }
        }
        segment.spoilt = spoil(rng);
        (segment.bytes(), segment.tuple)
    }
}

fn icmp_tuple(rng: &mut Rng, src: IpAddr, dst: IpAddr, id: u16, proto: u8) -> Tuple {
    let kind = match (proto, rng.below(20)) {
        (proto::ICMP, 0) => 13,
        (proto::ICMP, 1) => 17,
        (proto::ICMP, 2) => rng.pick(&[9u8, 10, 19, 40, 0, 15]),
        (proto::ICMP, _) => 8,
        (_, 0) => rng.pick(&[129u8, 133, 135, 139, 144, 200]),
        _ => 128,
    };
    Tuple { src, dst, sport: id, dport: u16::from(kind) << 8, proto }
}

const fn plain_segment(tuple: Tuple) -> Segment {
    Segment {
        tuple,
        flags: flag::ACK,
        seq: 0,
        ack: 0,
        win: 1000,
        options: Vec::new(),
        len: 0,
        spoilt: Spoilt::No,
    }
}

fn tcp_of(entry: &Entry) -> Option<TcpFlow> {
    match entry.proto {
        Proto::Tcp(tcp) => Some(tcp),
        _ => None,
    }
}

fn spoil(rng: &mut Rng) -> Spoilt {
    match rng.below(250) {
        0 => Spoilt::Checksum,
        1 => Spoilt::HeaderLength(rng.below(16) as u8),
        2 => Spoilt::CutTo(rng.below(24) as usize),
        3 => Spoilt::Padded(1 + rng.below(20) as usize),
        _ => Spoilt::No,
    }
}

/// Flags likely in this state, and now and then any at all.
fn flags(rng: &mut Rng, state: State, dir: Option<Dir>) -> u8 {
    use flag::{ACK, CWR, ECE, FIN, PSH, RST, SYN, URG};
    const SA: u8 = SYN | ACK;
    const PA: u8 = PSH | ACK;
    const FA: u8 = FIN | ACK;
    const RA: u8 = RST | ACK;
    if rng.once_in(50) {
        return rng.word() as u8;
    }
    let reply = dir == Some(Dir::Reply);
    let usual: &[u8] = match state {
        State::None => &[SYN, SYN, SYN, SYN, SYN, SYN, SYN, SYN, ACK, PA, FA, RST, SA],
        State::SynSent if reply => &[SA, SA, SA, SA, SA, SA, SA, ACK, RST, RA, SYN, FA],
        State::SynSent => &[SYN, SYN, SYN, ACK, RST, RA, FA, SA],
        State::SynSent2 => &[SA, SA, SA, SA, ACK, SYN, RST, FA],
        State::SynRecv => &[ACK, ACK, ACK, PA, PA, FA, RST, SYN, SA, SA],
        State::Established => {
            &[ACK, ACK, ACK, ACK, ACK, PA, PA, PA, PA, FA, FA, RST, RA, SYN, SYN, SA]
        }
        _ => &[ACK, ACK, PA, FA, FA, FA, RST, RA, SYN, SYN, SYN, SA],
    };
    let mut flags = rng.pick(usual);
    if rng.percent(4) {
        flags |= rng.pick(&[URG, ECE, CWR, PSH]);
    }
    flags
}

fn length(rng: &mut Rng, flags: u8) -> u16 {
    let bare = flags & (flag::SYN | flag::RST) != 0;
    if bare && !rng.percent(6) {
        return 0;
    }
    match rng.below(20) {
        0..9 => 0,
        9..12 => 1 + rng.below(3) as u16,
        12..18 => rng.below(1461) as u16,
        18 => rng.below(9000) as u16,
        _ => rng.below(40_000) as u16,
    }
}

/// Sequence, acknowledgement and options, near what the table remembers.
fn fill(rng: &mut Rng, segment: &mut Segment, tcp: &TcpFlow, dir: Dir) {
    let (sender, receiver) = (tcp.half(dir), tcp.half(dir.other()));
    let near = |rng: &mut Rng| rng.within(-3, 3) as u32;
    let counted = u32::from(segment.len)
        + u32::from(segment.flags & flag::SYN != 0)
        + u32::from(segment.flags & flag::FIN != 0);
    let seq_low = sender.end.wrapping_sub(receiver.maxwin).wrapping_sub(1);
    segment.seq = match rng.below(100) {
        0..50 => sender.end,
        50..58 => sender.maxend.wrapping_add(near(rng)),
        58..62 => sender.maxend.wrapping_add(near(rng)).wrapping_sub(counted),
        62..68 => {
            let beyond = rng.below(receiver.maxwin.clamp(1, 100_000) + 2);
            sender.maxend.wrapping_add(beyond).wrapping_sub(rng.below(counted + 1))
        }
        68..76 => seq_low.wrapping_add(near(rng)).wrapping_sub(counted),
        76..82 => receiver.maxack.wrapping_add(near(rng)),
        82..86 => tcp.last.end.wrapping_add(near(rng) & 1),
        86..88 => tcp.last.ack,
        88..91 => sender.end.wrapping_sub(1),
        91..94 => 0,
        94..98 => sender.end.wrapping_add(rng.within(-3000, 3000) as u32),
        _ => rng.word(),
    };
    let window = sender.maxwin.max(66_000);
    let ack_low = receiver.end.wrapping_sub(window).wrapping_sub(1);
    segment.ack = match rng.below(100) {
        0..58 => receiver.end,
        58..68 => receiver.end.wrapping_add(near(rng)),
        68..76 => ack_low.wrapping_add(near(rng)),
        76..82 => tcp.last.end,
        82..85 => 0,
        85..90 => sender.maxack.wrapping_add(near(rng)),
        90..97 => receiver.end.wrapping_sub(rng.below(70_000)),
        _ => rng.word(),
    };
    segment.options = if segment.flags & flag::SYN != 0 {
        options::of_syn(rng)
    } else {
        options::of_segment(rng, receiver.end)
    };
}
