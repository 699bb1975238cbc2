//! A watched connection, told: the record and the last words. It computes what can only be known at
//! the end of the capture, and decides how the connection ended.

use super::elsewhere::Name;
use super::ends::Ends;
use super::half::{Half, Known, set};
use super::life::{Life, Rare};
use super::record::{
    AlsoKnownAs, BySide, Ending, Finished, FlowRecord, HalfClose, How, Keepalive, LastWords, Mark,
    Reset, RoundTrips, SCHEMA, Signature, SizeLoss, Traffic, Translates, Unanswered,
};
use crate::terms::Side;
use crate::time::{Gap, Moment};
use std::net::SocketAddr;

/// How far back payload counts as "before the end".
const LATELY: Gap = Gap::from_secs(300);
/// Sendings of one segment without an acknowledgement after which the other side is silent.
const SENDINGS_SILENT: u32 = 3;
/// Keepalive probes without an answer after which the other side is silent.
const PROBES_SILENT: u64 = 2;

/// Tells a connection. `span` is the capture's.
pub(super) fn finished(life: &Life, files: &[String], span: Option<(Moment, Moment)>) -> Finished {
    let teller = Teller { life, rare: life.rare.as_deref() };
    let last = life.last();
    let capture_end = span.map_or(last.at, |(_, end)| end);
    let reset = teller.rare.and_then(|rare| rare.reset.as_ref()).map(|seen| seen.examine());
    let unanswered = teller.unanswered();
    let how = teller.how(unanswered.as_ref());
    let last_words = teller.last_words(how, reset.clone(), unanswered, capture_end.since(last.at));
    let ending = teller.ending(how, reset, &last_words);
    Finished { record: teller.record(files, ending), last_words }
}

/// How a connection ended, and no more.
pub(super) fn how(life: &Life) -> How {
    let teller = Teller { life, rare: life.rare.as_deref() };
    teller.how(teller.unanswered().as_ref())
}

struct Teller<'l> {
    life: &'l Life,
    rare: Option<&'l Rare>,
}

