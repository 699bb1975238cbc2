//! One capture's view of one connection, and when it ended.

use super::facts::Source;
use super::names::{self, Pair};
use crate::flow::{Finished, How, KnownBy, Mark, Unanswered};
use crate::terms::{Role, Side};
use crate::time::{Gap, Moment};

/// One connection of a capture.
#[derive(Clone, Copy, Debug)]
pub struct FlowPart<'a> {
    /// Where the capture was taken.
    pub source: &'a Source,
    /// The connection.
    pub flow: &'a Finished,
    /// Its place in the capture, from 1: `client.pcap#1`.
    pub number: usize,
    /// Which connection it is a view of; views of one have the same number.
    pub connection: usize,
    /// The same file shows the connection under other ends as well.
    pub beside: bool,
    /// The clock of its host is more than seconds off that of another view's, and no packets of
    /// both tell by how much: their times do not compare.
    pub apart: bool,
    /// How far its clock was ahead, at its end, of the one clock that captures with packets in
    /// common are told by; zero where none ties it.
    pub ahead: Gap,
    /// Whether packets in common tie its clock to others.
    pub tied: bool,
    /// What no box changes, where the opening was seen.
    pub mark: Option<names::Mark>,
}

impl FlowPart<'_> {
    /// Its age at the end in seconds, where its opening was seen.
    pub fn age_s(&self) -> Option<f64> {
        let seen = matches!(self.flow.record.client_known_by, KnownBy::Syn | KnownBy::SynAck);
        let end = self.end()?;
        seen.then(|| end.at.since(self.flow.record.first_ns).secs_f64())
    }

    /// Silence before the exchange that ended it, in seconds. A reset that answers the first packet
    /// after an hour of silence comes a round trip after that packet; the hour is what a timer saw.
    pub fn silence_s(&self) -> Option<f64> {
        if let Some(cut) = self.cut() {
            return Some(cut.silence.secs_f64());
        }
        if let Some(gave_up) = self.gave_up().filter(|gave_up| gave_up.probes) {
            return Some(gave_up.silence.secs_f64());
        }
        // What is sent again and again is no silence, and what came before it was not the end.
        if self.flow.last_words.size_loss.is_some() {
            return None;
        }
        let in_vain = self.gave_up().and(self.flow.last_words.unanswered.as_ref());
        if let Some(tries) = self.unheard().or(in_vain) {
            let broken = self.flow.last_words.longest_silence;
            let before = broken.filter(|(_, mark)| mark.packet == tries.first.packet);
            return before.map(|(gap, _)| gap.secs_f64());
        }
        let own = self.flow.record.ending.idle_before_ns?.secs_f64();
        let answered = self.flow.last_words.reset.as_ref().and_then(|r| r.answers?.idle_before);
        if let Some(before) = answered {
            return Some(before.secs_f64().max(own));
        }
        let end = self.flow.last_words.end?.at;
        let broken = self.flow.last_words.longest_silence.and_then(|(gap, mark)| {
            let (gap, since) = (gap.secs_f64(), end.since(mark.at).secs_f64());
            // The last exchange: some round trips, and far less than the silence before it.
            ((0.0..=5.0).contains(&since) && since < gap / 2.0).then_some(gap)
        });
        Some(broken.map_or(own, |gap| gap.max(own)))
    }

    /// The packet with which it ended: the first FIN or reset, or the first that went unanswered;
    /// of a half-closed connection that was cut later, the cut.
    pub fn end(&self) -> Option<Mark> {
        let gave_up = || self.gave_up().map(|gave_up| gave_up.last);
        let unheard = || self.unheard().map(|tries| tries.first);
        let cut = self.cut().map(|cut| cut.end);
        cut.or_else(gave_up).or_else(unheard).or(self.flow.last_words.end)
    }

    /// How it ended: silence, too, where the other end closed after one had long spoken in vain.
    pub fn how(&self) -> How {
        match self.unheard() {
            Some(_) => How::Silence,
            None => self.flow.record.ending.how,
        }
    }

    /// What one end had sent again and again in vain when the other closed, who then was not heard
    /// either or answered nothing of it: the connection had ended before.
    pub fn unheard(&self) -> Option<&Unanswered> {
        let words = &self.flow.last_words;
        let tries = words.unanswered.as_ref().filter(|u| !u.are_probes)?;
        let closed = self.flow.record.ending.how == How::Fin
            && self.flow.record.ending.signed_by == Some(tries.by.peer());
        let before = words
            .end
            .is_some_and(|end| tries.first.packet < end.packet && last_try(tries) <= end.at);
        (closed && before && tries.gaps.len() as u64 >= TRIES_MIN).then_some(tries)
    }

    /// Whether one end gave up because nobody answered it: it aborted after unanswered probes, or
    /// it had no socket any more for what came after its unanswered tries, though it never closed.
    pub fn gave_up(&self) -> Option<GaveUp> {
        let (words, record) = (&self.flow.last_words, &self.flow.record);
        let reset = words.reset.as_ref()?;
        let by = reset.by;
        let keepalive = words.keepalive.of(by);
        if keepalive.unanswered_at_end >= TRIES_MIN
            && reset.with_ack
            && words.end == Some(reset.mark)
        {
            let probes = keepalive.unanswered_at_end;
            let between = keepalive.every.unwrap_or(Gap::ZERO).ns();
            let since = i64::try_from(probes).unwrap_or(i64::MAX).saturating_mul(between);
            let silence = keepalive.first_after.unwrap_or(Gap::ZERO).ns().saturating_add(since);
            let silence = Gap::from_ns(silence);
            return Some(GaveUp { by, probes: true, tries: probes, silence, last: reset.mark });
        }
        let tries = words.unanswered.as_ref().filter(|u| u.by == by && !u.are_probes)?;
        let again = tries.gaps.len() as u64 + 1;
        let after = words.end.is_some_and(|end| end.packet > tries.first.packet);
        let none = !reset.with_ack && *record.fin.of(by) == 0;
        let last = Mark { packet: tries.first.packet, at: last_try(tries) };
        let last = words.end.filter(|end| end.at < last.at).unwrap_or(last);
        let silence = last.at.since(tries.first.at);
        (none && after && again > TRIES_MIN).then_some(GaveUp {
            by,
            probes: false,
            tries: again,
            silence,
            last,
        })
    }

    /// Whether one end had closed its direction, the other was silent and spoke again, and was cut
    /// then.
    pub fn cut(&self) -> Option<Cut> {
        let words = &self.flow.last_words;
        let half = words.half_close.filter(|half| half.other_fin.is_none())?;
        // Seen at the machine that closed, what answers late data is its own stack.
        let closer = if half.by == Side::Client { Role::Client } else { Role::Server };
        if self.source.role == Some(closer) {
            return None;
        }
        let (asked, idle, end) = match (&words.reset, &words.unanswered) {
            // Who had closed is signed for; a reset of the other answers the FIN.
            (Some(reset), _) if reset.mark.packet > half.fin.packet && reset.by == half.by => {
                let answers = reset.answers?;
                (answers.segment, answers.idle_before?, reset.mark)
            }
            (None, Some(tail)) if tail.by != half.by && tail.count > 1 => {
                let before = words.last_packet.of(tail.by.peer()).unwrap_or(half.fin);
                (tail.first, tail.first.at.since(before.at), tail.last)
            }
            _ => return None,
        };
        // What was under way when the FIN came is no second life.
        let apart = idle >= CUT_AFTER && asked.packet > half.fin.packet;
        apart.then_some(Cut { closed_by: half.by, fin: half.fin, silence: idle, asked, end })
    }

    /// A moment of its capture by the one clock that captures are told by.
    pub fn by_one_clock(&self, at: Moment) -> Moment {
        at.plus(Gap::from_ns(-self.ahead.ns()))
    }

    /// Whether it was there at the same time as that one.
    pub(super) fn meets(&self, other: &FlowPart<'_>) -> bool {
        let span = |view: &FlowPart<'_>| {
            let record = &view.flow.record;
            (view.by_one_clock(record.first_ns), view.by_one_clock(record.last_ns))
        };
        let ((first, last), slack) = (span(self), Gap::from_secs(5));
        let (its_first, its_last) = span(other);
        first <= its_last.plus(slack) && its_first <= last.plus(slack)
    }

    /// Client and server, as this capture has them.
    pub(super) fn own_pair(&self) -> Pair {
        (self.flow.record.client, self.flow.record.server)
    }

    /// Whether this end asks for an explanation.
    pub fn ended(&self) -> bool {
        matches!(self.flow.record.ending.how, How::Rst | How::Fin | How::Silence)
    }
}

