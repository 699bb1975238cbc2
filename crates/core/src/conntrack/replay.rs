//! A capture through the table: packets in order of time become lines of a replay.
//!
//! The capture is taken for what arrives at the box. A packet seen at several places is judged
//! once; a copy that leaves the box translated is judged as it arrived. Refused: fragments, which
//! the kernel puts together first, and checksums, which a capture on the sending host or behind
//! receive offload shows wrong (unless asked for).

use std::collections::HashMap;

use super::entry::{Counters, Entry, Proto, Status, TcpFlow, half_flag};
use super::hash::{Fold, Quick};
use super::judged::{Event, Judged, Verdict};
use super::packet::{Body, Checksum, Packet, Tuple, flag, proto};
use super::read::{Unreadable, read};
use super::record::{Line, Record, TimerRecord};
use super::settings::Settings;
use super::state::State;
use super::table::Table;
use super::version::Kernel;
use crate::capture::{self, LinkType};
use crate::dump::conntrack as dump;
use crate::time::{Gap, Moment};
use crate::wire::ip_packet;
use std::hash::Hasher;

/// Sightings of one packet are no further apart; a power of two of them is remembered.
const APART_MAX: Gap = Gap::from_millis(500);
const SIGHTINGS: usize = 4096;

/// What became of the packets that were read.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Tally {
    /// Packets of the capture.
    pub packets: u64,
    /// Judged by the table.
    pub judged: u64,
    /// Without IP.
    pub not_ip: u64,
    /// Fragments.
    pub fragments: u64,
    /// Too little kept of their headers.
    pub cut_short: u64,
    /// Seen before at another place.
    pub seen_again: u64,
    /// Copies that leave translated.
    pub leaving: u64,
    /// Wrong transport checksums, not held against the packets.
    pub bad_checksums: u64,
    /// TCP flows whose first packet is no SYN.
    pub midstream: u64,
    /// Stamped earlier than the packet before, and taken as simultaneous with it.
    pub backwards: u64,
    /// INVALID.
    pub invalid: u64,
    /// Passed without effect.
    pub ignored: u64,
}

/// What was taken of a start state.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Taken {
    /// Entries put into the table.
    pub entries: u64,
    /// Entries that were already over when the capture began.
    pub over: u64,
    /// Lines of protocols or states the model does not know, and tuples that were taken.
    pub skipped: u64,
}

/// One packet that the table saw.
#[derive(Clone, Copy, Debug)]
pub struct Sight {
    /// Its ends as the capture shows them.
    pub arrived: Tuple,
    /// Its ends as it arrives at the box.
    pub tuple: Tuple,
    /// Its TCP flags; 0 for other protocols.
    pub flags: u8,
    /// The table's answer.
    pub judged: Judged,
    /// An earlier packet of the flow met another fate than when the capture was taken.
    pub simulated: bool,
}

/// A replay under way.
#[derive(Clone, Debug)]
pub struct Replay {
    table: Table,
    /// The same under the settings the capture was taken with, for a what-if.
    as_it_was: Option<Table>,
    /// Flows whose fate differs between the two.
    parted: HashMap<Tuple, (), Quick>,
    /// TCP flows met so far, by one of their tuples.
    met: HashMap<Tuple, (), Quick>,
    /// As translated flows leave, to as they arrive.
    leaving: HashMap<Tuple, Tuple, Quick>,
    /// Tuples that more than one translated flow leaves with.
    copies: HashMap<Tuple, (), Quick>,
    /// Tuples as translated flows arrive, and whether the capture shows them doing so.
    arriving: HashMap<Tuple, bool, Quick>,
    sightings: Box<[Sighting]>,
    verify_checksums: bool,
    tally: Tally,
    last: Option<Moment>,
}

#[derive(Clone, Copy, Debug)]
struct Sighting {
    digest: u64,
    place: u64,
    at: Moment,
}

impl Replay {
    /// An empty table with these settings and the rules of this kernel.
    pub fn new(settings: Settings, kernel: Kernel) -> Self {
        let never = Sighting { digest: 0, place: 0, at: Moment::from_ns(i64::MIN) };
        Self {
            table: Table::new(settings, kernel.rules()),
            as_it_was: None,
            parted: HashMap::default(),
            met: HashMap::default(),
            leaving: HashMap::default(),
            copies: HashMap::default(),
            arriving: HashMap::default(),
            sightings: vec![never; SIGHTINGS].into_boxed_slice(),
            verify_checksums: false,
            tally: Tally::default(),
            last: None,
        }
    }

