//! Lengths of time a line itself states: how old a connection became, how long it was silent, and
//! limits it names. Refuses a number without a unit unless its key says what it is.

use crate::time::Gap;

/// What a line states.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct Stated {
    /// "after 3479s", "session time: 0:01:02".
    pub age: Option<Gap>,
    /// "12584s idle".
    pub idle: Option<Gap>,
    /// "ping timeout of 5 secs", "retry in 10 sec": a setting or a delay, not a history.
    pub limit: Option<Gap>,
}

/// What the words around a length make of it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Kind {
    Age,
    Idle,
    Limit,
}

/// Reads the lengths in a message (a line without its stamp).
pub(crate) fn stated(message: &str) -> Stated {
    let mut found = Stated::default();
    let bytes = message.as_bytes();
    let mut at = 0;
    while let Some(step) = bytes.get(at..).and_then(|r| r.iter().position(u8::is_ascii_digit)) {
        let start = at + step;
        let before = start.checked_sub(1).and_then(|b| bytes.get(b)).copied();
        let glued = before.is_some_and(|b| b.is_ascii_alphanumeric() || b == b'.' || b == b'-');
        let rest = message.get(start..).unwrap_or_default();
        if let Some(len) = plain_number(rest).filter(|_| glued || !has_key(message, start)) {
            at = start + len;
            continue;
        }
        // What is glued to something before it states nothing, and is only stepped over.
        let mut key = if glued { "" } else { key(message, start) };
        // Envoy's JSON counts in milliseconds and does not say so (access log formatter, DURATION).
        if key == "duration" && message.contains("\"response_flags\"") {
            key = "duration_ms";
        }
        let (len, gap) = length(rest, key);
        // Of what is no number (an address) the further digits are none either.
        let digits = || rest.bytes().take_while(u8::is_ascii_digit).count();
        at = start + if len <= 1 && gap.is_none() { digits().max(1) } else { len };
        let Some(gap) = gap.filter(|_| !glued) else { continue };
        match kind(message, start, start + len) {
            Some(Kind::Age) if found.age.is_none() => found.age = Some(gap),
            Some(Kind::Idle) if found.idle.is_none() => found.idle = Some(gap),
            Some(Kind::Limit) if found.limit.is_none() => found.limit = Some(gap),
            _ => {}
        }
    }
    found
}

/// How many digits of a number stand here, when nothing behind them can be a unit or a part of it.
fn plain_number(text: &str) -> Option<usize> {
    let len = text.bytes().take_while(u8::is_ascii_digit).count();
    let mut behind = text.bytes().skip(len);
    let next = behind.next().unwrap_or(b'\n');
    // With a space between, only a letter that a unit begins with.
    let next = if next == b' ' { behind.find(|b| *b != b' ').unwrap_or(b'\n') } else { next };
    let more = matches!(next, b'.' | b',' | b':') || next.is_ascii_digit();
    let unit = b"munshd".contains(&next.to_ascii_lowercase()) || next >= 0x80;
    (!more && !unit).then_some(len)
}

/// Whether a value may stand under a key.
fn has_key(message: &str, value: usize) -> bool {
    let head = message.as_bytes().get(..value).unwrap_or_default();
    let before = head.iter().rev().find(|b| !matches!(**b, b' ' | b'"'));
    matches!(before, Some(b'=' | b':'))
}

/// The key a value stands under: `duration_ms=`, `"age": `.
fn key(message: &str, value: usize) -> &str {
    let head = message.get(..value).unwrap_or_default().trim_end_matches([' ', '"']);
    let Some(head) = head.strip_suffix(['=', ':']) else { return "" };
    let head = head.trim_end_matches('"');
    let from = head.rfind(|c: char| !c.is_ascii_alphanumeric() && c != '_' && c != '-');
    head.get(from.map_or(0, |f| f + 1)..).unwrap_or_default()
}

/// A length at the start of `text`: how many bytes it takes, and what it is.
fn length(text: &str, key: &str) -> (usize, Option<Gap>) {
    if let Some(found) = clock_length(text) {
        return found;
    }
    let (mut at, mut total, mut units) = (0, 0.0, 0);
    while let Some((number, n)) = number(text.get(at..).unwrap_or_default()) {
        let rest = text.get(at + n..).unwrap_or_default();
        let spaces = rest.len() - rest.trim_start_matches(' ').len();
        let Some((unit, u)) = unit(rest.trim_start_matches(' ')) else {
            if units == 0 {
                let scale = key_unit(key);
                let gap = scale.map(|s| Gap::from_secs_f64(number * s));
                return (at + n, gap);
            }
            break;
        };
        if spaces > 1 {
            return (at + n, None);
        }
        total += number * unit;
        units += 1;
        at += n + spaces + u;
        // `1h 2m` may have one space between.
        let next = text.get(at..).unwrap_or_default();
        let gap = usize::from(next.starts_with(' '));
        let follows = next.get(gap..).unwrap_or_default();
        if number_and_unit(follows) {
            at += gap;
        } else {
            break;
        }
    }
    let gap = (units > 0).then(|| Gap::from_secs_f64(total));
    (at.max(1), gap)
}

