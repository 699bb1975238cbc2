//! Cuts a text into words at given bytes and at white space, without decoding what is plain.
//! Refuses to give empty words.

/// What each byte is to a word.
pub(super) type Sorts = [Sort; 256];

/// A sort of byte.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Sort {
    /// Belongs to a word.
    Word,
    /// Stands between words.
    Gap,
    /// Begins a character beyond ASCII, which is white space or belongs to a word.
    Beyond,
}

/// Words end at white space and at these bytes.
pub(super) const fn ends(others: &[u8]) -> Sorts {
    let mut sorts = [Sort::Word; 256];
    let mut at = 0;
    while at < others.len() {
        sorts[others[at] as usize] = Sort::Gap;
        at += 1;
    }
    let mut at = 0;
    while at < 256 {
        // As `char::is_whitespace` has them.
        if matches!(at, 9..=13 | 32) {
            sorts[at] = Sort::Gap;
        } else if at >= 0x80 {
            sorts[at] = Sort::Beyond;
        }
        at += 1;
    }
    sorts
}

/// White space alone.
pub(super) static SPACE: Sorts = ends(b"");

/// The words of a text.
#[derive(Clone)]
pub(super) struct Words<'a> {
    text: &'a str,
    at: usize,
    sorts: &'static Sorts,
}

impl<'a> Words<'a> {
    /// Of `text`, which is cut at gaps.
    pub(super) fn new(text: &'a str, sorts: &'static Sorts) -> Self {
        Self { text, at: 0, sorts }
    }

    /// Where the last word ended.
    pub(super) fn at(&self) -> usize {
        self.at
    }

    /// The end of the word or the gap at `from`.
    fn past(&self, from: usize, what: Sort) -> usize {
        let bytes = self.text.as_bytes();
        let mut at = from;
        loop {
            let sort = bytes.get(at).and_then(|byte| self.sorts.get(usize::from(*byte)));
            if sort == Some(&what) {
                at += 1;
                continue;
            }
            if sort != Some(&Sort::Beyond) {
                return at;
            }
            let next = self.text.get(at..).and_then(|t| t.chars().next());
            match next.filter(|c| c.is_whitespace() == (what == Sort::Gap)) {
                Some(c) => at += c.len_utf8(),
                None => return at,
            }
        }
    }
}

impl<'a> Iterator for Words<'a> {
    type Item = &'a str;

    fn next(&mut self) -> Option<&'a str> {
        let from = self.past(self.at, Sort::Gap);
        self.at = self.past(from, Sort::Word);
        self.text.get(from..self.at).filter(|word| !word.is_empty())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_those_of_the_standard_library() {
        static CUTS: Sorts = ends(b"=:");
        for text in ["", " ", "a", " a=b  c:d ", "é\u{a0}x\u{3000}=y\u{b}z", "::a\tü=", "\u{85}"]
        {
            let plain: Vec<&str> = text.split_whitespace().collect();
            assert_eq!(Words::new(text, &SPACE).collect::<Vec<_>>(), plain, "{text:?}");
            let cut = |c: char| c.is_whitespace() || matches!(c, '=' | ':');
            let plain: Vec<&str> = text.split(cut).filter(|w| !w.is_empty()).collect();
            assert_eq!(Words::new(text, &CUTS).collect::<Vec<_>>(), plain, "{text:?}");
        }
    }
}
