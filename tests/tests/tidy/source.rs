//! Rust text as the tidy rules need it: with comments and strings blanked, with tests blanked, and
//! the functions in it. A lexer of some dozen lines; it parses nothing.

use hopclock_tests::repo;
use std::fs;
use std::path::Path;

/// One file.
pub struct Source {
    /// From the repository's root, with `/`.
    pub path: String,
    /// As it is.
    pub raw: String,
    /// Comments, strings and character literals blanked; every byte keeps its place.
    pub code: String,
    /// Strings and character literals taken out, newlines and all else left: for measuring lines.
    pub unquoted: String,
    /// As `code`, with items under `#[cfg(test)]` blanked too.
    pub shipped: String,
}

impl Source {
    /// Takes text as if it had been read from `path`.
    pub fn new(path: &str, raw: &str) -> Self {
        let code = blank_literals(raw);
        let shipped = if is_test(path) { blank_all(&code) } else { blank_tests(&code) };
        let unquoted = without_strings(raw);
        Self { path: path.to_owned(), raw: raw.to_owned(), code, unquoted, shipped }
    }

    /// The line, from 1, that byte `at` stands in.
    pub fn line_of(&self, at: usize) -> usize {
        1 + self.raw.as_bytes().iter().take(at).filter(|&&b| b == b'\n').count()
    }
}

/// Whether nothing in the file ships: the tests package, and `tests.rs` beside or under a module.
pub fn is_test(path: &str) -> bool {
    path.starts_with("tests/") || path.ends_with("/tests.rs") || path.contains("/tests/")
}

/// Every Rust file of the workspace.
pub fn all_rust() -> Vec<Source> {
    let mut found = Vec::new();
    for file in walk(repo()) {
        if file.ends_with(".rs") {
            found.push(read(&repo().join(&file)));
        }
    }
    assert!(found.len() > 20, "the walk finds the sources");
    found
}

/// Every file people write by hand: code, data, scripts, pages. Evidence in examples is not.
pub fn all_text() -> Vec<Source> {
    let written = [".rs", ".toml", ".md", ".json", ".yml", ".sh", "/run"];
    let is_written = |f: &String| f == "test" || written.iter().any(|end| f.ends_with(end));
    walk(repo()).into_iter().filter(is_written).map(|f| read(&repo().join(f))).collect()
}

/// The file there; what is not UTF-8 is read as well as it goes.
pub fn read(file: &Path) -> Source {
    let path = file.strip_prefix(repo()).unwrap().to_string_lossy().replace('\\', "/");
    Source::new(&path, &String::from_utf8_lossy(&fs::read(file).unwrap()))
}

/// Files under `root`, sorted, as paths from it; build output and git's own left out.
pub fn walk(root: &Path) -> Vec<String> {
    let mut found = Vec::new();
    let mut folders = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap().map(Result::unwrap) {
            let name = entry.file_name();
            let is_output = name == "target" || name == ".git" || name == "corpus";
            if entry.file_type().unwrap().is_dir() {
                if !is_output {
                    folders.push(entry.path());
                }
            } else if name != ".git" {
                let path = entry.path();
                let from_root = path.strip_prefix(root).unwrap();
                found.push(from_root.to_string_lossy().replace('\\', "/"));
            }
        }
    }
    found.sort();
    found
}

fn blank_all(code: &str) -> String {
    code.chars().map(|c| if c == '\n' { '\n' } else { ' ' }).collect()
}

/// Blanks bytes `from..to`, newlines excepted. Whole tokens only, so UTF-8 stays whole.
fn blank(bytes: &mut [u8], from: usize, to: usize) {
    for byte in bytes.iter_mut().take(to).skip(from) {
        if *byte != b'\n' {
            *byte = b' ';
        }
    }
}

/// Blanks comments, strings and character literals.
pub fn blank_literals(raw: &str) -> String {
    let mut bytes = raw.as_bytes().to_vec();
    let mut at = 0;
    while at < raw.len() {
        let length = literal_at(raw.as_bytes(), at);
        if length > 0 {
            blank(&mut bytes, at, at + length);
        }
        at += length.max(1);
    }
    String::from_utf8(bytes).unwrap()
}

fn without_strings(raw: &str) -> String {
    let mut left = Vec::new();
    let mut at = 0;
    while at < raw.len() {
        let length = literal_at(raw.as_bytes(), at).max(1);
        let token = &raw.as_bytes()[at..at + length];
        let is_string = length > 1 && token[0] != b'/';
        left.extend(token.iter().filter(|&&b| !is_string || b == b'\n'));
        at += length;
    }
    String::from_utf8(left).unwrap()
}

