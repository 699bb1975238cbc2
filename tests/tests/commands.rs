//! The command line as a user meets it: exit codes, formats, and one clear sentence for what goes
//! wrong. What the answers say is tested where the answers are made.

use hopclock_tests::command::{Hopclock, Ran, binary, run};
use hopclock_tests::{material, repo, schema};
use std::fs;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

const STORY: &str = "examples/egress-12h";
const CAPTURE: &str = "examples/egress-12h/client/client.pcapng";

/// Trouble is told on standard error alone, in a few lines, and not in a panic's words.
fn assert_told(ran: &Ran, code: i32) {
    assert_eq!(ran.code, Some(code), "{ran:#?}");
    assert_eq!(ran.out, "", "{ran:#?}");
    assert!((1..=10).contains(&ran.err.lines().count()), "{ran:#?}");
    assert_no_panic(ran);
}

fn assert_no_panic(ran: &Ran) {
    let panicked = ran.err.contains("panicked") || ran.code.is_none() || ran.code == Some(101);
    assert!(!panicked, "{ran:#?}");
}

/// A file made for one test, in the folder cargo keeps for that.
fn made(name: &str, bytes: &[u8]) -> PathBuf {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(&path, bytes).unwrap();
    path
}

fn examples() -> Vec<String> {
    let entries = fs::read_dir(repo().join("examples")).unwrap().map(Result::unwrap);
    let folders = entries.filter(|e| e.path().is_dir());
    folders.map(|e| format!("examples/{}", e.file_name().to_string_lossy())).collect()
}

// ── usage ────────────────────────────────────────────────────

#[test]
fn help_and_version_are_answers() {
    for args in [&["--help"][..], &["--version"], &["diagnose", "--help"], &["flows", "--help"]] {
        let ran = run(args);
        assert_eq!((ran.code, ran.err.as_str()), (Some(0), ""), "{args:?}");
        assert!(ran.out.contains("hopclock") || ran.out.contains("Usage"), "{args:?}: {}", ran.out);
    }
}

#[test]
fn a_mistake_of_typing_is_usage_and_names_the_word() {
    for (args, word) in [
        (vec!["no-such-command"], "no-such-command"),
        (vec!["diagnose", "--no-such-flag", "x.pcap"], "--no-such-flag"),
        (vec!["diagnose", "--format", "yaml", "x.pcap"], "yaml"),
        (vec!["diagnose"], "EVIDENCE"),
        (vec!["flows"], "CAPTURE"),
        (vec!["flows", "-", "-"], "standard input"),
    ] {
        let ran = run(&args);
        assert_told(&ran, 2);
        assert!(ran.err.contains(word), "{args:?}: {}", ran.err);
    }
}

// ── formats ──────────────────────────────────────────────────

#[test]
fn every_command_knows_the_same_four_formats() {
    for args in [&["diagnose", STORY][..], &["flows", CAPTURE], &["clocks", "350"]] {
        for format in ["text", "json", "jsonl", "markdown"] {
            let ran = run(args.iter().copied().chain(["--format", format]));
            assert_eq!(ran.code, Some(0), "{args:?} {format}: {}", ran.err);
            assert_no_panic(&ran);
            assert!(ran.out.ends_with('\n'), "{args:?} {format}: the last line is a whole one");
            match format {
                "json" => drop(ran.json()),
                "jsonl" => assert!(!ran.jsonl().is_empty(), "{args:?}"),
                _ => assert!(!ran.out.contains('\u{1b}'), "colour, and this is no terminal"),
            }
        }
    }
}

#[test]
fn the_first_screen_fits_eighty_columns() {
    let ran = run(["diagnose", "--quiet", STORY]);
    assert_eq!(ran.code, Some(0), "{ran:#?}");
    for line in ran.out.lines() {
        // A command to copy is not broken.
        let is_command = line.starts_with("    ");
        assert!(is_command || line.chars().count() <= 80, "{line}");
    }
}

#[test]
fn every_example_is_told_by_the_reports_schema_and_the_code_says_whether_it_is_an_answer() {
    for example in examples() {
        let ran = run(["diagnose", "--explain", "--format", "json", &example]);
        let report = ran.json();
        schema::validate("report", &report);
        let findings = report["findings"].as_array().unwrap();
        let answers = findings.iter().any(|f| f["outcome"] != "cannot-say");
        assert_eq!(ran.code, Some(if answers { 0 } else { 4 }), "{example}");
        let cited = findings.iter().flat_map(|f| f["hypotheses"].as_array().unwrap());
        assert!(cited.clone().any(|h| h["cause"] == "unknown"), "{example}: something else");
        let sum: f64 = findings[0]["hypotheses"]
            .as_array()
            .unwrap()
            .iter()
            .filter_map(|h| h["probability"].as_f64())
            .sum();
        assert!((sum - 1.0).abs() < 0.01, "{example}: the probabilities add up to {sum}");
    }
}

