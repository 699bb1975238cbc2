//! That the core is pure, as far as a build can show it.
//!
//! The proof is the lint ban in `crates/core/clippy.toml`; this holds two things against it that
//! a lint does not see (docs/decisions): what the core's dependencies need of an operating
//! system, and whether the ban still names what it must.

use hopclock_tests::repo;
use std::fs;
use std::io::Write as _;
use std::process::{Command, Stdio};

const TARGET: &str = "wasm32-unknown-unknown";

/// What the ban must name, whatever else it names.
const BANNED: [&str; 12] = [
    "std::time::Instant::now",
    "std::time::SystemTime::now",
    "jiff::Timestamp::now",
    "jiff::Zoned::now",
    "std::fs::read",
    "std::fs::File::open",
    "std::env::var",
    "std::thread::spawn",
    "std::thread::sleep",
    "std::process::exit",
    "std::io::stdin",
    "std::io::stdout",
];

#[test]
fn the_ban_still_names_clocks_files_threads_and_the_environment() {
    let text = fs::read_to_string(repo().join("crates/core/clippy.toml")).unwrap();
    let ban: toml::Table = toml::from_str(&text).unwrap();
    let paths: Vec<&str> = ban["disallowed-methods"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|entry| entry["path"].as_str())
        .collect();
    for path in BANNED {
        assert!(paths.contains(&path), "crates/core/clippy.toml no longer bans {path}");
    }
}

/// Builds the core for a machine without an operating system and looks that it asks for nothing.
///
/// An extra: without the target it says so and passes even where nothing may be skipped.
#[test]
fn the_core_builds_where_there_is_no_world() {
    if !has_target() {
        let _ = writeln!(
            std::io::stderr(),
            "not run: the_core_builds_where_there_is_no_world: rustup target add {TARGET}"
        );
        return;
    }
    let target = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join("wasm");
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo)
        .args(["rustc", "--quiet", "--locked", "-p", "hopclock-core", "--lib"])
        .args(["--target", TARGET, "--crate-type", "cdylib", "--target-dir"])
        .arg(&target)
        .current_dir(repo())
        .stdin(Stdio::null())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let module = fs::read(target.join(TARGET).join("debug/hopclock_core.wasm")).unwrap();
    assert_eq!(imports(&module), Some(0), "the core asks its host for something");
}

fn has_target() -> bool {
    let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let output = Command::new(rustc)
        .args(["--print", "target-libdir", "--target", TARGET])
        .stdin(Stdio::null())
        .output();
    let Ok(output) = output else { return false };
    let folder = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    output.status.success() && fs::read_dir(folder).is_ok_and(|mut files| files.next().is_some())
}

/// How many imports a module has (WebAssembly core specification 2.0 §5.5: sections of an id, a
/// size and a body; section 2 begins with the number of imports). `None`: it is no module.
fn imports(module: &[u8]) -> Option<u64> {
    let mut rest = module.strip_prefix(b"\0asm\x01\0\0\0")?;
    while let Some((id, after)) = rest.split_first() {
        let (size, body) = leb128(after)?;
        let body_end = usize::try_from(size).ok()?;
        if *id == 2 {
            return leb128(body.get(..body_end)?).map(|(count, _)| count);
        }
        rest = body.get(body_end..)?;
    }
    Some(0)
}

fn leb128(bytes: &[u8]) -> Option<(u64, &[u8])> {
    let mut value = 0;
    for (at, byte) in bytes.iter().take(9).enumerate() {
        value |= u64::from(byte & 0x7f) << (7 * at);
        if byte & 0x80 == 0 {
            return Some((value, &bytes[at + 1..]));
        }
    }
    None
}

#[test]
fn an_import_would_be_seen() {
    let head = b"\0asm\x01\0\0\0".to_vec();
    assert_eq!(imports(&head), Some(0));
    // One custom section of 130 bytes, then one import of a function `a.b` of type 0.
    let custom = [vec![0, 0x82, 0x01, 1, b'x'], vec![0; 128]].concat();
    let import = [2, 7, 1, 1, b'a', 1, b'b', 0, 0];
    assert_eq!(imports(&[head.clone(), custom.clone()].concat()), Some(0));
    assert_eq!(imports(&[head.clone(), custom, import.to_vec()].concat()), Some(1));
    assert_eq!(imports(&[head, vec![2, 200]].concat()), None);
    assert_eq!(imports(b"\x7fELF"), None);
}
