//! Takes lines one by one and keeps what speaks of a connection. Refuses to keep everything: past
//! a number of events only the latest traffic is kept, then nothing more, and the notes say so.

use std::borrow::Cow;
use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};

use super::Options;
use super::dial::{Dial, Settled, When};
use super::identity::{Id, identities};
use super::json::{Value, fields};
use super::lengths::{Stated, stated};
use super::lines::Line;
use super::phrasebook::{Look, Looker, Says};
use super::shapes::{self, Shaped};
use super::stamp::{Day, Finder, Stamp};
use super::template::Templates;
use super::window::Window;
use crate::time::{Gap, Moment};

/// Bytes of a line that are looked at; the rest of a longer one is counted in the notes.
pub(super) const LONGEST: usize = 16 * 1024;

/// Events kept before only the latest traffic of each connection is, and before nothing more is.
const MANY: usize = 50_000;
const MOST: usize = 200_000;

/// Access lines kept that tell of a reply and nothing more: no life is made of them.
const REPLIES: u64 = 1000;

/// Lines without a stamp that may belong to the record before them.
const RECORD: u32 = 300;

/// Bytes of a line kept for quoting.
const QUOTE: usize = 200;

/// A line that speaks of a connection, before the whole log is known.
#[derive(Clone, Debug)]
pub(super) struct Draft {
    pub line: u64,
    pub when: When,
    pub says: Says,
    pub words: Vec<&'static str>,
    pub ids: Vec<Id>,
    pub stated: Stated,
    pub text: String,
    pub template: u32,
    pub because: Because,
    /// Speaks of no connection: stands here as the last line before an end.
    pub filler: bool,
}

/// Why a line was taken for what it was taken for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Because {
    /// A phrase of the phrasebook, by its index.
    Phrase(usize),
    /// A noun beside a verb.
    Lexicon,
    /// A fixed form, by whose it is, and whether it is that of an access log.
    Shape(&'static str, bool),
    /// `--open` or `--end`.
    Option,
    /// A file of bare stamps.
    Bare,
}

/// What a line was heard to say, from whichever source.
#[derive(Debug)]
struct Heard {
    says: Says,
    words: Vec<&'static str>,
    because: Because,
    age: Option<Gap>,
    stamp_is_start: bool,
}

impl Heard {
    /// Without a length of its own.
    fn new(says: Says, words: Vec<&'static str>, because: Because) -> Self {
        Self { says, words, because, age: None, stamp_is_start: false }
    }

    /// By the phrasebook.
    fn of_look(look: Look) -> Self {
        let because = look.phrase.map_or(Because::Lexicon, Because::Phrase);
        Self::new(look.act, look.words, because)
    }

    /// By a fixed form.
    fn of_shape(s: Shaped) -> Self {
        let because = Because::Shape(s.whose, s.fixed);
        Self { age: s.age, stamp_is_start: s.stamp_is_start, ..Self::new(s.says, s.words, because) }
    }
}

/// The fixed form of a line, if it has one and may have one: by a text in it, or by its stamp.
fn shaped(line: &[u8], stamp: Option<&Stamp>, likely: bool) -> Option<Shaped> {
    if !likely && !may_be_shaped(line, stamp) {
        return None;
    }
    let end = stamp.map_or(0, |s| s.end);
    shapes::read(&String::from_utf8_lossy(line), end, stamp.is_some_and(|s| bracketed(line, s)))
}

/// Whether a line's stamp stands in brackets that a quote follows (Envoy, the common log format),
/// or in brackets and has slashes (HAProxy), or where AWS has it.
fn may_be_shaped(line: &[u8], stamp: Option<&Stamp>) -> bool {
    let Some(stamp) = stamp else { return false };
    if !bracketed(line, stamp) {
        return match stamp.start {
            0 => line.get(10) == Some(&b'\t'),
            8 => line.starts_with(b"tls "),
            _ => false,
        };
    }
    let quoted = line.get(stamp.end..).is_some_and(|rest| rest.starts_with(b"] \""));
    quoted || line.get(stamp.start + 2) == Some(&b'/')
}

