//! Subjects: connections whose ends are to be explained together, and what was measured of them.
//!
//! A subject is a series of a log with the flows of the captures that belong to it, or such flows
//! alone.

use super::connection::{Connection, connections};
use super::facts::{Facts, Source};
use super::moments;
use super::numbers::{Quantities, Range};
pub use super::view::FlowPart;
use crate::flow::How;
use crate::log::{Act, Event, Life, LogReading, LogSeries};
use crate::rhythm::{self, Series, Span};
use crate::terms::{Role, Side};
use crate::time::{Gap, Moment};
use std::collections::BTreeMap;

/// A log's part in a subject.
#[derive(Clone, Copy, Debug)]
pub struct LogPart<'a> {
    /// Where the log was taken.
    pub source: &'a Source,
    /// The log.
    pub reading: &'a LogReading,
    /// Its series; `None` when the log tells of incidents and of no connection's end.
    pub series: Option<&'a LogSeries>,
}

impl<'a> LogPart<'a> {
    /// The event with this index.
    pub fn event(&self, index: Option<usize>) -> Option<&'a Event> {
        self.reading.events.get(index?)
    }

    /// Lives that ended, each with its ending line.
    pub fn ended(&self) -> impl Iterator<Item = (&'a Life, &'a Event)> + '_ {
        let lives: &[Life] = self.series.map_or(&[], |s| &s.lives);
        lives.iter().filter_map(|l| Some((l, self.event(l.end)?)))
    }

    /// The words of an ending line and of the further lines about the same end.
    pub fn words_of(&self, life: &Life, end: &'a Event) -> Vec<&'static str> {
        let further = life.also.iter().filter_map(|i| self.event(Some(*i)));
        std::iter::once(end).chain(further).flat_map(|e| e.words.iter().copied()).collect()
    }

    /// Lines that tell of something that happened, or say why by name.
    pub fn incidents(&self) -> impl Iterator<Item = &'a Event> + '_ {
        // That a program began to listen is no incident by itself.
        let told = |e: &&Event| e.act == Act::Incident && e.words != ["started"];
        self.reading.events.iter().filter(told)
    }

    /// The last line of traffic of a life. A line that only happens to stand before the end is
    /// none.
    pub fn last_alive(&self, life: &Life) -> Option<&'a Event> {
        self.event(life.last_alive).filter(|e| !e.words.contains(&"other-line"))
    }

    /// The usual time between two lines of traffic: a silence shorter than about twice this is none
    /// the log could have shown.
    pub fn cadence(&self) -> Option<f64> {
        let mut last: Option<Moment> = None;
        let mut gaps = Vec::new();
        for event in self.reading.events.iter().filter(|e| e.act == Act::Alive) {
            if let Some(before) = last {
                gaps.push(event.at.since(before).secs_f64());
            }
            last = Some(event.at);
        }
        gaps.retain(|g| *g > 0.0);
        (gaps.len() >= 3).then(|| middle(&mut gaps)).flatten()
    }
}

/// Connections whose ends are explained together.
#[derive(Clone, Debug)]
pub struct Subject<'a> {
    /// Which connections, in words.
    pub what: String,
    /// How many ends.
    pub count: usize,
    /// The log's part.
    pub log: Option<LogPart<'a>>,
    /// The captures' part: each connection where its end shows best.
    pub flows: Vec<FlowPart<'a>>,
    /// The same connections as other captures saw them.
    pub elsewhere: Vec<FlowPart<'a>>,
    /// When they opened and ended.
    pub series: Option<Series>,
    /// The same, read.
    pub rhythm: Option<rhythm::Reading>,
    /// Lengths of time measured.
    pub measured: Quantities,
}

impl<'a> Subject<'a> {
    /// When its connections ended, in order: by the log, or else by the captures, by one clock.
    pub fn end_moments(&self) -> Vec<Moment> {
        let log = self.log.iter().flat_map(|l| l.ended().map(|(_, e)| e.at).collect::<Vec<_>>());
        let mut moments: Vec<Moment> = log.collect();
        if moments.is_empty() {
            let ended = self.flows.iter().filter(|f| f.ended());
            moments.extend(ended.filter_map(|f| f.end().map(|m| f.by_one_clock(m.at))));
        }
        moments.sort_unstable();
        moments
    }

