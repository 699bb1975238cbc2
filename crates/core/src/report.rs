//! The report: everything a pen may need, in one document with a number (`hopclock.report/1`).
//!
//! Field names and meanings are a published contract; fields may be added. Nothing is argued here:
//! the inquest's findings are laid out, rounded so that the same evidence prints the same bytes.

mod explain;
mod rewrite;

pub use explain::{Column, Explanation, Row, Taken, Without};

use crate::flow::How;
use crate::inquest::advice::{Fix, Step};
use crate::inquest::evidence::Cite;
use crate::inquest::finding::{Finding, NamedClock, in_state};
use crate::inquest::ladder::Ladder;
use crate::inquest::order::Order;
use crate::inquest::weigh::{Law, Weighed};
use crate::rhythm::plot::{self, Plots};
use crate::rhythm::{self, Rhythm};
use crate::terms::{Anchor, DetectedBy, EndedBy, Outcome, Side};
use serde::Serialize;

/// Name and version of the document.
pub const SCHEMA: &str = "hopclock.report/1";

/// The whole answer.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Report {
    /// Always [`SCHEMA`].
    pub schema: &'static str,
    /// What was found, the one that explains most first.
    pub findings: Vec<FindingEntry>,
    /// Timers in evidence that must be ordered, those that are not first; whether or not they are
    /// today's cause.
    pub timer_order: Vec<Order>,
    /// Every fact the findings stand on.
    pub evidence: Vec<EvidenceEntry>,
    /// What was not there to look at.
    pub not_looked_at: Vec<String>,
    /// What was read.
    pub inputs: Vec<Input>,
}

/// One input and how it was taken.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Input {
    /// As named.
    pub file: String,
    /// What it was recognised as.
    pub kind: String,
    /// Records used: lines, packets, entries, settings.
    pub records: u64,
    /// Records that could not be read.
    pub skipped: u64,
    /// What a reader should know of it, one sentence each.
    pub notes: Vec<String>,
}

/// Which connections.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Connections {
    /// In words.
    pub what: String,
    /// How many ends.
    pub count: usize,
}

/// One finding.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct FindingEntry {
    /// `f1`, `f2` …
    pub id: String,
    /// Which connections.
    pub connections: Connections,
    /// Named, narrowed, or cannot say.
    pub outcome: Outcome,
    /// The leader; `None` on cannot-say.
    pub verdict: Option<Verdict>,
    /// Every cause on the list, the most probable first.
    pub hypotheses: Vec<Hypothesis>,
    /// How many of them hold 0.80 together, at most five.
    pub short_list: usize,
    /// Configured or documented timers that cannot have done it.
    pub red_herrings: Vec<RedHerringEntry>,
    /// What does not fit together.
    pub contradictions: Vec<ContradictionEntry>,
    /// What to collect next.
    pub next_evidence: Vec<Step>,
    /// What can be done.
    pub fixes: Vec<Fix>,
    /// Text for the other side's team.
    pub letter: Option<String>,
    /// The timing of the ends.
    pub rhythm: Option<Rhythm>,
    /// What the ends may count from, the most probable first.
    pub anchors: Vec<AnchorShare>,
    /// What else the timing says, one sentence each.
    pub rhythm_notes: Vec<String>,
    /// What the plots of the rhythm show; for pens that draw, and in no document.
    #[serde(skip)]
    pub plots: Plots,
    /// Ends seen in captures.
    pub endings: Vec<EndingEntry>,
    /// What a map of hops says of it, where one was given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub on_the_map: Option<OnTheMap>,
    /// The packets the last of them is read from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ladder: Option<Ladder>,
    /// The arithmetic, when asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub explanation: Option<Explanation>,
}

/// A finding on a map of hops.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct OnTheMap {
    /// One sentence.
    pub says: String,
    /// Timers of the map that are as long as what was measured.
    pub timers: Vec<TimerOnTheMap>,
}

