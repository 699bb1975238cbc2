//! Netlink messages: header, attributes, nesting (linux/netlink.h); both ways.
//!
//! Nothing here indexes on what the kernel says of lengths: what does not fit ends the walk.

/// Flag: this is a request.
pub const REQUEST: u16 = 0x01;
/// Flag: answer even when all is well.
pub const ACK: u16 = 0x04;
/// Flag: make it if it is not there.
pub const CREATE: u16 = 0x400;
/// Flag: fail if it is there.
pub const EXCLUSIVE: u16 = 0x200;
/// Flag: everything there is.
pub const DUMP: u16 = 0x300;

/// Bit of an attribute's kind: it holds attributes.
const NESTED: u16 = 0x8000;
/// Bits of an attribute's kind that are no kind.
const KIND: u16 = 0x3fff;
/// Message kinds every family has.
const KIND_ERROR: u16 = 2;
const KIND_DONE: u16 = 3;
const HEADER: usize = 16;

/// A message being built.
#[derive(Clone, Debug)]
pub struct Message {
    bytes: Vec<u8>,
}

impl Message {
    /// A message of `kind` with these flags; length and sequence come with [`Message::finish`].
    pub fn new(kind: u16, flags: u16) -> Self {
        let mut bytes = Vec::with_capacity(256);
        bytes.extend(0u32.to_ne_bytes());
        bytes.extend(kind.to_ne_bytes());
        bytes.extend(flags.to_ne_bytes());
        bytes.extend([0; 8]);
        Self { bytes }
    }

    /// A message to a part of netfilter (linux/netfilter/nfnetlink.h): `subsystem` and `kind`, the
    /// protocol family, and the resource the part wants.
    pub fn netfilter(subsystem: u8, kind: u8, flags: u16, family: u8, resource: u16) -> Self {
        let kind = u16::from(subsystem) << 8 | u16::from(kind);
        let [high, low] = resource.to_be_bytes();
        Self::new(kind, flags).put(&[family, 0, high, low])
    }

    /// Adds bytes of the fixed part.
    #[must_use]
    pub fn put(mut self, bytes: &[u8]) -> Self {
        self.bytes.extend(bytes);
        self.pad();
        self
    }

    /// Adds an attribute.
    #[must_use]
    pub fn attr(mut self, kind: u16, value: &[u8]) -> Self {
        let length = u16::try_from(value.len() + 4).unwrap_or(u16::MAX);
        self.bytes.extend(length.to_ne_bytes());
        self.bytes.extend(kind.to_ne_bytes());
        self.bytes.extend(value);
        self.pad();
        self
    }

    /// Adds an attribute of 32 bits in network order.
    #[must_use]
    pub fn be32(self, kind: u16, value: u32) -> Self {
        self.attr(kind, &value.to_be_bytes())
    }

    /// Adds a string with its closing zero.
    #[must_use]
    pub fn text(self, kind: u16, value: &str) -> Self {
        let mut bytes = value.as_bytes().to_vec();
        bytes.push(0);
        self.attr(kind, &bytes)
    }

    /// Adds an attribute that holds attributes.
    #[must_use]
    pub fn nest(mut self, kind: u16, inside: impl FnOnce(Self) -> Self) -> Self {
        let at = self.bytes.len();
        self.bytes.extend([0; 2]);
        self.bytes.extend((kind | NESTED).to_ne_bytes());
        let mut nested = inside(self);
        let length = u16::try_from(nested.bytes.len() - at).unwrap_or(u16::MAX);
        nested.write(at, &length.to_ne_bytes());
        nested
    }

    /// The bytes to send.
    pub fn finish(mut self, sequence: u32) -> Vec<u8> {
        let length = u32::try_from(self.bytes.len()).unwrap_or(u32::MAX);
        self.write(0, &length.to_ne_bytes());
        self.write(8, &sequence.to_ne_bytes());
        self.bytes
    }

    fn write(&mut self, at: usize, value: &[u8]) {
        if let Some(place) = self.bytes.get_mut(at..at + value.len()) {
            place.copy_from_slice(value);
        }
    }

