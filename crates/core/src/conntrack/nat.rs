//! How a box translates: its rules asked for the first packet of a connection, and the ports the
//! kernel may choose from.
//!
//! After nf_nat_core.c (`get_unique_tuple`, `nf_nat_l4proto_unique_tuple`; 6.18): a port stays as
//! it is where it may and nobody has it, and is drawn by chance otherwise, so that the answer is
//! then a set of ports. Refused: a guess where a rule was not understood, or where the way out
//! decides and is not known.

use std::net::IpAddr;

use super::packet::{Tuple, flag, proto};
pub use crate::dump::links::Interface;
use crate::dump::rules::ask::{Asked, Does, Ruled};
use crate::dump::rules::{CtState, Hook, Rules, Translation, TranslationKind};

/// What a box does with packets beside tracking them.
#[derive(Clone, Debug, Default)]
pub struct Firewall {
    /// Its rules.
    pub rules: Rules,
    /// Its interfaces.
    pub interfaces: Vec<Interface>,
}

/// What the table holds already.
pub trait Known {
    /// Whether answers that arrive like this belong to a connection.
    fn is_taken(&self, reply: &Tuple) -> bool;

    /// The sources that connections from this one leave with, the newest first.
    fn leaves_from(&self, source: (IpAddr, u16)) -> Vec<(IpAddr, u16)>;
}

/// Ports the kernel may choose from, first and last.
pub type Ports = (u16, u16);

/// How connections of one kind leave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mapping {
    /// Ends as the first packet leaves; of a port that is drawn, the first it may be.
    pub leaves_as: Tuple,
    /// The source port is drawn from these.
    pub drawn: Option<Ports>,
    /// None of the ports is free: the packet is dropped when its entry is to be confirmed
    /// (`insert_failed`).
    pub exhausted: bool,
    /// The rule of the source, by its line.
    pub source_line: Option<u64>,
    /// The rule of the destination.
    pub destination_line: Option<u64>,
}

impl Mapping {
    /// How answers arrive; `None` while the port is not known.
    pub fn reply(&self) -> Option<Tuple> {
        if self.drawn.is_some() { None } else { self.leaves_as.inverse() }
    }

    /// Whether a packet may be one of this connection that left.
    pub fn admits(&self, left: &Tuple) -> bool {
        let Some((first, last)) = self.drawn else { return *left == self.leaves_as };
        let port = Tuple { sport: self.leaves_as.sport, ..*left };
        port == self.leaves_as && (first..=last).contains(&left.sport)
    }
}

/// Why nothing can be said of how packets leave.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CannotSay {
    /// The line that decides, where there is one.
    pub line: Option<u64>,
    /// What of it is not known.
    pub why: &'static str,
}

impl Firewall {
    /// How a connection that begins with `first` is translated, or in what state it is found.
    ///
    /// # Errors
    ///
    /// [`CannotSay`] where a rule may or may not be met, or what it takes is not known.
    pub fn mapping(&self, first: &Tuple, known: &dyn Known) -> Result<Mapping, CannotSay> {
        let arrives = self.way_to(first.src);
        let asked = asked(first, CtState::New, (arrives.map(|i| i.name.as_str()), None));
        let to = one(&self.rules.translation(Hook::Prerouting, &asked))?;
        let mut leaves = *first;
        let mut destination_line = None;
        if let Some((to, line)) = to {
            destination_line = line;
            leaves = self.destination(first, &to, (line, known))?;
        }
        let own = self.owner(leaves.dst).is_some();
        let (hook, out) = match own {
            true => (Hook::Input, None),
            false => (Hook::Postrouting, self.way_to(leaves.dst)),
        };
        let named = (arrives.map(|i| i.name.as_str()), out.map(|i| i.name.as_str()));
        let asked = self::asked(&leaves, CtState::New, named);
        let by = one(&self.rules.translation(hook, &asked))?;
        let mut mapping = Mapping {
            leaves_as: leaves,
            drawn: None,
            exhausted: false,
            source_line: by.and_then(|(_, line)| line),
            destination_line,
        };
        match by {
            Some((to, line)) => mapping.source(&to, (out, line), known)?,
            // Where any translation is set up, unique answers are seen to for every connection.
            None if known.is_taken(&leaves.inverse().unwrap_or(leaves)) && self.translates() => {
                mapping.draw(None, known);
            }
            None => {}
        }
        Ok(mapping)
    }

    /// What rules do with a packet: one that conntrack finds in this state, with its ends as they
    /// are behind PREROUTING.
    pub fn fate(&self, ends: &Tuple, flags: u8, state: CtState) -> Vec<Ruled> {
        self.fate_where(self.owner(ends.dst).is_some(), ends, flags, state)
    }

