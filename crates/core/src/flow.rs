//! Segments become connections, and each connection's end is observed.
//!
//! Memory is bounded: a fixed number of connections, a fixed size each. No opinion is formed here:
//! a reset's marks are compared with those of its sender's other packets, and that is all.

mod again;
mod elsewhere;
mod ends;
mod half;
mod headers;
mod life;
mod numbering;
mod reader;
mod record;
mod reset;
mod sift;
mod small;
mod table;
mod tell;
mod translation;

#[cfg(test)]
mod tests;

pub use crate::wire::IcmpKind;
pub use headers::{HEADERS_MAX, Headers};
pub use numbering::Numbering;
pub use reader::{CaptureReader, CaptureReading, Observer, Tally};
pub use record::{
    AlsoKnownAs, Answers, BySide, Ending, Finished, FlowRecord, HalfClose, How, IcmpNote,
    Keepalive, KnownBy, LastWords, Mark, Reset, ResetSummary, RoundTrips, SCHEMA, Said, Signature,
    SizeLoss, Traffic, Translates, Unanswered,
};
pub use sift::{Batch, Sifter};
pub use table::{FLOWS_MAX, Table};
