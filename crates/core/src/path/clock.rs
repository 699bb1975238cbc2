//! How far apart the clocks of two captures are: offset and skew, with bounds that hold.
//!
//! No packet arrives before it was sent. So each packet that both captures have bounds the offset
//! from one side: from above where it goes from the first capture to the second, from below where
//! it goes back. Between two clocks that run evenly the offset is a straight line in time (Paxson,
//! On Calibrating Measurements of Packet Transit Times, SIGMETRICS 1998), which must pass below the
//! convex hull of the upper bounds and above that of the lower ones (Moon, Skelly and Towsley,
//! Estimation and Removal of Clock Skew from Network Delay Measurements, INFOCOM 1999, with one
//! direction). The set of such lines is what is known: its extremes are the error bounds, and
//! nothing about the delays is assumed, not even that both ways take as long.
//!
//! Where no straight line passes, a clock was set or slewed: then the time is cut until one does.

use crate::time::Moment;
use serde::Serialize;

/// A packet that both captures have.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Sample {
    /// When, by the first capture's clock.
    pub at: i64,
    /// Later by the second capture's clock, in nanoseconds.
    pub later: i64,
    /// It went from the first capture's place to the second's.
    pub onward: bool,
}

/// No clock of a computer runs wrong by more than this share.
const SKEW_MAX: f64 = 2e-3;
/// Time is cut in two so often at most.
const CUTS_MAX: u32 = 8;
/// A piece of time with fewer samples is not cut any more.
const SAMPLES_MIN: usize = 8;
/// Both clocks are read in whole nanoseconds.
const ROUNDING_NS: f64 = 1.0;
/// Steps of a search: each takes away a third of what is left.
const STEPS: u32 = 80;

/// What the second capture's clock shows beyond the first's.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct Clock {
    /// In the middle of the time that both captures cover, in nanoseconds.
    pub offset_ns: i64,
    /// The true offset there is at most this far from it, in nanoseconds; `None` where packets of
    /// one direction alone are known, which bound it from one side.
    pub error_ns: Option<i64>,
    /// The moment the offset is told for, by the first capture's clock.
    pub at_ns: Moment,
    /// How much the offset grows, in millionths (microseconds a second).
    pub skew_ppm: f64,
    /// The least and the most that the skew can be; `None` with one direction alone.
    pub skew_range_ppm: Option<(f64, f64)>,
    /// No trip to the other capture and back, of two packets, can have taken less than any trip
    /// did: the shortest seen, in nanoseconds.
    pub round_trip_ns: Option<i64>,
    /// Packets it is known by: onward and back.
    pub samples: (u64, u64),
    /// One straight line holds for the whole time. False: the clock was set or slewed, and the
    /// numbers are those of the piece of time in the middle.
    pub steady: bool,
    #[serde(skip)]
    pieces: Vec<Piece>,
}

/// A time for which one straight line holds.
#[derive(Clone, PartialEq, Debug)]
struct Piece {
    from: i64,
    to: i64,
    hulls: Hulls,
    /// Skews of all lines that fit, as shares; one and the same with one direction alone.
    skews: (f64, f64),
    bounded: bool,
}

/// The hulls of the bounds, in nanoseconds around an origin.
#[derive(Clone, PartialEq, Debug)]
struct Hulls {
    origin: (i64, i64),
    upper: Vec<(f64, f64)>,
    lower: Vec<(f64, f64)>,
}