    /// Whether a packet for this address is for the box itself; `None` where its own addresses are
    /// not known.
    pub(super) fn is_own(&self, address: IpAddr) -> Option<bool> {
        let any = self.interfaces.iter().any(|i| !i.addresses.is_empty());
        any.then(|| self.owner(address).is_some())
    }

    /// As [`Firewall::fate`], for a packet that is for the box itself or not.
    pub(super) fn fate_where(
        &self,
        own: bool,
        ends: &Tuple,
        flags: u8,
        state: CtState,
    ) -> Vec<Ruled> {
        let arrives = self.way_to(ends.src).map(|i| i.name.as_str());
        let leaves = self.way_to(ends.dst).filter(|_| !own).map(|i| i.name.as_str());
        let tcp = (ends.proto == proto::TCP).then_some(flags);
        let asked = Asked { flags: tcp, ..asked(ends, state, (arrives, leaves)) };
        self.rules.filter(if own { Hook::Input } else { Hook::Forward }, &asked)
    }

    /// Whether any of its routes leads to this address.
    pub fn has_way_to(&self, address: IpAddr) -> bool {
        self.way_to(address).is_some()
    }

    /// The interface that has this address.
    fn owner(&self, address: IpAddr) -> Option<&Interface> {
        self.interfaces.iter().find(|i| i.addresses.contains(&address))
    }

    /// The interface by which an address is reached: the longest prefix wins.
    fn way_to(&self, address: IpAddr) -> Option<&Interface> {
        let ways = self.interfaces.iter().flat_map(|i| i.reaches.iter().map(move |r| (i, r)));
        let within = ways.filter(|(_, (network, bits))| is_in(address, *network, *bits));
        within.max_by_key(|(_, (_, bits))| *bits).map(|(interface, _)| interface)
    }

    /// Whether any rule could translate.
    pub(super) fn translates(&self) -> bool {
        let nat = crate::dump::rules::ChainKind::Nat;
        self.rules.chains.iter().any(|c| c.base.is_some_and(|b| b.kind == nat))
    }

    fn destination(
        &self,
        first: &Tuple,
        to: &Translation,
        (line, known): (Option<u64>, &dyn Known),
    ) -> Result<Tuple, CannotSay> {
        let dst = match to.kind {
            TranslationKind::Redirect => {
                let own = self.way_to(first.src).into_iter().flat_map(|i| &i.addresses);
                let same = |a: &&IpAddr| a.is_ipv4() == first.dst.is_ipv4();
                *own.clone().find(same).ok_or(cannot(line, "the box's own address"))?
            }
            _ => single(to, first.dst, line)?,
        };
        let mut made = Tuple { dst, ..*first };
        let Some((low, high)) = to.ports else { return Ok(made) };
        if (low..=high).contains(&made.dport) && !is_taken(&made, known) && !is_random(to) {
            return Ok(made);
        }
        if is_random(to) && low != high {
            return Err(cannot(line, "which of its ports is drawn"));
        }
        let free = |port: &u16| !is_taken(&Tuple { dport: *port, ..made }, known);
        // Where none is, the last that was tried stands, and the source has to give way.
        let last = high.min(low.saturating_add(127));
        made.dport = (low..=last).find(free).unwrap_or(last);
        Ok(made)
    }
}

impl Mapping {
    fn source(
        &mut self,
        to: &Translation,
        (out, line): (Option<&Interface>, Option<u64>),
        known: &dyn Known,
    ) -> Result<(), CannotSay> {
        let was = self.leaves_as;
        let src = match to.kind {
            TranslationKind::Masquerade => {
                let out = out.ok_or(cannot(line, "the interface it leaves by"))?;
                let same = |a: &&IpAddr| a.is_ipv4() == was.src.is_ipv4();
                *out.addresses.iter().find(same).ok_or(cannot(line, "its interface's address"))?
            }
            _ => single(to, was.src, line)?,
        };
        self.leaves_as.src = src;
        // One source keeps its translation towards everybody, while it is free and fits the rule.
        let fits = |port: u16| to.ports.is_none_or(|(low, high)| (low..=high).contains(&port));
        let mut kept = known.leaves_from((was.src, was.sport)).into_iter();
        if let Some((_, port)) = kept.find(|(a, port)| *a == src && fits(*port))
            && !is_random(to)
        {
            let again = Tuple { sport: port, ..self.leaves_as };
            if !is_taken(&again, known) {
                self.leaves_as = again;
                return Ok(());
            }
        }
        let free = !is_taken(&self.leaves_as, known);
        let stays = match to.ports {
            Some((low, high)) => (low..=high).contains(&was.sport) && (low == high || free),
            None => free,
        };
        if is_random(to) || !stays {
            self.draw(to.ports, known);
        }
        Ok(())
    }

