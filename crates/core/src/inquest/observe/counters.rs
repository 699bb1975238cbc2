//! What a host's counters say: between two listings of one host, or since it came up.
//!
//! A counter counts every connection of its host, so that what it says of one is weak, and weaker
//! where only one listing was made.

use super::super::clocks_seen::whose;
use super::super::evidence::{Cite, Evidence};
use super::super::facts::{Content, Facts, Source};
use super::super::subject::Subject;
use crate::dump::counters::Counter;
use crate::terms::Role;

/// One listing.
type Listing<'a> = (&'a Source, &'a [Counter]);

/// What a counter's rise is evidence of.
struct Told {
    role: Role,
    /// Any of these.
    names: &'static [&'static str],
    kind: &'static str,
    value: &'static str,
    what: &'static str,
    /// How much of it is another connection's (argued).
    strength: f64,
}

/// Counters that tell (net/ipv4/tcp_timer.c `tcp_write_err`, net/ipv4/tcp_ipv4.c
/// `tcp_v4_send_reset`, net/netfilter/nf_conntrack_core.c, 6.18).
const TELLING: [Told; 5] = [
    Told {
        role: Role::Hop,
        names: &["early_drop"],
        kind: "table-counters",
        value: "full",
        what: "entries were dropped to make room",
        strength: 1.0,
    },
    Told {
        role: Role::Hop,
        names: &["insert_failed"],
        kind: "table-counters",
        value: "insert-failed",
        what: "entries could not be made: no port was left, or two packets met",
        strength: 0.8,
    },
    Told {
        role: Role::Hop,
        names: &["TcpOutRsts"],
        kind: "reset-made-by",
        value: "box",
        what: "the box's own stack sent resets",
        strength: 0.5,
    },
    Told {
        role: Role::Client,
        names: &["TcpExtTCPAbortOnTimeout"],
        kind: "end-counters",
        value: "gave-up",
        what: "the client's stack gave connections up that nobody answered",
        strength: 0.8,
    },
    Told {
        role: Role::Server,
        names: &["TcpExtTCPAbortOnTimeout"],
        kind: "end-counters",
        value: "gave-up",
        what: "the server's stack gave connections up that nobody answered",
        strength: 0.8,
    },
];

/// What the counters say.
pub(super) fn observe(subject: &Subject<'_>, facts: &Facts) -> Vec<Evidence> {
    let mut found = Vec::new();
    for listings in by_host(facts) {
        found.extend(TELLING.iter().filter_map(|told| rise(told, &listings, subject)));
    }
    found
}

/// Listings of one host and one command, in the order they were made.
fn by_host(facts: &Facts) -> Vec<Vec<Listing<'_>>> {
    let mut all: Vec<Vec<Listing<'_>>> = Vec::new();
    for source in &facts.sources {
        let Content::Counters(counters) = &*source.content else { continue };
        let one = |a: &Source| {
            (&a.host, a.role, &a.command) == (&source.host, source.role, &source.command)
        };
        let listing = (source, counters.as_slice());
        match all.iter_mut().find(|l| l.first().is_some_and(|(first, _)| one(first))) {
            Some(known) => known.push(listing),
            None => all.push(vec![listing]),
        }
    }
    for listings in &mut all {
        listings.sort_by_key(|(source, _)| source.taken_at);
    }
    all
}

fn rise(told: &Told, listings: &[Listing<'_>], subject: &Subject<'_>) -> Option<Evidence> {
    let (last, after) = listings.last().filter(|(source, _)| source.role == Some(told.role))?;
    // Two listings of nobody knows what are not compared.
    let before =
        listings.first().filter(|(first, _)| first.file != last.file && first.command.is_some());
    let names = |c: &&Counter| told.names.contains(&c.name.as_str());
    let sum = |counters: &[Counter]| counters.iter().filter(names).map(|c| c.value).sum::<u64>();
    let rose = sum(after).saturating_sub(before.map_or(0, |(_, counters)| sum(counters)));
    // A rise before the first end or after the last is somebody else's.
    let ends = subject.end_moments();
    let between = before.is_none_or(|(first, _)| {
        ends.iter().any(|end| first.taken_at.is_none_or(|at| at <= *end))
            && ends.iter().any(|end| last.taken_at.is_none_or(|at| at >= *end))
    });
    if rose == 0 || !between {
        return None;
    }
    let counted = told.names.join(" or ");
    let since = if before.is_some() { "between two listings" } else { "since it came up" };
    let says = format!("{}: {counted} rose by {rose} {since}: {}", whose(last), told.what);
    let lines = after.iter().filter(names).filter(|c| c.value > 0).map(|c| c.line);
    let mut cites = vec![Cite::lines(&last.file, lines)];
    cites.extend(before.map(|(first, counters)| {
        let lines = counters.iter().filter(names).map(|c| c.line);
        Cite::lines(&first.file, lines)
    }));
    let alone = if before.is_some() { 1.0 } else { 0.4 };
    let piece = Evidence::table(told.kind, told.value, says, cites).on(last.host.as_ref());
    Some(piece.weaker(told.strength * alone))
}
