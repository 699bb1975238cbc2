//! Endings in time become an anchor, a period with an interval, and how many more would tell.
//!
//! No log and no capture is known here: only when connections opened, spoke last and ended.

//!
//! Rival explanations are compared by their marginal likelihood, their parameters integrated out
//! over stated priors (`docs/rhythm.md`). What cannot be told from times is left undetermined.

mod beat;
mod bursts;
mod cycle;
mod data;
mod exact;
mod fit;
mod matching;
mod models;
mod notes;
pub mod plot;
mod power;
mod prior;
mod regime;
mod search;
mod several;
mod spread;
mod verdict;

pub use matching::{Match, matches};

use crate::terms::Anchor;
use crate::time::{Gap, Moment};
use serde::Serialize;

/// Reads a series: which clocks its ends allow, with which period.
///
/// Any series is fine. With fewer than two ages (lifetimes, or intervals where no open is known)
/// there is nothing to compare and [`Reading::models`] is empty; of more than 2000 endings the
/// latest are used, and a note says so.
pub fn read(series: &Series) -> Reading {
    verdict::of(&data::Data::of(series), series.spans.len())
}

/// One connection, reduced to its times.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Span {
    /// When it opened, where that is known.
    pub open: Option<Moment>,
    /// When it last carried traffic, where that is known.
    pub last_activity: Option<Moment>,
    /// When it ended.
    pub end: Moment,
}

/// Connections whose ends are to be explained together, in the order of their ends.
#[derive(Clone, Debug, PartialEq)]
pub struct Series {
    /// Their times.
    pub spans: Vec<Span>,
    /// The step of the stamps they come from.
    pub resolution: Gap,
    /// Offset from UTC of the wall clock a schedule would follow, in seconds.
    pub offset_s: i32,
}

/// The rhythm as the report's contract prints it. Seconds throughout.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Rhythm {
    /// Endings used.
    pub events: usize,
    /// What the timer counts from, as far as these times tell.
    pub anchor: Anchor,
    /// The timer, without the reconnect delay where that is known.
    pub period_s: Option<f64>,
    /// Lower end of the 95 % interval.
    pub low_s: Option<f64>,
    /// Upper end of the 95 % interval.
    pub high_s: Option<f64>,
    /// The round number the drift is measured against.
    pub drift_against_s: Option<f64>,
    /// How much later each cycle is than that number.
    pub drift_s_per_cycle: Option<f64>,
    /// Median time from an end to the next open, where opens are known.
    pub reconnect_delay_s: Option<f64>,
    /// How many more endings would tell the leading anchors apart; `None` when nothing is open or
    /// no number would.
    pub events_needed: Option<u32>,
}

/// One model's share.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Model {
    /// Which.
    pub anchor: Anchor,
    /// Its probability among the models compared, given the stated priors.
    pub probability: f64,
    /// Natural logarithm of the probability of the times under it (priors on its own parameters
    /// integrated out).
    pub log_evidence: f64,
}

/// A jump of phase: the ends before and after it keep the same period but not the same grid.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PhaseBreak {
    /// Index of the first span after the jump.
    pub before: usize,
    /// By how much the grid moved.
    pub shift: Gap,
}

/// A stretch of time in which the clock kept one period.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Regime {
    /// Index of its first span: the first that ended, or where connections overlap that opened,
    /// under it.
    pub from: usize,
    /// Its period, seconds.
    pub period_s: f64,
    /// Lower end of the 95 % interval.
    pub low_s: f64,
    /// Upper end.
    pub high_s: f64,
}

/// One of two timers that share a series.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Timer {
    /// Its period, seconds.
    pub period_s: f64,
    /// Lower end of the 95 % interval.
    pub low_s: f64,
    /// Upper end.
    pub high_s: f64,
    /// Ends it explains.
    pub ends: usize,
}

/// How well the clock that leads fits the ends (since it was last set anew).
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Fit {
    /// Ends that are its ticks.
    pub ends: usize,
    /// Of so many that could be.
    pub of: usize,
    /// Standard deviation of one cycle (of one tick, on a grid), seconds. Below the stamps' step it
    /// is what the stamps allow.
    pub scatter_s: f64,
    /// Probability that chance alone makes what is left over as alike from tick to tick: where it
    /// is small, something more is going on. `None` where the stamps hide it or there are few
    /// ticks.
    pub pattern_p: Option<f64>,
}

/// What one end is to the clock that leads.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Beat {
    /// The clock's, so many periods after the one before: more than one where ends went unseen.
    Tick(u32),
    /// Not the clock's.
    Stranger,
    /// Not the clock's, and the beat goes on from it: by how many seconds the phase moved.
    Moved(f64),
}

/// What the clock that leads counts from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CountsFrom {
    /// The end before.
    Before,
    /// A grid of its own.
    Grid,
    /// Each connection's own open, or last activity.
    Own,
}

/// What a series of ends says.
#[derive(Clone, Debug, PartialEq)]
pub struct Reading {
    /// The summary for the report.
    pub rhythm: Rhythm,
    /// Every model compared, the most probable first; empty when there are too few endings.
    pub models: Vec<Model>,
    /// Jumps of phase, in order.
    pub breaks: Vec<PhaseBreak>,
    /// What each end is to the clock that leads, by index of its span, in the order of time; empty
    /// where none leads. The first of a series has nothing before it and is missing.
    pub beats: Vec<(usize, Beat)>,
    /// How well it fits; `None` where none leads, or two timers do.
    pub fit: Option<Fit>,
    /// What that clock counts from.
    pub counts_from: Option<CountsFrom>,
    /// Two, where the clock was changed at a date; [`Rhythm`] is then of the second. Else none.
    pub regimes: Vec<Regime>,
    /// Both, the busier first, where it takes two timers; [`Rhythm`] is then of the first. Else
    /// none.
    pub timers: Vec<Timer>,
    /// Why the anchor is undetermined; it stands among the notes as well.
    pub why: Option<String>,
    /// What would tell, the best first; what is a note as well stands there too.
    pub next: Vec<String>,
    /// Why the anchor is undetermined, or what else a reader should know; one sentence each.
    pub notes: Vec<String>,
}

#[cfg(test)]
mod tests;
