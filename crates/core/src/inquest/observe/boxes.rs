//! What dumps of boxes and people's notes say of a subject.

use super::super::clocks_seen::{Reading, SeenClock, whose};
use super::super::evidence::{Cite, Evidence, Weighs};
use super::super::facts::{Facts, Source};
use super::super::numbers::{is_round, number};
use super::super::subject::Subject;
use crate::dump::conntrack::Entry;
use crate::time::{Gap, Moment};
use std::net::{IpAddr, SocketAddr};

/// A remaining time within this of the full timeout was refreshed just now.
const FRESH_S: f64 = 5.0;

/// The conntrack entries of the subject's connections.
pub(super) fn observe(subject: &Subject<'_>, facts: &Facts, clocks: &[SeenClock]) -> Vec<Evidence> {
    let ends: Vec<(SocketAddr, SocketAddr)> =
        subject.flows.iter().map(|f| (f.flow.record.client, f.flow.record.server)).collect();
    let mut own = Vec::new();
    let mut other = Vec::new();
    let entries = || facts.entries().filter(|(_, e)| e.protocol == "tcp");
    let alone = entries().count() == 1;
    for (source, entry) in entries() {
        let tied = match ends.is_empty() {
            false => ends.iter().any(|e| same(entry, *e)),
            // Without a capture: the log names an address of it, or there is nothing to confuse it
            // with.
            true => in_log(subject, entry).unwrap_or(alone),
        };
        if tied {
            own.push((source, entry));
        } else {
            other.push((source, entry));
        }
    }
    let age = subject.measured.lifetime.map(|l| l.high);
    if own.is_empty() {
        return other.first().map(|(s, e)| another(s, e)).into_iter().collect();
    }
    own.iter().take(4).flat_map(|(s, e)| entry_says(s, e, clocks, (ends.is_empty(), age))).collect()
}

/// Whether an entry is the connection's: by the addresses before translation or after it.
fn same(entry: &Entry, (client, server): (SocketAddr, SocketAddr)) -> bool {
    let original = entry.original;
    let before = (original.src, original.sport) == (client.ip(), client.port())
        && (original.dst, original.dport) == (server.ip(), server.port());
    let after = entry.reply.is_some_and(|r| {
        (r.dst, r.dport) == (client.ip(), client.port())
            && (r.src, r.sport) == (server.ip(), server.port())
    });
    before || after
}

/// Whether the log's ending lines name one of an entry's two addresses; `None` when they name no
/// address at all.
fn in_log(subject: &Subject<'_>, entry: &Entry) -> Option<bool> {
    let log = subject.log.as_ref()?;
    let texts: Vec<&str> = log
        .ended()
        .flat_map(|(_, e)| [Some(e.text.as_str()), e.who.as_deref()])
        .flatten()
        .take(400)
        .collect();
    let words = || {
        let inside = |c: char| c.is_ascii_hexdigit() || c == '.' || c == ':';
        texts.iter().flat_map(move |t| t.split(move |c: char| !inside(c)))
    };
    let addresses: Vec<IpAddr> = words()
        .filter_map(|w| {
            let full = w.parse::<SocketAddr>().map(|s| s.ip());
            full.or_else(|_| w.parse()).ok()
        })
        .collect();
    let named = |ip| addresses.contains(&ip);
    (!addresses.is_empty()).then(|| named(entry.original.dst) || named(entry.original.src))
}

fn another(source: &Source, entry: &Entry) -> Evidence {
    let says = format!(
        "{}: the entry printed is another connection's, or cannot be tied to this one ({}:{} -> {}:{})",
        whose(source),
        entry.original.src,
        entry.original.sport,
        entry.original.dst,
        entry.original.dport
    );
    let cites = vec![Cite::lines(&source.file, [entry.line])];
    Evidence::new(Weighs::Context("other-entry"), says, cites).on(source.host.as_ref())
}

/// The timeout an entry's remaining time is compared with.
fn timeout_of(clocks: &[SeenClock]) -> Option<(f64, bool)> {
    let established =
        |c: &&SeenClock| c.clock.as_ref().is_some_and(|k| k.id == "linux-ct-tcp-established");
    let of = |reading: Reading| {
        clocks.iter().filter(established).find(|c| c.reading == reading).map(|c| c.seconds)
    };
    of(Reading::Direct).map(|s| (s, true)).or(of(Reading::Hint).map(|s| (s, false)))
}

/// The box's timeout is unknown. Just below a round number an entry was most likely refreshed a
/// moment ago; any other number is no age at all.
fn without_timeout(source: &Source, remaining: f64, cites: Vec<Cite>) -> Evidence {
    if remaining >= 30.0 && is_round(remaining, remaining + FRESH_S, remaining) {
        let says = format!(
            "{}: {remaining:.0} s remain on the entry, just below a round number: most likely refreshed a moment before",
            whose(source)
        );
        return Evidence::table("box-entry", "just-refreshed", says, cites).weaker(0.6);
    }
    let says = format!(
        "{}: {remaining:.0} s remain on the entry; without the box's timeout that is no age",
        whose(source)
    );
    Evidence::new(Weighs::Context("entry"), says, cites)
}