    /// The port is drawn: from those of the rule, or from those like the one it had.
    fn draw(&mut self, ports: Option<Ports>, known: &dyn Known) {
        let (low, high) = ports.unwrap_or(match self.leaves_as.sport {
            0..512 => (1, 511),
            512..1024 => (600, 1023),
            _ => (1024, 65_535),
        });
        self.drawn = Some((low, high)).filter(|_| low != high);
        self.leaves_as.sport = low;
        // Of a few ports that are all but one taken it is the one.
        if u32::from(high) - u32::from(low) < 128 {
            let free = |port: &u16| !is_taken(&Tuple { sport: *port, ..self.leaves_as }, known);
            let mut left = (low..=high).filter(free);
            match (left.next(), left.next()) {
                (Some(only), None) => {
                    self.leaves_as.sport = only;
                    self.drawn = None;
                }
                (None, _) => self.exhausted = true,
                _ => {}
            }
        }
    }
}

/// `random` and `fully-random` both leave no port as it is.
const fn is_random(to: &Translation) -> bool {
    to.random || to.fully_random
}

/// Answers to packets that leave like this would be somebody else's.
fn is_taken(leaves: &Tuple, known: &dyn Known) -> bool {
    leaves.inverse().is_some_and(|reply| known.is_taken(&reply))
}

/// The address of a rule that names one; of several the kernel takes one by a keyed hash.
fn single(to: &Translation, own: IpAddr, line: Option<u64>) -> Result<IpAddr, CannotSay> {
    match to.addresses {
        None => Ok(own),
        Some((first, last)) if first == last => Ok(first),
        Some(_) => Err(cannot(line, "which of its addresses is taken")),
    }
}

const fn cannot(line: Option<u64>, why: &'static str) -> CannotSay {
    CannotSay { line, why }
}

/// The one translation there is, or none; where more than one thing is possible, nothing.
fn one(ruled: &[Ruled]) -> Result<Option<(Translation, Option<u64>)>, CannotSay> {
    match ruled {
        [] | [Ruled { does: Does::Passes, .. }] => Ok(None),
        [Ruled { does: Does::Translates(to), line }] => Ok(Some((*to, *line))),
        [one] => Err(cannot(one.line, "what its rule does")),
        [first, ..] => Err(cannot(first.line, "whether its rule is met")),
    }
}

fn asked<'a>(
    ends: &Tuple,
    state: CtState,
    (iif, oif): (Option<&'a str>, Option<&'a str>),
) -> Asked<'a> {
    Asked {
        v6: ends.src.is_ipv6(),
        src: Some(ends.src),
        dst: Some(ends.dst),
        sport: Some(ends.sport),
        dport: Some(ends.dport),
        protocol: Some(ends.proto),
        // Rules of translation are asked for first packets.
        flags: (ends.proto == proto::TCP && state == CtState::New).then_some(flag::SYN),
        state: Some(state),
        iif,
        oif,
    }
}

