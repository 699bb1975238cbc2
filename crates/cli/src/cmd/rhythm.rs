//! `hopclock rhythm`: logs in; anchor, period and drift of their endings out.

use crate::args::{Format, Rhythm as Typed};
use crate::exit::{Exit, Trouble};
use crate::intake::{self, Intake};
use crate::screen;
use hopclock_core::clocks::Catalogue;
use hopclock_core::log::{Event, Life, LogReading};
use hopclock_core::rhythm::{self, PhaseBreak, Series, Span};
use hopclock_core::terms::Anchor;
use hopclock_core::time::Gap;
use hopclock_render::json;
use hopclock_render::rhythm::{self as pen, Break, Candidate, Document, Entry, Lines};
use jiff::tz::TimeZone;
use std::io::{self, Write};

/// Reads the logs and prints what their endings say.
pub fn carry_out(typed: &Typed) -> Result<Exit, Trouble> {
    let intake = intake::take(&typed.logs, &typed.lines);
    let logs = logs(&intake);
    if logs.is_empty() {
        let hint = "rhythm reads logs and bare times; for captures there is `hopclock flows`";
        let why = match intake.unusable.is_empty() {
            true => vec!["none of the inputs is a log".to_owned()],
            false => intake.unusable,
        };
        return Err(Trouble::NoInput { why, hint: Some(hint.to_owned()) });
    }
    let catalogue = Catalogue::builtin().map_err(Trouble::Broken)?;
    let mut series: Vec<Entry> = gathered(&logs).iter().map(|g| entry(g, &catalogue)).collect();
    series.sort_by_key(|e| std::cmp::Reverse(e.rhythm.events));
    if series.is_empty() {
        let why = "no line was understood as the end of a connection".to_owned();
        let hint = "--end TEXT says which lines end one, --open TEXT which open one".to_owned();
        return Err(Trouble::NoInput { why: vec![why], hint: Some(hint) });
    }
    let told = series.iter().any(|e| e.rhythm.anchor != Anchor::Undetermined);
    let document = Document { schema: "hopclock.rhythm/1", series, inputs: intake.inputs };
    let mut out = io::BufWriter::new(io::stdout().lock());
    match typed.format {
        Format::Text => pen::text(&document, screen::page(), &mut out)?,
        Format::Json => json::pretty(&document, &mut out)?,
        Format::Jsonl => json::line(&document, &mut out)?,
        Format::Markdown => pen::markdown(&document, &mut out)?,
    }
    out.flush()?;
    Ok(if told { Exit::Answered } else { Exit::CannotSay })
}

fn logs(intake: &Intake) -> Vec<&LogReading> {
    intake.facts.logs().map(|(_, log)| log).collect()
}

/// Lives of one kind, from all files.
struct Gathered {
    what: String,
    series: Series,
    lines: Lines,
    /// What the conversion has to tell.
    notes: Vec<String>,
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
                    known.series.resolution = known.series.resolution.max(one.series.resolution);
                    known.lines.opens += one.lines.opens;
                    known.lines.ends += one.lines.ends;
                    known.lines.ignored += one.lines.ignored;
                }
                None => all.push(one),
            }
        }
    }
    for gathered in &mut all {
        gathered.series.spans.sort_by_key(|s| s.end);
    }
    all.retain(|g| !g.series.spans.is_empty());
    all
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
    let offset_s = offset(&spans);
    let ignored = log.lines.saturating_sub(opened + ends);
    let series = Series { spans, resolution: log.resolution, offset_s };
    Gathered { what, series, lines: Lines { opens: opened, ends, ignored }, notes }
}

/// This machine's offset from UTC at the first end: the wall clock a schedule would follow, as far
/// as anyone here knows.
fn offset(spans: &[Span]) -> i32 {
    let first = spans.first().map_or(0, |s| s.end.ns());
    jiff::Timestamp::from_nanosecond(i128::from(first))
        .map_or(0, |stamp| TimeZone::system().to_offset(stamp).seconds())
}

fn entry(gathered: &Gathered, catalogue: &Catalogue) -> Entry {
    let mut reading = rhythm::read(&gathered.series);
    if gathered.lines.ends == 0 && reading.rhythm.anchor == Anchor::Open {
        // What opens may also open beside what is still there.
        reading.rhythm.anchor = Anchor::Undetermined;
        reading.notes.push(
            "Openings alone do not tell a timer from a loop that connects now and then.".to_owned(),
        );
    }
    let candidate = |m: &rhythm::Match<'_>| Candidate {
        id: m.clock.id.clone(),
        product: m.clock.product.clone(),
        setting: m.clock.setting.clone(),
        seconds: m.seconds,
        anchor: m.clock.anchor,
        probability: m.probability,
    };
    let candidates = rhythm::matches(catalogue, &reading).iter().map(candidate).collect();
    let picture = rhythm::picture(&gathered.series, &reading);
    let jump = |b: &PhaseBreak| Break { ending: b.before + 1, shift_s: b.shift.secs_f64() };
    let breaks = reading.breaks.iter().map(jump).collect();
    let notes = gathered.notes.iter().chain(&reading.notes).cloned().collect();
    let Lines { opens, ends, ignored } = gathered.lines;
    Entry {
        what: gathered.what.clone(),
        rhythm: reading.rhythm,
        models: reading.models,
        clock: None,
        candidates,
        lines: Lines { opens, ends, ignored },
        breaks,
        notes,
        picture,
    }
}
