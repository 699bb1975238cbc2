//! One connection after another: walks the lines of one identity in the order of time. Refuses to
//! hold two connections open at once: a second opening means that the first one's end went unseen.

use std::collections::{BTreeMap, HashMap};

use super::super::gather::Draft;
use super::super::identity::Id;
use super::super::phrasebook::Says;
use super::super::{Act, Life};
use super::{Item, TOGETHER};
use crate::time::{Gap, Moment};

/// What is known of the connection under way.
#[derive(Default)]
struct Now {
    open: Option<(usize, Moment, u32)>,
    alive: Option<usize>,
    /// The first line since the last end, if it started a request.
    request: Option<usize>,
    fresh: bool,
    keyed: bool,
    /// Identities of the last ending's line.
    ended: Vec<Id>,
}

/// The last ending: its life, when, and its line's template.
type Last = (usize, Moment, u32);

/// Walks one group, adding its lives; attempts that end something become endings in `acts`.
///
/// `keyed` says that the lines carry one identity, so that two ends in a moment are one.
pub(super) fn walk(group: &[Item<'_>], keyed: bool, lives: &mut Vec<Life>, acts: &mut [Act]) {
    let opens = group.iter().any(|i| matches!(i.draft.says, Says::Opened | Says::Reopened));
    let mut now = Now { fresh: true, keyed, ..Now::default() };
    let mut last: Option<Last> = None;
    for item in group {
        let index = item.index;
        match item.draft.says {
            Says::Opened | Says::Reopened => opened(item, &mut now, lives),
            Says::Alive if item.draft.filler => {}
            Says::Alive => {
                now.alive = Some(index);
                now.fresh = false;
            }
            Says::Request => {
                if now.fresh && now.open.is_none() {
                    now.request = Some(index);
                } else {
                    now.request = None;
                }
                now.alive = Some(index);
                now.fresh = false;
            }
            Says::Ended => ended(item, &mut now, &mut last, lives),
            Says::Attempt => {
                // Not the connection just opened: something else the same program attempted.
                let fresh = now.open.is_some_and(|(_, at, _)| item.at.since(at) <= TOGETHER);
                if fresh {
                    continue;
                }
                if now.open.is_some() || now.alive.is_some() && (opens || now.request.is_some()) {
                    if let Some(act) = acts.get_mut(index) {
                        *act = Act::Ended;
                    }
                    ended(item, &mut now, &mut last, lives);
                }
            }
            Says::Incident | Says::Word => {}
        }
    }
    if now.open.is_some() {
        lives.push(close(&now, None));
    }
}

/// Pairs ends with the openings that their stated ages point at; what no age points at stays open.
///
/// For logs of many connections at once whose lines carry no identity.
pub(super) fn by_age(items: &[Item<'_>], lives: &mut Vec<Life>) {
    let mut free: BTreeMap<(Moment, usize), usize> = BTreeMap::new();
    for item in items.iter().filter(|i| matches!(i.draft.says, Says::Opened | Says::Reopened)) {
        free.insert((item.at, item.index), item.index);
    }
    for item in items.iter().filter(|i| i.draft.says == Says::Ended) {
        let mut life = Life { end: Some(item.index), ..Life::default() };
        if let Some(age) = item.draft.stated.age {
            let born = item.at.plus(Gap::from_ns(-age.ns()));
            let slack = Gap::from_ns((age.ns() / 100).max(TOGETHER.ns()));
            let near = nearest(&free, born).filter(|(at, _)| at.since(born).abs() <= slack);
            life.open = near.and_then(|key| free.remove(&key));
        }
        lives.push(life);
    }
    lives.extend(free.into_values().map(|open| Life { open: Some(open), ..Life::default() }));
}

/// The free opening nearest to a moment.
fn nearest(free: &BTreeMap<(Moment, usize), usize>, at: Moment) -> Option<(Moment, usize)> {
    let before = free.range(..(at, usize::MAX)).next_back().map(|(k, _)| *k);
    let after = free.range((at, 0)..).next().map(|(k, _)| *k);
    [before, after].into_iter().flatten().min_by_key(|(m, _)| m.since(at).abs())
}

/// A life from what is known.
fn close(now: &Now, end: Option<usize>) -> Life {
    let open = now.open.map(|(index, ..)| index).or(now.request);
    Life { open, last_alive: now.alive.filter(|a| Some(*a) != open), end, also: Vec::new() }
}

/// An opening line.
fn opened(item: &Item<'_>, now: &mut Now, lives: &mut Vec<Life>) {
    if let Some((_, at, template)) = now.open {
        // Several lines tell of one opening: accepted, authenticated, ready.
        if template != item.draft.template && item.at.since(at) <= TOGETHER {
            return;
        }
        lives.push(close(now, None));
    }
    let open = Some((item.index, item.at, item.draft.template));
    let ended = std::mem::take(&mut now.ended);
    *now = Now { open, keyed: now.keyed, ended, ..Now::default() };
}

/// An ending line.
fn ended(item: &Item<'_>, now: &mut Now, last: &mut Option<Last>, lives: &mut Vec<Life>) {
    let nothing_since = now.open.is_none() && now.alive.is_none();
    if nothing_since
        && let Some((life, at, template)) = *last
        && (now.keyed || template != item.draft.template)
        && (item.at.since(at) <= TOGETHER || only_reconnects(item.draft))
        && !other_connection(now, item.draft)
        && let Some(life) = lives.get_mut(life)
    {
        life.also.push(item.index);
        return;
    }
    *last = Some((lives.len(), item.at, item.draft.template));
    now.ended.clone_from(&item.draft.ids);
    lives.push(close(now, Some(item.index)));
    let ended = std::mem::take(&mut now.ended);
    *now = Now { fresh: true, keyed: now.keyed, ended, ..Now::default() };
}

/// Whether two lines carry the same kind of identity with different values.
fn other_connection(now: &Now, draft: &Draft) -> bool {
    // These are of whoever wrote the line, not of the connection.
    const WRITERS: [&str; 6] = ["thread", "worker", "request", "req", "slot", "peer"];
    draft
        .ids
        .iter()
        .filter(|id| !WRITERS.contains(&id.kind.as_str()))
        .any(|id| now.ended.iter().any(|e| e.kind == id.kind && e.value != id.value))
}

/// One life for each ending line of an access log: such a line tells of a whole connection, and
/// its neighbours of others.
pub(super) fn each(group: &[Item<'_>], lives: &mut Vec<Life>) {
    for item in group.iter().filter(|i| i.draft.says == Says::Ended) {
        lives.push(Life { end: Some(item.index), ..Life::default() });
    }
}

/// Whether a line only says that the client tries again.
fn only_reconnects(draft: &Draft) -> bool {
    let again = ["reconnecting", "refused", "connect-failed", "connect-timeout", "no-route"];
    !draft.words.is_empty() && draft.words.iter().all(|w| again.contains(w))
}

/// Gives lives without traffic the line that stood before their end in the log.
///
/// Only in a log that tells of little else (`others` lines of no connection): in a busy one the
/// line before an end is anybody's.
pub(super) fn adopt_orphans(items: &[Item<'_>], others: u64, lives: &mut [Life]) {
    if others > 2 * lives.len() as u64 + 3 {
        return;
    }
    let places: HashMap<usize, usize> =
        items.iter().enumerate().map(|(place, item)| (item.index, place)).collect();
    for life in lives.iter_mut().filter(|l| l.last_alive.is_none()) {
        let Some(end) = life.end.and_then(|e| places.get(&e)).copied() else { continue };
        let before = end.checked_sub(1).and_then(|b| items.get(b));
        let born = life.open.and_then(|o| places.get(&o)).copied();
        // After the opening, where there is one.
        if let Some(filler) = before.filter(|b| b.draft.filler)
            && born.is_none_or(|b| b < end)
        {
            life.last_alive = Some(filler.index);
        }
    }
}

/// A line that only says that the client tries again belongs to the end before it, whatever it
/// calls the connection: the end is told by the port it came from, the next try by where it goes
/// to.
///
/// Only where nothing opened in between and that end has no such line of its own: many clients of
/// one log each have their own.
pub(super) fn adopt_reconnects(items: &[Item<'_>], lives: &mut Vec<Life>) {
    /// Tries that come later are told with an end of their own, or are of another connection.
    const LATER: Gap = Gap::from_secs(60);
    let by_index: HashMap<usize, &Item<'_>> = items.iter().map(|i| (i.index, i)).collect();
    let end_of = |life: &Life| life.end.and_then(|e| by_index.get(&e)).copied();
    let opened: Vec<Moment> = items
        .iter()
        .filter(|i| matches!(i.draft.says, Says::Opened | Says::Reopened))
        .map(|i| i.at)
        .collect();
    let bare = |life: &Life| {
        life.open.is_none() && end_of(life).is_some_and(|item| only_reconnects(item.draft))
    };
    let (tries, mut ends): (Vec<Life>, Vec<Life>) =
        std::mem::take(lives).into_iter().partition(bare);
    ends.sort_by_key(|l| end_of(l).map(|item| (item.at, item.index)));
    let moments: Vec<Option<Moment>> = ends.iter().map(|l| end_of(l).map(|i| i.at)).collect();
    let mut taken = vec![false; ends.len()];
    for again in tries {
        let Some(item) = end_of(&again) else { continue };
        let before = moments.partition_point(|at| at.is_none_or(|at| at <= item.at)).checked_sub(1);
        let near = before.filter(|place| {
            let at = moments.get(*place).copied().flatten().unwrap_or(item.at);
            let first = opened.partition_point(|m| *m <= at);
            let between = opened.get(first).is_some_and(|m| *m < item.at);
            item.at.since(at) <= LATER && !between && taken.get(*place) == Some(&false)
        });
        match near.and_then(|place| Some((place, ends.get_mut(place)?))) {
            Some((place, life)) => {
                // The traffic before the try was the connection's that ended.
                let began = life.open.and_then(|o| by_index.get(&o)).map(|i| i.at);
                let alive = again.last_alive.filter(|a| {
                    by_index.get(a).is_some_and(|i| began.is_none_or(|began| began <= i.at))
                });
                life.last_alive = life.last_alive.or(alive);
                life.also.push(item.index);
                life.also.extend(again.also);
                if let Some(slot) = taken.get_mut(place) {
                    *slot = true;
                }
            }
            None => lives.push(again),
        }
    }
    lives.extend(ends);
}

/// A life that tells neither its opening nor its end.
pub(super) fn says_nothing(life: &Life) -> bool {
    life.open.is_none() && life.end.is_none()
}
