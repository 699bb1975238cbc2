//! The conntrack model as evidence in `diagnose`: what the table of a box made of the packets
//! captured there, and what must not be concluded from half of it.

use crate::replay::{PA, Story};
use hopclock_core::conntrack::packet::flag;
use hopclock_core::time::Moment;
use hopclock_tests::command::run;
use hopclock_tests::{repo, schema, scratch};
use serde_json::Value;
use std::fs;
use std::path::PathBuf;

/// Six hundred seconds, and no flow is taken up midway.
const SYSCTL: &str = "net.netfilter.nf_conntrack_tcp_timeout_established = 600\n\
                      net.netfilter.nf_conntrack_tcp_be_liberal = 0\n\
                      net.netfilter.nf_conntrack_tcp_loose = 0\n";

fn entry(left: u32) -> String {
    format!(
        "tcp 6 {left} ESTABLISHED src=192.0.2.10 dst=198.51.100.20 sport=49314 dport=443 \
         src=198.51.100.20 dst=203.0.113.1 sport=443 dport=49314 [ASSURED] mark=0 use=1\n"
    )
}

/// A dump stamped `seconds` after the first packet.
fn dump(seconds: i64, left: u32) -> String {
    let at = 1_715_310_862 + seconds;
    let stamp = jiff::Timestamp::from_second(at).unwrap();
    format!("# hopclock host=egress-1 role=hop at={stamp} cmd=\"conntrack -L\"\n{}", entry(left))
}

/// A stray segment of the client's beyond the window, and then a one-way stream: the client's
/// acknowledgements lie before the window and refresh nothing, soon the server's data lies beyond
/// it and refreshes nothing either, until the entry is gone and the client's next word is answered
/// by a stack that knows no such connection.
fn frozen() -> Story {
    let mut story = Story::begin();
    story.handshake();
    story.send(true, PA, (1501, 1), 100);
    for n in 0..17 {
        story.wait(50);
        story.send(false, PA, (1 + n * 100, 1), 100);
        story.send(true, flag::ACK, (1, 101 + n * 100), 0);
    }
    end(&mut story, 1701);
    story
}

/// The client speaks and hears a bare reset.
fn end(story: &mut Story, acked: u32) {
    story.wait(20);
    story.send(true, flag::ACK, (1, acked), 0);
    story.send(false, flag::RST, (acked, 0), 0);
}

/// The same stream without the stray segment.
fn healthy() -> Story {
    let mut story = Story::begin();
    story.handshake();
    for n in 0..17 {
        story.wait(50);
        story.send(false, PA, (1 + n * 100, 1), 100);
        story.send(true, flag::ACK, (1, 101 + n * 100), 0);
    }
    end(&mut story, 1701);
    story
}

/// A folder with the frozen stream's hop capture and the hop's settings.
pub(crate) fn frozen_folder() -> PathBuf {
    folder(&[
        ("hop-egress-1/eth0.pcapng", &frozen().bytes()),
        ("hop-egress-1/sysctl.txt", SYSCTL.as_bytes()),
    ])
}

/// A folder with the healthy stream's hop capture, the hop's settings and a dump of its table.
pub(crate) fn healthy_folder(left: u32) -> PathBuf {
    folder(&[
        ("hop-egress-1/eth0.pcapng", &healthy().bytes()),
        ("hop-egress-1/sysctl.txt", SYSCTL.as_bytes()),
        ("hop-egress-1/ct.txt", dump(160, left).as_bytes()),
    ])
}

fn folder(files: &[(&str, &[u8])]) -> PathBuf {
    let root = scratch("tables");
    for (name, bytes) in files {
        let path = root.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }
    root
}

fn report(files: &[(&str, &[u8])]) -> Value {
    let root = folder(files);
    let ran = run(["diagnose", "--format", "json", &root.display().to_string()]);
    let report = ran.json();
    schema::validate("report", &report);
    fs::remove_dir_all(root).unwrap();
    report
}

/// What the evidence says, one sentence a line.
fn says(report: &Value) -> String {
    let all = report["evidence"].as_array().unwrap().iter();
    all.map(|e| format!("{}\n", e["says"].as_str().unwrap())).collect()
}

fn share(report: &Value, cause: &str) -> f64 {
    let all = report["findings"][0]["hypotheses"].as_array().unwrap();
    let own = all.iter().find(|h| h["cause"] == cause).unwrap();
    own["probability"].as_f64().unwrap()
}

