//! A reset, examined: what its shape says of its sender, and whether its marks are that sender's.
//!
//! Shapes are those of Linux (`net/ipv4/tcp_ipv4.c` `tcp_v4_send_reset`, `net/ipv4/tcp_output.c`
//! `tcp_send_active_reset`, 6.x) and of RFC 9293 §3.10.7.1. Marks of injected resets: Weaver,
//! Sommer and Paxson, "Detecting Forged TCP Reset Packets", NDSS 2009. Nothing is called forged by
//! its TTL alone: routes change, and balancers answer with a TTL of their own.

use super::elsewhere::OneSided;
use super::{Answers, Mark, Reset, ResetSummary};
use crate::terms::{Consistency, Origin, ResetKind, Side};
use crate::time::Gap;
use crate::wire::{Flags, Segment, Seq};
use std::collections::BTreeMap;
use std::net::SocketAddr;

/// An answer comes at the latest this long after the round trip: queues, and a busy host.
const ANSWER_SLACK: Gap = Gap::from_millis(250);
/// A round trip shorter than this is mostly the hosts' own time, and tells nothing of distance.
const TRIP_MIN: Gap = Gap::from_millis(5);
/// A sender that spoke so shortly before has a socket.
const ALIVE_LATELY: Gap = Gap::from_secs(1);
/// How late an answer may come when no round trip was measured.
const ANSWER_UNKNOWN: Gap = Gap::from_secs(1);
/// Data of the reset's sender repeated later than this was not overtaken by the reset.
const OVERTAKEN_MAX: Gap = Gap::from_millis(200);
/// Further resets of the same sender kept.
const OTHERS_MAX: usize = 8;

/// A segment of the other side that the reset may answer.
#[derive(Clone, Copy, Debug)]
pub(super) struct Prompt {
    pub mark: Mark,
    pub seq: Seq,
    pub ack: Seq,
    pub length: u32,
    pub with_payload: bool,
}

/// A reset and what was known when it came.
#[derive(Clone, Debug)]
pub(super) struct RstSeen {
    pub by: Side,
    pub mark: Mark,
    pub seq: Seq,
    pub ack: Seq,
    pub flags: Flags,
    pub window: u16,
    pub options_bytes: u8,
    pub timestamp: Option<u32>,
    pub ip_id: Option<u16>,
    pub dont_fragment: bool,
    pub ttl: u8,
    /// The other side's last segment, and the first since this side last spoke.
    pub last_prompt: Option<Prompt>,
    pub first_prompt: Option<Prompt>,
    /// The other side's acknowledgement: what it expects next.
    pub expected: Option<Seq>,
    pub victim_end: Option<Seq>,
    pub own_next: Option<Seq>,
    pub own_last: Option<Mark>,
    pub own_packets: u64,
    pub own_syn: bool,
    pub own_ttls: BTreeMap<u8, u64>,
    pub own_timestamp: Option<u32>,
    /// DF of its other packets, when they all agreed.
    pub own_df: Option<bool>,
    /// Its last IP identification, when they counted up.
    pub own_id: Option<u16>,
    pub victim_syn: bool,
    pub victim_packets: u64,
    pub round_trip_us: Option<u32>,
    pub own_fin: Option<Mark>,
    pub victim_payload_after_fin: u64,
    /// Silence before the other side's segments since this side last spoke.
    pub idle_before: Option<Gap>,
    pub payload_idle_before: Option<Gap>,
    /// It showed where its sender's packets leave a translation, and not where they come in.
    pub one_sided: Option<OneSided>,
    /// Sequence numbers of further resets of the same side.
    pub others: Vec<Seq>,
    /// Segments with data its sender sent afterwards all the same.
    pub went_on: u64,
    /// A reset of the other side, later.
    pub answered_by_reset: Option<Mark>,
}

/// A mark that disagrees, and how much that says: 2 no genuine sender does, 1 some do.
struct Mismatch {
    weight: u8,
    says: String,
}

impl RstSeen {
    /// A further reset of the connection. `asked` is the acknowledgement of the other side's last
    /// segment: a stack without the socket answers every segment, each with its own number.
    pub(super) fn another(&mut self, segment: &Segment, side: Side, mark: Mark, asked: Seq) {
        let answer = !segment.flags.ack() && segment.seq == asked;
        if side != self.by {
            self.answered_by_reset.get_or_insert(mark);
        } else if segment.seq != self.seq && !answer && self.others.len() < OTHERS_MAX {
            self.others.push(segment.seq);
        }
    }

