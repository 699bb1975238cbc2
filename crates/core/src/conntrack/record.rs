//! What a replay tells of packets and timers, one record each (`replay --format jsonl`).

use std::net::SocketAddr;

use serde::{Serialize, Serializer};

use super::judged::{CtState, Event, Gone, Judged, Verdict};
use super::packet::{Tuple, proto};
use super::reach::Reaches;
use super::routed::Leaves;
use super::rules::Rules;
use crate::dump::rules::ask::{Does, Ruled};
use crate::time::Moment;

/// Source and destination of a packet; ports where the protocol has them.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Ends(pub Tuple);

impl Ends {
    /// Source and destination as text.
    pub fn words(&self) -> (String, String) {
        let t = &self.0;
        if matches!(t.proto, proto::TCP | proto::UDP) {
            let end = |address, port| SocketAddr::new(address, port).to_string();
            return (end(t.src, t.sport), end(t.dst, t.dport));
        }
        (t.src.to_string(), t.dst.to_string())
    }
}

impl Serialize for Ends {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct Pair {
            src: String,
            dst: String,
        }
        let (src, dst) = self.words();
        Pair { src, dst }.serialize(serializer)
    }
}

/// One packet that conntrack sees.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Record {
    /// Its number in the capture, as Wireshark counts.
    pub packet: u64,
    /// Its time stamp, nanoseconds since the epoch.
    pub at_ns: Moment,
    /// What the table did.
    pub verdict: Verdict,
    /// What rules see.
    pub ctstate: CtState,
    /// The kernel's own message where it logs one, else words; null for a packet that simply
    /// passes.
    pub reason: Option<String>,
    /// Whether the timer was set anew.
    pub refreshed: bool,
    /// Number of the entry it met or made.
    pub entry: Option<u64>,
    /// `original` or `reply`.
    pub direction: Option<&'static str>,
    /// TCP state after it.
    pub tcp_state: Option<&'static str>,
    /// Remaining seconds after it, as `conntrack -L` prints them.
    pub timeout_s: Option<u32>,
    /// Whether the entry is assured.
    pub assured: bool,
    /// As the packet leaves the box; null where the table drops it.
    pub leaves_as: Option<Ends>,
    /// The ends would have behaved differently by now: an earlier packet of this flow met another
    /// fate than under the settings the capture was taken with.
    pub simulated: bool,
    /// As it leaves where its source port is drawn: any of these ports; absent otherwise.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub may_leave_as: Option<MayLeave>,
    /// What a rule of the box does with it; absent where no rules were given or they cannot say.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ruled: Option<Decided>,
    /// Whom it then reaches; absent where its translation is not known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reaches: Option<Reaches>,
    /// As the packet arrived.
    pub arrives_as: Ends,
    /// It made the entry.
    pub created: bool,
    /// Seconds to which a refused packet lowered the timer.
    pub lowered_to_s: Option<u32>,
    /// It is more than one of many ([`Judged::matters`]).
    #[serde(skip)]
    pub matters: bool,
}

impl Record {
    /// From a table's answer.
    pub fn of(packet: u64, at: Moment, arrived: Tuple, judged: &Judged, rules: &Rules) -> Self {
        let met = judged.entry.as_ref();
        let reason = judged.reason.map(|r| r.log(rules).unwrap_or_else(|| r.words().to_string()));
        Self {
            packet,
            at_ns: at,
            verdict: judged.verdict,
            ctstate: judged.ct_state,
            reason,
            refreshed: judged.refreshed,
            entry: met.map(|m| m.id),
            direction: met.map(|m| m.dir.word()),
            tcp_state: met.and_then(|m| m.tcp_state).map(|s| s.name()),
            timeout_s: met.map(|m| m.timeout_s),
            assured: met.is_some_and(|m| m.assured),
            leaves_as: (judged.verdict != Verdict::Drop).then_some(Ends(judged.leaves_as)),
            simulated: false,
            may_leave_as: None,
            ruled: None,
            reaches: None,
            arrives_as: Ends(arrived),
            created: judged.created,
            lowered_to_s: judged.lowered.map(|l| l.seconds),
            matters: judged.matters(),
        }
    }
}

/// Ends of a packet whose source port the kernel draws.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct MayLeave {
    /// Source address.
    pub src: std::net::IpAddr,
    /// The ports it may have, first and last.
    pub ports: [u16; 2],
    /// Destination.
    pub dst: String,
}

/// What a rule, or a chain's policy, does with a packet.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Decided {
    /// `passes`, `drops`, `resets` (its sender, by the box) or `refuses` (by ICMP).
    pub does: &'static str,
    /// The line that decides; null where no chain is asked.
    pub line: Option<u64>,
}

impl Decided {
    /// It goes on.
    pub fn passes(&self) -> bool {
        self.does == "passes"
    }

    /// `None` for what is no decision about a packet's way.
    pub(super) const fn of(Ruled { does, line }: Ruled) -> Option<Self> {
        let does = match does {
            Does::Passes => "passes",
            Does::Drops => "drops",
            Does::Resets => "resets",
            Does::Refuses => "refuses",
            Does::Translates(_) | Does::Untracks | Does::NotUnderstood => return None,
        };
        Some(Self { does, line })
    }
}

impl Record {
    /// Takes what is known of its way.
    pub(super) fn routed(&mut self, leaves: Leaves, ruled: Option<Ruled>) {
        match leaves {
            Leaves::AsJudged => {}
            Leaves::Unsaid => self.leaves_as = None,
            Leaves::Drawn(mapping) => {
                self.leaves_as = None;
                let (src, (low, high)) = (mapping.leaves_as.src, mapping.drawn.unwrap_or_default());
                let dst = Ends(mapping.leaves_as).words().1;
                self.may_leave_as = Some(MayLeave { src, ports: [low, high], dst });
            }
        }
        let Some(decided) = ruled.and_then(Decided::of) else { return };
        if decided.does != "passes" {
            (self.leaves_as, self.may_leave_as) = (None, None);
            self.reaches = Some(Reaches::Nobody);
        }
        self.ruled = Some(decided);
    }
}

/// An entry that is gone.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct TimerRecord {
    /// Why.
    pub event: Gone,
    /// When, nanoseconds since the epoch.
    pub at_ns: Moment,
    /// Number of the entry.
    pub entry: u64,
    /// Its last TCP state.
    pub tcp_state: Option<&'static str>,
}

impl From<&Event> for TimerRecord {
    fn from(event: &Event) -> Self {
        Self {
            event: event.gone,
            at_ns: event.at,
            entry: event.entry,
            tcp_state: event.tcp_state.map(|s| s.name()),
        }
    }
}

/// One line of a replay.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
#[serde(untagged)]
pub enum Line {
    /// A packet.
    Packet(Box<Record>),
    /// An entry that is gone.
    Timer(TimerRecord),
}

impl Line {
    /// Whether it is more than one of many: an entry's end always is.
    pub const fn matters(&self) -> bool {
        match self {
            Line::Packet(record) => record.matters,
            Line::Timer(_) => true,
        }
    }
}
