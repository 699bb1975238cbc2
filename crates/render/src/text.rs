//! The report for a terminal: the first screen answers the question, the rest can be checked.

mod command;
mod details;
mod explain;
mod herrings;

pub(crate) use details::{ORDER, capital, measures, order_words};

use crate::page::{Label, Page, columns, percent};
use hopclock_core::inquest::advice::{Effect, Step};
use hopclock_core::report::{FindingEntry, Hypothesis, Report};
use hopclock_core::terms::{Anchor, DetectedBy, EndedBy, Outcome};
use std::io::{self, Write};

/// The whole report.
pub fn report(report: &Report, page: Page, out: &mut dyn Write) -> io::Result<()> {
    first_screen(report, page, out)?;
    for finding in &report.findings {
        if report.findings.len() > 1 {
            let title = format!("{} in detail: {}", finding.id, finding.connections.what);
            page.heading(out, &title)?;
        }
        details::finding(finding, page, out)?;
        if let Some(explanation) = &finding.explanation {
            explain::write(explanation, page, out)?;
        }
    }
    details::order(report, page, out)?;
    details::evidence(report, page, out)?;
    details::blind(report, page, out)?;
    details::inputs(report, page, out)
}

/// What is said where nothing was found.
pub(crate) const NOTHING_FOUND: &str = "No end of a connection was found in this evidence, so there is \
    nothing to explain. What would help: a log of the program that loses its connections, or a \
    capture of one end.";

/// The answer alone.
pub fn first_screen(report: &Report, page: Page, out: &mut dyn Write) -> io::Result<()> {
    if report.findings.is_empty() {
        return page.paragraph(out, 0, NOTHING_FOUND);
    }
    for (index, finding) in report.findings.iter().enumerate() {
        if index > 0 {
            writeln!(out)?;
        }
        answer(finding, page, out)?;
    }
    Ok(())
}

fn answer(finding: &FindingEntry, page: Page, out: &mut dyn Write) -> io::Result<()> {
    page.wrap_label(out, Label::Heading, 0, &title(finding))?;
    writeln!(out)?;
    let (word, says) = answer_words(finding);
    answer_line(page, out, word, &says)?;
    writeln!(out)?;
    list(finding, page, out)?;
    let mut says = Vec::new();
    summary(finding, page, &mut says)?;
    if !says.is_empty() {
        writeln!(out)?;
        out.write_all(&says)?;
    }
    if finding.outcome != Outcome::Named && !finding.next_evidence.is_empty() {
        writeln!(out, "\n  {}", page.label(Label::Heading, "To settle it:"))?;
        for step in finding.next_evidence.iter().take(2) {
            let first = format!("  on {}: ", place(step));
            page.wrap(out, (&first, columns(&first)), 4, &step.why)?;
            command::write(page, out, 4, &step.run)?;
        }
    }
    Ok(())
}

/// The outcome's word and the sentence after it.
pub(crate) fn answer_words(finding: &FindingEntry) -> (&'static str, String) {
    match (finding.outcome, &finding.verdict) {
        (Outcome::Named, Some(verdict)) => {
            let mut says = format!("{}: {}.", verdict.cause, verdict.means);
            if let Some(clock) = &verdict.clock {
                says += &format!(" The clock: {}, {} s.", clock.setting, clock.seconds);
            }
            ("Named", says)
        }
        (Outcome::Narrowed, _) => {
            let says = match finding.short_list {
                1 => "one cause leads, not by enough to be named:".to_owned(),
                n => format!(
                    "it is most likely one of these {n}, and the evidence does not say which:"
                ),
            };
            ("Narrowed", says)
        }
        _ => {
            let says = "the evidence does not tell. The likeliest, none of them likely enough:";
            ("Cannot say", says.to_owned())
        }
    }
}

/// Which connections, and how many ends. What a log says of them is quoted.
pub(crate) fn title(finding: &FindingEntry) -> String {
    let (what, count) = (&finding.connections.what, finding.connections.count);
    let is_ends = what.contains(" -> ") && !what.contains('*');
    let what = match what.contains(char::is_whitespace) && !is_ends {
        true => format!("“{what}”"),
        false => what.clone(),
    };
    match count {
        0 => format!("{what}, no end told"),
        1 => format!("{what}, 1 end"),
        n => format!("{what}, {n} ends"),
    }
}

fn answer_line(page: Page, out: &mut dyn Write, word: &str, says: &str) -> io::Result<()> {
    let first = format!("  {}: ", page.label(Label::Verdict, word));
    page.wrap(out, (&first, word.len() + 4), 4, says)
}

fn list(finding: &FindingEntry, page: Page, out: &mut dyn Write) -> io::Result<()> {
    let listed = finding.hypotheses.iter().take(finding.short_list);
    let mut held = 0.0;
    for hypothesis in listed {
        held += hypothesis.probability;
        let share = format!("{:>6}", percent(hypothesis.probability, 0));
        let first = format!("  {}  ", page.label(Label::Number, &share));
        page.wrap(out, (&first, 10), 10, &line(hypothesis))?;
    }
    let rest = (1.0 - held).max(0.0);
    writeln!(
        out,
        "  {}  everything else on the list",
        page.label(Label::Number, &format!("{:>6}", percent(rest, 0)))
    )
}

/// A cause in one sentence, with its clock where one in evidence fits.
pub(crate) fn line(hypothesis: &Hypothesis) -> String {
    if hypothesis.cause == "unknown" {
        return hypothesis.means.clone();
    }
    let clock = match &hypothesis.clock {
        Some(c) => format!(" ({} = {} s)", c.setting, c.seconds),
        None => String::new(),
    };
    format!("{}: {}{clock}", hypothesis.cause, hypothesis.means)
}

