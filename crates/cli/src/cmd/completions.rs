//! `hopclock completions`: what a shell reads to complete this command line.

use crate::args::{self, Completions};
use crate::exit::{Exit, Trouble};
use std::io::{self, Write};

/// Prints it.
pub fn carry_out(typed: &Completions) -> Result<Exit, Trouble> {
    // Into memory first: clap_complete panics when what it writes to is gone.
    let mut script = Vec::new();
    clap_complete::generate(typed.shell, &mut args::command(), "hopclock", &mut script);
    let mut out = io::stdout().lock();
    out.write_all(&script)?;
    out.flush()?;
    Ok(Exit::Answered)
}
