//! The table of connections: bounded, with the one silent for long giving way when it is full.

use super::again::{Look, Sighting, Sightings};
use super::elsewhere::NAMES_MAX;
use super::ends::{End, pair_hash};
use super::life::{Life, NOTES_MAX};
use super::sift::{Batch, Keys, Sifted, What};
use super::{Finished, How, IcmpNote, Mark, tell};
use crate::terms::Side;
use crate::time::{Gap, Moment};
use crate::wire::{IcmpError, Segment};
use hashbrown::HashTable;
use std::hint::black_box;
use std::net::SocketAddr;
use std::sync::Arc;

/// Connections kept at once when the caller names no other number.
pub const FLOWS_MAX: usize = 1_200_000;
/// Errors about one segment closer together than this are one, seen twice: a segment is not sent
/// again so soon (RFC 6298 §2.4; Linux waits 200 ms at least).
const SAME_ERROR: Gap = Gap::from_millis(50);
/// Segments looked up together before the first of them is taken: the caches of a processor fetch
/// for several at once what each would wait for alone.
const AHEAD: usize = 16;
/// How many are compared when one must give way.
const COMPARED: usize = 64;

/// Where a pair of ends leads: a connection, and by which of its names. Packed, since there is one
/// for each pair of ends.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Entry(u32);

/// More connections than this are never kept: their numbers fill the rest of an [`Entry`].
const SLOTS_MAX: usize = 1 << (32 - Entry::NAME_BITS);

impl Entry {
    const NAME_BITS: u32 = 3;

    fn new(slot: usize, name: u8) -> Self {
        Self((slot as u32) << Self::NAME_BITS | u32::from(name))
    }

    #[inline]
    fn slot(self) -> usize {
        (self.0 >> Self::NAME_BITS) as usize
    }

    #[inline]
    fn name(self) -> u8 {
        (self.0 & ((1 << Self::NAME_BITS) - 1)) as u8
    }
}

const _: () = assert!(NAMES_MAX < 1 << Entry::NAME_BITS);

/// All connections of one capture, in a bounded number.
#[derive(Debug)]
pub struct Table {
    lives: Vec<Life>,
    index: HashTable<Entry>,
    sightings: Sightings,
    most: usize,
    hand: usize,
    evicted: u64,
    /// Times the index changed.
    changes: u64,
    span: Option<(Moment, Moment)>,
    files: Arc<[String]>,
}

fn hash_in(lives: &[Life], entry: Entry) -> u64 {
    let ends = lives.get(entry.slot()).and_then(|life| life.ends_as(entry.name()));
    ends.map_or(0, |ends| ends.hash())
}

impl Table {
    /// An empty table for captures of these names that keeps at most `most` connections.
    pub fn new(files: Vec<String>, most: usize) -> Self {
        Self {
            lives: Vec::new(),
            index: HashTable::new(),
            sightings: Sightings::new(),
            most: most.clamp(1, SLOTS_MAX),
            hand: 0,
            evicted: 0,
            changes: 0,
            span: None,
            files: files.into(),
        }
    }

    /// Connections that gave way to others.
    pub fn evicted(&self) -> u64 {
        self.evicted
    }

    /// Connections kept.
    pub fn len(&self) -> usize {
        self.lives.len()
    }

    /// No connection was seen.
    pub fn is_empty(&self) -> bool {
        self.lives.is_empty()
    }

    /// The capture reaches to `at`, whatever the packet there was.
    #[inline]
    pub fn reach(&mut self, at: Moment) {
        let (first, last) = self.span.unwrap_or((at, at));
        self.span = Some((first.min(at), last.max(at)));
    }

    /// First and last moment of the capture.
    pub fn span(&self) -> Option<(Moment, Moment)> {
        self.span
    }

    /// Takes a segment seen in the file of this number. Gives back the connection that had to give
    /// way for it, if one did.
    pub fn push(&mut self, segment: &Segment, file: usize) -> Option<Finished> {
        let keys = Keys::of(segment);
        let known = self.find(keys.pair, &segment.src, &segment.dst);
        self.take(segment, file, keys, known)
    }

    /// Takes what was sifted, in order, and shows every connection that has to give way.
    pub fn fold(&mut self, batch: &Batch, gone: &mut dyn FnMut(Finished)) {
        for items in batch.items().chunks(AHEAD) {
            let mut ahead = [None; AHEAD];
            for (item, known) in items.iter().zip(&mut ahead) {
                *known = self.look_ahead(item);
            }
            let as_found = self.changes;
            for (item, known) in items.iter().zip(ahead) {
                let Sifted { what, file, keys, segment } = item;
                match what {
                    What::Segment => {
                        let known = match self.changes == as_found {
                            true => known,
                            false => self.find(keys.pair, &segment.src, &segment.dst),
                        };
                        let went = self.take(segment, *file as usize, *keys, known);
                        went.into_iter().for_each(&mut *gone);
                    }
                    What::Icmp(number) => {
                        batch.error(*number).into_iter().for_each(|error| self.push_icmp(error));
                    }
                    What::Reach => self.reach(segment.at),
                }
            }
        }
    }

