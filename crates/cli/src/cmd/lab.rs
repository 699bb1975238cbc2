//! `hopclock lab`: scenarios on the real kernel, in namespaces of their own.

mod demo;
mod fix;
mod score;
mod story;

use crate::args::{Format, Lab, LabDeed, LabRun};
use crate::exit::{Exit, Trouble};
use crate::{screen, signals};
use hopclock_core::time::{Gap, Moment};
use hopclock_lab::{
    ALL, Measures, Outcome, Runner, Scenario, Trouble as LabTrouble, clean, missing,
};
use hopclock_live::clock;
use hopclock_render::{Label, Page, json};
use serde_json::{Value, json};
use std::io::{self, Write};
use std::path::Path;
use std::sync::atomic::Ordering;

/// Lists, plays or cleans.
pub fn carry_out(typed: &Lab) -> Result<Exit, Trouble> {
    match &typed.deed {
        LabDeed::List { format } => list(*format),
        LabDeed::Run(typed) => run(typed),
        LabDeed::Fix(typed) => fix::carry_out(typed),
        LabDeed::Score(typed) => score::carry_out(typed),
        LabDeed::Demo(typed) => demo::carry_out(typed),
        LabDeed::Clean { out } => tidy_up(out),
    }
}

fn list(format: Format) -> Result<Exit, Trouble> {
    let mut out = io::BufWriter::new(io::stdout().lock());
    let rows = ALL.iter().map(|s| {
        let missing = s.missing().map(|t| json!({ "program": t.program, "package": t.package }));
        json!({ "name": s.name, "says": s.says, "missing": missing })
    });
    match format {
        Format::Text => {
            let page = screen::page();
            for scenario in ALL {
                writeln!(out, "{}", page.label(Label::Heading, scenario.name))?;
                page.paragraph(&mut out, 2, scenario.says)?;
                if let Some(tool) = scenario.missing() {
                    page.paragraph(&mut out, 2, &LabTrouble::Absent(tool).to_string())?;
                }
            }
        }
        Format::Json => json::pretty(&rows.collect::<Vec<Value>>(), &mut out)?,
        Format::Jsonl => {
            for row in rows {
                json::line(&row, &mut out)?;
            }
        }
        Format::Markdown => {
            writeln!(out, "| scenario | what happens |\n|---|---|")?;
            for scenario in ALL {
                writeln!(out, "| `{}` | {} |", scenario.name, scenario.says)?;
            }
        }
    }
    out.flush()?;
    Ok(Exit::Answered)
}

fn tidy_up(folder: &Path) -> Result<Exit, Trouble> {
    let mut out = io::stdout().lock();
    if clean(folder, &mut out)? == 0 {
        writeln!(out, "nothing was left behind in {}", folder.display())?;
    }
    Ok(Exit::Answered)
}

/// The scenarios of these names, each once, in the order of the list.
fn named(names: &[String]) -> Result<Vec<Scenario>, Trouble> {
    let known = |name: &String| name == "all" || ALL.iter().any(|s| s.name == name);
    if let Some(unknown) = names.iter().find(|name| !known(name)) {
        let mut near: Vec<&str> =
            ALL.iter().map(|s| s.name).filter(|n| n.contains(unknown.as_str())).collect();
        near.truncate(4);
        let hint = if near.is_empty() {
            "`hopclock lab list` names them".to_owned()
        } else {
            format!("there is {}", near.join(", "))
        };
        return Err(Trouble::Usage(format!("no scenario is called {unknown}; {hint}")));
    }
    let wanted = |s: &&Scenario| names.iter().any(|name| name == "all" || name == s.name);
    Ok(ALL.iter().filter(wanted).copied().collect())
}