/// Whether a bracket opens right before a stamp.
fn bracketed(line: &[u8], stamp: &Stamp) -> bool {
    stamp.start.checked_sub(1).and_then(|before| line.get(before)) == Some(&b'[')
}

/// The line before, in case it is the last one before an end.
#[derive(Debug)]
struct Previous {
    line: u64,
    when: When,
    text: Vec<u8>,
}

/// The reading while it goes on.
#[derive(Debug)]
pub(super) struct Gather {
    options: Options,
    /// Whether lines that cannot speak are passed over.
    quick: bool,
    finder: Finder,
    dial: Dial,
    looker: Looker,
    templates: Templates,
    drafts: Vec<Draft>,
    bare: Vec<(u64, When)>,
    previous: Option<Previous>,
    /// When the record under way was stamped, its draft, and its further lines so far.
    record: Option<(When, Option<usize>, u32)>,
    tally: Tally,
    low: Option<When>,
    high: Option<When>,
    /// The same, comparable.
    lowest: (i64, i64),
    highest: (i64, i64),
    /// The same of the files before.
    earlier: Option<(When, When)>,
    digits: u8,
    fraction: bool,
    seconds: bool,
    /// Once there is much: where the latest traffic of each connection stands, by its identities.
    latest: HashMap<u64, usize>,
    /// Where the last opening or ending stands.
    turned: usize,
}

/// Counts for the notes.
#[derive(Clone, Copy, Debug, Default)]
struct Tally {
    lines: u64,
    stamped: u64,
    others: u64,
    timeless: u64,
    long: u64,
    nul: u64,
    bad_text: u64,
    dropped_alive: u64,
    dropped: u64,
    /// Lines that say what the line before says, at the same time.
    twins: u64,
    /// Access lines that tell of a reply and nothing more.
    replies: u64,
}

/// All that was kept, for pairing.
#[derive(Debug)]
pub(super) struct Gathered {
    pub options: Options,
    pub drafts: Vec<Draft>,
    pub templates: Templates,
    pub settled: Settled,
    pub lines: u64,
    pub stamped: u64,
    /// Stamped lines that speak of no connection.
    pub others: u64,
    pub span: Option<(Moment, Moment)>,
    pub resolution_ns: i64,
    pub zone_assumed: bool,
    pub notes: Vec<String>,
}

impl Gather {
    /// Nothing read yet.
    pub(super) fn new(options: Options, quick: bool) -> Self {
        let dial = Dial::new(options.offset_s, options.not_after);
        Self {
            quick: quick && options.open.is_empty() && options.end.is_empty(),
            options,
            finder: Finder::new(!quick),
            dial,
            looker: Looker::new(),
            templates: Templates::default(),
            drafts: Vec::new(),
            bare: Vec::new(),
            previous: None,
            record: None,
            tally: Tally::default(),
            low: None,
            high: None,
            lowest: (0, 0),
            highest: (0, 0),
            earlier: None,
            digits: 0,
            fraction: false,
            seconds: false,
            latest: HashMap::new(),
            turned: 0,
        }
    }

    /// Takes one line.
    pub(super) fn line(&mut self, raw: Line<'_>) {
        self.tally.lines += 1;
        let line = self.clean(raw);
        // Where the line stands in a window, unless it is not the very same line any more.
        let same = line.as_ptr() == raw.bytes.as_ptr();
        let ready = raw.ready.filter(|_| same);
        let stamp = self.finder.find(&line);
        let when = stamp.map(|s| self.place(&s));
        if let (Some(stamp), Some(when)) = (stamp, when) {
            self.record = Some((when, None, 0));
            if is_bare(&line, &stamp) {
                if self.bare.len() < MOST {
                    self.bare.push((self.tally.lines, when));
                }
                return;
            }
        }
        if self.quick
            && self.tally.replies >= REPLIES
            && stamp.is_some_and(|s| shapes::is_plain_reply(&line, (s.start, s.end)))
        {
            self.tally.replies += 1;
            return;
        }
        let message = stamp.map_or(0, |s| s.end);
        match self.look(&line, ready, stamp.as_ref()) {
            Some(heard) => self.speaks(&line, message, heard),
            None => self.remember(&line, when),
        }
    }

