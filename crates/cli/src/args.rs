//! What can be typed. Nothing here opens a file.

use clap::{Parser, Subcommand, ValueEnum};
use std::path::PathBuf;

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
pub enum Command {
    /// Every TCP connection in a capture and how it ended.
    Flows(Flows),
}

/// What `flows` takes.
#[derive(Debug, clap::Args)]
pub struct Flows {
    /// Captures: pcap or pcapng, packed or not, `-` for standard input. Several are read as one.
    #[arg(required = true, value_name = "CAPTURE")]
    pub captures: Vec<PathBuf>,
    /// How to print.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub format: Format,
}

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
