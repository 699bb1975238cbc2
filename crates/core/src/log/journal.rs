//! Entries of `journalctl -o export`: fields a line each, an entry ends at an empty line. An entry
//! becomes one line, as `journalctl -o short-unix` prints it; its other fields say nothing of a
//! connection. Refuses to keep more of a field than the reader looks at of a line.
//!
//! A field is `NAME=value`, or its name alone, then eight bytes of length (little endian), the
//! value, a line feed (systemd.io/JOURNAL_EXPORT_FORMATS).

use super::gather::{Gather, LONGEST};
use super::lines::Line;

/// How every entry taken from a journal begins.
const BEGINS: &[u8] = b"__CURSOR=";

/// The entry under way.
#[derive(Debug, Default)]
pub(super) struct Journal {
    /// Whether such an entry has been met.
    on: bool,
    /// Microseconds since the epoch.
    at: Option<u64>,
    program: Vec<u8>,
    pid: Vec<u8>,
    message: Vec<u8>,
    /// The message's line.
    line: u64,
    /// A value that is spread over lines.
    binary: Option<Binary>,
}

/// A value with its length in front.
#[derive(Debug)]
struct Binary {
    is_message: bool,
    /// The length and the beginning of the value.
    bytes: Vec<u8>,
    /// Bytes met.
    met: u64,
}

impl Binary {
    /// Takes one more line and the line feed behind it; true when that was the value's end.
    fn take(&mut self, line: &[u8]) -> bool {
        let room = (LONGEST + 8).saturating_sub(self.bytes.len());
        self.bytes.extend(line.iter().chain(b"\n").take(room));
        self.met += line.len() as u64 + 1;
        let len = self.bytes.first_chunk().map(|len| u64::from_le_bytes(*len));
        len.is_some_and(|len| self.met > len.saturating_add(8))
    }

    /// The value, on one line.
    fn value(&self) -> Vec<u8> {
        let value = self.bytes.get(8..).unwrap_or_default();
        let value = value.strip_suffix(b"\n").unwrap_or(value);
        value.iter().map(|b| if *b == b'\n' { b' ' } else { *b }).collect()
    }
}

impl Journal {
    /// Takes one line and hands on what it makes of it.
    pub(super) fn line(&mut self, line: Line<'_>, gather: &mut Gather) {
        if line.bytes.first() == Some(&b'_') && line.bytes.starts_with(BEGINS) {
            self.end(gather);
            self.on = true;
        }
        if !self.on {
            return gather.line(line);
        }
        let number = gather.pass();
        if let Some(binary) = &mut self.binary {
            if binary.take(line.bytes) {
                if binary.is_message && self.message.is_empty() {
                    self.message = binary.value();
                }
                self.binary = None;
            }
            return;
        }
        match line.bytes.iter().position(|b| *b == b'=') {
            _ if line.bytes.is_empty() => self.end(gather),
            Some(at) => {
                let (name, value) = line.bytes.split_at(at);
                self.field(name, value.get(1..).unwrap_or_default(), number);
            }
            None => {
                let is_message = line.bytes == b"MESSAGE";
                if is_message {
                    self.line = number;
                }
                self.binary = Some(Binary { is_message, bytes: Vec::new(), met: 0 });
            }
        }
    }

    /// Keeps a field, if it is one of those that make a line.
    fn field(&mut self, name: &[u8], value: &[u8], number: u64) {
        let value = value.get(..LONGEST).unwrap_or(value);
        match name {
            b"__REALTIME_TIMESTAMP" => {
                self.at = std::str::from_utf8(value).ok().and_then(|v| v.parse().ok());
            }
            b"MESSAGE" if self.message.is_empty() => {
                self.message = value.to_vec();
                self.line = number;
            }
            b"SYSLOG_IDENTIFIER" => self.program = value.to_vec(),
            b"_COMM" if self.program.is_empty() => self.program = value.to_vec(),
            b"SYSLOG_PID" => self.pid = value.to_vec(),
            b"_PID" if self.pid.is_empty() => self.pid = value.to_vec(),
            _ => {}
        }
    }

    /// Hands on the entry under way, if there is one.
    pub(super) fn end(&mut self, gather: &mut Gather) {
        let entry = std::mem::replace(self, Self { on: self.on, ..Self::default() });
        let Some(at) = entry.at.filter(|_| !entry.message.is_empty()) else { return };
        let mut text = format!("{}.{:06} ", at / 1_000_000, at % 1_000_000).into_bytes();
        text.extend_from_slice(&entry.program);
        if !entry.pid.is_empty() {
            text.push(b'[');
            text.extend_from_slice(&entry.pid);
            text.push(b']');
        }
        if !entry.program.is_empty() {
            text.extend_from_slice(b": ");
        }
        text.extend_from_slice(&entry.message);
        gather.line_at(entry.line, Line::new(&text));
    }
}
