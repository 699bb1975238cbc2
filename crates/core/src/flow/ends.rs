//! The two ends of a connection, in few bytes: there is a pair for each of a million connections,
//! and one more for each pair that a translation rewrites them to.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

/// An end, packed: a `SocketAddr` takes half as much again.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(super) struct End {
    ip: IpAddr,
    port: u16,
}

impl From<SocketAddr> for End {
    fn from(full: SocketAddr) -> Self {
        Self { ip: full.ip(), port: full.port() }
    }
}

impl From<End> for SocketAddr {
    fn from(end: End) -> Self {
        SocketAddr::new(end.ip, end.port)
    }
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
}
