//! The letter to the other side's team, read as that team reads it: whether it can be answered
//! without hopclock, and what `--redact` leaves of the names in it and in the report.

use hopclock_core::redact::{Key, Redactor};
use hopclock_tests::command::run;
use hopclock_tests::{material, repo, scratch};
use serde_json::Value;
use std::fs;
use std::path::PathBuf;

const STORY: &str = "examples/egress-12h";
const KEY: &str = "00112233445566778899aabbccddeeff";

fn letters(folder: &str) -> Vec<String> {
    let report = run(["diagnose", "--format", "json", folder]).json();
    let all = report["findings"].as_array().unwrap().iter();
    all.filter_map(|f| f["letter"].as_str()).map(str::to_owned).collect()
}

#[test]
fn it_names_four_tuples_as_both_sides_see_them_packets_times_and_asks_one_question() {
    let [letter] = &letters(STORY)[..] else { panic!("one letter") };
    for part in [
        "10.0.0.12:49314 -> 10.42.11.8:443",
        "you see it from 192.0.2.1:49314",
        "packet 1442 of client/client.pcapng",
        "2024-05-23T15:14:46.647Z",
        "28 so far",
        "UTC",
        "a RST that carries your address",
        "43201 s (12 h)",
        "balancer idle timeout = 350 s",
    ] {
        assert!(letter.contains(part), "{part}: {letter}");
    }
    plain(letter);
}

/// No word of ours that says nothing to the reader.
fn plain(letter: &str) {
    assert_eq!(letter.matches('?').count(), 1, "one question: {letter}");
    for ours in
        ["net.", "nf_conntrack", "tcp_keepalive", "the client ", "the box ", "hopclock", "* "]
    {
        assert!(!letter.contains(ours), "{ours:?}: {letter}");
    }
    let lines = letter.lines().filter(|line| line.starts_with("  "));
    assert!(lines.clone().all(|line| line.starts_with("  - ")), "{letter}");
    assert!(letter.starts_with("Hello,\n\nWe lo") && letter.ends_with("Thank you."), "{letter}");
}

#[test]
fn of_many_connections_a_handful_is_told_and_the_rest_counted() {
    let Some(folder) = material("of_many_connections_a_handful_is_told_and_the_rest_counted")
    else {
        return;
    };
    let mut counted = 0;
    let mut cases: Vec<PathBuf> =
        fs::read_dir(folder.join("cases")).unwrap().map(|e| e.unwrap().path()).collect();
    cases.sort();
    for case in cases.iter().map(|case| case.join("evidence")).filter(|path| path.is_dir()) {
        for letter in letters(&case.to_string_lossy()) {
            plain(&letter);
            let shown = letter.lines().filter(|line| line.contains(" -> ")).count();
            assert!(shown <= 6, "{}: {letter}", case.display());
            counted += usize::from(letter.contains(" more like these"));
        }
    }
    assert!(counted > 0, "no case with many connections in a capture");
}

#[test]
fn it_is_printed_alone_or_written_beside_the_report_in_lines_fit_for_a_mail() {
    let alone = run(["diagnose", "--letter", STORY]);
    assert_eq!((alone.code, alone.err.as_str()), (Some(0), ""));
    assert!(alone.out.starts_with("Hello,\n") && alone.out.ends_with("Thank you.\n"));
    for line in alone.out.lines() {
        assert!(line.chars().count() <= 72, "{line}");
    }
    let folder = scratch("letter");
    let file = folder.join("letter.txt");
    let ran = run(["diagnose", &format!("--letter={}", file.display()), STORY]);
    assert_eq!((ran.code, ran.err.as_str()), (Some(0), ""));
    assert!(ran.out.contains("What does not fit together"));
    assert_eq!(fs::read_to_string(&file).unwrap(), alone.out);
    fs::remove_dir_all(folder).unwrap();
    let ran = run(["diagnose", "--letter=no/such/folder/letter.txt", STORY]);
    assert_eq!((ran.code, ran.out.as_str()), (Some(2), ""), "{ran:#?}");
}

