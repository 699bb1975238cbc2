//! What of a packet the table wants, found out before the table is asked.
//!
//! A [`Sifter`] reads packets and knows no connection, the table knows connections and reads no
//! packet: a caller with two cores sifts on one and folds on the other, a [`Batch`] at a time. The
//! order of the packets is kept, and everything that is decided is decided by the table.

use super::again;
use super::ends::pair_hash;
use super::reader::Tally;
use crate::capture::Packet;
use crate::time::Moment;
use crate::wire::{Dissector, IcmpError, LengthFrom, Reading, Segment};

/// Packets in, what the table wants of them out.
#[derive(Debug, Default)]
pub struct Sifter {
    dissector: Dissector,
    tally: Tally,
    /// What the packets so far reach over.
    span: Option<(Moment, Moment)>,
}

/// A number of packets, sifted, in their order.
#[derive(Debug, Default)]
pub struct Batch {
    pub(super) items: Vec<Sifted>,
}

/// What the table wants of one packet.
#[derive(Debug)]
pub(super) enum Sifted {
    Segment(Sighted),
    Icmp(IcmpError),
    /// The capture reaches to here, and nothing more is to be said.
    Reach(Moment),
}

/// A segment and what it is looked up by.
#[derive(Debug)]
pub(super) struct Sighted {
    pub segment: Segment,
    pub file: u32,
    pub keys: Keys,
}

/// What a segment is looked up by.
#[derive(Clone, Copy, Debug)]
pub(super) struct Keys {
    /// Its two ends.
    pub pair: u64,
    /// What its sender wrote.
    pub digest: u64,
}

impl Keys {
    #[inline]
    pub(super) fn of(segment: &Segment) -> Self {
        Self { pair: pair_hash(&segment.src, &segment.dst), digest: again::digest(segment) }
    }
}

impl Batch {
    /// An empty one with room for `packets`.
    pub fn with_room(packets: usize) -> Self {
        Self { items: Vec::with_capacity(packets) }
    }

    /// Items in it: one a packet at most.
    pub fn len(&self) -> usize {
        self.items.len()
    }

    /// Nothing is in it.
    pub fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    /// Takes everything out and keeps the room.
    pub fn clear(&mut self) {
        self.items.clear();
    }
}

impl Sifter {
    /// Nothing read yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// What was counted so far.
    pub fn tally(&self) -> &Tally {
        &self.tally
    }

    /// Reads a packet of the file of this number into a batch.
    #[inline]
    pub fn packet(&mut self, packet: &Packet<'_>, file: usize, into: &mut Batch) {
        self.tally.packet(packet);
        match self.dissector.read(packet, file as u32) {
            Reading::Segment(segment) => {
                self.tally.segments += 1;
                self.reaches(packet.at);
                let keys = Keys::of(&segment);
                let sighted = Sighted { segment, file: file as u32, keys };
                into.items.push(Sifted::Segment(sighted));
            }
            other => self.no_segment(other, packet, into),
        }
    }

    #[inline(never)]
    fn no_segment(&mut self, reading: Reading, packet: &Packet<'_>, into: &mut Batch) {
        match reading {
            Reading::Icmp(error) => {
                self.tally.icmp_errors += 1;
                self.reaches(packet.at);
                into.items.push(Sifted::Icmp(error));
                return;
            }
            Reading::Stopped(stop) => {
                self.tally.stopped += 1;
                self.tally.cut += u64::from(stop.told_by == LengthFrom::Snaplen);
            }
            Reading::Other | Reading::Segment(_) => {}
        }
        if packet.stamped && self.reaches(packet.at) {
            into.items.push(Sifted::Reach(packet.at));
        }
    }

    /// Whether the capture reaches further with a packet at `at`.
    #[inline]
    fn reaches(&mut self, at: Moment) -> bool {
        let (first, last) = self.span.unwrap_or((at, at));
        let further = self.span.is_none() || at < first || at > last;
        self.span = Some((first.min(at), last.max(at)));
        further
    }
}
