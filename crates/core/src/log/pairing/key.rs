//! Which identity tells the connections of this log apart.
//! Refuses an identity under which openings and ends do not meet.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::super::gather::{Because, Draft};
use super::super::phrasebook::Says;
use super::{Item, TOGETHER};
use crate::time::Moment;

/// How well an identity pairs the lines of a log.
#[derive(Clone, Copy, Debug, Default)]
struct Score {
    /// Ends that found an opening or traffic of the same value since the last end.
    matched: i64,
    /// Openings while the same value was open, and ends of what was not open.
    clashes: i64,
    /// Openings and ends that carry the identity.
    carried: i64,
}

/// What is known of one value while a log is played through.
#[derive(Clone, Copy, Debug, Default)]
struct Turn {
    open: bool,
    /// Whether anything was seen since the last end.
    seen: bool,
    /// When the last opening or ending was, and its line's template.
    last: Option<(Moment, u32)>,
}

/// The kind of identity to pair by, or `None` to pair in order.
pub(super) fn choose(items: &[Item<'_>], wanted: bool) -> Option<String> {
    if wanted {
        return Some("key".into());
    }
    let kinds: BTreeSet<&str> =
        items.iter().flat_map(|i| i.draft.ids.iter().map(|id| id.kind.as_str())).collect();
    let turns = items.iter().filter(|i| turns(i.draft)).count() as i64;
    let in_order = score(items, None);
    let mut best: Option<(&str, (i64, i64))> = None;
    for kind in kinds {
        if kind == "label" {
            continue;
        }
        let values = distinct(items, kind);
        let s = score(items, Some(kind));
        if values < 2 || s.carried * 2 < turns {
            continue;
        }
        let worth = (s.matched * 2 - s.clashes, s.carried);
        if best.is_none_or(|(_, b)| worth > b) {
            best = Some((kind, worth));
        }
    }
    let (kind, worth) = best?;
    let (worth, _) = worth;
    (worth > 0 && worth >= in_order.matched * 2 - in_order.clashes).then(|| kind.to_string())
}

/// Whether openings and ends clash in their order while most ends state their age.
pub(super) fn ages_tell(items: &[Item<'_>]) -> bool {
    let ends = items.iter().filter(|i| i.draft.says == Says::Ended);
    let (mut all, mut aged) = (0, 0);
    for end in ends {
        all += 1;
        aged += usize::from(end.draft.stated.age.is_some());
    }
    let opens = items.iter().any(|i| matches!(i.draft.says, Says::Opened | Says::Reopened));
    opens && aged * 5 >= all * 4 && aged > 0 && score(items, None).clashes > 0
}

/// Whether a line opens or ends.
fn turns(draft: &Draft) -> bool {
    matches!(draft.says, Says::Opened | Says::Reopened | Says::Ended)
}

/// Values an identity takes.
fn distinct(items: &[Item<'_>], kind: &str) -> usize {
    items.iter().filter_map(|i| value(i.draft, kind)).collect::<BTreeSet<_>>().len()
}

/// A line's value of one kind of identity.
pub(super) fn value<'a>(draft: &'a Draft, kind: &str) -> Option<&'a str> {
    draft.ids.iter().find(|i| i.kind == kind).map(|i| i.value.as_str())
}

/// Plays the log through under one identity, or in order.
fn score(items: &[Item<'_>], kind: Option<&str>) -> Score {
    let mut s = Score::default();
    let mut state: HashMap<&str, Turn> = HashMap::new();
    for item in items.iter().filter(|i| !i.draft.filler) {
        let Some(v) = kind.map_or(Some(""), |k| value(item.draft, k)) else { continue };
        let Turn { open, seen, last } = state.entry(v).or_default();
        // Several lines tell of one opening or one ending.
        let again = last.is_some_and(|(at, template)| {
            template != item.draft.template && item.at.since(at) <= TOGETHER
        });
        if turns(item.draft) {
            *last = Some((item.at, item.draft.template));
        }
        match item.draft.says {
            Says::Opened | Says::Reopened => {
                s.carried += 1;
                s.clashes += i64::from(*open && !again);
                (*open, *seen) = (true, true);
            }
            Says::Ended => {
                s.carried += 1;
                s.matched += i64::from(*seen);
                (*open, *seen) = (false, false);
            }
            Says::Alive | Says::Request => *seen = true,
            Says::Attempt | Says::Incident | Says::Word => {}
        }
    }
    s
}

/// Whether a line belongs to an access log or an identity tells it apart, and by what.
pub(super) type Group = (bool, String);

/// The lines of each connection, in the order of time.
///
/// Access logs (HAProxy's, Envoy's) write one line for a whole connection, and of other
/// connections than the program's own words beside them: they are a group of their own.
pub(super) fn groups<'a>(items: &[Item<'a>], kind: Option<&str>) -> BTreeMap<Group, Vec<Item<'a>>> {
    let mut groups: BTreeMap<Group, Vec<Item<'a>>> = BTreeMap::new();
    for (at, item) in items.iter().enumerate() {
        if kind.is_some_and(|k| is_prelude(items.get(at..).unwrap_or_default(), k)) {
            continue;
        }
        let access = is_access(item.draft);
        let v = kind.filter(|_| !access).and_then(|k| value(item.draft, k)).unwrap_or("");
        groups.entry((access, v.to_string())).or_default().push(*item);
    }
    groups
}

/// Whether the first line opens or ends what a keyed line right after tells of again, so that it
/// is no connection of its own: `New connection from A`, then `New client connected from A as B`.
fn is_prelude(from: &[Item<'_>], kind: &str) -> bool {
    let Some((first, rest)) = from.split_first() else { return false };
    let says = first.draft.says;
    if !matches!(says, Says::Opened | Says::Ended) || value(first.draft, kind).is_some() {
        return false;
    }
    let shares = |d: &Draft| first.draft.ids.iter().any(|id| d.ids.contains(id));
    rest.iter().take(8).take_while(|i| i.at.since(first.at) <= TOGETHER).any(|i| {
        let named = value(i.draft, kind);
        // `Received DISCONNECT from B`, then `Client B disconnected`.
        let spoken = says == Says::Ended && named.is_some_and(|v| first.draft.text.contains(v));
        i.draft.says == says && named.is_some() && (spoken || shares(i.draft))
    })
}

/// Whether a line is one of an access log that tells of a whole connection.
pub(super) fn is_access(draft: &Draft) -> bool {
    matches!(draft.because, Because::Shape(_, true))
}
