//! Pseudonyms of addresses that keep the structure: two addresses that share their first n bits get
//! pseudonyms that share theirs (Xu, Fan, Ammar and Moon, "Prefix-preserving IP address
//! anonymization", ICNP 2002).
//!
//! What a range is for stays: private addresses stay private and in their range, link-local ones
//! link-local, and those that name nobody (loopback, multicast, documentation, unspecified,
//! netmasks) stay as they are. A public address never becomes one of these. Within what is left the
//! map is one to one.

use super::key::Key;
use std::net::{Ipv4Addr, Ipv6Addr};

/// Numbers of the keyed function's domains.
const V4: u8 = 4;
const V6: u8 = 6;
const MAC: u8 = 2;

/// Flips each bit behind the first `keep` of `bits` by what the key makes of those before it.
fn permuted(key: &Key, domain: u8, bits: u128, (keep, length): (u32, u32)) -> u128 {
    let mut flips = 0;
    for at in keep..length {
        let below = length - at;
        let before = bits.checked_shr(below).unwrap_or(0);
        let mut message = [0; 17];
        message[..16].copy_from_slice(&before.to_be_bytes());
        message[16] = at as u8;
        if key.number(domain, &message) & 1 == 1 {
            flips |= 1 << (below - 1);
        }
    }
    bits ^ flips
}

/// First address, length of the prefix, and whether its addresses name nobody (or keep the prefix
/// and have the rest mapped).
const V4_RANGES: [(Ipv4Addr, u32, bool); 13] = [
    (Ipv4Addr::new(0, 0, 0, 0), 8, true),
    (Ipv4Addr::new(10, 0, 0, 0), 8, false),
    (Ipv4Addr::new(100, 64, 0, 0), 10, false),
    (Ipv4Addr::new(127, 0, 0, 0), 8, true),
    (Ipv4Addr::new(169, 254, 0, 0), 16, false),
    (Ipv4Addr::new(172, 16, 0, 0), 12, false),
    (Ipv4Addr::new(192, 0, 0, 0), 24, true),
    (Ipv4Addr::new(192, 0, 2, 0), 24, true),
    (Ipv4Addr::new(192, 168, 0, 0), 16, false),
    (Ipv4Addr::new(198, 18, 0, 0), 15, false),
    (Ipv4Addr::new(198, 51, 100, 0), 24, true),
    (Ipv4Addr::new(203, 0, 113, 0), 24, true),
    (Ipv4Addr::new(224, 0, 0, 0), 3, true),
];

fn v4_range(bits: u32) -> Option<(u32, bool)> {
    let within = |first: Ipv4Addr, length: u32| (bits ^ first.to_bits()) >> (32 - length) == 0;
    let found = V4_RANGES.iter().find(|(first, length, _)| within(*first, *length));
    found.map(|(_, length, names_nobody)| (*length, *names_nobody))
}

pub(super) fn v4(key: &Key, address: Ipv4Addr) -> Ipv4Addr {
    let bits = address.to_bits();
    let map = |bits: u32, keep| permuted(key, V4, u128::from(bits), (keep, 32)) as u32;
    match v4_range(bits) {
        Some((_, true)) => address,
        Some((keep, false)) => Ipv4Addr::from_bits(map(bits, keep)),
        // A permutation walked until it is outside again is a permutation of the outside.
        None => {
            let mut to = map(bits, 0);
            while v4_range(to).is_some() {
                to = map(to, 0);
            }
            Ipv4Addr::from_bits(to)
        }
    }
}

/// As [`V4_RANGES`]; those that hold an IPv4 address in their last bits are told apart in [`v6`].
const V6_RANGES: [(u128, u32, bool); 6] = [
    (0x2001_0db8 << 96, 32, true),
    (0x3fff << 112, 20, true),
    (0xfc << 120, 8, false),
    (0xfd << 120, 8, false),
    (0xfe80 << 112, 64, false),
    (0xff << 120, 8, true),
];
/// Prefixes of 96 bits before an IPv4 address: mapped (RFC 4291 §2.5.5.2), translated (RFC 6052).
const WITH_V4: [u128; 2] = [0xffff, 0x0064_ff9b << 64];

fn v6_range(bits: u128) -> Option<(u32, bool)> {
    let within = |first: u128, length: u32| (bits ^ first) >> (128 - length) == 0;
    let found = V6_RANGES.iter().find(|(first, length, _)| within(*first, *length));
    found.map(|(_, length, names_nobody)| (*length, *names_nobody))
}

pub(super) fn v6(key: &Key, address: Ipv6Addr) -> Ipv6Addr {
    let bits = address.to_bits();
    if WITH_V4.contains(&(bits >> 32)) {
        let inner = v4(key, Ipv4Addr::from_bits(bits as u32));
        return Ipv6Addr::from_bits(bits >> 32 << 32 | u128::from(inner.to_bits()));
    }
    // ::, ::1 and the few beside them.
    if bits >> 32 == 0 {
        return address;
    }
    // The first three bits tell what an address is for (RFC 4291 §2.4).
    const KIND: u32 = 3;
    match v6_range(bits) {
        Some((_, true)) => address,
        Some((keep, false)) => Ipv6Addr::from_bits(permuted(key, V6, bits, (keep, 128))),
        None => {
            let outside = |bits| {
                v6_range(bits).is_none() && !WITH_V4.contains(&(bits >> 32)) && bits >> 32 != 0
            };
            let mut to = permuted(key, V6, bits, (KIND, 128));
            while !outside(to) {
                to = permuted(key, V6, to, (KIND, 128));
            }
            Ipv6Addr::from_bits(to)
        }
    }
}

