//! What has changed between two maps, or between a map and what a host says today.
//!
//! Timers are matched by hop, row of the catalogue, name and scope. A value that is now known
//! better than before has not changed unless its number has.

use super::settle::{Kept, Map, Stop};
use serde::Serialize;

/// One difference.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Change {
    /// The hop.
    pub hop: String,
    /// What is different: a timer's name, `hop`, `kernel`, `tracks`, `translates`, `loose`.
    pub what: String,
    /// As it was; absent for what is new.
    pub before: Option<String>,
    /// As it is; absent for what is gone.
    pub after: Option<String>,
    /// The timer's scope, where it has one.
    pub scope: Option<String>,
    /// The timer's value before, in seconds.
    pub before_s: Option<f64>,
    /// The timer's value now, in seconds.
    pub after_s: Option<f64>,
}

/// Everything that differs, hop by hop in the order of `before`.
pub fn drift(before: &Map, after: &Map) -> Vec<Change> {
    let mut changes = Vec::new();
    for hop in &before.hops {
        match after.hop(&hop.name) {
            Some(now) => of_hop(hop, now, &mut changes),
            None => changes.push(plain(&hop.name, "hop", Some(hop.kind.word().to_owned()), None)),
        }
    }
    for hop in &after.hops {
        if before.hop(&hop.name).is_none() {
            changes.push(plain(&hop.name, "hop", None, Some(hop.kind.word().to_owned())));
        }
    }
    changes
}

fn plain(hop: &str, what: &str, before: Option<String>, after: Option<String>) -> Change {
    let (hop, what) = (hop.to_owned(), what.to_owned());
    Change { hop, what, before, after, scope: None, before_s: None, after_s: None }
}

fn of_hop(before: &Stop, now: &Stop, changes: &mut Vec<Change>) {
    let name = &before.name;
    for kept in &before.kept {
        match now.kept.iter().find(|k| same(k, kept)) {
            Some(other) if other.seconds == kept.seconds => {}
            other => changes.push(timer(name, Some(kept), other)),
        }
    }
    for kept in &now.kept {
        if !before.kept.iter().any(|k| same(k, kept)) {
            changes.push(timer(name, None, Some(kept)));
        }
    }
    let (Some(was), Some(is)) = (&before.measured, &now.measured) else { return };
    let yes = |known: Option<bool>| known.map(|y| if y { "yes" } else { "no" }.to_owned());
    for (what, a, b) in [
        ("kernel", was.kernel.clone(), is.kernel.clone()),
        ("tracks", yes(was.tracks), yes(is.tracks)),
        ("translates", yes(was.translates), yes(is.translates)),
        ("loose", yes(was.loose), yes(is.loose)),
    ] {
        // What could not be told on one of the days is no change.
        if a.is_some() && b.is_some() && a != b {
            changes.push(plain(name, what, a, b));
        }
    }
}

fn same(a: &Kept, b: &Kept) -> bool {
    let named = a.clock.is_some() && a.clock == b.clock;
    (named || (a.clock == b.clock && a.what == b.what)) && a.scope == b.scope
}

fn timer(hop: &str, before: Option<&Kept>, after: Option<&Kept>) -> Change {
    let value = |kept: &Kept| format!("{} ({})", super::settle::amount(kept.seconds), kept.from);
    let either = after.or(before);
    Change {
        hop: hop.to_owned(),
        what: either.map(|kept| kept.what.clone()).unwrap_or_default(),
        before: before.map(value),
        after: after.map(value),
        scope: either.and_then(|kept| kept.scope.clone()),
        before_s: before.and_then(|kept| kept.seconds),
        after_s: after.and_then(|kept| kept.seconds),
    }
}
