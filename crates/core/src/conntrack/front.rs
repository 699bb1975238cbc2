//! What stands before a table: from captured packets to packets as they arrive at the box.
//!
//! A packet seen at several places passes once, and a copy that leaves translated passes as it
//! arrived or, where its arrival was captured, not at all. No verdict is passed here.

use std::collections::HashMap;
use std::hash::Hasher;

use super::hash::{Fold, Quick};
use super::packet::{Checksum, Packet, Tuple};
use super::reach::Translation;
use super::read::{Unreadable, read};
use crate::capture::{self, LinkType};
use crate::time::{Gap, Moment};
use crate::wire::ip_packet;

/// Sightings of one packet are no further apart; a power of two of them is remembered.
const APART_MAX: Gap = Gap::from_millis(500);
const SIGHTINGS: usize = 4096;

/// What became of the packets that were read.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Tally {
    /// Packets of the capture.
    pub packets: u64,
    /// Judged by the table.
    pub judged: u64,
    /// Without IP.
    pub not_ip: u64,
    /// Fragments.
    pub fragments: u64,
    /// Too little kept of their headers.
    pub cut_short: u64,
    /// Seen before at another place.
    pub seen_again: u64,
    /// Copies that leave translated.
    pub leaving: u64,
    /// Wrong transport checksums, not held against the packets.
    pub bad_checksums: u64,
    /// TCP flows whose first packet is no SYN.
    pub midstream: u64,
    /// Stamped earlier than the packet before, and taken as simultaneous with it.
    pub backwards: u64,
    /// INVALID.
    pub invalid: u64,
    /// Passed without effect.
    pub ignored: u64,
}

/// Reads packets and knows which of them to judge.
#[derive(Clone, Debug)]
pub(super) struct Front {
    /// As translated flows leave, to as they arrive.
    leaving: HashMap<Tuple, Tuple, Quick>,
    /// Tuples that more than one translated flow leaves with.
    copies: HashMap<Tuple, (), Quick>,
    /// Tuples as translated flows arrive, and whether the capture shows them doing so.
    arriving: HashMap<Tuple, bool, Quick>,
    /// How answers of translated flows arrive, to their original direction.
    answers: HashMap<Tuple, Tuple, Quick>,
    /// The same the other way round.
    replies: HashMap<Tuple, Tuple, Quick>,
    sightings: Box<[Sighting]>,
    /// Wrong checksums count.
    pub(super) verify_checksums: bool,
    pub(super) tally: Tally,
    last: Option<Moment>,
}

#[derive(Clone, Copy, Debug)]
struct Sighting {
    digest: u64,
    place: u64,
    at: Moment,
}

impl Front {
    pub(super) fn new() -> Self {
        let never = Sighting { digest: 0, place: 0, at: Moment::from_ns(i64::MIN) };
        Self {
            leaving: HashMap::default(),
            copies: HashMap::default(),
            arriving: HashMap::default(),
            answers: HashMap::default(),
            replies: HashMap::default(),
            sightings: vec![never; SIGHTINGS].into_boxed_slice(),
            verify_checksums: false,
            tally: Tally::default(),
            last: None,
        }
    }

    /// Makes a translation known; false if there is none.
    pub(super) fn translate(&mut self, original: Tuple, reply: Tuple) -> bool {
        let (Some(back), Some(out)) = (original.inverse(), reply.inverse()) else { return false };
        if back == reply {
            return false;
        }
        // Ends that several flows left with in turn: such a packet is one's copy, whosever it is.
        if self.leaving.insert(out, original).is_some_and(|other| other != original) {
            self.copies.insert(out, ());
        }
        self.leaving.insert(back, reply);
        self.arriving.insert(original, false);
        self.arriving.insert(reply, false);
        self.answers.insert(reply, original);
        self.replies.insert(original, reply);
        true
    }

    /// The same for a connection whose first packet was seen arriving.
    pub(super) fn translate_arrived(&mut self, original: Tuple, reply: Tuple) {
        if self.translate(original, reply) {
            self.arriving.insert(original, true);
        }
    }

    /// Whether a translation is known under which such a packet arrives.
    pub(super) fn knows(&self, tuple: &Tuple) -> bool {
        self.arriving.contains_key(tuple)
    }

    /// One tuple for both directions of the flow that a packet arriving as `tuple` belongs to.
    pub(super) fn flow(&self, tuple: &Tuple) -> Tuple {
        flow_of(self.answers.get(tuple).unwrap_or(tuple))
    }

    /// How the flow of that name is translated, as far as is known.
    pub(super) fn translation(&self, flow: &Tuple) -> Option<Translation> {
        let turned = flow.inverse()?;
        [*flow, turned].into_iter().find_map(|original| {
            let reply = *self.replies.get(&original)?;
            Some(Translation { original, reply })
        })
    }

