//! Captures read as one: several files merged by time, each through its own small buffer.
//!
//! A rotation of a thousand files must not take a thousand open files: each is opened once for its
//! first time stamp, and again when its turn comes.

use super::folder::plain;
use super::open::{self, Packing};
use hopclock_core::capture::{Packet, Ready, Stream};
use hopclock_core::time::Moment;
use std::io::BufRead;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

/// With more files than this, those whose turn has not come are closed.
const OPEN_MAX: usize = 64;

/// One capture file.
pub struct Source {
    /// As the user named it.
    pub name: String,
    /// How it was packed, once opened.
    pub packing: Packing,
    /// Packets read.
    pub packets: u64,
    /// What was odd, one sentence each.
    pub notes: Vec<String>,
    /// What the file says of itself.
    pub says: Vec<String>,
    /// Its format, once known.
    pub format: Option<&'static str>,
    /// Bytes could be read and were a capture.
    pub usable: bool,
    path: PathBuf,
    reading: Option<Reading>,
    /// Time of the packet that is next; `None` when nothing is left.
    next: Option<Moment>,
    /// The next packet was seen before and its file closed since.
    parked: bool,
}

struct Reading {
    reader: Box<dyn BufRead + Send>,
    stream: Stream,
}

/// Several captures, read in order of time.
pub struct Captures {
    sources: Vec<Source>,
}

impl Captures {
    /// Opens every file as far as its first packet.
    pub fn open(paths: &[PathBuf]) -> Self {
        let many = paths.len() > OPEN_MAX;
        let sources = paths.iter().map(|path| Source::new(path, many)).collect();
        Self { sources }
    }

    /// The files, in the order they were named.
    pub fn sources(&self) -> &[Source] {
        &self.sources
    }

