//! Why a packet was refused, ignored or passed unseen: the kernel's own log messages, as values.
//!
//! [`Reason::log`] gives the text `nf_conntrack_log_invalid` prints after its prefix. Some reasons
//! are silent there; [`Reason::words`] has a sentence for each.

use std::fmt;

use super::rules::Rules;
use super::state::{Dir, Kind, State};

/// What the window check objected to, with the bound it compared against.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Bound {
    /// Sequence beyond the receiver's window; the bound is one past the right edge.
    SeqOver(u32),
    /// Acknowledges what was not seen; the bound is one past the peer's end.
    AckOver(u32),
    /// Data wholly before the receiver's window.
    SeqUnder(u32),
    /// Acknowledges far behind what was already acknowledged.
    AckUnder(u32),
    /// Data that many bytes beyond the window, but no more than the window is large.
    Overshoot(u32),
}

/// Why a packet did not simply pass.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Reason {
    /// The window check.
    Window(Bound),
    /// The transition table refuses this kind in this state.
    NotInState {
        /// Kind of packet.
        kind: Kind,
        /// Its direction.
        dir: Dir,
        /// The entry's state.
        state: State,
    },
    /// The transition table lets this kind pass without effect.
    IgnoredInState {
        /// Kind of packet.
        kind: Kind,
        /// Its direction.
        dir: Dir,
        /// The entry's state.
        state: State,
    },
    /// An acknowledgement that challenges an ignored SYN, while LAST_ACK.
    ChallengeAck,
    /// A reset before what its receiver acknowledged.
    InvalidRst,
    /// A SYN sent again before any reply: passes, refreshes nothing (silent in the log).
    SynAgain,
    /// This kind of packet opens no entry.
    InvalidNew,
    /// An ACK without an entry, and `nf_conntrack_tcp_loose` is 0 (silent in the log).
    NotLoose,
    /// A TCP header whose length makes no sense.
    Truncated,
    /// Too short for a header (silent in the log).
    Short,
    /// The checksum is wrong.
    BadChecksum,
    /// A combination of flags the kernel does not know.
    BadFlags,
    /// An ICMP error about a flow without an entry, or addressed to somebody else.
    UnrelatedIcmp,
    /// An ICMP message that answers nothing and asks nothing.
    UnpairedIcmp,
    /// The table is full.
    TableFull,
    /// The entry is offloaded: the packet does not reach the table.
    Offloaded,
    /// Neighbour discovery and the like are not tracked.
    NeverTracked,
}

impl Reason {
    /// The message the kernel logs for a packet of this reason, without prefix and trailing space;
    /// `None` where it logs nothing.
    pub fn log(&self, rules: &Rules) -> Option<String> {
        Some(match *self {
            Reason::Window(bound) if rules.bounds_in_log => bounded(bound),
            Reason::Window(bound) => unbounded(bound),
            Reason::NotInState { .. } if !rules.bounds_in_log => "invalid state".to_owned(),
            Reason::NotInState { kind, dir, state } => in_state(kind, dir, state, "invalid"),
            Reason::IgnoredInState { kind, dir, state } => in_state(kind, dir, state, "ignored"),
            Reason::ChallengeAck => "challenge-ack ignored".to_owned(),
            Reason::InvalidRst => "invalid rst".to_owned(),
            Reason::InvalidNew if rules.refused_opening_logged => "invalid new".to_owned(),
            Reason::Truncated => "truncated packet".to_owned(),
            Reason::BadChecksum => "bad checksum".to_owned(),
            Reason::BadFlags => "invalid tcp flag combination".to_owned(),
            Reason::InvalidNew
            | Reason::SynAgain
            | Reason::NotLoose
            | Reason::Short
            | Reason::UnrelatedIcmp
            | Reason::UnpairedIcmp
            | Reason::TableFull
            | Reason::Offloaded
            | Reason::NeverTracked => return None,
        })
    }

    /// A sentence for people, without a full stop.
    pub fn words(&self) -> Words<'_> {
        Words(self)
    }
}

