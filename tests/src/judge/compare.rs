//! Holds the model's answer to one packet against the kernel's.

use hopclock_core::conntrack::entry::{Entry, Proto};
use hopclock_core::conntrack::packet::proto;
use hopclock_core::conntrack::{CtState, Judged, Packet, Table, Tuple};
use hopclock_live::netlink::conntrack::{Told, status};
use hopclock_live::netlink::mirror::state;

use super::trace::Answer;

/// Jiffies and the time between sending and asking, in nanoseconds, on top of the whole second
/// that ctnetlink rounds down.
const SLACK_NS: i64 = 150_000_000;
const NS: i64 = 1_000_000_000;

/// Every difference between what the model and the kernel say of a packet, in words; empty if they
/// agree. `table` stands as after the packet.
pub fn differences(
    table: &Table,
    packet: &Packet,
    judged: &Judged,
    tuple: &Tuple,
    answer: &Answer,
) -> Vec<String> {
    let mut all = Vec::new();
    let expected = match judged.ct_state {
        CtState::New => state::NEW,
        CtState::Established => state::ESTABLISHED,
        CtState::Related => state::RELATED,
        CtState::Invalid => state::INVALID,
        CtState::Untracked => state::UNTRACKED,
    };
    differ(&mut all, "ct state", &Some(expected), &answer.ct_state);
    // UDP's and ICMP's own messages are no part of the model.
    if packet.tuple.proto == proto::TCP {
        differ(&mut all, "log", &lines(table, judged), &answer.log);
    }
    match (table.find(tuple), &answer.told) {
        (None, None) => {}
        (Some((entry, _)), Some(told)) => entries(&mut all, table, entry, told),
        (ours, theirs) => {
            all.push(format!("entry: model {}, kernel {theirs:?}", ours.is_some()));
        }
    }
    all
}

fn differ<T: PartialEq + std::fmt::Debug>(all: &mut Vec<String>, what: &str, ours: &T, theirs: &T) {
    if ours != theirs {
        all.push(format!("{what}: model {ours:x?}, kernel {theirs:x?}"));
    }
}

/// The lines the kernel would log.
fn lines(table: &Table, judged: &Judged) -> Vec<String> {
    let prefix = |text: String| format!("nf_ct_proto_6: {text} ");
    let reason = judged.reason.and_then(|reason| reason.log(table.rules()));
    let lowered = judged.lowered.and_then(|lowered| lowered.log(table.rules(), HZ));
    reason.into_iter().chain(lowered).map(prefix).collect()
}

/// Ticks a second of the kernel under test; its log counts in them.
const HZ: u32 = 250;

fn entries(all: &mut Vec<String>, table: &Table, entry: &Entry, told: &Told) {
    differ(all, "original", &entry.original, &told.original);
    differ(all, "reply", &entry.reply, &told.reply);
    differ(all, "seen reply", &entry.status.seen_reply, &(told.status & status::SEEN_REPLY != 0));
    differ(all, "assured", &entry.status.assured, &(told.status & status::ASSURED != 0));
    let counted = [entry.counted_original, entry.counted_reply].map(|c| (c.packets, c.bytes));
    differ(all, "counted", &Some(counted), &told.counted);
    if let (Proto::Tcp(tcp), Some(theirs)) = (&entry.proto, &told.tcp) {
        differ(all, "state", &(tcp.state as u8), &theirs.state);
        differ(all, "scale", &[tcp.original.scale, tcp.reply.scale], &theirs.scale);
        differ(all, "flags", &[tcp.original.flags, tcp.reply.flags], &theirs.flags);
    }
    let ours = entry.remaining(table.now()).ns();
    let theirs = told.timeout_s.map_or(-1, i64::from) * NS;
    if theirs > ours + SLACK_NS || theirs < ours - NS - SLACK_NS {
        all.push(format!("remaining: model {} ms, kernel {theirs} ns", ours / 1_000_000));
    }
}