    /// Passes over a line that is a part of something larger; its number.
    pub(super) fn pass(&mut self) -> u64 {
        self.tally.lines += 1;
        self.tally.lines
    }

    /// Takes a line made of several, under the number of one of them.
    pub(super) fn line_at(&mut self, number: u64, line: Line<'_>) {
        let reached = std::mem::replace(&mut self.tally.lines, number.saturating_sub(1));
        self.line(line);
        self.tally.lines = reached;
    }

    /// Whether a line carries a time stamp.
    pub(super) fn has_stamp(&mut self, raw: Line<'_>) -> bool {
        let line = self.clean(raw);
        self.finder.find(&line).is_some()
    }

    /// The moment of a line whose stamp tells it whole.
    pub(super) fn whole_stamp(&mut self, raw: Line<'_>) -> Option<Moment> {
        let line = self.clean(raw);
        let stamp = self.finder.find(&line)?;
        let whole = matches!(stamp.day, Day::Full(_) | Day::Epoch);
        let When::Known(ns) = self.dial.place(&stamp) else { return None };
        whole.then_some(Moment::from_ns(ns))
    }

    /// Lines read, and lines whose time was understood.
    pub(super) fn counts(&self) -> (u64, u64) {
        (self.tally.lines, self.tally.stamped)
    }

    /// The first and last moment since this was last asked.
    pub(super) fn take_span(&mut self) -> Option<(When, When)> {
        let span = self.low.take().zip(self.high.take());
        self.earlier = wider(self.earlier, span);
        span
    }