    /// Data of `side` after the reset. What lies beyond the reset's own number was not sent before
    /// it; what lies below may have been overtaken.
    pub(super) fn data(&mut self, segment: &Segment, side: Side) {
        let beyond = !segment.seq.is_before(self.seq);
        let late = segment.at.since(self.mark.at) > OVERTAKEN_MAX;
        if side == self.by && (beyond || late) {
            self.went_on += 1;
        }
    }

    fn bare(&self) -> bool {
        !self.flags.ack()
    }

    fn round_trip(&self) -> Option<Gap> {
        self.round_trip_us.map(|us| Gap::from_ns(i64::from(us) * 1000))
    }

    fn delay(&self, prompt: &Prompt) -> Gap {
        self.mark.at.since(prompt.mark.at)
    }

    /// The segment it answers, by RFC 9293 §3.10.7.1: a bare reset takes its number from the
    /// acknowledgement, one with ACK acknowledges what it answers.
    fn answered(&self) -> Option<Prompt> {
        let fits = |prompt: &Prompt| {
            if self.bare() {
                prompt.ack == self.seq
            } else {
                prompt.seq.plus(prompt.length) == self.ack && self.seq == Seq(0)
            }
        };
        let first = self.first_prompt.filter(|p| fits(p));
        let last = self.last_prompt.filter(|p| fits(p));
        match (first, last, self.round_trip()) {
            // Sooner than a round trip after the last: then it answers the first.
            (Some(first), Some(last), Some(trip))
                if self.delay(&last).ns().saturating_mul(10) < trip.ns() * 8 =>
            {
                Some(first)
            }
            (first, last, _) => last.or(first),
        }
    }

    fn is_prompt(&self, prompt: &Prompt) -> bool {
        let limit = match self.round_trip() {
            Some(trip) => {
                Gap::from_ns(trip.ns().saturating_mul(2).saturating_add(ANSWER_SLACK.ns()))
            }
            None => ANSWER_UNKNOWN,
        };
        self.delay(prompt) <= limit
    }

    fn refuses(&self) -> bool {
        self.own_packets == 0 && self.victim_syn && !self.own_syn && self.flags.ack()
    }

    fn kind(&self, answered: Option<&Prompt>) -> (ResetKind, String) {
        let after = answered.map_or_else(String::new, |prompt| {
            let delay = milliseconds(self.delay(prompt));
            format!(", {delay} after packet {}", prompt.mark.packet)
        });
        if self.refuses() {
            return (ResetKind::Refused, format!("it answers a SYN{after}"));
        }
        if let Some(fin) = self.own_fin
            && (self.bare() || self.victim_payload_after_fin > 0)
        {
            let what = format!("its sender had closed with packet {}{after}", fin.packet);
            return (ResetKind::AfterClose, what);
        }
        if self.bare() {
            let plain = self.window == 0 && self.options_bytes == 0;
            return match answered {
                Some(_) if plain => (
                    ResetKind::NoSocket,
                    format!(
                        "no ACK, its number is the acknowledgement it answers{after}, window 0, no options"
                    ),
                ),
                Some(_) => (ResetKind::Unknown, format!("no ACK, yet a window or options{after}")),
                None if self.victim_packets == 0 && plain => (
                    ResetKind::NoSocket,
                    "no ACK, window 0, no options; what it answers was not captured".into(),
                ),
                None => (ResetKind::Unknown, "no ACK, and it answers nothing".into()),
            };
        }
        self.with_ack()
    }

    fn with_ack(&self) -> (ResetKind, String) {
        match (self.timestamp.is_some(), self.own_timestamp.is_some()) {
            (true, _) => {
                (ResetKind::Abort, format!("ACK, time stamps and a window of {}", self.window))
            }
            (false, false) => (
                ResetKind::Abort,
                format!("ACK, window {}; the connection has no time stamps", self.window),
            ),
            (false, true) => (
                ResetKind::Unknown,
                "ACK, but without the time stamps a live socket sends".to_owned(),
            ),
        }
    }

    fn mismatches(&self, answered: Option<&Prompt>) -> Vec<Mismatch> {
        let mut found = Vec::new();
        let mut say = |weight, says: String| found.push(Mismatch { weight, says });
        self.against_ttl(&mut say);
        self.against_headers(&mut say);
        self.against_sequence(&mut say);
        self.against_time(answered, &mut say);
        if self.went_on > 0 {
            let times =
                if self.went_on == 1 { "once".into() } else { format!("{} times", self.went_on) };
            say(2, format!("its sender went on sending data {times} as if nothing had happened"));
        }
        // After its own close a stack answers whatever is still under way, out of order and late.
        if self.others.len() >= 2 && self.own_fin.is_none() {
            let count = self.others.len();
            say(2, format!("{count} more resets with other sequence numbers, as guesses look"));
        }
        found
    }

