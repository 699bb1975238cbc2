//! What the folder says of itself: the stamped line of each file, `evidence.toml`, the page for
//! people, and the summary on the terminal.

use super::bundle::{Bundle, File};
use super::packets::PACKETS_MAX;
use crate::args::Collect;
use hopclock_core::dump::header::stamp;
use hopclock_core::redact::Key;
use std::fmt::Write as _;

/// The first line of a dump.
pub fn first_line(bundle: &Bundle, file: &File) -> String {
    let mut line = format!("# hopclock host={}", quoted_if_needed(&bundle.host));
    if let Some(role) = bundle.place.role {
        let _ = write!(line, " role={role}");
        if bundle.place.guessed.is_some() {
            line.push_str(" role-by=guess");
        }
    }
    let _ = writeln!(line, " at={} cmd=\"{}\"", stamp(file.at), file.command.replace('"', "'"));
    line
}

fn quoted_if_needed(word: &str) -> String {
    if word.contains(char::is_whitespace) { format!("\"{word}\"") } else { word.to_owned() }
}

/// `evidence.toml`.
pub fn manifest(bundle: &Bundle) -> String {
    let mut text = "schema = \"hopclock.evidence/1\"\n".to_owned();
    for file in &bundle.files {
        let path = format!("{}/{}", bundle.folder(), file.name);
        let _ = write!(text, "\n[[file]]\npath = {}\nhost = {}\n", toml(&path), toml(&bundle.host));
        if let Some(role) = bundle.place.role {
            let _ = writeln!(text, "role = \"{role}\"");
        }
        let (at, command) = (stamp(file.at), toml(&file.command));
        let _ = writeln!(text, "taken_at = \"{at}\"\ncommand = {command}");
        if !file.notes.is_empty() {
            let _ = writeln!(text, "notes = {}", toml(&file.notes.join("; ")));
        }
    }
    for missing in &bundle.missing {
        let (what, why) = (toml(&missing.what), toml(&missing.why));
        let _ = write!(text, "\n[[missing]]\nwhat = {what}\nwhy = {why}\n");
    }
    text
}

/// A basic string (TOML 1.0, "String").
fn toml(text: &str) -> String {
    let mut quoted = String::from("\"");
    for c in text.chars() {
        match c {
            '"' => quoted.push_str("\\\""),
            '\\' => quoted.push_str("\\\\"),
            c if c.is_control() => drop(write!(quoted, "\\u{:04X}", u32::from(c))),
            c => quoted.push(c),
        }
    }
    quoted.push('"');
    quoted
}

/// `collect.md`, for people.
pub fn page(bundle: &Bundle, typed: &Collect, redacted: bool) -> String {
    let mut text = format!(
        "<!-- hopclock: not evidence -->\n# Collected on {}\n\nBegun {} by hopclock {}.\n{}\n",
        bundle.host,
        stamp(bundle.began),
        env!("CARGO_PKG_VERSION"),
        place(bundle)
    );
    let _ = writeln!(text, "{}", waited(bundle));
    if let Some(peer) = typed.peer.filter(|_| !redacted) {
        let _ = writeln!(text, "Only what has to do with {peer}, translated or not.");
    }
    if redacted {
        text.push_str(
            "Addresses, names of hosts and users, and paths are pseudonyms; equal ones were equal.\n",
        );
    }
    text.push_str("\n| file | as if typed | taken |\n|---|---|---|\n");
    for file in &bundle.files {
        let notes: Vec<&str> = file.notes.iter().map(String::as_str).collect();
        let notes =
            if notes.is_empty() { String::new() } else { format!(" ({})", notes.join("; ")) };
        let (name, command, at) = (&file.name, &file.command, stamp(file.at));
        let _ = writeln!(text, "| {name} | `{command}`{notes} | {at} |");
    }
    if !bundle.missing.is_empty() {
        text.push_str("\nNot in it:\n\n");
        missing(bundle, &mut text, "- ");
    }
    text.push_str("\nWhat it cannot hold: the application's own log, and what other hosts saw.\n");
    text
}

fn place(bundle: &Bundle) -> String {
    match (bundle.place.role, &bundle.place.guessed) {
        (Some(role), None) => format!("Its role is {role}."),
        (Some(role), Some(why)) => {
            format!("Its role was guessed to be {role}: {why}. If that is wrong, use --role.")
        }
        (None, why) => {
            let why = why.as_deref().unwrap_or("nothing tells");
            format!("Its role is not known: {why}. Say it with --role.")
        }
    }
}

fn waited(bundle: &Bundle) -> String {
    if bundle.waited.is_zero() {
        return "One look.".to_owned();
    }
    let cut = if bundle.interrupted { ", cut short" } else { "" };
    format!("Two looks, {:.1} s apart{cut}.", bundle.waited.as_secs_f64())
}

fn missing(bundle: &Bundle, text: &mut String, mark: &str) {
    for missing in &bundle.missing {
        let _ = writeln!(text, "{mark}{}: {}", missing.what, missing.why);
    }
}

/// For the terminal.
pub fn summary(bundle: &Bundle, typed: &Collect, key: Option<Key>) -> String {
    let out = typed.out.display();
    let files = bundle.files.len();
    let mut text = format!("{files} files of {} are in {out}\n", bundle.host);
    let _ = writeln!(text, "{}", place(bundle));
    let _ = writeln!(text, "{}", waited(bundle));
    if let Some(recorded) = &bundle.recorded {
        let _ = write!(text, "Headers of {} packets, no payload", recorded.packets);
        if recorded.left_out > 0 {
            let _ = write!(text, "; full at {PACKETS_MAX}");
        }
        if recorded.dropped > 0 {
            let _ = write!(text, "; the kernel dropped {}", recorded.dropped);
        }
        text.push_str(".\n");
    }
    if !bundle.missing.is_empty() {
        text.push_str("Not in it:\n");
        missing(bundle, &mut text, "  ");
    }
    if let Some(key) = key {
        let _ = writeln!(text, "Redacted. On the other hosts: --redact-key {key}");
        text.push_str("Whoever has that key can undo it: it is not in the folder.\n");
    }
    if typed.out.as_os_str() != "-" {
        let _ = writeln!(text, "Next, with the application's log: hopclock diagnose app.log {out}");
    }
    text
}
