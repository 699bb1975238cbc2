//! What captures say of a subject's ends.

use super::super::evidence::{Cite, Evidence};
use super::super::subject::{FlowPart, Subject};
use crate::flow::{BySide, How, Keepalive, Said, Traffic, Translates};
use crate::terms::{Consistency, ResetKind, Side};
use crate::time::Gap;
use crate::wire::Words;
use std::collections::BTreeMap;

/// Everything the captures say.
pub(super) fn observe(subject: &Subject<'_>) -> Vec<Evidence> {
    let ended: Vec<&FlowPart<'_>> = subject.flows.iter().filter(|f| f.ended()).collect();
    let mut found = Vec::new();
    found.extend(half_closed(&ended));
    found.extend(gave_up(&ended, &subject.elsewhere));
    found.extend(ending(&ended));
    found.extend(signature(&ended));
    found.extend(marks(&ended));
    found.extend(activity(&ended, subject));
    found.extend(direction(&ended));
    found.extend(count(&ended));
    found.extend(probes(&ended));
    found.extend(renamed(&subject.flows, &subject.elsewhere));
    found.extend(opens(&subject.flows));
    found.extend(in_clear(&ended));
    found
}

/// The value most flows show, with those flows: ends of one kind are one observation, not many.
fn majority<'f, 'a>(
    flows: &[&'f FlowPart<'a>],
    value: impl Fn(&FlowPart<'a>) -> Option<&'static str>,
) -> Option<(&'static str, Vec<&'f FlowPart<'a>>)> {
    let mut by_value: BTreeMap<&'static str, Vec<&'f FlowPart<'a>>> = BTreeMap::new();
    for flow in flows {
        if let Some(value) = value(flow) {
            by_value.entry(value).or_default().push(flow);
        }
    }
    let most = by_value.values().map(Vec::len).max()?;
    // Half one thing and half another is no observation.
    let mut leading = by_value.into_iter().filter(|(_, flows)| flows.len() == most);
    leading.next().filter(|_| leading.next().is_none())
}

fn cites(flows: &[&FlowPart<'_>]) -> Vec<Cite> {
    flows
        .iter()
        .take(20)
        .filter_map(|f| {
            let words = &f.flow.last_words;
            let answered = words.reset.as_ref().and_then(|r| r.answers).map(|a| a.segment.packet);
            let end = f.end()?.packet;
            Some(Cite::packets(&f.source.file, answered.into_iter().chain([end])))
        })
        .collect()
}

fn host<'f>(flows: &[&'f FlowPart<'_>]) -> Option<&'f String> {
    flows.first().and_then(|f| f.source.host.as_ref())
}

fn times(n: usize) -> String {
    if n == 1 { String::new() } else { format!(" ({n} connections)") }
}

fn side(side: Side) -> &'static str {
    match side {
        Side::Client => "the client",
        Side::Server => "the server",
    }
}

fn shape(flow: &FlowPart<'_>) -> Option<&'static str> {
    let words = &flow.flow.last_words;
    match flow.how() {
        How::Rst => Some(match words.reset.as_ref().map(|r| r.summary.kind) {
            Some(ResetKind::NoSocket) => "no-socket-reset",
            Some(ResetKind::Abort) => "abort-reset",
            Some(ResetKind::AfterClose | ResetKind::Refused | ResetKind::Unknown) | None => {
                "other-reset"
            }
        }),
        How::Fin if words.size_loss.is_some() => Some("large-unanswered"),
        How::Fin => Some("fin"),
        How::Silence if words.size_loss.is_some() => Some("large-unanswered"),
        How::Silence => match &words.unanswered {
            Some(u) if !u.are_probes && u.bytes > 0 => Some("unanswered-data"),
            _ => Some("silence"),
        },
        How::Open | How::Refused | How::Unanswered => None,
    }
}

fn ending(ended: &[&FlowPart<'_>]) -> Option<Evidence> {
    let (value, flows) = majority(ended, shape)?;
    let first = flows.first()?;
    let words = &first.flow.last_words;
    let says = match value {
        "no-socket-reset" | "abort-reset" | "other-reset" => {
            let reset = words.reset.as_ref()?;
            let what = match value {
                "no-socket-reset" => "a bare reset, the answer of a stack that has no such socket",
                "abort-reset" => "a reset with ACK, the abort of a live socket",
                _ => "a reset of a shape that tells little",
            };
            let answers = reset.answers.map_or(String::new(), |a| {
                format!(
                    "; it answers packet {} after {:.1} ms",
                    a.segment.packet,
                    a.delay.secs_f64() * 1000.0
                )
            });
            format!("it ended in {what}, carrying {}'s address{answers}", side(reset.by))
        }
        "fin" => {
            let by = first.flow.record.ending.signed_by.map_or("one end", side);
            format!("it ended in a FIN from {by}: somebody closed it in order")
        }
        "large-unanswered" => {
            let lost = words.size_loss.as_ref()?;
            format!(
                "only large segments went unanswered: {} bytes again and again, while {} came through",
                lost.smallest_lost, lost.largest_through
            )
        }
        "unanswered-data" => {
            let u = words.unanswered.as_ref()?;
            format!(
                "{} sent {} segments over {:.1} s that nobody answered",
                side(u.by),
                u.count,
                u.last.at.since(u.first.at).secs_f64()
            )
        }
        _ => "it fell silent: nothing closed it, nothing was answered".to_owned(),
    };
    let says = says + &times(flows.len());
    Some(Evidence::table("ending", value, says, cites(&flows)).on(host(&flows)))
}

/// One end closed its direction and the other was cut off when it spoke again.
fn half_closed(ended: &[&FlowPart<'_>]) -> Option<Evidence> {
    let (value, flows) =
        majority(ended, |f| Some(if f.cut().is_some() { "cut" } else { "whole" }))?;
    let first = flows.first()?;
    let cut = first.cut()?;
    let says = format!(
        "{} closed its direction and {} did not; after {:.1} s without a packet {} spoke and was cut off{}",
        side(cut.closed_by),
        side(cut.closed_by.peer()),
        cut.silence.secs_f64(),
        side(cut.closed_by.peer()),
        times(flows.len())
    );
    let cites = flows.iter().take(20).filter_map(|f| {
        let cut = f.cut()?;
        let packets = [cut.fin, cut.asked, cut.end].map(|m| m.packet);
        Some(Cite::packets(&f.source.file, packets))
    });
    let piece = Evidence::table("half-closed", value, says, cites.collect());
    Some(piece.on(host(&flows)).of_seconds(cut.silence.secs_f64()))
}

/// Connections of which every view is looked at: more say the same.
const LOOKED_AT: usize = 200;

/// The view of a connection that shows an end giving up, or the one given.
fn giving_up<'f, 'a>(flow: &'f FlowPart<'a>, elsewhere: &'f [FlowPart<'a>]) -> &'f FlowPart<'a> {
    let own = |v: &&FlowPart<'_>| v.connection == flow.connection && v.gave_up().is_some();
    if flow.gave_up().is_some() { flow } else { elsewhere.iter().find(own).unwrap_or(flow) }
}

/// One end gave up on the other.
fn gave_up(ended: &[&FlowPart<'_>], elsewhere: &[FlowPart<'_>]) -> Option<Evidence> {
    // The machine that gives up shows it, wherever else the end was seen.
    let looked_at = ended.iter().take(LOOKED_AT);
    let ended: Vec<&FlowPart<'_>> = looked_at.map(|f| giving_up(f, elsewhere)).collect();
    let (value, flows) = majority(&ended, |f| {
        Some(match f.gave_up() {
            Some(gave_up) if gave_up.probes => "after-probes",
            Some(_) => "after-data",
            None => "no",
        })
    })?;
    let first = flows.first()?;
    let gave_up = first.gave_up()?;
    let what = match value {
        "after-probes" => "aborted it after",
        _ => "had no socket any more, though it never closed, after",
    };
    let tries = if gave_up.probes { "keepalive probes" } else { "sendings of the same data" };
    let says = format!(
        "{} {what} {} {tries} that nobody answered, {:.1} s in all{}",
        side(gave_up.by),
        gave_up.tries,
        gave_up.silence.secs_f64(),
        times(flows.len())
    );
    let piece = Evidence::table("gave-up", value, says, cites(&flows)).on(host(&flows));
    Some(piece.of_seconds(gave_up.silence.secs_f64()))
}

fn signature(ended: &[&FlowPart<'_>]) -> Option<Evidence> {
    let (value, flows) = majority(ended, |f| match f.flow.record.ending.signed_by? {
        // Who closed a direction did not end what went on in the other.
        _ if f.cut().is_some() || f.unheard().is_some() => None,
        _ if f.gave_up().is_some_and(|g| !g.probes) || f.flow.last_words.size_loss.is_some() => {
            None
        }
        Side::Client => Some("client"),
        Side::Server => Some("server"),
    })?;
    let says = format!(
        "the first packet that ends it carries the {value}'s address{}",
        times(flows.len())
    );
    Some(Evidence::table("signed-by", value, says, cites(&flows)).on(host(&flows)))
}

fn marks(ended: &[&FlowPart<'_>]) -> Option<Evidence> {
    let (value, flows) = majority(ended, |f| {
        Some(match f.flow.last_words.reset.as_ref()?.summary.consistent {
            Consistency::Consistent => "consistent",
            Consistency::Doubtful => "doubtful",
            Consistency::Forged => "forged",
        })
    })?;
    let why = &flows.first()?.flow.last_words.reset.as_ref()?.summary.why;
    let says = format!("the reset's marks are {value}: {why}");
    Some(Evidence::table("reset-marks", value, says, cites(&flows)).on(host(&flows)))
}

/// Silence beside this share of the life (or period) is none; above [`IDLE_SHARE`] the connection
/// was idle.
const BUSY_SHARE: f64 = 0.1;
const IDLE_SHARE: f64 = 0.35;
/// No timer of silence anybody keeps is shorter (the catalogue's shortest is two seconds), so that
/// this much silence is none, however short the life was.
const SHORTEST_TIMER_S: f64 = 1.5;

fn activity(ended: &[&FlowPart<'_>], subject: &Subject<'_>) -> Option<Evidence> {
    let period = subject.measured.lifetime.map(|l| l.mid);
    let (value, flows) = majority(ended, |f| {
        let silence = f.silence_s()?;
        let seen = f.end()?.at.since(f.flow.record.first_ns).secs_f64();
        let life = f.age_s().or(period).unwrap_or(seen).max(seen).max(1e-3);
        busy_or_idle(silence, life)
    })?;
    let first = flows.first()?;
    let words = &first.flow.last_words;
    let silence = first.silence_s()?;
    let longest = words.longest_silence.map_or(silence, |(gap, _)| gap.secs_f64()).max(silence);
    let says = match value {
        "busy" => format!(
            "it carried traffic to the end: {silence:.1} s of silence before it, never more than {longest:.1} s in the recording"
        ),
        _ => format!("it was silent for {silence:.1} s before its end"),
    };
    let packets = words.last_before_end.map(|m| m.packet).into_iter();
    let packets = packets.chain(first.end().map(|m| m.packet));
    let cite = Cite::packets(&first.source.file, packets);
    Some(Evidence::table("activity", value, says, vec![cite]).on(host(&flows)))
}

/// Busy or idle by share of the life; in between the answer is neither.
pub(super) fn busy_or_idle(silence_s: f64, life_s: f64) -> Option<&'static str> {
    if silence_s < SHORTEST_TIMER_S || (silence_s < BUSY_SHARE * life_s && silence_s < 300.0) {
        Some("busy")
    } else if silence_s > IDLE_SHARE * life_s || silence_s >= 300.0 {
        Some("idle")
    } else {
        None
    }
}

/// Whether the client was still asking when it ended: one that only listens sends the same at once
/// and no more.
fn asks_to_the_end(flow: &FlowPart<'_>) -> bool {
    let last = flow.flow.last_words.last_payload.client.map(|m| m.at);
    let (Some(last), Some(end), Some(age)) = (last, flow.end(), flow.age_s()) else { return false };
    end.at.since(last).secs_f64() < 0.5 * age
}

/// Connections fewer than this share anything by chance.
const COUNTED_MIN: usize = 4;

/// Whether each connection carried as much as the other, however long it lived: who counts requests
/// closes after so many, who counts time after so long.
fn count(ended: &[&FlowPart<'_>]) -> Option<Evidence> {
    let told: Vec<(f64, f64)> = ended
        .iter()
        .filter(|f| asks_to_the_end(f))
        .filter_map(|f| Some((f.flow.record.payload_bytes.client as f64, f.age_s()?)))
        .filter(|(bytes, _)| *bytes > 0.0)
        .collect();
    if told.len() < COUNTED_MIN || told.len() * 2 < ended.len() {
        return None;
    }
    let spread = |of: fn(&(f64, f64)) -> f64| {
        let all = told.iter().map(of);
        let (low, high) = all.fold((f64::MAX, 0.0_f64), |(l, h), v| (l.min(v), h.max(v)));
        (high - low) / high.max(f64::MIN_POSITIVE)
    };
    let (bytes, ages) = (spread(|t| t.0), spread(|t| t.1));
    let value = match (bytes, ages) {
        (b, a) if a >= 0.05 && b * 10.0 <= a => "same",
        (b, a) if b >= 0.05 && a * 3.0 <= b => "other",
        _ => return None,
    };
    let says = match value {
        "same" => format!(
            "the client sent as much in each of {} connections (within {:.1} %), though their ages differ by {:.0} %",
            told.len(),
            bytes * 100.0,
            ages * 100.0
        ),
        _ => format!(
            "what the client sent differs by {:.0} % between {} connections whose ages differ by {:.1} %",
            bytes * 100.0,
            told.len(),
            ages * 100.0
        ),
    };
    Some(Evidence::table("count", value, says, cites(ended)).on(host(ended)))
}

fn direction(ended: &[&FlowPart<'_>]) -> Option<Evidence> {
    let (value, flows) = majority(ended, |f| match f.flow.last_words.traffic_before_end {
        Traffic::OneWay { from: Side::Server } => Some("server-to-client"),
        Traffic::OneWay { from: Side::Client } => Some("client-to-server"),
        Traffic::TwoWay => Some("both-ways"),
        Traffic::None => None,
    })?;
    let says = match value {
        "server-to-client" => "lately before the end payload went from the server only",
        "client-to-server" => "lately before the end payload went from the client only",
        _ => "lately before the end payload went both ways",
    };
    let first = flows.first()?;
    let last = first.flow.last_words.last_payload;
    let packets = [last.client, last.server].into_iter().flatten().map(|m| m.packet);
    let cite = Cite::packets(&first.source.file, packets);
    Some(Evidence::table("direction", value, says.to_owned(), vec![cite]).on(host(&flows)))
}

/// Both sides' keepalive probes. What is sent into a closed window has the same shape and asks for
/// the window (RFC 9293 §3.8.6.1): it is sent whatever the socket was told of keepalive.
fn keepalive(flow: &FlowPart<'_>) -> BySide<Keepalive> {
    let words = &flow.flow.last_words;
    let of = |side: Side| match words.window_closed_at_end.of(side.peer()) {
        true => Keepalive::default(),
        false => *words.keepalive.of(side),
    };
    BySide { client: of(Side::Client), server: of(Side::Server) }
}

fn probes(ended: &[&FlowPart<'_>]) -> Option<Evidence> {
    let (value, flows) = majority(ended, |f| {
        let k = &keepalive(f);
        Some(if k.client.unanswered_at_end + k.server.unanswered_at_end > 0 {
            "unanswered-probes"
        } else if k.client.probes + k.server.probes > 0 {
            "answered-probes"
        } else {
            "no-probes"
        })
    })?;
    let first = flows.first()?;
    let keepalive = keepalive(first);
    let at_end = |k: Keepalive| k.unanswered_at_end > 0;
    let client = match value {
        "unanswered-probes" => at_end(keepalive.client),
        _ => keepalive.client.probes > 0,
    };
    let (who, seen) =
        if client { (Side::Client, keepalive.client) } else { (Side::Server, keepalive.server) };
    let seconds = |g: Option<Gap>| g.map_or("?".to_owned(), |g| format!("{:.0}", g.secs_f64()));
    let says = match value {
        "no-probes" => "no TCP keepalive probe was seen".to_owned(),
        "answered-probes" => format!(
            "{} sent {} TCP keepalive probes after {} s of silence, all answered",
            side(who),
            seen.probes,
            seconds(seen.first_after)
        ),
        _ => format!(
            "{} sent TCP keepalive probes; the last {} were not answered",
            side(who),
            seen.unanswered_at_end
        ),
    };
    let packets = match seen.last {
        Some(mark) => vec![mark.packet],
        None => vec![first.flow.record.first_packet, first.flow.record.last_packet],
    };
    let cite = Cite::packets(&first.source.file, packets);
    Some(Evidence::table("probes", value, says, vec![cite]).on(host(&flows)))
}

/// What an end said in clear of why: the value of the table's kind `said`.
///
/// Codes: RFC 9113 §7 (11 is ENHANCE_YOUR_CALM), RFC 6455 §7.4.1 (1001) and the IANA registry of
/// close codes (1012, service restart), RFC 9110 §15 (408, 504). Texts are those of gRPC's own
/// GOAWAYs.
fn named(words: &Words) -> Option<&'static str> {
    const ENHANCE_YOUR_CALM: u32 = 11;
    match words {
        Words::Http2GoAway { code, text } => Some(match text.to_ascii_lowercase().as_str() {
            t if *code == ENHANCE_YOUR_CALM || t.contains("too_many_pings") => "too-many-pings",
            t if t.contains("max_age") => "max-age-said",
            t if t.contains("idle") => "idle-timeout-said",
            _ => "goaway",
        }),
        Words::WebSocketClose { code: Some(1001) } => Some("going-away"),
        Words::WebSocketClose { code: Some(1012) } => Some("restart"),
        Words::Http1 { status: Some(408 | 504), .. } => Some("request-timeout-said"),
        Words::WebSocketClose { .. } | Words::Http1 { .. } | Words::TlsAlert { .. } => None,
    }
}

/// The last words that say why. A GOAWAY that follows the other end's is an answer, and says
/// nothing of its own: libraries send an empty one (RFC 9113 §6.8 has both ends send theirs).
fn last_said(said: &[Said]) -> Option<&Said> {
    let goaway = |s: &Said| matches!(s.words, Words::Http2GoAway { .. });
    let first = said.iter().find(|s| goaway(s)).map(|s| s.by);
    let answer = |s: &Said| goaway(s) && first.is_some_and(|by| by != s.by);
    said.iter().rev().find(|s| named(&s.words).is_some() && !answer(s))
}

fn in_clear(ended: &[&FlowPart<'_>]) -> Option<Evidence> {
    let last = |f: &FlowPart<'_>| named(&last_said(&f.flow.last_words.said)?.words);
    let (value, flows) = majority(ended, last)?;
    let first = flows.first()?;
    let said = last_said(&first.flow.last_words.said)?;
    let what = match &said.words {
        Words::Http2GoAway { code, text } => {
            format!("HTTP/2 GOAWAY, code {code}, \u{201c}{text}\u{201d}")
        }
        Words::WebSocketClose { code } => {
            format!("WebSocket close, code {}", code.map_or("none".to_owned(), |c| c.to_string()))
        }
        Words::Http1 { status, .. } => {
            format!("HTTP status {}", status.map_or("none".to_owned(), |s| s.to_string()))
        }
        Words::TlsAlert { .. } => return None,
    };
    let says = format!("{} said in clear: {what}{}", side(said.by), times(flows.len()));
    let cite = Cite::packets(&first.source.file, [said.mark.packet]);
    Some(Evidence::table("said", value, says, vec![cite]).on(host(&flows)))
}

/// A box gave a connection another name in the middle of its life.
fn renamed(flows: &[FlowPart<'_>], elsewhere: &[FlowPart<'_>]) -> Option<Evidence> {
    let (flow, [before, after]) = flows.iter().chain(elsewhere).find_map(|flow| {
        let names = &flow.flow.record.also_known_as;
        let mut of_source = names.iter().filter(|n| n.translates == Translates::Source);
        let (one, other) = (of_source.next()?, of_source.next()?);
        // Two boxes in a row give both names from the first packet on.
        let later = one.packets.client >= 3 && other.first_packet >= one.first_packet + 6;
        later.then_some((flow, [one, other]))
    })?;
    let value = match before.client.ip() == after.client.ip() {
        true => "another-port",
        false => "another-address",
    };
    let says = format!(
        "the box translated it to {} and from packet {} on to {}: the server sees a stranger",
        before.client, after.first_packet, after.client
    );
    let cite = Cite::packets(&flow.source.file, [before.first_packet, after.first_packet]);
    let piece = Evidence::table("renamed", value, says, vec![cite]);
    Some(piece.on(flow.source.host.as_ref()))
}

fn opens(flows: &[FlowPart<'_>]) -> Option<Evidence> {
    let failed: Vec<&FlowPart<'_>> = flows
        .iter()
        .filter(|f| matches!(f.flow.record.ending.how, How::Refused | How::Unanswered))
        .collect();
    let (value, flows) = majority(&failed, |f| match f.flow.record.ending.how {
        How::Refused => Some("opens-refused"),
        How::Unanswered => Some("opens-unanswered"),
        _ => None,
    })?;
    let how = if value == "opens-refused" { "refused" } else { "never answered" };
    let says = format!("{} attempts to open a connection were {how}", flows.len());
    let cites = flows
        .iter()
        .take(20)
        .map(|f| {
            let record = &f.flow.record;
            Cite::packets(&f.source.file, [record.first_packet, record.last_packet])
        })
        .collect();
    Some(Evidence::table("opens", value, says, cites).on(host(&flows)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::flow::Mark;
    use crate::time::Moment;

    #[test]
    fn a_silence_below_every_timer_is_traffic_however_short_the_life() {
        assert_eq!(busy_or_idle(0.7, 1.9), Some("busy"));
        assert_eq!(busy_or_idle(3.2, 4.0), Some("idle"));
        assert_eq!(busy_or_idle(0.7, 60.0), Some("busy"));
    }

    #[test]
    fn an_answer_to_a_goaway_does_not_hide_it() {
        let said = |by, packet, code, text: &str| Said {
            by,
            mark: Mark { packet, at: Moment::from_secs(packet as i64) },
            words: Words::Http2GoAway { code, text: text.to_owned() },
        };
        let server = said(Side::Server, 5, 11, "too_many_pings");
        let answer = said(Side::Client, 6, 0, "");
        let last = said(Side::Server, 7, 0, "max_age");
        assert_eq!(last_said(&[server.clone(), answer.clone()]), Some(&server));
        assert_eq!(last_said(&[server.clone(), answer.clone(), last.clone()]), Some(&last));
        assert_eq!(last_said(std::slice::from_ref(&answer)), Some(&answer));
    }

    #[test]
    fn words_in_clear_name_what_the_table_knows() {
        let goaway = |code, text: &str| Words::Http2GoAway { code, text: text.to_owned() };
        let cases = [
            (goaway(11, "too_many_pings"), Some("too-many-pings")),
            (goaway(0, "max_age"), Some("max-age-said")),
            (goaway(0, ""), Some("goaway")),
            (Words::WebSocketClose { code: Some(1001) }, Some("going-away")),
            (Words::WebSocketClose { code: Some(1000) }, None),
            (Words::TlsAlert { level: None, description: None }, None),
        ];
        for (words, value) in cases {
            assert_eq!(named(&words), value, "{words:?}");
        }
    }
}
