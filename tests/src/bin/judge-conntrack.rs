//! Holds the conntrack model against the running kernel for as many packets as asked.
//!
//! `judge-conntrack [PACKETS [SEED]]`, a million by default. Needs root; works in a network
//! namespace of its own and changes nothing outside it. Exit code 1 at the first difference.
#![expect(clippy::print_stdout, reason = "this is a command")]
#![expect(clippy::print_stderr, reason = "this is a command")]

use std::process::ExitCode;

use hopclock_tests::judge::mutation::Mutation;
use hopclock_tests::judge::run::{Runner, judge};

/// Packets whose answers are kept at a time.
const BATCH: u64 = 100_000;

fn main() -> ExitCode {
    let mut args = std::env::args().skip(1);
    let packets: u64 = args.next().and_then(|n| n.parse().ok()).unwrap_or(1_000_000);
    let seed: u64 = args.next().and_then(|n| n.parse().ok()).unwrap_or(1);
    match run(packets, seed) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("judge-conntrack: {error}");
            ExitCode::from(5)
        }
    }
}

fn run(packets: u64, seed: u64) -> std::io::Result<bool> {
    let begun = hopclock_live::clock::monotonic();
    let mut runner = Runner::start(seed)?;
    while runner.tally.packets < packets {
        let batch = BATCH.min(packets - runner.tally.packets);
        let trace = runner.run(batch)?;
        if let Some(difference) = judge(&trace, Mutation::None) {
            println!("seed {seed}, deed {} of the last batch differs:", difference.deed);
            for what in &difference.what {
                println!("  {what}");
            }
            println!("{}", difference.about);
            return Ok(false);
        }
        let took = hopclock_live::clock::monotonic().since(begun).secs_f64();
        println!(
            "{} packets of {} conversations agree ({took:.1} s)",
            runner.tally.packets, runner.tally.talks
        );
    }
    Ok(true)
}
