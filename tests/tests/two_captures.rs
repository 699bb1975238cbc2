//! What `diagnose` makes of two captures of one path: one finding whatever the ends are called and
//! whatever the clocks show, and evidence of what became of packets between.
//!
//! Recordings of the running kernel, one capture changed in known ways. Needs root and `nft`;
//! skipped by name without.

use crate::collect::in_namespace;
use crate::inquest::{diagnose, folder};
use crate::pair::{CONNECTIONS, Kept, Recorded, file, packets, recorded};
use hopclock_core::capture::{LinkType, Packet};
use hopclock_core::time::Moment;
use hopclock_core::wire::{Dissector, Flags, Reading};
use hopclock_tests::command::run;
use hopclock_tests::scratch;
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};

/// The second clock is ahead by as much.
const AHEAD_NS: i64 = 420_000_000_000;
const SKEW_PPM: f64 = 50.0;

/// The flags of a recorded packet; none where it is no segment.
fn flags(packet: &Kept, reader: &mut Dissector) -> Flags {
    let seen = Packet {
        number: 1,
        at: Moment::from_ns(packet.at),
        stamped: true,
        link: LinkType(packet.link),
        interface: 0,
        fcs_bytes: 0,
        bytes: &packet.bytes,
        wire_len: packet.wire_len,
    };
    match reader.read(&seen, 0) {
        Reading::Segment(segment) => segment.flags,
        _ => Flags(0),
    }
}

/// The capture without its openings, by a clock that is ahead and runs fast.
fn changed(capture: &[u8], ahead_ns: i64) -> Vec<u8> {
    let mut reader = Dissector::new();
    let mut all = packets(capture);
    let begins = all.first().map_or(0, |packet| packet.at);
    all.retain(|packet| !flags(packet, &mut reader).syn());
    for packet in &mut all {
        let drift = (packet.at - begins) as f64 * SKEW_PPM / 1e6;
        packet.at += ahead_ns + drift.round() as i64;
    }
    file(&all)
}

fn write(root: &Path, name: &str, bytes: &[u8]) {
    let path = root.join(name);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, bytes).unwrap();
}

fn findings(report: &Value) -> usize {
    report["findings"].as_array().unwrap().len()
}

/// The pieces of evidence that say this, and the files each cites.
fn says(report: &Value, words: &str) -> Vec<(String, Vec<String>)> {
    let all = report["evidence"].as_array().unwrap().iter();
    let own = all.filter(|e| e["says"].as_str().unwrap().contains(words));
    own.map(|e| {
        let cites = e["cites"].as_array().unwrap().iter();
        let files = cites.map(|c| c["file"].as_str().unwrap().to_owned()).collect();
        (e["id"].as_str().unwrap().to_owned(), files)
    })
    .collect()
}

/// Whether a piece of evidence speaks for a cause, or against it.
fn weighed(report: &Value, cause: &str, (id, _): &(String, Vec<String>), how: &str) -> bool {
    let all = report["findings"][0]["hypotheses"].as_array().unwrap();
    let own = all.iter().find(|h| h["cause"] == cause).unwrap();
    own[how].as_array().unwrap().iter().any(|e| e == id)
}

#[test]
fn views_are_one_finding_behind_random_ports_minutes_apart_without_openings() {
    let test = "views_are_one_finding_behind_random_ports_minutes_apart_without_openings";
    let Some(recorded) = recorded(test) else { return };
    let [client, server] = [(&recorded.client, 0), (&recorded.server, AHEAD_NS)]
        .map(|(capture, ahead)| changed(capture, ahead));
    // In folders of their hosts, and as files nobody says anything of, the server's first.
    for [one, other] in [["client/c.pcapng", "server/s.pcapng"], ["z.pcapng", "a.pcapng"]] {
        let root = folder(&[]);
        write(&root, one, &client);
        write(&root, other, &server);
        let (_, report) = diagnose(&root);
        assert_eq!(findings(&report), 1, "{one}");
        let about = &report["findings"][0]["connections"];
        assert_eq!(about["count"], CONNECTIONS, "{about}");
        let what = about["what"].as_str().unwrap();
        assert_eq!(what, "192.0.2.2 -> 198.51.100.2:7443", "{one}");
        let clocks = says(&report, "connections in common; the");
        assert_eq!(clocks.len(), 1, "{one}");
        let made = says(&report, "was made between the places of");
        assert_eq!(made.len(), 1, "{one}");
    }
}

