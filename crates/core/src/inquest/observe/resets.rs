//! Which machine made the reset that an end received: told by captures at both ends, or on both
//! sides of a box. An address on a packet is no proof of who sent it; that it never left its owner
//! is.

use super::super::evidence::{Cite, Evidence};
use super::super::subject::{FlowPart, Subject};
use crate::terms::{Origin, Role, Side};

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
    ends.into_iter()
        .filter_map(|(signed_by, owner, receiver)| {
            made_by(signed_by, owner, receiver.filter(|r| resets(r, signed_by) > 0)?, boxes)
        })
        .collect()
}

fn resets(view: &FlowPart<'_>, by: Side) -> u64 {
    *view.flow.record.rst.of(by)
}

/// Who made the resets that carry one end's address and that the other received.
fn made_by(
    signed_by: Side,
    owner: Option<&FlowPart<'_>>,
    receiver: &FlowPart<'_>,
    hop: Option<&FlowPart<'_>>,
) -> Option<Evidence> {
    let (name, other) = match signed_by {
        Side::Client => ("client", "server"),
        Side::Server => ("server", "client"),
    };
    let packets = |v: &FlowPart<'_>| {
        let end = v.flow.last_words.end.map(|m| m.packet);
        Cite::packets(&v.source.file, v.flow.record.first_rst.map(|r| r.packet).or(end))
    };
    let received =
        format!("the reset that the {other}'s machine received with the {name}'s address");
    let kind = receiver.flow.last_words.reset.as_ref().filter(|r| r.by == signed_by);
    let shape = match kind.map(|r| (r.with_ack, r.summary.kind)) {
        Some((_, crate::terms::ResetKind::NoSocket)) => {
            ": the answer of a stack that has no such connection"
        }
        Some((_, crate::terms::ResetKind::Abort)) => ": a live socket that was given up",
        _ => "",
    };
    let (value, says, cites) = match (owner, hop) {
        (Some(owner), _) if resets(owner, signed_by) > 0 => {
            let says = format!("{received} was sent by the {name}'s own machine{shape}");
            ("end", says, vec![packets(receiver), packets(owner)])
        }
        (Some(owner), _) if covers(owner, receiver) => {
            let says = format!(
                "{received} was never sent by the {name}'s machine: its own capture has none, so a box between \
                 made it{shape}"
            );
            let last = owner.flow.record.last_packet;
            ("box", says, vec![packets(receiver), Cite::packets(&owner.source.file, [last])])
        }
        (_, Some(hop)) if made_at(hop, signed_by) => {
            let says = format!(
                "{received} was made by {}: the box's capture shows it leaving and never coming in{shape}",
                super::super::clocks_seen::whose(hop.source)
            );
            ("box", says, vec![packets(receiver), packets(hop)])
        }
        _ => return None,
    };
    Some(Evidence::table("reset-made-by", value, says, cites).on(receiver.source.host.as_ref()))
}

/// Whether the owner's capture was still running when the reset came.
fn covers(owner: &FlowPart<'_>, receiver: &FlowPart<'_>) -> bool {
    let went_on = owner.flow.record.last_ns.plus(owner.flow.last_words.capture_went_on);
    let end = receiver.flow.last_words.end;
    end.is_some_and(|end| went_on >= end.at)
}

fn made_at(hop: &FlowPart<'_>, signed_by: Side) -> bool {
    let reset = hop.flow.last_words.reset.as_ref().filter(|r| r.by == signed_by);
    reset.is_some_and(|r| r.summary.origin == Origin::Hop)
}
