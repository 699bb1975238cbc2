//! From scores to the summary: what is named, what is left open and why, and what would tell.
//!
//! A name needs probability 0.90, nine times the next, and enough ages. Where the times fit a timer
//! counted from the open and a schedule or a free clock equally well, priors alone name nothing.

use super::beat::{Kind, Part};
use super::bursts::Bursts;
use super::data::{self, Data};
use super::fit;
use super::models::{self, Score};
use super::notes;
use super::power;
use super::prior::{self, Extra, ln_sum};
use crate::rhythm::{Beat, CountsFrom, Model, PhaseBreak, Reading, Regime, Rhythm, Timer};
use crate::terms::Anchor;
use crate::time::Gap;

/// Probability a name needs, and how many times the next.
pub(super) const SURE: (f64, f64) = (0.90, 9.0);
/// The same between a timer from the open, a schedule and a free clock, which differ in little but
/// where noise goes.
pub(super) const SURER: (f64, f64) = (0.95, 19.0);
/// Ends below which a clock set anew is known by few on either side of its date.
const HALVES: usize = 40;
/// A timer beside others may spread over this share of itself.
const WIDEST: f64 = 0.1;
/// How often chance may bring as many ages about some value.
const BY_CHANCE: f64 = 1e-3;
/// Ends in a row that make a multiple of the period worth a word.
const SPARSE: usize = 3;
/// A rival below this is one by its fit alone.
const REFUTED: f64 = 1e-3;
/// What a leader must hold of that by itself, where there are fewer ages than these.
const ALONE: f64 = 0.85;
const FEW: usize = 12;
/// Likelihoods closer than this (natural logarithm) do not tell two explanations apart.
pub(super) const TIE: f64 = 2.0;

/// The same for a count of requests, whose evidence is not that of its best parameters: this much,
/// and so much over the number of ages.
pub(super) const COUNT_TIE: (f64, f64) = (1.0, 9.0);

/// Connections shorter than this, seconds, with long pauses between them, are visits.
const VISIT: f64 = 10.0;

/// Scatter below this share of the stamps' step is not seen as what it is.
pub(super) const FINE: f64 = 0.5;
/// Drift of a schedule: bounded below what undisciplined clocks commonly have.
pub(super) const DISCIPLINED: f64 = 20e-6;

/// How far apart likelihoods must be. Below the stamps' step the filter takes rounding for noise,
/// which it is not: each age may tell too much, the more so the finer the clock (`scatter` in
/// steps of the stamps).
pub(super) fn slack(ages: f64, scatter: f64) -> f64 {
    TIE + 0.2 * ages * (1.0 - scatter / FINE).max(0.0)
}

/// A score with its share.
#[derive(Clone, Debug)]
pub(super) struct Ranked {
    /// The score.
    pub(super) score: Score,
    /// Its probability among those compared.
    pub(super) p: f64,
}

/// A reading that says nothing yet.
fn blank(events: usize) -> Reading {
    let rhythm = Rhythm {
        events,
        anchor: Anchor::Undetermined,
        period_s: None,
        low_s: None,
        high_s: None,
        drift_against_s: None,
        drift_s_per_cycle: None,
        reconnect_delay_s: None,
        events_needed: None,
    };
    Reading {
        rhythm,
        models: Vec::new(),
        breaks: Vec::new(),
        beats: Vec::new(),
        fit: None,
        counts_from: None,
        regimes: Vec::new(),
        timers: Vec::new(),
        why: None,
        next: Vec::new(),
        notes: Vec::new(),
    }
}