fn in_state(kind: Kind, dir: Dir, state: State, what: &str) -> String {
    let (kind, dir) = (kind as u8, dir as u8);
    format!("packet (index {kind}) in dir {dir} {what}, state {}", state.name())
}

fn bounded(bound: Bound) -> String {
    match bound {
        Bound::SeqOver(b) => {
            format!("SEQ is over upper bound {b} (over the window of the receiver)")
        }
        Bound::AckOver(b) => format!("ACK is over upper bound {b} (ACKed data not seen yet)"),
        Bound::SeqUnder(b) => {
            format!("SEQ is under lower bound {b} (already ACKed data retransmitted)")
        }
        Bound::AckUnder(b) => {
            format!("ignored ACK under lower bound {b} (possible overly delayed)")
        }
        Bound::Overshoot(n) => format!("{n} bytes more than expected"),
    }
}

fn unbounded(bound: Bound) -> String {
    match bound {
        Bound::SeqOver(_) | Bound::Overshoot(_) => {
            "SEQ is over the upper bound (over the window of the receiver)".to_owned()
        }
        Bound::AckOver(_) => "ACK is over the upper bound (ACKed data not seen yet)".to_owned(),
        Bound::SeqUnder(_) => {
            "SEQ is under the lower bound (already ACKed data retransmitted)".to_owned()
        }
        Bound::AckUnder(_) => {
            "ACK is under the lower bound (possible overly delayed ACK)".to_owned()
        }
    }
}

/// A FIN or reset out of window met one from the other side before it: R6 lowers the timer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Lowered {
    /// Seconds the entry has from then on.
    pub seconds: u32,
    /// Kind of packet.
    pub kind: Kind,
    /// Its direction.
    pub dir: Dir,
    /// Kind of the packet it answered.
    pub answered: Kind,
}

impl Lowered {
    /// The line the kernel logs after the reason's; up to 6.18.44 it counts in ticks of `hz`.
    pub fn log(&self, rules: &Rules, hz: u32) -> Option<String> {
        if rules.lowering_named_in_log {
            return Some("lowered timeout to UNACK".to_owned());
        }
        let (kind, dir, answered) = (self.kind as u8, self.dir as u8, self.answered as u8);
        let ticks = u64::from(self.seconds) * u64::from(hz);
        Some(format!(
            "packet (index {kind}, dir {dir}) response for index {answered} lower timeout to {ticks}"
        ))
    }
}

/// A [`Reason`] in words.
#[derive(Clone, Copy, Debug)]
pub struct Words<'a>(&'a Reason);

impl fmt::Display for Words<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let plain = match *self.0 {
            Reason::Window(bound) => return f.write_str(&bounded(bound)),
            Reason::NotInState { dir, state, .. } => {
                return write!(f, "no such packet in {} while {}", dir.word(), state.name());
            }
            Reason::IgnoredInState { dir, state, .. } => {
                return write!(f, "passes unseen in {} while {}", dir.word(), state.name());
            }
            Reason::ChallengeAck => "answers an ignored SYN; passes unseen",
            Reason::InvalidRst => "reset before what its receiver acknowledged",
            Reason::SynAgain => "SYN sent again before any reply; the timer runs on",
            Reason::InvalidNew => "a packet of this kind opens no entry",
            Reason::NotLoose => "no entry, and tcp_loose is 0",
            Reason::Truncated => "TCP header length makes no sense",
            Reason::Short => "too short for its header",
            Reason::BadChecksum => "bad checksum",
            Reason::BadFlags => "no such combination of TCP flags",
            Reason::UnrelatedIcmp => "ICMP error about no entry of the table",
            Reason::UnpairedIcmp => "ICMP message that belongs to no exchange",
            Reason::TableFull => "the table is full; the packet is dropped",
            Reason::NeverTracked => "packets of this kind are not tracked",
            Reason::Offloaded => "the flow is offloaded; the table does not see the packet",
        };
        f.write_str(plain)
    }
}
