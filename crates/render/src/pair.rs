//! Two captures of one path, for a person: what lies between the clocks, who translates, and the
//! packets that only one of them has.

use crate::flows::ClockFace;
use crate::markdown::safe;
use crate::page::{Label, Page};
use hopclock_core::flow::Translates;
use hopclock_core::path::{Change, Clock, Fate, KnownBy, Mark, Pair, Path, PointRecord, Told};
use hopclock_core::report::Input;
use hopclock_core::terms::Side;
use std::io::{self, Write};

/// Connections told in full; the document in JSON has all.
const PAIRS_MAX: usize = 20;
/// Packets told of each.
const PACKETS_MAX: usize = 8;

/// For a terminal.
pub fn text(
    path: &Path,
    (page, clock): (Page, ClockFace<'_>),
    out: &mut dyn Write,
) -> io::Result<()> {
    page.wrap_label(out, Label::Heading, 2, &heading(path))?;
    for line in summary(path, clock) {
        page.wrap(out, ("  ", 2), 4, &line)?;
    }
    let odd: Vec<&Pair> = path.connections.iter().filter(|pair| is_odd(pair)).collect();
    for pair in odd.iter().take(PAIRS_MAX) {
        writeln!(out)?;
        page.wrap_label(out, Label::Heading, 4, &title(pair))?;
        for line in about(pair) {
            page.wrap(out, ("    ", 4), 6, &line)?;
        }
        for told in shown(pair) {
            page.wrap(
                out,
                ("    ", 4),
                6,
                &format!("{}: {}", clock(told.at_ns), packet(told, path)),
            )?;
        }
    }
    let rest = odd.len().saturating_sub(PAIRS_MAX);
    if rest > 0 {
        writeln!(out)?;
        let says = format!("{rest} more connections with such packets: --format json has them all");
        page.paragraph(out, 0, &says)?;
    }
    Ok(())
}

/// What was odd about the files.
pub fn notes(inputs: &[Input], page: Page, out: &mut dyn Write) -> io::Result<()> {
    for input in inputs {
        for note in &input.notes {
            page.wrap(out, ("note: ", 6), 6, &format!("{}: {note}", input.file))?;
        }
    }
    Ok(())
}

/// For a ticket.
pub fn markdown(path: &Path, clock: ClockFace<'_>, out: &mut dyn Write) -> io::Result<()> {
    writeln!(out, "## {}\n", safe::text(&heading(path)))?;
    for line in summary(path, clock) {
        writeln!(out, "- {}", safe::text(&line))?;
    }
    let odd: Vec<&Pair> = path.connections.iter().filter(|pair| is_odd(pair)).collect();
    for pair in odd.iter().take(PAIRS_MAX) {
        writeln!(out, "\n### {}\n", safe::text(&title(pair)))?;
        for line in about(pair) {
            writeln!(out, "- {}", safe::text(&line))?;
        }
        for told in shown(pair) {
            writeln!(out, "- {}: {}", clock(told.at_ns), safe::text(&packet(told, path)))?;
        }
    }
    Ok(())
}

fn counted(count: u64, one: &str) -> String {
    format!("{count} {one}{}", if count == 1 { "" } else { "s" })
}

fn heading(path: &Path) -> String {
    let [one, other] = &path.points;
    if path.paired == 0 {
        return format!("{} and {} have no connection in common", one.file, other.file);
    }
    let both = counted(path.paired, "connection");
    format!("{} and {}: {both} in both", one.file, other.file)
}

fn file(path: &Path, at: usize) -> &str {
    path.points.get(at).map_or("", |point| point.file.as_str())
}

/// Why two captures have nothing in common, as far as can be seen.
fn why_none(path: &Path, clock: ClockFace<'_>) -> String {
    let [one, other] = &path.points;
    if let Some(empty) = path.points.iter().find(|point| point.packets == 0) {
        return format!("{} holds no TCP packet", empty.file);
    }
    if one.last_ns < other.first_ns || other.last_ns < one.first_ns {
        let span = |point: &PointRecord| {
            let (first, last) = (clock(point.first_ns), clock(point.last_ns));
            format!("{} covers {first} to {last}", point.file)
        };
        return format!("they do not meet: {}, {}", span(one), span(other));
    }
    if path.ambiguous > 0 {
        let all = counted(path.ambiguous, "connection");
        return format!("{all} fitted several, and were left alone");
    }
    let (first, second) =
        (counted(one.connections, "connection"), counted(other.connections, "connection"));
    format!(
        "no packet of the {first} of {} is among those of the {second} of {}: they are not of one path, or a proxy \
         between them opens connections of its own",
        one.file, other.file
    )
}

fn summary(path: &Path, clock: ClockFace<'_>) -> Vec<String> {
    if path.identical {
        let says = "both hold the same packets at the same moments: it is one capture, named twice";
        return vec![says.to_owned()];
    }
    if path.paired == 0 {
        return vec![why_none(path, clock)];
    }
    let mut lines = Vec::new();
    for point in &path.points {
        let of_all = counted(point.connections, "connection");
        let mut says =
            format!("{}: {} without a counterpart, of {of_all}", point.file, point.alone);
        if point.missed > 0 {
            let missed = counted(point.missed, "packet");
            says += &format!("; {missed} passed it that it does not have");
        }
        if point.left_out > 0 {
            says += &format!("; {} more were not compared", counted(point.left_out, "packet"));
        }
        lines.push(says);
    }
    if let Some(nearer) = path.nearer_client {
        lines.push(format!("{} stands nearer to the clients", file(path, nearer)));
    }
    match &path.clock {
        Some(known) => lines.push(clocks(known, path, clock)),
        None => lines.push("clocks: nothing tells which way any packet went".to_owned()),
    }
    for translation in &path.translations {
        let what = which(translation.translates);
        let (from, to, count) = (translation.from, translation.to, translation.connections);
        let ports = match translation.ports_changed {
            0 => "ports kept".to_owned(),
            all if all == count => "ports changed".to_owned(),
            some => format!("ports changed on {some}"),
        };
        let all = counted(count, "connection");
        lines.push(format!("{what} translated: {from} becomes {to} on {all}, {ports}"));
    }
    if path.rewritten > 0 {
        let all = counted(path.rewritten, "connection");
        lines.push(format!("a box between rewrites sequence numbers, on {all}"));
    }
    if path.ambiguous > 0 {
        let all = counted(path.ambiguous, "connection");
        lines.push(format!("{all} fitted several, and were left alone"));
    }
    lines.push(packets(path));
    lines
}

fn which(translates: Translates) -> &'static str {
    match translates {
        Translates::Source => "source",
        Translates::Destination => "destination",
        Translates::Both => "source and destination",
    }
}

