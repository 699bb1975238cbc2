//! What logs say of a subject's ends, in words and in their timing.

use super::super::evidence::{Cite, Evidence, Weighs};
use super::super::facts::Facts;
use super::super::subject::{LogPart, Subject, middle};
use super::ages::WAITED;
use super::packets::busy_or_idle;
use crate::log::{Act, Event};
use crate::terms::Role;
use crate::time::{Gap, Moment};
use std::collections::{BTreeMap, BTreeSet};

/// Words that tell in which way an end reached the program: value of `last-words`, and the
/// phrasebook's ids.
const LAST_WORDS: [(&str, &[&str]); 6] = [
    ("eof", &["eof"]),
    ("reset", &["reset"]),
    ("timed-out", &["timed-out", "unanswered"]),
    ("refused", &["refused"]),
    ("broken-pipe", &["broken-pipe"]),
    ("closed", &["closed", "closed-by-peer", "going-away", "goaway"]),
];

/// Words that name something, the most telling first: each is a value of the table's kind `said`.
/// Of several about one end only the first counts.
const BY_NAME: [&str; 34] = [
    "too-many-pings",
    "table-full",
    "port-exhaustion",
    "oom-kill",
    "crashed",
    "takeover",
    "firewall-reload",
    "token-expired",
    "missed-heartbeat",
    "keepalive-timeout-said",
    "max-age-said",
    // Whose side went silent, by a proxy's own flags, tells more than that one did.
    "timeout-client",
    "timeout-server",
    "idle-timeout-said",
    "request-timeout-said",
    "drained",
    "mtu",
    "lease-renewed",
    "rekey",
    "auth-failure",
    "link-change",
    "failover",
    "reload",
    "restart",
    "came-back",
    "killed",
    "ping-timeout",
    "unanswered-probe",
    "stale-connection",
    "read-timed-out",
    "closed-locally",
    "goaway",
    "going-away",
    "abnormal-close",
];

/// Everything the logs say.
pub(super) fn observe(subject: &Subject<'_>, facts: &Facts) -> Vec<Evidence> {
    let mut found = Vec::new();
    if let Some(log) = &subject.log {
        found.extend(last_words(log));
        found.extend(two_words(log));
        found.extend(activity(log, subject));
        found.extend(told_by_the_other(log, subject, facts));
    }
    found.extend(by_name(subject, facts));
    found
}

fn last_words(log: &LogPart<'_>) -> Option<Evidence> {
    let mut by_value: BTreeMap<&'static str, Vec<&Event>> = BTreeMap::new();
    for (life, end) in log.ended() {
        let words = log.words_of(life, end);
        let value = LAST_WORDS
            .iter()
            .find(|(_, ids)| words.iter().any(|w| ids.contains(w)))
            .map(|(value, _)| *value);
        if let Some(value) = value {
            by_value.entry(value).or_default().push(end);
        }
    }
    let (value, ends) = by_value.into_iter().max_by_key(|(_, ends)| ends.len())?;
    let first = ends.first()?;
    let what = match value {
        "eof" => "end of file, which is what a FIN gives a reader",
        "reset" => "connection reset, which is what an RST gives",
        "timed-out" => "timed out: nobody answered",
        "refused" => "refused: nobody listens there",
        "broken-pipe" => "broken pipe: it wrote after the end",
        _ => "closed",
    };
    let says = format!("the log says {what} (\u{201c}{}\u{201d})", short(&first.text));
    let cite = Cite::lines(&log.source.file, ends.iter().map(|e| e.line));
    Some(Evidence::table("last-words", value, says, vec![cite]).on(log.source.host.as_ref()))
}

/// Ends that the log calls both an end of file and a reset: one connection gives one of them.
fn two_words(log: &LogPart<'_>) -> Option<Evidence> {
    let mut lines = Vec::new();
    let (mut ends, mut both, mut quotes) = (0usize, 0usize, Vec::new());
    for (life, end) in log.ended() {
        ends += 1;
        let words = log.words_of(life, end);
        if !(words.contains(&"eof") && words.contains(&"reset")) {
            continue;
        }
        let further = life.also.iter().filter_map(|i| log.event(Some(*i)));
        let telling = |e: &&Event| e.words.contains(&"eof") || e.words.contains(&"reset");
        let of_end: Vec<&Event> = std::iter::once(end).chain(further.filter(telling)).collect();
        lines.extend(of_end.iter().map(|e| e.line));
        if both == 0 {
            quotes = of_end
                .iter()
                .take(2)
                .map(|e| format!("\u{201c}{}\u{201d}", short(&e.text)))
                .collect();
        }
        both += 1;
    }
    // A few of many are slips.
    if both == 0 || both * 5 < ends {
        return None;
    }
    let of = if ends == 1 { "the one end".to_owned() } else { format!("{both} of {ends} ends") };
    let says =
        format!("the log calls {of} both an end of file and a reset ({})", quotes.join(", then "));
    let cite = Cite::lines(&log.source.file, lines);
    let told = Evidence::new(Weighs::Context("eof-and-reset"), says, vec![cite]);
    Some(told.on(log.source.host.as_ref()))
}

