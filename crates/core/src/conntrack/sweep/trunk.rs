//! The table that lanes share while nothing tells them apart.
//!
//! Its entries live as long as under the longest timer among the lanes; beside each stands when
//! it would go under every other. A lane leaves it for a connection once its own timer has run
//! out, when a verdict hangs on a switch that the lane has otherwise, and when it sends a probe
//! nobody recorded. How many entries fit is not its business ([`Trunk::was_full`] says when it
//! should have been).

use super::flows::Flow;
use super::{Passing, Sweep, Variant};
use crate::conntrack::entry::Entry;
use crate::conntrack::index::Place;
use crate::conntrack::judged::{Event, Gone, Judged};
use crate::conntrack::packet::Packet;
use crate::conntrack::reach::Reaches;
use crate::conntrack::routed;
use crate::conntrack::rules::Rules;
use crate::conntrack::settings::Settings;
use crate::conntrack::switch::{self, Switches};
use crate::conntrack::table::Table;
use crate::time::{Gap, Moment};

/// A table that may hold no more than this can be full in a capture, and whether it is, is then
/// every lane's own affair.
const ROOMY: u32 = 100_000;

/// Of a lane that follows the trunk.
#[derive(Clone, Copy, Debug)]
pub(super) struct Seat {
    /// Which of the different sets of timers it has.
    timers: usize,
    /// The switches it has otherwise than the trunk.
    differs: Switches,
}

#[derive(Debug)]
pub(super) struct Trunk {
    table: Table,
    /// Sets of timers among those that follow.
    timers: usize,
    /// By connection and set of timers: when its entry goes. Not kept where there is one set.
    goes: Vec<Moment>,
    /// By slot of the table: whose entry it is.
    owners: Vec<u32>,
    max: Option<u32>,
    full: bool,
}

/// What follows from a packet's place in the trunk.
pub(super) struct Arrived {
    pub(super) place: Option<Place>,
    /// Its connection, where it has an entry.
    pub(super) flow: Option<u32>,
}

impl Trunk {
    /// For lanes of these variants, with their seats; `None` where none could follow it.
    pub(super) fn new(variants: &[Variant], rules: Rules) -> (Option<Self>, Vec<Option<Seat>>) {
        let none = || (None, vec![None; variants.len()]);
        let Some(was) = variants.first().map(|first| first.settings) else { return none() };
        if was.max.is_some_and(|max| max < ROOMY && !(max == 0 && rules.zero_max_is_unlimited)) {
            return none();
        }
        let mut sets: Vec<Settings> = Vec::new();
        let mut seat = |variant: &Variant| {
            let own = variant.settings;
            if switch::others(&own) != switch::others(&was) {
                return None;
            }
            let alike = |set: &Settings| switch::timers(set) == switch::timers(&own);
            let timers = sets.iter().position(alike).unwrap_or_else(|| {
                sets.push(own);
                sets.len() - 1
            });
            Some(Seat { timers, differs: Switches::between(&was, &own) })
        };
        let seats = variants.iter().map(&mut seat).collect();
        let mut table = Table::new(Settings { max: None, ..was }, rules);
        let timers = sets.len();
        table.stand_for(if timers > 1 { sets } else { Vec::new() });
        let max = was.max.filter(|max| *max > 0);
        let (goes, owners) = (Vec::new(), Vec::new());
        (Some(Self { table, timers, goes, owners, max, full: false }), seats)
    }

    pub(super) const fn table_mut(&mut self) -> &mut Table {
        &mut self.table
    }

    pub(super) const fn was_full(&self) -> bool {
        self.full
    }

    /// The place a packet comes to, when the table's time has come to it.
    pub(super) fn arrives(&self, packet: &Packet) -> Arrived {
        let place = if packet.has_flow() { self.table.look_up(&packet.tuple) } else { None };
        let flow = place.and_then(|(slot, _)| self.owners.get(slot as usize)).copied();
        Arrived { place, flow }
    }

    /// The entry of a connection, as it is for a lane with this seat.
    pub(super) fn entry_for(&self, number: u32, flow: &Flow, seat: Seat) -> Option<Entry> {
        let entry = *self.table.entry_in(flow.stands?)?;
        Some(Entry { expires: self.goes(number, seat, entry.expires), ..entry })
    }

    /// When a connection's entry goes for a lane with this seat; in the trunk it does so last.
    fn goes(&self, number: u32, seat: Seat, last: Moment) -> Moment {
        let goes = || self.goes.get(number as usize * self.timers + seat.timers).copied();
        if self.timers == 1 { last } else { goes().unwrap_or(last) }
    }