fn clocks(known: &Clock, path: &Path, clock: ClockFace<'_>) -> String {
    let other = file(path, 1);
    let way = if known.offset_ns < 0 { "behind" } else { "ahead" };
    let mut says = format!("clocks: {other} is {} {way}", time(known.offset_ns.abs()));
    match known.error_ns {
        Some(error) => says += &format!(" \u{b1} {}", time(error)),
        None => says += " at most or at least: packets of one direction alone are in both",
    }
    says += &format!(" at {}", clock(known.at_ns));
    let gains = if known.skew_ppm < 0.0 { "loses" } else { "gains" };
    says += &format!(", and {gains} {:.1} ppm", known.skew_ppm.abs());
    if let Some((least, most)) = known.skew_range_ppm {
        says += &format!(" ({least:.1} to {most:.1})");
    }
    if !known.steady {
        says += ", but not evenly: a clock was set or slewed meanwhile";
    }
    if let Some(trip) = known.round_trip_ns {
        says += &format!("; the way between and back takes {} at least", time(trip));
    }
    says
}

/// A length of time in nanoseconds, in the unit that suits it.
fn time(ns: i64) -> String {
    match ns {
        0..=9_999 => format!("{:.1} \u{b5}s", ns as f64 / 1e3),
        10_000..=999_999 => format!("{:.0} \u{b5}s", ns as f64 / 1e3),
        1_000_000..=999_999_999 => format!("{:.3} ms", ns as f64 / 1e6),
        _ => format!("{:.6} s", ns as f64 / 1e9),
    }
}

fn packets(path: &Path) -> String {
    let tally = &path.packets;
    let parts = [
        (tally.changed, "of these changed on the way"),
        (tally.pieces, "of these in other pieces there"),
        (tally.untranslated, "of these not translated"),
        (tally.lost, "lost between"),
        (tally.made, "made between"),
        (tally.missed, "missed by a capture"),
        (tally.uncovered, "while the other did not record"),
        (tally.unclear, "at one only, nothing tells why"),
    ];
    let mut says = format!("packets: {} at both", tally.both);
    for (count, what) in parts.into_iter().filter(|(count, _)| *count > 0) {
        says += &format!(", {count} {what}");
    }
    says
}

fn is_odd(pair: &Pair) -> bool {
    let tally = &pair.packets;
    tally.lost + tally.made + tally.untranslated + tally.changed > 0 || pair.left_untranslated
}

