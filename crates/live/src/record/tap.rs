//! One packet socket (packet(7)): what an interface, or every interface of a namespace, sends and
//! receives.

use std::io::{self, IoSliceMut};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use hopclock_core::capture::LinkType;
use hopclock_core::time::Moment;
use nix::libc;
use nix::sys::socket::{
    AddressFamily, ControlMessageOwned, LinkAddr, MsgFlags, SockFlag, SockProtocol, SockType,
    recvmsg, setsockopt, socket, sockopt,
};

/// Room for packets nobody has read yet: seconds, at the rates of a lab.
const ROOM: usize = 32 * 1024 * 1024;
/// LINKTYPE_ETHERNET and LINKTYPE_LINUX_SLL2.
const ETHERNET: LinkType = LinkType(1);
const COOKED: LinkType = LinkType(276);
/// Length of a Linux cooked header, version 2.
const COOKED_HEADER: usize = 20;

/// A packet socket at work.
#[derive(Debug)]
pub struct Tap {
    fd: OwnedFd,
    name: String,
    link: LinkType,
}

/// A frame that was taken.
#[derive(Debug)]
pub(super) struct Frame {
    buffer: Vec<u8>,
    /// Where the frame begins: a cooked header is written in front of what the socket gave.
    from: usize,
    to: usize,
    /// When the kernel saw it.
    pub(super) at: Moment,
    /// Its length on the wire, with the header in front.
    pub(super) wire_len: u32,
    control: Vec<u8>,
}

impl Frame {
    /// With room for `snaplen` bytes.
    pub(super) fn with_room(snaplen: usize) -> Self {
        Self {
            buffer: vec![0; snaplen.clamp(64, 262_144) + COOKED_HEADER],
            from: 0,
            to: 0,
            at: Moment::from_ns(0),
            wire_len: 0,
            control: nix::cmsg_space!(libc::timespec),
        }
    }

    /// The frame, as its link type has it.
    pub(super) fn bytes(&self) -> &[u8] {
        self.buffer.get(self.from..self.to).unwrap_or_default()
    }
}

impl Tap {
    /// What interface `name` of the calling thread's namespace sends and receives, with its
    /// Ethernet headers.
    ///
    /// # Errors
    ///
    /// `ENODEV` where there is no such interface, `EPERM` without the privilege.
    pub fn open(name: &str) -> io::Result<Self> {
        let index = nix::net::if_::if_nametoindex(name)?;
        Self::bound(name, index, SockType::Raw, ETHERNET)
    }

    /// What all interfaces of the calling thread's namespace send and receive, with Linux cooked
    /// headers of version 2, which tell the interface.
    ///
    /// # Errors
    ///
    /// `EPERM` without the privilege.
    pub fn any() -> io::Result<Self> {
        Self::bound("any", 0, SockType::Datagram, COOKED)
    }

    fn bound(name: &str, index: u32, kind: SockType, link: LinkType) -> io::Result<Self> {
        // Without a protocol nothing arrives before the socket is bound to its interface.
        let fd = socket(AddressFamily::Packet, kind, SockFlag::SOCK_CLOEXEC, None::<SockProtocol>)?;
        // Without the privilege to go beyond the system's limit, the limit is what there is.
        if setsockopt(&fd, sockopt::RcvBufForce, &ROOM).is_err() {
            setsockopt(&fd, sockopt::RcvBuf, &ROOM)?;
        }
        setsockopt(&fd, sockopt::ReceiveTimestampns, &true)?;
        bind(&fd, index)?;
        Ok(Self { fd, name: name.to_owned(), link })
    }

    /// Name of the interface.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What its frames begin with.
    pub const fn link(&self) -> LinkType {
        self.link
    }

