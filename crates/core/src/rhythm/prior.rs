//! What is believed before any end is seen. Each number here is stated in `docs/rhythm.md`.
//!
//! All densities are proper and in seconds, so that models can be compared at all.

use std::f64::consts::PI;

/// Numbers people set timers to, seconds, in three ranks of popularity (weights 6, 2 and 1).
/// Counted over the catalogue of clocks, smoothed by hand.
const ROUND: [(f64, &[f64]); 3] = [
    (6.0, &[30.0, 60.0, 300.0, 600.0, 900.0, 1800.0, 3600.0, 7200.0, 43_200.0, 86_400.0]),
    (
        2.0,
        &[
            5.0, 10.0, 15.0, 20.0, 45.0, 90.0, 120.0, 180.0, 240.0, 350.0, 1200.0, 14_400.0,
            21_600.0, 28_800.0, 36_000.0, 432_000.0, 604_800.0,
        ],
    ),
    (
        1.0,
        &[
            1.0, 2.0, 3.0, 12.0, 25.0, 40.0, 50.0, 55.0, 75.0, 100.0, 150.0, 200.0, 250.0, 270.0,
            330.0, 360.0, 400.0, 420.0, 450.0, 480.0, 500.0, 540.0, 720.0, 750.0, 840.0, 1000.0,
            1500.0, 2000.0, 2100.0, 2400.0, 2700.0, 3000.0, 3300.0, 4000.0, 4500.0, 5000.0, 5400.0,
            9000.0, 10_800.0, 18_000.0, 25_200.0, 54_000.0, 64_800.0, 172_800.0, 259_200.0,
        ],
    ),
];

/// Share of timers that stand at a round number.
const ROUND_SHARE: f64 = 0.75;

/// The round numbers, each with its weight; the weights sum to one.
fn round() -> impl Iterator<Item = (f64, f64)> {
    let all: f64 = ROUND.iter().map(|(w, of)| w * of.len() as f64).sum();
    ROUND.iter().flat_map(move |(w, of)| of.iter().map(move |t| (*t, w / all)))
}

/// Periods a schedule keeps to the wall clock, with their weights: they divide a day or a week.
const WALL: [(f64, f64); 21] = [
    (5.0, 0.006),
    (10.0, 0.010),
    (15.0, 0.006),
    (20.0, 0.004),
    (30.0, 0.014),
    (60.0, 0.01),
    (300.0, 0.03),
    (600.0, 0.03),
    (900.0, 0.04),
    (1200.0, 0.01),
    (1800.0, 0.06),
    (3600.0, 0.16),
    (7200.0, 0.05),
    (10800.0, 0.03),
    (14400.0, 0.05),
    (21600.0, 0.06),
    (28800.0, 0.05),
    (43200.0, 0.11),
    (86400.0, 0.20),
    (172_800.0, 0.01),
    (604_800.0, 0.06),
];

/// Share of schedules that keep another even beat, as programs do that wait for the next full
/// multiple: half of them one of the other round numbers, half any whole number of seconds below a
/// minute, the smaller the likelier.
const BEAT_SHARE: f64 = 0.3;

/// Schedules that divide a day or a week, with their weights.
pub(super) fn schedules() -> impl Iterator<Item = (f64, f64)> {
    WALL.iter().map(|(t, w)| (*t, (1.0 - BEAT_SHARE) * w))
}

/// The others, with their weights: with [`schedules`] they sum to one. A number may stand twice.
pub(super) fn beats() -> impl Iterator<Item = (f64, f64)> {
    let other = || round().filter(|(t, _)| WALL.iter().all(|w| w.0 != *t));
    let (all, harmonic) =
        (other().map(|r| r.1).sum::<f64>(), seconds().map(|t| 1.0 / t).sum::<f64>());
    let round = other().map(move |(t, w)| (t, w / all));
    let any = seconds().map(move |t| (t, 1.0 / (t * harmonic)));
    round.chain(any).map(|(t, w)| (t, BEAT_SHARE / 2.0 * w))
}

/// Whole numbers of seconds below a minute.
fn seconds() -> impl Iterator<Item = f64> {
    (1..60_u8).map(f64::from)
}

