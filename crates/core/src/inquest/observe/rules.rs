//! What the firewall rules of a box do to a subject's connections.
//!
//! Only what the rules leave no doubt about is said: where a rule asks for something that is not
//! known of a packet, or is not understood, nothing is.

use super::super::clocks_seen::whose;
use super::super::evidence::{Cite, Evidence, Weighs};
use super::super::facts::{Content, Facts, Source};
use super::super::subject::{FlowPart, Subject};
use crate::dump::rules::ask::{Asked, Does, Ruled};
use crate::dump::rules::{CtState, Hook, Rules};
use crate::terms::Role;
use std::net::SocketAddr;

/// Connections asked about: more say the same.
const FLOWS_MAX: usize = 40;
/// The protocol number of TCP.
const TCP: u8 = 6;
/// The flags of a segment in the middle of a connection: ACK alone.
const ACK: u8 = 0x10;

/// What each box's rules say.
pub(super) fn observe(subject: &Subject<'_>, facts: &Facts) -> Vec<Evidence> {
    let mut boxes: Vec<Listed<'_>> = facts
        .sources
        .iter()
        .filter(|s| s.role == Some(Role::Hop))
        .filter_map(|source| match &*source.content {
            Content::Rules(rules) => Some((source, rules)),
            _ => None,
        })
        .collect();
    boxes.sort_by_key(|(source, _)| source.taken_at);
    let mut found = Vec::new();
    found.extend(refusing(subject, &boxes));
    found.extend(boxes.last().and_then(of_invalid));
    found
}

type Listed<'a> = (&'a Source, &'a Rules);

/// A rule that stops packets of the connection as it stands: with a reset, or in silence.
fn refusing(subject: &Subject<'_>, boxes: &[Listed<'_>]) -> Option<Evidence> {
    boxes.iter().find_map(|(source, rules)| {
        let ended = subject.flows.iter().filter(|f| f.ended()).take(FLOWS_MAX);
        let (flow, ruled) = ended.filter_map(|f| Some((f, stopped(rules, f)?))).next()?;
        let value = if ruled.does == Does::Resets { "resets" } else { "drops" };
        let line = ruled.line?;
        let how = if value == "resets" { "answers it with a reset" } else { "drops it" };
        // An earlier listing that let it through says that the rule came later.
        let before = boxes.iter().find(|(earlier, rules)| {
            earlier.host == source.host
                && earlier.command == source.command
                && earlier.taken_at.is_some()
                && earlier.taken_at < source.taken_at
                && stopped(rules, flow).is_none()
        });
        let since = if before.is_some() { "; an earlier listing has no such rule" } else { "" };
        let says = format!("a rule of {} {how}, established or not{since}", whose(source));
        let mut cites = vec![Cite::lines(&source.file, [line])];
        cites.extend(before.map(|(earlier, _)| Cite::lines(&earlier.file, [1])));
        let piece = Evidence::table("rules", value, says, cites).on(source.host.as_ref());
        // A rule that stood there while the connection worked may be newer than the listing says.
        Some(if before.is_some() { piece } else { piece.weaker(0.7) })
    })
}

/// The rule that stops packets of a connection on their way through, in either direction.
fn stopped(rules: &Rules, flow: &FlowPart<'_>) -> Option<Ruled> {
    let (client, server) = (flow.flow.record.client, flow.flow.record.server);
    [(client, server), (server, client)].into_iter().find_map(|(from, to)| {
        match rules.filter(Hook::Forward, &segment(from, to)).as_slice() {
            // That a policy alone stops it says that the box forwards nothing, or that what it lets
            // through was not understood.
            [one]
                if matches!(one.does, Does::Drops | Does::Resets | Does::Refuses)
                    && rules.rules().any(|(_, rule)| Some(rule.line) == one.line) =>
            {
                Some(*one)
            }
            _ => None,
        }
    })
}

/// A segment of an established connection; which interfaces it takes is not known.
fn segment(from: SocketAddr, to: SocketAddr) -> Asked<'static> {
    Asked {
        v6: from.is_ipv6(),
        src: Some(from.ip()),
        dst: Some(to.ip()),
        sport: Some(from.port()),
        dport: Some(to.port()),
        protocol: Some(TCP),
        flags: Some(ACK),
        state: Some(CtState::Established),
        iif: None,
        oif: None,
    }
}

/// What the box does with packets that belong to nothing: where they are dropped, its own stack
/// resets nobody, and nothing leaves untranslated.
fn of_invalid((source, rules): &Listed<'_>) -> Option<Evidence> {
    let dropping = |hook: Hook| {
        rules.rules().find(|(chain, rule)| {
            chain.base.is_some_and(|base| base.hook == hook)
                && rule.asks_for(CtState::Invalid)
                && matches!(rule.act, crate::dump::rules::Act::Drop)
        })
    };
    let (input, forward) = (dropping(Hook::Input), dropping(Hook::Forward));
    let places: Vec<&str> = [(input, "INPUT"), (forward, "FORWARD")]
        .into_iter()
        .filter_map(|(rule, name)| rule.map(|_| name))
        .collect();
    if places.is_empty() {
        return None;
    }
    let lines = [input, forward].into_iter().flatten().map(|(_, rule)| rule.line);
    let says = format!("{} drops INVALID packets in {}", whose(source), places.join(" and "));
    let cites = vec![Cite::lines(&source.file, lines)];
    Some(Evidence::new(Weighs::Context("drops-invalid"), says, cites).on(source.host.as_ref()))
}
