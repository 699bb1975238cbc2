//! Events become lives: openings find their ends, by identity where lines carry one, else in order.
//! Refuses to invent ends: a connection whose end no line tells has none.

use std::collections::BTreeMap;

use super::gather::{Because, Draft, Gathered};
use super::phrasebook::{Says, book};
use super::{Act, Event, Life, LogReading, LogSeries, Taken};
use crate::time::{Gap, Moment};

mod key;
mod series;
mod walk;

/// Lines about one ending follow each other within this.
const TOGETHER: Gap = Gap::from_secs(2);

/// A draft with its moment.
#[derive(Clone, Copy, Debug)]
struct Item<'a> {
    /// Index among the events.
    index: usize,
    at: Moment,
    draft: &'a Draft,
}

/// Pairs what was gathered.
pub(super) fn read(gathered: Gathered) -> LogReading {
    let Gathered { drafts, settled, .. } = &gathered;
    let mut items: Vec<Item<'_>> = drafts
        .iter()
        .enumerate()
        .map(|(index, draft)| Item { index, at: settled.moment(draft.when), draft })
        .collect();
    items.sort_by_key(|i| (i.at, i.draft.line));
    let kind = key::choose(&items, gathered.options.key.is_some());
    let groups = key::groups(&items, kind.as_deref());
    let mut lives = Vec::new();
    let mut acts: Vec<Act> = drafts.iter().map(|d| plain(d.says)).collect();
    if kind.is_none() && key::ages_tell(&items) {
        walk::by_age(&items, &mut lives);
    } else {
        for ((access, value), group) in &groups {
            if *access {
                walk::each(group, &mut lives);
                continue;
            }
            walk::walk(group, !value.is_empty(), &mut lives, &mut acts);
        }
    }
    walk::adopt_orphans(&items, gathered.others, &mut lives);
    walk::adopt_reconnects(&items, &mut lives);
    lives.retain(|l| !walk::says_nothing(l));
    let at = |index: usize| drafts.get(index).map(|d| settled.moment(d.when));
    lives.sort_by_key(|l| (l.end.is_none(), l.end.or(l.open).and_then(at)));
    finish(&gathered, lives, acts, kind.as_deref())
}

/// The act before pairing has a say.
fn plain(says: Says) -> Act {
    match says {
        Says::Opened | Says::Reopened => Act::Opened,
        Says::Ended => Act::Ended,
        Says::Alive | Says::Request => Act::Alive,
        Says::Word | Says::Incident | Says::Attempt => Act::Incident,
    }
}

/// Assembles the reading: drops unused fillers, renumbers, gathers series.
fn finish(g: &Gathered, lives: Vec<Life>, acts: Vec<Act>, kind: Option<&str>) -> LogReading {
    let mut used = vec![false; g.drafts.len()];
    for life in &lives {
        for index in [life.open, life.last_alive, life.end].into_iter().flatten() {
            if let Some(slot) = used.get_mut(index) {
                *slot = true;
            }
        }
    }
    let mut events = Vec::new();
    let mut renamed = vec![None; g.drafts.len()];
    for ((index, draft), act) in g.drafts.iter().enumerate().zip(acts) {
        if draft.filler && !used.get(index).copied().unwrap_or(false) {
            continue;
        }
        if let Some(slot) = renamed.get_mut(index) {
            *slot = Some(events.len());
        }
        events.push(event(g, draft, act, kind));
    }
    let rename = |i: usize| renamed.get(i).copied().flatten();
    let lives: Vec<Life> = lives
        .into_iter()
        .map(|l| Life {
            open: l.open.and_then(rename),
            last_alive: l.last_alive.and_then(rename),
            end: l.end.and_then(rename),
            also: l.also.into_iter().filter_map(rename).collect(),
        })
        .collect();
    for life in &lives {
        adopt_further(&mut events, life);
    }
    let series = series(g, &events, lives);
    LogReading {
        taken: taken(g, &events),
        events,
        series,
        lines: g.lines,
        stamped: g.stamped,
        resolution: Gap::from_ns(g.resolution_ns),
        zone_assumed: g.zone_assumed,
        span: g.span,
        notes: g.notes.clone(),
        parts: Vec::new(),
    }
}