/// A timer of a map's hop.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct TimerOnTheMap {
    /// The hop's name on the map.
    pub hop: String,
    /// Its name, value and how that is known.
    pub timer: String,
    /// The row of the catalogue, where there is one.
    pub clock: Option<String>,
    /// Its value in seconds.
    pub seconds: f64,
}

/// One anchor with its share, by the times alone.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct AnchorShare {
    /// Which.
    pub anchor: Anchor,
    /// 0 to 1.
    pub probability: f64,
}

/// The leading hypothesis.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Verdict {
    /// Id of the cause.
    pub cause: String,
    /// Its family.
    pub family: &'static str,
    /// Its probability.
    pub confidence: f64,
    /// In words.
    pub means: String,
    /// The clock, when evidence other than the number points at it.
    pub clock: Option<ClockEntry>,
    /// Catalogue clocks of the short list whose value fits what was measured.
    pub candidates: Vec<ClockEntry>,
    /// Who decided.
    pub ended_by: EndedBy,
    /// How the victim noticed.
    pub detected_by: Option<DetectedBy>,
    /// The hop, when the evidence names it.
    pub hop: Option<String>,
}

/// A clock.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ClockEntry {
    /// Catalogue id, or the name of a documented timer.
    pub id: String,
    /// Who makes it.
    pub product: String,
    /// The setting's name.
    pub setting: String,
    /// Its value.
    pub seconds: f64,
    /// What it counts from.
    pub anchor: Anchor,
    /// Whether a source was read for it.
    pub verified: bool,
}

/// One cause with its probability and its grounds.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Hypothesis {
    /// Id of the cause; `unknown` is "something not on the list".
    pub cause: String,
    /// In words.
    pub means: String,
    /// Its best fitting clock among those in evidence.
    pub clock: Option<ClockEntry>,
    /// 0 to 1.
    pub probability: f64,
    /// Evidence that speaks for it against the rest.
    #[serde(rename = "for")]
    pub speaks_for: Vec<String>,
    /// Evidence that speaks against it.
    pub against: Vec<String>,
    /// Why its clocks in evidence cannot be it.
    pub ruled_out: Vec<String>,
}

/// A timer that cannot have done it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct RedHerringEntry {
    /// The timer in words.
    pub what: String,
    /// Why not.
    pub why: String,
    /// The evidence that names it.
    pub evidence: Vec<String>,
}

/// What does not fit together.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ContradictionEntry {
    /// In words.
    pub says: String,
    /// The evidence it stands on.
    pub between: Vec<String>,
}

/// One end of a connection.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct EndingEntry {
    /// `client.pcap#1`.
    pub flow: String,
    /// In which way.
    pub how: How,
    /// Whose address the first FIN or RST carries.
    pub signed_by: Option<Side>,
    /// Age, where the opening was seen.
    pub age_s: Option<f64>,
    /// Silence before it.
    pub idle_before_s: Option<f64>,
    /// Packets that show it.
    pub packets: Vec<(u64, u64)>,
}

/// One cited fact.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct EvidenceEntry {
    /// `e1`, `e2` …
    pub id: String,
    /// In a sentence.
    pub says: String,
    /// Where it was taken.
    pub host: Option<String>,
    /// Where to check it.
    pub cites: Vec<Cite>,
    /// The evidence of the same event that counts in its place.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub counted_with: Option<String>,
}

/// Evidence within this factor of the average speaks neither for nor against.
const SPEAKS: f64 = 1.5;
/// More candidates than this help nobody.
const CANDIDATES_MAX: usize = 10;

/// Lays the findings out.
pub fn of(
    law: &Law,
    findings: &[Finding],
    inputs: Vec<Input>,
    not_looked_at: Vec<String>,
) -> Report {
    let evidence = findings
        .iter()
        .flat_map(|f| &f.gathered.evidence)
        .map(|e| EvidenceEntry {
            id: e.id.clone(),
            says: e.says.clone(),
            host: e.host.clone(),
            cites: e.cites.clone(),
            counted_with: e.counted_with.clone(),
        })
        .collect();
    let timer_order = timer_order(findings);
    let findings = (1..).zip(findings).map(|(n, f)| entry(law, f, n)).collect();
    Report { schema: SCHEMA, findings, timer_order, evidence, not_looked_at, inputs }
}

