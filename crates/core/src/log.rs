//! Lines of an application's log become events, and events become lives of connections.
//!
//! The reader is fed lines ([`LogReader::line`]) and asked once at the end ([`LogReader::finish`]).
//! It keeps events, not text: memory is bounded by the number of lines that speak of a connection,
//! and that number is capped. It refuses to guess silently: what it assumed and what it left out
//! stands in [`LogReading::notes`].

mod calendar;
mod dial;
mod gate;
mod gather;
mod identity;
mod journal;
mod json;
mod lengths;
mod lines;
mod pairing;
mod phrasebook;
mod scan;
mod shapes;
mod sieve;
mod stamp;
mod template;
mod window;
mod words;

use crate::time::{Gap, Moment};

/// What the caller knows that a log does not say.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// The latest moment a line can carry (the file's modification time): chooses the year for
    /// stamps without one.
    pub not_after: Option<Moment>,
    /// Offset from UTC in seconds assumed for stamps that carry no zone; `None` means UTC, and the
    /// reading says it was assumed.
    pub offset_s: Option<i32>,
    /// Lines with any of these texts open a connection, whatever the phrasebook says.
    pub open: Vec<String>,
    /// Lines with any of these texts end one.
    pub end: Vec<String>,
    /// `name=` of the field that tells connections apart.
    pub key: Option<String>,
}

/// What the words of a line say of a connection. The phrasebook maps texts of real software to
/// these.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Act {
    /// A connection, session or subscription began.
    Opened,
    /// One ended, in whatever way.
    Ended,
    /// Traffic on a connection.
    Alive,
    /// Something that may matter, but ends no connection by itself (a reload, a full table).
    Incident,
}

/// One line that speaks of a connection.
#[derive(Clone, Debug)]
pub struct Event {
    /// Line number, from 1.
    pub line: u64,
    /// When, by the line's own stamp.
    pub at: Moment,
    /// What it means for a connection.
    pub act: Act,
    /// Ids of `log/phrasebook.toml`'s `word`s that the line says: "eof", "reset", "table-full" …
    ///
    /// "other-line" marks a line that speaks of no connection and stands here only because it is
    /// the last one before an ending with nothing else before it.
    pub words: Vec<&'static str>,
    /// The connection it speaks of, as far as the line tells: a port, an id, an address.
    pub who: Option<String>,
    /// An age the line itself states ("after 3479s").
    pub stated_age: Option<Gap>,
    /// A silence the line itself states ("after 12584s idle").
    pub stated_idle: Option<Gap>,
    /// A limit or delay the line names ("ping timeout of 5 secs", "Retry in 10 sec").
    pub stated_limit: Option<Gap>,
    /// The line, cut to 200 bytes, for quoting.
    pub text: String,
}

/// One connection as the log tells it.
#[derive(Clone, Debug, Default)]
pub struct Life {
    /// Index into [`LogReading::events`] of the opening line.
    pub open: Option<usize>,
    /// The same for the last line of traffic before the end.
    pub last_alive: Option<usize>,
    /// The same for the ending line; `None` when the log stops first.
    pub end: Option<usize>,
    /// Further lines about the same ending, such as the "reconnecting" after a "reset".
    pub also: Vec<usize>,
}

/// Lives that belong together: one upstream, one pool, one kind of stream.
#[derive(Clone, Debug)]
pub struct LogSeries {
    /// What they have in common, in words.
    pub what: String,
    /// In the order of their ends; those without one last, in the order of their openings.
    pub lives: Vec<Life>,
}

/// Lines of one kind, and what they were taken for.
#[derive(Clone, Debug)]
pub struct Taken {
    /// What they were taken for.
    pub act: Act,
    /// Their common text; `*` stands for what varies.
    pub template: String,
    /// How many.
    pub lines: u64,
    /// The first one's number.
    pub first_line: u64,
    /// Why: the software whose wording it is and where that stands, "noun and verb", or the option.
    pub because: String,
}

/// Everything a log told.
#[derive(Clone, Debug)]
pub struct LogReading {
    /// Lines that speak of a connection, in the file's order.
    pub events: Vec<Event>,
    /// Lives, gathered by what they have in common; the largest first.
    pub series: Vec<LogSeries>,
    /// Which lines were taken for what; the most frequent first.
    pub taken: Vec<Taken>,
    /// Lines read.
    pub lines: u64,
    /// Lines whose time was understood.
    pub stamped: u64,
    /// The step of the stamps: one second, a millisecond …
    pub resolution: Gap,
    /// Whether the zone was told by the stamps or assumed.
    pub zone_assumed: bool,
    /// First and last stamp.
    pub span: Option<(Moment, Moment)>,
    /// What was odd, one sentence each.
    pub notes: Vec<String>,
    /// The files it was read from, in their order, where it was rotated through several; empty
    /// where it is one file. Line numbers then count on from file to file.
    pub parts: Vec<Part>,
}

