//! What a recorder wrote, read back: the packets a scenario looks at to say what happened.

use std::net::IpAddr;

use hopclock_core::capture::{Ready, Stream};
use hopclock_core::time::Moment;
use hopclock_core::wire::{Dissector, Reading, Segment};

/// TTL of a packet of Linux, and of one that a box has passed on.
pub(crate) const FRESH: u8 = 64;
pub(crate) const PASSED_ON: u8 = 63;

/// The TCP packets of one recording.
#[derive(Debug)]
pub(crate) struct Tape {
    /// In order of time; of one interface each, as recorded.
    pub segments: Vec<Segment>,
}

impl Tape {
    /// Reads a capture.
    pub(crate) fn read(bytes: &[u8]) -> Self {
        let mut stream = Stream::new();
        let mut dissector = Dissector::new();
        let mut segments = Vec::new();
        stream.feed(bytes);
        stream.end();
        while stream.advance() == Ready::Packet {
            let Some(packet) = stream.packet() else { continue };
            if let Reading::Segment(segment) = dissector.read(&packet, packet.interface) {
                segments.push(segment);
            }
        }
        Self { segments }
    }

    /// Packets from `from` to `to` at or after `since`.
    pub(crate) fn sent(
        &self,
        from: IpAddr,
        to: IpAddr,
        since: Moment,
    ) -> impl Iterator<Item = &Segment> {
        self.segments
            .iter()
            .filter(move |s| s.src.ip() == from && s.dst.ip() == to && s.at >= since)
    }

    /// The first reset from `from` to `to` at or after `since`.
    pub(crate) fn reset(&self, from: IpAddr, to: IpAddr, since: Moment) -> Option<&Segment> {
        self.sent(from, to, since).find(|s| s.flags.rst())
    }

    /// Data segments from `from` to `to` at or after `since`.
    pub(crate) fn data(&self, from: IpAddr, to: IpAddr, since: Moment) -> usize {
        self.sent(from, to, since).filter(|s| s.payload > 0).count()
    }
}

/// What a stack without the socket answers to a segment with ACK: no ACK flag, window 0, no options
/// (RFC 9293 §3.10.7.1).
pub(crate) fn is_bare(reset: &Segment) -> bool {
    reset.flags.rst() && !reset.flags.ack() && reset.window == 0 && reset.options.bytes == 0
}

/// The reset of a live socket that is aborted: with ACK.
pub(crate) fn is_abort(reset: &Segment) -> bool {
    reset.flags.rst() && reset.flags.ack()
}

/// A packet in a few words, for checks that did not hold.
pub(crate) fn told(segment: Option<&Segment>) -> String {
    segment.map_or_else(
        || "no such packet".to_owned(),
        |s| {
            format!(
                "packet {}: {} -> {} flags {:#x} window {} options {} ttl {} payload {}",
                s.packet, s.src, s.dst, s.flags.0, s.window, s.options.bytes, s.ttl, s.payload
            )
        },
    )
}
