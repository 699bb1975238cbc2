//! Segments as IP packets and Ethernet frames, with the checksums a real stack would give them.

use super::EndPoint;
use std::net::{IpAddr, SocketAddr};

/// Done sending.
pub const FIN: u8 = 0x01;
/// Opens.
pub const SYN: u8 = 0x02;
/// Ends at once.
pub const RST: u8 = 0x04;
/// Hand over now.
pub const PSH: u8 = 0x08;
/// The acknowledgement counts.
pub const ACK: u8 = 0x10;

/// A segment with its numbers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Segment {
    /// Sequence number.
    pub seq: u32,
    /// Acknowledgement field.
    pub ack: u32,
    /// Flags of header byte 13.
    pub flags: u8,
    /// Window field, unscaled.
    pub window: u16,
    /// Bytes of payload.
    pub len: u32,
    /// Identification; IPv6 has none.
    pub ip_id: u16,
    /// Value of the timestamps option; `None` leaves it out.
    pub timestamp: Option<u32>,
}

/// The frame of a segment from one end to the other.
pub(super) fn ethernet(segment: &Segment, from: &EndPoint, to: &EndPoint) -> Vec<u8> {
    // Locally administered addresses that say which end they are.
    let mac = |p: &EndPoint| [0x02, 0, 0, 0, 0, (p.addr.port() % 251) as u8];
    let kind = if from.addr.is_ipv4() { [0x08, 0x00] } else { [0x86, 0xdd] };
    [&mac(to)[..], &mac(from), &kind, &ip(segment, (from.addr, from.ttl), to.addr)].concat()
}

/// The IP packet of a segment from an end, with this TTL, to the other; both of one family.
pub fn ip(segment: &Segment, (from, ttl): (SocketAddr, u8), to: SocketAddr) -> Vec<u8> {
    let tcp = tcp(segment, from, to);
    let mut packet = Vec::with_capacity(tcp.len() + 40);
    match (from.ip(), to.ip()) {
        (IpAddr::V4(src), IpAddr::V4(dst)) => {
            packet.extend_from_slice(&[0x45, 0]);
            packet.extend_from_slice(&((tcp.len() + 20) as u16).to_be_bytes());
            packet.extend_from_slice(&segment.ip_id.to_be_bytes());
            packet.extend_from_slice(&[0x40, 0, ttl, 6, 0, 0]);
            packet.extend_from_slice(&src.octets());
            packet.extend_from_slice(&dst.octets());
            let sum = checksum(&packet, 0).to_be_bytes();
            packet.splice(10..12, sum);
        }
        (src, dst) => {
            packet.extend_from_slice(&[0x60, 0, 0, 0]);
            packet.extend_from_slice(&(tcp.len() as u16).to_be_bytes());
            packet.extend_from_slice(&[6, ttl]);
            packet.extend_from_slice(&octets(src));
            packet.extend_from_slice(&octets(dst));
        }
    }
    packet.extend_from_slice(&tcp);
    packet
}

fn octets(ip: IpAddr) -> Vec<u8> {
    match ip {
        IpAddr::V4(v4) => v4.octets().to_vec(),
        IpAddr::V6(v6) => v6.octets().to_vec(),
    }
}

fn tcp(segment: &Segment, from: SocketAddr, to: SocketAddr) -> Vec<u8> {
    let mut options = Vec::new();
    if let Some(value) = segment.timestamp {
        options.extend_from_slice(&[1, 1, 8, 10]);
        options.extend_from_slice(&value.to_be_bytes());
        // The echo is the other end's clock; a story has one clock for both.
        options.extend_from_slice(&value.to_be_bytes());
    }
    let mut tcp = Vec::with_capacity(20 + options.len() + segment.len as usize);
    tcp.extend_from_slice(&from.port().to_be_bytes());
    tcp.extend_from_slice(&to.port().to_be_bytes());
    tcp.extend_from_slice(&segment.seq.to_be_bytes());
    tcp.extend_from_slice(&segment.ack.to_be_bytes());
    tcp.push(((5 + options.len() / 4) << 4) as u8);
    tcp.push(segment.flags);
    tcp.extend_from_slice(&segment.window.to_be_bytes());
    tcp.extend_from_slice(&[0, 0, 0, 0]);
    tcp.extend_from_slice(&options);
    // Payload that looks like nothing: a TLS application record's first bytes, then zeros.
    let payload = [0x17, 0x03, 0x03, (segment.len >> 8) as u8, segment.len as u8];
    tcp.extend((0..segment.len as usize).map(|i| payload.get(i).copied().unwrap_or(0)));
    let mut pseudo = octets(from.ip());
    pseudo.extend(octets(to.ip()));
    pseudo.extend_from_slice(&[0, 6]);
    pseudo.extend_from_slice(&(tcp.len() as u16).to_be_bytes());
    let sum = checksum(&tcp, u32::from(!checksum(&pseudo, 0))).to_be_bytes();
    tcp.splice(16..18, sum);
    tcp
}

/// The Internet checksum (RFC 1071) over `bytes`, beginning with a partial sum.
fn checksum(bytes: &[u8], partial: u32) -> u16 {
    let mut sum = partial;
    for pair in bytes.chunks(2) {
        let word = match pair {
            [hi, lo] => u16::from_be_bytes([*hi, *lo]),
            [hi] => u16::from_be_bytes([*hi, 0]),
            _ => 0,
        };
        sum += u32::from(word);
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !(sum as u16)
}
