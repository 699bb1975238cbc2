//! What is told of one connection: the published record, and the richer facts beside it.
//!
//! Everything here was observed. Nothing says why a connection ended; that is argued elsewhere.

use crate::terms::{Consistency, Origin, ResetKind, Side};
use crate::time::{Gap, Moment};
use crate::wire::{IcmpKind, Seq};
use serde::Serialize;
use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};

/// The name and version of the record, its first field.
pub const SCHEMA: &str = "hopclock.flow/1";

/// One value for each end of a connection.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize)]
pub struct BySide<T> {
    /// The opener's.
    pub client: T,
    /// The other end's.
    pub server: T,
}

impl<T> BySide<T> {
    /// The value of one side.
    pub const fn of(&self, side: Side) -> &T {
        match side {
            Side::Client => &self.client,
            Side::Server => &self.server,
        }
    }

    /// The value of one side, to change.
    pub const fn of_mut(&mut self, side: Side) -> &mut T {
        match side {
            Side::Client => &mut self.client,
            Side::Server => &mut self.server,
        }
    }

    /// The same question asked of both sides.
    pub fn map<U>(&self, mut ask: impl FnMut(&T) -> U) -> BySide<U> {
        BySide { client: ask(&self.client), server: ask(&self.server) }
    }
}

/// A packet by number and time: what a sentence can cite.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
pub struct Mark {
    /// Number in the capture, from 1.
    pub packet: u64,
    /// Its time stamp.
    pub at: Moment,
}

/// How it is known which end opened the connection.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum KnownBy {
    /// Its SYN was seen.
    Syn,
    /// Only the answer to its SYN was seen.
    SynAck,
    /// A well-known or lower port on one side alone.
    Port,
    /// Nothing better than who was seen first.
    FirstPacket,
}

/// How a connection ended, as observed.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum How {
    /// The first to end it was a FIN.
    Fin,
    /// The first to end it was a RST.
    Rst,
    /// One side kept speaking and was never answered again.
    Silence,
    /// It was still open when the capture stopped.
    Open,
    /// The SYN was answered by a RST.
    Refused,
    /// The SYN was answered by nothing.
    Unanswered,
}

impl How {
    /// Every way, in the contract's order.
    pub const ALL: [How; 6] =
        [Self::Fin, Self::Rst, Self::Silence, Self::Open, Self::Refused, Self::Unanswered];

    /// As the contract spells it.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Fin => "fin",
            Self::Rst => "rst",
            Self::Silence => "silence",
            Self::Open => "open",
            Self::Refused => "refused",
            Self::Unanswered => "unanswered",
        }
    }
}

/// The first RST or FIN of a connection.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
pub struct Signature {
    /// Whose address it carries.
    pub by: Side,
    /// Packet number.
    pub packet: u64,
    /// When.
    pub at_ns: Moment,
    /// TTL or hop limit it arrived with.
    pub ttl: u8,
    /// Its sender's address and port where they are not the record's: it was seen only on the far
    /// side of a translation, so the box between made it, or the capture missed it before.
    pub seen_as: Option<SocketAddr>,
}

/// What a translation rewrites of a connection's ends.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Translates {
    /// The client's end.
    Source,
    /// The server's end.
    Destination,
    /// Both.
    Both,
}

/// Another pair of ends a connection was seen under: the far side of a translation.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
pub struct AlsoKnownAs {
    /// The opener's end there.
    pub client: SocketAddr,
    /// The other end there.
    pub server: SocketAddr,
    /// What differs from the record's own ends.
    pub translates: Translates,
    /// The first packet seen under these ends.
    pub first_packet: u64,
    /// Sightings under these ends, of packets that are counted once in the record.
    pub packets: BySide<u64>,
}

/// The smallest round trip seen, in microseconds, on each side of the point of capture.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize)]
pub struct RoundTrips {
    /// Between the point of capture and the client.
    pub client_side: Option<u64>,
    /// Between the point of capture and the server.
    pub server_side: Option<u64>,
}

/// The published part of a reset's examination.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct ResetSummary {
    /// What kind of sender behaviour its shape shows.
    pub kind: ResetKind,
    /// Where it came from.
    pub origin: Origin,
    /// Whether its marks agree with the address it carries.
    pub consistent: Consistency,
    /// The reasons, for a person.
    pub why: String,
}

