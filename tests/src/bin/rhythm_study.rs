//! The rhythm's simulation study: one line a cell of truth × events × jitter × step × missed ×
//! restart by hand, with the shares named right, named wrong and left open, and how often the 95 %
//! interval holds the true period.
//!
//! `cargo run --release -p hopclock-tests --bin rhythm_study [RUNS] [TRUTH, all, rivals, power or
//! controls] [wrong or left] [again]`; 100 runs a cell unless told, `wrong` tells of each wrong
//! name, `left` of what was left open as well, `again` runs cells with a wrong name ten times as
//! often, `rivals` asks the literature as well, `power` goes on for as many ends as were said to be
//! needed, `controls` reads the labelled series below HOPCLOCK_MATERIAL with the command and tells
//! what was claimed of each kind, the negative controls first. The last lines compare the
//! probabilities given with how often they came true.
#![expect(clippy::print_stdout, reason = "the study's table is what it is for")]

use hopclock_core::rhythm;
use hopclock_core::terms::Anchor;
use hopclock_tests::rhythm_truth::{Cell, Dice, TRUTHS, Truth, draw};
use hopclock_tests::{rhythm_controls, rhythm_rivals};

/// What a cell's runs came to.
#[derive(Default)]
struct Count {
    right: u32,
    wrong: u32,
    left: u32,
    led: u32,
    held: u32,
    periods: u32,
    /// Changes of regime claimed, and those at the right end, give or take one.
    changes: u32,
    dated: u32,
}

/// Probabilities given against how often they came true, in tenths.
#[derive(Default)]
struct Reliability([(f64, u32, u32); 20]);

fn main() {
    let mut words = std::env::args().skip(1);
    let runs = words.next().and_then(|w| w.parse().ok()).unwrap_or(100_u32);
    let only = words.next().filter(|w| w != "all");
    if only.as_deref() == Some("rivals") {
        return rivals(runs);
    }
    if only.as_deref() == Some("power") {
        return power(runs);
    }
    if only.as_deref() == Some("controls") {
        return controls();
    }
    let every = words.next().is_some_and(|w| w == "wrong" || w == "left");
    let again = std::env::args().any(|w| w == "again");
    let mut reliability = Reliability::default();
    println!(
        "truth          n  jitter  step missed hand  right wrong  open   led cover change dated"
    );
    for truth in TRUTHS {
        if only.as_ref().is_some_and(|o| !format!("{truth:?}").eq_ignore_ascii_case(o)) {
            continue;
        }
        for cell in cells(truth) {
            let mut told = Vec::new();
            let count = run(&cell, runs, &mut reliability, &mut told);
            line(&cell, runs, &count);
            // A hundred runs cannot show less than one in a hundred.
            if count.wrong > 0 && again {
                let more = 10 * runs;
                let count = run(&cell, more, &mut Reliability::default(), &mut Vec::new());
                let share = 100.0 * f64::from(count.wrong) / f64::from(more);
                println!("  again, {more} runs: wrong {share:.2}");
            }
            told.iter().filter(|_| every).for_each(|t| println!("{t}"));
        }
    }
    println!("\nprobability given, came true, times");
    for (sum, hit, all) in reliability.0.iter().filter(|r| r.2 > 0) {
        let n = f64::from(*all);
        println!("{:.3}  {:.3}  {all}", sum / n, f64::from(*hit) / n);
    }
}

/// What is claimed of the labelled series, and the negative controls' score.
fn controls() {
    let Some(folder) = hopclock_tests::material("rhythm_study controls") else { return };
    let all = match rhythm_controls::read(&folder.join("timing")) {
        Ok(all) => all,
        Err(error) => return println!("controls: {error}"),
    };
    println!("label                 clock there  series  clock named  period told");
    let mut score = (0, 0);
    for ((clock, label), [series, named, period]) in rhythm_controls::scored(&all) {
        let there = if clock { "yes" } else { "no" };
        println!("{label:22} {there:>10} {series:7} {named:12} {period:12}");
        if !clock {
            score = (score.0 + series, score.1 + named.max(period));
        }
    }
    println!("negative controls: {} of {} are told to have a clock or a period", score.1, score.0);
}

