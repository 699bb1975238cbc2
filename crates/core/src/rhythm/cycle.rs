//! The length of a cycle when nothing is decided about any end: each is a tick, a tick that shows
//! late and a stranger at once, with what its stamp leaves open of it.
//!
//! The filter of [`super::beat`] decides end by end and takes delays for a bell. Over many ends
//! that leans: a back-off too small to be seen is taken for the timer's, the long end of uneven
//! delays for a back-off. Here the likelihood of a given length is summed over all of that, for
//! four shapes of delay, on a grid of lengths and scatters. Only asked for the interval of a clock
//! that leads; refuses long series, where the filter's word must do, and clocks that keep a grid.

use super::beat::{self, BACK_OFF, Kind, Part, Setup, Times, ln_stranger};
use super::prior::{Scatter, bell_below, ln_sum, normal};

/// Links beyond which the filter is believed: the work grows with them.
const MOST: usize = 400;
/// A scatter beyond this share of the cycle makes no sharp timer.
const WIDE: f64 = 0.2;
/// Steps of the scatter's logarithm where it is looked for.
const APART: f64 = 0.4;
/// Steps either way from the best.
const MANY: usize = 25;
/// Lengths tried for each scatter.
const LENGTHS: usize = 25;
/// Below the best by this (natural logarithm) nothing is worth the work.
const FAINT: f64 = 9.0;
/// Places within a step of the stamps, at most.
const PLACES: usize = 24;

/// Late ticks among all (pseudo-counts of late and other ticks): who backs off at all does so
/// often.
const OFTEN: (f64, f64) = (0.5, 1.5);

/// How a delay is spread about its mean, by its standard deviation.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Shape {
    /// Both ways alike.
    Bell,
    /// From a least value on, the nearer the likelier.
    HalfBell,
    /// The same with a longer end.
    Exponential,
    /// Anywhere between two bounds, as an age spread on purpose.
    Flat,
}

/// The shapes, as far as stamps show them.
const SHAPES: [Shape; 4] = [Shape::Bell, Shape::HalfBell, Shape::Exponential, Shape::Flat];
/// A shape whose evidence (natural logarithm) is at most this much worse than another's is a view
/// of its own: where delays end and back-offs begin is a matter of words, and the interval holds
/// for each of them.
const AS_GOOD: f64 = 8.0;

/// One end and what it counts from.
struct Link {
    /// Stamp of the end less stamp of what it counts from.
    gap: f64,
    /// Cycles between them.
    count: f64,
    /// Whether it counts from the end of the link before.
    chained: bool,
}

/// What is tried: a length, a scatter, a shape.
#[derive(Clone, Copy)]
struct Try {
    length: f64,
    scatter: f64,
    shape: Shape,
}

/// Lengths: (logarithm of the weight, length, variance of the strip it stands for).
type Points = Vec<(f64, f64, f64)>;

/// The links with what does not vary.
struct Course {
    links: Vec<Link>,
    step: f64,
    /// About the cycle.
    about: f64,
    strangers: (f64, f64),
    /// Whether an end may show late.
    backs_off: bool,
}

/// Narrow bells (weight, mean, variance) whose weights sum to one.
pub(super) type Bells = Vec<(f64, f64, f64)>;

/// The posterior of the cycle's length near `about` (mean, standard deviation), once for each shape
/// of delay that fits.
pub(super) fn posterior(times: &Times<'_>, setup: &Setup, about: (f64, f64)) -> Option<Vec<Bells>> {
    let step = (12.0 * setup.rounding).sqrt();
    if setup.kind == Kind::Grid || setup.scatter > WIDE * about.0 || about.0 < 4.0 * step {
        return None;
    }
    // An age that never varies is as sharp as the filter says.
    let least = Scatter::of(about.0, step).low.exp();
    if setup.kind == Kind::Age && setup.scatter < 2.0 * least {
        return None;
    }
    let course = Course {
        links: links(times, setup, about.0),
        step,
        about: about.0,
        strangers: setup.strangers,
        backs_off: setup.kind != Kind::Age,
    };
    if course.links.is_empty() || course.links.len() > MOST {
        return None;
    }
    let starts = course.starts(times, setup, about);
    let top = starts.iter().map(|p| p.ln).fold(f64::NEG_INFINITY, f64::max);
    let starts = starts.iter().filter(|p| p.ln > top - FAINT - AS_GOOD);
    let each: Vec<(f64, Points)> = starts.map(|p| course.points(p)).map(evidence).collect();
    let best = each.iter().map(|e| e.0).fold(f64::NEG_INFINITY, f64::max);
    let fits = each.into_iter().filter(|(ln, _)| *ln > best - AS_GOOD);
    let view = |(ln, points): (f64, Points)| {
        let bells = points.into_iter().map(|(w, c, var)| ((w - ln).exp(), c, var));
        let bells: Bells = bells.filter(|b| b.0 > 1e-7).collect();
        let all: f64 = bells.iter().map(|b| b.0).sum();
        bells.into_iter().map(|(w, c, v)| (w / all, c, v)).collect()
    };
    let views: Vec<Bells> = fits.map(view).filter(|v: &Bells| !v.is_empty()).collect();
    (!views.is_empty()).then_some(views)
}

