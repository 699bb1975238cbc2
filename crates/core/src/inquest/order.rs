//! The order of timers: which of those in evidence must run out before which, and where that is
//! violated, whether or not it is today's cause.
//!
//! Only values somebody read, or that packets show, are compared; a default nobody read is none.
//! A sysctl is not a socket option: what it says of keepalive counts for sockets that ask.

use super::clocks_seen::{SeenClock, whose};
use super::evidence::Weighs;
use super::facts::Facts;
use super::observe::Gathered;
use super::subject::{FlowPart, Subject};
use crate::clocks::Owner;
use crate::terms::{Anchor, Role, Side};
use serde::Serialize;

/// A timer, for comparison.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct Timer {
    /// The timer and who keeps it, in words.
    pub what: String,
    /// Its value.
    pub seconds: f64,
    /// Where it is kept, where known.
    pub role: Option<Role>,
    /// The evidence that states it.
    pub evidence: Vec<String>,
}

/// Two timers of one path that must stand in an order.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct Order {
    /// The one that must be shorter.
    pub shorter: Timer,
    /// Than this one.
    pub longer: Timer,
    /// Whether it is.
    pub holds: bool,
    /// Why it must be, and what happens otherwise.
    pub why: String,
    /// What would put them in order, on which side; `None` where they are.
    pub change: Option<String>,
}

/// What a timer does on the path.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Kind {
    /// TCP keepalive of an end's sockets: the silence after which a probe is sent.
    Keepalive,
    /// The longest pause between two retransmissions.
    BackOff,
    /// A box forgets a silent connection.
    Track,
    /// A box forgets a connection whose last data nobody acknowledged.
    TrackUnacknowledged,
    ClientIdle,
    ProxyIdle,
    ServerIdle,
    ClientAge,
    ProxyAge,
    ServerAge,
}

/// TCP_RTO_MAX: the longest pause between retransmissions, in seconds (include/net/tcp.h, 6.18).
const RTO_MAX_S: f64 = 120.0;

const FIRST_TO_LET_GO: &str = "who opens connections must let go of them first: one that the other side is just \
                               closing is used once more and lost";
const BACKEND_LAST: &str = "a balancer must let go of its connections to the backend before the backend does: else a \
                            request meets one that is being closed, which the client sees as 502 or a reset";
const HEARD: &str = "an end that closes in order while the box still knows the connection is heard; once the box has \
                     forgotten it, the close is lost and the other end learns of it by a reset or in silence";
const PROBES: &str = "a keepalive probe must come before the box forgets the connection; one that comes later meets no \
                      entry, and keeps nothing alive";
const RESENT: &str = "a stack that resends pauses up to 120 s between two tries (TCP_RTO_MAX); a box that forgets sooner \
                      has no entry when the try that would be answered comes";

/// Shorter, longer, why.
const RULES: [(Kind, Kind, &str); 11] = [
    (Kind::Keepalive, Kind::Track, PROBES),
    (Kind::BackOff, Kind::TrackUnacknowledged, RESENT),
    (Kind::ClientIdle, Kind::ProxyIdle, FIRST_TO_LET_GO),
    (Kind::ClientIdle, Kind::ServerIdle, FIRST_TO_LET_GO),
    (Kind::ProxyIdle, Kind::ServerIdle, BACKEND_LAST),
    (Kind::ClientIdle, Kind::Track, HEARD),
    (Kind::ProxyIdle, Kind::Track, HEARD),
    (Kind::ServerIdle, Kind::Track, HEARD),
    (Kind::ClientAge, Kind::ProxyAge, FIRST_TO_LET_GO),
    (Kind::ClientAge, Kind::ServerAge, FIRST_TO_LET_GO),
    (Kind::ProxyAge, Kind::ServerAge, BACKEND_LAST),
];

/// Every pair of timers in evidence that must be ordered, those that are not first.
pub fn find(facts: &Facts, subject: &Subject<'_>, gathered: &Gathered) -> Vec<Order> {
    let timers = timers(facts, subject, gathered);
    let of = |kind: Kind| timers.iter().filter(move |(k, _)| *k == kind).map(|(_, timer)| timer);
    let mut found: Vec<Order> = Vec::new();
    for (short, long, why) in RULES {
        for shorter in of(short) {
            found.extend(of(long).map(|longer| ordered((short, shorter), longer, why)));
        }
    }
    found.sort_by_key(|o| o.holds);
    found
}

fn ordered((kind, shorter): (Kind, &Timer), longer: &Timer, why: &str) -> Order {
    let holds = shorter.seconds < longer.seconds;
    let (short, long) = (shorter.seconds, longer.seconds);
    let change = (!holds).then(|| match kind {
        // The pause is the protocol's and cannot be set.
        Kind::BackOff => format!("{}: raise it above {RTO_MAX_S:.0} s", at(longer)),
        // Half leaves room for a probe that is lost; a close only has to come first.
        _ => {
            let share = if kind == Kind::Keepalive { 0.5 } else { 0.8 };
            let (most, least) = ((share * long).floor().max(1.0), (short / share).ceil());
            let (low, high) = (at(shorter), at(longer));
            format!(
                "{low}: lower it to {most:.0} s or less; or {high}: raise it above {least:.0} s"
            )
        }
    });
    let (shorter, longer) = (shorter.clone(), longer.clone());
    Order { shorter, longer, holds, why: why.to_owned(), change }
}

