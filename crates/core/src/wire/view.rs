//! A view of a layer: the bytes kept, and how many there were. It may lie and stays in this room.

use super::{LengthFrom, Stop};
use crate::capture::Cursor;

/// The bytes of one layer and everything it carries.
#[derive(Clone, Copy, Debug)]
pub(super) struct View<'a> {
    /// As far as they were kept.
    pub bytes: &'a [u8],
    /// How many there were by the lengths told so far; never fewer than were kept.
    pub len: usize,
}

impl<'a> View<'a> {
    pub(super) fn new(bytes: &'a [u8], len: usize) -> Self {
        Self { bytes: bytes.get(..len).unwrap_or(bytes), len }
    }

    /// No more than `len` bytes belong to it.
    pub(super) fn limit(self, len: usize) -> Self {
        Self::new(self.bytes, self.len.min(len))
    }

    /// What comes after the first `count` bytes, which must have been kept.
    pub(super) fn after(self, count: usize, layer: &'static str) -> Result<Self, Stop> {
        match self.bytes.get(count..) {
            Some(bytes) => Ok(Self { bytes, len: self.len - count }),
            None => Err(self.short(count, layer)),
        }
    }

    /// A cursor at its first byte.
    pub(super) fn cursor(self) -> Cursor<'a> {
        Cursor::new(self.bytes)
    }

    /// The first `N` bytes.
    pub(super) fn head<const N: usize>(self, layer: &'static str) -> Result<[u8; N], Stop> {
        self.bytes.first_chunk::<N>().copied().ok_or_else(|| self.short(N, layer))
    }

    /// That `need` bytes were not there.
    pub(super) fn short(self, need: usize, layer: &'static str) -> Stop {
        let told_by =
            if self.len > self.bytes.len() { LengthFrom::Snaplen } else { LengthFrom::Header };
        Stop { layer, need: need as u32, have: self.bytes.len() as u32, told_by }
    }

    /// That a value cannot be.
    pub(super) fn nonsense(self, layer: &'static str) -> Stop {
        Stop { layer, need: 0, have: self.bytes.len() as u32, told_by: LengthFrom::Nonsense }
    }
}
