//! The other end is gone, or its machine: how long it takes until somebody notices, and what ends
//! many at once.

use std::time::Duration;

use crate::crowd::{Crowd, Habit};
use crate::ends::{End, Heard};
use crate::folder::Place;
use crate::journal::Broken;
use crate::rules::{LONG_S, Nat, Setup};
use crate::scenario::Scenario;
use crate::scenarios::stores::{REDIS, redis};
use crate::stage::{Stage, now};
use crate::talk::REDIS_PING;
use crate::trouble::Trouble;
use crate::truth::Truth;

/// The sender gives up.
pub(super) const RETRANSMISSION: Scenario = Scenario {
    name: "host-gone-retransmission",
    says: "the server's machine is gone while the client speaks: ETIMEDOUT when tcp_retries2 retransmissions are used up",
    needs: &[],
    play: retransmission,
};

/// Keepalive finds out.
pub(super) const KEEPALIVE: Scenario = Scenario {
    name: "host-gone-keepalive",
    says: "the server's machine is gone while nobody speaks: ETIMEDOUT after keepalive's time and its probes",
    needs: &[],
    play: keepalive,
};

/// A limit of the socket's own.
pub(super) const USER_TIMEOUT: Scenario = Scenario {
    name: "host-gone-user-timeout",
    says: "the server's machine is gone while the client speaks: ETIMEDOUT after TCP_USER_TIMEOUT, whatever tcp_retries2 says",
    needs: &[],
    play: user_timeout,
};

/// A crash, and another.
pub(super) const CRASHES: Scenario = Scenario {
    name: "server-killed",
    says: "a server is killed again and again: all its clients read end of file together, and are refused until it is back",
    needs: REDIS,
    play: crashes,
};

/// A restart on the clock.
pub(super) const RESTARTS: Scenario = Scenario {
    name: "wall-clock-restart",
    says: "a server is restarted at full multiples of a period: all clients end together, whatever their age",
    needs: REDIS,
    play: restarts,
};

/// A loop that sleeps.
pub(super) const LOOP: Scenario = Scenario {
    name: "free-running-loop",
    says: "a loop sleeps, ends all connections, and sleeps again: its period is a little longer than it sleeps, and reconnecting by hand shifts nothing",
    needs: REDIS,
    play: free_running,
};

/// The end of a life whose peer has vanished.
type Tuning = fn(&End) -> Result<(), Trouble>;

/// How the client behaves before and after the server is gone, and how long it took to notice.
fn vanishing(
    stage: &mut Stage<'_>,
    tuning: Tuning,
    speaks: bool,
    most_s: f64,
) -> Result<Vec<f64>, Trouble> {
    let listener = stage.listen()?;
    let mut waits = Vec::new();
    for round in 0..4 {
        let mut client = stage.connect(stage.service())?;
        tuning(&client)?;
        let mut server = listener.accept()?;
        for _ in 0..stage.plan.rng.u32(1..=4) {
            stage.greet(&mut client, &mut server)?;
            stage.pause(0.0, 0.5)?;
        }
        if round == 1 {
            stage.look()?;
            stage.sockets()?;
        }
        stage.outage(true)?;
        if speaks {
            client.say(64);
        }
        let since = client.last;
        let heard = client.hear(Duration::from_secs_f64(most_s));
        waits.push(now().since(since).secs_f64());
        let given_up = heard == Heard::Over(Broken::TimedOut);
        stage.checks.that("the client's system gives up: ETIMEDOUT", given_up, heard);
        // Another machine in its place, which knows nothing.
        drop(server);
        stage.rest(0.2)?;
        stage.outage(false)?;
        client.reconnecting();
        stage.pause(0.2, 1.2)?;
    }
    stage.look()?;
    stage.cut()?;
    Ok(waits)
}

fn quiet_box(stage: &mut Stage<'_>) -> Result<(), Trouble> {
    let nat = if stage.plan.rng.bool() { Nat::Snat } else { Nat::None };
    stage.set(&Setup { established_s: LONG_S, ..Setup::of(nat, &stage.plan) })
}

