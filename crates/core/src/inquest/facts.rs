//! What the inquest is given: the inputs, read, each with what is known of where it was taken.

use super::one_clock::OneClock;
use super::two_points::{Paths, TwoPoints};
use crate::dump::conntrack::Entry;
use crate::dump::counters::Counter;
use crate::dump::events::Event;
use crate::dump::ipvs::Timeouts;
use crate::dump::links::Interface;
use crate::dump::notes::Notes;
use crate::dump::rules::Rules;
use crate::dump::ss::{Listing, Socket};
use crate::dump::sysctl::Setting;
use crate::flow::CaptureReading;
use crate::log::LogReading;
use crate::terms::Role;
use crate::time::Moment;
use std::sync::{Arc, OnceLock};

/// One input, read.
#[derive(Clone, Debug)]
pub struct Source {
    /// Its name as the report prints it.
    pub file: String,
    /// Where on the path it was taken; unknown stays unknown.
    pub role: Option<Role>,
    /// The host's name.
    pub host: Option<String>,
    /// When it was taken.
    pub taken_at: Option<Moment>,
    /// The command that printed it.
    pub command: Option<String>,
    /// What it holds; shared, since `--explain` argues again without each piece in turn.
    pub content: Arc<Content>,
}

/// What an input holds.
#[derive(Clone, Debug)]
pub enum Content {
    /// An application's or system's log.
    Log(LogReading),
    /// A packet capture.
    Capture(CaptureReading),
    /// Entries of a conntrack table.
    Conntrack(Vec<Entry>),
    /// Settings of a host.
    Sysctl(Vec<Setting>),
    /// What somebody wrote down.
    Notes(Notes),
    /// Firewall rules of a host.
    Rules(Rules),
    /// Sockets of a host.
    Sockets(Listing),
    /// Counters of a host.
    Counters(Vec<Counter>),
    /// What happened to entries of a conntrack table.
    TableEvents(Vec<Event>),
    /// Timeouts of a host's own balancer.
    Balancer(Timeouts),
    /// Interfaces and routes of a host.
    Links(Vec<Interface>),
}

/// Everything there is to argue from.
#[derive(Clone, Debug, Default)]
pub struct Facts {
    /// The inputs, in the order in which they were named.
    pub sources: Vec<Source>,
    /// Two captures each, compared.
    pub(super) compared: Paths,
    /// The captures' clocks, made one.
    pub(super) tied: OnceLock<OneClock>,
}

impl Source {
    /// Whether both were taken at one place: its host or its role is known, and both are the same.
    pub fn is_beside(&self, other: &Source) -> bool {
        let known = self.role.is_some() || self.host.is_some();
        known && (self.role, &self.host) == (other.role, &other.host)
    }
}

impl Facts {
    /// The same facts without one input: what would be argued had it never been collected.
    pub fn without(&self, file: &str) -> Facts {
        let sources = self.sources.iter().filter(|s| s.file != file).cloned().collect();
        Facts { sources, compared: self.compared.without(file), tied: OnceLock::new() }
    }

    /// Every two captures that have connections in common; compared once.
    pub fn paths(&self) -> &[TwoPoints] {
        self.compared.of(self.captures())
    }

    /// A moment that a source stamped, by one clock: that of one host, of one whose log there is
    /// where there is one. `None` where no packets in common tie the clock of its host.
    pub fn by_one_clock(&self, source: &Source, at: Moment) -> Option<Moment> {
        let paths = self.paths();
        self.tied.get_or_init(|| OneClock::of(self, paths)).of_source(source, at, paths)
    }

    /// A moment that one source stamped, as another's clock showed it; as it is where nothing ties
    /// the two.
    pub fn carried(&self, at: Moment, from: &Source, to: &Source) -> Moment {
        if from.file == to.file {
            return at;
        }
        let Some(told) = self.by_one_clock(from, at) else { return at };
        // What the other clock is ahead changes by millionths: two steps are enough.
        let back = |own: Moment| Some(own.plus(told.since(self.by_one_clock(to, own)?)));
        back(told).and_then(back).unwrap_or(at)
    }