/// Reads a prepared series.
pub(super) fn of(data: &Data, given: usize) -> Reading {
    let mut out = blank(data.ends.len());
    if given > data.ends.len() {
        out.notes.push(format!("Only the latest {} of {given} endings were used.", data::MOST));
    }
    let ages = data.ages();
    if ages.len() < 2 {
        too_few(data, &ages, &mut out);
        return out;
    }
    let (data, scores) = scored(data, &mut out.notes);
    let ranked = rank(scores);
    out.models = ranked.iter().map(model).collect();
    let (anchor, why) = name(&data, &ranked, ages.len());
    out.rhythm.anchor = anchor;
    out.notes.extend(why.clone());
    out.why = why;
    if data.has_opens() && !data.parallel && !data.delays().is_empty() {
        out.rhythm.reconnect_delay_s = Some(data::median(&data.delays()));
    }
    if let Some(clock) = leading_clock(&ranked) {
        period(&recent(&data, clock), clock, &ranked, &mut out);
        regimes(&data, clock, &mut out);
        out.timers = clock.score.timers.iter().map(timer).collect();
        out.beats = beats(&data, clock);
        out.breaks = breaks(&out.beats);
        out.fit = fit::of(&data, &clock.score);
        out.counts_from = clock.score.setup.map(|s| match s.kind {
            Kind::Walk => CountsFrom::Before,
            Kind::Loop | Kind::Grid => CountsFrom::Grid,
            Kind::Age => CountsFrom::Own,
        });
        notes::said_of_breaks(&mut out);
        notes::said_of_loops(&data, &mut out);
    }
    if let Some(wall) = ranked.first().filter(|_| anchor == Anchor::Wall) {
        let period = out.rhythm.period_s.unwrap_or(0.0);
        notes::said_of_hours(&data, &models::parts(&data, &wall.score), period.round(), &mut out);
        out.notes.push(notes::time_of_day(&data));
    }
    if let Some(b) = Bursts::of(&data) {
        out.notes.push(format!("Ends come in {} bursts of up to {}.", b.count, b.largest));
    }
    if anchor == Anchor::Undetermined {
        let now = leading_clock(&ranked).map(|clock| recent(&data, clock));
        out.rhythm.events_needed = power::needed(now.as_ref().unwrap_or(&data), &ranked);
        let more = out.rhythm.events_needed;
        out.next.extend(more.map(|n| format!("About {n} more endings would tell.")));
        notes::said_of_counts(uneven(&ranked), &mut out);
    }
    if matches!(anchor, Anchor::Open | Anchor::Undetermined) && !data.has_silences() {
        out.notes.push(
            "No last activity is known, so a timer that traffic restarts was not compared."
                .to_owned(),
        );
    }
    out
}

/// None or one age: its length at most.
fn too_few(data: &Data, ages: &[f64], out: &mut Reading) {
    if let Some(&age) = ages.first() {
        out.rhythm.period_s = Some(age);
        out.rhythm.low_s = Some((age - data.step).max(0.0));
        out.rhythm.high_s = Some(age + data.step);
        let round = prior::round_under(age, data.step, Extra::Lateness);
        out.rhythm.drift_against_s = round;
    }
    let why = match ages.len() {
        0 => "No age and no interval is known: one ending tells nothing of a rhythm.".to_owned(),
        _ => "A single age: nothing repeats yet, so nothing tells what it counts from.".to_owned(),
    };
    let why = if data.ends.is_empty() { "There are no endings.".to_owned() } else { why };
    out.notes.push(why.clone());
    out.why = Some(why);
}

/// Scores, on the lifetimes or, where connections are brief visits, on the rhythm of the visits.
fn scored(data: &Data, notes: &mut Vec<String>) -> (Data, Vec<Score>) {
    let scores = models::compare(data);
    let lives: Vec<f64> = data.lives.iter().flatten().copied().collect();
    let brief = data::median(&lives) < data::median(&data.delays());
    if !data.has_opens() || data.parallel || !brief {
        return (data.clone(), scores);
    }
    let ranked = rank(scores);
    let tied = |r: &Ranked| matches!(r.score.anchor, Anchor::Open | Anchor::Idle | Anchor::Mixed);
    let own: f64 = ranked.iter().filter(|r| tied(r)).map(|r| r.p).sum();
    // What lasts a few seconds lasts as long as its exchange, unless a timer cuts it sharply.
    if own > 0.5 && (data::median(&lives) >= VISIT || sharp(&lives)) {
        return (data.clone(), ranked.into_iter().map(|r| r.score).collect());
    }
    let bare = data.without_opens();
    let scores = models::visits(models::compare(&bare));
    notes.push(
        "Connections are brief and far apart: a rhythm here is that of connecting, not of a clock \
         that ends connections."
            .to_owned(),
    );
    (bare, scores)
}

