//! One direction of a connection: what its sender sent, in a fixed number of bytes.

use super::Mark;
use super::small::{Small, SmallMark};
use crate::time::Moment;
use crate::wire::{Segment, Seq, seq_len};
use std::collections::BTreeMap;

/// A segment this far behind its direction's front is not a repetition of it but something else:
/// twice the largest window there can be (RFC 7323 §2.3).
const BEHIND_MAX: i32 = 1 << 30;

/// A mark that was set.
pub(super) fn set(mark: Mark) -> Option<Mark> {
    (mark.packet != 0).then_some(mark)
}

/// What a segment is, seen from its own direction alone.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Kind {
    /// It fills no sequence space.
    Empty,
    /// It fills space that was not filled before.
    New,
    /// It fills space that was filled before.
    Again,
    /// It fills a hole that was left before.
    Late,
    /// A keepalive probe.
    Probe,
}

/// Facts about a direction that are there or not: one bit each.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) struct Known(u16);

impl Known {
    /// Where its numbers begin.
    pub(super) const BASE: u16 = 1;
    /// The number after its last byte.
    pub(super) const NEXT: u16 = 1 << 1;
    /// It acknowledged something.
    pub(super) const ACKED: u16 = 1 << 2;
    /// It announced a segment size.
    pub(super) const MSS: u16 = 1 << 3;
    /// Some segment carried timestamps.
    pub(super) const TIMESTAMPS: u16 = 1 << 4;
    /// The last segment that is no reset had DF.
    pub(super) const DF: u16 = 1 << 5;
    /// DF differed between segments.
    pub(super) const MIXED_DF: u16 = 1 << 6;
    /// The last advertised window was zero.
    pub(super) const CLOSED: u16 = 1 << 7;
    /// A segment's acknowledgement is waited for, to measure a round trip.
    pub(super) const TIMED: u16 = 1 << 8;

    pub(super) const fn has(self, bit: u16) -> bool {
        self.0 & bit != 0
    }

    pub(super) const fn set(&mut self, bit: u16, on: bool) {
        if on {
            self.0 |= bit;
        } else {
            self.0 &= !bit;
        }
    }
}

/// One direction.
#[derive(Clone, Copy, Debug)]
pub(super) struct Half {
    payload: Small<6>,
    pub packets: u32,
    pub syn: u32,
    pub retransmissions: u32,
    pub zero_windows: u32,
    pub known: Known,
    pub mss: u16,
    /// The sequence number of the SYN, or one before the first byte seen.
    pub base: Seq,
    /// After the last byte sent.
    pub next: Seq,
    /// The highest acknowledgement sent.
    pub acked: Seq,
    last: SmallMark,
    last_payload: SmallMark,
    pub last_seq: Seq,
    pub last_ack: Seq,
    last_len: Small<3>,
    pub last_vantage: u32,
    pub last_ttl: u8,
    ttl_counts: [u32; 2],
    ttls: [u8; 2],
    pub ip_id: u16,
    /// Steps of the IP identification: small ones upward, and all.
    pub id_small: u16,
    pub id_steps: u16,
    pub timestamp: u32,
    timed_end: Seq,
    timed_at: Moment,
    /// Smallest round trip of an acknowledgement sent by this side, in microseconds.
    pub rtt_us: u32,
    /// Largest payload whose end the other side acknowledged.
    pub largest_through: u16,
    largest_waiting: u16,
}

impl Half {
    pub(super) fn new() -> Self {
        Self {
            payload: Small::ZERO,
            packets: 0,
            syn: 0,
            retransmissions: 0,
            zero_windows: 0,
            known: Known::default(),
            mss: 0,
            base: Seq(0),
            next: Seq(0),
            acked: Seq(0),
            last: SmallMark::NONE,
            last_payload: SmallMark::NONE,
            last_seq: Seq(0),
            last_ack: Seq(0),
            last_len: Small::ZERO,
            last_vantage: 0,
            last_ttl: 0,
            ttl_counts: [0; 2],
            ttls: [0; 2],
            ip_id: 0,
            id_small: 0,
            id_steps: 0,
            timestamp: 0,
            timed_end: Seq(0),
            timed_at: Moment::from_ns(0),
            rtt_us: u32::MAX,
            largest_through: 0,
            largest_waiting: 0,
        }
    }

    /// Reads a little of each of its parts.
    #[inline]
    pub(super) fn touch(&self) -> u64 {
        self.timed_at.ns().cast_unsigned() ^ u64::from(self.rtt_us)
    }

    /// Payload bytes.
    pub(super) fn payload(&self) -> u64 {
        self.payload.get()
    }

    /// Its last packet.
    pub(super) fn last(&self) -> Mark {
        self.last.mark()
    }

    /// Its last packet with payload.
    pub(super) fn last_payload(&self) -> Mark {
        self.last_payload.mark()
    }

    /// Sequence space its last packet took.
    pub(super) fn last_len(&self) -> u32 {
        self.last_len.get() as u32
    }

    /// Counts a TTL; false when it is a third one, to be kept on the side.
    pub(super) fn add_ttl(&mut self, ttl: u8) -> bool {
        for (known, count) in self.ttls.iter_mut().zip(&mut self.ttl_counts) {
            if *count == 0 || *known == ttl {
                (*known, *count) = (ttl, count.saturating_add(1));
                return true;
            }
        }
        false
    }

    /// All TTLs with those kept on the side.
    pub(super) fn ttls_with(&self, others: Option<&BTreeMap<u8, u64>>) -> BTreeMap<u8, u64> {
        let mut all = others.cloned().unwrap_or_default();
        for (ttl, count) in self.ttls.iter().zip(self.ttl_counts) {
            if count > 0 {
                *all.entry(*ttl).or_default() += u64::from(count);
            }
        }
        all
    }

