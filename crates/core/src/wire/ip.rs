//! IPv4 and IPv6: lengths believed only as far as there were bytes, fragments put together.

use super::Stop;
use super::fragment::{Key, Piece};
use super::view::View;
use super::walk::{IpFacts, Walk};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// What an IP header leads to.
pub(super) enum Datagram<'v> {
    /// A protocol and its bytes.
    Whole(u8, View<'v>),
    /// The last missing fragment came: a protocol, the first bytes, and how many there are.
    Rebuilt(u8, Vec<u8>, usize),
    /// A fragment; others are missing.
    Waiting,
}

impl Walk<'_, '_> {
    pub(super) fn ip<'v>(&mut self, view: View<'v>) -> Result<Datagram<'v>, Stop> {
        let [first] = view.head("IP")?;
        match first >> 4 {
            4 => self.ipv4(view),
            6 => self.ipv6(view),
            _ => Err(view.nonsense("IP version")),
        }
    }

    /// RFC 791 §3.1. A total length of zero is what segmentation offload leaves behind.
    fn ipv4<'v>(&mut self, view: View<'v>) -> Result<Datagram<'v>, Stop> {
        let short = |_| view.short(20, "IPv4");
        let mut cursor = view.cursor();
        let header = usize::from(cursor.byte("IPv4").map_err(short)? & 0x0f) * 4;
        cursor.byte("service").map_err(short)?;
        let total = usize::from(cursor.be16("total length").map_err(short)?);
        let id = cursor.be16("identification").map_err(short)?;
        let place = cursor.be16("fragment offset").map_err(short)?;
        let ttl = cursor.byte("TTL").map_err(short)?;
        let protocol = cursor.byte("protocol").map_err(short)?;
        cursor.be16("checksum").map_err(short)?;
        let src = IpAddr::V4(Ipv4Addr::from(cursor.bytes::<4>("source").map_err(short)?));
        let dst = IpAddr::V4(Ipv4Addr::from(cursor.bytes::<4>("destination").map_err(short)?));
        if header < 20 {
            return Err(view.nonsense("IPv4 header length"));
        }
        let whole = if total == 0 { view } else { view.limit(total) };
        if total != 0 && total < header {
            return Err(view.nonsense("IPv4 total length"));
        }
        let rest = whole.after(header, "IPv4 options")?;
        let dont_fragment = place & 0x4000 != 0;
        let facts = IpFacts { src, dst, ttl, id: Some(id), dont_fragment, fragmented: false };
        self.ip = Some(facts);
        let piece = Piece {
            key: Key { src, dst, id: u32::from(id), protocol },
            offset: usize::from(place & 0x1fff) * 8,
            more: place & 0x2000 != 0,
            len: if total == 0 { rest.len } else { total - header },
        };
        Ok(self.piece(piece, rest))
    }

    /// RFC 8200 §3 and §4: the fixed header, then extension headers by their lengths.
    fn ipv6<'v>(&mut self, view: View<'v>) -> Result<Datagram<'v>, Stop> {
        let short = |_| view.short(40, "IPv6");
        let mut cursor = view.cursor();
        cursor.be32("IPv6").map_err(short)?;
        let length = usize::from(cursor.be16("payload length").map_err(short)?);
        let next = cursor.byte("next header").map_err(short)?;
        let ttl = cursor.byte("hop limit").map_err(short)?;
        let src = IpAddr::V6(Ipv6Addr::from(cursor.bytes::<16>("source").map_err(short)?));
        let dst = IpAddr::V6(Ipv6Addr::from(cursor.bytes::<16>("destination").map_err(short)?));
        let rest = view.after(40, "IPv6")?;
        // Zero means a jumbo payload (RFC 2675), or segmentation offload: all there is.
        let missing = length.saturating_sub(rest.len);
        let rest = if length == 0 { rest } else { rest.limit(length) };
        self.ip = Some(IpFacts { src, dst, ttl, id: None, dont_fragment: true, fragmented: false });
        self.extensions(next, rest, missing)
    }

    fn extensions<'v>(
        &mut self,
        next: u8,
        view: View<'v>,
        missing: usize,
    ) -> Result<Datagram<'v>, Stop> {
        let (mut next, mut rest) = (next, view);
        for _ in 0..16 {
            match next {
                // Hop-by-hop, routing, destination options, mobility, host identity, shim6.
                0 | 43 | 60 | 135 | 139 | 140 => {
                    let [following, length] = rest.head("IPv6 extension header")?;
                    let bytes = (usize::from(length) + 1) * 8;
                    rest = rest.after(bytes, "IPv6 extension header")?;
                    next = following;
                }
                44 => {
                    let [following, _, high, low, id @ ..] = rest.head::<8>("fragment header")?;
                    rest = rest.after(8, "fragment header")?;
                    let place = u16::from_be_bytes([high, low]);
                    let (offset, more) = (usize::from(place & 0xfff8), place & 1 != 0);
                    if offset == 0 && !more {
                        next = following;
                        continue;
                    }
                    let id = u32::from_be_bytes(id);
                    let len = rest.len + missing;
                    let piece = Piece6 { following, offset, more, id, len };
                    return Ok(self.fragment_v6(piece, rest));
                }
                _ => return Ok(Datagram::Whole(next, rest)),
            }
        }
        Err(rest.nonsense("IPv6 extension headers without end"))
    }

    fn fragment_v6<'v>(&mut self, piece: Piece6, rest: View<'v>) -> Datagram<'v> {
        let Some(IpFacts { src, dst, .. }) = self.ip else {
            return Datagram::Waiting;
        };
        let key = Key { src, dst, id: piece.id, protocol: piece.following };
        self.piece(Piece { key, offset: piece.offset, more: piece.more, len: piece.len }, rest)
    }

    /// A datagram in one piece goes on; a fragment waits for the others. One that was cut by the
    /// capture cannot be put together: its first piece is read as far as it goes.
    fn piece<'v>(&mut self, piece: Piece, rest: View<'v>) -> Datagram<'v> {
        if piece.offset == 0 && !piece.more {
            return Datagram::Whole(piece.key.protocol, rest);
        }
        if rest.bytes.len() < piece.len {
            if piece.offset > 0 {
                return Datagram::Waiting;
            }
            if let Some(facts) = &mut self.ip {
                facts.fragmented = true;
            }
            return Datagram::Whole(piece.key.protocol, rest);
        }
        let protocol = piece.key.protocol;
        match self.fragments.add(piece, rest.bytes) {
            Some((bytes, len)) => Datagram::Rebuilt(protocol, bytes, len),
            None => Datagram::Waiting,
        }
    }
}

/// An IPv6 fragment header's fields.
struct Piece6 {
    following: u8,
    offset: usize,
    more: bool,
    id: u32,
    len: usize,
}
