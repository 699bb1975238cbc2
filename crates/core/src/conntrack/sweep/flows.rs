//! The connections of a sweep, each with a number: what every lane needs to know of them.

use std::collections::HashMap;

use crate::conntrack::front::Front;
use crate::conntrack::hash::Quick;
use crate::conntrack::packet::{Tuple, flag};
use crate::conntrack::reach::Translation;
use crate::time::Moment;

/// What every lane needs to know of a connection.
#[derive(Debug)]
pub(super) struct Flow {
    pub(super) first: Moment,
    pub(super) last: Moment,
    /// The earliest moment its entry goes in some lane that follows the trunk, of those that have
    /// not come.
    pub(super) soonest: Moment,
    /// The slot of its entry in the trunk.
    pub(super) stands: Option<u32>,
    /// Its ends closed or reset it.
    pub(super) over: bool,
    /// Some lane may see it otherwise than the trunk.
    pub(super) apart: bool,
    /// Its entry ran out, and no packet has come since.
    pub(super) missed: bool,
    pub(super) reply: Option<Box<Translation>>,
}

impl Flow {
    pub(super) fn new(at: Moment, reply: Option<Translation>) -> Self {
        Self {
            first: at,
            last: at,
            soonest: Moment::from_ns(i64::MAX),
            stands: None,
            over: false,
            apart: false,
            missed: false,
            reply: reply.map(Box::new),
        }
    }

    /// Takes note of a packet; true if it begins a connection anew.
    pub(super) fn note(&mut self, at: Moment, flags: u8) -> bool {
        let opens = opens(flags);
        let anew = opens && self.over;
        if anew {
            self.first = at;
        }
        self.over = !opens && (self.over || flags & (flag::FIN | flag::RST) != 0);
        self.last = at;
        anew
    }
}

/// A SYN that answers none.
pub(super) const fn opens(flags: u8) -> bool {
    flags & (flag::SYN | flag::ACK) == flag::SYN
}

/// All of them, in the order of their first packets.
#[derive(Debug, Default)]
pub(super) struct Flows {
    all: Vec<Flow>,
    /// By the tuple that stands for both directions.
    numbers: HashMap<Tuple, u32, Quick>,
}

impl Flows {
    pub(super) fn len(&self) -> usize {
        self.all.len()
    }

    pub(super) fn at(&self, number: u32) -> Option<&Flow> {
        self.all.get(number as usize)
    }

    pub(super) fn at_mut(&mut self, number: u32) -> Option<&mut Flow> {
        self.all.get_mut(number as usize)
    }

    pub(super) fn number(&self, name: &Tuple) -> Option<u32> {
        self.numbers.get(name).copied()
    }

    /// The number of a packet's connection, which may begin here.
    pub(super) fn number_of(&mut self, tuple: &Tuple, at: Moment, front: &Front) -> u32 {
        let name = front.flow(tuple);
        let all = &mut self.all;
        *self.numbers.entry(name).or_insert_with(|| {
            all.push(Flow::new(at, front.translation(&name)));
            u32::try_from(all.len() - 1).unwrap_or(u32::MAX)
        })
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (u32, &Flow)> {
        (0..).zip(&self.all)
    }
}