fn at(timer: &Timer) -> String {
    let place = match timer.role {
        Some(Role::Client) => "on the client's side",
        Some(Role::Hop) => "on the box",
        Some(Role::Server) => "on the server's side",
        None => return format!("whoever keeps the {}", timer.what),
    };
    place.to_owned()
}

fn timers(facts: &Facts, subject: &Subject<'_>, gathered: &Gathered) -> Vec<(Kind, Timer)> {
    let mut found: Vec<(Kind, Timer)> = Vec::new();
    for clock in &gathered.clocks {
        if let Some(kind) = kind(clock) {
            let told = clock.evidence.and_then(|i| gathered.evidence.get(i));
            let timer = Timer {
                // What a note documents names its keeper itself.
                what: match clock.clock {
                    Some(_) => format!("{} of {}", clock.setting, clock.keeper),
                    None => clock.setting.clone(),
                },
                seconds: clock.seconds,
                role: clock.role.or(side(clock.owner)),
                evidence: told.map(|e| e.id.clone()).into_iter().collect(),
            };
            found.push((kind, timer));
        }
    }
    found.extend(keepalive(facts, subject, gathered).into_iter().map(|t| (Kind::Keepalive, t)));
    if found.iter().any(|(kind, _)| *kind == Kind::TrackUnacknowledged) {
        let what = "the pause between two retransmissions".to_owned();
        let pause = Timer { what, seconds: RTO_MAX_S, role: None, evidence: Vec::new() };
        found.push((Kind::BackOff, pause));
    }
    found
}

/// What a clock that was read does on the path.
fn kind(clock: &SeenClock) -> Option<Kind> {
    if let Some(known) = &clock.clock {
        return match known.id.as_str() {
            // The table of an end counts only where that end tracks, which its sysctls do not say.
            _ if clock.role != Some(Role::Hop) => None,
            "linux-ct-tcp-established" => Some(Kind::Track),
            "linux-ct-tcp-unacknowledged" | "linux-ct-tcp-max-retrans" => {
                Some(Kind::TrackUnacknowledged)
            }
            _ => None,
        };
    }
    let idle = matches!(clock.anchor, Anchor::Idle | Anchor::IdleApp);
    match (clock.owner, clock.anchor) {
        (Owner::Nat | Owner::Firewall, _) if idle => Some(Kind::Track),
        (Owner::LoadBalancer | Owner::Proxy, _) if idle => Some(Kind::ProxyIdle),
        (Owner::Server, _) if idle => Some(Kind::ServerIdle),
        (Owner::ClientLibrary, _) if idle => Some(Kind::ClientIdle),
        (Owner::LoadBalancer | Owner::Proxy, Anchor::Open) => Some(Kind::ProxyAge),
        (Owner::Server, Anchor::Open) => Some(Kind::ServerAge),
        (Owner::ClientLibrary, Anchor::Open) => Some(Kind::ClientAge),
        _ => None,
    }
}

/// Where a documented timer is kept, where its owner says so.
const fn side(owner: Owner) -> Option<Role> {
    match owner {
        Owner::Server => Some(Role::Server),
        Owner::ClientLibrary => Some(Role::Client),
        _ => None,
    }
}

/// Keepalive as the packets show it, and as the sysctls of an end would have it where none was
/// seen.
fn keepalive(facts: &Facts, subject: &Subject<'_>, gathered: &Gathered) -> Vec<Timer> {
    let seen = |kind: &str| {
        gathered.evidence.iter().find(|e| match e.weighs {
            Weighs::Table { kind: own, .. } => own == kind,
            _ => false,
        })
    };
    let mut found: Vec<Timer> = Vec::new();
    for (side, role) in [(Side::Client, Role::Client), (Side::Server, Role::Server)] {
        let by_packets = subject.flows.iter().filter_map(|f| first_probe(f, side));
        if let Some(after) = by_packets.min_by(f64::total_cmp) {
            found.push(Timer {
                what: format!("TCP keepalive of {}, as its probes show it", end(role)),
                seconds: after,
                role: Some(role),
                evidence: seen("probes").map(|e| e.id.clone()).into_iter().collect(),
            });
            continue;
        }
        for (source, setting) in facts.settings().filter(|(s, _)| s.role == Some(role)) {
            let Some(time) = setting.number().filter(|_| setting.short() == "tcp_keepalive_time")
            else {
                continue;
            };
            let place = whose(source);
            let own = |c: &&SeenClock| c.keeper == place && c.anchor == Anchor::Probe;
            let told = gathered.clocks.iter().filter(own).find_map(|c| {
                let told = gathered.evidence.get(c.evidence?)?;
                told.cites.iter().any(|c| c.file == source.file).then_some(told)
            });
            found.push(Timer {
                what: format!("tcp_keepalive_time of {place} (for sockets that ask for keepalive)"),
                seconds: time,
                role: Some(role),
                evidence: told.map(|e| e.id.clone()).into_iter().collect(),
            });
        }
    }
    found
}

fn first_probe(flow: &FlowPart<'_>, side: Side) -> Option<f64> {
    let keepalive = &flow.flow.last_words.keepalive;
    let own = match side {
        Side::Client => keepalive.client,
        Side::Server => keepalive.server,
    };
    own.first_after.filter(|_| own.probes > 0).map(crate::time::Gap::secs_f64)
}

const fn end(role: Role) -> &'static str {
    match role {
        Role::Client => "the client",
        Role::Server => "the server",
        Role::Hop => "the box",
    }
}
