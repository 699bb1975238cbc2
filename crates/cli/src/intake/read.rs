//! Reading: a recognised input becomes facts, and an entry of the report's `inputs`.

use super::Intake;
use super::folder::{FileToRead, plain};
use super::kind::{self, Kind};
use super::open::{self, HEAD_BYTES, Opened};
use super::utf16::{self, Utf8};
use hopclock_core::dump::header::Header;
use hopclock_core::dump::{conntrack, counters, events, ipvs, links, notes, rules, ss, sysctl};
use hopclock_core::flow::CaptureReader;
use hopclock_core::inquest::facts::{Content, Source};
use hopclock_core::log::{self, Act, LogReader, LogReading, Options, Part};
use hopclock_core::report::Input;
use hopclock_core::time::{Gap, Moment};
use std::io::{self, BufRead, BufReader, Read};
use std::sync::Arc;

/// A dump or note larger than this is read as far as this and no further.
const TEXT_MAX: u64 = 256 << 20;

/// How an input came out: its content when it can be argued from, and its entry.
struct Outcome {
    content: Option<Content>,
    input: Input,
}

/// Reads one file into the intake.
pub fn one(file: &FileToRead, intake: &mut Intake) {
    let opened = open::open(&file.path).and_then(recognised);
    let Recognised { kind, head, opened, wide } = match opened {
        Ok(found) => found,
        Err(error) => {
            let why = format!("{}: {}", file.name, plain(&error));
            intake.inputs.push(super::unreadable(&file.name, &why));
            intake.unusable.push(why);
            return;
        }
    };
    if kind == Kind::Manifest {
        return;
    }
    let packing = opened.packing;
    let header = match kind {
        Kind::Capture => Header::default(),
        _ => Header::find(&String::from_utf8_lossy(&head)).unwrap_or_default(),
    };
    let mut outcome = read(kind, file, head, (opened, &intake.options));
    if let Some(word) = packing.word() {
        outcome.input.notes.push(format!("unpacked from {word}"));
    }
    if wide {
        outcome.input.notes.push("read as UTF-16".to_owned());
    }
    let made = header.made.as_ref().or(file.said.made.as_ref());
    if let Some(made) = made {
        outcome.input.notes.insert(0, format!("made, not recorded: {made}"));
    }
    if let Some(why) = nothing(kind, &outcome) {
        if outcome.input.notes.is_empty() {
            outcome.input.notes.push(why.to_owned());
        }
        let why = format!("{}: {why}", file.name);
        match kind {
            // A page for people is no loss.
            Kind::NotEvidence => {}
            Kind::Unused(_) | Kind::Balancer => intake.unused.push(why),
            _ => intake.unusable.push(why),
        }
    }
    if let Some(content) = outcome.content {
        intake.facts.sources.push(Source {
            file: file.name.clone(),
            role: header.role.or(file.said.role),
            host: header.host.or(file.said.host.clone()),
            taken_at: header.at.or(file.said.taken_at),
            command: header.command.or(file.said.command.clone()),
            content: Arc::new(content),
        });
    }
    intake.inputs.push(outcome.input);
}

/// What a file's head shows without its being read.
#[derive(Debug)]
pub struct Glance {
    /// What it is.
    pub kind: Kind,
    /// The first moment a log tells whole.
    pub begins: Option<Moment>,
    /// When it was last written.
    pub modified: Option<Moment>,
}

/// Looks at a file's head; nothing where it cannot be read twice, as a pipe cannot.
pub fn glance(file: &FileToRead) -> Option<Glance> {
    if !file.path.metadata().is_ok_and(|about| about.is_file()) {
        return None;
    }
    let Recognised { kind, head, opened, .. } = open::open(&file.path).and_then(recognised).ok()?;
    let begins = (kind == Kind::Log).then(|| log::begins_at(&head)).flatten();
    Some(Glance { kind, begins, modified: opened.modified })
}

/// How far the lines of a file may reach behind the first one of the next.
const DISORDER: Gap = Gap::from_secs(60);

