//! Writing a capture into memory: pcapng with one interface, nanoseconds, and comments that say
//! where it is from. For told stories and tests; it refuses nothing and keeps everything it is
//! given.

use super::LinkType;
use crate::time::Moment;

const LITTLE_MAGIC: [u8; 4] = 0x1a2b_3c4d_u32.to_le_bytes();

/// A pcapng file in the making: one section, one interface, packets in the order they are written.
#[derive(Clone, Debug)]
pub struct Writer {
    bytes: Vec<u8>,
}

impl Writer {
    /// Begins a file. `comment` stands at the section, where Wireshark shows it first; `made_by` is
    /// the program that made it.
    pub fn new(link: LinkType, comment: &str, made_by: &str) -> Self {
        let mut section = Vec::new();
        section.extend_from_slice(&LITTLE_MAGIC);
        section.extend_from_slice(&1_u16.to_le_bytes());
        section.extend_from_slice(&0_u16.to_le_bytes());
        section.extend_from_slice(&(-1_i64).to_le_bytes());
        option(&mut section, 1, comment.as_bytes());
        option(&mut section, 4, made_by.as_bytes());
        option(&mut section, 0, &[]);
        let mut interface = Vec::new();
        interface.extend_from_slice(&link.0.to_le_bytes());
        interface.extend_from_slice(&[0; 2]);
        interface.extend_from_slice(&0_u32.to_le_bytes());
        option(&mut interface, 9, &[9]);
        option(&mut interface, 0, &[]);
        let mut writer = Self { bytes: Vec::new() };
        writer.block(0x0a0d_0d0a, &section);
        writer.block(1, &interface);
        writer
    }

    /// Adds a packet of which everything was kept.
    pub fn packet(&mut self, at: Moment, bytes: &[u8]) {
        self.cut_packet(at, bytes, bytes.len() as u32);
    }

    /// Adds a packet of which only `bytes` of `wire_len` were kept. Moments before 1970 cannot be
    /// written and become 1970.
    pub fn cut_packet(&mut self, at: Moment, bytes: &[u8], wire_len: u32) {
        let ns = at.ns().max(0).cast_unsigned();
        let mut body = Vec::with_capacity(bytes.len() + 24);
        body.extend_from_slice(&0_u32.to_le_bytes());
        body.extend_from_slice(&((ns >> 32) as u32).to_le_bytes());
        body.extend_from_slice(&(ns as u32).to_le_bytes());
        body.extend_from_slice(&(bytes.len() as u32).to_le_bytes());
        body.extend_from_slice(&wire_len.to_le_bytes());
        body.extend_from_slice(bytes);
        pad(&mut body);
        self.block(6, &body);
    }

    /// The file.
    pub fn finish(self) -> Vec<u8> {
        self.bytes
    }

    fn block(&mut self, kind: u32, body: &[u8]) {
        let whole = (body.len() as u32 + 12).to_le_bytes();
        self.bytes.extend_from_slice(&kind.to_le_bytes());
        self.bytes.extend_from_slice(&whole);
        self.bytes.extend_from_slice(body);
        self.bytes.extend_from_slice(&whole);
    }
}

fn option(body: &mut Vec<u8>, code: u16, value: &[u8]) {
    let value = value.get(..usize::from(u16::MAX)).unwrap_or(value);
    body.extend_from_slice(&code.to_le_bytes());
    body.extend_from_slice(&(value.len() as u16).to_le_bytes());
    body.extend_from_slice(value);
    pad(body);
}

fn pad(body: &mut Vec<u8>) {
    body.resize(body.len().next_multiple_of(4), 0);
}
