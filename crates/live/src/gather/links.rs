//! Links, addresses and routes: what says on which side of the box an address is.
//!
//! As the `ip` program prints them; without it, the addresses from the kernel and the routes as
//! `/proc` shows them, which is less.

use std::fmt::Write as _;

use nix::ifaddrs::getifaddrs;

use super::{Missing, Piece, now, of_thread, program};

/// A full routing table is a million lines; nobody reads it.
const BYTES_MAX: usize = 4 << 20;

/// What is asked of `ip`, in this order.
const QUESTIONS: [&[&str]; 5] = [
    &["-d", "addr"],
    &["rule"],
    &["route", "show", "table", "all"],
    &["-6", "rule"],
    &["-6", "route", "show", "table", "all"],
];

/// Addresses, rules and routes, of IPv4 and IPv6.
///
/// # Errors
///
/// When the kernel tells of no link.
pub fn links() -> Result<Piece, Missing> {
    let at = now();
    let mut text = String::new();
    let mut notes = Vec::new();
    let mut asked = Vec::new();
    for arguments in QUESTIONS {
        // A kernel without IPv6, or without rules, refuses its question; the others stand.
        let Ok(printed) = program::run("ip", arguments, BYTES_MAX) else { continue };
        let command = format!("ip {}", arguments.join(" "));
        if !asked.is_empty() {
            let _ = writeln!(text, "# {command}");
        }
        text.push_str(&printed.text);
        if printed.cut {
            let note = format!("{command}: cut at {BYTES_MAX} bytes");
            let _ = writeln!(text, "\n# {note}");
            notes.push(note);
        }
        asked.push(command);
    }
    let mut command = asked.join("; ");
    if asked.is_empty() {
        text = without_ip();
        "cat /proc/net/route /proc/net/ipv6_route".clone_into(&mut command);
    }
    if text.is_empty() {
        return Err(Missing::because("links and routes", "the kernel tells of no link"));
    }
    Ok(Piece { file: "links.txt".to_owned(), command, at, bytes: text.into_bytes(), notes })
}

fn without_ip() -> String {
    let mut text = String::new();
    for (at, link) in getifaddrs().into_iter().flatten().enumerate() {
        let Some(address) = link.address else { continue };
        let (name, flags) = (&link.interface_name, link.flags);
        let number = at + 1;
        if let Some(v4) = address.as_sockaddr_in() {
            let _ = writeln!(text, "{number}: {name}: <{flags}> inet {}", v4.ip());
        } else if let Some(v6) = address.as_sockaddr_in6() {
            let _ = writeln!(text, "{number}: {name}: <{flags}> inet6 {}", v6.ip());
        }
    }
    for file in ["route", "ipv6_route"] {
        if let Ok(routes) = of_thread(file, BYTES_MAX) {
            let _ = writeln!(text, "# /proc/net/{file}\n{}", routes.trim_end());
        }
    }
    text
}
