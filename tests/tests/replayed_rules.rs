//! `hopclock replay --rules --links`: how packets leave by the box's own rules. What they foretell
//! is held against a recording of both sides of the box; what no recording shows, and what cannot
//! be said, is told by stories.

use crate::replay::{PA, SA, Story, made, records, replay};
use hopclock_core::conntrack::packet::flag;
use hopclock_tests::{repo, schema};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

const LINKS: &str = "2: lan0@if3: <UP> mtu 1500\n    inet 192.0.2.1/24 scope global lan0\n\
                     3: wan0@if4: <UP> mtu 1500\n    inet 198.51.100.1/24 scope global wan0\n\
                     default via 198.51.100.9 dev wan0\n";

/// A file a test: they run at once, and one must not read what another is writing.
fn links(test: &str) -> PathBuf {
    made(&format!("{test}.links"), LINKS.as_bytes())
}

/// A listing with one rule in the chain of translation, and one in that of filtering.
fn ruleset(name: &str, nat: &str, filter: &str) -> PathBuf {
    let text = format!(
        "table inet hop {{\n\tchain nat {{\n\t\ttype nat hook postrouting priority srcnat; policy \
         accept;\n\t\t{nat}\n\t}}\n\tchain forward {{\n\t\ttype filter hook forward priority \
         filter; policy accept;\n\t\t{filter}\n\t}}\n}}\n"
    );
    made(name, text.as_bytes())
}

fn behind(capture: &Path, rules: &Path, more: &[&str]) -> Vec<Value> {
    let links = links(&capture.file_name().unwrap().to_string_lossy());
    let known = ["--rules", rules.to_str().unwrap(), "--links", links.to_str().unwrap()];
    records(capture, &[more, &known].concat())
}

/// Packets of TCP connections, without what no table tracks and without events.
fn packets(records: Vec<Value>) -> Vec<Value> {
    records.into_iter().filter(|r| r.get("verdict").is_some_and(|v| v != "untracked")).collect()
}

/// The recording holds each packet as it arrived and, right after it, as the kernel sent it on: the
/// rules must have foretold the second from the first.
#[test]
fn what_rules_foretell_is_what_a_recording_shows() {
    let hop = repo().join("examples/nat-expiry/hop-egress-1");
    let (capture, sysctl) = (hop.join("hop.pcapng"), hop.join("sysctl.txt"));
    let sysctl = ["--sysctl", sysctl.to_str().unwrap()];
    // Without rules every packet is told as it stands in the file, copies that leave among them.
    let seen = packets(records(&capture, &sysctl));
    let told = packets(behind(&capture, &hop.join("nft.txt"), &sysctl));
    let (mut peers, mut boxes) = (0, 0);
    for record in &told {
        let at = seen.iter().position(|s| s["packet"] == record["packet"]).unwrap();
        let next = &seen[at + 1]["arrives_as"];
        let arrives = &record["arrives_as"];
        if record["reaches"] == "peer" {
            assert_eq!(&record["leaves_as"], next, "{record:#}");
            assert_ne!(next, arrives, "{record:#}");
            peers += 1;
        } else {
            // The answer for an entry that was gone: the box's own stack resets the sender.
            assert_eq!(record["reaches"], "box", "{record:#}");
            assert_eq!((&next["src"], &next["dst"]), (&arrives["dst"], &arrives["src"]));
            boxes += 1;
        }
        assert_eq!(record["ruled"]["does"], "passes", "{record:#}");
    }
    assert_eq!((peers, boxes, seen.len()), (9, 1, 20), "{told:#?}");
}

