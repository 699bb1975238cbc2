//! What a recorder wrote, read back: the packets a scenario looks at to say what happened.

use std::net::{IpAddr, SocketAddr};

use hopclock_core::capture::{Ready, Stream};
use hopclock_core::time::Moment;
use hopclock_core::wire::{Dissector, Reading, Segment, Words};

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

/// A connection as a wire showed it.
#[derive(Clone, Debug)]
pub(crate) struct Wired {
    /// Who opened it, as this wire knows it.
    pub client: SocketAddr,
    /// Its SYN.
    pub opened: Moment,
    /// The last payload before a GOAWAY or the end, by either side; the SYN without any.
    pub last: Moment,
    /// GOAWAYs of HTTP/2 before it was over.
    pub away: Vec<Away>,
    /// Its first FIN or reset.
    pub over: Option<Over>,
}

/// A GOAWAY on a wire.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Away {
    pub at: Moment,
    pub by_server: bool,
    /// Its error code (RFC 9113 §7).
    pub code: u32,
    /// Its debug text.
    pub text: String,
}

/// The first FIN or reset of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Over {
    pub at: Moment,
    pub by_server: bool,
    pub reset: bool,
}

impl Wired {
    /// Seconds from the SYN to the first FIN or reset.
    pub(crate) fn age(&self) -> Option<f64> {
        Some(self.over?.at.since(self.opened).secs_f64())
    }

    /// Seconds from the last payload before the first GOAWAY to that.
    pub(crate) fn announced_after(&self) -> Option<f64> {
        Some(self.away.first()?.at.since(self.last).secs_f64())
    }

    fn hears(&mut self, segment: &Segment) {
        if self.over.is_some() {
            return;
        }
        let by_server = segment.src != self.client;
        if let Some(Words::Http2GoAway { code, text }) = segment.words.as_deref() {
            let (at, code, text) = (segment.at, *code, text.clone());
            self.away.push(Away { at, by_server, code, text });
        } else if segment.payload > 0 && self.away.is_empty() {
            self.last = segment.at;
        }
        if segment.flags.fin() || segment.flags.rst() {
            let reset = segment.flags.rst();
            self.over = Some(Over { at: segment.at, by_server, reset });
        }
    }
}

impl Tape {
    /// Every connection to `server` whose SYN was seen, in order.
    pub(crate) fn connections(&self, server: SocketAddr) -> Vec<Wired> {
        let mut all: Vec<Wired> = Vec::new();
        for segment in &self.segments {
            let (client, opens) = match (segment.src == server, segment.dst == server) {
                (true, _) => (segment.dst, false),
                (_, true) => (segment.src, segment.flags.syn()),
                (false, false) => continue,
            };
            let known = all.iter_mut().rev().find(|wired| wired.client == client);
            match known {
                Some(wired) if !(opens && wired.over.is_some()) => wired.hears(segment),
                _ if opens => {
                    let (opened, last, away) = (segment.at, segment.at, Vec::new());
                    all.push(Wired { client, opened, last, away, over: None });
                }
                _ => {}
            }
        }
        all
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
