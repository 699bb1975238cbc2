//! Which machine closed a connection, and what the box between saw of it: told by captures at
//! several places. An address on a packet does not say whether a proxy has it.

use super::super::clocks_seen::whose;
use super::super::evidence::{Cite, Evidence};
use super::super::facts::{Facts, Source};
use super::super::subject::{FlowPart, Subject};
use crate::flow::{Finished, How};
use crate::terms::{ResetKind, Role, Side};
use crate::time::{Gap, Moment};
use std::collections::BTreeMap;

/// Packets of one direction below which the other's absence says nothing.
const PACKETS_MIN: u64 = 3;

/// Two clocks of one path, and the way between.
const NEAR: Gap = Gap::from_secs(2);
/// Connections looked at: more say the same.
const LOOKED_AT: usize = 200;

/// What the places of capture show together.
pub(super) fn observe(subject: &Subject<'_>, facts: &Facts) -> Vec<Evidence> {
    let ended = subject.flows.iter().filter(|f| f.ended());
    let ended: Vec<&FlowPart<'_>> = ended.take(LOOKED_AT).collect();
    let mut found = Vec::new();
    found.extend(closed_by(subject, facts, &ended));
    found.extend(one_direction(subject));
    found
}

/// The machine that closed most of the connections.
fn closed_by(subject: &Subject<'_>, facts: &Facts, ended: &[&FlowPart<'_>]) -> Option<Evidence> {
    let mut by_value: BTreeMap<&'static str, Vec<(&FlowPart<'_>, u64)>> = BTreeMap::new();
    for flow in ended {
        if let Some((value, view, packet)) = closer(subject, facts, flow) {
            by_value.entry(value).or_default().push((view, packet));
        }
    }
    let (value, seen) = by_value.into_iter().max_by_key(|(_, seen)| seen.len())?;
    if seen.len() * 2 <= ended.len() {
        return None;
    }
    let (view, _) = seen.first()?;
    let says = match value {
        "proxy" => format!(
            "{} ends the connection itself, since the server's capture has none like it, and closed it",
            whose(view.source)
        ),
        end => format!(
            "the {end}'s own machine closed it: its capture shows the first FIN or reset leaving"
        ),
    };
    let says = match seen.len() {
        1 => says,
        n => format!("{says} ({n} connections)"),
    };
    let cites = seen.iter().take(20).map(|(v, packet)| Cite::packets(&v.source.file, [*packet]));
    let piece = Evidence::table("closer", value, says, cites.collect());
    Some(piece.on(view.source.host.as_ref()))
}

