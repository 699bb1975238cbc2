//! nginx as people run it: its own idle timer, its count of requests, its patience with an
//! upstream, and a reload.

use std::cell::RefCell;
use std::net::SocketAddr;

use crate::crowd::{Crowd, Habit, Opens};
use crate::ends::End;
use crate::folder::Place;
use crate::journal::Broken;
use crate::program::{Order, Program, Writes};
use crate::rules::{LONG_S, Nat, Setup};
use crate::scenario::Scenario;
use crate::stage::{A_MOMENT, Stage, now};
use crate::talk::{STREAM_HEAD, get};
use crate::tool::Tool;
use crate::trouble::Trouble;
use crate::truth::Truth;

const NEEDS: &[Tool] = &[Tool::installed("nginx", "nginx")];

/// Its own idle timer.
pub(super) const KEEPALIVE_TIMEOUT: Scenario = Scenario {
    name: "nginx-keepalive-timeout",
    says: "nginx: keepalive_timeout after the last answer the server closes with a FIN, however old the connection is",
    needs: NEEDS,
    play: keepalive_timeout,
};

/// Its count.
pub(super) const KEEPALIVE_REQUESTS: Scenario = Scenario {
    name: "nginx-keepalive-requests",
    says: "nginx: after keepalive_requests requests the server closes, at whatever age",
    needs: NEEDS,
    play: keepalive_requests,
};

/// Its patience with an upstream.
pub(super) const PROXY_READ_TIMEOUT: Scenario = Scenario {
    name: "nginx-proxy-read-timeout",
    says: "nginx as a proxy: a stream that is silent for proxy_read_timeout is cut off on both legs",
    needs: NEEDS,
    play: proxy_read_timeout,
};

/// The same before the first byte.
pub(super) const GATEWAY_TIMEOUT: Scenario = Scenario {
    name: "nginx-gateway-timeout",
    says: "nginx as a proxy: a request that is not answered within proxy_read_timeout gets 504, and the connection lives on",
    needs: NEEDS,
    play: gateway_timeout,
};

/// A reload.
pub(super) const RELOAD: Scenario = Scenario {
    name: "nginx-reload",
    says: "nginx: after a reload old workers end all their connections together, worker_shutdown_timeout later",
    needs: NEEDS,
    play: reload,
};

/// A configuration: `main` outside, `http` inside.
fn order(stage: &mut Stage<'_>, place: Place, main: &str, http: &str) -> Order {
    let level = if stage.plan.rng.bool() { "info" } else { "notice" };
    let config = format!(
        "daemon off;\nuser root;\nworker_processes 1;\npid /run/lab/nginx.pid;\n\
         error_log stderr {level};\n{main}\nevents {{ worker_connections 64; }}\n\
         http {{\n  access_log /dev/stdout combined;\n  client_body_temp_path /run/lab/body;\n  \
         proxy_temp_path /run/lab/proxy;\n  fastcgi_temp_path /run/lab/fastcgi;\n  \
         uwsgi_temp_path /run/lab/uwsgi;\n  scgi_temp_path /run/lab/scgi;\n{http}\n}}\n"
    );
    Order {
        name: "nginx",
        script: "nginx -e stderr -c /run/lab/nginx.conf".to_owned(),
        files: vec![("nginx.conf", config)],
        out: Writes::AsIs(stage.grows(place, "nginx-access.log")),
        err: Writes::AsIs(stage.grows(place, "nginx-error.log")),
    }
}

/// A box that only tracks, and nginx on the server's machine.
fn as_server(stage: &mut Stage<'_>, http: &str) -> Result<Program, Trouble> {
    let nat = if stage.plan.rng.bool() { Nat::Snat } else { Nat::None };
    stage.set(&Setup { established_s: LONG_S, ..Setup::of(nat, &stage.plan) })?;
    stage.heartbeat = b"GET /ping HTTP/1.1\r\nHost: upstream-1\r\n\r\n";
    let service = stage.service();
    let http = format!(
        "  {http}\n  server {{\n    listen {service};\n    default_type text/plain;\n    \
         location / {{ return 200 \"ok\\n\"; }}\n  }}"
    );
    let order = order(stage, Place::Server, "", &http);
    stage.starts(Place::Server, &order, service.port())
}

/// Connects, asks a few times at its leisure, and leaves the connection alone.
fn a_few_requests<'c>() -> Opens<'c> {
    Box::new(|stage: &mut Stage<'_>| {
        let Some(mut end) = stage.dial(stage.service())? else { return Ok(None) };
        for _ in 0..stage.plan.rng.u32(1..=3) {
            stage.pause(0.0, 0.6)?;
            end.asks(&get("/events"));
        }
        Ok(Some(end))
    })
}

