//! hopclock-live: what hopclock asks of the running machine. Linux only.
//!
//! This is the one crate that may ask the time, hold a socket or need a privilege.
#![deny(unsafe_code)]

pub mod clock;
pub mod gather;
pub mod kernel;
pub mod namespace;
pub mod netlink;
pub mod record;
pub mod survey;
pub mod tun;
