//! Civil dates as day numbers, nothing more. Refuses days that do not exist.

/// Days in the months before each month of a common year.
const BEFORE: [i64; 12] = [0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334];

/// Days of each month in a leap year.
const LENGTH: [u8; 12] = [31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];

/// Whether `year` has a 29 February (Gregorian rule).
pub(crate) const fn is_leap(year: i32) -> bool {
    year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
}

/// Days from 1970-01-01 to the given day, or `None` when there is no such day.
///
/// `year` 1..=9999, `month` and `day` from 1.
pub(crate) fn days(year: i32, month: u8, day: u8) -> Option<i64> {
    let slot = usize::from(month.checked_sub(1)?);
    let longest = *LENGTH.get(slot)?;
    let feb_29_missing = month == 2 && day == 29 && !is_leap(year);
    if !(1..=9999).contains(&year) || day == 0 || day > longest || feb_29_missing {
        return None;
    }
    let gone = i64::from(year) - 1;
    // Leap days of the whole years gone by, from year 1.
    let leaps = gone / 4 - gone / 100 + gone / 400;
    let in_year = BEFORE.get(slot)? + i64::from(month > 2 && is_leap(year)) + i64::from(day) - 1;
    // 719162 days lie between 0001-01-01 and 1970-01-01.
    Some(gone * 365 + leaps + in_year - 719_162)
}

/// The year a day number falls in.
pub(crate) fn year_of(days: i64) -> i32 {
    let guess = (days + 719_162).div_euclid(146_097) * 400
        + (days + 719_162).rem_euclid(146_097) * 400 / 146_097
        + 1;
    let mut year = guess as i32;
    while self::days(year, 1, 1).is_some_and(|first| first > days) {
        year -= 1;
    }
    while self::days(year + 1, 1, 1).is_some_and(|next| next <= days) {
        year += 1;
    }
    year
}

/// The month (1 to 12) an English name begins with; three letters, any case.
pub(crate) fn month(name: &[u8]) -> Option<u8> {
    const NAMES: [&[u8; 3]; 12] = [
        b"jan", b"feb", b"mar", b"apr", b"may", b"jun", b"jul", b"aug", b"sep", b"oct", b"nov",
        b"dec",
    ];
    let head = name.get(..3)?;
    let at = NAMES.iter().position(|n| head.eq_ignore_ascii_case(*n))?;
    Some(at as u8 + 1)
}

/// Whether an English day name stands here; three letters, any case.
pub(crate) fn is_weekday(name: &[u8]) -> bool {
    const NAMES: [&[u8; 3]; 7] = [b"mon", b"tue", b"wed", b"thu", b"fri", b"sat", b"sun"];
    name.get(..3).is_some_and(|head| NAMES.iter().any(|n| head.eq_ignore_ascii_case(*n)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_agree_with_a_calendar_nobody_here_wrote() {
        for year in [1600, 1900, 1969, 1970, 1999, 2000, 2023, 2024, 2100, 2400] {
            for month in 1..=12u8 {
                for day in 1..=31u8 {
                    let theirs =
                        jiff::civil::Date::new(year, month as i8, day as i8).ok().map(|d| {
                            let epoch = jiff::civil::date(1970, 1, 1);
                            i64::from(d.since(epoch).unwrap().get_days())
                        });
                    assert_eq!(days(i32::from(year), month, day), theirs, "{year}-{month}-{day}");
                }
            }
        }
    }

    #[test]
    fn a_year_holds_its_own_days() {
        for year in 1800..2500 {
            let first = days(year, 1, 1).unwrap();
            assert_eq!(year_of(first), year);
            assert_eq!(year_of(first - 1), year - 1);
        }
    }
}
