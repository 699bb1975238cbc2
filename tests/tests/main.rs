//! Everything that is tested across crates: one binary, a module a topic.

mod logs;
mod material;
