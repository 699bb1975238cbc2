//! Real captures, many of them damaged, against what tshark saw in them; and `flows` as a command.

use hopclock_core::capture::{LinkType, Writer};
use hopclock_core::time::Moment;
use hopclock_tests::command::{Hopclock, Ran, binary, run};
use hopclock_tests::many::{Seen, measure};
use hopclock_tests::packets::{Tcp, ipv4};
use hopclock_tests::quarrel::Quarrels;
use hopclock_tests::{material, repo, schema};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

fn flows(path: &Path) -> Ran {
    run(["flows".as_ref(), "--format".as_ref(), "jsonl".as_ref(), path.as_os_str()])
}

/// `192.0.2.1:443`, whichever way the address was written.
fn end(told: &Value) -> String {
    told.as_str().unwrap().replace('|', ":").replace(['[', ']'], "")
}

fn pair(one: &Value, other: &Value) -> String {
    let mut ends = [end(one), end(other)];
    ends.sort();
    ends.join(" ")
}

/// tshark's view of a stream, its ends in order.
fn theirs(stream: &Value) -> Value {
    let directions =
        if end(&stream["a"]) <= end(&stream["b"]) { ["ab", "ba"] } else { ["ba", "ab"] };
    let of = |name: &str| directions.map(|d| stream[format!("{name}_{d}")].clone());
    let syn = directions.map(|d| {
        let count = |name: &str| stream[format!("{name}_{d}")].as_u64().unwrap();
        count("syn") + count("synack")
    });
    let first = |name: &str| {
        let seen = &stream[name];
        let by = if seen["by"] == "a" { &stream["a"] } else { &stream["b"] };
        if seen.is_null() { Value::Null } else { json!([seen["frame"], end(by), seen["ttl"]]) }
    };
    json!({
        "frames": [stream["first_frame"], stream["last_frame"]],
        "packets": of("pkts"), "bytes": of("bytes"), "syn": syn, "fin": of("fin"), "rst": of("rst"),
        "ttl": of("ttl"), "mss": of("mss"), "keepalive": of("keepalive"),
        "zero_window": of("zero_window"),
        "first_fin": first("first_fin"), "first_rst": first("first_rst"),
    })
}

/// The same of a record.
fn ours(flow: &Value) -> Value {
    let sides = if end(&flow["client"]) <= end(&flow["server"]) {
        ["client", "server"]
    } else {
        ["server", "client"]
    };
    let of = |name: &str| sides.map(|side| flow[name][side].clone());
    let sum = |one: &str, other: &str| {
        sides.map(|side| flow[one][side].as_u64().unwrap() + flow[other][side].as_u64().unwrap())
    };
    let first = |name: &str| {
        let seen = &flow[name];
        let by = &flow[seen["by"].as_str().unwrap_or("client")];
        if seen.is_null() { Value::Null } else { json!([seen["packet"], end(by), seen["ttl"]]) }
    };
    json!({
        "frames": [flow["first_packet"], flow["last_packet"]],
        "packets": sum("packets", "seen_again"),
        "bytes": sum("payload_bytes", "seen_again_bytes"),
        "syn": of("syn"), "fin": of("fin"), "rst": of("rst"), "ttl": of("ttl"), "mss": of("mss"),
        "keepalive": of("keepalive_probes"), "zero_window": of("zero_windows"),
        "first_fin": first("first_fin"), "first_rst": first("first_rst"),
    })
}

type Streams = BTreeMap<String, Vec<Value>>;

/// The truth by file, from `truth.jsonl.gz`.
fn truth(folder: &Path) -> BTreeMap<String, Streams> {
    let unpacked = Command::new("gzip").arg("-dc").arg(folder.join("truth.jsonl.gz")).output();
    let text = String::from_utf8(unpacked.unwrap().stdout).unwrap();
    let mut files: BTreeMap<String, Streams> = BTreeMap::new();
    for line in text.lines() {
        let record: Value = serde_json::from_str(line).unwrap();
        let file = files.entry(record["file"].as_str().unwrap().to_owned()).or_default();
        if record["rec"] == "stream" {
            file.entry(pair(&record["a"], &record["b"])).or_default().push(theirs(&record));
        }
    }
    files
}

