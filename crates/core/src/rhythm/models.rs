//! The rival explanations, each with the evidence the times give it.
//!
//! Every model assigns a density to the same thing: each end, given the ends before it and, where
//! they are known, the opens. Activities, where known, are scored as well: under an idle timer the
//! silence is the timer and the age is arbitrary; under all others it is the other way round.

use super::beat::{self, Fit, Kind, Setup, Times};
use super::bursts::Bursts;
use super::cycle;
use super::data::Data;
use super::exact;
use super::prior::{self, Extra, ln_sum};
use super::regime::{self, Begins, Change};
use super::search::{self, Fits, Search, candidates};
use super::several;
use super::spread;
use crate::terms::Anchor;

/// Strangers among the ends of a clock (pseudo-counts of strangers and ticks).
const FEW: (f64, f64) = (0.3, 9.0);
/// None to speak of.
pub(super) const FIRM: (f64, f64) = (1e-3, 1e3);
/// The same where half may be strangers.
const MANY: (f64, f64) = (5.0, 5.0);

/// One explanation, scored.
#[derive(Clone, Debug)]
pub(super) struct Score {
    /// Which.
    pub(super) anchor: Anchor,
    /// Prior weight; the weights of those compared need not sum to one.
    pub(super) prior: f64,
    /// Logarithm of the evidence.
    pub(super) ln: f64,
    /// Logarithm of the best likelihood any plausible parameters give; minus infinity where unused.
    /// Of a free clock that of its grid.
    pub(super) ln_peak: f64,
    /// The same of a loop, for a free clock; else minus infinity.
    pub(super) ln_loop: f64,
    /// Posterior of the period: (weight, mean, variance); weights sum to one. Empty: no period.
    pub(super) periods: Vec<(f64, f64, f64)>,
    /// The best setting, to run again for the details.
    pub(super) setup: Option<Setup>,
    /// The best setting of a grid, where a loop may be the better of the two.
    pub(super) grid: Option<Setup>,
    /// A change of the clock at a date, where one was found; the rest is then of the clock since.
    pub(super) change: Option<Change>,
    /// The timers, where it takes two of them; else empty.
    pub(super) timers: Vec<Timer>,
}

/// One of two timers.
#[derive(Clone, Copy, Debug)]
pub(super) struct Timer {
    /// Its period.
    pub(super) period: f64,
    /// The period's variance.
    pub(super) var: f64,
    /// Ends it explains.
    pub(super) ends: usize,
}

/// Lays the prior of the period over the fits.
pub(super) fn score(fits: &Fits, (anchor, prior): (Anchor, f64), extra: Extra) -> Option<Score> {
    let each = fits.iter().map(|(ln_w, setup, fit)| {
        let ln = ln_w + fit.ln_mass + prior::period(fit.period, fit.var.sqrt(), extra).ln();
        (ln, setup, fit)
    });
    let each: Vec<(f64, &Setup, &Fit)> = each.filter(|e| e.0.is_finite()).collect();
    let terms: Vec<f64> = each.iter().map(|e| e.0).collect();
    let ln = ln_sum(&terms);
    let best = each.iter().max_by(|a, b| a.0.total_cmp(&b.0))?;
    let periods = each.iter().map(|e| ((e.0 - ln).exp(), e.2.period, e.2.var));
    let periods = periods.filter(|p| p.0 > 1e-6).collect();
    let likely = each.iter().filter(|e| prior::plausible(e.2.period, e.2.var.sqrt(), extra));
    let ln_peak = likely.map(|e| e.2.ln_peak()).fold(f64::NEG_INFINITY, f64::max);
    let blank = plain(anchor, prior, ln);
    Some(Score { ln_peak, periods, setup: Some(*best.1), ..blank })
}

