//! What the literature would say of the same endings: three measures of "periodic or not", written
//! from their descriptions, for comparison only.
//!
//! None of them asks what a timer counts from; they are given the times alone, as they are made
//! for.

use crate::rhythm_truth::Dice;
use std::f64::consts::TAU;

/// Periods tried by [`rayleigh`], seconds: what a schedule would keep.
const PERIODS: [f64; 9] =
    [60.0, 300.0, 900.0, 1800.0, 3600.0, 14_400.0, 21_600.0, 43_200.0, 86_400.0];

/// The length of the mean phase vector, squared, times the number of ends.
fn power(ends: &[f64], frequency: f64) -> f64 {
    let (mut c, mut s) = (0.0, 0.0);
    for t in ends {
        let angle = TAU * (t * frequency).fract();
        c += angle.cos();
        s += angle.sin();
    }
    (c * c + s * s) / ends.len().max(1) as f64
}

/// Rayleigh's test of phases that are not uniform (Mardia and Jupp, Directional Statistics, 6.3.1)
/// at each of a few round periods the ends cover three times: p below 1 % after Bonferroni's
/// correction.
pub fn rayleigh(ends: &[f64]) -> bool {
    let over = ends.last().zip(ends.first()).map_or(0.0, |(l, f)| l - f);
    let covered = || PERIODS.iter().filter(|p| **p * 3.0 <= over);
    let least = covered().map(|p| (-power(ends, 1.0 / p)).exp()).fold(1.0, f64::min);
    least * (covered().count() as f64) < 0.01
}

/// The timestamp score of RITA 5 (`analysis/beacons.go`): the mean of one minus Bowley's skewness
/// and one minus the median absolute deviation over the median, of the gaps; 1 is a perfect beacon.
pub fn rita(gaps: &[f64]) -> f64 {
    let mut sorted = gaps.to_vec();
    sorted.sort_by(f64::total_cmp);
    let (q1, q2, q3) = (at(&sorted, 0.25), at(&sorted, 0.5), at(&sorted, 0.75));
    let skew = if q3 - q1 >= 10.0 && q2 != q1 && q2 != q3 {
        (q1 + q3 - 2.0 * q2) / (q3 - q1)
    } else {
        0.0
    };
    let mut off: Vec<f64> = sorted.iter().map(|g| (g - q2).abs()).collect();
    off.sort_by(f64::total_cmp);
    let even = if q2 >= 1.0 { ((q2 - at(&off, 0.5)) / q2).max(0.0) } else { 1.0 };
    (1.0 - skew.abs() + even) / 2.0
}

fn at(sorted: &[f64], share: f64) -> f64 {
    let place = share * (sorted.len().saturating_sub(1)) as f64;
    let low = sorted.get(place as usize).copied().unwrap_or(0.0);
    let high = sorted.get(place.ceil() as usize).copied().unwrap_or(low);
    low + (high - low) * place.fract()
}

/// The first filter of BAYWATCH (Hu and others, DSN 2016): the highest peak of the periodogram
/// against those of the same gaps in random order, here 39 orders. Shuffled gaps of a regular
/// series are as regular, so a peak counts as well when it holds 80 % of what a perfect beat would.
pub fn baywatch(ends: &[f64], dice: &mut Dice) -> bool {
    let gaps: Vec<f64> = ends.windows(2).map(|w| w[1] - w[0]).collect();
    let own = peak(ends, &gaps);
    if own > 0.8 * ends.len() as f64 {
        return true;
    }
    let mut shuffled = gaps.clone();
    (0..39).all(|_| {
        for i in (1..shuffled.len()).rev() {
            shuffled.swap(i, (dice.uniform() * (i + 1) as f64) as usize);
        }
        let mut t = 0.0;
        let mut times = vec![0.0];
        times.extend(shuffled.iter().map(|g| {
            t += g;
            t
        }));
        peak(&times, &gaps) < own
    })
}

/// The highest power at frequencies from three cycles in the series to one a median gap.
fn peak(ends: &[f64], gaps: &[f64]) -> f64 {
    let over = ends.last().zip(ends.first()).map_or(1.0, |(l, f)| l - f).max(1e-9);
    let mut sorted = gaps.to_vec();
    sorted.sort_by(f64::total_cmp);
    let highest = 1.5 / at(&sorted, 0.5).max(1e-3);
    let steps = ((highest * over * 4.0) as usize).clamp(1, 4000);
    let each = (0..steps).map(|i| 3.0 / over + (highest - 3.0 / over) * i as f64 / steps as f64);
    each.filter(|f| *f > 0.0).map(|f| power(ends, f)).fold(0.0, f64::max)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_perfect_beat_convinces_all_three() {
        let ends: Vec<f64> = (0..30).map(|i| f64::from(i) * 3600.0).collect();
        let gaps = vec![3600.0; 29];
        assert!(rayleigh(&ends) && rita(&gaps) > 0.99 && baywatch(&ends, &mut Dice::new(1)));
    }

    #[test]
    fn ends_at_random_convince_none() {
        let mut dice = Dice::new(5);
        let mut t = 0.0;
        let ends: Vec<f64> = (0..30)
            .map(|_| {
                t += 3600.0 * dice.exponential();
                t
            })
            .collect();
        let gaps: Vec<f64> = ends.windows(2).map(|w| w[1] - w[0]).collect();
        assert!(!rayleigh(&ends) && rita(&gaps) < 0.8 && !baywatch(&ends, &mut dice));
    }
}
