//! HAProxy as people run it: a timer for each side, one for tunnels, one for answers, and one that
//! ends old processes after a reload.

use std::cell::{Cell, RefCell};
use std::net::SocketAddr;
use std::time::Duration;

use crate::crowd::{Crowd, Habit, Opens};
use crate::ends::{End, Heard};
use crate::folder::Place;
use crate::program::{Order, Program, Writes};
use crate::rules::{LONG_S, Nat, Setup};
use crate::scenario::Scenario;
use crate::stage::{Stage, now};
use crate::talk::get;
use crate::tool::Tool;
use crate::trouble::Trouble;
use crate::truth::Truth;

const NEEDS: &[Tool] = &[Tool::installed("haproxy", "haproxy")];
/// What no run outlasts.
const LONG: &str = "1h";

/// The client's side.
pub(super) const CLIENT: Scenario = Scenario {
    name: "haproxy-timeout-client",
    says: "HAProxy: a connection on which the client is silent for `timeout client` is closed on both legs",
    needs: NEEDS,
    play: |stage| idle(stage, "client"),
};

/// The server's side.
pub(super) const SERVER: Scenario = Scenario {
    name: "haproxy-timeout-server",
    says: "HAProxy: a connection on which the server is silent for `timeout server` is closed on both legs",
    needs: NEEDS,
    play: |stage| idle(stage, "server"),
};

/// A tunnel.
pub(super) const TUNNEL: Scenario = Scenario {
    name: "haproxy-timeout-tunnel",
    says: "HAProxy: once a WebSocket is open, `timeout tunnel` alone counts, and both directions refresh it",
    needs: NEEDS,
    play: tunnel,
};

/// An answer that takes longer than allowed.
pub(super) const THINK_TIME: Scenario = Scenario {
    name: "haproxy-think-time",
    says: "HAProxy: `timeout server` shorter than the server thinks: the client gets 504, measured from its request, and opens anew",
    needs: NEEDS,
    play: think_time,
};

/// A reload.
pub(super) const HARD_STOP: Scenario = Scenario {
    name: "haproxy-hard-stop-after",
    says: "HAProxy: hard-stop-after a reload the old process ends, and all its connections with it",
    needs: NEEDS,
    play: hard_stop,
};

/// What HAProxy is told.
struct Told<'t> {
    global: String,
    mode: &'t str,
    /// `client`, `server`, `tunnel`, and their times.
    timeouts: Vec<(&'static str, String)>,
}

/// HAProxy on the box, in front of the server.
fn starts(stage: &mut Stage<'_>, told: &Told<'_>) -> Result<(Program, SocketAddr), Trouble> {
    stage.set(&Setup { established_s: LONG_S, ..Setup::of(Nat::None, &stage.plan) })?;
    if told.mode == "http" {
        stage.heartbeat = b"";
    }
    let front = SocketAddr::new(stage.plan.lan.hop(), stage.plan.port);
    let timeouts: String =
        told.timeouts.iter().map(|(name, time)| format!("  timeout {name} {time}\n")).collect();
    let config = format!(
        "global\n  log stdout format raw local0 info\n  maxconn 64\n{}\ndefaults\n  \
         mode {}\n  log global\n  option {}log\n  timeout connect 2s\n{timeouts}\
         frontend stream\n  bind {front}\n  default_backend upstream\n\
         backend upstream\n  server upstream-1 {}\n",
        told.global,
        told.mode,
        told.mode,
        stage.service()
    );
    let log = stage.grows(Place::Hop, "haproxy.log");
    let order = Order {
        name: "haproxy",
        script: "haproxy -W -db -f haproxy.cfg".to_owned(),
        files: vec![("haproxy.cfg", config)],
        out: Writes::Syslog(log.clone(), Place::Hop.host(), "haproxy[1]"),
        err: Writes::Syslog(log, Place::Hop.host(), "haproxy[1]"),
    };
    Ok((stage.starts(Place::Hop, &order, front.port())?, front))
}

/// Of a connection that became a tunnel, as any of mode tcp, `timeout tunnel` is the only timer
/// where it is set.
fn timeouts(short: &str, seconds: u32) -> Vec<(&'static str, String)> {
    let named =
        ["client", "server", "tunnel"].into_iter().filter(|n| *n != "tunnel" || short == *n);
    named
        .map(|name| (name, if name == short { format!("{seconds}s") } else { LONG.to_owned() }))
        .collect()
}

