//! Times of day, epoch numbers and uptimes. Refuses hours, minutes and seconds that do not exist
//! (a leap second is taken as the second before it).

use super::super::scan::Scan;
use super::{Day, Minute, Stamp, finish};

/// Nanoseconds in a second.
const NS: i64 = 1_000_000_000;

/// A time of day.
#[derive(Clone, Copy, Debug)]
pub(super) struct Clock {
    /// Nanoseconds since midnight.
    pub ns: i64,
    /// Digits of the fraction; `None` for hours and minutes only.
    pub digits: Option<u8>,
    /// The hour and minute; `None` when they are written without a colon.
    pub minute: Option<Minute>,
}

/// `HH:MM:SS` with an optional fraction after `.` or `,`, then an optional AM or PM.
///
/// With `bare_minutes` the seconds may be missing.
pub(super) fn clock(scan: &mut Scan<'_>, bare_minutes: bool) -> Option<Clock> {
    let mut s = *scan;
    let hour = s.one_or_two()?;
    s.eat(b':')?;
    let minute = s.two()?;
    if hour > 23 || minute > 59 {
        return None;
    }
    let got = after_minute(&mut s, (hour, minute), bare_minutes)?;
    *scan = s;
    Some(got)
}

/// What follows the minutes of a [`clock`].
pub(super) fn after_minute(
    scan: &mut Scan<'_>,
    (hour, minute): (u8, u8),
    bare_minutes: bool,
) -> Option<Clock> {
    let mut s = *scan;
    let known = Some(Minute { end: s.at(), hour, minute, trails: false });
    let (hour, minute) = (i64::from(hour), i64::from(minute));
    let mut ns = (hour * 3600 + minute * 60) * NS;
    let mut digits = None;
    let mut seconds = s;
    if seconds.eat(b':').is_some() {
        let second = i64::from(seconds.two()?);
        if second > 60 {
            return None;
        }
        ns += second.min(59) * NS;
        digits = Some(0);
        s = seconds;
        if let Some((fraction, n)) = fraction(&mut s) {
            ns += fraction;
            digits = Some(n);
        }
    } else if !bare_minutes {
        return None;
    }
    // More colons or digits: an address, not a time.
    if s.peek().is_some_and(|b| b.is_ascii_digit() || b == b':' && is_hex_after(s)) {
        return None;
    }
    half_day(&mut s, hour, &mut ns)?;
    *scan = s;
    Some(Clock { ns, digits, minute: known })
}

/// The fraction after `.` or `,`; `:` with exactly three digits counts too (some Windows loggers).
fn fraction(s: &mut Scan<'_>) -> Option<(i64, u8)> {
    let mut f = *s;
    let mark = f.peek().filter(|b| matches!(b, b'.' | b',' | b':'))?;
    f.skip(1);
    if mark == b':' && f.digits_ahead() != 3 {
        return None;
    }
    let got = f.fraction()?;
    *s = f;
    Some(got)
}

/// Whether a colon here is followed by a hexadecimal digit.
fn is_hex_after(mut s: Scan<'_>) -> bool {
    s.skip(1);
    s.peek().is_some_and(|b| b.is_ascii_hexdigit())
}

/// AM and PM; `None` when they contradict the hour.
fn half_day(s: &mut Scan<'_>, hour: i64, ns: &mut i64) -> Option<()> {
    let mut a = *s;
    // Java since 20 writes a narrow no-break space here (CLDR 42).
    let narrow = a.word("\u{202f}".as_bytes()).is_some();
    if !narrow && !matches!(a.peek(), Some(b' ' | b'\t' | b'A' | b'a' | b'P' | b'p')) {
        return Some(());
    }
    let _ = a.spaces(0);
    let after_noon = match a.any(b"AaPp") {
        Some(b'A' | b'a') => false,
        Some(_) => true,
        None => return Some(()),
    };
    if a.any(b"Mm").is_none() || a.peek().is_some_and(|b| b.is_ascii_alphanumeric()) {
        return Some(());
    }
    if !(1..=12).contains(&hour) {
        return None;
    }
    let twelve = 12 * 3600 * NS;
    *ns += match (after_noon, hour) {
        (true, 12) | (false, 1..=11) => 0,
        (true, _) => twelve,
        (false, _) => -twelve,
    };
    *s = a;
    Some(())
}

/// A time of day with no date near it. It must have seconds.
pub(super) fn of_day(start: Scan<'_>) -> Option<Stamp> {
    let mut s = start;
    if s.digits_ahead() != 2 {
        return None;
    }
    let clock = clock(&mut s, false)?;
    // A zone's letter or digit may follow, an identifier not.
    if s.peek().is_some_and(|b| b.is_ascii_alphanumeric() && b != b'Z') {
        return None;
    }
    Some(finish(start, s, Day::None, clock))
}

