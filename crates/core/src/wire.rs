//! A packet becomes a segment: facts only; no payload leaves this room.
//!
//! Views of bytes may lie and stay private; what leaves was checked against the lengths at hand.

use crate::capture::Packet;
use crate::time::Moment;
use serde::Serialize;
use std::net::{IpAddr, SocketAddr};

mod fragment;
mod icmp;
mod ip;
mod link;
mod option;
mod quick;
mod seq;
mod tcp;
mod tunnel;
mod vantage;
mod view;
mod walk;
mod wireless;
mod words;

pub use seq::{Seq, seq_len};

/// Why a packet was not read to the end of its TCP header.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Stop {
    /// What was being read.
    pub layer: &'static str,
    /// Bytes wanted there.
    pub need: u32,
    /// Bytes there were.
    pub have: u32,
    /// Whose length ended them.
    pub told_by: LengthFrom,
}

/// Who said how many bytes there are.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum LengthFrom {
    /// The capture kept no more.
    Snaplen,
    /// A length field of the layer below, or of the packet itself.
    Header,
    /// Nobody: a field has a value that cannot be.
    Nonsense,
}

/// What a packet turned out to be.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Reading {
    /// A TCP segment.
    Segment(Segment),
    /// An ICMP error about a TCP segment.
    Icmp(IcmpError),
    /// Nothing of TCP, or a fragment of something that is not complete yet.
    Other,
    /// It could not be read that far.
    Stopped(Stop),
}

/// An ICMP error with the TCP header it quotes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct IcmpError {
    /// Number of the packet.
    pub packet: u64,
    /// Its time stamp.
    pub at: Moment,
    /// Who sent it.
    pub from: IpAddr,
    /// What it says.
    pub kind: IcmpKind,
    /// Sender of the quoted segment.
    pub src: SocketAddr,
    /// Receiver of the quoted segment.
    pub dst: SocketAddr,
    /// Sequence number of the quoted segment.
    pub seq: Seq,
}

/// What an ICMP error says of a connection.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum IcmpKind {
    /// Destination unreachable, with its code (RFC 792; RFC 4443 §3.1).
    Unreachable {
        /// The code.
        code: u8,
        /// It came over ICMPv6, whose codes differ.
        v6: bool,
    },
    /// Fragmentation needed or packet too big, with the next hop's MTU where it tells
    /// (RFC 1191 §4; RFC 4443 §3.2).
    TooBig {
        /// Zero from routers older than RFC 1191.
        mtu: u32,
    },
    /// Time exceeded.
    TimeExceeded,
    /// Any other error that quotes a segment.
    Other {
        /// Type.
        kind: u8,
        /// Code.
        code: u8,
    },
}

/// Reads packets one after another. It remembers incomplete datagrams, at most 256 of them.
#[derive(Debug, Default)]
pub struct Dissector {
    fragments: fragment::Fragments,
}

impl Dissector {
    /// Nothing remembered.
    pub fn new() -> Self {
        Self::default()
    }

    /// Reads a packet; `vantage` tells captures read together apart.
    pub fn read(&mut self, packet: &Packet<'_>, vantage: u32) -> Reading {
        walk::Walk::new(packet, vantage, &mut self.fragments).run()
    }

    /// Reads a packet into `segment` when it is as nearly all are: Ethernet, IPv4 in one piece,
    /// TCP, the headers whole. Then it is the segment that [`Dissector::read`] gives; when false,
    /// `segment` holds nothing of meaning and `read` is to be asked.
    #[inline]
    pub fn usual(packet: &Packet<'_>, vantage: u32, segment: &mut Segment) -> bool {
        quick::read(packet, vantage, segment).is_some()
    }
}

/// The outermost IP packet of a captured one, as far as it was kept; `None` where there is none.
///
/// Its length on the wire is what its own header says. For those who look at IP as a host on the
/// way does: nothing is put together and no tunnel is entered.
pub fn ip_packet<'a>(packet: &Packet<'a>) -> Option<&'a [u8]> {
    walk::outermost_ip(packet)
}

/// The nine TCP flags as they stand in the header (RFC 9293 §3.1; NS by RFC 3540, now reserved).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Flags(pub u16);

impl Flags {
    /// Done sending.
    pub const FIN: u16 = 0x01;
    /// Opens, and numbers the first byte.
    pub const SYN: u16 = 0x02;
    /// Ends at once.
    pub const RST: u16 = 0x04;
    /// Hand over now.
    pub const PSH: u16 = 0x08;
    /// The acknowledgement field counts.
    pub const ACK: u16 = 0x10;

