//! Which timers of the catalogue a rhythm fits.
//!
//! A number alone names nothing: dozens of clocks are 60, 300 or 3600 s. All candidates together
//! never hold more than a half; the other half is "a timer that is not listed".

use super::prior::{self, Extra};
use crate::clocks::{Catalogue, Clock};
use crate::rhythm::Reading;
use crate::terms::Anchor;

/// A timer that fits, the value of it that does, and how well.
#[derive(Clone, Debug)]
pub struct Match<'c> {
    /// The timer.
    pub clock: &'c Clock,
    /// The value that fits, seconds.
    pub seconds: f64,
    /// Probability given these times alone; all matches together hold at most 0.5.
    pub probability: f64,
}

/// Share that no number can take from "not listed".
const LISTED: f64 = 0.5;
/// Matches below this share of the best are not worth telling.
const FAINT: f64 = 0.02;
/// Weight of an idle timer where traffic is not known: the connection may have been silent.
const SILENT: f64 = 0.5;

/// The catalogue's timers that fit, the best first; none when there is no period.
pub fn matches<'c>(catalogue: &'c Catalogue, reading: &Reading) -> Vec<Match<'c>> {
    let rhythm = &reading.rhythm;
    let (Some(period), Some(low), Some(high)) = (rhythm.period_s, rhythm.low_s, rhythm.high_s)
    else {
        return Vec::new();
    };
    let sd = ((high - low) / 3.92).max(1e-3);
    let counted = rhythm.reconnect_delay_s.is_some() || weight(reading, Anchor::Idle) > 0.5;
    let mut found: Vec<Match<'c>> = catalogue
        .all()
        .iter()
        .filter_map(|clock| {
            let share = weight(reading, clock.anchor);
            let extra = match clock.anchor {
                Anchor::Wall | Anchor::FreeRunning => Extra::Drift,
                _ if counted => Extra::Lateness,
                _ => Extra::Delay,
            };
            let fit = |v: f64| share * prior::at(period, v, sd, extra);
            let best = clock.values_s().map(|v| (fit(v), v)).max_by(|a, b| a.0.total_cmp(&b.0))?;
            let default = clock.default_s == Some(best.1);
            let probability = if default { best.0 } else { 0.5 * best.0 };
            (probability > 0.0).then_some(Match { clock, seconds: best.1, probability })
        })
        .collect();
    let all: f64 = found.iter().map(|m| m.probability).sum();
    found.iter_mut().for_each(|m| m.probability *= LISTED / all);
    found.sort_by(|a, b| b.probability.total_cmp(&a.probability));
    let best = found.first().map_or(0.0, |m| m.probability);
    // A mere tail of the bell is no fit: the value must lie where the times allow it.
    let within = |m: &Match<'_>| (m.seconds - period).abs() < 0.05 * period + 4.0 * sd + 1.0;
    found.retain(|m| m.probability >= FAINT * best && within(m));
    found
}

/// What the models give a clock with this anchor.
fn weight(reading: &Reading, anchor: Anchor) -> f64 {
    let of = |a: Anchor| reading.models.iter().find(|m| m.anchor == a).map(|m| m.probability);
    let open = of(Anchor::Open).unwrap_or(0.0) + of(Anchor::Mixed).unwrap_or(0.0);
    match anchor {
        // A single age has no models: then every timer that could end it is as good.
        _ if reading.models.is_empty() => 1.0,
        Anchor::Open => open,
        Anchor::Idle | Anchor::IdleApp => of(Anchor::Idle).unwrap_or(SILENT * open),
        Anchor::Probe => 0.1 * of(Anchor::Idle).unwrap_or(SILENT * open),
        other => of(other).unwrap_or(0.0),
    }
}
