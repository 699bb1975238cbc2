//! The libpcap format: a header of 24 bytes, then records, each with a header of 16 or 24.
//!
//! Both byte orders, microseconds and nanoseconds, the old variants that put the two lengths the
//! other way round, Alexey Kuznetsov's longer record headers and Ixia's size after the file header.
//! Source: draft-ietf-opsawg-pcap; for the variants Wireshark 4.0 `wiretap/libpcap.c`.

use super::cursor::{Cursor, Order, Short};
use super::{LinkType, PACKET_BYTES_MAX, Packet, Step, damaged};
use crate::time::Moment;

const FILE_HEADER: usize = 24;
const MICRO: u32 = 0xa1b2_c3d4;
const NANO: u32 = 0xa1b2_3c4d;
const LONG_RECORDS: u32 = 0xa1b2_cd34;
const IXIA_HARD: u32 = 0x1c00_01ac;
const IXIA_SOFT: u32 = 0x1c00_01ab;

/// What the file's header tells of every record.
#[derive(Clone, Debug)]
pub(super) struct File {
    order: Order,
    nanoseconds_per_tick: i64,
    record_header: usize,
    lengths: Lengths,
    link: LinkType,
    fcs_bytes: u8,
    packets: u64,
}

/// Which of a record's two lengths comes first.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Lengths {
    KeptFirst,
    WireFirst,
    /// The smaller is what was kept: version 2.3, written both ways.
    SmallerKept,
}

fn magic(head: &[u8]) -> Option<(Order, u32)> {
    let raw = *head.first_chunk::<4>()?;
    [(Order::Little, u32::from_le_bytes(raw)), (Order::Big, u32::from_be_bytes(raw))]
        .into_iter()
        .find(|(_, m)| matches!(*m, MICRO | NANO | LONG_RECORDS | IXIA_HARD | IXIA_SOFT))
}

/// The first four bytes are one of the format's magic numbers.
pub(super) fn looks_like(head: &[u8]) -> bool {
    magic(head).is_some()
}

impl File {
    /// Reads the file's header; gives the number of bytes it takes, or why it cannot be read.
    pub(super) fn begin<'a>(bytes: &[u8]) -> Result<(File, u64), Step<'a>> {
        let need = |_: Short| Step::Need { bytes: FILE_HEADER };
        let Some((order, kind)) = magic(bytes) else {
            return Err(damaged("it does not begin as a pcap does"));
        };
        let mut cursor = Cursor::new(bytes);
        cursor.take(4, "magic").map_err(need)?;
        let major = cursor.u16(order, "major version").map_err(need)?;
        let minor = cursor.u16(order, "minor version").map_err(need)?;
        cursor.take(12, "zone, accuracy and snap length").map_err(need)?;
        let network = cursor.u32(order, "link type").map_err(need)?;
        let lengths = match (major, minor) {
            (2, 0..3) | (543, 0) => Lengths::WireFirst,
            (2, 3) => Lengths::SmallerKept,
            (2, _) => Lengths::KeptFirst,
            _ => return Err(damaged(format!("pcap version {major}.{minor} is not known"))),
        };
        if network & 0x03ff_0000 != 0 {
            return Err(damaged("reserved bits of its link type are set"));
        }
        let fcs_bytes = if network & 0x0400_0000 == 0 { 0 } else { (network >> 28) as u8 * 2 };
        let extra = if matches!(kind, IXIA_HARD | IXIA_SOFT) { 4 } else { 0 };
        let nano = matches!(kind, NANO | IXIA_HARD | IXIA_SOFT);
        let file = File {
            order,
            nanoseconds_per_tick: if nano { 1 } else { 1000 },
            record_header: if kind == LONG_RECORDS { 24 } else { 16 },
            lengths,
            link: LinkType((network & 0xffff) as u16),
            fcs_bytes,
            packets: 0,
        };
        Ok((file, (FILE_HEADER + extra) as u64))
    }

    /// Shows every whole record `bytes` begin with; gives the number of bytes they take. What
    /// follows them is for [`File::step`] to judge.
    pub(super) fn each(&mut self, bytes: &[u8], show: &mut impl FnMut(&Packet<'_>)) -> usize {
        let mut rest = bytes;
        while let Step::Packet { consumed, packet, .. } = self.step(rest) {
            show(&packet);
            rest = rest.get(consumed..).unwrap_or_default();
        }
        bytes.len() - rest.len()
    }

    /// Reads the record `bytes` begin with.
    #[inline]
    pub(super) fn step<'a>(&mut self, bytes: &'a [u8]) -> Step<'a> {
        let Some((at, kept, wire)) = self.header(bytes) else {
            return Step::Need { bytes: self.record_header };
        };
        if kept > PACKET_BYTES_MAX {
            return too_long(kept);
        }
        let whole = self.record_header + kept as usize;
        let Some(body) = bytes.get(self.record_header..whole) else {
            return Step::Need { bytes: whole };
        };
        self.packets += 1;
        // More kept than there was makes no sense; the bytes are there, so the number is wrong.
        let wire = wire.max(kept);
        let packet = Packet {
            number: self.packets,
            at,
            stamped: true,
            link: self.link,
            interface: 0,
            fcs_bytes: self.fcs_bytes,
            bytes: body,
            wire_len: wire,
        };
        Step::Packet { consumed: whole, from: self.record_header, packet }
    }

    /// Its moment, and how much was kept and on the wire.
    #[inline]
    fn header(&self, bytes: &[u8]) -> Option<(Moment, u32, u32)> {
        let mut cursor = Cursor::new(bytes.get(..self.record_header)?);
        let mut word = || cursor.u32(self.order, "record header").ok();
        let (seconds, ticks, first, second) = (word()?, word()?, word()?, word()?);
        let (kept, wire) = match self.lengths {
            Lengths::KeptFirst => (first, second),
            Lengths::WireFirst => (second, first),
            Lengths::SmallerKept => (first.min(second), first.max(second)),
        };
        let ns = i64::from(seconds) * 1_000_000_000;
        let at = Moment::from_ns(ns.saturating_add(i64::from(ticks) * self.nanoseconds_per_tick));
        Some((at, kept, wire))
    }
}

#[cold]
fn too_long<'a>(kept: u32) -> Step<'a> {
    damaged(format!("a packet of {kept} bytes, more than {PACKET_BYTES_MAX}"))
}
