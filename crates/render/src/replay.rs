//! A replay through conntrack, for a person: the packets that matter, and how the table stands at
//! the end.

use std::io::{self, Write};

use hopclock_core::conntrack::judged::Verdict;
use hopclock_core::conntrack::record::{Ends, Line, Record};
use hopclock_core::conntrack::replay::Tally;
use hopclock_core::time::Moment;
use serde::Serialize;

use crate::markdown::safe;
use crate::page::{Label, Page};

/// How a moment is written, in the zone the user wants.
pub type ClockFace<'a> = &'a dyn Fn(Moment) -> String;

/// An entry that still stands.
#[derive(Clone, Debug, Serialize)]
pub struct Standing {
    /// Number of the entry.
    pub entry: u64,
    /// Its original direction.
    pub original: Ends,
    /// TCP state.
    pub tcp_state: Option<&'static str>,
    /// Remaining seconds.
    pub timeout_s: u32,
    /// Assured.
    pub assured: bool,
}

/// What is told beside the lines.
#[derive(Clone, Debug, Serialize)]
pub struct Summary {
    /// Kernel whose rules were followed.
    pub kernel: String,
    /// Packets of the capture, those the table saw, INVALID and ignored ones.
    pub packets: u64,
    /// Packets the table saw.
    pub judged: u64,
    /// INVALID packets.
    pub invalid: u64,
    /// Packets that passed without effect.
    pub ignored: u64,
    /// Time of the last packet.
    pub ends_ns: Option<Moment>,
    /// Entries at the end, at most a hundred of them.
    pub standing: Vec<Standing>,
    /// How many there are.
    pub entries: usize,
    /// What to know when reading the answer, one sentence each.
    pub notes: Vec<String>,
}

/// Sentences about packets the table did not judge, or judged with a reserve.
pub fn notes(tally: &Tally) -> Vec<String> {
    let counted = [
        (
            tally.midstream,
            "flows that begin before the capture: without --start-state the table knows nothing of \
             them; their first ACK makes an entry if tcp_loose is 1, whose windows are never \
             judged, and is INVALID if it is 0",
        ),
        (tally.seen_again, "packets seen at several places, judged once"),
        (tally.leaving, "packets that are copies leaving translated, judged as they arrived"),
        (tally.fragments, "fragments, not put together here as the kernel would"),
        (tally.cut_short, "packets kept too short to be judged"),
        (
            tally.bad_checksums,
            "packets with a wrong checksum, as a capture beside offload shows them; see \
             --verify-checksums",
        ),
        (
            tally.backwards,
            "packets stamped before their predecessor, taken as simultaneous with it",
        ),
    ];
    counted
        .into_iter()
        .filter(|(count, _)| *count > 0)
        .map(|(count, what)| format!("{count} {what}"))
        .collect()
}

/// The heading of the rows.
pub fn head(page: Page, out: &mut dyn Write) -> io::Result<()> {
    let title = "  packet  time          entry   verdict    state          left";
    writeln!(out, "{}", page.label(Label::Heading, title))
}

