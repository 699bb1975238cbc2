//! The examples: the story and its siblings say what their READMEs say, every piece of evidence
//! moves the verdict as `--explain` foretells, and what is in the repository is what would be made.

use hopclock_tests::command::run;
use hopclock_tests::examples::{self, Variant};
use hopclock_tests::repo;
use hopclock_tests::schema::validate;
use serde_json::Value;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// A report of one example folder.
fn report(folder: &Path, flags: &[&str]) -> Value {
    let mut args = vec!["diagnose", "--format", "json"];
    args.extend(flags);
    let path = folder.display().to_string();
    args.push(&path);
    let ran = run(&args);
    assert!(matches!(ran.code, Some(0 | 4)), "{ran:#?}");
    let report = ran.json();
    validate("report", &report);
    report
}

fn example(variant: Variant) -> PathBuf {
    repo().join("examples").join(variant.folder())
}

fn first(report: &Value) -> &Value {
    report.pointer("/findings/0").unwrap()
}

/// Probabilities by cause of the first finding.
fn shares(report: &Value) -> BTreeMap<String, f64> {
    let all = first(report).pointer("/hypotheses").unwrap().as_array().unwrap();
    all.iter()
        .map(|h| {
            let cause = h.pointer("/cause").unwrap().as_str().unwrap().to_owned();
            (cause, h.pointer("/probability").unwrap().as_f64().unwrap())
        })
        .collect()
}

fn leaders(report: &Value, n: usize) -> Vec<String> {
    let all = first(report).pointer("/hypotheses").unwrap().as_array().unwrap();
    all.iter().take(n).map(|h| h.pointer("/cause").unwrap().as_str().unwrap().to_owned()).collect()
}

fn text<'a>(value: &'a Value, pointer: &str) -> &'a str {
    value.pointer(pointer).and_then(Value::as_str).unwrap()
}

#[test]
fn what_is_in_the_repository_is_what_would_be_made() {
    let made = examples::all();
    for (name, bytes) in &made {
        let path = repo().join("examples").join(name);
        let there = fs::read(&path).unwrap_or_default();
        assert!(
            there == *bytes,
            "{name} differs: run `cargo run -p hopclock-tests --bin make-examples`"
        );
    }
    for variant in Variant::ALL {
        for file in files_of(&example(variant)) {
            let name = format!("{}/{file}", variant.folder());
            assert!(made.contains_key(&name) || file == "README.md", "{name} is made by nobody");
        }
    }
}

fn files_of(folder: &Path) -> Vec<String> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        for entry in fs::read_dir(&next).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                found.push(path.strip_prefix(folder).unwrap().display().to_string());
            }
        }
    }
    found
}

// ── the story ───────────────────────────────────────────────────────────────────────────────────

#[test]
fn the_story_is_narrowed_and_holds_both_kinds_of_cause() {
    let report = report(&example(Variant::Story), &[]);
    assert_eq!(text(first(&report), "/outcome"), "narrowed");
    let leaders = leaders(&report, 3);
    assert!(leaders.contains(&"conntrack-frozen-timer".to_owned()), "{leaders:?}");
    assert!(leaders.iter().any(|c| c == "max-age-server" || c == "max-age-lb"), "{leaders:?}");
    let all = shares(&report);
    assert!(all.contains_key("unknown"), "something not on the list is a hypothesis");
    let total: f64 = all.values().sum();
    assert!((total - 1.0).abs() < 0.01, "{total}");
}

#[test]
fn the_storys_red_herrings_are_ruled_out_with_their_reasons() {
    let report = report(&example(Variant::Story), &[]);
    let herrings = first(&report).pointer("/red_herrings").unwrap().as_array().unwrap();
    for (what, number) in
        [("keepalive", "7875"), ("balancer idle timeout", "350"), ("server idle timeout", "60")]
    {
        let found = herrings.iter().find(|h| text(h, "/what").contains(what));
        let herring = found.unwrap_or_else(|| panic!("{what} is not ruled out: {herrings:#?}"));
        assert!(text(herring, "/why").contains(number), "{herring}");
        assert!(!herring.pointer("/evidence").unwrap().as_array().unwrap().is_empty());
    }
}

