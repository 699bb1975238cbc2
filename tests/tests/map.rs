//! `hopclock map`, as a user meets it: the example's findings, files that are wrong, documents
//! against their schemas, and the page of the map against the rules.

use crate::collect::{in_namespace, nft};
use hopclock_live::namespace;
use hopclock_tests::command::{Ran, run};
use hopclock_tests::{repo, schema, scratch};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

const EXAMPLE: &str = "docs/hops.toml";

fn json_of(ran: &Ran) -> Value {
    let read = serde_json::from_str(&ran.out);
    assert!(read.is_ok(), "{ran:#?}");
    read.unwrap()
}

/// A snapshot as `hopclock snapshot` has it, with one timer and one setting.
fn snapshot(host: &str, established_s: u32) -> Value {
    let setting = "net.netfilter.nf_conntrack_tcp_timeout_established";
    json!({
        "schema": "hopclock.snapshot/1", "at_ns": 0, "host": host, "kernel": "6.12.0",
        "namespaces": [{
            "name": null, "inode": 1, "interfaces": [], "forwards": true, "tracks": true,
            "translates": true, "entries": null,
            "settings": {setting: established_s.to_string(), "net.netfilter.nf_conntrack_tcp_loose": "0"},
            "timers": [{
                "clock": "linux-ct-tcp-established", "setting": setting,
                "value": established_s.to_string(), "seconds": established_s, "read_in": "sysctl",
                "scope": null
            }],
            "rules": [], "sockets": null
        }],
        "programs": [], "missing": []
    })
}

fn written(folder: &Path, name: &str, text: &str) -> String {
    let path = folder.join(name);
    fs::write(&path, text).unwrap();
    path.display().to_string()
}

fn rules(document: &Value) -> Vec<(String, String)> {
    let text = |v: &Value| v.as_str().unwrap_or("").to_owned();
    let findings = document["findings"].as_array().unwrap();
    findings.iter().map(|f| (text(&f["path"]), text(&f["rule"]))).collect()
}

#[test]
fn the_example_tells_what_the_story_missed() {
    let ran = run(["map", "lint", "--format", "json", EXAMPLE]);
    assert_eq!((ran.code, ran.err.as_str()), (Some(1), ""), "{ran:#?}");
    let document = json_of(&ran);
    schema::validate("lint", &document);
    // 7200 s of keepalive against 350 s of the balancer; the PING is counted there.
    let expected = ("events".to_owned(), "keepalive-late".to_owned());
    assert_eq!(rules(&document), [expected]);
    let numbers = &document["findings"][0]["numbers"];
    assert_eq!(
        (numbers["idle_s"].as_f64(), numbers["keepalive_s"].as_f64()),
        (Some(350.0), Some(7200.0))
    );
    let text = run(["map", "lint", EXAMPLE]);
    assert!(text.out.lines().all(|line| line.chars().count() <= 80), "{}", text.out);
}

#[test]
fn the_example_keeps_to_its_schema_and_the_schema_is_what_is_printed() {
    let text = fs::read_to_string(repo().join(EXAMPLE)).unwrap();
    let read: toml::Table = toml::from_str(&text).unwrap();
    schema::validate("hops", &serde_json::to_value(read).unwrap());
    let printed = json_of(&run(["map", "schema"]));
    assert_eq!(printed, schema::load("hops"));
}

/// What the schema lets pass and refuses is what the reader does, field by field.
#[test]
fn schema_and_reader_agree_on_what_is_wrong() {
    let folder = scratch("map-schema");
    let good = fs::read_to_string(repo().join(EXAMPLE)).unwrap();
    let spoilt = [
        ("kind = \"nat\"", "kind = \"bridge\""),
        ("seconds = 43200", "seconds = -1"),
        ("seconds = 43200", "secs = 43200"),
        ("every_s = 7200", "every_s = 0"),
        ("hops = [\"app\", \"egress-1\", \"nlb\", \"upstream\"]", "hops = [\"app\"]"),
        ("what = \"keep-alive\"\n", ""),
        ("kind = \"tcp\"", "kind = \"udp\""),
        ("port = 443", "port = 70000"),
        ("hopclock.hops/1\"", "hopclock.hops/9\""),
        ("speaks_first = \"server\"", "speaks_first = \"nat\""),
        ("runs = \"between-requests\"", "runs = \"sometimes\""),
    ];
    for (from, to) in spoilt {
        let text = good.replacen(from, to, 1);
        assert_ne!(text, good, "{from} is not in the example");
        let read: toml::Table = toml::from_str(&text).unwrap();
        let wrong = schema::complaints("hops", &serde_json::to_value(read).unwrap());
        assert!(!wrong.is_empty(), "the schema lets {to} pass");
        let path = written(&folder, "hops.toml", &text);
        let ran = run(["map", "lint", &path]);
        assert_eq!((ran.code, ran.out.as_str()), (Some(3), ""), "{to}: {ran:#?}");
        assert!(ran.err.contains("hops.toml: "), "{to}: {ran:#?}");
    }
    fs::remove_dir_all(folder).unwrap();
}

