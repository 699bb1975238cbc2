//! Phase against time, or age against time: what shows drift, jumps and strangers to the eye.
//!
//! Jumps of phase are taken out, so that a drift of a second a cycle is seen beside a restart that
//! moved the phase by hours; where each was stands as a mark.

use super::axis::{Axis, length};
use crate::rhythm::data::Data;
use crate::rhythm::{Beat, CountsFrom, Reading};
use crate::terms::Anchor;
use std::collections::BTreeMap;

/// What stands on the upright axis.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shows {
    /// How late each end is on a grid of [`Course::against_s`] laid from the first.
    Phase,
    /// How much longer than [`Course::against_s`] each age (or silence) was.
    Age,
}

/// Ends over time.
#[derive(Clone, Debug, PartialEq)]
pub struct Course {
    /// What stands on the upright axis.
    pub shows: Shows,
    /// What it is measured against: the round number, or the period itself.
    pub against_s: f64,
    /// One for each end, ascending in time.
    pub points: Vec<Point>,
    /// The fitted course, for the eye: its slope is (last − first) / n, not a fit's.
    pub fitted: Vec<Line>,
    /// What a schedule of the wall clock would show, where that is another line.
    pub level: Option<Line>,
    /// What is left when the fitted line is taken away; empty where the points are that already.
    pub residuals: Vec<(f64, f64)>,
    /// Jumps of phase.
    pub marks: Vec<Mark>,
    /// Axis of time, seconds since the first end.
    pub time: Axis,
    /// Upright axis.
    pub offsets: Axis,
    /// Upright axis of the residuals.
    pub rest: Axis,
}

/// One end.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Point {
    /// Seconds since the first end.
    pub at_s: f64,
    /// How late, or how much longer, seconds; `None` of an end that is not the clock's.
    pub off_s: Option<f64>,
}

/// A straight line between two points (time, offset).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Line {
    /// Its left end.
    pub from: (f64, f64),
    /// Its right end.
    pub to: (f64, f64),
}

/// Something that happened at a moment.
#[derive(Clone, Debug, PartialEq)]
pub struct Mark {
    /// Seconds since the first end.
    pub at_s: f64,
    /// What, in a few words.
    pub says: String,
}

/// Draws it up; `None` without a period or with fewer than three ends on the beat.
pub(super) fn of(data: &Data, reading: &Reading) -> Option<Course> {
    let rhythm = &reading.rhythm;
    let period = rhythm.period_s.filter(|p| *p > 0.0)?;
    // A round number far from the cycle would only wind around.
    let near = |round: &f64| (period - round).abs() < 0.01 * round;
    let against = rhythm.drift_against_s.filter(near).unwrap_or(period);
    let own = reading.counts_from == Some(CountsFrom::Own) || data.parallel;
    let beats = placed(data, reading);
    let (shows, points) = match own {
        true => (Shows::Age, ages(data, reading, &beats, against)),
        false => (Shows::Phase, phases(data, reading, &beats, against)),
    };
    let on: Vec<(f64, f64)> = points.iter().filter_map(|p| p.off_s.map(|o| (p.at_s, o))).collect();
    if on.len() < 3 {
        return None;
    }
    let last = points.last().map_or(1.0, |p| p.at_s);
    let slope = match shows {
        Shows::Age => 0.0,
        Shows::Phase => rhythm.drift_s_per_cycle.unwrap_or(period - against) / period,
    };
    let mean = on.iter().map(|(t, o)| o - slope * t).sum::<f64>() / on.len() as f64;
    let line = Line { from: (0.0, mean), to: (last, mean + slope * last) };
    let rest: Vec<(f64, f64)> = match shows {
        Shows::Age => Vec::new(),
        Shows::Phase => on.iter().map(|(t, o)| (*t, o - mean - slope * t)).collect(),
    };
    let drifts = (slope * last).abs() > data.step.max(1e-3);
    let wall = reading.models.first().is_some_and(|m| m.anchor == Anchor::Wall);
    let level = (shows == Shows::Phase && drifts && !wall)
        .then_some(Line { from: (0.0, mean), to: (last, mean) });
    let marks = if own { Vec::new() } else { marks(data, &beats) };
    let seen = on.iter().map(|p| p.1).chain([line.from.1, line.to.1]);
    let seen = seen.chain(level.map(|l| l.from.1));
    Some(Course {
        shows,
        against_s: against,
        fitted: vec![line],
        level,
        marks,
        time: Axis::time(0.0, last, 8),
        offsets: padded(seen, data.step),
        rest: padded(rest.iter().map(|r| r.1), data.step),
        points,
        residuals: rest,
    })
}

