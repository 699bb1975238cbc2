//! Hosts and wires: namespaces, and veth pairs from one straight into the next. The network of the
//! host the lab runs on is no part of it.

use std::io::{self, Write};
use std::net::IpAddr;
use std::process::{Command, Stdio};

use hopclock_live::namespace::{Namespace, set_sysctl};
use hopclock_live::netlink::conntrack::Conntrack;
use hopclock_live::netlink::link::{End, Links, index_of};

use crate::draw::Subnet;
use crate::trouble::{Doing, Trouble};

const MTU: u32 = 1500;
const LOOPBACK: u32 = 1;
const LOOPBACK_MTU: u32 = 65_536;

/// A machine: a namespace with a name of ours.
#[derive(Clone, Debug)]
pub(crate) struct Host {
    /// `client`, `egress-1`, `server` …
    pub name: String,
    /// Its network.
    pub ns: Namespace,
}

/// One end of a wire.
#[derive(Clone, Debug)]
pub(crate) struct Port<'a> {
    /// Whose.
    pub host: &'a Host,
    /// The interface's name there.
    pub interface: &'a str,
    /// The address it gets.
    pub address: IpAddr,
}

impl Host {
    /// A new machine with nothing but a loopback.
    pub(crate) fn new(name: &str) -> Result<Self, Trouble> {
        let ns = Namespace::new().doing(|| "making a network namespace".to_owned())?;
        let host = Self { name: name.to_owned(), ns };
        host.run("bringing loopback up", || Links::open()?.up(LOOPBACK, LOOPBACK_MTU))?;
        // Autoconfiguration and duplicate detection only delay; redirects would change paths.
        for (name, value) in [
            ("ipv6/conf/all/accept_ra", "0"),
            ("ipv6/conf/default/accept_ra", "0"),
            ("ipv6/conf/default/accept_dad", "0"),
            ("ipv6/conf/default/router_solicitations", "0"),
            ("ipv4/conf/all/send_redirects", "0"),
            ("ipv4/conf/default/send_redirects", "0"),
            ("ipv4/conf/all/rp_filter", "0"),
            ("ipv4/conf/default/rp_filter", "0"),
        ] {
            host.sysctl(name, value)?;
        }
        Ok(host)
    }

    /// Does `work` in its namespace.
    pub(crate) fn run<T: Send>(
        &self,
        what: &str,
        work: impl FnOnce() -> io::Result<T> + Send,
    ) -> Result<T, Trouble> {
        let told = || format!("{what} on {}", self.name);
        self.ns.run(work).doing(told)?.doing(told)
    }

    /// Writes a sysctl, named as under `/proc/sys/net`.
    pub(crate) fn sysctl(&self, name: &str, value: &str) -> Result<(), Trouble> {
        self.run(&format!("setting {name} to {value}"), || set_sysctl(name, value))
    }

    /// Makes it forward packets.
    pub(crate) fn forwards(&self) -> Result<(), Trouble> {
        self.sysctl("ipv4/ip_forward", "1")?;
        self.sysctl("ipv6/conf/all/forwarding", "1")
    }

    /// Loads nftables rules over those it has.
    pub(crate) fn rules(&self, rules: &str) -> Result<(), Trouble> {
        self.run("loading nftables rules", || nft(rules))
    }

    /// Sends what it has no other route for by way of `gateway`.
    pub(crate) fn default_route(&self, gateway: IpAddr) -> Result<(), Trouble> {
        self.route(gateway, 0, gateway)
    }

    /// Sends what goes to the network of `to` by way of `gateway`.
    pub(crate) fn route_to(&self, to: Subnet, gateway: IpAddr) -> Result<(), Trouble> {
        self.route(to.at(0), to.prefix(), gateway)
    }

    /// Sends what goes to `to`/`prefix` by way of `gateway`.
    pub(crate) fn route(&self, to: IpAddr, prefix: u8, gateway: IpAddr) -> Result<(), Trouble> {
        self.run("adding a route", || Links::open()?.route(to, prefix, gateway))
    }

    /// Takes an interface down.
    pub(crate) fn unplug(&self, interface: &str) -> Result<(), Trouble> {
        self.run("taking a link down", || Links::open()?.down(index_of(interface)?))
    }

    /// Brings an interface up; routes through it are gone.
    pub(crate) fn plug(&self, interface: &str) -> Result<(), Trouble> {
        self.run("bringing a link up", || Links::open()?.up(index_of(interface)?, MTU))
    }

    /// Gives an interface a smaller MTU.
    pub(crate) fn shrink(&self, interface: &str, mtu: u32) -> Result<(), Trouble> {
        self.run("setting an MTU", || Links::open()?.up(index_of(interface)?, mtu))
    }

    /// Gives an interface an address.
    pub(crate) fn add_address(
        &self,
        interface: &str,
        address: IpAddr,
        prefix: u8,
    ) -> Result<(), Trouble> {
        self.run("adding an address", || {
            Links::open()?.address(index_of(interface)?, address, prefix)
        })
    }

    /// Takes an address away.
    pub(crate) fn remove_address(
        &self,
        interface: &str,
        address: IpAddr,
        prefix: u8,
    ) -> Result<(), Trouble> {
        self.run("removing an address", || {
            Links::open()?.remove_address(index_of(interface)?, address, prefix)
        })
    }

    /// Its conntrack table.
    pub(crate) fn table(&self) -> Result<Conntrack, Trouble> {
        self.run("opening the conntrack table", Conntrack::open)
    }
}

/// Joins two machines by a wire; both interfaces are up.
pub(crate) fn wire(a: &Port<'_>, b: &Port<'_>, prefix: u8) -> Result<(), Trouble> {
    let end = |port: &Port<'_>, side| End {
        name: port.interface.to_owned(),
        // The range for documentation (RFC 7042), the host part from the address.
        mac: [0, 0, 0x5e, 0, 0x53, last_byte(port.address) ^ side],
    };
    let (here, there) = (end(a, 0), end(b, 0x80));
    let other = b.host.ns.clone();
    a.host.run("making a veth pair", || Links::open()?.pair(&here, &there, &other))?;
    for port in [a, b] {
        port.host.plug(port.interface)?;
        port.host.add_address(port.interface, port.address, prefix)?;
    }
    Ok(())
}

fn last_byte(address: IpAddr) -> u8 {
    match address {
        IpAddr::V4(v4) => v4.octets()[3],
        IpAddr::V6(v6) => v6.octets()[15],
    }
}

/// Loads nftables rules in the calling thread's namespace with the `nft` program.
pub(crate) fn nft(rules: &str) -> io::Result<()> {
    let mut child = Command::new("nft")
        .env("PATH", "/usr/sbin:/sbin:/usr/bin:/bin:/usr/local/sbin")
        .args(["-f", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|e| {
            io::Error::new(e.kind(), format!("the program nft (nftables) cannot be run: {e}"))
        })?;
    if let Some(mut stdin) = child.stdin.take() {
        stdin.write_all(rules.as_bytes())?;
    }
    let done = child.wait_with_output()?;
    if done.status.success() {
        Ok(())
    } else {
        Err(io::Error::other(String::from_utf8_lossy(&done.stderr).trim().to_owned()))
    }
}
