//! The network namespaces of this host, as far as they show: those with a name, and those some
//! process is in.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::Lacks;
use crate::namespace::Namespace;

/// More namespaces than this are not entered.
const NAMESPACES_MAX: usize = 256;
/// Folders in which `ip netns` and Docker give them names.
const NAMED: [&str; 2] = ["/run/netns", "/run/docker/netns"];

/// What there is.
pub(super) struct All {
    /// The number of the calling thread's own; 0 where it could not be told.
    pub(super) own: u64,
    /// All others, those with a name first.
    pub(super) others: Vec<Other>,
}

/// Another namespace.
pub(super) struct Other {
    pub(super) name: String,
    pub(super) number: u64,
    pub(super) held: Namespace,
}

pub(super) fn find(lacks: &mut Lacks) -> All {
    let own = Namespace::current().and_then(|own| own.number()).unwrap_or(0);
    let mut seen: BTreeMap<u64, ()> = BTreeMap::from([(own, ())]);
    let mut others = Vec::new();
    let (mut hidden, mut more) = (0_usize, 0_usize);
    let mut add = |name: String, path: &Path| {
        if others.len() >= NAMESPACES_MAX {
            more += 1;
            return;
        }
        if let Ok(held) = Namespace::open(path)
            && let Ok(number) = held.number()
            && seen.insert(number, ()).is_none()
        {
            others.push(Other { name, number, held });
        }
    };
    for path in NAMED.iter().flat_map(|folder| inside(Path::new(folder))) {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        add(name, &path);
    }
    let mut numbers: BTreeMap<u64, u32> = BTreeMap::new();
    for pid in processes() {
        match fs::metadata(format!("/proc/{pid}/ns/net")) {
            Ok(about) => drop(numbers.entry(about.ino()).or_insert(pid)),
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => hidden += 1,
            // It ended meanwhile.
            Err(_) => {}
        }
    }
    numbers.remove(&own);
    let mut firsts: Vec<u32> = numbers.into_values().collect();
    firsts.sort_unstable();
    for pid in firsts {
        add(comm(pid), Path::new(&format!("/proc/{pid}/ns/net")));
    }
    if hidden > 0 {
        let what = "network namespaces of other users' programs";
        lacks.add(what, "this user may not look; root may, as a rule", true);
    }
    if more > 0 {
        let why = format!("no more than {NAMESPACES_MAX} are looked into");
        lacks.add(format!("{more} more network namespaces"), why, false);
    }
    All { own, others }
}

/// Numbers of processes, the oldest first as a rule.
pub(super) fn processes() -> Vec<u32> {
    let number = |path: PathBuf| path.file_name()?.to_string_lossy().parse().ok();
    let mut all: Vec<u32> = inside(Path::new("/proc")).into_iter().filter_map(number).collect();
    all.sort_unstable();
    all
}

/// What a process calls itself.
pub(super) fn comm(pid: u32) -> String {
    fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default().trim_end().to_owned()
}

/// What is in a folder, by name.
fn inside(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let mut all: Vec<PathBuf> = entries.map(|entry| entry.path()).collect();
    all.sort();
    all
}