fn run(typed: &LabRun) -> Result<Exit, Trouble> {
    let scenarios = named(&typed.names)?;
    ready(&typed.out)?;
    let seed = seed(typed.seed);
    let stop = signals::enough()?;
    let runner = Runner {
        out: typed.out.clone(),
        seed,
        timer_s: typed.timer,
        jobs: usize::from(typed.jobs),
        measures: Measures::default(),
        suffix: String::new(),
        stop: &stop,
    };
    let mut told = Told::begin(typed, seed, scenarios.len())?;
    let mut failed = None;
    runner.play(&scenarios, &mut |outcome| {
        if let Err(error) = told.one(&outcome) {
            // Nobody reads any more: what runs is stopped and cleaned up.
            stop.store(true, Ordering::Relaxed);
            failed = Some(error);
        }
    });
    failed.map_or(Ok(()), Err)?;
    told.end()
}

/// The seed that was typed, or a new one.
fn seed(typed: Option<u64>) -> u64 {
    typed.unwrap_or_else(|| clock::now().ns().cast_unsigned() / 1_000_000 % 100_000)
}

/// Everything is there to play, and the folder can be written: before anything is played, since one
/// that cannot is a mistake of typing.
fn ready(out: &Path) -> Result<(), Trouble> {
    if let Some(why) = missing() {
        return Err(Trouble::Privilege(vec![why]));
    }
    let refused = |error| format!("cannot write into {}: {error}", out.display());
    writable(out).map_err(|error| Trouble::Usage(refused(error)))
}

/// Makes the folder, and a folder in it that goes again.
fn writable(folder: &Path) -> io::Result<()> {
    let probe = folder.join(format!("probe.{}.part", std::process::id()));
    std::fs::create_dir_all(&probe)?;
    std::fs::remove_dir(&probe)
}

/// The outcomes, told as they come.
struct Told<'a> {
    typed: &'a LabRun,
    page: Page,
    rows: Vec<Value>,
    seed: u64,
    all: usize,
    held: usize,
    /// How many were played to their end, and came out otherwise.
    otherwise: usize,
    interrupted: bool,
    /// How many were skipped, since their program is not installed.
    skipped: usize,
    missing: Option<String>,
    /// For how long all of it took.
    began: Moment,
}

impl<'a> Told<'a> {
    fn begin(typed: &'a LabRun, seed: u64, all: usize) -> io::Result<Self> {
        let page = screen::page();
        if typed.format == Format::Text {
            let mut out = io::stdout().lock();
            writeln!(out, "seed {seed}, kernel {}", hopclock_live::kernel::release())?;
        }
        let rows = Vec::new();
        let (held, otherwise, skipped, interrupted, missing) = (0, 0, 0, false, None);
        let began = clock::monotonic();
        Ok(Self {
            typed,
            page,
            rows,
            seed,
            all,
            held,
            otherwise,
            skipped,
            interrupted,
            missing,
            began,
        })
    }

    fn one(&mut self, outcome: &Outcome) -> io::Result<()> {
        self.held += usize::from(outcome.held());
        self.otherwise += usize::from(outcome.result.is_ok() && !outcome.held());
        match &outcome.result {
            Err(LabTrouble::Interrupted) => {
                self.interrupted = true;
                return Ok(());
            }
            Err(LabTrouble::Absent(_)) => self.skipped += 1,
            Err(LabTrouble::Missing(why)) => self.missing = Some(why.clone()),
            _ => {}
        }
        let mut out = io::stdout().lock();
        match self.typed.format {
            Format::Text => self.text(outcome, &mut out)?,
            Format::Jsonl => json::line(&self.row(outcome), &mut out)?,
            Format::Json | Format::Markdown => self.rows.push(self.row(outcome)),
        }
        out.flush()
    }

