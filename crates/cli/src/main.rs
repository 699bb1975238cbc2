//! The `hopclock` command: opens files, owns exit codes, and is glue otherwise.
#![forbid(unsafe_code)]
#![expect(
    unreachable_pub,
    reason = "nothing in a binary is reachable from outside; pub marks what its rooms share"
)]

mod args;
mod cmd;
mod exit;
mod intake;
mod progress;
mod redaction;
mod screen;
mod signals;

use clap::FromArgMatches;
use std::process::ExitCode;

fn main() -> ExitCode {
    // clap prints its own usage errors and exits with 2, as the contract has it.
    let typed = args::Args::from_arg_matches(&args::command().get_matches());
    let args = typed.unwrap_or_else(|error| error.exit());
    let ended = cmd::carry_out(args.command);
    progress::done();
    exit::code(ended)
}
