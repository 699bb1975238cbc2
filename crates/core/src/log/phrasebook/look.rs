//! What one line says: its phrases, and where there are none, its nouns and verbs.

use super::super::sieve::Hit;
use super::super::window::{WINDOW, Window};
use super::{Book, Says};

/// Texts looked at in one line; more are a hostile line's.
const MOST_HITS: usize = 160;

/// A longer line says more than its verb.
const SHORT: usize = 80;

/// A meaning found at a place of the line.
#[derive(Clone, Debug)]
struct Match {
    act: Says,
    phrase: Option<usize>,
    /// The ranges of its pieces.
    ranges: Vec<(usize, usize)>,
}

impl Match {
    /// Whether all of `other` lies inside one of this match's longer pieces, or its ranges inside
    /// these ranges.
    fn covers(&self, other: &Match) -> bool {
        let inside = |(s, e): &(usize, usize)| self.ranges.iter().any(|(a, b)| a <= s && e <= b);
        let len = |m: &Match| m.ranges.iter().map(|(a, b)| b - a).sum::<usize>();
        len(self) > len(other) && other.ranges.iter().all(inside)
    }
}

/// What a line says.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Look {
    /// What it means for a connection.
    pub act: Says,
    /// Ids of what it says.
    pub words: Vec<&'static str>,
    /// The phrase that decided, `None` when the lexicon did.
    pub phrase: Option<usize>,
}

/// Reads lines; keeps its buffers.
#[derive(Debug)]
pub(crate) struct Looker {
    book: &'static Book,
    hits: Vec<Hit>,
    /// For lines that come in no window.
    spare: Window,
}

impl Looker {
    /// With the embedded phrasebook.
    pub(crate) fn new() -> Self {
        Self { book: super::book(), hits: Vec::new(), spare: Window::default() }
    }

    /// Whether [`look`](Self::look) may find anything in a line from `from` on: false is certain.
    /// `ready` is the window the line lies in, and where it begins there.
    pub(crate) fn may_speak(
        &mut self,
        line: &[u8],
        from: usize,
        ready: Option<(&Window, usize)>,
    ) -> bool {
        if line.len() > WINDOW {
            return true;
        }
        let short = line.len() - from.min(line.len()) <= SHORT;
        let (window, at) = match ready {
            Some(ready) => ready,
            None => {
                self.spare.take(line);
                (&self.spare, 0)
            }
        };
        self.book.gate.passes(window, (at + from, at + line.len()), short)
    }

    /// What the line says, if it speaks of a connection at all; and whether it may have one of
    /// the fixed forms of [`shapes`](super::super::shapes).
    pub(crate) fn look(&mut self, line: &[u8]) -> (Option<Look>, bool) {
        let mut hits = std::mem::take(&mut self.hits);
        self.book.sieve.hits(line, MOST_HITS, &mut hits);
        hits.retain(|h| self.is_exact(line, h));
        let mut found = self.phrases(line, &hits);
        self.lexicon(line, &hits, &mut found);
        let shape = hits.iter().any(|h| self.book.piece(h).is_some_and(|p| p.roles.shape));
        self.hits = hits;
        let kept: Vec<&Match> =
            found.iter().filter(|m| !found.iter().any(|other| other.covers(m))).collect();
        (self.conclude(&kept), shape)
    }

    /// Texts with telling punctuation must stand there literally.
    fn is_exact(&self, line: &[u8], hit: &Hit) -> bool {
        let Some(piece) = self.book.piece(hit) else { return false };
        if !piece.telling {
            return true;
        }
        let here = line.get(hit.start..hit.end).unwrap_or_default();
        here.eq_ignore_ascii_case(piece.text.as_bytes())
    }

    /// The phrases whose pieces stand in the line in order.
    fn phrases(&self, line: &[u8], hits: &[Hit]) -> Vec<Match> {
        let mut found = Vec::new();
        for (at, hit) in hits.iter().enumerate() {
            let Some(piece) = self.book.piece(hit) else { continue };
            if is_setting(&piece.text, line.get(hit.end..).unwrap_or_default()) {
                continue;
            }
            for &index in &piece.closes {
                let Some(phrase) = self.book.phrases.get(index) else { continue };
                let Some(ranges) = before(&phrase.pieces, hits, at) else { continue };
                let bare = phrase.pieces.len() == 1 && (piece.roles.end || piece.roles.open);
                if bare && self.negated(line, hits, hit) {
                    continue;
                }
                let overlaps = |h: &Hit| ranges.iter().any(|(s, e)| h.start < *e && *s < h.end);
                if hits.iter().any(|h| phrase.unless.contains(&h.text) && overlaps(h)) {
                    continue;
                }
                found.push(Match { act: phrase.act, phrase: Some(index), ranges });
            }
        }
        found
    }