#[test]
fn a_port_that_is_drawn_is_a_range_until_a_copy_shows_it() {
    let rules = ruleset("random.nft", "oifname \"wan0\" masquerade fully-random", "accept");
    let mut story = Story::begin();
    let client = story.client;
    story.send(true, flag::SYN, (0, 0), 0);
    story.client = ([198, 51, 100, 1].into(), 61_000);
    story.send(true, flag::SYN, (0, 0), 0);
    story.send(false, SA, (0, 1), 0);
    story.client = client;
    story.send(true, flag::ACK, (1, 1), 0);
    let told = behind(&story.finish("drawn.pcapng"), &rules, &[]);
    let numbers: Vec<_> = told.iter().map(|r| r["packet"].as_u64().unwrap()).collect();
    assert_eq!(numbers, [1, 3, 4], "the copy is no packet of its own: {told:#?}");
    let dst = "198.51.100.20:443";
    let may = json!({"src": "198.51.100.1", "ports": [1024, 65_535], "dst": dst});
    assert_eq!((&told[0]["may_leave_as"], &told[0]["leaves_as"]), (&may, &Value::Null));
    assert_eq!(told[1]["leaves_as"], json!({"src": dst, "dst": "192.0.2.10:49314"}));
    assert_eq!(told[2]["leaves_as"], json!({"src": "198.51.100.1:61000", "dst": dst}));
    assert_eq!(told[2].get("may_leave_as"), None);
}

#[test]
fn what_a_rule_stops_reaches_nobody_and_leaves_no_entry() {
    let rules = ruleset("drop.nft", "masquerade", "tcp dport 443 ct state new drop");
    let mut story = Story::begin();
    story.send(true, flag::SYN, (0, 0), 0);
    let capture = story.finish("dropped.pcapng");
    let told = behind(&capture, &rules, &[]);
    assert_eq!(told[0]["ruled"], json!({"does": "drops", "line": 8}), "{told:#?}");
    assert_eq!((&told[0]["leaves_as"], &told[0]["reaches"]), (&Value::Null, &"nobody".into()));
    let links = links("dropped");
    let known = ["--rules", rules.to_str().unwrap(), "--links", links.to_str().unwrap()];
    let ran = replay(&capture, &[&known[..], &["--format", "json"]].concat());
    assert_eq!(ran.json()["summary"]["entries"], 0);
}

#[test]
fn words_of_a_rule_that_are_not_known_leave_it_unsaid() {
    for nat in ["meta frobnicate 7 masquerade", "ip saddr @clients masquerade"] {
        let rules = ruleset("unknown.nft", nat, "meta frobnicate 7 drop");
        let mut story = Story::begin();
        story.handshake();
        story.send(true, PA, (1, 1), 10);
        let capture = story.finish("unsaid.pcapng");
        let told = behind(&capture, &rules, &[]);
        for record in &told {
            assert_eq!(record["verdict"], "accept", "the table is judged all the same: {told:#?}");
            let left = [&record["leaves_as"], &record["ruled"], &record["reaches"]];
            assert_eq!(left, [&Value::Null; 3], "{nat}: {told:#?}");
        }
        let links = links("unsaid");
        let known = ["--rules", rules.to_str().unwrap(), "--links", links.to_str().unwrap()];
        let ran = replay(&capture, &[&known[..], &["--format", "json"]].concat());
        let notes = ran.json()["summary"]["notes"].to_string();
        assert!(notes.contains("how 1 connection leaves cannot be said"), "{nat}: {notes}");
        assert!(notes.contains("line 4"), "{nat}: {notes}");
    }
}

/// Words, a hundred seconds of silence, words again, on a box that forgets after sixty: rows of
/// the sweep with `tcp_loose=0`, behind these rules.
fn forgotten(name: &str, nat: &str, filter: &str) -> [Value; 2] {
    let rules = ruleset(&format!("{name}.nft"), nat, filter);
    let mut story = Story::begin();
    story.handshake();
    story.send(true, PA, (1, 1), 100);
    story.send(false, flag::ACK, (1, 101), 0);
    story.wait(100);
    story.send(true, PA, (101, 1), 100);
    story.send(false, flag::ACK, (1, 201), 0);
    let (capture, links) = (story.finish(&format!("{name}.pcapng")), links(name));
    let known = ["--rules", rules.to_str().unwrap(), "--links", links.to_str().unwrap()];
    let tried = ["--set", "nf_conntrack_tcp_timeout_established=60", "--sweep", "tcp_loose=0"];
    let more = [&known[..], &tried, &["--format", "json"]].concat();
    let answer = replay(&capture, &more).json();
    schema::validate("sweep", &answer);
    [answer["rows"][0].clone(), answer["rows"][1].clone()]
}

