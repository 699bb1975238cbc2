//! A series as numbers: seconds from its first moment, lifetimes, silences, bursts.
//!
//! Refuses nothing: ends out of order are sorted, ages that run backwards count as unknown.

use crate::rhythm::{Series, Span};
use crate::time::Moment;

/// Endings used at most; the latest are kept.
pub(super) const MOST: usize = 2000;

/// A series, ready to be scored.
#[derive(Clone, Debug)]
pub(super) struct Data {
    /// Ends, ascending, in seconds since the series' first moment.
    pub(super) ends: Vec<f64>,
    /// Opens, where known.
    pub(super) opens: Vec<Option<f64>>,
    /// Lifetimes, where the open is known.
    pub(super) lives: Vec<Option<f64>>,
    /// Silences before the end, where the last activity is known.
    pub(super) silences: Vec<Option<f64>>,
    /// Step of the stamps.
    pub(super) step: f64,
    /// Local time of day of the series' first moment, seconds.
    pub(super) day_s: f64,
    /// Whether connections overlap in time, so that the time between two ends is nobody's age.
    pub(super) parallel: bool,
    /// Index in the caller's series of each end kept.
    pub(super) index: Vec<usize>,
}

impl Data {
    /// From a series.
    pub(super) fn of(series: &Series) -> Data {
        let mut order: Vec<usize> = (0..series.spans.len()).collect();
        order.sort_by_key(|&i| series.spans.get(i).map(|s| s.end));
        let index = order.split_off(order.len().saturating_sub(MOST));
        let spans: Vec<Span> = index.iter().filter_map(|&i| series.spans.get(i).copied()).collect();
        let base = spans.iter().map(|s| s.open.unwrap_or(s.end).min(s.end)).min();
        let base = base.unwrap_or(Moment::from_ns(0));
        let secs = |m: Moment| m.since(base).secs_f64();
        let step = series.resolution.abs().secs_f64().max(1e-6);
        let opens: Vec<Option<f64>> =
            spans.iter().map(|s| s.open.filter(|o| *o <= s.end).map(secs)).collect();
        let ends: Vec<f64> = spans.iter().map(|s| secs(s.end)).collect();
        let last = |s: &Span| s.last_activity.filter(|a| *a <= s.end);
        let silences = spans.iter().map(|s| last(s).map(|a| s.end.since(a).secs_f64())).collect();
        let lives = opens.iter().zip(&ends).map(|(o, e)| o.map(|o| e - o)).collect();
        let day_s = (base.secs_f64() + f64::from(series.offset_s)).rem_euclid(86_400.0);
        let parallel = overlap(&opens, &ends);
        Data { ends, opens, lives, silences, step, day_s, parallel, index }
    }

    /// The same without opens: only the rhythm of the ends is asked for.
    pub(super) fn without_opens(&self) -> Data {
        let none = vec![None; self.ends.len()];
        Data { opens: none.clone(), lives: none.clone(), silences: none, ..self.clone() }
    }

    /// The ends from a place on.
    pub(super) fn tail(&self, from: usize) -> Data {
        let cut = |of: &[Option<f64>]| of.get(from..).unwrap_or_default().to_vec();
        Data {
            ends: self.ends.get(from..).unwrap_or_default().to_vec(),
            opens: cut(&self.opens),
            lives: cut(&self.lives),
            silences: cut(&self.silences),
            index: self.index.get(from..).unwrap_or_default().to_vec(),
            ..*self
        }
    }

    /// Whether opens are known for nearly all ends.
    pub(super) fn has_opens(&self) -> bool {
        known(&self.lives) * 5 >= self.lives.len() * 4 && known(&self.lives) > 0
    }

    /// Whether last activities are known for nearly all ends.
    pub(super) fn has_silences(&self) -> bool {
        known(&self.silences) * 5 >= self.silences.len() * 4 && known(&self.silences) > 0
    }

    /// Ends and opens in the order of the opens; what has none stays where its end is.
    pub(super) fn by_open(&self) -> (Vec<f64>, Vec<Option<f64>>) {
        let order = self.open_order();
        let end = |i: &usize| self.ends.get(*i).copied();
        let open = |i: &usize| self.opens.get(*i).copied();
        (order.iter().filter_map(end).collect(), order.iter().filter_map(open).collect())
    }

    /// The places of the ends in the order of their opens.
    pub(super) fn open_order(&self) -> Vec<usize> {
        let mut order: Vec<usize> = (0..self.ends.len()).collect();
        if !self.parallel {
            return order;
        }
        let key = |i: usize| {
            let open = self.opens.get(i).copied().flatten();
            open.or(self.ends.get(i).copied()).unwrap_or(0.0)
        };
        order.sort_by(|a, b| key(*a).total_cmp(&key(*b)));
        order
    }

    /// Times between consecutive ends.
    pub(super) fn gaps(&self) -> Vec<f64> {
        self.ends.windows(2).map(|w| w[1] - w[0]).collect()
    }

    /// What a renewal would explain: lifetimes, or the times between ends where no open is known.
    pub(super) fn ages(&self) -> Vec<f64> {
        let mut before = None;
        let mut ages = Vec::with_capacity(self.ends.len());
        for (life, &end) in self.lives.iter().zip(&self.ends) {
            ages.extend(life.or(before.map(|b| end - b)));
            before = Some(end);
        }
        ages
    }

    /// Times from an end to the next open, for connections one after the other.
    pub(super) fn delays(&self) -> Vec<f64> {
        let next = self.opens.iter().skip(1);
        let pairs = self.ends.iter().zip(next);
        pairs.filter_map(|(e, o)| o.map(|o| o - e)).filter(|d| *d >= 0.0).collect()
    }
}

/// How many are known.
fn known(values: &[Option<f64>]) -> usize {
    values.iter().flatten().count()
}

/// Whether more than a fifth of the connections opened before the one that ended before them did.
fn overlap(opens: &[Option<f64>], ends: &[f64]) -> bool {
    let pairs = ends.iter().zip(opens.iter().skip(1));
    let (mut all, mut over) = (0usize, 0usize);
    for (end, open) in pairs.filter_map(|(e, o)| o.map(|o| (e, o))) {
        all += 1;
        over += usize::from(open < *end);
    }
    over * 5 > all
}

/// The middle value; 0 of nothing.
pub(super) fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let mid = sorted.len() / 2;
    match (sorted.get(mid), sorted.get(mid.wrapping_sub(1))) {
        (Some(&hi), Some(&lo)) if sorted.len().is_multiple_of(2) => (hi + lo) / 2.0,
        (Some(&m), _) => m,
        _ => 0.0,
    }
}
