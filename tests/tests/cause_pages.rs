//! `docs/causes/`: a page a cause, drawn from the tables the inquest itself reads, so that it
//! cannot say anything else than they do. `HOPCLOCK_BLESS=1` writes the pages anew.

use hopclock_core::clocks::{Catalogue, Clock};
use hopclock_core::inquest::causes::{Cause, Causes, Measures};
use hopclock_core::inquest::table::{Kind, Table};
use hopclock_tests::{material, repo};
use serde_json::Value;
use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::PathBuf;

/// An answer this much likelier or rarer than under the average of all causes is told.
const TELLING: f64 = 2.0;
/// Rivals, answers and clocks told at most.
const MOST: usize = 8;

struct Tables {
    causes: Causes,
    table: Table,
    catalogue: Catalogue,
    fixes: Value,
    steps: Value,
}

fn tables() -> Tables {
    let read = |text: &str| -> Value { toml::from_str(text).unwrap() };
    let folder = repo().join("crates/core/src/inquest");
    let text = |name: &str| std::fs::read_to_string(folder.join(name)).unwrap();
    Tables {
        causes: Causes::builtin().unwrap(),
        table: Table::builtin().unwrap(),
        catalogue: Catalogue::builtin().unwrap(),
        fixes: read(&text("fixes.toml"))["fix"].clone(),
        steps: read(&text("next.toml"))["step"].clone(),
    }
}

impl Tables {
    /// How much likelier an answer is under this cause than under the average of all.
    fn ratio(&self, kind: &Kind, value: &str, cause: &Cause) -> f64 {
        let causes = self.causes.all();
        let of = |cause: &Cause| kind.likelihood(value, cause).unwrap_or(0.0);
        let mean = causes.iter().map(of).sum::<f64>() / causes.len() as f64;
        of(cause) / mean.max(1e-9)
    }

    /// Every answer with its ratio, the farthest from 1 first.
    fn answers<'a>(&'a self, cause: &Cause) -> Vec<(f64, &'a Kind, &'a str)> {
        let mut all: Vec<(f64, &Kind, &str)> = Vec::new();
        for kind in self.table.kinds() {
            let ratio = |value: &'a String| (self.ratio(kind, value, cause), kind, value.as_str());
            all.extend(kind.values.iter().map(ratio));
        }
        all.sort_by(|a, b| b.0.ln().abs().total_cmp(&a.0.ln().abs()));
        all
    }

    /// How far two causes are apart: over all kinds, the likelihoods' distance.
    fn apart(&self, one: &Cause, other: &Cause) -> f64 {
        let of = |kind: &Kind| -> f64 {
            let p = |value: &String, cause| kind.likelihood(value, cause).unwrap_or(0.0);
            kind.values.iter().map(|v| (p(v, one) - p(v, other)).abs()).sum()
        };
        self.table.kinds().iter().map(of).sum()
    }

    fn rivals(&self, cause: &Cause) -> Vec<&Cause> {
        let mut others: Vec<&Cause> =
            self.causes.all().iter().filter(|other| other.id != cause.id).collect();
        others.sort_by(|a, b| self.apart(cause, a).total_cmp(&self.apart(cause, b)));
        others.truncate(3);
        others
    }

    /// The answer that speaks most for `cause` against `other`.
    fn best_against<'a>(
        &'a self,
        cause: &Cause,
        other: &Cause,
    ) -> Option<(f64, &'a Kind, &'a str)> {
        let of = |kind: &'a Kind, value: &'a String| {
            let p = |cause| kind.likelihood(value, cause).unwrap_or(0.0);
            (p(cause) / p(other).max(1e-3), kind, value.as_str())
        };
        let each = |kind: &'a Kind| kind.values.iter().map(move |value| of(kind, value));
        self.table.kinds().iter().flat_map(each).max_by(|a, b| a.0.total_cmp(&b.0))
    }
}

const fn measured(measures: Measures) -> &'static str {
    match measures {
        Measures::Lifetime => "the age of the connection at its end, or the period of the ends",
        Measures::Silence => "the silence before the end",
        Measures::Refresh => "the age since a table entry was refreshed last",
        Measures::Detection => "the time from the first unanswered packet to the end",
        Measures::Day => "the hour of the ends",
        Measures::Loop => "the period, against the numbers people let a loop sleep",
        Measures::None => "nothing: it has no clock of its own",
    }
}

fn page(tables: &Tables, cause: &Cause) -> String {
    let mut out = String::new();
    let _ = writeln!(out, "# {}\n\n{}.\n", cause.id, capital(&cause.means));
    let ended_by = serde_json::to_value(cause.ended_by).unwrap();
    let _ = writeln!(
        out,
        "Family `{}`; decided by `{}`; before any evidence {:.1} % of incidents. Its clock is \
         compared with {}.",
        cause.family.word(),
        ended_by.as_str().unwrap_or("nobody"),
        100.0 * tables.causes.prior(cause),
        measured(cause.measures)
    );
    evidence(tables, cause, &mut out);
    rivals(tables, cause, &mut out);
    clocks(tables, cause, &mut out);
    measures(tables, cause, &mut out);
    out
}

fn capital(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |c| c.to_uppercase().chain(letters).collect())
}

