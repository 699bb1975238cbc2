//! Sequence numbers: a circle has no order, so there are named questions and no operators.

use super::Flags;

/// A TCP sequence number (RFC 9293 §3.4). Deliberately neither `Ord` nor `Sub`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub struct Seq(pub u32);

impl Seq {
    /// How far this is ahead of `other`; negative when behind. Half the circle away is behind.
    pub const fn ahead_of(self, other: Seq) -> i32 {
        self.0.wrapping_sub(other.0).cast_signed()
    }

    /// This comes after `other`.
    pub const fn is_after(self, other: Seq) -> bool {
        self.ahead_of(other) > 0
    }

    /// This comes before `other`.
    pub const fn is_before(self, other: Seq) -> bool {
        self.ahead_of(other) < 0
    }

    /// `count` further on.
    pub const fn plus(self, count: u32) -> Seq {
        Seq(self.0.wrapping_add(count))
    }

    /// `count` further back.
    pub const fn minus(self, count: u32) -> Seq {
        Seq(self.0.wrapping_sub(count))
    }
}

/// Sequence space a segment fills. SYN and FIN each count one (RFC 9293 §3.4).
pub fn seq_len(payload: u32, flags: Flags) -> u32 {
    payload.saturating_add(u32::from(flags.syn())).saturating_add(u32::from(flags.fin()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn questions_hold_across_the_wrap() {
        let low = Seq(5);
        let high = Seq(u32::MAX - 4);
        assert!(low.is_after(high));
        assert_eq!(low.ahead_of(high), 10);
        assert_eq!(high.plus(10), low);
        assert_eq!(low.minus(10), high);
        assert!(high.is_before(low));
    }

    #[test]
    fn syn_and_fin_fill_one_each() {
        assert_eq!(seq_len(0, Flags(Flags::SYN)), 1);
        assert_eq!(seq_len(3, Flags(Flags::FIN | Flags::ACK)), 4);
        assert_eq!(seq_len(0, Flags(Flags::RST)), 0);
    }
}
