//! The running kernel judges where packets go: translation and rules, as their own tools list them.

use hopclock_tests::judge::nat::{Counted, Hop, one};
use hopclock_tests::judge::rng::Rng;
use hopclock_tests::skip;

/// Rulesets, and packets through each.
const RULESETS: u32 = 60;
const PACKETS: u32 = 40;

/// `HOPCLOCK_RULESETS` says how many, `HOPCLOCK_FUZZ_SEED` the dice.
#[test]
fn the_kernel_sends_packets_where_the_rules_say() {
    let number = |name: &str, otherwise: u32| {
        std::env::var(name).ok().map_or(otherwise, |set| set.parse().unwrap())
    };
    let mut rng = Rng::new(u64::from(number("HOPCLOCK_FUZZ_SEED", 7)));
    let mut hop = match Hop::start() {
        Ok(hop) => hop,
        Err(why) => {
            return skip("the_kernel_sends_packets_where_the_rules_say", &why.to_string());
        }
    };
    let rulesets = number("HOPCLOCK_RULESETS", RULESETS);
    let mut counted = Counted::default();
    for _ in 0..rulesets {
        let wrong = one(&mut hop, &mut rng, (PACKETS, &mut counted)).unwrap();
        assert_eq!(wrong, None);
    }
    eprintln!("{rulesets} rulesets: {counted:?}");
    assert!(counted.agreed > u64::from(rulesets) * 10, "{counted:?}");
    assert!(counted.translated > 0 && counted.drawn > 0 && counted.stopped > 0, "{counted:?}");
    assert!(counted.unsaid * 20 < counted.agreed, "what is loaded is understood: {counted:?}");
}
