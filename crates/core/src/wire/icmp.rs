//! ICMP errors and the TCP header they quote (RFC 792, RFC 4443). Everything else of ICMP is not
//! looked at.

use super::view::View;
use super::walk::Walk;
use super::{IcmpError, IcmpKind, Reading, Seq, Stop};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

impl Walk<'_, '_> {
    pub(super) fn icmp(&mut self, view: View<'_>, v6: bool) -> Result<Reading, Stop> {
        let [kind, code, _, _, a, b, c, d] = view.head("ICMP")?;
        let word = u32::from_be_bytes([a, b, c, d]);
        let kind = match (v6, kind, code) {
            (false, 3, 4) => IcmpKind::TooBig { mtu: word & 0xffff },
            (true, 2, _) => IcmpKind::TooBig { mtu: word },
            (false, 3, code) => IcmpKind::Unreachable { code, v6 },
            (true, 1, code) => IcmpKind::Unreachable { code, v6 },
            (false, 11, _) | (true, 3, _) => IcmpKind::TimeExceeded,
            (false, 4 | 5 | 12, _) | (true, 4, _) => IcmpKind::Other { kind, code },
            _ => return Ok(Reading::Other),
        };
        let Some(outer) = self.ip else {
            return Ok(Reading::Other);
        };
        let quote = view.after(8, "ICMP")?;
        let Some((src, dst, tcp)) = quoted(quote)? else {
            return Ok(Reading::Other);
        };
        // Routers quote at least eight bytes beyond the IP header: ports and sequence number.
        let [p, q, r, s, seq @ ..] = tcp.head::<8>("quoted TCP")?;
        Ok(Reading::Icmp(IcmpError {
            packet: self.packet.number,
            at: self.packet.at,
            from: outer.src,
            kind,
            src: SocketAddr::new(src, u16::from_be_bytes([p, q])),
            dst: SocketAddr::new(dst, u16::from_be_bytes([r, s])),
            seq: Seq(u32::from_be_bytes(seq)),
        }))
    }
}

/// The quoted datagram's ends and its TCP header, or `None` when it is no first piece of TCP.
fn quoted(view: View<'_>) -> Result<Option<(IpAddr, IpAddr, View<'_>)>, Stop> {
    let [first] = view.head("quoted IP")?;
    if first >> 4 == 6 {
        let head: [u8; 40] = view.head("quoted IPv6")?;
        let (Some(src), Some(dst)) =
            (head[8..].first_chunk::<16>(), head[24..].first_chunk::<16>())
        else {
            return Ok(None);
        };
        let (src, dst) = (IpAddr::V6(Ipv6Addr::from(*src)), IpAddr::V6(Ipv6Addr::from(*dst)));
        let rest = view.after(40, "quoted IPv6")?;
        return Ok((head[6] == 6).then_some((src, dst, rest)));
    }
    let [_, _, _, _, _, _, high, low, _, protocol, _, _, ends @ ..] =
        view.head::<20>("quoted IPv4")?;
    let header = usize::from(first & 0x0f) * 4;
    let is_first = u16::from_be_bytes([high, low]) & 0x1fff == 0;
    if first >> 4 != 4 || header < 20 || protocol != 6 || !is_first {
        return Ok(None);
    }
    let [a, b, c, d, e, f, g, h] = ends;
    let src = IpAddr::V4(Ipv4Addr::new(a, b, c, d));
    let dst = IpAddr::V4(Ipv4Addr::new(e, f, g, h));
    Ok(Some((src, dst, view.after(header, "quoted IPv4")?)))
}
