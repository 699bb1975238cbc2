//! Links between pages, and paths named in them, lead somewhere in the repository. Links to the
//! world are not followed: a test that needs the network tests the network.

use std::path::{Component, Path, PathBuf};

/// Folders whose files pages name as `code`.
const FOLDERS: [&str; 8] =
    ["crates/", "docs/", "examples/", "schemas/", "tests/", "benches/", "fuzz/", ".ci/"];

/// Links and named paths in the page `path` that lead nowhere.
pub fn complaints(repo: &Path, path: &str, text: &str) -> Vec<String> {
    let folder = Path::new(path).parent().unwrap_or(Path::new(""));
    let mut found = Vec::new();
    let mut is_fenced = false;
    for (at, line) in text.lines().enumerate() {
        if line.trim_start().starts_with("```") {
            is_fenced = !is_fenced;
        }
        if is_fenced {
            continue;
        }
        for target in links(line).filter(|t| !leads_somewhere(repo, folder, t)) {
            found.push(format!("{path}:{}: the link {target} leads nowhere", at + 1));
        }
        for named in named_paths(line).filter(|n| !repo.join(n.trim_end_matches('/')).exists()) {
            found.push(format!("{path}:{}: there is no {named}", at + 1));
        }
    }
    found
}

/// Targets of `](…)` that are not addresses on the network.
fn links(line: &str) -> impl Iterator<Item = &str> {
    let targets = line.split("](").skip(1).filter_map(|rest| rest.split(')').next());
    targets.filter(|t| !t.contains("://") && !t.starts_with("mailto:"))
}

fn leads_somewhere(repo: &Path, folder: &Path, target: &str) -> bool {
    let (file, heading) = target.split_once('#').unwrap_or((target, ""));
    if file.is_empty() {
        return !heading.is_empty();
    }
    let mut resolved = PathBuf::new();
    for part in folder.join(file).components() {
        match part {
            Component::ParentDir => {
                if !resolved.pop() {
                    return false; // out of the repository
                }
            }
            Component::Normal(name) => resolved.push(name),
            Component::CurDir | Component::RootDir | Component::Prefix(_) => {}
        }
    }
    repo.join(resolved).exists()
}

/// Paths in `code` that begin with one of our folders and stand for one file, not for many.
fn named_paths(line: &str) -> impl Iterator<Item = &str> {
    let code = line.split('`').skip(1).step_by(2);
    code.filter(|word| FOLDERS.iter().any(|folder| word.starts_with(folder)))
        .filter(|word| !word.contains(['<', '*', '…', ' ', '{', '|']))
        .map(|word| word.split("::").next().unwrap_or(word))
}

#[cfg(test)]
mod tests {
    use super::*;
    use hopclock_tests::repo;

    fn judged(text: &str) -> usize {
        complaints(repo(), "docs/page.md", text).len()
    }

    #[test]
    fn a_link_into_nothing_is_seen() {
        assert_eq!(judged("[a](gone.md) and [b](../Cargo.toml#x)"), 1);
        assert_eq!(judged("[out](../../elsewhere.md)"), 1);
        assert_eq!(judged("[web](https://example.org/) [here](#words)"), 0);
    }

    #[test]
    fn a_named_path_that_is_gone_is_seen() {
        assert_eq!(judged("see `crates/core/src/gone.rs`"), 1);
        assert_eq!(judged("see `crates/core/src/lib.rs` and `docs/causes/<cause>.md`"), 0);
    }

    #[test]
    fn a_fence_is_a_picture() {
        assert_eq!(judged("```\n[a](gone.md)\n```\n"), 0);
    }
}
