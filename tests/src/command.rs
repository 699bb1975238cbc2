//! The built `hopclock`, run as a user runs it: arguments and standard input in, what it printed
//! and its exit code out. It looks at no internals.

use crate::repo;
use serde_json::Value;
use std::env;
use std::ffi::{OsStr, OsString};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

/// What a run left behind.
#[derive(Debug)]
pub struct Ran {
    /// Exit code; `None` when a signal ended it.
    pub code: Option<i32>,
    /// Standard output, read as UTF-8.
    pub out: String,
    /// Standard error, read as UTF-8.
    pub err: String,
}

impl Ran {
    /// Standard output as one JSON document; panics when it is not one.
    pub fn json(&self) -> Value {
        match serde_json::from_str(&self.out) {
            Ok(value) => value,
            Err(error) => panic!("not one JSON document: {error}\n{self:#?}"),
        }
    }

    /// Standard output as one JSON document a line; panics when some line is not one.
    pub fn jsonl(&self) -> Vec<Value> {
        let parse = |line: &str| match serde_json::from_str(line) {
            Ok(value) => value,
            Err(error) => panic!("not a JSON document: {error}\n{line}"),
        };
        self.out.lines().map(parse).collect()
    }
}

/// A run being prepared.
#[derive(Debug)]
pub struct Hopclock {
    args: Vec<OsString>,
    stdin: Vec<u8>,
    envs: Vec<(OsString, OsString)>,
}

/// Runs `hopclock` with these arguments, in the repository's root, standard input empty.
pub fn run<A: AsRef<OsStr>>(args: impl IntoIterator<Item = A>) -> Ran {
    Hopclock::new(args).run()
}

impl Hopclock {
    /// A run with these arguments.
    pub fn new<A: AsRef<OsStr>>(args: impl IntoIterator<Item = A>) -> Self {
        let args = args.into_iter().map(|arg| arg.as_ref().to_owned()).collect();
        Self { args, stdin: Vec::new(), envs: Vec::new() }
    }

    /// What standard input holds.
    pub fn stdin(mut self, bytes: impl Into<Vec<u8>>) -> Self {
        self.stdin = bytes.into();
        self
    }

    /// One more variable of the environment.
    pub fn env(mut self, name: impl AsRef<OsStr>, value: impl AsRef<OsStr>) -> Self {
        self.envs.push((name.as_ref().to_owned(), value.as_ref().to_owned()));
        self
    }

    /// Runs it to its end. The environment is the caller's, but for zone, language and terminal:
    /// those are UTC, C and none, so that a test reads the same everywhere.
    pub fn run(self) -> Ran {
        let mut command = Command::new(binary());
        command.args(&self.args).current_dir(repo());
        command.env("TZ", "UTC").env("LC_ALL", "C");
        for name in ["NO_COLOR", "CLICOLOR", "CLICOLOR_FORCE", "COLUMNS", "TERM"] {
            command.env_remove(name);
        }
        command.envs(self.envs);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = match command.spawn() {
            Ok(child) => child,
            Err(error) => panic!("cannot run {}: {error}", binary().display()),
        };
        let pipe = child.stdin.take();
        let writer = std::thread::spawn(move || {
            // A program that has read enough closes the pipe: nothing to complain of.
            pipe.map(|mut pipe| pipe.write_all(&self.stdin))
        });
        let output = match child.wait_with_output() {
            Ok(output) => output,
            Err(error) => panic!("cannot wait for hopclock: {error}"),
        };
        let _ = writer.join();
        Ran {
            code: output.status.code(),
            out: String::from_utf8_lossy(&output.stdout).into_owned(),
            err: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }
}

/// The binary under test, built once a test run into the target folder these tests run from.
///
/// Cargo tells a package's tests where *its own* binaries are and no others, so this asks it to
/// build: it does nothing when the binary is fresh, and a stale one is never tested by mistake.
pub fn binary() -> &'static Path {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    BUILT.get_or_init(build)
}

fn build() -> PathBuf {
    let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    // The whole workspace is named so that features unify as they did for these tests, and what
    // they compiled is used again.
    command.args(["build", "--workspace", "--bin", "hopclock"]);
    // The lab looks for it beside the program that runs.
    command.args(["--bin", "hopclock-lab-grpc"]);
    command.arg("--message-format=json-render-diagnostics");
    command.current_dir(repo());
    if let Some(target) = target_folder() {
        command.arg("--target-dir").arg(target);
    }
    let output = match command.stdin(Stdio::null()).output() {
        Ok(output) => output,
        Err(error) => panic!("cannot run cargo: {error}"),
    };
    let told = String::from_utf8_lossy(&output.stdout);
    let executable = told
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok())
        .filter(|message| message["reason"] == "compiler-artifact")
        .filter(|message| message["target"]["name"] == "hopclock")
        .find_map(|message| message["executable"].as_str().map(PathBuf::from));
    match executable {
        Some(path) if output.status.success() => path,
        _ => panic!("cannot build hopclock:\n{}", String::from_utf8_lossy(&output.stderr)),
    }
}

/// The target folder this test binary lies in, `TARGET/PROFILE/deps/NAME`. Cargo's own mark, a
/// `CACHEDIR.TAG`, is there only when cargo made the folder.
fn target_folder() -> Option<PathBuf> {
    let own = env::current_exe().ok()?;
    let deps = own.ancestors().find(|folder| folder.ends_with("deps"))?;
    Some(deps.parent()?.parent()?.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn these_tests_run_from_a_target_folder_that_is_found() {
        let target = target_folder().unwrap();
        assert!(env::current_exe().unwrap().starts_with(target));
    }
}