fn keepalive_timeout(stage: &mut Stage<'_>) -> Result<Truth, Trouble> {
    let timer_s = stage.plan.timer_s;
    let nginx = as_server(stage, &format!("keepalive_timeout {timer_s}s;"))?;
    let lives = stage.plan.rng.usize(4..=6);
    let mut crowd = Crowd::silent(stage, a_few_requests());
    crowd.live(stage, 2.0)?;
    stage.look()?;
    stage.sockets()?;
    crowd.until(stage, lives, f64::from(timer_s) * 12.0)?;
    let silences: Vec<f64> = crowd.lives.iter().map(|l| l.silence()).collect();
    let timer = f64::from(timer_s);
    let span = (timer - 0.3, timer + 2.0);
    stage.checks.lasted("each ends keepalive_timeout after its last answer", &silences, span);
    let ends = crowd.lives.iter().all(|l| l.how == Broken::Eof);
    stage.checks.that("the client reads end of file each time", ends, &crowd.lives);
    stage.look()?;
    let tapes = stage.cut()?;
    drop(nginx);
    let who = stage.addresses();
    let reset = tapes.client.reset(who.server, who.client, crowd.lives[0].opened);
    stage.checks.unseen("no reset is sent to it", reset);
    Ok(Truth::clock(("server-idle-timeout", "idle"), "idle", timer, "server")
        .set("keepalive_timeout", timer_s)
        .accept(&["idle-timeout-proxy"]))
}

fn keepalive_requests(stage: &mut Stage<'_>) -> Result<Truth, Trouble> {
    let count = stage.plan.rng.u32(5..=9);
    let nginx = as_server(stage, &format!("keepalive_requests {count};"))?;
    let lives = stage.plan.rng.usize(5..=7);
    let asked = RefCell::new(Vec::new());
    let habit = Habit {
        opens: Box::new(|stage: &mut Stage<'_>| {
            asked.borrow_mut().push(0);
            stage.dial(stage.service())
        }),
        chats: Some((
            0.5,
            Box::new(|end: &mut End| {
                if end.asks(&get("/events"))
                    && let Some(last) = asked.borrow_mut().last_mut()
                {
                    *last += 1;
                }
                false
            }),
        )),
        gives_up_s: None,
    };
    let mut crowd = Crowd::of(1, stage, habit);
    crowd.live(stage, 2.0)?;
    stage.look()?;
    stage.sockets()?;
    crowd.until(stage, lives, 60.0)?;
    let ended = crowd.lives.len();
    let asked: Vec<u32> = asked.borrow().iter().take(ended).copied().collect();
    let exact = asked.iter().all(|n| *n == count);
    stage.checks.that("each connection ends after exactly that many requests", exact, asked);
    stage.look()?;
    stage.cut()?;
    drop(nginx);
    Ok(Truth {
        interval_s: None,
        tolerance_s: None,
        ..Truth::clock(("request-count-limit", "age"), "count", 0.0, "server")
            .set("keepalive_requests", count)
    })
}

/// A box with nginx on it, which passes everything on to the server behind.
fn as_proxy(
    stage: &mut Stage<'_>,
    main: &str,
    location: &str,
) -> Result<(Program, SocketAddr), Trouble> {
    stage.set(&Setup { established_s: LONG_S, ..Setup::of(Nat::None, &stage.plan) })?;
    stage.heartbeat = b"";
    let front = SocketAddr::new(stage.plan.lan.hop(), stage.plan.port);
    let http = format!(
        "  server {{\n    listen {front};\n    location / {{\n      \
         proxy_pass http://{};\n      proxy_http_version 1.1;\n      \
         proxy_set_header Connection \"\";\n      proxy_buffering off;\n      {location}\n    }}\n  }}",
        stage.service()
    );
    let order = order(stage, Place::Hop, main, &http);
    Ok((stage.starts(Place::Hop, &order, front.port())?, front))
}

/// The server's program, which answers a request with events until it has no more.
struct Upstream {
    ends: RefCell<Vec<End>>,
}

impl Upstream {
    fn new() -> Self {
        Self { ends: RefCell::new(Vec::new()) }
    }

    /// Everyone who still listens gets an event.
    fn speaks(&self) {
        self.ends.borrow_mut().retain_mut(|end| end.send(b"data: tick\n\n").is_none());
    }
}

