//! A change of the timer at a date: two clocks of one kind, one after the other.
//!
//! Compared by evidence like everything else: each part has its own period with its own prior, the
//! date costs one in as many places as there are, and a change happens in one series of
//! [`CHANGED`]. A deploy that leaves the timer alone pays all that for nothing.

use super::beat::{Times, ln_stranger};
use super::data::median;
use super::models::{self, Score, merge};
use super::prior::ln_sum;
use crate::terms::Anchor;

/// Share of series whose timer was changed while somebody watched.
const CHANGED: f64 = 0.03;
/// Ages a regime needs.
const FEWEST: usize = 3;
/// Dates looked at closely, of each sharpness.
const CLOSE: usize = 2;
/// Dates tried at all.
const TRIED: usize = 300;

/// The change, as a score remembers it.
#[derive(Clone, Debug)]
pub(super) struct Change {
    /// Place of the first end of the new regime in the times the score is of.
    pub(super) at: usize,
    /// Probability that there was a change, given the score's explanation.
    pub(super) share: f64,
    /// The regime before it: its clock, without a change.
    pub(super) before: Box<Score>,
}

/// How the times of a regime begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Begins {
    /// With the last end of the regime before, from which the first age counts.
    Shared,
    /// With its own first end, whose own open is known.
    Apart,
    /// With its own first end, which may be anywhere.
    Anywhere,
}

/// What `fit` says of the times, without and with a change.
pub(super) fn scored(
    times: &Times<'_>,
    begins: Begins,
    fit: &dyn Fn(&Times<'_>) -> Option<Score>,
) -> Option<Score> {
    let whole = fit(times);
    let ages = aged(times);
    let splits = splits(&ages);
    let places = ages.len().saturating_sub(2 * FEWEST - 1).max(1) as f64;
    let changed: Vec<Score> = splits.iter().filter_map(|at| two(times, *at, begins, fit)).collect();
    let terms: Vec<f64> = changed.iter().map(|s| s.ln - places.ln()).collect();
    let ln = ln_sum(&terms);
    let best = changed.into_iter().max_by(|a, b| a.ln.total_cmp(&b.ln));
    let Some(best) = best.map(|s| Score { ln, ..s }) else {
        return whole;
    };
    let share = match &whole {
        Some(w) => {
            let odds = ln - w.ln + (CHANGED / (1.0 - CHANGED)).ln();
            1.0 / (1.0 + (-odds).exp())
        }
        None => 1.0,
    };
    // No clock fits the whole: then the change pays its prior all the same.
    let merged = merge(whole, Some(best), (1.0 - CHANGED, CHANGED))?;
    let change = merged.change.map(|c| Change { share, ..c });
    Some(Score { change, ..merged })
}

/// The score of a change at the end numbered `at`.
fn two(
    times: &Times<'_>,
    at: usize,
    begins: Begins,
    fit: &dyn Fn(&Times<'_>) -> Option<Score>,
) -> Option<Score> {
    let from = if begins == Begins::Shared { at - 1 } else { at };
    let before = fit(&part(times, 0, at))?;
    let after = fit(&part(times, from, times.ends.len()))?;
    if before.periods.is_empty() || after.periods.is_empty() {
        return None;
    }
    let (old, new) = (models::moments(&before.periods), models::moments(&after.periods));
    // The same period again is a jump of phase, which the clock itself may make at its own price.
    if (old.0 - new.0).abs() < 3.0 * (old.1 + new.1).sqrt() {
        return None;
    }
    let first = if begins == Begins::Anywhere && times.opens.is_empty() {
        let gap = times.ends.get(at)? - times.ends.get(at - 1)?;
        ln_stranger(gap, new.0.max(1e-9))
    } else {
        0.0
    };
    // Schedules stand on whole hours both: where the second begins surprises nobody.
    let costs = if after.anchor == Anchor::Wall { 0.0 } else { first };
    let change = Change { at, share: 1.0, before: Box::new(before.clone()) };
    Some(Score {
        ln: before.ln + after.ln + first,
        ln_peak: before.ln_peak + after.ln_peak + costs,
        change: Some(change),
        ..after
    })
}

/// A stretch of the times.
pub(super) fn part<'a>(times: &Times<'a>, from: usize, to: usize) -> Times<'a> {
    let ends = times.ends.get(from..to).unwrap_or_default();
    let opens = times.opens.get(from..to).unwrap_or_default();
    Times { ends, opens }
}

/// The age at each end: its own where its open is known, else since the end before; the first end
/// may have none.
fn aged(times: &Times<'_>) -> Vec<(usize, f64)> {
    let mut before: Option<f64> = None;
    let mut ages = Vec::with_capacity(times.ends.len());
    for (i, &end) in times.ends.iter().enumerate() {
        let open = times.opens.get(i).copied().flatten();
        if let Some(from) = open.or(before) {
            ages.push((i, (end - from).max(1e-6)));
        }
        before = Some(end);
    }
    ages
}

/// Ends at which a change is worth a close look: those that leave the ages on both sides closest
/// to a middle of their own, by two measures of closeness.
fn splits(ages: &[(usize, f64)]) -> Vec<usize> {
    if ages.len() < 2 * FEWEST {
        return Vec::new();
    }
    let lengths: Vec<f64> = ages.iter().map(|a| a.1).collect();
    let stride = (lengths.len() / TRIED).max(1);
    let mut found: Vec<usize> = Vec::new();
    for near in [1e-3, 0.05] {
        let whole = apart(&lengths, near);
        let gain = |k: usize| {
            let (left, right) = lengths.split_at(k);
            whole - apart(left, near) - apart(right, near)
        };
        let coarse = (FEWEST..=lengths.len() - FEWEST).step_by(stride);
        let mut gains: Vec<(f64, usize)> = coarse.map(|k| (gain(k), k)).collect();
        gains.sort_by(|a, b| b.0.total_cmp(&a.0));
        let mut taken: Vec<usize> = Vec::new();
        for (_, k) in gains.into_iter().take_while(|g| g.0 > 1.5) {
            if taken.len() == CLOSE {
                break;
            }
            if taken.iter().any(|t| t.abs_diff(k) <= stride) {
                continue;
            }
            let low = (k + 1).saturating_sub(stride).max(FEWEST);
            let high = (k + stride - 1).min(lengths.len() - FEWEST);
            let best = (low..=high).max_by(|a, b| gain(*a).total_cmp(&gain(*b)));
            taken.push(best.unwrap_or(k));
        }
        found.extend(taken);
    }
    found.sort_unstable();
    found.dedup();
    found.into_iter().filter_map(|k| ages.get(k)).map(|a| a.0).collect()
}

/// How many of these stand apart from their middle, each by its distance in units of the share
/// `near`, one at most.
fn apart(lengths: &[f64], near: f64) -> f64 {
    let middle = median(lengths).max(1e-9);
    lengths.iter().map(|a| ((a - middle).abs() / (near * middle)).min(1.0)).sum()
}
