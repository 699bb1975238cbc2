//! Which packets of one connection are one packet, seen in two captures.
//!
//! Numbers, length and telling flags must agree; of packets that agree in all of these (one sent
//! again, one acknowledgement after the other) IP identification and time stamps tell, where the
//! path keeps them, or else the time.

use super::clock::Sample;
use super::join::{Joined, digest, groups};
use super::pieces::{self, InPieces};
use super::point::{Point, Seen};
use crate::terms::Side;

/// A packet of a connection, its numbers as the first capture has them.
#[derive(Clone, Copy, Debug)]
pub(super) struct Item {
    pub seen: Seen,
    pub side: Side,
    pub seq: u32,
    pub ack: u32,
}

impl Item {
    pub(super) fn end(&self) -> u32 {
        self.seq.wrapping_add(self.seen.length())
    }
}

/// The packets of a connection in both captures, each in order of time, and which are one.
#[derive(Clone, Debug, Default)]
pub(super) struct Same {
    pub items: [Vec<Item>; 2],
    /// The counterpart of each, by its place among the other capture's.
    pub twin: [Vec<Option<u32>>; 2],
    /// Those without a counterpart whose bytes are there in other pieces.
    pub pieces: [InPieces; 2],
    /// Pairs whose identity leaves no doubt, and whether the client sent them.
    pub sure: Vec<(u32, u32)>,
}

/// Without anything to tell copies apart, those more than this apart are not one.
const CLOSE_NS: i64 = 500_000_000;
/// Beyond so many combinations packets that agree are paired in order.
const COMBINATIONS_MAX: usize = 1024;

/// What tells two packets with the same numbers apart on this connection.
#[derive(Clone, Copy, Debug)]
pub(super) struct Telling {
    by_id: bool,
    by_stamps: bool,
    /// The second clock minus the first, roughly.
    rough: Option<i64>,
}

impl Telling {
    /// Whether they may be one; `Some(true)` when identity or stamps say so.
    fn alike(&self, one: &Item, other: &Item) -> Option<bool> {
        let (a, b) = (&one.seen, &other.seen);
        let ids = self.by_id && a.id != 0 && b.id != 0;
        let stamps = self.by_stamps && a.stamps != (0, 0) && b.stamps != (0, 0);
        if (ids && a.id != b.id) || (stamps && a.stamps != b.stamps) {
            return None;
        }
        Some(ids || (stamps && a.length() > 0))
    }

    /// How far they are from where the clocks would have them.
    pub(super) fn apart(&self, one: &Item, other: &Item) -> i64 {
        self.rough.map_or(0, |rough| (other.seen.at - one.seen.at - rough).abs())
    }

    /// Whether one may be a piece of the other: cards give every piece the whole's time stamps,
    /// and put together what has the same (net/ipv4/tcp_offload.c, 6.18). Identifications differ.
    pub(super) fn may_be_pieces(&self, one: &Item, other: &Item) -> bool {
        let (a, b) = (&one.seen, &other.seen);
        let stamped = self.by_stamps && a.stamps != (0, 0) && b.stamps != (0, 0);
        if stamped { a.stamps == b.stamps } else { self.apart(one, other) <= CLOSE_NS }
    }

    /// Whether time stamps say that both were sent at once.
    pub(super) fn same_stamps(&self, one: Option<&Item>, other: Option<&Item>) -> bool {
        let stamps = one.zip(other).map(|(one, other)| (one.seen.stamps, other.seen.stamps));
        self.by_stamps && stamps.is_some_and(|(a, b)| a == b && a != (0, 0))
    }

    fn fits(&self, one: &Item, other: &Item) -> bool {
        match self.alike(one, other) {
            Some(true) => true,
            Some(false) => self.apart(one, other) <= CLOSE_NS,
            None => false,
        }
    }
}

impl Same {
    /// Compares the packets of a connection.
    pub(super) fn of(points: [&Point; 2], joined: &Joined) -> Same {
        let items = [items(points, joined, 0), items(points, joined, 1)];
        let mut same = Same {
            twin: [vec![None; items[0].len()], vec![None; items[1].len()]],
            pieces: Default::default(),
            sure: Vec::new(),
            items,
        };
        let keyed = same.keyed(|item| {
            let ack = if item.seen.flags().ack() { item.ack } else { 0 };
            Some((item.seq, u64::from(ack), u64::from(item.seen.telling())))
        });
        let telling = same.telling(&keyed);
        same.pair_up(&keyed, &telling);
        let rest = same.keyed(|item| (item.seen.length() > 0).then_some((item.seq, 0, 0)));
        same.pair_up(&rest, &telling);
        pieces::find(&mut same, &telling);
        same
    }

