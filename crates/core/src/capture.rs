//! Bytes of a capture file become packets: pcap and pcapng, told apart by content.
//!
//! A [`Decoder`] does no I/O: it is shown the bytes at hand and says how many it used and what they
//! were, or how many more it needs. Nothing is kept but the few numbers of the file's headers, so a
//! capture of any size is read in the same memory. It refuses everything else: packed files are
//! unpacked by the caller, and other capture formats are named as not understood.

use crate::time::Moment;

mod cursor;
mod pcap;
mod pcapng;
mod stream;
mod write;

#[cfg(test)]
mod tests;

pub(crate) use cursor::{Cursor, Short};
pub use stream::{Ready, Stream};
pub use write::Writer;

/// Largest packet believed, as Wireshark has it (`WTAP_MAX_PACKET_SIZE_STANDARD`): a longer one is
/// damage, not a packet.
pub const PACKET_BYTES_MAX: u32 = 262_144;

/// How a packet begins: a number of the list at <https://www.tcpdump.org/linktypes.html>.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct LinkType(pub u16);

/// One packet as the file holds it, nothing decoded.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Packet<'a> {
    /// Number in the file, from 1, as Wireshark counts.
    pub number: u64,
    /// Its time stamp; for one without (a simple packet block), that of the packet before.
    pub at: Moment,
    /// The stamp is its own.
    pub stamped: bool,
    /// How it begins.
    pub link: LinkType,
    /// Number of its interface within the file, from 0, counted across sections.
    pub interface: u32,
    /// Bytes of frame check sequence at its end, where the file says so.
    pub fcs_bytes: u8,
    /// The bytes kept.
    pub bytes: &'a [u8],
    /// How many there were on the wire; never fewer than were kept.
    pub wire_len: u32,
}

/// Where and why reading stopped before the end.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Damage {
    /// Byte offset of the record that makes no sense.
    pub at: u64,
    /// What is wrong with it.
    pub what: String,
}

/// What the bytes at hand were.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Step<'a> {
    /// A packet, in the first `consumed` bytes.
    Packet {
        /// Bytes used up.
        consumed: usize,
        /// Where within them the packet's own begin.
        from: usize,
        /// The packet.
        packet: Packet<'a>,
    },
    /// A header or block with nothing to tell here; `consumed` may exceed what is at hand, and then
    /// so many bytes of what follows are to be thrown away.
    Passed {
        /// Bytes used up.
        consumed: u64,
    },
    /// Nothing can be said before this many bytes are at hand.
    Need {
        /// Bytes wanted in all, from the first shown.
        bytes: usize,
    },
    /// The file ended where it should.
    End,
    /// It cannot be read any further.
    Damaged(Damage),
}

/// Which format a file is in.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Format {
    /// The libpcap file format.
    Pcap,
    /// The pcapng format (draft-ietf-opsawg-pcapng).
    Pcapng,
}

impl Format {
    /// As users write it.
    pub const fn word(self) -> &'static str {
        match self {
            Format::Pcap => "pcap",
            Format::Pcapng => "pcapng",
        }
    }
}

/// What a file says of itself.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct About {
    /// Comments of sections and interfaces (`opt_comment`), at most 64 of at most 1024 bytes.
    pub comments: Vec<String>,
    /// Programs that wrote it (`shb_userappl`), at most 16.
    pub made_by: Vec<String>,
    /// Names of its interfaces (`if_name`), by number across sections, at most 64.
    pub interfaces: Vec<String>,
    /// Packets its statistics say were lost before they reached the file.
    pub lost: Lost,
}

/// Packets a capture lost by its own account (pcapng Interface Statistics, the latest of each
/// interface added up): they were on the wire and are not in the file.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Lost {
    /// Dropped by interfaces for want of room (`isb_ifdrop`).
    pub by_interface: u64,
    /// Dropped by the operating system (`isb_osdrop`).
    pub by_system: u64,
}

impl Lost {
    /// These with one interface's count of `before` put right to `now`.
    fn with(self, now: Lost, before: Lost) -> Self {
        let right =
            |sum: u64, now: u64, before: u64| sum.saturating_sub(before).saturating_add(now);
        Self {
            by_interface: right(self.by_interface, now.by_interface, before.by_interface),
            by_system: right(self.by_system, now.by_system, before.by_system),
        }
    }

    /// A sentence; `None` when nothing was lost.
    pub fn sentence(&self) -> Option<String> {
        let Self { by_interface, by_system } = self;
        (by_interface | by_system != 0).then(|| {
            format!(
                "the capture lost packets by its own account: {by_interface} dropped by the \
                 interface, {by_system} by the operating system; what is missing may be its own \
                 loss and not the network's"
            )
        })
    }
}