/// A line, cut for quoting inside a sentence.
fn short(text: &str) -> String {
    const MAX: usize = 72;
    if text.chars().count() <= MAX {
        return text.to_owned();
    }
    let cut: String = text.chars().take(MAX - 1).collect();
    format!("{cut}…")
}

fn activity(log: &LogPart<'_>, subject: &Subject<'_>) -> Option<Evidence> {
    if let Some(said) = idle_said(log) {
        return Some(said);
    }
    let period = subject.measured.lifetime.map(|l| l.mid)?;
    let mut silences = Vec::new();
    let mut lines = Vec::new();
    let mut stated = false;
    for (life, end) in log.ended() {
        // The wait of a read that timed out is no silence of the connection's.
        if log.words_of(life, end).iter().any(|w| WAITED.contains(w)) && end.stated_idle.is_none() {
            continue;
        }
        if let Some(idle) = end.stated_idle {
            stated = true;
            silences.push(idle.secs_f64());
            lines.push(end.line);
        } else if let Some(alive) = log.last_alive(life) {
            silences.push(end.at.since(alive.at).secs_f64());
            lines.extend([alive.line, end.line]);
        }
    }
    let silence = middle(&mut silences)?;
    let cadence = log.cadence();
    // A log that tells of traffic once an hour shows no shorter silence.
    let within_cadence = !stated && cadence.is_some_and(|c| silence <= 2.0 * c && c < 0.2 * period);
    let value = if within_cadence { "busy" } else { busy_or_idle(silence, period)? };
    let says = match (value, cadence.filter(|_| within_cadence)) {
        ("busy", Some(cadence)) => format!(
            "the log tells of traffic every {cadence:.0} s up to the end (last line {silence:.0} s before it)"
        ),
        ("busy", None) => format!("the last line of traffic stands {silence:.1} s before the end"),
        _ => format!("by the log it was silent for {silence:.1} s before the end"),
    };
    let cite = Cite::lines(&log.source.file, lines);
    Some(Evidence::table("activity", value, says, vec![cite]).on(log.source.host.as_ref()))
}

/// Openings or ends whose own line says that nothing was sent: "idle from here", "after 12584s
/// idle".
fn idle_said(log: &LogPart<'_>) -> Option<Evidence> {
    let idle = |e: &Event| {
        let text = e.text.to_ascii_lowercase();
        // "idle timeout" is a reason and a setting's name, not an observation of traffic.
        text.split(|c: char| !c.is_ascii_alphanumeric()).any(|w| w == "idle")
            && !text.contains("timeout")
    };
    let mut ends = 0usize;
    let mut lines = Vec::new();
    for (life, end) in log.ended() {
        ends += 1;
        let told = [log.event(life.open), Some(end)].into_iter().flatten().find(|e| idle(e));
        lines.extend(told.map(|e| e.line));
    }
    if lines.is_empty() || lines.len() * 2 < ends {
        return None;
    }
    let says = format!("{} of {ends} lives are called idle by the log itself", lines.len());
    let cite = Cite::lines(&log.source.file, lines);
    Some(Evidence::table("activity", "idle", says, vec![cite]).on(log.source.host.as_ref()))
}

/// Words by name near the ends: on an ending line or a further line about the same end, or on a
/// line of its own up to two minutes before one. A log without ends speaks for itself.
fn by_name(subject: &Subject<'_>, facts: &Facts) -> Vec<Evidence> {
    let Some(log) = &subject.log else { return Vec::new() };
    let ends: Vec<&Event> = log.ended().map(|(_, e)| e).collect();
    let own: BTreeSet<u64> = log
        .ended()
        .flat_map(|(life, end)| {
            let further = life.also.iter().filter_map(|i| log.event(Some(*i)));
            further.map(|e| e.line).chain([end.line]).collect::<Vec<_>>()
        })
        .collect();
    let moments = subject.end_moments();
    let near = |at: Moment| {
        // The first end that is not more than two seconds before the line.
        let from = at.plus(Gap::from_secs(-2));
        let next = moments.partition_point(|m| *m < from);
        let window = at.plus(Gap::from_secs(120));
        moments.is_empty() || moments.get(next).is_some_and(|m| *m <= window)
    };
    let mut by_word: Named<'_> = BTreeMap::new();
    for (source, reading) in facts.logs() {
        let same = source.file == log.source.file;
        let (mut in_use, mut stop) = (false, None);
        for event in &reading.events {
            let at = facts.carried(event.at, source, log.source);
            let counts = match event.act {
                Act::Ended if same => own.contains(&event.line),
                Act::Ended => at_an_end(at, &moments),
                Act::Incident | Act::Opened => near(at),
                Act::Alive => false,
            };
            // What starts while it serves nobody yet restarts nothing; after a stop it was told.
            let started = in_use && event.words.contains(&"started");
            let stopped =
                event.act == Act::Incident && event.words.iter().any(|w| STOPS.contains(w));
            if stopped {
                stop = Some(event.at);
            }
            in_use |= event.act != Act::Incident;
            if !(counts || started && back_after_an_end(at, &moments)) {
                continue;
            }
            let announced = stop.is_some_and(|at| event.at.since(at) <= BACK_AFTER);
            let back = if announced { "restart" } else { "came-back" };
            let words = event.words.iter().copied().chain(started.then_some(back));
            // "Closed here" says who closed, which is another question when the other end says it.
            for word in words.filter(|word| same || *word != "closed-locally") {
                if let Some(known) = BY_NAME.iter().position(|w| *w == word) {
                    by_word.entry(known).or_default().push((&source.file, event));
                }
            }
        }
    }
    // A word that stands beside one end in twenty explains one end in twenty.
    by_word.retain(|_, seen| seen.len() * 5 >= ends.len());
    if by_word.is_empty() {
        return nothing_by_name(log, &ends).into_iter().collect();
    }
    in_words(by_word)
}

