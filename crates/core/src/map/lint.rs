//! The order of timers along each path, checked rule by rule.
//!
//! Each finding names its rule by an id that does not change, so that it can be accepted with a
//! reason in `hops.toml`. What is not known is a finding of its own (`unknown-clock`) and never
//! taken for good or bad. The inquest's own order of timers argues from evidence of one incident;
//! this argues from what is set.

mod ends;
mod kept;
#[cfg(test)]
mod tests;

use super::inventory::{Accepted, Path};
use super::settle::{Kept, Map, amount};
use serde::Serialize;
use std::collections::BTreeMap;

/// One thing that is not in order.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Finding {
    /// The rule's id.
    pub rule: &'static str,
    /// On which path; absent for what concerns a hop wherever it stands.
    pub path: Option<String>,
    /// The hops it is about, in the path's order.
    pub hops: Vec<String>,
    /// One sentence: what is so, with its numbers and how they are known.
    pub says: String,
    /// The numbers, by name; seconds unless the name says otherwise.
    pub numbers: BTreeMap<&'static str, f64>,
    /// What would put it in order.
    pub fix: String,
}

/// A rule.
#[derive(Clone, Copy, Debug)]
pub struct Rule {
    /// Its id.
    pub id: &'static str,
    /// What it asks for, in one sentence.
    pub asks: &'static str,
    find: fn(&Map, &Path) -> Vec<Finding>,
}

/// Every rule, in the order in which findings are told.
pub const RULES: [Rule; 13] = [
    Rule {
        id: "keepalive-late",
        asks: "a keepalive comes before the idle timers it is to refresh run out",
        find: kept::late,
    },
    Rule {
        id: "keepalive-not-counted",
        asks: "an idle timer counts the keepalive that is to refresh it",
        find: kept::not_counted,
    },
    Rule {
        id: "keepalive-does-not-pass",
        asks: "a keepalive reaches every connection of the path: TCP probes and PINGs end where TCP ends",
        find: kept::does_not_pass,
    },
    Rule {
        id: "keepalive-missing",
        asks: "something is sent before the shortest idle timer runs out",
        find: kept::missing,
    },
    Rule {
        id: "keepalive-not-on-sockets",
        asks: "a TCP keepalive that is declared runs on the sockets: a sysctl alone switches none on",
        find: ends::not_on_sockets,
    },
    Rule {
        id: "ping-too-often",
        asks: "HTTP/2 PINGs come no more often than the server puts up with",
        find: ends::ping_too_often,
    },
    Rule {
        id: "backend-lets-go-first",
        asks: "a backend keeps an idle connection for longer than the hop that opened it",
        find: ends::backend_first,
    },
    Rule {
        id: "client-age-above-path",
        asks: "the client retires connections before the shortest maximum age of the path",
        find: ends::client_age_above,
    },
    Rule {
        id: "age-unplanned",
        asks: "a stream through a hop with a maximum age has a client that retires it first",
        find: ends::age_unplanned,
    },
    Rule {
        id: "half-close-forgotten",
        asks: "boxes remember a half-closed connection for as long as one end stays open",
        find: ends::half_close,
    },
    Rule {
        id: "unacknowledged-short",
        asks: "boxes remember unacknowledged data for longer than TCP pauses between two tries",
        find: ends::unacknowledged,
    },
    Rule {
        id: "unknown-clock",
        asks: "of every hop that keeps state an idle timer is known",
        find: ends::unknown,
    },
    Rule {
        id: "pair-differs",
        asks: "two boxes of a pair keep the same timers at the same values",
        find: |_, _| Vec::new(),
    },
];

/// What was found, and how much of it was accepted.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Linted {
    /// What is not in order, path by path.
    pub findings: Vec<Finding>,
    /// Findings that `hops.toml` accepts, with the reason.
    pub accepted: Vec<(Finding, String)>,
    /// Acceptances that met no finding: what they were for is gone.
    pub idle: Vec<Accepted>,
}

/// Checks every rule on every path.
pub fn lint(map: &Map) -> Linted {
    let mut all: Vec<Finding> = Vec::new();
    for path in &map.paths {
        all.extend(RULES.iter().flat_map(|rule| (rule.find)(map, path)));
    }
    all.extend(ends::pairs(map));
    let mut linted = Linted::default();
    let mut used = vec![false; map.accepted.len()];
    for finding in all {
        let at = map.accepted.iter().position(|accepted| covers(accepted, &finding));
        match at.and_then(|at| Some((map.accepted.get(at)?, used.get_mut(at)?))) {
            Some((accepted, used)) => {
                *used = true;
                linted.accepted.push((finding, accepted.reason.clone()));
            }
            None => linted.findings.push(finding),
        }
    }
    let idle = map.accepted.iter().zip(used).filter(|(_, used)| !used);
    linted.idle = idle.map(|(accepted, _)| accepted.clone()).collect();
    linted
}

fn covers(accepted: &Accepted, finding: &Finding) -> bool {
    accepted.rule == finding.rule
        && accepted.path.as_ref().is_none_or(|path| Some(path) == finding.path.as_ref())
        && accepted.hop.as_ref().is_none_or(|hop| finding.hops.contains(hop))
}

/// A timer as a sentence has it: what, whose, how long, by whom known.
fn told(hop: &str, kept: &Kept) -> String {
    format!("{} of {hop} ({}, {})", kept.what, amount(kept.seconds), kept.from)
}

/// Seconds without a needless fraction.
fn s(seconds: f64) -> String {
    amount(Some(seconds))
}
