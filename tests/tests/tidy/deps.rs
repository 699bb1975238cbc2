//! Crates from elsewhere: how many, and under which licences.

use crate::tidy::source::{self, Source};
use hopclock_tests::repo;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

/// Crates from elsewhere that each of ours may bring along, all platforms counted. Raising a
/// number is a decision: `docs/decisions` says what the new crate is for.
pub const BUDGET: &[(&str, usize)] =
    &[("hopclock-core", 33), ("hopclock", 92), ("hopclock-lab-grpc", 81), ("hopclock-tests", 107)];

/// Which of ours bring more than they may.
pub fn over_budget(lock: &str, budget: &[(&str, usize)]) -> Vec<String> {
    let lock: toml::Table = toml::from_str(lock).unwrap();
    let mut needs: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let mut from_elsewhere = BTreeSet::new();
    for package in lock["package"].as_array().unwrap() {
        let name = package["name"].as_str().unwrap();
        let listed = package.get("dependencies").and_then(toml::Value::as_array);
        let dependencies = listed.into_iter().flatten().filter_map(toml::Value::as_str);
        // A crate locked in two versions counts once: which of the two is meant does not matter.
        let names = dependencies.map(|d| d.split(' ').next().unwrap_or(d).to_owned());
        needs.entry(name.to_owned()).or_default().extend(names);
        if package.get("source").is_some() {
            from_elsewhere.insert(name.to_owned());
        }
    }
    let mut found = Vec::new();
    for (ours, allowed) in budget {
        let brought = reachable(&needs, ours).intersection(&from_elsewhere).count();
        if brought > *allowed {
            found.push(format!("{ours} brings {brought} crates, {allowed} allowed"));
        }
    }
    found
}

fn reachable(needs: &BTreeMap<String, Vec<String>>, from: &str) -> BTreeSet<String> {
    let mut reached = BTreeSet::new();
    let mut to_read = vec![from.to_owned()];
    while let Some(name) = to_read.pop() {
        let next = needs.get(&name).cloned().unwrap_or_default();
        to_read.extend(next.into_iter().filter(|n| reached.insert(n.clone())));
    }
    reached
}

/// Where packages of ours are.
const FOLDERS: [&str; 7] = [
    "crates/core",
    "crates/render",
    "crates/live",
    "crates/lab",
    "crates/lab-grpc",
    "crates/cli",
    "tests",
];

/// Dependencies a package of the workspace declares and never names.
pub fn unused(sources: &[Source]) -> Vec<String> {
    let mut found = Vec::new();
    for folder in FOLDERS {
        let Ok(manifest) = std::fs::read_to_string(repo().join(folder).join("Cargo.toml")) else {
            continue; // a room not built yet
        };
        let own = sources.iter().filter(|s| s.path.starts_with(&format!("{folder}/")));
        let code: Vec<&str> = own.map(|s| s.code.as_str()).collect();
        found.extend(unnamed(folder, &manifest, &code));
    }
    found
}

fn unnamed(folder: &str, manifest: &str, code: &[&str]) -> Vec<String> {
    let manifest: toml::Table = toml::from_str(manifest).unwrap();
    let mut found = Vec::new();
    for section in ["dependencies", "dev-dependencies"] {
        let declared = manifest.get(section).and_then(toml::Value::as_table);
        for name in declared.into_iter().flat_map(toml::Table::keys) {
            let spelt = name.replace('-', "_");
            if !code.iter().any(|text| !source::words(text, &spelt).is_empty()) {
                found.push(format!("{folder}: nothing names {name}: take it out of Cargo.toml"));
            }
        }
    }
    found
}

/// The licences `deny.toml` allows.
pub fn allowed_licences(deny: &str) -> BTreeSet<String> {
    let deny: toml::Table = toml::from_str(deny).unwrap();
    let allow = deny["licenses"]["allow"].as_array().unwrap();
    allow.iter().filter_map(toml::Value::as_str).map(str::to_owned).collect()
}

