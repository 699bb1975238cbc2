//! The TCP header (RFC 9293 §3.1). Sixteen bytes of it make a segment: ports, sequence numbers,
//! flags and window; what was cut after them is unknown, not an error.

use super::view::View;
use super::walk::Walk;
use super::{Flags, Segment, Seq, Stop, option, words};
use std::net::SocketAddr;

/// The header without options.
const HEADER: usize = 20;

impl Walk<'_, '_> {
    pub(super) fn tcp(&mut self, view: View<'_>) -> Result<Segment, Stop> {
        let Some(ip) = self.ip else {
            return Err(view.nonsense("TCP without IP"));
        };
        let short = |_| view.short(16, "TCP");
        let mut cursor = view.cursor();
        let src_port = cursor.be16("source port").map_err(short)?;
        let dst_port = cursor.be16("destination port").map_err(short)?;
        let seq = Seq(cursor.be32("sequence number").map_err(short)?);
        let ack = Seq(cursor.be32("acknowledgement").map_err(short)?);
        let offset_and_flags = cursor.be16("flags").map_err(short)?;
        let window = cursor.be16("window").map_err(short)?;
        let checksum = cursor.be16("checksum").unwrap_or(0);
        let header = usize::from(offset_and_flags >> 12) * 4;
        // A header shorter than itself is no header: Wireshark reads no flags of it either.
        let flags = if header < HEADER { 0 } else { offset_and_flags & 0x0fff };
        let payload = if ip.fragmented { 0 } else { view.len.saturating_sub(header) };
        let options = view.bytes.get(HEADER..header.min(view.bytes.len())).unwrap_or_default();
        let said = match view.bytes.get(header..) {
            Some(said) if payload > 0 && header >= HEADER => said,
            Some(_) | None => &[],
        };
        let mut options = option::read(options);
        // As its header says, however much of them was kept.
        options.bytes = header.saturating_sub(HEADER) as u8;
        Ok(Segment {
            packet: self.packet.number,
            at: self.packet.at,
            src: SocketAddr::new(ip.src, src_port),
            dst: SocketAddr::new(ip.dst, dst_port),
            seq,
            ack,
            flags: Flags(flags),
            window,
            options,
            payload: payload as u32,
            ttl: ip.ttl,
            ip_id: ip.id,
            dont_fragment: ip.dont_fragment,
            vantage: self.vantage.digest(),
            checksum,
            words: words::read(said, payload as u32),
        })
    }
}
