//! Plays scenarios, several at once, each in a thread and namespaces of its own.

use std::path::PathBuf;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;

use hopclock_core::dump::header::stamp;
use hopclock_core::time::Gap;
use hopclock_live::clock;
use serde_json::{Value, json};

use crate::checks::Check;
use crate::draw::Plan;
use crate::folder::Folder;
use crate::measure::Measures;
use crate::scenario::Scenario;
use crate::stage::{BySide, Stage};
use crate::trouble::Trouble;
use crate::truth::Truth;

/// How runs are played.
#[derive(Debug)]
pub struct Runner<'a> {
    /// Where the folders go.
    pub out: PathBuf,
    /// What everything is drawn from.
    pub seed: u64,
    /// The timer of each run in whole seconds, instead of the drawn one.
    pub timer_s: Option<u32>,
    /// How many at once.
    pub jobs: usize,
    /// What is changed before each is played.
    pub measures: Measures,
    /// Ends the names of the folders, behind the seed.
    pub suffix: String,
    /// Set from outside: stop, and leave nothing behind.
    pub stop: &'a AtomicBool,
}

/// A run that was played to its end.
#[derive(Clone, Debug)]
pub struct Played {
    /// The evidence folder.
    pub folder: PathBuf,
    /// What was foretold and whether it was so.
    pub checks: Vec<Check>,
    /// What the logs told of their connections.
    pub ends: BySide,
}

/// How a run came out.
#[derive(Debug)]
pub struct Outcome {
    /// Which.
    pub scenario: Scenario,
    /// What was drawn, in a few words.
    pub drawn: String,
    /// How long it took.
    pub took: Gap,
    /// What came of it.
    pub result: Result<Played, Trouble>,
}

impl Outcome {
    /// It was played and everything was as foretold.
    pub fn held(&self) -> bool {
        self.result.as_ref().is_ok_and(|played| played.checks.iter().all(|check| check.held))
    }
}

impl Runner<'_> {
    /// Plays all of them and shows each outcome as it comes.
    pub fn play(&self, scenarios: &[Scenario], show: &mut (dyn FnMut(Outcome) + Send)) {
        let next = AtomicUsize::new(0);
        let show = Mutex::new(show);
        thread::scope(|scope| {
            for _ in 0..self.jobs.clamp(1, scenarios.len().max(1)) {
                scope.spawn(|| {
                    while let Some(scenario) = scenarios.get(next.fetch_add(1, Ordering::Relaxed)) {
                        if self.stop.load(Ordering::Relaxed) {
                            break;
                        }
                        let outcome = self.one(scenario);
                        if let Ok(mut show) = show.lock() {
                            show(outcome);
                        }
                    }
                });
            }
        });
    }

    fn one(&self, scenario: &Scenario) -> Outcome {
        let mut plan = Plan::draw(self.seed, scenario.name);
        plan.timer_s = self.timer_s.unwrap_or(plan.timer_s) + self.measures.longer_s;
        let family = if plan.v6 { "IPv6" } else { "IPv4" };
        let mut timer_s = plan.timer_s;
        let began = clock::monotonic();
        // A thread of its own: a panic there ends the run, and its namespaces, and no other run.
        let result = thread::scope(|scope| {
            scope
                .spawn(|| self.through(scenario, plan, &mut timer_s))
                .join()
                .unwrap_or_else(|_| Err(Trouble::Broken(format!("{} panicked", scenario.name))))
        });
        let took = clock::monotonic().since(began);
        let drawn = format!("{family}, timer {timer_s} s");
        Outcome { scenario: *scenario, drawn, took, result }
    }

    /// `timer_s` becomes what the scenario made of the timer.
    fn through(
        &self,
        scenario: &Scenario,
        plan: Plan,
        timer_s: &mut u32,
    ) -> Result<Played, Trouble> {
        if let Some(tool) = scenario.missing() {
            return Err(Trouble::Absent(tool));
        }
        let folder = Folder::begin(&self.out.join(self.name(scenario)))?;
        let began = stamp(clock::now());
        let mut stage = Stage::build(plan, folder, self.measures.clone(), self.stop)?;
        let truth = (scenario.play)(&mut stage);
        *timer_s = stage.plan.timer_s;
        let truth = truth?;
        let (folder, checks, ends) = stage.into_folder();
        let told = self.told(scenario, &truth, &checks.0, &began);
        Ok(Played { folder: folder.finish(&told)?, checks: checks.0, ends })
    }

    fn name(&self, scenario: &Scenario) -> String {
        format!("{}-{}{}", scenario.name, self.seed, self.suffix)
    }

    fn told(&self, scenario: &Scenario, truth: &Truth, checks: &[Check], began: &str) -> Value {
        let mut told = json!({ "id": self.name(scenario) });
        if let (Some(told), Ok(Value::Object(truth))) =
            (told.as_object_mut(), serde_json::to_value(truth))
        {
            told.extend(truth);
        }
        told["title"] = scenario.says.into();
        told["evidence"] = json!([]);
        told["lab"] = json!({
            "scenario": scenario.name,
            "seed": self.seed,
            "began": began,
            "kernel": hopclock_live::kernel::release(),
            "checks": checks,
        });
        told
    }
}
