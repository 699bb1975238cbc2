//! Which idle timers a path has to outlive, and what, if anything, keeps each from running out.
//!
//! A keepalive helps a timer when it passes the hop that keeps it, when that timer counts it, and
//! when it comes in time. Lint, forecast and drawing all ask here, so that they cannot disagree.

use super::inventory::{Beat, Keepalive, Path, Use};
use super::job::Job;
use super::settle::{Map, Met, Segment};
use crate::clocks::Refreshes;

/// Why a timer is not refreshed by what the path sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Why {
    /// A keepalive passes and counts, and comes after the timer has run out.
    Late,
    /// A keepalive passes, and nobody knows whether the timer counts it.
    NotKnown,
    /// A keepalive passes, and the timer does not count it.
    NotCounted,
    /// A keepalive is sent, and ends before it reaches the connection this timer is kept for.
    DoesNotPass,
    /// Nothing is sent at all.
    Nothing,
}

/// What keeps a timer from running out.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Held<'a> {
    /// This, in time.
    By(&'a Keepalive),
    /// Nothing has to: the path's own traffic is never silent for so long.
    ByTraffic,
    /// Nothing does; the keepalive that comes nearest is told.
    Not(Why, Option<&'a Keepalive>),
}

/// The idle timers that run on a path's connections in its silences, the shortest first.
pub fn timers<'a>(map: &'a Map, path: &Path) -> Vec<Met<'a>> {
    let wanted = |job| match (job, path.used) {
        (Job::Forgets | Job::Closes, _) => true,
        (Job::ClosesWithin, Use::Stream) | (Job::ClosesBetween, Use::Requests) => true,
        (Job::ClosesWithin, Use::Requests) | (Job::ClosesBetween, Use::Stream) => false,
        (
            Job::Age
            | Job::Closing
            | Job::Unacknowledged
            | Job::Probe
            | Job::PingLimit
            | Job::Other,
            _,
        ) => false,
    };
    let mut met = map.met(path, wanted);
    met.retain(|m| m.kept.seconds.is_some());
    // Who opens a path's connections may let go of them when it likes: that is no loss, and the
    // order in which both sides let go is a rule of its own.
    met.retain(|m| m.at > 0 || m.kept.job == Job::Forgets);
    met.retain(|m| path.used == Use::Requests || !m.kept.not_in_streams);
    met.sort_by(|a, b| seconds(a).total_cmp(&seconds(b)));
    met
}

/// A timer's value; one that is off never runs out.
pub fn seconds(met: &Met<'_>) -> f64 {
    met.kept.seconds.unwrap_or(f64::INFINITY)
}

/// What keeps this timer from running out on this path.
pub fn held<'a>(map: &Map, path: &'a Path, met: &Met<'_>) -> Held<'a> {
    if path.silent_s.is_some_and(|silent| silent < seconds(met)) {
        return Held::ByTraffic;
    }
    let mut nearest: Option<(Why, &Keepalive)> = None;
    for keepalive in &path.keepalives {
        let why = match reaches(map, path, keepalive, met) {
            Ok(()) if keepalive.every_s < seconds(met) => return Held::By(keepalive),
            Ok(()) => Why::Late,
            Err(why) => why,
        };
        // Of two that are too late the quicker one comes nearer.
        let nearer = nearest.is_none_or(|(other, than)| {
            why < other || (why == other && keepalive.every_s < than.every_s)
        });
        if nearer {
            nearest = Some((why, keepalive));
        }
    }
    match nearest {
        Some((why, keepalive)) => Held::Not(why, Some(keepalive)),
        None => Held::Not(Why::Nothing, None),
    }
}

/// Whether a keepalive gets to the timer and counts there.
fn reaches(map: &Map, path: &Path, keepalive: &Keepalive, met: &Met<'_>) -> Result<(), Why> {
    let sender = sender(path, keepalive);
    let counts = match keepalive.kind {
        // Data is passed on by whoever ends TCP, to the end of the path in both directions.
        Beat::Heartbeat => return Ok(()),
        Beat::Tcp => met.kept.tcp,
        Beat::Http2Ping => met.kept.ping,
    };
    if !sent_into(map, path, sender, met.segment) {
        return Err(Why::DoesNotPass);
    }
    match counts {
        Refreshes::Yes => Ok(()),
        Refreshes::Unknown => Err(Why::NotKnown),
        Refreshes::No => Err(Why::NotCounted),
    }
}

/// The index of the hop that sends it.
pub fn sender(path: &Path, keepalive: &Keepalive) -> usize {
    let by = keepalive.by.as_ref();
    by.and_then(|by| path.hops.iter().position(|hop| hop == by)).unwrap_or(0)
}

/// Whether a hop's own probes are packets of that connection: it must be one of its ends. A hop
/// that ends TCP in the middle probes on both of its sides.
fn sent_into(map: &Map, path: &Path, sender: usize, segment: Segment) -> bool {
    map.segments(path).contains(&segment) && (sender == segment.from || sender == segment.to)
}
