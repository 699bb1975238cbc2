//! Links, addresses and routes over netlink (linux/rtnetlink.h): what a namespace made for an
//! experiment needs, what is to be told of one, and no more.

use std::io;
use std::net::IpAddr;
use std::os::fd::{AsFd, AsRawFd};

use super::message::{ACK, CREATE, DUMP, EXCLUSIVE, Message, REQUEST, Reply};
use super::{Family, Socket};

const NEW_LINK: u16 = 16;
const GET_LINK: u16 = 18;
const GET_ADDRESS: u16 = 22;
const NEW_ADDRESS: u16 = 20;
const DELETE_ADDRESS: u16 = 21;
const NEW_ROUTE: u16 = 24;
const IFF_UP: u32 = 1;
const IFF_LOOPBACK: u32 = 8;
/// `struct ifinfomsg` and `struct ifaddrmsg`.
const FIXED_LINK: usize = 16;
const FIXED_ADDRESS: usize = 8;
/// Attributes of a link.
mod attr {
    pub(super) const ADDRESS: u16 = 1;
    pub(super) const NAME: u16 = 3;
    pub(super) const MTU: u16 = 4;
    pub(super) const INFO: u16 = 18;
    pub(super) const NAMESPACE: u16 = 28;
    /// In `INFO`.
    pub(super) const KIND: u16 = 1;
    /// In `INFO`.
    pub(super) const DATA: u16 = 2;
    /// In `DATA` of a veth.
    pub(super) const PEER: u16 = 1;
}
/// Use the address at once, without asking whether somebody has it (`IFA_F_NODAD`).
const NO_DUPLICATE_DETECTION: u8 = 2;

/// A link of a pair about to be made: its name (at most 15 bytes) and its Ethernet address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct End {
    /// Name in its namespace.
    pub name: String,
    /// Ethernet address.
    pub mac: [u8; 6],
}

/// What the kernel tells of a link.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Told {
    /// Its number.
    pub index: u32,
    /// Its name.
    pub name: String,
    /// The largest packet it sends.
    pub mtu: Option<u32>,
    /// Whether it was brought up.
    pub up: bool,
    /// Whether it leads back to the namespace itself.
    pub loopback: bool,
    /// Its addresses and the lengths of their prefixes.
    pub addresses: Vec<(IpAddr, u8)>,
}

/// The number of the interface of this name in the calling thread's namespace.
///
/// # Errors
///
/// `ENODEV` where there is none.
pub fn index_of(name: &str) -> io::Result<u32> {
    Ok(nix::net::if_::if_nametoindex(name)?)
}

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

    /// Every link with its addresses, by number. Needs no privilege.
    ///
    /// # Errors
    ///
    /// What the kernel says.
    pub fn list(&mut self) -> io::Result<Vec<Told>> {
        let mut all: Vec<Told> = Vec::new();
        let request = Message::new(GET_LINK, REQUEST | DUMP).put(&[0; FIXED_LINK]);
        self.0.dump(request, |reply| all.extend(told_of(reply)))?;
        let request = Message::new(GET_ADDRESS, REQUEST | DUMP).put(&[0; FIXED_ADDRESS]);
        self.0.dump(request, |reply| {
            let Some((index, address)) = address_of(reply) else { return };
            if let Some(link) = all.iter_mut().find(|link| link.index == index) {
                link.addresses.push(address);
            }
        })?;
        Ok(all)
    }

    /// Makes a veth pair: `here` in this namespace, `there` in the other one.
    ///
    /// # Errors
    ///
    /// What the kernel says; `EOPNOTSUPP` where it has no veth.
    pub fn pair(&mut self, here: &End, there: &End, other: impl AsFd) -> io::Result<()> {
        const NOTHING: [u8; 16] = [0; 16];
        let other = other.as_fd().as_raw_fd().to_ne_bytes();
        let named =
            |m: Message, end: &End| m.text(attr::NAME, &end.name).attr(attr::ADDRESS, &end.mac);
        let message = Message::new(NEW_LINK, REQUEST | ACK | CREATE | EXCLUSIVE).put(&NOTHING);
        self.run(named(message, here).nest(attr::INFO, |info| {
            info.text(attr::KIND, "veth").nest(attr::DATA, |data| {
                data.nest(attr::PEER, |peer| {
                    named(peer.put(&NOTHING), there).attr(attr::NAMESPACE, &other)
                })
            })
        }))
    }

    /// Brings link `index` up with this MTU.
    ///
    /// # Errors
    ///
    /// What the kernel says.
    pub fn up(&mut self, index: u32, mtu: u32) -> io::Result<()> {
        self.run(about_link(index, IFF_UP).attr(attr::MTU, &mtu.to_ne_bytes()))
    }

    /// Takes link `index` down: what is sent over it is lost, its routes go.
    ///
    /// # Errors
    ///
    /// What the kernel says.
    pub fn down(&mut self, index: u32) -> io::Result<()> {
        self.run(about_link(index, 0))
    }

    /// Gives link `index` an address.
    ///
    /// # Errors
    ///
    /// What the kernel says.
    pub fn address(&mut self, index: u32, address: IpAddr, prefix: u8) -> io::Result<()> {
        self.run(about_address(NEW_ADDRESS, CREATE, index, (address, prefix)))
    }

    /// Takes an address away from link `index`.
    ///
    /// # Errors
    ///
    /// What the kernel says.
    pub fn remove_address(&mut self, index: u32, address: IpAddr, prefix: u8) -> io::Result<()> {
        self.run(about_address(DELETE_ADDRESS, 0, index, (address, prefix)))
    }

    /// Sends everything out of link `index` that no other route takes.
    ///
    /// # Errors
    ///
    /// What the kernel says.
    pub fn default_route(&mut self, index: u32, v6: bool) -> io::Result<()> {
        const LINK_SCOPE: u8 = 253;
        let scope = if v6 { 0 } else { LINK_SCOPE };
        let message = new_route(v6, 0, scope);
        self.run(message.attr(4, &index.to_ne_bytes()))
    }

    /// Sends what goes to `to`/`prefix` by way of `gateway`; a prefix of 0 is the default route.
    ///
    /// # Errors
    ///
    /// What the kernel says; `ENETUNREACH` when the gateway is on no link.
    pub fn route(&mut self, to: IpAddr, prefix: u8, gateway: IpAddr) -> io::Result<()> {
        const GLOBAL_SCOPE: u8 = 0;
        let mut message = new_route(to.is_ipv6(), prefix, GLOBAL_SCOPE);
        if prefix > 0 {
            message = message.attr(1, &family_and_bytes(to).1);
        }
        self.run(message.attr(5, &family_and_bytes(gateway).1))
    }

    fn run(&mut self, message: Message) -> io::Result<()> {
        self.0.ask(message, |_| None::<()>).map(|_| ())
    }
}

