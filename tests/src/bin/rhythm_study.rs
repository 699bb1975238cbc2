//! The rhythm's simulation study: one line a cell of truth × events × jitter × step × missed ×
//! restart by hand, with the shares named right, named wrong and left open, and how often the 95 %
//! interval holds the true period.
//!
//! `cargo run --release -p hopclock-tests --bin rhythm_study [RUNS] [TRUTH, all, rivals, power or
//! controls] [WORDS]`; 100 runs a cell unless told. `n=28`, `jitter=5`, `step=1`, `missed=0`,
//! `hand=no` keep the cells that are so; `threads=2` works on two at once; `wrong` tells of each
//! wrong name, `left` of what was left open as well, `narrow` of each interval that missed; `again`
//! runs cells with a wrong name or a low cover ten times as often and counts them by that;
//! `markdown` ends with the tables of docs/rhythm.md. `rivals` asks the literature as well, `power`
//! goes on for as many ends as were said to be needed, `controls` draws series without a clock of
//! more kinds than the reader knows, and reads the labelled series below HOPCLOCK_MATERIAL with the
//! command. The last lines compare the probabilities given with how often they came true.
#![expect(clippy::print_stdout, reason = "the study's table is what it is for")]

use hopclock_core::rhythm::{self, Reading};
use hopclock_core::terms::Anchor;
use hopclock_tests::rhythm_clockless::{CLOCKLESS, clockless};
use hopclock_tests::rhythm_study::{self as study, Came, Count, Reliability};
use hopclock_tests::rhythm_truth::{Case, Cell, Dice, TRUTHS, Truth, draw};
use hopclock_tests::{rhythm_controls, rhythm_rivals, rhythm_tables};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

fn main() {
    let mut words = std::env::args().skip(1);
    let runs = words.next().and_then(|w| w.parse().ok()).unwrap_or(100_u32);
    let only = words.next().filter(|w| w != "all");
    match only.as_deref() {
        Some("rivals") => return rivals(runs),
        Some("power") => return power(runs),
        Some("controls") => return controls(runs),
        _ => {}
    }
    let named = |t: &&Truth| only.as_ref().is_none_or(|o| format!("{t:?}").eq_ignore_ascii_case(o));
    let cells: Vec<Cell> =
        TRUTHS.iter().filter(named).flat_map(|t| study::cells(*t)).filter(kept).collect();
    println!(
        "truth          n  jitter  step missed hand  right wrong  open   led cover change dated"
    );
    let all = all(&cells, runs);
    let mut reliability = Reliability::default();
    all.iter().for_each(|(_, _, r)| reliability.add(r));
    println!("\nprobability given, came true, times");
    for (given, came, times) in rhythm_tables::reliability(&reliability) {
        println!("{given:.3}  {came:.3}  {times}");
    }
    let counts: Vec<(Cell, Count)> =
        all.into_iter().map(|(cell, count, _)| (cell, count)).collect();
    println!("\n{}", rhythm_tables::outcome(&counts));
    if has("markdown") {
        println!("\n{}", rhythm_tables::markdown(&counts, &reliability));
    }
}

/// Whether a word was given.
fn has(word: &str) -> bool {
    std::env::args().any(|w| w == word)
}

/// Whether no word excludes the cell.
fn kept(cell: &Cell) -> bool {
    std::env::args()
        .filter_map(|w| w.split_once('=').map(|(k, v)| (k.to_owned(), v.to_owned())))
        .all(|(key, value)| {
            let number = value.parse().unwrap_or(f64::NAN);
            match key.as_str() {
                "n" => cell.events as f64 == number,
                "jitter" => cell.jitter == number,
                "step" => cell.step_ms as f64 == number,
                "missed" => cell.missed == number,
                "hand" => cell.by_hand == (value == "yes"),
                _ => true,
            }
        })
}

/// Runs all cells, as many at once as `threads=` says, and prints each when it is done.
fn all(cells: &[Cell], runs: u32) -> Vec<(Cell, Count, Reliability)> {
    let threads = std::env::args().find_map(|w| w.strip_prefix("threads=").map(str::to_owned));
    let threads = threads.and_then(|t| t.parse().ok()).unwrap_or(1_usize);
    let next = AtomicUsize::new(0);
    let done: Mutex<Vec<Option<(Cell, Count, Reliability)>>> = Mutex::new(vec![None; cells.len()]);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                while let Some(cell) = cells.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let (count, reliability, text) = one(cell, runs);
                    let Ok(mut done) = done.lock() else { return };
                    print!("{text}");
                    if let Some(place) = done.iter_mut().find(|d| d.is_none()) {
                        *place = Some((*cell, count, reliability));
                    }
                }
            });
        }
    });
    done.into_inner().map(|d| d.into_iter().flatten().collect()).unwrap_or_default()
}

