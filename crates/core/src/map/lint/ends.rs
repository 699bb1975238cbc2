//! Rules about the ends of connections, about ages and closes, and about boxes of a pair.

use super::{Finding, s, told};
use crate::map::idle;
use crate::map::inventory::{Beat, Kind, Path, Use};
use crate::map::job::{Job, Leg};
use crate::map::settle::{Kept, Known, Map, Met, Stop, amount};
use std::collections::BTreeMap;

/// TCP_RTO_MAX: the longest pause between retransmissions, in seconds (include/net/tcp.h, 6.18).
const RTO_MAX_S: f64 = 120.0;

/// A declared TCP keepalive of which the sender's own sockets know nothing.
pub(super) fn not_on_sockets(map: &Map, path: &Path) -> Vec<Finding> {
    let mut found = Vec::new();
    for keepalive in path.keepalives.iter().filter(|k| k.kind == Beat::Tcp) {
        let Some(hop) = path.hops.get(idle::sender(path, keepalive)).and_then(|n| map.hop(n))
        else {
            continue;
        };
        let Some(sockets) = hop.measured.as_ref().and_then(|m| m.sockets.as_ref()) else {
            continue;
        };
        let to = path.port.and_then(|port| sockets.to_port.get(&port));
        let at = path.port.and_then(|port| sockets.at_port.get(&port));
        let (established, with) = match (path.port, to.or(at)) {
            (Some(_), Some(share)) => (share.established, share.with_keepalive),
            // Of this path's sockets nothing was seen.
            (Some(_), None) => continue,
            (None, _) => (sockets.established, sockets.with_keepalive),
        };
        if established == 0 || with > 0 {
            continue;
        }
        let which = path.port.map_or_else(String::new, |port| format!(" of port {port}"));
        found.push(Finding {
            rule: "keepalive-not-on-sockets",
            path: Some(path.name.clone()),
            hops: vec![hop.name.clone()],
            says: format!(
                "TCP keepalive of {} is declared, and none of {}'s {established} established sockets{which} has a keepalive timer",
                s(keepalive.every_s),
                hop.name,
            ),
            numbers: BTreeMap::from([
                ("sockets_count", established as f64),
                ("with_keepalive_count", 0.0),
                ("keepalive_s", keepalive.every_s),
            ]),
            fix: format!(
                "let the program at {} set SO_KEEPALIVE, and TCP_KEEPIDLE to {}",
                hop.name,
                s(keepalive.every_s),
            ),
        });
    }
    found
}

/// A PING that the far end of its connection takes for an attack.
pub(super) fn ping_too_often(map: &Map, path: &Path) -> Vec<Finding> {
    let hops = map.along(path);
    let mut found = Vec::new();
    for keepalive in path.keepalives.iter().filter(|k| k.kind == Beat::Http2Ping) {
        let sender = idle::sender(path, keepalive);
        for segment in map.segments(path) {
            let far = match sender {
                _ if sender == segment.from => segment.to,
                _ if sender == segment.to => segment.from,
                _ => continue,
            };
            let (Some(by), Some(far)) = (hops.get(sender), hops.get(far)) else { continue };
            let Some(least) = far.ping_at_least_s.filter(|least| keepalive.every_s < *least) else {
                continue;
            };
            found.push(Finding {
                rule: "ping-too-often",
                path: Some(path.name.clone()),
                hops: vec![by.name.clone(), far.name.clone()],
                says: format!(
                    "{} sends a PING every {}, and {} puts up with one every {} at most: it ends the connection with GOAWAY, ENHANCE_YOUR_CALM",
                    by.name,
                    s(keepalive.every_s),
                    far.name,
                    s(least),
                ),
                numbers: BTreeMap::from([("keepalive_s", keepalive.every_s), ("least_s", least)]),
                fix: format!(
                    "send it every {} or more, or let {} permit {}",
                    s(least),
                    far.name,
                    s(keepalive.every_s),
                ),
            });
        }
    }
    found
}

/// Whoever opened a connection must let go of it first: one that the other side is just closing is
/// used once more and lost.
pub(super) fn backend_first(map: &Map, path: &Path) -> Vec<Finding> {
    if path.used == Use::Stream {
        return Vec::new();
    }
    let hops = map.along(path);
    let mut found = Vec::new();
    for segment in map.segments(path) {
        let (Some(opens), Some(accepts)) = (hops.get(segment.from), hops.get(segment.to)) else {
            continue;
        };
        let closes = |job| matches!(job, Job::Closes | Job::ClosesBetween);
        let (Some(backend), Some(own)) = (
            shortest(accepts, |k| closes(k.job) && k.leg != Leg::TowardsServer),
            shortest(opens, |k| closes(k.job) && k.leg != Leg::TowardsClient),
        ) else {
            continue;
        };
        let (Some(backend_s), Some(own_s)) = (backend.seconds, own.seconds) else { continue };
        if own_s < backend_s {
            continue;
        }
        found.push(Finding {
            rule: "backend-lets-go-first",
            path: Some(path.name.clone()),
            hops: vec![opens.name.clone(), accepts.name.clone()],
            says: format!(
                "{} runs out no later than {}: a request may meet a connection that is just being closed",
                told(&accepts.name, backend),
                told(&opens.name, own),
            ),
            numbers: BTreeMap::from([("backend_idle_s", backend_s), ("opener_idle_s", own_s)]),
            fix: format!(
                "raise {} of {} above {}, or lower {} of {} below {}",
                backend.what,
                accepts.name,
                s(own_s),
                own.what,
                opens.name,
                s(backend_s),
            ),
        });
    }
    found
}

