//! Counters: `nstat`, `conntrack -S` and `/proc/net/stat/nf_conntrack`, those of several processors
//! summed.
//!
//! They count since the host came up, or since its namespace did; two listings of one host say what
//! came between. Refused: `netstat -s`, whose sentences differ from release to release.

use std::collections::BTreeMap;

/// A counter and its value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Counter {
    /// The line it stands on first, from 1.
    pub line: u64,
    /// Its name: `TcpExtTCPAbortOnTimeout`, `insert_failed`.
    pub name: String,
    /// Its value.
    pub value: u64,
}

/// Reads a listing of any of the three: counters in the order printed, and how many lines were
/// nothing of the kind.
pub fn read(text: &str) -> (Vec<Counter>, u64) {
    let mut found = Sums::default();
    let mut heading: Vec<&str> = Vec::new();
    let mut skipped = 0;
    for (line, raw) in (1..).zip(text.lines()) {
        let words: Vec<&str> = raw.split_whitespace().collect();
        match words.as_slice() {
            [] => {}
            [first, ..] if first.starts_with('#') => {}
            [first, rest @ ..] if first.starts_with("cpu=") => {
                for (name, value) in rest.iter().filter_map(|w| w.split_once('=')) {
                    found.add(line, name, value.parse().ok());
                }
            }
            ["entries", ..] => heading = words,
            _ if !heading.is_empty() => {
                for (name, value) in heading.iter().zip(&words) {
                    found.add(line, name, u64::from_str_radix(value, 16).ok());
                }
            }
            [name, value, ..] if value.parse::<u64>().is_ok() => {
                found.add(line, name, value.parse().ok());
            }
            _ => skipped += 1,
        }
    }
    (found.counters, skipped)
}

#[derive(Default)]
struct Sums {
    counters: Vec<Counter>,
    places: BTreeMap<String, usize>,
}

impl Sums {
    fn add(&mut self, line: u64, name: &str, value: Option<u64>) {
        let Some(value) = value else { return };
        let next = self.counters.len();
        let place = *self.places.entry(name.to_owned()).or_insert(next);
        match self.counters.get_mut(place) {
            // Every processor's line of /proc says how many entries there are; the rest are shares.
            Some(counter) if name == "entries" => counter.value = value,
            Some(counter) => counter.value = counter.value.saturating_add(value),
            None => self.counters.push(Counter { line, name: name.to_owned(), value }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(text: &str) -> Vec<(u64, String, u64)> {
        let (counters, skipped) = read(text);
        assert_eq!(skipped, 0);
        counters.into_iter().map(|c| (c.line, c.name, c.value)).collect()
    }

    #[test]
    fn three_forms_are_read() {
        let nstat = "#kernel\nTcpOutRsts                      3                  0.0\n";
        assert_eq!(told(nstat), [(2, "TcpOutRsts".to_owned(), 3)]);
        let stat = "cpu=0 \tfound=1 invalid=2 drop=0\ncpu=1 \tfound=0 invalid=5 drop=1\n";
        let expected = [("found", 1), ("invalid", 7), ("drop", 1)];
        assert_eq!(told(stat), expected.map(|(name, n)| (1, name.to_owned(), n)));
        let proc =
            "entries  found invalid\n0000000a  00000001 0000000f\n0000000a  00000000 00000001\n";
        let expected = [("entries", 10), ("found", 1), ("invalid", 16)];
        assert_eq!(told(proc), expected.map(|(name, n)| (2, name.to_owned(), n)));
    }
}
