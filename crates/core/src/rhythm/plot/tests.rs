//! Plots of ages whose curve can be worked out by hand.

use super::*;

#[test]
fn kaplan_and_meier_count_who_was_last_seen_alive() {
    // Six remission times with two censored: 1 − 1/6, then after one is lost × (1 − 1/4) …
    let curve = survival::of(&[6.0, 10.0, 10.0, 13.0], vec![9.0, 11.0], true);
    let alive: Vec<f64> = curve.steps.iter().map(|s| s.alive).collect();
    let first = 5.0 / 6.0;
    let wanted = [first, first * 0.5, 0.0];
    assert_eq!(alive.len(), 3);
    assert!(alive.iter().zip(wanted).all(|(a, w)| (a - w).abs() < 1e-9), "{alive:?}");
    assert_eq!(curve.median_s, Some(10.0));
    assert!(curve.says.contains("2 of 6"), "{}", curve.says);
}

#[test]
fn greenwoods_interval_is_the_textbooks() {
    // Freireich's 6-MP arm (Cox and Oakes 1984, table 1.1): after 6 weeks 0.857, 95 % on the log
    // of minus the log from 0.620 to 0.952 (Klein and Moeschberger 2003, section 4.3).
    let ends = [6.0, 6.0, 6.0, 7.0, 10.0, 13.0, 16.0, 22.0, 23.0];
    let lost = vec![6.0, 9.0, 10.0, 11.0, 17.0, 19.0, 20.0, 25.0, 32.0, 32.0, 34.0, 35.0];
    let curve = survival::of(&ends, lost, true);
    let first = curve.steps[0];
    assert!((first.alive - 0.857).abs() < 1e-3, "{first:?}");
    assert!((first.low - 0.620).abs() < 1e-3 && (first.high - 0.952).abs() < 1e-3, "{first:?}");
    let last = curve.steps[curve.steps.len() - 1];
    assert!((last.alive - 0.448).abs() < 1e-3, "{last:?}");
}

#[test]
fn every_age_is_in_one_bin() {
    for ages in [vec![60.0; 9], vec![1.0, 2.0, 3.0, 900.0], vec![0.0, 5.0, 7.5], vec![0.0; 4]] {
        for most in [12, 48] {
            let shown = histogram::of(&ages, (1.0, most), true, &[]).unwrap();
            assert_eq!(shown.bins.iter().map(|b| b.count).sum::<usize>(), ages.len(), "{shown:?}");
            assert!(shown.bins.len() <= 2 * most + 1, "{shown:?}");
            assert!(shown.bins.windows(2).all(|b| b[0].high_s <= b[1].low_s + 1e-9));
        }
    }
}

#[test]
fn axes_are_marked_at_numbers_people_like() {
    let labels =
        |axis: &Axis| axis.ticks.iter().map(|t| t.label.clone()).collect::<Vec<String>>().join(" ");
    let days = Axis::time(0.0, 13.5 * 86_400.0, 8);
    assert_eq!((days.unit, labels(&days).as_str()), ("days", "0 2 4 6 8 10 12"));
    assert_eq!(labels(&Axis::seconds(-0.31, 0.52, 5)), "-0.2 0.0 0.2 0.4");
    assert_eq!(labels(&Axis::ratio(0.5, 90_000.0)), "1 s 10 s 1 min 10 min 1 h 6 h 1 day");
    assert!((days.place(6.75 * 86_400.0) - 0.5).abs() < 1e-9);
    assert!((Axis::ratio(1.0, 100.0).place(10.0) - 0.5).abs() < 1e-9);
}

#[test]
fn odd_bounds_make_an_axis_too() {
    for (low, high) in [(0.0, 0.0), (5.0, 5.0), (-1e9, 1e9), (1e-7, 2e-7)] {
        let axis = Axis::time(low, high, 6);
        assert!(axis.high > axis.low && axis.ticks.len() <= 40, "{axis:?}");
    }
}