/// The evidence of a shape, the logarithm of its points' sum.
fn evidence(points: Points) -> (f64, Points) {
    (ln_sum(&points.iter().map(|p| p.0).collect::<Vec<_>>()), points)
}

/// What counts from what.
fn links(times: &Times<'_>, setup: &Setup, about: f64) -> Vec<Link> {
    let cycles = |gap: f64| (gap / about).round().max(1.0);
    let ends = times.ends;
    match setup.kind {
        Kind::Age => {
            let pairs = ends.iter().zip(times.opens);
            let known = pairs.filter_map(|(end, open)| open.map(|open| end - open));
            known.map(|gap| Link { gap, count: 1.0, chained: false }).collect()
        }
        Kind::Walk => {
            let gaps = ends.windows(2).filter_map(|w| Some(w.last()? - w.first()?));
            gaps.map(|gap| Link { gap, count: cycles(gap), chained: true }).collect()
        }
        // What is none of a loop's own leaves it alone.
        Kind::Loop | Kind::Grid => {
            let parts = beat::run(times, setup, true).map(|f| f.parts).unwrap_or_default();
            let own = parts.iter().filter(|(_, part)| !matches!(part, Part::Stranger));
            let at = |i: usize| ends.get(i).copied();
            let own: Vec<f64> = at(0).into_iter().chain(own.filter_map(|(i, _)| at(*i))).collect();
            let gaps = own.windows(2).filter_map(|w| Some(w.last()? - w.first()?));
            gaps.map(|gap| Link { gap, count: cycles(gap), chained: true }).collect()
        }
    }
}

/// Where a scatter and a shape do best.
#[derive(Clone, Copy)]
struct Peak {
    at: Try,
    /// Roughly how well the length is known there.
    wide: f64,
    /// Logarithm of the likelihood.
    ln: f64,
}

impl Course {
    /// For each shape the best of scatters far apart.
    fn starts(&self, times: &Times<'_>, setup: &Setup, (mean, sd): (f64, f64)) -> Vec<Peak> {
        let range = Scatter::of(mean, self.step);
        let steps = ((range.high - range.low) / APART).ceil().max(1.0);
        let width = (range.high - range.low) / steps;
        let mut best: Vec<Peak> = Vec::new();
        let nodes = (0..steps as usize).map(|i| (range.low + (i as f64 + 0.5) * width).exp());
        for scatter in nodes.take_while(|s| *s < WIDE * mean) {
            let wide = (setup.period.1).max(3.0 * sd).max(2.0 * scatter).min(0.4 * mean);
            let near = Setup { scatter, period: (mean, wide), ..*setup };
            let fit = beat::run(times, &near, false);
            let fit = fit.filter(|f| (f.period - mean).abs() < 0.02 * mean);
            let (from, own) = fit.map_or((mean, sd), |f| (f.period, f.var.sqrt()));
            for shape in self.shapes(scatter) {
                let at = Try { length: from, scatter, shape };
                let peak = self.peak(&Peak { at, wide: 2.0 * own.max(1e-9), ln: 0.0 });
                match best.iter_mut().find(|p| p.at.shape == shape) {
                    Some(p) if p.ln < peak.ln => *p = peak,
                    Some(_) => {}
                    None => best.push(peak),
                }
            }
        }
        best
    }

    /// The shapes a scatter lets tell apart.
    fn shapes(&self, scatter: f64) -> impl Iterator<Item = Shape> {
        let seen = scatter >= self.step / 2.0;
        SHAPES.into_iter().filter(move |s| seen || *s == Shape::Bell)
    }

    /// The best length of a scatter and a shape, looked for from `from`.
    fn peak(&self, from: &Peak) -> Peak {
        let late = Late::of(from.at.scatter, self.about);
        let mut best = Peak { ln: f64::NEG_INFINITY, ..*from };
        let mut wide = from.wide;
        let mut middle = from.at.length;
        for _ in 0..5 {
            for z in [-1.0, -0.5, 0.0, 0.5, 1.0] {
                let at = Try { length: middle + z * wide, ..from.at };
                let ln = self.ln(&at, &late);
                if ln > best.ln {
                    best = Peak { at, ln, ..best };
                }
            }
            // Still moving at the edge: go on as wide.
            let moved = (best.at.length - middle).abs();
            wide *= if moved > 0.9 * wide { 1.0 } else { 0.4 };
            middle = best.at.length;
        }
        best
    }

