//! Calendars turning under a log.

use super::super::stamp::Finder;
use super::*;
use crate::time::Gap;

/// The moments of lines, settled together.
fn read(lines: &[&str], not_after: Option<&str>) -> Vec<Moment> {
    let limit = not_after.map(|text| {
        let ts: jiff::Timestamp = text.parse().unwrap();
        Moment::from_secs(ts.as_second())
    });
    let mut dial = Dial::new(None, limit);
    let mut finder = Finder::new(false);
    let placed: Vec<When> =
        lines.iter().map(|l| dial.place(&finder.find(l.as_bytes()).unwrap())).collect();
    let settled = dial.settle();
    placed.into_iter().map(|w| settled.moment(w)).collect()
}

/// RFC 3339 for reading.
fn words(moments: &[Moment]) -> Vec<String> {
    moments
        .iter()
        .map(|m| jiff::Timestamp::from_second(m.ns().div_euclid(NS)).unwrap().to_string())
        .collect()
}

#[test]
fn the_year_turns_and_ends_at_the_files_age() {
    let got = read(
        &["Dec 30 23:00:00 h x", "Dec 31 23:59:59 h x", "Jan  1 00:00:01 h x"],
        Some("2024-01-03T00:00:00Z"),
    );
    assert_eq!(
        words(&got),
        ["2023-12-30T23:00:00Z", "2023-12-31T23:59:59Z", "2024-01-01T00:00:01Z"]
    );
}

#[test]
fn a_leap_day_forces_a_leap_year() {
    let got = read(&["Feb 29 10:00:00 h x"], Some("2026-05-01T00:00:00Z"));
    assert_eq!(words(&got), ["2024-02-29T10:00:00Z"]);
}

#[test]
fn midnight_turns_times_of_day_but_small_steps_back_do_not() {
    let got = read(&["23:00:00 x", "22:59:58 x", "00:10:00 x", "13:00:00 x", "12:00:00 x"], None);
    let steps: Vec<Gap> = got.windows(2).map(|w| w[1].since(w[0])).collect();
    assert_eq!(
        steps,
        [-2, 70 * 60 + 2, 46_200, -3600].map(Gap::from_secs),
        "an hour back is disorder, more is the next day"
    );
}

#[test]
fn a_bare_time_takes_the_day_of_the_nearest_dated_line() {
    let got = read(
        &[
            "23:59:58 before",
            "2019-07-23T00:00:05Z dated",
            "00:00:07,100 after",
            "23:59:59,000 late",
        ],
        None,
    );
    assert_eq!(
        words(&got),
        [
            "2019-07-22T23:59:58Z",
            "2019-07-23T00:00:05Z",
            "2019-07-23T00:00:07Z",
            "2019-07-22T23:59:59Z"
        ]
    );
}

#[test]
fn summer_time_ends_without_a_gap_of_minus_an_hour() {
    let got =
        read(&["2023-10-29 02:59:50 x", "2023-10-29 02:00:10 x", "2023-10-29 03:00:10 x"], None);
    let steps: Vec<Gap> = got.windows(2).map(|w| w[1].since(w[0])).collect();
    assert_eq!(steps, [Gap::from_secs(20), Gap::from_secs(3600)]);
}

#[test]
fn day_or_month_first_is_learnt_from_the_line_before() {
    let got = read(&["31/01/2021 10:00:00 x", "01/02/2021 10:00:00 x"], None);
    assert_eq!(words(&got), ["2021-01-31T10:00:00Z", "2021-02-01T10:00:00Z"]);
}

#[test]
fn a_year_far_off_does_not_break_the_count_of_days() {
    let got = read(&["09:10:51 x", "0026/1/5 9:10:58 x"], None);
    assert!(got.iter().all(|at| at.ns() < 0), "{got:?}");
}