/// The server's program, which closes what its peer has closed.
#[derive(Default)]
struct Servers {
    ends: RefCell<Vec<End>>,
    told: Cell<usize>,
}

impl Servers {
    /// Something every client does now and then: here the server looks after its own.
    fn habit<'c>(&'c self, opens: Opens<'c>) -> Habit<'c> {
        let attend = move |_: &mut End| {
            self.ends.borrow_mut().retain_mut(|end| {
                let over = matches!(end.hear(Duration::from_millis(1)), Heard::Over(_));
                self.told.set(self.told.get() + usize::from(over));
                !over
            });
            false
        };
        Habit { opens, chats: Some((0.1, Box::new(attend))), gives_up_s: None }
    }
}

/// A word each way now and then for a while, and then nothing.
fn chatter(stage: &mut Stage<'_>, end: &mut End, server: &mut End) -> Result<(), Trouble> {
    for _ in 0..stage.plan.rng.u32(1..=4) {
        stage.pause(0.1, 0.6)?;
        end.say(48);
        server.hear(stage.patience());
        server.say(96);
        end.hear(stage.patience());
    }
    Ok(())
}

/// All end this long after their last word, and the server's side is told.
fn silences(
    stage: &mut Stage<'_>,
    crowd: &mut Crowd<'_>,
    servers: &Servers,
) -> Result<(), Trouble> {
    let timer = f64::from(stage.plan.timer_s);
    let lives = stage.plan.rng.usize(4..=6);
    crowd.live(stage, 2.5)?;
    stage.look()?;
    stage.sockets()?;
    crowd.until(stage, lives, timer * 12.0)?;
    let silences: Vec<f64> = crowd.lives.iter().map(|l| l.silence()).collect();
    let span = (timer - 0.3, timer + 2.0);
    stage.checks.lasted("each ends the timer's length after its last word", &silences, span);
    stage.look()?;
    stage.cut()?;
    let told = servers.told.get();
    stage.checks.that("the server's side is closed as well", told + 1 >= lives, told);
    Ok(())
}

fn idle(stage: &mut Stage<'_>, side: &'static str) -> Result<Truth, Trouble> {
    let timer_s = stage.plan.timer_s;
    let told = Told { global: String::new(), mode: "tcp", timeouts: timeouts(side, timer_s) };
    let (haproxy, front) = starts(stage, &told)?;
    let listener = stage.listen()?;
    let servers = Servers::default();
    let opens: Opens<'_> = Box::new(|stage: &mut Stage<'_>| {
        let Some(mut end) = stage.dial(front)? else { return Ok(None) };
        let mut server = listener.accept()?;
        chatter(stage, &mut end, &mut server)?;
        servers.ends.borrow_mut().push(server);
        Ok(Some(end))
    });
    let mut crowd = Crowd::of(1, stage, servers.habit(opens));
    silences(stage, &mut crowd, &servers)?;
    drop(haproxy);
    let setting = if side == "client" { "timeout client" } else { "timeout server" };
    Ok(Truth::clock(("idle-timeout-proxy", "idle"), "idle", f64::from(timer_s), "proxy")
        .set(setting, timer_s))
}

fn tunnel(stage: &mut Stage<'_>) -> Result<Truth, Trouble> {
    let timer_s = stage.plan.timer_s;
    let told = Told { global: String::new(), mode: "http", timeouts: timeouts("tunnel", timer_s) };
    let (haproxy, front) = starts(stage, &told)?;
    let listener = stage.listen()?;
    let servers = Servers::default();
    let opens: Opens<'_> = Box::new(|stage: &mut Stage<'_>| {
        let Some(mut end) = stage.dial(front)? else { return Ok(None) };
        end.send(
            b"GET /socket HTTP/1.1\r\nHost: upstream-1\r\nConnection: Upgrade\r\n\
              Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
              Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
        );
        let mut server = listener.accept()?;
        server.hear(stage.patience());
        server.send(
            b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
              Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n",
        );
        end.hear(stage.patience());
        chatter(stage, &mut end, &mut server)?;
        servers.ends.borrow_mut().push(server);
        Ok(Some(end))
    });
    let mut crowd = Crowd::of(1, stage, servers.habit(opens));
    silences(stage, &mut crowd, &servers)?;
    drop(haproxy);
    Ok(Truth::clock(("idle-timeout-proxy", "idle"), "idle", f64::from(timer_s), "proxy")
        .set("timeout tunnel", timer_s))
}

