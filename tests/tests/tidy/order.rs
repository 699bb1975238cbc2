//! Who may know whom: modules inside the core by their order in `lib.rs`, crates by their rooms.

use crate::tidy::source::{self, Source};
use std::fs;
use std::path::Path;

const CORE: &str = "crates/core/src/";

/// What each crate may use of ours.
const ROOMS: [(&str, &[&str]); 6] = [
    ("core", &[]),
    ("render", &["hopclock-core"]),
    ("live", &["hopclock-core"]),
    ("lab", &["hopclock-core", "hopclock-live"]),
    ("lab-grpc", &[]),
    ("cli", &["hopclock-core", "hopclock-render", "hopclock-live", "hopclock-lab"]),
];

/// The modules in the order `lib.rs` lists them.
pub fn listed(lib: &Source) -> Vec<String> {
    source::words(&lib.shipped, "mod")
        .into_iter()
        .map(|at| source::identifier(&lib.shipped, at + 3).to_owned())
        .collect()
}

/// Modules of the core that `source` uses though they stand after its own.
pub fn complaints(order: &[String], source: &Source) -> Vec<String> {
    let Some(inside) = source.path.strip_prefix(CORE) else { return Vec::new() };
    let own = inside.split(['/', '.']).next().unwrap_or("");
    let Some(own_rank) = order.iter().position(|m| m == own) else { return Vec::new() };
    let mut found = Vec::new();
    for (at, used) in used_modules(source, inside) {
        if order.iter().position(|m| *m == used).is_some_and(|rank| rank > own_rank) {
            let line = source.line_of(at);
            found.push(format!(
                "{}:{line}: `{own}` may not use `{used}`: it comes later in lib.rs",
                source.path
            ));
        }
    }
    found
}

/// Top-level modules named after `crate::`, or after as many `super::` as lead there.
fn used_modules(source: &Source, inside: &str) -> Vec<(usize, String)> {
    let code = &source.shipped;
    let mut found = Vec::new();
    let up = "super::".repeat(1 + inside.matches('/').count());
    for root in ["crate::", up.as_str()] {
        for (at, _) in code.match_indices(root) {
            let is_deeper = code[..at].ends_with("super::");
            let in_word = code[..at].bytes().next_back().is_some_and(source::is_word);
            if is_deeper || in_word {
                continue;
            }
            let rest = &code[at + root.len()..];
            match rest.strip_prefix('{') {
                Some(group) => found.extend(group_heads(group).into_iter().map(|m| (at, m))),
                None => found.push((at, source::identifier(rest, 0).to_owned())),
            }
        }
    }
    found
}

/// First names of the branches of `use …::{…}`, the opening brace already taken.
pub fn group_heads(group: &str) -> Vec<String> {
    let mut heads = vec![source::identifier(group, 0).to_owned()];
    let mut depth = 0;
    for (at, byte) in group.bytes().enumerate() {
        match byte {
            b'{' => depth += 1,
            b'}' if depth == 0 => break,
            b'}' => depth -= 1,
            b',' if depth == 0 => heads.push(source::identifier(group, at + 1).to_owned()),
            _ => {}
        }
    }
    heads
}

/// Crates that depend on one of ours their room may not know.
pub fn rooms(repo: &Path) -> Vec<String> {
    let mut found = Vec::new();
    for entry in fs::read_dir(repo.join("crates")).unwrap().map(Result::unwrap) {
        let name = entry.file_name().into_string().unwrap();
        let Ok(manifest) = fs::read_to_string(entry.path().join("Cargo.toml")) else { continue };
        found.extend(room(&name, &manifest));
    }
    found
}

fn room(name: &str, manifest: &str) -> Vec<String> {
    let Some((_, may)) = ROOMS.iter().find(|(room, _)| *room == name) else {
        return vec![format!("crates/{name}: say in tests/tests/tidy/order.rs whom it may know")];
    };
    let manifest: toml::Table = toml::from_str(manifest).unwrap();
    let dependencies = manifest.get("dependencies").and_then(toml::Value::as_table);
    let ours = |d: &&String| d.starts_with("hopclock") && !may.contains(&d.as_str());
    let all = dependencies.into_iter().flat_map(toml::Table::keys);
    all.filter(ours).map(|d| format!("crates/{name}: its room does not know {d}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judge(path: &str, text: &str) -> usize {
        let order = ["time", "wire", "flow"].map(str::to_owned);
        complaints(&order, &Source::new(path, text)).len()
    }

    #[test]
    fn looking_back_is_fine_and_looking_ahead_is_not() {
        assert_eq!(
            judge("crates/core/src/flow.rs", "use crate::wire::Seq; use crate::flow::Key;"),
            0
        );
        assert_eq!(judge("crates/core/src/wire.rs", "use crate::flow::Key;"), 1);
        assert_eq!(judge("crates/core/src/wire/tcp.rs", "fn f() -> crate::flow::Key {}"), 1);
        assert_eq!(
            judge("crates/core/src/wire.rs", "use crate::{time::{Gap, Moment}, flow::Key};"),
            1
        );
        assert_eq!(judge("crates/core/src/wire/tcp.rs", "use super::super::flow::Key;"), 1);
        assert_eq!(judge("crates/core/src/wire/tcp.rs", "use super::flow;"), 0);
    }

    #[test]
    fn tests_comments_and_other_crates_are_not_asked() {
        assert_eq!(
            judge("crates/core/src/wire.rs", "/// [`crate::flow`]\n#[cfg(test)]\nuse crate::flow;"),
            0
        );
        assert_eq!(judge("crates/cli/src/wire.rs", "use crate::flow;"), 0);
    }

    #[test]
    fn the_pen_does_not_know_the_live_room() {
        assert_eq!(room("render", "[dependencies]\nhopclock-live = \"1\"\nserde = \"1\"").len(), 1);
        assert_eq!(room("cli", "[dependencies]\nhopclock-live = \"1\"").len(), 0);
        assert_eq!(room("attic", "").len(), 1);
    }
}