impl Teller<'_> {
    fn record(&self, files: &[String], ending: Ending) -> FlowRecord {
        let life = self.life;
        let halves = &life.halves;
        let last = life.last();
        let signature = |closing: &super::life::Closing| Signature {
            by: closing.by,
            packet: closing.mark.packet,
            at_ns: closing.mark.at,
            ttl: closing.ttl,
            seen_as: None,
        };
        let reset = self.rare.and_then(|rare| rare.reset.as_ref());
        let one_sided = reset.and_then(|reset| reset.one_sided).map(|seen| seen.src.into());
        let (client, server) = self.ends();
        let tally = |ask: fn(&Rare) -> BySide<u64>| self.rare.map_or_else(BySide::default, ask);
        let elsewhere = life.elsewhere.as_deref();
        let few = |counts: Option<BySide<u32>>| {
            counts.map_or_else(BySide::default, |both| both.map(|count| u64::from(*count)))
        };
        let odd = elsewhere.and_then(|e| e.odd.as_deref());
        let rtt = |half: &Half| (half.rtt_us != u32::MAX).then(|| u64::from(half.rtt_us));
        FlowRecord {
            schema: SCHEMA,
            files: names(life.files, files),
            client,
            server,
            client_known_by: life.known_by,
            first_packet: life.first.packet,
            last_packet: last.packet,
            first_ns: life.first.at,
            last_ns: last.at,
            packets: halves.map(|half| u64::from(half.packets)),
            payload_bytes: halves.map(|half| half.payload()),
            seen_again: few(elsewhere.map(|e| e.again)),
            seen_again_bytes: elsewhere.map_or_else(BySide::default, |e| e.again_bytes),
            also_known_as: self.also_known_as((client, server)),
            untranslated: few(odd.map(|odd| odd.untranslated)),
            one_sided: few(odd.map(|odd| odd.one_sided)),
            syn: halves.map(|half| u64::from(half.syn)),
            fin: tally(|rare| rare.fin),
            rst: tally(|rare| rare.rst),
            mss: halves.map(|half| half.known.has(Known::MSS).then_some(half.mss)),
            first_rst: self
                .rare
                .and_then(|rare| rare.first_rst.as_deref())
                .map(|closing| Signature { seen_as: one_sided, ..signature(closing) }),
            first_fin: self.rare.and_then(|rare| rare.first_fin.as_deref()).map(signature),
            ttl: BySide { client: life.ttls(Side::Client), server: life.ttls(Side::Server) },
            retransmissions: halves.map(|half| u64::from(half.retransmissions)),
            keepalive_probes: tally(|rare| rare.probing.map(|probing| probing.sent)),
            zero_windows: halves.map(|half| u64::from(half.zero_windows)),
            rtt_us: RoundTrips {
                client_side: rtt(&halves.client),
                server_side: rtt(&halves.server),
            },
            ending,
        }
    }

    /// The ends the client's packets come in with.
    fn ends(&self) -> (SocketAddr, SocketAddr) {
        let life = self.life;
        let own = life.enters(Side::Client);
        let (client, server) = life.ends(own).unwrap_or(life.own_ends());
        (client.into(), server.into())
    }

    /// All other pairs of ends.
    fn also_known_as(&self, own: (SocketAddr, SocketAddr)) -> Vec<AlsoKnownAs> {
        let Some(elsewhere) = self.life.elsewhere.as_ref().filter(|e| e.is_translated()) else {
            return Vec::new();
        };
        let named = |name: &Name| name.seen.map(|count| u64::from(*count));
        let under_first = |side: Side| {
            let all =
                u64::from(self.life.halves.of(side).packets) + u64::from(*elsewhere.again.of(side));
            let others = elsewhere.names().map(|name| *named(name).of(side)).sum();
            all.saturating_sub(others)
        };
        let first = self.life.first.packet;
        let (client, server) = self.life.own_ends();
        let ends = Ends::new(client, server);
        let first = Name { ends, first, seen: BySide::default() };
        let seen = BySide { client: under_first(Side::Client), server: under_first(Side::Server) };
        let names = elsewhere.names().map(|name| (name, named(name)));
        let all = std::iter::once((&first, seen)).chain(names);
        let told = all.map(|(name, packets)| {
            let (client, server) = name.ends.pair();
            let ends = (SocketAddr::from(client), SocketAddr::from(server));
            AlsoKnownAs {
                client: ends.0,
                server: ends.1,
                translates: match (ends.0 == own.0, ends.1 == own.1) {
                    (false, true) => Translates::Source,
                    (true, _) => Translates::Destination,
                    (false, false) => Translates::Both,
                },
                first_packet: name.first,
                packets,
            }
        });
        told.filter(|name| (name.client, name.server) != own).collect()
    }

    /// Segments of both sides, or a whole handshake.
    fn established(&self) -> bool {
        [Side::Client, Side::Server]
            .into_iter()
            .all(|side| u64::from(self.life.halves.of(side).packets) > self.life.resets(side))
    }

    fn first_close(&self) -> Option<(&super::life::Closing, bool)> {
        let rare = self.rare?;
        match (rare.first_fin.as_deref(), rare.first_rst.as_deref()) {
            (Some(fin), Some(rst)) if rst.mark.packet < fin.mark.packet => Some((rst, true)),
            (Some(fin), _) => Some((fin, false)),
            (None, Some(rst)) => Some((rst, true)),
            (None, None) => None,
        }
    }

    fn how(&self, unanswered: Option<&Unanswered>) -> How {
        let halves = &self.life.halves;
        if let Some((close, is_rst)) = self.first_close() {
            let refused = is_rst
                && close.by == Side::Server
                && halves.client.syn > 0
                && u64::from(halves.server.packets) == self.life.resets(Side::Server);
            return match (refused, is_rst) {
                (true, _) => How::Refused,
                (false, true) => How::Rst,
                (false, false) => How::Fin,
            };
        }
        let only_syns = |half: &Half| half.packets == half.syn && half.packets > 0;
        if only_syns(&halves.client) && halves.server.packets == 0 {
            return How::Unanswered;
        }
        if unanswered.is_some_and(|tail| self.is_silence(tail)) { How::Silence } else { How::Open }
    }

    /// Whether speaking without an answer went on long enough to say so. A side never heard at all
    /// may have been heard elsewhere: then only repetition counts.
    fn is_silence(&self, tail: &Unanswered) -> bool {
        if tail.are_probes {
            return tail.count >= PROBES_SILENT && self.established();
        }
        let stuck = self.rare.and_then(|rare| rare.stuck.of(tail.by).as_deref());
        stuck.is_some_and(|stuck| stuck.sendings >= SENDINGS_SILENT)
    }

    /// The side that spoke last without being answered, by its tail or by what it keeps repeating.
    fn unanswered(&self) -> Option<Unanswered> {
        let by = [Side::Client, Side::Server].into_iter().max_by_key(|side| {
            let stuck = self.rare.and_then(|rare| rare.stuck.of(*side).as_deref());
            (stuck.map_or(0, |stuck| stuck.sendings), self.life.tail(*side).count)
        })?;
        let half = self.life.halves.of(by);
        let tail = self.life.tail(by);
        let other = self.life.halves.of(by.peer());
        let stuck = self.rare.and_then(|rare| rare.stuck.of(by).as_deref());
        if tail.count == 0 && stuck.is_none_or(|stuck| stuck.sendings < SENDINGS_SILENT) {
            return None;
        }
        let outstanding = self.rare.map_or(0, |rare| rare.probing.of(by).outstanding);
        let are_probes = stuck.is_none() && outstanding > 0;
        let bytes = if half.known.has(Known::NEXT) && other.known.has(Known::ACKED) {
            u64::from(half.next.ahead_of(other.acked).max(0).unsigned_abs())
        } else {
            0
        };
        if !are_probes && bytes == 0 && other.known.has(Known::ACKED) {
            return None;
        }
        let gaps = stuck.map_or_else(Vec::new, |stuck| stuck.gaps.clone());
        let first = match stuck {
            Some(stuck) if tail.count == 0 => stuck.first,
            _ => tail.first(),
        };
        Some(Unanswered {
            by,
            first,
            last: half.last(),
            count: if are_probes { outstanding } else { u64::from(tail.count.max(1)) },
            backs_off: backs_off(&gaps),
            gaps,
            are_probes,
            bytes,
        })
    }

    fn ending(&self, how: How, reset: Option<Reset>, words: &LastWords) -> Ending {
        let signed_by = self.first_close().map(|(close, _)| close.by);
        let since = |mark: Option<Mark>| match (words.end, mark) {
            (Some(end), Some(mark)) => Some(end.at.since(mark.at)),
            _ => None,
        };
        let (idle, payload_idle) = match how {
            How::Open | How::Unanswered => (None, None),
            How::Silence => words.unanswered.as_ref().map_or((None, None), |tail| {
                let tail = self.life.tail(tail.by);
                let gap = |ns: i64| (ns >= 0).then_some(Gap::from_ns(ns));
                (gap(tail.idle), gap(tail.payload_idle))
            }),
            How::Fin | How::Rst | How::Refused => {
                (since(words.last_before_end), since(words.last_payload_before_end))
            }
        };
        Ending {
            how,
            signed_by,
            idle_before_ns: idle,
            payload_idle_before_ns: payload_idle,
            reset: reset.map(|reset| reset.summary),
        }
    }

    fn last_words(
        &self,
        how: How,
        reset: Option<Reset>,
        unanswered: Option<Unanswered>,
        capture_went_on: Gap,
    ) -> LastWords {
        let life = self.life;
        let close = self.first_close().map(|(close, _)| close);
        let end = match how {
            How::Silence => unanswered.as_ref().map(|tail| tail.first),
            How::Open | How::Unanswered => None,
            How::Fin | How::Rst | How::Refused => close.map(|close| close.mark),
        };
        let last = close.map_or_else(|| life.halves.map(|half| half.last()), |close| close.last);
        let payload =
            close.map_or_else(|| life.halves.map(|half| half.last_payload()), |c| c.last_payload);
        let newest = |pair: &BySide<Mark>| {
            let (one, other) = (pair.client, pair.server);
            set(if one.packet >= other.packet { one } else { other })
        };
        LastWords {
            opened: life.opened(),
            established: self.established(),
            end,
            last_packet: last.map(|mark| set(*mark)),
            last_payload: payload.map(|mark| set(*mark)),
            last_before_end: newest(&last),
            last_payload_before_end: newest(&payload),
            longest_silence: life.longest_silence(),
            traffic_before_end: traffic(&payload, life.first, end.unwrap_or(life.last())),
            reset,
            more_resets: self.rare.map_or_else(BySide::default, |rare| rare.more_resets),
            data_after_reset: self.rare.map_or_else(BySide::default, |rare| rare.data_after_reset),
            unanswered,
            keepalive: self.keepalive(),
            window_closed_at_end: life.halves.map(|half| half.known.has(Known::CLOSED)),
            half_close: self.half_close(),
            icmp: self.rare.map_or_else(Vec::new, |rare| rare.icmp.clone()),
            size_loss: self.size_loss(),
            said: self.rare.map_or_else(Vec::new, |rare| rare.said.clone()),
            capture_went_on,
        }
    }

    fn keepalive(&self) -> BySide<Keepalive> {
        // What comes after the close answers no probe.
        let close = self.first_close().map(|(close, _)| close.probes);
        let of = |side: Side| {
            let probing = self.rare.map(|rare| *rare.probing.of(side)).unwrap_or_default();
            let outstanding = close.map_or(probing.outstanding, |c| u64::from(*c.of(side)));
            Keepalive {
                probes: probing.sent,
                answered: probing.answered,
                unanswered_at_end: outstanding,
                first_after: probing.first_after,
                every: probing.every,
                last: probing.last,
            }
        };
        BySide { client: of(Side::Client), server: of(Side::Server) }
    }

    fn half_close(&self) -> Option<HalfClose> {
        let rare = self.rare?;
        let fin = rare.first_fin.as_ref()?;
        let other_fin = *rare.fins.of(fin.by.peer());
        Some(HalfClose {
            by: fin.by,
            fin: fin.mark,
            payload_after: rare.payload_after_fin,
            other_fin,
        })
    }

    fn size_loss(&self) -> Option<SizeLoss> {
        let rare = self.rare?;
        [Side::Client, Side::Server].into_iter().find_map(|by| {
            let stuck = rare.stuck.of(by).as_deref()?;
            let through = u32::from(self.life.halves.of(by).largest_through);
            let lost = stuck.sendings >= SENDINGS_SILENT && stuck.payload > through && through > 0;
            lost.then_some(SizeLoss {
                by,
                largest_through: through,
                smallest_lost: stuck.payload,
                first: stuck.first,
            })
        })
    }
}

