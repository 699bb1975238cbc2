//! Programs that scenarios use and are not the lab's own: where they are looked for, and what
//! brings them. Nothing is installed and no service of the machine is touched.

use std::path::{Path, PathBuf};

/// A program and what it comes with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tool {
    /// As it is called.
    pub program: &'static str,
    /// The package that brings it.
    pub package: &'static str,
    comes: Comes,
}

/// How it comes onto a machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Comes {
    /// With a package of the distribution, as a program.
    Installed,
    /// With a package of the distribution, as this file.
    File(&'static str),
    /// Built from this project, beside the program that runs.
    Built,
}

/// Where programs of administrators and users are; a user's own path may lack the first half.
const FOLDERS: [&str; 6] =
    ["/usr/sbin", "/sbin", "/usr/bin", "/bin", "/usr/local/sbin", "/usr/local/bin"];
/// Debian keeps the programs of each major version of PostgreSQL apart.
const POSTGRESQL: &str = "/usr/lib/postgresql";

/// Folders in which programs are looked for, as `PATH` has them; those of the path that was given
/// come last.
pub(crate) fn search_path() -> String {
    let mut folders: Vec<PathBuf> = FOLDERS.iter().map(PathBuf::from).collect();
    let versions = std::fs::read_dir(POSTGRESQL).into_iter().flatten().flatten();
    let mut versions: Vec<PathBuf> = versions.map(|v| v.path().join("bin")).collect();
    versions.sort();
    folders.extend(versions.into_iter().rev());
    folders.extend(std::env::current_exe().ok().and_then(|own| Some(own.parent()?.to_owned())));
    let given = std::env::var_os("PATH").unwrap_or_default();
    folders.extend(std::env::split_paths(&given).filter(|folder| folder.is_absolute()));
    let told: Vec<String> = folders.iter().map(|f| f.display().to_string()).collect();
    told.join(":")
}

impl Tool {
    /// A program of the distribution.
    pub const fn installed(program: &'static str, package: &'static str) -> Self {
        Self { program, package, comes: Comes::Installed }
    }

    /// Something of the distribution that is no program: it is there when this file is.
    pub(crate) const fn file(
        program: &'static str,
        package: &'static str,
        path: &'static str,
    ) -> Self {
        Self { program, package, comes: Comes::File(path) }
    }

    /// A program of this project that is built apart.
    pub(crate) const fn built(program: &'static str) -> Self {
        Self { program, package: program, comes: Comes::Built }
    }

    /// Whether the machine has it.
    pub fn is_there(&self) -> bool {
        match self.comes {
            Comes::File(path) => Path::new(path).is_file(),
            Comes::Installed | Comes::Built => {
                let path = search_path();
                path.split(':').any(|folder| Path::new(folder).join(self.program).is_file())
            }
        }
    }

    /// What is to be done where it is not there, in one sentence.
    pub(crate) fn lacking(&self) -> String {
        let Self { program, package, .. } = self;
        match self.comes {
            Comes::Installed => {
                format!("the program {program} is not installed (package {package})")
            }
            Comes::File(_) => format!("{program} is not installed (package {package})"),
            Comes::Built => format!(
                "the program {program} is not beside hopclock nor on the path: `cargo build -p \
                 {package}`, with --release beside a release build, makes it"
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shell_is_found_and_a_program_nobody_has_is_not() {
        assert!(Tool::installed("sh", "dash").is_there());
        assert!(!Tool::installed("no-such-program", "none").is_there());
        assert!(Tool::file("a list of users", "base-passwd", "/etc/passwd").is_there());
        assert!(!Tool::file("nothing", "none", "/etc/no-such-file").is_there());
    }

    #[test]
    fn what_is_built_apart_is_found_beside_this_program_and_missed_with_its_command() {
        let own = std::env::current_exe().unwrap();
        let name = own.file_name().unwrap().to_str().unwrap().to_owned().leak();
        assert!(Tool::built(name).is_there());
        assert!(
            Tool::built("no-such-program").lacking().contains("cargo build -p no-such-program")
        );
    }
}
