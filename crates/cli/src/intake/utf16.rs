//! Text in UTF-16, as programs of Windows write it, becomes UTF-8. Refuses nothing: half a pair of
//! surrogates becomes U+FFFD, an odd last byte is left out.

use std::io::{self, Read};

/// Bytes of a head that are looked at.
const LOOK: usize = 512;

/// Which byte of a unit comes first.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Order {
    /// The low one: Windows.
    Little,
    /// The high one.
    Big,
}

/// Whether a head is UTF-16: by its byte order mark, or because every other byte of it is NUL, as
/// in text that is mostly ASCII.
pub fn order_of(head: &[u8]) -> Option<Order> {
    match head {
        [0xff, 0xfe, 0, 0, ..] => return None,
        [0xff, 0xfe, ..] => return Some(Order::Little),
        [0xfe, 0xff, ..] => return Some(Order::Big),
        _ => {}
    }
    let look = head.get(..LOOK).unwrap_or(head);
    if look.len() < 16 {
        return None;
    }
    let nuls = |first: usize| look.iter().skip(first).step_by(2).filter(|b| **b == 0).count();
    let (even, odd, half) = (nuls(0), nuls(1), look.len() / 2);
    if odd * 10 >= half * 9 && even * 20 <= half {
        Some(Order::Little)
    } else if even * 10 >= half * 9 && odd * 20 <= half {
        Some(Order::Big)
    } else {
        None
    }
}

/// A reader of UTF-8 over one of UTF-16.
pub struct Utf8<R> {
    inner: R,
    order: Order,
    /// Bytes read and not yet whole, and a first surrogate that waits for its second.
    odd: Option<u8>,
    high: Option<u16>,
    /// Converted and not yet taken.
    ready: Vec<u8>,
    taken: usize,
}

impl<R: Read> Utf8<R> {
    /// Over bytes that begin with the first unit.
    pub fn new(inner: R, order: Order) -> Self {
        Self { inner, order, odd: None, high: None, ready: Vec::new(), taken: 0 }
    }

    /// Converts what one read of the inner reader gives; false at its end.
    fn more(&mut self) -> io::Result<bool> {
        let mut raw = [0; 16 * 1024];
        let n = self.inner.read(&mut raw)?;
        self.ready.clear();
        self.taken = 0;
        for &byte in raw.get(..n).unwrap_or_default() {
            match self.odd.take() {
                None => self.odd = Some(byte),
                Some(first) => self.unit(match self.order {
                    Order::Little => u16::from_le_bytes([first, byte]),
                    Order::Big => u16::from_be_bytes([first, byte]),
                }),
            }
        }
        if n == 0 && self.high.take().is_some() {
            self.push(char::REPLACEMENT_CHARACTER);
        }
        Ok(n > 0)
    }

    /// Takes one unit.
    fn unit(&mut self, unit: u16) {
        let units = self.high.take().into_iter().chain([unit]);
        if (0xd800..0xdc00).contains(&unit) {
            if units.count() == 2 {
                self.push(char::REPLACEMENT_CHARACTER);
            }
            self.high = Some(unit);
            return;
        }
        let chars: Vec<char> =
            char::decode_utf16(units).map(|c| c.unwrap_or(char::REPLACEMENT_CHARACTER)).collect();
        chars.into_iter().for_each(|c| self.push(c));
    }

    fn push(&mut self, c: char) {
        self.ready.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
    }
}

impl<R: Read> Read for Utf8<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.taken >= self.ready.len() {
            if !self.more()? && self.ready.is_empty() {
                return Ok(0);
            }
        }
        let rest = self.ready.get(self.taken..).unwrap_or_default();
        let n = rest.len().min(buffer.len());
        if let (Some(to), Some(from)) = (buffer.get_mut(..n), rest.get(..n)) {
            to.copy_from_slice(from);
        }
        self.taken += n;
        Ok(n)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A reader of one byte at a time.
    struct Slow<'a>(&'a [u8]);

    impl Read for Slow<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            let n = buffer.len().min(1);
            self.0.read(buffer.get_mut(..n).unwrap_or_default())
        }
    }

    #[test]
    fn both_orders_with_and_without_a_mark_become_the_same_text() {
        let text = "2024-05-10T03:14:22Z connection reset\r\n\u{1f600} \u{e9}nd\n";
        for order in [Order::Little, Order::Big] {
            for mark in ["", "\u{feff}"] {
                let units = format!("{mark}{text}");
                let bytes: Vec<u8> = units
                    .encode_utf16()
                    .flat_map(|u| {
                        if order == Order::Little { u.to_le_bytes() } else { u.to_be_bytes() }
                    })
                    .collect();
                assert_eq!(order_of(&bytes), Some(order));
                let mut got = String::new();
                Utf8::new(Slow(&bytes), order).read_to_string(&mut got).unwrap();
                assert_eq!(got.trim_start_matches('\u{feff}'), text);
            }
        }
    }

    #[test]
    fn other_bytes_are_no_utf_16_and_broken_pairs_are_replaced() {
        for head in [&b"2024-05-10T03:14:22Z connection reset"[..], b"", b"\0\0\0\0", &[0; 600]] {
            assert_eq!(order_of(head), None);
        }
        let mut got = String::new();
        let broken = [0x00, 0xd8, 0x41, 0x00, 0x00, 0xd8, 0x00, 0xd8, 0x42];
        Utf8::new(&broken[..], Order::Little).read_to_string(&mut got).unwrap();
        assert_eq!(got, "\u{fffd}A\u{fffd}\u{fffd}");
    }
}
