//! Writing a capture into memory: pcapng with nanoseconds, and comments that say where it is from.
//! For told stories, recorders and tests; it refuses nothing and keeps everything it is given.

use super::LinkType;
use crate::time::Moment;

const LITTLE_MAGIC: [u8; 4] = 0x1a2b_3c4d_u32.to_le_bytes();

/// A pcapng file in the making: one section, packets in the order they are written. What was
/// written is whole blocks at any time.
#[derive(Clone, Debug)]
pub struct Writer {
    bytes: Vec<u8>,
}

impl Writer {
    /// Begins a file with one interface without a name. `comment` stands at the section, where
    /// Wireshark shows it first; `made_by` is the program that made it.
    pub fn new(link: LinkType, comment: &str, made_by: &str) -> Self {
        let mut writer = Self::section(comment, made_by);
        writer.interface(link, "", 0);
        writer
    }

    /// Begins a file that has no interface yet.
    pub fn section(comment: &str, made_by: &str) -> Self {
        let mut section = Vec::new();
        section.extend_from_slice(&LITTLE_MAGIC);
        section.extend_from_slice(&1_u16.to_le_bytes());
        section.extend_from_slice(&0_u16.to_le_bytes());
        section.extend_from_slice(&(-1_i64).to_le_bytes());
        option(&mut section, 1, comment.as_bytes());
        option(&mut section, 4, made_by.as_bytes());
        option(&mut section, 0, &[]);
        let mut writer = Self { bytes: Vec::new() };
        writer.block(0x0a0d_0d0a, &section);
        writer
    }

    /// Adds an interface; the first is number 0. `snaplen` is in bytes, 0 without a limit.
    pub fn interface(&mut self, link: LinkType, name: &str, snaplen: u32) {
        let mut interface = Vec::new();
        interface.extend_from_slice(&link.0.to_le_bytes());
        interface.extend_from_slice(&[0; 2]);
        interface.extend_from_slice(&snaplen.to_le_bytes());
        if !name.is_empty() {
            option(&mut interface, 2, name.as_bytes());
        }
        option(&mut interface, 9, &[9]);
        option(&mut interface, 0, &[]);
        self.block(1, &interface);
    }

    /// Adds a packet of the first interface of which everything was kept.
    pub fn packet(&mut self, at: Moment, bytes: &[u8]) {
        self.cut_packet(at, bytes, bytes.len() as u32);
    }

    /// Adds a packet of the first interface of which only `bytes` of `wire_len` were kept.
    pub fn cut_packet(&mut self, at: Moment, bytes: &[u8], wire_len: u32) {
        self.packet_of(0, at, bytes, wire_len);
    }

    /// Adds a packet of interface `number` of which `bytes` of `wire_len` were kept. Moments before
    /// 1970 cannot be written and become 1970.
    pub fn packet_of(&mut self, number: u32, at: Moment, bytes: &[u8], wire_len: u32) {
        let ns = at.ns().max(0).cast_unsigned();
        let mut body = Vec::with_capacity(bytes.len() + 24);
        body.extend_from_slice(&number.to_le_bytes());
        body.extend_from_slice(&((ns >> 32) as u32).to_le_bytes());
        body.extend_from_slice(&(ns as u32).to_le_bytes());
        body.extend_from_slice(&(bytes.len() as u32).to_le_bytes());
        body.extend_from_slice(&wire_len.to_le_bytes());
        body.extend_from_slice(bytes);
        pad(&mut body);
        self.block(6, &body);
    }

    /// What was written since this was last asked, for a file that is written as it comes.
    pub fn take(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.bytes)
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
