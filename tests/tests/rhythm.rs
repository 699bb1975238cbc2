//! `hopclock rhythm` as a user runs it: the story's series, the labelled series of the material,
//! and what goes wrong. A small part of the simulation study guards the names given.

use hopclock_core::rhythm::{self, Reading};
use hopclock_core::terms::Anchor;
use hopclock_tests::command::{Hopclock, run};
use hopclock_tests::rhythm_clockless::{CLOCKLESS, clockless};
use hopclock_tests::rhythm_study::{self as study, Came, Count, Reliability};
use hopclock_tests::rhythm_truth::{Cell, Dice, TRUTHS, Truth, draw};
use hopclock_tests::{material, rhythm_controls, schema};
use serde_json::Value;
use std::fmt::Write as _;
use std::fs;

fn read(log: &str) -> Value {
    let ran = Hopclock::new(["rhythm", "--format", "json", "-"]).stdin(log).run();
    assert!(matches!(ran.code, Some(0 | 4)), "{ran:#?}");
    let document = ran.json();
    schema::validate("rhythm", &document);
    document["series"][0].clone()
}

/// Reconnects at these seconds after 2024-05-10T03:14:22Z, as the story's program logs them.
fn log(seconds: impl IntoIterator<Item = i64>) -> String {
    let mut text = String::new();
    for s in seconds {
        let stamp = jiff::Timestamp::from_second(1_715_310_862 + s).unwrap();
        writeln!(text, "{stamp} INFO reconnecting upstream: unexpected EOF").unwrap();
    }
    text
}

#[test]
fn the_story_is_led_by_the_open_and_its_rival_is_a_free_clock() {
    let series = read(&log((0..28).map(|i| i * 43_200 + i * 9 / 10)));
    assert_eq!(series["models"][0]["anchor"], "open", "{series:#}");
    assert_eq!(series["models"][1]["anchor"], "free-running", "{series:#}");
    let (low, high) = (series["rhythm"]["low_s"].as_f64(), series["rhythm"]["high_s"].as_f64());
    assert!(low.unwrap() < 43_200.9 && 43_200.9 < high.unwrap(), "{series:#}");
    assert_eq!(series["rhythm"]["drift_against_s"], 43_200.0);
    assert_eq!(series["clock"], Value::Null);
    let shares = series["candidates"].as_array().unwrap().iter();
    let shares: f64 = shares.map(|c| c["probability"].as_f64().unwrap()).sum();
    assert!(shares > 0.0 && shares <= 0.5 + 1e-9, "{series:#}");
}

#[test]
fn a_reconnect_by_hand_settles_it() {
    let ends = (0..28).map(|i| i * 43_200 + i * 9 / 10 - if i > 13 { 23_000 } else { 0 });
    let series = read(&log(ends));
    assert_eq!(series["rhythm"]["anchor"], "open", "{series:#}");
    assert_eq!(series["breaks"][0]["ending"], 15, "{series:#}");
}

#[test]
fn a_timer_set_anew_is_two_regimes_with_their_date() {
    let mut at = 0;
    let ends = (0..24).map(|i| {
        at += if i < 12 { 3601 + i % 3 } else { 7201 + i % 2 };
        at
    });
    let series = read(&log(ends));
    let regimes = series["regimes"].as_array().unwrap();
    assert_eq!(regimes.len(), 2, "{series:#}");
    assert_eq!(regimes[1]["ending"], 13, "{series:#}");
    let period = |r: &Value| r["period_s"].as_f64().unwrap();
    assert!((period(&regimes[0]) - 3602.0).abs() < 1.0, "{series:#}");
    assert!((period(&regimes[1]) - 7201.5).abs() < 1.0, "{series:#}");
    assert!((series["rhythm"]["period_s"].as_f64().unwrap() - 7201.5).abs() < 1.0, "{series:#}");
}