impl Clock {
    /// The clock that the samples tell of; `None` without any. `steps` are the steps of the two
    /// captures' time stamps; the offset is told for the moment `at`.
    pub(super) fn of(mut samples: Vec<Sample>, steps: (i64, i64), at: i64) -> Option<Clock> {
        samples.sort_unstable_by_key(|s| s.at);
        let mut pieces = Vec::new();
        cut(&samples, steps, CUTS_MAX, &mut pieces);
        let middle = nearest(&pieces, at)?;
        let steady = pieces.len() == 1;
        let onward = samples.iter().filter(|s| s.onward).count() as u64;
        let (low, high) = middle.range(at);
        let (offset_ns, error_ns) = if middle.bounded {
            let mid = (low + high) / 2.0;
            // Rounded outwards, so that the bound holds for the rounded offset as well.
            let error = ((high - low) / 2.0 + 1.0).ceil() as i64;
            (middle.hulls.origin.1 + mid.round() as i64, Some(error))
        } else {
            let bound = if onward > 0 { high } else { low };
            (middle.hulls.origin.1 + bound.round() as i64, None)
        };
        let (least, most) = middle.skews;
        let gap = middle.hulls.gap((least + most) / 2.0);
        Some(Clock {
            offset_ns,
            error_ns,
            at_ns: Moment::from_ns(at),
            skew_ppm: (least + most) / 2.0 * 1e6,
            skew_range_ppm: middle.bounded.then_some((least * 1e6, most * 1e6)),
            round_trip_ns: middle.bounded.then_some(gap.max(0.0).ceil() as i64),
            samples: (onward, samples.len() as u64 - onward),
            steady,
            pieces,
        })
    }

    /// Least and largest offset possible at a moment of the first capture's clock. With one
    /// direction alone both are the one bound there is.
    pub fn range_at(&self, at: Moment) -> (i64, i64) {
        let Some(piece) = nearest(&self.pieces, at.ns()) else {
            return (self.offset_ns, self.offset_ns);
        };
        let (low, high) = piece.range(at.ns());
        let origin = piece.hulls.origin.1;
        let (low, high) = match (low.is_finite(), high.is_finite()) {
            (true, true) => (low, high),
            (true, false) => (low, low),
            (false, true) => (high, high),
            (false, false) => (0.0, 0.0),
        };
        (origin + low.floor() as i64, origin + high.ceil() as i64)
    }

    /// The offset at a moment of the first capture's clock: the middle of what is possible.
    pub fn offset_at(&self, at: Moment) -> i64 {
        let (low, high) = self.range_at(at);
        low + (high - low) / 2
    }

    /// A moment of the second capture's clock by the first's.
    pub fn by_first(&self, at: Moment) -> Moment {
        // The offset changes by millionths: that of a moment as near is the same.
        let rough = at.ns() - self.offset_ns;
        let offset = self.offset_at(Moment::from_ns(rough));
        let again = self.offset_at(Moment::from_ns(at.ns() - offset));
        Moment::from_ns(at.ns() - again)
    }
}

/// The piece that a moment lies in, or the nearest one.
fn nearest(pieces: &[Piece], at: i64) -> Option<&Piece> {
    pieces.iter().min_by_key(|piece| (piece.from - at).max(at - piece.to).max(0))
}

/// Pieces of time for each of which one line holds.
fn cut(samples: &[Sample], steps: (i64, i64), cuts: u32, pieces: &mut Vec<Piece>) {
    if let Some(piece) = Piece::of(samples, steps) {
        pieces.push(piece);
    } else if cuts > 0 && samples.len() >= SAMPLES_MIN {
        let (early, late) = samples.split_at(samples.len() / 2);
        cut(early, steps, cuts - 1, pieces);
        cut(late, steps, cuts - 1, pieces);
    }
}

impl Piece {
    /// `None` when no straight line passes between the bounds.
    fn of(samples: &[Sample], steps: (i64, i64)) -> Option<Piece> {
        let (first, last) = (samples.first()?, samples.last()?);
        let origin = (first.at + (last.at - first.at) / 2, first.later);
        let hulls = Hulls::of(samples, origin, steps);
        let bounded = !hulls.upper.is_empty() && !hulls.lower.is_empty();
        let skews = if bounded { hulls.skews()? } else { hulls.lone_skew() };
        Some(Piece { from: first.at, to: last.at, hulls, skews, bounded })
    }

    /// Least and largest offset at a moment, from the origin's; infinite without a bound.
    fn range(&self, at: i64) -> (f64, f64) {
        let x = (at - self.hulls.origin.0) as f64;
        let high = search(self.skews, |skew| self.hulls.above(skew) + skew * x);
        let low = search(self.skews, |skew| -(self.hulls.below(skew) + skew * x));
        (-low, high)
    }
}