    /// The settings are a what-if; the capture was taken under these.
    #[must_use]
    pub fn taken_under(mut self, settings: Settings) -> Self {
        if settings != self.table.settings {
            self.as_it_was = Some(Table::new(settings, *self.table.rules()));
        }
        self
    }

    /// Wrong checksums count, as for a box whose network card verifies none.
    #[must_use]
    pub fn verifying_checksums(mut self) -> Self {
        self.verify_checksums = true;
        self
    }

    /// Begins with the entries of a dump that was taken at `taken_at`, for a capture that begins
    /// at `begins`.
    ///
    /// A dump tells neither windows nor their scales: both directions are initialised again by
    /// their next packets, and window verdicts are waived, as for a flow taken up mid-stream.
    pub fn start_from(
        &mut self,
        entries: &[dump::Entry],
        taken_at: Moment,
        begins: Moment,
    ) -> Taken {
        let mut taken = Taken::default();
        for told in entries {
            let Some(entry) = entry_of(told, taken_at) else {
                taken.skipped += 1;
                continue;
            };
            if entry.expires <= begins && !entry.status.offload {
                taken.over += 1;
            } else if self.table.insert(entry) {
                if let Some(other) = &mut self.as_it_was {
                    other.insert(entry);
                }
                taken.entries += 1;
                self.met.insert(flow_of(&entry.original), ());
                self.remember_translation(&entry);
            } else {
                taken.skipped += 1;
            }
        }
        taken
    }

    fn remember_translation(&mut self, entry: &Entry) {
        self.translate(entry.original, entry.reply);
    }

    /// Makes a translation known, as a dump tells it: packets of `original` are answered as
    /// `reply`. Copies that leave translated are then told from packets that arrive.
    pub fn translate(&mut self, original: Tuple, reply: Tuple) {
        let (Some(back), Some(out)) = (original.inverse(), reply.inverse()) else { return };
        if back == reply {
            return;
        }
        // Ends that several flows left with in turn: such a packet is one's copy, whosever it is.
        if self.leaving.insert(out, original).is_some_and(|other| other != original) {
            self.copies.insert(out, ());
        }
        self.leaving.insert(back, reply);
        self.arriving.insert(original, false);
        self.arriving.insert(reply, false);
        self.table.translate(original, reply);
        if let Some(other) = &mut self.as_it_was {
            other.translate(original, reply);
        }
    }

    /// The table as it stands.
    pub const fn table(&self) -> &Table {
        &self.table
    }

    /// What became of the packets so far.
    pub const fn tally(&self) -> &Tally {
        &self.tally
    }

    /// Whether some packet met another fate than under the settings the capture was taken with.
    pub fn has_parted(&self) -> bool {
        !self.parted.is_empty()
    }

    /// Judges one packet of the capture; `file` tells captures read together apart. Lines are
    /// appended: the timers that ran out before it, and the packet if the table sees it.
    pub fn packet(&mut self, captured: &capture::Packet<'_>, file: usize, lines: &mut Vec<Line>) {
        self.told(captured, file, (true, lines));
    }

    /// The same with the lines that matter alone ([`Line::matters`]): far quicker.
    pub fn what_matters(
        &mut self,
        captured: &capture::Packet<'_>,
        file: usize,
        lines: &mut Vec<Line>,
    ) {
        self.told(captured, file, (false, lines));
    }

    fn told(
        &mut self,
        captured: &capture::Packet<'_>,
        file: usize,
        (all, lines): (bool, &mut Vec<Line>),
    ) {
        let Some(sight) = self.judge(captured, file) else { return };
        lines.extend(self.table.drain_events().map(|e| Line::Timer(TimerRecord::from(&e))));
        if !all && !sight.judged.matters() {
            return;
        }
        let rules = self.table.rules();
        let (number, at) = (captured.number, captured.at);
        let mut record = Record::of(number, at, sight.arrived, &sight.judged, rules);
        record.simulated = sight.simulated;
        lines.push(Line::Packet(Box::new(record)));
    }