/// The published ending.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Ending {
    /// In which way.
    pub how: How,
    /// Whose address the first FIN or RST carries.
    pub signed_by: Option<Side>,
    /// Silence of both sides before the ending packet; for `silence`, before the first segment that
    /// was never answered. `None` when nothing ended.
    pub idle_before_ns: Option<Gap>,
    /// The same, counting only packets with payload (keepalive probes have none).
    pub payload_idle_before_ns: Option<Gap>,
    /// The first reset, examined.
    pub reset: Option<ResetSummary>,
}

/// One connection as published: one line of `flows --format jsonl`.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct FlowRecord {
    /// Always [`SCHEMA`].
    pub schema: &'static str,
    /// The files it was seen in, in the order they were given.
    pub files: Vec<String>,
    /// Who opened it.
    pub client: SocketAddr,
    /// Who accepted it.
    pub server: SocketAddr,
    /// How that is known.
    pub client_known_by: KnownBy,
    /// Number of its first packet.
    pub first_packet: u64,
    /// Number of its last packet.
    pub last_packet: u64,
    /// Time of its first packet.
    pub first_ns: Moment,
    /// Time of its last packet.
    pub last_ns: Moment,
    /// Packets, each counted once however often it was seen.
    pub packets: BySide<u64>,
    /// Payload bytes by the IP header's length, retransmitted ones included.
    pub payload_bytes: BySide<u64>,
    /// Further sightings of packets already counted.
    pub seen_again: BySide<u64>,
    /// Payload bytes of those further sightings.
    pub seen_again_bytes: BySide<u64>,
    /// Other pairs of ends it went by, where a translation rewrote them; the record's own are those
    /// the client's packets come in with.
    pub also_known_as: Vec<AlsoKnownAs>,
    /// Packets that went through a translating box with the ends they came with: INVALID to it.
    pub untranslated: BySide<u64>,
    /// Packets first seen on the far side of a translation from where their sender's come in: made
    /// by the box between, or missed before it.
    pub one_sided: BySide<u64>,
    /// Packets with SYN.
    pub syn: BySide<u64>,
    /// Packets with FIN.
    pub fin: BySide<u64>,
    /// Packets with RST.
    pub rst: BySide<u64>,
    /// Maximum segment size each announced.
    pub mss: BySide<Option<u16>>,
    /// The first RST.
    pub first_rst: Option<Signature>,
    /// The first FIN.
    pub first_fin: Option<Signature>,
    /// TTLs (hop limits) seen and how often.
    pub ttl: BySide<BTreeMap<u8, u64>>,
    /// Segments that filled sequence space already filled.
    pub retransmissions: BySide<u64>,
    /// Keepalive probes: at most one byte, just below the next sequence number.
    pub keepalive_probes: BySide<u64>,
    /// Segments that closed the window.
    pub zero_windows: BySide<u64>,
    /// Smallest round trips.
    pub rtt_us: RoundTrips,
    /// How it ended.
    pub ending: Ending,
}

/// A reset that answers a segment of the other side.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
pub struct Answers {
    /// The segment it answers.
    pub segment: Mark,
    /// How long after it the reset came.
    pub delay: Gap,
    /// The smallest round trip between the point of capture and the reset's sender.
    pub round_trip: Option<Gap>,
    /// The answered segment carried payload.
    pub with_payload: bool,
    /// Silence before the answered segment, or before the first of those sent since the reset's
    /// sender last spoke: what a timer on the path had counted when the reset became due.
    pub idle_before: Option<Gap>,
    /// The same, counting only packets with payload.
    pub payload_idle_before: Option<Gap>,
}

/// A reset, examined.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Reset {
    /// Whose address it carries.
    pub by: Side,
    /// Which packet.
    pub mark: Mark,
    /// The published words.
    pub summary: ResetSummary,
    /// The segment it answers, when its sequence number says so.
    pub answers: Option<Answers>,
    /// It carries ACK.
    pub with_ack: bool,
    /// TTL or hop limit.
    pub ttl: u8,
    /// The TTL most of that side's other packets had.
    pub usual_ttl: Option<u8>,
    /// The side went on sending data as if it had never reset.
    pub sender_went_on: bool,
}

/// Segments at the end of a connection that the other side never answered.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Unanswered {
    /// Who kept speaking.
    pub by: Side,
    /// The first of them.
    pub first: Mark,
    /// The last of them.
    pub last: Mark,
    /// How many, the first included.
    pub count: u64,
    /// Gaps between the sendings of the oldest unacknowledged segment, at most the last 15.
    pub gaps: Vec<Gap>,
    /// The gaps double as a retransmission timer's do (RFC 6298 §5.5).
    pub backs_off: bool,
    /// They are keepalive probes, not data.
    pub are_probes: bool,
    /// Payload bytes that were never acknowledged.
    pub bytes: u64,
}

