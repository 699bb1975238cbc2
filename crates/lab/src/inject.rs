//! Segments that no socket sent, from a machine's own address: what a late duplicate, a broken
//! stack or a forger puts on the wire.

use std::net::SocketAddr;

use hopclock_core::story::frame;
use hopclock_core::wire::Segment;
use socket2::{Domain, Protocol, SockAddr, Socket, Type};

use crate::net::Host;
use crate::tape::{FRESH, Tape};
use crate::trouble::Trouble;

/// Of the two raw protocols the one that takes whole packets (raw(7)).
const WHOLE_PACKETS: i32 = 255;

/// Where one direction of a connection stands, as a wire showed it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Standing {
    /// Who sends.
    pub from: SocketAddr,
    /// Who receives.
    pub to: SocketAddr,
    /// Its next sequence number.
    pub next: u32,
    /// What it has acknowledged last.
    pub ack: u32,
    /// One more than the receiver has room for, at the most it ever offered.
    pub window_end: u32,
    /// The largest window the receiver offered, in bytes.
    pub window: u32,
}

impl Standing {
    /// Of the direction whose packets go `from` … `to`, from all its packets and the answers.
    pub(crate) fn of(tape: &Tape, from: SocketAddr, to: SocketAddr) -> Option<Self> {
        let way = |a: SocketAddr, b: SocketAddr| move |s: &&Segment| s.src == a && s.dst == b;
        let last = tape.segments.iter().rfind(way(from, to))?;
        let answers = || tape.segments.iter().filter(way(to, from));
        let scale = answers().find_map(|s| s.options.window_scale).unwrap_or(0);
        let latest = answers().next_back()?;
        let window = |s: &Segment| {
            if s.flags.syn() { u32::from(s.window) } else { u32::from(s.window) << scale }
        };
        let offered = answers().map(window).max()?;
        Some(Self {
            from,
            to,
            next: last.end().0,
            ack: last.ack.0,
            window_end: latest.ack.0.wrapping_add(window(latest)),
            window: offered,
        })
    }

    /// Sends a data segment of `len` bytes at `seq` as if the sender had.
    pub(crate) fn inject(&self, host: &Host, seq: u32, len: u32) -> Result<(), Trouble> {
        let segment = frame::Segment {
            seq,
            ack: self.ack,
            flags: frame::ACK | frame::PSH,
            window: 501,
            len,
            ..frame::Segment::default()
        };
        self.put(host, &segment, FRESH)
    }

    /// Sends a bare reset at `seq` with this TTL as if the sender had.
    pub(crate) fn reset(&self, host: &Host, seq: u32, ttl: u8) -> Result<(), Trouble> {
        let segment = frame::Segment { seq, flags: frame::RST, ..frame::Segment::default() };
        self.put(host, &segment, ttl)
    }

    fn put(&self, host: &Host, segment: &frame::Segment, ttl: u8) -> Result<(), Trouble> {
        let packet = frame::ip(segment, (self.from, ttl), self.to);
        host.run("sending a raw packet", || {
            let protocol = Some(Protocol::from(WHOLE_PACKETS));
            let socket = Socket::new(Domain::for_address(self.to), Type::RAW, protocol)?;
            // A raw socket has no port; IPv6 refuses one.
            let to = SockAddr::from(SocketAddr::new(self.to.ip(), 0));
            socket.send_to(&packet, &to).map(|_| ())
        })
    }
}
