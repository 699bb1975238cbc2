//! Ages without a clock: exponential, lognormal, Weibull, Pareto; and one clock that is spread on
//! purpose, uniform between two bounds. Evidence in closed form or on small grids.
//!
//! "No clock" means wide: a spread of a third of the mean or more. Narrower is a jittered timer.

use super::prior::ln_sum;
use std::f64::consts::PI;

/// Logarithm of the range scales are believed in: 0.1 s to 10⁷ s, log-uniform.
fn ln_scales() -> f64 {
    (1e8_f64).ln()
}

/// ln Γ by Lanczos (g = 7, n = 9), for x > 0.
pub(super) fn ln_gamma(x: f64) -> f64 {
    const C: [f64; 8] = [
        676.5203681218851,
        -1259.1392167224028,
        771.323_428_777_653_1,
        -176.615_029_162_140_6,
        12.507343278686905,
        -0.13857109526572012,
        9.984369578019572e-6,
        1.5056327351493116e-7,
    ];
    if x < 0.5 {
        return (PI / (PI * x).sin()).ln() - ln_gamma(1.0 - x);
    }
    let x = x - 1.0;
    let series = C.iter().enumerate().map(|(i, c)| c / (x + i as f64 + 1.0));
    let a = 0.999_999_999_999_809_9 + series.sum::<f64>();
    let t = x + 7.5;
    0.5 * (2.0 * PI).ln() + (x + 0.5) * t.ln() - t + a.ln()
}

/// Sums the tails are computed from; ages below half a stamp's step count as that.
struct Sums {
    n: f64,
    logs: f64,
    squares: f64,
    least: f64,
    ages: Vec<f64>,
}

impl Sums {
    fn of(ages: &[f64], step: f64) -> Sums {
        let ages: Vec<f64> = ages.iter().map(|a| a.max(step / 2.0)).collect();
        let logs = ages.iter().map(|a| a.ln()).sum::<f64>();
        let squares = ages.iter().map(|a| a.ln().powi(2)).sum::<f64>();
        let least = ages.iter().copied().fold(f64::INFINITY, f64::min);
        Sums { n: ages.len() as f64, logs, squares, least, ages }
    }

    /// Weibull of shape `k` (1 is the exponential), its scale integrated out:
    /// k^(n-1) Γ(n) Π x^(k-1) / (Σ x^k)^n, over the logarithmic range.
    fn weibull(&self, k: f64) -> f64 {
        let power = self.ages.iter().map(|a| a.powf(k)).sum::<f64>();
        (self.n - 1.0) * k.ln() + ln_gamma(self.n) + (k - 1.0) * self.logs
            - self.n * power.ln()
            - ln_scales().ln()
    }

    /// Lognormal of width `s`, its median integrated out.
    fn lognormal(&self, s: f64) -> f64 {
        let apart = (self.squares - self.logs * self.logs / self.n).max(0.0);
        -self.logs - self.n * (s * (2.0 * PI).sqrt()).ln() - apart / (2.0 * s * s)
            + 0.5 * (2.0 * PI * s * s / self.n).ln()
            - ln_scales().ln()
    }

    /// Pareto of exponent `a`, its least value integrated out.
    fn pareto(&self, a: f64) -> f64 {
        let n = self.n;
        n * a.ln() - (a + 1.0) * self.logs + a * n * self.least.ln()
            - (a * n).ln()
            - ln_scales().ln()
    }
}

/// Logarithm of the evidence of ages without a clock.
pub(super) fn ln_random(ages: &[f64], step: f64) -> f64 {
    if ages.is_empty() {
        return 0.0;
    }
    let sums = Sums::of(ages, step);
    const SHAPES: [f64; 5] = [0.5, 0.7, 1.25, 1.6, 2.0];
    const WIDTHS: [f64; 6] = [0.35, 0.5, 0.75, 1.1, 1.6, 2.4];
    const TAILS: [f64; 5] = [0.5, 0.8, 1.2, 1.8, 2.7];
    let mut terms = vec![sums.weibull(1.0) + (0.4_f64).ln()];
    terms.extend(SHAPES.iter().map(|&k| sums.weibull(k) + (0.2_f64 / 5.0).ln()));
    terms.extend(WIDTHS.iter().map(|&s| sums.lognormal(s) + (0.25_f64 / 6.0).ln()));
    terms.extend(TAILS.iter().map(|&a| sums.pareto(a) + (0.15_f64 / 5.0).ln()));
    ln_sum(&terms)
}