#[test]
fn a_deploy_that_changes_nothing_is_no_regime() {
    let ends = (0..28).map(|i| i * 3600 + i * 9 / 10 - if i > 13 { 1500 } else { 0 });
    let series = read(&log(ends));
    assert_eq!(series["regimes"], serde_json::json!([]), "{series:#}");
    assert_eq!(series["breaks"].as_array().unwrap().len(), 1, "{series:#}");
}

#[test]
fn two_timers_in_one_series_are_told_apart() {
    let mut text = String::new();
    let mut at = 0;
    for i in 0..30 {
        let age = if [0, 2, 3, 7].contains(&(i % 9)) { 900 } else { 3600 };
        let stamp = |s: i64| jiff::Timestamp::from_second(1_715_310_862 + s).unwrap();
        writeln!(text, "{} INFO conn={i} opened", stamp(at)).unwrap();
        writeln!(text, "{} INFO conn={i} closed", stamp(at + age)).unwrap();
        at += age + 1 + i % 4;
    }
    let series = read(&text);
    assert_eq!(series["rhythm"]["anchor"], "mixed", "{series:#}");
    let timers = series["timers"].as_array().unwrap();
    let periods: Vec<i64> =
        timers.iter().map(|t| t["period_s"].as_f64().unwrap().round() as i64).collect();
    assert_eq!(periods, [3600, 900], "{series:#}");
}

#[test]
fn seven_stamps_with_a_missed_end_and_a_deploy_are_enough() {
    // Ends 1 to 3 on the beat, a deploy, one end that nobody logged, and on.
    let mut at = 0;
    let ends = [0, 43_201, 43_200, 23_207, 2 * 43_201, 43_201, 43_201].map(|gap| {
        at += gap;
        at
    });
    let series = read(&log(ends));
    assert_eq!(series["rhythm"]["anchor"], "open", "{series:#}");
    assert_eq!(series["breaks"][0]["ending"], 4, "{series:#}");
    assert_eq!(series["unseen"], serde_json::json!([{"ending": 5, "ends": 1}]), "{series:#}");
}

#[test]
fn without_drift_it_is_left_open_with_its_reason() {
    let series = read(&log((0..28).map(|i| i * 43_200)));
    assert_eq!(series["rhythm"]["anchor"], "undetermined", "{series:#}");
    let notes = series["notes"].to_string();
    assert!(notes.contains("divides a day") && notes.contains("by hand"), "{notes}");
}

#[test]
fn a_terminal_gets_the_answer_first_and_three_plots() {
    let text = log((0..28).map(|i| i * 43_200 + i * 9 / 10));
    let ran = Hopclock::new(["rhythm", "-"]).stdin(text).env("COLUMNS", "80").run();
    assert_eq!(ran.code, Some(4), "{ran:#?}");
    for wanted in
        ["28 endings", "about 12 h (43200.", "Explanations", "on a grid of 12 h", "half outlive"]
    {
        assert!(ran.out.contains(wanted), "{wanted}\n{}", ran.out);
    }
    let long = ran.out.lines().find(|l| l.chars().count() > 80);
    assert_eq!(long, None);
}

#[test]
fn plots_are_ascii_where_the_locale_is_and_keep_the_width_everywhere() {
    let text = log((0..28).map(|i| i * 43_200 + i * 9 / 10 - if i > 13 { 23_000 } else { 0 }));
    for (locale, width) in [("C", 80), ("C.UTF-8", 80), ("C.UTF-8", 120), ("en_US.utf8", 60)] {
        let run = Hopclock::new(["rhythm", "-"]).stdin(text.clone());
        let ran = run.env("COLUMNS", width.to_string()).env("LC_ALL", locale).run();
        let plots = ran.out.split("Explanations").nth(1).and_then(|p| p.split("Timers of").next());
        let plots = plots.unwrap();
        assert_eq!(plots.is_ascii(), locale == "C", "{locale}\n{plots}");
        assert!(!plots.contains('\u{1b}'), "colour into a pipe");
        let long = ran.out.lines().find(|l| l.chars().count() > width);
        assert_eq!(long, None, "{locale} {width}");
    }
}

