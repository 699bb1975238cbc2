//! A periodic clock followed from end to end: a Kalman filter with misses and strangers.
//!
//! The state is the clock's last tick and its period; what differs between a timer counted from
//! the open, a loop and a schedule is only where the noise goes. Gaussian in the period, so the
//! period's prior can be laid over afterwards.

use super::prior::{bell_between, ln_normal, ln_sum};

/// Where a cycle's noise goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Each tick counts from the end before it: noise adds up.
    Walk,
    /// The same, but a stranger does not restart it: a loop that sleeps between rounds.
    Loop,
    /// Ticks stand on a fixed grid: noise does not add up. A jump of the grid is rare.
    Grid,
    /// Each end counts from its own, known, open.
    Age,
}

/// How the filter is set.
#[derive(Clone, Copy, Debug)]
pub(super) struct Setup {
    /// Where the noise goes.
    pub(super) kind: Kind,
    /// Where the period is looked for, and how wide (one standard deviation); 0 is exactly there.
    pub(super) period: (f64, f64),
    /// How well its centre is known from the ages alike (one standard deviation): until the filter
    /// knows better, it is by this that an end is judged.
    pub(super) guide: f64,
    /// Scatter of one cycle, seconds.
    pub(super) scatter: f64,
    /// Variance of a stamp's rounding.
    pub(super) rounding: f64,
    /// Strangers among the ends: pseudo-counts of (strangers, ticks).
    pub(super) strangers: (f64, f64),
    /// Whether a clock change of an hour moves the grid, as it moves local schedules seen from UTC.
    pub(super) hour_shift: bool,
}

/// What one end turned out to be.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Part {
    /// A tick, so many periods after the one before.
    Tick(u32),
    /// A tick that shows later than it was, as reconnects that back off do.
    Late(u32),
    /// Not of this clock.
    Stranger,
    /// Not of this clock's grid; the grid follows it from here.
    Jump(f64),
}

/// The filter's result.
#[derive(Clone, Debug)]
pub(super) struct Fit {
    /// Logarithm of the integral of the likelihood over the period (flat, density 1 per second).
    pub(super) ln_mass: f64,
    /// The period's mean.
    pub(super) period: f64,
    /// Its variance.
    pub(super) var: f64,
    /// The last tick, and its variance.
    pub(super) last: (f64, f64),
    /// Number of ticks.
    pub(super) ticks: usize,
    /// Logarithm of the density of the ticks' stamps alone, as they were foreseen.
    pub(super) ln_seen: f64,
    /// What each end was, by index; filled only on request.
    pub(super) parts: Vec<(usize, Part)>,
    /// How far each tick was from where it was foreseen, in standard deviations of what was
    /// foreseen; filled only on request.
    pub(super) left: Vec<f64>,
}

impl Fit {
    /// Logarithm of the likelihood at the best period.
    pub(super) fn ln_peak(&self) -> f64 {
        self.ln_mass + ln_normal(0.0, self.var)
    }
}

/// The running state: tick, period, their covariance.
#[derive(Clone, Copy, Debug)]
struct State {
    x: f64,
    c: f64,
    xx: f64,
    xc: f64,
    cc: f64,
}

/// Tallies for the predictive shares.
#[derive(Clone, Debug, Default)]
struct Tally {
    ticks: f64,
    missed: f64,
    strange: f64,
    late: f64,
    ln_seen: f64,
    /// [`Fit::left`], where it is asked for.
    left: Option<Vec<f64>>,
}

/// Odds per end that a grid moves for good.
const JUMP: f64 = 1e-3;
/// Odds per end that a local schedule moves by an hour.
const HOUR: f64 = 3e-3;

/// How much later a tick may show whose reconnect, or whose run, had to be tried again: log-uniform
/// between these, seconds, and never more than a quarter of the period.
pub(super) const BACK_OFF: (f64, f64) = (0.5, 300.0);
/// Late ticks among all (pseudo-counts of late and other ticks).
pub(super) const LATE: (f64, f64) = (0.3, 15.0);

