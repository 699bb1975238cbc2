//! The letter to the other side's team, wrapped for a mail: paragraphs, and items that hang.

use crate::page::Page;
use std::io::{self, Write};

/// A mail is quoted, and then a little wider.
const WIDTH_MAX: usize = 72;

/// Writes it, each line after `indent` blanks. A four-tuple or a name is never broken.
pub fn write(letter: &str, page: Page, indent: usize, out: &mut dyn Write) -> io::Result<()> {
    let page = Page { width: page.width.min(WIDTH_MAX + indent), ..page };
    for line in letter.lines() {
        let text = line.trim_start();
        if text.is_empty() {
            writeln!(out)?;
            continue;
        }
        let own = indent + line.len() - text.len();
        let hanging = if text.starts_with("- ") { own + 2 } else { own };
        page.wrap(out, (&" ".repeat(own), own), hanging, text)?;
    }
    Ok(())
}
