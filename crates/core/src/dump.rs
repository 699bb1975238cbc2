//! Text of dumps and notes becomes facts of a host, each with the line it stands on.
//!
//! Dumps carry no clock and no host of their own; a stamped line (`# hopclock host=… role=… at=…`)
//! or the folder says where they are from. Nothing here guesses it.

pub mod config;
pub mod conntrack;
pub mod counters;
pub mod events;
pub mod header;
pub mod ipvs;
pub mod links;
pub mod notes;
pub mod rules;
pub mod ss;
pub mod sysctl;