/// Whether four in five of these lie within a hundredth of their median, a second or more.
fn sharp(lives: &[f64]) -> bool {
    let middle = data::median(lives);
    let near = lives.iter().filter(|l| (**l - middle).abs() < 0.01 * middle).count();
    middle >= 1.0 && near * 5 >= lives.len() * 4
}

/// Probabilities from evidence and prior, the most probable first.
fn rank(scores: Vec<Score>) -> Vec<Ranked> {
    let terms: Vec<f64> = scores.iter().map(|s| s.ln + s.prior.ln()).collect();
    let all = ln_sum(&terms);
    let each = scores.into_iter().zip(terms);
    let mut ranked: Vec<Ranked> =
        each.map(|(score, t)| Ranked { score, p: (t - all).exp() }).collect();
    ranked.sort_by(|a, b| b.p.total_cmp(&a.p));
    ranked
}

/// A ranked score as the reading prints it.
fn model(r: &Ranked) -> Model {
    Model { anchor: r.score.anchor, probability: r.p, log_evidence: r.score.ln }
}

/// The anchor, or why there is none.
fn name(data: &Data, ranked: &[Ranked], ages: usize) -> (Anchor, Option<String>) {
    let Some(first) = ranked.first() else { return (Anchor::Undetermined, None) };
    let lead = first.score.anchor;
    let rival = ranked.iter().skip(1).find(|r| !inside(lead, r.score.anchor));
    let next = rival.map_or(0.0, |r| r.p);
    let held: f64 = ranked.iter().filter(|r| inside(lead, r.score.anchor)).map(|r| r.p).sum();
    let held = first.p + held;
    if let Some(why) = tied(data, ranked) {
        return (Anchor::Undetermined, Some(why.to_owned()));
    }
    let drifts = lead == Anchor::FreeRunning && drifts(data, ranked);
    if lead == Anchor::Wall && !disciplined(ranked) || lead == Anchor::FreeRunning && !drifts {
        let why = "The times do not show whether the clock drifts: a schedule and a loop with a \
                   clock of its own both fit.";
        return (Anchor::Undetermined, Some(why.to_owned()));
    }
    if lead == Anchor::FreeRunning && first.score.change.is_some() {
        let why = "The clock was set anew, and the ends since are too few to show whether it runs \
                   on by itself.";
        return (Anchor::Undetermined, Some(why.to_owned()));
    }
    if lead == Anchor::Open && counted(ranked, ages) {
        let why = "So uneven a timer and a limit on the number of requests fit equally well: count \
                   the requests of each connection.";
        return (Anchor::Undetermined, Some(why.to_owned()));
    }
    if lead == Anchor::Count && !data.has_opens() {
        let why = "The ages are uneven as a limit on the number of requests makes them, but without \
                   openings reconnects may make them so.";
        return (Anchor::Undetermined, Some(why.to_owned()));
    }
    if lead == Anchor::Mixed && !stands_out(data, &first.score) {
        let why = "Some ages lie close together, but hardly more of them than chance brings.";
        return (Anchor::Undetermined, Some(why.to_owned()));
    }
    // What counts from a known moment shows itself in three ages; a course of ends does not.
    let own = data.has_opens() && matches!(lead, Anchor::Open | Anchor::Idle | Anchor::Mixed);
    let enough = if own || lead == Anchor::Event { 3 } else { 6 };
    if ages < enough {
        return (Anchor::Undetermined, Some(format!("{ages} ages do not make a rhythm.")));
    }
    let near = |a: Anchor| even(a) || lead == Anchor::Open && a == Anchor::Count;
    let close = rival.is_some_and(|r| even(lead) && near(r.score.anchor));
    let sure = if close { SURER } else { SURE };
    let alone = if ages < FEW { ALONE } else { 0.5 };
    if first.p >= alone && held >= sure.0 && held >= sure.1 * next {
        return (lead, None);
    }
    // Few ages, and others beside the timer may be as many as the timer's own.
    let beside = ranked.iter().find(|r| inside(lead, r.score.anchor)).filter(|b| b.p > next);
    let (held, rival) = beside.map_or((held, rival), |b| (first.p, Some(b)));
    let next = rival.map_or(0.0, |r| r.p);
    let rival = rival.map(|r| word(r.score.anchor)).unwrap_or_default();
    let why = format!(
        "{} ({:.0} %) and {rival} ({:.0} %) are not told apart by these times.",
        word(lead),
        held * 100.0,
        next * 100.0,
    );
    (Anchor::Undetermined, Some(why))
}

