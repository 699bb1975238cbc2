//! The table that lanes share while nothing but the length of a timer could tell them apart.
//!
//! Its entries live as long as under the longest timer among the lanes; beside each stands when
//! it would go in every one of them. How many entries fit is not its business
//! ([`Trunk::was_full`] says when it should have been).

use super::lane::is_open;
use super::{Passing, Sweep, Variant};
use crate::conntrack::entry::Entry;
use crate::conntrack::judged::{Event, Gone, Judged, Verdict};
use crate::conntrack::packet::{Tuple, flag};
use crate::conntrack::rules::Rules;
use crate::conntrack::settings::{Settings, Timeouts};
use crate::conntrack::table::Table;
use crate::time::{Gap, Moment};

/// A table that may hold no more than this can be full in a capture, and whether it is, is then
/// every lane's own affair.
const ROOMY: u32 = 100_000;

#[derive(Debug)]
pub(super) struct Trunk {
    table: Table,
    /// By lane: its place among those that follow the trunk.
    places: Vec<Option<usize>>,
    /// Every lane has one.
    all: bool,
    max: Option<u32>,
    full: bool,
}

/// A connection's entry in the trunk.
#[derive(Debug)]
pub(super) struct Stands {
    original: Tuple,
    /// By place: when the entry goes there.
    goes: Box<[Moment]>,
    /// The earliest of these that has not come.
    soonest: Moment,
}

/// What is left of settings when no timeout is looked at.
fn but_for_timeouts(settings: Settings) -> Settings {
    let (max_retrans, plain) = (0, Settings::default());
    Settings {
        tcp: Timeouts::default(),
        tcp_max_retrans: max_retrans,
        udp: plain.udp,
        udp_stream: plain.udp_stream,
        icmp: plain.icmp,
        icmpv6: plain.icmpv6,
        generic: plain.generic,
        log_invalid: plain.log_invalid,
        acct: plain.acct,
        ..settings
    }
}

impl Trunk {
    /// For lanes of these variants; `None` where none could follow it.
    pub(super) fn new(variants: &[Variant], rules: Rules) -> Option<Self> {
        let was = variants.first()?.settings;
        if was.max.is_some_and(|max| max < ROOMY && !(max == 0 && rules.zero_max_is_unlimited)) {
            return None;
        }
        let follows = |variant: &Variant| {
            variant.probes.is_none() && but_for_timeouts(variant.settings) == but_for_timeouts(was)
        };
        let mut others = Vec::new();
        let mut places = Vec::new();
        for variant in variants {
            places.push(follows(variant).then_some(others.len()));
            if follows(variant) {
                others.push(variant.settings);
            }
        }
        let mut table = Table::new(Settings { max: None, ..was }, rules);
        table.compute_under(others);
        let all = places.iter().all(Option::is_some);
        Some(Self { table, places, all, max: was.max.filter(|max| *max > 0), full: false })
    }

    pub(super) fn place(&self, lane: usize) -> Option<usize> {
        self.places.get(lane).copied().flatten()
    }

    /// No lane has a table of its own from the beginning.
    pub(super) const fn carries_all(&self) -> bool {
        self.all
    }

    pub(super) const fn table_mut(&mut self) -> &mut Table {
        &mut self.table
    }

    pub(super) const fn was_full(&self) -> bool {
        self.full
    }

    /// The entry of a connection, and when it goes in each lane that follows.
    pub(super) fn entry_of<'a>(&self, flow: &'a super::Flow) -> Option<(Entry, &'a [Moment])> {
        let stands = flow.stands.as_ref()?;
        let (entry, _) = self.table.find(&stands.original)?;
        Some((*entry, &stands.goes))
    }

    /// When an entry that was just refreshed goes, by place.
    fn goes(&self, at: Moment) -> impl Iterator<Item = Moment> {
        self.table.given().iter().map(move |s| at.plus(Gap::from_secs(i64::from(*s))))
    }
}

impl Stands {
    fn set(&mut self, original: Tuple, goes: impl Iterator<Item = Moment>) {
        self.original = original;
        self.soonest = Moment::from_ns(i64::MAX);
        for (place, goes) in self.goes.iter_mut().zip(goes) {
            *place = goes;
            self.soonest = self.soonest.min(goes);
        }
    }
}

/// The trunk's part of a sweep.
impl Sweep {
    /// Puts an entry that stood before the capture into the trunk.
    pub(super) fn stand(&mut self, entry: Entry, begins: Moment) {
        let Some(trunk) = &mut self.trunk else { return };
        if !trunk.table.insert(entry) {
            return;
        }
        let name = self.front.flow(&entry.original);
        let places = trunk.places.iter().flatten().count();
        let goes = vec![entry.expires; places].into_boxed_slice();
        let stands = Stands { original: entry.original, goes, soonest: entry.expires };
        let reply = self.front.translation(&name);
        let (first, last, stands) = (begins, begins, Some(stands));
        let flow = super::Flow { first, last, over: false, reply, stands, apart: false };
        self.flows.insert(name, flow);
    }

