//! Opening: a path or standard input becomes a buffered reader of unpacked bytes.

use hopclock_core::time::Moment;
use hopclock_live::clock;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Cursor, Read};
use std::path::Path;

/// How much is read ahead at once, and how much of an input the recogniser may look at.
pub const HEAD_BYTES: usize = 64 * 1024;

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
    pub reader: Box<dyn BufRead>,
    /// When the file was last written, where there is a file.
    pub modified: Option<Moment>,
    /// How it was packed.
    pub packing: Packing,
}

/// Opens `path`, or standard input for `-`, and unpacks it by its first bytes.
pub fn open(path: &Path) -> io::Result<Opened> {
    if path.as_os_str() == "-" {
        return unpack(Box::new(io::stdin()), None);
    }
    let file = File::open(path)?;
    let about = file.metadata()?;
    if about.is_dir() {
        return Err(io::Error::new(io::ErrorKind::IsADirectory, "is a folder, not a file"));
    }
    let modified = about.modified().ok().map(clock::moment_of);
    unpack(Box::new(file), modified)
}

fn unpack(raw: Box<dyn Read>, modified: Option<Moment>) -> io::Result<Opened> {
    let (head, raw) = peek(raw, 6)?;
    let packing = packing_of(&head);
    let reader: Box<dyn BufRead> = match packing {
        Packing::Plain => Box::new(BufReader::with_capacity(HEAD_BYTES, raw)),
        Packing::Gzip => buffered(flate2::read::MultiGzDecoder::new(raw)),
        Packing::Xz => buffered(lzma_rust2::XzReader::new(raw, true)),
        Packing::Zstd => {
            let frames = ruzstd::decoding::StreamingDecoder::new(raw)
                .map_err(|e| io::Error::new(io::ErrorKind::InvalidData, e.to_string()))?;
            buffered(frames)
        }
    };
    Ok(Opened { reader, modified, packing })
}

fn buffered<R: Read + 'static>(inner: R) -> Box<dyn BufRead> {
    Box::new(BufReader::with_capacity(HEAD_BYTES, inner))
}

/// Reads up to `n` bytes and gives back a reader that still begins with them.
fn peek(mut raw: Box<dyn Read>, n: usize) -> io::Result<(Vec<u8>, impl Read + 'static)> {
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
