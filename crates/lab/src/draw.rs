//! What differs from run to run, all of it drawn from one seed that is printed: two runs of a seed
//! differ in nothing but the kernel's own choices (sequence numbers, ports, times).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::journal::Style;

/// Addresses of a path client, hop, server, and what its programs are like.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    /// The seed it was drawn from.
    pub seed: u64,
    /// IPv6 instead of IPv4.
    pub v6: bool,
    /// The inside: the client's network, and the box's address in it.
    pub lan: Subnet,
    /// The outside: the box's and the server's network.
    pub wan: Subnet,
    /// A third network, for whoever else takes part.
    pub side: Subnet,
    /// Where the server listens.
    pub port: u16,
    /// The timer this run is about, in whole seconds.
    pub timer_s: u32,
    /// How the client's program logs.
    pub client_style: Style,
    /// How the server's program logs.
    pub server_style: Style,
    /// For what a scenario draws of its own.
    pub rng: fastrand::Rng,
}

/// A network of 24 or 64 bits with a box at its first address.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Subnet {
    base: IpAddr,
    host: u8,
}

impl Subnet {
    /// Bits of the prefix.
    pub(crate) fn prefix(self) -> u8 {
        if self.base.is_ipv6() { 64 } else { 24 }
    }

    /// Its address number `last`.
    pub(crate) fn at(self, last: u8) -> IpAddr {
        match self.base {
            IpAddr::V4(v4) => {
                let [a, b, c, _] = v4.octets();
                Ipv4Addr::new(a, b, c, last).into()
            }
            IpAddr::V6(v6) => {
                let [a, b, c, d, ..] = v6.segments();
                Ipv6Addr::new(a, b, c, d, 0, 0, 0, u16::from(last)).into()
            }
        }
    }

    /// The box's address.
    pub(crate) fn hop(self) -> IpAddr {
        self.at(1)
    }

    /// The address of the client or server in it.
    pub(crate) fn end(self) -> IpAddr {
        self.at(self.host)
    }

    /// Another address than the box's and the end's.
    pub(crate) fn other(self) -> IpAddr {
        self.at(if self.host == 7 { 8 } else { 7 })
    }
}

impl Plan {
    /// Draws a plan for the scenario of this name.
    pub(crate) fn draw(seed: u64, scenario: &str) -> Self {
        // FNV-1a: the same seed gives each scenario a draw of its own, on every machine.
        let name = scenario.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |h, b| {
            (h ^ u64::from(b)).wrapping_mul(0x100_0000_01b3)
        });
        let mut rng = fastrand::Rng::with_seed(seed ^ name);
        let v6 = rng.bool();
        let mut subnet = |v4: [u8; 3], v6_net: u16| {
            let base = if v6 {
                Ipv6Addr::new(0x2001, 0xdb8, v6_net, 0, 0, 0, 0, 0).into()
            } else {
                Ipv4Addr::new(v4[0], v4[1], v4[2], 0).into()
            };
            Subnet { base, host: rng.u8(10..=240) }
        };
        let lan = subnet([192, 0, 2], 1);
        let wan = subnet([198, 51, 100], 2);
        let side = subnet([203, 0, 113], 3);
        let ports = [443, 5432, 6379, 8443, 9092, 50_051, 1883, 3306];
        let port = ports[rng.usize(0..ports.len())];
        let timer_s = rng.u32(3..=5);
        let client_style = Style::draw(&mut rng);
        let server_style = Style::draw(&mut rng);
        Self { seed, v6, lan, wan, side, port, timer_s, client_style, server_style, rng }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_draws_the_same_plan_again_and_others_differ() {
        let told = |seed, name: &str| format!("{:?}", Plan::draw(seed, name));
        assert_eq!(told(7, "flush"), told(7, "flush"));
        assert_ne!(told(7, "flush"), told(8, "flush"));
        assert_ne!(told(7, "flush"), told(7, "half-close"));
    }

    #[test]
    fn nobody_shares_an_address() {
        for seed in 0..200 {
            let plan = Plan::draw(seed, "any");
            for subnet in [plan.lan, plan.wan, plan.side] {
                let all = [subnet.hop(), subnet.end(), subnet.other()];
                assert!(all[0] != all[1] && all[1] != all[2] && all[0] != all[2], "{all:?}");
            }
        }
    }
}