    /// Judges one packet and tells no lines; `None` if the table does not see it. What ended until
    /// then is for [`Replay::drain_events`].
    pub fn judge(&mut self, captured: &capture::Packet<'_>, file: usize) -> Option<Sight> {
        self.tally.packets += 1;
        let Some(ip) = ip_of(captured) else {
            self.tally.not_ip += 1;
            return None;
        };
        if self.seen_again(captured, ip, file) {
            self.tally.seen_again += 1;
            return None;
        }
        let mut packet = self.read(ip)?;
        let arrived = packet.tuple;
        if !self.as_it_arrives(&mut packet) {
            self.tally.leaving += 1;
            return None;
        }
        if self.last.is_some_and(|last| captured.at < last) {
            self.tally.backwards += 1;
        }
        self.last = self.last.max(Some(captured.at));
        let (judged, simulated) = self.both(captured.at, &packet);
        self.tally.judged += 1;
        self.tally.invalid += u64::from(judged.verdict == Verdict::Invalid);
        self.tally.ignored += u64::from(judged.verdict == Verdict::Ignore);
        let flags = if let Body::Tcp(tcp) = &packet.body { tcp.flags } else { 0 };
        if judged.created || judged.entry.is_none() {
            self.note_midstream(&packet);
        }
        Some(Sight { arrived, tuple: packet.tuple, flags, judged, simulated })
    }

    fn read(&mut self, ip: &[u8]) -> Option<Packet> {
        match read(ip) {
            Ok(mut packet) => {
                if packet.checksum == Checksum::Bad {
                    self.tally.bad_checksums += 1;
                    if !self.verify_checksums {
                        packet.checksum = Checksum::NotChecked;
                    }
                }
                Some(packet)
            }
            Err(why) => {
                match why {
                    Unreadable::NotIp => self.tally.not_ip += 1,
                    Unreadable::Fragment => self.tally.fragments += 1,
                    Unreadable::CutShort => self.tally.cut_short += 1,
                }
                None
            }
        }
    }

    /// Moves time on to `at`; what ends until then is for [`Replay::drain_events`].
    pub fn advance_quietly(&mut self, at: Moment) {
        self.table.advance_to(at);
    }

    /// What has ended since it was last asked, in order of time.
    pub fn drain_events(&mut self) -> std::vec::Drain<'_, Event> {
        self.table.drain_events()
    }

    /// Moves time on to `at` and appends the timers that run out until then.
    pub fn advance_to(&mut self, at: Moment, lines: &mut Vec<Line>) {
        self.table.advance_to(at);
        lines.extend(self.table.drain_events().map(|e| Line::Timer(TimerRecord::from(&e))));
    }

    /// The table's answer, and whether the ends would have acted otherwise by now.
    fn both(&mut self, at: Moment, packet: &Packet) -> (Judged, bool) {
        let judged = self.table.packet(at, packet);
        let Some(other) = &mut self.as_it_was else { return (judged, false) };
        let was = other.packet(at, packet);
        other.drain_events();
        let flow = flow_of(&packet.tuple);
        let simulated = self.parted.contains_key(&flow);
        if fate(&was) != fate(&judged) {
            self.parted.insert(flow, ());
        }
        (judged, simulated)
    }

    /// The tuple it arrives with, where the capture shows it leaving; false if it was seen
    /// arriving.
    fn as_it_arrives(&mut self, packet: &mut Packet) -> bool {
        if self.leaving.is_empty() {
            return true;
        }
        if let Some(seen) = self.arriving.get_mut(&packet.tuple) {
            *seen = true; // from now on what leaves is a copy
            return true;
        }
        match self.leaving.get(&packet.tuple) {
            Some(_) if self.copies.contains_key(&packet.tuple) => false,
            Some(arriving) if self.arriving.get(arriving) == Some(&true) => false,
            Some(arriving) => {
                packet.tuple = *arriving;
                true
            }
            None => true,
        }
    }

    /// For a packet that made its entry, or met none: only such can be the first of its flow.
    fn note_midstream(&mut self, packet: &Packet) {
        let Body::Tcp(tcp) = &packet.body else { return };
        let new = self.met.insert(flow_of(&packet.tuple), ()).is_none();
        if new && !tcp.has(flag::SYN) {
            self.tally.midstream += 1;
        }
    }

    fn seen_again(&mut self, captured: &capture::Packet<'_>, ip: &[u8], file: usize) -> bool {
        let head = captured.bytes.len() - ip.len().min(captured.bytes.len());
        let mut place = Fold::default();
        place.write(captured.bytes.get(..head).unwrap_or_default());
        place.write_u64(u64::from(captured.interface) << 32 | file as u64);
        let (digest, place) = (digest_of(ip), place.finish());
        let Some(slot) = self.sightings.get_mut(digest as usize % SIGHTINGS) else { return false };
        let same = slot.digest == digest && captured.at.since(slot.at).abs() <= APART_MAX;
        if same && slot.place != place {
            return true;
        }
        *slot = Sighting { digest, place, at: captured.at };
        false
    }
}

