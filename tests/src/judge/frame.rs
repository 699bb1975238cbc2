//! IP packets as bytes, right by default and wrong on demand.

use std::net::IpAddr;

use hopclock_core::conntrack::packet::{Tuple, proto};

/// How a packet is spoiled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Spoilt {
    /// Not at all.
    No,
    /// One bit of the checksum is turned.
    Checksum,
    /// The header says it is this many words long.
    HeaderLength(u8),
    /// The transport header ends after this many bytes.
    CutTo(usize),
    /// Bytes behind the end of the IP packet.
    Padded(usize),
}

/// A TCP segment to build. The payload is zeroes.
#[derive(Clone, Debug)]
pub struct Segment {
    /// Ends.
    pub tuple: Tuple,
    /// Flags of header byte 13.
    pub flags: u8,
    /// Sequence number.
    pub seq: u32,
    /// Acknowledgement field.
    pub ack: u32,
    /// Window field.
    pub win: u16,
    /// Options as bytes; padded to words here.
    pub options: Vec<u8>,
    /// Payload bytes.
    pub len: u16,
    /// What is wrong with it.
    pub spoilt: Spoilt,
}

impl Segment {
    /// The IP packet.
    pub fn bytes(&self) -> Vec<u8> {
        let mut options = self.options.clone();
        options.truncate(40);
        while !options.len().is_multiple_of(4) {
            options.push(0);
        }
        let words = match self.spoilt {
            Spoilt::HeaderLength(words) => words & 0x0f,
            _ => 5 + (options.len() / 4) as u8,
        };
        let mut tcp = Vec::with_capacity(60);
        tcp.extend(self.tuple.sport.to_be_bytes());
        tcp.extend(self.tuple.dport.to_be_bytes());
        tcp.extend(self.seq.to_be_bytes());
        tcp.extend(self.ack.to_be_bytes());
        tcp.extend([words << 4, self.flags]);
        tcp.extend(self.win.to_be_bytes());
        tcp.extend([0; 4]);
        tcp.extend(options);
        tcp.resize(tcp.len() + usize::from(self.len), 0);
        finish(&self.tuple, tcp, 16, self.spoilt)
    }
}

/// A UDP datagram of `len` zeroes.
pub fn udp(tuple: &Tuple, len: u16, spoilt: Spoilt) -> Vec<u8> {
    let mut datagram = Vec::new();
    datagram.extend(tuple.sport.to_be_bytes());
    datagram.extend(tuple.dport.to_be_bytes());
    let told = match spoilt {
        Spoilt::HeaderLength(length) => u16::from(length),
        _ => 8 + len,
    };
    datagram.extend(told.to_be_bytes());
    datagram.extend([0; 2]);
    datagram.resize(8 + usize::from(len), 0);
    finish(tuple, datagram, 6, spoilt)
}

/// An ICMP message of the tuple's type, code and identifier; `rest` follows the first 8 bytes.
pub fn icmp(tuple: &Tuple, rest: &[u8], spoilt: Spoilt) -> Vec<u8> {
    let [kind, code] = tuple.dport.to_be_bytes();
    let mut message = vec![kind, code, 0, 0];
    message.extend(tuple.sport.to_be_bytes());
    message.extend([0, 1]);
    message.extend(rest);
    finish(tuple, message, 2, spoilt)
}

/// Sets the checksum at `at`, spoils, and puts an IP header in front.
fn finish(tuple: &Tuple, mut inner: Vec<u8>, at: usize, spoilt: Spoilt) -> Vec<u8> {
    let pseudo = if tuple.proto == proto::ICMP { 0 } else { pseudo(tuple, inner.len()) };
    let mut sum = !fold(pseudo + sum(&inner));
    if tuple.proto == proto::UDP && sum == 0 {
        sum = 0xffff;
    }
    if spoilt == Spoilt::Checksum {
        sum ^= 0x0100;
    }
    if let Some(place) = inner.get_mut(at..at + 2) {
        place.copy_from_slice(&sum.to_be_bytes());
    }
    if let Spoilt::CutTo(bytes) = spoilt {
        inner.truncate(bytes);
    }
    let mut packet = ip_header(tuple, inner.len());
    packet.extend(inner);
    if let Spoilt::Padded(bytes) = spoilt {
        packet.resize(packet.len() + bytes, 0xaa);
    }
    packet
}

/// Gives an IP packet a long life and a right header checksum.
pub fn mend(packet: &mut [u8]) {
    match packet.first().map(|b| b >> 4) {
        Some(4) => {
            let length = usize::from(packet[0] & 0x0f) * 4;
            let Some(header) = packet.get_mut(..length).filter(|h| h.len() >= 20) else { return };
            header[8] = TTL;
            header[10..12].fill(0);
            let checksum = !fold(sum(header));
            header[10..12].copy_from_slice(&checksum.to_be_bytes());
        }
        Some(_) if packet.len() > 7 => packet[7] = TTL,
        _ => {}
    }
}

const TTL: u8 = 60;

fn ip_header(tuple: &Tuple, inner: usize) -> Vec<u8> {
    match (tuple.src, tuple.dst) {
        (IpAddr::V4(src), IpAddr::V4(dst)) => {
            let mut header = vec![0x45, 0];
            header.extend(((20 + inner) as u16).to_be_bytes());
            header.extend([0, 1, 0x40, 0, TTL, tuple.proto, 0, 0]);
            header.extend(src.octets());
            header.extend(dst.octets());
            let checksum = !fold(sum(&header));
            header[10..12].copy_from_slice(&checksum.to_be_bytes());
            header
        }
        (src, dst) => {
            let mut header = vec![0x60, 0, 0, 0];
            header.extend((inner as u16).to_be_bytes());
            header.extend([tuple.proto, TTL]);
            for end in [src, dst] {
                if let IpAddr::V6(v6) = end {
                    header.extend(v6.octets());
                }
            }
            header
        }
    }
}

fn pseudo(tuple: &Tuple, length: usize) -> u64 {
    let end = |end: IpAddr| match end {
        IpAddr::V4(v4) => sum(&v4.octets()),
        IpAddr::V6(v6) => sum(&v6.octets()),
    };
    end(tuple.src) + end(tuple.dst) + u64::from(tuple.proto) + length as u64
}

fn sum(bytes: &[u8]) -> u64 {
    bytes
        .chunks(2)
        .map(|pair| u64::from(pair[0]) << 8 | u64::from(pair.get(1).copied().unwrap_or(0)))
        .sum()
}

fn fold(mut sum: u64) -> u16 {
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    sum as u16
}