    /// The part of a line that is looked at, without colours, NULs, and the byte order mark that
    /// programs of Windows begin files with.
    fn clean<'a>(&mut self, raw: Line<'a>) -> Cow<'a, [u8]> {
        let Line { bytes: raw, clean, .. } = raw;
        // Nearly every line.
        if clean && raw.len() <= LONGEST && raw.first() != Some(&0xef) && raw.last() != Some(&b'\r')
        {
            return Cow::Borrowed(raw);
        }
        let raw = raw.strip_prefix(b"\xef\xbb\xbf").unwrap_or(raw);
        let raw = raw.strip_suffix(b"\r").unwrap_or(raw);
        let head = raw.get(..LONGEST).unwrap_or(raw);
        self.tally.long += u64::from(head.len() < raw.len());
        if clean || memchr::memchr2(0, 0x1b, head).is_none() {
            return Cow::Borrowed(head);
        }
        self.tally.nul += u64::from(head.contains(&0));
        Cow::Owned(without_escapes(head))
    }

    /// Settles a stamp in time and keeps the log's span and step.
    fn place(&mut self, stamp: &Stamp) -> When {
        self.tally.stamped += 1;
        let when = self.dial.place(stamp);
        let place = order(when);
        if self.low.is_none() || place < self.lowest {
            (self.low, self.lowest) = (Some(when), place);
        }
        if self.high.is_none() || place >= self.highest {
            (self.high, self.highest) = (Some(when), place);
        }
        self.seconds |= stamp.digits.is_some();
        if let Some(digits) = stamp.digits {
            self.digits = self.digits.max(digits);
            self.fraction |= digits > 0 && stamp.ns % 1_000_000_000 != 0;
        }
        when
    }

    /// What a line says: by the caller's texts, else by its fixed form, else by the phrasebook.
    fn look(
        &mut self,
        line: &[u8],
        ready: Option<(&Window, usize)>,
        stamp: Option<&Stamp>,
    ) -> Option<Heard> {
        // Most bytes before the message are the stamp's own, which say nothing.
        let from = stamp.filter(|s| s.start <= 1).map_or(0, |s| s.end);
        let message = line.get(from..).unwrap_or_default();
        if self.quick && !may_be_shaped(line, stamp) && !self.looker.may_speak(line, from, ready) {
            return None;
        }
        let has = |texts: &[String]| {
            texts
                .iter()
                .any(|t| !t.is_empty() && memchr::memmem::find(line, t.as_bytes()).is_some())
        };
        let (end, open) = (has(&self.options.end), has(&self.options.open));
        let (looked, shape) = self.looker.look(message);
        if end || open {
            let act = if end { Says::Ended } else { Says::Opened };
            let words = looked.map(|l| l.words).unwrap_or_default();
            return Some(Heard::new(act, words, Because::Option));
        }
        let mut heard = match (shaped(line, stamp, shape), looked) {
            (Some(shaped), Some(look)) if !shaped.fixed && look.act > shaped.says => {
                Heard::of_look(look)
            }
            (Some(shaped), _) => Heard::of_shape(shaped),
            (None, look) => Heard::of_look(look?),
        };
        // The caller's texts replace the phrasebook's idea of an end or an opening.
        heard.says = match heard.says {
            Says::Ended | Says::Attempt if !self.options.end.is_empty() => Says::Incident,
            Says::Opened | Says::Reopened if !self.options.open.is_empty() => Says::Incident,
            other => other,
        };
        Some(heard)
    }

    /// Keeps a line that speaks of a connection.
    fn speaks(&mut self, line: &[u8], message: usize, heard: Heard) {
        let Some((stamped, earlier, further)) = self.record else {
            self.tally.timeless += 1;
            return;
        };
        if message == 0 && further >= RECORD {
            self.tally.timeless += 1;
            return;
        }
        if message == 0
            && let Some(draft) = earlier.and_then(|at| self.drafts.get_mut(at))
        {
            merge(draft, &heard, line);
            return;
        }
        let access = matches!(heard.because, Because::Shape(_, true));
        if access && heard.says <= Says::Alive {
            self.tally.replies += 1;
            if self.tally.replies > REPLIES {
                return;
            }
        }
        self.fill(heard.says);
        let text = String::from_utf8_lossy(line);
        self.tally.bad_text += u64::from(matches!(text, Cow::Owned(_)));
        let body = match &text {
            Cow::Borrowed(text) => Cow::Borrowed(text.get(message..).unwrap_or_default()),
            Cow::Owned(_) => line.get(message..).map(String::from_utf8_lossy).unwrap_or_default(),
        };
        let body = body.trim_start_matches([']', ':', ' ', '|', '\t', '"']);
        // A JSON line's other values vary; its message is what makes lines alike.
        let said = json_message(line).unwrap_or(Cow::Borrowed(body));
        let ids = identities(line, &text, body, self.options.key.as_deref());
        let Some(place) = self.room(heard.says, &ids) else { return };
        let mut stated = stated(body);
        stated.age = heard.age.or(stated.age);
        // Some writers stamp the beginning of what a line tells of: the event is its end.
        let later = heard.age.filter(|_| heard.stamp_is_start).map_or(0, Gap::ns);
        let when = stamped.later(later);
        let draft = Draft {
            line: self.tally.lines,
            when,
            says: heard.says,
            words: heard.words,
            ids,
            stated,
            text: quote(&text),
            template: self.templates.number(&said),
            because: heard.because,
            filler: false,
        };
        self.record = Some((stamped, Some(place), further + u32::from(message == 0)));
        match self.drafts.get_mut(place) {
            Some(older) => *older = draft,
            None => self.drafts.push(draft),
        }
        self.previous = None;
    }

    /// Where a new draft goes: the end, the place of older traffic of the same connection once
    /// there is much of it, or nowhere. Counts what is lost.
    fn room(&mut self, says: Says, ids: &[Id]) -> Option<usize> {
        let end = self.drafts.len();
        let traffic = matches!(says, Says::Alive | Says::Request | Says::Word);
        if !traffic {
            self.turned = end;
        } else if end >= MANY {
            let mut hasher = DefaultHasher::new();
            ids.hash(&mut hasher);
            let whose = hasher.finish();
            // Only what came after the last opening or ending is still the same connection's.
            if let Some(at) = self.latest.get(&whose).copied().filter(|at| *at > self.turned) {
                self.tally.dropped_alive += 1;
                return Some(at);
            }
            self.latest.insert(whose, end);
        }
        if end >= MOST {
            self.tally.dropped += 1;
            return None;
        }
        Some(end)
    }

    /// Before an end: keeps the line before it, which may be the last sign of life.
    fn fill(&mut self, says: Says) {
        if !matches!(says, Says::Ended | Says::Attempt) || self.drafts.len() >= MANY {
            return;
        }
        let Some(previous) = self.previous.take() else { return };
        let text = String::from_utf8_lossy(&previous.text);
        self.drafts.push(Draft {
            line: previous.line,
            when: previous.when,
            says: Says::Alive,
            words: vec!["other-line"],
            ids: Vec::new(),
            stated: Stated::default(),
            text: quote(&text),
            template: u32::MAX,
            because: Because::Lexicon,
            filler: true,
        });
    }

    /// A line that says nothing of a connection: it is the line before, or the record goes on.
    fn remember(&mut self, line: &[u8], when: Option<When>) {
        match when {
            Some(when) => {
                self.tally.others += 1;
                let text = line.get(..line.len().min(QUOTE)).unwrap_or_default();
                match &mut self.previous {
                    Some(p) => {
                        (p.line, p.when) = (self.tally.lines, when);
                        p.text.clear();
                        p.text.extend_from_slice(text);
                    }
                    empty => {
                        let line = self.tally.lines;
                        *empty = Some(Previous { line, when, text: text.to_vec() });
                    }
                }
            }
            None => {
                if let Some((_, _, further)) = &mut self.record {
                    *further = further.saturating_add(1);
                }
            }
        }
    }

    /// Ends the reading.
    pub(super) fn finish(mut self) -> Gathered {
        let bare_log = self.drafts.is_empty() || self.bare.len() as u64 * 10 > self.tally.lines * 8;
        if bare_log {
            self.take_bare();
        }
        // Traffic that took an older line's place stands before lines it came after.
        self.drafts.sort_by_key(|d| d.line);
        self.drop_twins();
        let settled = self.dial.settle();
        let span = wider(self.earlier, self.low.zip(self.high));
        let span = span.map(|(a, b)| (settled.moment(a), settled.moment(b)));
        let span = span.map(|(a, b)| (a.min(b), a.max(b)));
        let mut notes = self.dial.notes();
        notes.extend(span.and_then(|span| self.dial.unseen_change(span)));
        self.tally.notes(&mut notes);
        let resolution_ns = match (self.seconds, self.fraction) {
            (false, _) => 60_000_000_000,
            (_, false) => 1_000_000_000,
            _ => 10i64.pow(9 - u32::from(self.digits.min(9))),
        };
        Gathered {
            drafts: self.drafts,
            templates: self.templates,
            settled,
            lines: self.tally.lines,
            stamped: self.tally.stamped,
            others: self.tally.others,
            span,
            resolution_ns,
            zone_assumed: self.dial.zone_assumed(),
            notes,
            options: self.options,
        }
    }

    /// In a log that has its lines twice (two handlers, two collectors) the second ones go.
    fn drop_twins(&mut self) {
        let twin = |a: &Draft, b: &Draft| {
            a.when == b.when && a.text == b.text && a.says == b.says && b.line <= a.line + 3
        };
        let pairs = self.drafts.iter().zip(self.drafts.iter().skip(1));
        let twins = pairs.filter(|(a, b)| twin(a, b)).count();
        // Two connections may end in one second with the same words now and then.
        if twins < 3 || twins * 20 < self.drafts.len() * 9 {
            return;
        }
        self.drafts.dedup_by(|b, a| twin(a, b));
        self.tally.twins += twins as u64;
    }

    /// Stamps alone on their lines are a list of endings.
    fn take_bare(&mut self) {
        let template = self.templates.number("a bare time stamp");
        for (line, when) in std::mem::take(&mut self.bare) {
            self.drafts.push(Draft {
                line,
                when,
                says: Says::Ended,
                words: vec!["bare-stamp"],
                ids: Vec::new(),
                stated: Stated::default(),
                text: String::from("(a time stamp)"),
                template,
                because: Because::Bare,
                filler: false,
            });
        }
    }
}

