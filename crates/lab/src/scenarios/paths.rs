//! Paths that swallow, forge, split or answer in somebody else's name.

use std::cell::RefCell;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use crate::crowd::{Crowd, Habit};
use crate::ends::{End, Heard};
use crate::folder::Place;
use crate::program::{Order, Writes};
use crate::rules::{LONG_S, Nat, Setup};
use crate::scenario::Scenario;
use crate::stage::{A_MOMENT, Stage};
use crate::tool::Tool;
use crate::trouble::Trouble;
use crate::truth::Truth;

/// Large packets vanish.
pub(super) const MTU_BLACK_HOLE: Scenario = Scenario {
    name: "mtu-black-hole",
    says: "a link with a smaller MTU behind a box whose ICMP is dropped: small words pass, the first large one is sent again and again",
    needs: &[],
    play: mtu_black_hole,
};

/// Answers take another way.
pub(super) const ONE_SIDED: Scenario = Scenario {
    name: "one-sided-path",
    says: "answers come another way and the box sees one direction: what acknowledges data it has not seen is INVALID and dropped",
    needs: &[],
    play: one_sided,
};

/// Forgets by age.
pub(super) const SILENT_AGE: Scenario = Scenario {
    name: "middlebox-silent-age",
    says: "a middlebox drops everything of a connection once it is so old, however busy, and tells nobody",
    needs: &[],
    play: |stage| silent_drop(stage, false),
};

/// Forgets by silence.
pub(super) const SILENT_IDLE: Scenario = Scenario {
    name: "middlebox-silent-idle",
    says: "a middlebox drops everything of a connection that was idle for so long, and tells nobody",
    needs: &[],
    play: |stage| silent_drop(stage, true),
};

/// Keepalive is answered too early.
pub(super) const SIDECAR: Scenario = Scenario {
    name: "sidecar-keepalive",
    says: "a sidecar ends TCP next to the client and answers its keepalive, so that the NAT behind it hears nothing and forgets",
    needs: &[Tool::installed("haproxy", "haproxy")],
    play: sidecar,
};

/// The smallest MTU IPv6 allows (RFC 8200 §5).
const SMALL_MTU: u32 = 1280;
/// More than fits into one packet of it.
const LARGE: usize = 4000;

fn quiet_box(stage: &mut Stage<'_>) -> Result<(), Trouble> {
    stage.set(&Setup { established_s: LONG_S, ..Setup::of(Nat::None, &stage.plan) })
}

/// The truth of a path that decides, and tells nobody.
fn by_the_path(cause: &'static str, family: &'static str) -> Truth {
    Truth {
        signed_by: None,
        detected_by: Some("heartbeat"),
        ..Truth::end_decided(cause, family, "middlebox")
    }
}

fn mtu_black_hole(stage: &mut Stage<'_>) -> Result<Truth, Trouble> {
    quiet_box(stage)?;
    stage.hop.shrink(crate::stage::WAN, SMALL_MTU)?;
    stage.hop.rules(
        "table inet quiet {\n chain output {\n type filter hook output priority 0;\n \
         icmp type destination-unreachable drop\n icmpv6 type packet-too-big drop\n }\n}\n",
    )?;
    let listener = stage.listen()?;
    for round in 0..4 {
        let mut client = stage.connect(stage.service())?;
        let mut server = listener.accept()?;
        for _ in 0..stage.plan.rng.u32(1..=4) {
            stage.greet(&mut client, &mut server)?;
            stage.pause(0.1, 0.6)?;
        }
        client.say(LARGE);
        stage.quiet("the large word is never answered", &mut client, 3.0);
        let heard = server.hear(Duration::from_millis(1));
        stage.checks.that("nothing of it reaches the server", heard == Heard::Nothing, heard);
        if round == 1 {
            stage.look()?;
            stage.sockets()?;
        }
        client.gives_up();
        client.reconnecting();
        stage.pause(0.2, 0.9)?;
    }
    stage.rules_again()?;
    let tapes = stage.cut()?;
    let who = stage.addresses();
    let full = |s: &&hopclock_core::wire::Segment| s.payload > 1240;
    let start = hopclock_core::time::Moment::from_ns(0);
    let sent = tapes.client.sent(who.client, who.server, start).filter(full).count();
    let came = tapes.server.sent(who.client, who.server, start).filter(full).count();
    stage.checks.that("full segments leave the client again and again", sent >= 8, sent);
    stage.checks.that("and none of them arrives", came == 0, came);
    Ok(by_the_path("mtu-blackhole", "path"))
}

