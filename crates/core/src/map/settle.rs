//! From what was written and measured to what holds: every hop with its timers, every path as the
//! connections it is made of.
//!
//! A timer that a snapshot measured goes before one that somebody stated, and that before a
//! product's default: of one setting only the best known stays, and the others are told where they
//! disagree. Nothing is assumed of a hop about which nobody said anything.

use super::inventory::{Accepted, Hop, Inventory, Kind, Path, Runs, Stated};
use super::job::{Job, Jobs, Leg, of_anchor};
use super::snapshot::{Namespace, Snapshot, Sockets, Timer};
use crate::clocks::{Catalogue, Clock, OnExpiry, Refreshes};
use crate::terms::Anchor;
use serde::Serialize;
use std::collections::BTreeMap;

/// How a value came to be known, the best first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Known {
    /// Read on the hop itself.
    Measured,
    /// Told by somebody who has a name.
    Stated,
    /// What the product has out of the box, by a source that was read.
    Default,
    /// Written down without anybody to ask, or by no source.
    Guess,
}

/// A timer that a hop keeps.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Kept {
    /// The row of the catalogue, where there is one.
    pub clock: Option<String>,
    /// What a person calls it.
    pub what: String,
    /// Its value in seconds; absent for one that is switched off or not known.
    pub seconds: Option<f64>,
    /// What it counts from.
    pub anchor: Anchor,
    /// What it does to a connection.
    pub job: Job,
    /// For which connections of a hop that ends TCP.
    pub leg: Leg,
    /// What restarts it, in words.
    pub refreshed_by: String,
    /// Whether TCP keepalive probes restart it.
    pub tcp: Refreshes,
    /// Whether HTTP/2 PINGs restart it.
    pub ping: Refreshes,
    /// What happens at its end.
    pub on_expiry: OnExpiry,
    /// How the value is known.
    pub known: Known,
    /// Where it was read, or who said so.
    pub from: String,
    /// What it is valid for, where it is not for the whole hop.
    pub scope: Option<String>,
    /// Whether another timer of the hop runs in its place once a connection is a stream.
    pub not_in_streams: bool,
}

/// What a snapshot adds to a hop besides its timers.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Measured {
    /// The host's name for itself.
    pub host: String,
    /// When, in nanoseconds since the epoch.
    pub at_ns: i64,
    /// The kernel's release.
    pub kernel: Option<String>,
    /// Whether it tracks connections, where that could be told.
    pub tracks: Option<bool>,
    /// Whether it translates addresses, where that could be told.
    pub translates: Option<bool>,
    /// `nf_conntrack_tcp_loose`: whether a connection is picked up in its middle.
    pub loose: Option<bool>,
    /// Its established sockets, where they could be listed.
    pub sockets: Option<Sockets>,
}

/// A hop with everything known of it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Stop {
    /// Its name.
    pub name: String,
    /// What it is.
    pub kind: Kind,
    /// Whether it ends TCP.
    pub ends_tcp: bool,
    /// Its twin.
    pub pair: Option<String>,
    /// The smallest interval between PINGs it puts up with, and how that is known.
    pub ping_at_least_s: Option<f64>,
    /// Its timers: by what they do, shortest first.
    pub kept: Vec<Kept>,
    /// What was measured besides.
    pub measured: Option<Measured>,
}

/// A map: what holds.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Map {
    /// Hops, in the order of the file.
    pub hops: Vec<Stop>,
    /// Paths, as the file has them.
    pub paths: Vec<Path>,
    /// Findings that are accepted.
    pub accepted: Vec<Accepted>,
    /// What could not be used, one sentence each.
    pub notes: Vec<String>,
}

/// A connection of a path: TCP between two hops that end it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Segment {
    /// Index in the path's hops of the one that opens it.
    pub from: usize,
    /// Index of the one that accepts it.
    pub to: usize,
}

/// An idle timer as a path meets it.
#[derive(Clone, Copy, Debug)]
pub struct Met<'a> {
    /// The hop's index in the path.
    pub at: usize,
    /// The hop.
    pub hop: &'a Stop,
    /// Its timer.
    pub kept: &'a Kept,
    /// The connection it is kept for.
    pub segment: Segment,
}

