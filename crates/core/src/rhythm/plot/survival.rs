//! How many connections were still there after how long: the estimate of Kaplan and Meier (1958),
//! which counts those that nobody saw end for as long as they were seen.

use super::axis::{Axis, length};

/// A survival curve.
#[derive(Clone, Debug, PartialEq)]
pub struct Survival {
    /// Its steps, ascending; before the first all are alive.
    pub steps: Vec<Step>,
    /// Ages at which connections were last seen alive, ascending.
    pub censored_s: Vec<f64>,
    /// The age that half outlive, where the curve comes down that far.
    pub median_s: Option<f64>,
    /// Whether the ages are lifetimes; else they are the times between ends.
    pub lifetimes: bool,
    /// The curve in words.
    pub says: String,
    /// Axis of the ages.
    pub ages: Axis,
    /// Axis of the shares, 0 to 1.
    pub shares: Axis,
}

/// Where the curve goes down.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Step {
    /// The age, seconds.
    pub at_s: f64,
    /// Share alive after it.
    pub alive: f64,
    /// Lower end of its 95 % interval (Greenwood's variance of the log of minus the log).
    pub low: f64,
    /// Upper end.
    pub high: f64,
}

/// Draws up the curve.
pub(super) fn of(ages: &[f64], mut censored: Vec<f64>, lifetimes: bool) -> Survival {
    censored.sort_by(f64::total_cmp);
    let mut ends = ages.to_vec();
    ends.sort_by(f64::total_cmp);
    let steps = steps(&ends, &censored);
    let median_s = steps.iter().find(|s| s.alive <= 0.5).map(|s| s.at_s);
    let all = || ends.iter().chain(&censored).copied();
    let (low, high) = (all().fold(f64::INFINITY, f64::min), all().fold(0.0, f64::max));
    let log = super::histogram::heavy(&ends);
    let ages =
        if log { Axis::ratio(low.max(1e-3), 1.1 * high) } else { Axis::time(0.0, high * 1.02, 8) };
    let says = words(&censored, median_s, ends.len());
    Survival {
        steps,
        censored_s: censored,
        median_s,
        lifetimes,
        says,
        ages,
        shares: Axis::plain(1.0, 4),
    }
}

/// The estimate: at each age the share of those still under watch that end.
fn steps(ends: &[f64], censored: &[f64]) -> Vec<Step> {
    let all = ends.len() + censored.len();
    let (mut alive, mut greenwood) = (1.0_f64, 0.0_f64);
    let mut steps: Vec<Step> = Vec::new();
    let mut at = 0;
    while let Some(&age) = ends.get(at) {
        let here = ends.iter().skip(at).take_while(|e| **e <= age).count();
        let gone = at + censored.partition_point(|c| *c < age);
        let watched = all.saturating_sub(gone).max(here) as f64;
        let died = here as f64;
        alive *= 1.0 - died / watched;
        greenwood += died / (watched * (watched - died)).max(1e-12);
        let (low, high) = interval(alive, greenwood);
        steps.push(Step { at_s: age, alive, low, high });
        at += here;
    }
    steps
}

/// The interval of a share on the scale of the log of minus the log, which stays within 0 and 1
/// (Kalbfleisch and Prentice).
fn interval(alive: f64, greenwood: f64) -> (f64, f64) {
    if alive <= 1e-12 || alive >= 1.0 - 1e-12 {
        return (alive.max(0.0), alive.min(1.0));
    }
    let log = alive.ln();
    let reach = (1.96 * greenwood.sqrt() / log.abs()).exp();
    (alive.powf(reach), alive.powf(1.0 / reach))
}

fn words(censored: &[f64], median: Option<f64>, ended: usize) -> String {
    let median = match median {
        Some(age) => format!("half outlive {}", length(age)),
        None => "more than half outlive what was seen".to_owned(),
    };
    match censored.len() {
        0 => median,
        n => format!("{median}; {n} of {} had not ended when last seen", ended + n),
    }
}
