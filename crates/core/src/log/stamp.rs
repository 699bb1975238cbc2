//! Finds the time stamp of a line without being told its form. Refuses to guess a year, a day or
//! a zone that the line does not carry: those stay open for [`dial`](super::dial) to settle.
//!
//! A full date wins over a bare time of day or a bare number; among equals the first in the line
//! wins, because writers put theirs in front and quotes come later. Forms, with who writes them:
//! RFC 3339 and ISO 8601 (most), `date time,ms` (Python, Java), `yyyy/mm/dd` (Go, nginx), CLF
//! (Apache, nginx, HAProxy), `asctime` (Apache, OpenVPN), RFC 3164 and 5424 (syslog), klog, JUL,
//! Erlang, MySQL, Redis, TAI64N (multilog), epoch numbers, and times of day.

mod date;
mod finder;
mod json;
mod time;
mod zone;

use super::scan::Scan;
use time::Clock;

pub(crate) use finder::Finder;
use json::stamp as json_stamp;

/// How much of the day a stamp tells.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Day {
    /// Days since 1970-01-01.
    Full(i64),
    /// Numbers that could be day/month or month/day: both readings, month first in front.
    Either(i64, i64),
    /// Month and day, no year.
    NoYear(u8, u8),
    /// A time of day only.
    None,
    /// The nanoseconds count from the epoch.
    Epoch,
    /// The nanoseconds count from the start of the machine or program.
    Uptime,
}

/// A stamp as the line wrote it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Stamp {
    /// What the nanoseconds count from.
    pub day: Day,
    /// Nanoseconds of the day, or since the epoch or the start.
    pub ns: i64,
    /// Seconds east of UTC, where the line says.
    pub zone: Option<i32>,
    /// Digits of the fraction; `None` when not even seconds were written.
    pub digits: Option<u8>,
    /// First byte.
    pub start: usize,
    /// One past the last byte.
    pub end: usize,
    /// The time's hour and minute, where they are written with a colon between them.
    pub minute: Option<Minute>,
}

/// An hour and a minute as they stand in a line.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Minute {
    /// One past their last byte.
    pub end: usize,
    /// 0 to 23.
    pub hour: u8,
    /// 0 to 59.
    pub minute: u8,
    /// Whether a year may stand behind the time.
    pub trails: bool,
}

/// How far into a line a stamp is looked for.
const REACH: usize = 320;

/// The best stamp in the head of a line.
fn search(line: &[u8]) -> Option<Stamp> {
    if line.first() == Some(&b'{')
        && let Some(found) = json_stamp(line)
    {
        return Some(found);
    }
    let mut weak = None;
    let mut at = 0;
    while at < line.len().min(REACH) {
        if starts_token(line, at) {
            if let Some(found) = strong_at(line, at) {
                return Some(found);
            }
            if weak.is_none() {
                weak = weak_at(line, at);
            }
        }
        at += 1;
    }
    weak
}

/// Whether a stamp may begin at `at`: at a letter or digit (or TAI's `@`) after none.
fn starts_token(line: &[u8], at: usize) -> bool {
    let Some(here) = line.get(at) else { return false };
    if !here.is_ascii_alphanumeric() && *here != b'@' {
        return false;
    }
    let Some(before) = at.checked_sub(1).and_then(|b| line.get(b)) else { return true };
    !before.is_ascii_alphanumeric() && *before < 0x80
}

/// A stamp with a date at `at`.
fn strong_at(line: &[u8], at: usize) -> Option<Stamp> {
    let scan = Scan::new(line, at);
    match scan.peek()? {
        b'4'..=b'9' | b'a'..=b'f' if at == 0 && line.get(8) == Some(&b'.') => {
            time::hexadecimal(scan).or_else(|| date::numeric(scan))
        }
        b'0'..=b'9' => date::numeric(scan),
        b'@' => date::tai64(scan),
        _ => date::named(scan),
    }
}

/// A bare number of seconds, a time of day, or a kernel's uptime at `at`.
fn weak_at(line: &[u8], at: usize) -> Option<Stamp> {
    let scan = Scan::new(line, at);
    if !scan.peek()?.is_ascii_digit() {
        return None;
    }
    let before = at.checked_sub(1).and_then(|b| line.get(b)).copied();
    // Ports, versions, offsets and MAC addresses also have digits and colons.
    if matches!(before, Some(b'.' | b'+' | b'-' | b'/' | b'#' | b'@' | b'$'))
        || (before == Some(b':') && at > 24)
    {
        return None;
    }
    time::of_day(scan).or_else(|| time::epoch(scan, before)).or_else(|| time::uptime(line, scan))
}

/// Assembles a stamp from its parts and the zone that may follow.
fn finish(start: Scan<'_>, mut end: Scan<'_>, day: Day, clock: Clock) -> Stamp {
    let zone = zone::after(&mut end);
    let (at, to) = (start.at(), end.at());
    let Clock { ns, digits, minute } = clock;
    Stamp { day, ns, zone, digits, start: at, end: to, minute }
}

#[cfg(test)]
mod tests;
