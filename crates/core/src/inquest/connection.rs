//! Every connection of the captures, each once, with every capture's view of it.
//!
//! Two captures that have its packets say it best, whatever its ends are called and whatever their
//! clocks show. Where no packets tell, views are of one connection when their ends, translated
//! back, and their times meet, or when they opened with the same numbers.

use super::facts::{Facts, Source};
use super::names::{Mark, Marks, Names, Pair};
use super::two_points::TwoPoints;
use super::view::FlowPart;
use crate::flow::{Finished, How};
use crate::terms::Role;
use crate::time::{Gap, Moment};
use std::collections::{BTreeMap, HashMap};

/// Openings that lie further apart were stamped by clocks that do not compare.
const APART: Gap = Gap::from_secs(5);

/// One connection and every capture's view of it, the one whose end shows best first.
#[derive(Clone, Debug)]
pub(super) struct Connection<'a> {
    /// Client's address and server's end, in words.
    pub what: String,
    /// Every capture's view.
    pub views: Vec<FlowPart<'a>>,
}

impl<'a> Connection<'a> {
    /// The view whose end shows best.
    pub(super) fn best(&self) -> Option<&FlowPart<'a>> {
        self.views.first()
    }

    /// Whether one of these is a view of it.
    pub(super) fn has(&self, flows: &[FlowPart<'a>]) -> bool {
        self.views.iter().any(|v| flows.iter().any(|f| std::ptr::eq(f.flow, v.flow)))
    }

    /// Whether it ended in one of these ways.
    pub(super) fn is(&self, how: &[How]) -> bool {
        self.best().is_some_and(|f| how.contains(&f.flow.record.ending.how))
    }

    /// Whether its end asks for an explanation.
    pub(super) fn ended(&self) -> bool {
        self.best().is_some_and(FlowPart::ended)
    }
}

/// How well a view shows the end: a reset more than a FIN, both more than silence; then the client,
/// whose end is the one that is missed.
fn shows(flow: &FlowPart<'_>) -> (u8, u8) {
    // Where an end gave up, or spoke in vain long before anybody closed, the end shows best.
    let early = flow.gave_up().is_some()
        || flow.unheard().is_some()
        || flow.flow.last_words.size_loss.is_some();
    let how = match flow.how() {
        _ if early => 0,
        How::Rst => 0,
        // Who sees a half-closed connection only close misses its end.
        How::Fin => u8::from(flow.cut().is_none()),
        How::Silence => 2,
        How::Refused | How::Unanswered => 3,
        How::Open => 4,
    };
    let place = match flow.source.role {
        Some(Role::Client) => 0,
        None => 1,
        Some(Role::Hop) => 2,
        Some(Role::Server) => 3,
    };
    (how, place)
}

/// Every connection of every capture.
pub(super) fn connections(facts: &Facts) -> Vec<Connection<'_>> {
    let mut joining = Joining {
        facts,
        names: Names::of(facts),
        all: Vec::new(),
        by_pair: BTreeMap::new(),
        by_mark: BTreeMap::new(),
        placed: HashMap::new(),
    };
    for (source, capture) in facts.captures() {
        let marks = Marks::of(capture);
        let (mut parts, mut others) = (Vec::new(), Vec::new());
        for (flow, number) in capture.flows.iter().zip(1..) {
            let view = joining.view(source, flow, (number, marks.of_flow(flow)));
            match joining.by_packets(&view) {
                Some(Known::View(at)) => joining.add(at, view),
                Some(Known::PartOf(primary)) => parts.push((primary, view)),
                None => others.push(view),
            }
        }
        // Names are given again; what the packets say goes first.
        others.into_iter().for_each(|view| joining.by_names(view));
        for (primary, view) in parts {
            joining.part(primary, view);
        }
    }
    joining.finish()
}

/// What packets in common say of a view.
enum Known {
    /// It is a view of this connection.
    View(usize),
    /// Its capture took a part of a connection for one of its own: the number of the other part.
    PartOf(u64),
}

/// Connections while they are put together.
struct Joining<'a> {
    facts: &'a Facts,
    names: Names,
    all: Vec<Connection<'a>>,
    /// Which are known under these ends, translated back.
    by_pair: BTreeMap<Pair, Vec<usize>>,
    by_mark: BTreeMap<Mark, (Pair, Moment)>,
    /// Where each capture's connections went.
    placed: HashMap<(&'a str, u64), usize>,
}

