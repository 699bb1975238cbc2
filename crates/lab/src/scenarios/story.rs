//! The fix of the story: one stream, kept in three ways, through a box that forgets it and through
//! one whose timer is frozen: which live, and what each costs.

use std::time::Duration;

use hopclock_core::time::Moment;
use hopclock_core::wire::Segment;
use socket2::TcpKeepalive;

use crate::ends::{End, Heard};
use crate::program::Program;
use crate::rules::{Nat, Setup};
use crate::scenario::Scenario;
use crate::scenarios::freeze::stray;
use crate::scenarios::grpc::{self, Client};
use crate::stage::{A_MOMENT, Stage, now};
use crate::talk::{H2_OPENS, H2_PING, H2_PONG, H2_SERVES, STREAM_HEAD, get, h2_data};
use crate::trouble::Trouble;
use crate::truth::Truth;

/// How a stream is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    /// HTTP/1.1, and nothing.
    Plain,
    /// HTTP/1.1, and TCP keepalive below the box's timer.
    Keepalive,
    /// HTTP/2, as gRPC has it, and a PING below the box's timer: gRPC itself, in tonic, where it is
    /// built, else frames of the lab's own.
    Ping,
}

/// All of it: three ways through an expiring NAT, and through a frozen entry.
pub static STORY: &[Scenario] = &[
    Scenario {
        name: "story-plain-expiring",
        says: "HTTP/1.1 without keepalive, quiet for longer than the NAT remembers: the next event is lost",
        needs: &[],
        play: |stage| expiring(stage, Way::Plain),
    },
    Scenario {
        name: "story-keepalive-expiring",
        says: "HTTP/1.1 with TCP keepalive below the NAT's timer: the stream lives",
        needs: &[],
        play: |stage| expiring(stage, Way::Keepalive),
    },
    Scenario {
        name: "story-ping-expiring",
        says: "HTTP/2 with a PING below the NAT's timer: the stream lives",
        needs: &[],
        play: |stage| expiring(stage, Way::Ping),
    },
    Scenario {
        name: "story-plain-frozen",
        says: "HTTP/1.1, busy, on a frozen entry: it ends when the timer does",
        needs: &[],
        play: |stage| frozen(stage, Way::Plain),
    },
    Scenario {
        name: "story-keepalive-frozen",
        says: "the same with TCP keepalive, which sends nothing on a busy connection: it ends when the timer does",
        needs: &[],
        play: |stage| frozen(stage, Way::Keepalive),
    },
    Scenario {
        name: "story-ping-frozen",
        says: "HTTP/2, busy, on a frozen entry: the PING refreshes nothing, and does not save it",
        needs: &[],
        play: |stage| frozen(stage, Way::Ping),
    },
];

/// A stream and how it is kept.
struct Stream {
    way: Way,
    client: End,
    server: End,
    every_s: f64,
    pinged: Moment,
}

impl Stream {
    fn open(stage: &mut Stage<'_>, way: Way) -> Result<Self, Trouble> {
        let every_s = f64::from(stage.plan.timer_s) / 3.0;
        let listener = stage.listen()?;
        let mut client = stage.connect(stage.service())?;
        if way == Way::Keepalive {
            let every = Duration::from_secs_f64(every_s.max(1.0));
            let keepalive = TcpKeepalive::new().with_time(every).with_interval(every);
            client.tune(|socket| socket.set_tcp_keepalive(&keepalive))?;
        }
        let mut server = listener.accept()?;
        if way == Way::Ping {
            client.send(&H2_OPENS.concat());
            server.hear(stage.patience());
            server.send(H2_SERVES);
        } else {
            client.send(&get("/events"));
            server.hear(stage.patience());
            server.send(STREAM_HEAD);
        }
        client.hear(stage.patience());
        stage.look()?;
        stage.sockets()?;
        Ok(Self { way, client, server, every_s, pinged: now() })
    }

