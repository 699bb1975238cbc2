//! One clock for hosts whose captures have packets in common.
//!
//! Every two captures of one path tell how their clocks differ. From one to the next all that hang
//! together are told by the clock of one of them: of a host whose log there is, so that the log
//! keeps its own times. A log or a dump goes with the captures of its host. What no packet ties
//! keeps the times it was stamped with.

use super::facts::{Facts, Source};
use super::two_points::TwoPoints;
use crate::path::Clock;
use crate::terms::Role;
use crate::time::{Gap, Moment};
use std::collections::HashMap;

/// A comparison whose clocks tie a capture to the next one, and whether the capture is its second.
type Step = (usize, bool);

/// How each file's clock is brought to the one.
#[derive(Clone, Debug, Default)]
pub(super) struct OneClock(HashMap<String, Vec<Step>>);

impl OneClock {
    /// What the captures tell.
    pub(super) fn of(facts: &Facts, paths: &[TwoPoints]) -> Self {
        let mut one = Self::default();
        let mut roots: Vec<&Source> = facts.captures().map(|(source, _)| source).collect();
        roots.sort_by_key(|capture| {
            let log = facts.logs().any(|(log, _)| log.is_beside(capture));
            let place = match capture.role {
                Some(Role::Client) => 0,
                None => 1,
                Some(Role::Hop) => 2,
                Some(Role::Server) => 3,
            };
            (!log, place)
        });
        for root in roots {
            if !one.0.contains_key(&root.file) {
                one.spread(&root.file, paths);
            }
        }
        let beside = facts.sources.iter().filter_map(|source| {
            let captures = facts.captures().filter(|(capture, _)| capture.is_beside(source));
            let steps = captures.filter_map(|(capture, _)| one.0.get(&capture.file)).next()?;
            Some((source.file.clone(), steps.clone()))
        });
        let beside: Vec<_> = beside.collect();
        for (file, steps) in beside {
            one.0.entry(file).or_insert(steps);
        }
        one
    }

    /// Every capture that is tied to the root, over as few others as can be.
    fn spread(&mut self, root: &str, paths: &[TwoPoints]) {
        let mut reached = vec![(root.to_owned(), Vec::new())];
        let mut next = 0;
        while let Some((file, steps)) = reached.get(next).cloned() {
            next += 1;
            for (at, points) in paths.iter().enumerate() {
                let Some(place) = points.place(&file).filter(|_| points.path.clock.is_some())
                else {
                    continue;
                };
                let Some(other) = points.path.points.get(1 - place) else { continue };
                if reached.iter().any(|(known, _)| *known == other.file) {
                    continue;
                }
                let mut way = vec![(at, place == 0)];
                way.extend(&steps);
                reached.push((other.file.clone(), way));
            }
        }
        // A capture that nothing ties has no other's clock.
        if reached.len() > 1 {
            self.0.extend(reached);
        }
    }

    /// A moment of a source's clock by the one clock.
    pub(super) fn of_source(
        &self,
        source: &Source,
        at: Moment,
        paths: &[TwoPoints],
    ) -> Option<Moment> {
        let steps = self.0.get(&source.file)?;
        let clock = |path: usize| paths.get(path).and_then(|points| points.path.clock.as_ref());
        steps
            .iter()
            .try_fold(at, |at, (path, is_second)| Some(moved(clock(*path)?, at, *is_second)))
    }
}

/// A moment of one clock by the other.
fn moved(clock: &Clock, at: Moment, is_second: bool) -> Moment {
    if is_second { clock.by_first(at) } else { at.plus(Gap::from_ns(clock.offset_at(at))) }
}
