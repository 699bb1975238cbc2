//! Evidence under other names: addresses, hosts, users and paths of URLs become pseudonyms, the
//! same ones wherever they stand, so that what is argued from it stays the same.
//!
//! Pseudonyms are made from a secret [`Key`] alone: two hosts' evidence redacted with one key fits
//! together, and no table has to be kept. Times, ports, sizes, settings, programs' names and the
//! wording of log lines stay: without them there is nothing to argue from. What a free text says in
//! words of its own ("the Munich box") is not understood, and not hidden.
//!
//! Of captures only headers are kept, whatever they hold.

mod address;
mod capture;
mod key;
mod layers;
mod mend;
mod name;
mod place;
mod text;

#[cfg(test)]
mod tests;

pub use capture::{Rewritten, headers_only};
pub use key::Key;
pub use layers::{Ends, Layers};

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Replaces what tells who somebody is, and remembers what it replaced.
#[derive(Clone, Debug)]
pub struct Redactor {
    key: Key,
    v4: BTreeMap<Ipv4Addr, Ipv4Addr>,
    v6: BTreeMap<Ipv6Addr, Ipv6Addr>,
    macs: BTreeMap<[u8; 6], [u8; 6]>,
    /// Names of hosts and users, as written, and their pseudonyms.
    names: BTreeMap<String, String>,
    /// Hosts' names that are replaced wherever they stand, in small letters.
    known: BTreeSet<String>,
}

impl Redactor {
    /// One that knows no names yet.
    pub fn new(key: Key) -> Self {
        let (v4, v6, macs) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
        Self { key, v4, v6, macs, names: BTreeMap::new(), known: BTreeSet::new() }
    }

    /// The key it works with.
    pub const fn key(&self) -> Key {
        self.key
    }

    /// An address's pseudonym.
    pub fn address(&mut self, address: IpAddr) -> IpAddr {
        match address {
            IpAddr::V4(v4) => IpAddr::V4(self.v4(v4)),
            IpAddr::V6(v6) => IpAddr::V6(self.v6(v6)),
        }
    }

    fn v4(&mut self, address: Ipv4Addr) -> Ipv4Addr {
        let key = &self.key;
        *self.v4.entry(address).or_insert_with(|| address::v4(key, address))
    }

    fn v6(&mut self, address: Ipv6Addr) -> Ipv6Addr {
        let key = &self.key;
        *self.v6.entry(address).or_insert_with(|| address::v6(key, address))
    }

    fn mac(&mut self, address: [u8; 6]) -> [u8; 6] {
        let key = &self.key;
        *self.macs.entry(address).or_insert_with(|| address::mac(key, address))
    }

    /// What was replaced and by what, in order: for whoever has to undo it. As secret as the key.
    pub fn replaced(&self) -> Vec<(String, String)> {
        let mut all: Vec<(String, String)> = Vec::new();
        all.extend(self.v4.iter().map(|(a, b)| (a.to_string(), b.to_string())));
        all.extend(self.v6.iter().map(|(a, b)| (a.to_string(), b.to_string())));
        all.extend(self.macs.iter().map(|(a, b)| (text::of_mac(*a), text::of_mac(*b))));
        all.extend(self.names.iter().map(|(a, b)| (a.clone(), b.clone())));
        all.retain(|(original, pseudonym)| original != pseudonym);
        all
    }
}
