//! What is fuzzed: one function a reader, any bytes in, and the laws that must hold. Shared by the
//! targets in `fuzz/`, which a coverage-guided fuzzer drives, and by the bounded run of the tests,
//! which mutates seeds by dice.
//!
//! A function returns when the bytes were read and every law held; it panics otherwise.

mod deeds;
mod mutate;

pub use deeds::deeds;
pub use mutate::{Mutator, shrunk};

use hopclock_core::capture::{LinkType, Packet};
use hopclock_core::dump::rules::state::stateful;
use hopclock_core::dump::rules::{Hook, Rules, ask};
use hopclock_core::dump::{config, conntrack, header, notes, sysctl};
use hopclock_core::flow::{CaptureReader, CaptureReading};
use hopclock_core::log::{LogReader, Options};
use hopclock_core::time::Moment;
use hopclock_core::wire::{Dissector, Reading};

/// A target: its name and what it does with bytes.
pub type Target = (&'static str, fn(&[u8]));

/// Every target.
pub const TARGETS: [Target; 5] =
    [("capture", capture), ("wire", wire), ("deeds", deeds), ("dump", dump), ("log", log)];

/// Bytes taken one after the other; zeros when they are over.
#[derive(Clone, Debug)]
pub struct Taken<'a>(&'a [u8]);

impl<'a> Taken<'a> {
    /// From the first.
    pub fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    /// Nothing is left.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The next `N`.
    pub fn array<const N: usize>(&mut self) -> [u8; N] {
        let mut out = [0; N];
        let count = N.min(self.0.len());
        let (now, rest) = self.0.split_at(count);
        out.iter_mut().zip(now).for_each(|(place, byte)| *place = *byte);
        self.0 = rest;
        out
    }

    /// One byte.
    pub fn byte(&mut self) -> u8 {
        let [byte] = self.array();
        byte
    }

    /// Two bytes.
    pub fn short(&mut self) -> u16 {
        u16::from_le_bytes(self.array())
    }

    /// The next `count` bytes, or what is left of them.
    pub fn slice(&mut self, count: usize) -> &'a [u8] {
        let (now, rest) = self.0.split_at(count.min(self.0.len()));
        self.0 = rest;
        now
    }
}

fn read(file: &[u8], chunk: usize) -> CaptureReading {
    let mut reader = CaptureReader::new("fuzzed");
    for bytes in file.chunks(chunk) {
        reader.feed(bytes);
    }
    reader.finish()
}

/// A capture file, fed in chunks of a size the first byte chooses: the same file in other chunks
/// tells the same.
pub fn capture(data: &[u8]) {
    let Some((first, file)) = data.split_first() else { return };
    let whole = read(file, file.len().max(1));
    let parts = read(file, usize::from(*first) + 1);
    assert_eq!(whole.packets, parts.packets, "chunks change the packets");
    assert_eq!(whole.flows, parts.flows, "chunks change the connections");
    assert_eq!(whole.notes, parts.notes, "chunks change the notes");
    assert!(whole.segments <= whole.packets, "more segments than packets");
    let counted: u64 = whole
        .flows
        .iter()
        .map(|flow| {
            let record = &flow.record;
            record.packets.client
                + record.packets.server
                + record.seen_again.client
                + record.seen_again.server
        })
        .sum();
    assert_eq!(counted, whole.segments, "a segment counts once");
}

/// Link types that are read, and one that is not.
pub const LINKS: [u16; 30] = [
    1, 0, 108, 9, 50, 166, 204, 205, 51, 10, 11, 100, 6, 12, 101, 228, 104, 107, 206, 109, 113,
    117, 138, 276, 239, 105, 127, 119, 192, 9999,
];

