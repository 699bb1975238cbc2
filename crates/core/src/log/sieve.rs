//! Finds many texts in one pass over a line: an Aho-Corasick automaton over folded bytes.
//!
//! Letters lose their case and every byte that is neither letter nor digit counts as one and the
//! same separator, so that word borders cost nothing and `keep-alive`, `keep_alive` and
//! `keep alive` are one text. Refuses to tell separators apart: who cares compares the bytes
//! (Aho and Corasick, "Efficient string matching", CACM 18(6), 1975).

/// Letters, digits, bytes beyond ASCII, and the separator, which is class 0.
const CLASSES: usize = 38;

/// Room for [`CLASSES`], a power of two.
const STRIDE: usize = 64;

/// States there is room for. The table's size is fixed so that a masked index needs no check.
const STATES: usize = 1 << 14;

/// Cells of the table.
const CELLS: usize = STATES * STRIDE;

/// The class of each byte.
const FOLD: [u8; 256] = fold_table();

/// Builds [`FOLD`].
const fn fold_table() -> [u8; 256] {
    let mut table = [0u8; 256];
    let mut b = 0usize;
    while b < 256 {
        let byte = b as u8;
        table[b] = if byte.is_ascii_lowercase() {
            byte - b'a' + 1
        } else if byte.is_ascii_uppercase() {
            byte - b'A' + 1
        } else if byte.is_ascii_digit() {
            byte - b'0' + 27
        } else if byte >= 0x80 {
            37
        } else {
            0
        };
        b += 1;
    }
    table
}

/// The class of a byte.
fn fold(byte: u8) -> u8 {
    FOLD.get(usize::from(byte)).copied().unwrap_or(0)
}

/// A text to find.
#[derive(Clone, Debug)]
pub(crate) struct Text {
    /// What stands in the line, in any case.
    pub text: String,
    /// A separator or the line's edge must stand before and after it.
    pub borders: (bool, bool),
}

/// A text found.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Hit {
    /// Index of the text.
    pub text: usize,
    /// First byte of it in the line.
    pub start: usize,
    /// One past its last byte.
    pub end: usize,
}

/// The automaton.
#[derive(Debug)]
pub(crate) struct Sieve {
    next: Box<[u16; CELLS]>,
    /// States from this number on end a text.
    first_loud: u16,
    start: u16,
    outputs: Vec<Vec<u16>>,
    /// Bytes and right border of each text.
    lens: Vec<(usize, bool)>,
}

/// One node while building.
#[derive(Default)]
struct Node {
    children: Vec<(u8, usize)>,
    fail: usize,
    out: Vec<u16>,
}

impl Sieve {
    /// Builds the automaton. `None` when there are more than [`STATES`] states.
    pub(crate) fn new(texts: &[Text]) -> Option<Self> {
        let mut nodes = trie(texts);
        let order = link(&mut nodes);
        if nodes.len() > STATES {
            return None;
        }
        let number = numbering(&nodes, &order);
        let mut next = table();
        // Breadth first: a node's fallback is complete before the node needs it.
        for &node in &order {
            let Some(here) = nodes.get(node) else { continue };
            let from = number.get(node).map_or(0, |n| usize::from(*n)) * STRIDE;
            let fail = number.get(here.fail).map_or(0, |n| usize::from(*n)) * STRIDE;
            for class in 0..CLASSES {
                let fallback = if node == 0 {
                    number.first().copied().unwrap_or(0)
                } else {
                    next.get(fail + class).copied().unwrap_or(0)
                };
                let child = here.children.iter().find(|(c, _)| usize::from(*c) == class);
                let to = child.and_then(|(_, n)| number.get(*n).copied()).unwrap_or(fallback);
                if let Some(slot) = next.get_mut(from + class) {
                    *slot = to;
                }
            }
        }
        let quiet = nodes.iter().filter(|n| n.out.is_empty()).count();
        let mut outputs = vec![Vec::new(); nodes.len()];
        for (node, n) in nodes.iter_mut().zip(&number) {
            if let Some(slot) = outputs.get_mut(usize::from(*n)) {
                *slot = std::mem::take(&mut node.out);
            }
        }
        let root = number.first().copied().unwrap_or(0);
        let start = next.get(usize::from(root) * STRIDE).copied().unwrap_or(root);
        let lens = texts.iter().map(|t| (t.text.len(), t.borders.1)).collect();
        Some(Self { next, first_loud: quiet as u16, start, outputs, lens })
    }

    /// The automaton that finds nothing.
    pub(crate) fn nothing() -> Self {
        let (next, outputs, lens) = (table(), vec![Vec::new()], Vec::new());
        Self { next, first_loud: 1, start: 0, outputs, lens }
    }

    /// Every text in the line, by its end; at most `most`.
    pub(crate) fn hits(&self, line: &[u8], most: usize, hits: &mut Vec<Hit>) {
        hits.clear();
        let mut state = self.start;
        for (at, byte) in line.iter().chain(std::iter::once(&b' ')).enumerate() {
            state = self.step(state, fold(*byte));
            if state < self.first_loud {
                continue;
            }
            for text in self.outputs.get(usize::from(state)).into_iter().flatten() {
                let text = usize::from(*text);
                let (len, border) = self.lens.get(text).copied().unwrap_or((0, false));
                // A right border has been read already; it is no part of the text.
                let end = if border { at } else { at + 1 };
                let Some(start) = end.checked_sub(len) else { continue };
                if end <= line.len() && hits.len() < most {
                    hits.push(Hit { text, start, end });
                }
            }
        }
    }

