//! `hopclock rhythm` as a user runs it: the story's series, the labelled series of the material,
//! and what goes wrong. A small part of the simulation study guards the names given.

use hopclock_core::rhythm;
use hopclock_core::terms::Anchor;
use hopclock_tests::command::{Hopclock, run};
use hopclock_tests::rhythm_truth::{Cell, Dice, TRUTHS, draw};
use hopclock_tests::{material, schema};
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
fn without_drift_it_is_left_open_with_its_reason() {
    let series = read(&log((0..28).map(|i| i * 43_200)));
    assert_eq!(series["rhythm"]["anchor"], "undetermined", "{series:#}");
    let notes = series["notes"].to_string();
    assert!(notes.contains("divides a day") && notes.contains("by hand"), "{notes}");
}

#[test]
fn a_terminal_gets_the_answer_first_and_two_plots() {
    let text = log((0..28).map(|i| i * 43_200 + i * 9 / 10));
    let ran = Hopclock::new(["rhythm", "-"]).stdin(text).env("COLUMNS", "80").run();
    assert_eq!(ran.code, Some(4), "{ran:#?}");
    for wanted in
        ["28 endings", "period 43200.", "Explanations", "Phase against a grid of 43200.00 s"]
    {
        assert!(ran.out.contains(wanted), "{wanted}\n{}", ran.out);
    }
    let long = ran.out.lines().find(|l| l.chars().count() > 80);
    assert_eq!(long, None);
}

#[test]
fn what_holds_no_ending_is_no_input() {
    let ran = Hopclock::new(["rhythm", "-"]).stdin("2024-05-10T03:14:22Z INFO hello\n").run();
    assert_eq!((ran.code, ran.out.as_str()), (Some(3), ""), "{ran:#?}");
    assert_eq!(run(["rhythm", "no/such/file.log"]).code, Some(3));
    assert_eq!(run(["rhythm"]).code, Some(2));
}

/// Anchors that claim a clock.
const CLOCKS: [&str; 6] = ["open", "wall", "free-running", "idle", "idle-app", "mixed"];

#[test]
fn no_clock_on_a_negative_control_and_the_period_on_a_fixed_timer() {
    let test = "no_clock_on_a_negative_control_and_the_period_on_a_fixed_timer";
    let Some(folder) = material(test) else { return };
    let folder = folder.join("timing");
    let index: Value =
        serde_json::from_str(&fs::read_to_string(folder.join("index.json")).unwrap()).unwrap();
    let (mut controls, mut periods) = (0, 0);
    for known in index.as_array().unwrap() {
        let id = known["id"].as_str().unwrap();
        let series = read(&fs::read_to_string(folder.join(format!("{id}.log"))).unwrap());
        let anchor = series["rhythm"]["anchor"].as_str().unwrap();
        let period = series["rhythm"]["period_s"].as_f64();
        if known["is_negative_control"] == true {
            controls += 1;
            assert!(!CLOCKS.contains(&anchor) && period.is_none(), "{id}: {series:#}");
        }
        // What repeats within a fiftieth for most of its gaps is found, and at the right place.
        let stats = &known["stats"];
        if known["label"] == "periodic" || known["label"] == "fixed-timer" {
            periods += 1;
            let gap = stats["median_gap"].as_f64().unwrap();
            assert!(period.is_some_and(|p| (p - gap).abs() < 0.03 * gap), "{id}: {series:#}");
        }
    }
    assert!(controls > 0 && periods > 0, "{controls} controls, {periods} periodic");
}

/// The study in small: over every truth at the stamps of a second that logs have, few names are
/// wrong. The bound is the study's own: 1 % in a cell, here over all cells of a truth.
#[test]
fn names_given_are_right() {
    for truth in TRUTHS {
        let (mut named, mut wrong) = (0, Vec::new());
        for events in [7, 14, 28] {
            let cell =
                Cell { truth, events, jitter: 0.5, step_ms: 1000, missed: 0.1, by_hand: false };
            for seed in 0..20 {
                let mut dice = Dice::new(9000 + seed);
                let case = draw(&cell, &mut dice);
                let said = rhythm::read(&case.series).rhythm.anchor;
                let right = said == truth.anchor() || case.also.contains(&said);
                named += u32::from(said != Anchor::Undetermined);
                if said != Anchor::Undetermined && !right {
                    wrong.push((events, seed, said));
                }
            }
        }
        assert!(wrong.len() <= 1, "{truth:?}: of {named} names {wrong:?} are wrong");
    }
}
