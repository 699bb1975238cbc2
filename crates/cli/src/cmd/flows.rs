//! `hopclock flows`: captures in, one connection after the other out.

mod fold;
mod pair;

use crate::args::{Flows, Format};
use crate::exit::{Exit, Trouble};
use crate::intake::captures::{Captures, Source};
use crate::intake::open::Packing;
use crate::{progress, screen};
use fold::Numbers;
use hopclock_core::flow::{FLOWS_MAX, FlowRecord, Observer, Table};
use hopclock_core::report::Input;
use hopclock_core::time::Moment;
use hopclock_render::{flows as pen, json};
use jiff::tz::TimeZone;
use serde::Serialize;
use std::io::{self, BufWriter, IsTerminal, Write};

/// One reads and sifts, one folds.
const THREADS: usize = 2;

/// Reads every capture as one and prints its connections.
pub fn carry_out(typed: &Flows) -> Result<Exit, Trouble> {
    if typed.captures.iter().filter(|path| path.as_os_str() == "-").count() > 1 {
        return Err(Trouble::Usage("standard input can be read only once".to_owned()));
    }
    if typed.pair {
        return pair::carry_out(typed);
    }
    let streams = typed.format == Format::Jsonl;
    // Lines printed while it reads would get into the way on the same screen.
    progress::expect(&typed.captures, typed.quiet || (streams && io::stdout().is_terminal()));
    let mut captures = Captures::open(&typed.captures);
    let names: Vec<String> = captures.sources().iter().map(|s| s.name.clone()).collect();
    let mut out = BufWriter::new(io::stdout().lock());
    let seen = Seen { numbers: Numbers::default(), several: names.len() > 1, names };
    let table = Table::new(seen.names.clone(), FLOWS_MAX);
    let threads = typed.threads.map_or(THREADS, usize::from);
    let observer = fold::all(&mut captures, table, &seen.numbers, threads, &mut |flow| {
        // Full: what is forgotten is at least told, where order matters least.
        if streams { json::line(&seen.published(&flow.record), &mut out) } else { Ok(()) }
    })?;
    progress::done();
    let inputs = inputs(captures.sources(), &observer);
    if !captures.sources().iter().any(|source| source.usable) {
        return Err(no_input(captures.sources()));
    }
    print(typed, seen, observer, &inputs, &mut out)?;
    out.flush()?;
    Ok(Exit::Answered)
}

fn no_input(sources: &[Source]) -> Trouble {
    let why = sources.iter().map(|source| format!("{}: {}", source.name, source.notes.join("; ")));
    let hint = "flows reads pcap and pcapng, also packed with gzip, zstd or xz".to_owned();
    Trouble::NoInput { why: why.collect(), hint: Some(hint) }
}

/// How each file was taken. What was noticed over all of them stands at the last.
fn inputs(sources: &[Source], observer: &Observer) -> Vec<Input> {
    let mut inputs: Vec<Input> = sources
        .iter()
        .map(|source| {
            let packed = match source.packing {
                Packing::Plain => None,
                Packing::Gzip => Some("packed with gzip"),
                Packing::Zstd => Some("packed with zstd"),
                Packing::Xz => Some("packed with xz"),
            };
            let said = source.says.iter().map(|says| format!("the file says: {says}"));
            let notes = packed.map(str::to_owned).into_iter().chain(said);
            Input {
                file: source.name.clone(),
                kind: source.format.unwrap_or("unreadable").to_owned(),
                records: source.packets,
                skipped: 0,
                notes: notes.chain(source.notes.iter().cloned()).collect(),
            }
        })
        .collect();
    let evicted = observer.table().evicted();
    if let Some(last) = inputs.last_mut() {
        last.skipped = observer.tally().stopped;
        last.notes.extend(observer.tally().notes());
        if evicted > 0 {
            last.notes.push(format!("{evicted} connections were forgotten: too many at once"));
        }
    }
    inputs
}

/// Where packets of several files are.
struct Seen {
    numbers: Numbers,
    several: bool,
    names: Vec<String>,
}

/// A record with the places of its first and last packet, where there are several files.
#[derive(Serialize)]
struct Published<'r> {
    #[serde(flatten)]
    record: &'r FlowRecord,
    #[serde(skip_serializing_if = "Option::is_none")]
    in_files: Option<InFiles<'r>>,
}

#[derive(Serialize)]
struct InFiles<'r> {
    first: Option<Place<'r>>,
    last: Option<Place<'r>>,
}

#[derive(Serialize)]
struct Place<'r> {
    file: &'r str,
    packet: u64,
}

impl Seen {
    fn place(&self, number: u64) -> Option<Place<'_>> {
        let (file, packet) = self.numbers.known().place(number)?;
        Some(Place { file: self.names.get(file)?, packet })
    }

    fn published<'r>(&'r self, record: &'r FlowRecord) -> Published<'r> {
        let in_files = self.several.then(|| InFiles {
            first: self.place(record.first_packet),
            last: self.place(record.last_packet),
        });
        Published { record, in_files }
    }
}

fn print(
    typed: &Flows,
    seen: Seen,
    observer: Observer,
    inputs: &[Input],
    out: &mut dyn Write,
) -> io::Result<()> {
    match typed.format {
        Format::Jsonl => {
            for flow in observer.finish() {
                json::line(&seen.published(&flow.record), out)?;
            }
            notes_aside(inputs);
            Ok(())
        }
        Format::Json => {
            write!(out, "{{\"schema\": \"hopclock.flows/1\", \"flows\": [")?;
            for (at, flow) in observer.finish().enumerate() {
                writeln!(out, "{}", if at == 0 { "" } else { "," })?;
                serde_json::to_writer(&mut *out, &seen.published(&flow.record))?;
            }
            write!(out, "\n], \"inputs\": ")?;
            serde_json::to_writer(&mut *out, inputs)?;
            writeln!(out, "}}")
        }
        Format::Text => {
            let zone = if typed.utc { TimeZone::UTC } else { TimeZone::system() };
            let clock = |at: Moment| time_of(at, &zone);
            let summary = pen::Summary::of(&observer, inputs);
            pen::text(&summary, observer.finish(), (screen::page(), &clock), out)
        }
        Format::Markdown => {
            let summary = pen::Summary::of(&observer, inputs);
            let clock = |at: Moment| time_of(at, &TimeZone::UTC);
            pen::markdown(&summary, observer.finish(), &clock, out)
        }
    }
}

/// Where the answer has no room for notes they go to standard error.
#[expect(clippy::print_stderr, reason = "standard output holds one object a line and no more")]
fn notes_aside(inputs: &[Input]) {
    for input in inputs {
        for note in &input.notes {
            eprintln!("hopclock: {}: {note}", input.file);
        }
    }
}

fn time_of(at: Moment, zone: &TimeZone) -> String {
    match jiff::Timestamp::from_nanosecond(i128::from(at.ns())) {
        Ok(stamp) => jiff::ZonedDateTime::new(stamp, zone.clone())
            .strftime("%Y-%m-%d %H:%M:%S%.3f %Z")
            .to_string(),
        Err(_) => format!("{} ns", at.ns()),
    }
}