#[test]
fn whoever_cannot_tell_is_sent_none() {
    let ran = run(["diagnose", "--letter", "examples/nat-expiry"]);
    assert_eq!((ran.code, ran.out.as_str()), (Some(0), ""), "{ran:#?}");
    assert!(ran.err.contains("no letter"), "{ran:#?}");
}

// ── under other names ────────────────────────────────────────

/// Addresses and hosts the evidence names, none of them of a documentation network: those stay.
const NAMES: [&str; 5] = ["10.0.0.12", "10.42.11.8", "app-7", "egress-1", "upstream-1"];

#[test]
fn no_format_keeps_an_address_or_a_host_and_the_argument_is_the_same() {
    for folder in [STORY, "examples/nat-expiry", "examples/egress-12h-settled"] {
        let plain = run(["diagnose", "--explain", "--format", "json", folder]).json();
        let whole = plain.to_string();
        let named: Vec<&str> = NAMES.into_iter().filter(|name| whole.contains(name)).collect();
        assert!(named.len() >= 2, "{folder}: {named:?}");
        for format in ["json", "jsonl", "text", "markdown"] {
            let words = ["diagnose", "--explain", "--redact-key", KEY, "--format", format, folder];
            let ran = run(words);
            assert_eq!((ran.code, ran.err.as_str()), (Some(0), ""), "{folder}");
            for name in &named {
                // The folder as it was typed is the user's own word.
                let out = ran.out.replace(folder, "");
                assert!(!out.contains(name), "{folder} as {format} keeps {name}");
            }
            if format == "json" {
                assert_eq!(argued(&ran.json()), argued(&plain), "{folder}");
            }
        }
        let page = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join("redacted.html");
        let file = page.to_str().unwrap();
        let ran = run(["diagnose", "--redact-key", KEY, "--html", file, folder]);
        assert_eq!(ran.code, Some(0), "{ran:#?}");
        let out = fs::read_to_string(&page).unwrap().replace(folder, "");
        for name in &named {
            assert!(!out.contains(name), "{folder} as a page keeps {name}");
        }
    }
}

fn argued(report: &Value) -> Value {
    let findings = report["findings"].as_array().unwrap().iter();
    let shares = findings.map(|f| {
        let all = f["hypotheses"].as_array().unwrap().iter();
        let all: Vec<Value> =
            all.map(|h| Value::from(vec![h["cause"].clone(), h["probability"].clone()])).collect();
        Value::from(vec![f["outcome"].clone(), Value::from(all)])
    });
    Value::from(shares.collect::<Vec<_>>())
}

#[test]
fn one_key_gives_report_letter_and_collected_evidence_the_same_names() {
    let mut redactor = Redactor::new(Key::parse(KEY).unwrap());
    let wanted = redactor.address("10.0.0.12".parse().unwrap()).to_string();
    let letter = run(["diagnose", "--letter", "--redact-key", KEY, STORY]).out;
    let report = run(["diagnose", "--redact-key", KEY, STORY]).out;
    assert!(letter.contains(&format!("{wanted}:49314")) && report.contains(&wanted));
}

#[test]
fn a_new_key_is_told_and_the_map_undoes_it() {
    let folder = scratch("redact-map");
    let map = folder.join("map");
    let words = ["diagnose", "--quiet", "--redact", "--redact-map", &map.to_string_lossy(), STORY]
        .map(str::to_owned);
    let ran = run(words);
    assert_eq!(ran.code, Some(0), "{ran:#?}");
    let key = ran.err.trim().rsplit(' ').next().unwrap();
    assert!(Key::parse(key).is_some(), "{ran:#?}");
    let map = fs::read_to_string(map).unwrap();
    let pairs: Vec<(&str, &str)> = map.lines().map(|line| line.split_once('\t').unwrap()).collect();
    let (new, _) = pairs.iter().find(|(_, old)| *old == "10.0.0.12").unwrap();
    assert!(ran.out.contains(new), "{map}");
    fs::remove_dir_all(folder).unwrap();
    assert_eq!(run(["diagnose", "--redact-map", "x", STORY]).code, Some(2));
    assert!(!repo().join("x").exists());
}
