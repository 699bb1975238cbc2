//! Files as another process sees them: below its own root, wherever links in it point.
//!
//! What a container's files lead to is looked for in the container alone (`openat2` with
//! `RESOLVE_IN_ROOT`): a link to `/etc/shadow` in it is its own. Only plain files are read, and no
//! more of them than a configuration has.

use std::fs::{self, File};
use std::io::{self, Read};
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::{Component, Path, PathBuf};

use hopclock_core::dump::config::{self, glob};
use nix::errno::Errno;
use nix::fcntl::{OFlag, OpenHow, ResolveFlag, open, openat2};
use nix::sys::stat::Mode;

/// No file of a configuration is longer.
const FILE_MAX: u64 = 4 << 20;
/// Nor are all of one program.
const ALL_MAX: u64 = 64 << 20;
/// Files that one pattern is taken to mean.
const MATCHES_MAX: usize = config::FILES_MAX;
/// A program's own file is looked through for its version no further.
const PROGRAM_MAX: u64 = 64 << 20;

/// The root of a process, and what may still be read below it.
pub(super) struct Root {
    dir: OwnedFd,
    /// For kernels without `openat2` (before 5.6).
    path: PathBuf,
    left: u64,
    /// What could not be read, one sentence each.
    pub(super) notes: Vec<String>,
}

/// Why a process's files cannot be had.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum NoRoot {
    /// This user may not look, and it may have other files than are seen from here.
    Refused,
    /// It ended, or there is no `/proc`.
    Gone,
}

impl Root {
    /// The root of a process.
    pub(super) fn of(pid: u32) -> Result<Self, NoRoot> {
        match Self::at(PathBuf::from(format!("/proc/{pid}/root"))) {
            Ok(root) => Ok(root),
            // Another user's process: its files are those seen from here where both have one root.
            Err(Errno::EACCES | Errno::EPERM) if shares_root(pid) => {
                Self::own().ok_or(NoRoot::Refused)
            }
            Err(Errno::EACCES | Errno::EPERM) => Err(NoRoot::Refused),
            Err(_) => Err(NoRoot::Gone),
        }
    }

    /// The root hopclock has.
    pub(super) fn own() -> Option<Self> {
        Self::at(PathBuf::from("/")).ok()
    }

    fn at(path: PathBuf) -> Result<Self, Errno> {
        let flags = OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
        let dir = open(&path, flags, Mode::empty())?;
        Ok(Self { dir, path, left: ALL_MAX, notes: Vec::new() })
    }

    /// A handle that reads nothing yet.
    fn handle(&self, path: &Path) -> io::Result<File> {
        let flags = OFlag::O_PATH | OFlag::O_CLOEXEC;
        let how = OpenHow::new()
            .flags(flags)
            .resolve(ResolveFlag::RESOLVE_IN_ROOT | ResolveFlag::RESOLVE_NO_MAGICLINKS);
        let held = match openat2(&self.dir, path, how) {
            Err(Errno::ENOSYS) => open(&self.plainly(path), flags, Mode::empty()),
            other => other,
        };
        Ok(File::from(held?))
    }

    fn plainly(&self, path: &Path) -> PathBuf {
        self.path.join(path.strip_prefix("/").unwrap_or(path))
    }

    fn open(&self, path: &Path) -> io::Result<File> {
        let handle = self.handle(path)?;
        if !handle.metadata()?.is_file() {
            return Err(io::Error::other("it is no plain file"));
        }
        File::open(format!("/proc/self/fd/{}", handle.as_raw_fd()))
    }