    /// Packets without a counterpart by what must agree, in order of time where that is the same.
    fn keyed(&self, key: impl Fn(&Item) -> Option<(u32, u64, u64)>) -> [Vec<(u64, u32)>; 2] {
        [0, 1].map(|point| {
            let (Some(items), Some(twins)) = (self.items.get(point), self.twin.get(point)) else {
                return Vec::new();
            };
            let free = items.iter().zip(twins).enumerate().filter(|(_, (_, twin))| twin.is_none());
            let mut all: Vec<(u64, u32)> = free
                .filter_map(|(at, (item, _))| {
                    let (seq, more, flags) = key(item)?;
                    let side = u64::from(item.side == Side::Client);
                    let numbers = u64::from(seq) << 32 | u64::from(item.seen.payload);
                    Some((digest(&[numbers, more, flags << 1 | side]), at as u32))
                })
                .collect();
            all.sort_unstable();
            all
        })
    }

    pub(super) fn item(&self, point: usize, at: u32) -> Option<&Item> {
        self.items.get(point)?.get(at as usize)
    }

    /// Asks the packets that have one counterpart each what the path keeps.
    fn telling(&mut self, keyed: &[Vec<(u64, u32)>; 2]) -> Telling {
        let (mut ids, mut stamps, mut later) = ((0, 0), (0, 0), Vec::new());
        let mut alone = Vec::new();
        groups(keyed, |own, its| {
            if let ([(_, left)], [(_, right)]) = (own, its) {
                alone.push((*left, *right));
            }
        });
        for (left, right) in &alone {
            let (Some(one), Some(other)) = (self.item(0, *left), self.item(1, *right)) else {
                continue;
            };
            let (a, b) = (&one.seen, &other.seen);
            if a.id != 0 && b.id != 0 {
                *if a.id == b.id { &mut ids.0 } else { &mut ids.1 } += 1;
            }
            if a.stamps != (0, 0) && b.stamps != (0, 0) {
                *if a.stamps == b.stamps { &mut stamps.0 } else { &mut stamps.1 } += 1;
            }
            later.push(b.at - a.at);
        }
        later.sort_unstable();
        let telling = Telling {
            by_id: ids.0 > ids.1,
            by_stamps: stamps.0 > stamps.1,
            rough: later.get(later.len() / 2).copied(),
        };
        let blind = !telling.by_id && !telling.by_stamps;
        self.sure = alone
            .into_iter()
            .filter(|(left, right)| {
                let (Some(one), Some(other)) = (self.item(0, *left), self.item(1, *right)) else {
                    return false;
                };
                match telling.alike(one, other) {
                    Some(true) => true,
                    // Without either mark bytes that were sent once cannot be mistaken.
                    Some(false) => blind && one.seen.length() > 0,
                    None => false,
                }
            })
            .collect();
        if blind {
            self.drop_repeated();
        }
        telling
    }

    /// Of the sure ones only those whose bytes neither capture has twice.
    fn drop_repeated(&mut self) {
        let starts = [0, 1].map(|point| {
            let items = self.items.get(point).map_or(&[][..], Vec::as_slice);
            let data = items.iter().filter(|i| i.seen.length() > 0);
            let mut all: Vec<(bool, u32)> = data.map(|i| (i.side == Side::Client, i.seq)).collect();
            all.sort_unstable();
            all
        });
        let once = |point: usize, item: &Item| {
            let key = (item.side == Side::Client, item.seq);
            starts.get(point).is_some_and(|all| {
                let from = all.partition_point(|k| *k < key);
                all.get(from + 1) != Some(&key)
            })
        };
        let items = &self.items;
        let get = |point: usize, at: u32| items.get(point)?.get(at as usize);
        self.sure.retain(|(left, right)| {
            get(0, *left).is_some_and(|i| once(0, i)) && get(1, *right).is_some_and(|i| once(1, i))
        });
    }

