//! Redaction of whole folders and of real captures: nothing of the original is left, checksums are
//! as right as they were (tshark judges), and what `diagnose` argues is the same.

use crate::collect::{files, holds};
use hopclock_core::capture::sniff;
use hopclock_core::redact::{Key, Redactor};
use hopclock_tests::command::run;
use hopclock_tests::{material, repo, scratch, tool};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::process::Command;

fn redactor() -> Redactor {
    Redactor::new(Key::from_bytes(*b"not a secret key"))
}

/// A folder under other names, beside the original's own names; what replaced what.
fn redacted(folder: &Path, out: &Path) -> Vec<(String, String)> {
    let mut redactor = redactor();
    let all = files(folder);
    for (_, bytes) in all.iter().filter(|(_, bytes)| sniff(bytes).is_none()) {
        redactor.learn(bytes);
    }
    for (name, bytes) in &all {
        let path = out.join(redactor.text(name));
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        let new = match sniff(bytes) {
            Some(_) => redactor.capture(bytes, "").bytes,
            None => redactor.bytes(bytes),
        };
        fs::write(path, new).unwrap();
    }
    redactor.replaced()
}

/// What is argued, without what must differ.
fn argued(folder: &Path) -> Value {
    let ran = run(["diagnose", "--format", "json", &folder.to_string_lossy()]);
    if ran.out.is_empty() {
        return json!(ran.code);
    }
    let report = ran.json();
    let findings = report["findings"].as_array().unwrap().iter().map(|finding| {
        let mut verdict = finding["verdict"].clone();
        if verdict.is_object() {
            verdict["hop"] = Value::Null;
        }
        let hypotheses = finding["hypotheses"].as_array().unwrap().iter().map(|h| {
            let probability = h["probability"].as_f64().unwrap();
            json!([h["cause"], (probability * 1e6).round()])
        });
        json!({
            "outcome": finding["outcome"], "count": finding["connections"]["count"],
            "verdict": verdict, "hypotheses": hypotheses.collect::<Vec<_>>(),
            "rhythm": finding["rhythm"]["period_s"], "endings": finding["endings"].as_array().map(Vec::len),
        })
    });
    let records = |input: &Value| json!([input["kind"], input["records"], input["skipped"]]);
    let mut inputs: Vec<String> =
        report["inputs"].as_array().unwrap().iter().map(|i| records(i).to_string()).collect();
    inputs.sort();
    json!({"findings": findings.collect::<Vec<_>>(), "inputs": inputs})
}

/// Every pcap becomes a pcapng.
fn same(one: &Value, other: &Value) -> bool {
    let plain = |value: &Value| value.to_string().replace("pcapng", "pcap");
    plain(one) == plain(other)
}

fn folders(parent: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(parent).unwrap().map(|entry| entry.unwrap().path());
    let mut found: Vec<PathBuf> = entries.filter(|path| path.is_dir()).collect();
    found.sort();
    found
}

/// What is argued from each folder must be what is argued from it under other names.
fn argued_alike(parent: &Path) -> usize {
    let mut differ = Vec::new();
    let all = folders(parent);
    for folder in &all {
        let root = scratch("redact");
        let out = root.join("evidence");
        let replaced = redacted(folder, &out);
        let (before, after) = (argued(folder), argued(&out));
        if !same(&before, &after) {
            differ.push(format!("{}\n{before}\n{after}\n{replaced:?}", folder.display()));
        }
        fs::remove_dir_all(root).unwrap();
    }
    assert!(differ.is_empty(), "{} of {}:\n{}", differ.len(), all.len(), differ.join("\n\n"));
    all.len()
}

#[test]
fn an_example_is_argued_alike_under_other_names() {
    assert!(argued_alike(&repo().join("examples")) > 5);
}

#[test]
fn an_incident_is_argued_alike_under_other_names() {
    const NAME: &str = "an_incident_is_argued_alike_under_other_names";
    if let Some(material) = material(NAME) {
        assert!(argued_alike(&material.join("cases")) > 5);
    }
}

#[test]
fn no_file_of_an_example_holds_an_original() {
    for folder in folders(&repo().join("examples")) {
        let root = scratch("redact");
        let replaced = redacted(&folder, &root);
        assert!(replaced.len() >= 4, "{}: {replaced:?}", folder.display());
        let originals: BTreeSet<&str> = replaced.iter().map(|(original, _)| &**original).collect();
        for (name, bytes) in files(&root) {
            for original in &originals {
                let path = format!("{} of {}", name, folder.display());
                let text = String::from_utf8_lossy(&bytes);
                let is_whole = |at: usize| {
                    let word = |c: Option<char>| c.is_some_and(|c| c.is_alphanumeric());
                    let after = text[at + original.len()..].chars().next();
                    !word(text[..at].chars().next_back()) && !word(after)
                };
                let left = text.match_indices(original).any(|(at, _)| is_whole(at));
                assert!(!left, "{original} in {path}");
                assert!(!name.contains(original), "{original} in the name of {path}");
                let raw = original.parse::<IpAddr>().map(|address| match address {
                    IpAddr::V4(v4) => v4.octets().to_vec(),
                    IpAddr::V6(v6) => v6.octets().to_vec(),
                });
                assert!(!raw.is_ok_and(|raw| holds(&bytes, &raw)), "{original} in {path}");
            }
        }
        fs::remove_dir_all(root).unwrap();
    }
}