/// The orders of all findings, each once: settings are of the path, and findings share them.
fn timer_order(findings: &[Finding]) -> Vec<Order> {
    let mut all: Vec<Order> = Vec::new();
    for order in findings.iter().flat_map(|f| &f.order) {
        let same = |o: &Order| {
            (&o.shorter.what, &o.longer.what) == (&order.shorter.what, &order.longer.what)
        };
        if !all.iter().any(same) {
            let mut order = order.clone();
            order.shorter.seconds = thousandths(order.shorter.seconds);
            all.push(order);
        }
    }
    all.sort_by_key(|o| o.holds);
    all
}

fn entry(law: &Law, finding: &Finding, number: usize) -> FindingEntry {
    FindingEntry {
        id: format!("f{number}"),
        connections: Connections { what: finding.what.clone(), count: finding.count },
        outcome: finding.outcome,
        verdict: (finding.outcome != Outcome::CannotSay).then(|| verdict(law, finding)).flatten(),
        hypotheses: finding.weighed.iter().filter_map(|w| hypothesis(law, finding, w)).collect(),
        short_list: finding.short_list(law).len(),
        red_herrings: finding
            .red_herrings()
            .into_iter()
            .map(|r| RedHerringEntry { what: r.what, why: r.why, evidence: vec![r.evidence] })
            .collect(),
        contradictions: finding
            .contradictions
            .iter()
            .map(|c| ContradictionEntry { says: c.says.clone(), between: c.between.clone() })
            .collect(),
        next_evidence: finding.next.clone(),
        fixes: finding.fixes.clone(),
        letter: finding.letter.clone(),
        rhythm: finding.rhythm.as_ref().map(|r| rounded(&r.rhythm)),
        anchors: finding.rhythm.iter().flat_map(|r| &r.models).map(anchor_share).collect(),
        rhythm_notes: finding.rhythm.iter().flat_map(|r| r.notes.clone()).collect(),
        plots: plots(finding),
        endings: finding
            .endings
            .iter()
            .map(|e| EndingEntry {
                flow: e.flow.clone(),
                how: e.how,
                signed_by: e.signed_by,
                age_s: e.age_s.map(thousandths),
                idle_before_s: e.idle_before_s.map(thousandths),
                packets: e.packets.clone(),
            })
            .collect(),
        on_the_map: None,
        ladder: finding.ladder.clone(),
        explanation: None,
    }
}

fn verdict(law: &Law, finding: &Finding) -> Option<Verdict> {
    let leader = finding.weighed.first()?;
    let cause = law.causes.all().get(leader.cause)?;
    Some(Verdict {
        cause: cause.id.clone(),
        family: cause.family.word(),
        confidence: ten_thousandths(leader.probability),
        means: cause.means.clone(),
        clock: finding.clock().map(|c| named(law, c)),
        candidates: candidates(law, finding),
        ended_by: finding.ended_by(law),
        detected_by: finding.detected_by(),
        hop: finding.hop(),
    })
}

fn named(law: &Law, clock: NamedClock) -> ClockEntry {
    let verified = law.catalogue.by_id(&clock.id).is_none_or(|c| c.source.is_some());
    ClockEntry {
        id: clock.id,
        product: clock.product,
        setting: clock.setting,
        seconds: clock.seconds,
        anchor: clock.anchor,
        verified,
    }
}

