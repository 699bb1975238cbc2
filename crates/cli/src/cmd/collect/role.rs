//! Where a host stands on the path, guessed from what was collected, with the reason.

use super::bundle::{Bundle, Place};
use hopclock_core::dump::conntrack::{self, Entry};
use hopclock_live::gather;
use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};

/// A hop forwards and has connections between others; an end is a server where it listens on the
/// port, a client where it does not.
pub fn guess(bundle: &Bundle, peer: Option<IpAddr>) -> Place {
    let local: BTreeSet<IpAddr> = gather::local_addresses().into_iter().collect();
    let forwarded = bundle.text("conntrack").map_or(0, |text| forwarded(&text, &local));
    let served: BTreeSet<u16> =
        gather::listening().unwrap_or_default().iter().map(SocketAddr::port).collect();
    let (accepted, opened) = bundle.text("ss").map_or((0, 0), |text| ends(&text, &served, peer));
    let (role, why) = if gather::forwards() && forwarded > accepted + opened {
        let words = "it forwards packets, and its table has";
        (Some("hop"), format!("{words} {forwarded} connections between other hosts"))
    } else if accepted > opened {
        (Some("server"), format!("of its connections {accepted} came to a port it listens on"))
    } else if opened > 0 {
        (Some("client"), format!("it opened {opened} of its {} connections", accepted + opened))
    } else if forwarded > 0 {
        let words = "it has no connection of its own, and its table has";
        (Some("hop"), format!("{words} {forwarded} between other hosts"))
    } else if let Some(packets) = passed(bundle).filter(|packets| *packets > 0) {
        (Some("hop"), format!("it forwarded {packets} packets while it was looked at"))
    } else {
        (None, "no connection of its own or of others was seen".to_owned())
    };
    Place { role, guessed: Some(why) }
}

/// Packets of others that passed between the two looks.
fn passed(bundle: &Bundle) -> Option<u64> {
    let counted = |text: &str| -> u64 {
        let of = |line: &str| {
            let (name, value) = line.split_once(' ')?;
            let forwarded = ["IpForwDatagrams", "Ip6OutForwDatagrams"].contains(&name);
            value.split_whitespace().next()?.parse::<u64>().ok().filter(|_| forwarded)
        };
        text.lines().filter_map(of).sum()
    };
    let (before, after) = (bundle.text("nstat-before")?, bundle.text("nstat-after")?);
    counted(&after).checked_sub(counted(&before))
}

/// TCP entries of which neither end is this host, as the opener sees them.
fn forwarded(text: &str, local: &BTreeSet<IpAddr>) -> usize {
    let (entries, _) = conntrack::read(text);
    let between_others = |entry: &&Entry| {
        let own = |address: &IpAddr| local.contains(address) || address.is_loopback();
        let (src, dst) = (&entry.original.src, &entry.original.dst);
        // A port opened to the outside is addressed to this host and answered by another.
        let answered = entry.reply.is_some_and(|reply| !own(&reply.src));
        entry.protocol == "tcp" && !own(src) && (!own(dst) || answered)
    };
    entries.iter().filter(between_others).count()
}

/// Of this host's connections to others, how many came to a port of its own and how many did not.
fn ends(text: &str, served: &BTreeSet<u16>, peer: Option<IpAddr>) -> (usize, usize) {
    let (mut accepted, mut opened) = (0, 0);
    for line in text.lines().skip(1).filter(|line| !line.starts_with(['\t', '#'])) {
        let mut words = line.split_whitespace().skip(3);
        let (Some(local), Some(other)) = (words.next(), words.next()) else { continue };
        let loopback = ["127.", "[::1]", "[::ffff:127."].iter().any(|l| other.starts_with(l));
        if loopback && peer.is_none() {
            continue;
        }
        let port = local.rsplit(':').next().and_then(|port| port.parse().ok());
        if port.is_some_and(|port| served.contains(&port)) { accepted += 1 } else { opened += 1 }
    }
    (accepted, opened)
}
