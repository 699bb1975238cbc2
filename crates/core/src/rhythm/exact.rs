//! Stamps coarser than the clock they stamp: how well a grid explains them when rounding is taken
//! for what it is.
//!
//! The filter takes rounding for noise, which repeats itself on a grid and cannot be averaged away:
//! a walk follows it better than the grid that made it. Here a tick either lies in its stamp's step
//! or does not. Only asked where a name would hang on it.

use super::beat::{self, Part, Setup, Times};
use super::prior::{bell_between, ln_sum};

/// Places of the first tick within its step, and periods, that are tried.
const PLACES: usize = 40;
/// The same for the period, over four standard deviations either way.
const PERIODS: usize = 41;
/// Scatters tried, in steps of the stamps.
const SCATTERS: [f64; 6] = [0.01, 0.03, 0.1, 0.2, 0.35, 0.5];
/// Ticks beyond which the filter is believed: the work grows with them.
const MOST: usize = 400;

/// Ticks of one grid: how many periods after the first, and the stamp.
type Stretch = Vec<(f64, f64)>;

/// By how much the logarithm of a grid's likelihood near `setup`, at its best period and scatter,
/// is greater than the filter says when rounding is taken for what it is; `None` where the
/// filter's word must do.
pub(super) fn gain(times: &Times<'_>, setup: &Setup) -> Option<f64> {
    let free = beat::run(times, setup, false)?;
    let (period, sd) = (free.period, free.var.sqrt());
    let held = Setup { period: (period, 0.0), ..*setup };
    let fit = beat::run(times, &held, true)?;
    let stretches = stretches(times, &fit.parts);
    if fit.ticks > MOST || stretches.len() > 8 {
        return None;
    }
    let step = (12.0 * setup.rounding).sqrt();
    // A schedule's period is what it is; the filter was told no width for it.
    let width = if setup.period.1 > 0.0 { 8.0 * sd / (PERIODS - 1) as f64 } else { 0.0 };
    let middle = (PERIODS / 2) as f64;
    let mut best = f64::NEG_INFINITY;
    for i in 0..if width > 0.0 { PERIODS } else { 1 } {
        let at = if width > 0.0 { period + (i as f64 - middle) * width } else { period };
        for scatter in SCATTERS {
            let each = stretches.iter().map(|s| stretch(s, at, scatter * step, step));
            best = best.max(each.sum());
        }
    }
    Some((best - fit.ln_seen).max(0.0))
}

/// The ticks of the grid, a new stretch where it moved.
fn stretches(times: &Times<'_>, parts: &[(usize, Part)]) -> Vec<Stretch> {
    let first = times.ends.first().copied().unwrap_or(0.0);
    let mut all: Vec<Stretch> = vec![vec![(0.0, first)]];
    let mut count = 0.0;
    for (i, part) in parts {
        let Some(&end) = times.ends.get(*i) else { continue };
        match part {
            Part::Tick(k) => {
                count += f64::from(*k);
                if let Some(stretch) = all.last_mut() {
                    stretch.push((count, end));
                }
            }
            Part::Late(k) => count += f64::from(*k),
            Part::Stranger => {}
            Part::Jump(_) => {
                count = 0.0;
                all.push(vec![(0.0, end)]);
            }
        }
    }
    all
}

/// Logarithm of the density of a stretch's stamps after the first, its tick anywhere in its step.
fn stretch(ticks: &Stretch, period: f64, scatter: f64, step: f64) -> f64 {
    let Some(&(_, first)) = ticks.first() else { return 0.0 };
    let place = |i: usize| first + (i as f64 + 0.5) / PLACES as f64 * step;
    let at = |x: f64| {
        let each = ticks.iter().skip(1).map(|(k, stamp)| {
            let off = stamp - x - k * period;
            let inside = bell_between(off / scatter, (off + step) / scatter);
            (inside / step).max(1e-300).ln()
        });
        each.sum::<f64>()
    };
    let terms: Vec<f64> = (0..PLACES).map(|i| at(place(i))).collect();
    ln_sum(&terms) - (PLACES as f64).ln()
}
