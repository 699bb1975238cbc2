//! `hopclock diagnose`: evidence in, an argued cause out.

use crate::args::{Diagnose, Format};
use crate::exit::{Exit, Trouble};
use crate::{intake, progress, screen};
use hopclock_core::inquest::{Court, blind};
use hopclock_core::report::{self, Explanation, Report};
use hopclock_core::terms::Outcome;
use hopclock_render::{json, markdown, text};
use std::io::{self, Write};

/// Reads the evidence, holds the inquest and prints the report.
pub fn carry_out(typed: &Diagnose) -> Result<Exit, Trouble> {
    progress::expect(&typed.evidence, typed.quiet);
    let intake = intake::take(&typed.evidence, &typed.lines);
    if intake.facts.sources.is_empty() {
        let hint =
            "hopclock reads logs, pcap and pcapng captures, conntrack -L, sysctl output and notes";
        let mut why = [intake.unusable, intake.unused].concat();
        if why.is_empty() {
            why.push("nothing that was named is evidence".to_owned());
        }
        return Err(Trouble::NoInput { why, hint: Some(hint.to_owned()) });
    }
    progress::aside();
    crate::exit::told(&intake.unusable);
    progress::phase("weighing the causes");
    let court = Court::builtin().map_err(Trouble::Broken)?;
    let findings = court.hold(&intake.facts);
    let blind = blind::not_looked_at(&intake.facts, &findings);
    let mut report = report::of(&court.law, &findings, intake.inputs, blind);
    if typed.explain {
        for (index, entry) in report.findings.iter_mut().enumerate() {
            entry.explanation = Explanation::of(&court, &intake.facts, &findings, index);
        }
    }
    progress::done();
    let mut out = io::BufWriter::new(io::stdout().lock());
    print(&report, typed, &mut out)?;
    out.flush()?;
    let told = report.findings.iter().any(|f| f.outcome != Outcome::CannotSay);
    Ok(if told { Exit::Answered } else { Exit::CannotSay })
}

fn print(report: &Report, typed: &Diagnose, out: &mut dyn Write) -> io::Result<()> {
    match typed.format {
        Format::Text => {
            let page = screen::page();
            if typed.quiet {
                text::first_screen(report, page, out)
            } else {
                text::report(report, page, out)
            }
        }
        Format::Json => json::pretty(report, out),
        Format::Jsonl => json::line(report, out),
        Format::Markdown => markdown::report(report, out),
    }
}
