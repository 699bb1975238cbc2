//! The rhythm study's tables: by truth, the worst cells, the intervals, the probabilities.
//!
//! Runs nothing: it sums up what was counted.

use crate::rhythm_study::{Count, Reliability};
use crate::rhythm_truth::{Cell, TRUTHS, Truth};

/// A cell with what it came to.
type Counted = (Cell, Count);

/// The probabilities given, how often they came true, and how often they were given.
pub fn reliability(of: &Reliability) -> Vec<(f64, f64, u32)> {
    let all = of.0.iter().filter(|r| r.2 > 0);
    all.map(|(sum, hit, n)| (sum / f64::from(*n), f64::from(*hit) / f64::from(*n), *n)).collect()
}

/// One line: cells, runs, and how many cells break a promise.
pub fn outcome(all: &[Counted]) -> String {
    let runs: u32 = all.iter().map(|(_, c)| c.runs).sum();
    let misled = all.iter().filter(|(_, c)| c.misled()).count();
    let narrow = all.iter().filter(|(_, c)| c.narrow()).count();
    let total = sum(all.iter());
    format!(
        "{} cells, {runs} runs; 1 % or more wrong: {misled} cells; interval not consistent with \
         95 %: {narrow} cells; cover {:.1} %",
        all.len(),
        share(total.held, total.periods),
    )
}

/// The tables of docs/rhythm.md.
pub fn markdown(all: &[Counted], reliability: &Reliability) -> String {
    let mut out = by_truth(all);
    out += "\n| the worst cells | wrong of runs | interval holds |\n|---|---|---|\n";
    let mut worst: Vec<&Counted> = all.iter().collect();
    worst.sort_by(|a, b| {
        let rate = |c: &Count| share(c.wrong, c.runs);
        rate(&b.1).total_cmp(&rate(&a.1))
    });
    worst.iter().take(8).filter(|(_, c)| c.wrong > 0).for_each(|c| out += &one(c));
    worst.retain(|(_, c)| c.periods > 0);
    worst.sort_by(|a, b| {
        let rate = |c: &Count| share(c.held, c.periods);
        rate(&a.1).total_cmp(&rate(&b.1))
    });
    worst.iter().take(8).for_each(|c| out += &one(c));
    out += "\n| set anew half way | found with its date at 7 | 14 | 28 | 60 ends |\n";
    out += "|---|---|---|---|---|\n";
    for truth in TRUTHS.iter().filter(|t| t.changes()) {
        let at = |n: usize| {
            let c = sum(all.iter().filter(|(c, _)| c.truth == *truth && c.events == n));
            format!("{:.0} %", share(c.dated, c.runs))
        };
        out += &format!("| {} | {} |\n", name(*truth), [7, 14, 28, 60].map(at).join(" | "));
    }
    out += "\n| probability given | came true | times |\n|---|---|---|\n";
    for (given, came, times) in self::reliability(reliability).iter().filter(|r| r.0 > 0.4) {
        out += &format!("| {given:.2} | {came:.2} | {times} |\n");
    }
    out
}

/// A line for each truth.
fn by_truth(all: &[Counted]) -> String {
    let mut out = "| truth | right at 7 | 14 | 28 | 60 ends | wrong, all cells | worst cell | \
                   95 % interval holds | lowest cell |\n|---|---|---|---|---|---|---|---|---|\n"
        .to_owned();
    for truth in TRUTHS {
        let own: Vec<&Counted> = all.iter().filter(|(c, _)| c.truth == truth).collect();
        if own.is_empty() {
            continue;
        }
        let at = |n: usize| {
            let c = sum(own.iter().filter(|(c, _)| c.events == n).copied());
            format!("{:.0} %", share(c.right, c.runs))
        };
        let total = sum(own.iter().copied());
        let wrong = own.iter().map(|(_, c)| share(c.wrong, c.runs)).fold(0.0, f64::max);
        let held = own.iter().filter(|(_, c)| c.periods > 0);
        let low = held.map(|(_, c)| share(c.held, c.periods)).fold(100.0, f64::min);
        let cover = match total.periods {
            0 => "– | –".to_owned(),
            n => format!("{:.1} % | {low:.1} %", share(total.held, n)),
        };
        let right = [7, 14, 28, 60].map(at).join(" | ");
        let rate = share(total.wrong, total.runs);
        out += &format!("| {} | {right} | {rate:.2} % | {wrong:.1} % | {cover} |\n", name(truth));
    }
    out
}

/// A cell's line among the worst.
fn one((cell, c): &Counted) -> String {
    let hand = if cell.by_hand { ", a restart by hand" } else { "" };
    let missed = if cell.missed > 0.0 { ", 15 % missed" } else { "" };
    let cover = match c.periods {
        0 => "–".to_owned(),
        n => format!("{:.1} % of {n}", share(c.held, n)),
    };
    format!(
        "| {}, {} ends, scatter {} s, stamps of {} ms{missed}{hand} | {} of {} | {cover} |\n",
        name(cell.truth),
        cell.events,
        cell.jitter,
        cell.step_ms,
        c.wrong,
        c.runs,
    )
}

fn sum<'a>(of: impl Iterator<Item = &'a Counted>) -> Count {
    let mut total = Count::default();
    of.for_each(|(_, c)| total.add(c));
    total
}

fn share(n: u32, of: u32) -> f64 {
    100.0 * f64::from(n) / f64::from(of.max(1))
}

/// The truth in words.
fn name(truth: Truth) -> &'static str {
    match truth {
        Truth::Open => "open",
        Truth::OpenSeen => "open, opens logged",
        Truth::Jittered => "± 10 %, opens logged",
        Truth::Wall => "wall",
        Truth::WallSeen => "wall, opens logged",
        Truth::Free => "free clock, 10–100 ppm",
        Truth::Idle => "idle, activity logged",
        Truth::OpenBusy => "open, activity logged",
        Truth::Poisson => "exponential",
        Truth::PoissonSeen => "exponential, opens logged",
        Truth::Lognormal => "lognormal",
        Truth::Pareto => "Pareto",
        Truth::Event => "bursts",
        Truth::Mixed => "timer and random",
        Truth::BackOff => "open, reconnects back off",
        Truth::Loop => "a sleeping loop, one restart by hand",
        Truth::Local => "wall, the clocks change",
        Truth::Several => "two timers, opens logged",
        Truth::SeveralEnds => "two timers",
        Truth::Count => "a hundred requests",
        Truth::Changed => "open, set anew",
        Truth::ChangedSeen => "open, set anew, opens logged",
        Truth::ChangedWall => "wall, set anew",
        Truth::WallShort => "wall, 5 to 60 s",
        Truth::OpenShort => "open, 5 to 60 s",
        Truth::FreeShort => "free clock, 5 to 60 s",
    }
}