/// Whether a clock's ticks may be as even as another's of these.
pub(super) fn even(anchor: Anchor) -> bool {
    matches!(anchor, Anchor::Open | Anchor::Wall | Anchor::FreeRunning)
}

/// Whether an explanation says what the leader says and more: a timer with others beside it is that
/// timer.
fn inside(lead: Anchor, other: Anchor) -> bool {
    lead == Anchor::Open && other == Anchor::Mixed
}

/// Why a leader among open, wall and free-running is led by its prior alone, if it is.
fn tied(data: &Data, ranked: &[Ranked]) -> Option<&'static str> {
    let lead = ranked.first()?.score.anchor;
    let find = |a: Anchor| ranked.iter().find(|r| r.score.anchor == a);
    let open = &find(Anchor::Open)?.score;
    let same = |grid: Option<&Ranked>| {
        let Some(Ranked { score: grid, p }) = grid else { return false };
        let scatters = [open, grid].map(|s| s.setup.map_or(1.0, |s| s.scatter / data.step));
        let scatter = scatters.iter().copied().fold(1.0, f64::min);
        let fine = scatter < FINE;
        let change = ranked.first().is_some_and(|r| r.score.change.is_some());
        if change && data.ends.len() < HALVES && grid.anchor == Anchor::Wall {
            // What was set anew is known by half of the ends, and what set it may have moved it.
            return (open.ln - grid.ln).abs() < 4.0 * TIE;
        }
        if lead != Anchor::Open {
            let slack = slack(data.ends.len() as f64, scatter);
            return (open.ln_peak - grid.ln_peak).abs() < slack;
        }
        // Rounding that repeats itself favours the walk: what the grid is worth without that.
        match fine {
            // A phase that moved with a reconnect tells whatever rounding does.
            true if *p < REFUTED => open.ln_peak - models::exact_peak(data, grid) < 2.0 * TIE,
            true => open.ln_peak - models::exact_peak(data, grid) < 3.0 * TIE,
            false => open.ln_peak - grid.ln_peak < TIE,
        }
    };
    let hidden = lead == Anchor::Open && ranked.first().is_some_and(|r| within_a_step(data, r));
    let wall = find(Anchor::Wall);
    let level = lead == Anchor::FreeRunning && !drifts(data, ranked);
    if (level || matches!(lead, Anchor::Open | Anchor::Wall)) && same(wall) {
        let kept =
            wall.and_then(|w| w.score.setup).is_some_and(|s| prior::divides_a_day(s.period.0));
        return Some(if kept {
            "The drift is below what the stamps show and the period divides a day: a timer counted \
             from the open and a schedule fit equally well."
        } else {
            "The drift is below what the stamps show: a timer counted from the open and a schedule \
             that keeps an even beat fit equally well."
        });
    }
    let steady = matches!(lead, Anchor::Open | Anchor::FreeRunning);
    if hidden || steady && same(find(Anchor::FreeRunning)) {
        return Some(
            "The drift is steady: a timer counted from the open with an even reconnect delay and a \
             clock that runs slow fit equally well.",
        );
    }
    None
}

/// Whether all that an even course leaves over is of the size of the stamps' step: then what looks
/// like noise that adds up may be a clock near the edge of a second.
fn within_a_step(data: &Data, open: &Ranked) -> bool {
    if data.has_opens() || open.score.change.is_some() {
        return false;
    }
    let mut course = vec![(0.0, 0.0)];
    let mut periods = 0.0;
    let first = data.ends.first().copied().unwrap_or(0.0);
    for (i, part) in models::parts(data, &open.score) {
        let Part::Tick(k) = part else { return false };
        periods += f64::from(k);
        course.push((periods, data.ends.get(i).copied().unwrap_or(first) - first));
    }
    let cycle = course.last().map_or(0.0, |(_, t)| t / periods.max(1.0));
    let left = || course.iter().map(|(k, t)| t - k * cycle);
    let range = left().fold(f64::NEG_INFINITY, f64::max) - left().fold(f64::INFINITY, f64::min);
    range <= 1.5 * data.step
}

