//! The way from the link to TCP, one layer at a time, through tunnels, at most 24 layers deep.

use super::fragment::Fragments;
use super::vantage::Vantage;
use super::view::View;
use super::{Reading, Stop};
use crate::capture::Packet;
use std::net::IpAddr;

/// A capture can nest headers without end; real ones do not.
const LAYERS_MAX: u32 = 24;

/// What the bytes at hand claim to be.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Layer {
    /// A link type of the capture file.
    Link(u16),
    Ethernet,
    /// What an EtherType names.
    EtherType(u16),
    /// IEEE 802.2 logical link control.
    Llc,
    Ppp,
    Mpls,
    /// IP of the version its first nibble says.
    Ip,
    /// What an IP protocol number names.
    Protocol(u8),
    Dot11,
    /// Nothing that can carry TCP.
    Nothing,
}

/// Facts of the innermost IP header.
#[derive(Clone, Copy, Debug)]
pub(super) struct IpFacts {
    pub src: IpAddr,
    pub dst: IpAddr,
    pub ttl: u8,
    pub id: Option<u16>,
    pub dont_fragment: bool,
    /// A first fragment whose rest is unknown: no length above IP can be trusted.
    pub fragmented: bool,
}

/// Where a layer leads: the next one and its bytes.
pub(super) type Onward<'a> = Result<(Layer, View<'a>), Stop>;

pub(super) struct Walk<'p, 'f> {
    pub packet: &'p Packet<'p>,
    pub fragments: &'f mut Fragments,
    pub vantage: Vantage,
    pub ip: Option<IpFacts>,
    pub depth: u32,
}

impl<'p, 'f> Walk<'p, 'f> {
    pub(super) fn new(packet: &'p Packet<'p>, vantage: u32, fragments: &'f mut Fragments) -> Self {
        let vantage = Vantage::of(vantage, packet.interface);
        Self { packet, fragments, vantage, ip: None, depth: 0 }
    }

    /// Adds to the digest of where the packet was seen.
    pub(super) fn seen_at(&mut self, bytes: &[u8]) {
        self.vantage = self.vantage.and(bytes);
    }

    pub(super) fn run(mut self) -> Reading {
        // Wireshark knows no packet longer than this either.
        let len = self.packet.wire_len.min(i32::MAX.cast_unsigned());
        let view = View::new(self.packet.bytes, len as usize);
        let view = view.limit(view.len.saturating_sub(usize::from(self.packet.fcs_bytes)));
        match self.from(Layer::Link(self.packet.link.0), view) {
            Ok(reading) => reading,
            Err(stop) => Reading::Stopped(stop),
        }
    }

    /// Walks on from a layer. Reassembled datagrams come back here, one level deeper.
    pub(super) fn from(&mut self, layer: Layer, view: View<'_>) -> Result<Reading, Stop> {
        let (mut layer, mut view) = (layer, view);
        loop {
            self.depth += 1;
            if self.depth > LAYERS_MAX {
                return Err(view.nonsense("headers nested too deep"));
            }
            (layer, view) = match layer {
                Layer::Link(kind) => self.link(kind, view)?,
                Layer::Ethernet => self.ethernet(view)?,
                Layer::EtherType(kind) => self.ether_type(kind, view)?,
                Layer::Llc => self.llc(view)?,
                Layer::Ppp => self.ppp(view)?,
                Layer::Mpls => self.mpls(view)?,
                Layer::Dot11 => self.dot11(view)?,
                Layer::Ip => match self.ip(view)? {
                    super::ip::Datagram::Whole(protocol, rest) => (Layer::Protocol(protocol), rest),
                    super::ip::Datagram::Rebuilt(protocol, bytes, len) => {
                        return self.from(Layer::Protocol(protocol), View::new(&bytes, len));
                    }
                    super::ip::Datagram::Waiting => return Ok(Reading::Other),
                },
                Layer::Protocol(6) => return self.tcp(view).map(Reading::Segment),
                Layer::Protocol(1) => return self.icmp(view, false),
                Layer::Protocol(58) => return self.icmp(view, true),
                Layer::Protocol(kind) => self.protocol(kind, view)?,
                Layer::Nothing => return Ok(Reading::Other),
            }
        }
    }
}

/// The bytes from the first IP header on.
pub(super) fn outermost_ip<'a>(packet: &Packet<'a>) -> Option<&'a [u8]> {
    let mut fragments = Fragments::default();
    let mut walk = Walk::new(packet, 0, &mut fragments);
    let view = View::new(packet.bytes, packet.wire_len as usize);
    let (mut layer, mut view) = (Layer::Link(packet.link.0), view);
    for _ in 0..LAYERS_MAX {
        (layer, view) = match layer {
            Layer::Ip => return Some(view.bytes),
            Layer::Link(kind) => walk.link(kind, view).ok()?,
            Layer::Ethernet => walk.ethernet(view).ok()?,
            Layer::EtherType(kind) => walk.ether_type(kind, view).ok()?,
            Layer::Llc => walk.llc(view).ok()?,
            Layer::Ppp => walk.ppp(view).ok()?,
            Layer::Mpls => walk.mpls(view).ok()?,
            Layer::Dot11 => walk.dot11(view).ok()?,
            Layer::Protocol(_) | Layer::Nothing => return None,
        };
    }
    None
}
