//! `hopclock diagnose`: evidence in, an argued cause out.

use crate::args::{Diagnose, Format, LineOverrides};
use crate::cmd::clocks::add_own;
use crate::cmd::map::load::Tables;
use crate::exit::{Exit, Trouble};
use crate::redaction::Hiding;
use crate::{intake, progress, screen};
use hopclock_core::inquest::{Court, blind};
use hopclock_core::map::place::place;
use hopclock_core::report::{self, Explanation, Report};
use hopclock_core::terms::Outcome;
use hopclock_render::{Page, html, json, letter, markdown, text};
use std::ffi::OsString;
use std::fmt::Display;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::Path;

/// Reads the evidence, holds the inquest and prints the report.
pub fn carry_out(typed: &Diagnose) -> Result<Exit, Trouble> {
    if typed.html.as_ref().is_some_and(|path| path.as_os_str() == "-") {
        let why = "--html -: standard output has the report already; name a file";
        return Err(Trouble::Usage(why.to_owned()));
    }
    let mut hiding = Hiding::asked(&typed.redaction)?;
    progress::expect(&typed.evidence, typed.quiet);
    let mut court = Court::builtin().map_err(Trouble::Broken)?;
    add_own(&mut court.law.catalogue, &typed.own)?;
    let map = typed.hops.as_ref().map(|hops| Tables::new(&typed.own)?.map(hops)).transpose()?;
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
    let findings = court.hold(&intake.facts);
    let blind = blind::not_looked_at(&intake.facts, &findings);
    let mut report = report::of(&court.law, &findings, intake.inputs, blind);
    if typed.explain {
        for (index, entry) in report.findings.iter_mut().enumerate() {
            entry.explanation = Explanation::of(&court, &intake.facts, &findings, index);
        }
    }
    if let Some(map) = &map {
        place(map, &mut report);
        crate::exit::told(&map.notes);
    }
    if let Some(hiding) = &mut hiding {
        hiding.report(&mut report, &intake.facts);
        hiding.write_map()?;
    }
    progress::done();
    if let Some(key) = hiding.as_ref().and_then(Hiding::new_key) {
        crate::exit::told(&[format!("redacted; for the same names elsewhere: --redact-key {key}")]);
    }
    let mut out = io::BufWriter::new(io::stdout().lock());
    match &typed.letter {
        Some(None) => letters(&report, screen::page(), &mut out)?,
        Some(Some(path)) => {
            letter_file(&report, path)?;
            print(&report, typed, &mut out)?;
        }
        None => print(&report, typed, &mut out)?,
    }
    out.flush()?;
    if let Some(path) = &typed.html {
        html_file(&report, path)?;
    }
    let told = report.findings.iter().any(|f| f.outcome != Outcome::CannotSay);
    Ok(if told { Exit::Answered } else { Exit::CannotSay })
}

/// The report on folders of evidence, for other commands; `None` where nothing in them is evidence.
pub fn of_folder(court: &Court, evidence: &Path) -> Option<Report> {
    let intake = intake::take(&[evidence.to_owned()], &LineOverrides::default());
    if intake.facts.sources.is_empty() {
        return None;
    }
    let findings = court.hold(&intake.facts);
    let blind = blind::not_looked_at(&intake.facts, &findings);
    Some(report::of(&court.law, &findings, intake.inputs, blind))
}

/// Every finding's letter, and a sentence on standard error where there is none to write.
fn letters(report: &Report, page: Page, out: &mut dyn Write) -> io::Result<()> {
    let mut letters = report.findings.iter().filter_map(|f| f.letter.as_ref()).peekable();
    if letters.peek().is_none() {
        let says = "no letter: it is not likely that the other side's team can tell";
        crate::exit::told(&[says.to_owned()]);
    }
    while let Some(text) = letters.next() {
        letter::write(text, page, 0, out)?;
        if letters.peek().is_some() {
            writeln!(out, "\n---\n")?;
        }
    }
    Ok(())
}

fn letter_file(report: &Report, path: &Path) -> Result<(), Trouble> {
    let mut text = Vec::new();
    letters(report, Page { width: 80, colour: false, unicode: true }, &mut text)?;
    if text.is_empty() {
        return Ok(());
    }
    let refused = |error: io::Error| Trouble::Usage(format!("{}: {error}", path.display()));
    fs::write(path, text).map_err(refused)
}

/// The page is whole or not there: it is written beside its place and then named.
fn html_file(report: &Report, path: &Path) -> Result<(), Trouble> {
    let refused = |why: &dyn Display| Trouble::Usage(format!("--html {}: {why}", path.display()));
    let Some(name) = path.file_name() else { return Err(refused(&"not the name of a file")) };
    let mut beside = OsString::from(".");
    beside.push(name);
    beside.push(format!(".{}.part", std::process::id()));
    let part = path.with_file_name(beside);
    let written = File::create_new(&part).and_then(|mut file| {
        let whole = file.write_all(html::page(report).as_bytes());
        let named = whole.and_then(|()| fs::rename(&part, path));
        if named.is_err() {
            // What is half written helps nobody; the first error is the one to tell.
            let _ = fs::remove_file(&part);
        }
        named
    });
    written.map_err(|error| refused(&error))
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