#[test]
fn a_sweep_asks_the_rules_what_becomes_of_a_packet_that_finds_no_entry() {
    let snat = "oifname \"wan0\" masquerade";
    let row = |name: &str, nat: &str, filter: &str| {
        let [was, strict] = forgotten(name, nat, filter);
        assert_eq!(
            (&was["run_out"], &was["taken_up"], &was["lost"]),
            (&1.into(), &1.into(), &0.into())
        );
        let parted = strict["first_parted"].clone();
        (strict["cut"].as_u64().unwrap(), parted["reaches"].clone(), parted["ruled"].clone())
    };
    let drops = json!({"does": "drops", "line": 8});
    // Translated, its packet leaves as it came; not translated, it arrives where nothing stops it.
    let passes = json!({"does": "passes", "line": 7});
    assert_eq!(
        row("leaves", snat, "accept"),
        (1, "stranger".into(), json!({"does": "passes", "line": 8}))
    );
    assert_eq!(row("dropped", snat, "ct state invalid drop"), (1, "nobody".into(), drops.clone()));
    assert_eq!(row("unmet", snat, "tcp dport 80 drop"), (1, "stranger".into(), passes));
    let none = "oifname \"tun0\" masquerade";
    assert_eq!(row("routed", none, "accept"), (0, Value::Null, Value::Null));
    assert_eq!(row("routed-drop", none, "ct state invalid drop"), (1, "nobody".into(), drops));
    let unknown = row("unknown", none, "meta frobnicate 7 drop");
    assert_eq!(unknown, (1, "peer".into(), Value::Null), "what is not understood is not said");
}

#[test]
fn a_connection_taken_up_with_another_port_or_by_a_rules_leave_is_told_so() {
    let [was, _] = forgotten("drawn-anew", "masquerade fully-random", "accept");
    let out = &was["first_run_out"];
    assert_eq!(
        (&out["verdict"], &out["reaches"]),
        (&"accept".into(), &"stranger".into()),
        "{was:#}"
    );
    assert_eq!((&was["taken_up"], &was["lost"]), (&1.into(), &1.into()), "{was:#}");
    // The box's rules let nothing begin without a SYN: the table alone would have taken it up.
    let stops = "tcp flags & (fin | syn | rst | ack) != syn ct state new counter drop";
    let [was, strict] = forgotten("no-syn", "oifname \"wan0\" masquerade", stops);
    assert_eq!(was["first_run_out"]["ruled"], json!({"does": "drops", "line": 8}), "{was:#}");
    assert_eq!((&was["taken_up"], &was["lost"]), (&0.into(), &1.into()), "{was:#}");
    assert_eq!((&strict["cut"], &strict["saved"]), (&0.into(), &0.into()), "{strict:#}");
}

#[test]
fn files_that_are_no_rules_or_no_links_are_told_in_a_sentence() {
    let mut story = Story::begin();
    story.handshake();
    let capture = story.finish("norules.pcapng");
    let prose = made("prose.nft", b"Dear team,\nthe rules are attached.\n");
    let rules = ruleset("plain.nft", "masquerade", "accept");
    let links = links("none");
    let [prose, rules, links] = [&prose, &rules, &links].map(|path| path.to_str().unwrap());
    for (more, code, sentence) in [
        (&["--rules", prose, "--links", links][..], 3, "prose.nft: no chain of rules in it"),
        (&["--rules", rules, "--links", prose], 3, "prose.nft: no address of an interface in it"),
        (&["--rules", "no-such.nft", "--links", links], 3, "no-such.nft: "),
        (&["--rules", rules], 2, "--links"),
        (&["--links", links], 2, "--rules"),
    ] {
        let ran = replay(&capture, more);
        assert_eq!((ran.code, ran.out.as_str()), (Some(code), ""), "{ran:#?}");
        assert!(ran.err.contains(sentence), "{ran:#?}");
    }
}
