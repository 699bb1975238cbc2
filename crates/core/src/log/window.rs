//! A stretch of a log made ready for reading: where its lines end, where its words begin, and its
//! letters without their case. One pass of vectors over all bytes, so that what follows may go from
//! word to word. Refuses more than a window at once: the caller cuts a log at line feeds.

use wide::{i8x16, u8x16};

/// Bytes that fit in; a power of two.
pub(super) const WINDOW: usize = 16 * 1024;

/// Bytes whose words and lines are found at once.
pub(super) const BLOCK: usize = 64;

/// Bytes of a word that count.
pub(super) const WORD: usize = 8;

/// A byte that belongs to no word, folded. Nothing else has the high bit.
pub(super) const GAP: u8 = 0xff;

/// Blocks of a window.
const BLOCKS: usize = WINDOW / BLOCK;

/// A window. Kept between stretches.
#[derive(Debug)]
pub(crate) struct Window {
    /// The bytes, folded, and gaps behind them, longer than a word.
    folded: Box<[u8; WINDOW + BLOCK]>,
    /// A bit for each byte that begins a word.
    starts: Box<[u64; BLOCKS]>,
    /// A bit for each line feed.
    ends: Box<[u64; BLOCKS]>,
    /// Blocks in use.
    used: usize,
}

impl Default for Window {
    fn default() -> Self {
        let (folded, starts, ends) = (boxed(GAP), boxed(0), boxed(0));
        Self { folded, starts, ends, used: 0 }
    }
}

impl Window {
    /// Takes a stretch of text, at most [`WINDOW`] bytes of it.
    pub(super) fn take(&mut self, text: &[u8]) {
        let (blocks, rest) = text.get(..WINDOW).unwrap_or(text).as_chunks::<BLOCK>();
        let mut last = [b' '; BLOCK];
        for (to, from) in last.iter_mut().zip(rest) {
            *to = *from;
        }
        let last = (!rest.is_empty()).then_some(&last);
        let (mut used, mut gap) = (0, 1);
        let places = self.folded.as_chunks_mut::<BLOCK>().0.iter_mut();
        let masks = self.starts.iter_mut().zip(self.ends.iter_mut());
        for ((block, to), (starts, ends)) in blocks.iter().chain(last).zip(places).zip(masks) {
            let gaps;
            (gaps, *ends) = fold_block(block, to);
            *starts = ((gaps << 1) | gap) & !gaps;
            gap = gaps >> (BLOCK - 1);
            used += 1;
        }
        self.used = used;
        // What is left of an earlier stretch must not lengthen the last word.
        if let Some(behind) = self.folded.as_chunks_mut::<BLOCK>().0.get_mut(used) {
            *behind = [GAP; BLOCK];
        }
    }

    /// Where the line feeds stand: where each block begins, and a bit for each of its bytes.
    pub(super) fn line_ends(&self) -> impl Iterator<Item = (usize, u64)> {
        (0..).step_by(BLOCK).zip(self.ends.iter().take(self.used).copied())
    }

    /// Whether words begin at these bytes, a bit for each byte of a block.
    pub(super) fn starts(&self, block: usize) -> u64 {
        self.starts.get(block).copied().unwrap_or(0)
    }

    /// Where the first word behind the one at `at` begins, before `to`.
    pub(super) fn next_word(&self, at: usize, to: usize) -> Option<usize> {
        let gap = (at..to).find(|at| !self.is_word(*at))?;
        (gap..to).find(|at| self.is_word(*at))
    }

    /// Whether a byte belongs to a word.
    pub(super) fn is_word(&self, at: usize) -> bool {
        self.folded.get(at).is_some_and(|b| *b != GAP)
    }

    /// The first four bytes of what stands at a place, folded.
    pub(super) fn four(&self, at: usize) -> u32 {
        // Behind the window stand gaps: a word can be loaded whole from any place in it.
        let here = self.folded.get(at % WINDOW..).and_then(|f| f.first_chunk());
        here.map_or(u32::MAX, |four| u32::from_le_bytes(*four))
    }

    /// The same of eight bytes.
    pub(super) fn eight(&self, at: usize) -> u64 {
        let here = self.folded.get(at % WINDOW..).and_then(|f| f.first_chunk::<WORD>());
        here.map_or(u64::MAX, |eight| u64::from_le_bytes(*eight))
    }
}

/// Letters lose their case, bytes beyond ASCII their high bit, the rest are gaps. A byte of another
/// alphabet may so become a letter: a word may then be taken for one that it is not, never missed.
pub(super) const fn fold(byte: u8) -> u8 {
    if byte.is_ascii_alphanumeric() || byte >= 0x80 { (byte | 0x20) & 0x7f } else { GAP }
}

/// [`fold`] for a block at once; a bit for each gap and for each line feed.
fn fold_block(from: &[u8; BLOCK], to: &mut [u8; BLOCK]) -> (u64, u64) {
    let (mut gaps, mut ends) = (0, 0);
    let parts = from.as_chunks::<16>().0.iter().zip(to.as_chunks_mut::<16>().0);
    for (at, (from, to)) in parts.enumerate() {
        let raw = u8x16::new(*from);
        let lower = raw | u8x16::splat(0x20);
        // Shifted to the lowest signed bytes, since vectors are compared signed.
        let letters = lower.cast_signed() + i8x16::splat(31);
        let digits = raw.cast_signed() + i8x16::splat(80);
        let gap = letters.simd_gt(i8x16::splat(-128 + 25))
            & digits.simd_gt(i8x16::splat(-128 + 9))
            & raw.cast_signed().simd_gt(i8x16::splat(-1));
        let gap = gap.cast_unsigned();
        *to = ((lower & u8x16::splat(0x7f)) | gap).to_array();
        gaps |= u64::from(gap.to_bitmask()) << (16 * at);
        ends |= u64::from(raw.simd_eq(u8x16::splat(b'\n')).to_bitmask()) << (16 * at);
    }
    (gaps, ends)
}

/// An array of one value on the heap.
pub(super) fn boxed<T: Copy, const N: usize>(value: T) -> Box<[T; N]> {
    // The length is N by this very line.
    vec![value; N].into_boxed_slice().try_into().unwrap_or_else(|_| Box::new([value; N]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_is_folded_alike_by_either_way() {
        let all: Vec<u8> = (0..=255).collect();
        let mut window = Window::default();
        window.take(&all);
        for byte in all {
            assert_eq!(window.folded[usize::from(byte)], fold(byte), "{byte:#x}");
        }
    }

    #[test]
    fn words_and_lines_are_where_a_plain_search_finds_them() {
        let mut window = Window::default();
        // A longer stretch before must leave nothing behind.
        window.take(&[b'x'; WINDOW]);
        let text = "one two-three\n\n  é4 \n".repeat(40) + "last";
        window.take(text.as_bytes());
        let bits = |(at, ends): (usize, u64)| {
            (0..BLOCK).filter(move |bit| ends >> bit & 1 == 1).map(move |bit| at + bit)
        };
        let ends: Vec<usize> = window.line_ends().flat_map(bits).collect();
        let want: Vec<usize> = memchr::memchr_iter(b'\n', text.as_bytes()).collect();
        assert_eq!(ends, want);
        for at in 0..text.len() {
            let word = |at: usize| fold(text.as_bytes()[at]) != GAP;
            let begins = word(at) && (at == 0 || !word(at - 1));
            assert_eq!(window.starts(at / BLOCK) >> (at % BLOCK) & 1 == 1, begins, "{at}");
        }
        assert_eq!(window.four(text.len() - 2), u32::from_le_bytes([b's', b't', GAP, GAP]));
    }
}
