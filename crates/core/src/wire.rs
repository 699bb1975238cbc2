//! A packet becomes a segment: facts only; no payload leaves this room.
//!
//! Views of bytes may lie and stay private; what leaves was checked against the lengths at hand.

use crate::time::Moment;
use serde::Serialize;
use std::net::SocketAddr;

mod seq;

pub use seq::{Seq, seq_len};

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
