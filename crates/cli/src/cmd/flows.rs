//! `hopclock flows`: captures in, one line a connection out.

use crate::args::{Flows, Format};
use crate::exit::{Exit, Trouble};
use crate::intake::open;
use hopclock_core::flow::{CaptureReader, CaptureReading};
use std::io::{self, BufRead, Write};
use std::path::Path;

/// Reads every capture and prints its connections.
pub fn carry_out(typed: &Flows) -> Result<Exit, Trouble> {
    if typed.captures.iter().filter(|path| path.as_os_str() == "-").count() > 1 {
        return Err(Trouble::Usage("standard input can be read only once".to_owned()));
    }
    let mut why = Vec::new();
    let mut out = io::stdout().lock();
    for path in &typed.captures {
        match read(path) {
            Ok(reading) => print(&reading, typed.format, &mut out)?,
            Err(error) => why.push(format!("{}: {error}", path.display())),
        }
    }
    if why.len() == typed.captures.len() {
        return Err(Trouble::NoInput { why, hint: None });
    }
    Ok(Exit::Answered)
}

fn read(path: &Path) -> io::Result<CaptureReading> {
    let mut opened = open::open(path)?;
    let mut reader = CaptureReader::new(opened.name);
    loop {
        let chunk = opened.reader.fill_buf()?;
        if chunk.is_empty() {
            return Ok(reader.finish());
        }
        reader.feed(chunk);
        let taken = chunk.len();
        opened.reader.consume(taken);
    }
}

fn print(reading: &CaptureReading, _format: Format, out: &mut dyn Write) -> io::Result<()> {
    for flow in &reading.flows {
        let line = serde_json::to_string(&flow.record)?;
        writeln!(out, "{line}")?;
    }
    Ok(())
}
