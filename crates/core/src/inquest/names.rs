//! Names of one connection: what a translating box made of its ends, told by captures that show
//! both sides and by dumps of a table.
//!
//! Two captures of one path show a connection under two pairs of ends; by these names they are one.

use super::facts::{Content, Facts};
use crate::dump::conntrack::Tuple;
use crate::flow::{CaptureReading, Finished};
use crate::wire::{Dissector, Reading};
use std::collections::BTreeMap;
use std::net::SocketAddr;

/// Client and server of a connection.
pub type Pair = (SocketAddr, SocketAddr);

/// Translating boxes one behind the other that are followed.
const BOXES_MAX: usize = 4;

/// The names of every connection that is known to have several.
#[derive(Clone, Debug, Default)]
pub struct Names(BTreeMap<Pair, Option<Pair>>);

impl Names {
    /// What the evidence tells of translations.
    pub fn of(facts: &Facts) -> Self {
        let mut names = Self::default();
        for (_, capture) in facts.captures() {
            for flow in &capture.flows {
                let own = (flow.record.client, flow.record.server);
                for other in &flow.record.also_known_as {
                    names.add((other.client, other.server), own);
                }
            }
        }
        for source in &facts.sources {
            let Content::Conntrack(entries) = &*source.content else { continue };
            for entry in entries.iter().filter(|e| e.protocol == "tcp") {
                let Some(reply) = entry.reply else { continue };
                let turned = Tuple {
                    src: reply.dst,
                    dst: reply.src,
                    sport: reply.dport,
                    dport: reply.sport,
                };
                names.add(pair(&turned), pair(&entry.original));
            }
        }
        names
    }

    fn add(&mut self, outside: Pair, inside: Pair) {
        if outside != inside {
            // A port that was given out twice is nobody's name.
            let told = self.0.entry(outside).or_insert(Some(inside));
            if told.is_some_and(|known| known != inside) {
                *told = None;
            }
        }
    }

    /// The ends as the client has them.
    pub fn inside(&self, mut pair: Pair) -> Pair {
        for _ in 0..BOXES_MAX {
            match self.0.get(&pair) {
                Some(Some(inside)) => pair = *inside,
                Some(None) | None => break,
            }
        }
        pair
    }

    /// The ends as the server has them, behind every box whose translation is known.
    pub fn outside(&self, mut pair: Pair) -> Pair {
        for _ in 0..BOXES_MAX {
            match self.0.iter().find(|(_, inside)| **inside == Some(pair)) {
                Some((outside, _)) => pair = *outside,
                None => break,
            }
        }
        pair
    }
}

/// The numbers both ends opened a connection with: no translation changes them, and no host's clock
/// enters them (RFC 9293 §3.4.1). A box that draws numbers of its own is not seen through.
pub type Mark = (u32, u32);

/// The marks of a capture's connections, by the packet that answered the opening.
#[derive(Clone, Debug, Default)]
pub struct Marks(BTreeMap<Pair, Vec<(u64, Mark)>>);

impl Marks {
    /// Of every opening that was answered.
    pub fn of(capture: &CaptureReading) -> Self {
        let mut marks = Self::default();
        let mut reader = Dissector::new();
        for packet in capture.headers.packets().filter(|p| is_answer(p.bytes)) {
            let Reading::Segment(segment) = reader.read(&packet, 0) else { continue };
            let opened = segment.ack.0.wrapping_sub(1);
            let pair = (segment.dst, segment.src);
            marks.0.entry(pair).or_default().push((packet.number, (opened, segment.seq.0)));
        }
        marks
    }

    /// The connection's own.
    pub fn of_flow(&self, flow: &Finished) -> Option<Mark> {
        let record = &flow.record;
        let own = self.0.get(&(record.client, record.server))?;
        let within = |(packet, _): &&(u64, Mark)| {
            (record.first_packet..=record.last_packet).contains(packet)
        };
        own.iter().find(within).map(|(_, mark)| *mark)
    }
}

/// Whether a packet may be the answer to an opening, by its flags alone: SYN and ACK.
fn is_answer(ip: &[u8]) -> bool {
    let header = match ip.first().map(|b| (b >> 4, usize::from(b & 0x0f) * 4)) {
        Some((4, length)) => length,
        Some((6, _)) => 40,
        _ => return false,
    };
    ip.get(header + 13).is_some_and(|flags| flags & 0x17 == 0x12)
}

fn pair(tuple: &Tuple) -> Pair {
    (SocketAddr::new(tuple.src, tuple.sport), SocketAddr::new(tuple.dst, tuple.dport))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> SocketAddr {
        text.parse().unwrap()
    }

    #[test]
    fn two_boxes_are_followed_and_a_circle_ends() {
        let server = at("198.51.100.9:443");
        let [a, b, c] = ["192.0.2.1:5000", "192.0.2.2:5000", "203.0.113.3:6000"].map(at);
        let mut names = Names::default();
        names.add((c, server), (b, server));
        names.add((b, server), (a, server));
        assert_eq!(names.inside((c, server)), (a, server));
        assert_eq!(names.inside((a, server)), (a, server));
        assert_eq!(names.outside((a, server)), (c, server));
        assert_eq!(names.outside((c, server)), (c, server));
        names.add((a, server), (c, server));
        names.inside((a, server));
        names.outside((a, server));
    }
}