/// What the further lines about an ending say and state counts as said by the ending's own line:
/// RabbitMQ's "closing" and the "missed heartbeats" below it are one report.
fn adopt_further(events: &mut [Event], life: &Life) {
    let Some(end) = life.end else { return };
    for &also in &life.also {
        let Some(further) = events.get(also) else { continue };
        let (age, idle, limit) = (further.stated_age, further.stated_idle, further.stated_limit);
        let words = further.words.clone();
        let Some(event) = events.get_mut(end) else { continue };
        event.stated_age = event.stated_age.or(age);
        event.stated_idle = event.stated_idle.or(idle);
        event.stated_limit = event.stated_limit.or(limit);
        for word in words {
            if !event.words.contains(&word) {
                event.words.push(word);
            }
        }
    }
}

/// One event of the reading.
fn event(g: &Gathered, draft: &Draft, act: Act, kind: Option<&str>) -> Event {
    let chosen = kind.and_then(|k| draft.ids.iter().find(|i| i.kind == k));
    let who = chosen.or_else(|| draft.ids.iter().find(|i| i.kind != "label")).map(|id| {
        let spelled = id.kind.bytes().all(|b| b.is_ascii_alphabetic());
        let plain =
            matches!(id.kind.as_str(), "tuple" | "address" | "peer" | "pid" | "key" | "object");
        if spelled && !plain { format!("{} {}", id.kind, id.value) } else { id.value.clone() }
    });
    Event {
        line: draft.line,
        at: g.settled.moment(draft.when),
        act,
        words: draft.words.clone(),
        who,
        stated_age: draft.stated.age,
        stated_idle: draft.stated.idle,
        stated_limit: draft.stated.limit,
        text: draft.text.clone(),
    }
}

/// Gathers lives by what they have in common.
fn series(g: &Gathered, events: &[Event], lives: Vec<Life>) -> Vec<LogSeries> {
    if lives.is_empty() {
        return Vec::new();
    }
    // Both stand in the order of their lines.
    let by_line = |line: u64| g.drafts.binary_search_by_key(&line, |d| d.line).ok();
    let draft = |index: usize| g.drafts.get(by_line(events.get(index)?.line)?);
    let mut parts = series::split(&lives, &draft, &|i| events.get(i).map(|e| e.at));
    parts.sort_by_key(|(_, lives)| std::cmp::Reverse(lives.len()));
    parts
        .into_iter()
        .map(|(label, lives)| LogSeries { what: what(g, &draft, label, &lives), lives })
        .collect()
}

/// A series in words: its commonest ending line, or opening line, and what sets it apart.
fn what<'a>(
    g: &Gathered,
    draft: &dyn Fn(usize) -> Option<&'a Draft>,
    label: Option<String>,
    lives: &[Life],
) -> String {
    let mut counts: BTreeMap<u32, usize> = BTreeMap::new();
    let ends: Vec<usize> = lives.iter().filter_map(|l| l.end).collect();
    let lines = if ends.is_empty() { lives.iter().filter_map(|l| l.open).collect() } else { ends };
    for index in lines {
        if let Some(d) = draft(index) {
            *counts.entry(d.template).or_default() += 1;
        }
    }
    let common = counts
        .into_iter()
        .max_by_key(|(t, n)| (*n, std::cmp::Reverse(*t)))
        .map_or("", |(t, _)| g.templates.text(t));
    let common: String = common.chars().take(90).collect();
    match label {
        Some(label) => format!("{label}: {common}"),
        None => common,
    }
}

/// Which lines were taken for what.
fn taken(g: &Gathered, events: &[Event]) -> Vec<Taken> {
    let act_of = |line: u64| {
        let at = events.binary_search_by_key(&line, |e| e.line).ok()?;
        events.get(at).map(|e| e.act)
    };
    let mut rows: BTreeMap<(u32, Act), Taken> = BTreeMap::new();
    for draft in g.drafts.iter().filter(|d| !d.filler) {
        let Some(act) = act_of(draft.line) else { continue };
        let row = rows.entry((draft.template, act)).or_insert_with(|| Taken {
            act,
            template: g.templates.text(draft.template).to_string(),
            lines: 0,
            first_line: draft.line,
            because: because(draft.because),
        });
        row.lines += 1;
    }
    let mut rows: Vec<Taken> = rows.into_values().collect();
    rows.sort_by_key(|t| (std::cmp::Reverse(t.lines), t.first_line));
    rows
}

/// Why, in words.
fn because(why: Because) -> String {
    match why {
        Because::Phrase(index) => book()
            .product(index)
            .map_or_else(String::new, |(name, source)| format!("wording of {name} ({source})")),
        Because::Lexicon => "a noun and a verb about connections".into(),
        Because::Shape(whose, _) => whose.into(),
        Because::Option => "the text given as an option".into(),
        Because::Bare => "a time stamp alone on its line".into(),
    }
}