fn think_time(stage: &mut Stage<'_>) -> Result<Truth, Trouble> {
    let timer_s = stage.plan.timer_s;
    let told = Told { global: String::new(), mode: "http", timeouts: timeouts("server", timer_s) };
    let (haproxy, front) = starts(stage, &told)?;
    let listener = stage.listen()?;
    let servers = RefCell::new(Vec::new());
    let opens: Opens<'_> = Box::new(|stage: &mut Stage<'_>| {
        let Some(mut end) = stage.dial(front)? else { return Ok(None) };
        stage.pause(0.0, 1.0)?;
        end.send(&get("/report"));
        let mut server = listener.accept()?;
        server.hear(stage.patience());
        servers.borrow_mut().push(server);
        let answered = end.hear(stage.patience());
        if matches!(answered, Heard::Bytes(_)) {
            end.notes("error", "GET /report failed: 504 Gateway Time-out");
            // HAProxy leaves the connection open; the program trusts it no more.
            end.hangs_up();
        }
        Ok(Some(end))
    });
    let lives = stage.plan.rng.usize(4..=6);
    let mut crowd = Crowd::silent(stage, opens);
    crowd.live(stage, 1.0)?;
    stage.look()?;
    stage.sockets()?;
    crowd.until(stage, lives, f64::from(timer_s) * 12.0)?;
    let timer = f64::from(timer_s);
    // Up to a second passes between the opening and the request.
    let ages: Vec<f64> = crowd.lives.iter().map(|l| l.age()).collect();
    let span = (timer - 0.3, timer + 3.0);
    stage.checks.lasted("each ends `timeout server` after its request", &ages, span);
    stage.look()?;
    stage.cut()?;
    drop(haproxy);
    Ok(Truth {
        signed_by: Some("client"),
        ..Truth::clock(("request-timeout", "age"), "open", timer, "proxy")
            .set("timeout server", timer_s)
            .accept(&["idle-timeout-proxy"])
    })
}

fn hard_stop(stage: &mut Stage<'_>) -> Result<Truth, Trouble> {
    let patience_s = stage.plan.rng.u32(1..=2);
    let told = Told {
        global: format!("  hard-stop-after {patience_s}s\n"),
        mode: "tcp",
        timeouts: timeouts("none", 0),
    };
    let (haproxy, front) = starts(stage, &told)?;
    let listener = stage.listen()?;
    let servers: RefCell<Vec<End>> = RefCell::new(Vec::new());
    let habit = Habit {
        opens: Box::new(|stage: &mut Stage<'_>| {
            let Some(end) = stage.dial(front)? else { return Ok(None) };
            servers.borrow_mut().push(listener.accept()?);
            Ok(Some(end))
        }),
        chats: Some((
            0.4,
            Box::new(|end: &mut End| {
                end.say(48);
                servers.borrow_mut().retain_mut(|server| server.say(96).is_none());
                false
            }),
        )),
        gives_up_s: None,
    };
    let clients = 3;
    let mut crowd = Crowd::of(clients, stage, habit);
    crowd.live(stage, 2.5)?;
    stage.look()?;
    let mut reloads = Vec::new();
    for _ in 0..3 {
        crowd.live_about(stage, 0.5, 3.5)?;
        stage.sockets()?;
        haproxy.signal("USR2")?;
        reloads.push(now());
        crowd.live(stage, f64::from(patience_s) + 3.0)?;
    }
    let after = |at| reloads.iter().rev().find(|r| **r <= at).copied();
    let delays: Vec<f64> = crowd
        .lives
        .iter()
        .filter_map(|l| Some(l.ended.since(after(l.ended)?).secs_f64()))
        .collect();
    let all = delays.len() == 3 * clients as usize;
    stage.checks.that("every reload ends every connection, once", all, &crowd.lives);
    let patience = f64::from(patience_s);
    stage.checks.lasted(
        "each hard-stop-after the reload",
        &delays,
        (patience - 0.3, patience + 2.5),
    );
    stage.cut()?;
    drop(haproxy);
    Ok(Truth {
        interval_s: None,
        tolerance_s: None,
        ..Truth::clock(("config-reload", "event"), "event", 0.0, "proxy")
            .set("hard-stop-after", patience_s)
            .accept(&["deploy-restart"])
    })
}
