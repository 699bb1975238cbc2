//! How many more endings would tell the two leading explanations apart.
//!
//! A forecast from the fitted scatter, not a promise: it assumes the leading explanation is true
//! and that endings go on as they did.

use super::data::Data;
use super::models;
use super::verdict::Ranked;
use crate::terms::Anchor;

/// Most endings asked for; beyond it the answer is that no number would.
const FAR: u32 = 1000;

/// Odds a name needs, with a margin for chance.
const ODDS: f64 = 100.0;

/// More endings needed, beyond those at hand.
pub(super) fn needed(data: &Data, ranked: &[Ranked]) -> Option<u32> {
    let (first, second) = (ranked.first()?, ranked.get(1)?);
    let lead = (first.p / second.p.max(1e-12)).ln();
    let short = ODDS.ln() - lead;
    let n = data.ends.len();
    let scatter = first.score.setup.map_or(0.0, |s| s.scatter);
    let rounding = data.step * data.step / 12.0;
    let pair = [first.score.anchor, second.score.anchor];
    if pair.contains(&Anchor::Random) {
        return Some(3_u32.saturating_sub(n as u32).max(2));
    }
    if pair.contains(&Anchor::Idle) || pair.contains(&Anchor::Mixed) {
        return None;
    }
    if scatter < 0.35 * data.step && !pair.contains(&Anchor::Wall) {
        // The noise is below the stamps' step: more of the same shows no more of it.
        return None;
    }
    let var = if scatter < 0.35 * data.step { 0.0 } else { scatter * scatter };
    let now = told(n as f64, var, rounding);
    let walks =
        (1..=FAR).find(|more| told(n as f64 + f64::from(*more), var, rounding) - now > short);
    let drifts = if pair.contains(&Anchor::Wall) { drifts(data, first) } else { None };
    match (walks, drifts) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (a, b) => a.or(b),
    }
}

/// Expected logarithm of the odds after `n` endings of noise that adds up (variance `var` a cycle)
/// against noise that does not, stamps rounded with variance `rounding`. A random walk minus its
/// fitted line has variance n/15 of a step's.
fn told(n: f64, var: f64, rounding: f64) -> f64 {
    let grid = var * n / 15.0 + rounding;
    let own = (var + (var * var + 4.0 * var * rounding).sqrt()) / 2.0 + rounding;
    (0.5 * n * (grid / own).ln()).max(0.0)
}

/// More endings until a drift of the size now estimated stands out from the stamps.
fn drifts(data: &Data, first: &Ranked) -> Option<u32> {
    let (cycle, var) = models::cycle(data)?;
    let setup = first.score.setup?;
    let drift =
        (cycle - super::prior::round_under(cycle, var.sqrt(), super::prior::Extra::Delay)?).abs();
    if drift < var.sqrt() {
        return None;
    }
    let noise = (data.step * data.step / 12.0 + setup.scatter * setup.scatter).sqrt();
    let cycles = (4.0 * noise / drift).ceil();
    let more = cycles - data.ends.len() as f64;
    (more <= f64::from(FAR)).then(|| more.max(1.0) as u32)
}
