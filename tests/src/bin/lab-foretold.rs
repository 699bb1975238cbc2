//! What the model foretells of recordings of the lab, beside what they show.
//!
//! `lab-foretold FOLDER…`, each a folder of runs (`hopclock lab run … --out FOLDER`). Prints a
//! table; exit code 1 if a row disagrees.
#![expect(clippy::print_stdout, reason = "this is a command")]
#![expect(clippy::print_stderr, reason = "this is a command")]

use std::process::ExitCode;

use hopclock_tests::foretold;

fn main() -> ExitCode {
    let mut all = Vec::new();
    for folder in std::env::args().skip(1) {
        match foretold::rows(std::path::Path::new(&folder)) {
            Ok(rows) => all.extend(rows),
            Err(error) => {
                eprintln!("lab-foretold: {folder}: {error}");
                return ExitCode::from(3);
            }
        }
    }
    println!("| run | tried | foretold | seen | |\n|---|---|---|---|---|");
    for row in &all {
        let agree = match row.agrees {
            Some(true) => "agree",
            Some(false) => "differ",
            None => "open",
        };
        println!("| {} | {} | {} | {} | {agree} |", row.run, row.tried, row.foretold, row.seen);
    }
    ExitCode::from(u8::from(all.iter().any(|row| row.agrees == Some(false))))
}