/// Seconds, milliseconds, microseconds or nanoseconds since the epoch, told apart by length.
///
/// 10, 13, 16 or 19 digits cover 2001-09-09 to 2286-11-20; here only up to 2100, so that ids and
/// telephone numbers are seldom taken. Without a fraction or a key the number must begin the line.
pub(super) fn epoch(start: Scan<'_>, before: Option<u8>) -> Option<Stamp> {
    let mut s = start;
    let n = s.digits_ahead();
    let scale = match n {
        10 => NS,
        13 => 1_000_000,
        16 => 1_000,
        19 => 1,
        _ => return None,
    };
    let whole = digits_any(&mut s, n)?;
    let mut ns = whole.checked_mul(scale)?;
    if !(1_000_000_000 * NS..4_102_444_800 * NS).contains(&ns) {
        return None;
    }
    let mut digits = match n {
        10 => 0,
        13 => 3,
        16 => 6,
        _ => 9,
    };
    let mut f = s;
    if f.eat(b'.').is_some()
        && n == 10
        && let Some((fraction, written)) = f.fraction()
    {
        ns += fraction;
        digits = written;
        s = f;
    }
    if s.peek().is_some_and(|b| b.is_ascii_alphanumeric() || b == b'.') {
        return None;
    }
    let keyed = matches!(before, Some(b'=' | b'"' | b'[' | b'|' | b'(' | b'\'' | b'<'));
    if start.at() > 0 && n == 10 && digits == 0 && !keyed {
        return None;
    }
    if start.at() > 0 && n > 10 && !keyed && before != Some(b' ') {
        return None;
    }
    let (at, to) = (start.at(), s.at());
    let zone = Some(0);
    Some(Stamp {
        day: Day::Epoch,
        ns,
        zone,
        digits: Some(digits),
        start: at,
        end: to,
        minute: None,
    })
}

/// `6b06cf62.1fd5d37c`, seconds since the epoch and nanoseconds in hexadecimal, at the start of a
/// line (OpenLDAP since 2.5, libraries/liblutil/utils.c).
pub(super) fn hexadecimal(start: Scan<'_>) -> Option<Stamp> {
    let text = std::str::from_utf8(start.rest().get(..17)?).ok()?;
    let (secs, nanos) = text.split_once('.').filter(|(secs, _)| secs.len() == 8)?;
    let plain = text.bytes().all(|b| b.is_ascii_digit() || matches!(b, b'a'..=b'f' | b'.'));
    let ends = start.rest().get(17).is_none_or(|b| *b == b' ');
    let secs = i64::from_str_radix(secs, 16).ok()?;
    let nanos = i64::from_str_radix(nanos, 16).ok()?;
    let range = (1_000_000_000..4_102_444_800).contains(&secs) && nanos < NS;
    (plain && ends && range).then_some(Stamp {
        day: Day::Epoch,
        ns: secs * NS + nanos,
        zone: Some(0),
        digits: Some(9),
        start: start.at(),
        end: start.at() + 17,
        minute: None,
    })
}

/// `n` digits, n up to 19.
fn digits_any(s: &mut Scan<'_>, n: usize) -> Option<i64> {
    let text = s.rest().get(..n)?;
    let mut value = 0i64;
    for b in text {
        value = value.checked_mul(10)?.checked_add(i64::from(b.wrapping_sub(b'0')))?;
    }
    s.skip(n);
    Some(value)
}

/// ` <    0.000123 >]`; blank in the first line.
fn since_the_line_before(s: &mut Scan<'_>) -> Option<()> {
    s.spaces(1)?;
    s.eat(b'<')?;
    let inside = s.rest().iter().take(24);
    s.skip(inside.take_while(|b| matches!(b, b' ' | b'.' | b'+') || b.is_ascii_digit()).count());
    s.eat(b'>')?;
    s.eat(b']')
}

/// `[  12.345678]` as printk writes it (kernel/printk/printk.c, print_time, 6.1): at the start of
/// a line, or after the priority `<6>`. `dmesg -d` and `journalctl -o short-delta` put the time
/// since the line before between the number and the bracket: `[  12.345678 <    0.000123>]`.
pub(super) fn uptime(line: &[u8], start: Scan<'_>) -> Option<Stamp> {
    let head = line.get(..start.at())?;
    let open = head.iter().rposition(|b| *b == b'[')?;
    if !head.get(open + 1..)?.iter().all(|b| *b == b' ') {
        return None;
    }
    let front = head.get(..open)?;
    let priority = front.len() >= 3 && front.first() == Some(&b'<') && front.ends_with(b">");
    if !front.is_empty() && !priority {
        return None;
    }
    let mut s = start;
    let n = s.digits_ahead();
    let whole = digits_any(&mut s, n.min(12))?;
    s.eat(b'.')?;
    let (fraction, digits) = s.fraction()?;
    let number = s;
    if s.eat(b']').is_none() {
        since_the_line_before(&mut s)?;
    }
    let s = number;
    let ns = whole.checked_mul(NS)?.checked_add(fraction)?;
    (digits >= 3).then_some(Stamp {
        day: Day::Uptime,
        ns,
        zone: Some(0),
        digits: Some(digits),
        start: start.at(),
        end: s.at(),
        minute: None,
    })
}
