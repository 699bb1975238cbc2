//! What the plots of a rhythm show: courses, histograms, survival, with the axes they stand on.
//!
//! No pen is known here and nothing is drawn: a pen asks [`Axis::place`] where a value stands and
//! computes nothing of its own, so that a terminal, a picture and a page cannot disagree.

mod axis;
mod course;
mod histogram;
mod survival;

pub use axis::{Axis, Tick, length};
pub use course::{Course, Line, Mark, Point, Shows};
pub use histogram::{Bin, Histogram, Stand};
pub use survival::{Step, Survival};

use super::data::Data;
use crate::rhythm::{Match, Reading, Series};
use crate::time::Gap;

/// Everything to draw of one series; what the times do not give is `None`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Plots {
    /// Phase, or age, against time.
    pub course: Option<Course>,
    /// Ages in a few bins, for a terminal.
    pub coarse: Option<Histogram>,
    /// Ages in many bins, for a picture.
    pub fine: Option<Histogram>,
    /// How many were still there after how long.
    pub survival: Option<Survival>,
}

/// Bins of the two histograms, at most.
const BINS: (usize, usize) = (12, 48);
/// Fewer ages than this make no distribution.
const FEWEST: usize = 3;

/// Draws up the plots. `still_open` holds how long each connection had lived that nobody saw end;
/// `matches` are the catalogue's timers that fit.
pub fn plots(
    series: &Series,
    reading: &Reading,
    matches: &[Match<'_>],
    still_open: &[Gap],
) -> Plots {
    let data = Data::of(series);
    let ages = data.ages();
    let lifetimes = data.has_opens();
    let stands = histogram::stands(matches);
    let bins = |most: usize| {
        let enough = ages.len() >= FEWEST;
        enough.then(|| histogram::of(&ages, (data.step, most), lifetimes, &stands)).flatten()
    };
    let censored: Vec<f64> =
        still_open.iter().map(|gap| gap.secs_f64()).filter(|s| *s > 0.0).collect();
    // An age between two ends says nothing of a connection that was never seen to open.
    let censored = if lifetimes { censored } else { Vec::new() };
    Plots {
        course: course::of(&data, reading),
        coarse: bins(BINS.0),
        fine: bins(BINS.1),
        survival: (ages.len() >= FEWEST).then(|| survival::of(&ages, censored, lifetimes)),
    }
}

#[cfg(test)]
mod tests;
