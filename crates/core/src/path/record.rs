//! What two captures show of the path between them: the published document.

use super::clock::Clock;
use super::join::KnownBy;
use crate::flow::{BySide, Translates};
use crate::terms::Side;
use crate::time::Moment;
use serde::Serialize;
use std::net::{IpAddr, SocketAddr};

/// The schema of [`Path`], as it names itself.
pub const SCHEMA: &str = "hopclock.pair/1";
/// Packets told of one connection.
pub const TOLD_MAX: usize = 40;

/// Two captures of one path, the first and the second.
#[derive(Clone, Debug, Serialize)]
pub struct Path {
    /// The captures.
    pub points: [PointRecord; 2],
    /// Which of them stands nearer to the clients: 0 or 1; `None` when nothing tells, or when it is
    /// not the same for all connections.
    pub nearer_client: Option<usize>,
    /// Both hold the same packets at the same moments: it is one capture, named twice.
    pub identical: bool,
    /// The second clock against the first; `None` when no packet is known to be in both, or not
    /// which way any went.
    pub clock: Option<Clock>,
    /// Connections that both have.
    pub paired: u64,
    /// Connections that fitted several of the other capture's, so that none was taken.
    pub ambiguous: u64,
    /// Of the paired ones those whose sequence numbers are rewritten between the captures.
    pub rewritten: u64,
    /// Whose ends become whose.
    pub translations: Vec<Translation>,
    /// Packets of the paired connections, by fate.
    pub packets: Tally,
    /// The paired connections.
    pub connections: Vec<Pair>,
}

/// One capture.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct PointRecord {
    /// Its name.
    pub file: String,
    /// TCP packets compared.
    pub packets: u64,
    /// TCP packets that there was no room for.
    pub left_out: u64,
    /// Its connections.
    pub connections: u64,
    /// Of these, without a counterpart.
    pub alone: u64,
    /// First moment it covers, by its own clock.
    pub first_ns: Moment,
    /// Last moment it covers.
    pub last_ns: Moment,
    /// It says of itself that it lost packets.
    pub lost_packets: bool,
    /// Packets that passed it, as the other capture proves, and that it does not have.
    pub missed: u64,
}

/// What a translation makes of addresses, from the side of the clients to that of the servers.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Translation {
    /// Which end.
    pub translates: Translates,
    /// The address on the clients' side.
    pub from: IpAddr,
    /// The address on the servers' side.
    pub to: IpAddr,
    /// Connections of which the port is another as well.
    pub ports_changed: u64,
    /// Connections.
    pub connections: u64,
}

/// How many packets had which fate.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize)]
pub struct Tally {
    /// Seen at both.
    pub both: u64,
    /// Of these, with something changed that boxes usually leave alone.
    pub changed: u64,
    /// Of these, in other pieces: cut or put together on the way, as network cards do.
    pub pieces: u64,
    /// Of these, not translated though the others of the connection, or of its client, are.
    pub untranslated: u64,
    /// Lost or dropped between the captures.
    pub lost: u64,
    /// Made between the captures.
    pub made: u64,
    /// Passed both places; one capture does not have it.
    pub missed: u64,
    /// At one only, when the other was not recording.
    pub uncovered: u64,
    /// At one only, and nothing tells why.
    pub unclear: u64,
}

/// A connection in one of the captures.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct View {
    /// Its number in the capture, from 1, as `flows` counts.
    pub flow: u64,
    /// The opener's end.
    pub client: SocketAddr,
    /// The other end.
    pub server: SocketAddr,
    /// Number of its first packet.
    pub first_packet: u64,
    /// Number of its last packet.
    pub last_packet: u64,
    /// Further connections the capture took parts of it for.
    pub parts: Vec<u64>,
}

/// One connection in both captures.
#[derive(Clone, Debug, Serialize)]
pub struct Pair {
    /// In the first and the second capture.
    pub views: [View; 2],
    /// By what they are known to be one.
    pub known_by: KnownBy,
    /// Packets that voted for it; more than a few dozen are not counted.
    pub votes: u64,
    /// Which capture stands nearer to this connection's client.
    pub nearer_client: Option<usize>,
    /// What is added to each side's sequence numbers between the first capture and the second,
    /// where something is.
    pub rewrites: Option<BySide<u32>>,
    /// Which ends differ between the captures.
    pub translates: Option<Translates>,
    /// It is not translated, though other connections of its client's address are.
    pub left_untranslated: bool,
    /// Its packets by fate.
    pub packets: Tally,
    /// Those that matter, in order of time: openings, ends, the last ones, and whatever was not the
    /// same at both. At most [`TOLD_MAX`], the latest.
    pub told: Vec<Told>,
    /// Further ones that mattered.
    pub left_out: u64,
}

