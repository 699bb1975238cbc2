//! `hopclock flows --pair`: captures of one path compared, each two of them.

use super::time_of;
use crate::args::{Flows, Format};
use crate::exit::{Exit, Trouble};
use crate::intake::folder::plain;
use crate::intake::open;
use crate::{progress, screen};
use hopclock_core::capture::{Lost, Ready, Stream};
use hopclock_core::flow::{Finished, Observer};
use hopclock_core::path::{self, Path, Point, PointReader};
use hopclock_core::report::Input;
use hopclock_core::time::Moment;
use hopclock_render::{json, pair as pen};
use jiff::tz::TimeZone;
use serde::Serialize;
use std::io::{self, BufRead, BufWriter, Write};

/// A compared pair of captures as printed.
#[derive(Serialize)]
struct Published<'p> {
    schema: &'static str,
    #[serde(flatten)]
    path: &'p Path,
}

/// Reads every capture for itself and compares each two.
pub(super) fn carry_out(typed: &Flows) -> Result<Exit, Trouble> {
    if typed.captures.len() < 2 {
        let why = "--pair compares captures with each other: name two or more";
        return Err(Trouble::Usage(why.to_owned()));
    }
    progress::expect(&typed.captures, typed.quiet);
    let (mut points, mut inputs, mut unread) = (Vec::new(), Vec::new(), Vec::new());
    for path in &typed.captures {
        let name = path.display().to_string();
        match read(path, &name) {
            Ok((point, input)) => {
                points.push(point);
                inputs.push(input);
            }
            Err(why) => unread.push(format!("{name}: {why}")),
        }
    }
    progress::phase("comparing the captures");
    let (mut paths, mut earlier): (Vec<Path>, &[Point]) = (Vec::new(), &points);
    while let Some((first, rest)) = earlier.split_first() {
        paths.extend(rest.iter().map(|second| path::align(first, second)));
        earlier = rest;
    }
    progress::done();
    if paths.is_empty() {
        let hint = "--pair reads pcap and pcapng, also packed with gzip, zstd or xz".to_owned();
        return Err(Trouble::NoInput { why: unread, hint: Some(hint) });
    }
    crate::exit::told(&unread);
    let mut out = BufWriter::new(io::stdout().lock());
    print(typed, &paths, &inputs, &mut out)?;
    out.flush()?;
    let met = paths.iter().any(|path| path.paired > 0);
    Ok(if met { Exit::Answered } else { Exit::CannotSay })
}

fn print(typed: &Flows, paths: &[Path], inputs: &[Input], out: &mut dyn Write) -> io::Result<()> {
    let published = |path| Published { schema: path::SCHEMA, path };
    match typed.format {
        Format::Jsonl => paths.iter().try_for_each(|path| json::line(&published(path), out)),
        Format::Json => {
            write!(out, "{{\"schema\": \"hopclock.pairs/1\", \"paths\": [")?;
            for (at, path) in paths.iter().enumerate() {
                writeln!(out, "{}", if at == 0 { "" } else { "," })?;
                serde_json::to_writer(&mut *out, &published(path))?;
            }
            write!(out, "\n], \"inputs\": ")?;
            serde_json::to_writer(&mut *out, inputs)?;
            writeln!(out, "}}")
        }
        Format::Text => {
            let zone = if typed.utc { TimeZone::UTC } else { TimeZone::system() };
            let clock = |at: Moment| time_of(at, &zone);
            let page = screen::page();
            for (at, path) in paths.iter().enumerate() {
                if at > 0 {
                    writeln!(out)?;
                }
                pen::text(path, (page, &clock), out)?;
            }
            pen::notes(inputs, page, out)
        }
        Format::Markdown => {
            let clock = |at: Moment| time_of(at, &TimeZone::UTC);
            paths.iter().try_for_each(|path| pen::markdown(path, &clock, out))
        }
    }
}

/// Reads one capture to its end. The error says why nothing of it could be used.
fn read(path: &std::path::Path, name: &str) -> Result<(Point, Input), String> {
    let mut opened = open::open(path).map_err(|error| plain(&error))?;
    let mut stream = Stream::new();
    let mut observer = Observer::new(vec![name.to_owned()]);
    let mut points = PointReader::new();
    let mut notes = Vec::new();
    loop {
        match stream.advance() {
            Ready::Packet => {
                if let Some(packet) = stream.packet() {
                    observer.packet(&packet, 0);
                    points.packet(&packet);
                }
            }
            Ready::Over => break,
            Ready::Hungry => {
                let taken = match opened.reader.fill_buf() {
                    Ok(chunk) => {
                        stream.feed(chunk);
                        chunk.len()
                    }
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                    Err(error) => {
                        notes.push(format!("reading stopped: {}", plain(&error)));
                        0
                    }
                };
                opened.reader.consume(taken);
                if taken == 0 {
                    stream.end();
                }
            }
        }
    }
    let Some(format) = stream.format() else {
        let why =
            stream.damage().map_or("no capture".to_owned(), |(damage, _)| damage.what.clone());
        return Err(why);
    };
    if let Some((damage, lost)) = stream.damage() {
        notes.push(format!("damaged at byte {}: {}; {lost} bytes lost", damage.at, damage.what));
    }
    let lost = stream.about().lost;
    notes.extend(lost.sentence());
    notes.extend(observer.tally().notes());
    let tally = *observer.tally();
    let flows: Vec<Finished> = observer.finish().collect();
    let point = points.finish(name, &flows, lost != Lost::default());
    let kind = format.word().to_owned();
    let (records, skipped) = (tally.packets, tally.stopped);
    Ok((point, Input { file: name.to_owned(), kind, records, skipped, notes }))
}
