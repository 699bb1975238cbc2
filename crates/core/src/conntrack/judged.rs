//! The table's answer to one packet, and the events between packets.

use serde::Serialize;

use super::packet::Tuple;
use super::reason::{Lowered, Reason};
use super::state::{Dir, State};
use crate::time::Moment;

/// What the table did with a packet.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// It counts.
    Accept,
    /// It passes, is translated, and counts for nothing.
    Ignore,
    /// It passes without an entry, untranslated, unless a rule drops it.
    Invalid,
    /// The table does not see it.
    Untracked,
    /// The table itself drops it: it is full. The contract's word is the nearest, `invalid`, and
    /// such a packet leaves as nothing.
    #[serde(rename = "invalid")]
    Drop,
}

/// What a rule with `ct state` sees.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize)]
#[serde(rename_all = "lowercase")]
#[expect(missing_docs, reason = "the words of `ct state`")]
pub enum CtState {
    New,
    Established,
    Related,
    Invalid,
    Untracked,
}

/// The answer to one packet.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Judged {
    /// What the table did.
    pub verdict: Verdict,
    /// What rules see.
    pub ct_state: CtState,
    /// Why it did not simply pass.
    pub reason: Option<Reason>,
    /// Whether the timer was set anew by this packet.
    pub refreshed: bool,
    /// An INVALID packet lowered the timer, for the second end it was.
    pub lowered: Option<Lowered>,
    /// The entry it met or made; `None` when it met none and made none.
    pub entry: Option<Met>,
    /// Whether it made the entry.
    pub created: bool,
    /// Whether it made the entry or changed its TCP state.
    pub turned: bool,
    /// Whether it ended the entry it met (a reset before any reply).
    pub killed: bool,
    /// Ends as it leaves the box.
    pub leaves_as: Tuple,
}

impl Judged {
    /// A packet that met no entry and made none: INVALID, it leaves as it came.
    pub(super) const fn refused(tuple: Tuple, reason: Option<Reason>) -> Self {
        Self {
            verdict: Verdict::Invalid,
            ct_state: CtState::Invalid,
            reason,
            refreshed: false,
            lowered: None,
            entry: None,
            created: false,
            turned: false,
            killed: false,
            leaves_as: tuple,
        }
    }

    /// Whether this packet is more than one of many: the first of an entry, one that changes its
    /// state, is refused, or passes without effect.
    pub const fn matters(&self) -> bool {
        !matches!(self.verdict, Verdict::Accept) || self.reason.is_some() || self.turned
    }
}

/// An entry as it stands after a packet.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Met {
    /// Number of the entry.
    pub id: u64,
    /// The packet's direction in it.
    pub dir: Dir,
    /// TCP state; `None` for other protocols.
    pub tcp_state: Option<State>,
    /// Remaining whole seconds, as `conntrack -L` would print.
    pub timeout_s: u32,
    /// Assured.
    pub assured: bool,
}

/// Why an entry is gone.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Gone {
    /// Its time was up.
    Expired,
    /// A packet ended it: a reopening, or a reset before any reply.
    Destroyed,
}

/// An entry that is gone.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Event {
    /// Why.
    pub gone: Gone,
    /// When; for an expiry, the moment from which on no packet finds it.
    pub at: Moment,
    /// Number of the entry.
    pub entry: u64,
    /// Its original direction.
    pub original: Tuple,
    /// Its last TCP state.
    pub tcp_state: Option<State>,
}