/// Attributes and texts of every element of a picture, in the order they stand.
fn texts(svg: &str) -> Vec<(f64, f64, String, String)> {
    let tag = |t: &str, name: &str| {
        let at = t.find(&format!("{name}=\""))? + name.len() + 2;
        t.get(at..)?.split('"').next().map(str::to_owned)
    };
    let one = |piece: &str| {
        let (head, rest) = piece.split_once('>')?;
        let text = rest.split('<').next()?.to_owned();
        let (x, y) = (tag(head, "x")?.parse().ok()?, tag(head, "y")?.parse().ok()?);
        Some((x, y, tag(head, "text-anchor")?, text))
    };
    svg.split("<text ").skip(1).filter_map(one).collect()
}

#[test]
fn the_picture_stands_alone_and_its_texts_do_not_touch() {
    let folder = std::env::temp_dir().join(format!("hopclock-svg-{}", std::process::id()));
    fs::create_dir_all(&folder).unwrap();
    let file = folder.join("rhythm.svg");
    let ends = (0..28).map(|i| i * 43_200 + i * 9 / 10 - if i > 13 { 23_000 } else { 0 });
    let run = Hopclock::new(["rhythm", "-", "--svg", file.to_str().unwrap()]).stdin(log(ends));
    let ran = run.run();
    assert_eq!(ran.code, Some(0), "{ran:#?}");
    let svg = fs::read_to_string(&file).unwrap();
    fs::remove_dir_all(&folder).unwrap();
    for wanted in ["<title", "<desc", "role=\"img\"", "prefers-color-scheme:dark", "@media print"] {
        assert!(svg.contains(wanted), "{wanted}");
    }
    for foreign in ["<script", "href", "url(", "<foreignObject", "onload"] {
        assert!(!svg.contains(foreign), "{foreign}");
    }
    // Of every inner picture: no two texts of a line overlap, none leaves the picture.
    for picture in svg.split("role=\"img\"").skip(1) {
        let placed = texts(picture).into_iter().map(|(x, y, anchor, text)| {
            let wide = 6.6 * text.chars().count() as f64;
            let left = match anchor.as_str() {
                "middle" => x - wide / 2.0,
                "end" => x - wide,
                _ => x,
            };
            (left, left + wide, y, text)
        });
        let placed: Vec<(f64, f64, f64, String)> = placed.collect();
        for (i, a) in placed.iter().enumerate() {
            assert!(a.0 >= 0.0 && a.1 <= 802.0, "{a:?}");
            for b in placed.iter().skip(i + 1).filter(|b| (b.2 - a.2).abs() < 11.0) {
                assert!(a.1 <= b.0 + 1.0 || b.1 <= a.0 + 1.0, "{a:?} {b:?}");
            }
        }
    }
}

#[test]
fn a_picture_that_cannot_be_written_is_told() {
    let run = Hopclock::new(["rhythm", "-", "--svg", "no/such/folder/x.svg"]);
    let ran = run.stdin(log((0..5).map(|i| i * 300))).run();
    assert_eq!((ran.code, ran.out.as_str()), (Some(2), ""), "{ran:#?}");
    assert!(ran.err.contains("no/such/folder/x.svg"), "{ran:#?}");
}

