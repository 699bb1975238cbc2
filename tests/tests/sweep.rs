//! `hopclock replay --sweep` and `--fix`, run as a user runs them: told stories whose fate is
//! known, and every capture of the material against the plain replay.

use crate::replay::{FA, PA, Story, made};
use hopclock_core::conntrack::packet::flag;
use hopclock_tests::command::run;
use hopclock_tests::{material, schema};
use serde_json::Value;
use std::path::Path;

const BOX_60: &str = "# sysctl\nnet.netfilter.nf_conntrack_tcp_timeout_established = 60\n\
    net.netfilter.nf_conntrack_tcp_loose = 1\nnet.netfilter.nf_conntrack_tcp_be_liberal = 0\n";

/// A translated connection as a later dump tells of it: the box is 203.0.113.1.
const TRANSLATED: &str = "# hopclock host=box role=hop at=2024-05-10T08:00:00Z cmd=\"conntrack -L\"\n\
    tcp 6 50 ESTABLISHED src=192.0.2.10 dst=198.51.100.20 sport=49314 dport=443 \
    src=198.51.100.20 dst=203.0.113.1 sport=443 dport=49314 [ASSURED] mark=0 use=1\n";

fn sweep(capture: &Path, more: &[&str]) -> Value {
    let mut args = vec!["replay", capture.to_str().unwrap(), "--format", "json"];
    args.extend(more);
    let ran = run(args);
    assert_eq!(ran.code, Some(0), "{ran:#?}");
    let answer: Value = ran.json();
    schema::validate("sweep", &answer);
    answer
}

fn row<'a>(answer: &'a Value, name: &str) -> &'a Value {
    let rows = answer["rows"].as_array().unwrap();
    rows.iter().find(|row| row["name"] == name).expect(name)
}

fn counts(row: &Value) -> (u64, u64, u64, u64, u64) {
    let of = |key: &str| row[key].as_u64().unwrap();
    (of("run_out"), of("cut"), of("saved"), of("invalid"), of("ignored"))
}

/// Words, a hundred seconds of silence, words again.
fn quiet(name: &str) -> std::path::PathBuf {
    let mut story = Story::begin();
    story.handshake();
    story.send(true, PA, (1, 1), 100);
    story.send(false, flag::ACK, (1, 101), 0);
    story.wait(100);
    story.send(true, PA, (101, 1), 100);
    story.send(false, PA, (1, 201), 50);
    story.send(true, flag::ACK, (201, 51), 0);
    story.finish(name)
}

#[test]
fn probes_more_frequent_than_the_timer_keep_the_entry_and_rarer_ones_do_not() {
    let capture = quiet("sweep-quiet.pcapng");
    let sysctl = made("sweep-60.sysctl", BOX_60.as_bytes());
    let sysctl = sysctl.to_str().unwrap();
    let fixes =
        ["--sweep", "keepalive=30,59,61", "--fix", "ping=30", "--fix", "keepalive@server=30"];
    let answer = sweep(&capture, &[&["--sysctl", sysctl][..], &fixes].concat());
    assert_eq!(counts(row(&answer, "as captured")), (1, 0, 0, 0, 0));
    assert_eq!(row(&answer, "as captured")["taken_up"], 1);
    for name in ["keepalive=30", "keepalive=59", "ping=30", "keepalive@server=30"] {
        assert_eq!(counts(row(&answer, name)), (0, 0, 0, 0, 0), "{name}");
        assert!(row(&answer, name)["added"].as_u64().unwrap() > 0, "{name}");
    }
    // Three PINGs in a hundred seconds, each with its answer and an acknowledgement.
    assert_eq!(row(&answer, "ping=30")["added"], 9);
    let late = row(&answer, "keepalive=61");
    assert_eq!((counts(late).0, &late["taken_up"]), (1, &Value::from(1)), "{late:#}");
}

#[test]
fn what_leaves_a_translating_box_untranslated_is_told_with_whom_it_reaches() {
    let capture = quiet("sweep-translated.pcapng");
    let sysctl = made("sweep-translated.sysctl", BOX_60.as_bytes());
    let dump = made("sweep-translated.conntrack", TRANSLATED.as_bytes());
    let given = ["--sysctl", sysctl.to_str().unwrap(), "--start-state", dump.to_str().unwrap()];
    let tried = ["--sweep", "tcp_loose=0", "--sweep", "tcp_timeout_established=99,101"];
    let answer = sweep(&capture, &[&given[..], &tried].concat());
    let strict = row(&answer, "tcp_loose=0");
    assert_eq!((counts(strict).0, counts(strict).1), (1, 1), "{strict:#}");
    assert_eq!(strict["first_parted"]["turn"], "cut");
    assert_eq!(strict["first_parted"]["packet"], 6);
    assert_eq!(strict["first_parted"]["reaches"], "stranger");
    assert_eq!(strict["unsent"], 2, "nothing is known of what follows: {strict:#}");
    assert_eq!(counts(row(&answer, "tcp_timeout_established=99")).0, 1);
    assert_eq!(counts(row(&answer, "tcp_timeout_established=101")).0, 0);
}

