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
    /// A digest of all its sender wrote but the ends; 0 for none.
    digest: u64,
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
    sets: Box<[[Option<Sighting>; WAYS]]>,
}

impl Sightings {
    pub(super) fn new() -> Self {
        Self { sets: vec![[None; WAYS]; SETS].into_boxed_slice() }
    }

    /// Looks a segment up.
    pub(super) fn look(&mut self, segment: &Segment) -> Look {
        let digest = digest(segment);
        let (src, dst) = (End::from(segment.src), End::from(segment.dst));
        let Some(set) = self.sets.get_mut(digest as usize % SETS) else {
            return Look::New;
        };
        let lately = |seen: &&mut Sighting| {
            seen.digest == digest && segment.at.since(seen.at).abs() <= APART_MAX
        };
        let mut known = set.iter_mut().flatten().filter(lately);
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

    /// Remembers a segment that is no further sighting.
    pub(super) fn remember(&mut self, segment: &Segment) {
        let digest = digest(segment);
        let (src, dst) = (End::from(segment.src), End::from(segment.dst));
        let Some(set) = self.sets.get_mut(digest as usize % SETS) else {
            return;
        };
        let replaces = |way: &Option<Sighting>| {
            way.as_ref().is_some_and(|s| s.digest == digest && (s.src, s.dst) == (src, dst))
        };
        let oldest = |way: &Option<Sighting>| way.as_ref().map_or(0, |seen| seen.packet);
        let place = match set.iter().position(replaces) {
            Some(at) => set.get_mut(at),
            None => set.iter_mut().min_by_key(|way| oldest(way)),
        };
        if let Some(place) = place {
            *place = Some(Sighting {
                digest,
                packet: segment.packet,
                at: segment.at,
                src,
                dst,
                vantage: segment.vantage,
                checksum: segment.checksum,
                mss: segment.options.mss,
                ttl: segment.ttl,
                passed: false,
                translated: false,
            });
        }
    }
}

/// Everything the sender wrote and no router changes, nor a translation; a segment size is left
/// out, since gateways lower it (`TCPMSS --clamp-mss-to-pmtu`).
fn digest(segment: &Segment) -> u64 {
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
    let blocks = options.sack.iter().flatten();
    let blocks = blocks.map(|(left, right)| u64::from(left.0) << 32 | u64::from(right.0));
    words.into_iter().chain(blocks).fold(0x243f_6a88_85a3_08d3, mixed)
}

/// One more word into a digest: a multiplication spreads it upwards, a shift downwards.
fn mixed(digest: u64, word: u64) -> u64 {
    let spread = (digest ^ word).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    spread ^ (spread >> 32)
}
