//! A host's clocks at one moment: what its kernel keeps in each network namespace, and what is set
//! in the configuration of the programs that run.
//!
//! It reads and changes nothing; what that may load is told in [`crate::gather`]. What this user
//! may not have is one line of what is missing, and the rest is there. Nothing is taken along but
//! settings, rules about state, counts, and addresses of links.

mod files;
mod namespaces;
mod network;
mod programs;

use hopclock_core::clocks::Catalogue;
use hopclock_core::map::snapshot::{Missing, SCHEMA, Snapshot};

use crate::{clock, gather, kernel};

/// A snapshot, and what would have made it fuller.
#[derive(Clone, Debug)]
pub struct Taken {
    /// What was found.
    pub snapshot: Snapshot,
    /// Whether something is missing that a privilege would have given.
    pub refused: bool,
}

impl Taken {
    /// Whether nothing at all was found.
    pub fn is_empty(&self) -> bool {
        let snapshot = &self.snapshot;
        let of = |n: &hopclock_core::map::snapshot::Namespace| {
            n.settings.is_empty() && n.interfaces.is_empty() && n.sockets.is_none()
        };
        snapshot.namespaces.iter().all(of) && snapshot.programs.is_empty()
    }
}

/// Lines about what is missing, each once.
#[derive(Debug, Default)]
struct Lacks {
    lines: Vec<Missing>,
    refused: bool,
}

impl Lacks {
    fn add(&mut self, what: impl Into<String>, why: impl Into<String>, privilege: bool) {
        let line = Missing { what: what.into(), why: why.into() };
        self.refused |= privilege;
        if !self.lines.contains(&line) {
            self.lines.push(line);
        }
    }

    fn take(&mut self, missing: gather::Missing) {
        self.add(missing.what, missing.why, missing.privilege);
    }

    fn join(&mut self, other: Lacks) {
        self.refused |= other.refused;
        for line in other.lines {
            self.add(line.what, line.why, false);
        }
    }
}

/// Looks at everything. `host` is what to call it, where it is not to be called what it calls
/// itself.
pub fn take(host: Option<&str>, catalogue: &Catalogue) -> Taken {
    let at = clock::now();
    let mut lacks = Lacks::default();
    let all = namespaces::find(&mut lacks);
    let mut namespaces = vec![network::look(None, all.own, catalogue, &mut lacks)];
    let mut closed: Vec<String> = Vec::new();
    for other in all.others {
        let mut own = Lacks::default();
        let name = other.name.as_str();
        let looked =
            other.held.run(|| network::look(Some(name), other.number, catalogue, &mut own));
        match looked {
            Ok(namespace) => namespaces.push(namespace),
            Err(_) => closed.push(other.name),
        }
        lacks.join(own);
    }
    if !closed.is_empty() {
        let names = closed.get(..10).unwrap_or(&closed).join(", ");
        let more = if closed.len() > 10 { " and more" } else { "" };
        let what = format!("{} other network namespaces ({names}{more})", closed.len());
        lacks.add(what, "entering them needs root", true);
    }
    let programs = programs::read(catalogue, &mut lacks);
    let host = host.map(str::to_owned).or_else(gather::host_name);
    let release = kernel::release();
    let snapshot = Snapshot {
        schema: SCHEMA.to_owned(),
        at_ns: at.ns(),
        host: host.unwrap_or_else(|| "unnamed".to_owned()),
        kernel: Some(release).filter(|release| !release.is_empty()),
        namespaces,
        programs,
        missing: lacks.lines,
    };
    Taken { snapshot, refused: lacks.refused }
}
