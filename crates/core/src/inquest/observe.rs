//! Observation: facts about a subject become cited evidence, each naming the row it is weighed by.
//!
//! Observers look at one kind of input each and decide nothing; whether an observation speaks for
//! or against a cause is the table's business.

mod ages;
mod between;
mod boxes;
mod closer;
mod counters;
mod lines;
mod packets;
mod resets;
mod rules;
mod sockets;
mod tables;
mod times;
mod together;
mod written;

use super::clocks_seen;
use super::evidence::{Cite, Evidence, Weighs};
use super::facts::Facts;
use super::numbers::Replayed;
use super::subject::Subject;
use super::table::Table;
use super::weigh::Law;
pub use tables::Trial;

/// Everything gathered about one subject.
#[derive(Clone, Debug, Default)]
pub struct Gathered {
    /// The evidence, groups settled and ids given.
    pub evidence: Vec<Evidence>,
    /// The clocks somebody read, each with the index of its evidence.
    pub clocks: Vec<clocks_seen::SeenClock>,
    /// What could have been looked at and could not be relied on, one sentence each.
    pub withheld: Vec<String>,
    /// What a replay of a box's table says of its timer.
    pub replayed: Option<Replayed>,
    /// Where measures can be tried: packets of a hop beside its settings.
    pub trials: Vec<Trial>,
}

/// Gathers the evidence about a subject. `first_id` numbers the first piece.
pub fn gather(facts: &Facts, subject: &Subject<'_>, law: &Law, first_id: usize) -> Gathered {
    let mut evidence = Vec::new();
    evidence.extend(times::rhythm(subject));
    evidence.extend(times::number(subject));
    evidence.extend(packets::observe(subject));
    evidence.extend(resets::observe(subject));
    evidence.extend(closer::observe(subject, facts));
    evidence.extend(together::observe(subject));
    evidence.extend(lines::observe(subject, facts));
    evidence.extend(ages::observe(subject));
    let mut clocks = Vec::new();
    for (mut clock, told) in clocks_seen::seen(facts, &law.catalogue) {
        clock.evidence = Some(evidence.len());
        evidence.push(told);
        clocks.push(clock);
    }
    evidence.extend(boxes::observe(subject, facts, &clocks));
    evidence.extend(rules::observe(subject, facts));
    evidence.extend(sockets::observe(subject, facts));
    evidence.extend(counters::observe(subject, facts));
    evidence.extend(written::observe(subject, facts, &clocks));
    evidence.extend(between::observe(subject, facts));
    let replayed = tables::observe(subject, facts);
    evidence.extend(replayed.evidence);
    for (offset, piece) in evidence.iter_mut().enumerate() {
        in_their_files(facts, &mut piece.cites);
        piece.id = format!("e{}", first_id + offset);
    }
    settle_groups(&mut evidence, &law.table);
    measured_by_the_table(&mut evidence);
    let (withheld, trials) = (replayed.withheld, replayed.trials);
    Gathered { evidence, clocks, withheld, replayed: replayed.timer, trials }
}

/// Lines of a log that was rotated become those of the files they stand in.
fn in_their_files(facts: &Facts, cites: &mut Vec<Cite>) {
    let rotated = |cite: &Cite| {
        let of_cite = facts.logs().find(|(source, _)| source.file == cite.file);
        of_cite.map(|(_, log)| log).filter(|log| !log.parts.is_empty() && !cite.lines.is_empty())
    };
    if cites.iter().all(|cite| rotated(cite).is_none()) {
        return;
    }
    *cites = std::mem::take(cites)
        .into_iter()
        .flat_map(|cite| match rotated(&cite) {
            Some(log) => cite.over(&log.parts),
            None => vec![cite],
        })
        .collect();
}

/// Whether a connection was silent is asked because a timer of silence may have run out. Where the
/// replay of the box's own table shows one run out with nothing to refresh it, that is answered:
/// what the ends sent meanwhile did not count there.
fn measured_by_the_table(evidence: &mut [Evidence]) {
    let ran_out = Weighs::Table { kind: "hop-table", value: "ran-out" };
    let table = evidence.iter().find(|e| e.weighs == ran_out && e.counted_with.is_none());
    let Some(id) = table.filter(|e| e.strength > 0.5).map(|e| e.id.clone()) else { return };
    for piece in evidence.iter_mut() {
        let asked = matches!(&piece.weighs, Weighs::Table { kind, .. } if *kind == "activity");
        if asked && piece.counted_with.is_none() {
            piece.counted_with = Some(id.clone());
        }
    }
}

/// Of the pieces that speak of one event only the most direct counts; the others name it.
pub fn settle_groups(evidence: &mut [Evidence], table: &Table) {
    // What can hardly be relied on does not stand in for what can, however direct it would be.
    let place: Vec<Option<(String, (bool, u8))>> = evidence
        .iter()
        .map(|e| match &e.weighs {
            Weighs::Table { kind, .. } => {
                table.kind(kind).map(|k| (k.group.clone(), (e.strength > 0.5, k.rank)))
            }
            Weighs::Rhythm | Weighs::Number | Weighs::Clock | Weighs::Context(_) => None,
        })
        .collect();
    for index in 0..evidence.len() {
        let Some(Some((group, rank))) = place.get(index) else { continue };
        let stronger = place.iter().enumerate().find(|(other, p)| {
            p.as_ref()
                .is_some_and(|(g, r)| g == group && (r > rank || (r == rank && *other < index)))
        });
        let id = stronger.and_then(|(other, _)| evidence.get(other)).map(|e| e.id.clone());
        if let Some(piece) = evidence.get_mut(index) {
            piece.counted_with = id;
        }
    }
}
