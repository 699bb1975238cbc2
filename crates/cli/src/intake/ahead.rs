//! Reading ahead: what takes long to unpack is unpacked on a thread of its own.
//!
//! The bytes and their order are the reader's own, and so are its errors. A small input never
//! starts a thread, and a machine that gives none is read without.

use std::io::{self, BufRead, BufReader, Read};
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};
use std::thread;

/// Read before a thread is worth its while.
const DIRECT_BYTES: usize = 256 * 1024;
/// How much is handed over at once, and how many of these wait to be taken.
const CHUNK_BYTES: usize = 256 * 1024;
const WAITING: usize = 3;

type Inner = Box<dyn Read + Send>;

/// A reader that reads ahead once it has read for a while.
pub struct Ahead {
    state: State,
    /// Bytes read without a thread.
    direct: usize,
}

enum State {
    Direct(BufReader<Inner>),
    Threaded(Threaded),
}

struct Threaded {
    came: Receiver<io::Result<Vec<u8>>>,
    back: Sender<Vec<u8>>,
    now: Vec<u8>,
    at: usize,
}

impl Ahead {
    /// Of a reader that takes its time; `room` is how much is asked of it at once at first.
    pub fn new(room: usize, inner: Inner) -> Self {
        Self { state: State::Direct(BufReader::with_capacity(room, inner)), direct: 0 }
    }

    fn go_ahead(&mut self) {
        let gone = State::Direct(BufReader::with_capacity(0, Box::new(io::empty())));
        self.state = match std::mem::replace(&mut self.state, gone) {
            // Nothing of it is buffered: that was asked before.
            State::Direct(reader) => threaded(reader),
            threaded @ State::Threaded(_) => threaded,
        };
    }
}

/// Moves a reader to a thread, where there is one to be had.
fn threaded(reader: BufReader<Inner>) -> State {
    let (full, came) = sync_channel(WAITING);
    let (back, empty) = channel();
    // A thread that does not start would keep what was moved into it: it is handed over when it
    // runs.
    let (hand, taken) = sync_channel::<Inner>(1);
    let work = move || {
        if let Ok(inner) = taken.recv() {
            carry(inner, &full, &empty);
        }
    };
    let begun = thread::Builder::new().name("unpack".to_owned()).spawn(work);
    match begun {
        Ok(_) => {
            // It waits for nothing else.
            let _ = hand.send(reader.into_inner());
            State::Threaded(Threaded { came, back, now: Vec::new(), at: 0 })
        }
        Err(_) => State::Direct(reader),
    }
}

/// Reads until the end, an error, or until nobody listens any more.
fn carry(mut inner: Inner, full: &SyncSender<io::Result<Vec<u8>>>, empty: &Receiver<Vec<u8>>) {
    loop {
        let mut chunk = empty.try_recv().unwrap_or_default();
        chunk.clear();
        let read = inner.by_ref().take(CHUNK_BYTES as u64).read_to_end(&mut chunk);
        let over = chunk.is_empty();
        if !over && full.send(Ok(chunk)).is_err() {
            return;
        }
        match read {
            Ok(_) if over => return,
            Ok(_) => {}
            Err(error) => {
                let _ = full.send(Err(error));
                return;
            }
        }
    }
}

impl Threaded {
    fn fill(&mut self) -> io::Result<&[u8]> {
        if self.at >= self.now.len() {
            // Nobody fills it again when the thread is over.
            let _ = self.back.send(std::mem::take(&mut self.now));
            self.at = 0;
            // Silence is the end.
            self.now = self.came.recv().unwrap_or(Ok(Vec::new()))?;
        }
        Ok(self.now.get(self.at..).unwrap_or_default())
    }
}

impl BufRead for Ahead {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if let State::Direct(reader) = &self.state
            && self.direct >= DIRECT_BYTES
            && reader.buffer().is_empty()
        {
            self.direct = 0;
            self.go_ahead();
        }
        match &mut self.state {
            State::Direct(reader) => reader.fill_buf(),
            State::Threaded(ahead) => ahead.fill(),
        }
    }

    fn consume(&mut self, count: usize) {
        match &mut self.state {
            State::Direct(reader) => {
                self.direct += count;
                reader.consume(count);
            }
            State::Threaded(ahead) => ahead.at += count,
        }
    }
}

impl Read for Ahead {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.fill_buf()?.read(buffer)?;
        self.consume(count);
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Some bytes, then an error.
    struct Breaks(usize);

    impl Read for Breaks {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            let count = buffer.len().min(self.0).min(1000);
            if count == 0 {
                return Err(io::Error::new(io::ErrorKind::InvalidData, "broken off"));
            }
            buffer[..count].fill(7);
            self.0 -= count;
            Ok(count)
        }
    }

    #[test]
    fn every_byte_comes_in_order_and_then_the_end() {
        let bytes: Vec<u8> = (0..3_000_000_u32).map(|n| (n / 251) as u8 ^ n as u8).collect();
        let mut ahead = Ahead::new(64 * 1024, Box::new(io::Cursor::new(bytes.clone())));
        let mut read = Vec::new();
        ahead.read_to_end(&mut read).unwrap();
        assert!(matches!(ahead.state, State::Threaded(_)));
        assert!(read == bytes, "other bytes came out");
        assert!(ahead.fill_buf().unwrap().is_empty());
    }

    #[test]
    fn an_error_comes_after_the_bytes_before_it() {
        for whole in [1_500, 2_000_000] {
            let mut ahead = Ahead::new(64 * 1024, Box::new(Breaks(whole)));
            let mut read = 0;
            let error = loop {
                match ahead.fill_buf() {
                    Ok(bytes) => {
                        let count = bytes.len();
                        assert!(count > 0 && bytes.iter().all(|byte| *byte == 7));
                        read += count;
                        ahead.consume(count);
                    }
                    Err(error) => break error,
                }
            };
            assert_eq!((read, error.to_string()), (whole, "broken off".to_owned()));
        }
    }

    #[test]
    fn one_that_is_left_alone_ends() {
        let mut ahead = Ahead::new(64 * 1024, Box::new(io::repeat(1)));
        while matches!(ahead.state, State::Direct(_)) {
            let count = ahead.fill_buf().unwrap().len();
            ahead.consume(count);
        }
        drop(ahead);
    }
}
