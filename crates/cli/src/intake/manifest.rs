//! `evidence.toml`: where each file of a folder is from (schema `hopclock.evidence/1`).

use hopclock_core::dump::header;
use hopclock_core::terms::Role;
use hopclock_core::time::Moment;
use serde::Deserialize;

/// The schema's name, by which the file is recognised.
pub const SCHEMA: &str = "hopclock.evidence/1";

/// What an `evidence.toml` says.
#[derive(Clone, Debug, Default)]
pub struct Manifest {
    /// One entry a file.
    pub files: Vec<Entry>,
}

/// What it says of one file.
#[derive(Clone, Debug, Default)]
pub struct Entry {
    /// Relative to the folder.
    pub path: String,
    /// The host's name.
    pub host: Option<String>,
    /// Where on the path.
    pub role: Option<Role>,
    /// When it was taken.
    pub taken_at: Option<Moment>,
    /// The command that printed it.
    pub command: Option<String>,
    /// How it was made, when it was not recorded.
    pub made: Option<String>,
}

#[derive(Deserialize)]
struct File {
    schema: String,
    #[serde(default)]
    file: Vec<FileEntry>,
}

#[derive(Deserialize)]
struct FileEntry {
    path: String,
    host: Option<String>,
    role: Option<String>,
    taken_at: Option<toml::Value>,
    command: Option<String>,
    made: Option<String>,
}

/// Reads the file. The error is one sentence.
pub fn parse(text: &str) -> Result<Manifest, String> {
    let file: File = toml::from_str(text).map_err(|e| e.message().to_owned())?;
    if file.schema != SCHEMA {
        return Err(format!("its schema is {:?}, not {SCHEMA:?}", file.schema));
    }
    let files = file.file.into_iter().map(entry).collect::<Result<_, _>>()?;
    Ok(Manifest { files })
}

fn entry(e: FileEntry) -> Result<Entry, String> {
    let role =
        match e.role.as_deref() {
            None => None,
            Some(word) => Some(header::role(word).ok_or_else(|| {
                format!("{}: role {word:?} is none of client, hop, server", e.path)
            })?),
        };
    // A TOML date-time without quotes says the same.
    let told = e.taken_at.map(|t| match t {
        toml::Value::Datetime(at) => at.to_string(),
        toml::Value::String(text) => text,
        other => format!("{other:?}"),
    });
    let taken_at = match told {
        None => None,
        Some(text) => Some(
            header::moment(&text)
                .ok_or_else(|| format!("{}: taken_at {text:?} is no RFC 3339 time", e.path))?,
        ),
    };
    let (path, host, command, made) = (e.path, e.host, e.command, e.made);
    Ok(Entry { path, host, role, taken_at, command, made })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_contracts_example_is_read() {
        let text = "schema = \"hopclock.evidence/1\"\n[[file]]\npath = \"nat.conntrack\"\nhost = \"egress-1\"\n\
                    role = \"hop\"\ntaken_at = \"2024-05-11T03:10:00Z\"\ncommand = \"conntrack -L\"\n";
        let manifest = parse(text).unwrap();
        let entry = manifest.files.first().unwrap();
        assert_eq!((entry.role, entry.host.as_deref()), (Some(Role::Hop), Some("egress-1")));
        assert_eq!(entry.taken_at, Some(Moment::from_secs(1_715_397_000)));
    }

    #[test]
    fn mistakes_are_named() {
        let with = |line: &str| {
            format!("schema = \"hopclock.evidence/1\"\n[[file]]\npath = \"a\"\n{line}\n")
        };
        assert!(parse(&with("role = \"nat\"")).unwrap_err().contains("role \"nat\""));
        assert!(parse(&with("taken_at = \"noon\"")).unwrap_err().contains("noon"));
        assert!(parse("schema = \"other/1\"").unwrap_err().contains("other/1"));
        assert!(parse("[[file").is_err());
    }
}
