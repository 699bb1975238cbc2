//! What rules do to a packet: every outcome that is possible, each with the line that decides.
//!
//! A packet is described as far as it is known. Where a rule asks for what is not known, or in
//! words that are not understood, both answers are followed; so more than one outcome means that
//! nothing here can say which.

use std::net::IpAddr;

use super::{Act, Chain, ChainKind, CtState, Hook, Match, On, Rule, Rules, Translation};

/// Jumps deeper than this are refused by the kernel (NFT_JUMP_STACK_SIZE).
const DEEPEST: usize = 16;
/// Rules looked at for one question: chains that jump to each other again and again.
const STEPS_MAX: u32 = 100_000;

/// What is known of a packet; what is `None` is not known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Asked<'a> {
    /// It is IPv6.
    pub v6: bool,
    /// Its source, as it is at the hook.
    pub src: Option<IpAddr>,
    /// Its destination, as it is at the hook.
    pub dst: Option<IpAddr>,
    /// Source port.
    pub sport: Option<u16>,
    /// Destination port.
    pub dport: Option<u16>,
    /// Protocol number.
    pub protocol: Option<u8>,
    /// TCP flags.
    pub flags: Option<u8>,
    /// What conntrack makes of it.
    pub state: Option<CtState>,
    /// The interface it arrived on.
    pub iif: Option<&'a str>,
    /// The interface it leaves by.
    pub oif: Option<&'a str>,
}

/// What becomes of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Does {
    /// It goes on.
    Passes,
    /// Dropped in silence.
    Drops,
    /// Dropped, and its sender reset by the box.
    Resets,
    /// Dropped, and its sender told by ICMP.
    Refuses,
    /// Translated, at a hook where chains of that kind were asked.
    Translates(Translation),
    /// Conntrack does not look at it.
    Untracks,
    /// What the rule does is not understood.
    NotUnderstood,
}

/// One outcome that is possible.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ruled {
    /// What.
    pub does: Does,
    /// The line of the rule, or of the chain whose policy it is; `None` when no chain says
    /// anything.
    pub line: Option<u64>,
}

/// Three answers to whether a rule is met.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Met {
    Yes,
    No,
    Perhaps,
}

impl Rules {
    /// Whether packets pass a hook: outcomes that are possible. Of `Passes` the line is that of the
    /// last chain asked.
    pub fn filter(&self, hook: Hook, asked: &Asked<'_>) -> Vec<Ruled> {
        self.walk(hook, asked, |base| base.kind != ChainKind::Nat)
    }

    /// How the first packet of a connection is translated at a hook.
    pub fn translation(&self, hook: Hook, asked: &Asked<'_>) -> Vec<Ruled> {
        self.walk(hook, asked, |base| base.kind == ChainKind::Nat)
    }

    /// Whether conntrack is to look at a packet that arrives or is sent.
    pub fn tracked(&self, hook: Hook, asked: &Asked<'_>) -> Vec<Ruled> {
        self.walk(hook, asked, |base| base.priority.is_none_or(|p| p < -200))
    }

    fn walk(
        &self,
        hook: Hook,
        asked: &Asked<'_>,
        which: impl Fn(&super::Base) -> bool,
    ) -> Vec<Ruled> {
        let mut chains: Vec<&Chain> = self.chains.iter().filter(|c| c.sees(asked.v6)).collect();
        chains.retain(|c| c.base.is_some_and(|b| b.hook == hook && which(&b)));
        chains.sort_by_key(|c| c.base.and_then(|b| b.priority));
        let mut walk = Walk { rules: self, asked, hook, found: Vec::new(), steps: STEPS_MAX };
        let mut passed = Some(None);
        for chain in chains {
            if passed.is_none() {
                break;
            }
            passed = walk.base(chain).map(Some);
        }
        if let Some(line) = passed {
            walk.add(Does::Passes, line);
        }
        walk.found
    }
}

struct Walk<'a> {
    rules: &'a Rules,
    asked: &'a Asked<'a>,
    hook: Hook,
    found: Vec<Ruled>,
    steps: u32,
}

/// What is left of a packet behind a chain.
#[derive(Clone, Copy, Default)]
struct Left {
    /// It may have been accepted, by this line.
    accepted: Option<u64>,
    /// It may come back to where the chain was jumped to.
    returns: bool,
}

impl<'a> Walk<'a> {
    fn add(&mut self, does: Does, line: Option<u64>) {
        if !self.found.iter().any(|r| r.does == does) {
            self.found.push(Ruled { does, line });
        }
    }

