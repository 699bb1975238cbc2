//! What real software prints about connections, and what a line says by it.
//!
//! The texts are data (`phrasebook.toml`), each with the software it comes from. Beyond them a
//! small lexicon reads any "noun, verb" about connections, so that software never heard of is
//! still understood. Refuses to read numbers, names or addresses: those are `identity`'s.

use std::collections::HashMap;
use std::sync::OnceLock;

use serde::Deserialize;

use super::gate::{Gate, role};
use super::sieve::{Hit, Sieve, Text};

mod look;

pub(crate) use look::{Look, Looker};

/// The embedded data.
const DATA: &str = include_str!("phrasebook.toml");

/// What a phrase means, before pairing has decided about attempts and requests.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Says {
    /// Adds words and decides nothing.
    Word,
    /// Traffic.
    Alive,
    /// Something that may matter.
    Incident,
    /// The start of a request.
    Request,
    /// An opening.
    Opened,
    /// An ending.
    Ended,
    /// A connection that failed to come about.
    Attempt,
    /// An opening whatever else the line says.
    Reopened,
}

/// One entry of the phrasebook as written.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    text: String,
    act: Says,
    words: Vec<String>,
    #[serde(default)]
    unless: Vec<String>,
}

/// One software's entries.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Product {
    name: String,
    source: String,
    says: Vec<Entry>,
}

/// The general words.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Lexicon {
    nouns: Vec<String>,
    ends: Vec<String>,
    opens: Vec<String>,
    tries: Vec<String>,
    things: Vec<String>,
    lively: Vec<String>,
    nots: Vec<String>,
    near: Vec<String>,
    shapes: Vec<String>,
}

/// The whole file.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    lexicon: Lexicon,
    product: Vec<Product>,
}

/// A phrase ready for matching.
#[derive(Debug)]
struct Phrase {
    /// Indices into [`Book::texts`], in the order in which they must stand.
    pieces: Vec<usize>,
    act: Says,
    words: Vec<String>,
    unless: Vec<usize>,
    product: usize,
}

/// What a text is in the lexicon.
#[derive(Clone, Copy, Debug, Default)]
struct Roles {
    noun: bool,
    end: bool,
    open: bool,
    attempt: bool,
    thing: bool,
    lively: bool,
    not: bool,
    near: bool,
    shape: bool,
}

/// A text and all that depends on it.
#[derive(Debug, Default)]
struct Piece {
    text: String,
    borders: (bool, bool),
    /// Whether its punctuation must stand in the line as it is.
    telling: bool,
    /// Whether it alone makes a line worth reading: the longest piece of a phrase.
    worth: bool,
    roles: Roles,
    /// Phrases whose last piece this is.
    closes: Vec<usize>,
}

/// The phrasebook, ready for use.
#[derive(Debug)]
pub(crate) struct Book {
    gate: Gate,
    sieve: Sieve,
    pieces: Vec<Piece>,
    phrases: Vec<Phrase>,
    products: Vec<(String, String)>,
}

/// The embedded phrasebook.
pub(crate) fn book() -> &'static Book {
    static BOOK: OnceLock<Book> = OnceLock::new();
    BOOK.get_or_init(|| {
        let file = toml::from_str::<File>(DATA).unwrap_or_else(|_| File::empty());
        Builder::default().build(file)
    })
}

impl File {
    /// Stands in for data that cannot be read; a test keeps that from happening.
    fn empty() -> Self {
        let lexicon = Lexicon {
            nouns: Vec::new(),
            ends: Vec::new(),
            opens: Vec::new(),
            tries: Vec::new(),
            things: Vec::new(),
            lively: Vec::new(),
            nots: Vec::new(),
            near: Vec::new(),
            shapes: Vec::new(),
        };
        Self { lexicon, product: Vec::new() }
    }
}

/// Collects pieces while the book is built.
#[derive(Default)]
struct Builder {
    pieces: Vec<Piece>,
    known: HashMap<(String, (bool, bool)), usize>,
    phrases: Vec<Phrase>,
    products: Vec<(String, String)>,
}

