//! Other programs run for what they print: found where administrators' programs lie, given a time,
//! and never asked for more than is wanted.

use std::env;
use std::io::Read;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

/// A program that has not answered by then is ended.
const PATIENCE: Duration = Duration::from_secs(20);
/// What a program says of its trouble is one line; more is not read.
const TROUBLE_MAX: u64 = 4096;

/// What a program printed.
#[derive(Debug)]
pub(super) struct Printed {
    /// Standard output, as far as it was wanted.
    pub(super) text: String,
    /// There was more.
    pub(super) cut: bool,
    /// Standard error.
    pub(super) said: String,
}

/// Why there is nothing of a program.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Refused {
    /// It is not installed.
    NotInstalled,
    /// It failed, and this is what it said.
    Failed(String),
}

/// Where a program is. A plain user's `PATH` often lacks the administrators' folders.
pub(super) fn find(name: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    env::split_paths(&path)
        .chain(["/usr/sbin", "/sbin", "/usr/bin", "/bin"].map(PathBuf::from))
        .filter(|folder| folder.is_absolute())
        .map(|folder| folder.join(name))
        .find(|file| file.is_file())
}

/// Runs `name` in the calling thread's network namespace and takes at most `bytes_max` of what it
/// prints.
pub(super) fn run(name: &str, arguments: &[&str], bytes_max: usize) -> Result<Printed, Refused> {
    let program = find(name).ok_or(Refused::NotInstalled)?;
    let failed = |error: std::io::Error| Refused::Failed(format!("{name}: {error}"));
    // Spawned by this very thread, whose namespace the program inherits.
    let mut child = Command::new(program)
        .args(arguments)
        .env("LC_ALL", "C")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(failed)?;
    let printed = reader(child.stdout.take(), bytes_max as u64 + 1);
    let said = reader(child.stderr.take(), TROUBLE_MAX);
    let text = printed.recv_timeout(PATIENCE);
    if text.as_ref().is_ok_and(|text| text.len() <= bytes_max) {
        // Its output is closed: it is ending.
    } else {
        // It may have ended by itself meanwhile, which is as well.
        let _ = child.kill();
    }
    let status = child.wait().map_err(failed)?;
    let said = said.recv_timeout(Duration::from_secs(1)).unwrap_or_default();
    let Ok(mut text) = text else {
        let patience_s = PATIENCE.as_secs();
        return Err(Refused::Failed(format!("{name} gave no answer within {patience_s} s")));
    };
    let cut = text.len() > bytes_max;
    text.truncate(bytes_max);
    if !status.success() && !cut {
        let first = said.lines().map(str::trim).find(|line| !line.is_empty());
        let why = first.map_or_else(|| status.to_string(), str::to_owned);
        return Err(Refused::Failed(format!("{name} said: {why}")));
    }
    Ok(Printed { text, cut, said })
}

/// Reads a pipe beside the caller, as far as `bytes_max`, so that neither of two pipes can block
/// the program.
fn reader(pipe: Option<impl Read + Send + 'static>, bytes_max: u64) -> mpsc::Receiver<String> {
    let (tell, told) = mpsc::channel();
    thread::spawn(move || {
        let mut bytes = Vec::new();
        if let Some(pipe) = pipe {
            // What could be read before an error is still worth having.
            let _ = pipe.take(bytes_max).read_to_end(&mut bytes);
        }
        // The caller may have given up by now.
        let _ = tell.send(String::from_utf8_lossy(&bytes).into_owned());
    });
    told
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_installed_is_told_apart_from_what_fails() {
        assert_eq!(run("no-such-program-here", &[], 10).unwrap_err(), Refused::NotInstalled);
        let Err(Refused::Failed(why)) = run("sh", &["-c", "echo not today >&2; exit 3"], 10) else {
            panic!("it failed");
        };
        assert_eq!(why, "sh said: not today");
    }

    #[test]
    fn a_program_that_never_stops_printing_is_stopped() {
        let printed = run("yes", &[], 1000).unwrap();
        assert!(printed.cut && printed.text.len() == 1000);
    }
}
