//! Evidence: one cited fact in a sentence, and what it is weighed by.

use crate::log::Part;
use serde::Serialize;

/// Where a reader finds a fact: lines of a text or packets of a capture, as ranges that include
/// both ends.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Cite {
    /// The input's name.
    pub file: String,
    /// Line numbers, from 1.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub lines: Vec<(u64, u64)>,
    /// Packet numbers, from 1, as Wireshark counts.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub packets: Vec<(u64, u64)>,
}

impl Cite {
    /// Lines of a text; neighbours are joined, and at most 40 ranges are kept.
    pub fn lines(file: &str, lines: impl IntoIterator<Item = u64>) -> Cite {
        Cite { file: file.to_owned(), lines: ranges(lines), packets: Vec::new() }
    }

    /// The same lines in the files of a log whose numbers count on from file to file.
    pub fn over(&self, parts: &[Part]) -> Vec<Cite> {
        let each = parts.iter().filter_map(|part| {
            let (first, last) = (part.before + 1, part.before + part.lines);
            let own = self.lines.iter().filter(|(from, to)| *from <= last && *to >= first);
            let own = own.map(|(from, to)| (*from.max(&first), *to.min(&last)));
            let lines: Vec<(u64, u64)> =
                own.map(|(from, to)| (from - part.before, to - part.before)).collect();
            (!lines.is_empty()).then(|| Cite {
                file: part.file.clone(),
                lines,
                packets: Vec::new(),
            })
        });
        each.collect()
    }

    /// Packets of a capture.
    pub fn packets(file: &str, packets: impl IntoIterator<Item = u64>) -> Cite {
        Cite { file: file.to_owned(), lines: Vec::new(), packets: ranges(packets) }
    }
}

/// How many ranges one citation may hold: a person reads no more.
const RANGES_MAX: usize = 40;

fn ranges(numbers: impl IntoIterator<Item = u64>) -> Vec<(u64, u64)> {
    let mut sorted: Vec<u64> = numbers.into_iter().collect();
    sorted.sort_unstable();
    let mut ranges: Vec<(u64, u64)> = Vec::new();
    for n in sorted {
        match ranges.last_mut() {
            Some((_, last)) if n <= *last + 1 => *last = n.max(*last),
            _ => ranges.push((n, n)),
        }
    }
    ranges.truncate(RANGES_MAX);
    ranges
}

/// What a piece of evidence is weighed by.
#[derive(Clone, PartialEq, Debug)]
pub enum Weighs {
    /// A row of the likelihood table.
    Table {
        /// Id of the kind.
        kind: &'static str,
        /// Which of its values was seen.
        value: &'static str,
    },
    /// The rhythm's models against each cause's anchors.
    Rhythm,
    /// The measured times against each hypothesis' clock.
    Number,
    /// It makes a clock known: weighed through the number it is compared with.
    Clock,
    /// Nothing by itself: it stands on one side of a contradiction. The tag says what it is:
    /// `translated`, `no-age-documented`, `other-entry`, `entry`, or the id of a note's claim.
    Context(&'static str),
}

/// One cited fact.
#[derive(Clone, PartialEq, Debug)]
pub struct Evidence {
    /// `e1`, `e2` … in the order of the report.
    pub id: String,
    /// One sentence, with its numbers.
    pub says: String,
    /// The host it was taken on, where known.
    pub host: Option<String>,
    /// Where to check it.
    pub cites: Vec<Cite>,
    /// What it is weighed by.
    pub weighs: Weighs,
    /// The length of time it speaks of, where a rule needs it again.
    pub seconds: Option<f64>,
    /// 1 counts fully; less when something about it is unknown (whose host, which connection).
    pub strength: f64,
    /// The evidence of the same event that counts in its place.
    pub counted_with: Option<String>,
}

impl Evidence {
    /// Evidence of full strength; ids are given when all of it is gathered.
    pub fn new(weighs: Weighs, says: String, cites: Vec<Cite>) -> Evidence {
        Evidence {
            id: String::new(),
            says,
            host: None,
            cites,
            weighs,
            seconds: None,
            strength: 1.0,
            counted_with: None,
        }
    }

    /// Weighed by a row of the table.
    pub fn table(
        kind: &'static str,
        value: &'static str,
        says: String,
        cites: Vec<Cite>,
    ) -> Evidence {
        Evidence::new(Weighs::Table { kind, value }, says, cites)
    }

    /// The same, taken on a host.
    pub fn on(mut self, host: Option<&String>) -> Evidence {
        self.host = host.cloned();
        self
    }

    /// The same, speaking of a length of time.
    pub fn of_seconds(mut self, seconds: f64) -> Evidence {
        self.seconds = Some(seconds);
        self
    }

    /// The same, weaker.
    pub fn weaker(mut self, strength: f64) -> Evidence {
        self.strength = strength;
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neighbours_are_joined() {
        let cite = Cite::lines("app.log", [9, 1, 2, 3, 7, 2]);
        assert_eq!(cite.lines, [(1, 3), (7, 7), (9, 9)]);
    }
}
