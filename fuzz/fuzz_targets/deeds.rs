//! `hopclock_tests::fuzz::deeds` over what a coverage-guided fuzzer finds.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| hopclock_tests::fuzz::deeds(data));