    /// Takes the next frame, without waiting; whether there was one.
    pub(super) fn take(&self, frame: &mut Frame) -> io::Result<bool> {
        let room = frame.buffer.get_mut(COOKED_HEADER..).unwrap_or_default();
        let whole = room.len();
        let flags = MsgFlags::MSG_DONTWAIT | MsgFlags::MSG_TRUNC;
        let mut parts = [IoSliceMut::new(room)];
        let got = match recvmsg::<LinkAddr>(
            self.fd.as_raw_fd(),
            &mut parts,
            Some(&mut frame.control),
            flags,
        ) {
            Ok(got) => got,
            // The interface is gone for the moment: nothing to take.
            Err(nix::errno::Errno::EAGAIN | nix::errno::Errno::ENETDOWN) => return Ok(false),
            Err(errno) => return Err(errno.into()),
        };
        // With MSG_TRUNC the kernel tells the true length, of which `whole` bytes at most are here.
        let length = got.bytes;
        let address = got.address;
        let stamp = got.cmsgs().ok().and_then(|mut all| {
            all.find_map(|message| match message {
                ControlMessageOwned::ScmTimestampns(time) => Some(time),
                _ => None,
            })
        });
        frame.at = match stamp {
            Some(time) => Moment::from_ns(time.tv_sec() * 1_000_000_000 + time.tv_nsec()),
            None => crate::clock::now(),
        };
        frame.from = COOKED_HEADER;
        frame.to = COOKED_HEADER + length.min(whole);
        let mut wire_len = length;
        if self.link == COOKED {
            wire_len += COOKED_HEADER;
            frame.from = 0;
            let header = address.map_or([0; COOKED_HEADER], |address| cooked(&address));
            if let Some(place) = frame.buffer.get_mut(..COOKED_HEADER) {
                place.copy_from_slice(&header);
            }
        }
        frame.wire_len = u32::try_from(wire_len).unwrap_or(u32::MAX);
        Ok(true)
    }

    /// How many packets the kernel had no room for since this was last asked
    /// (`PACKET_STATISTICS`).
    pub(super) fn dropped(&self) -> io::Result<u64> {
        Ok(u64::from(statistics(&self.fd)?.tp_drops))
    }
}

impl AsFd for Tap {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

/// LINKTYPE_LINUX_SLL2: protocol, reserved, interface, ARPHRD type, packet type, address length,
/// address; all in network order.
fn cooked(address: &LinkAddr) -> [u8; COOKED_HEADER] {
    let raw: &libc::sockaddr_ll = address.as_ref();
    let mut header = [0; COOKED_HEADER];
    let parts = [
        // Is in network order already.
        &raw.sll_protocol.to_ne_bytes()[..],
        &[0; 2],
        &raw.sll_ifindex.to_be_bytes(),
        &raw.sll_hatype.to_be_bytes(),
        &[raw.sll_pkttype, raw.sll_halen],
        &raw.sll_addr,
    ];
    for (place, byte) in header.iter_mut().zip(parts.into_iter().flatten()) {
        *place = *byte;
    }
    header
}

/// Binds to interface `index`, 0 for all, and to every protocol.
#[expect(unsafe_code, reason = "no safe call makes a packet socket's address")]
fn bind(fd: &OwnedFd, index: u32) -> io::Result<()> {
    let address = libc::sockaddr_ll {
        sll_family: libc::AF_PACKET as u16,
        sll_protocol: (libc::ETH_P_ALL as u16).to_be(),
        sll_ifindex: index.cast_signed(),
        sll_hatype: 0,
        sll_pkttype: 0,
        sll_halen: 0,
        sll_addr: [0; 8],
    };
    let length = size_of::<libc::sockaddr_ll>() as libc::socklen_t;
    // SAFETY: `address` is a whole `sockaddr_ll` of that length, read during the call only.
    let done = unsafe { libc::bind(fd.as_raw_fd(), std::ptr::from_ref(&address).cast(), length) };
    if done < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

#[expect(unsafe_code, reason = "no safe call asks a packet socket for its statistics")]
fn statistics(fd: &OwnedFd) -> io::Result<libc::tpacket_stats> {
    let mut told = libc::tpacket_stats { tp_packets: 0, tp_drops: 0 };
    let mut length = size_of::<libc::tpacket_stats>() as libc::socklen_t;
    // SAFETY: the kernel writes at most `length` bytes, which is what `told` has.
    let done = unsafe {
        libc::getsockopt(
            fd.as_raw_fd(),
            libc::SOL_PACKET,
            libc::PACKET_STATISTICS,
            std::ptr::from_mut(&mut told).cast(),
            &raw mut length,
        )
    };
    if done < 0 { Err(io::Error::last_os_error()) } else { Ok(told) }
}
