//! `cargo run -p hopclock-tests --bin score -- FOLDER…`: what `diagnose` says of folders
//! whose truth is known, in counts, beside what people said of the same evidence.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "it prints what it counted")]

use hopclock_tests::score;
use std::path::PathBuf;
use std::process::ExitCode;

fn main() -> ExitCode {
    let roots: Vec<PathBuf> = std::env::args().skip(1).map(PathBuf::from).collect();
    let folders = score::folders(&roots);
    if folders.is_empty() {
        eprintln!("score: name folders with a truth.json, or folders of such folders");
        return ExitCode::from(2);
    }
    let families = match score::families() {
        Ok(families) => families,
        Err(why) => {
            eprintln!("score: {why}");
            return ExitCode::FAILURE;
        }
    };
    print!("{}", score::table(&score::judge(&families, &folders)));
    ExitCode::SUCCESS
}
