//! Folders: which files they hold and what their names and `evidence.toml` say of them.

use super::manifest::{self, Manifest};
use super::unreadable;
use hopclock_core::report::Input;
use hopclock_core::terms::Role;
use std::fs;
use std::path::{Path, PathBuf};

/// Deeper than this is no evidence folder but a disk.
const DEPTH_MAX: usize = 8;
/// More files than this are no evidence folder either.
const FILES_MAX: usize = 4096;

/// A file to read, with what the folder says of it.
#[derive(Debug)]
pub struct FileToRead {
    /// Where it is.
    pub path: PathBuf,
    /// What the report calls it.
    pub name: String,
    /// What folders and `evidence.toml` say.
    pub said: manifest::Entry,
}

/// What a path holds.
#[derive(Debug, Default)]
pub struct Found {
    /// In order of name.
    pub files: Vec<FileToRead>,
    /// What was odd: an `evidence.toml` that cannot be read or names a file that is not there.
    pub notes: Vec<Input>,
}

/// The files behind a path. With `keep_prefix` names begin with the path as it was typed, so that
/// two folders' files are told apart.
pub fn files(path: &Path, keep_prefix: bool) -> Result<Found, String> {
    let typed = path.display().to_string();
    if typed == "-" {
        let said = manifest::Entry::default();
        let file = FileToRead { path: path.to_owned(), name: "-".to_owned(), said };
        return Ok(Found { files: vec![file], notes: Vec::new() });
    }
    let about = fs::metadata(path).map_err(|e| format!("{typed}: {}", plain(&e)))?;
    if !about.is_dir() {
        let name = if keep_prefix { typed } else { file_name(path) };
        let file = FileToRead { path: path.to_owned(), name, said: manifest::Entry::default() };
        return Ok(Found { files: vec![file], notes: Vec::new() });
    }
    let mut found = Found::default();
    let mut paths = Vec::new();
    walk(path, 0, &mut paths, &mut found.notes);
    paths.sort();
    let manifest = read_manifest(path, &mut found.notes);
    for entry in &manifest.files {
        if !path.join(&entry.path).exists() {
            let why = format!("evidence.toml names {:?}, which is not in the folder", entry.path);
            found.notes.push(unreadable(&entry.path, &why));
        }
    }
    // Read above, or told above why not.
    paths.retain(|p| *p != path.join("evidence.toml"));
    for file in paths {
        let relative = file.strip_prefix(path).unwrap_or(&file);
        let own = relative.display().to_string();
        let said = said_of(relative, &own, &manifest);
        let name = if keep_prefix { file.display().to_string() } else { own };
        found.files.push(FileToRead { path: file, name, said });
    }
    Ok(found)
}

fn walk(folder: &Path, depth: usize, into: &mut Vec<PathBuf>, notes: &mut Vec<Input>) {
    let listed = match fs::read_dir(folder) {
        Ok(listed) => listed,
        Err(e) => {
            let name = folder.display().to_string();
            notes.push(unreadable(&name, &format!("{name}: {}", plain(&e))));
            return;
        }
    };
    for entry in listed.flatten() {
        let path = entry.path();
        if entry.file_name().to_string_lossy().starts_with('.') {
            continue;
        }
        // The entry's own type: a link to a folder may lead back up, and a pipe would be waited
        // for.
        let is_folder = entry.file_type().is_ok_and(|k| k.is_dir());
        if is_folder && depth < DEPTH_MAX {
            walk(&path, depth + 1, into, notes);
        } else if is_folder {
            skipped(&path, "it lies too deep", notes);
        } else if path.is_dir() {
            skipped(&path, "it is a link to a folder", notes);
        } else if !path.is_file() {
            skipped(&path, "it is no regular file", notes);
        } else if into.len() < FILES_MAX {
            into.push(path);
        } else {
            skipped(&path, "there are too many files", notes);
            return;
        }
    }
}

fn skipped(path: &Path, why: &str, notes: &mut Vec<Input>) {
    let name = path.display().to_string();
    notes.push(unreadable(&name, &format!("{name}: {why}, and is not read")));
}

fn read_manifest(folder: &Path, notes: &mut Vec<Input>) -> Manifest {
    let path = folder.join("evidence.toml");
    let Ok(text) = fs::read_to_string(&path) else { return Manifest::default() };
    match manifest::parse(&text) {
        Ok(manifest) => manifest,
        Err(why) => {
            let begins = manifest::SCHEMA;
            let why =
                format!("evidence.toml is not used: {why}; it begins with schema = \"{begins}\"");
            notes.push(unreadable("evidence.toml", &why));
            Manifest::default()
        }
    }
}

/// What the folder's name says, and over it what `evidence.toml` says.
fn said_of(relative: &Path, own: &str, manifest: &Manifest) -> manifest::Entry {
    let mut said = manifest::Entry { path: own.to_owned(), ..manifest::Entry::default() };
    let parts = relative.parent().into_iter().flat_map(Path::components);
    for part in parts.map(|c| c.as_os_str().to_string_lossy().into_owned()) {
        match part.as_str() {
            "client" => said.role = Some(Role::Client),
            "server" => said.role = Some(Role::Server),
            "hop" => said.role = Some(Role::Hop),
            name => {
                if let Some(host) = name.strip_prefix("hop-") {
                    said.role = Some(Role::Hop);
                    said.host = Some(host.to_owned());
                }
            }
        }
    }
    if let Some(entry) = manifest.files.iter().find(|e| e.path == own) {
        said.host = entry.host.clone().or(said.host);
        said.role = entry.role.or(said.role);
        said.taken_at = entry.taken_at.or(said.taken_at);
        said.command = entry.command.clone().or(said.command);
        said.made = entry.made.clone().or(said.made);
    }
    said
}

fn file_name(path: &Path) -> String {
    path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned()
}

/// An I/O error in a person's words.
pub fn plain(error: &std::io::Error) -> String {
    use std::io::ErrorKind;
    match error.kind() {
        ErrorKind::NotFound => "there is no such file or folder".to_owned(),
        ErrorKind::PermissionDenied => "it may not be read by this user".to_owned(),
        ErrorKind::UnexpectedEof => "it ends in the middle".to_owned(),
        _ => error.to_string(),
    }
}
