//! One host's clocks at one moment: the document `hopclock.snapshot/1`.
//!
//! What a host keeps for connections, as far as its kernel and the configuration of what runs on
//! it tell. No payload, no password, no key: settings that hold a time, rules that ask for a
//! state, and counts. What could not be read stands in [`Snapshot::missing`] and is not guessed.

use crate::clocks::Catalogue;
use crate::dump::{config, ipvs};
use crate::inquest::clocks_seen::retries_s;
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
    /// How that is known, in a few words: `hooks of conntrack are registered`.
    #[serde(default)]
    pub tracks_by: Option<String>,
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
    /// Its value as written: `1h`, `60s`, `432000`; the built-in one in seconds, `60s`, or `none`,
    /// where nobody set it.
    pub value: String,
    /// The same in seconds; absent for one that is switched off, a count and a switch.
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
    /// The listing: `nft`, `iptables` or `ip6tables`.
    pub program: String,
    /// Table and chain: `filter FORWARD`.
    pub chain: String,
    /// The rule's words, counters, comments and prefixes of logs left out; or `policy drop`.
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
    /// The namespace it runs in, by its number; absent where this user may not look.
    pub namespace: Option<u64>,
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

impl Snapshot {
    /// Hands every text that may name a host, an address, a person or a path to `write`, and keeps
    /// what it returns. Settings, values and names of clocks stay.
    pub fn rewrite(&mut self, write: &mut dyn FnMut(&str) -> String) {
        let mut anew = |text: &mut String| *text = write(text);
        anew(&mut self.host);
        for namespace in &mut self.namespaces {
            namespace.name.iter_mut().for_each(&mut anew);
            namespace.interfaces.iter_mut().flat_map(|i| &mut i.addresses).for_each(&mut anew);
            namespace.rules.iter_mut().for_each(|rule| anew(&mut rule.text));
        }
        for program in &mut self.programs {
            program.files.iter_mut().for_each(&mut anew);
            program.notes.iter_mut().for_each(&mut anew);
            for timer in &mut program.timers {
                anew(&mut timer.read_in);
                timer.scope.iter_mut().for_each(&mut anew);
            }
        }
        for missing in &mut self.missing {
            anew(&mut missing.what);
            anew(&mut missing.why);
        }
    }
}

impl Timer {
    /// A timer of a program's configuration. What nobody set has the value the catalogue knows.
    pub fn of(timer: config::Timer, catalogue: &Catalogue) -> Self {
        let built_in = timer.clock.and_then(|id| catalogue.by_id(id)).and_then(|c| c.default_s);
        let seconds = if timer.value.is_some() { timer.seconds } else { built_in };
        let value = timer.value.unwrap_or_else(|| match built_in {
            Some(s) => format!("{s}s"),
            None => "none".to_owned(),
        });
        Self {
            clock: timer.clock.map(str::to_owned),
            setting: timer.setting,
            value,
            seconds,
            read_in: timer.at.map_or_else(|| "default".to_owned(), |at| at.to_string()),
            scope: timer.scope,
        }
    }
}

/// Settings of the kernel that are in no snapshot: they are of each link, or no matter of
/// connections.
const NOT_KEPT: [&str; 8] = [
    "kernel.",
    "net.core.",
    "net.ipv4.conf.",
    "net.ipv4.icmp",
    "net.ipv4.route.",
    "net.ipv6.conf.",
    "net.ipv6.route.",
    "net.ipv6.bindv6only",
];
/// Some of which decide where packets go, and so who keeps state for them.
const KEPT_ALL_THE_SAME: [&str; 4] = [
    "net.ipv4.conf.all.forwarding",
    "net.ipv4.conf.all.rp_filter",
    "net.ipv4.conf.default.rp_filter",
    "net.ipv6.conf.all.forwarding",
];