fn withheld(report: &Value) -> String {
    report["not_looked_at"].to_string()
}

#[test]
fn an_entry_that_ran_down_while_packets_passed_names_the_freeze() {
    let report = report(&[
        ("hop-egress-1/eth0.pcapng", &frozen().bytes()),
        ("hop-egress-1/sysctl.txt", SYSCTL.as_bytes()),
    ]);
    let told = says(&report);
    assert!(
        told.contains("by packet 25, to 300 s; 11 packets after it passed and refreshed nothing"),
        "{told}"
    );
    assert!(told.contains("16 packets of hop-egress-1/eth0.pcapng#1 were ignored"), "{told}");
    assert_eq!(report["findings"][0]["outcome"], "named", "{told}\n{report:#}");
    assert_eq!(report["findings"][0]["verdict"]["cause"], "conntrack-frozen-timer");
    let piece = report["evidence"]
        .as_array()
        .unwrap()
        .iter()
        .find(|e| e["says"].as_str().unwrap().contains("passed and refreshed nothing"));
    let files: Vec<&str> = piece.unwrap()["cites"]
        .as_array()
        .unwrap()
        .iter()
        .map(|c| c["file"].as_str().unwrap())
        .collect();
    assert_eq!(files, ["hop-egress-1/eth0.pcapng", "hop-egress-1/sysctl.txt"]);
}

#[test]
fn an_entry_refreshed_to_the_end_clears_the_box() {
    let capture = healthy().bytes();
    let with =
        [("hop-egress-1/eth0.pcapng", &capture[..]), ("hop-egress-1/s.txt", SYSCTL.as_bytes())];
    let (without, with) = (report(&with[..1]), report(&with));
    assert!(says(&with).contains("its timer did not end this connection"), "{}", says(&with));
    let frozen = |report: &Value| share(report, "conntrack-frozen-timer");
    assert!(frozen(&with) < frozen(&without) * 0.6, "{} {}", frozen(&without), frozen(&with));
    assert!(share(&with, "idle-timeout-middlebox") < 0.01);
    let herrings = with["findings"][0]["red_herrings"].to_string();
    assert!(herrings.contains("shows the entry at the end"), "{herrings}");
}

#[test]
fn a_silence_that_outlasts_the_entry_is_no_freeze() {
    let mut story = Story::begin();
    story.handshake();
    story.wait(700);
    end(&mut story, 1);
    let report = report(&[
        ("hop-egress-1/eth0.pcapng", &story.bytes()),
        ("hop-egress-1/sysctl.txt", SYSCTL.as_bytes()),
    ]);
    let told = says(&report);
    assert!(told.contains("nothing came for 600 s"), "{told}");
    assert!(
        share(&report, "idle-timeout-middlebox") > 5.0 * share(&report, "conntrack-frozen-timer")
    );
}

#[test]
fn a_dump_is_held_against_the_replay_and_wins_where_they_differ() {
    let capture = healthy().bytes();
    // 10 s after the third packet of the stream and its acknowledgement.
    let with = |left| {
        report(&[
            ("hop-egress-1/eth0.pcapng", &capture[..]),
            ("hop-egress-1/sysctl.txt", SYSCTL.as_bytes()),
            ("hop-egress-1/ct.txt", dump(160, left).as_bytes()),
        ])
    };
    let agreeing = with(590);
    assert!(says(&agreeing).contains("590 s in ESTABLISHED: they agree"), "{}", says(&agreeing));
    assert!(!says(&agreeing).contains("so it is not counted"));
    let differing = with(300);
    assert!(says(&differing).contains("they differ"), "{}", says(&differing));
    assert!(says(&differing).contains("so it is not counted"), "{}", says(&differing));
    assert!(
        share(&differing, "conntrack-frozen-timer") > share(&agreeing, "conntrack-frozen-timer")
    );
}

#[test]
fn a_capture_that_begins_midway_is_withheld_and_said() {
    let mut story = Story::begin();
    story.send(false, PA, (1, 1), 100);
    story.send(true, flag::ACK, (1, 101), 0);
    end(&mut story, 101);
    is_withheld(story, "begins in the middle");
}