fn is_in(address: IpAddr, network: IpAddr, bits: u8) -> bool {
    let (a, b, most) = match (address, network) {
        (IpAddr::V4(a), IpAddr::V4(b)) => (u128::from(a.to_bits()), u128::from(b.to_bits()), 32),
        (IpAddr::V6(a), IpAddr::V6(b)) => (a.to_bits(), b.to_bits(), 128),
        _ => return false,
    };
    let host = u32::from(most - bits.min(most));
    a.checked_shr(host).unwrap_or(0) == b.checked_shr(host).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tuple(src: ([u8; 4], u16), dst: ([u8; 4], u16)) -> Tuple {
        Tuple { src: src.0.into(), dst: dst.0.into(), sport: src.1, dport: dst.1, proto: 6 }
    }

    const CLIENT: ([u8; 4], u16) = ([192, 0, 2, 10], 40_000);
    const SERVER: ([u8; 4], u16) = ([203, 0, 113, 7], 443);
    const BOX: [u8; 4] = [198, 51, 100, 1];

    fn firewall(nat: &str) -> Firewall {
        let text = format!("table ip t {{\nchain c {{\ntype nat hook {nat}\n}}\n}}\n");
        let interface = |name: &str, own: [u8; 4], net: [u8; 4], bits| Interface {
            name: name.to_owned(),
            addresses: vec![own.into()],
            reaches: vec![(net.into(), bits)],
        };
        let lan = interface("lan0", [192, 0, 2, 1], [192, 0, 2, 0], 24);
        let wan = interface("wan0", BOX, [0, 0, 0, 0], 0);
        Firewall { rules: Rules::read(&text), interfaces: vec![lan, wan] }
    }

    /// Replies that are taken, and a source that left otherwise before.
    struct Held<'a>(&'a [Tuple], Option<(IpAddr, u16)>);

    impl Known for Held<'_> {
        fn is_taken(&self, reply: &Tuple) -> bool {
            self.0.contains(reply)
        }

        fn leaves_from(&self, _: (IpAddr, u16)) -> Vec<(IpAddr, u16)> {
            self.1.into_iter().collect()
        }
    }

    fn of(nat: &str, taken: &[Tuple]) -> Result<Mapping, CannotSay> {
        firewall(nat).mapping(&tuple(CLIENT, SERVER), &Held(taken, None))
    }

    #[test]
    fn a_port_stays_while_nobody_has_it() {
        let masquerade = "postrouting priority srcnat; policy accept;\noifname \"wan0\" masquerade";
        let made = of(masquerade, &[]).unwrap();
        assert_eq!((made.leaves_as, made.drawn), (tuple((BOX, 40_000), SERVER), None));
        assert_eq!(made.source_line, Some(4));
        let taken = tuple(SERVER, (BOX, 40_000));
        let made = of(masquerade, &[taken]).unwrap();
        assert_eq!((made.drawn, made.reply()), (Some((1024, 65_535)), None));
        assert!(made.admits(&tuple((BOX, 2000), SERVER)));
        assert!(!made.admits(&tuple((BOX, 1000), SERVER)));
        let before = Held(&[], Some((BOX.into(), 2345)));
        let made = firewall(masquerade).mapping(&tuple(CLIENT, SERVER), &before).unwrap();
        assert_eq!((made.leaves_as.sport, made.drawn), (2345, None));
        let made = of(&format!("{masquerade} fully-random"), &[]).unwrap();
        assert_eq!(made.drawn, Some((1024, 65_535)));
    }

    #[test]
    fn a_rules_own_ports_are_kept_to() {
        let snat = |ports: &str| {
            format!("postrouting priority srcnat; policy accept;\nsnat to 198.51.100.1:{ports}")
        };
        let drawn = |ports: &str, taken: &[Tuple]| of(&snat(ports), taken).unwrap().drawn;
        assert_eq!(drawn("39000-41000", &[]), None);
        assert_eq!(drawn("5000-6000", &[]), Some((5000, 6000)));
        let made = of(&snat("5000"), &[]).unwrap();
        assert_eq!((made.leaves_as.sport, made.drawn), (5000, None));
        let one = tuple(SERVER, (BOX, 5000));
        let made = of(&snat("5000-5001"), &[one]).unwrap();
        assert_eq!((made.leaves_as.sport, made.drawn, made.exhausted), (5001, None, false));
        assert!(of(&snat("5000-5001"), &[one, tuple(SERVER, (BOX, 5001))]).unwrap().exhausted);
    }

    #[test]
    fn what_decides_and_is_not_known_is_said() {
        let several =
            "postrouting priority srcnat; policy accept;\nsnat to 198.51.100.1-198.51.100.4";
        let why = of(several, &[]).unwrap_err();
        assert_eq!(why, cannot(Some(4), "which of its addresses is taken"));
        let set = "postrouting priority srcnat; policy accept;\nip saddr @lan masquerade";
        assert_eq!(of(set, &[]).unwrap_err(), cannot(Some(4), "whether its rule is met"));
        let mut blind = firewall("postrouting priority srcnat; policy accept;\nmasquerade");
        blind.interfaces.clear();
        let why = blind.mapping(&tuple(CLIENT, SERVER), &Held(&[], None)).unwrap_err();
        assert_eq!(why, cannot(Some(4), "the interface it leaves by"));
    }

    #[test]
    fn a_destination_is_translated_before_its_way_is_sought() {
        let dnat = "prerouting priority dstnat; policy accept;\niifname \"lan0\" tcp dport 443 \
                    dnat to 203.0.113.99:8443";
        let made = of(dnat, &[]).unwrap();
        let expected = tuple(CLIENT, ([203, 0, 113, 99], 8443));
        assert_eq!((made.leaves_as, made.destination_line), (expected, Some(4)));
        let redirect = "prerouting priority dstnat; policy accept;\nredirect to :3128";
        let made = of(redirect, &[]).unwrap();
        assert_eq!(made.leaves_as, tuple(CLIENT, ([192, 0, 2, 1], 3128)));
    }
}
