//! `many-flows [CONNECTIONS [BINARY]]`: what `hopclock flows` holds in memory with so many
//! connections open at once, seen once, twice, and on both sides of a translation. A million by
//! default, and `target/release/hopclock`.
#![expect(clippy::print_stdout, reason = "the measurement is printed")]

use hopclock_tests::many::{Seen, measure};
use std::env;
use std::io;
use std::path::PathBuf;

/// What `/proc` calls kB is 1024 bytes.
fn megabytes(kb: u64) -> u64 {
    kb * 1024 / 1_000_000
}

fn main() -> io::Result<()> {
    let mut args = env::args().skip(1);
    let count = args.next().and_then(|count| count.parse().ok()).unwrap_or(1_000_000);
    let binary =
        args.next().map_or_else(|| PathBuf::from("target/release/hopclock"), PathBuf::from);
    for seen in [Seen::Once, Seen::Twice, Seen::Translated] {
        let found = measure(&binary, count, seen)?;
        let (told, peak, anonymous) =
            (found.told, megabytes(found.peak_kb), megabytes(found.anonymous_kb));
        println!("{seen:?}: {told} connections, {anonymous} MB anonymous, {peak} MB at most");
    }
    Ok(())
}
