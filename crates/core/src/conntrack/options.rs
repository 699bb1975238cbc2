//! TCP options as the window check reads them: scale, SACK permitted, and right edges of SACK.
//!
//! The walk follows the kernel's, not the RFC's, where they differ: it stops at the first option
//! whose length makes no sense and keeps what it saw before.

/// What conntrack takes from the options of one segment.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Options {
    /// There were bytes between the fixed header and the payload.
    pub present: bool,
    /// Kind 4 with length 2 (RFC 2018).
    pub sack_permitted: bool,
    /// Kind 3 with length 3 (RFC 7323 §2), as sent.
    pub scale: Option<u8>,
    /// Right edges of the first well-formed SACK option (kind 5, RFC 2018), in order.
    pub sack_right: SackEdges,
}

/// At most four right edges: more do not fit in 40 bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct SackEdges {
    edges: [u32; 4],
    count: u8,
}

impl SackEdges {
    /// Adds a right edge; beyond the fourth it is dropped, as no header has room for it.
    pub fn push(&mut self, right: u32) {
        if let Some(place) = self.edges.get_mut(usize::from(self.count)) {
            *place = right;
            self.count += 1;
        }
    }

    /// The edges in the order of the header.
    pub fn iter(&self) -> impl Iterator<Item = u32> + '_ {
        self.edges.iter().copied().take(usize::from(self.count))
    }
}

const END: u8 = 0;
const NO_OPERATION: u8 = 1;
const WINDOW_SCALE: u8 = 3;
const SACK_PERMITTED: u8 = 4;
const SACK: u8 = 5;
const TIMESTAMPS: u8 = 8;

impl Options {
    /// Reads the bytes between the fixed TCP header and the payload.
    pub fn read(bytes: &[u8]) -> Options {
        let mut seen = Options { present: !bytes.is_empty(), ..Options::default() };
        // A time stamp alone, as on nearly every packet that has options (RFC 7323 appendix A).
        if let [NO_OPERATION, NO_OPERATION, TIMESTAMPS, 10, rest @ ..] = bytes
            && rest.len() == 8
        {
            return seen;
        }
        let mut sack_done = false;
        let mut rest = bytes;
        loop {
            match rest {
                [] | [END, ..] => return seen,
                [NO_OPERATION, behind @ ..] => rest = behind,
                [kind, length, ..] => {
                    let length = usize::from(*length);
                    let Some((option, behind)) = rest.split_at_checked(length) else {
                        return seen;
                    };
                    let Some((_, value)) = option.split_at_checked(2) else { return seen };
                    seen.take(*kind, value, &mut sack_done);
                    rest = behind;
                }
                [_] => return seen,
            }
        }
    }

    fn take(&mut self, kind: u8, value: &[u8], sack_done: &mut bool) {
        match (kind, value) {
            (SACK_PERMITTED, []) => self.sack_permitted = true,
            (WINDOW_SCALE, &[shift]) => self.scale = Some(shift),
            (SACK, blocks) if !*sack_done && !blocks.is_empty() && blocks.len() % 8 == 0 => {
                for block in blocks.chunks_exact(8) {
                    if let &[_, _, _, _, a, b, c, d] = block {
                        self.sack_right.push(u32::from_be_bytes([a, b, c, d]));
                    }
                }
                *sack_done = true;
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_option_hides_nothing_behind_it() {
        let seen = Options::read(&[30, 4, 0, 0, 3, 3, 7, 4, 2]);
        assert_eq!(seen.scale, Some(7));
        assert!(seen.sack_permitted);
    }

    #[test]
    fn wrong_lengths_stop_the_walk_and_keep_what_was_seen() {
        assert!(Options::read(&[4, 2, 3, 9, 7]).sack_permitted);
        assert_eq!(Options::read(&[4, 2, 3, 9, 7]).scale, None);
        assert_eq!(Options::read(&[9, 1, 3, 3, 7]).scale, None);
        assert_eq!(Options::read(&[1, 1, 1]), Options { present: true, ..Options::default() });
        assert_eq!(Options::read(&[]), Options::default());
    }

    #[test]
    fn only_the_first_well_formed_sack_counts() {
        let mut bytes = vec![5, 5, 9, 9, 9];
        bytes.extend([5, 10, 0, 0, 0, 1, 0, 0, 0, 2]);
        bytes.extend([5, 10, 0, 0, 0, 3, 0, 0, 0, 4]);
        assert_eq!(Options::read(&bytes).sack_right.iter().collect::<Vec<_>>(), [2]);
    }
}