impl Builder {
    /// The index of a text, made if new. `~` at an edge lifts the border there.
    fn piece(&mut self, written: &str) -> usize {
        let written = written.trim();
        let left = !written.starts_with('~');
        let right = !written.ends_with('~');
        let text = written.trim_matches('~').to_ascii_lowercase();
        // A text that itself begins or ends with a separator needs no border there.
        let borders = (
            left && text.starts_with(|c: char| c.is_ascii_alphanumeric()),
            right && text.ends_with(|c: char| c.is_ascii_alphanumeric()),
        );
        let pieces = &mut self.pieces;
        *self.known.entry((text, borders)).or_insert_with_key(|(text, borders)| {
            let mark = |b: u8| !b.is_ascii_alphanumeric() && !matches!(b, b' ' | b'-' | b'_');
            let telling = text.bytes().any(mark);
            let (text, borders) = (text.clone(), *borders);
            pieces.push(Piece { text, borders, telling, ..Piece::default() });
            pieces.len() - 1
        })
    }

    /// Adds the words of one lexicon list.
    fn role(&mut self, words: &[String], set: fn(&mut Roles)) {
        for word in words {
            let at = self.piece(word);
            if let Some(piece) = self.pieces.get_mut(at) {
                set(&mut piece.roles);
            }
        }
    }

    /// Adds one phrase.
    fn phrase(&mut self, entry: Entry, product: usize) {
        let pieces: Vec<usize> = entry.text.split(" * ").map(|p| self.piece(p)).collect();
        let unless = entry.unless.iter().map(|u| self.piece(u)).collect();
        let longest = pieces
            .iter()
            .copied()
            .max_by_key(|p| self.pieces.get(*p).map_or(0, |piece| piece.text.len()));
        let index = self.phrases.len();
        if let Some(last) = pieces.last().and_then(|p| self.pieces.get_mut(*p)) {
            last.closes.push(index);
        }
        if let Some(piece) = longest.and_then(|p| self.pieces.get_mut(p)) {
            piece.worth = true;
        }
        let Entry { act, words, .. } = entry;
        self.phrases.push(Phrase { pieces, act, words, unless, product });
    }

    /// The words that let a line through.
    fn gate(&self) -> Gate {
        let mut gate = Gate::new();
        for piece in &self.pieces {
            let r = piece.roles;
            let moves = r.end || r.open || r.attempt;
            if piece.worth || r.shape {
                gate.admit(&piece.text, piece.borders, role::WORTH);
            }
            let roles = [
                (moves, role::VERB),
                (moves && !r.near, role::ALONE),
                (r.noun, role::NOUN),
                (r.lively, role::LIVELY),
                (r.thing, role::THING),
            ];
            let roles = roles.iter().filter(|(has, _)| *has).fold(0, |all, (_, role)| all | role);
            if roles != 0 {
                gate.admit(&piece.text, piece.borders, roles);
            }
        }
        gate
    }

    /// Everything, ready.
    fn build(mut self, file: File) -> Book {
        let l = &file.lexicon;
        self.role(&l.nouns, |r| r.noun = true);
        self.role(&l.ends, |r| r.end = true);
        self.role(&l.opens, |r| r.open = true);
        self.role(&l.tries, |r| r.attempt = true);
        self.role(&l.things, |r| r.thing = true);
        self.role(&l.lively, |r| r.lively = true);
        self.role(&l.nots, |r| r.not = true);
        self.role(&l.near, |r| r.near = true);
        self.role(&l.shapes, |r| r.shape = true);
        for product in file.product {
            let at = self.products.len();
            self.products.push((product.name, product.source));
            for entry in product.says {
                self.phrase(entry, at);
            }
        }
        let texts: Vec<Text> =
            self.pieces.iter().map(|p| Text { text: p.text.clone(), borders: p.borders }).collect();
        // An automaton too large is a matter of the data; a test keeps it from happening.
        let sieve = Sieve::new(&texts).or_else(|| Sieve::new(&[])).unwrap_or_else(Sieve::nothing);
        let gate = self.gate();
        Book { gate, sieve, pieces: self.pieces, phrases: self.phrases, products: self.products }
    }
}

impl Book {
    /// The software a phrase comes from, and where that text stands in it.
    pub(crate) fn product(&self, phrase: usize) -> Option<(&str, &str)> {
        let phrase = self.phrases.get(phrase)?;
        let (name, source) = self.products.get(phrase.product)?;
        Some((name, source))
    }

    /// A piece, by the index of a hit.
    fn piece(&self, hit: &Hit) -> Option<&Piece> {
        self.pieces.get(hit.text)
    }
}

#[cfg(test)]
mod tests;
