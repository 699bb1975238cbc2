//! `hopclock lab fix`: an end, what `diagnose` proposes against it, and the same again with each
//! measure the lab can take.

use crate::args::{Format, LabFix};
use crate::cmd::diagnose;
use crate::cmd::lab::{named, ready};
use crate::exit::{Exit, Trouble};
use crate::{screen, signals};
use hopclock_core::inquest::Court;
use hopclock_core::report::Report;
use hopclock_core::terms::Outcome as Told;
use hopclock_lab::{Measures, Outcome, Runner, Scenario, Trouble as LabTrouble};
use hopclock_live::kernel;
use hopclock_render::{Label, Page, json};
use serde_json::{Value, json};
use std::io::{self, Write};
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::AtomicBool;

/// The name of the fix that is a comparison.
const THE_STORY: &str = "story";

/// Plays, diagnoses, plays again.
pub fn carry_out(typed: &LabFix) -> Result<Exit, Trouble> {
    if typed.name == THE_STORY {
        return super::story::carry_out(typed);
    }
    let scenarios = named(std::slice::from_ref(&typed.name))?;
    let [scenario] = scenarios.as_slice() else {
        return Err(Trouble::Usage("lab fix takes one scenario, or story".to_owned()));
    };
    ready(&typed.out)?;
    let stop = signals::enough()?;
    let court = Court::builtin().map_err(Trouble::Broken)?;
    let lab = Bench { typed, seed: super::seed(typed.seed), stop: &stop, court: &court };
    let before = lab.one(scenario, Measures::default(), "")?;
    let proposals = proposals(before.report.as_ref());
    let chosen = |p: &&Proposal| typed.measure.as_ref().is_none_or(|id| *id == p.id);
    let wanted: Vec<&Proposal> = proposals.iter().filter(chosen).collect();
    if let (Some(id), true) = (&typed.measure, wanted.is_empty()) {
        let all: Vec<&str> = proposals.iter().map(|p| p.id.as_str()).collect();
        let why = format!("diagnose proposes no measure {id} here, but {}", all.join(", "));
        return Err(Trouble::Usage(why));
    }
    let tries = lab.all(scenario, &wanted)?;
    let comparison = Comparison { scenario, seed: lab.seed, before, tries, proposals: &proposals };
    let mut out = io::BufWriter::new(io::stdout().lock());
    comparison.print(typed.format, &mut out)?;
    out.flush()?;
    Ok(comparison.exit())
}

/// A measure of the report's first finding.
struct Proposal {
    id: String,
    says: String,
    effect: String,
    measures: Option<Measures>,
}

fn proposals(report: Option<&Report>) -> Vec<Proposal> {
    let told = report.and_then(|report| serde_json::to_value(report).ok()).unwrap_or_default();
    let fixes = told.pointer("/findings/0/fixes").and_then(Value::as_array).cloned();
    let text = |fix: &Value, key: &str| fix[key].as_str().unwrap_or_default().to_owned();
    let one = |fix: &Value| Proposal {
        id: text(fix, "id"),
        says: text(fix, "do"),
        effect: text(fix, "effect"),
        measures: Measures::of(&fix["change"]),
    };
    fixes.unwrap_or_default().iter().map(one).collect()
}

/// How a run came out, and what diagnose made of it.
pub(super) struct Run {
    pub folder: String,
    pub opened: u32,
    pub lost: u32,
    /// What a program was told first.
    pub first: Option<String>,
    pub report: Option<Report>,
}

impl Run {
    /// What diagnose says, in a few words.
    pub(super) fn says(&self) -> String {
        let finding = self.report.as_ref().and_then(|r| r.findings.first());
        let Some(finding) = finding else { return "nothing ended".to_owned() };
        let leader = finding.hypotheses.first();
        let leader =
            leader.map_or_else(String::new, |h| format!("{} {:.2}", h.cause, h.probability));
        let outcome = match finding.outcome {
            Told::Named => "named",
            Told::Narrowed => "narrowed",
            Told::CannotSay => "cannot say",
        };
        format!("{leader}, {outcome}")
    }
}

/// What plays and judges.
pub(super) struct Bench<'b> {
    pub typed: &'b LabFix,
    pub seed: u64,
    pub stop: &'b AtomicBool,
    pub court: &'b Court,
}

