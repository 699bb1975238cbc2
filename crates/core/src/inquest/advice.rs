//! What follows from the weighing: measures judged under each cause, and what to collect next.
//!
//! Both are data (`fixes.toml`, `next.toml`); here they are chosen and filled in. A measure that
//! the evidence shows to be in place already, or that would change nothing, is not proposed.

mod amounts;
mod present;
mod tried;

use super::evidence::Weighs;
use super::facts::Facts;
use super::finding::Finding;
use super::weigh::Law;
use crate::terms::{EndedBy, Role};
use amounts::{Amount, Amounts};
use present::Present;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
pub use tried::Tried;

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
    /// The host, where the evidence names one whose value is to be changed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host: Option<String>,
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
    /// What a sweep tries in its place, as `replay --fix` takes it.
    #[serde(default)]
    tries: Option<String>,
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
    /// Under the leading cause: as tried where it was, else by its mechanism.
    pub effect: Effect,
    /// Under each cause of the short list.
    pub under: Vec<(String, Effect)>,
    /// What is changed.
    pub change: Vec<Change>,
    /// How to take it back.
    pub undo: Vec<String>,
    /// What it does to the recorded packets, where those of a box and its settings are there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tried: Option<Tried>,
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
    pub fn fixes(&self, law: &Law, finding: &Finding, facts: &Facts) -> Vec<Fix> {
        let listed = finding.short_list(law);
        let Some((leader, _)) = listed.first() else { return Vec::new() };
        let present = Present::of(facts);
        let amounts = Amounts::of(law, finding, facts, &present);
        let filling = Filling { finding, amounts: &amounts, present: &present };
        let (mut fixes, tries): (Vec<Fix>, Vec<Option<String>>) = self
            .fixes
            .iter()
            .filter(|row| row.speaks_of(&listed))
            .filter_map(|row| {
                let of = |cause: &str| row.effects.get(cause).copied().unwrap_or(Effect::Untested);
                let under = listed.iter().map(|(c, _)| (c.clone(), of(c))).collect();
                Some((filling.fill(row, (of(leader), under))?, filling.tries(row)))
            })
            .unzip();
        if let Some(bench) = tried::Bench::of(&finding.gathered.trials, facts) {
            for (fix, tried) in fixes.iter_mut().zip(bench.judge(&tries)) {
                fix.take(tried, law, leader);
            }
        }
        let cured = |fix: &Fix| -> f64 {
            let held = |cause: &String| {
                fix.under.iter().any(|(under, e)| under == cause && *e == Effect::Held)
            };
            listed.iter().filter(|(c, _)| held(c)).map(|(_, p)| p).sum()
        };
        let mut chosen: Vec<(f64, Fix)> = fixes.into_iter().map(|fix| (cured(&fix), fix)).collect();
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

impl FixRow {
    /// Whether it says anything of these causes: it helps against one, or it is known not to help
    /// against the likeliest.
    fn speaks_of(&self, listed: &[(String, f64)]) -> bool {
        let of = |cause: &String| self.effects.get(cause).copied();
        let leads = listed.first().is_some_and(|(leader, _)| of(leader).is_some());
        leads || listed.iter().any(|(c, _)| of(c).is_some_and(|e| e != Effect::NotHeld))
    }
}

impl Fix {
    /// Takes what trying it showed: of causes whose clock such a box keeps it goes before the
    /// mechanism.
    fn take(&mut self, tried: Option<Tried>, law: &Law, leader: &str) {
        let Some(mut tried) = tried else { return };
        let in_a_box = |cause: &str| {
            let cause = law.causes.all().iter().find(|c| c.id == cause);
            cause.is_some_and(|c| c.ended_by == EndedBy::Middlebox)
        };
        if in_a_box(leader) {
            tried.differs = !matches!(self.effect, Effect::Untested) && self.effect != tried.effect;
            self.effect = tried.effect;
        }
        for (_, effect) in self.under.iter_mut().filter(|(cause, _)| in_a_box(cause)) {
            *effect = tried.effect;
        }
        if tried.differs {
            tried.says += "; by its mechanism alone it was judged otherwise";
        }
        self.tried = Some(tried);
    }
}

/// Fills a row for one finding.
struct Filling<'a> {
    finding: &'a Finding,
    amounts: &'a Amounts<'a>,
    present: &'a Present,
}

