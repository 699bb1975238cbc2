//! Sample addresses belong to nobody: RFC 5737 and RFC 3849 set some aside for documents.
//!
//! The story's own two addresses (`examples/egress-12h`) are private ones and stay. In code,
//! whose tests need networks of every kind, all private ranges are fine; the catalogue is left
//! out, since its notes hold version numbers that look the same.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

const STORY: [Ipv4Addr; 2] = [Ipv4Addr::new(10, 0, 0, 12), Ipv4Addr::new(10, 42, 11, 8)];

/// Addresses in `text` that may belong to somebody.
pub fn complaints(path: &str, text: &str) -> Vec<String> {
    let is_code = path.ends_with(".rs");
    if !is_code && !path.ends_with(".md") && !path.ends_with(".json") {
        return Vec::new();
    }
    let mut found = Vec::new();
    for (at, line) in text.lines().enumerate() {
        for address in line.split(|c: char| !is_part(c)).filter_map(read) {
            if !may_stand(address, is_code) {
                found.push(format!("{path}:{}: {address}: use a documentation range", at + 1));
            }
        }
    }
    found
}

fn is_part(c: char) -> bool {
    // § belongs to it, so that "§3.10.7.1" of an RFC is one word and no address.
    c.is_ascii_alphanumeric() || matches!(c, '.' | ':' | '_' | '§')
}

fn read(word: &str) -> Option<IpAddr> {
    let word = word.trim_matches(['.', ':', '_']);
    let without_port = word.rsplit_once(':').filter(|(host, _)| !host.contains(':'));
    let word = without_port.map_or(word, |(host, _)| host);
    // `ad::be` is a path in code before it is an address: an address of use has a digit.
    let has_digit = word.bytes().any(|b| b.is_ascii_digit());
    // Some logs write "26-Sep-2017::08:04:36".
    let is_year =
        word.get(4..6) == Some("::") && (word.starts_with("19") || word.starts_with("20"));
    word.parse().ok().filter(|_| has_digit && !is_year)
}

fn may_stand(address: IpAddr, is_code: bool) -> bool {
    match address {
        IpAddr::V4(v4) => {
            let is_net = v4.octets()[3] == 0;
            let is_private = v4.is_private() || v4.is_link_local() || is_shared(v4);
            v4.is_documentation()
                || v4.is_loopback()
                || v4.is_unspecified()
                || v4.is_broadcast()
                || v4.is_multicast()
                || STORY.contains(&v4)
                || (is_private && (is_code || is_net))
        }
        IpAddr::V6(v6) => may_stand_v6(v6, is_code),
    }
}

/// RFC 6598: between a provider's NAT and its customers.
fn is_shared(v4: Ipv4Addr) -> bool {
    v4.octets()[0] == 100 && v4.octets()[1] & 0xc0 == 64
}

fn may_stand_v6(v6: Ipv6Addr, is_code: bool) -> bool {
    let [first, second, ..] = v6.segments();
    let is_documentation = first == 0x2001 && second == 0xdb8;
    let is_local = first & 0xfe00 == 0xfc00 || first & 0xffc0 == 0xfe80;
    let is_short = v6.segments()[..6].iter().all(|&s| s == 0);
    let is_translation = first == 0x64 && second == 0xff9b;
    let mapped = v6.to_ipv4_mapped().map(IpAddr::V4);
    is_documentation
        || is_local
        || is_short
        || is_translation
        || v6.is_multicast()
        || mapped.is_some_and(|v4| may_stand(v4, is_code))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_of_somebody_is_seen() {
        // Put together here, so that this file passes its own rule.
        let somebody = ["8.8", "8.8"].join(".");
        assert_eq!(complaints("a.md", &format!("from {somebody}:443.")).len(), 1);
        assert_eq!(complaints("a.rs", &format!("\"{somebody}\"")).len(), 1);
        let six = ["2a00", "1450", ":1"].join(":");
        assert_eq!(complaints("a.md", &format!("to [{six}]:443")).len(), 1);
    }

    #[test]
    fn private_addresses_stay_out_of_pages_but_not_of_tests() {
        let private = ["192.168", "1.20"].join(".");
        assert_eq!(complaints("a.md", &private).len(), 1);
        assert_eq!(complaints("a.rs", &private).len(), 0);
    }

    #[test]
    fn what_is_set_aside_for_documents_may_stand() {
        for fine in [
            "192.0.2.1:49314",
            "10.0.0.12 -> 10.42.11.8:443",
            "2001:db8::5",
            "::1",
            "10.0.0.0/8",
            "0.0.0.0",
            "at 03:14:22 of 26-Sep-2017::08:04:36",
            "version 6.18",
            "RFC 9293 §3.10.7.1",
            "std::net::Ipv4Addr",
        ] {
            assert_eq!(complaints("a.md", fine), Vec::<String>::new(), "{fine}");
        }
    }
}