/// The IP packet; plain Ethernet, which most captures are, takes the short way.
fn ip_of<'a>(captured: &capture::Packet<'a>) -> Option<&'a [u8]> {
    const ETHERNET: LinkType = LinkType(1);
    if captured.link == ETHERNET
        && captured.fcs_bytes == 0
        && let Some(([.., 0x08, 0x00] | [.., 0x86, 0xdd], ip)) =
            captured.bytes.split_first_chunk::<14>()
    {
        return Some(ip);
    }
    ip_packet(captured)
}

/// What the ends notice of a verdict: whether the packet went through, and as whose.
fn fate(judged: &Judged) -> (bool, Tuple) {
    (matches!(judged.verdict, Verdict::Invalid | Verdict::Drop), judged.leaves_as)
}

/// One tuple for both directions.
fn flow_of(tuple: &Tuple) -> Tuple {
    match tuple.inverse() {
        Some(inverse) if (inverse.src, inverse.sport) < (tuple.src, tuple.sport) => inverse,
        _ => *tuple,
    }
}

/// Everything its sender wrote and no router changes, as far as headers usually reach: the
/// transport checksum stands among them and speaks for the rest.
fn digest_of(ip: &[u8]) -> u64 {
    // Bytes that routers change: class and hop limit, and in IPv4 the header's checksum.
    const V4: ([u64; 2], usize) = ([!0xff00, !0xffff_00ff], 7);
    const V6: ([u64; 2], usize) = ([!(0xff << 56), !0], 9);
    let ([first, second], most) = if ip.first().is_some_and(|b| b >> 4 == 4) { V4 } else { V6 };
    let mut hasher = Fold::default();
    let (words, rest) = ip.as_chunks::<8>();
    for (n, word) in words.iter().take(most).enumerate() {
        let mask = if n == 0 {
            first
        } else if n == 1 {
            second
        } else {
            !0
        };
        hasher.write_u64(u64::from_le_bytes(*word) & mask);
    }
    if words.len() < most {
        hasher.write(rest);
    }
    hasher.write_u64(ip.len() as u64);
    hasher.finish() | 1
}

/// An entry as a dump tells of it; `None` for what the model does not know.
fn entry_of(told: &dump::Entry, taken_at: Moment) -> Option<Entry> {
    let number = match told.protocol.as_str() {
        "tcp" => proto::TCP,
        "udp" => proto::UDP,
        _ => return None,
    };
    let tuple = |t: &dump::Tuple| Tuple {
        src: t.src,
        dst: t.dst,
        sport: t.sport,
        dport: t.dport,
        proto: number,
    };
    let original = tuple(&told.original);
    let reply = told.reply.as_ref().map(tuple).or_else(|| original.inverse())?;
    let proto = match number {
        proto::TCP => {
            let mut flow = TcpFlow { state: state_of(told)?, ..TcpFlow::default() };
            for half in [&mut flow.original, &mut flow.reply] {
                half.flags = half_flag::BE_LIBERAL | half_flag::SACK_PERM;
            }
            Proto::Tcp(flow)
        }
        _ => Proto::Udp { stream_from: taken_at },
    };
    // Timers of offloaded entries are not printed; the flowtable keeps pushing them out by a day.
    let untold = if told.offloaded { 86_400 } else { 0 };
    let remaining = i64::try_from(told.remaining_s.unwrap_or(untold)).ok()?;
    Some(Entry {
        id: 0,
        original,
        reply,
        status: Status {
            seen_reply: !told.unreplied,
            assured: told.assured,
            fixed_timeout: false,
            offload: told.offloaded,
        },
        expires: taken_at.plus(Gap::from_secs(remaining)),
        counted_original: Counters::default(),
        counted_reply: Counters::default(),
        proto,
        queued_for: taken_at,
    })
}

/// Offloaded entries print no state; they are established.
fn state_of(told: &dump::Entry) -> Option<State> {
    match &told.tcp_state {
        Some(name) => State::named(name),
        None if told.offloaded => Some(State::Established),
        None => None,
    }
}
