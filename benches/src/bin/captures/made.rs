//! Captures of any size, the same every time: so many connections open at once, each opening,
//! talking both ways and closing, their packets in a random order, cut after 96 bytes.
//!
//! What is made is plain and right: checksums hold, windows are kept, nothing is lost, payload is a
//! TLS record that says nothing. A bench of odd packets would measure what odd packets cost.

use std::io::{self, Write};

/// How much of a packet is kept, where not all of it is.
const CUT: usize = 96;
/// What tcpdump writes for all of it.
const FULL: usize = 262_144;
/// Payload of a packet of 1.4 kB, with 20 bytes of IPv4 and 32 of TCP.
const FULL_PAYLOAD: u16 = 1348;
/// Magic of a pcap file with nanoseconds, little-endian as written here.
const MAGIC: u32 = 0xa1b2_3c4d;
const ETHERNET: u32 = 1;
const BEGINS_S: u64 = 1_715_310_862;
/// Between two packets.
const STEP_NS: u64 = 10_000;

const FIN: u8 = 0x01;
const SYN: u8 = 0x02;
const PSH: u8 = 0x08;
const ACK: u8 = 0x10;

/// What a capture holds.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    /// Packets.
    pub packets: u64,
    /// Connections open at once.
    pub flows: u32,
    /// Whole packets of 1.4 kB, rather than headers of packets of all sizes.
    pub full: bool,
}

impl Plan {
    /// As captures of busy boxes are: headers of packets of all sizes.
    pub const fn cut(packets: u64, flows: u32) -> Self {
        Self { packets, flows, full: false }
    }

    /// How much of a packet is kept.
    const fn kept(self) -> usize {
        if self.full { FULL } else { CUT }
    }
}

/// One connection and how far it has got.
#[derive(Clone, Copy, Debug, Default)]
struct Flow {
    number: u32,
    /// How often its ports were used up.
    generation: u32,
    step: u32,
    /// Steps of talk.
    talk: u32,
    /// Next sequence number of client and server.
    seq: [u32; 2],
}

/// A segment to be written.
struct Segment {
    up: bool,
    flags: u8,
    payload: u16,
}

/// Writes the capture.
///
/// # Errors
///
/// What the writer says.
pub fn write(plan: Plan, out: &mut dyn Write) -> io::Result<()> {
    for word in [MAGIC, 0x0004_0002, 0, 0, plan.kept() as u32, ETHERNET] {
        out.write_all(&word.to_le_bytes())?;
    }
    let mut random = Random(0x9e37_79b9_7f4a_7c15);
    let mut flows: Vec<Flow> = (0..plan.flows).map(Flow::begin).collect();
    let mut frame = Vec::with_capacity(2048);
    for n in 0..plan.packets {
        let at = random.below(plan.flows) as usize;
        let Some(flow) = flows.get_mut(at) else { continue };
        let segment = flow.next(plan.full, &mut random);
        let wire = flow.frame(&segment, n, plan.kept(), &mut frame);
        flow.advance(&segment);
        let (ns, kept) = (n * STEP_NS, frame.len().min(plan.kept()));
        let second = BEGINS_S + ns / 1_000_000_000;
        for word in [second as u32, (ns % 1_000_000_000) as u32, kept as u32, wire] {
            out.write_all(&word.to_le_bytes())?;
        }
        out.write_all(frame.get(..kept).unwrap_or_default())?;
    }
    out.flush()
}

impl Flow {
    fn begin(number: u32) -> Self {
        // Lives of different lengths, so that connections do not end together.
        let talk = 200 + number.wrapping_mul(2_654_435_761) % 400;
        let seq = [number.wrapping_mul(77), number.wrapping_mul(99_991)];
        Self { number, talk, seq, ..Self::default() }
    }

    fn next(&self, full: bool, random: &mut Random) -> Segment {
        let (up, flags) = match self.step {
            0 => (true, SYN),
            1 => (false, SYN | ACK),
            2 => (true, ACK),
            step if step < 3 + self.talk && full => (step % 2 == 1, PSH | ACK),
            step if step < 3 + self.talk => match step % 4 {
                // A request and its acknowledgement, an answer and its own.
                3 => (true, PSH | ACK),
                0 => (false, ACK),
                1 => (false, PSH | ACK),
                _ => (true, ACK),
            },
            step => match step - 3 - self.talk {
                0 => (true, FIN | ACK),
                1 => (false, ACK),
                2 => (false, FIN | ACK),
                _ => (true, ACK),
            },
        };
        let payload = match flags & PSH != 0 {
            true if full => FULL_PAYLOAD,
            true => 50 + random.below(1350) as u16,
            false => 0,
        };
        Segment { up, flags, payload }
    }