/// Runs one cell: what it came to, and what is to be printed of it.
fn one(cell: &Cell, runs: u32) -> (Count, Reliability, String) {
    let mut reliability = Reliability::default();
    let mut text = String::new();
    let mut tell = |run: u32, came: Came, case: &Case, reading: &Reading| {
        let missed = missed(case, reading).filter(|_| has("narrow"));
        let told = match came {
            Came::Wrong if has("wrong") || has("left") => true,
            Came::Left => has("left"),
            _ => false,
        };
        if told || missed.is_some() {
            let missed = missed.unwrap_or_default();
            text += &format!("  {run} {came:?}:{missed} {} {:?}\n", shown(reading), reading.why);
        }
    };
    let mut count = study::run(cell, 0..runs, &mut reliability, &mut tell);
    let mut lines = line(cell, &count);
    // A hundred runs cannot show less than one in a hundred.
    let doubtful = study::at_most(count.held, count.periods, 0.95) < 0.02;
    if has("again") && (count.wrong > 0 || doubtful) {
        let mut more = Reliability::default();
        count.add(&study::run(cell, runs..10 * runs, &mut more, &mut tell));
        lines += &format!("  again {}", line(cell, &count));
    }
    (count, reliability, lines + &text)
}

/// The interval and the period it misses, where it does.
fn missed(case: &Case, reading: &Reading) -> Option<String> {
    let r = &reading.rhythm;
    let (period, low, high) = (case.period?, r.low_s?, r.high_s?);
    let mean = r.period_s?;
    let sd = (high - low) / 3.92;
    (!(low..=high).contains(&period)).then(|| {
        format!(" {low:.3}..{high:.3} misses {period:.3} by {:.1} sd", (mean - period) / sd)
    })
}

/// What is claimed of the labelled series, and the negative controls' score.
fn controls(runs: u32) {
    drawn_controls(runs);
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

/// What is claimed of series drawn without a clock.
fn drawn_controls(runs: u32) {
    println!("without a clock         n  runs  clock named");
    for kind in CLOCKLESS {
        for events in [5, 7, 14, 28, 60, 200] {
            let named = (0..runs)
                .filter(|run| {
                    let mut dice = Dice::new(u64::from(*run) * 613 + events as u64);
                    let reading = rhythm::read(&clockless(kind, events, &mut dice));
                    rhythm_controls::is_clock(reading.rhythm.anchor)
                })
                .count();
            println!("{:20} {events:4} {runs:5} {named:6}", format!("{kind:?}"));
        }
    }
}

/// Truths whose forecasts are tried.
const POWER: [Truth; 6] =
    [Truth::Open, Truth::OpenSeen, Truth::Jittered, Truth::Wall, Truth::WallSeen, Truth::Free];

/// Series left open are drawn on for as many ends as were said to be needed: named right, wrong,
/// still open.
fn power(runs: u32) {
    println!("truth          n  jitter  step  said   more  right wrong  open");
    for truth in POWER {
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

/// A wrong name, with what was weighed.
fn shown(reading: &Reading) -> String {
    let model =
        |m: &rhythm::Model| format!("{:?} {:.3} {:.1}", m.anchor, m.probability, m.log_evidence);
    reading.models.iter().map(model).collect::<Vec<_>>().join(", ")
}

/// One cell's line.
fn line(cell: &Cell, c: &Count) -> String {
    let share = |n: u32, of: u32| 100.0 * f64::from(n) / f64::from(of.max(1));
    let cover =
        if c.periods > 0 { format!("{:5.1}", share(c.held, c.periods)) } else { "    –".into() };
    format!(
        "{:12} {:3} {:7.2} {:5} {:6.2} {:>4}  {:5.1} {:5.1} {:5.1} {:5.1} {cover} {:6.1} {:5.1}{}{}\n",
        format!("{:?}", cell.truth),
        cell.events,
        cell.jitter,
        cell.step_ms,
        cell.missed,
        if cell.by_hand { "yes" } else { "no" },
        share(c.right, c.runs),
        share(c.wrong, c.runs),
        share(c.left, c.runs),
        share(c.led, c.runs),
        share(c.changes, c.runs),
        share(c.dated, c.runs),
        if c.misled() { "  wrong" } else { "" },
        if c.narrow() { "  narrow" } else { "" },
    )
}
