//! A sweep, for a person: a line each for what was tried, and below what happened first.

use std::io::{self, Write};

use hopclock_core::conntrack::judged::Verdict;
use hopclock_core::conntrack::reach::Reaches;
use hopclock_core::conntrack::record::Decided;
use hopclock_core::conntrack::sweep::{Parted, Row, RunOut, Turn};
use serde::Serialize;

use crate::markdown::safe;
use crate::page::{Label, Page};
use crate::replay::ClockFace;

/// All rows and what is told beside them: the JSON answer.
#[derive(Clone, Debug, Serialize)]
pub struct Answer {
    /// `hopclock.sweep/1`
    pub schema: &'static str,
    /// Kernel whose rules were followed.
    pub kernel: String,
    /// Packets of the capture.
    pub packets: u64,
    /// Packets the table saw.
    pub judged: u64,
    /// What was tried; as captured first.
    pub rows: Vec<Row>,
    /// What to know when reading the answer, one sentence each.
    pub notes: Vec<String>,
}

/// Columns of the table, as its heading names them.
const COLUMNS: [&str; 6] = ["ran out", "cut", "saved", "INVALID", "ignored", "standing"];

fn cells(row: &Row, is_first: bool) -> [String; 6] {
    let parted = |count: u64| if is_first { "-".to_owned() } else { count.to_string() };
    [
        row.run_out.to_string(),
        parted(row.cut),
        parted(row.saved),
        row.invalid.to_string(),
        row.ignored.to_string(),
        row.standing.to_string(),
    ]
}

fn opening(answer: &Answer) -> String {
    let opened = answer.rows.first().map_or(0, |row| row.opened);
    let tried = answer.rows.len().saturating_sub(1);
    let (s, other) = (if opened == 1 { "" } else { "s" }, if tried == 1 { "" } else { "s" });
    format!(
        "{} packets of {opened} flow{s} through the conntrack of Linux {}, as captured and under \
         {tried} other setting{other}",
        answer.packets, answer.kernel
    )
}