/// Logarithm of the density of a tick `late` seconds after its time for having been tried again.
fn ln_late(late: f64, period: f64) -> f64 {
    let (low, high) = (BACK_OFF.0, BACK_OFF.1.min(period / 4.0));
    if high < 4.0 * low || !(low..=high).contains(&late) {
        return f64::NEG_INFINITY;
    }
    -(late * (high / low).ln()).ln()
}

/// Share of the gaps in a log that are as long as they please.
const OUTAGE: f64 = 0.02;

/// Logarithm of the probability that `k` periods pass from a tick to the next one logged: each
/// missed by itself, or a stretch of the log gone.
fn ln_count(k: f64, miss: f64) -> f64 {
    let each = (1.0 - miss) * miss.powf(k - 1.0);
    ((1.0 - OUTAGE) * each + OUTAGE / (k * (k + 1.0))).ln()
}

/// Density of an end that is not the clock's, `d` seconds after its reference: falls as a power,
/// so that a pause of any length stays possible.
pub(super) fn ln_stranger(d: f64, period: f64) -> f64 {
    -(period.ln()) - 2.0 * (1.0 + d.max(0.0) / period).ln()
}

/// Ends with the reference each counts from (the end before, or its own open where known).
pub(super) struct Times<'a> {
    /// Ends, ascending.
    pub(super) ends: &'a [f64],
    /// Opens, for [`Kind::Age`].
    pub(super) opens: &'a [Option<f64>],
}

impl Times<'_> {
    /// Times between consecutive ends.
    pub(super) fn gaps(&self) -> Vec<f64> {
        self.ends.windows(2).map(|w| w[1] - w[0]).collect()
    }

    /// Ages: since the own reference where known, else since the end before.
    pub(super) fn ages(&self) -> Vec<f64> {
        let mut before = None;
        let mut ages = Vec::with_capacity(self.ends.len());
        for (i, &end) in self.ends.iter().enumerate() {
            let open = self.opens.get(i).copied().flatten();
            ages.extend(open.or(before).map(|from| end - from));
            before = Some(end);
        }
        ages
    }
}

/// Runs the filter. `keep` fills [`Fit::parts`].
pub(super) fn run(times: &Times<'_>, set: &Setup, keep: bool) -> Option<Fit> {
    let s2 = set.scatter * set.scatter;
    let (step_var, seen_var) = match set.kind {
        Kind::Grid => (0.0, s2 + set.rounding),
        Kind::Walk | Kind::Loop | Kind::Age => (s2, set.rounding),
    };
    let (c0, sd0) = set.period;
    let first = *times.ends.first()?;
    let mut st = State { x: first, c: c0, xx: seen_var, xc: 0.0, cc: sd0 * sd0 };
    let mut tally = Tally { left: keep.then(Vec::new), ..Tally::default() };
    let mut ln_z = 0.0;
    let mut parts: Vec<(usize, Part)> = Vec::new();
    for (i, &end) in times.ends.iter().enumerate() {
        let open = times.opens.get(i).copied().flatten();
        let before = if i > 0 { times.ends.get(i - 1).copied() } else { None };
        let Some(from) = open.or(before) else { continue };
        if set.kind == Kind::Age {
            st = State { x: from, xx: set.rounding, xc: 0.0, ..st };
        } else if i == 0 {
            // Where the first tick falls after the open says nothing: anywhere in one period.
            ln_z += ln_stranger(end - from, c0);
            continue;
        }
        let next = times.ends.get(i + 1).copied();
        let here = Here { end, from, next, step_var, seen_var };
        let part = absorb(&mut st, &mut tally, &mut ln_z, set, &here);
        if keep {
            parts.push((i, part));
        }
    }
    let (ln_mass, period, var) = flatten(&st, ln_z, set.period);
    let ticks = tally.ticks as usize;
    let ln_seen = tally.ln_seen;
    let left = tally.left.unwrap_or_default();
    Some(Fit { ln_mass, period, var, last: (st.x, st.xx), ticks, ln_seen, parts, left })
}

