//! What dumps of boxes say of a subject: its conntrack entries.

use super::super::clocks_seen::{Reading, SeenClock, whose};
use super::super::evidence::{Cite, Evidence, Weighs};
use super::super::facts::{Content, Facts, Source};
use super::super::numbers::is_round;
use super::super::subject::{FlowPart, Subject};
use crate::dump::conntrack::Entry;
use crate::dump::events::What;
use crate::terms::Role;
use crate::time::Moment;
use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};

/// A remaining time within this of the full timeout was refreshed just now.
const FRESH_S: f64 = 5.0;
/// More entries of one subject than this say nothing new.
const ENTRIES_MAX: usize = 4;

/// What entries are compared with.
struct Known<'a> {
    clocks: &'a [SeenClock],
    /// The entries are the subject's by guess, not by addresses.
    guessed: bool,
    /// How long the connections live.
    age_s: Option<f64>,
    /// The longest silence seen within one.
    silence_s: Option<f64>,
}

/// The conntrack entries of the subject's connections.
pub(super) fn observe(subject: &Subject<'_>, facts: &Facts, clocks: &[SeenClock]) -> Vec<Evidence> {
    let ends: Vec<(SocketAddr, SocketAddr)> =
        subject.flows.iter().map(|f| (f.flow.record.client, f.flow.record.server)).collect();
    let named = Addresses::of(subject);
    let entries: Vec<(&Source, &Entry)> =
        facts.entries().filter(|(_, e)| e.protocol == "tcp").collect();
    let tied = |entry: &Entry| match ends.is_empty() {
        false => ends.iter().any(|e| same(entry, *e)),
        // Without a capture the log's addresses tie them, or there is nothing to confuse one with.
        true if named.is_empty() => entries.len() == 1,
        true => named.tie(entry),
    };
    let (own, other): (Vec<_>, Vec<_>) = entries.iter().copied().partition(|(_, e)| tied(e));
    if own.is_empty() {
        let other = other.first().map(|(s, e)| another(s, e));
        return other.into_iter().chain(destroyed(subject, facts)).collect();
    }
    let known = Known {
        clocks,
        guessed: ends.is_empty(),
        age_s: subject.measured.lifetime.map(|l| l.high),
        silence_s: subject.measured.longest_silence_s,
    };
    let mut found: Vec<Evidence> =
        own.iter().take(1).filter_map(|(s, e)| translated(s, e)).collect();
    match two_samples(&own) {
        Some(pair) => found.push(pair),
        None => {
            found.extend(own.iter().take(ENTRIES_MAX).filter_map(|(s, e)| remaining(s, e, &known)));
        }
    }
    found.extend(vanished(subject, facts, &own));
    found.extend(destroyed(subject, facts));
    found
}

/// `conntrack -E` saw the entry go before its connection ended.
fn destroyed(subject: &Subject<'_>, facts: &Facts) -> Option<Evidence> {
    let views = || subject.flows.iter().chain(&subject.elsewhere).filter(|f| f.ended());
    facts.sources.iter().find_map(|source| {
        let Content::TableEvents(events) = &*source.content else { return None };
        let gone = events.iter().filter(|e| e.what == What::Destroy);
        // The box's own clock, which captures may tie to the others.
        let by = |at: Moment| facts.by_one_clock(source, at).unwrap_or(at);
        let (event, before_s) = gone
            .filter_map(|e| {
                let at = by(e.at?);
                let own = |f: &&FlowPart<'_>| {
                    same(&e.entry, (f.flow.record.client, f.flow.record.server))
                };
                let lived = views().filter(own).filter_map(|f| {
                    // A connection that was closed in order may lose its entry; its end came first.
                    let began = f.by_one_clock(f.flow.record.first_ns);
                    (began < at).then(|| f.end().map(|mark| f.by_one_clock(mark.at)))?
                });
                let before_s = lived.max()?.since(at).secs_f64();
                // Clocks of two hosts.
                (before_s > 1.0).then_some((e, before_s))
            })
            .next()?;
        let says = format!(
            "{}: the entry was destroyed {before_s:.1} s before the connection ended",
            whose(source)
        );
        let cites = vec![Cite::lines(&source.file, [event.line])];
        Some(Evidence::table("box-entry", "absent", says, cites).on(source.host.as_ref()))
    })
}

