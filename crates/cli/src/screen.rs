//! What the terminal is like: its width, its characters, and whether it wants colour.

use hopclock_render::Page;
use std::env;
use std::io::{self, IsTerminal};

/// Wider than this no line is read with ease.
const WIDTH_MAX: usize = 120;

/// The page to print on. 80 columns where nobody says otherwise; colour only on a terminal and
/// never when `NO_COLOR` is set to anything (no-color.org) or `CLICOLOR` to 0; `CLICOLOR_FORCE`
/// wants it in a pipe too (bixense.com/clicolors).
pub fn page() -> Page {
    let terminal = io::stdout().is_terminal();
    let told = env::var("COLUMNS").ok().and_then(|c| c.parse().ok()).filter(|c| *c > 0);
    let width = told
        .or_else(|| terminal_size::terminal_size().map(|(w, _)| usize::from(w.0)))
        .unwrap_or(80)
        .clamp(40, WIDTH_MAX);
    Page { width, colour: colour(terminal), unicode: unicode() }
}

fn colour(terminal: bool) -> bool {
    let told = |name: &str| env::var_os(name).filter(|v| !v.is_empty());
    let forced = told("CLICOLOR_FORCE").is_some_and(|v| v != "0");
    let wanted = told("CLICOLOR").is_none_or(|v| v != "0");
    let glyphless = told("TERM").is_some_and(|t| t == "dumb");
    told("NO_COLOR").is_none() && (forced || (terminal && wanted && !glyphless))
}

/// Whether the locale's characters are UTF-8 (POSIX: the first of these three that is not empty
/// decides) and the terminal is not one without glyphs.
fn unicode() -> bool {
    let told = |name: &str| env::var(name).ok().filter(|v| !v.is_empty());
    let locale = ["LC_ALL", "LC_CTYPE", "LANG"].into_iter().find_map(told).unwrap_or_default();
    let utf8 = locale.to_ascii_uppercase().replace('-', "").contains("UTF8");
    utf8 && told("TERM").is_none_or(|t| t != "dumb")
}