    /// Nouns beside verbs, where no phrase has spoken already.
    fn lexicon(&self, line: &[u8], hits: &[Hit], found: &mut Vec<Match>) {
        for verb in hits {
            let Some(piece) = self.book.piece(verb) else { continue };
            let r = piece.roles;
            let moves = r.end || r.open || r.attempt;
            let taken = |m: &Match| {
                m.phrase.is_some()
                    && m.ranges.iter().any(|(s, e)| *s <= verb.start && verb.end <= *e)
            };
            let setting = is_setting(&piece.text, line.get(verb.end..).unwrap_or_default());
            if setting
                || !(moves || r.lively)
                || found.iter().any(taken)
                || self.negated(line, hits, verb)
            {
                continue;
            }
            let reach = if r.near { 1 } else { 3 };
            let beside = |thing: bool| {
                hits.iter().find(|n| {
                    let noun = self.book.piece(n).map(|p| p.roles).unwrap_or_default();
                    (if thing { noun.thing } else { noun.noun })
                        && n.text != verb.text
                        && words_between(line, n, verb) <= reach
                })
            };
            let act = match (r.end, r.open, r.attempt) {
                (true, ..) => Says::Ended,
                (_, true, _) => Says::Opened,
                (_, _, true) => Says::Attempt,
                _ => Says::Alive,
            };
            let noun = if moves { beside(false) } else { None };
            let pair = match noun {
                Some(noun) => Some((act, noun)),
                None if moves && !r.near && stands_alone(line, verb) => Some((act, verb)),
                None if r.lively => beside(true).map(|thing| (Says::Alive, thing)),
                None => None,
            };
            if let Some((act, noun)) = pair {
                let ranges = vec![(noun.start, noun.end), (verb.start, verb.end)];
                found.push(Match { act, phrase: None, ranges });
            }
        }
    }

    /// Whether the word before the verb takes it back.
    fn negated(&self, line: &[u8], hits: &[Hit], verb: &Hit) -> bool {
        hits.iter().any(|h| {
            self.book.piece(h).is_some_and(|p| p.roles.not)
                && h.end <= verb.start
                && words_between(line, h, verb) == 0
                && verb.start - h.end <= 2
        })
    }

    /// One meaning out of many.
    fn conclude(&self, kept: &[&Match]) -> Option<Look> {
        // A failure told by the lexicon alone says less than an end or an opening told beside it.
        let leads = |m: &&&Match| match (m.act, m.phrase) {
            (Says::Attempt, None) => (Says::Request, false),
            (act, phrase) => (act, phrase.is_some()),
        };
        let lead = kept.iter().max_by_key(leads)?;
        let mut words: Vec<&'static str> = Vec::new();
        for m in kept {
            let Some(index) = m.phrase else { continue };
            let Some(phrase) = self.book.phrases.get(index) else { continue };
            // A line about an end may quote the last command: that is no traffic.
            if lead.act > Says::Request && matches!(phrase.act, Says::Alive | Says::Request) {
                continue;
            }
            for word in &phrase.words {
                if !words.contains(&word.as_str()) {
                    words.push(word);
                }
            }
        }
        let act = lead.act;
        if act == Says::Attempt
            && let Some(slot) = words.iter_mut().find(|w| **w == "timed-out")
        {
            // ETIMEDOUT of a connect is another fact than that of an established connection.
            *slot = "connect-timeout";
        }
        if words.is_empty() {
            match act {
                Says::Ended => words.push("closed"),
                Says::Opened => words.push("connected"),
                Says::Attempt => words.push("failed"),
                Says::Word => return None,
                _ => {}
            }
        }
        Some(Look { act, words, phrase: lead.phrase })
    }
}

/// Whether a timeout or an age is being set here (`idle_timeout=300`, `"max_age": 60`), not met.
fn is_setting(text: &str, after: &[u8]) -> bool {
    const LIMITS: [&str; 5] = ["timeout", "age", "lifetime", "duration", "interval"];
    if !LIMITS.iter().any(|l| text.ends_with(l)) {
        return false;
    }
    let rest = after.strip_prefix(b"\"").unwrap_or(after);
    match rest.first() {
        Some(b'=') => true,
        Some(b':') => rest.iter().skip(1).find(|b| **b != b' ').is_some_and(u8::is_ascii_digit),
        Some(b' ') => [&b" set"[..], b" is ", b" = ", b" to "].iter().any(|s| rest.starts_with(s)),
        _ => false,
    }
}

/// The ranges of `pieces`, the last of which is `hits[at]`, each before the next.
fn before(pieces: &[usize], hits: &[Hit], at: usize) -> Option<Vec<(usize, usize)>> {
    let last = hits.get(at)?;
    let mut ranges = vec![(last.start, last.end)];
    let mut limit = last.start;
    for piece in pieces.iter().rev().skip(1) {
        let earlier = hits.get(..at)?.iter().rev();
        let hit = earlier.into_iter().find(|h| h.text == *piece && h.end <= limit)?;
        ranges.push((hit.start, hit.end));
        limit = hit.start;
    }
    Some(ranges)
}

/// Whether a verb is all a message says, but for a level and one name: `Opened`, `mqtt: lost`.
fn stands_alone(line: &[u8], verb: &Hit) -> bool {
    const LEVELS: [&[u8]; 10] = [
        b"info", b"warn", b"warning", b"error", b"debug", b"trace", b"notice", b"wrn", b"inf",
        b"err",
    ];
    if line.len() > SHORT {
        return false;
    }
    let before = line.get(..verb.start).unwrap_or_default();
    let after = line.get(verb.end..).unwrap_or_default();
    let words = |part: &[u8]| {
        part.split(|b| !b.is_ascii_alphabetic())
            .filter(|w| w.len() > 1 && !LEVELS.iter().any(|l| w.eq_ignore_ascii_case(l)))
            .count()
    };
    words(before) + words(after) <= 1
}

/// Words between two hits; many when they overlap, are far apart, or a sentence ends between.
fn words_between(line: &[u8], a: &Hit, b: &Hit) -> usize {
    let (first, second) = if a.start <= b.start { (a, b) } else { (b, a) };
    let Some(gap) = line.get(first.end..second.start) else { return usize::MAX };
    if first.end > second.start || gap.len() > 48 {
        return usize::MAX;
    }
    if gap.windows(2).any(|w| matches!(w, b". " | b"; ")) {
        return usize::MAX;
    }
    gap.split(|c| !c.is_ascii_alphanumeric()).filter(|w| !w.is_empty()).count()
}