/// Whether a number of requests explains the ages as well as the timer that leads. What varies
/// little no count explains.
fn counted(ranked: &[Ranked], ages: usize) -> bool {
    let find = |a: Anchor| ranked.iter().find(|r| r.score.anchor == a).map(|r| &r.score);
    let (Some(open), Some(count)) = (find(Anchor::Open), find(Anchor::Count)) else {
        return false;
    };
    count.ln > open.ln - COUNT_TIE.0 - COUNT_TIE.1 / ages as f64
}

/// Whether more ages stand about a timer than those on either side of it foretell: what many ends
/// without a clock look like no family of curves knows, and a timer beside them must show itself.
fn stands_out(data: &Data, score: &Score) -> bool {
    let Some(setup) = score.setup.filter(|_| score.timers.is_empty()) else { return true };
    let centre = models::moments(&score.periods).0;
    let reach = 2.5 * setup.scatter + data.step;
    if reach > WIDEST * centre {
        return false;
    }
    let ages = data.ages();
    let within = |r: f64| ages.iter().filter(|a| (**a - centre).abs() <= r).count() as f64;
    let (own, about) = (within(reach), within(5.0 * reach));
    let mean = (about - own) / 4.0 + 0.5;
    // Poisson's tail, at any of as many places as there are ages.
    let mut term = (-mean).exp();
    let mut below = 0.0;
    for k in 0..own as u32 {
        below += term;
        term *= mean / f64::from(k + 1);
    }
    (1.0 - below).max(0.0) * (ages.len() as f64) < BY_CHANCE
}

/// Whether a timer from the open and a count of requests are what is left.
fn uneven(ranked: &[Ranked]) -> bool {
    let pair = |a: Option<&Ranked>, b: Option<&Ranked>| {
        let of = |r: Option<&Ranked>| r.map(|r| r.score.anchor);
        matches!(
            (of(a), of(b)),
            (Some(Anchor::Open), Some(Anchor::Count)) | (Some(Anchor::Count), Some(Anchor::Open))
        )
    };
    pair(ranked.first(), ranked.get(1))
}

/// Whether a schedule's drift is bounded (95 %) below what undisciplined clocks commonly have.
fn disciplined(ranked: &[Ranked]) -> bool {
    let at = |a: Anchor| ranked.iter().find(|r| r.score.anchor == a).map(|r| &r.score.periods);
    let (Some(wall), Some(free)) = (at(Anchor::Wall), at(Anchor::FreeRunning)) else {
        return false;
    };
    let (mean, var) = models::moments(free);
    let period = models::moments(wall).0;
    (mean - period).abs() + 2.0 * var.sqrt() < DISCIPLINED * period
}

/// Whether a free clock that leads is told from every schedule by more than its prior: it is seen
/// to drift, or its noise to add up.
fn drifts(data: &Data, ranked: &[Ranked]) -> bool {
    let at = |a: Anchor| ranked.iter().find(|r| r.score.anchor == a).map(|r| &r.score);
    let (Some(free), Some(wall)) = (at(Anchor::FreeRunning), at(Anchor::Wall)) else {
        return true;
    };
    let scatter = |s: &Score| s.setup.map_or(1.0, |s| s.scatter / data.step);
    let scatter = scatter(free).min(scatter(wall)).min(1.0);
    let slack = slack(data.ends.len() as f64, scatter);
    free.ln_peak.max(free.ln_loop) - wall.ln_peak >= slack
}

/// The contract's word for an anchor.
fn word(anchor: Anchor) -> &'static str {
    match anchor {
        Anchor::Open => "open",
        Anchor::Wall => "wall",
        Anchor::FreeRunning => "free-running",
        Anchor::Idle => "idle",
        Anchor::IdleApp => "idle-app",
        Anchor::Probe => "probe",
        Anchor::Count => "count",
        Anchor::Event => "event",
        Anchor::Random => "random",
        Anchor::Mixed => "mixed",
        Anchor::Undetermined => "undetermined",
    }
}

/// The most probable explanation with a period, if clocks together hold more than half.
fn leading_clock(ranked: &[Ranked]) -> Option<&Ranked> {
    let clocks = || ranked.iter().filter(|r| !r.score.periods.is_empty());
    (clocks().map(|r| r.p).sum::<f64>() > 0.5).then(|| clocks().next()).flatten()
}