    /// Shows the next packet of all by its time, with the number of its file; false when none is
    /// left.
    pub fn next(&mut self, show: &mut dyn FnMut(&Packet<'_>, usize)) -> bool {
        let waiting = self.sources.iter().enumerate();
        let earliest = waiting.filter_map(|(at, source)| Some((source.next?, at))).min();
        let Some((_, at)) = earliest else {
            return false;
        };
        if let Some(source) = self.sources.get_mut(at) {
            source.unpark();
            if let Some(packet) = source.reading.as_ref().and_then(|r| r.stream.packet()) {
                source.packets += 1;
                show(&packet, at);
            }
            source.advance();
        }
        true
    }
}

impl Captures {
    /// Shows every packet that is left, as [`Captures::next`] would one by one, until `enough` is
    /// set: whole chunks of a file go by without a question.
    pub fn each(&mut self, enough: &AtomicBool, show: &mut impl FnMut(&Packet<'_>, usize)) {
        while !enough.load(Ordering::Relaxed) {
            let waiting = || self.sources.iter().enumerate();
            let waiting = || waiting().filter_map(|(at, source)| Some((source.next?, at)));
            let Some(earliest) = waiting().min() else {
                return;
            };
            let others = waiting().filter(|other| *other != earliest).min();
            let (_, at) = earliest;
            if let Some(source) = self.sources.get_mut(at) {
                source.unpark();
                match others {
                    None => source.rest(enough, &mut |packet| show(packet, at)),
                    // Its turn, until another's next packet is earlier.
                    Some(other) => source.until(other, at, &mut |packet| show(packet, at)),
                }
            }
        }
    }
}

impl Source {
    /// Shows its packets that are earlier than `other`, the moment and number of another file.
    fn until(&mut self, other: (Moment, usize), at: usize, show: &mut impl FnMut(&Packet<'_>)) {
        while self.next.is_some_and(|next| (next, at) < other) {
            if let Some(packet) = self.reading.as_ref().and_then(|r| r.stream.packet()) {
                self.packets += 1;
                show(&packet);
            }
            self.advance();
        }
    }

    /// Shows all that is left of it.
    fn rest(&mut self, enough: &AtomicBool, show: &mut impl FnMut(&Packet<'_>)) {
        self.next = None;
        let Some(reading) = &mut self.reading else {
            return;
        };
        let packets = &mut self.packets;
        let mut show = |packet: &Packet<'_>| {
            *packets += 1;
            show(packet);
        };
        if let Some(packet) = reading.stream.packet() {
            show(&packet);
        }
        reading.stream.each(&[], &mut show);
        let failed = loop {
            if enough.load(Ordering::Relaxed) {
                break None;
            }
            match reading.all(&mut show) {
                Ok(true) => {}
                Ok(false) => break None,
                Err(why) => break Some(why),
            }
        };
        reading.stream.end();
        reading.stream.each(&[], &mut show);
        self.notes.extend(failed);
        self.end();
    }

    fn new(path: &Path, park: bool) -> Self {
        let mut source = Self {
            name: path.display().to_string(),
            packing: Packing::Plain,
            packets: 0,
            notes: Vec::new(),
            says: Vec::new(),
            format: None,
            usable: false,
            path: path.to_owned(),
            reading: None,
            next: None,
            parked: false,
        };
        source.begin();
        // Standard input cannot be read twice.
        if park && source.next.is_some() && path.as_os_str() != "-" {
            source.reading = None;
            source.parked = true;
        }
        source
    }

    fn begin(&mut self) {
        match open::open(&self.path) {
            Ok(opened) => {
                self.packing = opened.packing;
                self.reading = Some(Reading { reader: opened.reader, stream: Stream::new() });
                self.advance();
            }
            Err(error) => self.notes.push(plain(&error)),
        }
    }

    fn unpark(&mut self) {
        if std::mem::take(&mut self.parked) {
            self.begin();
        }
    }

    /// Goes on to the next packet, reading as much as that takes.
    fn advance(&mut self) {
        self.next = None;
        let Some(reading) = &mut self.reading else {
            return;
        };
        loop {
            match reading.stream.advance() {
                Ready::Packet => {
                    self.next = reading.stream.packet().map(|packet| packet.at);
                    self.format = reading.stream.format().map(|format| format.word());
                    self.usable = true;
                    return;
                }
                Ready::Over => break,
                Ready::Hungry => {
                    if let Err(why) = reading.more() {
                        self.notes.push(why);
                    }
                }
            }
        }
        self.end();
    }

    /// Closes the file and keeps what is to be told of it.
    fn end(&mut self) {
        let Some(mut reading) = self.reading.take() else {
            return;
        };
        let damaged = reading.stream.damage().is_some();
        while damaged && reading.more().is_ok_and(|more| more) {}
        let stream = &reading.stream;
        self.format = stream.format().map(|format| format.word());
        self.usable |= self.format.is_some();
        let about = stream.about();
        let made = about.made_by.iter().map(|by| format!("made by {by}"));
        self.says = made.chain(about.comments.iter().cloned()).collect();
        self.notes.extend(about.lost.sentence());
        if let Some((damage, lost)) = stream.damage() {
            let note = match self.format {
                Some(_) => {
                    format!("damaged at byte {}: {}; {lost} bytes lost", damage.at, damage.what)
                }
                None => damage.what.clone(),
            };
            self.notes.push(note);
        }
    }
}

impl Reading {
    /// Reads a chunk and shows the packets it completes; false at the end.
    fn all(&mut self, show: &mut impl FnMut(&Packet<'_>)) -> Result<bool, String> {
        let taken = match self.reader.fill_buf() {
            Ok(chunk) => {
                self.stream.each(chunk, show);
                chunk.len()
            }
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => return Ok(true),
            Err(error) => return Err(format!("reading stopped: {}", plain(&error))),
        };
        self.reader.consume(taken);
        Ok(taken > 0)
    }

    /// Reads a chunk; false at the end. A failure ends the file where it stands.
    fn more(&mut self) -> Result<bool, String> {
        let (taken, failure) = match self.reader.fill_buf() {
            Ok(chunk) => {
                self.stream.feed(chunk);
                (chunk.len(), None)
            }
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => return Ok(true),
            Err(error) => (0, Some(format!("reading stopped: {}", plain(&error)))),
        };
        self.reader.consume(taken);
        if taken == 0 {
            self.stream.end();
        }
        failure.map_or(Ok(taken > 0), Err)
    }
}
