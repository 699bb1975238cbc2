//! Pens for what `hopclock map` tells: findings of lint, changes, forecasts.

pub mod draw;
mod facts;
mod lay;
pub mod mermaid;

use crate::markdown::safe;
use crate::page::{Label, Page, columns};
use hopclock_core::map::document::{DriftDocument, ForecastDocument, LintDocument};
use hopclock_core::map::drift::Change;
use hopclock_core::map::forecast::Due;
use hopclock_core::map::lint::{Finding, Rule};
use hopclock_core::map::settle::Map;
use std::io::{self, Write};

/// The rules of lint.
pub fn rules(rules: &[Rule], page: Page, out: &mut dyn Write) -> io::Result<()> {
    for rule in rules {
        writeln!(out, "{}", page.label(Label::Heading, rule.id))?;
        page.paragraph(out, 4, rule.asks)?;
    }
    Ok(())
}

/// What lint found, for a terminal.
pub fn lint(document: &LintDocument, map: &Map, page: Page, out: &mut dyn Write) -> io::Result<()> {
    for finding in &document.findings {
        let on = finding.path.as_ref().map_or_else(String::new, |path| format!(" on {path}"));
        writeln!(out, "{}{}", page.label(Label::Bad, finding.rule), page.label(Label::Aside, &on))?;
        page.paragraph(out, 2, &capital(&finding.says))?;
        page.wrap(out, ("  fix: ", 7), 7, &finding.fix)?;
        writeln!(out)?;
    }
    for accepted in &document.accepted {
        let on = accepted.finding.path.as_ref().map_or_else(String::new, |p| format!(" on {p}"));
        let first = format!("accepted: {}{on}: ", accepted.finding.rule);
        page.wrap(out, (&page.label(Label::Aside, &first), columns(&first)), 2, &accepted.reason)?;
    }
    for idle in &document.idle {
        let says = format!("the acceptance of {} meets no finding any more; remove it", idle.rule);
        page.wrap(out, ("note: ", 6), 6, &says)?;
    }
    notes(&document.notes, page, out)?;
    let (hops, paths) = (map.hops.len(), map.paths.len());
    let over = format!("{} on {}", count(paths, "path"), count(hops, "hop"));
    match document.findings.len() {
        0 => writeln!(out, "{}: no findings in {over}", page.label(Label::Good, "in order")),
        n => writeln!(out, "{} in {over}", page.label(Label::Bad, &count(n, "finding"))),
    }
}

/// The same, for a ticket.
pub fn lint_markdown(document: &LintDocument, out: &mut dyn Write) -> io::Result<()> {
    writeln!(out, "| rule | path | hops | what | fix |\n|---|---|---|---|---|")?;
    for Finding { rule, path, hops, says, fix, .. } in &document.findings {
        let path = path.as_deref().map_or_else(String::new, safe::text);
        let hops = safe::text(&hops.join(", "));
        let (says, fix) = (safe::text(says), safe::text(fix));
        writeln!(out, "| `{rule}` | {path} | {hops} | {says} | {fix} |")?;
    }
    markdown_notes(&document.notes, out)
}

/// What has changed, for a terminal.
pub fn drift(document: &DriftDocument, page: Page, out: &mut dyn Write) -> io::Result<()> {
    let mut hop = None;
    for change in &document.changes {
        if hop != Some(&change.hop) {
            writeln!(out, "{}", page.label(Label::Heading, &change.hop))?;
            hop = Some(&change.hop);
        }
        let first = format!("  {}: ", page.label(Label::Number, &named(change)));
        let width = columns(&named(change)) + 4;
        page.wrap(out, (&first, width), 6, &moved(change))?;
    }
    notes(&document.notes, page, out)?;
    match document.changes.len() {
        0 => writeln!(out, "{}", page.label(Label::Good, "nothing has changed")),
        n => writeln!(out, "{}", count(n, "change")),
    }
}

/// The same, for a ticket.
pub fn drift_markdown(document: &DriftDocument, out: &mut dyn Write) -> io::Result<()> {
    writeln!(out, "| hop | what | before | after |\n|---|---|---|---|")?;
    for change in &document.changes {
        let cell =
            |text: &Option<String>| text.as_deref().map_or_else(|| "–".to_owned(), safe::text);
        let (hop, what) = (safe::text(&change.hop), safe::text(&named(change)));
        writeln!(out, "| {hop} | {what} | {} | {} |", cell(&change.before), cell(&change.after))?;
    }
    markdown_notes(&document.notes, out)
}

fn named(change: &Change) -> String {
    match &change.scope {
        Some(scope) => format!("{} ({scope})", change.what),
        None => change.what.clone(),
    }
}

fn moved(change: &Change) -> String {
    match (&change.before, &change.after) {
        (Some(before), Some(after)) => format!("{before} became {after}"),
        (None, Some(after)) => format!("new, {after}"),
        (Some(before), None) => format!("gone, was {before}"),
        (None, None) => "changed".to_owned(),
    }
}

/// What will end connections, for a terminal.
pub fn forecast(document: &ForecastDocument, page: Page, out: &mut dyn Write) -> io::Result<()> {
    for path in &document.paths {
        let silent = match path.silent_s {
            Some(s) => format!(", silences up to {s} s"),
            None => ", silences of any length".to_owned(),
        };
        let heading = page.label(Label::Heading, &path.path);
        writeln!(out, "{heading}{}", page.label(Label::Aside, &silent))?;
        for due in &path.due {
            let first = format!("  {}: ", page.label(Label::Number, &when(due)));
            page.wrap(out, (&first, columns(&when(due)) + 4), 4, &what(due))?;
        }
        if path.due.is_empty() {
            page.paragraph(out, 2, "no clock that is known will end its connections")?;
        }
        writeln!(out)?;
    }
    notes(&document.notes, page, out)
}

/// The same, for a ticket.
pub fn forecast_markdown(document: &ForecastDocument, out: &mut dyn Write) -> io::Result<()> {
    writeln!(out, "| path | when | hop | timer | what is seen |\n|---|---|---|---|---|")?;
    for path in &document.paths {
        for due in &path.due {
            let (name, hop) = (safe::text(&path.path), safe::text(&due.hop));
            let (timer, sees) = (safe::text(&due.timer), safe::text(&due.sees));
            writeln!(out, "| {name} | {} | {hop} | {timer} | {sees} |", when(due))?;
        }
    }
    markdown_notes(&document.notes, out)
}

fn when(due: &Due) -> String {
    format!("{} s of {}", due.after_s, due.of)
}

fn what(due: &Due) -> String {
    let [from, to] = &due.between;
    format!("{}, {}, between {from} and {to}: {}", due.hop, due.timer, due.sees)
}

fn notes(notes: &[String], page: Page, out: &mut dyn Write) -> io::Result<()> {
    for note in notes {
        page.wrap(out, ("note: ", 6), 6, note)?;
    }
    Ok(())
}

fn markdown_notes(notes: &[String], out: &mut dyn Write) -> io::Result<()> {
    for note in notes {
        writeln!(out, "\n{}", safe::text(note))?;
    }
    Ok(())
}

fn count(n: usize, what: &str) -> String {
    format!("{n} {what}{}", if n == 1 { "" } else { "s" })
}

fn capital(text: &str) -> String {
    let mut chars = text.chars();
    // A name keeps its case: only a plain word begins a sentence here.
    match chars.next() {
        Some(c) if text.starts_with("the ") || text.starts_with("nothing ") => {
            c.to_uppercase().chain(chars).collect()
        }
        _ => text.to_owned(),
    }
}
