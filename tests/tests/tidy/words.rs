//! Words that mean one thing here, and words that do not belong into the project at all.

use crate::tidy::source::{self, Source};

/// Parts of names, in small letters, and what the house calls the thing instead.
const NAMES: [(&str, &str); 5] = [
    ("death", "ending"),
    ("killer", "cause, or ended_by"),
    ("culprit", "cause, or ended_by"),
    ("corpse", "ended flow"),
    ("suspect", "hypothesis"),
];

/// Texts and what to write instead. Each is written in two pieces, so that this file passes too.
const TEXTS: [([&str; 2], &str); 14] = [
    (["/wo", "rk/"], "a path from the repository's root, or HOPCLOCK_MATERIAL"),
    (["/ro", "ot/"], "a path from the repository's root"),
    (["/ho", "me/"], "a path from the repository's root, or $HOME"),
    (["/tmp/", "wt"], "a path from the repository's root"),
    (["../", "shared"], "HOPCLOCK_MATERIAL"),
    (["static.crat", "es.io"], "\"the registry\""),
    (["deb.debi", "an.org"], "\"the distribution's packages\""),
    (["registry.npm", "js.org"], "\"the registry\""),
    (["files.python", "hosted.org"], "\"the registry\""),
    (["as an ", "ai "], "nothing: say what is so"),
    (["language ", "model"], "nothing: say what is so"),
    (["this ses", "sion of "], "nothing: the project speaks of itself"),
    (["co-authored", "-by"], "nothing: the history says who"),
    (["lorem ", "ipsum"], "a real example"),
];

/// Words that with a number after them mean something only to whoever wrote them. Asked of pages
/// and comments; a line of a log in a test may well count its sessions.
const NUMBERED: [(&str, &str); 2] =
    [("session", "what was done, not when"), ("helper", "what was done, not by whom")];

/// Texts that may not stand in `text`. The script that runs on the project's own machines alone
/// may say where the material lies beside the clone.
pub fn in_text(path: &str, text: &str) -> Vec<String> {
    let mut found = Vec::new();
    for (at, line) in text.lines().enumerate() {
        let small = line.to_lowercase();
        for (pieces, instead) in TEXTS {
            let word = pieces.concat();
            let is_setup = path == ".ci/run" && pieces[0] == "../";
            if small.contains(&word) && !is_setup {
                found.push(format!("{path}:{}: \"{word}\": write {instead}", at + 1));
            }
        }
        let is_prose = path.ends_with(".md") || small.trim_start().starts_with("//");
        for (word, instead) in NUMBERED {
            if is_prose && numbered(&small, word) {
                found.push(format!("{path}:{}: \"{word}\" with a number: write {instead}", at + 1));
            }
        }
    }
    found
}

fn numbered(line: &str, word: &str) -> bool {
    source::words(line, word).into_iter().any(|at| {
        let rest = line[at + word.len()..].trim_start_matches([' ', '#']);
        // Not in backticks: those quote what some program prints.
        if line[..at].matches('`').count() % 2 == 1 {
            return false;
        }
        rest.len() < line.len() - at - word.len() && rest.starts_with(|c: char| c.is_ascii_digit())
    })
}

/// Declared names that use another word for what has one already.
pub fn in_names(source: &Source) -> Vec<String> {
    let mut found = Vec::new();
    for keyword in ["struct", "enum", "trait", "type", "fn", "mod", "const"] {
        for at in source::words(&source.code, keyword) {
            let name = source::identifier(&source.code, at + keyword.len());
            for (word, instead) in NAMES {
                if name.to_lowercase().contains(word) {
                    let line = source.line_of(at);
                    found.push(format!("{}:{line}: `{name}`: say {instead}", source.path));
                }
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_word_for_an_ending_is_seen() {
        let bad = "struct FlowDeath; enum KillerKind {} fn suspects() {}";
        assert_eq!(in_names(&Source::new("x.rs", bad)).len(), 3);
        assert_eq!(in_names(&Source::new("x.rs", "// a death\nstruct Ending;")).len(), 0);
    }

    #[test]
    fn every_text_is_found_where_it_stands() {
        for (pieces, _) in TEXTS {
            let line = format!("see {} there", pieces.concat().to_uppercase());
            assert_eq!(in_text("docs/a.md", &line).len(), 1, "{line}");
        }
    }

    #[test]
    fn a_number_makes_the_difference() {
        let (session, helper) = ("session", "helper");
        assert_eq!(in_text("a.md", &format!("as {session} 12 found")).len(), 1);
        assert_eq!(in_text("a.md", &format!("a {helper} #3")).len(), 1);
        assert_eq!(in_text("a.md", "TLS session tickets, a session timeout of 30 s").len(), 0);
        assert_eq!(in_text("a.rs", &format!("feed(\"{session} 0 closed\")")).len(), 0);
    }
}
