//! What can be typed. Nothing here opens a file.

use clap::{Parser, Subcommand, ValueEnum};
use std::path::PathBuf;

/// Find the clock that kills long-lived connections.
#[derive(Debug, Parser)]
#[command(name = "hopclock", version, about, max_term_width = 100)]
#[command(
    after_help = "Exit codes: 0 an answer was given, 1 findings, 2 usage, 3 no input could be used, \
4 the evidence does not tell, 5 a privilege or kernel feature is missing."
)]
pub struct Args {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Argue from evidence: which timer on which hop ends these connections
    Diagnose(Diagnose),
    /// List every TCP connection in a capture and how it ended
    Flows(Flows),
    /// Run a capture through an exact model of Linux conntrack
    Replay(Replay),
    /// Tell from times alone what ends connections: anchor, period, drift
    Rhythm(Rhythm),
    /// Look into the catalogue of timers known to end connections
    Clocks(Clocks),
}

/// `hopclock diagnose`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  hopclock diagnose examples/egress-12h
  hopclock diagnose app.log client.pcap nat.sysctl
  journalctl -u app -o short-iso | hopclock diagnose -

Files are recognised by content. Folders named client/, hop-NAME/ and server/, an evidence.toml, or a line
`# hopclock host=egress-1 role=hop at=2024-05-11T03:10:00Z` in a dump say where a file is from.")]
pub struct Diagnose {
    /// Logs, captures, dumps, notes, or folders of them; `-` is standard input
    #[arg(required = true, value_name = "EVIDENCE")]
    pub evidence: Vec<PathBuf>,
    /// How to print the answer
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub format: Format,
    /// Print the arithmetic, so that it can be redone by hand
    #[arg(long)]
    pub explain: bool,
    /// Print the first screen only
    #[arg(short, long)]
    pub quiet: bool,
    /// How lines are taken
    #[command(flatten)]
    pub lines: LineOverrides,
}

/// What the user knows better than the phrasebook of logs.
#[derive(Clone, Debug, clap::Args)]
pub struct LineOverrides {
    /// Lines with this text open a connection
    #[arg(long, value_name = "TEXT")]
    pub open: Vec<String>,
    /// Lines with this text end one
    #[arg(long, value_name = "TEXT")]
    pub end: Vec<String>,
    /// Field `NAME=` that tells connections apart
    #[arg(long, value_name = "NAME")]
    pub key: Option<String>,
}

/// `hopclock flows`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  hopclock flows client.pcap
  hopclock flows --format jsonl ring.pcap.1.gz ring.pcap.2.gz
  tcpdump -i any -w - tcp | hopclock flows -

Several captures are read as one, in order of time; packet numbers then run on over all of them.")]
pub struct Flows {
    /// Captures: pcap or pcapng, also packed with gzip, zstd or xz; `-` is standard input
    #[arg(required = true, value_name = "CAPTURE")]
    pub captures: Vec<PathBuf>,
    /// How to print the answer
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub format: Format,
    /// Print times in UTC instead of the zone of this machine
    #[arg(long)]
    pub utc: bool,
}

/// `hopclock replay`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  hopclock replay nat.pcap --sysctl nat.sysctl
  hopclock replay nat.pcap --sysctl nat.sysctl --set nf_conntrack_tcp_loose=1
  hopclock replay nat.pcap --start-state nat.conntrack --format jsonl

The capture is taken for what arrives at the box; the table begins empty unless --start-state says
otherwise. The model is exact for 6.18; rules of other kernels were read in source, not run.")]
pub struct Replay {
    /// Captures: pcap or pcapng, also packed with gzip, zstd or xz; `-` is standard input
    #[arg(required = true, value_name = "CAPTURE")]
    pub captures: Vec<PathBuf>,
    /// What the box is set to: output of sysctl, or a sysctl.conf
    #[arg(long, value_name = "FILE")]
    pub sysctl: Vec<PathBuf>,
    /// One setting, over what --sysctl says; with --sysctl it is a what-if
    #[arg(long, value_name = "KEY=VALUE")]
    pub set: Vec<String>,
    /// Entries to begin with: output of `conntrack -L`
    #[arg(long, value_name = "DUMP")]
    pub start_state: Option<PathBuf>,
    /// Kernel of the box, as `uname -r` prints it
    #[arg(long, value_name = "VERSION", default_value = "6.18")]
    pub kernel: String,
    /// Hold wrong checksums against packets, as a box does whose network card verifies none
    #[arg(long)]
    pub verify_checksums: bool,
    /// Print every packet, not only those that matter
    #[arg(long)]
    pub all: bool,
    /// How to print the answer
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub format: Format,
    /// Print times in UTC instead of the zone of this machine
    #[arg(long)]
    pub utc: bool,
}

/// `hopclock rhythm`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  hopclock rhythm app.log
  hopclock rhythm --end 'stream closed' --open 'stream ready' app.log app.log.1.gz
  journalctl -u app -o short-iso | hopclock rhythm -

A file of bare times, one a line, is a log as well.")]
pub struct Rhythm {
    /// Logs, also packed with gzip, zstd or xz; `-` is standard input
    #[arg(required = true, value_name = "LOG")]
    pub logs: Vec<PathBuf>,
    /// How to print the answer
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub format: Format,
    /// Write the plots as a picture (SVG) into this file as well; `-` prints it instead
    #[arg(long, value_name = "FILE")]
    pub svg: Option<PathBuf>,
    /// Print times in UTC instead of the zone of this machine
    #[arg(long)]
    pub utc: bool,
    /// How lines are taken
    #[command(flatten)]
    pub lines: LineOverrides,
}

/// `hopclock clocks`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  hopclock clocks 350
  hopclock clocks nginx
  hopclock clocks 12h")]
pub struct Clocks {
    /// A time (350, 5m, 12h) or a word of a product, setting or note; without one, every timer
    #[arg(value_name = "SECONDS or WORD")]
    pub wanted: Option<String>,
    /// How to print the answer
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub format: Format,
}

/// How an answer is printed; spelt the same for every command.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// For a person at a terminal
    Text,
    /// One JSON document
    Json,
    /// One JSON object a line
    Jsonl,
    /// For a ticket
    Markdown,
}
