//! Measures are tried on the packets of a box, where they are there.

use hopclock_tests::{command, repo, scratch};
use serde_json::Value;

fn fixes(example: &str) -> Vec<Value> {
    let folder = repo().join("examples").join(example);
    let report = command::run(["diagnose", folder.to_str().unwrap(), "--format", "json"]).json();
    report["findings"][0]["fixes"].as_array().unwrap().clone()
}

fn fix<'a>(all: &'a [Value], id: &str) -> &'a Value {
    all.iter().find(|fix| fix["id"] == id).unwrap()
}

#[test]
fn of_a_frozen_entry_liberal_windows_save_it_and_a_longer_timer_moves_its_end() {
    let all = fixes("egress-12h-settled");
    let liberal = fix(&all, "be-liberal");
    assert_eq!(liberal["effect"], "held");
    let tried = &liberal["tried"];
    assert_eq!((&tried["lost"], &tried["lost_then"]), (&1.into(), &0.into()), "{tried}");
    assert_eq!((&tried["saved"], &tried["moved"]), (&1.into(), &0.into()), "{tried}");
    assert_eq!(tried["simulated"], true);
    let longer = fix(&all, "raise-established");
    assert_eq!(longer["effect"], "moves-period");
    assert_eq!(longer["tried"]["moved"], 1);
    let says = longer["tried"]["says"].as_str().unwrap();
    assert!(says.contains("43 s after it went as captured (simulated)"), "{says}");
}

/// A folder of one file each: the settled story's, but for what is changed.
fn with_changes(name: &str, changes: &[(&str, &str)]) -> Vec<Value> {
    let (from, to) = (repo().join("examples/egress-12h-settled"), scratch(name));
    for entry in walk(&from) {
        let path = to.join(entry.strip_prefix(&from).unwrap());
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        match std::fs::read_to_string(&entry) {
            Ok(text) => {
                let changed = changes.iter().fold(text, |text, (from, to)| text.replace(from, to));
                std::fs::write(path, changed).unwrap();
            }
            Err(_) => drop(std::fs::copy(&entry, path).unwrap()),
        }
    }
    let report = command::run(["diagnose", to.to_str().unwrap(), "--format", "json"]).json();
    std::fs::remove_dir_all(to).unwrap();
    report["findings"][0]["fixes"].as_array().unwrap().clone()
}

fn walk(folder: &std::path::Path) -> Vec<std::path::PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries.flat_map(|path| if path.is_dir() { walk(&path) } else { vec![path] }).collect()
}

/// The story's second measure, on a box that does not take up connections yet: the server speaks
/// first, so its packet is for the box whatever `tcp_loose` is, unless a rule keeps it from the
/// box's stack.
#[test]
fn taking_up_connections_does_not_save_one_whose_server_speaks_first() {
    let strict = ("nf_conntrack_tcp_loose = 1", "nf_conntrack_tcp_loose = 0");
    let all = with_changes("tried-loose", &[strict]);
    let loose = fix(&all, "loose");
    let tried = &loose["tried"];
    assert_eq!((&loose["effect"], &tried["differs"]), (&"not-held".into(), &false.into()));
    assert_eq!((&tried["lost"], &tried["lost_then"]), (&1.into(), &1.into()), "{tried}");
    let says = tried["says"].as_str().unwrap();
    assert!(
        says.ends_with("no rule stops packet 732, which is then for the box's own stack"),
        "{says}"
    );
    let drops = (
        "meta l4proto { icmp, ipv6-icmp } accept",
        "tcp flags & (fin | syn | rst | ack) != syn drop",
    );
    let all = with_changes("tried-loose-drops", &[strict, drops]);
    let says = fix(&all, "loose")["tried"]["says"].as_str().unwrap().to_owned();
    assert!(says.ends_with("its packet 732 is dropped by a rule of the box (line 10)"), "{says}");
}

#[test]
fn what_the_packets_show_goes_before_the_mechanism_and_is_said() {
    let all = fixes("nat-expiry");
    let longer = fix(&all, "raise-established");
    assert_eq!((&longer["effect"], &longer["tried"]["differs"]), (&"held".into(), &true.into()));
    let says = longer["tried"]["says"].as_str().unwrap();
    assert!(says.contains("for silences no longer than those recorded"), "{says}");
    assert!(says.ends_with("by its mechanism alone it was judged otherwise"), "{says}");
    for id in ["keepalive-below", "h2-ping"] {
        assert_eq!(
            (&fix(&all, id)["effect"], &fix(&all, id)["tried"]["lost_then"]),
            (&"held".into(), &0.into())
        );
    }
    let liberal = fix(&all, "be-liberal");
    assert_eq!(liberal["effect"], "not-held");
    let says = liberal["tried"]["says"].as_str().unwrap();
    assert!(says.contains("every packet meets the fate it met; no rule stops packet"), "{says}");
    assert!(says.ends_with("which is then for the box's own stack"), "{says}");
}

#[test]
fn without_packets_of_the_box_nothing_is_tried() {
    let all = fixes("egress-12h");
    assert!(all.iter().all(|fix| fix.get("tried").is_none()), "{all:?}");
    let effects = ["be-liberal", "raise-established", "loose", "h2-ping"]
        .map(|id| fix(&all, id)["effect"].clone());
    assert_eq!(effects, ["held", "moves-period", "not-held", "not-held"]);
}
