//! Two timers in one series: connections of two kinds, or two clocks on one path.
//!
//! Each age is one timer's, the other's, or a stranger's. Ages are given to the nearer timer once
//! and for all: where the two stand well apart that is the whole sum, where they do not it is a
//! lower bound, and one timer with a wide scatter explains the same.

use super::beat::{Kind, Times, ln_stranger};
use super::data::{Data, median};
use super::models::{self, FIRM, Score, Timer};
use super::prior::Extra;
use super::search::{self, Search};
use super::spread::ln_gamma;
use crate::terms::Anchor;

/// Ages a timer needs to be one.
const FEWEST: usize = 3;
/// How far the longer must be beyond the shorter, as a share of it: closer ones are one timer whose
/// reconnects back off.
const APART: f64 = 0.15;
/// The same in seconds where the ages hold the reconnect.
const LATE: f64 = 60.0;
/// Ages this near a centre, as a share of it, may be its timer's.
const NEARBY: f64 = 0.05;
/// Pairs of timers looked at closely.
const CLOSE: usize = 4;
/// Pseudo-counts of the first timer, the second, and strangers.
const SHARES: [f64; 3] = [2.0, 2.0, 0.5];

/// One age: the place of its end, what it counts from, its end.
type Age = (usize, f64, f64);

/// A cluster of ages that may be a timer.
struct Cluster {
    /// Centre and half width.
    at: (f64, f64),
    /// Its members, by place among the ages.
    members: Vec<usize>,
}

/// The evidence of two timers; `None` where no two clusters of ages stand apart.
pub(super) fn of(data: &Data, extra: Extra) -> Option<Score> {
    let ages = ages(data);
    let lengths: Vec<f64> = ages.iter().map(|a| a.2 - a.1).collect();
    let clusters: Vec<Cluster> = search::candidates(&lengths)
        .into_iter()
        .map(|at| cluster(&lengths, at, data.step))
        .filter(|c| c.members.len() >= FEWEST)
        .collect();
    let mut pairs: Vec<(f64, &Cluster, &Cluster)> = Vec::new();
    for (i, a) in clusters.iter().enumerate() {
        for b in clusters.iter().skip(i + 1) {
            let reach = |c: &Cluster| 2.0 * c.at.1 + 3.0 * data.step;
            let off = (a.at.0 - b.at.0).abs();
            let late = if data.has_opens() { 0.0 } else { LATE };
            if off > 2.0 * (reach(a) + reach(b)) && off > (APART * a.at.0.min(b.at.0)).max(late) {
                pairs.push((promise(a, data.step) + promise(b, data.step), a, b));
            }
        }
    }
    pairs.sort_by(|x, y| y.0.total_cmp(&x.0));
    let scores = pairs.iter().take(CLOSE).filter_map(|p| both(&ages, data, (p.1, p.2), extra));
    scores.max_by(|a, b| a.ln.total_cmp(&b.ln))
}

/// The ages with what they count from.
fn ages(data: &Data) -> Vec<Age> {
    let mut before = None;
    let mut ages = Vec::with_capacity(data.ends.len());
    for (place, (open, &end)) in data.opens.iter().zip(&data.ends).enumerate() {
        ages.extend(open.or(before).map(|from| (place, from, end)));
        before = Some(end);
    }
    ages
}

/// The ages around a centre: six times as far as those nearby scatter.
fn cluster(lengths: &[f64], (centre, half): (f64, f64), step: f64) -> Cluster {
    let off = |age: &f64| (age - centre).abs();
    let nearby: Vec<f64> = lengths.iter().map(off).filter(|o| *o < NEARBY * centre).collect();
    let half = half.max(3.0 * median(&nearby)).min(NEARBY / 2.0 * centre);
    let reach = 2.0 * half + 3.0 * step;
    let near = |(_, age): &(usize, &f64)| off(age) <= reach;
    let members = lengths.iter().enumerate().filter(near).map(|(i, _)| i).collect();
    Cluster { at: (centre, half), members }
}

/// How much a cluster explains, roughly: many ages, closely.
fn promise(c: &Cluster, step: f64) -> f64 {
    c.members.len() as f64 * (c.at.0 / (c.at.1 + step)).max(1.0).ln()
}

fn both(ages: &[Age], data: &Data, (a, b): (&Cluster, &Cluster), extra: Extra) -> Option<Score> {
    let one = timer(ages, data, a, extra)?;
    let two = timer(ages, data, b, extra)?;
    let lengths: Vec<f64> = ages.iter().map(|a| a.2 - a.1).collect();
    let typical = median(&lengths).max(1e-9);
    let mut ln_rest = 0.0;
    let mut rest = 0.0;
    for (i, age) in lengths.iter().enumerate() {
        if !a.members.contains(&i) && !b.members.contains(&i) {
            ln_rest += ln_stranger(*age, typical);
            rest += 1.0;
        }
    }
    let counts = [a.members.len() as f64, b.members.len() as f64, rest];
    // Either may be called the first.
    let ln = one.ln + two.ln + ln_rest + ln_labels(counts) + (2.0_f64).ln();
    let told = |s: &Score, c: &Cluster| {
        let (period, var) = models::moments(&s.periods);
        Timer { period, var, ends: c.members.len() }
    };
    let mut timers = vec![told(&one, a), told(&two, b)];
    timers.sort_by_key(|t| std::cmp::Reverse(t.ends));
    let lead = if a.members.len() >= b.members.len() { one } else { two };
    Some(Score { ln, ln_peak: f64::NEG_INFINITY, setup: None, timers, ..lead })
}

/// The evidence of the ages of one cluster under one timer from the open.
fn timer(ages: &[Age], data: &Data, cluster: &Cluster, extra: Extra) -> Option<Score> {
    let own: Vec<&Age> = cluster.members.iter().filter_map(|i| ages.get(*i)).collect();
    let ends: Vec<f64> = own.iter().map(|a| a.2).collect();
    let opens: Vec<Option<f64>> = own.iter().map(|a| Some(a.1)).collect();
    let times = Times { ends: &ends, opens: &opens };
    let at = [cluster.at];
    let search = Search {
        kind: Kind::Age,
        at: &at,
        step: data.step,
        strangers: FIRM,
        hour_shift: false,
        tight: &[],
    };
    models::score(&search::fits(&times, &search), (Anchor::Mixed, 0.05), extra)
}

/// Logarithm of the probability of who is whose: shares drawn from [`SHARES`], then each label.
fn ln_labels(counts: [f64; 3]) -> f64 {
    let all: f64 = SHARES.iter().sum();
    let n: f64 = counts.iter().sum();
    let each = SHARES.iter().zip(counts).map(|(a, c)| ln_gamma(a + c) - ln_gamma(*a));
    ln_gamma(all) - ln_gamma(all + n) + each.sum::<f64>()
}