    fn pad(&mut self) {
        while !self.bytes.len().is_multiple_of(4) {
            self.bytes.push(0);
        }
    }
}

/// A message that came.
#[derive(Clone, Copy, Debug)]
pub struct Reply<'a> {
    /// Kind, with the subsystem in the upper byte for netfilter.
    pub kind: u16,
    /// Sequence number of the request it answers.
    pub sequence: u32,
    /// What follows the header.
    pub body: &'a [u8],
}

impl<'a> Reply<'a> {
    /// The error number if this is an error, an acknowledgement (0) or the end of a dump (0 where
    /// all is well).
    pub fn errno(&self) -> Option<i32> {
        if self.kind != KIND_ERROR && self.kind != KIND_DONE {
            return None;
        }
        let number =
            self.body.get(..4).and_then(|b| b.try_into().ok()).map_or(0, i32::from_ne_bytes);
        Some(number.saturating_neg())
    }

    /// Attributes after a fixed part of `fixed` bytes.
    pub fn attrs(&self, fixed: usize) -> Attrs<'a> {
        Attrs(self.body.get(fixed..).unwrap_or_default())
    }
}

/// Messages of one datagram.
pub fn replies(bytes: &[u8]) -> impl Iterator<Item = Reply<'_>> {
    let mut rest = bytes;
    std::iter::from_fn(move || {
        let header = rest.get(..HEADER)?;
        let length = u32::from_ne_bytes(header.get(..4)?.try_into().ok()?) as usize;
        let reply = Reply {
            kind: u16::from_ne_bytes(header.get(4..6)?.try_into().ok()?),
            sequence: u32::from_ne_bytes(header.get(8..12)?.try_into().ok()?),
            body: rest.get(HEADER..length)?,
        };
        rest = rest.get(length.next_multiple_of(4)..).unwrap_or_default();
        Some(reply)
    })
}

/// Attributes, one after the other.
#[derive(Clone, Copy, Debug)]
pub struct Attrs<'a>(&'a [u8]);

impl<'a> Attrs<'a> {
    /// Attributes in these bytes.
    pub const fn of(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }
}

impl<'a> Iterator for Attrs<'a> {
    type Item = (u16, &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        let length = usize::from(u16::from_ne_bytes(self.0.get(..2)?.try_into().ok()?));
        let kind = u16::from_ne_bytes(self.0.get(2..4)?.try_into().ok()?) & KIND;
        let value = self.0.get(4..length)?;
        self.0 = self.0.get(length.next_multiple_of(4)..).unwrap_or_default();
        Some((kind, value))
    }
}

/// 32 bits in network order.
pub fn be32(value: &[u8]) -> Option<u32> {
    Some(u32::from_be_bytes(value.get(..4)?.try_into().ok()?))
}

/// 64 bits in network order.
pub fn be64(value: &[u8]) -> Option<u64> {
    Some(u64::from_be_bytes(value.get(..8)?.try_into().ok()?))
}

/// 16 bits in network order.
pub fn be16(value: &[u8]) -> Option<u16> {
    Some(u16::from_be_bytes(value.get(..2)?.try_into().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_built_is_taken_apart_again() {
        let bytes = Message::new(7, REQUEST)
            .put(&[1, 2, 3, 4])
            .attr(5, &[9])
            .nest(6, |inside| inside.be32(1, 0xdead_beef))
            .finish(11);
        let all: Vec<Reply<'_>> = replies(&bytes).collect();
        assert_eq!((all.len(), all[0].kind, all[0].sequence), (1, 7, 11));
        let attrs: Vec<_> = all[0].attrs(4).collect();
        assert_eq!(attrs[0], (5, &[9u8][..]));
        assert_eq!(attrs[1].0, 6);
        let inner: Vec<_> = Attrs::of(attrs[1].1).collect();
        assert_eq!(be32(inner[0].1), Some(0xdead_beef));
    }

    #[test]
    fn cut_messages_end_the_walk() {
        let bytes = Message::new(7, 0).attr(5, &[9; 40]).finish(1);
        for cut in 0..bytes.len() {
            assert_eq!(replies(&bytes[..cut]).count(), 0, "{cut}");
        }
    }
}