/// Packets of any link type, one after another through one dissector: which of [`LINKS`], two bytes
/// of length, one of what the capture cut, then the packet.
pub fn wire(data: &[u8]) {
    let mut taken = Taken::new(data);
    let mut dissector = Dissector::new();
    let mut number = 0;
    while !taken.is_empty() {
        let (link, length, cut) = (taken.byte(), taken.short(), taken.byte());
        let link = LINKS.get(usize::from(link) % LINKS.len()).copied().unwrap_or(1);
        let bytes = taken.slice(usize::from(length));
        number += 1;
        let packet = Packet {
            number,
            at: Moment::from_secs(number.cast_signed()),
            stamped: true,
            link: LinkType(link),
            interface: 0,
            fcs_bytes: 0,
            bytes,
            wire_len: bytes.len() as u32 + u32::from(cut),
        };
        if let Reading::Segment(segment) = dissector.read(&packet, 0) {
            assert!(segment.payload <= 65_535 + packet.wire_len, "{segment:?}");
        }
    }
}

/// Text of a box: `conntrack -L`, `sysctl`, notes, and the line that says where it is from.
pub fn dump(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let (entries, skipped) = conntrack::read(&text);
    let lines = text.lines().count() as u64;
    assert!(entries.len() as u64 + skipped <= lines, "more entries than lines");
    let (settings, skipped) = sysctl::read(&text);
    assert!(settings.len() as u64 + skipped <= lines, "more settings than lines");
    let rules = Rules::read(&text);
    assert!(rules.rules().all(|(_, rule)| (1..=lines).contains(&rule.line)), "a line of none");
    let known = rules.filter(Hook::Forward, &segment(Some(16)));
    let unknown = rules.filter(Hook::Forward, &segment(None));
    let among = |does| unknown.iter().any(|other| other.does == does);
    assert!(!known.is_empty(), "a packet meets some fate");
    assert!(known.iter().all(|r| among(r.does)), "knowing more makes no outcome possible");
    assert!(stateful(&text).iter().all(|rule| !rule.text.is_empty()), "a rule of no words");
    notes::read(&text);
    header::Header::find(&text);
    configurations(&text);
}

/// A file of every program whose configuration is read, with an include that leads nowhere.
fn configurations(text: &str) {
    // YAML has one more way to end a line.
    let lines = text.matches(['\n', '\r']).count() + 1;
    let file = || config::File { path: "f".to_owned(), text: text.to_owned() };
    for read in [
        config::nginx::read(file(), &mut |_| Err("none".to_owned())),
        config::haproxy::read(&[file()]),
        config::envoy::read(vec![file()], &mut |_| Err("none".to_owned())),
    ] {
        for timer in read.timers {
            let inside = |at: config::Place| (1..=lines).contains(&at.line);
            assert!(timer.at.is_none_or(inside), "a line of none");
            assert!(timer.seconds.is_none_or(|s| s >= 0.0 && s.is_finite()), "no time");
        }
    }
}

/// A packet of which only the flags are known, or not even those.
fn segment(flags: Option<u8>) -> ask::Asked<'static> {
    let (iif, oif) = (None, None);
    let (src, dst, sport, dport, state) = (None, None, None, None, None);
    ask::Asked { v6: false, src, dst, sport, dport, protocol: Some(6), flags, state, iif, oif }
}

/// A log, fed in chunks of a size the first byte chooses; and the reader that takes short cuts held
/// against the one that takes none.
pub fn log(data: &[u8]) {
    let Some((first, file)) = data.split_first() else { return };
    let read = |chunk: usize| {
        let mut reader = LogReader::new(Options::default());
        file.chunks(chunk).for_each(|part| reader.feed(part));
        reader.finish()
    };
    let (whole, parts) = (read(file.len().max(1)), read(usize::from(*first) + 1));
    assert_eq!(whole.lines, parts.lines, "chunks change the lines");
    assert_eq!(whole.stamped, parts.stamped, "chunks change what has a time");
    assert!(whole.stamped <= whole.lines, "more lines with a time than lines");
    let mut thorough = LogReader::thorough(Options::default());
    thorough.feed(file);
    let (quick, thorough) = (format!("{whole:?}"), format!("{:?}", thorough.finish()));
    assert_eq!(quick, thorough, "short cuts change the reading");
    assert_eq!(quick, format!("{parts:?}"), "chunks change the reading");
}