    /// The server sends an event; whether it arrived.
    fn event(&mut self) -> bool {
        let text = b"data: tick\n\n";
        let sent = match self.way {
            Way::Ping => self.server.send(&h2_data(text)),
            Way::Plain | Way::Keepalive => self.server.send(text),
        };
        sent.is_none() && matches!(self.client.hear(Duration::from_secs(1)), Heard::Bytes(_))
    }

    /// The client pings when it is due, and the server answers; as a library does, unasked.
    fn kept(&mut self) {
        if self.way != Way::Ping || now().since(self.pinged).secs_f64() < self.every_s {
            return;
        }
        self.pinged = now();
        self.client.send(H2_PING);
        if matches!(self.server.hear(Duration::from_millis(300)), Heard::Bytes(_)) {
            self.server.send(H2_PONG);
            self.client.hear(Duration::from_millis(300));
        }
    }

    /// Kept for this long, quietly.
    fn rests(&mut self, stage: &Stage<'_>, seconds: f64) -> Result<(), Trouble> {
        let began = now();
        while now().since(began).secs_f64() < seconds {
            stage.rest(0.05)?;
            self.kept();
        }
        Ok(())
    }
}

/// Bytes of IP packets.
fn bytes<'s>(segments: impl Iterator<Item = &'s Segment>) -> u64 {
    segments
        .map(|s| {
            let ip = if s.src.is_ipv4() { 20 } else { 40 };
            ip + 20 + u64::from(s.options.bytes) + u64::from(s.payload)
        })
        .sum()
}

fn expiring(stage: &mut Stage<'_>, way: Way) -> Result<Truth, Trouble> {
    if way == Way::Ping && grpc::is_there() {
        return grpc_expiring(stage);
    }
    let timer_s = stage.plan.timer_s;
    stage.set(&Setup { loose: false, ..Setup::of(Nat::Snat, &stage.plan) })?;
    let mut stream = Stream::open(stage, way)?;
    let arrived = stream.event();
    stage.checks.that("the stream works", arrived, arrived);
    stage.rest(A_MOMENT)?;
    let quiet = now();
    let rounds = 3.0;
    stream.rests(stage, f64::from(timer_s) * rounds)?;
    stage.look()?;
    let over = now();
    let lives = stream.event();
    let foretold = way != Way::Plain;
    let says = if foretold { "the stream lives" } else { "the stream is dead" };
    stage.checks.that(says, lives == foretold, lives);
    if !lives {
        stream.client.gives_up();
    }
    let tapes = stage.cut()?;
    let kept = tapes.client.segments.iter().filter(|s| s.at > quiet && s.at < over);
    // For each interval between two words.
    let cost = bytes(kept) as f64 / (f64::from(timer_s) * rounds / stream.every_s.max(1.0));
    let truth = if lives { Truth::survives() } else { Truth::expiry(timer_s) };
    Ok(Truth { kept_bytes: Some(cost), ..truth })
}

fn frozen(stage: &mut Stage<'_>, way: Way) -> Result<Truth, Trouble> {
    if way == Way::Ping && grpc::is_there() {
        return grpc_frozen(stage);
    }
    stage.plan.timer_s += 2;
    let timer = f64::from(stage.plan.timer_s);
    stage.set(&Setup::of(Nat::Snat, &stage.plan))?;
    let mut stream = Stream::open(stage, way)?;
    for _ in 0..4 {
        stream.event();
        stage.rest(0.25)?;
    }
    stray(stage, stream.server.local, stream.server.peer)?;
    let frozen = now();
    stage.look()?;
    let mut delivered = 0;
    while stream.event() && now().since(frozen).secs_f64() < timer * 2.5 {
        delivered += 1;
        stream.rests(stage, 0.25)?;
    }
    let lived = now().since(frozen).secs_f64();
    stage.checks.that("events are delivered at first", delivered > 0, delivered);
    let dies = lived < timer * 2.0;
    stage.checks.that("and the stream ends all the same", dies, lived);
    stream.client.gives_up();
    stage.look()?;
    stage.cut()?;
    Ok(died_frozen(stage, lived))
}

