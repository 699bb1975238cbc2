//! What a plot of a rhythm shows: phases against time, and ages. No pen is known here.

use super::data::Data;
use crate::rhythm::{Reading, Series};

/// The points of the plots, seconds.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Picture {
    /// What the phase is measured against: the round number, or the period itself.
    pub against_s: Option<f64>,
    /// For each end: seconds since the first, and how far it stands from the grid laid from the
    /// first; between minus and plus half of [`Picture::against_s`] after a jump of phase.
    pub phases: Vec<(f64, f64)>,
    /// Ages: lifetimes where opens are known, else the times between ends.
    pub ages: Vec<f64>,
    /// Whether the ages are lifetimes.
    pub lifetimes: bool,
}

/// Draws up the points.
pub fn picture(series: &Series, reading: &Reading) -> Picture {
    let data = Data::of(series);
    let against = match (reading.rhythm.period_s, reading.rhythm.drift_against_s) {
        // A round number far from the cycle would only wind around.
        (Some(p), Some(round)) if (p - round).abs() < 0.01 * round => Some(round),
        (period, _) => period.filter(|p| *p > 0.0),
    };
    let first = data.ends.first().copied().unwrap_or(0.0);
    let mut phase = 0.0;
    let mut phases = Vec::new();
    for (i, &end) in data.ends.iter().enumerate() {
        let before = if i > 0 { data.ends.get(i - 1).copied() } else { None };
        if let (Some(step), Some(before)) = (against, before) {
            // Step by step, so that a slow drift is followed past half a period.
            let gap = end - before;
            phase += gap - (gap / step).round() * step;
        }
        phases.push((end - first, phase));
    }
    if against.is_none() {
        phases.clear();
    }
    Picture { against_s: against, phases, ages: data.ages(), lifetimes: data.has_opens() }
}
