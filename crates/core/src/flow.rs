//! Segments become connections, and each connection's end is observed.
//!
//! Memory is bounded: a fixed number of connections, a fixed size each. No opinion is formed here.

mod reader;
mod record;

pub use crate::wire::IcmpKind;
pub use reader::{CaptureReader, CaptureReading};
pub use record::{
    Answers, BySide, Ending, Finished, FlowRecord, HalfClose, How, IcmpNote, Keepalive, KnownBy,
    LastWords, Mark, Reset, ResetSummary, RoundTrips, SCHEMA, Said, Signature, SizeLoss, Traffic,
    Unanswered,
};