/// A schedule of the wall clock.
fn wall(times: &Times<'_>, gaps: &[f64], data: &Data) -> Option<Score> {
    let mut each: Vec<(f64, f64, Setup, f64)> = Vec::new();
    for (period, share) in keepable(gaps, data.step) {
        let search = Search {
            kind: Kind::Grid,
            at: &[(period, 0.0)],
            step: data.step,
            strangers: FEW,
            hour_shift: period > 10_000.0,
            tight: &[],
        };
        for (ln_w, setup, fit) in search::fits(times, &search) {
            // A stamp says its moment or up to a step less.
            let at = data.day_s + fit.last.0 + data.step / 2.0;
            let sd = (fit.last.1 + data.step * data.step / 12.0).sqrt();
            let ln = ln_w + (share * prior::phase(at, sd, period)).ln() + fit.ln_mass;
            each.push((ln, period, setup, fit.ln_mass));
        }
    }
    let terms: Vec<f64> = each.iter().map(|e| e.0).collect();
    let ln = ln_sum(&terms);
    let best = each.iter().max_by(|a, b| a.0.total_cmp(&b.0))?;
    let ln_peak = each.iter().map(|e| e.3).fold(f64::NEG_INFINITY, f64::max);
    let periods = each.iter().map(|e| ((e.0 - ln).exp(), e.1, 0.0)).filter(|p| p.0 > 1e-6);
    let periods = periods.collect();
    let blank = plain(Anchor::Wall, 0.2, ln);
    Some(Score { ln_peak, periods, setup: Some(best.2), ..blank })
}

/// The periods a schedule of these gaps may keep, with their weights: those that divide a day or a
/// week, and any even beat that stands where gaps do.
fn keepable(gaps: &[f64], step: f64) -> Vec<(f64, f64)> {
    let longest = gaps.iter().copied().fold(0.0, f64::max);
    let typical = super::data::median(gaps);
    let within = |t: f64| t <= 1.5 * longest && t >= typical / 40.0;
    let at = candidates(gaps);
    let near = |t: f64| at.iter().any(|(c, _)| (c - t).abs() < BESIDE * t + step);
    let mut all: Vec<(f64, f64)> = prior::schedules().filter(|(t, _)| within(*t)).collect();
    for (period, share) in prior::beats().filter(|(t, _)| near(*t)) {
        match all.iter_mut().find(|(t, _)| *t == period) {
            Some((_, known)) => *known += share,
            None => all.push((period, share)),
        }
    }
    all
}

/// Where a schedule may be, a free clock is looked for within this share of its period.
const DRIFTS: f64 = 3e-4;
/// A beat further than this share of itself from where gaps stand is not looked at.
const BESIDE: f64 = 0.05;

/// Two scores of one anchor, weighed `a` to `b`, as one.
pub(super) fn merge(a: Option<Score>, b: Option<Score>, (wa, wb): (f64, f64)) -> Option<Score> {
    let (a, b) = match (a, b) {
        (Some(a), Some(b)) => (a, b),
        (Some(a), None) => return Some(Score { ln: a.ln + wa.ln(), ..a }),
        (None, b) => return b.map(|b| Score { ln: b.ln + wb.ln(), ..b }),
    };
    let ln = ln_sum(&[a.ln + wa.ln(), b.ln + wb.ln()]);
    let (sa, sb) = ((a.ln + wa.ln() - ln).exp(), (b.ln + wb.ln() - ln).exp());
    let scaled =
        |s: &Score, by: f64| s.periods.iter().map(|p| (p.0 * by, p.1, p.2)).collect::<Vec<_>>();
    let mut periods = scaled(&a, sa);
    periods.extend(scaled(&b, sb));
    let ln_peak = a.ln_peak.max(b.ln_peak);
    let lead = if sa >= sb { a } else { b };
    Some(Score { ln, ln_peak, periods, ..lead })
}

/// The same scores where connections are brief visits: what counts from the visit before is a loop.
pub(super) fn visits(scores: Vec<Score>) -> Vec<Score> {
    let of = |a: Anchor| scores.iter().find(|s| s.anchor == a).cloned();
    let walk = of(Anchor::Open).map(|s| Score { anchor: Anchor::FreeRunning, prior: 0.3, ..s });
    let free = merge(of(Anchor::FreeRunning), walk, (0.3, 0.7));
    let free = free.map(|s| Score { prior: 0.3, ..s });
    let tied = [Anchor::Open, Anchor::FreeRunning];
    let rest = scores.into_iter().filter(|s| !tied.contains(&s.anchor));
    rest.chain(free).collect()
}