impl Bench<'_> {
    /// Plays one with these measures.
    pub(super) fn one(
        &self,
        scenario: &Scenario,
        measures: Measures,
        suffix: &str,
    ) -> Result<Run, Trouble> {
        let runner = Runner {
            out: self.typed.out.clone(),
            seed: self.seed,
            timer_s: self.typed.timer,
            jobs: 1,
            measures,
            suffix: suffix.to_owned(),
            stop: self.stop,
        };
        let mut came = None;
        runner.play(&[*scenario], &mut |outcome| came = Some(outcome));
        self.judged(came)
    }

    fn judged(&self, came: Option<Outcome>) -> Result<Run, Trouble> {
        let refused = |why: String| Trouble::Privilege(vec![why]);
        match came.map(|outcome| outcome.result) {
            None => Err(refused("interrupted".to_owned())),
            Some(Err(LabTrouble::Interrupted)) => Err(refused("interrupted".to_owned())),
            Some(Err(trouble)) => Err(refused(trouble.to_string())),
            Some(Ok(played)) => {
                let report = diagnose::of_folder(self.court, Path::new(&played.folder));
                // A server's view counts where the client was never told.
                let (client, server) = (played.ends.client, played.ends.server);
                Ok(Run {
                    folder: played.folder.display().to_string(),
                    opened: client.opened.max(server.opened),
                    lost: client.lost.max(server.lost),
                    first: client.first.or(server.first),
                    report,
                })
            }
        }
    }

    /// Each measure the lab can take, several at once.
    fn all<'p>(
        &self,
        scenario: &Scenario,
        wanted: &[&'p Proposal],
    ) -> Result<Vec<(&'p Proposal, Run)>, Trouble> {
        let done: Mutex<Vec<(usize, Result<Run, Trouble>)>> = Mutex::new(Vec::new());
        std::thread::scope(|scope| {
            for (at, proposal) in wanted.iter().enumerate() {
                let Some(measures) = proposal.measures.clone() else { continue };
                let done = &done;
                scope.spawn(move || {
                    let run = self.one(scenario, measures, &format!("+{}", proposal.id));
                    if let Ok(mut done) = done.lock() {
                        done.push((at, run));
                    }
                });
            }
        });
        let mut done = done.into_inner().unwrap_or_default();
        done.sort_by_key(|(at, _)| *at);
        done.into_iter().map(|(at, run)| Ok((wanted[at], run?))).collect()
    }
}

/// Before and after.
struct Comparison<'c> {
    scenario: &'c Scenario,
    seed: u64,
    before: Run,
    tries: Vec<(&'c Proposal, Run)>,
    proposals: &'c [Proposal],
}