/// Whether a snapshot has this setting: it sets or decides about a timer, or about a path.
pub fn is_kept(key: &str) -> bool {
    KEPT_ALL_THE_SAME.contains(&key) || !NOT_KEPT.iter().any(|start| key.starts_with(start))
}

/// Longest time between two tries that counts of tries are summed with, as the kernel has it.
const RTO_MAX_MS: &str = "120000";

/// Those of the settings that are timers, in seconds.
pub fn kernel_timers(settings: &BTreeMap<String, String>, catalogue: &Catalogue) -> Vec<Timer> {
    let mut timers = Vec::new();
    for (key, value) in settings {
        let Some((seconds, number)) = in_seconds(key, value, settings) else { continue };
        timers.push(Timer {
            clock: catalogue.by_setting(key).map(|clock| clock.id.clone()),
            setting: key.clone(),
            value: value.clone(),
            seconds: Some(seconds).filter(|_| number > 0.0),
            read_in: "sysctl".to_owned(),
            scope: None,
        });
    }
    timers.extend(keepalive_gives_up(settings));
    timers
}

/// A setting's time, and the number it is made of; none for what is no time.
fn in_seconds(key: &str, value: &str, all: &BTreeMap<String, String>) -> Option<(f64, f64)> {
    let number: f64 = value.parse().ok()?;
    let short = key.rsplit('.').next().unwrap_or(key);
    let rto_max = all.get("net.ipv4.tcp_rto_max_ms").map_or(RTO_MAX_MS, String::as_str);
    let seconds = match short {
        "tcp_retries2" if rto_max == RTO_MAX_MS => retries_s(number),
        // One second, doubled with each try (RFC 6298 2.1; net/ipv4/tcp_timer.c, 6.18).
        "tcp_synack_retries" if number < 16.0 => 2f64.powf(number + 1.0) - 1.0,
        "tcp_keepalive_time" | "tcp_keepalive_intvl" | "tcp_fin_timeout" => number,
        // Of fragments, not of connections.
        "nf_conntrack_frag6_timeout" => return None,
        _ if short.contains("timeout") && key.starts_with("net.netfilter.nf_") => number,
        _ => return None,
    };
    Some((seconds, number))
}

/// When keepalive gives a silent peer up, from the three settings that make it.
fn keepalive_gives_up(settings: &BTreeMap<String, String>) -> Option<Timer> {
    let number = |name: &str| settings.get(&format!("net.ipv4.tcp_keepalive_{name}"))?.parse().ok();
    let (time, interval, probes): (f64, f64, f64) =
        (number("time")?, number("intvl")?, number("probes")?);
    Some(Timer {
        clock: Some("linux-tcp-keepalive-give-up".to_owned()),
        setting: "tcp_keepalive_time + tcp_keepalive_intvl*tcp_keepalive_probes".to_owned(),
        value: format!("{time} + {interval}*{probes}"),
        seconds: Some(time + interval * probes),
        read_in: "sysctl".to_owned(),
        scope: None,
    })
}

