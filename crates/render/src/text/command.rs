//! What is to be run or done, so that it can be copied: a command that is wider than the page goes
//! on after a backslash, and what stands behind its `#` is said in words below it.

use crate::page::{Label, Page, columns};
use std::io::{self, Write};

/// Programs a step may begin with; everything else is a sentence.
const PROGRAMS: [&str; 15] = [
    "cat",
    "conntrack",
    "dmesg",
    "ethtool",
    "hopclock",
    "ip",
    "ipvsadm",
    "iptables-save",
    "journalctl",
    "nft",
    "nstat",
    "ss",
    "sysctl",
    "tcpdump",
    "tracepath",
];

/// Writes it, every line after `indent` blanks.
pub(super) fn write(page: Page, out: &mut dyn Write, indent: usize, run: &str) -> io::Result<()> {
    let is_command = run.split_whitespace().next().is_some_and(|word| PROGRAMS.contains(&word));
    if !is_command {
        return page.paragraph(out, indent, run);
    }
    let (run, remark) = run.split_once(" # ").map_or((run, None), |(run, rest)| (run, Some(rest)));
    for line in lines(run.trim(), page.width.saturating_sub(indent)) {
        writeln!(out, "{:indent$}{}", "", page.label(Label::Number, &line))?;
    }
    match remark {
        Some(remark) => page.paragraph(out, indent, &format!("({})", remark.trim())),
        None => Ok(()),
    }
}

/// The command in lines that a shell reads as one.
fn lines(run: &str, width: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    let mut line = String::new();
    for word in words(run) {
        // Room for the blank before the word and the backslash after it.
        if !line.is_empty() && columns(&line) + 1 + columns(word) + 2 > width {
            lines.push(format!("{line} \\"));
            line = "  ".to_owned();
        } else if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(word);
    }
    lines.push(line);
    lines
}

/// Cut at blanks that stand outside quotes.
fn words(run: &str) -> Vec<&str> {
    let mut quote = None;
    run.split(|c: char| {
        match (quote, c) {
            (None, '\'' | '"') => quote = Some(c),
            (Some(open), c) if c == open => quote = None,
            _ => {}
        }
        quote.is_none() && c == ' '
    })
    .filter(|word| !word.is_empty())
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_command_goes_on_after_a_backslash_and_quotes_stay_whole() {
        let run = "tcpdump -i any 'tcp port 443' -w x";
        assert_eq!(lines(run, 80), [run]);
        assert_eq!(lines(run, 20), ["tcpdump -i any \\", "  'tcp port 443' \\", "  -w x"]);
    }

    #[test]
    fn a_remark_is_said_below_and_a_sentence_is_wrapped() {
        let page = Page { width: 20, colour: false, unicode: false };
        let mut out = Vec::new();
        write(page, &mut out, 2, "ss -tino   # on the box").unwrap();
        write(page, &mut out, 2, "ask the people who run it").unwrap();
        let told = String::from_utf8(out).unwrap();
        assert_eq!(told, "  ss -tino\n  (on the box)\n  ask the people who\n  run it\n");
    }
}