/// A maximum age spread on purpose.
fn spread_age(ages: &[f64]) -> Option<Score> {
    let u = spread::uniform(ages)?;
    let periods = vec![(1.0, u.middle, u.sd * u.sd)];
    Some(Score { ln_peak: u.ln_mass, periods, ..plain(Anchor::Open, 0.0, u.ln_mass) })
}

/// Scores everything that can be compared on these times.
pub(super) fn compare(data: &Data) -> Vec<Score> {
    let ages = data.ages();
    let step = data.step;
    let mut scores: Vec<Option<Score>> = Vec::new();
    let bursts = Bursts::of(data);
    let opens = if data.has_opens() { data.opens.as_slice() } else { &[] };
    let times = Times { ends: &data.ends, opens };
    if data.has_opens() || !data.parallel && bursts.is_none() {
        scores.extend([open(data), mixed(data, &times, &ages)]);
        scores.push(count(&ages));
    }
    scores.extend(grids(data, &times, bursts.as_ref()));
    scores.push(Some(plain(Anchor::Random, 0.2, spread::ln_random(&ages, step))));
    if data.has_silences() {
        silences(data, &ages, &mut scores);
    }
    scores.into_iter().flatten().collect()
}

/// How ages are followed, and what a cycle holds besides the timer.
fn aging(data: &Data) -> (Kind, Extra) {
    match data.has_opens() {
        true => (Kind::Age, Extra::Lateness),
        false => (Kind::Walk, Extra::Delay),
    }
}

/// A timer from the open, perhaps changed at a date.
fn open(data: &Data) -> Option<Score> {
    let (kind, extra) = aging(data);
    let one = |times: &Times<'_>| {
        let ages = times.ages();
        let at = candidates(&ages);
        let search = Search {
            kind,
            at: &at,
            step: data.step,
            strangers: FEW,
            hour_shift: false,
            tight: &[],
        };
        let sharp = score(&search::fits(times, &search), (Anchor::Open, 0.48), extra);
        let setup = sharp.as_ref().and_then(|s| s.setup);
        let both = merge(sharp, spread_age(&ages), (0.8, 0.2));
        both.map(|s| Score { prior: 0.48, setup: s.setup.or(setup), ..s })
    };
    if kind == Kind::Walk {
        let times = Times { ends: &data.ends, opens: &[] };
        return regime::scored(&times, Begins::Shared, &one);
    }
    // A new timer holds for what opens after it was set: the order is that of the opens.
    let (ends, opens) = data.by_open();
    let ordered = Times { ends: &ends, opens: &opens };
    regime::scored(&ordered, Begins::Apart, &one)
}

/// A timer with others beside it: as many strangers as ticks, or a second timer.
fn mixed(data: &Data, times: &Times<'_>, ages: &[f64]) -> Option<Score> {
    let (kind, extra) = aging(data);
    let at = candidates(ages);
    let search =
        Search { kind, at: &at, step: data.step, strangers: MANY, hour_shift: false, tight: &[] };
    let named = (Anchor::Mixed, 0.05);
    let one = score(&search::fits(times, &search), named, extra);
    let mixed = merge(one, several::of(data, extra), (0.6, 0.4));
    mixed.map(|s| Score { prior: 0.05, ..s })
}

/// A number of requests at a steady rate: ages as the sum of so many waits are.
fn count(ages: &[f64]) -> Option<Score> {
    let ln = spread::ln_count(ages)?;
    Some(plain(Anchor::Count, 0.02, ln))
}

/// A score without parameters worth keeping.
fn plain(anchor: Anchor, prior: f64, ln: f64) -> Score {
    Score {
        anchor,
        prior,
        ln,
        ln_peak: f64::NEG_INFINITY,
        ln_loop: f64::NEG_INFINITY,
        periods: Vec::new(),
        setup: None,
        grid: None,
        change: None,
        timers: Vec::new(),
    }
}