#[test]
fn a_connection_the_box_froze_goes_on_where_windows_are_not_judged() {
    let mut story = Story::begin();
    story.handshake();
    story.send(false, PA, (1, 1), 500);
    story.send(true, flag::ACK, (1, 501), 0);
    story.wait(10);
    story.send(false, PA, (1601, 1), 100);
    for _ in 0..9 {
        story.wait(10);
        story.send(false, flag::ACK, (501, 1), 0);
    }
    let capture = story.finish("sweep-freeze.pcapng");
    let sysctl = made("sweep-freeze.sysctl", BOX_60.as_bytes());
    let dump = made("sweep-freeze.conntrack", TRANSLATED.as_bytes());
    // The story's server speaks to the client; at the box its packets arrive for 203.0.113.1.
    let given = ["--sysctl", sysctl.to_str().unwrap(), "--start-state", dump.to_str().unwrap()];
    let answer = sweep(&capture, &[&given[..], &["--fix", "tcp_be_liberal=1"]].concat());
    let was = row(&answer, "as captured");
    assert_eq!(was["run_out"], 1, "{was:#}");
    assert!(was["ignored"].as_u64().unwrap() > 3, "{was:#}");
    let liberal = row(&answer, "tcp_be_liberal=1");
    assert_eq!(counts(liberal), (0, 0, 1, 0, 0), "{liberal:#}");
    assert_eq!(liberal["first_parted"]["reaches"], "box", "as captured: {liberal:#}");
}

/// The story's third measure: a stream that is never silent has no room for a PING.
#[test]
fn on_a_frozen_entry_no_probe_is_due() {
    let hop = hopclock_tests::repo().join("examples/egress-12h-settled/hop-egress-1");
    let [sysctl, dump] = ["sysctl.txt", "conntrack-1.txt"].map(|file| hop.join(file));
    let given = ["--sysctl", sysctl.to_str().unwrap(), "--start-state", dump.to_str().unwrap()];
    let tried = ["--fix", "ping=2", "--fix", "keepalive=2", "--fix", "ping@server=2"];
    let answer = sweep(&hop.join("hop.pcapng"), &[&given[..], &tried].concat());
    let was = row(&answer, "as captured");
    assert_eq!((&was["run_out"], &was["ignored"]), (&1.into(), &340.into()), "{was:#}");
    for name in ["ping=2", "keepalive=2", "ping@server=2"] {
        assert_eq!(counts(row(&answer, name)), counts(was), "{name}");
        assert_eq!(row(&answer, name)["added"], 0, "{name}");
    }
}

#[test]
fn a_ping_moves_what_is_sent_after_it_and_nothing_falls_out_of_the_window() {
    let mut story = Story::begin();
    story.handshake();
    let (mut up, mut down) = (1, 1);
    for _ in 0..20 {
        story.wait(45);
        story.send(true, PA, (up, down), 900);
        up += 900;
        story.send(false, PA, (down, up), 900);
        down += 900;
        story.send(true, flag::ACK, (up, down), 0);
    }
    story.send(true, FA, (up, down), 0);
    story.send(false, FA, (down, up + 1), 0);
    story.send(true, flag::ACK, (up + 1, down + 1), 0);
    let capture = story.finish("sweep-pings.pcapng");
    let answer = sweep(&capture, &["--fix", "ping=20", "--fix", "ping@server=20"]);
    for name in ["ping=20", "ping@server=20"] {
        let row = row(&answer, name);
        assert_eq!(counts(row), (0, 0, 0, 0, 0), "{row:#}");
        // Two in each silence of 45 seconds.
        assert_eq!(row["added"], 20 * 2 * 3, "{row:#}");
        assert_eq!(row["outlives_s"], 120.0, "it closed in order: TIME_WAIT remains");
    }
}

#[test]
fn bad_variants_are_refused_by_name() {
    let capture = quiet("sweep-bad.pcapng");
    let capture = capture.to_str().unwrap();
    for (args, says) in [
        (["--sweep", "tcp_loose"], "not KEY=NUMBER"),
        (["--sweep", "tcp_loose=0,tcp_be_liberal=1"], "not KEY=NUMBER"),
        (["--fix", "tcp_lose=1"], "tcp_lose is no setting"),
        (["--fix", "keepalive=-3"], "1 to 604800"),
    ] {
        let ran = run([&["replay", capture][..], &args].concat());
        assert_eq!(ran.code, Some(2), "{ran:#?}");
        assert!(ran.err.contains(says), "{ran:#?}");
    }
}

