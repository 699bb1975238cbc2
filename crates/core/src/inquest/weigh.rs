//! The arithmetic: priors times likelihoods, normalised, and nothing else.
//!
//! P(cause | evidence) ∝ prior × Π P(evidence | cause)^strength, over every cause on the list and
//! "something not on the list". A cause's clocks are weighed inside it: P(number | cause) is the
//! sum of its clocks' shares times how well each fits.

use super::causes::{Cause, Causes, UNKNOWN};
use super::clocks_seen::{Reading, SeenClock};
use super::evidence::{Evidence, Weighs};
use super::numbers::{Candidate, Fit, Quantities, belongs, fit};
use super::table::Table;
use crate::clocks::Catalogue;
use crate::rhythm;
use crate::terms::Anchor;

/// No single observation makes a cause more than this improbable: logs are misread, tables are
/// argued.
const FLOOR: f64 = 0.001;

/// What the arithmetic reads: the printed tables.
#[derive(Clone, Debug)]
pub struct Law {
    /// The causes and their priors.
    pub causes: Causes,
    /// The likelihoods.
    pub table: Table,
    /// The timers known.
    pub catalogue: Catalogue,
}

impl Law {
    /// The law that ships with hopclock. An error is a broken build's.
    pub fn builtin() -> Result<Law, String> {
        Ok(Law {
            causes: Causes::builtin()?,
            table: Table::builtin()?,
            catalogue: Catalogue::builtin()?,
        })
    }
}

/// One clock a cause could have, and how it fares.
#[derive(Clone, Debug)]
pub struct ClockShare {
    /// Index into the clocks seen; `None` is "another clock, not in evidence".
    pub seen: Option<usize>,
    /// Its share among the cause's clocks before the number is looked at.
    pub share: f64,
    /// How well the measured times fit it; `None` when nothing was measured.
    pub fit: Option<Fit>,
    /// Its share among the cause's clocks afterwards.
    pub posterior: f64,
}

/// One cause, weighed.
#[derive(Clone, Debug)]
pub struct Weighed {
    /// Index into [`Causes::all`].
    pub cause: usize,
    /// Share before any evidence.
    pub prior: f64,
    /// For each evidence, in order: the factor it contributes; 1 when it is not counted.
    pub factors: Vec<f64>,
    /// Its clocks.
    pub clocks: Vec<ClockShare>,
    /// Share after all evidence.
    pub probability: f64,
}

/// What is to be weighed together.
#[derive(Clone, Copy, Debug)]
pub struct Case<'a> {
    /// All evidence, ids given and groups settled.
    pub evidence: &'a [Evidence],
    /// The clocks seen.
    pub clocks: &'a [SeenClock],
    /// The measured times.
    pub measured: &'a Quantities,
    /// The rhythm's models.
    pub models: &'a [rhythm::Model],
}

/// Weighs every cause; the most probable first.
pub fn weigh(law: &Law, case: Case<'_>) -> Vec<Weighed> {
    let mut weighed: Vec<Weighed> = law
        .causes
        .all()
        .iter()
        .enumerate()
        .map(|(index, cause)| weigh_one(law, case, index, cause))
        .collect();
    raise_to_floor(&mut weighed, case.evidence);
    normalise(&mut weighed);
    weighed
}

/// Applies [`FLOOR`], relative to the best cause, to each piece of evidence.
fn raise_to_floor(weighed: &mut [Weighed], evidence: &[Evidence]) {
    for (index, piece) in evidence.iter().enumerate() {
        let of = |w: &Weighed| w.factors.get(index).copied().unwrap_or(1.0);
        let best = weighed.iter().map(of).fold(0.0, f64::max);
        let floor = best * FLOOR.powf(piece.strength);
        for w in weighed.iter_mut() {
            if let Some(factor) = w.factors.get_mut(index) {
                *factor = factor.max(floor);
            }
        }
    }
}

