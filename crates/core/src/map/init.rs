//! A first `hops.toml` from snapshots: a hop for each host, its kind as its rules and sockets
//! suggest, and one path in the order in which a person named them.
//!
//! It is a beginning to be corrected; what was guessed is marked as such in the file.

use super::inventory::{Kind, SCHEMA};
use super::snapshot::{Namespace, Snapshot};
use std::fmt::Write;

/// A snapshot and the name of its file, as `hops.toml` will have it.
#[derive(Clone, Copy, Debug)]
pub struct Taken<'a> {
    /// The file.
    pub file: &'a str,
    /// What it holds.
    pub snapshot: &'a Snapshot,
}

/// The text of a first file.
pub fn init(taken: &[Taken<'_>]) -> String {
    let names = names(taken);
    let kinds = kinds(taken);
    let mut text = format!(
        "# Hops and paths. Correct what is wrong: kinds marked `guessed` are.\n\
         # Then: hopclock map lint THIS-FILE; hopclock map draw THIS-FILE\n\
         schema = {}\n",
        quoted(SCHEMA)
    );
    for ((one, name), (kind, why)) in taken.iter().zip(&names).zip(&kinds) {
        let _ = write!(
            text,
            "\n[[hop]]\nname = {}\nkind = {} # guessed: {why}\nsnapshot = {}\n",
            quoted(name),
            quoted(kind.word()),
            quoted(one.file),
        );
        for other in one.snapshot.namespaces.iter().skip(1).filter(|n| n.tracks == Some(true)) {
            if let Some(other) = &other.name {
                let _ = writeln!(
                    text,
                    "# Its namespace {} tracks connections, too: `namespace = …` in a hop of its own.",
                    quoted(other)
                );
            }
        }
    }
    if names.len() > 1 {
        let hops: Vec<String> = names.iter().map(|name| quoted(name)).collect();
        let _ = write!(
            text,
            "\n[[path]]\nname = \"first\"\nhops = [{}] # from who opens to who accepts\n\
             # protocol = \"grpc\"\n# use = \"stream\" # or \"requests\"\n# silent_s = 3600\n\n\
             # [[path.keepalive]]\n# kind = \"tcp\" # or \"http2-ping\", \"heartbeat\"\n# every_s = 60\n",
            hops.join(", "),
        );
    }
    text
}

/// A basic string (TOML 1.0).
fn quoted(text: &str) -> String {
    let mut quoted = String::from("\"");
    for c in text.chars() {
        match c {
            '"' | '\\' => quoted.extend(['\\', c]),
            c if c.is_control() => {
                let _ = write!(quoted, "\\u{:04X}", u32::from(c));
            }
            c => quoted.push(c),
        }
    }
    quoted.push('"');
    quoted
}

/// The hosts' names, made different where two are alike.
fn names(taken: &[Taken<'_>]) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    for one in taken {
        let host = &one.snapshot.host;
        let alike =
            names.iter().filter(|n| *n == host || n.starts_with(&format!("{host}-"))).count();
        let free = |n: &usize| !names.contains(&format!("{host}-{n}"));
        let name = match alike {
            0 => host.clone(),
            _ => (2..).find(free).map_or_else(|| host.clone(), |n| format!("{host}-{n}")),
        };
        names.push(name);
    }
    names
}

fn kinds(taken: &[Taken<'_>]) -> Vec<(Kind, String)> {
    let last = taken.len().saturating_sub(1);
    taken.iter().enumerate().map(|(i, one)| kind(one.snapshot, (i, last))).collect()
}

/// What a host seems to be. The first and the last a person named are the ends, unless they
/// forward.
fn kind(snapshot: &Snapshot, (at, last): (usize, usize)) -> (Kind, String) {
    let own = snapshot.namespaces.first();
    let all = |wanted: fn(&Namespace) -> bool| own.is_some_and(wanted);
    if let Some(program) = snapshot.programs.first() {
        if at != last || at == 0 {
            return (Kind::Proxy, format!("{} runs", program.name));
        }
        return (Kind::Server, format!("named last; {} runs", program.name));
    }
    if all(|n| n.forwards && n.translates == Some(true)) {
        return (Kind::Nat, "it forwards and translates".to_owned());
    }
    if all(|n| n.forwards && n.tracks == Some(true)) && at != 0 && at != last {
        return (Kind::Firewall, "it forwards and tracks".to_owned());
    }
    match at {
        0 => (Kind::Client, "named first".to_owned()),
        _ if at == last => (Kind::Server, "named last".to_owned()),
        _ => (Kind::Router, "named between".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::map::inventory::Inventory;

    fn snapshot(host: &str, forwards: bool, translates: Option<bool>) -> Snapshot {
        let namespace =
            Namespace { forwards, translates, tracks: Some(forwards), ..Namespace::default() };
        Snapshot {
            schema: super::super::snapshot::SCHEMA.to_owned(),
            at_ns: 0,
            host: host.to_owned(),
            kernel: None,
            namespaces: vec![namespace],
            programs: Vec::new(),
            missing: Vec::new(),
        }
    }

    #[test]
    fn a_first_file_can_be_read_and_keeps_odd_names() {
        let odd = "we\"ird\\\u{1b}";
        let all = [
            snapshot("app", false, None),
            snapshot(odd, true, Some(true)),
            snapshot("app", false, None),
        ];
        let files = ["a.json", "b\"c.json", "d.json"];
        let taken: Vec<Taken<'_>> =
            files.iter().zip(&all).map(|(file, snapshot)| Taken { file, snapshot }).collect();
        let read = Inventory::read(&init(&taken)).unwrap();
        let hops: Vec<(&str, Kind)> = read.hops.iter().map(|h| (h.name.as_str(), h.kind)).collect();
        assert_eq!(hops, [("app", Kind::Client), (odd, Kind::Nat), ("app-2", Kind::Server)]);
        let snapshots: Vec<&str> = read.hops.iter().filter_map(|h| h.snapshot.as_deref()).collect();
        assert_eq!(snapshots, files);
        assert_eq!(read.paths.first().map(|p| p.hops.len()), Some(3));
    }
}
