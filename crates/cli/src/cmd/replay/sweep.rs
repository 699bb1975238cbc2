//! `hopclock replay --sweep` and `--fix`: one pass over the captures, a row for each thing tried.

use super::{Plan, firewall, no_input, notes_aside, plan, sources_notes, time_of, unsaid};
use crate::args::{Format, Replay as Typed};
use crate::exit::{Exit, Trouble};
use crate::intake::captures::Captures;
use crate::{progress, screen};
use hopclock_core::capture::Packet;
use hopclock_core::conntrack::Sweep;
use hopclock_core::conntrack::sweep::Variant;
use hopclock_core::flow::Numbering;
use hopclock_core::time::Moment;
use hopclock_render::sweep::Answer;
use hopclock_render::{Page, json, replay as pen, sweep};
use jiff::tz::TimeZone;
use std::io::{self, BufWriter, IsTerminal, Write};

/// Each holds a table in memory.
const VARIANTS_MAX: usize = 64;

const FULL: &str = "with the longest of these timers there would have been as many entries as the box \
    allows (nf_conntrack_max), and what a full table refuses is not in these rows";

/// Shows every capture to a table for each thing tried.
pub fn carry_out(typed: &Typed) -> Result<Exit, Trouble> {
    if typed.all {
        let why = "--all prints packets, and a sweep prints none; see --set";
        return Err(Trouble::Usage(why.to_owned()));
    }
    let mut plan = plan(typed)?;
    // What --set says of the box holds for every row.
    plan.was = plan.asked;
    let variants = variants(typed, &plan)?;
    progress::expect(&typed.captures, io::stdout().is_terminal());
    let mut captures = Captures::open(&typed.captures);
    let mut sweep = Sweep::new(plan.was, plan.kernel, variants);
    if typed.verify_checksums {
        sweep = sweep.verifying_checksums();
    }
    if !typed.rules.is_empty() {
        sweep = sweep.behind(firewall(typed)?);
    }
    let mut begun = false;
    let mut numbering = Numbering::new();
    while captures.next(&mut |packet, file| {
        let number = numbering.next(file, packet.number);
        let packet = &Packet { number, ..*packet };
        if !std::mem::replace(&mut begun, true) {
            plan.begin(packet.at, |entries, at| sweep.start_from(entries, at, packet.at));
        }
        sweep.packet(packet, file);
    }) {}
    progress::done();
    if !captures.sources().iter().any(|source| source.usable) {
        return Err(no_input(captures.sources()));
    }
    let mut notes = plan.notes.clone();
    notes.extend(pen::notes(sweep.tally()));
    if sweep.was_full() {
        notes.push(FULL.to_owned());
    }
    notes.extend(sweep.unsaid().map(unsaid));
    notes.extend(sources_notes(captures.sources()));
    let answer = Answer {
        schema: "hopclock.sweep/1",
        kernel: plan.kernel.to_string(),
        packets: sweep.tally().packets,
        judged: sweep.tally().judged,
        rows: sweep.rows(),
        notes,
    };
    tell(&answer, typed)?;
    Ok(Exit::Answered)
}

fn variants(typed: &Typed, plan: &Plan) -> Result<Vec<Variant>, Trouble> {
    let mut all = Vec::new();
    let mut take = |option: &str, text: &str| -> Result<(), Trouble> {
        let usage = |why| Trouble::Usage(format!("--{option} {text}: {why}"));
        let variant = Variant::parse(text, plan.was).map_err(usage)?;
        if !all.contains(&variant) {
            all.push(variant);
        }
        Ok(())
    };
    for sweep in &typed.sweep {
        let usage = || Trouble::Usage(format!("--sweep {sweep}: not KEY=NUMBER,NUMBER,…"));
        let (key, values) = sweep.split_once('=').ok_or_else(usage)?;
        for value in values.split(',').map(str::trim) {
            if value.contains('=') {
                return Err(usage());
            }
            take("sweep", &format!("{}={value}", key.trim()))?;
        }
    }
    for fix in &typed.fix {
        take("fix", fix)?;
    }
    if all.len() > VARIANTS_MAX {
        let why = format!("{} things to try at once; {VARIANTS_MAX} are the most", all.len());
        return Err(Trouble::Usage(why));
    }
    Ok(all)
}

fn tell(answer: &Answer, typed: &Typed) -> io::Result<()> {
    let mut out = BufWriter::new(io::stdout().lock());
    let utc = typed.utc || typed.format == Format::Markdown;
    let zone = if utc { TimeZone::UTC } else { TimeZone::system() };
    let clock = |at: Moment| time_of(at, &zone);
    let page: Page = screen::page();
    match typed.format {
        Format::Text => sweep::text(answer, (page, &clock), &mut out)?,
        Format::Markdown => sweep::markdown(answer, &clock, &mut out)?,
        Format::Json => json::line(answer, &mut out)?,
        Format::Jsonl => {
            for row in &answer.rows {
                json::line(row, &mut out)?;
            }
            notes_aside(&answer.notes);
        }
    }
    out.flush()
}