    /// Finds a segment's connection, and brings near what will be asked of it.
    #[inline]
    fn look_ahead(&self, item: &Sifted) -> Option<Entry> {
        let Sifted { what: What::Segment, keys, segment, .. } = item else { return None };
        let near = self.sightings.touch(keys.digest);
        let known = self.find(keys.pair, &segment.src, &segment.dst);
        let life = known.and_then(|at| self.lives.get(at.slot()));
        black_box(near ^ life.map_or(0, Life::touch));
        known
    }

    fn take(
        &mut self,
        segment: &Segment,
        file: usize,
        keys: Keys,
        known: Option<Entry>,
    ) -> Option<Finished> {
        self.reach(segment.at);
        match self.sightings.look(segment, keys.digest) {
            Look::Again { first, passed } => {
                if let Some((at, life)) = self.life_at(known) {
                    let side = sender(life, segment, at.name());
                    life.files |= bit(file);
                    life.seen_again(segment, side, at.name());
                    if passed {
                        life.both_sided(first, side, at.name());
                    }
                    let came_in = life.enters(side) == at.name();
                    life.untranslated(side, i32::from(passed && came_in));
                    return None;
                }
            }
            Look::Translated { first, passed } => {
                if self.translated(segment, known, (&first, passed), file) {
                    return None;
                }
            }
            Look::New => {}
        }
        self.sightings.remember(segment, keys.digest);
        if let Some((at, life)) = self.life_at(known) {
            let side = sender(life, segment, at.name());
            if life.is_piece(segment, side) {
                life.files |= bit(file);
                life.seen_again(segment, side, at.name());
                return None;
            }
            if !life.is_another(segment, side) {
                life.files |= bit(file);
                life.push(segment, side, at.name());
                return None;
            }
        }
        self.begin(segment, file, keys.pair)
    }

    #[inline]
    fn life_at(&mut self, known: Option<Entry>) -> Option<(Entry, &mut Life)> {
        let at = known?;
        Some((at, self.lives.get_mut(at.slot())?))
    }

    #[inline]
    fn find(&self, hash: u64, src: &SocketAddr, dst: &SocketAddr) -> Option<Entry> {
        let fits = |entry: &Entry| {
            let life = self.lives.get(entry.slot());
            let ends = life.and_then(|life| life.ends_as(entry.name()));
            ends.is_some_and(|ends| ends.sender(src, dst).is_some())
        };
        self.index.find(hash, fits).copied()
    }

    /// Takes a segment that was seen before under other ends. False when that cannot be, as things
    /// are known: then it is a segment like any other.
    fn translated(
        &mut self,
        segment: &Segment,
        known: Option<Entry>,
        (first, passed): (&Sighting, bool),
        file: usize,
    ) -> bool {
        let (src, dst) = (SocketAddr::from(first.src), SocketAddr::from(first.dst));
        let Some(origin) = self.find(pair_hash(&src, &dst), &src, &dst) else {
            return false;
        };
        // A connection that began under these ends stays one of its own, unless it is over.
        let begun = known.filter(|at| at.name() == 0 && at.slot() != origin.slot());
        if let Some((at, life)) = self.life_at(begun) {
            let side = sender(life, segment, at.name());
            if !life.is_another(segment, side) {
                return false;
            }
        }
        let Some((_, life)) = self.life_at(Some(origin)) else {
            return false;
        };
        let side = life.side_of(first.src, origin.name());
        let name = match known.filter(|at| at.slot() == origin.slot()) {
            // The same two ends in the other direction are no translation.
            Some(at) if sender(life, segment, at.name()) != side => return false,
            Some(at) => at.name(),
            None => match life.learn(segment, side, origin.name()) {
                Some(name) => {
                    self.index_anew(segment, Entry::new(origin.slot(), name));
                    name
                }
                None => return false,
            },
        };
        if let Some((_, life)) = self.life_at(Some(origin)) {
            life.files |= bit(file);
            life.seen_again(segment, side, name);
            if life.enters(side) == name {
                life.both_sided(first.packet, side, origin.name());
            }
            life.untranslated(side, -i32::from(passed));
        }
        true
    }

    /// The ends of `segment` lead to `entry` from now on, wherever they led before.
    fn index_anew(&mut self, segment: &Segment, entry: Entry) {
        let (src, dst) = (&segment.src, &segment.dst);
        let hash = pair_hash(src, dst);
        // The new pair is not in the index yet: what is found there is another connection's.
        while let Some(old) = self.find(hash, src, dst) {
            self.forget(hash, old);
        }
        self.changes += 1;
        let lives = &self.lives;
        self.index.insert_unique(hash, entry, |entry| hash_in(lives, *entry));
    }