    fn advance(&mut self, segment: &Segment) {
        let counts = u32::from(segment.flags & (SYN | FIN) != 0);
        let [client, server] = &mut self.seq;
        let own = if segment.up { client } else { server };
        *own = own.wrapping_add(u32::from(segment.payload) + counts);
        self.step += 1;
        if self.step >= 3 + self.talk + 4 {
            self.step = 0;
            self.generation += 1;
        }
    }

    /// The frame as far as headers and what is kept of the payload; its length on the wire.
    fn frame(&self, segment: &Segment, n: u64, kept: usize, frame: &mut Vec<u8>) -> u32 {
        let opening = segment.flags & SYN != 0;
        let header: usize = if opening { 40 } else { 32 };
        let total = 20 + header + usize::from(segment.payload);
        frame.clear();
        let macs = if segment.up { [2, 1, 2, 2] } else { [2, 2, 2, 1] };
        let [a, b, c, d] = macs;
        frame.extend([a, 0, 0, 0, 0, b, c, 0, 0, 0, 0, d, 8, 0]);
        frame.extend([0x45, 0]);
        frame.extend((total as u16).to_be_bytes());
        frame.extend((n as u16).to_be_bytes());
        frame.extend([0x40, 0, if segment.up { 64 } else { 57 }, 6, 0, 0]);
        let [_, x, y, z] = self.number.to_be_bytes();
        let port = (10_000 + (self.number + self.generation * 7) % 50_000) as u16;
        let (client, server) = ([10, x, y, z], [198, 51, 100, 20]);
        let (from, to) = if segment.up { (client, server) } else { (server, client) };
        frame.extend(from);
        frame.extend(to);
        let (sport, dport) = if segment.up { (port, 443) } else { (443, port) };
        frame.extend(sport.to_be_bytes());
        frame.extend(dport.to_be_bytes());
        let [client, server] = self.seq;
        let (seq, ack) = if segment.up { (client, server) } else { (server, client) };
        let ack = if segment.flags & ACK != 0 { ack } else { 0 };
        frame.extend(seq.to_be_bytes());
        frame.extend(ack.to_be_bytes());
        frame.extend([(header as u8 / 4) << 4, segment.flags, 0x01, 0xf6, 0, 0, 0, 0]);
        if opening {
            frame.extend([2, 4, 5, 180, 4, 2]);
        } else {
            frame.extend([1, 1]);
        }
        frame.extend([8, 10]);
        frame.extend((n as u32 / 100).to_be_bytes());
        frame.extend((n as u32 / 100).wrapping_sub(1).to_be_bytes());
        if opening {
            frame.extend([1, 3, 3, 7]);
        }
        record(usize::from(segment.payload), n, kept, frame);
        mend(frame, total);
        14 + total as u32
    }
}

/// Appends a payload as far as it is kept: a TLS record of application data (RFC 8446 §5.1), which
/// looks like noise and cannot be packed. What is cut off is zeroes.
fn record(payload: usize, n: u64, kept: usize, frame: &mut Vec<u8>) {
    let Some(length) = payload.checked_sub(5) else { return };
    let end = (frame.len() + payload).min(kept);
    frame.extend([0x17, 3, 3]);
    frame.extend((length as u16).to_be_bytes());
    let mut word = n.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    while frame.len() < end {
        word = word.wrapping_mul(0xd134_2543_de82_ef95);
        frame.extend((word ^ (word >> 32)).to_le_bytes());
    }
    frame.truncate(end);
}

/// Writes both checksums; what was cut off is zeroes and adds nothing.
fn mend(frame: &mut [u8], total: usize) {
    let sum = |bytes: &[u8]| -> u32 {
        let pairs = bytes.chunks(2);
        pairs
            .map(|p| {
                u32::from(p.first().copied().unwrap_or(0)) << 8
                    | u32::from(p.get(1).copied().unwrap_or(0))
            })
            .sum()
    };
    let fold = |sum: u32| !(((sum & 0xffff) + (sum >> 16)) as u16);
    let ip = fold(sum(frame.get(14..34).unwrap_or_default()));
    let pseudo = sum(frame.get(26..34).unwrap_or_default()) + 6 + (total as u32 - 20);
    let mut tcp = pseudo + sum(frame.get(34..).unwrap_or_default());
    tcp = (tcp & 0xffff) + (tcp >> 16);
    for (at, value) in [(24, ip), (50, fold(tcp))] {
        if let Some(place) = frame.get_mut(at..at + 2) {
            place.copy_from_slice(&value.to_be_bytes());
        }
    }
}

/// xorshift64*: the same sequence on every machine.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: u32) -> u32 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        let word = self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 32;
        ((word * u64::from(limit)) >> 32) as u32
    }
}