#[test]
fn text_stays_within_eighty_columns() {
    let capture = quiet("sweep-text.pcapng");
    let sysctl = made("sweep-text.sysctl", BOX_60.as_bytes());
    let fix = "nf_conntrack_tcp_timeout_established=43200,nf_conntrack_tcp_be_liberal=1,ping=10";
    let args = ["--sysctl", sysctl.to_str().unwrap(), "--fix", fix, "--sweep", "tcp_loose=0,1"];
    let ran = run([&["replay", capture.to_str().unwrap()][..], &args].concat());
    assert_eq!(ran.code, Some(0), "{ran:#?}");
    assert!(ran.out.contains("as captured"), "{ran:#?}");
    let long = ran.out.lines().filter(|l| l.chars().count() > 80 && !l.contains(fix));
    assert_eq!(long.collect::<Vec<_>>(), [""; 0]);
}

/// Lanes that differ in timers alone share a table until a timer tells them apart. A box whose own
/// table is small is swept without sharing anything: its rows must be the same.
#[test]
fn lanes_that_share_a_table_are_as_lanes_that_do_not() {
    let mut captures = Vec::new();
    if let Some(folder) = material("lanes that share a table are as lanes that do not") {
        let files = std::fs::read_dir(folder.join("captures")).unwrap().flatten();
        let small = files.filter(|file| file.metadata().is_ok_and(|about| about.len() < 30_000));
        captures.extend(
            small
                .map(|file| file.path())
                .filter(|p| p.to_str().is_some_and(|name| name.contains(".pcap"))),
        );
    }
    let examples = hopclock_tests::repo().join("examples");
    captures.push(examples.join("nat-expiry/hop-egress-1/hop.pcapng"));
    captures.push(examples.join("egress-12h-settled/hop-egress-1/hop.pcapng"));
    let given = "--sweep tcp_timeout_established=1,2,5,30,300 --sweep tcp_timeout_close=1,3 \
        --sweep tcp_timeout_time_wait=1 --sweep tcp_timeout_unacknowledged=1,2 \
        --sweep tcp_max_retrans=0,1 --sweep tcp_timeout_max_retrans=1 --sweep udp_timeout=1 \
        --sweep icmp_timeout=1 --sweep tcp_timeout_fin_wait=1 --sweep tcp_timeout_syn_recv=1 \
        --fix tcp_be_liberal=1 --fix tcp_loose=0,tcp_timeout_established=2 --fix keepalive=600";
    let mut compared = 0;
    for capture in captures {
        let rows = |max: &str| {
            let path = capture.to_str().unwrap();
            let fixed = ["replay", path, "--format", "json", "--set", max];
            let ran = run(fixed.into_iter().chain(given.split_whitespace()));
            (ran.code == Some(0)).then(|| ran.json()["rows"].clone())
        };
        let Some(shared) = rows("nf_conntrack_max=100000000") else { continue };
        assert_eq!(Some(shared), rows("nf_conntrack_max=99999"), "{}", capture.display());
        compared += 1;
    }
    assert!(compared >= 2, "only {compared} captures");
}

/// Larger captures say nothing else and take long without optimisation.
const LARGE: u64 = 1 << 20;

/// The first row is the plain replay; under the settings of `--set` the replay of connections that
/// meet the same fate all along is the row.
#[test]
fn every_capture_of_the_material_is_swept_as_it_is_replayed() {
    let Some(folder) = material("every capture is swept as it is replayed") else { return };
    let mut compared = 0;
    for entry in std::fs::read_dir(folder.join("captures")).unwrap().flatten() {
        let path = entry.path();
        let Some(capture) = path.to_str().filter(|p| p.contains(".pcap")) else { continue };
        if entry.metadata().is_ok_and(|about| about.len() > LARGE) {
            continue;
        }
        let plain = run(["replay", capture, "--format", "json"]);
        if plain.code != Some(0) {
            continue;
        }
        let plain = plain.json();
        let answer = sweep(&path, &["--fix", "tcp_loose=1", "--sweep", "tcp_timeout_close=10,500"]);
        for field in ["packets", "judged"] {
            assert_eq!(answer[field], plain["summary"][field], "{capture}");
        }
        for name in ["as captured", "tcp_loose=1", "tcp_timeout_close=10"] {
            let row = row(&answer, name);
            for field in ["invalid", "ignored"] {
                assert_eq!(row[field], plain["summary"][field], "{name} {field} {capture}");
            }
            assert_eq!(row["cut"], 0, "{capture}");
        }
        compared += 1;
    }
    assert!(compared > 30, "only {compared} captures");
}