/// What is put together.
#[derive(Clone, Copy, Debug)]
pub struct Sources<'a> {
    /// What a person wrote.
    pub inventory: &'a Inventory,
    /// Snapshots, by the name the inventory has for them.
    pub snapshots: &'a BTreeMap<String, Snapshot>,
    /// The products.
    pub catalogue: &'a Catalogue,
    /// What their timers do.
    pub jobs: &'a Jobs,
}

impl Map {
    /// Puts everything together. What is named and not there is told in [`Map::notes`].
    pub fn settle(sources: Sources<'_>) -> Map {
        let mut notes = Vec::new();
        let hops =
            sources.inventory.hops.iter().map(|hop| stop(sources, hop, &mut notes)).collect();
        let paths = sources.inventory.paths.clone();
        Map { hops, paths, accepted: sources.inventory.accepted.clone(), notes }
    }

    /// The hop of this name.
    pub fn hop(&self, name: &str) -> Option<&Stop> {
        self.hops.iter().find(|hop| hop.name == name)
    }

    /// The hops of a path, in order.
    pub fn along(&self, path: &Path) -> Vec<&Stop> {
        path.hops.iter().filter_map(|name| self.hop(name)).collect()
    }

    /// The connections a path is made of.
    pub fn segments(&self, path: &Path) -> Vec<Segment> {
        let hops = self.along(path);
        let last = hops.len().saturating_sub(1);
        let ends = hops.iter().enumerate();
        // Whatever its kind, a path's first hop opens and its last accepts.
        let ends: Vec<usize> =
            ends.filter(|(i, hop)| *i == 0 || *i == last || hop.ends_tcp).map(|(i, _)| i).collect();
        let pairs = ends.iter().zip(ends.iter().skip(1));
        pairs.map(|(&from, &to)| Segment { from, to }).collect()
    }

    /// Every timer of one job along a path, with the connection each is kept for. One that a hop in
    /// the middle keeps for both of its sides is met twice.
    pub fn met<'a>(&'a self, path: &Path, wanted: impl Fn(Job) -> bool) -> Vec<Met<'a>> {
        let hops = self.along(path);
        let mut met = Vec::new();
        for segment in self.segments(path) {
            let span = hops.iter().enumerate().take(segment.to + 1).skip(segment.from);
            for (at, &hop) in span {
                let mine = |kept: &&Kept| wanted(kept.job) && segment.keeps(at, kept.leg);
                met.extend(hop.kept.iter().filter(mine).map(|kept| Met { at, hop, kept, segment }));
            }
        }
        met
    }
}

impl Segment {
    /// Whether a timer of that leg at a hop of the path is kept for this connection.
    const fn keeps(self, at: usize, leg: Leg) -> bool {
        match leg {
            Leg::TowardsClient => at == self.to || at != self.from,
            Leg::TowardsServer => at == self.from || at != self.to,
            Leg::Both => true,
        }
    }
}

fn stop(sources: Sources<'_>, hop: &Hop, notes: &mut Vec<String>) -> Stop {
    let mut kept = Vec::new();
    let mut measured = None;
    if let Some(file) = &hop.snapshot {
        match sources.snapshots.get(file) {
            Some(snapshot) => {
                measured = from_snapshot(sources, hop, snapshot, &mut kept, notes);
            }
            None => {
                notes.push(format!("hop {:?}: the snapshot {file} could not be read", hop.name))
            }
        }
    }
    for stated in &hop.timers {
        kept.extend(from_person(sources, hop, stated, notes));
    }
    for id in &hop.catalogue {
        match sources.catalogue.by_id(id) {
            Some(clock) => kept.push(by_default(sources, clock)),
            None => notes.push(format!("hop {:?}: the catalogue has no {id:?}", hop.name)),
        }
    }
    let mut kept = best(hop, kept, notes);
    mark_replaced(sources.jobs, &mut kept);
    let limit = kept.iter().find(|k| k.job == Job::PingLimit).and_then(|k| k.seconds);
    Stop {
        name: hop.name.clone(),
        kind: hop.kind,
        ends_tcp: hop.ends_tcp.unwrap_or_else(|| hop.kind.ends_tcp()),
        pair: hop.pair.clone(),
        ping_at_least_s: hop.ping_at_least_s.or(limit),
        kept,
        measured,
    }
}

