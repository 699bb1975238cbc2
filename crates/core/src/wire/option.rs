//! TCP options: those that matter become facts, all others are stepped over by their length.

use super::{Seq, TcpOptions};
use crate::capture::{Cursor, Short};

/// Reads the options as far as they go; `bytes` are those between the fixed header and the payload
/// that were kept.
pub(super) fn read(bytes: &[u8]) -> TcpOptions {
    let mut seen = TcpOptions::default();
    read_into(bytes, &mut seen);
    seen
}

/// The same, over whatever stands there.
#[inline]
pub(super) fn read_into(bytes: &[u8], seen: &mut TcpOptions) {
    *seen = TcpOptions { bytes: bytes.len() as u8, ..TcpOptions::default() };
    // What nearly every segment of an open connection carries (RFC 7323, appendix A).
    if let [1, 1, 8, 10, a, b, c, d, e, f, g, h] = *bytes {
        let value = u32::from_be_bytes([a, b, c, d]);
        seen.timestamps = Some((value, u32::from_be_bytes([e, f, g, h])));
        return;
    }
    list(bytes, seen);
}

fn list(bytes: &[u8], seen: &mut TcpOptions) {
    let mut cursor = Cursor::new(bytes);
    while let Ok(kind) = cursor.byte("option") {
        match kind {
            0 => break,
            1 => continue,
            _ => {}
        }
        if one(kind, &mut cursor, seen).is_err() {
            seen.damaged = true;
            break;
        }
    }
}

/// Reads one option after its kind. An option longer or shorter than its kind allows is kept out.
fn one(kind: u8, cursor: &mut Cursor<'_>, seen: &mut TcpOptions) -> Result<(), Short> {
    let length = usize::from(cursor.byte("option length")?);
    let Some(length) = length.checked_sub(2) else {
        return Err(Short { what: "option length", need: 2, have: length });
    };
    let value = cursor.take(length, "option")?;
    match (kind, value) {
        (2, [a, b]) => seen.mss = Some(u16::from_be_bytes([*a, *b])),
        (3, [shift]) => seen.window_scale = Some(*shift),
        (4, []) => seen.sack_permitted = true,
        (5, blocks) => {
            let mut blocks = Cursor::new(blocks);
            for place in &mut seen.sack {
                let (Ok(left), Ok(right)) = (blocks.be32("left"), blocks.be32("right")) else {
                    break;
                };
                *place = Some((Seq(left), Seq(right)));
            }
        }
        (8, [a, b, c, d, e, f, g, h]) => {
            let value = u32::from_be_bytes([*a, *b, *c, *d]);
            seen.timestamps = Some((value, u32::from_be_bytes([*e, *f, *g, *h])));
        }
        _ => {}
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_option_hides_nothing_behind_it() {
        let seen = read(&[30, 4, 0, 0, 3, 3, 7]);
        assert_eq!(seen.window_scale, Some(7));
        assert!(!seen.damaged);
    }

    #[test]
    fn a_length_that_makes_no_sense_ends_the_list_and_is_told() {
        for bytes in [&[2, 0, 5, 180][..], &[2, 1], &[2], &[8, 10, 0, 0]] {
            let seen = read(bytes);
            assert!(seen.damaged, "{bytes:?}");
            assert_eq!((seen.mss, seen.timestamps), (None, None));
        }
    }

    #[test]
    fn the_usual_list_of_a_syn() {
        let seen =
            read(&[2, 4, 5, 180, 4, 2, 8, 10, 0, 0, 0, 9, 0, 0, 0, 7, 1, 3, 3, 7, 0, 99, 99]);
        assert_eq!(seen.mss, Some(1460));
        assert!(seen.sack_permitted);
        assert_eq!(seen.timestamps, Some((9, 7)));
        assert_eq!(seen.window_scale, Some(7));
        assert!(!seen.damaged);
    }
}