/// A packet that matters.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct Told {
    /// Its number in the first and in the second capture.
    pub packets: [Option<u64>; 2],
    /// When, by the first capture's clock: when the first saw it, or else the second.
    pub at_ns: Moment,
    /// Who sent it, by its address.
    pub by: Side,
    /// Its flags, as letters.
    pub flags: String,
    /// Payload bytes.
    pub payload: u32,
    /// What became of it, or of the part that is missing where it is in pieces.
    pub fate: Fate,
    /// Payload bytes of it that the other capture does not have.
    pub missing: u32,
    /// How often a capture misses a packet that passes it: what speaks against a fate that rests on
    /// one capture's silence. Zero where something else proves it.
    pub doubt: f64,
    /// What else speaks for it.
    pub because: Vec<Mark>,
    /// What is another at the second capture.
    pub changed: Vec<Change>,
}

/// What became of a packet between the captures.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Fate {
    /// Both saw it.
    Both,
    /// It set out and did not arrive.
    Lost,
    /// It arrived and never set out: something between made it.
    Made,
    /// It passed, and a capture does not have it.
    Missed,
    /// The other capture was not recording then.
    Uncovered,
    /// Nothing tells.
    Unclear,
}

impl Fate {
    /// As the document spells it.
    pub const fn word(self) -> &'static str {
        match self {
            Fate::Both => "both",
            Fate::Lost => "lost",
            Fate::Made => "made",
            Fate::Missed => "missed",
            Fate::Uncovered => "uncovered",
            Fate::Unclear => "unclear",
        }
    }
}

/// What speaks for a packet's having been made or lost between, beside one capture's silence.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Mark {
    /// Its supposed sender went on as if it had not sent it.
    SenderWentOn,
    /// Its TTL is not that of its supposed sender's other packets.
    OtherTtl,
    /// The same bytes were sent again.
    SentAgain,
    /// Nobody acknowledged it.
    NeverAcknowledged,
    /// It was acknowledged before any copy of it was seen.
    AcknowledgedUnseen,
    /// Its supposed sender went on beyond it.
    SenderGoesOnBeyond,
}

/// What was changed of a packet on its way.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Change {
    /// Flags.
    Flags,
    /// The acknowledgement.
    Acknowledgement,
    /// The window.
    Window,
    /// The maximum segment size it announces.
    MaximumSegmentSize,
    /// The first bytes of its payload.
    Payload,
    /// The number of hops, against the other packets of its sender.
    Hops,
    /// It is in other pieces there: cut, or put together with others.
    Pieces,
    /// It was not translated, though the others are.
    Untranslated,
}

impl Path {
    /// A moment of the second capture's clock, by the first's; without a known clock as it is.
    pub fn by_first(&self, at: Moment) -> Moment {
        self.clock.as_ref().map_or(at, |clock| clock.by_first(at))
    }

    /// The pair that a connection of a capture is in; `flow` counts from 1.
    pub fn pair_of(&self, point: usize, flow: u64) -> Option<&Pair> {
        let is = |view: &View| view.flow == flow || view.parts.contains(&flow);
        self.connections.iter().find(|pair| pair.views.get(point).is_some_and(is))
    }
}

impl Tally {
    /// Counts a packet.
    pub(super) fn add(&mut self, fate: Fate) {
        *match fate {
            Fate::Both => &mut self.both,
            Fate::Lost => &mut self.lost,
            Fate::Made => &mut self.made,
            Fate::Missed => &mut self.missed,
            Fate::Uncovered => &mut self.uncovered,
            Fate::Unclear => &mut self.unclear,
        } += 1;
    }

    /// Adds another tally.
    pub(super) fn sum(&mut self, other: &Tally) {
        self.both += other.both;
        self.changed += other.changed;
        self.pieces += other.pieces;
        self.untranslated += other.untranslated;
        self.lost += other.lost;
        self.made += other.made;
        self.missed += other.missed;
        self.uncovered += other.uncovered;
        self.unclear += other.unclear;
    }

    /// Packets seen at one capture only.
    pub fn at_one(&self) -> u64 {
        self.lost + self.made + self.missed + self.uncovered + self.unclear
    }
}