/// Period, interval and drift.
fn period(data: &Data, clock: &Ranked, ranked: &[Ranked], out: &mut Reading) {
    let fixed = clock.score.periods.iter().all(|p| p.2 == 0.0);
    let mut bells = clock.score.periods.clone();
    if fixed {
        // A schedule's period is exact; how well the times show it is what a free grid says.
        let free = ranked.iter().find(|r| r.score.anchor == Anchor::FreeRunning);
        let about = models::moments(&bells).0;
        let var = free.and_then(|f| models::near(&f.score.periods, about));
        let var = var.unwrap_or(data.step * data.step);
        bells.iter_mut().for_each(|b| b.2 = var.max(1e-12));
    }
    let mut views = models::sharper(data, &clock.score).unwrap_or_else(|| vec![bells]);
    if even(clock.score.anchor) && out.rhythm.anchor == Anchor::Undetermined && !data.has_opens() {
        // Which of them it is stays open, and so does the period.
        let rest = ranked.iter().filter(|r| even(r.score.anchor) && r.p < clock.p);
        for other in rest.filter(|r| r.score.change.is_none()) {
            let share = other.p / clock.p;
            let bells = || other.score.periods.iter().map(|b| (b.0 * share, b.1, b.2));
            views.iter_mut().for_each(|view| view.extend(bells()));
        }
    }
    // The interval holds whichever view of the delays is taken.
    let at = |q: f64| views.iter().map(move |view| quantile(view, q));
    let (low, high) = (at(0.025).fold(f64::INFINITY, f64::min), at(0.975).fold(0.0, f64::max));
    let (mean, var) = models::moments(&views.concat());
    let sparse = f64::from(sparse(data, clock));
    let rhythm = &mut out.rhythm;
    rhythm.period_s = Some(mean);
    (rhythm.low_s, rhythm.high_s) = (Some(low), Some(high * sparse));
    if sparse > 1.0 {
        out.notes.push(format!(
            "The latest ends come at every {sparse} periods alone: the clock may have been set to \
             that many times the period."
        ));
    }
    let rhythm = &mut out.rhythm;
    let counted = data.has_opens() && matches!(clock.score.anchor, Anchor::Open | Anchor::Mixed);
    let extra = match clock.score.anchor {
        Anchor::Idle => Extra::Lateness,
        _ if counted => Extra::Lateness,
        _ => Extra::Delay,
    };
    let round = prior::round_under(mean, var.sqrt(), extra);
    rhythm.drift_against_s = round;
    let cycle = match clock.score.anchor {
        Anchor::Idle => None,
        _ if !counted => Some((mean, var)),
        _ if data.parallel => None,
        _ => models::cycle(data),
    };
    if let (Some(round), Some((cycle, var))) = (round, cycle)
        && var.sqrt() < 0.002 * round
    {
        rhythm.drift_s_per_cycle = Some(cycle - round);
        let proof = drift_is_delay(data, cycle - round, var);
        out.notes.extend(proof);
    }
}

/// Of how many periods every one of the latest ends is, where that is more than one and was one
/// before: a clock set to a multiple leaves the same times as ends that nobody saw.
fn sparse(data: &Data, clock: &Ranked) -> u32 {
    let parts = models::parts(data, &clock.score);
    let count = |part: &Part| match part {
        Part::Tick(k) | Part::Late(k) => *k,
        Part::Stranger | Part::Jump(_) => 0,
    };
    let counts: Vec<u32> = parts.iter().map(|p| count(&p.1)).collect();
    let last = counts.last().copied().unwrap_or(1);
    let run = counts.iter().rev().take_while(|k| **k == last).count();
    if last > 1 && run >= SPARSE && run < counts.len() { last } else { 1 }
}