/// Whether another number with a unit stands here.
fn number_and_unit(text: &str) -> bool {
    number(text).is_some_and(|(_, n)| unit(text.get(n..).unwrap_or_default()).is_some())
}

/// A decimal number and its bytes.
fn number(text: &str) -> Option<(f64, usize)> {
    let len = text.bytes().take_while(|b| b.is_ascii_digit() || matches!(b, b'.' | b',')).count();
    let mut body = text.get(..len)?.trim_end_matches(['.', ',']);
    // Thousands are grouped by three (MySQL Connector/J writes 1,234,567 milliseconds).
    let grouped = body.split(',').skip(1).all(|g| g.len() == 3);
    if body.contains(',') && !grouped {
        body = body.split(',').next()?;
    }
    let value = match body.contains(',') {
        true => body.replace(',', "").parse().ok()?,
        false => body.parse().ok()?,
    };
    Some((value, body.len()))
}

/// A unit as a whole word: its seconds and its bytes.
fn unit(text: &str) -> Option<(f64, usize)> {
    const UNITS: [(&str, f64); 27] = [
        ("milliseconds", 1e-3),
        ("millisecond", 1e-3),
        ("millis", 1e-3),
        ("msecs", 1e-3),
        ("msec", 1e-3),
        ("ms", 1e-3),
        ("µs", 1e-6),
        ("us", 1e-6),
        ("ns", 1e-9),
        ("seconds", 1.0),
        ("second", 1.0),
        ("secs", 1.0),
        ("sec", 1.0),
        ("s", 1.0),
        ("minutes", 60.0),
        ("minute", 60.0),
        ("mins", 60.0),
        ("min", 60.0),
        ("m", 60.0),
        ("hours", 3600.0),
        ("hour", 3600.0),
        ("hrs", 3600.0),
        ("hr", 3600.0),
        ("h", 3600.0),
        ("days", 86_400.0),
        ("day", 86_400.0),
        ("d", 86_400.0),
    ];
    UNITS.iter().find_map(|(name, secs)| {
        let head = text.get(..name.len())?;
        let next = text.as_bytes().get(name.len()).copied();
        let whole = !next.is_some_and(|b| b.is_ascii_alphabetic());
        (whole && head.eq_ignore_ascii_case(name)).then_some((*secs, name.len()))
    })
}

/// `H:MM:SS.fff` and `D days`-less clocks as lengths.
fn clock_length(text: &str) -> Option<(usize, Option<Gap>)> {
    let len = text.bytes().take_while(|b| b.is_ascii_digit() || matches!(b, b':' | b'.')).count();
    let body = text.get(..len)?;
    let mut parts = body.split(':');
    let (h, m, s) = (parts.next()?, parts.next()?, parts.next()?);
    if parts.next().is_some() || m.len() != 2 || s.len() < 2 || h.is_empty() || h.len() > 4 {
        return None;
    }
    let hours: f64 = h.parse().ok()?;
    let minutes: f64 = m.parse().ok()?;
    let seconds: f64 = s.trim_end_matches('.').parse().ok()?;
    Some((len, Some(Gap::from_secs_f64(hours * 3600.0 + minutes * 60.0 + seconds))))
}

/// The unit a key tells for a bare number: its own suffix, else seconds for keys that are lengths.
fn key_unit(key: &str) -> Option<f64> {
    let key = key.to_ascii_lowercase();
    let lengths =
        ["duration", "elapsed", "age", "uptime", "lifetime", "idle", "session_time", "lived"];
    if !lengths.iter().any(|l| key.contains(l)) {
        return None;
    }
    let scale = if key.ends_with("_ms") || key.ends_with("ms") || key.ends_with("millis") {
        1e-3
    } else if key.ends_with("_us") {
        1e-6
    } else if key.ends_with("_ns") {
        1e-9
    } else {
        1.0
    };
    Some(scale)
}

/// Words that make a length a delay before the next attempt.
const RETRY: [&str; 8] =
    ["retry", "reconnect", "again", "backoff", "next", "wait", "sleep", "every"];