    /// Moves the trunk's time on to a packet. Lanes in which the packet's entry is gone by then
    /// have left when this returns.
    pub(super) fn time_in_trunk(&mut self, passing: &Passing) {
        if let Some(trunk) = &mut self.trunk {
            trunk.table.advance_to(passing.at);
            self.end_in_trunk();
            self.leave_where_gone(passing);
        }
    }

    /// The trunk's verdict. Lanes for which it no longer speaks have left when this returns.
    pub(super) fn in_trunk(&mut self, passing: &Passing) -> Option<Judged> {
        let trunk = self.trunk.as_mut()?;
        // Whether refused ends lower the timer hangs on what is left of it.
        let ends = passing.flags() & (flag::FIN | flag::RST) != 0;
        let flow = if ends { self.flows.get(&passing.flow) } else { None };
        let held = flow.and_then(|flow| trunk.entry_of(flow));
        let judged = trunk.table.packet(passing.at, &passing.packet);
        if let Some((entry, goes)) = held
            && judged.verdict == Verdict::Invalid
        {
            for (lane, place) in self.lanes.iter_mut().zip(&trunk.places) {
                if let Some(expires) = place.and_then(|place| goes.get(place)) {
                    lane.leave(passing.flow, Some(Entry { expires: *expires, ..entry }));
                }
            }
            if let Some(flow) = self.flows.get_mut(&passing.flow) {
                flow.apart = true;
            }
        }
        self.end_in_trunk();
        self.note_refresh(passing, &judged);
        Some(judged)
    }

    fn note_refresh(&mut self, passing: &Passing, judged: &Judged) {
        let (Some(trunk), true) = (&mut self.trunk, judged.refreshed) else { return };
        if judged.created {
            trunk.full |= trunk.max.is_some_and(|max| trunk.table.len() >= max as usize);
        }
        let Some(flow) = self.flows.get_mut(&passing.flow) else { return };
        let goes = trunk.goes(passing.at);
        match &mut flow.stands {
            Some(stands) if !judged.created => stands.set(stands.original, goes),
            stands => {
                let goes: Box<[Moment]> = goes.collect();
                let soonest = goes.iter().copied().min().unwrap_or(passing.at);
                *stands = Some(Stands { original: passing.packet.tuple, goes, soonest });
            }
        }
    }

    /// Lanes in which the packet's entry is gone by now judge its connection themselves.
    fn leave_where_gone(&mut self, passing: &Passing) {
        let (Some(trunk), Some(flow)) = (&self.trunk, self.flows.get_mut(&passing.flow)) else {
            return;
        };
        if flow.stands.as_ref().is_none_or(|stands| stands.soonest > passing.at) {
            return;
        }
        let Some((entry, _)) = trunk.entry_of(flow) else { return };
        let Some(stands) = &mut flow.stands else { return };
        stands.soonest = Moment::from_ns(i64::MAX);
        flow.apart = true;
        let mut gone = Vec::new();
        for (lane, place) in self.lanes.iter_mut().zip(&trunk.places) {
            let Some(at) = place.and_then(|place| stands.goes.get(place)) else { continue };
            if *at > passing.at {
                stands.soonest = stands.soonest.min(*at);
            } else if !lane.has_left(&passing.flow) {
                lane.leave(passing.flow, None);
                gone.push((lane, *at));
            }
        }
        for (lane, at) in gone {
            lane.ended(passing.flow, flow, expired(&entry, at));
        }
    }

    /// Entries of the trunk that are gone are gone in every lane that follows it.
    fn end_in_trunk(&mut self) {
        let Some(trunk) = &mut self.trunk else { return };
        for event in trunk.table.drain_events() {
            let name = self.front.flow(&event.original);
            let Some(flow) = self.flows.get_mut(&name) else { continue };
            let Some(stands) = flow.stands.take() else { continue };
            flow.apart |= event.gone == Gone::Expired && is_open(event.tcp_state);
            for (lane, place) in self.lanes.iter_mut().zip(&trunk.places) {
                let Some(goes) = place.and_then(|place| stands.goes.get(place)) else { continue };
                let at = if event.gone == Gone::Expired { *goes } else { event.at };
                if !lane.has_left(&name) {
                    lane.ended(name, flow, Event { at, ..event });
                }
            }
        }
    }

    /// Lets the trunk's time run to the last packet, and tells each lane how it stands.
    pub(super) fn close_trunk(&mut self) {
        let ends = self.ends;
        let Some(trunk) = &mut self.trunk else { return };
        trunk.table.advance_to(ends);
        self.end_in_trunk();
        let Some(trunk) = &self.trunk else { return };
        for (name, flow) in &self.flows {
            let Some((entry, goes)) = trunk.entry_of(flow) else { continue };
            for (lane, place) in self.lanes.iter_mut().zip(&trunk.places) {
                let Some(at) = place.and_then(|place| goes.get(place)) else { continue };
                if lane.has_left(name) {
                    continue;
                }
                if *at <= ends {
                    lane.ended(*name, flow, expired(&entry, *at));
                } else {
                    lane.stands(*name, flow, *at);
                }
            }
        }
    }
}

fn expired(entry: &Entry, at: Moment) -> Event {
    let (original, tcp_state) = (entry.original, entry.tcp_state());
    Event { gone: Gone::Expired, at, entry: entry.id, original, tcp_state }
}
