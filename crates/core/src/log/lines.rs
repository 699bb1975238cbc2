//! Cuts chunks of a log into lines, whatever their sizes, a window at a time. Refuses to keep more
//! of an endless line than the reader looks at.

use super::window::{WINDOW, Window};

/// Bytes kept of a line that is spread over chunks: what the reader looks at, and enough more for
/// it to see that the line goes on.
const KEPT: usize = super::gather::LONGEST + 8;

/// A line without its line feed, and what is known of it already.
#[derive(Clone, Copy)]
pub(super) struct Line<'a> {
    pub(super) bytes: &'a [u8],
    /// Known to hold neither NUL nor escape.
    pub(super) clean: bool,
    /// The window it lies in, and where it begins there.
    pub(super) ready: Option<(&'a Window, usize)>,
}

impl<'a> Line<'a> {
    /// A line of which nothing is known.
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, clean: false, ready: None }
    }
}

/// A line under way.
#[derive(Debug, Default)]
pub(super) struct Lines {
    rest: Vec<u8>,
    begun: bool,
    window: Window,
}

impl Lines {
    /// Hands on every line that ends in this chunk.
    pub(super) fn feed(&mut self, mut chunk: &[u8], mut take: impl FnMut(Line<'_>)) {
        if self.begun {
            let Some(at) = memchr::memchr(b'\n', chunk) else { return self.keep(chunk) };
            self.keep(chunk.get(..at).unwrap_or_default());
            self.end(&mut take);
            chunk = chunk.get(at + 1..).unwrap_or_default();
        }
        while !chunk.is_empty() {
            let head = chunk.get(..WINDOW).unwrap_or(chunk);
            let taken = match memchr::memrchr(b'\n', head) {
                Some(last) => self.window(head.get(..=last).unwrap_or(head), &mut take),
                // A line longer than a window.
                None => match memchr::memchr(b'\n', chunk) {
                    Some(at) => {
                        take(Line::new(chunk.get(..at).unwrap_or_default()));
                        at + 1
                    }
                    None => return self.keep(chunk),
                },
            };
            chunk = chunk.get(taken..).unwrap_or_default();
        }
    }

    /// Hands on the lines of a window; how many bytes they had.
    fn window(&mut self, text: &[u8], take: &mut impl FnMut(Line<'_>)) -> usize {
        self.window.take(text);
        let clean = memchr::memchr2(0, 0x1b, text).is_none();
        let mut from = 0;
        for (block, mut ends) in self.window.line_ends() {
            while ends != 0 {
                let at = block + ends.trailing_zeros() as usize;
                ends &= ends - 1;
                let bytes = text.get(from..at).unwrap_or_default();
                take(Line { bytes, clean, ready: Some((&self.window, from)) });
                from = at + 1;
            }
        }
        text.len()
    }

    /// Hands on the last line, when no line feed ended it.
    pub(super) fn end(&mut self, take: impl FnOnce(Line<'_>)) {
        if std::mem::take(&mut self.begun) {
            take(Line::new(&self.rest));
            self.rest.clear();
        }
    }

    /// Keeps a part of a line.
    fn keep(&mut self, part: &[u8]) {
        self.begun = true;
        let room = KEPT.saturating_sub(self.rest.len()).min(part.len());
        self.rest.extend_from_slice(part.get(..room).unwrap_or_default());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_chunks_give_the_same_lines() {
        let text = b"one\n\ntwo\r\nthree";
        for size in 1..=text.len() {
            let (mut lines, mut got) = (Lines::default(), Vec::new());
            for chunk in text.chunks(size) {
                lines.feed(chunk, |l| got.push(l.bytes.to_vec()));
            }
            lines.end(|l| got.push(l.bytes.to_vec()));
            assert_eq!(got, [&b"one"[..], b"", b"two\r", b"three"], "{size}");
        }
    }

    #[test]
    fn an_endless_line_is_one_line_and_little_of_it_is_kept() {
        let (mut lines, mut got) = (Lines::default(), Vec::new());
        for _ in 0..100 {
            lines.feed(&[b'x'; 70_000], |l| got.push(l.bytes.len()));
        }
        assert!(lines.rest.len() <= KEPT);
        lines.feed(b"\ny\n", |l| got.push(l.bytes.len()));
        assert_eq!(got, [KEPT, 1]);
    }
}
