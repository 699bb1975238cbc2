//! `hops.toml`: what a person says of the hops and the paths, in `hopclock.hops/1`.
//!
//! A hop's timers come from a snapshot of the host, from the catalogue by id, or from somebody's
//! word; a path is a list of hops with what is spoken along it and what keeps it alive. Unknown
//! fields are refused: a misspelt one would be a silent nothing. Nothing is filled in here.

use crate::terms::{Anchor, Side};
use serde::{Deserialize, Serialize};

/// The name and number of the file's form.
pub const SCHEMA: &str = "hopclock.hops/1";

/// A whole file.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Inventory {
    /// [`SCHEMA`].
    pub schema: String,
    /// Every hop that keeps state, the ends included.
    #[serde(default, rename = "hop")]
    pub hops: Vec<Hop>,
    /// Ways through them, each from who opens connections to who accepts them.
    #[serde(default, rename = "path")]
    pub paths: Vec<Path>,
    /// Findings somebody has looked at and accepts.
    #[serde(default, rename = "accept")]
    pub accepted: Vec<Accepted>,
}

/// What a hop is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// Opens connections.
    Client,
    /// Passes packets on and tracks connections, addresses unchanged.
    Router,
    /// Translates addresses.
    Nat,
    /// Filters by a connection's state.
    Firewall,
    /// Spreads connections over servers, packet by packet.
    Balancer,
    /// Ends TCP on both sides and copies between them.
    Proxy,
    /// Accepts connections.
    Server,
}

impl Kind {
    /// Whether such a hop ends TCP unless its entry says otherwise.
    pub const fn ends_tcp(self) -> bool {
        match self {
            Kind::Client | Kind::Proxy | Kind::Server => true,
            Kind::Router | Kind::Nat | Kind::Firewall | Kind::Balancer => false,
        }
    }

    /// Its word, as the file spells it.
    pub const fn word(self) -> &'static str {
        match self {
            Kind::Client => "client",
            Kind::Router => "router",
            Kind::Nat => "nat",
            Kind::Firewall => "firewall",
            Kind::Balancer => "balancer",
            Kind::Proxy => "proxy",
            Kind::Server => "server",
        }
    }
}

/// One hop.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Hop {
    /// Its name, one of a kind in the file.
    pub name: String,
    /// What it is.
    pub kind: Kind,
    /// A snapshot of it: a file, its place told from this file's folder.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub snapshot: Option<String>,
    /// Which network namespace of the snapshot; the first one where nothing is said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    /// Rows of the catalogue by id, at the values the product has out of the box.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub catalogue: Vec<String>,
    /// Whether it ends TCP, where its kind does not say ([`Kind::ends_tcp`]).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ends_tcp: Option<bool>,
    /// The other box of a pair that takes over for this one: both should be tuned alike.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pair: Option<String>,
    /// The smallest interval between HTTP/2 PINGs it puts up with, in seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ping_at_least_s: Option<f64>,
    /// Timers told by somebody.
    #[serde(default, rename = "timer", skip_serializing_if = "Vec::is_empty")]
    pub timers: Vec<Stated>,
}

/// A timer somebody told of.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Stated {
    /// The row of the catalogue it is, where there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub clock: Option<String>,
    /// What it is called; needed where no row is named.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub what: Option<String>,
    /// Its value in seconds; 0 switches it off.
    pub seconds: f64,
    /// What it counts from; needed where no row is named.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub anchor: Option<Anchor>,
    /// When it runs, where no row is named: an HTTP server's keep-alive runs between requests only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub runs: Option<Runs>,
    /// Who said so, and when. Without it the value is drawn as a guess.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stated_by: Option<String>,
}

/// When an idle timer runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Runs {
    /// While no request is under way.
    BetweenRequests,
    /// While one is.
    WithinRequest,
}

/// How a connection is used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Use {
    /// One long exchange: a stream, a tunnel, a websocket. Timers between requests do not run.
    #[default]
    Stream,
    /// Requests, with silence between them: a pool, HTTP keep-alive. Timers within a request do
    /// not run in that silence.
    Requests,
}

/// One way from client to server.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Path {
    /// Its name, one of a kind in the file.
    pub name: String,
    /// Names of hops, from who opens connections to who accepts them.
    pub hops: Vec<String>,
    /// What is spoken: `tcp`, `http/1.1`, `grpc`, `postgresql`. For readers; nothing depends on it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub protocol: Option<String>,
    /// The port its connections go to, so that a snapshot's sockets can be told apart.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub port: Option<u16>,
    /// How its connections are used.
    #[serde(default, rename = "use")]
    pub used: Use,
    /// What keeps its connections alive while nobody has anything to say.
    #[serde(default, rename = "keepalive", skip_serializing_if = "Vec::is_empty")]
    pub keepalives: Vec<Keepalive>,
    /// The longest silence its traffic leaves, in seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub silent_s: Option<f64>,
    /// Who speaks first after a silence.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub speaks_first: Option<Side>,
    /// How long one end stays open after the other has closed, in seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub half_close_s: Option<f64>,
    /// How long the client keeps a connection at most, in seconds: a pool's lifetime.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_max_age_s: Option<f64>,
}

