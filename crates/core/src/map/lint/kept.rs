//! Idle timers and what is sent against them: one finding a timer that nothing refreshes, by the
//! reason why not.

use super::{Finding, s, told};
use crate::map::idle::{self, Held, Why};
use crate::map::inventory::{Beat, Keepalive, Path};
use crate::map::settle::{Map, Met};
use std::collections::BTreeMap;

pub(super) fn late(map: &Map, path: &Path) -> Vec<Finding> {
    of(map, path, |why| why == Why::Late)
}

pub(super) fn not_counted(map: &Map, path: &Path) -> Vec<Finding> {
    of(map, path, |why| matches!(why, Why::NotCounted | Why::NotKnown))
}

pub(super) fn does_not_pass(map: &Map, path: &Path) -> Vec<Finding> {
    of(map, path, |why| why == Why::DoesNotPass)
}

pub(super) fn missing(map: &Map, path: &Path) -> Vec<Finding> {
    of(map, path, |why| why == Why::Nothing)
}

/// For each connection of the path the shortest timer that runs out for such a reason: what keeps
/// that one alive is asked of the others as well once it is there.
fn of(map: &Map, path: &Path, wanted: impl Fn(Why) -> bool) -> Vec<Finding> {
    let mut seen = Vec::new();
    let mut found = Vec::new();
    for met in idle::timers(map, path) {
        let Held::Not(why, nearest) = idle::held(map, path, &met) else { continue };
        if wanted(why) && !seen.contains(&met.segment) {
            seen.push(met.segment);
            found.push(finding(path, &met, (why, nearest)));
        }
    }
    found
}

fn finding(path: &Path, met: &Met<'_>, (why, nearest): (Why, Option<&Keepalive>)) -> Finding {
    let timer = told(&met.hop.name, met.kept);
    let mut numbers = BTreeMap::from([("idle_s", idle::seconds(met))]);
    if let Some(keepalive) = nearest {
        numbers.insert("keepalive_s", keepalive.every_s);
    }
    if let Some(silent) = path.silent_s {
        numbers.insert("silent_s", silent);
    }
    let (rule, says) = reason(path, &timer, (why, nearest));
    let fix = fix(path, met, why);
    let mut hops = vec![met.hop.name.clone()];
    if let Some(by) = nearest.and_then(|k| path.hops.get(idle::sender(path, k)))
        && !hops.contains(by)
    {
        hops.insert(0, by.clone());
    }
    Finding { rule, path: Some(path.name.clone()), hops, says, numbers, fix }
}

fn reason(
    path: &Path,
    timer: &str,
    (why, nearest): (Why, Option<&Keepalive>),
) -> (&'static str, String) {
    let sent = nearest.map(|k| spoken(path, k)).unwrap_or_default();
    match why {
        Why::Late => ("keepalive-late", format!("{sent} comes after {timer} has run out")),
        Why::NotCounted => ("keepalive-not-counted", format!("{timer} does not count {sent}")),
        Why::NotKnown => {
            let says = format!("whether {timer} counts {sent} is not known");
            ("keepalive-not-counted", says)
        }
        Why::DoesNotPass => {
            let says = format!("{sent} never reaches {timer}: it ends where TCP ends");
            ("keepalive-does-not-pass", says)
        }
        Why::Nothing => {
            let silent = match path.silent_s {
                Some(silent) => format!("silences of {} are expected", s(silent)),
                None => "nothing says how long silences are".to_owned(),
            };
            let says = format!("nothing is sent before {timer} runs out, and {silent}");
            ("keepalive-missing", says)
        }
    }
}

/// A keepalive in words.
fn spoken(path: &Path, keepalive: &Keepalive) -> String {
    let by = path.hops.get(idle::sender(path, keepalive)).map_or("", String::as_str);
    let every = s(keepalive.every_s);
    match keepalive.kind {
        Beat::Tcp => format!("the TCP keepalive of {by} ({every})"),
        Beat::Http2Ping => format!("the HTTP/2 PING of {by} (every {every})"),
        Beat::Heartbeat => format!("the heartbeat of {by} (every {every})"),
    }
}

fn fix(path: &Path, met: &Met<'_>, why: Why) -> String {
    let limit = idle::seconds(met);
    // Half leaves room for one that is lost.
    let most = if limit >= 4.0 { (limit / 2.0).floor() } else { limit / 2.0 };
    let ends =
        [met.segment.from, met.segment.to].map(|end| path.hops.get(end).map_or("", String::as_str));
    let [from, to] = ends;
    let counts_tcp = met.kept.tcp == crate::clocks::Refreshes::Yes;
    match why {
        Why::Late => format!("send it every {} or less", s(most)),
        Why::NotCounted | Why::NotKnown => format!(
            "send data of the application every {} or less (it restarts with {}), or raise the timer",
            s(most),
            met.kept.refreshed_by,
        ),
        Why::DoesNotPass | Why::Nothing if counts_tcp => format!(
            "switch TCP keepalive on at {from} or {to}, every {} or less, on the sockets between them",
            s(most),
        ),
        Why::DoesNotPass | Why::Nothing => {
            format!("send a heartbeat of the application every {} or less", s(most))
        }
    }
}