    /// A packet to judge, and its ends as the capture shows them.
    pub(super) fn packet(
        &mut self,
        captured: &capture::Packet<'_>,
        file: usize,
    ) -> Option<(Packet, Tuple)> {
        self.tally.packets += 1;
        let Some(ip) = ip_of(captured) else {
            self.tally.not_ip += 1;
            return None;
        };
        if self.seen_again(captured, ip, file) {
            self.tally.seen_again += 1;
            return None;
        }
        let mut packet = self.read(ip)?;
        let arrived = packet.tuple;
        if !self.as_it_arrives(&mut packet) {
            self.tally.leaving += 1;
            return None;
        }
        if self.last.is_some_and(|last| captured.at < last) {
            self.tally.backwards += 1;
        }
        self.last = self.last.max(Some(captured.at));
        Some((packet, arrived))
    }

    fn read(&mut self, ip: &[u8]) -> Option<Packet> {
        match read(ip) {
            Ok(mut packet) => {
                if packet.checksum == Checksum::Bad {
                    self.tally.bad_checksums += 1;
                    if !self.verify_checksums {
                        packet.checksum = Checksum::NotChecked;
                    }
                }
                Some(packet)
            }
            Err(why) => {
                match why {
                    Unreadable::NotIp => self.tally.not_ip += 1,
                    Unreadable::Fragment => self.tally.fragments += 1,
                    Unreadable::CutShort => self.tally.cut_short += 1,
                }
                None
            }
        }
    }

    /// The tuple it arrives with, where the capture shows it leaving; false if it was seen
    /// arriving.
    fn as_it_arrives(&mut self, packet: &mut Packet) -> bool {
        if self.leaving.is_empty() {
            return true;
        }
        if let Some(seen) = self.arriving.get_mut(&packet.tuple) {
            *seen = true; // from now on what leaves is a copy
            return true;
        }
        match self.leaving.get(&packet.tuple) {
            Some(_) if self.copies.contains_key(&packet.tuple) => false,
            Some(arriving) if self.arriving.get(arriving) == Some(&true) => false,
            Some(arriving) => {
                packet.tuple = *arriving;
                true
            }
            None => true,
        }
    }

    fn seen_again(&mut self, captured: &capture::Packet<'_>, ip: &[u8], file: usize) -> bool {
        let head = captured.bytes.len() - ip.len().min(captured.bytes.len());
        let mut place = Fold::default();
        place.write(captured.bytes.get(..head).unwrap_or_default());
        place.write_u64(u64::from(captured.interface) << 32 | file as u64);
        let (digest, place) = (digest_of(ip), place.finish());
        let Some(slot) = self.sightings.get_mut(digest as usize % SIGHTINGS) else { return false };
        let same = slot.digest == digest && captured.at.since(slot.at).abs() <= APART_MAX;
        if same && slot.place != place {
            return true;
        }
        *slot = Sighting { digest, place, at: captured.at };
        false
    }
}

/// The IP packet; plain Ethernet, which most captures are, takes the short way.
fn ip_of<'a>(captured: &capture::Packet<'a>) -> Option<&'a [u8]> {
    const ETHERNET: LinkType = LinkType(1);
    if captured.link == ETHERNET
        && captured.fcs_bytes == 0
        && let Some(([.., 0x08, 0x00] | [.., 0x86, 0xdd], ip)) =
            captured.bytes.split_first_chunk::<14>()
    {
        return Some(ip);
    }
    ip_packet(captured)
}

/// Everything its sender wrote and no router changes, as far as headers usually reach: the
/// transport checksum stands among them and speaks for the rest.
fn digest_of(ip: &[u8]) -> u64 {
    // Bytes that routers change: class and hop limit, and in IPv4 the header's checksum.
    const V4: ([u64; 2], usize) = ([!0xff00, !0xffff_00ff], 7);
    const V6: ([u64; 2], usize) = ([!(0xff << 56), !0], 9);
    let ([first, second], most) = if ip.first().is_some_and(|b| b >> 4 == 4) { V4 } else { V6 };
    let mut hasher = Fold::default();
    let (words, rest) = ip.as_chunks::<8>();
    for (n, word) in words.iter().take(most).enumerate() {
        let mask = if n == 0 {
            first
        } else if n == 1 {
            second
        } else {
            !0
        };
        hasher.write_u64(u64::from_le_bytes(*word) & mask);
    }
    if words.len() < most {
        hasher.write(rest);
    }
    hasher.write_u64(ip.len() as u64);
    hasher.finish() | 1
}
/// One tuple for both directions.
fn flow_of(tuple: &Tuple) -> Tuple {
    match tuple.inverse() {
        Some(inverse) if (inverse.src, inverse.sport) < (tuple.src, tuple.sport) => inverse,
        _ => *tuple,
    }
}
