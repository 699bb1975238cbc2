//! A recorder: packet sockets, in any namespaces, into one pcapng file.
//!
//! It writes what a socket gave it and nothing else, in order of the kernel's time stamps, and
//! counts what the kernel dropped. Needs `CAP_NET_RAW` in each namespace.

mod tap;

pub use tap::Tap;

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::fmt;
use std::io::{self, Write};
use std::os::fd::AsFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

use hopclock_core::capture::Writer;
use hopclock_core::time::Moment;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use tap::Frame;

/// What recorded captures carry as their program's name.
const MADE_BY: &str = concat!("hopclock ", env!("CARGO_PKG_VERSION"));

/// Decides from a frame, its link type and first bytes, whether it is kept.
pub type Keep = Box<dyn FnMut(hopclock_core::capture::LinkType, &[u8]) -> bool + Send>;

/// How much is recorded.
pub struct Options {
    /// Bytes kept of a packet.
    pub snaplen: usize,
    /// Packets after which nothing more is written; the rest is counted as left out.
    pub packets_max: u64,
    /// Bytes of packets after which nothing more is written.
    pub bytes_max: u64,
    /// Which packets are wanted; `None`: all.
    pub keep: Option<Keep>,
    /// Stands as the file's comment.
    pub comment: String,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            snaplen: 262_144,
            packets_max: u64::MAX,
            bytes_max: u64::MAX,
            keep: None,
            comment: String::new(),
        }
    }
}

impl fmt::Debug for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Options").field("snaplen", &self.snaplen).finish_non_exhaustive()
    }
}

/// What was recorded from one socket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recorded {
    /// The interface's name.
    pub interface: String,
    /// Packets written.
    pub written: u64,
    /// Packets that were wanted and not written because a limit was reached.
    pub left_out: u64,
    /// Packets the kernel had no room for.
    pub dropped: u64,
}

/// A recorder at work. Dropped without [`Recorder::stop`], it stops and says nothing.
#[derive(Debug)]
pub struct Recorder {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<io::Result<Vec<Recorded>>>>,
}

impl Recorder {
    /// Begins to write what the sockets give to `out`.
    ///
    /// # Errors
    ///
    /// Where the file's head cannot be written, or no thread be had.
    pub fn start(
        taps: Vec<Tap>,
        mut out: impl Write + Send + 'static,
        options: Options,
    ) -> io::Result<Self> {
        let mut writer = Writer::section(&options.comment, MADE_BY);
        for tap in &taps {
            let snaplen = u32::try_from(options.snaplen).unwrap_or(0);
            writer.interface(tap.link(), tap.name(), snaplen);
        }
        out.write_all(&writer.take())?;
        out.flush()?;
        let stop = Arc::new(AtomicBool::new(false));
        let asked = Arc::clone(&stop);
        let work = move || Work::new(taps, writer, out, options).until(&asked);
        let thread = std::thread::Builder::new().name("record".to_owned()).spawn(work)?;
        Ok(Self { stop, thread: Some(thread) })
    }

    /// Stops after what has arrived by now is written.
    ///
    /// # Errors
    ///
    /// What went wrong while recording: a disk that is full.
    pub fn stop(mut self) -> io::Result<Vec<Recorded>> {
        self.end().unwrap_or_else(|| Ok(Vec::new()))
    }

    fn end(&mut self) -> Option<io::Result<Vec<Recorded>>> {
        self.stop.store(true, Ordering::Relaxed);
        let thread = self.thread.take()?;
        Some(thread.join().unwrap_or_else(|_| Err(io::Error::other("the recorder panicked"))))
    }
}

impl Drop for Recorder {
    fn drop(&mut self) {
        self.end();
    }
}

/// A packet that waits for those that were sent before it and come out of another socket later.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Waiting {
    at: Moment,
    /// Order of arrival, where times are equal.
    nth: u64,
    tap: usize,
    wire_len: u32,
    bytes: Vec<u8>,
}

/// How long a packet waits: more than one round over all sockets takes.
const PATIENCE_NS: i64 = 100_000_000;
const ROUND_MS: u16 = 20;
/// Packets taken from one socket before the next is asked.
const A_ROUND: usize = 256;

/// What a round over all sockets came to.
struct Round {
    /// A socket may have more.
    more: bool,
    /// Nothing older than this will come out of any socket.
    safe_ns: i64,
}

