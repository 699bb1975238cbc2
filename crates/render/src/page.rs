//! The page a text pen writes on: its width, and labels that become colour or nothing.

use anstyle::{AnsiColor, Style};
use std::borrow::Cow;
use std::io::{self, Write};
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

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
        let text = visible(text);
        if !self.colour {
            return text.into_owned();
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
        for (n, line) in self.lines(first_width, hanging, text).iter().enumerate() {
            if n > 0 {
                write!(out, "\n{:hanging$}", "")?;
            }
            write!(out, "{line}")?;
        }
        writeln!(out)
    }

    /// As [`Page::wrap`], with the words under one label and nothing before them.
    pub fn wrap_label(
        self,
        out: &mut dyn Write,
        label: Label,
        hanging: usize,
        text: &str,
    ) -> io::Result<()> {
        for (n, line) in self.lines(0, hanging, text).iter().enumerate() {
            let indent = if n > 0 { hanging } else { 0 };
            writeln!(out, "{:indent$}{}", "", self.label(label, line))?;
        }
        Ok(())
    }

    /// The words in lines: the first begins in column `first`, the others after `hanging` spaces. A
    /// number stays with its unit; a word that no line can hold is broken.
    fn lines(self, first: usize, hanging: usize, text: &str) -> Vec<String> {
        let text = visible(text);
        let room = self.width.saturating_sub(hanging).max(8);
        let mut lines = vec![String::new()];
        let mut column = first;
        let mut words = text.split_whitespace().peekable();
        while let Some(word) = words.next() {
            let unit = words.next_if(|next| is_number(word) && is_unit(next));
            let mut piece = unit.map_or_else(|| word.to_owned(), |unit| format!("{word} {unit}"));
            loop {
                let further = lines.len() > 1;
                let Some(line) = lines.last_mut() else { break };
                let gap = usize::from(!line.is_empty());
                let width = columns(&piece);
                if column + gap + width <= self.width {
                    line.push_str(" ".get(..gap).unwrap_or_default());
                    line.push_str(&piece);
                    column += gap + width;
                    break;
                }
                if line.is_empty() && (further || width > room) {
                    let rest = cut(&mut piece, self.width.saturating_sub(column).max(8));
                    line.push_str(&piece);
                    piece = rest;
                }
                if piece.is_empty() {
                    break;
                }
                lines.push(String::new());
                column = hanging;
            }
        }
        lines
    }

    /// A paragraph with an indent.
    pub fn paragraph(self, out: &mut dyn Write, indent: usize, text: &str) -> io::Result<()> {
        self.wrap(out, (&" ".repeat(indent), indent), indent, text)
    }

    /// A heading on a line of its own, with an empty line before it.
    pub fn heading(self, out: &mut dyn Write, text: &str) -> io::Result<()> {
        writeln!(out)?;
        self.wrap_label(out, Label::Heading, 2, text)
    }
}

/// Keeps what fits into `room` columns, if possible up to a slash, and returns the rest.
fn cut(word: &mut String, room: usize) -> String {
    let mut used = 0;
    let mut at = word.len();
    for (index, c) in word.char_indices() {
        used += c.width().unwrap_or(0);
        if used > room {
            at = index;
            break;
        }
    }
    let slash = word.get(..at).and_then(|kept| kept.rfind('/')).map(|slash| slash + 1);
    let at = slash.filter(|slash| at < word.len() && *slash * 2 > at).unwrap_or(at);
    word.split_off(at.max(word.chars().next().map_or(0, char::len_utf8)))
}

/// What a line of evidence could do to a terminal, or to the order of what is read, made visible:
/// controls, and the marks that turn the direction of writing (Unicode UAX #9).
pub fn visible(text: &str) -> Cow<'_, str> {
    let acts = |c: char| {
        (c.is_control() && !matches!(c, '\n' | '\t'))
            || matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    if !text.contains(acts) {
        return Cow::Borrowed(text);
    }
    let shown = |c: char| {
        if acts(c) { c.escape_default().to_string() } else { c.to_string() }
    };
    Cow::Owned(text.chars().map(shown).collect())
}

/// A share of one as people read it: what is not everything is not called 100 %, and what is not
/// nothing not 0 %.
pub fn percent(share: f64, decimals: usize) -> String {
    let least = 10_f64.powi(-i32::try_from(decimals).unwrap_or(0));
    let value = 100.0 * share;
    if value > 0.0 && value < least / 2.0 {
        format!("< {least:.decimals$} %")
    } else if value < 100.0 && value >= 100.0 - least / 2.0 {
        format!("> {:.decimals$} %", 100.0 - least)
    } else {
        format!("{value:.decimals$} %")
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
    fn a_word_longer_than_a_line_is_broken_and_no_other_is() {
        assert_eq!(wrapped(12, "a incomprehensible b"), "* a\n  incomprehe\n  nsible b\n");
        assert_eq!(wrapped(12, "/some/where/else/x"), "* /some/\n  where/\n  else/x\n");
        assert_eq!(wrapped(12, "one comprehend"), "* one\n  comprehend\n");
    }

    #[test]
    fn nothing_acts_on_the_terminal() {
        assert_eq!(wrapped(30, "a \u{1b}[31mb \u{202e}c"), "* a \\u{1b}[31mb \\u{202e}c\n");
        let page = Page { width: 80, colour: true, unicode: true };
        assert!(!page.label(Label::Bad, "\u{1b}]0;x\u{7}").contains("\u{1b}]"));
    }

    #[test]
    fn almost_all_is_not_all_and_almost_none_not_none() {
        let told = [1.0, 0.997, 0.994, 0.451, 0.003, 0.0].map(|share| percent(share, 0));
        assert_eq!(told, ["100 %", "> 99 %", "99 %", "45 %", "< 1 %", "0 %"]);
        assert_eq!([percent(0.9998, 1), percent(0.0004, 1)], ["> 99.9 %", "< 0.1 %"]);
    }

    #[test]
    fn without_colour_a_label_is_nothing() {
        let page = Page { width: 80, colour: false, unicode: false };
        assert_eq!(page.label(Label::Bad, "x"), "x");
        assert!(Page { colour: true, ..page }.label(Label::Bad, "x").contains('\u{1b}'));
    }
}
