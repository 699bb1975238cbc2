//! Tar archives of evidence, as `collect` writes them: taken out into a folder of our own, which is
//! read like any other and is gone afterwards.
//!
//! What is no regular file is left in the archive, and so is everything beyond the limits: an
//! archive comes from elsewhere.

use super::open;
use std::env;
use std::fs::{self, DirBuilder};
use std::io::{self, Read};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Component, Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

/// Bytes of an entry's header, the first of an archive.
const HEADER: u64 = 512;
/// Files taken out of one archive.
const FILES_MAX: usize = 4096;
/// Bytes taken out of one archive.
const BYTES_MAX: u64 = 4 << 30;

/// What was taken out of an archive; the folder goes with it.
#[derive(Debug)]
pub struct Unpacked {
    /// Where it lies.
    pub folder: PathBuf,
    /// What was left in the archive, one sentence each.
    pub notes: Vec<String>,
}

impl Drop for Unpacked {
    fn drop(&mut self) {
        // What cannot be removed lies in the system's own place for such things.
        drop(fs::remove_dir_all(&self.folder));
    }
}

/// Takes out the archive at `path`; `None` when it is none. Standard input is read as one file.
pub fn unpacked(path: &Path) -> io::Result<Option<Unpacked>> {
    if path.as_os_str() == "-" || !path.is_file() {
        return Ok(None);
    }
    let mut opened = open::open(path)?;
    let mut head = Vec::with_capacity(HEADER as usize);
    // A damaged file is told of where it is read as what it is.
    let read = opened.reader.by_ref().take(HEADER).read_to_end(&mut head);
    if read.is_err() || !is_tar(&head) {
        return Ok(None);
    }
    let mut unpacked = Unpacked { folder: own_folder()?, notes: Vec::new() };
    let mut archive = tar::Archive::new(io::Cursor::new(head).chain(opened.reader));
    if let Err(error) = take_out(&mut archive, &mut unpacked) {
        unpacked.notes.push(format!("the archive cannot be read any further: {error}"));
    }
    Ok(Some(unpacked))
}

/// The mark of POSIX and of GNU archives, in the first header.
pub fn is_tar(head: &[u8]) -> bool {
    head.get(257..262) == Some(b"ustar")
}

fn own_folder() -> io::Result<PathBuf> {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let number = COUNT.fetch_add(1, Ordering::Relaxed);
    let folder = env::temp_dir().join(format!("hopclock-{}-{number}", std::process::id()));
    // For this user alone, and an error where somebody made it before us.
    DirBuilder::new().mode(0o700).create(&folder)?;
    Ok(folder)
}

fn take_out(archive: &mut tar::Archive<impl Read>, into: &mut Unpacked) -> io::Result<()> {
    let (mut files, mut bytes) = (0, 0);
    for entry in archive.entries()? {
        let mut entry = entry?;
        let kind = entry.header().entry_type();
        let path = entry.path()?.into_owned();
        if kind.is_dir() {
            continue;
        }
        let plain =
            path.components().all(|c| matches!(c, Component::Normal(_) | Component::CurDir));
        bytes += entry.size();
        files += 1;
        let why = if !kind.is_file() {
            "it is no regular file"
        } else if !plain {
            "its path leads elsewhere"
        } else if files > FILES_MAX || bytes > BYTES_MAX {
            "the archive is too large"
        } else {
            let to = into.folder.join(&path);
            if let Some(parent) = to.parent() {
                fs::create_dir_all(parent)?;
            }
            let mut file = fs::OpenOptions::new().write(true).create_new(true).open(&to)?;
            io::copy(&mut entry.by_ref().take(BYTES_MAX), &mut file)?;
            continue;
        };
        into.notes.push(format!("{}: left in the archive: {why}", path.display()));
    }
    Ok(())
}
