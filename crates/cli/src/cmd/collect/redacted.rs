//! The redactor that was asked for: with a key from another host, or with a new one.

use crate::args::Collect;
use crate::exit::Trouble;
use hopclock_core::redact::{Key, Redactor};
use std::fs::File;
use std::io::Read;

/// None where nothing is to be redacted; with it, whether its key was made here.
pub fn redactor(typed: &Collect) -> Result<Option<(Redactor, bool)>, Trouble> {
    if let Some(text) = &typed.redact_key {
        let usage =
            || Trouble::Usage("--redact-key takes the 32 digits that --redact prints".into());
        return Ok(Some((Redactor::new(Key::parse(text).ok_or_else(usage)?), false)));
    }
    if !typed.redact {
        let stray = typed.redact_map.is_some();
        let why = "--redact-map has nothing to write without --redact";
        return if stray { Err(Trouble::Usage(why.to_owned())) } else { Ok(None) };
    }
    let mut bytes = [0; 16];
    File::open("/dev/urandom")?.read_exact(&mut bytes)?;
    Ok(Some((Redactor::new(Key::from_bytes(bytes)), true)))
}
