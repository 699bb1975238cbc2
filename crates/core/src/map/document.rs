//! What `hopclock map` prints as JSON: numbered documents, as the contract has them.

use super::drift::Change;
use super::forecast::Due;
use super::inventory::Accepted;
use super::lint::{Finding, Linted};
use super::settle::Map;
use serde::Serialize;

/// `map lint`: `hopclock.lint/1`.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct LintDocument {
    /// Its name and number.
    pub schema: &'static str,
    /// What is not in order.
    pub findings: Vec<Finding>,
    /// What is not, and is accepted in `hops.toml`.
    pub accepted: Vec<AcceptedFinding>,
    /// Acceptances that meet no finding any more.
    pub idle: Vec<Accepted>,
    /// What could not be used, one sentence each.
    pub notes: Vec<String>,
}

/// A finding that somebody accepts.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct AcceptedFinding {
    /// The finding.
    pub finding: Finding,
    /// Why it may stay.
    pub reason: String,
}

impl LintDocument {
    /// The document of what was found on this map.
    pub fn new(map: &Map, linted: Linted) -> Self {
        let accepted = linted.accepted.into_iter();
        Self {
            schema: "hopclock.lint/1",
            findings: linted.findings,
            accepted: accepted
                .map(|(finding, reason)| AcceptedFinding { finding, reason })
                .collect(),
            idle: linted.idle,
            notes: map.notes.clone(),
        }
    }
}

/// `map diff`: `hopclock.drift/1`.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct DriftDocument {
    /// Its name and number.
    pub schema: &'static str,
    /// What differs.
    pub changes: Vec<Change>,
    /// What could not be used, one sentence each.
    pub notes: Vec<String>,
}

impl DriftDocument {
    /// The document of these changes.
    pub fn new(changes: Vec<Change>, notes: Vec<String>) -> Self {
        Self { schema: "hopclock.drift/1", changes, notes }
    }
}

/// `map forecast`: `hopclock.forecast/1`.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ForecastDocument {
    /// Its name and number.
    pub schema: &'static str,
    /// Path by path, as asked.
    pub paths: Vec<PathForecast>,
    /// What could not be used, one sentence each.
    pub notes: Vec<String>,
}

/// What will end one path's connections.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct PathForecast {
    /// The path.
    pub path: String,
    /// The longest silence supposed, in seconds; absent where nothing says, and any is possible.
    pub silent_s: Option<f64>,
    /// Clocks that run out, earliest first; none where nothing will end them.
    pub due: Vec<Due>,
}
