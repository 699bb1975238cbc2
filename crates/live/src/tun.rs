//! A TUN device: raw IP packets in and out of a network namespace, synchronously.
//!
//! A packet written has passed through the kernel's whole receive path when the call returns
//! (drivers/net/tun.c), which is what lets every packet be judged before the next is sent.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::fd::AsRawFd;
use std::os::unix::fs::OpenOptionsExt;

use nix::libc;

/// An open TUN device.
#[derive(Debug)]
pub struct Tun {
    file: File,
    /// Its link index in the namespace.
    pub index: u32,
}

/// `struct ifreq` with its flags member (linux/if.h).
#[repr(C)]
struct Request {
    name: [u8; libc::IFNAMSIZ],
    flags: libc::c_short,
    rest: [u8; 22],
}

impl Tun {
    /// Makes a TUN device called `name` (at most 15 bytes) in the calling thread's namespace; it is
    /// gone when dropped.
    ///
    /// # Errors
    ///
    /// What the kernel says: no privilege, no `/dev/net/tun`.
    pub fn make(name: &str) -> io::Result<Self> {
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .custom_flags(libc::O_NONBLOCK)
            .open("/dev/net/tun")?;
        let mut request = Request {
            name: [0; libc::IFNAMSIZ],
            flags: (libc::IFF_TUN | libc::IFF_NO_PI) as libc::c_short,
            rest: [0; 22],
        };
        // The last byte stays zero.
        let room = request.name.iter_mut().take(libc::IFNAMSIZ - 1);
        for (place, byte) in room.zip(name.bytes()) {
            *place = byte;
        }
        set_interface(&file, &mut request)?;
        let index = nix::net::if_::if_nametoindex(name)?;
        Ok(Self { file, index })
    }

    /// Sends an IP packet into the namespace as if it arrived on this device.
    ///
    /// # Errors
    ///
    /// What the kernel says.
    pub fn send(&mut self, packet: &[u8]) -> io::Result<()> {
        self.file.write_all(packet)
    }

    /// Takes an IP packet that left through this device, without waiting; `None` if there is none.
    ///
    /// # Errors
    ///
    /// What the kernel says.
    pub fn take(&mut self, buffer: &mut [u8]) -> io::Result<Option<usize>> {
        match self.file.read(buffer) {
            Ok(length) => Ok(Some(length)),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(None),
            Err(error) => Err(error),
        }
    }
}

/// `TUNSETIFF` (linux/if_tun.h).
#[expect(unsafe_code, reason = "no safe call makes a TUN device")]
fn set_interface(file: &File, request: &mut Request) -> io::Result<()> {
    const TUNSETIFF: libc::c_ulong = 0x4004_54ca;
    // SAFETY: the descriptor is open for the duration of the call, and `request` is a valid
    // `struct ifreq` of 40 bytes that the kernel reads and may write back to.
    let done = unsafe { libc::ioctl(file.as_raw_fd(), TUNSETIFF, std::ptr::from_mut(request)) };
    if done < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}