    /// The same facts without some lines of a dump or note, as if they had never been printed.
    pub fn without_lines(&self, file: &str, lines: &[(u64, u64)]) -> Facts {
        let gone = |line: u64| lines.iter().any(|(a, b)| (*a..=*b).contains(&line));
        let mut facts = self.clone();
        for source in facts.sources.iter_mut().filter(|s| s.file == file) {
            match Arc::make_mut(&mut source.content) {
                Content::Conntrack(entries) => entries.retain(|e| !gone(e.line)),
                Content::Sysctl(settings) => settings.retain(|s| !gone(s.line)),
                Content::Notes(notes) => {
                    notes.documented.retain(|d| !gone(d.line));
                    notes.incidents.retain(|i| !gone(i.line));
                    notes.claims.retain(|c| !gone(c.line));
                }
                Content::Rules(rules) => rules.retain(|line| !gone(line)),
                Content::Sockets(listing) => listing.sockets.retain(|s| !gone(s.line)),
                Content::Counters(counters) => counters.retain(|c| !gone(c.line)),
                Content::TableEvents(events) => events.retain(|e| !gone(e.line)),
                // Without its only line it tells nothing.
                Content::Balancer(timeouts) if gone(timeouts.line) => {
                    source.content = Arc::new(Content::Sysctl(Vec::new()));
                }
                Content::Log(_)
                | Content::Capture(_)
                | Content::Balancer(_)
                | Content::Links(_) => {}
            }
        }
        facts
    }

    /// Whether a file's facts stand each on lines of their own: dumps and notes do.
    pub fn is_by_lines(&self, file: &str) -> bool {
        let mut own = self.sources.iter().filter(|s| s.file == file).peekable();
        // A file of a log that was rotated is no source by itself.
        own.peek().is_some()
            && own.all(|s| !matches!(*s.content, Content::Log(_) | Content::Capture(_)))
    }

    /// The logs.
    pub fn logs(&self) -> impl Iterator<Item = (&Source, &LogReading)> {
        self.sources.iter().filter_map(|s| match &*s.content {
            Content::Log(log) => Some((s, log)),
            _ => None,
        })
    }

    /// What the logs' lines and the notes say, in their own words.
    pub fn lines(&self) -> impl Iterator<Item = &str> {
        let logs = self.logs().flat_map(|(_, log)| log.events.iter().map(|e| e.text.as_str()));
        let notes = self.notes().flat_map(|(_, notes)| {
            let told = notes.documented.iter().map(|d| d.text.as_str());
            told.chain(notes.incidents.iter().map(|i| i.text.as_str()))
        });
        notes.chain(logs)
    }

    /// The captures.
    pub fn captures(&self) -> impl Iterator<Item = (&Source, &CaptureReading)> {
        self.sources.iter().filter_map(|s| match &*s.content {
            Content::Capture(capture) => Some((s, capture)),
            _ => None,
        })
    }

    /// Every conntrack entry.
    pub fn entries(&self) -> impl Iterator<Item = (&Source, &Entry)> {
        self.sources.iter().flat_map(|s| {
            let entries: &[Entry] = match &*s.content {
                Content::Conntrack(entries) => entries,
                _ => &[],
            };
            entries.iter().map(move |e| (s, e))
        })
    }

    /// Every setting.
    pub fn settings(&self) -> impl Iterator<Item = (&Source, &Setting)> {
        self.sources.iter().flat_map(|s| {
            let settings: &[Setting] = match &*s.content {
                Content::Sysctl(settings) => settings,
                _ => &[],
            };
            settings.iter().map(move |e| (s, e))
        })
    }

    /// Every socket, with whether its listing shows timers.
    pub fn sockets(&self) -> impl Iterator<Item = (&Source, &Socket, bool)> {
        let listings = self.sources.iter().filter_map(|s| match &*s.content {
            Content::Sockets(listing) => Some((s, listing)),
            _ => None,
        });
        listings.flat_map(|(source, listing)| {
            let asked = source.command.as_deref().is_some_and(asks_for_timers);
            let timers = listing.shows_timers || asked;
            listing.sockets.iter().map(move |socket| (source, socket, timers))
        })
    }

    /// The notes.
    pub fn notes(&self) -> impl Iterator<Item = (&Source, &Notes)> {
        self.sources.iter().filter_map(|s| match &*s.content {
            Content::Notes(notes) => Some((s, notes)),
            _ => None,
        })
    }
}

/// Whether an `ss` command asks for timers: `-o`, alone or among others, or its long name.
fn asks_for_timers(command: &str) -> bool {
    let mut words = command.split_whitespace();
    words.any(|w| w == "--options" || w.starts_with('-') && !w.starts_with("--") && w.contains('o'))
}
