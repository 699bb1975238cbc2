//! Many ends at once: what hits several connections in the same moments.
//!
//! A burst is three or more ends, each within two seconds (or two stamp steps) of the one before.
//! Refuses a series whose ordinary rhythm is that fast.

use super::data::Data;
use super::spread;

/// A series whose ends come in bursts.
#[derive(Clone, Debug)]
pub(super) struct Bursts {
    /// First end of each burst, and the ends that stand alone.
    pub(super) heads: Vec<f64>,
    /// Logarithm of the density of all others, given the heads.
    pub(super) ln_followers: f64,
    /// Size of the largest burst.
    pub(super) largest: usize,
    /// Number of bursts of three or more.
    pub(super) count: usize,
}

impl Bursts {
    /// Finds them; `None` unless most ends are in bursts.
    pub(super) fn of(data: &Data) -> Option<Bursts> {
        let near = (2.0 * data.step).max(2.0);
        let mut groups: Vec<Vec<f64>> = Vec::new();
        for &end in &data.ends {
            match groups.last_mut() {
                Some(g) if g.last().is_some_and(|l| end - l <= near) => g.push(end),
                _ => groups.push(vec![end]),
            }
        }
        let long = |g: &&Vec<f64>| g.len() >= 3;
        let span = |g: &Vec<f64>| g.last().zip(g.first()).map_or(0.0, |(l, f)| l - f);
        let inside: usize = groups.iter().filter(long).map(Vec::len).sum();
        let widest = groups.iter().map(span).fold(0.0, f64::max);
        if inside * 5 < data.ends.len() * 3 || widest > 10.0 * near {
            return None;
        }
        // On a busy path ends fall close together by chance: bursts must stand far apart.
        let over = data.ends.last().zip(data.ends.first()).map_or(0.0, |(l, f)| l - f);
        if groups.len() > 1 && over < 15.0 * near * groups.len() as f64 {
            return None;
        }
        let heads: Vec<f64> = groups.iter().filter_map(|g| g.first().copied()).collect();
        let after = |g: &Vec<f64>| g.windows(2).map(|w| w[1] - w[0]).collect::<Vec<f64>>();
        let followers: Vec<f64> = groups.iter().flat_map(after).collect();
        let share = followers.len() as f64 / data.ends.len() as f64;
        let kept = (data.ends.len() - followers.len()) as f64;
        let ln_share = followers.len() as f64 * share.ln() + kept * (1.0 - share).ln();
        Some(Bursts {
            heads,
            ln_followers: ln_share + spread::ln_random(&followers, data.step),
            largest: groups.iter().map(Vec::len).max().unwrap_or(0),
            count: groups.iter().filter(long).count(),
        })
    }
}
