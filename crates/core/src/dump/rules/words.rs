//! What both tools spell alike: addresses and ports with their ranges, protocols, states, flags.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::CtState;

/// Words of a line: by spaces, quoted ones whole and without their quotes, a comma or semicolon
/// at the end of a word on its own.
pub(super) fn split(line: &str) -> Vec<&str> {
    let mut words = Vec::new();
    let mut rest = line.trim_start();
    while !rest.is_empty() {
        let (word, after) = match rest.strip_prefix('"') {
            Some(quoted) => quoted.split_once('"').unwrap_or((quoted, "")),
            None => match rest.find(char::is_whitespace) {
                Some(at) => rest.split_at_checked(at).unwrap_or((rest, "")),
                None => (rest, ""),
            },
        };
        let bare = word.trim_end_matches([',', ';']);
        if rest.starts_with('"') || bare.len() == word.len() || bare.is_empty() {
            words.push(word);
        } else {
            words.push(bare);
            words.extend(word.get(bare.len()..));
        }
        rest = match after.strip_prefix([',', ';']) {
            Some(further) => {
                words.extend(after.get(..1));
                further.trim_start()
            }
            None => after.trim_start(),
        };
    }
    words
}

/// `192.0.2.1`, `192.0.2.0/24`, also with the mask in dots, `192.0.2.1-192.0.2.9`.
pub(super) fn addresses(word: &str) -> Option<(IpAddr, IpAddr)> {
    if let Some((first, last)) = word.split_once('-') {
        return Some((first.parse().ok()?, last.parse().ok()?));
    }
    let Some((address, mask)) = word.split_once('/') else {
        let one = bare(word).parse().ok()?;
        return Some((one, one));
    };
    match bare(address).parse().ok()? {
        IpAddr::V4(v4) => {
            let mask = match mask.parse::<u32>() {
                Ok(bits @ 0..=32) => u32::MAX.checked_shl(32 - bits).unwrap_or(0),
                Ok(_) => return None,
                Err(_) => mask.parse::<Ipv4Addr>().ok()?.to_bits(),
            };
            // A mask with holes is no range.
            ((!mask).wrapping_add(1) & !mask == 0).then_some(())?;
            let first = v4.to_bits() & mask;
            let v4 = |bits| IpAddr::V4(Ipv4Addr::from_bits(bits));
            Some((v4(first), v4(first | !mask)))
        }
        IpAddr::V6(v6) => {
            let bits: u32 = mask.parse().ok().filter(|bits| *bits <= 128)?;
            let mask = u128::MAX.checked_shl(128 - bits).unwrap_or(0);
            let first = v6.to_bits() & mask;
            let v6 = |bits| IpAddr::V6(Ipv6Addr::from_bits(bits));
            Some((v6(first), v6(first | !mask)))
        }
    }
}

fn bare(address: &str) -> &str {
    address.trim_start_matches('[').trim_end_matches(']')
}

/// `443`, `1000-2000`, `1000:2000`, and the names that are printed most.
pub(super) fn ports(word: &str) -> Option<(u16, u16)> {
    let one = |word: &str| match word {
        "ssh" => Some(22),
        "domain" => Some(53),
        "http" => Some(80),
        "https" => Some(443),
        _ => word.parse().ok(),
    };
    match word.split_once(['-', ':']) {
        Some(("", last)) => Some((0, one(last)?)),
        Some((first, "")) => Some((one(first)?, u16::MAX)),
        Some((first, last)) => Some((one(first)?, one(last)?)),
        None => one(word).map(|port| (port, port)),
    }
}

/// A protocol's number or name.
pub(super) fn protocol(word: &str) -> Option<u8> {
    Some(match word {
        "tcp" => 6,
        "udp" => 17,
        "icmp" => 1,
        "ipv6-icmp" | "icmpv6" => 58,
        "sctp" => 132,
        "dccp" => 33,
        "udplite" => 136,
        "gre" => 47,
        "esp" => 50,
        "ah" => 51,
        _ => return word.parse().ok(),
    })
}

/// A state of conntrack; `None` for others (`SNAT`, `DNAT`).
pub(super) fn state(word: &str) -> Option<CtState> {
    Some(match word.to_ascii_lowercase().as_str() {
        "invalid" => CtState::Invalid,
        "new" => CtState::New,
        "established" => CtState::Established,
        "related" => CtState::Related,
        "untracked" => CtState::Untracked,
        _ => return None,
    })
}

/// Flags joined by commas or bars; bits as in the header.
pub(super) fn flags(words: &str) -> Option<u8> {
    let word = |word: &str| {
        Some(match word.trim().to_ascii_lowercase().as_str() {
            "fin" => 1,
            "syn" => 2,
            "rst" => 4,
            "psh" => 8,
            "ack" => 16,
            "urg" => 32,
            "ecn" | "ece" => 64,
            "cwr" => 128,
            "all" => 63,
            "none" | "0x0" => 0,
            _ => return None,
        })
    };
    words.split([',', '|']).try_fold(0, |all, flag| Some(all | word(flag)?))
}
