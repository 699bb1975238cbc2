//! `hopclock map`: hops, their timers and the paths through them, from one file.

pub mod load;

use crate::args::{
    DrawFormat, Format, Map, MapDeed, MapDiff, MapDraw, MapForecast, MapInit, MapLint, PaperWord,
    SideWord,
};
use crate::exit::{Exit, Trouble, told};
use crate::screen;
use hopclock_core::map::document::{DriftDocument, ForecastDocument, LintDocument, PathForecast};
use hopclock_core::map::drift::drift;
use hopclock_core::map::forecast::forecast;
use hopclock_core::map::init::{Taken, init};
use hopclock_core::map::lint::{RULES, lint};
use hopclock_core::map::settle;
use hopclock_core::terms::Side;
use hopclock_render::map::{draw as picture, mermaid};
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
        MapDeed::Draw(typed) => draw(typed),
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
        return Err(match &typed.path {
            Some(path) => no_such_path(&map, path),
            None => Trouble::Usage(format!("{} has no path", typed.hops.display())),
        });
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

fn draw(typed: &MapDraw) -> Result<Exit, Trouble> {
    let mut map = Tables::new(&typed.own)?.map(&typed.hops)?;
    if let Some(wanted) = &typed.path {
        let Some(path) = map.paths.iter().find(|path| path.name == *wanted).cloned() else {
            return Err(no_such_path(&map, wanted));
        };
        map.hops.retain(|hop| path.hops.contains(&hop.name));
        map.paths = vec![path];
    }
    told(&map.notes);
    let mut out = io::BufWriter::new(io::stdout().lock());
    match typed.format {
        DrawFormat::Mermaid => mermaid::write(&map, &mut out)?,
        DrawFormat::Svg => {
            let name = typed.hops.file_stem().unwrap_or_default().to_string_lossy().into_owned();
            let wish = picture::Wish {
                paper: typed.paper.map(paper),
                wall: typed.wall,
                title: typed.path.clone().unwrap_or(name),
                about: about(&map),
            };
            picture::write(&map, &wish, &mut out)?;
        }
    }
    out.flush()?;
    Ok(Exit::Answered)
}

/// Since when the drawing may be wrong.
fn about(map: &settle::Map) -> String {
    let measured = map.hops.iter().filter_map(|hop| hop.measured.as_ref());
    let at: Vec<i64> = measured.map(|measured| measured.at_ns).collect();
    let day = |ns: i64| -> String {
        let stamp = jiff::Timestamp::from_nanosecond(i128::from(ns));
        stamp.map_or_else(|_| format!("{ns} ns"), |stamp| stamp.strftime("%Y-%m-%d").to_string())
    };
    match (at.iter().min(), at.iter().max()) {
        (Some(first), Some(last)) if day(*first) == day(*last) => {
            format!("{} of {} hops measured on {}", at.len(), map.hops.len(), day(*first))
        }
        (Some(first), Some(last)) => format!(
            "{} of {} hops measured between {} and {}",
            at.len(),
            map.hops.len(),
            day(*first),
            day(*last)
        ),
        _ => "no hop was measured".to_owned(),
    }
}

fn no_such_path(map: &settle::Map, wanted: &str) -> Trouble {
    let names: Vec<&str> = map.paths.iter().map(|path| path.name.as_str()).collect();
    Trouble::Usage(format!("no path is called {wanted}; there are: {}", names.join(", ")))
}

const fn paper(word: PaperWord) -> picture::Paper {
    match word {
        PaperWord::A4 => picture::Paper::A4,
        PaperWord::A3 => picture::Paper::A3,
        PaperWord::A2 => picture::Paper::A2,
        PaperWord::A1 => picture::Paper::A1,
        PaperWord::A0 => picture::Paper::A0,
    }
}

const fn side(word: SideWord) -> Side {
    match word {
        SideWord::Client => Side::Client,
        SideWord::Server => Side::Server,
    }
}