/// Schedules, loops and bursts: what is tied to no connection's age.
fn grids(data: &Data, times: &Times<'_>, bursts: Option<&Bursts>) -> Vec<Option<Score>> {
    let heads = bursts.map(|b| b.heads.as_slice());
    let (ends, rest) = (heads.unwrap_or(&data.ends), bursts.map_or(0.0, |b| b.ln_followers));
    let opens = if heads.is_some() { &[] } else { times.opens };
    // Where connections overlap and no burst gathers them, nobody's end follows another's.
    let own = Times { ends, opens };
    let gaps: Vec<f64> = ends.windows(2).map(|w| w[1] - w[0]).collect();
    let named = (Anchor::FreeRunning, 0.08);
    let grid = |times: &Times<'_>| {
        let gaps = times.gaps();
        let at = candidates(&gaps);
        let kept = keepable(&gaps, data.step);
        let tight: Vec<(f64, f64)> = kept.iter().map(|(t, _)| (*t, DRIFTS * t)).collect();
        let search = Search {
            kind: Kind::Grid,
            at: &at,
            step: data.step,
            strangers: FEW,
            hour_shift: false,
            tight: &tight,
        };
        score(&search::fits(times, &search), named, Extra::Drift)
    };
    let grid = regime::scored(&own, Begins::Anywhere, &grid);
    let at = candidates(&gaps);
    let search = Search {
        kind: Kind::Loop,
        at: &at,
        step: data.step,
        strangers: FEW,
        hour_shift: false,
        tight: &[],
    };
    let round = score(&search::fits(&own, &search), named, Extra::Delay);
    // A loop's noise adds up as an age's does: only the grid can be told from it by likelihood.
    let peak = grid.as_ref().map_or(f64::NEG_INFINITY, |g| g.ln_peak);
    let ln_loop = round.as_ref().map_or(f64::NEG_INFINITY, |r| r.ln_peak);
    let best = grid.as_ref().filter(|g| g.change.is_none()).and_then(|g| g.setup);
    let periods = either(grid.as_ref(), round.as_ref());
    let free = merge(grid, round, (0.85, 0.15));
    let free =
        free.map(|s| Score { prior: 0.08, ln_peak: peak, ln_loop, grid: best, periods, ..s });
    let schedule = |times: &Times<'_>| wall(times, &times.gaps(), data);
    let mut all = vec![regime::scored(&own, Begins::Anywhere, &schedule), free];
    for score in all.iter_mut().flatten() {
        score.ln += rest;
        score.ln_peak += rest;
        score.ln_loop += rest;
    }
    if heads.is_some() {
        let ln = spread::ln_random(&gaps, data.step) + rest;
        all.push(Some(plain(Anchor::Event, 0.1, ln)));
    }
    all
}

/// The periods of a grid and of a loop, as if either were as likely beforehand: few ends tell them
/// apart, and the interval is to hold for both.
fn either(grid: Option<&Score>, round: Option<&Score>) -> Vec<(f64, f64, f64)> {
    let all = [(grid, 0.3_f64), (round, 0.7)];
    let all: Vec<(&Score, f64)> = all.into_iter().filter_map(|(s, w)| Some((s?, w))).collect();
    let ln = ln_sum(&all.iter().map(|(s, w)| s.ln + w.ln()).collect::<Vec<_>>());
    let scaled = |(s, w): (&Score, f64)| {
        let by = (s.ln + w.ln() - ln).exp();
        s.periods.iter().map(|p| (p.0 * by, p.1, p.2)).collect::<Vec<_>>()
    };
    all.into_iter().flat_map(scaled).collect()
}

