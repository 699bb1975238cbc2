//! The inquest on small evidence made for one question each: what ties a fact to a connection, and
//! what must not be concluded.

use hopclock_tests::command::{Ran, run};
use hopclock_tests::schema::validate;
use hopclock_tests::{repo, scratch};
use serde_json::Value;
use std::fs;
use std::path::Path;

/// A folder of evidence: names and contents.
pub(crate) fn folder(files: &[(&str, &str)]) -> std::path::PathBuf {
    let root = scratch("inquest");
    for (name, text) in files {
        let path = root.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    root
}

pub(crate) fn diagnose(folder: &Path) -> (Ran, Value) {
    let path = folder.display().to_string();
    let ran = run(["diagnose", "--format", "json", &path]);
    let report = ran.json();
    validate("report", &report);
    fs::remove_dir_all(folder).unwrap();
    (ran, report)
}

fn outcome(report: &Value) -> &str {
    report.pointer("/findings/0/outcome").and_then(Value::as_str).unwrap()
}

fn says(report: &Value) -> String {
    report.pointer("/evidence").unwrap().to_string()
}

fn share(report: &Value, cause: &str) -> f64 {
    let all = report.pointer("/findings/0/hypotheses").unwrap().as_array().unwrap();
    let own = all.iter().find(|h| h.pointer("/cause").unwrap() == cause).unwrap();
    own.pointer("/probability").unwrap().as_f64().unwrap()
}

/// Ends of a connection every `every` minutes from midnight, with a line before each.
fn log(ends: usize, every: usize, why: &str) -> String {
    let stamp =
        |m: usize| format!("2026-03-{:02}T{:02}:{:02}:07Z", 2 + m / 1440, m / 60 % 24, m % 60);
    (1..=ends)
        .map(|n| format!("{} WARN upstream connection closed: {why}\n", stamp(n * every)))
        .collect()
}

const ENTRY: &str = "ESTABLISHED src=10.0.0.12 dst=10.42.11.8 sport=49314 dport=443 src=10.42.11.8 \
                     dst=192.0.2.1 sport=443 dport=49314 [ASSURED] mark=0 use=1";

fn sample(at: &str, remaining: u32) -> String {
    format!("# hopclock host=egress-1 role=hop at={at}\ntcp      6 {remaining} {ENTRY}\n")
}

/// The story's client folder with two dated looks at the entry.
fn story_with(first: u32, second: u32) -> Value {
    let root = folder(&[
        ("hop-egress-1/one.txt", &sample("2024-05-23T15:00:00Z", first)),
        ("hop-egress-1/two.txt", &sample("2024-05-23T15:10:00Z", second)),
    ]);
    fs::create_dir_all(root.join("client")).unwrap();
    for file in ["app.log", "client.pcapng", "sysctl.txt"] {
        let from = repo().join("examples/egress-12h/client").join(file);
        fs::copy(from, root.join("client").join(file)).unwrap();
    }
    diagnose(&root).1
}

#[test]
fn two_looks_that_fall_with_the_clock_name_the_freeze() {
    let report = story_with(43_199, 42_599);
    assert_eq!(outcome(&report), "named");
    assert_eq!(report.pointer("/findings/0/verdict/cause").unwrap(), "conntrack-frozen-timer");
    assert!(says(&report).contains("nothing refreshed it"), "{}", says(&report));
}

#[test]
fn two_looks_that_stay_clear_the_box() {
    let report = story_with(43_199, 43_200);
    assert!(share(&report, "conntrack-frozen-timer") < 0.55, "{report:#}");
    assert!(says(&report).contains("it is refreshed"));
}

#[test]
fn an_entry_is_held_against_the_timeout_of_its_own_host() {
    let mut files = vec![("client/app.log", log(12, 60, "connection reset by peer"))];
    files.push((
        "hop-a/sysctl",
        "net.netfilter.nf_conntrack_tcp_timeout_established = 432000\n".into(),
    ));
    files.push((
        "hop-b/sysctl",
        "net.netfilter.nf_conntrack_tcp_timeout_established = 3600\n".into(),
    ));
    files.push(("hop-b/conntrack", format!("tcp 6 3599 {ENTRY}\n")));
    let files: Vec<(&str, &str)> = files.iter().map(|(n, t)| (*n, t.as_str())).collect();
    let (_, report) = diagnose(&folder(&files));
    assert!(says(&report).contains("3599 of 3600 s remain"), "{}", says(&report));
}

#[test]
fn entries_of_other_connections_are_not_this_ones() {
    let lines = "tcp 6 431999 ESTABLISHED src=10.0.0.13 dst=10.42.11.9 sport=1 dport=443 src=10.42.11.9 \
                 dst=192.0.2.1 sport=443 dport=1 [ASSURED] use=1\n\
                 tcp 6 100 SYN_SENT src=10.0.0.14 dst=10.42.11.9 sport=2 dport=443 [UNREPLIED] src=10.42.11.9 \
                 dst=192.0.2.1 sport=443 dport=2 use=1\n";
    let log = log(12, 60, "read tcp 10.0.0.12:41000->10.42.11.8:5432: connection reset by peer");
    let (_, report) = diagnose(&folder(&[("app.log", &log), ("hop-a/conntrack", lines)]));
    assert!(says(&report).contains("cannot be tied"), "{}", says(&report));
    assert!(!says(&report).contains("translates"), "{}", says(&report));
}

#[test]
fn an_incident_before_the_connections_says_nothing_of_them() {
    let log = log(20, 6, "connection reset by peer");
    let notes = "2026-02-20T10:00:00Z opened a ticket about the firewall\n";
    let (_, report) = diagnose(&folder(&[("app.log", &log), ("notes.md", notes)]));
    assert!(!says(&report).contains("outlived"), "{}", says(&report));
}

#[test]
fn a_happening_long_before_the_capture_does_not_explain_it() {
    let root = folder(&[("old.log", "2024-05-20T10:00:00Z box firewalld: firewall reloaded\n")]);
    let capture = repo().join("examples/egress-12h/client/client.pcapng");
    fs::copy(capture, root.join("client.pcapng")).unwrap();
    let (_, report) = diagnose(&root);
    assert!(share(&report, "state-flush") < 0.3, "{report:#}");
}

#[test]
fn one_age_is_no_schedule() {
    let log = "2026-03-02T10:00:00Z INFO connected to db.example:5432\n\
               2026-03-02T12:00:00Z ERROR connection to db.example:5432 closed: unexpected EOF\n";
    let (ran, report) = diagnose(&folder(&[("app.log", log)]));
    assert!(share(&report, "wall-clock-schedule") < 0.1, "{report:#}");
    assert_eq!(ran.code, Some(4), "one end is not enough: {}", outcome(&report));
}

#[test]
fn a_silence_bounded_from_above_alone_fits_no_timer() {
    // Nightly ends, an hourly line: the silence is at most an hour, which is no 300 s timeout.
    let mut text = String::new();
    for day in 1..=14 {
        for hour in 0..24 {
            text += &format!(
                "2026-03-{day:02}T{hour:02}:00:10Z INFO received 71 messages in the last hour\n"
            );
            if hour == 3 {
                text += &format!(
                    "2026-03-{day:02}T03:30:00Z WARN connection to broker closed: going away\n"
                );
            }
        }
    }
    let (_, report) = diagnose(&folder(&[("app.log", &text)]));
    let lead = report.pointer("/findings/0/hypotheses/0/cause").unwrap();
    assert_eq!(lead, "wall-clock-schedule", "{report:#}");
}

#[test]
fn a_constant_age_that_stands_in_the_catalogue_is_not_named_for_it() {
    let mut text = String::new();
    let mut at = 0;
    for _ in 0..20 {
        let stamp =
            |s: i32| format!("2026-03-02T{:02}:{:02}:{:02}.100Z", s / 3600, s / 60 % 60, s % 60);
        text += &format!("{} INFO stream opened\n", stamp(at));
        text += &format!("{} WARN stream closed\n", stamp(at + 350));
        at += 352;
    }
    let (_, report) = diagnose(&folder(&[("app.log", &text)]));
    assert_ne!(outcome(&report), "named", "{report:#}");
    assert!(report.pointer("/findings/0/verdict/clock").is_none_or(Value::is_null));
}