/// A request nobody acknowledges is sent again and again; between two tries the entry's timer for
/// unacknowledged data runs out. The first try found the entry fresh, and is not what tells.
#[test]
fn an_entry_that_runs_out_between_two_tries_is_told_by_the_last_of_them() {
    let mut story = Story::begin();
    story.handshake();
    story.send(false, PA, (1, 1), 100);
    story.send(true, flag::ACK, (1, 101), 0);
    for gap in [1, 2, 4, 8, 16, 32, 64] {
        story.send(true, PA, (1, 101), 100);
        story.wait(gap);
    }
    story.send(true, PA, (1, 101), 100);
    let timers = "net.netfilter.nf_conntrack_tcp_timeout_unacknowledged = 20\n\
                  net.netfilter.nf_conntrack_tcp_timeout_max_retrans = 20\n";
    let report = report(&[
        ("hop-egress-1/eth0.pcapng", &story.bytes()),
        ("hop-egress-1/sysctl.txt", [SYSCTL, timers].concat().as_bytes()),
    ]);
    // Gone 20 s after the try before the gap of 32 s, and 64 s more until the last one.
    let told = says(&report);
    assert!(told.contains("to 20 s, nothing came for 20 s"), "{told}");
    assert!(
        told.contains("it was gone 76") && told.contains("found none and was INVALID"),
        "{told}"
    );
}

/// A capture of the box that is not replayed, for this reason.
fn is_withheld(story: Story, why: &str) {
    let report = report(&[
        ("hop-egress-1/eth0.pcapng", &story.bytes()),
        ("hop-egress-1/sysctl.txt", SYSCTL.as_bytes()),
    ]);
    assert!(withheld(&report).contains(why), "{}", withheld(&report));
    assert!(!says(&report).contains("replayed over"), "{}", says(&report));
}

#[test]
fn one_direction_alone_is_withheld_and_said() {
    let mut story = Story::begin();
    story.send(true, flag::SYN, (0, 0), 0);
    story.send(true, flag::ACK, (1, 1), 0);
    story.send(true, PA, (1, 1), 100);
    story.send(true, flag::FIN | flag::ACK, (101, 1), 0);
    is_withheld(story, "only one direction");
}

#[test]
fn a_capture_from_elsewhere_weighs_less_and_an_ends_own_table_hardly_anything() {
    let capture = frozen().bytes();
    let at = |capture_in: &str, sysctl_in: &str| {
        report(&[
            (&format!("{capture_in}/eth0.pcapng"), &capture[..]),
            (&format!("{sysctl_in}/sysctl.txt"), SYSCTL.as_bytes()),
        ])
    };
    let frozen = |report: &Value| share(report, "conntrack-frozen-timer");
    let hop = at("hop-egress-1", "hop-egress-1");
    let supposed = at("client", "hop-egress-1");
    let end = at("client", "client");
    let other = at("client", "server");
    assert!(says(&supposed).contains("supposing that what the client saw"), "{}", says(&supposed));
    assert!(frozen(&hop) >= frozen(&supposed), "{} {}", frozen(&hop), frozen(&supposed));
    assert!(frozen(&supposed) > frozen(&end), "{} {}", frozen(&supposed), frozen(&end));
    assert!(!says(&other).contains("replayed over"), "{}", says(&other));
}

#[test]
fn acknowledged_but_never_captured_makes_the_replay_doubtful() {
    let mut story = Story::begin();
    story.handshake();
    // The server's 500 bytes are missing.
    story.send(true, flag::ACK, (1, 501), 0);
    story.send(false, PA, (501, 1), 100);
    story.send(true, flag::ACK, (1, 601), 0);
    end(&mut story, 601);
    let report = report(&[
        ("hop-egress-1/eth0.pcapng", &story.bytes()),
        ("hop-egress-1/sysctl.txt", SYSCTL.as_bytes()),
    ]);
    assert!(says(&report).contains("the capture missed packets"), "{}", says(&report));
}