    /// Every view of the connection that `flow` is one of.
    pub fn views(&self, flow: &FlowPart<'a>) -> Vec<&FlowPart<'a>> {
        let same = |v: &&FlowPart<'a>| v.connection == flow.connection;
        self.flows.iter().chain(&self.elsewhere).filter(same).collect()
    }

    /// The names of its parts, for finding the same subject in other evidence.
    pub fn names(&self) -> Vec<String> {
        let log = self.log.map(|l| {
            let series = l.series.map_or("", |s| s.what.as_str());
            format!("{}: {series}", l.source.file)
        });
        let flows = self
            .flows
            .first()
            .map(|f| format!("{} -> {}", f.flow.record.client.ip(), f.flow.record.server));
        log.into_iter().chain(flows).collect()
    }
}

/// More findings than this in one report help nobody.
const SUBJECTS_MAX: usize = 5;

/// The subjects of the evidence, those with the most ends first.
pub fn subjects(facts: &Facts) -> Vec<Subject<'_>> {
    let mut logs: Vec<LogPart<'_>> = Vec::new();
    for (source, reading) in facts.logs() {
        for series in &reading.series {
            logs.push(LogPart { source, reading, series: Some(series) });
        }
    }
    logs.retain(|l| l.ended().next().is_some());
    // Of as many ends, those of the client: it is the one that misses them.
    let side = |l: &LogPart<'_>| u8::from(l.source.role != Some(Role::Client));
    logs.sort_by_key(|l| (std::cmp::Reverse(l.ended().count()), side(l)));
    let clusters = clusters(facts);
    if logs.is_empty() && clusters.is_empty() {
        let whole = facts.logs().map(|(source, reading)| LogPart { source, reading, series: None });
        logs.extend(whole.filter(|l| l.incidents().next().is_some()));
    }
    logs.truncate(SUBJECTS_MAX);
    if logs.is_empty() {
        let asking = clusters.iter().filter(|all| asks(all)).take(SUBJECTS_MAX);
        return asking.map(|all| of_cluster(all)).collect();
    }
    let alone = logs.len() == 1;
    let mut all: Vec<Subject<'_>> = Vec::new();
    for log in logs {
        let belonging = belonging(facts, &log, &clusters, alone);
        // One connection that two programs log is one finding; the first log's words stand for it.
        if all.iter().any(|earlier| belonging.iter().any(|c| c.has(&earlier.flows))) {
            continue;
        }
        let what = match (log.series, belonging.first()) {
            (_, Some(connection)) => connection.what.clone(),
            (Some(series), None) => series.what.clone(),
            (None, None) => log.source.file.clone(),
        };
        all.push(subject(what, Some(log), &belonging));
    }
    beside_the_logs(&mut all, &clusters);
    all
}

/// Connections that no log tells of and that ended in no order are findings, too, after those of
/// the logs.
fn beside_the_logs<'a>(all: &mut Vec<Subject<'a>>, clusters: &[Vec<Connection<'a>>]) {
    for cluster in clusters {
        let told = |c: &Connection<'a>| all.iter().any(|s| c.has(&s.flows));
        let rest: Vec<Connection<'a>> = cluster.iter().filter(|c| !told(c)).cloned().collect();
        let odd = rest.iter().any(|c| c.is(&[How::Rst, How::Silence]));
        if odd && all.len() < SUBJECTS_MAX {
            all.push(of_cluster(&rest));
        }
    }
}

fn of_cluster<'a>(all: &[Connection<'a>]) -> Subject<'a> {
    let what = all.first().map_or_else(String::new, |c| c.what.clone());
    subject(what, None, all)
}

/// Fewer connections than this that the client closed in order are no complaint; more of them may
/// show a limit of its own.
const CLOSED_MIN: usize = 3;

/// Whether ends ask for an explanation that nobody complained of in a log: a client that closes in
/// order, and is answered in order, is done.
fn asks(all: &[Connection<'_>]) -> bool {
    let done = |c: &Connection<'_>| {
        c.best().is_some_and(|f| {
            let record = &f.flow.record;
            record.ending.how == How::Fin
                && record.ending.signed_by == Some(Side::Client)
                && record.fin.server > 0
                && record.rst.client + record.rst.server == 0
        })
    };
    all.len() >= CLOSED_MIN || !all.iter().filter(|c| c.ended()).all(done)
}

