//! The kernel's conntrack table over netlink: one entry asked for, its timer set, the table
//! emptied (linux/netfilter/nfnetlink_conntrack.h).
//!
//! A look-up of an entry whose time is up removes it, as a packet would.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use hopclock_core::conntrack::packet::{Tuple, proto};

use super::message::{ACK, Attrs, DUMP, Message, REQUEST, Reply, be16, be32, be64};
use super::{Family, Socket};

const SUBSYSTEM: u8 = 1;
const NEW: u8 = 0;
const GET: u8 = 1;
const DELETE: u8 = 2;
/// `AF_INET`, `AF_INET6`.
const INET: u8 = 2;
const INET6: u8 = 10;

/// What ctnetlink tells of an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Told {
    /// Original direction.
    pub original: Tuple,
    /// Reply direction.
    pub reply: Tuple,
    /// Status bits ([`status`]).
    pub status: u32,
    /// Remaining whole seconds; `None` for offloaded entries.
    pub timeout_s: Option<u32>,
    /// Of TCP entries.
    pub tcp: Option<ToldTcp>,
    /// Packets and bytes, original and reply, where accounting is on.
    pub counted: Option<[(u64, u64); 2]>,
    /// Number of the entry, for as long as it lives.
    pub id: u32,
    /// Mark, 0 where none was set.
    pub mark: u32,
    /// Zone, 0 where none was set.
    pub zone: u16,
    /// How many hold the entry.
    pub held_by: u32,
}

/// What ctnetlink tells of a TCP entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct ToldTcp {
    /// State number.
    pub state: u8,
    /// Window scales, original and reply.
    pub scale: [u8; 2],
    /// Flags, original and reply.
    pub flags: [u8; 2],
}

/// Status bits (linux/netfilter/nf_conntrack_common.h).
pub mod status {
    /// A reply was seen.
    pub const SEEN_REPLY: u32 = 1 << 1;
    /// Assured.
    pub const ASSURED: u32 = 1 << 2;
    /// Packets do not refresh the timer.
    pub const FIXED_TIMEOUT: u32 = 1 << 10;
    /// A flow table forwards the packets; the entry's timer is not shown.
    pub const OFFLOAD: u32 = 1 << 14;
    /// A flow table in hardware does.
    pub const HW_OFFLOAD: u32 = 1 << 15;
}

/// A socket to the conntrack table of one namespace.
#[derive(Debug)]
pub struct Conntrack(Socket);

impl Conntrack {
    /// Opens it in the calling thread's namespace.
    ///
    /// # Errors
    ///
    /// What the kernel says.
    pub fn open() -> io::Result<Self> {
        Socket::open(Family::Netfilter).map(Self)
    }

    /// The entry a packet with this tuple would meet.
    ///
    /// # Errors
    ///
    /// What the kernel says, but for "no such entry", which is `None`, and so is a tuple that no
    /// entry can have.
    pub fn get(&mut self, tuple: &Tuple) -> io::Result<Option<Told>> {
        absent_is_none(self.0.ask(about(GET, REQUEST, tuple), told))
    }

    /// Every entry, both families.
    ///
    /// # Errors
    ///
    /// What the kernel says.
    pub fn dump(&mut self) -> io::Result<Vec<Told>> {
        let mut all = Vec::new();
        let request = Message::netfilter(SUBSYSTEM, GET, REQUEST | DUMP, 0, 0);
        self.0.dump(request, |reply| all.extend(told(reply)))?;
        Ok(all)
    }

    /// Stops packets from refreshing the entry's timer, for as long as it lives.
    ///
    /// # Errors
    ///
    /// What the kernel says: no such entry.
    pub fn fix_timeout(&mut self, tuple: &Tuple) -> io::Result<()> {
        let held = self.get(tuple)?.ok_or(io::ErrorKind::NotFound)?;
        let status = held.status | status::FIXED_TIMEOUT;
        let request = about(NEW, REQUEST | ACK, tuple).be32(3, status);
        self.0.ask(request, |_| None::<()>).map(|_| ())
    }

    /// Gives the entry this many seconds from now.
    ///
    /// # Errors
    ///
    /// What the kernel says: no such entry, or a fixed timeout.
    pub fn set_timeout(&mut self, tuple: &Tuple, seconds: u32) -> io::Result<()> {
        let request = about(NEW, REQUEST | ACK, tuple).be32(7, seconds);
        self.0.ask(request, |_| None::<()>).map(|_| ())
    }

    /// Removes the entry, if there is one.
    ///
    /// # Errors
    ///
    /// What the kernel says, but for "no such entry".
    pub fn delete(&mut self, tuple: &Tuple) -> io::Result<()> {
        let request = about(DELETE, REQUEST | ACK, tuple);
        absent_is_none(self.0.ask(request, |_| None::<()>)).map(|_| ())
    }

    /// Empties the table.
    ///
    /// # Errors
    ///
    /// What the kernel says.
    pub fn flush(&mut self) -> io::Result<()> {
        let request = Message::netfilter(SUBSYSTEM, DELETE, REQUEST | ACK, 0, 0);
        self.0.ask(request, |_| None::<()>).map(|_| ())
    }
}

