//! One file a command; here they are only told apart.

mod clocks;
pub mod collect;
mod completions;
mod diagnose;
mod flows;
mod lab;
mod man;
mod map;
mod replay;
mod rhythm;
mod snapshot;

use crate::args::Command;
use crate::exit::{Exit, Trouble};

/// Runs the command that was typed.
pub fn carry_out(command: Command) -> Result<Exit, Trouble> {
    match command {
        Command::Diagnose(typed) => diagnose::carry_out(&typed),
        Command::Flows(typed) => flows::carry_out(&typed),
        Command::Replay(typed) => replay::carry_out(&typed),
        Command::Rhythm(typed) => rhythm::carry_out(&typed),
        Command::Collect(typed) => collect::carry_out(&typed),
        Command::Snapshot(typed) => snapshot::carry_out(&typed),
        Command::Clocks(typed) => clocks::carry_out(&typed),
        Command::Lab(typed) => lab::carry_out(&typed),
        Command::Completions(typed) => completions::carry_out(&typed),
        Command::Map(typed) => map::carry_out(&typed),
        Command::Man(typed) => man::carry_out(&typed),
    }
}
