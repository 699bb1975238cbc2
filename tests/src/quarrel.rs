//! Differences with an oracle that have a reason, from `quarrels.toml`.

use crate::repo;
use serde::Deserialize;
use std::collections::BTreeSet;
use std::fs;

/// One difference and its reason.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Quarrel {
    /// Who differs.
    pub oracle: String,
    /// The capture it is about.
    pub file: Option<String>,
    /// The connection there: both ends, a space between.
    pub connection: Option<String>,
    /// Or the made case.
    pub case: Option<String>,
    /// Why hopclock is not changed.
    pub reason: String,
}

#[derive(Deserialize)]
struct File {
    quarrel: Vec<Quarrel>,
}

/// The quarrels of one kind, and which of them were needed.
#[derive(Debug)]
pub struct Quarrels {
    known: Vec<Quarrel>,
    used: BTreeSet<usize>,
}

impl Quarrels {
    /// Those that `wanted` picks; panics when the list cannot be read or gives no reason.
    pub fn load(wanted: impl Fn(&Quarrel) -> bool) -> Self {
        let path = repo().join("tests/quarrels.toml");
        let text = match fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) => panic!("{}: {error}", path.display()),
        };
        let file: File = match toml::from_str(&text) {
            Ok(file) => file,
            Err(error) => panic!("{}: {error}", path.display()),
        };
        for quarrel in &file.quarrel {
            assert!(quarrel.reason.len() > 20, "a quarrel needs a reason: {quarrel:?}");
        }
        Self { known: file.quarrel.into_iter().filter(wanted).collect(), used: BTreeSet::new() }
    }

    /// True when a quarrel explains the difference `fits` looks for; it counts as used.
    pub fn explain(&mut self, fits: impl Fn(&Quarrel) -> bool) -> bool {
        let found = self.known.iter().position(fits);
        self.used.extend(found);
        found.is_some()
    }

    /// True when there is such a quarrel; it does not count as used.
    pub fn knows(&self, fits: impl Fn(&Quarrel) -> bool) -> bool {
        self.known.iter().any(fits)
    }

    /// Panics when some explanation was never needed.
    pub fn settle(&self) {
        for (at, quarrel) in self.known.iter().enumerate() {
            assert!(self.used.contains(&at), "no longer needed: {quarrel:#?}");
        }
    }
}
