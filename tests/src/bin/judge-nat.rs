//! Holds what is foretold of translation and rules against the running kernel.
//!
//! `judge-nat [RULESETS [SEED]]`, a thousand by default, 40 packets each. Needs root, `nft` and
//! `iptables-nft`; works in a network namespace of its own. Exit code 1 at the first difference.
#![expect(clippy::print_stdout, reason = "this is a command")]
#![expect(clippy::print_stderr, reason = "this is a command")]

use std::process::ExitCode;

use hopclock_tests::judge::nat::{Counted, Hop, one};
use hopclock_tests::judge::rng::Rng;

fn main() -> ExitCode {
    let args: Vec<u64> = std::env::args().skip(1).filter_map(|n| n.parse().ok()).collect();
    let rulesets = args.first().copied().unwrap_or(1000);
    match run(rulesets, args.get(1).copied().unwrap_or(1)) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("judge-nat: {error}");
            ExitCode::from(5)
        }
    }
}

fn run(rulesets: u64, seed: u64) -> std::io::Result<bool> {
    let (mut hop, mut rng) = (Hop::start()?, Rng::new(seed));
    let mut counted = Counted::default();
    for number in 0..rulesets {
        if let Some(wrong) = one(&mut hop, &mut rng, (40, &mut counted))? {
            println!("seed {seed}, ruleset {number}: {wrong}");
            return Ok(false);
        }
    }
    println!("{rulesets} rulesets agree: {counted:?}");
    Ok(true)
}
