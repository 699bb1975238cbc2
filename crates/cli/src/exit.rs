//! Exit codes and the one way a command fails.
//!
//! The numbers are a contract: 0 an answer, 1 findings, 2 usage, 3 no usable input, 4 cannot say,
//! 5 a privilege or kernel feature is missing. A broken pipe is success: the reader had enough.

use std::io;
use std::process::ExitCode;

/// How a command came out when nothing went wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// An answer was given.
    Answered = 0,
    /// Done, and there are findings.
    Findings = 1,
    /// Done, and the honest answer is that the evidence does not tell.
    CannotSay = 4,
}

/// Why a command could not do its work: one sentence, and what might help.
#[derive(Debug)]
pub enum Trouble {
    /// The command line asks for something that makes no sense.
    Usage(String),
    /// No input could be used.
    NoInput {
        /// One sentence a file, or one for all.
        why: Vec<String>,
        /// What would help.
        hint: Option<String>,
    },
    /// All that was asked for needs a privilege, or a feature of the kernel, that is not there.
    Privilege(Vec<String>),
    /// Hopclock's own tables do not fit together: a broken build.
    Broken(String),
    /// Writing the answer failed.
    Output(io::Error),
}

impl From<io::Error> for Trouble {
    fn from(error: io::Error) -> Self {
        Trouble::Output(error)
    }
}

/// Tells on standard error what could not be used, while the rest goes on.
#[expect(clippy::print_stderr, reason = "trouble is told in this file and nowhere else")]
pub fn told(sentences: &[String]) {
    for sentence in sentences {
        eprintln!("hopclock: {sentence}");
    }
}

/// Turns a command's outcome into the process's exit code, telling trouble on standard error.
#[expect(clippy::print_stderr, reason = "trouble is told here and nowhere else")]
pub fn code(outcome: Result<Exit, Trouble>) -> ExitCode {
    match outcome {
        Ok(exit) => ExitCode::from(exit as u8),
        Err(Trouble::Output(error)) if error.kind() == io::ErrorKind::BrokenPipe => {
            ExitCode::SUCCESS
        }
        Err(Trouble::Output(error)) => {
            eprintln!("hopclock: cannot write the answer: {error}");
            ExitCode::from(3)
        }
        Err(Trouble::Usage(why)) => {
            eprintln!("hopclock: {why}");
            ExitCode::from(2)
        }
        Err(Trouble::Broken(why)) => {
            eprintln!("hopclock: this build is broken, please report it: {why}");
            ExitCode::from(3)
        }
        Err(Trouble::Privilege(why)) => {
            for sentence in why {
                eprintln!("hopclock: {sentence}");
            }
            ExitCode::from(5)
        }
        Err(Trouble::NoInput { why, hint }) => {
            for sentence in why {
                eprintln!("hopclock: {sentence}");
            }
            if let Some(hint) = hint {
                eprintln!("hint: {hint}");
            }
            ExitCode::from(3)
        }
    }
}