/// Catalogue clocks of the short list whose default or usual value is the measured time.
fn candidates(law: &Law, finding: &Finding) -> Vec<ClockEntry> {
    let Some(measured) = finding.measured.lifetime.or(finding.measured.silence) else {
        return Vec::new();
    };
    let slack = (measured.mid * 0.005).clamp(0.6, 60.0);
    let (low, high) = (measured.low - slack, measured.high + slack);
    let short = finding.short_list(law);
    let mut found: Vec<ClockEntry> = Vec::new();
    for (id, _) in &short {
        let Some(cause) = law.causes.all().iter().find(|c| c.id == *id) else { continue };
        for clock in law.catalogue.between(low, high).filter(|c| cause.may_be(c)) {
            let value = clock.values_s().find(|s| low <= *s && *s <= high);
            if let Some(seconds) = value.filter(|_| !found.iter().any(|f| f.id == clock.id)) {
                found.push(ClockEntry {
                    id: clock.id.clone(),
                    product: clock.product.clone(),
                    setting: clock.setting.clone(),
                    seconds,
                    anchor: clock.anchor,
                    verified: clock.source.is_some(),
                });
            }
        }
    }
    found.truncate(CANDIDATES_MAX);
    found
}

fn hypothesis(law: &Law, finding: &Finding, weighed: &Weighed) -> Option<Hypothesis> {
    let cause = law.causes.all().get(weighed.cause)?;
    let (mut speaks_for, mut against) = (Vec::new(), Vec::new());
    for (index, evidence) in finding.gathered.evidence.iter().enumerate() {
        let own = weighed.factors.get(index).copied().unwrap_or(1.0);
        let average: f64 = finding
            .weighed
            .iter()
            .map(|w| w.prior * w.factors.get(index).copied().unwrap_or(1.0))
            .sum();
        if own > average * SPEAKS {
            speaks_for.push(evidence.id.clone());
        } else if own * SPEAKS < average {
            against.push(evidence.id.clone());
        }
    }
    let clock = finding.best_clock(weighed).map(|(_, seen)| named(law, NamedClock::of(seen)));
    // A clock that was seen and fits speaks for its cause, one that was seen and does not, against
    // it.
    for share in &weighed.clocks {
        let told = share.seen.and_then(|i| finding.gathered.clocks.get(i)?.evidence);
        let id = told.and_then(|i| finding.gathered.evidence.get(i)).map(|e| e.id.clone());
        match (share.fit.as_ref().and_then(|f| f.fits), id) {
            (Some(true), Some(id)) => speaks_for.push(id),
            (Some(false), Some(id)) => against.push(id),
            _ => {}
        }
    }
    Some(Hypothesis {
        cause: cause.id.clone(),
        means: cause.means.clone(),
        clock,
        probability: ten_thousandths(weighed.probability),
        speaks_for,
        against,
        ruled_out: weighed
            .clocks
            .iter()
            .filter_map(|c| {
                let setting = &finding.gathered.clocks.get(c.seen?)?.setting;
                let why = c.fit.as_ref()?.ruled_out.as_ref()?;
                Some(format!("{setting}: {}", in_state(setting, why)))
            })
            .collect(),
    })
}

fn plots(finding: &Finding) -> Plots {
    let both = finding.series.as_ref().zip(finding.rhythm.as_ref());
    both.map_or_else(Plots::default, |(series, reading)| plot::plots(series, reading, &[], &[]))
}

fn anchor_share(model: &rhythm::Model) -> AnchorShare {
    AnchorShare { anchor: model.anchor, probability: ten_thousandths(model.probability) }
}

fn rounded(rhythm: &Rhythm) -> Rhythm {
    Rhythm {
        period_s: rhythm.period_s.map(thousandths),
        low_s: rhythm.low_s.map(thousandths),
        high_s: rhythm.high_s.map(thousandths),
        drift_against_s: rhythm.drift_against_s.map(thousandths),
        drift_s_per_cycle: rhythm.drift_s_per_cycle.map(thousandths),
        reconnect_delay_s: rhythm.reconnect_delay_s.map(thousandths),
        ..rhythm.clone()
    }
}

fn thousandths(value: f64) -> f64 {
    (value * 1e3).round() / 1e3
}

fn ten_thousandths(value: f64) -> f64 {
    (value * 1e4).round() / 1e4
}