    fn against_ttl(&self, say: &mut impl FnMut(u8, String)) {
        if let Some(one_sided) = self.one_sided {
            let src = SocketAddr::from(one_sided.src);
            say(1, format!("seen only on the far side of the translation, as {src}"));
        }
        let known = self.one_sided.is_none() && self.own_ttls.contains_key(&self.ttl);
        if let Some(usual) = self.usual_ttl()
            && usual != self.ttl
            && !known
        {
            say(1, format!("TTL {} where its sender's packets have {usual}", self.ttl));
        }
    }

    fn against_headers(&self, say: &mut impl FnMut(u8, String)) {
        if let Some(df) = self.own_df
            && df != self.dont_fragment
        {
            say(1, "DF differs from its sender's packets".to_owned());
        }
        // A stack without the socket sends identification 0; a socket goes on counting, and a host
        // with one counter for all counts its other traffic too.
        let silent =
            self.own_last.map_or(0, |last| self.mark.at.since(last.at).ns() / 1_000_000_000);
        if let (Some(own), Some(id)) = (self.own_id, self.ip_id)
            && id != 0
            && i64::from(id.wrapping_sub(own)) > 1024 + silent.saturating_mul(256)
        {
            say(1, format!("IP identification {id} after {own}"));
        }
        // A live socket counts on (Linux `ip_select_ident_segs`); what answers for a dead one
        // begins at 0, as its sequence number does.
        if let (Some(own), Some(0)) = (self.own_id, self.ip_id)
            && !self.bare()
            && self.seq != Seq(0)
            && own != u16::MAX
            && self.own_fin.is_none()
        {
            say(1, format!("IP identification 0 after {own}"));
        }
        if let (Some(own), Some(sent)) = (self.own_timestamp, self.timestamp) {
            let step = sent.wrapping_sub(own).cast_signed();
            // The fastest time stamp clock counts microseconds (RFC 7323 §5.4 allows 1 ms to 1 s;
            // Linux 6.7 can be told to count microseconds).
            let most = silent.saturating_add(10).saturating_mul(1_000_000);
            if step < 0 || i64::from(step) > most {
                say(2, format!("time stamp {sent} after {own}"));
            }
        }
        if self.bare() && self.window != 0 {
            say(1, format!("a bare reset with a window of {}", self.window));
        }
        if self.bare() && self.options_bytes > 0 {
            say(1, "a bare reset with options".to_owned());
        }
        let counts_on = matches!((self.own_id, self.ip_id), (Some(own), Some(id))
            if (1..=16).contains(&id.wrapping_sub(own)));
        if !self.bare() && self.own_timestamp.is_some() && self.timestamp.is_none() && !counts_on {
            say(1, "no time stamps where its sender's packets have them".to_owned());
        }
    }

    fn against_sequence(&self, say: &mut impl FnMut(u8, String)) {
        let late_answer =
            self.own_fin.is_some() && self.own_next.is_none_or(|next| !self.seq.is_after(next));
        if self.refuses() || late_answer {
            return;
        }
        let exact = [self.expected, self.own_next].iter().flatten().any(|seq| *seq == self.seq);
        let Some(expected) = self.expected.or(self.own_next) else {
            return;
        };
        if exact || self.answered().is_some() {
            return;
        }
        let ahead = self.seq.ahead_of(expected);
        // The window's scale may be unknown: the largest one is assumed.
        let in_window = (0..1 << 30).contains(&ahead);
        let side = if in_window { "ahead of" } else { "behind" };
        say(1, format!("its number is {} {side} what is expected", ahead.unsigned_abs()));
    }