/// What cargo knows of every locked package, without going to the network.
pub fn metadata() -> Value {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo)
        .args(["metadata", "--format-version", "1", "--locked", "--offline"])
        .args(["--filter-platform", "x86_64-unknown-linux-gnu"])
        .current_dir(repo())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

/// Packages whose licence leaves no allowed choice.
pub fn licences(allowed: &BTreeSet<String>, metadata: &Value) -> Vec<String> {
    let packages = metadata["packages"].as_array().unwrap();
    assert!(!packages.is_empty(), "cargo names its packages");
    let mut found = Vec::new();
    for package in packages {
        let licence = package["license"].as_str().unwrap_or("");
        if !grants(licence, allowed) {
            found.push(format!("{}: licence \"{licence}\"", package["name"]));
        }
    }
    found
}

/// Whether an SPDX expression can be met: some alternative of it needs allowed licences only.
fn grants(expression: &str, allowed: &BTreeSet<String>) -> bool {
    let spelt = expression.trim().replace('/', " OR "); // as manifests once wrote it
    let alternatives = split_outside(&spelt, " OR ");
    if alternatives.len() > 1 {
        return alternatives.iter().any(|part| grants(part, allowed));
    }
    let needed = split_outside(&spelt, " AND ");
    if needed.len() > 1 {
        return needed.iter().all(|part| grants(part, allowed));
    }
    match spelt.strip_prefix('(').and_then(|inner| inner.strip_suffix(')')) {
        Some(inner) => grants(inner, allowed),
        None => allowed.contains(&spelt),
    }
}

/// The pieces of `text` between those `by` that stand outside parentheses.
fn split_outside<'a>(text: &'a str, by: &str) -> Vec<&'a str> {
    let mut pieces = Vec::new();
    let (mut depth, mut from) = (0, 0);
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            b'(' => depth += 1,
            b')' => depth -= 1,
            b' ' if depth == 0 && text[at..].starts_with(by) => {
                pieces.push(&text[from..at]);
                from = at + by.len();
            }
            _ => {}
        }
    }
    pieces.push(&text[from..]);
    pieces
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOCK: &str = r#"
        [[package]]
        name = "ours"
        dependencies = ["mine", "a"]
        [[package]]
        name = "mine"
        [[package]]
        name = "a"
        source = "registry"
        dependencies = ["b 1.0.0"]
        [[package]]
        name = "b"
        source = "registry"
    "#;

    #[test]
    fn what_a_crate_brings_along_is_counted_through() {
        assert_eq!(over_budget(LOCK, &[("ours", 2), ("mine", 0)]).len(), 0);
        assert_eq!(over_budget(LOCK, &[("ours", 1)]).len(), 1);
    }

    #[test]
    fn a_dependency_nobody_names_is_seen() {
        let manifest = "[dependencies]\naho-corasick = \"1\"\nserde = \"1\"";
        let found = unnamed("crates/core", manifest, &["use serde::Serialize;", "fn a() {}"]);
        assert_eq!(found.len(), 1, "{found:?}");
        assert_eq!(unnamed("crates/core", manifest, &["serde::x(aho_corasick::y)"]).len(), 0);
    }

    #[test]
    fn a_licence_nobody_allowed_is_seen() {
        let allowed = allowed_licences("[licenses]\nallow = [\"MIT\", \"Unicode-3.0\"]");
        for fine in
            ["MIT", "Apache-2.0 OR MIT", "MIT/Apache-2.0", "(MIT OR Apache-2.0) AND Unicode-3.0"]
        {
            assert!(grants(fine, &allowed), "{fine}");
        }
        for bad in ["", "GPL-3.0-only", "MIT AND GPL-3.0-only", "(MIT OR X) AND GPL-3.0-only"] {
            assert!(!grants(bad, &allowed), "{bad}");
        }
    }
}
