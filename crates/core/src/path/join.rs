//! Which connections of two captures are one: packets vote.
//!
//! Packets of both captures that agree in what a box on the way keeps vote for the pair of their
//! connections, and for the difference between their sequence numbers, which is zero where nothing
//! rewrites them. Each way of agreeing is a [`Ballot`]; the surest is tried first, and the others
//! only on connections that are still alone. Where two connections have about as many votes, none
//! is taken: a wrong pair is worse than a missing one.

use super::point::{DRAWN_MIN, Point, Seen};
use crate::flow::BySide;
use serde::Serialize;
use std::collections::{BTreeMap, HashMap};

/// By what two views of a connection were known to be one.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum KnownBy {
    /// Sequence and acknowledgement numbers.
    SequenceNumbers,
    /// The same, of connections whose numbers others have as well, and the same ends.
    Ends,
    /// Values and echoes of time stamps, and one difference between the sequence numbers.
    TimeStamps,
    /// The numbers of one side, and one difference between those of the other.
    HalfTheNumbers,
    /// IP identification and payload, and one difference between the sequence numbers.
    IdentificationAndPayload,
}

/// A connection as one capture has it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Part {
    /// Its number among those of the capture.
    pub leg: u32,
    /// Whom the capture takes for the client is the server.
    pub turned: bool,
}

/// One connection, as two captures have it.
#[derive(Clone, Debug)]
pub(super) struct Joined {
    /// In each capture. The first is the one that most packets agreed with, further ones what the
    /// capture took for connections of their own.
    pub legs: [Vec<Part>; 2],
    /// What is added to each side's numbers between the first capture and the second.
    pub delta: BySide<u32>,
    pub known_by: KnownBy,
    pub votes: u32,
}

/// Pairs, and how many connections were alone only because several fitted.
#[derive(Clone, Debug, Default)]
pub(super) struct Joins {
    pub all: Vec<Joined>,
    pub ambiguous: u32,
}

/// Votes of one pair that are counted: more of them say nothing new.
const VOTES_ENOUGH: u32 = 48;
/// Packets of both captures that look alike beyond this many combinations do not vote.
const COMBINATIONS_MAX: usize = 64;

/// A way of agreeing.
struct Ballot {
    by: KnownBy,
    /// What must agree, as a digest; `None` where a packet cannot take part.
    key: fn(&Point, &Seen) -> Option<u64>,
    /// Numbers may differ, all by the same.
    with_delta: bool,
    /// A packet that agrees with packets of several connections does not vote.
    alone: bool,
    votes_min: u32,
    /// How much two agreeing packets must have in common, all votes together.
    score_min: u32,
}

const BALLOTS: [Ballot; 5] = [
    Ballot {
        by: KnownBy::SequenceNumbers,
        key: |_, s| {
            let drawn = s.seq >= DRAWN_MIN || s.acknowledges() >= DRAWN_MIN;
            drawn.then(|| digest(&[pair(s.seq, s.acknowledges()), shape(s)]))
        },
        with_delta: false,
        alone: true,
        votes_min: 1,
        score_min: 3,
    },
    Ballot {
        by: KnownBy::Ends,
        key: |point, s| {
            let (src, dst) = point.ends_of(s)?;
            let mut parts = vec![pair(s.seq, s.acknowledges()), shape(s)];
            for end in [src, dst] {
                let octets = match end.ip() {
                    std::net::IpAddr::V4(v4) => u128::from(v4.to_bits()),
                    std::net::IpAddr::V6(v6) => v6.to_bits(),
                };
                parts.extend([octets as u64, (octets >> 64) as u64, u64::from(end.port())]);
            }
            Some(digest(&parts))
        },
        with_delta: false,
        alone: true,
        votes_min: 2,
        score_min: 2,
    },
    Ballot {
        by: KnownBy::TimeStamps,
        key: |_, s| {
            let usable = s.stamps.0 != 0 && s.stamps.1 != 0 && s.flags().ack();
            usable.then(|| digest(&[pair(s.stamps.0, s.stamps.1), shape(s)]))
        },
        with_delta: true,
        alone: false,
        votes_min: 3,
        score_min: 6,
    },
    Ballot {
        by: KnownBy::HalfTheNumbers,
        key: |_, s| {
            let usable = s.flags().ack() && s.seq >= DRAWN_MIN && s.payload > 0;
            usable.then(|| digest(&[u64::from(s.seq), shape(s)]))
        },
        with_delta: true,
        alone: false,
        votes_min: 3,
        score_min: 6,
    },
    Ballot {
        by: KnownBy::IdentificationAndPayload,
        key: |_, s| {
            let usable = s.flags().ack() && s.id != 0 && s.digest != 0;
            usable.then(|| digest(&[pair(u32::from(s.id), s.digest), shape(s)]))
        },
        with_delta: true,
        alone: false,
        votes_min: 3,
        score_min: 6,
    },
];

