//! `hopclock clocks`: the catalogue, searched by number or word.

use crate::args::{Clocks, Format, OwnClocks};
use crate::exit::{Exit, Trouble};
use crate::screen;
use hopclock_core::clocks::{Catalogue, Clock};
use hopclock_core::dump::notes;
use hopclock_core::terms::Anchor;
use hopclock_render::{clocks as pen, json};
use std::io::{self, Write};

/// Prints the timers asked for.
pub fn carry_out(typed: &Clocks) -> Result<Exit, Trouble> {
    let mut catalogue = Catalogue::builtin().map_err(Trouble::Broken)?;
    add_own(&mut catalogue, &typed.own)?;
    let found = match &typed.idle {
        Some(range) => idle_between(&catalogue, range)?,
        None => wanted(&catalogue, typed.wanted.as_deref()),
    };
    let mut out = io::BufWriter::new(io::stdout().lock());
    match typed.format {
        Format::Text => pen::text(&found, screen::page(), &mut out)?,
        Format::Json => json::pretty(&found, &mut out)?,
        Format::Jsonl => {
            for clock in &found {
                json::line(clock, &mut out)?;
            }
        }
        Format::Markdown => pen::markdown(&found, &mut out)?,
    }
    out.flush()?;
    Ok(if found.is_empty() { Exit::CannotSay } else { Exit::Answered })
}

/// Adds what `--clocks` names.
pub fn add_own(catalogue: &mut Catalogue, own: &OwnClocks) -> Result<(), Trouble> {
    for path in &own.clocks {
        let name = path.display().to_string();
        let usage = |why: String| Trouble::Usage(format!("--clocks {name}: {why}"));
        let text = std::fs::read_to_string(path).map_err(|error| usage(error.to_string()))?;
        catalogue.add(&text, &name).map_err(usage)?;
    }
    Ok(())
}

fn idle_between<'a>(catalogue: &'a Catalogue, range: &str) -> Result<Vec<&'a Clock>, Trouble> {
    let usage = || Trouble::Usage(format!("--idle {range}: not FROM..TO, such as 300..400"));
    let seconds = |text: &str| text.trim().parse().ok().or_else(|| notes::duration_s(text.trim()));
    let (from, to) = range.split_once("..").ok_or_else(usage)?;
    let (from, to): (f64, f64) = (seconds(from).ok_or_else(usage)?, seconds(to).ok_or_else(usage)?);
    if !(0.0 <= from && from <= to) {
        return Err(usage());
    }
    let idle = |clock: &&Clock| matches!(clock.anchor, Anchor::Idle | Anchor::IdleApp);
    Ok(catalogue.between(from, to).filter(idle).collect())
}

fn wanted<'a>(catalogue: &'a Catalogue, wanted: Option<&str>) -> Vec<&'a Clock> {
    let Some(word) = wanted else { return catalogue.all().iter().collect() };
    let seconds = word.parse().ok().or_else(|| notes::duration_s(word));
    match seconds {
        // Half a percent: what a person rounds.
        Some(s) => catalogue.between(s * 0.995, s * 1.005).collect(),
        None => catalogue.search(word).collect(),
    }
}