fn title(pair: &Pair) -> String {
    let [one, other] = &pair.views;
    format!("#{} and #{}  {} > {}", one.flow, other.flow, one.client, one.server)
}

fn about(pair: &Pair) -> Vec<String> {
    let mut lines = Vec::new();
    let [_, other] = &pair.views;
    if let Some(translates) = pair.translates {
        let what = which(translates);
        lines.push(format!("{what} translated: there {} > {}", other.client, other.server));
    }
    if pair.left_untranslated {
        lines.push("not translated, though other connections of its client are".to_owned());
    }
    if let Some(by) = pair.rewrites {
        lines.push(format!(
            "sequence numbers rewritten: the client's by {}, the server's by {}",
            by.client, by.server
        ));
    }
    match pair.known_by {
        KnownBy::SequenceNumbers => {}
        KnownBy::Ends => lines.push("known by its ends and its numbers".to_owned()),
        KnownBy::TimeStamps => lines.push("known by its time stamps".to_owned()),
        KnownBy::HalfTheNumbers => lines.push("known by the numbers of one side".to_owned()),
        KnownBy::IdentificationAndPayload => {
            lines.push("known by IP identification and payload".to_owned());
        }
    }
    lines
}

/// The packets that differ, and the resets; the latest of them.
fn shown(pair: &Pair) -> &[Told] {
    let differs = |told: &&Told| {
        !matches!(told.fate, Fate::Both | Fate::Missed)
            || !told.changed.is_empty()
            || told.flags.contains('R')
    };
    let from = pair.told.iter().position(|told| differs(&told)).unwrap_or(pair.told.len());
    let all = pair.told.get(from..).unwrap_or_default();
    all.get(all.len().saturating_sub(PACKETS_MAX)..).unwrap_or_default()
}

fn packet(told: &Told, path: &Path) -> String {
    let by = match told.by {
        Side::Client => "client",
        Side::Server => "server",
    };
    let what = match told.payload {
        0 => format!("{} with the {by}'s address", told.flags),
        bytes => format!("{} of {bytes} bytes with the {by}'s address", told.flags),
    };
    let [one, other] = told.packets;
    let place = match (one, other) {
        (Some(one), Some(other)) => format!("packet {one} and there {other}"),
        (Some(one), None) => format!("packet {one} of {} only", file(path, 0)),
        (None, Some(other)) => format!("packet {other} of {} only", file(path, 1)),
        (None, None) => String::new(),
    };
    let fate = match told.fate {
        Fate::Both if told.changed.is_empty() => "passed".to_owned(),
        Fate::Both => {
            let all: Vec<&str> = told.changed.iter().map(|change| changed(*change)).collect();
            all.join(", ")
        }
        Fate::Lost => "lost or dropped between".to_owned(),
        Fate::Made => "made between".to_owned(),
        Fate::Missed => "passed both, and one capture does not have it".to_owned(),
        Fate::Uncovered => "the other capture was not recording".to_owned(),
        Fate::Unclear => "lost, made or missed: nothing tells".to_owned(),
    };
    let part = told.changed.contains(&Change::Pieces) && told.fate != Fate::Both;
    let fate = match part {
        true => format!("in other pieces there, {} bytes of it not: {fate}", told.missing),
        false => fate,
    };
    let why: Vec<&str> = told.because.iter().map(|mark| because(*mark)).collect();
    let why = if why.is_empty() { String::new() } else { format!(" ({})", why.join("; ")) };
    format!("{what}, {place}: {fate}{why}")
}

fn changed(change: Change) -> &'static str {
    match change {
        Change::Flags => "other flags there",
        Change::Acknowledgement => "another acknowledgement there",
        Change::Window => "another window there",
        Change::MaximumSegmentSize => "another maximum segment size there",
        Change::Payload => "other payload there",
        Change::Hops => "another number of hops than its sender's other packets",
        Change::Pieces => "in other pieces there",
        Change::Untranslated => "not translated",
    }
}

fn because(mark: Mark) -> &'static str {
    match mark {
        Mark::SenderWentOn => "its sender went on as if it had not sent it",
        Mark::OtherTtl => "its TTL is not that of its sender's other packets",
        Mark::SentAgain => "the same bytes were sent again",
        Mark::NeverAcknowledged => "nobody acknowledged it",
        Mark::AcknowledgedUnseen => "acknowledged before any copy of it was seen",
        Mark::SenderGoesOnBeyond => "its sender went on beyond it",
    }
}