impl<'a> Joining<'a> {
    fn view(
        &self,
        source: &'a Source,
        flow: &'a Finished,
        (number, mark): (usize, Option<Mark>),
    ) -> FlowPart<'a> {
        let last = flow.record.last_ns;
        let told = self.facts.by_one_clock(source, last);
        let ahead = told.map_or(Gap::ZERO, |told| last.since(told));
        FlowPart {
            source,
            flow,
            number,
            connection: 0,
            beside: false,
            apart: false,
            ahead,
            tied: told.is_some(),
            mark,
        }
    }

    /// The connection that packets in common with an earlier capture say it is.
    fn by_packets(&self, view: &FlowPart<'a>) -> Option<Known> {
        let number = view.number as u64;
        self.facts.paths().iter().find_map(|points| {
            let (place, pair) = (points.place_of(view)?, points.pair_of(view)?);
            let own = pair.views.get(place)?;
            if own.flow != number {
                return Some(Known::PartOf(own.flow));
            }
            let (file, other) = points.across(pair, place)?;
            self.placed.get(&(file, other.flow)).map(|at| Known::View(*at))
        })
    }

    /// Adds a view that packets say is of this connection.
    fn add(&mut self, at: usize, mut view: FlowPart<'a>) {
        // Packets were compared; without a clock their times do not compare all the same.
        view.apart = !view.tied;
        self.placed.insert((&view.source.file, view.number as u64), at);
        if let Some(connection) = self.all.get_mut(at) {
            match connection.views.iter_mut().find(|v| v.source.file == view.source.file) {
                Some(kept) => kept.beside = true,
                None => connection.views.push(view),
            }
        }
    }

    /// A part of a connection that its capture took for one of its own.
    fn part(&mut self, primary: u64, view: FlowPart<'a>) {
        match self.placed.get(&(view.source.file.as_str(), primary)) {
            Some(at) => self.add(*at, view),
            None => self.by_names(view),
        }
    }

    /// Adds a view to the connection that its names and its opening say it is of, or as a new one.
    fn by_names(&mut self, mut view: FlowPart<'a>) {
        let mut pair = self.names.inside(view.own_pair());
        if let Some(mark) = view.mark {
            let began = view.by_one_clock(view.flow.record.first_ns);
            let (known, at) = self.by_mark.entry(mark).or_insert((pair, began));
            pair = *known;
            view.apart = began.since(*at).abs() > APART;
        }
        let key = (view.source.file.as_str(), view.number as u64);
        let again =
            |v: &FlowPart<'_>| v.source.file == view.source.file && v.own_pair() == view.own_pair();
        let one = |v: &FlowPart<'_>| v.meets(&view) || (view.mark.is_some() && v.mark == view.mark);
        let known = self.by_pair.entry(pair).or_default();
        let meets = |at: &&usize| {
            let views = self.all.get(**at).map_or(&[][..], |c| c.views.as_slice());
            views.iter().any(one) && !views.iter().any(again)
        };
        let Some(at) = known.iter().find(meets).copied() else {
            self.placed.insert(key, self.all.len());
            known.push(self.all.len());
            self.all.push(Connection { what: in_words(pair), views: vec![view] });
            return;
        };
        self.placed.insert(key, at);
        let Some(connection) = self.all.get_mut(at) else { return };
        // Both sides of a box in one capture: the inner one is the connection as it arrives.
        match connection.views.iter_mut().find(|v| v.source.file == view.source.file) {
            Some(outer) if view.own_pair() == pair => *outer = FlowPart { beside: true, ..view },
            Some(kept) => kept.beside = true,
            None => connection.views.push(view),
        }
    }

    /// In order of their ends, each with its number.
    fn finish(mut self) -> Vec<Connection<'a>> {
        let paths = self.facts.paths();
        let mut order: Vec<usize> = self.by_pair.into_values().flatten().collect();
        let mut all = Vec::with_capacity(order.len());
        for (number, at) in order.drain(..).enumerate() {
            let Some(connection) = self.all.get_mut(at) else { continue };
            let what = std::mem::take(&mut connection.what);
            let mut views = std::mem::take(&mut connection.views);
            let what = innermost(&views, paths)
                .map_or(what, |view| in_words(self.names.inside(view.own_pair())));
            views.sort_by_key(shows);
            for view in &mut views {
                view.connection = number;
            }
            all.push(Connection { what, views });
        }
        all
    }
}

fn in_words((client, server): Pair) -> String {
    format!("{} -> {server}", client.ip())
}

/// The view that stands nearest to the client, where packets in common tell.
fn innermost<'v, 'a>(views: &'v [FlowPart<'a>], paths: &[TwoPoints]) -> Option<&'v FlowPart<'a>> {
    // One that is nearer than another, and than which none is nearer.
    let of = |view: &FlowPart<'a>| {
        let nearer = paths.iter().filter_map(|points| {
            let (place, pair) = (points.place_of(view)?, points.pair_of(view)?);
            pair.nearer_client.map(|nearer| nearer == place)
        });
        nearer.fold((false, true), |(any, all), is| (any || is, all && is))
    };
    if views.len() < 2 {
        return None;
    }
    views.iter().find(|view| of(view) == (true, true))
}