impl Tally {
    /// One sentence for each thing left out.
    fn notes(&self, notes: &mut Vec<String>) {
        let mut say = |n: u64, what: &str| {
            if n > 0 {
                notes.push(format!("{n} {what}"));
            }
        };
        say(self.timeless, "lines speak of a connection but carry no time");
        say(self.long, "lines are longer than 16 KiB: only their beginning was read");
        say(self.nul, "lines hold NUL bytes, which were left out");
        say(self.bad_text, "lines are not valid UTF-8");
        say(
            self.dropped_alive,
            "lines of traffic gave way to later ones (there are too many to keep)",
        );
        say(
            self.replies.saturating_sub(REPLIES),
            "access lines tell of a reply and nothing more: they were counted, not kept",
        );
        say(self.twins, "lines stand twice to the letter and the stamp: they count once");
        say(self.dropped, "lines about connections were not kept (too many)");
    }
}

/// What holds both spans.
fn wider(a: Option<(When, When)>, b: Option<(When, When)>) -> Option<(When, When)> {
    let (Some((a_low, a_high)), Some((b_low, b_high))) = (a, b) else { return a.or(b) };
    let low = if order(b_low) < order(a_low) { b_low } else { a_low };
    let high = if order(b_high) >= order(a_high) { b_high } else { a_high };
    Some((low, high))
}

