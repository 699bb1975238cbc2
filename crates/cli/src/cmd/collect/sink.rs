//! Where a collection goes: a new folder, a tar, a packed tar, standard output.
//!
//! Nothing that exists is written over. What is made is for its maker alone to read, since packets'
//! headers and rules are nobody else's business; under sudo, for whoever called sudo.

use super::about;
use super::bundle::Bundle;
use flate2::Compression;
use flate2::write::GzEncoder;
use hopclock_core::time::Moment;
use std::env;
use std::fs::{self, DirBuilder, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, chown};
use std::path::{Path, PathBuf};

/// An open place to write to.
pub struct Sink(Kind);

enum Kind {
    /// A folder, and whether it was made here.
    Folder(PathBuf, bool),
    Tar(fs::File, PathBuf),
    Packed(fs::File, PathBuf),
    Standard,
}

impl Sink {
    /// Makes the folder or file. The error is one sentence.
    pub fn open(out: &Path) -> Result<Self, String> {
        let name = out.file_name().unwrap_or_default().to_string_lossy().to_lowercase();
        let is_folder = out.as_os_str().to_string_lossy().ends_with('/') || out.is_dir();
        Ok(Self(if out.as_os_str() == "-" {
            Kind::Standard
        } else if !is_folder && (name.ends_with(".tar.gz") || name.ends_with(".tgz")) {
            Kind::Packed(new_file(out)?, out.to_owned())
        } else if !is_folder && name.ends_with(".tar") {
            Kind::Tar(new_file(out)?, out.to_owned())
        } else {
            let made = new_folder(out)?;
            Kind::Folder(out.to_owned(), made)
        }))
    }

    /// Takes away what was made, when there is nothing to write into it.
    pub fn abandon(self) {
        let gone = match &self.0 {
            Kind::Folder(path, true) => fs::remove_dir(path),
            Kind::Tar(_, path) | Kind::Packed(_, path) => fs::remove_file(path),
            Kind::Folder(_, false) | Kind::Standard => Ok(()),
        };
        // An empty folder that cannot be removed harms nobody.
        drop(gone);
    }

    /// Writes every file, and the two that say what they are.
    pub fn write(self, bundle: &Bundle, page: &str, at: Moment) -> io::Result<()> {
        let files = laid_out(bundle, page);
        match self.0 {
            Kind::Folder(path, _) => folder(&path, &files),
            Kind::Tar(file, path) => tar(file, &root(&path), &files, at).map(drop),
            Kind::Packed(file, path) => {
                let packed = GzEncoder::new(file, Compression::default());
                tar(packed, &root(&path), &files, at)?.finish().map(drop)
            }
            Kind::Standard => {
                let root = PathBuf::from(format!("collected-{}", bundle.plain_host()));
                tar(io::stdout().lock(), &root, &files, at)?.flush()
            }
        }
    }
}

/// Path within the folder, and content.
type Laid = Vec<(PathBuf, Vec<u8>)>;

fn laid_out(bundle: &Bundle, page: &str) -> Laid {
    let folder = PathBuf::from(bundle.folder());
    let mut files: Laid = bundle
        .files
        .iter()
        .map(|file| {
            let mut bytes = Vec::new();
            if file.is_text() {
                bytes.extend(about::first_line(bundle, file).as_bytes());
            }
            bytes.extend(&file.bytes);
            (folder.join(&file.name), bytes)
        })
        .collect();
    files.push((PathBuf::from("evidence.toml"), about::manifest(bundle).into_bytes()));
    files.push((PathBuf::from("collect.md"), page.as_bytes().to_vec()));
    files
}

fn folder(root: &Path, files: &Laid) -> io::Result<()> {
    for (path, bytes) in files {
        let path = root.join(path);
        if let Some(parent) = path.parent().filter(|parent| !parent.exists()) {
            builder().create(parent)?;
            for_caller(parent);
        }
        let mut file = options().open(&path)?;
        file.write_all(bytes)?;
        for_caller(&path);
    }
    Ok(())
}

fn tar<W: Write>(out: W, root: &Path, files: &Laid, at: Moment) -> io::Result<W> {
    let mut tar = tar::Builder::new(out);
    for (path, bytes) in files {
        let mut header = tar::Header::new_gnu();
        header.set_size(bytes.len() as u64);
        header.set_mode(0o600);
        header.set_mtime(u64::try_from(at.ns() / 1_000_000_000).unwrap_or(0));
        header.set_cksum();
        tar.append_data(&mut header, root.join(path), bytes.as_slice())?;
    }
    tar.into_inner()
}

/// Unpacked, `nat.tar.gz` becomes `nat/`.
fn root(path: &Path) -> PathBuf {
    let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let cut = [".tar.gz", ".tgz", ".tar"].iter().find_map(|end| {
        let at = name.len().checked_sub(end.len())?;
        name.get(at..).filter(|tail| tail.eq_ignore_ascii_case(end)).and(name.get(..at))
    });
    PathBuf::from(cut.filter(|stem| !stem.is_empty()).unwrap_or("evidence"))
}

/// A file that was not there. The error is one sentence.
pub fn new_file(path: &Path) -> Result<fs::File, String> {
    let made = options().open(path).map_err(|error| told(path, &error))?;
    for_caller(path);
    Ok(made)
}

/// Whether it was made; an empty one that is there is as good.
fn new_folder(path: &Path) -> Result<bool, String> {
    if path.exists() {
        let mut inside = fs::read_dir(path).map_err(|error| told(path, &error))?;
        return match inside.next() {
            None => Ok(false),
            Some(_) => Err(format!("{}: the folder is not empty; name a new one", path.display())),
        };
    }
    builder().create(path).map_err(|error| told(path, &error))?;
    for_caller(path);
    Ok(true)
}

fn told(path: &Path, error: &io::Error) -> String {
    let why = match error.kind() {
        io::ErrorKind::AlreadyExists => "it exists already; name a new one".to_owned(),
        io::ErrorKind::NotFound => "the folder it should be in is not there".to_owned(),
        io::ErrorKind::PermissionDenied => "this user may not write there".to_owned(),
        io::ErrorKind::NotADirectory => "it is no folder".to_owned(),
        _ => error.to_string(),
    };
    format!("{}: {why}", path.display())
}

fn options() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true).mode(0o600);
    options
}

fn builder() -> DirBuilder {
    let mut builder = DirBuilder::new();
    builder.mode(0o700);
    builder
}

/// Under sudo, what is made belongs to whoever called it.
fn for_caller(path: &Path) {
    let number = |name| env::var(name).ok().and_then(|value| value.parse::<u32>().ok());
    if let (Some(uid), Some(gid)) = (number("SUDO_UID"), number("SUDO_GID")) {
        // Without the right to give it away it stays ours, and is as readable as it was.
        drop(chown(path, Some(uid), Some(gid)));
    }
}