/// Connections by client address and server end, those with the most ends that nobody closed in
/// order first.
fn clusters(facts: &Facts) -> Vec<Vec<Connection<'_>>> {
    let mut by_ends: BTreeMap<String, Vec<Connection<'_>>> = BTreeMap::new();
    for connection in connections(facts) {
        by_ends.entry(connection.what.clone()).or_default().push(connection);
    }
    let mut clusters: Vec<_> = by_ends.into_values().collect();
    let count = |all: &[Connection<'_>], how: &[How]| all.iter().filter(|c| c.is(how)).count();
    let odd = |all: &[Connection<'_>]| count(all, &[How::Rst, How::Silence]);
    let unopened = |all: &[Connection<'_>]| count(all, &[How::Refused, How::Unanswered]);
    let ended = |all: &[Connection<'_>]| all.iter().filter(|c| c.ended()).count();
    clusters.retain(|all| ended(all) + unopened(all) > 0);
    clusters.sort_by_key(|all| std::cmp::Reverse((odd(all), ended(all), unopened(all))));
    clusters
}

/// The cluster whose ends coincide with the log's, or the only candidate.
fn belonging<'a>(
    facts: &'a Facts,
    log: &LogPart<'a>,
    clusters: &[Vec<Connection<'a>>],
    alone: bool,
) -> Vec<Connection<'a>> {
    let ends: Vec<Moment> = log.ended().map(|(_, e)| e.at).collect();
    // A log's clock is its host's, which captures may tie to those of other hosts.
    let tied: Option<Vec<Moment>> =
        ends.iter().map(|at| facts.by_one_clock(log.source, *at)).collect();
    let near = |c: &Connection<'a>| {
        let ends = |f: &FlowPart<'a>| {
            let ends = if f.tied { tied.as_ref().unwrap_or(&ends) } else { &ends };
            let by = |at: Moment| {
                if f.tied && tied.is_some() { f.by_one_clock(at) } else { at }
            };
            // Two clocks and a program that tells late: a few seconds.
            let close =
                |at: Moment| ends.iter().any(|e| e.since(by(at)).abs() <= Gap::from_secs(5));
            let end = f.end().map(|mark| mark.at);
            // One that one side has closed ends for the other when it speaks next.
            end.is_some_and(close) || (end.is_some() && close(f.flow.record.last_ns))
        };
        c.views.iter().any(ends)
    };
    let best = clusters
        .iter()
        // Of as many, the one with the odder ends, which stands first.
        .rev()
        .max_by_key(|all| all.iter().filter(|c| near(c)).count())
        .filter(|all| all.iter().any(&near));
    if let Some(all) = best {
        // The ends the log tells of, and not the ordinary ones beside them.
        return all.iter().filter(|c| near(c)).cloned().collect();
    }
    let span = log.reading.span;
    let meets = |f: &FlowPart<'a>| {
        let hour = Gap::from_secs(3600);
        span.is_some_and(|(first, last)| {
            f.flow.record.last_ns.plus(hour) >= first && f.flow.record.first_ns <= last.plus(hour)
        })
    };
    // The only candidate counts when it is of the same hours at least.
    let candidate =
        clusters.first().filter(|all| alone && all.iter().filter_map(Connection::best).any(meets));
    candidate.cloned().unwrap_or_default()
}

fn subject<'a>(
    what: String,
    log: Option<LogPart<'a>>,
    connections: &[Connection<'a>],
) -> Subject<'a> {
    let flows: Vec<FlowPart<'a>> =
        connections.iter().filter_map(Connection::best).copied().collect();
    let elsewhere = connections.iter().flat_map(|c| c.views.iter().skip(1)).copied().collect();
    let series = match &log {
        Some(log) if !all_captured(log, &flows) => Some(log_series(log)),
        _ => flow_series(&flows),
    };
    let happenings = series.as_ref().and_then(moments::happenings);
    let happened = happenings.is_some();
    let series = happenings.or(series);
    let rhythm = series.as_ref().filter(|s| !s.spans.is_empty()).map(rhythm::read);
    let rhythm = if happened { rhythm.map(moments::of_no_connection) } else { rhythm };
    let count = log
        .map_or_else(|| flows.iter().filter(|f| f.ended()).count().max(1), |l| l.ended().count());
    let measured = measure(log.as_ref(), &flows, series.as_ref(), rhythm.as_ref());
    Subject { what, count, log, flows, elsewhere, series, rhythm, measured }
}

/// Whether the captures hold every end that the log tells of, from its opening. They then have the
/// times of the connections themselves; a program opens, speaks and learns of the end a little
/// later, and of a silent end much later.
fn all_captured(log: &LogPart<'_>, flows: &[FlowPart<'_>]) -> bool {
    let whole = flows.iter().filter(|f| f.ended() && f.age_s().is_some()).count();
    whole >= 2 && whole >= log.ended().count()
}

fn log_series(log: &LogPart<'_>) -> Series {
    let spans = log
        .ended()
        .map(|(life, end)| Span {
            open: opened(log, life, end),
            last_activity: log.last_alive(life).map(|e| e.at),
            end: end.at,
        })
        .collect();
    Series { spans, resolution: log.reading.resolution, offset_s: 0 }
}

/// When a life began: by its opening line, or by the age its ending line states.
fn opened(log: &LogPart<'_>, life: &Life, end: &Event) -> Option<Moment> {
    let stated = end.stated_age.map(|age| end.at.plus(Gap::from_ns(-age.ns())));
    log.event(life.open).map(|e| e.at).or(stated)
}

