//! What the terminal is like: its width, its characters, and whether it wants colour.

use hopclock_render::Page;
use std::env;
use std::io::{self, IsTerminal};

/// Wider than this no line is read with ease.
const WIDTH_MAX: usize = 120;

/// The page to print on. 80 columns where nobody says otherwise; colour only on a terminal and
/// never when `NO_COLOR` is set to anything (no-color.org).
pub fn page() -> Page {
    let terminal = io::stdout().is_terminal();
    let told = env::var("COLUMNS").ok().and_then(|c| c.parse().ok());
    let width = told
        .or_else(|| terminal_size::terminal_size().map(|(w, _)| usize::from(w.0)))
        .unwrap_or(80)
        .clamp(40, WIDTH_MAX);
    let no_colour = env::var_os("NO_COLOR").is_some_and(|v| !v.is_empty());
    Page { width, colour: terminal && !no_colour, unicode: unicode() }
}

/// Whether the locale's characters are UTF-8 (POSIX: the first of these three that is not empty
/// decides) and the terminal is not one without glyphs.
fn unicode() -> bool {
    let told = |name: &str| env::var(name).ok().filter(|v| !v.is_empty());
    let locale = ["LC_ALL", "LC_CTYPE", "LANG"].into_iter().find_map(told).unwrap_or_default();
    let utf8 = locale.to_ascii_uppercase().replace('-', "").contains("UTF8");
    utf8 && told("TERM").is_none_or(|t| t != "dumb")
}
