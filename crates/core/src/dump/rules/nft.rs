//! `nft list ruleset`: tables of chains, a rule a line.

use super::iptables::destination;
use super::words::{addresses, flags, ports, protocol, split, state};
use super::{
    Act, Base, Chain, ChainKind, Family, Hook, Match, On, Rule, Rules, Translation, TranslationKind,
};

/// Reads a listing.
pub(super) fn read(text: &str) -> Rules {
    let mut reading = Reading::default();
    for (line, raw) in (1..).zip(text.lines()) {
        let mut words = split(raw.trim());
        // With `-a` every line ends with its handle.
        if let Some(at) = words.windows(2).position(|w| w == ["#", "handle"]) {
            words.truncate(at);
        }
        if words.first().is_some_and(|w| !w.starts_with('#')) {
            reading.line(line, &words);
        }
    }
    reading.rules
}

#[derive(Default)]
struct Reading {
    rules: Rules,
    family: Option<Family>,
    table: String,
    /// The table is switched off.
    dormant: bool,
    /// In a chain of that table.
    in_chain: bool,
    /// Blocks open inside the table or the chain: sets, maps, chains without a name.
    deeper: usize,
}

impl Reading {
    fn line(&mut self, line: u64, words: &[&str]) {
        match words {
            ["}", ..] => self.close(),
            _ if self.deeper > 0 => self.deeper += usize::from(words.last() == Some(&"{")),
            ["table", family, name, ..] if self.family.is_none() => {
                self.family = Some(family_of(family));
                (*name).clone_into(&mut self.table);
                self.dormant = false;
            }
            ["flags", flags @ ..] if self.family.is_some() && !self.in_chain => {
                self.dormant |= flags.iter().any(|f| f.contains("dormant"));
            }
            ["chain", name, ..] if !self.in_chain => self.chain(line, name),
            ["type", rest @ ..] if self.in_chain => self.hooked(line, rest),
            ["comment", ..] if !self.in_chain => {}
            _ if self.in_chain => self.rule(line, words),
            [.., "{"] => self.deeper += 1,
            _ => self.rules.skipped += 1,
        }
    }

    fn close(&mut self) {
        if self.deeper > 0 {
            self.deeper -= 1;
        } else if self.in_chain {
            self.in_chain = false;
        } else {
            self.family = None;
        }
    }

    fn chain(&mut self, line: u64, name: &str) {
        self.in_chain = true;
        let (family, table) = (self.family.unwrap_or(Family::Other), self.table.clone());
        let name = name.to_owned();
        self.rules.chains.push(Chain { family, table, name, line, base: None, rules: Vec::new() });
    }

    /// `type filter hook input priority filter + 10; policy accept;`
    fn hooked(&mut self, line: u64, words: &[&str]) {
        let Some(chain) = self.rules.chains.last_mut() else { return };
        let after = |word: &'static str| words.iter().skip_while(move |w| **w != word).skip(1);
        let kind = match words.first() {
            Some(&"nat") => ChainKind::Nat,
            Some(&"route") => ChainKind::Route,
            _ => ChainKind::Filter,
        };
        let hook = match after("hook").next() {
            Some(&"prerouting") => Hook::Prerouting,
            Some(&"input") => Hook::Input,
            Some(&"forward") => Hook::Forward,
            Some(&"output") => Hook::Output,
            Some(&"postrouting") => Hook::Postrouting,
            _ => Hook::Other,
        };
        let told: Vec<&str> = after("priority").take_while(|w| **w != ";").copied().collect();
        let accepts = after("policy").next() != Some(&"drop");
        if !self.dormant {
            chain.line = line;
            chain.base = Some(Base { kind, hook, priority: priority(&told), accepts });
        }
    }

    fn rule(&mut self, line: u64, words: &[&str]) {
        // A chain without a name begins here; its rules stand on the next lines.
        if words.last() == Some(&"{") {
            self.deeper += 1;
        }
        let Some(chain) = self.rules.chains.last_mut() else { return };
        chain.rules.extend(Statement::new(words).rules(line));
    }
}