    fn text(&self, outcome: &Outcome, out: &mut dyn Write) -> io::Result<()> {
        let word = match &outcome.result {
            Ok(_) if outcome.held() => self.page.label(Label::Good, "as foretold"),
            Ok(_) => self.page.label(Label::Bad, "NOT as foretold"),
            Err(LabTrouble::Absent(_)) => self.page.label(Label::Bad, "skipped"),
            Err(_) => self.page.label(Label::Bad, "NOT PLAYED"),
        };
        let name = outcome.scenario.name;
        let took = Gap::secs_f64(outcome.took);
        writeln!(
            out,
            "\n{} {word}, {}, {took:.1} s",
            self.page.label(Label::Heading, name),
            outcome.drawn
        )?;
        self.page.paragraph(out, 2, outcome.scenario.says)?;
        match &outcome.result {
            Err(trouble) => {
                self.page.paragraph(out, 2, &format!("could not be played: {trouble}"))?
            }
            Ok(played) => {
                for check in &played.checks {
                    if check.held && !self.typed.verbose {
                        continue;
                    }
                    let (word, label) =
                        if check.held { ("yes", Label::Good) } else { ("NO ", Label::Bad) };
                    let first = format!("  {} ", self.page.label(label, word));
                    self.page.wrap(out, (&first, 6), 6, &check.says)?;
                    if let Some(seen) = &check.seen {
                        self.page.paragraph(out, 6, &format!("seen: {seen}"))?;
                    }
                }
                writeln!(out, "  {}", played.folder.display())?;
            }
        }
        Ok(())
    }

    fn row(&self, outcome: &Outcome) -> Value {
        let mut row = json!({
            "schema": "hopclock.lab/1",
            "scenario": outcome.scenario.name,
            "says": outcome.scenario.says,
            "seed": self.seed,
            "kernel": hopclock_live::kernel::release(),
            "held": outcome.held(),
            "took_s": outcome.took.secs_f64(),
            "folder": null,
            "checks": [],
            "trouble": null,
        });
        match &outcome.result {
            Ok(played) => {
                row["folder"] = played.folder.display().to_string().into();
                row["checks"] = json!(played.checks);
            }
            Err(trouble) => row["trouble"] = trouble.to_string().into(),
        }
        row
    }

    fn end(self) -> Result<Exit, Trouble> {
        let mut out = io::stdout().lock();
        match self.typed.format {
            Format::Text => {
                let mut says = format!("{} of {} as foretold", self.held, self.all);
                match self.all - self.held - self.otherwise - self.skipped {
                    0 => {}
                    n => says += &format!(", {n} not played to the end"),
                }
                match self.skipped {
                    0 => {}
                    n => says += &format!(", {n} skipped: their programs are not installed"),
                }
                says += if self.interrupted { ", interrupted" } else { "" };
                let took = clock::monotonic().since(self.began).secs_f64();
                writeln!(out, "\n{says}, {took:.0} s")?;
            }
            Format::Json => json::pretty(&self.rows, &mut out)?,
            Format::Markdown => {
                writeln!(out, "| scenario | as foretold | what happens |\n|---|---|---|")?;
                for row in &self.rows {
                    let text = |key: &str| row[key].as_str().unwrap_or_default().to_owned();
                    let held = match (&row["held"], &row["trouble"]) {
                        (Value::Bool(true), _) => "yes",
                        (_, Value::Null) => "**no**",
                        _ => "not played",
                    };
                    writeln!(out, "| `{}` | {held} | {} |", text("scenario"), text("says"))?;
                }
            }
            Format::Jsonl => {}
        }
        out.flush()?;
        match self.missing {
            Some(why) => Err(Trouble::Privilege(vec![why])),
            None => Ok(ended(self.all, self.held, self.otherwise, self.skipped)),
        }
    }
}

/// A run that came out otherwise than foretold is a finding; one that could not be played says
/// nothing either way; one whose program is not installed is left out, unless there is no other.
const fn ended(all: usize, held: usize, otherwise: usize, skipped: usize) -> Exit {
    if otherwise > 0 {
        Exit::Findings
    } else if held + skipped == all && held > 0 {
        Exit::Answered
    } else {
        Exit::CannotSay
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_not_played_is_no_finding_and_hides_none() {
        assert_eq!(ended(3, 3, 0, 0), Exit::Answered);
        assert_eq!(ended(3, 2, 0, 0), Exit::CannotSay);
        assert_eq!(ended(3, 1, 1, 0), Exit::Findings);
        assert_eq!(ended(3, 2, 0, 1), Exit::Answered);
        assert_eq!(ended(1, 0, 0, 1), Exit::CannotSay);
    }
}