/// A log that ends as the box's resets came, beside the client's capture, and the server's log with
/// a word that would explain it, so long after its clock showed the ends.
fn with_logs(recorded: &Recorded, after_ns: i64) -> Value {
    let mut reader = Dissector::new();
    let resets: Vec<i64> = packets(&recorded.client)
        .iter()
        .filter(|packet| flags(packet, &mut reader).rst())
        .map(|packet| packet.at)
        .collect();
    assert!(resets.len() >= 5, "{resets:?}");
    let stamp = |at: i64| jiff::Timestamp::from_nanosecond(i128::from(at)).unwrap();
    let ends: String = resets
        .iter()
        .map(|at| format!("{} WARN upstream lost: connection reset by peer\n", stamp(*at)))
        .collect();
    let words = resets.iter().zip(400..).map(|(at, process)| {
        let at = stamp(at + after_ns);
        format!("{at} kernel: Out of memory: Killed process {process} (worker)\n")
    });
    let word: String = words.collect();
    let root = folder(&[("client/app.log", &ends), ("server/kernel.log", &word)]);
    write(&root, "client/client.pcapng", &changed(&recorded.client, 0));
    write(&root, "server/server.pcapng", &changed(&recorded.server, AHEAD_NS));
    let (_, report) = diagnose(&root);
    assert_eq!(findings(&report), 1, "{report:#}");
    report
}

#[test]
fn a_log_keeps_the_clock_of_its_host() {
    let Some(recorded) = recorded("a_log_keeps_the_clock_of_its_host") else { return };
    let words = "Out of memory";
    // By the server's clock, which is ahead, the moment is the same.
    let told = says(&with_logs(recorded, AHEAD_NS), words);
    assert_eq!(told.len(), 1, "{told:?}");
    // The same stamp as the client's log has is minutes before the ends.
    assert_eq!(says(&with_logs(recorded, 0), words), []);
}

/// Plays a scenario once and gives its folder.
fn played(scenario: &str) -> PathBuf {
    let out = scratch("two-captures");
    let path = out.display().to_string();
    let ran = run(["lab", "run", scenario, "--seed", "7", "--out", &path]);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    out.join(format!("{scenario}-7"))
}

/// A copy of the client's and the server's capture alone, changed.
fn captures_alone(from: &Path) -> PathBuf {
    let root = folder(&[]);
    for (name, ahead) in [("client/client.pcapng", 0), ("server/server.pcapng", AHEAD_NS)] {
        write(&root, name, &changed(&fs::read(from.join(name)).unwrap(), ahead));
    }
    root
}

#[test]
fn packets_that_left_untranslated_are_evidence() {
    let name = "packets_that_left_untranslated_are_evidence";
    in_namespace(name, &["nft", "ip", "conntrack"], || {
        let from = played("nat-expiry-client-first");
        let alone = diagnose(&captures_alone(&from)).1;
        assert_eq!(findings(&alone), 1, "{alone:#}");
        assert_eq!(alone["findings"][0]["connections"]["count"], 1);
        // Beside a box's own dumps it speaks of what these say, and counts with them.
        let told = says(&alone, "left the box between untranslated");
        assert!(told.iter().all(|told| weighed(&alone, "idle-timeout-middlebox", told, "for")));
        let whole = diagnose(&from).1;
        for report in [alone, whole] {
            let told = says(&report, "left the box between untranslated");
            let [told] = told.as_slice() else { panic!("{told:?}") };
            assert!(told.1.len() >= 2, "both captures are pointed at: {told:?}");
            // They arrived, and that nobody answered says nothing of the server.
            assert_eq!(says(&report, "arrived at the other capture's place"), []);
        }
    });
}

#[test]
fn where_the_last_packets_were_lost_is_evidence() {
    let name = "where_the_last_packets_were_lost_is_evidence";
    in_namespace(name, &["nft", "ip", "conntrack"], || {
        let from = played("middlebox-silent-idle");
        let alone = diagnose(&captures_alone(&from)).1;
        assert_eq!(findings(&alone), 1, "{alone:#}");
        let whole = diagnose(&from).1;
        for report in [alone, whole] {
            let told = says(&report, "were lost between the two captures");
            let [told] = told.as_slice() else { panic!("{told:?}") };
            assert!(weighed(&report, "link-layer-event", told, "for"), "{report:#}");
            assert!(weighed(&report, "server-crash", told, "against"), "{report:#}");
            // That they came as far as the box says nothing of the end behind it.
            assert_eq!(says(&report, "arrived at the other capture's place"), []);
        }
    });
}
