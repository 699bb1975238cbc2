//! Finds the stamps of a log one after the other. Lines of one writer look alike: a stamp is looked
//! for first where the last line had its own, and of a date and a minute seen before only what
//! follows is read. Refuses to let that change what is found at the place (a test compares).

use super::super::scan::Scan;
use super::{
    Day, Minute, REACH, Stamp, date, finish, json, search, starts_token, strong_at, time, zone,
};

/// Bytes of a date and a time up to its minutes that are remembered.
const HEAD: usize = 40;

/// Bytes of a zone that are remembered, with the one that ends it.
const TAIL: usize = 12;

/// Beginnings of JSON lines that are remembered.
const FRONTS: usize = 4;

/// Remembers how the last lines began.
#[derive(Clone, Debug)]
pub(crate) struct Finder {
    /// Where the last stamp began.
    last: Place,
    /// The last stamp's date and minute.
    minute: Option<Known>,
    quiet: Quiet,
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

/// A date and the time up to its minutes, as written and as read, and what followed the seconds.
#[derive(Clone, Copy, Debug)]
struct Known {
    text: Short<HEAD>,
    day: Day,
    minute: Minute,
    /// Nanoseconds of the day at which the minute begins.
    ns: i64,
    /// The zone as written, with the byte that ended it; empty where none was.
    tail: Short<TAIL>,
    zone: Option<i32>,
}

/// A few bytes.
#[derive(Clone, Copy, Debug)]
struct Short<const N: usize> {
    bytes: [u8; N],
    len: usize,
}

impl<const N: usize> Short<N> {
    /// These bytes, if they are few enough.
    fn new(text: &[u8]) -> Option<Self> {
        let mut bytes = [0; N];
        bytes.get_mut(..text.len())?.copy_from_slice(text);
        Some(Self { bytes, len: text.len() })
    }

    /// Whether they stand at the beginning of `text`.
    fn begins(&self, text: &[u8]) -> bool {
        let Some(known) = self.bytes.get(..self.len) else { return false };
        let Some(text) = text.get(..self.len) else { return false };
        // Dates are short: the first and the last eight bytes are all there is.
        match (known.first_chunk::<8>(), text.first_chunk::<8>()) {
            (Some(a), Some(b)) if self.len <= 16 => {
                a == b && known.last_chunk::<8>() == text.last_chunk::<8>()
            }
            _ => known == text,
        }
    }
}

/// What stood behind stamps that ended there, eight bytes each; the oldest is replaced.
#[derive(Clone, Debug)]
struct Quiet {
    known: [u64; FRONTS],
    oldest: usize,
}

impl Default for Quiet {
    fn default() -> Self {
        // One that ends a time, so that nothing wrong is known.
        Self { known: [u64::from_le_bytes([b']'; 8]); FRONTS], oldest: 0 }
    }
}

impl Quiet {
    /// Whether nothing that belongs to a time can follow; remembers the answer for these bytes.
    fn ends_here(&mut self, rest: &[u8]) -> bool {
        // More of them are not looked at.
        let Some(eight) = rest.first_chunk().map(|eight| u64::from_le_bytes(*eight)) else {
            return ends_here(rest);
        };
        if self.known.contains(&eight) {
            return true;
        }
        let ends = ends_here(rest);
        if ends && let Some(slot) = self.known.get_mut(self.oldest) {
            *slot = eight;
            self.oldest = (self.oldest + 1) % FRONTS;
        }
        ends
    }
}

impl Finder {
    /// Nothing seen yet. A `thorough` one reads every stamp from its first byte.
    pub(crate) fn new(thorough: bool) -> Self {
        let fronts = std::array::from_fn(|_| Vec::new());
        Self {
            last: Place::Unknown,
            minute: None,
            quiet: Quiet::default(),
            fronts,
            oldest: 0,
            thorough,
        }
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
    fn known_minute(&mut self, line: &[u8], at: usize) -> Option<Stamp> {
        let known = self.minute.as_ref().filter(|_| !self.thorough)?;
        if !known.text.begins(line.get(at..)?) {
            return None;
        }
        let after = at + known.text.len;
        if let Some((ns, digits, end)) = seconds(line, after) {
            let rest = line.get(end..)?;
            let zoned = known.tail.len > 0 && known.tail.begins(rest);
            if zoned || self.quiet.ends_here(rest) {
                return Some(Stamp {
                    day: known.day,
                    ns: known.ns + ns,
                    zone: known.zone.filter(|_| zoned),
                    digits: Some(digits),
                    start: at,
                    end: if zoned { end + known.tail.len - 1 } else { end },
                    minute: Some(Minute { end: after, ..known.minute }),
                });
            }
        }
        let start = Scan::new(line, at);
        let mut s = Scan::new(line, after);
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
        let Some(text) = Short::new(head) else { return };
        let ns = (i64::from(minute.hour) * 3600 + i64::from(minute.minute) * 60) * 1_000_000_000;
        let (zone, day) = (stamp.zone, stamp.day);
        let tail = Short { bytes: [0; TAIL], len: 0 };
        let mut known = Known { text, day, minute, ns, tail, zone };
        known.tail = zone_after(line, stamp, &known).unwrap_or(tail);
        self.minute = Some(known);
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

/// The zone behind a stamp's seconds, and the byte that ends it: what reads it looks no further.
fn zone_after(line: &[u8], stamp: &Stamp, known: &Known) -> Option<Short<TAIL>> {
    let (ns, digits, end) = seconds(line, known.minute.end)?;
    // Halves of the day and years that stand behind the time move it.
    let plain = known.ns + ns == stamp.ns && Some(digits) == stamp.digits && !known.minute.trails;
    let ends = matches!(line.get(stamp.end)?, b' ' | b']' | b'"' | b'|' | b';' | b')');
    let tail = line.get(end..=stamp.end)?;
    // A bare hour behind a space is a zone by what follows it: that is read each time.
    let by_what_follows = tail.len() == 5 && matches!(tail, [b' ', b'+' | b'-', ..]);
    Short::new(tail).filter(|_| plain && ends && !by_what_follows && stamp.zone.is_some())
}

/// Seconds and their fraction at `at`: nanoseconds, digits of the fraction, where they end. What
/// is less plain is `None`.
fn seconds(line: &[u8], at: usize) -> Option<(i64, u8, usize)> {
    let [colon, tens, ones, rest @ ..] = line.get(at..)? else { return None };
    let (tens, ones) = (tens.wrapping_sub(b'0'), ones.wrapping_sub(b'0'));
    if *colon != b':' || tens > 5 || ones > 9 {
        return None;
    }
    let secs = i64::from(tens * 10 + ones) * 1_000_000_000;
    let [b'.' | b',', rest @ ..] = rest else { return Some((secs, 0, at + 3)) };
    let (mut fraction, mut digits) = (0u32, 0u8);
    for byte in rest {
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 {
            break;
        }
        if digits == 9 {
            return None;
        }
        fraction = fraction * 10 + u32::from(digit);
        digits += 1;
    }
    if digits == 0 {
        return Some((secs, 0, at + 3));
    }
    let unit = UNITS.get(usize::from(digits)).copied().unwrap_or(0);
    Some((secs + i64::from(fraction) * unit, digits, at + 4 + usize::from(digits)))
}

/// Nanoseconds of the last digit of a fraction, by how many it has.
const UNITS: [i64; 10] =
    [0, 100_000_000, 10_000_000, 1_000_000, 100_000, 10_000, 1_000, 100, 10, 1];

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
