//! The words and blocks of nginx's configuration (src/core/ngx_conf_file.c, 1.28), without knowing
//! what any of them means.
//!
//! A block of Lua is stepped over by Lua's own rules for strings, comments and braces.

use std::iter::Peekable;
use std::str::Chars;

/// Blocks within blocks.
const NESTED_MAX: usize = 64;
/// Directives of one file.
const DIRECTIVES_MAX: usize = 500_000;

/// A directive with what stands in its braces.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Directive {
    /// Its name and what follows it, quotes taken off.
    pub(super) words: Vec<String>,
    /// The line it begins on.
    pub(super) line: usize,
    /// What stands in its braces, where it has some.
    pub(super) block: Option<Vec<Directive>>,
}

impl Directive {
    pub(super) fn name(&self) -> &str {
        self.words.first().map_or("", String::as_str)
    }

    pub(super) fn arguments(&self) -> &[String] {
        self.words.get(1..).unwrap_or_default()
    }
}

/// Takes a file apart. What does not fit together is a sentence each, with its line.
pub(super) fn read(text: &str) -> (Vec<Directive>, Vec<(usize, String)>) {
    let mut lexer = Lexer { rest: text.chars().peekable(), line: 1 };
    let mut reading = Reading::default();
    loop {
        let line = lexer.line;
        match lexer.next() {
            Token::Word(word) => {
                if reading.open.words.is_empty() {
                    reading.open.line = lexer.began(line);
                }
                reading.open.words.push(word);
            }
            Token::Ends => reading.ends(),
            Token::Opens if reading.open.name().ends_with("_by_lua_block") => {
                if !lexer.skip_lua() {
                    reading.trouble(line, "a block of Lua is not closed");
                }
                reading.ends();
            }
            Token::Opens if reading.blocks.len() >= NESTED_MAX => {
                reading.trouble(line, "blocks are nested too deep; the rest is not read");
                break;
            }
            Token::Opens => reading.opens(),
            Token::Closes => reading.closes(lexer.line),
            Token::Unclosed => reading.trouble(line, "a quote is not closed"),
            Token::End => break,
        }
        if reading.count > DIRECTIVES_MAX {
            reading.trouble(line, "it has too many directives; the rest is not read");
            break;
        }
    }
    reading.finish()
}

#[derive(Default)]
struct Reading {
    top: Vec<Directive>,
    /// Directives whose blocks are open, outermost first.
    blocks: Vec<Directive>,
    /// The one being read.
    open: Directive,
    count: usize,
    troubles: Vec<(usize, String)>,
}

impl Reading {
    fn trouble(&mut self, line: usize, says: &str) {
        if self.troubles.len() < super::NOTES_MAX {
            self.troubles.push((line, says.to_owned()));
        }
    }

    fn add(&mut self, directive: Directive) {
        self.count += 1;
        match self.blocks.last_mut() {
            Some(around) => around.block.get_or_insert_default().push(directive),
            None => self.top.push(directive),
        }
    }

    fn ends(&mut self) {
        let ended = std::mem::take(&mut self.open);
        if !ended.words.is_empty() {
            self.add(ended);
        }
    }

    fn opens(&mut self) {
        let mut opened = std::mem::take(&mut self.open);
        opened.block = Some(Vec::new());
        self.blocks.push(opened);
    }

    fn closes(&mut self, line: usize) {
        if !self.open.words.is_empty() {
            self.trouble(line, "a directive does not end with a semicolon");
            self.ends();
        }
        match self.blocks.pop() {
            Some(closed) => self.add(closed),
            None => self.trouble(line, "a brace closes nothing"),
        }
    }

    fn finish(mut self) -> (Vec<Directive>, Vec<(usize, String)>) {
        self.ends();
        if let Some(line) = self.blocks.last().map(|block| block.line) {
            self.trouble(line, "a block is not closed");
        }
        while let Some(closed) = self.blocks.pop() {
            self.add(closed);
        }
        (self.top, self.troubles)
    }
}

enum Token {
    Word(String),
    Ends,
    Opens,
    Closes,
    /// A quote has no end.
    Unclosed,
    End,
}

struct Lexer<'a> {
    rest: Peekable<Chars<'a>>,
    line: usize,
}

