//! Two captures of one path, each with a clock of its own, become one: which connections are the
//! same, what lies between the clocks, who translates what, and what became of each packet between.
//!
//! Nothing has to be told: neither which captures belong together, nor addresses, nor clocks. What
//! a box on the way keeps is compared, and what it changes is found out. In doubt nothing is said:
//! no pair is better than a wrong one, and a packet that one capture alone has was lost or made
//! between only where the other was recording, and is known to miss nothing.

mod clock;
mod fate;
mod join;
mod pieces;
mod point;
mod record;
mod route;
mod same;

#[cfg(test)]
mod tests;

pub use clock::Clock;
pub use join::KnownBy;
pub use point::{PACKETS_MAX, Point, PointReader};
pub use record::{
    Change, Fate, Mark, Pair, Path, PointRecord, SCHEMA, TOLD_MAX, Tally, Told, Translation, View,
};

use crate::time::Moment;
use fate::{Around, Judge};
use join::{Joined, Joins};
use same::{Item, Same};

/// The last packets of a connection are told whatever became of them.
const LAST_TOLD: usize = 6;
/// Samples of one connection that the clock is made of: of more the tightest would do as well, and
/// a hull needs no more.
const SAMPLES_MAX: usize = 1 << 22;

/// Compares two captures. Near linear in their packets.
pub fn align(first: &Point, second: &Point) -> Path {
    let points = [first, second];
    let Joins { all, ambiguous } = join::join(first, second);
    let same: Vec<Same> = all.iter().map(|joined| Same::of(points, joined)).collect();
    let nearer: Vec<Option<usize>> = nearer(&same);
    let clock = clock(points, &same, &nearer);
    let spans = points.map(|point| point.span);
    let blank = Around { clock: clock.as_ref(), spans, doubts: [1.0; 2] };
    let missed = missed(&same, &nearer, &blank);
    let passed = |s: &Same| s.twin[0].iter().flatten().count() + s.pieces[0].len();
    let seen: u64 = same.iter().map(|s| passed(s) as u64).sum();
    let doubts = [0, 1].map(|at| doubt(points[at], missed[at], seen));
    let around = Around { doubts, ..blank };
    let mut pairs: Vec<Pair> = all
        .iter()
        .zip(&same)
        .zip(&nearer)
        .map(|((joined, same), nearer)| pair(points, joined, (same, *nearer), &around))
        .collect();
    let translations = route::name(&mut pairs);
    let mut packets = Tally::default();
    pairs.iter().for_each(|pair| packets.sum(&pair.packets));
    let one_way = |at: usize| nearer.iter().flatten().all(|n| *n == at);
    let known = nearer.iter().any(Option::is_some);
    let record = |at: usize| {
        let point = points[at];
        let paired: usize = all.iter().map(|joined| joined.legs[at].len()).sum();
        PointRecord {
            file: point.name.clone(),
            packets: point.seen.len() as u64,
            left_out: point.left_out,
            connections: point.legs.len() as u64,
            alone: (point.legs.len() - paired.min(point.legs.len())) as u64,
            first_ns: Moment::from_ns(point.span.0),
            last_ns: Moment::from_ns(point.span.1),
            lost_packets: point.lost,
            missed: missed[at],
        }
    };
    Path {
        points: [record(0), record(1)],
        nearer_client: (0..2).find(|at| known && one_way(*at)),
        identical: first.is_same(second),
        clock,
        paired: pairs.len() as u64,
        ambiguous: u64::from(ambiguous),
        rewritten: pairs.iter().filter(|pair| pair.rewrites.is_some()).count() as u64,
        translations,
        packets,
        connections: pairs,
    }
}

/// Which capture is nearer to each connection's client; one that does not tell stands as the others
/// do.
fn nearer(same: &[Same]) -> Vec<Option<usize>> {
    let own: Vec<Option<usize>> = same.iter().map(Same::nearer_client).collect();
    let count = |at: usize| own.iter().flatten().filter(|n| **n == at).count();
    let usual = match count(0).cmp(&count(1)) {
        std::cmp::Ordering::Greater => Some(0),
        std::cmp::Ordering::Less => Some(1),
        std::cmp::Ordering::Equal => None,
    };
    own.into_iter().map(|own| own.or(usual)).collect()
}

fn clock(points: [&Point; 2], same: &[Same], nearer: &[Option<usize>]) -> Option<Clock> {
    let samples = same
        .iter()
        .zip(nearer)
        .filter_map(|(same, nearer)| Some(same.samples((*nearer)?)))
        .flatten()
        .take(SAMPLES_MAX);
    let samples: Vec<clock::Sample> = samples.collect();
    let (from, to) = (samples.iter().map(|s| s.at).min()?, samples.iter().map(|s| s.at).max()?);
    let steps = (points[0].step_ns, points[1].step_ns);
    Clock::of(samples, steps, from + (to - from) / 2)
}

