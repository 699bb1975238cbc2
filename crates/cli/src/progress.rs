//! How far reading has come: one line on standard error, for a person at a terminal, once it takes
//! more than a second.
//!
//! Everything opened through `intake::open` is counted as it is read, so a command only says what
//! is to come ([`expect`]) and when it is about to print ([`done`]). Where standard error is no
//! terminal, or a `dumb` one, nothing is ever written.

use hopclock_core::time::{Gap, Moment};
use hopclock_live::clock;
use std::env;
use std::io::{self, IsTerminal, Read, Write};
use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Before this nothing is shown.
const SILENT: Gap = Gap::from_secs(1);
/// Between two drawings.
const EVERY: Gap = Gap::from_millis(200);

/// Where reading stands.
#[derive(Clone, Copy, Debug)]
struct Line {
    began: Moment,
    drawn: Option<Moment>,
    bytes: u64,
    /// Bytes to come in all; zero when nobody knows.
    expected: u64,
}

static LINE: Mutex<Option<Line>> = Mutex::new(None);

fn line() -> MutexGuard<'static, Option<Line>> {
    LINE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// These inputs are going to be read. `quiet` is what the user asked for.
pub fn expect(paths: &[PathBuf], quiet: bool) {
    let dumb = env::var_os("TERM").is_none_or(|term| term == "dumb");
    if quiet || dumb || !io::stderr().is_terminal() {
        return;
    }
    let sizes = paths.iter().map(|path| std::fs::metadata(path).map(|about| about.len()).ok());
    // A folder or standard input: how much it will be shows only on the way.
    let known = paths.iter().all(|path| path.is_file());
    let expected = if known { sizes.flatten().sum() } else { 0 };
    let began = clock::monotonic();
    *line() = Some(Line { began, drawn: None, bytes: 0, expected });
}

/// Reading is over, and `what` takes its time: shown when that much has passed already.
pub fn phase(what: &str) {
    if let Some(shown) = &mut *line() {
        let now = clock::monotonic();
        if shown.drawn.is_some() || now.since(shown.began) >= SILENT {
            shown.drawn = Some(now);
            wipe(what);
        }
    }
}

/// Takes the line away; nothing is shown after it.
pub fn done() {
    if let Some(shown) = line().take()
        && shown.drawn.is_some()
    {
        wipe("");
    }
}

/// Takes the line away for something that is printed now; it may come back.
pub fn aside() {
    if let Some(shown) = &mut *line()
        && shown.drawn.is_some()
    {
        wipe("");
        shown.drawn = Some(clock::monotonic());
    }
}

/// A reader whose bytes are counted.
pub struct Counted<R>(pub R);

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let n = self.0.read(buffer)?;
        came(n as u64);
        Ok(n)
    }
}

fn came(bytes: u64) {
    let mut line = line();
    let Some(shown) = &mut *line else {
        return;
    };
    shown.bytes += bytes;
    let now = clock::monotonic();
    let wait = if shown.drawn.is_some() { EVERY } else { SILENT };
    if now.since(shown.drawn.unwrap_or(shown.began)) >= wait {
        shown.drawn = Some(now);
        wipe(&shown.says(now));
    }
}

impl Line {
    /// "read 1.2 GB of 4.0 GB, 30 %, 12 s left".
    fn says(&self, now: Moment) -> String {
        let read = size(self.bytes);
        if self.expected == 0 || self.bytes > self.expected {
            return format!("read {read}");
        }
        let share = self.bytes as f64 / self.expected as f64;
        let took = now.since(self.began).secs_f64();
        let left = if share > 0.0 { took / share - took } else { 0.0 };
        let (all, percent) = (size(self.expected), (share * 100.0).floor());
        format!("read {read} of {all}, {percent:.0} %, {left:.0} s left")
    }
}

/// Three digits or so; a thousand bytes are a kilobyte.
fn size(bytes: u64) -> String {
    let bytes = bytes as f64;
    for (unit, name) in [(1e9, "GB"), (1e6, "MB"), (1e3, "kB")] {
        if bytes >= unit {
            return format!("{:.1} {name}", bytes / unit);
        }
    }
    format!("{bytes:.0} bytes")
}

/// Writes over the line. That it cannot be written is no reason to fail.
fn wipe(text: &str) {
    let mut out = io::stderr().lock();
    let _ = write!(out, "\r\x1b[K{text}");
    let _ = out.flush();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_says_how_far_and_how_long() {
        let at = Moment::from_secs;
        let line =
            Line { began: at(0), drawn: None, bytes: 1_234_567_890, expected: 4_000_000_000 };
        assert_eq!(line.says(at(6)), "read 1.2 GB of 4.0 GB, 30 %, 13 s left");
        let unknown = Line { expected: 0, ..line };
        assert_eq!(unknown.says(at(6)), "read 1.2 GB");
    }
}
