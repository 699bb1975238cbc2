//! `ip addr` and `ip route`: which interface has an address, and by which an address is reached.
//!
//! Refused: rules of policy routing and tables of their own; the main table answers.

use std::net::IpAddr;

/// One interface of a box.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Interface {
    /// Its name.
    pub name: String,
    /// Its own addresses, in the order printed.
    pub addresses: Vec<IpAddr>,
    /// What is reached by it: network and length of its prefix.
    pub reaches: Vec<(IpAddr, u8)>,
}

/// Reads a listing of either or of both, one after the other.
pub fn read(text: &str) -> Vec<Interface> {
    let mut all: Vec<Interface> = Vec::new();
    let mut current = None;
    for line in text.lines() {
        let words: Vec<&str> = line.split_whitespace().collect();
        let mut words = words.as_slice();
        if let [number, name, rest @ ..] = words
            && number.strip_suffix(':').is_some_and(|n| n.parse::<u32>().is_ok())
            && let Some(name) = name.strip_suffix(':')
        {
            let name = name.split('@').next().unwrap_or(name);
            current = Some(place(&mut all, name));
            words = rest;
        }
        if let Some(at) = words.iter().position(|w| matches!(*w, "inet" | "inet6"))
            && let Some((address, bits)) = words.get(at + 1).and_then(|w| network(w))
            && let Some(interface) = current.and_then(|c| all.get_mut(c))
        {
            interface.addresses.push(address);
            interface.reaches.push((address, bits));
        } else if let Some((to, device)) = route(words) {
            let at = place(&mut all, device);
            if let Some(interface) = all.get_mut(at) {
                interface.reaches.push(to);
            }
        }
    }
    all
}

/// The place of an interface, which is made if there is none.
fn place(all: &mut Vec<Interface>, name: &str) -> usize {
    all.iter().position(|i| i.name == name).unwrap_or_else(|| {
        let (addresses, reaches) = (Vec::new(), Vec::new());
        all.push(Interface { name: name.to_owned(), addresses, reaches });
        all.len() - 1
    })
}

/// `192.0.2.0/24 dev lan0 …`, `default via 192.0.2.1 dev wan0 …`: network and interface.
fn route<'a>(words: &[&'a str]) -> Option<((IpAddr, u8), &'a str)> {
    let after = |word: &str| words.windows(2).find(|w| w.first() == Some(&word))?.get(1).copied();
    let device = after("dev")?;
    // Of tables only the main one is asked without a rule that says otherwise.
    if after("table").is_some_and(|t| t != "main") {
        return None;
    }
    let to = match *words.first()? {
        "default" => {
            let v6 = after("via").is_some_and(|via| via.contains(':'));
            let any: IpAddr = if v6 { [0_u16; 8].into() } else { [0_u8; 4].into() };
            (any, 0)
        }
        word => network(word)?,
    };
    Some((to, device))
}

fn network(word: &str) -> Option<(IpAddr, u8)> {
    let (address, bits) = match word.split_once('/') {
        Some((address, bits)) => (address, Some(bits.parse().ok()?)),
        None => (word, None),
    };
    let address: IpAddr = address.parse().ok()?;
    let most = if address.is_ipv4() { 32 } else { 128 };
    Some((address, bits.unwrap_or(most))).filter(|(_, bits)| *bits <= most)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_and_routes_become_interfaces() {
        let text = "1: lo: <LOOPBACK> mtu 65536\n    inet 127.0.0.1/8 scope host lo\n\
                    2: lan0@if3: <UP> mtu 1500\n    link/ether 02:00:00:00:00:01 brd 0\n    \
                    inet 192.0.2.1/24 scope global lan0\n    inet6 2001:db8::1/64 scope global\n\
                    3: wan0: <UP>\n    inet 198.51.100.1/24 scope global wan0\n\
                    # ip route show table all\ndefault via 198.51.100.9 dev wan0 proto static\n\
                    203.0.113.0/24 via 192.0.2.9 dev lan0\n\
                    local 192.0.2.1 dev lan0 table local proto kernel\nblackhole 10.0.0.0/8\n";
        let all = read(text);
        let names: Vec<&str> = all.iter().map(|i| i.name.as_str()).collect();
        assert_eq!(names, ["lo", "lan0", "wan0"]);
        let address = |text: &str| text.parse::<IpAddr>().unwrap();
        assert_eq!(all[1].addresses, [address("192.0.2.1"), address("2001:db8::1")]);
        assert_eq!(all[1].reaches.last(), Some(&(address("203.0.113.0"), 24)));
        let wan = [(address("198.51.100.1"), 24), (address("0.0.0.0"), 0)];
        assert_eq!(all[2].reaches, wan);
    }
}
