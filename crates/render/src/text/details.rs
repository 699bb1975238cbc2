//! Below the first screen: contradictions, measures, hypotheses, evidence, blindness, inputs.

use super::{effect, place, range};
use crate::letter;
use crate::page::{Label, Page};
use hopclock_core::inquest::advice::Effect;
use hopclock_core::inquest::evidence::Cite;
use hopclock_core::report::{FindingEntry, Report};
use std::io::{self, Write};

/// Hypotheses below this share are only counted.
const SHOWN_ABOVE: f64 = 0.01;

/// The parts of one finding.
pub(super) fn finding(finding: &FindingEntry, page: Page, out: &mut dyn Write) -> io::Result<()> {
    if !finding.rhythm_notes.is_empty() {
        page.heading(out, "Of the rhythm")?;
    }
    for note in &finding.rhythm_notes {
        page.wrap(out, ("  - ", 4), 4, note)?;
    }
    contradictions(finding, page, out)?;
    fixes(finding, page, out)?;
    next(finding, page, out)?;
    hypotheses(finding, page, out)?;
    herrings(finding, page, out)?;
    endings(finding, page, out)?;
    letter(finding, page, out)
}

fn letter(finding: &FindingEntry, page: Page, out: &mut dyn Write) -> io::Result<()> {
    let Some(letter) = &finding.letter else { return Ok(()) };
    page.heading(out, "Letter to the other side's team")?;
    letter::write(letter, page, 2, out)
}

fn contradictions(finding: &FindingEntry, page: Page, out: &mut dyn Write) -> io::Result<()> {
    if finding.contradictions.is_empty() {
        return Ok(());
    }
    page.heading(out, "What does not fit together")?;
    for c in &finding.contradictions {
        let says = format!("{}. [{}]", c.says, c.between.join(" "));
        page.wrap(out, ("  - ", 4), 4, &says)?;
    }
    Ok(())
}

const fn label(effect: Effect) -> Label {
    match effect {
        Effect::Held => Label::Good,
        Effect::MovesPeriod | Effect::NotHeld => Label::Bad,
        Effect::Untested => Label::Aside,
    }
}

fn fixes(finding: &FindingEntry, page: Page, out: &mut dyn Write) -> io::Result<()> {
    if finding.fixes.is_empty() {
        return Ok(());
    }
    page.heading(out, "Measures, judged by mechanism under each likely cause, not tried")?;
    for fix in &finding.fixes {
        page.wrap(out, ("  - ", 4), 4, &format!("{}.", fix.what))?;
        let mut groups: Vec<(Effect, Vec<&str>)> = Vec::new();
        for (cause, seen) in &fix.under {
            match groups.iter_mut().find(|(e, _)| e == seen) {
                Some((_, causes)) => causes.push(cause),
                None => groups.push((*seen, vec![cause])),
            }
        }
        for (seen, causes) in groups {
            let word = effect(seen);
            let first = format!("    {}: ", page.label(label(seen), word));
            page.wrap(out, (&first, word.len() + 6), 6, &causes.join(", "))?;
        }
        page.paragraph(out, 4, &format!("{}.", capital(&fix.why)))?;
        page.paragraph(out, 4, &format!("Cost: {}. Undo: {}.", fix.risk, fix.undo.join("; ")))?;
    }
    Ok(())
}

fn capital(text: &str) -> String {
    let mut chars = text.chars();
    match chars.next() {
        Some(first) => first.to_uppercase().chain(chars).collect(),
        None => String::new(),
    }
}

fn next(finding: &FindingEntry, page: Page, out: &mut dyn Write) -> io::Result<()> {
    if finding.next_evidence.is_empty() {
        return Ok(());
    }
    page.heading(out, "What would settle the rest")?;
    for (n, step) in (1..).zip(&finding.next_evidence) {
        let first = format!("  {n}. on {}: ", place(step));
        page.wrap(out, (&first, first.len()), 5, &step.why)?;
        writeln!(out, "     {}", page.label(Label::Number, &step.run))?;
        page.paragraph(out, 5, &format!("tells apart: {}", step.separates.join(", ")))?;
    }
    Ok(())
}

fn hypotheses(finding: &FindingEntry, page: Page, out: &mut dyn Write) -> io::Result<()> {
    page.heading(out, "Hypotheses")?;
    let mut hidden = 0;
    for h in &finding.hypotheses {
        if h.probability < SHOWN_ABOVE {
            hidden += 1;
            continue;
        }
        let percent = format!("{:5.1} %", 100.0 * h.probability);
        let first = format!("  {}  ", page.label(Label::Number, &percent));
        let list = |ids: &[String]| if ids.is_empty() { "-".to_owned() } else { ids.join(" ") };
        let says =
            format!("{}  for: {}  against: {}", h.cause, list(&h.speaks_for), list(&h.against));
        page.wrap(out, (&first, 11), 11, &says)?;
        for why in &h.ruled_out {
            page.wrap(out, ("           not by ", 18), 13, why)?;
        }
    }
    let says = format!("{hidden} more causes below 1 %, each with its reasons in --format json");
    page.paragraph(out, 2, &says)
}

