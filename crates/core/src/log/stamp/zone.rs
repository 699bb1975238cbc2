//! The zone after a time. Refuses names of places (`Europe/Berlin`): without a zone database they
//! say nothing, and the stamp counts as one without a zone.

use super::super::scan::Scan;

/// Abbreviations with one usual meaning in servers' logs, seconds east of UTC.
///
/// `CST`, `IST` and `AST` are ambiguous around the world; the readings here are those of the IANA
/// zones America/Chicago, Asia/Kolkata and America/Halifax. `BST` is Europe/London's summer time.
pub(super) fn east_of(name: &[u8]) -> Option<i32> {
    Some(match name {
        b"UTC" | b"GMT" | b"WET" => 0,
        b"WEST" | b"CET" | b"BST" | b"WAT" => 3600,
        b"CEST" | b"EET" | b"SAST" | b"CAT" => 7200,
        b"EEST" | b"MSK" | b"EAT" | b"IDT" => 10_800,
        b"PKT" => 18_000,
        b"WIB" => 25_200,
        b"NDT" => -9000,
        b"ADT" => -10_800,
        b"NST" => -12_600,
        b"AST" => -14_400,
        b"EST" | b"CDT" => -18_000,
        b"EDT" => -14_400,
        b"CST" | b"MDT" => -21_600,
        b"MST" | b"PDT" => -25_200,
        b"PST" | b"AKDT" => -28_800,
        b"AKST" => -32_400,
        b"HST" => -36_000,
        b"JST" | b"KST" => 32_400,
        b"HKT" | b"SGT" | b"AWST" => 28_800,
        b"ACST" => 34_200,
        b"ACDT" => 37_800,
        b"IST" => 19_800,
        b"AEST" => 36_000,
        b"AEDT" => 39_600,
        b"NZST" => 43_200,
        b"NZDT" => 46_800,
        _ => return None,
    })
}

/// Seconds east of UTC written here, after at most one space; steps over it.
pub(super) fn after(scan: &mut Scan<'_>) -> Option<i32> {
    let mut s = *scan;
    let spaced = s.eat(b' ').is_some();
    let found = match s.peek()? {
        b'Z' | b'z' if !spaced => {
            s.skip(1);
            (!s.peek().is_some_and(|b| b.is_ascii_alphanumeric())).then_some(0)
        }
        b'+' | b'-' => offset(&mut s, spaced),
        b'A'..=b'Z' => named(&mut s),
        _ => None,
    }?;
    *scan = s;
    Some(found)
}

/// `+01:00`, `+0100` or, directly after the time or before PostgreSQL's ` [process]`, `+01`: that
/// is the abbreviation of zones that have none by name (tzdata, theory.html).
fn offset(s: &mut Scan<'_>, spaced: bool) -> Option<i32> {
    let sign = if s.any(b"+-")? == b'-' { -1 } else { 1 };
    let (hours, minutes) = match s.digits_ahead() {
        4 => (s.digits(2)?, s.digits(2)?),
        2 => {
            let hours = s.digits(2)?;
            let mut colon = *s;
            if colon.eat(b':').is_some()
                && let Some(minutes) = colon.two()
            {
                *s = colon;
                (hours, i64::from(minutes))
            } else if spaced && !s.rest().starts_with(b" [") {
                return None;
            } else {
                (hours, 0)
            }
        }
        _ => return None,
    };
    (hours <= 15 && minutes < 60).then_some(sign * (hours * 3600 + minutes * 60) as i32)
}

/// A name of [`east_of`], as a whole word.
fn named(s: &mut Scan<'_>) -> Option<i32> {
    let len = s.rest().iter().take(6).take_while(|b| b.is_ascii_uppercase()).count();
    let name = s.rest().get(..len)?;
    let follows = s.rest().get(len).copied();
    if follows.is_some_and(|b| b.is_ascii_alphanumeric() || b == b'_') {
        return None;
    }
    let east = east_of(name)?;
    s.skip(len);
    // `UTC+2` and `GMT+0200`.
    let mut more = *s;
    if east == 0
        && let Some(further) = offset(&mut more, false)
    {
        *s = more;
        return Some(further);
    }
    Some(east)
}
