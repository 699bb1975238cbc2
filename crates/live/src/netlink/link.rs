//! Links, addresses and default routes over netlink (linux/rtnetlink.h): what a namespace made
//! for an experiment needs, and no more.

use std::io;
use std::net::IpAddr;

use super::message::{ACK, CREATE, Message, REQUEST};
use super::{Family, Socket};

const NEW_LINK: u16 = 16;
const NEW_ADDRESS: u16 = 20;
const NEW_ROUTE: u16 = 24;
const IFF_UP: u32 = 1;

/// A socket to the links of one namespace.
#[derive(Debug)]
pub struct Links(Socket);

impl Links {
    /// Opens it in the calling thread's namespace.
    ///
    /// # Errors
    ///
    /// What the kernel says.
    pub fn open() -> io::Result<Self> {
        Socket::open(Family::Route).map(Self)
    }

    /// Brings link `index` up with this MTU.
    ///
    /// # Errors
    ///
    /// What the kernel says.
    pub fn up(&mut self, index: u32, mtu: u32) -> io::Result<()> {
        // Family, padding and type; which link; flags, and which of them to change.
        let mut fixed = vec![0; 4];
        fixed.extend(index.to_ne_bytes());
        fixed.extend(IFF_UP.to_ne_bytes());
        fixed.extend(IFF_UP.to_ne_bytes());
        let message = Message::new(NEW_LINK, REQUEST | ACK).put(&fixed);
        self.run(message.attr(4, &mtu.to_ne_bytes()))
    }

    /// Gives link `index` an address.
    ///
    /// # Errors
    ///
    /// What the kernel says.
    pub fn address(&mut self, index: u32, address: IpAddr, prefix: u8) -> io::Result<()> {
        let (family, bytes) = family_and_bytes(address);
        let mut fixed = vec![family, prefix, 0, 0];
        fixed.extend(index.to_ne_bytes());
        let message = Message::new(NEW_ADDRESS, REQUEST | ACK | CREATE).put(&fixed);
        self.run(message.attr(1, &bytes).attr(2, &bytes))
    }

    /// Sends everything out of link `index` that no other route takes.
    ///
    /// # Errors
    ///
    /// What the kernel says.
    pub fn default_route(&mut self, index: u32, v6: bool) -> io::Result<()> {
        const MAIN_TABLE: u8 = 254;
        const BOOT: u8 = 3;
        const LINK_SCOPE: u8 = 253;
        const UNICAST: u8 = 1;
        let family = if v6 { 10 } else { 2 };
        let scope = if v6 { 0 } else { LINK_SCOPE };
        let fixed = [family, 0, 0, 0, MAIN_TABLE, BOOT, scope, UNICAST, 0, 0, 0, 0];
        let message = Message::new(NEW_ROUTE, REQUEST | ACK | CREATE).put(&fixed);
        self.run(message.attr(4, &index.to_ne_bytes()))
    }

    fn run(&mut self, message: Message) -> io::Result<()> {
        self.0.ask(message, |_| None::<()>).map(|_| ())
    }
}

fn family_and_bytes(address: IpAddr) -> (u8, Vec<u8>) {
    match address {
        IpAddr::V4(v4) => (2, v4.octets().to_vec()),
        IpAddr::V6(v6) => (10, v6.octets().to_vec()),
    }
}
