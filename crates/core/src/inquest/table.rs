//! The likelihood table, read from `table.toml`: how probable each observation is under each cause.
//!
//! The arithmetic of the inquest uses nothing but this table, the priors of `causes.toml` and the
//! two computed likelihoods of [`super::numbers`]; `--explain` prints all of them.

use super::causes::Cause;
use serde::Deserialize;
use std::collections::BTreeMap;

/// Parts for each value; what a row leaves out comes from the next more general row.
type Weights = BTreeMap<String, f64>;

/// One question put to the evidence.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Kind {
    /// Its id.
    pub id: String,
    /// The question in words.
    pub asks: String,
    /// Kinds of one group speak of one event; only the highest rank counts.
    pub group: String,
    /// Precedence in the group.
    pub rank: u8,
    /// Argued weights may be off by this factor either way.
    pub span: f64,
    /// Where the weights are from.
    pub source: String,
    /// The possible answers.
    pub values: Vec<String>,
    weights: BTreeMap<String, Weights>,
}

impl Kind {
    /// The probability of `value` under `cause`, 0 to 1; `None` when the kind has no such value.
    pub fn likelihood(&self, value: &str, cause: &Cause) -> Option<f64> {
        if !self.values.iter().any(|v| v == value) {
            return None;
        }
        let total: f64 = self.values.iter().map(|v| self.weight(v, cause)).sum();
        Some(self.weight(value, cause) / total)
    }

    /// Which row gives a cause its weight of `value`: its own, its family's, or the default.
    pub fn row(&self, value: &str, cause: &Cause) -> String {
        let family = format!("family:{}", cause.family.word());
        let rows = [cause.id.clone(), family];
        let has = |row: &String| self.weights.get(row).is_some_and(|w| w.contains_key(value));
        rows.into_iter().find(has).unwrap_or_else(|| "default".to_owned())
    }

    fn weight(&self, value: &str, cause: &Cause) -> f64 {
        let family = format!("family:{}", cause.family.word());
        [cause.id.as_str(), family.as_str(), "default"]
            .iter()
            .find_map(|row| self.weights.get(*row)?.get(value))
            .copied()
            .unwrap_or(0.0)
    }
}

/// All kinds of evidence the table knows.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Table {
    #[serde(rename = "kind")]
    kinds: Vec<Kind>,
}

impl Table {
    /// The table that ships with hopclock. An error is a broken build's.
    pub fn builtin() -> Result<Table, String> {
        toml::from_str(include_str!("table.toml")).map_err(|e| format!("likelihoods: {e}"))
    }

    /// The kind with this id.
    pub fn kind(&self, id: &str) -> Option<&Kind> {
        self.kinds.iter().find(|k| k.id == id)
    }

    /// Every kind.
    pub fn kinds(&self) -> &[Kind] {
        &self.kinds
    }
}

#[cfg(test)]
mod tests {
    use super::super::causes::Causes;
    use super::*;

    #[test]
    fn likelihoods_are_probabilities_over_the_values_of_a_kind() {
        let table = Table::builtin().unwrap();
        let causes = Causes::builtin().unwrap();
        for kind in table.kinds() {
            for cause in causes.all() {
                let each = kind.values.iter().map(|v| kind.likelihood(v, cause).unwrap());
                let total: f64 = each.sum();
                assert!((total - 1.0).abs() < 1e-9, "{} under {}: {total}", kind.id, cause.id);
                for value in &kind.values {
                    let p = kind.likelihood(value, cause).unwrap();
                    assert!(
                        p > 0.0,
                        "{} = {value} under {}: nothing is impossible",
                        kind.id,
                        cause.id
                    );
                }
            }
        }
    }

    #[test]
    fn every_row_names_a_cause_a_family_or_the_default_and_a_value_of_its_kind() {
        let table = Table::builtin().unwrap();
        let causes = Causes::builtin().unwrap();
        for kind in table.kinds() {
            assert!(!kind.source.is_empty() && kind.span >= 1.0, "{}", kind.id);
            for (row, weights) in &kind.weights {
                let known = row == "default"
                    || causes.all().iter().any(|c| {
                        c.id == *row || row.strip_prefix("family:") == Some(c.family.word())
                    });
                assert!(known, "{}: no cause or family {row}", kind.id);
                for value in weights.keys() {
                    assert!(kind.values.contains(value), "{} {row}: no value {value}", kind.id);
                }
            }
        }
    }
}