fn pair(high: u32, low: u32) -> u64 {
    u64::from(high) << 32 | u64::from(low)
}

/// Length and telling flags.
fn shape(s: &Seen) -> u64 {
    u64::from(s.payload) << 16 | u64::from(s.telling())
}

/// Mixes words so that every bit of each moves half of the others (the finaliser of splitmix64).
pub(super) fn digest(words: &[u64]) -> u64 {
    words.iter().fold(0x9e37_79b9_7f4a_7c15, |sum, word| {
        let mut z = (sum ^ word).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 29)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 32)
    })
}

/// What was voted for: two connections, and how their packets differ.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
struct Claim {
    legs: [u32; 2],
    swapped: bool,
    delta: (u32, u32),
}

#[derive(Clone, Copy, Default, Debug)]
struct Support {
    votes: u32,
    score: u32,
}

/// Joins the connections of two captures.
pub(super) fn join(a: &Point, b: &Point) -> Joins {
    let mut taken = [vec![false; a.legs.len()], vec![false; b.legs.len()]];
    let mut joins = Joins::default();
    let mut exact: Vec<(Claim, Support)> = Vec::new();
    for ballot in &BALLOTS {
        if taken.iter().any(|side| side.iter().all(|t| *t)) {
            break;
        }
        let claims = vote(a, b, ballot, &taken);
        joins.ambiguous = choose(&claims, ballot, &mut taken, &mut joins.all);
        if ballot.by == KnownBy::SequenceNumbers {
            exact = claims;
        }
    }
    attach(&exact, &mut taken, &mut joins.all);
    attach_by_ends([a, b], &mut taken, &mut joins.all);
    for joined in &mut joins.all {
        joined.settle_client([a, b]);
    }
    joins.all.sort_by_key(|joined| joined.legs[0].first().map(|part| part.leg));
    joins
}

impl Joined {
    /// Who opened it is taken from the capture that saw the opening.
    fn settle_client(&mut self, points: [&Point; 2]) {
        let saw = |(point, legs): (&Point, &Vec<Part>)| {
            let part = legs.first()?;
            let leg = point.legs.get(part.leg as usize)?;
            leg.saw_opening.then_some(part.turned)
        };
        let mut views = points.into_iter().zip(&self.legs);
        let turned = views.find_map(saw).unwrap_or(false);
        if turned {
            for part in self.legs.iter_mut().flatten() {
                part.turned = !part.turned;
            }
            std::mem::swap(&mut self.delta.client, &mut self.delta.server);
        }
    }
}

/// Packets of connections that are alone, by what must agree.
fn keys(point: &Point, ballot: &Ballot, taken: &[bool]) -> Vec<(u64, u32)> {
    let free = |s: &Seen| taken.get(s.flow as usize) == Some(&false) && !s.again;
    let mut all: Vec<(u64, u32)> = point
        .seen
        .iter()
        .enumerate()
        .filter(|(_, s)| free(s))
        .filter_map(|(at, s)| Some(((ballot.key)(point, s)?, at as u32)))
        .collect();
    all.sort_unstable();
    all
}

fn vote(a: &Point, b: &Point, ballot: &Ballot, taken: &[Vec<bool>; 2]) -> Vec<(Claim, Support)> {
    let keyed = [(a, &taken[0]), (b, &taken[1])].map(|(p, t)| keys(p, ballot, t));
    let mut claims: HashMap<Claim, Support> = HashMap::new();
    groups(&keyed, |own, its| {
        if own.len() * its.len() <= COMBINATIONS_MAX {
            combine((a, own), (b, its), ballot, &mut claims);
        }
    });
    let mut claims: Vec<(Claim, Support)> = claims.into_iter().collect();
    claims.sort_unstable_by_key(|(c, s)| (c.legs, std::cmp::Reverse(s.score), c.swapped, c.delta));
    claims
}

/// Shows the packets of both captures that agree in their key; each is sorted by it.
pub(super) fn groups(
    keyed: &[Vec<(u64, u32)>; 2],
    mut show: impl FnMut(&[(u64, u32)], &[(u64, u32)]),
) {
    let [left, right] = keyed;
    let (mut left, mut right) = (left.as_slice(), right.as_slice());
    while let (Some((key, _)), Some((other, _))) = (left.first(), right.first()) {
        let (own, rest) = left.split_at(left.iter().take_while(|(k, _)| k == key).count());
        let (its, others) = right.split_at(right.iter().take_while(|(k, _)| k == other).count());
        match key.cmp(other) {
            std::cmp::Ordering::Less => left = rest,
            std::cmp::Ordering::Greater => right = others,
            std::cmp::Ordering::Equal => {
                show(own, its);
                (left, right) = (rest, others);
            }
        }
    }
}

