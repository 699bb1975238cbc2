//! Series whose clock is known, told by a small generator.

use super::*;

/// A plain generator of noise (splitmix64), so that every run sees the same.
struct Dice(u64);

impl Dice {
    fn uniform(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((z ^ (z >> 31)) >> 11) as f64 / (1u64 << 53) as f64
    }

    fn normal(&mut self) -> f64 {
        (-2.0 * self.uniform().max(1e-300).ln()).sqrt()
            * (std::f64::consts::TAU * self.uniform()).cos()
    }
}

fn stamp(s: f64) -> Moment {
    Moment::from_secs(1_715_310_862 + s.floor() as i64)
}

fn ends(times: &[f64]) -> Series {
    let span = |t: &f64| Span { open: None, last_activity: None, end: stamp(*t) };
    Series { spans: times.iter().map(span).collect(), resolution: Gap::from_secs(1), offset_s: 0 }
}

fn show(r: &Reading) -> String {
    format!("{:?}\n{:?}\n{:?}\n{:?}", r.rhythm, r.models, r.breaks, r.notes)
}

fn story(scatter: f64, by_hand: Option<usize>) -> Series {
    let mut dice = Dice(7);
    let mut t = 0.37;
    let mut times = vec![t];
    for i in 1..28 {
        let delay = (0.9 + scatter * dice.normal()).max(0.02);
        t += if Some(i) == by_hand { 12_345.6 } else { 43_200.0 + delay };
        times.push(t);
    }
    ends(&times)
}

#[test]
fn the_story_is_led_by_the_open_and_a_free_clock_is_its_rival() {
    let r = read(&story(0.1, None));
    assert_eq!(r.models[0].anchor, Anchor::Open, "{}", show(&r));
    assert!(
        r.rhythm.low_s.unwrap() < 43_200.9 && r.rhythm.high_s.unwrap() > 43_200.9,
        "{}",
        show(&r)
    );
    let wall = r.models.iter().find(|m| m.anchor == Anchor::Wall).unwrap();
    assert!(wall.probability < 1e-6, "{}", show(&r));
    let free = r.models.iter().find(|m| m.anchor == Anchor::FreeRunning).unwrap();
    assert!(free.probability > 0.1, "{}", show(&r));
}

#[test]
fn a_restart_by_hand_proves_the_open() {
    let r = read(&story(0.1, Some(14)));
    assert_eq!(r.rhythm.anchor, Anchor::Open, "{}", show(&r));
    assert_eq!(r.breaks.len(), 1, "{}", show(&r));
    assert_eq!(r.breaks[0].before, 14);
}

#[test]
fn without_drift_open_and_wall_are_not_told_apart() {
    let times: Vec<f64> = (0..28).map(|i| f64::from(i) * 43_200.0).collect();
    let r = read(&ends(&times));
    assert_eq!(r.rhythm.anchor, Anchor::Undetermined, "{}", show(&r));
    assert!(r.notes.iter().any(|n| n.contains("divides a day")), "{}", show(&r));
}

#[test]
fn a_stamp_that_slips_once_is_no_walk() {
    // A grid a hair short of the hour: after half of the ends each stamp says a second less.
    let times: Vec<f64> = (0..120).map(|i| f64::from(i) * 3599.99 + 0.66).collect();
    let r = read(&ends(&times));
    assert_ne!(r.rhythm.anchor, Anchor::Open, "{}", show(&r));
}

#[test]
fn a_clock_at_the_edge_of_a_second_is_no_walk() {
    // Every hour, but for a hair that wanders over the edge of the stamps' second and back.
    let late = |i: i32| if (40..80).contains(&i) { -0.001 } else { 0.001 };
    let times: Vec<f64> = (0..120).map(|i| f64::from(i) * 3600.0 + 22.0 + late(i)).collect();
    let r = read(&ends(&times));
    assert_eq!(r.rhythm.anchor, Anchor::Undetermined, "{}", show(&r));
}

#[test]
fn a_schedule_with_visible_jitter_is_a_schedule() {
    let mut dice = Dice(3);
    let times: Vec<f64> = (0..30).map(|i| f64::from(i) * 86_400.0 + 4.0 * dice.uniform()).collect();
    let r = read(&ends(&times));
    assert_eq!(r.rhythm.anchor, Anchor::Wall, "{}", show(&r));
}

#[test]
fn endings_at_random_have_no_clock() {
    let mut dice = Dice(11);
    let mut t = 0.0;
    let times: Vec<f64> = (0..40)
        .map(|_| {
            t -= 3600.0 * dice.uniform().max(1e-12).ln();
            t
        })
        .collect();
    let r = read(&ends(&times));
    assert_eq!(r.rhythm.anchor, Anchor::Random, "{}", show(&r));
    assert_eq!(r.rhythm.period_s, None);
}

