//! What the table needs to know of a packet: ends, lengths, TCP's fields. Facts only.
//!
//! A packet shortened by the capture keeps its length by the IP header; a checksum nobody can
//! verify is [`Checksum::NotChecked`], as the kernel treats packets its driver vouches for.

use std::hash::{Hash, Hasher};
use std::net::IpAddr;

use super::options::{Options, SackEdges};
use crate::wire::Segment;

/// Protocol numbers (IANA) with a tracker of their own here.
pub mod proto {
    /// ICMP for IPv4.
    pub const ICMP: u8 = 1;
    /// TCP.
    pub const TCP: u8 = 6;
    /// UDP.
    pub const UDP: u8 = 17;
    /// ICMP for IPv6.
    pub const ICMPV6: u8 = 58;
}

/// One direction of a flow. For ICMP the identifier stands in `sport`, type and code in `dport`
/// (type in the upper byte); protocols without ports have zeroes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Tuple {
    /// Source address.
    pub src: IpAddr,
    /// Destination address.
    pub dst: IpAddr,
    /// Source port, or ICMP identifier.
    pub sport: u16,
    /// Destination port, or ICMP type and code.
    pub dport: u16,
    /// Protocol number.
    pub proto: u8,
}

impl Tuple {
    /// The tuple an answer carries, where no address is translated.
    ///
    /// `None` for an ICMP message that has no answer: such a packet opens no entry.
    pub fn inverse(&self) -> Option<Tuple> {
        let turned = Tuple { src: self.dst, dst: self.src, ..*self };
        match self.proto {
            proto::ICMP | proto::ICMPV6 => {
                let (kind, code) = ((self.dport >> 8) as u8, self.dport & 0xff);
                let answer = answer_of(self.proto, kind)?;
                Some(Tuple { dport: u16::from(answer) << 8 | code, ..turned })
            }
            _ => Some(Tuple { sport: self.dport, dport: self.sport, ..turned }),
        }
    }
}

/// The ICMP type that answers `kind`, both ways (RFC 792, RFC 950, RFC 4443, RFC 4620).
fn answer_of(protocol: u8, kind: u8) -> Option<u8> {
    let pairs: &[(u8, u8)] = match protocol {
        proto::ICMP => &[(8, 0), (13, 14), (15, 16), (17, 18)],
        _ => &[(128, 129), (139, 140)],
    };
    pairs.iter().find_map(|&(ask, answer)| match kind {
        k if k == ask => Some(answer),
        k if k == answer => Some(ask),
        _ => None,
    })
}

/// Whether an ICMP message of this type may open an entry: questions only.
pub(super) fn may_open(protocol: u8, kind: u8) -> bool {
    match protocol {
        proto::ICMP => matches!(kind, 8 | 13 | 15 | 17),
        _ => matches!(kind, 128 | 139),
    }
}

impl Hash for Tuple {
    fn hash<H: Hasher>(&self, state: &mut H) {
        match (self.src, self.dst) {
            (IpAddr::V4(src), IpAddr::V4(dst)) => {
                state.write_u64(u64::from(src.to_bits()) << 32 | u64::from(dst.to_bits()));
            }
            (src, dst) => {
                for end in [src, dst] {
                    match end {
                        IpAddr::V4(v4) => state.write_u32(v4.to_bits()),
                        IpAddr::V6(v6) => state.write_u128(v6.to_bits()),
                    }
                }
            }
        }
        let ports = u64::from(self.sport) << 24 | u64::from(self.dport) << 8;
        state.write_u64(ports | u64::from(self.proto));
    }
}

/// TCP flag bits of header byte 13 (RFC 9293 §3.1).
pub mod flag {
    /// Done sending.
    pub const FIN: u8 = 0x01;
    /// Opens.
    pub const SYN: u8 = 0x02;
    /// Ends at once.
    pub const RST: u8 = 0x04;
    /// Hand over now.
    pub const PSH: u8 = 0x08;
    /// The acknowledgement field counts.
    pub const ACK: u8 = 0x10;
    /// Urgent.
    pub const URG: u8 = 0x20;
    /// Congestion seen (RFC 3168).
    pub const ECE: u8 = 0x40;
    /// Window reduced (RFC 3168).
    pub const CWR: u8 = 0x80;
}

