//! Text of the evidence's in Markdown that stays text: CommonMark 0.31 with GitHub's tables and
//! autolinks. What a log quotes becomes code, in which nothing is a link, a mention or a tag.

use crate::page::visible;

/// A run of text, on one line, also inside a table's cell. What stands in “typographic quotes” is
/// quoted evidence and becomes code.
pub(crate) fn text(says: &str) -> String {
    let line = one_line(says);
    let mut out = String::new();
    let mut rest = line.as_str();
    while let Some((before, after)) = rest.split_once('“') {
        let Some((quoted, after)) = after.split_once('”') else { break };
        plain(before, &mut out);
        out.push_str(&code(quoted));
        rest = after;
    }
    plain(rest, &mut out);
    out
}

fn plain(text: &str, out: &mut String) {
    for (at, c) in text.char_indices() {
        let first = out.is_empty() && at == 0;
        let acts = match c {
            '\\' | '`' | '*' | '_' | '[' | ']' | '<' | '>' | '&' | '|' | '~' | '#' | '@' | '$'
            | '!' => true,
            // What makes a list or a heading where a line begins.
            '-' | '+' | '=' | ':' => first,
            '.' | ')' => {
                let ends =
                    text.get(at + 1..).is_none_or(|rest| rest.is_empty() || rest.starts_with(' '));
                ends && !out.is_empty() && out.bytes().all(|b| b.is_ascii_digit())
            }
            _ => false,
        };
        if acts {
            out.push('\\');
        }
        out.push(c);
        // GitHub makes links of these wherever they stand, and of names after an @.
        if c == '@' || (c == ':' && text.get(at..).is_some_and(|rest| rest.starts_with("://"))) {
            out.push('\u{2060}');
        }
    }
}

/// As code: a fence of backticks longer than any inside (CommonMark 6.1). A table's cell takes a
/// bar for its end even in code, so that it is escaped there; outside one it has to be left alone.
pub(crate) fn code(says: &str) -> String {
    fenced(&one_line(says))
}

/// As [`code`], in a table's cell (GFM 4.10).
pub(crate) fn cell_code(says: &str) -> String {
    fenced(&one_line(says).replace('|', "\\|"))
}

fn fenced(line: &str) -> String {
    let fence = "`".repeat(longest(line, '`') + 1);
    let edge = |c: char| c == '`' || c == ' ';
    let blank = line.starts_with(edge) || line.ends_with(edge) || line.is_empty();
    let pad = if blank { " " } else { "" };
    format!("{fence}{pad}{line}{pad}{fence}")
}

/// A block of text as it is.
pub(crate) fn block(text: &str) -> String {
    let fence = "`".repeat(longest(text, '`').max(2) + 1);
    format!("{fence}text\n{}\n{fence}", visible(text))
}

fn one_line(says: &str) -> String {
    visible(says).split_whitespace().collect::<Vec<_>>().join(" ")
}

fn longest(text: &str, wanted: char) -> usize {
    text.split(|c| c != wanted).map(str::len).max().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_would_act_is_escaped_and_what_is_quoted_is_code() {
        assert_eq!(text("a <b> | *c* _d_"), "a \\<b\\> \\| \\*c\\* \\_d\\_");
        assert_eq!(text("it says “<i>x</i> `y`” twice"), "it says `` <i>x</i> `y` `` twice");
        assert_eq!(text("1. no list"), "1\\. no list");
        assert_eq!(text("- no list\n# no heading"), "\\- no list \\# no heading");
        assert_eq!(text("43200.9 s"), "43200.9 s");
    }

    #[test]
    fn a_fence_is_longer_than_what_it_holds() {
        assert_eq!(code("a`b``c"), "```a`b``c```");
        assert_eq!(cell_code("a|b"), "`a\\|b`");
        assert_eq!(block("x\n```\ny"), "````text\nx\n```\ny\n````");
    }
}
