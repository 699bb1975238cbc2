//! Configuration of programs that keep connections: nginx, HAProxy, Envoy. Which timers are set,
//! where, and for what.
//!
//! Text in, timers out. Files that a configuration includes are asked of the caller, who alone may
//! open them. Of a configuration nothing leaves but settings that are known to be timers, their
//! values, the names they are set for, and where: never a line, never a password. What is broken
//! costs a note, and the rest is read.

pub mod envoy;
mod envoy_rows;
pub mod glob;
pub mod haproxy;
pub mod nginx;
mod nginx_lex;
mod tree;

use std::fmt;

/// More files of one program than this are not read.
pub const FILES_MAX: usize = 1000;
/// One file may be read in many places; more often than this it is a loop.
const READS_MAX: usize = 10_000;
/// Files that include files, one in the other.
const DEPTH_MAX: usize = 20;
/// More notes than this tell nothing new.
const NOTES_MAX: usize = 30;
/// More timers of one program than this nobody reads.
const TIMERS_MAX: usize = 5000;

/// A file of a configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct File {
    /// Its path, as the program sees it.
    pub path: String,
    /// What stands in it.
    pub text: String,
}

/// Opens what a configuration includes: a path or a pattern as it is written, and the files it
/// leads to in their order, or why there are none in one sentence.
pub type Open<'a> = &'a mut dyn FnMut(&str) -> Result<Vec<File>, String>;

/// What a program's configuration says of its timers.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Configured {
    /// Every timer, in the order of the files.
    pub timers: Vec<Timer>,
    /// What was not understood, one sentence each.
    pub notes: Vec<String>,
    /// The files that were read, in order.
    pub files: Vec<String>,
    /// How often one was read.
    reads: usize,
}

/// A timer of a program, or a switch that decides about one.
#[derive(Clone, Debug, PartialEq)]
pub struct Timer {
    /// The row of the catalogue of clocks it is.
    pub clock: Option<&'static str>,
    /// The setting's name.
    pub setting: String,
    /// Its value as written; none for one that is built in.
    pub value: Option<String>,
    /// The same in seconds; none for one that is off, for a count and for a switch.
    pub seconds: Option<f64>,
    /// Where it stands; none for one that nobody set.
    pub at: Option<Place>,
    /// What it is valid for.
    pub scope: Option<String>,
}

/// A line of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// Path of the file.
    pub file: String,
    /// Line number, from 1.
    pub line: usize,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.file, self.line)
    }
}

impl Configured {
    fn note(&mut self, says: String) {
        if self.notes.len() < NOTES_MAX && !self.notes.contains(&says) {
            self.notes.push(says);
        }
    }

    fn push(&mut self, timer: Timer) {
        if self.timers.len() < TIMERS_MAX {
            self.timers.push(timer);
        } else {
            self.note(format!("it sets more than {TIMERS_MAX} timers; the rest is left out"));
        }
    }

    /// Marks a file as read; `false` where it, or one more, is too much.
    fn may_read(&mut self, path: &str) -> bool {
        if self.files.len() >= FILES_MAX {
            self.note(format!("it has more than {FILES_MAX} files; the rest is not read"));
            return false;
        }
        self.reads += 1;
        if self.reads > READS_MAX {
            self.note("its files include each other too often; the rest is not read".to_owned());
            return false;
        }
        if !self.files.iter().any(|read| read == path) {
            self.files.push(path.to_owned());
        }
        true
    }
}

/// What a setting's value is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// A time.
    Time,
    /// A time of which 0 means that there is none.
    TimeOrOff,
    /// So many of something.
    Count,
    /// On or off.
    Switch,
}

/// A setting that is known, and the row of the catalogue it is.
#[derive(Clone, Copy, Debug)]
struct Known {
    /// Where it may stand; the same name means another timer elsewhere.
    within: &'static str,
    /// Its name.
    setting: &'static str,
    /// What its value is.
    kind: Kind,
    /// Id of the clock.
    clock: Option<&'static str>,
}

/// Every id of the catalogue that a setting of a configuration can be.
pub fn clocks() -> impl Iterator<Item = &'static str> {
    let all = nginx::KNOWN.iter().chain(haproxy::KNOWN).chain(envoy_rows::KNOWN);
    all.filter_map(|known| known.clock)
}
