//! Packets made for tests: TCP in IP in whatever carries it, and a pcapng with an interface a link
//! type. The bytes are put together here and not by hopclock, so that a mistake shows.

/// A dice without a clock: splitmix64.
#[derive(Clone, Debug)]
pub struct Dice(pub u64);

impl Dice {
    /// The next number.
    pub fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `end`, which must not be zero.
    pub fn below(&mut self, end: u64) -> u64 {
        self.roll() % end
    }
}

/// A segment to be put into packets.
#[derive(Clone, Debug)]
pub struct Tcp {
    /// Sender's port.
    pub src: u16,
    /// Receiver's port.
    pub dst: u16,
    /// Sequence number.
    pub seq: u32,
    /// Acknowledgement.
    pub ack: u32,
    /// Flags.
    pub flags: u8,
    /// Window.
    pub window: u16,
    /// Options, padded here to four.
    pub options: Vec<u8>,
    /// Payload.
    pub payload: Vec<u8>,
}

impl Tcp {
    /// Its bytes; the checksum is left zero.
    pub fn bytes(&self) -> Vec<u8> {
        let mut options = self.options.clone();
        options.resize(options.len().next_multiple_of(4), 1);
        let words = 5 + options.len() / 4;
        let mut out = Vec::new();
        out.extend(self.src.to_be_bytes());
        out.extend(self.dst.to_be_bytes());
        out.extend(self.seq.to_be_bytes());
        out.extend(self.ack.to_be_bytes());
        out.extend([(words << 4) as u8, self.flags]);
        out.extend(self.window.to_be_bytes());
        out.extend([0; 4]);
        out.extend(options);
        out.extend(&self.payload);
        out
    }
}

/// An IPv4 datagram; `place` is the field of flags and fragment offset.
pub fn ipv4(ends: [[u8; 4]; 2], protocol: u8, (id, place): (u16, u16), payload: &[u8]) -> Vec<u8> {
    let total = 20 + payload.len() as u16;
    let mut out = vec![0x45, 0];
    out.extend(total.to_be_bytes());
    out.extend(id.to_be_bytes());
    out.extend(place.to_be_bytes());
    out.extend([61, protocol, 0, 0]);
    out.extend(ends[0]);
    out.extend(ends[1]);
    let sum: u32 = out.chunks(2).map(|c| u32::from(c[0]) << 8 | u32::from(c[1])).sum();
    let sum = !((sum & 0xffff) + (sum >> 16)) as u16;
    out[10..12].copy_from_slice(&sum.to_be_bytes());
    out.extend(payload);
    out
}

/// An IPv6 packet.
pub fn ipv6(ends: [[u8; 16]; 2], next: u8, payload: &[u8]) -> Vec<u8> {
    let mut out = vec![0x60, 0, 0, 0];
    out.extend((payload.len() as u16).to_be_bytes());
    out.extend([next, 60]);
    out.extend(ends[0]);
    out.extend(ends[1]);
    out.extend(payload);
    out
}

/// A UDP datagram.
pub fn udp(src: u16, dst: u16, payload: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    out.extend(src.to_be_bytes());
    out.extend(dst.to_be_bytes());
    out.extend((8 + payload.len() as u16).to_be_bytes());
    out.extend([0, 0]);
    out.extend(payload);
    out
}

/// An Ethernet frame.
pub fn ethernet(kind: u16, payload: &[u8]) -> Vec<u8> {
    let mut out = vec![2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2];
    out.extend(kind.to_be_bytes());
    out.extend(payload);
    out
}

/// A pcapng in the making, one interface for each link type that is used.
#[derive(Clone, Debug)]
pub struct Pcapng {
    bytes: Vec<u8>,
    links: Vec<u16>,
    packets: u64,
}

impl Default for Pcapng {
    fn default() -> Self {
        let mut new = Self { bytes: Vec::new(), links: Vec::new(), packets: 0 };
        let mut body = 0x1a2b_3c4d_u32.to_le_bytes().to_vec();
        body.extend([1, 0, 0, 0]);
        body.extend([0xff; 8]);
        new.block(0x0a0d_0d0a, &body);
        new
    }
}

impl Pcapng {
    fn block(&mut self, kind: u32, body: &[u8]) {
        let padded = body.len().next_multiple_of(4);
        let whole = (padded as u32 + 12).to_le_bytes();
        self.bytes.extend(kind.to_le_bytes());
        self.bytes.extend(whole);
        self.bytes.extend(body);
        self.bytes.resize(self.bytes.len() + padded - body.len(), 0);
        self.bytes.extend(whole);
    }

    /// Adds a packet a millisecond after the last, of which `kept` bytes are kept. Gives its
    /// number.
    pub fn packet(&mut self, link: u16, bytes: &[u8], kept: usize) -> u64 {
        let interface = match self.links.iter().position(|known| *known == link) {
            Some(at) => at,
            None => {
                let mut body = link.to_le_bytes().to_vec();
                body.extend([0; 6]);
                self.block(1, &body);
                self.links.push(link);
                self.links.len() - 1
            }
        };
        self.packets += 1;
        let kept = &bytes[..kept.min(bytes.len())];
        let at = 1_700_000_000_000_000 + self.packets * 1000;
        let mut body = (interface as u32).to_le_bytes().to_vec();
        body.extend(((at >> 32) as u32).to_le_bytes());
        body.extend((at as u32).to_le_bytes());
        body.extend((kept.len() as u32).to_le_bytes());
        body.extend((bytes.len() as u32).to_le_bytes());
        body.extend(kept);
        self.block(6, &body);
        self.packets
    }

    /// Adds an interface's statistics: packets dropped by it and by the operating system so far.
    pub fn statistics(&mut self, interface: u32, dropped: u64, by_system: u64) {
        let mut body = interface.to_le_bytes().to_vec();
        body.extend([0; 8]);
        for (code, count) in [(5_u16, dropped), (7, by_system)] {
            body.extend(code.to_le_bytes());
            body.extend(8_u16.to_le_bytes());
            body.extend(count.to_le_bytes());
        }
        body.extend([0; 4]);
        self.block(5, &body);
    }

    /// The file.
    pub fn finish(self) -> Vec<u8> {
        self.bytes
    }
}