impl Comparison<'_> {
    /// What the measure is said to do is what it did; `None` where that is not to be seen here.
    fn kept(proposal: &Proposal, run: &Run) -> Option<bool> {
        match proposal.effect.as_str() {
            "held" => Some(run.lost == 0),
            "not-held" => Some(run.lost > 0),
            _ => None,
        }
    }

    fn exit(&self) -> Exit {
        if self.tries.is_empty() {
            Exit::CannotSay
        } else if self.tries.iter().any(|(p, run)| Self::kept(p, run) == Some(false)) {
            Exit::Findings
        } else {
            Exit::Answered
        }
    }

    fn rows(&self) -> Vec<Value> {
        let row = |measure: Value, run: &Run| {
            json!({
                "schema": "hopclock.fix/1", "scenario": self.scenario.name, "seed": self.seed, "kernel": kernel::release(),
                "measure": measure, "connections": run.opened, "lost": run.lost,
                "first": run.first, "diagnose": run.says(), "folder": run.folder,
            })
        };
        let mut rows = vec![row(Value::Null, &self.before)];
        for (proposal, run) in &self.tries {
            let measure = json!({ "id": proposal.id, "do": proposal.says, "effect": proposal.effect,
                "kept": Self::kept(proposal, run) });
            rows.push(row(measure, run));
        }
        rows
    }

    fn print(&self, format: Format, out: &mut dyn Write) -> io::Result<()> {
        match format {
            Format::Text => self.text(screen::page(), out),
            Format::Json => json::pretty(&self.rows(), out),
            Format::Jsonl => self.rows().iter().try_for_each(|row| json::line(row, out)),
            Format::Markdown => {
                writeln!(out, "| measure | said | connections | lost | diagnose |")?;
                writeln!(out, "|---|---|---|---|---|")?;
                for row in self.rows() {
                    let word = |path: &str| {
                        row.pointer(path).and_then(Value::as_str).unwrap_or("–").to_owned()
                    };
                    writeln!(
                        out,
                        "| {} | {} | {} | {} | {} |",
                        word("/measure/id"),
                        word("/measure/effect"),
                        row["connections"],
                        row["lost"],
                        word("/diagnose")
                    )?;
                }
                Ok(())
            }
        }
    }

    fn text(&self, page: Page, out: &mut dyn Write) -> io::Result<()> {
        writeln!(out, "seed {}, kernel {}", self.seed, kernel::release())?;
        writeln!(out, "\n{}", page.label(Label::Heading, self.scenario.name))?;
        page.paragraph(out, 2, self.scenario.says)?;
        if let Some((proposal, after)) = self.tries.first() {
            writeln!(out)?;
            beside(out, "", "before", "after")?;
            beside(out, "changed", "nothing", &proposal.id)?;
            beside(out, "connections", &self.before.opened.to_string(), &after.opened.to_string())?;
            beside(out, "lost", &self.before.lost.to_string(), &after.lost.to_string())?;
            let told = |run: &Run| run.first.clone().unwrap_or_else(|| "nothing".to_owned());
            beside(out, "first told", &told(&self.before), &told(after))?;
            beside(out, "diagnose", &self.before.says(), &after.says())?;
        } else {
            writeln!(out, "  {} of {} lost", self.before.lost, self.before.opened)?;
            page.paragraph(out, 2, &format!("diagnose: {}", self.before.says()))?;
        }
        writeln!(out, "\n{}", page.label(Label::Heading, "Every measure, as said and as seen"))?;
        for (proposal, run) in &self.tries {
            let (word, label) = match Self::kept(proposal, run) {
                Some(true) => ("as said ", Label::Good),
                Some(false) => ("NOT so  ", Label::Bad),
                None => ("seen    ", Label::Aside),
            };
            let first = format!("  {}", page.label(label, word));
            let says = format!(
                "{}, {}: {} of {} lost. To wit: {}",
                proposal.id,
                said(&proposal.effect),
                run.lost,
                run.opened,
                proposal.says
            );
            page.wrap(out, (&first, 10), 10, &says)?;
        }
        for proposal in self.proposals.iter().filter(|p| p.measures.is_none()) {
            let says = format!("{}: not for the lab to do. {}", proposal.id, proposal.says);
            page.wrap(out, ("  -       ", 10), 10, &says)?;
        }
        if self.proposals.is_empty() {
            page.paragraph(out, 2, "diagnose proposes none")?;
        }
        writeln!(out, "\n  {}", self.before.folder)?;
        for (_, run) in &self.tries {
            writeln!(out, "  {}", run.folder)?;
        }
        Ok(())
    }
}

/// A line of two columns; what is longer than a column goes on below.
pub(super) fn beside(out: &mut dyn Write, what: &str, left: &str, right: &str) -> io::Result<()> {
    const WIDTH: usize = 31;
    let cut = |text: &str| -> Vec<String> {
        let mut lines = vec![String::new()];
        for word in text.split(' ') {
            let last = lines.last().map_or(0, |line| line.chars().count());
            if last > 0 && last + 1 + word.chars().count() > WIDTH {
                lines.push(String::new());
            }
            if let Some(line) = lines.last_mut() {
                if !line.is_empty() {
                    line.push(' ');
                }
                line.extend(word.chars().take(2 * WIDTH));
            }
        }
        lines
    };
    let (left, right) = (cut(left), cut(right));
    for at in 0..left.len().max(right.len()) {
        let part = |lines: &[String]| lines.get(at).cloned().unwrap_or_default();
        let what = if at == 0 { what } else { "" };
        let line = format!("  {what:<12} {:<WIDTH$} {}", part(&left), part(&right));
        writeln!(out, "{}", line.trim_end())?;
    }
    Ok(())
}

/// What a measure is said to do, in words.
fn said(effect: &str) -> &'static str {
    match effect {
        "held" => "said to cure it",
        "not-held" => "said to change nothing",
        "moves-period" => "said to move the end",
        _ => "of which nothing is said",
    }
}