fn proxy_read_timeout(stage: &mut Stage<'_>) -> Result<Truth, Trouble> {
    let timer_s = stage.plan.timer_s;
    let (nginx, front) = as_proxy(stage, "", &format!("proxy_read_timeout {timer_s}s;"))?;
    let listener = stage.listen()?;
    let upstream = Upstream::new();
    let lives = stage.plan.rng.usize(4..=6);
    let opens: Opens<'_> = Box::new(|stage: &mut Stage<'_>| {
        let Some(mut end) = stage.dial(front)? else { return Ok(None) };
        end.send(&get("/events"));
        let mut server = listener.accept()?;
        server.hear(stage.patience());
        server.send(STREAM_HEAD);
        for _ in 0..stage.plan.rng.u32(1..=5) {
            stage.pause(0.1, 0.6)?;
            server.send(b"data: tick\n\n");
            end.hear(stage.patience());
        }
        upstream.ends.borrow_mut().push(server);
        Ok(Some(end))
    });
    let mut crowd = Crowd::silent(stage, opens);
    crowd.live(stage, 2.5)?;
    stage.look()?;
    stage.sockets()?;
    crowd.until(stage, lives, f64::from(timer_s) * 12.0)?;
    let silences: Vec<f64> = crowd.lives.iter().map(|l| l.silence()).collect();
    let timer = f64::from(timer_s);
    let span = (timer - 0.3, timer + 2.0);
    stage.checks.lasted("each ends proxy_read_timeout after the last event", &silences, span);
    stage.look()?;
    stage.cut()?;
    let mut told = 0;
    for server in upstream.ends.borrow_mut().iter_mut() {
        told += usize::from(matches!(server.hear(stage.patience()), crate::ends::Heard::Over(_)));
    }
    stage.checks.that("the server is told as well", told >= lives, told);
    drop(nginx);
    Ok(Truth::clock(("idle-timeout-proxy", "idle"), "idle", timer, "proxy")
        .set("proxy_read_timeout", timer_s)
        .accept(&["request-timeout"]))
}

fn gateway_timeout(stage: &mut Stage<'_>) -> Result<Truth, Trouble> {
    let timer_s = stage.plan.timer_s;
    let (nginx, front) = as_proxy(stage, "", &format!("proxy_read_timeout {timer_s}s;"))?;
    let listener = stage.listen()?;
    let mut end = stage.connect(front)?;
    let mut served = Vec::new();
    let mut waited = Vec::new();
    for round in 0..stage.plan.rng.u32(4..=6) {
        stage.pause(0.2, 1.2)?;
        let asked = now();
        end.send(&get("/report"));
        let mut server = listener.accept()?;
        server.hear(stage.patience());
        served.push(server);
        let answered = end.hear(stage.patience());
        waited.push(now().since(asked).secs_f64());
        let alive = matches!(answered, crate::ends::Heard::Bytes(_));
        stage.checks.that("the client is answered, and its connection lives", alive, answered);
        end.notes("error", "GET /report failed: 504 Gateway Time-out");
        if round == 1 {
            stage.look()?;
            stage.sockets()?;
        }
    }
    let timer = f64::from(timer_s);
    let span = (timer - 0.3, timer + 2.0);
    stage.checks.lasted("each answer comes proxy_read_timeout after its request", &waited, span);
    stage.cut()?;
    drop(nginx);
    Ok(Truth {
        signed_by: None,
        ..Truth::clock(("request-timeout", "age"), "open", timer, "proxy")
            .set("proxy_read_timeout", timer_s)
            .accept(&["idle-timeout-proxy"])
    })
}

fn reload(stage: &mut Stage<'_>) -> Result<Truth, Trouble> {
    let patience_s = stage.plan.rng.u32(1..=2);
    let main = format!("worker_shutdown_timeout {patience_s}s;");
    let (nginx, front) = as_proxy(stage, &main, "")?;
    let listener = stage.listen()?;
    let upstream = Upstream::new();
    let habit = Habit {
        opens: Box::new(|stage: &mut Stage<'_>| {
            let Some(mut end) = stage.dial(front)? else { return Ok(None) };
            end.send(&get("/events"));
            let mut server = listener.accept()?;
            server.hear(stage.patience());
            server.send(STREAM_HEAD);
            end.hear(stage.patience());
            upstream.ends.borrow_mut().push(server);
            Ok(Some(end))
        }),
        chats: Some((
            0.4,
            Box::new(|_: &mut End| {
                upstream.speaks();
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
        nginx.signal("HUP")?;
        reloads.push(now());
        crowd.live(stage, f64::from(patience_s) + 2.5)?;
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
    let span = (patience - 0.3, patience + 1.5);
    stage.checks.lasted("each worker_shutdown_timeout after the reload", &delays, span);
    stage.rest(A_MOMENT)?;
    stage.cut()?;
    drop(nginx);
    Ok(Truth {
        interval_s: None,
        tolerance_s: None,
        ..Truth::clock(("config-reload", "event"), "event", 0.0, "proxy")
            .set("worker_shutdown_timeout", patience_s)
            .accept(&["deploy-restart"])
    })
}
