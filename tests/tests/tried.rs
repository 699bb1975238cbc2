//! Measures are tried on the packets of a box, where they are there.

use hopclock_tests::{command, repo};
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
    assert!(liberal["tried"]["says"].as_str().unwrap().ends_with("meets the fate it met"));
}

#[test]
fn without_packets_of_the_box_nothing_is_tried() {
    let all = fixes("egress-12h");
    assert!(all.iter().all(|fix| fix.get("tried").is_none()), "{all:?}");
    let effects = ["be-liberal", "raise-established", "loose", "h2-ping"]
        .map(|id| fix(&all, id)["effect"].clone());
    assert_eq!(effects, ["held", "moves-period", "not-held", "not-held"]);
}
