//! Packet numbers of several files read as one: they run on, and can be traced back to a file.

/// Runs kept. Files that follow each other take one run each; files that interleave take more, and
/// past this many the rest can no longer be traced.
const RUNS_MAX: usize = 1 << 20;

#[derive(Clone, Copy, Debug)]
struct Run {
    first: u64,
    file: u32,
    number: u64,
}

/// Gives packets of several files numbers in the order they are read, as `mergecap` would.
#[derive(Debug, Default)]
pub struct Numbering {
    runs: Vec<Run>,
    last: u64,
    end: Option<(u32, u64)>,
    untraced_from: Option<u64>,
}

impl Numbering {
    /// Nothing numbered yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// The number of the next packet read, which has `number` in the file numbered `file`.
    pub fn next(&mut self, file: usize, number: u64) -> u64 {
        self.last += 1;
        let file = file as u32;
        let goes_on = self.end == Some((file, number.wrapping_sub(1)));
        self.end = Some((file, number));
        if goes_on || self.untraced_from.is_some() {
            return self.last;
        }
        if self.runs.len() < RUNS_MAX {
            self.runs.push(Run { first: self.last, file, number });
        } else {
            self.untraced_from = Some(self.last);
        }
        self.last
    }

    /// Which file the packet of this number is in, and its number there.
    pub fn place(&self, number: u64) -> Option<(usize, u64)> {
        if number == 0
            || number > self.last
            || self.untraced_from.is_some_and(|from| number >= from)
        {
            return None;
        }
        let after = self.runs.partition_point(|run| run.first <= number);
        let run = self.runs.get(after.checked_sub(1)?)?;
        Some((run.file as usize, run.number + (number - run.first)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_number_is_traced_back() {
        let mut numbering = Numbering::new();
        let read = [(0, 1), (0, 2), (1, 1), (0, 3), (0, 4), (1, 2), (1, 4)];
        for (file, number) in read {
            numbering.next(file, number);
        }
        for (at, place) in read.iter().enumerate() {
            assert_eq!(numbering.place(at as u64 + 1), Some(*place));
        }
        assert_eq!(numbering.place(0), None);
        assert_eq!(numbering.place(8), None);
    }
}
