//! What differs between kernels, as one value: the model reads its rules here and nowhere else.
//!
//! [`Rules::default`] is 6.18, the version judged against the running kernel. Which version has
//! which rule stands in `super::version`.

use super::state::{TRANSITIONS, Transitions};

/// How a direction that is already known is initialised again (R1).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Reinit {
    /// Any packet beyond the end, ORIGINAL in SYN_SENT or REPLY in SYN_RECV; options are read.
    AnyPacket,
    /// As [`Reinit::AnyPacket`], and a SYN beyond the end in REPLY while SYN_SENT.
    AnyPacketOrSyn,
    /// Only a SYN beyond the end, in SYN_SENT or SYN_RECV.
    SynOnly,
}

/// What becomes of data a little beyond the window (R4, R5).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Overshoot {
    /// INVALID, nothing changed.
    Invalid,
    /// INVALID, but the sender's end moves.
    InvalidMoved,
    /// Passes, and the sender's end moves.
    Ignored,
}

/// The rules of one kernel version. The numbers in the docs are the rows of the version table.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Rules {
    /// The transition tables; the same in every version compared.
    pub transitions: Transitions,
    /// The least the lower bound of acknowledgements allows for, bytes.
    pub max_ack_window: u32,
    /// The largest window scale that counts (RFC 7323 §2.3).
    pub max_scale: u8,
    /// R1
    pub reinit: Reinit,
    /// R2: an initialisation in ORIGINAL, too, clears scales that only one side offered.
    pub scale_cleared_both_ways: bool,
    /// R3: the liberal flag outlives option parsing and resynchronisation.
    pub liberal_survives: bool,
    /// R4 and R5
    pub overshoot: Overshoot,
    /// R5: old data and old acknowledgements pass without effect instead of being INVALID.
    pub old_segments_pass: bool,
    /// R6: a FIN and a reset out of window, from both sides, lower the timer.
    pub out_of_window_end_lowers: bool,
    /// R7: any reset closes an entry that is closing; a reset with sequence 0 goes to the window
    /// check; a reset after a SYN is not judged by the peer's highest acknowledgement.
    pub lenient_reset: bool,
    /// R8: a reset that answers a challenge ACK in SYN_SENT skips the window check.
    pub challenge_in_syn_sent: bool,
    /// R9: a reset that answers a SYN must come from the other direction.
    pub reset_answers_other_way: bool,
    /// R10: a reset that leaves the state ESTABLISHED gives it the unacknowledged timeout, not
    /// that of CLOSE.
    pub inexact_reset_unacknowledged: bool,
    /// R11: a SYN sent again before any reply does not refresh.
    pub syn_again_keeps_timer: bool,
    /// R12: an acknowledgement one beyond the end is taken when both directions are unknown but
    /// for their end, as after a keepalive.
    pub keepalive_tolerance: bool,
    /// R13: identical segments are told by the window as sent, not as scaled.
    pub raw_window_compared: bool,
    /// R16: a packet that may not open an entry is logged.
    pub refused_opening_logged: bool,
    /// R17: a reopening counts as INVALID in the statistics.
    pub reopening_counted_invalid: bool,
    /// Window messages carry their bound (6.1 and later, with R5).
    pub bounds_in_log: bool,
    /// The lowering of R6 is logged as "lowered timeout to UNACK" (6.1.184, 6.12.104 and later).
    pub lowering_named_in_log: bool,
    /// `nf_conntrack_max` = 0 means no limit (up to 6.18).
    pub zero_max_is_unlimited: bool,
}

impl Default for Rules {
    fn default() -> Self {
        Self {
            transitions: TRANSITIONS,
            max_ack_window: 66_000,
            max_scale: 14,
            reinit: Reinit::SynOnly,
            scale_cleared_both_ways: false,
            liberal_survives: true,
            overshoot: Overshoot::Ignored,
            old_segments_pass: true,
            out_of_window_end_lowers: true,
            lenient_reset: true,
            challenge_in_syn_sent: true,
            reset_answers_other_way: true,
            inexact_reset_unacknowledged: false,
            syn_again_keeps_timer: true,
            keepalive_tolerance: true,
            raw_window_compared: true,
            refused_opening_logged: true,
            reopening_counted_invalid: false,
            bounds_in_log: true,
            lowering_named_in_log: false,
            zero_max_is_unlimited: true,
        }
    }
}
