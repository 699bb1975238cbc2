//! Ends that fall together: connections that stood side by side and ended in the same moments.
//!
//! A clock that belongs to each connection ends them one by one, as they were opened. Where they
//! opened apart and end together, again and again, what ends them is one happening, and its times
//! are what a rhythm is looked for in.

use super::subject::middle;
use crate::rhythm::{Reading, Series, Span};
use crate::terms::Anchor;
use crate::time::Moment;
use std::collections::BTreeSet;

/// One end: when, since when it was open, what tells it apart, and where it stands.
#[derive(Clone, Copy, Debug)]
pub struct End<'a> {
    /// When it ended.
    pub at: Moment,
    /// When it opened, where that was seen.
    pub open: Option<Moment>,
    /// Its name, where a log gives one.
    pub who: Option<&'a str>,
    /// Its line or packet.
    pub place: u64,
}

/// How the ends of a series stand to each other.
#[derive(Clone, Debug)]
pub struct Beside {
    /// How close ends were taken for together, in seconds.
    pub within_s: f64,
    /// Places of ends that are within it of another connection's.
    pub joined: BTreeSet<u64>,
    /// Of how many ends.
    pub of: usize,
    /// Pairs of neighbours that are two connections.
    pub pairs: usize,
    /// The first moment of each group, in order.
    pub firsts: Vec<Moment>,
    /// Those that ended together had mostly opened further apart than they ended: no clock that
    /// each has for itself does that.
    pub opened_apart: bool,
}

impl Beside {
    /// Share of the ends that fall together with another.
    pub fn share(&self) -> f64 {
        self.joined.len() as f64 / self.of.max(1) as f64
    }
}

/// Looks at ends side by side; `None` where too little tells connections apart.
pub fn beside(mut ends: Vec<End<'_>>) -> Option<Beside> {
    ends.sort_by_key(|e| (e.at, e.place));
    let named: BTreeSet<&str> = ends.iter().filter_map(|e| e.who).collect();
    let opens = ends.iter().filter(|e| e.open.is_some()).count();
    if ends.len() < 3 || named.len() < 3 && opens * 2 < ends.len() {
        return None;
    }
    let within_s = within_s(&ends);
    let mut found = Beside {
        within_s,
        joined: BTreeSet::new(),
        of: ends.len(),
        pairs: 0,
        firsts: ends.first().map(|e| e.at).into_iter().collect(),
        opened_apart: false,
    };
    let (mut close, mut apart) = (0usize, 0usize);
    let mut began = ends.first().map(|e| e.at);
    for pair in ends.windows(2) {
        let [a, b] = pair else { continue };
        // A moment does not go on and on.
        let long = began.is_some_and(|at| b.at.since(at).secs_f64() > 3.0 * within_s);
        // Two connections: by name, or because the second was open before the first ended.
        let two = a.who != b.who || b.open.is_some_and(|open| open < a.at);
        found.pairs += usize::from(two);
        if two && !long && b.at.since(a.at).secs_f64() <= within_s {
            found.joined.extend([a.place, b.place]);
            if let (Some(one), Some(other)) = (a.open, b.open) {
                let ends = b.at.since(a.at).secs_f64();
                close += 1;
                apart += usize::from(one.since(other).abs().secs_f64() > 3.0 * ends + 0.01);
            }
        } else {
            found.firsts.push(b.at);
            began = Some(b.at);
        }
    }
    // On a busy path ends fall close together by chance: moments stand far apart.
    let mut gaps: Vec<f64> = found
        .firsts
        .windows(2)
        .filter_map(|pair| Some(pair.last()?.since(*pair.first()?).secs_f64()))
        .collect();
    if !found.joined.is_empty() && middle(&mut gaps).is_some_and(|gap| gap < 8.0 * within_s) {
        return None;
    }
    found.opened_apart = close > 0 && apart * 2 > close;
    Some(found)
}

/// How close ends must be, in seconds. Short lives end close to each other by chance: a twentieth
/// of a life, and two seconds at most.
fn within_s(ends: &[End<'_>]) -> f64 {
    let lives = ends.iter().filter_map(|e| Some(e.at.since(e.open?).secs_f64()));
    let mut lives: Vec<f64> = lives.collect();
    middle(&mut lives).map_or(2.0, |life| (life * 0.05).clamp(0.05, 2.0))
}

/// The happenings of a series of which most ends fall together, though the connections had opened
/// apart: one span each, since they belong to no connection. Fewer than three are no series.
pub fn happenings(series: &Series) -> Option<Series> {
    let ends = series.spans.iter().zip(1..).map(|(span, place)| End {
        at: span.end,
        open: span.open,
        who: None,
        place,
    });
    let found = beside(ends.collect())?;
    if found.share() <= 0.6 || found.firsts.len() < 3 || !found.opened_apart {
        return None;
    }
    let span = |at: &Moment| Span { open: None, last_activity: None, end: *at };
    Some(Series { spans: found.firsts.iter().map(span).collect(), ..series.clone() })
}

/// What the times of happenings tell, where "counted from the opening" has no connection to be
/// about: a clock that counts from the last happening is one that runs free.
pub fn of_no_connection(mut reading: Reading) -> Reading {
    let Some(open) = reading.models.iter().position(|m| m.anchor == Anchor::Open) else {
        return reading;
    };
    let mut model = reading.models.remove(open);
    model.anchor = Anchor::FreeRunning;
    match reading.models.iter_mut().find(|m| m.anchor == Anchor::FreeRunning) {
        Some(free) => {
            free.probability += model.probability;
            free.log_evidence = free.log_evidence.max(model.log_evidence);
        }
        None => reading.models.push(model),
    }
    reading.models.sort_by(|a, b| b.probability.total_cmp(&a.probability));
    if reading.rhythm.anchor == Anchor::Open {
        reading.rhythm.anchor = Anchor::FreeRunning;
    }
    reading
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::Gap;

    fn series(spans: &[(f64, f64)]) -> Series {
        let at = |s: f64| Moment::from_secs(0).plus(Gap::from_secs_f64(s));
        let span = |(open, end): &(f64, f64)| Span {
            open: Some(at(*open)),
            last_activity: None,
            end: at(*end),
        };
        let spans = spans.iter().map(span).collect();
        Series { spans, resolution: Gap::from_ns(1000), offset_s: 0 }
    }

    #[test]
    fn what_opened_apart_and_ends_together_is_one_happening() {
        let mut spans = Vec::new();
        for round in 0..4 {
            let end = f64::from(round) * 7.0 + 7.0;
            for (n, late) in [0.3, 0.7, 1.1].iter().enumerate() {
                spans.push((end - 7.0 + late, end + 0.001 * n as f64));
            }
        }
        let found = happenings(&series(&spans)).map(|s| s.spans.len());
        assert_eq!(found, Some(4));
    }

    #[test]
    fn what_opened_together_may_end_together_by_its_own_clock() {
        let spans: Vec<(f64, f64)> = (0..12)
            .map(|n| {
                let open = f64::from(n / 3) * 70.0 + 0.001 * f64::from(n % 3);
                (open, open + 60.0)
            })
            .collect();
        assert!(happenings(&series(&spans)).is_none());
    }

    #[test]
    fn one_after_the_other_is_no_happening() {
        let spans: Vec<(f64, f64)> =
            (0..8).map(|n| (f64::from(n) * 61.0, f64::from(n) * 61.0 + 60.0)).collect();
        assert!(happenings(&series(&spans)).is_none());
    }
}
