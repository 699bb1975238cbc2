//! One network namespace: settings, rules, links, sockets. It asks the calling thread's own.

use std::collections::{BTreeMap, BTreeSet};

use hopclock_core::clocks::Catalogue;
use hopclock_core::dump::rules::state::{Stateful, stateful};
use hopclock_core::dump::rules::{self, Rules};
use hopclock_core::dump::{ipvs, sysctl};
use hopclock_core::map::snapshot::{
    Entries, Interface, Namespace, Rule, Share, Sockets, Timer, ipvs_timers, is_kept, kernel_timers,
};

use super::Lacks;
use crate::gather::{self, Established, Piece};
use crate::netlink::link::Links;

/// More rules than this nobody reads in a snapshot.
const RULES_MAX: usize = 500;
/// Ports that are told of.
const PORTS_MAX: usize = 10;

/// Looks at the calling thread's namespace.
pub(super) fn look(
    name: Option<&str>,
    number: u64,
    catalogue: &Catalogue,
    lacks: &mut Lacks,
) -> Namespace {
    let settings = settings(lacks);
    let mut timers = kernel_timers(&settings, catalogue);
    timers.extend(balancer(lacks));
    let listed = Listed::read(lacks);
    let entries = entries(&settings);
    let (tracks, tracks_by) = tracking(&settings, entries, &listed);
    Namespace {
        name: name.map(str::to_owned),
        inode: number,
        interfaces: interfaces(lacks),
        forwards: gather::forwards(),
        tracks,
        tracks_by,
        translates: listed.translates(),
        entries,
        timers,
        rules: listed.rules(name, lacks),
        sockets: sockets(lacks),
        settings: settings.into_iter().filter(|(key, _)| is_kept(key)).collect(),
    }
}

fn settings(lacks: &mut Lacks) -> BTreeMap<String, String> {
    match gather::sysctls() {
        Ok(piece) => {
            let (settings, _) = sysctl::read(&text(&piece));
            settings.into_iter().map(|setting| (setting.key, setting.value)).collect()
        }
        Err(missing) => {
            lacks.take(missing);
            BTreeMap::new()
        }
    }
}

fn text(piece: &Piece) -> String {
    String::from_utf8_lossy(&piece.bytes).into_owned()
}

/// The timeouts of IPVS, where the kernel has it.
fn balancer(lacks: &mut Lacks) -> Vec<Timer> {
    match gather::ipvs() {
        None => Vec::new(),
        Some(Err(missing)) => {
            lacks.take(missing);
            Vec::new()
        }
        Some(Ok(piece)) => match ipvs::read(&text(&piece)) {
            Some(timeouts) => ipvs_timers(&timeouts),
            None => {
                let why = "ipvsadm, which tells them, is not installed or not allowed";
                lacks.add("timeouts of IPVS", why, false);
                Vec::new()
            }
        },
    }
}

fn entries(settings: &BTreeMap<String, String>) -> Option<Entries> {
    let number = |key: &str| settings.get(key)?.parse().ok();
    let now = number("net.netfilter.nf_conntrack_count")?;
    Some(Entries { now, most: number("net.netfilter.nf_conntrack_max")? })
}

/// Whether connections are tracked, and how that is known.
fn tracking(
    settings: &BTreeMap<String, String>,
    entries: Option<Entries>,
    listed: &Listed,
) -> (Option<bool>, Option<String>) {
    let said = |tracks: bool, by: &str| (Some(tracks), Some(by.to_owned()));
    if !settings.keys().any(|key| key.starts_with("net.netfilter.nf_conntrack_")) {
        return said(false, "conntrack is not loaded");
    }
    if entries.is_some_and(|entries| entries.now > 0) {
        return said(true, "its table has entries");
    }
    match listed.hooked {
        Some(true) => return said(true, "hooks of conntrack are registered"),
        Some(false) => return said(false, "no hook of conntrack is registered"),
        None => {}
    }
    match listed.tracks() {
        Some(true) => said(true, "a rule asks for it"),
        Some(false) => said(false, "its table is empty and no rule asks for it"),
        None => (None, None),
    }
}

/// What the listings of the firewall tell.
struct Listed {
    /// Rules about state, each with the listing it is of.
    found: Vec<(&'static str, Stateful)>,
    /// A chain of translations is there, which makes the kernel track though it be empty.
    nat: bool,
    /// Whether every listing there is could be read.
    whole: bool,
    hooked: Option<bool>,
}

impl Listed {
    fn read(lacks: &mut Lacks) -> Self {
        let mut found = Vec::new();
        let (mut nat, mut whole) = (false, true);
        let mut nft_told = false;
        for (at, listing) in gather::rules().into_iter().enumerate() {
            match listing {
                Ok(piece) => {
                    nft_told |= at == 0;
                    let program = match piece.command.as_str() {
                        command if command.starts_with("nft") => "nft",
                        command if command.starts_with("ip6") => "ip6tables",
                        _ => "iptables",
                    };
                    let text = text(&piece);
                    let is_nat = |base: rules::Base| base.kind == rules::ChainKind::Nat;
                    nat |= Rules::read(&text).chains.iter().any(|c| c.base.is_some_and(is_nat));
                    found.extend(stateful(&text).into_iter().map(|rule| (program, rule)));
                }
                Err(missing) if missing.is_nothing() => nft_told |= at == 0,
                // Where `nft` answers, the program of the older form is needed for nothing.
                Err(missing) if missing.is_not_installed() && nft_told => {}
                Err(missing) => {
                    whole = false;
                    lacks.take(missing);
                }
            }
        }
        let hooked = gather::conntrack_is_hooked();
        Self { found, nat, whole, hooked }
    }

