//! The causes: the hypotheses' side of the inquest, read from `causes.toml`.

use crate::clocks::{Clock, Owner};
use crate::terms::{Anchor, EndedBy};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The hypothesis "something that is not on the list"; always among the causes.
pub const UNKNOWN: &str = "unknown";

/// What a cause's clock is compared with.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Measures {
    /// The age of the connection at its end, or the period of the ends.
    Lifetime,
    /// The silence before the end.
    Silence,
    /// The age since the last refresh of a table entry.
    Refresh,
    /// The time from the first unanswered packet to the end.
    Detection,
    /// The period against the clock on the wall.
    Day,
    /// The period against the numbers people let a loop sleep.
    Loop,
    /// Nothing: the cause has no clock of its own.
    None,
}

/// What kind of mistake or limit a cause belongs to.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Family {
    /// A timer of silence.
    Idle,
    /// A limit of age or count.
    Age,
    /// Something that happened.
    Event,
    /// State on the path was lost.
    StateLost,
    /// The path itself.
    Path,
    /// The other end is gone.
    PeerGone,
    /// A protocol's own rule.
    Protocol,
    /// Not on the list.
    Unknown,
}

impl Family {
    /// As the contract spells it.
    pub const fn word(self) -> &'static str {
        match self {
            Family::Idle => "idle",
            Family::Age => "age",
            Family::Event => "event",
            Family::StateLost => "state-lost",
            Family::Path => "path",
            Family::PeerGone => "peer-gone",
            Family::Protocol => "protocol",
            Family::Unknown => "unknown",
        }
    }
}

/// Which rows of the catalogue can be a cause's clock.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClockChoice {
    /// Every timer of this owner with this anchor …
    pub owner: Option<Owner>,
    /// … both must be given together.
    pub anchor: Option<Anchor>,
    /// Or these timers by id.
    #[serde(default)]
    pub ids: Vec<String>,
}

/// One cause.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cause {
    /// The contract's id.
    pub id: String,
    /// What it belongs to.
    pub family: Family,
    /// Share among incidents before any evidence, in parts.
    pub prior: f64,
    /// Who decides, when this is the cause.
    pub ended_by: EndedBy,
    /// What its clock is compared with.
    pub measures: Measures,
    /// How often the ends look like each rhythm, in parts.
    pub anchors: BTreeMap<String, f64>,
    /// Its possible clocks.
    pub clocks: Vec<ClockChoice>,
    /// Whether the end follows the clock at once, or shows only at the next use.
    pub prompt: bool,
    /// In words, for a sentence that begins with "that".
    pub means: String,
}

impl Cause {
    /// Whether this timer can be the cause's clock.
    pub fn may_be(&self, clock: &Clock) -> bool {
        self.clocks.iter().any(|choice| {
            choice.ids.contains(&clock.id)
                || (choice.owner == Some(clock.owner) && choice.anchor == Some(clock.anchor))
        })
    }

    /// The share of this rhythm among the cause's ends, 0 to 1.
    pub fn anchor_share(&self, anchor: Anchor) -> f64 {
        let total: f64 = self.anchors.values().sum();
        let word = match anchor {
            Anchor::Open => "open",
            Anchor::Wall => "wall",
            Anchor::FreeRunning => "free-running",
            Anchor::Idle | Anchor::IdleApp => "idle",
            Anchor::Probe => "probe",
            Anchor::Count => "count",
            Anchor::Event => "event",
            Anchor::Random => "random",
            Anchor::Mixed | Anchor::Undetermined => "mixed",
        };
        self.anchors.get(word).copied().unwrap_or(0.0) / total
    }
}

/// All causes, and how far off their priors may be.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Causes {
    /// The argued priors may be off by this factor either way.
    pub prior_span: f64,
    #[serde(rename = "cause")]
    list: Vec<Cause>,
}

impl Causes {
    /// The list that ships with hopclock. An error is a broken build's.
    pub fn builtin() -> Result<Causes, String> {
        toml::from_str(include_str!("causes.toml")).map_err(|e| format!("causes: {e}"))
    }

    /// Every cause.
    pub fn all(&self) -> &[Cause] {
        &self.list
    }

    /// The share of one cause before any evidence, 0 to 1.
    pub fn prior(&self, cause: &Cause) -> f64 {
        let total: f64 = self.list.iter().map(|c| c.prior).sum();
        cause.prior / total
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clocks::Catalogue;

    #[test]
    fn something_not_on_the_list_is_always_a_hypothesis() {
        let causes = Causes::builtin().unwrap();
        let unknown = causes.all().iter().find(|c| c.id == UNKNOWN).unwrap();
        assert!(causes.prior(unknown) > 0.02);
        let total: f64 = causes.all().iter().map(|c| causes.prior(c)).sum();
        assert!((total - 1.0).abs() < 1e-9);
    }

    #[test]
    fn every_cause_with_a_measure_has_clocks_in_the_catalogue_and_the_ids_exist() {
        let causes = Causes::builtin().unwrap();
        let catalogue = Catalogue::builtin().unwrap();
        for cause in causes.all() {
            let clocks = catalogue.all().iter().filter(|c| cause.may_be(c)).count();
            let expected =
                !matches!(cause.measures, Measures::None | Measures::Day | Measures::Loop);
            assert_eq!(clocks > 0, expected, "{}: {clocks} clocks", cause.id);
            for id in cause.clocks.iter().flat_map(|c| &c.ids) {
                assert!(catalogue.by_id(id).is_some(), "{}: no clock {id}", cause.id);
            }
        }
    }
}
