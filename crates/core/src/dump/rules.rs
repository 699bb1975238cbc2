//! Firewall rules: `nft list ruleset`, `iptables-save` and `ip6tables-save`, each rule with its
//! line, what it asks of a packet and what it does to it.
//!
//! What decides where packets of a connection go is understood: chains with hook, priority and
//! policy; jumps; interfaces, addresses, ports, protocol, conntrack's state and TCP flags; accept,
//! drop, reject, notrack, and the four translations. Everything else is kept as its words, and
//! whoever asks ([`ask`]) is told that a rule may or may not be met. Refused: sets and maps that
//! have a name, since what they hold may change while the text is printed.

pub mod ask;
mod iptables;
mod nft;
pub mod state;
#[cfg(test)]
mod tests;
mod words;

use std::net::IpAddr;

/// The rules of one listing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rules {
    /// Its chains, in the order printed.
    pub chains: Vec<Chain>,
    /// Lines that were understood as nothing at all.
    pub skipped: u64,
}

/// A chain of rules.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chain {
    /// Whose packets it sees.
    pub family: Family,
    /// The table it stands in: `hop`, `filter`, `nat`.
    pub table: String,
    /// Its name: `input`, `FORWARD`.
    pub name: String,
    /// The line on which its hook and policy stand, or on which it begins.
    pub line: u64,
    /// Where packets come to it; `None` for a chain that is only jumped to.
    pub base: Option<Base>,
    /// Its rules, in order. A map of verdicts is as many rules as it has elements.
    pub rules: Vec<Rule>,
}

/// Where a chain is hooked in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Base {
    /// `filter`, `nat` or `route`.
    pub kind: ChainKind,
    /// At which hook.
    pub hook: Hook,
    /// Chains of one hook are asked by this, lowest first; conntrack itself stands at -200.
    /// `None` if it is not a number or a name that is known.
    pub priority: Option<i32>,
    /// What is done with a packet that no rule stops: passes, or is dropped.
    pub accepts: bool,
}

/// What a chain is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChainKind {
    /// Passing and dropping.
    Filter,
    /// Translation: it sees the first packet of a connection alone.
    Nat,
    /// Routing anew.
    Route,
}

/// The hooks (include/uapi/linux/netfilter.h).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hook {
    /// Arrived.
    Prerouting,
    /// For the box itself.
    Input,
    /// For others.
    Forward,
    /// From the box itself.
    Output,
    /// Leaving.
    Postrouting,
    /// Anything else.
    Other,
}

/// Whose packets a chain sees.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Family {
    /// IPv4.
    Ip,
    /// IPv6.
    Ip6,
    /// Both.
    Inet,
    /// Frames rather than IP packets: `arp`, `bridge`, `netdev`.
    Other,
}

/// One rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    /// Line number, from 1.
    pub line: u64,
    /// As printed, spaces joined, counters left out.
    pub text: String,
    /// What it asks of a packet: all of it.
    pub matches: Vec<Match>,
    /// What it does with one.
    pub act: Act,
    /// Packets and bytes that it counted, where it counts.
    pub counter: Option<(u64, u64)>,
}

/// One thing asked of a packet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Match {
    /// It must not be so.
    pub not: bool,
    /// What.
    pub on: On,
}

/// What a packet is asked for. Of a list, any one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum On {
    /// It arrived on one of these; `eth*` stands for all that begin so.
    In(Vec<String>),
    /// It leaves on one of these.
    Out(Vec<String>),
    /// Its source, between first and last of a range.
    Source(Vec<(IpAddr, IpAddr)>),
    /// Its destination.
    Destination(Vec<(IpAddr, IpAddr)>),
    /// Its source port, between first and last.
    SourcePort(Vec<(u16, u16)>),
    /// Its destination port.
    DestinationPort(Vec<(u16, u16)>),
    /// Its protocol's number.
    Protocol(Vec<u8>),
    /// It is IPv6; else IPv4.
    IsV6(bool),
    /// What conntrack makes of it.
    State(Vec<CtState>),
    /// Its TCP flags: `flags & mask == is`, bits as in the header (FIN is 1).
    Flags {
        /// The flags looked at.
        mask: u8,
        /// Those that must be set of them.
        is: u8,
    },
    /// Words that are not understood.
    NotUnderstood(String),
}

