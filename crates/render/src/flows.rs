//! Connections of a capture, for a person: each in a few lines that fit a terminal, or a row of a
//! table for a ticket.

use crate::markdown::safe;
use crate::page::{Label, Page};
use hopclock_core::flow::{Finished, FlowRecord, How, LastWords, Observer, Translates};
use hopclock_core::report::Input;
use hopclock_core::terms::Side;
use hopclock_core::time::{Gap, Moment};
use serde::Serialize;
use std::io::{self, Write};

/// What stands above the list.
#[derive(Clone, Debug)]
pub struct Summary<'i> {
    packets: u64,
    segments: u64,
    span: Option<(Moment, Moment)>,
    endings: Vec<(How, u64)>,
    inputs: &'i [Input],
}

impl<'i> Summary<'i> {
    /// Taken before the connections are told one by one.
    pub fn of(observer: &Observer, inputs: &'i [Input]) -> Self {
        Self {
            packets: observer.tally().packets,
            segments: observer.tally().segments,
            span: observer.table().span(),
            endings: observer.table().endings(),
            inputs,
        }
    }

    fn counts(&self) -> String {
        let all: u64 = self.endings.iter().map(|(_, count)| count).sum();
        let noun = if all == 1 { "connection" } else { "connections" };
        let each: Vec<String> =
            self.endings.iter().map(|(how, count)| format!("{count} {}", how.word())).collect();
        let colon = if each.is_empty() { "" } else { ": " };
        format!("{all} {noun}{colon}{}", each.join(", "))
    }
}

/// How a moment is written, in the zone the user wants.
pub type ClockFace<'a> = &'a dyn Fn(Moment) -> String;

