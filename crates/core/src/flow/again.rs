//! The same packet seen more than once: on several interfaces of one capture, on both sides of a
//! bridge, a router or a translation, in two captures of one path.
//!
//! A packet is the same when everything its sender wrote is the same and the place it was seen at
//! is not. A retransmission differs: a new identification or time stamp, or the same place. Where
//! the ends differ too, [`translation`](super::translation) decides; two candidates are none.

use super::ends::End;
use super::translation;
use crate::time::{Gap, Moment};
use crate::wire::Segment;

/// Sets of packets remembered, a power of two, and packets in a set; the oldest gives way.
const SETS: usize = 2048;
const WAYS: usize = 4;
/// Sightings further apart are not of the same packet: no host forwards that late.
pub(super) const APART_MAX: Gap = Gap::from_millis(500);

/// A packet where it was seen first.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sighting {
    pub packet: u64,
    pub at: Moment,
    pub src: End,
    pub dst: End,
    pub vantage: u32,
    pub checksum: u16,
    pub mss: Option<u16>,
    pub ttl: u8,
    /// Forwarded with the ends it came with.
    passed: bool,
    /// Seen again with other ends.
    translated: bool,
}

/// What a segment is among those remembered.
#[derive(Clone, Copy, Debug)]
pub(super) enum Look {
    /// Not seen before, or at the same place.
    New,
    /// Seen before at another place; `passed` tells, once, that it was forwarded between the two.
    Again { first: u64, passed: bool },
    /// Seen before with other ends. `passed` takes back what was told before.
    Translated { first: Sighting, passed: bool },
}

/// Remembers the packets seen last.
#[derive(Debug)]
pub(super) struct Sightings {
    heads: Box<[Heads]>,
    bodies: Box<[[Sighting; WAYS]]>,
}

/// What a set is searched by, in one line of a processor's cache: nearly every packet is seen once,
/// and nothing else of its set is looked at.
#[derive(Clone, Copy, Debug, Default)]
#[repr(align(64))]
struct Heads {
    digests: [u64; WAYS],
    /// Packet numbers; 0 for none.
    packets: [u64; WAYS],
}

impl Sightings {
    pub(super) fn new() -> Self {
        Self {
            heads: vec![Heads::default(); SETS].into_boxed_slice(),
            bodies: vec![[Sighting::NONE; WAYS]; SETS].into_boxed_slice(),
        }
    }

    /// Brings what [`Sightings::look`] will look at near.
    #[inline]
    pub(super) fn touch(&self, digest: u64) -> u64 {
        self.heads.get(digest as usize % SETS).map_or(0, |heads| heads.packets[0])
    }

    /// Looks a segment of this digest up.
    #[inline]
    pub(super) fn look(&mut self, segment: &Segment, digest: u64) -> Look {
        match self.heads.get(digest as usize % SETS) {
            Some(heads) if heads.digests.contains(&digest) => self.compare(segment, digest),
            Some(_) | None => Look::New,
        }
    }

    #[inline(never)]
    fn compare(&mut self, segment: &Segment, digest: u64) -> Look {
        let (src, dst) = (End::from(segment.src), End::from(segment.dst));
        let at = digest as usize % SETS;
        let (Some(heads), Some(set)) = (self.heads.get(at), self.bodies.get_mut(at)) else {
            return Look::New;
        };
        let known = heads.digests.iter().zip(&heads.packets).zip(set);
        let known = known.filter(|((known, packet), _)| **known == digest && **packet != 0);
        let lately = |seen: &&mut Sighting| segment.at.since(seen.at).abs() <= APART_MAX;
        let mut known = known.map(|(_, seen)| seen).filter(lately);
        let (Some(seen), other) = (known.next(), known.next()) else {
            return Look::New;
        };
        // The same ends before all others.
        let seen = match other {
            Some(other) if (other.src, other.dst) == (src, dst) => other,
            Some(_) if (seen.src, seen.dst) != (src, dst) => return Look::New,
            Some(_) | None => seen,
        };
        if seen.vantage == segment.vantage {
            return Look::New;
        }
        if (seen.src, seen.dst) == (src, dst) {
            let passed = segment.ttl < seen.ttl && !seen.passed && !seen.translated;
            seen.passed |= passed;
            return Look::Again { first: seen.packet, passed };
        }
        if !translation::is_one_packet(seen, segment) {
            return Look::New;
        }
        let passed = seen.passed && !seen.translated;
        seen.translated = true;
        Look::Translated { first: *seen, passed }
    }

