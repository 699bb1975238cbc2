//! Network namespaces: of one's own, for experiments on the real kernel, and those of others, to
//! look into.
//!
//! One made here has no name and is in no table: descriptors and threads hold it, and it ends with
//! the last of them, whatever becomes of the process. Everything but [`Namespace::current`] and
//! [`Namespace::open`] needs `CAP_SYS_ADMIN`; the namespace the process was started in is left as
//! it is.

use std::fs::{self, File};
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::Arc;
use std::thread;

use nix::sched::{CloneFlags, setns, unshare};
use nix::sys::statfs::{NSFS_MAGIC, fstatfs};

/// The namespace of the thread that reads it; `/proc/self` would be the process's first thread.
const OF_THIS_THREAD: &str = "/proc/thread-self/ns/net";

/// A network namespace, held open. Clones hold the same one.
#[derive(Clone, Debug)]
pub struct Namespace(Arc<File>);

impl Namespace {
    /// A new and empty namespace; its loopback is down.
    ///
    /// # Errors
    ///
    /// `EPERM` without the privilege.
    pub fn new() -> io::Result<Self> {
        on_a_thread(|| {
            enter_new()?;
            Self::current()
        })?
    }

    /// The calling thread's own.
    ///
    /// # Errors
    ///
    /// Where `/proc` is not there.
    pub fn current() -> io::Result<Self> {
        Ok(Self(Arc::new(File::open(OF_THIS_THREAD)?)))
    }

    /// One that a file stands for: below `/run/netns`, or `/proc/PID/ns/net`.
    ///
    /// # Errors
    ///
    /// `EACCES` without the right to look; `EINVAL` where the file stands for something else.
    pub fn open(path: &Path) -> io::Result<Self> {
        let file = File::open(path)?;
        // A file whose namespace is gone is an empty one, and has a number of its own.
        if fstatfs(&file)?.filesystem_type() != NSFS_MAGIC {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        Ok(Self(Arc::new(file)))
    }

    /// Its number, as `ls -l /proc/self/ns/net` shows it.
    ///
    /// # Errors
    ///
    /// What the kernel says.
    pub fn number(&self) -> io::Result<u64> {
        Ok(self.0.metadata()?.ino())
    }

    /// Does `work` in the namespace, on a thread made for it, and waits. Sockets made there stay of
    /// the namespace wherever they are used later.
    ///
    /// # Errors
    ///
    /// `EPERM` without the privilege; a panic of `work` is an error, too.
    pub fn run<T: Send>(&self, work: impl FnOnce() -> T + Send) -> io::Result<T> {
        on_a_thread(|| {
            self.enter()?;
            Ok(work())
        })?
    }

    /// Moves the calling thread there, for good.
    ///
    /// # Errors
    ///
    /// `EPERM` without the privilege.
    pub fn enter(&self) -> io::Result<()> {
        Ok(setns(self.0.as_fd(), CloneFlags::CLONE_NEWNET)?)
    }
}

impl AsFd for Namespace {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

fn on_a_thread<T: Send>(work: impl FnOnce() -> T + Send) -> io::Result<T> {
    thread::scope(|scope| {
        let handle = thread::Builder::new().spawn_scoped(scope, work)?;
        handle.join().map_err(|_| io::Error::other("the work in the namespace panicked"))
    })
}

/// Moves the calling thread, and only it, into a new and empty network namespace.
///
/// # Errors
///
/// `EPERM` without the privilege.
pub fn enter_new() -> io::Result<()> {
    Ok(unshare(CloneFlags::CLONE_NEWNET)?)
}

/// Writes a sysctl of the calling thread's namespace; `name` as under `/proc/sys/net`, with
/// slashes.
///
/// # Errors
///
/// What the file system says.
pub fn set_sysctl(name: &str, value: &str) -> io::Result<()> {
    fs::write(Path::new("/proc/sys/net").join(name), value)
}