/// Reads the files of one log, the oldest first, as one; those that run side by side are several
/// logs, and each is read for itself.
pub fn rotated(files: &[FileToRead], intake: &mut Intake) {
    let not_after = files.last().and_then(|file| glance(file)?.modified);
    let mut reader = LogReader::new(Options { not_after, ..intake.options.clone() });
    let (mut inputs, mut said) = (Vec::new(), Header::default());
    for file in files {
        reader.next_file(&file.name);
        let (input, header) = part(file, &mut reader);
        inputs.push(input);
        said = Header {
            role: header.role.or(said.role),
            host: header.host.or(said.host),
            ..Header::default()
        };
    }
    let reading = reader.finish();
    let side_by_side = |pair: &[Part]| match pair {
        [a, b] => {
            a.span.zip(b.span).is_some_and(|((_, last), (first, _))| last.since(first) > DISORDER)
        }
        _ => false,
    };
    let Some(last) = files.last().filter(|_| !reading.parts.windows(2).any(side_by_side)) else {
        files.iter().for_each(|file| one(file, intake));
        return;
    };
    for (input, part) in inputs.iter_mut().zip(&reading.parts) {
        (input.records, input.skipped) = (part.stamped, part.lines.saturating_sub(part.stamped));
    }
    if let Some(input) = inputs.last_mut() {
        let names: Vec<&str> = files.iter().map(|file| file.name.as_str()).collect();
        input.notes.push(format!("one log, read in this order: {}", names.join(", ")));
        input.notes.extend(taken(&reading));
        input.notes.extend(reading.notes.iter().cloned());
    }
    intake.inputs.append(&mut inputs);
    intake.facts.sources.push(Source {
        file: last.name.clone(),
        role: said.role.or(last.said.role),
        host: said.host.or(last.said.host.clone()),
        taken_at: last.said.taken_at,
        command: last.said.command.clone(),
        content: Arc::new(Content::Log(reading)),
    });
}

/// Feeds one file of a rotated log; its entry, still without counts, and what its head says.
fn part(file: &FileToRead, reader: &mut LogReader) -> (Input, Header) {
    let kind = Kind::Log.word().to_owned();
    let mut input = Input { file: file.name.clone(), kind, records: 0, skipped: 0, notes: vec![] };
    let Recognised { head, opened, wide, .. } = match open::open(&file.path).and_then(recognised) {
        Ok(found) => found,
        Err(error) => {
            input.notes.push(format!("reading stopped: {}", plain(&error)));
            return (input, Header::default());
        }
    };
    let header = Header::find(&String::from_utf8_lossy(&head)).unwrap_or_default();
    let packing = opened.packing.word().map(|word| format!("unpacked from {word}"));
    let made = header.made.as_ref().or(file.said.made.as_ref());
    input.notes.extend(made.map(|made| format!("made, not recorded: {made}")));
    feed(&mut io::Cursor::new(head).chain(opened.reader), reader, &mut input);
    input.notes.extend(packing);
    input.notes.extend(wide.then(|| "read as UTF-16".to_owned()));
    (input, header)
}

/// An input of which the head was looked at.
struct Recognised {
    kind: Kind,
    head: Vec<u8>,
    /// What follows the head.
    opened: Opened,
    /// Whether it was UTF-16.
    wide: bool,
}

/// Looks at the head without losing it.
fn recognised(mut opened: Opened) -> io::Result<Recognised> {
    let mut head = read_head(&mut opened.reader)?;
    let order = utf16::order_of(&head);
    if let Some(order) = order {
        let whole = io::Cursor::new(head).chain(opened.reader);
        opened.reader = Box::new(BufReader::new(Utf8::new(whole, order)));
        head = read_head(&mut opened.reader)?;
    }
    let kind = kind::recognise(&head, opened.modified);
    Ok(Recognised { kind, head, opened, wide: order.is_some() })
}