/// The whole answer.
pub fn text(
    answer: &Answer,
    (page, clock): (Page, ClockFace<'_>),
    out: &mut dyn Write,
) -> io::Result<()> {
    page.paragraph(out, 0, &opening(answer))?;
    for note in &answer.notes {
        page.wrap(out, ("note: ", 6), 6, note)?;
    }
    writeln!(out)?;
    table(&answer.rows, page, out)?;
    for (row, sentences) in answer.rows.iter().zip(all_about(&answer.rows, clock)) {
        writeln!(out, "\n{}", page.label(Label::Heading, &row.name))?;
        for says in sentences {
            page.wrap(out, ("  ", 2), 4, &says)?;
        }
    }
    Ok(())
}

fn table(rows: &[Row], page: Page, out: &mut dyn Write) -> io::Result<()> {
    let longest = rows.iter().map(|row| row.name.chars().count()).max().unwrap_or(0);
    let room = page.width.saturating_sub(COLUMNS.map(|c| c.len() + 2).iter().sum());
    let name_width = longest.min(room.max(12));
    let mut head = format!("{:name_width$}", "");
    for column in COLUMNS {
        head.push_str("  ");
        head.push_str(column);
    }
    writeln!(out, "{}", page.label(Label::Heading, &head))?;
    for (at, row) in rows.iter().enumerate() {
        // A long name gets a line of its own rather than being cut.
        if row.name.chars().count() > name_width {
            writeln!(out, "{}", row.name)?;
            write!(out, "{:name_width$}", "")?;
        } else {
            write!(out, "{:name_width$}", row.name)?;
        }
        for (cell, column) in cells(row, at == 0).into_iter().zip(COLUMNS) {
            write!(out, "  {cell:>width$}", width = column.len())?;
        }
        writeln!(out)?;
    }
    Ok(())
}

/// What is to be said of each row; a sentence that was said of the first stands there alone.
fn all_about(rows: &[Row], clock: ClockFace<'_>) -> Vec<Vec<String>> {
    let mut all: Vec<Vec<String>> = rows.iter().map(|row| about(row, clock)).collect();
    if let Some((first, others)) = all.split_first_mut() {
        for other in others {
            other.retain(|says| !first.contains(says));
            if other.is_empty() {
                other.push("no difference: every packet meets the fate it met".to_owned());
            }
        }
    }
    all
}

/// What a row's numbers are made of, a sentence each.
fn about(row: &Row, clock: ClockFace<'_>) -> Vec<String> {
    let mut all = Vec::new();
    all.extend(row.first_run_out.as_ref().map(|first| ran_out(first, row, clock)));
    all.extend(row.first_parted.as_ref().map(|first| parted(first, row, clock)));
    for said in &row.reasons {
        let what =
            if said.verdict == Verdict::Ignore { "passed without effect" } else { "INVALID" };
        let first =
            said.packet.map_or_else(String::new, |packet| format!(", first packet {packet}"));
        all.push(format!("{} {what}: \u{201c}{}\u{201d}{first}", said.count, said.reason));
    }
    all.extend(row.added.map(|added| match added {
        0 => "no probe was due: nobody who would send one heard nothing for so long".to_owned(),
        added => format!("{added} probes and answers were added"),
    }));
    if row.unsent > 0 {
        all.push(format!(
            "simulated from there: {} recorded packets would not have been sent as they were; {} \
             were assumed instead",
            row.unsent, row.simulated
        ));
    }
    all.push(cost(row));
    all
}

fn packet(number: Option<u64>) -> String {
    number.map_or_else(|| "a probe".to_owned(), |number| format!("packet {number}"))
}

fn ran_out(first: &RunOut, row: &Row, clock: ClockFace<'_>) -> String {
    let (src, dst) = first.original.words();
    let state = first.tcp_state.unwrap_or("-");
    let ruled = first.ruled.as_ref();
    let then = match (first.verdict, ruled) {
        (Verdict::Accept, None) => {
            "made a new one (a rule that drops new flows without SYN refuses it)"
        }
        (Verdict::Accept, Some(ruled)) if ruled.passes() => "made a new one",
        (Verdict::Accept, Some(_)) => "would have made a new one",
        (Verdict::Ignore, _) => "passed without one",
        (Verdict::Invalid | Verdict::Untracked | Verdict::Drop, _) => "was INVALID",
    };
    let goes = match (first.reaches, ruled, first.verdict) {
        (Reaches::Peer, Some(_), Verdict::Invalid) | (Reaches::Nobody, Some(_), _) => {
            goes(first.reaches, ruled)
        }
        (Reaches::Peer, _, _) => String::new(),
        (Reaches::Stranger, _, Verdict::Accept) => {
            ": it leaves with another port, for an end that has no such connection and resets it"
                .to_owned()
        }
        (other, _, _) => goes(other, ruled),
    };
    let more = match row.run_out - 1 {
        0 => String::new(),
        more => format!("; {more} more ran out and were needed"),
    };
    format!(
        "{src} > {dst}: its {state} entry ran out at {}; {} found none and {then}{goes}{more}",
        clock(first.at_ns),
        packet(first.packet)
    )
}

/// What becomes of a packet that met no entry of its own.
fn goes(reaches: Reaches, ruled: Option<&Decided>) -> String {
    let line = |ruled: &Decided| {
        ruled.line.map_or_else(String::new, |line| format!(" (line {line} of the rules)"))
    };
    match (reaches, ruled) {
        (Reaches::Nobody, Some(ruled)) => {
            let does = match ruled.does {
                "resets" => "the box resets its sender by a rule",
                "refuses" => "a rule refuses it, and its sender is told by ICMP",
                _ => "a rule drops it",
            };
            format!(": {does}{}", line(ruled))
        }
        (Reaches::Nobody, None) => ": the table drops it".to_owned(),
        (Reaches::Peer, None) => ": it arrives all the same unless a rule drops it".to_owned(),
        (Reaches::Peer, Some(_)) => ": no rule stops it, and it arrives all the same".to_owned(),
        (Reaches::Box, _) => ": it is for the box itself, whose stack resets the sender".to_owned(),
        (Reaches::Stranger, _) => ": it leaves untranslated, for an end that has no such \
             connection and resets it"
            .to_owned(),
    }
}

fn parted(first: &Parted, row: &Row, clock: ClockFace<'_>) -> String {
    let (src, dst) = first.arrives_as.words();
    let why =
        first.reason.as_ref().map_or_else(String::new, |why| format!(" (\u{201c}{why}\u{201d})"));
    let who = format!("{src} > {dst}: {} at {}", packet(first.packet), clock(first.at_ns));
    let sum = row.cut + row.saved;
    let more = if sum > 1 { format!("; {sum} connections part") } else { String::new() };
    let moved = match (row.moved, row.saved, first.stands_until_ns) {
        (0, _, _) => String::new(),
        (1, 1, Some(until)) => format!(
            ". Neither it nor its answer sets the timer: the entry goes all the same, at {}",
            clock(until)
        ),
        (moved, saved, _) => {
            format!(". Of {saved} that go on, {moved} only last longer: nothing sets their timer")
        }
    };
    match first.turn {
        Turn::Saved => format!(
            "{who} comes through; as captured it does not{why}{}. The connection goes on, and what \
             followed would not have been sent{more}{moved}",
            goes(first.reaches, first.ruled.as_ref())
        ),
        Turn::Cut => {
            let goes = goes(first.reaches, first.ruled.as_ref());
            format!("{who} does not come through{why}{goes}{more}")
        }
    }
}

fn cost(row: &Row) -> String {
    let outlives = match (row.outlives_s, row.entries_at_this_rate) {
        (Some(outlives), Some(entries)) => format!(
            "an entry outlives its connection by {outlives:.0} s on average, which at this rate of \
             openings makes {entries:.0} entries; "
        ),
        (Some(outlives), None) => {
            format!("an entry outlives its connection by {outlives:.0} s on average; ")
        }
        _ => String::new(),
    };
    format!("cost: {outlives}ends that vanish leave theirs for {} s", row.vanished_s)
}

/// A table for a ticket, and the sentences below it.
pub fn markdown(answer: &Answer, clock: ClockFace<'_>, out: &mut dyn Write) -> io::Result<()> {
    writeln!(out, "{}\n", safe::text(&opening(answer)))?;
    for note in &answer.notes {
        writeln!(out, "- note: {}", safe::text(note))?;
    }
    writeln!(out, "\n| setting | {} |", COLUMNS.join(" | "))?;
    writeln!(out, "|---|{}", "--:|".repeat(COLUMNS.len()))?;
    for (at, row) in answer.rows.iter().enumerate() {
        writeln!(out, "| {} | {} |", safe::code(&row.name), cells(row, at == 0).join(" | "))?;
    }
    for (row, sentences) in answer.rows.iter().zip(all_about(&answer.rows, clock)) {
        writeln!(out, "\n{}\n", safe::code(&row.name))?;
        for says in sentences {
            writeln!(out, "- {}", safe::text(&says))?;
        }
    }
    Ok(())
}