fn number_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_ne_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}

fn told_of(reply: &Reply<'_>) -> Option<Told> {
    let (index, flags) = (number_at(reply.body, 4)?, number_at(reply.body, 8)?);
    let (mut name, mut mtu) = (String::new(), None);
    for (kind, value) in reply.attrs(FIXED_LINK) {
        match kind {
            attr::NAME => {
                let text = value.strip_suffix(&[0]).unwrap_or(value);
                name = String::from_utf8_lossy(text).into_owned();
            }
            attr::MTU => mtu = number_at(value, 0),
            _ => {}
        }
    }
    let (up, loopback) = (flags & IFF_UP != 0, flags & IFF_LOOPBACK != 0);
    Some(Told { index, name, mtu, up, loopback, addresses: Vec::new() })
}

/// Which link an address is on, the address, and the length of its prefix.
fn address_of(reply: &Reply<'_>) -> Option<(u32, (IpAddr, u8))> {
    const ADDRESS: u16 = 1;
    const LOCAL: u16 = 2;
    let (prefix, index) = (*reply.body.get(1)?, number_at(reply.body, 4)?);
    let of = |wanted: u16| {
        let value = reply.attrs(FIXED_ADDRESS).find(|(kind, _)| *kind == wanted)?.1;
        if let Ok(v4) = <[u8; 4]>::try_from(value) {
            return Some(IpAddr::from(v4));
        }
        <[u8; 16]>::try_from(value).ok().map(IpAddr::from)
    };
    // On a link between two ends the other attribute is the other end's.
    Some((index, (of(LOCAL).or_else(|| of(ADDRESS))?, prefix)))
}

/// A change of an address and its prefix on link `index`.
fn about_address(kind: u16, flags: u16, index: u32, (address, prefix): (IpAddr, u8)) -> Message {
    let (family, bytes) = family_and_bytes(address);
    let own = if address.is_ipv6() { NO_DUPLICATE_DETECTION } else { 0 };
    let mut fixed = vec![family, prefix, own, 0];
    fixed.extend(index.to_ne_bytes());
    Message::new(kind, REQUEST | ACK | flags).put(&fixed).attr(1, &bytes).attr(2, &bytes)
}

/// A change of link `index` that sets `IFF_UP` to what `flags` says.
fn about_link(index: u32, flags: u32) -> Message {
    // Family, padding and type; which link; flags, and which of them to change.
    let mut fixed = vec![0; 4];
    fixed.extend(index.to_ne_bytes());
    fixed.extend(flags.to_ne_bytes());
    fixed.extend(IFF_UP.to_ne_bytes());
    Message::new(NEW_LINK, REQUEST | ACK).put(&fixed)
}

fn new_route(v6: bool, prefix: u8, scope: u8) -> Message {
    const MAIN_TABLE: u8 = 254;
    const BOOT: u8 = 3;
    const UNICAST: u8 = 1;
    let family = if v6 { 10 } else { 2 };
    let fixed = [family, prefix, 0, 0, MAIN_TABLE, BOOT, scope, UNICAST, 0, 0, 0, 0];
    Message::new(NEW_ROUTE, REQUEST | ACK | CREATE).put(&fixed)
}

fn family_and_bytes(address: IpAddr) -> (u8, Vec<u8>) {
    match address {
        IpAddr::V4(v4) => (2, v4.octets().to_vec()),
        IpAddr::V6(v6) => (10, v6.octets().to_vec()),
    }
}
