//! Envoy: which timers its bootstrap sets, and the files it takes listeners and clusters from.
//!
//! Messages are known by their type (`@type`), or by the place where the API has them. What a
//! management server hands out is not in the files, which is said. Refused: overrides of the
//! runtime, and everything that is no timer.

use super::envoy_rows::{BUILT_IN, KNOWN};
use super::tree::{Node, read as read_tree};
use super::{Configured, DEPTH_MAX, File, Kind, Known, Open, Place, Timer};
use std::collections::BTreeSet;

/// Nodes within nodes; the tree is no deeper than this either.
const NESTED_MAX: usize = 120;

/// Reads a configuration from its first file on. `more` is laid over it (`--config-yaml`).
pub fn read(files: Vec<File>, open: Open<'_>) -> Configured {
    let mut walk = Walk { out: Configured::default(), open, unset: BTreeSet::new(), depth: 0 };
    for file in files {
        walk.file(file);
    }
    for (setting, within, scope) in std::mem::take(&mut walk.unset) {
        let known = KNOWN.iter().find(|k| k.within == within && k.setting == setting);
        walk.out.push(Timer {
            clock: known.and_then(|k| k.clock),
            setting: setting.to_owned(),
            value: None,
            seconds: None,
            at: None,
            scope: Some(scope).filter(|scope| !scope.is_empty()),
        });
    }
    walk.out
}

/// Where in the configuration a node stands.
#[derive(Clone, Default)]
struct Level {
    file: String,
    scope: Vec<String>,
    nested: usize,
}

impl Level {
    fn words(&self) -> String {
        self.scope.join(", ")
    }

    fn inside(&self, words: Option<String>) -> Level {
        let mut level = self.clone();
        level.nested += 1;
        level.scope.extend(words);
        level
    }
}

struct Walk<'a> {
    out: Configured,
    open: Open<'a>,
    /// Built in and in force: setting, message, and for what.
    unset: BTreeSet<(&'static str, &'static str, String)>,
    /// Files that name files.
    depth: usize,
}

impl Walk<'_> {
    fn file(&mut self, file: File) {
        if self.out.files.contains(&file.path) || !self.out.may_read(&file.path) {
            return;
        }
        let (documents, trouble) = read_tree(&file.text);
        if let Some((line, says)) = trouble {
            self.out.note(format!("{}:{line}: {says}", file.path));
        }
        let level = Level { file: file.path, ..Level::default() };
        for node in &documents {
            self.node("", node, &level);
        }
    }

    /// A node under its key.
    fn node(&mut self, key: &str, node: &Node, level: &Level) {
        if level.nested > NESTED_MAX {
            return;
        }
        let Some(kind) = message(key, node) else { return self.children(key, node, level) };
        let level = level.inside(name(kind, node));
        for known in KNOWN.iter().filter(|known| known.within == kind) {
            let keys: Vec<&str> = known.setting.split('.').collect();
            match node.at(&keys) {
                Some(value) => self.set(known, value, &level),
                None if BUILT_IN.contains(&(kind, known.setting)) && forwards(kind, node) => {
                    // A route's is told once for its listener.
                    let routes = kind == "route";
                    let scope = level.scope.iter().filter(|s| !routes || s.starts_with("listener"));
                    let scope: Vec<&str> = scope.map(String::as_str).collect();
                    self.unset.insert((known.setting, kind, scope.join(", ")));
                }
                None => {}
            }
        }
        self.children(key, node, &level);
    }

    fn children(&mut self, key: &str, node: &Node, level: &Level) {
        let deeper = level.inside(None);
        for item in node.items() {
            self.node(key, item, &deeper);
        }
        for (name, child) in node.pairs() {
            match name.as_str() {
                "lds_config" | "cds_config" | "config_source" => self.elsewhere(name, child, level),
                "ads_config" => self.server(level),
                _ => self.node(name, child, &deeper),
            }
        }
    }

    /// What is taken from a file beside, or from a server.
    fn elsewhere(&mut self, what: &str, node: &Node, level: &Level) {
        let path = node.get("path").or_else(|| node.at(&["path_config_source", "path"]));
        let Some(path) = path.and_then(Node::word) else {
            if node.get("ads").is_some() || node.get("api_config_source").is_some() {
                self.server(level);
            }
            return;
        };
        if self.depth >= DEPTH_MAX {
            return self.out.note(format!("{}: files name each other without end", level.file));
        }
        match (self.open)(path) {
            Ok(files) => {
                self.depth += 1;
                files.into_iter().for_each(|file| self.file(file));
                self.depth -= 1;
            }
            Err(why) => self.out.note(format!("{}:{}: {what}: {why}", level.file, node.line)),
        }
    }

    fn server(&mut self, level: &Level) {
        let says = "a management server hands out more, whose timers are in no file";
        self.out.note(format!("{}: {says}", level.file));
    }

    fn set(&mut self, known: &Known, value: &Node, level: &Level) {
        let place = Place { file: level.file.clone(), line: value.line };
        let Some((text, seconds)) = duration(value, known.kind) else {
            return self
                .out
                .note(format!("{place}: {}: no time is understood in it", known.setting));
        };
        self.out.push(Timer {
            clock: known.clock,
            setting: known.setting.to_owned(),
            value: Some(text),
            seconds,
            at: Some(place),
            scope: Some(level.words()).filter(|words| !words.is_empty()),
        });
    }
}

