//! Mutations of seeds by dice: the same seed number gives the same inputs on every machine.

use crate::packets::Dice;

/// No mutated input is longer.
const BYTES_MAX: usize = 64 << 10;
/// Values that sit at the edges of lengths, counts and signs.
const EDGES: [u64; 12] =
    [0, 1, 2, 7, 8, 0x7f, 0x80, 0xff, 0x7fff, 0x8000, 0xffff_fffe, 0xffff_ffff_ffff_ffff];

/// Draws inputs from seeds.
#[derive(Clone, Debug)]
pub struct Mutator {
    dice: Dice,
    seeds: Vec<Vec<u8>>,
}

impl Mutator {
    /// From these seeds, at least one, by the dice of this number.
    pub fn new(seeds: Vec<Vec<u8>>, number: u64) -> Self {
        assert!(!seeds.is_empty(), "nothing to mutate");
        Self { dice: Dice(number), seeds }
    }

    /// The next input: a seed, changed in one to eight ways.
    pub fn draw(&mut self) -> Vec<u8> {
        let mut bytes = self.seed();
        for _ in 0..=self.dice.below(8) {
            self.change(&mut bytes);
        }
        bytes.truncate(BYTES_MAX);
        bytes
    }

    fn seed(&mut self) -> Vec<u8> {
        let at = self.dice.below(self.seeds.len() as u64) as usize;
        self.seeds.get(at).cloned().unwrap_or_default()
    }

    fn place(&mut self, bytes: &[u8]) -> usize {
        self.dice.below(bytes.len() as u64 + 1) as usize
    }

    /// A stretch, mostly a short one.
    fn stretch(&mut self, bytes: &[u8]) -> (usize, usize) {
        let from = self.place(bytes);
        let longest = 1_u64 << self.dice.below(12);
        let length = self.dice.below(longest) as usize;
        (from, from.saturating_add(length).min(bytes.len()))
    }

    fn change(&mut self, bytes: &mut Vec<u8>) {
        let (from, to) = self.stretch(bytes);
        match self.dice.below(8) {
            0 => {
                if let Some(byte) = bytes.get_mut(from) {
                    *byte ^= 1 << self.dice.below(8);
                }
            }
            1 => self.edge(bytes, from),
            2 => bytes.truncate(from),
            3 => drop(bytes.drain(from..to)),
            4 => {
                let again = bytes.get(from..to).unwrap_or_default().to_vec();
                bytes.splice(from..from, again);
            }
            5 => {
                let mut drawn = vec![0; to - from];
                drawn.iter_mut().for_each(|byte| *byte = self.dice.roll() as u8);
                bytes.splice(from..to, drawn);
            }
            6 => {
                let other = self.seed();
                let (start, end) = self.stretch(&other);
                bytes.splice(from..to, other.get(start..end).unwrap_or_default().to_vec());
            }
            _ => {
                let other = self.seed();
                let start = self.place(&other);
                bytes.truncate(from);
                bytes.extend(other.get(start..).unwrap_or_default());
            }
        }
    }

    /// A value at an edge, or a step away from what stood there, in either byte order.
    fn edge(&mut self, bytes: &mut [u8], from: usize) {
        let width = 1 << self.dice.below(4);
        let Some(place) = bytes.get_mut(from..from + width) else { return };
        let edge = EDGES.get(self.dice.below(EDGES.len() as u64) as usize).copied().unwrap_or(0);
        let value = if self.dice.below(2) == 0 { edge.to_le_bytes() } else { edge.to_be_bytes() };
        let value = if self.dice.below(2) == 0 { &value[..width] } else { &value[8 - width..] };
        if self.dice.below(3) > 0 {
            place.copy_from_slice(value);
        } else if let Some(last) = place.last_mut() {
            *last = last.wrapping_add(self.dice.below(9) as u8).wrapping_sub(4);
        }
    }
}

/// A failing input made shorter while it still fails, in at most 2000 tries.
pub fn shrunk(input: &[u8], fails: &mut dyn FnMut(&[u8]) -> bool) -> Vec<u8> {
    let mut best = input.to_vec();
    let mut size = best.len() / 2;
    let mut tries = 0;
    while size > 0 && tries < 2000 {
        let mut from = 0;
        while from < best.len() && tries < 2000 {
            let to = (from + size).min(best.len());
            let shorter = [&best[..from], &best[to..]].concat();
            tries += 1;
            if fails(&shorter) { best = shorter } else { from = to }
        }
        size /= 2;
    }
    best
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_gives_the_same_inputs_and_another_number_others() {
        let draw = |number| {
            let mut mutator = Mutator::new(vec![b"0123456789".to_vec(), vec![7; 300]], number);
            (0..50).map(|_| mutator.draw()).collect::<Vec<_>>()
        };
        assert_eq!(draw(1), draw(1));
        assert_ne!(draw(1), draw(2));
    }

    #[test]
    fn what_fails_is_made_short() {
        let mut input = vec![0; 1000];
        input[700] = 9;
        assert_eq!(shrunk(&input, &mut |bytes| bytes.contains(&9)), [9]);
    }
}
