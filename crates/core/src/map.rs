//! The map: every stateful hop of a path, what it keeps for a connection, and for how long.
//!
//! ```text
//! Snapshot (a host, measured) ─┐
//! catalogue (products)         ├─ settle ─► Map { hops, paths } ─► lint, forecast, drift, drawing
//! hops.toml (a person's words) ┘
//! ```
//!
//! A value keeps how it came to be known ([`settle::Known`]) from the file it was read in to the
//! last sentence about it: measured on the hop, stated by a person, a product's default, or
//! nothing. Nothing here measures a host (`live` does) or draws a picture (`render` does).

pub mod document;
pub mod drift;
pub mod forecast;
pub mod idle;
pub mod init;
pub mod inventory;
pub mod job;
pub mod lint;
pub mod place;
pub mod settle;
pub mod snapshot;
