//! The evidence folder of a run: written beside its final name while the run goes on, given that
//! name when it is whole.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use hopclock_core::dump::header::stamp;
use hopclock_live::gather::Piece;

use crate::trouble::{Doing, Trouble};

/// Ends the name of a folder that is not whole yet; in front of it stands the process's number.
const UNFINISHED: &str = ".part";

/// Where a run keeps what is no evidence.
const SCRATCH: &str = "scratch";

/// Where a file is from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// `client/`.
    Client,
    /// `hop-egress-1/`.
    Hop,
    /// `server/`.
    Server,
}

impl Place {
    /// Name of the sub-folder.
    pub(crate) const fn folder(self) -> &'static str {
        match self {
            Self::Client => "client",
            Self::Hop => "hop-egress-1",
            Self::Server => "server",
        }
    }

    /// The contract's role.
    const fn role(self) -> &'static str {
        match self {
            Self::Client => "client",
            Self::Hop => "hop",
            Self::Server => "server",
        }
    }

    /// Name of the machine.
    pub(crate) const fn host(self) -> &'static str {
        match self {
            Self::Client => "app-1",
            Self::Hop => "egress-1",
            Self::Server => "upstream-1",
        }
    }
}

/// A folder being filled.
#[derive(Debug)]
pub(crate) struct Folder {
    path: PathBuf,
    finally: PathBuf,
    manifest: String,
}

impl Folder {
    /// Begins the folder that will be `finally`.
    pub(crate) fn begin(finally: &Path) -> Result<Self, Trouble> {
        let name = finally.file_name().unwrap_or_default().to_string_lossy();
        let path = finally.with_file_name(format!("{name}.{}{UNFINISHED}", std::process::id()));
        for place in [Place::Client, Place::Hop, Place::Server] {
            let sub = path.join(place.folder());
            fs::create_dir_all(&sub).doing(|| format!("making {}", sub.display()))?;
        }
        let manifest = "schema = \"hopclock.evidence/1\"\n".to_owned();
        Ok(Self { path, finally: finally.to_owned(), manifest })
    }

    /// A path in the folder, for a file that grows, and its row in the manifest.
    pub(crate) fn file(&mut self, place: Place, name: &str) -> PathBuf {
        self.row(place, name, None);
        self.path.join(place.folder()).join(name)
    }

    /// Adds a dump as `name`, with the line that says where it is from.
    pub(crate) fn dump(&mut self, place: Place, name: &str, piece: &Piece) -> Result<(), Trouble> {
        self.row(place, name, Some(piece));
        let mut text = format!(
            "# hopclock host={} role={} at={} cmd={:?}\n",
            place.host(),
            place.role(),
            stamp(piece.at),
            piece.command
        )
        .into_bytes();
        text.extend(&piece.bytes);
        let path = self.path.join(place.folder()).join(name);
        fs::write(&path, text).doing(|| format!("writing {}", path.display()))
    }

    /// A folder in it for what is no evidence; gone when it is finished.
    pub(crate) fn scratch(&self) -> Result<PathBuf, Trouble> {
        let path = self.path.join(SCRATCH);
        fs::create_dir_all(&path).doing(|| format!("making {}", path.display()))?;
        Ok(path)
    }

    /// Reads back what was written.
    pub(crate) fn read(&self, place: Place, name: &str) -> Result<Vec<u8>, Trouble> {
        let path = self.path.join(place.folder()).join(name);
        fs::read(&path).doing(|| format!("reading {}", path.display()))
    }

    /// Writes the manifest and the truth, and gives the folder its name. One of that name that is
    /// there from an earlier run of the same seed is replaced.
    pub(crate) fn finish(self, truth: &serde_json::Value) -> Result<PathBuf, Trouble> {
        let told = serde_json::to_string_pretty(truth).unwrap_or_default() + "\n";
        let written = fs::write(self.path.join("evidence.toml"), &self.manifest)
            .and_then(|()| fs::write(self.path.join("truth.json"), told))
            .and_then(|()| remove_if_there(&self.path.join(SCRATCH)))
            .and_then(|()| remove_if_there(&self.finally))
            .and_then(|()| fs::rename(&self.path, &self.finally));
        written.doing(|| format!("finishing {}", self.finally.display()))?;
        Ok(self.finally.clone())
    }

    fn row(&mut self, place: Place, name: &str, piece: Option<&Piece>) {
        let mut row = format!(
            "\n[[file]]\npath = \"{}/{name}\"\nhost = \"{}\"\nrole = \"{}\"\n",
            place.folder(),
            place.host(),
            place.role()
        );
        if let Some(piece) = piece {
            row += &format!("taken_at = \"{}\"\ncommand = {:?}\n", stamp(piece.at), piece.command);
        }
        self.manifest += &row;
    }
}

impl Drop for Folder {
    /// What is not whole is worth nothing.
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.path);
    }
}

fn remove_if_there(path: &Path) -> io::Result<()> {
    match fs::remove_dir_all(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// Removes from `folder` what runs left behind that were killed: folders that are not whole and
/// whose process is gone. Returns them. Namespaces, links and rules end with their process and need
/// no cleaning.
///
/// # Errors
///
/// Where the folder cannot be read or something in it not be removed.
pub fn clean(folder: &Path, told: &mut dyn Write) -> io::Result<usize> {
    let mut removed = 0;
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(0),
        Err(error) => return Err(error),
    };
    for entry in entries {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let Some(process) = name.strip_suffix(UNFINISHED).and_then(|n| n.rsplit('.').next()) else {
            continue;
        };
        let is_number = !process.is_empty() && process.bytes().all(|b| b.is_ascii_digit());
        if is_number && !Path::new("/proc").join(process).exists() {
            fs::remove_dir_all(&path)?;
            writeln!(told, "removed {}", path.display())?;
            removed += 1;
        }
    }
    Ok(removed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_a_dead_process_left_is_removed() {
        let root = std::env::temp_dir().join(format!("hopclock-clean-{}", std::process::id()));
        let alive = format!("flush-1.{}.part", std::process::id());
        // The largest number a process can have here is below this.
        let dead = "flush-2.99999999.part";
        for name in [alive.as_str(), dead, "flush-3", "notes.part"] {
            fs::create_dir_all(root.join(name)).unwrap();
        }
        let mut told = Vec::new();
        assert_eq!(clean(&root, &mut told).unwrap(), 1);
        assert!(!root.join(dead).exists());
        assert!(root.join(&alive).exists() && root.join("flush-3").exists());
        assert!(root.join("notes.part").exists());
        fs::remove_dir_all(&root).unwrap();
    }
}
