//! An evidence folder as tests read it: which file is from which host, by the contract's three
//! ways, and what each holds, by content. Packed files are not opened.

use hopclock_core::conntrack::Settings;
use hopclock_core::dump::header::{self, Header};
use hopclock_core::dump::{conntrack, sysctl};
use hopclock_core::time::Moment;
use std::path::{Path, PathBuf};

/// One file.
#[derive(Clone, Debug)]
pub struct Item {
    /// Where it is.
    pub path: PathBuf,
    /// `client`, `hop` or `server`.
    pub role: Option<String>,
    /// Its host; for the folders `client` and `server` nobody says more than the role.
    pub host: Option<String>,
    /// When it was taken.
    pub at: Option<Moment>,
    /// The command that printed it.
    pub command: Option<String>,
    /// What it holds.
    pub what: What,
}

/// What a file holds.
#[derive(Clone, Debug)]
pub enum What {
    /// A capture's bytes.
    Capture(Vec<u8>),
    /// Settings of a conntrack table, and how many lines set something.
    Settings(Box<Settings>, usize),
    /// Entries of a table.
    Entries(Vec<conntrack::Entry>),
    /// Anything else.
    Other,
}

impl Item {
    /// Of one host: by name, or by role where no name contradicts.
    pub fn is_of(&self, other: &Item) -> bool {
        match (&self.host, &other.host) {
            (Some(one), Some(other)) => one == other,
            _ => self.role.is_some() && self.role == other.role,
        }
    }
}

/// Every file of a folder, in order of path.
///
/// # Errors
///
/// What the file system says.
pub fn items(folder: &Path) -> std::io::Result<Vec<Item>> {
    let mut paths = Vec::new();
    gather(folder, &mut paths)?;
    paths.sort();
    let said = std::fs::read_to_string(folder.join("evidence.toml")).unwrap_or_default();
    let said: toml::Table = said.parse().unwrap_or_default();
    let mut items = Vec::new();
    for path in paths {
        let bytes = std::fs::read(&path)?;
        let (role, host) = by_folder(path.strip_prefix(folder).unwrap_or(&path));
        let what = what(&bytes);
        let mut item = Item { path, role, host, at: None, command: None, what };
        by_manifest(&said, folder, &mut item);
        if !matches!(item.what, What::Capture(_)) {
            by_header(&String::from_utf8_lossy(&bytes), &mut item);
        }
        items.push(item);
    }
    Ok(items)
}

fn gather(folder: &Path, into: &mut Vec<PathBuf>) -> std::io::Result<()> {
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            gather(&path, into)?;
        } else {
            into.push(path);
        }
    }
    Ok(())
}

/// `client/`, `hop-NAME/`, `server/`.
fn by_folder(path: &Path) -> (Option<String>, Option<String>) {
    let first = path.components().next().map(|c| c.as_os_str().to_string_lossy().into_owned());
    match first.as_deref() {
        Some(role @ ("client" | "server")) if path.components().count() > 1 => {
            (Some(role.to_owned()), None)
        }
        Some(folder) => match folder.strip_prefix("hop-") {
            Some(name) => (Some("hop".to_owned()), Some(name.to_owned())),
            None => (None, None),
        },
        None => (None, None),
    }
}

fn by_manifest(said: &toml::Table, folder: &Path, item: &mut Item) {
    let files = said.get("file").and_then(toml::Value::as_array);
    for file in files.into_iter().flatten() {
        let word = |key: &str| file.get(key).and_then(toml::Value::as_str).map(str::to_owned);
        if word("path").map(|p| folder.join(p)).as_ref() != Some(&item.path) {
            continue;
        }
        let at = file.get("taken_at").and_then(|v| match v {
            toml::Value::Datetime(at) => Some(at.to_string()),
            other => other.as_str().map(str::to_owned),
        });
        item.role = word("role").or(item.role.take());
        item.host = word("host").or(item.host.take());
        item.command = word("command").or(item.command.take());
        item.at = at.as_deref().and_then(header::moment).or(item.at);
    }
}

fn by_header(text: &str, item: &mut Item) {
    let Some(header) = Header::find(text) else { return };
    let role = header.role.map(|r| format!("{r:?}").to_lowercase());
    item.role = role.or(item.role.take());
    item.host = header.host.or(item.host.take());
    item.command = header.command.or(item.command.take());
    item.at = header.at.or(item.at);
}

fn what(bytes: &[u8]) -> What {
    let magic: [u8; 4] = bytes.get(..4).and_then(|head| head.try_into().ok()).unwrap_or_default();
    let numbers = [0xa1b2_c3d4_u32, 0xa1b2_3c4d, 0x0a0d_0d0a];
    if numbers.iter().any(|n| *n == u32::from_be_bytes(magic) || *n == u32::from_le_bytes(magic)) {
        return What::Capture(bytes.to_vec());
    }
    let text = String::from_utf8_lossy(bytes);
    let (entries, _) = conntrack::read(&text);
    if !entries.is_empty() {
        return What::Entries(entries);
    }
    let mut settings = Settings::default();
    let mut set = 0;
    for setting in sysctl::read(&text).0 {
        let value = setting.value.parse::<i64>();
        set += usize::from(value.is_ok_and(|v| settings.set(&setting.key, v).is_ok()));
    }
    if set > 0 { What::Settings(Box::new(settings), set) } else { What::Other }
}
