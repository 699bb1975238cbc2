//! `hopclock snapshot`: what this host keeps for connections and for how long, as one document.
//!
//! It reads and changes nothing, and it argues nothing: what a snapshot is for is the map's affair.

use crate::args::{Format, Snapshot as Typed};
use crate::cmd::collect::sink;
use crate::exit::{Exit, Trouble, told};
use crate::redaction::Hiding;
use crate::screen;
use hopclock_core::clocks::Catalogue;
use hopclock_core::map::snapshot::Snapshot;
use hopclock_live::survey::{self, Taken};
use hopclock_render::{Page, json, snapshot as pen};
use jiff::tz::TimeZone;
use std::io::{self, IsTerminal, Write};

/// Takes the snapshot and writes it where it was asked for.
pub fn carry_out(typed: &Typed) -> Result<Exit, Trouble> {
    let catalogue = Catalogue::builtin().map_err(Trouble::Broken)?;
    let mut hiding = Hiding::asked(&typed.redaction)?;
    // Before anything is looked at: a file that cannot be written is a mistake of typing.
    let file = typed.out.as_deref().map(sink::new_file).transpose().map_err(Trouble::Usage)?;
    let taken = survey::take(typed.host.as_deref(), &catalogue);
    if taken.is_empty() {
        if let Some(path) = &typed.out {
            // What was made for nothing.
            drop(std::fs::remove_file(path));
        }
        return Err(nothing(&taken));
    }
    let mut snapshot = taken.snapshot;
    if let Some(hiding) = &mut hiding {
        hiding.redactor.know_host(&snapshot.host);
        let redactor = &mut hiding.redactor;
        snapshot.rewrite(&mut |text| redactor.text(text));
        hiding.write_map()?;
    }
    let zone = if typed.utc { TimeZone::UTC } else { TimeZone::system() };
    let document = Document { snapshot: &snapshot, when: when(snapshot.at_ns, &zone) };
    let mut out = io::BufWriter::new(io::stdout().lock());
    match file {
        Some(mut file) => {
            document.write(typed.format.unwrap_or(Format::Json), screen::page(), &mut file)?;
            // The file is for a program; whoever typed this sees what is in it.
            document.write(Format::Text, screen::page(), &mut out)?;
        }
        None => {
            let usual = if io::stdout().is_terminal() { Format::Text } else { Format::Json };
            document.write(typed.format.unwrap_or(usual), screen::page(), &mut out)?;
        }
    }
    out.flush()?;
    if let Some(key) = hiding.as_ref().and_then(Hiding::new_key) {
        told(&[format!("redacted with the key {key}: with --redact-key it gives the same names")]);
    }
    Ok(Exit::Answered)
}

struct Document<'a> {
    snapshot: &'a Snapshot,
    when: String,
}

impl Document<'_> {
    fn write(&self, format: Format, page: Page, out: &mut dyn Write) -> io::Result<()> {
        match format {
            Format::Text => pen::text(self.snapshot, &self.when, page, out),
            Format::Json => json::pretty(self.snapshot, out),
            Format::Jsonl => json::line(self.snapshot, out),
            Format::Markdown => pen::markdown(self.snapshot, &self.when, out),
        }
    }
}

fn nothing(taken: &Taken) -> Trouble {
    let missing = taken.snapshot.missing.iter();
    let why: Vec<String> = missing.map(|m| format!("no {}: {}", m.what, m.why)).collect();
    match taken.refused {
        true => Trouble::Privilege(why),
        false => Trouble::NoInput { why, hint: None },
    }
}

fn when(at_ns: i64, zone: &TimeZone) -> String {
    match jiff::Timestamp::from_nanosecond(i128::from(at_ns)) {
        Ok(stamp) => jiff::ZonedDateTime::new(stamp, zone.clone())
            .strftime("%Y-%m-%d %H:%M:%S %Z")
            .to_string(),
        Err(_) => format!("{at_ns} ns"),
    }
}