fn died_frozen(stage: &Stage<'_>, lived: f64) -> Truth {
    Truth {
        cause: "conntrack-frozen-timer",
        family: "state-lost",
        lived_s: Some(lived),
        ..Truth::expiry(stage.plan.timer_s)
    }
}

/// A stream in tonic, whose client pings when it has read nothing for this long, and its server.
fn grpc_stream(
    stage: &mut Stage<'_>,
    events_s: f64,
    ping_s: f64,
) -> Result<(Program, Client), Trouble> {
    let server = grpc::tonic(stage, &format!("--every {events_s}"))?;
    let client = Client::start(stage, &format!("--ping {ping_s} --ping-timeout 2"))?;
    stage.rest(A_MOMENT)?;
    stage.look()?;
    stage.sockets()?;
    let arrived = client.events()?;
    stage.checks.that("the stream works", arrived > 0, arrived);
    Ok((server, client))
}

fn grpc_expiring(stage: &mut Stage<'_>) -> Result<Truth, Trouble> {
    let timer_s = stage.plan.timer_s;
    let (every_s, quiet_s) = ((f64::from(timer_s) / 3.0).max(1.0), f64::from(timer_s) * 3.0);
    stage.set(&Setup { loose: false, ..Setup::of(Nat::Snat, &stage.plan) })?;
    let (server, client) = grpc_stream(stage, quiet_s + 1.0, every_s)?;
    let quiet = now();
    stage.rest(quiet_s - A_MOMENT)?;
    stage.look()?;
    let over = now();
    stage.rest(1.0 + 2.0 * A_MOMENT)?;
    let told = client.told()?;
    let lives = client.events()? == 2 && told.lost == 0;
    stage.checks.that("the stream lives", lives, &told);
    stage.tells(told);
    let tapes = stage.cut()?;
    drop((client, server));
    let kept = || tapes.client.segments.iter().filter(|s| s.at > quiet && s.at < over);
    let client = stage.addresses().client;
    let pings = kept().filter(|s| s.src.ip() == client && s.payload > 0).count();
    stage.checks.that("its client pings", pings >= 2, pings);
    let cost = bytes(kept()) as f64 / pings.max(1) as f64;
    let truth = if lives { Truth::survives() } else { Truth::expiry(timer_s) };
    Ok(Truth { kept_bytes: Some(cost), ..truth })
}

fn grpc_frozen(stage: &mut Stage<'_>) -> Result<Truth, Trouble> {
    stage.plan.timer_s += 2;
    let timer = f64::from(stage.plan.timer_s);
    stage.set(&Setup::of(Nat::Snat, &stage.plan))?;
    let (server, client) = grpc_stream(stage, 0.25, (timer / 3.0).max(1.0))?;
    let peer = stage.wired_so_far()?.first().map(|wired| wired.client);
    let peer = peer.ok_or_else(|| Trouble::Broken("nobody is on the server's wire".to_owned()))?;
    stray(stage, stage.service(), peer)?;
    let frozen = now();
    let before = client.events()?;
    let (mut seen, mut last) = (before, frozen);
    while now().since(last).secs_f64() < 1.0 && now().since(frozen).secs_f64() < timer * 2.5 {
        stage.rest(0.1)?;
        let events = client.events()?;
        if events > seen {
            (seen, last) = (events, now());
        }
    }
    let lived = last.since(frozen).secs_f64();
    stage.checks.that("events are delivered at first", seen > before, (before, seen));
    stage.checks.that("and the stream ends all the same", lived < timer * 2.0, lived);
    // Its keepalive has found out by then.
    stage.rest(timer / 3.0 + 2.0)?;
    let told = client.told()?;
    stage.checks.that("its keepalive finds out", told.lost > 0, &told);
    stage.tells(told);
    stage.look()?;
    stage.cut()?;
    drop((client, server));
    Ok(died_frozen(stage, lived))
}