/// Fields of every packet, as tshark has them.
fn fields(tshark: &Path, capture: &Path, names: &[&str]) -> Vec<Vec<String>> {
    let mut command = Command::new(tshark);
    command.arg("-r").arg(capture).args(["-n", "-T", "fields", "-E", "occurrence=a"]);
    for on in ["ip.check_checksum", "tcp.check_checksum", "udp.check_checksum"] {
        command.args(["-o", &format!("{on}:TRUE")]);
    }
    // Redacted captures have no payload to take streams from, and defragmenting hides checksums.
    command.args(["-o", "ip.defragment:FALSE", "-o", "tcp.desegment_tcp_streams:FALSE"]);
    for name in names {
        command.args(["-e", name]);
    }
    let output = command.output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    text.lines().map(|line| line.split('\t').map(str::to_owned).collect()).collect()
}

const SUMS: [&str; 5] = [
    "ip.checksum.status",
    "tcp.checksum.status",
    "udp.checksum.status",
    "icmp.checksum.status",
    "icmpv6.checksum.status",
];
const ADDRESSES: [&str; 8] = [
    "ip.src",
    "ip.dst",
    "ipv6.src",
    "ipv6.dst",
    "arp.src.proto_ipv4",
    "arp.dst.proto_ipv4",
    "eth.src",
    "eth.dst",
];

/// Where a checksum's judgement changed. tshark says 0 for bad, 1 for good, 2 where it cannot tell,
/// as of every segment whose payload is gone.
fn changed(before: &[String], after: &[String]) -> (usize, Vec<String>) {
    let (mut judged, mut found) = (0, Vec::new());
    for ((name, was), is) in SUMS.iter().zip(before).zip(after) {
        let both = was.split(',').zip(is.split(','));
        for (was, is) in both.filter(|(was, is)| *is != "2" && *was != "2" && !is.is_empty()) {
            judged += 1;
            if was != is {
                found.push(format!("{name} {was} -> {is}"));
            }
        }
    }
    (judged, found)
}

/// Addresses of a redacted packet that are none of its original's under their pseudonyms.
fn strangers(redactor: &mut Redactor, before: &[String], after: &[String]) -> Vec<String> {
    let mut map = |text: &str| match text.parse::<IpAddr>() {
        Ok(address) => redactor.address(address).to_string(),
        Err(_) => redactor.text(text),
    };
    let allowed: BTreeSet<String> =
        before.iter().flat_map(|field| field.split(',')).map(&mut map).collect();
    let seen = after.iter().flat_map(|field| field.split(',')).filter(|text| !text.is_empty());
    seen.filter(|text| !allowed.contains(*text)).map(str::to_owned).collect()
}

/// Captures in a folder, unpacked.
fn captures(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let plain = |(name, bytes): (String, Vec<u8>)| sniff(&bytes).map(|_| (name, bytes));
    files(folder).into_iter().filter_map(plain).collect()
}

fn judged_by_tshark(name: &str, folders: &[PathBuf]) {
    let Some(tshark) = tool(name, "tshark") else { return };
    let root = scratch("redact");
    let (mut judged, mut packets, mut wrong) = (0, 0, Vec::new());
    for (name, bytes) in folders.iter().flat_map(|folder| captures(folder)) {
        let mut redactor = redactor();
        let (old, new) = (root.join("old"), root.join("new"));
        fs::write(&old, &bytes).unwrap();
        fs::write(&new, redactor.capture(&bytes, "").bytes).unwrap();
        let all = [&SUMS[..], &ADDRESSES[..]].concat();
        let [before, after] = [&old, &new].map(|path| fields(&tshark, path, &all));
        // A damaged file may be read differently by another reader from its first packet on.
        if before.len() != after.len() {
            continue;
        }
        for (at, (before, after)) in before.iter().zip(&after).enumerate() {
            let (sums, ends) = (before.split_at(SUMS.len()), after.split_at(SUMS.len()));
            let (n, changed) = changed(sums.0, ends.0);
            (judged, packets) = (judged + n, packets + 1);
            let found = strangers(&mut redactor, sums.1, ends.1);
            let told = changed.into_iter().chain(found);
            wrong.extend(told.map(|what| format!("{name}: packet {}: {what}", at + 1)));
        }
    }
    fs::remove_dir_all(root).unwrap();
    assert!(judged > 100 && packets > 100, "{judged} checksums of {packets} packets");
    let few: Vec<&String> = wrong.iter().take(20).collect();
    assert!(wrong.is_empty(), "{} of {judged}: {few:#?}", wrong.len());
}

#[test]
fn checksums_and_addresses_of_our_own_captures() {
    let folders = ["examples", "tests/captures"].map(|folder| repo().join(folder));
    judged_by_tshark("checksums_and_addresses_of_our_own_captures", &folders);
}

#[test]
fn checksums_and_addresses_of_real_captures() {
    const NAME: &str = "checksums_and_addresses_of_real_captures";
    if let Some(material) = material(NAME) {
        judged_by_tshark(NAME, &[material.join("captures")]);
    }
}