    /// A chain that is hooked in; the line that let a packet through, if one may get through.
    fn base(&mut self, chain: &'a Chain) -> Option<u64> {
        let left = self.chain(chain, 0);
        let accepts = chain.base.is_some_and(|b| b.accepts);
        if left.returns && !accepts {
            self.add(Does::Drops, Some(chain.line));
        }
        left.accepted.or((left.returns && accepts).then_some(chain.line))
    }

    fn chain(&mut self, chain: &'a Chain, depth: usize) -> Left {
        let mut left = Left::default();
        for rule in &chain.rules {
            let Some(steps) = self.steps.checked_sub(1) else {
                self.add(Does::NotUnderstood, Some(rule.line));
                return left;
            };
            self.steps = steps;
            let met = rule.met(self.asked, self.hook);
            if met == Met::No {
                continue;
            }
            let goes_on = self.act(rule, chain, (&mut left, depth));
            if met == Met::Yes && !goes_on {
                return left;
            }
        }
        left.returns = true;
        left
    }

    /// Does what a rule does; whether the next rule may be asked.
    fn act(&mut self, rule: &'a Rule, chain: &'a Chain, at: (&mut Left, usize)) -> bool {
        let (left, depth) = at;
        let line = Some(rule.line);
        let stops = match &rule.act {
            Act::Next => return true,
            Act::Accept => {
                left.accepted.get_or_insert(rule.line);
                return false;
            }
            Act::Return => {
                left.returns = true;
                return false;
            }
            Act::Jump(to) | Act::Goto(to) => {
                let Some(target) = self.target(chain, to).filter(|_| depth < DEEPEST) else {
                    self.add(Does::NotUnderstood, line);
                    return true;
                };
                let there = self.chain(target, depth + 1);
                left.accepted = left.accepted.or(there.accepted);
                if matches!(rule.act, Act::Jump(_)) {
                    return there.returns;
                }
                left.returns |= there.returns;
                return false;
            }
            Act::Drop => Does::Drops,
            Act::Reset => Does::Resets,
            Act::Refuse => Does::Refuses,
            Act::NoTrack => Does::Untracks,
            Act::Translate(to) => Does::Translates(*to),
            Act::NotUnderstood(_) => {
                self.add(Does::NotUnderstood, line);
                return true;
            }
        };
        self.add(stops, line);
        false
    }

    fn target(&self, from: &Chain, name: &str) -> Option<&'a Chain> {
        self.rules
            .chains
            .iter()
            .find(|c| c.name == name && c.table == from.table && c.family == from.family)
    }
}

impl Rule {
    fn met(&self, asked: &Asked<'_>, hook: Hook) -> Met {
        let mut all = Met::Yes;
        for one in &self.matches {
            match one.met(asked, hook) {
                Met::No => return Met::No,
                Met::Perhaps => all = Met::Perhaps,
                Met::Yes => {}
            }
        }
        all
    }
}

impl Match {
    fn met(&self, asked: &Asked<'_>, hook: Hook) -> Met {
        let address = |ranges: &[(IpAddr, IpAddr)], address: Option<IpAddr>| {
            let within =
                |a: IpAddr| ranges.iter().any(|(first, last)| (*first..=*last).contains(&a));
            address.map(within)
        };
        let port = |ranges: &[(u16, u16)], port: Option<u16>| {
            port.map(|p| ranges.iter().any(|(first, last)| (*first..=*last).contains(&p)))
        };
        // At these hooks a packet has no such interface, and no name is met.
        let none_in = matches!(hook, Hook::Output);
        let none_out = matches!(hook, Hook::Prerouting | Hook::Input);
        let is = match &self.on {
            On::In(_) if none_in => Some(false),
            On::Out(_) if none_out => Some(false),
            On::In(names) => asked.iif.map(|iif| names.iter().any(|n| named(n, iif))),
            On::Out(names) => asked.oif.map(|oif| names.iter().any(|n| named(n, oif))),
            On::Source(ranges) => address(ranges, asked.src),
            On::Destination(ranges) => address(ranges, asked.dst),
            On::SourcePort(ranges) => port(ranges, asked.sport),
            On::DestinationPort(ranges) => port(ranges, asked.dport),
            On::Protocol(all) => asked.protocol.map(|p| all.contains(&p)),
            On::IsV6(v6) => Some(*v6 == asked.v6),
            On::State(all) => asked.state.map(|s| all.contains(&s)),
            On::Flags { mask, is } => asked.flags.map(|f| f & mask == *is),
            On::NotUnderstood(_) => None,
        };
        match is {
            Some(is) if is != self.not => Met::Yes,
            Some(_) => Met::No,
            None => Met::Perhaps,
        }
    }
}

fn named(pattern: &str, name: &str) -> bool {
    pattern.strip_suffix('*').map_or(pattern == name, |begins| name.starts_with(begins))
}