/// The three timeouts of IPVS; 0 is the kernel's way to say that one is not set.
pub fn ipvs_timers(timeouts: &ipvs::Timeouts) -> Vec<Timer> {
    let all = [
        ("ipvs-tcp-established", "ipvsadm --set tcp", timeouts.tcp_s),
        ("ipvs-tcp-fin-wait", "ipvsadm --set tcpfin", timeouts.fin_s),
        ("ipvs-udp", "ipvsadm --set udp", timeouts.udp_s),
    ];
    let timer = |(clock, setting, seconds): (&str, &str, u64)| Timer {
        clock: Some(clock.to_owned()),
        setting: setting.to_owned(),
        value: seconds.to_string(),
        seconds: Some(seconds as f64).filter(|s| *s > 0.0),
        read_in: "ipvsadm -l --timeout".to_owned(),
        scope: None,
    };
    all.into_iter().map(timer).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn catalogue() -> Catalogue {
        Catalogue::builtin().unwrap()
    }

    #[test]
    fn every_clock_a_configuration_can_name_is_in_the_catalogue() {
        let catalogue = catalogue();
        assert!(config::clocks().count() > 30);
        for id in config::clocks().chain(["linux-tcp-keepalive-give-up"]) {
            assert!(catalogue.by_id(id).is_some(), "{id}");
        }
        let timeouts = ipvs::Timeouts { line: 1, tcp_s: 900, fin_s: 120, udp_s: 0 };
        for timer in ipvs_timers(&timeouts) {
            assert!(catalogue.by_id(timer.clock.as_deref().unwrap()).is_some(), "{timer:?}");
            assert_eq!(timer.seconds.is_some(), timer.value != "0");
        }
    }

    #[test]
    fn settings_become_timers_in_seconds() {
        let settings: BTreeMap<String, String> = [
            ("net.netfilter.nf_conntrack_tcp_timeout_established", "432000"),
            ("net.netfilter.nf_conntrack_tcp_loose", "1"),
            ("net.netfilter.nf_conntrack_frag6_timeout", "60"),
            ("net.ipv4.tcp_keepalive_time", "7200"),
            ("net.ipv4.tcp_keepalive_intvl", "75"),
            ("net.ipv4.tcp_keepalive_probes", "9"),
            ("net.ipv4.tcp_retries2", "15"),
            ("net.ipv4.tcp_synack_retries", "5"),
            ("net.ipv4.ip_local_port_range", "32768\t60999"),
        ]
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .into();
        let timers = kernel_timers(&settings, &catalogue());
        let told: Vec<(&str, Option<f64>)> = timers
            .iter()
            .map(|t| (t.clock.as_deref().unwrap_or("-"), t.seconds.map(f64::round)))
            .collect();
        assert_eq!(
            told,
            [
                ("-", Some(75.0)),
                ("linux-tcp-keepalive-time", Some(7200.0)),
                ("linux-tcp-retries2", Some(925.0)),
                ("linux-tcp-synack-retries", Some(63.0)),
                ("linux-ct-tcp-established", Some(432_000.0)),
                ("linux-tcp-keepalive-give-up", Some(7875.0)),
            ]
        );
        // A cap that somebody lowered makes another sum: it is not guessed.
        let lowered = [("net.ipv4.tcp_rto_max_ms", "10000"), ("net.ipv4.tcp_retries2", "15")];
        let lowered = lowered.map(|(k, v)| (k.to_owned(), v.to_owned())).into();
        assert_eq!(kernel_timers(&lowered, &catalogue()), []);
    }

    #[test]
    fn what_nobody_set_has_the_catalogues_value() {
        let of = |clock, value: Option<&str>| {
            let (setting, value) = ("x".to_owned(), value.map(str::to_owned));
            let timer =
                config::Timer { clock, setting, value, seconds: None, at: None, scope: None };
            let timer = Timer::of(timer, &catalogue());
            (timer.value, timer.seconds, timer.read_in)
        };
        let default = "default".to_owned();
        let nginx = of(Some("nginx-keepalive-timeout"), None);
        assert_eq!(nginx, ("75s".to_owned(), Some(75.0), default.clone()));
        let haproxy = of(Some("haproxy-timeout-client"), None);
        assert_eq!(haproxy, ("none".to_owned(), None, default.clone()));
        assert_eq!(of(Some("nginx-keepalive-timeout"), Some("0")), ("0".to_owned(), None, default));
    }

    #[test]
    fn only_what_has_to_do_with_connections_is_kept() {
        for (key, kept) in [
            ("net.netfilter.nf_conntrack_tcp_be_liberal", true),
            ("net.ipv4.tcp_keepalive_time", true),
            ("net.ipv4.conf.all.rp_filter", true),
            ("net.ipv4.conf.eth0.rp_filter", false),
            ("kernel.osrelease", false),
            ("net.ipv4.icmp_ratelimit", false),
        ] {
            assert_eq!(is_kept(key), kept, "{key}");
        }
    }
}
