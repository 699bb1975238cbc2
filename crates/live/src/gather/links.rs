//! Links, addresses and routes: what says on which side of the box an address is.
//!
//! As the `ip` program prints them; without it, the addresses from the kernel and the routes as
//! `/proc` shows them, which is less.

use std::fmt::Write as _;

use nix::ifaddrs::getifaddrs;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::{Missing, Piece, now, of_thread, program};

/// A full routing table is a million lines; nobody reads it.
const BYTES_MAX: usize = 4 << 20;

/// What is asked of `ip`, in this order.
const QUESTIONS: [&[&str]; 5] = [
    &["-d", "addr"],
    &["rule"],
    &["route", "show", "table", "all"],
    &["-6", "rule"],
    &["-6", "route", "show", "table", "all"],
];

/// Addresses, rules and routes, of IPv4 and IPv6.
///
/// # Errors
///
/// When the kernel tells of no link.
pub fn links() -> Result<Piece, Missing> {
    let at = now();
    let mut text = String::new();
    let mut notes = Vec::new();
    let mut asked = Vec::new();
    for arguments in QUESTIONS {
        // A kernel without IPv6, or without rules, refuses its question; the others stand.
        let Ok(printed) = program::run("ip", arguments, BYTES_MAX) else { continue };
        let command = format!("ip {}", arguments.join(" "));
        if !asked.is_empty() {
            let _ = writeln!(text, "# {command}");
        }
        text.push_str(&printed.text);
        if printed.cut {
            let note = format!("{command}: cut at {BYTES_MAX} bytes");
            let _ = writeln!(text, "\n# {note}");
            notes.push(note);
        }
        asked.push(command);
    }
    let mut command = asked.join("; ");
    if asked.is_empty() {
        text = without_ip();
        "cat /proc/net/route /proc/net/ipv6_route".clone_into(&mut command);
    }
    if text.is_empty() {
        return Err(Missing::because("links and routes", "the kernel tells of no link"));
    }
    Ok(Piece { file: "links.txt".to_owned(), command, at, bytes: text.into_bytes(), notes })
}

/// Addresses of this host's links, those of the loopback among them.
pub fn local_addresses() -> Vec<IpAddr> {
    let address = |link: nix::ifaddrs::InterfaceAddress| {
        let address = link.address?;
        let v4 = address.as_sockaddr_in().map(|v4| IpAddr::V4(v4.ip()));
        v4.or_else(|| address.as_sockaddr_in6().map(|v6| IpAddr::V6(v6.ip())))
    };
    getifaddrs().into_iter().flatten().filter_map(address).collect()
}

fn without_ip() -> String {
    let mut text = String::new();
    for (at, link) in getifaddrs().into_iter().flatten().enumerate() {
        let Some(address) = link.address else { continue };
        let (name, flags) = (&link.interface_name, link.flags);
        let number = at + 1;
        if let Some(v4) = address.as_sockaddr_in() {
            let _ = writeln!(text, "{number}: {name}: <{flags}> inet {}", v4.ip());
        } else if let Some(v6) = address.as_sockaddr_in6() {
            let _ = writeln!(text, "{number}: {name}: <{flags}> inet6 {}", v6.ip());
        }
    }
    text.push_str(&routes());
    text
}

/// Routes from `/proc`, where IPv4 addresses are numbers in the machine's order and IPv6 ones
/// digits without colons.
fn routes() -> String {
    let mut text = String::new();
    let v4 = of_thread("route", BYTES_MAX).unwrap_or_default();
    for words in v4.lines().skip(1).map(|line| line.split_whitespace().collect::<Vec<_>>()) {
        let address = |at: usize| {
            let number = u32::from_str_radix(words.get(at)?, 16).ok()?;
            Some(Ipv4Addr::from(number.to_ne_bytes()))
        };
        if let (Some(link), Some(to), Some(via), Some(mask)) =
            (words.first(), address(1), address(2), address(7))
        {
            let length = mask.to_bits().leading_ones();
            let _ = writeln!(text, "{to}/{length} via {via} dev {link}");
        }
    }
    let v6 = of_thread("ipv6_route", BYTES_MAX).unwrap_or_default();
    for words in v6.lines().map(|line| line.split_whitespace().collect::<Vec<_>>()) {
        let number = |at: usize| u128::from_str_radix(words.get(at)?, 16).ok();
        if let (Some(to), Some(length), Some(via), Some(link)) =
            (number(0), number(1), number(4), words.get(9))
        {
            let (to, via) = (Ipv6Addr::from_bits(to), Ipv6Addr::from_bits(via));
            let _ = writeln!(text, "{to}/{length} via {via} dev {link}");
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_hosts_own_addresses_are_known_without_any_program() {
        assert!(local_addresses().contains(&IpAddr::V4(Ipv4Addr::LOCALHOST)));
        assert!(without_ip().contains("lo: <"), "{}", without_ip());
    }
}