/// Which machine closed a connection, the view that shows it and the packet.
fn closer<'s>(
    subject: &'s Subject<'_>,
    facts: &Facts,
    flow: &FlowPart<'_>,
) -> Option<(&'static str, &'s FlowPart<'s>, u64)> {
    let record = &flow.flow.record;
    let live = match record.ending.how {
        How::Fin => true,
        How::Rst => record.ending.reset.as_ref().is_some_and(|r| r.kind == ResetKind::Abort),
        How::Silence | How::Open | How::Refused | How::Unanswered => false,
    };
    // A direction that was closed long before is another question.
    let words = &flow.flow.last_words;
    let before = flow.unheard().is_some() || words.size_loss.is_some();
    if !live || before || flow.cut().is_some() || flow.gave_up().is_some() {
        return None;
    }
    let views: Vec<&FlowPart<'_>> = subject
        .flows
        .iter()
        .chain(&subject.elsewhere)
        .filter(|v| v.connection == flow.connection)
        .collect();
    let at = |role| views.iter().find(|v| v.source.role == Some(role)).copied();
    let side = record.ending.signed_by?;
    let role = if side == Side::Client { Role::Client } else { Role::Server };
    let sent = |view: &FlowPart<'_>| {
        let record = &view.flow.record;
        let first = [record.first_fin, record.first_rst].into_iter().flatten();
        first.filter(|s| s.by == side).map(|s| s.packet).min()
    };
    if let Some(own) = at(role) {
        let value = if side == Side::Client { "client" } else { "server" };
        // The one that ended it, and not one that came when it was long over.
        let end = |f: &FlowPart<'_>| f.end().map(|mark| f.by_one_clock(mark.at));
        let same =
            end(own).zip(end(flow)).is_some_and(|(one, other)| one.since(other).abs() <= NEAR);
        return (same && !own.apart).then_some((value, own, sent(own)?));
    }
    // The box has the connection and the server, whose capture there is, has not.
    let hop = at(Role::Hop).filter(|hop| side == Side::Server && hop.mark.is_some())?;
    let (from, to) = (hop.flow.record.first_ns, hop.flow.record.last_ns);
    let (from, to) = (hop.by_one_clock(from), hop.by_one_clock(to));
    let covers = |source: &Source, flows: &[Finished]| {
        let by = |at: Moment| facts.by_one_clock(source, at).unwrap_or(at);
        let first = flows.iter().map(|f| f.record.first_ns).min();
        let last = flows.iter().map(|f| f.record.last_ns).max();
        first.is_some_and(|at| by(at) <= from.plus(NEAR))
            && last.is_some_and(|at| by(at).plus(NEAR) >= to)
    };
    let mut server = facts.captures().filter(|(s, _)| s.role == Some(Role::Server));
    let elsewhere = server.any(|(source, capture)| covers(source, &capture.flows));
    if elsewhere { Some(("proxy", hop, sent(hop)?)) } else { None }
}

/// The box's capture holds one direction of what an end saw both of.
fn one_direction(subject: &Subject<'_>) -> Option<Evidence> {
    let views = || subject.flows.iter().chain(&subject.elsewhere);
    let sides = |v: &FlowPart<'_>| (v.flow.record.packets.client, v.flow.record.packets.server);
    // What an end received of one direction and the box has not, while it has the other.
    let missing = |hop: &FlowPart<'_>| {
        let own = |v: &&FlowPart<'_>| {
            let role = v.source.role;
            v.connection == hop.connection && role.is_some() && role != Some(Role::Hop)
        };
        let end = views().find(own)?;
        let (at, all) = (sides(hop), sides(end));
        let few = |at: u64, all: u64| all >= PACKETS_MIN && at * 10 <= all * 6;
        let most = |at: u64, all: u64| all >= PACKETS_MIN && at * 10 >= all * 8;
        // A capture may join segments into one; it does not lose their bytes by that.
        let bytes = |v: &FlowPart<'_>, side: Side| *v.flow.record.payload_bytes.of(side);
        let less =
            |side: Side| bytes(end, side) == 0 || bytes(hop, side) * 100 <= bytes(end, side) * 95;
        let server = few(at.1, all.1) && most(at.0, all.0) && less(Side::Server);
        let client = few(at.0, all.0) && most(at.1, all.1) && less(Side::Client);
        match (server, client) {
            (true, _) => Some(("server", at.1, all.1, end)),
            (_, true) => Some(("client", at.0, all.0, end)),
            _ => None,
        }
    };
    let own = views().filter(|v| v.source.role == Some(Role::Hop));
    let own: Vec<&FlowPart<'_>> = own.take(LOOKED_AT).collect();
    let seen: Vec<_> = own.iter().filter_map(|hop| Some((*hop, missing(hop)?))).collect();
    let (first, (which, at, all, end)) = seen.first().filter(|_| seen.len() * 2 > own.len())?;
    let says = format!(
        "the capture of {} holds {at} of the {which}'s packets, where {} has {all}: they take another way",
        whose(first.source),
        end.source.file
    );
    let range = |v: &FlowPart<'_>| {
        let record = &v.flow.record;
        Cite::packets(&v.source.file, [record.first_packet, record.last_packet])
    };
    let piece = Evidence::table("box-sees", "one", says, vec![range(first), range(end)]);
    Some(piece.on(first.source.host.as_ref()))
}