    /// The state after a byte of this class.
    fn step(&self, state: u16, class: u8) -> u16 {
        let cell = (usize::from(state) * STRIDE + usize::from(class)) & (CELLS - 1);
        self.next.get(cell).copied().unwrap_or(0)
    }
}

/// The texts as a tree of classes.
fn trie(texts: &[Text]) -> Vec<Node> {
    let mut nodes = vec![Node::default()];
    for (index, text) in texts.iter().enumerate() {
        let before = text.borders.0.then_some(0u8);
        let after = text.borders.1.then_some(0u8);
        let body = text.text.bytes().map(fold);
        let mut at = 0;
        for class in before.into_iter().chain(body).chain(after) {
            let known = nodes
                .get(at)
                .and_then(|n| n.children.iter().find(|(c, _)| *c == class).map(|(_, n)| *n));
            at = known.unwrap_or_else(|| {
                let fresh = nodes.len();
                nodes.push(Node::default());
                if let Some(node) = nodes.get_mut(at) {
                    node.children.push((class, fresh));
                }
                fresh
            });
        }
        if let Some(node) = nodes.get_mut(at) {
            node.out.push(index as u16);
        }
    }
    nodes
}

/// Sets every node's fallback and inherits outputs; gives the breadth-first order.
fn link(nodes: &mut [Node]) -> Vec<usize> {
    let mut order = vec![0];
    let mut at = 0;
    while let Some(&parent) = order.get(at) {
        at += 1;
        let Some((children, parent_fail)) = nodes.get(parent).map(|n| (n.children.clone(), n.fail))
        else {
            continue;
        };
        for (class, child) in children {
            let fail = if parent == 0 { 0 } else { fallback(nodes, parent_fail, class) };
            let more = nodes.get(fail).map(|n| n.out.clone()).unwrap_or_default();
            if let Some(node) = nodes.get_mut(child) {
                node.fail = fail;
                node.out.extend(more);
            }
            order.push(child);
        }
    }
    order
}

/// The longest proper suffix that continues with `class`.
fn fallback(nodes: &[Node], mut from: usize, class: u8) -> usize {
    loop {
        let Some(node) = nodes.get(from) else { return 0 };
        if let Some((_, to)) = node.children.iter().find(|(c, _)| *c == class) {
            return *to;
        }
        if from == 0 {
            return 0;
        }
        from = node.fail;
    }
}

/// Numbers the nodes so that those that end a text come last, and the shallow ones, which most
/// bytes visit, lie together.
fn numbering(nodes: &[Node], order: &[usize]) -> Vec<u16> {
    let quiet = nodes.iter().filter(|n| n.out.is_empty()).count();
    let (mut low, mut high) = (0u16, quiet as u16);
    let mut number = vec![0; nodes.len()];
    for &at in order {
        let loud = nodes.get(at).is_some_and(|n| !n.out.is_empty());
        let free = if loud { &mut high } else { &mut low };
        if let Some(slot) = number.get_mut(at) {
            *slot = *free;
        }
        *free += 1;
    }
    number
}

/// An empty table.
fn table() -> Box<[u16; CELLS]> {
    let cells = vec![0u16; CELLS].into_boxed_slice();
    // The length is CELLS by the line above.
    cells.try_into().unwrap_or_else(|_| Box::new([0; CELLS]))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sieve(texts: &[(&str, bool, bool)]) -> Sieve {
        let texts: Vec<Text> =
            texts.iter().map(|(t, l, r)| Text { text: (*t).into(), borders: (*l, *r) }).collect();
        Sieve::new(&texts).unwrap()
    }

    fn found(s: &Sieve, line: &str) -> Vec<String> {
        let mut hits = Vec::new();
        s.hits(line.as_bytes(), 100, &mut hits);
        hits.iter().map(|h| format!("{}@{}:{}", h.text, h.start, &line[h.start..h.end])).collect()
    }

    #[test]
    fn borders_case_and_separators() {
        let s = sieve(&[
            ("eof", true, true),
            ("keep-alive", true, true),
            ("econnreset", true, false),
            ("set", false, true),
        ]);
        assert_eq!(found(&s, "EOF"), ["0@0:EOF"]);
        assert_eq!(found(&s, "typeof geofence: eof."), ["0@17:eof"]);
        assert_eq!(found(&s, "Keep_Alive keep alive"), ["1@0:Keep_Alive", "1@11:keep alive"]);
        assert_eq!(found(&s, "ECONNRESETx reset"), ["2@0:ECONNRESET", "3@14:set"]);
    }

    #[test]
    fn every_hit_is_one_a_plain_search_finds() {
        let words = ["a", "ab", "abc", "b c", "c", "bc"];
        let rows: Vec<_> = words.iter().map(|w| (*w, false, false)).collect();
        let s = sieve(&rows);
        let line = "abc b c aab bcabc";
        let mut want = Vec::new();
        for (text, word) in words.iter().enumerate() {
            for start in 0..line.len() {
                if line[start..].starts_with(word) {
                    want.push(Hit { text, start, end: start + word.len() });
                }
            }
        }
        let mut got = Vec::new();
        s.hits(line.as_bytes(), 1000, &mut got);
        want.sort_by_key(|h| (h.end, h.start, h.text));
        got.sort_by_key(|h| (h.end, h.start, h.text));
        assert_eq!(got, want);
    }
}
