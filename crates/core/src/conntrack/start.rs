//! A dump of a table, for a capture to begin with: what of it a table can be given.
//!
//! Refused: a dump that was taken after the capture began, but for its translations. The packets
//! themselves make the entries, and what the dump says of time would hide their windows.

use super::entry::{Counters, Entry, Proto, Status, TcpFlow, half_flag};
use super::packet::{Tuple, proto};
use super::state::State;
use crate::dump::conntrack as dump;
use crate::time::{Gap, Moment};

/// What was taken of a start state.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Taken {
    /// Entries put into the table.
    pub entries: u64,
    /// Entries that were already over when the capture began.
    pub over: u64,
    /// Translations alone: what a dump says of time is of no use to a capture that began before.
    pub translations: u64,
    /// Lines of protocols or states the model does not know, and tuples that were taken.
    pub skipped: u64,
}

/// One thing a start state tells.
pub(super) enum Start {
    /// An entry, its translation with it.
    Entry(Entry),
    /// Packets of the first are answered as the second.
    Translation(Tuple, Tuple),
}

/// Gives each entry of a dump to `put`, which says whether it could be taken.
pub(super) fn take(
    entries: &[dump::Entry],
    (taken_at, begins): (Moment, Moment),
    mut put: impl FnMut(Start) -> bool,
) -> Taken {
    let mut taken = Taken::default();
    if taken_at > begins {
        for (original, reply) in entries.iter().filter_map(translation_of) {
            put(Start::Translation(original, reply));
            taken.translations += 1;
        }
        return taken;
    }
    for told in entries {
        match entry_of(told, taken_at) {
            None => taken.skipped += 1,
            Some(entry) if entry.expires <= begins && !entry.status.offload => taken.over += 1,
            Some(entry) if put(Start::Entry(entry)) => taken.entries += 1,
            Some(_) => taken.skipped += 1,
        }
    }
    taken
}

/// How a dump's entry is translated; `None` if it is not.
fn translation_of(told: &dump::Entry) -> Option<(Tuple, Tuple)> {
    let entry = entry_of(told, Moment::from_ns(0))?;
    (entry.original.inverse() != Some(entry.reply)).then_some((entry.original, entry.reply))
}

/// An entry as a dump tells of it; `None` for what the model does not know.
fn entry_of(told: &dump::Entry, taken_at: Moment) -> Option<Entry> {
    let number = match told.protocol.as_str() {
        "tcp" => proto::TCP,
        "udp" => proto::UDP,
        _ => return None,
    };
    let tuple = |t: &dump::Tuple| Tuple {
        src: t.src,
        dst: t.dst,
        sport: t.sport,
        dport: t.dport,
        proto: number,
    };
    let original = tuple(&told.original);
    let reply = told.reply.as_ref().map(tuple).or_else(|| original.inverse())?;
    let proto = match number {
        proto::TCP => {
            let mut flow = TcpFlow { state: state_of(told)?, ..TcpFlow::default() };
            for half in [&mut flow.original, &mut flow.reply] {
                half.flags = half_flag::BE_LIBERAL | half_flag::SACK_PERM;
            }
            Proto::Tcp(flow)
        }
        _ => Proto::Udp { stream_from: taken_at },
    };
    // Timers of offloaded entries are not printed; the flowtable keeps pushing them out by a day.
    let untold = if told.offloaded { 86_400 } else { 0 };
    let remaining = i64::try_from(told.remaining_s.unwrap_or(untold)).ok()?;
    Some(Entry {
        id: 0,
        original,
        reply,
        status: Status {
            seen_reply: !told.unreplied,
            assured: told.assured,
            fixed_timeout: false,
            offload: told.offloaded,
        },
        expires: taken_at.plus(Gap::from_secs(remaining)),
        counted_original: Counters::default(),
        counted_reply: Counters::default(),
        proto,
        queued_for: taken_at,
    })
}

/// Offloaded entries print no state; they are established.
fn state_of(told: &dump::Entry) -> Option<State> {
    match &told.tcp_state {
        Some(name) => State::named(name),
        None if told.offloaded => Some(State::Established),
        None => None,
    }
}
