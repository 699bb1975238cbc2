//! Files: how they open, what they are called, and that none is forgotten.

use crate::tidy::source::{self, Source};
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

/// A file that does not open with `//!`.
pub fn opening(source: &Source) -> Vec<String> {
    let opens = source.raw.starts_with("//! ");
    let complaint = || format!("{}: opens with `//!`: what it is, what it refuses", source.path);
    (!opens).then(complaint).into_iter().collect()
}

/// A module file called `mod.rs`, or a module moved by `#[path]`.
pub fn naming(source: &Source) -> Vec<String> {
    let mut found = Vec::new();
    if let Some(folder) = source.path.strip_suffix("/mod.rs") {
        found.push(format!("{}: call it {folder}.rs", source.path));
    }
    if source.code.contains("#[path") {
        found
            .push(format!("{}: a module stands where its name says, without #[path]", source.path));
    }
    found
}

/// Files no `mod` line leads to from a crate's root, so that nothing compiles or tests them.
pub fn forgotten(sources: &[Source]) -> Vec<String> {
    let roots = sources.iter().filter(|s| is_root(&s.path));
    let mut reached: BTreeSet<String> = roots.map(|s| s.path.clone()).collect();
    let mut to_read: Vec<String> = reached.iter().cloned().collect();
    while let Some(path) = to_read.pop() {
        let Some(source) = sources.iter().find(|s| s.path == path) else { continue };
        for child in children(source) {
            if reached.insert(child.clone()) {
                to_read.push(child);
            }
        }
    }
    sources.iter().map(|s| s.path.clone()).filter(|path| !reached.contains(path)).collect()
}

/// A file cargo compiles without being told by a `mod` line.
fn is_root(path: &str) -> bool {
    let file = path.rsplit('/').next().unwrap_or("");
    let cargo_finds = ["/benches/", "/examples/", "/fuzz_targets/", "/bin/"];
    file == "lib.rs"
        || file == "main.rs"
        || file == "build.rs"
        || cargo_finds.iter().any(|folder| format!("/{path}").contains(folder))
}

/// Where the modules `source` declares stand.
fn children(source: &Source) -> Vec<String> {
    let stem = source.path.trim_end_matches(".rs");
    let folder = match stem.rsplit_once('/') {
        Some((folder, "lib" | "main")) => folder,
        _ => stem,
    };
    let mut found = Vec::new();
    for at in source::words(&source.code, "mod") {
        let name = source::identifier(&source.code, at + 3);
        let after = source.code[at + 3..].trim_start().trim_start_matches(name).trim_start();
        if after.starts_with(';') {
            found.push(format!("{folder}/{name}.rs"));
        }
    }
    found
}

/// Example folders without a README that says what is recorded and what is made.
pub fn examples(repo: &Path) -> Vec<String> {
    let folder = repo.join("examples");
    let Ok(entries) = fs::read_dir(&folder) else { return Vec::new() };
    let mut found = Vec::new();
    for entry in entries.map(Result::unwrap) {
        let name = entry.file_name().to_string_lossy().into_owned();
        let is_loose = entry.file_type().unwrap().is_file() && name != "README.md";
        let is_mute = entry.path().is_dir() && !entry.path().join("README.md").is_file();
        if is_loose {
            found.push(format!("examples/{name}: belongs into a folder with a README.md"));
        }
        if is_mute {
            found.push(format!("examples/{name}: has no README.md"));
        }
    }
    found
}

/// Decisions missing in their list, numbered twice, or listed and missing.
pub fn decisions(repo: &Path) -> Vec<String> {
    let folder = repo.join("docs/decisions");
    let list = fs::read_to_string(folder.join("README.md")).unwrap();
    let entries = fs::read_dir(&folder).unwrap().map(Result::unwrap);
    let mut names: Vec<String> =
        entries.map(|e| e.file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    unlisted(&list, &names)
}

fn unlisted(list: &str, names: &[String]) -> Vec<String> {
    let mut found = Vec::new();
    let mut numbers = BTreeSet::new();
    for name in names.iter().filter(|name| *name != "README.md") {
        let number = name.get(..4).unwrap_or("");
        if !number.bytes().all(|b| b.is_ascii_digit()) || number.len() != 4 {
            found.push(format!("{name}: begins with its number, four digits"));
        } else if !numbers.insert(number) {
            found.push(format!("{name}: the number stands twice"));
        }
        if !list.contains(&format!("]({name})")) {
            found.push(format!("{name}: is not listed"));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_without_an_opening_is_seen() {
        assert_eq!(opening(&Source::new("a.rs", "//! What it is.\n")).len(), 0);
        assert_eq!(opening(&Source::new("a.rs", "use std::fs;\n//! Late.\n")).len(), 1);
    }

    #[test]
    fn mod_rs_and_moved_modules_are_seen() {
        assert_eq!(naming(&Source::new("crates/core/src/wire/mod.rs", "")).len(), 1);
        assert_eq!(naming(&Source::new("a.rs", "#[path = \"b.rs\"] mod c;")).len(), 1);
        assert_eq!(naming(&Source::new("a.rs", "// no #[path] here\nmod c;")).len(), 0);
    }

    #[test]
    fn a_file_without_a_mod_line_is_forgotten() {
        let files = [
            Source::new("c/src/lib.rs", "pub mod wire;\nmod inline { }\n// mod ghost;"),
            Source::new("c/src/wire.rs", "mod tcp;"),
            Source::new("c/src/wire/tcp.rs", ""),
            Source::new("c/src/wire/udp.rs", ""),
            Source::new("c/src/ghost.rs", ""),
        ];
        assert_eq!(forgotten(&files), ["c/src/wire/udp.rs", "c/src/ghost.rs"]);
    }

    #[test]
    fn an_unlisted_decision_is_seen() {
        let names = ["0001-a.md", "0001-b.md", "README.md", "idea.md"].map(str::to_owned);
        let found = unlisted("- [a](0001-a.md)\n- [idea](idea.md)", &names);
        assert_eq!(found.len(), 3, "{found:?}");
    }
}
