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

fn orders(report: &Value) -> &Vec<Value> {
    report.pointer("/timer_order").unwrap().as_array().unwrap()
}

#[test]
fn timers_that_must_be_ordered_are_compared_and_what_is_violated_stands_first() {
    let log = log(&[9.0, 9.2, 9.1, 9.0, 9.1, 9.0], "timed out");
    let report = of(&[
        ("client/app.log", &log),
        ("client/sysctl", "net.ipv4.tcp_keepalive_time = 7200\n"),
        (
            "hop-nat/sysctl",
            "net.netfilter.nf_conntrack_tcp_timeout_established = 3600\n\
             net.netfilter.nf_conntrack_tcp_timeout_unacknowledged = 300\n",
        ),
    ]);
    let [probes, resent] = orders(&report).as_slice() else { panic!("{:#?}", orders(&report)) };
    assert_eq!(probes.pointer("/holds").unwrap(), false);
    assert_eq!(probes.pointer("/shorter/seconds").unwrap(), 7200.0);
    assert_eq!(probes.pointer("/longer/seconds").unwrap(), 3600.0);
    for end in ["/shorter/evidence", "/longer/evidence"] {
        assert_eq!(probes.pointer(end).unwrap().as_array().unwrap().len(), 1, "{probes:#}");
    }
    // Half of it on one side, or twice on the other: the side stands with the number.
    let change = word(probes, "/change");
    assert!(change.contains("client's side: lower it to 1800 s"), "{change}");
    assert!(change.contains("on the box: raise it above 14400 s"), "{change}");
    assert_eq!(resent.pointer("/holds").unwrap(), true);
}

#[test]
fn a_balancer_that_outwaits_its_backend_is_told_though_it_is_not_the_cause() {
    let example = hopclock_tests::repo().join("examples/egress-12h").display().to_string();
    let report = hopclock_tests::command::run(["diagnose", "--format", "json", &example]).json();
    let broken = orders(&report).iter().find(|o| o.pointer("/holds").unwrap() == false).unwrap();
    assert_eq!(word(broken, "/shorter/what"), "balancer idle timeout");
    assert_eq!(word(broken, "/longer/what"), "server idle timeout");
    let text = hopclock_tests::command::run(["diagnose", &example]).out;
    assert!(text.contains("The order of timers"), "{text}");
    assert!(text.contains("balancer idle timeout (350 s) must be shorter than server"), "{text}");
}

/// What is told of an entry with so many seconds left, on a box whose established timer is an
/// hour.
fn told_of(remaining: u32) -> Value {
    let line = format!(
        "tcp 6 {remaining} ESTABLISHED src=10.0.0.12 dst=198.51.100.9 sport=49314 dport=443 src=198.51.100.9 \
         dst=192.0.2.1 sport=443 dport=49314 [ASSURED] use=1\n"
    );
    let words = "read tcp 10.0.0.12:49314->198.51.100.9:443: i/o timeout";
    let log = log(&[9.0, 9.2, 9.1, 9.0, 9.1, 9.0], words);
    of(&[
        ("client/app.log", &log),
        ("hop-nat/conntrack", &line),
        ("hop-nat/sysctl", "net.netfilter.nf_conntrack_tcp_timeout_established = 3600\n"),
    ])
}

#[test]
fn an_entry_may_run_for_the_timer_of_what_nobody_acknowledged() {
    let foreign = "not of one box";
    // Below 300 s it may be either timer's; above, no connection of ten seconds can be so old.
    for (remaining, told) in [(298, false), (12, false), (1200, true)] {
        let report = told_of(remaining);
        let says = report.pointer("/findings/0/contradictions").unwrap().to_string();
        assert_eq!(says.contains(foreign), told, "{remaining}: {says}");
        let evidence = report.pointer("/evidence").unwrap().to_string();
        assert!(evidence.contains(&format!("{remaining} ")), "{remaining}: {evidence}");
        assert_eq!(evidence.contains("cannot tell which"), !told, "{remaining}: {evidence}");
    }
}
