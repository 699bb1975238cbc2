//! Bytes of an IP packet become what the table needs to know of it.
//!
//! Lengths come from the IP header, so a packet the capture cut short keeps its own. Refused:
//! fragments, which the kernel puts together before the table sees them, and anything whose own
//! header is cut, since the kernel always has the whole of it.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::options::Options;
use super::packet::{Body, Checksum, Hook, Packet, Tcp, Tuple, proto};

/// Why bytes did not become a [`Packet`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Unreadable {
    /// Neither IPv4 nor IPv6, or an IP header that makes no sense.
    NotIp,
    /// A fragment: the table sees only the whole.
    Fragment,
    /// The capture holds too little of its headers.
    CutShort,
}

/// The packet behind an IP header: what is captured of it, and its length on the wire.
struct Inner<'a> {
    src: IpAddr,
    dst: IpAddr,
    proto: u8,
    l3_len: usize,
    /// Bytes from the transport header on, as captured, without link-layer padding.
    bytes: &'a [u8],
    /// Their number by the IP header.
    len: usize,
}

/// Reads one IP packet as it arrives at PREROUTING.
///
/// # Errors
///
/// [`Unreadable`] says why there is nothing to judge.
pub fn read(ip: &[u8]) -> Result<Packet, Unreadable> {
    let inner = match ip.first().map(|b| b >> 4) {
        Some(4) => ipv4(ip)?,
        Some(6) => ipv6(ip)?,
        _ => return Err(Unreadable::NotIp),
    };
    let mut tuple =
        Tuple { src: inner.src, dst: inner.dst, sport: 0, dport: 0, proto: inner.proto };
    let (body, has_checksum) = match inner.proto {
        proto::TCP => tcp(&inner, &mut tuple)?,
        proto::UDP => udp(&inner, &mut tuple)?,
        proto::ICMP | proto::ICMPV6 => icmp(&inner, &mut tuple)?,
        _ => (Body::Other, false),
    };
    let checksum = if has_checksum { checksum(&inner) } else { Checksum::NotChecked };
    let l3_len = u32::try_from(inner.l3_len).unwrap_or(u32::MAX);
    Ok(Packet { tuple, l3_len, checksum, hook: Hook::Prerouting, body })
}

fn be16(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_be_bytes(bytes.get(at..at + 2)?.try_into().ok()?))
}

fn be32(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_be_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}

fn ipv4(ip: &[u8]) -> Result<Inner<'_>, Unreadable> {
    let header = ip.first_chunk::<20>().ok_or(Unreadable::CutShort)?;
    let ihl = usize::from(header[0] & 0x0f) * 4;
    let total = usize::from(be16(header, 2).unwrap_or(0));
    if ihl < 20 || total < ihl {
        return Err(Unreadable::NotIp);
    }
    // More fragments, or not the first of them.
    if be16(header, 6).unwrap_or(0) & 0x3fff != 0 {
        return Err(Unreadable::Fragment);
    }
    let bytes = ip.get(ihl..total.min(ip.len())).ok_or(Unreadable::CutShort)?;
    let address = |at| Ipv4Addr::from_bits(be32(header, at).unwrap_or(0));
    Ok(Inner {
        src: IpAddr::V4(address(12)),
        dst: IpAddr::V4(address(16)),
        proto: header[9],
        l3_len: total,
        bytes,
        len: total - ihl,
    })
}

fn ipv6(ip: &[u8]) -> Result<Inner<'_>, Unreadable> {
    let header = ip.first_chunk::<40>().ok_or(Unreadable::CutShort)?;
    let total = 40 + usize::from(be16(header, 4).unwrap_or(0));
    let address = |at: usize| {
        let octets = header.get(at..at + 16).and_then(|b| <[u8; 16]>::try_from(b).ok());
        IpAddr::V6(Ipv6Addr::from(octets.unwrap_or_default()))
    };
    let (proto, at) = skip_extensions(ip, header[6], total)?;
    let bytes = ip.get(at..total.min(ip.len())).ok_or(Unreadable::CutShort)?;
    Ok(Inner {
        src: address(8),
        dst: address(24),
        proto,
        l3_len: total,
        bytes,
        len: total.saturating_sub(at),
    })
}

/// Walks the extension headers (RFC 8200 §4); returns the protocol and where its header begins.
fn skip_extensions(ip: &[u8], first: u8, total: usize) -> Result<(u8, usize), Unreadable> {
    const HOP_BY_HOP: u8 = 0;
    const ROUTING: u8 = 43;
    const FRAGMENT: u8 = 44;
    const AUTHENTICATION: u8 = 51;
    const DESTINATION: u8 = 60;
    let (mut next, mut at) = (first, 40);
    loop {
        let unit = match next {
            HOP_BY_HOP | ROUTING | DESTINATION => 8,
            AUTHENTICATION => 4,
            FRAGMENT => return Err(Unreadable::Fragment),
            _ => return Ok((next, at)),
        };
        let (Some(&behind), Some(&length)) = (ip.get(at), ip.get(at + 1)) else {
            return Err(Unreadable::CutShort);
        };
        // RFC 4302 counts in words of 4 bytes, less 2; the others in units of 8, less 1.
        at += usize::from(length) * unit + 8;
        next = behind;
        if at > total {
            return Err(Unreadable::NotIp);
        }
    }
}

