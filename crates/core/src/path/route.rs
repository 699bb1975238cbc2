//! Whose ends become whose between two captures, and what was left as it came.

use super::point::Point;
use super::record::{Pair, Translation};
use super::same::Same;
use crate::flow::Translates;
use crate::terms::Side;
use std::collections::{BTreeMap, HashMap};
use std::net::{IpAddr, SocketAddr};

/// Client's and server's end.
pub(super) type Ends = (SocketAddr, SocketAddr);

/// The ends of a connection in both captures: those that most of its packets have.
pub(super) fn usual(points: [&Point; 2], same: &Same) -> Option<[Ends; 2]> {
    let mut counts: HashMap<[Ends; 2], u32> = HashMap::new();
    let twins = same.twin[0].iter().enumerate().filter_map(|(at, twin)| Some((at, (*twin)?)));
    for (left, right) in twins {
        if let Some(ends) = ends_of(points, same, (left as u32, right)) {
            *counts.entry(ends).or_default() += 1;
        }
    }
    counts.into_iter().max_by_key(|(ends, count)| (*count, *ends)).map(|(ends, _)| ends)
}

/// The ends of one packet in both captures. One that a capture has from both sides of a box is
/// taken from the side that the other capture is on.
pub(super) fn ends_of(
    points: [&Point; 2],
    same: &Same,
    (left, right): (u32, u32),
) -> Option<[Ends; 2]> {
    let of = |point: usize, at: u32| {
        let item = same.items.get(point)?.get(at as usize)?;
        let here = points.get(point)?;
        let by_role = |(src, dst): Ends| match item.side {
            Side::Client => (src, dst),
            Side::Server => (dst, src),
        };
        Some([by_role(here.ends_of(&item.seen)?), by_role(here.ends_again(&item.seen)?)])
    };
    let (first, second) = (of(0, left)?, of(1, right)?);
    let shared = first.into_iter().find(|ends| second.contains(ends));
    Some(shared.map_or([first[0], second[0]], |ends| [ends, ends]))
}

/// Which ends differ.
pub(super) fn translates([one, other]: [Ends; 2]) -> Option<Translates> {
    match (one.0 != other.0, one.1 != other.1) {
        (true, true) => Some(Translates::Both),
        (true, false) => Some(Translates::Source),
        (false, true) => Some(Translates::Destination),
        (false, false) => None,
    }
}

/// Whether a packet went through with the ends it came with, though its connection's others did
/// not: both captures have it under those ends, and at one of them the others have different ones.
/// `insides` are the connection's ends where the client's packets come in, as each capture knows.
pub(super) fn is_untranslated(usual: [Ends; 2], ends: [Ends; 2], insides: [Ends; 2]) -> bool {
    let [one, other] = ends;
    one == other && usual != ends && insides.contains(&one)
}

/// Names what all translated connections have in common, and marks those that should have been
/// translated.
pub(super) fn name(pairs: &mut [Pair]) -> Vec<Translation> {
    let mut named: BTreeMap<(u8, IpAddr, IpAddr), (u64, u64)> = BTreeMap::new();
    let mut hidden: HashMap<IpAddr, (u64, u64)> = HashMap::new();
    for pair in pairs.iter() {
        let Some([inside, outside]) = in_order(pair) else { continue };
        let (translated, all) = hidden.entry(inside.0.ip()).or_default();
        *all += 1;
        *translated += u64::from(inside.0 != outside.0);
        for (kind, from, to) in [(0, inside.0, outside.0), (1, inside.1, outside.1)] {
            if from != to {
                let (ports, count) = named.entry((kind, from.ip(), to.ip())).or_default();
                *ports += u64::from(from.port() != to.port());
                *count += 1;
            }
        }
    }
    for pair in pairs.iter_mut() {
        let client = in_order(pair).map(|[inside, _]| inside.0.ip());
        let usual = client.and_then(|ip| hidden.get(&ip));
        let others = usual.is_some_and(|(translated, all)| translated * 2 > *all);
        pair.left_untranslated = pair.translates.is_none() && others;
        if pair.left_untranslated {
            pair.packets.untranslated = pair.packets.both;
        }
    }
    let translation = |((kind, from, to), (ports_changed, connections))| Translation {
        translates: if kind == 0 { Translates::Source } else { Translates::Destination },
        from,
        to,
        ports_changed,
        connections,
    };
    named.into_iter().map(translation).collect()
}

/// The ends on the clients' side and on the servers'.
fn in_order(pair: &Pair) -> Option<[Ends; 2]> {
    let [one, other] = &pair.views;
    let ends = [(one.client, one.server), (other.client, other.server)];
    match pair.nearer_client? {
        0 => Some(ends),
        _ => Some([ends[1], ends[0]]),
    }
}
