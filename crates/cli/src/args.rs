//! What can be typed. Nothing here opens a file.

mod book;
mod map;

pub use book::{codes_of, command};
pub use map::{
    DrawFormat, Map, MapDeed, MapDiff, MapDraw, MapForecast, MapInit, MapLint, PaperWord, SideWord,
};

use clap::{Parser, Subcommand, ValueEnum};
use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

/// Find the clock that kills long-lived connections.
#[derive(Debug, Parser)]
#[command(name = "hopclock", version, about, max_term_width = 100)]
#[command(after_help = "Examples:
  hopclock diagnose examples/egress-12h      what ends these connections?
  hopclock diagnose app.log client.pcap nat.sysctl
  hopclock help diagnose                     a command in full, with examples

Colour is for terminals only; NO_COLOR and CLICOLOR=0 switch it off,
CLICOLOR_FORCE=1 on. COLUMNS sets the width. Pages of the manual:
hopclock man DIR; completion for a shell: hopclock completions SHELL.")]
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
    /// Gather what `diagnose` wants from this host, into a folder
    Collect(Collect),
    /// Write down what this host keeps for connections, and for how long
    Snapshot(Snapshot),
    /// Make each way a connection ends happen on the real kernel, in namespaces
    Lab(Lab),
    /// Keep a map of hops and their timers: check it, and tell what changed
    Map(Map),
    /// Print what completes this command line in a shell
    Completions(Completions),
    /// Print the manual page, or write one a command into a folder
    Man(Man),
}

/// `hopclock completions`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  hopclock completions bash > ~/.local/share/bash-completion/completions/hopclock
  hopclock completions zsh > \"${fpath[1]}/_hopclock\"
  hopclock completions fish > ~/.config/fish/completions/hopclock.fish")]
pub struct Completions {
    /// The shell
    #[arg(value_enum)]
    pub shell: clap_complete::Shell,
}

/// `hopclock man`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  hopclock man | man -l -
  hopclock man ~/.local/share/man/man1")]
pub struct Man {
    /// Write hopclock.1, hopclock-diagnose.1 and so on here instead of printing
    /// the first
    #[arg(value_name = "DIR")]
    pub folder: Option<PathBuf>,
}

/// `hopclock collect`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  sudo hopclock collect nat/                      on the NAT box, for a minute
  sudo hopclock collect --peer 192.0.2.7 nat.tgz  only this address's
  hopclock collect --for 0 here/                  one look, works without root
  sudo hopclock collect --redact nat.tgz          under other names
  ssh egress-1 sudo hopclock collect - > nat.tar  onto another machine
  hopclock diagnose app.log client/ nat.tgz       then, with the program's log

Two looks at the table of connections, --for apart, show which timers packets
refresh and which they do not; in between, headers of packets are recorded (no
payload; at most 200000 packets). Nothing on this host is changed. What this
user may not read is named and the rest is written. Ctrl-C ends the wait.")]
pub struct Collect {
    /// A new folder, or a .tar, .tar.gz or .tgz file; `-` is a tar on standard output
    #[arg(value_name = "OUT")]
    pub out: PathBuf,
    /// Time between the two looks: 60s, 5m, 1h; 0 looks once and records no packets
    #[arg(long = "for", value_name = "TIME", default_value = "60s", value_parser = duration)]
    pub length: Duration,
    /// Only connections and packets with this address at one end, translated or not
    #[arg(long, value_name = "ADDR")]
    pub peer: Option<IpAddr>,
    /// Where this host stands; guessed, and said to be guessed, where it is not told
    #[arg(long, value_enum)]
    pub role: Option<RoleWord>,
    /// What to call this host
    #[arg(long, value_name = "NAME")]
    pub host: Option<String>,
    /// Record no packets
    #[arg(long)]
    pub no_capture: bool,
    /// Under other names
    #[command(flatten)]
    pub redaction: Redaction,
}

/// `hopclock snapshot`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  sudo hopclock snapshot                       what is here, to read
  sudo hopclock snapshot -o egress-1.json      the document, and the same to read
  hopclock snapshot > here.json                works without root, with less in it
  ssh egress-1 sudo hopclock snapshot > egress-1.json
  hopclock snapshot --redact -o here.json      under other names