/// What kind of message keeps a connection alive.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Beat {
    /// A TCP keepalive probe (RFC 1122 §4.2.3.6): it ends where TCP ends.
    Tcp,
    /// An HTTP/2 PING frame (RFC 9113 §6.7).
    Http2Ping,
    /// The application's own message, which counts as data everywhere.
    Heartbeat,
}

/// One way of keeping connections alive.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Keepalive {
    /// What is sent.
    pub kind: Beat,
    /// After so much silence, or every so often, in seconds.
    pub every_s: f64,
    /// The hop that sends it: a name of the path; its first where nothing is said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
}

/// A finding that is no longer told.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Accepted {
    /// The rule's id.
    pub rule: String,
    /// On which path; on all where nothing is said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// On which hop; on all where nothing is said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hop: Option<String>,
    /// Why it may stay.
    pub reason: String,
}

/// What is wrong with a file, one sentence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wrong(pub String);

impl Inventory {
    /// Reads a file.
    ///
    /// # Errors
    ///
    /// One sentence with the line where TOML or its form is broken, or else every name that means
    /// nothing or two things.
    pub fn read(text: &str) -> Result<Inventory, Vec<Wrong>> {
        let inventory: Inventory = toml::from_str(text).map_err(|e| vec![Wrong(told(text, &e))])?;
        let wrong = inventory.wrong();
        if wrong.is_empty() { Ok(inventory) } else { Err(wrong) }
    }

    /// The hop of this name.
    pub fn hop(&self, name: &str) -> Option<&Hop> {
        self.hops.iter().find(|hop| hop.name == name)
    }

    fn wrong(&self) -> Vec<Wrong> {
        let mut wrong = Vec::new();
        if self.schema != SCHEMA {
            let schema = &self.schema;
            wrong.push(format!("the schema is {schema:?}; this hopclock reads {SCHEMA:?}"));
        }
        let names: Vec<&str> = self.hops.iter().map(|hop| hop.name.as_str()).collect();
        twice("hop", &names, &mut wrong);
        let paths: Vec<&str> = self.paths.iter().map(|path| path.name.as_str()).collect();
        twice("path", &paths, &mut wrong);
        for hop in &self.hops {
            self.hop_wrong(hop, &mut wrong);
        }
        for path in &self.paths {
            self.path_wrong(path, &mut wrong);
        }
        for accepted in &self.accepted {
            let (hop, path) = (&accepted.hop, &accepted.path);
            if let Some(hop) = hop.as_ref().filter(|hop| self.hop(hop).is_none()) {
                wrong
                    .push(format!("an accepted finding names the hop {hop:?}, which is not there"));
            }
            if let Some(path) = path.as_ref().filter(|path| !paths.contains(&path.as_str())) {
                wrong.push(format!(
                    "an accepted finding names the path {path:?}, which is not there"
                ));
            }
            if accepted.reason.trim().is_empty() {
                wrong.push(format!("{:?} is accepted without a reason", accepted.rule));
            }
        }
        wrong.into_iter().map(Wrong).collect()
    }

    fn hop_wrong(&self, hop: &Hop, wrong: &mut Vec<String>) {
        let name = &hop.name;
        if name.trim().is_empty() {
            wrong.push("a hop has no name".to_owned());
        }
        if let Some(pair) = &hop.pair {
            if pair == name {
                wrong.push(format!("hop {name:?} is its own pair"));
            } else if self.hop(pair).is_none() {
                wrong.push(format!("hop {name:?} has the pair {pair:?}, which is not there"));
            }
        }
        if hop.namespace.is_some() && hop.snapshot.is_none() {
            wrong.push(format!("hop {name:?} names a namespace and no snapshot to find it in"));
        }
        for timer in &hop.timers {
            if timer.clock.is_none() && (timer.what.is_none() || timer.anchor.is_none()) {
                wrong.push(format!(
                    "a timer of hop {name:?} needs `clock`, or both `what` and `anchor`"
                ));
            }
            if timer.runs.is_some() && timer.anchor != Some(Anchor::IdleApp) {
                wrong.push(format!(
                    "a timer of hop {name:?} says when it `runs`; only one with the anchor idle-app can"
                ));
            }
            amount(&format!("a timer of hop {name:?}"), timer.seconds, true, wrong);
        }
        let least = hop.ping_at_least_s;
        if let Some(seconds) = least {
            amount(&format!("ping_at_least_s of hop {name:?}"), seconds, true, wrong);
        }
    }

