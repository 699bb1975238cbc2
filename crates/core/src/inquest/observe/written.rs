//! What people's notes say of a subject: dated happenings, timers the documentation is silent on,
//! claims.

use super::super::clocks_seen::SeenClock;
use super::super::evidence::{Cite, Evidence, Weighs};
use super::super::facts::{Facts, Source};
use super::super::numbers::number;
use super::super::subject::Subject;
use crate::dump::notes::Incident;
use crate::time::{Gap, Moment};

/// An end this soon after an incident is its neighbour.
const RIGHT_BEFORE: Gap = Gap::from_secs(120);

/// Everything the notes say.
pub(super) fn observe(subject: &Subject<'_>, facts: &Facts, clocks: &[SeenClock]) -> Vec<Evidence> {
    let mut found = incidents(subject, facts, clocks);
    for (source, notes) in facts.notes() {
        for told in notes.documented.iter().filter(|d| d.seconds.is_none()) {
            let says = format!(
                "documented is no limit of age (\u{201c}{}\u{201d}); that is no proof there is none",
                told.text
            );
            let cites = vec![Cite::lines(&source.file, [told.line])];
            found.push(Evidence::new(Weighs::Context("no-age-documented"), says, cites));
        }
        for claim in &notes.claims {
            let says = format!("the notes say: \u{201c}{}\u{201d}", claim.text);
            let cites = vec![Cite::lines(&source.file, [claim.line])];
            found.push(Evidence::new(Weighs::Context(claim.id), says, cites));
        }
    }
    found
}

/// One life as far as its times are known.
struct Span {
    open: Moment,
    end: Moment,
}

/// When connections were open. Where only ends are known, one opens where the last one ended.
fn spans(subject: &Subject<'_>) -> Vec<Span> {
    let mut spans = Vec::new();
    let mut before: Option<Moment> = None;
    if let Some(log) = &subject.log {
        for (life, end) in log.ended() {
            if let Some(open) = log.event(life.open).map(|e| e.at).or(before) {
                spans.push(Span { open, end: end.at });
            }
            before = Some(end.at);
        }
    }
    spans.extend(subject.flows.iter().filter_map(|f| {
        let end = f.end()?.at;
        Some(Span { open: f.flow.record.first_ns, end })
    }));
    spans
}

/// How an incident stands to the connection that was open when it happened; the strongest tie
/// first.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Tie {
    RightBefore,
    OneTimeout,
    Outlived,
}

/// Dated happenings. Each is tied to a connection that was open then; the closest ties count, in
/// the share of the ends they explain, and those that were outlived once.
fn incidents(subject: &Subject<'_>, facts: &Facts, clocks: &[SeenClock]) -> Vec<Evidence> {
    let spans = spans(subject);
    let timeouts: Vec<f64> = clocks
        .iter()
        .filter(|c| c.clock.as_ref().is_some_and(|k| k.id == "linux-ct-tcp-established"))
        .map(|c| c.seconds)
        .collect();
    let mut tied: Vec<(Tie, f64, &Source, &Incident)> = Vec::new();
    for (source, notes) in facts.notes() {
        for incident in &notes.incidents {
            let open = spans.iter().filter(|s| s.open <= incident.at && incident.at <= s.end);
            let Some(after) = open.map(|s| s.end.since(incident.at)).min() else { continue };
            let seconds = after.secs_f64();
            // A frozen timer ends the connection one timeout after the freeze, whatever its age.
            let one = timeouts.iter().any(|t| (seconds - t).abs() <= (0.002 * t).max(5.0));
            let tie = match after {
                gap if gap <= RIGHT_BEFORE => Tie::RightBefore,
                _ if one => Tie::OneTimeout,
                _ => Tie::Outlived,
            };
            tied.push((tie, seconds, source, incident));
        }
    }
    tied.sort_by_key(|t| (t.0, t.3.at));
    let Some(strongest) = tied.first().map(|t| t.0) else { return Vec::new() };
    let alike = tied.iter().filter(|t| t.0 == strongest).count();
    let share = alike as f64 / spans.len().max(1) as f64;
    tied.iter().enumerate().map(|(i, t)| says(t, (i == 0).then_some((strongest, share)))).collect()
}

fn says(
    (tie, seconds, source, incident): &(Tie, f64, &Source, &Incident),
    counts: Option<(Tie, f64)>,
) -> Evidence {
    let text = &incident.text;
    let after = number(*seconds);
    let (value, says) = match tie {
        Tie::RightBefore => ("right-before", format!("{after} s before an end: {text}")),
        Tie::OneTimeout => {
            let says = format!(
                "{text}: the connection ended {after} s after it, one timeout of the table"
            );
            ("one-timeout-before", says)
        }
        Tie::Outlived => ("outlived", format!("{text}: the connection outlived it by {after} s")),
    };
    let cites = vec![Cite::lines(&source.file, [incident.line])];
    match counts {
        // One end in thirty explained is not thirty.
        Some((Tie::RightBefore | Tie::OneTimeout, share)) => {
            Evidence::table("incident", value, says, cites).weaker((3.0 * share).clamp(0.05, 1.0))
        }
        Some((Tie::Outlived, _)) => Evidence::table("incident", value, says, cites).weaker(0.5),
        None => Evidence::new(Weighs::Context("incident"), says, cites),
    }
}
