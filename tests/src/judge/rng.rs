//! Random numbers from a seed, the same on every machine.

/// A small generator (SplitMix64: a counter, well mixed).
#[derive(Clone, Debug)]
pub struct Rng(u64);

impl Rng {
    /// From a seed.
    pub const fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The next 64 bits.
    pub const fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// The next 32 bits.
    pub const fn word(&mut self) -> u32 {
        (self.bits() >> 32) as u32
    }

    /// A number below `limit`, which is at least 1.
    pub const fn below(&mut self, limit: u32) -> u32 {
        ((self.word() as u64 * limit as u64) >> 32) as u32
    }

    /// A number from `low` to `high`, both included.
    pub const fn within(&mut self, low: i32, high: i32) -> i32 {
        low.wrapping_add(self.below(high.wrapping_sub(low) as u32 + 1) as i32)
    }

    /// True once in `times`.
    pub const fn once_in(&mut self, times: u32) -> bool {
        self.below(times) == 0
    }

    /// True with this many chances in a hundred.
    pub const fn percent(&mut self, chances: u32) -> bool {
        self.below(100) < chances
    }

    /// One of these.
    pub fn pick<T: Copy>(&mut self, all: &[T]) -> T {
        all[self.below(all.len() as u32) as usize]
    }
}
