//! One host's clocks at one moment: the document `hopclock.snapshot/1`.
//!
//! What a host keeps for connections, as far as its kernel and the configuration of what runs on
//! it tell. No payload, no password, no key: settings that hold a time, rules that ask for a
//! state, and counts. What could not be read stands in [`Snapshot::missing`] and is not guessed.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The name and number of the document.
pub const SCHEMA: &str = "hopclock.snapshot/1";

/// A host at one moment.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Snapshot {
    /// [`SCHEMA`].
    pub schema: String,
    /// When it was taken, in nanoseconds since the epoch.
    pub at_ns: i64,
    /// What the host calls itself.
    pub host: String,
    /// The kernel's release, as `uname -r` prints it.
    pub kernel: Option<String>,
    /// Network namespaces that could be entered; the one hopclock ran in comes first.
    pub namespaces: Vec<Namespace>,
    /// Running programs whose configuration was read.
    pub programs: Vec<Program>,
    /// What could not be read, and why.
    pub missing: Vec<Missing>,
}

/// One network namespace of the host.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Namespace {
    /// Its name below `/run/netns`, or of the program that was met in it first; absent for the one
    /// hopclock ran in.
    pub name: Option<String>,
    /// Its number, as `ls -l /proc/self/ns/net` shows it. It lasts as long as the namespace.
    pub inode: u64,
    /// Links, but for loopback.
    pub interfaces: Vec<Interface>,
    /// Whether it forwards packets of others, IPv4 or IPv6.
    pub forwards: bool,
    /// Whether connections are tracked here: conntrack is loaded and something asks for it.
    /// Absent where that could not be told.
    pub tracks: Option<bool>,
    /// Whether a rule here translates addresses. Absent where rules could not be read.
    pub translates: Option<bool>,
    /// Entries in the table of connections now, and the most it takes.
    pub entries: Option<Entries>,
    /// Settings that set or decide about a timer, by their dotted names.
    pub settings: BTreeMap<String, String>,
    /// Those of the settings that are timers, and IPVS' own, in seconds.
    pub timers: Vec<Timer>,
    /// Rules that ask for a connection's state, translate, or leave connections untracked.
    pub rules: Vec<Rule>,
    /// Established TCP sockets, counted. Absent where they could not be listed.
    pub sockets: Option<Sockets>,
}

/// A link.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Interface {
    /// Its name.
    pub name: String,
    /// The addresses on it, with the length of their prefix: `192.0.2.1/24`.
    pub addresses: Vec<String>,
    /// The largest packet it sends, in bytes.
    pub mtu: Option<u32>,
    /// Whether it is up.
    pub up: bool,
}

/// How full the table of connections is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entries {
    /// Entries in the namespace's table.
    pub now: u64,
    /// `nf_conntrack_max`.
    pub most: u64,
}

/// One timer as it is set.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Timer {
    /// The row of the catalogue it is, where there is one.
    pub clock: Option<String>,
    /// The setting's name as the host spells it: `keepalive_timeout`, a sysctl's dotted name.
    pub setting: String,
    /// Its value as written: `1h`, `60s`, `432000`.
    pub value: String,
    /// The same in seconds; absent for one that is switched off.
    pub seconds: Option<f64>,
    /// Where it was read: `sysctl`, `/etc/nginx/nginx.conf:31`; `default` for one that nobody set
    /// and whose program has the value built in.
    pub read_in: String,
    /// What it is valid for, where the configuration says: `server example.org, location /ws`,
    /// `backend db`.
    pub scope: Option<String>,
}

/// A rule that has to do with state.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rule {
    /// The listing: `nft` or `iptables`.
    pub program: String,
    /// Table and chain: `filter FORWARD`.
    pub chain: String,
    /// The rule's words, counters left out; or `policy drop`.
    pub text: String,
}

/// Established TCP sockets of a namespace, counted.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sockets {
    /// All of them, loopback left out.
    pub established: u64,
    /// Those with a keepalive timer running.
    pub with_keepalive: u64,
    /// The same for each peer's port, the ten busiest: where this host is the client.
    pub to_port: BTreeMap<u16, Share>,
    /// The same for each own port that listens: where this host is the server.
    pub at_port: BTreeMap<u16, Share>,
}

/// So many of so many.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Share {
    /// Sockets.
    pub established: u64,
    /// Of these: with a keepalive timer running.
    pub with_keepalive: u64,
}

/// A running program whose configuration was read.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Program {
    /// `nginx`, `haproxy`, `envoy`.
    pub name: String,
    /// Its process, the master's.
    pub pid: u32,
    /// The namespace it runs in, by its number.
    pub namespace: u64,
    /// Its version, where the program or its files tell.
    pub version: Option<String>,
    /// The files read, the first one named by the process.
    pub files: Vec<String>,
    /// Every timer that is set, and those built in that matter where nothing is set.
    pub timers: Vec<Timer>,
    /// What of the configuration was not understood, one sentence each.
    pub notes: Vec<String>,
}

/// What could not be read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Missing {
    /// Which, in a few words.
    pub what: String,
    /// Why, in one sentence.
    pub why: String,
}
