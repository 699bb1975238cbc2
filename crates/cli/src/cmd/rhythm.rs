//! `hopclock rhythm`: logs in; anchor, period and drift of their endings out.

use crate::args::{Format, Rhythm as Typed};
use crate::cmd::clocks::add_own;
use crate::exit::{Exit, Trouble};
use crate::intake::{self, Intake};
use crate::{progress, screen};
use hopclock_core::clocks::Catalogue;
use hopclock_core::log::{Event, Life, LogReading};
use hopclock_core::rhythm::{self, Beat, PhaseBreak, Series, Span, plot};
use hopclock_core::terms::Anchor;
use hopclock_core::time::{Gap, Moment};
use hopclock_render::json;
use hopclock_render::rhythm::{
    self as pen, Break, Candidate, Document, Entry, Lines, Regime, Unseen,
};
use jiff::tz::TimeZone;
use std::collections::HashMap;
use std::fs;
use std::io::{self, Write};
use std::path::Path;

/// Reads the logs and prints what their endings say.
pub fn carry_out(typed: &Typed) -> Result<Exit, Trouble> {
    progress::expect(&typed.logs, false);
    let intake = intake::take(&typed.logs, &typed.lines);
    progress::done();
    let logs = logs(&intake);
    if logs.is_empty() {
        let hint = "rhythm reads logs and bare times; for captures there is `hopclock flows`";
        let why = match intake.unusable.is_empty() {
            true => vec!["none of the inputs is a log".to_owned()],
            false => intake.unusable,
        };
        return Err(Trouble::NoInput { why, hint: Some(hint.to_owned()) });
    }
    let mut catalogue = Catalogue::builtin().map_err(Trouble::Broken)?;
    add_own(&mut catalogue, &typed.own)?;
    let zone = if typed.utc { TimeZone::UTC } else { TimeZone::system() };
    let mut series: Vec<Entry> =
        gathered(&logs).iter().map(|g| entry(g, &catalogue, &zone)).collect();
    series.sort_by_key(|e| std::cmp::Reverse(e.rhythm.events));
    if series.is_empty() {
        let why = "no line was understood as the end of a connection".to_owned();
        let hint = "--end TEXT says which lines end one, --open TEXT which open one".to_owned();
        return Err(Trouble::NoInput { why: vec![why], hint: Some(hint) });
    }
    let told = series.iter().any(|e| e.rhythm.anchor != Anchor::Undetermined);
    let document = Document { schema: "hopclock.rhythm/1", series, inputs: intake.inputs };
    let drawn = typed.svg.as_ref().map(|path| (path, pen::picture(&document)));
    let mut out = io::BufWriter::new(io::stdout().lock());
    if let Some((path, picture)) = &drawn {
        if path.as_os_str() == "-" {
            out.write_all(picture.as_bytes())?;
            out.flush()?;
            return Ok(exit(told));
        }
        write_picture(path, picture)?;
    }
    match typed.format {
        Format::Text => pen::text(&document, screen::page(), &mut out)?,
        Format::Json => json::pretty(&document, &mut out)?,
        Format::Jsonl => json::line(&document, &mut out)?,
        Format::Markdown => pen::markdown(&document, &mut out)?,
    }
    out.flush()?;
    Ok(exit(told))
}

fn exit(told: bool) -> Exit {
    if told { Exit::Answered } else { Exit::CannotSay }
}

/// Writes the picture; a file that cannot be written is the user's to mend.
fn write_picture(path: &Path, picture: &str) -> Result<(), Trouble> {
    let failed = |error: io::Error| Trouble::Usage(format!("--svg {}: {error}", path.display()));
    fs::write(path, picture).map_err(failed)
}

fn logs(intake: &Intake) -> Vec<&LogReading> {
    intake.facts.logs().map(|(_, log)| log).collect()
}

/// Lives of one kind, from all files.
struct Gathered {
    what: String,
    series: Series,
    /// Whose each span is, in the order of the spans.
    who: Vec<Option<String>>,
    /// Connections nobody saw end.
    waiting: Vec<Waiting>,
    lines: Lines,
    /// What the conversion has to tell.
    notes: Vec<String>,
}

/// A connection that was opened and not seen to end.
struct Waiting {
    who: Option<String>,
    open: Moment,
    /// Until when it is known to have had no end: the next opening of the same, or the log's end.
    seen: Moment,
}

