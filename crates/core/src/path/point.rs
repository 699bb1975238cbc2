//! One capture as a point on a path: its connections, and of each TCP packet the few numbers that
//! boxes on the way keep.
//!
//! Bounded: the packets after the first [`PACKETS_MAX`] are counted and not kept, and the point
//! then covers the time of those that are. Payload is not kept, only a digest of its first bytes.

use crate::capture::Packet;
use crate::flow::{CaptureReading, Finished, KnownBy};
use crate::terms::Side;
use crate::time::Moment;
use crate::wire::{Dissector, Flags, Reading, Segment, ip_packet};
use std::collections::HashMap;
use std::net::SocketAddr;

/// Packets kept of one capture, 64 bytes each.
pub const PACKETS_MAX: usize = 2 << 20;
/// Payload bytes a digest is taken of, all of which must have been captured: so many are left of 96
/// where Ethernet, IPv4 and TCP with time stamps stand before them, or a cooked header.
const DIGEST_BYTES: usize = 10;
/// A number lower than this is what a generator begins with, not what a stack draws (RFC 6528).
pub(super) const DRAWN_MIN: u32 = 1 << 16;
/// A packet seen again at another place of one capture comes no later than this.
const AGAIN_NS: i64 = 1_000_000_000;

/// A packet that belongs to no connection the flow table told of.
const NO_FLOW: u32 = u32::MAX;

/// What is kept of a packet.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Seen {
    pub at: i64,
    pub packet: u32,
    pub seq: u32,
    pub ack: u32,
    pub payload: u32,
    /// Value and echo of the timestamps option; zero, zero where there is none.
    pub stamps: (u32, u32),
    /// Zero where it could not be taken.
    pub digest: u32,
    pub flow: u32,
    /// Number of the pair of ends.
    pub pair: u32,
    /// The pair it was seen under again, elsewhere in the same capture; its own where it was not.
    pub pair_again: u32,
    pub window: u16,
    /// IPv4 identification; zero over IPv6 and where a stack sets none.
    pub id: u16,
    pub mss: u16,
    pub flags: u16,
    /// Tells places within the capture apart.
    pub place: u16,
    pub ttl: u8,
    /// It goes from the lower end of its pair to the higher.
    up: bool,
    /// Its connection's client sent it.
    pub by_client: bool,
    /// It was seen before, elsewhere in the same capture.
    pub again: bool,
}

/// SYN, FIN, RST and ACK: boxes that change one of these change the conversation; the others are
/// hints.
const TELLING: u16 = Flags::SYN | Flags::FIN | Flags::RST | Flags::ACK;

impl Seen {
    pub(super) fn flags(&self) -> Flags {
        Flags(self.flags)
    }

    /// The flags that make the conversation.
    pub(super) fn telling(&self) -> u16 {
        self.flags & TELLING
    }

    /// Sequence space it fills.
    pub(super) fn length(&self) -> u32 {
        crate::wire::seq_len(self.payload, self.flags())
    }

    pub(super) fn side(&self) -> Side {
        if self.by_client { Side::Client } else { Side::Server }
    }

    /// The acknowledgement, where it counts.
    pub(super) fn acknowledges(&self) -> u32 {
        if self.flags().ack() { self.ack } else { 0 }
    }
}

/// A connection as the capture has it.
#[derive(Clone, Debug)]
pub(super) struct Leg {
    pub client: SocketAddr,
    pub server: SocketAddr,
    pub first_packet: u64,
    pub last_packet: u64,
    /// A SYN or its answer was seen.
    pub saw_opening: bool,
}

/// A connection on a pair of ends: its first packet there, its number, and whether its client is
/// the lower end.
type Begun = (u64, u32, bool);

/// Packets in, a [`Point`] out, once the connections are known too.
#[derive(Debug, Default)]
pub struct PointReader {
    dissector: Dissector,
    seen: Vec<Seen>,
    pairs: HashMap<(SocketAddr, SocketAddr), u32>,
    left_out: u64,
    span: Option<(i64, i64)>,
    /// All time stamps so far are multiples of this many nanoseconds.
    step_ns: Option<i64>,
}

