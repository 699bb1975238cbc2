//! Relaxed lints, ignored tests, and panics where input could reach them.

use crate::tidy::order;
use crate::tidy::source::{self, Source};

/// `allow`, `expect` without its reason, and `ignore`.
pub fn attributes(source: &Source) -> Vec<String> {
    let mut found = Vec::new();
    let mut complain = |at, what: &str| {
        found.push(format!("{}:{}: {what}", source.path, source.line_of(at)));
    };
    for (at, _) in source.code.match_indices("#[").chain(source.code.match_indices("#![")) {
        let rest = source.code[at..].trim_start_matches(['#', '!', '[']);
        let attribute = &rest[..closing(rest)];
        match source::identifier(attribute, 0) {
            "allow" => complain(at, "#[expect(…, reason = \"…\")] instead of #[allow]"),
            "expect" if !attribute.contains("reason") => complain(at, "#[expect] says its reason"),
            "ignore" => {
                complain(at, "a test runs, is skipped by name, or is deleted: no #[ignore]")
            }
            _ => {}
        }
    }
    found
}

/// Where the attribute's bracket closes.
fn closing(attribute: &str) -> usize {
    let mut depth = 0;
    for (at, byte) in attribute.bytes().enumerate() {
        match byte {
            b'[' => depth += 1,
            b']' if depth == 0 => return at,
            b']' => depth -= 1,
            _ => {}
        }
    }
    attribute.len()
}

/// Panics in what the core ships.
pub fn panics(source: &Source) -> Vec<String> {
    if !source.path.starts_with("crates/core/src/") {
        return Vec::new();
    }
    let mut found = Vec::new();
    for word in ["unwrap(", "panic!(", "todo!(", "unimplemented!("] {
        for (at, _) in source.shipped.match_indices(word) {
            let in_word = source.shipped[..at].bytes().next_back().is_some_and(source::is_word);
            if !in_word {
                let line = source.line_of(at);
                found.push(format!("{}:{line}: {word}) can be reached by input", source.path));
            }
        }
    }
    found
}

/// Parts of the standard library through which the core could touch the world.
const WORLD: [&str; 12] = [
    "std::fs",
    "std::env",
    "std::process",
    "std::thread",
    "std::os",
    "std::io::std", // stdin, stdout, stderr
    "TcpStream",
    "TcpListener",
    "UdpSocket",
    "Instant",
    "SystemTime",
    "extern \"",
];

/// Clocks, files, sockets, threads and foreign functions in what the core ships. clippy bans the
/// calls it knows by name; this one asks for no list of them.
pub fn world(source: &Source) -> Vec<String> {
    if !source.path.starts_with("crates/core/src/") {
        return Vec::new();
    }
    let mut found = Vec::new();
    let mut complain = |at, name: &str| {
        let line = source.line_of(at);
        found.push(format!("{}:{line}: `{name}`: the core is told, it does not ask", source.path));
    };
    for word in WORLD {
        let name = word.trim_end_matches([' ', '"']);
        for (at, _) in source.shipped.match_indices(name) {
            let after = source.shipped.as_bytes().get(at + name.len());
            let goes_on = after.is_some_and(|&b| source::is_word(b)) && !word.ends_with("std");
            let in_word = source.shipped[..at].bytes().next_back().is_some_and(source::is_word);
            if !in_word && !goes_on {
                complain(at, name);
            }
        }
    }
    for (at, opening) in source.shipped.match_indices("std::{") {
        for head in order::group_heads(&source.shipped[at + opening.len()..]) {
            if WORLD.contains(&format!("std::{head}").as_str()) {
                complain(at, &head);
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judged(text: &str) -> usize {
        attributes(&Source::new("crates/core/src/x.rs", text)).len()
    }

    #[test]
    fn a_bare_exception_is_seen_and_a_reasoned_one_is_not() {
        assert_eq!(judged("#[allow(dead_code)]"), 1);
        assert_eq!(judged("#![allow(dead_code)]"), 1);
        assert_eq!(judged("#[expect(dead_code)]"), 1);
        assert_eq!(judged("#[expect(dead_code, reason = \"[until] then\")] fn a() {}"), 0);
        assert_eq!(judged("#[test]\n#[ignore = \"slow\"]"), 1);
        assert_eq!(judged("// #[allow(x)]\n#[must_use]"), 0);
    }

    #[test]
    fn a_panic_in_the_core_is_seen_but_not_in_its_tests() {
        let text =
            "fn a() { b.unwrap(); c.try_unwrap(d) }\n#[cfg(test)]\nmod t { fn e() { f.unwrap() } }";
        assert_eq!(panics(&Source::new("crates/core/src/x.rs", text)).len(), 1);
        assert_eq!(panics(&Source::new("crates/cli/src/x.rs", text)).len(), 0);
    }

    #[test]
    fn a_core_that_asks_is_seen() {
        let path = "crates/core/src/x.rs";
        for bad in [
            "use std::fs::File;",
            "std::env::vars();",
            "use std::{collections::{BTreeMap, BTreeSet}, env};",
            "use std::time::{Duration, Instant};",
            "std::io::stdout();",
            "extern \"C\" { fn now() -> u64; }",
        ] {
            assert_eq!(world(&Source::new(path, bad)).len(), 1, "{bad}");
        }
        let fine = "use std::io; use std::net::IpAddr; // Instant\nstruct Instants;";
        assert_eq!(world(&Source::new(path, fine)).len(), 0);
        assert_eq!(world(&Source::new("crates/live/src/x.rs", "use std::fs;")).len(), 0);
    }
}