/// A hardware address keeps what its first byte says it is: of one card or a group's, given by a
/// maker or locally. Nobody's (all zeros) and groups' stay.
pub(super) fn mac(key: &Key, address: [u8; 6]) -> [u8; 6] {
    let [first, ..] = address;
    if address == [0; 6] || first & 1 == 1 {
        return address;
    }
    let kind = u128::from(first & 3);
    let number = address.iter().fold(0, |all, byte| all << 8 | u128::from(*byte));
    // The two bits go in front, where they are kept; they stand last in the first byte.
    let rest = number & 0x00ff_ffff_ffff | (number >> 42) << 40;
    let rest = rest & 0x3fff_ffff_ffff;
    let mapped = |rest| permuted(key, MAC, kind << 46 | rest, (2, 48)) & 0x3fff_ffff_ffff;
    let mut to = mapped(rest);
    // All zeros means nobody.
    while to == 0 && kind == 0 {
        to = mapped(to);
    }
    let top = (to >> 40) as u8;
    let [_, _, _, _, _, _, _, _, _, _, _, b, c, d, e, f] = (to & 0xff_ffff_ffff).to_be_bytes();
    [top << 2 | kind as u8, b, c, d, e, f]
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    fn key() -> Key {
        Key::from_bytes(*b"sixteen bytes on")
    }

    /// Addresses all over, reproducible.
    fn many(count: u64) -> impl Iterator<Item = u128> {
        let source = Key::from_bytes([7; 16]);
        (0..count).map(move |i| {
            let half = |n: u8| u128::from(source.number(n, &i.to_be_bytes()));
            half(0) << 64 | half(1)
        })
    }

    fn shared(a: u128, b: u128) -> u32 {
        (a ^ b).leading_zeros()
    }

    #[test]
    fn what_shares_a_network_goes_on_sharing_it() {
        for bits in many(300) {
            let near = bits ^ 1 << (bits % 8);
            let map4 = |b: u128| v4(&key(), Ipv4Addr::from_bits(b as u32)).to_bits();
            let (a, b) = (bits as u32, near as u32);
            if v4_range(a).is_none() {
                assert_eq!((map4(bits) ^ map4(near)).leading_zeros(), (a ^ b).leading_zeros());
            }
            let global = bits >> 3 | 1 << 125;
            let map6 = |b: u128| v6(&key(), Ipv6Addr::from_bits(b)).to_bits();
            let near = global ^ 1 << (bits % 60);
            assert_eq!(shared(map6(global), map6(near)), shared(global, near), "{global:x}");
        }
    }

    #[test]
    fn no_two_become_one_and_ranges_keep_to_themselves() {
        let mut seen = BTreeSet::new();
        for bits in (0..1 << 16).map(|low| 0xc633_0000 | low) {
            let to = v4(&key(), Ipv4Addr::from_bits(bits));
            assert!(seen.insert(to), "{to}");
            assert_eq!(v4_range(bits), v4_range(to.to_bits()), "{to}");
        }
        for bits in many(3000) {
            let from = Ipv4Addr::from_bits(bits as u32);
            let to = v4(&key(), from);
            assert_eq!(v4_range(from.to_bits()), v4_range(to.to_bits()), "{from} {to}");
            let mac_in = (bits as u64).to_be_bytes();
            let mac_in: [u8; 6] = mac_in[2..].try_into().unwrap();
            let out = mac(&key(), mac_in);
            assert_eq!(mac_in[0] & 3, out[0] & 3, "{mac_in:x?}");
        }
        let cards: BTreeSet<_> =
            (0..=255).map(|low| mac(&key(), [0x52, 0x54, 0, 1, 2, low])).collect();
        assert_eq!(cards.len(), 256);
        assert!(cards.iter().all(|card| card[..5] == cards.first().unwrap()[..5]), "one maker");
    }

    #[test]
    fn what_names_nobody_stays() {
        for text in ["0.0.0.0", "127.0.0.1", "255.255.255.255", "192.0.2.7", "224.0.0.251"] {
            let address: Ipv4Addr = text.parse().unwrap();
            assert_eq!(v4(&key(), address), address);
        }
        for text in ["::", "::1", "2001:db8::7", "ff02::1"] {
            let address: Ipv6Addr = text.parse().unwrap();
            assert_eq!(v6(&key(), address), address);
        }
        let private = v4(&key(), Ipv4Addr::new(10, 0, 0, 12));
        assert!(private.is_private() && private != Ipv4Addr::new(10, 0, 0, 12), "{private}");
        let local = v6(&key(), "fe80::5054:ff:fe12:3456".parse().unwrap());
        assert!(local.is_unicast_link_local());
        let mapped = v6(&key(), "::ffff:10.0.0.12".parse().unwrap());
        assert_eq!(mapped.to_ipv4_mapped(), Some(private));
        assert_eq!(mac(&key(), [0xff; 6]), [0xff; 6]);
    }
}
