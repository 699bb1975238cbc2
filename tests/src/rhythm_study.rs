//! The rhythm's simulation study as a library: its grid, what a cell's runs come to, and whether
//! that is what was promised.
//!
//! Prints nothing: the command does, and a small fixed part is among the ordinary tests.

use crate::rhythm_truth::{Case, Cell, Dice, TRUTHS, Truth, draw};
use hopclock_core::rhythm::{self, Model, Reading};
use hopclock_core::terms::Anchor;

/// What a cell's runs came to.
#[derive(Clone, Debug, Default)]
pub struct Count {
    /// Runs.
    pub runs: u32,
    /// The anchor named is true.
    pub right: u32,
    /// It is not.
    pub wrong: u32,
    /// None is named, or one that is true as well.
    pub left: u32,
    /// The true anchor is the most probable.
    pub led: u32,
    /// Intervals that hold the true period, of [`Count::periods`].
    pub held: u32,
    /// Intervals given where there is a period.
    pub periods: u32,
    /// Changes of regime claimed.
    pub changes: u32,
    /// Those at the right end, give or take one.
    pub dated: u32,
}

/// A share held against [`Count::narrow`]: what chance brings once in a thousand cells.
const CHANCE: f64 = 1e-3;

impl Count {
    /// Takes the runs of another in.
    pub fn add(&mut self, o: &Count) {
        let mine = [&mut self.runs, &mut self.right, &mut self.wrong, &mut self.left];
        mine.into_iter().zip([o.runs, o.right, o.wrong, o.left]).for_each(|(a, b)| *a += b);
        let mine = [&mut self.led, &mut self.held, &mut self.periods];
        mine.into_iter().zip([o.led, o.held, o.periods]).for_each(|(a, b)| *a += b);
        let mine = [&mut self.changes, &mut self.dated];
        mine.into_iter().zip([o.changes, o.dated]).for_each(|(a, b)| *a += b);
    }

    /// One percent or more of the runs are named wrong.
    pub fn misled(&self) -> bool {
        f64::from(self.wrong) >= 0.01 * f64::from(self.runs) && self.wrong > 0
    }

    /// Fewer intervals hold the period than 95 % would by chance once in a thousand such cells.
    pub fn narrow(&self) -> bool {
        at_most(self.held, self.periods, 0.95) < CHANCE
    }
}

/// Probability of `k` or fewer of `n` where each comes with probability `p`.
pub fn at_most(k: u32, n: u32, p: f64) -> f64 {
    let mut ln = f64::from(n) * (1.0 - p).ln();
    let mut sum = ln.exp();
    for i in 0..k {
        ln += (f64::from(n - i) / f64::from(i + 1)).ln() + (p / (1.0 - p)).ln();
        sum += ln.exp();
    }
    sum.min(1.0)
}

/// Probabilities given against how often they came true, in twentieths: sum, true, times.
#[derive(Clone, Debug, Default)]
pub struct Reliability(pub [(f64, u32, u32); 20]);

impl Reliability {
    /// Takes a reading's models in.
    fn take(&mut self, models: &[Model], truth: Anchor) {
        for m in models {
            let at = ((m.probability * 20.0) as usize).min(19);
            let Some(r) = self.0.get_mut(at) else { continue };
            r.0 += m.probability;
            r.1 += u32::from(m.anchor == truth);
            r.2 += 1;
        }
    }

    /// Takes another's in.
    pub fn add(&mut self, other: &Reliability) {
        for (a, b) in self.0.iter_mut().zip(&other.0) {
            *a = (a.0 + b.0, a.1 + b.1, a.2 + b.2);
        }
    }
}

