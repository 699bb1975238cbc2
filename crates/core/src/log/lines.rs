//! Cuts chunks of a log into lines, whatever their sizes. Refuses to keep more of an endless line
//! than the reader looks at.

/// Bytes kept of a line that is spread over chunks: what the reader looks at, and enough more for
/// it to see that the line goes on.
const KEPT: usize = super::gather::LONGEST + 8;

/// A line under way.
#[derive(Debug, Default)]
pub(super) struct Lines {
    rest: Vec<u8>,
    begun: bool,
}

impl Lines {
    /// Hands on every line that ends in this chunk, without its line feed; true with it when it is
    /// known to hold neither NUL nor escape.
    pub(super) fn feed(&mut self, mut chunk: &[u8], mut take: impl FnMut(&[u8], bool)) {
        if self.begun {
            let Some(at) = memchr::memchr(b'\n', chunk) else { return self.keep(chunk) };
            self.keep(chunk.get(..at).unwrap_or_default());
            self.end(&mut take);
            chunk = chunk.get(at + 1..).unwrap_or_default();
        }
        let clean = memchr::memchr2(0, 0x1b, chunk).is_none();
        let mut from = 0;
        for at in memchr::memchr_iter(b'\n', chunk) {
            take(chunk.get(from..at).unwrap_or_default(), clean);
            from = at + 1;
        }
        let rest = chunk.get(from..).unwrap_or_default();
        if !rest.is_empty() {
            self.keep(rest);
        }
    }

    /// Hands on the last line, when no line feed ended it.
    pub(super) fn end(&mut self, take: impl FnOnce(&[u8], bool)) {
        if std::mem::take(&mut self.begun) {
            take(&self.rest, false);
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
                lines.feed(chunk, |l, _| got.push(l.to_vec()));
            }
            lines.end(|l, _| got.push(l.to_vec()));
            assert_eq!(got, [&b"one"[..], b"", b"two\r", b"three"], "{size}");
        }
    }

    #[test]
    fn an_endless_line_is_one_line_and_little_of_it_is_kept() {
        let (mut lines, mut got) = (Lines::default(), Vec::new());
        for _ in 0..100 {
            lines.feed(&[b'x'; 70_000], |l, _| got.push(l.len()));
        }
        assert!(lines.rest.len() <= KEPT);
        lines.feed(b"\ny\n", |l, _| got.push(l.len()));
        assert_eq!(got, [KEPT, 1]);
    }
}
