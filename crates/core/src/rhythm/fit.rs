//! How well the clock that leads fits: the ends it explains, their scatter, and whether what is
//! left over has a pattern.
//!
//! Probabilities only compare explanations; the best of them may still be a bad one. Under the
//! right one what each tick is off by is new each time: a course in it is something nobody
//! explained. Names nothing.

use super::beat::Part;
use super::data::Data;
use super::models::{self, Score};
use super::verdict::FINE;
use crate::rhythm::Fit;

/// Fewer ticks show no pattern.
const FEWEST: usize = 8;
/// Neighbours compared: each with the next, and with the one after.
const LAGS: usize = 2;

/// Holds the clock's best setting against the ends since it was last set anew; `None` where it
/// takes more than one timer.
pub(super) fn of(data: &Data, score: &Score) -> Option<Fit> {
    let setup = score.setup.filter(|_| score.timers.is_empty())?;
    let (parts, left) = models::course(data, score);
    let ticks = parts.iter().filter(|p| matches!(p.1, Part::Tick(_) | Part::Late(_))).count();
    // Rounding that repeats itself is a pattern of the stamps, not of the clock.
    let seen = setup.scatter >= FINE * data.step && left.len() >= FEWEST;
    Some(Fit {
        ends: ticks,
        of: parts.len(),
        scatter_s: setup.scatter,
        pattern_p: seen.then(|| white(&left)),
    })
}

/// Probability of as much likeness between neighbours where there is none (Ljung and Box, 1978:
/// with two lags the statistic's tail is an exponential).
fn white(left: &[f64]) -> f64 {
    let n = left.len() as f64;
    let mean = left.iter().sum::<f64>() / n;
    let off: Vec<f64> = left.iter().map(|x| x - mean).collect();
    let all: f64 = off.iter().map(|x| x * x).sum::<f64>().max(1e-300);
    let likeness = |lag: usize| {
        let pairs = off.iter().zip(off.iter().skip(lag));
        pairs.map(|(a, b)| a * b).sum::<f64>() / all
    };
    let each = (1..=LAGS).map(|lag| likeness(lag).powi(2) / (n - lag as f64));
    (-0.5 * n * (n + 2.0) * each.sum::<f64>()).exp()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_course_is_a_pattern_and_noise_is_none() {
        let wave: Vec<f64> = (0..40).map(|i| (f64::from(i) / 6.0).sin()).collect();
        assert!(white(&wave) < 1e-6, "{}", white(&wave));
        // Digits of a fraction without a period, as even as noise.
        let noise: Vec<f64> = (1..41).map(|i| (f64::from(i * i) * 0.754_877).fract()).collect();
        assert!(white(&noise) > 0.05, "{}", white(&noise));
    }
}
