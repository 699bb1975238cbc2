//! What the spread of ages and of silences says: a limit that is drawn anew for each connection, a
//! silence above which every use fails, a protocol that is never silent so long. Decides nothing.

use super::super::evidence::{Cite, Evidence};
use super::super::subject::{LogPart, Subject};
use crate::log::{Act, Event};

/// Fewer ends than this bound nothing.
const ENDS_MIN: usize = 8;

/// Everything the spreads say.
pub(super) fn observe(subject: &Subject<'_>) -> Vec<Evidence> {
    let Some(log) = &subject.log else { return Vec::new() };
    [bounded(log), threshold(log), heartbeating(log, subject)].into_iter().flatten().collect()
}

/// Ages that all lie within a factor of two of each other and fill it: a limit drawn at random for
/// each connection. Ends by chance would put some at a tenth of the longest.
fn bounded(log: &LogPart<'_>) -> Option<Evidence> {
    let mut ages = Vec::new();
    let mut lines = Vec::new();
    for (life, end) in log.ended() {
        // Where uses are logged, an end found at the next use is bounded by how often it is used.
        if log.last_alive(life).is_some() {
            return None;
        }
        let open = log.event(life.open);
        let age = end.stated_age.or_else(|| open.map(|o| end.at.since(o.at)))?;
        ages.push(age.secs_f64());
        lines.push(end.line);
    }
    ages.sort_by(f64::total_cmp);
    let (least, most) = (*ages.first()?, *ages.last()?);
    let spread = most / least.max(1e-3);
    if ages.len() < ENDS_MIN || most < 5.0 || !(1.15..=2.2).contains(&spread) {
        return None;
    }
    let says = format!(
        "{} ages, none below {least:.0} s and none above {most:.0} s: a limit drawn for each \
         connection, not chance",
        ages.len()
    );
    let cite = Cite::lines(&log.source.file, lines);
    Some(Evidence::table("age-spread", "bounded", says, vec![cite]).on(log.source.host.as_ref()))
}

/// Every use after more than some silence failed, every use after less of it did not.
fn threshold(log: &LogPart<'_>) -> Option<Evidence> {
    let (survived, fatal) = silences(log);
    let (held, lines): (Vec<f64>, Vec<u64>) = survived.into_iter().unzip();
    let (failed, ends): (Vec<f64>, Vec<u64>) = fatal.into_iter().unzip();
    let longest = held.iter().copied().max_by(f64::total_cmp)?;
    let shortest = failed.iter().copied().min_by(f64::total_cmp)?;
    let worst = failed.iter().copied().max_by(f64::total_cmp)?;
    // Ends at one length are an exact timer, which the number tells better.
    let exact = worst < 1.1 * shortest;
    if held.len() < 2 || failed.len() < 3 || exact || longest >= shortest {
        return None;
    }
    let says = format!(
        "every use after {shortest:.0} s of silence or more failed ({}), every one after \
         {longest:.0} s or less did not ({})",
        failed.len(),
        held.len()
    );
    let cite = Cite::lines(&log.source.file, lines.into_iter().chain(ends));
    Some(Evidence::table("silences", "threshold", says, vec![cite]).on(log.source.host.as_ref()))
}

/// A length in seconds, and the line it ended with.
type Silence = (f64, u64);

/// Silences that a connection outlived, and those after which it was found dead. Only where the log
/// speaks of one connection at a time.
fn silences(log: &LogPart<'_>) -> (Vec<Silence>, Vec<Silence>) {
    let (mut survived, mut fatal) = (Vec::new(), Vec::new());
    let mut events: Vec<&Event> = log.reading.events.iter().collect();
    events.sort_by_key(|e| (e.at, e.line));
    let whose = events.iter().find_map(|e| e.who.as_deref());
    let one = events.iter().all(|e| e.who.is_none() || e.who.as_deref() == whose);
    if !one && !one_by_one(log) {
        return (survived, fatal);
    }
    // Where the log marks the beginning of each use, the silence is the one before it.
    let begins = events.iter().filter(|e| e.act == Act::Alive && starts(e)).count() >= 3;
    let mut last: Option<&Event> = None;
    let mut pending: Option<Silence> = None;
    for event in events {
        let gap = last.map(|l| (event.at.since(l.at).secs_f64(), event.line));
        match event.act {
            Act::Opened => pending = None,
            Act::Alive if begins && starts(event) => pending = gap,
            Act::Alive if begins => survived.extend(pending.take()),
            Act::Alive => survived.extend(gap),
            // Who waited for an answer was not silent: the wait is not told from the silence.
            Act::Ended if event.words.iter().any(|w| WAITED.contains(w)) && !begins => {}
            Act::Ended => {
                let stated = event.stated_idle.map(|i| (i.secs_f64(), event.line));
                fatal.extend(stated.or(if begins { pending.take() } else { gap }));
            }
            Act::Incident => continue,
        }
        // What follows an end is another connection's.
        last = (event.act != Act::Ended).then_some(event);
    }
    (survived, fatal)
}

/// Words of ends that come after a wait for an answer.
pub(super) const WAITED: [&str; 3] = ["read-timed-out", "request-timeout-said", "timed-out"];

/// Whether each life begins after the end of the one before.
fn one_by_one(log: &LogPart<'_>) -> bool {
    let mut lives: Vec<_> =
        log.ended().filter_map(|(l, e)| Some((log.event(l.open)?.at, e.at))).collect();
    lives.sort_unstable();
    lives.len() >= 3
        && lives.windows(2).all(|pair| matches!(pair, [(_, end), (open, _)] if end <= open))
}