/// Takes the search's own bell out again: what is left is the likelihood as a function of the
/// period, itself a bell: (logarithm of its integral, mean, variance).
fn flatten(st: &State, ln_z: f64, (c0, sd0): (f64, f64)) -> (f64, f64, f64) {
    if sd0 <= 0.0 {
        return (ln_z, st.c, 0.0);
    }
    let wide = sd0 * sd0;
    let sharp = (1.0 / st.cc - 1.0 / wide).max(0.05 / wide);
    let var = 1.0 / sharp;
    let mean = var * (st.c / st.cc - c0 / wide);
    let at = ln_normal(mean - st.c, st.cc) - ln_normal(mean - c0, wide);
    (ln_z + at - ln_normal(0.0, var), mean, var)
}

/// One end, with what the filter needs to judge it.
struct Here {
    end: f64,
    from: f64,
    next: Option<f64>,
    step_var: f64,
    seen_var: f64,
}

impl State {
    /// The state `k` periods later, with the variance an end there is seen with.
    fn ahead(&self, k: f64, h: &Here) -> (State, f64) {
        let xx = self.xx + 2.0 * k * self.xc + k * k * self.cc + k * h.step_var;
        let st = State { x: self.x + k * self.c, xx, xc: self.xc + k * self.cc, ..*self };
        (st, xx + h.seen_var)
    }

    /// The state with the period the ages alike give, while that is the better known: else a first
    /// end that is late or no tick at all would be taken for the period.
    fn guided(&self, set: &Setup) -> Option<State> {
        let known = set.guide * set.guide;
        let better = known < self.cc && set.kind != Kind::Grid;
        better.then_some(State { c: set.period.0, cc: known, xc: 0.0, ..*self })
    }

    /// Nearest whole number of periods to `end`, at least one.
    fn count(&self, end: f64) -> f64 {
        ((end - self.x) / self.c.max(1e-9)).round().clamp(1.0, 1e6)
    }

    /// Logarithm of the density of a stamp at `residual`: the share of the true time's bell that
    /// the stamp's step holds. A bell for the rounding itself would favour clocks that wander,
    /// because rounding repeats itself from tick to tick and a wandering clock can follow it.
    fn ln_seen(residual: f64, var: f64, rounding: f64) -> f64 {
        let (step, own) = ((12.0 * rounding).sqrt(), var - rounding);
        if own > 4.0 * step * step {
            return ln_normal(residual, var);
        }
        let (half, sd) = (step / 2.0, own.max(1e-18).sqrt());
        let inside = bell_between((residual - half) / sd, (residual + half) / sd);
        (inside / step).max(1e-300).ln()
    }

    /// Takes an end in as a tick.
    fn update(self, residual: f64, var: f64) -> State {
        let (gx, gc) = (self.xx / var, self.xc / var);
        State {
            x: self.x + gx * residual,
            c: self.c + gc * residual,
            xx: (self.xx - gx * self.xx).max(1e-15),
            xc: self.xc - gx * self.xc,
            cc: (self.cc - gc * self.xc).max(1e-24),
        }
    }
}

