//! What follows from the weighing: measures judged under each cause, and what to collect next.
//!
//! Both are data (`fixes.toml`, `next.toml`); here they are chosen and filled in.

use super::evidence::Weighs;
use super::finding::Finding;
use super::numbers::number;
use super::weigh::Law;
use crate::terms::Role;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// How a measure fares.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Effect {
    /// It cures the cause.
    Held,
    /// The same end comes at another time.
    MovesPeriod,
    /// It changes nothing.
    NotHeld,
    /// Not known.
    Untested,
}

/// What is changed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Change {
    /// On whom.
    pub role: Role,
    /// `sysctl`, `sockopt`, `rule`, `config` or `app`.
    pub kind: String,
    /// The setting.
    pub key: String,
    /// As it is.
    pub from: String,
    /// As it should be.
    pub to: String,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct FixRow {
    id: String,
    #[serde(rename = "do")]
    what: String,
    why: String,
    risk: String,
    effects: BTreeMap<String, Effect>,
    change: Vec<Change>,
    undo: Vec<String>,
}

/// A measure, judged.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Fix {
    /// Stable id.
    pub id: String,
    /// The measure in a sentence.
    #[serde(rename = "do")]
    pub what: String,
    /// Why it has this effect.
    pub why: String,
    /// What it costs.
    pub risk: String,
    /// Under the leading cause.
    pub effect: Effect,
    /// Under each cause of the short list.
    pub under: Vec<(String, Effect)>,
    /// What is changed.
    pub change: Vec<Change>,
    /// How to take it back.
    pub undo: Vec<String>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct StepRow {
    id: String,
    run: String,
    on: Role,
    cost: u8,
    why: String,
    separates: [Vec<String>; 2],
    unless: Vec<String>,
}

/// Something to collect next.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Step {
    /// Stable id.
    pub id: String,
    /// The command.
    pub run: String,
    /// Where.
    pub on: Role,
    /// The host, where the evidence names one of that role.
    pub host: Option<String>,
    /// What it tells.
    pub why: String,
    /// Causes of the short list it tells apart.
    pub separates: Vec<String>,
}

/// The measures and steps that ship with hopclock.
#[derive(Clone, Debug)]
pub struct Advice {
    fixes: Vec<FixRow>,
    steps: Vec<StepRow>,
}

#[derive(Deserialize)]
struct FixFile {
    fix: Vec<FixRow>,
}

#[derive(Deserialize)]
struct StepFile {
    step: Vec<StepRow>,
}

/// More measures or steps than this help nobody.
const SHOWN_MAX: usize = 6;

impl Advice {
    /// The tables that ship with hopclock. An error is a broken build's.
    pub fn builtin() -> Result<Advice, String> {
        let fixes: FixFile =
            toml::from_str(include_str!("fixes.toml")).map_err(|e| format!("fixes: {e}"))?;
        let steps: StepFile =
            toml::from_str(include_str!("next.toml")).map_err(|e| format!("next steps: {e}"))?;
        Ok(Advice { fixes: fixes.fix, steps: steps.step })
    }

    /// Measures for the short list, those that cure the most probability first.
    pub fn fixes(&self, law: &Law, finding: &Finding) -> Vec<Fix> {
        let listed = finding.short_list(law);
        let Some((leader, _)) = listed.first() else { return Vec::new() };
        let mut chosen: Vec<(f64, Fix)> = self
            .fixes
            .iter()
            .filter(|row| listed.iter().any(|(cause, _)| row.effects.contains_key(cause)))
            .map(|row| {
                let of = |cause: &str| row.effects.get(cause).copied().unwrap_or(Effect::Untested);
                let cured: f64 =
                    listed.iter().filter(|(c, _)| of(c) == Effect::Held).map(|(_, p)| p).sum();
                let under = listed.iter().map(|(c, _)| (c.clone(), of(c))).collect();
                (cured, fill(law, row, (of(leader), under), finding))
            })
            .collect();
        chosen.sort_by(|a, b| b.0.total_cmp(&a.0));
        chosen.into_iter().map(|(_, fix)| fix).take(SHOWN_MAX + 2).collect()
    }