Read are timers and switches of conntrack, keepalive and retransmission, IPVS,
rules that ask for state, links and counts of sockets, in every network
namespace this user may enter; and the timers in the configuration of running
nginx, HAProxy and Envoy, with file and line. Nothing on this host is changed,
no program is asked, and no line of a configuration is written down. What this
user may not read is named (docs/snapshot.md).")]
pub struct Snapshot {
    /// Write the document into this new file, and print it to read as well
    #[arg(short, long, value_name = "FILE")]
    pub out: Option<PathBuf>,
    /// What to call this host
    #[arg(long, value_name = "NAME")]
    pub host: Option<String>,
    /// How to print the answer; unless given, text on a terminal and JSON elsewhere
    #[arg(long, value_enum)]
    pub format: Option<Format>,
    /// Print times in UTC instead of the zone of this machine
    #[arg(long)]
    pub utc: bool,
    /// Under other names
    #[command(flatten)]
    pub redaction: Redaction,
}

/// Pseudonyms instead of names.
#[derive(Debug, clap::Args)]
pub struct Redaction {
    /// Replace addresses and names, consistently; prints a key that gives the same ones elsewhere
    #[arg(long)]
    pub redact: bool,
    /// Redact with this key, as another --redact printed it
    #[arg(long, value_name = "KEY")]
    pub redact_key: Option<String>,
    /// Also write what was replaced by what into this new file, which is as secret as the originals
    #[arg(long, value_name = "FILE")]
    pub redact_map: Option<PathBuf>,
}

/// Where a host stands on the path.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum RoleWord {
    /// It opens the connections
    Client,
    /// It forwards them
    Hop,
    /// It accepts them
    Server,
}

/// A length of time as people type it; a number alone is in seconds.
fn duration(text: &str) -> Result<Duration, String> {
    let digits = text.bytes().take_while(|b| b.is_ascii_digit() || *b == b'.').count();
    let (number, unit) = text.split_at(digits);
    let scale = match unit.trim() {
        "ms" => 0.001,
        "" | "s" | "sec" => 1.0,
        "m" | "min" => 60.0,
        "h" => 3600.0,
        _ => return Err(format!("{unit:?} is no unit of time: use s, m or h")),
    };
    let number: f64 = number.parse().map_err(|_| "a time begins with a number".to_owned())?;
    Duration::try_from_secs_f64(number * scale).map_err(|error| error.to_string())
}

/// `hopclock diagnose`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  hopclock diagnose examples/egress-12h
  hopclock diagnose app.log client.pcap nat.sysctl
  journalctl -u app -o short-iso | hopclock diagnose -
  hopclock diagnose --letter --redact evidence/ > letter.txt

Files are recognised by content. Folders named client/, hop-NAME/ and server/,
an evidence.toml, or a line in a dump like
`# hopclock host=egress-1 role=hop at=2024-05-11T03:10:00Z`
say where a file is from.")]
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
    /// Print the letter to the other side's team instead of the report; with =FILE, write it there
    /// beside the report
    #[arg(long, value_name = "FILE", num_args = 0..=1, require_equals = true)]
    pub letter: Option<Option<PathBuf>>,
    /// Say where on this map the timer is kept (see `hopclock help map`)
    #[arg(long, value_name = "HOPS.TOML")]
    pub hops: Option<PathBuf>,
    /// Write the report as one web page here as well: no network, no script
    #[arg(long, value_name = "FILE")]
    pub html: Option<PathBuf>,
    /// Under other names
    #[command(flatten)]
    pub redaction: Redaction,
    /// How lines are taken
    #[command(flatten)]
    pub lines: LineOverrides,
    /// The site's own timers
    #[command(flatten)]
    pub own: OwnClocks,
}

/// What the user knows better than the phrasebook of logs.
#[derive(Clone, Debug, Default, clap::Args)]
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

/// Timers the catalogue does not know.
#[derive(Clone, Debug, clap::Args)]
pub struct OwnClocks {
    /// Know the timers in this file as well (TOML; see `hopclock help clocks`)
    #[arg(long, value_name = "FILE")]
    pub clocks: Vec<PathBuf>,
}

/// `hopclock flows`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  hopclock flows client.pcap
  hopclock flows --format jsonl ring.pcap.1.gz ring.pcap.2.gz
  tcpdump -i any -w - tcp | hopclock flows -
  hopclock flows --pair client.pcap server.pcap