fn retransmission(stage: &mut Stage<'_>) -> Result<Truth, Trouble> {
    let retries = stage.plan.rng.u32(3..=4);
    stage.client.sysctl("ipv4/tcp_retries2", &retries.to_string())?;
    quiet_box(stage)?;
    let waits = vanishing(stage, |_| Ok(()), true, 25.0)?;
    // Linux computes the limit from a first timeout of 0.2 s, doubling (tcp_timer.c,
    // tcp_model_timeout): the last retransmission is waited for as well.
    let model = 0.2 * f64::from((1_u32 << (retries + 1)) - 1);
    let span = (model * 0.8, model * 1.8 + 1.5);
    stage.checks.lasted("about as long as tcp_retries2 says", &waits, span);
    Ok(Truth {
        tolerance_s: Some(model),
        signed_by: None,
        detected_by: Some("retransmission-timeout"),
        ended_by: "client",
        ..Truth::clock(("retransmission-timeout", "peer-gone"), "probe", model, "client")
            .set("net.ipv4.tcp_retries2", retries)
            .accept(&["idle-timeout-middlebox"])
    })
}

fn user_timeout(stage: &mut Stage<'_>) -> Result<Truth, Trouble> {
    quiet_box(stage)?;
    let tuning: Tuning =
        |end| end.tune(|socket| socket.set_tcp_user_timeout(Some(Duration::from_secs(4))));
    let waits = vanishing(stage, tuning, true, 25.0)?;
    stage.checks.lasted("about as long as TCP_USER_TIMEOUT says", &waits, (3.7, 7.0));
    Ok(Truth {
        tolerance_s: Some(2.0),
        signed_by: None,
        detected_by: Some("retransmission-timeout"),
        ..Truth::clock(("retransmission-timeout", "peer-gone"), "probe", 4.0, "client")
            .set("TCP_USER_TIMEOUT", 4000)
            .accept(&["idle-timeout-middlebox"])
    })
}

fn keepalive(stage: &mut Stage<'_>) -> Result<Truth, Trouble> {
    quiet_box(stage)?;
    let tuning: Tuning = |end| {
        end.tune(|socket| {
            let keepalive = socket2::TcpKeepalive::new()
                .with_time(Duration::from_secs(2))
                .with_interval(Duration::from_secs(1))
                .with_retries(3);
            socket.set_tcp_keepalive(&keepalive)
        })
    };
    let waits = vanishing(stage, tuning, false, 20.0)?;
    stage.checks.lasted("keepalive's time and three probes", &waits, (4.5, 8.0));
    Ok(Truth {
        tolerance_s: Some(1.5),
        signed_by: Some("client"),
        detected_by: Some("keepalive"),
        ..Truth::clock(("keepalive-dead-peer", "peer-gone"), "probe", 5.0, "client")
            .set("TCP_KEEPIDLE", "2 s, then 3 probes of 1 s")
    })
}

/// What clients of a Redis do: ask now and then.
fn asking<'c>() -> Habit<'c> {
    Habit {
        opens: Box::new(|stage: &mut Stage<'_>| {
            let Some(mut end) = stage.dial(stage.service())? else { return Ok(None) };
            end.asks(REDIS_PING);
            Ok(Some(end))
        }),
        chats: Some((
            0.6,
            Box::new(|end: &mut End| {
                end.asks(REDIS_PING);
                false
            }),
        )),
        gives_up_s: None,
    }
}

fn crashes(stage: &mut Stage<'_>) -> Result<Truth, Trouble> {
    quiet_box(stage)?;
    let log = stage.grows(Place::Server, "redis.log");
    let mut server = redis(stage, "", &log)?;
    let clients = 3;
    let mut crowd = Crowd::of(clients, stage, asking());
    crowd.live(stage, 2.0)?;
    stage.look()?;
    stage.sockets()?;
    for _ in 0..4 {
        crowd.live_about(stage, 1.5, 4.5)?;
        server.signal("KILL")?;
        crowd.live_about(stage, 0.6, 1.6)?;
        drop(server);
        server = redis(stage, "", &log)?;
        crowd.live(stage, 1.2)?;
    }
    let ended = crowd.lives.len();
    let all = ended == 4 * clients as usize;
    stage.checks.that("each crash ends every connection, once", all, &crowd.lives);
    let told = |l: &crate::crowd::Life| matches!(l.how, Broken::Eof | Broken::Reset | Broken::Pipe);
    let heard = crowd.lives.iter().all(told);
    stage.checks.that("each client is told at once", heard, &crowd.lives);
    stage.look()?;
    stage.cut()?;
    drop(server);
    Ok(Truth::end_decided("server-crash", "event", "server").accept(&["deploy-restart"]))
}