fn family_of(word: &str) -> Family {
    match word {
        "ip" => Family::Ip,
        "ip6" => Family::Ip6,
        "inet" => Family::Inet,
        _ => Family::Other,
    }
}

/// A number, or a name with a distance from it.
fn priority(words: &[&str]) -> Option<i32> {
    let named = |word: &str| {
        Some(match word {
            "raw" => -300,
            "mangle" => -150,
            "dstnat" => -100,
            "filter" => 0,
            "security" => 50,
            "srcnat" => 100,
            _ => return word.parse().ok(),
        })
    };
    match words {
        [one] => named(one),
        [name, "+", by] => Some(named(name)? + by.parse::<i32>().ok()?),
        [name, "-", by] => Some(named(name)? - by.parse::<i32>().ok()?),
        _ => None,
    }
}

/// One rule on its way.
struct Statement<'a> {
    words: &'a [&'a str],
    at: usize,
    matches: Vec<Match>,
    act: Act,
    counter: Option<(u64, u64)>,
    /// A map of verdicts: what is asked, and what follows.
    map: Vec<(On, Act)>,
}

/// What a value looks like for each thing asked.
type Made = fn(&[&str]) -> Option<On>;

impl<'a> Statement<'a> {
    fn new(words: &'a [&'a str]) -> Self {
        let (matches, map) = (Vec::new(), Vec::new());
        Self { words, at: 0, matches, act: Act::Next, counter: None, map }
    }

    fn rest(&self) -> &'a [&'a str] {
        self.words.get(self.at..).unwrap_or_default()
    }

    /// The rule, or one for each element of its map.
    fn rules(mut self, line: u64) -> Vec<Rule> {
        while !self.rest().is_empty() {
            let before = self.at;
            if !(self.verdict() || self.effect() || self.asked()) {
                self.not_understood();
            }
            debug_assert!(self.at > before, "every step takes a word");
        }
        let text = without_counter(self.words);
        let rule =
            |matches, act| Rule { line, text: text.clone(), matches, act, counter: self.counter };
        if self.map.is_empty() {
            return vec![rule(self.matches, self.act)];
        }
        let one = |(on, act): (On, Act)| {
            let mut matches = self.matches.clone();
            matches.push(Match { not: false, on });
            rule(matches, act)
        };
        self.map.into_iter().map(one).collect()
    }

    fn verdict(&mut self) -> bool {
        let (act, taken) = match self.rest() {
            ["accept", ..] => (Act::Accept, 1),
            ["drop", ..] => (Act::Drop, 1),
            ["return", ..] => (Act::Return, 1),
            ["continue", ..] => (Act::Next, 1),
            ["reject", "with", "tcp", "reset", ..] => (Act::Reset, 4),
            ["reject", rest @ ..] => {
                // `with icmp type port-unreachable`, `with icmpx admin-prohibited`
                let more = rest.iter().take_while(|w| **w != "comment").count();
                (Act::Refuse, 1 + more)
            }
            ["jump", "{", ..] => (Act::NotUnderstood("jump to a chain without a name".into()), 2),
            ["jump", chain, ..] => (Act::Jump((*chain).to_owned()), 2),
            ["goto", chain, ..] => (Act::Goto((*chain).to_owned()), 2),
            ["notrack", ..] => (Act::NoTrack, 1),
            ["masquerade" | "snat" | "dnat" | "redirect", ..] => self.translation(),
            _ => return false,
        };
        self.at += taken;
        self.act = act;
        true
    }

    fn translation(&self) -> (Act, usize) {
        let words = self.rest();
        let words = words
            .iter()
            .position(|w| *w == "comment")
            .map_or(words, |at| words.get(..at).unwrap_or(words));
        let kind = match words.first() {
            Some(&"snat") => TranslationKind::Source,
            Some(&"dnat") => TranslationKind::Destination,
            Some(&"redirect") => TranslationKind::Redirect,
            _ => TranslationKind::Masquerade,
        };
        let mut made = Translation {
            kind,
            addresses: None,
            ports: None,
            random: false,
            fully_random: false,
            persistent: false,
        };
        let mut plain = true;
        for word in words.iter().skip(1).flat_map(|w| w.split(',')) {
            match word {
                "to" | "ip" | "ip6" | "" => {}
                "random" => made.random = true,
                "fully-random" => made.fully_random = true,
                "persistent" => made.persistent = true,
                place => {
                    let found = destination(place);
                    plain &= (found.0.is_some() || found.1.is_some())
                        && made.addresses.is_none()
                        && made.ports.is_none();
                    (made.addresses, made.ports) = found;
                }
            }
        }
        let act = if plain { Act::Translate(made) } else { Act::NotUnderstood(words.join(" ")) };
        (act, words.len())
    }

    /// Statements that change nothing about where a packet goes.
    fn effect(&mut self) -> bool {
        let words = self.rest();
        let taken = match words {
            ["counter", "packets", packets, "bytes", bytes, ..] => {
                self.counter = packets.parse().ok().zip(bytes.parse().ok());
                5
            }
            ["counter", "name", _, ..] => 3,
            ["counter", ..] => 1,
            ["comment", ..] => words.len(),
            ["log", rest @ ..] => 1 + log(rest),
            ["meta", "mark" | "priority" | "nftrace" | "pkttype" | "secmark", "set", rest @ ..]
            | ["ct", "mark" | "label" | "event" | "secmark", "set", rest @ ..] => {
                3 + rest.iter().take_while(|w| !ends_an_unknown(w)).count()
            }
            ["tcp", "option", "maxseg", "size", "set", "rt", _, ..] => 7,
            ["tcp", "option", "maxseg", "size", "set", _, ..] => 6,
            _ => return false,
        };
        self.at += taken;
        true
    }

    /// What is asked of a packet.
    fn asked(&mut self) -> bool {
        let (taken, made): (usize, Made) = match self.rest() {
            ["iifname" | "iif", ..] => (1, |v| Some(On::In(owned(v)))),
            ["oifname" | "oif", ..] => (1, |v| Some(On::Out(owned(v)))),
            ["ip" | "ip6", "saddr", ..] => (2, |v| every(v, addresses).map(On::Source)),
            ["ip" | "ip6", "daddr", ..] => (2, |v| every(v, addresses).map(On::Destination)),
            ["tcp" | "udp" | "th", "sport", ..] => (2, |v| every(v, ports).map(On::SourcePort)),
            ["tcp" | "udp" | "th", "dport", ..] => {
                (2, |v| every(v, ports).map(On::DestinationPort))
            }
            ["meta", "l4proto", ..] | ["ip", "protocol", ..] | ["ip6", "nexthdr", ..] => {
                (2, |v| every(v, protocol).map(On::Protocol))
            }
            ["meta", "nfproto", ..] => (2, |v| match v {
                ["ipv4"] => Some(On::IsV6(false)),
                ["ipv6"] => Some(On::IsV6(true)),
                _ => None,
            }),
            ["ct", "state", ..] => (2, |v| every(v, state).map(On::State)),
            ["tcp", "flags", ..] => return self.tcp_flags(),
            _ => return false,
        };
        let head = self.rest();
        let start = self.at;
        self.at += taken;
        let understood = self.value(made).is_some();
        if !understood {
            self.at = start;
            return false;
        }
        match head {
            ["tcp", ..] => self.push(On::Protocol(vec![6])),
            ["udp", ..] => self.push(On::Protocol(vec![17])),
            ["ip", ..] => self.push(On::IsV6(false)),
            ["ip6", ..] => self.push(On::IsV6(true)),
            _ => {}
        }
        true
    }

    fn push(&mut self, on: On) {
        self.matches.push(Match { not: false, on });
    }

    /// One value, a list, a set in braces, or a map of verdicts; `None` if it is none of these.
    fn value(&mut self, made: Made) -> Option<()> {
        let mut not = false;
        match *self.rest().first()? {
            "!=" => {
                not = true;
                self.at += 1;
            }
            "==" => self.at += 1,
            "vmap" => return self.verdicts(made),
            _ => {}
        }
        let values: Vec<&str> = match self.rest() {
            ["{", inside @ ..] => {
                let count = inside.iter().position(|w| *w == "}")?;
                self.at += count + 2;
                inside.get(..count)?.iter().filter(|w| **w != ",").copied().collect()
            }
            [one, ..] => {
                self.at += 1;
                one.split(',').collect()
            }
            [] => return None,
        };
        // What goes on behind a value is a concatenation or a mask.
        if matches!(self.rest().first(), Some(&("." | "&" | "|" | "map" | "set" | "/"))) {
            return None;
        }
        let on = made(&values)?;
        self.matches.push(Match { not, on });
        Some(())
    }

    /// `vmap { established : accept, invalid : jump other }`
    fn verdicts(&mut self, made: Made) -> Option<()> {
        let ["vmap", "{", inside @ ..] = self.rest() else { return None };
        let count = inside.iter().position(|w| *w == "}")?;
        let elements = inside.get(..count)?.split(|w| *w == ",").filter(|e| !e.is_empty());
        let mut map = Vec::new();
        for element in elements {
            let (value, act) = match element {
                [value, ":", "accept"] => (value, Act::Accept),
                [value, ":", "drop"] => (value, Act::Drop),
                [value, ":", "continue"] => (value, Act::Next),
                [value, ":", "return"] => (value, Act::Return),
                [value, ":", "jump", to] => (value, Act::Jump((*to).to_owned())),
                [value, ":", "goto", to] => (value, Act::Goto((*to).to_owned())),
                _ => return None,
            };
            map.push((made(&[value])?, act));
        }
        self.map = map;
        self.at += count + 3;
        Some(())
    }

    /// `tcp flags syn`, `& (fin | syn) == syn`, `syn / fin,syn`, `! syn`, each also with `!=`.
    fn tcp_flags(&mut self) -> bool {
        let read = match self.rest().get(2..).unwrap_or_default() {
            ["&", rest @ ..] => under_mask(rest),
            ["!", rest @ ..] => bits(rest).map(|(mask, taken)| (false, mask, 0, 1 + taken)),
            [sign @ ("!=" | "=="), rest @ ..] => {
                compared(rest, 0xff).map(|(mask, is, taken)| (*sign == "!=", mask, is, 1 + taken))
            }
            rest => match compared(rest, 0) {
                // Without a mask any one of them does.
                Some((0, any, taken)) => Some((true, any, 0, taken)),
                other => other.map(|(mask, is, taken)| (false, mask, is, taken)),
            },
        };
        let Some((not, mask, is, taken)) = read else { return false };
        self.at += 2 + taken;
        self.matches.push(Match { not, on: On::Flags { mask, is } });
        self.push(On::Protocol(vec![6]));
        true
    }

    /// Keeps words up to the next that certainly begins something else.
    fn not_understood(&mut self) {
        let rest = self.rest();
        let mut depth = 0_usize;
        let mut count = 0;
        for word in rest {
            match *word {
                "{" => depth += 1,
                "}" => depth = depth.saturating_sub(1),
                word if count > 0 && depth == 0 && ends_an_unknown(word) => break,
                _ => {}
            }
            count += 1;
        }
        let words = rest.iter().take(count).copied().collect::<Vec<_>>().join(" ");
        self.at += count;
        // Stateless translation, zones, helpers, offload: where a packet goes hangs on them.
        let first = rest.first().copied().unwrap_or_default();
        let acts = ["flow", "queue", "tproxy", "synproxy", "dup", "fwd", "xt"].contains(&first)
            || words.split(' ').any(|w| w == "set" || w == "vmap");
        if acts && !words.starts_with("xt match") {
            self.act = Act::NotUnderstood(words);
            return;
        }
        // An expression about one protocol's header is met by no other's packets.
        let of = match first {
            "icmp" => Some(1),
            "icmpv6" => Some(58),
            "tcp" => Some(6),
            "udp" => Some(17),
            _ => None,
        };
        self.matches.extend(of.map(|p| Match { not: false, on: On::Protocol(vec![p]) }));
        self.push(On::NotUnderstood(words));
    }
}