fn weigh_one(law: &Law, case: Case<'_>, index: usize, cause: &Cause) -> Weighed {
    let clocks = clock_shares(law, case, cause);
    let number: Option<f64> =
        clocks.iter().map(|c| c.fit.as_ref().map(|f| f.likelihood * c.share)).sum::<Option<f64>>();
    let factors = case
        .evidence
        .iter()
        .map(|e| {
            let likelihood = match &e.weighs {
                _ if e.counted_with.is_some() => 1.0,
                Weighs::Table { kind, value } => {
                    law.table.kind(kind).and_then(|k| k.likelihood(value, cause)).unwrap_or(1.0)
                }
                Weighs::Rhythm => rhythm_likelihood(cause, case.models),
                Weighs::Number => number.unwrap_or(1.0),
                Weighs::Clock | Weighs::Context(_) => 1.0,
            };
            likelihood.powf(e.strength)
        })
        .collect();
    let prior = law.causes.prior(cause);
    Weighed { cause: index, prior, factors, clocks, probability: 0.0 }
}

/// Models closer than this (natural logarithm) fit the times equally well: what still parts them is
/// how likely each held the number itself to be, and that is weighed as the number.
const TIE: f64 = 2.0;

/// The rhythm's probability under a cause: a mixture over the anchors its ends may show, relative
/// to the best model.
pub fn rhythm_likelihood(cause: &Cause, models: &[rhythm::Model]) -> f64 {
    let best = models.iter().map(|m| m.log_evidence).fold(f64::NEG_INFINITY, f64::max);
    if !best.is_finite() {
        return 1.0;
    }
    let of = |anchor: Anchor| {
        let model = models.iter().find(|m| m.anchor == anchor)?;
        let behind = best - model.log_evidence;
        Some(if behind < TIE { 1.0 } else { (-behind).exp() })
    };
    let open = of(Anchor::Open).unwrap_or(0.0);
    let random = of(Anchor::Random).unwrap_or(0.0);
    [Anchor::Open, Anchor::Wall, Anchor::FreeRunning, Anchor::Idle, Anchor::Random]
        .iter()
        .map(|&anchor| {
            // Where traffic was not logged, an idle clock looks like age (silent from the start) or
            // like chance.
            let value = of(anchor).unwrap_or(match anchor {
                Anchor::Idle => 0.5 * open + 0.5 * random,
                _ => 0.0,
            });
            cause.anchor_share(anchor) * value
        })
        .sum::<f64>()
        + (cause.anchor_share(Anchor::Event)
            + cause.anchor_share(Anchor::Mixed)
            + cause.anchor_share(Anchor::Probe))
            * random
}

/// How the clocks of a cause share it before the number is looked at. Argued: where somebody read
/// the clock of the box itself it is most likely that one (0.8); where it was read elsewhere, 0.6.
fn clock_shares(law: &Law, case: Case<'_>, cause: &Cause) -> Vec<ClockShare> {
    let own: Vec<(usize, &SeenClock)> =
        case.clocks.iter().enumerate().filter(|(_, c)| belongs(cause, c)).collect();
    let direct = own.iter().any(|(_, c)| c.reading == Reading::Direct);
    let counted: Vec<(usize, &SeenClock)> =
        own.into_iter().filter(|(_, c)| !direct || c.reading == Reading::Direct).collect();
    let together = match (counted.is_empty(), direct) {
        (true, _) => 0.0,
        (false, true) => 0.8,
        (false, false) => 0.6,
    };
    let each = together / counted.len().max(1) as f64;
    let mut shares: Vec<ClockShare> = counted
        .iter()
        .map(|&(index, clock)| ClockShare {
            seen: Some(index),
            share: each,
            fit: fit(cause, Candidate::Seen(clock), case.measured, &law.catalogue),
            posterior: 0.0,
        })
        .collect();
    shares.push(ClockShare {
        seen: None,
        share: 1.0 - together,
        fit: fit(cause, Candidate::Another, case.measured, &law.catalogue),
        posterior: 0.0,
    });
    let weight = |c: &ClockShare| c.share * c.fit.as_ref().map_or(1.0, |f| f.likelihood);
    let total: f64 = shares.iter().map(weight).sum();
    for share in &mut shares {
        share.posterior = if total > 0.0 { weight(share) / total } else { 0.0 };
    }
    shares
}