/// Series left open are drawn on for as many ends as were said to be needed: named right, wrong,
/// still open.
fn power(runs: u32) {
    println!("truth          n  jitter  step  said   more  right wrong  open");
    for truth in [Truth::Open, Truth::OpenSeen, Truth::Wall, Truth::WallSeen, Truth::Free] {
        for (events, jitter, step_ms) in
            [(7, 0.5, 1000), (14, 0.5, 1000), (14, 5.0, 1000), (14, 0.5, 1)]
        {
            let cell = Cell { truth, events, jitter, step_ms, missed: 0.0, by_hand: false };
            let mut more = Vec::new();
            let mut came = [0u32; 3];
            for seed in 0..runs {
                let again = |events: usize| {
                    let mut dice = Dice::new(u64::from(seed) * 104_729 + 3);
                    rhythm::read(&draw(&Cell { events, ..cell }, &mut dice).series)
                };
                let Some(needed) = again(events).rhythm.events_needed else { continue };
                more.push(needed);
                let said = again(events + needed as usize);
                if std::env::args().any(|w| w == "left") && said.rhythm.anchor != truth.anchor() {
                    println!("  {seed}: {needed} more: {:?} {}", said.why, shown(&said));
                }
                let said = said.rhythm.anchor;
                let at = match said {
                    a if a == truth.anchor() => 0,
                    Anchor::Undetermined => 2,
                    _ => 1,
                };
                came[at] += 1;
            }
            more.sort_unstable();
            let of = more.len().max(1) as f64;
            let share = came.map(|c| format!("{:6.1}", 100.0 * f64::from(c) / of));
            let middle = more.get(more.len() / 2).copied().unwrap_or(0);
            println!(
                "{:12} {events:3} {jitter:7.2} {step_ms:5} {:5} {middle:6} {}",
                format!("{truth:?}"),
                more.len(),
                share.join("")
            );
        }
    }
}

/// What others would call periodic, and what is given a period here: shares of the runs.
fn rivals(runs: u32) {
    println!("truth          n  Rayleigh  RITA>0.9  BAYWATCH  period here  anchor right");
    for truth in TRUTHS {
        for events in [14, 60] {
            let cell =
                Cell { truth, events, jitter: 0.5, step_ms: 1000, missed: 0.0, by_hand: false };
            let mut hits = [0u32; 5];
            for seed in 0..runs {
                let mut dice = Dice::new(u64::from(seed) * 7919 + 17);
                let case = draw(&cell, &mut dice);
                let secs = |s: &rhythm::Span| s.end.secs_f64() - 1.7e9;
                let ends: Vec<f64> = case.series.spans.iter().map(secs).collect();
                let gaps: Vec<f64> = ends.windows(2).map(|w| w[1] - w[0]).collect();
                let reading = rhythm::read(&case.series);
                let said = [
                    rhythm_rivals::rayleigh(&ends),
                    rhythm_rivals::rita(&gaps) > 0.9,
                    rhythm_rivals::baywatch(&ends, &mut dice),
                    reading.rhythm.period_s.is_some(),
                    reading.rhythm.anchor == truth.anchor(),
                ];
                for (hit, yes) in hits.iter_mut().zip(said) {
                    *hit += u32::from(yes);
                }
            }
            let share = hits.map(|h| format!("{:8.0} %", 100.0 * f64::from(h) / f64::from(runs)));
            println!("{:12} {events:3} {}", format!("{truth:?}"), share.join(""));
        }
    }
}

