//! The same packet seen more than once: on several interfaces of one capture, on both sides of a
//! bridge or a router, in two captures of one path.
//!
//! A packet is the same when everything its sender wrote is the same and the place it was seen at
//! is not. A retransmission differs: a new identification or time stamp, or the same place.

use crate::time::{Gap, Moment};
use crate::wire::Segment;
use std::hash::{DefaultHasher, Hash, Hasher};

/// Packets remembered. A power of two; a newer packet takes an older one's place.
const SLOTS: usize = 8192;
/// Sightings further apart are not of the same packet: no host forwards that late.
const APART_MAX: Gap = Gap::from_millis(500);

#[derive(Clone, Copy, Debug)]
struct Slot {
    digest: u64,
    at: Moment,
    vantage: u32,
}

/// Remembers the packets seen last.
#[derive(Debug)]
pub(super) struct Sightings {
    slots: Box<[Slot]>,
}

impl Sightings {
    pub(super) fn new() -> Self {
        let empty = Slot { digest: 0, at: Moment::from_ns(i64::MIN), vantage: 0 };
        Self { slots: vec![empty; SLOTS].into_boxed_slice() }
    }

    /// True when the packet was seen before at another place, a moment ago.
    pub(super) fn seen_before(&mut self, segment: &Segment) -> bool {
        let digest = digest(segment);
        let Some(slot) = self.slots.get_mut(digest as usize % SLOTS) else {
            return false;
        };
        let same = slot.digest == digest && segment.at.since(slot.at).abs() <= APART_MAX;
        // A different TTL at the same place is another sender's work, not another sighting.
        if same && slot.vantage != segment.vantage {
            return true;
        }
        *slot = Slot { digest, at: segment.at, vantage: segment.vantage };
        false
    }
}

/// Everything the sender wrote and no router changes.
fn digest(segment: &Segment) -> u64 {
    let mut hasher = DefaultHasher::new();
    (segment.src, segment.dst, segment.seq, segment.ack, segment.flags).hash(&mut hasher);
    (segment.window, segment.payload, segment.ip_id).hash(&mut hasher);
    (segment.options.timestamps, segment.options.mss, segment.options.bytes).hash(&mut hasher);
    hasher.finish() | 1
}
