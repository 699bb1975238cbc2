//! The report for a ticket.

pub(crate) mod safe;

use crate::page::percent;
use crate::text::{capital, detected_by, effect, ended_by, place, range};
use hopclock_core::inquest::evidence::Cite;
use hopclock_core::inquest::numbers::number;
use hopclock_core::report::{FindingEntry, Report};
use hopclock_core::terms::Outcome;
use std::io::{self, Write};

/// The whole report.
pub fn report(report: &Report, out: &mut dyn Write) -> io::Result<()> {
    if report.findings.is_empty() {
        writeln!(out, "No end of a connection was found in this evidence.\n")?;
    }
    for finding in &report.findings {
        one(finding, out)?;
    }
    if !report.timer_order.is_empty() {
        writeln!(out, "### The order of timers\n\n| must be shorter | than | | to mend it |")?;
        writeln!(out, "|---|---|---|---|")?;
        for order in &report.timer_order {
            let (short, long) = (&order.shorter, &order.longer);
            let holds = if order.holds { "in order" } else { "**violated**" };
            let change = order.change.as_deref().unwrap_or("");
            writeln!(
                out,
                "| {}: {} s | {}: {} s | {holds} | {change} |",
                short.what,
                number(short.seconds),
                long.what,
                number(long.seconds)
            )?;
        }
        writeln!(out)?;
    }
    writeln!(out, "### Evidence\n")?;
    for e in &report.evidence {
        let cites: Vec<String> = e.cites.iter().map(cite).collect();
        writeln!(out, "- **{}** {} ({})", e.id, safe::text(&e.says), cites.join("; "))?;
    }
    if !report.not_looked_at.is_empty() {
        writeln!(out, "\n### Not looked at\n")?;
        for says in &report.not_looked_at {
            writeln!(out, "- {}", safe::text(says))?;
        }
    }
    Ok(())
}

fn one(finding: &FindingEntry, out: &mut dyn Write) -> io::Result<()> {
    let (what, count) = (safe::code(&finding.connections.what), finding.connections.count);
    let plural = if count == 1 { "" } else { "s" };
    writeln!(out, "## {what} ({count} end{plural})\n")?;
    let outcome = match finding.outcome {
        Outcome::Named => "Named",
        Outcome::Narrowed => "Narrowed",
        Outcome::CannotSay => "Cannot say",
    };
    match &finding.verdict {
        Some(v) => {
            let share = percent(v.confidence, 0);
            let one = match finding.outcome {
                Outcome::Named => "",
                _ => "several causes are likely, see the table; in the lead, not proven, ",
            };
            let means = safe::text(&v.means);
            writeln!(out, "**{outcome}**: {one}`{}` ({share}): {means}.", v.cause)?;
            write!(out, "Decided by: {}.", ended_by(v.ended_by))?;
            match v.detected_by {
                Some(d) => writeln!(out, " Noticed by: {}.\n", detected_by(d))?,
                None => writeln!(out, "\n")?,
            }
        }
        None => writeln!(out, "**{outcome}**: the evidence does not tell.\n")?,
    }
    if let Some(on_the_map) = &finding.on_the_map {
        writeln!(out, "On the map: {}.\n", safe::text(&on_the_map.says))?;
    }
    writeln!(out, "| cause | probability | for | against |\n|---|---|---|---|")?;
    for h in finding.hypotheses.iter().filter(|h| h.probability >= 0.01) {
        let (speaks_for, against) = (h.speaks_for.join(" "), h.against.join(" "));
        let share = safe::text(&percent(h.probability, 1));
        writeln!(out, "| `{}` | {share} | {speaks_for} | {against} |", h.cause)?;
    }
    section(out, "Contradictions", &finding.contradictions, |c| {
        format!("{} ({})", safe::text(&c.says), c.between.join(" "))
    })?;
    section(out, "Red herrings", &finding.red_herrings, |r| {
        format!("{}: {}", safe::text(&r.what), safe::text(&r.why))
    })?;
    section(out, "Next evidence", &finding.next_evidence, |s| {
        format!("on {}: {}: {}", safe::text(&place(s)), safe::code(&s.run), safe::text(&s.why))
    })?;
    section(out, "Measures", &finding.fixes, |f| {
        let under: Vec<String> =
            f.under.iter().map(|(cause, e)| format!("`{cause}`: **{}**", effect(*e))).collect();
        let tried = f
            .tried
            .as_ref()
            .map_or(String::new(), |t| format!(". {}", safe::text(&capital(&t.says))));
        format!("{} ({}). {}{tried}", safe::text(&f.what), under.join(", "), safe::text(&f.why))
    })?;
    if let Some(letter) = &finding.letter {
        let block = safe::block(letter);
        writeln!(out, "\n### Letter to the other side's team\n\n{block}")?;
    }
    writeln!(out)
}

fn section<T>(
    out: &mut dyn Write,
    title: &str,
    items: &[T],
    line: impl Fn(&T) -> String,
) -> io::Result<()> {
    if items.is_empty() {
        return Ok(());
    }
    writeln!(out, "\n### {title}\n")?;
    for item in items {
        writeln!(out, "- {}", line(item))?;
    }
    Ok(())
}

fn cite(cite: &Cite) -> String {
    let list = |ranges: &[(u64, u64)]| {
        let each: Vec<String> = ranges.iter().take(10).map(|(a, b)| range(*a, *b)).collect();
        each.join(", ")
    };
    if cite.packets.is_empty() {
        safe::code(&format!("{}:{}", cite.file, list(&cite.lines)))
    } else {
        format!("{} packets {}", safe::code(&cite.file), list(&cite.packets))
    }
}
