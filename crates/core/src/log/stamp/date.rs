//! Dates in all the orders writers use, each with the time that follows it. Refuses a date
//! without a time, and days no calendar has.

use super::super::calendar::{days, is_weekday, month};
use super::super::scan::Scan;
use super::time::{Clock, clock};
use super::{Day, Minute, Stamp, finish};

/// A date that begins with a digit.
pub(super) fn numeric(start: Scan<'_>) -> Option<Stamp> {
    match start.digits_ahead() {
        4 => year_first(start).or_else(|| chromium(start)),
        1 | 2 => short_first(start),
        6 => compact_six(start),
        8 => compact_eight(start),
        14 => compact_fourteen(start),
        _ => None,
    }
}

/// `2024-05-10T03:14:22`, `2024/05/10 03:14:22`, `2024-May-10 03:14:22`; also FortiGate's
/// `date=2024-05-10 time=03:14:22`.
fn year_first(start: Scan<'_>) -> Option<Stamp> {
    let mut s = start;
    let year = s.digits(4)? as i32;
    let sep = s.any(b"-/.")?;
    let mon = match s.peek()? {
        b'0'..=b'9' => s.one_or_two()?,
        _ => word_month(&mut s)?,
    };
    s.eat(sep)?;
    let day = days(year, mon, s.one_or_two()?)?;
    let clock = joined_clock(&mut s)?;
    Some(finish(start, s, Day::Full(day), clock))
}

/// `0102/100000.123456` (chromium's base/logging.cc): month and day, then the time, packed.
fn chromium(start: Scan<'_>) -> Option<Stamp> {
    let mut s = start;
    let (mon, day) = (s.digits(2)? as u8, s.digits(2)? as u8);
    days(2000, mon, day)?;
    s.eat(b'/')?;
    let clock = packed_clock(&mut s)?;
    Some(finish(start, s, Day::NoYear(mon, day), clock))
}

/// The time after a date: joined by `T`, space, `_`, `-`, `:`, a comma, a tab or `" time="`.
fn joined_clock(s: &mut Scan<'_>) -> Option<Clock> {
    let mut t = *s;
    if t.word(b" time=").is_some() {
        let _ = t.eat(b'"');
    } else {
        let joint = t.any(b"Tt _-:,\t")?;
        if matches!(joint, b':' | b',') {
            // Erlang writes `::`, JUL `, `.
            let _ = t.any(b": ");
        } else {
            let _ = t.spaces(0);
        }
    }
    let got = clock(&mut t, true).or_else(|| packed_clock(&mut t))?;
    *s = t;
    Some(got)
}

/// `HHMMSS` with an optional fraction, as in ISO basic format and chromium's logs.
fn packed_clock(s: &mut Scan<'_>) -> Option<Clock> {
    if s.digits_ahead() != 6 {
        return None;
    }
    let (hour, minute, second) = (s.digits(2)?, s.digits(2)?, s.digits(2)?);
    if hour > 23 || minute > 59 || second > 60 {
        return None;
    }
    let mut ns = (hour * 3600 + minute * 60 + second.min(59)) * 1_000_000_000;
    let mut digits = 0;
    let mut f = *s;
    if f.any(b".,").is_some()
        && let Some((fraction, n)) = f.fraction()
    {
        ns += fraction;
        digits = n;
        *s = f;
    }
    Some(Clock { ns, digits: Some(digits), minute: None })
}

/// A month's name, three letters or whole.
fn word_month(s: &mut Scan<'_>) -> Option<u8> {
    let found = month(s.rest())?;
    let letters = s.rest().iter().take(10).take_while(|b| b.is_ascii_alphabetic()).count();
    // "Marking" and "decided" are no months; "Sept" and the full names are.
    let full = [3, 4, 5, 6, 7, 8, 9].contains(&letters) && is_month_word(s.rest().get(..letters)?);
    full.then(|| s.skip(letters))?;
    Some(found)
}

/// Whether the letters are a month's short or full English name.
fn is_month_word(word: &[u8]) -> bool {
    const LONG: [&[u8]; 13] = [
        b"january",
        b"february",
        b"march",
        b"april",
        b"may",
        b"june",
        b"july",
        b"august",
        b"september",
        b"sept",
        b"october",
        b"november",
        b"december",
    ];
    word.len() == 3 || LONG.iter().any(|n| word.eq_ignore_ascii_case(n))
}

/// Dates that begin with a day, a month or a two-digit year.
fn short_first(start: Scan<'_>) -> Option<Stamp> {
    let mut s = start;
    let first = s.one_or_two()?;
    let sep = s.any(b"/-. ")?;
    if s.peek()?.is_ascii_alphabetic() {
        return day_name_month(start, s, first, sep);
    }
    if sep == b' ' {
        return None;
    }
    let second = s.one_or_two()?;
    if s.eat(sep).is_none() {
        return month_day_only(start, s, first, second);
    }
    match s.digits_ahead() {
        4 => {
            let year = s.digits(4)? as i32;
            let clock = joined_clock(&mut s)?;
            either(sep, first, second, year).map(|day| finish(start, s, day, clock))
        }
        2 => two_digit_year(start, s, first, second, sep),
        _ => None,
    }
}