/// One row.
pub fn row(
    line: &Line,
    (page, clock): (Page, ClockFace<'_>),
    out: &mut dyn Write,
) -> io::Result<()> {
    match line {
        Line::Timer(timer) => {
            let event = word(&timer.event);
            let state = timer.tcp_state.unwrap_or("-");
            let entry = format!("#{}", timer.entry);
            let label = page.label(Label::Bad, &format!("{event:<9}"));
            writeln!(out, "          {}  {entry:<6}  {label}  {state}", clock(timer.at_ns))
        }
        Line::Packet(record) => packet(record, (page, clock), out),
    }
}

fn packet(
    record: &Record,
    (page, clock): (Page, ClockFace<'_>),
    out: &mut dyn Write,
) -> io::Result<()> {
    let arrow = match record.direction {
        Some("reply") => "<",
        Some(_) => ">",
        None => " ",
    };
    let entry = record.entry.map_or_else(|| "-".to_owned(), |id| format!("#{id} {arrow}"));
    let verdict = word(&record.verdict);
    let label = match record.verdict {
        Verdict::Accept => Label::Good,
        Verdict::Ignore | Verdict::Untracked => Label::Number,
        Verdict::Invalid | Verdict::Drop => Label::Bad,
    };
    let verdict = page.label(label, &format!("{verdict:<9}"));
    let state = record.tcp_state.unwrap_or("-");
    let left = record.timeout_s.map_or_else(|| "-".to_owned(), |s| format!("{s} s"));
    let first = format!(
        "{:>8}  {}  {entry:<6}  {verdict}  {state:<11}  {left:>8}",
        record.packet,
        clock(record.at_ns)
    );
    writeln!(out, "{}", first.trim_end())?;
    for says in about(record) {
        page.paragraph(out, 10, &says)?;
    }
    Ok(())
}

/// What else is to be said of a packet.
fn about(record: &Record) -> Vec<String> {
    let mut all = Vec::new();
    let (src, dst) = record.arrives_as.words();
    if record.created {
        all.push(format!("new: {src} > {dst}"));
    } else if record.entry.is_none() {
        all.push(format!("{src} > {dst}"));
    }
    if let Some(reason) = &record.reason {
        all.push(reason.clone());
    }
    if let Some(seconds) = record.lowered_to_s {
        all.push(format!("the timer is lowered to {seconds} s"));
    }
    if record.simulated {
        all.push("simulated: the ends would have behaved differently by now".to_owned());
    }
    all
}

/// What stands below the rows, or above them.
pub fn summary(summary: &Summary, page: Page, out: &mut dyn Write) -> io::Result<()> {
    let first = format!(
        "{} packets through the conntrack of Linux {}: {} seen by the table, {} INVALID, {} ignored",
        summary.packets, summary.kernel, summary.judged, summary.invalid, summary.ignored
    );
    page.paragraph(out, 0, &first)?;
    for note in &summary.notes {
        page.wrap(out, ("note: ", 6), 6, note)?;
    }
    if summary.entries > 0 {
        let noun = if summary.entries == 1 { "entry stands" } else { "entries stand" };
        let says = format!("{} {noun} when the capture ends:", summary.entries);
        page.paragraph(out, 0, &says)?;
    }
    for standing in &summary.standing {
        let (src, dst) = standing.original.words();
        let state = standing.tcp_state.unwrap_or("-");
        let assured = if standing.assured { " [ASSURED]" } else { "" };
        let says = format!(
            "#{} {src} > {dst} {state}, {} s left{assured}",
            standing.entry, standing.timeout_s
        );
        page.paragraph(out, 2, &says)?;
    }
    Ok(())
}

/// A table for a ticket.
pub fn markdown_head(out: &mut dyn Write) -> io::Result<()> {
    writeln!(out, "| packet | time | entry | verdict | state | left | |")?;
    writeln!(out, "|--:|---|---|---|---|--:|---|")
}

/// One row of it.
pub fn markdown_row(line: &Line, clock: ClockFace<'_>, out: &mut dyn Write) -> io::Result<()> {
    match line {
        Line::Timer(t) => writeln!(
            out,
            "| | {} | #{} | {} | {} | | |",
            clock(t.at_ns),
            t.entry,
            word(&t.event),
            t.tcp_state.unwrap_or("")
        ),
        Line::Packet(r) => writeln!(
            out,
            "| {} | {} | {} | {} | {} | {} | {} |",
            r.packet,
            clock(r.at_ns),
            r.entry.map_or_else(String::new, |id| format!("#{id} {}", r.direction.unwrap_or(""))),
            word(&r.verdict),
            r.tcp_state.unwrap_or(""),
            r.timeout_s.map_or_else(String::new, |s| format!("{s} s")),
            safe::text(&about(r).join("; "))
        ),
    }
}

/// A contract's word, as the JSON has it.
fn word(value: &impl Serialize) -> String {
    match serde_json::to_value(value) {
        Ok(serde_json::Value::String(word)) => word,
        _ => String::new(),
    }
}