/// Connections that nobody saw end count in the survival curve as long as they were seen; one that
/// a later file sees end is whole again.
#[test]
fn a_life_over_two_files_is_one() {
    let folder = std::env::temp_dir().join(format!("hopclock-two-{}", std::process::id()));
    fs::create_dir_all(&folder).unwrap();
    let stamp = |s: i64| jiff::Timestamp::from_second(1_715_310_862 + s).unwrap();
    let (mut one, mut two) = (String::new(), String::new());
    for i in 0..12 {
        let file = if i < 6 { &mut one } else { &mut two };
        writeln!(file, "{} INFO conn={i} opened", stamp(i * 3700)).unwrap();
        let file = if i < 5 { &mut one } else { &mut two };
        if i < 11 {
            writeln!(file, "{} INFO conn={i} closed", stamp(i * 3700 + 3600)).unwrap();
        }
    }
    writeln!(two, "{} INFO still here", stamp(12 * 3700)).unwrap();
    let files = ["app.log.1", "app.log"].map(|name| folder.join(name));
    fs::write(&files[0], one).unwrap();
    fs::write(&files[1], two).unwrap();
    let paths = files.iter().map(|f| f.to_str().unwrap());
    let args: Vec<&str> = ["rhythm", "--format", "text"].into_iter().chain(paths).collect();
    let ran = run(args);
    fs::remove_dir_all(&folder).unwrap();
    assert!(ran.out.contains("half outlive 1 h; 1 of 12 had not ended"), "{ran:#?}");
    assert_eq!(ran.code, Some(0), "{ran:#?}");
}

#[test]
fn what_holds_no_ending_is_no_input() {
    let ran = Hopclock::new(["rhythm", "-"]).stdin("2024-05-10T03:14:22Z INFO hello\n").run();
    assert_eq!((ran.code, ran.out.as_str()), (Some(3), ""), "{ran:#?}");
    assert_eq!(run(["rhythm", "no/such/file.log"]).code, Some(3));
    assert_eq!(run(["rhythm"]).code, Some(2));
}

#[test]
fn no_clock_on_a_negative_control_and_the_period_on_a_fixed_timer() {
    let test = "no_clock_on_a_negative_control_and_the_period_on_a_fixed_timer";
    let Some(folder) = material(test) else { return };
    let (mut controls, mut periods) = (0, 0);
    for known in rhythm_controls::read(&folder.join("timing")).unwrap() {
        let (id, series) = (&known.told["id"], &known.read);
        let period = series["rhythm"]["period_s"].as_f64();
        if known.is_control() {
            controls += 1;
            assert_eq!(known.claims(), (false, false), "{id}: {series:#}");
        }
        // What repeats within a fiftieth for most of its gaps is found, and at the right place.
        let (label, stats) = (&known.told["label"], &known.told["stats"]);
        if label == "periodic" || label == "fixed-timer" {
            periods += 1;
            let gap = stats["median_gap"].as_f64().unwrap();
            assert!(period.is_some_and(|p| (p - gap).abs() < 0.03 * gap), "{id}: {series:#}");
        }
    }
    assert!(controls > 0 && periods > 0, "{controls} controls, {periods} periodic");
}

/// The study in small: over every truth at the stamps of a second that logs have, few names are
/// wrong and the intervals hold what they say. The bounds are the study's own, 1 % wrong and what
/// chance leaves of 95 %, here over three cells of a truth.
#[test]
fn names_given_are_right_and_intervals_hold() {
    for truth in TRUTHS {
        let mut all = Count::default();
        let mut wrong = Vec::new();
        for events in [7, 14, 28] {
            // Without a restart by hand nothing tells a loop from a timer that the open starts.
            let by_hand = truth == Truth::Loop;
            let jitter = if truth.short() { 0.02 } else { 0.5 };
            let cell = Cell { truth, events, jitter, step_ms: 1000, missed: 0.15, by_hand };
            let mut tell = |run, came, _: &_, reading: &Reading| {
                if came == Came::Wrong {
                    wrong.push((events, run, reading.rhythm.anchor));
                }
            };
            all.add(&study::run(&cell, 0..20, &mut Reliability::default(), &mut tell));
        }
        assert!(wrong.len() <= 1, "{truth:?}: {wrong:?} are wrong of {all:?}");
        assert!(!all.narrow(), "{truth:?}: intervals are too narrow: {all:?}");
    }
}