/// Packets that each capture is proven to have missed.
fn missed(same: &[Same], nearer: &[Option<usize>], around: &Around<'_>) -> [u64; 2] {
    let mut missed = [0, 0];
    for (same, nearer) in same.iter().zip(nearer) {
        if same.alone().next().is_none() {
            continue;
        }
        let judge = Judge::of(same, *nearer);
        for (point, item, at) in same.alone() {
            if judge.judge_whole((item, at), point, around).fate == Fate::Missed {
                missed[1 - point] += 1;
            }
        }
    }
    missed
}

/// How often a capture misses a packet that passes it: what it is proven to have missed, of what
/// passed. One that counted losses of its own is not to be believed silent.
fn doubt(point: &Point, missed: u64, seen: u64) -> f64 {
    const BY_ITS_OWN_ACCOUNT: f64 = 0.1;
    let share = missed as f64 / (missed + seen).max(1) as f64;
    if point.lost { share.max(BY_ITS_OWN_ACCOUNT) } else { share }
}

impl Same {
    /// Packets that one capture alone has, all of them or in part: which, the packet, and its place
    /// there.
    fn alone(&self) -> impl Iterator<Item = (usize, &Item, u32)> {
        [0, 1].into_iter().flat_map(move |point| {
            let all = self.items[point].iter().zip(&self.twin[point]).zip(0..);
            let whole = move |at: u32| {
                self.pieces[point].get(&at).is_some_and(|pieces| pieces.missing.is_empty())
            };
            all.filter(move |((_, twin), at)| twin.is_none() && !whole(*at))
                .map(move |((item, _), at)| (point, item, at))
        })
    }
}

fn view(point: &Point, parts: &[join::Part]) -> Option<View> {
    let (first, more) = parts.split_first()?;
    let leg = point.legs.get(first.leg as usize)?;
    let (client, server) =
        if first.turned { (leg.server, leg.client) } else { (leg.client, leg.server) };
    Some(View {
        flow: u64::from(first.leg) + 1,
        client,
        server,
        first_packet: leg.first_packet,
        last_packet: leg.last_packet,
        parts: more.iter().map(|part| u64::from(part.leg) + 1).collect(),
    })
}

/// A connection told.
fn pair(
    points: [&Point; 2],
    joined: &Joined,
    (same, nearer): (&Same, Option<usize>),
    around: &Around<'_>,
) -> Pair {
    let blank = View {
        flow: 0,
        client: std::net::SocketAddr::from(([0, 0, 0, 0], 0)),
        server: std::net::SocketAddr::from(([0, 0, 0, 0], 0)),
        first_packet: 0,
        last_packet: 0,
        parts: Vec::new(),
    };
    let mut views =
        [0, 1].map(|at| view(points[at], &joined.legs[at]).unwrap_or_else(|| blank.clone()));
    let usual = route::usual(points, same);
    let insides = [0, 1].map(|at| (views[at].client, views[at].server));
    for (view, ends) in views.iter_mut().zip(usual.into_iter().flatten()) {
        (view.client, view.server) = ends;
    }
    let mut pair = Pair {
        views,
        known_by: joined.known_by,
        votes: u64::from(joined.votes),
        nearer_client: nearer,
        rewrites: (joined.delta.client != 0 || joined.delta.server != 0).then_some(joined.delta),
        translates: usual.and_then(route::translates),
        left_untranslated: false,
        packets: Tally::default(),
        told: Vec::new(),
        left_out: 0,
    };
    let judge = Judge::of(same, nearer);
    both(points, (same, &judge), usual.map(|usual| (usual, insides)), around, &mut pair);
    for (point, item, at) in same.alone() {
        let judged = judge.judge_whole((item, at), point, around);
        pair.packets.add(judged.fate);
        let mut told = tell((Some(point), item, None), judged, around);
        if let Some(pieces) = same.pieces[point].get(&at) {
            let lengths = pieces.missing.iter().map(|(from, to)| to.wrapping_sub(*from));
            told.missing = lengths.sum::<u32>().min(item.seen.payload);
            told.changed.push(Change::Pieces);
        }
        // What one capture was not there for is no news, but for how it ended.
        let is_last = same.items[point].len() - at as usize <= LAST_TOLD;
        if judged_matters(&told) || is_last {
            pair.told.push(told);
        }
    }
    pair.told.sort_by_key(|told| told.at_ns);
    let over = pair.told.len().saturating_sub(TOLD_MAX);
    pair.left_out = over as u64;
    pair.told.drain(..over);
    pair
}