/// One file of a log that was rotated through several.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Part {
    /// The file's name.
    pub file: String,
    /// How many lines the files before it hold.
    pub before: u64,
    /// Its own lines.
    pub lines: u64,
    /// Those of them whose time was understood.
    pub stamped: u64,
    /// Its first and last moment.
    pub span: Option<(Moment, Moment)>,
}

impl LogReading {
    /// The file a line stands in, and its number there; `None` where the log is one file.
    pub fn place(&self, line: u64) -> Option<(&str, u64)> {
        let part = self.parts.iter().rev().find(|part| part.before < line)?;
        Some((&part.file, line - part.before))
    }
}

/// Reads one log.
#[derive(Debug)]
pub struct LogReader {
    gather: gather::Gather,
    lines: lines::Lines,
    journal: journal::Journal,
    /// Names of the files, and how many lines and stamps came before each.
    files: Vec<(String, u64, u64)>,
    spans: Vec<Option<(dial::When, dial::When)>>,
}

impl LogReader {
    /// A reader with nothing read yet.
    pub fn new(options: Options) -> Self {
        Self::with(options, true)
    }

    /// A reader that takes no short cuts: it tells the same, several times slower. For holding the
    /// quick one against it.
    pub fn thorough(options: Options) -> Self {
        Self::with(options, false)
    }

    fn with(options: Options, quick: bool) -> Self {
        let gather = gather::Gather::new(options, quick);
        let (lines, journal) = (lines::Lines::default(), journal::Journal::default());
        Self { gather, lines, journal, files: Vec::new(), spans: Vec::new() }
    }

    /// What follows is the next file of a log that was rotated: a file's last line ends with the
    /// file. Called before the first one, too.
    pub fn next_file(&mut self, name: &str) {
        self.end_file();
        let (lines, stamped) = self.gather.counts();
        self.files.push((name.to_owned(), lines, stamped));
    }

    /// Takes what a file ends with.
    fn end_file(&mut self) {
        self.lines.end(|line| self.journal.line(line, &mut self.gather));
        self.journal.end(&mut self.gather);
        let span = self.gather.take_span();
        if !self.files.is_empty() {
            self.spans.push(span);
        }
    }

    /// Takes the next part of the log, of any size, line ends included. Lines may be spread over
    /// parts.
    pub fn feed(&mut self, part: &[u8]) {
        self.lines.feed(part, |line| self.journal.line(line, &mut self.gather));
    }

    /// Takes the next line, without its line end. Any bytes are fine.
    pub fn line(&mut self, line: &[u8]) {
        self.journal.line(lines::Line::new(line), &mut self.gather);
    }

    /// Pairs what was read.
    pub fn finish(mut self) -> LogReading {
        self.end_file();
        let gathered = self.gather.finish();
        let parts = parts(&self.files, &self.spans, &gathered);
        LogReading { parts, ..pairing::read(gathered) }
    }
}

/// The files of a log, settled.
fn parts(
    files: &[(String, u64, u64)],
    spans: &[Option<(dial::When, dial::When)>],
    all: &gather::Gathered,
) -> Vec<Part> {
    let behind = files.iter().skip(1).map(|(_, lines, stamped)| (*lines, *stamped));
    let ends = behind.chain(std::iter::once((all.lines, all.stamped)));
    let moment = |when| all.settled.moment(when);
    let each = files.iter().zip(ends).zip(spans);
    each.map(|(((file, before, stamps), (lines, stamped)), span)| Part {
        file: file.clone(),
        before: *before,
        lines: lines.saturating_sub(*before),
        stamped: stamped.saturating_sub(*stamps),
        span: span.map(|(low, high)| (moment(low), moment(high))),
    })
    .collect()
}

/// The first moment that a text's stamps tell whole: with their date, whatever comes after.
pub fn begins_at(text: &[u8]) -> Option<Moment> {
    let mut gather = gather::Gather::new(Options::default(), true);
    let mut lines = lines::Lines::default();
    let mut first = None;
    lines.feed(text, |line| {
        if first.is_none() {
            first = gather.whole_stamp(line);
        }
    });
    first
}

/// How many lines of a text carry a time stamp.
pub fn stamped_lines(text: &[u8]) -> u64 {
    let mut gather = gather::Gather::new(Options::default(), true);
    let mut lines = lines::Lines::default();
    let mut stamped = 0;
    let mut count = |line: lines::Line<'_>| stamped += u64::from(gather.has_stamp(line));
    lines.feed(text, &mut count);
    lines.end(&mut count);
    stamped
}

#[cfg(test)]
mod tests;