/// For a terminal.
pub fn text(
    summary: &Summary<'_>,
    flows: impl Iterator<Item = Finished>,
    (page, clock): (Page, ClockFace<'_>),
    out: &mut dyn Write,
) -> io::Result<()> {
    writeln!(out, "{}", page.label(Label::Heading, &summary.counts()))?;
    let mut says = format!("{} packets, {} of them TCP", summary.packets, summary.segments);
    if let Some((first, last)) = summary.span {
        says += &format!(", {} to {}", clock(first), clock(last));
    }
    page.paragraph(out, 0, &says)?;
    for input in summary.inputs {
        for note in &input.notes {
            page.wrap(out, ("note: ", 6), 6, &format!("{}: {note}", input.file))?;
        }
    }
    for (at, flow) in flows.enumerate() {
        writeln!(out)?;
        one(at + 1, &flow, (page, clock), out)?;
    }
    Ok(())
}

fn one(
    number: usize,
    flow: &Finished,
    (page, clock): (Page, ClockFace<'_>),
    out: &mut dyn Write,
) -> io::Result<()> {
    let record = &flow.record;
    let title = format!("#{number}  {} > {}", record.client, record.server);
    writeln!(out, "{}", page.label(Label::Heading, &title))?;
    let opened = match record.client_known_by {
        hopclock_core::flow::KnownBy::Syn => "opened",
        _ => "first seen",
    };
    let age = span(record.last_ns.since(record.first_ns));
    page.paragraph(out, 4, &format!("{opened} {}, seen for {age}", clock(record.first_ns)))?;
    page.paragraph(out, 4, &traffic(record))?;
    for line in translations(record) {
        page.wrap(out, ("    ", 4), 6, &line)?;
    }
    let label = match record.ending.how {
        How::Fin | How::Open => Label::Good,
        How::Rst | How::Silence | How::Refused | How::Unanswered => Label::Bad,
    };
    let how = ending(record, &flow.last_words);
    let first = format!("    {} ", page.label(label, record.ending.how.word()));
    let width = 5 + record.ending.how.word().len();
    page.wrap(out, (&first, width), 6, &how)?;
    if let Some(reset) = &record.ending.reset {
        let says = format!(
            "reset: {}, from {}, {}: {}",
            word(&reset.kind),
            word(&reset.origin),
            word(&reset.consistent),
            reset.why
        );
        page.wrap(out, ("    ", 4), 6, &says)?;
    }
    if let Some(answers) = words_of_answer(&flow.last_words) {
        page.wrap(out, ("    ", 4), 6, &answers)?;
    }
    for more in observations(record, &flow.last_words) {
        page.wrap(out, ("    ", 4), 6, &more)?;
    }
    Ok(())
}

fn traffic(record: &FlowRecord) -> String {
    format!(
        "packets {}-{}: client sent {} with {} bytes, server {} with {}",
        record.first_packet,
        record.last_packet,
        record.packets.client,
        record.payload_bytes.client,
        record.packets.server,
        record.payload_bytes.server
    )
}

/// Where else it was seen, and what a translation did not do.
fn translations(record: &FlowRecord) -> Vec<String> {
    let mut all = Vec::new();
    for name in &record.also_known_as {
        let what = match name.translates {
            Translates::Source => "source",
            Translates::Destination => "destination",
            Translates::Both => "source and destination",
        };
        let (client, server, first) = (name.client, name.server, name.first_packet);
        all.push(format!("{what} translated: also {client} > {server}, from packet {first}"));
    }
    for by in [Side::Client, Side::Server] {
        let (left, alone) = (*record.untranslated.of(by), *record.one_sided.of(by));
        let by = side(by);
        if left > 0 {
            let packets = packets(left);
            all.push(format!("{packets} of the {by} went on untranslated"));
        }
        if alone > 0 {
            let packets = packets(alone);
            all.push(format!(
                "{packets} with the {by}'s address seen only beyond the translation: the box \
                 between sent them, or the capture missed them before it"
            ));
        }
    }
    all
}

fn packets(count: u64) -> String {
    format!("{count} {}", if count == 1 { "packet" } else { "packets" })
}

/// The rest of the sentence that begins with the ending's word.
fn ending(record: &FlowRecord, words: &LastWords) -> String {
    let ending = &record.ending;
    let mut says = String::new();
    if let (Some(by), Some(end)) = (ending.signed_by, words.end) {
        let seen_as = record.first_rst.filter(|rst| rst.packet == end.packet);
        match seen_as.and_then(|rst| rst.seen_as) {
            None => says += &format!(" signed by the {}", side(by)),
            Some(src) => {
                says += &format!(" with the {}'s address beyond the translation, {src}", side(by));
            }
        }
        says += &format!(", packet {}", end.packet);
    }
    if ending.how == How::Silence
        && let Some(tail) = &words.unanswered
    {
        let what = if tail.are_probes { "keepalive probes" } else { "segments" };
        says += &format!(
            " after packet {}: {} {what} of the {} without an answer",
            tail.first.packet,
            tail.count,
            side(tail.by)
        );
        if tail.backs_off {
            says += ", in doubling steps as a retransmission timer makes them";
        }
    }
    if let Some(idle) = ending.idle_before_ns {
        says += &format!(", {} after the packet before", span(idle));
    }
    if let Some(idle) = ending.payload_idle_before_ns {
        says += &format!(" and {} after the last payload", span(idle));
    }
    says.trim_start_matches(", ").to_owned()
}

/// What a timer on the path had counted before the segment that the reset answers.
fn words_of_answer(words: &LastWords) -> Option<String> {
    let answers = words.reset.as_ref()?.answers?;
    let idle = answers.idle_before?;
    let packet = answers.segment.packet;
    let payload = answers.payload_idle_before.map_or_else(String::new, |payload| {
        if payload == idle { String::new() } else { format!(", {} of payload", span(payload)) }
    });
    Some(format!("before packet {packet}, which it answers: {} of silence{payload}", span(idle)))
}

fn observations(record: &FlowRecord, words: &LastWords) -> Vec<String> {
    let mut all = Vec::new();
    for by in [Side::Client, Side::Server] {
        let keepalive = words.keepalive.of(by);
        if keepalive.probes > 0 {
            let every = keepalive.every.or(keepalive.first_after).map(span);
            all.push(format!(
                "keepalive: {} probes of the {}, {} answered{}",
                keepalive.probes,
                side(by),
                keepalive.answered,
                every.map_or_else(String::new, |every| format!(", every {every}"))
            ));
        }
    }
    let again = record.retransmissions;
    if again.client + again.server > 0 {
        let (client, server) = (again.client, again.server);
        all.push(format!("retransmissions: client {client}, server {server}"));
    }
    for note in &words.icmp {
        let packet = note.mark.packet;
        all.push(format!("ICMP from {} in packet {packet}: {}", note.from, icmp(&note.kind)));
    }
    if let Some(loss) = &words.size_loss {
        all.push(format!(
            "segments of {} bytes are lost where {} pass: the path's MTU",
            loss.smallest_lost, loss.largest_through
        ));
    }
    all
}

fn icmp(kind: &hopclock_core::flow::IcmpKind) -> String {
    use hopclock_core::flow::IcmpKind as Kind;
    match kind {
        Kind::Unreachable { code, .. } => format!("unreachable, code {code}"),
        Kind::TooBig { mtu } => format!("too big, the next hop takes {mtu}"),
        Kind::TimeExceeded => "time exceeded".to_owned(),
        Kind::Other { kind, code } => format!("type {kind}, code {code}"),
    }
}

/// For a ticket.
pub fn markdown(
    summary: &Summary<'_>,
    flows: impl Iterator<Item = Finished>,
    clock: ClockFace<'_>,
    out: &mut dyn Write,
) -> io::Result<()> {
    writeln!(out, "**{}**\n", summary.counts())?;
    for input in summary.inputs {
        for note in &input.notes {
            writeln!(out, "- {}: {}", safe::code(&input.file), safe::text(note))?;
        }
    }
    writeln!(
        out,
        "\n| client | server | first | packets | seen for | ended | signed by | silence |"
    )?;
    writeln!(out, "|---|---|---|---|---|---|---|---|")?;
    for flow in flows {
        let record = &flow.record;
        writeln!(
            out,
            "| {} | {} | {} | {}-{} | {} | {} | {} | {} |",
            record.client,
            record.server,
            clock(record.first_ns),
            record.first_packet,
            record.last_packet,
            span(record.last_ns.since(record.first_ns)),
            record.ending.how.word(),
            record.ending.signed_by.map_or("", side),
            record.ending.idle_before_ns.map(span).unwrap_or_default()
        )?;
    }
    Ok(())
}

fn side(side: Side) -> &'static str {
    match side {
        Side::Client => "client",
        Side::Server => "server",
    }
}

/// A word of the contract, as it is spelt there.
fn word(term: &impl Serialize) -> String {
    match serde_json::to_value(term) {
        Ok(serde_json::Value::String(word)) => word,
        Ok(_) | Err(_) => "unknown".to_owned(),
    }
}

/// A length of time as a person reads it: three digits or so.
fn span(gap: Gap) -> String {
    let seconds = gap.secs_f64();
    if seconds.abs() < 0.000_001 {
        return "0 s".to_owned();
    }
    if seconds.abs() < 0.001 {
        return format!("{:.0} µs", seconds * 1e6);
    }
    if seconds.abs() < 1.0 {
        return format!("{:.1} ms", seconds * 1e3);
    }
    if seconds.abs() < 120.0 {
        return format!("{seconds:.1} s");
    }
    let whole = seconds.round() as i64;
    let (days, hours, minutes) = (whole / 86_400, whole / 3600 % 24, whole / 60 % 60);
    let rest = whole % 60;
    if days > 0 {
        format!("{days} d {hours} h {minutes} min")
    } else if hours > 0 {
        format!("{hours} h {minutes} min {rest} s")
    } else {
        format!("{minutes} min {rest} s")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_read_as_a_person_says_them() {
        let said = |ns: i64| span(Gap::from_ns(ns));
        assert_eq!(said(0), "0 s");
        assert_eq!(said(12_000), "12 µs");
        assert_eq!(said(21_500_000), "21.5 ms");
        assert_eq!(said(1_900_000_000), "1.9 s");
        assert_eq!(said(43_200_200_000_000), "12 h 0 min 0 s");
        assert_eq!(said(270_000_000_000_000), "3 d 3 h 0 min");
    }
}
