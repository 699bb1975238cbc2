//! Every two captures of the evidence, compared once, and found again by connection.

use super::facts::Source;
use super::subject::FlowPart;
use crate::flow::CaptureReading;
use crate::path::{Pair, Path, Point, View, align};
use std::collections::HashMap;
use std::sync::{Arc, OnceLock};

/// Captures beyond these are not compared with the others: the work grows with their square.
const CAPTURES_MAX: usize = 8;

/// Two captures that have connections in common.
#[derive(Clone, Debug)]
pub struct TwoPoints {
    /// What they show of the path between them.
    pub path: Path,
    /// Which pair each capture's connection is in, by its number from 1, as a part of it or as its
    /// view there.
    of: [HashMap<u64, usize>; 2],
}

impl TwoPoints {
    fn of(first: &Point, second: &Point) -> Option<Self> {
        let path = align(first, second);
        let of = [0, 1].map(|point| {
            let pairs = path.connections.iter().enumerate();
            pairs
                .filter_map(|(at, pair)| Some((at, pair.views.get(point)?)))
                .flat_map(|(at, view)| {
                    let all = std::iter::once(&view.flow).chain(&view.parts);
                    all.map(move |flow| (*flow, at))
                })
                .collect::<HashMap<u64, usize>>()
        });
        (path.paired > 0).then_some(Self { path, of })
    }

    /// Which of the two a capture is.
    pub fn place(&self, file: &str) -> Option<usize> {
        self.path.points.iter().position(|point| point.file == file)
    }

    /// Which of the two captures a view is of.
    pub fn place_of(&self, flow: &FlowPart<'_>) -> Option<usize> {
        self.place(&flow.source.file)
    }

    /// A pair's view in the other capture, and the other capture's name.
    pub(super) fn across<'p>(
        &'p self,
        pair: &'p Pair,
        place: usize,
    ) -> Option<(&'p str, &'p View)> {
        let (other, point) = (pair.views.get(1 - place)?, self.path.points.get(1 - place)?);
        Some((point.file.as_str(), other))
    }

    /// The pair a view is in.
    pub fn pair_of(&self, flow: &FlowPart<'_>) -> Option<&Pair> {
        let at = self.of.get(self.place_of(flow)?)?.get(&(flow.number as u64))?;
        self.path.connections.get(*at)
    }
}

/// The comparisons, made when they are first asked for.
#[derive(Clone, Debug, Default)]
pub(super) struct Paths(OnceLock<Arc<Vec<TwoPoints>>>);

impl Paths {
    /// Each two of the captures.
    pub(super) fn of<'a>(
        &self,
        captures: impl Iterator<Item = (&'a Source, &'a CaptureReading)>,
    ) -> &[TwoPoints] {
        let compare = || {
            let captures: Vec<_> = captures.take(CAPTURES_MAX).collect();
            // One capture alone costs nothing.
            if captures.len() < 2 {
                return Arc::default();
            }
            let points: Vec<Point> =
                captures.iter().map(|(source, read)| Point::of(&source.file, read)).collect();
            let mut all = Vec::new();
            let mut rest = points.as_slice();
            while let Some((first, later)) = rest.split_first() {
                all.extend(later.iter().filter_map(|second| TwoPoints::of(first, second)));
                rest = later;
            }
            Arc::new(all)
        };
        self.0.get_or_init(compare)
    }

    /// What is left of them without one input.
    pub(super) fn without(&self, file: &str) -> Self {
        let Some(known) = self.0.get() else { return Self::default() };
        let without = |points: &&TwoPoints| points.path.points.iter().all(|p| p.file != file);
        let left: Vec<TwoPoints> = known.iter().filter(without).cloned().collect();
        Self(OnceLock::from(Arc::new(left)))
    }
}
