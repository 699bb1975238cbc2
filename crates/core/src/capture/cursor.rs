//! The one way bytes are read: a cursor that knows where it stands and says what fell short.

/// Fewer bytes than were asked for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Short {
    /// What was being read.
    pub what: &'static str,
    /// Bytes asked for.
    pub need: usize,
    /// Bytes left.
    pub have: usize,
}

/// Reads forward through bytes; every shortfall names what was wanted.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cursor<'a> {
    rest: &'a [u8],
    taken: usize,
}

impl<'a> Cursor<'a> {
    /// At the start of `bytes`.
    #[inline]
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes, taken: 0 }
    }

    /// Bytes read so far.
    #[inline]
    pub(crate) fn taken(&self) -> usize {
        self.taken
    }

    /// The next `count` bytes.
    #[inline]
    pub(crate) fn take(&mut self, count: usize, what: &'static str) -> Result<&'a [u8], Short> {
        let Some((taken, rest)) = self.rest.split_at_checked(count) else {
            return Err(Short { what, need: count, have: self.rest.len() });
        };
        self.rest = rest;
        self.taken += count;
        Ok(taken)
    }

    #[inline]
    fn array<const N: usize>(&mut self, what: &'static str) -> Result<[u8; N], Short> {
        let Some((taken, rest)) = self.rest.split_first_chunk::<N>() else {
            return Err(Short { what, need: N, have: self.rest.len() });
        };
        self.rest = rest;
        self.taken += N;
        Ok(*taken)
    }

    /// One byte.
    #[inline]
    pub(crate) fn byte(&mut self, what: &'static str) -> Result<u8, Short> {
        let [byte] = self.array(what)?;
        Ok(byte)
    }

    /// Two bytes, the high one first.
    #[inline]
    pub(crate) fn be16(&mut self, what: &'static str) -> Result<u16, Short> {
        Ok(u16::from_be_bytes(self.array(what)?))
    }

    /// Four bytes, the high one first.
    #[inline]
    pub(crate) fn be32(&mut self, what: &'static str) -> Result<u32, Short> {
        Ok(u32::from_be_bytes(self.array(what)?))
    }

    /// Two bytes in the order a file says.
    #[inline]
    pub(crate) fn u16(&mut self, order: Order, what: &'static str) -> Result<u16, Short> {
        let raw = self.array(what)?;
        Ok(match order {
            Order::Big => u16::from_be_bytes(raw),
            Order::Little => u16::from_le_bytes(raw),
        })
    }

    /// Four bytes in the order a file says.
    #[inline]
    pub(crate) fn u32(&mut self, order: Order, what: &'static str) -> Result<u32, Short> {
        let raw = self.array(what)?;
        Ok(match order {
            Order::Big => u32::from_be_bytes(raw),
            Order::Little => u32::from_le_bytes(raw),
        })
    }

    /// Fixed bytes, an address for instance.
    #[inline]
    pub(crate) fn bytes<const N: usize>(&mut self, what: &'static str) -> Result<[u8; N], Short> {
        self.array(what)
    }
}

/// The byte order a file was written in.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) enum Order {
    #[default]
    Little,
    Big,
}
