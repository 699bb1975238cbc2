//! hopclock-core: bytes become facts, facts become lives, a life ends, the end is argued.
//!
//! Nothing here opens a file, asks a clock, starts a thread or reads the environment; the caller
//! hands in bytes and moments. The modules stand in the order in which they may know each other:
//! each uses those above it and none below (`tests/tests/tidy.rs` checks).
#![forbid(unsafe_code)]

// The order is the rule, not the alphabet. One line each, so that rustfmt leaves it alone:
// a blank line between two `mod` items keeps them from being sorted.
pub mod time;

pub mod terms;

pub mod capture;

pub mod wire;

pub mod flow;

pub mod log;

pub mod dump;

pub mod redact;

pub mod clocks;

pub mod conntrack;

pub mod rhythm;

pub mod path;

pub mod inquest;

pub mod report;

pub mod map;

pub mod story;