/// One capture, ready to be compared with another.
#[derive(Clone, Debug)]
pub struct Point {
    pub(super) name: String,
    pub(super) seen: Vec<Seen>,
    pub(super) ends: Vec<(SocketAddr, SocketAddr)>,
    pub(super) legs: Vec<Leg>,
    /// Packets by connection, in order of time within each.
    by_leg: Vec<u32>,
    /// Where each connection's begin in `by_leg`.
    starts: Vec<u32>,
    pub(super) span: (i64, i64),
    pub(super) step_ns: i64,
    pub(super) left_out: u64,
    pub(super) lost: bool,
}

impl PointReader {
    /// Nothing read.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes a packet of the capture. One without a time stamp of its own is passed over.
    pub fn packet(&mut self, packet: &Packet<'_>) {
        if !packet.stamped {
            return;
        }
        if self.seen.len() < PACKETS_MAX {
            let (first, last) = self.span.unwrap_or((packet.at.ns(), packet.at.ns()));
            self.span = Some((first.min(packet.at.ns()), last.max(packet.at.ns())));
        }
        if let Reading::Segment(segment) = self.dissector.read(packet, 0) {
            self.segment(&segment, || digest(packet, segment.payload));
        }
    }

    fn segment(&mut self, segment: &Segment, digest: impl FnOnce() -> u32) {
        if self.seen.len() >= PACKETS_MAX {
            self.left_out += 1;
            return;
        }
        let step = self.step_ns.unwrap_or(1_000_000);
        self.step_ns = Some(shared_step(step, segment.at.ns()));
        let up = segment.src <= segment.dst;
        let ends = if up { (segment.src, segment.dst) } else { (segment.dst, segment.src) };
        let next = self.pairs.len() as u32;
        let pair = *self.pairs.entry(ends).or_insert(next);
        self.seen.push(Seen {
            at: segment.at.ns(),
            packet: segment.packet.min(u64::from(u32::MAX)) as u32,
            seq: segment.seq.0,
            ack: segment.ack.0,
            payload: segment.payload,
            stamps: segment.options.timestamps.unwrap_or((0, 0)),
            digest: if segment.payload == 0 { 0 } else { digest() },
            flow: NO_FLOW,
            pair,
            pair_again: pair,
            window: segment.window,
            id: segment.ip_id.unwrap_or(0),
            mss: segment.options.mss.unwrap_or(0),
            flags: segment.flags.0,
            place: (segment.vantage ^ segment.vantage >> 16) as u16,
            ttl: segment.ttl,
            up,
            by_client: up,
            again: false,
        });
    }

    /// The point of this name, with the connections its capture has. `lost`: the capture says of
    /// itself that it lost packets.
    pub fn finish(self, name: &str, flows: &[Finished], lost: bool) -> Point {
        let mut ends = vec![None; self.pairs.len()];
        for (pair, number) in self.pairs {
            if let Some(place) = ends.get_mut(number as usize) {
                *place = Some(pair);
            }
        }
        let mut point = Point {
            name: name.to_owned(),
            seen: self.seen,
            ends: ends.into_iter().flatten().collect(),
            legs: flows.iter().map(leg).collect(),
            by_leg: Vec::new(),
            starts: Vec::new(),
            span: self.span.unwrap_or((0, -1)),
            step_ns: self.step_ns.unwrap_or(1),
            left_out: self.left_out,
            lost,
        };
        point.assign(flows);
        point.group();
        for leg in 0..point.legs.len() as u32 {
            point.mark_again(leg);
        }
        point
    }
}

fn leg(flow: &Finished) -> Leg {
    let record = &flow.record;
    Leg {
        client: record.client,
        server: record.server,
        first_packet: record.first_packet,
        last_packet: record.last_packet,
        saw_opening: matches!(record.client_known_by, KnownBy::Syn | KnownBy::SynAck),
    }
}

/// The largest of 1 ms, 1 µs and 1 ns that all stamps are multiples of.
fn shared_step(step: i64, at: i64) -> i64 {
    [1_000_000, 1000].into_iter().find(|s| *s <= step && at % s == 0).unwrap_or(1)
}