impl Lexer<'_> {
    fn take(&mut self) -> Option<char> {
        let c = self.rest.next();
        self.line += usize::from(c == Some('\n'));
        c
    }

    /// The line a word began on that was asked for on `line`: a quoted one may span several.
    const fn began(&self, line: usize) -> usize {
        if self.line > line { self.line } else { line }
    }

    fn next(&mut self) -> Token {
        loop {
            match self.take() {
                None => return Token::End,
                Some(c) if c.is_ascii_whitespace() => {}
                Some('#') => while self.take().is_some_and(|c| c != '\n') {},
                Some(';') => return Token::Ends,
                Some('{') => return Token::Opens,
                Some('}') => return Token::Closes,
                Some(quote @ ('"' | '\'')) => return self.quoted(quote),
                Some(first) => return Token::Word(self.word(first)),
            }
        }
    }

    fn quoted(&mut self, quote: char) -> Token {
        let mut word = String::new();
        loop {
            match self.take() {
                None => return Token::Unclosed,
                Some('\\') => match self.take() {
                    Some(c @ ('"' | '\'' | '\\')) => word.push(c),
                    Some(c) => word.extend(['\\', c]),
                    None => return Token::Unclosed,
                },
                Some(c) if c == quote => return Token::Word(word),
                Some(c) => word.push(c),
            }
        }
    }

    fn word(&mut self, first: char) -> String {
        let mut word = String::from(first);
        if first == '\\' {
            word.extend(self.take());
        }
        while let Some(&c) = self.rest.peek() {
            let variable = word.ends_with('$');
            if c.is_ascii_whitespace() || c == ';' || (c == '{' && !variable) {
                break;
            }
            word.extend(self.take());
            if c == '\\' {
                word.extend(self.take());
            }
        }
        word
    }

    /// Steps behind the brace that closes a block of Lua; whether there is one.
    fn skip_lua(&mut self) -> bool {
        let mut depth = 1_usize;
        while let Some(c) = self.take() {
            match c {
                '{' => depth += 1,
                '}' if depth == 1 => return true,
                '}' => depth -= 1,
                '"' | '\'' => self.skip_lua_string(c),
                '-' if self.rest.peek() == Some(&'-') => {
                    self.take();
                    let long = self.rest.next_if_eq(&'[').is_some() && self.skip_long_bracket();
                    while !long && self.rest.peek().is_some_and(|c| *c != '\n') {
                        self.take();
                    }
                }
                '[' => drop(self.skip_long_bracket()),
                _ => {}
            }
        }
        false
    }

    fn skip_lua_string(&mut self, quote: char) {
        while let Some(c) = self.take() {
            match c {
                '\\' => drop(self.take()),
                '\n' => return,
                c if c == quote => return,
                _ => {}
            }
        }
    }

    /// After the first `[`: `[`, or equals signs and `[`, begin a text that ends with as many
    /// between two `]`. Whether it was one.
    fn skip_long_bracket(&mut self) -> bool {
        let mut level = 0;
        while self.rest.next_if_eq(&'=').is_some() {
            level += 1;
        }
        if self.rest.next_if_eq(&'[').is_none() {
            return false;
        }
        let mut seen: Option<usize> = None;
        while let Some(c) = self.take() {
            seen = match (c, seen) {
                (']', Some(equals)) if equals == level => return true,
                (']', _) => Some(0),
                ('=', Some(equals)) => Some(equals + 1),
                _ => None,
            };
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(directives: &[Directive]) -> Vec<String> {
        let one = |d: &Directive| match &d.block {
            Some(block) => format!("{} {{{}}}", d.words.join(" "), names(block).join(", ")),
            None => d.words.join(" "),
        };
        directives.iter().map(one).collect()
    }

    #[test]
    fn quotes_comments_and_variables_are_words_as_nginx_has_them() {
        let text = "a 'x;y' \"p\\\"{q}\"; # c } ;\nb ${v}x/{\n  log '$a \"$b\"' e\\;f;\n}\nc#d 1;";
        let (read, troubles) = read(text);
        assert_eq!(names(&read), ["a x;y p\"{q}", "b ${v}x/ {log $a \"$b\" e\\;f}", "c#d 1"]);
        let lines: Vec<usize> = read.iter().map(|d| d.line).collect();
        assert_eq!(lines, [1, 2, 5]);
        assert!(troubles.is_empty(), "{troubles:?}");
    }

    #[test]
    fn a_block_of_lua_is_stepped_over() {
        let lua = "-- don't } stop\n local a = \"}\" .. '\\'}' .. [==[ ]] } ]=] ]==]\n--[[ } ]]\n\
                   t[a[1]] = { x = {} }";
        let text = format!("x {{ content_by_lua_block {{ {lua} }} after 1; }} b;");
        let (read, troubles) = read(&text);
        assert_eq!(names(&read), ["x {content_by_lua_block, after 1}", "b"]);
        assert!(troubles.is_empty(), "{troubles:?}");
    }

    #[test]
    fn what_does_not_fit_together_costs_a_sentence() {
        for (text, says, kept) in [
            ("a { b 1; c {", "a block is not closed", "a {b 1, c {}}"),
            ("a 1; } b 2;", "a brace closes nothing", "a 1"),
            ("a { b 1 } c;", "does not end with a semicolon", "a {b 1}"),
            ("a 1; b \"x", "a quote is not closed", "a 1"),
            ("a 1; x_by_lua_block { {", "a block of Lua is not closed", "a 1"),
        ] {
            let (read, troubles) = read(text);
            assert!(troubles.iter().any(|(_, t)| t.contains(says)), "{text}: {troubles:?}");
            assert_eq!(names(&read).first().map(String::as_str), Some(kept), "{text}");
        }
        let (_, troubles) = read(&"a {".repeat(10_000));
        assert!(troubles.iter().any(|(_, t)| t.contains("too deep")), "{troubles:?}");
    }
}