/// An axis around these values, never narrower than two steps of the stamps.
fn padded(values: impl Iterator<Item = f64> + Clone, step: f64) -> Axis {
    let low = values.clone().fold(f64::INFINITY, f64::min);
    let high = values.fold(f64::NEG_INFINITY, f64::max);
    if low > high {
        return Axis::seconds(-1.0, 1.0, 5);
    }
    let pad = (0.06 * (high - low)).max((2.0 * step - (high - low)) / 2.0).max(0.0);
    Axis::seconds(low - pad, high + pad, 5)
}

/// What each end was, by its place among those used.
fn placed(data: &Data, reading: &Reading) -> Vec<Option<Beat>> {
    let beats: BTreeMap<usize, Beat> = reading.beats.iter().copied().collect();
    data.index.iter().map(|i| beats.get(i).copied()).collect()
}

/// How late each end is, jumps taken out.
fn phases(data: &Data, reading: &Reading, beats: &[Option<Beat>], against: f64) -> Vec<Point> {
    let first = data.ends.first().copied().unwrap_or(0.0);
    let mut known = (first, 0.0);
    let mut points = Vec::with_capacity(data.ends.len());
    for (&end, beat) in data.ends.iter().zip(beats) {
        let off_s = match beat {
            // Without a filter's word: step by step, so that a drift is followed past half a
            // period.
            None => {
                let gap = end - known.0;
                Some(known.1 + gap - (gap / against).round() * against)
            }
            Some(Beat::Tick(periods)) => {
                Some(known.1 + end - known.0 - f64::from(*periods) * against)
            }
            Some(Beat::Moved(_)) => Some(known.1),
            Some(Beat::Stranger) => None,
        };
        if let Some(off) = off_s {
            known = (end, off);
        } else if reading.counts_from == Some(CountsFrom::Before) {
            known = (end, known.1);
        }
        points.push(Point { at_s: end - first, off_s });
    }
    points
}

/// How much longer than the timer each age was.
fn ages(data: &Data, reading: &Reading, beats: &[Option<Beat>], against: f64) -> Vec<Point> {
    let first = data.ends.first().copied().unwrap_or(0.0);
    let idle = reading.models.first().is_some_and(|m| m.anchor == Anchor::Idle);
    let of = if idle { &data.silences } else { &data.lives };
    let point = |((end, age), beat): ((&f64, &Option<f64>), &Option<Beat>)| {
        let own = !matches!(beat, Some(Beat::Stranger | Beat::Moved(_)));
        Point { at_s: end - first, off_s: age.filter(|_| own).map(|a| a - against) }
    };
    data.ends.iter().zip(of).zip(beats).map(point).collect()
}

/// Where the phase moved.
fn marks(data: &Data, beats: &[Option<Beat>]) -> Vec<Mark> {
    let first = data.ends.first().copied().unwrap_or(0.0);
    let mark = |(end, beat): (&f64, &Option<Beat>)| {
        let Some(Beat::Moved(shift)) = beat else { return None };
        let way = if *shift < 0.0 { "earlier" } else { "later" };
        Some(Mark { at_s: end - first, says: format!("{} {way}", length(shift.abs())) })
    };
    data.ends.iter().zip(beats).filter_map(mark).collect()
}