fn judged_matters(told: &Told) -> bool {
    match told.fate {
        Fate::Lost | Fate::Made | Fate::Missed => true,
        Fate::Uncovered => false,
        Fate::Unclear => told.flags.contains(['R', 'F', 'S']) || told.payload > 0,
        Fate::Both => true,
    }
}

/// Packets that both captures have: counted, and told where they matter.
fn both(
    points: [&Point; 2],
    (same, judge): (&Same, &Judge<'_>),
    usual: Option<([route::Ends; 2], [route::Ends; 2])>,
    around: &Around<'_>,
    pair: &mut Pair,
) {
    let whole = fate::Judged { fate: Fate::Both, doubt: 0.0, because: Vec::new() };
    for (left, one) in same.items[0].iter().enumerate() {
        let twin = same.twin[0].get(left).copied().flatten();
        let Some((right, other)) = twin.and_then(|at| Some((at, same.items[1].get(at as usize)?)))
        else {
            in_pieces((same, left as u32), one, around, pair);
            continue;
        };
        pair.packets.add(Fate::Both);
        let mut changed = changes(one, other, judge);
        let ends = route::ends_of(points, same, (left as u32, right));
        if let (Some((usual, insides)), Some(ends)) = (usual, ends)
            && route::is_untranslated(usual, ends, insides)
        {
            changed.push(Change::Untranslated);
            pair.packets.untranslated += 1;
        }
        pair.packets.changed += u64::from(!changed.is_empty());
        let flags = one.seen.flags();
        let is_last = same.items[0].len() - left <= LAST_TOLD;
        if flags.rst() || flags.fin() || flags.syn() || is_last || !changed.is_empty() {
            let mut told = tell((None, one, Some(other)), whole.clone(), around);
            told.changed = changed;
            pair.told.push(told);
        }
    }
}

/// A packet of the first capture whose every byte the second has in other pieces. Cards do so with
/// each of thousands: it is told of the last ones alone.
fn in_pieces((same, at): (&Same, u32), item: &Item, around: &Around<'_>, pair: &mut Pair) {
    let pieces = same.pieces[0].get(&at).filter(|pieces| pieces.missing.is_empty());
    let Some(pieces) = pieces else { return };
    pair.packets.add(Fate::Both);
    pair.packets.pieces += 1;
    if same.items[0].len() - at as usize <= LAST_TOLD || item.seen.flags().fin() {
        let whole = fate::Judged { fate: Fate::Both, doubt: 0.0, because: Vec::new() };
        let mut told = tell((None, item, same.item(1, pieces.first)), whole, around);
        told.changed.push(Change::Pieces);
        pair.told.push(told);
    }
}

/// What is another at the second capture, of what boxes usually leave alone.
fn changes(one: &Item, other: &Item, judge: &Judge<'_>) -> Vec<Change> {
    let (a, b) = (&one.seen, &other.seen);
    let tests = [
        (a.flags != b.flags, Change::Flags),
        (a.flags().ack() && b.flags().ack() && one.ack != other.ack, Change::Acknowledgement),
        (a.window != b.window, Change::Window),
        (a.mss != b.mss, Change::MaximumSegmentSize),
        (a.digest != 0 && b.digest != 0 && a.digest != b.digest, Change::Payload),
        (judge.hops_differ(one, other), Change::Hops),
    ];
    tests.into_iter().filter(|(is, _)| *is).map(|(_, change)| change).collect()
}

/// A packet in words; `point` has it alone, or else `other` is what the second capture has.
fn tell(
    (point, item, other): (Option<usize>, &Item, Option<&Item>),
    judged: fate::Judged,
    around: &Around<'_>,
) -> Told {
    let number = Some(u64::from(item.seen.packet));
    let packets = match point {
        None => [number, other.map(|other| u64::from(other.seen.packet))],
        Some(0) => [number, None],
        Some(_) => [None, number],
    };
    let at = Moment::from_ns(item.seen.at);
    let by_first = match (point, around.clock) {
        (Some(1), Some(clock)) => clock.by_first(at),
        _ => at,
    };
    Told {
        packets,
        at_ns: by_first,
        by: item.side,
        flags: format!("{:?}", item.seen.flags()),
        payload: item.seen.payload,
        fate: judged.fate,
        missing: if point.is_some() { item.seen.payload } else { 0 },
        doubt: judged.doubt,
        because: judged.because,
        changed: Vec::new(),
    }
}