/// A dated dump without an entry that an earlier one of the box had, while its connection had not
/// ended yet: the table lost it first. Only looks of a whole table count, which nobody can tell of
/// a dump; that the earlier one had the entry is as near as it gets.
fn vanished(subject: &Subject<'_>, facts: &Facts, own: &[(&Source, &Entry)]) -> Option<Evidence> {
    let views = || subject.flows.iter().chain(&subject.elsewhere);
    let had = own.iter().filter(|(s, _)| s.taken_at.is_some());
    let (with, entry) = had.max_by_key(|(s, _)| s.taken_at)?;
    let by = |at: Moment| facts.by_one_clock(with, at).unwrap_or(at);
    // The entry's own connection: another that took its place has another entry.
    let its = |f: &&FlowPart<'_>| {
        let record = &f.flow.record;
        let began = f.by_one_clock(record.first_ns);
        same(entry, (record.client, record.server)) && Some(began) < with.taken_at.map(by)
    };
    let ends = views()
        .filter(its)
        .map(|f| f.by_one_clock(f.end().map_or(f.flow.record.last_ns, |m| m.at)));
    let end = ends.max()?;
    let without = facts.sources.iter().find(|s| {
        let Content::Conntrack(entries) = &*s.content else { return false };
        s.host.is_some()
            && s.host == with.host
            && s.command == with.command
            && s.taken_at > with.taken_at
            && s.taken_at.is_some_and(|at| by(at) < end)
            && !entries.iter().any(|e| e.original == entry.original)
    })?;
    let before = end.since(by(without.taken_at?)).secs_f64();
    let says = format!(
        "{}: the entry was in the table and {before:.1} s before the connection's last packet it was not",
        whose(with)
    );
    // A dump that holds nothing has no line to point at but its own first.
    let cites = vec![Cite::lines(&with.file, [entry.line]), Cite::lines(&without.file, [1])];
    Some(Evidence::table("box-entry", "absent", says, cites).on(with.host.as_ref()))
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

/// Addresses the log's ending lines name.
struct Addresses {
    bare: BTreeSet<IpAddr>,
    with_port: BTreeSet<SocketAddr>,
}

impl Addresses {
    fn of(subject: &Subject<'_>) -> Addresses {
        let mut found = Addresses { bare: BTreeSet::new(), with_port: BTreeSet::new() };
        let lines = subject.log.iter().flat_map(|l| l.ended().take(400).collect::<Vec<_>>());
        for (_, end) in lines {
            for text in [Some(end.text.as_str()), end.who.as_deref()].into_iter().flatten() {
                let inside = |c: char| c.is_ascii_hexdigit() || matches!(c, '.' | ':' | '[' | ']');
                text.split(|c: char| !inside(c)).for_each(|word| found.take(word));
            }
        }
        found
    }

    fn take(&mut self, word: &str) {
        // `d::` of a path such as std::io is an address by the letter and none by sense.
        let plausible = word.contains('.') || word.matches(':').count() >= 3;
        if let Ok(full) = word.parse::<SocketAddr>() {
            self.with_port.insert(full);
            self.bare.insert(full.ip());
        } else if let (true, Ok(ip)) = (plausible, word.parse()) {
            self.bare.insert(ip);
        }
    }

    fn is_empty(&self) -> bool {
        self.bare.is_empty()
    }

