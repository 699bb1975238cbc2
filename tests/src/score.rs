//! Scores of folders by what the command says of them; the counting is the lab's own
//! (`hopclock lab score`).

use crate::command::run;
use hopclock_lab::score;
use serde_json::Value;
use std::path::PathBuf;

pub use score::{Judged, families, folders, table};

/// Every folder's report held against its truth.
pub fn judge(causes: &Value, folders: &[PathBuf]) -> Vec<Judged> {
    let one = |folder: &PathBuf| {
        let (truth, evidence) = score::truth(folder)?;
        let ran = run(["diagnose", "--format", "json", &evidence.display().to_string()]);
        let report: Value = serde_json::from_str(&ran.out).unwrap_or(Value::Null);
        Some(score::judge(causes, &truth, &report, folder))
    };
    folders.iter().filter_map(one).collect()
}