Several captures are read as one, in order of time; packet numbers then run on
over all of them. With --pair each is one place of a path, with a clock of its
own: connections are found in both, through translations too, and told are the
clocks' offset and skew, who translates, and which packets were lost or made
between (docs/two-captures.md).")]
pub struct Flows {
    /// Captures: pcap or pcapng, also packed with gzip, zstd or xz; `-` is standard input
    #[arg(required = true, value_name = "CAPTURE")]
    pub captures: Vec<PathBuf>,
    /// Take the captures for places of one path, and compare each two
    #[arg(long)]
    pub pair: bool,
    /// How to print the answer
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub format: Format,
    /// Print times in UTC instead of the zone of this machine
    #[arg(long)]
    pub utc: bool,
    /// Show no progress
    #[arg(short, long)]
    pub quiet: bool,
    /// Keep to so many threads, of two at most; the answer is the same
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8).range(1..))]
    pub threads: Option<u8>,
}

/// `hopclock replay`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  hopclock replay nat.pcap --sysctl nat.sysctl
  hopclock replay nat.pcap --sysctl nat.sysctl --set nf_conntrack_tcp_loose=1
  hopclock replay nat.pcap --start-state nat.conntrack --format jsonl
  hopclock replay nat.pcap --rules nat.nft --links nat.links --format jsonl
  hopclock replay nat.pcap --sweep tcp_timeout_established=350,3600
  hopclock replay nat.pcap --fix tcp_be_liberal=1 --fix keepalive=60
  hopclock replay nat.pcap --rules nat.nft --links nat.links --fix tcp_loose=1

The capture is taken for what arrives at the box, before translation; the table
begins empty unless --start-state says otherwise, and connections that began
before the capture are named. A table lists what matters: entries made, changes
of state, packets ignored or INVALID and why, timers that ran out; --format
jsonl gives one object a packet. The model is exact for Linux 6.18; rules of
other kernels were read in source, not run. Not modelled: helpers, flowtables,
fragments, policy routing (docs/conntrack.md).")]
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
    /// Try each value of a setting, a row each, beside the capture as it was
    #[arg(long, value_name = "KEY=V1,V2,…")]
    pub sweep: Vec<String>,
    /// Try this, as one row: settings, or probes after so many seconds of silence
    /// (keepalive=60, ping=60, keepalive@server=60)
    #[arg(long, value_name = "KEY=VALUE,…")]
    pub fix: Vec<String>,
    /// Entries to begin with: output of `conntrack -L`
    #[arg(long, value_name = "DUMP")]
    pub start_state: Option<PathBuf>,
    /// Rules of the box: output of `nft list ruleset` or `iptables-save`; they say how connections
    /// leave and which packets are stopped
    #[arg(long, value_name = "FILE", requires = "links")]
    pub rules: Vec<PathBuf>,
    /// Interfaces and routes of the box: output of `ip addr; ip route`
    #[arg(long, value_name = "FILE", requires = "rules")]
    pub links: Vec<PathBuf>,
    /// Kernel of the box, as `uname -r` or `uname -v` prints it
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
    /// The site's own timers
    #[command(flatten)]
    pub own: OwnClocks,
}

/// `hopclock clocks`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  hopclock clocks 350
  hopclock clocks nginx
  hopclock clocks 12h
  hopclock clocks --idle 300..400
  hopclock clocks --clocks site.toml edge

A file of --clocks has the catalogue's form, in TOML: [[clock]] with id, product,
owner (nat, firewall, load-balancer, proxy, server …), setting, default_s in
seconds, anchor (idle, idle-app, open …). A known id is replaced.")]
pub struct Clocks {
    /// A time (350, 5m, 12h) or a word of a product, setting or note; without one, every timer
    #[arg(value_name = "SECONDS or WORD")]
    pub wanted: Option<String>,
    /// Timers of silence between two times, such as 300..400 or 5m..1h
    #[arg(long, value_name = "FROM..TO", conflicts_with = "wanted")]
    pub idle: Option<String>,
    /// The site's own timers
    #[command(flatten)]
    pub own: OwnClocks,
    /// How to print the answer
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub format: Format,
}

/// `hopclock lab`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  hopclock lab list
  sudo hopclock lab run nat-expiry
  hopclock diagnose hopclock-lab/nat-expiry-*
  sudo hopclock lab run all --seed 7

A scenario is one mechanism on a path client, box, server: what is done to it,
and what must be seen then. The three are network namespaces of the lab; the
network of this host is never touched, and nothing stays but a folder of
evidence with, in truth.json, what really happened. What each looks like from
each side: docs/mechanisms.md.")]
pub struct Lab {
    /// What to do in the lab.
    #[command(subcommand)]
    pub deed: LabDeed,
}

