//! `hopclock lab score`: what `diagnose` says of folders whose truth is known, in counts.

use crate::args::LabScore;
use crate::cmd::diagnose;
use crate::exit::{Exit, Trouble};
use hopclock_core::inquest::Court;
use hopclock_lab::score;
use serde_json::Value;
use std::io::{self, Write};

/// Diagnoses every folder and counts.
pub fn carry_out(typed: &LabScore) -> Result<Exit, Trouble> {
    let folders = score::folders(&typed.folders);
    if folders.is_empty() {
        let named: Vec<String> = typed.folders.iter().map(|f| f.display().to_string()).collect();
        let why = format!("no folder with a truth.json in {}", named.join(", "));
        let hint = "`hopclock lab run all` records such folders".to_owned();
        return Err(Trouble::NoInput { why: vec![why], hint: Some(hint) });
    }
    let families = score::families().map_err(Trouble::Broken)?;
    let court = Court::builtin().map_err(Trouble::Broken)?;
    let mut judged = Vec::new();
    for folder in &folders {
        let Some((truth, evidence)) = score::truth(folder) else {
            crate::exit::told(&[format!("{}: truth.json does not parse", folder.display())]);
            continue;
        };
        let report = diagnose::of_folder(&court, &evidence);
        let report = report.and_then(|r| serde_json::to_value(r).ok()).unwrap_or(Value::Null);
        judged.push(score::judge(&families, &truth, &report, folder));
    }
    let mut out = io::stdout().lock();
    out.write_all(score::table(&judged).as_bytes())?;
    out.flush()?;
    Ok(Exit::Answered)
}
