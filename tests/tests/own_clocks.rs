//! `--clocks FILE` and `clocks --idle`: a site's own timers beside the catalogue's.

use hopclock_tests::command::run;
use std::path::{Path, PathBuf};

const OWN: &str = "[[clock]]\nid = \"edge-max-age\"\nproduct = \"our edge\"\nowner = \"load-balancer\"\n\
    setting = \"edge.max_connection_age\"\ndefault_s = 43200\nanchor = \"open\"\n\n\
    [[clock]]\nid = \"edge-idle\"\nproduct = \"our edge\"\nowner = \"proxy\"\n\
    setting = \"edge.idle\"\ndefault_s = 437\nanchor = \"idle-app\"\n";

fn file(name: &str, text: &str) -> PathBuf {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    std::fs::write(&path, text).unwrap();
    path
}

#[test]
fn a_site_s_own_timers_are_found_beside_the_catalogue_s() {
    let own = file("own-clocks.toml", OWN);
    let own = own.to_str().unwrap();
    let found = run(["clocks", "437", "--clocks", own, "--format", "json"]).json();
    let ids: Vec<&str> =
        found.as_array().unwrap().iter().map(|c| c["id"].as_str().unwrap()).collect();
    assert_eq!(ids, ["edge-idle"]);
    assert_eq!(run(["clocks", "437"]).code, Some(4), "nothing else is 437 s");
}

#[test]
fn timers_of_silence_lie_between_the_bounds() {
    let found = run(["clocks", "--idle", "300..6m", "--format", "json"]).json();
    let found = found.as_array().unwrap();
    assert!(found.len() > 10, "{}", found.len());
    for clock in found {
        let idle = ["idle", "idle-app"].contains(&clock["anchor"].as_str().unwrap());
        let values = clock["typical_s"].as_array().unwrap().iter().chain([&clock["default_s"]]);
        let within = values.filter_map(|v| v.as_f64()).any(|v| (300.0..=360.0).contains(&v));
        assert!(idle && within, "{clock:#}");
    }
    for wrong in ["300", "400..300", "a..b"] {
        assert_eq!(run(["clocks", "--idle", wrong]).code, Some(2), "{wrong}");
    }
}

/// A number names nothing: a timer nobody read makes its causes likelier, and no more.
#[test]
fn diagnose_weighs_them_and_rhythm_lists_them() {
    let own = file("own-clocks-diagnose.toml", OWN);
    let with = ["--clocks", own.to_str().unwrap()];
    let share = |more: &[&str]| {
        let story = ["diagnose", "examples/egress-12h-no-capture", "--format", "json"];
        let report = run([&story[..], more].concat()).json();
        let all = report["findings"][0]["hypotheses"].as_array().unwrap().clone();
        let age = all.iter().find(|h| h["cause"] == "max-age-lb").unwrap();
        assert!(age["clock"].is_null(), "{age:#}");
        age["probability"].as_f64().unwrap()
    };
    assert!(share(&with) > share(&[]), "{} and {}", share(&with), share(&[]));
    let log = ["rhythm", "examples/egress-12h/client/app.log", "--format", "json"];
    let told = |more: &[&str]| run([&log[..], more].concat()).out;
    assert!(told(&with).contains("edge-max-age"), "{}", told(&with));
    assert!(!told(&[]).contains("edge-max-age"));
}

#[test]
fn a_file_that_is_none_is_named_and_nothing_else_is_done() {
    let broken = file("own-clocks-broken.toml", "[[clock]]\nid = 3\n");
    for (path, says) in [(broken.to_str().unwrap(), "expected a string"), ("/no/such", "No such")] {
        for command in [&["clocks"][..], &["diagnose", "examples/egress-12h"]] {
            let ran = run([command, &["--clocks", path]].concat());
            assert_eq!(ran.code, Some(2), "{ran:#?}");
            assert!(ran.err.contains(says) && ran.err.contains(path), "{ran:#?}");
        }
    }
}
