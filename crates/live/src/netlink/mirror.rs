//! A rule that writes what conntrack made of a packet into the packet
//! (linux/netfilter/nf_tables.h).
//!
//! At the end of POSTROUTING the TTL or hop limit becomes the low byte of `ct state`, so that
//! whoever reads the packet behind the box knows the answer without another question. Only for
//! namespaces made for the purpose: such packets are no use to anybody else. Loading the rule also
//! makes the namespace track connections.

use std::io;

use super::message::{ACK, CREATE, Message, REQUEST};
use super::{Family, Socket};

const SUBSYSTEM: u8 = 10;
const NEW_TABLE: u8 = 0;
const NEW_CHAIN: u8 = 3;
const NEW_RULE: u8 = 6;
const BATCH_BEGIN: u16 = 0x10;
const BATCH_END: u16 = 0x11;
const POSTROUTING: u32 = 4;
/// Behind source NAT (100), before confirmation.
const PRIORITY: u32 = 300;
const REGISTER: u32 = 1;
const NAME: &str = "hopclock";

/// The byte that stands for a `ct state`.
pub mod state {
    /// INVALID.
    pub const INVALID: u8 = 1;
    /// ESTABLISHED.
    pub const ESTABLISHED: u8 = 2;
    /// RELATED.
    pub const RELATED: u8 = 4;
    /// NEW.
    pub const NEW: u8 = 8;
    /// Untracked.
    pub const UNTRACKED: u8 = 64;
}

/// Loads the rule for IPv4 and IPv6 in the calling thread's namespace.
///
/// # Errors
///
/// What the kernel says; `EOPNOTSUPP` where nftables is missing.
pub fn load() -> io::Result<()> {
    let mut socket = Socket::open(Family::Netfilter)?;
    for (family, offset) in [(2, 8), (10, 7)] {
        for message in [table(family), chain(family), rule(family, offset)] {
            transact(&mut socket, message)?;
        }
    }
    Ok(())
}

/// Sends one change as a batch of its own; the kernel answers the change, not the batch.
fn transact(socket: &mut Socket, message: Message) -> io::Result<()> {
    let frame = |kind| Message::new(kind, REQUEST).put(&[0, 0, 0, SUBSYSTEM]);
    socket.tell(&{
        let mut bytes = frame(BATCH_BEGIN).finish(0);
        bytes.extend(message.finish(1));
        bytes.extend(frame(BATCH_END).finish(2));
        bytes
    })?;
    loop {
        let Some(bytes) = socket.waiting()? else { continue };
        let errno = super::message::replies(bytes).find_map(|reply| reply.errno());
        match errno {
            Some(0) => return Ok(()),
            Some(errno) => return Err(io::Error::from_raw_os_error(errno)),
            None => {}
        }
    }
}

fn change(kind: u8, family: u8) -> Message {
    Message::netfilter(SUBSYSTEM, kind, REQUEST | ACK | CREATE, family, 0)
}

fn table(family: u8) -> Message {
    change(NEW_TABLE, family).text(1, NAME)
}

fn chain(family: u8) -> Message {
    change(NEW_CHAIN, family)
        .text(1, NAME)
        .text(3, NAME)
        .nest(4, |hook| hook.be32(1, POSTROUTING).be32(2, PRIORITY))
        .text(7, "filter")
}

/// `ct state` into a register, its first byte into the network header.
fn rule(family: u8, offset: u32) -> Message {
    const STATE: u32 = 0;
    const NETWORK_HEADER: u32 = 1;
    change(NEW_RULE, family).text(1, NAME).text(2, NAME).nest(4, |list| {
        let load = |e: Message| e.text(1, "ct").nest(2, |d| d.be32(1, REGISTER).be32(2, STATE));
        let write = |e: Message| {
            e.text(1, "payload").nest(2, |d| {
                let d = d.be32(2, NETWORK_HEADER).be32(3, offset).be32(4, 1);
                d.be32(5, REGISTER).be32(6, 0).be32(7, 0)
            })
        };
        list.nest(1, load).nest(1, write)
    })
}
