//! What can be typed. Nothing here opens a file.

use clap::{Parser, Subcommand, ValueEnum};

/// Find the clock that kills long-lived connections.
#[derive(Debug, Parser)]
#[command(name = "hopclock", version, about, max_term_width = 100)]
pub struct Args {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {}

/// How an answer is printed; spelt the same for every command.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// For a person at a terminal.
    Text,
    /// One JSON document.
    Json,
    /// One JSON object a line.
    Jsonl,
    /// For a ticket.
    Markdown,
}