/// A box with two interfaces shows each packet twice, translated the second time.
#[test]
fn both_sides_of_a_translating_box_are_told_apart_by_its_dump() {
    let mut story = Story::begin();
    let inside = story.client;
    let outside = ([203, 0, 113, 1].into(), 49_314);
    let mut both = |up: bool, flags, numbers, len| {
        // Up: in on the inside, out on the outside; down the other way round.
        for translated in [!up, up] {
            story.client = if translated { outside } else { inside };
            story.send(up, flags, numbers, len);
        }
    };
    both(true, flag::SYN, (0, 0), 0);
    both(false, flag::SYN | flag::ACK, (0, 1), 0);
    both(true, flag::ACK, (1, 1), 0);
    both(false, PA, (1, 1), 100);
    both(true, flag::ACK, (1, 101), 0);
    story.client = inside;
    end(&mut story, 101);
    let report = report(&[
        ("hop-egress-1/any.pcapng", &story.bytes()),
        ("hop-egress-1/sysctl.txt", SYSCTL.as_bytes()),
        ("hop-egress-1/ct.txt", dump(1, 599).as_bytes()),
    ]);
    let told = says(&report);
    assert!(told.contains("its timer did not end this connection"), "{told}");
    assert!(told.contains("599 s in ESTABLISHED: they agree"), "{told}");
    assert!(!told.contains("were INVALID"), "{told}");
}

/// A log that calls the end of each recorded connection a loss: what closes in order and is missed
/// by nobody is no finding.
fn complaints(name: &str) -> String {
    let capture = repo().join("tests/captures/nat").join(name);
    let flows = run(["flows", "--format", "jsonl", capture.to_str().unwrap()]).jsonl();
    let line = |flow: &Value| {
        let at = Moment::from_ns(flow["last_ns"].as_i64().unwrap());
        let (client, server) = (flow["client"].as_str().unwrap(), flow["server"].as_str().unwrap());
        let at = hopclock_core::dump::header::stamp(at);
        format!("{at} ERROR connection {client} -> {server} lost: unexpected end of file\n")
    };
    flows.iter().map(line).collect()
}

/// Recorded at a real box that translated: the replay pairs both sides without a dump.
#[test]
fn recorded_translations_are_paired_by_what_the_capture_shows() {
    let recorded = |name: &str| fs::read(repo().join("tests/captures/nat").join(name)).unwrap();
    let sysctl = "net.netfilter.nf_conntrack_tcp_timeout_established = 432000\n";
    let at = |name: &str| {
        report(&[
            (&format!("hop-box/{name}"), &recorded(name)),
            ("hop-box/s", sysctl.as_bytes()),
            ("client/app.log", complaints(name).as_bytes()),
        ])
    };
    for name in ["snat.pcap", "dnat.pcap", "both.pcapng", "reuse.pcap"] {
        let told = says(&at(name));
        assert!(told.contains("its timer did not end this connection"), "{name}: {told}");
        assert!(!told.contains("were INVALID"), "{name}: {told}");
    }
    // The entry was deleted by hand.
    let flushed = at("untranslated.pcap");
    let told = says(&flushed);
    assert!(told.contains("something other than its timer had taken it away"), "{told}");
    assert!(share(&flushed, "state-flush") > 5.0 * share(&flushed, "conntrack-frozen-timer"));
}

#[test]
fn without_capture_settings_or_dump_the_verdict_is_as_foretold() {
    let files = [
        ("hop-egress-1/eth0.pcapng", frozen().bytes()),
        ("hop-egress-1/sysctl.txt", SYSCTL.as_bytes().to_vec()),
        ("hop-egress-1/ct.txt", dump(560, 290).into_bytes()),
        ("client/c.pcapng", frozen().bytes()),
    ];
    let given: Vec<(&str, &[u8])> = files.iter().map(|(n, b)| (*n, b.as_slice())).collect();
    let root = folder(&given);
    let ran = run(["diagnose", "--explain", "--format", "json", &root.display().to_string()]);
    fs::remove_dir_all(root).unwrap();
    let whole = ran.json();
    let leader = whole["findings"][0]["hypotheses"][0]["cause"].as_str().unwrap().to_owned();
    let explanation = &whole["findings"][0]["explanation"];
    let mut tried = 0;
    for foretold in explanation["without"].as_array().unwrap() {
        let Some(told) = foretold["leader_then"].as_f64() else { continue };
        let kept: Vec<(&str, &[u8])> =
            given.iter().filter(|(name, _)| foretold["what"] != *name).copied().collect();
        if foretold["taken"] != "input" || kept.len() == given.len() {
            continue;
        }
        let share = share(&report(&kept), &leader);
        assert!((share - told).abs() < 2e-4, "{foretold}: {share} seen");
        tried += 1;
    }
    assert_eq!(tried, 4);
    let rows = explanation["rows"].as_array().unwrap();
    assert!(rows.iter().any(|r| r["by"] == "hop-table=frozen"), "{rows:#?}");
}
