//! A finding on the map: which hop keeps a timer of the measured length, or that none does and a
//! hop must exist that the map does not have.
//!
//! The number alone names nothing here either: a hop is named as the verdict's only where no other
//! hop of the map has such a timer.

use super::job::Job;
use super::settle::{Kept, Map, Stop, amount};
use crate::report::{FindingEntry, OnTheMap, Report, TimerOnTheMap};

/// How far a measured time and a timer may differ, as a share and in seconds.
const SHARE: f64 = 0.01;
const SECONDS: f64 = 1.5;

/// What was measured of a finding's ends, in seconds.
#[derive(Clone, Copy, Debug, Default)]
struct Times {
    silence_s: Option<f64>,
    age_s: Option<f64>,
}

/// Adds to every finding what the map says of it.
pub fn place(map: &Map, report: &mut Report) {
    for finding in &mut report.findings {
        let told = on_the_map(map, finding);
        if let (Some(verdict), Some(told)) = (&mut finding.verdict, &told)
            && let ([only], None) = (told.timers.as_slice(), &verdict.hop)
        {
            verdict.hop = Some(only.hop.clone());
        }
        finding.on_the_map = told;
    }
}

fn on_the_map(map: &Map, finding: &FindingEntry) -> Option<OnTheMap> {
    let times = measured(finding);
    let mut timers = Vec::new();
    for hop in &map.hops {
        for kept in &hop.kept {
            if fits(kept, times) || named(kept, finding) {
                timers.push(told(hop, kept));
            }
        }
    }
    let longest = finding.verdict.as_ref().and_then(|v| v.clock.as_ref()).map(|c| c.seconds);
    let time = longest.or(times.silence_s.filter(|s| *s >= 1.0)).or(times.age_s)?;
    let says = match timers.as_slice() {
        [] => {
            let time = amount(Some((time * 10.0).round() / 10.0));
            let paths: Vec<&str> = map.paths.iter().map(|path| path.name.as_str()).collect();
            format!(
                "no hop of the map keeps a timer of {time}: if a timer did it, a hop exists that is not on the map \
                 (paths: {}), or a value on it is not the one in force",
                paths.join(", ")
            )
        }
        [one] => format!("{} keeps a timer of that length: {}", one.hop, one.timer),
        many => {
            let hops: Vec<String> =
                many.iter().map(|one| format!("{} ({})", one.hop, one.timer)).collect();
            format!("timers of that length are kept by {}", hops.join("; "))
        }
    };
    Some(OnTheMap { says, timers })
}

fn told(hop: &Stop, kept: &Kept) -> TimerOnTheMap {
    TimerOnTheMap {
        hop: hop.name.clone(),
        timer: format!("{} = {}, {}", kept.what, amount(kept.seconds), kept.from),
        clock: kept.clock.clone(),
        seconds: kept.seconds.unwrap_or_default(),
    }
}

fn measured(finding: &FindingEntry) -> Times {
    let middle = |mut all: Vec<f64>| {
        all.sort_by(f64::total_cmp);
        all.get(all.len() / 2).copied()
    };
    let silences = finding.endings.iter().filter_map(|end| end.idle_before_s).collect();
    let ages = finding.endings.iter().filter_map(|end| end.age_s).collect();
    let period = finding.rhythm.as_ref().and_then(|rhythm| rhythm.period_s);
    Times { silence_s: middle(silences), age_s: middle(ages).or(period) }
}

fn near(a: f64, b: f64) -> bool {
    (a - b).abs() <= SECONDS.max(SHARE * b)
}

/// Whether a timer is as long as what was measured of its kind.
fn fits(kept: &Kept, times: Times) -> bool {
    let wanted = match kept.job {
        Job::Forgets | Job::Closes | Job::ClosesBetween | Job::ClosesWithin => times.silence_s,
        Job::Age => times.age_s,
        Job::Closing | Job::Unacknowledged | Job::Probe | Job::PingLimit | Job::Other => None,
    };
    wanted.zip(kept.seconds).is_some_and(|(measured, timer)| near(measured, timer))
}

/// Whether a probable cause's clock is this timer at this value.
fn named(kept: &Kept, finding: &FindingEntry) -> bool {
    let likely = finding.hypotheses.iter().take(finding.short_list);
    let mut clocks = likely.filter_map(|hypothesis| hypothesis.clock.as_ref());
    clocks.any(|clock| {
        kept.clock.as_deref() == Some(&clock.id)
            && kept.seconds.is_some_and(|seconds| near(clock.seconds, seconds))
    })
}
