//! An end of file and a connection reset are two ways of ending: where a log says one and the
//! capture shows the other, or a log says both of one end, the diagnosis says so with its cites.

use hopclock_core::story::Story;
use hopclock_tests::command::run;
use hopclock_tests::{schema, scratch};
use serde_json::Value;
use std::fs;

/// A connection of a minute, and the server's last segment.
fn capture(last: &str) -> Vec<u8> {
    let said = |at: f64, from: &str, segment: &str| {
        format!("[[said]]\nat_s = {at:?}\nfrom = \"{from}\"\nsegment = \"{segment}\"\n")
    };
    let text = [
        "story = \"a connection of a minute\"\nstart = \"2024-05-10T03:13:22Z\"\n\
         client = { addr = \"192.0.2.12:49314\", ttl = 64, seq = 1000, window = 1021 }\n\
         server = { addr = \"198.51.100.8:443\", ttl = 57, seq = 9000, window = 501 }\n"
            .to_owned(),
        said(0.0, "client", "SYN"),
        said(0.02, "server", "SYN ACK"),
        said(0.04, "client", "ACK"),
        said(0.05, "client", "PSH ACK len=120"),
        said(0.07, "server", "PSH ACK len=900"),
        said(0.09, "client", "ACK"),
        said(58.0, "client", "PSH ACK len=20"),
        said(58.02, "server", "ACK"),
        said(60.0, "server", last),
    ];
    Story::parse(&text.join("\n")).unwrap().capture().unwrap()
}

/// The report on a client's log and, where there is one, its capture.
fn report(name: &str, log: &str, last: Option<&str>) -> Value {
    let folder = scratch(name);
    let client = folder.join("client");
    fs::create_dir_all(&client).unwrap();
    fs::write(client.join("app.log"), log).unwrap();
    if let Some(last) = last {
        fs::write(client.join("client.pcapng"), capture(last)).unwrap();
    }
    let ran = run(["diagnose", "--format", "json", folder.to_str().unwrap()]);
    fs::remove_dir_all(&folder).unwrap();
    let report = ran.json();
    schema::validate("report", &report);
    report
}

/// What the contradiction with these words stands on: file, first line or packet.
fn stands_on(report: &Value, words: &str) -> Option<Vec<(String, u64)>> {
    let all = report["findings"][0]["contradictions"].as_array()?;
    let found = all.iter().find(|c| c["says"].as_str().is_some_and(|s| s.contains(words)))?;
    let cites = found["between"].as_array()?.iter().flat_map(|id| {
        let evidence = report["evidence"].as_array().unwrap();
        let piece = evidence.iter().find(|e| e["id"] == *id).unwrap();
        piece["cites"].as_array().unwrap().iter().map(|cite| {
            let place = cite["lines"].as_array().or(cite["packets"].as_array()).unwrap();
            let last = place.last().unwrap()[1].as_u64().unwrap();
            (cite["file"].as_str().unwrap().to_owned(), last)
        })
    });
    Some(cites.collect())
}

const OPENED: &str = "2024-05-10T03:13:22Z INFO upstream: connected to 198.51.100.8:443\n";
const EOF: &str = "2024-05-10T03:14:22Z WARN upstream: read: unexpected EOF\n";
const RESET: &str = "2024-05-10T03:14:22Z WARN upstream: read: connection reset by peer\n";

#[test]
fn end_of_file_in_the_log_and_a_reset_on_the_wire() {
    let log = format!("{OPENED}{EOF}");
    let report = report("eof-rst", &log, Some("RST ACK"));
    let stands = stands_on(&report, "The log says end of file, the capture shows a reset");
    let want = [("client/app.log".to_owned(), 2), ("client/client.pcapng".to_owned(), 9)];
    assert_eq!(stands.as_deref(), Some(&want[..]), "{report:#}");
}

#[test]
fn a_reset_in_the_log_and_a_fin_on_the_wire() {
    let log = format!("{OPENED}{RESET}");
    let report = report("rst-fin", &log, Some("FIN ACK"));
    let stands = stands_on(&report, "The log says connection reset, the capture shows a FIN");
    let want = [("client/app.log".to_owned(), 2), ("client/client.pcapng".to_owned(), 9)];
    assert_eq!(stands.as_deref(), Some(&want[..]), "{report:#}");
}

#[test]
fn words_that_agree_with_the_wire_contradict_nothing() {
    for (name, line, last) in [("eof-fin", EOF, "FIN ACK"), ("rst-rst", RESET, "RST ACK")] {
        let report = report(name, &format!("{OPENED}{line}"), Some(last));
        assert_eq!(report["findings"].as_array().unwrap().len(), 1, "{report:#}");
        for words in ["The log says", "One end is called both"] {
            assert_eq!(stands_on(&report, words), None, "{name}: {report:#}");
        }
    }
}

#[test]
fn a_log_that_says_both_of_one_end() {
    let words = "One end is called both an end of file and a reset";
    let again = "2024-05-10T03:14:22Z ERROR session 7 closed: connection reset by peer\n";
    let report_of = |log: &str| report("eof-and-rst", log, None);
    let told = report_of(&format!("{OPENED}{EOF}{again}"));
    let stands = stands_on(&told, words).unwrap_or_else(|| panic!("{told:#}"));
    assert!(stands.contains(&("client/app.log".to_owned(), 3)), "{stands:?}");
    // In one line, too.
    let one = EOF.replace("unexpected EOF", "EOF (connection reset by peer)");
    assert!(stands_on(&report_of(&format!("{OPENED}{one}")), words).is_some());
    // Two ends, each with a word of its own.
    let later = RESET.replace("03:14", "05:14");
    let two = format!("{OPENED}{EOF}{}{later}", OPENED.replace("03:13:22", "03:14:25"));
    assert_eq!(stands_on(&report_of(&two), words), None);
}
