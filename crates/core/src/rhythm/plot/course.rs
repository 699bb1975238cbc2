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
    /// Whether the timer was set anew then; else the phase moved.
    pub set_anew: bool,
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
    let grids = Grids::of(data, reading, against);
    let (shows, points) = match own {
        true => (Shows::Age, ages(data, reading, &beats, &grids)),
        false => (Shows::Phase, phases(data, reading, &beats, &grids)),
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
    let since = grids.changed_s.unwrap_or(0.0);
    let (old, new) = on.split_at(on.partition_point(|p| p.0 < since));
    // The regime before is measured against its own period: its line is level.
    let fitted: Vec<Line> = [fit(old, 0.0, (0.0, since)), fit(new, slope, (since, last))]
        .into_iter()
        .flatten()
        .collect();
    let rest: Vec<(f64, f64)> = match shows {
        Shows::Age => Vec::new(),
        Shows::Phase => on.iter().map(|p| (p.0, p.1 - on_line(&fitted, p.0))).collect(),
    };
    let drifts = (slope * (last - since)).abs() > data.step.max(1e-3);
    let wall = reading.models.first().is_some_and(|m| m.anchor == Anchor::Wall);
    let level = fitted
        .last()
        .filter(|_| shows == Shows::Phase && drifts && !wall)
        .map(|l| Line { from: l.from, to: (l.to.0, l.from.1) });
    let mut marks = if own { Vec::new() } else { marks(data, &beats) };
    marks.extend(grids.mark(reading));
    marks.sort_by(|a, b| a.at_s.total_cmp(&b.at_s));
    let corners: Vec<f64> = fitted.iter().flat_map(|l| [l.from.1, l.to.1]).collect();
    let seen = on.iter().map(|p| p.1).chain(corners);
    let seen = seen.chain(level.map(|l| l.from.1));
    Some(Course {
        shows,
        against_s: against,
        fitted,
        level,
        marks,
        time: Axis::time(0.0, last, 8),
        offsets: padded(seen, data.step),
        rest: padded(rest.iter().map(|r| r.1), data.step),
        points,
        residuals: rest,
    })
}

/// What offsets are measured against: one period, or another one from a date on.
struct Grids {
    /// Before the change.
    old: f64,
    /// Since.
    new: f64,
    /// Place of the first end since.
    from: usize,
    /// When that was, seconds since the first end.
    changed_s: Option<f64>,
}

impl Grids {
    fn of(data: &Data, reading: &Reading, against: f64) -> Grids {
        let change = reading.regimes.first().zip(reading.regimes.get(1));
        let from = change.and_then(|(_, new)| data.index.iter().position(|i| *i == new.from));
        let first = data.ends.first().copied().unwrap_or(0.0);
        let changed_s = from.and_then(|at| data.ends.get(at)).map(|end| end - first);
        let old = change.map_or(against, |(old, _)| old.period_s);
        Grids { old, new: against, from: from.unwrap_or(0), changed_s }
    }

    fn against(&self, place: usize) -> f64 {
        if place < self.from { self.old } else { self.new }
    }

    /// The change as a mark.
    fn mark(&self, reading: &Reading) -> Option<Mark> {
        let (old, new) = reading.regimes.first().zip(reading.regimes.get(1))?;
        let says = format!("from {} to {}", length(old.period_s), length(new.period_s));
        Some(Mark { at_s: self.changed_s?, says, set_anew: true })
    }
}

/// A line of this slope through the middle of the points, over a stretch of time.
fn fit(points: &[(f64, f64)], slope: f64, (from, to): (f64, f64)) -> Option<Line> {
    if points.is_empty() {
        return None;
    }
    let off = points.iter().map(|(t, o)| o - slope * t).sum::<f64>() / points.len() as f64;
    Some(Line { from: (from, off + slope * from), to: (to, off + slope * to) })
}

/// Where the line of that time stands.
fn on_line(lines: &[Line], at: f64) -> f64 {
    let line = lines.iter().rfind(|l| l.from.0 <= at).or(lines.first());
    line.map_or(0.0, |l| {
        let over = (l.to.0 - l.from.0).max(1e-9);
        l.from.1 + (at - l.from.0) / over * (l.to.1 - l.from.1)
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
fn phases(data: &Data, reading: &Reading, beats: &[Option<Beat>], grids: &Grids) -> Vec<Point> {
    let first = data.ends.first().copied().unwrap_or(0.0);
    let mut known = (first, 0.0);
    let mut points = Vec::with_capacity(data.ends.len());
    for (place, (&end, beat)) in data.ends.iter().zip(beats).enumerate() {
        let against = grids.against(place);
        let off_s = match beat {
            // Another grid begins: where, is not told by the one before.
            None if place > 0 && place == grids.from => Some(known.1),
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
fn ages(data: &Data, reading: &Reading, beats: &[Option<Beat>], grids: &Grids) -> Vec<Point> {
    let first = data.ends.first().copied().unwrap_or(0.0);
    let idle = reading.models.first().is_some_and(|m| m.anchor == Anchor::Idle);
    let of = if idle { &data.silences } else { &data.lives };
    let point = |place: usize| {
        let own = !matches!(beats.get(place), Some(Some(Beat::Stranger | Beat::Moved(_))));
        let age = of.get(place).copied().flatten().filter(|_| own);
        let end = data.ends.get(place).copied().unwrap_or(first);
        Point { at_s: end - first, off_s: age.map(|a| a - grids.against(place)) }
    };
    (0..data.ends.len()).map(point).collect()
}

/// Where the phase moved.
fn marks(data: &Data, beats: &[Option<Beat>]) -> Vec<Mark> {
    let first = data.ends.first().copied().unwrap_or(0.0);
    let mark = |(end, beat): (&f64, &Option<Beat>)| {
        let Some(Beat::Moved(shift)) = beat else { return None };
        let way = if *shift < 0.0 { "earlier" } else { "later" };
        let says = format!("{} {way}", length(shift.abs()));
        Some(Mark { at_s: end - first, says, set_anew: false })
    };
    data.ends.iter().zip(beats).filter_map(mark).collect()
}
