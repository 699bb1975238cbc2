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

/// Words of which one must stand beside a word that means something else elsewhere: an invalid
/// token and a cache nobody refreshes are no business of a tracker's.
const TRACKED: [&str; 7] = ["conntrack", "entry", "entries", "counter", "flow", "packet", "nf"];

/// A test of a line for a claim.
type Says = fn(&Words) -> bool;

/// Claims: id, and whether a line makes it.
const CLAIMS: [(&str, Says); 6] = [
    ("counter-not-refreshed", |line| {
        line.any(&["not", "nothing", "never", "cannot", "isn t", "doesn t"])
            && line.any(&["refresh"])
            && line.any(&TRACKED)
    }),
    ("invalid-let-through", |line| line.any(&["invalid"]) && line.any(&TRACKED)),
    ("loose", |line| {
        line.any(&["loose"])
            && (line.any(&TRACKED)
                || line.any(&["tcp loose", "loose 0", "loose 1", "loose is 0", "loose is 1"])
                || line.set("loose"))
    }),
    ("raise-timeout", |line| line.any(&["86400"])),
    ("ping", |line| line.any(&["ping"])),
    ("no-middlebox-by-ttl", |line| {
        line.any(&["ttl"]) && line.any(&["no"]) && line.any(&["middlebox"])
    }),
];

/// A line cut into words: runs of letters and runs of digits, in small letters. `keepAliveTimeout`
/// and `keep_alive_timeout` are three words each.
struct Words {
    words: Vec<String>,
    lower: String,
}

impl Words {
    fn of(text: &str) -> Self {
        let mut words = Vec::new();
        let mut word = String::new();
        let mut before = ' ';
        for c in text.chars() {
            let hump = before.is_lowercase() && c.is_uppercase();
            if hump || before.is_alphabetic() != c.is_alphabetic() || !c.is_alphanumeric() {
                words.push(std::mem::take(&mut word));
            }
            if c.is_alphanumeric() {
                word.extend(c.to_lowercase());
            }
            before = c;
        }
        words.push(word);
        words.retain(|w| !w.is_empty());
        Self { words, lower: text.to_lowercase() }
    }

    /// Whether one of the phrases stands here, its words in a row.
    fn any(&self, phrases: &[&str]) -> bool {
        phrases.iter().any(|phrase| {
            let parts: Vec<&str> = phrase.split(' ').collect();
            self.words
                .windows(parts.len())
                .any(|row| row.iter().zip(&parts).all(|(word, part)| is_form(word, part)))
        })
    }

    /// Whether the word is followed by an equals sign, or stands in quotes.
    fn set(&self, word: &str) -> bool {
        self.lower.split(word).skip(1).any(|rest| rest.trim_start().starts_with('='))
            || ['`', '"', '\''].iter().any(|q| self.lower.contains(&format!("{q}{word}{q}")))
    }
}

/// The word, or its plural, past or participle. Of a word of three letters only itself: `NATS` is
/// no NAT.
fn is_form(word: &str, of: &str) -> bool {
    word.strip_prefix(of).is_some_and(|rest| {
        rest.is_empty() || of.len() > 3 && matches!(rest, "s" | "es" | "ed" | "ing")
    })
}

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
        let words = Words::of(line);
        for (id, says) in CLAIMS {
            if says(&words) {
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
    let holder = holder(&Words::of(line));
    if holder == Holder::Unknown {
        return Vec::new(); // nobody's timer: a log line that happens to name one
    }
    line.split([',', ';'])
        .filter_map(|part| {
            let words = Words::of(part);
            let anchor = anchor(&words)?;
            let seconds = duration_s(&words.lower);
            let silent = words.any(&["not documented", "none documented", "undocumented"])
                || (words.any(&["no"]) && words.any(&["documented"]));
            if seconds.is_none() && !silent {
                return None;
            }
            let text = line.to_owned();
            Some(Documented { line: number, holder, anchor, seconds, text })
        })
        .collect()
}

fn holder(line: &Words) -> Holder {
    if line.any(&PROXIES) {
        Holder::Proxy
    } else if line.any(&["nat", "snat", "dnat", "cgnat", "firewall", "egress", "conntrack"]) {
        Holder::Middlebox
    } else if line.any(&["server", "webserver", "upstream"]) {
        Holder::Server
    } else if line.any(&["client", "pool"]) {
        Holder::Client
    } else {
        Holder::Unknown
    }
}

const PROXIES: [&str; 11] = [
    "balancer",
    "loadbalancer",
    "proxy",
    "proxies",
    "haproxy",
    "gateway",
    "lb",
    "elb",
    "nlb",
    "alb",
    "ingress",
];

/// What a timer of this name counts from.
fn anchor(line: &Words) -> Option<Anchor> {
    if line.any(&["maximum age", "max age", "lifetime", "maximum duration", "maximum life"]) {
        Some(Anchor::Open)
    } else if line.any(&["keepalive time", "keepalive interval", "tcp keepalive"]) {
        Some(Anchor::Probe)
    } else if line.any(&["keep alive", "keepalive"]) {
        Some(Anchor::IdleApp)
    } else if line.any(&["idle", "idling"]) {
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
    fn a_word_within_a_word_says_nothing() {
        let holder = |line: &str| read(line).documented.first().map(|d| d.holder);
        assert_eq!(holder("server terminates idle connections after 60 s"), Some(Holder::Server));
        assert_eq!(holder("NATS server: idle timeout 60 s"), Some(Holder::Server));
        assert_eq!(holder("the NAT64 box: idle timeout 350 s"), Some(Holder::Middlebox));
        assert_eq!(holder("LoadBalancer idleTimeout 350s"), Some(Holder::Proxy));
        assert_eq!(holder("an alternative: idle timeout 60 s"), None);
    }

    #[test]
    fn a_keepalive_timeout_is_no_keepalive_time() {
        let anchor = |line: &str| read(line).documented.first().map(|d| d.anchor);
        assert_eq!(anchor("server: keepalive_timeout 75 s"), Some(Anchor::IdleApp));
        assert_eq!(anchor("client: keepalive_time 7200 s"), Some(Anchor::Probe));
    }

    #[test]
    fn a_claim_needs_its_words_and_its_subject() {
        let claims = |line: &str| read(line).claims.iter().map(|c| c.id).collect::<Vec<_>>();
        for line in [
            "we saw it dropping at noon",
            "the token cache is not refreshed",
            "the token was invalid",
            "a loose cable was found",
            "order 186400 was lost",
        ] {
            assert_eq!(claims(line), [""; 0], "{line}");
        }
        assert_eq!(claims("send pings every 30 s"), ["ping"]);
        assert_eq!(claims("the counter is not being refreshed"), ["counter-not-refreshed"]);
        assert_eq!(claims("the flow became INVALID"), ["invalid-let-through"]);
        for line in ["loose = 1", "nf_conntrack_tcp_loose", "loose 1", "we set `loose`"] {
            assert_eq!(claims(line), ["loose"], "{line}");
        }
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
