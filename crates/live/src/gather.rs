//! What this machine can tell of the connections that pass it, piece by piece: each is the text a
//! person would have got by typing a command, with its moment.
//!
//! Every function asks the calling thread's network namespace. Nothing here changes a setting, a
//! rule or a connection. What cannot be had is told in a sentence, and the rest is still gathered.
//!
//! Asking is not without any trace: the first question to a subsystem may make the kernel load the
//! module that answers it (`nf_conntrack_netlink`, `tcp_diag`, `nf_tables`), as the commands
//! themselves do. None of these tracks or filters anything by being loaded, and `nf_conntrack`
//! itself is never asked for where it is not there already.

mod conntrack;
mod counters;
mod links;
mod program;
mod rules;
mod sockets;
mod sysctl;

pub use conntrack::{conntrack, conntrack_counters, conntrack_even_empty, conntrack_of};
pub use counters::counters;
pub use links::{links, local_addresses};
pub use rules::{conntrack_is_hooked, ipvs, rules};
pub use sockets::{Established, established, listening, sockets, sockets_of};
pub use sysctl::sysctls;

use std::fs::File;
use std::io::{self, Read};
use std::net::IpAddr;

use hopclock_core::time::Moment;

use crate::clock;

/// No piece is longer than this unless [`Wanted`] says otherwise: some 300 000 entries of a table.
pub const BYTES_MAX: usize = 64 << 20;

/// One piece: a text and where it is from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Piece {
    /// A name for its file.
    pub file: String,
    /// What a person would have typed for it.
    pub command: String,
    /// Just before it was asked for.
    pub at: Moment,
    /// The text.
    pub bytes: Vec<u8>,
    /// What a reader should know of it, one sentence each: that it was cut, for instance.
    pub notes: Vec<String>,
}

/// A piece that is not there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Missing {
    /// Which, in a few words.
    pub what: String,
    /// Why, in one sentence.
    pub why: String,
    /// Whether a privilege would have helped.
    pub privilege: bool,
}

impl Missing {
    /// A piece that is not there for a reason of its own.
    fn because(what: &str, why: impl Into<String>) -> Self {
        Self { what: what.to_owned(), why: why.into(), privilege: false }
    }

    /// A piece the kernel or a file refused. `needs` says what would be allowed to have it.
    fn refused(what: &str, error: &io::Error, needs: &str) -> Self {
        let privilege = error.kind() == io::ErrorKind::PermissionDenied;
        let why = if privilege { needs.to_owned() } else { error.to_string() };
        Self { what: what.to_owned(), why, privilege }
    }
}

/// Which part of the tables is wanted, and how much of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// Only what has this address at one of its ends, translated or not.
    pub peer: Option<IpAddr>,
    /// At most so many bytes; what is over is counted and told.
    pub bytes_max: usize,
}

impl Default for Wanted {
    fn default() -> Self {
        Self { peer: None, bytes_max: BYTES_MAX }
    }
}

/// A text of whole lines that stops growing at its limit and counts what it refused.
#[derive(Debug)]
struct Lines {
    text: Vec<u8>,
    bytes_max: usize,
    refused: u64,
}

impl Lines {
    const fn new(bytes_max: usize) -> Self {
        Self { text: Vec::new(), bytes_max, refused: 0 }
    }

    /// Adds a line (or a few that belong together), without its end of line.
    fn push(&mut self, line: &str) {
        if self.refused > 0 || self.text.len() + line.len() >= self.bytes_max {
            self.refused += 1;
        } else {
            self.text.extend(line.as_bytes());
            self.text.push(b'\n');
        }
    }

    const fn is_empty(&self) -> bool {
        self.text.is_empty() && self.refused == 0
    }

    /// The piece; `what` names a line in the note about those left out.
    fn piece(mut self, file: &str, command: &str, at: Moment, what: &str) -> Piece {
        let mut notes = Vec::new();
        if self.refused > 0 {
            let said = format!("cut at {} bytes, {} {what} left out", self.bytes_max, self.refused);
            self.text.extend(format!("# {said}\n").as_bytes());
            notes.push(said);
        }
        let (file, command) = (file.to_owned(), command.to_owned());
        Piece { file, command, at, bytes: self.text, notes }
    }
}

/// A file below `/proc/thread-self/net`, which is the calling thread's namespace; `/proc/net` would
/// be that of the process's first thread. At most `bytes_max` and a few more.
fn of_thread(name: &str, bytes_max: usize) -> io::Result<String> {
    short_file(&format!("/proc/thread-self/net/{name}"), bytes_max)
}

fn short_file(path: &str, bytes_max: usize) -> io::Result<String> {
    let mut bytes = Vec::new();
    File::open(path)?.take(bytes_max as u64).read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// The host's name, as it calls itself.
pub fn host_name() -> Option<String> {
    let name = short_file("/proc/sys/kernel/hostname", 1024).ok()?.trim().to_owned();
    (!name.is_empty() && name != "(none)").then_some(name)
}

/// Whether this host forwards packets of IPv4, or of IPv6.
pub fn forwards() -> bool {
    let files = ["/proc/sys/net/ipv4/ip_forward", "/proc/sys/net/ipv6/conf/all/forwarding"];
    files.iter().any(|file| short_file(file, 16).is_ok_and(|value| value.trim() == "1"))
}

/// Now, for the stamp of a piece.
fn now() -> Moment {
    clock::now()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_over_the_limit_are_counted_and_told() {
        let mut lines = Lines::new(12);
        for line in ["12345", "6789", "0", "1"] {
            lines.push(line);
        }
        let piece = lines.piece("a.txt", "a", Moment::from_secs(0), "entries");
        assert_eq!(piece.notes, ["cut at 12 bytes, 2 entries left out"]);
        let text = String::from_utf8(piece.bytes).unwrap();
        assert_eq!(text, "12345\n6789\n# cut at 12 bytes, 2 entries left out\n");
    }

    #[test]
    fn only_a_refusal_is_a_matter_of_privilege() {
        let refused = io::Error::from(io::ErrorKind::PermissionDenied);
        assert!(Missing::refused("a", &refused, "it needs root").privilege);
        let other = io::Error::from(io::ErrorKind::NotFound);
        let told = Missing::refused("a", &other, "it needs root");
        assert!(!told.privilege && !told.why.contains("root"), "{told:?}");
    }
}