/// No entry, or (`EINVAL`) an ICMP type that opens none.
fn absent_is_none<T>(answer: io::Result<Option<T>>) -> io::Result<Option<T>> {
    match answer {
        Err(error)
            if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::InvalidInput) =>
        {
            Ok(None)
        }
        other => other,
    }
}

/// A request about the entry of `tuple`.
fn about(kind: u8, flags: u16, tuple: &Tuple) -> Message {
    let family = if tuple.src.is_ipv4() { INET } else { INET6 };
    Message::netfilter(SUBSYSTEM, kind, flags, family, 0).nest(1, |m| put_tuple(m, tuple))
}

fn put_tuple(message: Message, tuple: &Tuple) -> Message {
    let message = message.nest(1, |m| match (tuple.src, tuple.dst) {
        (IpAddr::V4(src), IpAddr::V4(dst)) => m.attr(1, &src.octets()).attr(2, &dst.octets()),
        (src, dst) => m.attr(3, &v6(src).octets()).attr(4, &v6(dst).octets()),
    });
    let [kind, code] = tuple.dport.to_be_bytes();
    message.nest(2, |m| {
        let m = m.attr(1, &[tuple.proto]);
        match tuple.proto {
            proto::ICMP => m.attr(4, &tuple.sport.to_be_bytes()).attr(5, &[kind]).attr(6, &[code]),
            proto::ICMPV6 => {
                m.attr(7, &tuple.sport.to_be_bytes()).attr(8, &[kind]).attr(9, &[code])
            }
            _ => m.attr(2, &tuple.sport.to_be_bytes()).attr(3, &tuple.dport.to_be_bytes()),
        }
    })
}

fn v6(address: IpAddr) -> Ipv6Addr {
    match address {
        IpAddr::V4(v4) => v4.to_ipv6_mapped(),
        IpAddr::V6(v6) => v6,
    }
}

fn told(reply: &Reply<'_>) -> Option<Told> {
    let nothing = Tuple {
        src: Ipv4Addr::UNSPECIFIED.into(),
        dst: Ipv4Addr::UNSPECIFIED.into(),
        sport: 0,
        dport: 0,
        proto: 0,
    };
    let mut told = Told {
        original: nothing,
        reply: nothing,
        status: 0,
        timeout_s: None,
        tcp: None,
        counted: None,
        id: 0,
        mark: 0,
        zone: 0,
        held_by: 0,
    };
    for (kind, value) in reply.attrs(4) {
        match kind {
            1 => told.original = tuple(value)?,
            2 => told.reply = tuple(value)?,
            3 => told.status = be32(value)?,
            4 => told.tcp = tcp(value),
            7 => told.timeout_s = be32(value),
            8 => told.mark = be32(value)?,
            9 => told.counted.get_or_insert_default()[0] = counters(value),
            10 => told.counted.get_or_insert_default()[1] = counters(value),
            11 => told.held_by = be32(value)?,
            12 => told.id = be32(value)?,
            18 => told.zone = be16(value)?,
            _ => {}
        }
    }
    Some(told)
}

fn tuple(value: &[u8]) -> Option<Tuple> {
    let (mut src, mut dst) = (None, None);
    let (mut sport, mut dport, mut number) = (0, 0u16, 0);
    for (kind, inside) in Attrs::of(value) {
        for (attr, value) in Attrs::of(inside) {
            match (kind, attr) {
                (1, 1) => src = Some(IpAddr::V4(Ipv4Addr::from_bits(be32(value)?))),
                (1, 2) => dst = Some(IpAddr::V4(Ipv4Addr::from_bits(be32(value)?))),
                (1, 3) => src = Some(IpAddr::V6(<[u8; 16]>::try_from(value).ok()?.into())),
                (1, 4) => dst = Some(IpAddr::V6(<[u8; 16]>::try_from(value).ok()?.into())),
                (2, 1) => number = *value.first()?,
                (2, 2 | 4 | 7) => sport = be16(value)?,
                (2, 3) => dport = be16(value)?,
                (2, 5 | 8) => dport |= u16::from(*value.first()?) << 8,
                (2, 6 | 9) => dport |= u16::from(*value.first()?),
                _ => {}
            }
        }
    }
    Some(Tuple { src: src?, dst: dst?, sport, dport, proto: number })
}

fn tcp(value: &[u8]) -> Option<ToldTcp> {
    let (_, inside) = Attrs::of(value).find(|(kind, _)| *kind == 1)?;
    let mut told = ToldTcp::default();
    for (kind, value) in Attrs::of(inside) {
        let byte = *value.first()?;
        match kind {
            1 => told.state = byte,
            2 => told.scale[0] = byte,
            3 => told.scale[1] = byte,
            4 => told.flags[0] = byte,
            5 => told.flags[1] = byte,
            _ => {}
        }
    }
    Some(told)
}

fn counters(value: &[u8]) -> (u64, u64) {
    let mut counted = (0, 0);
    for (kind, value) in Attrs::of(value) {
        match kind {
            1 => counted.0 = be64(value).unwrap_or(0),
            2 => counted.1 = be64(value).unwrap_or(0),
            _ => {}
        }
    }
    counted
}
