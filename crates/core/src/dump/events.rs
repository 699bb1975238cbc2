//! `conntrack -E`: what happened to entries, one event a line.
//!
//! Only `-o timestamp` dates them (seconds since 1970, with microseconds), and an event without a
//! date can be ordered but not compared with packets. Refused: events of expectations.

use super::conntrack::{self, Entry};
use crate::time::{Gap, Moment};

/// One event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// Line number, from 1.
    pub line: u64,
    /// When, where the line says so.
    pub at: Option<Moment>,
    /// What happened.
    pub what: What,
    /// The entry, as far as the event prints it.
    pub entry: Entry,
}

/// What happened to an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum What {
    /// It was made.
    New,
    /// Something about it changed; a refresh alone is no event.
    Update,
    /// It is gone.
    Destroy,
}

/// Reads one line; `None` when it is no event.
pub fn line(number: u64, text: &str) -> Option<Event> {
    let mut at = None;
    let mut what = None;
    let mut rest = text.trim_start();
    while let Some(inner) = rest.strip_prefix('[') {
        let (word, after) = inner.split_once(']')?;
        match word.trim() {
            "NEW" => what = Some(What::New),
            "UPDATE" => what = Some(What::Update),
            "DESTROY" => what = Some(What::Destroy),
            stamp => at = Some(moment(stamp)?),
        }
        rest = after.trim_start();
        if what.is_some() {
            break;
        }
    }
    let entry = conntrack::line(number, rest)?;
    Some(Event { line: number, at, what: what?, entry })
}

/// Seconds with a fraction of any length, exactly.
fn moment(stamp: &str) -> Option<Moment> {
    let (seconds, fraction) = stamp.split_once('.')?;
    let seconds: i64 = seconds.parse().ok()?;
    let digits: String = fraction.chars().chain("000000000".chars()).take(9).collect();
    let nanoseconds: i64 = digits.parse().ok()?;
    Some(Moment::from_secs(seconds).plus(Gap::from_ns(nanoseconds)))
}

/// All events of a text, and how many of its lines were neither events, comments nor blank.
pub fn read(text: &str) -> (Vec<Event>, u64) {
    let mut skipped = 0;
    let mut events = Vec::new();
    for (number, raw) in (1..).zip(text.lines()) {
        match line(number, raw) {
            Some(event) => events.push(event),
            None if raw.trim().is_empty() || raw.starts_with('#') => {}
            None if raw.starts_with("conntrack v") => {}
            None => skipped += 1,
        }
    }
    (events, skipped)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_dated_where_they_say_so() {
        let tuple = "src=192.0.2.1 dst=198.51.100.2 sport=40000 dport=443 src=198.51.100.2 dst=203.0.113.1 sport=443 dport=40000";
        let text = format!(
            "[1695000000.123456\t]\t    [NEW] tcp      6 120 SYN_SENT {tuple} [UNREPLIED]\n\
             [DESTROY] tcp      6 {tuple} [ASSURED]\n\
             conntrack v1.4.8 (conntrack-tools): 2 flow events have been shown.\nnonsense\n"
        );
        let (events, skipped) = read(&text);
        assert_eq!(skipped, 1);
        let at = Moment::from_secs(1_695_000_000).plus(Gap::from_ns(123_456_000));
        let told: Vec<_> = events.iter().map(|e| (e.line, e.at, e.what)).collect();
        assert_eq!(told, [(1, Some(at), What::New), (2, None, What::Destroy)]);
        assert!(events.iter().all(|e| e.entry.original.sport == 40000));
    }
}
