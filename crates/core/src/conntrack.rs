//! The Linux connection tracking table, as a pure model: packets and sysctls in; the verdict, the
//! state and the timer of every entry out.
//!
//! Time is an argument. The model refuses to know what is not in a packet or a setting: it has no
//! helpers, no synproxy, no `ct timeout` policies and no flowtable, and where a kernel version was
//! read in source but not run it says so.

pub mod settings;

pub use settings::{Settings, Timeouts};