#[test]
fn a_first_map_is_made_from_snapshots_and_can_be_checked() {
    let folder = scratch("map-init");
    let files: Vec<String> = ["app", "egress-1", "upstream"]
        .iter()
        .map(|host| written(&folder, &format!("{host}.json"), &snapshot(host, 43200).to_string()))
        .collect();
    let args: Vec<&str> =
        ["map", "init"].into_iter().chain(files.iter().map(String::as_str)).collect();
    let ran = run(args);
    assert_eq!((ran.code, ran.err.as_str()), (Some(0), ""), "{ran:#?}");
    let read: toml::Table = toml::from_str(&ran.out).unwrap();
    schema::validate("hops", &serde_json::to_value(read).unwrap());
    let hops = written(&folder, "hops.toml", &ran.out);
    let linted = run(["map", "lint", "--format", "json", &hops]);
    let document = json_of(&linted);
    schema::validate("lint", &document);
    assert_eq!(rules(&document), [("first".to_owned(), "keepalive-missing".to_owned())]);
    assert_eq!(document["findings"][0]["numbers"]["idle_s"], 43200.0);

    // The same night after night, until somebody turns the knob.
    let same = written(&folder, "tonight.json", &snapshot("egress-1", 43200).to_string());
    let ran = run(["map", "diff", &hops, &same]);
    assert_eq!((ran.code, ran.err.as_str()), (Some(0), ""), "{ran:#?}");
    let turned = written(&folder, "tomorrow.json", &snapshot("egress-1", 86400).to_string());
    let ran = run(["map", "diff", "--format", "json", &hops, &turned]);
    assert_eq!(ran.code, Some(1), "{ran:#?}");
    let document = json_of(&ran);
    schema::validate("drift", &document);
    let changes = document["changes"].as_array().unwrap();
    assert_eq!(changes.len(), 1, "{document:#}");
    assert_eq!((&changes[0]["hop"], &changes[0]["after_s"]), (&json!("egress-1"), &json!(86400.0)));
    let alone = run(["map", "diff", &same, &turned]);
    assert_eq!(alone.code, Some(1), "{alone:#?}");
    // A stranger's snapshot stands for no hop.
    let other = written(&folder, "other.json", &snapshot("elsewhere", 1).to_string());
    let ran = run(["map", "diff", &hops, &other]);
    assert_eq!((ran.code, ran.out.as_str()), (Some(2), ""), "{ran:#?}");
    assert!(ran.err.contains("is of elsewhere"), "{ran:#?}");
    fs::remove_dir_all(folder).unwrap();
}

#[test]
fn a_forecast_says_when_and_what_is_seen() {
    let ran = run(["map", "forecast", "--format", "json", EXAMPLE, "--path", "events"]);
    assert_eq!((ran.code, ran.err.as_str()), (Some(0), ""), "{ran:#?}");
    let document = json_of(&ran);
    schema::validate("forecast", &document);
    let due = document["paths"][0]["due"].as_array().unwrap();
    let when: Vec<f64> = due.iter().map(|d| d["after_s"].as_f64().unwrap()).collect();
    assert_eq!(when, [350.0], "{document:#}");
    // The keepalive of two hours outruns twelve.
    assert!(due.iter().all(|d| d["hop"] != "egress-1"), "{document:#}");
    // Without it the box is due, and the server, who speaks first, is told by the box.
    let text = fs::read_to_string(repo().join(EXAMPLE)).unwrap();
    let folder = scratch("map-forecast");
    let late = written(&folder, "hops.toml", &text.replace("every_s = 7200", "every_s = 72000"));
    let ran = run(["map", "forecast", "--format", "json", &late, "--path", "events"]);
    let document = json_of(&ran);
    let due = document["paths"][0]["due"].as_array().unwrap();
    let last = due.last().unwrap();
    assert_eq!((&last["hop"], &last["after_s"]), (&json!("egress-1"), &json!(43200.0)));
    assert!(last["sees"].as_str().unwrap().contains("resets the server"), "{last:#}");
    // A pattern of traffic may be supposed.
    let short =
        run(["map", "forecast", "--format", "json", &late, "--path", "events", "--silent", "5m"]);
    let due = json_of(&short)["paths"][0]["due"].as_array().unwrap().len();
    assert_eq!(due, 0);
    let ran = run(["map", "forecast", EXAMPLE, "--path", "nowhere"]);
    assert_eq!((ran.code, ran.out.as_str()), (Some(2), ""), "{ran:#?}");
    assert!(ran.err.contains("there are: events, events-grpc"), "{ran:#?}");
    fs::remove_dir_all(folder).unwrap();
}

