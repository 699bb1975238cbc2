//! Programs of the distribution that scenarios use: where they are looked for, and which package
//! brings them. Nothing is installed and no service of the machine is touched.

use std::path::{Path, PathBuf};

/// A program and the Debian package it comes with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tool {
    /// As it is called.
    pub program: &'static str,
    /// The package that brings it.
    pub package: &'static str,
}

/// Where programs of administrators and users are; a user's own path may lack the first half.
const FOLDERS: [&str; 6] =
    ["/usr/sbin", "/sbin", "/usr/bin", "/bin", "/usr/local/sbin", "/usr/local/bin"];
/// Debian keeps the programs of each major version of PostgreSQL apart.
const POSTGRESQL: &str = "/usr/lib/postgresql";

/// Folders in which programs are looked for, as `PATH` has them.
pub(crate) fn search_path() -> String {
    let mut folders: Vec<PathBuf> = FOLDERS.iter().map(PathBuf::from).collect();
    let versions = std::fs::read_dir(POSTGRESQL).into_iter().flatten().flatten();
    let mut versions: Vec<PathBuf> = versions.map(|v| v.path().join("bin")).collect();
    versions.sort();
    folders.extend(versions.into_iter().rev());
    let told: Vec<String> = folders.iter().map(|f| f.display().to_string()).collect();
    told.join(":")
}

impl Tool {
    /// Whether the machine has it.
    pub fn is_there(&self) -> bool {
        search_path().split(':').any(|folder| Path::new(folder).join(self.program).is_file())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shell_is_found_and_a_program_nobody_has_is_not() {
        assert!(Tool { program: "sh", package: "dash" }.is_there());
        assert!(!Tool { program: "no-such-program", package: "none" }.is_there());
    }
}