    fn pair_up(&mut self, keyed: &[Vec<(u64, u32)>; 2], telling: &Telling) {
        let mut found: Vec<(u32, u32)> = Vec::new();
        groups(keyed, |own, its| {
            if own.len() * its.len() <= COMBINATIONS_MAX {
                self.nearest(own, its, telling, &mut found);
            } else {
                self.in_order(own, its, telling, &mut found);
            }
        });
        for (left, right) in found {
            let [of_left, of_right] = &mut self.twin;
            if let (Some(one), Some(other)) =
                (of_left.get_mut(left as usize), of_right.get_mut(right as usize))
            {
                *one = Some(right);
                *other = Some(left);
            }
        }
    }

    /// Each takes, of those that fit and are free, the nearest in time.
    fn nearest(
        &self,
        own: &[(u64, u32)],
        its: &[(u64, u32)],
        telling: &Telling,
        found: &mut Vec<(u32, u32)>,
    ) {
        let mut free: Vec<u32> = its.iter().map(|(_, at)| *at).collect();
        for (_, left) in own {
            let Some(one) = self.item(0, *left) else { continue };
            let fitting = free.iter().enumerate().filter_map(|(place, right)| {
                let other = self.item(1, *right)?;
                telling.fits(one, other).then(|| (telling.apart(one, other), place))
            });
            if let Some((_, place)) = fitting.min() {
                found.push((*left, free.remove(place)));
            }
        }
    }

    fn in_order(
        &self,
        mut own: &[(u64, u32)],
        mut its: &[(u64, u32)],
        telling: &Telling,
        found: &mut Vec<(u32, u32)>,
    ) {
        while let (Some(((_, left), own_rest)), Some(((_, right), its_rest))) =
            (own.split_first(), its.split_first())
        {
            let (Some(one), Some(other)) = (self.item(0, *left), self.item(1, *right)) else {
                return;
            };
            if telling.fits(one, other) {
                found.push((*left, *right));
                (own, its) = (own_rest, its_rest);
            } else if other.seen.at - telling.rough.unwrap_or(0) < one.seen.at {
                its = its_rest;
            } else {
                own = own_rest;
            }
        }
    }

    /// The samples of the clocks that its sure pairs give. `nearer` says which capture stands
    /// nearer to its client.
    pub(super) fn samples(&self, nearer: usize) -> impl Iterator<Item = Sample> + '_ {
        self.sure.iter().filter_map(move |(left, right)| {
            let (one, other) = (self.item(0, *left)?, self.item(1, *right)?);
            let onward = (one.side == Side::Client) == (nearer == 0);
            Some(Sample { at: one.seen.at, later: other.seen.at - one.seen.at, onward })
        })
    }

    /// Which capture stands nearer to the client: a router lowers the TTL; without one, what a side
    /// sends has come a way when the other capture sees it, and what it is sent has not.
    pub(super) fn nearer_client(&self) -> Option<usize> {
        let mut ttl = 0_i64;
        let mut time = 0_i64;
        let mut last: Option<(Side, i64)> = None;
        let mut sure = self.sure.clone();
        sure.sort_unstable();
        for (left, right) in &sure {
            let (Some(one), Some(other)) = (self.item(0, *left), self.item(1, *right)) else {
                continue;
            };
            let fell = (i64::from(one.seen.ttl) - i64::from(other.seen.ttl)).signum();
            let sign = if one.side == Side::Client { 1 } else { -1 };
            ttl += fell * sign;
            let later = other.seen.at - one.seen.at;
            if let Some((_, before)) = last.filter(|(side, _)| *side != one.side) {
                time += (later - before).signum() * sign;
            }
            last = Some((one.side, later));
        }
        match (if ttl != 0 { ttl } else { time }).signum() {
            1 => Some(0),
            -1 => Some(1),
            _ => None,
        }
    }
}

/// Packets of all parts of a connection in one capture, in order of time.
fn items(points: [&Point; 2], joined: &Joined, at: usize) -> Vec<Item> {
    let (Some(point), Some(parts)) = (points.get(at), joined.legs.get(at)) else {
        return Vec::new();
    };
    let mut all = Vec::new();
    for part in parts {
        for place in point.packets_of(part.leg) {
            let Some(seen) = point.seen.get(*place as usize).filter(|s| !s.again) else { continue };
            let side = if part.turned { seen.side().peer() } else { seen.side() };
            let moved = |side: Side| if at == 1 { *joined.delta.of(side) } else { 0 };
            all.push(Item {
                seen: *seen,
                side,
                seq: seen.seq.wrapping_sub(moved(side)),
                ack: seen.ack.wrapping_sub(moved(side.peer())),
            });
        }
    }
    if parts.len() > 1 {
        all.sort_by_key(|item| item.seen.at);
    }
    all
}