fn restarts(stage: &mut Stage<'_>) -> Result<Truth, Trouble> {
    let period_s = i64::from(stage.plan.timer_s) + 3;
    let period = period_s as f64;
    quiet_box(stage)?;
    let log = stage.grows(Place::Server, "redis.log");
    let mut server = redis(stage, "", &log)?;
    let mut crowd = Crowd::of(3, stage, asking());
    crowd.live(stage, 2.0)?;
    stage.look()?;
    stage.sockets()?;
    let rounds = 5;
    for _ in 0..rounds {
        let ns = period_s * 1_000_000_000;
        let wait = ns - now().ns().rem_euclid(ns);
        crowd.live(stage, wait as f64 / 1e9)?;
        server.signal("TERM")?;
        crowd.live(stage, 0.4)?;
        drop(server);
        server = redis(stage, "", &log)?;
        crowd.live(stage, 1.0)?;
    }
    let ended = crowd.lives.len();
    stage.checks.that("every client was cut off each time", ended >= 3 * (rounds - 1), ended);
    let late: Vec<f64> =
        crowd.lives.iter().map(|l| (l.ended.ns() as f64 / 1e9).rem_euclid(period)).collect();
    stage.checks.lasted("each right after a full multiple of the period", &late, (0.0, 1.5));
    stage.look()?;
    stage.cut()?;
    drop(server);
    Ok(Truth::clock(("wall-clock-schedule", "event"), "wall", period, "server")
        .accept(&["deploy-restart", "config-reload"]))
}

fn free_running(stage: &mut Stage<'_>) -> Result<Truth, Trouble> {
    // Far enough from what a minute is divided into that no clock on a wall fits.
    let sleep = f64::from(stage.plan.timer_s) + 0.3;
    quiet_box(stage)?;
    let log = stage.grows(Place::Server, "redis.log");
    let server = redis(stage, "", &log)?;
    let mut admin = stage.administrator()?;
    let mut crowd = Crowd::of(2, stage, asking());
    crowd.live(stage, 2.0)?;
    stage.look()?;
    stage.sockets()?;
    let mut rounds = Vec::new();
    for round in 0..6 {
        if round == 3 {
            // Somebody restarts a client by hand in the middle.
            crowd.live(stage, sleep / 2.0)?;
            crowd.cut_one();
            crowd.live(stage, sleep / 2.0)?;
        } else {
            crowd.live(stage, sleep)?;
        }
        rounds.push(now());
        admin.asks(b"CLIENT KILL TYPE normal SKIPME yes\r\n");
    }
    crowd.live(stage, 1.0)?;
    let after = |at| rounds.iter().rev().find(|r| **r <= at).copied();
    let by_loop = crowd.lives.iter().filter(|l| l.how != Broken::Own);
    let late: Vec<f64> =
        by_loop.filter_map(|l| Some(l.ended.since(after(l.ended)?).secs_f64())).collect();
    stage.checks.lasted("each ends when the loop comes round", &late, (0.0, 1.0));
    let periods: Vec<f64> = rounds.windows(2).map(|w| w[1].since(w[0]).secs_f64()).collect();
    let says = "the loop takes a little longer than it sleeps";
    stage.checks.lasted(says, &periods, (sleep, sleep + 0.8));
    stage.look()?;
    stage.cut()?;
    drop(server);
    Ok(Truth::clock(("free-running-schedule", "event"), "free-running", sleep, "server")
        .accept(&["wall-clock-schedule"]))
}