fn normalise(weighed: &mut [Weighed]) {
    for w in weighed.iter_mut() {
        w.probability = w.prior * w.factors.iter().product::<f64>();
    }
    let total: f64 = weighed.iter().map(|w| w.probability).sum();
    for w in weighed.iter_mut() {
        w.probability /= total;
    }
    weighed.sort_by(|a, b| b.probability.total_cmp(&a.probability).then(a.cause.cmp(&b.cause)));
}

/// Whether the leader stays when the argued numbers move to the ends of their ranges against it.
#[derive(Clone, Debug, PartialEq)]
pub struct Sensitivity {
    /// Kinds of evidence (or `prior`) whose range alone takes the lead away, with who then leads.
    pub overturned_by: Vec<(String, usize)>,
    /// Who leads when every range moves against the leader at once.
    pub all_at_once: usize,
}

/// Moves each argued ratio to the end of its range that hurts the leader most: each rival up
/// against the leader by the span. Where the table gives both the same row, their weights move
/// together and nothing changes between them.
pub fn sensitivity(law: &Law, case: Case<'_>, weighed: &[Weighed]) -> Option<Sensitivity> {
    let leader = weighed.first()?;
    let lead_after = |moved: &dyn Fn(&Weighed) -> f64| {
        weighed
            .iter()
            .map(|w| {
                (w.cause, w.probability * if w.cause == leader.cause { 1.0 } else { moved(w) })
            })
            .max_by(|a, b| a.1.total_cmp(&b.1))
            .map_or(leader.cause, |(cause, _)| cause)
    };
    let span = |index: usize, rival: &Weighed| {
        case.evidence.get(index).map_or(1.0, |e| ratio_span(law, (e, index), leader, rival))
    };
    let mut overturned_by = Vec::new();
    for (index, evidence) in case.evidence.iter().enumerate() {
        let now = lead_after(&|w| span(index, w));
        if now != leader.cause {
            overturned_by.push((evidence.id.clone(), now));
        }
    }
    let now = lead_after(&|_| law.causes.prior_span);
    if now != leader.cause {
        overturned_by.push(("prior".to_owned(), now));
    }
    let all = |w: &Weighed| {
        (0..case.evidence.len()).map(|i| span(i, w)).product::<f64>() * law.causes.prior_span
    };
    Some(Sensitivity { overturned_by, all_at_once: lead_after(&all) })
}

/// How far off the ratio of two causes' likelihoods of one piece of evidence may be.
fn ratio_span(
    law: &Law,
    (evidence, index): (&Evidence, usize),
    leader: &Weighed,
    rival: &Weighed,
) -> f64 {
    let span = match &evidence.weighs {
        _ if evidence.counted_with.is_some() => 1.0,
        Weighs::Table { kind, value } => {
            let causes = law.causes.all();
            let row = |w: &Weighed| {
                let kind = law.table.kind(kind)?;
                Some((kind.span, kind.row(value, causes.get(w.cause)?)))
            };
            match (row(leader), row(rival)) {
                (Some((span, a)), Some((_, b))) if a != b => span,
                _ => 1.0,
            }
        }
        // Computed alike for both, there is nothing between them to be wrong about.
        Weighs::Number | Weighs::Rhythm
            if leader.factors.get(index) == rival.factors.get(index) =>
        {
            1.0
        }
        Weighs::Number => 3.0,
        Weighs::Rhythm => 1.5,
        Weighs::Clock | Weighs::Context(_) => 1.0,
    };
    span.powf(evidence.strength)
}

/// Whether this cause is the one that is not on the list.
pub fn is_unlisted(law: &Law, cause: usize) -> bool {
    law.causes.all().get(cause).is_some_and(|c| c.id == UNKNOWN)
}