impl Hulls {
    fn of(samples: &[Sample], origin: (i64, i64), steps: (i64, i64)) -> Hulls {
        let mut hulls = Hulls { origin, upper: Vec::new(), lower: Vec::new() };
        for sample in samples {
            let x = (sample.at - origin.0) as f64;
            let y = (sample.later - origin.1) as f64;
            // A stamp is cut to its step: the event came up to a step later.
            if sample.onward {
                let bound = y + (steps.1 - 1) as f64 + ROUNDING_NS;
                push(&mut hulls.upper, (x, bound), 1.0);
            } else {
                let bound = y - (steps.0 - 1) as f64 - ROUNDING_NS;
                push(&mut hulls.lower, (x, bound), -1.0);
            }
        }
        hulls
    }

    /// Where a line of this skew may cross the origin at most.
    fn above(&self, skew: f64) -> f64 {
        extreme(&self.upper, skew, 1.0)
    }

    /// And at least.
    fn below(&self, skew: f64) -> f64 {
        -extreme(&self.lower, skew, -1.0)
    }

    fn gap(&self, skew: f64) -> f64 {
        self.above(skew) - self.below(skew)
    }

    /// Least and largest skew of the lines that fit.
    fn skews(&self) -> Option<(f64, f64)> {
        let (mut low, mut high) = (-SKEW_MAX, SKEW_MAX);
        // The gap has one summit.
        for _ in 0..STEPS {
            let (one, other) = (low + (high - low) / 3.0, high - (high - low) / 3.0);
            if self.gap(one) < self.gap(other) { low = one } else { high = other }
        }
        let summit = (low + high) / 2.0;
        if self.gap(summit) < 0.0 {
            return None;
        }
        let edge = |outside: f64| {
            let (mut inside, mut outside) = (summit, outside);
            for _ in 0..STEPS {
                let middle = (inside + outside) / 2.0;
                if self.gap(middle) >= 0.0 { inside = middle } else { outside = middle }
            }
            // The outer end, so that no line that fits is left out.
            outside
        };
        Some((edge(-SKEW_MAX), edge(SKEW_MAX)))
    }

    /// With one direction alone: the skew of the hull's edge over the middle of the time.
    fn lone_skew(&self) -> (f64, f64) {
        let hull = if self.upper.is_empty() { &self.lower } else { &self.upper };
        let over = hull.windows(2).find(|edge| matches!(edge, [_, (x, _)] if *x >= 0.0));
        let skew = match over {
            Some([(x, y), (u, v)]) if u > x => (v - y) / (u - x),
            _ => 0.0,
        };
        let skew = skew.clamp(-SKEW_MAX, SKEW_MAX);
        (skew, skew)
    }
}

/// Adds a point to the lower hull (`sign` 1) or the upper one (−1); points come in order of `x`.
fn push(hull: &mut Vec<(f64, f64)>, point: (f64, f64), sign: f64) {
    while let Some((last, rest)) = hull.split_last() {
        let turn = match rest.last() {
            Some(before) => {
                let (dx, dy) = (last.0 - before.0, last.1 - before.1);
                (dx * (point.1 - before.1) - dy * (point.0 - before.0)) * sign
            }
            // Of two at one moment the tighter one is kept.
            None if point.0 == last.0 => (point.1 - last.1) * sign,
            None => break,
        };
        if turn > 0.0 {
            if rest.is_empty() {
                return;
            }
            break;
        }
        hull.pop();
    }
    hull.push(point);
}

/// The least of `sign × (y − skew · x)` over a hull: it has one valley, and slopes rise along it.
fn extreme(hull: &[(f64, f64)], skew: f64, sign: f64) -> f64 {
    let (mut low, mut high) = (0, hull.len().saturating_sub(1));
    let value = |at: usize| hull.get(at).map_or(f64::INFINITY, |(x, y)| sign * (y - skew * x));
    while low < high {
        let middle = (low + high) / 2;
        if value(middle) <= value(middle + 1) { high = middle } else { low = middle + 1 }
    }
    value(low)
}

/// The largest value of a function with one summit between two places.
fn search((mut low, mut high): (f64, f64), value: impl Fn(f64) -> f64) -> f64 {
    let ends = value(low).max(value(high));
    for _ in 0..STEPS {
        let (one, other) = (low + (high - low) / 3.0, high - (high - low) / 3.0);
        if value(one) < value(other) { low = one } else { high = other }
    }
    value((low + high) / 2.0).max(ends)
}