/// Lines by the word they name, each with its file.
type Named<'a> = BTreeMap<usize, Vec<(&'a str, &'a Event)>>;

fn in_words(by_word: Named<'_>) -> Vec<Evidence> {
    by_word
        .into_iter()
        .filter_map(|(word, seen)| {
            let word = BY_NAME.get(word)?;
            let quote = seen.first().map_or(String::new(), |(_, e)| short(&e.text));
            let says = format!("the log says by name: \u{201c}{quote}\u{201d}");
            let mut files: BTreeMap<&str, Vec<u64>> = BTreeMap::new();
            for (file, event) in &seen {
                files.entry(file).or_default().push(event.line);
            }
            let cites = files.into_iter().map(|(f, lines)| Cite::lines(f, lines)).collect();
            Some(Evidence::table("said", word, says, cites))
        })
        .collect()
}

/// Whether another log tells of an end at the moment of one of the subject's. Who decides logs it
/// first; who is only told, a moment later; clocks of two hosts differ a little.
fn at_an_end(at: Moment, ends: &[Moment]) -> bool {
    let (before, after) = (Gap::from_secs(10), Gap::from_secs(2));
    let from = at.plus(Gap::from_ns(-after.ns()));
    let next = ends.partition_point(|m| *m < from);
    ends.get(next).is_some_and(|m| m.since(at) <= before)
}

/// Words of a program that stops because it was told to.
const STOPS: [&str; 2] = ["restart", "killed"];
/// How long a program may be away.
const BACK_AFTER: Gap = Gap::from_secs(60);

/// Whether a program that starts came back after one of the ends.
fn back_after_an_end(at: Moment, ends: &[Moment]) -> bool {
    let before = ends.partition_point(|m| *m <= at);
    let last = before.checked_sub(1).and_then(|last| ends.get(last));
    last.is_some_and(|end| at.since(*end) <= BACK_AFTER)
}

/// Ends that the log of one end calls its own doing ("closing connection"), told by who is not the
/// one that misses them.
fn told_by_the_other(log: &LogPart<'_>, subject: &Subject<'_>, facts: &Facts) -> Option<Evidence> {
    let moments = subject.end_moments();
    facts.logs().find_map(|(source, reading)| {
        let value = match source.role? {
            Role::Client => "client",
            Role::Server => "server",
            Role::Hop => return None,
        };
        let closes = |e: &&Event| {
            let at = facts.carried(e.at, source, log.source);
            e.act == Act::Ended && e.words.contains(&"closed-locally") && at_an_end(at, &moments)
        };
        let own: Vec<&Event> = reading.events.iter().filter(closes).collect();
        let enough = source.file != log.source.file && own.len() * 2 > moments.len();
        let first = own.first().filter(|_| enough)?;
        let says = format!(
            "the {value}'s own log says that it closed: \u{201c}{}\u{201d}",
            short(&first.text)
        );
        let cite = Cite::lines(&source.file, own.iter().map(|e| e.line));
        let piece = Evidence::table("closed-by-log", value, says, vec![cite]);
        Some(piece.on(source.host.as_ref()))
    })
}

/// Silence by name counts only in part: many logs never say why.
fn nothing_by_name(log: &LogPart<'_>, ends: &[&Event]) -> Option<Evidence> {
    if ends.len() < 3 {
        return None;
    }
    let says = format!("{} ending lines, and none names a reason", ends.len());
    let cite = Cite::lines(&log.source.file, ends.iter().map(|e| e.line));
    let weighs = Weighs::Table { kind: "said", value: "nothing-by-name" };
    Some(Evidence::new(weighs, says, vec![cite]).on(log.source.host.as_ref()).weaker(0.7))
}