    /// Steps that tell the short list apart, the most telling for the least trouble first.
    pub fn next(&self, law: &Law, finding: &Finding) -> Vec<Step> {
        let probabilities = finding.by_cause(law);
        let of = |ids: &[String]| -> f64 {
            probabilities.iter().filter(|(c, _)| ids.contains(c)).map(|(_, p)| p).sum()
        };
        let mut chosen: Vec<(f64, Step)> = self
            .steps
            .iter()
            .filter(|row| !row.unless.iter().any(|u| already(u, finding)))
            .map(|row| {
                let [one, other] = &row.separates;
                // What a question with two answers can tell is largest when both are equally
                // likely.
                let telling = of(one).min(of(other)) / f64::from(row.cost).sqrt();
                let separates = probabilities
                    .iter()
                    .filter(|(c, p)| *p > 0.02 && (one.contains(c) || other.contains(c)))
                    .map(|(c, _)| c.clone())
                    .collect();
                let run = finding.place(&row.run);
                let (id, on, why) = (row.id.clone(), row.on, row.why.clone());
                (telling, Step { id, run, on, host: finding.host_of(on), why, separates })
            })
            .filter(|(telling, step)| *telling > 0.02 && step.separates.len() > 1)
            .collect();
        chosen.sort_by(|a, b| b.0.total_cmp(&a.0));
        chosen.into_iter().map(|(_, step)| step).take(SHOWN_MAX).collect()
    }
}

/// Whether the evidence holds already what a step would bring.
fn already(unless: &str, finding: &Finding) -> bool {
    if let Some(id) = unless.strip_prefix("direct:") {
        return finding.gathered.clocks.iter().any(|c| {
            c.reading == super::clocks_seen::Reading::Direct
                && c.clock.as_ref().is_some_and(|k| k.id == id)
        });
    }
    if unless == "phase-break" {
        return finding.phase_breaks > 0;
    }
    finding.gathered.evidence.iter().any(|e| match &e.weighs {
        Weighs::Table { kind, value } => {
            unless == *kind || unless.split_once('=') == Some((*kind, *value))
        }
        Weighs::Rhythm | Weighs::Number | Weighs::Clock | Weighs::Context(_) => false,
    })
}

fn fill(
    law: &Law,
    row: &FixRow,
    (effect, under): (Effect, Vec<(String, Effect)>),
    finding: &Finding,
) -> Fix {
    let seconds = finding.clock_seconds(law);
    let put = |text: &str| {
        let (t, half, double) = match seconds {
            Some(s) => (number(s), number(s / 2.0), number(s * 2.0)),
            None => {
                let word = |w: &str| w.to_owned();
                (word("the timer's"), word("half the timer's"), word("twice the timer's"))
            }
        };
        finding.place(text).replace("{T}", &t).replace("{half}", &half).replace("{double}", &double)
    };
    Fix {
        id: row.id.clone(),
        what: put(&row.what),
        why: put(&row.why),
        risk: put(&row.risk),
        effect,
        under,
        change: row
            .change
            .iter()
            .map(|c| Change { from: put(&c.from), to: put(&c.to), ..c.clone() })
            .collect(),
        undo: row.undo.iter().map(|u| put(u)).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn every_cause_named_exists_and_every_cause_but_the_unlisted_has_a_measure() {
        let law = Law::builtin().unwrap();
        let advice = Advice::builtin().unwrap();
        let causes: BTreeSet<&str> = law.causes.all().iter().map(|c| c.id.as_str()).collect();
        let mut helped = BTreeSet::new();
        for fix in &advice.fixes {
            for cause in fix.effects.keys() {
                assert!(causes.contains(cause.as_str()), "{}: no cause {cause}", fix.id);
                helped.insert(cause.as_str());
            }
            assert!(!fix.undo.is_empty(), "{}: every measure can be taken back", fix.id);
        }
        for step in &advice.steps {
            for cause in step.separates.iter().flatten() {
                assert!(causes.contains(cause.as_str()), "{}: no cause {cause}", step.id);
            }
        }
        let without: Vec<_> = causes.difference(&helped).collect();
        // Nobody on the path can change these from outside: the report says so by naming no
        // measure.
        let expected = [
            "forged-rst",
            "link-layer-event",
            "nat-rebind",
            "request-count-limit",
            "server-crash",
            "unknown",
        ];
        assert_eq!(without.into_iter().copied().collect::<Vec<_>>(), expected);
    }
}