    /// Both addresses are named, or the far end with its port.
    fn tie(&self, entry: &Entry) -> bool {
        let tuple = entry.original;
        let far = SocketAddr::new(tuple.dst, tuple.dport);
        let near = SocketAddr::new(tuple.src, tuple.sport);
        let near_port_known = self.with_port.iter().any(|s| s.ip() == tuple.src);
        (self.with_port.contains(&far) && (!near_port_known || self.with_port.contains(&near)))
            || (self.bare.contains(&tuple.src) && self.bare.contains(&tuple.dst))
    }
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

fn translated(source: &Source, entry: &Entry) -> Option<Evidence> {
    let which = match (entry.source_translated(), entry.destination_translated()) {
        (true, _) => "source",
        (false, true) => "destination",
        (false, false) => return None,
    };
    let says = format!("{} translates the {which} address of this connection", whose(source));
    let cites = vec![Cite::lines(&source.file, [entry.line])];
    Some(Evidence::new(Weighs::Context("translated"), says, cites).on(source.host.as_ref()))
}

/// Two dated looks at one entry: the surest sign there is. An entry that is refreshed shows about
/// the same number again; a frozen one shows less by the time that passed.
fn two_samples(own: &[(&Source, &Entry)]) -> Option<Evidence> {
    let mut dated: Vec<_> = own
        .iter()
        .filter_map(|(s, e)| Some((s.taken_at?, e.remaining_s? as f64, *s, *e)))
        .collect();
    dated.sort_by_key(|(at, _, s, e)| (*at, s.file.clone(), e.line));
    let (first, last) = (dated.first()?, dated.last()?);
    let passed = last.0.since(first.0).secs_f64();
    if passed < 2.0 || first.3.original != last.3.original {
        return None;
    }
    let fell = first.1 - last.1;
    // A state has its own timer: only within one is what remains comparable.
    if first.3.tcp_state != last.3.tcp_state {
        return None;
    }
    let slack = 2.0 + 0.02 * passed;
    let (value, how) = match fell {
        // No entry runs faster than time: a shorter timer was set in between.
        f if f > passed + slack => return None,
        // A second either way: the numbers are cut to whole ones, and the dump takes time.
        f if f >= passed - slack => ("running-down", "nothing refreshed it"),
        f if f.abs() <= 0.2 * passed + FRESH_S => ("just-refreshed", "it is refreshed"),
        _ => return None,
    };
    let says = format!(
        "{}: {:.0} s remained on the entry, and {passed:.0} s later {:.0} s: {how}",
        whose(first.2),
        first.1,
        last.1
    );
    let cite = |s: &Source, e: &Entry| Cite::lines(&s.file, [e.line]);
    let cites = vec![cite(first.2, first.3), cite(last.2, last.3)];
    let piece = Evidence::table("box-entry", value, says, cites).on(first.2.host.as_ref());
    Some(piece.of_seconds(fell.max(0.0)))
}

/// The timeout an entry's remaining time is compared with, and whether it is this box's own: read
/// on the same host, or on the one hop there is. Anything else is a supposition.
fn timeout_of(source: &Source, clocks: &[SeenClock]) -> Option<(f64, bool)> {
    let established: Vec<&SeenClock> = clocks
        .iter()
        .filter(|c| c.clock.as_ref().is_some_and(|k| k.id == "linux-ct-tcp-established"))
        .collect();
    let same_host = |c: &&&SeenClock| c.host.is_some() && c.host == source.host;
    if let Some(own) = established.iter().find(same_host) {
        return Some((own.seconds, true));
    }
    let nameless = |c: &&&SeenClock| {
        c.role == source.role
            && c.role == Some(Role::Hop)
            && (c.host.is_none() || source.host.is_none())
    };
    if let Some(own) = established.iter().find(nameless) {
        return Some((own.seconds, true));
    }
    let direct = established.iter().find(|c| c.reading == Reading::Direct);
    direct.or(established.first()).map(|c| (c.seconds, false))
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

/// Timers other than its own that an ESTABLISHED entry may run for, each with its value out of the
/// box: data that is not acknowledged, the same acknowledgement again and again or a window of
/// zero, a reset that did not close it (net/netfilter/nf_conntrack_proto_tcp.c,
/// `nf_conntrack_tcp_packet`, 6.18). They only ever shorten it.
const SHORTER: [(&str, &str, f64); 3] = [
    ("linux-ct-tcp-unacknowledged", "data nobody acknowledged", 300.0),
    ("linux-ct-tcp-max-retrans", "repeats or a window of zero", 300.0),
    ("linux-ct-tcp-close", "a reset that did not close it", 10.0),
];

/// What one look says when the entry may run for a shorter timer than its state's: then nothing
/// follows from how far it is below that one.
fn shorter(source: &Source, (left, full): (f64, f64), clocks: &[SeenClock]) -> Option<String> {
    // Just below its own timer it was refreshed, whichever it runs for next.
    if full - left <= FRESH_S {
        return None;
    }
    let value = |id: &str, usual: f64| {
        let own = |c: &&SeenClock| {
            c.clock.as_ref().is_some_and(|k| k.id == id) && c.keeper == whose(source)
        };
        clocks.iter().find(own).map_or(usual, |c| c.seconds)
    };
    let may: Vec<(f64, &str)> = SHORTER
        .iter()
        .map(|(id, what, usual)| (value(id, *usual), *what))
        .filter(|(timer, _)| *timer < full && left <= *timer)
        .collect();
    let (timer, what) = may.iter().min_by(|a, b| a.0.total_cmp(&b.0))?;
    Some(format!(
        "{}: {left:.0} s remain on the entry, of the {timer:.0} s for {what} or of its {full:.0} s: one look cannot tell \
         which",
        whose(source)
    ))
}

/// What one look at an entry says.
fn remaining(source: &Source, entry: &Entry, known: &Known<'_>) -> Option<Evidence> {
    let cites = vec![Cite::lines(&source.file, [entry.line])];
    let own = |e: Evidence| e.on(source.host.as_ref());
    if entry.offloaded {
        let says = format!("{}: the entry is offloaded, packets do not refresh it", whose(source));
        return Some(own(Evidence::table("box-entry", "running-down", says, cites)));
    }
    let established = entry.tcp_state.as_deref() == Some("ESTABLISHED");
    let left = entry.remaining_s.filter(|_| established)? as f64;
    let Some((timeout, direct)) = timeout_of(source, known.clocks) else {
        return Some(own(without_timeout(source, left, cites)));
    };
    if let Some(says) = shorter(source, (left, timeout), known.clocks) {
        return Some(own(Evidence::new(Weighs::Context("entry"), says, cites)));
    }
    let since = timeout - left;
    let strength = if known.guessed { 0.5 } else { 1.0 };
    let says = format!("{}: {left:.0} of {timeout:.0} s remain on the entry", whose(source));
    // A pause as long as the connection itself makes says nothing of a freeze.
    let pause = known.silence_s.map_or(0.02 * timeout, |s| 1.5 * s + 2.0).max(FRESH_S);
    Some(own(if (-1.0..=FRESH_S).contains(&since) {
        let supposing =
            if direct { "" } else { ", supposing the box is set like the host it was read on" };
        let within = since.max(0.0) + 1.0;
        let says = format!("{says}: it was refreshed within the last {within:.0} s{supposing}");
        let less = if direct { 1.0 } else { 0.8 };
        Evidence::table("box-entry", "just-refreshed", says, cites).weaker(strength * less)
    } else if known.age_s.is_some_and(|age| since > age * 1.05) {
        // No connection can have been silent for longer than it lives: the line and the setting are
        // not of one box, or not of one time. It says nothing of this entry.
        let says = format!("{says}, as if no packet had come for {since:.0} s");
        Evidence::new(Weighs::Context("impossible-remainder"), says, cites).of_seconds(since)
    } else if since > pause && direct {
        let says = format!("{says}: nothing refreshed it for {since:.0} s");
        Evidence::table("box-entry", "running-down", says, cites).weaker(strength).of_seconds(since)
    } else if since < 0.0 {
        let read = if direct { "on the box" } else { "elsewhere" };
        let says = format!(
            "{}: {left:.0} s remain on the entry, more than the timeout of {timeout:.0} s read {read}: it was set before \
             the timeout was changed, or the two are not of one box",
            whose(source)
        );
        Evidence::new(Weighs::Context("entry"), says, cites)
    } else {
        let says = format!("{says}: the last packet was {since:.0} s ago, if that is its timeout");
        Evidence::new(Weighs::Context("entry"), says, cites)
    }))
}
