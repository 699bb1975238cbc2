//! Whether a packet under one pair of ends is a packet seen a moment ago under another: what a
//! translation of addresses keeps must be the same, and what it changes must add up.
//!
//! The digest of [`again`](super::again) has already found both alike in sequence numbers, flags,
//! window, payload length, time stamps and identification. That alone proves nothing of senders
//! that number everything alike, as traffic generators do; so the marks that could have differed
//! are counted, and too few of them are none. Two connections taken for one would be the worse
//! mistake.

use super::again::Sighting;
use super::ends::End;
use crate::wire::Segment;
use std::net::{IpAddr, SocketAddr};

/// Most routers between the two sightings.
const HOPS_MAX: i16 = 2;
/// Marks wanted where the later sighting has a lower TTL, as behind a router, and where it has the
/// same, as behind a bridge that translates.
const MARKS_ROUTED: u32 = 3;
const MARKS_BRIDGED: u32 = 4;
/// Numbers below this are what a generator begins with, not what a stack draws (RFC 6528).
const DRAWN_MIN: u32 = 1 << 16;

/// True when `later`, seen elsewhere and with other ends, is the packet of `first`.
pub(super) fn is_one_packet(first: &Sighting, later: &Segment) -> bool {
    if later.src.is_ipv4() != SocketAddr::from(first.src).is_ipv4() {
        return false;
    }
    let Some(hops) = hops(first, later) else {
        return false;
    };
    let sum = checksums(first, later);
    let one_end_stays = End::from(later.src) == first.src || End::from(later.dst) == first.dst;
    let drawn = later.seq.0 >= DRAWN_MIN;
    if sum == Sum::Differs || (!one_end_stays && !drawn) {
        return false;
    }
    let marks = [
        drawn,
        later.flags.ack() && later.ack.0 >= DRAWN_MIN,
        later.options.timestamps.is_some_and(|(value, _)| value != 0),
        later.ip_id.is_some_and(|id| id > 1),
        sum == Sum::Agrees,
        hops > 0,
    ];
    let count = marks.iter().map(|mark| u32::from(*mark)).sum::<u32>();
    count >= if hops > 0 { MARKS_ROUTED } else { MARKS_BRIDGED }
}

/// Routers between the two sightings, in order of time; `None` when there cannot be so many.
fn hops(first: &Sighting, later: &Segment) -> Option<i16> {
    let fell = i16::from(first.ttl) - i16::from(later.ttl);
    // Two interfaces captured by two threads may stand in the file the wrong way round.
    let fell = if later.at < first.at { -fell } else { fell };
    (0..=HOPS_MAX).contains(&fell).then_some(fell)
}

/// What the checksums say of everything that is not an end.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Sum {
    /// All of header and payload is the same.
    Agrees,
    /// One of them is cut off, left to the network card, or covers a changed segment size.
    Silent,
    /// Something else differs.
    Differs,
}

/// A translation takes the old ends out of the checksum and puts the new ones in (RFC 1624); what
/// remains without them is the same. A checksum left to the network card holds the addresses
/// alone (Linux, `CHECKSUM_PARTIAL`), and is completed on the way out.
fn checksums(first: &Sighting, later: &Segment) -> Sum {
    if first.checksum == 0 || later.checksum == 0 || first.mss != later.options.mss {
        return Sum::Silent;
    }
    let (src, dst) = (SocketAddr::from(first.src), SocketAddr::from(first.dst));
    let (before, now) = (addresses(src, dst), addresses(later.src, later.dst));
    let rest = |checksum: u16, ends: u16| less(checksum, ends);
    if rest(!first.checksum, plus(before, ports(src, dst)))
        == rest(!later.checksum, plus(now, ports(later.src, later.dst)))
    {
        return Sum::Agrees;
    }
    let left = |checksum: u16, ends: u16| less(checksum, ends) == pseudo(later);
    // One that covers no payload says nothing of it.
    let silent = left(first.checksum, before) || left(later.checksum, now);
    if silent { Sum::Silent } else { Sum::Differs }
}

/// Protocol and length as the pseudo header sums them (RFC 9293 §3.1).
fn pseudo(segment: &Segment) -> u16 {
    let length = 20 + u32::from(segment.options.bytes) + segment.payload;
    normal(folded(6 + (length >> 16) + (length & 0xffff)))
}

fn addresses(src: SocketAddr, dst: SocketAddr) -> u16 {
    plus(address(src.ip()), address(dst.ip()))
}

fn address(ip: IpAddr) -> u16 {
    let of = |octets: &[u8]| {
        octets.chunks(2).fold(0, |sum, pair| match pair {
            [high, low] => plus(sum, u16::from_be_bytes([*high, *low])),
            _ => sum,
        })
    };
    match ip {
        IpAddr::V4(v4) => of(&v4.octets()),
        IpAddr::V6(v6) => of(&v6.octets()),
    }
}

fn ports(src: SocketAddr, dst: SocketAddr) -> u16 {
    plus(src.port(), dst.port())
}

/// Ones' complement addition (RFC 1071).
fn plus(one: u16, other: u16) -> u16 {
    folded(u32::from(one) + u32::from(other))
}

fn folded(sum: u32) -> u16 {
    let once = (sum & 0xffff) + (sum >> 16);
    ((once & 0xffff) + (once >> 16)) as u16
}

/// Ones' complement subtraction, with one zero instead of two.
fn less(one: u16, other: u16) -> u16 {
    normal(plus(one, !other))
}

fn normal(sum: u16) -> u16 {
    if sum == u16::MAX { 0 } else { sum }
}
