//! The Linux connection tracking table, as a pure model: packets and sysctls in; the verdict, the
//! state and the timer of every entry out.
//!
//! Time is an argument. The model refuses to know what is not in a packet or a setting: it has no
//! helpers, no synproxy, no `ct timeout` policies and no flowtable, and where a kernel version was
//! read in source but not run it says so.

pub mod account;
pub mod entry;
mod front;
mod hash;
mod index;
pub mod judged;
pub mod nat;
pub mod options;
pub mod packet;
pub mod reach;
pub mod read;
pub mod reason;
pub mod record;
pub mod replay;
pub mod routed;
pub mod rules;
pub mod settings;
mod start;
pub mod state;
pub mod sweep;
mod switch;
mod table;
mod tcp;
#[cfg(test)]
mod tests;
mod timer;
pub mod version;
mod window;

pub use entry::Entry;
pub use judged::{CtState, Event, Gone, Judged, Met, Verdict};
pub use options::Options;
pub use packet::{Packet, Tuple};
pub use reason::Reason;
pub use replay::Replay;
pub use rules::Rules;
pub use settings::{Settings, Timeouts};
pub use state::{Dir, Kind, State};

pub use sweep::Sweep;
pub use table::Table;
pub use version::Kernel;
