//! The stamp of a JSON line, by the keys loggers use. Refuses values whose key says nothing of
//! time: a number alone is no moment.

use super::super::json::{Field, Value, fields};
use super::{Day, Stamp, search};

/// Keys that hold the time of the line, the surest first.
///
/// `__REALTIME_TIMESTAMP` journald (µs, systemd.journal-fields(7)); `@timestamp` logstash, ECS;
/// `ts` zap; `time` logrus, slog, bunyan, pino, docker's json-file; `timestamp` most others;
/// `epochSecond` log4j2's instant; `timeUnixNano` OpenTelemetry; `seconds` Google Cloud; `$date`
/// MongoDB; `StartUTC` Traefik; `msec` nginx; `dt` Better Stack; `t` envoy, caddy; `asctime` and
/// `created` Python.
const KEYS: [&[u8]; 45] = [
    b"__REALTIME_TIMESTAMP",
    b"_SOURCE_REALTIME_TIMESTAMP",
    b"@timestamp",
    b"timestamp",
    b"ts",
    b"time",
    b"$date",
    b"epochSecond",
    b"timeUnixNano",
    b"start_time",
    b"StartUTC",
    b"datetime",
    b"date_time",
    b"date",
    b"eventTime",
    b"event_time",
    b"event_timestamp",
    b"time_local",
    b"time_iso8601",
    b"timeMillis",
    b"timestamp_ms",
    b"timestampMs",
    b"ts_ms",
    b"time_ms",
    b"msec",
    b"unixtime",
    b"unix_time",
    b"unix",
    b"epoch",
    b"seconds",
    b"asctime",
    b"_time",
    b"@t",
    b"_ts",
    b"t",
    b"dt",
    b"log_time",
    b"logTime",
    b"log_timestamp",
    b"created",
    b"created_at",
    b"logged_at",
    b"observedTimeUnixNano",
    b"receivedAt",
    b"when",
];

/// The best stamp among the values of a JSON line.
pub(crate) fn stamp(line: &[u8]) -> Option<Stamp> {
    let mut best: Option<(usize, Stamp)> = None;
    let mut nanos = 0;
    for field in fields(line).filter(|f| f.depth <= 3).take(200) {
        if let Value::Bare(text) = field.value
            && (field.key == b"nanoOfSecond" || field.key == b"nanos")
        {
            nanos = number(text).unwrap_or(0);
        }
        let Some(rank) = rank(field.key) else { continue };
        if best.is_some_and(|(r, _)| r <= rank) {
            continue;
        }
        if let Some(found) = value(&field) {
            best = Some((rank, found));
        }
    }
    let (_, mut found) = best?;
    if found.day == Day::Epoch && found.digits == Some(0) && (0..1_000_000_000).contains(&nanos) {
        found.ns += nanos;
        found.digits = if nanos == 0 { Some(0) } else { Some(9) };
    }
    Some(found)
}

/// The stamp a value at `at` holds, in a line that begins as another did in which this value was
/// the best; `None` when there is no such value.
pub(crate) fn stamp_at(line: &[u8], at: usize) -> Option<Stamp> {
    let rest = line.get(at..)?;
    if let Some((ns, digits, len)) = plain_epoch(rest) {
        let (day, zone, digits) = (Day::Epoch, Some(0), Some(digits));
        return Some(Stamp { day, ns, zone, digits, start: at, end: at + len, minute: None });
    }
    let quoted = at.checked_sub(1).and_then(|before| line.get(before)) == Some(&b'"');
    let value = if quoted {
        let end = memchr::memchr2(b'"', b'\\', rest)?;
        // What is escaped takes the long way.
        Value::Text(rest.get(..end).filter(|_| rest.get(end) == Some(&b'"'))?)
    } else {
        // A number ends at its first other byte, which is nearly always one that ends values.
        let ends = |b: &u8| b",}] \t\r".contains(b);
        let number = rest.iter().take(32).position(|b| !b.is_ascii_digit() && *b != b'.');
        let end = match number.filter(|at| rest.get(*at).is_some_and(ends)) {
            Some(end) => end,
            None => rest.iter().take(32).position(ends)?,
        };
        Value::Bare(rest.get(..end)?)
    };
    self::value(&Field { depth: 1, key: b"", value, at })
}

/// Whether the stamp of a line stands in one value alone: some writers put the nanoseconds in
/// another.
pub(crate) fn is_whole(line: &[u8], stamp: &Stamp) -> bool {
    let head = line.get(..stamp.start).unwrap_or_default();
    !head.ends_with(b"Second\":") && !head.ends_with(b"seconds\":")
}

/// The place of a key in [`KEYS`].
fn rank(key: &[u8]) -> Option<usize> {
    if key.len() > 26 {
        return None;
    }
    KEYS.iter().position(|k| k.eq_ignore_ascii_case(key))
}

