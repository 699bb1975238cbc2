//! Where a period may be, and every fit of one kind of clock there: candidates × scatters.
//!
//! The scatter is integrated out on a grid that refines itself where the evidence is.

use super::beat::{self, Fit, Kind, Setup, Times};
use super::prior::Scatter;

/// Ages up to which every single one is tried as the period.
const SHORT: usize = 8;

/// Where to look for a period: (centre, half width) of the densest clusters of ages, three of each
/// width, the sharpest first; in a short series every age as well. Rather one too many than one too
/// few: each is judged by its evidence.
pub(super) fn candidates(ages: &[f64]) -> Vec<(f64, f64)> {
    let mut sorted: Vec<f64> = ages.iter().copied().filter(|a| *a > 0.0).collect();
    sorted.sort_by(f64::total_cmp);
    let mut found: Vec<(f64, f64)> = Vec::new();
    for width in [1e-4, 1e-3, 1e-2, 0.06, 0.3] {
        let mut windows = clusters(&sorted, width);
        windows.sort_by_key(|w| std::cmp::Reverse(w.0));
        let mut taken: Vec<f64> = Vec::new();
        for (count, middle) in windows {
            let apart = |t: &f64| (t - middle).abs() > 1.5 * width * middle;
            if count < 2 || taken.len() == 3 || !taken.iter().all(apart) {
                continue;
            }
            taken.push(middle);
            if !found.iter().any(|f| (f.0 - middle).abs() < 0.2 * width * middle) {
                found.push((middle, width * middle));
            }
        }
    }
    if sorted.len() <= SHORT {
        for &age in &sorted {
            if !found.iter().any(|f| (f.0 - age).abs() < 1e-3 * age) {
                found.push((age, 1e-3 * age));
            }
        }
    }
    found
}

/// Every window of the given relative width: how many ages it holds, and their median.
fn clusters(sorted: &[f64], width: f64) -> Vec<(usize, f64)> {
    let mut high = 0;
    let mut all = Vec::with_capacity(sorted.len());
    for (low, &from) in sorted.iter().enumerate() {
        while sorted.get(high).is_some_and(|a| *a <= from * (1.0 + width)) {
            high += 1;
        }
        let count = high - low;
        all.push((count, sorted.get(low + count / 2).copied().unwrap_or(from)));
    }
    all
}

/// What the fits of one kind of clock gave: logarithm of the scatter's weight, setting, fit.
pub(super) type Fits = Vec<(f64, Setup, Fit)>;

/// What is searched.
#[derive(Clone, Copy, Debug)]
pub(super) struct Search<'a> {
    /// The kind of clock.
    pub(super) kind: Kind,
    /// Where its period may be: (centre, half width); a half width of 0 is exactly there.
    pub(super) at: &'a [(f64, f64)],
    /// The same, with a width that does not grow with the scatter: ends that went unlogged at once
    /// hide a wide period's count.
    pub(super) tight: &'a [(f64, f64)],
    /// Step of the stamps.
    pub(super) step: f64,
    /// Pseudo-counts of strangers and ticks.
    pub(super) strangers: (f64, f64),
    /// Whether local clock changes move it.
    pub(super) hour_shift: bool,
}

/// One scatter tried, with its fits.
struct Node {
    /// Logarithm of the scatter.
    x: f64,
    /// Fits of different periods.
    fits: Vec<(Setup, Fit)>,
    /// The best of them.
    best: f64,
}

/// Coarse steps of the scatter.
const COARSE: usize = 10;

/// All fits.
pub(super) fn fits(times: &Times<'_>, search: &Search<'_>) -> Fits {
    let scale = search.at.iter().map(|a| a.0).fold(0.0, f64::max);
    if search.at.is_empty() || scale <= 0.0 {
        return Vec::new();
    }
    let range = Scatter::of(scale, search.step);
    let width = (range.high - range.low) / COARSE as f64;
    let at = |i: usize| range.low + width * i as f64;
    let ages = times.ages();
    let near: Vec<(f64, f64, f64)> =
        search.at.iter().map(|a| (a.0, a.1, guide(&ages, *a, search.step))).collect();
    let search = &Guided { search, near: &near };
    let mut nodes: Vec<Node> = (0..=COARSE).map(|i| node(times, search, at(i))).collect();
    // The scatter's logarithm is known to about 1 / sqrt(2 n).
    let fine = 1.0 / (2.0 * times.ends.len() as f64).sqrt();
    refine(times, search, &mut nodes, fine.max(0.03));
    weigh(nodes, &range)
}

