//! The inquest: facts become evidence, evidence is weighed, and a cause is named, narrowed or not
//! said.
//!
//! Hypotheses are causes, each with its possible clocks, and "something not on the list". Every
//! kind of evidence has a likelihood under each, in one table with its sources
//! (`inquest/table.toml`). There is no other road to a verdict: no rule here says "if this, then
//! that cause".

pub mod advice;
pub mod blind;
pub mod causes;
pub mod clocks_seen;
pub mod connection;
pub mod contradictions;
pub mod evidence;
pub mod facts;
pub mod finding;
pub mod ladder;
pub mod letter;
pub mod moments;
pub mod names;
pub mod numbers;
pub mod observe;
pub mod one_clock;
pub mod order;
pub mod subject;
pub mod table;
pub mod two_points;
pub mod view;
pub mod weigh;

use crate::terms::Outcome;
use advice::Advice;
use evidence::Weighs;
use facts::Facts;
use finding::{End, Finding};
use numbers::Quantities;
use subject::Subject;
use weigh::{Case, Law, Weighed};

/// The tables an inquest is held by.
#[derive(Clone, Debug)]
pub struct Court {
    /// Causes, likelihoods, clocks.
    pub law: Law,
    /// Measures and steps.
    pub advice: Advice,
}

impl Court {
    /// The tables that ship with hopclock. An error is a broken build's.
    pub fn builtin() -> Result<Court, String> {
        Ok(Court { law: Law::builtin()?, advice: Advice::builtin()? })
    }

    /// One finding for each subject of the evidence, the one that explains most first.
    pub fn hold(&self, facts: &Facts) -> Vec<Finding> {
        let mut first_id = 1;
        let mut findings = Vec::new();
        for subject in subject::subjects(facts) {
            let finding = self.argue(facts, &subject, first_id);
            first_id += finding.gathered.evidence.len();
            findings.push(finding);
        }
        findings
    }

    /// The weighing of a finding with one piece of evidence set aside. What spoke of the same event
    /// and was counted with it counts in its place.
    pub fn weigh_without(&self, finding: &Finding, index: usize) -> Vec<Weighed> {
        let mut evidence = finding.gathered.evidence.clone();
        if let Some(piece) = evidence.get_mut(index) {
            piece.weighs = Weighs::Context("set-aside");
        }
        observe::settle_groups(&mut evidence, &self.law.table);
        let case = Case {
            evidence: &evidence,
            clocks: &finding.gathered.clocks,
            measured: &finding.measured,
            models: finding.rhythm.as_ref().map_or(&[], |r| &r.models),
        };
        weigh::weigh(&self.law, case)
    }

    fn argue(&self, facts: &Facts, subject: &Subject<'_>, first_id: usize) -> Finding {
        let gathered = observe::gather(facts, subject, &self.law, first_id);
        let measured = Quantities {
            replayed: gathered.replayed.clone(),
            named: numbers::named(facts.lines(), &self.law.catalogue),
            ..subject.measured.clone()
        };
        let case = Case {
            evidence: &gathered.evidence,
            clocks: &gathered.clocks,
            measured: &measured,
            models: subject.rhythm.as_ref().map_or(&[], |r| &r.models),
        };
        let weighed = weigh::weigh(&self.law, case);
        let sensitivity = weigh::sensitivity(&self.law, case, &weighed);
        let mut finding = Finding {
            what: subject.what.clone(),
            count: subject.count,
            subjects: subject.names(),
            hosts: facts.sources.iter().filter_map(|s| Some((s.role?, s.host.clone()?))).collect(),
            server: subject.flows.first().map(|f| f.flow.record.server),
            outcome: outcome(&self.law, &weighed),
            sensitivity,
            weighed,
            measured: measured.clone(),
            phase_breaks: subject.rhythm.as_ref().map_or(0, |r| r.breaks.len()),
            series: subject.series.clone(),
            rhythm: subject.rhythm.clone(),
            ends: subject.end_moments(),
            endings: ends(subject),
            views: subject
                .flows
                .iter()
                .chain(&subject.elsewhere)
                .map(|f| format!("{}#{}", f.source.file, f.number))
                .collect(),
            order: order::find(facts, subject, &gathered),
            ladder: ladder::of(subject),
            gathered,
            contradictions: Vec::new(),
            fixes: Vec::new(),
            next: Vec::new(),
            letter: None,
        };
        finding.contradictions = contradictions::find(&finding);
        finding.fixes = self.advice.fixes(&self.law, &finding, facts);
        finding.next = self.advice.next(&self.law, &finding);
        finding.letter = letter::write(facts, &finding, &self.law);
        finding
    }
}

/// The contract's rule: named at 0.80 and four times the next, narrowed when at most three causes
/// hold
/// 0.80, else cannot say. "Something not on the list" can hold probability and can never be named.
fn outcome(law: &Law, weighed: &[Weighed]) -> Outcome {
    let p = |index: usize| weighed.get(index).map_or(0.0, |w| w.probability);
    let unlisted = |n: usize| weighed.iter().take(n).any(|w| weigh::is_unlisted(law, w.cause));
    if p(0) >= 0.8 && p(0) >= 4.0 * p(1) && !unlisted(1) {
        Outcome::Named
    } else if p(0) + p(1) + p(2) >= 0.8 && !unlisted(1) {
        Outcome::Narrowed
    } else {
        Outcome::CannotSay
    }
}

fn ends(subject: &Subject<'_>) -> Vec<End> {
    subject
        .flows
        .iter()
        .filter(|f| f.ended())
        .map(|f| {
            let words = &f.flow.last_words;
            let packet = |mark: Option<crate::flow::Mark>| mark.map(|m| (m.packet, m.packet));
            End {
                flow: format!("{}#{}", f.source.file, f.number),
                pair: (f.flow.record.client, f.flow.record.server),
                at: words.end.map(|mark| mark.at),
                how: f.flow.record.ending.how,
                signed_by: f.flow.record.ending.signed_by,
                age_s: f.age_s(),
                idle_before_s: f.flow.record.ending.idle_before_ns.map(|g| g.secs_f64()),
                packets: packet(words.last_before_end)
                    .into_iter()
                    .chain(packet(words.end))
                    .collect(),
            }
        })
        .collect()
}