#[test]
fn every_stream_is_what_tshark_saw() {
    let Some(material) = material("every_stream_is_what_tshark_saw") else { return };
    let folder = material.join("captures");
    let mut quarrels = Quarrels::load(|quarrel| quarrel.file.is_some());
    let mut wrong = Vec::new();
    for (file, streams) in truth(&folder) {
        let ran = flows(&folder.join(&file));
        assert!(matches!(ran.code, Some(0 | 3)), "{file}: {ran:#?}");
        let mut seen: Streams = BTreeMap::new();
        for flow in ran.jsonl() {
            schema::validate("flow", &flow);
            seen.entry(pair(&flow["client"], &flow["server"])).or_default().push(ours(&flow));
        }
        let none = Vec::new();
        for ends in streams.keys().chain(seen.keys()) {
            let (ours, theirs) =
                (seen.get(ends).unwrap_or(&none), streams.get(ends).unwrap_or(&none));
            let explained = |quarrels: &mut Quarrels| {
                quarrels.explain(|q| {
                    q.file.as_deref() == Some(&file) && q.connection.as_ref() == Some(ends)
                })
            };
            if ours != theirs && !explained(&mut quarrels) {
                wrong.push(format!("{file} {ends}\n ours   {ours:?}\n theirs {theirs:?}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    quarrels.settle();
}

#[test]
fn no_genuine_reset_is_called_forged() {
    let Some(material) = material("no_genuine_reset_is_called_forged") else { return };
    // This one holds injected resets: the test suite it is from made them.
    let made = ["0342f16d_debug-s13.pcap", "0ee0995d_with_evasion_linux.pcap"];
    for entry in fs::read_dir(material.join("captures")).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap();
        if name.starts_with("truth") || name.ends_with(".tsv") || made.contains(&name) {
            continue;
        }
        for flow in flows(&path).jsonl() {
            assert_ne!(flow["ending"]["reset"]["consistent"], "forged", "{name}: {flow:#}");
        }
    }
}

#[test]
fn a_router_that_wants_smaller_packets_is_heard() {
    let Some(material) = material("a_router_that_wants_smaller_packets_is_heard") else { return };
    let path = material.join("captures/2c003ad1_smtp.pcap");
    let told = run(["flows".as_ref(), "--utc".as_ref(), path.as_os_str()]).out;
    let says = "ICMP from 192.168.1.1 in packet 26: too big, the next hop takes 1492";
    assert!(told.contains(says), "{told}");
}

/// What a real kernel sends, and what was sent in its name: see `tests/captures/README.md`.
#[test]
fn resets_of_a_real_kernel_are_told_by_their_shape() {
    let table = [
        ("abort-linger", "rst", "abort", "consistent"),
        ("abort-unread", "rst", "abort", "consistent"),
        ("after-close", "fin", "after-close", "consistent"),
        ("no-socket", "rst", "no-socket", "consistent"),
        ("refused", "refused", "refused", "consistent"),
        ("forged-bare", "rst", "no-socket", "forged"),
        ("forged-with-ack", "rst", "unknown", "forged"),
        ("forged-with-ack-and-df", "rst", "unknown", "forged"),
        ("forged-bare-other-ttl", "rst", "no-socket", "forged"),
    ];
    for (name, how, kind, consistent) in table {
        let path = repo().join(format!("tests/captures/{name}.pcap"));
        let [flow] = flows(&path).jsonl().try_into().unwrap();
        let ending = &flow["ending"];
        let reset = &ending["reset"];
        let told = [&ending["how"], &reset["kind"], &reset["consistent"]];
        assert_eq!(told, [how, kind, consistent], "{name}: {ending:#}");
    }
}

// ── the command ──────────────────────────────────────────────

const ENDS: [[u8; 4]; 2] = [[192, 0, 2, 1], [198, 51, 100, 7]];

fn packet(
    from_client: bool,
    port: u16,
    flags: u8,
    (seq, ack): (u32, u32),
    payload: &[u8],
) -> Vec<u8> {
    let (src, dst) = if from_client { (port, 443) } else { (443, port) };
    let tcp = Tcp {
        src,
        dst,
        seq,
        ack,
        flags,
        // A stack without the socket has no window to offer.
        window: if flags == 4 { 0 } else { 500 },
        options: Vec::new(),
        payload: payload.to_vec(),
    };
    let ends = if from_client { ENDS } else { [ENDS[1], ENDS[0]] };
    ipv4(ends, 6, (seq as u16, 0x4000), &tcp.bytes())
}

/// A connection whose server resets it, cut into two captures.
fn two_halves() -> [Vec<u8>; 2] {
    let at = |seconds: i64| Moment::from_secs(1_715_310_862 + seconds);
    let raw = || Writer::new(LinkType(101), "made for a test", "tests");
    let mut first = raw();
    first.packet(at(0), &packet(true, 49_314, 2, (100, 0), b""));
    first.packet(at(1), &packet(false, 49_314, 0x12, (900, 101), b""));
    first.packet(at(2), &packet(true, 49_314, 0x10, (101, 901), b""));
    let mut second = raw();
    second.packet(at(60), &packet(true, 49_314, 0x18, (101, 901), b"hello"));
    second.packet(at(61), &packet(false, 49_314, 0x04, (901, 0), b""));
    [first.finish(), second.finish()]
}

/// A folder of its own that goes away again.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("hopclock-{name}-{}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn file(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.0.join(name);
        fs::write(&path, bytes).unwrap();
        path
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

#[test]
fn several_files_are_one_capture_in_whatever_order() {
    let folder = Folder::new("rotation");
    let [first, second] = two_halves();
    let (one, two) = (folder.file("ring.1", &first), folder.file("ring.2", &second));
    for order in [[&one, &two], [&two, &one]] {
        let args = ["flows".as_ref(), "--format".as_ref(), "jsonl".as_ref()];
        let ran = run(args.into_iter().chain(order.map(|path| path.as_os_str())));
        let [flow] = ran.jsonl().try_into().unwrap();
        schema::validate("flow", &flow);
        assert_eq!(flow["ending"]["how"], "rst");
        assert_eq!(flow["ending"]["reset"]["kind"], "no-socket");
        assert_eq!((&flow["first_packet"], &flow["last_packet"]), (&json!(1), &json!(5)));
        assert_eq!(flow["in_files"]["last"], json!({"file": two.to_str().unwrap(), "packet": 2}));
    }
}

#[test]
fn standard_input_is_read_and_a_cut_file_is_told() {
    let [first, _] = two_halves();
    let whole = Hopclock::new(["flows", "--format", "jsonl", "-"]).stdin(first.clone()).run();
    assert_eq!((whole.code, whole.jsonl().len()), (Some(0), 1));
    let cut = &first[..first.len() - 9];
    let ran = Hopclock::new(["flows", "--format", "json", "-"]).stdin(cut).run();
    assert_eq!(ran.code, Some(0));
    let document = ran.json();
    schema::validate("flows", &document);
    assert_eq!(document["flows"][0]["packets"], json!({"client": 1, "server": 1}));
    let notes = document["inputs"][0]["notes"].to_string();
    assert!(notes.contains("9 bytes before its last record does"), "{notes}");
    assert!(notes.contains("made for a test"), "{notes}");
}

#[test]
fn what_cannot_be_read_is_no_input_and_the_rest_is_still_told() {
    let folder = Folder::new("partly");
    let bad = folder.file("notes.txt", b"dear colleague");
    let good = folder.file("a.pcapng", &two_halves()[0]);
    let alone = flows(&bad);
    assert_eq!((alone.code, alone.err.contains("neither pcap nor pcapng")), (Some(3), true));
    let args = ["flows".as_ref(), "--format".as_ref(), "jsonl".as_ref()];
    let both = run(args.into_iter().chain([bad.as_os_str(), good.as_os_str()]));
    assert_eq!((both.code, both.jsonl().len()), (Some(0), 1));
    assert!(both.err.contains("notes.txt"), "{}", both.err);
    assert_eq!(run(["flows", "-", "-"]).code, Some(2));
}

#[test]
fn the_text_fits_eighty_columns() {
    let folder = Folder::new("columns");
    let [first, second] = two_halves();
    let (one, two) = (folder.file("1", &first), folder.file("2", &second));
    let ran = run(["flows".as_ref(), "--utc".as_ref(), one.as_os_str(), two.as_os_str()]);
    assert_eq!(ran.code, Some(0));
    assert!(ran.out.starts_with("1 connection: 1 rst\n"), "{}", ran.out);
    for line in ran.out.lines() {
        assert!(line.chars().count() <= 80, "{line}");
    }
    assert!(ran.out.contains("58.0 s of silence"), "{}", ran.out);
}

/// A million open connections in under 600 MB, as far as a tenth of them tells: the rest grows with
/// their number. `many-flows` measures the million.
#[test]
fn open_connections_stay_small() {
    for (seen, most_kb) in [(Seen::Once, 45_000), (Seen::Twice, 53_000), (Seen::Translated, 57_000)]
    {
        let found = measure(binary(), 100_000, seen).unwrap();
        assert_eq!(found.told, 100_000, "{seen:?}: {found:?}");
        assert!(found.anonymous_kb < most_kb, "{seen:?}: {found:?}");
    }
}
