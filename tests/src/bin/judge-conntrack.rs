//! Holds the conntrack model against the running kernel for as many packets as asked.
//!
//! `judge-conntrack [PACKETS [SEED]]`, a million by default, by the rules of the kernel that runs.
//! With `--record FILE` what was sent and answered is kept as vectors, whether it agrees or not.
//! Needs root; works in a network namespace of its own and changes nothing outside it. Exit code 1
//! at the first difference.
#![expect(clippy::print_stdout, reason = "this is a command")]
#![expect(clippy::print_stderr, reason = "this is a command")]

use std::process::ExitCode;

use hopclock_core::conntrack::{Kernel, Rules};
use hopclock_tests::judge::run::{Runner, judge_by};
use hopclock_tests::judge::vectors::Vectors;

/// Packets whose answers are kept at a time.
const BATCH: u64 = 100_000;

fn main() -> ExitCode {
    let mut args: Vec<String> = std::env::args().skip(1).collect();
    let record = args.iter().position(|a| a == "--record").and_then(|at| {
        args.remove(at);
        (at < args.len()).then(|| args.remove(at))
    });
    let number = |at: usize| args.get(at).and_then(|n| n.parse().ok());
    let (packets, seed) = (number(0).unwrap_or(1_000_000), number(1).unwrap_or(1));
    match run(packets, seed, record.as_deref()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("judge-conntrack: {error}");
            ExitCode::from(5)
        }
    }
}

/// The kernel's version; Debian's own stands last in its longer name.
fn release() -> std::io::Result<String> {
    let long = std::fs::read_to_string("/proc/version")?;
    if let Some(version) = long.rsplit_once("Debian ").and_then(|(_, v)| v.split(' ').next()) {
        return Ok(version.to_owned());
    }
    Ok(std::fs::read_to_string("/proc/sys/kernel/osrelease")?.trim().to_owned())
}

fn run(packets: u64, seed: u64, record: Option<&str>) -> std::io::Result<bool> {
    let begun = hopclock_live::clock::monotonic();
    let release = release()?;
    let rules = Kernel::parse(&release).map_or_else(Rules::default, Kernel::rules);
    let mut runner = Runner::start(seed)?.following(rules);
    while runner.tally.packets < packets {
        let batch = BATCH.min(packets - runner.tally.packets);
        let trace = runner.run(batch)?;
        let difference = judge_by(&trace, rules);
        if let Some(path) = record {
            std::fs::write(path, Vectors { release: release.clone(), trace }.bytes())?;
        }
        if let Some(difference) = difference {
            println!("seed {seed}, deed {} of the last batch differs:", difference.deed);
            for what in &difference.what {
                println!("  {what}");
            }
            println!("{}", difference.about);
            return Ok(false);
        }
        let took = hopclock_live::clock::monotonic().since(begun).secs_f64();
        println!(
            "Linux {release}: {} packets of {} conversations agree ({took:.1} s)",
            runner.tally.packets, runner.tally.talks
        );
    }
    Ok(true)
}