/// Whether a period divides a day or is a whole number of days.
pub(super) fn divides_a_day(period: f64) -> bool {
    let whole = |x: f64| (x - x.round()).abs() < 1e-9;
    whole(86_400.0 / period) || whole(period / 86_400.0)
}

/// Reconnect delays: log-uniform between a millisecond and 100 s (0.4), and between 0.1 s and 10 s
/// (0.6), where programs' own pauses lie.
const DELAY: [(f64, (f64, f64)); 2] = [(0.4, (1e-3, 100.0)), (0.6, (0.1, 10.0))];

/// How long after its time a schedule's effect shows: log-uniform between 10 ms and 30 s.
const LAG: (f64, f64) = (0.01, 30.0);

/// The bell curve.
pub(super) fn normal(x: f64, var: f64) -> f64 {
    (-0.5 * x * x / var).exp() / (2.0 * PI * var).sqrt()
}

/// Its logarithm.
pub(super) fn ln_normal(x: f64, var: f64) -> f64 {
    -0.5 * (x * x / var + (2.0 * PI * var).ln())
}

/// Share of the standard bell below `z` (Abramowitz and Stegun 26.2.17, error below 1e-7).
pub(super) fn bell_below(z: f64) -> f64 {
    let t = 1.0 / (1.0 + 0.231_641_9 * z.abs());
    let poly = t
        * (0.319_381_530
            + t * (-0.356_563_782
                + t * (1.781_477_937 + t * (-1.821_255_978 + t * 1.330_274_429))));
    let tail = normal(z, 1.0) * poly;
    if z > 0.0 { 1.0 - tail } else { tail }
}

/// Share of the standard bell between two bounds, exact enough in the tails as well.
pub(super) fn bell_between(low: f64, high: f64) -> f64 {
    if low > 0.0 {
        return bell_below(-low) - bell_below(-high);
    }
    bell_below(high) - bell_below(low)
}

/// Log-uniform density between two bounds, blurred by a bell of width `sd`.
fn log_uniform(x: f64, sd: f64, (low, high): (f64, f64)) -> f64 {
    let span = (high / low).ln();
    if sd < x / 4.0 {
        return if x > low && x < high { 1.0 / (x * span) } else { 0.0 };
    }
    // The bell covers much of the range: sum over even steps of the logarithm.
    const STEPS: usize = 36;
    let width = span / STEPS as f64;
    let at = |i: usize| low * ((i as f64 + 0.5) * width).exp();
    (0..STEPS).map(|i| normal(x - at(i), sd * sd)).sum::<f64>() / STEPS as f64
}