#[test]
fn a_snapshot_that_cannot_be_read_is_told_and_the_rest_is_used() {
    let folder = scratch("map-missing");
    let text = fs::read_to_string(repo().join(EXAMPLE)).unwrap();
    let text = text.replace(
        "name = \"app\"\nkind = \"client\"",
        "name = \"app\"\nkind = \"client\"\nsnapshot = \"app.json\"",
    );
    let path = written(&folder, "hops.toml", &text);
    let ran = run(["map", "lint", "--format", "json", &path]);
    let document = json_of(&ran);
    assert_eq!(ran.code, Some(1));
    assert!(document["notes"][0].as_str().unwrap().contains("app.json"), "{document:#}");
    assert_eq!(rules(&document).len(), 1);
    fs::remove_dir_all(folder).unwrap();
}

#[test]
fn the_page_explains_every_rule_as_the_command_does() {
    let page = fs::read_to_string(repo().join("docs/map.md")).unwrap();
    let rows = page.lines().filter_map(|line| line.strip_prefix("| `")?.split_once("` | "));
    let told: BTreeSet<(String, String)> = rows
        .filter_map(|(id, rest)| Some((id.to_owned(), rest.strip_suffix(" |")?.to_owned())))
        .filter(|(id, _)| id.contains('-'))
        .collect();
    let ran = run(["map", "lint", "--rules"]);
    let mut known = BTreeSet::new();
    let mut id = String::new();
    let mut asks: Vec<String> = Vec::new();
    for line in ran.out.lines().chain(["end"]) {
        if line.starts_with(' ') {
            asks.push(line.trim().to_owned());
        } else {
            if !id.is_empty() {
                known.insert((std::mem::take(&mut id), asks.join(" ")));
            }
            asks.clear();
            id = line.to_owned();
        }
    }
    assert_eq!(known.len(), 13, "{}", ran.out);
    assert_eq!(told, known);
}

/// The timer that is measured is found on the map; without its hop the map is told to lack one.
#[test]
fn a_diagnosis_names_the_hop_of_the_map_or_says_that_one_is_missing() {
    let folder = scratch("map-diagnose");
    let hops = |seconds: &str| {
        let text = fs::read_to_string(repo().join(EXAMPLE)).unwrap();
        written(
            &folder,
            "hops.toml",
            &text.replace("seconds = 43200", &format!("seconds = {seconds}")),
        )
    };
    let ask = |hops: &str| {
        let ran = run(["diagnose", "--format", "json", "--hops", hops, "examples/egress-12h"]);
        assert_eq!((ran.code, ran.err.as_str()), (Some(0), ""), "{ran:#?}");
        let report = json_of(&ran);
        schema::validate("report", &report);
        report["findings"][0].clone()
    };
    let finding = ask(&hops("43200"));
    let timers = finding["on_the_map"]["timers"].as_array().unwrap();
    assert_eq!(timers.len(), 1, "{timers:#?}");
    assert_eq!(
        (&timers[0]["hop"], &finding["verdict"]["hop"]),
        (&json!("egress-1"), &json!("egress-1"))
    );
    let finding = ask(&hops("7440"));
    assert_eq!(finding["on_the_map"]["timers"], json!([]));
    let says = finding["on_the_map"]["says"].as_str().unwrap();
    assert!(says.contains("a hop exists that is not on the map"), "{says}");
    let text = run(["diagnose", "--hops", &hops("43200"), "examples/egress-12h"]);
    assert!(
        text.out.contains("  On the map: egress-1 keeps a timer of that length"),
        "{}",
        text.out
    );
    fs::remove_dir_all(folder).unwrap();
}

// ── hosts that were built ────────────────────────────────────

