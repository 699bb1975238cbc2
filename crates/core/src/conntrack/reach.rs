//! Where a packet goes once the table has judged it, and who answers it.
//!
//! Netfilter translates a packet by its entry alone: one that is INVALID, or makes an entry of its
//! own in the direction of the answers, leaves as it came (nf_nat_core.c, `nf_nat_inet_fn`; rules
//! of the nat table are asked for the first packet of an entry). Refused: filter rules
//! ([`super::routed`] asks them). A rule that drops such packets makes nobody of each of these.

use serde::Serialize;

use super::judged::{Judged, Verdict};
use super::packet::Tuple;

/// One translation, as `conntrack -L` prints it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Translation {
    /// As the client's packets arrive.
    pub original: Tuple,
    /// As the server's do.
    pub reply: Tuple,
}

/// Whom a packet reaches.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Reaches {
    /// The other end of its connection. So does an INVALID packet of a connection that is not
    /// translated, unless a rule drops it.
    Peer,
    /// The box itself: its own address stands in it. The box has no such socket, and its stack
    /// resets the sender in the name of the other end (RFC 9293 §3.10.7.1).
    Box,
    /// The other end, under an address it never spoke to: it has no such connection, and resets
    /// the address that stands in the packet.
    Stranger,
    /// Nobody: the table or a rule dropped it.
    Nobody,
}

impl Reaches {
    /// For a packet that arrives as `tuple`, on a box that makes this translation of its flow.
    pub fn of(translation: Option<Translation>, tuple: &Tuple, judged: &Judged) -> Self {
        if judged.verdict == Verdict::Drop {
            return Reaches::Nobody;
        }
        let Some(Translation { original, reply }) = translation else { return Reaches::Peer };
        let due = if *tuple == original { reply.inverse() } else { original.inverse() };
        let Some(due) = due.filter(|due| *due != judged.leaves_as) else { return Reaches::Peer };
        let is = judged.leaves_as;
        if (is.dst, is.dport) == (due.dst, due.dport) { Reaches::Stranger } else { Reaches::Box }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tuple(src: ([u8; 4], u16), dst: ([u8; 4], u16)) -> Tuple {
        Tuple { src: src.0.into(), dst: dst.0.into(), sport: src.1, dport: dst.1, proto: 6 }
    }

    const CLIENT: ([u8; 4], u16) = ([192, 0, 2, 10], 40_000);
    const BOX: ([u8; 4], u16) = ([198, 51, 100, 1], 50_000);
    const SERVER: ([u8; 4], u16) = ([203, 0, 113, 7], 443);

    fn judged(verdict: Verdict, leaves_as: Tuple) -> Judged {
        Judged { verdict, ..Judged::refused(leaves_as, None) }
    }

    #[test]
    fn of_source_translation_the_box_gets_answers_and_the_server_strangers() {
        let original = tuple(CLIENT, SERVER);
        let reply = tuple(SERVER, BOX);
        let of = |arrives, verdict, leaves| {
            Reaches::of(Some(Translation { original, reply }), &arrives, &judged(verdict, leaves))
        };
        assert_eq!(of(original, Verdict::Invalid, original), Reaches::Stranger);
        assert_eq!(of(reply, Verdict::Invalid, reply), Reaches::Box);
        assert_eq!(of(original, Verdict::Accept, tuple(BOX, SERVER)), Reaches::Peer);
        assert_eq!(of(reply, Verdict::Ignore, tuple(SERVER, CLIENT)), Reaches::Peer);
        assert_eq!(of(original, Verdict::Drop, original), Reaches::Nobody);
    }

    #[test]
    fn of_destination_translation_it_is_the_other_way_round() {
        let original = tuple(CLIENT, BOX);
        let reply = tuple(SERVER, CLIENT);
        let of = |arrives| {
            let judged = judged(Verdict::Invalid, arrives);
            Reaches::of(Some(Translation { original, reply }), &arrives, &judged)
        };
        assert_eq!(of(original), Reaches::Box);
        assert_eq!(of(reply), Reaches::Stranger);
    }

    #[test]
    fn without_translation_what_is_refused_still_arrives() {
        let original = tuple(CLIENT, SERVER);
        let judged = judged(Verdict::Invalid, original);
        assert_eq!(Reaches::of(None, &original, &judged), Reaches::Peer);
    }
}