/// Length of the comment, string or character literal that begins at `at`; 0 when none does.
fn literal_at(bytes: &[u8], at: usize) -> usize {
    let rest = &bytes[at..];
    let in_word = at > 0 && is_word(bytes[at - 1]);
    match rest {
        [b'/', b'/', ..] => rest.iter().position(|&b| b == b'\n').unwrap_or(rest.len()),
        [b'/', b'*', ..] => block_comment(rest),
        [b'"', ..] => quoted(rest, b'"'),
        [b'r', b'"' | b'#', ..] if !in_word => raw_string(rest, 1),
        [b'b', b'r', b'"' | b'#', ..] if !in_word => raw_string(rest, 2),
        // A lifetime has no closing quote after one character.
        [b'\'', b'\\', ..] => quoted(rest, b'\''),
        [b'\'', ..] => {
            let text = String::from_utf8_lossy(&rest[1..rest.len().min(6)]).into_owned();
            let mut chars = text.chars();
            match (chars.next(), chars.next()) {
                (Some(c), Some('\'')) => c.len_utf8() + 2,
                _ => 0,
            }
        }
        _ => 0,
    }
}

fn block_comment(rest: &[u8]) -> usize {
    let mut depth = 0;
    let mut at = 0;
    while at + 1 < rest.len() {
        match &rest[at..at + 2] {
            b"/*" => (depth, at) = (depth + 1, at + 2),
            b"*/" if depth == 1 => return at + 2,
            b"*/" => (depth, at) = (depth - 1, at + 2),
            _ => at += 1,
        }
    }
    rest.len()
}

fn quoted(rest: &[u8], quote: u8) -> usize {
    let mut at = 1;
    while at < rest.len() {
        match rest[at] {
            b'\\' => at += 2,
            b if b == quote => return at + 1,
            _ => at += 1,
        }
    }
    rest.len()
}

fn raw_string(rest: &[u8], prefix: usize) -> usize {
    let hashes = rest[prefix..].iter().take_while(|&&b| b == b'#').count();
    if rest.get(prefix + hashes) != Some(&b'"') {
        return 0; // a raw identifier
    }
    let body = prefix + hashes + 1;
    let close = [b"\"".as_slice(), &vec![b'#'; hashes]].concat();
    let end = rest[body..].windows(close.len()).position(|w| w == close);
    end.map_or(rest.len(), |end| body + end + close.len())
}

/// Whether the byte can stand in an identifier.
pub fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

fn blank_tests(code: &str) -> String {
    let mut bytes = code.as_bytes().to_vec();
    let mark = "#[cfg(test)]";
    for (at, _) in code.match_indices(mark) {
        let end = item_end(code.as_bytes(), at + mark.len());
        blank(&mut bytes, at, end);
    }
    String::from_utf8(bytes).unwrap()
}

/// Just past the item that begins at `from`: its `;`, or the brace that closes its first one.
pub fn item_end(code: &[u8], from: usize) -> usize {
    let (mut braces, mut others) = (0_i32, 0_i32);
    for (at, byte) in code.iter().enumerate().skip(from) {
        match byte {
            b'(' | b'[' => others += 1,
            b')' | b']' => others -= 1,
            b'{' => braces += 1,
            b'}' => {
                braces -= 1;
                if braces == 0 {
                    return at + 1;
                }
            }
            b';' if braces == 0 && others == 0 => return at + 1,
            _ => {}
        }
    }
    code.len()
}

/// Places in `code` where `word` stands as a word of its own.
pub fn words(code: &str, word: &str) -> Vec<usize> {
    let bytes = code.as_bytes();
    let free = |at: &usize| {
        let before = at.checked_sub(1).is_none_or(|b| !is_word(bytes[b]));
        before && bytes.get(at + word.len()).is_none_or(|&b| !is_word(b))
    };
    code.match_indices(word).map(|(at, _)| at).filter(free).collect()
}

/// The identifier that begins at `at` after white space, or an empty one.
pub fn identifier(code: &str, at: usize) -> &str {
    let rest = code[at..].trim_start();
    let end = rest.bytes().position(|b| !is_word(b)).unwrap_or(rest.len());
    &rest[..end]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_and_literals_are_blanked_and_nothing_else() {
        let raw =
            "let a = \"x // {\"; // }\nlet b = '\\''; let c: &'a str = r#\"\"{\"#; /* /* { */ */ d";
        let code = blank_literals(raw);
        assert_eq!(code.len(), raw.len());
        assert!(!code.contains('{') && !code.contains('}'), "{code}");
        assert!(code.contains("&'a str") && code.ends_with(" d"), "{code}");
    }

    #[test]
    fn letters_beyond_ascii_are_blanked_whole() {
        assert_eq!(blank_literals("'é' \"…\" x").trim(), "x");
    }

    #[test]
    fn what_is_under_cfg_test_does_not_ship() {
        let raw = "fn a() {}\n#[cfg(test)]\nmod tests { fn b() { [0; 4]; } }\nfn c() {}\n";
        let source = Source::new("crates/core/src/x.rs", raw);
        assert!(source.shipped.contains("fn a") && source.shipped.contains("fn c"));
        assert!(!source.shipped.contains("fn b"), "{}", source.shipped);
        assert_eq!(source.shipped.lines().count(), 4);
    }
}
