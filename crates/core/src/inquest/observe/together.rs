//! Whether connections that stood side by side ended in the same moments.

use super::super::evidence::{Cite, Evidence};
use super::super::subject::{LogPart, Subject, middle};
use crate::time::Moment;
use std::collections::BTreeSet;

/// One end: when, since when it was open, what tells it apart, and where it stands.
struct End<'a> {
    at: Moment,
    open: Option<Moment>,
    who: Option<&'a str>,
    place: u64,
}

/// Ends of different connections close to each other, by the captures where they hold enough of
/// them, or else by the log.
pub(super) fn observe(subject: &Subject<'_>) -> Option<Evidence> {
    by_captures(subject).or_else(|| subject.log.as_ref().and_then(by_log))
}

fn by_captures(subject: &Subject<'_>) -> Option<Evidence> {
    let first = subject.flows.first()?;
    let one = subject.flows.iter().filter(|f| f.source.file == first.source.file && f.ended());
    let ends = one.filter_map(|f| {
        let end = f.end()?;
        let open = f.age_s().map(|_| f.flow.record.first_ns);
        Some(End { at: end.at, open, who: None, place: end.packet })
    });
    told(
        ends.collect(),
        |places| Cite::packets(&first.source.file, places),
        first.source.host.as_ref(),
    )
}

fn by_log(log: &LogPart<'_>) -> Option<Evidence> {
    let ends = log.ended().map(|(life, e)| End {
        at: e.at,
        open: log.event(life.open).map(|o| o.at),
        who: e.who.as_deref(),
        place: e.line,
    });
    told(ends.collect(), |places| Cite::lines(&log.source.file, places), log.source.host.as_ref())
}

fn told(
    mut ends: Vec<End<'_>>,
    cite: impl Fn(Vec<u64>) -> Cite,
    host: Option<&String>,
) -> Option<Evidence> {
    ends.sort_by_key(|e| e.at);
    let named: BTreeSet<&str> = ends.iter().filter_map(|e| e.who).collect();
    let opens = ends.iter().filter(|e| e.open.is_some()).count();
    if ends.len() < 3 || named.len() < 3 && opens * 2 < ends.len() {
        return None;
    }
    let within = within_s(&ends);
    // Two connections: by name, or because the second was open before the first ended.
    let two = |a: &End<'_>, b: &End<'_>| a.who != b.who || b.open.is_some_and(|open| open < a.at);
    let close = |a: &End<'_>, b: &End<'_>| b.at.since(a.at).secs_f64() <= within && two(a, b);
    let mut joined: BTreeSet<u64> = BTreeSet::new();
    let mut beside = 0usize;
    for pair in ends.windows(2) {
        let [a, b] = pair else { continue };
        beside += usize::from(two(a, b));
        if close(a, b) {
            joined.extend([a.place, b.place]);
        }
    }
    let share = joined.len() as f64 / ends.len() as f64;
    let (value, says) = if share > 0.5 {
        let (n, all) = (joined.len(), ends.len());
        let says = format!("{n} of {all} ends came within {within:.1} s of another connection's");
        ("together", says)
    } else if share < 0.2 && (named.len() >= 3 || beside * 2 > ends.len()) {
        let says = format!("{} connections that stood side by side ended one by one", ends.len());
        ("alone", says)
    } else {
        return None;
    };
    let all = || ends.iter().map(|e| e.place).collect();
    let places = if joined.is_empty() { all() } else { joined.into_iter().collect() };
    Some(Evidence::table("together", value, says, vec![cite(places)]).on(host))
}

/// How close ends must be, in seconds. Short lives end close to each other by chance: a twentieth of a
/// life, and two seconds at most.
fn within_s(ends: &[End<'_>]) -> f64 {
    let lives = ends.iter().filter_map(|e| Some(e.at.since(e.open?).secs_f64()));
    let mut lives: Vec<f64> = lives.collect();
    middle(&mut lives).map_or(2.0, |life| (life * 0.05).clamp(0.05, 2.0))
}