/// A search, with how well each place is known: (centre, half width, [`Setup::guide`]).
struct Guided<'a> {
    search: &'a Search<'a>,
    near: &'a [(f64, f64, f64)],
}

/// How well the middle of the ages about a place is known, by their own spread: without bound of
/// less than three.
fn guide(ages: &[f64], (centre, half): (f64, f64), step: f64) -> f64 {
    let off = ages.iter().map(|a| (a - centre).abs()).filter(|off| *off <= half);
    let off: Vec<f64> = off.collect();
    match off.len() {
        0..3 => f64::INFINITY,
        n => 1.9 * super::data::median(&off) / (n as f64).sqrt() + 0.5 * step,
    }
}

/// The fits at one scatter, the same period only once.
fn node(times: &Times<'_>, Guided { search, near }: &Guided<'_>, x: f64) -> Node {
    let scatter = x.exp();
    let stamps = if search.kind == Kind::Age { 2.0 } else { 1.0 };
    let mut found: Vec<(Setup, Fit)> = Vec::new();
    let grown = |&(centre, half, guide): &(f64, f64, f64)| {
        let wide = if half > 0.0 { half + 2.0 * scatter + stamps * search.step } else { 0.0 };
        (centre, wide, guide)
    };
    let tight = search.tight.iter().map(|(centre, wide)| (*centre, *wide, f64::INFINITY));
    for (centre, wide, guide) in near.iter().map(grown).chain(tight) {
        let setup = Setup {
            kind: search.kind,
            period: (centre, wide.min(0.5 * centre)),
            scatter,
            rounding: search.step * search.step / 12.0,
            strangers: search.strangers,
            hour_shift: search.hour_shift,
            guide,
        };
        if let Some(fit) = beat::run(times, &setup, false).filter(|f| f.ticks > 0) {
            found.push((setup, fit));
        }
    }
    found.sort_by(|a, b| b.1.ln_mass.total_cmp(&a.1.ln_mass));
    let best = found.first().map_or(f64::NEG_INFINITY, |f| f.1.ln_mass);
    let mut fits: Vec<(Setup, Fit)> = Vec::new();
    for fit in found.into_iter().filter(|f| f.1.ln_mass > best - 15.0) {
        let same = |k: &(Setup, Fit)| {
            let apart = (k.1.period - fit.1.period).abs();
            apart < 5.0 * (k.1.var.sqrt() + fit.1.var.sqrt()) + 1e-9
        };
        if !fits.iter().any(same) {
            fits.push(fit);
        }
    }
    Node { x, fits, best }
}

/// Halves the steps around the best scatter until they are `fine`, then fills in beside it.
fn refine(times: &Times<'_>, search: &Guided<'_>, nodes: &mut Vec<Node>, fine: f64) {
    for _ in 0..12 {
        let best = nodes.iter().enumerate().max_by(|a, b| a.1.best.total_cmp(&b.1.best));
        let Some((i, best)) = best.map(|(i, n)| (i, n.x)) else { return };
        let near = |k: usize| nodes.get(k).map(|n| n.x);
        let below = i.checked_sub(1).and_then(near);
        let beyond = i.checked_sub(2).and_then(near);
        let pairs = [
            (beyond, below),
            (below, Some(best)),
            (Some(best), near(i + 1)),
            (near(i + 1), near(i + 2)),
        ];
        let wide = |(a, b): &(f64, f64)| b - a > 1.3 * fine;
        let gaps: Vec<(f64, f64)> =
            pairs.into_iter().filter_map(|(a, b)| a.zip(b)).filter(wide).collect();
        if gaps.is_empty() {
            return;
        }
        nodes.extend(gaps.iter().map(|(a, b)| node(times, search, (a + b) / 2.0)));
        nodes.sort_by(|a, b| a.x.total_cmp(&b.x));
    }
}

/// Gives each node the belief in the scatters nearest to it.
fn weigh(nodes: Vec<Node>, range: &Scatter) -> Fits {
    let at: Vec<f64> = nodes.iter().map(|n| n.x).collect();
    let mut all = Vec::new();
    for (i, node) in nodes.into_iter().enumerate() {
        let below =
            i.checked_sub(1).and_then(|k| at.get(k)).map_or(range.low, |x| (x + node.x) / 2.0);
        let above = at.get(i + 1).map_or(range.high, |x| (x + node.x) / 2.0);
        let ln_w = range.ln_weight(below, above);
        all.extend(node.fits.into_iter().map(|(setup, fit)| (ln_w, setup, fit)));
    }
    all
}
