//! Whether connections that stood side by side ended in the same moments.

use super::super::evidence::{Cite, Evidence};
use super::super::moments::{End, beside};
use super::super::subject::{LogPart, Subject};
use std::collections::BTreeSet;

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
    let cite = |places| Cite::packets(&first.source.file, places);
    told(ends.collect(), cite, first.source.host.as_ref())
}

fn by_log(log: &LogPart<'_>) -> Option<Evidence> {
    let ends = log.ended().map(|(life, e)| End {
        at: e.at,
        open: log.event(life.open).map(|o| o.at),
        who: e.who.as_deref(),
        place: e.line,
    });
    let cite = |places| Cite::lines(&log.source.file, places);
    told(ends.collect(), cite, log.source.host.as_ref())
}

fn told(
    ends: Vec<End<'_>>,
    cite: impl Fn(Vec<u64>) -> Cite,
    host: Option<&String>,
) -> Option<Evidence> {
    let named: BTreeSet<&str> = ends.iter().filter_map(|e| e.who).collect();
    let named = named.len();
    let all: Vec<u64> = ends.iter().map(|e| e.place).collect();
    let found = beside(ends)?;
    let (share, of, within) = (found.share(), found.of, found.within_s);
    let (value, says) = if share > 0.5 {
        let n = found.joined.len();
        let says = format!("{n} of {of} ends came within {within:.1} s of another connection's");
        match found.opened_apart {
            true => ("at-once", says + ", though they had opened further apart"),
            false => ("together", says),
        }
    } else if share < 0.2 && (named >= 3 || found.pairs * 2 > of) {
        ("alone", format!("{of} connections that stood side by side ended one by one"))
    } else {
        return None;
    };
    let places = if found.joined.is_empty() { all } else { found.joined.into_iter().collect() };
    Some(Evidence::table("together", value, says, vec![cite(places)]).on(host))
}
