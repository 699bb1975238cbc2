//! How long a function, a file and a line may grow.

use crate::tidy::source::{self, Source};

const FUNCTION_LINES_MAX: usize = 70;
const FILE_LINES_MAX: usize = 700;
const LINE_COLUMNS_MAX: usize = 100;

/// Functions that may be longer for now, as `path::name`. A number here may only shrink.
pub const RATCHET: &[(&str, usize)] = &[];

/// Functions past the line, and entries of the ratchet that are slack.
pub fn functions(sources: &[Source], ratchet: &[(&str, usize)]) -> Vec<String> {
    let mut found = Vec::new();
    let mut seen = Vec::new();
    for (name, lines) in sources.iter().flat_map(function_lengths) {
        let entry = ratchet.iter().find(|(of, _)| *of == name).map(|(_, lines)| *lines);
        let allowed = entry.unwrap_or(FUNCTION_LINES_MAX);
        if lines > allowed {
            found.push(format!("{name}: {lines} lines, {allowed} allowed"));
        }
        if entry.is_some_and(|allowed| lines < allowed) {
            found.push(format!("{name}: {lines} lines now, so tighten the ratchet to that"));
        }
        seen.push(name);
    }
    let gone = ratchet.iter().filter(|(of, _)| !seen.iter().any(|s| s == of));
    found.extend(gone.map(|(of, _)| format!("{of}: gone, so take it off the ratchet")));
    found
}

fn function_lengths(source: &Source) -> Vec<(String, usize)> {
    let mut found = Vec::new();
    for at in source::words(&source.code, "fn") {
        let name = source::identifier(&source.code, at + 2);
        if name.is_empty() {
            continue; // the type of a function
        }
        let end = source::item_end(source.code.as_bytes(), at);
        let rows = rows_of_data(&source.raw[at..end], &source.code[at..end]);
        let lines = 1 + source.line_of(end) - source.line_of(at) - rows;
        found.push((format!("{}::{name}", source.path), lines));
    }
    found
}

/// Lines that hold literals and what separates them: a table may be as long as what it lists.
fn rows_of_data(raw: &str, code: &str) -> usize {
    let is_row = |(raw, code): &(&str, &str)| {
        let is_written = !raw.trim().is_empty() && !raw.trim_start().starts_with("//");
        is_written && code.chars().all(|c| " ()[],&;".contains(c))
    };
    raw.lines().zip(code.lines()).filter(is_row).count()
}

/// Files past the line, not counting tests.
pub fn file(source: &Source) -> Vec<String> {
    let total = source.raw.lines().count();
    // A test file ships nothing and is held to the same line as a whole.
    let tests = if source::is_test(&source.path) { 0 } else { test_lines(source) };
    let lines = total - tests;
    let complaint = || format!("{}: {lines} lines, {FILE_LINES_MAX} allowed", source.path);
    (lines > FILE_LINES_MAX).then(complaint).into_iter().collect()
}

/// Lines that hold something in `code` and nothing in `shipped`.
fn test_lines(source: &Source) -> usize {
    let (code, shipped) = (source.code.lines(), source.shipped.lines());
    let is_test =
        |(code, shipped): &(&str, &str)| !code.trim().is_empty() && shipped.trim().is_empty();
    code.zip(shipped).filter(is_test).count()
}

/// Lines past the hundredth column. What is inside a string is not counted: a line of evidence is
/// quoted whole or not at all.
pub fn lines(source: &Source) -> Vec<String> {
    let columns = source.unquoted.lines().map(|line| line.chars().count()).enumerate();
    let past = columns.filter(|(_, columns)| *columns > LINE_COLUMNS_MAX);
    past.map(|(at, columns)| format!("{}:{}: {columns} columns", source.path, at + 1)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn long(lines: usize) -> Source {
        let body = "    work();\n".repeat(lines - 2);
        Source::new("crates/core/src/x.rs", &format!("fn long() {{\n{body}}}\n"))
    }

    #[test]
    fn the_line_is_where_it_is_said_to_be() {
        assert_eq!(functions(&[long(70)], &[]).len(), 0);
        assert_eq!(functions(&[long(71)], &[]).len(), 1);
        assert_eq!(function_lengths(&long(71))[0].1, 71);
    }

    #[test]
    fn a_table_of_literals_does_not_count() {
        let rows = "    (\"said\", \"read\"),\n".repeat(90);
        let text = format!("fn table() {{\n    let rows = [\n{rows}    ];\n}}\n");
        let source = Source::new("crates/core/src/x.rs", &text);
        assert_eq!(function_lengths(&source)[0].1, 3);
    }

    #[test]
    fn the_ratchet_only_turns_one_way() {
        let name = "crates/core/src/x.rs::long";
        assert_eq!(functions(&[long(90)], &[(name, 90)]).len(), 0);
        assert_eq!(functions(&[long(91)], &[(name, 90)]).len(), 1);
        assert_eq!(functions(&[long(80)], &[(name, 90)]).len(), 1);
        assert_eq!(functions(&[], &[(name, 90)]).len(), 1);
    }

    #[test]
    fn a_file_is_counted_without_its_tests() {
        let code = "fn a() {}\n".repeat(700);
        let tests = format!("#[cfg(test)]\nmod tests {{\n{}}}\n", "fn b() {}\n".repeat(50));
        let path = "crates/core/src/x.rs";
        assert_eq!(file(&Source::new(path, &format!("{code}{tests}"))).len(), 0);
        assert_eq!(file(&Source::new(path, &format!("{code}fn c() {{}}\n{tests}"))).len(), 1);
    }

    #[test]
    fn a_long_line_is_seen_and_a_quoted_one_is_let_be() {
        let comment = format!("// {}", "long ".repeat(30));
        let quoted = format!("let evidence = \"{}\";", "long ".repeat(30));
        let path = "crates/core/src/x.rs";
        assert_eq!(lines(&Source::new(path, &comment)).len(), 1);
        assert_eq!(lines(&Source::new(path, &quoted)).len(), 0);
        assert_eq!(lines(&Source::new(path, &format!("{quoted} {comment}"))).len(), 1);
    }
}