/// Comparable within one kind of stamp; kinds mix only in files that mix them.
fn order(when: When) -> (i64, i64) {
    match when {
        When::Known(ns) | When::Uptime(ns) | When::Daily(ns) => (0, ns),
        When::Yearly(turn, month, day, ns) => {
            ((i64::from(turn) * 16 + i64::from(month)) * 32 + i64::from(day), ns)
        }
    }
}

/// Whether a line holds a stamp and nothing else to speak of.
fn is_bare(line: &[u8], stamp: &Stamp) -> bool {
    let before = line.get(..stamp.start).unwrap_or_default();
    let after = line.get(stamp.end..).unwrap_or_default();
    before.iter().chain(after).all(|b| !b.is_ascii_alphanumeric() && *b < 0x80)
}

/// Adds what a further line of a record says to the record's event.
fn merge(draft: &mut Draft, heard: &Heard, line: &[u8]) {
    for word in &heard.words {
        if !draft.words.contains(word) {
            draft.words.push(word);
        }
    }
    if heard.says > draft.says && heard.says != Says::Reopened {
        draft.says = heard.says;
        draft.because = heard.because;
    }
    let more = stated(&String::from_utf8_lossy(line));
    draft.stated.age = draft.stated.age.or(more.age);
    draft.stated.idle = draft.stated.idle.or(more.idle);
    draft.stated.limit = draft.stated.limit.or(more.limit);
}

/// The message of a JSON line, under the keys loggers use for it.
fn json_message(line: &[u8]) -> Option<Cow<'_, str>> {
    const KEYS: [&[u8]; 6] = [b"msg", b"message", b"MESSAGE", b"log", b"event", b"@m"];
    let field = fields(line).take(64).find(|f| KEYS.contains(&f.key))?;
    let Value::Text(text) = field.value else { return None };
    Some(String::from_utf8_lossy(text))
}

/// The first bytes of a line, cut between characters.
fn quote(text: &str) -> String {
    let mut end = text.len().min(QUOTE);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.get(..end).unwrap_or_default().to_string()
}

/// A line without NULs and ANSI sequences (ECMA-48 CSI: ESC [ parameters, final byte @ to ~).
fn without_escapes(line: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(line.len());
    let mut rest = line.iter().copied().peekable();
    while let Some(byte) = rest.next() {
        match byte {
            0 => {}
            0x1b => {
                if rest.next_if_eq(&b'[').is_some() {
                    for parameter in rest.by_ref() {
                        if (0x40..=0x7e).contains(&parameter) {
                            break;
                        }
                    }
                }
            }
            other => out.push(other),
        }
    }
    out
}
