//! The two ends of a connection, in few bytes: there is a pair for each of a million connections,
//! and one more for each pair that a translation rewrites them to.

use crate::terms::Side;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

/// An end, packed: a `SocketAddr` takes half as much again.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(super) struct End {
    ip: IpAddr,
    port: u16,
}

impl End {
    /// No end at all.
    pub(super) const NONE: Self = Self { ip: IpAddr::V4(Ipv4Addr::UNSPECIFIED), port: 0 };
}

impl From<SocketAddr> for End {
    #[inline]
    fn from(full: SocketAddr) -> Self {
        Self { ip: full.ip(), port: full.port() }
    }
}

impl From<End> for SocketAddr {
    fn from(end: End) -> Self {
        SocketAddr::new(end.ip, end.port)
    }
}

/// Odd, with their bits well spread: fractions of √2 and of the golden ratio.
const SPREAD: [u64; 2] = [0x6a09_e667_f3bc_c909, 0x9e37_79b9_7f4a_7c15];

/// A number for two ends, the same whichever of them is named first.
///
/// Multiplied and folded, with no key: a capture made to collide costs its owner time and nothing
/// else, and a keyed hash costs as much as everything else that is done with a segment.
#[inline]
pub(super) fn pair_hash(one: &SocketAddr, other: &SocketAddr) -> u64 {
    match (one, other) {
        (SocketAddr::V4(one), SocketAddr::V4(other)) => {
            joined(short(*one.ip(), one.port()), short(*other.ip(), other.port()))
        }
        _ => long_hash((*one).into(), (*other).into()),
    }
}

#[inline]
fn short(ip: Ipv4Addr, port: u16) -> u64 {
    u64::from(ip.to_bits()) << 16 | u64::from(port)
}

#[inline]
fn joined(one: u64, other: u64) -> u64 {
    let (low, high) = (one.min(other), one.max(other));
    folded(low ^ SPREAD[0], high ^ SPREAD[1])
}

#[inline]
fn folded(one: u64, other: u64) -> u64 {
    let wide = u128::from(one) * u128::from(other);
    (wide as u64) ^ ((wide >> 64) as u64)
}

#[inline(never)]
fn long_hash(one: End, other: End) -> u64 {
    let word = |end: End| match end.ip {
        IpAddr::V4(ip) => short(ip, end.port),
        IpAddr::V6(ip) => {
            let bits = ip.to_bits();
            let half = folded(bits as u64 ^ SPREAD[0], (bits >> 64) as u64 ^ SPREAD[1]);
            folded(half ^ SPREAD[0], u64::from(end.port) ^ SPREAD[1])
        }
    };
    joined(word(one), word(other))
}

/// Client and server. IPv4 stands in place; longer addresses stand on the side, where their 40
/// bytes cost only those who have them.
#[derive(Clone, Debug)]
pub(super) enum Ends {
    V4 { addresses: [Ipv4Addr; 2], ports: [u16; 2] },
    Long(Box<(End, End)>),
}

impl Ends {
    pub(super) fn new(client: End, server: End) -> Self {
        match (client.ip, server.ip) {
            (IpAddr::V4(one), IpAddr::V4(other)) => {
                Self::V4 { addresses: [one, other], ports: [client.port, server.port] }
            }
            _ => Self::Long(Box::new((client, server))),
        }
    }

    /// [`pair_hash`] of the two.
    pub(super) fn hash(&self) -> u64 {
        match self {
            Self::V4 { addresses: [one, other], ports: [client, server] } => {
                joined(short(*one, *client), short(*other, *server))
            }
            Self::Long(pair) => long_hash(pair.0, pair.1),
        }
    }

    /// Who speaks when `src` does to `dst`; `None` when these are not the two ends. Between equal
    /// ends it is the client.
    #[inline]
    pub(super) fn sender(&self, src: &SocketAddr, dst: &SocketAddr) -> Option<Side> {
        let (is_client, is_server) = match (self, src, dst) {
            (Self::V4 { addresses, ports }, SocketAddr::V4(src), SocketAddr::V4(dst)) => {
                let [one, other] = *addresses;
                let [client, server] = [short(one, ports[0]), short(other, ports[1])];
                let (src, dst) = (short(*src.ip(), src.port()), short(*dst.ip(), dst.port()));
                // One comparison instead of two: what is read is at hand, a wrong guess costs more.
                let apart = |a: u64, b: u64, c: u64, d: u64| (a ^ b) | (c ^ d);
                (apart(client, src, server, dst) == 0, apart(client, dst, server, src) == 0)
            }
            (Self::V4 { .. }, ..) => (false, false),
            (Self::Long(pair), ..) => {
                let (src, dst) = (End::from(*src), End::from(*dst));
                (**pair == (src, dst), **pair == (dst, src))
            }
        };
        match (is_client, is_server) {
            (true, _) => Some(Side::Client),
            (false, true) => Some(Side::Server),
            (false, false) => None,
        }
    }

    /// Client, then server.
    pub(super) fn pair(&self) -> (End, End) {
        match self {
            Self::V4 { addresses: [one, other], ports: [client, server] } => (
                End { ip: IpAddr::V4(*one), port: *client },
                End { ip: IpAddr::V4(*other), port: *server },
            ),
            Self::Long(pair) => **pair,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_goes_in_comes_out() {
        for (one, other) in [
            ("192.0.2.1:1", "198.51.100.2:65535"),
            ("[2001:db8::1]:9", "[2001:db8::2]:443"),
            ("192.0.2.1:1", "[2001:db8::2]:443"),
        ] {
            let ends = [one, other].map(|text| End::from(text.parse::<SocketAddr>().unwrap()));
            assert_eq!(Ends::new(ends[0], ends[1]).pair(), (ends[0], ends[1]));
        }
        assert!(size_of::<Ends>() <= 16);
    }

    #[test]
    fn whoever_speaks_is_found_and_the_hash_is_the_same() {
        let ends = ["192.0.2.1:1", "192.0.2.2:1", "192.0.2.1:2", "[2001:db8::1]:1", "[::1]:9"];
        let ends: Vec<SocketAddr> = ends.iter().map(|text| text.parse().unwrap()).collect();
        for one in &ends {
            for other in &ends {
                let pair = Ends::new((*one).into(), (*other).into());
                assert_eq!(pair.hash(), pair_hash(one, other));
                assert_eq!(pair.hash(), pair_hash(other, one));
                for src in &ends {
                    for dst in &ends {
                        let expected =
                            match (src == one && dst == other, src == other && dst == one) {
                                (true, _) => Some(Side::Client),
                                (false, true) => Some(Side::Server),
                                (false, false) => None,
                            };
                        assert_eq!(pair.sender(src, dst), expected);
                    }
                }
            }
        }
    }

    /// Ports of one host, as a capture of one server holds them, spread over a table's places.
    #[test]
    fn connections_of_one_pair_of_hosts_spread() {
        let server: SocketAddr = "198.51.100.7:443".parse().unwrap();
        let mut places = vec![0_u32; 4096];
        for port in 0..40_960_u32 {
            let client = SocketAddr::new("192.0.2.1".parse().unwrap(), port as u16);
            places[pair_hash(&client, &server) as usize % 4096] += 1;
        }
        // Ten each on average; a fair throw of forty thousand puts thirty into none.
        assert!(places.iter().all(|count| *count < 32), "{:?}", places.iter().max());
    }
}