    /// A text file, or one sentence on why not.
    pub(super) fn read(&mut self, path: &Path) -> Result<config::File, (String, io::ErrorKind)> {
        let name = path.to_string_lossy().into_owned();
        let told = |why: String| (format!("{name}: {why}"), io::ErrorKind::Other);
        let refused = |error: io::Error| {
            let why = match error.kind() {
                io::ErrorKind::PermissionDenied => "this user may not read it".to_owned(),
                io::ErrorKind::NotFound => "it is not there".to_owned(),
                _ => error.to_string(),
            };
            (format!("{name}: {why}"), error.kind())
        };
        let file = self.open(path).map_err(refused)?;
        let mut bytes = Vec::new();
        file.take(FILE_MAX + 1).read_to_end(&mut bytes).map_err(refused)?;
        let length = bytes.len() as u64;
        if length > FILE_MAX {
            return Err(told(format!("it is longer than {} MiB and not read", FILE_MAX >> 20)));
        }
        if bytes.contains(&0) {
            return Err(told("it is no text".to_owned()));
        }
        self.left = match self.left.checked_sub(length) {
            Some(left) => left,
            None => return Err(told("all files together are too long; it is not read".to_owned())),
        };
        Ok(config::File { path: name, text: String::from_utf8_lossy(&bytes).into_owned() })
    }

    /// The files a path or a pattern leads to, in order of name. What cannot be read is noted.
    pub(super) fn matching(&mut self, pattern: &Path) -> Vec<config::File> {
        let paths = match glob::is_pattern(&pattern.to_string_lossy()) {
            true => self.expand(pattern),
            false => vec![pattern.to_owned()],
        };
        let mut files = Vec::new();
        for path in paths {
            match self.read(&path) {
                Ok(file) => files.push(file),
                Err((why, _)) => self.note(why),
            }
        }
        files
    }

    fn note(&mut self, says: String) {
        if self.notes.len() < 30 && !self.notes.contains(&says) {
            self.notes.push(says);
        }
    }

    /// Part by part, so that a pattern may stand in any of them.
    fn expand(&mut self, pattern: &Path) -> Vec<PathBuf> {
        let mut found = vec![PathBuf::from("/")];
        for part in pattern.components() {
            let Component::Normal(part) = part else { continue };
            let part = part.to_string_lossy();
            found = match glob::is_pattern(&part) {
                false => found.into_iter().map(|path| path.join(&*part)).collect(),
                true => {
                    let inside = |path: &PathBuf| {
                        let names = self.names(path).into_iter().filter(|n| glob::fits(&part, n));
                        names.map(|name| path.join(name)).collect::<Vec<_>>()
                    };
                    found.iter().flat_map(inside).take(MATCHES_MAX + 1).collect()
                }
            };
        }
        if found.len() > MATCHES_MAX {
            found.truncate(MATCHES_MAX);
            self.note(format!("{}: more than {MATCHES_MAX} files", pattern.display()));
        }
        found.retain(|path| self.handle(path).is_ok());
        found
    }

    /// Names in a folder, in order.
    pub(super) fn names(&self, folder: &Path) -> Vec<String> {
        let Ok(handle) = self.handle(folder) else { return Vec::new() };
        let entries = fs::read_dir(format!("/proc/self/fd/{}", handle.as_raw_fd()));
        let mut names: Vec<String> = entries
            .into_iter()
            .flatten()
            .flatten()
            .map(|entry| entry.file_name().to_string_lossy().into_owned())
            .collect();
        names.sort();
        names
    }

    /// Whether a folder is there.
    pub(super) fn is_folder(&self, path: &Path) -> bool {
        self.handle(path).and_then(|handle| handle.metadata()).is_ok_and(|about| about.is_dir())
    }

    /// A program's own bytes, to be looked through. It is never run.
    pub(super) fn program(&self, pid: u32, path: Option<&Path>) -> Vec<u8> {
        let own = File::open(format!("/proc/{pid}/exe"));
        let file = match (own, path) {
            (Ok(file), _) => file,
            (Err(_), Some(path)) => match self.open(path) {
                Ok(file) => file,
                Err(_) => return Vec::new(),
            },
            (Err(_), None) => return Vec::new(),
        };
        let mut bytes = Vec::new();
        // As much as could be read is looked through.
        drop(file.take(PROGRAM_MAX).read_to_end(&mut bytes));
        bytes
    }
}