/// Each thing that does not hold, by words of the sentence and the input it must stand on.
const DOES_NOT_HOLD: [(&str, &str); 9] = [
    ("refreshed a moment ago", "hop-egress-1/conntrack.txt"),
    ("was read on the client", "client/sysctl.txt"),
    ("loose only decides", "notes.md"),
    ("is not translated", "notes.md"),
    ("carried traffic to its end", "client/client.pcapng"),
    ("A timer frozen at that incident", "notes.md"),
    ("The log says end of file", "client/app.log"),
    ("not documented does not mean", "notes.md"),
    ("the delay itself was not measured", "client/app.log"),
];

#[test]
fn what_does_not_hold_in_the_story_is_said_with_what_it_stands_on() {
    let report = report(&example(Variant::Story), &[]);
    let evidence: BTreeMap<&str, &Value> = report
        .pointer("/evidence")
        .unwrap()
        .as_array()
        .unwrap()
        .iter()
        .map(|e| (text(e, "/id"), e))
        .collect();
    let contradictions = first(&report).pointer("/contradictions").unwrap().as_array().unwrap();
    for (words, file) in DOES_NOT_HOLD {
        let found = contradictions.iter().find(|c| text(c, "/says").contains(words));
        let found = found.unwrap_or_else(|| panic!("nothing says {words:?}: {contradictions:#?}"));
        let between = found.pointer("/between").unwrap().as_array().unwrap();
        let stands = between.iter().any(|id| {
            let cites =
                evidence[id.as_str().unwrap()].pointer("/cites").unwrap().as_array().unwrap();
            cites.iter().any(|c| text(c, "/file") == file)
        });
        assert!(stands, "{words:?} does not stand on {file}: {found}");
    }
}

#[test]
fn the_storys_measures_are_judged() {
    let report = report(&example(Variant::Story), &[]);
    let fixes = first(&report).pointer("/fixes").unwrap().as_array().unwrap();
    let effect = |id: &str, cause: &str| {
        let fix = fixes.iter().find(|f| text(f, "/id") == id).unwrap_or_else(|| panic!("no {id}"));
        let under = fix.pointer("/under").unwrap().as_array().unwrap();
        let own = under.iter().find(|u| u.pointer("/0").unwrap() == cause);
        own.unwrap().pointer("/1").unwrap().as_str().unwrap().to_owned()
    };
    let frozen = "conntrack-frozen-timer";
    assert_eq!(effect("raise-established", frozen), "moves-period");
    assert_eq!(effect("loose", frozen), "not-held");
    assert_eq!(effect("h2-ping", frozen), "not-held");
    assert_eq!(effect("be-liberal", frozen), "held");
    assert_eq!(effect("h2-ping", "max-age-lb"), "not-held");
}

#[test]
fn made_evidence_is_called_made() {
    let report = report(&example(Variant::Story), &[]);
    let inputs = report.pointer("/inputs").unwrap().as_array().unwrap();
    for file in ["client/client.pcapng", "client/app.log"] {
        let input = inputs.iter().find(|i| text(i, "/file") == file).unwrap();
        assert!(
            input.pointer("/notes").unwrap().to_string().contains("made, not recorded"),
            "{input}"
        );
    }
}

// ── the siblings ────────────────────────────────────────────────────────────────────────────────

/// What a sibling does to a cause, against the story.
fn moves(variant: Variant, up: &[&str], down: &[&str]) -> Value {
    let story = shares(&report(&example(Variant::Story), &[]));
    let own = report(&example(variant), &[]);
    let shares = shares(&own);
    for cause in up {
        assert!(
            shares[*cause] > story[*cause] * 1.05,
            "{cause}: {} to {}",
            story[*cause],
            shares[*cause]
        );
    }
    for cause in down {
        assert!(
            shares[*cause] < story[*cause] * 0.8,
            "{cause}: {} to {}",
            story[*cause],
            shares[*cause]
        );
    }
    own
}

#[test]
fn a_reset_of_a_live_socket_speaks_for_age() {
    moves(Variant::AbortReset, &["max-age-server"], &["conntrack-frozen-timer"]);
}

#[test]
fn without_drift_a_schedule_cannot_be_told_from_an_age() {
    let report = moves(Variant::NoDrift, &["wall-clock-schedule"], &[]);
    let shares = shares(&report);
    assert!(shares["wall-clock-schedule"] > 0.1, "a schedule is among the likely: {shares:?}");
    assert!(shares["free-running-schedule"] < 0.05, "a loop would have drifted: {shares:?}");
    assert_eq!(text(first(&report), "/rhythm/anchor"), "undetermined");
    assert_ne!(text(first(&report), "/outcome"), "named", "what cannot be told apart is not named");
}

