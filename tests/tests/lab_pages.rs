//! The page of mechanisms tells of every scenario the lab plays, and of no other. Nothing is
//! played here: that takes root.

use hopclock_tests::command::run;
use hopclock_tests::repo;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;

/// What the page must say of each mechanism, besides its name and command.
const PARTS: [&str; 2] = ["seen on 6.18", "**Server:**"];

fn page() -> String {
    fs::read_to_string(repo().join("docs/mechanisms.md")).unwrap()
}

fn played() -> BTreeSet<String> {
    let ran = run(["lab", "list", "--format", "jsonl"]);
    assert_eq!(ran.code, Some(0), "{ran:#?}");
    let names = ran.jsonl().into_iter().map(|row| row["name"].as_str().unwrap().to_owned());
    names.collect()
}

/// The page's entries by the scenario in their heading.
fn entries(page: &str) -> BTreeMap<String, String> {
    let mut entries = BTreeMap::new();
    for part in page.split("\n### ").skip(1) {
        let (name, text) = part.split_once('\n').unwrap();
        // What follows under a heading above it is another chapter.
        let text = text.split("\n## ").next().unwrap();
        let twice = entries.insert(name.trim_matches('`').to_owned(), text.to_owned());
        assert!(twice.is_none(), "{name} has two entries");
    }
    entries
}

/// Scenarios the page names in its commands.
fn commanded(page: &str) -> BTreeSet<String> {
    let after = page.split("hopclock lab run ").skip(1);
    let word = after.map(|rest| rest.split(|c: char| c.is_whitespace() || c == '`').next());
    word.flatten().filter(|name| *name != "all").map(str::to_owned).collect()
}

#[test]
fn every_scenario_has_its_entry_and_every_entry_its_scenario() {
    let entries = entries(&page());
    let told: BTreeSet<String> = entries.keys().cloned().collect();
    assert_eq!(told, played(), "docs/mechanisms.md and `hopclock lab list` differ");
    for (name, text) in &entries {
        let command = format!("`hopclock lab run {name}`");
        assert!(text.contains(&command), "{name}: its entry lacks {command}");
        for part in PARTS {
            let combined = part == "**Server:**" && text.contains("**Client, server:**");
            assert!(text.contains(part) || combined, "{name}: its entry lacks {part}");
        }
    }
}

#[test]
fn no_command_of_a_page_names_what_the_lab_does_not_play() {
    let played = played();
    for path in ["README.md", "docs/mechanisms.md", "docs/limits.md", "ARCHITECTURE.md"] {
        let text = fs::read_to_string(repo().join(path)).unwrap();
        let strange: Vec<String> =
            commanded(&text).into_iter().filter(|name| !played.contains(name)).collect();
        assert!(strange.is_empty(), "{path} names {strange:?}");
    }
}

#[test]
fn the_columns_of_resets_and_beliefs_name_scenarios_that_exist() {
    let played = played();
    let page = page();
    let shapes = page.lines().filter(|line| line.starts_with("| ")).skip(1);
    let mut named = 0;
    for row in shapes {
        let last = row.trim_end_matches('|').rsplit('|').next().unwrap();
        for name in last.split('`').skip(1).step_by(2) {
            assert!(played.contains(name), "the table of resets names {name}");
            named += 1;
        }
    }
    assert!(named >= 8, "the table of resets names its scenarios");
    let beliefs = page.split("\n## Beliefs the kernel contradicts\n").nth(1).unwrap();
    let in_brackets = beliefs.split("(`").skip(1).filter_map(|rest| rest.split("`)").next());
    for name in in_brackets.flat_map(|names| names.split("`, `")) {
        let known = name.split("` against `").all(|name| played.contains(name));
        assert!(known, "a belief names {name}");
    }
}
