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

/// The month a day number falls in.
pub(crate) fn month_of(day: i64) -> u8 {
    let year = year_of(day);
    (1..=12u8).rev().find(|m| days(year, *m, 1).is_some_and(|first| first <= day)).unwrap_or(1)
}

/// A day number as `yyyy-mm-dd`.
pub(crate) fn date_of(day: i64) -> String {
    let (year, month) = (year_of(day), month_of(day));
    let first = days(year, month, 1).unwrap_or(day);
    format!("{year:04}-{month:02}-{:02}", day - first + 1)
}

/// Whether a day number is a Sunday. 1970-01-01 was a Thursday.
pub(crate) fn is_sunday(day: i64) -> bool {
    day.rem_euclid(7) == 3
}

/// The days of a year on which clocks are set in Europe (the last Sundays of March and October,
/// directive 2000/84/EC) and in North America (the second of March and the first of November, 15
/// U.S.C. 260a), and where.
pub(crate) fn clock_changes(year: i32) -> impl Iterator<Item = (i64, &'static str)> {
    let (europe, america) = ("Europe", "North America");
    let rows = [(3, 25, europe), (10, 25, europe), (3, 8, america), (11, 1, america)];
    rows.into_iter().filter_map(move |(month, earliest, place)| {
        let day = days(year, month, earliest)?;
        (day..day + 7).find(|day| is_sunday(*day)).map(|day| (day, place))
    })
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
    fn clocks_are_set_when_the_zone_database_sets_them() {
        // The rules of Europe/Berlin and America/New_York, as the files of the database end.
        for (rule, place) in
            [("CET-1CEST,M3.5.0,M10.5.0/3", "Europe"), ("EST5EDT,M3.2.0,M11.1.0", "North America")]
        {
            let zone = jiff::tz::TimeZone::posix(rule).unwrap();
            for year in [2008, 2019, 2023, 2024, 2025, 2026, 2030] {
                let from: jiff::Timestamp = format!("{year}-01-01T12:00:00Z").parse().unwrap();
                let date = |at| jiff::ZonedDateTime::new(at, zone.clone()).date().to_string();
                let changes = zone.following(from).take(2);
                let theirs: Vec<String> = changes.map(|c| date(c.timestamp())).collect();
                let mut ours: Vec<i64> = clock_changes(year)
                    .filter(|(_, at)| *at == place)
                    .map(|(day, _)| day)
                    .collect();
                ours.sort_unstable();
                let ours: Vec<String> = ours.into_iter().map(date_of).collect();
                assert_eq!(ours, theirs, "{year} {place}");
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
