//! The running kernel judges the conntrack model; each known mistake in the model must be caught.
//!
//! Needs root and Linux 6.18, whose rules the model has by default; works in a network namespace
//! of its own.

use hopclock_tests::judge::mutation::Mutation;
use hopclock_tests::judge::run::{Difference, Runner, judge};
use hopclock_tests::skip;

/// Packets sent to the kernel.
const PACKETS: u64 = 200_000;
const SEED: u64 = 20_240_510;

#[test]
fn the_kernel_agrees_with_the_model_and_with_no_mutation_of_it() {
    const NAME: &str = "the_kernel_agrees_with_the_model_and_with_no_mutation_of_it";
    let mut runner = match Runner::start(SEED) {
        Ok(runner) => runner,
        Err(why) => return skip(NAME, &why.to_string()),
    };
    let trace = runner.run(PACKETS).unwrap();
    if let Some(difference) = judge(&trace, Mutation::None) {
        panic!("{}", told(&difference));
    }
    let missed: Vec<&Mutation> =
        Mutation::ALL.iter().filter(|mutation| judge(&trace, **mutation).is_none()).collect();
    assert!(missed.is_empty(), "not caught by {PACKETS} packets: {missed:?}");
}

fn told(difference: &Difference) -> String {
    format!("deed {}: {}\n{}", difference.deed, difference.what.join("\n"), difference.about)
}