    /// A connection's entry was refreshed, or made in this slot.
    fn refreshed(&mut self, (number, flow): (u32, &mut Flow), at: Moment, made: Option<u32>) {
        if let Some(slot) = made {
            self.full |= self.max.is_some_and(|max| self.table.len() >= max as usize);
            self.owns(slot, number);
            flow.stands = Some(slot);
        }
        if self.timers == 1 {
            return;
        }
        let begins = number as usize * self.timers;
        if self.goes.len() < begins + self.timers {
            self.goes.resize(begins + self.timers, Moment::from_ns(i64::MAX));
        }
        flow.soonest = Moment::from_ns(i64::MAX);
        for (goes, given_s) in self.goes.iter_mut().skip(begins).zip(self.table.given()) {
            *goes = at.plus(Gap::from_secs(i64::from(*given_s)));
            flow.soonest = flow.soonest.min(*goes);
        }
    }

    fn owns(&mut self, slot: u32, number: u32) {
        let slot = slot as usize;
        if self.owners.len() <= slot {
            self.owners.resize(slot + 1, u32::MAX);
        }
        if let Some(owner) = self.owners.get_mut(slot) {
            *owner = number;
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
        let Some((slot, _)) = trunk.table.look_up(&entry.original) else { return };
        let number = self.flows.number_of(&entry.original, begins, &self.front);
        trunk.owns(slot, number);
        if let Some(flow) = self.flows.at_mut(number) {
            (flow.stands, flow.soonest) = (Some(slot), entry.expires);
        }
        if trunk.timers > 1 {
            let begins = number as usize * trunk.timers;
            let end = trunk.goes.len().max(begins + trunk.timers);
            trunk.goes.resize(end, Moment::from_ns(i64::MAX));
            for goes in trunk.goes.iter_mut().skip(begins).take(trunk.timers) {
                *goes = entry.expires;
            }
        }
    }

    /// Moves the trunk's time on to a packet, and says where the packet comes to.
    pub(super) fn time_in_trunk(&mut self, at: Moment, packet: &Packet) -> Arrived {
        let Some(trunk) = &mut self.trunk else { return Arrived { place: None, flow: None } };
        trunk.table.advance_to(at);
        self.end_in_trunk();
        self.trunk.as_ref().map_or(Arrived { place: None, flow: None }, |t| t.arrives(packet))
    }

    /// The trunk's verdict. Lanes for which it no longer speaks have left when this returns.
    pub(super) fn in_trunk(&mut self, passing: &Passing, place: Option<Place>) -> Option<Judged> {
        let trunk = self.trunk.as_mut()?;
        let packet = &passing.packet;
        let judged = match packet.has_flow() {
            true => trunk.table.judge_at(place, packet),
            false => trunk.table.packet(passing.at, packet),
        };
        self.leave_where_it_hangs(passing);
        self.end_in_trunk();
        if judged.created && self.is_stopped(passing, &judged) {
            // Dropped before its entry is confirmed.
            self.trunk.as_mut()?.table.remove(&packet.tuple);
        } else if judged.refreshed {
            self.note_refresh(passing, judged.created);
        }
        Some(judged)
    }

    /// Rules let no such packet pass.
    fn is_stopped(&self, passing: &Passing, judged: &Judged) -> bool {
        let Some(routed) = &self.routed else { return false };
        let reaches = Reaches::of(passing.reply, &passing.packet.tuple, judged);
        let arrived = (passing.packet.tuple, passing.flags());
        let ruled = routed::surely(routed.firewall(), arrived, judged, (passing.way, reaches));
        routed::is_stopped(ruled.as_slice())
    }

    fn note_refresh(&mut self, passing: &Passing, created: bool) {
        if created && self.flows.at(passing.flow).is_some_and(|flow| flow.stands.is_some()) {
            // Two entries for one connection, one of them as if it were not translated.
            self.leave(passing.flow, |_| true, None);
        }
        let (Some(trunk), Some(flow)) = (&mut self.trunk, self.flows.at_mut(passing.flow)) else {
            return;
        };
        let made = if created { trunk.table.look_up(&passing.packet.tuple) } else { None };
        trunk.refreshed((passing.flow, flow), passing.at, made.map(|(slot, _)| slot));
    }

    /// Lanes for which the trunk's verdict may be another leave with the entry as it was before.
    fn leave_where_it_hangs(&mut self, passing: &Passing) {
        let Some(trunk) = &mut self.trunk else { return };
        let Some((hung, before)) = trunk.table.hung() else { return };
        let timer = trunk.timers > 1 && hung.meets(Switches::REMAINING);
        self.leave(passing.subject, |seat| timer || seat.differs.meets(hung), before);
    }

    /// Lets lanes leave that are to, with the entry as it was `before` or as it stands.
    fn leave(&mut self, number: u32, which: impl Fn(Seat) -> bool, before: Option<Entry>) {
        let (Some(trunk), Some(flow)) = (&self.trunk, self.flows.at_mut(number)) else { return };
        let stands = || flow.stands.and_then(|slot| trunk.table.entry_in(slot)).copied();
        let entry = before.or_else(stands);
        for lane in &mut self.lanes {
            let Some(seat) = lane.seat().filter(|seat| which(*seat)) else { continue };
            let own = entry.map(|entry| {
                let expires = trunk.goes(number, seat, entry.expires);
                Entry { expires, ..entry }
            });
            lane.leave(number, own);
            flow.apart = true;
        }
    }

    /// Lanes in which a connection's entry is gone by now judge it themselves.
    pub(super) fn leave_where_gone(&mut self, number: u32, at: Moment) {
        let (Some(trunk), Some(flow)) = (&self.trunk, self.flows.at_mut(number)) else { return };
        if trunk.timers == 1 || flow.soonest > at {
            return;
        }
        let Some(entry) = flow.stands.and_then(|slot| trunk.table.entry_in(slot)) else { return };
        flow.apart = true;
        let mut soonest = Moment::from_ns(i64::MAX);
        for lane in &mut self.lanes {
            let Some(seat) = lane.seat() else { continue };
            let goes = trunk.goes(number, seat, entry.expires);
            if goes > at {
                soonest = soonest.min(goes);
            } else if !lane.has_left(number) {
                lane.leave(number, None);
                lane.ended(number, flow, expired(entry, goes));
            }
        }
        flow.soonest = soonest;
    }

    /// A lane leaves to send a probe at this moment, with the entry that it has by then.
    pub(super) fn leave_to_probe(&mut self, lane: usize, number: u32, at: Moment) {
        let (Some(trunk), Some(flow)) = (&self.trunk, self.flows.at_mut(number)) else { return };
        let Some(lane) = self.lanes.get_mut(lane).filter(|lane| !lane.has_left(number)) else {
            return;
        };
        flow.apart = true;
        let entry = lane.seat().and_then(|seat| trunk.entry_for(number, flow, seat));
        lane.leave(number, entry.filter(|entry| entry.expires > at));
        if let Some(entry) = entry.filter(|entry| entry.expires <= at) {
            lane.ended(number, flow, expired(&entry, entry.expires));
        }
    }

    /// Entries of the trunk that are gone are gone in every lane that follows it.
    fn end_in_trunk(&mut self) {
        let Some(trunk) = &mut self.trunk else { return };
        let events: Vec<Event> = trunk.table.drain_events().collect();
        for event in events {
            let number = self.flows.number(&self.front.flow(&event.original));
            let Some((number, flow)) = number.and_then(|n| Some((n, self.flows.at_mut(n)?))) else {
                continue;
            };
            if flow.stands.take().is_none() {
                continue;
            }
            flow.soonest = Moment::from_ns(i64::MAX);
            // What lanes hold of it is looked at again with its next packet.
            flow.missed |= event.gone == Gone::Expired;
            let last = match event.gone {
                Gone::Expired => event.at,
                Gone::Destroyed => Moment::from_ns(i64::MAX),
            };
            for lane in &mut self.lanes {
                let Some(seat) = lane.seat().filter(|_| !lane.has_left(number)) else { continue };
                let goes = trunk.goes(number, seat, last);
                // One that another connection takes the place of may have run out before.
                let own = Event { gone: Gone::Expired, at: goes, ..event };
                lane.ended(number, flow, if goes <= event.at { own } else { event });
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
        for (number, flow) in self.flows.iter() {
            for lane in &mut self.lanes {
                let Some(seat) = lane.seat().filter(|_| !lane.has_left(number)) else { continue };
                let Some(entry) = trunk.entry_for(number, flow, seat) else { continue };
                if entry.expires <= ends {
                    lane.ended(number, flow, expired(&entry, entry.expires));
                } else {
                    lane.stands(number, flow, entry.expires);
                }
            }
        }
    }
}

fn expired(entry: &Entry, at: Moment) -> Event {
    let (original, tcp_state) = (entry.original, entry.tcp_state());
    Event { gone: Gone::Expired, at, entry: entry.id, original, tcp_state }
}