    /// What `segment` of this direction is, before it is counted.
    pub(super) fn kind_of(&self, segment: &Segment, hole: Option<(Seq, Seq)>) -> Kind {
        let flags = segment.flags;
        let length = seq_len(segment.payload, flags);
        if !self.known.has(Known::NEXT) || flags.rst() {
            return if length > 0 && !flags.rst() { Kind::New } else { Kind::Empty };
        }
        let bare = !flags.syn() && !flags.fin();
        if bare && segment.payload <= 1 && segment.seq == self.next.minus(1) && self.packets > 0 {
            return Kind::Probe;
        }
        if length == 0 {
            return Kind::Empty;
        }
        let behind = self.next.ahead_of(segment.seq);
        if behind <= 0 || behind > BEHIND_MAX {
            return Kind::New;
        }
        match hole {
            Some((from, to)) if !segment.seq.is_before(from) && !segment.end().is_after(to) => {
                Kind::Late
            }
            _ => Kind::Again,
        }
    }

    /// Counts a segment of this direction.
    pub(super) fn count(&mut self, segment: &Segment, kind: Kind) {
        let flags = segment.flags;
        self.packets = self.packets.saturating_add(1);
        self.payload.add(u64::from(segment.payload));
        self.syn += u32::from(flags.syn());
        self.retransmissions += u32::from(kind == Kind::Again);
        if let Some(mss) = segment.options.mss
            && !self.known.has(Known::MSS)
        {
            self.mss = mss;
            self.known.set(Known::MSS, true);
        }
        // An answer to a SYN says best where its own numbers begin.
        if !self.known.has(Known::BASE) || (flags.syn() && flags.ack()) {
            self.base = if flags.syn() { segment.seq } else { segment.seq.minus(1) };
            self.known.set(Known::BASE, true);
        }
        if !flags.rst() {
            self.count_window(segment);
            self.count_marks(segment);
            self.move_on(segment, kind);
        }
    }

    fn count_window(&mut self, segment: &Segment) {
        let closed = segment.window == 0 && !segment.flags.syn() && !segment.flags.fin();
        self.zero_windows += u32::from(closed);
        self.known.set(Known::CLOSED, closed);
    }

    /// Marks by which a stranger's segment could be told from this sender's.
    fn count_marks(&mut self, segment: &Segment) {
        if let Some((value, _)) = segment.options.timestamps {
            self.timestamp = value;
            self.known.set(Known::TIMESTAMPS, true);
        }
        if self.packets > 1 && self.known.has(Known::DF) != segment.dont_fragment {
            self.known.set(Known::MIXED_DF, true);
        }
        self.known.set(Known::DF, segment.dont_fragment);
        if let Some(id) = segment.ip_id {
            if self.packets > 1 {
                self.id_steps = self.id_steps.saturating_add(1);
                let step = id.wrapping_sub(self.ip_id);
                if (1..=256).contains(&step) {
                    self.id_small = self.id_small.saturating_add(1);
                }
            }
            self.ip_id = id;
        }
    }

    fn move_on(&mut self, segment: &Segment, kind: Kind) {
        let end = segment.end();
        match kind {
            Kind::New => {
                self.next = end;
                self.known.set(Known::NEXT, true);
                if !self.known.has(Known::TIMED) {
                    (self.timed_end, self.timed_at) = (end, segment.at);
                    self.known.set(Known::TIMED, true);
                }
                let payload = u16::try_from(segment.payload).unwrap_or(u16::MAX);
                self.largest_waiting = self.largest_waiting.max(payload);
            }
            // Karn: what was sent twice measures nothing.
            Kind::Again => {
                self.known.set(Known::TIMED, false);
                if end.is_after(self.next) {
                    self.next = end;
                }
            }
            Kind::Empty | Kind::Late | Kind::Probe => {
                if !self.known.has(Known::NEXT) {
                    self.next = segment.seq;
                    self.known.set(Known::NEXT, true);
                }
            }
        }
    }

    /// Notes an acknowledgement this side sent. True when it is beyond all before.
    pub(super) fn acknowledge(&mut self, segment: &Segment) -> bool {
        if !segment.flags.ack() || segment.flags.rst() {
            return false;
        }
        let further = !self.known.has(Known::ACKED) || segment.ack.is_after(self.acked);
        if further {
            self.acked = segment.ack;
            self.known.set(Known::ACKED, true);
        }
        further
    }

    /// The other side acknowledged up to `ack` at `at`: a round trip, when one was being timed.
    pub(super) fn acknowledged(&mut self, ack: Seq, at: Moment) -> Option<u32> {
        if !ack.is_before(self.next) {
            self.largest_through = self.largest_through.max(self.largest_waiting);
            self.largest_waiting = 0;
        }
        if !self.known.has(Known::TIMED) || ack.is_before(self.timed_end) {
            return None;
        }
        self.known.set(Known::TIMED, false);
        u32::try_from(at.since(self.timed_at).ns() / 1000).ok()
    }

    /// Remembers the segment as the last one.
    pub(super) fn remember(&mut self, segment: &Segment, with_payload: bool) {
        let mark = Mark { packet: segment.packet, at: segment.at };
        self.last = mark.into();
        if with_payload {
            self.last_payload = mark.into();
        }
        self.last_seq = segment.seq;
        self.last_ack = segment.ack;
        self.last_len = Small::new(u64::from(seq_len(segment.payload, segment.flags)));
        self.last_vantage = segment.vantage;
        self.last_ttl = segment.ttl;
    }
}
