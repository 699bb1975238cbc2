//! Where a frame's headers lie: which bytes are addresses, which are checksums and what they cover,
//! and where the headers end.
//!
//! Everything behind what is understood here counts as payload: what cannot be read cannot be
//! judged harmless. Sources: the header formats of RFC 791, 8200, 9293, 768, 792, 4443, 4861, 826,
//! 2784, 7348, 8926, and the link types' pages at <https://www.tcpdump.org/linktypes.html>.

use crate::capture::LinkType;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// What stands in some bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum What {
    /// Six bytes of a hardware address.
    Mac,
    /// Four bytes of an IPv4 address.
    V4,
    /// Sixteen bytes of an IPv6 address.
    V6,
    /// Options that may hold addresses; filled with this byte, which means "nothing" there.
    Blank(u8),
}

/// Bytes that tell who somebody is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Field {
    pub(super) at: usize,
    pub(super) len: usize,
    pub(super) what: What,
}

/// A checksum, the bytes it covers, and the addresses of its pseudo header.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Sum {
    pub(super) at: usize,
    pub(super) from: usize,
    pub(super) to: usize,
    pub(super) pseudo: Option<(usize, usize)>,
    /// Zero means that there is none (RFC 768).
    pub(super) zero_is_none: bool,
}

/// The two ends of a transport header.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Ends {
    /// Protocol number.
    pub protocol: u8,
    /// Who sent it.
    pub src: SocketAddr,
    /// To whom.
    pub dst: SocketAddr,
}

/// The headers of one frame, those of quoted and tunnelled packets among them.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Layers {
    /// Where the headers end.
    end: usize,
    /// Ends of connections, the outermost first.
    ends: Vec<Ends>,
    pub(super) fields: Vec<Field>,
    /// The outer ones first.
    pub(super) sums: Vec<Sum>,
}

impl Layers {
    /// Reads the headers of a frame of this link type. One of a type that is not known has none.
    pub fn of(link: LinkType, bytes: &[u8]) -> Self {
        let mut walk = Walk { bytes, found: Self::default(), depth: 0 };
        walk.link(link);
        walk.found.end = walk.found.end.min(bytes.len());
        walk.found
    }

    /// Bytes of headers.
    pub const fn end(&self) -> usize {
        self.end
    }

    /// Ends of connections, the outermost first; of ICMP errors also those quoted.
    pub fn ends(&self) -> &[Ends] {
        &self.ends
    }

    /// Every network address of these headers; `bytes` are those they were read from.
    pub fn addresses<'a>(&'a self, bytes: &'a [u8]) -> impl Iterator<Item = IpAddr> + 'a {
        self.fields.iter().filter_map(|field| address(bytes, field.at, field.what))
    }
}

fn address(bytes: &[u8], at: usize, what: What) -> Option<IpAddr> {
    let rest = bytes.get(at..)?;
    match what {
        What::V4 => rest.first_chunk::<4>().map(|raw| IpAddr::V4(Ipv4Addr::from(*raw))),
        What::V6 => rest.first_chunk::<16>().map(|raw| IpAddr::V6(Ipv6Addr::from(*raw))),
        What::Mac | What::Blank(_) => None,
    }
}

/// Tunnels within tunnels end somewhere.
const DEPTH_MAX: u8 = 6;

struct Walk<'a> {
    bytes: &'a [u8],
    found: Layers,
    depth: u8,
}

/// A network header that was passed: what its transport needs of it.
#[derive(Clone, Copy)]
struct Network {
    /// Where its addresses begin and end.
    addresses: (usize, usize),
    /// Where the packet ends.
    limit: usize,
}

