//! `hopclock man`: the manual, made from the same command line that is parsed.

use crate::args::{self, Man as Typed};
use crate::exit::{Exit, Trouble};
use clap::Command;
use clap_mangen::Man;
use roff::{Roff, bold, roman};
use std::fs;
use std::io::{self, Write};

/// Prints the first page, or writes one for each command.
pub fn carry_out(typed: &Typed) -> Result<Exit, Trouble> {
    let mut command = args::command();
    command.build();
    let mut out = io::stdout().lock();
    let Some(folder) = &typed.folder else {
        out.write_all(&page(&command, "")?)?;
        out.flush()?;
        return Ok(Exit::Answered);
    };
    let refused = |error: io::Error| Trouble::Usage(format!("{}: {error}", folder.display()));
    fs::create_dir_all(folder).map_err(refused)?;
    for (path, command) in commands(&command) {
        let file = folder.join(format!("{}.1", dashed(&path)));
        fs::write(&file, page(command, &path)?).map_err(refused)?;
        writeln!(out, "{}", file.display())?;
    }
    Ok(Exit::Answered)
}

/// Every command with its path, `lab run`, the whole first.
fn commands(command: &Command) -> Vec<(String, &Command)> {
    let mut found = vec![(String::new(), command)];
    below(command, "", &mut found);
    found
}

fn below<'a>(command: &'a Command, path: &str, found: &mut Vec<(String, &'a Command)>) {
    for sub in command.get_subcommands().filter(|sub| sub.get_name() != "help") {
        let own = format!("{path} {}", sub.get_name()).trim_start().to_owned();
        found.push((own.clone(), sub));
        below(sub, &own, found);
    }
}

fn dashed(path: &str) -> String {
    format!("hopclock {path}").trim_end().replace(' ', "-")
}

/// One page, in the sections of man-pages(7).
fn page(command: &Command, path: &str) -> io::Result<Vec<u8>> {
    let name = dashed(path);
    let version = env!("CARGO_PKG_VERSION");
    let man = Man::new(command.clone());
    let mut page = Vec::new();
    // Written here, since the empty date (a page made again is the same page) would be left out.
    let upper = name.to_uppercase();
    writeln!(page, ".TH \"{upper}\" 1 \"\" \"hopclock {version}\" \"Hopclock Manual\"")?;
    man.render_name_section(&mut page)?;
    man.render_synopsis_section(&mut page)?;
    man.render_description_section(&mut page)?;
    man.render_options_section(&mut page)?;
    if command.has_subcommands() {
        subcommands(command, path).to_writer(&mut page)?;
    }
    exit_status(path).to_writer(&mut page)?;
    if let Some(after) = command.get_after_help() {
        after_help(&after.to_string()).to_writer(&mut page)?;
    }
    if !path.is_empty() {
        see_also(path).to_writer(&mut page)?;
    }
    Ok(page)
}

fn subcommands(command: &Command, path: &str) -> Roff {
    let mut roff = Roff::new();
    roff.control("SH", ["COMMANDS"]);
    for sub in command.get_subcommands().filter(|sub| sub.get_name() != "help") {
        let name = dashed(format!("{path} {}", sub.get_name()).trim_start());
        roff.control("TP", []).text([bold(name), roman("(1)")]);
        roff.text([roman(sub.get_about().map(ToString::to_string).unwrap_or_default())]);
    }
    roff
}

fn exit_status(path: &str) -> Roff {
    let mut roff = Roff::new();
    let codes = args::codes_of(path);
    if !codes.is_empty() {
        roff.control("SH", ["EXIT STATUS"]);
    }
    for (code, says) in codes {
        roff.control("TP", []).text([bold(code.to_string())]).text([roman(says)]);
    }
    roff
}

/// The paragraph that begins with `Examples:` stands as it is; others are filled.
fn after_help(text: &str) -> Roff {
    let mut roff = Roff::new();
    let (examples, notes): (Vec<&str>, Vec<&str>) =
        text.split("\n\n").partition(|part| part.starts_with("Examples:"));
    if !notes.is_empty() {
        roff.control("SH", ["NOTES"]);
    }
    for note in notes {
        roff.control("PP", []).text([roman(note.lines().collect::<Vec<_>>().join(" "))]);
    }
    for part in examples {
        roff.control("SH", ["EXAMPLES"]).control("nf", []);
        for line in part.lines().skip(1) {
            roff.text([roman(line.trim_start())]);
        }
        roff.control("fi", []);
    }
    roff
}

fn see_also(path: &str) -> Roff {
    let above = path.rsplit_once(' ').map_or("", |(above, _)| above);
    let mut roff = Roff::new();
    roff.control("SH", ["SEE ALSO"]).text([bold(dashed(above)), roman("(1)")]);
    roff
}