/// Series of the same name in several files are one: rotated logs.
fn gathered(logs: &[&LogReading]) -> Vec<Gathered> {
    let mut all: Vec<Gathered> = Vec::new();
    for log in logs {
        for series in &log.series {
            let one = spans(log, series.what.clone(), &series.lives);
            match all.iter_mut().find(|g| g.what == one.what) {
                Some(known) => {
                    known.series.spans.extend(one.series.spans);
                    known.who.extend(one.who);
                    known.waiting.extend(one.waiting);
                    known.series.resolution = known.series.resolution.max(one.series.resolution);
                    known.lines.opens += one.lines.opens;
                    known.lines.ends += one.lines.ends;
                    known.lines.ignored += one.lines.ignored;
                }
                None => all.push(one),
            }
        }
    }
    all.retain(|g| !g.series.spans.is_empty());
    for gathered in &mut all {
        gathered.join();
        gathered.series.spans.sort_by_key(|s| s.end);
        gathered.series.offset_s = offset(&gathered.series.spans);
    }
    all
}

impl Gathered {
    /// Gives ends without an opening the opening that an earlier file holds. The spans lose the
    /// order in which `who` names them only afterwards.
    fn join(&mut self) {
        let mut order: Vec<usize> = (0..self.series.spans.len()).collect();
        order.sort_by_key(|i| self.series.spans.get(*i).map(|s| s.end));
        let mut before: Option<Moment> = None;
        for at in order {
            let (Some(span), Some(who)) = (self.series.spans.get_mut(at), self.who.get(at)) else {
                continue;
            };
            if span.open.is_none() {
                // Of connections without a name only the one under way can be meant.
                let fits = |w: &Waiting| {
                    w.who == *who
                        && w.seen <= span.end
                        && (who.is_some() || before.is_none_or(|b| w.open >= b))
                };
                let found =
                    (0..self.waiting.len()).rev().find(|i| self.waiting.get(*i).is_some_and(fits));
                span.open = found.map(|i| self.waiting.swap_remove(i).open);
            }
            before = Some(span.end);
        }
    }

    /// How long each connection had lived that nobody saw end.
    fn still_open(&self) -> Vec<Gap> {
        self.waiting.iter().map(|w| w.seen.since(w.open)).collect()
    }
}

fn spans(log: &LogReading, what: String, lives: &[Life]) -> Gathered {
    let event = |index: Option<usize>| index.and_then(|i| log.events.get(i));
    let ended: Vec<(&Life, &Event)> =
        lives.iter().filter_map(|l| event(l.end).map(|e| (l, e))).collect();
    let opened = lives.iter().filter(|l| l.open.is_some()).count() as u64;
    let ends = ended.len() as u64;
    let mut notes = Vec::new();
    let spans: Vec<Span> = if ended.is_empty() {
        notes.push(
            "Only openings are logged: each is taken for the end of the connection before it."
                .to_owned(),
        );
        let opens = lives.iter().filter_map(|l| event(l.open));
        opens.map(|e| Span { open: None, last_activity: None, end: e.at }).collect()
    } else {
        let span = |(life, end): &(&Life, &Event)| Span {
            open: event(life.open)
                .map(|e| e.at)
                .or(end.stated_age.map(|age| end.at.plus(Gap::from_ns(-age.ns())))),
            last_activity: event(life.last_alive)
                .map(|e| e.at)
                .or(end.stated_idle.map(|idle| end.at.plus(Gap::from_ns(-idle.ns())))),
            end: end.at,
        };
        ended.iter().map(span).collect()
    };
    let who = match ended.is_empty() {
        true => vec![None; spans.len()],
        false => ended.iter().map(|(life, end)| named(event(life.open), Some(end))).collect(),
    };
    let waiting = if ended.is_empty() { Vec::new() } else { waiting(log, lives) };
    let ignored = log.lines.saturating_sub(opened + ends);
    let series = Series { spans, resolution: log.resolution, offset_s: 0 };
    Gathered { what, series, who, waiting, lines: Lines { opens: opened, ends, ignored }, notes }
}

/// Whose a connection is, as its lines name it.
fn named(open: Option<&Event>, end: Option<&Event>) -> Option<String> {
    [open, end].into_iter().flatten().find_map(|e| e.who.clone())
}

/// The connections of a log that were not seen to end.
fn waiting(log: &LogReading, lives: &[Life]) -> Vec<Waiting> {
    let Some((_, last)) = log.span else { return Vec::new() };
    let event = |index: Option<usize>| index.and_then(|i| log.events.get(i));
    let mut opens: HashMap<Option<&str>, Vec<Moment>> = HashMap::new();
    for open in lives.iter().filter_map(|l| event(l.open)) {
        opens.entry(open.who.as_deref()).or_default().push(open.at);
    }
    opens.values_mut().for_each(|of| of.sort());
    let next = |open: &Event| {
        let of = opens.get(&open.who.as_deref())?;
        of.get(of.partition_point(|at| *at <= open.at)).copied()
    };
    let unended = lives.iter().filter(|l| l.end.is_none()).filter_map(|l| event(l.open));
    let one = |open: &Event| Waiting {
        who: open.who.clone(),
        open: open.at,
        seen: next(open).unwrap_or(last),
    };
    unended.map(one).collect()
}