impl Walk<'_> {
    fn byte(&self, at: usize) -> Option<u8> {
        self.bytes.get(at).copied()
    }

    fn be16(&self, at: usize) -> Option<u16> {
        Some(u16::from_be_bytes([self.byte(at)?, self.byte(at + 1)?]))
    }

    fn end(&mut self, at: usize) {
        self.found.end = self.found.end.max(at);
    }

    fn field(&mut self, at: usize, what: What) {
        let len = match what {
            What::Mac => 6,
            What::V4 => 4,
            What::V6 => 16,
            What::Blank(_) => 0,
        };
        self.found.fields.push(Field { at, len, what });
    }

    fn blank(&mut self, from: usize, to: usize, with: u8) {
        if to > from {
            self.found.fields.push(Field { at: from, len: to - from, what: What::Blank(with) });
        }
    }

    fn link(&mut self, link: LinkType) -> Option<()> {
        match link.0 {
            0 | 108 => {
                self.end(4);
                self.by_version(4)
            }
            1 => self.ethernet(0),
            12 | 14 | 101 => self.by_version(0),
            113 => self.cooked((4, 6, 14), 16),
            228 => self.v4(0),
            229 => self.v6(0),
            276 => self.cooked((10, 12, 0), 20),
            _ => None,
        }
    }

    /// Linux cooked: where the address's length (its low byte last), the address and the protocol
    /// stand, and how long the header is.
    fn cooked(
        &mut self,
        (length, address, protocol): (usize, usize, usize),
        end: usize,
    ) -> Option<()> {
        if self.byte(length + 1)? == 6 {
            self.field(address, What::Mac);
        } else {
            self.blank(address, address + 8, 0);
        }
        self.end(end);
        self.protocol(self.be16(protocol)?, end)
    }

    fn ethernet(&mut self, at: usize) -> Option<()> {
        let kind = self.be16(at + 12)?;
        self.field(at, What::Mac);
        self.field(at + 6, What::Mac);
        self.end(at + 14);
        self.protocol(kind, at + 14)
    }

    /// What an EtherType says is at `at`.
    fn protocol(&mut self, kind: u16, at: usize) -> Option<()> {
        match kind {
            0x0800 => self.v4(at),
            0x86dd => self.v6(at),
            0x0806 | 0x8035 => self.arp(at),
            0x8100 | 0x88a8 | 0x9100 => {
                let kind = self.be16(at + 2)?;
                self.end(at + 4);
                self.deeper(|walk| walk.protocol(kind, at + 4))
            }
            0x8847 | 0x8848 => {
                self.end(at + 4);
                if self.byte(at + 2)? & 1 == 1 {
                    self.by_version(at + 4)
                } else {
                    self.deeper(|walk| walk.protocol(kind, at + 4))
                }
            }
            0x8864 => {
                let inner = self.be16(at + 6)?;
                self.end(at + 8);
                match inner {
                    0x0021 => self.v4(at + 8),
                    0x0057 => self.v6(at + 8),
                    _ => None,
                }
            }
            _ => None,
        }
    }

    fn deeper(&mut self, walk: impl FnOnce(&mut Self) -> Option<()>) -> Option<()> {
        if self.depth >= DEPTH_MAX {
            return None;
        }
        self.depth += 1;
        let went = walk(self);
        self.depth -= 1;
        went
    }

    fn by_version(&mut self, at: usize) -> Option<()> {
        match self.byte(at)? >> 4 {
            4 => self.v4(at),
            6 => self.v6(at),
            _ => None,
        }
    }

    fn arp(&mut self, at: usize) -> Option<()> {
        let (hardware, protocol) = (self.byte(at + 4)?, self.byte(at + 5)?);
        self.end(at + 8);
        if (hardware, protocol) == (6, 4) {
            for (offset, what) in [(8, What::Mac), (14, What::V4), (18, What::Mac), (24, What::V4)]
            {
                self.field(at + offset, what);
            }
            self.end(at + 28);
        }
        Some(())
    }

    fn v4(&mut self, at: usize) -> Option<()> {
        let first = self.byte(at)?;
        let header = usize::from(first & 0xf) * 4;
        // Another version under this name is read differently by everybody.
        if first >> 4 != 4 || header < 20 {
            return None;
        }
        let total = usize::from(self.be16(at + 2)?);
        let body = at + header;
        // Zero: a segment larger than the field, left to the card to cut.
        let limit = if total < header { self.bytes.len() } else { at + total };
        let network = Network { addresses: (at + 12, at + 20), limit: limit.min(self.bytes.len()) };
        self.field(at + 12, What::V4);
        self.field(at + 16, What::V4);
        const NOTHING: u8 = 1;
        self.blank(at + 20, body, NOTHING);
        self.sum(at + 10, (at, body), None);
        self.end(body);
        let is_first = self.be16(at + 6)? & 0x1fff == 0;
        let protocol = self.byte(at + 9)?;
        if is_first { self.transport(protocol, body, network) } else { None }
    }

    fn v6(&mut self, at: usize) -> Option<()> {
        if self.byte(at)? >> 4 != 6 {
            return None;
        }
        let length = usize::from(self.be16(at + 4)?);
        let mut next = self.byte(at + 6)?;
        let limit = if length == 0 { self.bytes.len() } else { at + 40 + length };
        let network = Network { addresses: (at + 8, at + 40), limit: limit.min(self.bytes.len()) };
        self.field(at + 8, What::V6);
        self.field(at + 24, What::V6);
        let mut body = at + 40;
        self.end(body);
        for _ in 0..8 {
            let inner = self.byte(body);
            let length = match next {
                0 | 43 | 60 | 135 => (usize::from(self.byte(body + 1)?) + 1) * 8,
                44 => 8,
                51 => (usize::from(self.byte(body + 1)?) + 2) * 4,
                _ => return self.transport(next, body, network),
            };
            match next {
                // Zero is Pad1 among options.
                0 | 60 | 135 => self.blank(body + 2, body + length, 0),
                43 => self.routing(body, length),
                _ => {}
            }
            self.end(body + length);
            if next == 44 && self.be16(body + 2)? & 0xfff8 != 0 {
                return None;
            }
            next = inner?;
            body += length;
        }
        None
    }

    /// A routing header: addresses where its type has them, otherwise nothing is known of it.
    fn routing(&mut self, at: usize, length: usize) {
        if matches!(self.byte(at + 2), Some(0 | 2 | 4)) {
            (at + 8..at + length).step_by(16).for_each(|address| self.field(address, What::V6));
        } else {
            self.blank(at + 4, at + length, 0);
        }
    }

    fn transport(&mut self, protocol: u8, at: usize, network: Network) -> Option<()> {
        match protocol {
            1 => self.icmp(at, network),
            2 | 50 => {
                self.end(at + 8);
                Some(())
            }
            4 => self.deeper(|walk| walk.v4(at)),
            6 => self.tcp(at, network),
            17 | 136 => self.udp(protocol, at, network),
            41 => self.deeper(|walk| walk.v6(at)),
            47 => self.gre(at, network),
            58 => self.icmp6(at, network),
            132 => {
                self.ports(protocol, at, network);
                self.end(at + 12);
                Some(())
            }
            _ => None,
        }
    }

    fn ports(&mut self, protocol: u8, at: usize, network: Network) -> Option<()> {
        let (from, to) = network.addresses;
        let what = if to - from == 8 { What::V4 } else { What::V6 };
        let end = |address_at, port_at| {
            let address = address(self.bytes, address_at, what)?;
            Some(SocketAddr::new(address, self.be16(port_at)?))
        };
        let src = end(from, at)?;
        let dst = end(from + (to - from) / 2, at + 2)?;
        self.found.ends.push(Ends { protocol, src, dst });
        Some(())
    }

    fn sum(&mut self, at: usize, (from, to): (usize, usize), pseudo: Option<(usize, usize)>) {
        // One that was not kept, or belongs to bytes that are not the packet's, is none.
        if at + 2 <= to.min(self.bytes.len()) {
            self.found.sums.push(Sum { at, from, to, pseudo, zero_is_none: false });
        }
    }

    fn tcp(&mut self, at: usize, network: Network) -> Option<()> {
        self.ports(6, at, network);
        self.sum(at + 16, (at, network.limit), Some(network.addresses));
        // Of a quote only the first eight bytes may be there.
        let header = self.byte(at + 12).map_or(20, |byte| usize::from(byte >> 4) * 4).max(20);
        let end = (at + header).min(network.limit);
        self.tcp_options(at + 20, end);
        self.end(end);
        Some(())
    }

    /// The only option of TCP that tells of another address is Multipath TCP's (RFC 8684 §3.4.1).
    fn tcp_options(&mut self, mut at: usize, end: usize) -> Option<()> {
        const NOTHING: u8 = 1;
        while at < end {
            let kind = self.byte(at)?;
            let length = match kind {
                0 => break,
                1 => 1,
                _ => usize::from(self.byte(at + 1)?),
            };
            if length == 0 {
                break;
            }
            if kind == 30 && self.byte(at + 2)? >> 4 == 3 {
                self.blank(at, (at + length).min(end), NOTHING);
            }
            at += length;
        }
        Some(())
    }

    fn udp(&mut self, protocol: u8, at: usize, network: Network) -> Option<()> {
        self.ports(protocol, at, network);
        self.sum(at + 6, (at, network.limit), Some(network.addresses));
        if let Some(sum) = self.found.sums.last_mut().filter(|sum| sum.at == at + 6) {
            sum.zero_is_none = true;
        }
        self.end(at + 8);
        match self.be16(at + 2)? {
            // VXLAN, by its number and by the one Linux had first.
            4789 | 8472 => {
                self.end(at + 16);
                self.deeper(|walk| walk.ethernet(at + 16))
            }
            // Geneve: what its options hold is not known.
            6081 => {
                let options = usize::from(self.byte(at + 8)? & 0x3f) * 4;
                let kind = self.be16(at + 10)?;
                self.blank(at + 16, at + 16 + options, 0);
                self.end(at + 16 + options);
                self.deeper(|walk| walk.inner(kind, at + 16 + options))
            }
            _ => Some(()),
        }
    }

    /// What a tunnel says it carries.
    fn inner(&mut self, kind: u16, at: usize) -> Option<()> {
        if kind == 0x6558 { self.ethernet(at) } else { self.protocol(kind, at) }
    }

    fn gre(&mut self, at: usize, network: Network) -> Option<()> {
        let (flags, kind) = (self.be16(at)?, self.be16(at + 2)?);
        let has = |bit: u16| usize::from(flags & bit != 0);
        if flags & 0x4007 != 0 {
            // Routing, or another version of the protocol.
            self.end(at + 4);
            return None;
        }
        if has(0x8000) == 1 {
            self.sum(at + 4, (at, network.limit), None);
        }
        let body = at + 4 + 4 * (has(0x8000) + has(0x2000) + has(0x1000));
        self.end(body);
        self.deeper(|walk| walk.inner(kind, body))
    }

    fn icmp(&mut self, at: usize, network: Network) -> Option<()> {
        let kind = self.byte(at)?;
        self.sum(at + 2, (at, network.limit), None);
        self.end((at + 8).min(network.limit));
        match kind {
            5 => {
                self.field(at + 4, What::V4);
                self.deeper(|walk| walk.v4(at + 8))
            }
            3 | 4 | 11 | 12 => self.deeper(|walk| walk.v4(at + 8)),
            _ => Some(()),
        }
    }

    fn icmp6(&mut self, at: usize, network: Network) -> Option<()> {
        let kind = self.byte(at)?;
        self.sum(at + 2, (at, network.limit), Some(network.addresses));
        self.end((at + 8).min(network.limit));
        match kind {
            1..=4 => self.deeper(|walk| walk.v6(at + 8)),
            135 | 136 => {
                self.field(at + 8, What::V6);
                self.end(at + 24);
                self.neighbour_options(at + 24, network.limit)
            }
            137 => {
                self.field(at + 8, What::V6);
                self.field(at + 24, What::V6);
                self.end(at + 40);
                Some(())
            }
            134 => {
                self.end(at + 16);
                Some(())
            }
            _ => Some(()),
        }
    }

    /// Hardware addresses of neighbours; what follows another option is cut.
    fn neighbour_options(&mut self, mut at: usize, limit: usize) -> Option<()> {
        while at + 8 <= limit && matches!(self.byte(at)?, 1 | 2) && self.byte(at + 1)? == 1 {
            self.field(at + 2, What::Mac);
            self.end(at + 8);
            at += 8;
        }
        Some(())
    }
}
