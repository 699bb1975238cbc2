//! Dumps beside a capture: rules, sockets, counters, events and a balancer's timeouts are argued
//! from where they are of the connection, and say nothing where they are of another.

use super::inquest::{diagnose, folder};
use hopclock_tests::repo;
use serde_json::Value;
use std::fs;

/// The story's capture at the client with one more file; the connection ends 1716477286.647.
fn beside(name: &str, text: &str) -> Value {
    beside_all(&[(name, text)])
}

fn beside_all(files: &[(&str, &str)]) -> Value {
    let root = folder(files);
    fs::create_dir_all(root.join("client")).unwrap();
    let from = repo().join("examples/egress-12h/client/client.pcapng");
    fs::copy(from, root.join("client/client.pcapng")).unwrap();
    diagnose(&root).1
}

fn says(report: &Value, words: &str) -> bool {
    let all = report.pointer("/evidence").unwrap().as_array().unwrap();
    all.iter().any(|e| e["says"].as_str().unwrap().contains(words))
}

fn share(report: &Value, cause: &str) -> f64 {
    let all = report.pointer("/findings/0/hypotheses").unwrap().as_array().unwrap();
    let own = all.iter().find(|h| h["cause"] == cause).unwrap();
    own["probability"].as_f64().unwrap()
}

fn rules(rule: &str) -> String {
    format!(
        "table inet guard {{\n\tchain forward {{\n\t\ttype filter hook forward priority filter; policy accept;\n\
         \t\t{rule}\n\t}}\n}}\n"
    )
}

fn used(report: &Value, kind: &str) -> bool {
    let all = report.pointer("/inputs").unwrap().as_array().unwrap();
    all.iter().any(|i| i["kind"] == kind && i["records"].as_u64() > Some(0))
}

#[test]
fn a_rule_that_resets_the_connection_speaks_for_a_box_and_one_for_another_port_does_not() {
    let own = beside("hop-a/nft.txt", &rules("tcp dport 443 reject with tcp reset"));
    let other = beside("hop-a/nft.txt", &rules("tcp dport 444 reject with tcp reset"));
    assert!(used(&own, "nft rules") && used(&other, "nft rules"));
    assert!(says(&own, "answers it with a reset, established or not"), "{own:#}");
    assert!(!says(&other, "established or not"), "{other:#}");
    assert!(share(&own, "state-flush") > 3.0 * share(&other, "state-flush"));
}

#[test]
fn a_rule_that_asks_for_what_is_not_known_says_nothing() {
    let report = beside("hop-a/nft.txt", &rules("tcp dport 443 meta mark 7 drop"));
    assert!(!says(&report, "established or not"), "{report:#}");
}

#[test]
fn rules_of_one_of_the_ends_stop_nothing_on_the_way() {
    let report = beside("client/nft.txt", &rules("tcp dport 443 reject with tcp reset"));
    assert!(!says(&report, "established or not"), "{report:#}");
}

#[test]
fn dropping_what_is_invalid_is_told() {
    let report = beside("hop-a/nft.txt", &rules("ct state invalid drop"));
    assert!(says(&report, "drops INVALID packets in FORWARD"), "{report:#}");
}

fn socket(timer: &str) -> String {
    format!(
        "State Recv-Q Send-Q Local Address:Port Peer Address:Port Process\n\
         ESTAB 0 0 10.0.0.12:49314 10.42.11.8:443 {timer}\n\
         ESTAB 0 0 10.0.0.12:50000 10.42.11.9:443 timer:(keepalive,12sec,0)\n"
    )
}

#[test]
fn keepalive_counts_where_the_socket_has_it() {
    let on = beside("client/ss.txt", &socket("timer:(keepalive,119min,0)"));
    let off = beside("client/ss.txt", &socket(""));
    assert!(says(&on, "keepalive runs on the socket of the client"), "{on:#}");
    assert!(says(&off, "no keepalive runs on the socket of the client"), "{off:#}");
    assert!(share(&on, "keepalive-answered-early") > share(&off, "keepalive-answered-early"));
}

#[test]
fn a_listing_without_timers_says_nothing_of_keepalive() {
    let text = "ESTAB 0 0 10.0.0.12:49314 10.42.11.8:443\n";
    let report = beside("client/ss.txt", text);
    assert!(!says(&report, "keepalive runs"), "{report:#}");
    let asked = format!("# hopclock host=app-1 role=client cmd=\"ss -tno\"\n{text}");
    assert!(says(&beside("client/ss.txt", &asked), "no keepalive runs"));
}

fn listed(at: &str, dropped: u32) -> String {
    format!(
        "# hopclock host=egress-1 role=hop at={at} cmd=\"conntrack -S\"\n\
         cpu=0 \tfound=0 invalid=2 insert=0 insert_failed=0 drop=0 early_drop={dropped} error=0\n"
    )
}

#[test]
fn a_counter_that_rose_over_the_end_is_told_and_one_that_stood_is_not() {
    let before = listed("2024-05-23T14:00:00Z", 7);
    let rose = [("hop/1.txt", before.as_str()), ("hop/2.txt", &listed("2024-05-23T16:00:00Z", 9))];
    let report = beside_all(&rose);
    assert!(says(&report, "early_drop rose by 2 between two listings"), "{report:#}");
    let stood = [("hop/1.txt", before.as_str()), ("hop/2.txt", &listed("2024-05-23T16:00:00Z", 7))];
    assert!(!says(&beside_all(&stood), "rose by"));
    let over = listed("2024-05-23T14:10:00Z", 9);
    let earlier = [("hop/1.txt", before.as_str()), ("hop/2.txt", over.as_str())];
    assert!(!says(&beside_all(&earlier), "rose by"), "both before the end");
}

fn destroyed(at: u32) -> String {
    format!(
        "[{at}.250000\t][DESTROY] tcp      6 src=10.0.0.12 dst=10.42.11.8 sport=49314 dport=443 src=10.42.11.8 \
         dst=192.0.2.1 sport=443 dport=49314 [ASSURED]\n"
    )
}

#[test]
fn an_entry_destroyed_before_the_end_is_told_and_one_after_it_is_not() {
    let before = beside("hop-a/events.txt", &destroyed(1_716_477_280));
    assert!(
        says(&before, "the entry was destroyed 6.4 s before the connection ended"),
        "{before:#}"
    );
    let after = beside("hop-a/events.txt", &destroyed(1_716_477_290));
    assert!(used(&after, "conntrack -E") && !says(&after, "was destroyed"), "{after:#}");
}

#[test]
fn a_balancers_timeout_is_a_clock_of_the_box() {
    let report = beside("hop-a/ipvs.txt", "Timeout (tcp tcpfin udp): 900 120 300\n");
    assert!(says(&report, "ipvsadm --set tcp (first value) = 900"), "{report:#}");
}