    /// Remembers a segment of this digest that is no further sighting.
    #[inline]
    pub(super) fn remember(&mut self, segment: &Segment, digest: u64) {
        let at = digest as usize % SETS;
        let (Some(heads), Some(set)) = (self.heads.get_mut(at), self.bodies.get_mut(at)) else {
            return;
        };
        let way = heads.replaces(set, segment, digest).unwrap_or_else(|| heads.oldest());
        if let (Some(place), Some(known), Some(packet)) =
            (set.get_mut(way), heads.digests.get_mut(way), heads.packets.get_mut(way))
        {
            (*known, *packet) = (digest, segment.packet);
            *place = Sighting::of(segment);
        }
    }
}

impl Heads {
    /// The way that remembers such a segment between the same ends.
    #[inline]
    fn replaces(&self, set: &[Sighting; WAYS], segment: &Segment, digest: u64) -> Option<usize> {
        if !self.digests.contains(&digest) {
            return None;
        }
        let (src, dst) = (End::from(segment.src), End::from(segment.dst));
        let ends = |way: &Sighting| (way.src, way.dst) == (src, dst);
        let ways = self.digests.iter().zip(&self.packets).zip(set);
        ways.into_iter().position(|((d, packet), way)| *d == digest && *packet != 0 && ends(way))
    }

    /// The way that gives way.
    #[inline]
    fn oldest(&self) -> usize {
        let [a, b, c, d] = self.packets;
        let (first, second) = (usize::from(b < a), 2 + usize::from(d < c));
        if c.min(d) < a.min(b) { second } else { first }
    }
}

impl Sighting {
    const NONE: Self = Self {
        packet: 0,
        at: Moment::from_ns(0),
        src: End::NONE,
        dst: End::NONE,
        vantage: 0,
        checksum: 0,
        mss: None,
        ttl: 0,
        passed: false,
        translated: false,
    };

    #[inline]
    fn of(segment: &Segment) -> Self {
        Self {
            packet: segment.packet,
            at: segment.at,
            src: End::from(segment.src),
            dst: End::from(segment.dst),
            vantage: segment.vantage,
            checksum: segment.checksum,
            mss: segment.options.mss,
            ttl: segment.ttl,
            passed: false,
            translated: false,
        }
    }
}

/// Everything the sender wrote and no router changes, nor a translation; a segment size is left
/// out, since gateways lower it (`TCPMSS --clamp-mss-to-pmtu`).
#[inline]
pub(super) fn digest(segment: &Segment) -> u64 {
    let options = &segment.options;
    let (stamp, echo) = options.timestamps.unwrap_or_default();
    let identity = segment.ip_id.map_or(1 << 16, u64::from);
    let words = [
        u64::from(segment.seq.0) << 32 | u64::from(segment.ack.0),
        u64::from(segment.flags.0) << 16 | u64::from(segment.window),
        u64::from(segment.payload) << 32 | u64::from(options.bytes),
        u64::from(stamp) << 32 | u64::from(echo),
        identity << 1 | u64::from(options.timestamps.is_some()),
    ];
    let digest = words.into_iter().fold(0x243f_6a88_85a3_08d3, mixed);
    // Blocks stand in front of none.
    if options.sack[0].is_none() {
        return digest;
    }
    let blocks = options.sack.iter().flatten();
    let blocks = blocks.map(|(left, right)| u64::from(left.0) << 32 | u64::from(right.0));
    blocks.fold(digest, mixed)
}

/// One more word into a digest: a multiplication spreads it upwards, a shift downwards.
#[inline]
fn mixed(digest: u64, word: u64) -> u64 {
    let spread = (digest ^ word).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    spread ^ (spread >> 32)
}
