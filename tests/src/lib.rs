//! Helpers shared by the tests of this package: where things are, what is skipped, how the built
//! binary is run, how a document is held against its schema.
//!
//! Nothing here judges hopclock: the tests do. What fails here is the surroundings (no cargo, no
//! schema of that name), and it fails by panicking, since only tests call it.
#![expect(clippy::panic, reason = "a helper of tests fails the test that called it")]

pub mod command;
pub mod evidence;
pub mod examples;
pub mod foretold;
pub mod fuzz;
pub mod judge;
pub mod many;
pub mod packets;
pub mod quarrel;
pub mod rhythm_clockless;
pub mod rhythm_controls;
pub mod rhythm_rivals;
pub mod rhythm_study;
pub mod rhythm_tables;
pub mod rhythm_truth;
pub mod schema;
pub mod score;
pub mod snapshot;

use std::env;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

/// The repository's root.
pub fn repo() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap_or(Path::new("."))
}

/// A new empty folder for one test, below cargo's own folder for such things. The caller removes
/// it.
pub fn scratch(topic: &str) -> PathBuf {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    let folder = env::temp_dir().join(format!("hopclock-{topic}-{}-{count}", std::process::id()));
    match std::fs::create_dir_all(&folder) {
        Ok(()) => folder,
        Err(error) => panic!("{}: {error}", folder.display()),
    }
}

/// Tells that `test` is skipped and why; panics instead when `HOPCLOCK_NO_SKIP` is 1.
///
/// Written past the test harness's capture, so that the line is seen though the test passes.
pub fn skip(test: &str, why: &str) {
    if env::var_os("HOPCLOCK_NO_SKIP").is_some_and(|v| v == "1") {
        panic!("skipped: {test}: {why}; HOPCLOCK_NO_SKIP forbids it");
    }
    // A closed standard error is no reason to fail a test that passes.
    let _ = writeln!(std::io::stderr(), "skipped: {test}: {why}");
}

/// The folder of material kept outside the repository, from `HOPCLOCK_MATERIAL` (a relative path
/// counts from the repository's root); `None`, told by [`skip`], when that is not set.
///
/// Set to something that is not a folder it panics: that is a mistake, not a choice.
pub fn material(test: &str) -> Option<PathBuf> {
    let Some(set) = env::var_os("HOPCLOCK_MATERIAL").filter(|v| !v.is_empty()) else {
        skip(test, "HOPCLOCK_MATERIAL is not set");
        return None;
    };
    let folder = repo().join(&set);
    assert!(folder.is_dir(), "HOPCLOCK_MATERIAL is {set:?}, and that is not a folder");
    Some(folder)
}

/// Where a program that serves as an oracle is; `None`, told by [`skip`], when it is not here.
pub fn tool(test: &str, name: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    let found = env::split_paths(&path)
        // A plain user's PATH often lacks these, and `ip`, `nft` and `conntrack` live there.
        .chain(["/usr/sbin", "/sbin"].map(PathBuf::from))
        .map(|folder| folder.join(name))
        .find(|candidate| candidate.is_file());
    if found.is_none() {
        skip(test, &format!("{name} is not installed"));
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_root_is_the_folder_with_the_lock_file() {
        assert!(repo().join("Cargo.lock").is_file());
    }
}