/// The first bytes of an input.
fn read_head(reader: &mut dyn Read) -> io::Result<Vec<u8>> {
    let mut head = Vec::with_capacity(HEAD_BYTES);
    // A damaged archive still shows what it is by the bytes before the damage.
    match reader.take(HEAD_BYTES as u64).read_to_end(&mut head) {
        Err(error) if head.is_empty() => Err(error),
        _ => Ok(head),
    }
}

/// Why nothing can be argued from an input, when nothing can.
fn nothing(kind: Kind, outcome: &Outcome) -> Option<&'static str> {
    match kind {
        Kind::Text if outcome.content.is_some() => None,
        Kind::Empty => Some("it is empty"),
        Kind::Binary => Some("it is neither text nor a capture this version reads"),
        Kind::Text => {
            Some("it is text, and nothing in it was understood: no times, no entries, no settings")
        }
        Kind::Unused(_) => Some("it was recognised; this version does not argue from it"),
        Kind::NotEvidence => Some("it says itself that it is no evidence"),
        Kind::Manifest => None,
        Kind::Balancer if outcome.content.is_none() => {
            Some("it prints no timeouts, which ipvsadm -l --timeout does")
        }
        _ => outcome.content.is_none().then_some("nothing could be read from it"),
    }
}

fn read(
    kind: Kind,
    file: &FileToRead,
    head: Vec<u8>,
    (opened, options): (Opened, &Options),
) -> Outcome {
    let modified = opened.modified;
    let more = head.len() >= HEAD_BYTES;
    let mut stream = io::Cursor::new(head).chain(opened.reader);
    let empty = |notes: Vec<String>| Input {
        file: file.name.clone(),
        kind: kind.word().to_owned(),
        records: 0,
        skipped: 0,
        notes,
    };
    match kind {
        Kind::Capture => capture(&mut stream, empty(Vec::new())),
        // Behind a head without a stamp (a line of megabytes, NULs of a lost block) may be a log.
        Kind::Log | Kind::Text if kind == Kind::Log || more => {
            let options = Options { not_after: modified, ..options.clone() };
            let read = log(&mut stream, LogReader::new(options), empty(Vec::new()));
            if kind == Kind::Log || read.content.is_some() {
                return Outcome {
                    input: Input { kind: Kind::Log.word().into(), ..read.input },
                    ..read
                };
            }
            Outcome { content: None, input: empty(Vec::new()) }
        }
        Kind::Conntrack
        | Kind::Sysctl
        | Kind::Notes
        | Kind::Rules(_)
        | Kind::Sockets
        | Kind::Counters(_)
        | Kind::TableEvents
        | Kind::Links
        | Kind::Balancer => text(kind, &mut stream, empty(Vec::new())),
        Kind::Manifest
        | Kind::NotEvidence
        | Kind::Unused(_)
        | Kind::Empty
        | Kind::Binary
        | Kind::Log
        | Kind::Text => Outcome { content: None, input: empty(Vec::new()) },
    }
}

fn capture(stream: &mut dyn Read, mut input: Input) -> Outcome {
    let mut reader = CaptureReader::new(input.file.clone());
    let mut buffer = vec![0; HEAD_BYTES];
    loop {
        match stream.read(&mut buffer) {
            Ok(0) => break,
            Ok(n) => reader.feed(buffer.get(..n).unwrap_or_default()),
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => {
                input.notes.push(format!("reading stopped: {}", plain(&e)));
                break;
            }
        }
    }
    let reading = reader.finish();
    input.records = reading.packets;
    input.skipped = reading.skipped;
    if let Some(format) = reading.format {
        input.kind = format.to_owned();
    }
    input.notes.extend(reading.comments.iter().map(|c| format!("the file says: {c}")));
    input.notes.extend(reading.notes.iter().cloned());
    Outcome { content: (reading.packets > 0).then_some(Content::Capture(reading)), input }
}

/// Feeds a log to its end.
fn feed(stream: &mut dyn BufRead, reader: &mut LogReader, input: &mut Input) {
    loop {
        let taken = match stream.fill_buf() {
            Ok([]) => break,
            Ok(part) => {
                reader.feed(part);
                part.len()
            }
            Err(e) if e.kind() == io::ErrorKind::Interrupted => 0,
            Err(e) => {
                input.notes.push(format!("reading stopped: {}", plain(&e)));
                break;
            }
        };
        stream.consume(taken);
    }
}