/// Marks the timers in whose place another one runs in streams, where that one is set.
fn mark_replaced(jobs: &Jobs, all: &mut [Kept]) {
    let set: Vec<String> =
        all.iter().filter(|k| k.seconds.is_some()).filter_map(|k| k.clock.clone()).collect();
    for kept in all {
        let instead = kept.clock.as_deref().and_then(|id| jobs.instead_in_streams(id));
        kept.not_in_streams = instead.is_some_and(|id| set.iter().any(|other| other == id));
    }
}

/// The best known of each setting and scope, and a note where the others say something else.
fn best(hop: &Hop, mut all: Vec<Kept>, notes: &mut Vec<String>) -> Vec<Kept> {
    all.sort_by_key(|kept| kept.known);
    let mut best: Vec<Kept> = Vec::new();
    for kept in all {
        let same = |other: &&Kept| {
            let named = other.clock.is_some() && other.clock == kept.clock;
            let alike = named || (other.clock == kept.clock && other.what == kept.what);
            // A person's word and a default are for the whole hop.
            alike && (other.scope == kept.scope || kept.known > Known::Measured)
        };
        match best.iter().find(same) {
            None => best.push(kept),
            Some(better) if better.seconds == kept.seconds || kept.known >= Known::Default => {}
            Some(better) => notes.push(format!(
                "hop {:?}: {} is {} by {}, and {} by {}; the former is used",
                hop.name,
                better.what,
                amount(better.seconds),
                better.from,
                amount(kept.seconds),
                kept.from,
            )),
        }
    }
    let length = |kept: &Kept| kept.seconds.unwrap_or(f64::INFINITY);
    best.sort_by(|a, b| a.job.cmp(&b.job).then(length(a).total_cmp(&length(b))));
    best
}

/// Seconds as a sentence has them.
pub fn amount(seconds: Option<f64>) -> String {
    seconds.map_or_else(|| "off".to_owned(), |s| format!("{s} s"))
}

fn from_snapshot(
    sources: Sources<'_>,
    hop: &Hop,
    snapshot: &Snapshot,
    kept: &mut Vec<Kept>,
    notes: &mut Vec<String>,
) -> Option<Measured> {
    let named = |n: &&Namespace| hop.namespace.is_none() || n.name == hop.namespace;
    let Some(namespace) = snapshot.namespaces.iter().find(named) else {
        let wanted = hop.namespace.as_deref().unwrap_or("first");
        notes.push(format!("hop {:?}: its snapshot has no namespace {wanted:?}", hop.name));
        return None;
    };
    // Where an ordinary user could not see the program's namespace, it is taken for this one.
    let here = |of: Option<u64>| of.is_none_or(|number| number == namespace.inode);
    let programs = snapshot.programs.iter().filter(|p| here(p.namespace));
    let theirs = programs.flat_map(|p| p.timers.iter().map(|t| (Some(p.name.as_str()), t)));
    for (program, timer) in namespace.timers.iter().map(|t| (None, t)).chain(theirs) {
        kept.extend(timer_read(sources, hop, namespace, (program, timer)));
    }
    let loose = namespace.settings.get("net.netfilter.nf_conntrack_tcp_loose");
    Some(Measured {
        host: snapshot.host.clone(),
        at_ns: snapshot.at_ns,
        kernel: snapshot.kernel.clone(),
        tracks: namespace.tracks,
        translates: namespace.translates,
        loose: loose.map(|value| value.trim() != "0"),
        sockets: namespace.sockets.clone(),
    })
}

