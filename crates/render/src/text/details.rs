//! Below the first screen: contradictions, measures, hypotheses, evidence, blindness, inputs.

use super::{command, effect, herrings, place, range};
use crate::page::{Label, Page, columns, percent};
use crate::{letter, plots};
use hopclock_core::flow::How;
use hopclock_core::inquest::advice::Effect;
use hopclock_core::inquest::evidence::Cite;
use hopclock_core::inquest::numbers::number;
use hopclock_core::inquest::order::Order;
use hopclock_core::report::{FindingEntry, Input, Report};
use hopclock_core::terms::Side;
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
    if let Some(plot) = &finding.plots.course {
        plots::course(plot, page, out)?;
    }
    if let Some(plot) = &finding.plots.coarse {
        plots::histogram(plot, page, out)?;
    }
    contradictions(finding, page, out)?;
    fixes(finding, page, out)?;
    next(finding, page, out)?;
    hypotheses(finding, page, out)?;
    red_herrings(finding, page, out)?;
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
    page.heading(out, measures(finding))?;
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
        if let Some(tried) = &fix.tried {
            page.paragraph(out, 4, &format!("{}.", capital(&tried.says)))?;
        }
        page.paragraph(out, 4, &format!("Cost: {}. Undo: {}.", fix.risk, fix.undo.join("; ")))?;
    }
    Ok(())
}

/// How the measures were judged, for their heading.
pub(crate) fn measures(finding: &FindingEntry) -> &'static str {
    if finding.fixes.iter().any(|fix| fix.tried.is_some()) {
        "Measures, judged under each likely cause: on the recorded packets where it says tried, \
         else by mechanism"
    } else {
        "Measures, judged by mechanism under each likely cause, not tried"
    }
}

pub(crate) fn capital(text: &str) -> String {
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
        page.wrap(out, (&first, columns(&first)), 5, &step.why)?;
        command::write(page, out, 5, &step.run)?;
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
        let share = format!("{:>8}", percent(h.probability, 1));
        let first = format!("  {}  ", page.label(Label::Number, &share));
        let list = |ids: &[String]| if ids.is_empty() { "-".to_owned() } else { ids.join(" ") };
        let says =
            format!("{}, for: {}, against: {}", h.cause, list(&h.speaks_for), list(&h.against));
        page.wrap(out, (&first, 12), 12, &says)?;
        for why in &h.ruled_out {
            page.wrap(out, ("            not by ", 19), 14, why)?;
        }
    }
    let says = format!("{hidden} more causes below 1 %, each with its reasons in --format json");
    page.paragraph(out, 2, &says)
}

fn red_herrings(finding: &FindingEntry, page: Page, out: &mut dyn Write) -> io::Result<()> {
    if finding.red_herrings.is_empty() {
        return Ok(());
    }
    page.heading(out, "Red herrings")?;
    herrings::all(&finding.red_herrings, page, out)
}

fn endings(finding: &FindingEntry, page: Page, out: &mut dyn Write) -> io::Result<()> {
    const SHOWN: usize = 8;
    if finding.endings.is_empty() {
        return Ok(());
    }
    page.heading(out, "Ends in captures")?;
    for end in finding.endings.iter().take(SHOWN) {
        let signed = match end.signed_by {
            Some(Side::Client) => " from the client",
            Some(Side::Server) => " from the server",
            None => "",
        };
        let age = end.age_s.map_or(String::new(), |a| format!(", {a:.1} s old"));
        let idle =
            end.idle_before_s.map_or(String::new(), |s| format!(", after {s:.1} s of silence"));
        let packets: Vec<String> = end.packets.iter().map(|(a, b)| range(*a, *b)).collect();
        let says = format!(
            "{}: {}{signed}{age}{idle} (packets {})",
            end.flow,
            how(end.how),
            packets.join(", ")
        );
        page.wrap(out, ("  - ", 4), 4, &says)?;
    }
    match finding.endings.len().saturating_sub(SHOWN) {
        0 => Ok(()),
        more => page.paragraph(out, 2, &format!("and {more} more")),
    }
}

const fn how(how: How) -> &'static str {
    match how {
        How::Fin => "FIN",
        How::Rst => "RST",
        How::Silence => "silence",
        How::Open => "open",
        How::Refused => "refused",
        How::Unanswered => "unanswered",
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

/// Above the order of timers.
pub(crate) const ORDER: &str = "The order of timers, whether or not it is today's cause";

/// Timers that must be ordered: each that is not, and how many are.
pub(super) fn order(report: &Report, page: Page, out: &mut dyn Write) -> io::Result<()> {
    let (kept, broken): (Vec<_>, Vec<_>) = report.timer_order.iter().partition(|o| o.holds);
    if broken.is_empty() && kept.is_empty() {
        return Ok(());
    }
    page.heading(out, ORDER)?;
    for order in broken {
        let says = order_says(order);
        let first = format!("  {} ", page.label(Label::Bad, "violated:"));
        page.wrap(out, (&first, 12), 4, &says)?;
        page.paragraph(out, 4, &format!("{}.", capital(&order.why)))?;
        if let Some(change) = &order.change {
            page.paragraph(out, 4, &format!("To mend it: {change}."))?;
        }
    }
    for order in kept {
        page.wrap(out, ("  in order: ", 12), 4, &order_says(order))?;
    }
    Ok(())
}

fn order_says(order: &Order) -> String {
    let (short, long) = (&order.shorter, &order.longer);
    let cites: Vec<&str> =
        short.evidence.iter().chain(&long.evidence).map(String::as_str).collect();
    let cites = if cites.is_empty() { String::new() } else { format!(" [{}]", cites.join(" ")) };
    format!("{}{cites}", order_words(order))
}

/// Which timer must be shorter than which, without what it stands on.
pub(crate) fn order_words(order: &Order) -> String {
    let (short, long) = (&order.shorter, &order.longer);
    let is = if order.holds { "is shorter" } else { "must be shorter" };
    format!(
        "{} ({} s) {is} than {} ({} s)",
        short.what,
        number(short.seconds),
        long.what,
        number(long.seconds)
    )
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
    let (unused, used): (Vec<&Input>, Vec<&Input>) =
        report.inputs.iter().partition(|input| input.records == 0 && input.notes.len() == 1);
    for input in used {
        let skipped =
            if input.skipped > 0 { format!(", {} skipped", input.skipped) } else { String::new() };
        let plural = if input.records == 1 { "" } else { "s" };
        let says =
            format!("{}: {}, {} record{plural}{skipped}", input.file, input.kind, input.records);
        page.wrap(out, ("  - ", 4), 4, &says)?;
        for note in &input.notes {
            page.paragraph(out, 6, note)?;
        }
    }
    not_used(&unused, page, out)
}

/// Files of which nothing was used, each reason once.
fn not_used(unused: &[&Input], page: Page, out: &mut dyn Write) -> io::Result<()> {
    let mut by_why: Vec<(&str, Vec<String>)> = Vec::new();
    for input in unused {
        let why = input.notes.first().map_or("", String::as_str);
        let file = format!("{} ({})", input.file, input.kind);
        match by_why.iter_mut().find(|(known, _)| *known == why) {
            Some((_, files)) => files.push(file),
            None => by_why.push((why, vec![file])),
        }
    }
    for (why, files) in by_why {
        let says = format!("not used: {}: {why}", files.join(", "));
        page.wrap(out, ("  - ", 4), 4, &says)?;
    }
    Ok(())
}
