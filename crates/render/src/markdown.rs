//! The report for a ticket.

use crate::text::{detected_by, effect, ended_by, place, range};
use hopclock_core::inquest::evidence::Cite;
use hopclock_core::inquest::numbers::number;
use hopclock_core::report::{FindingEntry, Report};
use hopclock_core::terms::Outcome;
use std::io::{self, Write};

/// The whole report.
pub fn report(report: &Report, out: &mut dyn Write) -> io::Result<()> {
    if report.findings.is_empty() {
        writeln!(out, "No end of a connection was found in this evidence.")?;
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
        writeln!(out, "- **{}** {} ({})", e.id, e.says, cites.join("; "))?;
    }
    if !report.not_looked_at.is_empty() {
        writeln!(out, "\n### Not looked at\n")?;
        for says in &report.not_looked_at {
            writeln!(out, "- {says}")?;
        }
    }
    Ok(())
}

fn one(finding: &FindingEntry, out: &mut dyn Write) -> io::Result<()> {
    writeln!(out, "## {} ({} ends)\n", finding.connections.what, finding.connections.count)?;
    let outcome = match finding.outcome {
        Outcome::Named => "Named",
        Outcome::Narrowed => "Narrowed",
        Outcome::CannotSay => "Cannot say",
    };
    match &finding.verdict {
        Some(v) => {
            let percent = 100.0 * v.confidence;
            let one = match finding.outcome {
                Outcome::Named => "",
                _ => "several causes are likely, see the table; in the lead, not proven, ",
            };
            writeln!(out, "**{outcome}**: {one}`{}` ({percent:.0} %): {}.", v.cause, v.means)?;
            write!(out, "Decided by: {}.", ended_by(v.ended_by))?;
            match v.detected_by {
                Some(d) => writeln!(out, " Noticed by: {}.\n", detected_by(d))?,
                None => writeln!(out, "\n")?,
            }
        }
        None => writeln!(out, "**{outcome}**: the evidence does not tell.\n")?,
    }
    writeln!(out, "| cause | probability | for | against |\n|---|---|---|---|")?;
    for h in finding.hypotheses.iter().filter(|h| h.probability >= 0.01) {
        let (speaks_for, against) = (h.speaks_for.join(" "), h.against.join(" "));
        let percent = 100.0 * h.probability;
        writeln!(out, "| `{}` | {percent:.1} % | {speaks_for} | {against} |", h.cause)?;
    }
    section(out, "Contradictions", &finding.contradictions, |c| {
        format!("{} ({})", c.says, c.between.join(" "))
    })?;
    section(out, "Red herrings", &finding.red_herrings, |r| format!("{}: {}", r.what, r.why))?;
    section(out, "Next evidence", &finding.next_evidence, |s| {
        format!("on {}: `{}`: {}", place(s), s.run, s.why)
    })?;
    section(out, "Measures", &finding.fixes, |f| {
        let under: Vec<String> =
            f.under.iter().map(|(cause, e)| format!("`{cause}`: **{}**", effect(*e))).collect();
        format!("{} ({}). {}", f.what, under.join(", "), f.why)
    })?;
    if let Some(letter) = &finding.letter {
        writeln!(out, "\n### Letter to the other side's team\n\n```text\n{letter}\n```")?;
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
        format!("{}:{}", cite.file, list(&cite.lines))
    } else {
        format!("{} packets {}", cite.file, list(&cite.packets))
    }
}
