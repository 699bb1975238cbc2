//! Finds the stamps of a log one after the other. Lines of one writer look alike: a stamp is looked
//! for first where the last line had its own, and of a date and a minute seen before only what
//! follows is read. Refuses to let that change what is found at the place (a test compares).

use super::super::scan::Scan;
use super::{
    Day, Minute, REACH, Stamp, date, finish, json, search, starts_token, strong_at, time, zone,
};

/// Bytes of a date and a time up to its minutes that are remembered.
const HEAD: usize = 40;

/// Beginnings of JSON lines that are remembered.
const FRONTS: usize = 4;

/// Remembers how the last lines began.
#[derive(Clone, Debug)]
pub(crate) struct Finder {
    /// Where the last stamp began.
    last: Place,
    /// The last stamp's date and minute.
    minute: Option<Known>,
    /// How JSON lines began up to their stamps; the oldest is replaced.
    fronts: [Vec<u8>; FRONTS],
    oldest: usize,
    /// Whether dates seen before are read again all the same.
    thorough: bool,
}

/// Where a stamp is looked for first.
#[derive(Clone, Copy, Debug)]
enum Place {
    /// Nowhere.
    Unknown,
    /// At a byte.
    At(usize),
    /// After the line's first bracket.
    Bracket,
}

/// A date and the time up to its minutes, as written and as read.
#[derive(Clone, Copy, Debug)]
struct Known {
    text: [u8; HEAD],
    len: usize,
    day: Day,
    minute: Minute,
}

impl Finder {
    /// Nothing seen yet. A `thorough` one reads every stamp from its first byte.
    pub(crate) fn new(thorough: bool) -> Self {
        let fronts = std::array::from_fn(|_| Vec::new());
        Self { last: Place::Unknown, minute: None, fronts, oldest: 0, thorough }
    }

    /// The stamp of `line`, if it has one.
    pub(crate) fn find(&mut self, line: &[u8]) -> Option<Stamp> {
        if line.first() == Some(&b'{') {
            return self.in_json(line);
        }
        if let Some(at) = self.expected(line)
            && starts_token(line, at)
        {
            if let Some(found) = self.known_minute(line, at) {
                return Some(found);
            }
            if let Some(found) = strong_at(line, at) {
                self.remember(line, &found);
                return Some(found);
            }
        }
        let found = search(line);
        self.last = Place::Unknown;
        if let Some(found) = &found {
            self.remember(line, found);
            let bracket = memchr::memchr(b'[', line).is_some_and(|b| b + 1 == found.start);
            self.last =
                if bracket && found.start > 1 { Place::Bracket } else { Place::At(found.start) };
        }
        found
    }

    /// Where this line's stamp should begin.
    fn expected(&self, line: &[u8]) -> Option<usize> {
        match self.last {
            Place::Unknown => None,
            Place::At(at) => Some(at),
            Place::Bracket => Some(memchr::memchr(b'[', line.get(..REACH).unwrap_or(line))? + 1),
        }
    }

    /// A stamp at `at` of the same date and minute as the last one.
    fn known_minute(&self, line: &[u8], at: usize) -> Option<Stamp> {
        let known = self.minute.as_ref().filter(|_| !self.thorough)?;
        let head = known.text.get(..known.len)?;
        if !line.get(at..)?.starts_with(head) {
            return None;
        }
        if let Some((ns, digits, end)) = plain_rest(line, at + known.len) {
            let Minute { hour, minute, .. } = known.minute;
            let ns = ns + (i64::from(hour) * 3600 + i64::from(minute) * 60) * 1_000_000_000;
            let minute = Some(Minute { end: at + known.len, ..known.minute });
            let (day, digits) = (known.day, Some(digits));
            return Some(Stamp { day, ns, zone: None, digits, start: at, end, minute });
        }
        let start = Scan::new(line, at);
        let mut s = Scan::new(line, at + known.len);
        let Minute { hour, minute, trails, .. } = known.minute;
        let clock = time::after_minute(&mut s, (hour, minute), false)?;
        Some(match known.day {
            Day::NoYear(month, day) if trails => date::trailing_year(start, s, (month, day), clock),
            day => finish(start, s, day, clock),
        })
    }

    /// Keeps a stamp's date and minute.
    fn remember(&mut self, line: &[u8], stamp: &Stamp) {
        self.minute = None;
        let dated = matches!(stamp.day, Day::Full(_) | Day::Either(..) | Day::NoYear(..));
        // Of a time without seconds this line's end says nothing about the next one's.
        let seconds = stamp.digits.is_some();
        let Some(minute) = stamp.minute.filter(|_| dated && seconds) else { return };
        let head = line.get(stamp.start..minute.end).unwrap_or_default();
        let mut text = [0; HEAD];
        let Some(slot) = text.get_mut(..head.len()) else { return };
        slot.copy_from_slice(head);
        self.minute = Some(Known { text, len: head.len(), day: stamp.day, minute });
    }

    /// The stamp of a JSON line: where a line that began alike had it, else the best of all values.
    fn in_json(&mut self, line: &[u8]) -> Option<Stamp> {
        let front = self.fronts.iter().find(|f| !f.is_empty() && line.starts_with(f));
        if let Some(front) = front
            && let Some(found) = json::stamp_at(line, front.len())
        {
            return Some(found);
        }
        let found = search(line)?;
        let front = line.get(..found.start).unwrap_or_default();
        if found.start <= HEAD
            && json::is_whole(line, &found)
            && json::stamp_at(line, found.start) == Some(found)
            && let Some(slot) = self.fronts.get_mut(self.oldest)
        {
            slot.clear();
            slot.extend_from_slice(front);
            self.oldest = (self.oldest + 1) % FRONTS;
        }
        Some(found)
    }
}

/// Seconds and their fraction at `at`, where neither half of the day nor zone nor year can follow:
/// nanoseconds, digits of the fraction, and where they end. What is less plain is `None`.
fn plain_rest(line: &[u8], at: usize) -> Option<(i64, u8, usize)> {
    let digit = |at: usize| line.get(at).map(|b| b.wrapping_sub(b'0')).filter(|d| *d < 10);
    let (tens, ones) = (digit(at + 1)?, digit(at + 2)?);
    if line.get(at) != Some(&b':') || tens > 5 {
        return None;
    }
    let mut ns = i64::from(tens * 10 + ones) * 1_000_000_000;
    let (mut end, mut digits) = (at + 3, 0);
    if matches!(line.get(end), Some(b'.' | b',')) && digit(end + 1).is_some() {
        end += 1;
        let mut unit = 100_000_000;
        while let Some(value) = digit(end) {
            if unit == 0 {
                return None;
            }
            ns += i64::from(value) * unit;
            unit /= 10;
            digits += 1;
            end += 1;
        }
    }
    ends_here(line.get(end..)?).then_some((ns, digits, end))
}

/// Whether nothing that belongs to a time can follow.
fn ends_here(rest: &[u8]) -> bool {
    let quiet = |b: u8| matches!(b, b'b'..=b'o' | b'q'..=b'y' | b'[' | b']' | b'(' | b'"' | b'<');
    match rest {
        [] => true,
        [b' ', level @ b'B'..=b'Z', ..] if *level != b'P' => {
            let name = rest.iter().skip(1).take(6).take_while(|b| b.is_ascii_uppercase()).count();
            rest.get(1..=name).is_some_and(|name| zone::east_of(name).is_none())
        }
        [b' ', next, ..] => quiet(*next),
        [next, ..] => matches!(next, b']' | b'"' | b'|' | b';'),
    }
}