/// Two regimes, where a change of the timer is as sure as a name and the intervals stand apart.
fn regimes(data: &Data, clock: &Ranked, out: &mut Reading) {
    let Some(change) = clock.score.change.as_ref().filter(|c| c.share >= SURE.0) else { return };
    let bounds = |s: &Score| (quantile(&s.periods, 0.025), quantile(&s.periods, 0.975));
    let (old, new) = (bounds(&change.before), bounds(&clock.score));
    if old.1 >= new.0 && new.1 >= old.0 {
        return;
    }
    let first = if clock.score.anchor == Anchor::Open { data.open_order() } else { Vec::new() };
    let place = first.get(change.at).copied().unwrap_or(change.at);
    let regime = |from: usize, s: &Score, (low_s, high_s): (f64, f64)| {
        let index = data.index.get(from).copied().unwrap_or(from);
        Regime { from: index, period_s: models::moments(&s.periods).0, low_s, high_s }
    };
    out.regimes = vec![regime(0, &change.before, old), regime(place, &clock.score, new)];
}

/// The ends that tell of the clock as it is now: all, or those since it was set anew.
fn recent(data: &Data, clock: &Ranked) -> Data {
    let sure = clock.score.change.as_ref().filter(|c| c.share >= SURE.0 && !data.parallel);
    sure.map_or_else(|| data.clone(), |change| data.tail(change.at.saturating_sub(1)))
}

/// A timer as the reading prints it.
fn timer(t: &models::Timer) -> Timer {
    let sd = t.var.sqrt();
    Timer {
        period_s: t.period,
        low_s: t.period - 1.96 * sd,
        high_s: t.period + 1.96 * sd,
        ends: t.ends,
    }
}

/// Whether the drift is the measured reconnect delay: the proof that the open is the anchor.
fn drift_is_delay(data: &Data, drift: f64, var: f64) -> Option<String> {
    let delays = data.delays();
    if !data.has_opens() || data.parallel || delays.len() < 3 {
        return None;
    }
    let n = delays.len() as f64;
    let mean = delays.iter().sum::<f64>() / n;
    let spread = delays.iter().map(|d| (d - mean).powi(2)).sum::<f64>() / (n - 1.0);
    let slack = 2.0 * (var + (spread + data.step * data.step / 6.0) / n).sqrt();
    let same = (drift - mean).abs() <= slack && mean > slack;
    same.then(|| {
        format!(
            "Each cycle is {drift:.2} s longer than the timer, and the measured reconnect delay is \
             {mean:.2} s: the timer starts when the connection opens."
        )
    })
}

/// The value below which a share `q` of a mixture of bells lies.
fn quantile(bells: &[(f64, f64, f64)], q: f64) -> f64 {
    let (mean, var) = models::moments(bells);
    let all: f64 = bells.iter().map(|b| b.0).sum();
    let below = |x: f64| {
        bells
            .iter()
            .map(|b| b.0 * prior::bell_below((x - b.1) / b.2.sqrt().max(1e-12)))
            .sum::<f64>()
            / all
    };
    let reach = bells.iter().map(|b| (b.1 - mean).abs() + 6.0 * b.2.sqrt()).fold(0.0, f64::max);
    let (mut low, mut high) = (mean - reach - var.sqrt(), mean + reach + var.sqrt());
    for _ in 0..60 {
        let middle = (low + high) / 2.0;
        if below(middle) < q { low = middle } else { high = middle }
    }
    (low + high) / 2.0
}

/// What each end is to the leading clock. A jump is one only where the beat goes on from it.
fn beats(data: &Data, clock: &Ranked) -> Vec<(usize, Beat)> {
    let parts = models::parts(data, &clock.score);
    let next = parts.iter().skip(1).map(|p| Some(p.1)).chain([None]);
    let beat = |((i, part), next): (&(usize, Part), Option<Part>)| {
        let beat = match (part, next) {
            (Part::Tick(periods) | Part::Late(periods), _) => Beat::Tick(*periods),
            (Part::Jump(shift), Some(Part::Tick(_) | Part::Late(_))) => Beat::Moved(*shift),
            (Part::Jump(_) | Part::Stranger, _) => Beat::Stranger,
        };
        data.index.get(*i).map(|index| (*index, beat))
    };
    parts.iter().zip(next).filter_map(beat).collect()
}

/// Jumps of phase.
fn breaks(beats: &[(usize, Beat)]) -> Vec<PhaseBreak> {
    let found = beats.iter().filter_map(|(before, beat)| match beat {
        Beat::Moved(shift) => {
            Some(PhaseBreak { before: *before, shift: Gap::from_secs_f64(*shift) })
        }
        Beat::Tick(_) | Beat::Stranger => None,
    });
    found.collect()
}
