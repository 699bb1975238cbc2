//! Tells by a line's words alone that it says nothing, without reading it: most lines of most logs
//! end here, so this is what the reader's speed hangs on.
//!
//! Of each text of the phrasebook one or two words are kept, cut to eight bytes. A line passes when
//! it holds such a word (or such two in a row), a verb near a noun, or a lively verb near a thing.
//! Refuses to decide anything else: what passes is read in full, and what does not would have said
//! nothing (a test holds both ways against each other).

use super::window::{BLOCK, GAP, WORD, Window, boxed, fold};

/// Words that most lines hold: a pair that begins with one would be looked for too often.
const COMMON: [&[u8]; 16] = [
    b"a", b"by", b"for", b"from", b"has", b"http", b"in", b"is", b"no", b"not", b"of", b"on",
    b"the", b"to", b"was", b"with",
];

/// Slots of the table of words; a power of two, and many times as large as there are words.
const SLOTS: usize = 1 << 13;

/// Places of the table of beginnings.
const STARTS: usize = 1 << 15;

/// The high bit of each byte.
const HIGH: u64 = 0x8080_8080_8080_8080;

/// The roles of the words before, a byte each: as many as may stand between a noun and its verb, as
/// these are counted here. Three may, and texts of several words add theirs.
const REACH: u64 = 0xffff_ffff_ffff;

/// What a word makes of a line.
pub(crate) mod role {
    /// Alone makes it worth reading.
    pub(crate) const WORTH: u8 = 1;
    /// A verb.
    pub(crate) const VERB: u8 = 2;
    /// A verb that may be all a line says.
    pub(crate) const ALONE: u8 = 4;
    /// A noun.
    pub(crate) const NOUN: u8 = 8;
    /// A verb of traffic.
    pub(crate) const LIVELY: u8 = 16;
    /// What traffic consists of.
    pub(crate) const THING: u8 = 32;
    /// The first of two words in a row.
    pub(crate) const FIRST: u8 = 64;
}

/// The words that matter.
#[derive(Debug)]
pub(crate) struct Gate {
    /// Where in `words` a word stands; 0 for none.
    slots: Box<[u16; SLOTS]>,
    /// The words; the first is unused.
    words: Vec<Word>,
    /// Whether a word may begin with four such bytes: most words of a line do not begin as any of
    /// ours, and are passed over at once.
    starts: Box<[bool; STARTS]>,
    /// Some text has no word to tell it by: every line passes.
    open: bool,
}

/// A word and what it makes of a line.
#[derive(Clone, Copy, Default, Debug)]
struct Word {
    key: u64,
    roles: u8,
    /// Roles that together with its own make a line worth reading.
    wants: u8,
}

impl Gate {
    /// A gate that nothing passes.
    pub(crate) fn new() -> Self {
        Self { slots: boxed(0), words: vec![Word::default()], starts: boxed(false), open: false }
    }

    /// Lets through lines with this text in the given roles. `edges` tells whether a word of the
    /// line must begin where the text begins, and end where it ends.
    pub(crate) fn admit(&mut self, text: &str, edges: (bool, bool), roles: u8) {
        let words = whole_words(text.as_bytes(), edges);
        let longest = || words.iter().map(|(w, _)| *w).max_by_key(|w| w.len());
        if roles != role::WORTH {
            match longest() {
                Some(word) => self.add_word(key(word), roles),
                None => self.open = true,
            }
            return;
        }
        let pairs = words.windows(2).filter_map(|w| match w {
            [(a, at), (b, next)] if at + 1 == *next => Some((*a, *b)),
            _ => None,
        });
        // One letter begins too much to be looked for.
        let telling = pairs.filter(|(a, _)| a.len() > 1);
        match telling
            .max_by_key(|(a, b)| (!COMMON.contains(a), a.len().min(WORD) + b.len().min(WORD)))
        {
            Some((a, b)) => {
                self.add_word(key(a), role::FIRST);
                self.add(both(key(a), key(b)), roles);
            }
            None => match longest() {
                Some(word) => self.add_word(key(word), roles),
                None => self.open = true,
            },
        }
    }

