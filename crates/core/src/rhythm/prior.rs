//! What is believed before any end is seen. Each number here is stated in `docs/rhythm.md`.
//!
//! All densities are proper and in seconds, so that models can be compared at all.

use std::f64::consts::PI;

/// Numbers people set timers to, seconds. Half a minute to a fortnight; equal weight each.
pub(super) const ROUND: [f64; 72] = [
    1.0, 2.0, 3.0, 5.0, 10.0, 12.0, 15.0, 20.0, 25.0, 30.0, 40.0, 45.0, 50.0, 55.0, 60.0, 75.0,
    90.0, 100.0, 120.0, 150.0, 180.0, 200.0, 240.0, 250.0, 270.0, 300.0, 330.0, 350.0, 360.0,
    400.0, 420.0, 450.0, 480.0, 500.0, 540.0, 600.0, 720.0, 750.0, 840.0, 900.0, 1000.0, 1200.0,
    1500.0, 1800.0, 2000.0, 2100.0, 2400.0, 2700.0, 3000.0, 3300.0, 3600.0, 4000.0, 4500.0, 5000.0,
    5400.0, 7200.0, 9000.0, 10800.0, 14400.0, 18000.0, 21600.0, 25200.0, 28800.0, 36000.0, 43200.0,
    54000.0, 64800.0, 86400.0, 172_800.0, 259_200.0, 432_000.0, 604_800.0,
];

/// Share of timers that stand at a round number.
const ROUND_SHARE: f64 = 0.75;

/// Periods a schedule keeps to the wall clock, with their weights: they divide a day or a week.
pub(super) const WALL: [(f64, f64); 16] = [
    (60.0, 0.01),
    (300.0, 0.03),
    (600.0, 0.03),
    (900.0, 0.04),
    (1200.0, 0.01),
    (1800.0, 0.06),
    (3600.0, 0.17),
    (7200.0, 0.05),
    (10800.0, 0.03),
    (14400.0, 0.05),
    (21600.0, 0.06),
    (28800.0, 0.05),
    (43200.0, 0.12),
    (86400.0, 0.22),
    (172_800.0, 0.01),
    (604_800.0, 0.06),
];

/// Reconnect delays: log-uniform between a millisecond and 100 s.
const DELAY: (f64, f64) = (1e-3, 100.0);

/// The bell curve.
pub(super) fn normal(x: f64, var: f64) -> f64 {
    (-0.5 * x * x / var).exp() / (2.0 * PI * var).sqrt()
}

/// Its logarithm.
pub(super) fn ln_normal(x: f64, var: f64) -> f64 {
    -0.5 * (x * x / var + (2.0 * PI * var).ln())
}

/// Log-uniform density between two bounds, blurred by a bell of width `sd`.
fn log_uniform(x: f64, sd: f64, (low, high): (f64, f64)) -> f64 {
    let span = (high / low).ln();
    if sd < x / 4.0 {
        return if x < high { 1.0 / (x * span) } else { 0.0 };
    }
    // The bell covers much of the range: sum over even steps of the logarithm.
    const STEPS: usize = 36;
    let width = span / STEPS as f64;
    let at = |i: usize| low * ((i as f64 + 0.5) * width).exp();
    (0..STEPS).map(|i| normal(x - at(i), sd * sd)).sum::<f64>() / STEPS as f64
}

/// Density of a reconnect delay near `x`, blurred by `sd`.
pub(super) fn delay(x: f64, sd: f64) -> f64 {
    log_uniform(x, sd, DELAY)
}

/// Density of a relative drift `x` (1 = 100 %) of a clock, blurred by `sd`: a sum of two bells,
/// 20 ppm (crystals at room temperature) and 120 ppm (bad ones, virtual machines).
fn drift(x: f64, sd: f64) -> f64 {
    let bell = |s: f64| normal(x, s * s + sd * sd);
    0.7 * bell(20e-6) + 0.3 * bell(120e-6)
}

/// What a cycle's length is made of besides the timer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Extra {
    /// A reconnect delay or a loop's own work.
    Delay,
    /// Only how late the timer itself fires.
    Lateness,
    /// A clock that runs fast or slow.
    Drift,
}

/// Density of a period near `c` known to ± `sd`, under a round timer plus `extra`, or any number.
pub(super) fn period(c: f64, sd: f64, extra: Extra) -> f64 {
    let weight = ROUND_SHARE / ROUND.len() as f64;
    let reach = |t: f64| (c - t).abs() < 0.05 * t + 8.0 * sd + 1.0;
    let near = |t: f64| match extra {
        Extra::Delay => delay(c - t, sd),
        Extra::Lateness => {
            let own = (0.2_f64).max(2e-5 * t);
            0.7 * normal(c - t, own * own + sd * sd) + 0.3 * delay(c - t, sd)
        }
        Extra::Drift => drift((c - t) / t, sd / t) / t,
    };
    let round: f64 = ROUND.iter().filter(|t| reach(**t)).map(|t| near(*t)).sum();
    let any = (1.0 - ROUND_SHARE) / (c.max(0.1) * (1e7_f64).ln());
    weight * round + any
}

/// The round number a cycle of `c` ± `sd` most likely stands on, if it is likelier than none.
pub(super) fn round_under(c: f64, sd: f64, extra: Extra) -> Option<f64> {
    let weight = ROUND_SHARE / ROUND.len() as f64;
    let any = (1.0 - ROUND_SHARE) / (c.max(0.1) * (1e7_f64).ln());
    let near = |t: f64| match extra {
        Extra::Delay => delay(c - t, sd) + 0.2 * drift((c - t) / t, sd / t) / t,
        Extra::Lateness => normal(c - t, 0.04 + 4e-10 * t * t + sd * sd) + delay(c - t, sd),
        Extra::Drift => drift((c - t) / t, sd / t) / t,
    };
    let best = ROUND.iter().map(|&t| (near(t), t)).max_by(|a, b| a.0.total_cmp(&b.0))?;
    (weight * best.0 > any).then_some(best.1)
}

/// Scatter of one cycle, seconds, with its weight: log-uniform from 2 ms to 100 s, and from a
/// thousandth to a fifth of the period.
pub(super) fn scatters(period: f64, step: f64) -> Vec<(f64, f64)> {
    const NODES: usize = 15;
    let high = (0.2 * period).max(0.02);
    // Below a twentieth of the stamps' step nothing changes any more: those weigh as one.
    let low = (step / 20.0).clamp(0.002, high / 4.0);
    let width = (high / low).ln() / (NODES - 1) as f64;
    let absolute = 0.7 / (50_000.0_f64).ln();
    let relative = 0.3 / (200.0_f64).ln();
    let mut nodes: Vec<(f64, f64)> = (0..NODES)
        .map(|i| {
            let s = low * (i as f64 * width).exp();
            let a = if s <= 100.0 { absolute } else { 0.0 };
            let b = if s >= 0.001 * period { relative } else { 0.0 };
            (s, (a + b) * width)
        })
        .collect();
    if let Some(first) = nodes.first_mut() {
        first.1 += absolute * (low / 0.002).ln().max(0.0);
    }
    let all: f64 = nodes.iter().map(|n| n.1).sum();
    nodes.iter_mut().for_each(|n| n.1 /= all);
    nodes
}

/// Logarithm of a sum of exponentials.
pub(super) fn ln_sum(terms: &[f64]) -> f64 {
    let top = terms.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    if top == f64::NEG_INFINITY {
        return top;
    }
    top + terms.iter().map(|t| (t - top).exp()).sum::<f64>().ln()
}