/// What rules call `ct state`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CtState {
    /// Belongs to nothing, and cannot begin anything.
    Invalid,
    /// The first of a connection, or not answered yet.
    New,
    /// Of a connection.
    Established,
    /// About a connection.
    Related,
    /// Not tracked.
    Untracked,
}

/// What a rule does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Act {
    /// Counts, logs, marks; the next rule is asked.
    Next,
    /// Ends the chain and those that led to it: the packet passes.
    Accept,
    /// Dropped in silence.
    Drop,
    /// Dropped, and its sender told by a TCP reset of the box's own making.
    Reset,
    /// Dropped, and its sender told by ICMP.
    Refuse,
    /// Back to the chain that led here.
    Return,
    /// Another chain, then on.
    Jump(String),
    /// Another chain, and not back.
    Goto(String),
    /// Conntrack is not to look at it; the next rule is asked.
    NoTrack,
    /// Translated.
    Translate(Translation),
    /// Words that are not understood, or whose effect is not.
    NotUnderstood(String),
}

/// How a rule translates.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Translation {
    /// Which end, and where the address comes from.
    pub kind: TranslationKind,
    /// The addresses to take, first and last.
    pub addresses: Option<(IpAddr, IpAddr)>,
    /// The ports to take, first and last.
    pub ports: Option<(u16, u16)>,
    /// `random`: the port is drawn with a hash that depends on the connection.
    pub random: bool,
    /// `fully-random`: the port is drawn anew each time.
    pub fully_random: bool,
    /// `persistent`: one client always gets the same address.
    pub persistent: bool,
}

/// What is translated to what.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TranslationKind {
    /// The source, to the addresses given.
    Source,
    /// The source, to the address of the interface it leaves by.
    Masquerade,
    /// The destination, to the addresses given.
    Destination,
    /// The destination, to the box itself.
    Redirect,
}

impl Rules {
    /// Reads a listing of either tool, by its form.
    pub fn read(text: &str) -> Rules {
        let begins = |l: &&str| l.starts_with('*') || l.starts_with("table ");
        let first = text.lines().find(begins).unwrap_or_default();
        if first.starts_with('*') { iptables::read(text) } else { nft::read(text) }
    }

    /// Every rule, with its chain.
    pub fn rules(&self) -> impl Iterator<Item = (&Chain, &Rule)> {
        self.chains.iter().flat_map(|chain| chain.rules.iter().map(move |rule| (chain, rule)))
    }

    /// The same without some rules, by their lines.
    pub fn retain(&mut self, stays: impl Fn(u64) -> bool) {
        for chain in &mut self.chains {
            chain.rules.retain(|rule| stays(rule.line));
        }
    }
}

impl Chain {
    /// Whether it sees packets of this version of IP.
    pub fn sees(&self, v6: bool) -> bool {
        match self.family {
            Family::Inet => true,
            Family::Ip => !v6,
            Family::Ip6 => v6,
            Family::Other => false,
        }
    }
}

impl Rule {
    /// Whether it asks for one of these states of conntrack and no other.
    pub fn asks_for(&self, state: CtState) -> bool {
        self.matches.iter().any(|m| !m.not && m.on == On::State(vec![state]))
    }

    /// What of it was not understood, if anything.
    pub fn not_understood(&self) -> Option<&str> {
        let unknown = self.matches.iter().find_map(|m| match &m.on {
            On::NotUnderstood(words) => Some(words.as_str()),
            _ => None,
        });
        match &self.act {
            Act::NotUnderstood(words) => Some(words),
            _ => unknown,
        }
    }
}