#[test]
fn a_phase_break_proves_the_opening() {
    let report = moves(Variant::PhaseBreak, &[], &["free-running-schedule"]);
    assert_eq!(text(first(&report), "/rhythm/anchor"), "open");
    for cause in ["wall-clock-schedule", "free-running-schedule"] {
        let left = shares(&report)[cause];
        assert!(left < 0.005, "{cause} would have kept its phase: {left}");
    }
}

#[test]
fn the_boxs_own_timeout_clears_the_box_and_the_line() {
    let up = ["max-age-server", "max-age-lb"];
    let report = moves(Variant::Box432000, &up, &["conntrack-frozen-timer"]);
    let says = first(&report).pointer("/contradictions").unwrap().to_string();
    assert!(says.contains("not of one box, or not of one time"), "{says}");
}

#[test]
fn another_connections_entry_says_nothing() {
    let report = moves(Variant::OtherPort, &["conntrack-frozen-timer"], &[]);
    let says = report.pointer("/evidence").unwrap().to_string();
    assert!(says.contains("another connection's"), "{says}");
    assert!(!says.contains("was refreshed within"), "{says}");
}

#[test]
fn data_both_ways_speaks_against_the_freeze() {
    moves(Variant::TwoWay, &["max-age-lb"], &["conntrack-frozen-timer"]);
}

#[test]
fn a_fin_is_somebodys_decision() {
    let report = moves(Variant::Fin, &["max-age-server"], &["conntrack-frozen-timer"]);
    assert!(shares(&report)["conntrack-frozen-timer"] < 0.02);
    let says = first(&report).pointer("/contradictions").unwrap().to_string();
    assert!(!says.contains("The log says end of file"), "log and capture agree: {says}");
}

#[test]
fn without_a_capture_the_words_count_and_one_is_asked_for() {
    let report = moves(Variant::NoCapture, &["max-age-server"], &["conntrack-frozen-timer"]);
    let next = first(&report).pointer("/next_evidence").unwrap().to_string();
    assert!(next.contains("tcpdump"), "{next}");
}

// ── what --explain foretells ────────────────────────────────────────────────────────────────────

#[test]
fn the_arithmetic_can_be_redone_from_what_is_printed() {
    for variant in Variant::ALL {
        let report = report(&example(variant), &["--explain"]);
        let e = first(&report).pointer("/explanation").unwrap();
        let number = |v: &Value| v.as_f64().unwrap();
        let total = number(e.pointer("/total").unwrap());
        let rows = e.pointer("/rows").unwrap().as_array().unwrap();
        let mut sum = number(e.pointer("/others").unwrap());
        for (index, column) in e.pointer("/columns").unwrap().as_array().unwrap().iter().enumerate()
        {
            let factor = |r: &Value| number(r.pointer(&format!("/factors/{index}")).unwrap());
            let product: f64 = rows.iter().map(factor).product::<f64>()
                * number(column.pointer("/prior").unwrap());
            sum += product;
            let told = number(column.pointer("/probability").unwrap());
            assert!((product / total - told).abs() < 1e-9, "{variant:?} {column}");
        }
        assert!((sum / total - 1.0).abs() < 1e-9, "{variant:?}: {sum} of {total}");
    }
}

#[test]
fn taking_a_piece_away_moves_the_verdict_as_foretold() {
    for variant in Variant::ALL {
        let whole = report(&example(variant), &["--explain"]);
        let leader = leaders(&whole, 1).remove(0);
        let without =
            first(&whole).pointer("/explanation/without").unwrap().as_array().unwrap().clone();
        let mut tried = 0;
        for foretold in &without {
            let Some(edit) = edit_of(&whole, foretold) else { continue };
            let copy = copy_without(&example(variant), &edit);
            let then = report(&copy, &[]);
            let Some(told) = foretold.pointer("/leader_then").unwrap().as_f64() else {
                assert!(then.pointer("/findings/0").is_none(), "nothing was foretold: {then:#}");
                continue;
            };
            let share = shares(&then)[&leader];
            assert!(
                (share - told).abs() < 2e-4,
                "{variant:?} without {edit:?}: {told} foretold, {share} seen"
            );
            fs::remove_dir_all(copy.parent().unwrap()).unwrap();
            tried += 1;
        }
        assert!(tried >= 8, "{variant:?}: only {tried} pieces could be taken away");
    }
}