    fn against_time(&self, answered: Option<&Prompt>, say: &mut impl FnMut(u8, String)) {
        match (answered, self.round_trip()) {
            (Some(prompt), Some(trip))
                if trip >= TRIP_MIN && self.delay(prompt).ns() * 2 < trip.ns() =>
            {
                let delay = milliseconds(self.delay(prompt));
                let trip = milliseconds(trip);
                say(1, format!("it came {delay} after what it answers, the round trip is {trip}"));
            }
            (Some(prompt), _) if self.bare() && !self.is_prompt(prompt) => {
                let delay = milliseconds(self.delay(prompt));
                say(1, format!("nothing asked for it: {delay} after the other side's last packet"));
            }
            (None, _) if self.bare() && self.victim_packets > 0 && self.own_fin.is_none() => {
                say(1, "nothing asked for it: it fits no packet of the other side".to_owned());
            }
            (Some(_) | None, _) => {}
        }
        // A socket does not vanish without a word: one that spoke a moment ago would have said FIN.
        if let Some(last) = self.own_last
            && self.bare()
            && self.own_fin.is_none()
            && self.own_packets > 1
            && self.mark.at.since(last.at) < ALIVE_LATELY
        {
            let ago = milliseconds(self.mark.at.since(last.at));
            say(1, format!("no socket, though its sender's spoke {ago} before"));
        }
        // An acknowledgement of data that cannot have reached its sender yet.
        if let (Some(last), Some(trip)) = (&self.last_prompt, self.round_trip())
            && !self.bare()
            && last.with_payload
            && self.victim_end == Some(self.ack)
            && trip >= TRIP_MIN
            && self.delay(last).ns() * 2 < trip.ns()
        {
            let delay = milliseconds(self.delay(last));
            say(1, format!("it acknowledges data sent {delay} earlier, sooner than a round trip"));
        }
    }

    fn usual_ttl(&self) -> Option<u8> {
        // Where its sender's packets leave they have passed a router more.
        if let Some(one_sided) = self.one_sided {
            return one_sided.usual_ttl;
        }
        self.own_ttls.iter().max_by_key(|(_, count)| **count).map(|(ttl, _)| *ttl)
    }

    /// Puts the marks together.
    pub(super) fn examine(&self) -> Reset {
        let answered = self.answered();
        let (kind, shape) = self.kind(answered.as_ref());
        let against = self.mismatches(answered.as_ref());
        let strong = against.iter().any(|mark| mark.weight > 1);
        let usual_ttl = self.usual_ttl();
        // Nearer than its sender, by a stack that has no socket: a box between, in its name.
        let nearer = usual_ttl.is_some_and(|usual| {
            (1..=32).contains(&self.ttl.wrapping_sub(usual))
                && match kind {
                    ResetKind::NoSocket | ResetKind::Unknown => true,
                    // One that had closed answers for itself, unless it was seen that it did not.
                    ResetKind::AfterClose => self.one_sided.is_some(),
                    ResetKind::Abort | ResetKind::Refused => false,
                }
        });
        // Seen leaving a box and never coming in: the box's own word to the end it answers, and no
        // forgery, though the end whose address it carries goes on.
        let boxes_own = nearer && self.one_sided.is_some();
        let consistent = match against.len() {
            0 => Consistency::Consistent,
            2.. if strong && !boxes_own => Consistency::Forged,
            _ => Consistency::Doubtful,
        };
        let origin = match consistent {
            Consistency::Consistent if self.own_packets > 0 => Origin::Endpoint,
            Consistency::Consistent => Origin::Unknown,
            Consistency::Doubtful if nearer => Origin::Hop,
            Consistency::Doubtful => Origin::Unknown,
            Consistency::Forged => Origin::ThirdParty,
        };
        let mut why = shape;
        for mark in &against {
            why.push_str("; ");
            why.push_str(&mark.says);
        }
        if against.is_empty() && self.own_packets > 0 {
            why.push_str(&format!("; TTL {} as its sender's packets have", self.ttl));
        } else if self.own_packets == 0 {
            why.push_str("; no other packet of its sender to compare it with");
        }
        let answers = answered.filter(|prompt| self.is_prompt(prompt)).map(|prompt| Answers {
            segment: prompt.mark,
            delay: self.delay(&prompt),
            round_trip: self.round_trip(),
            with_payload: prompt.with_payload,
            idle_before: self.idle_before,
            payload_idle_before: self.payload_idle_before,
        });
        Reset {
            by: self.by,
            mark: self.mark,
            summary: ResetSummary { kind, origin, consistent, why },
            answers,
            with_ack: self.flags.ack(),
            ttl: self.ttl,
            usual_ttl,
            sender_went_on: self.went_on > 0,
        }
    }
}

fn milliseconds(gap: Gap) -> String {
    let ms = gap.ns() as f64 / 1e6;
    if ms.abs() < 10_000.0 { format!("{ms:.1} ms") } else { format!("{:.1} s", ms / 1000.0) }
}