    fn forget(&mut self, hash: u64, old: Entry) {
        self.changes += 1;
        if let Ok(entry) = self.index.find_entry(hash, |entry| *entry == old) {
            entry.remove();
        }
    }

    fn begin(&mut self, segment: &Segment, file: usize, hash: u64) -> Option<Finished> {
        let mut life = Life::new(segment);
        life.files = bit(file);
        let side = sender(&life, segment, 0);
        life.push(segment, side, 0);
        // A new connection on the same ports takes the old one's place in the index.
        if let Some(old) = self.find(hash, &segment.src, &segment.dst) {
            self.forget(hash, old);
        }
        let gone = if self.lives.len() >= self.most { self.evict() } else { None };
        let slot = match &gone {
            Some((slot, _)) => *slot,
            None => self.lives.len(),
        };
        match self.lives.get_mut(slot) {
            Some(place) => *place = life,
            None => self.lives.push(life),
        }
        self.changes += 1;
        let lives = &self.lives;
        let entry = Entry::new(slot, 0);
        self.index.insert_unique(hash, entry, |entry| hash_in(lives, *entry));
        gone.map(|(_, finished)| finished)
    }

    /// Of some connections the one silent for longest gives way, ended ones before others.
    fn evict(&mut self) -> Option<(usize, Finished)> {
        let count = self.lives.len();
        let candidates = (0..COMPARED.min(count)).map(|step| (self.hand + step) % count);
        let slot = candidates.min_by_key(|slot| {
            self.lives.get(*slot).map(|life| {
                let open = life.rare.as_ref().is_none_or(|r| r.first_rst.is_none());
                (open, life.last().at)
            })
        })?;
        self.hand = (self.hand + COMPARED) % count;
        let names = self.lives.get(slot)?.elsewhere.as_ref().map_or(0, |e| e.names().count());
        for name in 0..=names as u8 {
            let entry = Entry::new(slot, name);
            self.forget(hash_in(&self.lives, entry), entry);
        }
        let life = self.lives.get(slot)?;
        self.evicted += 1;
        Some((slot, tell::finished(life, &self.files, self.span)))
    }

    /// Takes an ICMP error about a segment. One about no known connection is not kept.
    pub fn push_icmp(&mut self, error: &IcmpError) {
        self.reach(error.at);
        let (src, dst) = (&error.src, &error.dst);
        let known = self.find(pair_hash(src, dst), src, dst);
        if let Some((at, life)) = self.life_at(known) {
            let about = life.side_of(End::from(error.src), at.name());
            let mark = Mark { packet: error.packet, at: error.at };
            let (from, kind, seq) = (error.from, error.kind, error.seq);
            let note = IcmpNote { mark, from, kind, about, seq };
            let icmp = &mut life.rare().icmp;
            // Forwarded, it is seen again, its sender perhaps under another address.
            let again = icmp.last().is_some_and(|last| {
                (last.kind, last.about, last.seq) == (kind, about, seq)
                    && error.at.since(last.mark.at).abs() <= SAME_ERROR
            });
            if !again && icmp.len() < NOTES_MAX {
                icmp.push(note);
            }
        }
    }

    /// How many connections ended in which way, the most frequent first.
    pub fn endings(&self) -> Vec<(How, u64)> {
        let mut counts = How::ALL.map(|how| (how, 0));
        for life in &self.lives {
            let how = tell::how(life);
            if let Some((_, count)) = counts.iter_mut().find(|(known, _)| *known == how) {
                *count += 1;
            }
        }
        counts.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
        counts.into_iter().filter(|(_, count)| *count > 0).collect()
    }

    /// Every connection told, in order of first packet, one at a time.
    pub fn finish(mut self) -> impl Iterator<Item = Finished> {
        self.index = HashTable::new();
        self.lives.sort_unstable_by_key(|life| life.first.packet);
        let (files, span) = (self.files, self.span);
        self.lives.into_iter().map(move |life| tell::finished(&life, &files, span))
    }
}

#[inline]
fn bit(file: usize) -> u64 {
    1 << file.min(63)
}

/// Who sent, under the pair `name`. Between equal ends (a host speaking to its own port) flags
/// decide.
#[inline]
fn sender(life: &Life, segment: &Segment, name: u8) -> Side {
    if segment.src != segment.dst {
        let ends = life.ends_as(name);
        return ends.and_then(|e| e.sender(&segment.src, &segment.dst)).unwrap_or(Side::Server);
    }
    if segment.flags.syn() && segment.flags.ack() { Side::Server } else { Side::Client }
}
