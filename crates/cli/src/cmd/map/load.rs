//! From files to maps: a `hops.toml` with the snapshots it names, or snapshots alone.

use crate::args::OwnClocks;
use crate::cmd::clocks::add_own;
use crate::exit::Trouble;
use hopclock_core::clocks::Catalogue;
use hopclock_core::map::inventory::{self, Hop, Inventory, Kind};
use hopclock_core::map::job::Jobs;
use hopclock_core::map::settle::{Map, Sources};
use hopclock_core::map::snapshot::{self, Snapshot};
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

/// What a map is put together with.
pub struct Tables {
    catalogue: Catalogue,
    jobs: Jobs,
}

/// A map's files, before it is settled.
struct Read {
    inventory: Inventory,
    snapshots: BTreeMap<String, Snapshot>,
    notes: Vec<String>,
}

/// Reads one snapshot.
///
/// # Errors
///
/// One sentence with the file's name.
pub fn snapshot(path: &Path) -> Result<Snapshot, String> {
    let name = path.display();
    let text = fs::read_to_string(path).map_err(|error| format!("{name}: {error}"))?;
    parse(&text).map_err(|why| format!("{name}: {why}"))
}

fn parse(text: &str) -> Result<Snapshot, String> {
    let read: Snapshot =
        serde_json::from_str(text).map_err(|error| format!("not a snapshot: {error}"))?;
    if read.schema == snapshot::SCHEMA {
        Ok(read)
    } else {
        Err(format!("the schema is {:?}; this hopclock reads {:?}", read.schema, snapshot::SCHEMA))
    }
}

impl Tables {
    /// The catalogue with the site's own timers.
    ///
    /// # Errors
    ///
    /// As `--clocks` has them.
    pub fn new(own: &OwnClocks) -> Result<Self, Trouble> {
        let mut catalogue = Catalogue::builtin().map_err(Trouble::Broken)?;
        add_own(&mut catalogue, own)?;
        Ok(Self { catalogue, jobs: Jobs::builtin().map_err(Trouble::Broken)? })
    }

    /// The map of a `hops.toml`.
    ///
    /// # Errors
    ///
    /// When it cannot be read, or means nothing.
    pub fn map(&self, path: &Path) -> Result<Map, Trouble> {
        Ok(self.settled(&hops(path)?))
    }

    /// Two maps to be held against each other.
    ///
    /// # Errors
    ///
    /// When a file cannot be read, or a snapshot belongs to no hop of the map beside it.
    pub fn both(&self, before: &Path, after: &[std::path::PathBuf]) -> Result<(Map, Map), Trouble> {
        let [first, more @ ..] = after else {
            return Err(Trouble::Usage("nothing to compare with".to_owned()));
        };
        match (is_snapshot(before), is_snapshot(first)) {
            (false, false) if more.is_empty() => Ok((self.map(before)?, self.map(first)?)),
            (true, true) if more.is_empty() => {
                let (was, is) = (snapshot(before), snapshot(first));
                let (was, is) = (was.map_err(unreadable)?, is.map_err(unreadable)?);
                // One host under one name, or two that are to be alike.
                let name = was.host.clone();
                Ok((self.alone(&name, was), self.alone(&name, is)))
            }
            (false, true) => {
                let read = hops(before)?;
                let now = replaced(&read, after)?;
                Ok((self.settled(&read), self.settled(&now)))
            }
            _ => {
                let why = "compare two maps, two snapshots, or a map with snapshots of its hosts";
                Err(Trouble::Usage(why.to_owned()))
            }
        }
    }

    fn settled(&self, read: &Read) -> Map {
        let mut map = Map::settle(Sources {
            inventory: &read.inventory,
            snapshots: &read.snapshots,
            catalogue: &self.catalogue,
            jobs: &self.jobs,
        });
        map.notes.retain(|note| !note.contains("could not be read"));
        map.notes.splice(0..0, read.notes.iter().cloned());
        map
    }

    /// A host by itself: each of its namespaces that has a timer is a hop.
    fn alone(&self, name: &str, snapshot: Snapshot) -> Map {
        let hops = snapshot.namespaces.iter().enumerate().map(|(i, namespace)| Hop {
            name: match &namespace.name {
                Some(own) if i > 0 => format!("{name}/{own}"),
                _ => name.to_owned(),
            },
            kind: Kind::Router,
            snapshot: Some(String::new()),
            namespace: namespace.name.clone(),
            catalogue: Vec::new(),
            ends_tcp: None,
            pair: None,
            ping_at_least_s: None,
            timers: Vec::new(),
        });
        let inventory = Inventory {
            schema: inventory::SCHEMA.to_owned(),
            hops: hops.collect(),
            ..Inventory::default()
        };
        let snapshots = BTreeMap::from([(String::new(), snapshot)]);
        self.settled(&Read { inventory, snapshots, notes: Vec::new() })
    }
}

fn unreadable(why: String) -> Trouble {
    Trouble::NoInput { why: vec![why], hint: None }
}

/// A snapshot is JSON and begins so; anything else is taken for a map and told if it is none.
fn is_snapshot(path: &Path) -> bool {
    let text = fs::read_to_string(path).unwrap_or_default();
    text.trim_start().starts_with('{')
}

/// Reads a map's file and the snapshots it names; one that cannot be read becomes a note.
fn hops(path: &Path) -> Result<Read, Trouble> {
    let name = path.display();
    let text = fs::read_to_string(path).map_err(|error| unreadable(format!("{name}: {error}")))?;
    let inventory = Inventory::read(&text).map_err(|wrong| Trouble::NoInput {
        why: wrong.into_iter().map(|wrong| format!("{name}: {}", wrong.0)).collect(),
        hint: Some("hopclock map schema prints the form; docs/map.md explains it".to_owned()),
    })?;
    let folder = path.parent().unwrap_or(Path::new(""));
    let mut read = Read { inventory, snapshots: BTreeMap::new(), notes: Vec::new() };
    for hop in &read.inventory.hops {
        let Some(file) = &hop.snapshot else { continue };
        match snapshot(&folder.join(file)) {
            Ok(snapshot) => drop(read.snapshots.insert(file.clone(), snapshot)),
            Err(why) => read.notes.push(format!("hop {:?}: {why}", hop.name)),
        }
    }
    Ok(read)
}

/// The same map with newer snapshots in the places of those of the same hosts.
fn replaced(read: &Read, files: &[std::path::PathBuf]) -> Result<Read, Trouble> {
    let mut snapshots = read.snapshots.clone();
    for file in files {
        let new = snapshot(file).map_err(unreadable)?;
        let same: Vec<String> = read
            .snapshots
            .iter()
            .filter(|(_, old)| old.host == new.host)
            .map(|(name, _)| name.clone())
            .collect();
        if same.is_empty() {
            let hosts: Vec<&str> = read.snapshots.values().map(|s| s.host.as_str()).collect();
            return Err(Trouble::Usage(format!(
                "{} is of {}, and the map has snapshots of: {}",
                file.display(),
                new.host,
                hosts.join(", ")
            )));
        }
        for name in same {
            snapshots.insert(name, new.clone());
        }
    }
    Ok(Read { inventory: read.inventory.clone(), snapshots, notes: read.notes.clone() })
}