/// Judges one end: tick, stranger or jump; moves the state and adds to the evidence.
fn absorb(st: &mut State, tally: &mut Tally, ln_z: &mut f64, set: &Setup, h: &Here) -> Part {
    let (a, b) = set.strangers;
    let odd = (a + tally.strange) / (a + b + tally.strange + tally.ticks);
    let miss = (1.0 + tally.missed) / (12.0 + tally.missed + tally.ticks);
    let guided = st.guided(set);
    let k = if set.kind == Kind::Age { 1.0 } else { guided.unwrap_or(*st).count(h.end) };
    let (then, var) = st.ahead(k, h);
    let residual = h.end - then.x;
    let ln_k = ln_count(k, miss);
    let ln_seen = State::ln_seen(residual, var, set.rounding);
    let ln_tick = (1.0 - odd).ln() + ln_k + ln_seen;
    let ln_odd = odd.ln() + ln_stranger(h.end - h.from, set.period.0);
    let ln_hour = hour_shift(set, ln_k, residual, var);
    let ln_back = backed_off(set, tally, ln_k, residual, var);
    *ln_z += ln_sum(&[ln_tick, ln_odd, ln_hour, ln_back]);
    let (ln_tick, ln_back) = match guided.map(|g| g.ahead(k, h)) {
        Some((then, var)) => {
            let residual = h.end - then.x;
            let seen = State::ln_seen(residual, var, set.rounding);
            ((1.0 - odd).ln() + ln_k + seen, backed_off(set, tally, ln_k, residual, var))
        }
        None => (ln_tick, ln_back),
    };
    if ln_back > ln_tick.max(ln_odd).max(ln_hour) {
        // The beat goes on from it; how long it took says nothing of the timer.
        *st = match set.kind {
            Kind::Grid => then,
            Kind::Walk | Kind::Loop | Kind::Age => {
                State { x: h.end, xx: h.seen_var, xc: 0.0, ..*st }
            }
        };
        tally.late += 1.0;
        tally.missed += k - 1.0;
        return Part::Late(k as u32);
    }
    if ln_tick >= ln_odd && ln_tick >= ln_hour {
        *st = then.update(residual, var);
        tally.ticks += 1.0;
        tally.missed += k - 1.0;
        tally.ln_seen += ln_seen;
        tally.left.iter_mut().for_each(|left| left.push(residual / var.sqrt()));
        return Part::Tick(k as u32);
    }
    if ln_hour > ln_odd {
        let moved = residual - 3600.0_f64.copysign(residual);
        *st = then.update(moved, var);
        st.x += residual - moved;
        tally.ticks += 1.0;
        return Part::Tick(k as u32);
    }
    tally.strange += 1.0;
    match set.kind {
        Kind::Age => Part::Stranger,
        Kind::Walk => {
            *st = State { x: h.end, xx: h.seen_var, xc: 0.0, ..*st };
            Part::Jump(residual)
        }
        Kind::Grid | Kind::Loop => jump(st, ln_z, h, residual),
    }
}

/// The evidence that a tick shows late for having been tried again. Ages whose own open is known
/// hold no reconnect.
fn backed_off(set: &Setup, tally: &Tally, ln_k: f64, residual: f64, var: f64) -> f64 {
    if set.kind == Kind::Age || residual < 4.0 * var.sqrt() {
        return f64::NEG_INFINITY;
    }
    let late = (LATE.0 + tally.late) / (LATE.0 + LATE.1 + tally.late + tally.ticks);
    late.ln() + ln_k + ln_late(residual, set.period.0)
}

/// The evidence that a local schedule moved by an hour, as it does when clocks change.
fn hour_shift(set: &Setup, ln_k: f64, residual: f64, var: f64) -> f64 {
    if !set.hour_shift || residual.abs() < 1800.0 || set.period.0 < 10_000.0 {
        return f64::NEG_INFINITY;
    }
    let moved = residual - 3600.0_f64.copysign(residual);
    HOUR.ln() + ln_k + ln_normal(moved, var)
}

/// Whether a grid moves to an end that is not on it: only if the next end stands on the new grid
/// and not on the old one, and at the price of [`JUMP`].
fn jump(st: &mut State, ln_z: &mut f64, h: &Here, residual: f64) -> Part {
    let Some(next) = h.next else { return Part::Stranger };
    let moved = State { x: h.end, xx: h.seen_var, xc: 0.0, ..*st };
    let fits = |s: &State| {
        let (then, var) = s.ahead(s.count(next), h);
        ln_normal(next - then.x, var)
    };
    if fits(&moved) + JUMP.ln() > fits(st) && fits(&moved) > ln_stranger(next - h.end, st.c) {
        *ln_z += JUMP.ln();
        *st = moved;
        return Part::Jump(residual);
    }
    Part::Stranger
}
