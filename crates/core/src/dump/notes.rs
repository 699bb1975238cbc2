//! Notes people write beside the evidence: timers a product documents, things that happened at a
//! time, what somebody believed or plans to do.
//!
//! Prose is not parsed. A line counts only when it names a timer and a duration (or says that none
//! is documented), or begins with a time stamp, or carries one of the few claims the inquest can
//! test.

use super::header::moment;
use crate::terms::Anchor;
use crate::time::Moment;

/// Who a documented timer belongs to, by the note's own words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Holder {
    /// A balancer or proxy.
    Proxy,
    /// The server.
    Server,
    /// The client.
    Client,
    /// A box that only tracks flows.
    Middlebox,
    /// The note does not say.
    Unknown,
}

/// A timer some document states.
#[derive(Clone, Debug, PartialEq)]
pub struct Documented {
    /// Line number, from 1.
    pub line: u64,
    /// Whose it is.
    pub holder: Holder,
    /// What it counts from: `Open`, `IdleApp`, `Idle` or `Probe`.
    pub anchor: Anchor,
    /// Seconds; `None` when the note says that the documentation is silent.
    pub seconds: Option<f64>,
    /// The line, for quoting.
    pub text: String,
}

/// Something that happened at a time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Incident {
    /// Line number, from 1.
    pub line: u64,
    /// When.
    pub at: Moment,
    /// What, in the note's words.
    pub text: String,
}

/// A belief or a plan the inquest knows how to test.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claim {
    /// Line number, from 1.
    pub line: u64,
    /// Which: an id of `CLAIMS`.
    pub id: &'static str,
    /// The line, for quoting.
    pub text: String,
}

/// Everything a note told.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Notes {
    /// Timers.
    pub documented: Vec<Documented>,
    /// Dated happenings.
    pub incidents: Vec<Incident>,
    /// Beliefs and plans.
    pub claims: Vec<Claim>,
}

/// Claims: id, and words that must all stand in the line.
const CLAIMS: [(&str, &[&str]); 6] = [
    ("counter-not-refreshed", &["not", "refresh"]),
    ("invalid-let-through", &["invalid"]),
    ("loose", &["loose"]),
    ("raise-timeout", &["86400"]),
    ("ping", &["ping"]),
    ("no-middlebox-by-ttl", &["ttl", "no", "middlebox"]),
];

/// Reads a whole note.
pub fn read(text: &str) -> Notes {
    let mut notes = Notes::default();
    for (number, raw) in (1..).zip(text.lines()) {
        let line = raw.trim().trim_start_matches(['-', '*', '•']).trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        if let Some(incident) = incident(number, line) {
            notes.incidents.push(incident);
            continue;
        }
        notes.documented.extend(documented(number, line));
        let lower = line.to_lowercase();
        for (id, words) in CLAIMS {
            if words.iter().all(|w| lower.contains(w)) {
                notes.claims.push(Claim { line: number, id, text: line.to_owned() });
            }
        }
    }
    notes
}

fn incident(number: u64, line: &str) -> Option<Incident> {
    let (stamp, rest) = line.split_once(char::is_whitespace)?;
    let at = moment(stamp.trim_end_matches(':'))?;
    Some(Incident { line: number, at, text: rest.trim().to_owned() })
}

/// A line may state several timers: "idle timeout 350 s, maximum age: not documented".
fn documented(number: u64, line: &str) -> Vec<Documented> {
    let holder = holder(&line.to_lowercase());
    if holder == Holder::Unknown {
        return Vec::new(); // nobody's timer: a log line that happens to name one
    }
    line.split([',', ';'])
        .filter_map(|part| {
            let lower = part.to_lowercase();
            let anchor = anchor(&lower)?;
            let seconds = duration_s(&lower);
            let silent = ["not documented", "none documented", "undocumented", "no documented"]
                .iter()
                .any(|w| lower.contains(w))
                || (lower.contains("no ") && lower.contains("documented"));
            if seconds.is_none() && !silent {
                return None;
            }
            let text = line.to_owned();
            Some(Documented { line: number, holder, anchor, seconds, text })
        })
        .collect()
}

