//! Fragments of IP datagrams: only the first bytes are kept, and which parts came.
//!
//! At most 256 datagrams are waited for; the one that waited longest gives way.

use std::collections::VecDeque;
use std::net::IpAddr;

/// Datagrams waited for at once.
const OPEN_MAX: usize = 256;
/// First bytes kept of each: a TCP header with all its options, and the words after it.
const HEAD_BYTES: usize = 512;
/// Separate parts of one datagram; a sender that leaves more holes is not an honest one.
const PARTS_MAX: usize = 64;

/// What fragments of one datagram have in common (RFC 791 §3.2, RFC 8200 §4.5).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Key {
    pub src: IpAddr,
    pub dst: IpAddr,
    pub id: u32,
    pub protocol: u8,
}

/// Where a fragment belongs.
#[derive(Clone, Copy, Debug)]
pub(super) struct Piece {
    pub key: Key,
    pub offset: usize,
    pub more: bool,
    /// Its length as its header says; less may have been kept.
    pub len: usize,
}

#[derive(Debug)]
struct Open {
    key: Key,
    head: Vec<u8>,
    /// Parts that came, apart from each other, in order.
    parts: Vec<(usize, usize)>,
    total: Option<usize>,
}

/// Datagrams of which some fragments came.
#[derive(Debug, Default)]
pub(super) struct Fragments {
    open: VecDeque<Open>,
}

impl Fragments {
    /// Adds a fragment. When it was the last one missing: the datagram's first bytes and length.
    pub(super) fn add(&mut self, piece: Piece, bytes: &[u8]) -> Option<(Vec<u8>, usize)> {
        let found = self.open.iter().position(|open| open.key == piece.key);
        let mut open = match found.and_then(|at| self.open.remove(at)) {
            Some(open) => open,
            None => Open { key: piece.key, head: Vec::new(), parts: Vec::new(), total: None },
        };
        open.add(piece, bytes);
        if let Some(total) = open.total
            && matches!(open.parts.as_slice(), [(0, end), ..] if *end >= total)
        {
            return Some((open.head, total));
        }
        if open.parts.len() <= PARTS_MAX {
            if self.open.len() >= OPEN_MAX {
                self.open.pop_front();
            }
            self.open.push_back(open);
        }
        None
    }
}

impl Open {
    fn add(&mut self, piece: Piece, bytes: &[u8]) {
        let (from, to) = (piece.offset, piece.offset + bytes.len());
        if !piece.more && self.total.is_none() {
            self.total = Some(to);
        }
        if from < HEAD_BYTES {
            let end = to.min(HEAD_BYTES);
            if self.head.len() < end {
                self.head.resize(end, 0);
            }
            if let (Some(place), Some(bytes)) =
                (self.head.get_mut(from..end), bytes.get(..end - from))
            {
                place.copy_from_slice(bytes);
            }
        }
        self.parts.push((from, to));
        self.parts.sort_unstable();
        self.parts.dedup_by(|next, kept| {
            let touches = next.0 <= kept.1;
            if touches {
                kept.1 = kept.1.max(next.1);
            }
            touches
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::Ipv4Addr;

    fn piece(offset: usize, more: bool) -> Piece {
        let src = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1));
        let key = Key { src, dst: src, id: 7, protocol: 6 };
        Piece { key, offset, more, len: 8 }
    }

    #[test]
    fn any_order_makes_the_datagram() {
        let mut fragments = Fragments::default();
        assert_eq!(fragments.add(piece(16, false), &[3; 4]), None);
        assert_eq!(fragments.add(piece(0, true), &[1; 8]), None);
        let (bytes, len) = fragments.add(piece(8, true), &[2; 8]).unwrap();
        assert_eq!(len, 20);
        assert_eq!(bytes, [&[1; 8][..], &[2; 8], &[3; 4]].concat());
        assert!(fragments.open.is_empty());
    }

    #[test]
    fn memory_stays_bounded() {
        let mut fragments = Fragments::default();
        for id in 0..10_000 {
            let mut one = piece(0, true);
            one.key.id = id;
            fragments.add(one, &[0; 1400]);
        }
        assert_eq!(fragments.open.len(), OPEN_MAX);
        for hole in 0..1000 {
            fragments.add(piece(hole * 16, true), &[0; 8]);
        }
        assert!(fragments.open.iter().all(|open| open.parts.len() <= PARTS_MAX));
    }
}