/// A file, and the lines of it to take away; none means all.
#[derive(Debug)]
struct Edit {
    file: String,
    lines: Vec<(u64, u64)>,
}

/// What to remove from the folder; `None` where nothing but the reasoning changes.
fn edit_of(report: &Value, foretold: &Value) -> Option<Edit> {
    let what = text(foretold, "/what");
    match text(foretold, "/taken") {
        "input" => Some(Edit { file: what.to_owned(), lines: Vec::new() }),
        "lines" => {
            let all = report.pointer("/evidence").unwrap().as_array().unwrap();
            let evidence = all.iter().find(|e| text(e, "/id") == what).unwrap();
            let pair = |v: &Value| {
                (
                    v.pointer("/0").unwrap().as_u64().unwrap(),
                    v.pointer("/1").unwrap().as_u64().unwrap(),
                )
            };
            let lines = evidence.pointer("/cites/0/lines").unwrap().as_array().unwrap();
            let file = text(evidence, "/cites/0/file").to_owned();
            Some(Edit { file, lines: lines.iter().map(pair).collect() })
        }
        _ => None,
    }
}

/// A copy of the folder without a file or with some of its lines blanked.
fn copy_without(folder: &Path, edit: &Edit) -> PathBuf {
    let root = hopclock_tests::scratch("examples");
    let copy = root.join(folder.file_name().unwrap());
    for file in files_of(folder) {
        let to = copy.join(&file);
        fs::create_dir_all(to.parent().unwrap()).unwrap();
        if file != edit.file {
            fs::copy(folder.join(&file), &to).unwrap();
        } else if !edit.lines.is_empty() {
            let text = fs::read_to_string(folder.join(&file)).unwrap();
            let kept: Vec<&str> =
                (1..)
                    .zip(text.lines())
                    .map(|(n, line)| {
                        if edit.lines.iter().any(|(a, b)| (*a..=*b).contains(&n)) {
                            ""
                        } else {
                            line
                        }
                    })
                    .collect();
            fs::write(&to, kept.join("\n") + "\n").unwrap();
        }
    }
    copy
}

// ── recorded ─────────────────────────────────────────────────

/// What `diagnose` makes of a recorded example: cause and outcome, and every piece of evidence.
fn recorded(name: &str) -> (Value, String, Vec<String>) {
    let report = report(&repo().join("examples").join(name), &[]);
    let first = &report["findings"][0];
    let told = report["evidence"].as_array().unwrap();
    let says = told.iter().map(|e| e["says"].as_str().unwrap().to_owned()).collect();
    let outcome = first["outcome"].as_str().unwrap().to_owned();
    (first["verdict"].clone(), outcome, says)
}

fn one_says(all: &[String], parts: &[&str]) -> bool {
    all.iter().any(|says| parts.iter().all(|part| says.contains(part)))
}

#[test]
fn nat_expiry_is_named_and_both_resets_have_their_sender() {
    let (verdict, outcome, says) = recorded("nat-expiry");
    assert_eq!((outcome.as_str(), &verdict["cause"]), ("named", &"idle-timeout-middlebox".into()));
    assert_eq!(verdict["clock"]["seconds"], 6.0);
    assert_eq!(verdict["ended_by"], "middlebox");
    let by_box =
        ["the server's machine received", "so a box between made it", "no such connection"];
    assert!(one_says(&says, &by_box), "{says:#?}");
    let by_server = ["the client's machine received", "sent by the server's own machine"];
    assert!(one_says(&says, &by_server), "{says:#?}");
}

#[test]
fn egress_12h_settled_is_named_by_what_remained_and_by_the_replay() {
    let (verdict, outcome, says) = recorded("egress-12h-settled");
    assert_eq!((outcome.as_str(), &verdict["cause"]), ("named", &"conntrack-frozen-timer".into()));
    assert_eq!(verdict["clock"]["seconds"], 43.0);
    assert!(one_says(&says, &["remained on the entry", "nothing refreshed it"]), "{says:#?}");
    assert!(one_says(&says, &["passed and refreshed nothing"]), "{says:#?}");
    for file in ["README.md", "evidence.toml"] {
        let path = repo().join("examples/egress-12h-settled").join(file);
        assert!(fs::read_to_string(path).unwrap().contains("caled 1 : 1000"), "{file}");
    }
}