fn herrings(finding: &FindingEntry, page: Page, out: &mut dyn Write) -> io::Result<()> {
    if finding.red_herrings.is_empty() {
        return Ok(());
    }
    page.heading(out, "Red herrings")?;
    for herring in &finding.red_herrings {
        let says = format!("{}: {} [{}]", herring.what, herring.why, herring.evidence.join(" "));
        page.wrap(out, ("  - ", 4), 4, &says)?;
    }
    Ok(())
}

fn endings(finding: &FindingEntry, page: Page, out: &mut dyn Write) -> io::Result<()> {
    const SHOWN: usize = 8;
    if finding.endings.is_empty() {
        return Ok(());
    }
    page.heading(out, "Ends in captures")?;
    for end in finding.endings.iter().take(SHOWN) {
        let how = serde_json::to_string(&end.how).unwrap_or_default();
        let signed = end.signed_by.map_or(String::new(), |s| {
            format!(" from the {}", serde_json::to_string(&s).unwrap_or_default().trim_matches('"'))
        });
        let age = end.age_s.map_or(String::new(), |a| format!(", {a:.1} s old"));
        let idle =
            end.idle_before_s.map_or(String::new(), |s| format!(", after {s:.1} s of silence"));
        let packets: Vec<String> = end.packets.iter().map(|(a, b)| range(*a, *b)).collect();
        let says = format!(
            "{}: {}{signed}{age}{idle} (packets {})",
            end.flow,
            how.trim_matches('"'),
            packets.join(", ")
        );
        page.wrap(out, ("  - ", 4), 4, &says)?;
    }
    match finding.endings.len().saturating_sub(SHOWN) {
        0 => Ok(()),
        more => page.paragraph(out, 2, &format!("and {more} more")),
    }
}

/// The evidence with where to check it.
pub(super) fn evidence(report: &Report, page: Page, out: &mut dyn Write) -> io::Result<()> {
    if report.evidence.is_empty() {
        return Ok(());
    }
    page.heading(out, "Evidence")?;
    for e in &report.evidence {
        let first = format!("  {:<4}", e.id);
        let with = e
            .counted_with
            .as_ref()
            .map_or(String::new(), |id| format!(" (same event as {id}, counted there)"));
        page.wrap(out, (&first, 6), 6, &format!("{}{with}", e.says))?;
        let cites: Vec<String> = e.cites.iter().map(cite).collect();
        let first = format!("      {}", page.label(Label::Aside, "see "));
        page.wrap(out, (&first, 10), 10, &cites.join("; "))?;
    }
    Ok(())
}

fn cite(cite: &Cite) -> String {
    const SHOWN: usize = 6;
    let (word, ranges) =
        if cite.packets.is_empty() { ("line", &cite.lines) } else { ("packet", &cite.packets) };
    let plural = if ranges.len() > 1 || ranges.iter().any(|(a, b)| a != b) { "s" } else { "" };
    let mut shown: Vec<String> = ranges.iter().take(SHOWN).map(|(a, b)| range(*a, *b)).collect();
    if ranges.len() > SHOWN
        && let Some((a, b)) = ranges.last()
    {
        shown.push(format!("… {}", range(*a, *b)));
    }
    format!("{} {word}{plural} {}", cite.file, shown.join(", "))
}

/// What was not looked at.
pub(super) fn blind(report: &Report, page: Page, out: &mut dyn Write) -> io::Result<()> {
    if report.not_looked_at.is_empty() {
        return Ok(());
    }
    page.heading(out, "Not looked at")?;
    for says in &report.not_looked_at {
        page.wrap(out, ("  - ", 4), 4, says)?;
    }
    Ok(())
}

/// What was read, and how.
pub(super) fn inputs(report: &Report, page: Page, out: &mut dyn Write) -> io::Result<()> {
    page.heading(out, "Inputs")?;
    for input in &report.inputs {
        let skipped =
            if input.skipped > 0 { format!(", {} skipped", input.skipped) } else { String::new() };
        let says = format!("{}: {}, {} records{skipped}", input.file, input.kind, input.records);
        page.wrap(out, ("  - ", 4), 4, &says)?;
        for note in &input.notes {
            page.paragraph(out, 6, note)?;
        }
    }
    Ok(())
}