/// `10/Oct/2000:13:55:36`, `14-Aug-2026 10:00:00`, `01 Jan 2021 10:00:00`, `01 Jan 10:00:00.1`.
fn day_name_month(start: Scan<'_>, mut s: Scan<'_>, day: u8, sep: u8) -> Option<Stamp> {
    let mon = word_month(&mut s)?;
    s.eat(sep)?;
    if s.digits_ahead() == 4 {
        let day = days(s.digits(4)? as i32, mon, day)?;
        let clock = joined_clock(&mut s)?;
        return Some(finish(start, s, Day::Full(day), clock));
    }
    days(2000, mon, day)?;
    let clock = clock(&mut s, false)?;
    Some(finish(start, s, Day::NoYear(mon, day), clock))
}

/// `01-02 10:00:00.123` (Android) and `01/02 10:00:00`: month, then day.
fn month_day_only(start: Scan<'_>, mut s: Scan<'_>, mon: u8, day: u8) -> Option<Stamp> {
    if start.digits_ahead() != 2 {
        return None;
    }
    let joint = s.any(b" -/")?;
    days(2000, mon, day)?;
    let clock = if joint == b'/' { packed_clock(&mut s)? } else { clock(&mut s, false)? };
    Some(finish(start, s, Day::NoYear(mon, day), clock))
}

/// `21/01/02 10:00:00` (Spark: year first) against `01/02/21 10:00:00` (US) and `02.01.21`.
fn two_digit_year(start: Scan<'_>, mut s: Scan<'_>, a: u8, b: u8, sep: u8) -> Option<Stamp> {
    let c = s.two()?;
    let clock = joined_clock(&mut s)?;
    let year = |y: u8| 2000 + i32::from(y);
    let day = if sep == b'.' {
        Day::Full(days(year(c), b, a)?)
    } else if start.digits_ahead() == 2 && a > 12 && (a > 31 || c <= 31 && a >= 15 && b <= 12) {
        Day::Full(days(year(a), b, c)?)
    } else {
        either(sep, a, b, year(c))?
    };
    Some(finish(start, s, day, clock))
}

/// Month first or day first? Dots are day first; else what the calendar allows, else both.
fn either(sep: u8, first: u8, second: u8, year: i32) -> Option<Day> {
    let day_first = days(year, second, first);
    if sep == b'.' {
        return day_first.map(Day::Full);
    }
    match (days(year, first, second), day_first) {
        (Some(m), Some(d)) if m != d => Some(Day::Either(m, d)),
        (Some(only), _) | (None, Some(only)) => Some(Day::Full(only)),
        (None, None) => None,
    }
}

/// `210102 10:00:00` and `210102  1:02:03` (MySQL before 5.7, tornado).
fn compact_six(start: Scan<'_>) -> Option<Stamp> {
    let mut s = start;
    let year = 2000 + s.digits(2)? as i32;
    let day = days(year, s.digits(2)? as u8, s.digits(2)? as u8)?;
    s.spaces(1)?;
    let clock = clock(&mut s, false)?;
    Some(finish(start, s, Day::Full(day), clock))
}

/// `20240510T031422Z`, `20240510 03:14:22`, `20240510-031422`.
fn compact_eight(start: Scan<'_>) -> Option<Stamp> {
    let mut s = start;
    let year = s.digits(4)? as i32;
    let day = days(year, s.digits(2)? as u8, s.digits(2)? as u8)?;
    if !(1970..2100).contains(&year) {
        return None;
    }
    let clock = joined_clock(&mut s)?;
    Some(finish(start, s, Day::Full(day), clock))
}

/// `20240510031422`.
fn compact_fourteen(start: Scan<'_>) -> Option<Stamp> {
    let mut s = start;
    let year = s.digits(4)? as i32;
    let day = days(year, s.digits(2)? as u8, s.digits(2)? as u8)?;
    if !(1970..2100).contains(&year) {
        return None;
    }
    let (hour, minute, second) = (s.digits(2)?, s.digits(2)?, s.digits(2)?);
    if hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    let ns = (hour * 3600 + minute * 60 + second) * 1_000_000_000;
    let clock = Clock { ns, digits: Some(0), minute: None };
    Some(finish(start, s, Day::Full(day), clock))
}