/// Flags joined by bars, in brackets or not, and how many words they take.
fn bits(words: &[&str]) -> Option<(u8, usize)> {
    let mut all = 0;
    for (at, word) in words.iter().enumerate() {
        if at % 2 == 0 {
            all |= flags(word.trim_matches(['(', ')']))?;
        } else if *word != "|" {
            return Some((all, at));
        }
    }
    (words.len() % 2 == 1).then_some((all, words.len()))
}

/// `(fin | syn) == syn` behind the sign of a mask: negated, mask, what it must be, words.
fn under_mask(words: &[&str]) -> Option<(bool, u8, u8, usize)> {
    let (mask, taken) = bits(words)?;
    let not = match words.get(taken) {
        Some(&"==") => false,
        Some(&"!=") => true,
        _ => return None,
    };
    let (is, more) = bits(words.get(taken + 1..)?)?;
    Some((not, mask, is, 1 + taken + 1 + more))
}

/// `syn`, `syn / fin,syn`: the mask or what stands for none, what it must be, words.
fn compared(words: &[&str], no_mask: u8) -> Option<(u8, u8, usize)> {
    let (is, taken) = bits(words)?;
    if words.get(taken) != Some(&"/") {
        return Some((no_mask, is, taken));
    }
    let (mask, more) = bits(words.get(taken + 1..)?)?;
    Some((mask, is, taken + 1 + more))
}

