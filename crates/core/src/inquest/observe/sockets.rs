//! What a listing of sockets says of a subject's connections: whether keepalive runs on them. A
//! setting of the host switches it on for nobody; a socket asks for it, or does not.

use super::super::clocks_seen::whose;
use super::super::evidence::{Cite, Evidence, Weighs};
use super::super::facts::{Facts, Source};
use super::super::subject::Subject;
use crate::dump::ss::{Socket, TimerKind};
use std::collections::BTreeSet;
use std::net::SocketAddr;

/// Sockets of one connection that are told of.
const TOLD_MAX: usize = 4;

/// What the sockets of the subject's connections show.
pub(super) fn observe(subject: &Subject<'_>, facts: &Facts) -> Vec<Evidence> {
    let pairs = pairs(subject);
    let own = |socket: &Socket| {
        pairs.contains(&(socket.local, socket.peer)) || pairs.contains(&(socket.peer, socket.local))
    };
    let sockets: Vec<(&Source, &Socket, bool)> =
        facts.sockets().filter(|(_, socket, _)| own(socket)).collect();
    let mut found = Vec::new();
    found.extend(keepalive(&sockets));
    let resending = sockets.iter().filter_map(|(source, socket, _)| resending(source, socket));
    found.extend(resending.take(TOLD_MAX));
    found
}

/// Both ends of every view of every connection.
fn pairs(subject: &Subject<'_>) -> BTreeSet<(SocketAddr, SocketAddr)> {
    let views = subject.flows.iter().chain(&subject.elsewhere);
    views
        .flat_map(|f| {
            let record = &f.flow.record;
            let others = record.also_known_as.iter().map(|name| (name.client, name.server));
            others.chain([(record.client, record.server)]).collect::<Vec<_>>()
        })
        .collect()
}

/// Keepalive runs on a socket of either end, or on none of those that were seen standing.
fn keepalive(sockets: &[(&Source, &Socket, bool)]) -> Option<Evidence> {
    let is = |socket: &Socket, kind| socket.timer.as_ref().is_some_and(|t| t.kind == kind);
    let standing = sockets.iter().filter(|(_, socket, timers)| {
        // While another timer runs, keepalive's does not show.
        *timers
            && socket.state == "ESTAB"
            && (socket.timer.is_none() || is(socket, TimerKind::Keepalive))
    });
    let (on, off): (Vec<_>, Vec<_>) =
        standing.partition(|(_, socket, _)| is(socket, TimerKind::Keepalive));
    // One end's keepalive keeps a connection; on some connections and not on others says nothing.
    let (value, seen) = match on.len() * 2 >= off.len() && !on.is_empty() {
        true => ("on", on),
        false if on.is_empty() => ("off", off),
        false => return None,
    };
    let (source, _, _) = seen.first()?;
    let mut whom: Vec<String> = seen.iter().map(|(source, _, _)| whose(source)).collect();
    whom.sort();
    whom.dedup();
    let says = match value {
        "on" => format!("keepalive runs on the socket of {}", whom.join(" and ")),
        _ => format!(
            "no keepalive runs on the socket of {}, whatever its sysctls say",
            whom.join(" and ")
        ),
    };
    let shown = seen.iter().take(20);
    let cites = shown.map(|(s, socket, _)| Cite::lines(&s.file, [socket.line])).collect();
    let piece = Evidence::table("socket-keepalive", value, says, cites).on(source.host.as_ref());
    // One end's socket says nothing of the other's.
    let both = whom.len() > 1 || value == "on";
    Some(if both { piece } else { piece.weaker(0.6) })
}

fn resending(source: &Source, socket: &Socket) -> Option<Evidence> {
    let timer = socket.timer.as_ref()?;
    let what = match timer.kind {
        TimerKind::Retransmission if timer.times > 0 => "sent its data again, unanswered,",
        TimerKind::Persist if timer.times > 0 => "asked for a window that stays closed",
        _ => return None,
    };
    let times = if timer.times == 1 { "once".to_owned() } else { format!("{} times", timer.times) };
    let says = format!("{}: the socket had {what} {times} when it was listed", whose(source));
    let cites = vec![Cite::lines(&source.file, [socket.line])];
    Some(Evidence::new(Weighs::Context("resending"), says, cites).on(source.host.as_ref()))
}