    /// FIN is set.
    pub const fn fin(self) -> bool {
        self.0 & Self::FIN != 0
    }

    /// SYN is set.
    pub const fn syn(self) -> bool {
        self.0 & Self::SYN != 0
    }

    /// RST is set.
    pub const fn rst(self) -> bool {
        self.0 & Self::RST != 0
    }

    /// ACK is set.
    pub const fn ack(self) -> bool {
        self.0 & Self::ACK != 0
    }
}

impl std::fmt::Debug for Flags {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for (bit, letter) in "FSRPAUEW".chars().enumerate() {
            if self.0 & (1 << bit) != 0 {
                write!(f, "{letter}")?;
            }
        }
        Ok(())
    }
}

/// TCP options as facts; kinds not named here were stepped over by their length.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct TcpOptions {
    /// Maximum segment size (kind 2, RFC 9293 §3.7.1).
    pub mss: Option<u16>,
    /// Window scale (kind 3, RFC 7323 §2), as sent: values over 14 count as 14.
    pub window_scale: Option<u8>,
    /// Selective acknowledgements permitted (kind 4, RFC 2018).
    pub sack_permitted: bool,
    /// Selective acknowledgement blocks, left and right edges (kind 5, RFC 2018).
    pub sack: [Option<(Seq, Seq)>; 4],
    /// Timestamps, value and echo (kind 8, RFC 7323 §3).
    pub timestamps: Option<(u32, u32)>,
    /// Bytes of options of any kind, padding included.
    pub bytes: u8,
    /// The list ran past its end or an option's length made no sense.
    pub damaged: bool,
}

/// One TCP segment, as facts.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Segment {
    /// Number in the capture, from 1.
    pub packet: u64,
    /// Time stamp of the packet.
    pub at: Moment,
    /// Sender.
    pub src: SocketAddr,
    /// Receiver.
    pub dst: SocketAddr,
    /// Sequence number of its first byte (or of its SYN).
    pub seq: Seq,
    /// Next byte its sender expects; meaningless without the ACK flag.
    pub ack: Seq,
    /// Flags.
    pub flags: Flags,
    /// Window as it stands in the header, unscaled.
    pub window: u16,
    /// Options.
    pub options: TcpOptions,
    /// Payload bytes by the IP header's length, whatever was captured of them.
    pub payload: u32,
    /// TTL or hop limit.
    pub ttl: u8,
    /// IPv4 identification; `None` over IPv6.
    pub ip_id: Option<u16>,
    /// IPv4 "don't fragment"; true over IPv6.
    pub dont_fragment: bool,
    /// A digest of where it was seen: interface, link-layer addresses, direction, tunnel.
    pub vantage: u32,
    /// The TCP checksum field, not verified.
    pub checksum: u16,
    /// Words its payload says in clear.
    pub words: Option<Box<Words>>,
}

impl Segment {
    /// One without any meaning, to be written over.
    pub(crate) fn blank() -> Self {
        let nowhere = SocketAddr::new(IpAddr::V4(std::net::Ipv4Addr::UNSPECIFIED), 0);
        Self {
            packet: 0,
            at: Moment::from_ns(0),
            src: nowhere,
            dst: nowhere,
            seq: Seq(0),
            ack: Seq(0),
            flags: Flags(0),
            window: 0,
            options: TcpOptions::default(),
            payload: 0,
            ttl: 0,
            ip_id: None,
            dont_fragment: false,
            vantage: 0,
            checksum: 0,
            words: None,
        }
    }

    /// Sequence number after its last byte.
    pub fn end(&self) -> Seq {
        self.seq.plus(seq_len(self.payload, self.flags))
    }
}

/// What a payload says in clear about the connection's end.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Words {
    /// A TLS alert (RFC 8446 §6): level and description where in clear, else `None`.
    TlsAlert {
        /// 1 warning, 2 fatal.
        level: Option<u8>,
        /// 0 is `close_notify`.
        description: Option<u8>,
    },
    /// An HTTP/1 status line, or a request when `status` is `None`.
    Http1 {
        /// Status code.
        status: Option<u16>,
        /// `Connection: close` is in its head.
        close: bool,
        /// Seconds of `Keep-Alive: timeout=`.
        keep_alive_s: Option<u32>,
    },
    /// An HTTP/2 GOAWAY frame (RFC 9113 §6.8).
    Http2GoAway {
        /// Error code.
        code: u32,
        /// Its debug text, at most 64 bytes.
        text: String,
    },
    /// A WebSocket close frame (RFC 6455 §5.5.1).
    WebSocketClose {
        /// Status code; `None` when the frame is empty.
        code: Option<u16>,
    },
}