#[test]
fn nothing_one_and_two_endings_name_nothing() {
    for n in 0..3 {
        let times: Vec<f64> = (0..n).map(|i| f64::from(i) * 300.0).collect();
        let r = read(&ends(&times));
        assert_eq!(r.rhythm.anchor, Anchor::Undetermined);
        assert_eq!(r.rhythm.period_s.is_some(), n == 2);
    }
}

#[test]
fn a_constant_silence_is_an_idle_timer() {
    let mut dice = Dice(5);
    let mut t = 0.0;
    let mut spans = Vec::new();
    for _ in 0..12 {
        let open = t + 1.0;
        let last = open + 100.0 - 2000.0 * dice.uniform().max(1e-9).ln();
        t = last + 350.0 + 0.3 * dice.uniform();
        let last_activity = Some(stamp(last));
        spans.push(Span { open: Some(stamp(open)), last_activity, end: stamp(t) });
    }
    let r = read(&Series { spans, resolution: Gap::from_secs(1), offset_s: 0 });
    assert_eq!(r.rhythm.anchor, Anchor::Idle, "{}", show(&r));
    assert!((r.rhythm.period_s.unwrap() - 350.0).abs() < 0.5, "{}", show(&r));
}

#[test]
fn a_fixed_age_of_a_busy_connection_counts_from_the_open() {
    let mut dice = Dice(9);
    let mut t = 0.0;
    let mut spans = Vec::new();
    for _ in 0..10 {
        let open = t + 1.0 + 3.0 * dice.uniform();
        t = open + 3600.0 + 0.2 * dice.uniform();
        let last_activity = Some(stamp(t - 5.0 * dice.uniform()));
        spans.push(Span { open: Some(stamp(open)), last_activity, end: stamp(t) });
    }
    let r = read(&Series { spans, resolution: Gap::from_secs(1), offset_s: 0 });
    assert_eq!(r.rhythm.anchor, Anchor::Open, "{}", show(&r));
    assert!(r.notes.iter().any(|n| n.contains("reconnect delay is")), "{}", show(&r));
}

/// Ends on a grid that starts at a full minute, stamped to the thousandth.
fn beat(period: f64, n: i32, scatter: f64, dice: &mut Dice) -> Series {
    let at = |i: i32| f64::from(i) * period + 0.3 + scatter * dice.normal();
    let fine =
        |s: f64| Moment::from_ns(1_715_310_840_000_000_000 + (s * 1e3).floor() as i64 * 1_000_000);
    let span = |end| Span { open: None, last_activity: None, end };
    let spans = (0..n).map(at).map(|s| span(fine(s))).collect();
    Series { spans, resolution: Gap::from_millis(1), offset_s: 0 }
}

#[test]
fn a_schedule_of_some_seconds_is_no_free_clock() {
    let mut dice = Dice(41);
    for period in [5.0, 7.0, 12.0, 45.0, 60.0, 350.0] {
        for n in [7, 10, 14] {
            for scatter in [0.001, 0.01, 0.1] {
                let r = read(&beat(period, n, scatter, &mut dice));
                let said = r.rhythm.anchor;
                let fine = matches!(said, Anchor::Undetermined | Anchor::Wall);
                assert!(fine, "{period} {n} {scatter} {}", show(&r));
                let wall = r.models.iter().find(|m| m.anchor == Anchor::Wall).unwrap();
                assert!(wall.probability > 0.02, "{period} {n} {scatter} {}", show(&r));
            }
        }
    }
}

#[test]
fn a_schedule_of_some_seconds_is_named_when_its_drift_is_bounded() {
    let r = read(&beat(7.0, 200, 0.003, &mut Dice(42)));
    assert_eq!(r.rhythm.anchor, Anchor::Wall, "{}", show(&r));
    let free = read(&beat(7.0 * (1.0 + 80e-6), 200, 0.003, &mut Dice(43)));
    assert_eq!(free.rhythm.anchor, Anchor::FreeRunning, "{}", show(&free));
}

#[test]
fn what_is_left_over_tells_whether_the_clock_explains_all() {
    let r = read(&story(0.6, Some(14)));
    let fit = r.fit.unwrap();
    assert_eq!((fit.ends, fit.of), (26, 27), "{}", show(&r));
    assert!((0.3..1.2).contains(&fit.scatter_s), "{fit:?}");
    assert!(fit.pattern_p.is_some_and(|p| p > 0.01), "{fit:?}");
    // A delay that swells and falls over the day is more than a timer and chance.
    let mut t = 0.0;
    let swell = |i: i32| 5.0 + 4.0 * (f64::from(i) / 6.0).sin();
    let times: Vec<f64> = (0..60)
        .map(|i| {
            t += 3600.0 + swell(i);
            t
        })
        .collect();
    let fit = read(&ends(&times)).fit.unwrap();
    assert!(fit.pattern_p.is_some_and(|p| p < 1e-3), "{fit:?}");
}