fn entry_says(
    source: &Source,
    entry: &Entry,
    clocks: &[SeenClock],
    (guessed, age): (bool, Option<f64>),
) -> Vec<Evidence> {
    let mut found = Vec::new();
    let cites = || vec![Cite::lines(&source.file, [entry.line])];
    let own = |e: Evidence| e.on(source.host.as_ref());
    if entry.source_translated() || entry.destination_translated() {
        let which = if entry.source_translated() { "source" } else { "destination" };
        let says = format!("{} translates the {which} address of this connection", whose(source));
        found.push(own(Evidence::new(Weighs::Context("translated"), says, cites())));
    }
    if entry.offloaded {
        let says = format!("{}: the entry is offloaded, packets do not refresh it", whose(source));
        found.push(own(Evidence::table("box-entry", "running-down", says, cites())));
        return found;
    }
    let established = entry.tcp_state.as_deref() == Some("ESTABLISHED");
    let Some(remaining) = entry.remaining_s.filter(|_| established).map(|r| r as f64) else {
        return found;
    };
    let Some((timeout, direct)) = timeout_of(clocks) else {
        found.push(own(without_timeout(source, remaining, cites())));
        return found;
    };
    let since = timeout - remaining;
    let strength = if guessed { 0.5 } else { 1.0 };
    if (-1.0..=FRESH_S).contains(&since) {
        let supposing =
            if direct { "" } else { ", supposing the box is set like the host it was read on" };
        let says = format!(
            "{}: {remaining:.0} of {timeout:.0} s remain on the entry: it was refreshed within the last {:.0} s{supposing}",
            whose(source),
            since.max(0.0) + 1.0
        );
        found.push(
            own(Evidence::table("box-entry", "just-refreshed", says, cites()))
                .weaker(strength * if direct { 1.0 } else { 0.8 }),
        );
    } else if age.is_some_and(|age| since > age * 1.05) {
        // No connection can have been silent for longer than it lives: the line and the setting are
        // not of one box, or not of one time. It says nothing of this entry.
        let says = format!(
            "{}: {remaining:.0} of {timeout:.0} s remain on the entry, as if no packet had come for {since:.0} s",
            whose(source)
        );
        let piece = Evidence::new(Weighs::Context("impossible-remainder"), says, cites());
        found.push(own(piece).of_seconds(since));
    } else if since > FRESH_S && direct {
        let says = format!(
            "{}: {remaining:.0} of {timeout:.0} s remain on the entry: nothing refreshed it for {since:.0} s",
            whose(source)
        );
        let piece = Evidence::table("box-entry", "running-down", says, cites());
        found.push(own(piece).weaker(strength).of_seconds(since));
    } else {
        let says = format!(
            "{}: {remaining:.0} s remain on the entry, more than the timeout of {timeout:.0} s read {}: it was set before \
             the timeout was changed, or the two are not of one box",
            whose(source),
            if direct { "on the box" } else { "elsewhere" }
        );
        found.push(own(Evidence::new(Weighs::Context("entry"), says, cites())));
    }
    found
}

/// Dated notes against the ends, timers the documentation is silent on, and claims.
pub(super) fn notes(subject: &Subject<'_>, facts: &Facts) -> Vec<Evidence> {
    let ends: Vec<Moment> = subject
        .log
        .iter()
        .flat_map(|l| l.ended().map(|(_, e)| e.at).collect::<Vec<_>>())
        .chain(subject.flows.iter().filter_map(|f| f.flow.last_words.end.map(|m| m.at)))
        .collect();
    let mut found = Vec::new();
    for (source, notes) in facts.notes() {
        for incident in &notes.incidents {
            found.extend(incident_says(source, incident.line, incident.at, &incident.text, &ends));
        }
        for told in notes.documented.iter().filter(|d| d.seconds.is_none()) {
            let says = format!(
                "documented is no limit of age (\u{201c}{}\u{201d}); that is no proof there is none",
                told.text
            );
            let cites = vec![Cite::lines(&source.file, [told.line])];
            found.push(Evidence::new(Weighs::Context("no-age-documented"), says, cites));
        }
        for claim in &notes.claims {
            let says = format!("the notes say: \u{201c}{}\u{201d}", claim.text);
            let cites = vec![Cite::lines(&source.file, [claim.line])];
            found.push(Evidence::new(Weighs::Context(claim.id), says, cites));
        }
    }
    found
}

fn incident_says(
    source: &Source,
    line: u64,
    at: Moment,
    text: &str,
    ends: &[Moment],
) -> Option<Evidence> {
    let next = ends.iter().filter(|e| **e >= at).min()?;
    let after = next.since(at);
    let cites = vec![Cite::lines(&source.file, [line])];
    // An end within two minutes is the incident's neighbour; a later one shows a connection that
    // lived on.
    Some(if after <= Gap::from_secs(120) {
        let says = format!("{:.0} s before an end: {text}", after.secs_f64());
        Evidence::table("incident", "right-before", says, cites)
    } else {
        let says = format!("{text}: the connection outlived it by {} s", number(after.secs_f64()));
        Evidence::table("incident", "outlived", says, cites)
    })
}