    /// Lengths with their weights: those of every scatter about the best of a shape.
    fn points(&self, start: &Peak) -> Points {
        let range = Scatter::of(self.about, self.step);
        // The scatter's logarithm is known to about 1 / sqrt(2 n).
        let width = (0.7 / (2.0 * self.links.len() as f64).sqrt()).min(APART);
        let mut all = Vec::new();
        for way in [-1.0, 1.0] {
            let mut peak = *start;
            let mut x = start.at.scatter.ln() + way * 0.5 * width;
            for _ in 0..MANY {
                let scatter = x.exp();
                if x < range.low || scatter > WIDE * self.about {
                    break;
                }
                let wider = (scatter / peak.at.scatter).max(1.0);
                let at = Try { scatter, ..peak.at };
                peak = self.peak(&Peak { at, wide: peak.wide * wider, ..peak });
                let ln = range.ln_weight((x - width / 2.0).max(range.low), x + width / 2.0);
                all.extend(self.along(&peak, ln));
                if peak.ln < start.ln - FAINT {
                    break;
                }
                x += way * width;
            }
        }
        all
    }

    /// The lengths about a peak.
    fn along(&self, peak: &Peak, ln_weight: f64) -> Points {
        let late = Late::of(peak.at.scatter, self.about);
        let at = |length: f64| self.ln(&Try { length, ..peak.at }, &late);
        let reach = |way: f64| {
            let mut off = peak.wide / 2.0;
            for _ in 0..12 {
                if at(peak.at.length + way * off) < peak.ln - FAINT {
                    break;
                }
                off *= 1.5;
            }
            peak.at.length + way * off
        };
        let (low, high) = (reach(-1.0), reach(1.0));
        let strip = (high - low) / LENGTHS as f64;
        let each = (0..LENGTHS).map(|i| low + (i as f64 + 0.5) * strip);
        let weight = ln_weight + strip.ln();
        each.map(|length| (weight + at(length), length, strip * strip / 12.0)).collect()
    }

    /// Logarithm of the likelihood of the stamps.
    fn ln(&self, t: &Try, late_of: &Late) -> f64 {
        let places = ((1.2 * self.step / t.scatter).ceil() as usize).clamp(1, PLACES);
        let even = vec![1.0 / places as f64; places];
        let mut belief = even.clone();
        let mut tally = (0.0, 0.0, 0.0);
        let mut ln = 0.0;
        for link in &self.links {
            if !link.chained {
                belief.clone_from(&even);
            }
            let (next, shares) = self.follow(&belief, link, (t, late_of), tally);
            let sum: f64 = next.iter().sum::<f64>().max(1e-300);
            ln += sum.ln();
            belief = next.iter().map(|p| p / sum).collect();
            tally.0 += shares.0 / sum;
            tally.1 += shares.1 / sum;
            tally.2 += 1.0;
        }
        ln
    }

    /// The belief in where the next end stands within its step, not normalised, and how much of it
    /// is a late tick's and a stranger's.
    fn follow(
        &self,
        belief: &[f64],
        link: &Link,
        (t, late_of): (&Try, &Late),
        (late, odd, seen): (f64, f64, f64),
    ) -> (Vec<f64>, (f64, f64)) {
        let places = belief.len();
        let bin = self.step / places as f64;
        let (a, b) = self.strangers;
        let p_odd = (a + odd) / (a + b + seen);
        let p_late =
            if self.backs_off { (OFTEN.0 + late) / (OFTEN.0 + OFTEN.1 + seen) } else { 0.0 };
        let off = link.gap - link.count * t.length;
        let spread = t.scatter * link.count.sqrt();
        let shape = if link.count > 1.0 { Shape::Bell } else { t.shape };
        let missed =
            0.9 * 0.1_f64.powf(link.count - 1.0) + 0.02 / (link.count * (link.count + 1.0));
        let tick = (1.0 - p_odd) * missed;
        // Sums up to each edge, for an end anywhere in its place and a start anywhere in its own.
        let edge = |i: usize| summed(shape, off + (i as f64 - places as f64) * bin, spread);
        let edges: Vec<f64> = (0..=2 * places).map(edge).collect();
        let kernel: Vec<f64> = edges
            .windows(3)
            .map(|e| match e {
                [x, y, z] => ((x - 2.0 * y + z) / bin).max(0.0),
                _ => 0.0,
            })
            .collect();
        let by_late = tick * p_late * late_of.density(off) * bin;
        let by_odd = p_odd * ln_stranger(link.gap, self.about).exp() * bin;
        let on_time = tick * (1.0 - p_late);
        let next = (0..places).map(|to| {
            let from = belief.iter().enumerate();
            let came = from.map(|(m, p)| p * kernel.get(to + places - 1 - m).unwrap_or(&0.0));
            on_time * came.sum::<f64>() + by_late + by_odd
        });
        (next.collect(), (by_late * places as f64, by_odd * places as f64))
    }
}