/// What is known of one side's keepalive probes.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize)]
pub struct Keepalive {
    /// Probes sent.
    pub probes: u64,
    /// Of these, answered by the other side.
    pub answered: u64,
    /// Probes at the end without an answer.
    pub unanswered_at_end: u64,
    /// Silence before the first probe: the sender's `tcp_keepalive_time`.
    pub first_after: Option<Gap>,
    /// Shortest gap between two probes in a row: its interval, or again its time.
    pub every: Option<Gap>,
    /// The last probe.
    pub last: Option<Mark>,
}

/// One side said it was done while the other went on.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
pub struct HalfClose {
    /// Who sent the FIN.
    pub by: Side,
    /// Which packet.
    pub fin: Mark,
    /// Payload the other side still sent.
    pub payload_after: u64,
    /// The other side's FIN, if it came.
    pub other_fin: Option<Mark>,
}

/// An ICMP error that quotes a segment of the connection.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
pub struct IcmpNote {
    /// Which packet.
    pub mark: Mark,
    /// Who sent it.
    pub from: IpAddr,
    /// What it says.
    pub kind: IcmpKind,
    /// Whose segment it quotes.
    pub about: Side,
    /// The quoted segment's number.
    #[serde(skip)]
    pub seq: Seq,
}

/// Large segments are lost and small ones arrive: a path that cannot carry the size.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
pub struct SizeLoss {
    /// Whose segments.
    pub by: Side,
    /// Largest payload that was acknowledged.
    pub largest_through: u32,
    /// Smallest payload sent at least three times and never acknowledged.
    pub smallest_lost: u32,
    /// The first sending of it.
    pub first: Mark,
}

/// Who sent payload in the time before the end.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Traffic {
    /// Neither.
    None,
    /// One side alone.
    OneWay {
        /// Which.
        from: Side,
    },
    /// Both.
    TwoWay,
}

/// Words an application sent in clear, or a TLS record's type where the rest is encrypted.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Said {
    /// Who.
    pub by: Side,
    /// In which packet.
    pub mark: Mark,
    /// What.
    pub words: crate::wire::Words,
}

/// The end of a connection in detail.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct LastWords {
    /// The client's SYN and the server's answer.
    pub opened: BySide<Option<Mark>>,
    /// Both SYNs, or segments of both sides without them, were seen.
    pub established: bool,
    /// What `ending` in the record speaks of: the first FIN or RST, or for silence the first
    /// segment that was never answered.
    pub end: Option<Mark>,
    /// Last packet of each side before and including `end`.
    pub last_packet: BySide<Option<Mark>>,
    /// Last packet with payload of each side before `end`.
    pub last_payload: BySide<Option<Mark>>,
    /// Last packet of any kind before `end`, other than those of the closing exchange.
    pub last_before_end: Option<Mark>,
    /// Last packet with payload before `end`.
    pub last_payload_before_end: Option<Mark>,
    /// Longest silence within the connection before `end`, and the packet that broke it.
    pub longest_silence: Option<(Gap, Mark)>,
    /// Who sent payload in the five minutes before `end`.
    pub traffic_before_end: Traffic,
    /// The first reset, examined.
    pub reset: Option<Reset>,
    /// Further resets after the first, by side.
    pub more_resets: BySide<u64>,
    /// Payload packets each side sent after the first reset of the *other* side or its own.
    pub data_after_reset: BySide<u64>,
    /// Speaking without an answer at the end.
    pub unanswered: Option<Unanswered>,
    /// Keepalive probes.
    pub keepalive: BySide<Keepalive>,
    /// The side's window was closed at the end.
    pub window_closed_at_end: BySide<bool>,
    /// One side closed and the other went on.
    pub half_close: Option<HalfClose>,
    /// ICMP errors about it, at most eight.
    pub icmp: Vec<IcmpNote>,
    /// Loss by size.
    pub size_loss: Option<SizeLoss>,
    /// Words in clear near the end, at most eight.
    pub said: Vec<Said>,
    /// How long the capture went on after the last packet of the connection.
    pub capture_went_on: Gap,
}

/// A connection, told.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Finished {
    /// The published record.
    pub record: FlowRecord,
    /// The end in detail.
    pub last_words: LastWords,
}