    fn tracks(&self) -> Option<bool> {
        match self.nat || self.found.iter().any(|(_, rule)| rule.tracks) {
            true => Some(true),
            false => self.whole.then_some(false),
        }
    }

    fn translates(&self) -> Option<bool> {
        match self.found.iter().any(|(_, rule)| rule.translates) {
            true => Some(true),
            false => self.whole.then_some(false),
        }
    }

    fn rules(&self, name: Option<&str>, lacks: &mut Lacks) -> Vec<Rule> {
        if let Some(more) = self.found.len().checked_sub(RULES_MAX).filter(|more| *more > 0) {
            let of = name.map_or(String::new(), |name| format!(" of {name}"));
            let why = format!("no more than {RULES_MAX} are told");
            lacks.add(format!("{more} rules about state{of}"), why, false);
        }
        let rule = |(program, rule): &(&str, Stateful)| Rule {
            program: (*program).to_owned(),
            chain: rule.chain.clone(),
            text: rule.text.clone(),
        };
        self.found.iter().take(RULES_MAX).map(rule).collect()
    }
}

fn interfaces(lacks: &mut Lacks) -> Vec<Interface> {
    match Links::open().and_then(|mut links| links.list()) {
        Ok(all) => all
            .into_iter()
            .filter(|link| !link.loopback)
            .map(|link| Interface {
                name: link.name,
                addresses: link.addresses.iter().map(|(a, bits)| format!("{a}/{bits}")).collect(),
                mtu: link.mtu,
                up: link.up,
            })
            .collect(),
        Err(error) => {
            lacks.add("interfaces", error.to_string(), false);
            Vec::new()
        }
    }
}

fn sockets(lacks: &mut Lacks) -> Option<Sockets> {
    let both = gather::established().and_then(|all| Ok((all, gather::listening()?)));
    match both {
        Ok((all, listening)) => {
            Some(counted(&all, &listening.iter().map(std::net::SocketAddr::port).collect()))
        }
        Err(error) => {
            lacks.add("TCP sockets", error.to_string(), false);
            None
        }
    }
}

/// Sockets by port: the own one where that listens, else the peer's.
fn counted(all: &[Established], listening: &BTreeSet<u16>) -> Sockets {
    let mut counted = Sockets::default();
    for socket in all.iter().filter(|s| !s.peer.ip().to_canonical().is_loopback()) {
        counted.established += 1;
        counted.with_keepalive += u64::from(socket.keepalive);
        let (ports, port) = match listening.contains(&socket.local.port()) {
            true => (&mut counted.at_port, socket.local.port()),
            false => (&mut counted.to_port, socket.peer.port()),
        };
        let share = ports.entry(port).or_default();
        share.established += 1;
        share.with_keepalive += u64::from(socket.keepalive);
    }
    keep_busiest(&mut counted.to_port);
    keep_busiest(&mut counted.at_port);
    counted
}

fn keep_busiest(ports: &mut BTreeMap<u16, Share>) {
    let mut all: Vec<(u16, Share)> = std::mem::take(ports).into_iter().collect();
    all.sort_by_key(|(port, share)| (std::cmp::Reverse(share.established), *port));
    ports.extend(all.into_iter().take(PORTS_MAX));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sockets_are_counted_by_the_port_that_tells_who_serves() {
        let socket = |local: &str, peer: &str, keepalive| Established {
            local: local.parse().unwrap(),
            peer: peer.parse().unwrap(),
            keepalive,
        };
        let mut all = vec![
            socket("192.0.2.1:443", "198.51.100.1:40000", true),
            socket("192.0.2.1:443", "198.51.100.2:40000", false),
            socket("192.0.2.1:50000", "198.51.100.9:5432", true),
            socket("127.0.0.1:443", "127.0.0.1:40000", false),
            socket("[::ffff:127.0.0.1]:443", "[::ffff:127.0.0.1]:1", false),
        ];
        let told = counted(&all, &BTreeSet::from([443]));
        assert_eq!((told.established, told.with_keepalive), (3, 2));
        let share = |established, with_keepalive| Share { established, with_keepalive };
        assert_eq!(told.at_port, BTreeMap::from([(443, share(2, 1))]));
        assert_eq!(told.to_port, BTreeMap::from([(5432, share(1, 1))]));
        // The busiest stay, and there are ten of them.
        all.extend((1..=20).map(|n| socket("192.0.2.1:9", &format!("192.0.2.9:{n}"), false)));
        let told = counted(&all, &BTreeSet::new());
        assert_eq!(told.to_port.len(), PORTS_MAX);
        assert!(told.to_port.contains_key(&40_000), "the busiest");
    }
}