/// Words that make it a setting.
const LIMIT: [&str; 8] =
    ["timeout", "time-out", "timed out", "limit", "max", "interval", "keepalive", "ttl"];

/// Words before it that make it a silence.
const IDLE: [&str; 15] = [
    "idle",
    "inactiv",
    "silen",
    "no traffic",
    "no data",
    "no activity",
    "last packet",
    "last active",
    "last activity",
    "last message",
    "last seen",
    "not heard",
    "no input",
    "lastclientmessage",
    "last_message",
];

/// Words after it that do.
const IDLE_AFTER: [&str; 7] =
    ["idle", "of inactivity", "of idle", "inactive", "without traffic", "of silence", "since last"];

/// Words that make it an age.
const AGE: [&str; 14] = [
    "after",
    "lasted",
    "duration",
    "age",
    "uptime",
    "lived",
    "session time",
    "for",
    "elapsed",
    "lifetime",
    "was up",
    "open",
    "connect time",
    "connected",
];

/// What the words before and after make of the length between `start` and `end`.
fn kind(message: &str, start: usize, end: usize) -> Option<Kind> {
    let mut from = start.saturating_sub(64);
    while !message.is_char_boundary(from) {
        from -= 1;
    }
    let before = message.get(from..start).unwrap_or_default().to_ascii_lowercase();
    // Only the clause the length stands in.
    let clause = before.rsplit(['(', ',', ';']).next().unwrap_or_default();
    let after = message.get(end..).unwrap_or_default().trim_start();
    let mut to = after.len().min(32);
    while !after.is_char_boundary(to) {
        to -= 1;
    }
    let after = after.get(..to).unwrap_or_default().to_ascii_lowercase();
    let silent = IDLE_AFTER.iter().filter_map(|w| after.strip_prefix(w));
    if silent.into_iter().any(|rest| !rest.starts_with(['=', ':'])) {
        return Some(Kind::Idle);
    }
    let has = |words: &[&str]| words.iter().any(|w| clause.contains(w));
    if has(&RETRY) || has(&LIMIT) {
        return Some(Kind::Limit);
    }
    if has(&IDLE) {
        return Some(Kind::Idle);
    }
    if clause.trim_end().ends_with(" in") || clause.trim_end().ends_with(" within") {
        return Some(Kind::Limit);
    }
    has(&AGE).then_some(Kind::Age)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secs(gap: Option<Gap>) -> Option<f64> {
        gap.map(Gap::secs_f64)
    }

    #[test]
    fn ages_silences_and_limits() {
        type Row = (&'static str, Option<f64>, Option<f64>, Option<f64>);
        let rows: [Row; 18] = [
            ("watch exited after 3479s", Some(3479.0), None, None),
            ("pool: checkout after 12584s idle -> FATAL", None, Some(12_584.0), None),
            ("disconnected from 192.0.2.1:22 after 0.105s state=REJ", Some(0.105), None, None),
            ("disconnection: session time: 0:01:02.500 user=x", Some(62.5), None, None),
            ("ping timeout of 5 secs expired, recv timeout 5", None, None, Some(5.0)),
            ("missed heartbeats from client, timeout: 8s", None, None, Some(8.0)),
            ("Connect failed, rc -4. Retry in 10 sec", None, None, Some(10.0)),
            ("closed duration=12.5 bytes=3", Some(12.5), None, None),
            ("closed duration_ms=12500", Some(12.5), None, None),
            ("Teardown TCP duration 1:00:00 bytes 5", Some(3600.0), None, None),
            ("stream lasted 1h2m3.5s", Some(3723.5), None, None),
            ("connection idle for 5 minutes, closing", None, Some(300.0), None),
            ("Connect time 3.0 minutes.", Some(180.0), None, None),
            (
                "The last packet successfully received from the server was 1,234,567 milliseconds ago.",
                None,
                Some(1234.567),
                None,
            ),
            ("Closing idle connection 2, last active 540003 ms ago", None, Some(540.003), None),
            ("addr=192.0.2.1:5 name= age=7 idle=3 flags=N", Some(7.0), Some(3.0), None),
            ("received 1204 bytes from 10.0.0.1:55", None, None, None),
            ("{\"msg\":\"closed\",\"age\": 350.2}", Some(350.2), None, None),
        ];
        for (line, age, idle, limit) in rows {
            let s = stated(line);
            assert_eq!((secs(s.age), secs(s.idle), secs(s.limit)), (age, idle, limit), "{line}");
        }
    }
}