fn summary(finding: &FindingEntry, page: Page, out: &mut dyn Write) -> io::Result<()> {
    if let Some(says) = rhythm_words(finding) {
        page.wrap(out, ("  Rhythm:     ", 14), 14, &says)?;
    }
    if let Some(verdict) = &finding.verdict {
        page.wrap(out, ("  Decided by: ", 14), 14, ended_by(verdict.ended_by))?;
        if let Some(detected) = verdict.detected_by {
            page.wrap(out, ("  Noticed by: ", 14), 14, detected_by(detected))?;
        }
    }
    if let Some(on_the_map) = &finding.on_the_map {
        page.wrap(out, ("  On the map: ", 14), 14, &on_the_map.says)?;
    }
    herrings::first(&finding.red_herrings, page, out)?;
    if !finding.contradictions.is_empty() {
        let says = match finding.contradictions.len() {
            1 => "one thing in the evidence does not fit together; see below".to_owned(),
            n => format!("{n} things in the evidence do not fit together; see below"),
        };
        page.wrap(out, ("  Beware:     ", 14), 14, &says)?;
    }
    Ok(())
}

/// The period, what it counts from and how many more ends would tell; `None` without a period.
pub(crate) fn rhythm_words(finding: &FindingEntry) -> Option<String> {
    let rhythm = finding.rhythm.as_ref().filter(|r| r.events > 1)?;
    let (period, low, high) = (rhythm.period_s?, rhythm.low_s?, rhythm.high_s?);
    let counted = counted(finding, rhythm.anchor);
    // As many decimals as the interval leaves meaning.
    let digits = if high - low < 0.2 { 2 } else { 1 };
    let mut says =
        format!("every {period:.digits$} s ({low:.digits$} to {high:.digits$}), {counted}");
    if let Some(n) = rhythm.events_needed {
        says += &match days(n, period) {
            Some(days) => format!("; about {n} more ends ({days:.0} days) would tell"),
            None => format!("; {n} more {} would tell", if n == 1 { "end" } else { "ends" }),
        };
    }
    Some(says)
}

/// How many days so many more ends take, when that is long.
fn days(ends: u32, period_s: f64) -> Option<f64> {
    let days = f64::from(ends) * period_s / 86_400.0;
    (days >= 2.0).then_some(days)
}

/// What the ends count from; where that is open, what it may be.
fn counted(finding: &FindingEntry, leading: Anchor) -> String {
    if leading != Anchor::Undetermined {
        return anchor(leading).to_owned();
    }
    let likely = finding.anchors.iter().filter(|a| a.probability >= 0.05).take(3);
    let each: Vec<String> =
        likely.map(|a| format!("{} ({})", anchor(a.anchor), percent(a.probability, 0))).collect();
    match each.as_slice() {
        [] => anchor(leading).to_owned(),
        _ => format!("the times fit: {}", each.join(", ")),
    }
}

pub(crate) const fn anchor(anchor: Anchor) -> &'static str {
    match anchor {
        Anchor::Open => "counted from the opening of the connection",
        Anchor::Wall => "at fixed times of day",
        Anchor::FreeRunning => "a loop or clock tied to no connection",
        Anchor::Idle => "counted from the last packet",
        Anchor::IdleApp => "counted from the last application data",
        Anchor::Probe => "counted from an unanswered packet",
        Anchor::Count => "after a number of requests",
        Anchor::Event => "many at once",
        Anchor::Random => "without a clock",
        Anchor::Mixed => "by more than one clock",
        Anchor::Undetermined => "counted from what these times do not tell",
    }
}

pub(crate) const fn ended_by(who: EndedBy) -> &'static str {
    match who {
        EndedBy::Client => "the client",
        EndedBy::Server => "the server",
        EndedBy::Proxy => "a proxy or balancer between",
        EndedBy::Middlebox => "a box between that only tracks flows",
        EndedBy::Unknown => "not established",
    }
}

pub(crate) const fn detected_by(how: DetectedBy) -> &'static str {
    match how {
        DetectedBy::PeerMessage => "a FIN, a reset or a message that came by itself",
        DetectedBy::NextUse => "the victim's own next packet, which was answered by a reset",
        DetectedBy::RetransmissionTimeout => "data that nobody acknowledged",
        DetectedBy::Keepalive => "keepalive probes that nobody answered",
        DetectedBy::Heartbeat => "a missed heartbeat of the protocol",
    }
}

/// How a measure fares.
pub(crate) const fn effect(effect: Effect) -> &'static str {
    match effect {
        Effect::Held => "holds",
        Effect::MovesPeriod => "only moves the end",
        Effect::NotHeld => "does not hold",
        Effect::Untested => "not known",
    }
}

/// A range of lines or packets, both ends included.
pub(crate) fn range(first: u64, last: u64) -> String {
    if first == last { first.to_string() } else { format!("{first}-{last}") }
}

/// Where a step is taken: the host's name where it is known.
pub(crate) fn place(step: &Step) -> String {
    match &step.host {
        Some(host) => format!("the {} {host}", role(step.on)),
        None => format!("the {}", role(step.on)),
    }
}

pub(crate) const fn role(role: hopclock_core::terms::Role) -> &'static str {
    use hopclock_core::terms::Role;
    match role {
        Role::Client => "client",
        Role::Hop => "hop",
        Role::Server => "server",
    }
}