fn owned(words: &[&str]) -> Vec<String> {
    words.iter().map(|w| (*w).to_owned()).collect()
}

/// All values, each read by `read`; `None` if one cannot be.
fn every<T>(words: &[&str], read: fn(&str) -> Option<T>) -> Option<Vec<T>> {
    words.iter().map(|w| read(w)).collect()
}

/// How many words of a log statement follow its first.
fn log(words: &[&str]) -> usize {
    let mut taken = 0;
    while let Some(word) = words.get(taken) {
        taken += match *word {
            "prefix" | "level" | "group" | "snaplen" | "queue-threshold" => 2,
            "flags" => match words.get(taken + 1) {
                Some(&("all" | "ether")) => 2,
                _ => 3,
            },
            _ => return taken,
        };
    }
    taken.min(words.len())
}

/// Words with which a statement begins, wherever they stand.
fn ends_an_unknown(word: &str) -> bool {
    const BEGIN: [&str; 17] = [
        "accept",
        "drop",
        "reject",
        "jump",
        "goto",
        "return",
        "continue",
        "counter",
        "log",
        "comment",
        "masquerade",
        "snat",
        "dnat",
        "redirect",
        "notrack",
        "queue",
        "flow",
    ];
    BEGIN.contains(&word)
}

/// Counters change while a rule stays the same.
fn without_counter(words: &[&str]) -> String {
    let mut kept: Vec<&str> = Vec::new();
    let mut rest = words;
    while let [word, after @ ..] = rest {
        rest = after;
        match (*word, after) {
            ("counter", ["packets", _, "bytes", _, after @ ..]) => rest = after,
            (",", _) => {
                // A comma stands on its word.
                if let Some(last) = kept.pop() {
                    kept.extend([last, ","]);
                }
            }
            _ => kept.push(word),
        }
    }
    kept.join(" ").replace(" ,", ",")
}
