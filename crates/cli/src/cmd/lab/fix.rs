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
use hopclock_lab::{Measures, Moves, Outcome, Runner, Scenario, Trouble as LabTrouble};
use hopclock_live::kernel;
use hopclock_render::{Label, Page, json};
use serde_json::{Value, json};
use std::io::{self, Write};
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::AtomicBool;

/// The name of the fix that is a comparison.
const THE_STORY: &str = "story";
/// The effect of which it is judged when the end came.
const MOVES: &str = "moves-period";

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
    /// Of one that is said to move an end.
    moves: Option<Moves>,
}

/// An end that is said to be moved.
struct Moved {
    before_s: f64,
    after_s: f64,
    foretold_s: f64,
}

/// Seconds by which an end may miss what was foretold: an event, a look and a poll on a busy
/// machine, and a part of the way.
fn slack(moves: &Moves) -> f64 {
    1.5 + 0.2 * f64::from(moves.to_s - moves.from_s)
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
        moves: Measures::moves(&fix["change"]).filter(|_| fix["effect"] == MOVES),
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
    /// Seconds from the opening of that connection until it was told.
    pub lived_s: Option<f64>,
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

    /// Plays one with what is proposed. An end that is said to be moved has to come: where it does
    /// not in the time that this scenario takes, it is played once more, about the longer timer.
    fn tried(
        &self,
        scenario: &Scenario,
        proposal: &Proposal,
        measures: Measures,
    ) -> Result<Run, Trouble> {
        let suffix = format!("+{}", proposal.id);
        let Some(moves) = &proposal.moves else { return self.one(scenario, measures, &suffix) };
        let run = self.one(scenario, moves.measures.clone(), &suffix)?;
        if run.lost > 0 {
            return Ok(run);
        }
        self.one(scenario, moves.outlasted(), &suffix)
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
                    // Whoever was told first knew when it was over.
                    lived_s: [client.lived_s, server.lived_s]
                        .into_iter()
                        .flatten()
                        .min_by(f64::total_cmp),
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
                    let run = self.tried(scenario, proposal, measures);
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
    fn kept(&self, proposal: &Proposal, run: &Run) -> Option<bool> {
        match proposal.effect.as_str() {
            "held" => Some(run.lost == 0),
            "not-held" => Some(run.lost > 0),
            MOVES => {
                let moves = proposal.moves.as_ref()?;
                let came = self.moved(proposal, run);
                Some(came.is_some_and(|m| (m.after_s - m.foretold_s).abs() <= slack(moves)))
            }
            _ => None,
        }
    }

    /// When the end came, of a measure that is said to move it; `None` where it did not.
    fn moved(&self, proposal: &Proposal, run: &Run) -> Option<Moved> {
        let moves = proposal.moves.as_ref()?;
        let (before_s, after_s) = (self.before.lived_s?, run.lived_s?);
        let foretold_s = before_s + f64::from(moves.to_s - moves.from_s);
        Some(Moved { before_s, after_s, foretold_s })
    }

    fn exit(&self) -> Exit {
        if self.tries.is_empty() {
            Exit::CannotSay
        } else if self.tries.iter().any(|(p, run)| self.kept(p, run) == Some(false)) {
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
                "first": run.first, "lived_s": run.lived_s, "diagnose": run.says(),
                "folder": run.folder,
            })
        };
        let mut rows = vec![row(Value::Null, &self.before)];
        for (proposal, run) in &self.tries {
            let measure = json!({ "id": proposal.id, "do": proposal.says, "effect": proposal.effect,
                "kept": self.kept(proposal, run),
                "timer_s": proposal.moves.as_ref().map(|m| [m.from_s, m.to_s]),
                "foretold_s": self.moved(proposal, run).map(|m| m.foretold_s) });
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
                writeln!(out, "| measure | said | so | connections | lost | lived | diagnose |")?;
                writeln!(out, "|---|---|---|---|---|---|---|")?;
                for row in self.rows() {
                    let word = |path: &str| {
                        row.pointer(path).and_then(Value::as_str).unwrap_or("–").to_owned()
                    };
                    writeln!(
                        out,
                        "| {} | {} | {} | {} | {} | {} | {} |",
                        word("/measure/id"),
                        word("/measure/effect"),
                        match row.pointer("/measure/kept").and_then(Value::as_bool) {
                            Some(true) => "yes",
                            Some(false) => "**no**",
                            None => "–",
                        },
                        row["connections"],
                        row["lost"],
                        lived(row["lived_s"].as_f64()),
                        word("/diagnose")
                    )?;
                }
                Ok(())
            }
        }
    }

    /// When the end came, beside when it came before and when it was to come.
    fn when(&self, proposal: &Proposal, run: &Run) -> String {
        let Some(moves) = &proposal.moves else { return String::new() };
        let timer = format!("with the timer at {} s instead of {} s", moves.to_s, moves.from_s);
        match self.moved(proposal, run) {
            Some(moved) => format!(
                ", after {:.1} s instead of {:.1} s, {timer}: foretold were {:.1} s",
                moved.after_s, moved.before_s, moved.foretold_s
            ),
            None => format!(", {timer}: the end did not come"),
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
            beside(out, "lived", &lived(self.before.lived_s), &lived(after.lived_s))?;
            beside(out, "diagnose", &self.before.says(), &after.says())?;
        } else {
            writeln!(out, "  {} of {} lost", self.before.lost, self.before.opened)?;
            page.paragraph(out, 2, &format!("diagnose: {}", self.before.says()))?;
        }
        writeln!(out, "\n{}", page.label(Label::Heading, "Every measure, as said and as seen"))?;
        for (proposal, run) in &self.tries {
            let (word, label) = match self.kept(proposal, run) {
                Some(true) => ("as said ", Label::Good),
                Some(false) => ("NOT so  ", Label::Bad),
                None => ("seen    ", Label::Aside),
            };
            let first = format!("  {}", page.label(label, word));
            let says = format!(
                "{}, {}: {} of {} lost{}. To wit: {}",
                proposal.id,
                said(&proposal.effect),
                run.lost,
                run.opened,
                self.when(proposal, run),
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

/// Seconds a connection lived.
fn lived(seconds: Option<f64>) -> String {
    seconds.map_or_else(|| "–".to_owned(), |s| format!("{s:.1} s"))
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

#[cfg(test)]
mod tests {
    use super::*;

    fn run(lived_s: Option<f64>) -> Run {
        let lost = u32::from(lived_s.is_some());
        let (folder, first) = (String::new(), None);
        Run { folder, opened: 1, lost, first, lived_s, report: None }
    }

    #[test]
    fn an_end_that_is_said_to_move_has_to_come_and_by_as_much_later() {
        let change = json!([{ "role": "hop", "kind": "sysctl", "from": "6", "to": "12",
            "key": "net.netfilter.nf_conntrack_tcp_timeout_established" }]);
        let proposal = Proposal {
            id: "raise-established".to_owned(),
            says: "raise it".to_owned(),
            effect: MOVES.to_owned(),
            measures: Measures::of(&change),
            moves: Measures::moves(&change),
        };
        let comparison = Comparison {
            scenario: &hopclock_lab::ALL[0],
            seed: 0,
            before: run(Some(8.0)),
            tries: vec![],
            proposals: &[],
        };
        let kept = |lived_s| comparison.kept(&proposal, &run(lived_s));
        assert_eq!(
            [kept(Some(14.4)), kept(Some(8.1)), kept(Some(30.0))].map(|k| k.unwrap()),
            [true, false, false]
        );
        assert_eq!(kept(None), Some(false), "it did not come at all");
        let told = comparison.when(&proposal, &run(Some(14.4)));
        assert!(told.contains("14.4 s instead of 8.0 s") && told.contains("14.0 s"), "{told}");
    }
}
