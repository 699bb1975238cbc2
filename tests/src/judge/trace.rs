//! What was done to the kernel, in order, and what it answered.

use hopclock_core::conntrack::{Settings, Tuple};
use hopclock_core::time::Moment;
use hopclock_live::netlink::conntrack::Told;

/// The kernel's answer to one packet.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The low byte of `ct state` as a rule saw it; `None` if the packet did not come out.
    pub ct_state: Option<u8>,
    /// The entry its tuple meets afterwards.
    pub told: Option<Box<Told>>,
    /// Lines of `nf_conntrack_log_invalid`.
    pub log: Vec<String>,
}

/// One thing done.
#[derive(Clone, Debug)]
pub enum Deed {
    /// Sysctls were set.
    Set(Box<Settings>),
    /// A packet was sent.
    Packet {
        /// When.
        at: Moment,
        /// Its bytes from the IP header on.
        bytes: Vec<u8>,
        /// Whose entry was asked for afterwards.
        tuple: Tuple,
        /// What the kernel said.
        answer: Answer,
    },
    /// An entry was given this many seconds.
    Timeout {
        /// When.
        at: Moment,
        /// Whose.
        tuple: Tuple,
        /// Seconds from then; 0 ends it.
        seconds: u32,
    },
    /// An entry was removed.
    Remove {
        /// Whose.
        tuple: Tuple,
    },
}

/// Everything done, in order, beginning with an empty table and default settings.
#[derive(Clone, Debug, Default)]
pub struct Trace {
    /// The deeds.
    pub deeds: Vec<Deed>,
}
