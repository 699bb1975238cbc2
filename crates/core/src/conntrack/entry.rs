//! One entry of the table: tuples, status, expiry, and what TCP remembers of each direction.

use super::packet::{Tuple, proto};
use super::state::{Dir, Kind, State};
use crate::time::{Gap, Moment};

/// Flags of a direction, as ctnetlink exports them, and two that stay inside.
pub mod half_flag {
    /// Offered window scaling.
    pub const WINDOW_SCALE: u8 = 0x01;
    /// Offered selective acknowledgements.
    pub const SACK_PERM: u8 = 0x02;
    /// Sent the FIN that began the close.
    pub const CLOSE_INIT: u8 = 0x04;
    /// Its window verdicts are waived.
    pub const BE_LIBERAL: u8 = 0x08;
    /// Sent data that is not acknowledged to the byte.
    pub const DATA_UNACKNOWLEDGED: u8 = 0x10;
    /// `maxack` holds.
    pub const MAXACK_SET: u8 = 0x20;
    /// Only in [`super::Last::flags`]: a challenge ACK is expected.
    pub const EXP_CHALLENGE_ACK: u8 = 0x40;
    /// Only in [`super::Last::flags`]: both sides sent a SYN.
    pub const SIMULTANEOUS_OPEN: u8 = 0x80;
}

/// What is remembered of one direction's sender.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Half {
    /// Highest sequence + length believed sent.
    pub end: u32,
    /// Highest acknowledgement + window its peer granted.
    pub maxend: u32,
    /// Largest window it advertised, scaled; 0 means this direction is not initialised.
    pub maxwin: u32,
    /// Highest acknowledgement it sent; holds with [`half_flag::MAXACK_SET`].
    pub maxack: u32,
    /// Its window scale, at most 14.
    pub scale: u8,
    /// [`half_flag`] bits.
    pub flags: u8,
}

/// The last packet that left a trace.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Last {
    /// Its direction.
    pub dir: Dir,
    /// Its kind.
    pub kind: Kind,
    /// Sequence number of the last ACK-kind or ignored packet.
    pub seq: u32,
    /// Acknowledgement of the same.
    pub ack: u32,
    /// End of the same.
    pub end: u32,
    /// Window of the same, unscaled.
    pub win: u16,
    /// Window scale of an ignored SYN.
    pub scale: u8,
    /// [`half_flag`] bits of an ignored SYN, and the two inner ones.
    pub flags: u8,
}

/// A TCP flow.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct TcpFlow {
    /// Sender of the original direction.
    pub original: Half,
    /// Sender of the reply direction.
    pub reply: Half,
    /// State.
    pub state: State,
    /// The last packet that left a trace.
    pub last: Last,
    /// Identical segments in a row; wraps at 256 as the kernel's does.
    pub retrans: u8,
}

impl Default for TcpFlow {
    fn default() -> Self {
        let last = Last {
            dir: Dir::Original,
            kind: Kind::None,
            seq: 0,
            ack: 0,
            end: 0,
            win: 0,
            scale: 0,
            flags: 0,
        };
        Self {
            original: Half::default(),
            reply: Half::default(),
            state: State::None,
            last,
            retrans: 0,
        }
    }
}

impl TcpFlow {
    /// The record of one direction.
    pub const fn half(&self, dir: Dir) -> &Half {
        match dir {
            Dir::Original => &self.original,
            Dir::Reply => &self.reply,
        }
    }

    /// The record of one direction, to change.
    pub const fn half_mut(&mut self, dir: Dir) -> &mut Half {
        match dir {
            Dir::Original => &mut self.original,
            Dir::Reply => &mut self.reply,
        }
    }

    /// Sender and receiver of a packet in `dir`, to change.
    pub(super) const fn ends(&mut self, dir: Dir) -> (&mut Half, &mut Half) {
        match dir {
            Dir::Original => (&mut self.original, &mut self.reply),
            Dir::Reply => (&mut self.reply, &mut self.original),
        }
    }
}

/// What an entry remembers by protocol.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Proto {
    /// TCP.
    Tcp(TcpFlow),
    /// UDP: from this moment on an answered flow counts as a stream.
    Udp {
        /// Two seconds after the entry was made.
        stream_from: Moment,
    },
    /// ICMP questions and answers.
    Icmp,
    /// Anything else.
    Other,
}

impl Proto {
    /// A fresh flow of protocol number `number`, at `now`.
    pub(super) fn fresh(number: u8, now: Moment) -> Proto {
        match number {
            proto::TCP => Proto::Tcp(TcpFlow::default()),
            proto::UDP => Proto::Udp { stream_from: now.plus(Gap::from_secs(2)) },
            proto::ICMP | proto::ICMPV6 => Proto::Icmp,
            _ => Proto::Other,
        }
    }
}

/// Status bits of an entry.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Status {
    /// A reply passed; "UNREPLIED" is its absence.
    pub seen_reply: bool,
    /// Traffic was seen both ways after the handshake; never cleared.
    pub assured: bool,
    /// The timer never moves (status bit 10).
    pub fixed_timeout: bool,
    /// A flowtable carries the flow; the table sees none of its packets.
    pub offload: bool,
}

/// Packets and bytes that were accounted, by the IP header's length.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Counters {
    /// Packets.
    pub packets: u64,
    /// Bytes.
    pub bytes: u64,
}

/// One entry.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Entry {
    /// Number of the entry, from 1 in the order of their making.
    pub id: u64,
    /// As the packet that made it.
    pub original: Tuple,
    /// As its answers arrive: the inverse, unless addresses are translated.
    pub reply: Tuple,
    /// Status bits.
    pub status: Status,
    /// When it is gone.
    pub expires: Moment,
    /// Accounting of the original direction.
    pub counted_original: Counters,
    /// Accounting of the reply direction.
    pub counted_reply: Counters,
    /// What its protocol remembers.
    pub proto: Proto,
    /// The earliest moment the queue will look at it.
    pub(super) queued_for: Moment,
}

impl Entry {
    /// Its TCP state; `None` for other protocols.
    pub const fn tcp_state(&self) -> Option<State> {
        match &self.proto {
            Proto::Tcp(tcp) => Some(tcp.state),
            _ => None,
        }
    }

    /// What remains at `now`, never negative.
    pub fn remaining(&self, now: Moment) -> Gap {
        self.expires.since(now).max(Gap::ZERO)
    }

    /// Remaining whole seconds, as `conntrack -L` prints them.
    pub fn remaining_s(&self, now: Moment) -> u32 {
        u32::try_from(self.remaining(now).ns() / 1_000_000_000).unwrap_or(u32::MAX)
    }

    /// The tuple packets of `dir` arrive with.
    pub const fn tuple(&self, dir: Dir) -> &Tuple {
        match dir {
            Dir::Original => &self.original,
            Dir::Reply => &self.reply,
        }
    }

    pub(super) fn count(&mut self, dir: Dir, bytes: u32) {
        let counted = match dir {
            Dir::Original => &mut self.counted_original,
            Dir::Reply => &mut self.counted_reply,
        };
        counted.packets += 1;
        counted.bytes += u64::from(bytes);
    }
}