fn shortest(hop: &Stop, wanted: impl Fn(&Kept) -> bool) -> Option<&Kept> {
    let kept = hop.kept.iter().filter(|kept| kept.seconds.is_some() && wanted(kept));
    kept.min_by(|a, b| a.seconds.unwrap_or(0.0).total_cmp(&b.seconds.unwrap_or(0.0)))
}

/// The shortest maximum age of a path that is not the client's own.
fn shortest_age<'a>(map: &'a Map, path: &Path) -> Option<Met<'a>> {
    let mut ages = map.met(path, |job| job == Job::Age);
    ages.retain(|met| met.at > 0 && met.kept.seconds.is_some());
    ages.into_iter().min_by(|a, b| idle::seconds(a).total_cmp(&idle::seconds(b)))
}

/// How long the client keeps a connection: as the path says, or by a timer of its own.
fn client_age(map: &Map, path: &Path) -> Option<f64> {
    let client = path.hops.first().and_then(|name| map.hop(name));
    let own = client.and_then(|hop| shortest(hop, |kept| kept.job == Job::Age));
    path.client_max_age_s.or_else(|| own.and_then(|kept| kept.seconds))
}

/// A pool that keeps connections until somebody else ends them.
pub(super) fn client_age_above(map: &Map, path: &Path) -> Vec<Finding> {
    let (Some(age), Some(own)) = (shortest_age(map, path), client_age(map, path)) else {
        return Vec::new();
    };
    let age_s = idle::seconds(&age);
    if own < age_s {
        return Vec::new();
    }
    vec![Finding {
        rule: "client-age-above-path",
        path: Some(path.name.clone()),
        hops: path.hops.first().into_iter().chain([&age.hop.name]).cloned().collect(),
        says: format!(
            "the client keeps connections for {}, and {} ends them before",
            s(own),
            told(&age.hop.name, age.kept),
        ),
        numbers: BTreeMap::from([("client_age_s", own), ("age_s", age_s)]),
        fix: format!(
            "let the client retire connections after {} or less",
            s((0.9 * age_s).floor())
        ),
    }]
}

/// A stream that will end at an age for which nobody is prepared.
pub(super) fn age_unplanned(map: &Map, path: &Path) -> Vec<Finding> {
    let Some(age) = shortest_age(map, path) else { return Vec::new() };
    if path.used == Use::Requests || client_age(map, path).is_some() {
        return Vec::new();
    }
    let age_s = idle::seconds(&age);
    vec![Finding {
        rule: "age-unplanned",
        path: Some(path.name.clone()),
        hops: vec![age.hop.name.clone()],
        says: format!(
            "a stream ends at {}, whatever is sent, and nothing says that its client expects it",
            told(&age.hop.name, age.kept),
        ),
        numbers: BTreeMap::from([("age_s", age_s)]),
        fix: format!(
            "let the client open a new stream before {} and write client_max_age_s for this path, or accept that it reconnects",
            s((0.9 * age_s).floor()),
        ),
    }]
}

/// A box that forgets while one end still speaks.
pub(super) fn half_close(map: &Map, path: &Path) -> Vec<Finding> {
    let Some(open) = path.half_close_s else { return Vec::new() };
    let met = map.met(path, |job| job == Job::Closing);
    let short = met.iter().filter(|met| idle::seconds(met) <= open);
    short
        .map(|met| Finding {
            rule: "half-close-forgotten",
            path: Some(path.name.clone()),
            hops: vec![met.hop.name.clone()],
            says: format!(
                "one end stays open for {} after the other has closed, and {} runs out before",
                s(open),
                told(&met.hop.name, met.kept),
            ),
            numbers: BTreeMap::from([("half_close_s", open), ("closing_s", idle::seconds(met))]),
            fix: format!(
                "raise {} of {} above {}, or let the closing end stay open until the other is done",
                met.kept.what,
                met.hop.name,
                s(open),
            ),
        })
        .collect()
}