fn holder(lower: &str) -> Holder {
    let has = |words: &[&str]| words.iter().any(|w| lower.contains(w));
    if has(&["balancer", "proxy", "gateway", " lb", "nlb", "alb", "ingress"]) {
        Holder::Proxy
    } else if has(&["nat", "firewall", "egress", "conntrack"]) {
        Holder::Middlebox
    } else if has(&["server", "upstream"]) {
        Holder::Server
    } else if has(&["client", "pool"]) {
        Holder::Client
    } else {
        Holder::Unknown
    }
}

/// What a timer of this name counts from.
fn anchor(lower: &str) -> Option<Anchor> {
    let has = |words: &[&str]| words.iter().any(|w| lower.contains(w));
    if has(&["maximum age", "max age", "max-age", "lifetime", "maximum duration", "maximum life"]) {
        Some(Anchor::Open)
    } else if has(&["keepalive time", "keepalive_time", "keepalive interval", "tcp keepalive"]) {
        Some(Anchor::Probe)
    } else if has(&["keep-alive", "keepalive"]) {
        Some(Anchor::IdleApp)
    } else if has(&["idle"]) {
        Some(Anchor::Idle)
    } else {
        None
    }
}

/// The first "NUMBER UNIT" of a text, in seconds. Units: ms, s, m(in), h, d and their words.
pub fn duration_s(text: &str) -> Option<f64> {
    let mut rest = text;
    while let Some(start) = rest.find(|c: char| c.is_ascii_digit()) {
        let tail = rest.get(start..)?;
        let digits = tail.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(tail.len());
        let (number, after) = tail.split_at(digits);
        let unit: String = after.trim_start().chars().take_while(|c| c.is_alphabetic()).collect();
        let factor = match unit.as_str() {
            "ms" | "milliseconds" => Some(0.001),
            "s" | "sec" | "secs" | "second" | "seconds" => Some(1.0),
            "m" | "min" | "mins" | "minute" | "minutes" => Some(60.0),
            "h" | "hour" | "hours" => Some(3600.0),
            "d" | "day" | "days" => Some(86_400.0),
            _ => None,
        };
        if let (Some(factor), Ok(number)) = (factor, number.parse::<f64>()) {
            return Some(number * factor);
        }
        rest = after;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_documented_timer_has_a_holder_an_anchor_and_seconds() {
        let notes = read(
            "- balancer: idle timeout 350 s, maximum age: not documented\n- server: keep-alive 60 s\n",
        );
        let told: Vec<_> =
            notes.documented.iter().map(|d| (d.line, d.holder, d.anchor, d.seconds)).collect();
        let expected = [
            (1, Holder::Proxy, Anchor::Idle, Some(350.0)),
            (1, Holder::Proxy, Anchor::Open, None),
            (2, Holder::Server, Anchor::IdleApp, Some(60.0)),
        ];
        assert_eq!(told, expected);
    }

    #[test]
    fn a_dated_line_is_an_incident() {
        let notes = read("2024-05-16T21:14:00Z failover of the egress pair\n");
        let incident = notes.incidents.first().unwrap();
        assert_eq!(incident.text, "failover of the egress pair");
        assert_eq!(incident.at, Moment::from_secs(1_715_894_040));
    }

    #[test]
    fn prose_without_a_number_says_nothing() {
        assert_eq!(
            read("The idle connection was looked at.\nWe waited a week.\n"),
            Notes::default()
        );
    }

    #[test]
    fn durations_in_the_usual_units() {
        let cases =
            [("12 h", 43_200.0), ("350s", 350.0), ("after 2 hours", 7200.0), ("1.5 min", 90.0)];
        for (text, seconds) in cases {
            assert_eq!(duration_s(text), Some(seconds), "{text}");
        }
        assert_eq!(duration_s("port 443"), None);
    }
}
