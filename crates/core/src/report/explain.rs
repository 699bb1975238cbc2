//! The arithmetic of a finding, laid out so that a reader can redo it: a row for the priors, a row
//! for each piece of evidence, a column for each of the leading causes, and what would change
//! without each piece.

use crate::inquest::Court;
use crate::inquest::evidence::Weighs;
use crate::inquest::facts::Facts;
use crate::inquest::finding::Finding;
use crate::inquest::weigh::{Law, Weighed};
use serde::Serialize;

/// How many causes get a column.
const COLUMNS: usize = 4;

/// One cause's column.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Column {
    /// Id of the cause.
    pub cause: String,
    /// Share before any evidence.
    pub prior: f64,
    /// Share after all of it.
    pub probability: f64,
}

/// One piece of evidence: the factor it gives each column.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Row {
    /// The evidence.
    pub evidence: String,
    /// What it is weighed by: `kind=value` of the table, `rhythm` or `number`.
    pub by: String,
    /// Below 1, the factor is the likelihood to this power.
    pub strength: f64,
    /// P(evidence | cause)^strength for each column.
    pub factors: Vec<f64>,
    /// How far off argued weights may be, either way.
    pub span: f64,
    /// Where the weights are from.
    pub source: String,
}

/// In which sense a piece is taken away.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Taken {
    /// The whole input, as if it had never been collected.
    Input,
    /// The cited lines of a dump or note, as if they had never been printed.
    Lines,
    /// The observation, with all inputs as they are; what spoke of the same event counts in its
    /// place.
    Observation,
}

/// What would be argued without a piece.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Without {
    /// An id of evidence, or an input's name.
    pub what: String,
    /// In which sense it is gone.
    pub taken: Taken,
    /// The leader's share then; `None` when nothing would be left to argue about.
    pub leader_then: Option<f64>,
    /// Who would lead then.
    pub lead_then: Option<String>,
}

/// The arithmetic.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Explanation {
    /// The leading causes.
    pub columns: Vec<Column>,
    /// The evidence that counts.
    pub rows: Vec<Row>,
    /// The sum of prior × factors over the causes without a column, on the scale of the columns'
    /// products.
    pub others: f64,
    /// The sum over all causes: a column's product divided by it is its probability.
    pub total: f64,
    /// The leader without each input and each piece of evidence.
    pub without: Vec<Without>,
    /// Evidence (or `prior`) whose argued range alone would take the lead away, and who would lead.
    pub overturned_by: Vec<(String, String)>,
    /// Who leads when every argued number moves against the leader at once.
    pub all_at_once: Option<String>,
}

impl Explanation {
    /// Lays out the arithmetic of one finding; `index` is its place among the findings of `facts`.
    pub fn of(court: &Court, facts: &Facts, findings: &[Finding], index: usize) -> Option<Self> {
        let law = &court.law;
        let finding = findings.get(index)?;
        let product = |w: &Weighed| w.prior * w.factors.iter().product::<f64>();
        let total: f64 = finding.weighed.iter().map(product).sum();
        let others: f64 = finding.weighed.iter().skip(COLUMNS).map(product).sum();
        let name = |cause: usize| law.causes.all().get(cause).map(|c| c.id.clone());
        let sensitivity = finding.sensitivity.as_ref();
        Some(Explanation {
            columns: columns(law, finding),
            rows: rows(law, finding),
            others,
            total,
            without: without(court, facts, finding),
            overturned_by: sensitivity
                .iter()
                .flat_map(|s| &s.overturned_by)
                .filter_map(|(what, cause)| Some((what.clone(), name(*cause)?)))
                .collect(),
            all_at_once: sensitivity.and_then(|s| name(s.all_at_once)),
        })
    }
}

fn columns(law: &Law, finding: &Finding) -> Vec<Column> {
    finding
        .weighed
        .iter()
        .take(COLUMNS)
        .filter_map(|w| {
            let cause = law.causes.all().get(w.cause)?.id.clone();
            Some(Column { cause, prior: w.prior, probability: w.probability })
        })
        .collect()
}

fn rows(law: &Law, finding: &Finding) -> Vec<Row> {
    let mut rows = Vec::new();
    for (index, evidence) in finding.gathered.evidence.iter().enumerate() {
        if evidence.counted_with.is_some() {
            continue;
        }
        let (by, span, source) = match &evidence.weighs {
            Weighs::Table { kind, value } => {
                let row = law.table.kind(kind);
                let source = row.map_or(String::new(), |k| k.source.clone());
                (format!("{kind}={value}"), row.map_or(1.0, |k| k.span), source)
            }
            Weighs::Rhythm => {
                let source = "computed: the rhythm's models by the cause's anchors";
                ("rhythm".to_owned(), 1.5, source.to_owned())
            }
            Weighs::Number => {
                let source = "computed: the cause's clocks against the measured times";
                ("number".to_owned(), 3.0, source.to_owned())
            }
            Weighs::Clock | Weighs::Context(_) => continue,
        };
        let factor = |w: &Weighed| w.factors.get(index).copied().unwrap_or(1.0);
        let factors = finding.weighed.iter().take(COLUMNS).map(factor).collect();
        let (evidence, strength) = (evidence.id.clone(), evidence.strength);
        rows.push(Row { evidence, by, strength, factors, span, source });
    }
    rows
}

/// Holds the inquest again without each input, and weighs again without each piece of evidence.
fn without(court: &Court, facts: &Facts, finding: &Finding) -> Vec<Without> {
    let Some(leader) = finding.weighed.first().map(|w| w.cause) else { return Vec::new() };
    let told = |what: &str, taken: Taken, weighed: Option<&[Weighed]>| {
        let share = |w: &[Weighed]| w.iter().find(|w| w.cause == leader).map(|w| w.probability);
        let lead = |w: &[Weighed]| {
            court.law.causes.all().get(w.first()?.cause).map(|cause| cause.id.clone())
        };
        let (leader_then, lead_then) = (weighed.and_then(share), weighed.and_then(lead));
        Without { what: what.to_owned(), taken, leader_then, lead_then }
    };
    let again = |facts: &Facts| {
        let found = court.hold(facts);
        let shares = |f: &Finding| f.subjects.iter().any(|s| finding.subjects.contains(s));
        found.into_iter().find(shares).map(|f| f.weighed)
    };
    let mut all = Vec::new();
    if facts.sources.len() > 1 {
        for source in &facts.sources {
            let weighed = again(&facts.without(&source.file));
            all.push(told(&source.file, Taken::Input, weighed.as_deref()));
        }
    }
    for (index, evidence) in finding.gathered.evidence.iter().enumerate() {
        match evidence.cites.as_slice() {
            [cite] if facts.is_by_lines(&cite.file) => {
                let weighed = again(&facts.without_lines(&cite.file, &cite.lines));
                all.push(told(&evidence.id, Taken::Lines, weighed.as_deref()));
            }
            _ if evidence.counted_with.is_none() => {
                let weighed = court.weigh_without(finding, index);
                all.push(told(&evidence.id, Taken::Observation, Some(&weighed)));
            }
            _ => {}
        }
    }
    all
}
