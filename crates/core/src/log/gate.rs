//! Tells by a line's words alone that it says nothing, without reading it: most lines of most logs
//! end here, so this is what the reader's speed hangs on.
//!
//! Of each text of the phrasebook one or two words are kept, cut to eight bytes. A line passes when
//! it holds such a word (or such two in a row), a verb near a noun, or a lively verb near a thing.
//! Refuses to decide anything else: what passes is read in full, and what does not would have said
//! nothing (a test holds both ways against each other).

/// Bytes of a line that fit in.
const ROOM: usize = 16 * 1024;

/// Bytes folded at once.
const STEP: usize = 16;

/// Bytes whose words are found at once.
const BLOCK: usize = 64;

/// Bytes of a word that count.
const WORD: usize = 8;

/// Words that most lines hold: a pair that begins with one would be looked for too often.
const COMMON: [&[u8]; 16] = [
    b"a", b"by", b"for", b"from", b"has", b"http", b"in", b"is", b"no", b"not", b"of", b"on",
    b"the", b"to", b"was", b"with",
];

/// Slots of the table of words; a power of two, and many times as large as there are words.
const SLOTS: usize = 1 << 13;

/// Bits of the table of beginnings.
const STARTS: usize = 1 << 16;

/// A separator, folded. Nothing else has the high bit.
const GAP: u8 = 0x80;

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
    /// A bit for each beginning of three bytes that a word has: most words of a line have none of
    /// them, and are passed over at once.
    starts: Box<[u64; STARTS / 64]>,
    /// Some text has no word to tell it by: every line passes.
    open: bool,
}

/// A line, folded. Kept between lines.
#[derive(Debug)]
pub(crate) struct Folded(Box<[u8; ROOM + 2 * BLOCK]>);

impl Default for Folded {
    fn default() -> Self {
        Self(boxed(GAP))
    }
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
        Self { slots: boxed(0), words: vec![Word::default()], starts: boxed(0), open: false }
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
        match pairs
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
        let gap = u64::from(GAP);
        match key {
            0..0x100 => (0..=gap).for_each(|any| self.begin(key | gap << 8 | any << 16)),
            0x100..0x1_0000 => self.begin(key | gap << 16),
            _ => self.begin(key),
        }
        self.add(key, roles);
    }

    fn begin(&mut self, word: u64) {
        let bit = beginning(word);
        if let Some(bits) = self.starts.get_mut(bit / 64) {
            *bits |= 1 << (bit % 64);
        }
    }

    /// Whether some word begins as these bytes do.
    fn begins(&self, word: u64) -> bool {
        let bit = beginning(word);
        self.starts.get(bit / 64).is_some_and(|bits| bits >> (bit % 64) & 1 != 0)
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

    /// Whether a line may say something. `short` lines may say it with a verb alone.
    pub(crate) fn passes(&self, line: &[u8], short: bool, folded: &mut Folded) -> bool {
        // So many gaps follow that the last word can be loaded whole.
        let filled = (line.len() + WORD).next_multiple_of(BLOCK);
        let Some(buffer) = folded.0.get_mut(..filled) else { return true };
        if self.open || line.len() > ROOM {
            return true;
        }
        let (steps, gaps) = buffer.split_at_mut(line.len().next_multiple_of(STEP));
        let (body, rest) = steps.split_at_mut(line.len());
        body.copy_from_slice(line);
        rest.fill(b' ');
        gaps.fill(GAP);
        for byte in steps {
            *byte = fold(*byte);
        }
        let enough = role::WORTH | if short { role::ALONE } else { 0 };
        self.walk(buffer, enough)
    }

    /// Goes through the words of a folded line.
    fn walk(&self, folded: &[u8], enough: u8) -> bool {
        let (mut before, mut first, mut gap) = (0u64, 0, 1);
        for (at, block) in folded.as_chunks::<BLOCK>().0.iter().enumerate() {
            let gaps = gaps(block);
            let mut starts = ((gaps << 1) | gap) & !gaps;
            gap = gaps >> 63;
            while starts != 0 {
                let from = at * BLOCK + starts.trailing_zeros() as usize;
                starts &= starts - 1;
                // The gaps behind a line are longer than a word.
                let Some(word) = folded.get(from..).and_then(|f| f.first_chunk()) else { continue };
                let word = u64::from_le_bytes(*word);
                before <<= 8;
                if first == 0 && !self.begins(word) {
                    continue;
                }
                let key = cut(word);
                if first != 0 && self.word(both(first, key)).is_some() {
                    return true;
                }
                first = 0;
                let Some(word) = self.word(key) else { continue };
                if word.roles & enough != 0 || any(before & REACH << 8) & word.wants != 0 {
                    return true;
                }
                before |= u64::from(word.roles);
                if word.roles & role::FIRST != 0 {
                    first = key;
                }
            }
        }
        false
    }
}

/// A bit for each byte of a block that is a gap.
fn gaps(block: &[u8; BLOCK]) -> u64 {
    let eights = block.as_chunks::<WORD>().0.iter().enumerate();
    eights.fold(0, |all, (at, eight)| {
        let high = (u64::from_le_bytes(*eight) & HIGH) >> 7;
        // The product brings the eight bits together in its highest byte.
        all | (high.wrapping_mul(0x0102_0408_1020_4080) >> 56) << (8 * at)
    })
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

/// Letters lose their case, bytes beyond ASCII are one letter, the rest are gaps. Without a branch,
/// so that many are folded at once.
const fn fold(byte: u8) -> u8 {
    // Digits have that bit already.
    let lower = byte | 0x20;
    let beyond = byte >= 0x80;
    let word = (lower.wrapping_sub(b'a') < 26) | (byte.wrapping_sub(b'0') < 10) | beyond;
    let plain = if beyond { 0x7f } else { lower };
    if word { plain } else { GAP }
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
    cut(u64::from_le_bytes(bytes))
}

/// The bytes before the first gap.
const fn cut(eight: u64) -> u64 {
    let gaps = eight & HIGH;
    // The lowest gap's bit, less one, covers all below it; without a gap everything is kept.
    eight & (gaps & gaps.wrapping_neg()).wrapping_sub(1)
}

/// The bit of a word's first three bytes.
fn beginning(word: u64) -> usize {
    let three = (word & 0xff_ffff) as u32;
    (three.wrapping_mul(0x9e37_79b1) >> (32 - STARTS.trailing_zeros())) as usize
}

/// Two words in a row as one.
fn both(first: u64, second: u64) -> u64 {
    first.rotate_left(23).wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ second
}

/// Where the search for a word begins (multiplicative hashing, Knuth 6.4).
fn place(word: u64) -> usize {
    (word.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> (64 - SLOTS.trailing_zeros())) as usize
}

/// An array of one value on the heap.
fn boxed<T: Copy, const N: usize>(value: T) -> Box<[T; N]> {
    // The length is N by this very line.
    vec![value; N].into_boxed_slice().try_into().unwrap_or_else(|_| Box::new([value; N]))
}