/// The grid for one truth.
fn cells(truth: Truth) -> Vec<Cell> {
    let mut all = Vec::new();
    let jitters: &[f64] = if truth.ticks() { &[0.02, 0.5, 5.0] } else { &[0.2] };
    let missed: &[f64] = if truth.ticks() { &[0.0, 0.15] } else { &[0.0] };
    let hands: &[bool] = match truth {
        // Without a restart by hand nothing tells a loop from a timer that the open starts.
        Truth::Loop => &[true],
        Truth::ChangedWall => &[false],
        _ if truth.ticks() => &[false, true],
        _ => &[false],
    };
    for events in [5, 7, 14, 28, 60] {
        for &jitter in jitters {
            for step_ms in [1000, 1] {
                for &missed in missed {
                    for &by_hand in hands {
                        all.push(Cell { truth, events, jitter, step_ms, missed, by_hand });
                    }
                }
            }
        }
    }
    all
}

/// Runs one cell.
fn run(cell: &Cell, runs: u32, reliability: &mut Reliability, told: &mut Vec<String>) -> Count {
    let keep = std::env::args().any(|w| w == "left");
    let mut count = Count::default();
    for seed in 0..runs {
        let mut dice = Dice::new(u64::from(seed) * 1_000_003 + cell.events as u64);
        let case = draw(cell, &mut dice);
        let reading = rhythm::read(&case.series);
        let said = reading.rhythm.anchor;
        if said == cell.truth.anchor() {
            count.right += 1;
        } else if said == Anchor::Undetermined || case.also.contains(&said) {
            count.left += 1;
            if keep {
                told.push(format!("  left {seed}: {:?} {}", reading.why, shown(&reading)));
            }
        } else {
            count.wrong += 1;
            told.push(format!("  seed {seed}: {}", shown(&reading)));
        }
        let led = reading.models.first().is_some_and(|m| m.anchor == cell.truth.anchor());
        count.led += u32::from(led);
        for m in &reading.models {
            let at = ((m.probability * 20.0) as usize).min(19);
            let Some(r) = reliability.0.get_mut(at) else { continue };
            r.0 += m.probability;
            r.1 += u32::from(m.anchor == cell.truth.anchor());
            r.2 += 1;
        }
        let regime = reading.regimes.get(1);
        count.changes += u32::from(regime.is_some());
        let dated = regime.zip(case.changed).is_some_and(|(r, at)| r.from.abs_diff(at) <= 1);
        count.dated += u32::from(dated);
        let r = &reading.rhythm;
        if let (Some(p), Some(low), Some(high)) = (case.period, r.low_s, r.high_s) {
            count.periods += 1;
            count.held += u32::from((low..=high).contains(&p));
        }
    }
    count
}

/// A wrong name, with what was weighed.
fn shown(reading: &rhythm::Reading) -> String {
    let model =
        |m: &rhythm::Model| format!("{:?} {:.3} {:.1}", m.anchor, m.probability, m.log_evidence);
    reading.models.iter().map(model).collect::<Vec<_>>().join(", ")
}

/// Prints one cell.
fn line(cell: &Cell, runs: u32, c: &Count) {
    let share = |n: u32, of: u32| 100.0 * f64::from(n) / f64::from(of.max(1));
    let cover =
        if c.periods > 0 { format!("{:5.1}", share(c.held, c.periods)) } else { "    –".into() };
    println!(
        "{:12} {:3} {:7.2} {:5} {:6.2} {:>4}  {:5.1} {:5.1} {:5.1} {:5.1} {cover} {:6.1} {:5.1}{}",
        format!("{:?}", cell.truth),
        cell.events,
        cell.jitter,
        cell.step_ms,
        cell.missed,
        if cell.by_hand { "yes" } else { "no" },
        share(c.right, runs),
        share(c.wrong, runs),
        share(c.left, runs),
        share(c.led, runs),
        share(c.changes, runs),
        share(c.dated, runs),
        if share(c.wrong, runs) > 1.0 { "  wrong" } else { "" },
    );
}