/// The sum of a shape's cumulative share up to `x` from its mean.
fn summed(shape: Shape, x: f64, sd: f64) -> f64 {
    let bell = |z: f64| match z {
        z if z < -8.0 => 0.0,
        z if z > 8.0 => z,
        z => z * bell_below(z) + normal(z, 1.0),
    };
    match shape {
        Shape::Bell => sd * bell(x / sd),
        Shape::HalfBell => {
            let own = sd / (1.0 - std::f64::consts::FRAC_2_PI).sqrt();
            let y = x / own + (std::f64::consts::FRAC_2_PI).sqrt();
            if y <= 0.0 { 0.0 } else { own * (2.0 * bell(y) - y - 2.0 * bell(0.0)) }
        }
        Shape::Flat => {
            let half = sd * (3.0_f64).sqrt();
            let y = (x + half).max(0.0);
            if y < 2.0 * half { y * y / (4.0 * half) } else { x }
        }
        Shape::Exponential => {
            let y = x / sd + 1.0;
            if y <= 0.0 { 0.0 } else { sd * (y + (-y).exp() - 1.0) }
        }
    }
}

/// Density of a tick that shows some time after it was due: log-uniform, blurred by a scatter. A
/// table, since one scatter is asked for many lengths.
struct Late {
    scatter: f64,
    /// Least and greatest back-off; none where the cycle is too short for any.
    range: Option<(f64, f64)>,
    /// Values at every [`Late::STEP`] of the scatter, from four scatters below the least.
    table: Vec<f64>,
}

impl Late {
    const STEP: f64 = 0.25;
    /// Beyond so many scatters from zero the blur does not show.
    const SHARP: f64 = 6.0;

    fn of(scatter: f64, about: f64) -> Late {
        let range = (BACK_OFF.0, BACK_OFF.1.min(about / 4.0));
        let range = Some(range).filter(|r| r.1 >= 4.0 * r.0);
        let table = range.map_or_else(Vec::new, |range| {
            let reach = (Late::SHARP + 4.0 - range.0 / scatter).max(0.0) / Late::STEP;
            let at = |i: usize| range.0 + (i as f64 * Late::STEP - 4.0) * scatter;
            (0..reach as usize + 2).map(|i| Late::blurred(at(i), scatter, range)).collect()
        });
        Late { scatter, range, table }
    }

    fn density(&self, late: f64) -> f64 {
        let Some((low, high)) = self.range else { return 0.0 };
        if late < low - 4.0 * self.scatter || late > high + 4.0 * self.scatter {
            return 0.0;
        }
        if late >= Late::SHARP * self.scatter {
            return if late > low { 1.0 / (late * (high / low).ln()) } else { 0.0 };
        }
        let place = ((late - low) / self.scatter + 4.0).max(0.0) / Late::STEP;
        let at = |i: usize| self.table.get(i).copied().unwrap_or(0.0);
        let (below, part) = (place as usize, place.fract());
        at(below) * (1.0 - part) + at(below + 1) * part
    }

    fn blurred(late: f64, scatter: f64, (low, high): (f64, f64)) -> f64 {
        const STEPS: usize = 16;
        let width = (high / low).ln() / STEPS as f64;
        let each = (0..STEPS).map(|i| low * ((i as f64 + 0.5) * width).exp());
        let bell = |b: f64| normal(late - b, scatter * scatter + (0.3 * width * b).powi(2));
        each.map(bell).sum::<f64>() / STEPS as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_shape_has_its_mean_and_spread() {
        for shape in SHAPES {
            let (bin, sd) = (0.001, 0.7);
            let below = |x: f64| (summed(shape, x + bin, sd) - summed(shape, x, sd)) / bin;
            let each = (-4000..8000).map(|i| f64::from(i) * bin);
            let weighed = each.map(|x| (x + bin, below(x + bin) - below(x)));
            let (all, mean, square) =
                weighed.fold((0.0, 0.0, 0.0), |a, (x, p)| (a.0 + p, a.1 + p * x, a.2 + p * x * x));
            assert!((all - 1.0).abs() < 1e-3, "{shape:?} {all}");
            assert!(mean.abs() < 2e-3, "{shape:?} {mean}");
            assert!((square - sd * sd).abs() < 5e-3, "{shape:?} {square}");
        }
    }
}