/// What can be done in the lab.
#[derive(Debug, Subcommand)]
pub enum LabDeed {
    /// Name the scenarios
    #[command(after_help = "Examples:
  hopclock lab list
  hopclock lab list --format markdown")]
    List {
        /// How to print the answer
        #[arg(long, value_enum, default_value_t = Format::Text)]
        format: Format,
    },
    /// Play scenarios on this kernel; needs root
    Run(LabRun),
    /// Play one, diagnose it, and play it again with each measure that diagnose proposes; needs
    /// root
    Fix(LabFix),
    /// Hold what diagnose says of recorded folders against what really happened
    Score(LabScore),
    /// The story in half a minute: an end, its cause, its cure; needs root
    Demo(LabDemo),
    /// Remove what killed runs left behind
    #[command(after_help = "Examples:
  hopclock lab clean
  hopclock lab clean --out /var/tmp/lab

Only folders that end in .PID.part whose process is gone are removed.")]
    Clean {
        /// Where the folders are
        #[arg(long, value_name = "FOLDER", default_value = LAB_FOLDER)]
        out: PathBuf,
    },
}

/// Where the lab writes unless told otherwise.
const LAB_FOLDER: &str = "hopclock-lab";

/// `hopclock lab run`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  sudo hopclock lab run nat-expiry --verbose
  sudo hopclock lab run freeze-window-ignored freeze-be-liberal-cures
  sudo hopclock lab run all --seed 7 --format markdown > this-kernel.md

Each run leaves FOLDER/NAME-SEED with captures, dumps of the box and logs of
both ends; hopclock diagnose reads it. A scenario takes seconds, all of them two
minutes or three. Ctrl-C and a closed terminal take down what runs; after a
kill -9: hopclock lab clean.")]
pub struct LabRun {
    /// Names as `lab list` prints them, or `all`
    #[arg(required = true, value_name = "NAME")]
    pub names: Vec<String>,
    /// Number that addresses, timers and log styles are drawn from; a new one unless given, and
    /// printed, so that a run can be played again
    #[arg(long)]
    pub seed: Option<u64>,
    /// The timer a run is about, in seconds, instead of a drawn one of 3 to 5; some scenarios add 3
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u32).range(3..=600))]
    pub timer: Option<u32>,
    /// Where the folders go
    #[arg(long, value_name = "FOLDER", default_value = LAB_FOLDER)]
    pub out: PathBuf,
    /// How many runs at once
    #[arg(short, long, default_value_t = 8, value_parser = clap::value_parser!(u8).range(1..=64))]
    pub jobs: u8,
    /// Tell every check, not only those that failed
    #[arg(short, long)]
    pub verbose: bool,
    /// How to print the answer
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub format: Format,
}

/// `hopclock lab fix`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  sudo hopclock lab fix nat-expiry-client-first
  sudo hopclock lab fix freeze-window-ignored --measure be-liberal
  sudo hopclock lab fix story

Measures are settings of a machine, options of the client's sockets and
heartbeats; what is a matter of somebody's configuration or code is named and
not tried. A timer that is said to move the end is raised as far as the lab
can wait, and the end has to come as much later. story is one stream kept in
three ways, through a NAT that forgets it and on a frozen entry: which live,
and what each costs.")]
pub struct LabFix {
    /// A name as `lab list` prints it, or `story`
    #[arg(value_name = "NAME")]
    pub name: String,
    /// Try this measure only, by its id in the report
    #[arg(long, value_name = "ID")]
    pub measure: Option<String>,
    /// Number that everything is drawn from
    #[arg(long)]
    pub seed: Option<u64>,
    /// The timer a run is about, in seconds
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u32).range(3..=600))]
    pub timer: Option<u32>,
    /// Where the folders go
    #[arg(long, value_name = "FOLDER", default_value = LAB_FOLDER)]
    pub out: PathBuf,
    /// How to print the answer
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub format: Format,
}

/// `hopclock lab score`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  hopclock lab score
  hopclock lab score hopclock-lab cases

A line a folder: F the family is right, X the cause or one that this evidence
cannot tell from it, 3 one of the first three is, O the outcome is the one an
expert would give. Under them counts, and the same apart for what was recorded,
quoted and made.")]
pub struct LabScore {
    /// Folders with a truth.json, or folders of such folders
    #[arg(value_name = "FOLDER", default_value = LAB_FOLDER)]
    pub folders: Vec<PathBuf>,
}

/// `hopclock lab demo`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  sudo hopclock lab demo")]
pub struct LabDemo {
    /// Number that everything is drawn from
    #[arg(long)]
    pub seed: Option<u64>,
    /// Where the folders go
    #[arg(long, value_name = "FOLDER", default_value = LAB_FOLDER)]
    pub out: PathBuf,
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