/// Where the hosts of the next test leave their snapshots.
fn hosts() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join("map-hosts")
}

/// A snapshot of the calling thread's namespace under a host's name.
fn leave(host: &str, file: &str) {
    let path = hosts().join(file);
    let ran = run(["snapshot", "--format", "json", "--host", host, "-o", path.to_str().unwrap()]);
    assert_eq!(ran.code, Some(0), "{ran:#?}");
}

fn set(settings: &[(&str, &str)]) {
    for (key, value) in settings {
        namespace::set_sysctl(key, value).unwrap();
    }
}

const TRANSLATES: &str = "table ip nat {
  chain post {
    type nat hook postrouting priority 100
    masquerade
  }
}
table ip f {
  chain pass {
    type filter hook forward priority 0
    ct state invalid drop
  }
}
";

/// Three hosts as namespaces, each measured by itself: the map is what was built, and the knob that
/// is turned overnight is the one change that is told.
#[test]
fn the_map_of_hosts_is_what_was_built() {
    const NAME: &str = "the_map_of_hosts_is_what_was_built";
    let _ = fs::remove_dir_all(hosts());
    fs::create_dir_all(hosts()).unwrap();
    in_namespace(NAME, &["nft"], || {
        set(&[("ipv4/tcp_keepalive_time", "600")]);
        leave("app", "app.json");
    });
    in_namespace(NAME, &["nft"], || {
        nft(TRANSLATES);
        set(&[
            ("ipv4/ip_forward", "1"),
            ("netfilter/nf_conntrack_tcp_timeout_established", "4321"),
            ("netfilter/nf_conntrack_tcp_timeout_unacknowledged", "77"),
            ("netfilter/nf_conntrack_tcp_loose", "0"),
        ]);
        leave("egress-1", "egress-1.json");
        set(&[("netfilter/nf_conntrack_tcp_timeout_established", "1234")]);
        leave("egress-1", "tonight.json");
    });
    in_namespace(NAME, &["nft"], || leave("upstream", "upstream.json"));
    let at = |file: &str| hosts().join(file).display().to_string();
    if !hosts().join("upstream.json").exists() {
        return; // skipped by name
    }
    let made = run(["map", "init", &at("app.json"), &at("egress-1.json"), &at("upstream.json")]);
    assert_eq!((made.code, made.err.as_str()), (Some(0), ""), "{made:#?}");
    let file: toml::Table = toml::from_str(&made.out).unwrap();
    let hops = file["hop"].as_array().unwrap().iter();
    let kinds: Vec<(&str, &str)> =
        hops.map(|hop| (hop["name"].as_str().unwrap(), hop["kind"].as_str().unwrap())).collect();
    assert_eq!(kinds, [("app", "client"), ("egress-1", "nat"), ("upstream", "server")]);
    let hops = written(
        &hosts(),
        "hops.toml",
        &made.out.replace("# silent_s = 3600", "speaks_first = \"client\""),
    );
    // Only the box tracks: the ends' tables keep nothing, whatever their sysctls say.
    let foretold = json_of(&run(["map", "forecast", "--format", "json", &hops]));
    let due = foretold["paths"][0]["due"].as_array().unwrap();
    assert_eq!(due.len(), 1, "{foretold:#}");
    assert_eq!((&due[0]["hop"], &due[0]["after_s"]), (&json!("egress-1"), &json!(4321.0)));
    assert!(due[0]["sees"].as_str().unwrap().contains("leaves untranslated"), "{foretold:#}");
    let linted = json_of(&run(["map", "lint", "--format", "json", &hops]));
    let found: Vec<String> = rules(&linted).into_iter().map(|(_, rule)| rule).collect();
    assert_eq!(found, ["keepalive-missing", "unacknowledged-short"], "{linted:#}");
    let drawn = run(["map", "draw", "--format", "mermaid", &hops]);
    assert!(
        drawn.out.contains("● 4321 s of silence: nf_conntrack_tcp_timeout_established"),
        "{drawn:#?}"
    );
    let ran = run(["map", "diff", "--format", "json", &hops, &at("tonight.json")]);
    let changes = json_of(&ran);
    let changes = changes["changes"].as_array().unwrap();
    assert_eq!((ran.code, changes.len()), (Some(1), 1), "{changes:#?}");
    assert_eq!((&changes[0]["before_s"], &changes[0]["after_s"]), (&json!(4321.0), &json!(1234.0)));
    fs::remove_dir_all(hosts()).unwrap();
}