fn one_sided(stage: &mut Stage<'_>) -> Result<Truth, Trouble> {
    let second = stage.second_path()?;
    let forward = "ct state invalid counter drop".to_owned();
    stage.set(&Setup { established_s: LONG_S, forward, ..Setup::of(Nat::None, &stage.plan) })?;
    let listener = stage.listen()?;
    let before = stage.invalid()?;
    for round in 0..3 {
        let mut client = stage.connect(stage.service())?;
        let mut server = listener.accept_from(&client)?;
        for _ in 0..stage.plan.rng.u32(2..=4) {
            stage.greet(&mut client, &mut server)?;
            stage.pause(0.1, 0.6)?;
        }
        // The way back fails over to a path without the box.
        second.take(stage)?;
        server.say(96);
        stage.hears("the client still hears the server", &mut client);
        client.say(48);
        let unheard = server.hear(Duration::from_secs(3));
        let lost = unheard == Heard::Nothing;
        stage.checks.that("the server hears the client no more", lost, unheard);
        if round == 1 {
            stage.look()?;
            stage.sockets()?;
        }
        client.gives_up();
        client.reconnecting();
        stage.pause(0.2, 0.6)?;
        // A new connection opens for the client alone.
        let mut client = stage.connect(stage.service())?;
        client.say(48);
        stage.in_vain("a new connection is open, and nobody answers", &mut client, 2.0);
        drop(client);
        second.leave(stage)?;
        stage.pause(0.2, 0.6)?;
    }
    let grown = stage.invalid()? - before;
    stage.checks.that("the box counts INVALID packets", grown >= 6, grown);
    stage.rules_again()?;
    stage.cut()?;
    Ok(by_the_path("one-sided-path", "state-lost"))
}

/// The second way from the server back to the client, which passes no box.
pub(crate) struct SecondPath {
    /// The client's end of it.
    pub gateway: IpAddr,
    /// The server's.
    pub own: IpAddr,
    /// The server's interface.
    pub interface: &'static str,
}

impl SecondPath {
    /// From now on answers take it.
    fn take(&self, stage: &Stage<'_>) -> Result<(), Trouble> {
        let bits = if stage.plan.v6 { 128 } else { 32 };
        stage.server.route(stage.plan.lan.end(), bits, self.gateway)
    }

    /// And from now on not any more: the link goes down with its route, and up without.
    fn leave(&self, stage: &Stage<'_>) -> Result<(), Trouble> {
        stage.server.unplug(self.interface)?;
        stage.server.plug(self.interface)?;
        if stage.plan.v6 {
            // IPv6 addresses go with the link.
            stage.server.add_address(self.interface, self.own, stage.plan.side.prefix())?;
        }
        Ok(())
    }
}

/// Rules of a box that remembers each connection for so long: since its opening, or since its last
/// packet.
fn memory(timer_s: u32, port: u16, by_silence: bool) -> String {
    let refresh = if by_silence {
        format!(
            "tcp dport {port} tcp sport @flows update @flows {{ tcp sport }}\n \
             tcp sport {port} tcp dport @flows update @flows {{ tcp dport }}\n "
        )
    } else {
        String::new()
    };
    format!(
        "table inet middlebox {{\n set flows {{\n type inet_service\n flags dynamic,timeout\n \
         timeout {timer_s}s\n }}\n chain forward {{\n type filter hook forward priority -10;\n \
         tcp flags & (syn | ack) == syn update @flows {{ tcp sport }}\n {refresh}\
         tcp dport {port} tcp sport != @flows counter drop\n \
         tcp sport {port} tcp dport != @flows counter drop\n }}\n}}\n"
    )
}

