//! Folders: which files they hold and what their names and `evidence.toml` say of them.

use super::manifest::{self, Manifest};
use super::unreadable;
use hopclock_core::report::Input;
use hopclock_core::terms::Role;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Component, Path, PathBuf};

/// What a folder's own word on its files is called.
const MANIFEST: &str = "evidence.toml";

/// By folder; a folder sorts before what lies in it.
type Manifests = BTreeMap<PathBuf, Manifest>;

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
    let manifests = manifests(path, &paths, &mut found.notes);
    // Read above, or told above why not.
    paths.retain(|p| p.file_name() != Some(MANIFEST.as_ref()));
    for (folder, manifest) in &manifests {
        for entry in &manifest.files {
            check(path, &folder.join(&entry.path), &paths, &mut found.notes);
        }
    }
    let root = own_name(path);
    for file in paths {
        let relative = file.strip_prefix(path).unwrap_or(&file);
        let own = relative.display().to_string();
        let said = said_of(&root.join(relative), &own, &file, &manifests);
        let name = if keep_prefix { file.display().to_string() } else { own };
        found.files.push(FileToRead { path: file, name, said });
    }
    Ok(found)
}

/// The named folder's own name, which says as much as a folder's in it; empty where there is none.
fn own_name(path: &Path) -> PathBuf {
    let named = |p: &Path| p.file_name().map(PathBuf::from);
    named(path).or_else(|| named(&fs::canonicalize(path).ok()?)).unwrap_or_default()
}

/// Every folder's own `evidence.toml`, outer folders first.
fn manifests(root: &Path, files: &[PathBuf], notes: &mut Vec<Input>) -> Manifests {
    let mut folders: BTreeSet<&Path> = files.iter().filter_map(|f| f.parent()).collect();
    folders.insert(root);
    folders.into_iter().map(|f| (f.to_owned(), read_manifest(root, f, notes))).collect()
}

/// A file that is named must be one that is read.
fn check(root: &Path, named: &Path, files: &[PathBuf], notes: &mut Vec<Input>) {
    let plain = clean(named);
    if files.iter().any(|f| clean(f) == plain) {
        return;
    }
    let name = plain.strip_prefix(clean(root)).unwrap_or(&plain).display().to_string();
    let what = if named.exists() { "none of the files read" } else { "not in the folder" };
    notes.push(unreadable(&name, &format!("evidence.toml names {name:?}, which is {what}")));
}

/// A path without its `.` and with `a/..` taken out, by its words alone.
fn clean(path: &Path) -> PathBuf {
    let mut plain = PathBuf::new();
    for part in path.components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir if plain.file_name().is_some() => {
                plain.pop();
            }
            other => plain.push(other),
        }
    }
    plain
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

fn read_manifest(root: &Path, folder: &Path, notes: &mut Vec<Input>) -> Manifest {
    let path = folder.join(MANIFEST);
    let name = path.strip_prefix(root).unwrap_or(&path).display().to_string();
    let text = match fs::read_to_string(&path) {
        Ok(text) => text,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Manifest::default(),
        Err(e) => {
            notes.push(unreadable(&name, &format!("{name} is not used: {}", plain(&e))));
            return Manifest::default();
        }
    };
    match manifest::parse(&text) {
        Ok(manifest) => manifest,
        Err(why) => {
            let begins = manifest::SCHEMA;
            let why = format!("{name} is not used: {why}; it begins with schema = \"{begins}\"");
            notes.push(unreadable(&name, &why));
            Manifest::default()
        }
    }
}

/// What the folders' names say, and over it what each `evidence.toml` says, the nearest last.
/// `named` is the path from the named folder's own name on.
fn said_of(named: &Path, own: &str, file: &Path, manifests: &Manifests) -> manifest::Entry {
    let mut said = manifest::Entry { path: own.to_owned(), ..manifest::Entry::default() };
    let parts = named.parent().into_iter().flat_map(Path::components);
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
        // A folder of an end within a hop's is not the hop's.
        if matches!(part.as_str(), "client" | "server") {
            said.host = None;
        }
    }
    let file = clean(file);
    let entries = manifests.iter().flat_map(|(folder, manifest)| {
        manifest.files.iter().find(|e| clean(&folder.join(&e.path)) == file)
    });
    for entry in entries {
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

#[cfg(test)]
mod tests {
    use super::*;

    /// A folder with these files, of this test alone.
    fn made(test: &str, files: &[(&str, &str)]) -> PathBuf {
        let root =
            std::env::temp_dir().join(format!("hopclock-folder-{}-{test}", std::process::id()));
        for (name, text) in files {
            let path = root.join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        root
    }

    fn manifest(path: &str, host: &str) -> String {
        format!(
            "schema = \"hopclock.evidence/1\"\n[[file]]\npath = {path:?}\nhost = {host:?}\n\
             role = \"hop\"\n"
        )
    }

    /// Name, role and host of a file.
    type Said = (String, Option<Role>, Option<String>);

    /// What is said of each file, and how many notes there are.
    fn said(path: &Path) -> (Vec<Said>, usize) {
        let found = files(path, false).unwrap();
        let files = found.files.into_iter().map(|f| (f.name, f.said.role, f.said.host)).collect();
        (files, found.notes.len())
    }

    #[test]
    fn a_path_in_evidence_toml_may_begin_with_a_dot() {
        let text = manifest("./sub/../s.txt", "egress-1");
        let root = made("dot", &[("s.txt", "x"), ("sub/t.txt", "x"), (MANIFEST, &text)]);
        let (files, notes) = said(&root);
        fs::remove_dir_all(&root).unwrap();
        let expected = ("s.txt".to_owned(), Some(Role::Hop), Some("egress-1".to_owned()));
        assert_eq!((files.first(), notes), (Some(&expected), 0));
    }

    #[test]
    fn the_nearest_evidence_toml_has_the_last_word() {
        let (outer, inner) = (manifest("sub/s.txt", "outer"), manifest("s.txt", "inner"));
        let files = [("sub/s.txt", "x"), ("sub/evidence.toml", &*inner), (MANIFEST, &*outer)];
        let root = made("nearest", &files);
        let told = said(&root);
        fs::remove_dir_all(&root).unwrap();
        let expected = ("sub/s.txt".to_owned(), Some(Role::Hop), Some("inner".to_owned()));
        assert_eq!(told, (vec![expected], 0));
    }

    #[test]
    fn a_name_that_is_no_file_read_is_told() {
        let text = manifest("sub", "egress-1") + "[[file]]\npath = \"gone.txt\"\n";
        let root = made("gone", &[("sub/s.txt", "x"), (MANIFEST, &text)]);
        let found = files(&root, false).unwrap();
        fs::remove_dir_all(&root).unwrap();
        let notes: Vec<&str> = found.notes.iter().flat_map(|n| &n.notes).map(|n| &**n).collect();
        let expected = [
            "evidence.toml names \"sub\", which is none of the files read",
            "evidence.toml names \"gone.txt\", which is not in the folder",
        ];
        assert_eq!(notes, expected);
    }

    #[test]
    fn the_named_folders_own_name_counts() {
        let root = made("own", &[("hop-egress/c.txt", "x"), ("client/a.log", "x")]);
        let hop = said(&root.join("hop-egress"));
        let client = said(&root.join("client/."));
        fs::remove_dir_all(&root).unwrap();
        let expected = ("c.txt".to_owned(), Some(Role::Hop), Some("egress".to_owned()));
        assert_eq!(hop.0, [expected]);
        assert_eq!(client.0, [("a.log".to_owned(), Some(Role::Client), None)]);
    }
}