fn evidence(tables: &Tables, cause: &Cause, out: &mut String) {
    let answers = tables.answers(cause);
    let head = "| question | answer | against the average of all causes |\n|---|---|--:|";
    for (title, speaks_for) in [("What it predicts", true), ("What speaks against it", false)] {
        let told = answers.iter().filter(|(ratio, ..)| {
            if speaks_for { *ratio >= TELLING } else { *ratio <= 1.0 / TELLING }
        });
        let rows: Vec<String> = told
            .take(MOST)
            .map(|(ratio, kind, value)| {
                let times = if speaks_for {
                    format!("{ratio:.1} times as often")
                } else {
                    format!("{:.2} times as often", ratio)
                };
                format!("| {} | `{value}` | {times} |", kind.asks.replace('|', "\\|"))
            })
            .collect();
        if rows.is_empty() {
            let _ = writeln!(out, "\n## {title}\n\nNothing the table asks about tells it apart.");
        } else {
            let _ = writeln!(out, "\n## {title}\n\n{head}\n{}", rows.join("\n"));
        }
    }
}

fn rivals(tables: &Tables, cause: &Cause, out: &mut String) {
    let _ = writeln!(out, "\n## What separates it from its nearest rivals\n");
    for rival in tables.rivals(cause) {
        let _ = write!(out, "- [{0}]({0}.md): {1}.", rival.id, rival.means);
        if let Some((ratio, kind, value)) = tables.best_against(cause, rival) {
            let _ = write!(
                out,
                " What tells most: {} is `{value}`, {ratio:.1} times as likely here.",
                kind.asks
            );
        }
        let _ = writeln!(out);
    }
    let steps = tables.steps.as_array().unwrap();
    let has = |side: &Value| side.as_array().unwrap().iter().any(|id| *id == cause.id);
    let told = steps.iter().filter(|step| step["separates"].as_array().unwrap().iter().any(has));
    let lines: Vec<String> =
        told.map(|s| format!("- `{}`: {}", word(&s["run"]), word(&s["why"]))).collect();
    if !lines.is_empty() {
        let _ = writeln!(out, "\nCollected next, where it is not settled:\n\n{}", lines.join("\n"));
    }
}

fn word(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

fn clocks(tables: &Tables, cause: &Cause, out: &mut String) {
    let own: Vec<&Clock> = tables.catalogue.all().iter().filter(|c| cause.may_be(c)).collect();
    if own.is_empty() {
        return;
    }
    let _ =
        writeln!(out, "\n## Its clocks\n\n{} timers of the catalogue, among them:\n", own.len());
    let sourced = own.iter().filter(|c| c.source.is_some() && c.default_s.is_some());
    for clock in sourced.take(MOST) {
        let default = clock.default_s.unwrap_or_default();
        let _ = writeln!(out, "- {}, `{}`: {default} s", clock.product, clock.setting);
    }
}

fn measures(tables: &Tables, cause: &Cause, out: &mut String) {
    let _ = writeln!(out, "\n## What is done about it\n");
    let fixes = tables.fixes.as_array().unwrap();
    let mut any = false;
    for (effect, says) in [
        ("held", "holds"),
        ("moves-period", "only moves the end"),
        ("not-held", "does not hold"),
        ("untested", "not known"),
    ] {
        for fix in fixes.iter().filter(|fix| fix["effects"][&cause.id] == effect) {
            any = true;
            let _ =
                writeln!(out, "- **{says}**: {}. Cost: {}.", word(&fix["do"]), word(&fix["risk"]));
        }
    }
    if !any {
        let _ = writeln!(out, "No measure is listed: what helps hangs on who did it.");
    } else if out.contains('{') {
        let _ =
            writeln!(out, "\nWhat stands in braces is computed for the path, or said in words.");
    }
}

fn folder() -> PathBuf {
    repo().join("docs/causes")
}

fn index(tables: &Tables) -> String {
    let mut out = "# The causes\n\nDrawn from the tables the inquest reads (`crates/core/src/inquest/*.toml`).\n\n\
        | cause | family | |\n|---|---|---|\n"
        .to_owned();
    for cause in tables.causes.all() {
        let _ = writeln!(
            out,
            "| [{0}]({0}.md) | {1} | {2} |",
            cause.id,
            cause.family.word(),
            cause.means
        );
    }
    out
}

#[test]
fn every_cause_has_its_page_and_it_says_what_the_tables_say() {
    let tables = tables();
    let mut due: Vec<(String, String)> =
        tables.causes.all().iter().map(|c| (c.id.clone(), page(&tables, c))).collect();
    due.push(("README".to_owned(), index(&tables)));
    if std::env::var_os("HOPCLOCK_BLESS").is_some() {
        std::fs::create_dir_all(folder()).unwrap();
        for (name, page) in &due {
            std::fs::write(folder().join(format!("{name}.md")), page).unwrap();
        }
    }
    for (name, page) in &due {
        let stands = std::fs::read_to_string(folder().join(format!("{name}.md")));
        assert_eq!(stands.unwrap_or_default(), *page, "{name}: HOPCLOCK_BLESS=1 writes it anew");
    }
    let files = std::fs::read_dir(folder()).unwrap().flatten();
    let there: BTreeSet<String> =
        files.map(|f| f.file_name().to_string_lossy().into_owned()).collect();
    let listed: BTreeSet<String> = due.iter().map(|(name, _)| format!("{name}.md")).collect();
    assert_eq!(there, listed);
}

/// The contract's list of causes and ours are one.
#[test]
fn the_causes_are_the_contracts() {
    let Some(folder) = material("the causes are the contract's") else { return };
    let text = std::fs::read_to_string(folder.join("causes.json")).unwrap();
    let contract: Value = serde_json::from_str(&text).unwrap();
    let theirs: BTreeSet<&str> = contract.as_object().unwrap().keys().map(String::as_str).collect();
    let causes = Causes::builtin().unwrap();
    let ours: BTreeSet<&str> = causes.all().iter().map(|c| c.id.as_str()).collect();
    assert_eq!(ours, theirs);
    for cause in causes.all() {
        assert_eq!(contract[&cause.id]["family"], cause.family.word(), "{}", cause.id);
    }
}