/// A timer a snapshot holds, unless it is of no account on this hop.
fn timer_read(
    sources: Sources<'_>,
    hop: &Hop,
    namespace: &Namespace,
    (program, timer): (Option<&str>, &Timer),
) -> Option<Kept> {
    let clock = timer.clock.as_deref().and_then(|id| sources.catalogue.by_id(id))?;
    let job = sources.jobs.job(clock);
    // A table that nothing asks for keeps nothing. Where nobody could tell, a box that is there to
    // keep state is taken to do so, and an end is not.
    let tracks = namespace.tracks.unwrap_or(!hop.kind.ends_tcp());
    let of_the_table = matches!(job, Job::Forgets | Job::Closing | Job::Unacknowledged)
        && timer.setting.contains("nf_conntrack");
    if job == Job::Other || (of_the_table && !tracks) {
        return None;
    }
    let from = match program {
        None => timer.read_in.clone(),
        Some(program) if timer.read_in == "default" => format!("built into {program}"),
        Some(_) => timer.read_in.clone(),
    };
    let mut kept = described(sources, clock);
    kept.what.clone_from(&timer.setting);
    kept.seconds = timer.seconds;
    kept.known = if timer.read_in == "default" { Known::Default } else { Known::Measured };
    kept.from = from;
    kept.scope.clone_from(&timer.scope);
    Some(kept)
}

fn from_person(
    sources: Sources<'_>,
    hop: &Hop,
    stated: &Stated,
    notes: &mut Vec<String>,
) -> Option<Kept> {
    let said = stated.stated_by.clone();
    let known = if said.is_some() { Known::Stated } else { Known::Guess };
    let seconds = (stated.seconds > 0.0).then_some(stated.seconds);
    let from = said.unwrap_or_else(|| "nobody is named".to_owned());
    if let Some(id) = &stated.clock {
        let Some(clock) = sources.catalogue.by_id(id) else {
            notes.push(format!("hop {:?}: the catalogue has no {id:?}", hop.name));
            return None;
        };
        let mut kept = described(sources, clock);
        kept.anchor = stated.anchor.unwrap_or(clock.anchor);
        if let Some(what) = &stated.what {
            kept.what.clone_from(what);
        }
        return Some(Kept { seconds, known, from, ..kept });
    }
    let anchor = stated.anchor?;
    // A person who tells of an age tells of the connection's.
    let job = match (anchor, stated.runs) {
        (Anchor::Open, _) => Job::Age,
        (_, Some(Runs::BetweenRequests)) => Job::ClosesBetween,
        (_, Some(Runs::WithinRequest)) => Job::ClosesWithin,
        (anchor, None) => of_anchor(anchor),
    };
    let by_packets = |yes: bool| if yes { Refreshes::Yes } else { Refreshes::No };
    Some(Kept {
        clock: None,
        what: stated.what.clone()?,
        seconds,
        anchor,
        job,
        leg: Leg::Both,
        refreshed_by: match job {
            Job::Forgets => "any packet".to_owned(),
            Job::Closes | Job::ClosesWithin => "data".to_owned(),
            Job::ClosesBetween => "a request".to_owned(),
            _ => "nothing".to_owned(),
        },
        tcp: by_packets(job == Job::Forgets),
        ping: by_packets(job == Job::Forgets),
        on_expiry: OnExpiry::Unknown,
        known,
        from,
        scope: None,
        not_in_streams: false,
    })
}

fn by_default(sources: Sources<'_>, clock: &Clock) -> Kept {
    let known = if clock.source.is_some() { Known::Default } else { Known::Guess };
    let from = match &clock.source {
        Some(_) => format!("{}, out of the box", clock.product),
        None => format!("{}, unverified", clock.product),
    };
    Kept { seconds: clock.default_s, known, from, ..described(sources, clock) }
}

/// A row of the catalogue, without a value.
fn described(sources: Sources<'_>, clock: &Clock) -> Kept {
    let job = sources.jobs.job(clock);
    Kept {
        clock: Some(clock.id.clone()),
        what: match clock.setting.as_str() {
            // A row for what cannot be set is called by its id.
            setting if setting.starts_with("none") => clock.id.clone(),
            setting => setting.to_owned(),
        },
        seconds: None,
        anchor: clock.anchor,
        job,
        leg: sources.jobs.leg(clock),
        refreshed_by: clock.refreshed_by.clone(),
        tcp: clock.tcp_keepalive_refreshes,
        // Who counts packets counts those that carry a PING.
        ping: if job == Job::Forgets { Refreshes::Yes } else { clock.http2_ping_refreshes },
        on_expiry: clock.on_expiry,
        known: Known::Guess,
        from: String::new(),
        scope: None,
        not_in_streams: false,
    }
}
