//! The table of connections: bounded, with the one silent for long giving way when it is full.

use super::again::Sightings;
use super::life::{End, Life, NOTES_MAX};
use super::{Finished, How, IcmpNote, Mark, tell};
use crate::terms::Side;
use crate::time::Moment;
use crate::wire::{IcmpError, Segment};
use hashbrown::HashTable;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

/// Connections kept at once when the caller names no other number.
pub const FLOWS_MAX: usize = 1_200_000;
/// How many are compared when one must give way.
const COMPARED: usize = 64;

/// All connections of one capture, in a bounded number.
#[derive(Debug)]
pub struct Table {
    lives: Vec<Life>,
    index: HashTable<u32>,
    sightings: Sightings,
    most: usize,
    hand: usize,
    evicted: u64,
    span: Option<(Moment, Moment)>,
    files: Arc<[String]>,
}

fn hash_of(one: End, other: End) -> u64 {
    let mut hasher = DefaultHasher::new();
    let ordered = if one <= other { (one, other) } else { (other, one) };
    ordered.hash(&mut hasher);
    hasher.finish()
}

impl Table {
    /// An empty table for captures of these names that keeps at most `most` connections.
    pub fn new(files: Vec<String>, most: usize) -> Self {
        Self {
            lives: Vec::new(),
            index: HashTable::new(),
            sightings: Sightings::new(),
            most: most.max(1),
            hand: 0,
            evicted: 0,
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
        self.reach(segment.at);
        let (src, dst) = (End::from(segment.src), End::from(segment.dst));
        let hash = hash_of(src, dst);
        let known = self.find(hash, src, dst);
        let again = self.sightings.seen_before(segment);
        if let Some(life) = known.and_then(|slot| self.lives.get_mut(slot as usize)) {
            let side = sender(life, segment);
            if again {
                let rare = life.rare();
                *rare.again.of_mut(side) += 1;
                *rare.again_bytes.of_mut(side) += u64::from(segment.payload);
                life.files |= bit(file);
                return None;
            }
            if !life.is_another(segment, side) {
                life.files |= bit(file);
                life.push(segment, side);
                return None;
            }
        }
        self.begin(segment, file, hash)
    }

    fn find(&self, hash: u64, src: End, dst: End) -> Option<u32> {
        let fits = |slot: &u32| {
            self.lives.get(*slot as usize).is_some_and(|life| {
                (life.client, life.server) == (src, dst) || (life.client, life.server) == (dst, src)
            })
        };
        self.index.find(hash, fits).copied()
    }

    fn begin(&mut self, segment: &Segment, file: usize, hash: u64) -> Option<Finished> {
        let mut life = Life::new(segment);
        life.files = bit(file);
        let side = sender(&life, segment);
        life.push(segment, side);
        // A new connection on the same ports takes the old one's place in the index.
        let (src, dst) = (End::from(segment.src), End::from(segment.dst));
        if let Some(old) = self.find(hash, src, dst)
            && let Ok(entry) = self.index.find_entry(hash, |slot| *slot == old)
        {
            entry.remove();
        }
        let gone = if self.lives.len() >= self.most { self.evict() } else { None };
        let slot = match &gone {
            Some((slot, _)) => *slot,
            None => self.lives.len(),
        };
        let lives = &mut self.lives;
        match lives.get_mut(slot) {
            Some(place) => *place = life,
            None => lives.push(life),
        }
        let rehash = |slot: &u32| {
            lives.get(*slot as usize).map_or(0, |life| hash_of(life.client, life.server))
        };
        self.index.insert_unique(hash, slot as u32, rehash);
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
        let life = self.lives.get(slot)?;
        let hash = hash_of(life.client, life.server);
        if let Ok(entry) = self.index.find_entry(hash, |known| *known as usize == slot) {
            entry.remove();
        }
        self.evicted += 1;
        Some((slot, tell::finished(life, &self.files, self.span)))
    }

    /// Takes an ICMP error about a segment. One about no known connection is not kept.
    pub fn push_icmp(&mut self, error: &IcmpError) {
        self.reach(error.at);
        let (src, dst) = (End::from(error.src), End::from(error.dst));
        let slot = self.find(hash_of(src, dst), src, dst);
        if let Some(life) = slot.and_then(|slot| self.lives.get_mut(slot as usize)) {
            let about = life.side_of(error.src);
            let mark = Mark { packet: error.packet, at: error.at };
            let note = IcmpNote { mark, from: error.from, kind: error.kind, about };
            let icmp = &mut life.rare().icmp;
            if icmp.len() < NOTES_MAX {
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

fn bit(file: usize) -> u64 {
    1 << file.min(63)
}

/// Who sent. Between equal ends (a host speaking to its own port) flags and numbers decide.
fn sender(life: &Life, segment: &Segment) -> Side {
    if segment.src != segment.dst {
        return life.side_of(segment.src);
    }
    if segment.flags.syn() && segment.flags.ack() { Side::Server } else { Side::Client }
}
