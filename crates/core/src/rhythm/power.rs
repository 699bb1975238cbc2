//! How many more endings would tell the leading explanation from its rivals.
//!
//! A forecast from the fitted scatter, not a promise: it assumes that the leading explanation is
//! true and that endings go on as they did. Each rival is asked in turn; the slowest counts.

use super::data::Data;
use super::models;
use super::prior::{self, Extra};
use super::spread;
use super::verdict::{COUNT_TIE, DISCIPLINED, Ranked, SURE, SURER, TIE, slack};
use crate::terms::Anchor;

/// Most endings asked for; beyond it the answer is that no number would.
const FAR: u32 = 1000;
/// What the forecast is stretched by.
const UNSURE: f64 = 2.2;
/// A rival below this is none.
const RIVAL: f64 = 0.005;
/// What each age of a flat spread says against a bell as wide, in the natural logarithm: on average
/// ln(√(2πe)/√12), and its standard deviation, that of a flat spread's square over two.
const FLAT: (f64, f64) = (0.176, 0.45);
/// Prior share of a flat spread among timers counted from the open.
const FLAT_SHARE: f64 = 0.2;
/// One-sided 95 % of the bell.
const LUCK: f64 = 1.645;

/// What the forecast needs.
struct View<'a> {
    data: &'a Data,
    first: &'a Ranked,
    /// Variance of a cycle's noise, and of a stamp's rounding.
    noise: (f64, f64),
}

/// More endings needed, beyond those at hand; `None` when no number would do.
pub(super) fn needed(data: &Data, ranked: &[Ranked]) -> Option<u32> {
    let first = ranked.first()?;
    let scatter = first.score.setup.map_or(0.0, |s| s.scatter);
    let noise = (scatter * scatter, data.step * data.step / 12.0);
    let view = View { data, first, noise };
    let rivals = ranked.iter().skip(1).filter(|r| r.p > RIVAL || tied(first, r));
    // A name that lacks only ages needs those.
    let few = 7_u32.saturating_sub(data.ends.len() as u32).max(1);
    // The fitted scatter and drift are uncertain themselves, the more the fewer ends there are; how
    // much, the study says. The shape of ages stands on neither.
    let unsure = UNSURE * (1.0 + 6.0 / data.ends.len().max(1) as f64);
    let stretched = |r: &Ranked, more: u32| match r.score.anchor {
        Anchor::Count => f64::from(more),
        _ => f64::from(more.max(few)) * unsure,
    };
    let each: Option<Vec<f64>> =
        rivals.map(|r| view.against(r).map(|more| stretched(r, more))).collect();
    let most = each?.into_iter().fold(f64::from(few), f64::max);
    Some(most.ceil() as u32 + 4)
}

/// Whether two explanations are kept apart by priors alone.
fn tied(a: &Ranked, b: &Ranked) -> bool {
    let grid =
        |r: &Ranked| matches!(r.score.anchor, Anchor::Open | Anchor::Wall | Anchor::FreeRunning);
    grid(a) && grid(b) && (a.score.ln_peak - b.score.ln_peak).abs() < TIE
}