/// Which message a node is whose fields are known.
fn message(key: &str, node: &Node) -> Option<&'static str> {
    if node.pairs().is_empty() {
        return None;
    }
    let of_type = node.get("@type").and_then(Node::word).unwrap_or_default();
    let last = of_type.rsplit('.').next().unwrap_or_default();
    Some(match (last, key) {
        ("HttpConnectionManager", _) => "http",
        ("TcpProxy", _) => "tcp",
        ("HttpProtocolOptions", _) => "cluster",
        ("Cluster", _) | (_, "clusters") => "cluster",
        ("Listener", _) | (_, "listeners") => "listener",
        ("VirtualHost", _) | (_, "virtual_hosts") => "host",
        (_, "route") if node.get("cluster").is_some() || forwards("route", node) => "route",
        (_, "routes") if node.get("match").is_some() => "match",
        _ => return None,
    })
}

/// Whether it sends requests on: what a built-in value needs to matter.
fn forwards(kind: &str, node: &Node) -> bool {
    let to = ["cluster", "cluster_header", "weighted_clusters", "cluster_specifier_plugin"];
    kind != "route" || to.iter().any(|key| node.get(key).is_some())
}

/// What a message adds to the scope of what is in it.
fn name(kind: &str, node: &Node) -> Option<String> {
    let word = |keys: &[&str]| node.at(keys).and_then(Node::word);
    let named = |what: &str| word(&["name"]).map(|name| format!("{what} {name}"));
    match kind {
        "listener" => named("listener"),
        "cluster" => named("cluster"),
        "host" => named("virtual host"),
        "match" => {
            let of = ["prefix", "path", "path_separated_prefix"];
            let plain = of.into_iter().find_map(|key| word(&["match", key]));
            plain
                .or_else(|| word(&["match", "safe_regex", "regex"]))
                .map(|at| format!("route {at}"))
        }
        _ => None,
    }
}

/// A duration of protobuf's JSON, `3600s` or `0.5s`; of older fields a number of seconds.
fn duration(node: &Node, kind: Kind) -> Option<(String, Option<f64>)> {
    let text = node.word()?.trim();
    let number: f64 = text.strip_suffix('s').unwrap_or(text).parse().ok()?;
    // The number's own words: `inf` and `nan` are none.
    if !number.is_finite() || number < 0.0 {
        return None;
    }
    let seconds = match kind {
        Kind::Count | Kind::Switch => None,
        Kind::Time => Some(number),
        Kind::TimeOrOff => Some(number).filter(|s| *s > 0.0),
    };
    Some((text.to_owned(), seconds))
}

#[cfg(test)]
mod tests;
