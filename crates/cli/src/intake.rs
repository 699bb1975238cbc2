//! Files become readable inputs: opened, unpacked, and recognised by content, never by name alone.
//!
//! What is not understood is named, with its reason, and the rest is still used.

pub mod ahead;
pub mod archive;
pub mod captures;
pub mod folder;
pub mod kind;
pub mod manifest;
pub mod open;
pub mod read;
pub mod rotation;
pub mod utf16;

use crate::args::LineOverrides;
use hopclock_core::inquest::facts::Facts;
use hopclock_core::log::Options;
use hopclock_core::report::Input;
use std::path::{Path, PathBuf};

/// Everything that was named on the command line, read.
#[derive(Debug, Default)]
pub struct Intake {
    /// What can be argued from.
    pub facts: Facts,
    /// How each input was taken.
    pub inputs: Vec<Input>,
    /// One sentence for each input that could not be used at all.
    pub unusable: Vec<String>,
    /// The same for each input of a kind that is known and not argued from.
    pub unused: Vec<String>,
    /// What the caller knows of its logs.
    pub options: Options,
}

/// Reads files and folders; `known` is what the user knows better of the lines.
pub fn take(paths: &[PathBuf], known: &LineOverrides) -> Intake {
    let options = Options {
        open: known.open.clone(),
        end: known.end.clone(),
        key: known.key.clone(),
        ..Options::default()
    };
    let mut intake = Intake { options, ..Intake::default() };
    let many = paths.len() > 1;
    let mut waiting = Vec::new();
    for path in paths {
        // Read by the end of this round; the folder an archive was taken out into goes then.
        let archive = archive::unpacked(path).ok().flatten();
        let found = match &archive {
            Some(unpacked) => of_archive(path, unpacked),
            None => folder::files(path, many),
        };
        match found {
            Ok(found) => {
                for note in found.notes {
                    intake.inputs.push(note);
                }
                if found.files.is_empty() {
                    let why = format!("{}: the folder holds no file to read", path.display());
                    intake.inputs.push(unreadable(&path.display().to_string(), &why));
                    intake.unusable.push(why);
                }
                waiting.extend(found.files);
            }
            Err(why) => {
                intake.inputs.push(unreadable(&path.display().to_string(), &why));
                intake.unusable.push(why);
            }
        }
        if archive.is_some() {
            read_all(std::mem::take(&mut waiting), &mut intake);
        }
    }
    read_all(waiting, &mut intake);
    intake
}

/// Reads files, those of one rotated log together.
fn read_all(files: Vec<folder::FileToRead>, intake: &mut Intake) {
    for chain in rotation::chains(files) {
        match chain.as_slice() {
            [file] => read::one(file, intake),
            files => read::rotated(files, intake),
        }
    }
}

/// The files of an archive, by its name and theirs in it.
fn of_archive(path: &Path, unpacked: &archive::Unpacked) -> Result<folder::Found, String> {
    let mut found = folder::files(&unpacked.folder, false)?;
    let name = path.display().to_string();
    for file in &mut found.files {
        file.name = format!("{name}/{}", file.name);
    }
    found.notes.extend(unpacked.notes.iter().map(|why| unreadable(&name, why)));
    Ok(found)
}

/// An input that could not be opened, for the report.
fn unreadable(file: &str, why: &str) -> Input {
    Input {
        file: file.to_owned(),
        kind: "unreadable".to_owned(),
        records: 0,
        skipped: 0,
        notes: vec![why.to_owned()],
    }
}
