//! Netlink: messages built and taken apart, and a socket that asks and is answered.
//!
//! Only what hopclock asks of the kernel; each subsystem has its file. Needs the privilege the
//! subsystem needs (`CAP_NET_ADMIN` in the namespace, as a rule).

pub mod conntrack;
pub mod link;
pub mod log;
pub mod message;
pub mod mirror;

use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};

use nix::sys::socket::{
    AddressFamily, MsgFlags, NetlinkAddr, SockFlag, SockProtocol, SockType, bind, recv, send,
    socket, sockopt,
};

use message::{Message, Reply, replies};

/// Which part of the kernel a socket talks to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Family {
    /// Links, addresses, routes (`NETLINK_ROUTE`).
    Route,
    /// Conntrack, nftables, logging (`NETLINK_NETFILTER`).
    Netfilter,
    /// Sockets of the namespace (`NETLINK_SOCK_DIAG`).
    SocketDiag,
}

/// A netlink socket of the namespace it was opened in.
#[derive(Debug)]
pub struct Socket {
    fd: OwnedFd,
    sequence: u32,
    buffer: Vec<u8>,
}

/// Large enough for one datagram of a dump.
const BUFFER: usize = 64 * 1024;

impl Socket {
    /// Opens a socket in the calling thread's network namespace.
    ///
    /// # Errors
    ///
    /// What the kernel says.
    pub fn open(family: Family) -> io::Result<Self> {
        let protocol = match family {
            Family::Route => SockProtocol::NetlinkRoute,
            Family::Netfilter => SockProtocol::NetlinkNetFilter,
            Family::SocketDiag => SockProtocol::NetlinkSockDiag,
        };
        let fd = socket(AddressFamily::Netlink, SockType::Raw, SockFlag::SOCK_CLOEXEC, protocol)?;
        bind(fd.as_raw_fd(), &NetlinkAddr::new(0, 0))?;
        Ok(Self { fd, sequence: 0, buffer: vec![0; BUFFER] })
    }

    /// Gives the socket room for `bytes` of messages not read yet, beyond the system's limit.
    ///
    /// # Errors
    ///
    /// What the kernel says.
    pub fn make_room(&self, bytes: usize) -> io::Result<()> {
        Ok(nix::sys::socket::setsockopt(&self.fd, sockopt::RcvBufForce, &bytes)?)
    }

    /// Sends a message, or several in one datagram, without waiting for an answer.
    ///
    /// # Errors
    ///
    /// What the kernel says.
    pub fn tell(&mut self, bytes: &[u8]) -> io::Result<()> {
        send(self.fd.as_raw_fd(), bytes, MsgFlags::empty())?;
        Ok(())
    }

    /// Sends a request and shows its answers to `read` until one is taken or the kernel says that
    /// there are no more.
    ///
    /// # Errors
    ///
    /// The kernel's error of the request, `ENOENT` among them, or of the socket.
    pub fn ask<T>(
        &mut self,
        message: Message,
        mut read: impl FnMut(&Reply<'_>) -> Option<T>,
    ) -> io::Result<Option<T>> {
        self.sequence = self.sequence.wrapping_add(1);
        let sequence = self.sequence;
        self.tell(&message.finish(sequence))?;
        loop {
            let got = recv(self.fd.as_raw_fd(), &mut self.buffer, MsgFlags::empty())?;
            let bytes = self.buffer.get(..got).unwrap_or_default();
            for reply in replies(bytes).filter(|reply| reply.sequence == sequence) {
                if let Some(errno) = reply.errno() {
                    return if errno == 0 {
                        Ok(None)
                    } else {
                        Err(io::Error::from_raw_os_error(errno))
                    };
                }
                if let Some(answer) = read(&reply) {
                    return Ok(Some(answer));
                }
            }
        }
    }

    /// Sends a request for everything there is ([`message::DUMP`]) and shows each answer to `each`.
    ///
    /// # Errors
    ///
    /// The kernel's error of the request, whenever it comes, or of the socket.
    pub fn dump(&mut self, message: Message, mut each: impl FnMut(&Reply<'_>)) -> io::Result<()> {
        let answer = self.ask(message, |reply| {
            each(reply);
            // The message that ends the dump is what ends the asking.
            None::<()>
        });
        answer.map(|_| ())
    }

    /// Reads what waits, without waiting; `None` if nothing does.
    ///
    /// # Errors
    ///
    /// What the kernel says; `ENOBUFS` when messages were lost.
    pub fn waiting(&mut self) -> io::Result<Option<&[u8]>> {
        match recv(self.fd.as_raw_fd(), &mut self.buffer, MsgFlags::MSG_DONTWAIT) {
            Ok(got) => Ok(self.buffer.get(..got)),
            Err(nix::errno::Errno::EAGAIN) => Ok(None),
            Err(errno) => Err(errno.into()),
        }
    }
}

impl AsFd for Socket {
    fn as_fd(&self) -> std::os::fd::BorrowedFd<'_> {
        self.fd.as_fd()
    }
}