/// Whether a line of traffic tells of the beginning of a use.
fn starts(event: &Event) -> bool {
    const WORDS: [&str; 6] = ["start", "starting", "begin", "send", "sending", "checkout"];
    let text = event.text.to_ascii_lowercase();
    text.split(|c: char| !c.is_ascii_alphanumeric()).any(|w| WORDS.contains(&w))
}

/// Protocols whose ends ping each other every minute or few by default, and the least period, in
/// seconds, to which that speaks: Keep Alive in MQTT 3.1.1 (libraries set 60 s), heartbeats in AMQP
/// 0-9-1 (RabbitMQ proposes 60 s), XMPP and STOMP alike by their servers.
const PINGED: [&str; 9] =
    ["mqtt", "mqt", "amqp", "rabbitmq", "mosquitto", "stomp", "xmpp", "ejabberd", "emqx"];
const PINGED_FROM_S: f64 = 600.0;

fn heartbeating(log: &LogPart<'_>, subject: &Subject<'_>) -> Option<Evidence> {
    let period = subject.measured.lifetime.filter(|l| l.low >= PINGED_FROM_S)?;
    let mut lines = Vec::new();
    let mut protocol = None;
    for (_, end) in log.ended() {
        let text = end.text.to_ascii_lowercase();
        let mut words = text.split(|c: char| !c.is_ascii_alphanumeric());
        if let Some(found) = words.find_map(|w| PINGED.iter().find(|p| *p == &w)) {
            protocol = Some(*found);
            lines.push(end.line);
        }
    }
    let protocol = protocol?;
    let says = format!(
        "the log speaks of {protocol}, whose ends ping each other every minute or so by default: \
         {:.0} s of silence would be unusual",
        period.mid
    );
    let cite = Cite::lines(&log.source.file, lines);
    Some(Evidence::table("heartbeating", "pinged", says, vec![cite]).on(log.source.host.as_ref()))
}

#[cfg(test)]
mod tests {
    use super::super::super::facts::{Content, Facts, Source};
    use super::super::super::subject;
    use super::*;
    use crate::log::{LogReader, Options};
    use std::sync::Arc;

    /// What is said of a log: the kinds and values.
    fn said(lines: &[String]) -> Vec<(&'static str, &'static str)> {
        let mut reader = LogReader::new(Options::default());
        for line in lines {
            reader.line(line.as_bytes());
        }
        let content = Arc::new(Content::Log(reader.finish()));
        let source = Source {
            file: "app.log".to_owned(),
            role: None,
            host: None,
            taken_at: None,
            command: None,
            content,
        };
        let facts = Facts { sources: vec![source], ..Facts::default() };
        let subjects = subject::subjects(&facts);
        let found = subjects.iter().flat_map(observe);
        found
            .filter_map(|e| match e.weighs {
                super::super::super::evidence::Weighs::Table { kind, value } => Some((kind, value)),
                _ => None,
            })
            .collect()
    }

    /// A stamp so many minutes after midnight of the first.
    fn at(minutes: u64) -> String {
        format!(
            "2026-03-{:02}T{:02}:{:02}:00Z",
            1 + minutes / 1440,
            minutes / 60 % 24,
            minutes % 60
        )
    }

    #[test]
    fn ages_that_fill_one_octave_are_drawn_and_ages_from_short_to_long_are_not() {
        let log = |ages: [u64; 9]| {
            let mut now = 0;
            let mut lines = Vec::new();
            for age in ages {
                lines.push(format!("{} websocket opened", at(now)));
                now += age;
                lines.push(format!("{} websocket closed", at(now)));
                now += 1;
            }
            lines
        };
        let drawn = [31, 44, 58, 36, 52, 40, 59, 33, 47];
        assert_eq!(said(&log(drawn)), [("age-spread", "bounded")]);
        assert_eq!(said(&log([3, 44, 120, 36, 7, 40, 59, 210, 47])), []);
        assert_eq!(said(&log([60; 9])), []);
    }

    #[test]
    fn a_silence_that_parts_failures_from_successes_is_a_threshold() {
        let log = |gaps: &[(u64, bool)]| {
            let mut now = 0;
            let mut lines = Vec::new();
            for (gap, ok) in gaps {
                lines.push(format!("{} pool: open conn to db:5432", at(now)));
                now += gap;
                lines.push(match ok {
                    true => format!("{} pool: query ok", at(now)),
                    false => format!("{} pool: connection reset by peer", at(now)),
                });
                now += 1;
            }
            lines
        };
        let parted =
            [(2, true), (12, false), (5, true), (20, false), (9, true), (11, false), (14, false)];
        assert_eq!(said(&log(&parted)), [("silences", "threshold")]);
        let mixed = [(2, true), (12, false), (25, true), (20, false), (9, true), (11, false)];
        assert_eq!(said(&log(&mixed)), []);
    }

    #[test]
    fn a_protocol_that_pings_each_minute_speaks_against_an_hour_of_silence_only() {
        let log = |minutes: u64| -> Vec<String> {
            (0..6)
                .flat_map(|n| {
                    let open = n * (minutes + 1);
                    [
                        format!("{} MQTT client connected", at(open)),
                        format!("{} MQTT client disconnected", at(open + minutes)),
                    ]
                })
                .collect()
        };
        assert_eq!(said(&log(60)), [("heartbeating", "pinged")]);
        assert_eq!(said(&log(2)), []);
    }
}
