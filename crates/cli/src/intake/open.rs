//! Opening: a path or standard input becomes a buffered reader of unpacked bytes.

use super::ahead::Ahead;
use crate::progress::Counted;
use hopclock_core::time::Moment;
use hopclock_live::clock;
use ruzstd::decoding::{FrameDecoder, StreamingDecoder};
use std::fs::File;
use std::io::{self, BufRead, BufReader, Cursor, Read};
use std::path::Path;

/// How much is read ahead at once, and how much of an input the recogniser may look at.
pub const HEAD_BYTES: usize = 64 * 1024;

/// How much of a file is read at once.
const READ_BYTES: usize = 256 * 1024;

/// How an input was packed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Packing {
    /// Not at all.
    Plain,
    /// RFC 1952.
    Gzip,
    /// RFC 8878.
    Zstd,
    /// The .xz format.
    Xz,
}

impl Packing {
    /// The format's name; `None` when nothing was packed.
    pub const fn word(self) -> Option<&'static str> {
        match self {
            Packing::Plain => None,
            Packing::Gzip => Some("gzip"),
            Packing::Zstd => Some("zstd"),
            Packing::Xz => Some("xz"),
        }
    }
}

/// An input ready to be read.
pub struct Opened {
    /// The unpacked bytes.
    pub reader: Box<dyn BufRead + Send>,
    /// When the file was last written, where there is a file.
    pub modified: Option<Moment>,
    /// How it was packed.
    pub packing: Packing,
}

/// Opens `path`, or standard input for `-`, and unpacks it by its first bytes.
pub fn open(path: &Path) -> io::Result<Opened> {
    if path.as_os_str() == "-" {
        return unpack(Box::new(Counted(io::stdin())), None);
    }
    let file = File::open(path)?;
    let about = file.metadata()?;
    if about.is_dir() {
        return Err(io::Error::new(io::ErrorKind::IsADirectory, "is a folder, not a file"));
    }
    let modified = about.modified().ok().map(clock::moment_of);
    unpack(Box::new(Counted(file)), modified)
}

fn unpack(raw: Box<dyn Read + Send>, modified: Option<Moment>) -> io::Result<Opened> {
    let (head, raw) = peek(raw, 6)?;
    let packing = packing_of(&head);
    let reader: Box<dyn BufRead + Send> = match packing {
        Packing::Plain => Box::new(BufReader::with_capacity(READ_BYTES, raw)),
        Packing::Gzip => buffered(flate2::read::MultiGzDecoder::new(raw)),
        Packing::Xz => buffered(lzma_rust2::XzReader::new(raw, true)),
        Packing::Zstd => buffered(ZstdFrames {
            frame: Some(zstd_frame(Box::new(BufReader::with_capacity(HEAD_BYTES, raw)))?),
        }),
    };
    Ok(Opened { reader, modified, packing })
}

/// The frames of a zstd file one after the other: parallel compressors and appended logs write
/// several (RFC 8878 §3).
struct ZstdFrames {
    frame: Option<ZstdFrame>,
}

type ZstdFrame = StreamingDecoder<Box<dyn BufRead + Send>, FrameDecoder>;

fn zstd_frame(raw: Box<dyn BufRead + Send>) -> io::Result<ZstdFrame> {
    StreamingDecoder::new(raw)
        .map_err(|e| io::Error::new(io::ErrorKind::InvalidData, e.to_string()))
}

impl Read for ZstdFrames {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while let Some(frame) = &mut self.frame {
            let n = frame.read(buffer)?;
            if n > 0 || buffer.is_empty() {
                return Ok(n);
            }
            let Some(done) = self.frame.take() else { break };
            let mut rest = done.into_inner();
            if !rest.fill_buf()?.is_empty() {
                self.frame = Some(zstd_frame(rest)?);
            }
        }
        Ok(0)
    }
}

/// What is unpacked is unpacked ahead.
fn buffered<R: Read + Send + 'static>(inner: R) -> Box<dyn BufRead + Send> {
    Box::new(Ahead::new(HEAD_BYTES, Box::new(inner)))
}

/// Reads up to `n` bytes and gives back a reader that still begins with them.
fn peek(
    mut raw: Box<dyn Read + Send>,
    n: usize,
) -> io::Result<(Vec<u8>, impl Read + Send + 'static)> {
    let mut head = Vec::with_capacity(n);
    raw.by_ref().take(n as u64).read_to_end(&mut head)?;
    Ok((head.clone(), Cursor::new(head).chain(raw)))
}

/// Told by the formats' magic numbers.
pub fn packing_of(head: &[u8]) -> Packing {
    if head.starts_with(&[0x1f, 0x8b]) {
        Packing::Gzip
    } else if head.starts_with(&[0x28, 0xb5, 0x2f, 0xfd]) {
        Packing::Zstd
    } else if head.starts_with(&[0xfd, b'7', b'z', b'X', b'Z', 0]) {
        Packing::Xz
    } else {
        Packing::Plain
    }
}