impl View<'_> {
    fn against(&self, rival: &Ranked) -> Option<u32> {
        let lead = (self.first.p / rival.p.max(1e-12)).ln();
        match (self.first.score.anchor, rival.score.anchor) {
            (Anchor::Open, Anchor::Count) => self.flat(rival),
            // Shapes of ages that differ so little no number of them parts.
            (Anchor::Count, _) | (_, Anchor::Count) => None,
            (Anchor::Random, _) => Some(6),
            (_, Anchor::Random) => Some(3),
            (Anchor::Idle | Anchor::Mixed | Anchor::Event, _) => None,
            (_, Anchor::Idle | Anchor::Event) => None,
            // A timer without strangers gains on one with many at each tick.
            (_, Anchor::Mixed) => Some(((SURE.1.ln() - lead).max(0.0) / 0.5).ceil() as u32 + 1),
            (Anchor::Wall, Anchor::FreeRunning) => self.disciplined(lead),
            (Anchor::FreeRunning, Anchor::Wall) => self.drifts(),
            (Anchor::Open, Anchor::Wall) => match (self.walks(lead), self.drifts()) {
                (Some(a), Some(b)) => Some(a.min(b)),
                (a, b) => a.or(b),
            },
            _ => self.walks(lead),
        }
    }

    /// Until ages spread evenly between two bounds are told from those a number of requests makes:
    /// each tells [`FLAT`] on average. A bell about a timer is what a number of requests makes.
    fn flat(&self, rival: &Ranked) -> Option<u32> {
        let flat = spread::uniform(&self.data.ages())?.ln_mass;
        let (open, count) = (self.first.score.ln, rival.score.ln);
        if flat + FLAT_SHARE.ln() < open - 1.0 {
            return None;
        }
        let n = self.data.ages().len() as f64;
        (1..=FAR).find(|more| {
            let m = f64::from(*more);
            let told = open - count + FLAT.0 * m - LUCK * FLAT.1 * m.sqrt();
            told > COUNT_TIE.0 + COUNT_TIE.1 / (n + m)
        })
    }

    /// Until noise that adds up is told from noise that does not.
    fn walks(&self, lead: f64) -> Option<u32> {
        let n = self.data.ends.len() as f64;
        // The scatter found later may be somewhat less.
        let scatter = 0.8 * self.noise.0.sqrt() / self.data.step;
        let now = self.told(n);
        (1..=FAR).find(|more| {
            let ends = n + f64::from(*more);
            let told = self.told(ends);
            let low = told - LUCK * (2.0 * told).sqrt();
            low > slack(ends, scatter)
                && lead + (told - now) - LUCK * (2.0 * told).sqrt() > SURER.1.ln()
        })
    }

    /// Expected logarithm of the odds between walk and grid after `n` ends, if the leader is true.
    fn told(&self, n: f64) -> f64 {
        let (var, rounding) = self.noise;
        let each = match self.first.score.anchor {
            Anchor::Open => {
                // A random walk minus its fitted line has variance n/15 of a step's.
                let own = (var + (var * var + 4.0 * var * rounding).sqrt()) / 2.0 + rounding;
                0.5 * ((var * n / 15.0 + rounding) / own).ln()
            }
            _ => walk_on_a_grid(var, rounding),
        };
        (n * each).max(0.0)
    }

    /// Until a schedule's drift is bounded: the period's error falls with n to the power 3/2.
    fn disciplined(&self, lead: f64) -> Option<u32> {
        let (cycle, var) = models::grid(self.data)?;
        let n = self.data.ends.len() as f64;
        let bound = |m: f64| (2.0 + LUCK) * var.sqrt() * (n / m).powf(1.5);
        // The odds grow as the error falls; chance may cost a schedule its own bell.
        let odds = |m: f64| lead + 1.5 * (m / n).ln() - 0.5 * LUCK * LUCK;
        let found = (1..=FAR).find(|more| {
            let m = n + f64::from(*more);
            bound(m) < DISCIPLINED * cycle && odds(m) > SURER.1.ln()
        });
        found.map(|more| more.max(1))
    }

    /// Until a drift of the size now estimated stands out.
    fn drifts(&self) -> Option<u32> {
        let (cycle, var) = match self.first.score.anchor {
            Anchor::Open => models::cycle(self.data)?,
            _ => models::grid(self.data)?,
        };
        let drift = (cycle - prior::round_under(cycle, var.sqrt(), Extra::Delay)?).abs();
        if drift < 2.0 * var.sqrt() {
            return None;
        }
        let n = self.data.ends.len() as f64;
        let noise = (self.noise.0 + self.noise.1).sqrt();
        (1..=FAR).find(|more| {
            let m = n + f64::from(*more);
            drift * m > (5.0 + LUCK) * noise
                && drift > (4.0 + LUCK) * var.sqrt() * (n / m).powf(1.5)
        })
    }
}

/// What each end adds against a walk when noise of variance `var` stands on a grid: the best walk
/// follows the last ends with some gain and is wrong by more than the noise.
fn walk_on_a_grid(var: f64, rounding: f64) -> f64 {
    let all = var + rounding;
    let cost = |i: i32| {
        let step = all * 1.5_f64.powi(i);
        let ahead = (step + (step * step + 4.0 * step * rounding).sqrt()) / 2.0;
        let (seen, gain) = (ahead + rounding, ahead / (ahead + rounding));
        let wrong = all * (1.0 + gain / (2.0 - gain));
        0.5 * ((seen / all).ln() + wrong / seen - 1.0)
    };
    (-40..10).map(cost).fold(f64::INFINITY, f64::min)
}