/// When the oldest segment without an answer was sent for the last time.
fn last_try(tries: &Unanswered) -> Moment {
    tries.gaps.iter().fold(tries.first.at, |at, gap| at.plus(*gap))
}

/// Silence after a FIN below this is the closing itself.
const CUT_AFTER: Gap = Gap::from_millis(1500);

/// Fewer tries than this without an answer are a loss like any other.
const TRIES_MIN: u64 = 2;

/// An end that gave up.
#[derive(Clone, Copy, Debug)]
pub struct GaveUp {
    /// Which.
    pub by: Side,
    /// It had sent keepalive probes; else data.
    pub probes: bool,
    /// How often it tried in vain.
    pub tries: u64,
    /// How long it waited: for probes since the last traffic, for data since it was first sent.
    pub silence: Gap,
    /// The last that is known of it: its reset, or its last try.
    pub last: Mark,
}

/// A half-closed connection's later end.
#[derive(Clone, Copy, Debug)]
pub struct Cut {
    /// Who had closed its direction.
    pub closed_by: Side,
    /// With which packet.
    pub fin: Mark,
    /// How long nobody had spoken when the other did.
    pub silence: Gap,
    /// What the other sent then.
    pub asked: Mark,
    /// The reset it got, or the last of its tries.
    pub end: Mark,
}