/// The other half: what 28 ends tell is named, and mostly as it is.
#[test]
fn what_the_times_tell_is_named() {
    let told = TRUTHS.iter().filter(|t| {
        let hidden = [Truth::Wall, Truth::WallSeen, Truth::Free, Truth::ChangedWall, Truth::Count];
        !hidden.contains(t) && !t.short()
    });
    for &truth in told {
        let by_hand = truth == Truth::Loop;
        let cell = Cell { truth, events: 28, jitter: 0.5, step_ms: 1000, missed: 0.0, by_hand };
        let count = study::run(&cell, 0..8, &mut Reliability::default(), &mut |_, _, _, _| {});
        assert!(count.right >= 4, "{truth:?}: {count:?}");
    }
}

/// Series left open and drawn on for as many ends as were said to be needed are then named.
#[test]
fn as_many_more_ends_as_were_asked_for_tell() {
    let (mut asked, mut right) = (0, 0);
    for truth in [Truth::Open, Truth::Wall] {
        for run in 0..8 {
            let cell =
                Cell { truth, events: 14, jitter: 0.5, step_ms: 1000, missed: 0.0, by_hand: false };
            let said = |events: usize| {
                let case = draw(&Cell { events, ..cell }, &mut Dice::new(911 + run));
                rhythm::read(&case.series).rhythm
            };
            let Some(more) = said(14).events_needed.filter(|more| *more < 150) else { continue };
            let then = said(14 + more as usize).anchor;
            assert!([truth.anchor(), Anchor::Undetermined].contains(&then), "{truth:?} {run}");
            asked += 1;
            right += u32::from(then == truth.anchor());
        }
    }
    assert!(asked >= 4 && right * 10 >= asked * 8, "{right} of {asked}");
}

#[test]
fn a_schedule_of_local_time_is_told_when_the_clocks_change() {
    let late = |i: i64| (i * 5 + 3) % 8;
    let ends = (0..30).map(|i| i * 86_400 + late(i) - if i > 12 { 3600 } else { 0 });
    let series = read(&log(ends));
    assert_eq!(series["rhythm"]["anchor"], "wall", "{series:#}");
    assert!(series["notes"].to_string().contains("From ending 14 on it runs an hour earlier"));
}

#[test]
fn how_well_it_fits_is_told() {
    let ends = (0..28).map(|i| i * 43_200 + i * 9 / 10 - if i > 13 { 23_000 } else { 0 });
    let series = read(&log(ends.clone()));
    let fit = &series["fit"];
    assert_eq!((&fit["ends"], &fit["of"]), (&Value::from(26), &Value::from(27)), "{series:#}");
    let ran = Hopclock::new(["rhythm", "-"]).stdin(log(ends)).env("COLUMNS", "200").run();
    assert!(ran.out.contains("26 of 27 ends are on its beat"), "{ran:#?}");
}

/// A number alone names no clock, whichever number it is.
#[test]
fn a_number_alone_leaves_the_clock_open() {
    for period in [60, 300, 350, 900, 3600, 7200, 43_200] {
        let series = read(&log((0..20).map(|i| i * period)));
        assert_eq!(series["clock"], Value::Null, "{series:#}");
        let why = series["why"].to_string();
        assert_eq!(why.contains("divides a day"), period != 350, "{series:#}");
        let shares = series["candidates"].as_array().unwrap().iter();
        let shares: Vec<f64> = shares.map(|c| c["probability"].as_f64().unwrap()).collect();
        assert!(shares.len() > 1 && shares.iter().sum::<f64>() <= 0.5 + 1e-9, "{series:#}");
    }
}

/// Whatever ends connections without a clock, none is named.
#[test]
fn no_clock_is_named_where_none_is() {
    for kind in CLOCKLESS {
        for run in 0..20 {
            let series = clockless(kind, 28, &mut Dice::new(77 + run));
            let said = rhythm::read(&series).rhythm.anchor;
            assert!(!rhythm_controls::is_clock(said), "{kind:?}, run {run}: {said:?}");
        }
    }
}
