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

/// A number of packets, sifted, in their order. Emptied, it keeps its room, and what is put into it
/// next is written in place: handing two hundred bytes on by value would cost as much as reading
/// them.
#[derive(Debug, Default)]
pub struct Batch {
    slots: Vec<Sifted>,
    used: usize,
    errors: Vec<IcmpError>,
}

/// What the table wants of one packet.
#[derive(Debug)]
pub(super) struct Sifted {
    pub what: What,
    pub file: u32,
    pub keys: Keys,
    pub segment: Segment,
}

/// What a packet is to the table.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum What {
    /// A segment.
    Segment,
    /// The ICMP error of this number in the batch.
    Icmp(u32),
    /// The capture reaches to the segment's moment, and nothing more is to be said.
    Reach,
}

/// What a segment is looked up by.
#[derive(Clone, Copy, Debug, Default)]
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
        Self { slots: Vec::with_capacity(packets), ..Self::default() }
    }

    /// Items in it: one a packet at most.
    pub fn len(&self) -> usize {
        self.used
    }

    /// Nothing is in it.
    pub fn is_empty(&self) -> bool {
        self.used == 0
    }

    /// Takes everything out and keeps the room.
    pub fn clear(&mut self) {
        self.used = 0;
        self.errors.clear();
    }

    /// What is in it.
    pub(super) fn items(&self) -> &[Sifted] {
        self.slots.get(..self.used).unwrap_or_default()
    }

    /// An ICMP error in it.
    pub(super) fn error(&self, number: u32) -> Option<&IcmpError> {
        self.errors.get(number as usize)
    }

    /// The next place; what it holds is of no meaning, and it does not count until
    /// [`Batch::keep`].
    #[inline]
    fn slot(&mut self) -> Option<&mut Sifted> {
        if self.used == self.slots.len() {
            self.slots.push(Sifted {
                what: What::Reach,
                file: 0,
                keys: Keys::default(),
                segment: Segment::blank(),
            });
        }
        self.slots.get_mut(self.used)
    }

    /// The place last given counts.
    #[inline]
    fn keep(&mut self) {
        self.used += 1;
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
        let Some(slot) = into.slot() else { return };
        slot.file = file as u32;
        if Dissector::usual(packet, file as u32, &mut slot.segment) {
            slot.what = What::Segment;
            slot.keys = Keys::of(&slot.segment);
            into.keep();
            self.tally.segments += 1;
            self.reaches(packet.at);
        } else {
            self.unusual(packet, file, into);
        }
    }

    #[inline(never)]
    fn unusual(&mut self, packet: &Packet<'_>, file: usize, into: &mut Batch) {
        let reading = self.dissector.read(packet, file as u32);
        let number = into.errors.len() as u32;
        let Some(slot) = into.slot() else { return };
        match reading {
            Reading::Segment(segment) => {
                self.tally.segments += 1;
                self.reaches(packet.at);
                (slot.what, slot.keys) = (What::Segment, Keys::of(&segment));
                slot.segment = segment;
                into.keep();
                return;
            }
            Reading::Icmp(error) => {
                self.tally.icmp_errors += 1;
                self.reaches(packet.at);
                slot.what = What::Icmp(number);
                into.errors.push(error);
                into.keep();
                return;
            }
            Reading::Stopped(stop) => {
                self.tally.stopped += 1;
                self.tally.cut += u64::from(stop.told_by == LengthFrom::Snaplen);
            }
            Reading::Other => {}
        }
        if packet.stamped && self.reaches(packet.at) {
            (slot.what, slot.segment.at) = (What::Reach, packet.at);
            into.keep();
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
