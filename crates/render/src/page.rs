//! The page a text pen writes on: its width, and labels that become colour or nothing.

use anstyle::{AnsiColor, Style};
use std::io::{self, Write};
use unicode_width::UnicodeWidthStr;

/// What a piece of text is; the page decides how that looks.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Label {
    /// A heading.
    Heading,
    /// The answer.
    Verdict,
    /// A number that matters.
    Number,
    /// What holds.
    Good,
    /// What does not.
    Bad,
    /// What stands aside.
    Aside,
}

/// A page of fixed width.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Page {
    /// Columns.
    pub width: usize,
    /// Whether labels become colour.
    pub colour: bool,
    /// Whether plots may use characters beyond ASCII.
    pub unicode: bool,
}

impl Page {
    /// The text, coloured by its label where the page has colour.
    pub fn label(self, label: Label, text: &str) -> String {
        if !self.colour {
            return text.to_owned();
        }
        let colour = |c: AnsiColor| Style::new().fg_color(Some(c.into()));
        let style = match label {
            Label::Heading => Style::new().bold(),
            Label::Verdict => colour(AnsiColor::Yellow).bold(),
            Label::Number => colour(AnsiColor::Cyan),
            Label::Good => colour(AnsiColor::Green),
            Label::Bad => colour(AnsiColor::Red),
            Label::Aside => Style::new().dimmed(),
        };
        format!("{style}{text}{style:#}")
    }

    /// Writes words from `first` on, broken at the width; further lines begin with `hanging`
    /// spaces.
    /// `first` may hold labels: its visible width is `first_width`.
    pub fn wrap(
        self,
        out: &mut dyn Write,
        (first, first_width): (&str, usize),
        hanging: usize,
        text: &str,
    ) -> io::Result<()> {
        write!(out, "{first}")?;
        let mut column = first_width;
        let mut begun = false;
        let mut words = text.split_whitespace().peekable();
        while let Some(word) = words.next() {
            // A number stays with its unit.
            let unit = words.next_if(|next| is_number(word) && is_unit(next));
            let width = columns(word) + unit.map_or(0, |unit| 1 + columns(unit));
            if begun && column + 1 + width > self.width {
                write!(out, "\n{:hanging$}", "")?;
                column = hanging;
                begun = false;
            }
            if begun {
                write!(out, " ")?;
                column += 1;
            }
            write!(out, "{word}")?;
            if let Some(unit) = unit {
                write!(out, " {unit}")?;
            }
            column += width;
            begun = true;
        }
        writeln!(out)
    }

    /// A paragraph with an indent.
    pub fn paragraph(self, out: &mut dyn Write, indent: usize, text: &str) -> io::Result<()> {
        self.wrap(out, (&" ".repeat(indent), indent), indent, text)
    }

    /// A heading on a line of its own, with an empty line before it.
    pub fn heading(self, out: &mut dyn Write, text: &str) -> io::Result<()> {
        writeln!(out, "\n{}", self.label(Label::Heading, text))
    }
}

fn is_number(word: &str) -> bool {
    let inner = word.trim_start_matches(['(', '+', '-', '<', '>', '~']);
    inner.starts_with(|c: char| c.is_ascii_digit())
        && inner.chars().all(|c| c.is_ascii_digit() || matches!(c, '.' | '-'))
}

fn is_unit(word: &str) -> bool {
    let bare = word.trim_end_matches(['.', ',', ';', ':', ')', '?']);
    matches!(bare, "s" | "ms" | "min" | "h" | "%" | "days" | "ppm")
}

/// How many columns a terminal gives this text (UAX #11; ambiguous characters are narrow).
pub fn columns(text: &str) -> usize {
    text.width()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wrapped(width: usize, text: &str) -> String {
        let mut out = Vec::new();
        Page { width, colour: false, unicode: false }.wrap(&mut out, ("* ", 2), 2, text).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn lines_keep_the_width_and_hang() {
        assert_eq!(wrapped(12, "one two three four"), "* one two\n  three four\n");
    }

    #[test]
    fn a_number_stays_with_its_unit() {
        assert_eq!(wrapped(12, "after 60 s, in 5 words"), "* after\n  60 s, in 5\n  words\n");
    }

    #[test]
    fn wide_characters_take_two_columns_and_marks_none() {
        assert_eq!(wrapped(12, "接続 接続 接続"), "* 接続 接続\n  接続\n");
        assert_eq!(columns("e\u{301}"), 1);
    }

    #[test]
    fn a_word_longer_than_the_line_stands_alone() {
        assert_eq!(wrapped(8, "a incomprehensible b"), "* a\n  incomprehensible\n  b\n");
    }

    #[test]
    fn without_colour_a_label_is_nothing() {
        let page = Page { width: 80, colour: false, unicode: false };
        assert_eq!(page.label(Label::Bad, "x"), "x");
        assert!(Page { colour: true, ..page }.label(Label::Bad, "x").contains('\u{1b}'));
    }
}