    /// Adds a word and its beginning. Behind a word stands a gap, and behind that anything.
    fn add_word(&mut self, key: u64, roles: u8) {
        let gap = u32::from(GAP);
        let four = key as u32;
        match key {
            // A word of one letter may begin in too many ways.
            0..0x100 => self.starts.fill(true),
            0x100..0x1_0000 => {
                let any = (0..0x80).chain([gap]);
                any.for_each(|any| self.begin(four | gap << 16 | any << 24));
            }
            0x1_0000..0x100_0000 => self.begin(four | gap << 24),
            _ => self.begin(four),
        }
        self.add(key, roles);
    }

    fn begin(&mut self, four: u32) {
        if let Some(starts) = self.starts.get_mut(beginning(four)) {
            *starts = true;
        }
    }

    /// Whether some word begins as these bytes do.
    fn begins(&self, four: u32) -> bool {
        self.starts.get(beginning(four)).copied().unwrap_or(true)
    }

    /// Adds a word's roles.
    fn add(&mut self, key: u64, roles: u8) {
        let mut slot = place(key);
        loop {
            let at = self.slots.get(slot).map_or(0, |s| usize::from(*s));
            match self.words.get_mut(at).filter(|_| at > 0) {
                Some(known) if known.key == key => {
                    // Two texts that share a word may be noun and verb to each other.
                    if known.wants & roles != 0 {
                        known.roles |= role::WORTH;
                    }
                    known.roles |= roles;
                    known.wants |= wants(roles);
                    return;
                }
                Some(_) => slot = (slot + 1) % SLOTS,
                None => break,
            }
        }
        // A quarter full is full: probing must stay short.
        if self.words.len() > SLOTS / 4 {
            self.open = true;
            return;
        }
        if let Some(slot) = self.slots.get_mut(slot) {
            *slot = self.words.len() as u16;
            self.words.push(Word { key, roles, wants: wants(roles) });
        }
    }

    /// What is known of a word; nothing of most.
    fn word(&self, key: u64) -> Option<&Word> {
        let mut slot = place(key);
        loop {
            let at = self.slots.get(slot).map_or(0, |s| usize::from(*s));
            if at == 0 {
                return None;
            }
            match self.words.get(at) {
                Some(word) if word.key == key => return Some(word),
                _ => slot = (slot + 1) % SLOTS,
            }
        }
    }

    /// Whether a line may say something, by its words from `from` to `to` in a window. `short`
    /// lines may say it with a verb alone.
    pub(crate) fn passes(&self, window: &Window, (from, to): (usize, usize), short: bool) -> bool {
        if self.open {
            return true;
        }
        let enough = role::WORTH | if short { role::ALONE } else { 0 };
        // The roles of the words before, and how many words stand behind the last one with a role.
        let (mut before, mut behind) = (0u64, 0);
        // A word cut by the stamp before it begins where the stamp ends.
        let mut cut = u64::from(window.is_word(from)) << (from % BLOCK);
        let mut mask = u64::MAX << (from % BLOCK);
        for block in from / BLOCK..to.div_ceil(BLOCK) {
            let mut starts = window.starts(block) & mask | cut;
            (mask, cut) = (u64::MAX, 0);
            if to - block * BLOCK < BLOCK {
                starts &= !(u64::MAX << (to % BLOCK));
            }
            let mut likely = self.likely(window, block, starts);
            while likely != 0 {
                let bit = likely.trailing_zeros();
                likely &= likely - 1;
                let at = block * BLOCK + bit as usize;
                let key = cut_at_gap(window.eight(at));
                let Some(word) = self.word(key) else { continue };
                if word.roles & enough != 0 {
                    return true;
                }
                if before != 0 {
                    let passed = u64::MAX >> (63 - bit);
                    behind += (starts & passed).count_ones();
                    starts &= !passed;
                    before = before.unbounded_shl(8 * behind);
                    if any(before & REACH << 8) & word.wants != 0 {
                        return true;
                    }
                } else {
                    starts &= u64::MAX.unbounded_shl(bit + 1);
                }
                (before, behind) = (before | u64::from(word.roles), 0);
                if word.roles & role::FIRST != 0 {
                    let next = match starts {
                        0 => window.next_word(at, to),
                        more => Some(block * BLOCK + more.trailing_zeros() as usize),
                    };
                    if next.is_some_and(|next| self.pairs(key, cut_at_gap(window.eight(next)))) {
                        return true;
                    }
                }
            }
            if before != 0 {
                behind += starts.count_ones();
            }
        }
        false
    }