/// Packets that look alike vote, each with each.
fn combine(
    (a, own): (&Point, &[(u64, u32)]),
    (b, its): (&Point, &[(u64, u32)]),
    ballot: &Ballot,
    claims: &mut HashMap<Claim, Support>,
) {
    let seen = |point: &Point, at: u32| point.seen.get(at as usize).copied();
    let of_several = |point: &Point, all: &[(u64, u32)]| {
        let mut flows = all.iter().filter_map(|(_, at)| Some(seen(point, *at)?.flow));
        let first = flows.next();
        flows.any(|flow| Some(flow) != first)
    };
    if ballot.alone && (of_several(a, own) || of_several(b, its)) {
        return;
    }
    for (_, left) in own {
        for (_, right) in its {
            let (Some(one), Some(other)) = (seen(a, *left), seen(b, *right)) else { continue };
            let claim = claim(&one, &other);
            if !ballot.with_delta && claim.delta != (0, 0) {
                continue;
            }
            let support = claims.entry(claim).or_default();
            if support.votes < VOTES_ENOUGH {
                support.votes += 1;
                support.score += in_common((a, &one), (b, &other));
            }
        }
    }
}

fn claim(one: &Seen, other: &Seen) -> Claim {
    let own = other.seq.wrapping_sub(one.seq);
    let peers = other.acknowledges().wrapping_sub(one.acknowledges());
    let delta = if one.by_client { (own, peers) } else { (peers, own) };
    Claim { legs: [one.flow, other.flow], swapped: one.by_client != other.by_client, delta }
}

/// In how many drawn numbers two packets agree.
fn in_common((a, one): (&Point, &Seen), (b, other): (&Point, &Seen)) -> u32 {
    let ends = |point: &Point, seen: &Seen| point.ends_of(seen);
    let an_end_stays = match (ends(a, one), ends(b, other)) {
        (Some(one), Some(other)) => one.0 == other.0 || one.1 == other.1,
        _ => false,
    };
    let marks = [
        one.seq == other.seq && one.seq >= DRAWN_MIN,
        one.acknowledges() == other.acknowledges() && one.acknowledges() >= DRAWN_MIN,
        one.stamps == other.stamps && one.stamps.0 != 0,
        one.id == other.id && one.id > 1,
        one.digest == other.digest && one.digest != 0,
        an_end_stays,
    ];
    marks.iter().map(|mark| u32::from(*mark)).sum()
}

/// The two best of a connection's counterparts: whose, and how much speaks for each.
#[derive(Clone, Copy, Default)]
struct Best {
    first: (u32, u32),
    second: u32,
}

impl Best {
    fn take(&mut self, whose: u32, score: u32) {
        if score > self.first.1 {
            self.second = self.first.1;
            self.first = (whose, score);
        } else {
            self.second = self.second.max(score);
        }
    }
}

/// Of the claims on two connections the strongest.
fn strongest(claims: &[(Claim, Support)]) -> impl Iterator<Item = (&Claim, &Support)> {
    claims
        .chunk_by(|one, other| one.0.legs == other.0.legs)
        .filter_map(|of_two| of_two.first().map(|(claim, support)| (claim, support)))
}

/// Takes the pairs that are each other's best; how many had several that fitted.
fn choose(
    claims: &[(Claim, Support)],
    ballot: &Ballot,
    taken: &mut [Vec<bool>; 2],
    into: &mut Vec<Joined>,
) -> u32 {
    let mut best = [HashMap::new(), HashMap::new()];
    for (claim, support) in strongest(claims) {
        let [one, other] = claim.legs;
        let [of_one, of_other] = &mut best;
        of_one.entry(one).or_insert_with(Best::default).take(other, support.score);
        of_other.entry(other).or_insert_with(Best::default).take(one, support.score);
    }
    let mut ambiguous = 0;
    for (claim, support) in strongest(claims) {
        let [one, other] = claim.legs;
        let [of_one, of_other] = &best;
        let (Some(mine), Some(its)) = (of_one.get(&one), of_other.get(&other)) else { continue };
        let enough = support.votes >= ballot.votes_min && support.score >= ballot.score_min;
        if !enough || mine.first.0 != other || its.first.0 != one {
            continue;
        }
        // Numbers that one connection alone has leave nothing to choose: a second that has some of
        // them is a part of the same one.
        if !ballot.alone && mine.second.max(its.second) * 2 > support.score {
            ambiguous += 1;
            continue;
        }
        for (side, leg) in taken.iter_mut().zip([one, other]) {
            if let Some(place) = side.get_mut(leg as usize) {
                *place = true;
            }
        }
        into.push(Joined {
            legs: [
                vec![Part { leg: one, turned: false }],
                vec![Part { leg: other, turned: claim.swapped }],
            ],
            delta: BySide { client: claim.delta.0, server: claim.delta.1 },
            known_by: ballot.by,
            votes: support.votes,
        });
    }
    ambiguous
}