fn log(stream: &mut dyn BufRead, mut reader: LogReader, mut input: Input) -> Outcome {
    feed(stream, &mut reader, &mut input);
    let reading = reader.finish();
    input.records = reading.stamped;
    input.skipped = reading.lines.saturating_sub(reading.stamped);
    input.notes.extend(taken(&reading));
    input.notes.extend(reading.notes.iter().cloned());
    Outcome { content: (reading.stamped > 0).then_some(Content::Log(reading)), input }
}

/// Which lines were taken for the opening or the end of a connection: what a reader must be able to
/// dispute. The most frequent kinds only.
fn taken(reading: &LogReading) -> Vec<String> {
    const SHOWN: usize = 4;
    let word = |act: Act| match act {
        Act::Opened => Some("an opening"),
        Act::Ended => Some("an end"),
        Act::Incident => Some("an incident"),
        Act::Alive => None,
    };
    let told = reading.taken.iter().filter_map(|t| {
        let (what, n, first) = (word(t.act)?, t.lines, t.first_line);
        let lines = if n == 1 { "line" } else { "lines" };
        let first = match reading.place(first) {
            Some((file, line)) => format!("{line} of {file}"),
            None => first.to_string(),
        };
        Some(format!(
            "taken for {what}: {n} {lines} like \u{201c}{}\u{201d} (the first is {first}; {})",
            t.template, t.because
        ))
    });
    told.take(SHOWN).collect()
}

fn text(kind: Kind, stream: &mut dyn Read, mut input: Input) -> Outcome {
    let mut bytes = Vec::new();
    if let Err(e) = stream.take(TEXT_MAX).read_to_end(&mut bytes) {
        input.notes.push(format!("reading stopped: {}", plain(&e)));
    }
    let text = String::from_utf8_lossy(&bytes);
    let content = match kind {
        Kind::Rules(_) => {
            let told = rules::Rules::read(&text);
            (input.records, input.skipped) = (told.rules().count() as u64, told.skipped);
            Content::Rules(told)
        }
        Kind::Sockets => {
            let told = ss::read(&text);
            (input.records, input.skipped) = (told.sockets.len() as u64, told.skipped);
            Content::Sockets(told)
        }
        Kind::Counters(_) => {
            let (told, skipped) = counters::read(&text);
            (input.records, input.skipped) = (told.len() as u64, skipped);
            Content::Counters(told)
        }
        Kind::TableEvents => {
            let (told, skipped) = events::read(&text);
            (input.records, input.skipped) = (told.len() as u64, skipped);
            Content::TableEvents(told)
        }
        Kind::Balancer => match ipvs::read(&text) {
            Some(told) => {
                input.records = 1;
                Content::Balancer(told)
            }
            None => return Outcome { content: None, input },
        },
        Kind::Links => {
            let told = links::read(&text);
            input.records = told.len() as u64;
            Content::Links(told)
        }
        Kind::Conntrack => {
            let (entries, skipped) = conntrack::read(&text);
            (input.records, input.skipped) = (entries.len() as u64, skipped);
            Content::Conntrack(entries)
        }
        Kind::Sysctl => {
            let (settings, skipped) = sysctl::read(&text);
            (input.records, input.skipped) = (settings.len() as u64, skipped);
            Content::Sysctl(settings)
        }
        _ => {
            let told = notes::read(&text);
            let all = told.documented.len() + told.incidents.len() + told.claims.len();
            input.records = all as u64;
            Content::Notes(told)
        }
    };
    // A table that nothing is in is an answer, as are no rules and no sockets; settings and notes
    // are known by what they hold.
    let told =
        input.records > 0 || (kind != Kind::Sysctl && kind != Kind::Notes && input.skipped == 0);
    Outcome { content: told.then_some(content), input }
}
