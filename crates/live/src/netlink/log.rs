//! What netfilter logs to group 0 of a namespace, `nf_conntrack_log_invalid`'s lines among it
//! (linux/netfilter/nfnetlink_log.h).

use std::io;

use super::message::{ACK, Message, REQUEST, replies};
use super::{Family, Socket};

const SUBSYSTEM: u8 = 4;
const PACKET: u16 = 0x400;
const CONFIG: u8 = 1;
const PREFIX: u16 = 10;

/// A reader of the log of one namespace.
#[derive(Debug)]
pub struct Log(Socket);

impl Log {
    /// Listens to group 0 in the calling thread's namespace, each message at once.
    ///
    /// The namespace's `nf_log` must be `nfnetlink_log` for the family.
    ///
    /// # Errors
    ///
    /// What the kernel says.
    pub fn open() -> io::Result<Self> {
        const BIND: [u8; 1] = [1];
        /// No bytes of the packet, copy mode "meta".
        const META: [u8; 6] = [0, 0, 0, 0, 1, 0];
        let mut socket = Socket::open(Family::Netfilter)?;
        socket.make_room(8 << 20)?;
        let config = || Message::netfilter(SUBSYSTEM, CONFIG, REQUEST | ACK, 0, 0);
        for message in [config().attr(1, &BIND), config().attr(2, &META).be32(5, 1)] {
            socket.ask(message, |_| None::<()>)?;
        }
        Ok(Self(socket))
    }

    /// Takes the prefixes of what was logged since the last call, in order, without waiting.
    ///
    /// # Errors
    ///
    /// What the kernel says; `ENOBUFS` when lines were lost.
    pub fn lines(&mut self, out: &mut Vec<String>) -> io::Result<()> {
        while let Some(bytes) = self.0.waiting()? {
            for reply in replies(bytes).filter(|reply| reply.kind == PACKET) {
                let prefix = reply.attrs(4).find(|(kind, _)| *kind == PREFIX);
                if let Some((_, text)) = prefix {
                    let text = text.strip_suffix(&[0]).unwrap_or(text);
                    out.push(String::from_utf8_lossy(text).into_owned());
                }
            }
        }
        Ok(())
    }
}