    fn path_wrong(&self, path: &Path, wrong: &mut Vec<String>) {
        let name = &path.name;
        if path.hops.len() < 2 {
            wrong.push(format!("path {name:?} has fewer than two hops"));
        }
        for hop in &path.hops {
            if self.hop(hop).is_none() {
                wrong.push(format!("path {name:?} goes through {hop:?}, which is no hop"));
            }
        }
        let hops: Vec<&str> = path.hops.iter().map(String::as_str).collect();
        twice(&format!("path {name:?}: hop"), &hops, wrong);
        for keepalive in &path.keepalives {
            amount(&format!("a keepalive of path {name:?}"), keepalive.every_s, false, wrong);
            if let Some(by) = keepalive.by.as_ref().filter(|by| !path.hops.contains(by)) {
                wrong.push(format!(
                    "a keepalive of path {name:?} is sent by {by:?}, not a hop of it"
                ));
            }
        }
        for (what, seconds) in [
            ("silent_s", path.silent_s),
            ("half_close_s", path.half_close_s),
            ("client_max_age_s", path.client_max_age_s),
        ] {
            if let Some(seconds) = seconds {
                amount(&format!("{what} of path {name:?}"), seconds, false, wrong);
            }
        }
    }
}

fn amount(what: &str, seconds: f64, zero: bool, wrong: &mut Vec<String>) {
    if !seconds.is_finite() || seconds < 0.0 || (seconds == 0.0 && !zero) {
        wrong.push(format!("{what} is {seconds} s, which is no time"));
    }
}

fn twice(what: &str, names: &[&str], wrong: &mut Vec<String>) {
    let mut sorted = names.to_vec();
    sorted.sort_unstable();
    let mut told: Option<&str> = None;
    for pair in sorted.windows(2) {
        if let [a, b] = pair
            && a == b
            && told != Some(a)
        {
            wrong.push(format!("{what} {a:?} stands twice"));
            told = Some(a);
        }
    }
}

/// One sentence with the line, without TOML's drawing of it.
fn told(text: &str, error: &toml::de::Error) -> String {
    let line =
        error.span().map(|span| 1 + text.get(..span.start).unwrap_or(text).matches('\n').count());
    let said = error.message().replace('\n', " ");
    match line {
        Some(line) => format!("line {line}: {said}"),
        None => said,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SMALL: &str = r#"
schema = "hopclock.hops/1"
[[hop]]
name = "app"
kind = "client"
[[hop]]
name = "egress-1"
kind = "nat"
snapshot = "egress-1.json"
[[hop]]
name = "upstream"
kind = "server"
[[hop.timer]]
what = "maximum age"
seconds = 3600
anchor = "open"
stated_by = "their team, 2026-11-02"
[[path]]
name = "events"
hops = ["app", "egress-1", "upstream"]
[[path.keepalive]]
kind = "tcp"
every_s = 30
"#;

    fn said(text: &str) -> String {
        let wrong = Inventory::read(text).expect_err("it is wrong");
        wrong.into_iter().map(|w| w.0).collect::<Vec<_>>().join("; ")
    }

    #[test]
    fn a_file_is_read_and_written_alike() {
        let read = Inventory::read(SMALL).unwrap();
        assert_eq!(read.hops.len(), 3);
        assert_eq!(read.paths.first().map(|p| p.used), Some(Use::Stream));
        assert_eq!(read.hop("upstream").map(|h| h.timers.len()), Some(1));
    }

    #[test]
    fn a_misspelt_field_is_told_with_its_line() {
        let text = SMALL.replace("snapshot =", "snapshott =");
        let said = said(&text);
        assert!(said.starts_with("line 9: unknown field `snapshott`"), "{said}");
    }

    #[test]
    fn names_that_mean_nothing_are_all_told() {
        let text = SMALL
            .replace("\"app\", \"egress-1\"", "\"app\", \"egress-2\"")
            .replace("every_s = 30", "every_s = 0\nby = \"nobody\"");
        let said = said(&text);
        for part in ["\"egress-2\", which is no hop", "0 s, which is no time", "sent by \"nobody\""]
        {
            assert!(said.contains(part), "{part} is not in {said}");
        }
    }

    #[test]
    fn two_hops_of_one_name_are_refused() {
        let text = SMALL.replace("name = \"upstream\"", "name = \"app\"");
        assert!(said(&text).contains("hop \"app\" stands twice"), "{}", said(&text));
    }

    #[test]
    fn a_timer_without_a_name_is_refused() {
        let text = SMALL.replace("what = \"maximum age\"\n", "");
        assert!(said(&text).contains("needs `clock`, or both `what` and `anchor`"));
    }

    #[test]
    fn an_old_form_is_told() {
        let text = SMALL.replace("hops/1", "hops/2");
        assert!(said(&text).contains("this hopclock reads \"hopclock.hops/1\""));
    }
}
