//! A cursor over the bytes of one line. Refuses nothing: what is not there is `None`.

/// Where a parser stands in a line. Cheap to copy, so that a failed attempt costs nothing.
#[derive(Clone, Copy)]
pub(crate) struct Scan<'a> {
    all: &'a [u8],
    at: usize,
}

impl<'a> Scan<'a> {
    /// At byte `at` of `all`.
    pub(crate) fn new(all: &'a [u8], at: usize) -> Self {
        Self { all, at }
    }

    /// The offset reached.
    pub(crate) fn at(self) -> usize {
        self.at
    }

    /// The next byte, not consumed.
    pub(crate) fn peek(self) -> Option<u8> {
        self.all.get(self.at).copied()
    }

    /// The whole line.
    pub(crate) fn whole(self) -> &'a [u8] {
        self.all
    }

    /// What is left.
    pub(crate) fn rest(self) -> &'a [u8] {
        self.all.get(self.at..).unwrap_or_default()
    }

    /// Steps over `n` bytes.
    pub(crate) fn skip(&mut self, n: usize) {
        self.at = self.at.saturating_add(n).min(self.all.len());
    }

    /// Steps over `byte` if it stands here.
    pub(crate) fn eat(&mut self, byte: u8) -> Option<()> {
        (self.peek()? == byte).then(|| self.at += 1)
    }

    /// Steps over any one of `bytes` and says which.
    pub(crate) fn any(&mut self, bytes: &[u8]) -> Option<u8> {
        let next = self.peek()?;
        bytes.contains(&next).then(|| {
            self.at += 1;
            next
        })
    }

    /// Steps over spaces; at least `least`, else `None`.
    pub(crate) fn spaces(&mut self, least: usize) -> Option<()> {
        let n = self.rest().iter().take_while(|b| **b == b' ' || **b == b'\t').count();
        (n >= least).then(|| self.at += n)
    }

    /// How many digits stand here, at most 20 counted.
    pub(crate) fn digits_ahead(self) -> usize {
        self.rest().iter().take(20).take_while(|b| b.is_ascii_digit()).count()
    }

    /// Exactly `n` digits (n at most 18) as a number; what follows may be a digit too.
    pub(crate) fn digits(&mut self, n: usize) -> Option<i64> {
        let text = self.all.get(self.at..self.at.checked_add(n)?)?;
        let mut value = 0i64;
        for b in text {
            if !b.is_ascii_digit() {
                return None;
            }
            value = value.checked_mul(10)?.checked_add(i64::from(b - b'0'))?;
        }
        self.at += n;
        Some(value)
    }

    /// One or two digits.
    pub(crate) fn one_or_two(&mut self) -> Option<u8> {
        let n = self.digits_ahead();
        (n == 1 || n == 2).then(|| self.digits(n))?.map(|v| v as u8)
    }

    /// Exactly two digits, and no third.
    pub(crate) fn two(&mut self) -> Option<u8> {
        let digit = |at: usize| {
            let value = self.all.get(self.at + at)?.wrapping_sub(b'0');
            (value < 10).then_some(value)
        };
        let (tens, ones) = (digit(0)?, digit(1)?);
        if digit(2).is_some() {
            return None;
        }
        self.at += 2;
        Some(tens * 10 + ones)
    }

    /// A fraction's digits after its point: nanoseconds and how many digits were written.
    pub(crate) fn fraction(&mut self) -> Option<(i64, u8)> {
        let (mut ns, mut n) = (0i64, 0);
        for digit in self.rest().iter().take(13).map(|b| b.wrapping_sub(b'0')) {
            if digit > 9 {
                break;
            }
            if n < 9 {
                ns = ns * 10 + i64::from(digit);
            }
            n += 1;
        }
        if n == 0 || n > 12 {
            return None;
        }
        self.at += n;
        let n = n.min(9) as u8;
        Some((ns * 10i64.pow(u32::from(9 - n)), n))
    }

    /// Steps over `text`, any case.
    pub(crate) fn word(&mut self, text: &[u8]) -> Option<()> {
        let here = self.rest().get(..text.len())?;
        here.eq_ignore_ascii_case(text).then(|| self.at += text.len())
    }
}