/// Whether a file that begins with `head` is a capture this module reads.
pub fn sniff(head: &[u8]) -> Option<Format> {
    if pcap::looks_like(head) {
        Some(Format::Pcap)
    } else if pcapng::looks_like(head) {
        Some(Format::Pcapng)
    } else {
        None
    }
}

/// Reads one capture file, step by step.
#[derive(Debug)]
pub struct Decoder {
    stage: Stage,
    offset: u64,
    about: About,
}

#[derive(Debug)]
enum Stage {
    Fresh,
    Pcap(pcap::File),
    Pcapng(Box<pcapng::File>),
    Stopped,
}

impl Default for Decoder {
    fn default() -> Self {
        Self::new()
    }
}

impl Decoder {
    /// A decoder that has seen nothing.
    pub fn new() -> Self {
        Self { stage: Stage::Fresh, offset: 0, about: About::default() }
    }

    /// The format, once the first bytes were seen.
    pub fn format(&self) -> Option<Format> {
        match self.stage {
            Stage::Fresh | Stage::Stopped => None,
            Stage::Pcap(_) => Some(Format::Pcap),
            Stage::Pcapng(_) => Some(Format::Pcapng),
        }
    }

    /// What the file said of itself so far.
    pub fn about(&self) -> &About {
        &self.about
    }

    /// Says what `bytes`, the unread rest of the file as far as it is at hand, begin with. `last`
    /// tells that nothing follows them. After [`Step::End`] or [`Step::Damaged`] it says the same.
    pub fn step<'a>(&mut self, bytes: &'a [u8], last: bool) -> Step<'a> {
        let step = match &mut self.stage {
            Stage::Fresh => self.begin(bytes, last),
            Stage::Pcap(file) => file.step(bytes),
            Stage::Pcapng(file) => file.step(bytes, &mut self.about),
            Stage::Stopped => Step::End,
        };
        self.settle(step, bytes.len(), last)
    }

    /// Shows every whole packet `bytes` begin with, as [`Decoder::step`] would one by one, and says
    /// how many bytes they take. It stops before whatever is no packet, for `step` to judge.
    pub fn each(&mut self, bytes: &[u8], show: &mut impl FnMut(&Packet<'_>)) -> usize {
        let used = match &mut self.stage {
            Stage::Pcap(file) => file.each(bytes, show),
            Stage::Pcapng(file) => file.each(bytes, show),
            Stage::Fresh | Stage::Stopped => 0,
        };
        self.offset += used as u64;
        used
    }

    fn begin<'a>(&mut self, bytes: &'a [u8], last: bool) -> Step<'a> {
        if bytes.len() < 4 && !last {
            return Step::Need { bytes: 4 };
        }
        if bytes.is_empty() {
            return damaged("it is empty");
        }
        match sniff(bytes) {
            Some(Format::Pcap) => match pcap::File::begin(bytes) {
                Ok((file, consumed)) => {
                    self.stage = Stage::Pcap(file);
                    Step::Passed { consumed }
                }
                Err(stop) => stop,
            },
            Some(Format::Pcapng) => {
                self.stage = Stage::Pcapng(Box::default());
                Step::Passed { consumed: 0 }
            }
            None => damaged("it is neither pcap nor pcapng"),
        }
    }

    /// Turns "need more" at the end of the file into what it means there, and keeps the offset.
    fn settle<'a>(&mut self, step: Step<'a>, have: usize, last: bool) -> Step<'a> {
        match step {
            Step::Need { bytes } if last => {
                if have == 0 && !matches!(self.stage, Stage::Fresh) {
                    return Step::End;
                }
                let missing = bytes.saturating_sub(have);
                let what = format!("the file ends {missing} bytes before its last record does");
                self.stop(Damage { at: self.offset, what })
            }
            Step::Damaged(mut damage) => {
                damage.at = self.offset;
                self.stop(damage)
            }
            Step::Packet { consumed, .. } => {
                self.offset += consumed as u64;
                step
            }
            Step::Passed { consumed } => {
                self.offset += consumed;
                Step::Passed { consumed }
            }
            Step::Need { .. } | Step::End => step,
        }
    }

    fn stop<'a>(&mut self, damage: Damage) -> Step<'a> {
        self.stage = Stage::Stopped;
        Step::Damaged(damage)
    }
}

/// A step that says `what` is wrong; the offset is filled in by the decoder.
fn damaged<'a>(what: impl Into<String>) -> Step<'a> {
    Step::Damaged(Damage { at: 0, what: what.into() })
}
