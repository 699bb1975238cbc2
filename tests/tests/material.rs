//! The folder of material that tests are tried on, when there is one.

use std::path::PathBuf;

/// The folder named by `HOPCLOCK_MATERIAL`.
///
/// Without it the test called `name` says so and is skipped, unless `HOPCLOCK_NO_SKIP` is `1`.
#[expect(clippy::print_stderr, reason = "a skipped test says so where a person looks")]
pub(crate) fn folder(name: &str) -> Option<PathBuf> {
    if let Some(folder) = std::env::var_os("HOPCLOCK_MATERIAL") {
        return Some(folder.into());
    }
    let must = std::env::var_os("HOPCLOCK_NO_SKIP").is_some_and(|v| v == "1");
    assert!(!must, "{name}: HOPCLOCK_MATERIAL is not set");
    eprintln!("skipped: {name}: HOPCLOCK_MATERIAL is not set");
    None
}