fn silent_drop(stage: &mut Stage<'_>, by_silence: bool) -> Result<Truth, Trouble> {
    quiet_box(stage)?;
    let (timer_s, port) = (stage.plan.timer_s, stage.plan.port);
    let timer = f64::from(timer_s);
    stage.hop.rules(&memory(timer_s, port, by_silence))?;
    let listener = stage.listen()?;
    let servers: RefCell<Vec<End>> = RefCell::new(Vec::new());
    let patience = 2.0;
    let habit = Habit {
        opens: Box::new(|stage: &mut Stage<'_>| {
            let mut client = stage.connect(stage.service())?;
            let mut server = listener.accept()?;
            stage.greet(&mut client, &mut server)?;
            if by_silence {
                // A while of nothing that is longer than the box waits, then a word.
                stage.pause(0.2, 1.0)?;
                stage.greet(&mut client, &mut server)?;
                stage.pause(timer + 0.5, timer + 2.5)?;
                client.say(48);
            }
            servers.borrow_mut().push(server);
            Ok(Some(client))
        }),
        chats: Some((
            0.4,
            Box::new(|client: &mut End| {
                let mut all = servers.borrow_mut();
                let Some(server) = all.last_mut() else { return false };
                if by_silence {
                    // It answers what still arrives.
                    if matches!(server.hear(Duration::from_millis(1)), Heard::Bytes(_)) {
                        server.say(96);
                    }
                } else {
                    client.say(48);
                    server.say(96);
                }
                false
            }),
        )),
        gives_up_s: Some(patience),
    };
    let lives = stage.plan.rng.usize(4..=6);
    let mut crowd = Crowd::of(1, stage, habit);
    crowd.live(stage, timer + 1.0)?;
    stage.look()?;
    stage.sockets()?;
    crowd.until(stage, lives, timer * 20.0)?;
    if !by_silence {
        let ages: Vec<f64> = crowd.lives.iter().map(|l| l.age()).collect();
        let span = (timer, timer + patience + 2.5);
        stage.checks.lasted("each is given up some time after the box's limit", &ages, span);
    }
    stage.look()?;
    stage.rules_again()?;
    let tapes = stage.cut()?;
    let who = stage.addresses();
    let start = hopclock_core::time::Moment::from_ns(0);
    let reset = tapes.client.reset(who.server, who.client, start);
    stage.checks.unseen("nobody sends the client a reset", reset);
    let (cause, family, anchor) = if by_silence {
        ("idle-timeout-middlebox", "idle", "idle")
    } else {
        ("max-age-lb", "age", "open")
    };
    Ok(Truth {
        anchor,
        interval_s: Some(timer),
        tolerance_s: Some(1.0 + patience),
        ..by_the_path(cause, family).set("timeout of the set flows", timer_s)
    })
}

fn sidecar(stage: &mut Stage<'_>) -> Result<Truth, Trouble> {
    let timer_s = stage.plan.timer_s;
    stage.loopback_too();
    stage.set(&Setup { loose: false, ..Setup::of(Nat::Snat, &stage.plan) })?;
    let loopback: IpAddr =
        if stage.plan.v6 { Ipv6Addr::LOCALHOST.into() } else { Ipv4Addr::LOCALHOST.into() };
    let front = SocketAddr::new(loopback, 15_001);
    let config = format!(
        "global\n  log stdout format raw local0 info\ndefaults\n  mode tcp\n  log global\n  \
         option tcplog\n  timeout connect 2s\n  timeout client 1h\n  timeout server 1h\n\
         listen outbound\n  bind {front}\n  server upstream-1 {}\n",
        stage.service()
    );
    let log = stage.grows(Place::Client, "sidecar.log");
    let order = Order {
        name: "haproxy",
        script: "haproxy -db -f haproxy.cfg".to_owned(),
        files: vec![("haproxy.cfg", config)],
        out: Writes::Syslog(log.clone(), Place::Client.host(), "sidecar[1]"),
        err: Writes::Syslog(log, Place::Client.host(), "sidecar[1]"),
    };
    let haproxy = stage.starts(Place::Client, &order, front.port())?;
    let listener = stage.listen()?;
    for round in 0..4 {
        let mut client = stage.connect(front)?;
        client.tune(|socket| {
            let keepalive = socket2::TcpKeepalive::new()
                .with_time(Duration::from_secs(1))
                .with_interval(Duration::from_secs(1));
            socket.set_tcp_keepalive(&keepalive)
        })?;
        let mut server = listener.accept()?;
        stage.greet(&mut client, &mut server)?;
        stage.pause(0.1, 1.0)?;
        stage.greet(&mut client, &mut server)?;
        if round == 1 {
            stage.sockets()?;
            stage.look()?;
        }
        stage.pause(f64::from(timer_s) + 1.0, f64::from(timer_s) + 2.0)?;
        client.say(48);
        stage.answers(&mut server);
        stage.in_vain("after the silence nobody answers", &mut client, 2.0);
        client.reconnecting();
        stage.pause(0.2, 0.8)?;
    }
    stage.look()?;
    stage.rest(A_MOMENT)?;
    let tapes = stage.cut()?;
    let loopback = tapes.client.sent(loopback, loopback, hopclock_core::time::Moment::from_ns(0));
    let probes = loopback.filter(|s| s.payload == 0 && !s.flags.syn()).count();
    stage.checks.that("probes are answered within the machine", probes > 20, probes);
    drop(haproxy);
    Ok(Truth {
        accept: vec!["idle-timeout-middlebox"],
        cause: "keepalive-answered-early",
        detected_by: Some("heartbeat"),
        ..Truth::expiry(timer_s)
    })
}