/// Logarithm of the evidence of ages that are sums of as many waits as requests are allowed: gamma
/// of shape 12 to 150 (so many requests, each at random at a steady rate), the rate integrated out.
/// Fewer requests look like chance; of more no ages are evener, because no rate is so steady.
/// `None` of fewer than two ages.
pub(super) fn ln_count(ages: &[f64]) -> Option<f64> {
    const REQUESTS: [f64; 6] = [12.0, 20.0, 35.0, 60.0, 100.0, 150.0];
    if ages.len() < 2 || ages.iter().any(|a| *a <= 0.0) {
        return None;
    }
    let n = ages.len() as f64;
    let (sum, logs) = (ages.iter().sum::<f64>(), ages.iter().map(|a| a.ln()).sum::<f64>());
    let each = REQUESTS.iter().map(|k| {
        (k - 1.0) * logs + ln_gamma(k * n) - n * ln_gamma(*k) - k * n * sum.ln() - ln_scales().ln()
    });
    let terms: Vec<f64> = each.map(|t| t - (REQUESTS.len() as f64).ln()).collect();
    Some(ln_sum(&terms))
}

/// A maximum age spread uniformly: evidence, and the middle with its standard deviation.
#[derive(Clone, Copy, Debug)]
pub(super) struct Uniform {
    /// Logarithm of the evidence.
    pub(super) ln_mass: f64,
    /// Middle of the range.
    pub(super) middle: f64,
    /// Standard deviation of the middle.
    pub(super) sd: f64,
}

/// Ages uniform in T(1 − p) … T(1 + p), p log-uniform from 1 % to 40 %, T log-uniform.
pub(super) fn uniform(ages: &[f64]) -> Option<Uniform> {
    let low = ages.iter().copied().fold(f64::INFINITY, f64::min);
    let high = ages.iter().copied().fold(0.0, f64::max);
    let n = ages.len() as f64;
    if ages.len() < 3 || high <= 0.0 || low < 0.4 * high || high - low < 0.01 * high {
        return None;
    }
    const STEPS: usize = 14;
    let cell = 6.0 / STEPS as f64 / n * (high - low);
    let (mut terms, mut middles) = (Vec::new(), Vec::new());
    for i in 0..STEPS {
        for j in 0..STEPS {
            let a = low - (i as f64 + 0.5) * cell;
            let b = high + (j as f64 + 0.5) * cell;
            let (t, p) = ((a + b) / 2.0, (b - a) / (a + b));
            if a <= 0.0 || !(0.01..0.4).contains(&p) {
                continue;
            }
            // dT dp = da db / (2 T), with densities 1 / (T ln 1e8) and 1 / (p ln 40).
            let prior = 1.0 / (t * ln_scales() * p * (40.0_f64).ln() * 2.0 * t);
            terms.push(-n * (b - a).ln() + (prior * cell * cell).ln());
            middles.push(t);
        }
    }
    let ln_mass = ln_sum(&terms);
    let weights: Vec<f64> = terms.iter().map(|t| (t - ln_mass).exp()).collect();
    let middle = weights.iter().zip(&middles).map(|(w, t)| w * t).sum::<f64>();
    let var = weights.iter().zip(&middles).map(|(w, t)| w * (t - middle).powi(2)).sum::<f64>();
    (!terms.is_empty()).then_some(Uniform { ln_mass, middle, sd: var.sqrt() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_gamma_function_knows_its_factorials() {
        assert!((ln_gamma(5.0) - (24.0_f64).ln()).abs() < 1e-10);
        assert!((ln_gamma(0.5) - PI.sqrt().ln()).abs() < 1e-10);
    }

    #[test]
    fn the_evidence_of_a_count_matches_a_brute_sum() {
        let ages = [90.0_f64, 101.0, 97.0, 112.0, 85.0];
        let steps = 40_000;
        let width = (1e8_f64).ln() / f64::from(steps);
        let of = |k: f64| -> f64 {
            (0..steps)
                .map(|i| 0.1 * ((f64::from(i) + 0.5) * width).exp() / k)
                .map(|s: f64| {
                    let ln = |a: &f64| (k - 1.0) * a.ln() - a / s - k * s.ln() - ln_gamma(k);
                    ages.iter().map(ln).sum::<f64>().exp()
                })
                .sum::<f64>()
                / f64::from(steps)
        };
        let ks = [12.0, 20.0, 35.0, 60.0, 100.0, 150.0];
        let brute: f64 = ks.iter().map(|k| of(*k)).sum::<f64>() / 6.0;
        let closed = ln_count(&ages).unwrap().exp();
        assert!((brute / closed - 1.0).abs() < 1e-3, "{brute} {closed}");
    }

    #[test]
    fn exponential_evidence_matches_a_brute_sum() {
        let ages = [3.0_f64, 11.0, 5.0, 40.0];
        let steps = 40_000;
        let width = (1e8_f64).ln() / f64::from(steps);
        let brute: f64 = (0..steps)
            .map(|i| 0.1 * ((f64::from(i) + 0.5) * width).exp())
            .map(|m: f64| ages.iter().map(|a| (-a / m).exp() / m).product::<f64>())
            .sum::<f64>()
            / f64::from(steps);
        let closed = Sums::of(&ages, 0.001).weibull(1.0).exp();
        assert!((brute / closed - 1.0).abs() < 1e-3, "{brute} {closed}");
    }
}