#[test]
fn every_evidence_id_of_a_report_is_an_entry_of_its_evidence() {
    for example in examples() {
        let report = run(["diagnose", "--format", "json", &example]).json();
        let told: Vec<&str> = report["evidence"]
            .as_array()
            .unwrap()
            .iter()
            .filter_map(|e| e["id"].as_str())
            .collect();
        for finding in report["findings"].as_array().unwrap() {
            let lists = ["for", "against"].map(|list| (list, "hypotheses"));
            for (list, of) in lists.into_iter().chain([("between", "contradictions")]) {
                for id in
                    finding[of].as_array().unwrap().iter().flat_map(|h| h[list].as_array().unwrap())
                {
                    assert!(told.contains(&id.as_str().unwrap()), "{example}: {list} names {id}");
                }
            }
        }
    }
}

#[test]
fn the_same_evidence_prints_the_same_bytes() {
    let once = run(["diagnose", "--explain", "--format", "json", STORY]);
    let again = run(["diagnose", "--explain", "--format", "json", STORY]);
    assert_eq!(once.out, again.out);
}

#[test]
fn every_line_of_flows_keeps_to_its_schema() {
    let ran = run(["flows", "--format", "jsonl", CAPTURE]);
    assert!(!ran.out.is_empty(), "{ran:#?}");
    ran.jsonl().iter().for_each(|flow| schema::validate("flow", flow));
}

#[test]
fn captures_of_every_kind_give_lines_by_the_schema_or_a_sentence() {
    let Some(folder) = material("captures_of_every_kind_give_lines_by_the_schema_or_a_sentence")
    else {
        return;
    };
    let mut lines = 0;
    for entry in fs::read_dir(folder.join("captures")).unwrap().map(Result::unwrap) {
        let ran = run([Path::new("flows"), Path::new("--format=jsonl"), &entry.path()]);
        assert_no_panic(&ran);
        match ran.code {
            Some(0) => {
                ran.jsonl().iter().for_each(|flow| schema::validate("flow", flow));
                lines += ran.out.lines().count();
            }
            _ => assert_told(&ran, 3),
        }
    }
    assert!(lines > 100, "{lines} connections");
}

// ── bad input ────────────────────────────────────────────────

#[test]
fn nothing_usable_is_a_sentence_that_names_the_file() {
    let capture = fs::read(repo().join(CAPTURE)).unwrap();
    let noise: Vec<u8> =
        (0..5000_u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 23) as u8).collect();
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("nothing-here");
    fs::create_dir_all(&folder).unwrap();
    for path in [
        PathBuf::from("no/such/file.pcap"),
        folder,
        made("bad/empty.log", b""),
        made("bad/cut.pcapng", &capture[..300]),
        made("bad/noise.bin", &noise),
        made("bad/prose.txt", b"the quick brown fox\n"),
        made("bad/packed.gz", b"\x1f\x8b\x08\x00\x00\x00"),
    ] {
        let ran = run([Path::new("diagnose"), &path]);
        assert_told(&ran, 3);
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        assert!(ran.err.contains(&name), "{name}: {}", ran.err);
    }
}

#[test]
fn what_cannot_be_read_is_noted_and_the_rest_is_used() {
    let bad = made("partly/empty.log", b"");
    let log = repo().join("examples/egress-12h/client/app.log");
    let ran = run([Path::new("diagnose"), Path::new("--format=json"), &log, &bad]);
    assert!(matches!(ran.code, Some(0 | 4)), "{ran:#?}");
    let report = ran.json();
    schema::validate("report", &report);
    let inputs = report["inputs"].as_array().unwrap();
    let of =
        |name: &str| inputs.iter().find(|i| i["file"].as_str().unwrap().ends_with(name)).unwrap();
    assert!(of("app.log")["records"].as_u64().unwrap() > 300, "{inputs:#?}");
    assert!(!of("empty.log")["notes"].as_array().unwrap().is_empty(), "{inputs:#?}");
}

#[test]
fn a_truncated_capture_is_used_as_far_as_it_goes() {
    let whole = fs::read(repo().join(CAPTURE)).unwrap();
    let cut = made("cut/client.pcapng", &whole[..whole.len() / 2]);
    let ran = run([Path::new("flows"), Path::new("--format=json"), &cut]);
    assert_eq!(ran.code, Some(0), "{ran:#?}");
    let told = ran.json().to_string();
    assert!(told.contains("cut") || told.contains("trunc") || told.contains("end"), "{told}");
    assert!(told.contains("10.42.11.8:443"), "{told}");
}

#[test]
fn evidence_comes_by_standard_input_too() {
    let log = fs::read(repo().join("examples/egress-12h/client/app.log")).unwrap();
    let ran = Hopclock::new(["diagnose", "--format", "json", "-"]).stdin(log).run();
    assert!(matches!(ran.code, Some(0 | 4)), "{ran:#?}");
    schema::validate("report", &ran.json());
}

#[test]
fn a_reader_that_had_enough_is_no_failure() {
    for args in [&["--help"][..], &["clocks", "--format", "jsonl"], &["diagnose", STORY]] {
        let mut child = Command::new(binary())
            .args(args)
            .current_dir(repo())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        drop(child.stdout.take());
        let mut told = String::new();
        child.stderr.take().unwrap().read_to_string(&mut told).unwrap();
        assert_eq!(child.wait().unwrap().code(), Some(0), "{args:?}: {told}");
        assert_eq!(told, "", "{args:?}");
    }
}
