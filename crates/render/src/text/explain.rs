//! The arithmetic for a reader with a pocket calculator.

use crate::page::{Label, Page, percent};
use hopclock_core::report::{Explanation, Taken};
use std::io::{self, Write};

/// Columns are this wide.
const COLUMN: usize = 12;

pub(super) fn write(e: &Explanation, page: Page, out: &mut dyn Write) -> io::Result<()> {
    page.heading(out, "The arithmetic")?;
    let says = "Multiply each column: prior times the likelihood of each piece of evidence under that cause. \
                Divide by the sum over all causes to get the probability. A ^0.7 marks evidence that counts for \
                less; the power is already applied. Evidence that is not in the table (clocks, context) acts \
                through the number, or decides nothing.";
    page.paragraph(out, 2, says)?;
    writeln!(out)?;
    for (n, column) in (b'A'..).zip(&e.columns) {
        writeln!(out, "  {} = {}", n as char, column.cause)?;
    }
    writeln!(out)?;
    let label = page.width.saturating_sub(2 + COLUMN * e.columns.len()).clamp(16, 40);
    let heads = (b'A'..).take(e.columns.len()).map(|n| (n as char).to_string()).collect::<Vec<_>>();
    row(out, label, "", &heads)?;
    let priors: Vec<String> = e.columns.iter().map(|c| digits(c.prior)).collect();
    row(out, label, "prior", &priors)?;
    for r in &e.rows {
        let strength =
            if r.strength < 1.0 { format!(" ^{:.1}", r.strength) } else { String::new() };
        let name = format!("{} {}{strength}", r.evidence, r.by);
        let factors: Vec<String> = r.factors.iter().map(|f| digits(*f)).collect();
        row(out, label, &name, &factors)?;
    }
    let products: Vec<String> = e.columns.iter().map(|c| digits(c.probability * e.total)).collect();
    row(out, label, "product", &products)?;
    let shares: Vec<String> = e.columns.iter().map(|c| digits(c.probability)).collect();
    row(out, label, "probability", &shares)?;
    let says = format!(
        "All other causes together: {}; the sum over all: {}.",
        digits(e.others),
        digits(e.total)
    );
    page.paragraph(out, 2, &says)?;
    robust(e, page, out)?;
    without(e, page, out)?;
    sources(e, page, out)
}

fn row(out: &mut dyn Write, label: usize, name: &str, cells: &[String]) -> io::Result<()> {
    let name: String = name.chars().take(label).collect();
    write!(out, "  {name:<label$}")?;
    for cell in cells {
        write!(out, "{cell:>COLUMN$}")?;
    }
    writeln!(out)
}

/// Three significant digits.
fn digits(value: f64) -> String {
    if value == 0.0 || value >= 0.001 { format!("{value:.4}") } else { format!("{value:.2e}") }
}

fn robust(e: &Explanation, page: Page, out: &mut dyn Write) -> io::Result<()> {
    let Some(leader) = e.columns.first().map(|c| &c.cause) else { return Ok(()) };
    if e.overturned_by.is_empty() {
        let says = format!("No single argued range takes the lead from {leader}.");
        page.paragraph(out, 2, &says)?;
    }
    let mut by_rival: Vec<(&str, Vec<&str>)> = Vec::new();
    for (what, who) in &e.overturned_by {
        match by_rival.iter_mut().find(|(rival, _)| rival == who) {
            Some((_, whats)) => whats.push(what),
            None => by_rival.push((who, vec![what])),
        }
    }
    for (who, whats) in by_rival {
        let says = format!(
            "{who} would lead at the far end of the argued range of one alone: {}.",
            whats.join(", ")
        );
        page.wrap(out, (&format!("  {}", page.label(Label::Bad, "! ")), 4), 4, &says)?;
    }
    if let Some(who) = &e.all_at_once {
        let says = if who == leader {
            "Even with every argued number at the end of its range against it, it leads.".to_owned()
        } else {
            format!(
                "With every argued number at once at the end of its range against it, {who} would lead."
            )
        };
        page.paragraph(out, 2, &says)?;
    }
    Ok(())
}

fn without(e: &Explanation, page: Page, out: &mut dyn Write) -> io::Result<()> {
    let Some(leader) = e.columns.first() else { return Ok(()) };
    if e.without.is_empty() {
        return Ok(());
    }
    let says = format!(
        "What {} would have, now at {}, without an input or a piece of evidence:",
        leader.cause,
        percent(leader.probability, 1)
    );
    writeln!(out)?;
    page.paragraph(out, 2, &says)?;
    for w in &e.without {
        let what = match w.taken {
            Taken::Input => format!("without {}", w.what),
            Taken::Lines => format!("without the lines of {}", w.what),
            Taken::Observation => format!("with {} set aside", w.what),
        };
        let says = match (&w.leader_then, &w.lead_then) {
            (Some(p), Some(lead)) if *lead != leader.cause => {
                format!("{} {what} ({lead} would lead)", percent(*p, 1))
            }
            (Some(p), _) => format!("{} {what}", percent(*p, 1)),
            (None, _) => format!("nothing to argue about {what}"),
        };
        page.wrap(out, ("  - ", 4), 4, &says)?;
    }
    Ok(())
}

fn sources(e: &Explanation, page: Page, out: &mut dyn Write) -> io::Result<()> {
    writeln!(out)?;
    page.paragraph(
        out,
        2,
        "Where the likelihoods are from, and how far off they may be either way:",
    )?;
    for r in &e.rows {
        let says = format!("{} {}: {} (factor {})", r.evidence, r.by, r.source, r.span);
        page.wrap(out, ("  - ", 4), 4, &says)?;
    }
    Ok(())
}