/// A whole number.
fn number(text: &[u8]) -> Option<i64> {
    std::str::from_utf8(text).ok()?.parse().ok()
}

/// The stamp a value holds: text in any form, or an epoch number told apart by its size.
fn value(field: &Field<'_>) -> Option<Stamp> {
    let (Value::Text(text) | Value::Bare(text)) = field.value;
    let end = field.at + text.len();
    if let Some((ns, digits)) = epoch(text) {
        let zone = Some(0);
        return Some(Stamp {
            day: Day::Epoch,
            ns,
            zone,
            digits: Some(digits),
            start: field.at,
            end,
            minute: None,
        });
    }
    let Value::Text(text) = field.value else { return None };
    let found = search(text)?;
    let (start, end) = (field.at + found.start, field.at + found.end);
    Some(Stamp { start, end, minute: None, ..found })
}

/// Powers of ten: what digits that a fraction does not have would make of it.
const FRACTION: [i64; 10] =
    [1, 10, 100, 1_000, 10_000, 100_000, 1_000_000, 10_000_000, 100_000_000, 1_000_000_000];

/// Seconds (with a fraction), milliseconds, microseconds or nanoseconds, by the number of digits
/// before the point.
fn epoch(text: &[u8]) -> Option<(i64, u8)> {
    if text.len() > 40 || !text.first()?.is_ascii_digit() {
        return None;
    }
    let leading = |part: &[u8]| part.iter().take_while(|b| b.is_ascii_digit()).count();
    let (whole, rest) = text.split_at(leading(text));
    let fraction = match rest.split_first() {
        None => rest,
        Some((b'.', fraction)) if leading(fraction) == fraction.len() => fraction,
        _ => return exponent(text),
    };
    if fraction.len() > 12 {
        return None;
    }
    // Nanoseconds of the unit, and how many digits of a fraction of it they can tell.
    let (unit, kept) = match whole.len() {
        10 => (1_000_000_000, 9),
        13 => (1_000_000, 6),
        16 => (1_000, 3),
        19 => (1, 0),
        _ => return None,
    };
    let digit = |b: &u8| i64::from(b - b'0');
    let join = |all: i64, b| all.wrapping_mul(10).wrapping_add(digit(b));
    // Only nineteen digits can be too many; they are tried with care.
    let careful = |all: i64, b| all.checked_mul(10)?.checked_add(digit(b));
    let whole = match whole.len() {
        19 => whole.iter().try_fold(0i64, careful)?,
        _ => whole.iter().fold(0i64, join).checked_mul(unit)?,
    };
    let part = fraction.iter().take(kept).fold(0i64, join);
    let part = part * FRACTION.get(kept - kept.min(fraction.len())).copied().unwrap_or(0);
    let digits = match unit {
        1_000_000_000 => fraction.len().min(9) as u8,
        1_000_000 => 3 + fraction.len().min(6) as u8,
        1_000 => 6,
        _ => 9,
    };
    (whole > 0).then_some((whole + part, digits))
}

/// Seconds or milliseconds as a bare number, the former with a fraction or without: nanoseconds,
/// digits of the fraction, bytes. What [`epoch`] reads of the plainest numbers, and nothing else.
fn plain_epoch(text: &[u8]) -> Option<(i64, u8, usize)> {
    let (whole, len) = digits(text, 13)?;
    let rest = text.get(len..)?;
    let unit = if len == 10 { 1_000_000_000 } else { 1_000_000 };
    let (part, kept) = match rest {
        [b'.', rest @ ..] if len == 10 => digits(rest, 9)?,
        _ => (0, 0),
    };
    let end = if kept > 0 { len + 1 + kept } else { len };
    let ends = matches!(text.get(end), Some(b',' | b'}' | b' '));
    if !ends || whole == 0 || !matches!(len, 10 | 13) {
        return None;
    }
    let ns = whole * unit + part * FRACTION.get(9 - kept).copied()?;
    Some((ns, if len == 13 { 3 } else { kept as u8 }, end))
}

/// A number of one to `most` digits, and how many it has.
fn digits(text: &[u8], most: usize) -> Option<(i64, usize)> {
    let (mut value, mut len) = (0, 0);
    for byte in text {
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 {
            break;
        }
        if len == most {
            return None;
        }
        value = value * 10 + i64::from(digit);
        len += 1;
    }
    (len > 0).then_some((value, len))
}

/// Seconds with an exponent, as some writers of JSON print large numbers (`1.6e+09`).
fn exponent(text: &[u8]) -> Option<(i64, u8)> {
    let text = std::str::from_utf8(text).ok()?;
    let secs: f64 = text.contains(['e', 'E']).then(|| text.parse().ok())??;
    (1e9..4.1e9).contains(&secs).then_some(((secs * 1e6) as i64 * 1000, 6))
}