/// Whether a process has the same file system for its root as hopclock, by what everybody may
/// know of both.
fn shares_root(pid: u32) -> bool {
    let root = |who: &str| {
        let text = fs::read_to_string(format!("/proc/{who}/mountinfo")).ok()?;
        root_of(&text).map(|(device, within)| (device.to_owned(), within.to_owned()))
    };
    let own = root("self");
    own.is_some() && own == root(&pid.to_string())
}

/// The device of the root, and what of it is the root (proc_pid_mountinfo(5)).
fn root_of(mounts: &str) -> Option<(&str, &str)> {
    let mut found = None;
    for line in mounts.lines() {
        let words: Vec<&str> = line.split(' ').collect();
        // The last one mounted lies on top.
        if let [_, _, device, within, "/", ..] = words.as_slice() {
            found = Some((*device, *within));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    fn scratch(name: &str) -> PathBuf {
        let folder =
            std::env::temp_dir().join(format!("hopclock-root-{name}-{}", std::process::id()));
        drop(fs::remove_dir_all(&folder));
        fs::create_dir_all(folder.join("etc/sites")).unwrap();
        folder
    }

    #[test]
    fn links_in_a_root_stay_in_it() {
        let folder = scratch("links");
        fs::write(folder.join("etc/a.conf"), "own").unwrap();
        symlink("/etc/a.conf", folder.join("etc/link.conf")).unwrap();
        symlink("/etc/hostname", folder.join("etc/out.conf")).unwrap();
        symlink("../../../../../../etc/hostname", folder.join("etc/up.conf")).unwrap();
        let mut root = Root::at(folder.clone()).unwrap();
        assert_eq!(root.read(Path::new("/etc/link.conf")).map(|f| f.text), Ok("own".to_owned()));
        for out in ["/etc/out.conf", "/etc/up.conf"] {
            assert!(root.read(Path::new(out)).is_err(), "{out} leads out");
        }
        fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn only_plain_texts_of_a_bearable_length_are_read() {
        let folder = scratch("plain");
        fs::write(folder.join("etc/sites/b"), "b").unwrap();
        fs::write(folder.join("etc/sites/a"), "a").unwrap();
        fs::write(folder.join("etc/sites/.hidden"), "h").unwrap();
        fs::write(folder.join("etc/binary"), b"a\0b").unwrap();
        fs::write(folder.join("etc/long"), vec![b'#'; 10 << 20]).unwrap();
        nix::unistd::mkfifo(&folder.join("etc/pipe"), Mode::S_IRWXU).unwrap();
        let mut root = Root::at(folder.clone()).unwrap();
        let read = |root: &mut Root, pattern: &str| -> Vec<String> {
            root.matching(Path::new(pattern)).into_iter().map(|file| file.path).collect()
        };
        assert_eq!(read(&mut root, "/etc/s*/*"), ["/etc/sites/a", "/etc/sites/b"]);
        assert!(root.notes.is_empty());
        for (path, why) in [
            ("/etc/binary", "no text"),
            ("/etc/long", "longer than 4 MiB"),
            ("/etc/pipe", "no plain file"),
            ("/etc/sites", "no plain file"),
            ("/etc/none", "not there"),
        ] {
            assert!(read(&mut root, path).is_empty());
            assert!(root.notes.iter().any(|n| n.contains(why)), "{why}: {:?}", root.notes);
        }
        fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn one_root_is_told_from_another() {
        let own = "22 27 0:21 / /proc rw - proc\n27 1 254:0 / / rw - ext4\n";
        let container = "9 8 0:99 / / rw - overlay\n10 9 0:21 / /proc rw - proc\n";
        assert_eq!(root_of(own), Some(("254:0", "/")));
        assert_ne!(root_of(own), root_of(container));
        assert!(shares_root(std::process::id()));
        assert!(!shares_root(u32::MAX));
    }
}
