//! Link layers, as far as they lead to IP. Numbers: <https://www.tcpdump.org/linktypes.html>.

use super::view::View;
use super::walk::{Layer, Onward, Walk};

impl Walk<'_, '_> {
    /// A link type of the capture file.
    pub(super) fn link<'v>(&mut self, kind: u16, view: View<'v>) -> Onward<'v> {
        match kind {
            1 => Ok((Layer::Ethernet, view)),
            0 | 108 => self.loopback(view),
            9 | 50 => Ok((Layer::Ppp, view)),
            // A byte of direction first.
            166 | 204 => Ok((Layer::Ppp, view.after(1, "PPP direction")?)),
            205 => self.cisco_hdlc(view.after(1, "HDLC direction")?),
            51 => self.pppoe(view),
            10 => Ok((Layer::Llc, view.after(13, "FDDI")?)),
            11 | 100 => Ok((Layer::Llc, view)),
            6 => Ok((Layer::Llc, view.after(14, "token ring")?)),
            12 | 14 | 101 | 228 | 229 => Ok((Layer::Ip, view)),
            104 => self.cisco_hdlc(view),
            107 => self.frame_relay(view),
            206 => self.frame_relay(view.after(1, "frame relay direction")?),
            109 => Ok((Layer::Ip, view.after(12, "OpenBSD enc")?)),
            113 => self.cooked(view),
            117 => self.pflog(view),
            138 => {
                let [.., high, low] = view.head::<18>("IEEE 1394")?;
                Ok((
                    Layer::EtherType(u16::from_be_bytes([high, low])),
                    view.after(18, "IEEE 1394")?,
                ))
            }
            276 => self.cooked2(view),
            239 => self.nflog(view),
            105 => Ok((Layer::Dot11, view)),
            127 => self.radiotap(view),
            119 => Ok((Layer::Dot11, view.after(144, "prism")?)),
            163 => self.avs(view),
            192 => self.ppi(view),
            _ => Ok((Layer::Nothing, view)),
        }
    }

    pub(super) fn ethernet<'v>(&mut self, view: View<'v>) -> Onward<'v> {
        let addresses: [u8; 12] = view.head("Ethernet")?;
        self.seen_at(&addresses);
        let [.., high, low] = view.head::<14>("Ethernet")?;
        let rest = view.after(14, "Ethernet")?;
        Ok(type_or_length(u16::from_be_bytes([high, low]), rest))
    }

    /// What an EtherType names.
    pub(super) fn ether_type<'v>(&mut self, kind: u16, view: View<'v>) -> Onward<'v> {
        match kind {
            0x0800 | 0x86dd => Ok((Layer::Ip, view)),
            0x8100 | 0x88a8 | 0x9100 | 0x9200 => {
                let [tag @ .., high, low] = view.head::<4>("VLAN tag")?;
                self.seen_at(&tag);
                let rest = view.after(4, "VLAN tag")?;
                Ok(type_or_length(u16::from_be_bytes([high, low]), rest))
            }
            0x8847 | 0x8848 => Ok((Layer::Mpls, view)),
            0x8864 => self.pppoe(view),
            0x6558 => Ok((Layer::Ethernet, view)),
            0x880b => Ok((Layer::Ppp, view)),
            // Provider backbone bridging (IEEE 802.1ah): four bytes of tag, then a frame.
            0x88e7 => Ok((Layer::Ethernet, view.after(4, "backbone tag")?)),
            // VN-Tag (IEEE 802.1BR's forerunner): four bytes, then an EtherType.
            0x8926 => {
                let [.., high, low] = view.head::<6>("VN tag")?;
                Ok((Layer::EtherType(u16::from_be_bytes([high, low])), view.after(6, "VN tag")?))
            }
            _ => Ok((Layer::Nothing, view)),
        }
    }

    /// IEEE 802.2, with or without a sub-network header (RFC 1042).
    pub(super) fn llc<'v>(&mut self, view: View<'v>) -> Onward<'v> {
        match view.head::<3>("LLC")? {
            [0xaa, 0xaa, 3] => {
                let [_, _, _, oui @ .., high, low] = view.head::<8>("SNAP")?;
                let rest = view.after(8, "SNAP")?;
                let kind = u16::from_be_bytes([high, low]);
                Ok(match oui {
                    [0, 0, 0] | [0, 0, 0xf8] => (Layer::EtherType(kind), rest),
                    // Bridged Ethernet without its check sequence (RFC 2684 §5.2).
                    [0, 0x80, 0xc2] if kind == 7 => (Layer::Ethernet, rest.after(2, "padding")?),
                    _ => (Layer::Nothing, rest),
                })
            }
            [0x06, 0x06, _] => Ok((Layer::Ip, view.after(3, "LLC")?)),
            [0xfe, 0xfe, 3] => self.nlpid(view.after(3, "LLC")?),
            _ => Ok((Layer::Nothing, view)),
        }
    }

    /// RFC 1661; address and control may be left out, and the protocol's first byte too.
    pub(super) fn ppp<'v>(&mut self, view: View<'v>) -> Onward<'v> {
        let mut skip = match view.bytes {
            [0xff, 3, ..] => 2,
            [0x0f | 0x8f, 0, ..] => return self.cisco_hdlc(view),
            _ => 0,
        };
        let first = view.after(skip, "PPP")?.head::<1>("PPP protocol")?;
        let protocol = if first[0] & 1 == 1 {
            skip += 1;
            u16::from(first[0])
        } else {
            let pair = view.after(skip, "PPP")?.head::<2>("PPP protocol")?;
            skip += 2;
            u16::from_be_bytes(pair)
        };
        let rest = view.after(skip, "PPP")?;
        Ok(match protocol {
            0x0021 | 0x0057 => (Layer::Ip, rest),
            0x0281 | 0x0283 => (Layer::Mpls, rest),
            0x0031 => (Layer::Ethernet, rest.after(2, "bridged PPP")?),
            _ => (Layer::Nothing, rest),
        })
    }

    fn pppoe<'v>(&mut self, view: View<'v>) -> Onward<'v> {
        let [_, code, session @ .., high, low] = view.head::<6>("PPPoE")?;
        self.seen_at(&session);
        let len = usize::from(u16::from_be_bytes([high, low]));
        let rest = view.after(6, "PPPoE")?;
        // RFC 2516 §4: code 0 carries data.
        Ok((if code == 0 { Layer::Ppp } else { Layer::Nothing }, rest.limit(len)))
    }

    /// RFC 3032: labels until the one at the bottom, then IP or a pseudo-wire's Ethernet.
    pub(super) fn mpls<'v>(&mut self, view: View<'v>) -> Onward<'v> {
        let mut rest = view;
        for _ in 0..16 {
            let [_, _, bottom, _] = rest.head::<4>("MPLS label")?;
            rest = rest.after(4, "MPLS label")?;
            if bottom & 1 == 1 {
                let [first] = rest.head::<1>("MPLS payload")?;
                return Ok(match first >> 4 {
                    4 | 6 => (Layer::Ip, rest),
                    // RFC 4448 §4.6: a control word, then the frame.
                    0 => (Layer::Ethernet, rest.after(4, "control word")?),
                    _ => (Layer::Ethernet, rest),
                });
            }
        }
        Err(rest.nonsense("MPLS labels without a last one"))
    }

    /// BSD loopback: the address family in either byte order, as systems differ on IPv6's number.
    fn loopback<'v>(&mut self, view: View<'v>) -> Onward<'v> {
        let raw: [u8; 4] = view.head("loopback")?;
        let rest = view.after(4, "loopback")?;
        if let [0xff, 3, ..] = raw {
            return Ok((Layer::Ppp, view));
        }
        let little = u32::from_le_bytes(raw);
        let family = if little & 0xffff_0000 == 0 { little } else { u32::from_be_bytes(raw) };
        Ok(match family {
            2 | 10 | 23 | 24 | 28 | 30 => (Layer::Ip, rest),
            kind @ 0x0600..=0xffff => (Layer::EtherType(kind as u16), rest),
            _ => (Layer::Nothing, rest),
        })
    }

    fn cisco_hdlc<'v>(&mut self, view: View<'v>) -> Onward<'v> {
        let [address, _, high, low] = view.head("Cisco HDLC")?;
        let rest = view.after(4, "Cisco HDLC")?;
        let kind = u16::from_be_bytes([high, low]);
        Ok(match address {
            0x0f | 0x8f => (Layer::EtherType(kind), rest),
            _ => (Layer::Nothing, rest),
        })
    }

    /// RFC 2427: an address of two bytes or more, control, then an NLPID or an EtherType.
    fn frame_relay<'v>(&mut self, view: View<'v>) -> Onward<'v> {
        let mut length = 0;
        loop {
            let [byte] = view.after(length, "frame relay")?.head("frame relay address")?;
            length += 1;
            if byte & 1 == 1 {
                break;
            }
            if length > 4 {
                return Err(view.nonsense("frame relay address"));
            }
        }
        let rest = view.after(length, "frame relay")?;
        match rest.head::<2>("frame relay")? {
            [3, 0] => self.nlpid(rest.after(2, "frame relay")?),
            [3, _] => self.nlpid(rest.after(1, "frame relay")?),
            pair => Ok((Layer::EtherType(u16::from_be_bytes(pair)), rest.after(2, "frame relay")?)),
        }
    }

    fn nlpid<'v>(&mut self, view: View<'v>) -> Onward<'v> {
        let [kind] = view.head("NLPID")?;
        let rest = view.after(1, "NLPID")?;
        match kind {
            0xcc | 0x8e => Ok((Layer::Ip, rest)),
            0xcf => Ok((Layer::Ppp, rest)),
            0x80 => {
                let [oui @ .., high, low] = rest.head::<5>("SNAP")?;
                let kind = u16::from_be_bytes([high, low]);
                let rest = rest.after(5, "SNAP")?;
                Ok((if oui == [0; 3] { Layer::EtherType(kind) } else { Layer::Nothing }, rest))
            }
            _ => Ok((Layer::Nothing, rest)),
        }
    }

    /// Linux cooked, version 1: packet type, device type, address, protocol.
    fn cooked<'v>(&mut self, view: View<'v>) -> Onward<'v> {
        let head: [u8; 16] = view.head("Linux cooked")?;
        let [seen @ .., high, low] = head;
        self.seen_at(&seen);
        let device = u16::from_be_bytes([head[2], head[3]]);
        Ok(cooked_payload(device, u16::from_be_bytes([high, low]), view.after(16, "Linux cooked")?))
    }

    /// Linux cooked, version 2: protocol first, then the interface.
    fn cooked2<'v>(&mut self, view: View<'v>) -> Onward<'v> {
        let head: [u8; 20] = view.head("Linux cooked 2")?;
        let [high, low, _, _, seen @ ..] = head;
        self.seen_at(&seen);
        let device = u16::from_be_bytes([head[8], head[9]]);
        let rest = view.after(20, "Linux cooked 2")?;
        Ok(cooked_payload(device, u16::from_be_bytes([high, low]), rest))
    }

    /// OpenBSD's packet filter log: its own length first, padded to four.
    fn pflog<'v>(&mut self, view: View<'v>) -> Onward<'v> {
        let [length] = view.head("pflog")?;
        let padded = usize::from(length).next_multiple_of(4);
        Ok((Layer::Ip, view.after(padded, "pflog")?))
    }

    /// Linux netfilter log: attributes in the host's order; number 9 is the packet.
    fn nflog<'v>(&mut self, view: View<'v>) -> Onward<'v> {
        let mut rest = view.after(4, "nflog")?;
        for _ in 0..64 {
            let [a, b, c, d] = rest.head("nflog attribute")?;
            let length = usize::from(u16::from_le_bytes([a, b]));
            if length < 4 {
                return Err(rest.nonsense("nflog attribute"));
            }
            if u16::from_le_bytes([c, d]) == 9 {
                return Ok((Layer::Ip, rest.limit(length).after(4, "nflog payload")?));
            }
            rest = rest.after(length.next_multiple_of(4), "nflog attribute")?;
        }
        Err(rest.nonsense("nflog attributes without a packet"))
    }
}

/// A field that is an EtherType from 0x600 on, and the length of an LLC frame up to 1500.
fn type_or_length(field: u16, rest: View<'_>) -> (Layer, View<'_>) {
    match field {
        0x0600.. => (Layer::EtherType(field), rest),
        length @ 0..=1500 => (Layer::Llc, rest.limit(usize::from(length))),
        _ => (Layer::Nothing, rest),
    }
}

fn cooked_payload(device: u16, protocol: u16, rest: View<'_>) -> (Layer, View<'_>) {
    let layer = match (device, protocol) {
        // ARPHRD_NETLINK, ARPHRD_IPGRE, radiotap and friends carry other things in this field.
        (824, _) => Layer::Nothing,
        (803, _) => Layer::Link(127),
        (_, 4) => Layer::Llc,
        (_, kind) => Layer::EtherType(kind),
    };
    (layer, rest)
}