/// Who sent payload in the last quarter of its life, or the last minutes of a long one.
fn traffic(payload: &BySide<Mark>, first: Mark, end: Mark) -> Traffic {
    let lately = LATELY.min(Gap::from_ns(end.at.since(first.at).ns() / 4));
    let lately = |mark: Mark| set(mark).is_some_and(|mark| end.at.since(mark.at) <= lately);
    match (lately(payload.client), lately(payload.server)) {
        (true, true) => Traffic::TwoWay,
        (true, false) => Traffic::OneWay { from: Side::Client },
        (false, true) => Traffic::OneWay { from: Side::Server },
        (false, false) => Traffic::None,
    }
}

/// A retransmission timer doubles (RFC 6298 §5.5): no gap is shorter than the one before by much,
/// and most are about twice it.
fn backs_off(gaps: &[Gap]) -> bool {
    let ratios: Vec<f64> = gaps
        .windows(2)
        .filter_map(|pair| match pair {
            [one, next] if one.ns() > 0 => Some(next.ns() as f64 / one.ns() as f64),
            _ => None,
        })
        .collect();
    let doubles = ratios.iter().filter(|ratio| (1.5..=2.6).contains(*ratio)).count();
    !ratios.is_empty() && ratios.iter().all(|ratio| *ratio > 0.7) && doubles * 2 >= ratios.len()
}

fn names(bits: u64, files: &[String]) -> Vec<String> {
    let seen = files.iter().enumerate().filter(|(at, _)| bits >> at.min(&63) & 1 == 1);
    seen.map(|(_, name)| name.clone()).collect()
}