/// Which pair each connection of a capture belongs to, and which way round.
fn owners(all: &[Joined], side: usize) -> BTreeMap<u32, (usize, bool)> {
    let parts = all.iter().enumerate().flat_map(|(at, joined)| {
        joined.legs.get(side).into_iter().flatten().map(move |part| (part.leg, (at, part.turned)))
    });
    parts.collect()
}

/// A connection that shares numbers with one that has its pair already is a part of it: packets
/// that left untranslated, or went on under another port.
fn attach(claims: &[(Claim, Support)], taken: &mut [Vec<bool>; 2], into: &mut [Joined]) {
    for side in [0, 1] {
        let owner = owners(into, 1 - side);
        let mut best: HashMap<u32, (u32, Best)> = HashMap::new();
        for (at, (claim, support)) in claims.iter().enumerate() {
            let one = claim.legs.get(side).copied().unwrap_or_default();
            let (_, best) = best.entry(one).or_insert_with(|| (at as u32, Best::default()));
            best.take(at as u32, support.score);
        }
        let mut found: Vec<(u32, u32)> = best
            .into_iter()
            .filter(|(_, (_, best))| best.first.1 >= 2)
            .map(|(leg, (_, best))| (leg, best.first.0))
            .collect();
        found.sort_unstable();
        for (leg, at) in found {
            let Some((claim, _)) = claims.get(at as usize) else { continue };
            let counterpart = claim.legs.get(1 - side).and_then(|leg| owner.get(leg));
            let Some((of, turned)) = counterpart else { continue };
            let part = Part { leg, turned: claim.swapped != *turned };
            add(into, *of, (side, part), taken);
        }
    }
}

fn add(into: &mut [Joined], of: usize, (side, part): (usize, Part), taken: &mut [Vec<bool>; 2]) {
    let free = taken.get_mut(side).and_then(|t| t.get_mut(part.leg as usize));
    let legs = into.get_mut(of).and_then(|joined| joined.legs.get_mut(side));
    if let (Some(taken @ false), Some(legs)) = (free, legs) {
        *taken = true;
        legs.push(part);
    }
}

/// A connection that has no pair, has the ends of one that has, and of whose packets most are that
/// one's: they left untranslated, and were sent again until they did not.
fn attach_by_ends(points: [&Point; 2], taken: &mut [Vec<bool>; 2], into: &mut [Joined]) {
    for side in [0, 1] {
        let (Some(here), Some(there)) = (points.get(side), points.get(1 - side)) else { continue };
        let ends = |point: &Point, leg: u32| {
            point.legs.get(leg as usize).map(|leg| {
                let (one, other) = (leg.client.min(leg.server), leg.client.max(leg.server));
                (one, other)
            })
        };
        let by_ends: HashMap<_, _> = owners(into, 1 - side)
            .into_iter()
            .filter_map(|(leg, owner)| Some((ends(there, leg)?, (leg, owner))))
            .collect();
        for leg in 0..here.legs.len() as u32 {
            if taken.get(side).and_then(|t| t.get(leg as usize)) != Some(&false) {
                continue;
            }
            let known = ends(here, leg).and_then(|ends| by_ends.get(&ends));
            let Some((counterpart, (of, turned))) = known else { continue };
            if shares_most((here, leg), (there, *counterpart)) {
                let client = |point: &Point, leg: u32| Some(point.legs.get(leg as usize)?.client);
                let swapped = client(here, leg) != client(there, *counterpart);
                add(into, *of, (side, Part { leg, turned: swapped != *turned }), taken);
            }
        }
    }
}

/// Whether most packets of the first are packets of the second, by their numbers.
fn shares_most((here, leg): (&Point, u32), (there, counterpart): (&Point, u32)) -> bool {
    let numbers = |point: &Point, leg: u32| -> Vec<u64> {
        let own = point.packets_of(leg).iter().filter_map(|at| point.seen.get(*at as usize));
        own.map(|s| digest(&[pair(s.seq, s.acknowledges()), shape(s)])).collect()
    };
    let mut known = numbers(there, counterpart);
    known.sort_unstable();
    let own = numbers(here, leg);
    let shared = own.iter().filter(|key| known.binary_search(key).is_ok()).count();
    shared > 0 && shared * 2 >= own.len()
}