/// The bytes a header needs: on the wire they may be missing (`Ok(None)`), or in the capture only.
fn need<'a, const N: usize>(inner: &Inner<'a>) -> Result<Option<&'a [u8; N]>, Unreadable> {
    if inner.len < N {
        return Ok(None);
    }
    inner.bytes.first_chunk().map(Some).ok_or(Unreadable::CutShort)
}

fn ports(header: &[u8], tuple: &mut Tuple) {
    tuple.sport = be16(header, 0).unwrap_or(0);
    tuple.dport = be16(header, 2).unwrap_or(0);
}

fn tcp(inner: &Inner<'_>, tuple: &mut Tuple) -> Result<(Body, bool), Unreadable> {
    if let Some(header) = need::<4>(inner)? {
        ports(header, tuple);
    }
    let Some(header) = need::<20>(inner)? else {
        return Ok((Body::BrokenTcp { logged: false }, false));
    };
    let header_len = usize::from(header[12] >> 4) * 4;
    if header_len < 20 || header_len > inner.len {
        return Ok((Body::BrokenTcp { logged: true }, false));
    }
    // Options cut by the capture: what is there still counts.
    let options = inner.bytes.get(20..header_len.min(inner.bytes.len())).unwrap_or_default();
    let tcp = Tcp {
        flags: header[13],
        seq: be32(header, 4).unwrap_or(0),
        ack: be32(header, 8).unwrap_or(0),
        win: be16(header, 14).unwrap_or(0),
        len: u32::try_from(inner.len - header_len).unwrap_or(u32::MAX),
        options: Options::read(options),
    };
    Ok((Body::Tcp(tcp), true))
}

fn udp(inner: &Inner<'_>, tuple: &mut Tuple) -> Result<(Body, bool), Unreadable> {
    if let Some(header) = need::<4>(inner)? {
        ports(header, tuple);
    }
    let Some(header) = need::<8>(inner)? else { return Ok((Body::BrokenUdp, false)) };
    let length = usize::from(be16(header, 4).unwrap_or(0));
    if length < 8 || length > inner.len {
        return Ok((Body::BrokenUdp, false));
    }
    // A checksum field of 0 says that none was computed.
    Ok((Body::Udp, be16(header, 6) != Some(0)))
}

fn icmp(inner: &Inner<'_>, tuple: &mut Tuple) -> Result<(Body, bool), Unreadable> {
    let Some(header) = need::<8>(inner)? else { return Ok((Body::BrokenIcmp, false)) };
    let (kind, code) = (header[0], header[1]);
    tuple.sport = be16(header, 4).unwrap_or(0);
    tuple.dport = u16::from(kind) << 8 | u16::from(code);
    let v6 = inner.proto == proto::ICMPV6;
    let error = if v6 { kind < 128 } else { matches!(kind, 3 | 4 | 5 | 11 | 12) };
    if v6 && matches!(kind, 130..=137 | 143) {
        return Ok((Body::Untracked, true));
    }
    if error {
        return Ok((Body::IcmpError { about: quoted(inner) }, true));
    }
    if !v6 && kind > 18 {
        return Ok((Body::BrokenIcmp, true));
    }
    Ok((Body::Icmp, true))
}

/// The tuple of the packet an ICMP error quotes.
fn quoted(inner: &Inner<'_>) -> Option<Tuple> {
    let quote = inner.bytes.get(8..)?;
    let inside = match quote.first()? >> 4 {
        4 => ipv4(quote).ok()?,
        6 => ipv6(quote).ok()?,
        _ => return None,
    };
    let mut tuple =
        Tuple { src: inside.src, dst: inside.dst, sport: 0, dport: 0, proto: inside.proto };
    match inside.proto {
        proto::TCP | proto::UDP => ports(inside.bytes.get(..4)?, &mut tuple),
        proto::ICMP | proto::ICMPV6 => {
            let header = inside.bytes.get(..6)?;
            tuple.sport = be16(header, 4)?;
            tuple.dport = be16(header, 0)?;
        }
        _ => {}
    }
    Some(tuple)
}

/// Verifies the transport checksum (RFC 1071) where every byte of it was captured.
fn checksum(inner: &Inner<'_>) -> Checksum {
    // UDP, too, by the IP header's length: seen on 6.18 with datagrams shorter than their packet.
    let Some(bytes) = inner.bytes.get(..inner.len) else { return Checksum::NotChecked };
    let mut sum = if inner.proto == proto::ICMP { 0 } else { pseudo(inner) };
    sum += words(bytes);
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    if sum == 0xffff { Checksum::Good } else { Checksum::Bad }
}

/// The pseudo-header's sum: addresses, protocol, length.
fn pseudo(inner: &Inner<'_>) -> u64 {
    let address = |end: IpAddr| match end {
        IpAddr::V4(v4) => words(&v4.octets()),
        IpAddr::V6(v6) => words(&v6.octets()),
    };
    address(inner.src) + address(inner.dst) + u64::from(inner.proto) + inner.len as u64
}

/// A sum of words of 32 bits folds to the same as one of words of 16: 2³² is 1 modulo 2¹⁶ − 1.
fn words(bytes: &[u8]) -> u64 {
    let (quads, rest) = bytes.as_chunks::<4>();
    let sum: u64 = quads.iter().map(|q| u64::from(u32::from_be_bytes(*q))).sum();
    let mut last = [0; 4];
    for (to, from) in last.iter_mut().zip(rest) {
        *to = *from;
    }
    sum + u64::from(u32::from_be_bytes(last))
}