    /// Whether two words in a row are one of our pairs.
    fn pairs(&self, first: u64, second: u64) -> bool {
        self.word(both(first, second)).is_some()
    }

    /// Those of the words that begin in a block that may begin as one of ours, a bit for each.
    fn likely(&self, window: &Window, block: usize, mut starts: u64) -> u64 {
        let mut likely = 0;
        while starts != 0 {
            let bit = starts.trailing_zeros();
            starts &= starts - 1;
            let four = window.four(block * BLOCK + bit as usize);
            likely |= u64::from(self.begins(four)) << bit;
        }
        likely
    }
}

/// The roles a word must stand near to.
const fn wants(roles: u8) -> u8 {
    let mut wants = 0;
    if roles & role::VERB != 0 {
        wants |= role::NOUN;
    }
    if roles & role::NOUN != 0 {
        wants |= role::VERB;
    }
    if roles & role::LIVELY != 0 {
        wants |= role::THING;
    }
    if roles & role::THING != 0 {
        wants |= role::LIVELY;
    }
    wants
}

/// The bits of all bytes.
const fn any(bytes: u64) -> u8 {
    let four = bytes | bytes >> 32;
    let two = four | four >> 16;
    (two | two >> 8) as u8
}

/// The words of a text, folded bytes aside, that stand whole in any line holding the text, each
/// with its number among all its words. A word of eight bytes or more counts as whole when only its
/// end is open.
fn whole_words(text: &[u8], edges: (bool, bool)) -> Vec<(&[u8], usize)> {
    let parts: Vec<&[u8]> =
        text.split(|b| fold(*b) == GAP).filter(|part| !part.is_empty()).collect();
    let begins = edges.0 || text.first().is_some_and(|b| fold(*b) == GAP);
    let ends = edges.1 || text.last().is_some_and(|b| fold(*b) == GAP);
    let last = parts.len().saturating_sub(1);
    let whole =
        |at: usize, part: &[u8]| (at > 0 || begins) && (at < last || ends || part.len() >= 8);
    parts.into_iter().enumerate().filter(|(at, p)| whole(*at, p)).map(|(at, p)| (p, at)).collect()
}

/// A word's first eight bytes, folded, as a number.
fn key(word: &[u8]) -> u64 {
    let mut bytes = [GAP; 8];
    for (to, from) in bytes.iter_mut().zip(word) {
        *to = fold(*from);
    }
    cut_at_gap(u64::from_le_bytes(bytes))
}

/// The bytes before the first gap.
const fn cut_at_gap(eight: u64) -> u64 {
    let gaps = eight & HIGH;
    // The lowest gap's lowest bit, less one, covers all below it; without a gap everything is kept.
    eight & ((gaps & gaps.wrapping_neg()) >> 7).wrapping_sub(1)
}

/// The place of a word's first four bytes in the table of beginnings.
fn beginning(four: u32) -> usize {
    (four.wrapping_mul(0x9e37_79b1) >> (32 - STARTS.trailing_zeros())) as usize
}

/// Two words in a row as one.
fn both(first: u64, second: u64) -> u64 {
    first.rotate_left(23).wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ second
}

/// Where the search for a word begins (multiplicative hashing, Knuth 6.4).
fn place(word: u64) -> usize {
    (word.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> (64 - SLOTS.trailing_zeros())) as usize
}