/// What was met while a row was filled.
#[derive(Default)]
struct Met {
    /// What would give a number, or why there is none.
    wanting: Vec<String>,
    impossible: bool,
    pointless: bool,
}

impl Filling<'_> {
    /// `None` when the evidence shows the measure to be in place or pointless.
    fn fill(&self, row: &FixRow, (effect, under): Judged) -> Option<Fix> {
        let mut met = Met::default();
        let mut what = self.put(&row.what, &mut met);
        let why = self.put(&row.why, &mut met);
        let risk = self.put(&row.risk, &mut met);
        let mut undo: Vec<String> = row.undo.iter().map(|u| self.put(u, &mut met)).collect();
        let mut change: Vec<Change> = row.change.iter().map(|c| self.change(c, &mut met)).collect();
        change.retain(|c| !(c.kind == "sysctl" && self.present.is_so(c.role, &c.key, &c.to)));
        if met.pointless || change.is_empty() {
            return None;
        }
        for own in change.iter().filter(|c| c.kind == "sysctl" && c.from != AS_IT_IS) {
            undo = vec![format!("sysctl -w {}={}", own.key, own.from)];
        }
        let helps = under.iter().any(|(_, e)| matches!(e, Effect::Held | Effect::MovesPeriod));
        // What is not known to help needs no number that is not known either.
        if !met.wanting.is_empty() && !helps {
            return None;
        }
        for why in met.wanting {
            what += &format!("; {why}");
        }
        let judged = |e| if met.impossible && e == Effect::Held { Effect::NotHeld } else { e };
        Some(Fix {
            id: row.id.clone(),
            what,
            why,
            risk,
            effect: judged(effect),
            under: under.into_iter().map(|(c, e)| (c, judged(e))).collect(),
            change,
            undo,
            tried: None,
        })
    }

    /// What a sweep is to try: a number behind its key, the unit left out.
    fn tries(&self, row: &FixRow) -> Option<String> {
        let filled = self.put(row.tries.as_ref()?, &mut Met::default());
        Some(filled.trim_end_matches(" s").replace(" s,", ","))
    }

    /// A change with the value it starts from, where a dump of a host it concerns has it.
    fn change(&self, row: &Change, met: &mut Met) -> Change {
        let (from, to) = (self.put(&row.from, met), self.put(&row.to, met));
        let stands = match row.kind.as_str() {
            "sysctl" => self.present.differs(row.role, &row.key, &to),
            _ => None,
        };
        let own = stands.and_then(|s| s.host.clone());
        Change {
            from: stands.map_or(from, |s| s.value.clone()),
            to,
            host: own.or_else(|| self.finding.host_of(row.role)),
            ..row.clone()
        }
    }

    /// Fills the placeholders of a text.
    fn put(&self, text: &str, met: &mut Met) -> String {
        let text = self.finding.place(text);
        let mut filled = String::new();
        let mut rest = text.as_str();
        while let Some((before, after)) = rest.split_once('{') {
            filled += before;
            let Some((name, further)) = after.split_once('}') else {
                filled.push('{');
                rest = after;
                continue;
            };
            filled += &match self.amounts.get(name) {
                Some(amount) => met.take(amount),
                None => format!("{{{name}}}"),
            };
            rest = further;
        }
        filled + rest
    }
}

impl Met {
    fn take(&mut self, amount: Amount) -> String {
        let (phrase, why) = match amount {
            Amount::Known(text) => return text,
            Amount::Pointless => {
                self.pointless = true;
                return String::new();
            }
            Amount::Unknown(phrase, why) => (phrase, why),
            Amount::Impossible(phrase, why) => {
                self.impossible = true;
                (phrase, why)
            }
        };
        if !self.wanting.contains(&why) {
            self.wanting.push(why);
        }
        phrase.to_owned()
    }
}

/// The effect under the leading cause, and under each of the short list.
type Judged = (Effect, Vec<(String, Effect)>);

/// What a change starts from where nobody read it.
const AS_IT_IS: &str = "as it is";

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
