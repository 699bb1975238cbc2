//! What was collected, before it is written anywhere: files with their stamps, and what is missing.

use super::packets::Recorded;
use crate::args::RoleWord;
use hopclock_core::redact::Redactor;
use hopclock_core::time::Moment;
use hopclock_live::clock;
use hopclock_live::gather::{self, Missing, Piece};
use std::time::Duration;

/// One file of the folder.
#[derive(Debug)]
pub struct File {
    /// Its name within the sub-folder of this host.
    pub name: String,
    /// What a person would have typed.
    pub command: String,
    /// When it was asked for.
    pub at: Moment,
    /// What it holds, without its stamped line.
    pub bytes: Vec<u8>,
    /// What a reader should know of it.
    pub notes: Vec<String>,
}

impl File {
    /// A capture has no place for a stamped line.
    pub fn is_text(&self) -> bool {
        !self.name.ends_with(".pcapng")
    }
}

/// Where the host stands, and who says so.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// client, hop or server; `None` where nothing tells.
    pub role: Option<&'static str>,
    /// Why it was guessed; `None` where the user said it.
    pub guessed: Option<String>,
}

impl Place {
    /// What the user said.
    pub const fn told(word: RoleWord) -> Self {
        let role = match word {
            RoleWord::Client => "client",
            RoleWord::Hop => "hop",
            RoleWord::Server => "server",
        };
        Self { role: Some(role), guessed: None }
    }
}

/// Everything of one host.
#[derive(Debug)]
pub struct Bundle {
    /// The host's name.
    pub host: String,
    /// Where it stands.
    pub place: Place,
    /// When collecting began.
    pub began: Moment,
    /// What was got.
    pub files: Vec<File>,
    /// What was not.
    pub missing: Vec<Missing>,
    /// What was waited.
    pub waited: Duration,
    /// Whether the wait was cut short from outside.
    pub interrupted: bool,
    /// Of the recorded packets.
    pub recorded: Option<Recorded>,
}

impl Bundle {
    /// Nothing yet.
    pub fn new(host: Option<String>) -> Self {
        let host = host.or_else(gather::host_name).unwrap_or_else(|| "unknown".to_owned());
        Self {
            host,
            place: Place { role: None, guessed: None },
            began: clock::now(),
            files: Vec::new(),
            missing: Vec::new(),
            waited: Duration::ZERO,
            interrupted: false,
            recorded: None,
        }
    }

    /// Takes a piece, its file's name with this suffix before the ending; or notes that it is
    /// missing, once.
    pub fn take(&mut self, piece: Result<Piece, Missing>, suffix: &str) {
        match piece {
            Ok(Piece { file, command, at, bytes, notes }) => {
                let name = match file.rsplit_once('.') {
                    Some((stem, ending)) => format!("{stem}{suffix}.{ending}"),
                    None => file + suffix,
                };
                self.files.push(File { name, command, at, bytes, notes });
            }
            Err(missing) => {
                if !self.missing.contains(&missing) {
                    self.missing.push(missing);
                }
            }
        }
    }

    /// A text that was collected, by its name without ending; of two looks the later one.
    pub fn text(&self, name: &str) -> Option<String> {
        let names = ["", "-before", "-after"].map(|when| format!("{name}{when}.txt"));
        let file = self.files.iter().rev().find(|file| names.contains(&file.name))?;
        Some(String::from_utf8_lossy(&file.bytes).into_owned())
    }

    /// The sub-folder's name, by which `diagnose` knows the role.
    pub fn folder(&self) -> String {
        match self.place.role {
            Some("hop") => format!("hop-{}", self.plain_host()),
            Some(role) => role.to_owned(),
            None => format!("host-{}", self.plain_host()),
        }
    }

    /// The host's name as part of a path.
    pub fn plain_host(&self) -> String {
        let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
        let name: String = self.host.chars().map(|c| if fits(c) { c } else { '-' }).collect();
        name.trim_start_matches('.').to_owned()
    }

    /// Everything under pseudonyms.
    pub fn redact(&mut self, redactor: &mut Redactor) {
        redactor.know_host(&self.host);
        for file in self.files.iter().filter(|file| file.is_text()) {
            redactor.learn(&file.bytes);
        }
        for file in &mut self.files {
            if file.is_text() {
                file.bytes = redactor.bytes(&file.bytes);
            } else {
                file.bytes = redactor.capture(&file.bytes, "").bytes;
            }
            file.command = redactor.text(&file.command);
            file.notes = file.notes.iter().map(|note| redactor.text(note)).collect();
        }
        for missing in &mut self.missing {
            missing.why = redactor.text(&missing.why);
        }
        if let Some(why) = &mut self.place.guessed {
            *why = redactor.text(why);
        }
        self.host = redactor.host(&self.host);
    }
}
