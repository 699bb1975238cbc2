//! Which machine made the reset that an end received: told by captures at both ends, or on both
//! sides of a box. An address on a packet is no proof of who sent it; that it never left its owner
//! is.

use super::super::clocks_seen::whose;
use super::super::evidence::{Cite, Evidence};
use super::super::subject::{FlowPart, Subject};
use crate::terms::{Consistency, Origin, ResetKind, Role, Side};
use crate::time::{Gap, Moment};

/// Both ends' resets of the first connection that shows any.
pub(super) fn observe(subject: &Subject<'_>) -> Vec<Evidence> {
    subject.flows.iter().map(|flow| of(subject, flow)).find(|e| !e.is_empty()).unwrap_or_default()
}

fn of(subject: &Subject<'_>, flow: &FlowPart<'_>) -> Vec<Evidence> {
    let views: Vec<&FlowPart<'_>> =
        subject.views(flow).into_iter().filter(|f| f.source.role.is_some()).collect();
    let at = |role| views.iter().find(|v| v.source.role == Some(role)).copied();
    let ends = [
        (Side::Client, at(Role::Client), at(Role::Server)),
        (Side::Server, at(Role::Server), at(Role::Client)),
    ];
    let boxes = at(Role::Hop);
    // The first reset is what ended it; one that answers it comes after.
    let mut told: Vec<(Moment, Evidence)> = ends
        .into_iter()
        .filter_map(|(signed_by, owner, receiver)| made_by(signed_by, owner, receiver?, boxes))
        .collect();
    told.sort_by_key(|(at, _)| *at);
    told.into_iter().map(|(_, piece)| piece).collect()
}

/// Who made the resets that carry one end's address and that the other received.
fn made_by(
    signed_by: Side,
    owner: Option<&FlowPart<'_>>,
    receiver: &FlowPart<'_>,
    hop: Option<&FlowPart<'_>>,
) -> Option<(Moment, Evidence)> {
    let (name, other) = match signed_by {
        Side::Client => ("client", "server"),
        Side::Server => ("server", "client"),
    };
    let reset = receiver.flow.last_words.reset.as_ref().filter(|r| r.by == signed_by)?;
    let at = receiver.by_one_clock(reset.mark.at);
    let cite = |v: &FlowPart<'_>, packet: u64| Cite::packets(&v.source.file, [packet]);
    let got = cite(receiver, reset.mark.packet);
    let received =
        format!("the reset that the {other}'s machine received with the {name}'s address");
    let shape = match reset.summary.kind {
        ResetKind::NoSocket => ": the answer of a stack that has no such connection",
        ResetKind::Abort => ": a live socket that was given up",
        ResetKind::AfterClose | ResetKind::Refused | ResetKind::Unknown => "",
    };
    let (value, says, cites) = match (owner, hop) {
        (Some(owner), _) if *owner.flow.record.rst.of(signed_by) > 0 => {
            let packet = sent(owner, signed_by, at)?;
            let says = format!("{received} was sent by the {name}'s own machine{shape}");
            let none = reset.summary.kind == ResetKind::NoSocket;
            let value = if none { "end-no-socket" } else { "end" };
            (value, says, vec![got, cite(owner, packet)])
        }
        (Some(owner), _) if covers(owner, at) => {
            let says = format!(
                "{received} was never sent by the {name}'s machine: its own capture has none, so a box between \
                 made it{shape}"
            );
            ("box", says, vec![got, cite(owner, owner.flow.record.last_packet)])
        }
        (_, Some(hop)) => {
            let packet = made_at(hop, signed_by)?;
            let says = format!(
                "{received} was made by {}: the box's capture shows it leaving and never coming in{shape}",
                whose(hop.source)
            );
            ("box", says, vec![got, cite(hop, packet)])
        }
        (_, None) => return None,
    };
    // Made between, and not with the TTL of anything between: by no box of this path.
    let nearer =
        reset.usual_ttl.is_some_and(|usual| (1..=32).contains(&reset.ttl.wrapping_sub(usual)));
    let forged = reset.summary.consistent == Consistency::Forged;
    let strange = value == "box" && forged && !nearer;
    let value = if strange { "stranger" } else { value };
    let piece = Evidence::table("reset-made-by", value, says, cites);
    Some((at, piece.on(receiver.source.host.as_ref())))
}

/// Two clocks of one place, and the way between.
const NEAR: Gap = Gap::from_secs(1);

/// The packet with which the owner's machine sent the reset that was received at `at`. Of a
/// connection's resets only the first is kept: where that is the other side's, the last packet of
/// the connection must be it.
fn sent(owner: &FlowPart<'_>, signed_by: Side, at: Moment) -> Option<u64> {
    let (record, first) = (&owner.flow.record, owner.flow.last_words.reset.as_ref()?);
    let own = (first.mark.packet, first.mark.at);
    let (packet, when) =
        if first.by == signed_by { own } else { (record.last_packet, record.last_ns) };
    (owner.by_one_clock(when).since(at).abs() <= NEAR).then_some(packet)
}

/// Whether the owner's capture would have shown a reset sent at that moment: it saw both directions
/// of the connection, under one pair of ends, before and after, by a clock that can be compared.
fn covers(owner: &FlowPart<'_>, at: Moment) -> bool {
    let record = &owner.flow.record;
    let went_on = record.last_ns.plus(owner.flow.last_words.capture_went_on);
    let (began, went_on) = (owner.by_one_clock(record.first_ns), owner.by_one_clock(went_on));
    let both = record.packets.client > 0 && record.packets.server > 0;
    both && !owner.beside && !owner.apart && began <= at && went_on >= at
}

fn made_at(hop: &FlowPart<'_>, signed_by: Side) -> Option<u64> {
    let reset = hop.flow.last_words.reset.as_ref().filter(|r| r.by == signed_by)?;
    (reset.summary.origin == Origin::Hop).then_some(reset.mark.packet)
}