/// This machine's offset from UTC at the last end: the wall clock a schedule would follow, as far
/// as anyone here knows.
fn offset(spans: &[Span]) -> i32 {
    let last = spans.last().map_or(0, |s| s.end.ns());
    jiff::Timestamp::from_nanosecond(i128::from(last))
        .map_or(0, |stamp| TimeZone::system().to_offset(stamp).seconds())
}

/// A moment in a zone, without parts of a second nobody stamped.
fn clock(at: Moment, zone: &TimeZone) -> String {
    let parts = if at.ns() % 1_000_000_000 == 0 { "" } else { "%.3f" };
    match jiff::Timestamp::from_nanosecond(i128::from(at.ns())) {
        Ok(stamp) => jiff::ZonedDateTime::new(stamp, zone.clone())
            .strftime(&format!("%Y-%m-%d %H:%M:%S{parts} %Z"))
            .to_string(),
        Err(_) => format!("{} ns", at.ns()),
    }
}

/// A moment as documents hold it.
fn stamp(at: Moment) -> Option<String> {
    jiff::Timestamp::from_nanosecond(i128::from(at.ns())).ok().map(|stamp| stamp.to_string())
}

fn entry(gathered: &Gathered, catalogue: &Catalogue, zone: &TimeZone) -> Entry {
    let mut reading = rhythm::read(&gathered.series);
    if gathered.lines.ends == 0 && reading.rhythm.anchor == Anchor::Open {
        // What opens may also open beside what is still there.
        let why = "Openings alone do not tell a timer from a loop that connects now and then.";
        reading.rhythm.anchor = Anchor::Undetermined;
        reading.notes.push(why.to_owned());
        reading.why = Some(why.to_owned());
    }
    let spans = &gathered.series.spans;
    let ends = spans.first().zip(spans.last()).map(|(f, l)| (f.end, l.end));
    let matches = rhythm::matches(catalogue, &reading);
    let plots = plot::plots(&gathered.series, &reading, &matches, &gathered.still_open());
    let Lines { opens, ends: ended, ignored } = gathered.lines;
    Entry {
        what: gathered.what.clone(),
        clock: None,
        candidates: matches.iter().map(candidate).collect(),
        lines: Lines { opens, ends: ended, ignored },
        breaks: reading.breaks.iter().map(|b| jump(b, spans, zone)).collect(),
        regimes: reading.regimes.iter().map(|r| regime(r, spans, zone)).collect(),
        timers: reading.timers,
        fit: reading.fit,
        unseen: unseen(&reading.beats),
        why: reading.why,
        next: reading.next,
        first: ends.and_then(|e| stamp(e.0)),
        last: ends.and_then(|e| stamp(e.1)),
        between: ends.map(|e| (clock(e.0, zone), clock(e.1, zone))),
        notes: gathered.notes.iter().chain(&reading.notes).cloned().collect(),
        rhythm: reading.rhythm,
        models: reading.models,
        plots,
    }
}

fn candidate(m: &rhythm::Match<'_>) -> Candidate {
    Candidate {
        id: m.clock.id.clone(),
        product: m.clock.product.clone(),
        setting: m.clock.setting.clone(),
        seconds: m.seconds,
        anchor: m.clock.anchor,
        probability: m.probability,
    }
}

fn jump(of: &PhaseBreak, spans: &[Span], zone: &TimeZone) -> Break {
    let at = spans.get(of.before).map(|s| s.end);
    Break {
        ending: of.before + 1,
        at: at.and_then(stamp),
        when: at.map(|at| clock(at, zone)),
        shift_s: of.shift.secs_f64(),
    }
}

fn regime(of: &rhythm::Regime, spans: &[Span], zone: &TimeZone) -> Regime {
    let at = spans.get(of.from).map(|s| s.end);
    Regime {
        ending: of.from + 1,
        at: at.and_then(stamp),
        when: at.map(|at| clock(at, zone)),
        period_s: of.period_s,
        low_s: of.low_s,
        high_s: of.high_s,
    }
}

fn unseen(beats: &[(usize, Beat)]) -> Vec<Unseen> {
    let missed = |(index, beat): &(usize, Beat)| match beat {
        Beat::Tick(periods) if *periods > 1 => {
            Some(Unseen { ending: index + 1, ends: periods - 1 })
        }
        Beat::Tick(_) | Beat::Stranger | Beat::Moved(_) => None,
    };
    beats.iter().filter_map(missed).collect()
}