/// Adds what the silences say: to the idle timer that they are it, to all others their own spread.
fn silences(data: &Data, ages: &[f64], scores: &mut Vec<Option<Score>>) {
    let near = 2.0 * data.step;
    let skip = data.ends.len() - ages.len();
    let pairs = data.silences.iter().skip(skip).zip(ages);
    let pairs = pairs.filter_map(|(s, a)| s.map(|s| (s, *a)));
    let spoke: Vec<(f64, f64)> = pairs.filter(|(s, a)| (a - s).abs() > near).collect();
    let quiet: Vec<f64> = spoke.iter().map(|p| p.0).collect();
    let before: Vec<f64> = spoke.iter().map(|p| (p.1 - p.0).max(0.0)).collect();
    let ln_quiet = spread::ln_random(&quiet, data.step);
    for score in scores.iter_mut().flatten() {
        score.ln += ln_quiet;
        score.ln_peak += ln_quiet;
        score.ln_loop += ln_quiet;
    }
    let last = data.ends.iter().zip(&data.silences).map(|(e, s)| s.map(|s| e - s));
    let last: Vec<Option<f64>> = last.collect();
    let times = Times { ends: &data.ends, opens: &last };
    let timer = |times: &Times<'_>| {
        let at = candidates(&times.ages());
        let search = Search {
            kind: Kind::Age,
            at: &at,
            step: data.step,
            strangers: FEW,
            hour_shift: false,
            tight: &[],
        };
        score(&search::fits(times, &search), (Anchor::Idle, 0.25), Extra::Lateness)
    };
    let idle = regime::scored(&times, Begins::Apart, &timer);
    let ln_before = spread::ln_random(&before, data.step);
    let idle = idle.map(|s| Score { ln: s.ln + ln_before, ln_peak: s.ln_peak + ln_before, ..s });
    scores.push(idle);
}

/// The ends in the order a score follows them, with what each counts from: place, end, reference.
fn followed(data: &Data, score: &Score) -> (Vec<usize>, Vec<f64>, Vec<Option<f64>>) {
    let last: Vec<Option<f64>> =
        data.ends.iter().zip(&data.silences).map(|(e, s)| s.map(|s| e - s)).collect();
    let opens = match (score.anchor, data.has_opens()) {
        (Anchor::Idle, _) => last.as_slice(),
        (_, true) => data.opens.as_slice(),
        (_, false) => &[],
    };
    let aged = score.anchor == Anchor::Open && data.has_opens();
    let order = if aged { data.open_order() } else { (0..data.ends.len()).collect() };
    let ends: Vec<f64> = order.iter().filter_map(|i| data.ends.get(*i).copied()).collect();
    let opens: Vec<Option<f64>> = order.iter().filter_map(|i| opens.get(*i).copied()).collect();
    (order, ends, opens)
}

/// The posterior of the period near its best value with nothing decided about any end, once for
/// each view of its delays; `None` where the filter's word must do.
pub(super) fn sharper(data: &Data, score: &Score) -> Option<Vec<cycle::Bells>> {
    let setup = score.setup?;
    if score.change.is_some() && data.parallel {
        return None;
    }
    let (_, ends, opens) = followed(data, score);
    let times = Times { ends: &ends, opens: &opens };
    let near = |p: &&(f64, f64, f64)| (p.1 - setup.period.0).abs() < NEAR * setup.period.0;
    let own: Vec<(f64, f64, f64)> = score.periods.iter().filter(near).copied().collect();
    let (mean, var) = moments(&own);
    let share: f64 = own.iter().map(|p| p.0).sum();
    let found = cycle::posterior(&times, &setup, (mean, var.sqrt()))?;
    let rest = || score.periods.iter().filter(|p| !near(p)).copied();
    let whole = |view: cycle::Bells| {
        view.into_iter().map(|(w, c, v)| (w * share, c, v)).chain(rest()).collect()
    };
    Some(found.into_iter().map(whole).collect())
}

/// Periods closer than this share are one.
const NEAR: f64 = 0.02;