/// The fields of a TCP header that conntrack reads.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Tcp {
    /// [`flag`] bits.
    pub flags: u8,
    /// Sequence number.
    pub seq: u32,
    /// Acknowledgement field, whether or not ACK is set.
    pub ack: u32,
    /// Window as it stands in the header.
    pub win: u16,
    /// Payload bytes by the IP header's length.
    pub len: u32,
    /// Options.
    pub options: Options,
}

impl Packet {
    /// Its TCP flags; 0 for other protocols.
    pub(super) const fn flags(&self) -> u8 {
        if let Body::Tcp(tcp) = &self.body { tcp.flags } else { 0 }
    }

    /// Whether it is of a kind that has an entry of its own.
    pub(super) const fn has_flow(&self) -> bool {
        matches!(self.body, Body::Tcp(_) | Body::Udp | Body::Icmp | Body::Other)
    }
}

impl Tcp {
    /// Whether `bit` of [`flag`] is set.
    pub const fn has(&self, bit: u8) -> bool {
        self.flags & bit != 0
    }

    /// Sequence number after the last byte; SYN and FIN count one each.
    pub const fn end(&self) -> u32 {
        self.seq
            .wrapping_add(self.len)
            .wrapping_add(self.has(flag::SYN) as u32)
            .wrapping_add(self.has(flag::FIN) as u32)
    }
}

/// What stands behind the IP header.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Body {
    /// A TCP header of at least 20 bytes.
    Tcp(Tcp),
    /// A TCP header whose own length makes no sense, or too few bytes for one.
    BrokenTcp {
        /// At least 20 bytes were there, so the kernel says "truncated packet".
        logged: bool,
    },
    /// UDP.
    Udp,
    /// A UDP header whose length makes no sense.
    BrokenUdp,
    /// An ICMP message that is no error; type and code stand in the tuple.
    Icmp,
    /// An ICMP error about a packet whose tuple it quotes; `None` if it quotes too little.
    IcmpError {
        /// The tuple of the packet it is about, as that packet went.
        about: Option<Tuple>,
    },
    /// An ICMP message too short, of an unknown type, or an error of no use.
    BrokenIcmp,
    /// Any other protocol.
    Other,
    /// Neighbour discovery and multicast listeners: the kernel leaves these untracked.
    Untracked,
}

/// Whether the transport checksum held.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Checksum {
    /// Computed and right.
    Good,
    /// Computed and wrong.
    Bad,
    /// Nobody could or needed to compute it.
    #[default]
    NotChecked,
}

/// Where the table meets the packet.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Hook {
    /// It arrived from a wire.
    #[default]
    Prerouting,
    /// The box itself sent it; its checksum is never verified.
    Output,
}

/// One packet, as facts.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Packet {
    /// Ends and protocol.
    pub tuple: Tuple,
    /// Bytes by the IP header's length, IP header included.
    pub l3_len: u32,
    /// The transport checksum.
    pub checksum: Checksum,
    /// Where the table meets it.
    pub hook: Hook,
    /// What stands behind the IP header.
    pub body: Body,
}

/// For those who hold segments and no bytes. The IP header is taken to have no options, and the
/// checksum is left alone.
impl From<&Segment> for Packet {
    fn from(segment: &Segment) -> Self {
        const TCP_HEADER: u32 = 20;
        let ip_header = if segment.src.is_ipv4() { 20 } else { 40 };
        let mut sack_right = SackEdges::default();
        for (_, right) in segment.options.sack.iter().flatten() {
            sack_right.push(right.0);
        }
        let options = Options {
            present: segment.options.bytes > 0,
            sack_permitted: segment.options.sack_permitted,
            scale: segment.options.window_scale,
            sack_right,
        };
        let tcp = Tcp {
            // The ninth flag stands in another byte, and conntrack does not look at it.
            flags: segment.flags.0 as u8,
            seq: segment.seq.0,
            ack: segment.ack.0,
            win: segment.window,
            len: segment.payload,
            options,
        };
        let header = ip_header + TCP_HEADER + u32::from(segment.options.bytes);
        Self {
            tuple: Tuple {
                src: segment.src.ip(),
                dst: segment.dst.ip(),
                sport: segment.src.port(),
                dport: segment.dst.port(),
                proto: proto::TCP,
            },
            l3_len: header.saturating_add(segment.payload),
            checksum: Checksum::NotChecked,
            hook: Hook::Prerouting,
            body: Body::Tcp(tcp),
        }
    }
}