/// The grid for one truth.
pub fn cells(truth: Truth) -> Vec<Cell> {
    let mut all = Vec::new();
    let jitters: &[f64] = match truth {
        _ if truth.short() => &[0.002, 0.02, 0.2],
        _ if truth.ticks() => &[0.02, 0.5, 5.0],
        _ => &[0.2],
    };
    let missed: &[f64] = if truth.ticks() { &[0.0, 0.15] } else { &[0.0] };
    let hands: &[bool] = match truth {
        // Without a restart by hand nothing tells a loop from a timer that the open starts.
        Truth::Loop => &[true],
        Truth::ChangedWall => &[false],
        _ if truth.ticks() => &[false, true],
        _ => &[false],
    };
    for events in [5, 7, 14, 28, 60] {
        for &jitter in jitters {
            for step_ms in [1000, 1] {
                for &missed in missed {
                    for &by_hand in hands {
                        all.push(Cell { truth, events, jitter, step_ms, missed, by_hand });
                    }
                }
            }
        }
    }
    all
}

/// The noise of one run: no two runs of the grid share theirs.
pub fn dice(cell: &Cell, run: u32) -> Dice {
    let truth = TRUTHS.iter().position(|t| *t == cell.truth).unwrap_or(0) as u64;
    let place = [
        truth,
        cell.events as u64,
        cell.jitter.to_bits(),
        cell.step_ms.unsigned_abs(),
        cell.missed.to_bits(),
        u64::from(cell.by_hand),
        u64::from(run),
    ];
    // Fowler, Noll and Vo's hash of the numbers, then splitmix's own mixing.
    let mix = |hash: u64, part: &u64| (hash ^ part).wrapping_mul(0x0000_0100_0000_01B3);
    Dice::new(place.iter().fold(0xCBF2_9CE4_8422_2325, mix))
}

/// What became of one run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Came {
    /// Named as it is.
    Right,
    /// Named otherwise.
    Wrong,
    /// Not named, or by a name that is right as well.
    Left,
}

/// Judges a reading.
pub fn came(case: &Case, truth: Truth, said: Anchor) -> Came {
    match said {
        a if a == truth.anchor() => Came::Right,
        a if a == Anchor::Undetermined || case.also.contains(&a) => Came::Left,
        _ => Came::Wrong,
    }
}

/// Runs `runs` of a cell's runs; `told` hears of each.
pub fn run(
    cell: &Cell,
    runs: std::ops::Range<u32>,
    reliability: &mut Reliability,
    told: &mut dyn FnMut(u32, Came, &Case, &Reading),
) -> Count {
    let mut count = Count { runs: runs.end - runs.start, ..Count::default() };
    for number in runs {
        let case = draw(cell, &mut dice(cell, number));
        let reading = rhythm::read(&case.series);
        let came = came(&case, cell.truth, reading.rhythm.anchor);
        count.right += u32::from(came == Came::Right);
        count.wrong += u32::from(came == Came::Wrong);
        count.left += u32::from(came == Came::Left);
        let led = reading.models.first().is_some_and(|m| m.anchor == cell.truth.anchor());
        count.led += u32::from(led);
        reliability.take(&reading.models, cell.truth.anchor());
        let regime = reading.regimes.get(1);
        count.changes += u32::from(regime.is_some());
        let dated = regime.zip(case.changed).is_some_and(|(r, at)| r.from.abs_diff(at) <= 1);
        count.dated += u32::from(dated);
        let r = &reading.rhythm;
        if let (Some(p), Some(low), Some(high)) = (case.period, r.low_s, r.high_s) {
            count.periods += 1;
            count.held += u32::from((low..=high).contains(&p));
        }
        told(number, came, &case, &reading);
    }
    count
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_binomial_tail_is_the_brute_sum() {
        assert!((at_most(1, 3, 0.5) - 0.5).abs() < 1e-12);
        assert!((at_most(100, 100, 0.95) - 1.0).abs() < 1e-9);
        // 85 of 100 at 95 %: 0.00013.
        let tail = at_most(85, 100, 0.95);
        assert!((1e-4..3e-4).contains(&tail), "{tail}");
    }
}
