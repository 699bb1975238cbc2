//! `hopclock clocks`: the catalogue, searched by number or word.

use crate::args::{Clocks, Format};
use crate::exit::{Exit, Trouble};
use crate::screen;
use hopclock_core::clocks::{Catalogue, Clock};
use hopclock_core::dump::notes;
use hopclock_render::{clocks as pen, json};
use std::io::{self, Write};

/// Prints the timers asked for.
pub fn carry_out(typed: &Clocks) -> Result<Exit, Trouble> {
    let catalogue = Catalogue::builtin().map_err(Trouble::Broken)?;
    let found = wanted(&catalogue, typed.wanted.as_deref());
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

fn wanted<'a>(catalogue: &'a Catalogue, wanted: Option<&str>) -> Vec<&'a Clock> {
    let Some(word) = wanted else { return catalogue.all().iter().collect() };
    let seconds = word.parse().ok().or_else(|| notes::duration_s(word));
    match seconds {
        // Half a percent: what a person rounds.
        Some(s) => catalogue.between(s * 0.995, s * 1.005).collect(),
        None => catalogue.search(word).collect(),
    }
}