/// A date that begins with a letter: a weekday, a month, or klog's level.
pub(super) fn named(start: Scan<'_>) -> Option<Stamp> {
    match start.peek()? {
        b'I' | b'W' | b'E' | b'F' | b'D' if start.rest().get(1)?.is_ascii_digit() => klog(start),
        b'A'..=b'Z' | b'a'..=b'z' if is_weekday(start.rest()) => weekday(start),
        b'A'..=b'Z' | b'a'..=b'z' => month_first(start),
        _ => None,
    }
}

/// `I0718 09:00:00.114201` (klog, glog before 0.5) and `I20210718 09:00:00.114201` (glog since).
fn klog(start: Scan<'_>) -> Option<Stamp> {
    let mut s = start;
    s.skip(1);
    let day = match s.digits_ahead() {
        4 => {
            let (mon, day) = (s.digits(2)? as u8, s.digits(2)? as u8);
            days(2000, mon, day)?;
            Day::NoYear(mon, day)
        }
        8 => {
            let year = s.digits(4)? as i32;
            Day::Full(days(year, s.digits(2)? as u8, s.digits(2)? as u8)?)
        }
        _ => return None,
    };
    s.spaces(1)?;
    let clock = clock(&mut s, false)?;
    Some(finish(start, s, day, clock))
}

/// `Sun Apr  1 06:00:00 2018`, `Sun, 01 Apr 2018 06:00:00 GMT`, `Sun 2018-04-01 06:00:00 UTC`.
fn weekday(start: Scan<'_>) -> Option<Stamp> {
    let mut s = start;
    let letters = s.rest().iter().take(10).take_while(|b| b.is_ascii_alphabetic()).count();
    s.skip(letters);
    let _ = s.eat(b',');
    s.spaces(1)?;
    let found = if s.peek()?.is_ascii_digit() { numeric(s) } else { month_first(s) }?;
    Some(Stamp { start: start.at(), ..found })
}

/// `Apr  1 06:00:00`, `Apr  1 2018 06:00:00`, `Apr 1, 2018 6:00:00 AM`, `Apr  1 06:00:00 2018`.
fn month_first(start: Scan<'_>) -> Option<Stamp> {
    let mut s = start;
    let mon = word_month(&mut s)?;
    s.any(b" -")?;
    let _ = s.spaces(0);
    let day = s.one_or_two()?;
    days(2000, mon, day)?;
    let _ = s.eat(b',');
    s.any(b" -")?;
    let _ = s.spaces(0);
    if s.digits_ahead() == 4 {
        let day = days(s.digits(4)? as i32, mon, day)?;
        let clock = joined_clock(&mut s)?;
        return Some(finish(start, s, Day::Full(day), clock));
    }
    let clock = clock(&mut s, false)?;
    Some(trailing_year(start, s, (mon, day), clock))
}

/// asctime's year after the time, with a zone before it in date(1)'s form.
pub(super) fn trailing_year(
    start: Scan<'_>,
    s: Scan<'_>,
    (mon, day): (u8, u8),
    clock: Clock,
) -> Stamp {
    let minute = clock.minute.map(|m| Minute { trails: true, ..m });
    let plain = finish(start, s, Day::NoYear(mon, day), Clock { minute, ..clock });
    for from in [plain.end, s.at()] {
        let mut y = Scan::new(s.whole(), from);
        if y.eat(b' ').is_some()
            && y.digits_ahead() == 4
            && let Some(year) = y.digits(4)
            && (1970..2100).contains(&year)
            && !y.peek().is_some_and(|b| b.is_ascii_alphanumeric() || b == b'.')
            && let Some(full) = days(year as i32, mon, day)
        {
            // Such a stamp is not over where its minutes are.
            return Stamp { day: Day::Full(full), end: y.at(), minute: None, ..plain };
        }
    }
    plain
}

/// TAI64N, `@4000000037c219bf2ef02e94`: seconds since 1970 TAI plus 2^62, then nanoseconds
/// (multilog, s6-log). TAI is taken as UTC + 10 s, which is what those tools write.
pub(super) fn tai64(start: Scan<'_>) -> Option<Stamp> {
    let mut s = start;
    s.eat(b'@')?;
    let text = std::str::from_utf8(s.rest().get(..24)?).ok()?;
    let secs = i64::from_str_radix(text.get(..16)?, 16).ok()?;
    let nano = i64::from_str_radix(text.get(16..)?, 16).ok()?;
    let secs = secs.checked_sub(1 << 62)?.checked_sub(10)?;
    if !(0..4_102_444_800).contains(&secs) || !(0..1_000_000_000).contains(&nano) {
        return None;
    }
    s.skip(24);
    let ns = secs * 1_000_000_000 + nano;
    let (at, to) = (start.at(), s.at());
    // Strong by its shape, but already absolute: a full day would only be taken apart again.
    let day = Day::Full(ns.div_euclid(86_400_000_000_000));
    let ns = ns.rem_euclid(86_400_000_000_000);
    Some(Stamp { day, ns, zone: Some(0), digits: Some(9), start: at, end: to, minute: None })
}
