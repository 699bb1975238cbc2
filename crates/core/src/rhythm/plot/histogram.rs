//! How long connections lived, in bins, and where the catalogue's timers stand among them.

use super::axis::{Axis, EDGES, Tick, length};
use crate::rhythm::Match;

/// Ages in bins.
#[derive(Clone, Debug, PartialEq)]
pub struct Histogram {
    /// Bins side by side, ascending.
    pub bins: Vec<Bin>,
    /// Whether the ages are lifetimes; else they are the times between ends.
    pub lifetimes: bool,
    /// The age up to which half, and nine in ten, were over, seconds.
    pub quantiles_s: (f64, f64),
    /// Where the catalogue's timers stand that fit the rhythm.
    pub stands: Vec<Stand>,
    /// Axis of the ages.
    pub ages: Axis,
    /// Axis of the counts.
    pub counts: Axis,
}

/// One bin.
#[derive(Clone, Debug, PartialEq)]
pub struct Bin {
    /// Its lower bound, seconds; part of it.
    pub low_s: f64,
    /// Its upper bound; not part of it but for the last.
    pub high_s: f64,
    /// Ages in it.
    pub count: usize,
    /// Its bounds in words.
    pub label: String,
}

/// A value at which timers of the catalogue stand.
#[derive(Clone, Debug, PartialEq)]
pub struct Stand {
    /// The value, seconds.
    pub at_s: f64,
    /// How many timers, and the likeliest.
    pub label: String,
    /// What they hold together, given the times alone.
    pub probability: f64,
}

/// Values told on a plot.
const TOLD: usize = 3;

/// The matches by value, the likeliest values first.
pub(super) fn stands(matches: &[Match<'_>]) -> Vec<Stand> {
    let mut values: Vec<(f64, usize, f64, &str)> = Vec::new();
    for m in matches {
        match values.iter_mut().find(|v| (v.0 - m.seconds).abs() < 1e-9) {
            Some(known) => {
                known.1 += 1;
                known.2 += m.probability;
            }
            None => values.push((m.seconds, 1, m.probability, &m.clock.id)),
        }
    }
    values.sort_by(|a, b| b.2.total_cmp(&a.2));
    let told = values.into_iter().take(TOLD).map(|(at_s, count, probability, id)| {
        let value = length(at_s);
        let label = match count {
            1 => format!("{value}: {id}"),
            n => format!("{value}: {n} timers of the catalogue"),
        };
        Stand { at_s, label, probability }
    });
    told.collect()
}

/// Bins, at most twice `most`, of equal width, or of about equal ratio where the longest age is far
/// beyond the middle one. No bin is narrower than a step of the stamps.
pub(super) fn of(
    ages: &[f64],
    (step, most): (f64, usize),
    lifetimes: bool,
    stands: &[Stand],
) -> Option<Histogram> {
    let mut sorted = ages.to_vec();
    sorted.sort_by(f64::total_cmp);
    let (low, high) = (*sorted.first()?, *sorted.last()?);
    let log = heavy(&sorted);
    let edges =
        if log { ratios(low.max(step / 2.0), high, most) } else { widths(low, high, step, most) };
    let bins: Vec<Bin> = edges.windows(2).map(|e| bin(&sorted, e[0], e[1], log)).collect();
    let last = edges.last().copied().unwrap_or(high);
    let bins = closed(bins, &sorted, last);
    let first = edges.first().copied().unwrap_or(low);
    let axis = if log { Axis::ratio(first, last) } else { Axis::time(first, last, 8) };
    let tallest = bins.iter().map(|b| b.count).max().unwrap_or(1) as f64;
    let mut counts = Axis::plain(tallest, 5);
    counts.ticks.retain(|t: &Tick| t.at.fract() == 0.0);
    let at = |share: f64| sorted.get((share * (sorted.len() - 1) as f64) as usize).copied();
    let inside = |s: &&Stand| (0.0..=1.0).contains(&axis.place(s.at_s));
    Some(Histogram {
        lifetimes,
        quantiles_s: (at(0.5)?, at(0.9)?),
        stands: stands.iter().filter(inside).cloned().collect(),
        bins,
        ages: axis,
        counts,
    })
}

/// Whether the longest age is so far beyond the middle one that even bins would show nothing else.
pub(super) fn heavy(sorted: &[f64]) -> bool {
    let middle = sorted.get(sorted.len() / 2).copied().unwrap_or(0.0);
    sorted.last().is_some_and(|high| *high > 8.0 * middle)
}

/// Edges of equal width at round numbers.
fn widths(low: f64, high: f64, step: f64, most: usize) -> Vec<f64> {
    let axis = Axis::seconds(low, high.max(low + step), most);
    let apart = axis.ticks.windows(2).map(|t| t[1].at - t[0].at).next();
    let width = apart.unwrap_or((high - low).max(step)).max(step);
    let first = (low / width).floor() * width;
    let count = (((high - first) / width).floor() as usize).min(2 * most) + 1;
    (0..=count).map(|i| first + i as f64 * width).collect()
}

/// Edges that rise by ratios: a few that people can read, or many even ones.
fn ratios(low: f64, high: f64, most: usize) -> Vec<f64> {
    if most <= EDGES.len() / 2 {
        let first = EDGES.iter().rposition(|e| *e <= low).unwrap_or(0);
        let after = EDGES.iter().position(|e| *e > high).unwrap_or(EDGES.len() - 1);
        return EDGES.iter().take(after + 1).skip(first).copied().collect();
    }
    let each = (high / low).ln() / most as f64;
    (0..=most).map(|i| low * (each * i as f64).exp()).collect()
}

fn bin(sorted: &[f64], low_s: f64, high_s: f64, log: bool) -> Bin {
    let below = |x: f64| sorted.partition_point(|a| *a < x * (1.0 - 1e-12));
    let count = below(high_s) - below(low_s);
    let label = if log {
        format!("{} to {}", length(low_s), length(high_s))
    } else {
        let decimals = if high_s - low_s < 1.0 { 2 } else { 0 };
        format!("{low_s:.decimals$} to {high_s:.decimals$} s")
    };
    Bin { low_s, high_s, count, label }
}

/// The last bin holds its upper bound, the first whatever lies below.
fn closed(mut bins: Vec<Bin>, sorted: &[f64], last: f64) -> Vec<Bin> {
    let above = sorted.iter().filter(|a| **a >= last * (1.0 - 1e-12)).count();
    if let Some(bin) = bins.last_mut() {
        bin.count += above;
    }
    let told: usize = bins.iter().map(|b| b.count).sum();
    if let Some(bin) = bins.first_mut() {
        bin.count += sorted.len() - told;
    }
    bins
}