/// Density of a reconnect delay near `x`, blurred by `sd`.
pub(super) fn delay(x: f64, sd: f64) -> f64 {
    DELAY.iter().map(|(w, range)| w * log_uniform(x, sd, *range)).sum()
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

/// Density of a period of `c` ± `sd` under a timer set to `t`.
pub(super) fn at(c: f64, t: f64, sd: f64, extra: Extra) -> f64 {
    match extra {
        _ if (c - t).abs() > 0.05 * t + 8.0 * sd + 1.0 => 0.0,
        Extra::Delay => delay(c - t, sd),
        Extra::Lateness => {
            let own = (0.2_f64).max(2e-5 * t);
            0.7 * normal(c - t, own * own + sd * sd) + 0.3 * delay(c - t, sd)
        }
        Extra::Drift => drift((c - t) / t, sd / t) / t,
    }
}

/// Density of a period near `c` known to ± `sd`, under a round timer plus `extra`, or any number.
/// A free clock's round numbers are half those of schedules: loops sleep for hours and days.
pub(super) fn period(c: f64, sd: f64, extra: Extra) -> f64 {
    let near = |t: f64| at(c, t, sd, extra);
    let round: f64 = round().map(|(t, w)| w * near(t)).sum();
    let round = match extra {
        Extra::Drift => 0.5 * round + 0.5 * WALL.iter().map(|(t, w)| w * near(*t)).sum::<f64>(),
        Extra::Delay | Extra::Lateness => round,
    };
    ROUND_SHARE * round + any_number(c)
}

/// Density of a period that is no round number.
fn any_number(c: f64) -> f64 {
    (1.0 - ROUND_SHARE) / (c.max(0.1) * (1e7_f64).ln())
}

/// Whether a free clock would keep such a period: within 300 ppm of a round number or of a few
/// whole seconds. Other clocks may keep any.
pub(super) fn plausible(c: f64, sd: f64, extra: Extra) -> bool {
    let near = |t: f64| (c - t).abs() < 3e-4 * t + 2.0 * sd;
    extra != Extra::Drift || round().any(|(t, _)| near(t)) || seconds().any(near)
}

/// The round number a cycle of `c` ± `sd` most likely stands on, if it is likelier than none.
pub(super) fn round_under(c: f64, sd: f64, extra: Extra) -> Option<f64> {
    let near = |t: f64| match extra {
        Extra::Delay => delay(c - t, sd) + 0.2 * drift((c - t) / t, sd / t) / t,
        Extra::Lateness => normal(c - t, 0.04 + 4e-10 * t * t + sd * sd) + delay(c - t, sd),
        Extra::Drift => drift((c - t) / t, sd / t) / t,
    };
    let best = round().map(|(t, w)| (w * near(t), t)).max_by(|a, b| a.0.total_cmp(&b.0))?;
    (ROUND_SHARE * best.0 > any_number(c)).then_some(best.1)
}

/// Factor for the phase of a schedule against a phase without meaning: `at` is the local time of
/// day of a tick, known to ± `sd`. Schedules run on a whole hour (0.35) or minute (0.35), and what
/// they do shows between 10 ms and 30 s later; the rest (0.3) run whenever. What does not divide a
/// day has no phase in it.
pub(super) fn phase(at: f64, sd: f64, period: f64) -> f64 {
    if !divides_a_day(period) {
        return 1.0;
    }
    let whole = |unit: f64| {
        let unit = unit.min(period);
        let past = at.rem_euclid(unit);
        let near = log_uniform(past, sd, LAG) + log_uniform(past - unit, sd, LAG);
        near * unit
    };
    0.3 + 0.35 * whole(60.0) + 0.35 * whole(3600.0)
}

/// What is believed of the scatter of one cycle of a given period: 0.7 log-uniform from 2 ms to
/// 100 s, 0.3 log-uniform from a thousandth to a fifth of the period, never above a fifth.
#[derive(Clone, Copy, Debug)]
pub(super) struct Scatter {
    period: f64,
    /// Logarithm of the least scatter told apart from none: a twentieth of the stamps' step.
    pub(super) low: f64,
    /// Logarithm of the greatest.
    pub(super) high: f64,
}

impl Scatter {
    /// For a period and a step of the stamps.
    pub(super) fn of(period: f64, step: f64) -> Scatter {
        let high = (0.2 * period).max(0.02);
        let low = (step / 20.0).clamp(0.002, high / 4.0);
        Scatter { period, low: low.ln(), high: high.ln() }
    }

    /// Belief in a scatter below exp(`x`), not normalised.
    fn below(&self, x: f64) -> f64 {
        let share = |low: f64, high: f64| {
            ((x.min(self.high) - low.ln()) / (high / low).ln()).clamp(0.0, 1.0)
        };
        0.7 * share(2e-3, 100.0) + 0.3 * share(1e-3 * self.period, 0.2 * self.period)
    }

    /// Logarithm of the weight of the scatters between exp(`from`) and exp(`to`).
    pub(super) fn ln_weight(&self, from: f64, to: f64) -> f64 {
        let from = if from <= self.low { 0.0 } else { self.below(from) };
        ((self.below(to) - from) / self.below(self.high)).max(1e-300).ln()
    }
}

/// Logarithm of a sum of exponentials.
pub(super) fn ln_sum(terms: &[f64]) -> f64 {
    let top = terms.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    if top == f64::NEG_INFINITY {
        return top;
    }
    top + terms.iter().map(|t| (t - top).exp()).sum::<f64>().ln()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn schedules_share_all_of_their_prior() {
        let all: f64 = schedules().chain(beats()).map(|(_, w)| w).sum();
        assert!((all - 1.0).abs() < 1e-9, "{all}");
        let (day, odd) = (divides_a_day(43_200.0), divides_a_day(7.0));
        assert!(day && divides_a_day(604_800.0) && !odd && !divides_a_day(4500.0));
    }
}
