//! IP protocols that carry IP or Ethernet: IP in IP, GRE, ERSPAN, VXLAN, Geneve, GTP-U, Teredo.

use super::view::View;
use super::walk::{Layer, Onward, Walk};

impl Walk<'_, '_> {
    /// What an IP protocol number names, other than TCP and ICMP.
    pub(super) fn protocol<'v>(&mut self, kind: u8, view: View<'v>) -> Onward<'v> {
        match kind {
            4 | 41 => {
                self.seen_at(&[kind]);
                Ok((Layer::Ip, view))
            }
            17 => self.udp(view),
            47 => self.gre(view),
            // Authentication header over IPv4 (RFC 4302 §2.2).
            51 => {
                let [next, length] = view.head("authentication header")?;
                let bytes = (usize::from(length) + 2) * 4;
                Ok((Layer::Protocol(next), view.after(bytes, "authentication header")?))
            }
            // RFC 3378: a version and a reserved byte, then a frame.
            97 => Ok((Layer::Ethernet, view.after(2, "EtherIP")?)),
            137 => Ok((Layer::Mpls, view)),
            // IPv6 extension headers met after an authentication header.
            0 | 43 | 60 => {
                let [next, length] = view.head("extension header")?;
                let bytes = (usize::from(length) + 1) * 8;
                Ok((Layer::Protocol(next), view.after(bytes, "extension header")?))
            }
            _ => Ok((Layer::Nothing, view)),
        }
    }

    /// RFC 2784, RFC 2890 and, as version 1, RFC 2637.
    fn gre<'v>(&mut self, view: View<'v>) -> Onward<'v> {
        let [flags, version, high, low] = view.head("GRE")?;
        self.seen_at(&[47]);
        let mut length = 4;
        // Checksum or routing (RFC 1701): both bring four bytes.
        if flags & 0xc0 != 0 {
            length += 4;
        }
        for bit in [0x20, 0x10] {
            if flags & bit != 0 {
                length += 4;
            }
        }
        if version & 7 == 1 && version & 0x80 != 0 {
            length += 4;
        }
        let rest = view.after(length, "GRE")?;
        let kind = u16::from_be_bytes([high, low]);
        match kind {
            // ERSPAN: version I has no sequence number and no header of its own.
            0x88be if flags & 0x10 == 0 => Ok((Layer::Ethernet, rest)),
            0x88be => Ok((Layer::Ethernet, rest.after(8, "ERSPAN II")?)),
            0x22eb => {
                let [.., last] = rest.head::<12>("ERSPAN III")?;
                let length = if last & 1 == 1 { 20 } else { 12 };
                Ok((Layer::Ethernet, rest.after(length, "ERSPAN III")?))
            }
            kind => Ok((Layer::EtherType(kind), rest)),
        }
    }

    fn udp<'v>(&mut self, view: View<'v>) -> Onward<'v> {
        let [a, b, c, d, e, f, _, _] = view.head("UDP")?;
        let (src, dst) = (u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d]));
        let length = usize::from(u16::from_be_bytes([e, f]));
        if length < 8 {
            return Err(view.nonsense("UDP length"));
        }
        let rest = view.limit(length).after(8, "UDP")?;
        let onward = match (src, dst) {
            (_, 4789 | 8472) => self.vxlan(rest),
            (_, 6081) => self.geneve(rest),
            (_, 2152) | (2152, _) => self.gtp(rest),
            (_, 3544) | (3544, _) => self.teredo(rest),
            (_, 6635) => Ok((Layer::Mpls, rest)),
            _ => return Ok((Layer::Nothing, rest)),
        };
        self.seen_at(&[17]);
        onward
    }

    /// RFC 7348 §5; the port 8472 is what Linux used before it had one.
    fn vxlan<'v>(&mut self, view: View<'v>) -> Onward<'v> {
        let [flags, ..] = view.head::<8>("VXLAN")?;
        let layer = if flags & 0x08 != 0 { Layer::Ethernet } else { Layer::Nothing };
        Ok((layer, view.after(8, "VXLAN")?))
    }

    /// RFC 8926 §3.4.
    fn geneve<'v>(&mut self, view: View<'v>) -> Onward<'v> {
        let [first, _, high, low, ..] = view.head::<8>("Geneve")?;
        if first >> 6 != 0 {
            return Ok((Layer::Nothing, view));
        }
        let options = usize::from(first & 0x3f) * 4;
        let kind = u16::from_be_bytes([high, low]);
        Ok((Layer::EtherType(kind), view.after(8 + options, "Geneve options")?))
    }

    /// 3GPP TS 29.281 §5.1: user data is message 255; four optional bytes and extension headers.
    fn gtp<'v>(&mut self, view: View<'v>) -> Onward<'v> {
        let [flags, kind, ..] = view.head::<8>("GTP")?;
        if flags >> 5 != 1 || kind != 255 {
            return Ok((Layer::Nothing, view));
        }
        let mut rest = view.after(8, "GTP")?;
        if flags & 7 != 0 {
            let [_, _, _, mut next] = rest.head("GTP options")?;
            rest = rest.after(4, "GTP options")?;
            let mut left = 16;
            while flags & 4 != 0 && next != 0 && left > 0 {
                let [length] = rest.head("GTP extension")?;
                let bytes = usize::from(length) * 4;
                if bytes == 0 {
                    return Err(rest.nonsense("GTP extension"));
                }
                let [following] = rest.after(bytes - 1, "GTP extension")?.head("GTP extension")?;
                rest = rest.after(bytes, "GTP extension")?;
                next = following;
                left -= 1;
            }
        }
        Ok((Layer::Ip, rest))
    }

    /// RFC 4380 §5.1.1: an authentication and an origin header may stand before IPv6.
    fn teredo<'v>(&mut self, view: View<'v>) -> Onward<'v> {
        let mut rest = view;
        if let [0, 1, id, auth, ..] = rest.bytes {
            let length = 4 + usize::from(*id) + usize::from(*auth) + 9;
            rest = rest.after(length, "Teredo authentication")?;
        }
        if let [0, 0, ..] = rest.bytes {
            rest = rest.after(8, "Teredo origin")?;
        }
        let [first] = rest.head("Teredo")?;
        Ok((if first >> 4 == 6 { Layer::Ip } else { Layer::Nothing }, rest))
    }
}