/// What each end of the clock's latest regime was, and how far its ticks were from where they were
/// foreseen, in standard deviations.
pub(super) fn course(data: &Data, score: &Score) -> (Vec<(usize, beat::Part)>, Vec<f64>) {
    let (_, ends, opens) = followed(data, score);
    let times = Times { ends: &ends, opens: &opens };
    let shared = score.setup.is_some_and(|s| s.kind == Kind::Walk);
    let since = |c: &Change| c.at.saturating_sub(usize::from(shared));
    let from = score.change.as_ref().map_or(0, since);
    let times = regime::part(&times, from, ends.len());
    let seen = score.setup.and_then(|s| beat::run(&times, &s, true));
    seen.map(|f| (f.parts, f.left)).unwrap_or_default()
}

/// The parts the best setting of `score` saw in the data, by index of the end.
pub(super) fn parts(data: &Data, score: &Score) -> Vec<(usize, beat::Part)> {
    let (order, ends, opens) = followed(data, score);
    let times = Times { ends: &ends, opens: &opens };
    let run = |from: usize, to: usize, setup: Option<Setup>| {
        let seen = setup.and_then(|s| beat::run(&regime::part(&times, from, to), &s, true));
        let parts = seen.map(|f| f.parts).unwrap_or_default();
        let placed = |(i, part): (usize, beat::Part)| order.get(i + from).map(|i| (*i, part));
        parts.into_iter().filter_map(placed).collect::<Vec<_>>()
    };
    let all = data.ends.len();
    let Some(change) = &score.change else { return run(0, all, score.setup) };
    let shared = score.setup.is_some_and(|s| s.kind == Kind::Walk);
    let from = change.at - usize::from(shared && change.at > 0);
    let mut parts = run(0, change.at, change.before.setup);
    parts.extend(run(from, all, score.setup));
    parts
}

/// The likelihood of a grid at its best parameters, rounding taken for what it is; the filter's
/// where that cannot be had.
pub(super) fn exact_peak(data: &Data, score: &Score) -> f64 {
    let bursts = Bursts::of(data);
    let own = score.setup.filter(|s| s.kind == Kind::Grid && score.change.is_none());
    let setup = score.grid.or(own).filter(|_| bursts.is_none());
    let Some(setup) = setup else { return score.ln_peak };
    let opens = if data.has_opens() { data.opens.as_slice() } else { &[] };
    let times = Times { ends: &data.ends, opens };
    score.ln_peak + exact::gain(&times, &setup).unwrap_or(0.0)
}

/// The mean cycle (end to end), its variance: of use where opens are known as well.
pub(super) fn cycle(data: &Data) -> Option<(f64, f64)> {
    gaps_alone(data, Kind::Walk, Extra::Delay)
}

/// The period of a grid, its variance.
pub(super) fn grid(data: &Data) -> Option<(f64, f64)> {
    gaps_alone(data, Kind::Grid, Extra::Drift)
}

fn gaps_alone(data: &Data, kind: Kind, extra: Extra) -> Option<(f64, f64)> {
    let times = Times { ends: &data.ends, opens: &[] };
    let at = candidates(&data.gaps());
    let search =
        Search { kind, at: &at, step: data.step, strangers: FEW, hour_shift: false, tight: &[] };
    let found = score(&search::fits(&times, &search), (Anchor::Open, 1.0), extra)?;
    Some(moments(&found.periods))
}

/// Variance of the bells near a period; `None` where there are none.
pub(super) fn near(periods: &[(f64, f64, f64)], about: f64) -> Option<f64> {
    let own = periods.iter().filter(|p| (p.1 - about).abs() < NEAR * about).copied();
    let own: Vec<(f64, f64, f64)> = own.collect();
    (!own.is_empty()).then(|| moments(&own).1)
}

/// Mean and variance of a mixture of bells.
pub(super) fn moments(periods: &[(f64, f64, f64)]) -> (f64, f64) {
    let all: f64 = periods.iter().map(|p| p.0).sum();
    let mean = periods.iter().map(|p| p.0 * p.1).sum::<f64>() / all;
    let var = periods.iter().map(|p| p.0 * (p.2 + (p.1 - mean).powi(2))).sum::<f64>() / all;
    (mean, var)
}