impl Point {
    /// The point of a capture that was read before. Its headers are there without their payload, so
    /// that no digests are.
    pub fn of(name: &str, reading: &CaptureReading) -> Point {
        let mut reader = PointReader::new();
        for packet in reading.headers.packets() {
            // The lengths in its IP header say how long it was.
            let wire_len = ip_length(packet.bytes).unwrap_or(packet.wire_len);
            reader.packet(&Packet { wire_len: wire_len.max(packet.wire_len), ..packet });
        }
        if let Some((first, last)) = reading.span {
            reader.span = Some((first.ns(), last.ns()));
        }
        reader.finish(name, &reading.flows, reading.lost_packets)
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// TCP packets kept.
    pub fn packets(&self) -> usize {
        self.seen.len()
    }

    /// Connections.
    pub fn connections(&self) -> usize {
        self.legs.len()
    }

    /// First and last moment it covers.
    pub fn span(&self) -> (Moment, Moment) {
        (Moment::from_ns(self.span.0), Moment::from_ns(self.span.1))
    }

    /// Whether it is the same capture again.
    pub(super) fn is_same(&self, other: &Point) -> bool {
        let told = |s: &Seen| (s.at, s.packet, s.seq, s.ack, s.payload, s.flags);
        !self.seen.is_empty()
            && self.span == other.span
            && self.seen.len() == other.seen.len()
            && self.seen.iter().zip(&other.seen).all(|(a, b)| told(a) == told(b))
    }

    /// Packets of a connection, in order of time.
    pub(super) fn packets_of(&self, leg: u32) -> &[u32] {
        let at = leg as usize;
        let (from, to) = (self.starts.get(at), self.starts.get(at + 1));
        let (Some(from), Some(to)) = (from, to) else { return &[] };
        self.by_leg.get(*from as usize..*to as usize).unwrap_or_default()
    }

    /// Sender and receiver of a packet.
    pub(super) fn ends_of(&self, seen: &Seen) -> Option<(SocketAddr, SocketAddr)> {
        let (low, high) = *self.ends.get(seen.pair as usize)?;
        Some(if seen.up { (low, high) } else { (high, low) })
    }

    /// The same where it was seen again, under other ends perhaps.
    pub(super) fn ends_again(&self, seen: &Seen) -> Option<(SocketAddr, SocketAddr)> {
        if seen.pair_again == seen.pair {
            return self.ends_of(seen);
        }
        let (low, high) = *self.ends.get(seen.pair_again as usize)?;
        // A translation moves one end at most across the other in their order: the end that both
        // pairs have tells the direction, or else the order does.
        let (src, dst) = self.ends_of(seen)?;
        Some(if low == dst || high == src {
            (high, low)
        } else if low == src || high == dst {
            (low, high)
        } else {
            let leg = self.legs.get(seen.flow as usize)?;
            let up = (leg.client <= leg.server) == seen.by_client;
            if up { (low, high) } else { (high, low) }
        })
    }

    /// Gives each packet its connection: of those on its pair of ends the latest that had begun.
    fn assign(&mut self, flows: &[Finished]) {
        let mut begun: HashMap<_, Vec<Begun>> = HashMap::new();
        for (number, flow) in flows.iter().enumerate() {
            let record = &flow.record;
            let own = (record.client, record.server, record.first_packet);
            let others = record.also_known_as.iter().map(|o| (o.client, o.server, o.first_packet));
            for (client, server, first) in std::iter::once(own).chain(others) {
                let up = client <= server;
                let ends = if up { (client, server) } else { (server, client) };
                begun.entry(ends).or_default().push((first, number as u32, up));
            }
        }
        let known: Vec<Vec<Begun>> = self
            .ends
            .iter()
            .map(|ends| {
                let mut all = begun.remove(ends).unwrap_or_default();
                all.sort_unstable();
                all
            })
            .collect();
        for seen in &mut self.seen {
            let Some(all) = known.get(seen.pair as usize) else { continue };
            let after = all.partition_point(|(first, _, _)| *first <= u64::from(seen.packet));
            let Some((_, flow, client_is_low)) = all.get(after.saturating_sub(1)) else { continue };
            seen.flow = *flow;
            seen.by_client = seen.up == *client_is_low;
        }
    }

    /// Packets by connection: counted, then placed.
    fn group(&mut self) {
        let mut starts = vec![0_u32; self.legs.len() + 1];
        for seen in &self.seen {
            if let Some(count) = starts.get_mut(seen.flow as usize + 1) {
                *count += 1;
            }
        }
        let mut sum = 0;
        for start in &mut starts {
            sum += *start;
            *start = sum;
        }
        let mut next = starts.clone();
        self.by_leg = vec![0; sum as usize];
        for (at, seen) in self.seen.iter().enumerate() {
            let Some(place) = next.get_mut(seen.flow as usize) else { continue };
            if seen.flow != NO_FLOW
                && let Some(slot) = self.by_leg.get_mut(*place as usize)
            {
                *slot = at as u32;
                *place += 1;
            }
        }
        for leg in 0..self.legs.len() {
            let range = starts.get(leg).zip(starts.get(leg + 1));
            let Some((from, to)) = range.map(|(f, t)| (*f as usize, *t as usize)) else { continue };
            if let Some(own) = self.by_leg.get_mut(from..to) {
                // Two interfaces may stand in a file the wrong way round.
                own.sort_by_key(|at| self.seen.get(*at as usize).map(|seen| seen.at));
            }
        }
        self.starts = starts;
    }

    /// Marks packets of a connection that are further sightings of one packet at other places.
    fn mark_again(&mut self, leg: u32) {
        let own = self.packets_of(leg);
        let mut places = own.iter().filter_map(|at| self.seen.get(*at as usize));
        let Some(first) = places.next().map(|seen| seen.place) else { return };
        if places.all(|seen| seen.place == first) {
            return;
        }
        let mut own: Vec<u32> = own.to_vec();
        let key =
            |s: &Seen| (s.by_client, s.seq, s.ack, s.payload, s.flags, s.id, s.stamps, s.window);
        own.sort_by_key(|at| self.seen.get(*at as usize).map(|s| (key(s), s.at)));
        let mut last: Option<(Seen, u32)> = None;
        for at in own {
            let Some(seen) = self.seen.get_mut(at as usize) else { continue };
            let again = last.filter(|(l, _)| {
                key(l) == key(seen) && l.place != seen.place && seen.at - l.at <= AGAIN_NS
            });
            seen.again = again.is_some();
            let (pair, now) = (seen.pair, *seen);
            // Compared with the first sighting, so that a third place counts as well.
            match again {
                None => last = Some((now, at)),
                Some((_, first)) => {
                    if let Some(first) = self.seen.get_mut(first as usize) {
                        first.pair_again = pair;
                    }
                }
            }
        }
    }
}

/// The whole length an IP header tells; `None` where it tells none, as before segmentation.
fn ip_length(ip: &[u8]) -> Option<u32> {
    let field = |at: usize| Some(u32::from(u16::from_be_bytes([*ip.get(at)?, *ip.get(at + 1)?])));
    match ip.first()? >> 4 {
        4 => field(2).filter(|length| *length > 0),
        6 => field(4).filter(|length| *length > 0).map(|length| length + 40),
        _ => None,
    }
}

/// A digest of the first bytes of a payload; zero where too few of them were captured, or where TCP
/// does not stand in the outermost IP packet (FNV-1a).
fn digest(packet: &Packet<'_>, payload: u32) -> u32 {
    let bytes = || {
        let ip = ip_packet(packet)?;
        let tcp = match (ip.first()? >> 4, ip.get(9), ip.get(6)) {
            (4, Some(6), _) => usize::from(ip.first()? & 0x0f) * 4,
            (6, _, Some(6)) => 40,
            _ => return None,
        };
        let from = tcp + usize::from(ip.get(tcp + 12)? >> 4) * 4;
        ip.get(from..from + DIGEST_BYTES.min(payload as usize))
    };
    let step = |sum: u32, byte: &u8| (sum ^ u32::from(*byte)).wrapping_mul(0x0100_0193);
    bytes().map_or(0, |bytes| bytes.iter().fold(0x811c_9dc5, step).max(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_packet_stays_small() {
        assert!(size_of::<Seen>() <= 64, "{}", size_of::<Seen>());
    }

    #[test]
    fn the_step_of_stamps_is_what_all_share() {
        let step = |all: &[i64]| all.iter().fold(1_000_000, |step, at| shared_step(step, *at));
        assert_eq!(step(&[5_000_000, 7_000_000]), 1_000_000);
        assert_eq!(step(&[5_000_000, 7_001_000, 8_000_000]), 1000);
        assert_eq!(step(&[5_000_001, 7_000_000]), 1);
    }
}