fn flow_series(flows: &[FlowPart<'_>]) -> Option<Series> {
    let mut spans: Vec<Span> = flows
        .iter()
        .filter(|f| f.ended())
        .filter_map(|f| {
            let end = f.end()?;
            // Each connection's best view may be another capture's.
            let by = |at: Moment| f.by_one_clock(at);
            Some(Span {
                open: f.age_s().map(|_| by(f.flow.record.first_ns)),
                last_activity: f.flow.last_words.last_before_end.map(|m| by(m.at)),
                end: by(end.at),
            })
        })
        .collect();
    spans.sort_by_key(|s| s.end);
    let told = spans.len() > 1 || spans.iter().any(|s| s.open.is_some());
    told.then_some(Series { spans, resolution: Gap::from_ns(1000), offset_s: 0 })
}

fn measure(
    log: Option<&LogPart<'_>>,
    flows: &[FlowPart<'_>],
    series: Option<&Series>,
    rhythm: Option<&rhythm::Reading>,
) -> Quantities {
    let lifetime = rhythm.and_then(|r| {
        let mid = r.rhythm.period_s?;
        Some(Range {
            mid,
            low: r.rhythm.low_s.unwrap_or(mid),
            high: r.rhythm.high_s.unwrap_or(mid),
        })
    });
    let by_flow: Vec<f64> =
        flows.iter().filter(|f| f.ended()).filter_map(FlowPart::silence_s).collect();
    let silence = range(by_flow).or_else(|| log.and_then(log_silence));
    let (silence, since_any_line) = match (silence, lifetime) {
        (None, None) => log.and_then(since_any_line).map_or((None, false), |s| (Some(s), true)),
        _ => (silence, false),
    };
    let waited: Vec<f64> = flows
        .iter()
        .filter_map(|f| {
            let unanswered = f.flow.last_words.unanswered.as_ref()?;
            Some(unanswered.last.at.since(unanswered.first.at).secs_f64())
        })
        .filter(|s| *s > 0.0)
        .collect();
    let longest = flows.iter().filter_map(|f| f.flow.last_words.longest_silence);
    let cut = flows.iter().filter_map(|f| Some(f.cut()?.silence.secs_f64()));
    let longest = longest.map(|(gap, _)| gap.secs_f64()).chain(cut).max_by(f64::total_cmp);
    Quantities {
        lifetime,
        silence,
        longest_silence_s: longest.or(silence.map(|s| s.high)),
        detection: range(waited),
        events: rhythm.map_or(0, |r| r.rhythm.events),
        opens_known: series.is_some_and(|s| s.spans.iter().any(|s| s.open.is_some())),
        periodic: lifetime.is_some() && rhythm.is_some_and(|r| r.rhythm.events >= 3),
        replayed: None,
        named: std::collections::BTreeSet::new(),
        since_any_line,
    }
}

/// A log of one end that tells of no opening and no traffic: the time since whatever line stood
/// before the end, when it is long enough to be somebody's timer.
fn since_any_line(log: &LogPart<'_>) -> Option<Range> {
    const SHORTEST_S: f64 = 10.0;
    let mut ended = log.ended();
    let ((life, end), None) = (ended.next()?, ended.next()) else { return None };
    let before = log.event(life.last_alive)?;
    let mid = end.at.since(before.at).secs_f64();
    (mid >= SHORTEST_S).then_some(Range { mid, low: mid, high: mid })
}

/// Silence as a log shows it: stated by the ending lines, or the time since the last line of
/// traffic. A silence the log's own cadence explains has no lower bound.
fn log_silence(log: &LogPart<'_>) -> Option<Range> {
    let mut stated = Vec::new();
    let mut seen = Vec::new();
    for (life, end) in log.ended() {
        stated.extend(end.stated_idle.map(Gap::secs_f64));
        seen.extend(log.last_alive(life).map(|e| end.at.since(e.at).secs_f64()));
    }
    if !stated.is_empty() {
        return range(stated);
    }
    let mut silence = range(seen)?;
    if log.cadence().is_some_and(|c| silence.mid <= 2.0 * c) {
        silence.low = 0.0;
    }
    Some(silence)
}

/// Median, and the tenth parts at either end.
fn range(mut values: Vec<f64>) -> Option<Range> {
    values.retain(|v| v.is_finite());
    let mid = middle(&mut values)?;
    let last = values.len() - 1;
    let at = |share: f64| values.get((share * last as f64).round() as usize).copied();
    Some(Range { mid, low: at(0.1)?, high: at(0.9)? })
}

/// The median of values that get sorted.
pub fn middle(values: &mut [f64]) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied()
}
