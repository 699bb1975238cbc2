//! Files the tests make and people read: they are what the program prints today. With
//! `HOPCLOCK_BLESS=1` a test writes them anew instead of judging.

use crate::repo;
use std::env;
use std::fs;

/// Panics where the file at `path` (from the repository's root) is not `text`.
pub fn holds(path: &str, text: &str) {
    let file = repo().join(path);
    if env::var_os("HOPCLOCK_BLESS").is_some() {
        let folder = file.parent().unwrap_or(repo());
        let written = fs::create_dir_all(folder).and_then(|()| fs::write(&file, text));
        assert!(written.is_ok(), "{path}: {written:?}");
        return;
    }
    let stands = fs::read_to_string(&file).unwrap_or_default();
    let differs = stands.lines().zip(text.lines()).position(|(a, b)| a != b);
    let line = differs.unwrap_or(stands.lines().count().min(text.lines().count()));
    assert!(
        stands == text,
        "{path}, line {}: stands {:?}, and today it is {:?}; run the tests with HOPCLOCK_BLESS=1 \
         and look at the change",
        line + 1,
        stands.lines().nth(line),
        text.lines().nth(line),
    );
}