struct Work<W: Write> {
    taps: Vec<Tap>,
    writer: Writer,
    out: W,
    options: Options,
    waiting: BinaryHeap<Reverse<Waiting>>,
    recorded: Vec<Recorded>,
    nth: u64,
    packets: u64,
    bytes: u64,
    frame: Frame,
}

impl<W: Write> Work<W> {
    fn new(taps: Vec<Tap>, writer: Writer, out: W, options: Options) -> Self {
        let recorded = taps
            .iter()
            .map(|tap| Recorded {
                interface: tap.name().to_owned(),
                written: 0,
                left_out: 0,
                dropped: 0,
            })
            .collect();
        let frame = Frame::with_room(options.snaplen);
        Self {
            taps,
            writer,
            out,
            options,
            waiting: BinaryHeap::new(),
            recorded,
            nth: 0,
            packets: 0,
            bytes: 0,
            frame,
        }
    }

    fn until(mut self, stop: &AtomicBool) -> io::Result<Vec<Recorded>> {
        loop {
            // Asked before the sockets are emptied, so that what came before the order is written.
            let last = stop.load(Ordering::Relaxed);
            if !last {
                self.wait()?;
            }
            let mut round = self.round()?;
            let asked_ns = crate::clock::now().ns();
            // What was sent after the order to stop is not waited for.
            while round.more && !(last && round.safe_ns >= asked_ns) {
                self.write_before(round.safe_ns);
                self.out.write_all(&self.writer.take())?;
                round = self.round()?;
            }
            self.write_before(if last { i64::MAX } else { round.safe_ns });
            self.out.write_all(&self.writer.take())?;
            self.out.flush()?;
            if last {
                break;
            }
        }
        for (tap, recorded) in self.taps.iter().zip(&mut self.recorded) {
            recorded.dropped = tap.dropped()?;
        }
        Ok(self.recorded)
    }

    fn wait(&self) -> io::Result<()> {
        let mut all: Vec<PollFd<'_>> =
            self.taps.iter().map(|tap| PollFd::new(tap.as_fd(), PollFlags::POLLIN)).collect();
        match poll(&mut all, PollTimeout::from(ROUND_MS)) {
            Ok(_) | Err(nix::errno::Errno::EINTR) => Ok(()),
            Err(errno) => Err(errno.into()),
        }
    }

    /// Takes a little from every socket.
    fn round(&mut self) -> io::Result<Round> {
        // Asked first: what is stamped before this and not here yet is only being queued.
        let mut safe_ns = crate::clock::now().ns() - PATIENCE_NS;
        let mut more = false;
        for index in 0..self.taps.len() {
            let mut taken = 0;
            while taken < A_ROUND && self.take(index)? {
                taken += 1;
            }
            if taken == A_ROUND {
                more = true;
                // What this socket still holds is younger than what it gave last.
                safe_ns = safe_ns.min(self.frame.at.ns());
            }
        }
        Ok(Round { more, safe_ns })
    }

    fn take(&mut self, index: usize) -> io::Result<bool> {
        let Some(tap) = self.taps.get(index) else { return Ok(false) };
        if !tap.take(&mut self.frame)? {
            return Ok(false);
        }
        let link = tap.link();
        let wanted = self.options.keep.as_mut().is_none_or(|keep| keep(link, self.frame.bytes()));
        if wanted {
            let full =
                self.packets >= self.options.packets_max || self.bytes >= self.options.bytes_max;
            if full {
                if let Some(recorded) = self.recorded.get_mut(index) {
                    recorded.left_out += 1;
                }
                return Ok(true);
            }
            let kept = self.frame.bytes();
            let kept = kept.get(..self.options.snaplen).unwrap_or(kept).to_vec();
            self.packets += 1;
            self.bytes += kept.len() as u64;
            self.nth += 1;
            self.waiting.push(Reverse(Waiting {
                at: self.frame.at,
                nth: self.nth,
                tap: index,
                wire_len: self.frame.wire_len,
                bytes: kept,
            }));
        }
        Ok(true)
    }

    fn write_before(&mut self, ns: i64) {
        while self.waiting.peek().is_some_and(|Reverse(first)| first.at.ns() < ns) {
            let Some(Reverse(first)) = self.waiting.pop() else { break };
            let number = u32::try_from(first.tap).unwrap_or(0);
            self.writer.packet_of(number, first.at, &first.bytes, first.wire_len);
            if let Some(recorded) = self.recorded.get_mut(first.tap) {
                recorded.written += 1;
            }
        }
    }
}
