//! `hopclock map`: hops, their timers and the paths through them, from one file.

mod load;

use crate::args::{Format, Map, MapDeed, MapDiff, MapForecast, MapInit, MapLint, SideWord};
use crate::exit::{Exit, Trouble, told};
use crate::screen;
use hopclock_core::map::document::{DriftDocument, ForecastDocument, LintDocument, PathForecast};
use hopclock_core::map::drift::drift;
use hopclock_core::map::forecast::forecast;
use hopclock_core::map::init::{Taken, init};
use hopclock_core::map::lint::{RULES, lint};
use hopclock_core::terms::Side;
use hopclock_render::{json, map as pen};
use load::Tables;
use std::io::{self, Write};

/// Does what was asked.
pub fn carry_out(typed: &Map) -> Result<Exit, Trouble> {
    match &typed.deed {
        MapDeed::Init(typed) => first(typed),
        MapDeed::Lint(typed) => check(typed),
        MapDeed::Diff(typed) => differ(typed),
        MapDeed::Forecast(typed) => foretell(typed),
        MapDeed::Schema => {
            io::stdout()
                .lock()
                .write_all(include_bytes!("../../../../schemas/hops.schema.json"))?;
            Ok(Exit::Answered)
        }
    }
}

fn first(typed: &MapInit) -> Result<Exit, Trouble> {
    let mut read = Vec::new();
    let mut why = Vec::new();
    for path in &typed.snapshots {
        match load::snapshot(path) {
            Ok(snapshot) => read.push((path.display().to_string(), snapshot)),
            Err(sentence) => why.push(sentence),
        }
    }
    if read.is_empty() {
        let hint = Some("hopclock snapshot prints one, on the host itself".to_owned());
        return Err(Trouble::NoInput { why, hint });
    }
    told(&why);
    let taken: Vec<Taken<'_>> =
        read.iter().map(|(file, snapshot)| Taken { file, snapshot }).collect();
    io::stdout().lock().write_all(init(&taken).as_bytes())?;
    Ok(Exit::Answered)
}

fn check(typed: &MapLint) -> Result<Exit, Trouble> {
    let mut out = io::BufWriter::new(io::stdout().lock());
    let Some(hops) = typed.hops.as_ref().filter(|_| !typed.rules) else {
        pen::rules(&RULES, screen::page(), &mut out)?;
        out.flush()?;
        return Ok(Exit::Answered);
    };
    let map = Tables::new(&typed.own)?.map(hops)?;
    let document = LintDocument::new(&map, lint(&map));
    match typed.format {
        Format::Text => pen::lint(&document, &map, screen::page(), &mut out)?,
        Format::Json => json::pretty(&document, &mut out)?,
        Format::Jsonl => {
            for finding in &document.findings {
                json::line(finding, &mut out)?;
            }
        }
        Format::Markdown => pen::lint_markdown(&document, &mut out)?,
    }
    out.flush()?;
    Ok(if document.findings.is_empty() { Exit::Answered } else { Exit::Findings })
}

fn differ(typed: &MapDiff) -> Result<Exit, Trouble> {
    let (before, after) = Tables::new(&typed.own)?.both(&typed.before, &typed.after)?;
    let changes = drift(&before, &after);
    let mut notes = before.notes;
    notes.extend(after.notes.into_iter().filter(|note| !notes.contains(note)).collect::<Vec<_>>());
    let document = DriftDocument::new(changes, notes);
    let mut out = io::BufWriter::new(io::stdout().lock());
    match typed.format {
        Format::Text => pen::drift(&document, screen::page(), &mut out)?,
        Format::Json => json::pretty(&document, &mut out)?,
        Format::Jsonl => {
            for change in &document.changes {
                json::line(change, &mut out)?;
            }
        }
        Format::Markdown => pen::drift_markdown(&document, &mut out)?,
    }
    out.flush()?;
    Ok(if document.changes.is_empty() { Exit::Answered } else { Exit::Findings })
}

fn foretell(typed: &MapForecast) -> Result<Exit, Trouble> {
    let map = Tables::new(&typed.own)?.map(&typed.hops)?;
    let wanted = |name: &String| typed.path.as_ref().is_none_or(|path| path == name);
    let mut paths = Vec::new();
    for path in map.paths.iter().filter(|path| wanted(&path.name)) {
        let mut path = path.clone();
        path.silent_s = typed.silent.map(|t| t.as_secs_f64()).or(path.silent_s);
        path.speaks_first = typed.first.map(side).or(path.speaks_first);
        let due = forecast(&map, &path);
        paths.push(PathForecast { path: path.name, silent_s: path.silent_s, due });
    }
    if paths.is_empty() {
        let names: Vec<&str> = map.paths.iter().map(|path| path.name.as_str()).collect();
        let why = match &typed.path {
            Some(path) => format!("no path is called {path}; there are: {}", names.join(", ")),
            None => format!("{} has no path", typed.hops.display()),
        };
        return Err(Trouble::Usage(why));
    }
    let document =
        ForecastDocument { schema: "hopclock.forecast/1", paths, notes: map.notes.clone() };
    let mut out = io::BufWriter::new(io::stdout().lock());
    match typed.format {
        Format::Text => pen::forecast(&document, screen::page(), &mut out)?,
        Format::Json => json::pretty(&document, &mut out)?,
        Format::Jsonl => {
            for path in &document.paths {
                json::line(path, &mut out)?;
            }
        }
        Format::Markdown => pen::forecast_markdown(&document, &mut out)?,
    }
    out.flush()?;
    Ok(Exit::Answered)
}

const fn side(word: SideWord) -> Side {
    match word {
        SideWord::Client => Side::Client,
        SideWord::Server => Side::Server,
    }
}
