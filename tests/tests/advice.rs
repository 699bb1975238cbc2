//! What is advised: numbers that hold on the path in evidence, or none; nothing that is in place.

use crate::inquest::{diagnose, folder};
use serde_json::Value;
use std::fs;

fn fixes(report: &Value) -> &Vec<Value> {
    report.pointer("/findings/0/fixes").unwrap().as_array().unwrap()
}

fn fix<'a>(report: &'a Value, id: &str) -> Option<&'a Value> {
    fixes(report).iter().find(|f| f.pointer("/id").unwrap() == id)
}

fn word<'a>(value: &'a Value, at: &str) -> &'a str {
    value.pointer(at).and_then(Value::as_str).unwrap()
}

/// Connections, opened at times without a pattern, that end so many seconds after their last line.
fn log(after: &[f64], end: &str) -> String {
    let mut text = String::new();
    for (minute, after) in [3_u32, 31, 128, 171, 402, 407].into_iter().zip(after) {
        let at = |s: f64| {
            let minute = minute + (s / 60.0) as u32;
            format!("2026-03-02T{:02}:{:02}:{:06.3}Z", minute / 60, minute % 60, s % 60.0)
        };
        text += &format!("{} INFO connected to 198.51.100.9:443\n", at(1.0));
        text += &format!("{} INFO received 12 bytes\n", at(1.1));
        text += &format!("{} ERROR connection to 198.51.100.9:443 lost: {end}\n", at(1.1 + after));
    }
    text
}

fn of(files: &[(&str, &str)]) -> Value {
    diagnose(&folder(files)).1
}

#[test]
fn a_number_that_cannot_be_computed_is_said_in_words() {
    let log = log(&[0.05, 0.06, 0.04, 0.05, 0.05, 0.06], "connection reset by peer");
    let report = of(&[("client/app.log", &log)]);
    for fix in fixes(&report) {
        let text = fix.to_string();
        for wrong in [" 0 s", " 0.0", "to 0", "\"0\"", " 0.1"] {
            assert!(!text.contains(wrong), "{wrong:?}: {text}");
        }
    }
    let unknown = fixes(&report).iter().find(|f| word(f, "/do").contains("N is not known"));
    let unknown = unknown.unwrap_or_else(|| panic!("no measure says so: {:#?}", fixes(&report)));
    assert!(word(unknown, "/do").contains("sysctl net.netfilter"), "{unknown:#}");
}

#[test]
fn a_timer_longer_than_any_silence_seen_is_not_raised() {
    let log = log(&[600.0, 600.2, 601.0, 600.1, 600.0, 600.3], "timed out");
    let sysctl = |s: u32| format!("net.netfilter.nf_conntrack_tcp_timeout_established = {s}\n");
    let report = of(&[("client/app.log", &log), ("hop-nat/sysctl", &sysctl(432_000))]);
    assert_eq!(fix(&report, "raise-established"), None);
    let report = of(&[("client/app.log", &log), ("hop-nat/sysctl", &sysctl(600))]);
    let raise = fix(&report, "raise-established").unwrap();
    assert_eq!(word(raise, "/change/0/from"), "600");
    assert_eq!(word(raise, "/change/0/to"), "7440");
    assert_eq!(
        word(raise, "/undo/0"),
        "sysctl -w net.netfilter.nf_conntrack_tcp_timeout_established=600"
    );
}

#[test]
fn pings_come_oftener_than_the_shortest_timer_on_the_path_runs() {
    let log = log(&[9.0, 9.2, 9.1, 9.0, 9.1, 9.0], "timed out");
    let sysctl = "net.netfilter.nf_conntrack_tcp_timeout_established = 8\n";
    let report = of(&[("client/app.log", &log), ("hop-nat/sysctl", sysctl)]);
    for id in ["h2-ping", "keepalive-below", "heartbeat-below"] {
        let fix = fix(&report, id).unwrap_or_else(|| panic!("{id}: {:#?}", fixes(&report)));
        assert!(word(fix, "/change/0/to").ends_with("4 s"), "{id}: {fix:#}");
    }
    // What the server counts as abuse stands beside it, and the side that has to permit it.
    let ping = fix(&report, "h2-ping").unwrap();
    assert!(word(ping, "/risk").contains("300 s"), "{ping:#}");
    assert_eq!(word(ping, "/change/1/role"), "server");
}

#[test]
fn what_is_in_place_is_not_proposed() {
    let story = |sysctl: &str| {
        let root = folder(&[("hop-egress-1/sysctl", sysctl)]);
        fs::create_dir_all(root.join("client")).unwrap();
        let example = hopclock_tests::repo().join("examples/egress-12h");
        for file in ["client/app.log", "client/client.pcapng", "hop-egress-1/conntrack.txt"] {
            fs::copy(example.join(file), root.join(file)).unwrap();
        }
        diagnose(&root).1
    };
    let report = story(
        "net.netfilter.nf_conntrack_tcp_be_liberal = 1\nnet.netfilter.nf_conntrack_tcp_loose = 1\n",
    );
    assert_eq!(fix(&report, "be-liberal"), None);
    assert_eq!(fix(&report, "loose"), None);
    let report = story("net.netfilter.nf_conntrack_tcp_be_liberal = 0\n");
    let fix = fix(&report, "be-liberal").unwrap();
    assert_eq!(word(fix, "/change/0/from"), "0");
    assert_eq!(word(fix, "/change/0/host"), "egress-1");
}
