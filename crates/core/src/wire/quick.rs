//! The road nearly every packet takes, Ethernet, IPv4 in one piece, TCP, read in one look.
//!
//! It gives what the walk over the layers gives, and refuses what the walk would have to think
//! about: other layers, options of IP, fragments, lengths that do not fit, a header cut short.

use super::vantage::Vantage;
use super::{Flags, Segment, Seq, option, words};
use crate::capture::{LinkType, Packet};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

const ETHERNET: usize = 14;
const IPV4: usize = 20;
const TCP: usize = 20;
const HEADERS: usize = ETHERNET + IPV4 + TCP;

/// Reads the segment in `packet`, when all of it is as usual.
#[inline]
pub(super) fn read(packet: &Packet<'_>, capture: u32, into: &mut Segment) -> Option<()> {
    let head: &[u8; HEADERS] = packet.bytes.first_chunk()?;
    let usual = packet.link == LinkType(1)
        && packet.fcs_bytes == 0
        && be16::<12>(head) == 0x0800
        && head[14] == 0x45
        // No further piece, and not a later one itself (RFC 791 §3.1).
        && be16::<20>(head) & 0x3fff == 0
        && head[23] == 6;
    let (total, header) = (usize::from(be16::<16>(head)), usize::from(head[46] >> 4) * 4);
    if !usual || total < IPV4 + TCP || header < TCP {
        return None;
    }
    // Never more than Wireshark believes a packet to have.
    let wire = packet.wire_len.min(i32::MAX.cast_unsigned()) as usize;
    let datagram = (wire - ETHERNET.min(wire)).min(total);
    let payload = datagram.saturating_sub(IPV4 + header) as u32;
    let kept = packet.bytes.get(..ETHERNET + datagram).unwrap_or(packet.bytes);
    let from = ETHERNET + IPV4 + header;
    let options = kept.get(HEADERS..from.min(kept.len()))?;
    let said = kept.get(from..).unwrap_or_default();
    option::read_into(options, &mut into.options);
    into.options.bytes = (header - TCP) as u8;
    let address = |ip: u32, port: u16| SocketAddr::new(IpAddr::V4(Ipv4Addr::from_bits(ip)), port);
    into.packet = packet.number;
    into.at = packet.at;
    into.src = address(be32::<26>(head), be16::<34>(head));
    into.dst = address(be32::<30>(head), be16::<36>(head));
    into.seq = Seq(be32::<38>(head));
    into.ack = Seq(be32::<42>(head));
    into.flags = Flags(be16::<46>(head) & 0x0fff);
    into.window = be16::<48>(head);
    into.payload = payload;
    into.ttl = head[22];
    into.ip_id = Some(be16::<18>(head));
    into.dont_fragment = head[20] & 0x40 != 0;
    into.vantage = Vantage::of(capture, packet.interface).and(frame_ends(head)).digest();
    into.checksum = be16::<50>(head);
    into.words = words::read(said, payload);
    Some(())
}

/// Both link-layer addresses.
#[inline]
fn frame_ends(head: &[u8; HEADERS]) -> &[u8] {
    head.first_chunk::<12>().map_or(&[], |ends| ends)
}

#[inline]
fn be16<const AT: usize>(head: &[u8; HEADERS]) -> u16 {
    const { assert!(AT + 2 <= HEADERS) }
    u16::from_be_bytes([head[AT], head[AT + 1]])
}

#[inline]
fn be32<const AT: usize>(head: &[u8; HEADERS]) -> u32 {
    const { assert!(AT + 4 <= HEADERS) }
    u32::from_be_bytes([head[AT], head[AT + 1], head[AT + 2], head[AT + 3]])
}

#[cfg(test)]
mod tests {
    use super::super::walk::Walk;
    use super::super::{Dissector, Reading, Words};
    use super::*;
    use crate::time::Moment;

    /// A frame as nearly all are, with a TLS record in it.
    fn usual() -> Vec<u8> {
        let mut frame = vec![2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 8, 0];
        frame.extend([0x45, 0, 0, 66, 1, 2, 0x40, 0, 64, 6, 9, 9, 192, 0, 2, 1, 198, 51, 100, 7]);
        frame
            .extend([0xc0, 0x80, 1, 0xbb, 1, 2, 3, 4, 5, 6, 7, 8, 0x80, 0x18, 1, 0xf6, 3, 3, 0, 0]);
        frame.extend([1, 1, 8, 10, 0, 0, 0, 9, 0, 0, 0, 7]);
        frame.extend([0x15, 3, 3, 0, 2, 1, 0, 7, 7, 7, 7, 7, 7, 7]);
        frame
    }

    fn packet(bytes: &[u8], wire_len: u32) -> Packet<'_> {
        Packet {
            number: 7,
            at: Moment::from_secs(1),
            stamped: true,
            link: LinkType(1),
            interface: 3,
            fcs_bytes: 0,
            bytes,
            wire_len,
        }
    }

    /// What the walk says, however usual the packet is.
    fn walked(packet: &Packet<'_>) -> Reading {
        let mut dissector = Dissector::new();
        Walk::new(packet, 5, &mut dissector.fragments).run()
    }

    fn agrees(packet: &Packet<'_>) -> bool {
        // Whatever stood there before.
        let mut segment = Segment { ttl: 99, ip_id: None, ..Segment::blank() };
        segment.options.mss = Some(9);
        segment.words = Some(Box::new(Words::TlsAlert { level: None, description: None }));
        let usual = read(packet, 5, &mut segment).is_some();
        if usual {
            assert_eq!(Reading::Segment(segment), walked(packet), "{packet:?}");
        }
        usual
    }

    #[test]
    fn a_usual_packet_is_read_at_once() {
        let frame = usual();
        assert!(agrees(&packet(&frame, frame.len() as u32)));
        // Nothing of it is left to the walk for being cut after its headers, or padded.
        assert!(agrees(&packet(&frame[..60], 1514)));
        let padded = [&frame[..], &[0; 20]].concat();
        assert!(agrees(&packet(&padded, padded.len() as u32)));
    }

    /// Every byte of the headers takes every value: where the quick look speaks, it says the same.
    #[test]
    fn whatever_it_reads_the_walk_reads_alike() {
        let frame = usual();
        let mut read = 0;
        for at in 0..frame.len() {
            for value in 0..=u8::MAX {
                let mut other = frame.clone();
                other[at] = value;
                for cut in [frame.len(), 75, 70, 66, 60, 54, 53] {
                    let kept = &other[..cut.min(other.len())];
                    for wire in [kept.len() as u32, 1514] {
                        read += u32::from(agrees(&packet(kept, wire)));
                    }
                }
            }
        }
        assert!(read > 100_000, "it refuses nearly everything: {read}");
    }
}
