//! Which lives belong together: one upstream, one path, one kind of line. Refuses to split where
//! that tells less: one client that meets many addresses has one rhythm, not many.

use std::collections::BTreeMap;

use super::super::Life;
use super::super::gather::Draft;
use super::key::{is_access, value};
use crate::time::Moment;

/// Lives under the label they share.
type Parts = Vec<(Option<String>, Vec<Life>)>;

/// More labels than this are no labels.
const MOST: usize = 40;

/// Splits lives by what sets them apart.
pub(super) fn split<'a>(
    lives: &[Life],
    draft: &dyn Fn(usize) -> Option<&'a Draft>,
    at: &dyn Fn(usize) -> Option<Moment>,
) -> Parts {
    let mut parts = Vec::new();
    for whole in by_form(lives, draft) {
        let found = ["label", "peer"].iter().find_map(|kind| by_kind(&whole, draft, at, kind));
        parts.extend(found.unwrap_or_else(|| vec![(None, whole)]));
    }
    parts
}

/// Lines of an access log tell of other connections than a program's own words do.
fn by_form<'a>(lives: &[Life], draft: &dyn Fn(usize) -> Option<&'a Draft>) -> Vec<Vec<Life>> {
    let formed = |l: &&Life| l.end.or(l.open).and_then(draft).is_some_and(is_access);
    let (a, b): (Vec<&Life>, Vec<&Life>) = lives.iter().partition(formed);
    [a, b]
        .into_iter()
        .filter(|part| !part.is_empty())
        .map(|part| part.into_iter().cloned().collect())
        .collect()
}

/// The parts under one kind of label, if every life has one, openings and ends agree on it, and
/// the ends of the parts are the more regular for it.
fn by_kind<'a>(
    lives: &[Life],
    draft: &dyn Fn(usize) -> Option<&'a Draft>,
    at: &dyn Fn(usize) -> Option<Moment>,
    kind: &str,
) -> Option<Parts> {
    let of = |i: Option<usize>| i.and_then(draft).and_then(|d| value(d, kind));
    let mut parts: BTreeMap<&str, Vec<Life>> = BTreeMap::new();
    let mut agreed = 0;
    for life in lives {
        let (open, end) = (of(life.open), of(life.end));
        if open.is_some() && end.is_some() {
            if open != end {
                return None;
            }
            agreed += 1;
        }
        parts.entry(end.or(open)?).or_default().push(life.clone());
    }
    let small = parts.values().filter(|p| p.len() < 2).count();
    if parts.len() < 2 || parts.len() > MOST || small * 2 > parts.len() {
        return None;
    }
    // Where each life shows both its sides under one label, the label is the connection's own.
    if agreed * 2 < lives.len() && !more_regular(lives, &parts, at) {
        return None;
    }
    Some(parts.into_iter().map(|(k, v)| (Some(k.to_string()), v)).collect())
}

/// Whether the times between ends vary less within the parts than over all.
fn more_regular(
    lives: &[Life],
    parts: &BTreeMap<&str, Vec<Life>>,
    at: &dyn Fn(usize) -> Option<Moment>,
) -> bool {
    let Some(whole) = unevenness(lives, at) else { return false };
    let each: Vec<f64> = parts.values().filter_map(|p| unevenness(p, at)).collect();
    if each.is_empty() {
        return false;
    }
    each.iter().sum::<f64>() / (each.len() as f64) < whole * 0.8
}

/// The median distance of the intervals between ends from their median, as a share of it.
fn unevenness(lives: &[Life], at: &dyn Fn(usize) -> Option<Moment>) -> Option<f64> {
    let mut ends: Vec<Moment> = lives.iter().filter_map(|l| at(l.end.or(l.open)?)).collect();
    ends.sort();
    let gaps: Vec<f64> = ends
        .windows(2)
        .filter_map(|w| match w {
            [a, b] => Some(b.since(*a).secs_f64()),
            _ => None,
        })
        .collect();
    let middle = median(gaps.clone())?;
    let spread = median(gaps.iter().map(|g| (g - middle).abs()).collect())?;
    (gaps.len() >= 2).then(|| if middle > 0.0 { spread / middle } else { f64::MAX })
}

/// The middle value.
fn median(mut values: Vec<f64>) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied()
}