/// A box that forgets between two tries of one segment.
pub(super) fn unacknowledged(map: &Map, path: &Path) -> Vec<Finding> {
    let met = map.met(path, |job| job == Job::Unacknowledged);
    let short = met.iter().filter(|met| idle::seconds(met) <= RTO_MAX_S);
    short
        .map(|met| Finding {
            rule: "unacknowledged-short",
            path: Some(path.name.clone()),
            hops: vec![met.hop.name.clone()],
            says: format!(
                "TCP pauses up to {} between two tries of one segment (TCP_RTO_MAX), and {} runs out before",
                s(RTO_MAX_S),
                told(&met.hop.name, met.kept),
            ),
            numbers: BTreeMap::from([
                ("rto_max_s", RTO_MAX_S),
                ("unacknowledged_s", idle::seconds(met)),
            ]),
            fix: format!("raise {} of {} above {}", met.kept.what, met.hop.name, s(RTO_MAX_S)),
        })
        .collect()
}

/// A hop in the middle of which no idle timer is known.
pub(super) fn unknown(map: &Map, path: &Path) -> Vec<Finding> {
    let hops = map.along(path);
    let last = hops.len().saturating_sub(1);
    let middle = hops.into_iter().enumerate().filter(|(i, _)| *i > 0 && *i < last);
    let idle = |kept: &Kept| {
        matches!(kept.job, Job::Forgets | Job::Closes | Job::ClosesBetween | Job::ClosesWithin)
    };
    // A router that was measured and tracks nothing has none.
    let none = |hop: &Stop| {
        hop.kind == Kind::Router && hop.measured.as_ref().is_some_and(|m| m.tracks == Some(false))
    };
    middle
        .filter(|(_, hop)| !none(hop) && !hop.kept.iter().any(idle))
        .map(|(_, hop)| Finding {
            rule: "unknown-clock",
            path: Some(path.name.clone()),
            hops: vec![hop.name.clone()],
            says: format!(
                "of {}, a {}, no idle timer is known; that none is documented does not mean there is none",
                hop.name,
                hop.kind.word(),
            ),
            numbers: BTreeMap::new(),
            fix: format!(
                "give {} a snapshot (`hopclock snapshot` on it), a row of the catalogue, or what its owner says",
                hop.name,
            ),
        })
        .collect()
}

/// Two boxes of a pair that are not tuned alike.
pub(super) fn pairs(map: &Map) -> Vec<Finding> {
    let mut found = Vec::new();
    for (i, hop) in map.hops.iter().enumerate() {
        let Some(other) = hop.pair.as_deref().and_then(|name| map.hop(name)) else { continue };
        // Both may name each other: told once.
        let earlier = map.hops.iter().take(i).any(|o| o.name == other.name);
        if earlier && other.pair.as_deref() == Some(&hop.name) {
            continue;
        }
        found.extend(hop.kept.iter().filter_map(|kept| differs(hop, kept, other)));
        // What one of them was never asked for is not known to differ.
        if hop.measured.is_some() {
            let only = other.kept.iter().filter(|kept| twin(hop, kept).is_none());
            let measured = only.filter(|kept| kept.known == Known::Measured);
            found.extend(measured.map(|kept| pair_finding((other, kept), (hop, None))));
        }
    }
    found
}

fn twin<'a>(hop: &'a Stop, kept: &Kept) -> Option<&'a Kept> {
    let same = |k: &&Kept| k.clock == kept.clock && k.what == kept.what && k.scope == kept.scope;
    hop.kept.iter().find(same)
}

fn differs(hop: &Stop, kept: &Kept, other: &Stop) -> Option<Finding> {
    let theirs = twin(other, kept);
    match theirs {
        Some(theirs) if theirs.seconds == kept.seconds => None,
        Some(_) => Some(pair_finding((hop, kept), (other, theirs))),
        // What one of them was never asked for is not known to differ.
        None if kept.known != Known::Measured || other.measured.is_none() => None,
        None => Some(pair_finding((hop, kept), (other, None))),
    }
}

fn pair_finding((hop, kept): (&Stop, &Kept), (other, theirs): (&Stop, Option<&Kept>)) -> Finding {
    let there = match theirs {
        Some(theirs) => amount(theirs.seconds),
        None => "not there".to_owned(),
    };
    let mut numbers = BTreeMap::new();
    numbers.extend(kept.seconds.map(|seconds| ("first_s", seconds)));
    numbers.extend(theirs.and_then(|t| t.seconds).map(|seconds| ("second_s", seconds)));
    let here = amount(kept.seconds);
    Finding {
        rule: "pair-differs",
        path: None,
        hops: vec![hop.name.clone(), other.name.clone()],
        says: format!(
            "{} is {here} on {} and {there} on {}, its pair: after a failover another clock counts",
            kept.what, hop.name, other.name,
        ),
        numbers,
        fix: format!("set {} to one value on both", kept.what),
    }
}
